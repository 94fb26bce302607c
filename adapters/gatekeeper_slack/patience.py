"""What the intake does while it has to wait: how long, and for which errors."""

import random
from typing import Final

from gatekeeper.domain.errors import PlatformBusy, PlatformDown, StorageError

# A database that does not answer is no reason to pass an event over, whatever its driver calls it.
_PASSING: Final = frozenset({"OperationalError", "DBConnectionError", "InterfaceError"})


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 0.1 · 2^n up to 60, with jitter."""
    longest = min(0.1 * float(1 << min(failures, 12)), 60.0)
    return longest * random.uniform(0.5, 1.0)


def passing(error: Exception) -> bool:
    """Whether an error passes by itself: storage, Slack or the network, not the event."""
    if isinstance(error, StorageError | PlatformDown | PlatformBusy | OSError | TimeoutError):
        return True
    return any(cls.__name__ in _PASSING for cls in type(error).__mro__)
