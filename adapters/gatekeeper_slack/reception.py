"""Takes in one payload, by whatever line it came: keep what decides, answer within three seconds.

An event that is not kept in time is answered "not now", so that Slack tells it again even if we
die meanwhile; we go on with it all the same. A press comes only once: it is always answered.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from gatekeeper.domain.activity import Sign
from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.domain.events import Arrived, Departed, Event, Joined, Pressed
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Clock, FrontDesk
from gatekeeper_slack import events
from gatekeeper_slack.heard import NOTHING, Access, Back, Changed, Heard, Home, Lost, Out, Revoked
from gatekeeper_slack.patience import back_off, passing
from gatekeeper_slack.requests import Reply
from gatekeeper_slack.scene import NAME, Scene
from gatekeeper_slack.screens import Looks, Screens
from gatekeeper_slack.sight import Sight
from gatekeeper_slack.told import Told

log = logging.getLogger(__name__)

ACK: Final = 2.5  # seconds in which we answer; Slack waits three
_WAITING: Final = 1_000  # things taken in at a time; beyond, Slack is asked to come again
_TRIES: Final = 5  # of an event that fails, but not for storage's or Slack's sake
_OURS: Final = timedelta(minutes=5)  # between our taking somebody out and Slack's time of it
_BUSY: Final = Reply(503, {"error": "slack-not-now"})
_DONE: Final = Reply()


Login = Callable[[Revoked | Access], Awaitable[None]]


class Stopped(Exception):
    """We were asked to stop; what is not kept comes again."""


@dataclass(slots=True)
class Reception:
    """Takes in what reaches one workspace's club.

    Attributes:
        login: told of what became of the login, where that is not a token in the settings.
        revoked: code of why nothing more is to be expected, "" while all is well.
        poison: an event that was passed over, and when.
    """

    scene: Scene
    desk: FrontDesk
    clock: Clock
    sight: Sight
    looks: Looks
    screens: Screens | None = None
    within: float = ACK
    login: Login | None = None
    revoked: str = ""
    poison: tuple[str, datetime] | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _told: Told = field(default_factory=Told)
    _tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    _turns: "WeakValueDictionary[Identity, asyncio.Lock]" = field(
        default_factory=WeakValueDictionary
    )

    async def take(self, payload: Mapping[str, Any]) -> Reply:
        """Take in one payload; the answer is there within three seconds, whatever happens."""
        try:
            return await self._taken(payload)
        except Exception as error:
            self._fault(error)
            return _DONE

    async def _taken(self, payload: Mapping[str, Any]) -> Reply:
        kind = str(payload.get("type", ""))
        if kind == "url_verification":
            return Reply(body={"challenge": str(payload.get("challenge", ""))[:1_000]})
        if "ssl_check" in payload:
            return _DONE
        if not events.of_team(self.scene, payload):
            log.warning("slack-foreign-team %s", kind[:40] or "command")
            return _DONE
        if kind in ("event_callback", "app_rate_limited"):
            return await self._event(payload)
        return await self._interaction(kind, payload)

    def begin(self) -> None:
        """Take things in, perhaps again after a stop."""
        self.stopping.clear()
        self.revoked = ""

    async def stop(self, seconds: float) -> None:
        """Let what is being taken in come to its end, for so long."""
        self.stopping.set()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- events --------------------------------------------------------------------------------

    async def _event(self, payload: Mapping[str, Any]) -> Reply:
        now = self.clock.now()
        number = str(payload.get("event_id") or payload.get("minute_rate_limited") or "")
        key = str(payload.get("team_id", "")), number
        known = self._told.of(key, now)
        if known is None:
            if len(self._tasks) >= _WAITING:
                log.warning("slack-too-many waiting: %d", len(self._tasks))
                return _BUSY
            self._hear_ourselves(payload, now)
            heard = events.heard(self.scene, payload, now)
            if heard == NOTHING:
                return _DONE
            known = self._go(self._keep(heard))
            self._told.note(key, known, now)
        await asyncio.wait({known}, timeout=self.within)
        if not known.done():
            log.warning("slack-not-now %s", number)
            return _BUSY
        if _stopped(known):
            self._told.drop(key)
            return _BUSY
        return _DONE

    def _hear_ourselves(self, payload: Mapping[str, Any], now: datetime) -> None:
        """Our own messages come back to us, too: by that we know that we hear."""
        raw = payload.get("event")
        if isinstance(raw, dict) and raw.get("user") == self.scene.bot:
            self.sight.came(events.ref(str(raw.get("channel")), str(raw.get("ts"))))
        if self.sight.deaf_since(now):
            self._go(self._insist(lambda: self.sight.heard_again(now), "heard-again"))

    async def _keep(self, heard: Heard) -> None:
        """Give the desk what one event means, in the order of its person."""
        if heard.sign is not None:
            await self._observe(heard.sign)
        if heard.change is not None:
            await self._change(heard)
        if heard.event is not None:
            event = heard.event
            if isinstance(event, Pressed):  # Slack tells it once, and waits for our answer
                await self._insist(lambda: self.desk.keep(event), event.event_id)
                return
            async with self._turns.setdefault(event.who, asyncio.Lock()):
                await self._insist(lambda: self._tell(event), event.event_id)

    async def _observe(self, sign: Sign) -> None:
        """A sign stays in the desk's memory even where it cannot be written now."""
        position = self.clock.now().isoformat()
        try:
            await self.desk.observe(NAME, [sign], position)
        except Exception as error:
            log.warning("slack-sign-waits %s", type(error).__name__)

    async def _change(self, heard: Heard) -> None:
        change = heard.change
        match change:
            case Out() | Back():
                await self._insist(lambda: self.sight.change(change), "place")
            case Lost(start, end):
                log.warning("slack-rate-limited from %s", start.isoformat())
                await self._insist(lambda: self.desk.missed(NAME, "", start, end), "missed")
            case Revoked() | Access():
                await self._insist(lambda: self._login(change), "login")
            case Home(who) if self.screens is not None:
                await self._shown(self.screens.home(who), "home")
            case Changed(who, gone):
                if self.looks.changed is not None:
                    self.looks.changed(who)
                if gone:
                    await self._deactivated(who)
            case _:
                pass

    async def _login(self, change: Revoked | Access) -> None:
        """The login has ended, unless the one that we have now is another; or it is back."""
        if self.login is not None:
            await self.login(change)
        elif isinstance(change, Revoked):
            log.error("%s", change.why)
            self.revoked = change.why

    async def _deactivated(self, who: Identity) -> None:
        """An account that nobody can use is inside no more; Slack is asked before it is told."""
        at = self.clock.now()
        number = f"deactivated:{who.account}:{at.isoformat()}"
        event = Departed(who=who, at=at, event_id=number, unclear=True)
        if self.looks.inside is not None:
            async with self._turns.setdefault(who, asyncio.Lock()):
                await self._insist(lambda: self._tell(event), event.event_id)

    async def _tell(self, event: Event) -> None:
        """The desk takes an event; who came or went is looked at first, since Slack promises no
        order and tells of some things late. Of our own doing we know."""
        if isinstance(event, Departed):
            event = self._whose(event)
        looked = isinstance(event, Joined | Departed) and self.looks.inside is not None
        if looked and await self._inside(event.who) is not isinstance(event, Joined):
            log.info("slack-late %s", event.event_id)
            return
        if isinstance(event, Joined | Arrived) and self.looks.profile is not None:
            told = await self.looks.profile(event.who)
            if told.bot:
                return
            event = replace(event, name=told.name, email=told.email)
        if isinstance(event, Joined):
            self.scene.removed.pop(self._kept_as(event.who), None)
        await self.desk.handle(event)

    def _whose(self, event: Departed) -> Event:
        """Slack does not say who took somebody out: it was us, where we did so just then."""
        ours = self.scene.removed.get(self._kept_as(event.who))
        if ours is not None and abs(event.at - ours) <= _OURS:
            return events.by_us(self.scene, event)
        return event

    def _kept_as(self, who: Identity) -> tuple[str, str]:
        return self.scene.club, who.account.rpartition(":")[2]

    async def _inside(self, who: Identity) -> bool:
        return self.looks.inside is not None and await self.looks.inside(who)

    # ---- interactions --------------------------------------------------------------------------

    async def _interaction(self, kind: str, payload: Mapping[str, Any]) -> Reply:
        who = events.presser(self.scene, payload)
        if who is None:
            log.warning("slack-nobody %s", kind[:40] or "command")
            return _DONE
        if kind == "block_suggestion":
            return Reply(body={"options": []})
        if len(self._tasks) >= _WAITING:
            log.warning("slack-too-many waiting: %d", len(self._tasks))
            return _BUSY
        task = self._go(self._act(kind, who, payload))
        await asyncio.wait({task}, timeout=self.within)
        if not task.done():
            log.warning("slack-late-answer %s", kind[:40] or "command")
            if kind != "view_submission" or self.screens is None:
                return _DONE
            self._go(self._told_late(task, who, _view(payload)))
            return Reply(body=self.screens.waiting())
        if _stopped(task):
            return _BUSY  # Slack tells it to whoever waits; it comes no second time
        answer = task.result()
        return Reply(body=answer) if answer else _DONE

    async def _told_late(
        self, task: "asyncio.Task[Any]", who: Identity, view: Mapping[str, Any]
    ) -> None:
        """Let the window that waits say what became of what was sent."""
        await asyncio.wait({task})
        if self.screens is not None and not _stopped(task) and task.result():
            await self._shown(self.screens.late(who, view, task.result()), "late")

    async def _act(
        self, kind: str, who: Identity, payload: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        now, screens = self.clock.now(), self.screens
        if kind == "block_actions":
            await self._pressed(who, payload, now)
        elif not kind and payload.get("command"):
            await self._commanded(who, payload, now)
        elif kind in ("shortcut", "message_action", "view_submission"):
            await self._keep(events.acted(self.scene, payload, now))
            if screens is None:
                log.info("slack-unknown %s", kind)
            elif kind == "view_submission":
                told = await self._shown(screens.submitted(who, _view(payload)), kind)
                return told if isinstance(told, Mapping) else None
            else:
                callback = str(payload.get("callback_id", ""))
                await self._shown(screens.shortcut(who, callback, payload), kind)
        elif kind == "view_closed":
            if screens is not None:
                await self._shown(screens.closed(who, _view(payload)), kind)
        else:
            log.info("slack-unknown %s", kind[:40])
        return None

    async def _pressed(self, who: Identity, payload: Mapping[str, Any], now: datetime) -> None:
        actions = payload.get("actions")
        action = actions[0] if isinstance(actions, list) and actions else None
        if not isinstance(action, dict):
            log.warning("slack-empty-actions")
            return
        symbol = ""
        if "view" not in payload:
            symbol = self.looks.symbol(action)
            heard = events.pressed(self.scene, payload, symbol, now)
            if heard == NOTHING:
                log.warning("slack-press-refused by %s", who)
                return
        else:
            heard = events.acted(self.scene, payload, now)
        await self._keep(heard)
        if not symbol and self.screens is not None:
            if not await self._shown(self.screens.pressed(who, payload), "pressed"):
                log.info("slack-unknown action %s", str(action.get("action_id"))[:80])
        elif not symbol:
            log.info("slack-unknown action %s", str(action.get("action_id"))[:80])

    async def _commanded(self, who: Identity, payload: Mapping[str, Any], now: datetime) -> None:
        heard = events.commanded(self.scene, payload, now)
        if self.screens is not None and heard.sign is not None:
            words = str(payload.get("command", "")), str(payload.get("text", ""))
            trigger = str(payload.get("trigger_id", ""))
            if await self._shown(self.screens.command(who, *words, trigger), "command"):
                heard = Heard(sign=heard.sign)
        await self._keep(heard)

    async def _shown(self, doing: Awaitable[Any], what: str) -> Any:
        """What is only to be seen may fail: the record does not hang on it."""
        try:
            return await doing
        except Exception as error:
            detail = str(error) if isinstance(error, GatekeeperError) else ""
            log.warning("slack-screen-failed %s: %s %s", what, type(error).__name__, detail)
            return None

    # ---- going on ------------------------------------------------------------------------------

    def _go(self, doing: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(self._guarded(doing))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _guarded(self, doing: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await doing
        except Stopped:
            raise
        except Exception as error:
            self._fault(error)
            return None

    def _fault(self, error: Exception) -> None:
        """A fault of our own: passed over in one line, since it would fail a second time, too."""
        log.error("slack-intake-fault %s: %s", type(error).__name__, error)
        self.poison = type(error).__name__, self.clock.now()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # only Stopped, which nobody may await any more

    async def _insist(self, act: Callable[[], Awaitable[None]], what: str) -> None:
        """Again until it works; an event that fails by itself is passed over after some tries."""
        for attempt in itertools.count():
            try:
                await act()
                return
            except Exception as error:
                if not passing(error) and attempt + 1 >= _TRIES:
                    log.error("event-refused %s: %s: %s", what, type(error).__name__, error)
                    self.poison = f"{what}: {type(error).__name__}", self.clock.now()
                    return
                log.warning("intake-stuck at %s: %s", what, type(error).__name__)
            try:
                async with asyncio.timeout(back_off(attempt)):
                    await self.stopping.wait()
            except TimeoutError:
                continue
            raise Stopped


def _stopped(task: "asyncio.Task[Any]") -> bool:
    """Whether something was given up because we were asked to stop."""
    return task.cancelled() or isinstance(task.exception(), Stopped)


def _view(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    view = payload.get("view")
    return view if isinstance(view, dict) else {}
