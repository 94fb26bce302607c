"""Lean times: an invitation goes only where a send must be free."""

from datetime import UTC, datetime, timedelta

from gatekeeper_matrix.lean import Lean

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACE = timedelta(seconds=5)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def lean_since_now() -> Lean:
    lean = Lean()
    lean.refused(inviting=False, wait=PACE, now=NOW)
    return lean


def send(lean: Lean, seconds: float, inviting: bool = False, sent: bool = True) -> None:
    lean.begun()
    lean.ended(inviting, sent, at(seconds))


def wait(lean: Lean, seconds: float, inviting: bool = False) -> float:
    return lean.wait(inviting, at(seconds)).total_seconds()


def test_nothing_waits_in_good_times():
    lean = Lean()
    send(lean, 0)
    assert wait(lean, 0) == wait(lean, 0, inviting=True) == 0


def test_an_invitation_waits_until_a_send_has_come_back():
    lean = lean_since_now()
    send(lean, 6)
    assert wait(lean, 7, inviting=True) == 4
    assert wait(lean, 11, inviting=True) == 0


def test_that_moment_is_kept_for_it():
    lean = lean_since_now()
    send(lean, 6)
    assert wait(lean, 7) == 0
    wait(lean, 7, inviting=True)
    assert wait(lean, 8) == 4.5
    assert wait(lean, 11, inviting=True) == 0
    send(lean, 11, inviting=True)
    assert wait(lean, 11) == 0


def test_what_is_under_way_counts():
    lean = lean_since_now()
    lean.begun()
    assert wait(lean, 6, inviting=True) == 5


def test_invitations_and_the_rest_take_turns():
    lean = lean_since_now()
    send(lean, 6, inviting=True)
    assert wait(lean, 7, inviting=True) == 4
    assert wait(lean, 7) == 0
    send(lean, 11)
    assert wait(lean, 11.5, inviting=True) == 4.5
    assert wait(lean, 12) > 0


def test_what_is_kept_and_not_used_goes_back():
    lean = lean_since_now()
    send(lean, 6)
    wait(lean, 7, inviting=True)
    assert wait(lean, 12.5) == 0


def test_a_minute_without_a_refusal_ends_it():
    lean = lean_since_now()
    send(lean, 59)
    assert wait(lean, 59, inviting=True) == 5
    assert wait(lean, 60, inviting=True) == 0


def test_the_pace_is_learned_from_the_last_send():
    lean = Lean()
    send(lean, 0)
    lean.refused(inviting=False, wait=timedelta(seconds=7), now=at(1))
    send(lean, 8)
    assert wait(lean, 8, inviting=True) == 8


def test_an_invitation_that_was_refused_may_not_tell_of_sends():
    lean = Lean()
    lean.refused(inviting=True, wait=timedelta(seconds=25), now=NOW)
    send(lean, 1)
    assert wait(lean, 1, inviting=True) == 5
