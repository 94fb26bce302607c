"""With which token we speak: from a short cache, renewed in time, by one, and kept until stored."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_sdk.oauth.installation_store.models.installation import Installation

from gatekeeper.domain.errors import PlatformDown, StorageError
from gatekeeper.testing.fakes import ManualClock
from gatekeeper_slack import authorize
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.authorize import FRESH, Logins
from gatekeeper_slack.installs import VaultInstallations
from gatekeeper_slack.renewal import EARLY
from tests.adapters.matrix.world import DictVault
from tests.adapters.slack.ears import until
from tests.adapters.slack.installed import installing
from tests.support.slack.delivery import Slack
from tests.support.slack.world import Team, Token

LIFE = 43_200


class CountingVault(DictVault):
    """Counts what is read; may be away for writers, or gone for all."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.away, self.gone = 0, False, False

    async def get(self, name: str) -> bytes | None:
        self.read += 1
        if self.gone:
            raise StorageError(detail="gone")
        return await super().get(name)

    async def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        if self.away:
            raise StorageError(detail="away")
        return await super().swap(name, old, new)


class Line:
    """One workspace with the app installed, and processes that speak to it."""

    def __init__(self, slack: Slack, clock: ManualClock) -> None:
        self.slack, self.clock, self.vault = slack, clock, CountingVault()
        self.team: Team = slack.world.team()
        self.opened: list[Api] = []

    def process(self) -> tuple[Logins, Api]:
        """The login and the client of one process."""
        app, url = self.slack.world.app, f"{self.slack.url}/api"
        exchange = Api(url, "", self.clock, (app.client_id, app.client_secret))
        store = VaultInstallations(self.vault, self.team.id)
        logins = Logins(store, exchange, self.clock)
        api = Api(url, logins, self.clock)
        self.opened += [exchange, api]
        return logins, api

    async def install(self) -> Token:
        token = self.slack.world.install(self.team)
        await VaultInstallations(self.vault, self.team.id).async_save(
            Installation(
                team_id=self.team.id,
                user_id="U1",
                bot_token=token.text,
                bot_user_id=token.user,
                bot_refresh_token=token.refresh or None,
                bot_token_expires_at=int(token.ends_at) if token.ends_at else None,
                installed_at=self.clock.now().timestamp(),
            )
        )
        return token

    def renewals(self) -> int:
        return len(self.slack.api.of("oauth.v2.access"))

    def stored(self) -> Any:
        return json.loads(self.vault.kept[f"slack-install--{self.team.id}"])

    async def close(self) -> None:
        for api in self.opened:
            await api.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Slack("http", speed=600.0) as slack:
        slack.api.limited = False
        clock = ManualClock()
        slack.world.now = lambda: clock.now().timestamp()
        slack.world.app.scopes = frozenset({"users:read", "chat:write"})
        slack.world.app.rotates = True
        made = Line(slack, clock)
        yield made
        await made.close()


# ---- The cache ---------------------------------------------------------------------------------


async def test_the_vault_is_read_now_and_then_and_slack_never_asked(line):
    logins, _ = line.process()
    token = await line.install()
    assert [await logins.token() for _ in range(20)] == [token.text] * 20
    assert line.vault.read == 1
    line.clock.advance(seconds=FRESH.total_seconds())
    await logins.token()
    assert line.vault.read == 2
    assert line.slack.api.calls == []


async def test_a_vault_that_is_gone_is_waited_for(line):
    token = await line.install()
    (logins, api), (_, late) = line.process(), line.process()
    assert await logins.token() == token.text
    line.vault.gone = True
    line.clock.advance(hours=1)
    assert await logins.token() == token.text
    assert (await api.call("auth.test"))["ok"]
    with pytest.raises(PlatformDown, match="StorageError"):
        await late.call("auth.test")
    line.slack.api.fail("auth.test", "account_inactive")
    with pytest.raises(Refusal):
        await api.call("auth.test")
    line.vault.gone = False
    assert (await late.call("auth.test"))["ok"]
    assert (await api.call("auth.test"))["ok"]


async def test_slack_bolt_is_told_without_a_call(line):
    logins, _ = line.process()
    token = await line.install()
    app = AsyncApp(authorize=logins.authorize(), request_verification_enabled=False)  # type: ignore[arg-type]
    heard: list[Any] = []

    @app.event("app_home_opened")
    async def opened(context: AsyncBoltContext) -> None:
        heard.append(context.authorize_result)

    async def asked(team: str | None) -> Any:
        heard.clear()
        event = {"type": "app_home_opened", "user": "U1"}
        body = {"type": "event_callback", "team_id": team, "event": event}
        await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=body))
        await asyncio.sleep(0.02)  # bolt runs listeners beside its answer
        return heard[0] if heard else None

    found = await asked(line.team.id)
    assert (found.bot_token, found.bot_user_id) == (token.text, line.team.bot_user)
    assert await asked("T0OTHER") is None
    assert await asked(None) is None
    await logins.store.end(line.team.id, "app-uninstalled")
    logins.drop()
    assert await asked(line.team.id) is None
    assert line.slack.api.calls == []


