"""A policy with other params: values to try, and the text of the policy with one of them."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Final, TypeAlias

import yaml

from gatekeeper.domain.errors import BadInput, Value
from gatekeeper.policy.base import DURATION, parse_duration, write_duration
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.policy.plain import read_param

MOST: Final = 100  # combinations tried in one go
STEPS: Final = 4  # from one end to the other where no step is given

Scalar: TypeAlias = bool | int | float | str | timedelta
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>[^/]+)(?:/(?P<step>.+))?")


@dataclass(frozen=True, slots=True)
class Param:
    """A param and the values to try, in their order."""

    name: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """The policy with one combination of values, each as it is written in a policy."""

    values: tuple[str, ...]
    policy: Policy


def parse_param(text: str) -> Param:
    """`inactive_after=60d..180d/30d`, `fewest_letters=0..80`, `greeting=short,long`.

    A range without a step has five values, both ends among them.

    Raises:
        BadInput: `param-not-a-range`, `param-too-many`.
    """
    name, equals, rest = (part.strip() for part in text.partition("="))
    if not (name and equals and rest):
        raise _wrong("param-not-a-range", text=text)
    found = _RANGE.fullmatch(rest)
    values = _range(text, **found.groupdict()) if found else [_read(p) for p in rest.split(",")]
    return Param(name, tuple(dict.fromkeys(values)))


def _wrong(code: str, **values: Value) -> BadInput:
    return BadInput({"param": code}, **{"most": MOST, **values})


def _range(text: str, low: str, high: str, step: str | None) -> list[Scalar]:
    first, last, every = _read(low), _read(high), _read(step) if step else None
    span = isinstance(first, timedelta)
    told = [end for end in (first, last, every) if end is not None]
    if any(isinstance(end, bool | str) or isinstance(end, timedelta) != span for end in told):
        raise _wrong("param-not-a-range", text=text)
    start, end = _number(first), _number(last)
    width = _number(every) if every is not None else _even(start, end, told)
    if end < start or (width <= 0 and end > start):
        raise _wrong("param-not-a-range", text=text)
    steps = (end - start) / width + 1e-9 if end > start else 0.0
    if not steps < MOST:
        raise _wrong("param-too-many", number=int(min(steps, 1e9)) + 1)
    count = int(steps)
    whole = all(isinstance(one, int) for one in told) and float(width).is_integer()
    values = [start + width * n for n in range(count + 1)]
    if values[-1] < end:  # what was named as the end is tried, whatever the step
        values.append(end)
    if span:
        return [timedelta(seconds=value) for value in values]
    return [int(value) if whole else value for value in values]


def _even(start: float, end: float, told: Sequence[Scalar]) -> float:
    """A quarter of the way; whole where both ends are whole numbers, or whole days."""
    width = (end - start) / STEPS
    unit = 86_400.0 if isinstance(told[0], timedelta) else 1.0
    if not any(isinstance(one, float) for one in told) and width > unit:
        return width // unit * unit
    return width if not all(isinstance(one, int) for one in told) else max(1.0, width // 1)


def _number(value: Scalar) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _read(text: str) -> Scalar:
    text = text.strip()
    if DURATION.fullmatch(text):
        try:
            return parse_duration(text)
        except ValueError:  # longer than time can be
            raise _wrong("param-not-a-range", text=text) from None
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return {"true": True, "false": False}.get(text, text)


def write_value(value: Scalar) -> str:
    """A value as a person writes it in a policy: 60d, 20, 0.5, true, a text."""
    if isinstance(value, timedelta):
        return write_duration(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


# ---- Variants ----------------------------------------------------------------------------------


def places_of(policy: Policy, name: str) -> tuple[str, ...]:
    """The kinds of documents that have this param: AdmissionPolicy, PruningPolicy.

    Raises:
        BadInput: `param-unknown` where none has it, with the known ones.
    """
    params = {
        "AdmissionPolicy": policy.admission.params,
        "PruningPolicy": policy.pruning.params,
    }
    found = tuple(kind for kind, known in params.items() if name in known)
    if not found:
        known = ", ".join(sorted({one for each in params.values() for one in each})) or "-"
        raise _wrong("param-unknown", name=name, known=known)
    return found


def variants(policy: Policy, params: Sequence[Param]) -> Iterator[Variant]:
    """The policy with every combination of the values, the last param turning fastest.

    Raises:
        BadInput: `param-unknown`, `param-wrong-type`, `param-twice`, `param-too-many`.
        PolicyError: a combination that is no sound policy, with what is wrong.
    """
    count, names = 1, set[str]()
    for param in params:
        places_of(policy, param.name)
        if param.name in names:
            raise _wrong("param-twice", name=param.name)
        names.add(param.name)
        count *= len(param.values)
    if count > MOST:
        raise _wrong("param-too-many", number=count)
    for values in product(*(param.values for param in params)):
        text = policy.text
        for param, value in zip(params, values, strict=True):
            text = with_param(text, param.name, value)
        yield Variant(tuple(map(write_value, values)), load_policy(text, policy.name))


def with_param(text: str, name: str, value: Scalar) -> str:
    """The text of a policy with another value of a param, in every document that has it.

    Nothing else changes. BadInput `param-wrong-type`: it is no single value, or one of another
    type.
    """
    written = write_value(value)
    if isinstance(value, str):
        written = json.dumps(value, ensure_ascii=False)  # a YAML text in double quotes
    cuts = []
    for node in _param_nodes(text, name):
        old = read_param(yaml.safe_load(text[node.start_mark.index : node.end_mark.index]))
        number = isinstance(old, float) and type(value) is int
        if not isinstance(node, yaml.ScalarNode) or not (type(old) is type(value) or number):
            raise _wrong("param-wrong-type", name=name, value=str(write_value(value)))
        new = f"{written}.0" if number else written
        cuts.append((node.start_mark.index, node.end_mark.index, new))
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _param_nodes(text: str, name: str) -> Iterator[yaml.Node]:
    for document in yaml.compose_all(text, yaml.SafeLoader):
        node: yaml.Node | None = document
        for step in ("spec", "params", name):
            inside = node.value if isinstance(node, yaml.MappingNode) else ()
            node = next((each for key, each in inside if key.value == step), None)
        if node is not None:
            yield node
