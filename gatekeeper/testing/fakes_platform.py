"""FakePlatform: a club in memory that behaves like a real one, with failures to order.

It keeps all that ever happened in `history`, as a homeserver does: what a desk has not committed is
told again, under the same id, by the next `start`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gatekeeper.domain import events
from gatekeeper.domain.decisions import (
    Action,
    Admit,
    Bring,
    EndAccount,
    Mend,
    Post,
    Receipt,
    Remove,
    Retract,
    ShowCard,
    Tell,
)
from gatekeeper.domain.errors import BadInput, PlatformBusy, PlatformDown, PlatformRefused
from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import Holder, PlaceRule, Present, Rule
from gatekeeper.ports import Check, Clock, FrontDesk, Guest, Health, Profile, Standing, Survey
from gatekeeper.testing.fakes_people import ADMINS, SPACE, Account, DoorShut, FakePeople, Message

__all__ = ["ADMINS", "SPACE", "DoorShut", "FakePlatform", "Message"]


class FakePlatform(FakePeople):
    """An in-memory Platform, and (from FakePeople) the hands of all people on it.

    Failures to order: `down`, `lost`, `busy`, `refuse`, `lose_answers`, `break_off`.
    """

    def __init__(
        self, clock: Clock, name: str = "matrix", rooms: Sequence[str] = ("lobby", "talk")
    ) -> None:
        super().__init__(clock, name, rooms)
        self.performed: list[tuple[str, Action]] = []  # all that took effect, by key
        self.down = False
        self.lost: set[str] = set()  # of SPACE and ADMINS: gone, or we are out of it
        self.unseen: dict[str, str] = {}  # places that a survey cannot look at, by order
        self.rules: dict[tuple[str, Rule], PlaceRule] = {}  # see `bend`
        self._busy: list[PlatformBusy] = []
        self._refused: dict[str, str] = {}
        self._lost = 0
        self._losing: type[object] = object
        self._breaking = 0
        self.brings = ""  # the way by which a Bring invites, "" for by hand
        self.ended: set[str] = set()  # accounts that were ended
        self.addresses: dict[str, Identity] = {}  # whose account has an address
        self._sent: dict[str, str] = {}  # key to ref

    # ---- failures to order -----------------------------------------------------------------

    def busy(self, seconds: float, limiters: tuple[str, ...] = ("send",), times: int = 1) -> None:
        """The next `times` actions are asked to wait."""
        error = PlatformBusy(self.name, timedelta(seconds=seconds), limiters)
        self._busy.extend([error] * times)

    def refuse(self, who: Identity, reason: str) -> None:
        """Every action on `who` is a final no from now on; "" lifts it."""
        self._refused[who.account] = reason

    def bend(self, place: str, rule: Rule, found: str, wanted: str, mendable: bool = True) -> None:
        """A person changes a rule of a place."""
        bent = PlaceRule(place=place, rule=rule, found=found, wanted=wanted, mendable=mendable)
        self.rules[(place, rule)] = bent

    def lose_answers(self, times: int = 1, kind: type[object] = object) -> None:
        """The next `times` actions of a kind take effect, but their answer does not arrive."""
        self._lost, self._losing = times, kind

    def break_off(self, times: int = 1) -> None:
        """The next `times` removals come as far as the rooms; then the platform is away."""
        self._breaking = times

    # ---- Platform --------------------------------------------------------------------------

    async def start(self, desk: FrontDesk) -> None:
        """Listen: from the desk's position; without one what was before is not told."""
        position = await desk.position(self.name)
        self._desk = desk
        await desk.blind(self.name, {})
        if position:
            self._told = int(position)
            await self.deliver()
            return
        self._told = len(self.history)
        await desk.observe(self.name, [], str(self._told), after_gap=True)
        waiting = [who for who, them in self.people.items() if them.places.get(SPACE) == "knock"]
        for event in list(self.history):
            if isinstance(event, events.Knocked) and event.who.account in waiting:
                await desk.handle(event)

    async def connect(self) -> None:
        """Log in without listening."""
        self._look()

    async def stop(self) -> None:
        """Stop listening; what happens meanwhile is told by the next `start`."""
        self._desk = None

    async def perform(self, action: Action, key: str, ordered_at: datetime) -> Receipt:
        """Carry out one Action; see Platform.perform."""
        self._look()
        if self._busy:
            raise self._busy.pop(0)
        who = getattr(action, "who", None)
        if who is not None and (reason := self._refused.get(who.account, "")):
            raise PlatformRefused(self.name, reason)
        receipt = await self._act(action, key)
        if receipt.changed:
            self.performed.append((key, action))
        if not self._teller.locked():  # the desk may act on us while it takes an event in
            await self.deliver()
        if self._lost and isinstance(action, self._losing):
            self._lost -= 1
            raise PlatformDown(self.name, "the answer was lost")
        return receipt

    async def _act(self, action: Action, key: str) -> Receipt:
        match action:
            case Admit():
                return self._admit(action)
            case Retract():
                return self._retract(action)
            case Remove():
                return self._remove(action)
            case Tell():
                return self._say(action, key)
            case Post():
                message = Message(
                    ref="",
                    place=action.place,
                    text=action.text,
                    choices=action.choices,
                    thread=action.thread,
                )
                return self._send(message, key)
            case ShowCard():
                return self._show(action, key)
            case Mend():
                return self._receipt(self.rules.pop((action.place, action.rule), None) is not None)
            case Bring(who=who, look=look):
                return self._bring(who.account, look=look)
            case EndAccount(who=who):
                known = who.account in self.ended
                self.ended.add(who.account)
                return self._receipt(not known)

    def _bring(self, address: str, *, look: bool) -> Receipt:
        known = self.addresses.get(address)
        way = "" if look or known is not None else self.brings
        return Receipt(changed=bool(way), at=self.clock.now(), ref=way, account=known)

    def _admit(self, action: Admit) -> Receipt:
        account = self._account(action.who)
        places = account.places
        if action.rooms:
            taken = account.taken if places.get(SPACE) == "join" else set()
            places.update(dict.fromkeys(taken.difference(places), "invite"))
            account.taken = set()
            return self._receipt(bool(taken))
        if places.get(SPACE) == "ban":
            raise PlatformRefused(self.name, "banned")
        if action.who.account in self.ended:
            if not action.reopen:
                raise PlatformRefused(self.name, "account-closed")
            self.ended.discard(action.who.account)
        if places.get(SPACE) in ("join", "invite"):
            return self._receipt(False)
        places[SPACE], self._account(action.who).invited_by = "invite", self.bot
        return self._receipt(True)

    def _retract(self, action: Retract) -> Receipt:
        account = self._account(action.who)
        state = account.places.get(SPACE)
        if state != "knock" and (state != "invite" or account.invited_by != self.bot):
            return self._receipt(False)
        account.places.pop(SPACE)
        self._put_out(action.who, action.reason, inside=False)
        return self._receipt(True)

    def _remove(self, action: Remove) -> Receipt:
        account = self._account(action.who)
        if account.power > 100:  # a creator; we are one ourselves, so 100 is below us
            raise PlatformRefused(self.name, "no-power")
        there = {place for place, state in account.places.items() if state in ("join", "invite")}
        if not there:
            return self._receipt(False)
        inside = account.places.get(SPACE) == "join"
        if action.stay_in:
            return self._to_guests(account, action.stay_in) if inside else self._receipt(False)
        if self._breaking and inside:
            self._breaking -= 1
            self._to_guests(account, SPACE)
            raise PlatformDown(self.name, "broken off")
        account.places = {p: s for p, s in account.places.items() if p not in there}
        self._put_out(action.who, action.reason, inside)
        return self._receipt(True)

    def _to_guests(self, account: Account, room: str) -> Receipt:
        """Out of the club's rooms but `room`, into which they are invited."""
        rooms = {*self.rooms, "welcome"} - {room}
        there = {p for p, s in account.places.items() if p in rooms and s in ("join", "invite")}
        changed = bool(there) or room not in account.places
        account.places = {p: s for p, s in account.places.items() if p not in there}
        account.places.setdefault(room, "invite")
        account.taken |= there
        return self._receipt(changed)

    def _put_out(self, who: Identity, reason: str, inside: bool = True) -> None:
        event = events.PutOut(**self._stamp(who), by=self.bot, reason=reason, inside=inside)
        self.history.append(event)

    def _say(self, action: Tell, key: str) -> Receipt:
        account = self._account(action.who)
        if key in self._sent:
            return self._receipt(False, self._sent[key])
        if action.room:
            return self._send(Message(ref="", place=action.room, text=action.text), key)
        if account.chat in ("", "leave") and key not in account.invited_for:
            account.chat = "invite"
            account.invited_for.add(key)
            if account.takes_chats:
                account.chat = "join"
                self.history.append(events.ChatTaken(**self._stamp(action.who)))
        if account.chat != "join":
            return replace(self._receipt(False), waiting=True)
        message = Message(
            ref="",
            place="direct",
            to=action.who.account,
            text=action.text,
            links=action.links,
            choices=action.choices,
        )
        return self._send(message, key)

    def _send(self, message: Message, key: str) -> Receipt:
        known = ("direct", ADMINS, "welcome", *self.rooms)
        if message.place not in known and not message.place.startswith("!"):
            raise PlatformRefused(self.name, "no-such-room", message.place)
        if key in self._sent:
            return self._receipt(False, self._sent[key])
        message.ref = f"${next(self._numbers)}"
        self.messages[message.ref] = message
        self._sent[key] = message.ref
        return self._receipt(True, message.ref)

    def _show(self, action: ShowCard, key: str) -> Receipt:
        if not action.ref:
            message = Message(ref="", place=action.place, card=action.card)
            message.text, message.choices = action.card.title, action.card.choices
            return self._send(message, key)
        if action.ref not in self.messages:
            raise PlatformRefused(self.name, "other", f"no card {action.ref}")
        if key in self._sent:
            return self._receipt(False, action.ref)
        self._sent[key] = action.ref
        message = self.messages[action.ref]
        message.card, message.text = action.card, action.card.title
        message.choices, message.updates = action.card.choices, message.updates + 1
        return self._receipt(True, action.ref)

    def limiters(self, action: Action) -> tuple[str, ...]:
        """The names of the limiters that `action` draws on."""
        match action:
            case Admit(who=who):
                return ("send", f"invite:room:{SPACE}", "invite:issuer", f"invite:to:{who.account}")
            case Tell(who=who, room="") if self._chat_of(who) in ("", "leave"):
                return ("send", "create", "invite:issuer", f"invite:to:{who.account}")
            case _:
                return ("send",)

    def _chat_of(self, who: Identity) -> str:
        return self.people[who.account].chat if who.account in self.people else ""

    async def standing(self, who: Identity) -> Standing:
        """How `who` stands now."""
        self._look(needs_places=True)
        account = self.people.get(who.account, Account(name=""))
        state = account.places.get(SPACE, "")
        in_room = account.places.get(ADMINS) == "join"
        return Standing(
            inside=state == "join",
            invited=state == "invite",
            knocking=state == "knock",
            banned=state == "ban",
            in_admin_room=in_room,
            power=account.power if in_room else -1,
            groups=account.groups,
        )

    async def members(self) -> tuple[Guest, ...]:
        """Everyone inside."""
        self._look(needs_places=True)
        return self._guests(SPACE)

    async def admins(self) -> tuple[Guest, ...]:
        """Everyone in the admins' room."""
        self._look(needs_places=True)
        return self._guests(ADMINS)

    async def survey(self) -> Survey:
        """Members, people in a room only, rules that were bent, and who has power."""
        members = await self.members()
        inside = {guest.identity.account for guest in members}
        only = [
            Present(identity=Identity(self.name, who), name=account.name, place=place)
            for who, account in self.people.items()
            for place in [one for one, state in account.places.items() if state == "join"][:1]
            if who not in inside
        ]
        holders = [
            Holder(identity=Identity(self.name, who), place=SPACE, power=account.power)
            for who, account in self.people.items()
            if account.power >= 50
        ]
        return Survey(
            members=members,
            only=tuple(only),
            rules=tuple(self.rules.values()),
            holders=tuple(holders),
            unseen=dict(self.unseen),
        )

    def _guests(self, place: str) -> tuple[Guest, ...]:
        return tuple(
            Guest(
                identity=Identity(self.name, who),
                name=account.name,
                bot=account.bot,
                power=account.power if account.places.get(ADMINS) == "join" else -1,
                groups=account.groups,
            )
            for who, account in self.people.items()
            if account.places.get(place) == "join"
        )

    async def profile(self, who: Identity) -> Profile:
        """What the fake tells of an account."""
        self._look()
        account = self._account(who)
        return Profile(name=account.name, created_at=account.created_at, bot=account.bot)

    def parse_identity(self, text: str) -> Identity:
        """An `@name:server`; BadInput for anything else."""
        account = text.strip()
        if not re.fullmatch(r"@[^\s:]+:[^\s:]+", account) or len(account) > 255:
            raise BadInput({"identity": "not-an-identity"})
        return Identity(self.name, account)

    async def examine(self) -> tuple[Check, ...]:
        """One line: whether it is reachable."""
        return (Check(not self.down, "homeserver-down" if self.down else "homeserver-up", {}),)

    def health(self) -> Health:
        """Whether someone listens and nothing is `down`."""
        if self.down:
            return Health(ok=False, code="homeserver-down")
        if self.lost:
            return Health(ok=False, code="place-missing", detail=", ".join(sorted(self.lost)))
        return Health(ok=self._desk is not None, code="" if self._desk else "not-listening")

    def _look(self, needs_places: bool = False) -> None:
        if self.down:
            raise PlatformDown(self.name, "down by order")
        if needs_places and self.lost:
            raise PlatformDown(self.name, f"lost by order: {', '.join(sorted(self.lost))}")

    def _receipt(self, changed: bool, ref: str = "") -> Receipt:
        return Receipt(changed=changed, at=self.clock.now(), ref=ref)
