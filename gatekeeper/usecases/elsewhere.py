"""Whoever has accounts on several platforms: where else they are."""

from gatekeeper.domain.identity import Account, Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts


async def others(tx: Tx, parts: Parts, who: Identity) -> list[Identity]:
    """The further accounts of whoever is behind `who`, on platforms where the club is."""
    account = await tx.first(Account, identity=who)
    if account is None:
        return []
    theirs = await tx.find(Account, person_id=account.person_id)
    found = [one.identity for one in theirs if one.identity.platform in parts.platforms]
    return [one for one in found if one != who]


async def inside(parts: Parts, who: Identity) -> Identity | None:
    """A further account of theirs that is inside now; None for none. PlatformDown, PlatformBusy."""
    async with parts.store.look(parts.club) as tx:
        accounts = await others(tx, parts, who)
    for account in accounts:
        if (await parts.platform(account).standing(account)).inside:
            return account
    return None
