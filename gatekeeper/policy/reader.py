"""What is handed over to the library: of a subject's facts, only what is looked at."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatekeeper.policy import expressions
from gatekeeper.policy.binding import Program, converter, elements, stamp
from gatekeeper.policy.facts import Facts, Schema, Type, typed_answer
from gatekeeper.policy.hoist import Test
from gatekeeper.policy.plain import LEAST, MOST, fitting

Names = tuple[str, ...]
Convert = Callable[[Any], Any]
Read = Callable[[Facts], tuple[dict[str, Any], dict[str, bool]]]


class Unreadable(ValueError):
    """Facts with a value of another type than its name has; says which."""

    BEGINS = "facts that cannot be read: "

    def __init__(self, what: str) -> None:
        super().__init__(self.BEGINS + what)


class Reader:
    """Takes from a subject's facts what some conditions look at, ready for the library.

    Args:
        schema: names and types of the subject.
        names: what is looked at, without the subject's own name.
    """

    def __init__(self, schema: Schema, names: Iterable[Names]) -> None:
        self._single: list[tuple[str, Type, Convert | None]] = []
        self._groups: dict[str, list[tuple[str, Type, Convert | None]]] = {}
        for path in sorted(names):
            kind = schema[path[0]] if path else None
            if isinstance(kind, Type):
                self._single.append((path[0], kind, converter(kind)))
            elif isinstance(kind, Mapping):
                inside = self._groups.setdefault(path[0], [])
                wanted = path[1:2] or tuple(kind)  # a group as a whole is all that is in it
                inside += [(n, t, converter(t)) for n in wanted if isinstance(t := kind[n], Type)]

    def __call__(self, facts: Facts) -> dict[str, Any]:
        """By name; what is absent is left out.

        Raises:
            Unreadable: a value of another type, or a time without a zone.
        """
        values = facts.__dict__
        read: dict[str, Any] = {}
        try:
            for name, kind, convert in self._single:
                value = values[name]
                if value is not None:
                    if type(value) is not kind.scalar and not kind.many:
                        value = fitting(value, kind.scalar)
                    read[name] = convert(value) if convert else value
            for group, fields in self._groups.items():
                inside = read[group] = {}
                given = values[group]
                for name, kind, convert in fields:
                    value = given.get(name)
                    if value is not None:
                        value = typed_answer(value, kind)
                        if type(value) is not kind.scalar and not kind.many:
                            value = fitting(value, kind.scalar)
                        inside[name] = convert(value) if convert else value
        except ValueError as wrong:
            raise Unreadable(f"{name}: {wrong}") from None
        return read


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a subject's facts, and what becomes of it.

    Attributes:
        name: of the field, or of the answer.
        value: under which name the value is handed over; "" where only tests look at it.
        asked: under which name it is told whether it is there; "" where nothing asks.
        tests: of the text, by name; whether the program looks at their results.
    """

    name: str
    kind: Type
    convert: Convert | None
    value: str
    asked: str
    tests: tuple[tuple[str, Test, bool], ...]


def flat_reader(
    fields: Iterable[Entry], answers: Iterable[Entry], params: Mapping[str, object]
) -> Read:
    """What takes from a subject's facts all that a flat program looks at, by its names for it.

    It gives the values, `params` among them, and what the tests gave; of what is absent it only
    says that it is. It is code of its own, as a loop over the entries takes three times as long:
    names come from the schema, all else enters as constants. It raises Unreadable.
    """
    constants: dict[str, Any] = {"type": type, "_fit": _fit, "_params": dict(params).copy}
    lines = ["def read(f):", "    r = _params()", "    t = {}"]
    for entry in fields:
        lines += _lines(entry, f"f.{entry.name}", constants)
    more = [
        line for entry in answers for line in _lines(entry, f"A.get({entry.name!r})", constants)
    ]
    lines += ["    A = f.answers", *more] if more else []
    names: dict[str, Any] = {"__builtins__": {}, **constants}
    exec("\n".join([*lines, "    return r, t"]), names)
    read: Read = names["read"]
    return read


def _lines(entry: Entry, source: str, constants: dict[str, Any]) -> Iterable[str]:
    def constant(value: object) -> str:
        constants[name := f"k{len(constants)}"] = value
        return name

    kind = entry.kind
    yield f"    v = {source}"
    if entry.asked:
        yield f"    r[{entry.asked!r}] = v is not None"
    yield "    if v is not None:"
    if kind.many:
        unfit = "True"
    else:
        unfit = f"type(v) is not {constant(kind.scalar)}"
        if kind.scalar is int:
            unfit += f" or not {LEAST} <= v <= {MOST}"
        elif kind.scalar is datetime:
            unfit += " or v.tzinfo is None"
    yield f"        if {unfit}:"
    yield f"            v = _fit({entry.name!r}, v, {constant(kind)})"
    if entry.convert and not kind.many:
        yield f"        v = {constant(entry.convert)}(v)"
    if entry.value:
        yield f"        r[{entry.value!r}] = v"
    for name, test, needed in entry.tests:
        both = f"r[{name!r}] = " if needed else ""
        yield f"        {both}t[{name!r}] = {constant(test)}(v)"


def _fit(name: str, value: Any, kind: Type) -> Any:
    """A value of another type made fit, a list as the library takes it; raises Unreadable."""
    try:
        value = typed_answer(value, kind)
        if kind.many:
            return elements(kind.scalar, value)
        return fitting(value, kind.scalar)
    except ValueError as wrong:
        raise Unreadable(f"{name}: {wrong}") from None


@dataclass(frozen=True, slots=True)
class Fused:
    """Many conditions at once: a program that gives a list of booleans, and what needs none.

    Attributes:
        program: of the conditions that are more than one test of a text; None for none.
        places: for each condition its place in what the program gives, or the name of its test.
        reader: hands over what the program looks at, and what tests give.
        variables: the names that it has for variables.
        now: whether it looks at `now`.
        whole: hands over what these conditions look at when they are evaluated one by one, and
            what variables and explanations look at.
    """

    program: Program | None
    places: tuple[int | str, ...]
    reader: Read
    variables: Mapping[str, str]
    now: bool
    whole: Reader

    def bits(
        self,
        read: dict[str, Any],
        tested: Mapping[str, bool],
        variables: Mapping[str, object],
        now: datetime,
    ) -> list[bool] | None:
        """What each condition gives, in their order; None where one of them has a fault.

        Args:
            read: as `reader` gave it; variables and `now` are added.
        """
        given: list[bool] | None = []
        if self.program is not None:
            for name, flat in self.variables.items():
                if name in variables:
                    read[flat] = variables[name]
            if self.now:
                read["now"] = stamp(now)
            given = self.program.booleans(read)
        try:
            return [
                tested[place] if isinstance(place, str) else given[place]  # type: ignore[index]
                for place in self.places
            ]
        except (TypeError, KeyError):  # no list, or no text to be tested
            return None


def names_in(exprs: Iterable[Any]) -> frozenset[Names]:
    """Every name that these look at, each in its full length."""
    return frozenset(
        path for expr in exprs for one in _outermost(expr) if (path := expressions.path(one))
    )


def _outermost(expr: Any) -> Iterable[Any]:
    if expressions.path(expr):
        yield expr
    else:
        for part in expressions.parts(expr):
            yield from _outermost(part)
