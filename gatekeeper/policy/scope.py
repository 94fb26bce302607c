"""One subject at one moment, and what conditions give on it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gatekeeper.policy import expressions
from gatekeeper.policy.atoms import Atom, AtomValue, Shape
from gatekeeper.policy.binding import Environment, Outcome, Program, to_cel
from gatekeeper.policy.facts import Type
from gatekeeper.policy.hoist import Signal

Names = tuple[str, ...]
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression; `type` is what it gives, `shape` and `atoms` are its parts."""

    source: str
    type: Type
    program: Program
    tree: Any
    shape: Shape
    atoms: tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Fused:
    """Many conditions in one program that gives a list of booleans.

    Attributes:
        signals: what is worked out before it.
        names: all that these conditions look at: nothing else has to be handed over.
    """

    program: Program
    signals: tuple[Signal, ...]
    names: frozenset[Names]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all scopes of one environment share; programs of atoms are made when first asked for."""

    environment: Environment
    subject: str
    params: Mapping[str, object]
    cel_params: Mapping[str, object]
    optional: frozenset[Names]
    programs: dict[tuple[str, int], Program] = field(default_factory=dict)


class Scope:
    """The values that conditions are evaluated on: one subject at one moment.

    Args:
        values: of the subject, plain; times aware.
        variables: worked out first, in their order; a faulty one is absent, so that whoever uses
            it has the fault.
        fused: evaluated by `bits`; then only what it looks at is handed over.

    Raises:
        ValueError: a naive time.
    """

    def __init__(
        self,
        ground: Ground,
        values: Mapping[str, object],
        variables: Mapping[str, Condition],
        now: datetime,
        words: Mapping[str, str] = _NONE,
        fused: Fused | None = None,
    ) -> None:
        self._ground, self._fused = ground, fused
        self._plain = {ground.subject: values, "params": ground.params, "now": now, **words}
        given = to_cel(values) if fused is None else _only(values, ground.subject, fused.names)
        extra: dict[str, object] = {}
        data = {
            ground.subject: given,
            "params": ground.cel_params,
            "variables": extra,
            "now": to_cel(now),
            **words,
        }
        if fused is not None:
            extra.update(_signals(fused.signals, data))
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
        value = self._fused.program.run(self._activation).value
        return value if isinstance(value, list) else None

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
        value: object = self._plain
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value


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


def _only(values: Mapping[str, object], subject: str, names: frozenset[Names]) -> dict[str, object]:
    """What `names` name of a subject's values, for the library; what is absent is left out."""
    given: dict[str, Any] = {}
    for path in names:
        if path[0] != subject:
            continue
        if len(path) == 1:  # the subject as a whole
            return dict(to_cel(values))
        source: Any = values
        target = given
        for step in path[1:-1]:
            source = source.get(step, {})
            target = target.setdefault(step, {})
        value = source.get(path[-1])
        if value is not None:
            target[path[-1]] = to_cel(value)
    return given


def _signals(signals: Iterable[Signal], data: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    for signal in signals:
        value: Any = data
        for step in signal.path:
            value = value.get(step, {})
        if isinstance(value, str):  # an absent one is no signal either: whoever uses it faults
            yield signal.name, signal.test(value)
