"""Rules that cannot be evaluated: nobody comes or goes by them, and the operator is told."""

import structlog

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.memberships import State as Member
from gatekeeper.testing.fakes import FakeStore
from tests.journeys.club import a_club
from tests.usecases.conftest import QUIET, Roll

SPAM = "      - id: spam\n"
FAULTY = {
    SPAM: "      - id: broken\n        condition: 10 / application.links < 5\n"
    "        output: {decision: admit}\n" + SPAM,
}
PATTERN = "application.text.matches(application.answers.why)"
SILENT = "      - id: silent\n"
UNSURE = {
    SILENT: "      - id: broken\n        condition: 10 / member.messages_30d < 5\n"
    "        output: {action: remove}\n" + SILENT,
}


def faults(logged):
    return [line for line in logged if line["event"] == "rule-fault"]


async def test_a_faulty_rule_lets_nobody_in_and_is_told_with_what_it_saw():
    async with a_club(FakeStore(), **FAULTY) as club:
        with structlog.testing.capture_logs() as logged:
            await club.apply(club.platform.person("@ada:fake"))
        [app] = await club.find(Application)
        assert app.state is State.IN_REVIEW
        [line] = faults(logged)
        assert (line["log_level"], line["rule"]) == ("warning", "broken")
        assert line["fault"].endswith("divide by zero")
        assert line["subject"] == f"application:{app.id}"
        lines = club.card_of("Ada").card.lines
        assert any(one.startswith("Rule broken: could not be evaluated") for one in lines)
        assert any(one.strip().endswith("links: 0") for one in lines)


async def test_what_somebody_typed_stays_out_of_the_log():
    pattern = {SPAM: FAULTY[SPAM].replace("10 / application.links < 5", PATTERN)}
    async with a_club(FakeStore(), **pattern) as club:
        with structlog.testing.capture_logs() as logged:
            await club.apply(club.platform.person("@ada:fake"), why="private (words " * 5)
        [line] = faults(logged)
        assert line["fault"] == "INVALID_ARGUMENT: invalid regular expression"
        assert "private" not in str(logged)


async def test_a_faulty_rule_lets_nobody_go_and_a_sweep_tells_it_once(monkeypatch):
    monkeypatch.setattr("tests.journeys.club.Club", Roll)
    async with a_club(FakeStore(), **UNSURE) as club:
        them = await club.adopt("carl", "eve", "mia")
        await club.pass_time(seconds=QUIET)
        with structlog.testing.capture_logs() as logged:
            await club.sweep()
        assert [await club.state(one) for one in them] == [Member.ACTIVE] * 3
        [line] = faults(logged)
        assert (line["rule"], line["subjects"]) == ("broken", 3 + 3)  # three admins too
