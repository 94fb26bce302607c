"""Forms and the Home tab on the stand-in, over both lines: opened, sent, refused at the field."""

import asyncio
from contextlib import asynccontextmanager
from datetime import date

import pytest

from gatekeeper.clock import SystemClock
from gatekeeper.domain.decisions import Card
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.windows import Field, Taken, Window
from gatekeeper_slack.api import Api
from gatekeeper_slack.windows import Windows
from tests.adapters.slack.ears import ears
from tests.adapters.slack.sizes import letters
from tests.support.wait import eventually

FORM = (
    Field(name="why", kind="longText", label="Why?", required=True),
    Field(name="how", kind="choice", label="How?", options=(("web", "By the web"), ("x", "Else"))),
)
APPLYING = Window(
    club="Clocks", language="en", headline="Welcome", may=frozenset({"apply"}), fields=FORM
)
OPEN = Window(
    club="Clocks",
    language="en",
    headline="Looked at",
    may=frozenset({"edit", "withdraw"}),
    fields=FORM,
    asked=((7, "Which clocks?"),),
)
MEMBER = Window(club="Clocks", language="de", headline="Dabei", may=frozenset({"away", "back"}))
SENT = {
    "q:why": {"answer": {"type": "plain_text_input", "value": "I like <!here> clocks"}},
    "q:how": {"answer": {"type": "radio_buttons", "selected_option": {"value": "web"}}},
}


class Late:
    """Screens that are made when there is a desk."""

    def __getattr__(self, name):
        return getattr(self.made, name)


@pytest.fixture(params=["socket", "http"])
async def club(request):
    async with a_club(request.param) as heard:
        yield heard


@asynccontextmanager
async def a_club(mode, **given):
    late = Late()
    async with ears(mode, screens=late, **given) as heard:
        token = next(one for one in heard.slack.world.tokens.values() if one.kind == "bot")
        api = Api(f"{heard.slack.url}/api/", token.text, SystemClock())
        late.made = Windows(api, heard.desk, heard.scene, SystemClock())
        yield heard
        await api.close()


def person(club, name, window):
    found = club.person(name)
    club.desk.windows[club.who(found)] = window
    return found


async def test_somebody_applies_and_is_told_what_is_wrong_at_the_field(club):
    ada = person(club, "ada", APPLYING)
    await ada.command("/gatekeeper", "")
    view = ada.open_view()
    assert view.content["callback_id"] == "gk:apply"
    club.desk.taken = Taken(said="", problems={"why": "Too short."})
    told = await ada.send_view(view, SENT)
    assert told.answer == {"response_action": "errors", "errors": {"q:why": "Too short."}}
    club.desk.taken = Taken(said="It is with the admins.")
    await ada.send_view(view, SENT)
    assert "with the admins" in letters(ada.open_view().content["blocks"])
    first, second = club.desk.filled
    assert second.act == "apply"
    assert second.who == club.who(ada)
    assert second.answers == {"why": "I like <!here> clocks", "how": "web"}
    assert first.event_id == second.event_id
    assert "Welcome" in letters(ada.home.content["blocks"])


@pytest.mark.parametrize("problems", [{}, {"why": "Too short."}], ids=["taken in", "refused"])
async def test_what_takes_longer_than_slack_waits_is_said_in_the_same_window(problems):
    """A window that closes would look as if all were well."""
    async with a_club("http", within=0.2) as club:
        ada = person(club, "ada", APPLYING)
        await ada.command("/gatekeeper", "")
        view, take, go = ada.open_view(), club.desk.take, asyncio.Event()

        async def slowly(filled):
            await go.wait()
            return await take(filled)

        club.desk.take = slowly
        club.desk.taken = Taken(said="" if problems else "With the admins.", problems=problems)
        told = await ada.send_view(view, SENT)
        assert told.answer["response_action"] == "update"
        assert "Leave this window open" in letters(ada.open_view().content["blocks"])
        go.set()
        said = "Too short." if problems else "With the admins."
        await eventually(
            lambda: said in letters(ada.open_view().content["blocks"]), what="what became of it"
        )
        assert len(club.desk.filled) == 1
        await ada.close_view(ada.open_view())
        await ada.shortcut("apply")
        element = ada.open_view().content["blocks"][0]["element"]
        assert ("initial_value" in element) == bool(problems)


