"""A chat's form that was begun: kept as it was typed, for its writer alone, until it is sent."""

from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import Draft
from gatekeeper.usecases import due, erase, windows
from gatekeeper.usecases.drafts import KEPT
from gatekeeper.usecases.export import export
from tests.usecases.test_windows import answers_to, filled


@pytest.fixture
def ada(club):
    return club.platform.person("@ada:fake", takes_chats=True)


async def begin(club, who, **answers):
    return await windows.take(club.parts, filled(club, who, "draft", answers=answers))


async def shown(club, who):
    """What stands in the form when it is opened."""
    window = await windows.look(club.parts, who)
    return {one.name: one.typed for one in window.fields if one.typed}


async def test_what_was_begun_stands_in_the_form_until_it_is_sent(club, ada):
    names = [one.name for one in (await windows.look(club.parts, ada)).fields]
    taken = await begin(club, ada, **{names[0]: "I repair\0 clocks", "nothing": "x"})
    assert "nothing" not in taken.problems
    assert set(taken.problems) <= set(names), "what would be wrong, were it sent"
    assert await shown(club, ada) == {names[0]: ("I repair\ufffd clocks",)}
    await begin(club, ada, **{names[0]: "I repair ships"})
    assert await shown(club, ada) == {names[0]: ("I repair ships",)}
    assert not await club.find(Application), "nothing was sent"
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    assert not await club.find(Draft)


async def test_it_is_nobody_elses_and_not_for_ever(club, ada):
    bob = club.platform.person("@bob:fake")
    await begin(club, ada, why="Clocks, and the sea.")
    assert await shown(club, bob) == {}
    club.clock.advance(seconds=(KEPT + timedelta(seconds=1)).total_seconds())
    await due.tidy(club.parts)
    assert await shown(club, ada) == {}
    assert not await club.find(Draft)


async def test_a_flood_of_letters_is_not_kept(club, ada):
    await begin(club, ada, why="Clocks.")
    await begin(club, ada, why="x" * 200_000)
    assert await shown(club, ada) == {"why": ("Clocks.",)}


async def test_a_change_that_was_begun_counts_until_the_answers_are_others(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    before = await shown(club, ada)
    club.clock.advance(seconds=1)
    await begin(club, ada, why="A change that I have begun to write, by far long enough.")
    assert (await shown(club, ada)) == before | {
        "why": ("A change that I have begun to write, by far long enough.",)
    }
    app = await club.one(Application)
    assert "begun" not in str(app.answers), "the admins see what was sent"
    club.clock.advance(seconds=1)
    async with club.store.transaction(club.parts.club) as tx:
        await tx.change(await tx.get(Application, app.id), edited_at=club.clock.now())
    assert await shown(club, ada) == before, "changed elsewhere since"


async def test_whoever_withdrew_begins_a_new_one_with_nothing_of_the_old(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await windows.take(club.parts, filled(club, ada, "withdraw"))
    assert (await club.one(Application)).state is State.WITHDRAWN
    assert await shown(club, ada) == {}


async def test_it_is_in_what_we_hold_and_is_erased_with_the_rest(club, ada):
    window = await windows.look(club.parts, ada)
    await windows.take(club.parts, filled(club, ada, "apply", answers=answers_to(window)))
    await begin(club, ada, why="A change that I have begun.")
    [held] = (await export(club.parts, ada))["drafts"]
    assert held["answers"] == {"why": "A change that I have begun."}
    await erase.erase(club.parts, ada, "operator:root")
    assert not await club.find(Draft)
