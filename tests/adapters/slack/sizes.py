"""Holds whatever is to be sent to Slack against its published limits, kept in limits.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LIMITS = json.loads(Path(__file__).with_name("limits.json").read_text("utf-8"))
KIT = LIMITS["block_kit"]
_TEXTS = {  # of an element or block: its text, and the limit's name
    ("section", "text"): "section.text",
    ("header", "text"): "header.text",
    ("button", "text"): "button.text",
    ("button", "value"): "button.value",
    ("button", "url"): "button.url",
    ("input", "label"): "input.label",
    ("input", "hint"): "input.hint",
    ("option", "text"): "option.text",
    ("option", "value"): "option.value",
    ("option", "description"): "option.text",
    ("confirm", "title"): "confirm.title",
    ("confirm", "text"): "confirm.text",
    ("confirm", "confirm"): "confirm.confirm",
    ("confirm", "deny"): "confirm.deny",
}
_COUNTS = {
    ("section", "fields"): "section.fields",
    ("context", "elements"): "context.elements",
    ("actions", "elements"): "actions.elements",
    ("static_select", "options"): "select.options",
    ("multi_static_select", "options"): "select.options",
}
_BOXES = 10  # of radio_buttons and checkboxes; docs.slack.dev/reference/block-kit/block-elements


def units(text: str) -> int:
    """UTF-16 units: the strictest way to count letters."""
    return len(text.encode("utf-16-le")) // 2


def faults_of_message(message: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse about a message, by chat.postMessage or chat.update."""
    limits = LIMITS["message"]
    found = list(faults(message["blocks"], limits["blocks"]))
    if not 0 < units(message["text"]) <= limits["update_text_max"]:
        found.append(f"text of {units(message['text'])}")
    if units(json.dumps(message["blocks"], ensure_ascii=False)) > 12_000:
        found.append("msg_blocks_too_long")
    message["text"].encode("utf-8")
    return found


def faults_of_view(view: Mapping[str, Any]) -> list[str]:
    """What Slack would refuse about a modal or a Home tab."""
    limits = LIMITS["view"]
    found = list(faults(view["blocks"], limits["blocks"]))
    names = ("title", "submit", "close", "private_metadata", "callback_id")
    sized = [(name, units(_text(view.get(name)))) for name in names]
    found += [f"{name}: {size}" for name, size in sized if size > limits.get(name, size)]
    if view["type"] == "modal" and not _text(view.get("submit")):
        found += ["input without submit" for one in view["blocks"] if one["type"] == "input"]
    return found


def faults(blocks: Sequence[Mapping[str, Any]], most: int) -> Iterator[str]:
    """What Slack would refuse about blocks."""
    if len(blocks) > most:
        yield f"{len(blocks)} blocks"
    ids = [one["block_id"] for one in blocks if "block_id" in one]
    if len(ids) != len(set(ids)):
        yield "block_id twice"
    for block in blocks:
        yield from _of(block, str(block["type"]))
        names = [one["action_id"] for one in block.get("elements", ()) if "action_id" in one]
        if len(names) != len(set(names)):
            yield "action_id twice"


def _of(item: Mapping[str, Any], kind: str) -> Iterator[str]:
    for (of, key), limit in _TEXTS.items():
        if of == kind and key in item and not 0 < units(_text(item[key])) <= KIT[limit]:
            yield f"{kind}.{key}: {units(_text(item[key]))}"
    for (of, key), limit in _COUNTS.items():
        if of == kind and key in item and not 0 < len(item[key]) <= KIT[limit]:
            yield f"{kind}.{key}: {len(item[key])}"
    if kind in {"radio_buttons", "checkboxes"} and not 0 < len(item["options"]) <= _BOXES:
        yield f"{kind}: {len(item['options'])} options"
    for name in ("block_id", "action_id"):
        if name in item and not 0 < units(item[name]) <= KIT[name]:
            yield f"{kind}.{name}"
    if kind == "plain_text_input":
        most = item.get("max_length", KIT["plain_text_input.max_length"])
        if not 0 < most <= KIT["plain_text_input.max_length"]:
            yield "max_length"
        if len(item.get("initial_value", "x")) > most or item.get("min_length", 0) > most:
            yield "initial_value or min_length over max_length"
    if kind == "text" and not item["text"]:
        yield "empty part of rich text"
    values = [one["value"] for one in item.get("options", ())]
    if len(values) != len(set(values)):
        yield "two options of one value"
    for one in item.get("options", ()):
        yield from _of(one, "option")
    for key in ("accessory", "element"):
        if key in item:
            yield from _of(item[key], str(item[key]["type"]))
    if "confirm" in item and kind != "confirm":
        yield from _of(item["confirm"], "confirm")
    for one in item.get("elements", ()):
        yield from _of(one, str(one["type"]))


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("text") or "")
    return str(value or "")


def letters(blocks: Sequence[Mapping[str, Any]]) -> str:
    """All that a reader sees of blocks."""
    texts = (one.get("text") for one in _walk(blocks))
    return "\n".join(text for text in texts if isinstance(text, str))


def kinds(blocks: Any) -> set[str]:
    """The types of everything in blocks."""
    return {str(one["type"]) for one in _walk(blocks) if "type" in one}


def _walk(thing: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(thing, Mapping):
        yield thing
        for inner in thing.values():
            yield from _walk(inner)
    elif isinstance(thing, list):
        for inner in thing:
            yield from _walk(inner)