async def test_a_form_that_was_begun_goes_on_where_it_was_closed(club):
    ada = person(club, "ada", APPLYING)
    await ada.shortcut("apply")
    view = ada.open_view()
    await ada.note_in_view(view, "q:how", SENT)
    await ada.close_view(view)
    await ada.shortcut("apply")
    why, how = (one["element"] for one in ada.open_view().content["blocks"])
    assert why["initial_value"] == "I like <!here> clocks"
    assert how["initial_option"]["value"] == "web"
    assert not club.desk.filled


LONG_LIST = tuple((f"v{n}", f"Option number {n}, with some words to it") for n in range(900))
STEPS = Window(
    club="Clocks",
    language="en",
    headline="Welcome",
    may=frozenset({"apply"}),
    fields=(
        FORM[0],
        Field(name="where", kind="choice", label="Where?", options=LONG_LIST),
        Field(name="when", kind="choice", label="When?", options=LONG_LIST),
        Field(name="last", kind="text", label="Last?"),
    ),
)


def typed(text):
    return {"answer": {"type": "plain_text_input", "value": text}}


def chosen(value):
    return {"answer": {"type": "static_select", "selected_option": {"value": value}}}


async def test_a_form_that_one_view_cannot_hold_has_several_steps(club):
    ada = person(club, "ada", STEPS)
    await ada.shortcut("apply")
    view = ada.open_view()
    assert "Step 1 of 2" in letters(view.content["blocks"])
    assert view.content["submit"]["text"] == "Next"
    first = {"q:why": typed("Short"), "q:where": chosen("v7")}
    club.desk.taken = Taken(said="", problems={"why": "Too short.", "last": "Not yet asked."})
    told = await ada.send_view(view, first)
    assert told.answer == {"response_action": "errors", "errors": {"q:why": "Too short."}}
    club.desk.taken = Taken(said="It is with the admins.", problems={"last": "Not yet asked."})
    first["q:why"] = typed("Long enough")
    await ada.send_view(view, first)
    view = ada.open_view()
    assert "Step 2 of 2" in letters(view.content["blocks"])
    assert view.content["submit"]["text"] == "Send"
    assert not club.desk.filled, "not sent before the last step"
    await ada.close_view(view)
    await ada.shortcut("apply")
    assert ada.open_view().content["blocks"][1]["element"]["initial_value"] == "Long enough"
    await ada.send_view(ada.open_view(), first)
    club.desk.taken = Taken(said="It is with the admins.")
    await ada.send_view(ada.open_view(), {"q:when": chosen("v8"), "q:last": typed("Yes")})
    assert "with the admins" in letters(ada.open_view().content["blocks"])
    [sent] = club.desk.filled
    assert (sent.act, sent.answers) == (
        "apply",
        {"why": ["Long enough"], "where": ["v7"], "when": "v8", "last": "Yes"},
    )


async def test_whoever_has_applied_changes_withdraws_and_answers_from_the_home_tab(club):
    ben = person(club, "ben", OPEN)
    ben.open_home()
    await club.slack.quiet()
    await ben.press_in_view(ben.home, "gk:do:edit")
    view = ben.open_view()
    assert view.content["callback_id"] == "gk:edit"
    await ben.close_view(view)
    await ben.press_in_view(ben.home, "gk:do:answer")
    answer = {"text": {"answer": {"type": "plain_text_input", "value": "Ship's clocks"}}}
    await ben.send_view(ben.open_view(), answer)
    await ben.close_view(ben.open_view())
    await ben.press_in_view(ben.home, "gk:do:withdraw")
    acts = [(one.act, one.asked, one.text) for one in club.desk.filled]
    assert acts == [("answer", 7, "Ship's clocks"), ("withdraw", 0, "")]


