"""What one payload means: an event to decide by, a sign of life, a change of what reaches us."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.events import Event
from gatekeeper.domain.identity import Identity


@dataclass(frozen=True, slots=True)
class Out:
    """We are out of a place; `why` is "put-out" (people may live there) or "gone"."""

    channel: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Back:
    """We are in a place again."""

    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lost:
    """Slack told us nothing in this time, from anywhere."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Revoked:
    """The app was taken out of the workspace, or our token with it."""

    why: str
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Access:
    """What an organisation installed reaches these workspaces, or does no more."""

    teams: frozenset[str]
    granted: bool
    organisation: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """Somebody opened the Home tab."""

    who: Identity


@dataclass(frozen=True, slots=True)
class Changed:
    """What is known of an account is to be looked up anew; `deactivated`: nobody uses it now."""

    who: Identity
    deactivated: bool = False


Change: TypeAlias = Out | Back | Lost | Revoked | Access | Home | Changed


@dataclass(frozen=True, slots=True)
class Heard:
    """What one payload means: an event to decide by, a sign of life, a change of what we see."""

    event: Event | None = None
    sign: Sign | None = None
    change: Change | None = None


NOTHING: Final = Heard()
