"""YAML with places: where in a file each value stands, and what was found wrong there."""

import re
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

import yaml
from yaml.constructor import ConstructorError

from gatekeeper.domain.errors import Value
from gatekeeper.policy.findings import Finding, in_order

LETTERS = 500_000  # a longer file is refused
DEPTH = 100  # mappings and lists inside one another; more are refused
VALUES = LETTERS  # keys and values; where aliases stand for more, memory would fill
MOST = 1000  # findings of one file

Path: TypeAlias = tuple[str | int, ...]


class Enough(Exception):
    """So much is wrong with a file that nobody would read more of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A YAML node and, where it is the value of a key, the key's node."""

    node: yaml.Node
    key: yaml.Node | None = None


def find(node: yaml.Node, path: Path) -> Place:
    """The place at `path`, or the deepest one on the way that exists."""
    place = Place(node)
    for step in path:
        inside = _step(place.node, step)
        if inside is None:
            break
        place = inside
    return place


def _step(node: yaml.Node, step: str | int) -> Place | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return Place(node.value[step])
    return _keys(node).get(str(step)) if isinstance(node, yaml.MappingNode) else None


_KEYS: Final[WeakKeyDictionary[yaml.Node, dict[str, Place]]] = WeakKeyDictionary()


def _keys(node: yaml.MappingNode) -> dict[str, Place]:
    """The values of a mapping by their keys, the first of two alike; looked up many times."""
    known = _KEYS.get(node)
    if known is None:
        known = _KEYS[node] = {}
        for key, value in node.value:
            if isinstance(key.value, str):
                known.setdefault(key.value, Place(value, key))
    return known