async def test_a_member_says_until_when_they_are_away(club):
    dana = person(club, "dana", MEMBER)
    await dana.shortcut("away")
    view = dana.open_view()
    assert view.content["submit"]["text"] == "Senden"
    picked = {"until": {"answer": {"type": "datepicker", "selected_date": "2027-01-31"}}}
    await dana.send_view(view, picked)
    [sent] = club.desk.filled
    assert (sent.act, sent.until) == ("away", date(2027, 1, 31))


async def test_what_one_may_not_do_is_said_and_opens_no_form(club):
    dana = person(club, "dana", MEMBER)
    await dana.shortcut("apply")
    view = dana.open_view()
    assert view.content["callback_id"] == "gk:shown"
    assert "Dabei" in letters(view.content["blocks"])


async def test_words_of_a_command_are_said_to_us(club):
    dana = person(club, "dana", MEMBER)
    await dana.command("/gatekeeper", "status")
    assert [one.text for one in club.desk.events] == ["status"]
    assert dana.open_view() is None


async def test_a_question_that_is_gone_and_a_desk_that_cannot_be_asked_are_told(club):
    ada = person(club, "ada", APPLYING)
    await ada.shortcut("apply")
    view = ada.open_view()
    club.desk.taken = Taken(said="", problems={"gone": "No such question."})
    await ada.send_view(view, SENT)
    assert "has changed" in letters(ada.open_view().content["blocks"])
    await ada.shortcut("apply")

    async def down(_):
        raise PlatformDown("slack", "away")

    club.desk.take = down
    await ada.send_view(ada.open_view(), SENT)
    assert "try again" in letters(ada.open_view().content["blocks"])


async def test_a_member_vouches_for_who_wrote_a_message(club):
    dana, ada = person(club, "dana", MEMBER), club.person("ada", club.room)
    message = {"type": "message", "user": ada.id, "team": ada.user.team, "ts": "1.1"}
    await take_on_message(club, dana, message)
    view = dana.open_view()
    assert view.content["submit"]["text"] == "Bürgen"
    await dana.send_view(view, {})
    [sent] = club.desk.filled
    assert (sent.act, sent.about) == ("vouch", club.who(ada))
    await dana.close_view(dana.open_view())
    await take_on_message(club, dana, {"type": "message", "bot_id": "B1"})
    assert "keine Bewerbung" in letters(dana.open_view().content["blocks"])


async def take_on_message(club, who, message):
    """A shortcut on a message."""
    taken = {
        **who._who("message_action"),
        "callback_id": "vouch",
        "trigger_id": club.slack.world.trigger(club.team, who.id),
        "message": message,
    }
    await club.slack.interact(taken)


async def test_a_card_that_was_cut_is_opened_whole(club):
    alice = club.person("alice", club.desk_room)
    card = Card(title="Ada", status="open", facts=(("Why?", "word " * 1500 + "the end"),))
    shown = club.card("", action="gk:open")
    club.desk.cards[f"{club.desk_room.id}:{shown.ts}"] = card
    await alice.press(club.desk_room, shown, "gk:open")
    told = letters(alice.open_view().content["blocks"])
    assert "the end" in told
    del club.desk.cards[f"{club.desk_room.id}:{shown.ts}"]
    await alice.close_view(alice.open_view())
    await alice.press(club.desk_room, shown, "gk:open")
    assert alice.open_view() is None


async def test_an_unknown_view_or_button_changes_nothing(club):
    ada = person(club, "ada", APPLYING)
    for callback in ("gk:other", ""):
        view = {"view": {"id": "V1", "callback_id": callback}}
        told = await club.slack.interact({**ada._who("view_submission"), **view})
        assert told.status == 200
    press = {"view": {"id": "V1"}, "actions": [{"action_id": "gk:do:everything"}]}
    assert (await club.slack.interact({**ada._who("block_actions"), **press})).status == 200
    assert club.desk.filled == []
