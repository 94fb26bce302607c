"""The checked syntax tree of a condition: which names does it use, are they asked for with has()
first; and what is changed in it before it runs (90d to seconds). How it is read and written again
is in serialized.py."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

STEPS = 9_999  # of all loops in one evaluation, as the library has it

# ---- The tree --------------------------------------------------------------------------------


class Const(NamedTuple):
    """A literal; `field` is null, bool, int, uint, double, string or bytes."""

    field: str = ""
    value: Any = None

    @property
    def string(self) -> str:
        """The text; "" for a literal of another kind."""
        return self.value if self.field == "string" else ""


@dataclass(slots=True)
class Select:
    """`operand.field`, or has(operand.field) where it is `test_only`."""

    operand: "Expr"
    field: str
    test_only: bool = False


class Call(NamedTuple):
    """`target.function(args)`; an operator is a function, too."""

    function: str = ""
    args: Sequence["Expr"] = ()
    target: "Expr | None" = None


@dataclass(slots=True)
class Loop:
    """A macro written out: `accu_var` begins as `accu_init` and becomes `step` for each element."""

    iter_var: str
    accu_var: str
    iter_range: "Expr"
    accu_init: "Expr"
    condition: "Expr"
    step: "Expr"
    result: "Expr"


NO_CONST, NO_CALL = Const(), Call()  # of what is no literal, and no call


@dataclass(slots=True)
class Expr:
    """One expression: `kind` is const, ident, select, call, list, struct or loop, and says which
    of the parts counts.

    Attributes:
        name: of an ident; of the message that a struct makes, "" for a plain map.
        elements: of a list; of a struct its keys and values in turn.
    """

    id: int
    kind: str
    const: Const = NO_CONST
    name: str = ""
    select: Any = None
    call: Call = NO_CALL
    elements: Sequence["Expr"] = ()
    loop: Any = None

    def become(self, other: "Expr") -> None:
        """Stand for another expression, in its own place."""
        self.kind, self.const, self.name = other.kind, other.const, other.name
        self.select, self.call = other.select, other.call
        self.elements, self.loop = other.elements, other.loop

    @property
    def asks(self) -> bool:
        """Whether it is has(…)."""
        return self.kind == "select" and self.select.test_only


def literal(field: str, value: object) -> Expr:
    """A literal that stands nowhere yet."""
    return Expr(0, "const", const=Const(field, value))


def ident(name: str) -> Expr:
    """A name that stands nowhere yet."""
    return Expr(0, "ident", name=name)


class Tree:
    """A checked expression.

    Attributes:
        expr: may be changed; `changed` is then to be set.
        source: the message that it was read from, None where it was made here.
        serialized: the same as the binding gave it, b"" for a part of it.
    """

    def __init__(self, expr: Expr, source: Any = None, serialized: bytes = b"") -> None:
        self.expr, self.source, self.serialized = expr, source, serialized
        self.changed = not serialized

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.expr == other.expr

    __hash__ = None  # type: ignore[assignment]

    def places(self) -> Mapping[int, int]:
        """Where each expression stands in the source, in letters, by id."""
        return {one.key: one.value for one in self.source.source_info.positions}

    def part(self, expr: Expr) -> "Tree":
        """A part of it as a tree of its own."""
        return Tree(expr, self.source)


def copied(expr: Expr, number: Callable[[], int] | None = None) -> Expr:
    """The same once more, to be changed; with ids of its own where `number` gives them."""
    own, kind = number() if number else expr.id, expr.kind
    if kind == "const" or kind == "ident":
        return Expr(own, kind, expr.const, expr.name)
    if kind == "select":
        select = expr.select
        select = Select(copied(select.operand, number), select.field, select.test_only)
        return Expr(own, kind, NO_CONST, "", select)
    if kind == "call":
        function, args, target = expr.call
        target = copied(target, number) if target else None
        call = Call(function, [copied(one, number) for one in args], target)
        return Expr(own, kind, NO_CONST, "", None, call)
    inside = [copied(one, number) for one in parts(expr)]
    if kind == "loop":
        loop = Loop(expr.loop.iter_var, expr.loop.accu_var, *inside)
        return Expr(own, kind, loop=loop)
    return Expr(own, kind, name=expr.name, elements=inside)


def listed(exprs: Iterable[Expr]) -> tuple[Tree, frozenset[str]]:
    """A tree that gives a list of what each of these gives; they are copied. And the names that
    loops in it have for elements."""
    number = count(2).__next__
    inside = [copied(expr, number) for expr in exprs]
    whole = Expr(1, "list", elements=inside)
    names = {one.loop.iter_var for one in walk(whole) if one.loop is not None}
    return Tree(whole), frozenset(names)


# ---- Ways through it -------------------------------------------------------------------------


def parts(expr: Expr) -> Sequence[Expr]:
    """The expressions directly inside `expr`, in the order of evaluation."""
    match expr.kind:
        case "const" | "ident":
            return ()
        case "select":
            return (expr.select.operand,)
        case "call":
            call = expr.call
            return call.args if call.target is None else [call.target, *call.args]
        case "loop":
            loop = expr.loop
            return (loop.iter_range, loop.accu_init, loop.condition, loop.step, loop.result)
        case _:
            return expr.elements


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and everything inside it."""
    left = [expr]
    while left:
        one = left.pop()
        yield one
        inside = parts(one)
        if inside:
            left += reversed(inside)


