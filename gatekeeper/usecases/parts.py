"""What every use case is given, and the few things that all of them do."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatekeeper.domain.clubs import ClubState, Handled, PolicyVersion
from gatekeeper.domain.decisions import (
    Action,
    Choice,
    Decision,
    Entry,
    Lane,
    Link,
    Order,
    Progress,
    Tell,
)
from gatekeeper.domain.errors import NotFound, Value
from gatekeeper.domain.events import Happening
from gatekeeper.domain.identity import EMAIL, Account, ClubId, Identity, Person
from gatekeeper.policy import texts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Carrier, Clock, Platform, Store, Tx

NAME_LETTERS = 100


def _nobody(_policy: Policy) -> None:
    """Until somebody wants to be told of a new version."""


class Shelf:
    """The policy in force, and earlier versions by their digest, compiled once.

    `changed` is called with the version that takes the place of another, in that very moment.
    """

    def __init__(self, policy: Policy) -> None:
        self.current = policy
        self.changed: Callable[[Policy], None] = _nobody
        self._known = {policy.digest: policy}

    async def at(self, tx: Tx, digest: str) -> Policy:
        """The version that a running case was frozen with; the one in force for ""."""
        if not digest:
            return self.current
        if digest not in self._known:
            version = await tx.first(PolicyVersion, digest=digest)
            if version is None:
                raise NotFound(kind="policy", id=digest[:12])
            self._known[digest] = load_policy(version.text, f"{digest[:12]}.yaml")
        return self._known[digest]

    async def keep(self, tx: Tx, policy: Policy) -> None:
        """Keep the text of a checked version for ever."""
        self.know(policy)
        if await tx.first(PolicyVersion, digest=policy.digest) is None:
            await tx.add(PolicyVersion(club=tx.club, digest=policy.digest, text=policy.text))

    def know(self, policy: Policy) -> None:
        """Spare the next one who asks for this version its compilation."""
        self._known[policy.digest] = policy

    @contextmanager
    def swapping(self) -> Iterator[None]:
        """Around the transaction at whose end `use` is called: what is not committed, is undone.

        Inside it nobody else writes, so that nobody decides by one version and names another.
        """
        before = self.current
        try:
            yield
        except BaseException:
            self.use(before)
            raise

    def use(self, policy: Policy) -> None:
        """From now on this version decides here, as the tables say."""
        self.know(policy)
        before, self.current = self.current, policy
        if before.digest != policy.digest:
            self.changed(policy)

    async def put(self, tx: Tx, policy: Policy) -> None:
        """Put a checked version in force at once; `versions` weighs and tells first."""
        await self.keep(tx, policy)
        state = await club_state(tx)
        if state.policy != policy.digest:
            await tx.change(state, policy=policy.digest)
        self.use(policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one club, joined by `wire`.

    Attributes:
        base_url: where the web pages stand, without a slash at the end.
        secret: key for the digests of passes and codes; never leaves the process.
        mailer: sends letters; None where no mail server is set.
    """

    club: ClubId
    store: Store
    platforms: Mapping[str, Platform]
    shelf: Shelf
    clock: Clock
    base_url: str
    secret: bytes
    mailer: Carrier | None = None

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.shelf.current

    @property
    def admin_platform(self) -> str:
        """The platform in whose admins' room cards stand: the first of the club's."""
        if self.platforms:
            return next(iter(self.platforms))
        return next(name for name, place in self.policy.club.spec.platforms if place is not None)

    def platform(self, who: Identity) -> Platform:
        """The platform of an identity."""
        return self.platforms[who.platform]

    def say(self, code: str, values: Mapping[str, Value] | None = None, language: str = "") -> str:
        """The sentence for `code`, in the club's words and the reader's language."""
        return self.policy.say(code, values, language)

    def remedy(self, code: str) -> str:
        """What to do about `code`, in the club's language; "" where nothing is known."""
        return texts.remedy(code, {}, self.policy.club.spec.language)


async def club_state(tx: Tx) -> ClubState:
    """The club's one row; a transaction makes it when it is missing."""
    state = await tx.first(ClubState)
    if state is None:
        raise LookupError(f"no row for club {tx.club}")
    return state


