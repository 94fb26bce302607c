"""The checked syntax tree of a condition.

The binding hands a compiled condition out as a protobuf message of the CEL specification and takes
it back, so it can be read (which names does it use, are they asked for with has() first) and made
ready (90d to seconds). A field of a message takes ten times as long to look at as one of a plain
object, and each is looked at ten times: so the message is read once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

STEPS = 9_999  # of all loops in one evaluation, as the library has it

_INT32, _INT64, _UINT64, _DOUBLE = (
    Field.TYPE_INT32, Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_DOUBLE
)  # fmt: skip
_BOOL, _STRING, _BYTES = Field.TYPE_BOOL, Field.TYPE_STRING, Field.TYPE_BYTES

# Source: cel/expr/checked.proto and syntax.proto of the CEL specification, the parts used here;
# what is left out survives reading and writing. "*" marks a list, a text names a message.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, Any]]] = {
    "CheckedExpr": {"expr": (4, "Expr"), "source_info": (5, "SourceInfo")},
    "SourceInfo": {"positions": (4, "*Position")},
    "Position": {"key": (1, _INT64), "value": (2, _INT32)},
    "Expr": {
        "id": (2, _INT64), "const": (3, "Constant"), "ident": (4, "Ident"), "select": (5, "Select"),
        "call": (6, "Call"), "list": (7, "List"), "struct": (8, "Struct"), "loop": (9, "Loop"),
    },
    "Constant": {
        "null": (1, _INT32), "bool": (2, _BOOL), "int": (3, _INT64), "uint": (4, _UINT64),
        "double": (5, _DOUBLE), "string": (6, _STRING), "bytes": (7, _BYTES),
    },
    "Ident": {"name": (1, _STRING)},
    "Select": {"operand": (1, "Expr"), "field": (2, _STRING), "test_only": (3, _BOOL)},
    "Call": {"target": (1, "Expr"), "function": (2, _STRING), "args": (3, "*Expr")},
    "List": {"elements": (1, "*Expr")},
    "Struct": {"message_name": (1, _STRING), "entries": (2, "*Entry")},
    "Entry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Loop": {
        "iter_var": (1, _STRING), "accu_var": (3, _STRING),
        "iter_range": (2, "Expr"), "accu_init": (4, "Expr"), "condition": (5, "Expr"),
        "step": (6, "Expr"), "result": (7, "Expr"),
    },
}  # fmt: skip


def _classes() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="tree.proto", package="tree", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for label, (number, kind) in fields.items():
            many = isinstance(kind, str) and kind.startswith("*")
            made = message.field.add(
                name=label,
                number=number,
                label=Field.LABEL_REPEATED if many else Field.LABEL_OPTIONAL,
                type=Field.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f".tree.{kind.removeprefix('*')}" if isinstance(kind, str) else None,
            )
            if name == "Expr" and label != "id":
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tree.CheckedExpr"))


_CHECKED = _classes()


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
    """

    def __init__(self, expr: Expr, message: Any, serialized: bytes = b"") -> None:
        self.expr, self._message, self._serialized = expr, message, serialized
        self.changed = not serialized

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.expr == other.expr

    __hash__ = None  # type: ignore[assignment]

    def places(self) -> Mapping[int, int]:
        """Where each expression stands in the source, in letters, by id."""
        return {one.key: one.value for one in self._message.source_info.positions}

    def part(self, expr: Expr) -> "Tree":
        """A part of it as a tree of its own."""
        return Tree(expr, self._message)

    def written(self) -> bytes:
        """What the binding's Env.deserialize() takes."""
        if not self.changed:
            return self._serialized
        message = _CHECKED()
        message.CopyFrom(self._message)
        message.ClearField("expr")
        _fill(message.expr, self.expr)
        return any_pb2.Any(
            type_url="type.googleapis.com/cel.expr.CheckedExpr", value=message.SerializeToString()
        ).SerializeToString()


def read(serialized: bytes) -> Tree:
    """The tree in what the binding's Expression.serialize() gives."""
    message = _CHECKED.FromString(any_pb2.Any.FromString(serialized).value)
    return Tree(_taken(message.expr), message, serialized)


def write(tree: Tree) -> bytes:
    """What the binding's Env.deserialize() takes."""
    return tree.written()


def _taken(message: Any) -> Expr:
    """A message as an expression."""
    kind = message.WhichOneof("kind")
    if kind == "ident":
        return Expr(message.id, kind, NO_CONST, message.ident.name)
    if kind == "select":
        part = message.select
        select = Select(_taken(part.operand), part.field, part.test_only)
        return Expr(message.id, kind, NO_CONST, "", select)
    if kind == "const":
        for which, value in message.const.ListFields():
            return Expr(message.id, kind, Const(which.name, value))
        return Expr(message.id, kind)
    if kind == "call":
        part = message.call
        args = [_taken(one) for one in part.args]
        target = _taken(part.target) if part.HasField("target") else None
        return Expr(message.id, kind, NO_CONST, "", None, Call(part.function, args, target))
    if kind == "list":
        return Expr(message.id, kind, elements=[_taken(one) for one in message.list.elements])
    if kind == "struct":
        part = message.struct
        inside = [_taken(one) for each in part.entries for one in (each.map_key, each.value)]
        return Expr(message.id, kind, name=part.message_name, elements=inside)
    if kind == "loop":
        part = message.loop
        ways = (part.iter_range, part.accu_init, part.condition, part.step, part.result)
        loop = Loop(part.iter_var, part.accu_var, *map(_taken, ways))
        return Expr(message.id, kind, loop=loop)
    return Expr(message.id, "")


def _fill(message: Any, expr: Expr) -> None:
    """Write an expression into an empty message."""
    message.id = expr.id
    match expr.kind:
        case "const":
            message.const.SetInParent()
            if expr.const.field:
                setattr(message.const, expr.const.field, expr.const.value)
        case "ident":
            message.ident.name = expr.name
        case "select":
            message.select.field = expr.select.field
            if expr.select.test_only:
                message.select.test_only = True
            _fill(message.select.operand, expr.select.operand)
        case "call":
            message.call.function = expr.call.function
            if expr.call.target is not None:
                _fill(message.call.target, expr.call.target)
            for one in expr.call.args:
                _fill(message.call.args.add(), one)
        case "list":
            message.list.SetInParent()
            for one in expr.elements:
                _fill(message.list.elements.add(), one)
        case "struct":
            message.struct.message_name = expr.name
            for key, value in zip(expr.elements[::2], expr.elements[1::2], strict=True):
                entry = message.struct.entries.add()
                _fill(entry.map_key, key)
                _fill(entry.value, value)
        case "loop":
            loop, there = expr.loop, message.loop
            there.iter_var, there.accu_var = loop.iter_var, loop.accu_var
            for name in ("iter_range", "accu_init", "condition", "step", "result"):
                _fill(getattr(there, name), getattr(loop, name))


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
    return Tree(whole, _CHECKED()), frozenset(names)


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
