"""An admin says that somebody who came is an applicant whom we await, or is none of them.

It stands in for the proof that the platform cannot give: their address. So it is an admin's word,
on the record, and never a name's.
"""

from datetime import datetime

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Choice, Decision, Verdict
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.events import Pressed
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases import admit, cards, newcomer_card, outside, review, rights, votes
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.outside_card import is_outside
from gatekeeper.usecases.parts import Parts, account_of, by_number, once, record


async def pressed(parts: Parts, event: Pressed, card: StandingCard) -> None:
    """A choice on the card. PlatformDown, PlatformBusy: nobody could look where they stand."""
    admins = await rights.admins(parts)
    number = int(card.subject.removeprefix(newcomer_card.PREFIX))
    async with parts.store.look(parts.club) as tx:
        choice = await _choice(tx, event, card)
        who = (await tx.get(Account, number)).identity
    if choice is None:
        return
    inside = (await parts.platform(who).standing(who)).inside
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        try:
            if event.who not in admins:
                raise Refused("no-right-to-decide")
            if (await tx.get(StandingCard, card.id)).ended_at is not None:
                raise Refused("card-ended")
            account = await tx.get(Account, number)
            await account_of(tx, event.who, admins[event.who], now)
            by = await by_number(tx, parts, str(event.who), now)
            app = await _said(tx, choice, account)
            if app is not None:
                app = await _claim(tx, parts, app, account, by, now)
        except Refused as why:
            await votes.refuse(tx, parts, event, card.subject, why, now)
            return
        if app is None:
            decision = Decision(Verdict.RECORD, "outside-none")
            subject = f"person:{account.person_id}"
            await record(tx, parts, decision, now=now, actor=by, subject=subject)
        await newcomer_card.end(tx, parts, account, by, app, now)
        if app is None:
            return
        if inside:
            await admit.arrive(tx, parts, app, now)
        else:
            await review.invite(tx, parts, app, app.reason_text, now)
            await review.refresh(tx, parts, app, now)


async def _choice(tx: Tx, event: Pressed, card: StandingCard) -> Choice | None:
    """What was pressed, as the card stood there."""
    drawn = await cards.whole(tx, card.platform, card.ref)
    choices = drawn.choices if drawn is not None else ()
    return next((one for one in choices if one.symbol == event.symbol), None)


async def _said(tx: Tx, choice: Choice, account: Account) -> Application | None:
    """The application that they are said to have made; None for none.

    Raises:
        Refused: it is awaited no more, or the account is somebody's whom we know.
    """
    if not choice.id.startswith(newcomer_card.IS):
        return None
    app = await tx.get(Application, int(choice.id.removeprefix(newcomer_card.IS)))
    if app.state is not State.APPROVED or not is_outside(app):
        raise Refused("newcomer-late")
    for kind in (Application, Membership):
        if await tx.count(kind, person_id=account.person_id):
            raise Refused("newcomer-known")
    return app


async def _claim(
    tx: Tx, parts: Parts, app: Application, account: Account, by: str, now: datetime
) -> Application:
    """The account takes the place of the address."""
    stand_in = await tx.first(Account, identity=app.identity)
    if stand_in is not None:
        await tx.remove(Account, id=stand_in.id)
    await tx.change(account, person_id=app.person_id, proven_at=now)
    app = await outside.take_place(tx, app, account.identity, account.name)
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "outside-is"),
        now=now,
        actor=by,
        subject=subject_of(app),
        policy=app.policy,
    )
    return app
