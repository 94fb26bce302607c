"""The card of somebody who came while approved applicants from outside are awaited, and in whom we
recognise none of them: the admins say whether it is one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Card, Choice, Decision, Verdict
from gatekeeper.domain.identity import Account, as_address
from gatekeeper.ports import Tx
from gatekeeper.usecases import cards
from gatekeeper.usecases.naming import said_by
from gatekeeper.usecases.outside_card import is_outside
from gatekeeper.usecases.parts import Parts, record

PREFIX: Final = "newcomer:"
IS: Final = "is:"  # id of a choice, before the number of an application
NONE: Final = "🚫"
_SYMBOLS: Final = ("🟢", "🔵", "🟣", "🟠", "🟡")


async def awaited(tx: Tx) -> list[Application]:
    """Approved applicants for whom an address stands still."""
    return [app for app in await tx.find(Application, state=State.APPROVED) if is_outside(app)]


async def show(tx: Tx, parts: Parts, account: Account, email: str, now: datetime) -> None:
    """Ask about an account; once, whatever it does next."""
    apps = await awaited(tx)
    subject = f"{PREFIX}{account.id}"
    if not apps or await cards.ever(tx, subject):
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
    await cards.show(tx, parts, subject, _draw(parts, account, apps, email), now)


def _draw(parts: Parts, account: Account, apps: Sequence[Application], email: str) -> Card:
    values = {"name": account.name, "account": account.identity.account}
    unseen = as_address(email) is None
    choices = [
        Choice(f"{IS}{app.id}", symbol, parts.say("newcomer.is", {"name": app.name}))
        for symbol, app in zip(_SYMBOLS, apps, strict=False)
    ]
    facts = [
        (f"#{app.id}", parts.say("newcomer.awaited", {"name": app.name}))
        for app in apps[: len(_SYMBOLS)]
    ]
    return Card(
        title=parts.say("newcomer.title", values),
        status=parts.say("newcomer.unseen" if unseen else "newcomer.other", values),
        facts=tuple(facts),
        lines=(parts.say("newcomer.how"),),
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
