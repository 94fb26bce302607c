"""The rows of policies/README.md as they follow from the schema; run it to print them."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from gatekeeper.policy.base import write_duration
from gatekeeper.policy.document import KINDS
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts


def model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_in(arg))), None)


def default_of(field: Any) -> str:
    value = field.default
    if field.default_factory is not None:
        return "as below" if model_in(field.annotation) else "none"
    if value is PydanticUndefined:
        return "**to be given**"
    if isinstance(value, tuple):
        return "all of them" if value else "none"
    if isinstance(value, timedelta):
        return f"`{write_duration(value)}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return {None: "null", "": "empty"}.get(value, f"`{value}`")


def rows(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """A table row for every field, in the order of the schema."""
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        path = before + (field.alias or name)
        if inner and "tuple" in str(field.annotation):
            path += "[]"
        elif (
            inner
            and get_origin(field.annotation) is not None
            and "Mapping" in str(field.annotation)
        ):
            path += ".<language>"
        yield f"| `{path}` | {default_of(field)} | {field.description} |"
        if inner:
            yield from rows(inner, f"{path}.")


def fact_rows(model: type[Facts], subject: str) -> Iterator[str]:
    """A table row for every name that conditions know."""
    for name, field in model.model_fields.items():
        kind = str(field.annotation)
        plain = next(
            (
                word
                for sign, word in (
                    ("tuple", "list of texts"), ("Mapping", "by question"), ("Aware", "time"),
                    ("timedelta", "duration"), ("bool", "true, false"), ("int", "number"),
                    ("float", "decimal"),
                )
                if sign in kind
            ),
            "text",
        )  # fmt: skip
        absent = ", may be absent" if type(None) in get_args(field.annotation) else ""
        yield f"| `{subject}.{name}` | {plain}{absent} | {field.description} |"


if __name__ == "__main__":
    for kind, model in KINDS.items():
        print(f"\n### {kind}\n\n| field | default | what it holds |\n|---|---|---|")
        print("\n".join(rows(model)))
    for subject, facts in (("application", ApplicationFacts), ("member", MemberFacts)):
        print(f"\n### {subject}\n\n| name | type | what it is |\n|---|---|---|")
        print("\n".join(fact_rows(facts, subject)))
