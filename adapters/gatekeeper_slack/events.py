"""What Slack tells, as events, signs of life and changes of what reaches us; pure.

People are (team, user): an account is `T…:U…`. Whatever is no act of a person says nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind, Relation, Sign
from gatekeeper.domain.identity import Identity
from gatekeeper_slack.heard import (
    NOTHING,
    Access,
    Back,
    Changed,
    Heard,
    Home,
    Lost,
    Out,
    Revoked,
)
from gatekeeper_slack.said import TEXT, addressed, mentioned, plain
from gatekeeper_slack.scene import NAME, Scene

Raw = Mapping[str, Any]

SLACKBOT: Final = "USLACKBOT"  # Slack does not call it a bot
_USER: Final = re.compile(r"[UW][A-Z0-9]{2,30}")
_TEAM: Final = re.compile(r"[TE][A-Z0-9]{2,30}")
_TS: Final = re.compile(r"\d{9,11}\.\d{1,9}")
# Subtypes of messages by which a person speaks; all others are Slack's own words, or edits.
_SPOKEN: Final = frozenset({"", "file_share", "me_message", "thread_broadcast"})
_MINUTE: Final = timedelta(minutes=1)


# ---- Events API ------------------------------------------------------------------------------


def heard(scene: Scene, body: Raw, now: datetime) -> Heard:
    """What an outer event says of the club of `scene`; NOTHING for all that is not for us."""
    if body.get("type") == "app_rate_limited":
        start = _at(f"{body.get('minute_rate_limited')}.0", now)
        return Heard(change=Lost(min(start, now), min(start + _MINUTE, now)))
    raw = _dict(body.get("event"))
    match raw.get("type"):
        case "message" | "app_mention":
            return _message(scene, body, raw, now)
        case "reaction_added":
            return Heard(sign=_reaction(scene, body, raw, now))
        case "member_joined_channel":
            return _joined(scene, body, raw, now)
        case "member_left_channel":
            return _left(scene, body, raw, now)
        case "channel_left" | "group_left":
            return _out(scene, raw, now, "put-out")
        case "channel_deleted" | "group_deleted" | "channel_archive" | "group_archive":
            return _out(scene, raw, now, "gone")
        case "channel_unarchive" | "group_unarchive":
            channel = _text(raw.get("channel"))
            return (
                Heard(change=Back(channel, _moment(raw, now))) if scene.place(channel) else NOTHING
            )
        case "app_home_opened":
            return _home(scene, body, raw, now)
        case "user_change":
            return _changed(scene, raw)
        case "team_join":
            return _arrived(scene, raw, now)
        case "app_uninstalled":
            return Heard(change=Revoked("app-uninstalled", _told_at(body, now)))
        case "tokens_revoked":
            ours = scene.bot in _list(_dict(raw.get("tokens")).get("bot"))
            gone = Revoked("login-revoked", _told_at(body, now))
            return Heard(change=gone) if ours else NOTHING
        case "team_access_granted" | "team_access_revoked":
            return _access(body, raw)
        case _:
            return NOTHING


def installed_in(payload: Raw) -> frozenset[str]:
    """The workspaces whose installation an event came to, as far as it says so."""
    named = (_dict(one).get("team_id") for one in _list(payload.get("authorizations")))
    return frozenset(map(_text, named)) - {""}


def of_team(scene: Scene, payload: Raw) -> bool:
    """Whether a payload reached us for this workspace. A shared channel's events name the team of
    whoever acted; the installation they came to stands beside it."""
    teams = {payload.get("team_id"), payload.get("context_team_id")}
    teams.add(_dict(payload.get("team")).get("id"))
    teams.update(_dict(one).get("team_id") for one in _list(payload.get("authorizations")))
    if payload.get("is_enterprise_install") is True and payload.get("team") is None:
        teams.add(_dict(payload.get("user")).get("team_id"))  # a press names no other team then
    raw = _dict(payload.get("event"))
    if raw.get("type") in ("team_access_granted", "team_access_revoked"):  # told without a team
        teams.update(map(_text, _list(raw.get("team_ids"))))
    return scene.team in teams


def _message(scene: Scene, body: Raw, raw: Raw, now: datetime) -> Heard:
    """A message, or its twin for those who name us; one id for both."""
    channel, ts = _text(raw.get("channel")), _text(raw.get("ts"))
    who, place = _person(scene, body, raw), _place(scene, raw)
    if who is None or not place or raw.get("bot_id") or not _TS.fullmatch(ts):
        return NOTHING
    if _text(raw.get("subtype")) not in _SPOKEN or raw.get("hidden"):
        return NOTHING
    stamp: dict[str, Any] = {"who": who, "at": _at(ts, now), "event_id": ref(channel, ts)}
    text, thread = _text(raw.get("text")), _text(raw.get("thread_ts"))
    answers = thread if thread and thread != ts else ""
    kind = Kind.THREAD if answers else Kind.MESSAGE
    if raw.get("files") or raw.get("subtype") == "file_share":
        kind = Kind.FILE
    if place == "direct":
        kind = Kind.COMMAND
    sign = Sign(**stamp, kind=kind, place=place, towards=_towards(scene, raw, text, who))
    event = None
    if place in ("direct", "admins") and (said := addressed(text, scene.bot)):
        where = ref(channel, answers) if answers else ""
        event = events.Wrote(**stamp, place=place, text=said, thread=where, room=channel)
    return Heard(event, sign)


def _towards(
    scene: Scene, raw: Raw, text: str, who: Identity
) -> tuple[tuple[Relation, Identity], ...]:
    """Whom a message answers or names."""
    found: dict[str, Relation] = {}
    parent = _text(raw.get("parent_user_id"))
    if _USER.fullmatch(parent):
        found[parent] = Relation.ANSWERED
    for user in mentioned(text):
        found.setdefault(user, Relation.MENTIONED)
    return tuple(
        (how, account(scene.team, user))
        for user, how in found.items()
        if user not in (SLACKBOT, scene.bot, who.account.rpartition(":")[2])
    )


def _reaction(scene: Scene, body: Raw, raw: Raw, now: datetime) -> Sign | None:
    item, who = _dict(raw.get("item")), _person(scene, body, raw)
    channel, ts = _text(item.get("channel")), _text(item.get("ts"))
    place = scene.place(channel)
    if who is None or not place or item.get("type") != "message":
        return None
    author = _text(raw.get("item_user"))
    others = _USER.fullmatch(author) and author not in (scene.bot, SLACKBOT, raw.get("user"))
    return Sign(
        who=who,
        kind=Kind.REACTION,
        place=place,
        at=_moment(raw, now),
        event_id=f"reaction:{ref(channel, ts)}:{who.account}:{_text(raw.get('reaction'))[:100]}",
        towards=((Relation.REACTED, account(scene.team, author)),) if others else (),
    )


def _joined(scene: Scene, body: Raw, raw: Raw, now: datetime) -> Heard:
    """Somebody is inside. Whoever was put there by others has not shown a sign of life."""
    channel, user, at = _text(raw.get("channel")), raw.get("user"), _moment(raw, now)
    place = scene.place(channel)
    if not place:
        return NOTHING
    if user == scene.bot:
        return Heard(change=Back(channel, at))
    who = _person(scene, body, raw)
    if who is None:
        return NOTHING
    event_id = f"joined:{channel}:{who.account}:{_text(raw.get('event_ts'))}"
    inviter = _text(raw.get("inviter"))
    sign = event = None
    if not inviter or inviter == user:
        sign = Sign(who=who, kind=Kind.JOIN, place=place, at=at, event_id=event_id)
    if channel == scene.club:
        by = account(scene.team, inviter) if _USER.fullmatch(inviter) else None
        name = who.account.rpartition(":")[2]  # Slack tells no name here
        event = events.Joined(who=who, at=at, event_id=event_id, name=name, by=by)
    return Heard(event, sign)


def _left(scene: Scene, body: Raw, raw: Raw, now: datetime) -> Heard:
    """Somebody is out of the club. Slack does not say by whom: it is theirs, unless the caller
    knows that we did it."""
    channel, who = _text(raw.get("channel")), _person(scene, body, raw)
    if raw.get("user") == scene.bot:
        return _out(scene, raw, now, "put-out")
    if who is None or channel != scene.club:
        return NOTHING
    event_id = f"left:{channel}:{who.account}:{_text(raw.get('event_ts'))}"
    return Heard(events.Departed(who=who, at=_moment(raw, now), event_id=event_id, unclear=True))


def by_us(scene: Scene, event: events.Departed) -> events.PutOut:
    """The same going, where it was we who took them out."""
    bot = account(scene.team, scene.bot)
    return events.PutOut(who=event.who, at=event.at, event_id=event.event_id, by=bot, inside=True)


def _out(scene: Scene, raw: Raw, now: datetime, why: str) -> Heard:
    channel = _text(raw.get("channel"))
    return Heard(change=Out(channel, _moment(raw, now), why)) if scene.place(channel) else NOTHING


def _access(body: Raw, raw: Raw) -> Heard:
    teams = frozenset(filter(_TEAM.fullmatch, map(_text, _list(raw.get("team_ids")))))
    granted, org = raw.get("type") == "team_access_granted", _organisation(body)
    return Heard(change=Access(teams, granted, org)) if teams else NOTHING


def _organisation(body: Raw) -> str:
    """The organisation whose installation was told."""
    told = [body.get("enterprise_id"), body.get("context_enterprise_id")]
    told += [_dict(one).get("enterprise_id") for one in _list(body.get("authorizations"))]
    return next((one for one in map(_text, told) if _TEAM.fullmatch(one)), "")


def _home(scene: Scene, body: Raw, raw: Raw, now: datetime) -> Heard:
    who = _person(scene, body, raw)
    if who is None:
        return NOTHING
    at = _moment(raw, now)
    event_id = f"home:{who.account}:{_text(raw.get('event_ts'))}"
    sign = Sign(who=who, kind=Kind.READ, place="direct", at=at, event_id=event_id)
    return Heard(sign=sign, change=Home(who) if raw.get("tab", "home") == "home" else None)


def _changed(scene: Scene, raw: Raw) -> Heard:
    user = _dict(raw.get("user"))
    who = _known(scene, _text(user.get("team_id")), _text(user.get("id")))
    return Heard(change=Changed(who, user.get("deleted") is True)) if who else NOTHING


def _arrived(scene: Scene, raw: Raw, now: datetime) -> Heard:
    """Somebody has an account in the workspace now; who they are is looked up."""
    told = _changed(scene, raw)
    if not isinstance(told.change, Changed) or _dict(raw.get("user")).get("is_bot"):
        return told
    who = told.change.who
    event_id = f"arrived:{who.account}"
    return Heard(events.Arrived(who=who, at=now, event_id=event_id, name=""), change=told.change)


# ---- Interactions and commands ---------------------------------------------------------------


def presser(scene: Scene, payload: Raw) -> Identity | None:
    """Who pressed, sent or typed something; None where that is no person."""
    user = _dict(payload.get("user"))
    number = _text(user.get("id") or payload.get("user_id"))
    team = _text(user.get("team_id")) or _text(payload.get("team_id")) or scene.team
    return _known(scene, team, number)


def pressed(scene: Scene, payload: Raw, symbol: str, now: datetime) -> Heard:
    """A button on one of our messages: `symbol` is what stood on it for the domain.

    Who is of another team never presses in the admins' channel, whatever they may be elsewhere.
    """
    who, container = presser(scene, payload), _dict(payload.get("container"))
    channel, ts = _text(container.get("channel_id")), _text(container.get("message_ts"))
    place = _place(scene, {"channel": channel})
    action = next((_dict(one) for one in _list(payload.get("actions"))), {})
    if who is None or not place or not _TS.fullmatch(ts) or not action:
        return NOTHING
    if place == "admins" and is_foreign(scene, who):
        return NOTHING
    at = _at(_text(action.get("action_ts")), now)
    event_id = f"press:{ref(channel, ts)}:{who.account}:{_text(action.get('action_ts'))}"
    sign = Sign(who=who, kind=Kind.PRESS, place=place, at=at, event_id=event_id)
    if not symbol:
        return Heard(sign=sign)
    stamp: dict[str, Any] = {"who": who, "at": at, "event_id": event_id}
    return Heard(events.Pressed(**stamp, ref=ref(channel, ts), symbol=symbol, place=place), sign)


def acted(scene: Scene, payload: Raw, now: datetime) -> Heard:
    """A shortcut taken, a view sent or something pressed in one: a sign of life."""
    who, kind = presser(scene, payload), _text(payload.get("type"))
    if who is None:
        return NOTHING
    first = next((_dict(one) for one in _list(payload.get("actions"))), {})
    view = _dict(payload.get("view"))
    ts = _text(payload.get("action_ts") or first.get("action_ts"))
    mark = ts or _text(payload.get("trigger_id")) or f"{view.get('id')}:{view.get('hash')}"
    event_id = f"{kind}:{who.account}:{mark[:100]}"
    return Heard(sign=_used(who, Kind.PRESS, _at(ts, now), event_id))


def commanded(scene: Scene, fields: Raw, now: datetime) -> Heard:
    """A slash command: its words come as if they were written in the chat with us."""
    who, text = presser(scene, fields), plain(_text(fields.get("text")))
    if who is None:
        return NOTHING
    event_id = f"command:{who.account}:{_text(fields.get('trigger_id'))[:100]}"
    sign = _used(who, Kind.COMMAND, now, event_id)
    said = text[:TEXT] or "help"
    wrote = events.Wrote(
        who=who, at=now, event_id=event_id, place="direct", text=said, command=True
    )
    return Heard(wrote, sign)


def _used(who: Identity, kind: Kind, at: datetime, event_id: str) -> Sign:
    return Sign(who=who, kind=kind, place="direct", at=at, event_id=event_id)


# ---- Names -----------------------------------------------------------------------------------


def account(team: str, user: str) -> Identity:
    """One account of one workspace."""
    return Identity(NAME, f"{team}:{user}")


def is_foreign(scene: Scene, who: Identity) -> bool:
    """Whether somebody is of another workspace: a stranger of Slack Connect."""
    return not who.account.startswith(f"{scene.team}:")


def ref(channel: str, ts: str) -> str:
    """A message's name, unique over a workspace."""
    return f"{channel}:{ts}"


