"""The checked syntax tree of a condition, as protobuf messages of the CEL specification.

The binding hands a compiled condition out in this form and takes it back, so it can be read
(which names does it use, are they asked for with has() first) and made ready (90d to seconds).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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
        for field, (number, kind) in fields.items():
            many = isinstance(kind, str) and kind.startswith("*")
            made = message.field.add(
                name=field,
                number=number,
                label=Field.LABEL_REPEATED if many else Field.LABEL_OPTIONAL,
                type=Field.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f".tree.{kind.removeprefix('*')}" if isinstance(kind, str) else None,
            )
            if name == "Expr" and field != "id":
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tree.CheckedExpr"))


_CHECKED = _classes()


def read(serialized: bytes) -> Any:
    """The tree in what the binding's Expression.serialize() gives: `.expr`, `.source_info`."""
    wrapped = any_pb2.Any.FromString(serialized)
    return _CHECKED.FromString(wrapped.value)


def write(tree: Any) -> bytes:
    """What the binding's Env.deserialize() takes."""
    return any_pb2.Any(
        type_url="type.googleapis.com/cel.expr.CheckedExpr", value=tree.SerializeToString()
    ).SerializeToString()


def listed(exprs: Iterable[Any]) -> tuple[Any, frozenset[str]]:
    """A tree that gives a list of what each of these gives; they are copied. And the names that
    loops in it have for elements."""
    tree, names = _CHECKED(), set[str]()
    for expr in exprs:
        tree.expr.list.elements.add().CopyFrom(expr)
    for number, one in enumerate(walk(tree.expr), 1):
        one.id = number
        if one.HasField("loop"):
            names.add(one.loop.iter_var)
    return tree, frozenset(names)


def kind(expr: Any) -> str:
    """Which field of an Expr is set: const, ident, select, call, list, struct, loop."""
    return expr.WhichOneof("kind") or ""


def parts(expr: Any) -> list[Any]:
    """The expressions directly inside `expr`, in the order of evaluation."""
    what = expr.WhichOneof("kind")
    if what == "const" or what == "ident":
        return []
    if what == "select":
        return [expr.select.operand]
    if what == "call":
        call = expr.call
        return [call.target, *call.args] if call.HasField("target") else [*call.args]
    if what == "list":
        return [*expr.list.elements]
    if what == "struct":
        inside = [(entry.map_key, entry.value) for entry in expr.struct.entries]
        return [part for pair in inside for part in pair]
    if what == "loop":
        loop = expr.loop
        return [loop.iter_range, loop.accu_init, loop.condition, loop.step, loop.result]
    return []


def walk(expr: Any) -> Iterator[Any]:
    """`expr` and everything inside it."""
    left = [expr]
    while left:
        one = left.pop()
        yield one
        left += reversed(parts(one))


def most_elements(expr: Any) -> int:
    """How long every list may be so that the loops in `expr` surely end within their steps."""
    loops = sum(kind(one) == "loop" for one in walk(expr))
    return int((STEPS / max(loops, 1)) ** (1 / max(_depth(expr), 1))) - 1


def _depth(expr: Any) -> int:
    """How many loops stand inside each other."""
    inside = max((_depth(part) for part in parts(expr)), default=0)
    return inside + (kind(expr) == "loop")


def path(expr: Any) -> tuple[str, ...]:
    """("member", "joined_at") for member.joined_at; () for anything that is no plain name."""
    names: list[str] = []
    what = expr.WhichOneof("kind")
    while what == "select":
        select = expr.select
        names.append(select.field)
        expr = select.operand
        what = expr.WhichOneof("kind")
    if what != "ident":
        return ()
    names.append(expr.ident.name)
    return tuple(reversed(names))


def unguarded(
    expr: Any, optional: frozenset[tuple[str, ...]], known: frozenset[tuple[str, ...]] = frozenset()
) -> Iterator[Any]:
    """The places in `expr` that use a name in `optional` where has() does not stand before it."""
    if kind(expr) == "select":
        if not expr.select.test_only and path(expr) in optional - known:
            yield expr
        else:
            yield from unguarded(expr.select.operand, optional, known)
        return
    function = expr.call.function if kind(expr) == "call" else ""
    args = list(expr.call.args) if function else []
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


def certain(expr: Any, truth: bool) -> frozenset[tuple[str, ...]]:
    """The names that are certainly there when `expr` is `truth`."""
    if kind(expr) == "select" and expr.select.test_only:
        return frozenset({path(expr)}) if truth else frozenset()
    if kind(expr) != "call":
        return frozenset()
    function, args = expr.call.function, list(expr.call.args)
    if function == "!_":
        return certain(args[0], not truth)
    if function in {"_&&_", "_||_"}:
        left, right = (certain(arg, truth) for arg in args)
        return left | right if (function == "_&&_") is truth else left & right
    return frozenset()
