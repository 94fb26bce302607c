"""Who is on the way in: the channels into which we bring somebody before the club's own.

Noted before the first call, forgotten once they are inside or out again: so a try that broke off,
in whatever process, can be undone to the last channel, and nobody is put out of one into which
somebody else had brought them.
"""

import json
from collections.abc import Callable, Iterable
from typing import Final

from gatekeeper.ports import Vault

_DRAWER: Final = "slack-halfway"
_Notes = dict[str, list[str]]


class Halfway:
    """Channels by user, in the club's vault; empty but while somebody is let in."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def of(self, user: str) -> tuple[str, ...]:
        """Into which channels we may have brought somebody so far."""
        return tuple(_read(await self._vault.get(_DRAWER)).get(user, ()))

    async def note(self, user: str, channels: Iterable[str]) -> None:
        """We are about to bring somebody into these, too."""
        new = set(channels)
        await self._change(lambda notes: notes | {user: sorted({*notes.get(user, ()), *new})})

    async def forget(self, user: str) -> None:
        """They are inside, or out again."""
        await self._change(lambda notes: {one: notes[one] for one in notes if one != user})

    async def _change(self, change: Callable[[_Notes], _Notes]) -> None:
        """Of many who change it at once, each goes by what another has kept."""
        while True:
            old = await self._vault.get(_DRAWER)
            notes = _read(old)
            fresh = change(notes)
            if fresh == notes or await self._vault.swap(_DRAWER, old, json.dumps(fresh).encode()):
                return


def _read(kept: bytes | None) -> _Notes:
    return dict(json.loads(kept or b"{}"))
