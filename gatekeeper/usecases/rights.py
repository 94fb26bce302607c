"""Who is an admin: someone the policy names, or who holds what it names; not by presence."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.ports import Guest, Standing
from gatekeeper.usecases.parts import Parts

_Asked = dict[ClubId, Mapping[Identity, str]]
_ASKED: ContextVar[_Asked | None] = ContextVar("asked", default=None)


def is_admin(parts: Parts, who: Identity, standing: Standing | Guest | None) -> bool:
    """Whether `who`, joined to the admins' room as `standing` says, holds the right now."""
    admins = parts.policy.club.spec.admins
    if standing is None or (isinstance(standing, Standing) and not standing.in_admin_room):
        return False
    if isinstance(standing, Guest) and standing.power < 0:
        return False
    if str(who) in admins.people:
        return True
    if admins.power_level is not None and standing.power >= admins.power_level:
        return True
    return admins.user_group is not None and admins.user_group in standing.groups


@contextmanager
def asked_once() -> Iterator[None]:
    """Within this, platforms are asked once: for what was pressed before, one answer serves."""
    token = _ASKED.set({})
    try:
        yield
    finally:
        _ASKED.reset(token)


async def admins(parts: Parts) -> Mapping[Identity, str]:
    """Everyone who holds the right now, over all platforms, with the name they go by.

    Raises:
        PlatformDown, PlatformBusy: a platform could not be asked; nothing may be decided then.
    """
    asked = _ASKED.get()
    if asked is None:
        return await _ask(parts)
    if parts.club not in asked:
        asked[parts.club] = await _ask(parts)
    return asked[parts.club]


async def _ask(parts: Parts) -> Mapping[Identity, str]:
    return {
        guest.identity: guest.name
        for platform in parts.platforms.values()
        for guest in await platform.admins()
        if not guest.bot and is_admin(parts, guest.identity, guest)
    }
