"""The domain's words as messages with buttons, and a press back as what it chose; pure.

`render` (and `message`, `card`) give what chat.postMessage and chat.update need of words. A
button's value is seen by whoever presses: it is never a right.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeAlias

from gatekeeper.domain.decisions import Card, Choice, Link, Post, ShowCard, Tell
from gatekeeper.domain.identity import Identity
from gatekeeper_slack import blocks as kit
from gatekeeper_slack.blocks import Block
from gatekeeper_slack.escape import (
    CUT,
    address,
    cut_escaped,
    escape,
    fit,
    fit_escaped,
    linked,
    marked,
    tame,
    units,
)
from gatekeeper_slack.scene import NAME

Message: TypeAlias = dict[str, Any]

ACTION: Final = "choice:"  # what the action_id of a card's button begins with
OPEN: Final = "gk:open"  # action_id of the button that opens a whole card
_FORM: Final = 1  # of a button's value; earlier ones stay readable
_SIZES: Final = (8000, 4000, 2000, 1000, 400, 150, 60, 20)  # letters of one part, tried in turn
_OURS: Final = 200  # letters of a line of ours, however much was answered
_STYLES: Final = {
    "approve": "primary",
    "here": "primary",
    "fix": "primary",
    "promote": "primary",
    "resume": "primary",
    "decline": "danger",
    "confirm": "danger",
}
_ASKED: Final = frozenset({"confirm"})  # what cannot be undone is asked once more
_SYMBOL: Final = 40  # letters of a symbol, at the most
_CALLED: Final = 50  # people called in one message
_LINKS: Final = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a pressed button stands for; `symbol` "" where it is none of a card's.

    Attributes:
        key: of the Order that put the card as it is, "" where it was not told.
        option: the Choice's id, "" where it was not told.
    """

    key: str = ""
    option: str = ""
    symbol: str = ""


# ---- Out ---------------------------------------------------------------------------------------


def render(action: Tell | Post | ShowCard, key: str = "") -> Message:
    """A message of the domain for Slack; `key` is that of its Order."""
    match action:
        case ShowCard(card=shown):
            return card(shown, key)
        case Post(text=text, choices=choices, mentions=mentions):
            return message(text, (), choices, mentions, key)
        case Tell(text=text, links=links, choices=choices):
            return message(text, links, choices, (), key)


def message(
    text: str,
    links: Sequence[Link] = (),
    choices: Sequence[Choice] = (),
    mentions: Sequence[Identity] = (),
    key: str = "",
) -> Message:
    """A text, our links, our buttons. Only `mentions` are pinged."""
    ours = [one for one in mentions if one.platform == NAME][:_CALLED]
    sound = [one for one in links if 0 < len(address(one.url)) <= kit.LINK][:_LINKS]

    def build(size: int) -> list[Block]:
        parts = _called(fit(text, size), ours)
        for one in sound:
            parts += [kit.letters("\n"), kit.link(address(one.url), one.label)]
        return [kit.rich(parts), *kit.actions(_buttons(choices, key, ""))]

    pings = " ".join(f"<@{_user(one)}>" for one in ours)
    told = [linked(one.url, one.label[: kit.BUTTON]) for one in sound]
    said = fit_escaped(text, kit.TEXT)
    there = set(said.splitlines())  # a text that lists its choices tells them once
    legend = [one for one in _legend(choices) if one not in there]
    return _message([pings, said, *told, *legend], build, [text])


def card(shown: Card, key: str = "") -> Message:
    """A card: title, facts, lines, status, and its choices as buttons.

    Where something had to be cut, one more button opens all of it; whoever was not shown by it
    cannot be decided about.
    """
    pieces = [shown.status, *shown.lines, *(piece for fact in shown.facts for piece in fact)]

    def build(size: int) -> list[Block]:
        most = size // 4
        parts: list[Block] = []
        for label, value in shown.facts[:most]:
            parts.append(kit.letters(f"{fit(label, size)}: ", bold=True))
            parts.append(kit.letters(f"{fit(value, size)}\n"))
        ours = max(size, _OURS)
        lines = [f"{fit(one, ours)}\n" for one in shown.lines[:most]]
        if max(len(shown.facts), len(shown.lines)) > most:
            lines.append(f"{CUT.strip()}\n")
        parts.append(kit.letters("".join(lines)))
        parts.append(kit.letters(fit(shown.status, ours), italic=True))
        choices = [one for one in shown.choices if len(shown.facts) <= most or one.id not in _ASKED]
        buttons = _buttons(choices, key, shown.title)
        if lines[-1:] == [f"{CUT.strip()}\n"] or any(len(one) > size for one in pieces):
            buttons.append(kit.button("🔍 …", OPEN))
        return [kit.header(shown.title), kit.rich(parts), *kit.actions(buttons)]

    facts = [f"{label}: {value}" for label, value in shown.facts]
    told = [shown.title, shown.status, *facts, *shown.lines]
    escaped = (escape(one[: kit.TEXT]) for one in told)
    return _message(chain(escaped, _legend(shown.choices)), build, told[1:])


