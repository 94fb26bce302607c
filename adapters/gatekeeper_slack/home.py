"""The Home tab: where somebody stands, and what they may do; pure."""

from typing import Final

from gatekeeper.domain.windows import Window
from gatekeeper_slack import blocks as kit
from gatekeeper_slack.blocks import Block
from gatekeeper_slack.escape import fit
from gatekeeper_slack.modals import Say

ACTION: Final = "gk:do:"  # what the action_id of a button in the Home tab begins with
_ORDER: Final = ("apply", "edit", "away", "back", "link", "listed", "unlisted", "withdraw")
_STYLES: Final = {"apply": "primary", "withdraw": "danger"}


def view(window: Window, say: Say) -> Block:
    """What one person sees of the club."""
    language = window.language
    found = [kit.header(window.club), kit.section(window.headline)]
    found += [kit.section(one) for one in window.sentences if one]
    if window.asked:
        found += [kit.divider(), kit.header(say("slack.questions", None, language))]
    for number, text in window.asked:
        label = say("slack.answer", None, language)
        found.append(kit.section(text, kit.button(label, f"{ACTION}answer", str(number))))
    buttons = [_button(act, say, language) for act in _ORDER if act in window.may]
    found += kit.actions(buttons)
    if window.answers:
        found += [kit.divider(), kit.header(say("slack.your-answers", None, language))]
        found += [_answer(label, text) for label, text in window.answers]
    return kit.home(found)


def _button(act: str, say: Say, language: str) -> Block:
    label = say(f"slack.{act}", None, language)
    asked = None
    if act == "withdraw":
        sure, no = say("slack.withdraw-sure", None, language), say("slack.cancel", None, language)
        asked = kit.confirm(label, sure, label, no)
    return kit.button(label, f"{ACTION}{act}", act, style=_STYLES.get(act, ""), asked=asked)


def _answer(label: str, text: str) -> Block:
    return kit.rich([kit.letters(f"{fit(label, 300)}\n", bold=True), kit.letters(fit(text, 1000))])
