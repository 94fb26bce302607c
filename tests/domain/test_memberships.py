import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.errors import WrongState
from gatekeeper.domain.memberships import INSIDE, NEXT, STAGED, Event, State, advance

ENDS = frozenset({State.REMOVED, State.DEPARTED, State.BANNED})


@given(st.sampled_from(State), st.sampled_from(Event))
def test_a_step_is_in_the_table_or_refused(state, event):
    if (state, event) in NEXT:
        assert advance(state, event) is NEXT[state, event]
    else:
        with pytest.raises(WrongState):
            advance(state, event)


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_nobody_is_confirmed_who_was_never_asked(events):
    """Whatever happens in whatever order: CONFIRMED is only reached through a notice."""
    state, asked = State.ACTIVE, False
    for event in events:
        if (state, event) not in NEXT:
            continue
        state = advance(state, event)
        asked = (asked or event is Event.NOTIFY) and state in STAGED
        assert state is not State.CONFIRMED or asked


@given(st.sampled_from(sorted(STAGED)))
def test_a_sign_of_life_and_an_admins_word_end_every_stage(state):
    assert advance(state, Event.ALIVE) is State.ACTIVE
    assert advance(state, Event.KEEP) is State.ACTIVE


def test_a_ban_is_final():
    assert not [event for state, event in NEXT if state is State.BANNED]


def test_everyone_inside_can_leave_and_be_banned_and_nobody_outside_is_noticed():
    for state in INSIDE:
        assert advance(state, Event.DEPART) is State.DEPARTED
        assert advance(state, Event.BAN) is State.BANNED
    for state in ENDS:
        assert (state, Event.NOTIFY) not in NEXT
        assert (state, Event.CONFIRM) not in NEXT