def _message(
    told: Iterable[str], build: Callable[[int], list[Block]], parts: Sequence[str]
) -> Message:
    """No word becomes a link of itself, and no robot looks at links that work once.

    `parts`: what the blocks tell; a size that is too much by a mere count is not tried.
    """
    blocks: list[Block] = []
    for size in _SIZES:
        most = sum(min(len(one), size) for one in parts[: size // 4])
        if most > kit.ALTOGETHER and size != _SIZES[-1]:
            continue
        blocks = build(size)
        if kit.weight(blocks) <= kit.ALTOGETHER:
            break
    return {
        "text": _joined(told),
        "blocks": kit.few(blocks, kit.BLOCKS),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _joined(told: Iterable[str]) -> str:
    """All that fits; a line with marks of ours goes whole or not at all."""
    found: list[str] = []
    room = kit.TEXT - len(CUT)
    for line in filter(None, told):
        if units(line) + 1 > room:
            found.append(CUT.strip() if "<" in line or room < 40 else cut_escaped(line, room))
            break
        found.append(line)
        room -= units(line) + 1
    return "\n".join(found) or "—"


def _called(text: str, mentions: Sequence[Identity]) -> list[Block]:
    """The text; those mentioned stand where it names them, else before it."""
    parts, rest = list[Block](), [kit.letters(text)]
    for one in mentions:
        account = tame(one.account)
        if account in text:
            rest = [split for part in rest for split in _split(part, account, _user(one))]
        else:
            parts += [kit.person(_user(one)), kit.letters(" ")]
    return [*parts, *rest]


def _split(part: Block, account: str, user: str) -> list[Block]:
    """A text with a call in place of an account; the first place calls, and no further one."""
    if part["type"] != "text" or account not in part["text"]:
        return [part]
    before, _, after = str(part["text"]).partition(account)
    return [kit.letters(before), kit.person(user), kit.letters(after)]


def _user(who: Identity) -> str:
    return who.account.rpartition(":")[2]


def _legend(choices: Sequence[Choice]) -> list[str]:
    return [f"{one.symbol} {escape(one.label[:200])}" for one in choices if one.label]


def _buttons(choices: Sequence[Choice], key: str, title: str) -> list[Block]:
    found = []
    for one in choices:
        label = f"{one.symbol} {one.label}".strip()
        asked = kit.confirm(title or one.label, one.label, label, "↩️")
        found.append(
            kit.button(
                label,
                f"{ACTION}{one.id}"[: kit.NAME // 2],
                _value(one, key),
                style=_STYLES.get(one.id, ""),
                asked=asked if one.id in _ASKED else None,
            )
        )
    return found


def _value(choice: Choice, key: str) -> str:
    told: dict[str, int | str] = {"v": _FORM}
    for name, text, most in (("k", key, 120), ("o", choice.id, 80), ("s", choice.symbol, _SYMBOL)):
        told[name] = marked(text[:most])[:most]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


# ---- Back --------------------------------------------------------------------------------------


def chosen(action: Mapping[str, Any]) -> Chosen:
    """What a pressed button chose, by this release's form or an earlier one's; never an error."""
    value, name = action.get("value"), action.get("action_id")
    if not isinstance(value, str) or not isinstance(name, str) or len(value) > kit.VALUE:
        return Chosen()
    if not name.startswith(ACTION):
        return Chosen()
    if not value.startswith("{"):
        symbol = marked(value) if len(value) <= _SYMBOL else ""
        return Chosen(option=name.removeprefix(ACTION), symbol=symbol)
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return Chosen()
    parts = [told.get(part, "") for part in ("k", "o", "s")]
    if not all(isinstance(part, str) for part in parts):
        return Chosen()
    key, option, symbol = (marked(part) for part in parts)
    return Chosen(key, option, symbol) if len(symbol) <= _SYMBOL else Chosen()


def symbol_of(action: Mapping[str, Any]) -> str:
    """The symbol of the choice that was pressed, "" for none: what `Looks.symbol` asks."""
    return chosen(action).symbol
