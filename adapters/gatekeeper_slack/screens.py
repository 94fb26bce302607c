"""What the reception asks of the rest of the adapter: looks at Slack, and what people see."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Profile


class Screens(Protocol):
    """What people see in modals and in the Home tab; each answers whether it was meant.

    Called after the person is known; `trigger` opens one view within three seconds.
    """

    async def command(self, who: Identity, command: str, text: str, trigger: str) -> bool:
        """A slash command; False: its words are taken as if written to us."""
        ...

    async def shortcut(self, who: Identity, callback: str, payload: Mapping[str, Any]) -> bool:
        """A shortcut, global or on a message."""
        ...

    async def pressed(self, who: Identity, payload: Mapping[str, Any]) -> bool:
        """A button in a view, or one on a message that is no choice of a card."""
        ...

    async def submitted(self, who: Identity, view: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A modal was sent: Slack's `response_action`, None closes it."""
        ...

    def waiting(self) -> Mapping[str, Any]:
        """Slack's `response_action` where it takes longer than Slack waits."""
        ...

    async def late(self, who: Identity, view: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Show what `submitted` answered in the window that waits for it."""
        ...

    async def closed(self, who: Identity, view: Mapping[str, Any]) -> None:
        """A modal was closed."""
        ...

    async def home(self, who: Identity) -> None:
        """The Home tab was opened."""
        ...


@dataclass(slots=True)
class Looks:
    """How the intake looks up what Slack does not tell along; None: it cannot.

    Attributes:
        inside: whether somebody is in the club's channel now; PlatformDown, PlatformBusy.
        profile: name of an account, and whether it is a bot's; raises like Platform.profile.
        symbol: the choice that a pressed button stands for, "" for none.
        changed: an account's data is to be read anew.
    """

    symbol: Callable[[Mapping[str, Any]], str]
    inside: Callable[[Identity], Awaitable[bool]] | None = None
    profile: Callable[[Identity], Awaitable[Profile]] | None = None
    changed: Callable[[Identity], None] | None = None
