"""CEL behind a small port: compile, evaluate, and every guard that the binding needs.

The only module that knows the library. A condition is checked against types made from the facts
(an unknown name, a wrong type: an error with its place) and runs on plain values in which what is
absent is absent. A result is what was asked for or a fault, never anything between.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gatekeeper.domain.errors import GatekeeperError, Value
from gatekeeper.policy import expressions
from gatekeeper.policy.atoms import Atom, AtomValue, Shape, take_apart
from gatekeeper.policy.base import DURATION, parse_duration
from gatekeeper.policy.facts import Schema, Type

Want: TypeAlias = Literal["bool", "string", "any"]

LETTERS = 10_000  # a longer condition is refused
_WORDS = (
    "as break const continue else false for function if import in let loop namespace null package "
    "return true var void while"
)
RESERVED = frozenset(_WORDS.split(" "))  # words of the language, which cannot be names
_LONGEST = timedelta(seconds=315_576_000_000)  # CEL's largest duration


def clean_text(text: str) -> str:
    """`text` with NUL and lone surrogates replaced by U+FFFD.

    A NUL would end the text for the library, and what stands behind it would be judged by no
    rule. Used at the door, and again before every evaluation.
    """
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a condition: `offset` counts letters from its start."""

    code: str
    offset: int = 0
    values: Mapping[str, Value] = ()  # type: ignore[assignment]


class ConditionError(GatekeeperError):
    """A condition that cannot be used; `problems` lists everything wrong with it."""

    code = "condition"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(count=len(problems))


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression; `type` is what it gives."""

    source: str
    type: Type
    program: Any
    tree: Any
    shape: Shape
    atoms: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation gave, or the fault that prevented it."""

    value: object = None
    fault: str = ""


class Conditions:
    """One environment: the names and types that conditions may use.

    Args:
        subject: `application` or `member`.
        schema: names and types of the subject.
        params: name to value: bool, int, float, text, timedelta, or a list of one of these.
        variables: name to type, of the expressions compiled so far.
        words: names of texts that are given with each subject, such as `verdict`.
    """

    def __init__(
        self,
        subject: str,
        schema: Schema,
        params: Mapping[str, object],
        variables: Mapping[str, Type] | None = None,
        words: tuple[str, ...] = (),
    ) -> None:
        self.subject, self.subject_schema, self.params = subject, schema, params
        self.variables = dict(variables or {})
        self.words = words
        whole: Schema = {
            subject: schema,
            "params": {name: param_type(value) for name, value in params.items()},
            "variables": self.variables,
        }
        self._optional = frozenset(_optional(whole))
        self._always = frozenset(_names(whole)) - self._optional
        pool = _pool(whole)
        extensions = [ext_strings.ExtStrings()]
        self._check = cel.NewEnv(
            pool,
            variables={
                **{name: cel.Type(_message(name)) for name in whole},
                **dict.fromkeys(words, cel.Type.STRING),
                "now": cel.Type.TIMESTAMP,
            },
            extensions=extensions,
        )
        loose = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
        self._run = cel.NewEnv(
            pool,
            variables={
                **dict.fromkeys(whole, loose),
                **dict.fromkeys(words, cel.Type.STRING),
                "now": cel.Type.TIMESTAMP,
            },
            extensions=extensions,
        )
        self._params = {name: to_cel(value) for name, value in params.items()}
        self._programs: dict[tuple[str, int], Any] = {}  # of atoms, made when first asked for

    def with_variable(self, name: str, kind: Type) -> "Conditions":
        """The same environment with one more variable."""
        variables = {**self.variables, name: kind}
        return Conditions(self.subject, self.subject_schema, self.params, variables, self.words)

    def with_words(self, *names: str) -> "Conditions":
        """The same environment with texts of these names."""
        return Conditions(
            self.subject, self.subject_schema, self.params, self.variables, (*self.words, *names)
        )

    def compile(self, source: str, want: Want = "bool") -> Condition:
        """Check `source` and make it ready to run.

        Raises:
            ConditionError: all that is wrong with it: condition-syntax, condition-unknown-name,
                condition-wrong-type, condition-wrong-result, condition-too-long,
                condition-bad-text, condition-null, condition-not-checkable, condition-absent,
                condition-always-there, condition-bad-constant.
        """
        if len(source) > LETTERS:
            raise ConditionError((Problem("condition-too-long", 0, {"most": LETTERS}),))
        if clean_text(source) != source:
            raise ConditionError((Problem("condition-bad-text"),))
        try:
            checked = self._check.compile(source)
        except RuntimeError as error:
            raise ConditionError(_problems(str(error), source)) from None
        kind = _RESULTS.get(checked.return_type().name())
        asked = {"bool": Type(bool), "string": Type(str)}.get(want)
        if kind is None or (asked and kind != asked):
            values = {"wanted": want, "got": checked.return_type().name().lower()}
            raise ConditionError((Problem("condition-wrong-result", 0, values),))
        tree = expressions.read(checked.serialize())
        shape, atoms = take_apart(source, tree.expr)  # before durations are made seconds in it
        problems = self._lint(tree)
        if problems:
            raise ConditionError(tuple(problems))
        program = self._run.deserialize(expressions.write(tree))
        return Condition(source, kind, program, tree, shape, atoms)

    def scope(
        self,
        values: Mapping[str, object],
        variables: Mapping[str, Condition],
        now: datetime,
        words: Mapping[str, str] | None = None,
    ) -> "Scope":
        """One subject to evaluate conditions on; raises ValueError for a naive time."""
        data = {
            self.subject: to_cel(values),
            "params": self._params,
            "variables": {},
            "now": to_cel(now),
            **(words or {}),
        }
        plain = {self.subject: values, "params": self.params, "now": now, **(words or {})}
        return Scope(self._run, data, variables, self._optional, self._programs, plain)

    # ---- what the type checker lets through ---------------------------------------------------

    def _lint(self, tree: Any) -> list[Problem]:
        """All problems in a checked tree; literal durations with d and w become seconds in it."""
        places = {one.key: one.value for one in tree.source_info.positions}
        problems = [
            Problem(
                "condition-absent",
                _start(expr, places),
                {"name": ".".join(expressions.path(expr))},
            )
            for expr in expressions.unguarded(tree.expr, self._optional)
        ]
        for expr in expressions.walk(tree.expr):
            found = self._look(expr)
            if found:
                code, at, values = found
                problems.append(Problem(code, max(0, _start(at, places)), values))
        return sorted(problems, key=lambda problem: problem.offset)

    def _look(self, expr: Any) -> tuple[str, Any, dict[str, Value]] | None:
        """Code, place and values of what is wrong with `expr` itself, None for nothing."""
        match expressions.kind(expr):
            case "const" if expr.const.HasField("null"):
                return "condition-null", expr, {}
            case "const" if "\x00" in expr.const.string:
                return "condition-bad-text", expr, {}
            case "struct" if expr.struct.message_name:
                return "condition-not-checkable", expr, {"name": expr.struct.message_name}
            case "select" if expr.select.test_only and expressions.path(expr) in self._always:
                name = ".".join(expressions.path(expr))
                return "condition-always-there", expr.select.operand, {"name": name}
            case "call" if expr.call.function == "dyn":
                return "condition-not-checkable", expr.call.args[0], {"name": "dyn"}
            case "call":
                return self._constant(expr.call)
            case _:
                return None

    def _constant(self, call: Any) -> tuple[str, Any, dict[str, Value]] | None:
        """Evaluates what the compiler leaves for later: regexes, durations, times, zones."""
        text = self._known_text(call.args[-1]) if call.args else None
        if text is None:
            return None
        what = "zone" if call.function.startswith("get") else call.function
        wrong = ("condition-bad-constant", call.args[-1], {"what": what, "text": text})
        if what == "duration":
            seconds = _seconds(text)
            if seconds is not None and expressions.kind(call.args[-1]) == "const":
                call.args[-1].const.string = seconds
            return wrong if seconds is None else None
        probe = _PROBES.get(what)
        failed = probe is not None and probe.eval(data={"text": text}).type() == cel.Type.ERROR
        return wrong if failed else None

    def _known_text(self, expr: Any) -> str | None:
        if expressions.kind(expr) == "const" and expr.const.HasField("string"):
            return str(expr.const.string)
        where = expressions.path(expr)
        if len(where) == 2 and where[0] == "params":
            value = self.params.get(where[1])
            return value if isinstance(value, str) else None
        return None


class Scope:
    """The values that conditions are evaluated on: one subject at one moment."""

    def __init__(
        self,
        env: Any,
        data: dict[str, Any],
        variables: Mapping[str, Condition],
        optional: frozenset[tuple[str, ...]],
        programs: dict[tuple[str, int], Any],
        plain: Mapping[str, object],
    ) -> None:
        self._env, self._data = env, data
        self._optional, self._programs, self._plain = optional, programs, plain
        for name, condition in variables.items():
            self._activation = env.Activation(data)
            outcome = self.evaluate(condition)
            if not outcome.fault:  # a faulty one is absent: whoever uses it has the fault
                data["variables"][name] = to_cel(outcome.value)
        self._activation = env.Activation(data)

    def atoms(self, condition: Condition) -> tuple[AtomValue, ...]:
        """Every atom by itself, also those that a short circuit passes over."""
        return tuple(self._atom(condition, atom) for atom in condition.atoms)

    def _atom(self, condition: Condition, atom: Atom) -> AtomValue:
        seen = tuple(self._part(condition, expr)[0] for expr in atom.operand_exprs)
        if atom.operator == "has":
            seen = (self._look_up(atom.operands[0].path),)
        value, fault = self._part(condition, atom.expr)
        if isinstance(value, bool):
            return AtomValue(atom, value, "", seen)
        absent = any(
            self._look_up(expressions.path(expr)) is None
            for expr in expressions.walk(atom.expr)
            if expressions.path(expr) in self._optional
        )
        return AtomValue(atom, None, "" if absent else fault, seen)

    def _part(self, condition: Condition, expr: Any) -> tuple[object, str]:
        """The value of a part of a condition, or None and the fault."""
        try:
            result = self._program(condition, expr).eval(self._activation)
            if result.type() == cel.Type.ERROR:
                return None, clean_text(str(result.value()))
            return result.plain_value(), ""
        except (RuntimeError, ValueError, TypeError, UnicodeError) as error:
            return None, clean_text(str(error))

    def _program(self, condition: Condition, expr: Any) -> Any:
        key = condition.source, expr.id
        if key not in self._programs:
            tree = type(condition.tree)()
            tree.CopyFrom(condition.tree)
            tree.expr.CopyFrom(expr)
            self._programs[key] = self._env.deserialize(expressions.write(tree))
        return self._programs[key]

    def _look_up(self, path: tuple[str, ...]) -> object | None:
        value: object = self._plain
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def evaluate(self, condition: Condition) -> Outcome:
        """The value of `condition`, or the fault; never an exception, never a value of another
        type than the one it was checked for."""
        try:
            result = condition.program.eval(self._activation)
            if result.type() == cel.Type.ERROR:
                return Outcome(fault=clean_text(str(result.value())))
            value = result.plain_value()
        except (RuntimeError, ValueError, TypeError, UnicodeError) as error:
            return Outcome(fault=clean_text(str(error)))
        if condition.type.many or condition.type.scalar is datetime:
            return Outcome(value)
        if type(value) is not condition.type.scalar:
            return Outcome(fault=f"gave {type(value).__name__}")
        return Outcome(value)


# ---- Values ----------------------------------------------------------------------------------


def to_cel(value: Any) -> Any:
    """A plain value as the library takes it; raises ValueError for a naive time or None.

    Times and durations become protobuf messages (a datetime inside a dict is refused), tuples
    lists, texts are cleaned.
    """
    match value:
        case bool() | int() | float():
            return value
        case str():
            return clean_text(value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"a time without a zone: {value.isoformat()}")
            stamp = timestamp_pb2.Timestamp()
            stamp.FromDatetime(value)
            return stamp
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


