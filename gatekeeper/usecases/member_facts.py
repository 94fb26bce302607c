"""What a policy's rules see of a member, with the evidence that is shown to people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gatekeeper.domain.activity import (
    SPOKEN,
    Activity,
    Kind,
    Span,
    seen,
    seen_enough_at,
)
from gatekeeper.domain.decisions import Decision
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import Account, ClubId, Identity
from gatekeeper.domain.memberships import Dispute, Exemption, Leave, Membership, State
from gatekeeper.domain.pruning import Candidate, grace_over, judge
from gatekeeper.domain.sight import Gap
from gatekeeper.policy.facts import MemberFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Standing, Tx
from gatekeeper.usecases import rights
from gatekeeper.usecases.parts import Parts, club_state
from gatekeeper.usecases.sights import View, views_of

MONTH = timedelta(days=30)
JUDGED = 2_000  # members judged at once: what bears on them takes a dozen questions each time
GAPS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the platforms said just before a transaction: who is inside, an admin, a program."""

    admins: Collection[Identity] = ()
    bots: Collection[Identity] = ()
    inside: Collection[Identity] = ()


async def look_out(parts: Parts) -> Outlook:
    """Ask every platform. PlatformDown, PlatformBusy: nobody may be judged then."""
    admins = await rights.admins(parts)
    guests = [g for platform in parts.platforms.values() for g in await platform.members()]
    return Outlook(
        admins=frozenset(admins),
        bots=frozenset(guest.identity for guest in guests if guest.bot),
        inside=frozenset(guest.identity for guest in guests),
    )


