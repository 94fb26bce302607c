"""Finds platforms by the entry-point group `gatekeeper.platforms`.

An entry point names a factory: `platform(*, club, settings, places, vault, commons, clock)`, which
makes a Platform.
Only platforms that the club's policy names are ever loaded.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from gatekeeper.domain.errors import SettingsError
from gatekeeper.domain.identity import ClubId
from gatekeeper.ports import Clock, Platform, Vault

GROUP: Final = "gatekeeper.platforms"


def adapters() -> Mapping[str, EntryPoint]:
    """The adapters installed here by platform name; of two with one name, the first on the path."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, point)
    return found


def make_platform(
    name: str,
    *,
    club: ClubId,
    settings: Mapping[str, Any] | None,
    places: Mapping[str, Any],
    vault: Vault,
    commons: Vault,
    clock: Clock,
) -> Platform:
    """The platform called `name`, not started.

    Args:
        name: as the policy has it, e.g. matrix.
        club: whose it is.
        settings: what Settings hold for it.
        places: the platform's part of the Club document, with admins, title and chatName.
        vault, commons: the club's own, and that of all clubs of the service.

    Raises:
        SettingsError: no adapter of that name is installed, it cannot be loaded, or it has no
            settings.
    """
    point = adapters().get(name)
    if point is None:
        raise SettingsError(
            (f"the policy names the platform {name}, but no adapter for it is installed",)
        )
    if settings is None:
        raise SettingsError((f"{name}: is missing; the policy names this platform",))
    try:
        factory = point.load()
    except (ImportError, AttributeError) as fault:
        raise SettingsError((f"the adapter {name} cannot be loaded: {fault}",)) from fault
    made: Platform = factory(
        club=club, settings=settings, places=places, vault=vault, commons=commons, clock=clock
    )
    return made
