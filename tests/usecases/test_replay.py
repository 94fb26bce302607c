"""Whatever was decided is decided the same again from what its record keeps."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.activity import Activity, Coverage, Kind
from gatekeeper.domain.admission import decide_admission, decide_by_rules, standing_votes
from gatekeeper.domain.applications import Application, Choice
from gatekeeper.domain.applications import State as Standing
from gatekeeper.domain.decisions import Decision, Quorum, Verdict
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.domain.pruning import judge
from gatekeeper.policy.facts import ApplicationFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.builders import (
    CLUB,
    NOW,
    a_leave,
    a_membership,
    a_vote,
    an_account,
    an_application,
    an_exemption,
    an_identity,
)
from gatekeeper.testing.fakes import FakePlatform, FakeStore, ManualClock
from gatekeeper.usecases import explained, member_facts, replays, review
from gatekeeper.usecases.parts import Parts, Shelf, club_state, record

RULES = (Path(__file__).resolve().parents[2] / "policies/house-rules.yaml").read_text("utf-8")
PARAMS = {
    "quiet_after": ("0s", "1d", "90d"),
    "newcomer_for": ("0s", "60d"),
    "least_seen": ("0.0", "0.0", "0.5", "0.8"),
    "grace": ("1s", "14d"),
    "settle": ("0s", "30d"),
    "cooldown": ("0s", "30d"),
    "fewest_letters": ("0", "20"),
    "most_links": ("0", "2"),
    "openFor": ("1s", "14d"),
}
SPANS = st.timedeltas(timedelta(0), timedelta(days=200))
AGO = SPANS.map(lambda span: NOW - span)
SOMETIME = st.timedeltas(-timedelta(days=200), timedelta(days=60)).map(lambda span: NOW + span)
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["", "I repair ship clocks and would love to learn.", "casino", "https://a.example b www.c"]
)


@cache
def policy_with(chosen: tuple[str, ...]) -> Policy:
    """The house rules, turned."""
    text = RULES
    for name, value in zip(PARAMS, chosen, strict=True):
        text, found = re.subn(rf"(?m)(\b{name}: )[^\s,}}]+", rf"\g<1>{value}", text)
        assert found, name
    return load_policy(text, "house-rules.yaml")


POLICIES = st.tuples(*(st.sampled_from(values) for values in PARAMS.values())).map(policy_with)


async def a_club(policy: Policy, rows: Sequence[Any]) -> Parts:
    """Parts over a store in memory that holds `rows`."""
    clock = ManualClock(NOW)
    store = FakeStore(clock)
    parts = Parts(
        club=CLUB,
        store=store,
        platforms={"matrix": FakePlatform(clock)},
        shelf=Shelf(policy),
        clock=clock,
        base_url="http://club.test",
        secret=b"a secret of sixteen bytes or more",
    )
    async with store.transaction(CLUB) as tx:
        await parts.shelf.put(tx, policy)
        for row in rows:
            await tx.add(row)
    return parts


# ---- Members -----------------------------------------------------------------------------------

ASKED = st.builds(
    a_membership,
    state=st.sampled_from([State.NOTICED, State.PLANNED, State.CONFIRMED]),
    noticed_at=AGO,
    grace_ends_at=SOMETIME,
)
MEMBERS = ASKED | st.builds(
    a_membership,
    state=st.sampled_from(State),
    known_since=AGO,
    since=AGO,
    last_seen_at=st.none() | AGO,
    last_kind=st.sampled_from(["", *(kind.value for kind in Kind)]),
    last_place=TEXTS,
    noticed_at=st.none() | AGO,
    notice_ref=st.sampled_from(["", "$notice"]),
    grace_ends_at=st.none() | SOMETIME,
    unreachable_since=st.none() | AGO,
)
ABOUT = st.lists(
    st.one_of(
        st.builds(a_leave, since=AGO, until=SOMETIME, ended_at=st.none() | AGO),
        st.builds(an_exemption, since=AGO, until=SOMETIME),
        st.tuples(AGO, SPANS).map(
            lambda both: Coverage(
                club=CLUB, platform="matrix", start=both[0], end=min(NOW, both[0] + both[1])
            )
        ),
    ),
    max_size=6,
)
DAYS = st.dictionaries(
    st.tuples(st.integers(0, 40), st.sampled_from(Kind)), st.integers(1, 99), max_size=5
)
OUTLOOKS = st.builds(
    member_facts.Outlook,
    admins=st.sampled_from([(), (), (), (an_identity(),)]),
    bots=st.sampled_from([(), (), (), (an_identity(),)]),
    inside=st.sampled_from([(an_identity(),), (an_identity(),), (an_identity(),), ()]),
)
# Most often all was seen, and long enough: else nobody is ever judged by more than that.
ALWAYS = Coverage(club=CLUB, platform="matrix", start=NOW - timedelta(days=300), end=NOW)
SEEN = st.sampled_from([[ALWAYS], [ALWAYS], []])
WATCHED = st.just(ALWAYS.start) | st.just(ALWAYS.start) | st.none() | AGO
ROLES = st.lists(st.sampled_from(["staff", "cook"]), max_size=2, unique=True).map(tuple)


def days_of(counts: dict[tuple[int, Kind], int]) -> list[Activity]:
    found = []
    for (ago, kind), count in counts.items():
        at = NOW - timedelta(days=ago)
        found.append(
            Activity(
                club=CLUB,
                person_id=1,
                day=at.date(),
                kind=kind,
                count=count,
                last_at=at,
                last_place="",
            )
        )
    return found


@settings(max_examples=120, deadline=None)
@given(POLICIES, MEMBERS, ABOUT, SEEN, DAYS, OUTLOOKS, ROLES, WATCHED)
def test_what_was_decided_about_a_member(
    policy, member, about, spans, days, outlook, roles, watched
):
    async def work() -> tuple[Decision, Decision]:
        rows = [member, an_account(roles=roles), *about, *spans, *days_of(days)]
        parts = await a_club(policy, rows)
        async with parts.store.transaction(CLUB) as tx:
            await tx.change(await club_state(tx), watched_since=watched)
            members = await tx.find(Membership)
            [look] = await member_facts.look_at(tx, parts, members, outlook, NOW)
            decision = judge(look.candidate, NOW)
            entry = await record(
                tx,
                parts,
                decision,
                now=NOW,
                actor="policy",
                subject="membership:1",
                seen=look.seen,
            )
            seen = await tx.seen_by(entry)
            assert seen is not None
            then = await parts.shelf.at(tx, entry.policy)
            return decision, member_facts.replay(then, seen, entry.at)

    before, again = asyncio.run(work())
    assert again == before


def test_the_facts_of_members_reach_every_verdict():
    """Or the property above would say little."""
    reached: set[Verdict] = set()

    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    @given(MEMBERS)
    def look(member):
        async def work() -> Verdict:
            policy = policy_with(tuple(values[0] for values in PARAMS.values()))
            parts = await a_club(policy, [member, an_account(), ALWAYS])
            outlook = member_facts.Outlook(inside=(an_identity(),))
            async with parts.store.transaction(CLUB) as tx:
                await tx.change(await club_state(tx), watched_since=ALWAYS.start)
                members = await tx.find(Membership)
                [found] = await member_facts.look_at(tx, parts, members, outlook, NOW)
                return judge(found.candidate, NOW).verdict

        reached.add(asyncio.run(work()))

    look()
    assert reached == {Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE}


# ---- Applications: rules -----------------------------------------------------------------------

APPLICATIONS = st.builds(
    an_application,
    name=TEXTS,
    origin=st.sampled_from(["web", "knock"]),
    submitted_at=AGO,
    knock_reason=TEXTS,
    answers=st.fixed_dictionaries(
        {"why": TEXTS, "rules": st.booleans()}, optional={"known": TEXTS}
    ),
)
EARLIER = st.lists(
    st.builds(
        an_application,
        state=st.sampled_from([Standing.DECLINED, Standing.WITHDRAWN, Standing.EXPIRED]),
        decided_at=st.none() | AGO,
    ),
    max_size=3,
)
PAST = st.lists(
    st.builds(
        a_membership,
        state=st.sampled_from([State.REMOVED, State.BANNED, State.DEPARTED]),
        cause=st.sampled_from(["silence", "cause", "banned"]),
    ),
    max_size=2,
)
ACCOUNTS = st.builds(an_account, first_seen_at=AGO, created_at=st.none() | AGO, name=TEXTS)


@settings(max_examples=80, deadline=None)
@given(POLICIES, APPLICATIONS, EARLIER, PAST, ACCOUNTS)
def test_what_the_rules_decided_about_an_application(policy, app, earlier, past, account):
    async def work() -> None:
        parts = await a_club(policy, [account, *earlier, *past])
        async with parts.store.transaction(CLUB) as tx:
            mine = await tx.add(app)
            mine = await tx.change(mine, policy=policy.digest)
            await review.let_rules_speak(tx, parts, mine, NOW)
            now = await tx.get(Application, mine.id)
            seen = await explained.of_application(tx, parts, mine)
            assert seen is not None
            assert seen.entry is not None
            assert isinstance(seen.facts, ApplicationFacts)
            again = decide_by_rules(seen.policy.judge_application(seen.facts, seen.at))
            assert (again.verdict, again.code) == (seen.entry.verdict, seen.entry.code)
            assert parts.say(again.code, again.values, app.language) == seen.entry.sentence
            ruling = seen.policy.judge_application(seen.facts, seen.at)
            assert (ruling.rule, ruling.results) == (now.rule, now.results)
            ended = {Verdict.ADMIT: Standing.APPROVED, Verdict.DECLINE: Standing.DECLINED}
            assert now.state is ended.get(again.verdict, Standing.IN_REVIEW)
            assert explained.agrees(seen)

    asyncio.run(work())


# ---- Applications: people ----------------------------------------------------------------------

VOTES = st.lists(
    st.builds(
        a_vote,
        voter=st.sampled_from(["ann", "ben", "cem", "eve"]),
        choice=st.sampled_from(Choice),
        reason=st.sampled_from(["", "not-a-fit", "too-little"]),
        at=AGO,
        ended_at=st.none() | st.none() | AGO,
    ),
    max_size=8,
)
QUORUMS = st.builds(
    Quorum,
    approvals=st.integers(1, 3),
    declines=st.integers(1, 3),
    open_for=st.none() | st.floats(0, 1e7),
    on_deadline=st.sampled_from([Verdict.DECLINE, Verdict.WAIT]),
    interview=st.booleans(),
)


@settings(max_examples=120, deadline=None)
@given(
    VOTES,
    QUORUMS,
    AGO,
    st.none() | AGO,
    st.sets(st.sampled_from(["ann", "ben", "cem", "eve"])),
    st.sets(st.sampled_from(["ann", "ben"]), max_size=1),
)
def test_what_the_admins_decided_about_an_application(
    votes, quorum, opened_at, interviewed_at, admins, involved
):
    app = an_application(
        quorum=quorum,
        opened_at=opened_at,
        interviewed_at=interviewed_at,
        involved=tuple(an_identity(name) for name in involved),
    )
    rights = [an_identity(name) for name in admins]
    numbered = [replace(vote, id=number) for number, vote in enumerate(votes, 1)]
    decision = decide_admission(app, numbered, rights, NOW)

    async def work() -> Decision:
        parts = await a_club(policy_with(tuple(values[-1] for values in PARAMS.values())), [])
        async with parts.store.transaction(CLUB) as tx:
            entry = await record(
                tx,
                parts,
                decision,
                now=NOW,
                actor="schedule",
                subject="application:1",
                seen=replays.seen_of(app, standing_votes(app, numbered, rights)),
            )
            seen = await tx.seen_by(entry)
            assert seen is not None
            return replays.replay(seen, entry.at)

    assert asyncio.run(work()) == decision
