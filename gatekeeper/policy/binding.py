"""The only module that knows the CEL library: environments, programs, values, and its traps.

What comes out is a plain value of the type that was checked, or a fault; never an exception, never
a value that looks like another. Source: facts/policy.md, section 4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gatekeeper.policy import serialized
from gatekeeper.policy.facts import Schema, Type
from gatekeeper.policy.plain import clean_text, fitting

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
# Given beside values: without one the library reads all arguments twice.
_ARENA = cel.Arena


class CheckFailed(Exception):
    """The library's message about a source that it refuses."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation gave, or the fault that prevented it."""

    value: object = None
    fault: str = ""


class Program:
    """Something checked, to be run on values; it is made ready when it is first run."""

    __slots__ = ("_compiled", "_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._compiled = make, None

    @property
    def compiled(self) -> Any:
        """As the library has it; RuntimeError, ValueError where the library refuses it."""
        if self._compiled is None:
            self._compiled = self._make()
        return self._compiled

    def ready(self) -> "Program":
        """The same, made ready now; RuntimeError, ValueError where the library refuses it."""
        self._compiled = self._make()
        return self

    def run(self, activation: Any) -> Outcome:
        """Its value as the library gives it, or the fault."""
        try:
            result = self.compiled.eval(activation)
            if result.type() == cel.Type.ERROR:
                return Outcome(fault=clean_text(str(result.value())))
            return Outcome(result.plain_value())
        except (RuntimeError, ValueError, TypeError, UnicodeError) as error:
            return Outcome(fault=clean_text(str(error)) or type(error).__name__)

    def values(self, given: Mapping[str, object]) -> object:
        """What it gives on values by name, as the library has it; None for a fault."""
        try:
            return self.compiled.eval(None, given, None, _ARENA()).plain_value()
        except (RuntimeError, ValueError, TypeError, UnicodeError):
            return None


class Environment:
    """Names and types to check sources against, and the same names, loose, to run them on.

    Args:
        schema: group (application, params, …) to its names and their types.
        words: names of texts beside these.
    """

    def __init__(self, schema: Schema, words: Sequence[str]) -> None:
        pool = _pool(schema)
        both = {**dict.fromkeys(words, cel.Type.STRING), "now": cel.Type.TIMESTAMP}
        strict = {name: cel.Type(_message(name)) for name in schema}
        loose = dict.fromkeys(schema, cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
        extensions = [ext_strings.ExtStrings()]
        self._check = cel.NewEnv(pool, variables={**strict, **both}, extensions=extensions)
        self._run = cel.NewEnv(pool, variables={**loose, **both}, extensions=extensions)

    def check(self, source: str) -> tuple[Any, str]:
        """The checked tree, and the name of the type that it gives; raises CheckFailed."""
        try:
            checked = self._check.compile(source)
        except RuntimeError as error:
            raise CheckFailed(str(error)) from None
        return serialized.read(checked.serialize()), checked.return_type().name()

    def program(self, tree: Any) -> Program:
        """A checked tree made ready to run."""
        return Program(lambda: self._run.deserialize(serialized.write(tree)))

    def part(self, tree: Any, expr: Any) -> Program:
        """A part of a checked tree made ready to run alone."""
        return self.program(tree.part(expr))

    def flat(self, tree: Any, names: Mapping[str, Type]) -> Program:
        """A checked tree without selections, made ready to run on these names and types.

        Raises:
            CheckFailed: the library refuses it.
        """
        kinds = {name: _kind(kind) for name, kind in names.items()}
        run = cel.NewEnv(variables=kinds, extensions=[ext_strings.ExtStrings()])
        try:
            return Program(lambda: run.deserialize(serialized.write(tree))).ready()
        except (RuntimeError, ValueError) as error:
            raise CheckFailed(str(error)) from None

    def activation(self, values: Mapping[str, object]) -> Any:
        """Values by name, as `to_cel` gives them, for `Program.run`."""
        return self._run.Activation(values)


# ---- Values ----------------------------------------------------------------------------------


def stamp(value: datetime) -> Any:
    """A time as the library takes it; raises ValueError for a naive one."""
    if value.tzinfo is None:
        raise ValueError(f"a time without a zone: {value.isoformat()}")
    since = value - _EPOCH
    return timestamp_pb2.Timestamp(
        seconds=since.days * _DAY + since.seconds, nanos=since.microseconds * 1000
    )


def converter(kind: Type) -> Callable[[Any], Any] | None:
    """What makes values of one type ready for the library; None where they are."""
    if kind.many:
        return partial(elements, kind.scalar)
    if kind.scalar is timedelta:
        return to_cel
    if kind.scalar is datetime:
        return stamp
    return clean_text if kind.scalar is str else None


def elements(kind: type, values: Any) -> list[Any]:
    """A list as the library takes it; raises ValueError for an element of another kind."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{values!r:.60} is no list")
    return [to_cel(fitting(value, kind)) for value in values]


def to_cel(value: Any) -> Any:
    """A plain value as the library takes it; raises ValueError for a naive time or None.

    Times and durations become protobuf messages (a datetime inside a dict is refused), tuples
    lists, texts are cleaned.
    """
    match value:
        case str():
            return clean_text(value)
        case bool() | int() | float():
            return value
        case datetime():
            return stamp(value)
        case timedelta():
            span = duration_pb2.Duration()
            span.FromTimedelta(value)
            return span
        case Mapping():
            return {clean_text(str(name)): to_cel(inner) for name, inner in value.items()}
        case list() | tuple():
            return [to_cel(inner) for inner in value]
        case _:
            raise ValueError(f"no value for a condition: {type(value).__name__}")


RESULTS: Mapping[str, Type] = {
    "BOOL": Type(bool),
    "INT": Type(int),
    "DOUBLE": Type(float),
    "STRING": Type(str),
    "TIMESTAMP": Type(datetime),
    "DURATION": Type(timedelta),
    "LIST<STRING>": Type(str, many=True),
    "LIST<INT>": Type(int, many=True),
    "LIST<DOUBLE>": Type(float, many=True),
    "LIST<BOOL>": Type(bool, many=True),
}
_FIELDS = {
    bool: FieldDescriptorProto.TYPE_BOOL,
    int: FieldDescriptorProto.TYPE_INT64,
    float: FieldDescriptorProto.TYPE_DOUBLE,
    str: FieldDescriptorProto.TYPE_STRING,
}
_MESSAGES = {datetime: ".google.protobuf.Timestamp", timedelta: ".google.protobuf.Duration"}


_KINDS = {
    bool: cel.Type.BOOL,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    str: cel.Type.STRING,
    datetime: cel.Type.TIMESTAMP,
    timedelta: cel.Type.DURATION,
}


def _kind(kind: Type) -> Any:
    return cel.Type.List(_KINDS[kind.scalar]) if kind.many else _KINDS[kind.scalar]


_PROBE = cel.NewEnv(variables={"text": cel.Type.STRING})
_PROBES = {
    "matches": Program(lambda: _PROBE.compile("''.matches(text)")),
    "timestamp": Program(lambda: _PROBE.compile("timestamp(text) == timestamp(text)")),
    "zone": Program(
        lambda: _PROBE.compile("timestamp('2026-01-01T00:00:00Z').getHours(text) >= 0")
    ),
}


@lru_cache(maxsize=1000)
def is_constant(what: str, text: str) -> bool:
    """Whether `text` can be used as a pattern (matches), timestamp or zone; True for others."""
    probe = _PROBES.get(what)
    return probe is None or not probe.run(_PROBE.Activation({"text": text})).fault


def _message(name: str) -> str:
    return name.capitalize()


def _pool(schema: Schema) -> Any:
    """Message types for the type checker, one for each group of names."""
    file = descriptor_pb2.FileDescriptorProto(
        name="facts.proto",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "google/protobuf/duration.proto"],
    )

    def add(name: str, inner: Schema) -> None:
        message = file.message_type.add(name=_message(name))
        for number, (field, kind) in enumerate(inner.items(), 1):
            made = message.field.add(
                name=field,
                json_name=f"f{number}",
                number=number,
                label=FieldDescriptorProto.LABEL_OPTIONAL,
            )
            if not isinstance(kind, Type):
                add(field, kind)
                made.type, made.type_name = made.TYPE_MESSAGE, f".{_message(field)}"
                continue
            if kind.many:
                made.label = FieldDescriptorProto.LABEL_REPEATED
            if kind.scalar in _MESSAGES:
                made.type, made.type_name = made.TYPE_MESSAGE, _MESSAGES[kind.scalar]
            else:
                made.type = _FIELDS[kind.scalar]

    for name, inner in schema.items():
        if not isinstance(inner, Type):
            add(name, inner)
    pool = descriptor_pool.DescriptorPool()
    for known in (timestamp_pb2, duration_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool
