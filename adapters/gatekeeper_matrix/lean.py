"""Lean times: sending one by one, when the homeserver has asked us to wait.

A homeserver counts an invitation against its guest before it looks whether we may send at all, so
one that is refused for want of sends has used up the guest's allowance all the same: after five of
them nobody can invite that guest for minutes. So in lean times an invitation goes only where a send
must be free: when nothing was sent for as long as one takes to come back. That moment is kept for
it, or whatever else is due would take it first, each time.
"""

from datetime import datetime, timedelta
from typing import Final

_FOR: Final = timedelta(minutes=1)  # from the last 429 until sending counts as free again
_KEPT: Final = timedelta(seconds=1.5)  # the invitation is looked up anew before it is sent
_USUAL: Final = timedelta(seconds=5)  # a send comes back, unless told otherwise
_NONE: Final = timedelta(0)


class Lean:
    """What is known of one account's limiter of sends."""

    def __init__(self) -> None:
        self._pace = _NONE  # the longest that a send took to come back
        self._until: datetime | None = None
        self._sent_at: datetime | None = None
        self._under_way = 0
        self._kept_until: datetime | None = None
        self._others_turn = False  # an invitation went last: the next free send is for the rest

    def wait(self, inviting: bool, now: datetime) -> timedelta:
        """How long a send has to wait; zero where it may be tried."""
        if self._until is None or now >= self._until:
            self._pace, self._kept_until = _NONE, None
            return _NONE
        if not inviting:
            return max(self._kept_until - now, _NONE) if self._kept_until else _NONE
        free_at = now + self._pace if self._under_way else (self._sent_at or now) + self._pace
        if free_at > now and not self._others_turn:
            self._kept_until = free_at + _KEPT
        return max(free_at - now, _NONE)

    def begun(self) -> None:
        """A send is under way."""
        self._under_way += 1

    def ended(self, inviting: bool, sent: bool, now: datetime) -> None:
        """It is over; `sent` where the homeserver took it, or may have."""
        self._under_way -= 1
        if inviting:
            self._kept_until = None
        if sent:
            self._sent_at, self._others_turn = now, inviting

    def refused(self, inviting: bool, wait: timedelta, now: datetime) -> None:
        """The homeserver asked to wait with sending; with an invitation, maybe only with that."""
        if inviting:
            wait = min(wait, _USUAL)
        elif self._sent_at is not None and now - self._sent_at < wait:
            wait += now - self._sent_at  # what has come back since the last one
        self._pace = max(self._pace, wait)
        self._until = now + _FOR
