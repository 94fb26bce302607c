"""Windows of the domain as Slack's modals, and what was sent in them as raw answers; pure.

A form has no more questions than a view has blocks, so one view holds it. What a question's answer
may be is decided by the domain; Slack's own checks would speak another language.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

from gatekeeper.domain.decisions import Card
from gatekeeper.domain.errors import Value
from gatekeeper.domain.windows import Field, Window
from gatekeeper_slack import blocks as kit
from gatekeeper_slack.blocks import Block
from gatekeeper_slack.escape import fit, tame, units

Say: TypeAlias = Callable[[str, Mapping[str, Value] | None, str], str]
Raw: TypeAlias = Mapping[str, Any]

APPLY, EDIT, ANSWER, AWAY = "gk:apply", "gk:edit", "gk:answer", "gk:away"  # callback ids
VOUCH: Final = "gk:vouch"
SHOWN: Final = "gk:shown"
_FIELD: Final = "q:"  # what the block_id of a question begins with
INPUT: Final = "answer"  # action_id of every input
_UNTIL, _NOTE, _TEXT = "until", "note", "text"  # block ids
_PROBLEM: Final = 150  # letters beneath a field
_GROUP: Final = 100  # options of one group, and groups of one list
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NOTE_MOST: Final = 500


# ---- Forms -------------------------------------------------------------------------------------


def form(window: Window, say: Say, *, editing: bool, step: int = 0) -> Block:
    """The policy's questions, with what was answered before; where they are more than fit into one
    view, those of one step."""
    language, pages = window.language, _steps(window, say)
    step = min(step, len(pages) - 1)
    blocks, last = pages[step], step == len(pages) - 1
    if len(pages) > 1:
        number = {"step": step + 1, "steps": len(pages)}
        blocks = [kit.context(say("slack.step", number, language)), *blocks]
    return kit.modal(
        EDIT if editing else APPLY,
        window.club,
        blocks,
        submit=say("slack.send" if last else "slack.next", None, language),
        close=say("slack.cancel", None, language),
        metadata=str(step) if len(pages) > 1 else "",
    )


def following(window: Window, view: Raw, say: Say) -> int | None:
    """Which step comes after a view of the form; None after the last."""
    step = asked(view) + 1
    return step if step < len(_steps(window, say)) else None


def _steps(window: Window, say: Say) -> list[list[Block]]:
    """The blocks of the form, in as few views as hold them."""
    blocks = [_question(one, say, window.language) for one in window.fields]
    if not blocks:
        return [[kit.section(one) for one in window.sentences or (window.headline,)]]
    if kit.few(blocks, kit.VIEW_BLOCKS) == blocks:
        return [blocks]
    pages: list[list[Block]] = [[]]
    for block in blocks:
        more = [*pages[-1], block]
        if pages[-1] and kit.few(more, kit.VIEW_BLOCKS - 1) != more:
            pages.append([block])
        else:
            pages[-1] = more
    return pages


def _question(field: Field, say: Say, language: str) -> Block:
    element = _element(field, say, language)
    if element is None:
        text = say("slack.too-long-here", {"field": field.label}, language)
        return kit.section(text)
    hint = field.help
    if field.kind == "tags" and not hint:
        hint = say("slack.tags", None, language)
    made = kit.field(
        block_of(field.name),
        field.label,
        element,
        hint=hint,
        optional=not field.required,
        # A text would be told letter by letter, or show a hint of Slack's that misleads.
        tell=element["type"] != "plain_text_input",
    )
    if kit.few([made], 1) != [made]:  # some thousand options
        return kit.section(say("slack.only-on-web", {"field": field.label}, language))
    return made


def _element(field: Field, say: Say, language: str) -> Block | None:
    """What is filled in; None where the earlier answer does not fit into Slack's."""
    match field.kind:
        case "choice" | "many":
            return _choosing(field)
        case "date":
            picker: Block = {"type": "datepicker", "action_id": INPUT}
            day = "".join(field.typed[:1])
            return {**picker, "initial_date": day} if _DAY.fullmatch(day) else picker
        case "consent":
            tick = kit.option(say("slack.agree", None, language), "yes")
            return _marked({"type": "checkboxes"}, [tick], [tick] if field.typed else [])
        case _:
            typed = ", ".join(field.typed) if field.kind == "tags" else "".join(field.typed[:1])
            if units(typed) > kit.TYPED:
                return None
            return kit.typing(INPUT, typed, lines=field.kind == "longText")


def _choosing(field: Field) -> Block:
    """Boxes and circles for a few options, a list for more, with groups where one is too long."""
    made = [kit.option(label, token(value)) for value, label in dict(field.options).items()]
    chosen = {token(value) for value in field.typed}
    begun = [one for one in made if one["value"] in chosen]
    few, many = len(made) <= kit.BOXES, field.kind == "many"
    if few:
        return _marked({"type": "checkboxes" if many else "radio_buttons"}, made, begun)
    kind = {"type": "multi_static_select" if many else "static_select"}
    return _marked(kind, made, begun)


def _marked(element: Block, options: list[Block], begun: list[Block]) -> Block:
    element["action_id"] = INPUT
    if len(options) <= _GROUP:
        element["options"] = options
    else:
        parts = [options[at : at + _GROUP] for at in range(0, len(options), _GROUP)][:_GROUP]
        element["option_groups"] = [
            {
                "label": kit.words(f"{at * _GROUP + 1} – {at * _GROUP + len(part)}", 75),
                "options": part,
            }
            for at, part in enumerate(parts)
        ]
    if begun:
        many = element["type"] in {"checkboxes", "multi_static_select"}
        element["initial_options" if many else "initial_option"] = begun if many else begun[0]
    return element


def token(value: str) -> str:
    """An option's value within Slack's size: itself, or its digest."""
    sent_as_it_is = value.isprintable() and not value.startswith("#")
    if value and sent_as_it_is and units(value) <= kit.OPTION_VALUE:
        return value
    return f"#{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def block_of(name: str) -> str:
    """The block_id of a question's input."""
    return f"{_FIELD}{name}"[: kit.NAME]


def question(asked: int, text: str, say: Say, language: str, club: str) -> Block:
    """An admin's question, to be answered."""
    element = kit.typing(INPUT, lines=True)
    return kit.modal(
        ANSWER,
        club,
        [kit.section(text), kit.field(_TEXT, say("slack.answer", None, language), element)],
        submit=say("slack.send", None, language),
        close=say("slack.cancel", None, language),
        metadata=str(asked),
    )


def away(window: Window, say: Say) -> Block:
    """Until when somebody is away, and a word on it."""
    language = window.language
    until = {"type": "datepicker", "action_id": INPUT}
    note = kit.typing(INPUT, most=_NOTE_MOST)
    return kit.modal(
        AWAY,
        window.club,
        [
            kit.field(_UNTIL, say("slack.until", None, language), until),
            kit.field(_NOTE, say("slack.note", None, language), note, optional=True),
        ],
        submit=say("slack.send", None, language),
        close=say("slack.cancel", None, language),
    )


def vouching(about: str, say: Say, window: Window) -> Block:
    """Whether a member speaks for somebody; `about` is the account, "T…:U…"."""
    language = window.language
    return kit.modal(
        VOUCH,
        window.club,
        [
            kit.rich([kit.person(about.rpartition(":")[2])]),
            kit.section(say("slack.vouch-sure", None, language)),
        ],
        submit=say("slack.vouch", None, language),
        close=say("slack.cancel", None, language),
        metadata=about,
    )


def told(title: str, sentences: Sequence[str], say: Say, language: str) -> Block:
    """What became of it."""
    shown = [kit.section(one) for one in sentences if one] or [kit.section("")]
    return kit.modal(SHOWN, title, shown, close=say("slack.close", None, language))


def whole(card: Card, say: Say, language: str) -> Block:
    """A card with everything, also what has no room in its message: short of Slack's own limit,
    where what we say of it goes before the end of what was answered."""
    tail = [kit.context(one) for one in (*card.lines, card.status) if one]
    room, space = max(kit.VIEW_BLOCKS - len(tail), 1), kit.VIEW_BYTES - kit.bytes_of(tail)
    texts = [f"{fit(label, 500)}\n{value}" for label, value in card.facts]
    found = [kit.section(part) for text in texts for part in _pages(text)]
    if len(found) > room:  # closer together
        found = [kit.section(part) for part in _pages("\n\n".join(texts))]
    blocks = [*kit.few(found, room, space), *tail]
    return kit.modal(SHOWN, card.title, blocks, close=say("slack.close", None, language))


