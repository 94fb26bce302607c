"""Provisioning: accounts of a workspace on Business+ and up, by an administrator's token.

By the published protocol (RFC 7644) as far as Slack takes it: nobody is deleted, only deactivated.
"""

import json
import re
from typing import Any

from aiohttp import web

from tests.support.slack import directory
from tests.support.slack.web_api import Call, WebApi
from tests.support.slack.world import Plan, Team, Token, User

_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_USER = "urn:ietf:params:scim:schemas:core:2.0:User"


class _No(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Provisioning:
    """Answers beneath `/scim/v2`, about the same World as the Web API.

    Attributes:
        calls: every call that came, as method, path and body.
        losing: of how many calls the answer is never sent.
    """

    def __init__(self, api: WebApi) -> None:
        self._api = api
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.losing = 0

    def routes(self) -> list[web.RouteDef]:
        """Where calls come in."""
        return [
            web.route("*", "/scim/v2/Users", self.answer),
            web.route("*", "/scim/v2/Users/{user}", self.answer),
        ]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """HTTP in, HTTP out."""
        raw = await request.text()
        body: dict[str, Any] = json.loads(raw) if raw else {}
        self.calls.append((request.method, request.path.removeprefix("/scim/v2"), body))
        try:
            token, team = self._may(request)
            answer = self._do(request, token, team, body)
        except _No as no:
            told = {"schemas": [_ERROR], "detail": str(no), "status": no.status}
            return web.json_response(told, status=no.status)
        if self.losing:
            self.losing -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer

    def _may(self, request: web.Request) -> tuple[Token, Team]:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = self._api.world.tokens.get(shown)
        if token is None or token.end or token.kind != "user":
            raise _No(401, "invalid_authentication")
        team = self._api.world.teams[token.team]
        if team.plan not in (Plan.BUSINESS, Plan.ENTERPRISE):
            raise _No(402, "not part of this plan")
        if "admin" not in token.scopes or not team.users[token.user].is_admin:
            raise _No(403, "insufficient_permissions")
        return token, team

    def _do(
        self, request: web.Request, token: Token, team: Team, body: dict[str, Any]
    ) -> web.StreamResponse:
        number = request.match_info.get("user")
        if number is None and request.method == "GET":
            found = self._found(team, request.query.get("filter", ""))
            shown = [_shown(one) for one in found]
            return web.json_response({"totalResults": len(found), "Resources": shown})
        if number is None and request.method == "POST":
            return web.json_response(_shown(self._made(team, body)), status=201)
        user = team.users.get(number or "")
        if user is None:
            raise _No(404, "user_not_found")
        if request.method == "DELETE":
            self._end(token, team, user)
            return web.Response(status=204)
        if request.method == "PATCH":
            for change in body["Operations"]:
                if change["path"] == "active" and change["value"]:
                    user.deleted = False
                elif change["path"] == "active":
                    self._end(token, team, user)
        elif request.method != "GET":
            raise _No(405, "method_not_allowed")
        return web.json_response(_shown(user))

    def _found(self, team: Team, asked: str) -> list[User]:
        wanted = re.fullmatch(r'email eq "([^"]+)"', asked)
        if asked and wanted is None:
            raise _No(400, "invalid_filter")
        people = [one for one in team.users.values() if not one.is_bot and one.email]
        return [one for one in people if wanted is None or one.email == wanted[1].lower()]

    def _made(self, team: Team, body: dict[str, Any]) -> User:
        address = str(body["emails"][0]["value"]).lower()
        if _USER not in body["schemas"] or "@" not in address:
            raise _No(400, "invalid_email")
        name = str(body["userName"])
        if len(name) > 21 or name != name.lower():
            raise _No(400, "username_invalid")
        if any(one.email.lower() == address for one in team.users.values()):
            raise _No(409, "email_taken")
        while any(one.name == name for one in team.users.values()):
            name = f"{name[:18]}{self._api.world.number()}"[:21]
        user = self._api.world.user(team, name, email=address)
        call = Call(
            method=_NONE,
            token=Token(text="", kind="bot", team=team.id, user=""),
            team=team,
            args={},
        )
        shown = directory.user_shown(call, user)
        self._api.world.happens(
            team, {"type": "team_join", "user": shown, "event_ts": self._api.world.ts()}
        )
        return user

    def _end(self, token: Token, team: Team, user: User) -> None:
        if user.is_owner:
            raise _No(403, "cannot_modify_primary_owner")
        if not user.deleted:
            directory.deactivate(
                self._api, Call(method=_NONE, token=token, team=team, args={}), user
            )


def _shown(user: User) -> dict[str, Any]:
    return {
        "schemas": [_USER],
        "id": user.id,
        "userName": user.name,
        "active": not user.deleted,
        "emails": [{"value": user.email, "primary": True}],
    }


_NONE: Any = None  # no method of the Web API