def param_type(value: object) -> Type:
    """The type of a param; raises ValueError for what conditions cannot use (None, a mixture)."""
    if isinstance(value, list | tuple):
        kinds = {param_type(inner) for inner in value} or {Type(str)}
        if kinds == {Type(int), Type(float)}:
            kinds = {Type(float)}
        kind = kinds.pop()
        if kinds or kind.many:
            raise ValueError("a list of different things")
        return Type(kind.scalar, many=True)
    for scalar in (bool, int, float, str, datetime, timedelta):
        if isinstance(value, scalar):
            return Type(scalar)
    raise ValueError(f"no value for a condition: {type(value).__name__}")


def read_param(value: object) -> object:
    """A param as written in the file: texts that are durations become timedeltas."""
    if isinstance(value, str) and DURATION.fullmatch(value):
        return parse_duration(value)
    if isinstance(value, list):
        read = [read_param(inner) for inner in value]
        mixed = {type(inner) for inner in read} == {int, float}
        return [float(inner) for inner in read] if mixed else read  # type: ignore[arg-type]
    return value


# ---- The binding -----------------------------------------------------------------------------

_RESULTS: Mapping[str, Type] = {
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

_PROBE_ENV = cel.NewEnv(variables={"text": cel.Type.STRING})
_PROBES = {
    "matches": _PROBE_ENV.compile("''.matches(text)"),
    "timestamp": _PROBE_ENV.compile("timestamp(text) == timestamp(text)"),
    "zone": _PROBE_ENV.compile("timestamp('2026-01-01T00:00:00Z').getHours(text) >= 0"),
}


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


def _optional(schema: Schema, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, kind in schema.items():
        if not isinstance(kind, Type):
            found += _optional(kind, (*before, name))
        elif kind.optional:
            found.append((*before, name))
    return found


def _names(schema: Schema, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, kind in schema.items():
        found.append((*before, name))
        if not isinstance(kind, Type):
            found += _names(kind, (*before, name))
    return found


def _start(expr: Any, places: Mapping[int, int]) -> int:
    """Where `expr` begins: a selection's own place is its dot, so its first name counts."""
    inside = [places[one.id] for one in expressions.walk(expr) if one.id in places]
    return min(inside, default=0)


def _seconds(text: str) -> str | None:
    """A duration as CEL reads it, None for what is none; days and weeks are ours."""
    sign = "-" if text.startswith("-") else ""
    try:
        span = parse_duration(text.removeprefix("-"))
    except ValueError:
        return None
    return None if span > _LONGEST else f"{sign}{span.total_seconds():f}s"


_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNKNOWN = re.compile(r"undefined field '([^']*)'|undeclared reference to '([^']*)'")
_TYPES = re.compile(r"no matching overload for '([^']*)' applied to '(.*)'")


def _problems(message: str, source: str) -> tuple[Problem, ...]:
    """The compiler's message as problems with their places."""
    lines = source.split("\n")
    problems = []
    for line, column, text in _ERROR.findall(message):
        row = min(max(int(line), 1), len(lines)) - 1
        before = sum(len(one) + 1 for one in lines[:row])
        offset = min(before + max(int(column), 1) - 1, max(len(source) - 1, 0))
        detail = clean_text(text.removesuffix(" [INVALID_ARGUMENT]"))
        unknown, types = _UNKNOWN.search(text), _TYPES.search(text)
        if unknown:
            name = unknown[1] or unknown[2]
            problems.append(Problem("condition-unknown-name", offset, {"name": name}))
        elif types:
            values: dict[str, Value] = {"operator": types[1].strip("_"), "types": types[2]}
            problems.append(Problem("condition-wrong-type", offset, values))
        else:
            problems.append(Problem("condition-syntax", offset, {"detail": detail}))
    return tuple(problems) or (
        Problem("condition-syntax", 0, {"detail": clean_text(message.split("\n")[0])}),
    )
