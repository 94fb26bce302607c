"""What the admins decided on, as the record keeps it, and their decision made again from that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog

from gatekeeper.domain.admission import (
    decide_admission,
)
from gatekeeper.domain.applications import (
    Application,
    Choice,
    State,
    Vote,
)
from gatekeeper.domain.decisions import Decision, Quorum, Verdict
from gatekeeper.domain.identity import ClubId, Identity

log = structlog.get_logger(__name__)


def seen_of(app: Application, counted: Sequence[Vote]) -> dict[str, Any]:
    """The input of the admins' decision, enough to decide it again; it names people by number."""
    return {
        "opened_at": app.opened_at.isoformat() if app.opened_at else None,
        "interviewed_at": app.interviewed_at.isoformat() if app.interviewed_at else None,
        "quorum": asdict(app.quorum),
        "votes": [
            {"person": vote.person_id, "choice": vote.choice, "reason": vote.reason}
            for vote in counted
        ],
    }


def replay(seen_then: Mapping[str, Any], at: datetime) -> Decision:
    """The admins' decision, made again from what its record keeps.

    Args:
        seen_then: the input as `Tx.seen_by` gives it.
        at: the moment of the record.
    """
    quorum, opened_at = seen_then["quorum"], seen_then["opened_at"]
    heard_at = seen_then["interviewed_at"]
    nobody, club = Identity("nobody", "nobody"), ClubId("")
    votes = [
        Vote(
            id=number,
            club=club,
            application_id=0,
            person_id=kept["person"],
            voter=Identity("person", str(kept["person"])),
            choice=Choice(kept["choice"]),
            reason=kept["reason"],
            event_id="",
            at=at,
        )
        for number, kept in enumerate(seen_then["votes"])
    ]
    voters = tuple(vote.voter for vote in votes)
    app = Application(
        club=club,
        person_id=0,
        identity=nobody,
        name="",
        origin="",
        state=State.IN_REVIEW,
        submitted_at=at,
        opened_at=datetime.fromisoformat(opened_at) if opened_at else None,
        interviewed_at=datetime.fromisoformat(heard_at) if heard_at else None,
        quorum=Quorum(**{**quorum, "on_deadline": Verdict(quorum["on_deadline"])}),
        electorate=voters,
    )
    return decide_admission(app, votes, voters, at)
