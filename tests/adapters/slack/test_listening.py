"""Listening, over Socket Mode and over signed HTTP, by the same tests."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.activity import Kind
from gatekeeper.domain.errors import PlatformDown
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Profile
from tests.adapters.slack.ears import Ears, Mode, ears, until


@pytest.fixture(params=["http", "socket"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


@pytest.fixture
async def heard(mode: Mode, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Ears]:
    caplog.set_level(logging.INFO, "gatekeeper_slack")
    async with ears(mode) as all_ears:
        yield all_ears
    assert not [record for record in caplog.records if record.exc_info], "a traceback"


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The codes of what we logged as refused or strange."""
    found = [one for one in caplog.records if one.name.startswith("gatekeeper_slack")]
    return [one.getMessage().split()[0] for one in found if not one.name.endswith(".sdk")]


# ---- What is told ------------------------------------------------------------------------------


async def test_a_message_is_a_sign(heard):
    ada = heard.person("ada", heard.club)
    ada.write(heard.club, "hello")
    await heard.slack.quiet()
    [sign] = heard.desk.signs
    assert (sign.who, sign.kind, sign.place) == (heard.who(ada), Kind.MESSAGE, "club")
    assert [one.tries for one in heard.slack.told] == [[200]]
    assert heard.intake.health().ok


async def test_words_in_the_chat_with_us_are_taken_in(heard):
    ada = heard.person("ada")
    ada.tell_app("I am <still> here")
    await heard.slack.quiet()
    [wrote] = heard.desk.of(told.Wrote)
    assert (wrote.text, wrote.place, wrote.who) == ("I am <still> here", "direct", heard.who(ada))


async def test_who_comes_and_goes(heard):
    ada = heard.person("ada")
    ada.join(heard.club)
    await heard.slack.quiet()
    ada.leave(heard.club)
    await heard.slack.quiet()
    assert [type(one) for one in heard.desk.events] == [told.Joined, told.Departed]


async def test_a_name_is_looked_up_and_bots_are_no_people(heard):
    async def profile(who: Identity) -> Profile:
        return Profile(name="Ada Able", bot=who.account.endswith(robot.id))

    heard.looks.profile = profile
    ada, robot = heard.person("ada"), heard.person("robot", is_bot=True)
    ada.join(heard.club)
    robot.join(heard.club)
    await heard.slack.quiet()
    [joined] = heard.desk.of(told.Joined)
    assert joined.name == "Ada Able"


async def test_our_own_taking_out_is_not_their_departure(heard):
    ada = heard.person("ada", heard.club)
    heard.scene.removed[heard.club.id, ada.id] = heard.intake._clock.now()
    ada.leave(heard.club)
    await heard.slack.quiet()
    [out] = heard.desk.events
    assert isinstance(out, told.PutOut)
    assert out.by == Identity("slack", f"{heard.team.id}:{heard.team.bot_user}")


async def test_who_goes_after_they_came_back_goes_by_themselves(heard):
    ada = heard.person("ada")
    heard.scene.removed[heard.club.id, ada.id] = heard.intake._clock.now()
    ada.join(heard.club)
    await heard.slack.quiet()
    ada.leave(heard.club)
    await heard.slack.quiet()
    bob = heard.person("bob", heard.club)
    heard.scene.removed[heard.club.id, bob.id] = heard.intake._clock.now() - timedelta(hours=1)
    bob.leave(heard.club)
    await heard.slack.quiet()
    assert [type(one) for one in heard.desk.events] == [told.Joined, told.Departed, told.Departed]


async def test_who_went_and_is_back_by_the_time_we_hear_is_not_gone(heard, caplog):
    async def inside(who: Identity) -> bool:
        return who.account.rpartition(":")[2] in heard.club.members

    heard.looks.inside = inside
    ada = heard.person("ada", heard.club)
    late = heard.slack.event(
        heard.team.id,
        {
            "type": "member_left_channel",
            "user": ada.id,
            "channel": heard.club.id,
            "team": heard.team.id,
            "event_ts": heard.slack.world.ts(),
        },
    )
    heard.slack.tell(late)
    await heard.slack.quiet()
    assert heard.desk.events == []
    assert codes(caplog) == ["slack-late"]


async def test_an_account_switched_off_is_gone_once_slack_says_so(heard):
    inside = {"now": True}

    async def look(who: Identity) -> bool:
        return inside["now"]

    heard.looks.inside = look
    ada = heard.person("ada", heard.club)
    off = {"type": "user_change", "user": {"id": ada.id, "team_id": heard.team.id, "deleted": True}}
    heard.slack.world.happens(heard.team, off)
    await heard.slack.quiet()
    assert heard.desk.events == []
    inside["now"] = False
    heard.slack.world.happens(heard.team, off)
    await heard.slack.quiet()
    assert [type(one) for one in heard.desk.events] == [told.Departed]


