"""Joining the parts: the lock, the policy in force, which platforms are made, the heartbeat."""

import shutil

import pytest

from gatekeeper import policy_file, service, wire
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.errors import NoTables, SettingsError
from gatekeeper.domain.identity import ClubId
from gatekeeper.policy.findings import PolicyError
from gatekeeper.settings import known_names, load_settings
from gatekeeper.testing.fakes import ManualClock
from tests.cli import double


@pytest.fixture
def settings(tmp_path, monkeypatch, initialised):
    for name in known_names() | {"GATEKEEPER_SETTINGS"}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(double.install(tmp_path / "site"))
    shutil.copytree(initialised, tmp_path / "club")
    monkeypatch.setenv("GATEKEEPER_MATRIX__ACCESS_TOKEN", "a-token")
    return load_settings(tmp_path / "club/gatekeeper.toml")


def change_policy(settings, old, new):
    text = settings.policy.read_text()
    assert old in text
    settings.policy.write_text(text.replace(old, new, 1))


async def serve_once(settings):
    """What a service does to the policy at its start."""
    async with wire.opened(settings, adopt_policy=True) as club:
        return club.parts.policy, club.policy_fault


def test_a_folder_has_one_service(tmp_path):
    with service.only_one(tmp_path):
        with pytest.raises(service.AlreadyRunning) as caught, service.only_one(tmp_path):
            pass
        assert caught.value.values["pid"]
    with service.only_one(tmp_path):
        pass


async def test_a_wrong_policy_stops_the_first_start(settings):
    change_policy(settings, "openFor:", "openfor:")
    with pytest.raises(PolicyError):
        await serve_once(settings)


async def test_a_first_version_is_tried_like_any_other(settings):
    cases = policy_file.cases_of(settings.policy)
    good = cases.read_text()
    cases.write_text(good.replace("verdict: wait", "verdict: admit", 1))
    assert cases.read_text() != good
    with pytest.raises(policy_file.CasesFailed):
        await serve_once(settings)
    async with wire.opened(settings) as club:
        assert await club.store.clubs() == [], "nothing is in force"
    cases.write_text(good)
    assert (await serve_once(settings))[1] is None


async def test_a_wrong_policy_never_replaces_the_one_in_force(settings):
    before, _ = await serve_once(settings)
    change_policy(settings, "openFor:", "openfor:")
    after, fault = await serve_once(settings)
    assert after.digest == before.digest
    assert isinstance(fault, PolicyError)


async def test_a_command_works_with_the_policy_that_the_service_has(settings):
    before, _ = await serve_once(settings)
    change_policy(settings, "A friendly club", "A very friendly club")
    async with wire.opened(settings) as club:
        assert club.parts.policy.digest == before.digest
    changed, fault = await serve_once(settings)
    assert changed.digest != before.digest
    assert fault is None


async def test_only_what_the_policy_names_is_made(settings):
    async with wire.opened(settings) as club:
        assert set(club.parts.platforms) == {"matrix"}
    async with wire.opened(settings, platforms=False) as club:
        assert club.parts.platforms == {}


async def test_a_platform_without_settings_is_told(settings):
    bare = settings.model_copy(update={"matrix": None})
    with pytest.raises(SettingsError, match="matrix: is missing"):
        async with wire.opened(bare):
            pass


def test_an_adapter_is_told_what_it_needs_of_the_club(settings):
    text = settings.policy.read_text("utf-8").replace("people: [", "people: [slack:T01:U01, ")
    settings.policy.write_text(text, "utf-8")
    policy = policy_file.read_policy(settings.policy)
    places = wire._places(policy, "matrix", policy.club.spec.platforms.matrix)
    assert places["adminGroup"] == ""
    assert places["adminRoom"]["alias"] == "house-admins"
    assert places["title"] == "The House"
    assert "The House" in places["chatName"]
    people = policy.club.spec.admins.people
    assert "slack:T01:U01" in people  # by name an admin, and of no concern here
    assert [f"matrix:{one}" for one in places["admins"]] == [one for one in people if "@" in one]


def test_a_heartbeat_grows_old():
    clock = ManualClock()
    state = ClubState(club=ClubId("house"), created_at=clock.now(), served_at=clock.now())
    assert wire.is_served(state, clock)
    clock.advance(seconds=wire.HEARTBEAT_OLD.total_seconds() + 1)
    assert not wire.is_served(state, clock)
    assert not wire.is_served(None, clock)


def test_the_engine_lies_where_the_settings_say(settings):
    engine = service.make_engine(settings)
    assert engine._path == settings.home / "engine.db"
    postgres = settings.model_copy(
        update={"database_url": type(settings.database_url)("asyncpg://g:pw@db/club")}
    )
    assert service.make_engine(postgres)._url == "postgresql://g:pw@db/club"


async def test_two_clubs_in_one_database_have_a_vault_each(settings):
    async with wire.opened(settings, adopt_policy=True) as club:
        await club.vault.put("login", b"of the house")
    change_policy(settings, "name: house #", "name: another #")
    async with wire.opened(settings, adopt_policy=True) as club:
        assert club.parts.club == "another"
        assert await club.vault.get("login") is None


async def test_opening_makes_no_database(settings):
    (settings.home / "gatekeeper.db").unlink()
    with pytest.raises(NoTables):
        async with wire.opened(settings):
            pass
    assert not (settings.home / "gatekeeper.db").exists()
