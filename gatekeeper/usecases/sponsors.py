"""Whose word stands for an applicant, and by which accounts those people are known."""

from collections.abc import Iterable

from gatekeeper.domain.applications import Application, Vouch
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.ports import Tx


async def standing(tx: Tx, app: Application) -> list[Vouch]:
    """The vouches that count: not taken back, of members who are inside still, one for each
    person, none of the applicant's own."""
    given = await tx.find(Vouch, application_id=app.id, ended_at=None)
    people = tuple({each.person_id for each in given} - {app.person_id})
    if not people:
        return []
    members = await tx.find(Membership, person_id__in=people, state__in=tuple(INSIDE))
    inside = {member.person_id for member in members}
    first: dict[int, Vouch] = {}
    for each in sorted(given, key=lambda vouch: vouch.id):
        if each.person_id in inside:
            first.setdefault(each.person_id, each)
    return list(first.values())


async def all_accounts(tx: Tx, named: Iterable[Identity]) -> tuple[Identity, ...]:
    """These accounts and every other one of the same people, in order: who has no vote by one of
    them has none by another."""
    found = set(named)
    for identity in tuple(found):
        account = await tx.first(Account, identity=identity)
        if account is not None:
            theirs = await tx.find(Account, person_id=account.person_id)
            found.update(one.identity for one in theirs)
    return tuple(sorted(found))
