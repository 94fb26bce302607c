"""Reads a catalogue's file, since every command does: Babel's reader takes four times as long."""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_LINE: Final = re.compile(r'(?:(msgid|msgid_plural|msgstr|msgstr\[\d\]) )?"(.*)"')
_PLURAL: Final = re.compile(r"plural=([^;]+);")


class Po(NamedTuple):
    """What a file holds: a sentence for each plural form, by code, and how a form is chosen."""

    sentences: Mapping[str, tuple[str, ...]]
    plural: str  # as gettext writes it; "0" where every number takes the first form


def read_po(text: str) -> Po:
    """Read a .po file; a code without a sentence is left out.

    Raises:
        ValueError: a line that is neither a comment nor a text in quotes; with its number.
    """
    entries: list[dict[str, str]] = []
    keyword = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        keyword = found[1] or keyword if found else ""
        if not found or not keyword:
            raise ValueError(f"line {number} cannot be read: {line[:80]}")
        if found[1] == "msgid":
            entries.append({})
        said = found[2]
        if "\\" in said:
            said = json.loads(f'"{said}"')  # its escapes are ours: \n, \t, \", \\
        entries[-1][keyword] = entries[-1].get(keyword, "") + said
    sentences, plural = {}, "0"
    for entry in entries:
        forms = tuple(entry[name] for name in sorted(entry) if name.startswith("msgstr"))
        if entry["msgid"] and all(forms):
            sentences[entry["msgid"]] = forms
        elif not entry["msgid"] and (rule := _PLURAL.search("".join(forms))):
            plural = rule[1]
    return Po(sentences, plural)
