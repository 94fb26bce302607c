"""Values for tests: whole and plausible, each field to be changed by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gatekeeper.domain.activity import Kind, Sign
from gatekeeper.domain.applications import Application, Choice, Vote
from gatekeeper.domain.applications import State as Standing
from gatekeeper.domain.decisions import Quorum, Ruling, Verdict
from gatekeeper.domain.identity import Account, ClubId, Identity, Person
from gatekeeper.domain.memberships import Exemption, Leave, Membership, State, SweepItem
from gatekeeper.domain.pruning import Candidate

CLUB = ClubId("house")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=200)


def an_identity(name: str = "ada") -> Identity:
    """`matrix:@name:fake`."""
    return Identity("matrix", f"@{name}:fake")


def a_person(**changes: Any) -> Person:
    """Ada."""
    return Person(**{"club": CLUB, "name": "Ada", **changes})


def an_account(**changes: Any) -> Account:
    """Ada's."""
    whole = {
        "club": CLUB,
        "person_id": 1,
        "identity": an_identity(),
        "name": "Ada",
        "first_seen_at": LONG_AGO,
    }
    return Account(**{**whole, **changes})


def an_application(**changes: Any) -> Application:
    """In review since an hour ago: two of three admins admit, two decline."""
    whole = {
        "id": 1,
        "club": CLUB,
        "person_id": 1,
        "identity": an_identity(),
        "name": "Ada",
        "origin": "web",
        "state": Standing.IN_REVIEW,
        "answers": {"why": "I repair ship clocks."},
        "submitted_at": NOW - timedelta(hours=2),
        "opened_at": NOW - timedelta(hours=1),
        "quorum": Quorum(approvals=2, declines=2),
        "electorate": tuple(an_identity(name) for name in ("ann", "ben", "cem")),
    }
    return Application(**{**whole, **changes})


def a_vote(voter: str = "ann", choice: Choice = Choice.APPROVE, **changes: Any) -> Vote:
    """By one of the admins ann, ben, cem; with a reason where it declines."""
    people = {"ann": 101, "ben": 102, "cem": 103}
    whole = {
        "club": CLUB,
        "application_id": 1,
        "person_id": people.get(voter, 199),
        "voter": an_identity(voter),
        "choice": choice,
        "reason": "not-a-fit" if choice is Choice.DECLINE else "",
        "event_id": f"${voter}-{choice}",
        "at": NOW,
    }
    return Vote(**{**whole, **changes})


def a_membership(state: State = State.ACTIVE, **changes: Any) -> Membership:
    """Ada's, since long ago, silent as long; with the marks of the stages behind `state`."""
    whole: dict[str, Any] = {
        "id": 1,
        "club": CLUB,
        "person_id": 1,
        "identity": an_identity(),
        "name": "Ada",
        "state": state,
        "origin": "adopted",
        "since": LONG_AGO,
        "known_since": LONG_AGO,
    }
    if state in {State.NOTICED, State.PLANNED, State.CONFIRMED, State.GUEST}:
        noticed_at = NOW - timedelta(days=20)
        whole |= {
            "noticed_at": noticed_at,
            "notice_ref": "$notice",
            "grace_ends_at": noticed_at + timedelta(days=14),
        }
    if state in {State.PLANNED, State.CONFIRMED}:
        whole |= {"planned_at": NOW - timedelta(days=1)}
    if state is State.GUEST:
        whole |= {"guest_at": NOW - timedelta(days=1)}
    if state is State.CONFIRMED:
        whole |= {"confirmed_by": "person:101"}
    if state in {State.REMOVED, State.DEPARTED, State.BANNED}:
        whole |= {"ended_at": NOW, "cause": "silence" if state is State.REMOVED else state.value}
    return Membership(**{**whole, **changes})


def a_ruling(verdict: Verdict = Verdict.KEEP, **changes: Any) -> Ruling:
    """Of a rule named after its verdict."""
    whole = {"verdict": verdict, "rule": f"rule-{verdict}", "code": f"code-{verdict}"}
    return Ruling(**{**whole, **changes})


def a_candidate(
    state: State = State.ACTIVE,
    verdict: Verdict = Verdict.REMOVE,
    protected: str = "",
    **changes: Any,
) -> Candidate:
    """A membership with what bears on it; `changes` are of the membership."""
    return Candidate(
        membership=a_membership(state, **changes), ruling=a_ruling(verdict), protected=protected
    )


def a_sign(who: str = "ada", kind: Kind = Kind.MESSAGE, **changes: Any) -> Sign:
    """A message in the lobby, now."""
    whole = {
        "who": an_identity(who),
        "kind": kind,
        "place": "lobby",
        "at": NOW,
        "event_id": f"$sign-{who}",
    }
    return Sign(**{**whole, **changes})


def a_leave(**changes: Any) -> Leave:
    """Ada's, for a week from now."""
    whole = {"club": CLUB, "person_id": 1, "since": NOW, "until": NOW + timedelta(days=7)}
    return Leave(**{**whole, **changes})


def an_exemption(**changes: Any) -> Exemption:
    """Ada's, for a year from now."""
    whole = {
        "club": CLUB,
        "person_id": 1,
        "reason": "keeps the archive",
        "author": "operator:root",
        "since": NOW,
        "until": NOW + timedelta(days=365),
    }
    return Exemption(**{**whole, **changes})


def a_sweep_item(**changes: Any) -> SweepItem:
    """Ada would be asked."""
    whole = {
        "club": CLUB,
        "sweep_id": 1,
        "membership_id": 1,
        "verdict": "notify",
        "code": "silent-notice",
        "rule": "quiet",
        "evidence": {"last_seen": "", "known_since": LONG_AGO.isoformat(), "seen_share": 1.0},
    }
    return SweepItem(**{**whole, **changes})
