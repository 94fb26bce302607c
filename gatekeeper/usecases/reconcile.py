"""Who is inside, who should be, and which doors stand open beside ours: looked at daily, by hand.

Nothing is changed by looking. What is found is kept until it is so no longer, and stands on one
card in the admins' room, with what is proposed; `findings` does what is said to it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gatekeeper.domain import applications
from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership, State
from gatekeeper.domain.reconcile import Facts, Found, Present, findings
from gatekeeper.ports import Guest, Platform, Survey, Tx
from gatekeeper.usecases import finding_card, outside, rights
from gatekeeper.usecases.finding_card import LEAVE, is_open
from gatekeeper.usecases.parts import Parts, record


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one look found.

    Attributes:
        findings: all that does not fit now, old and new, answered or not.
        left: those of them that an admin lets be.
        unseen: places that could not be looked at, by `platform: place`, each with the reason.
    """

    findings: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Looked:
    began: datetime
    survey: Survey
    admins: tuple[Guest, ...]


async def run(parts: Parts, by: str) -> Report:
    """Look at every platform, keep what is found, and let the card show it; whoever is awaited by
    their address is looked for, too.

    Raises:
        PlatformDown, PlatformBusy: a platform could not be asked; nothing is said of any.
    """
    looked = {name: await _look(parts, one) for name, one in parts.platforms.items()}
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        found: list[Found] = []
        inside = {guest.identity for one in looked.values() for guest in one.survey.members}
        for name, one in looked.items():
            found += findings(await _facts(tx, parts, name, one, inside))
        unseen = {(name, place) for name, one in looked.items() for place in one.survey.unseen}
        new = await _keep(tx, found, unseen, now)
        rows = await tx.find(Finding, ended_at=None)
        left = await tx.find(Finding, answer=LEAVE, ended_at__set=True)
        if new:
            values = {"count": len(rows), "new": new}
            await record(
                tx,
                parts,
                Decision(Verdict.RECORD, "reconciled", values),
                now=now,
                actor=by,
                subject="club",
                seen={"findings": [row.key for row in rows]},
            )
        await finding_card.refresh(tx, parts, now)
    await outside.look_for_all(parts)
    return Report(
        findings=tuple(rows),
        left=tuple(left),
        unseen={
            f"{name}: {place}": why
            for name, one in looked.items()
            for place, why in one.survey.unseen.items()
        },
    )


async def _look(parts: Parts, platform: Platform) -> _Looked:
    began = parts.clock.now()
    return _Looked(began, await platform.survey(), await platform.admins())


async def _facts(
    tx: Tx, parts: Parts, name: str, looked: _Looked, anywhere: Collection[Identity]
) -> Facts:
    """`anywhere`: everybody inside on any platform; by one account a member is not outside."""
    survey = looked.survey
    members = await tx.find(Membership, state__in=tuple(INSIDE))
    persons = {member.person_id for member in members}
    accounts = {one.identity: one.person_id for one in await tx.find(Account)}
    inside = [Present(identity=g.identity, name=g.name) for g in survey.members if not g.bot]
    bots = {guest.identity for guest in survey.members if guest.bot}
    present = {accounts[who] for who in anywhere if who in accounts}
    here = {m.identity: (m.id, m.name) for m in members if m.identity.platform == name}
    named = _named(parts, name)
    return Facts(
        platform=name,
        inside=(*inside, *(one for one in survey.only if one.identity not in bots)),
        members=here,
        known=frozenset(
            {who for who, person in accounts.items() if person in persons} | await _awaited(tx)
        ),
        passing=frozenset(
            m.id for m in members if _passes(m, looked.began) or m.person_id in present
        ),
        rules=survey.rules,
        holders=tuple(one for one in survey.holders if one.identity not in bots),
        admins=frozenset(
            guest.identity
            for guest in looked.admins
            if guest.bot or rights.is_admin(parts, guest.identity, guest)
        ),
        named=frozenset(named),
        # An answer without anybody is more likely wrong than true.
        whole=bool(survey.members),
    )


def _passes(member: Membership, began: datetime) -> bool:
    """Whether a membership just begins, or is about to end: it is told soon."""
    return member.since > began or member.state is State.CONFIRMED


async def _awaited(tx: Tx) -> set[Identity]:
    """Whom we have invited: their arrival is told by the platform."""
    awaited = (applications.State.APPROVED, applications.State.INVITED)
    apps = await tx.find(Application, state__in=awaited)
    back = await tx.find(Membership, back_invited_at__set=True)
    return {app.identity for app in apps} | {member.identity for member in back}


def _named(parts: Parts, name: str) -> list[Identity]:
    people = [Identity.parse(text) for text in parts.policy.club.spec.admins.people]
    return [who for who in people if who.platform == name]


async def _keep(tx: Tx, found: Sequence[Found], unseen: set[tuple[str, str]], now: datetime) -> int:
    """Bring the rows up to what was found; how many are new, or found again after their end."""
    there = {row.key: row for row in await tx.find(Finding)}
    new = 0
    for one in found:
        row = there.pop(one.key, None)
        if row is None:
            await tx.add(
                Finding(
                    club=tx.club,
                    key=one.key,
                    code=one.code,
                    platform=one.platform,
                    subject=one.subject,
                    values=one.values,
                    first_at=now,
                    last_at=now,
                )
            )
            new += 1
        elif is_open(row) or row.answer == LEAVE:
            await tx.change(row, last_at=now, values=one.values)
        else:
            again = {"ended_at": None, "answer": "", "by": ""}
            await tx.change(row, first_at=now, last_at=now, values=one.values, **again)
            new += 1
    for row in there.values():
        if (row.platform, str(row.values.get("place", ""))) in unseen:
            continue  # nobody knows
        if is_open(row):
            await tx.change(row, ended_at=now)
        elif row.answer == LEAVE:
            await tx.change(row, answer="")  # should it come again, it is asked again
    return new
