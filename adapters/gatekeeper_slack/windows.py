"""Windows: opens modals, keeps the Home tab, and gives the desk what people send in them."""

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal

from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.windows import Filled, Window
from gatekeeper.ports import Clock, FrontDesk
from gatekeeper_slack import cards, events, home, modals
from gatekeeper_slack.api import Api
from gatekeeper_slack.blocks import Block
from gatekeeper_slack.scene import NAME, Scene

log = logging.getLogger(__name__)

Act = Literal[
    "apply",
    "edit",
    "draft",
    "withdraw",
    "away",
    "back",
    "answer",
    "link",
    "vouch",
    "listed",
    "unlisted",
]
_ACTS: Final[Mapping[str, Act]] = {
    modals.APPLY: "apply",
    modals.EDIT: "edit",
    modals.ANSWER: "answer",
    modals.AWAY: "away",
    modals.VOUCH: "vouch",
}
_AT_ONCE: Final[Mapping[str, Act]] = {
    "withdraw": "withdraw",
    "back": "back",
    "link": "link",
    "listed": "listed",
    "unlisted": "unlisted",
}
_FORMS: Final = frozenset({modals.APPLY, modals.EDIT})
_VOUCHES: Final = frozenset({"gk:vouch", "vouch"})
# A command's words that open something; all others are said to us as if they were written.
_WORDS: Final[Mapping[str, Act]] = {
    "apply": "apply",
    "join": "apply",
    "bewerben": "apply",
    "edit": "edit",
    "ändern": "edit",
    "away": "away",
    "weg": "away",
    "abwesend": "away",
}
_SHORTCUTS: Final[Mapping[str, Act]] = {
    "gk:apply": "apply",
    "apply": "apply",
    "gk:away": "away",
    "away": "away",
}


class Windows:
    """What `Screens` asks, for one workspace and one desk."""

    def __init__(self, api: Api, desk: FrontDesk, scene: Scene, clock: Clock) -> None:
        self._api, self._desk, self._scene, self._clock = api, desk, scene, clock

    async def command(self, who: Identity, command: str, text: str, trigger: str) -> bool:
        """A word alone opens a window; without any it is the form, for who may apply."""
        word = text.strip().lower()
        window = await self._desk.window(who)
        act = _WORDS.get(word, "apply" if not word and "apply" in window.may else None)
        if act is None or act not in window.may:
            return False
        await self._open(who, window, act, trigger)
        return True

    async def shortcut(self, who: Identity, callback: str, payload: Mapping[str, Any]) -> bool:
        """A global shortcut opens what it is named after, as far as it may be now; one on a
        message vouches for its author."""
        if callback in _VOUCHES:
            return await self._vouch(who, payload)
        act = _SHORTCUTS.get(callback)
        if act is None:
            return False
        window = await self._desk.window(who)
        if act == "apply" and "edit" in window.may:
            act = "edit"
        await self._open(who, window, act, str(payload.get("trigger_id", "")))
        return True

    async def _vouch(self, who: Identity, payload: Mapping[str, Any]) -> bool:
        raw = payload.get("message")
        message = raw if isinstance(raw, Mapping) else {}
        team = str(message.get("user_team") or message.get("team") or self._scene.team)
        account = modals.about({"private_metadata": f"{team}:{message.get('user')}"})
        window, say = await self._desk.window(who), self._desk.say
        if account:
            view = modals.vouching(account, say, window)
        else:
            said = say("window.no-applicant", None, window.language)
            view = modals.told(window.club, [said], say, window.language)
        trigger = str(payload.get("trigger_id", ""))
        await self._api.call("views.open", trigger_id=trigger, view=view)
        return True

    async def pressed(self, who: Identity, payload: Mapping[str, Any]) -> bool:
        """A button of the Home tab, or the one that opens a whole card."""
        action = _first(payload.get("actions"))
        name, trigger = str(action.get("action_id")), str(payload.get("trigger_id", ""))
        if name == modals.INPUT:
            await self._note(who, payload.get("view"))
            return True
        if name == cards.OPEN:
            return await self._whole(who, payload, trigger)
        if not name.startswith(home.ACTION):
            return False
        act = name.removeprefix(home.ACTION)
        window = await self._desk.window(who)
        if act == "answer":
            asked = dict(window.asked)
            number = _number(action.get("value"))
            if number in asked:
                say, language = self._desk.say, window.language
                view = modals.question(number, asked[number], say, language, window.club)
                await self._api.call("views.open", trigger_id=trigger, view=view)
        elif act in ("apply", "edit", "away"):
            await self._open(who, window, _WORDS[act], trigger)
        elif act in _AT_ONCE:
            mark = f"{act}:{who.account}:{action.get('action_ts')}"
            filled = Filled(who=who, at=self._clock.now(), event_id=mark[:200], act=_AT_ONCE[act])
            taken = await self._desk.take(filled)
            view = modals.told(window.club, [taken.said], self._desk.say, window.language)
            await self._api.call("views.open", trigger_id=trigger, view=view)
            await self.home(who)
        else:
            return False
        return True

    async def _note(self, who: Identity, view: object) -> None:
        """Something in a form was changed: what stands in all of it is kept for the next time."""
        if isinstance(view, Mapping) and view.get("callback_id") in _FORMS:
            window = await self._desk.window(who)
            await self._desk.take(self._filled(who, "draft", view, window))

    async def _whole(self, who: Identity, payload: Mapping[str, Any], trigger: str) -> bool:
        """A card with everything, for whoever may decide on it."""
        container = payload.get("container")
        where = container if isinstance(container, Mapping) else {}
        ref = events.ref(str(where.get("channel_id")), str(where.get("message_ts")))
        card = await self._desk.whole(who, ref)
        if card is None:
            return False
        view = modals.whole(card, self._desk.say, "")
        await self._api.call("views.open", trigger_id=trigger, view=view)
        return True

    async def submitted(self, who: Identity, view: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What was sent: taken in, or told at its fields what is wrong."""
        act = _ACTS.get(str(view.get("callback_id")))
        if act is None:
            log.info("slack-unknown view %s", str(view.get("callback_id"))[:80])
            return None
        window = await self._desk.window(who)
        language, say = window.language, self._desk.say
        form = act in ("apply", "edit")
        following = modals.following(window, view, say) if form else None
        try:
            if following is not None:
                return await self._next(who, view, window, following)
            taken = await self._desk.take(self._filled(who, act, view, window))
        except GatekeeperError as error:
            log.warning("slack-form-waits %s", error.code)
            return _shown(window, say("slack.try-later", None, language), self._desk)
        if taken.problems:
            at_fields = modals.errors(view, taken.problems)
            if len(at_fields) == len(taken.problems):
                return {"response_action": "errors", "errors": at_fields}
            return _shown(window, say("slack.form-changed", None, language), self._desk)
        await self._quietly(who)
        return _shown(window, taken.said, self._desk)

    async def _next(
        self, who: Identity, view: Mapping[str, Any], window: Window, step: int
    ) -> Mapping[str, Any]:
        """Keep one step of a form, and show the next, unless something is wrong in this one."""
        taken = await self._desk.take(self._filled(who, "draft", view, window))
        if here := modals.errors(view, taken.problems):
            return {"response_action": "errors", "errors": here}
        window, editing = await self._desk.window(who), view.get("callback_id") == modals.EDIT
        shown = modals.form(window, self._desk.say, editing=editing, step=step)
        return {"response_action": "update", "view": shown}

    def waiting(self) -> Mapping[str, Any]:
        """The window says that it takes a while: closed, it would look as if all were well."""
        say = self._desk.say
        view = modals.told(
            say("slack.moment", None, ""), [say("slack.takes-long", None, "")], say, ""
        )
        return {"response_action": "update", "view": view}

    async def late(self, who: Identity, view: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Where something is wrong, the form opens anew with what stood in it."""
        shown = answer.get("view")
        if answer.get("response_action") == "errors":
            window, say = await self._desk.window(who), self._desk.say
            await self._note(who, view)
            wrong = [*answer["errors"].values(), say("slack.open-anew", None, window.language)]
            shown = modals.told(window.club, wrong, say, window.language)
        await self._api.call("views.update", view_id=str(view.get("id")), view=shown)

    async def closed(self, who: Identity, view: Mapping[str, Any]) -> None:
        """Slack tells no values here; what was told before is kept."""

    async def home(self, who: Identity) -> None:
        """Show the Home tab as it is now."""
        window = await self._desk.window(who)
        user = who.account.rpartition(":")[2]
        view = home.view(window, self._desk.say)
        await self._api.call("views.publish", user_id=user, view=view)

    async def _open(self, who: Identity, window: Window, act: Act, trigger: str) -> None:
        say = self._desk.say
        if act not in window.may:
            view: Block = modals.told(
                window.club, [window.headline, *window.sentences], say, window.language
            )
        elif act == "away":
            view = modals.away(window, say)
        else:
            view = modals.form(window, say, editing=act == "edit")
        await self._api.call("views.open", trigger_id=trigger, view=view)

    def _filled(self, who: Identity, act: Act, view: Mapping[str, Any], window: Window) -> Filled:
        """What was sent, named by its view: sent twice it is the same."""
        about, given = modals.about(view), dict[str, str | list[str]]()
        if act == "draft":
            given = modals.filled(view, window.fields)
        elif act in ("apply", "edit"):
            given = modals.answers(view, window.fields)
        return Filled(
            who=who,
            at=self._clock.now(),
            event_id=f"view:{who.account}:{view.get('id')}"[:200],
            act=act,
            answers=given,
            until=modals.until(view),
            text=modals.written(view),
            asked=modals.asked(view) if act == "answer" else 0,
            about=Identity(NAME, about) if about else None,
        )

    async def _quietly(self, who: Identity) -> None:
        """The Home tab after something was taken in; that it did not show loses nothing."""
        try:
            await self.home(who)
        except GatekeeperError as error:
            log.info("slack-home-waits %s", error.code)


def _shown(window: Window, text: str, desk: FrontDesk) -> Mapping[str, Any]:
    view = modals.told(window.club, [text], desk.say, window.language)
    return {"response_action": "update", "view": view}


def _first(several: object) -> Mapping[str, Any]:
    first = several[0] if isinstance(several, list) and several else None
    return first if isinstance(first, Mapping) else {}


def _number(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 19 else 0
