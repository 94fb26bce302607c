"""Conditions in a form that can be compared: params folded in, comparisons turned one way.

A term is no rewriting to run: it only answers whether one condition can be true where another is
not. `implies` is sound and not complete: True is certain, False says nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias

from gatekeeper.policy import expressions
from gatekeeper.policy.base import parse_duration
from gatekeeper.policy.scope import Condition

INLINE = 50  # a variable with more parts than this is compared by its name alone


@dataclass(frozen=True, slots=True)
class Known:
    """A constant; `kind` is its Python type's name, so that 1, 1.0 and true differ."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """Whatever is not looked into: a plain name, has(…), a call."""

    key: str


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of something with a constant: <, <=, >, >=, ==, !=, in."""

    left: str
    operator: str
    right: Known


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of what cannot be turned."""

    inner: "Term"


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: "frozenset[Term]"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: "frozenset[Term]"


Term: TypeAlias = Known | Name | Test | Not | All | Some

TRUE, FALSE = Known("bool", True), Known("bool", False)
_COMPARE = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_==_": "==", "_!=_": "!="}
_HOLDS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne,
}  # fmt: skip
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def known(value: object) -> Known:
    """A plain value as a constant."""
    if isinstance(value, list | tuple):
        return Known("list", tuple(known(inner) for inner in value))
    return Known(type(value).__name__, value)


class Normal:
    """Terms of the conditions of one document.

    Args:
        params: values by name.
        variables: compiled expressions by name; each may use those before it.
    """

    def __init__(self, params: Mapping[str, object], variables: Mapping[str, Condition]) -> None:
        self._params = params
        self._variables: dict[str, Term] = {}
        for name, condition in variables.items():
            short = sum(1 for _ in expressions.walk(condition.tree.expr)) <= INLINE
            term = self.of(condition) if short else Name(f"variables.{name}")
            self._variables[name] = term if _size(term) <= INLINE else Name(f"variables.{name}")

    def of(self, condition: Condition | None) -> Term:
        """The term of a condition; none is true."""
        return self._term(condition.tree.expr) if condition else TRUE

    def _term(self, expr: Any) -> Term:
        match expr.kind:
            case "const":
                return _constant(expr.const)
            case "call":
                return self._call(expr.call)
            case "list":
                return _list_of([self._term(each) for each in expr.elements])
            case "select" if expr.select.test_only:
                return Name(f"has({_key(self._term(expr.select.operand))}.{expr.select.field})")
            case "ident" | "select":
                return self._name(expr)
            case _:
                inside = ", ".join(_key(self._term(part)) for part in expressions.parts(expr))
                loop = expr.loop
                names = f"{loop.iter_var} {loop.accu_var}" if loop else " "
                return Name(f"{names} {{{inside}}}")

    def _name(self, expr: Any) -> Term:
        path = expressions.path(expr)
        if len(path) == 2 and path[0] == "params" and path[1] in self._params:
            return known(self._params[path[1]])
        if len(path) == 2 and path[0] == "variables" and path[1] in self._variables:
            return self._variables[path[1]]
        if path:
            return Name(".".join(path))
        return Name(f"{_key(self._term(expr.select.operand))}.{expr.select.field}")

    def _call(self, call: Any) -> Term:
        target = [self._term(call.target)] if call.target is not None else []
        args = [*target, *(self._term(arg) for arg in call.args)]
        match call.function:
            case "_&&_":
                return every(*args)
            case "_||_":
                return some(*args)
            case "!_":
                return opposite(args[0])
            case "_?_:_" if args[0] in (TRUE, FALSE):
                return args[1] if args[0] == TRUE else args[2]
            case "@in" if isinstance(args[1], Known):
                return _test(args[0], "in", args[1])
            case name if name in _COMPARE:
                return _compare(args[0], _COMPARE[name], args[1])
            case name:
                folded = _folded(name, args)
                return folded or Name(f"{name}({', '.join(map(_key, args))})")


def every(*terms: Term) -> Term:
    """All of `terms`, flat."""
    parts: set[Term] = set()
    for term in terms:
        parts |= term.parts if isinstance(term, All) else {term}
    parts.discard(TRUE)
    if FALSE in parts:
        return FALSE
    return parts.pop() if len(parts) == 1 else All(frozenset(parts)) if parts else TRUE


def some(*terms: Term) -> Term:
    """At least one of `terms`, flat."""
    parts: set[Term] = set()
    for term in terms:
        parts |= term.parts if isinstance(term, Some) else {term}
    parts.discard(FALSE)
    if TRUE in parts:
        return TRUE
    return parts.pop() if len(parts) == 1 else Some(frozenset(parts)) if parts else FALSE


def opposite(term: Term) -> Term:
    """What holds where `term` does not."""
    match term:
        case Known("bool", value):
            return FALSE if value else TRUE
        case Not(inner):
            return inner
        case All(parts):
            return some(*map(opposite, parts))
        case Some(parts):
            return every(*map(opposite, parts))
        # A decimal that is no number is neither below nor above: only equality turns there.
        case Test(left, operator, right) if operator in {"==", "!="} or (
            operator in _OPPOSITE and right.kind != "float"
        ):
            return _in_steps(Test(left, _OPPOSITE[operator], right))
        case _:
            return Not(term)


def _constant(const: Any) -> Term:
    return Name("null") if const.field in {"", "null"} else known(const.value)


def _list_of(terms: list[Term]) -> Term:
    if all(isinstance(term, Known) for term in terms):
        return Known("list", tuple(terms))
    return Name(f"[{', '.join(map(_key, terms))}]")


