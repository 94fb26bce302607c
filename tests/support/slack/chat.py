"""chat.*, reactions.* and views.*: what the app says and shows."""

import json
import secrets
from typing import Any

from tests.support.slack.rooms import found, message_shown
from tests.support.slack.sizes import MESSAGE_BLOCKS, faults_of_blocks, faults_of_view
from tests.support.slack.web_api import Answer, Call, Refusal, WebApi
from tests.support.slack.world import Channel, Message, View

TRUNCATED, UPDATED = 40_000, 4_000  # letters of a text: of a new message, of an update


def post_message(api: WebApi, call: Call) -> Answer:
    """chat.postMessage; to a person by their id too, in their chat with the app."""
    channel = _target(api, call)
    if channel.is_archived:
        raise Refusal("is_archived")
    if channel.kind != "channel" and call.token.user not in channel.members:
        raise Refusal("channel_not_found")
    if call.token.user not in channel.members and "chat:write.public" not in call.token.scopes:
        raise Refusal("not_in_channel")
    if channel.kind == "im" and not api.world.app.messages_tab:
        raise Refusal("messages_tab_disabled")
    text, blocks = _content(call)
    message = api.world.post(
        call.team,
        channel,
        Message(
            ts=api.world.ts(),
            user=call.token.user,
            text=text[:TRUNCATED],
            blocks=blocks,
            metadata=_metadata(call),
            thread_ts=call.text("thread_ts"),
            bot_id=call.team.bot_id if call.token.kind == "bot" else "",
        ),
    )
    return {"channel": channel.id, "ts": message.ts, "message": message_shown(call, message)}


def _target(api: WebApi, call: Call) -> Channel:
    name = call.text("channel")
    if name in call.team.users:
        if call.team.users[name].deleted:
            raise Refusal("channel_not_found")
        return api.world.chat(call.team, name)
    if name not in call.team.channels:
        raise Refusal("channel_not_found")
    return call.team.channels[name]


def _content(call: Call) -> tuple[str, list[dict[str, Any]]]:
    text, blocks = call.text("text") or call.text("markdown_text"), call.json("blocks") or []
    if not text and not blocks:
        raise Refusal("no_text")
    faults = faults_of_blocks(blocks, MESSAGE_BLOCKS)
    if faults:
        raise Refusal("invalid_blocks", response_metadata={"messages": faults}, errors=faults)
    return text, blocks


def _metadata(call: Call) -> dict[str, Any] | None:
    given = call.json("metadata")
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"event_type", "event_payload"}:
        raise Refusal("invalid_metadata_format")
    return given


def post_ephemeral(api: WebApi, call: Call) -> Answer:
    """chat.postEphemeral"""
    channel = found(call)
    if call.text("user") not in channel.members:
        raise Refusal("user_not_in_channel")
    text, blocks = _content(call)
    message = Message(
        ts=api.world.ts(),
        user=call.token.user,
        text=text,
        blocks=blocks,
        bot_id=call.team.bot_id,
        seen_only_by=call.text("user"),
    )
    api.world.post(call.team, channel, message)
    return {"message_ts": message.ts}


def _own(call: Call, error: str) -> tuple[Channel, Message]:
    channel = found(call)
    message = channel.message(call.text("ts"))
    if message is None or message.seen_only_by:
        raise Refusal("message_not_found")
    if message.user != call.token.user:
        raise Refusal(error)
    return channel, message


def update(api: WebApi, call: Call) -> Answer:
    """chat.update: without blocks, those that stood there are gone."""
    channel, message = _own(call, "cant_update_message")
    text, blocks = _content(call)
    if len(text) > UPDATED:
        raise Refusal("msg_too_long")
    message.versions.append((message.text, message.blocks))
    message.text, message.blocks, message.edited = text, blocks, api.world.ts()
    metadata = _metadata(call)
    message.metadata = metadata if metadata is not None else message.metadata
    event = {
        "type": "message",
        "subtype": "message_changed",
        "channel": channel.id,
        "channel_type": channel.kind,
        "ts": message.edited,
        "event_ts": message.edited,
        "hidden": True,
        "message": message_shown(call, message),
        "previous_message": {"type": "message", "ts": message.ts, "user": message.user},
    }
    api.world.happens(call.team, event)
    shown = message_shown(call, message)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": shown}


def delete(api: WebApi, call: Call) -> Answer:
    """chat.delete"""
    channel, message = _own(call, "cant_delete_message")
    channel.messages.remove(message)
    return {"channel": channel.id, "ts": message.ts}


def permalink(api: WebApi, call: Call) -> Answer:
    """chat.getPermalink"""
    channel, ts = found(call), call.text("message_ts")
    if channel.message(ts) is None:
        raise Refusal("message_not_found")
    url = f"https://{call.team.domain}.slack.test/archives/{channel.id}/p{ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": url}


# ---- Reactions ---------------------------------------------------------------------------------


def _item(call: Call) -> tuple[Channel, Message]:
    if not call.text("channel") or not call.text("timestamp"):
        raise Refusal("no_item_specified")
    channel = found(call)
    message = channel.message(call.text("timestamp"))
    if message is None:
        raise Refusal("message_not_found")
    return channel, message


def react(api: WebApi, call: Call) -> Answer:
    """reactions.add"""
    channel, message = _item(call)
    name = call.text("name").strip(":")
    if not name.replace("_", "").replace("-", "").replace("+", "").isalnum():
        raise Refusal("invalid_name")
    users = message.reactions.setdefault(name, [])
    if call.token.user in users:
        raise Refusal("already_reacted")
    users.append(call.token.user)
    api.world.happens(call.team, reaction("added", call.token.user, name, channel, message, api))
    return {}


