"""What is handed over to the library: of a subject's facts, only what is looked at."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gatekeeper.policy import expressions
from gatekeeper.policy.binding import Program, converter, elements, stamp
from gatekeeper.policy.facts import Facts, Schema, Type, typed_answer
from gatekeeper.policy.hoist import Signal, searchers
from gatekeeper.policy.moments import DAY, EPOCH, FIRST, LAST, LONGEST, SECOND
from gatekeeper.policy.plain import LEAST, MOST, clean_text, fitting

Names = tuple[str, ...]
Convert = Callable[[Any], Any]
Bits = Callable[[Facts, Mapping[str, object], datetime], list[bool] | None]


class Unreadable(ValueError):
    """Facts with a value of another type than its name has; says which."""

    BEGINS = "facts that cannot be read: "

    def __init__(self, what: str) -> None:
        super().__init__(self.BEGINS + what)


class Reader:
    """Takes from a subject's facts what some conditions look at, ready for the library.

    Args:
        schema: names and types of the subject.
        names: what is looked at, without the subject's own name.
    """

    def __init__(self, schema: Schema, names: Iterable[Names]) -> None:
        self._single: list[tuple[str, Type, Convert | None]] = []
        self._groups: dict[str, list[tuple[str, Type, Convert | None]]] = {}
        for path in sorted(names):
            kind = schema[path[0]] if path else None
            if isinstance(kind, Type):
                self._single.append((path[0], kind, converter(kind)))
            elif isinstance(kind, Mapping):
                inside = self._groups.setdefault(path[0], [])
                wanted = path[1:2] or tuple(kind)  # a group as a whole is all that is in it
                inside += [(n, t, converter(t)) for n in wanted if isinstance(t := kind[n], Type)]

    def __call__(self, facts: Facts) -> dict[str, Any]:
        """By name; what is absent is left out.

        Raises:
            Unreadable: a value of another type, or a time without a zone.
        """
        values = facts.__dict__
        read: dict[str, Any] = {}
        try:
            for name, kind, convert in self._single:
                value = values[name]
                if value is not None:
                    if type(value) is not kind.scalar and not kind.many:
                        value = fitting(value, kind.scalar)
                    read[name] = convert(value) if convert else value
            for group, fields in self._groups.items():
                inside = read[group] = {}
                given = values[group]
                for name, kind, convert in fields:
                    value = given.get(name)
                    if value is not None:
                        value = typed_answer(value, kind)
                        if type(value) is not kind.scalar and not kind.many:
                            value = fitting(value, kind.scalar)
                        inside[name] = convert(value) if convert else value
        except ValueError as wrong:
            raise Unreadable(f"{name}: {wrong}") from None
        return read


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a subject's facts, and what becomes of it.

    Attributes:
        name: of the field, or of the answer.
        value: under which name the value is handed over; "" where the program needs it not.
        moment: under which name a time or span is handed over in microseconds; "" likewise.
        asked: under which name it is told whether it is there; "" where nothing asks.
        signals: what is worked out from it.
        needed: all names that the program looks at.
    """

    name: str
    kind: Type
    convert: Convert | None
    value: str
    moment: str
    asked: str
    signals: tuple[Signal, ...]
    needed: frozenset[str]


def flat_bits(
    entries: tuple[Iterable[Entry], Iterable[Entry]],
    params: Mapping[str, object],
    now: tuple[str, str],
    program: Program | None,
    places: Sequence[int | str],
) -> Bits:
    """What takes all that a flat program looks at from a subject's facts, and runs it.

    It is code of its own, as a loop over the entries takes three times as long: names come from
    the schema, all else enters as constants. It raises Unreadable.

    Args:
        entries: of the facts' own fields, and of answers.
        params: that the program looks at, by its names for them.
        now: under which name it looks at `now` as a time, and in microseconds; "" for not.
        program: of all conditions that are more than one test; None for none.
        places: for each condition its place in what the program gives, or the name of its test.
    """
    code = _Code({"_params": params, "_run": program.values if program else None})
    code.lines += [
        "def bits(f, more, now):",
        "    if now.tzinfo is None:",
        f"        {code.constant(stamp)}(now)",  # refuses it
        "    r = {**_params, **more}" if params else "    r = {**more}",
    ]
    for entry in entries[0]:
        code.take(entry, f"f.{entry.name}")
    answers = list(entries[1])
    code.lines += ["    A = f.answers"] if answers else []
    for entry in answers:
        code.take(entry, f"A.get({entry.name!r})")
    if now[0]:
        code.lines.append(f"    r[{now[0]!r}] = {code.constant(stamp)}(now)")
    if now[1]:
        code.moment(now[1], "now", datetime)
    written = [code.locals[one] if isinstance(one, str) else f"g[{one}]" for one in places]
    count = sum(isinstance(one, int) for one in places)
    if program:
        unfit = f"type(g) is not {code.constant(list)} or len(g) != {count}"
        code.lines += ["    g = _run(r)", f"    if {unfit}:", "        return None"]
    sound = f"[*map(type, b)].count({code.constant(bool)}) == {len(written)}"
    return code.made([f"    b = [{', '.join(written)}]", f"    return b if {sound} else None"])


_BUILTINS: Mapping[str, Any] = {"type": type, "len": len, "map": map}