async def test_a_command_is_a_word_to_us(heard):
    ada = heard.person("ada")
    answer = await ada.command("/club", "status of my payload")
    assert answer.status == 200
    [wrote] = heard.desk.of(told.Wrote)
    assert (wrote.place, wrote.text) == ("direct", "status of my payload")


# ---- Doubled, late, slow, failing --------------------------------------------------------------


async def test_a_twin_is_taken_in_once(heard):
    ada = heard.person("ada")
    ada.tell_app("status")
    await heard.slack.quiet()
    [first] = heard.slack.told
    again = [heard.slack.tell(first.body) for _ in range(3)]
    await heard.slack.quiet()
    assert len(heard.desk.events) == 1
    assert {one.status for one in again} == {200}


async def test_an_event_that_is_not_kept_in_time_is_told_again_and_kept_once(mode, caplog):
    async with ears(mode, within=0.2) as heard:
        ada = heard.person("ada")
        heard.desk.go.clear()
        ada.tell_app("status")
        await until(lambda: "slack-not-now" in codes(caplog))
        heard.desk.go.set()
        await heard.slack.quiet(within=12)
        [telling] = heard.slack.told
        assert telling.tries[0] != 200
        assert telling.tries[-1] == 200
        assert len(heard.desk.events) == 1


async def test_what_a_stop_gave_up_is_taken_in_when_it_is_told_again(mode):
    """As after an app is installed anew: the same process listens on."""
    async with ears(mode, within=0.2) as heard:
        with patch("gatekeeper_slack.listening._STOPPING", 0.0):
            ada = heard.person("ada")
            heard.desk.go.clear()
            ada.tell_app("status")
            await until(lambda: heard.intake._reception._tasks)
            await heard.intake.stop()
        heard.desk.go.set()
        await heard.intake.start()
        [first] = heard.slack.told
        again = heard.slack.tell(first.body)
        await heard.slack.quiet(within=12)
        assert again.status == 200
        assert [one.text for one in heard.desk.of(told.Wrote)] == ["status"]


async def test_a_press_that_a_stop_gave_up_is_told_to_who_pressed(mode):
    async with ears(mode, within=1.0) as heard:
        ada = heard.person("ada", heard.desk_room)
        heard.desk.go.clear()
        with patch("gatekeeper_slack.listening._STOPPING", 0.0):
            press = asyncio.create_task(ada.press(heard.desk_room, heard.card(), "card:1:approve"))
            await until(lambda: heard.intake._reception._tasks)
            await heard.intake._reception.stop(0.0)
            assert (await press).status != 200
        assert not heard.desk.events


async def test_a_press_is_answered_in_time_and_kept_all_the_same(mode):
    async with ears(mode, within=0.2) as heard:
        ada = heard.person("ada", heard.desk_room)
        card = heard.card()
        heard.desk.go.clear()
        answer = await ada.press(heard.desk_room, card, "card:1:approve")
        assert (answer.status, heard.desk.events) == (200, [])
        heard.desk.go.set()
        await until(lambda: heard.desk.events)


async def test_a_fault_right_after_the_press_loses_no_answer(heard, caplog):
    """Trap 1: bolt forgets the ack of a listener that raises at once."""
    ada = heard.person("ada", heard.desk_room)
    heard.desk.fail = [RuntimeError("at once"), PlatformDown("slack", "away")]
    answer = await ada.press(heard.desk_room, heard.card(), "card:1:approve")
    assert answer.status == 200
    await until(lambda: heard.desk.of(told.Pressed))
    assert codes(caplog)[:2] == ["intake-stuck", "intake-stuck"]


async def test_an_event_that_fails_by_itself_is_passed_over_and_shown(heard, caplog):
    ada = heard.person("ada")
    heard.desk.fail = [RuntimeError("again") for _ in range(5)]
    ada.tell_app("status")
    await until(lambda: "event-refused" in codes(caplog))
    assert heard.intake.health().code == "event-refused"
    ada.tell_app("help")
    await heard.slack.quiet()
    assert [one.text for one in heard.desk.of(told.Wrote)] == ["help"]


async def test_a_fault_of_our_own_is_one_line(heard, caplog, monkeypatch):
    def broken(*given: Any) -> None:
        raise LookupError("ours")

    ada = heard.person("ada", heard.desk_room)
    heard.looks.symbol = broken
    answer = await ada.press(heard.desk_room, heard.card(), "card:1:approve")
    monkeypatch.setattr("gatekeeper_slack.events.heard", broken)
    ada.tell_app("status")
    await heard.slack.quiet()
    assert (answer.status, heard.slack.told[-1].tries) == (200, [200])
    assert codes(caplog) == ["slack-intake-fault"] * 2
    assert heard.intake.health().code == "event-refused"


