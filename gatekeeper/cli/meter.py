"""How far long work is: a line on a terminal, nothing in a pipe."""

import sys
from collections.abc import Callable


def on_terminal() -> bool:
    """Whether somebody watches."""
    return sys.stderr.isatty()


class Meter:
    """One line that is written over and over.

    Args:
        say: a code with its values to a sentence.
    """

    def __init__(self, say: Callable[..., str]) -> None:
        self._say, self._last = say, ""
        self._shown = on_terminal()

    def of(self, code: str) -> Callable[[int, int], None]:
        """What tells one part of the work: how many are done, of how many."""

        def tell(done: int, of: int) -> None:
            text = self._say(code, {"done": done, "of": of})
            if self._shown and text != self._last:
                self._last = text
                print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

        return tell

    def end(self) -> None:
        """Clear the line."""
        if self._last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
