"""A condition taken apart: its atoms (what is true or false by itself) and how they are joined.

The text and the checked tree are taken apart side by side: the text gives each atom as its author
wrote it, the tree what it looks at and the piece that can be evaluated alone.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gatekeeper.policy import expressions
from gatekeeper.policy.base import write_duration
from gatekeeper.policy.plain import span_of

COMPARISONS = {
    "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_==_": "==", "_!=_": "!=", "@in": "in",
    "matches": "matches", "contains": "contains",
    "startsWith": "startsWith", "endsWith": "endsWith",
}  # fmt: skip
_JOINS = {"_&&_": "&&", "_||_": "||"}
_INFIX = {**{name: sign for name, sign in COMPARISONS.items() if name[0] in "_@"}, **_JOINS}
_INFIX |= {f"_{sign}_": sign for sign in "+-*/%"}


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of an atom.

    Attributes:
        source: in one line, e.g. size(application.answers.why).
        path: of the name that it is, or that it measures; () when it is no plain name.
        measure: "size" where it is the size of that name, else "".
        constant: made of literals and params only.
    """

    source: str
    path: tuple[str, ...] = ()
    measure: str = ""
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Atom:
    """A part of a condition that is true or false by itself.

    Attributes:
        source: as it is written.
        offset: letters from the start of the condition.
        operator: < <= > >= == != in matches contains startsWith endsWith has, "" for others.
        operands: left and right, or the one; the whole atom where it is no comparison.
        expr: its tree, and those of its operands, to be evaluated alone.
    """

    source: str
    offset: int
    operator: str
    operands: tuple[Operand, ...]
    expr: Any
    operand_exprs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """How atoms are joined; `atom` is an index, `parts` of an "if" are condition, then, else."""

    kind: Literal["atom", "and", "or", "not", "if"]
    atom: int = -1
    parts: tuple["Shape", ...] = ()


@dataclass(
    slots=True
)  # not frozen: they are made with every judgement, and that takes thrice as long
class AtomValue:
    """What an atom gave on one subject.

    Attributes:
        value: None where it could not be told: a fault, or a value that is absent.
        fault: "" where a value was only absent.
        operands: the values seen, None for absent.
    """

    atom: Atom
    value: bool | None
    fault: str
    operands: tuple[object | None, ...]


def take_apart(source: str, expr: Any) -> tuple[Shape, tuple[Atom, ...]]:
    """The shape and the atoms of a condition, given its text and its checked tree."""
    atoms: list[Atom] = []
    return _shape(source, *_trimmed(source, 0, len(source)), expr, atoms), tuple(atoms)


def _shape(source: str, start: int, end: int, expr: Any, atoms: list[Atom]) -> Shape:
    function = expr.call.function if expr.kind == "call" else ""
    if function in _JOINS:
        sign = _JOINS[function]
        texts, trees = list(_flat_text(source, start, end, sign)), list(_flat_tree(expr, function))
        if len(texts) == len(trees):
            parts = (
                _shape(source, *place, tree, atoms)
                for place, tree in zip(texts, trees, strict=True)
            )
            return Shape("and" if sign == "&&" else "or", parts=tuple(parts))
    if function == "!_" and source[start] == "!":
        inner = _trimmed(source, start + 1, end)
        return Shape("not", parts=(_shape(source, *inner, expr.call.args[0], atoms),))
    if function == "_?_:_":
        places = _ternary(source, start, end)
        if len(places) == 3:
            joined = zip(places, expr.call.args, strict=True)
            return Shape(
                "if", parts=tuple(_shape(source, *place, tree, atoms) for place, tree in joined)
            )
    atoms.append(_atom(" ".join(source[start:end].split()), start, expr))
    return Shape("atom", len(atoms) - 1)


def _flat_tree(expr: Any, function: str) -> Iterator[Any]:
    if expr.kind == "call" and expr.call.function == function:
        for arg in expr.call.args:
            yield from _flat_tree(arg, function)
    else:
        yield expr


def _flat_text(source: str, start: int, end: int, sign: str) -> Iterator[tuple[int, int]]:
    start, end = _trimmed(source, start, end)
    places = _split(source, start, end, sign)
    if len(places) == 1 or (sign == "&&" and len(_split(source, start, end, "||")) > 1):
        yield start, end
        return
    for place in places:
        yield from _flat_text(source, *place, sign)


def _atom(text: str, offset: int, expr: Any) -> Atom:
    operator, sides = "", [expr]
    if expr.kind == "select" and expr.select.test_only:
        operator = "has"
    elif expr.kind == "call" and expr.call.function in COMPARISONS:
        operator, sides = COMPARISONS[expr.call.function], list(expressions.parts(expr))
    return Atom(
        source=text,
        offset=offset,
        operator=operator,
        operands=tuple(_operand(side, operator) for side in sides),
        expr=expr,
        operand_exprs=() if operator == "has" else tuple(sides),
    )


