"""Two persons become one: everything that is kept about the one is the other's from then on.

Nothing is deleted but counts that were added to others, and nothing counts twice: one membership,
one vote and one vouch for each person, one leave and one exemption at a time.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gatekeeper.domain.activity import Activity, Tie
from gatekeeper.domain.applications import Application, State, Vote, Vouch
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.identity import Account, Address, Identity, Linked, Person
from gatekeeper.domain.memberships import (
    ANY_TIME,
    INSIDE,
    Dispute,
    Event,
    Exemption,
    Leave,
    Membership,
    advance,
)
from gatekeeper.ports import Tx
from gatekeeper.usecases import review, sponsors, stage_ends
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, cancel, record

CAUSE: Final = "linked"  # why the one of two memberships ended, and the one of two vouches
BARRING: Final = frozenset({"cause", "banned"})  # causes that go with a person for good
MOVING: Final[Mapping[str, type[Any]]] = {
    "memberships": Membership,
    "applications": Application,
    "votes": Vote,
    "vouches": Vouch,
    "leaves": Leave,
    "exemptions": Exemption,
    "disputes": Dispute,
    "addresses": Address,
}
ENDED: Final = "ended-membership"
BEGUN: Final = ("notice", "removal", "goodbye", "guest", "welcome", "restore")


async def merge(
    tx: Tx, parts: Parts, into: Account, other: Account, now: datetime, *, barred: bool
) -> Linked:
    """All of the person behind `other` becomes that of the person behind `into`, a member."""
    to, gone = into.person_id, other.person_id
    accounts = await tx.find(Account, person_id=gone)
    ended = await _one_membership(tx, parts, to, gone, now)
    for kind in (Leave, Exemption):
        await _one_at_a_time(tx, kind, to, gone, now)
    moved: dict[str, list[int]] = {ENDED: ended}
    past = await tx.find(Membership, person_id=gone)
    for name, kind in MOVING.items():
        rows = await tx.find(kind, person_id=gone)
        for row in rows:
            await tx.change(row, person_id=to)
        moved[name] = [row.id for row in rows]
    for account in accounts:
        await tx.change(account, person_id=to)
    await _one_vouch(tx, to, now)
    await _add_activity(tx, to, gone)
    await _add_ties(tx, to, gone)
    person, was = await tx.get(Person, to), await tx.get(Person, gone)
    if was.language and not person.language:
        person = await tx.change(person, language=was.language)
    if was.listed:
        await tx.change(person, listed=True)
    return await tx.add(
        Linked(
            club=tx.club,
            into_id=to,
            from_id=gone,
            accounts=tuple(sorted(one.identity for one in accounts)),
            moved=moved,
            barred=barred or any(one.cause in BARRING for one in past),
            at=now,
        )
    )


async def _one_membership(tx: Tx, parts: Parts, to: int, gone: int, now: datetime) -> list[int]:
    """The membership of `to` goes on, as old as the older one; never judged for the time before,
    in which we did not know that both are one."""
    kept = await tx.first(Membership, person_id=to, state__in=tuple(INSIDE))
    assert kept is not None  # only a member's code links
    second = await tx.first(Membership, person_id=gone, state__in=tuple(INSIDE))
    signs = [one for one in (kept, second) if one is not None and one.last_seen_at is not None]
    newest = max(signs, key=lambda one: one.last_seen_at or ANY_TIME, default=kept)
    await tx.change(
        kept,
        since=min(kept.since, second.since) if second else kept.since,
        known_since=now,
        last_seen_at=newest.last_seen_at,
        last_kind=newest.last_kind,
        last_place=newest.last_place,
        look_at=ANY_TIME,
    )
    if second is None:
        return []
    second = await tx.change(
        second,
        state=advance(second.state, Event.DEPART),
        ended_at=now,
        cause=CAUSE,
        welcome_due_at=None,
    )
    await cancel(tx, subject_of(second), BEGUN, CAUSE)
    await stage_ends.end_links(tx, second, now)
    decision = Decision(Verdict.RECORD, "membership-joined", {"number": kept.id})
    actor = f"person:{to}"
    await record(tx, parts, decision, now=now, actor=actor, subject=subject_of(second))
    return [second.id]


async def _one_at_a_time(
    tx: Tx, kind: type[Leave] | type[Exemption], to: int, gone: int, now: datetime
) -> None:
    """Of two absences that run, the longer one goes on."""
    both: list[Any] = [
        *await tx.find(kind, person_id=to, ended_at=None),
        *await tx.find(kind, person_id=gone, ended_at=None),
    ]
    longest = max(both, key=lambda one: one.until, default=None)
    for each in both:
        if each is not longest:
            await tx.change(each, ended_at=min(now, each.until))


async def _one_vouch(tx: Tx, person: int, now: datetime) -> None:
    """Of two for the same application the first stands; none stands for one's own."""
    seen = set[int]()
    for each in await tx.find(Vouch, person_id=person, ended_at=None, order="id"):
        app = await tx.get(Application, each.application_id)
        if each.application_id in seen or app.person_id == person:
            await tx.change(each, ended_at=now, ended_by=CAUSE)
        seen.add(each.application_id)


