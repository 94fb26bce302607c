"""What Slack refuses for its size: Block Kit, views, texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

TEXT, BUTTON, LABEL = 3000, 75, 2000
SIZES: Final[Mapping[tuple[str, str], int]] = {
    ("section", "text"): TEXT,
    ("header", "text"): 150,
    ("button", "text"): BUTTON,
    ("button", "value"): 2000,
    ("button", "url"): 3000,
    ("input", "label"): LABEL,
    ("input", "hint"): LABEL,
    ("option", "text"): 75,
    ("option", "value"): 150,
    ("modal", "title"): 24,
    ("modal", "submit"): 24,
    ("modal", "close"): 24,
}
COUNTS: Final[Mapping[tuple[str, str], int]] = {
    ("section", "fields"): 10,
    ("context", "elements"): 10,
    ("actions", "elements"): 25,
    ("static_select", "options"): 100,
    ("multi_static_select", "options"): 100,
    ("radio_buttons", "options"): 10,
    ("checkboxes", "options"): 10,
}
FIELD = 2000  # of a section
NAMES = 255  # block_id, action_id, callback_id
MESSAGE_BLOCKS, VIEW_BLOCKS, METADATA = 50, 100, 3000
KINDS: Final = frozenset(
    {"section", "header", "divider", "context", "actions", "input", "image", "rich_text"}
)


def faults_of_blocks(blocks: object, at_most: int) -> list[str]:
    """What is wrong with the blocks of a message or a view, as Slack words it; [] for nothing."""
    if not isinstance(blocks, list) or not all(isinstance(one, dict) for one in blocks):
        return ["invalid_blocks_format"]
    found = []
    if len(blocks) > at_most:
        found.append(f"no more than {at_most} items allowed [json-pointer:/blocks]")
    ids = [one["block_id"] for one in blocks if one.get("block_id")]
    if len(ids) != len(set(ids)):
        found.append("block_id must be unique")
    for number, block in enumerate(blocks):
        where = f"[json-pointer:/blocks/{number}]"
        if block.get("type") not in KINDS:
            found.append(f"unsupported type: {block.get('type')} {where}")
        found += [f"{fault} {where}" for fault in _faults(block)]
    return found


def faults_of_view(view: object) -> list[str]:
    """What is wrong with a view."""
    if not isinstance(view, dict) or view.get("type") not in {"modal", "home"}:
        return ["invalid `view`"]
    found = faults_of_blocks(view.get("blocks"), VIEW_BLOCKS)
    if view["type"] == "modal" and not view.get("title"):
        found.append("missing required field: title")
    inputs = any(block.get("type") == "input" for block in view.get("blocks", ()))
    if view["type"] == "modal" and inputs and not view.get("submit"):
        found.append("missing required field: submit")
    if len(view.get("private_metadata") or "") > METADATA:
        found.append("must be less than 3001 characters [json-pointer:/private_metadata]")
    if len(view.get("callback_id") or "") > NAMES:
        found.append("must be less than 256 characters [json-pointer:/callback_id]")
    return found + list(_long(view, str(view["type"])))


def _faults(item: Mapping[str, Any]) -> Iterator[str]:
    kind = str(item.get("type", ""))
    yield from _long(item, kind)
    for key, most in ((k, n) for (k_, k), n in COUNTS.items() if k_ == kind):
        if len(item.get(key) or ()) > most:
            yield f"no more than {most} items allowed: {key}"
    for name in ("block_id", "action_id"):
        if len(item.get(name) or "") > NAMES:
            yield f"must be less than {NAMES + 1} characters: {name}"
    if kind == "section" and not item.get("text") and not item.get("fields"):
        yield "missing required field: text"
    for field in item.get("fields") or ():
        if len(_text(field)) > FIELD:
            yield f"must be less than {FIELD + 1} characters: fields"
    for part in _parts(item):
        yield from _faults(part)


def _long(item: Mapping[str, Any], kind: str) -> Iterator[str]:
    for (of, key), most in SIZES.items():
        if of == kind and key in item:
            size = len(_text(item[key]))
            if size > most:
                yield f"must be less than {most + 1} characters: {key}"
            if size == 0 and item[key] is not None and key in {"text", "label", "title"}:
                yield f"must be more than 0 characters: {key}"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("text") or "")
    return str(value or "")


def _parts(item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    parts = [item[key] for key in ("accessory", "element") if isinstance(item.get(key), dict)]
    parts += [one for one in item.get("elements") or () if isinstance(one, dict) and "type" in one]
    options = [one for one in item.get("options") or () if isinstance(one, dict)]
    parts += [{"type": "option", **one} for one in options]
    # rich text nests what no limit of ours is about
    return parts if item.get("type") != "rich_text" else []
