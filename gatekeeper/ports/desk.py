"""FrontDesk: where platforms call in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.decisions import Card
from gatekeeper.domain.errors import Value
from gatekeeper.domain.events import Event, Pressed
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.windows import Filled, Taken, Window


class FrontDesk(Protocol):
    """Where platforms call in; what they tell is told at least once and may come in any order."""

    async def handle(self, event: Event) -> None:
        """Take in one event that decides something; committed when this returns."""
        ...

    async def keep(self, press: Pressed) -> None:
        """Keep a press, to be taken in soon and once: for platforms that have to be answered at
        once, whatever it takes to weigh it. It is lost no more when this returns."""
        ...

    async def observe(
        self, platform: str, signs: Sequence[Sign], position: str, *, after_gap: bool = False
    ) -> None:
        """Take in signs of life up to `position`; kept in memory until the next flush.

        Signs and position are committed together, so a crash loses and doubles nothing.
        `after_gap`: what lies between the last position and this could not be seen.
        """
        ...

    async def blind(self, platform: str, places: Mapping[str, datetime]) -> None:
        """These places of the club, and no others, do not reach us now, each since when.

        To be told at each start and whenever it changes. A place is named as in signs; one that
        we never saw yet, or that is the club's no more, is none of them.
        """
        ...

    async def missed(self, platform: str, place: str, start: datetime, end: datetime) -> None:
        """What came from a place ("": from anywhere) in this time was lost; once is enough."""
        ...

    async def position(self, platform: str) -> str:
        """The last committed position, "" for none."""
        ...

    async def paused(self) -> bool:
        """Whether the club writes nothing now: nothing is made then, and nobody invited, but what
        is performed; listening goes on."""
        ...

    async def window(self, who: Identity) -> Window:
        """What the owner of an account sees of the club in a chat's own forms, and may do now."""
        ...

    async def take(self, filled: Filled) -> Taken:
        """Take in a form sent there; committed when this returns, problems told and no error."""
        ...

    async def whole(self, who: Identity, ref: str) -> Card | None:
        """What the card in the message `ref` tells, uncut, for an admin; None for others."""
        ...

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The catalogue's sentence, in the club's words; "": in the club's language."""
        ...
