"""What the documents of a policy are made of: durations, names, accounts, and Model.

Durations are texts with a unit: 90d, 2w, 10m, 1.5s, 500ms, or together as in 1h30m.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gatekeeper.domain.identity import Identity

LONGEST = timedelta(days=365_250)
UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
_PART = r"(\d+(?:\.\d+)?)(ms|[wdhms])"
DURATION = re.compile(rf"(?:{_PART})+")


def parse_duration(text: object) -> timedelta:
    """`90d`, `1h30m` to a timedelta.

    Raises:
        PydanticCustomError: `bad-duration` for anything without a number and a unit (it is a
            ValueError, so that a model reports it with its place).
    """
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not DURATION.fullmatch(text):
        raise PydanticCustomError("bad-duration", "not a duration: {value}", {"value": str(text)})
    try:
        return timedelta(
            seconds=sum(float(number) * UNITS[unit] for number, unit in re.findall(_PART, text))
        )
    except OverflowError:
        raise PydanticCustomError("bad-duration", "too long: {value}", {"value": text}) from None


def parse_span(text: object) -> timedelta:
    """A duration that a policy may name; one over a thousand years is refused, too.

    Any moment plus such a span is one that clock, database and library can hold.
    """
    span = parse_duration(text)
    if span > LONGEST:
        raise PydanticCustomError("bad-duration", "too long: {value}", {"value": str(text)})
    return span


def write_duration(span: timedelta) -> str:
    """The shortest text that `parse_duration` reads back as `span`; milliseconds are the finest."""
    left = round(span.total_seconds() * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(UNITS[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _identity(text: object) -> object:
    try:
        Identity.parse(str(text))
    except ValueError:
        raise PydanticCustomError(
            "bad-identity", "not platform:account: {value}", {"value": str(text)}
        ) from None
    return text


Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(parse_span),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["90d"]}),
]
Slug: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Account: TypeAlias = Annotated[
    str,
    BeforeValidator(_identity),
    WithJsonSchema(
        {"type": "string", "pattern": "^[^:]+:.", "examples": ["matrix:@ann:example.org"]}
    ),
]
Alias: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9._=/-]{1,200}$")]
Said: TypeAlias = Mapping[str, str]  # language code to text
Count: TypeAlias = Annotated[int, Field(ge=0, strict=True)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1, strict=True)]


class Model(BaseModel):
    """A part of a policy: unknown fields are refused, nothing changes once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, defer_build=True
    )


class Metadata(Model):
    """What a document is called."""

    name: Slug = Field(description="Lower-case letters, digits, '-'; a Club's name is its id.")
    description: str = Field("", description="For people; nothing depends on it.")
