"""conversations.*: channels, who is in them, what was said."""

import base64
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.support.slack.web_api import Answer, Call, Refusal, WebApi
from tests.support.slack.world import Channel, Message, Plan

T = TypeVar("T")


def shown(call: Call, channel: Channel) -> Answer:
    """A channel as the caller sees it."""
    kind = channel.kind
    seen: Answer = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.is_archived,
        "is_im": kind == "im",
        "is_mpim": kind == "mpim",
        "is_private": kind != "channel",
        "context_team_id": call.team.id,
    }
    if kind == "im":
        others = [one for one in channel.members if one != call.team.bot_user]
        return seen | {"user": others[0] if others else "", "is_open": True}
    return seen | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": kind == "channel",
        "is_group": kind == "group",
        "is_general": channel.is_general,
        "is_shared": channel.is_ext_shared,
        "is_ext_shared": channel.is_ext_shared,
        "is_org_shared": False,
        "is_member": call.token.user in channel.members,
        "creator": channel.creator,
        "num_members": len(channel.members),
    }


def found(call: Call, name: str = "channel", scope: str = "") -> Channel:
    """The channel that a call names, as far as the caller may see it."""
    channel = call.team.channels.get(call.text(name))
    hidden = channel is not None and channel.kind != "channel"
    if channel is None or (hidden and call.token.user not in channel.members):
        raise Refusal("channel_not_found")
    _scoped(call, channel, scope)
    return channel


def _scoped(call: Call, channel: Channel, scope: str) -> None:
    """That the token's scopes are for this kind of channel; `scope` is read, history or write."""
    kinds = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
    of = kinds[channel.kind]
    wanted = {f"{of}:{scope}"}
    if scope == "write":
        wanted |= {"channels:manage"} if of == "channels" else set()
    if scope == "invites":
        wanted = {
            f"{of}:write.invites",
            f"{of}:write",
            *(["channels:manage"] if of == "channels" else []),
        }
    if scope and not wanted & call.token.scopes:
        raise Refusal(
            "missing_scope",
            needed=",".join(sorted(wanted)),
            provided=",".join(sorted(call.token.scopes)),
        )


