"""What the homeserver tells, as events and signs of life; pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gatekeeper.domain import events
from gatekeeper.domain.activity import Kind, Relation, Sign
from gatekeeper.domain.events import Event
from gatekeeper.domain.identity import Identity
from gatekeeper_matrix.scene import CHAT, PLACE, Scene
from gatekeeper_matrix.sdk import NAME

Raw = Mapping[str, Any]

REASON: Final = 2_000  # letters kept of a knock's reason
TEXT: Final = 10_000  # letters kept of what someone writes to us
LIMIT: Final = 100  # homeservers cap a timeline there
TIMELINE: Final = (
    "m.room.member",
    "m.room.message",
    "m.room.encrypted",
    "m.room.redaction",
    "m.reaction",
    "m.sticker",
    "m.space.child",
    "m.room.encryption",
    CHAT,
)
_STATE: Final = ("m.room.create", "m.room.encryption", "m.space.child", CHAT, PLACE)
FILTER: Final = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "timeline": {"limit": LIMIT, "types": TIMELINE},
        "state": {"types": _STATE},
        "ephemeral": {"types": ["m.receipt"]},
        "account_data": {"types": []},
    },
}
_FILES: Final = frozenset({"m.image", "m.file", "m.video", "m.audio"})
MENTIONS: Final = 20  # of one message; whoever names more speaks to nobody
NOBODY: Final[Mapping[str, str]] = {}
TALK: Final = frozenset({"m.room.message", "m.room.encrypted", "m.sticker"})


def happening(scene: Scene, room: str, raw: Raw, now: datetime) -> Event | None:
    """The event that may decide something; None for all else, our own acts included.

    A Pressed may still be on a message that is not ours: the caller looks.
    """
    kind, sender = raw.get("type"), str(raw.get("sender", ""))
    if kind == "m.room.member" and room == scene.space:
        return _member(scene, raw, now)
    if kind == "m.room.member" and room in scene.chats:
        return _chat_member(scene.chats[room], raw, now)
    if sender == scene.me:
        return None
    if kind == "m.reaction":
        return _pressed(scene, room, raw, now)
    if kind == "m.room.redaction":
        redacts = raw.get("redacts") or content(raw).get("redacts")
        if isinstance(redacts, str) and scene.place(room):
            return events.PressTakenBack(**_stamp(sender, raw, now), press_id=redacts)
        return None
    if kind in ("m.room.message", "m.room.encrypted"):
        return _wrote(scene, room, raw, now)
    return None


def _member(scene: Scene, raw: Raw, now: datetime) -> Event | None:
    """A change of membership in the space."""
    user, sender = str(raw.get("state_key", "")), str(raw.get("sender", ""))
    told = content(raw)
    new, old = told.get("membership"), _before(raw).get("membership", "leave")
    if user == scene.me:
        return None
    stamp, by = _stamp(user, raw, now), Identity(NAME, sender)
    name, reason = _name(told, user), _text(told.get("reason"), REASON)
    match new:
        case "knock":
            return events.Knocked(**stamp, name=name, reason=reason)
        case "join" if old != "join":
            return events.Joined(**stamp, name=name, by=_inviter(raw, old))
        case "invite" if sender != scene.me:
            return events.Invited(**stamp, by=by)
        case "ban":
            return events.Banned(**stamp, by=by, reason=reason)
        case "leave" if sender == user and old == "knock":
            return events.KnockTakenBack(**stamp)
        case "leave" if sender == user and old in ("join", "invite"):
            return events.Departed(**stamp)
        case "leave" if sender != user and old in ("join", "invite", "knock"):
            return events.PutOut(**stamp, by=by, reason=reason, inside=old == "join")
        case _:  # a new display name, an unban
            return None


def _chat_member(person: str, raw: Raw, now: datetime) -> Event | None:
    joined = content(raw).get("membership") == "join" and raw.get("state_key") == person
    if joined and _before(raw).get("membership") != "join":
        return events.ChatTaken(**_stamp(person, raw, now))
    return None


def _pressed(scene: Scene, room: str, raw: Raw, now: datetime) -> Event | None:
    relation = _relation(raw)
    ref, key = relation.get("event_id"), relation.get("key")
    if relation.get("rel_type") != "m.annotation" or not isinstance(ref, str):
        return None
    if not isinstance(key, str) or not scene.place(room):
        return None
    stamp = _stamp(str(raw["sender"]), raw, now)
    return events.Pressed(**stamp, ref=ref, symbol=plain_symbol(key), place=scene.place(room))


def _wrote(scene: Scene, room: str, raw: Raw, now: datetime) -> Event | None:
    place, sender, told = scene.place(room), str(raw["sender"]), content(raw)
    person = scene.chats.get(room) or scene.opened.get(room)
    if place not in ("admins", "direct") or (place == "direct" and person != sender):
        return None
    if told.get("msgtype") == "m.notice" or _relation(raw).get("rel_type") == "m.replace":
        return None
    unreadable = raw.get("type") == "m.room.encrypted"
    text = "" if unreadable else _unquoted(_text(told.get("body"), TEXT), _relation(raw))
    if not (text or unreadable):  # an event that was redacted since
        return None
    return events.Wrote(
        **_stamp(sender, raw, now),
        place=place,
        text=text,
        thread=_answered(_relation(raw)),
        room=room,
        unreadable=unreadable,
    )


def sign(
    scene: Scene, room: str, raw: Raw, now: datetime, authors: Mapping[str, str] = NOBODY
) -> Sign | None:
    """The sign of life in a place of the club or in a chat with us.

    None for our own, edits, bots' notices, and changes of what is not alive: state, deletions,
    profiles, and who is invited or put out by others.

    Args:
        authors: of messages, by their id, as far as known.
    """
    sender, kind = str(raw.get("sender", "")), raw.get("type")
    theirs = sender == (scene.chats.get(room) or scene.opened.get(room))
    if sender == scene.me or not (theirs or room in scene.inside()):
        return None
    life: Kind | None = None
    if kind == "m.room.member":
        joined = content(raw).get("membership") == "join" and not theirs
        if joined and _before(raw).get("membership") != "join" and raw.get("state_key") == sender:
            life = Kind.JOIN
    elif kind == "m.reaction" and _relation(raw).get("rel_type") == "m.annotation":
        ours = theirs or authors.get(str(_relation(raw).get("event_id"))) == scene.me
        life = Kind.PRESS if ours else Kind.REACTION
    elif kind in TALK:
        life = _talk(raw)
        life = Kind.COMMAND if life and theirs else life
    if life is None:
        return None
    return Sign(
        **_stamp(sender, raw, now),
        kind=life,
        place=scene.place(room) or room,
        towards=_towards(raw, authors, {sender, scene.me}),
    )


def _towards(
    raw: Raw, authors: Mapping[str, str], but: Collection[str]
) -> tuple[tuple[Relation, Identity], ...]:
    """Whom an event answers, reacts to or mentions. Clients mention whom they answer: that counts
    as an answer alone."""
    relation = _relation(raw)
    found: dict[str, Relation] = {}
    if raw.get("type") == "m.reaction":
        to, how = relation.get("event_id"), Relation.REACTED
    else:
        to, how = _dict(relation.get("m.in_reply_to")).get("event_id"), Relation.ANSWERED
        if relation.get("rel_type") == "m.thread" and (not to or relation.get("is_falling_back")):
            to = relation.get("event_id")
    author = authors.get(to) if isinstance(to, str) else None
    if author:
        found[author] = how
    named = _dict(content(raw).get("m.mentions")).get("user_ids")
    for user in named[:MENTIONS] if isinstance(named, list) else ():
        if isinstance(user, str) and user:
            found.setdefault(user, Relation.MENTIONED)
    return tuple((how, Identity(NAME, user)) for user, how in found.items() if user not in but)


def _talk(raw: Raw) -> Kind | None:
    told, relation = content(raw), _relation(raw)
    if not told or told.get("msgtype") == "m.notice" or relation.get("rel_type") == "m.replace":
        return None
    if told.get("msgtype") in _FILES:
        return Kind.FILE
    if relation.get("rel_type") == "m.thread":
        return Kind.THREAD
    return Kind.REPLY if relation.get("m.in_reply_to") else Kind.MESSAGE


def reads(scene: Scene, room: str, raws: Iterable[Raw], now: datetime) -> list[Sign]:
    """Public read receipts as signs of life; private ones never reach us."""
    found = []
    for raw in raws:
        if raw.get("type") != "m.receipt" or room not in scene.inside():
            continue
        for event_id, kinds in content(raw).items():
            for user, told in (_dict(_dict(kinds).get("m.read"))).items():
                if user == scene.me:
                    continue
                at = _at(_dict(told).get("ts"), now)
                found.append(
                    Sign(
                        who=Identity(NAME, user),
                        kind=Kind.READ,
                        place=scene.place(room) or room,
                        at=at,
                        event_id=f"read:{room}:{event_id}:{user}",
                    )
                )
    return found


def plain_symbol(key: str) -> str:
    """A reaction's key without variation selectors and skin tones, so that ✅ is ✅."""
    return "".join(
        c for c in key if c not in "\ufe0e\ufe0f" and not "\U0001f3fb" <= c <= "\U0001f3ff"
    )


