"""More tables: what a club keeps besides its people, and the record of decisions."""

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from gatekeeper.storage.tables import Row, moment, words


class ClubState(Row):
    created_at = fields.DatetimeField()
    watched_since = moment()
    paused_at = moment()
    paused_by = words()
    policy = words()
    policy_aside = words()
    policy_pending = words()
    looked_by = words()
    unfiltered = words()
    members = fields.BigIntField(default=0)
    head_posted_at = moment()
    trials_told_at = moment()
    served_at = moment()
    served_by = words()

    class Meta:
        table = "clubs"
        unique_together = (("club",),)


class PolicyVersion(Row):
    digest = fields.TextField()
    text = fields.TextField()

    class Meta:
        table = "policy_versions"
        unique_together = (("club", "digest"),)


class PolicyChange(Row):
    at = fields.DatetimeField()
    digest = fields.TextField()
    before = words()
    actor = fields.TextField()
    reason = fields.TextField()

    class Meta:
        table = "policy_changes"
        indexes = (Index(fields=("club", "digest")),)


class PolicyDifference(Row):
    at = fields.DatetimeField()
    day = fields.DateField()
    kind = fields.TextField()
    subject = fields.TextField()
    trial = fields.TextField()
    verdict = fields.TextField()
    rule = fields.TextField()
    trial_verdict = fields.TextField()
    trial_rule = fields.TextField()
    digest = fields.TextField()

    class Meta:
        table = "policy_differences"
        unique_together = (("club", "digest", "trial", "subject", "day"),)


class StandingCard(Row):
    platform = fields.TextField()
    kind = fields.TextField()
    subject = fields.TextField()
    place = fields.TextField()
    ref = fields.TextField()
    shown = words()
    ended_at = moment()

    class Meta:
        table = "cards"
        indexes = (Index(fields=("club", "ref")), Index(fields=("club", "subject")))


class Budget(Row):
    platform = fields.TextField()
    limiter = fields.TextField()
    blocked_until = fields.DatetimeField()

    class Meta:
        table = "budgets"
        unique_together = (("club", "platform", "limiter"),)


class Checkpoint(Row):
    platform = fields.TextField()
    position = fields.TextField()

    class Meta:
        table = "checkpoints"
        unique_together = (("club", "platform"),)


class EarlyPress(Row):
    platform = fields.TextField()
    ref = fields.TextField()
    who = fields.TextField()
    symbol = fields.TextField()
    place = fields.TextField()
    event_id = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "early_presses"
        unique_together = (("club", "platform", "event_id"),)
        indexes = (Index(fields=("club", "at")),)


class Draft(Row):
    who = fields.TextField()
    form = fields.TextField()
    answers = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "drafts"
        unique_together = (("club", "who", "form"),)
        indexes = (Index(fields=("club", "at")),)


class Handled(Row):
    platform = fields.TextField()
    event_id = fields.TextField()
    at = fields.DatetimeField()

    class Meta:
        table = "handled"
        unique_together = (("club", "platform", "event_id"),)
        indexes = (Index(fields=("club", "at")),)


class Pass(Row):
    act = fields.TextField()
    digest = fields.TextField()
    identity = fields.TextField()
    subject = fields.TextField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    note = words()
    used_at = moment()
    void_at = moment()

    class Meta:
        table = "passes"
        unique_together = (("club", "digest"),)
        indexes = (Index(fields=("club", "identity")), Index(fields=("club", "expires_at")))


class Proof(Row):
    application_id = fields.BigIntField()
    identity = fields.TextField()
    browser = fields.TextField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    tries = fields.BigIntField(default=0)
    used_at = moment()

    class Meta:
        table = "proofs"
        indexes = (Index(fields=("club", "application_id")), Index(fields=("club", "identity")))


class Schedule(Row):
    name = fields.TextField()
    cron = fields.TextField()
    zone = fields.TextField()
    done_at = fields.DatetimeField()
    due_at = moment()
    tried_at = moment()
    tries = fields.BigIntField(default=0)

    class Meta:
        table = "schedules"
        unique_together = (("club", "name"),)


class Finding(Row):
    key = fields.TextField()
    code = fields.TextField()
    platform = fields.TextField()
    subject = fields.TextField()
    values = fields.TextField()
    first_at = fields.DatetimeField()
    last_at = fields.DatetimeField()
    ended_at = moment()
    answer = words()
    by = words()

    class Meta:
        table = "findings"
        unique_together = (("club", "key"),)


class Tally(Row):
    key = fields.TextField()
    hour = fields.DatetimeField()
    count = fields.BigIntField()

    class Meta:
        table = "tallies"
        unique_together = (("club", "key", "hour"),)
        indexes = (Index(fields=("club", "hour")),)


# ---- the record of decisions: every column is text or number, and under the seal -----------


class Entry(Model):
    # `<club>/<sequence>`, and `at` is canonical text: no column escapes the seal.
    id = fields.CharField(max_length=255, primary_key=True)
    club = fields.TextField()
    sequence = fields.BigIntField()
    at = fields.TextField()
    actor = fields.TextField()
    subject = fields.TextField()
    verdict = fields.TextField()
    code = fields.TextField()
    sentence = fields.TextField()
    policy = fields.TextField()
    input_digest = fields.TextField()
    mac = fields.TextField()

    class Meta:
        table = "entries"
        unique_together = (("club", "sequence"),)
        indexes = (Index(fields=("club", "subject", "sequence")),)


class EntryInput(Model):
    # What an entry's decision saw, with the salt of its digest; erasing it spares the record.
    id = fields.CharField(max_length=255, primary_key=True)
    club = fields.TextField()
    sequence = fields.BigIntField()
    salt = fields.TextField()
    input = fields.TextField()

    class Meta:
        table = "entry_inputs"
        unique_together = (("club", "sequence"),)


class Head(Model):
    # Where the record ends, sealed by itself, so that a deleted newest row is found.
    club = fields.CharField(max_length=255, primary_key=True)
    sequence = fields.BigIntField()
    mac = fields.TextField()
    own_mac = fields.TextField()

    class Meta:
        table = "heads"


class Secret(Model):
    # Encrypted tokens and login states; `secret` is a Fernet token.
    id = fields.BigIntField(primary_key=True)
    club = fields.TextField()
    name = fields.TextField()
    secret = fields.TextField()

    class Meta:
        table = "secrets"
        unique_together = (("club", "name"),)
