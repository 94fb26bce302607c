"""One person, several accounts: a member asks for a code on one platform and says it on another.

Whoever can read what we tell the one account and write to us from the other is behind both. What
was known of either is then known of the person: also that one of them had been put out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import OPEN, Application, State
from gatekeeper.domain.decisions import Decision, Lane, Order, Post, Progress, Verdict
from gatekeeper.domain.errors import Refused, Value
from gatekeeper.domain.identity import Account, Identity, LinkCode, Linked
from gatekeeper.domain.memberships import INSIDE, Dispute, Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases import comeback, limits, merging, passes, rights, stage_ends
from gatekeeper.usecases.absences import member_of
from gatekeeper.usecases.letting_go import REMOVAL, RESTORE
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.notices import language_of
from gatekeeper.usecases.parts import Parts, account_of, order, record, tell

VALID: Final = timedelta(minutes=10)
CODES_AN_HOUR: Final = 5  # for one account
TRIES_AN_HOUR: Final = 5  # of one account that says a wrong one
TRIES_IN_TOTAL: Final = 200  # of all of them
ASKS: Final = frozenset({"link", "verknüpfen"})
SAID: Final = re.compile(
    rf"^(?:link|verknüpfen) ([{passes.LETTERS}]{{4}})[ -]?([{passes.LETTERS}]{{4}})$", re.I
)


def heard(text: str) -> str | None:
    """The code in these words, "" where they ask for one; None for other words."""
    plain = " ".join(text.split()).rstrip(".!")
    if plain.lower() in ASKS:
        return ""
    match = SAID.match(plain)
    return f"{match[1]}-{match[2]}".upper() if match else None


async def ask(tx: Tx, parts: Parts, who: Identity, now: datetime) -> LinkCode:
    """A new code, told to `who` in private; an earlier one of theirs ends.

    Raises:
        Refused: not-a-member, link-one-platform, link-too-often.
    """
    member = await member_of(tx, who)
    if len(parts.platforms) < 2:
        raise Refused("link-one-platform")
    if not await limits.within(tx, f"link-codes:{who}", CODES_AN_HOUR, now):
        raise Refused("link-too-often")
    await tx.remove(LinkCode, identity=who, used_at=None)
    made = await tx.add(
        LinkCode(club=tx.club, identity=who, digest="", created_at=now, expires_at=now + VALID)
    )
    code = passes.link_code_of(parts, made)
    made = await tx.change(made, digest=_digest(parts, code))
    values: dict[str, Value] = {
        "code": passes.CODE_MARK,
        "club": parts.policy.title,
        "minutes": round(VALID / timedelta(minutes=1)),
    }
    await tell(
        tx,
        parts,
        who,
        parts.say("link-code-told", values, await language_of(tx, parts, member.person_id)),
        key=f"link-code:{made.id}/code",
        purpose="link-code",
        subject=f"person:{member.person_id}",
        now=now,
    )
    return made


def _digest(parts: Parts, code: str) -> str:
    return passes.digest(parts, f"link-code:{code}")


async def use(parts: Parts, who: Identity, code: str) -> None:
    """Link `who` with the account that `code` was told to; recorded, and told to both.

    Raises:
        Refused: as `use_in` gives it. PlatformDown, PlatformBusy: as `look`.
    """
    around = await look(parts, who)
    async with parts.store.transaction(parts.club) as tx:
        refused = await use_in(tx, parts, who, code, around, parts.clock.now())
    if refused is not None:
        raise refused


@dataclass(frozen=True, slots=True)
class Around:
    """What platforms say before a code is used: who may decide, and whether the account is
    banned."""

    admins: Mapping[Identity, str]
    banned: bool


async def look(parts: Parts, who: Identity) -> Around:
    """Ask the platforms. PlatformDown, PlatformBusy: nobody could say; the code stays good."""
    standing = await parts.platform(who).standing(who)
    return Around(await rights.admins(parts), standing.banned)


async def use_in(
    tx: Tx, parts: Parts, who: Identity, code: str, around: Around, now: datetime
) -> Refused | None:
    """`use` inside a transaction, which keeps a wrong try, too.

    Returns:
        None where they are linked; else link-code-wrong, link-code-over, link-too-often,
        link-same-platform, linked-already, link-open-application, link-dispute, link-later.
    """
    try:
        found = await _code(tx, parts, who, code, now)
        into = await _may(tx, found.identity, who)
    except Refused as refused:
        return refused
    await tx.change(found, used_at=now, used_by=str(who))
    linked = await _link(tx, parts, into, who, now, banned=around.banned)
    await merging.weigh_again(tx, parts, into.person_id, around.admins, now)
    await _tell_both(tx, parts, into, who, linked, now)
    return None


async def _code(tx: Tx, parts: Parts, who: Identity, code: str, now: datetime) -> LinkCode:
    tries = f"link-tries:{who}"
    found = await tx.first(LinkCode, digest=_digest(parts, code))
    if not await limits.within(tx, tries, TRIES_AN_HOUR, now):
        raise Refused("link-too-often")
    if found is None:
        if not await limits.within(tx, "link-tries", TRIES_IN_TOTAL, now):
            raise Refused("link-too-often")
        raise Refused("link-code-wrong")
    if found.used_at is not None or found.expires_at <= now:
        raise Refused("link-code-over")
    return found


async def _may(tx: Tx, first: Identity, who: Identity) -> Account:
    """The account that the code was told to, if the two may be linked now. Refused."""
    into = await tx.first(Account, identity=first)
    if into is None or not await tx.count(
        Membership, person_id=into.person_id, state__in=tuple(INSIDE)
    ):
        raise Refused("link-code-over")  # they are no member any more
    if first.platform == who.platform:
        raise Refused("link-same-platform")
    other = await tx.first(Account, identity=who)
    if other is None:
        return into
    if other.person_id == into.person_id:
        raise Refused("linked-already")
    people = (into.person_id, other.person_id)
    if await tx.count(Application, person_id__in=people, state__in=tuple(OPEN - {State.UNPROVEN})):
        raise Refused("link-open-application")
    if await comeback.is_open(tx, other.person_id):  # an invitation to come back stands
        raise Refused("link-open-application")
    if await tx.count(Dispute, person_id__in=people, ended_at=None):
        raise Refused("link-dispute")
    await _none_on_its_way(tx, people)
    return into


async def _none_on_its_way(tx: Tx, people: tuple[int, ...]) -> None:
    """Refused("link-later") while one of them is put out, or asked back in, at this moment."""
    members = await tx.find(Membership, person_id__in=people)
    if members and await tx.count(
        Order,
        subject__in=tuple(subject_of(one) for one in members),
        purpose__in=(REMOVAL, RESTORE),
        progress__in=(Progress.DUE, Progress.WAITING),
    ):
        raise Refused("link-later")


async def _link(
    tx: Tx, parts: Parts, into: Account, who: Identity, now: datetime, *, banned: bool
) -> Linked:
    other = await account_of(tx, who, "", now)
    for person in (into.person_id, other.person_id):  # both have just shown that they are there
        await stage_ends.alive(tx, parts, person, now, "link")
    linked = await merging.merge(tx, parts, into, other, now, barred=banned)
    decision = Decision(Verdict.RECORD, "linked", {"number": linked.from_id})
    for person in (linked.into_id, linked.from_id):
        await record(
            tx,
            parts,
            decision,
            now=now,
            actor=str(into.identity),
            subject=f"person:{person}",
            seen={"moved": dict(linked.moved)},
        )
    return linked


async def _tell_both(
    tx: Tx, parts: Parts, into: Account, who: Identity, linked: Linked, now: datetime
) -> None:
    """Each account hears of the other; admins hear of one that had been put out."""
    language = await language_of(tx, parts, into.person_id)
    for one, other in ((into.identity, who), (who, into.identity)):
        values = {"account": other.account, "platform": other.platform, "club": parts.policy.title}
        await tell(
            tx,
            parts,
            one,
            parts.say("linked-told", values, language),
            key=f"linked:{linked.id}/{one}",
            purpose="told",
            subject=f"person:{into.person_id}",
            now=now,
        )
    if not linked.barred:
        return
    await order(
        tx,
        Post(
            place="admins",
            text=parts.say("link-barred", {"name": into.name, "account": who.account}),
        ),
        platform=parts.admin_platform,
        key=f"linked:{linked.id}/barred",
        purpose="thread",
        subject=f"person:{into.person_id}",
        lane=Lane.ANSWER,
        now=now,
    )


async def barred(tx: Tx, who: Identity) -> bool:
    """Whether this very account was put out for a cause, or banned, and is of somebody who is a
    member by another one: it comes in by no one's leave but an admin's."""
    newest = await tx.first(Membership, identity=who, order="-id")
    if newest is not None and newest.cause in merging.BARRING:
        return True
    return any(
        who in linked.accounts
        for linked in await tx.find(Linked, barred=True, ended_at=None, order="id")
        if newest is None
    )


async def unlink(parts: Parts, identity: Identity, by: str) -> Linked:
    """Take apart what was last linked by this account; recorded, and told to its accounts.

    The account that came along is the one to name; the other will do where there was but one.

    Raises:
        Refused: not-linked, link-later (a removal is on its way).
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        account = await tx.first(Account, identity=identity)
        found = await tx.find(
            Linked, into_id=account.person_id if account else 0, ended_at=None, order="-id"
        )
        theirs = [one for one in found if identity in one.accounts]
        if not theirs and len(found) != 1:
            raise Refused("not-linked")
        linked = (theirs or found)[0]
        await _none_on_its_way(tx, (linked.into_id,))
        await stage_ends.alive(tx, parts, linked.into_id, now, "exempt")
        await merging.part(tx, parts, linked, now)
        for person in (linked.into_id, linked.from_id):
            decision = Decision(Verdict.RECORD, "unlinked", {"number": linked.from_id})
            await record(tx, parts, decision, now=now, actor=by, subject=f"person:{person}")
        left = await tx.find(Account, person_id__in=(linked.into_id, linked.from_id))
        for one in left:
            if one.identity.platform in parts.platforms:
                await _tell_apart(tx, parts, one.identity, linked, now)
        return linked


async def _tell_apart(tx: Tx, parts: Parts, one: Identity, linked: Linked, now: datetime) -> None:
    await tell(
        tx,
        parts,
        one,
        parts.say("unlinked-told", {"club": parts.policy.title}),
        key=f"linked:{linked.id}/apart/{one}",
        purpose="told",
        subject=f"person:{linked.from_id}",
        now=now,
    )
