"""What people press and say about removals: ✋, 🚩 on notices; ✅, ❌, `keep`, `remove`."""

import re
from datetime import date, datetime

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Decision, Lane, Post, Verdict
from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.events import Pressed, Wrote
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import STAGED, Event, Membership
from gatekeeper.domain.pruning import silence
from gatekeeper.ports import Tx
from gatekeeper.usecases import disputes, exempt, held, notices, removals, stage_ends, sweep, votes
from gatekeeper.usecases.absences import LETTERS, last_moment, member_of
from gatekeeper.usecases.naming import name_of, number_of, subject_of
from gatekeeper.usecases.notices import HERE
from gatekeeper.usecases.parts import Parts, once, order

_WORD = re.compile(r"^\s*(keep|behalten?|behalt|remove|entfernen?)\s+(\S+)\s*(.*)$", re.I | re.S)
_UNTIL = re.compile(r"[,;]?\s*\b(?:until|bis)\s+(\d{4}-\d{2}-\d{2})\s*$", re.I)
_BECAUSE = re.compile(r"^\s*[,;:]?\s*(?:because|weil)\b\s*", re.I)
_REMOVE = frozenset({"remove", "entferne", "entfernen"})


async def pressed(parts: Parts, event: Pressed, card: StandingCard, is_admin: bool) -> None:
    """Take in a press on a notice or on a card about removals."""
    if card.subject.startswith(held.PREFIX) and is_admin and card.ended_at is None:
        await sweep.answered(parts, event, card)
        return
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        if card.kind == "notice":
            await _here(tx, parts, event, card, now)
        elif not is_admin:
            await _refuse(tx, parts, event, "no-right-to-decide", now)
        elif card.ended_at is not None:
            await _refuse(tx, parts, event, "card-ended", now)
        elif event.symbol == removals.CONFIRM:
            await _confirm_all(tx, parts, event, card, now)
        elif event.symbol == removals.KEEP:
            await _keep_all(tx, parts, event, card, now)


async def _refuse(tx: Tx, parts: Parts, event: Pressed | Wrote, why: str, now: datetime) -> None:
    await votes.refuse(tx, parts, event, removals.CLUB, Refused(why), now)


async def _here(tx: Tx, parts: Parts, event: Pressed, card: StandingCard, now: datetime) -> None:
    """✋ or 🚩: only the one who was asked can answer, and the answer counts whenever it comes."""
    if event.symbol not in {HERE, notices.WRONG}:
        return
    member = await tx.get(Membership, number_of(card.subject))
    account = await tx.first(Account, identity=event.who)
    if account is None or account.person_id != member.person_id:
        return
    if event.symbol == notices.WRONG:
        await disputes.pressed_notice(tx, parts, event, account, now)
    else:
        await stage_ends.alive(tx, parts, member.person_id, now, "press")


async def _shown(tx: Tx, event: Pressed, card: StandingCard) -> list[Membership]:
    """Those to be decided whom the presser saw on the card; nobody who was put on it after."""
    ids = await removals.shown_on_pages(tx, card, event.at)
    found = await tx.find(Membership, id__in=tuple(ids)) if ids else []
    found.sort(key=silence)  # the most silent goes first
    return [
        member
        for member in found
        if (member.planned_at is None or member.planned_at <= event.at)
        and await removals.to_confirm(tx, member)
    ]


async def _confirm_all(
    tx: Tx, parts: Parts, event: Pressed, card: StandingCard, now: datetime
) -> None:
    them = await _shown(tx, event, card)
    for member in them:
        await removals.confirm(tx, parts, member, str(event.who), now)
    if not them:
        await _refuse(tx, parts, event, "removals-changed", now)
    await removals.refresh(tx, parts, now)


async def _keep_all(
    tx: Tx, parts: Parts, event: Pressed, card: StandingCard, now: datetime
) -> None:
    them = await _shown(tx, event, card)
    for member in them:
        await keep(tx, parts, member, str(event.who), "", now, redraw=False)
    if not them:
        await _refuse(tx, parts, event, "removals-changed", now)
    await removals.refresh(tx, parts, now)


async def keep(
    tx: Tx,
    parts: Parts,
    member: Membership,
    by: str,
    reason: str,
    now: datetime,
    *,
    redraw: bool = True,
) -> None:
    """An admin keeps someone: silence is measured anew from here, and they are told."""
    told = member.noticed_at is not None
    member, number = await stage_ends.set_free(
        tx,
        parts,
        member,
        Event.KEEP,
        Decision(Verdict.KEEP, "kept-by-admin"),
        by,
        now,
        seen={"reason": reason},
        redraw=redraw,
        known_since=now,
    )
    if told:
        key = f"{subject_of(member)}/kept/{number}"
        await notices.tell_member(tx, parts, member, "kept-told", key, now)


