"""A member's word for an applicant: given once, taken back, and counted anew at once.

Rules may let somebody in for it, but not against an admin's ❌ that stands, and taking it back
declines nobody whom an admin's ✅ speaks for: there the admins decide.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gatekeeper.domain.activity import Kind, Sign
from gatekeeper.domain.applications import Application, State, Vouch
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases import limits, review, rights, stage_ends
from gatekeeper.usecases.absences import member_of
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, record

AN_HOUR: Final = 20  # vouches and takings back of one member: each draws a card anew
DIGITS: Final = 18  # of a number that a database takes
WORD: Final = re.compile(r"^(?:i |ich )?(?:vouch|bürge)(?: for| für)? (?P<whom>\S.*)$", re.I)
BACK: Final = re.compile(
    r"^(?:i )?(?:unvouch|no longer vouch)(?: for)? (?P<whom>\S.*)$"
    r"|^(?:ich )?bürge nicht(?: mehr)?(?: für)? (?P<wen>\S.*)$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a member said in a chat: `whom` is an application's number, or a name."""

    whom: str
    back: bool


def heard(text: str) -> Said | None:
    """Whether these are words about a vouch; None for others."""
    plain = " ".join(text.split()).rstrip(".!")
    if match := BACK.match(plain):
        return Said(match["whom"] or match["wen"], back=True)
    if match := WORD.match(plain):
        return Said(match["whom"], back=False)
    return None


async def give(parts: Parts, who: Identity, application_id: int) -> Application:
    """Keep a member's word for an applicant, and decide anew with it.

    Raises:
        NotFound: no such application.
        Refused: not-a-member, vouch-too-late, vouch-for-oneself, vouched-already, vouch-too-often.
        PlatformDown, PlatformBusy: nobody could say who the admins are; nothing was kept.
    """
    return await _by_press(parts, who, application_id, back=False)


async def take_back(parts: Parts, who: Identity, application_id: int) -> Application:
    """End a member's word for an applicant, and decide anew. As `give`; Refused: no-vouch."""
    return await _by_press(parts, who, application_id, back=True)


async def _by_press(parts: Parts, who: Identity, number: int, *, back: bool) -> Application:
    admins = await rights.admins(parts)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, number)
        member = await member_of(tx, who)
        await stage_ends.alive(tx, parts, member.person_id, now, "press")
        return await _change(tx, parts, who, app, admins, now, back=back)


async def said(
    tx: Tx, parts: Parts, who: Identity, words: Said, admins: Collection[Identity], now: datetime
) -> Application:
    """The same by a word in a chat. Refused: as `give` and `take_back`, or vouch-whom where the
    number or name is nobody's who waits, or of several."""
    await member_of(tx, who)  # others learn nothing of who has applied
    app = await _meant(tx, words.whom)
    return await _change(tx, parts, who, app, admins, now, back=words.back)


async def _meant(tx: Tx, whom: str) -> Application:
    number = whom.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) <= DIGITS:
        app = await tx.first(Application, id=int(number))
        if app is None or app.state is State.UNPROVEN:  # nobody's yet, so nobody knows of it
            raise Refused("vouch-whom")
        return app
    wanted = whom.casefold()
    found = [
        app
        for app in await tx.find(Application, state=State.IN_REVIEW)
        if wanted in {app.name.casefold(), app.identity.account.casefold()}
    ]
    if len(found) != 1:
        raise Refused("vouch-whom")
    return found[0]


async def _change(
    tx: Tx,
    parts: Parts,
    who: Identity,
    app: Application,
    admins: Collection[Identity],
    now: datetime,
    *,
    back: bool,
) -> Application:
    member = await member_of(tx, who)
    if app.state is not State.IN_REVIEW:
        raise Refused("vouch-too-late")
    if app.person_id == member.person_id:
        raise Refused("vouch-for-oneself")
    given = await tx.find(Vouch, application_id=app.id, person_id=member.person_id)
    there = next((each for each in given if each.ended_at is None), None)
    if back and there is None:
        raise Refused("no-vouch")
    if there is not None and not back:
        raise Refused("vouched-already")
    if not await limits.within(tx, f"vouches-of:{member.person_id}", AN_HOUR, now):
        raise Refused("vouch-too-often")
    if there is not None:
        await tx.change(there, ended_at=now, ended_by="taken-back")
    else:
        await _add(tx, parts, who, app, member, now, first=not given)
    decision = Decision(Verdict.RECORD, "vouch-taken-back" if back else "vouched")
    await record(tx, parts, decision, now=now, actor=str(who), subject=subject_of(app))
    if app.opened_at is not None:
        await review.speak_again(tx, parts, app, admins, now)
    return await tx.get(Application, app.id)


async def _add(
    tx: Tx,
    parts: Parts,
    who: Identity,
    app: Application,
    member: Membership,
    now: datetime,
    *,
    first: bool,
) -> None:
    """The vouch; the first one for somebody is a sign of life of its own kind."""
    kept = await tx.add(
        Vouch(
            club=tx.club,
            application_id=app.id,
            person_id=member.person_id,
            voucher=who,
            at=now,
        )
    )
    if first and Kind.VOUCH in parts.policy.club.spec.signals:
        sign = Sign(who=who, kind=Kind.VOUCH, place="", at=now, event_id=f"vouch:{kept.id}")
        await tx.merge_activity({member.person_id: [sign]})
        await tx.move_last({member.id: sign})
