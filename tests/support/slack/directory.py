"""auth.*, oauth.*, users.*, usergroups.*, team.*, admin.*: who is who, and what the app may."""

from tests.support.slack import oauth
from tests.support.slack.oauth import ours
from tests.support.slack.rooms import page
from tests.support.slack.web_api import Answer, Call, Refusal, WebApi
from tests.support.slack.world import Plan, User, UserGroup


def user_shown(call: Call, user: User) -> Answer:
    """A person as a token with its scopes sees them; a deactivated one without most flags."""
    profile = {"real_name": user.real_name, "display_name": user.name, "team": user.team}
    if user.email and "users:read.email" in call.token.scopes:
        profile["email"] = user.email
    seen: Answer = {
        "id": user.id,
        "team_id": user.team,
        "name": user.name,
        "deleted": user.deleted,
        "profile": profile,
        "is_bot": user.is_bot,
        "updated": user.updated,
    }
    if user.teams:
        seen["enterprise_user"] = {
            "id": user.id,
            "enterprise_id": call.team.org,
            "teams": list(user.teams),
        }
    if user.deleted:
        return seen
    return seen | {
        "real_name": user.real_name,
        "tz": user.tz,
        "locale": user.locale,
        "is_admin": user.is_admin,
        "is_owner": user.is_owner,
        "is_primary_owner": user.is_owner,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        "is_stranger": user.is_stranger,
        "is_invited_user": user.is_invited_user,
        "is_app_user": False,
    }


def auth_test(api: WebApi, call: Call) -> Answer:
    """auth.test"""
    token, team = call.token, call.team
    user = team.users[token.user]
    told = {
        "url": f"https://{team.domain}.slack.test/",
        "team": team.name,
        "user": user.name,
        "team_id": team.id,
        "user_id": user.id,
        "is_enterprise_install": bool(token.org),
    }
    if token.org or team.org or team.plan is Plan.ENTERPRISE:
        told["enterprise_id"] = token.org or team.org or "E0ALONE"
    return told | ({"bot_id": team.bot_id} if token.kind == "bot" else {})


def revoke(api: WebApi, call: Call) -> Answer:
    """auth.revoke"""
    if call.flag("test"):
        return {"revoked": False}
    call.token.end = "token_revoked"
    return {"revoked": True}


def uninstall(api: WebApi, call: Call) -> Answer:
    """apps.uninstall"""
    ours(api, call)
    api.world.uninstall(call.team)
    return {}


def open_socket(api: WebApi, call: Call) -> Answer:
    """apps.connections.open"""
    return {"url": api.socket_url()}


def bot_info(api: WebApi, call: Call) -> Answer:
    """bots.info"""
    if call.text("bot") not in ("", call.team.bot_id):
        raise Refusal("bot_not_found")
    told = {"id": call.team.bot_id, "deleted": False, "name": "Gatekeeper"}
    return {"bot": told | {"app_id": api.world.app.id, "user_id": call.team.bot_user}}


def team_info(api: WebApi, call: Call) -> Answer:
    """team.info"""
    team = call.team
    if call.text("team") not in ("", team.id):
        raise Refusal("team_not_found")
    return {"team": {"id": team.id, "name": team.name, "domain": team.domain, "email_domain": ""}}


def user_info(api: WebApi, call: Call) -> Answer:
    """users.info"""
    user = call.team.users.get(call.text("user"))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user_shown(call, user)}


def user_list(api: WebApi, call: Call) -> Answer:
    """users.list"""
    part, following = page(call, list(call.team.users.values()), 1000)
    return {
        "members": [user_shown(call, one) for one in part],
        "cache_ts": int(api.world.now()),
        "response_metadata": following,
    }


def by_email(api: WebApi, call: Call) -> Answer:
    """users.lookupByEmail"""
    wanted = call.text("email").lower()
    for user in call.team.users.values():
        if user.email.lower() == wanted and not user.deleted:
            return {"user": user_shown(call, user)}
    raise Refusal("users_not_found")


# ---- What plans give ---------------------------------------------------------------------------


def _paid(call: Call) -> None:
    if call.team.plan is Plan.FREE:
        raise Refusal("plan_upgrade_required")


def _group(call: Call) -> UserGroup:
    _paid(call)
    group = call.team.groups.get(call.text("usergroup"))
    if group is None:
        raise Refusal("invalid_arguments", response_metadata={"messages": ["no such usergroup"]})
    return group


def _group_shown(call: Call, group: UserGroup) -> Answer:
    told = {"id": group.id, "team_id": call.team.id, "handle": group.handle, "name": group.handle}
    return told | {"is_usergroup": True, "users": list(group.users), "user_count": len(group.users)}


