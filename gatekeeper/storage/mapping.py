"""Domain values to columns and back, field by field from the annotations of their dataclasses."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import TypeAdapter

from gatekeeper.domain import activity, applications, clubs, decisions, identity, memberships
from gatekeeper.domain.identity import Identity
from gatekeeper.storage import club_tables, tables

T = TypeVar("T")

MODELS: Final[Mapping[type[Any], type[tables.Row]]] = {
    identity.Person: tables.Person,
    identity.Account: tables.Account,
    identity.LinkCode: tables.LinkCode,
    identity.Address: tables.Address,
    identity.Linked: tables.Linked,
    applications.Application: tables.Application,
    applications.Vote: tables.Vote,
    applications.Vouch: tables.Vouch,
    applications.Question: tables.Question,
    memberships.Membership: tables.Membership,
    memberships.Leave: tables.Leave,
    memberships.Exemption: tables.Exemption,
    memberships.Dispute: tables.Dispute,
    memberships.Sweep: tables.Sweep,
    memberships.SweepItem: tables.SweepItem,
    activity.Activity: tables.Activity,
    activity.Counted: tables.Counted,
    activity.Tie: tables.Tie,
    activity.Coverage: tables.Coverage,
    activity.BlindSpot: tables.BlindSpot,
    decisions.Order: tables.Order,
    clubs.ClubState: club_tables.ClubState,
    clubs.PolicyVersion: club_tables.PolicyVersion,
    clubs.PolicyChange: club_tables.PolicyChange,
    clubs.PolicyDifference: club_tables.PolicyDifference,
    clubs.StandingCard: club_tables.StandingCard,
    clubs.Budget: club_tables.Budget,
    clubs.Checkpoint: club_tables.Checkpoint,
    clubs.Draft: club_tables.Draft,
    clubs.EarlyPress: club_tables.EarlyPress,
    clubs.Handled: club_tables.Handled,
    clubs.Pass: club_tables.Pass,
    clubs.Proof: club_tables.Proof,
    clubs.Schedule: club_tables.Schedule,
    clubs.Finding: club_tables.Finding,
    clubs.Tally: club_tables.Tally,
}


class Codec(NamedTuple):
    """How one type lies in a column; `nested` values are JSON and no criteria."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    nested: bool = False
    text: bool = False


class Column(NamedTuple):
    """One field of a dataclass as a column."""

    name: str
    codec: Codec
    nullable: bool

    def encode(self, value: Any) -> Any:
        """To what the driver takes; ValueError for None where there must be a value."""
        if value is None:
            if not self.nullable:
                raise ValueError(f"{self.name} cannot be None")
            return None
        return self.codec.encode(value)


@dataclass(frozen=True, slots=True)
class Mapper(Generic[T]):
    """One kind of value and its table.

    Attributes:
        dialect: sqlite or postgres.
        guard: the field that a change compares.
        decoded: the columns that do not come back as they are, and how they are read.
    """

    kind: type[T]
    table: str
    dialect: str
    columns: Mapping[str, Column]
    guard: str
    decoded: tuple[tuple[str, Callable[[Any], Any]], ...]

    def row(self, value: T) -> dict[str, Any]:
        """All columns but the id."""
        encoded = {}
        for name, column in self.columns.items():
            if name != "id":
                given = getattr(value, name)
                encoded[name] = (
                    column.encode(given) if given is None else column.codec.encode(given)
                )
        return encoded

    def value(self, row: dict[str, Any]) -> T:
        """The value that a row keeps; `row` is used up."""
        for name, decode in self.decoded:
            kept = row[name]
            if kept is not None:
                row[name] = decode(kept)
        return self.kind(**row)

    def column(self, name: str) -> Column:
        """The column of a field; ValueError for one that it does not have."""
        if name not in self.columns:
            raise ValueError(f"{self.kind.__name__} has no {name}")
        return self.columns[name]


