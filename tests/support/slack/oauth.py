"""How the app is installed: Slack's page that asks, codes for tokens, tokens for the next ones."""

from urllib.parse import urlencode

from aiohttp import web

from tests.support.slack.web_api import Answer, Call, Refusal, WebApi
from tests.support.slack.world import World


class Consent:
    """Slack's page, and whoever sits before it.

    Attributes:
        where: the workspace or the organisation that is chosen.
        by: who allows it; "": nobody does.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.where, self.by = "", ""
        self.asked: list[dict[str, str]] = []

    async def page(self, request: web.Request) -> web.Response:
        """/oauth/v2/authorize: back to the app with a code, or with why not."""
        asked = dict(request.query)
        self.asked.append(asked)
        if asked.get("client_id") != self.world.app.client_id:
            return web.Response(text="Invalid client_id parameter")
        if not self.by:
            told = {"error": "access_denied"}
        else:
            told = {"code": self.world.code(self.where, self.by, asked["redirect_uri"])}
        told["state"] = asked.get("state", "")
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(told)}")


def ours(api: WebApi, call: Call) -> None:
    """Whether the app itself calls."""
    if call.text("client_id") != api.world.app.client_id:
        raise Refusal("invalid_client_id")
    if call.text("client_secret") != api.world.app.client_secret:
        raise Refusal("bad_client_secret")


def access(api: WebApi, call: Call) -> Answer:
    """oauth.v2.access: a code for a first token, a refresh token for the next."""
    ours(api, call)
    grant = call.text("grant_type") or "authorization_code"
    if grant == "refresh_token":
        return _refreshed(api, call)
    if grant != "authorization_code":
        raise Refusal("invalid_grant_type")
    world, code = api.world, call.text("code")
    where, user = world.codes.pop(code, ("", ""))
    if not where:
        raise Refusal("invalid_code")
    if world.redirects.pop(code, "") != call.text("redirect_uri"):
        raise Refusal("bad_redirect_uri")
    org = world.orgs.get(where)
    token = world.install_org(org) if org else world.install(world.teams[where], by=user)
    team = world.teams[token.team]
    whole = org or world.orgs.get(team.org)
    return _granted(api, token.text) | {
        "bot_user_id": token.user,
        "app_id": world.app.id,
        "team": None if org else {"id": team.id, "name": team.name},
        "enterprise": {"id": whole.id, "name": whole.name} if whole else None,
        "is_enterprise_install": org is not None,
        "authed_user": {"id": user},
    }


def _refreshed(api: WebApi, call: Call) -> Answer:
    """The next token. A refresh token works once, and for `grace` seconds again, in case that the
    answer was lost."""
    world, shown = api.world, call.text("refresh_token")
    old = next((one for one in world.tokens.values() if one.refresh == shown), None)
    if old is None or old.end:
        raise Refusal("invalid_refresh_token")
    if old.refreshed_at is not None:
        if world.now() - old.refreshed_at > world.grace or not world.grace:
            raise Refusal("invalid_refresh_token")
        return _granted(api, old.successor)
    same = [one for one in world.tokens.values() if (one.team, one.org) == (old.team, old.org)]
    live = [one for one in same if one.kind == old.kind and not one.end]
    for older in live[:-1]:  # two live at most: with the new one the last stays
        older.end = "token_revoked"
    new = world.token(old.kind, world.teams[old.team], old.user, old.scopes)
    new.org = old.org
    old.refreshed_at, old.successor = world.now(), new.text
    return _granted(api, new.text)


def _granted(api: WebApi, text: str) -> Answer:
    token = api.world.tokens[text]
    told: Answer = {
        "access_token": text,
        "token_type": token.kind,
        "scope": ",".join(sorted(token.scopes)),
    }
    if token.refresh:
        told |= {"refresh_token": token.refresh, "expires_in": api.world.life}
    return told
