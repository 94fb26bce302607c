"""What `gatekeeper doctor` asks of a workspace, one Check a line."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from gatekeeper.domain.errors import PlatformDown, PlatformError, PlatformRefused
from gatekeeper.ports import Check
from gatekeeper_slack.abilities import Abilities, Ability, Can, Why
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.deciders import Deciders
from gatekeeper_slack.scene import Scene
from gatekeeper_slack.scopes import NEEDED, SCOPES

_SKEW: Final = 60.0  # seconds; Slack's signatures are good for 300


async def examine(
    api: Api,
    scene: Scene,
    *,
    enter: Callable[[], Awaitable[None]],
    app: Api | None,
    fault: Callable[[], str],
    deciders: Deciders,
    named: tuple[str, ...],
    abilities: Abilities,
    deactivates: bool,
    ways: tuple[str, ...],
    now: datetime,
) -> tuple[Check, ...]:
    """All lines; a workspace that is away or refuses the login ends them early.

    Args:
        enter: logs in and finds the channels, making none.
        app: speaks with the token of Socket Mode; None where Slack calls us by HTTP.
        fault: code of what is wrong with an installation, "" for nothing.
        deciders: the user group whose members decide.
        named: whom the policy names as admins, as team:user.
        abilities: what the workspace can do; looked at anew.
        deactivates: the policy ends accounts with a removal.
        ways: by which it lets people without an account be invited.
    """
    try:
        await enter()
    except PlatformRefused as error:
        return (Check(False, "slack-login", {"detail": error.detail}),)
    except PlatformDown:
        if not fault():
            raise
        return (Check(False, fault(), {}),)
    lines = [
        Check(True, "slack-logged-in", {"team": scene.team, "bot": scene.bot}),
        _clock(api),
        *_scopes(api.scopes),
        await _line(app),
        *_channels(scene),
        *await _admins(api, scene, named),
        *await _group(deciders),
        *await _abilities(abilities, deactivates, ways, now),
    ]
    return tuple(lines)


def _clock(api: Api) -> Check:
    skew = api.skew.total_seconds() if api.skew is not None else 0.0
    ok = abs(skew) <= _SKEW
    return Check(ok, "slack-clock" if ok else "slack-clock-off", {"seconds": round(skew)})


def _scopes(given: frozenset[str] | None) -> list[Check]:
    """Scopes that the token lacks; those that only some things need are told, and are no fault."""
    if given is None:
        return []
    lacking = [one for one in SCOPES if one not in given]
    needed = ", ".join(one for one in lacking if one in NEEDED)
    others = ", ".join(one for one in lacking if one not in NEEDED)
    lines = [Check(False, "slack-scopes-missing", {"scopes": needed})] if needed else []
    if others:
        lines.append(Check(True, "slack-scopes-fewer", {"scopes": others}))
    return lines or [Check(True, "slack-scopes", {})]


async def _line(app: Api | None) -> Check:
    """How Slack reaches us."""
    if app is None:
        return Check(True, "slack-line-http", {})
    try:
        await app.call("apps.connections.open")
    except Refusal as error:
        return Check(False, "slack-app-token", {"detail": error.detail})
    except PlatformError as error:
        return Check(False, "slack-line-down", {"detail": str(error)})
    return Check(True, "slack-line-socket", {})


def _channels(scene: Scene) -> list[Check]:
    lines = []
    for alias in (*scene.rooms, *(one for one in scene.lost if one not in scene.rooms)):
        if alias != scene.desk:
            why = scene.lost.get(alias, "") or ("public" if alias in scene.public else "")
            lines.append(Check(not why, f"slack-{why or 'channel'}", {"channel": alias}))
    why = scene.lost.get(scene.desk, "")
    code = f"slack-{why}" if why else "slack-admins"
    return [*lines, Check(not why, code, {"channel": scene.desk})]


async def _admins(api: Api, scene: Scene, named: tuple[str, ...]) -> list[Check]:
    """Who is named as an admin and cannot decide: of another workspace, or not in the channel."""
    strangers = [one for one in named if one.partition(":")[0] != scene.team]
    values = {"team": scene.team}
    lines = [Check(False, "slack-admin-elsewhere", {**values, "account": one}) for one in strangers]
    if scene.desk in scene.lost or not scene.admins:
        return lines  # that line stands above already
    try:
        pages = api.pages("conversations.members", "members", channel=scene.admins)
        inside = {f"{scene.team}:{user}" async for user in pages}
    except PlatformError as error:
        return [*lines, Check(False, "slack-admins-unread", {"detail": str(error)})]
    outside = [one for one in named if one not in inside and one not in strangers]
    where = {"channel": scene.desk}
    return lines + [Check(False, "slack-admin-outside", {**where, "account": o}) for o in outside]


async def _group(deciders: Deciders) -> tuple[Check, ...]:
    try:
        return await deciders.examine()
    except PlatformError as error:
        values = {"group": deciders.group, "detail": str(error)}
        return (Check(False, "slack-group-refused", values),)


async def _abilities(
    abilities: Abilities, deactivates: bool, ways: tuple[str, ...], now: datetime
) -> list[Check]:
    """What the workspace pays for, what we can do there for it, why not what, and what instead."""
    try:
        found = await abilities.known(anew=True)
    except PlatformError as error:
        return [Check(True, "slack-plan-unknown", {"detail": str(error)})]
    lines = [Check(True, f"slack-plan-{found.kind}", {})]
    known = {can: found.of(can, now) for can in Can}
    for why in Why:
        lacking = [one.can for one in known.values() if one.why is why]
        if lacking:
            values = {"what": ", ".join(lacking)}
            lines.append(Check(True, f"slack-cannot-{why}", values))
    lines.append(Check(True, _inviting(known, ways), {}))
    if deactivates:
        able = known[Can.EXPEL].given or known[Can.DEACTIVATE].given
        lines.append(Check(able, "slack-deactivates" if able else "slack-deactivates-not", {}))
    return lines


def _inviting(known: Mapping[Can, Ability], ways: tuple[str, ...]) -> str:
    """How somebody without an account is invited: the first way that is there."""
    for way in ways:
        if way == "workspace" and (known[Can.INVITE].given or known[Can.PROVISION].given):
            return "slack-invites-workspace"
        if way == "connect" and known[Can.CONNECT].given:
            return "slack-invites-connect"
    return "slack-invites-by-hand"