def _operand(expr: Any, operator: str) -> Operand:
    if operator == "has":
        return Operand(".".join(expressions.path(expr)), expressions.path(expr))
    measured = _measured(expr)
    names = {expressions.path(one)[0] for one in expressions.walk(expr) if one.kind == "ident"}
    return Operand(
        source=write(expr),
        path=expressions.path(measured if measured is not None else expr),
        measure="size" if measured is not None else "",
        constant=names <= {"params"},
    )


def _measured(expr: Any) -> Any:
    """What size() is taken of; None for anything else."""
    if expr.kind != "call" or expr.call.function != "size":
        return None
    return expressions.parts(expr)[0]


def write(expr: Any) -> str:
    """A tree as text in one line; macros are told by their list and an ellipsis."""
    match expr.kind:
        case "const":
            return _literal(expr.const)
        case "ident":
            return str(expr.name)
        case "select":
            inner = f"{write(expr.select.operand)}.{expr.select.field}"
            return f"has({inner})" if expr.select.test_only else inner
        case "list":
            return f"[{', '.join(write(one) for one in expr.elements)}]"
        case "call":
            return _call(expr.call)
        case "loop":
            return f"{write(expr.loop.iter_range)}…"
        case _:
            return "{…}"


def _call(call: Any) -> str:
    args = [write(arg) for arg in call.args]
    if call.function in _INFIX and len(args) == 2:
        return f"{args[0]} {_INFIX[call.function]} {args[1]}"
    match call.function:
        case "!_" | "-_":
            return f"{call.function[0]}{args[0]}"
        case "_?_:_":
            return f"{args[0]} ? {args[1]} : {args[2]}"
        case "_[_]":
            return f"{args[0]}[{args[1]}]"
        case "duration" if call.args[0].kind == "const":
            return f'duration("{write_duration(span_of(call.args[0].const.string))}")'
        case function:
            target = f"{write(call.target)}." if call.target is not None else ""
            return f"{target}{function}({', '.join(args)})"


def _literal(const: Any) -> str:
    value = const.value
    if const.field == "string":
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


# ---- Text ------------------------------------------------------------------------------------


def _trimmed(source: str, start: int, end: int) -> tuple[int, int]:
    """Without white space and parentheses around the whole."""
    while True:
        while start < end and source[start].isspace():
            start += 1
        while end > start and source[end - 1].isspace():
            end -= 1
        if source[start:end].startswith("(") and _closing(source, start, end) == end - 1:
            start, end = start + 1, end - 1
        else:
            return start, end


def _closing(source: str, start: int, end: int) -> int:
    depth = 0
    for at, letter in _letters(source, start, end):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0:
            return at
    return -1


def _split(source: str, start: int, end: int, sign: str) -> list[tuple[int, int]]:
    """The places between the signs that stand in no parentheses and no text."""
    if _ternary(source, start, end):
        return [(start, end)]
    places, depth, begin, skip = [], 0, start, -1
    for at, letter in _letters(source, start, end):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and at > skip and source.startswith(sign, at):
            places.append((begin, at))
            begin, skip = at + len(sign), at + len(sign) - 1
    return [*places, (begin, end)]


def _ternary(source: str, start: int, end: int) -> list[tuple[int, int]]:
    """The three places of `a ? b : c`; [] where it is none."""
    depth, asked, question = 0, 0, -1
    for at, letter in _letters(source, start, end):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter == "?":
            question = at if question < 0 else question
            asked += 1
        elif depth == 0 and letter == ":":
            asked -= 1
            if asked == 0 and question >= 0:
                whole = ((start, question), (question + 1, at), (at + 1, end))
                return [_trimmed(source, *place) for place in whole]
    return []


def _letters(source: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Places and letters of the code alone: texts in quotes and comments are passed over."""
    at = start
    while at < end:
        letter = source[at]
        if letter in "'\"":
            at = _text_end(source, at, end)
        elif source.startswith("//", at):
            newline = source.find("\n", at, end)
            at = end if newline < 0 else newline
        else:
            yield at, letter
            at += 1


def _text_end(source: str, at: int, end: int) -> int:
    quote = source[at] * 3 if source.startswith(source[at] * 3, at) else source[at]
    raw = at > 0 and source[at - 1] in "rR"
    at += len(quote)
    while at < end and not source.startswith(quote, at):
        at += 2 if source[at] == "\\" and not raw else 1
    return at + len(quote)
