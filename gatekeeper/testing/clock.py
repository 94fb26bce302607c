"""ManualClock: time that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A Clock that starts at `at` (aware) and moves only by `advance`."""

    def __init__(self, at: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = at

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def advance(self, **span: float) -> datetime:
        """Move on by timedelta(**span); the new time."""
        self._now += timedelta(**span)
        return self._now
