"""What people write to us in their direct chat: an answer, or one of a few words."""

import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from gatekeeper.domain.applications import OPEN, Application, Question, State
from gatekeeper.domain.decisions import Link
from gatekeeper.domain.errors import BadInput, Refused, Value
from gatekeeper.domain.events import Wrote
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.policy.texts import say_time
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    apply,
    disputes,
    leave,
    limits,
    link,
    notices,
    passes,
    proof,
    questions,
    rights,
    stage_ends,
    vouch,
)
from gatekeeper.usecases.absences import last_moment
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, once, tell

STATUS_VALID = timedelta(days=1)
AWAY = re.compile(
    r"^(?:i am |i'm |ich bin )?(?:away until|weg bis|abwesend bis) (\d{4}-\d{2}-\d{2})\s*(.*)$",
    re.I | re.S,
)
ASKS = frozenset({"help", "status", "?", "hilfe", "stand"})
WITHDRAW = frozenset({"withdraw", "zurückziehen"})
HERE = frozenset(
    {"here", "i am still here", "i'm still here", "still here", "ich bin noch da", "noch da"}
)


async def wrote(parts: Parts, event: Wrote) -> None:
    """Take in one message; a member who writes is alive, whatever they write."""
    code = link.heard(event.text)
    if code:
        await _linked(parts, event, code)
        return
    vouched = vouch.heard(event.text)
    admins = await rights.admins(parts) if vouched else {}
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        account = await tx.first(Account, identity=event.who)
        if account is not None and await disputes.wrote(tx, parts, event, account, now):
            return
        freed = None
        if account is not None:
            freed = await stage_ends.alive(tx, parts, account.person_id, now, "chat")
        text = event.text.strip()
        word = text.lower().rstrip(".!")
        if away := AWAY.match(text):
            await _away(tx, parts, event, away.group(1), away.group(2), now)
        elif code == "" and await _wants_code(tx, parts, event, now):
            pass
        elif vouched and await _vouched(tx, parts, event, vouched, admins, now):
            pass  # a member's word for an applicant; whoever is none may be answering a question
        elif word == "stop":
            await proof.refuse_for_good(tx, event.who, now)
            code = "no-more-codes-slack" if _on_slack(event) else "no-more-codes"
            await _say(tx, parts, event, code, now)
        elif word in WITHDRAW:
            await _withdraw(tx, parts, event, account, now)
        elif word in HERE and freed is None:  # who was freed has been told so already
            await _say(tx, parts, event, "here-heard", now)
        elif await _answered(tx, parts, event, account, now):
            pass
        elif word in ASKS or event.command:
            await _status(tx, parts, event, account, now)


async def _answered(
    tx: Tx, parts: Parts, event: Wrote, account: Account | None, now: datetime
) -> bool:
    """Whether this was the answer to the oldest open question."""
    if account is None:
        return False
    app = await tx.first(
        Application, person_id=account.person_id, state=State.IN_REVIEW, order="-id"
    )
    if app is None:
        return False
    asked = await tx.find(Question, application_id=app.id, answered_at=None, ended_at=None)
    begun = next((question for question in asked if question.text), None)
    if begun is None:
        return False
    try:
        await questions.take_answer(tx, parts, app, begun.id, event.text, now)
    except BadInput as bad:
        await _say(tx, parts, event, bad.problems["answer"], now)
    else:
        await _say(tx, parts, event, "answer-taken", now)
    return True


async def _linked(parts: Parts, event: Wrote, code: str) -> None:
    """A code said from another account of a member: both hear what became of it."""
    around = await link.look(parts, event.who)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        account = await tx.first(Account, identity=event.who)
        if account is not None:
            await stage_ends.alive(tx, parts, account.person_id, now, "chat")
        refused = await link.use_in(tx, parts, event.who, code, around, now)
        if refused is not None:
            await _say(tx, parts, event, f"refused.{refused.reason}", now)


async def _wants_code(tx: Tx, parts: Parts, event: Wrote, now: datetime) -> bool:
    """Whether a member asked for a code to say on another platform."""
    try:
        await link.ask(tx, parts, event.who, now)
    except Refused as refused:
        if refused.reason == "not-a-member":
            return False
        await _say(tx, parts, event, f"refused.{refused.reason}", now)
    return True


async def _vouched(
    tx: Tx,
    parts: Parts,
    event: Wrote,
    words: vouch.Said,
    admins: Collection[Identity],
    now: datetime,
) -> bool:
    """Whether a member said this; they are told what became of it."""
    values = dict[str, Any]()
    try:
        app = await vouch.said(tx, parts, event.who, words, admins, now)
        code, values = "vouch-ended" if words.back else "vouch-taken", {"applicant": app.name}
    except Refused as refused:
        if refused.reason == "not-a-member":
            return False
        code = f"refused.{refused.reason}"
    await _say(tx, parts, event, code, now, **values)
    return True


async def _withdraw(
    tx: Tx, parts: Parts, event: Wrote, account: Account | None, now: datetime
) -> None:
    app = None
    if account is not None:
        app = await tx.first(
            Application,
            person_id=account.person_id,
            state__in=OPEN - {State.UNPROVEN},
            order="-id",
        )
    if app is not None:
        await apply.withdraw_in(tx, parts, app, str(event.who), now)
        await _say(tx, parts, event, "withdrawn", now)
    else:
        await _say(tx, parts, event, "nothing-to-withdraw", now)


async def _status(
    tx: Tx, parts: Parts, event: Wrote, account: Account | None, now: datetime
) -> None:
    app = member = None
    if account is not None:
        member = await tx.first(Membership, person_id=account.person_id, state__in=INSIDE)
        app = await tx.first(Application, person_id=account.person_id, order="-id")
    if member is not None:
        await _say(tx, parts, event, "chat-help-member", now)
    elif app is not None and app.state is not State.EXPIRED:
        spec = parts.policy.club.spec
        values = {
            "account": app.identity.account,
            "reason": app.reason_text,
            "at": say_time(app.submitted_at, spec.language, spec.time_zone),
        }
        mark = await passes.issue(
            tx,
            parts,
            act="status",
            identity=app.identity,
            subject=subject_of(app),
            now=now,
            valid=STATUS_VALID,
        )
        links = (Link(parts.say("link.status.button", {}, app.language), mark),)
        await _say(tx, parts, event, f"standing.{app.state.value}", now, links=links, **values)
    else:
        code = "chat-help-slack" if _on_slack(event) else "chat-help"
        await _say(tx, parts, event, code, now, url=f"{parts.base_url}/join")


def _on_slack(event: Wrote) -> bool:
    """Where one applies by a command of the app, and no door is there to knock on."""
    return event.who.platform == "slack"


async def _away(tx: Tx, parts: Parts, event: Wrote, day: str, note: str, now: datetime) -> None:
    spec, values = parts.policy.club.spec, dict[str, Any]()
    try:
        until = last_moment(date.fromisoformat(day), spec.time_zone)
        await leave.announce_in(tx, parts, event.who, until, note, str(event.who), now)
        code, values = "leave-taken", {"until": say_time(until, spec.language, spec.time_zone)}
    except (ValueError, BadInput):
        code = "leave-bad-date"
    except Refused as refused:
        code = f"refused.{refused.reason}"
    await _say(tx, parts, event, code, now, **values)


async def _say(
    tx: Tx,
    parts: Parts,
    event: Wrote,
    code: str,
    now: datetime,
    *,
    links: tuple[Link, ...] = (),
    **values: Value,
) -> None:
    if not await limits.within(tx, f"answers-to:{event.who}", limits.ANSWERS, now):
        return
    account = await tx.first(Account, identity=event.who)
    language = await notices.language_of(tx, parts, account.person_id) if account else ""
    await tell(
        tx,
        parts,
        event.who,
        parts.say(code, {"club": parts.policy.title, **values}, language),
        key=f"told/{event.event_id}",
        purpose="told",
        subject=f"person:{account.person_id}" if account else "club",
        now=now,
        links=links,
    )
