"""What is done about a finding: a rule is set back, a departure recorded, and by name who is
inside without a membership becomes a member, is put out, or is let be.

Everybody is looked at once more right before. Nobody unknown to us is touched without a word on
that very name.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Decision, Lane, Mend, Order, Receipt, Remove, Verdict
from gatekeeper.domain.errors import Refused, WrongState
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.domain.reconcile import OUTSIDE, UNKNOWN, Rule
from gatekeeper.ports import Guest, Standing, Tx
from gatekeeper.usecases import adopt, comeback, elsewhere, finding_card, rights, stage_ends
from gatekeeper.usecases.finding_card import LEAVE, is_fixable, is_open
from gatekeeper.usecases.invitations import AWAITED
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts, by_number, order, record
from gatekeeper.usecases.reasons import told_reason

PREFIX: Final = "finding:"
MEND, PUT_OUT = "mend", "put-out"  # purposes


# ---- What may be put right without a word on each -----------------------------------------------


async def apply(
    parts: Parts, by: str, only: Collection[int] | None = None, *, braked: bool = True
) -> int:
    """Put right what lets nobody in or out; how many findings.

    Args:
        only: ids of findings; None for all.
        braked: more members outside than the policy's brake allows at once are left to an
            admin's press, who sees how many they are.

    Raises:
        PlatformDown, PlatformBusy: somebody could not be looked at; nothing is done.
    """
    async with parts.store.look(parts.club) as tx:
        rows = [row for row in await tx.find(Finding, ended_at=None) if is_fixable(row)]
        total = await tx.count(Membership, state__in=tuple(INSIDE))
    rows = [row for row in rows if only is None or row.id in only]
    outside = [row for row in rows if row.code == OUTSIDE]
    if braked and _too_many(parts, len(outside), total):
        rows = [row for row in rows if row.code != OUTSIDE]
    began = parts.clock.now()
    looks = {row.id: await _anywhere(parts, _who(row)) for row in rows if row.code == OUTSIDE}
    async with parts.store.transaction(parts.club) as tx:
        now, done = parts.clock.now(), 0
        for row in rows:
            fresh = await tx.get(Finding, row.id)
            if not is_fixable(fresh):
                continue
            if fresh.code == OUTSIDE:
                done += await _departed(tx, parts, fresh, looks[row.id], began, by, now)
            else:
                await _mend(tx, parts, fresh, by, now)
                done += 1
        await finding_card.refresh(tx, parts, now)
    return done


def _too_many(parts: Parts, outside: int, total: int) -> bool:
    limit = parts.policy.pruning.max_affected
    if limit.count is not None and outside > limit.count:
        return True
    return limit.percent is not None and outside > max(total * limit.percent / 100, 1)


def _who(row: Finding) -> Identity:
    return Identity(row.platform, row.subject)


async def _anywhere(parts: Parts, who: Identity) -> Standing:
    """How somebody stands; inside as long as they are by any account of theirs."""
    standing = await parts.platform(who).standing(who)
    if standing.inside or standing.banned:
        return standing
    return replace(standing, inside=await elsewhere.inside(parts, who) is not None)


async def _departed(
    tx: Tx,
    parts: Parts,
    row: Finding,
    standing: Standing,
    began: datetime,
    by: str,
    now: datetime,
) -> bool:
    """A member who is outside by a fresh look: the record follows what is so.

    Whoever came in after `began`, when the look was taken, was not seen by it.
    """
    member = await tx.first(Membership, identity=_who(row), state__in=tuple(INSIDE))
    gone = member is not None and member.since <= began and not standing.inside
    if member is not None and gone:
        await stage_ends.found_outside(tx, parts, member, by, now, banned=standing.banned)
    await _answer(tx, parts, row, "fix" if gone else "", by, now, ended=True)
    return gone


async def _mend(tx: Tx, parts: Parts, row: Finding, by: str, now: datetime) -> None:
    await _answer(tx, parts, row, "fix", by, now)
    await _record(tx, parts, row, "rule-set-back", by, now)
    rule = Rule(row.code.removeprefix("rule-"))
    await _order(tx, row, Mend(place=row.subject, rule=rule), MEND, now)


# ---- By name ------------------------------------------------------------------------------------


async def find(tx: Tx, name: str) -> list[Finding]:
    """The open findings that are called so: by #number, account, or its short name; more than one
    where it does not say which."""
    rows = await tx.find(Finding, ended_at=None)
    wanted = name.strip(",.;<>").lower().removeprefix("matrix:").removeprefix("slack:")
    for exact in (
        [row for row in rows if wanted == f"#{row.id}"],
        [row for row in rows if wanted == row.subject.lower()],
        [row for row in rows if wanted.lstrip("@") == _short(row.subject.lower())],
    ):
        if exact:
            return exact
    return []


def _short(account: str) -> str:
    """What people call an account by: ann of @ann:server, u1 of t1:u1."""
    first, _, second = account.partition(":")
    return first[1:] if first.startswith("@") else second or account


async def take_in(parts: Parts, number: int, by: str) -> None:
    """Someone inside without a membership becomes a member, known since now.

    Raises:
        NotFound, WrongState: no such finding, it is answered, or it is not of that kind.
        Refused: `not-inside`: they are not in the club itself by now.
        PlatformDown, PlatformBusy: nobody could look.
    """
    row, standing = await _looked_at(parts, number)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        row = await _unanswered(tx, row.id, "adopt")
        if not standing.inside:
            raise Refused("not-inside", account=row.subject)
        guest = Guest(identity=_who(row), name=str(row.values.get("name", row.subject)))
        await adopt.adopt_one(tx, parts, guest, by, now)
        await _answer(tx, parts, row, "adopt", by, now, ended=True)
        await finding_card.refresh(tx, parts, now)


async def put_out(parts: Parts, number: int, reason: str, by: str) -> None:
    """Someone inside without a membership is put out, by an admin's word and for a reason that
    they are told.

    Raises: as `take_in`; BadInput for no reason; Refused `is-admin`, `is-invited`,
        `is-member`.
    """
    reason = told_reason(reason)
    row, standing = await _looked_at(parts, number)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        row = await _unanswered(tx, row.id, "remove")
        why = await _spared(tx, parts, row, standing)
        if why:
            raise Refused(why, account=row.subject)
        await _answer(tx, parts, row, "remove", by, now)
        await _record(tx, parts, row, "unknown-put-out", by, now, reason)
        await _order(tx, row, Remove(who=_who(row), reason=reason), PUT_OUT, now)
        await finding_card.refresh(tx, parts, now)


async def leave(parts: Parts, number: int, by: str) -> None:
    """It is known and stays as it is: asked about again only when it has ended and come anew.

    Raises: NotFound, WrongState.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        row = await tx.get(Finding, number)
        if not is_open(row) or row.answer:
            raise WrongState(state=row.answer or "ended", event="leave")
        await _answer(tx, parts, row, LEAVE, by, now, ended=True)
        await _record(tx, parts, row, "finding-left", by, now)
        await finding_card.refresh(tx, parts, now)


