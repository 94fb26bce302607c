"""Power levels as rooms of any version have them; version 12 gives creators power without end."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

CREATOR: Final = 1_000_000  # above every level that can be written down


@dataclass(frozen=True, slots=True)
class Power:
    """Who may do what in one room: `levels` is its m.room.power_levels, `creators` those whom
    version 12 puts above it."""

    levels: Mapping[str, Any]
    creators: Collection[str] = ()

    def of(self, user: str) -> int:
        """The level of a user."""
        if user in self.creators:
            return CREATOR
        users = self.levels.get("users") or {}
        return _level(users.get(user, self.levels.get("users_default")), 0)

    def needed(self, act: str) -> int:
        """The level that invite, kick, ban, redact, state_default or an event type asks for."""
        if act in ("invite", "events_default", "users_default"):
            return _level(self.levels.get(act), 0)
        if act in ("kick", "ban", "redact", "state_default"):
            return _level(self.levels.get(act), 50)
        events = self.levels.get("events") or {}
        return _level(events.get(act, self.levels.get("state_default")), 50)

    def can(self, user: str, act: str) -> bool:
        """Whether `user` has the level for `act`."""
        return self.of(user) >= self.needed(act)

    def can_kick(self, user: str, target: str) -> bool:
        """Whether `user` may put `target` out: the level for it, and more than they have."""
        return self.can(user, "kick") and self.of(user) > self.of(target)


def creators_of(create: Mapping[str, Any]) -> tuple[str, ...]:
    """Those above all levels, from a whole m.room.create event; none before version 12."""
    content = create.get("content") or {}
    if not is_creators_version(str(content.get("room_version", "1"))):
        return ()
    return (str(create.get("sender", "")), *map(str, content.get("additional_creators") or ()))


def is_creators_version(version: str) -> bool:
    """Whether rooms of this version give their creators power without end."""
    return version.isdecimal() and int(version) >= 12


def levels_for_new(
    version: str, me: str, admins: Collection[str], *, invite: int = 50, more: Any = None
) -> dict[str, Any]:
    """The power levels that a room of ours begins with: `admins` 100, and ourselves only where
    the version does not give it to us as creator anyway (it refuses creators by name)."""
    users = dict.fromkeys((admin for admin in admins if admin != me), 100)
    if not is_creators_version(version):
        users[me] = 100
    return {"users": users, "invite": invite, **(more or {})}


def _level(value: Any, default: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return default
    try:
        return int(value)
    except ValueError:
        return default