async def order(
    tx: Tx,
    action: Action,
    *,
    platform: str,
    key: str,
    purpose: str,
    subject: str,
    lane: Lane,
    now: datetime,
    even_paused: bool = False,
    due_at: datetime | None = None,
) -> Order:
    """Put an Action into the outbox; with a key that is there already, the Order that is."""
    there = await tx.first(Order, key=key)
    if there is not None:
        return there
    return await tx.add(
        Order(
            club=tx.club,
            platform=platform,
            action=action,
            key=key,
            purpose=purpose,
            subject=subject,
            lane=lane,
            progress=Progress.DUE,
            due_at=due_at or now,
            created_at=now,
            even_paused=even_paused,
        )
    )


async def cancel(tx: Tx, subject: str, purposes: Collection[str], reason: str) -> None:
    """Take back what is still on its way about a subject; `reason` is a code."""
    for pending in await tx.find(
        Order,
        subject=subject,
        purpose__in=tuple(purposes),
        progress__in=(Progress.DUE, Progress.WAITING),
    ):
        await tx.change(pending, progress=Progress.CANCELLED, reason=reason)


async def record(
    tx: Tx,
    parts: Parts,
    decision: Decision,
    *,
    now: datetime,
    actor: str,
    subject: str,
    policy: str = "",
    seen: Mapping[str, Any] | None = None,
    language: str = "",
) -> Entry:
    """Append a Decision to the record, with the sentence as people were told it.

    The record is kept for ever, so people stand in it by number: `person:<id>` in place of an
    account, here and in `actor`s of several.
    """
    return await tx.record(
        decision,
        at=now,
        actor=", ".join([await by_number(tx, parts, one, now) for one in actor.split(", ")]),
        subject=subject,
        sentence=parts.say(decision.code, decision.values, language),
        policy=policy or parts.policy.digest,
        seen=seen,
    )


async def by_number(tx: Tx, parts: Parts, actor: str, now: datetime) -> str:
    """Who did something, as rows keep it: `person:<id>` in place of an account.

    `naming.said_by` gives the name to show; once they are erased there is only the number.
    """
    kind = actor.partition(":")[0]
    if kind not in {*parts.platforms, EMAIL}:  # schedule, rule:<id>, operator:<name>
        return actor
    account = await account_of(tx, Identity.parse(actor), "", now)
    return f"person:{account.person_id}"


async def account_of(tx: Tx, identity: Identity, name: str, now: datetime) -> Account:
    """The Account of an Identity, made with its Person when we meet it for the first time.

    A name is one line: more of them would stand among ours on a card.
    """
    name = " ".join(name.split())[:NAME_LETTERS]
    known = await tx.first(Account, identity=identity)
    if known is not None:
        return known if known.name == name or not name else await tx.change(known, name=name)
    person = await tx.add(Person(club=tx.club, name=name or identity.account))
    return await tx.add(
        Account(
            club=tx.club,
            person_id=person.id,
            identity=identity,
            name=name or identity.account,
            first_seen_at=now,
        )
    )


async def once(tx: Tx, event: Happening, now: datetime) -> bool:
    """Whether an event is told for the first time; it is marked as taken in with this."""
    platform = event.who.platform
    if await tx.first(Handled, platform=platform, event_id=event.event_id) is not None:
        return False
    await tx.add(Handled(club=tx.club, platform=platform, event_id=event.event_id, at=now))
    return True


async def tell(
    tx: Tx,
    parts: Parts,
    who: Identity,
    text: str,
    *,
    key: str,
    purpose: str,
    subject: str,
    now: datetime,
    lane: Lane = Lane.ANSWER,
    links: tuple[Link, ...] = (),
    choices: tuple[Choice, ...] = (),
    room: str = "",
    aside: str = "",
    even_paused: bool = False,
) -> Order:
    """Order a message to one person's direct chat, or to the `room` in which they wrote to us; see
    Tell for `aside`."""
    return await order(
        tx,
        Tell(who=who, text=text, links=links, choices=choices, room=room, aside=aside),
        platform=who.platform,
        key=key,
        purpose=purpose,
        subject=subject,
        lane=lane,
        now=now,
        even_paused=even_paused,
    )
