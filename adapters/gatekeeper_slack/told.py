"""What Slack has told lately, by (team, event id): a twin joins the one that is being taken in."""

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

REMEMBER: Final = timedelta(hours=1)  # Slack's last retry comes after six minutes
_MOST: Final = 50_000

Key: TypeAlias = tuple[str, str]


class _One(NamedTuple):
    at: datetime
    task: "asyncio.Task[Any]"


class Told:
    """The newest things that were told, each with the task that takes it in, or has."""

    def __init__(self) -> None:
        self._all: OrderedDict[Key, _One] = OrderedDict()

    def of(self, key: Key, now: datetime) -> "asyncio.Task[Any] | None":
        """The task of something that was told before; None also where a stop ended it."""
        while self._all:
            oldest = next(iter(self._all.values()))
            if now - oldest.at < REMEMBER and len(self._all) <= _MOST:
                break
            self._all.popitem(last=False)
        known = self._all.get(key)
        return None if known is None or known.task.cancelled() else known.task

    def note(self, key: Key, task: "asyncio.Task[Any]", now: datetime) -> None:
        """Remember it; what has no id is new each time."""
        if key[1]:
            self._all[key] = _One(now, task)

    def drop(self, key: Key) -> None:
        """It was given up: told again, it is new."""
        self._all.pop(key, None)