def position(text: str, node: yaml.Node, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of letter `offset` of the text that the scalar `node` holds.

    The letters are found again in the source one by one, so that quotes, folded lines and
    indentation are counted; where that fails (an escape), the start of the node is given.
    """
    at, end = node.start_mark.index, node.end_mark.index
    start = (node.start_mark.line + 1, node.start_mark.column + 1)
    if not isinstance(node, yaml.ScalarNode):
        return start
    if node.style in {"|", ">"}:
        at = text.index("\n", at) + 1
    elif node.style in {"'", '"'}:
        at += 1
    for index, letter in enumerate(node.value):
        if letter.isspace():
            if index == offset:
                break
            continue
        while at < end and text[at] != letter:
            at += 1
        if at >= end:
            return start
        if index >= offset:
            break
        at += 1
    line = text.count("\n", 0, at)
    return line + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def short(value: object) -> str:
    """What somebody wrote, as it stands in a sentence; of much only the beginning."""
    return (value if isinstance(value, str) else reprlib.repr(value))[:100]


def what_fails(error: Mapping[str, Any]) -> str:
    """What pydantic found, one error of many, in words for people."""
    kind, context, said = error["type"], error.get("ctx", {}), str(error["msg"])
    if kind in {"too_long", "too_short"}:
        bound = f"at most {context['max_length']}" if kind == "too_long" else "at least 1"
        if context.get("min_length", 1) == 1:
            return f"{bound} can stand here, not {context['actual_length']}"
    if kind.startswith(("datetime_", "timezone_", "date_")):
        return "it is no time with its zone, like 2026-03-01T12:00:00Z"
    said = said.removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def is_plain(text: str) -> bool:
    """Whether PyYAML's reader in C, ten times as fast, reads `text` with the same places.

    It falls over deep nesting without a word, words faults otherwise, and counts no byte order
    mark: all that is left to the reader in Python.
    """
    if not yaml.__with_libyaml__ or text.startswith("\ufeff"):
        return False
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            starts = isinstance(event, yaml.CollectionStartEvent)
            depth += starts - isinstance(event, yaml.CollectionEndEvent)
            if depth >= DEPTH:  # at the edge, too: what is inside counts as well
                return False
    except (yaml.YAMLError, ValueError):
        return False
    return True


class _Placed:
    """A reader that says where the value stands that it can make nothing of."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the library does; ConstructorError with a place instead of what it may raise."""
        try:
            return super().construct_object(node, deep)  # type: ignore[misc]
        except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as fault:
            detail = str(fault).split(";")[0]
            raise ConstructorError(None, None, detail, node.start_mark) from None


class _Reader(_Placed, yaml.SafeLoader): ...


class _FastReader(_Placed, yaml.CSafeLoader): ...


def _too_deep(text: str) -> yaml.Mark | None:
    """Where far too many mappings and lists stand inside one another: found before the slower
    reader goes down there, which would take it seconds. None where that is nowhere, or where the
    quicker one reads no further; the slower one then says why."""
    depth = 0
    with suppress(yaml.YAMLError, UnicodeError):
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            starts = isinstance(event, yaml.CollectionStartEvent)
            depth += starts - isinstance(event, yaml.CollectionEndEvent)
            if depth > 2 * DEPTH:  # what is a little too deep is told where it begins
                return cast(yaml.Mark, event.start_mark)
    return None


class _Size(NamedTuple):
    """Of a node, with what its aliases stand for: keys and values, and levels of them."""

    values: int
    depth: int


_SCALAR: Final = yaml.ScalarNode
_ANCHOR: Final = re.compile(r"&[\w-]")  # or what looks like one
_OPEN: Final = _Size(0, 0)  # of a node that is being looked at


class Sheet:
    """One file and what was found wrong in it so far."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.findings: list[Finding] = []
        self._sizes: dict[int, _Size] = {}  # of nodes, by id; the file's tree keeps them alive

    def sorted(self) -> tuple[Finding, ...]:
        """All findings in the order of the file."""
        return in_order(self.findings)

    def has_errors(self) -> bool:
        """Whether anything was found that keeps the file from being used."""
        return any(one.level == "error" for one in self.findings)

    def add(self, line: int, column: int, code: str, /, **values: Value) -> None:
        """A finding at a line and column, from 1; raises Enough where there are very many."""
        if len(self.findings) >= MOST:
            more = {"most": MOST}
            self.findings[MOST:] = [Finding(self.name, line, column, "too-many-findings", more)]
            raise Enough
        self.findings.append(Finding(self.name, line, column, code, values))

    def at(self, node: yaml.Node, path: Path, code: str, /, **values: Value) -> None:
        """A finding at the value at `path` inside `node`."""
        mark = find(node, path).node.start_mark
        self.add(mark.line + 1, mark.column + 1, code, **values)

    def at_key(self, node: yaml.Node, path: Path, code: str, /, **values: Value) -> None:
        """A finding at the key at `path` inside `node`."""
        place = find(node, path)
        mark = (place.key or place.node).start_mark
        self.add(mark.line + 1, mark.column + 1, code, **values)

    def at_letter(
        self, node: yaml.Node, path: Path, offset: int, code: str, /, **values: Value
    ) -> None:
        """A finding at letter `offset` of the text at `path` inside `node`."""
        line, column = position(self.text, find(node, path).node, offset)
        self.add(line, column, code, **values)

    def documents(self) -> Iterator[tuple[yaml.Node, Any]]:
        """Node and plain data of every YAML document, until something cannot be read."""
        try:
            plain = is_plain(self.text)
            if not plain and (mark := _too_deep(self.text)):
                self._at_mark(mark, "yaml-too-deep", most=DEPTH)
                return
            loader = (_FastReader if plain else _Reader)(self.text)
            look = self._is_simple if plain and not _ANCHOR.search(self.text) else self._is_sound
            while loader.check_node():
                node = loader.get_node()
                if node is not None and look(node):
                    yield node, loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.add(line, column, "yaml-syntax", detail=error.problem or "")
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            column = error.position - (before.rfind("\n") + 1) + 1
            detail = f"character #x{ord(str(error.character)[:1] or '?'):04x}"
            if isinstance(error.character, int):
                detail = f"character #x{error.character:04x}"
            self.add(before.count("\n") + 1, column, "yaml-syntax", detail=detail)
        except RecursionError:  # where the two readers differ about what stands in what
            self.add(1, 1, "yaml-too-deep", most=DEPTH)

    def _at_mark(self, mark: yaml.Mark, code: str, **values: Value) -> None:
        self.add(mark.line + 1, mark.column + 1, code, **values)

    def _is_simple(self, root: yaml.Node) -> bool:
        """The same of what is not too deep and names nothing for aliases: no value stands for
        more than its own letters."""
        left = [root]
        while left:
            node = left.pop()
            if isinstance(node, yaml.MappingNode):
                self._duplicates(node)
                left += [one for pair in node.value for one in pair if type(one) is not _SCALAR]
            elif isinstance(node, yaml.SequenceNode):
                left += node.value
        return True

    def _is_sound(self, root: yaml.Node) -> bool:
        """Whether a document may be made of it: no endless one, and none that fills the memory."""
        before = len(self.findings)
        if self._look(root).values > VALUES:
            self._at_mark(root.start_mark, "yaml-too-large", most=VALUES)
        return not any(one.code.startswith("yaml-") for one in self.findings[before:])

    def _look(self, node: yaml.Node) -> "_Size":
        """How large a node is, with what its aliases stand for; a finding for what is odd.

        What an alias names is looked at once, however often it is used.
        """
        known = self._sizes.get(id(node))
        if known is not None:
            if known is _OPEN:
                self._at_mark(node.start_mark, "yaml-circle")
            return known
        self._sizes[id(node)] = _OPEN
        inside = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            self._duplicates(node)
            inside = [each for pair in node.value for each in pair]
        sizes = [self._look(each) for each in inside]
        depth = 1 + max((each.depth for each in sizes), default=0)
        if depth == DEPTH + 1:
            self._at_mark(node.start_mark, "yaml-too-deep", most=DEPTH)
        size = _Size(1 + sum(each.values for each in sizes), depth)
        self._sizes[id(node)] = size
        return size

    def _duplicates(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key.value, str):  # any other is no key, which the reader says
                if key.value in seen:
                    self._at_mark(key.start_mark, "duplicate-key", name=key.value)
                seen.add(key.value)
