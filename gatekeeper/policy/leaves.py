"""The single values of a part of a policy by their path in the file, as people write them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from gatekeeper.policy.base import write_duration

KEYS = ("id", "alias", "value", "name")  # what tells the members of a list apart


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value as text; `unit` is "-duration" where it is one, for {name:duration}."""

    text: str
    unit: str = ""

    @classmethod
    def of(cls, value: object) -> "Leaf":
        """A plain value, as it stands in a policy."""
        if isinstance(value, timedelta):
            return cls(write_duration(value), "-duration")
        return cls(written(value))


def leaves(part: Any, without: Sequence[str] = (), before: str = "") -> dict[str, Leaf]:
    """The values inside `part` by their path in camelCase, `before` in front of it.

    Args:
        part: a model, a mapping, a list of models, or a plain value.
        without: paths that are left out with all inside.
    """
    found: dict[str, Leaf] = {}
    for name, value in _inside(part):
        path = f"{before}{name}"
        if path in without:
            continue
        if _inside(value):
            found |= leaves(value, without, f"{path}.")
        elif not isinstance(value, BaseModel | Mapping):
            found[path] = Leaf.of(value)
    return found


def _inside(part: Any) -> list[tuple[str, Any]]:
    """The named parts of `part`; none where it is a plain value."""
    if isinstance(part, BaseModel):
        fields = type(part).model_fields.items()
        return [(info.alias or name, getattr(part, name)) for name, info in fields]
    if isinstance(part, Mapping):
        return [(str(name), value) for name, value in part.items()]
    if isinstance(part, tuple | list) and part and isinstance(part[0], BaseModel):
        key = next((key for key in KEYS if key in type(part[0]).model_fields), "")
        return [(str(getattr(each, key, place)), each) for place, each in enumerate(part, 1)]
    return []


def written(value: object) -> str:
    """A value as it would stand in the file, in one line; what is a default is left out."""
    match value:
        case BaseModel():
            parts = [
                f"{info.alias or name}: {written(inner)}"
                for name, info in type(value).model_fields.items()
                if (inner := getattr(value, name)) != info.default
            ]
            return f"{{{', '.join(parts)}}}"
        case timedelta():
            return write_duration(value)
        case Enum():
            return str(value.value)
        case bool():
            return str(value).lower()
        case None:
            return "—"
        case str():
            return " ".join(value.split()) or "—"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
        case Mapping():
            return json.dumps({str(k): written(v) for k, v in value.items()}, ensure_ascii=False)
        case _:
            return str(value)