async def _looked_at(parts: Parts, number: int) -> tuple[Finding, Standing]:
    async with parts.store.look(parts.club) as tx:
        row = await tx.get(Finding, number)
    return row, await parts.platforms[row.platform].standing(_who(row))


async def _unanswered(tx: Tx, number: int, event: str) -> Finding:
    row = await tx.get(Finding, number)
    if row.code not in UNKNOWN or not is_open(row) or row.answer:
        raise WrongState(state=row.answer or row.code, event=event)
    return row


async def _spared(tx: Tx, parts: Parts, row: Finding, standing: Standing | None) -> str:
    """Why somebody is not to be put out after all; "" for nothing."""
    who = _who(row)
    account = await tx.first(Account, identity=who)
    if account is not None:
        mine = await tx.find(
            Membership, person_id=account.person_id, state__in=tuple(INSIDE), limit=1
        )
        if mine:
            return "is-member"
        invited = await tx.count(Application, person_id=account.person_id, state__in=tuple(AWAITED))
        if invited or await comeback.is_open(tx, account.person_id):
            return "is-invited"
    admin = str(who) in parts.policy.club.spec.admins.people
    return "is-admin" if admin or rights.is_admin(parts, who, standing) else ""


# ---- What becomes of it -------------------------------------------------------------------------


async def _answer(
    tx: Tx,
    parts: Parts,
    row: Finding,
    answer: str,
    by: str,
    now: datetime,
    *,
    ended: bool = False,
) -> None:
    who = await by_number(tx, parts, by, now)
    await tx.change(row, answer=answer, by=who, ended_at=now if ended else None)


async def _record(
    tx: Tx, parts: Parts, row: Finding, code: str, by: str, now: datetime, reason: str = ""
) -> None:
    verdict = Verdict.REMOVE if code == "unknown-put-out" else Verdict.RECORD
    place = str(row.values.get("place", ""))
    values = {"place": place, "found": str(row.values.get("found", ""))} if place else {}
    await record(
        tx,
        parts,
        Decision(verdict, code, values),
        now=now,
        actor=by,
        subject=f"{PREFIX}{row.id}",
        seen={"key": row.key, "values": dict(row.values), "reason": reason},
    )


async def _order(tx: Tx, row: Finding, action: Mend | Remove, purpose: str, now: datetime) -> None:
    subject = f"{PREFIX}{row.id}"
    number = await tx.count(Order, subject=subject, purpose=purpose)
    await order(
        tx,
        action,
        platform=row.platform,
        key=f"{subject}/{purpose}/{number}",
        purpose=purpose,
        subject=subject,
        lane=Lane.REMOVAL,
        now=now,
    )


async def may_still(tx: Tx, parts: Parts, placed: Order, standing: Standing | None) -> bool:
    """The last look: the finding stands, and nobody who may be inside is put out."""
    row = await tx.get(Finding, number_of(placed.subject))
    if not is_open(row):
        return False
    if placed.purpose != PUT_OUT or not await _spared(tx, parts, row, standing):
        return True
    await tx.change(row, answer="", by="")
    return False


async def on_receipt(tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime) -> None:
    """It is put right."""
    row = await tx.get(Finding, number_of(done.subject))
    if is_open(row):
        await tx.change(row, ended_at=max(now, receipt.at))
        await finding_card.refresh(tx, parts, now)


async def on_failure(tx: Tx, parts: Parts, failed: Order, now: datetime) -> None:
    """A platform's final no: it is open again, and the admins are told why."""
    row = await tx.get(Finding, number_of(failed.subject))
    if is_open(row):
        await tx.change(row, answer="", by="")
        await finding_card.refresh(tx, parts, now)