def mapper(kind: type[T], dialect: str) -> Mapper[T]:
    """The mapper of one kind; TypeError for what has no table of its own to write to."""
    made: Mapper[T] = _made(typing.cast(Any, kind), dialect)
    return made


@cache
def _made(kind: Any, dialect: str) -> Mapper[Any]:
    if kind not in MODELS:
        raise TypeError(f"{kind.__name__} is not kept by add, find, change and remove")
    hints = typing.get_type_hints(kind)
    columns = {}
    for field in dataclasses.fields(kind):
        hint, nullable = _without_none(hints[field.name])
        columns[field.name] = Column(field.name, _codec(hint, dialect), nullable)
    guard = next((name for name in ("state", "progress") if name in columns), "")
    decoded = tuple(
        (name, column.codec.decode)
        for name, column in columns.items()
        if column.codec.decode is not _same
    )
    return Mapper(kind, str(MODELS[kind]._meta.db_table), dialect, columns, guard, decoded)


def clean(text: object) -> str:
    """A text as both databases can keep it: no NUL letter, no half of a surrogate pair."""
    plain = str(text)
    if "\0" in plain:
        plain = plain.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; ValueError where it has no zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a zone: {moment}")
    return moment.astimezone(UTC)


def moment_text(moment: datetime) -> str:
    """Sorts as the moments do: UTC, always with six digits after the second."""
    return utc(moment).isoformat(" ", "microseconds")


def _same(value: Any) -> Any:
    return value


_TEXT: Final = Codec(clean, _same, text=True)
_PLAIN: Final[Mapping[Any, Codec]] = {
    str: _TEXT,
    bool: Codec(bool, bool),
    int: Codec(int, _same),
    float: Codec(float, float),
    timedelta: Codec(timedelta.total_seconds, lambda seconds: timedelta(seconds=seconds)),
    Identity: Codec(clean, Identity.parse, text=True),
}
_TIMES: Final[Mapping[tuple[str, Any], Codec]] = {
    ("sqlite", datetime): Codec(moment_text, datetime.fromisoformat),
    ("sqlite", date): Codec(date.isoformat, date.fromisoformat),
    ("postgres", datetime): Codec(utc, _same),
    ("postgres", date): Codec(_same, _same),
}


def _without_none(hint: Any) -> tuple[Any, bool]:
    if isinstance(hint, types.UnionType) and type(None) in hint.__args__:
        rest = [each for each in hint.__args__ if each is not type(None)]
        union = rest[0]
        for each in rest[1:]:
            union |= each
        return union, True
    return hint, False


def _codec(hint: Any, dialect: str) -> Codec:
    hint = getattr(hint, "__supertype__", hint)  # ClubId
    if hint in _PLAIN:
        return _PLAIN[hint]
    if (dialect, hint) in _TIMES:
        return _TIMES[dialect, hint]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return Codec(str.__str__, _words(hint), text=True)
    if isinstance(hint, types.UnionType) and all(map(dataclasses.is_dataclass, hint.__args__)):
        return _tagged(hint)
    return _nested(TypeAdapter(hint))


def _words(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """The word of a text; a look into a dictionary costs a tenth of what the enum's own takes."""
    known = {word.value: word for word in kind}
    return lambda text: known.get(text) or kind(text)  # which names the text that is none


def _nested(adapter: TypeAdapter[Any]) -> Codec:
    return Codec(
        lambda value: to_json(adapter.dump_python(value, mode="json")),
        adapter.validate_json,
        nested=True,
    )


def _tagged(union: types.UnionType) -> Codec:
    """One of several dataclasses: its name, then its fields."""
    adapters = {kind.__name__: TypeAdapter(kind) for kind in union.__args__}

    def encode(value: Any) -> str:
        name = type(value).__name__
        return to_json([name, adapters[name].dump_python(value, mode="json")])

    def decode(text: str) -> Any:
        name, fields = json.loads(text)
        return adapters[name].validate_python(fields)

    return Codec(encode, decode, nested=True)


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> str:
    """JSON in the order it came, for eyes as well."""
    return clean(_JSON.encode(value))
