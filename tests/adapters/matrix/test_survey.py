"""Doors that people open by hand in their client: each is seen, and set back alone."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gatekeeper.domain import events
from gatekeeper.domain.decisions import Admit, Mend
from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.reconcile import Rule
from gatekeeper_matrix.scene import Room, Scene
from gatekeeper_matrix.survey import is_shut
from tests.adapters.matrix.world import MatrixWorld
from tests.support.synapse import Synapse

SPACE, ROOM, BOARD = (
    Room(kind=kind, alias=kind, name=kind) for kind in ("space", "room", "admins")
)


def allow(*rooms: str, name: str = "restricted") -> dict[str, Any]:
    return {
        "join_rule": name,
        "allow": [{"type": "m.room_membership", "room_id": room} for room in rooms],
    }


@pytest.mark.parametrize(
    ("place", "rule", "shut"),
    [
        (SPACE, {"join_rule": "knock"}, True),
        (SPACE, {"join_rule": "public"}, False),
        pytest.param(SPACE, allow("!other", name="knock_restricted"), False, id="past the form"),
        (ROOM, allow("!space"), True),
        (ROOM, allow("!space", name="knock_restricted"), True),
        pytest.param(ROOM, allow("!space", "!other"), False, id="members of another room too"),
        (ROOM, {"join_rule": "public"}, False),
        pytest.param(BOARD, allow("!space"), False, id="members in the admins' room"),
        (BOARD, {"join_rule": "invite"}, True),
        pytest.param(BOARD, {}, True, id="without a rule nobody comes in"),
        pytest.param(ROOM, {"join_rule": "restricted", "allow": ["?"]}, True, id="nonsense"),
    ],
)
def test_which_join_rules_keep_the_gate(place: Room, rule: dict[str, Any], shut: bool) -> None:
    assert is_shut(Scene(space="!space"), place, rule) is shut


@pytest.fixture
async def world(synapse: Synapse) -> AsyncIterator[MatrixWorld]:
    async with MatrixWorld(synapse) as world:
        yield world


async def mend(world: MatrixWorld, place: str, rule: Rule) -> bool:
    action = Mend(place=place, rule=rule)
    return (await world.platform.perform(action, f"{place} {rule}", datetime.now(UTC))).changed


@pytest.mark.homeserver
async def test_every_rule_is_seen_and_set_back_alone(world: MatrixWorld) -> None:
    alias = await world.open_door()
    room, client = world.scene.room(alias), "/_matrix/client/v3"
    token = world.hands(world.founder).token
    levels = world.synapse.call(
        "GET", f"{client}/rooms/{room}/state/m.room.power_levels/", token=token
    )
    changed = {**levels, "invite": 0, "redact": 77}
    world.put_state(room, "m.room.power_levels", changed)
    world.put_state(room, "m.room.guest_access", {"guest_access": "can_join"})
    world.put_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    listed = f"{client}/directory/list/room/{room}"
    world.synapse.call("PUT", listed, {"visibility": "public"}, token=token)
    found = {rule.rule: rule for rule in (await world.platform.survey()).rules}
    assert set(found) == set(Rule)
    assert all(rule.place == alias and rule.mendable for rule in found.values())
    assert (found[Rule.INVITE].found, found[Rule.INVITE].wanted) == ("0", "50")
    for left, rule in enumerate(Rule):
        assert await mend(world, alias, rule)
        assert not await mend(world, alias, rule)
        assert len((await world.platform.survey()).rules) == len(Rule) - 1 - left
    now = world.synapse.call(
        "GET", f"{client}/rooms/{room}/state/m.room.power_levels/", token=token
    )
    assert now == {**changed, "invite": 50}


@pytest.mark.homeserver
async def test_who_is_in_a_room_only_and_who_has_power(world: MatrixWorld) -> None:
    alias = await world.open_door()
    eve, carl = await world.person(), await world.person()
    await world.hands(eve).join(world.scene.room(alias))
    await world.platform.perform(Admit(who=carl), "a", datetime.now(UTC))
    await world.enter(carl)
    await world.desk.wait_for(events.Joined, carl)
    survey = await world.platform.survey()
    assert [(one.identity, one.place) for one in survey.only] == [(eve, alias)]
    assert carl in [guest.identity for guest in survey.members]
    assert {holder.identity for holder in survey.holders} == {world.founder}
    assert {holder.power for holder in survey.holders} == {100}


@pytest.mark.homeserver
async def test_a_place_that_is_lost_is_said_to_be_unseen(world: MatrixWorld) -> None:
    alias = f"{world.slug}-talk"
    world.scene.lost[alias] = "gone"
    assert (await world.platform.survey()).unseen == {alias: "gone"}
    with pytest.raises(PlatformRefused):
        await mend(world, alias, Rule.JOIN)
    with pytest.raises(PlatformRefused):
        await mend(world, "nowhere", Rule.JOIN)
