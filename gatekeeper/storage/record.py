"""The record of decisions: rows chained by a keyed seal, inputs apart from it and erasable.

The seal of a row is an HMAC-SHA256, with a key that no database holds, over all its columns and
the seal before it. The input is not in it, but a digest with a random salt that lies beside the
input: without the salt nobody can guess an erased input from its digest.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

SEALED: Final = (
    "club",
    "sequence",
    "at",
    "actor",
    "subject",
    "verdict",
    "code",
    "sentence",
    "policy",
    "input_digest",
)


def seal(key: bytes, row: Mapping[str, Any], previous: str) -> str:
    """The mac of a row, which stands on the mac of the row before it, "" for the first."""
    return _mac(key, "entry", [row[name] for name in SEALED] + [previous])


def seal_head(key: bytes, club: str, sequence: int, mac: str) -> str:
    """The head's own mac: nobody without the key can move it back."""
    return _mac(key, "head", [club, sequence, mac])


def salted(input_json: str) -> tuple[str, str]:
    """A new salt, and the digest of an input with it."""
    salt = secrets.token_hex(32)
    return salt, digest(salt, input_json)


def digest(salt: str, input_json: str) -> str:
    """The digest that an entry keeps of its input."""
    return hashlib.sha256(f"{salt}\n{input_json}".encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two macs; any text may stand in the database."""
    return hmac.compare_digest(one.encode(), other.encode())


def entry_id(club: str, sequence: int | str) -> str:
    """The primary key of a row and of its input."""
    return f"{club}/{sequence}"


def _mac(key: bytes, what: str, values: list[Any]) -> str:
    # A list as JSON has one reading alone: no value can run over into the next.
    text = json.dumps(["gatekeeper-1", what, *values], ensure_ascii=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
