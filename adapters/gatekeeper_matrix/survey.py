"""What the club's places are like now: their rules, who could let people in, who is in a room only.

Each rule by which somebody could come past the gate is read, and is set back one at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatekeeper.domain.errors import PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Holder, PlaceRule, Rule
from gatekeeper_matrix.power import CREATOR, Power
from gatekeeper_matrix.scene import Plan, Room, Scene
from gatekeeper_matrix.sdk import CLIENT, NAME, Api, Refusal, q, room_path

LEVEL: Final = 50  # who may invite
_EVENT: Final[Mapping[Rule, str]] = {
    Rule.INVITE: "m.room.power_levels",
    Rule.JOIN: "m.room.join_rules",
    Rule.GUESTS: "m.room.guest_access",
    Rule.HISTORY: "m.room.history_visibility",
}

Look = Callable[[str], Awaitable[Power]]


@dataclass(frozen=True, slots=True)
class Looked:
    """One place as it was found."""

    rules: tuple[PlaceRule, ...]
    holders: tuple[Holder, ...]
    joined: Mapping[str, str]  # account to name


async def look(api: Api, scene: Scene, place: Room, power: Look) -> Looked:
    """One place. PlatformDown, PlatformBusy, Refusal where it is shut to us."""
    room = scene.id_of(place)
    levels, rule, guests, history, listed, joined = await asyncio.gather(
        power(room),
        api.find(room_path(room, "state", _EVENT[Rule.JOIN], "")),
        api.find(room_path(room, "state", _EVENT[Rule.GUESTS], "")),
        api.find(room_path(room, "state", _EVENT[Rule.HISTORY], "")),
        _listed(api, room),
        api.get(room_path(room, "joined_members")),
    )
    found: list[tuple[Rule, str, str]] = []
    if levels.needed("invite") < LEVEL:
        found.append((Rule.INVITE, str(levels.needed("invite")), str(LEVEL)))
    if not is_shut(scene, place, rule or {}):
        found.append((Rule.JOIN, _said(rule or {}), _said(join_rule(scene, place))))
    if (guests or {}).get("guest_access") == "can_join":
        found.append((Rule.GUESTS, "can_join", "forbidden"))
    if (history or {}).get("history_visibility") == "world_readable":
        found.append((Rule.HISTORY, "world_readable", "joined"))
    if listed:
        found.append((Rule.DIRECTORY, "public", "private"))
    return Looked(
        rules=tuple(
            PlaceRule(
                place=place.alias,
                rule=each,
                found=value,
                wanted=wanted,
                mendable=levels.can(scene.me, _EVENT.get(each, "m.room.canonical_alias")),
            )
            for each, value, wanted in found
        ),
        holders=_holders(scene, place, levels),
        joined={
            user: str(told.get("display_name") or user)
            for user, told in dict(joined["joined"]).items()
            if user != scene.me
        },
    )


def _holders(scene: Scene, place: Room, levels: Power) -> tuple[Holder, ...]:
    named = {*(levels.levels.get("users") or {}), *levels.creators} - {scene.me}
    enough = max(levels.needed("invite"), LEVEL)
    return tuple(
        Holder(
            identity=Identity(NAME, user),
            place=place.alias,
            power=100 if levels.of(user) == CREATOR else levels.of(user),
        )
        for user in sorted(named - (scene.founders or frozenset()))
        if levels.of(user) >= enough
    )


async def _listed(api: Api, room: str) -> bool:
    """Whether the homeserver lists the room for everybody."""
    told = await api.find(f"{CLIENT}/directory/list/room/{q(room)}")
    return (told or {}).get("visibility") == "public"


def join_rule(scene: Scene, place: Room) -> dict[str, Any]:
    """How people come into a place: by knocking, by being in the space, or asked by us alone."""
    if place.kind == "space":
        return {"join_rule": "knock"}
    if place.kind == "room":
        allow = [{"type": "m.room_membership", "room_id": scene.space}]
        return {"join_rule": "restricted", "allow": allow}
    return {"join_rule": "invite"}


def is_shut(scene: Scene, place: Room, rule: Mapping[str, Any]) -> bool:
    """Whether a join rule lets nobody in who is not inside already, or invited."""
    name = rule.get("join_rule", "invite")
    if name in ("invite", "knock", "private"):
        return True
    if name not in ("restricted", "knock_restricted") or place.kind != "room":
        return False
    allowed = [one.get("room_id") for one in rule.get("allow") or () if isinstance(one, Mapping)]
    return all(room == scene.space for room in allowed)


def _said(rule: Mapping[str, Any]) -> str:
    allowed = [str(one.get("room_id")) for one in rule.get("allow") or ()]
    return " ".join([str(rule.get("join_rule")), *allowed])


async def mend(api: Api, plan: Plan, scene: Scene, alias: str, rule: Rule) -> bool:
    """Set one rule of a place back; False where it is as it should be. PlatformRefused."""
    place = next((one for one in plan.all() if one.alias == alias), None)
    room = scene.id_of(place) if place else ""
    if place is None or not room or alias in scene.lost:
        raise PlatformRefused(NAME, "no-such-room", alias)
    if rule is Rule.DIRECTORY:
        if not await _listed(api, room):
            return False
        path = f"{CLIENT}/directory/list/room/{q(room)}"
        await api.call("PUT", path, {"visibility": "private"}, limiters=("send",))
        return True
    path = room_path(room, "state", _EVENT[rule], "")
    there = await api.find(path) or {}
    wanted = _mended(scene, place, rule, there)
    if wanted is None:
        return False
    try:
        await api.call("PUT", path, wanted, limiters=("send",))
    except Refusal as error:
        raise PlatformRefused(NAME, "no-power", f"{alias}: {error.detail}") from error
    return True


def _mended(
    scene: Scene, place: Room, rule: Rule, there: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The event as it should be; None where it is so. Of power levels only the one is changed."""
    if rule is Rule.INVITE:
        return {**there, "invite": LEVEL} if Power(there).needed("invite") < LEVEL else None
    if rule is Rule.JOIN:
        return None if is_shut(scene, place, there) else join_rule(scene, place)
    if rule is Rule.GUESTS:
        shut = there.get("guest_access") != "can_join"
        return None if shut else {"guest_access": "forbidden"}
    shut = there.get("history_visibility") != "world_readable"
    return None if shut else {"history_visibility": "joined"}
