"""Python made from checked conditions: the fast second backend, for many subjects at once.

Only what gives the same as the library is made; for anything else `generate` says what it was,
and the library judges alone. An error inside is a Fault: the library, which absorbs errors where
CEL does, then has the word. No text that people typed becomes code: names come from the schema,
constants enter as values. Source: facts/policy.md, section 5.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from gatekeeper.policy import expressions, running
from gatekeeper.policy.atoms import Atom
from gatekeeper.policy.facts import Facts, Schema, Type
from gatekeeper.policy.hoist import searcher
from gatekeeper.policy.plain import span_of

Bits = Callable[[Facts, datetime], list[bool]]
First = Callable[[Facts, datetime], int]
Look = Callable[[Facts, datetime], tuple[tuple[object, tuple[object, ...]], ...]]

_COMPARE = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_==_": "==", "_!=_": "!="}
_TIMES = {
    "getFullYear": "{}.year", "getMonth": "{}.month - 1", "getDate": "{}.day",
    "getDayOfMonth": "{}.day - 1", "getDayOfWeek": "{}.isoweekday() % 7",
    "getDayOfYear": "{}.timetuple().tm_yday - 1", "getHours": "{}.hour",
    "getMinutes": "{}.minute", "getSeconds": "{}.second",
    "getMilliseconds": "{}.microsecond // 1000",
}  # fmt: skip
_TEXTS = {
    "contains": "({1} in {0})",
    "startsWith": "{0}.startswith({1})", "endsWith": "{0}.endswith({1})",
    "lowerAscii": "_lower({0})", "upperAscii": "_upper({0})", "trim": "_trim({0})",
}  # fmt: skip
BOOL, INT, FLOAT, TEXT = Type(bool), Type(int), Type(float), Type(str)
TIME, SPAN = Type(datetime), Type(timedelta)


class Tree(Protocol):
    """What is taken of a compiled condition: its checked tree."""

    @property
    def tree(self) -> Any:
        """As `serialized.read` gives it, with durations in seconds."""


class CannotGenerate(Exception):
    """Something that only the library evaluates; `what` names it."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Generated:
    """Rules as Python.

    Attributes:
        bits: what every condition gives, in their order; raises anything for a fault.
        first: the index of the first condition that is true, -1 for none; raises likewise.
    """

    bits: Bits
    first: First


