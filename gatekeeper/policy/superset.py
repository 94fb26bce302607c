"""Whom a pruning policy could touch, as a predicate over columns: never too few, perhaps too many.

A decision is never translated to SQL (absent values, overflow and the resolution of times differ
there). What is made here only leaves out members of whom no rule can say "notify" or "remove"; the
library judges all others. Three readings of a checked condition, each of rows where it may be so:
`may_true` true or a fault, `may_false` false or a fault, `may_fault` a fault. Whatever cannot be
solved for a column is TRUE. Source: facts/policy.md, section 8.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from gatekeeper.policy import expressions
from gatekeeper.policy.evaluation import CompiledRule, RuleSet
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.plain import span_of
from gatekeeper.policy.predicates import (
    FALSE,
    TRUE,
    Compare,
    Constant,
    IsNull,
    IsText,
    Predicate,
    all_of,
    any_of,
    between,
    leaves,
    rebuilt,
)

LONGEST: Final = timedelta(days=14_600)  # spans beyond it are not solved: they may overflow
STRANGE: Final = timedelta(days=43_800)  # a time so far from now may overflow in any condition
OUTWARD: Final = timedelta(milliseconds=1)  # more than all that is rounded away on either side
MOST: Final = 200  # parts of one predicate; a larger one would cost more than it spares
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


# ---- Whom a policy could touch -----------------------------------------------------------------


@dataclass(frozen=True)
class Superset:
    """The members, of those at no stage, whom some of several policies could touch.

    Attributes:
        predicate: of rows at a moment; see `at`.
    """

    predicate: Predicate

    def at(self, now: datetime) -> Predicate:
        """Whom a sweep at `now` has to look at."""
        return between(self.predicate, now, now)

    def until(self, now: datetime, end: datetime) -> Predicate:
        """Whom any sweep from `now` to `end` may have to look at, whatever signs of life come.

        The first sign of life fills `last_seen_at`: it counts as filled already.
        """
        return between(rebuilt(self.predicate, _may_be_filled), now, end)

    @cached_property
    def lasting(self) -> bool:
        """Whether a sign of life, which moves columns forward only, never makes it true of
        somebody: then it can be said today from when on somebody has to be looked at."""
        return not any(
            isinstance(leaf, Compare) and leaf.column != "now" and leaf.sign == ">=" and near(leaf)
            for leaf in leaves(self.predicate)
        )

    @cached_property
    def narrows(self) -> bool:
        """Whether it leaves anybody out."""
        return self.predicate != TRUE


def near(leaf: Compare) -> bool:
    """Whether it is no look at a strange time."""
    return not isinstance(leaf.value, timedelta) or abs(leaf.value) < STRANGE


def _may_be_filled(leaf: Predicate) -> Predicate:
    return TRUE if leaf == IsNull("last_seen_at", negated=True) else leaf


def superset(policies: Iterable[Policy]) -> Superset:
    """Of whom the pruning rules of some of `policies` may say notify or remove, or have a fault
    where they would.

    It speaks of members at no stage; whoever has been noticed is always looked at.
    """
    found = any_of(*(_touched(policy.pruning_rules) for policy in policies))
    return Superset(found if sum(1 for _ in leaves(found)) <= MOST else TRUE)


def _touched(rules: RuleSet) -> Predicate:
    """First match wins, so a row has to get past each rule before one that acts."""
    solver = Solver(rules)
    found: Predicate = FALSE
    for place in range(len(rules.all) - 1, -1, -1):
        if place in rules.on_trial:
            continue
        one = rules.all[place]
        passed = all_of(solver.may_false(one), found)
        found = any_of(solver.may_true(one), passed) if _acts(one) else passed
    return found if isinstance(found, Constant) else any_of(found, *STRANGE_TIMES)


def _acts(one: CompiledRule) -> bool:
    output = getattr(one.rule, "output", None)
    return output is not None and getattr(output, "action", "keep") != "keep"


# ---- Conditions --------------------------------------------------------------------------------

# Facts that are a column: its name, and where the fact is absent.
_COLUMNS: Final[Mapping[str, tuple[str, Predicate]]] = {
    "known_since": ("known_since", FALSE),
    "last_active_at": ("last_seen_at", IsNull("last_seen_at")),
    "joined_at": ("since", IsText("origin", "adopted")),
    "noticed_at": ("noticed_at", IsNull("noticed_at")),
}
# Rows with a time so far away that a condition on it could overflow.
STRANGE_TIMES: Final = tuple(
    part
    for column, _ in _COLUMNS.values()
    for part in (Compare(column, "<=", STRANGE), Compare(column, ">=", -STRANGE))
)
_SIGNS: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_==_": "==", "_!=_": "!="}
_TURNED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


class _Unsolved(Exception):
    """Nothing can be said of it by columns."""


@dataclass(frozen=True, slots=True)
class _Three:
    """Rows where a condition may be true or faulty, false or faulty, faulty."""

    true: Predicate
    false: Predicate
    fault: Predicate


_UNKNOWN: Final = _Three(TRUE, TRUE, TRUE)


@dataclass(frozen=True, slots=True)
class _Sum:
    """A sum of facts and constants, in microseconds.

    Attributes:
        terms: how often each fact (or "now") is in it.
        moments: how many times and measured spans it was made of,
        spans: and how long all its constant spans are together: bounds for what may overflow.
        fault: rows where one of them is absent.
    """

    terms: Mapping[str, int]
    constant: int
    moments: int
    spans: int
    fault: Predicate

    def plus(self, other: "_Sum", sign: int) -> "_Sum":
        names = {**self.terms, **other.terms}
        terms = {name: self.terms.get(name, 0) + sign * other.terms.get(name, 0) for name in names}
        return _Sum(
            {name: times for name, times in terms.items() if times},
            self.constant + sign * other.constant,
            self.moments + other.moments,
            self.spans + other.spans,
            any_of(self.fault, other.fault),
        )


class Solver:
    """Solves the conditions of one set of rules for columns."""

    def __init__(self, rules: RuleSet) -> None:
        self._subject, self._params = rules.conditions.subject, rules.params
        self._variables = {name: each.tree.expr for name, each in rules.variables.items()}
        self._known: dict[str, _Three] = {}

    def may_true(self, one: CompiledRule) -> Predicate:
        """Rows where a rule matches or has a fault."""
        return self.solve(one.condition.tree.expr).true if one.condition else TRUE

    def may_false(self, one: CompiledRule) -> Predicate:
        """Rows where a rule does not match or has a fault."""
        return self.solve(one.condition.tree.expr).false if one.condition else FALSE

    def solve(self, expr: Any) -> _Three:
        """All three of a checked condition."""
        kind = expr.kind
        if kind == "const" and expr.const.field == "bool":
            return _constant(expr.const.value)
        if kind == "call":
            return self._call(expr.call)
        path = expressions.path(expr)
        if kind == "select" and expr.select.test_only:
            return self._asked(path)
        if path[:1] == ("variables",) and len(path) == 2:
            if path[1] not in self._known:
                self._known[path[1]] = self.solve(self._variables[path[1]])
            return self._known[path[1]]
        if path[:1] == ("params",) and len(path) == 2:
            value = self._params.get(path[1])
            return _constant(value) if isinstance(value, bool) else _UNKNOWN
        if path == (self._subject, "grace_over"):
            return _Three(IsNull("noticed_at", negated=True), TRUE, FALSE)
        if path[:1] == (self._subject,) and len(path) == 2:  # true or false, and always there
            return _Three(TRUE, TRUE, FALSE)
        return _UNKNOWN

    def _asked(self, path: tuple[str, ...]) -> _Three:
        if path[:1] != (self._subject,) or len(path) != 2:
            return _UNKNOWN
        if path[1] not in _COLUMNS:
            return _Three(TRUE, TRUE, FALSE)
        _, absent = _COLUMNS[path[1]]
        return _Three(_negated(absent), absent, FALSE)

    def _call(self, call: Any) -> _Three:
        args = list(call.args)
        match call.function:
            case "_&&_":
                one, other = self.solve(args[0]), self.solve(args[1])
                return _capped(
                    all_of(one.true, other.true),
                    any_of(one.false, other.false),
                    any_of(one.fault, other.fault),
                )
            case "_||_":
                one, other = self.solve(args[0]), self.solve(args[1])
                return _capped(
                    any_of(one.true, other.true),
                    all_of(one.false, other.false),
                    any_of(one.fault, other.fault),
                )
            case "!_":
                inner = self.solve(args[0])
                return _Three(inner.false, inner.true, inner.fault)
            case "_?_:_":
                return self._choice(*args)
            case function if function in _SIGNS:
                try:
                    return self._comparison(_SIGNS[function], args[0], args[1])
                except (_Unsolved, OverflowError, ValueError):
                    return _UNKNOWN
            case _:
                return _UNKNOWN

    def _choice(self, condition: Any, then: Any, otherwise: Any) -> _Three:
        """A fault of the condition is one of the whole, whatever the two others are."""
        asked, one, other = self.solve(condition), self.solve(then), self.solve(otherwise)

        def either(first: Predicate, second: Predicate) -> Predicate:
            return any_of(all_of(asked.true, first), all_of(asked.false, second), asked.fault)

        return _capped(
            either(one.true, other.true),
            either(one.false, other.false),
            either(one.fault, other.fault),
        )

    def _comparison(self, sign: str, left: Any, right: Any) -> _Three:
        whole = self._sum(left).plus(self._sum(right), -1)
        if whole.moments > 2 or whole.spans > LONGEST // _MICRO:
            raise _Unsolved  # it may overflow
        true = any_of(_solved(sign, whole), whole.fault)
        return _Three(true, any_of(_solved(_OPPOSITE[sign], whole), whole.fault), whole.fault)

    # ---- Sums of times and spans ---------------------------------------------------------------

    def _sum(self, expr: Any) -> _Sum:
        kind, path = expr.kind, expressions.path(expr)
        if kind == "call":
            return self._sum_of_call(expr.call)
        if path == ("now",):
            return _Sum({"now": 1}, 0, 1, 0, FALSE)
        if len(path) == 2 and path[0] == "variables":
            return self._sum(self._variables[path[1]])
        if len(path) == 2 and path[0] == "params":
            return _fixed(self._params.get(path[1]))
        if len(path) == 2 and path[0] == self._subject:
            if path[1] == "silent":
                return _Sum({"silent": 1}, 0, 1, 0, FALSE)
            if path[1] in _COLUMNS:
                return _Sum({path[1]: 1}, 0, 1, 0, _COLUMNS[path[1]][1])
        raise _Unsolved

    def _sum_of_call(self, call: Any) -> _Sum:
        args = list(call.args)
        if call.function in {"_+_", "_-_"} and len(args) == 2:
            sign = 1 if call.function == "_+_" else -1
            return self._sum(args[0]).plus(self._sum(args[1]), sign)
        if call.function in {"duration", "timestamp"} and len(args) == 1:
            text = _text(args[0])
            is_span = call.function == "duration"
            return _fixed(span_of(text) if is_span else datetime.fromisoformat(text))
        raise _Unsolved


def _text(expr: Any) -> str:
    """A literal text; a param that is one is left to the library."""
    if expr.kind == "const" and expr.const.field == "string":
        return str(expr.const.string)
    raise _Unsolved


def _fixed(value: object) -> _Sum:
    if isinstance(value, timedelta):
        return _Sum({}, value // _MICRO, 0, abs(value // _MICRO), FALSE)
    if isinstance(value, datetime) and value.tzinfo is not None and FIRST < value < LAST:
        return _Sum({}, (value - _EPOCH) // _MICRO, 1, 0, FALSE)
    raise _Unsolved


def _capped(*three: Predicate) -> _Three:
    """What grew too large is TRUE."""
    sizes = [sum(1 for _ in leaves(one)) for one in three]
    return _Three(*(TRUE if size > MOST else one for one, size in zip(three, sizes, strict=True)))


def _constant(value: bool) -> _Three:
    return _Three(Constant(value), Constant(not value), FALSE)


def _negated(absent: Predicate) -> Predicate:
    match absent:
        case IsNull(column):
            return IsNull(column, negated=True)
        case IsText(column, text):
            return IsText(column, text, negated=True)
        case _:
            return TRUE


def _solved(sign: str, whole: _Sum) -> Predicate:
    """Rows where `whole sign 0` may be so."""
    facts = {name: times for name, times in whole.terms.items() if name != "now"}
    nows = whole.terms.get("now", 0)
    if sign == "!=" or len(facts) > 1 or not whole.terms:
        return TRUE
    if not facts:
        if abs(nows) != 1:
            return TRUE
        return _compared("now", sign if nows == 1 else _TURNED[sign], _moment(-nows, whole))
    ((fact, times),) = facts.items()
    if abs(times) != 1 or (nows and nows != -times):
        return TRUE
    sign = sign if times == 1 else _TURNED[sign]
    rest = whole.constant * times  # fact + rest - (now, where it is in it) sign 0
    if fact == "silent":
        return TRUE if nows else _silent(sign, timedelta(microseconds=-rest))
    column, _ = _COLUMNS[fact]
    if nows:
        return _compared(column, sign, timedelta(microseconds=rest))
    return _compared(column, sign, _moment(-times, whole))


def _moment(sign: int, whole: _Sum) -> datetime:
    return _EPOCH + timedelta(microseconds=sign * whole.constant)


def _compared(column: str, sign: str, value: datetime | timedelta) -> Predicate:
    """Bounds moved outward; how long before now grows the other way than a moment does."""
    out = -OUTWARD if isinstance(value, timedelta) else OUTWARD
    before = Compare(column, "<=", value + out)
    after = Compare(column, ">=", value - out)
    if sign == "==":
        return all_of(before, after)
    return before if sign in {"<", "<="} else after


def _silent(sign: str, span: timedelta) -> Predicate:
    """Silence that we saw is never longer than since the last sign, nor since we know them."""
    if sign in {"<", "<="} or span <= OUTWARD:
        return TRUE
    since = span - OUTWARD
    last = any_of(IsNull("last_seen_at"), Compare("last_seen_at", "<=", since))
    return all_of(last, Compare("known_since", "<=", since))