def most_elements(expr: Expr) -> int:
    """How long every list may be so that the loops in `expr` surely end within their steps."""
    loops = sum(one.kind == "loop" for one in walk(expr))
    return int((STEPS / max(loops, 1)) ** (1 / max(_depth(expr), 1))) - 1


def _depth(expr: Expr) -> int:
    """How many loops stand inside each other."""
    inside = max((_depth(part) for part in parts(expr)), default=0)
    return inside + (expr.kind == "loop")


def path(expr: Expr) -> tuple[str, ...]:
    """("member", "joined_at") for member.joined_at; () for anything that is no plain name."""
    if expr.kind == "ident":
        return (expr.name,)
    if expr.kind != "select":
        return ()
    names: list[str] = []
    while expr.kind == "select":
        names.append(expr.select.field)
        expr = expr.select.operand
    if expr.kind != "ident":
        return ()
    names.append(expr.name)
    names.reverse()
    return tuple(names)


def unguarded(
    expr: Expr,
    optional: frozenset[tuple[str, ...]],
    known: frozenset[tuple[str, ...]] = frozenset(),
) -> Iterator[Expr]:
    """The places in `expr` that use a name in `optional` where has() does not stand before it."""
    if expr.kind == "select":
        whole = () if expr.select.test_only else path(expr)
        if whole in optional and whole not in known:
            yield expr
        else:
            yield from unguarded(expr.select.operand, optional, known)
        return
    function, args = expr.call.function, expr.call.args
    if function in {"_&&_", "_||_"}:
        yield from unguarded(args[0], optional, known)
        yield from unguarded(args[1], optional, known | certain(args[0], function == "_&&_"))
    elif function == "_?_:_":
        yield from unguarded(args[0], optional, known)
        for arg, truth in ((args[1], True), (args[2], False)):
            yield from unguarded(arg, optional, known | certain(args[0], truth))
    else:
        for part in parts(expr):
            yield from unguarded(part, optional, known)


def certain(expr: Expr, truth: bool) -> frozenset[tuple[str, ...]]:
    """The names that are certainly there when `expr` is `truth`."""
    if expr.asks:
        return frozenset({path(expr)}) if truth else frozenset()
    function, args = expr.call.function, expr.call.args
    if function == "!_":
        return certain(args[0], not truth)
    if function in {"_&&_", "_||_"}:
        left, right = (certain(arg, truth) for arg in args)
        return left | right if (function == "_&&_") is truth else left & right
    return frozenset()
