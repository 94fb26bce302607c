"""Applicants who have no account on the club's platform yet: how they are reached, and the card of
what an admin does by hand once they are approved.

An e-mail address that they have confirmed stands for the account until one arrives with it.
"""

from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Bring, Card, Lane, Link, Order, Progress
from gatekeeper.domain.errors import Value
from gatekeeper.domain.identity import EMAIL, as_address
from gatekeeper.ports import ByHand, Tx
from gatekeeper.usecases import cards, passes
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, order, tell

SUBJECT: Final = "invite:"
BRING: Final = "bring"  # purpose of the Order that has them invited
_STATUS_VALID: Final = timedelta(days=7)


def is_outside(app: Application) -> bool:
    """Whether an address still stands for the account."""
    return app.identity.platform == EMAIL


def platform(parts: Parts) -> str | None:
    """Where people are invited by hand; None: nobody can apply from outside."""
    if parts.mailer is None:
        return None
    return next((name for name, one in parts.platforms.items() if isinstance(one, ByHand)), None)


async def letter_links(tx: Tx, parts: Parts, app: Application, now: datetime) -> tuple[Link, ...]:
    """The way to the standing page, from any browser, for whoever is told things by letter."""
    if not is_outside(app):
        return ()
    mark = await passes.issue(
        tx,
        parts,
        act="status",
        identity=app.identity,
        subject=subject_of(app),
        now=now,
        valid=_STATUS_VALID,
    )
    return (Link(parts.say("link.status.button", {}, app.language), mark),)


async def approved(tx: Tx, parts: Parts, app: Application, told: str, now: datetime) -> Application:
    """They are invited as the platform can, else an admin is asked to do it by hand; it counts for
    as long as an invitation stands. They are told what will come."""
    app = await tx.change(app, due_at=now + parts.policy.club.spec.invitation.ends_after)
    values: dict[str, Value] = {"club": parts.policy.title, "why": told}
    await tell(
        tx,
        parts,
        app.identity,
        parts.say("outside.approved-told", values | _where(parts, app.language), app.language),
        key=f"{subject_of(app)}/outside-told",
        purpose="approve-told",
        subject=subject_of(app),
        now=now,
        lane=Lane.ADMISSION,
        links=await letter_links(tx, parts, app, now),
    )
    await bring(tx, parts, app, now)
    return app


async def bring(tx: Tx, parts: Parts, app: Application, now: datetime, look: str = "") -> None:
    """Order that they are invited; with `look` (what for) no more than a look for their account."""
    await order(
        tx,
        Bring(
            who=app.identity, name=app.name if as_address(app.name) is None else "", look=bool(look)
        ),
        platform=platform(parts) or parts.admin_platform,
        key=f"{SUBJECT}{app.id}/{look or BRING}",
        purpose=BRING,
        subject=f"{SUBJECT}{app.id}",
        lane=Lane.ADMISSION,
        now=now,
    )


async def refresh(tx: Tx, parts: Parts, app: Application, now: datetime) -> None:
    """Let the card say what is to be done by hand, or that it is done, or not meant any more."""
    subject = f"{SUBJECT}{app.id}"
    if app.state in {State.UNPROVEN, State.IN_REVIEW, State.DECLINED}:
        return
    asked = app.state is State.APPROVED and is_outside(app)
    if not asked and not await tx.count(Order, purpose=cards.CARD, subject=subject):
        return
    placed = await tx.find(Order, purpose=BRING, subject=subject)
    first = next((one for one in placed if not getattr(one.action, "look", False)), None)
    await cards.show(tx, parts, subject, _draw(parts, app, first), now)


def _draw(parts: Parts, app: Application, placed: Order | None) -> Card:
    values = _where(parts, "") | {
        "club": parts.policy.title,
        "applicant": app.name,
        "number": app.id,
        "account": app.identity.account,
    }
    facts: list[tuple[str, str]] = []
    lines: tuple[str, ...] = ()
    if app.state is State.APPROVED and is_outside(app):
        code, way = _how(parts, placed)
        facts = [(parts.say("outside.card.address"), app.identity.account)]
        if way:
            facts.append((parts.say("outside.card.way"), parts.say(way, values)))
        lines = (parts.say("outside.card.exactly", values),)
    elif app.state in {State.APPROVED, State.INVITED, State.ADMITTED}:
        code = "outside.card.arrived"
    else:
        code = "outside.card.over"
    return Card(
        title=parts.say("outside.card.title", values),
        status=parts.say(code, values),
        facts=tuple(facts),
        lines=lines,
    )


def _how(parts: Parts, placed: Order | None) -> tuple[str, str]:
    """Codes of how far the invitation is, and of the way."""
    if placed is not None and placed.progress is Progress.DUE:
        return "outside.card.begun", ""
    if placed is not None and placed.receipt is not None and placed.receipt.ref:
        return "outside.card.brought", placed.receipt.ref
    return "outside.card.asked", _way(parts)


def _way(parts: Parts) -> str:
    """Code of how somebody is invited there."""
    found = (one.by_hand() for one in parts.platforms.values() if isinstance(one, ByHand))
    return next(found, "outside.way")


def _where(parts: Parts, language: str) -> dict[str, Value]:
    """The platform's name, as a value for a sentence."""
    return {
        "platform": parts.say(f"platform.{platform(parts) or parts.admin_platform}", {}, language)
    }
