"""What `gatekeeper doctor` asks of a homeserver, one Check a line."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from gatekeeper.domain.errors import PlatformDown, PlatformError
from gatekeeper.ports import Check
from gatekeeper_matrix.chats import membership
from gatekeeper_matrix.power import Power
from gatekeeper_matrix.scene import Plan, Room, Scene, Uninvited
from gatekeeper_matrix.sdk import Api, Refusal, q, room_path

_SKEW: Final = 30.0  # seconds that clocks may differ
_ACTS: Final = ("invite", "kick", "state_default")

Look = Callable[[str], Awaitable[Power]]
Values = dict[str, str | int | float | bool]


async def examine(
    api: Api,
    plan: Plan,
    scene: Scene,
    *,
    enter: Callable[[], Awaitable[None]],
    power: Look,
    admin_api: bool,
) -> tuple[Check, ...]:
    """All lines; a homeserver that is down or refuses the login ends them early."""
    lines: list[Check] = []
    try:
        told = await api.get("/_matrix/client/versions")
        versions = ", ".join(told.get("versions", [])[-1:])
        lines.append(Check(True, "matrix-reachable", {"version": versions}))
        lines.append(_clock(api))
        await enter()
    except PlatformDown as error:
        return (*lines, Check(False, "matrix-unreachable", {"detail": error.detail}))
    except PlatformError as error:
        return (*lines, Check(False, "matrix-login-refused", {"detail": str(error)}))
    lines.append(Check(True, "matrix-login", {"account": scene.me}))
    for place in plan.all():
        lines += await _place(api, plan, scene, place, power)
    lines += await _people(api, plan, scene, power)
    lines.append(await _limits(api, scene, admin_api))
    return tuple(lines)


def _clock(api: Api) -> Check:
    skew = api.skew.total_seconds() if api.skew is not None else 0.0
    ok = abs(skew) <= _SKEW
    return Check(ok, "matrix-clock" if ok else "matrix-clock-off", {"seconds": round(skew)})


async def _place(api: Api, plan: Plan, scene: Scene, place: Room, power: Look) -> list[Check]:
    alias: Values = {"place": place.alias}
    room = scene.id_of(place)
    if not room or place.alias in scene.lost:
        why = scene.lost.get(place.alias, "missing")
        return [Check(False, "matrix-place-missing", {**alias, "why": why})]
    try:
        faults = [
            *_powers(await power(room), scene.me),
            *await _doors(api, room, place),
        ]
        encrypted = await api.find(room_path(room, "state", "m.room.encryption", "")) is not None
    except Refusal as error:
        return [Check(False, "matrix-place-missing", {**alias, "why": error.detail})]
    notes = []
    if encrypted and plan.plain(place):
        faults.append(("matrix-encrypted", {}))
    elif encrypted:
        notes = [Check(True, "matrix-encrypted-room", alias)]
    lines = [Check(False, code, {**alias, **values}) for code, values in faults]
    return [*(lines or [Check(True, "matrix-place", alias)]), *notes]


def _powers(power: Power, me: str) -> list[tuple[str, dict[str, Any]]]:
    faults: list[tuple[str, dict[str, Any]]] = [
        ("matrix-no-power", {"act": act, "has": power.of(me), "needs": power.needed(act)})
        for act in _ACTS
        if not power.can(me, act)
    ]
    if power.needed("invite") < 50:
        faults.append(("matrix-anyone-invites", {"level": power.needed("invite")}))
    return faults


async def _doors(api: Api, room: str, place: Room) -> list[tuple[str, dict[str, Any]]]:
    async def state(kind: str) -> dict[str, Any]:
        return dict(await api.find(room_path(room, "state", kind, "")) or {})

    faults: list[tuple[str, dict[str, Any]]] = []
    rule = str((await state("m.room.join_rules")).get("join_rule", "invite"))
    wanted = {
        "space": ("knock", "knock_restricted"),
        "room": ("restricted", "knock_restricted", "invite"),
        "admins": ("invite",),
    }[place.kind]
    if rule not in wanted:
        faults.append(("matrix-join-rule", {"rule": rule, "wanted": wanted[0]}))
    if (await state("m.room.guest_access")).get("guest_access") == "can_join":
        faults.append(("matrix-guests", {}))
    history = (await state("m.room.history_visibility")).get("history_visibility", "shared")
    if history == "world_readable" or (place.kind != "space" and history == "shared"):
        faults.append(("matrix-history", {"visibility": str(history)}))
    return faults


async def _people(api: Api, plan: Plan, scene: Scene, power: Look) -> list[Check]:
    """Whether those whom the document names can decide."""
    if not scene.admins or plan.admin_room.alias in scene.lost:
        return []
    levels = await power(scene.admins)
    lines = []
    for admin in plan.admins:
        state = await membership(api, scene.admins, admin)
        code, values = _where(scene.uninvited.get(scene.admins, {}).get(admin), state)
        told: Values = {"account": admin, "power": min(levels.of(admin), 100), **values}
        lines.append(Check(state == "join", code, told))
    return lines


def _where(waiting: Uninvited | None, state: str) -> tuple[str, Values]:
    """How it stands with an admin's way into their room."""
    if state == "join":
        return "matrix-admin", {}
    if state == "invite":
        return "matrix-admin-invited", {}
    if state or waiting is None:
        return "matrix-admin-outside", {}
    if waiting.until is None:
        return "matrix-admin-uninvited", {"detail": waiting.why}
    return "matrix-admin-limited", {"until": f"{waiting.until:%Y-%m-%d %H:%M:%S} UTC"}


async def _limits(api: Api, scene: Scene, admin_api: bool) -> Check:
    """Whether the account is freed from rate limits; only a server's admin is told."""
    if not admin_api:
        return Check(True, "matrix-limits-unknown", {"account": scene.me})
    path = f"/_synapse/admin/v1/users/{q(scene.me)}/override_ratelimit"
    try:
        told = await api.get(path)
    except PlatformError:
        return Check(True, "matrix-limits-unknown", {"account": scene.me})
    free = told.get("messages_per_second") == 0 and told.get("burst_count") == 0
    return Check(free, "matrix-limits-lifted" if free else "matrix-limits", {"account": scene.me})
