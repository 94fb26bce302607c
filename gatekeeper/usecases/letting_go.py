"""A confirmed removal on every platform: its Orders, how far each is, and how it is taken back.

There is one Order for each account of the person. What is done stays done, what a platform refused
is tried again on the next word, and the membership ends when all of them are done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import OPEN as OPEN_CASES
from gatekeeper.domain.applications import Application
from gatekeeper.domain.decisions import Admit, EndAccount, Lane, Order, Progress, Remove
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership, State
from gatekeeper.policy.club_document import SlackRemoval
from gatekeeper.ports import Tx
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.notices import language_of
from gatekeeper.usecases.parts import Parts, order

OPEN = (Progress.DUE, Progress.WAITING)
REMOVAL, RESTORE, ACCOUNT_END = "removal", "restore", "account-end"
# Time to read the goodbye, and to come back by its link, before the account itself ends.
LAST_DAY: Final = timedelta(days=1)


async def accounts_of(tx: Tx, parts: Parts, member: Membership) -> tuple[Identity, ...]:
    """All accounts of a member on the club's platforms: the one they came in by first."""
    known = await tx.find(Account, person_id=member.person_id)
    others = (one.identity for one in known if one.identity.platform in parts.platforms)
    return (member.identity, *(who for who in others if who != member.identity))


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far one confirmed removal is: the newest Order for each account."""

    by_account: Mapping[Identity, Order]

    @property
    def open(self) -> bool:
        """Whether any is still on its way."""
        return any(one.progress in OPEN for one in self.by_account.values())

    @property
    def done(self) -> bool:
        """Whether each is carried out."""
        orders = self.by_account.values()
        return bool(orders) and all(one.progress is Progress.DONE for one in orders)

    @property
    def failed(self) -> Mapping[Identity, Order]:
        """Those that a platform refused."""
        failed = (Progress.FAILED, Progress.CANCELLED)
        return {who: one for who, one in self.by_account.items() if one.progress in failed}

    @property
    def outside(self) -> tuple[Identity, ...]:
        """The accounts that were put out by it."""
        return tuple(
            who
            for who, one in self.by_account.items()
            if one.progress is Progress.DONE
            and not softly(one)
            and one.receipt
            and one.receipt.changed
        )

    @property
    def partly(self) -> tuple[Identity, ...]:
        """The accounts that it took out of rooms, of some perhaps, while they stay inside: as
        guests, or because it was begun and has not come to its end."""
        return tuple(
            who
            for who, one in self.by_account.items()
            if (one.progress in (Progress.DONE, Progress.FAILED) and softly(one))
            or (one.progress is not Progress.DONE and one.begun_at is not None)
        )


def softly(placed: Order) -> bool:
    """Whether an Order leaves them inside the club, in the guests' room."""
    return isinstance(placed.action, Remove) and bool(placed.action.stay_in)


def guests_room(parts: Parts, platform: str) -> str:
    """Where guests stay on a platform; "" where there is no such room."""
    spec = parts.policy.club.spec.platforms
    if platform == "matrix" and spec.matrix is not None:
        return spec.matrix.guests_room or spec.matrix.welcome_room
    if platform == "slack" and spec.slack is not None and spec.slack.channels:
        return spec.slack.channel.alias  # out of it nobody would be inside
    return ""


async def comes_softly(tx: Tx, parts: Parts, member: Membership) -> bool:
    """Whether a confirmed removal of `member` makes a guest of them first.

    Only of those who were asked and did not answer, once, and where each platform they are on has
    a room for guests. What has begun softly ends so, and what has not does not turn soft.
    """
    if member.guest_at is not None or member.noticed_at is None:
        return False
    so_far = (await progress(tx, member)).by_account
    if so_far:
        return any(softly(one) for one in so_far.values())
    accounts = await accounts_of(tx, parts, member)
    has_room = all(guests_room(parts, who.platform) for who in accounts)
    return parts.policy.pruning.softer is not None and has_room


async def progress(tx: Tx, member: Membership) -> Progressed:
    """How far the removal is that was planned last; of an earlier one nothing is counted."""
    return (await progress_of_all(tx, [member]))[member.id]


async def progress_of_all(tx: Tx, members: Sequence[Membership]) -> Mapping[int, Progressed]:
    """The same of several, by the number of the membership."""
    begun = {subject_of(one): one.planned_at or one.unreachable_since for one in members}
    subjects = tuple(subject for subject, at in begun.items() if at is not None)
    placed = dict[str, dict[Identity, Order]]()
    for one in (
        await tx.find(Order, subject__in=subjects, purpose=REMOVAL, order="id") if subjects else []
    ):
        since = begun[one.subject]
        if isinstance(one.action, Remove) and since is not None and one.created_at >= since:
            placed.setdefault(one.subject, {})[one.action.who] = one
    return {one.id: Progressed(placed.get(subject_of(one), {})) for one in members}


