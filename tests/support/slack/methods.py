"""The Web API methods that the stand-in answers, as far as the app may need them.

One row a method: name, tier, scopes of a bot, scopes of a user ("=" the bot's), arguments asked
for, arguments that may be there, errors that the stand-in gives. Any one of the scopes is enough.
"""

from dataclasses import dataclass
from typing import Final

TIERS: Final = {"t1": 1, "t2": 20, "t3": 50, "t4": 100}  # calls a minute; t5 has its own rules

# Errors that any method can give, as far as the stand-in gives them.
ANY: Final = frozenset(
    {
        "account_inactive",
        "fatal_error",
        "invalid_arg_name",
        "invalid_post_type",
        "is_bot",
        "not_allowed_token_type",
        "not_authed",
        "ratelimited",
        "service_unavailable",
        "token_expired",
        "token_revoked",
        "unknown_method",
    }
)
# What Slack says although its reference names it for few methods only.
EVERYWHERE: Final = frozenset({"invalid_auth", "missing_scope", "invalid_arguments"})

_READ = "channels:read groups:read im:read mpim:read"
_HISTORY = "channels:history groups:history im:history mpim:history"
_MANAGE = "channels:manage groups:write im:write mpim:write"
_U_MANAGE = "channels:write groups:write im:write mpim:write"
_INVITES = "channels:write.invites groups:write.invites"
_POST = "text blocks metadata markdown_text parse link_names"

_ROWS: Final = f"""
auth.test | t5 | | | | | invalid_auth
auth.revoke | t3 | | | | test | invalid_auth
apps.connections.open | t3 | | | | | invalid_auth
apps.uninstall | t1 | | | client_id client_secret | | invalid_client_id bad_client_secret
oauth.v2.access | t5 | | | | client_id client_secret code redirect_uri grant_type refresh_token | invalid_client_id bad_client_secret bad_redirect_uri invalid_code invalid_grant_type invalid_refresh_token
bots.info | t3 | users:read | = | | bot team_id | bot_not_found
team.info | t3 | team:read | = | | team domain | team_not_found
chat.postMessage | t5 | chat:write | = | channel | {_POST} thread_ts reply_broadcast unfurl_links unfurl_media mrkdwn | channel_not_found not_in_channel is_archived no_text invalid_blocks msg_blocks_too_long messages_tab_disabled rate_limited restricted_action invalid_metadata_format
chat.postEphemeral | t4 | chat:write | = | channel user | {_POST} thread_ts | channel_not_found user_not_in_channel no_text invalid_blocks
chat.update | t3 | chat:write | = | channel ts | {_POST} reply_broadcast | channel_not_found message_not_found cant_update_message no_text msg_too_long invalid_blocks
chat.delete | t3 | chat:write | = | channel ts | | channel_not_found message_not_found cant_delete_message
chat.getPermalink | t5 | | | channel message_ts | | channel_not_found message_not_found
conversations.create | t2 | channels:manage channels:write groups:write im:write mpim:write | {_U_MANAGE} | name | is_private team_id | name_taken invalid_name_specials invalid_name_maxlength
conversations.history | t3 | {_HISTORY} | = | channel | cursor include_all_metadata inclusive latest limit oldest | channel_not_found not_in_channel invalid_cursor
conversations.info | t3 | {_READ} | = | channel | include_locale include_num_members | channel_not_found
conversations.invite | t3 | {_INVITES} {_MANAGE} | {_INVITES} {_U_MANAGE} | channel users | force | already_in_channel cant_invite cant_invite_self channel_not_found is_archived method_not_supported_for_channel_type no_user not_in_channel ura_max_channels user_is_restricted user_not_found
conversations.inviteShared | t2 | conversations.connect:write | | channel | emails user_ids external_limited | channel_not_found invalid_email not_in_channel not_paid recipients_not_specified restricted_action too_many_emails
conversations.join | t3 | channels:join | channels:write | channel | | channel_not_found is_archived method_not_supported_for_channel_type
conversations.kick | t3 | channels:manage groups:write | channels:write groups:write | channel | user | cant_kick_from_general cant_kick_self channel_not_found method_not_supported_for_channel_type not_in_channel restricted_action user_not_found
conversations.leave | t3 | {_MANAGE} channels:write | {_U_MANAGE} | channel | | channel_not_found cant_leave_general is_archived
conversations.list | t2 | {_READ} | = | | cursor exclude_archived limit team_id types | invalid_cursor invalid_types
conversations.members | t4 | {_READ} | = | channel | cursor limit | channel_not_found invalid_cursor
conversations.open | t3 | {_MANAGE} | {_U_MANAGE} | | channel return_im users prevent_creation | channel_not_found user_disabled user_not_found user_not_visible users_list_not_supplied too_many_users
conversations.replies | t3 | {_HISTORY} | = | channel ts | cursor include_all_metadata inclusive latest limit oldest | channel_not_found thread_not_found invalid_cursor
reactions.add | t3 | reactions:write | = | channel name timestamp | | already_reacted channel_not_found message_not_found invalid_name
reactions.get | t3 | reactions:read | = | | channel full timestamp | channel_not_found message_not_found no_item_specified
reactions.remove | t2 | reactions:write | = | name | channel timestamp | message_not_found no_reaction no_item_specified
users.conversations | t3 | {_READ} | = | | cursor exclude_archived limit team_id types user | invalid_cursor invalid_types
users.info | t4 | users:read | = | user | include_locale | user_not_found
users.list | t2 | users:read | = | | cursor include_locale limit team_id | invalid_cursor
users.lookupByEmail | t3 | users:read.email | = | email | | users_not_found
usergroups.list | t2 | usergroups:read | = | | include_count include_disabled include_users team_id | plan_upgrade_required
usergroups.users.list | t2 | usergroups:read | = | usergroup | include_disabled team_id | plan_upgrade_required
usergroups.users.update | t2 | usergroups:write | = | usergroup users | include_count team_id | plan_upgrade_required invalid_users no_users_provided
views.open | t4 | | | view | trigger_id interactivity_pointer | expired_trigger_id exchanged_trigger_id invalid_trigger_id view_too_large
views.push | t4 | | | view | trigger_id interactivity_pointer | expired_trigger_id exchanged_trigger_id invalid_trigger_id push_limit_reached view_too_large
views.update | t4 | | | view | view_id external_id hash | not_found hash_conflict view_too_large
views.publish | t4 | | | user_id view | hash | not_enabled hash_conflict view_too_large
admin.users.invite | t2 | | admin.users:write | channel_ids email team_id | custom_message real_name resend is_restricted is_ultra_restricted | already_in_team already_in_team_invited_user feature_not_enabled invalid_email not_an_admin team_not_found
admin.users.assign | t2 | | admin.users:write | team_id user_id | channel_ids is_restricted is_ultra_restricted | feature_not_enabled not_an_admin team_not_found user_not_found user_already_team_member
admin.users.remove | t2 | | admin.users:write | team_id user_id | | feature_not_enabled invalid_permissions team_not_found user_not_found user_already_deleted cannot_modify_primary_owner
admin.users.list | t4 | | admin.users:read | | team_id cursor is_active limit | feature_not_enabled
team.accessLogs | t2 | | admin | | before count page cursor limit team_id | paid_only
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Method:
    """What one method asks for, and which errors of its own it gives."""

    name: str
    tier: str
    bot: frozenset[str]
    user: frozenset[str]
    required: frozenset[str]
    optional: frozenset[str]
    errors: frozenset[str]

    def scopes(self, kind: str) -> frozenset[str]:
        """Any of these is needed by a token of that kind; none: none is."""
        return self.bot if kind == "bot" else self.user

    def takes(self, kind: str) -> bool:
        """Whether a token of that kind may call it at all."""
        if self.name == "apps.connections.open":
            return kind == "app"
        open_to_all = not self.bot and not self.user
        return kind != "app" and (open_to_all or bool(self.scopes(kind)))


def _read(row: str) -> Method:
    name, tier, bot, user, required, optional, errors = (cell.strip() for cell in row.split("|"))
    return Method(
        name,
        tier,
        frozenset(bot.split()),
        frozenset((bot if user == "=" else user).split()),
        frozenset(required.split()),
        frozenset(optional.split()),
        frozenset(errors.split()),
    )


METHODS: Final = {one.name: one for one in map(_read, filter(None, _ROWS.splitlines()))}