# ---- Presses -----------------------------------------------------------------------------------


async def test_a_press_on_a_card(heard):
    ada = heard.person("ada", heard.desk_room)
    card = heard.card()
    answer = await ada.press(heard.desk_room, card, "card:1:approve")
    assert answer.status == 200
    [press] = heard.desk.of(told.Pressed)
    assert (press.symbol, press.place, press.who) == ("✅", "admins", heard.who(ada))
    assert press.ref == f"{heard.desk_room.id}:{card.ts}"


async def test_a_stranger_of_another_team_never_presses_for_the_admins(heard, caplog):
    eve = heard.person("eve", heard.desk_room, is_stranger=True)
    eve.user.team = "T0ELSE"
    answer = await eve.press(heard.desk_room, heard.card(), "card:1:approve")
    assert answer.status == 200
    assert (heard.desk.events, heard.desk.signs) == ([], [])
    assert codes(caplog) == ["slack-press-refused"]


async def test_an_old_cards_button_is_answered_politely(heard, caplog):
    """Trap 4."""
    ada = heard.person("ada", heard.desk_room)
    answer = await ada.press(heard.desk_room, heard.card("", "approve_v0"), "approve_v0")
    assert (answer.status, heard.desk.events) == (200, [])
    assert codes(caplog) == ["slack-unknown"]


async def test_what_we_do_not_know_is_answered_politely(heard):
    """Trap 4."""
    ada = heard.person("ada")
    kinds = ("shortcut", "message_action", "view_submission", "view_closed", "function_executed")
    for kind in kinds:
        payload = {**ada._who(kind), "callback_id": "of-old", "view": {"id": "V1"}}
        assert (await heard.slack.interact(payload)).status == 200, kind
    assert heard.desk.events == []


async def test_a_press_of_nothing(heard, caplog):
    """Trap 6."""
    ada = heard.person("ada")
    none_of_them: list[Any] = [[], None, "all", [None], [[]], {}]
    for actions in none_of_them:
        answer = await heard.slack.interact({**ada._who("block_actions"), "actions": actions})
        assert answer.status == 200
    assert codes(caplog) == ["slack-empty-actions"] * len(none_of_them)


ODD: list[dict[str, Any]] = [
    {"user": "U1"},
    {"user": []},
    {"team": "T1"},
    {"authorizations": "x"},
    {"authorizations": [3]},
    {"enterprise": 7},
    {"event": "x"},
    {"event": ["x"]},
    {"view": 3, "channel": 4, "message": 5},
    {"event_id": ["x"], "event": {"type": ["message"], "user": {"id": 3}}},
]


@pytest.mark.parametrize("kind", ["event_callback", "block_actions", "view_submission", ""])
async def test_payloads_of_another_shape(heard, kind):
    ada = heard.person("ada")
    for odd in ODD:
        payload = {**ada._who(kind), "team_id": heard.team.id, **odd}
        assert (await heard.slack.interact(payload)).status == 200, odd
    assert heard.desk.events == []


async def test_a_menu_that_asks_for_options(heard):
    ada = heard.person("ada")
    answer = await heard.slack.interact(ada._who("block_suggestion"))
    assert answer.answer == {"options": []}


async def test_another_workspaces_payload_is_not_ours(heard, caplog):
    """Trap 2: what stops in front is no 404, which Slack would tell again."""
    ada = heard.person("ada")
    body = {**ada._who("block_actions"), "team": {"id": "T0ELSE"}, "actions": [{}]}
    assert (await heard.slack.interact(body)).status == 200
    event = {**heard.slack.event(heard.team.id, {}), "team_id": "T0ELSE", "authorizations": []}
    heard.slack.tell({**event, "context_team_id": "T0ELSE"})
    await heard.slack.quiet()
    assert heard.slack.told[-1].tries == [200]
    assert codes(caplog) == ["slack-foreign-team", "slack-foreign-team"]


async def test_nothing_is_asked_of_slack_for_what_it_tells(heard):
    """Trap 10: no auth.test for each event."""
    before = len(heard.slack.api.calls)
    ada = heard.person("ada", heard.club)
    for _ in range(5):
        ada.write(heard.club, "hello")
    await heard.slack.quiet()
    assert len(heard.slack.api.calls) == before
    assert len(heard.desk.signs) == 5


# ---- Screens -----------------------------------------------------------------------------------


