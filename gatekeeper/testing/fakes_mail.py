"""A mail server in memory."""

from datetime import datetime

from gatekeeper.domain.decisions import Action, Receipt, Retract, Tell
from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.identity import EMAIL
from gatekeeper.ports import Clock


class FakeMail:
    """A Carrier that keeps letters.

    Attributes:
        letters: what was taken, the oldest first; one sent again stands there once.
        refused: addresses to which none is taken.
        faults: raised by the next letters, one each.
    """

    name = EMAIL

    def __init__(self, clock: Clock) -> None:
        self._clock, self._keys = clock, set[str]()
        self.letters: list[Tell] = []
        self.refused: set[str] = set()
        self.faults: list[Exception] = []

    def limiters(self, action: Action) -> tuple[str, ...]:
        """None."""
        return ()

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Take a letter."""
        if self.faults:
            raise self.faults.pop(0)
        if isinstance(action, Retract):
            return Receipt(changed=False, at=self._clock.now())
        if not isinstance(action, Tell):
            raise PlatformRefused(EMAIL, "other", type(action).__name__)
        if action.who.account in self.refused:
            raise PlatformRefused(EMAIL, "mail-refused", "550")
        if key not in self._keys:
            self._keys.add(key)
            self.letters.append(action)
        return Receipt(changed=True, at=self._clock.now(), ref=f"<{key}@club.example>")

    def to(self, address: str) -> list[Tell]:
        """The letters to an address."""
        return [one for one in self.letters if one.who.account == address]
