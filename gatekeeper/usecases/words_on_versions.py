"""What admins say of a version of the policy that waits: ▶ or ❌ on its card."""

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.errors import NotFound, Refused
from gatekeeper.domain.events import Pressed
from gatekeeper.policy.judge import Policy
from gatekeeper.usecases import pending, rights, versions, votes
from gatekeeper.usecases.parts import Parts, once


async def pressed(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """Take in a press; only an admin's counts, and only while the card is current."""
    if event.symbol not in {pending.GO_ON, pending.LEAVE}:
        return
    admins = await rights.admins(parts)
    digest = card.subject.removeprefix(pending.PREFIX)
    try:
        policy = await versions.load(parts, digest)  # compiled before anything is held
    except NotFound:
        return
    with parts.shelf.swapping():
        await _take(parts, event, card, policy, event.who in admins)


async def _take(
    parts: Parts, event: Pressed, card: StandingCard, policy: Policy, admin: bool
) -> None:
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        if not admin:
            await votes.refuse(tx, parts, event, "club", Refused("no-right-to-decide"), now)
            return
        if not await pending.is_current(tx, card):
            await votes.refuse(tx, parts, event, "club", Refused("card-ended"), now)
            return
        if event.symbol == pending.LEAVE:
            await versions.leave_in(tx, parts, str(event.who))
            return
        await versions.promote_in(tx, parts, policy, str(event.who))