def moment_of(ts: str) -> datetime:
    """When a message came to stand, by Slack's clock."""
    return datetime.fromtimestamp(float(ts), UTC)


def _place(scene: Scene, raw: Raw) -> str:
    """What a channel is called; a chat with us by its kind, since each person has another."""
    channel = _text(raw.get("channel"))
    known = scene.place(channel)
    if known:
        return known
    direct = raw.get("channel_type") == "im" or channel.startswith("D")
    return "direct" if direct and raw.get("type") != "app_mention" else ""


def _person(scene: Scene, body: Raw, raw: Raw) -> Identity | None:
    """Who acted; None for us, for bots as far as told, and for Slackbot."""
    if body.get("is_ext_shared_channel"):
        told = raw.get("user_team") or raw.get("source_team") or raw.get("team")
    else:
        told = raw.get("user_team") or raw.get("team")
    team = _text(told) or scene.team
    return _known(scene, team, _text(raw.get("user")))


def _known(scene: Scene, team: str, user: str) -> Identity | None:
    if user in (scene.bot, SLACKBOT) or not _USER.fullmatch(user) or not _TEAM.fullmatch(team):
        return None
    return account(scene.team if user in scene.shared_people else team, user)


def _moment(raw: Raw, now: datetime) -> datetime:
    return _at(_text(raw.get("event_ts")), now)


def _told_at(body: Raw, now: datetime) -> datetime:
    """When Slack told it the first time."""
    return _at(f"{body.get('event_time')}.0", now)


def _at(ts: str, now: datetime) -> datetime:
    """When it was by Slack's clock; never to come, and now where that is not told."""
    if not _TS.fullmatch(ts):
        return now
    return min(datetime.fromtimestamp(float(ts), UTC), now)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