async def test_twenty_events_cause_no_auth_test():
    async with installing() as way:
        await way.begin()
        await way.install()
        await until(lambda: way.platform.health().ok)
        await until(lambda: "slack-abilities" in way.vault.kept)  # found at the start
        before, reads = len(way.slack.api.calls), way.slack.api.of("auth.test")
        ada = way.person("ada")
        for number in range(20):
            ada.tell_app(f"hello {number}")
        await way.slack.quiet()
        assert len(way.desk.events) == 20
        assert way.slack.api.of("auth.test") == reads
        assert len(way.slack.api.calls) == before


# ---- Renewal -----------------------------------------------------------------------------------


async def test_a_token_is_renewed_in_time_and_once_over_all_processes(line):
    first = await line.install()
    processes = [line.process() for _ in range(4)]
    line.clock.advance(seconds=LIFE - EARLY.total_seconds() - 1)
    assert await processes[0][0].token() == first.text
    line.clock.advance(seconds=60)
    line.slack.api.fail("oauth.v2.access", "slow", seconds=0.05)
    told = await asyncio.gather(*(logins.token() for logins, _ in processes for _ in range(5)))
    assert line.renewals() == 1
    second = line.stored()["installation"]["bot_token"]
    assert set(told) <= {first.text, second}
    line.clock.advance(seconds=FRESH.total_seconds())
    told = await asyncio.gather(*(api.call("auth.test") for _, api in processes))
    assert {await logins.token() for logins, _ in processes} == {second}
    assert line.renewals() == 1


async def test_after_a_long_silence_the_token_is_renewed_first(line):
    await line.install()
    _, api = line.process()
    line.clock.advance(seconds=3 * LIFE)
    assert (await api.call("auth.test"))["team_id"] == line.team.id
    for _ in range(5):
        line.clock.advance(seconds=LIFE)
        await api.call("auth.test")
    assert line.renewals() == 6
    assert line.slack.api.of("auth.test") == [{}] * 6  # none of them was refused
    assert all("client_secret" in args for args in line.slack.api.of("oauth.v2.access"))


async def test_two_processes_with_a_token_that_is_over_get_one_more(line):
    await line.install()
    processes = [line.process() for _ in range(2)]
    line.clock.advance(seconds=2 * LIFE)
    line.slack.api.fail("oauth.v2.access", "slow", seconds=0.3)
    await asyncio.gather(*(api.call("auth.test") for _, api in processes))
    assert line.renewals() == 1


async def test_short_lived_tokens_are_not_renewed_all_the_time(line):
    await line.install()
    _, api = line.process()
    line.slack.world.life = 600
    line.clock.advance(seconds=LIFE)
    for _ in range(10):
        await api.call("auth.test")
    assert line.renewals() == 1
    line.clock.advance(seconds=460)
    for _ in range(10):
        await api.call("auth.test")
    assert line.renewals() == 2


async def test_a_token_that_slack_ended_early_is_renewed_and_the_call_made_again(line):
    first = await line.install()
    _, api = line.process()
    await api.call("auth.test")
    line.slack.world.tokens[first.text].ends_at = 0.0
    assert (await api.call("auth.test"))["ok"]
    assert line.renewals() == 1


async def test_a_token_that_another_process_replaced_is_taken_up_at_the_first_refusal(line):
    first = await line.install()
    _, api = line.process()
    await api.call("auth.test")
    second = await line.install()
    line.slack.world.tokens[first.text].end = "token_revoked"
    assert (await api.call("auth.test"))["ok"]
    assert line.stored()["installation"]["bot_token"] == second.text


async def test_the_old_token_serves_until_the_new_one_is_stored(line):
    first = await line.install()
    logins, api = line.process()
    line.clock.advance(seconds=LIFE - 60)
    await logins.store.read(line.team.id)
    swap = line.vault.swap

    async def lend_only(name: str, old: bytes | None, new: bytes) -> bool:
        """The vault goes away between the lease and the new token."""
        done = await swap(name, old, new)
        line.vault.away = True
        return done

    line.vault.swap = lend_only  # type: ignore[method-assign]
    assert await logins.token() == first.text
    line.vault.swap = swap  # type: ignore[method-assign]
    assert line.stored()["installation"]["bot_token"] == first.text
    assert await logins.token() == first.text
    assert (await api.call("auth.test"))["ok"]
    line.clock.advance(seconds=61)  # over; the vault is away still, and Slack gave us the next
    second = await logins.token()
    assert second != first.text
    assert (await api.call("auth.test"))["ok"]
    line.vault.away = False
    assert await logins.token() == second
    assert line.stored()["installation"]["bot_token"] == second
    assert line.renewals() == 1


