"""What a database would do to a value: keys that may be there once, criteria, what comes back."""

import dataclasses
import hashlib
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from gatekeeper.domain.activity import Activity, BlindSpot, Counted, Coverage, Tie
from gatekeeper.domain.applications import Application, Question, Vote, Vouch
from gatekeeper.domain.applications import State as ApplicationState
from gatekeeper.domain.clubs import (
    Budget,
    Checkpoint,
    ClubState,
    Draft,
    EarlyPress,
    Finding,
    Handled,
    Pass,
    PolicyChange,
    PolicyDifference,
    PolicyVersion,
    Proof,
    Schedule,
    StandingCard,
    Tally,
)
from gatekeeper.domain.decisions import Entry, Order
from gatekeeper.domain.identity import Account, Address, LinkCode, Linked, Person
from gatekeeper.domain.memberships import (
    INSIDE,
    Dispute,
    Exemption,
    Leave,
    Membership,
    Sweep,
    SweepItem,
)

# What may be there once in a club.
UNIQUE: Final[Mapping[type[Any], tuple[str, ...]]] = {
    Account: ("identity",),
    Order: ("key",),
    Sweep: ("slot",),
    Activity: ("person_id", "day", "kind"),
    Tie: ("person_id", "to_id", "week", "relation"),
    ClubState: ("club",),
    PolicyVersion: ("digest",),
    PolicyDifference: ("digest", "trial", "subject", "day"),
    Budget: ("platform", "limiter"),
    Checkpoint: ("platform",),
    Draft: ("who", "form"),
    EarlyPress: ("platform", "event_id"),
    Handled: ("platform", "event_id"),
    Pass: ("digest",),
    Schedule: ("name",),
    Finding: ("key",),
    Tally: ("key", "hour"),
}
# One of these for each person while it stands so; an unproven application blocks nobody.
ONE_OPEN: Final[Mapping[type[Any], frozenset[Any]]] = {
    Application: frozenset(
        {ApplicationState.IN_REVIEW, ApplicationState.APPROVED, ApplicationState.INVITED}
    ),
    Membership: INSIDE,
}
KINDS: Final[frozenset[type[Any]]] = frozenset(
    {
        *UNIQUE,
        *ONE_OPEN,
        Person,
        LinkCode,
        Address,
        Linked,
        Vote,
        Vouch,
        Question,
        Leave,
        Exemption,
        Dispute,
        SweepItem,
        Coverage,
        Counted,
        BlindSpot,
    }
    | {StandingCard, Proof, PolicyChange}
)


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def known(kind: Any, name: str) -> None:
    """Raises ValueError for a field that this kind does not have."""
    if name not in _hints(kind):
        raise ValueError(f"{kind.__name__} has no {name}")


def honest(value: Any) -> Any:
    """The value as it would come back from a database; ValueError for what none could keep."""
    hints = _hints(typing.cast(Any, type(value)))
    changed = {}
    for each in dataclasses.fields(value):
        kept = _kept(getattr(value, each.name))
        if kept is None and type(None) not in typing.get_args(hints[each.name]):
            raise ValueError(f"{each.name} cannot be None")
        changed[each.name] = kept
    return replace(value, **changed)


def _kept(value: Any) -> Any:
    if type(value) is str:
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, Mapping):
        return json.loads(json.dumps(dict(value), allow_nan=False))
    return value


def copied(value: Any) -> Any:
    """Frozen values may hold a dict, which nobody shall change behind the store's back."""
    nested = {
        each.name: _kept(getattr(value, each.name))
        for each in dataclasses.fields(value)
        if isinstance(getattr(value, each.name), dict)
    }
    return replace(value, **nested) if nested else value


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; ValueError where it has no zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a zone: {moment}")
    return moment.astimezone(UTC)


def meets(value: Any, criteria: Mapping[str, Any]) -> bool:
    """Whether a value meets criteria as `gatekeeper.ports.Tx` writes them."""
    for criterion, wanted in criteria.items():
        name, _, operator = criterion.partition("__")
        known(type(value), name)
        if operator not in _OPERATORS:
            raise ValueError(f"no such criterion: {criterion}")
        if not _OPERATORS[operator](getattr(value, name), wanted):
            return False
    return True


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "": lambda has, wanted: bool(has == wanted),
    "in": lambda has, wanted: has in tuple(wanted),
    "not_in": lambda has, wanted: has not in tuple(wanted),
    "lt": lambda has, wanted: has is not None and bool(has < wanted),
    "lte": lambda has, wanted: has is not None and bool(has <= wanted),
    "gt": lambda has, wanted: has is not None and bool(has > wanted),
    "gte": lambda has, wanted: has is not None and bool(has >= wanted),
    "set": lambda has, wanted: (has is not None) is bool(wanted),
}


def sortable(value: Any) -> tuple[bool, Any]:
    """None first; an Identity as its text."""
    if value is None:
        return (False, 0)
    return (True, value if isinstance(value, int | float | datetime) else str(value))


def digest(salt: str, text: str) -> str:
    """The digest that an entry keeps of its input."""
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


def seal(entry: Entry, previous: str) -> str:
    """The mac of an entry, without a key: nobody breaks into a fake."""
    return hashlib.sha256(f"{replace(entry, mac='')!r}{previous}".encode()).hexdigest()
