"""The port of the time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; the only place that does."""

    def now(self) -> datetime:
        """The time now, aware, UTC."""
        ...
