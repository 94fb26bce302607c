"""Files that people name: read as text, or refused before they could hang us or fill the memory."""

import os
import stat
from pathlib import Path
from typing import Final

from gatekeeper.domain.errors import SettingsError

MOST: Final = 4_000_000  # bytes; far more than any policy, its cases or facts may have


class Unreadable(SettingsError):
    """A file that cannot be read; `detail` says why."""

    def __init__(self, what: str, path: Path, detail: str) -> None:
        self.detail = detail
        super().__init__((f"{what}: {path}: {detail}",))


def read_text(path: Path, what: str = "policy") -> str:
    """The text of a plain file, its line ends as \\n.

    Args:
        what: is named with what is wrong.

    Raises:
        Unreadable: not there, not ours to read, no plain file (a device or a pipe has no end),
            larger than `MOST`, or no UTF-8.
    """
    try:
        read = _bytes(path)
    except (OSError, ValueError) as fault:
        detail = getattr(fault, "strerror", None) or str(fault)
        raise Unreadable(what, path, detail) from None
    if len(read) > MOST:
        raise Unreadable(what, path, f"has more than {MOST} bytes")
    try:
        text = read.decode()
    except UnicodeDecodeError as fault:
        line = read.count(b"\n", 0, fault.start) + 1
        raise Unreadable(what, path, f"is not UTF-8 text, first in line {line}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        kind = os.fstat(handle).st_mode
        if not stat.S_ISREG(kind):
            raise ValueError("is a folder" if stat.S_ISDIR(kind) else "is no plain file")
        return file.read(MOST + 1)