class Drawn:
    """Screens that remember what they were asked; `home` fails."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def command(self, who: Identity, command: str, text: str, trigger: str) -> bool:
        self.seen.append(f"{command} {text}".strip())
        return command == "/join"

    async def shortcut(self, who: Identity, callback: str, payload: Mapping[str, Any]) -> bool:
        self.seen.append(callback)
        return True

    async def pressed(self, who: Identity, payload: Mapping[str, Any]) -> bool:
        self.seen.append(payload["actions"][0]["action_id"])
        return True

    async def submitted(self, who: Identity, view: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return {"response_action": "errors", "errors": {"why": "short"}}

    async def closed(self, who: Identity, view: Mapping[str, Any]) -> None:
        self.seen.append("closed")

    async def home(self, who: Identity) -> None:
        raise RuntimeError("no home")


async def test_screens_are_asked_and_may_fail(mode, caplog):
    drawn = Drawn()
    async with ears(mode, screens=drawn) as heard:
        ada = heard.person("ada")
        await ada.command("/join")
        await ada.command("/club", "status")
        await ada.shortcut("vouch")
        view = {"view": {"id": "V1", "callback_id": "form"}}
        sent = await heard.slack.interact({**ada._who("view_submission"), **view})
        await heard.slack.interact({**ada._who("view_closed"), **view})
        button = {**view, "actions": [{"action_id": "more"}]}
        await heard.slack.interact({**ada._who("block_actions"), **button})
        ada.open_home()
        await heard.slack.quiet()
    assert sent.answer == {"response_action": "errors", "errors": {"why": "short"}}
    assert drawn.seen == ["/join", "/club status", "vouch", "closed", "more"]
    assert [one.text for one in heard.desk.of(told.Wrote)] == ["status"]
    assert codes(caplog) == ["slack-screen-failed"]


# ---- What we could not see ---------------------------------------------------------------------


async def test_what_slack_kept_back_is_a_gap(heard):
    """Trap 3."""
    start = int(heard.slack.world.now()) - 120
    heard.slack.tell(
        {"type": "app_rate_limited", "team_id": heard.team.id, "minute_rate_limited": start}
    )
    await heard.slack.quiet()
    assert heard.slack.told[-1].tries == [200]
    [(place, begin, end)] = heard.desk.lost
    assert (place, begin.timestamp(), end - begin) == ("", start, timedelta(minutes=1))


async def test_out_of_a_channel_and_back(heard):
    """Trap 8: our own comings and goings arrive."""
    heard.slack.world.part(heard.team, heard.room, heard.team.bot_user)
    await heard.slack.quiet()
    assert set(heard.desk.blind_now or {}) == {"room"}
    assert heard.intake.health().code == "put-out"
    heard.slack.world.join(heard.team, heard.room, heard.team.bot_user)
    await heard.slack.quiet()
    assert heard.desk.blind_now == {}
    assert [place for place, _, _ in heard.desk.lost] == ["room"]
    assert heard.intake.health().ok


async def test_a_channel_that_is_deleted_hides_nobody(heard):
    gone = {"type": "group_deleted", "channel": heard.room.id, "event_ts": heard.slack.world.ts()}
    heard.slack.tell(heard.slack.event(heard.team.id, gone))
    await heard.slack.quiet()
    assert heard.desk.blind_now == {}
    assert heard.intake.health().code == "place-missing"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_taken_out_of_the_workspace_in_either_order(heard, order):
    both = [
        {"type": "app_uninstalled"},
        {"type": "tokens_revoked", "tokens": {"bot": [heard.team.bot_user]}},
    ]
    for number in order:
        heard.slack.tell(heard.slack.event(heard.team.id, both[number]))
        await heard.slack.quiet()
    assert heard.intake.health().code == "login-revoked"


async def test_a_restart_is_a_gap_and_the_first_start_is_none(mode):
    async with ears(mode) as heard:
        assert heard.desk.gaps == 0
        await heard.intake.stop()
        assert heard.intake.health().code == "not-listening"
        await heard.intake.start()
        assert heard.desk.gaps == 1
        heard.desk.fail = [PlatformDown("slack", "away")]
        heard.person("ada").tell_app("status")
        await heard.slack.quiet()
        assert heard.slack.told[-1].tries == [200], "waits and tries again, as before the stop"
        assert len(heard.desk.events) == 1


async def test_many_at_once(heard):
    people = [heard.person(f"p{n}", heard.club) for n in range(30)]
    for person in people:
        person.write(heard.club, "hello")
        person.tell_app("status")
    await heard.slack.quiet()
    assert len(heard.desk.signs) == 60
    assert len(heard.desk.events) == 30
    assert all(one.tries == [200] for one in heard.slack.told)
    assert asyncio.get_running_loop().is_running()