async def test_a_lost_answer_is_asked_for_again_within_slack_s_grace(line):
    first = await line.install()
    logins, _ = line.process()
    line.slack.world.grace = 60.0
    line.clock.advance(seconds=LIFE - 600)
    line.slack.api.fail("oauth.v2.access", "lost")
    assert await logins.token() == first.text
    assert await logins.token() == first.text  # not asked at once
    assert line.renewals() == 1
    line.clock.advance(seconds=3)
    second = await logins.token()
    assert second != first.text
    assert line.stored()["installation"]["bot_token"] == second


async def test_a_refused_renewal_is_told_and_the_old_token_serves_to_its_end(line):
    first = await line.install()
    logins, api = line.process()
    line.clock.advance(seconds=LIFE - 600)
    line.slack.api.fail("oauth.v2.access", "bad_client_secret", times=100)
    assert await logins.token() == first.text
    assert (await api.call("auth.test"))["ok"]
    assert logins.fault == ""
    line.clock.advance(seconds=601)
    with pytest.raises(PlatformDown, match="slack-token-not-renewed"):
        await api.call("auth.test")
    assert logins.fault == "slack-token-not-renewed"
    line.slack.api.faults.clear()  # the secret is mended
    line.clock.advance(seconds=120)
    assert (await api.call("auth.test"))["ok"]
    assert logins.fault == ""


async def test_a_quiet_club_s_token_is_renewed_all_the_same(line, monkeypatch):
    monkeypatch.setattr(authorize, "FRESH", timedelta(seconds=0.01))
    await line.install()
    logins, _ = line.process()
    await logins.token()
    waiting = asyncio.create_task(logins.renewed(logins.turns))
    line.clock.advance(seconds=LIFE - 600)
    await until(lambda: line.renewals() == 1)
    line.slack.api.fail("oauth.v2.access", "bad_client_secret")
    line.clock.advance(seconds=LIFE + 1)
    await until(lambda: logins.fault == "slack-token-not-renewed")
    assert not logins.lost  # what is ordered tries it, too
    line.clock.advance(seconds=61)
    await until(lambda: logins.fault == "")
    assert not waiting.done()
    waiting.cancel()


async def test_without_a_refresh_token_that_counts_the_installation_has_ended(line):
    await line.install()
    logins, api = line.process()
    line.clock.advance(seconds=LIFE + 1)
    line.slack.api.fail("oauth.v2.access", "invalid_refresh_token")
    with pytest.raises(PlatformDown):
        await api.call("auth.test")
    assert logins.fault == "login-revoked"
    assert line.stored()["installation"] is None
    await line.install()
    line.clock.advance(seconds=FRESH.total_seconds())
    assert (await api.call("auth.test"))["ok"]


async def test_a_newer_installation_wins_over_a_renewal(line):
    await line.install()
    logins, _ = line.process()
    line.clock.advance(seconds=LIFE - 600)
    line.slack.api.fail("oauth.v2.access", "slow", seconds=0.1)
    renewing = asyncio.create_task(logins.token())
    await until(line.renewals)
    newer = await line.install()
    await renewing
    assert line.stored()["installation"]["bot_token"] == newer.text
    assert await logins.token() == newer.text


async def test_a_process_that_died_while_renewing_holds_nobody_up_for_long(line):
    first = await line.install()
    logins, _ = line.process()
    line.clock.advance(seconds=LIFE - 600)
    lent = line.clock.now().timestamp() + 60
    await logins.store.change(line.team.id, lambda kept: kept and replace(kept, renewing=lent))
    assert await logins.token() == first.text
    line.clock.advance(seconds=61)
    assert await logins.token() != first.text


# ---- The end -----------------------------------------------------------------------------------


async def test_a_refusal_that_may_pass_ends_nothing(line):
    await line.install()
    logins, api = line.process()
    line.slack.api.fail("auth.test", "invalid_auth")
    with pytest.raises(Refusal, match="invalid_auth"):
        await api.call("auth.test")
    assert (await api.call("auth.test"))["ok"]
    assert logins.fault == ""


async def test_a_token_that_never_ends_is_never_renewed(line):
    line.slack.world.app.rotates = False
    token = await line.install()
    logins, _ = line.process()
    line.clock.advance(days=400)
    assert await logins.token() == token.text
    assert line.renewals() == 0


async def test_a_stop_that_crosses_a_change_is_a_stop(line):
    """Else whoever waits for the next login would wait on, and a stop for them."""
    logins, _ = line.process()
    waits = asyncio.create_task(logins.news(60))
    await asyncio.sleep(0.01)
    logins.drop()
    waits.cancel()
    await asyncio.wait([waits])
    assert waits.cancelled()
