import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.applications import NEXT, OPEN, Event, State, advance
from gatekeeper.domain.errors import WrongState


@given(st.sampled_from(State), st.sampled_from(Event))
def test_a_step_is_in_the_table_or_refused(state, event):
    if (state, event) in NEXT:
        assert advance(state, event) is NEXT[state, event]
    else:
        with pytest.raises(WrongState):
            advance(state, event)


def test_what_has_ended_stays_ended():
    assert {state for state, _ in NEXT} == OPEN


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_nobody_is_invited_who_was_not_approved(events):
    state, approved = State.UNPROVEN, False
    for event in events:
        if (state, event) not in NEXT:
            continue
        approved = approved or event is Event.APPROVE
        state = advance(state, event)
        assert state is not State.INVITED or approved


def test_unproven_leads_to_no_decision():
    after = {state for (before, _), state in NEXT.items() if before is State.UNPROVEN}
    assert after == {State.IN_REVIEW, State.WITHDRAWN, State.EXPIRED}
