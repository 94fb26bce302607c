"""decide_admission: rules first, then votes against a Quorum."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from gatekeeper.domain.applications import Application, Choice, State, Vote
from gatekeeper.domain.decisions import Decision, Ruling, Verdict
from gatekeeper.domain.errors import WrongState
from gatekeeper.domain.identity import Identity


def standing_votes(
    app: Application, votes: Sequence[Vote], admins: Collection[Identity]
) -> tuple[Vote, ...]:
    """The votes that count: not taken back, from the electorate, by someone who holds the right
    now, with a reason where they decline, one for each person, none from the involved.

    A ❌ that has no reason yet counts for nothing, but the ✅ before it counts no more either; nor
    does any vote of whoever keeps out of it since.
    """
    counted: dict[int, Vote] = {}
    for vote in sorted(votes, key=lambda vote: (vote.at, vote.id)):
        if vote.ended_at is not None or vote.voter not in app.electorate:
            continue
        if vote.voter not in admins or vote.voter in {app.identity, *app.involved}:
            continue
        if vote.person_id == app.person_id:
            continue
        idle = vote.choice is Choice.DECLINE and not vote.reason
        if idle or vote.choice is Choice.RECUSE:
            counted.pop(vote.person_id, None)
        else:
            counted[vote.person_id] = vote
    return tuple(counted.values())


def recused(app: Application, votes: Sequence[Vote]) -> tuple[Vote, ...]:
    """The newest word of everyone who keeps out of it by their own will, one for each person."""
    newest = {
        vote.person_id: vote
        for vote in sorted(votes, key=lambda vote: (vote.at, vote.id))
        if vote.ended_at is None and vote.voter in app.electorate
    }
    return tuple(vote for vote in newest.values() if vote.choice is Choice.RECUSE)


def decide_by_rules(ruling: Ruling) -> Decision:
    """What the rules alone say when a review opens: ADMIT, DECLINE, or WAIT for the admins."""
    return Decision(ruling.verdict, ruling.code, ruling.values)


def decide_admission(
    app: Application, votes: Sequence[Vote], admins: Collection[Identity], now: datetime
) -> Decision:
    """Weigh one application's votes; pure, so it can be replayed.

    Args:
        app: in review, with the quorum and electorate frozen when the review opened.
        votes: all votes ever cast on it.
        admins: who holds the right at `now`.
        now: aware, UTC.

    Returns:
        DECLINE at the bar of declines, whatever the approvals; else ADMIT at the quorum, where
        the policy asks for an interview once a question was answered; else, once the review's
        time is over, `quorum.on_deadline`; else WAIT. Its sentence names nobody.

    Raises:
        WrongState: the application is not in review.

    Source: policies/README.md, "Quorum".
    """
    if app.state is not State.IN_REVIEW:
        raise WrongState(state=app.state, event="decide")
    counted = standing_votes(app, votes, admins)
    declines = [vote for vote in counted if vote.choice is Choice.DECLINE]
    approvals = len(counted) - len(declines)
    tally = {"approvals": approvals, "needed": app.quorum.approvals}
    if len(declines) >= app.quorum.declines:
        return Decision(Verdict.DECLINE, "declined", {"reason": declines[-1].reason})
    heard = app.interviewed_at is not None or not app.quorum.interview
    if approvals >= app.quorum.approvals and heard:
        return Decision(Verdict.ADMIT, "quorum", tally)
    if review_over(app, now) and app.quorum.on_deadline is Verdict.DECLINE:
        return Decision(Verdict.DECLINE, "review-over", tally)
    if approvals >= app.quorum.approvals:
        return Decision(Verdict.WAIT, "interview-missing", tally)
    return Decision(Verdict.WAIT, "short-of-quorum", tally)


def review_over(app: Application, now: datetime) -> bool:
    """Whether the time that the policy gives to a review has passed."""
    if app.opened_at is None or app.quorum.open_for is None:
        return False
    return now >= app.opened_at + timedelta(seconds=app.quorum.open_for)


def next_look(app: Application) -> datetime | None:
    """When time alone next matters to a review: the reminder or the end; None for never."""
    moments = []
    start = app.reminded_at or app.opened_at
    if start is not None and app.quorum.remind_after is not None:
        moments.append(start + timedelta(seconds=app.quorum.remind_after))
    if app.opened_at is not None and app.quorum.open_for is not None:
        moments.append(app.opened_at + timedelta(seconds=app.quorum.open_for))
    return min(moments, default=None)