@dataclass(slots=True)
class Source:
    """Where names of conditions lead, and what constants the code uses so far."""

    subject: str
    schema: Schema
    params: Mapping[str, object]
    variables: Mapping[str, Tree]
    constants: dict[str, object] = field(default_factory=lambda: dict(running.HELPERS))
    loops: dict[str, tuple[str, Type]] = field(default_factory=dict)
    lines: dict[str, tuple[str, Type]] = field(default_factory=dict)  # variables, worked out first
    most: int = 0  # elements that one loop may go over

    def constant(self, value: object) -> str:
        """The name under which the code finds `value`."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name


def generate(source: Source, conditions: Sequence[Tree | None]) -> Generated:
    """Conditions (None: always true) as one function; raises CannotGenerate."""
    written = [_piece(source, each.tree.expr)[0] if each else "True" for each in conditions]
    head = _head(source)
    chain = "".join(
        f"    if {text}:\n        return {index}\n" for index, text in enumerate(written)
    )
    code = f"def bits{head}    return [{', '.join(written)}]\ndef first{head}{chain}    return -1\n"
    names = _run(code, source.constants)
    return Generated(names["bits"], names["first"])


def generate_atoms(source: Source, atoms: Sequence[Atom]) -> "Look":
    """What each atom gives, and then what its operands do; raises CannotGenerate."""
    seen = "".join(_seen(source, atom, place) for place, atom in enumerate(atoms))
    code = f"def look{_head(source)}    return ({seen})\n"
    look: Look = _run(code, source.constants)["look"]
    return look


def _seen(source: Source, atom: Atom, place: int) -> str:
    whole = _piece(source, atom.expr)[0]
    if atom.operator == "has":
        sides = [f"{_piece(source, _asked(atom.expr))[0]} if {whole} else None"]
    else:
        sides = [_piece(source, part)[0] for part in atom.operand_exprs]
    sign = _COMPARE.get(atom.expr.call.function)
    if sign and len(sides) == 2 and "_too_many" not in whole:  # each side is worked out once
        names = f"l{place}", f"r{place}"
        whole = f"({names[0]} := {sides[0]}) {sign} ({names[1]} := {sides[1]})"
        sides = [*names]
    return f"({whole}, ({''.join(f'{side}, ' for side in sides)})), "


def _head(source: Source) -> str:
    """What stands before everything: the answers, and each variable that is used."""
    answers = "f.answers" if "answers" in source.schema else "None"
    lines = [f"A = {answers}", *(text for text, _ in source.lines.values())]
    return "(f, now):\n" + "".join(f"    {line}\n" for line in lines)


def _run(code: str, constants: Mapping[str, object]) -> dict[str, Any]:
    names: dict[str, Any] = {"__builtins__": {}, **constants}
    try:  # made above from a checked tree: see the module's docstring
        exec(compile(code, "<conditions>", "exec"), names)
    except (SyntaxError, RecursionError, MemoryError):
        raise CannotGenerate("something nested too deeply") from None
    return names


def _asked(expr: Any) -> Any:
    """What has() asks for, as a name."""
    there = expressions.copied(expr)
    there.select.test_only = False
    return there


# ---- Expressions: each gives code and its type -------------------------------------------------


def _piece(source: Source, expr: Any) -> tuple[str, Type]:
    """What the library evaluates in one go: its loops together may take 9,999 steps."""
    before = source.most, source.loops
    source.most = expressions.most_elements(expr)
    source.loops = {}
    try:
        return _code(source, expr)
    finally:
        source.most, source.loops = before


def _code(source: Source, expr: Any) -> tuple[str, Type]:
    match expr.kind:
        case "const":
            return _constant(expr.const)
        case "ident" | "select":
            return _name(source, expr)
        case "list":
            return _list(source, expr.elements)
        case "call":
            return _call(source, expr.call)
        case "loop":
            return _loop(source, expr.loop)
        case kind:
            raise CannotGenerate(kind)


def _constant(const: Any) -> tuple[str, Type]:
    types = {"bool": BOOL, "int": INT, "double": FLOAT, "string": TEXT}
    if const.field in types:
        return repr(const.value), types[const.field]
    raise CannotGenerate("a literal of another kind")


def _name(source: Source, expr: Any) -> tuple[str, Type]:
    path = expressions.path(expr)
    if not path:
        raise CannotGenerate("a field of something worked out")
    if path[0] in source.loops and len(path) == 1:
        return source.loops[path[0]]
    if path[0] in source.loops:
        raise CannotGenerate("a loop whose elements have a name of ours")
    if path == ("now",):
        return "now", TIME
    if path[0] == "params" and len(path) == 2:
        return _param(source, source.params[path[1]])
    if path[0] == "variables" and len(path) == 2:
        return _variable(source, path[1])
    if path[0] != source.subject or len(path) not in {2, 3}:
        raise CannotGenerate(".".join(path))
    return _field(source, path, expr.asks)


def _variable(source: Source, name: str) -> tuple[str, Type]:
    """Worked out before all else, as the library does; a fault in it is left to the library."""
    local = f"x_{name}"
    if name not in source.lines:
        text, kind = _piece(source, source.variables[name].tree.expr)
        source.lines[name] = (f"{local} = {text}", kind)
    return local, source.lines[name][1]


def _field(source: Source, path: tuple[str, ...], asked: bool) -> tuple[str, Type]:
    kind: Any = source.schema
    for step in path[1:]:
        kind = kind[step]
    if not isinstance(kind, Type):
        raise CannotGenerate(".".join(path))
    inside = len(path) == 3
    if asked:
        return (
            f"(A.get({path[2]!r}) is not None)" if inside else f"(f.{path[1]} is not None)"
        ), BOOL
    text = f"A[{path[2]!r}]" if inside else f"f.{path[1]}"
    if inside:  # the model of the facts takes any answer: its type is looked at here
        text = f"_answer({text}, {source.constant(kind)})"
    elif kind.scalar is str:
        text = f"_texts({text})" if kind.many else f"_clean({text})"
    return text, Type(kind.scalar, kind.many)


def _param(source: Source, value: object) -> tuple[str, Type]:
    if isinstance(value, list | tuple):
        kind = Type(type(value[0]) if value else str, many=True)
        return source.constant(list(value)), kind
    if isinstance(value, bool | int | float | str | datetime | timedelta):
        return source.constant(value), Type(type(value))
    raise CannotGenerate(f"a param that is {type(value).__name__}")


def _list(source: Source, elements: Sequence[Any]) -> tuple[str, Type]:
    written = [_code(source, element) for element in elements]
    kinds = {kind for _, kind in written} or {TEXT}
    if len(kinds) != 1:
        raise CannotGenerate("a list of different things")
    kind = kinds.pop()
    if kind.many:
        raise CannotGenerate("a list of lists")
    return f"[{', '.join(text for text, _ in written)}]", Type(kind.scalar, many=True)


def _call(source: Source, call: Any) -> tuple[str, Type]:
    function = call.function
    if function in {"matches", "duration", "timestamp"}:
        return _fixed(source, call)
    args = list(call.args)
    if call.target is not None:
        args.insert(0, call.target)
    if function in _TIMES:
        return _time(source, function, args)
    written = [_code(source, arg) for arg in args]
    texts, kinds = [text for text, _ in written], [kind for _, kind in written]
    match function:
        case "_&&_" | "_||_":
            return f"({texts[0]} {'and' if function == '_&&_' else 'or'} {texts[1]})", BOOL
        case "!_":
            return f"(not {texts[0]})", BOOL
        case "_?_:_":
            return f"({texts[1]} if {texts[0]} else {texts[2]})", kinds[1]
        case "@in":
            return f"({texts[0]} in {_entries(source, args[1], texts[1], kinds[1])})", BOOL
        case "size" if kinds[0] == TEXT or kinds[0].many:
            return f"len({texts[0]})", INT
        case "-_" if kinds[0] in {INT, FLOAT}:
            return (f"_int(-{texts[0]})" if kinds[0] == INT else f"(-{texts[0]})"), kinds[0]
        case _ if function in _COMPARE:
            return f"({texts[0]} {_COMPARE[function]} {texts[1]})", BOOL
        case _ if function in _TEXTS:
            kind = TEXT if function[:4] in {"lowe", "uppe", "trim"} else BOOL
            return _TEXTS[function].format(*texts), kind
        case _:
            return _arithmetic(function, texts, kinds)


def _entries(source: Source, expr: Any, text: str, kind: Type) -> str:
    """A constant list of texts as a set."""
    path = expressions.path(expr)
    if kind.scalar is str and path[:1] == ("params",):
        value: Any = source.params[path[1]]
        return source.constant(frozenset(value))
    elements = list(expr.elements) if expr.kind == "list" else []
    if elements and all(one.const.field == "string" for one in elements):
        return source.constant(frozenset(one.const.string for one in elements))
    return text


def _arithmetic(function: str, texts: list[str], kinds: list[Type]) -> tuple[str, Type]:
    if len(texts) != 2 or any(kind.many for kind in kinds):
        raise CannotGenerate(function)
    sides = (kinds[0].scalar, kinds[1].scalar)
    plain = f"({texts[0]} {function[1:2]} {texts[1]})"
    if sides == (int, int):
        divided = {"_/_": "_divided", "_%_": "_rest"}
        if function in divided:
            return f"{divided[function]}({texts[0]}, {texts[1]})", INT
        if function in {"_+_", "_-_", "_*_"}:
            return f"(i if _least <= (i := {plain}) <= _most else _int(i))", INT
    results: dict[tuple[str, type, type], Type] = {
        ("_+_", str, str): TEXT,
        ("_-_", datetime, datetime): SPAN,
        ("_+_", datetime, timedelta): TIME,
        ("_+_", timedelta, datetime): TIME,
        ("_-_", datetime, timedelta): TIME,
        ("_+_", timedelta, timedelta): SPAN,
        ("_-_", timedelta, timedelta): SPAN,
        **{(sign, float, float): FLOAT for sign in ("_+_", "_-_", "_*_", "_/_")},
    }
    kind = results.get((function, *sides))
    if kind is None:
        raise CannotGenerate(function)
    if kind == SPAN:  # bounds are written out: a call would cost as much again
        return f"(s if _shortest < (s := {plain}) < _longest else _too_long())", kind
    return plain, kind


def _fixed(source: Source, call: Any) -> tuple[str, Type]:
    """Calls with a literal or a param, worked out now."""
    last = call.args[-1]
    path = expressions.path(last)
    known: object = None
    if last.kind == "const" and last.const.field == "string":
        known = last.const.string
    elif len(path) == 2 and path[0] == "params":
        known = source.params[path[1]]
    if not isinstance(known, str):
        raise CannotGenerate(f"{call.function} of something worked out")
    match call.function:
        case "matches":
            target = call.target if call.target is not None else call.args[0]
            text, _ = _code(source, target)
            return f"{source.constant(searcher(known))}({text})", BOOL
        case "duration":
            return source.constant(span_of(known)), SPAN
        case _:
            return source.constant(running.time_of(known)), TIME


def _time(source: Source, function: str, args: list[Any]) -> tuple[str, Type]:
    text, kind = _code(source, args[0])
    if kind != TIME:
        raise CannotGenerate(f"{function} of a duration")
    zone = "UTC"
    if len(args) == 2:
        if args[1].kind != "const":
            raise CannotGenerate(f"{function} in a zone worked out")
        zone = args[1].const.string
    try:
        there = source.constant(ZoneInfo(zone))
    except (ValueError, OSError, KeyError):
        raise CannotGenerate(f"the zone {zone}") from None
    return f"({_TIMES[function].format(f'{text}.astimezone({there})')})", INT


def _loop(source: Source, loop: Any) -> tuple[str, Type]:
    """The macros exists and all; what map and filter give is no condition by itself."""
    over, kind = _code(source, loop.iter_range)
    ends = {"_||_": "any", "_&&_": "all"}
    step = loop.step.call if loop.step.kind == "call" else None
    if not kind.many or step is None or step.function not in ends or len(step.args) != 2:
        raise CannotGenerate("a macro")
    start = loop.accu_init.kind == "const" and loop.accu_init.const
    accu, result = expressions.path(step.args[0]), expressions.path(loop.result)
    if not start or start.value is not (step.function == "_&&_") or accu != result:
        raise CannotGenerate("a macro")
    name = f"v{len(source.loops)}"
    before = source.loops
    source.loops = {**before, loop.iter_var: (name, Type(kind.scalar))}
    try:
        inner, _ = _code(source, step.args[1])
    finally:
        source.loops = before
    ended, empty = ends[step.function], step.function == "_&&_"
    few = f"(l if len(l) <= {source.most} else _too_many())"
    return f"({ended}([{inner} for {name} in {few}]) if (l := {over}) else {empty})", BOOL