class _Code:
    """The lines of one function, and the constants that it knows."""

    def __init__(self, constants: Mapping[str, Any]) -> None:
        self.constants: dict[str, Any] = {**constants, **_BUILTINS, "_fit": _fit}
        self.lines: list[str] = []
        self.locals: dict[str, str] = {}  # of signals

    def constant(self, value: object) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def take(self, entry: Entry, source: str) -> None:
        """Read one value and whatever is worked out from it."""
        self.lines.append(f"    v = {source}")
        if entry.asked:
            self.lines.append(f"    r[{entry.asked!r}] = v is not None")
        absent = self._signals_absent(entry)
        if absent:
            self.lines += ["    if v is None:", f"        {absent}", "    else:"]
        else:
            self.lines.append("    if v is not None:")
        if entry.kind.many:
            self.lines += [
                f"        if type(v) is {self.constant(tuple)}:",
                f"            v = {self.constant(list)}(v)",
            ]
        self.lines += [f"        if {self._unfit(entry.kind)}:"]
        self.lines.append(f"            v = _fit({entry.name!r}, v, {self.constant(entry.kind)})")
        if entry.moment:
            self.moment(entry.moment, "v", entry.kind.scalar, "    ")
        if entry.value:
            convert = f"{self.constant(entry.convert)}(v)" if self._converts(entry) else "v"
            self.lines.append(f"        r[{entry.value!r}] = {convert}")
        self._signals(entry)

    def _unfit(self, kind: Type) -> str:
        """Asks whether a value needs another look: not of its type, too large, not clean."""
        if kind.many and kind.scalar is str:
            return f"not {self.constant(_plain_texts)}(v)"
        if kind.many:
            return "True"
        unfit = f"type(v) is not {self.constant(kind.scalar)}"
        if kind.scalar is int:
            unfit += f" or not {LEAST} <= v <= {MOST}"
        elif kind.scalar is datetime:
            unfit += " or v.tzinfo is None"
        elif kind.scalar is str:
            unfit += " or not v.isascii() or '\\0' in v"
        return unfit

    @staticmethod
    def _converts(entry: Entry) -> bool:
        return entry.kind.scalar in {datetime, timedelta} and not entry.kind.many

    def moment(self, name: str, source: str, kind: type, indent: str = "") -> None:
        """Hand a time or span over in microseconds, as `moments.micros` counts them, which would
        be slower to call; beyond its bounds nothing is told."""
        low, high = (FIRST, LAST) if kind is datetime else (-LONGEST, LONGEST)
        since = f" - {self.constant(EPOCH)}" if kind is datetime else ""
        self.lines += [
            f"{indent}    d = {source}{since}",
            f"{indent}    n = (d.days * {DAY} + d.seconds) * {SECOND} + d.microseconds",
            f"{indent}    if not {low} <= n <= {high}:",
            f"{indent}        return None",
            f"{indent}    r[{name!r}] = n",
        ]

    def _signals_absent(self, entry: Entry) -> str:
        for one in entry.signals:
            self.locals[one.name] = f"t{len(self.locals)}"
        names = [self.locals[one.name] for one in entry.signals]
        return " = ".join([*names, "None"]) if names else ""

    def _signals(self, entry: Entry) -> None:
        searched = [one for one in entry.signals if one.test is None]
        if searched:
            found = self.constant(searchers([one.pattern for one in searched]))
            names = ", ".join(self.locals[one.name] for one in searched)
            self.lines.append(f"        {names}, = {found}(v)")
        for one in entry.signals:
            local = self.locals[one.name]
            if one.test is not None:
                text = f"{self.constant(one.test)}(v)"
                short = f" if len(v) <= {one.most} else None" if one.most else ""
                self.lines.append(f"        {local} = {text}{short}")
            if one.name in entry.needed:
                check = f"if {local} is not None: " if one.most else ""
                self.lines.append(f"        {check}r[{one.name!r}] = {local}")

    def made(self, last: Iterable[str]) -> Bits:
        names: dict[str, Any] = {"__builtins__": {}, **self.constants}
        exec("\n".join([*self.lines, *last]), names)  # made above from the schema
        bits: Bits = names["bits"]
        return bits


_ONLY_TEXTS = {str}


def _plain_texts(values: Any) -> bool:
    """Whether it is a list of texts that can be handed over as it is."""
    if type(values) is not list or not {*map(type, values)} <= _ONLY_TEXTS:
        return False
    joined = "".join(values)
    return joined.isascii() and "\0" not in joined


def _fit(name: str, value: Any, kind: Type) -> Any:
    """A value made fit, its texts clean, a list as the library takes it; raises Unreadable."""
    if type(value) is str and kind.scalar is str and not kind.many:
        return clean_text(value)  # most are: what is not ASCII comes here
    try:
        value = typed_answer(value, kind)
        if kind.many:
            return elements(kind.scalar, value)
        value = fitting(value, kind.scalar)
        return clean_text(value) if kind.scalar is str else value
    except ValueError as wrong:
        raise Unreadable(f"{name}: {wrong}") from None


@dataclass(frozen=True, slots=True)
class Fused:
    """Many conditions at once: a program that gives a list of booleans, and what needs none.

    Attributes:
        bits: what each condition gives on facts at a time, in their order; None where one has a
            fault. It takes the values of variables by the names that the program has for them;
            it raises Unreadable, and ValueError for a naive time.
        variables: these names.
        whole: hands over what these conditions look at when they are evaluated one by one, and
            what variables and explanations look at.
    """

    bits: Bits
    variables: Mapping[str, str]
    whole: Reader


def names_in(exprs: Iterable[Any]) -> frozenset[Names]:
    """Every name that these look at, each in its full length."""
    found: set[Names] = set()
    left = list(exprs)
    while left:
        expr = left.pop()
        name = expressions.path(expr) if expr.kind in {"ident", "select"} else ()
        if name:
            found.add(name)
        else:
            left += expressions.parts(expr)
    return frozenset(found)
