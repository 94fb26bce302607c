"""YAML with places: where in a file each value stands, and what was found wrong there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from gatekeeper.domain.errors import Value
from gatekeeper.policy.findings import Finding, in_order

LETTERS = 500_000  # a longer file is refused
DEPTH = 100  # mappings and lists inside one another that the reader in C is trusted with

Path: TypeAlias = tuple[str | int, ...]


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
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return Place(value, key)
    return None


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
            if depth > DEPTH:
                return False
    except (yaml.YAMLError, ValueError):
        return False
    return True


class Sheet:
    """One file and what was found wrong in it so far."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.findings: list[Finding] = []
        self._looked_at: set[int] = set()  # ids of nodes; the file's one tree keeps them alive

    def sorted(self) -> tuple[Finding, ...]:
        """All findings in the order of the file."""
        return in_order(self.findings)

    def has_errors(self) -> bool:
        """Whether anything was found that keeps the file from being used."""
        return any(one.level == "error" for one in self.findings)

    def add(self, line: int, column: int, code: str, /, **values: Value) -> None:
        """A finding at a line and column, from 1."""
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
            loader = (yaml.CSafeLoader if is_plain(self.text) else yaml.SafeLoader)(self.text)
            while loader.check_node():
                node = loader.get_node()
                if node is not None:
                    self._duplicates(node)
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
        except (ValueError, RecursionError) as error:
            self.add(1, 1, "yaml-syntax", detail=str(error))

    def _duplicates(self, node: yaml.Node) -> None:
        if id(node) in self._looked_at:
            return  # an alias: looked at where it was named, however often it is used
        self._looked_at.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    mark = key.start_mark
                    self.add(mark.line + 1, mark.column + 1, "duplicate-key", name=str(key.value))
                seen.add(str(key.value))
                self._duplicates(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self._duplicates(value)
