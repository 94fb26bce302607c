"""A person's days as marks, and our blind spots beneath them."""

import json
from datetime import UTC, datetime, timedelta

from gatekeeper.cli import lifeline
from gatekeeper.domain.activity import Kind, Relation
from gatekeeper.domain.sight import Gap
from gatekeeper.usecases.life import DAYS, Life

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
LAST = NOW.date()
FIRST = LAST - timedelta(days=DAYS - 1)
HOUR = timedelta(hours=1)
MIDNIGHT = NOW - 12 * HOUR


def a_life() -> Life:
    return Life(
        FIRST,
        LAST,
        {Kind.MESSAGE: {FIRST: 1, LAST: 9}, Kind.READ: {LAST - timedelta(days=1): 2}},
        [
            Gap(MIDNIGHT - 72 * HOUR, MIDNIGHT - 48 * HOUR, "", ""),
            Gap(MIDNIGHT - 26 * HOUR, MIDNIGHT - 23 * HOUR, "matrix", "lobby"),
            Gap(MIDNIGHT - 25 * HOUR, MIDNIGHT - 24 * HOUR, "matrix", ""),
            Gap(MIDNIGHT, MIDNIGHT + 7 * HOUR, "matrix", ""),
            Gap(NOW - HOUR / 60, NOW, "matrix", ""),
        ],
        {7: {Relation.ANSWERED: 2}},
    )


def test_marks_stand_beneath_their_days():
    *drawn, key = lifeline.lines(a_life(), NOW)
    assert all(len(line) <= 80 and line.isascii() for line in drawn)
    early, late = drawn[:4], drawn[4:]
    assert [line.split()[0] for line in early[1:]] == ["message", "read", "unseen"]
    assert early[0].split() == ["2026-01-01", "2026-02-14"]
    assert late[0].split() == ["2026-02-15", "2026-03-31"]
    assert len({len(line) for line in drawn}) == 1
    assert [line[lifeline.WIDTH :] for line in early[1:]] == ["o" + "." * 44, "." * 45, "." * 45]
    assert late[1].endswith("........O")
    assert late[2].endswith(".......o.")
    assert late[3].endswith(".....?~~?"), "seven hours of the twelve so far are more than half"
    assert "half" in key


def test_gaps_in_words_and_dates():
    assert lifeline.gap_lines(a_life().gaps) == [
        "2026-03-28 00:00 to 2026-03-29 00:00 UTC: before we first listened",
        "2026-03-29 22:00 to 2026-03-30 01:00 UTC: matrix, lobby",
        "2026-03-29 23:00 to 2026-03-30 00:00 UTC: matrix",
        "2026-03-31 00:00 to 2026-03-31 07:00 UTC: matrix",
    ]
    blind = (
        "2026-03-01T10:00:00+00:00/2026-03-03T11:00:00+00:00 matrix:lobby, "
        "2026-03-09T10:00:00+00:00/2026-03-09T11:00:00+00:00 "
    )
    assert lifeline.days_unseen(blind) == "2026-03-01..2026-03-03 matrix:lobby, 2026-03-09"
    assert lifeline.days_unseen("") == ""


def test_the_same_as_data():
    found = lifeline.as_json(a_life())
    assert found["days"] == {
        "2026-01-01": {"message": 1},
        "2026-03-30": {"read": 2},
        "2026-03-31": {"message": 9},
    }
    assert found["unseen"][1]["place"] == "lobby"
    assert found["towards"] == {"person:7": {"answered": 2}}


def test_the_command_shows_it(club, gatekeeper):
    assert gatekeeper("members", "adopt", "--yes")[0] == 0
    code, out, err = gatekeeper("members", "show", "@eve:example.org")
    assert code == 0, err
    assert "unseen" in out
    assert "before we first listened" in out
    assert "—" not in out.split("o one to four")[1]
    found = json.loads(gatekeeper("members", "show", "@eve:example.org", "--json")[1])
    assert found["life"]["days"] == {}
    assert found["life"]["towards"] == {}
