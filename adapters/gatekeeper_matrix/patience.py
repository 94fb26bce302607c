"""What the intake does while it has to wait: how long, for which errors, and what it holds."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, StorageError
from gatekeeper.domain.events import Event

# A database that does not answer is no reason to pass an event over, whatever its driver calls it.
_PASSING: Final = frozenset({"OperationalError", "DBConnectionError", "InterfaceError"})


@dataclass(slots=True)
class Held:
    """Events that need a place which is lost, in their order, and the signs since the first.

    While one is held no position is committed: after a crash the homeserver tells all of it again.
    """

    most_events: int = 1_000
    most_signs: int = 20_000
    events: deque[tuple[str, Event]] = field(default_factory=deque)  # with the room of each
    signs: list[Sign] = field(default_factory=list)
    gap: bool = False

    def behind(self, room: str, event: Event, space: str) -> bool:
        """Whether an event has to wait for one that is held: of the same person, or of the same
        room. What different people do in the space stands for itself."""
        return any(
            event.who == held.who or (room == where and room != space)
            for where, held in self.events
        )

    def hold(self, room: str, event: Event) -> None:
        """Keep an event, once: a batch that failed halfway comes again."""
        if all(event.event_id != held.event_id for _, held in self.events):
            self.events.append((room, event))

    def full(self) -> bool:
        """Whether nothing more is to be asked for until the place is back."""
        return len(self.events) >= self.most_events or len(self.signs) >= self.most_signs

    def take(self) -> tuple[list[Sign], bool]:
        """What is to be committed now that nothing is held, and whether a gap is in it."""
        signs, gap, self.signs, self.gap = self.signs, self.gap, [], False
        return signs, gap

    def clear(self) -> None:
        """All of it comes again."""
        self.events.clear()
        self.take()


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0.1 · 2^n up to 60, with jitter."""
    longest = min(0.1 * float(1 << min(failures, 12)), 60.0)
    return longest * random.uniform(0.5, 1.0)


def passing(error: Exception) -> bool:
    """Whether an error passes by itself: storage, the homeserver or the network, not the event."""
    if isinstance(error, StorageError | PlatformDown | PlatformBusy | OSError | TimeoutError):
        return True
    return any(cls.__name__ in _PASSING for cls in type(error).__mro__)
