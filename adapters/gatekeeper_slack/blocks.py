"""Builders of Block Kit: whatever is put in, each of Slack's limits is kept by cutting with a mark.

Sizes are Slack's published ones (docs.slack.dev/reference/block-kit); that of all blocks of a
message together is not published: chat.postMessage answers `msg_blocks_too_long` from about 13,000
letters on, containers counted (slackapi/bolt-js issues 2509, 2867). We stay well below.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from gatekeeper_slack.escape import fit, units

Block: TypeAlias = dict[str, Any]

BLOCKS, VIEW_BLOCKS, ALTOGETHER = 50, 100, 10_000
VIEW_BYTES: Final = 200_000  # of a view; from 250 kB on it is `view_too_large`
TEXT, SECTION, HEADER, BUTTON, VALUE, NAME = 3900, 3000, 150, 75, 2000, 255
TITLE, METADATA, LABEL, TYPED, LINK = 24, 3000, 2000, 3000, 3000
OPTION, OPTION_VALUE, OPTIONS, BOXES, ROW = 75, 150, 100, 10, 25
CONFIRM, CONFIRM_TEXT, CONFIRM_WORD = 100, 300, 30
_UNSENT: Final = re.compile("[\0\ud800-\udfff]")  # no JSON takes them
_EMPTY: Final = "—"  # Slack takes no text without a letter


def words(text: str, most: int, *, emoji: bool = False) -> Block:
    """A plain_text object; `emoji`: whether :names: become pictures, never for what was typed."""
    return {"type": "plain_text", "text": fit(text, most).strip() or _EMPTY, "emoji": emoji}


def line(text: str, most: int) -> Block:
    """The same where there is room for one line only."""
    return words(" ".join(text.split()), most)


# ---- What is read ----------------------------------------------------------------------------


def header(text: str) -> Block:
    """A headline of one line."""
    return {"type": "header", "text": line(text, HEADER)}


def section(text: str, accessory: Mapping[str, Any] | None = None) -> Block:
    """A paragraph, with a button or the like beside it."""
    block = {"type": "section", "text": words(text, SECTION)}
    return {**block, "accessory": dict(accessory)} if accessory else block


def context(text: str) -> Block:
    """A line in small letters."""
    return {"type": "context", "elements": [words(text, SECTION)]}


def divider() -> Block:
    """A line across."""
    return {"type": "divider"}


def letters(text: str, *, bold: bool = False, italic: bool = False) -> Block:
    """A part of rich text: its letters are shown as they are."""
    style = {name: True for name, on in (("bold", bold), ("italic", italic)) if on}
    part: Block = {"type": "text", "text": text}
    return {**part, "style": style} if style else part


def person(user: str) -> Block:
    """A part of rich text that pings one person: only for those whom we mean to call."""
    return {"type": "user", "user_id": user}


def link(address: str, label: str) -> Block:
    """A part of rich text that is a link of ours."""
    return {"type": "link", "url": address, "text": fit(label, BUTTON) or fit(address, BUTTON)}


def rich(parts: Sequence[Block]) -> Block:
    """A paragraph of rich text; parts without letters are left out, for Slack takes none."""
    kept = [one for one in parts if one["type"] != "text" or one["text"]]
    inner = {"type": "rich_text_section", "elements": kept or [letters(_EMPTY)]}
    return {"type": "rich_text", "elements": [inner]}


# ---- What is pressed -------------------------------------------------------------------------


def button(
    label: str,
    action: str,
    value: str = "",
    *,
    style: str = "",
    url: str = "",
    asked: Mapping[str, Any] | None = None,
) -> Block:
    """A button; a value over the limit is a fault of ours and never cut."""
    if units(value) > VALUE or units(action) > NAME:
        raise ValueError(f"too long for a button: {action[:40]}")
    text = words(label, BUTTON, emoji=True)
    found: Block = {"type": "button", "text": text, "action_id": action}
    more = {"value": value, "style": style, "url": url, "confirm": asked}
    return found | {name: one for name, one in more.items() if one}


def confirm(title: str, text: str, yes: str, no: str) -> Block:
    """The question that Slack asks before a press counts."""
    return {
        "title": line(title, CONFIRM),
        "text": words(text, CONFIRM_TEXT),
        "confirm": words(yes, CONFIRM_WORD, emoji=True),
        "deny": words(no, CONFIRM_WORD, emoji=True),
    }


def actions(buttons: Sequence[Block]) -> list[Block]:
    """Rows of buttons; [] for none."""
    rows = [list(buttons[at : at + ROW]) for at in range(0, len(buttons), ROW)]
    return [{"type": "actions", "elements": row} for row in rows]


# ---- What is filled in -----------------------------------------------------------------------


def option(label: str, value: str) -> Block:
    """One thing to choose; a value over the limit is a fault of ours and never cut."""
    if units(value) > OPTION_VALUE:
        raise ValueError(f"too long for an option: {value[:40]}")
    return {"text": line(label, OPTION), "value": value}


def field(
    block_id: str,
    label: str,
    element: Mapping[str, Any],
    *,
    hint: str = "",
    optional: bool = False,
    tell: bool = False,
) -> Block:
    """An input of a view; `tell`: Slack tells each change of it, and not only what is sent."""
    found: Block = {
        "type": "input",
        "block_id": block_id,
        "label": words(label, LABEL),
        "element": dict(element),
        "optional": optional,
    }
    if tell:
        found["dispatch_action"] = True
    return {**found, "hint": words(hint, LABEL)} if hint else found


def typing(action: str, typed: str = "", *, most: int = TYPED, lines: bool = False) -> Block:
    """An element to type into; `typed` is what stands there already."""
    most = min(max(most, 1), TYPED)
    found: Block = {"type": "plain_text_input", "action_id": action, "multiline": lines}
    found["max_length"] = most
    start = _UNSENT.sub("\ufffd", typed if lines else " ".join(typed.split()))
    return {**found, "initial_value": start[:most]} if start else found


# ---- Altogether ------------------------------------------------------------------------------


def modal(
    callback: str,
    title: str,
    blocks: Sequence[Block],
    *,
    close: str,
    submit: str = "",
    metadata: str = "",
) -> Block:
    """A view that opens over what people do; metadata over the limit is a fault of ours."""
    if units(metadata) > METADATA or units(callback) > NAME:
        raise ValueError(f"too long for a view: {callback[:40]}")
    found: Block = {
        "type": "modal",
        "callback_id": callback,
        "title": line(title, TITLE),
        "close": line(close, TITLE),
        "private_metadata": metadata,
        "blocks": few(blocks, VIEW_BLOCKS),
    }
    return {**found, "submit": line(submit, TITLE)} if submit else found


def home(blocks: Sequence[Block]) -> Block:
    """The Home tab of one person."""
    return {"type": "home", "callback_id": "gk:home", "blocks": few(blocks, VIEW_BLOCKS)}


def few(blocks: Iterable[Block], most: int, space: int = VIEW_BYTES) -> list[Block]:
    """No more than `most`, and no more than `space` bytes; that there were more is said in the last
    one."""
    kept, fits = list(blocks), 0
    space -= 500  # for that one, and what is around them
    for block in kept:
        space -= bytes_of(block)
        if space < 0:
            break
        fits += 1
    if fits == len(kept) <= most:
        return kept
    return [*kept[: min(fits, most - 1)], context("[…]")]


def bytes_of(blocks: Block | Sequence[Block]) -> int:
    """How long it is as JSON, letters beyond ASCII written out: Slack may count less."""
    return len(json.dumps(blocks))


def weight(blocks: Sequence[Block]) -> int:
    """How much all blocks of a message hold, their containers counted."""
    return units(json.dumps(blocks, ensure_ascii=False))