def unreact(api: WebApi, call: Call) -> Answer:
    """reactions.remove"""
    channel, message = _item(call)
    name = call.text("name").strip(":")
    if call.token.user not in message.reactions.get(name, ()):
        raise Refusal("no_reaction")
    message.reactions[name].remove(call.token.user)
    api.world.happens(call.team, reaction("removed", call.token.user, name, channel, message, api))
    return {}


def reactions(api: WebApi, call: Call) -> Answer:
    """reactions.get"""
    channel, message = _item(call)
    return {"type": "message", "channel": channel.id, "message": message_shown(call, message)}


def reaction(
    what: str, user: str, name: str, channel: Channel, message: Message, api: WebApi
) -> dict[str, Any]:
    """The event of a reaction that was added or removed."""
    return {
        "type": f"reaction_{what}",
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": channel.id, "ts": message.ts},
        "item_user": message.user,
        "event_ts": api.world.ts(),
    }


# ---- Views -------------------------------------------------------------------------------------

VIEW_BYTES = 250_000
STACK = 3  # views that may lie on each other


def view_open(api: WebApi, call: Call) -> Answer:
    """views.open"""
    trigger = _trigger(api, call)
    return {"view": make_view(api, call, _view(call), trigger.user, None)}


def view_push(api: WebApi, call: Call) -> Answer:
    """views.push"""
    trigger = _trigger(api, call)
    below = api.world.views.get(trigger.view or "")
    if below is None:
        raise Refusal("invalid_trigger_id")
    if depth(api, below) >= STACK:
        raise Refusal("push_limit_reached")
    return {"view": make_view(api, call, _view(call), trigger.user, below)}


def depth(api: WebApi, view: View) -> int:
    """How many views lie in its stack up to it."""
    below = api.world.views.get(view.previous or "")
    return 1 + (depth(api, below) if below else 0)


def _trigger(api: WebApi, call: Call) -> Any:
    trigger = api.world.triggers.get(call.text("trigger_id"))
    if trigger is None or trigger.team != call.team.id:
        raise Refusal("invalid_trigger_id")
    if trigger.used:
        raise Refusal("exchanged_trigger_id")
    if api.world.now() > trigger.until:
        raise Refusal("expired_trigger_id")
    trigger.used = True
    return trigger


def _view(call: Call) -> dict[str, Any]:
    given = call.json("view")
    if len(json.dumps(given)) > VIEW_BYTES:
        raise Refusal("view_too_large")
    if faults := faults_of_view(given):
        raise Refusal("invalid_arguments", response_metadata={"messages": faults})
    assert isinstance(given, dict)
    return given


def make_view(
    api: WebApi, call: Call, content: dict[str, Any], user: str, below: View | None
) -> dict[str, Any]:
    """A view that now stands open; as the API tells of it."""
    number = api.world.name("V")
    view = View(
        id=number,
        team=call.team.id,
        user=user,
        content=content,
        hash=_hash(api),
        root=below.root if below else number,
        previous=below.id if below else None,
    )
    api.world.views[number] = view
    return view_shown(api, view)


def _hash(api: WebApi) -> str:
    return f"{int(api.world.now())}.{secrets.token_hex(4)}"


def view_shown(api: WebApi, view: View, state: dict[str, Any] | None = None) -> dict[str, Any]:
    """A view as the app is told of it, with the inputs' values where there are some."""
    team = api.world.teams[view.team]
    return {
        "id": view.id,
        "team_id": view.team,
        "callback_id": "",
        "private_metadata": "",
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "close": None,
        "submit": None,
        **view.content,
        "state": {"values": state or {}},
        "hash": view.hash,
        "previous_view_id": view.previous,
        "root_view_id": view.root,
        "app_id": api.world.app.id,
        "app_installed_team_id": view.team,
        "bot_id": team.bot_id,
    }


def view_update(api: WebApi, call: Call) -> Answer:
    """views.update"""
    view = api.world.views.get(call.text("view_id"))
    if view is None or not view.open or view.team != call.team.id:
        raise Refusal("not_found")
    if call.text("hash") and call.text("hash") != view.hash:
        raise Refusal("hash_conflict")
    view.content, view.hash = _view(call), _hash(api)
    return {"view": view_shown(api, view)}


def view_publish(api: WebApi, call: Call) -> Answer:
    """views.publish"""
    if not api.world.app.home_tab:
        raise Refusal("not_enabled")
    user = call.team.users.get(call.text("user_id"))
    if user is None or user.is_bot:
        raise Refusal(
            "invalid_arguments", response_metadata={"messages": ["[ERROR] invalid `user_id`"]}
        )
    content = _view(call)
    if call.text("hash") and user.home and call.text("hash") != user.home["hash"]:
        raise Refusal("hash_conflict")
    known = user.home["id"] if user.home else api.world.name("V")
    view = View(
        id=known, team=call.team.id, user=user.id, content=content, hash=_hash(api), root=known
    )
    api.world.views[known] = view
    user.home = view_shown(api, view)
    return {"view": user.home}


HANDLERS = {
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.getPermalink": permalink,
    "reactions.add": react,
    "reactions.remove": unreact,
    "reactions.get": reactions,
    "views.open": view_open,
    "views.push": view_push,
    "views.update": view_update,
    "views.publish": view_publish,
}
