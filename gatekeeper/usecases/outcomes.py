"""What a Receipt, or a platform's final no, means to the subject of an Order."""

from datetime import datetime

from gatekeeper.domain.applications import Application
from gatekeeper.domain.decisions import Lane, Order, Post, Receipt
from gatekeeper.domain.identity import EMAIL, Account
from gatekeeper.domain.memberships import Dispute
from gatekeeper.ports import Standing, Tx
from gatekeeper.usecases import (
    admit,
    apply,
    cards,
    dispute_card,
    email,
    erase,
    findings,
    invitations,
    outside,
    outside_card,
    removals,
    review,
    stages,
)
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts, order

OURS = frozenset(
    {"notice", "removal", "goodbye", "restore", "guest", "account-end"}
)  # of memberships: `stages`


async def may_still(
    tx: Tx, parts: Parts, placed: Order, now: datetime, standing: Standing | None
) -> bool:
    """The last look before an Order is performed: is it still meant?"""
    if placed.subject.startswith(erase.SUBJECT):
        return True
    if placed.subject.startswith(findings.PREFIX):
        return await findings.may_still(tx, parts, placed, standing)
    if placed.purpose in OURS:
        return await stages.may_still(tx, parts, placed, now, standing)
    if placed.purpose in {"code", "form-link"}:
        return await apply.code_still_open(tx, placed, now)
    if placed.purpose == outside_card.BRING:
        return await outside.still_to_bring(tx, placed)
    if placed.purpose == email.CODE:
        return await email.code_still_open(tx, placed, now)
    if placed.purpose in {"invitation", "retract", "invitation-reminder"}:
        return await invitations.may_still(tx, placed)
    return True


async def on_receipt(
    tx: Tx, parts: Parts, done: Order, receipt: Receipt, now: datetime, *, inside: bool
) -> None:
    """What follows from a Receipt, in the transaction that saves it."""
    if receipt.by_hand:
        await _left_to_admins(tx, parts, done, receipt.by_hand, now)
    if done.subject.startswith(erase.SUBJECT):
        await erase.forget_whom(tx, done)
    elif done.subject.startswith(findings.PREFIX):
        await findings.on_receipt(tx, parts, done, receipt, now)
    elif done.purpose in OURS:
        await stages.on_receipt(tx, parts, done, receipt, now)
    elif receipt.waiting:
        return
    elif done.purpose == "invitation":
        await admit.on_invited(tx, parts, done, receipt, now, inside=inside)
    elif done.purpose == outside_card.BRING:
        await outside.brought(tx, parts, done, receipt, now)
    else:
        await cards.on_receipt(tx, done, receipt)
        if done.subject.startswith(outside_card.SUBJECT):
            app = await tx.get(Application, number_of(done.subject))
            await outside_card.refresh(tx, parts, app, now)
        elif done.subject.startswith("application:"):  # it may have moved on meanwhile
            app = await tx.get(Application, number_of(done.subject))
            await review.refresh(tx, parts, app, now)
        elif done.purpose == cards.CARD and removals.is_page(done.subject):
            await removals.refresh(tx, parts, now)
        elif done.purpose == cards.CARD and done.subject.startswith(dispute_card.PREFIX):
            await dispute_card.show(tx, parts, await tx.get(Dispute, number_of(done.subject)), now)


async def on_failure(
    tx: Tx, parts: Parts, failed: Order, reason: str, detail: str, now: datetime
) -> None:
    """A final no: the subject's own consequence, and a line in the admins' room."""
    if failed.subject.startswith(erase.SUBJECT):
        await erase.forget_whom(tx, failed)
    elif failed.subject.startswith(findings.PREFIX):
        await findings.on_failure(tx, parts, failed, now)
    elif failed.purpose in OURS:
        await stages.on_failure(tx, parts, failed, reason, now)
    elif failed.purpose == "invitation":
        await invitations.on_refused(tx, parts, failed, reason, now)
    elif failed.purpose == outside_card.BRING:
        app = await tx.get(Application, number_of(failed.subject))
        await outside_card.refresh(tx, parts, app, now)  # by hand, then
    if failed.purpose in {"failure", "code", "form-link", "cannot-read", email.CODE}:
        # A report that cannot be posted stands in the log and in `doctor`. Where a stranger asked
        # for a code or a link, or opened a chat, nobody has proven anything: the admins are not
        # to be bothered.
        return
    text = parts.say(
        "order-failed",
        {
            "what": parts.say(f"purpose.{failed.purpose}"),
            "subject": failed.subject,
            "why": parts.say(f"platform-refused.{reason}"),
            "detail": detail,
        },
    )
    text = "\n".join(filter(None, (text, parts.remedy(f"platform-refused.{reason}"))))
    await order(
        tx,
        Post(place="admins", text=text),
        platform=parts.admin_platform if failed.platform == EMAIL else failed.platform,
        key=f"order:{failed.id}/failure",
        purpose="failure",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )


async def _left_to_admins(tx: Tx, parts: Parts, done: Order, code: str, now: datetime) -> None:
    """A platform has done its part, and a person has to do the rest."""
    who = getattr(done.action, "who", None)
    account = await tx.first(Account, identity=who) if who is not None else None
    values = {
        "name": account.name if account is not None else str(who or ""),
        "account": who.account if who is not None else "",
    }
    await order(
        tx,
        Post(place="admins", text=parts.say(code, values)),
        platform=done.platform,
        key=f"order:{done.id}/by-hand",
        purpose="by-hand",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )
