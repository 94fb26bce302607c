"""Applicants from outside: an account that arrives with their confirmed address is theirs.

Nobody is known by a name. Whoever comes with another address, or by an account that we know already
as somebody else's, is left to the admins.
"""

from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Decision, Lane, Order, Receipt, Verdict
from gatekeeper.domain.events import Arrived
from gatekeeper.domain.identity import EMAIL, Account, Address, Identity, as_address
from gatekeeper.ports import Tx
from gatekeeper.usecases import newcomer_card, outside_card, review
from gatekeeper.usecases.invitations import NOT_TAKEN_UP, lapse
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.outside_card import is_outside
from gatekeeper.usecases.parts import Parts, account_of, once, record, tell

LAST_LOOK: Final = "look-last"
LOOKING: Final = timedelta(hours=1)  # at most for the last look, where the platform is away


async def keep_address(tx: Tx, app: Application, now: datetime) -> Account:
    """The account that an address stands for, confirmed with this. Whoever has confirmed it before
    is the same person, so that what we know of them counts."""
    who = app.identity
    known = await tx.first(
        Address, address=who.account, ended_at=None, confirmed_at__set=True, order="-id"
    )
    account = await tx.first(Account, identity=who)
    if account is None and known is not None:
        account = await tx.add(
            Account(
                club=tx.club,
                person_id=known.person_id,
                identity=who,
                name=app.name,
                first_seen_at=now,
            )
        )
    if account is None:
        account = await account_of(tx, who, app.name, now)
    if known is None or known.person_id != account.person_id:
        await tx.add(
            Address(
                club=tx.club,
                person_id=account.person_id,
                address=who.account,
                browser=app.browser,
                created_at=now,
                expires_at=now,
                confirmed_at=now,
            )
        )
    return account


async def arrived(parts: Parts, event: Arrived) -> None:
    """Somebody is new on a platform: an approved applicant of that very address is let into the
    club; while such are awaited, the admins are told of everybody else."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        app = await recognise(tx, parts, event.who, event.name, event.email, now)
        if app is None:
            await unrecognised(tx, parts, event.who, event.name, event.email, now)
        elif app.state is State.APPROVED:
            await review.invite(tx, parts, app, app.reason_text, now)
        if app is not None:
            await review.refresh(tx, parts, app, now)


async def recognise(
    tx: Tx, parts: Parts, who: Identity, name: str, email: str, now: datetime
) -> Application | None:
    """Let the account take the place of the address in the application that waits for it.

    None: nobody is awaited by this address, or the account is somebody else's already.
    """
    address = as_address(email)
    if address is None:
        return None
    app = await tx.first(
        Application,
        identity=Identity(EMAIL, address),
        state__in=(State.IN_REVIEW, State.APPROVED),
        order="-id",
    )
    if app is None:
        return None
    stand_in = await tx.first(Account, identity=app.identity)
    known = await tx.first(Account, identity=who)
    if stand_in is None or (known is not None and known.person_id != stand_in.person_id):
        return None
    if known is None:
        await tx.change(stand_in, identity=who, name=name or who.account, proven_at=now)
    else:
        await tx.remove(Account, id=stand_in.id)
    app = await take_place(tx, app, who, name)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "outside-arrived"),
        now=now,
        actor=str(who),
        subject=subject_of(app),
        policy=app.policy,
    )
    return app


async def take_place(tx: Tx, app: Application, who: Identity, name: str) -> Application:
    """From now on the application is that of the account. An address is shown to no member, also
    where nobody typed a name."""
    return await tx.change(
        app,
        identity=who,
        name=app.name if as_address(app.name) is None else name or who.account,
        due_at=None if app.state is State.APPROVED else app.due_at,
    )


async def unrecognised(
    tx: Tx,
    parts: Parts,
    who: Identity,
    name: str,
    email: str,
    now: datetime,
    *,
    inside: bool = False,
) -> None:
    """While somebody is awaited by an address, the admins are asked about everybody else; about who
    is inside also while an invitation may stand that is not meant any more."""
    apps = await newcomer_card.awaited(tx)
    over = await newcomer_card.still_invited(tx, now) if inside else []
    if apps or over:
        account = await account_of(tx, who, name, now)
        await newcomer_card.show(tx, parts, account, email, now, apps, over)


async def still_to_bring(tx: Tx, placed: Order) -> bool:
    """Whether somebody is to be invited still: no account has taken the address's place."""
    app = await tx.get(Application, number_of(placed.subject))
    return app.state is State.APPROVED and is_outside(app)


async def brought(tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime) -> None:
    """They are invited, or nobody could; an account with their address that is there is let in."""
    app = await tx.get(Application, number_of(done.subject))
    if receipt.account is not None and app.state is State.APPROVED and is_outside(app):
        address = app.identity.account
        found = await recognise(tx, parts, receipt.account, app.name, address, now)
        if found is not None:
            app = found
            await review.invite(tx, parts, app, app.reason_text, now)
    elif done.key.endswith(LAST_LOOK):
        app = await tx.change(app, due_at=now)  # it need not be waited for any longer
    await review.refresh(tx, parts, app, now)


async def look_for_all(parts: Parts) -> None:
    """Whoever came while nobody told us is let in: each day each address is looked for once."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        for app in await tx.find(Application, state=State.APPROVED):
            if is_outside(app):
                await outside_card.bring(tx, parts, app, now, f"look-{now:%Y-%m-%d}")


async def due(parts: Parts, app: Application) -> None:
    """Nobody has come with the address for as long as an invitation stands: it ends, after one more
    look whether they came and we were not told."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, app.id)
        over = app.due_at is not None and app.due_at <= now
        if not (app.state is State.APPROVED and is_outside(app) and over):
            return
        subject = f"{outside_card.SUBJECT}{app.id}"
        if not await tx.count(Order, key=f"{subject}/{LAST_LOOK}"):
            await outside_card.bring(tx, parts, app, now, LAST_LOOK)
            await tx.change(app, due_at=now + LOOKING)
        else:
            await lapse(tx, parts, app, NOT_TAKEN_UP, "schedule", now)
            await tell(
                tx,
                parts,
                app.identity,
                parts.say("outside.over-told", {"club": parts.policy.title}, app.language),
                key=f"{subject_of(app)}/outside-over",
                purpose="decline-told",
                subject=subject_of(app),
                now=now,
                lane=Lane.ADMISSION,
            )
