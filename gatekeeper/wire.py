"""Builds the parts from Settings and joins them, in this one place.

`opened` gives a command what it needs: store, policy in force, platforms not started. `service`
puts around it what works on it: engine, relay, desk, observer.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import BaseModel, SecretStr

from gatekeeper import logs, policy_file
from gatekeeper.clock import SystemClock
from gatekeeper.domain.clubs import ClubState, PolicyVersion
from gatekeeper.domain.errors import GatekeeperError, SettingsError
from gatekeeper.domain.identity import ClubId, Identity
from gatekeeper.keys import Keys, load_keys
from gatekeeper.plugins import make_platform
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Clock, Platform, Store, Vault
from gatekeeper.settings import Settings
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.usecases.readings import Reading, Step

if TYPE_CHECKING:
    from gatekeeper.mail import Mail
    from gatekeeper.storage.store import TortoiseStore

log = structlog.get_logger(__name__)

HEARTBEAT: Final = timedelta(seconds=5)
HEARTBEAT_OLD: Final = timedelta(seconds=20)  # a service that has said nothing for so long is gone
ALL_CLUBS: Final = ClubId("")  # whose secrets no single club's are
FLUSH: Final = timedelta(seconds=2)  # a crash loses no more signs of life than these


# ---- For every command -------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Opened:
    """One club's parts with no service around them.

    Attributes:
        platforms: those of `parts`, to be changed with the policy.
        commons: the vault of all clubs of the service.
        policy_fault: why the policy's file is not in force; an earlier version of it is then.
        policy_step: what became of the file, where it was to be adopted.
    """

    settings: Settings
    keys: Keys
    store: Store
    vault: Vault
    commons: Vault
    parts: Parts
    platforms: dict[str, Platform] = field(default_factory=dict)
    policy_fault: GatekeeperError | None = None
    policy_step: Step = Step.SAME


@asynccontextmanager
async def opened(
    settings: Settings, *, platforms: bool = True, adopt_policy: bool = False
) -> AsyncIterator[Opened]:
    """Open the club that `settings` describe.

    Args:
        settings: where everything lies.
        platforms: make them; without, `parts.platforms` is empty.
        adopt_policy: weigh the policy's file, and put it in force where nothing speaks against
            it (the service does).

    Raises:
        SettingsError, PolicyError, StorageError.
    """
    async with _ground(settings) as (keys, store):
        yield await _open(settings, keys, store, platforms=platforms, adopt=adopt_policy)


@asynccontextmanager
async def opened_all(
    clubs: Sequence[Settings],
) -> AsyncIterator[tuple[list[Opened], dict[str, GatekeeperError]]]:
    """Open all clubs of a service, as the service does; and why some of several could not be. The
    others do not wait for those.

    Raises:
        SettingsError, PolicyError, StorageError: the only one, or none of them can be opened.
    """
    async with _ground(clubs[0]) as (keys, store):
        found: list[Opened] = []
        faults: dict[str, GatekeeperError] = {}
        for settings in clubs:
            try:
                one = await _open(settings, keys, store, platforms=True, adopt=True)
                _need_own_workspace(one, found, several=len(clubs) > 1)
            except GatekeeperError as fault:
                faults[settings.club] = fault
            else:
                found.append(one)
        if not found:
            raise next(iter(faults.values()))
        yield found, faults


def _need_own_workspace(one: Opened, others: Sequence[Opened], *, several: bool) -> None:
    """An app that several workspaces install is told of all of them: which one is whose is said."""
    slack, spec = one.settings.slack, one.parts.policy.club.spec.platforms.slack
    if not several or slack is None or spec is None or not slack.client_id:
        return
    if not spec.workspace:
        raise SettingsError(("workspace: has to be named in its policy, for others share its app",))
    for other in others:
        theirs = other.parts.policy.club.spec.platforms.slack
        if theirs is not None and theirs.workspace == spec.workspace:
            raise SettingsError((f"workspace: is that of {other.parts.club}; each has its own",))


@asynccontextmanager
async def _ground(settings: Settings) -> AsyncIterator[tuple[Keys, "TortoiseStore"]]:
    """What all clubs of a service share."""
    keys = load_keys(settings.keys)
    _hide(settings, keys)
    store = await open_storage(settings, keys)
    try:
        yield keys, store
    finally:
        await store.close()


async def _open(
    settings: Settings, keys: Keys, store: "TortoiseStore", *, platforms: bool, adopt: bool
) -> Opened:
    _hide(settings, keys)
    clock = SystemClock()
    policy, reading = await policy_in_force(settings, store, adopt=adopt)
    if settings.club not in ("", policy.club_id):
        raise SettingsError((f"{settings.club}: its policy is that of the club {policy.club_id}",))
    vault, commons = make_vault(store, keys, policy.club_id), make_vault(store, keys, ALL_CLUBS)
    made: dict[str, Platform] = {}
    parts = Parts(
        club=policy.club_id,
        store=store,
        platforms=made,
        shelf=Shelf(policy),
        clock=clock,
        base_url=settings.base_url,
        secret=keys.passes,
        mailer=make_mailer(settings, policy, clock),
    )
    step = await _adopt(parts, reading) if adopt else Step.SAME
    if platforms:
        made.update(make_platforms(settings, parts.policy, vault, commons))
    return Opened(
        settings=settings,
        keys=keys,
        store=store,
        vault=vault,
        commons=commons,
        parts=parts,
        platforms=made,
        policy_fault=reading.fault,
        policy_step=step,
    )


async def _adopt(parts: Parts, reading: Reading) -> Step:
    from gatekeeper.usecases import versions

    return await versions.consider(parts, reading)


def make_platforms(
    settings: Settings, policy: Policy, vault: Vault, commons: Vault
) -> Mapping[str, Platform]:
    """The platforms that the policy names, not started; SettingsError names all that cannot be."""
    made: dict[str, Platform] = {}
    faults: list[str] = []
    for name, places in all_places(policy).items():
        try:
            made[name] = make_platform(
                name,
                club=policy.club_id,
                settings=settings.of_platform(name),
                places=places,
                vault=vault,
                commons=commons,
                clock=SystemClock(),
            )
        except SettingsError as wrong:
            faults += wrong.faults
    if faults:
        raise SettingsError(tuple(faults))
    return made


def make_mailer(settings: Settings, policy: Policy, clock: Clock) -> "Mail | None":
    """What sends letters; None where no mail server is set."""
    given = settings.of_platform("smtp")
    if given is None:
        return None
    from gatekeeper.mail import Mail

    return Mail(given, policy.title, clock)


def all_places(policy: Policy) -> Mapping[str, Mapping[str, Any]]:
    """What each platform is told of the policy, by its name: all that a change of it can change."""
    named = policy.club.spec.platforms
    return {
        name: _places(policy, name, document) for name, document in named if document is not None
    }


def _places(policy: Policy, name: str, document: BaseModel) -> Mapping[str, Any]:
    """A platform's part of the Club document as it is written, and what it needs of the rest."""
    named = map(Identity.parse, policy.club.spec.admins.people)
    places = document.model_dump(mode="json", by_alias=True)
    space = places.get("space") or {}
    title = str(space.get("name") or policy.club.metadata.name)
    return {
        **places,
        "title": title,
        "chatName": policy.say("chat-name", {"club": title}),
        "admins": [who.account for who in named if who.platform == name],
        "adminGroup": policy.club.spec.admins.user_group or "",
    }