def _compare(left: Term, operator: str, right: Term) -> Term:
    if isinstance(left, Known) and not isinstance(right, Known):
        left, operator, right = right, _TURNED[operator], left
    if isinstance(right, Known):
        return _test(left, operator, right)
    one, other = _key(left), _key(right)
    if operator in {">", ">="} or (operator in {"==", "!="} and one > other):
        one, other, operator = other, one, _TURNED[operator]
    return Name(f"{one} {operator} {other}")


def _test(left: Term, operator: str, right: Known) -> Term:
    if isinstance(left, Known):
        held = _holds(left, operator, right)
        if held is not None:
            return TRUE if held else FALSE
    if right.kind == "bool" and operator in {"==", "!="}:
        return left if (right.value is True) is (operator == "==") else opposite(left)
    return _in_steps(Test(_key(left), operator, right))


def _in_steps(test: Test) -> Test:
    """Whole numbers compared in one way: > 2 is >= 3."""
    if test.right.kind != "int" or test.operator not in {">", "<"}:
        return test
    step = 1 if test.operator == ">" else -1
    return Test(test.left, f"{test.operator}=", Known("int", test.right.value + step))


def _holds(left: Known, operator: str, right: Known) -> bool | None:
    """Whether a comparison of two constants is true; None where that is not certain."""
    if operator == "in":
        return left in right.value if right.kind == "list" else None
    if left.kind != right.kind or left.kind == "list" or operator not in _HOLDS:
        return None
    try:
        return bool(_HOLDS[operator](left.value, right.value))
    except TypeError:  # a time with and one without a zone
        return None


def _folded(function: str, args: list[Term]) -> Term | None:
    """The value of a call on constants, where we know how to find it."""
    values = [arg for arg in args if isinstance(arg, Known)]
    if len(values) < len(args) or not values:
        return None
    first = values[0]
    match function:
        case "duration" if first.kind == "str":
            try:
                span = parse_duration(first.value.removeprefix("-"))
            except ValueError:
                return None
            return known(-span if first.value.startswith("-") else span)
        case "size" if first.kind in {"str", "list"}:
            return known(len(first.value))
        case "-_" if first.kind in {"int", "float", "timedelta"}:
            return known(-first.value)
        case "_+_" | "_-_" if {each.kind for each in values} == {"timedelta"}:
            sign = 1 if function == "_+_" else -1
            try:
                return known(first.value + sign * values[1].value)
            except OverflowError:
                return None
        case _:
            return None


def _key(term: Term) -> str:
    match term:
        case Name(key):
            return key
        case Known(kind, value):
            if kind == "list":
                return f"[{', '.join(map(_key, value))}]"
            return f"{kind} {value.total_seconds() if isinstance(value, timedelta) else value!r}"
        case Test(left, operator, right):
            return f"({left} {operator} {_key(right)})"
        case Not(inner):
            return f"!({_key(inner)})"
        case All(parts) | Some(parts):
            sign = " && " if isinstance(term, All) else " || "
            return f"({sign.join(sorted(map(_key, parts)))})"


def _size(term: Term) -> int:
    if isinstance(term, All | Some):
        return sum(map(_size, term.parts))
    return _size(term.inner) if isinstance(term, Not) else 1


# ---- What follows from what ------------------------------------------------------------------


def constant_of(term: Term) -> bool | None:
    """True where a term always holds, False where it never does, None where it depends."""
    match term:
        case Known("bool", value):
            return bool(value)
        case All(parts):
            one = any(constant_of(part) is False for part in parts)
            return False if one or _clash(parts) else None
        case Some(parts):
            one = any(constant_of(part) is True for part in parts)
            return True if one or _clash(frozenset(map(opposite, parts))) else None
        case _:
            return None


def _clash(parts: frozenset[Term]) -> bool:
    """Whether two of `parts` can never hold together."""
    listed = list(parts)
    return any(
        implies(one, opposite(other))
        for index, one in enumerate(listed)
        for other in listed[index + 1 :]
    )


def implies(one: Term, other: Term) -> bool:
    """Whether `other` is certainly true, or a fault, wherever `one` is true."""
    if one in (other, FALSE) or other == TRUE:
        return True
    if isinstance(other, All):
        return all(implies(one, part) for part in other.parts)
    if isinstance(one, Some):
        return all(implies(part, other) for part in one.parts)
    if isinstance(one, All) and any(implies(part, other) for part in one.parts):
        return True
    if isinstance(other, Some):
        return any(implies(one, part) for part in other.parts)
    return isinstance(one, Test) and isinstance(other, Test) and _narrower(one, other)


def _narrower(one: Test, other: Test) -> bool:
    """Whether one comparison of the same thing follows from another."""
    if one.left != other.left:
        return False
    if one.operator == "in" and one.right.kind == "list":
        values = one.right.value
        return bool(values) and all(
            _holds(value, other.operator, other.right) is True for value in values
        )
    if one.operator == "==":
        return _holds(one.right, other.operator, other.right) is True
    if one.right.kind != other.right.kind or one.operator not in {"<", "<=", ">", ">="}:
        return False
    if other.operator == "!=":
        return _holds(other.right, one.operator, one.right) is False
    if other.operator[:1] != one.operator[:1]:
        return False
    strict = len(other.operator) == 1 and len(one.operator) == 2
    return _holds(one.right, other.operator[0] + ("" if strict else "="), other.right) is True