# ---- Replies -----------------------------------------------------------------------------------


async def replied(parts: Parts, event: Wrote, card: StandingCard, is_admin: bool) -> None:
    """`keep @x why` or `remove @x` beneath the removals card, one name each."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        match = _WORD.match(event.text)
        if match is None:
            if is_admin and _WORD.match(f"{event.text} @x"):
                await _answer(tx, parts, event, card, "removals.by-name", "", now)
            return
        if not is_admin:
            await _refuse(tx, parts, event, "no-right-to-decide", now)
            return
        word, name, reason = match.group(1).lower(), match.group(2), match.group(3).strip()
        member = await _called(tx, name)
        if member is None:
            code = "removals.whom"
        elif word in _REMOVE:
            code = await _remove_by_name(tx, parts, member, event, now)
        else:
            code = await _keep_one(tx, parts, member, str(event.who), reason, now)
        await _answer(tx, parts, event, card, code, name, now)


async def _keep_one(
    tx: Tx, parts: Parts, member: Membership, by: str, reason: str, now: datetime
) -> str:
    """`keep @x because … until 2027-01-31` exempts them until then; without a date they are kept
    this time. The code of the answer."""
    day, reason = _UNTIL.search(reason), _BECAUSE.sub("", _UNTIL.sub("", reason)).strip()
    if day is None:
        await keep(tx, parts, member, by, reason[:LETTERS], now)
        return "removals.kept-one"
    try:
        until = last_moment(date.fromisoformat(day.group(1)), parts.policy.club.spec.time_zone)
        await exempt.add(tx, parts, member, reason, until, by, now)
    except ValueError:
        return "leave-bad-date"
    except BadInput as bad:
        return next(iter(bad.problems.values()))
    await keep(tx, parts, member, by, reason[:LETTERS], now)
    return "removals.kept-until"


async def keep_by_command(
    parts: Parts, identity: Identity, reason: str, until: datetime | None, by: str
) -> None:
    """The same by a command; whoever is at no stage can only be kept until a date.

    Raises:
        Refused: not-a-member, nothing-to-keep. BadInput: no reason, a date that cannot be taken.
    """
    async with parts.store.transaction(parts.club) as tx:
        now, member = parts.clock.now(), await member_of(tx, identity)
        if not reason.strip():
            raise BadInput({"reason": "reason-required"})
        if until is not None:
            await exempt.add(tx, parts, member, reason, until, by, now)
        if member.state in STAGED:
            await keep(tx, parts, member, by, reason.strip()[:LETTERS], now)
        elif until is None:
            raise Refused("nothing-to-keep")


async def _called(tx: Tx, name: str) -> Membership | None:
    """The one member at some stage who is called so: by number, account, or name; else nobody."""
    staged = await tx.find(Membership, state__in=tuple(STAGED))
    wanted = name.strip(",.;").lower()
    for exact in (
        [m for m in staged if wanted == f"#{m.id}"],
        [m for m in staged if wanted in (m.identity.account.lower(), str(m.identity).lower())],
        [m for m in staged if wanted.lstrip("@") == m.identity.account.lower()[1:].split(":")[0]],
        [m for m in staged if wanted.lstrip("@") == m.name.lower()],
    ):
        if exact:
            return exact[0] if len(exact) == 1 else None
    return None


async def _remove_by_name(
    tx: Tx, parts: Parts, member: Membership, event: Wrote, now: datetime
) -> str:
    unreached = await removals.unreachable(tx, parts, now)
    decided = await removals.to_confirm(tx, member) or await removals.came_to_nothing(tx, member)
    if member not in unreached and not decided:
        return "removals.not-yet"
    await removals.confirm(tx, parts, member, str(event.who), now)
    await removals.refresh(tx, parts, now)
    return "removals.confirmed-one"


async def _answer(
    tx: Tx,
    parts: Parts,
    event: Wrote,
    card: StandingCard,
    code: str,
    name: str,
    now: datetime,
) -> None:
    values = {"name": name, "by": await name_of(tx, event.who)}
    await order(
        tx,
        Post(place="admins", text=parts.say(code, values), thread=card.ref),
        platform=card.platform,
        key=f"told/{event.event_id}",
        purpose="thread",
        subject=removals.CLUB,
        lane=Lane.ANSWER,
        now=now,
    )
