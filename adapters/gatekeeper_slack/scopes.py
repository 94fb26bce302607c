"""What the app may do in a workspace, and why it asks for each.

deploy/slack-manifest.yaml and an installation by a browser ask for these and no others.
"""

from collections.abc import Mapping
from typing import Final

WHY: Final[Mapping[str, str]] = {
    "app_mentions:read": "hear who mentions us in a channel: a word to us is a sign of life",
    "channels:history": "hear that somebody wrote in a channel of the club that was made public; "
    "no text is kept",
    "channels:read": "know a channel of the club that somebody has made public",
    "chat:write": "post cards, questions and answers, and update them",
    "commands": "take /gatekeeper and the shortcuts",
    "conversations.connect:write": "invite who has no account here to the club's channel, by Slack "
    "Connect (paid plans)",
    "groups:history": "hear that somebody wrote in the club's private channels; no text is kept",
    "groups:read": "know who is in the club's private channels",
    "groups:write": "make the club's private channels, take people in and out",
    "im:history": "hear what people write to us in their chat",
    "im:read": "know the chats with us",
    "im:write": "begin a chat with somebody who applies or is asked",
    "reactions:read": "take a reaction as a sign of life",
    "usergroups:read": "look at the club's user group, where the policy names one (paid plans)",
    "usergroups:write": "let that group follow the club",
    "users:read": "know names, and tell guests, bots and deactivated accounts apart",
    "users:read.email": "know an applicant from outside by the address that they confirmed",
}
SCOPES: Final = tuple(WHY)
# By which we hear what is written in a channel: in a private one, in a public one.
HEARS: Final[Mapping[bool, str]] = {True: "groups:history", False: "channels:history"}
# Without these nobody can be let in, asked, told or let go.
NEEDED: Final = frozenset(
    {
        "chat:write",
        "groups:history",
        "groups:read",
        "groups:write",
        "im:history",
        "im:write",
        "users:read",
    }
)
