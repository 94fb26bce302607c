"""One subject at one moment, and what conditions give on it."""

from collections.abc import Mapping
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
    stamp,
    to_cel,
)
from gatekeeper.policy.facts import Facts, Schema, Type, values_of
from gatekeeper.policy.generate import CannotGenerate, Look, Source, generate_atoms
from gatekeeper.policy.reader import Fused, Names, Reader

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
    looks: dict[tuple[str, int], tuple[tuple[Atom, ...], Look | None]] = field(default_factory=dict)

    def seen(
        self,
        condition: Condition,
        variables: Mapping[str, Condition],
        facts: Facts,
        now: datetime,
        place: int = -1,
    ) -> tuple[AtomValue, ...]:
        """All atoms of a condition, or the one at `place`, seen by generated code; () where only
        the library can tell."""
        known = self.looks.get((condition.source, place))
        if known is None:
            known = self.looks[condition.source, place] = self._look(condition, variables, place)
        atoms, look = known
        if look is None:
            return ()
        try:
            told = look(facts, now)
        except Exception:  # absent, or a fault: the library says which
            return ()
        return tuple(
            [AtomValue(one, value is True, "", saw) for one, (value, saw) in zip(atoms, told)]  # noqa: B905 - made together
        )

    def _look(
        self, condition: Condition, variables: Mapping[str, Condition], place: int
    ) -> tuple[tuple[Atom, ...], Look | None]:
        atoms = condition.atoms if place < 0 else (condition.atoms[place],)
        source = Source(self.subject, self.schema, self.params, variables)
        try:
            return atoms, generate_atoms(source, atoms)
        except CannotGenerate:
            return atoms, None


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
        self._worked_out: dict[str, object] = {}
        self._activated: Any = None
        if now.tzinfo is None:
            raise ValueError(f"a time without a zone: {now.isoformat()}")
        if fused is None or not isinstance(values, Facts):
            self._activate()
        for name, condition in variables.items():
            outcome = self.evaluate(condition)
            if not outcome.fault:
                self._worked_out[name] = to_cel(outcome.value)
                self._activated = None

    def bits(self) -> list[bool] | None:
        """What each of the fused conditions gives; None where one of them has a fault.

        Raises:
            Unreadable: facts with a value of another type than its name has.
        """
        fused, known = self._fused, self._worked_out
        if fused is None or not isinstance(self._values, Facts):
            return None
        more = {flat: known[name] for name, flat in fused.variables.items() if name in known}
        return fused.bits(self._values, more, self._now)

    def _activate(self) -> Any:
        """All that conditions may look at, ready for the library."""
        ground, values = self._ground, self._values
        if self._activated is None:
            if not isinstance(values, Facts):
                given = to_cel(values)
            else:
                given = (self._fused.whole if self._fused else ground.reader)(values)
            data = {
                ground.subject: given,
                "params": ground.cel_params,
                "variables": self._worked_out,
                "now": stamp(self._now),
                **self._words,
            }
            self._activated = ground.environment.activation(data)
        return self._activated

    def evaluate(self, condition: Condition) -> Outcome:
        """The value of `condition`, or the fault; never an exception, never a value of another
        type than the one it was checked for."""
        outcome = condition.program.run(self._activate())
        if outcome.fault or condition.type.many or condition.type.scalar is datetime:
            return outcome
        if type(outcome.value) is not condition.type.scalar:
            return Outcome(fault=f"gave {type(outcome.value).__name__}")
        return outcome

    def atoms(self, condition: Condition) -> tuple[AtomValue, ...]:
        """Every atom by itself, also those that a short circuit passes over."""
        return self._seen(condition) or tuple(
            one
            for place, atom in enumerate(condition.atoms)
            for one in self._seen(condition, place) or (self._evaluated(condition, atom),)
        )

    def _seen(self, condition: Condition, place: int = -1) -> tuple[AtomValue, ...]:
        facts = self._values
        if not isinstance(facts, Facts):
            return ()
        return self._ground.seen(condition, self._variables, facts, self._now, place)

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
        return programs[key].run(self._activate())

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
