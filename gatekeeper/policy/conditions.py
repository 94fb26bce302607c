"""Conditions: checked against the facts' names and types, with every guard that CEL leaves to us.

An unknown name, a wrong type, a value that may be absent and was not asked for: an error with its
place. What `scope` evaluates is what was asked for or a fault, never anything between. The library
itself is known to `binding` alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from gatekeeper.domain.errors import GatekeeperError, Value
from gatekeeper.policy import expressions
from gatekeeper.policy.atoms import AtomValue
from gatekeeper.policy.base import parse_duration
from gatekeeper.policy.binding import RESULTS, CheckFailed, Environment, is_constant, to_cel
from gatekeeper.policy.expressions import Call, Const, Expr, Tree
from gatekeeper.policy.facts import Facts, Schema, Type
from gatekeeper.policy.flat import flatten
from gatekeeper.policy.hoist import hoist
from gatekeeper.policy.plain import clean_text, param_type
from gatekeeper.policy.reader import Fused, Names, Reader, names_in
from gatekeeper.policy.scope import Condition, Ground, Scope

Want: TypeAlias = Literal["bool", "string", "any"]

LETTERS = 10_000  # a longer condition is refused
_WORDS = (
    "as break const continue else false for function if import in let loop namespace null package "
    "return true var void while"
)
RESERVED = frozenset(_WORDS.split(" "))  # words of the language, which cannot be names
_LONGEST = timedelta(seconds=315_576_000_000)  # CEL's largest duration


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a condition: `offset` counts letters from its start."""

    code: str
    offset: int = 0
    values: Mapping[str, Value] = ()  # type: ignore[assignment]


class ConditionError(GatekeeperError):
    """A condition that cannot be used; `problems` lists everything wrong with it."""

    code = "condition"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(count=len(problems))


class Conditions:
    """One environment: the names and types that conditions may use.

    Args:
        subject: `application` or `member`.
        schema: names and types of the subject.
        params: name to value: bool, int, float, text, timedelta, or a list of one of these.
        variables: name to type, of the expressions compiled so far.
        words: names of texts that are given with each subject, such as `verdict`.
    """

    def __init__(
        self,
        subject: str,
        schema: Schema,
        params: Mapping[str, object],
        variables: Mapping[str, Type] | None = None,
        words: tuple[str, ...] = (),
    ) -> None:
        self.subject, self.subject_schema, self.params = subject, schema, params
        self.variables = dict(variables or {})
        self.words = words
        whole = self._groups = {
            subject: schema,
            "params": {name: param_type(value) for name, value in params.items()},
            "variables": self.variables,
        }
        self._optional = frozenset(_optional(whole))
        self._always = frozenset(_names(whole)) - self._optional
        self._environment = Environment(whole, words)
        read = {name: to_cel(value) for name, value in params.items()}
        reader = Reader(schema, [(name,) for name in schema])
        environment, optional = self._environment, self._optional
        self._ground = Ground(environment, subject, schema, reader, params, read, optional)

    def with_variable(self, name: str, kind: Type) -> "Conditions":
        """The same environment with one more variable."""
        variables = {**self.variables, name: kind}
        return Conditions(self.subject, self.subject_schema, self.params, variables, self.words)

    def with_words(self, *names: str) -> "Conditions":
        """The same environment with texts of these names."""
        return Conditions(
            self.subject, self.subject_schema, self.params, self.variables, (*self.words, *names)
        )

    def compile(self, source: str, want: Want = "bool") -> Condition:
        """Check `source` and make it ready to run.

        Raises:
            ConditionError: all that is wrong with it: condition-syntax, condition-unknown-name,
                condition-wrong-type, condition-wrong-result, condition-too-long,
                condition-bad-text, condition-null, condition-not-checkable, condition-absent,
                condition-always-there, condition-bad-constant.
        """
        if len(source) > LETTERS:
            raise ConditionError((Problem("condition-too-long", 0, {"most": LETTERS}),))
        if clean_text(source) != source:
            raise ConditionError((Problem("condition-bad-text"),))
        try:
            tree, name = self._environment.check(source)
        except CheckFailed as failed:
            raise ConditionError(_problems(str(failed), source)) from None
        kind = RESULTS.get(name)
        asked = {"bool": Type(bool), "string": Type(str)}.get(want)
        if kind is None or (asked and kind != asked):
            values = {"wanted": want, "got": name.lower()}
            raise ConditionError((Problem("condition-wrong-result", 0, values),))
        problems = self._lint(tree)
        if problems:
            raise ConditionError(tuple(problems))
        return Condition(source, kind, self._environment.program(tree), tree)

    def fuse(self, conditions: Sequence[Condition], others: Sequence[Condition]) -> Fused | None:
        """Conditions of this environment as one program; None where the library refuses it.

        Args:
            conditions: those that give true or false.
            others: what is evaluated beside them, so that its names are handed over too.
        """
        # put together from what was checked: to check all of it again takes as long as the first
        # time, in one call during which nothing else runs
        tree, elements = expressions.listed(condition.tree.expr for condition in conditions)
        whole = self._mine(names_in([tree.expr, *(other.tree.expr for other in others)]))
        if () in whole or elements & {*self._groups, "now"}:
            return None  # the subject as a whole is looked at, or a loop's name hides another
        signals = hoist(tree, self._groups, self.params)
        reader = Reader(self.subject_schema, whole)
        params = self._ground.cel_params
        try:
            return flatten(self._environment, tree, self._groups, signals, params, reader)
        except CheckFailed:
            return None

    def _mine(self, names: Iterable[Names]) -> frozenset[Names]:
        """Those of the subject, without its own name."""
        return frozenset(path[1:] for path in names if path[0] == self.subject)

    def scope(
        self,
        values: Mapping[str, object] | Facts,
        variables: Mapping[str, Condition],
        now: datetime,
        words: Mapping[str, str] | None = None,
        fused: Fused | None = None,
    ) -> Scope:
        """One subject to evaluate conditions on; raises ValueError for a naive time."""
        return Scope(self._ground, values, variables, now, words or {}, fused)

    def seen(
        self,
        condition: Condition,
        variables: Mapping[str, Condition],
        facts: Facts,
        now: datetime,
    ) -> tuple[AtomValue, ...]:
        """The atoms of a condition where no scope is needed to see them, else ()."""
        return self._ground.seen(condition, variables, facts, now)

    # ---- what the type checker lets through ---------------------------------------------------

    def _lint(self, tree: Tree) -> list[Problem]:
        """All problems in a checked tree; literal durations with d and w become seconds in it."""
        problems = [
            Problem(
                "condition-absent",
                _start(expr, tree.places()),
                {"name": ".".join(expressions.path(expr))},
            )
            for expr in expressions.unguarded(tree.expr, self._optional)
        ]
        for expr in expressions.walk(tree.expr):
            found = self._look(tree, expr)
            if found:
                code, at, values = found
                problems.append(Problem(code, max(0, _start(at, tree.places())), values))
        return sorted(problems, key=lambda problem: problem.offset)

    def _look(self, tree: Tree, expr: Expr) -> tuple[str, Expr, dict[str, Value]] | None:
        """Code, place and values of what is wrong with `expr` itself, None for nothing."""
        match expr.kind:
            case "const" if expr.const.field == "null":
                return "condition-null", expr, {}
            case "const" if "\x00" in expr.const.string:
                return "condition-bad-text", expr, {}
            case "struct" if expr.name:
                return "condition-not-checkable", expr, {"name": expr.name}
            case "select" if expr.asks and expressions.path(expr) in self._always:
                name = ".".join(expressions.path(expr))
                return "condition-always-there", expr.select.operand, {"name": name}
            case "call" if expr.call.function == "dyn":
                return "condition-not-checkable", expr.call.args[0], {"name": "dyn"}
            case "call":
                return self._constant(tree, expr.call)
            case _:
                return None

    def _constant(self, tree: Tree, call: Call) -> tuple[str, Expr, dict[str, Value]] | None:
        """Evaluates what the compiler leaves for later: regexes, durations, times, zones."""
        text = self._known_text(call.args[-1]) if call.args else None
        if text is None:
            return None
        what = "zone" if call.function.startswith("get") else call.function
        values: dict[str, Value] = {"what": what, "text": text}
        wrong = "condition-bad-constant", call.args[-1], values
        if what == "duration":
            seconds = _seconds(text)
            if seconds is not None and call.args[-1].kind == "const":
                call.args[-1].const, tree.changed = Const("string", seconds), True
            return wrong if seconds is None else None
        return None if is_constant(what, text) else wrong

    def _known_text(self, expr: Expr) -> str | None:
        if expr.kind == "const" and expr.const.field == "string":
            return expr.const.string
        where = expressions.path(expr)
        if len(where) == 2 and where[0] == "params":
            value = self.params.get(where[1])
            return value if isinstance(value, str) else None
        return None


