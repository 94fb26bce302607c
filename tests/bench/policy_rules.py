"""The rule set of the measurements: 12 rules of admission, 8 of pruning, and the same by hand.

Rebuilt from facts/policy.md, section 2: a country list, a list of 20 domains, spam and invitation
patterns, links, earlier declines, a cooldown, a trusted domain, vouches with the account's age, the
length of a text, a new account, and an intersection of tags with a text in small letters; and for
members roles, programs, leave, newcomers, a sum of activity, grace after a notice, silence, and
whoever has read along for a year.
"""

import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from gatekeeper.policy.facts import ApplicationFacts, MemberFacts, count_links
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
COUNTRIES = ["XA", "XB", "XC", "XD"]
SERVERS = [f"spam{number}.example" for number in range(20)]
TRUSTED = ["company.example", "partner.example"]
SPAM = r"(?i)\b(casino|crypto signals|forex|cheap followers|seo services)\b"
INVITE = r"(?i)https?://(t\.me|discord\.gg|chat\.example)/\S+"
TOPICS = ["gardens", "maps", "clocks"]

TEXT = f"""
apiVersion: gatekeeper/v1
kind: Club
metadata: {{name: bench}}
spec:
  admins: {{powerLevel: 50}}
  form:
    questions:
      - {{id: why, kind: longText, label: Why, required: true}}
      - {{id: country, kind: text, label: Country, required: true}}
      - {{id: tags, kind: tags, label: Topics}}
---
apiVersion: gatekeeper/v1
kind: AdmissionPolicy
metadata: {{name: bench-door}}
spec:
  params:
    countries: {COUNTRIES}
    servers: {SERVERS}
    trusted: {TRUSTED}
    spam: '{SPAM}'
    invite: '{INVITE}'
    topics: {TOPICS}
    cooldown: 30d
    young: 7d
    grown: 30d
    letters: 80
  rule:
    match:
      - {{id: country, condition: application.answers.country in params.countries, output: {{decision: decline}}}}
      - {{id: server, condition: application.server in params.servers, output: {{decision: decline}}}}
      - {{id: spam, condition: application.text.matches(params.spam), output: {{decision: decline}}}}
      - {{id: links, condition: application.links > 3, output: {{decision: decline}}}}
      - {{id: declined-often, condition: application.earlier_declines >= 3, output: {{decision: decline}}}}
      - {{id: cooldown, condition: "has(application.last_declined_at) && application.submitted_at - application.last_declined_at < params.cooldown", output: {{decision: decline}}}}
      - {{id: trusted, condition: application.proven && application.server in params.trusted, output: {{decision: admit}}}}
      - {{id: vouched, condition: "application.vouches >= 2 && has(application.account_created_at) && application.submitted_at - application.account_created_at > params.grown", output: {{decision: admit}}}}
      - {{id: invite, condition: application.text.matches(params.invite), output: {{decision: review}}}}
      - {{id: thin, condition: size(application.answers.why) < params.letters, output: {{decision: review}}}}
      - {{id: young, condition: "has(application.account_created_at) && application.submitted_at - application.account_created_at < params.young", output: {{decision: review}}}}
      - {{id: topic, condition: "application.answers.tags.exists(t, t in params.topics) && application.answers.why.lowerAscii().contains('hello')", output: {{decision: admit}}}}
      - {{id: default, output: {{decision: review}}}}
---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {{name: bench-roll}}
spec:
  mode: enforce
  params: {{inactive: 90d, new: 30d, year: 365d}}
  exclude:
    - {{id: staff, condition: "member.roles.exists(r, r in ['owner', 'admin'])"}}
    - {{id: bot, condition: member.bot}}
    - {{id: leave, condition: has(member.on_leave_until) && member.on_leave_until > now}}
    - {{id: newcomer, condition: now - member.known_since < params.new}}
  rule:
    match:
      - {{id: busy, condition: member.messages_30d + member.reactions_30d * 2 + member.reads_30d > 10, output: {{action: keep}}}}
      - {{id: no-answer, condition: has(member.noticed_at) && member.grace_over, output: {{action: remove}}}}
      - {{id: silent, condition: "has(member.last_active_at) && now - member.last_active_at > params.inactive", output: {{action: notify}}}}
      - {{id: lurker, condition: "!has(member.last_active_at) && now - member.known_since > params.year", output: {{action: notify}}}}
      - {{id: default, output: {{action: keep}}}}
"""  # noqa: E501


