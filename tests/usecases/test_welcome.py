from datetime import timedelta

from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.memberships import Membership
from gatekeeper.testing.builders import NOW, a_membership
from gatekeeper.usecases import pause, welcome
from tests.journeys.club import CLUB

SECOND = timedelta(seconds=1)


async def arrive(club, *names):
    for name in names:
        who = club.platform.person(f"@{name}:fake", inside=True)
        async with club.store.transaction(CLUB) as tx:
            now, person = club.clock.now(), 100 + await tx.count(Membership)
            member = await tx.add(
                a_membership(
                    id=0,
                    club=CLUB,
                    person_id=person,
                    identity=who,
                    name=name.capitalize(),
                    since=now,
                    known_since=now,
                )
            )
            await welcome.schedule(tx, club.parts, member, club.clock.now())


def greetings(club):
    return [message.text for message in club.platform.posted("welcome")]


async def test_not_at_once_and_together_with_who_came_near(club):
    await arrive(club, "ada")
    await club.pass_time(seconds=2)
    await arrive(club, "bob")
    await club.pass_time(seconds=1)
    assert not greetings(club)
    await club.pass_time(seconds=2)
    assert greetings(club) == ["Welcome to The Lighthouse: Ada, Bob!"]
    await club.pass_time(seconds=20)
    assert len(greetings(club)) == 1
    [order] = await club.find(Order, purpose="welcome")
    assert [who.account for who in order.action.mentions] == ["@ada:fake", "@bob:fake"]


async def test_who_left_meanwhile_is_not_greeted(club):
    await arrive(club, "ada", "bob")
    await club.platform.leave(club.platform.person("@bob:fake"))
    await club.pass_time(seconds=5)
    assert greetings(club) == ["Welcome to The Lighthouse, Ada!"]


async def test_who_comes_much_later_is_greeted_apart(club):
    await arrive(club, "ada")
    await club.pass_time(seconds=8)
    await arrive(club, "bob")
    await club.pass_time(seconds=8)
    assert len(greetings(club)) == 2


async def test_a_pause_puts_greetings_off(club):
    await arrive(club, "ada")
    await pause.pause(club.parts, "operator:root")
    await club.pass_time(seconds=10)
    assert not greetings(club)
    await pause.resume(club.parts, "operator:root")
    await club.settle()
    assert len(greetings(club)) == 1


async def test_a_lost_answer_greets_once(club):
    await arrive(club, "ada")
    club.platform.lose_answers(1)
    await club.pass_time(seconds=8)
    assert len(greetings(club)) == 1
    assert (await club.one(Order, purpose="welcome")).progress is Progress.DONE


def test_batches_chain():
    them = [a_membership(id=n, welcome_due_at=NOW + n * 4 * SECOND) for n in (0, 1, 2, 5)]
    found = welcome.batches(them, 5 * SECOND)
    assert [[member.id for member in batch] for batch in found] == [[0, 1, 2], [5]]