def _optional(schema: Schema, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, kind in schema.items():
        if not isinstance(kind, Type):
            found += _optional(kind, (*before, name))
        elif kind.optional:
            found.append((*before, name))
    return found


def _names(schema: Schema, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, kind in schema.items():
        found.append((*before, name))
        if not isinstance(kind, Type):
            found += _names(kind, (*before, name))
    return found


def _start(expr: Expr, places: Mapping[int, int]) -> int:
    """Where `expr` begins: a selection's own place is its dot, so its first name counts."""
    inside = [places[one.id] for one in expressions.walk(expr) if one.id in places]
    return min(inside, default=0)


def _seconds(text: str) -> str | None:
    """A duration as CEL reads it, None for what is none; days and weeks are ours."""
    sign = "-" if text.startswith("-") else ""
    try:
        span = parse_duration(text.removeprefix("-"))
    except ValueError:
        return None
    return None if span > _LONGEST else f"{sign}{span.total_seconds():f}s"


_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNKNOWN = re.compile(r"undefined field '([^']*)'|undeclared reference to '([^']*)'")
_TYPES = re.compile(r"no matching overload for '([^']*)' applied to '(.*)'")


def _problems(message: str, source: str) -> tuple[Problem, ...]:
    """The compiler's message as problems with their places."""
    lines = source.split("\n")
    problems = []
    for line, column, text in _ERROR.findall(message):
        row = min(max(int(line), 1), len(lines)) - 1
        before = sum(len(one) + 1 for one in lines[:row])
        offset = min(before + max(int(column), 1) - 1, max(len(source) - 1, 0))
        detail = clean_text(text.removesuffix(" [INVALID_ARGUMENT]"))
        unknown, types = _UNKNOWN.search(text), _TYPES.search(text)
        if unknown:
            name = unknown[1] or unknown[2]
            problems.append(Problem("condition-unknown-name", offset, {"name": name}))
        elif types:
            values: dict[str, Value] = {"operator": types[1].strip("_"), "types": types[2]}
            problems.append(Problem("condition-wrong-type", offset, values))
        else:
            problems.append(Problem("condition-syntax", offset, {"detail": detail}))
    return tuple(problems) or (
        Problem("condition-syntax", 0, {"detail": clean_text(message.split("\n")[0])}),
    )
