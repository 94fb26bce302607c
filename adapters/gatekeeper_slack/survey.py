"""Who is in which of the club's channels, and which of them are open to others."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Holder, PlaceRule, Present, Rule
from gatekeeper.ports import Guest, Survey
from gatekeeper_slack.api import Api
from gatekeeper_slack.scene import Scene

Guests = Callable[[str], Awaitable[tuple[Guest, ...]]]


async def survey(api: Api, scene: Scene, guests: Guests, *, may_share: bool) -> Survey:
    """For Platform.survey.

    Args:
        guests: everyone in a channel.
        may_share: the policy lets the club's own channel be shared, by Slack Connect.
    """
    members, admins = await guests(scene.club), await guests(scene.admins)
    inside = {guest.identity for guest in members}
    only: dict[Identity, Present] = {}
    rules: list[PlaceRule] = []
    for alias, channel in {**scene.rooms, "admins": scene.admins}.items():
        told = (await api.call("conversations.info", channel=channel))["channel"]
        found = _open(told)
        if found and not (found == "shared" and may_share and channel == scene.club):
            rules.append(
                PlaceRule(
                    place=alias, rule=Rule.JOIN, found=found, wanted="private", mendable=False
                )
            )
        for guest in await guests(channel):
            if guest.identity not in inside:
                who = Present(identity=guest.identity, name=guest.name, place=alias)
                only.setdefault(guest.identity, who)
    return Survey(
        members=members,
        only=tuple(only.values()),
        rules=tuple(rules),
        holders=tuple(
            Holder(identity=one.identity, place="admins", power=max(one.power, 0)) for one in admins
        ),
        unseen=dict(scene.lost),
    )


def _open(channel: Mapping[str, Any]) -> str:
    """How a channel is open to others than its members; "" where it is not."""
    if not channel.get("is_private"):
        return "public"
    return "shared" if channel.get("is_ext_shared") or channel.get("is_shared") else ""
