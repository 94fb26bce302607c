"""The tables, as Tortoise models; one for each stored value of `gatekeeper.domain`.

Fields are named as in the dataclass that they keep (a test holds them against each other). Texts
that are chosen, typed or named by others have no length here: limits are rules, not schema.
Nested values are JSON text, not JSONB, which would reorder keys and refuse some letters. No table
refers to another by a foreign key: Tortoise's rebuild of a SQLite table would delete through it.

Two more unique keys are partial indexes, which Tortoise cannot describe; see the migrations:
one open membership for each person, and one application under review, approved or invited.
"""

from datetime import datetime

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model


def words() -> fields.TextField:
    return fields.TextField(default="")


def moment() -> "fields.DatetimeField[datetime | None]":
    return fields.DatetimeField(null=True)


class Row(Model):
    # What every table has. A docstring would become a comment in the database, and a migration.

    id = fields.BigIntField(primary_key=True)
    club = fields.TextField()

    class Meta:
        abstract = True


class Person(Row):
    name = fields.TextField()
    language = words()
    listed = fields.BooleanField(default=False)
    erased_at = moment()

    class Meta:
        table = "persons"
        indexes = (Index(fields=("club",)),)


class Account(Row):
    person_id = fields.BigIntField()
    identity = fields.TextField()
    name = fields.TextField()
    first_seen_at = fields.DatetimeField()
    created_at = moment()
    proven_at = moment()
    refuses_proofs_at = moment()
    roles = fields.TextField()

    class Meta:
        table = "accounts"
        unique_together = (("club", "identity"),)
        indexes = (Index(fields=("club", "person_id")),)


class LinkCode(Row):
    identity = fields.TextField()
    digest = fields.TextField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = moment()
    used_by = words()

    class Meta:
        table = "link_codes"
        indexes = (Index(fields=("club", "digest")), Index(fields=("club", "identity")))


class Address(Row):
    person_id = fields.BigIntField()
    address = fields.TextField()
    browser = fields.TextField()
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    tries = fields.BigIntField(default=0)
    confirmed_at = moment()
    ended_at = moment()

    class Meta:
        table = "addresses"
        indexes = (Index(fields=("club", "person_id")),)


class Linked(Row):
    into_id = fields.BigIntField()
    from_id = fields.BigIntField()
    accounts = fields.TextField()
    moved = fields.TextField()
    barred = fields.BooleanField(default=False)
    at = fields.DatetimeField()
    ended_at = moment()

    class Meta:
        table = "linked"
        indexes = (Index(fields=("club", "into_id")), Index(fields=("club", "from_id")))


class Application(Row):
    person_id = fields.BigIntField()
    identity = fields.TextField()
    name = fields.TextField()
    origin = fields.TextField()
    state = fields.TextField()
    language = words()
    answers = fields.TextField(null=True)
    knock_reason = words()
    submitted_at = fields.DatetimeField()
    opened_at = moment()
    interviewed_at = moment()
    decided_at = moment()
    invited_at = moment()
    ended_at = moment()
    reminded_at = moment()
    due_at = moment()
    edited_at = moment()
    previous_answers = fields.TextField(null=True)
    policy = words()
    rule = words()
    results = fields.TextField()
    quorum = fields.TextField()
    electorate = fields.TextField()
    involved = fields.TextField()
    reason = words()
    reason_text = words()
    decided_by = fields.TextField()
    browser = words()

    class Meta:
        table = "applications"
        indexes = (
            Index(fields=("club", "state", "due_at")),
            Index(fields=("club", "due_at")),
            Index(fields=("club", "identity")),
            Index(fields=("club", "person_id")),
        )


class Vote(Row):
    application_id = fields.BigIntField()
    person_id = fields.BigIntField()
    voter = fields.TextField()
    choice = fields.TextField()
    reason = words()
    told = words()
    event_id = fields.TextField()
    at = fields.DatetimeField()
    ended_at = moment()
    ended_by = words()

    class Meta:
        table = "votes"
        indexes = (Index(fields=("club", "application_id")), Index(fields=("club", "event_id")))


class Vouch(Row):
    application_id = fields.BigIntField()
    person_id = fields.BigIntField()
    voucher = fields.TextField()
    at = fields.DatetimeField()
    ended_at = moment()
    ended_by = words()

    class Meta:
        table = "vouches"
        indexes = (Index(fields=("club", "application_id")), Index(fields=("club", "person_id")))


class Question(Row):
    application_id = fields.BigIntField()
    asked_by = fields.TextField()
    asked_at = fields.DatetimeField()
    text = words()
    answer = words()
    answered_at = moment()
    ended_at = moment()

    class Meta:
        table = "questions"
        indexes = (Index(fields=("club", "application_id")),)