async def _add_activity(tx: Tx, to: int, gone: int) -> None:
    for row in await tx.find(Activity, person_id=gone):
        there = await tx.first(Activity, person_id=to, day=row.day, kind=row.kind)
        if there is None:
            await tx.change(row, person_id=to)
            continue
        newer = row if row.last_at > there.last_at else there
        await tx.change(
            there,
            count=there.count + row.count,
            last_at=newer.last_at,
            last_place=newer.last_place,
        )
        await tx.remove(Activity, id=row.id)


async def _add_ties(tx: Tx, to: int, gone: int) -> None:
    """Who turned to whom; between the two it was nobody but themselves."""
    await tx.remove(Tie, person_id=gone, to_id=to)
    await tx.remove(Tie, person_id=to, to_id=gone)
    for row in [*await tx.find(Tie, person_id=gone), *await tx.find(Tie, to_id=gone)]:
        ends = (
            to if row.person_id == gone else row.person_id,
            to if row.to_id == gone else row.to_id,
        )
        there = await tx.first(
            Tie, person_id=ends[0], to_id=ends[1], week=row.week, relation=row.relation
        )
        if there is None:
            await tx.change(row, person_id=ends[0], to_id=ends[1])
        else:
            await tx.change(there, count=there.count + row.count)
            await tx.remove(Tie, id=row.id)


# ---- Cases of others on which they have a word ---------------------------------------------------


async def weigh_again(
    tx: Tx, parts: Parts, person: int, admins: Mapping[Identity, str], now: datetime
) -> None:
    """Reviews in which this person votes, vouches or is to keep out of it, counted as one."""
    accounts = {one.identity for one in await tx.find(Account, person_id=person)}
    voted = {one.application_id for one in await tx.find(Vote, person_id=person)}
    vouched = {one.application_id for one in await tx.find(Vouch, person_id=person)}
    for app in await tx.find(Application, state=State.IN_REVIEW):
        if app.opened_at is None:
            continue
        if app.id in vouched:
            await review.speak_again(tx, parts, app, admins, now)
        elif app.id in voted or accounts & set(app.involved):
            involved = await sponsors.all_accounts(tx, app.involved)
            app = await tx.change(app, involved=involved)
            await review.refresh(tx, parts, app, now)


# ---- Taken apart ---------------------------------------------------------------------------------


async def part(tx: Tx, parts: Parts, linked: Linked, now: datetime) -> Membership | None:
    """Undo `merge`: accounts and rows go back; a second membership begins anew, where the first
    still stands. Signs of life stay with the first: of the second nothing is said before now.

    Returns:
        The second membership; None where there was none, or the first has ended meanwhile.
    """
    to, gone = linked.into_id, linked.from_id
    for identity in linked.accounts:
        account = await tx.first(Account, identity=identity, person_id=to)
        if account is not None:
            await tx.change(account, person_id=gone)
    for name, kind in MOVING.items():
        ids = linked.moved.get(name, [])
        for row in await tx.find(kind, id__in=tuple(ids), person_id=to) if ids else ():
            await tx.change(row, person_id=gone)
    await tx.change(linked, ended_at=now)
    first = await tx.first(Membership, person_id=to, state__in=tuple(INSIDE))
    ended = linked.moved.get(ENDED, [])
    if first is None or not ended:
        return None
    if first.identity in linked.accounts:
        left = await tx.first(Account, person_id=to, order="id")
        first = await tx.change(first, identity=left.identity) if left else first
    await tx.change(first, known_since=now, look_at=ANY_TIME)
    old = await tx.get(Membership, ended[0])
    return await tx.add(
        Membership(
            club=tx.club,
            person_id=gone,
            identity=old.identity,
            name=old.name,
            origin=old.origin,
            since=old.since,
            known_since=now,
            last_seen_at=now,
            last_kind=old.last_kind,
        )
    )
