"""One subject at one moment, and what conditions give on it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from gatekeeper.policy import expressions
from gatekeeper.policy.atoms import Atom, AtomValue, Shape, take_apart
from gatekeeper.policy.binding import (
    Environment,
    Outcome,
    Program,
    converter,
    stamp,
    to_cel,
)
from gatekeeper.policy.facts import Facts, Schema, Type, typed_answer, values_of
from gatekeeper.policy.generate import CannotGenerate, Look, Source, generate_atom
from gatekeeper.policy.hoist import Signal, Test
from gatekeeper.policy.plain import fitting

Names = tuple[str, ...]
Convert = Callable[[Any], Any]
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Condition:
    """A compiled expression; `type` is what it gives, `tree` its checked syntax tree."""

    source: str
    type: Type
    program: Program
    tree: Any

    @property
    def shape(self) -> Shape:
        """How its atoms are joined."""
        return self._parts[0]

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """What is true or false by itself in it, in the order of the text."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[Shape, tuple[Atom, ...]]:
        return take_apart(self.source, self.tree.expr)


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
class Fused:
    """Many conditions in one program that gives a list of booleans.

    Attributes:
        tests: what is worked out before it: a place in what was read, and signals by name.
        reader: hands over what these conditions look at and nothing else.
    """

    program: Program
    tests: tuple[tuple[Names, tuple[tuple[str, Test], ...]], ...]
    reader: Reader

    @staticmethod
    def of(program: Program, signals: Iterable[Signal], reader: Reader) -> "Fused":
        """With the signals of one text together."""
        places: dict[Names, list[tuple[str, Test]]] = {}
        for signal in signals:
            places.setdefault(signal.path[1:], []).append((signal.name, signal.test))
        tests = tuple((path, tuple(found)) for path, found in places.items())
        return Fused(program, tests, reader)

    def signals(self, read: Mapping[str, Any]) -> dict[str, object]:
        """By name; of an absent text there are none, so that whoever uses one has a fault."""
        found: dict[str, object] = {}
        for path, tests in self.tests:
            value: Any = read
            for step in path:
                value = value.get(step)
                if value is None:
                    break
            else:
                for name, test in tests:
                    found[name] = test(value)
        return found


@dataclass(frozen=True, slots=True)
class Ground:
    """What all scopes of one environment share; programs of atoms are made when first asked for.

    `reader` hands over all of a subject's facts.
    """

    environment: Environment
    subject: str
    schema: Schema
    reader: Reader
    params: Mapping[str, object]
    cel_params: Mapping[str, object]
    optional: frozenset[Names]
    programs: dict[tuple[str, int], Program] = field(default_factory=dict)
    looks: dict[tuple[str, int], Look | None] = field(default_factory=dict)


