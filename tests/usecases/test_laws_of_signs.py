"""Laws of signs: told in any order, more than once, over restarts, the count is the same."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.domain.activity import Activity, Kind, Relation, Tie
from gatekeeper.testing.builders import a_sign
from gatekeeper.testing.fakes import FakeStore, ManualClock
from gatekeeper.usecases.observe import Observer
from tests.journeys.club import CLUB, a_club
from tests.usecases.conftest import Roll

# Who, what, how many seconds before or after now, and whom it is towards; -1 is a stranger.
SIGNS = st.lists(
    st.tuples(
        st.integers(-1, 2),
        st.sampled_from(Kind),
        st.integers(-400_000, 3_000),
        st.integers(-1, 2),
    ),
    min_size=1,
    max_size=12,
)
# In which order they are told, by their numbers, some again; None: another process goes on.
TELLINGS = st.lists(st.none() | st.integers(0, 11), max_size=30)


@settings(max_examples=60)
@given(signs=SIGNS, tellings=TELLINGS)
def test_every_sign_counts_once_in_whatever_order_it_is_told(signs, tellings):
    asyncio.run(_told(signs, tellings))


async def _told(signs, tellings):
    async with a_club(FakeStore(ManualClock())) as plain:
        club = plain
        them = await Roll.adopt(club, "eve", "bob", "kim")
        them.append(replace(them[0], account="@mallory:fake"))
        now = club.clock.now()
        told = [
            replace(
                a_sign(kind=kind, at=now + timedelta(seconds=after), event_id=f"${number}"),
                who=them[who],
                towards=((Relation.ANSWERED, them[to]),),
            )
            for number, (who, kind, after, to) in enumerate(signs)
        ]
        observer = Observer(club.parts)
        for number in [*tellings, *reversed(range(len(told)))]:
            if number is None:
                await observer.flush()
                observer = Observer(club.parts)
            elif number < len(told):
                await observer.observe("matrix", [told[number]], "p")
        await observer.flush()
        members = {who: await Roll.member(club, who) for who in them[:3]}
        expected, last, ties = Counter(), {}, Counter()
        for sign in told:
            at = min(sign.at, now)
            if sign.who not in members:
                continue
            person = members[sign.who].person_id
            expected[person, at.date(), sign.kind] += 1
            last[sign.who] = max(at, last.get(sign.who, at))
            [(_, other)] = sign.towards
            if other in members and other != sign.who:
                ties[person, members[other].person_id] += 1
        async with club.store.look(CLUB) as tx:
            days = await tx.find(Activity)
            found = await tx.find(Tie)
        assert {(day.person_id, day.day, day.kind): day.count for day in days} == expected
        summed: Counter[tuple[int, int]] = Counter()
        for tie in found:
            summed[tie.person_id, tie.to_id] += tie.count
        assert summed == ties
        for who, member in members.items():
            assert member.last_seen_at == last.get(who)
