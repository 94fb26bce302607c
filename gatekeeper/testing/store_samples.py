"""One value of every kind that a Store keeps, filled to the brim."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.activity import (
    Activity,
    BlindSpot,
    Counted,
    Coverage,
    Kind,
    Relation,
    Tie,
)
from gatekeeper.domain.applications import Application, Question, Vote, Vouch
from gatekeeper.domain.applications import Choice as VoteChoice
from gatekeeper.domain.applications import State as ApplicationState
from gatekeeper.domain.clubs import (
    Budget,
    Checkpoint,
    ClubState,
    Draft,
    EarlyPress,
    Finding,
    Handled,
    Pass,
    PolicyChange,
    PolicyDifference,
    PolicyVersion,
    Proof,
    Schedule,
    StandingCard,
    Tally,
)
from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Bring,
    Card,
    Choice,
    EndAccount,
    Lane,
    Link,
    Mend,
    Order,
    Post,
    Progress,
    Quorum,
    Receipt,
    Remove,
    Retract,
    RuleResult,
    ShowCard,
    Tell,
    Verdict,
)
from gatekeeper.domain.identity import Account, Address, ClubId, Identity, LinkCode, Linked, Person
from gatekeeper.domain.memberships import (
    Dispute,
    Exemption,
    Leave,
    Membership,
    Sweep,
    SweepItem,
)
from gatekeeper.domain.memberships import State as MembershipState
from gatekeeper.domain.reconcile import Rule

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA: Final = Identity("matrix", "@ada:example.org")
BOB: Final = Identity("matrix", "@bob:[2001:db8::1]:8448")
LETTERS: Final = "é ✅ \u202e'\"\\\n{}%s?$1"
CHOICES: Final = (Choice("approve", "✅", "Yes"), Choice("reason:spam", "🗑️", LETTERS))
ACTIONS: Final[tuple[Action, ...]] = (
    Admit(who=ADA, reason=LETTERS),
    Admit(who=ADA, rooms=True, reopen=True),
    Retract(who=ADA, reason=LETTERS),
    Remove(who=ADA, reason=LETTERS),
    Mend(place="admins", rule=Rule.HISTORY),
    Bring(who=Identity("email", "ada@example.org"), name=LETTERS),
    EndAccount(who=ADA),
    Tell(who=ADA, text=LETTERS, links=(Link("form", "https://a.example/?b=c"),), choices=CHOICES),
    Post(place="admins", text=LETTERS, thread="$t", choices=CHOICES, mentions=(ADA, BOB)),
    ShowCard(
        place="admins",
        card=Card(
            title="Ada",
            status="open",
            facts=(("Why", LETTERS), ("Since", "2026")),
            lines=("one", "two"),
            choices=CHOICES,
        ),
        ref="$card",
    ),
)


def later(days: float) -> datetime:
    """So many days after NOON."""
    return NOON + timedelta(days=days)


def person(club: ClubId, name: str = "Ada", **more: Any) -> Person:
    """Someone known to the club since NOON."""
    return Person(club=club, name=name, **more)


def order(club: ClubId, key: str = "key", **more: Any) -> Order:
    """A small due Order."""
    given: dict[str, Any] = {"action": Admit(who=ADA), "due_at": NOON, "lane": Lane.ANSWER} | more
    return Order(
        club=club,
        platform="matrix",
        key=key,
        purpose="invitation",
        subject="application:1",
        created_at=NOON,
        **given,
    )


def application(club: ClubId, person_id: int = 1, **more: Any) -> Application:
    """An application under review, with everything that a review can know."""
    given: dict[str, Any] = {
        "name": LETTERS,
        "state": ApplicationState.IN_REVIEW,
        "answers": {"why": LETTERS, "age": 41, "share": 0.5, "yes": True, "many": ["a", "b"]},
        "previous_answers": {"z": "first", "a": "second"},
        "results": (RuleResult("spam", False), RuleResult("young", None, fault="no-age")),
        "quorum": Quorum(
            approvals=2, declines=1, open_for=3600.5, remind_after=60, on_deadline=Verdict.WAIT
        ),
        "electorate": (ADA, BOB),
        "involved": (BOB,),
        "decided_by": ("matrix:@a:b", "rule:x"),
        "due_at": later(1),
        "opened_at": NOON + timedelta(microseconds=1),
    }
    return Application(
        club=club,
        person_id=person_id,
        identity=ADA,
        origin="web",
        submitted_at=NOON,
        **(given | more),
    )


def membership(club: ClubId, person_id: int = 1, **more: Any) -> Membership:
    """An active member since NOON."""
    return Membership(
        club=club,
        person_id=person_id,
        identity=ADA,
        name="Ada",
        origin="application",
        since=NOON,
        known_since=NOON,
        **more,
    )


def samples(club: ClubId) -> list[Any]:
    """One of each kind and more; no two of them stand on the same unique key."""
    return [
        person(club, language="de", erased_at=later(3)),
        Account(
            club=club,
            person_id=7,
            identity=BOB,
            name=LETTERS,
            first_seen_at=NOON,
            created_at=later(-400),
            proven_at=later(1),
            refuses_proofs_at=later(2),
            roles=("founder", "admin"),
        ),
        Address(
            club=club,
            person_id=1,
            address="ada@example.org",
            browser="b",
            created_at=NOON,
            expires_at=later(0.01),
            tries=2,
            confirmed_at=later(0.005),
            ended_at=later(1),
        ),
        LinkCode(
            club=club,
            identity=ADA,
            digest="d",
            created_at=NOON,
            expires_at=later(0.01),
            used_at=later(0.001),
            used_by=str(BOB),
        ),
        Linked(
            club=club,
            into_id=1,
            from_id=2,
            accounts=(ADA, BOB),
            moved={"votes": [1, 2], "ended": []},
            barred=True,
            at=NOON,
            ended_at=later(1),
        ),
        application(club),
        application(club, 2, answers=None, state=ApplicationState.UNPROVEN, quorum=Quorum()),
        Vote(
            club=club,
            application_id=1,
            person_id=2,
            voter=ADA,
            choice=VoteChoice.DECLINE,
            reason="spam",
            told=LETTERS,
            event_id="$v",
            at=NOON,
            ended_at=later(1),
            ended_by="taken-back",
        ),
        Vouch(
            club=club,
            application_id=1,
            person_id=2,
            voucher=ADA,
            at=NOON,
            ended_at=later(1),
            ended_by="taken-back",
        ),
        Question(club=club, application_id=1, asked_by=ADA, asked_at=NOON, text=LETTERS),
        membership(
            club,
            state=MembershipState.NOTICED,
            noticed_at=later(1),
            grace_ends_at=later(8),
            guest_at=later(2),
            notice_ref="$n",
        ),
        Leave(club=club, person_id=1, since=NOON, until=later(9), note=LETTERS, by="matrix:@a:b"),
        Exemption(
            club=club, person_id=1, reason=LETTERS, author="operator", since=NOON, until=later(30)
        ),
        Dispute(
            club=club,
            person_id=1,
            membership_id=1,
            stage="confirmed",
            said=LETTERS,
            confirmed_by="person:2",
            opened_at=NOON,
            due_at=later(3),
            ended_at=later(1),
            outcome="kept",
            reason=LETTERS,
            by="person:3",
        ),
        Sweep(club=club, slot="2026-03-01T12:00:00Z", at=NOON, policy="d", counts={"in-grace": 3}),
        SweepItem(
            club=club,
            sweep_id=1,
            membership_id=1,
            verdict="notify",
            code="silence",
            rule="quiet",
            evidence={"days": 31, "share": 0.75, "seen": False, "place": LETTERS},
        ),
        Activity(
            club=club,
            person_id=1,
            day=NOON.date(),
            kind=Kind.REPLY,
            count=2**40,
            last_at=NOON,
            last_place="!room",
        ),
        Counted(id=0, club=club, day=NOON.date()),
        Tie(
            club=club,
            week=NOON.date(),
            person_id=1,
            to_id=2,
            relation=Relation.ANSWERED,
            count=3,
        ),
        Coverage(club=club, platform="matrix", start=NOON, end=later(1)),
        BlindSpot(club=club, platform="matrix", place="lobby", start=NOON),
        BlindSpot(club=club, platform="matrix", place="", start=NOON, end=later(1)),
        *(order(club, f"sample-{n}", action=action) for n, action in enumerate(ACTIONS)),
        order(
            club,
            "done",
            progress=Progress.DONE,
            attempt=3,
            reason="platform-down",
            even_paused=True,
            begun_at=later(1),
            receipt=Receipt(changed=True, at=later(1), ref="$r", waiting=True, note=LETTERS),
        ),
        PolicyVersion(club=club, digest="d", text=LETTERS),
        PolicyChange(club=club, at=NOON, digest="d", before="c", actor="file:x", reason="file"),
        PolicyDifference(
            club=club,
            at=NOON,
            day=NOON.date(),
            kind="application",
            subject="application:1",
            trial="rule:spam",
            verdict="wait",
            rule="default",
            trial_verdict="decline",
            trial_rule="spam",
            digest="d",
        ),
        StandingCard(
            club=club,
            platform="matrix",
            kind="review",
            subject="application:1",
            place="admins",
            ref="$c",
        ),
        Budget(club=club, platform="matrix", limiter="send", blocked_until=later(0.1)),
        Checkpoint(club=club, platform="matrix", position="s1_2"),
        Draft(
            club=club,
            who=ADA,
            form="apply",
            answers={"why": LETTERS, "tags": ["a", "b"]},
            at=NOON,
        ),
        EarlyPress(
            club=club,
            platform="matrix",
            ref="$m",
            who=Identity("matrix", "@ada:x"),
            symbol="✅",
            place="admins",
            event_id="$p",
            at=NOON,
        ),
        Handled(club=club, platform="matrix", event_id="$e", at=NOON),
        Pass(
            club=club,
            act="form",
            digest="p",
            identity=ADA,
            subject="application:1",
            created_at=NOON,
            expires_at=later(7),
            note=LETTERS,
        ),
        Proof(
            club=club,
            application_id=1,
            identity=ADA,
            browser="b",
            created_at=NOON,
            expires_at=later(0.01),
            tries=2,
        ),
        Schedule(
            club=club, name="sweep", cron="0 6 * * MON", zone="UTC", done_at=NOON, due_at=later(7)
        ),
        Finding(
            club=club,
            key="inside-unknown:matrix:@eve:x",
            code="inside-unknown",
            platform="matrix",
            subject="@eve:x",
            values={"name": LETTERS},
            first_at=NOON,
            last_at=later(1),
        ),
        Tally(club=club, key="form:127.0.0.1", hour=NOON, count=3),
    ]


KINDS: Final[frozenset[type[Any]]] = frozenset(
    {ClubState, *(type(each) for each in samples(ClubId("any")))}
)
