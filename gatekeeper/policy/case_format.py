"""The format of `NAME.cases.yaml`: every field of a file of cases.

    now: 2026-03-01T12:00:00Z
    application: {answers: {why: I like it here, rules: true}}   # what all applications share
    fixtures:
      applications:
        newcomer: {vouches: 0}
        returned: {from: newcomer, earlier_declines: 1}
      members:
        quiet: {silent: 91d}
      parts:
        shouting: {display_name: LOUD}                           # to be mixed into others
    cases:
      - case: a first application waits for the admins
        application: newcomer
        expect: {verdict: wait, code: in-review, rule: default}
      - case: two vouches let a newcomer in
        application: {from: [newcomer, shouting]}
        matrix: {vouches: [0, 1, 2]}
        expect: [{verdict: wait}, {verdict: wait}, {verdict: admit}]
      - case: the same, with its expectation in each row
        application: newcomer
        matrix:
          - {vouches: 0, expect: {verdict: wait}}
          - {vouches: 2, expect: {verdict: admit}}

Only what matters has to be given: the rest are plain defaults of somebody harmless. Durations are
texts with a unit; a time may also be a duration, counted back from `now`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _given(value: object) -> object:
    """A name alone is short for {from: name}; nothing at all for no facts of its own."""
    if value is None:
        return {}
    return {"from": value} if isinstance(value, str) else value


def _one_or_many(value: object) -> str:
    return "rows" if isinstance(value, list | tuple) else "one"


def _no_number(value: object) -> object:
    """Numbers would be read as seconds since 1970."""
    if isinstance(value, int | float):
        raise ValueError("give a time like 2026-03-01T12:00:00Z")
    return value


Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_no_number)]
Given: TypeAlias = Annotated[Mapping[str, Any], BeforeValidator(_given)]
Own: TypeAlias = Annotated[Mapping[str, Any] | None, BeforeValidator(_given)]


class Expect(_Strict):
    """What a case should lead to; what is left out is not compared."""

    verdict: Literal["admit", "wait", "decline", "keep", "notify", "remove"] | None = Field(
        None, description="The outcome; wait stands for review."
    )
    code: str | None = Field(None, description="Code of the text told.")
    rule: str | None = Field(None, description='Id of the rule that fired, "" for none.')


class Row(BaseModel):
    """One row of a matrix: facts over those of the case, and perhaps what they lead to."""

    model_config = ConfigDict(extra="allow", frozen=True)

    now: Moment | None = Field(None, description="Otherwise the case's.")
    expect: Expect | None = Field(None, description="Otherwise the case's.")


Expected: TypeAlias = Annotated[
    Annotated[Expect, Tag("one")] | Annotated[tuple[Expect, ...], Tag("rows")],
    Discriminator(_one_or_many),
]
Matrix: TypeAlias = Annotated[
    Annotated[Mapping[str, tuple[Any, ...]], Tag("one")] | Annotated[tuple[Row, ...], Tag("rows")],
    Discriminator(_one_or_many),
]


class Case(_Strict):
    """One case: an application or a member, and what is expected."""

    case: str = Field(min_length=1, description="What it shows, in words.")
    now: Moment | None = Field(None, description="Otherwise the file's.")
    application: Own = Field(
        None, description="A fixture, or facts over the file's; `from` names fixtures."
    )
    member: Own = Field(
        None, description="A fixture, or facts over the file's; `from` names fixtures."
    )
    trial: str = Field(
        "", description="A rule or document on trial, by its id or name: judged as if in force."
    )
    matrix: Matrix | None = Field(
        None, description="Name to values, tried in every combination; or a list of rows."
    )
    expect: Expected | None = Field(
        None, description="What it should lead to; a list has one for each row of the matrix."
    )


class Fixtures(_Strict):
    """Facts with a name; each may build on others by `from`."""

    applications: Mapping[str, Given] = Field(default_factory=dict, description="Applications.")
    members: Mapping[str, Given] = Field(default_factory=dict, description="Members.")
    parts: Mapping[str, Given] = Field(
        default_factory=dict, description="Pieces to be mixed into fixtures and cases."
    )


class CaseFile(_Strict):
    """A file of cases."""

    now: Moment = Field(description="The moment at which all is judged.")
    application: Mapping[str, Any] = Field(
        default_factory=dict, description="Facts that all applications share."
    )
    member: Mapping[str, Any] = Field(
        default_factory=dict, description="Facts that all members share."
    )
    fixtures: Fixtures = Field(default_factory=Fixtures, description="Facts with a name.")
    cases: tuple[Case, ...] = Field(min_length=1, description="The cases.")
