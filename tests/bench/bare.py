"""The floor of `matrix.press_to_invite`: a bot that only calls what cannot be left out.

`python -m tests.bench.bare URL TOKEN ADMIN_ROOM SPACE`: a long poll; on a ✅ under a message of
its own that names a guest it looks whether the presser is in the room, and invites the guest.
No record, no quorum, no rights, nothing kept: what it does in a press is one GET and one POST.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession

CLIENT = "/_matrix/client/v3"
FILTER = {"room": {"timeline": {"limit": 100, "types": ["m.reaction", "m.room.message"]}}}
GUEST = "club.bench.guest"


async def run(url: str, token: str, admin_room: str, space: str) -> None:
    """Until it is ended from outside."""
    headers = {"Authorization": f"Bearer {token}"}
    guests: dict[str, str] = {}
    async with ClientSession(url, headers=headers) as session:
        query = {"filter": json.dumps(FILTER), "timeout": "0"}
        while True:
            told = await call(session, "GET", f"{CLIENT}/sync", params=query)
            query |= {"since": told["next_batch"], "timeout": "30000"}
            rooms = told.get("rooms", {}).get("join", {})
            for event in rooms.get(admin_room, {}).get("timeline", {}).get("events", []):
                if GUEST in event["content"]:
                    guests[event["event_id"]] = event["content"][GUEST]
                elif guest := guests.get(pressed(event)):
                    who = quote(event["sender"], safe="")
                    room = f"{CLIENT}/rooms/{quote(admin_room, safe='')}"
                    state = await call(session, "GET", f"{room}/state/m.room.member/{who}")
                    if state["membership"] == "join":
                        invite = f"{CLIENT}/rooms/{quote(space, safe='')}/invite"
                        await call(session, "POST", invite, json={"user_id": guest})


async def call(session: ClientSession, method: str, path: str, **more: Any) -> Any:
    """One request; a refusal ends the bot."""
    async with session.request(method, path, **more) as answer:
        answer.raise_for_status()
        return await answer.json()


def pressed(event: dict[str, Any]) -> str:
    """What a ✅ stands under, else ""."""
    relation = event["content"].get("m.relates_to") or {}
    return str(relation.get("event_id", "")) if relation.get("key") == "✅" else ""


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
