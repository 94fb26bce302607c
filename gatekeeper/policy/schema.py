"""JSON Schema (2020-12) of policies and of their cases, for editors.

A file of a policy holds several documents; an editor holds each of them against the schema, which
tells them apart by `kind`. It says what the models say; what only `policy check` can find (names
that lead nowhere, conditions) is not in it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from gatekeeper.policy.base import DURATION, Model, write_duration
from gatekeeper.policy.case_format import CaseFile
from gatekeeper.policy.document import KINDS
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts

DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNITS = "A number with a unit (w, d, h, m, s, ms), or several: 90d, 1h30m."
WITH_OPTIONS = ("choice", "many")


class _Generator(GenerateJsonSchema):
    """Writes defaults as they would stand in the file."""

    def encode_default(self, dft: Any) -> Any:
        return write_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def policy_schema() -> dict[str, Any]:
    """The schema of one document of a policy, whichever of the kinds it is."""
    models: list[tuple[type[Model], JsonSchemaMode]] = [
        (model, "validation") for model in KINDS.values()
    ]
    _, whole = models_json_schema(models, schema_generator=_Generator)
    parts = _tidy(whole["$defs"])
    options = {"properties": {"kind": {"enum": list(WITH_OPTIONS)}}, "required": ["kind"]}
    parts["Question"] |= {
        "if": options,
        "then": {"required": ["options"], "properties": {"options": {"minItems": 1}}},
        "else": {"properties": {"options": {"maxItems": 0}}},
    }
    return {
        "$schema": DIALECT,
        "title": "A document of a Gatekeeper policy",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"enum": list(KINDS), "description": "What the document holds."}},
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{model.__name__}"},
            }
            for kind, model in KINDS.items()
        ],
        "$defs": parts,
    }


def cases_schema() -> dict[str, Any]:
    """The schema of a file of cases."""
    _, whole = models_json_schema([(CaseFile, "validation")])
    parts = _tidy(whole["$defs"])
    parts["Application"], parts["Member"] = _given(ApplicationFacts), _given(MemberFacts)
    file = parts.pop("CaseFile")
    for subject, part in (("application", "Application"), ("member", "Member")):
        own = {"$ref": f"#/$defs/{part}"}
        named = {"anyOf": [{"type": "string"}, own, {"type": "null"}]}
        file["properties"][subject] |= own
        _put(parts["Case"]["properties"][subject], named)
        parts["Fixtures"]["properties"][f"{subject}s"]["additionalProperties"] = named
    anything = {"type": ["string", "object", "null"]}
    parts["Fixtures"]["properties"]["parts"]["additionalProperties"] = anything
    return {"$schema": DIALECT, "title": "Cases of a Gatekeeper policy", **file, "$defs": parts}


def _put(place: dict[str, Any], schema: dict[str, Any]) -> None:
    """`schema` in place of what stands there, but for its description."""
    kept = {name: place[name] for name in ("description",) if name in place}
    place.clear()
    place.update({**kept, **schema})


def _given(model: type[Facts]) -> dict[str, Any]:
    """What a case may say of its facts: all may be left out, times may be spans before `now`."""
    names = {"type": ["string", "array"], "items": {"type": "string"}}
    properties: dict[str, Any] = {"from": {**names, "description": "Fixtures it builds on."}}
    for name, info in model.model_fields.items():
        properties[name] = {**_fact(info.annotation), "description": info.description}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _fact(annotation: Any) -> dict[str, Any]:
    text = str(annotation)
    if "Literal" in text:
        return {"enum": list(get_args(annotation))}
    for sign, kind in (("tuple", "array"), ("Mapping", "object")):
        if sign in text:
            return {"type": kind}
    plain = {bool: "boolean", int: "integer", float: "number", timedelta: "string", str: "string"}
    kind = plain.get(annotation, "string")
    absent = type(None) in get_args(annotation)
    return {"type": [kind, "null"] if absent else kind}


def _tidy(parts: dict[str, Any]) -> dict[str, Any]:
    """The parts without made-up titles, durations with their unit in words."""
    for schema in _all(parts):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        if schema.get("pattern") == f"^{DURATION.pattern}$":
            schema["title"] = UNITS
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
    return parts


def _all(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for inner in list(schema.values()):
            yield from _all(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _all(inner)