class Membership(Row):
    person_id = fields.BigIntField()
    identity = fields.TextField()
    name = fields.TextField()
    state = fields.TextField()
    origin = fields.TextField()
    since = fields.DatetimeField()
    known_since = fields.DatetimeField()
    last_seen_at = moment()
    last_kind = words()
    last_place = words()
    noticed_at = moment()
    notice_ref = words()
    notice_code = words()
    notice_policy = words()
    unreachable_since = moment()
    grace_ends_at = moment()
    guest_at = moment()
    planned_at = moment()
    confirmed_by = words()
    page = fields.BigIntField(default=0)
    ended_at = moment()
    cause = words()
    welcome_due_at = moment()
    back_invited_at = moment()
    back_due_at = moment()
    look_at = fields.DatetimeField()

    class Meta:
        table = "memberships"
        indexes = (
            Index(fields=("club", "state", "look_at", "id")),
            Index(fields=("club", "state", "grace_ends_at")),
            Index(fields=("club", "state", "last_seen_at")),
            Index(fields=("club", "welcome_due_at")),
            Index(fields=("club", "back_due_at")),
            Index(fields=("club", "identity")),
            Index(fields=("club", "person_id")),
        )


class Leave(Row):
    person_id = fields.BigIntField()
    since = fields.DatetimeField()
    until = fields.DatetimeField()
    note = words()
    by = words()
    ended_at = moment()

    class Meta:
        table = "leaves"
        indexes = (Index(fields=("club", "person_id")), Index(fields=("club", "until")))


class Exemption(Row):
    person_id = fields.BigIntField()
    reason = fields.TextField()
    author = fields.TextField()
    since = fields.DatetimeField()
    until = fields.DatetimeField()
    ended_at = moment()

    class Meta:
        table = "exemptions"
        indexes = (Index(fields=("club", "person_id")), Index(fields=("club", "until")))


class Dispute(Row):
    person_id = fields.BigIntField()
    membership_id = fields.BigIntField()
    stage = fields.TextField()
    said = words()
    confirmed_by = words()
    opened_at = fields.DatetimeField()
    due_at = moment()
    ended_at = moment()
    outcome = words()
    reason = words()
    by = words()

    class Meta:
        table = "disputes"
        indexes = (Index(fields=("club", "person_id")), Index(fields=("club", "due_at")))


class Sweep(Row):
    slot = fields.TextField()
    at = fields.DatetimeField()
    policy = fields.TextField()
    counts = fields.TextField()
    digest = words()
    held = words()
    touched = fields.BigIntField(default=0)

    class Meta:
        table = "sweeps"
        unique_together = (("club", "slot"),)


class SweepItem(Row):
    sweep_id = fields.BigIntField()
    membership_id = fields.BigIntField()
    verdict = fields.TextField()
    code = fields.TextField()
    rule = fields.TextField()
    evidence = fields.TextField()
    outcome = words()

    class Meta:
        table = "sweep_items"
        indexes = (Index(fields=("club", "sweep_id")), Index(fields=("club", "membership_id")))


class Activity(Row):
    person_id = fields.BigIntField()
    day = fields.DateField()
    kind = fields.TextField()
    count = fields.BigIntField()
    last_at = fields.DatetimeField()
    last_place = fields.TextField()

    class Meta:
        table = "activity"
        unique_together = (("club", "person_id", "day", "kind"),)
        indexes = (
            Index(fields=("club", "day")),
            Index(fields=("club", "person_id", "kind", "last_at")),
        )


class Counted(Row):
    day = fields.DateField()

    class Meta:
        table = "counted"
        indexes = (Index(fields=("club", "day")),)


class Tie(Row):
    week = fields.DateField()
    person_id = fields.BigIntField()
    to_id = fields.BigIntField()
    relation = fields.TextField()
    count = fields.BigIntField()

    class Meta:
        table = "ties"
        unique_together = (("club", "person_id", "to_id", "week", "relation"),)
        indexes = (Index(fields=("club", "to_id")), Index(fields=("club", "week")))


class Coverage(Row):
    platform = fields.TextField()
    start = fields.DatetimeField()
    end = fields.DatetimeField()

    class Meta:
        table = "coverage"
        indexes = (Index(fields=("club", "platform", "end")),)


class BlindSpot(Row):
    platform = fields.TextField()
    place = fields.TextField()
    start = fields.DatetimeField()
    end = moment()

    class Meta:
        table = "blind_spots"
        indexes = (Index(fields=("club", "platform", "end")),)


class Order(Row):
    platform = fields.TextField()
    action = fields.TextField()
    key = fields.TextField()
    purpose = fields.TextField()
    subject = fields.TextField()
    lane = fields.TextField()
    progress = fields.TextField()
    due_at = fields.DatetimeField()
    created_at = fields.DatetimeField()
    attempt = fields.BigIntField(default=0)
    receipt = fields.TextField(null=True)
    reason = words()
    even_paused = fields.BooleanField(default=False)
    begun_at = moment()

    class Meta:
        table = "orders"
        unique_together = (("club", "key"),)
        indexes = (
            Index(fields=("club", "progress", "due_at")),
            Index(fields=("club", "subject")),
        )