def _pages(text: str) -> list[str]:
    """A long text in parts that a section holds; marks make it longer."""
    found = []
    while text:
        size = kit.SECTION
        while units(tame(text[:size])) > kit.SECTION:
            size //= 2
        found.append(text[:size])
        text = text[size:]
    return found


# ---- Back --------------------------------------------------------------------------------------


def answers(view: Raw, fields: Sequence[Field]) -> dict[str, str | list[str]]:
    """What was typed and chosen in all of the form, as the web form's fields give it: a question
    that the view did not ask keeps its earlier answer."""
    there = {block_of(one.name) for one in fields} & _state(view).keys()
    kept = {one.name: list(one.typed) for one in fields if one.typed}
    return {n: v for n, v in kept.items() if block_of(n) not in there} | filled(view, fields)


def filled(view: Raw, fields: Sequence[Field]) -> dict[str, str | list[str]]:
    """What was typed and chosen in this view alone; what asks for nothing that is known any more
    comes along, for the domain to refuse."""
    known = {block_of(one.name): one for one in fields}
    state = _state(view)
    found: dict[str, str | list[str]] = {}
    for block, raw in state.items():
        if not block.startswith(_FIELD):
            continue
        field = known.get(block)
        back = {token(value): value for value, _ in field.options} if field else {}
        typed = [back.get(one, one) for one in _typed(raw)]
        name = field.name if field else block.removeprefix(_FIELD)
        found[name] = typed if len(typed) != 1 else typed[0]
    return found


def _state(view: Raw) -> dict[str, Raw]:
    """Block id to the state of its input; whatever else is there is passed over."""
    values = view.get("state", {})
    values = values.get("values", {}) if isinstance(values, Mapping) else {}
    found = {}
    for block, inputs in values.items() if isinstance(values, Mapping) else ():
        raw = inputs.get(INPUT) if isinstance(inputs, Mapping) else None
        if isinstance(raw, Mapping):
            found[str(block)] = raw
    return found


def _typed(raw: Raw) -> list[str]:
    """What one input holds."""
    if isinstance(several := raw.get("selected_options"), list):
        return [text for one in several if (text := _value(one))]
    if "selected_option" in raw:
        return [text] if (text := _value(raw["selected_option"])) else []
    told = raw.get("selected_date") or raw.get("value")
    return [told] if isinstance(told, str) and told else []


def _value(option: object) -> str:
    value = option.get("value") if isinstance(option, Mapping) else None
    return value if isinstance(value, str) else ""


def until(view: Raw) -> date | None:
    """The day that was picked; None for none, or for one that is none."""
    picked = "".join(_typed(_state(view).get(_UNTIL, {})))
    try:
        return date.fromisoformat(picked) if _DAY.fullmatch(picked) else None
    except ValueError:
        return None


def written(view: Raw) -> str:
    """The answer, or the word on an absence."""
    state = _state(view)
    return "".join(_typed(state.get(_TEXT, state.get(_NOTE, {}))))


def asked(view: Raw) -> int:
    """Which question the view asked; 0 for none."""
    kept = str(view.get("private_metadata", ""))
    return int(kept) if re.fullmatch(r"[0-9]{1,18}", kept) else 0


def about(view: Raw) -> str:
    """The account that a view is about, "" for none."""
    kept = str(view.get("private_metadata", ""))
    return kept if re.fullmatch(r"[TE][A-Z0-9]{2,30}:[UW][A-Z0-9]{2,30}", kept) else ""


def errors(view: Raw, problems: Mapping[str, str]) -> dict[str, str]:
    """Problems at their fields, by block_id; {} where none of them is at a field of this view."""
    blocks = view.get("blocks")
    there = {
        one.get("block_id")
        for one in (blocks if isinstance(blocks, list) else ())
        if isinstance(one, Mapping) and one.get("type") == "input"
    } or set(_state(view))
    found = {}
    for name, text in problems.items():
        for block in (block_of(name), name):
            if block in there:
                found[block] = fit(text, _PROBLEM)
                break
    return found
