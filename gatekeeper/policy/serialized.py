"""A condition's tree as the binding hands it out and takes it back: a protobuf message of the CEL
specification.

A field of a message takes ten times as long to look at as one of a plain object, and each is looked
at ten times: so the message is read once, into `expressions.Tree`.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from gatekeeper.policy.expressions import NO_CONST, Call, Const, Expr, Loop, Select, Tree

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


def read(serialized: bytes) -> Tree:
    """The tree in what the binding's Expression.serialize() gives."""
    message = _CHECKED.FromString(any_pb2.Any.FromString(serialized).value)
    return Tree(_taken(message.expr), message, serialized)


def write(tree: Tree) -> bytes:
    """What the binding's Env.deserialize() takes."""
    if not tree.changed:
        return tree.serialized
    message = _CHECKED()
    if tree.source is not None:
        message.CopyFrom(tree.source)
        message.ClearField("expr")
    _fill(message.expr, tree.expr)
    return any_pb2.Any(
        type_url="type.googleapis.com/cel.expr.CheckedExpr", value=message.SerializeToString()
    ).SerializeToString()


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
