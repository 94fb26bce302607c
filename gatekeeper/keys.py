"""The four keys of a club: files of the data folder that nobody but their owner may read.

They are the only part of a club that no database holds; a backup without them can be read, but
its record cannot be verified and its vault not be opened.
"""

import base64
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatekeeper.domain.errors import SettingsError

NAMES: Final = ("record", "session", "vault", "pass")
LENGTH: Final = 32  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """32 random bytes each.

    Attributes:
        record: seals the record of decisions.
        session: signs the cookies of the web pages.
        vault: encrypts tokens and login states in the database.
        passes: for the digests of personal links and codes.
    """

    record: bytes
    session: bytes
    vault: bytes
    passes: bytes


def are_there(folder: Path) -> bool:
    """Whether any key is there: the club has begun already."""
    return any((folder / f"{name}.key").exists() for name in NAMES)


def make_keys(folder: Path) -> tuple[str, ...]:
    """Write the keys that are missing, 0600; an existing one is never touched.

    Returns:
        The names of those made now.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    for name in NAMES:
        try:
            handle = os.open(folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(LENGTH)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        made.append(name)
    return tuple(made)


def key_faults(folder: Path) -> tuple[str, ...]:
    """What is wrong with the keys, a sentence each; none of them is shown."""
    return _read(folder)[1]


def load_keys(folder: Path) -> Keys:
    """Read the keys.

    Raises:
        SettingsError: one is missing, damaged, or open to others than its owner.
    """
    found, faults = _read(folder)
    if faults:
        raise SettingsError(faults)
    return Keys(found["record"], found["session"], found["vault"], found["pass"])


def _read(folder: Path) -> tuple[dict[str, bytes], tuple[str, ...]]:
    found: dict[str, bytes] = {}
    faults = []
    for name in NAMES:
        file = folder / f"{name}.key"
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
            key = base64.b64decode(file.read_bytes(), validate=False)
        except OSError as fault:
            faults.append(f"{file}: {fault.strerror}; `gatekeeper init` makes what is missing")
            continue
        except ValueError:
            key = b""
        if mode & 0o077:
            faults.append(f"{file}: others may read it ({mode:04o}); run: chmod 600 {file}")
        elif len(key) != LENGTH:
            faults.append(f"{file}: damaged; put it back from the backup")
        else:
            found[name] = key
    return found, tuple(faults)