class Scope:
    """The values that conditions are evaluated on: one subject at one moment.

    Args:
        values: of the subject, plain with times aware; or its facts.
        variables: worked out first, in their order; a faulty one is absent, so that whoever uses
            it has the fault.
        fused: evaluated by `bits`; then only what it looks at is handed over.

    Raises:
        ValueError: a naive time.
        Unreadable: facts with a value of another type than its name has.
    """

    def __init__(
        self,
        ground: Ground,
        values: "Mapping[str, object] | Facts",
        variables: Mapping[str, Condition],
        now: datetime,
        words: Mapping[str, str] = _NONE,
        fused: Fused | None = None,
    ) -> None:
        self._ground, self._fused = ground, fused
        self._values, self._now, self._words = values, now, words
        self._variables = variables
        self._plain: Mapping[str, object] | None = None
        extra: dict[str, object] = {}
        if fused is not None and isinstance(values, Facts):
            given = fused.reader(values)
            extra = fused.signals(given)
        elif isinstance(values, Facts):
            given = ground.reader(values)
        else:
            given = to_cel(values)
        data = {
            ground.subject: given,
            "params": ground.cel_params,
            "variables": extra,
            "now": stamp(now),
            **words,
        }
        activate = ground.environment.activation
        for name, condition in variables.items():
            self._activation = activate(data)
            outcome = self.evaluate(condition)
            if not outcome.fault:
                extra[name] = to_cel(outcome.value)
        self._activation = activate(data)

    def bits(self) -> list[bool] | None:
        """What each of the fused conditions gives; None where one of them has a fault."""
        if self._fused is None:
            return None
        return self._fused.program.booleans(self._activation)

    def evaluate(self, condition: Condition) -> Outcome:
        """The value of `condition`, or the fault; never an exception, never a value of another
        type than the one it was checked for."""
        outcome = condition.program.run(self._activation)
        if outcome.fault or condition.type.many or condition.type.scalar is datetime:
            return outcome
        if type(outcome.value) is not condition.type.scalar:
            return Outcome(fault=f"gave {type(outcome.value).__name__}")
        return outcome

    def atoms(self, condition: Condition) -> tuple[AtomValue, ...]:
        """Every atom by itself, also those that a short circuit passes over."""
        return tuple(self._atom(condition, atom) for atom in condition.atoms)

    def _atom(self, condition: Condition, atom: Atom) -> AtomValue:
        facts = self._values
        if isinstance(facts, Facts) and (look := self._look(condition, atom)):
            with suppress(Exception):  # absent, or a fault: the library says which
                value, *sides = look(facts, self._now)
                return AtomValue(atom, value is True, "", tuple(sides))
        return self._evaluated(condition, atom)

    def _look(self, condition: Condition, atom: Atom) -> Look | None:
        """The atom as Python; None where only the library can."""
        ground, key = self._ground, (condition.source, atom.offset)
        if key not in ground.looks:
            source = Source(ground.subject, ground.schema, ground.params, self._variables)
            try:
                ground.looks[key] = generate_atom(source, atom)
            except CannotGenerate:
                ground.looks[key] = None
        return ground.looks[key]

    def _evaluated(self, condition: Condition, atom: Atom) -> AtomValue:
        if atom.operator == "has":
            (operand,) = atom.operands
            there = self._look_up(operand.path)
            return AtomValue(atom, there is not None, "", (there,))
        sides = zip(atom.operands, atom.operand_exprs, strict=True)
        seen = tuple(
            self._look_up(side.path)
            if side.path and not side.measure and side.path[0] != "variables"
            else self._part(condition, expr).value
            for side, expr in sides
        )
        outcome = self._part(condition, atom.expr)
        if isinstance(outcome.value, bool):
            return AtomValue(atom, outcome.value, "", seen)
        absent = any(
            self._look_up(expressions.path(expr)) is None
            for expr in expressions.walk(atom.expr)
            if expressions.path(expr) in self._ground.optional
        )
        return AtomValue(atom, None, "" if absent else outcome.fault, seen)

    def _part(self, condition: Condition, expr: Any) -> Outcome:
        programs, key = self._ground.programs, (condition.source, expr.id)
        if key not in programs:
            programs[key] = self._ground.environment.part(condition.tree, expr)
        return programs[key].run(self._activation)

    def _look_up(self, path: Names) -> object | None:
        if self._plain is None:
            ground, values = self._ground, self._values
            given = values_of(values, ground.schema) if isinstance(values, Facts) else values
            others = {"params": ground.params, "now": self._now, **self._words}
            self._plain = {ground.subject: given, **others}
        value: object = self._plain
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value


def unseen(condition: Condition, fault: str) -> tuple[AtomValue, ...]:
    """The atoms of a condition on facts that cannot be read."""
    return tuple(
        AtomValue(atom, None, fault, (None,) * len(atom.operands)) for atom in condition.atoms
    )


def names_in(trees: Iterable[Any]) -> frozenset[Names]:
    """Every name that these trees look at, each in its full length."""
    return frozenset(
        path for tree in trees for expr in _outermost(tree.expr) if (path := expressions.path(expr))
    )


def _outermost(expr: Any) -> Iterable[Any]:
    if expressions.path(expr):
        yield expr
    else:
        for part in expressions.parts(expr):
            yield from _outermost(part)