def outlook_on(parts: Parts, who: Identity, standing: Standing | None) -> Outlook:
    """The outlook on one member whose standing was looked up; they may be outside already."""
    admin = rights.is_admin(parts, who, standing)
    return Outlook(admins=(who,) if admin else (), inside=(who,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The rows that bear on the memberships to be judged, read once."""

    sights: Mapping[int, View]  # by person
    leaves: Mapping[int, Sequence[Leave]]
    exemptions: Mapping[int, Sequence[Exemption]]
    activity: Mapping[int, Sequence[Activity]]  # of the last 30 days
    last: Mapping[int, Mapping[Kind, datetime]]  # by person: the last sign of each kind
    roles: Mapping[int, tuple[str, ...]]
    admins: Collection[int]  # by any of their accounts, also one that is not inside
    watched_since: datetime | None
    disputed: Collection[int] = ()  # of whom an admin has yet to say whether it was right to ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One membership judged: the candidate, and the facts that its ruling was made on."""

    candidate: Candidate
    facts: MemberFacts

    @property
    def seen(self) -> Mapping[str, Any]:
        """The input of the decision as the record keeps it."""
        return _seen(self.facts, self.candidate.membership, self.candidate.protected)


async def look_at(
    tx: Tx,
    parts: Parts,
    members: Sequence[Membership],
    outlook: Outlook,
    now: datetime,
    policy: Policy | None = None,
) -> list[Look]:
    """Judge memberships by the policy in force, a page at a time; reads only.

    `policy` is the same one where it judges by other means.
    """
    looks, policy = list[Look](), policy or parts.policy
    for start in range(0, len(members), JUDGED):
        page = members[start : start + JUDGED]
        book = await read_book(tx, parts, page, outlook, now)
        for member in page:
            if member.noticed_at is not None:
                member = await stretched(
                    tx, parts, member, book.sights[member.person_id].spans, now
                )
            looks.append(_look(parts, policy, member, book, outlook, now))
    return looks


async def read_book(
    tx: Tx, parts: Parts, members: Sequence[Membership], outlook: Outlook, now: datetime
) -> Book:
    only: dict[str, Any] = {"person_id__in": tuple(member.person_id for member in members)}
    since = min(_silent_from(member) for member in members)
    since = min([since, *(member.noticed_at for member in members if member.noticed_at)])
    leaves, exemptions = defaultdict(list), defaultdict(list)
    for leave in await tx.find(Leave, **only):
        leaves[leave.person_id].append(leave)
    for exemption in await tx.find(Exemption, ended_at=None, **only):
        exemptions[exemption.person_id].append(exemption)
    activity = defaultdict(list)
    for day in await tx.find(Activity, day__gte=(now - MONTH).date(), **only):
        activity[day.person_id].append(day)
    accounts = await tx.find(Account, **only)
    return Book(
        sights=await views_of(tx, parts, members, accounts, since),
        leaves=leaves,
        exemptions=exemptions,
        activity=activity,
        last=await tx.last_signs(only["person_id__in"]),
        roles=roles_of(accounts),
        admins=deciding(parts, members, accounts, outlook),
        watched_since=(await club_state(tx)).watched_since,
        disputed={one.person_id for one in await tx.find(Dispute, ended_at=None, **only)},
    )


def roles_of(accounts: Iterable[Account]) -> dict[int, tuple[str, ...]]:
    """By person, of all their accounts."""
    roles: dict[int, tuple[str, ...]] = {}
    for account in accounts:
        roles[account.person_id] = (*roles.get(account.person_id, ()), *account.roles)
    return roles


def deciding(
    parts: Parts, members: Sequence[Membership], accounts: Sequence[Account], outlook: Outlook
) -> frozenset[int]:
    """Persons who decide by any of their accounts.

    Someone the policy names is protected also while they are not in the admins' room.
    """
    named = map(Identity.parse, parts.policy.club.spec.admins.people)
    admins = frozenset([*outlook.admins, *named])
    whose = [(one.identity, one.person_id) for one in members]
    whose += [(one.identity, one.person_id) for one in accounts]
    return frozenset(person for who, person in whose if who in admins)


def _silent_from(member: Membership) -> datetime:
    last, known = member.last_seen_at, member.known_since
    return last if last is not None and last > known else known


def _look(
    parts: Parts,
    policy: Policy,
    member: Membership,
    book: Book,
    outlook: Outlook,
    now: datetime,
) -> Look:
    view = book.sights[member.person_id]
    facts, protected = facts_from(parts, member, book, outlook, now)
    ruling = policy.judge_member(facts, now)
    candidate = Candidate(
        membership=member,
        ruling=ruling,
        protected=protected,
        evidence=_evidence(member, ruling.rule, facts, view.sight.blind(_silent_from(member), now)),
    )
    return Look(candidate=candidate, facts=facts)


def facts_from(
    parts: Parts,
    member: Membership,
    book: Book,
    outlook: Outlook,
    now: datetime,
    more: timedelta = timedelta(0),
) -> tuple[MemberFacts, str]:
    """What rules see of a member at `now`, and the code of what protects them; reads nothing.

    `more` is seen time of silence that is not in the book yet: what is still to come.
    """
    spans = book.sights[member.person_id].spans
    start = _silent_from(member)
    for leave in book.leaves.get(member.person_id, ()):
        if leave.ended_at and leave.ended_at <= now:
            start = max(start, leave.ended_at)
    silent = seen(spans, start, now) + more
    share = 1.0 if now <= start else silent / (now - start)
    exempt, away = _exempt_until(book, member.person_id, now), _away_until(book, member, now)
    facts = MemberFacts.of_rows(
        roles=book.roles.get(member.person_id, ()),
        admin=member.person_id in book.admins,
        bot=member.identity in outlook.bots,
        exempt=exempt is not None,
        exempt_until=exempt,
        on_leave=away is not None,
        on_leave_until=away,
        known_since=member.known_since,
        joined_at=None if member.origin == "adopted" else member.since,
        last_active_at=member.last_seen_at,
        last_kind=member.last_kind,
        last_place=member.last_place,
        silent=silent,
        seen_share=share,
        noticed_at=member.noticed_at,
        grace_over=grace_over(member, now),
        **_counts(book.activity.get(member.person_id, ())),
        **_lasts(book.last.get(member.person_id)),
    )
    return facts, _protected(parts, facts, member, book, outlook, now)


async def stretched(
    tx: Tx, parts: Parts, member: Membership, spans: Sequence[Span], now: datetime
) -> Membership:
    """With its Grace as long as the policy of its notice says, blind time not counted."""
    if member.noticed_at is None or member.grace_ends_at is None:
        return member
    if member.guest_at is not None:  # their second time to answer, as the policy has it now
        start, span = member.guest_at, parts.policy.pruning.softer or timedelta(0)
    else:
        policy = await parts.shelf.at(tx, member.notice_policy)
        start, span = member.noticed_at, policy.pruning.grace
    whole = seen_enough_at(spans, start, span, now)
    return replace(member, grace_ends_at=max(member.grace_ends_at, whole))


def _protected(
    parts: Parts,
    facts: MemberFacts,
    member: Membership,
    book: Book,
    outlook: Outlook,
    now: datetime,
) -> str:
    if facts.bot:
        return "bot"
    if facts.admin:
        return "admin"
    if facts.exempt:
        return "exempt"
    if facts.on_leave:
        return "on-leave"
    if member.person_id in book.disputed:
        return "disputed"
    if member.identity not in outlook.inside:
        return "not-inside"
    watched = book.watched_since
    if watched is None or now - watched < parts.policy.pruning.settle:
        return "settling"
    return ""


def _exempt_until(book: Book, person: int, now: datetime) -> datetime | None:
    """None where they are not exempt."""
    ours = book.exemptions.get(person)
    return max((one.until for one in ours if one.until > now), default=None) if ours else None


def _away_until(book: Book, member: Membership, now: datetime) -> datetime | None:
    """None where they are not on leave."""
    ours = book.leaves.get(member.person_id)
    if not ours:
        return None
    return max((one.until for one in ours if not one.ended_at and one.until > now), default=None)


_COUNTED = {kind: f"{kind}s_30d" for kind in Kind} | {
    Kind.REPLY: "replies_30d",
    Kind.VOUCH: "vouches_30d",
    Kind.PRESS: "presses_30d",
}


def _counts(days: Sequence[Activity]) -> dict[str, int]:
    """Of the last 30 days. Nobody means their receipts one by one: days are counted there."""
    if not days:
        return {}  # as of nearly everybody whom a sweep looks at
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for day in days:
        counts[_COUNTED[day.kind]] += 1 if day.kind is Kind.READ else day.count
    counts["messages_30d"] += counts["replies_30d"] + counts["threads_30d"]
    counts["active_days_30d"] = len({day.day for day in days})
    return counts


_LAST = {kind: f"last_{kind}_at" for kind in Kind}


def _lasts(last: Mapping[Kind, datetime] | None) -> dict[str, datetime]:
    if not last:
        return {}
    lasts = {_LAST[kind]: at for kind, at in last.items()}
    spoken = [at for kind, at in last.items() if kind in SPOKEN]
    return {**lasts, "last_spoke_at": max(spoken)} if spoken else lasts


def _evidence(
    member: Membership, rule: str, facts: MemberFacts, blind: Sequence[Gap]
) -> dict[str, Value]:
    """Plain values; names and words of people are not among them.

    `blind`: when we could not see, the longest times, each as start/end and the place, "" for all
    of the platform.
    """
    return {
        "last_seen": member.last_seen_at.isoformat() if member.last_seen_at else "",
        "last_kind": member.last_kind,
        "last_place": member.last_place,
        "known_since": member.known_since.isoformat(),
        "silent": int(facts.silent.total_seconds()),
        "seen_share": round(facts.seen_share, 4),
        "blind": _told(blind) if blind else "",
        "rule": rule,
    }


def _told(blind: Sequence[Gap]) -> str:
    longest = sorted(blind, key=lambda gap: gap.start - gap.end)[:GAPS_TOLD]
    return ", ".join(
        f"{gap.start.isoformat(timespec='seconds')}/{gap.end.isoformat(timespec='seconds')}"
        f" {gap.platform}{':' * bool(gap.place)}{gap.place}"
        for gap in sorted(longest)
    )


# ---- Replay ------------------------------------------------------------------------------------

_TIMES = ("known_since", "last_seen_at", "noticed_at", "unreachable_since", "grace_ends_at")
_JUDGED = ("state", "notice_ref", *_TIMES)


def _seen(facts: MemberFacts, member: Membership, protected: str) -> dict[str, Any]:
    """The input of a decision, as JSON: enough to decide it again."""
    kept = {name: getattr(member, name) for name in _JUDGED}
    return {
        "facts": facts.model_dump(mode="json"),
        "protected": protected,
        "membership": {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in kept.items()
        },
    }


def replay(policy: Policy, seen_then: Mapping[str, Any], at: datetime) -> Decision:
    """The decision about a member, made again from what its record keeps.

    Args:
        policy: the version that the record names.
        seen_then: the input as `Tx.seen_by` gives it.
        at: the moment of the record.
    """
    member = membership_then(policy.club_id, seen_then)
    ruling = policy.judge_member(MemberFacts.model_validate(seen_then["facts"]), at)
    candidate = Candidate(membership=member, ruling=ruling, protected=seen_then["protected"])
    return judge(candidate, at)


def membership_then(club: ClubId, seen_then: Mapping[str, Any]) -> Membership:
    """The membership as it was judged, from a recorded input; it names nobody."""
    kept: dict[str, Any] = {
        name: datetime.fromisoformat(value) if value and name in _TIMES else value
        for name, value in seen_then["membership"].items()
    }
    return Membership(
        **{**kept, "state": State(kept["state"])},
        club=club,
        person_id=0,
        identity=Identity("nobody", "nobody"),
        name="",
        origin="",
        since=kept["known_since"],
    )
