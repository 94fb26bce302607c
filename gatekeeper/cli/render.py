"""Tables and plans for people, JSON for machines, errors in one line."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from gatekeeper.domain.errors import BadInput, GatekeeperError, Refused, SettingsError
from gatekeeper.domain.identity import Identity

if TYPE_CHECKING:
    from gatekeeper.policy.findings import Finding


def plain(value: Any) -> Any:
    """A value as JSON has it: identities and times as texts, durations in seconds."""
    if isinstance(value, Identity | PurePath):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(plain(value), ensure_ascii=False, indent=2))


def say(text: str) -> None:
    """A line for people on stdout."""
    print(visible(text))


def note(text: str) -> None:
    """A line beside the result, on stderr."""
    print(visible(text), file=sys.stderr)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout; bare columns between two spaces where it is no terminal."""
    cells = [[_cell(each) for each in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(*head, box=None, pad_edge=False, header_style="bold")
        for row in cells:
            drawn.add_row(*(Text(cell) for cell in row))
        Console(soft_wrap=True).print(drawn)
        return
    widths = [max(len(cell) for cell in column) for column in zip(head, *cells, strict=True)]
    for line in (head, *cells):
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return visible(str(plain(value)))


def visible(text: str) -> str:
    """`text` with control and direction characters shown as marks: no name moves the cursor."""
    return "".join(each if _harmless(each) else f"⟨{ord(each):02X}⟩" for each in text)


def _harmless(letter: str) -> bool:
    if letter == "\n":
        return True
    return letter.isprintable() or letter == "\u00a0"


def error_lines(error: GatekeeperError) -> list[str]:
    """`error: <sentence> [code] — <remedy>`, a line for each fault."""
    from gatekeeper.policy.texts import codes, remedy, sentence

    if isinstance(error, SettingsError):
        return [_line(fault, error.code, remedy(error.code)) for fault in error.faults]
    if findings := getattr(error, "findings", ()):  # of a PolicyError, which is slow to import
        return finding_lines(findings)
    if isinstance(error, BadInput):
        return [
            _line(
                f"{field}: {sentence(code, error.values)}",
                code,
                remedy(code, error.values) or remedy(error.code),
            )
            for field, code in error.problems.items()
        ]
    code = error.reason if isinstance(error, Refused) else error.code
    to_a_person = f"refused.{code}"  # the sentence that somebody in the chat would be told
    said = sentence(to_a_person if to_a_person in codes() else code, error.values)
    if said == f"[{code}]":
        said = str(error.values.get("detail", "")) or str(error)
    nearest = (to_a_person, f"{code}.{error.values.get('reason', '')}", code, error.code)
    told = (remedy(each, error.values) for each in nearest)
    return [_line(said, code, next(filter(None, told), ""))]


def finding_lines(findings: "Iterable[Finding]", language: str = "en") -> list[str]:
    """`error: FILE:LINE:COLUMN: <sentence> [code] — <remedy>`, or `warning: …`, one a line."""
    return [
        _line(
            f"{each.file}:{each.line}:{each.column}: {each.sentence(language)}",
            each.code,
            each.remedy(language),
            each.level,
        )
        for each in findings
    ]


def _line(said: str, code: str, what_to_do: str, level: str = "error") -> str:
    said = " ".join(visible(said).split())
    return f"{level}: {said} [{code}]" + (
        f" — {' '.join(what_to_do.split())}" if what_to_do else ""
    )
