"""MatrixPlatform: a club on Matrix, behind the Platform port."""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gatekeeper.domain.decisions import Action, Receipt
from gatekeeper.domain.errors import BadInput, PlatformDown, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Holder, PlaceRule, Present
from gatekeeper.ports import (
    Check,
    Clock,
    FrontDesk,
    Guest,
    Health,
    Profile,
    Standing,
    Survey,
    Vault,
)
from gatekeeper_matrix import doctor
from gatekeeper_matrix.acts import Acts, Ours
from gatekeeper_matrix.chats import Chats, membership
from gatekeeper_matrix.events import content
from gatekeeper_matrix.intake import POLL, Intake
from gatekeeper_matrix.places import Places
from gatekeeper_matrix.scene import PLACE, PlaceLost, Plan, Scene, lost_if_out
from gatekeeper_matrix.sdk import CLIENT, NAME, Api, Refusal, q, room_path
from gatekeeper_matrix.survey import look

_STARTING: Final = 10.0  # seconds that `start` waits for the first turn
_STOPPING: Final = 5.0
_ACCOUNT: Final = re.compile(
    r"@[\x21-\x39\x3b-\x7e]+:"
    r"(?:[0-9a-z.-]+|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?",
    re.IGNORECASE,
)


class MatrixPlatform:
    """One club on one homeserver.

    Args:
        club: the club's slug.
        settings: homeserver_url, user_id, access_token (or password and device_id), admin_api.
        places: the club document's `platforms.matrix`, with `admins`, `title`, `chatName`.
        vault: keeps a login made by password, and which rooms the places are.
        clock: tells the time.
        commons: shared by all clubs of a service; not used, since a bot account serves one.
    """

    name = NAME

    def __init__(
        self,
        *,
        club: str,
        settings: Mapping[str, Any],
        places: Mapping[str, Any],
        vault: Vault,
        clock: Clock,
        commons: Vault | None = None,
    ) -> None:
        self._club, self._settings, self._vault, self._clock = club, settings, vault, clock
        self._plan = Plan.read(club, places)
        self._scene = Scene(me=str(settings.get("user_id") or ""))
        self._api = Api(str(settings["homeserver_url"]), clock)
        self._places = Places(self._api, self._plan, vault, self._scene, clock)
        self._chats = Chats(self._api, self._scene, self._plan, vault, self._paused)
        self._ours = Ours(self._api, self._scene)
        self._acts: Acts | None = None
        self._desk: FrontDesk | None = None
        self._intake: Intake | None = None
        self._listening: asyncio.Task[None] | None = None
        self._settled = False  # the places are known, found or not

    @property
    def bot(self) -> Identity:
        """Our own account there."""
        return Identity(NAME, self._scene.me)

    # ---- coming and going ------------------------------------------------------------------

    async def start(self, desk: FrontDesk) -> None:
        """Listen in the background; back within seconds, also where the homeserver is away."""
        self._desk = desk
        self._intake = Intake(
            self._api,
            self._plan,
            self._scene,
            self._places,
            self._chats,
            self._ours,
            desk,
            self._clock,
            self._enter,
            poll=float(self._settings.get("poll_seconds") or POLL),
        )
        self._listening = asyncio.create_task(self._intake.run(), name="matrix intake")
        try:
            async with asyncio.timeout(_STARTING):
                await self._intake.tried.wait()
        except TimeoutError:
            return  # it goes on trying; `health` says so

    async def connect(self) -> None:
        """Log in and find the places, without making any. PlatformDown, PlatformRefused."""
        await self._log_in()
        await self._places.settle(make=False)
        self._settled = True

    async def stop(self) -> None:
        """Stop listening; what was handed over is kept."""
        if self._intake is not None and self._listening is not None:
            self._intake.stopping.set()
            await asyncio.wait({self._listening}, timeout=_STOPPING)
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None
        await self._api.close()

    async def _enter(self) -> None:
        await self._log_in()
        await self._places.settle(make=not await self._paused())
        self._settled = True

    async def _paused(self) -> bool:
        """Whether the club writes nothing now, as far as a desk tells."""
        return self._desk is not None and await self._desk.paused()

    async def _log_in(self) -> None:
        token = str(self._settings.get("access_token") or "")
        drawer = f"matrix-login-{self._club}"
        kept = json.loads(await self._vault.get(drawer) or b"{}")
        self._api.token = token or str(kept.get("token", ""))
        try:
            me = await self._whoami() if self._api.token else ""
        except Refusal as error:
            if error.reason != "login-revoked" or token:
                raise
            me = ""  # the login that we kept is gone: the password makes another
        if not me:
            me = await self._log_in_by_password(kept)
        expected = self._settings.get("user_id")
        if expected and me != expected:
            raise PlatformRefused(NAME, "login-revoked", f"the token is {me}'s, not {expected}'s")
        self._scene.me = me
        mark = hashlib.sha256(self._api.token.encode()).hexdigest()
        if kept.get("mark") != mark:
            kept = {"mark": mark, "since": self._clock.now().isoformat()}
            if not token:
                kept |= {"token": self._api.token}
            await self._vault.put(drawer, json.dumps(kept).encode())
        since = datetime.fromisoformat(kept["since"])
        self._acts = Acts(
            api=self._api,
            scene=self._scene,
            plan=self._plan,
            chats=self._chats,
            clock=self._clock,
            ours=self._ours,
            fresh_since=since,
        )

    async def _whoami(self) -> str:
        return str((await self._api.get(f"{CLIENT}/account/whoami"))["user_id"])

    async def _log_in_by_password(self, kept: Mapping[str, Any]) -> str:
        password = str(self._settings.get("password") or "")
        if not password:
            raise PlatformRefused(NAME, "login-revoked", "no access token and no password")
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self._settings.get("user_id")},
            "password": password,
            "device_id": self._settings.get("device_id") or "GATEKEEPER",
            "initial_device_display_name": "Gatekeeper",
        }
        self._api.token = ""
        try:
            told = await self._api.call("POST", f"{CLIENT}/login", body, limiters=("login",))
        except Refusal as error:
            raise PlatformRefused(NAME, "login-revoked", error.detail) from error
        self._api.token = str(told["access_token"])
        return str(told["user_id"])

    # ---- doing -----------------------------------------------------------------------------

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; again with the same `key` changes nothing.

        A revoked login is PlatformDown here: what is ordered waits for a new one.
        """
        acts = self._doing()
        try:
            if self._intake is None and "missing" in self._scene.lost.values():
                await self._places.settle(make=False)  # another process may have made it by now
            return await acts.perform(action, key, ordered_at)
        except PlatformRefused as error:
            if error.reason == "login-revoked":
                raise PlatformDown(NAME, f"login-revoked: {error.detail}") from error
            raise

    def limiters(self, action: Action) -> tuple[str, ...]:
        """The names of the homeserver's limiters that `action` will draw on."""
        return self._acts.limiters(action) if self._acts else ("send",)

    def _doing(self) -> Acts:
        if self._acts is None or not self._settled:
            raise PlatformDown(NAME, "not logged in yet")
        return self._acts

    # ---- looking ---------------------------------------------------------------------------

    async def standing(self, who: Identity) -> Standing:
        """How `who` stands in the space and the admins' room now."""
        self._need_places()
        scene, user = self._scene, who.account
        try:
            state, in_room = await asyncio.gather(
                membership(self._api, scene.space, user),
                membership(self._api, scene.admins, user),
            )
            power = await self._doing().power(scene.admins) if in_room == "join" else None
        except Refusal as error:
            raise await self._lost_or(error) from error
        return Standing(
            inside=state == "join",
            invited=state == "invite",
            knocking=state == "knock",
            banned=state == "ban",
            in_admin_room=in_room == "join",
            power=power.of(user) if power is not None else -1,
        )

    async def members(self) -> tuple[Guest, ...]:
        """Everyone joined to the space, ourselves left out."""
        self._need_places()
        return await self._guests(self._scene.space)

    async def admins(self) -> tuple[Guest, ...]:
        """Everyone joined to the admins' room, ourselves left out."""
        self._need_places()
        return await self._guests(self._scene.admins)

    async def survey(self) -> Survey:
        """Members, rules and powers of every place, as the homeserver tells them now."""
        members = await self.members()
        inside, scene = {guest.identity.account for guest in members}, self._scene
        unseen: dict[str, str] = {}
        only: dict[str, Present] = {}
        rules: list[PlaceRule] = []
        holders: list[Holder] = []
        for place in self._plan.all():
            if place.alias in scene.lost or not scene.id_of(place):
                unseen[place.alias] = scene.lost.get(place.alias, "missing")
                continue
            try:
                found = await look(self._api, scene, place, self._doing().power)
            except Refusal as error:
                unseen[place.alias] = error.detail
                continue
            rules += found.rules
            holders += found.holders
            for user, name in found.joined.items():
                if user not in inside | (scene.founders or frozenset()):
                    who = Present(identity=Identity(NAME, user), name=name, place=place.alias)
                    only.setdefault(user, who)
        return Survey(
            members=members,
            only=tuple(only.values()),
            rules=tuple(rules),
            holders=tuple(holders),
            unseen=unseen,
        )

    def _need_places(self) -> None:
        """PlatformDown while we are out of the space or the admins' room: what we could still
        read there is how it once was, and nobody is an admin by it."""
        self._doing()
        lost = self._scene.lacks(self._plan)
        if lost:
            raise PlaceLost(NAME, lost)

    async def _lost_or(self, error: Refusal) -> Exception:
        """PlaceLost where we are out of a place that is needed, or else `error`."""
        for room in (self._scene.space, self._scene.admins):
            await lost_if_out(self._api, self._plan, self._scene, room)
        lost = self._scene.lacks(self._plan)
        return PlaceLost(NAME, lost) if lost else error

    async def _guests(self, room: str) -> tuple[Guest, ...]:
        admins = self._scene.admins
        try:
            inside = await self._joined(room)
            deciding = inside if room == admins else await self._joined(admins)
            power, founders = await self._doing().power(admins), await self._founders()
        except Refusal as error:
            raise await self._lost_or(error) from error
        return tuple(
            Guest(
                identity=Identity(NAME, user),
                name=str(told.get("display_name") or user),
                bot=user in founders,
                power=power.of(user) if user in deciding else -1,
            )
            for user, told in inside.items()
            if user != self._scene.me
        )

    async def _founders(self) -> frozenset[str]:
        """The account that made the space and put our mark on it: a bot of this club, perhaps one
        before us whose login was lost. Nothing takes a creator's power from it."""
        scene = self._scene
        if scene.founders is None:
            made, marked = [
                await self._api.find(room_path(scene.space, "state", kind, ""), {"format": "event"})
                for kind in ("m.room.create", PLACE)
            ]
            maker = str((made or {}).get("sender", ""))
            told = content(marked or {})
            ours = (marked or {}).get("sender") == maker and told.get("club") == self._plan.club
            scene.founders = frozenset({maker} if ours else ())
        return scene.founders

    async def _joined(self, room: str) -> dict[str, Any]:
        return dict((await self._api.get(room_path(room, "joined_members")))["joined"])

    async def profile(self, who: Identity) -> Profile:
        """The display name; when the account was made only where we may use the admin API."""
        self._doing()
        try:
            told = await self._api.find(f"{CLIENT}/profile/{q(who.account)}")
        except Refusal:
            told = {}  # some homeservers do not tell strangers
        if told is None:
            raise PlatformRefused(NAME, "no-such-person", who.account)
        created, bot = None, False
        if self._settings.get("admin_api"):
            created, bot = await self._account(who.account)
        return Profile(
            name=str(told.get("displayname") or who.account), created_at=created, bot=bot
        )

    async def _account(self, user: str) -> tuple[datetime | None, bool]:
        try:
            told = await self._api.find(f"/_synapse/admin/v2/users/{q(user)}") or {}
        except Refusal:
            return None, False  # not an admin of that homeserver: nothing is known
        at = told.get("creation_ts")
        bot = told.get("user_type") == "bot" or bool(told.get("appservice_id"))
        if not isinstance(at, int) or at <= 0:
            return None, bot
        return datetime.fromtimestamp(at / 1000 if at > 10**11 else at, UTC), bot

    def parse_identity(self, text: str) -> Identity:
        """An `@name:server` as people type or paste it; BadInput for anything else."""
        account = text.strip().removeprefix("https://matrix.to/#/")
        if not _ACCOUNT.fullmatch(account) or len(account.encode()) > 255:
            raise BadInput({"identity": "not-an-identity"})
        local, _, server = account.partition(":")
        return Identity(NAME, f"{local}:{server.lower()}")

    async def examine(self) -> tuple[Check, ...]:
        """What `gatekeeper doctor` shows."""
        return await doctor.examine(
            self._api,
            self._plan,
            self._scene,
            enter=self.connect,
            power=lambda room: self._doing().power(room),
            admin_api=bool(self._settings.get("admin_api")),
        )

    def health(self) -> Health:
        """Whether we listen now, and to every place."""
        if self._intake is None or self._listening is None:
            return Health(ok=False, code="not-listening")
        return self._intake.health()