async def policy_in_force(
    settings: Settings, store: Store, *, adopt: bool
) -> tuple[Policy, Reading]:
    """The version in force, else the file's; and the file as it was read.

    What the service knows and what a command says must be the same.

    Args:
        adopt: the file is to be weighed: where it differs from what is in force, its cases are
            tried, and the platforms that it names must have settings.

    Raises:
        PolicyError, SettingsError, CasesFailed, InvariantsBroken: the file is wrong, and no version
            is in force.
    """
    reading = policy_file.read(settings.policy)
    named = ClubId(settings.club) if settings.club else None
    version = await _version(store, reading.policy.club_id if reading.policy else named)
    if version is None:
        if adopt:  # a club's very first version is tried like any other
            reading = policy_file.tried(reading, settings.policy)
        if reading.policy is None:
            assert reading.fault is not None
            raise reading.fault
        return reading.policy, reading
    if reading.policy is not None and version.digest == reading.digest:
        return reading.policy, reading
    if adopt:
        reading = fitting(settings, policy_file.tried(reading, settings.policy))
    try:
        return load_policy(version.text, f"{version.digest[:12]}.yaml"), reading
    except PolicyError:  # this release does not understand it any more: the file has to do
        if reading.policy is None:
            raise
        return reading.policy, reading


def fitting(settings: Settings, reading: Reading) -> Reading:
    """The same, refused where it names a platform that nothing is set for."""
    named = all_places(reading.policy) if reading.policy else {}
    lacking = [name for name in named if settings.of_platform(name) is None]
    if not lacking:
        return reading
    faults = tuple(f"{name}: is missing; the policy names this platform" for name in lacking)
    return replace(reading, policy=None, fault=SettingsError(faults))


async def _version(store: Store, club: ClubId | None) -> PolicyVersion | None:
    """The version in force; of the store's only club where the file does not name one."""
    clubs = await store.clubs()
    if club is None and len(clubs) == 1:
        club = clubs[0]
    if club is None or club not in clubs:
        return None
    async with store.look(club) as tx:
        state = await tx.first(ClubState)
        return (
            await tx.first(PolicyVersion, digest=state.policy) if state and state.policy else None
        )


async def open_storage(settings: Settings, keys: Keys) -> "TortoiseStore":
    """The store, open.

    Raises:
        StorageError: no connection, no tables (NoTables: where keys are, there was a database,
            and an empty one in its place would forget everybody), or tables of another release
            (`gatekeeper db upgrade`).
    """
    from gatekeeper.storage.store import TortoiseStore

    store = TortoiseStore(settings.database, keys.record)
    await store.open()
    return store


def make_vault(store: "TortoiseStore", keys: Keys, club: ClubId) -> Vault:
    """One club's secrets: what another club in the same database keeps is not to be seen."""
    from gatekeeper.storage.vault import TortoiseVault

    return TortoiseVault(store, keys.vault, club)


def _hide(settings: Settings, keys: Keys) -> None:
    """From here on no log line shows what these hold."""
    import base64

    for key in (keys.record, keys.session, keys.vault, keys.passes):
        logs.hide(base64.b64encode(key).decode(), key.hex())
    for platform in (settings.matrix, settings.slack, settings.smtp):
        for _, value in platform or ():
            if isinstance(value, SecretStr):
                logs.hide(value.get_secret_value())


def is_served(state: ClubState | None, clock: Clock) -> bool:
    """Whether a service says that it runs."""
    if state is None or state.served_at is None:
        return False
    return clock.now() - state.served_at < HEARTBEAT_OLD
