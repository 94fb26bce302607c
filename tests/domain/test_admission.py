from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.admission import decide_admission, next_look, review_over, standing_votes
from gatekeeper.domain.applications import Choice, State
from gatekeeper.domain.decisions import Quorum, Verdict
from gatekeeper.domain.errors import WrongState
from gatekeeper.testing.builders import NOW, a_vote, an_application, an_identity

ADMINS = frozenset(an_identity(name) for name in ("ann", "ben", "cem"))
NO, YES = Choice.DECLINE, Choice.APPROVE
HOUR = 3600.0

CASES = [  # votes, code
    pytest.param([], "short-of-quorum", id="no votes"),
    pytest.param([a_vote("ann")], "short-of-quorum", id="one short"),
    pytest.param([a_vote("ann"), a_vote("ben")], "quorum", id="quorum"),
    pytest.param([a_vote("ann"), a_vote("ann")], "short-of-quorum", id="one person, one vote"),
    pytest.param(
        [a_vote("ann"), a_vote("ben", person_id=101)], "short-of-quorum",
        id="two accounts of one person",
    ),
    pytest.param(
        [a_vote("ann", NO), a_vote("ben", NO), a_vote("cem")], "declined", id="declines outrank"
    ),
    pytest.param([a_vote("ann", NO), a_vote("ben", NO, reason="")], "short-of-quorum",
                 id="a decline counts once it has a reason"),
    pytest.param([a_vote("ann"), a_vote("zed")], "short-of-quorum", id="not in the electorate"),
    pytest.param([a_vote("ann"), a_vote("ben", ended_at=NOW)], "short-of-quorum", id="taken back"),
]  # fmt: skip

votes = st.lists(
    st.builds(
        a_vote,
        voter=st.sampled_from(["ann", "ben", "cem", "zed"]),
        choice=st.sampled_from(Choice),
        at=st.integers(0, 50).map(lambda minutes: NOW - timedelta(minutes=minutes)),
        ended_at=st.sampled_from([None, None, None, NOW]),
    ),
    max_size=6,
)


@pytest.mark.parametrize(("cast", "code"), CASES)
def test_admission(cast, code):
    assert decide_admission(an_application(), cast, ADMINS, NOW).code == code


def test_where_an_interview_is_asked_for_the_quorum_waits_for_an_answer():
    asks = Quorum(approvals=2, declines=2, interview=True)
    cast = [a_vote("ann"), a_vote("ben")]
    told = decide_admission(an_application(quorum=asks), cast, ADMINS, NOW)
    assert (told.verdict, told.code) == (Verdict.WAIT, "interview-missing")
    heard = an_application(quorum=asks, interviewed_at=NOW)
    assert decide_admission(heard, cast, ADMINS, NOW).code == "quorum"
    no = [a_vote("ann", NO), a_vote("ben", NO)]
    assert decide_admission(an_application(quorum=asks), no, ADMINS, NOW).code == "declined"


def test_a_right_that_is_lost_takes_its_vote_with_it():
    cast = [a_vote("ann"), a_vote("ben")]
    left = ADMINS - {an_identity("ben")}
    assert decide_admission(an_application(), cast, left, NOW).code == "short-of-quorum"


def test_whoever_is_involved_or_applies_has_no_vote():
    cast = [a_vote("ann"), a_vote("ben")]
    involved = an_application(involved=(an_identity("ben"),))
    own = an_application(person_id=102)
    assert [v.voter for v in standing_votes(involved, cast, ADMINS)] == [an_identity("ann")]
    assert [v.voter for v in standing_votes(own, cast, ADMINS)] == [an_identity("ann")]


@given(votes, st.sampled_from(["ann", "ben", "cem"]))
def test_one_more_approval_never_hurts(cast, voter):
    """From someone who has not voted; ADMIT stays ADMIT, nothing turns to DECLINE."""
    app = an_application()
    if any(vote.voter == an_identity(voter) for vote in standing_votes(app, cast, ADMINS)):
        return
    before = decide_admission(app, cast, ADMINS, NOW)
    after = decide_admission(app, [*cast, a_vote(voter)], ADMINS, NOW)
    if before.verdict is Verdict.ADMIT:
        assert after.verdict is Verdict.ADMIT
    if before.verdict is Verdict.WAIT:
        assert after.verdict is not Verdict.DECLINE


@given(votes)
def test_order_of_telling_does_not_matter(cast):
    numbered = [replace(vote, id=n) for n, vote in enumerate(cast)]
    told = decide_admission(an_application(), numbered, ADMINS, NOW)
    assert decide_admission(an_application(), numbered[::-1], ADMINS, NOW) == told


@given(votes)
def test_decided_again_it_is_the_same(cast):
    app = an_application()
    assert decide_admission(app, cast, ADMINS, NOW) == decide_admission(app, cast, ADMINS, NOW)


@pytest.mark.parametrize("state", [state for state in State if state is not State.IN_REVIEW])
def test_only_what_is_in_review_is_decided(state):
    with pytest.raises(WrongState):
        decide_admission(an_application(state=state), [], ADMINS, NOW)


def test_the_end_of_the_review():
    ends = Quorum(approvals=2, declines=2, remind_after=HOUR / 2, open_for=HOUR)
    app = an_application(quorum=ends)
    assert review_over(app, NOW)
    assert not review_over(app, NOW - timedelta(seconds=1))
    assert decide_admission(app, [], ADMINS, NOW).code == "review-over"
    waits = an_application(quorum=replace(ends, on_deadline=Verdict.WAIT))
    assert decide_admission(waits, [], ADMINS, NOW).code == "short-of-quorum"
    assert next_look(app) == NOW - timedelta(minutes=30)
    assert next_look(an_application()) is None
