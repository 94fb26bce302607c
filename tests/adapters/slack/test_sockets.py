"""Two lines of Socket Mode: one may break while the other hears."""

import asyncio
import logging

from gatekeeper.domain import events as told
from tests.adapters.slack.ears import ears, until


async def lines_up(heard, count):
    def up():
        sockets = heard.intake._line.sockets
        return sockets is not None and sockets.up >= count and len(heard.slack.lines) >= count

    await until(up)


async def test_one_line_breaks_and_nothing_is_lost():
    async with ears("socket") as heard:
        await lines_up(heard, 2)
        ada = heard.person("ada", heard.club)
        await heard.slack.lines[0].close()
        for _ in range(4):
            ada.write(heard.club, "hello")
        await heard.slack.quiet()
        assert len(heard.desk.signs) == 4
        assert heard.intake.health().ok
        await lines_up(heard, 2)
        assert heard.desk.lost == []


async def test_a_line_is_made_anew_when_slack_asks():
    async with ears("socket") as heard:
        await lines_up(heard, 2)
        first = heard.slack.lines[0]
        await heard.slack.disconnect("refresh_requested")
        await until(lambda: first not in heard.slack.lines)
        await lines_up(heard, 2)
        heard.person("ada").tell_app("status")
        await heard.slack.quiet()
        assert len(heard.desk.of(told.Wrote)) == 1
        assert heard.desk.lost == []


async def test_no_line_at_all_is_a_gap_once_one_is_up_again(caplog):
    caplog.set_level(logging.INFO)
    async with ears("socket") as heard:
        await lines_up(heard, 2)
        before = heard.intake._clock.now()
        heard.slack.api.fail("apps.connections.open", "500", times=4)
        for line in list(heard.slack.lines):
            await line.close()
        await until(lambda: not heard.intake.health().ok)
        assert heard.intake.health().code == "slack-no-line"
        await until(lambda: heard.desk.lost, within=10)
        [(place, start, end)] = heard.desk.lost
        assert place == ""
        assert start <= before <= end
        await until(lambda: heard.intake.health().ok)
    assert not [one for one in caplog.records if one.exc_info], "a traceback"


async def test_slack_away_at_the_start_is_no_error():
    async with ears("socket") as heard:
        await heard.intake.stop()
        heard.slack.api.fail("apps.connections.open", "500", times=3)
        starting = asyncio.create_task(heard.intake.start())
        await lines_up(heard, 1)
        await starting
        assert heard.intake.health().ok
        assert heard.desk.lost, "what came until the first line was up"


async def test_an_envelope_that_holds_no_object_is_answered():
    async with ears("socket") as heard:
        await lines_up(heard, 1)
        heard.slack.tell("not an object")  # type: ignore[arg-type]
        await heard.slack.quiet()
        assert heard.slack.told[-1].tries == [200]