async def order_everywhere(tx: Tx, parts: Parts, member: Membership, now: datetime) -> None:
    """Order the removal of each account for which it is neither done nor on its way."""
    subject, so_far = subject_of(member), (await progress(tx, member)).by_account
    number = await tx.count(Order, subject=subject, purpose=REMOVAL)
    soft = await comes_softly(tx, parts, member)
    language = await language_of(tx, parts, member.person_id)
    reason = parts.say("softer-reason" if soft else "removal-reason", {}, language)
    for who in await accounts_of(tx, parts, member):
        before = so_far.get(who)
        if before is not None and before.progress in (*OPEN, Progress.DONE):
            continue
        one = f"{subject}/{REMOVAL}/{number}"
        await order(
            tx,
            Remove(
                who=who, reason=reason, stay_in=guests_room(parts, who.platform) if soft else ""
            ),
            platform=who.platform,
            key=one if who == member.identity else f"{one}/{who}",
            purpose=REMOVAL,
            subject=subject,
            lane=Lane.REMOVAL,
            now=now,
        )


async def restore(
    tx: Tx,
    parts: Parts,
    member: Membership,
    whom: tuple[Identity, ...],
    now: datetime,
    *,
    rooms: bool = False,
) -> None:
    """Ask accounts of someone who is a member back in: they were put out, and are not to be.

    `rooms`: they are inside, but were put out of the rooms.
    """
    subject = subject_of(member)
    number = await tx.count(Order, subject=subject, purpose=RESTORE)
    reason = parts.say("restore-reason", {}, await language_of(tx, parts, member.person_id))
    for who in whom:
        reopen = await is_account_ended(tx, member.person_id, who)
        await order(
            tx,
            Admit(who=who, reason=reason, rooms=rooms, reopen=reopen),
            platform=who.platform,
            key=f"{subject}/{RESTORE}/{number}/{who}",
            purpose=RESTORE,
            subject=subject,
            lane=Lane.ADMISSION,
            now=now,
        )


def ends_accounts(parts: Parts, platform: str) -> bool:
    """Whether the policy has accounts on a platform end with a removal."""
    slack = parts.policy.club.spec.platforms.slack
    return platform == "slack" and slack is not None and slack.removal is SlackRemoval.ACCOUNT


async def order_account_ends(
    tx: Tx, parts: Parts, member: Membership, number: str, now: datetime
) -> None:
    """Where the policy says so, the accounts themselves end a day after the goodbye."""
    subject = subject_of(member)
    for who in await accounts_of(tx, parts, member):
        if ends_accounts(parts, who.platform):
            await order(
                tx,
                EndAccount(who=who),
                platform=who.platform,
                key=f"{subject}/{ACCOUNT_END}/{number}/{who}",
                purpose=ACCOUNT_END,
                subject=subject,
                lane=Lane.REMOVAL,
                now=now,
                due_at=now + LAST_DAY,
            )


async def account_still_ends(tx: Tx, parts: Parts, member: Membership, placed: Order) -> bool:
    """Whether an account is to end still: they are out for silence, not on their way back by a link
    or an application, and the policy says so as before."""
    if member.state is not State.REMOVED or member.cause != "silence" or member.back_invited_at:
        return False
    back = await tx.count(Membership, person_id=member.person_id, state__in=tuple(INSIDE))
    back += await tx.count(Application, person_id=member.person_id, state__in=tuple(OPEN_CASES))
    return not back and ends_accounts(parts, placed.platform)


async def is_account_ended(tx: Tx, person_id: int, who: Identity) -> bool:
    """Whether it was us who ended an account, and we have not opened it again since. What others
    have closed is theirs to open."""
    subjects = [subject_of(one) for one in await tx.find(Membership, person_id=person_id)]
    subjects += [subject_of(one) for one in await tx.find(Application, person_id=person_id)]
    done = await tx.find(
        Order,
        subject__in=tuple(subjects),
        purpose__in=(ACCOUNT_END, RESTORE, "invitation"),
        platform=who.platform,
        progress=Progress.DONE,
    )
    ended = False
    for one in done:
        if one.action == EndAccount(who=who):
            ended |= _has_ended(one)
        elif isinstance(one.action, Admit) and one.action.who == who and one.action.reopen:
            ended = False
    return ended


def _has_ended(done: Order) -> bool:
    """A later try, after an answer was lost, finds it closed and has nothing to change."""
    receipt = done.receipt
    return receipt is not None and not receipt.by_hand and (receipt.changed or done.attempt > 0)


def number_of_round(done: Order) -> str:
    """The number in the key of a removal: that of its Orders that were placed together."""
    return done.key.split("/")[2]
