import json

import pytest

from gatekeeper.domain.activity import Activity
from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Pass, Proof, Tally
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.errors import NotFound
from gatekeeper.domain.identity import Account, Person
from gatekeeper.domain.memberships import Exemption, Leave, Membership, State, SweepItem
from gatekeeper.usecases import audit, erase, export, leave
from tests.journeys.club import CLUB, WHY
from tests.usecases.conftest import QUIET

ALL = (
    Account,
    Person,
    Application,
    Membership,
    Leave,
    Exemption,
    Activity,
    Pass,
    Proof,
    Tally,
    SweepItem,
    Order,
)


async def a_life(club):
    """Ada applied, was admitted, talked, was away, and was asked."""
    ada = await club.admit("ada")
    await club.platform.live(ada)
    now = club.clock.now()
    await leave.announce(club.parts, ada, now.replace(hour=13), "at the sea", str(ada))
    await leave.end(club.parts, ada, str(ada))
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    assert await club.state(ada) is State.NOTICED
    return ada


async def test_everything_is_handed_out(club):
    ada = await a_life(club)
    handed = await export.export(club.parts, ada)
    text = json.dumps(handed)
    for part in (WHY, "at the sea", "@ada:fake", "silent-notice", "notice-delivered"):
        assert part in text, part
    assert handed["memberships"][0]["state"] == "noticed"
    assert handed["told"]


async def test_only_a_number_is_left_and_the_chain_is_whole(club):
    ada = await a_life(club)
    before = await audit.verify(club.parts)
    await erase.erase(club.parts, ada, "operator:root")
    await club.settle()
    assert await audit.verify(club.parts) > before
    for kind in ALL:
        for row in await club.find(kind):
            text = repr(row)
            assert "@ada:fake" not in text, row
            assert WHY not in text, row
            assert "Ada" not in text, row
            assert "at the sea" not in text, row
    member = (await club.find(Membership))[-1]
    assert (member.state, member.cause) == (State.DEPARTED, "erased")
    async with club.store.look(CLUB) as tx:
        for subject in (f"membership:{member.id}", "application:1"):
            for entry in await tx.entries(subject=subject):
                assert await tx.seen_by(entry) is None
                assert "Ada" not in entry.sentence
    for message in club.cards():
        assert WHY not in repr(message.card)
    with pytest.raises(NotFound):
        await export.export(club.parts, ada)
    assert (await club.platform.standing(ada)).inside, "only on the operator's word"


async def test_an_operator_may_have_them_removed_too(club):
    ada = await a_life(club)
    await erase.erase(club.parts, ada, "operator:root", remove=True)
    await club.settle()
    assert not (await club.platform.standing(ada)).inside
    order = await club.one(Order, purpose="removal")
    assert order.progress is Progress.DONE
    assert "@ada:fake" not in repr(order)


async def test_an_erased_applicant_ends_their_review(club):
    bob = club.platform.person("@bob:fake")
    number = await club.apply(bob)
    await erase.erase(club.parts, bob, "operator:root")
    await club.settle()
    app = await club.one(Application, id=number)
    assert (app.state.value, app.reason, app.answers) == ("withdrawn", "erased", None)
    assert all(not m.choices for m in club.cards())
