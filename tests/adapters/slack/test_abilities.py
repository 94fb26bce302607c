"""What a workspace can do, as it is found, kept and unlearned."""

from datetime import UTC, datetime, timedelta

import pytest

from gatekeeper.domain.errors import PlatformDown
from gatekeeper.testing.fakes import ManualClock
from gatekeeper_slack.abilities import BY_HAND, Abilities, Can, Found, Kind, Probed, Why, weigh
from tests.adapters.matrix.world import DictVault

AT = datetime(2026, 3, 1, tzinfo=UTC)
CONNECT = frozenset({"conversations.connect:write", "usergroups:read"})
ALL = frozenset({"admin", "admin.users:write"})
ADMINS = (Can.INVITE, Can.EXPEL, Can.PROVISION, Can.DEACTIVATE)


def probed(**given) -> Probed:
    return Probed(**{"scopes": CONNECT, "organisation": False, "groups": "", **given})


FREE = {"groups": "plan_upgrade_required"}
CASES = [
    pytest.param(
        FREE,
        Kind.FREE,
        {Can.GROUPS: Why.PLAN, Can.CONNECT: Why.PLAN} | dict.fromkeys(ADMINS, Why.TOKEN),
        id="free",
    ),
    pytest.param({}, Kind.PAID, dict.fromkeys(ADMINS, Why.TOKEN), id="paid, no token of an admin"),
    pytest.param(
        {"groups": "missing_scope", "scopes": frozenset()},
        Kind.UNKNOWN,
        {Can.GROUPS: Why.SCOPE, Can.CONNECT: Why.SCOPE} | dict.fromkeys(ADMINS, Why.TOKEN),
        id="few scopes",
    ),
    pytest.param(
        {"admin": "token_revoked"},
        Kind.PAID,
        dict.fromkeys(ADMINS, Why.TOKEN),
        id="the admin's token is revoked",
    ),
    pytest.param(
        {"admin": "", "admin_scopes": ALL, "scim": "plan_upgrade_required"},
        Kind.PAID,
        dict.fromkeys(ADMINS, Why.PLAN),
        id="pro, with a token of an admin",
    ),
    pytest.param(
        {"admin": "", "admin_scopes": ALL, "scim": ""},
        Kind.BUSINESS,
        {Can.INVITE: Why.PLAN, Can.EXPEL: Why.PLAN},
        id="business+",
    ),
    pytest.param(
        {
            "admin": "",
            "admin_scopes": frozenset({"admin.users:write"}),
            "scim": "missing_scope",
            "organisation": True,
        },
        Kind.ENTERPRISE,
        {Can.PROVISION: Why.SCOPE, Can.DEACTIVATE: Why.SCOPE},
        id="enterprise without SCIM",
    ),
    pytest.param(
        {"admin": "", "admin_scopes": ALL, "scim": "", "organisation": True},
        Kind.ENTERPRISE,
        {Can.PROVISION: Why.WIDE, Can.DEACTIVATE: Why.WIDE},
        id="enterprise",
    ),
]


@pytest.mark.parametrize(("given", "kind", "lacking"), CASES)
def test_what_the_answers_mean(given, kind, lacking):
    found = weigh(probed(**given), AT)
    assert (found.kind, dict(found.lacking)) == (kind, lacking)


def test_each_has_what_is_done_instead_down_to_a_hand():
    for can in Can:
        steps = [can.value]
        while steps[-1] != BY_HAND:
            steps.append(Found(kind=Kind.FREE, at=AT).of(Can(steps[-1]), AT).instead)
        assert len(steps) == len(set(steps))


class Workspace:
    """What is probed, and how often."""

    def __init__(self) -> None:
        self.probed: Probed | Exception = probed(admin="", admin_scopes=ALL, scim="")
        self.asked = 0
        self.clock, self.vault = ManualClock(AT), DictVault()

    async def probe(self) -> Probed:
        self.asked += 1
        if isinstance(self.probed, Exception):
            raise self.probed
        return self.probed

    def abilities(self) -> Abilities:
        """As another process has them."""
        return Abilities(self.vault, self.clock, self.probe)


async def test_it_is_found_once_a_day_and_by_every_process_once():
    workspace = Workspace()
    for _ in range(3):
        assert (await workspace.abilities().of(Can.PROVISION)).given
    assert workspace.asked == 1
    workspace.clock.advance(days=1)
    assert (await workspace.abilities().of(Can.PROVISION)).given
    assert workspace.asked == 2
    await workspace.abilities().known(anew=True)
    assert workspace.asked == 3


async def test_what_was_refused_is_not_tried_for_a_day_and_looked_at_anew():
    workspace = Workspace()
    abilities = workspace.abilities()
    assert await abilities.refused(Can.CONNECT, "restricted_action")
    assert (await workspace.abilities().of(Can.CONNECT)).why is Why.REFUSED
    workspace.clock.advance(minutes=11)
    assert (await abilities.of(Can.CONNECT)).why is Why.REFUSED
    assert workspace.asked == 2
    workspace.clock.advance(days=1)
    assert (await abilities.of(Can.CONNECT)).given


async def test_other_refusals_are_about_the_call_alone():
    workspace = Workspace()
    abilities = workspace.abilities()
    assert not await abilities.refused(Can.CONNECT, "invalid_email")
    assert (await abilities.of(Can.CONNECT)).given


async def test_what_is_known_serves_while_slack_is_away():
    workspace = Workspace()
    workspace.probed = PlatformDown("slack", "away")
    with pytest.raises(PlatformDown):
        await workspace.abilities().known()
    workspace.probed = probed(**FREE)
    assert (await workspace.abilities().known()).kind is Kind.FREE
    workspace.probed = PlatformDown("slack", "away")
    workspace.clock.advance(days=2)
    assert (await workspace.abilities().known()).kind is Kind.FREE


@pytest.mark.parametrize("kept", [b"", b"null", b"[]", b"{}", b'{"kind": "gold"}', b"\xff"])
async def test_what_nobody_can_read_is_found_anew(kept):
    workspace = Workspace()
    await workspace.vault.put("slack-abilities", kept)
    assert (await workspace.abilities().known()).kind is Kind.BUSINESS


async def test_times_come_back_as_they_were():
    workspace = Workspace()
    await workspace.abilities().refused(Can.EXPEL, "not_an_admin")
    found = await workspace.abilities().known()
    assert found.refused == {Can.EXPEL: (Why.REFUSED, AT)}
    assert found.at <= AT - timedelta(hours=23)