def a_policy() -> Policy:
    """The rules, compiled."""
    return load_policy(TEXT, "bench.yaml")


# ---- By hand -----------------------------------------------------------------------------------

_SPAM, _INVITE = re.compile(SPAM), re.compile(INVITE)
_COUNTRIES, _SERVERS, _TRUSTED = set(COUNTRIES), set(SERVERS), set(TRUSTED)
_DAY = timedelta(days=1)
_COOLDOWN, _GROWN, _YOUNG = 30 * _DAY, 30 * _DAY, 7 * _DAY
ADMISSION = (
    "country", "server", "spam", "links", "declined-often", "cooldown", "trusted", "vouched",
    "invite", "thin", "young", "topic", "default",
)  # fmt: skip


def admission_by_hand(a: ApplicationFacts) -> tuple[list[bool], str, list[tuple[Any, ...]]]:
    """Every rule's result, the rule that fires, and the values its atoms saw: (value, *seen)."""
    why, country = str(a.answers["why"]), a.answers["country"]
    tags: Any = a.answers.get("tags", [])
    declined, made, sent = a.last_declined_at, a.account_created_at, a.submitted_at
    bits = [
        country in _COUNTRIES,
        a.server in _SERVERS,
        _SPAM.search(a.text) is not None,
        a.links > 3,
        a.earlier_declines >= 3,
        declined is not None and sent - declined < _COOLDOWN,
        a.proven and a.server in _TRUSTED,
        a.vouches >= 2 and made is not None and sent - made > _GROWN,
        _INVITE.search(a.text) is not None,
        len(why) < 80,
        made is not None and sent - made < _YOUNG,
        any(t in TOPICS for t in tags) and "hello" in why.lower(),
        True,
    ]
    fired = ADMISSION[bits.index(True)]
    return bits, fired, _atoms_by_hand(a, fired)


def _atoms_by_hand(a: ApplicationFacts, fired: str) -> list[tuple[Any, ...]]:
    sent, made, declined = a.submitted_at, a.account_created_at, a.last_declined_at
    match fired:
        case "country":
            return [(True, a.answers["country"], COUNTRIES)]
        case "server":
            return [(True, a.server, SERVERS)]
        case "spam":
            return [(True, a.text, SPAM)]
        case "links":
            return [(True, a.links, 3)]
        case "declined-often":
            return [(True, a.earlier_declines, 3)]
        case "cooldown":
            assert declined is not None
            return [(True, declined), (True, sent - declined, _COOLDOWN)]
        case "trusted":
            return [(True, a.proven), (True, a.server, TRUSTED)]
        case "vouched":
            assert made is not None
            return [(True, a.vouches, 2), (True, made), (True, sent - made, _GROWN)]
        case "invite":
            return [(True, a.text, INVITE)]
        case "thin":
            return [(True, len(str(a.answers["why"])), 80)]
        case "young":
            assert made is not None
            return [(True, made), (True, sent - made, _YOUNG)]
        case "topic":
            return [(True, True), (True, str(a.answers["why"]).lower(), "hello")]
        case _:
            return []


_STAFF = {"owner", "admin"}
_INACTIVE, _NEW, _YEAR = 90 * _DAY, 30 * _DAY, 365 * _DAY