def page(call: Call, items: Sequence[T], size: int = 100) -> tuple[list[T], dict[str, str]]:
    """A part of a long list, and where the next one begins."""
    cursor, start = call.text("cursor"), 0
    if cursor:
        try:
            start = int(base64.urlsafe_b64decode(cursor).decode().removeprefix("at:"))
        except ValueError:
            raise Refusal("invalid_cursor") from None
    end = start + min(int(call.text("limit") or size), 1000)
    following = base64.urlsafe_b64encode(f"at:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), {"next_cursor": following}


def create(api: WebApi, call: Call) -> Answer:
    """conversations.create"""
    name = call.text("name")
    if len(name) > 80:
        raise Refusal("invalid_name_maxlength")
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise Refusal("invalid_name_specials")
    if any(one.name == name for one in call.team.channels.values()):
        raise Refusal("name_taken")
    kind = "group" if call.flag("is_private") else "channel"
    user = call.token.user
    channel = api.world.channel(call.team, name, [user], kind=kind, creator=user)
    return {"channel": shown(call, channel)}


def info(api: WebApi, call: Call) -> Answer:
    """conversations.info"""
    return {"channel": shown(call, found(call, scope="read"))}


def listed(api: WebApi, call: Call) -> Answer:
    """conversations.list"""
    return _listed(call, call.token.user)


def of_user(api: WebApi, call: Call) -> Answer:
    """users.conversations"""
    return _listed(call, call.text("user") or call.token.user, members_only=True)


def _listed(call: Call, user: str, members_only: bool = False) -> Answer:
    names = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = call.names("types") or ["public_channel"]
    if not set(wanted) <= set(names):
        raise Refusal("invalid_types")
    kinds = {names[one] for one in wanted}
    seen = [
        one
        for one in call.team.channels.values()
        if one.kind in kinds
        and not (one.is_archived and call.flag("exclude_archived"))
        and (user in one.members or (one.kind == "channel" and not members_only))
        and (one.kind == "channel" or call.token.user in one.members)
    ]
    part, following = page(call, seen)
    return {"channels": [shown(call, one) for one in part], "response_metadata": following}


def members(api: WebApi, call: Call) -> Answer:
    """conversations.members"""
    part, following = page(call, found(call, scope="read").members)
    return {"members": part, "response_metadata": following}


def opened(api: WebApi, call: Call) -> Answer:
    """conversations.open"""
    if channel := call.text("channel"):
        if channel not in call.team.channels:
            raise Refusal("channel_not_found")
        return {"channel": {"id": channel}}
    users = call.names("users")
    if not users:
        raise Refusal("users_list_not_supplied")
    if len(users) > 8:
        raise Refusal("too_many_users")
    for one in users:
        user = call.team.users.get(one)
        if user is None:
            raise Refusal("user_not_found")
        if user.deleted:
            raise Refusal("user_disabled")
    if len(users) > 1:
        raise AssertionError("the stand-in has no chats of several")
    channel_ = api.world.chat(call.team, users[0])
    full = call.flag("return_im")
    return {"channel": shown(call, channel_) if full else {"id": channel_.id}}


def invite(api: WebApi, call: Call) -> Answer:
    """conversations.invite"""
    channel = found(call, scope="invites")
    if channel.kind in {"im", "mpim"}:
        raise Refusal("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refusal("is_archived")
    if call.token.user not in channel.members:
        raise Refusal("not_in_channel")
    users = call.names("users")
    if not users:
        raise Refusal("no_user")
    wrong = {one: why for one in users if (why := _why_not(call, channel, one))}
    if wrong and not (call.flag("force") and len(wrong) < len(users)):
        errors = [{"user": one, "ok": False, "error": why} for one, why in wrong.items()]
        raise Refusal(next(iter(wrong.values())), errors=errors)
    for one in users:
        if one not in wrong:
            api.world.join(call.team, channel, one, inviter=call.token.user)
    return {"channel": shown(call, channel)}


def _why_not(call: Call, channel: Channel, one: str) -> str:
    user = call.team.users.get(one)
    if user is None or user.deleted:
        return "user_not_found"
    if one == call.token.user:
        return "cant_invite_self"
    if one in channel.members:
        return "already_in_channel"
    if user.is_bot and one == "USLACKBOT":
        return "cant_invite"
    if user.is_ultra_restricted:
        return "ura_max_channels"
    if user.is_restricted:
        return "user_is_restricted"
    return ""


def invite_shared(api: WebApi, call: Call) -> Answer:
    """conversations.inviteShared"""
    channel = found(call)
    if call.team.plan is Plan.FREE:
        raise Refusal("not_paid")
    if call.token.user not in channel.members:
        raise Refusal("not_in_channel")
    emails, users = call.names("emails"), call.names("user_ids")
    if not emails and not users:
        raise Refusal("recipients_not_specified")
    if len(emails) > 1 or len(users) > 1:
        raise Refusal("too_many_emails")
    if any("@" not in one for one in emails):
        raise Refusal("invalid_email")
    number = api.world.name("I")
    call.team.invited.append({"invite_id": number, "channel": channel.id, "to": [*emails, *users]})
    return {"invite_id": number, "is_legacy_shared_channel": False}


def join(api: WebApi, call: Call) -> Answer:
    """conversations.join"""
    channel = found(call)
    if channel.kind != "channel":
        raise Refusal("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise Refusal("is_archived")
    api.world.join(call.team, channel, call.token.user)
    return {"channel": shown(call, channel)}


def leave(api: WebApi, call: Call) -> Answer:
    """conversations.leave"""
    channel = found(call, scope="write")
    if channel.is_general:
        raise Refusal("cant_leave_general")
    there = call.token.user in channel.members
    api.world.part(call.team, channel, call.token.user)
    return {} if there else {"not_in_channel": True}


def kick(api: WebApi, call: Call) -> Answer:
    """conversations.kick"""
    channel, user = found(call, scope="write"), call.text("user")
    if channel.kind in {"im", "mpim"}:
        raise Refusal("method_not_supported_for_channel_type")
    if call.token.user not in channel.members:
        raise Refusal("not_in_channel")
    if user not in call.team.users:
        raise Refusal("user_not_found")
    if user == call.token.user:
        raise Refusal("cant_kick_self")
    if channel.is_general:
        raise Refusal("cant_kick_from_general")
    if channel.kind == "channel" and call.team.removing_is_for != "everyone":
        raise Refusal("restricted_action")
    if user not in channel.members:
        raise Refusal("not_in_channel")
    api.world.part(call.team, channel, user)
    return {"errors": {}}


def history(api: WebApi, call: Call) -> Answer:
    """conversations.history"""
    channel = _readable(call)
    top = [one for one in channel.messages if not one.thread_ts or one.thread_ts == one.ts]
    return _messages(call, channel, list(reversed(top)))


def replies(api: WebApi, call: Call) -> Answer:
    """conversations.replies"""
    channel, ts = _readable(call), call.text("ts")
    thread = [one for one in channel.messages if ts in (one.ts, one.thread_ts)]
    if not thread:
        raise Refusal("thread_not_found")
    return _messages(call, channel, thread)


def _readable(call: Call) -> Channel:
    channel = found(call, scope="history")
    if call.token.user not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _messages(call: Call, channel: Channel, messages: list[Message]) -> Answer:
    oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
    inside = [
        one
        for one in messages
        if not one.seen_only_by
        and (
            oldest < float(one.ts) < latest
            or (call.flag("inclusive") and float(one.ts) in (oldest, latest))
        )
    ]
    part, following = page(call, inside)
    more = bool(following["next_cursor"])
    told = [message_shown(call, one) for one in part]
    return {"messages": told, "has_more": more, "response_metadata": following}


def message_shown(call: Call, message: Message) -> dict[str, Any]:
    """A message as it is read back; metadata only where it is asked for."""
    seen: dict[str, Any] = {
        "type": "message",
        "user": message.user,
        "text": message.text,
        "ts": message.ts,
        "team": call.team.id,
    }
    optional = {
        "blocks": message.blocks,
        "bot_id": message.bot_id,
        "subtype": message.subtype,
        "thread_ts": message.thread_ts,
        "app_id": "A0G4TEK33" if message.bot_id else "",
    }
    seen |= {key: value for key, value in optional.items() if value}
    if message.metadata and call.flag("include_all_metadata"):
        seen["metadata"] = message.metadata
    if message.edited:
        seen["edited"] = {"user": message.user, "ts": message.edited}
    if message.reactions:
        seen["reactions"] = [
            {"name": name, "users": users, "count": len(users)}
            for name, users in message.reactions.items()
        ]
    return seen


HANDLERS = {
    "conversations.create": create,
    "conversations.history": history,
    "conversations.info": info,
    "conversations.invite": invite,
    "conversations.inviteShared": invite_shared,
    "conversations.join": join,
    "conversations.kick": kick,
    "conversations.leave": leave,
    "conversations.list": listed,
    "conversations.members": members,
    "conversations.open": opened,
    "conversations.replies": replies,
    "users.conversations": of_user,
}