def content(raw: Raw) -> dict[str, Any]:
    """The content of an event; {} where it is not one."""
    return _dict(raw.get("content"))


def moment(raw: Raw, now: datetime) -> datetime:
    """When an event was, by its server; never one to come."""
    return _at(raw.get("origin_server_ts"), now)


def _stamp(user: str, raw: Raw, now: datetime) -> dict[str, Any]:
    at = moment(raw, now)
    return {"who": Identity(NAME, user), "at": at, "event_id": str(raw.get("event_id", ""))}


def _at(ts: Any, now: datetime) -> datetime:
    """The moment told, but never one to come: a server far off could make it up."""
    if isinstance(ts, bool) or not isinstance(ts, int) or not 0 <= ts < 10**14:
        return now
    return min(datetime.fromtimestamp(ts / 1000, UTC), now)


def _before(raw: Raw) -> dict[str, Any]:
    unsigned = _dict(raw.get("unsigned"))
    return _dict(unsigned.get("prev_content") or raw.get("prev_content"))


def _inviter(raw: Raw, old: str) -> Identity | None:
    sender = _dict(raw.get("unsigned")).get("prev_sender")
    return Identity(NAME, sender) if old == "invite" and isinstance(sender, str) else None


def _relation(raw: Raw) -> dict[str, Any]:
    return _dict(content(raw).get("m.relates_to"))


def _answered(relation: Raw) -> str:
    if relation.get("rel_type") == "m.thread":
        return str(relation.get("event_id", ""))
    return str(_dict(relation.get("m.in_reply_to")).get("event_id", ""))


def _unquoted(text: str, relation: Raw) -> str:
    """What was written, without the quotation that older clients put before an answer."""
    if not relation.get("m.in_reply_to") or not text.startswith("> "):
        return text.strip()
    lines = text.split("\n")
    while lines and lines[0].startswith(">"):
        lines.pop(0)
    return "\n".join(lines).strip()


def _name(told: Raw, user: str) -> str:
    return _text(told.get("displayname"), 200) or user


def _text(value: Any, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