def member_by_hand(m: MemberFacts, now: datetime) -> str:
    """The rule that fires: the first one that matches."""
    if any(role in _STAFF for role in m.roles):
        return "staff"
    if m.bot:
        return "bot"
    if m.on_leave_until is not None and m.on_leave_until > now:
        return "leave"
    if now - m.known_since < _NEW:
        return "newcomer"
    if m.messages_30d + m.reactions_30d * 2 + m.reads_30d > 10:
        return "busy"
    if m.noticed_at is not None and m.grace_over:
        return "no-answer"
    if m.last_active_at is not None and now - m.last_active_at > _INACTIVE:
        return "silent"
    if m.last_active_at is None and now - m.known_since > _YEAR:
        return "lurker"
    return "default"


# ---- Facts -------------------------------------------------------------------------------------

_WORDS = [
    "hello",
    "garden",
    "map",
    "clock",
    "tide",
    "ölig",
    "naïve",
    "地図",
    "привет",
    "сад",
    "casino",
    "forex",
    "maps",
    "friends",
]


def applications(count: int, seed: int = 7) -> list[ApplicationFacts]:
    """Random applications, two thirds of them with some text that is not ASCII."""
    chance = Random(seed)
    return [_application(chance) for _ in range(count)]


def _application(chance: Random) -> ApplicationFacts:
    words = _WORDS[:5] if chance.random() < 0.33 else _WORDS
    weights = [1.0] * len(words)
    if len(words) > 10:
        weights[10] = weights[11] = 0.03
    why = " ".join(chance.choices(words, weights, k=chance.randint(3, 25)))
    if chance.random() < 0.2:
        why += " https://t.me/abc" if chance.random() < 0.3 else " https://a.example/x"
    made = NOW - timedelta(days=chance.uniform(0, 400)) if chance.random() < 0.8 else None
    declined = NOW - timedelta(days=chance.uniform(0, 90)) if chance.random() < 0.15 else None
    servers = ["example.org", *SERVERS[:2], *TRUSTED]
    return ApplicationFacts(
        submitted_at=NOW,
        identity="matrix:@ada:example.org",
        server=chance.choices(servers, [20, 1, 1, 1, 1])[0],
        proven=chance.random() < 0.9,
        first_seen_at=NOW - timedelta(days=1),
        account_created_at=made,
        display_name="Ada",
        answers={
            "why": why,
            "country": chance.choices(["DE", "FR", *COUNTRIES], [20, 20, 1, 1, 1, 1])[0],
            "tags": chance.sample([*TOPICS, "tides", "soup"], k=chance.randint(0, 3)),
        },
        text=why,
        links=count_links(why),
        earlier_applications=chance.randint(0, 3),
        earlier_declines=chance.choices([0, 1, 2, 3], [40, 5, 3, 1])[0],
        last_declined_at=declined,
        vouches=chance.choices([0, 1, 2, 3], [20, 5, 3, 1])[0],
    )


def members(count: int, seed: int = 11) -> list[MemberFacts]:
    """Random members."""
    chance = Random(seed)
    return [_member(chance) for _ in range(count)]


def _member(chance: Random) -> MemberFacts:
    silent = timedelta(days=chance.uniform(0, 200))
    away = chance.random() < 0.05
    noticed = chance.random() < 0.1
    seen = chance.random() < 0.9
    return MemberFacts(
        roles=tuple(chance.sample(["owner", "admin", "guest", "writer"], k=1))
        if chance.random() < 0.1
        else (),
        bot=chance.random() < 0.02,
        on_leave=away,
        on_leave_until=NOW + timedelta(days=chance.uniform(-30, 30)) if away else None,
        known_since=NOW - timedelta(days=chance.uniform(1, 900)),
        last_active_at=NOW - silent if seen else None,
        silent=silent,
        noticed_at=NOW - timedelta(days=20) if noticed else None,
        grace_over=noticed and chance.random() < 0.5,
        messages_30d=chance.choices([0, 3, 40], [6, 3, 1])[0],
        reactions_30d=chance.choices([0, 2, 9], [6, 3, 1])[0],
        reads_30d=chance.choices([0, 5, 25], [6, 3, 1])[0],
    )
