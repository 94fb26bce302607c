from datetime import timedelta

import pytest

from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.memberships import Exemption, State
from gatekeeper.usecases import exempt, sweep
from tests.usecases.conftest import QUIET

HOUR = timedelta(hours=1)


async def test_an_exempt_member_is_let_be_until_the_date(club):
    [finn] = await club.adopt("finn")
    until = club.clock.now() + timedelta(seconds=30)
    kept = await exempt.exempt(club.parts, finn, "keeps the archive", until, "operator:root")
    assert (kept.reason, kept.author, kept.until) == ("keeps the archive", "operator:root", until)
    await club.pass_time(seconds=QUIET)
    assert (await sweep.preview(club.parts)).counts["exempt"] == 1
    await club.pass_time(seconds=11)
    assert (await club.one(Exemption)).ended_at == until
    await club.sweep()
    assert await club.state(finn) is State.NOTICED


async def test_an_exemption_has_a_reason_and_an_end(club):
    [finn] = await club.adopt("finn")
    for reason, span, field in (("  ", HOUR, "reason"), ("x", -HOUR, "until")):
        with pytest.raises(BadInput) as refused:
            await exempt.exempt(club.parts, finn, reason, club.clock.now() + span, "operator:root")
        assert list(refused.value.problems) == [field]
    assert not await club.find(Exemption)


async def test_an_exemption_is_replaced_and_ended(club):
    [finn] = await club.adopt("finn")
    for reason in ("first", "second"):
        await exempt.exempt(club.parts, finn, reason, club.clock.now() + HOUR, "operator:root")
    assert len(await club.find(Exemption, ended_at=None)) == 1
    await exempt.end(club.parts, finn, "operator:root")
    with pytest.raises(Refused, match="no-exemption"):
        await exempt.end(club.parts, finn, "operator:root")