def group_list(api: WebApi, call: Call) -> Answer:
    """usergroups.list"""
    _paid(call)
    told = [_group_shown(call, one) for one in call.team.groups.values()]
    for one in told:
        one["user_count"] = str(one["user_count"])  # a text here, a number elsewhere
        if not call.flag("include_users"):
            del one["users"]
    return {"usergroups": told}


def group_users(api: WebApi, call: Call) -> Answer:
    """usergroups.users.list"""
    return {"users": list(_group(call).users)}


def group_update(api: WebApi, call: Call) -> Answer:
    """usergroups.users.update: the whole list anew."""
    group, users = _group(call), call.names("users")
    if not users:
        raise Refusal("no_users_provided")
    if not set(users) <= set(call.team.users):
        raise Refusal("invalid_users")
    group.users = users
    return {"usergroup": _group_shown(call, group)}


def _enterprise(call: Call) -> None:
    if call.team.plan is not Plan.ENTERPRISE:
        raise Refusal("feature_not_enabled")


def admin_invite(api: WebApi, call: Call) -> Answer:
    """admin.users.invite"""
    _enterprise(call)
    if not call.team.users[call.token.user].is_admin:
        raise Refusal("not_an_admin")
    email = call.text("email").lower()
    if "@" not in email:
        raise Refusal("invalid_email")
    if call.text("team_id") != call.team.id:
        raise Refusal("team_not_found")
    if any(one.email.lower() == email for one in call.team.users.values()):
        raise Refusal("already_in_team")
    if any(one.get("email") == email for one in call.team.invited):
        raise Refusal("already_in_team_invited_user")
    call.team.invited.append({"email": email, "channels": call.names("channel_ids")})
    return {}


def admin_remove(api: WebApi, call: Call) -> Answer:
    """admin.users.remove"""
    _enterprise(call)
    if not call.team.users[call.token.user].is_admin:
        raise Refusal("invalid_permissions")
    if call.text("team_id") != call.team.id:
        raise Refusal("team_not_found")
    user = call.team.users.get(call.text("user_id"))
    if user is None:
        raise Refusal("user_not_found")
    if user.deleted:
        raise Refusal("user_already_deleted")
    if user.is_owner:
        raise Refusal("cannot_modify_primary_owner")
    deactivate(api, call, user)
    return {}


def admin_assign(api: WebApi, call: Call) -> Answer:
    """admin.users.assign: an account of the organisation lives in this workspace, again too."""
    _enterprise(call)
    if not call.team.users[call.token.user].is_admin:
        raise Refusal("not_an_admin")
    if call.text("team_id") != call.team.id:
        raise Refusal("team_not_found")
    user = call.team.users.get(call.text("user_id"))
    if user is None:
        raise Refusal("user_not_found")
    if not user.deleted:
        raise Refusal("user_already_team_member")
    user.deleted, user.updated = False, int(api.world.now())
    return {}


def deactivate(api: WebApi, call: Call, user: User) -> None:
    """An account is closed, and out of every channel."""
    user.deleted, user.updated = True, int(api.world.now())
    for channel in call.team.channels.values():
        if user.id in channel.members and channel.kind != "im":
            channel.members.remove(user.id)
    event = {"type": "user_change", "user": user_shown(call, user), "event_ts": api.world.ts()}
    api.world.happens(call.team, event)


def admin_list(api: WebApi, call: Call) -> Answer:
    """admin.users.list"""
    _enterprise(call)
    part, following = page(call, list(call.team.users.values()))
    told = [{"id": one.id, "email": one.email, "is_active": not one.deleted} for one in part]
    return {"users": told, "response_metadata": following}


def access_logs(api: WebApi, call: Call) -> Answer:
    """team.accessLogs"""
    if call.team.plan is Plan.FREE:
        raise Refusal("paid_only")
    return {"logins": [], "paging": {"count": 100, "total": 0, "page": 1, "pages": 1}}


HANDLERS = {
    "auth.test": auth_test,
    "auth.revoke": revoke,
    "apps.uninstall": uninstall,
    "apps.connections.open": open_socket,
    "oauth.v2.access": oauth.access,
    "bots.info": bot_info,
    "team.info": team_info,
    "team.accessLogs": access_logs,
    "users.info": user_info,
    "users.list": user_list,
    "users.lookupByEmail": by_email,
    "usergroups.list": group_list,
    "usergroups.users.list": group_users,
    "usergroups.users.update": group_update,
    "admin.users.assign": admin_assign,
    "admin.users.invite": admin_invite,
    "admin.users.remove": admin_remove,
    "admin.users.list": admin_list,
}
