"""The card of somebody who came while approved applicants from outside are awaited, and in whom we
recognise none of them: the admins say whether it is one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Card, Choice, Decision, Order, Progress, Verdict
from gatekeeper.domain.identity import Account, as_address
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.outside_card import BRING, SUBJECT, is_outside
from gatekeeper.usecases.parts import Parts, record

PREFIX: Final = "newcomer:"
IS: Final = "is:"  # id of a choice, before the number of an application
NONE: Final = "🚫"
# How long we reckon with an invitation that cannot be called back. Slack's reference does not say
# how long Slack Connect's can be taken up; too long asks the admins once more than needed.
STANDS: Final = timedelta(days=90)
_SYMBOLS: Final = ("🟢", "🔵", "🟣", "🟠", "🟡")


async def awaited(tx: Tx) -> list[Application]:
    """Approved applicants for whom an address stands still."""
    return [app for app in await tx.find(Application, state=State.APPROVED) if is_outside(app)]


async def still_invited(tx: Tx, now: datetime) -> list[Application]:
    """Whose application has ended while an invitation of ours, to their address, may stand."""
    apps = [one for one in await tx.find(Application, ended_at__gt=now - STANDS) if is_outside(one)]
    subjects = {f"{SUBJECT}{app.id}": app for app in apps}
    done = await tx.find(Order, purpose=BRING, progress=Progress.DONE, subject__in=tuple(subjects))
    sent = {one.subject for one in done if one.receipt is not None and one.receipt.ref}
    return [app for subject, app in subjects.items() if subject in sent]


async def show(
    tx: Tx,
    parts: Parts,
    account: Account,
    email: str,
    now: datetime,
    apps: Sequence[Application],
    over: Sequence[Application],
) -> None:
    """Ask about an account, once, whatever it does next.

    Args:
        apps: who is awaited.
        over: who may have been let in by an invitation that had lost its meaning.
    """
    subject = f"{PREFIX}{account.id}"
    if await cards.ever(tx, subject):
        return
    decision = Decision(Verdict.RECORD, "outside-unrecognised")
    await record(
        tx,
        parts,
        decision,
        now=now,
        actor=str(account.identity),
        subject=f"person:{account.person_id}",
    )
    await cards.show(tx, parts, subject, _draw(parts, account, apps, over, email), now)


def _draw(
    parts: Parts,
    account: Account,
    apps: Sequence[Application],
    over: Sequence[Application],
    email: str,
) -> Card:
    values = {"name": account.name, "account": account.identity.account}
    status = "newcomer.unseen" if as_address(email) is None else "newcomer.other"
    choices = [
        Choice(f"{IS}{app.id}", symbol, parts.say("newcomer.is", {"name": app.name}))
        for symbol, app in zip(_SYMBOLS, apps, strict=False)
    ]
    facts = [
        (f"#{app.id}", parts.say("newcomer.awaited", {"name": app.name}))
        for app in apps[: len(_SYMBOLS)]
    ]
    facts += [(f"#{app.id}", parts.say("newcomer.over", {"name": app.name})) for app in over]
    return Card(
        title=parts.say("newcomer.title", values),
        status=parts.say(status if apps else "newcomer.inside", values),
        facts=tuple(facts),
        lines=(parts.say("newcomer.how" if apps else "newcomer.how-inside"),),
        choices=(*choices, Choice("none", NONE, parts.say("newcomer.none"))),
    )


async def end(
    tx: Tx, parts: Parts, account: Account, by: str, app: Application | None, now: datetime
) -> None:
    """Let the card say what was decided, and by whom; it has had its day."""
    values = {"name": account.name, "account": account.identity.account}
    told = {"by": await said_by(tx, by), "applicant": app.name if app else ""}
    card = Card(
        title=parts.say("newcomer.title", values),
        status=parts.say("newcomer.was" if app else "newcomer.was-none", {**values, **told}),
    )
    await cards.show(tx, parts, f"{PREFIX}{account.id}", card, now)
    await cards.end(tx, f"{PREFIX}{account.id}", now)
