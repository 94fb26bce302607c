"""One recorded input judged again: by a policy, at its own moment, the laws above the rules."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.decisions import RuleResult, Verdict
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.domain.pruning import Candidate, grace_over, judge
from gatekeeper.policy.evaluation import FAULT, unreadable
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts, Subject, subject_of
from gatekeeper.policy.judge import Policy

UNFIT: Final = "answers-do-not-fit"  # recorded answers that a changed form cannot read


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What bears on a member besides their facts, as it was at that moment.

    Attributes:
        protected: code of what protected them, "" for nothing; "settling" is looked at anew.
        grace: the time to answer that the policy of their notice gave.
        watched_since: since when the club has been watched, None for not yet.
    """

    membership: Membership
    protected: str = ""
    grace: timedelta = timedelta(0)
    watched_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One input that was judged, and what came of it.

    Attributes:
        subject: application:<id> or membership:<id>.
        at: the moment of the decision; it is judged again at this moment.
        stage: with a member's facts, None with an application's.
        verdict, rule: what was decided then; None where only that it was let be is known.
        by_hand: what admins decided on it afterwards: ADMIT or DECLINE, KEEP or REMOVE; None for
            nothing (a rule decided, time ran out, or it is still open).
        hand_at: when they did.
        rebuilt: the facts were made again from our tables; else they are as they were recorded.
    """

    subject: str
    at: datetime
    facts: ApplicationFacts | MemberFacts
    stage: Stage | None = None
    verdict: Verdict | None = None
    rule: str = ""
    policy: str = ""
    by_hand: Verdict | None = None
    hand_at: datetime | None = None
    rebuilt: bool = False

    @property
    def kind(self) -> Subject:
        """Of whom it tells."""
        return subject_of(self.facts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy says of one input: the verdict after the laws, the rule that fired."""

    verdict: Verdict
    rule: str
    code: str
    results: tuple[RuleResult, ...] = ()


def answer(policy: Policy, judged: Judged) -> Answer:
    """What `policy` says of an input at its own moment.

    For a member the laws stand above the rules, and a Grace has the length that `policy` gives.
    Recorded answers that the form of `policy` cannot read are a fault: they are left to people.
    """
    if isinstance(judged.facts, ApplicationFacts):
        ruling = policy.judge_application(judged.facts, judged.at)
        if unreadable(ruling):
            return Answer(ruling.verdict, "", FAULT, (RuleResult("", None, UNFIT),))
        return Answer(ruling.verdict, ruling.rule, ruling.code, ruling.results)
    assert judged.stage is not None
    return _answer_member(policy, judged.facts, judged.stage, judged.at)


def _answer_member(policy: Policy, facts: MemberFacts, stage: Stage, at: datetime) -> Answer:
    member = stage.membership
    longer = policy.pruning.grace - stage.grace
    if longer and member.grace_ends_at is not None and member.state is not State.GUEST:
        member = replace(member, grace_ends_at=member.grace_ends_at + longer)
        facts = facts.model_copy(update={"grace_over": grace_over(member, at)})
    ruling = policy.judge_member(facts, at)
    protected = _protected(policy, stage, at)
    decision = judge(Candidate(membership=member, ruling=ruling, protected=protected), at)
    return Answer(decision.verdict, ruling.rule, decision.code, ruling.results)


def _protected(policy: Policy, stage: Stage, at: datetime) -> str:
    """What protects a member under `policy`: how long a club settles is the policy's own."""
    if stage.protected not in ("", "settling") or stage.watched_since is None:
        return stage.protected
    return "settling" if at - stage.watched_since < policy.pruning.settle else ""
