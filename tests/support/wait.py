"""Waiting with a bound for what other processes do."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    check: Callable[[], T | Awaitable[T]],
    timeout: float = 10.0,
    every: float = 0.05,
    what: str = "",
) -> T:
    """The first truthy value of `check`, asked again and again.

    A check that raises AssertionError has not held yet; any other error ends the wait.

    Raises:
        TimeoutError: it did not hold within `timeout` seconds; says what was seen last.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            outcome = check()
            value = await outcome if inspect.isawaitable(outcome) else outcome
            last: object = value
        except AssertionError as error:
            value, last = None, error
        if value:
            return value  # type: ignore[no-any-return]
        if time.monotonic() >= deadline:
            told = what or getattr(check, "__name__", "the check")
            raise TimeoutError(f"{told}: not within {timeout:g} s; last seen: {last!r}")
        await asyncio.sleep(every)
