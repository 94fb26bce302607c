"""What the homeserver tells, as events and signs; each case is one raw event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatekeeper.domain import events as told
from gatekeeper.domain.activity import Kind, Relation
from gatekeeper_matrix.blind import Authors, Blind
from gatekeeper_matrix.events import happening, plain_symbol, reads, sign
from gatekeeper_matrix.scene import Plan, Scene

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOT, ADA, BOB, FRAN = "@bot:gk.test", "@ada:gk.test", "@bob:gk.test", "@fran:gk.test"


@pytest.fixture
def scene() -> Scene:
    return Scene(
        me=BOT,
        space="!space",
        admins="!admins",
        rooms={"!lobby": "lobby"},
        chats={"!chat": ADA},
        opened={"!hers": BOB},
    )


def member(user: str, new: str, *, by: str = "", old: str = "", **content: Any) -> dict[str, Any]:
    unsigned = {"prev_content": {"membership": old}, "prev_sender": FRAN} if old else {}
    return {
        "type": "m.room.member",
        "state_key": user,
        "sender": by or user,
        "event_id": "$1",
        "origin_server_ts": int(NOW.timestamp() * 1000) - 1000,
        "content": {"membership": new, **content},
        "unsigned": unsigned,
    }


def message(sender: str, kind: str = "m.room.message", **content: Any) -> dict[str, Any]:
    text = {"msgtype": "m.text", "body": "hello"} if kind == "m.room.message" else {}
    return {
        "type": kind,
        "sender": sender,
        "event_id": "$2",
        "origin_server_ts": int(NOW.timestamp() * 1000),
        "content": {**text, **content},
    }


MEMBERS = [
    pytest.param(member(ADA, "knock", reason="please"), told.Knocked, id="knock"),
    pytest.param(member(ADA, "leave", old="knock"), told.KnockTakenBack, id="knock taken back"),
    pytest.param(member(ADA, "join", old="invite"), told.Joined, id="join"),
    pytest.param(member(ADA, "join", old="join", displayname="A"), None, id="new display name"),
    pytest.param(member(ADA, "invite", by=FRAN), told.Invited, id="invited by a person"),
    pytest.param(member(ADA, "invite", by=BOT), None, id="invited by us"),
    pytest.param(member(ADA, "leave", old="join"), told.Departed, id="departure"),
    pytest.param(member(ADA, "leave", old="invite"), told.Departed, id="invitation refused"),
    pytest.param(member(ADA, "leave", by=FRAN, old="join"), told.PutOut, id="put out by hand"),
    pytest.param(member(ADA, "leave", by=BOT, old="knock"), told.PutOut, id="put out by us"),
    pytest.param(member(ADA, "leave", by=FRAN, old="ban"), None, id="unban"),
    pytest.param(member(ADA, "ban", by=FRAN, old="join"), told.Banned, id="ban"),
    pytest.param(member(BOT, "leave", by=FRAN, old="join"), None, id="ourselves"),
]


@pytest.mark.parametrize(("raw", "kind"), MEMBERS)
def test_members_of_the_space(scene: Scene, raw: dict[str, Any], kind: type | None) -> None:
    event = happening(scene, "!space", raw, NOW)
    assert (type(event) if event else None) is kind
    assert happening(scene, "!elsewhere", raw, NOW) is None


def test_a_join_names_the_inviter(scene: Scene) -> None:
    event = happening(scene, "!space", member(ADA, "join", old="invite"), NOW)
    assert isinstance(event, told.Joined)
    assert event.by is not None
    assert event.by.account == FRAN


def test_a_chat_is_taken_only_by_whom_it_is_for(scene: Scene) -> None:
    assert isinstance(happening(scene, "!chat", member(ADA, "join"), NOW), told.ChatTaken)
    assert happening(scene, "!chat", member(BOB, "join"), NOW) is None


@pytest.mark.parametrize(
    ("room", "raw", "place"),
    [
        ("!chat", message(ADA), "direct"),
        ("!hers", message(BOB), "direct"),
        ("!admins", message(FRAN), "admins"),
        ("!chat", message(BOB), None),  # somebody else in there is nobody
        ("!lobby", message(ADA), None),
        ("!admins", message(BOT), None),
        ("!admins", message(FRAN, msgtype="m.notice"), None),
        ("!admins", message(FRAN, **{"m.relates_to": {"rel_type": "m.replace"}}), None),
    ],
)
def test_what_is_written_to_us(
    scene: Scene, room: str, raw: dict[str, Any], place: str | None
) -> None:
    event = happening(scene, room, raw, NOW)
    assert (event.place if isinstance(event, told.Wrote) else None) == place


def test_an_answer_names_what_it_answers(scene: Scene) -> None:
    thread = {"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"}}
    event = happening(scene, "!admins", message(FRAN, **{"m.relates_to": thread}), NOW)
    assert isinstance(event, told.Wrote)
    assert event.thread == "$root"
    reply = {"m.in_reply_to": {"event_id": "$card"}}
    body = "> <@bot:gk.test> the card\n> goes on\n\nWhy?"
    raw = message(FRAN, body=body, **{"m.relates_to": reply})
    event = happening(scene, "!admins", raw, NOW)
    assert isinstance(event, told.Wrote)
    assert (event.thread, event.text) == ("$card", "Why?")


def test_what_we_cannot_read_is_told_as_such(scene: Scene) -> None:
    event = happening(scene, "!chat", message(ADA, "m.room.encrypted", ciphertext="x"), NOW)
    assert isinstance(event, told.Wrote)
    assert event.unreadable
    assert event.text == ""


def test_presses_and_their_end(scene: Scene) -> None:
    relation = {"rel_type": "m.annotation", "event_id": "$card", "key": "👍🏽\ufe0f"}
    raw = message(FRAN, "m.reaction", **{"m.relates_to": relation})
    event = happening(scene, "!admins", raw, NOW)
    assert isinstance(event, told.Pressed)
    assert (event.ref, event.symbol, event.place) == ("$card", "👍", "admins")
    gone = happening(scene, "!admins", message(FRAN, "m.room.redaction", redacts="$2"), NOW)
    assert isinstance(gone, told.PressTakenBack)
    assert gone.press_id == "$2"
    assert plain_symbol("✅\ufe0f") == "✅"


THREAD = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$r"}}
REACTION = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$r", "key": "x"}}
SIGNS = [
    (message(ADA), Kind.MESSAGE),
    (message(ADA, **{"m.relates_to": {"m.in_reply_to": {"event_id": "$r"}}}), Kind.REPLY),
    (message(ADA, **THREAD), Kind.THREAD),
    (message(ADA, msgtype="m.image"), Kind.FILE),
    (message(ADA, "m.reaction", **REACTION), Kind.REACTION),
    (message(ADA, "m.room.encrypted", ciphertext="x"), Kind.MESSAGE),
    (member(ADA, "join"), Kind.JOIN),
    (member(ADA, "join", old="join"), None),
    (message(ADA, **{"m.relates_to": {"rel_type": "m.replace"}}), None),
    (message(ADA, msgtype="m.notice"), None),
    (message(BOT), None),
    (message(ADA, "m.reaction"), None),  # redacted since
]


@pytest.mark.parametrize(("raw", "kind"), SIGNS)
def test_signs_of_life(scene: Scene, raw: dict[str, Any], kind: Kind | None) -> None:
    found = sign(scene, "!lobby", raw, NOW)
    assert (found.kind if found else None) is kind
    assert sign(scene, "!elsewhere", raw, NOW) is None


IN_CHAT = {Kind.JOIN: None, Kind.REACTION: Kind.PRESS, None: None}


@pytest.mark.parametrize(("raw", "kind"), SIGNS)
def test_what_is_said_to_us_is_a_sign_and_going_there_is_none(
    scene: Scene, raw: dict[str, Any], kind: Kind | None
) -> None:
    """Many clients take up a chat by themselves."""
    found = sign(scene, "!chat", raw, NOW)
    assert (found.kind if found else None) is IN_CHAT.get(kind, Kind.COMMAND)
    assert sign(scene, "!hers", raw, NOW) is None  # in somebody else's


def test_a_reaction_to_a_message_of_ours_is_a_press(scene: Scene) -> None:
    for author, kind in ((BOT, Kind.PRESS), (BOB, Kind.REACTION)):
        found = sign(scene, "!admins", message(ADA, "m.reaction", **REACTION), NOW, {"$r": author})
        assert found is not None
        assert found.kind is kind


REPLY = {"m.in_reply_to": {"event_id": "$b"}}
MENTIONS = {"m.mentions": {"user_ids": [BOB, FRAN, ADA, BOT, 7], "room": True}}
TURNED = [
    ({"m.relates_to": REPLY}, [(Relation.ANSWERED, BOB)]),
    ({"m.relates_to": REPLY, **MENTIONS}, [(Relation.ANSWERED, BOB), (Relation.MENTIONED, FRAN)]),
    (MENTIONS, [(Relation.MENTIONED, BOB), (Relation.MENTIONED, FRAN)]),
    ({"m.relates_to": {"m.in_reply_to": {"event_id": "$old"}}}, []),
    ({"m.relates_to": {"m.in_reply_to": {"event_id": "$own"}}}, []),
    (
        {"m.relates_to": {"rel_type": "m.thread", "event_id": "$r", **REPLY}},
        [(Relation.ANSWERED, BOB)],
    ),
    (
        {
            "m.relates_to": {
                "rel_type": "m.thread",
                "event_id": "$r",
                "is_falling_back": True,
                **REPLY,
            }
        },
        [(Relation.ANSWERED, FRAN)],
    ),
    (THREAD, [(Relation.ANSWERED, FRAN)]),
    ({"m.mentions": {"user_ids": "@bob:gk.test"}}, []),
    ({"m.mentions": 5, "m.relates_to": {"m.in_reply_to": {"event_id": []}}}, []),
]


@pytest.mark.parametrize(("content", "towards"), TURNED)
def test_whom_a_message_turns_to(scene: Scene, content: Any, towards: Any) -> None:
    authors = {"$b": BOB, "$r": FRAN, "$own": ADA, "$ours": BOT}
    for kind in ("m.room.message", "m.room.encrypted"):
        found = sign(scene, "!lobby", message(ADA, kind, **content), NOW, authors)
        assert found is not None
        assert [(how, who.account) for how, who in found.towards] == towards


def test_whom_a_reaction_turns_to(scene: Scene) -> None:
    found = sign(scene, "!lobby", message(ADA, "m.reaction", **REACTION), NOW, {"$r": FRAN})
    assert found is not None
    assert [(how, who.account) for how, who in found.towards] == [(Relation.REACTED, FRAN)]


def test_authors_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authors, "MOST", 2)
    authors = Authors()
    for number in range(4):
        authors.note({**message(ADA), "event_id": f"${number}"})
    authors.note(member(BOB, "join"))
    assert authors.known == {"$2": ADA, "$3": ADA}


# ---- What we do not see ------------------------------------------------------------------------


def plan() -> Plan:
    return Plan.read(
        "club",
        {
            "space": {"alias": "club"},
            "rooms": [{"alias": "lobby"}],
            "adminRoom": {"alias": "board"},
        },
    )


def test_a_place_is_blind_from_our_going_to_our_return(scene: Scene) -> None:
    blind, went = Blind(plan(), scene), NOW - timedelta(seconds=1)
    assert blind.changed(NOW) == {}  # told at each start
    blind.told({})
    assert blind.changed(NOW) is None
    assert blind.see("!lobby", [member(BOT, "leave", by=FRAN, old="join")], NOW) == []
    scene.lost["lobby"] = "put-out"
    assert blind.changed(NOW) == {"lobby": went}
    blind.told({"lobby": went})
    assert blind.changed(NOW + timedelta(days=1)) is None
    del scene.lost["lobby"]
    assert blind.changed(NOW) == {}
    blind.told({})
    assert blind.see("!lobby", [member(BOT, "join", old="invite")], NOW) == []


def test_out_and_back_while_we_were_away(scene: Scene) -> None:
    blind = Blind(plan(), scene)
    back = {**member(BOT, "join"), "origin_server_ts": int(NOW.timestamp() * 1000)}
    missed = blind.see("!lobby", [member(BOT, "ban", by=FRAN), member(ADA, "join"), back], NOW)
    assert missed == [("lobby", NOW - timedelta(seconds=1), NOW)]
    assert blind.see("!elsewhere", [member(BOT, "leave"), back], NOW) == []


def test_no_clock_of_a_server_makes_us_blind_for_what_we_heard(scene: Scene) -> None:
    blind = Blind(plan(), scene, heard_at=NOW - timedelta(milliseconds=10))
    blind.see("!lobby", [{**member(BOT, "leave"), "origin_server_ts": 0}], NOW)
    scene.lost["lobby"] = "put-out"
    assert blind.changed(NOW) == {"lobby": NOW - timedelta(milliseconds=10)}


def test_a_place_that_is_gone_hides_nobody(scene: Scene) -> None:
    scene.lost |= {"lobby": "gone", "board": "shut"}
    assert Blind(plan(), scene).changed(NOW) == {"admins": NOW}


def test_reading_is_a_sign(scene: Scene) -> None:
    users = {ADA: {"ts": int(NOW.timestamp() * 1000)}, BOT: {"ts": 1}}
    raw = {"type": "m.receipt", "content": {"$e": {"m.read": users}, "$f": {"m.read.private": {}}}}
    (found,) = reads(scene, "!lobby", [raw, {"type": "m.typing"}], NOW)
    assert (found.who.account, found.kind) == (ADA, Kind.READ)


def test_nobody_lives_in_the_future(scene: Scene) -> None:
    """Another homeserver could tell any time and keep someone alive for ever."""
    late = {**message(ADA), "origin_server_ts": int((NOW + timedelta(days=900)).timestamp() * 1e3)}
    found = sign(scene, "!lobby", late, NOW)
    assert found is not None
    assert found.at == NOW


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"body": 7},
        {"m.relates_to": "x"},
        {"m.relates_to": {"event_id": 5}},
        {"membership": []},
    ],
)
@pytest.mark.parametrize("kind", ["m.room.message", "m.reaction", "m.room.member", "m.receipt"])
def test_nonsense_does_no_harm(scene: Scene, kind: str, content: Any) -> None:
    raw = {"type": kind, "sender": ADA, "state_key": ADA, "event_id": "$x", "content": content}
    for room in ("!space", "!admins", "!chat", "!lobby"):
        happening(scene, room, raw, NOW)
        sign(scene, room, raw, NOW)
        reads(scene, room, [raw], NOW)
