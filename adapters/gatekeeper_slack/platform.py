"""SlackPlatform: a club in one workspace, behind the Platform port."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Receipt,
    Remove,
    Tell,
)
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.domain.identity import Identity
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
from gatekeeper_slack import doctor, lines
from gatekeeper_slack.abilities import Abilities, Probed
from gatekeeper_slack.acts import Acts
from gatekeeper_slack.api import Api, Refusal
from gatekeeper_slack.cards import symbol_of
from gatekeeper_slack.events import account
from gatekeeper_slack.groups import UserGroup
from gatekeeper_slack.hands import Hands, probe
from gatekeeper_slack.heard import Access, Revoked
from gatekeeper_slack.listening import API, Intake
from gatekeeper_slack.oauth import PATHS, Installed
from gatekeeper_slack.pace import Pace, limiters
from gatekeeper_slack.patience import back_off, passing
from gatekeeper_slack.people import People, typed
from gatekeeper_slack.places import Places, Plan
from gatekeeper_slack.requests import Requests
from gatekeeper_slack.scene import NAME, Scene
from gatekeeper_slack.screens import Looks
from gatekeeper_slack.survey import survey
from gatekeeper_slack.windows import Windows

log = logging.getLogger(__name__)

_STARTING: Final = 10.0  # seconds that `start` waits for the first try


class SlackPlatform:
    """One club in one workspace.

    Args:
        club: the club's slug.
        settings: bot_token, or client_id and client_secret (and base_url, our pages'); app_token
            (Socket Mode) or signing_secret (HTTP); api_url; pace.
        places: the club document's `platforms.slack`, and who its admins are.
        vault: keeps which channels are the club's.
        commons: the vault that all clubs of the service share; the club's own where left out.
        clock: tells the time.
    """

    name = NAME
    paths = PATHS

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
        self._settings, self._given, self._clock = settings, places, clock
        self._group: UserGroup | None = None
        self._following: asyncio.Task[None] | None = None
        url = str(settings.get("api_url") or API)
        self._workspace = str(places.get("workspace") or "")
        self._scene, self._turn = Scene(team=self._workspace), 0
        plan = Plan.read(club, places)
        home = self._workspace or plan.home()  # else whoever installs it first would have the club
        self._app = Installed.read(settings, vault, clock, home, commons)
        token = self._app.logins if self._app else str(settings.get("bot_token") or "")
        self.pace = Pace(float(settings.get("pace") or 1.0))
        self._api = Api(url, token, clock, pace=self.pace)
        self._places = Places(self._api, plan, vault, self._scene)
        group = str(places.get("adminGroup") or "")
        self._people = People(self._api, self._scene, clock, group)
        self._hands = Hands.read(settings, clock, self.pace)
        self._abilities = Abilities(vault, clock, self._probe)
        self._acts = Acts.of(
            self._api, self._scene, self._people, self._abilities, self._hands, vault, clock, places
        )
        self._url, secret = url, str(settings.get("signing_secret") or "")
        line = lines.shared(f"{url.rstrip('/')}/", str(settings.get("app_token") or ""), secret)
        self._routes = Requests(secret, clock, line.take)
        self._desk: FrontDesk | None = None
        self._intake: Intake | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._fault = Health(ok=False, code="not-listening")
        self._settled = False

    async def _probe(self) -> Probed:
        return await probe(self._api, self._hands, organisation=self._scene.organisation)

    @property
    def bot(self) -> Identity:
        """Our own account there."""
        return account(self._scene.team, self._scene.bot)

    # ---- coming and going ----------------------------------------------------------------------

    async def start(self, desk: FrontDesk) -> None:
        """Listen in the background; back within seconds, also where Slack is away."""
        self._desk, self._tried = desk, asyncio.Event()
        settings = self._settings
        self._intake = Intake(
            self._url,
            desk,
            self._scene,
            self._clock,
            looks=Looks(
                symbol_of, inside=self._inside, profile=self.profile, changed=self._people.forget
            ),
            screens=Windows(self._api, desk, self._scene, self._clock),
            app_token=str(settings.get("app_token") or ""),
            signing_secret=str(settings.get("signing_secret") or ""),
            authorize=self._app.logins.authorize() if self._app else None,
            login=self._login if self._app else None,
        )
        self._intake.join()
        if group := str(self._given.get("userGroup") or ""):
            self._group = UserGroup(self._api, self._scene, self._people, group, desk.paused)
        self._listening = asyncio.create_task(self._listen(self._intake), name="slack intake")
        try:
            async with asyncio.timeout(_STARTING):
                await self._tried.wait()
        except TimeoutError:
            return  # it goes on trying; `health` says so

    async def _listen(self, intake: Intake) -> None:
        """Listen; anew where a new installation has taken the place of one that ended."""
        await self._begin(intake)
        await self._look_what_it_can()
        if self._group is not None:
            self._following = asyncio.create_task(self._group.follow(), name="slack user group")
        while self._app is not None:
            await self._app.logins.renewed(self._turn)
            await intake.stop()
            intake.join()  # what becomes of the next login is to be heard, too
            await self._begin(intake)
            await self._look_what_it_can(anew=True)  # another installation, other scopes
            if self._group is not None:
                self._group.changed()

    async def _look_what_it_can(self, *, anew: bool = False) -> None:
        """Found now, nobody who acts has to wait for it."""
        with contextlib.suppress(PlatformBusy, PlatformDown, PlatformRefused):
            if self._scene.organisation:  # who of its other workspaces is ours, too
                await self.members()
        with contextlib.suppress(PlatformBusy, PlatformDown, PlatformRefused):
            await self._abilities.known(anew=anew)

    async def _login(self, change: Revoked | Access) -> None:
        """Slack told what became of the installation."""
        if self._app is not None:
            await self._app.told(change, self._api)

    async def _begin(self, intake: Intake) -> None:
        """Log in, find the channels and begin to listen, as often as that takes."""
        for failures in itertools.count():
            try:
                turn = await self._enter(
                    make=self._desk is not None and not await self._desk.paused()
                )
                await intake.start(self._scene.lost)
                self._settled, self._fault, self._turn = True, Health(ok=True), turn
                self._tried.set()
                return
            except PlatformRefused as error:
                self._fault = Health(ok=False, code=error.reason, detail=error.detail)
            except (PlatformDown, PlatformBusy) as error:
                self._fault = Health(ok=False, code=error.code, detail=str(error))
            except Exception as error:
                if not passing(error):
                    log.exception("slack-start-failed")
                self._fault = Health(ok=False, code="not-listening", detail=type(error).__name__)
            log.warning("slack-not-listening %s %s", self._fault.code, self._fault.detail)
            self._tried.set()
            if self._app is None:
                await asyncio.sleep(back_off(failures))
            else:  # what is waited for may be an installation
                await self._app.logins.news(back_off(failures))

    async def connect(self) -> None:
        """Log in and find the channels, without making any. PlatformDown, PlatformRefused."""
        await self._enter(make=False)
        self._settled = True

    async def stop(self) -> None:
        """Stop listening; what was handed over is kept."""
        tasks = [task for task in (self._listening, self._following) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening = self._following = None
        if self._intake is not None:
            await self._intake.stop()
            self._intake = None
        self._settled = False
        await self._api.close()
        await self._hands.close()
        if self._app is not None:
            await self._app.close()

    async def _enter(self, *, make: bool) -> int:
        """Log in and find the channels; at which turn of the login."""
        me = await self._api.call("auth.test")
        team = await self._app.logins.workspace() if self._app else str(me["team_id"])
        if self._workspace not in ("", team):
            raise PlatformRefused(NAME, "other", f"the token is of {team}, not {self._workspace}")
        self._scene.team, self._scene.bot = team, str(me["user_id"])
        self._scene.organisation = bool(me.get("enterprise_id"))
        turn = self._app.logins.turns if self._app else 0
        await self._places.settle(make=make)
        return turn

    async def receive(self, scope: Any, receive: Any, send: Any) -> None:
        """Slack's requests over HTTP, an ASGI application; "not now" while nobody of its app
        listens. They may concern another club of ours."""
        if self._app is not None and self._desk is not None and self._app.is_page(scope):
            await self._app.pages(scope, receive, send, self._desk.say)
            return
        await self._routes(scope, receive, send)

    # ---- doing ---------------------------------------------------------------------------------

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; again with the same `key` changes nothing.

        A revoked login is PlatformDown here, and so is a channel that we were put out of: what is
        ordered waits for a new one, and until we are back.
        """
        self._need()
        moves = isinstance(action, Admit | Remove)
        if getattr(action, "place", "") == "admins":
            await self._places.alone()
        await (self._places.usable() if moves else self._places.look_again())
        try:
            receipt = await self._acts.perform(action, key, ordered_at)
        except PlatformRefused as error:
            if error.reason == "login-revoked":
                raise PlatformDown(NAME, f"login-revoked: {error.detail}") from error
            if moves and error.reason in ("no-such-room", "no-power"):
                await self._places.usable(now=True)
            raise
        if self._group is not None and receipt.changed and isinstance(action, Admit | Remove):
            self._group.changed()
        if self._intake is not None and receipt.ref and not getattr(action, "ref", ""):
            self._intake.sent(receipt.ref)
        return receipt

    def limiters(self, action: Action) -> tuple[str, ...]:
        """The methods that `action` will call, each with a limiter of its own."""
        return limiters(action)

    def costs(self, action: Action) -> Mapping[str, timedelta]:
        """For how long `action` takes each of Slack's limits."""
        known = isinstance(action, Tell) and self._acts.knows_chat(action.who)
        return self.pace.costs(action, len(self._scene.rooms), chat_known=known)

    # ---- looking -------------------------------------------------------------------------------

    def _need(self) -> None:
        if not self._settled or (self._intake is not None and self._is_over()):
            fault = self._app.logins.fault if self._app else ""
            raise PlatformDown(NAME, fault or "not logged in yet")

    def _is_over(self) -> bool:
        """Whether the login that we listen with has ended, or another has taken its place."""
        return self._app is not None and (
            self._app.logins.lost or self._turn != self._app.logins.turns
        )

    async def _need_places(self) -> None:
        """PlatformDown while we are out of the club's channel or the admins', or others read it."""
        self._need()
        await self._places.look_again()
        if lost := self._scene.lacks():
            raise PlatformDown(NAME, lost)

    async def _inside(self, who: Identity) -> bool:
        return self._scene.club in await self._people.places(who)

    async def standing(self, who: Identity) -> Standing:
        """How `who` stands in the club's channel and the admins' now."""
        await self._need_places()
        try:
            return await self._people.standing(who)
        except Refusal as error:
            if error.reason == "no-such-person":
                return Standing()
            raise PlatformDown(NAME, error.detail) from error

    async def members(self) -> tuple[Guest, ...]:
        """Everyone in the club's channel, ourselves left out."""
        return await self._guests(self._scene.club)

    async def admins(self) -> tuple[Guest, ...]:
        """Everyone in the admins' channel, ourselves left out."""
        return await self._guests(self._scene.admins)

    async def _guests(self, channel: str) -> tuple[Guest, ...]:
        await self._need_places()
        try:
            inside = await self._people.members(channel)
            own = channel == self._scene.admins
            deciding = inside if own else await self._people.members(self._scene.admins)
            return await self._people.guests(inside, frozenset(deciding))
        except Refusal as error:
            raise PlatformDown(NAME, error.detail) from error

    async def survey(self) -> Survey:
        """Who is where, and which channels are open or shared; anybody in the admins' channel
        may let people in, as Slack has it."""
        shared = "connect" in (self._given.get("outside") or ())
        return await survey(self._api, self._scene, self._guests, may_share=shared)

    async def profile(self, who: Identity) -> Profile:
        """The name of an account; deactivated and unknown ones are refused."""
        self._need()
        return await self._people.profile(who)

    def by_hand(self) -> str:
        """How an admin invites somebody who has no account in the workspace."""
        return "outside.slack"

    def parse_identity(self, text: str) -> Identity:
        """`T…:U…`, or a mention or id of this workspace."""
        return typed(text, self._scene.team)

    async def examine(self) -> tuple[Check, ...]:
        """What `gatekeeper doctor` shows."""
        app = self._settings.get("app_token")
        line = Api(self._url, str(app), self._clock) if app else None
        try:
            return await doctor.examine(
                self._api,
                self._scene,
                enter=self.connect,
                app=line,
                fault=lambda: self._app.logins.fault if self._app else "",
                deciders=self._people.deciders,
                named=tuple(map(str, self._given.get("admins", ()))),
                abilities=self._abilities,
                deactivates=self._given.get("removal") == "deactivateAccount",
                ways=tuple(self._given.get("outside") or ()),
                now=self._clock.now(),
            )
        finally:
            if line is not None:
                await line.close()

    def health(self) -> Health:
        """Whether intake listens now; never waits."""
        over = self._is_over() or (self._app is not None and self._app.logins.fault)
        if self._app is not None and self._intake is not None and over:
            code = self._app.logins.fault or "not-listening"
            return Health(ok=False, code=code, detail=self._app.logins.detail)
        if self._intake is None or not self._settled:
            return self._fault if not self._fault.ok else Health(ok=False, code="not-listening")
        heard = self._intake.health()
        if heard.ok and (lost := self._scene.lacks()):
            return Health(ok=False, code="place-missing", detail=lost)
        return heard
