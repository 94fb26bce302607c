"""Take in an application: sent, proven, edited, answered, withdrawn.

Until an identity is proven, an application blocks nobody and shows nobody anything: it is not
looked up by account, has no person, and goes after the policy's time.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from gatekeeper.domain.applications import (
    OPEN,
    Application,
    Event,
    Question,
    State,
    advance,
)
from gatekeeper.domain.clubs import Pass, Proof
from gatekeeper.domain.decisions import Decision, Lane, Link, Order, Retract, Verdict
from gatekeeper.domain.errors import PlatformBusy, PlatformDown, Refused, WrongState
from gatekeeper.domain.events import Knocked
from gatekeeper.domain.identity import Identity, Person
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.policy.answers import validate_answers
from gatekeeper.ports import Tx
from gatekeeper.usecases import (
    edits,
    limits,
    outside,
    outside_card,
    passes,
    proof,
    questions,
    review,
)
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, account_of, cancel, once, order, record, tell

FORM_LINK_VALID = timedelta(days=7)
SAME_KNOCK = timedelta(hours=1)  # a second knock within it gets no second link
PROVEN = OPEN - {State.UNPROVEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A form as it was sent; `browser` is the random id of the browser's session."""

    identity: Identity
    name: str = ""
    answers: Mapping[str, str | list[str]]
    language: str = ""
    browser: str
    address: str


async def submit(parts: Parts, sent: Submission) -> Application:
    """Take in a form whose identity is not proven yet, and order a code to it.

    Raises:
        BadInput: an answer that cannot be taken.
        Refused: proof-refused. TooMany: forms or codes.
    """
    answers = validate_answers(parts.policy.club.spec.form, sent.answers)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        spec = parts.policy.club.spec
        await limits.spend(tx, f"form:{sent.address}", spec.limits.forms_by_address, now)
        app = await tx.add(
            drafted(tx, parts, sent, answers, now, due_at=now + spec.proof.unproven_for)
        )
        await proof.send_code(tx, parts, app, sent.browser, sent.address, now)
    return app


async def submit_proven(parts: Parts, sent: Submission, pass_id: int) -> Application:
    """Take in a form that came by a personal link: the chat it was sent to proves the identity.

    Raises:
        BadInput: an answer that cannot be taken; the link stays good.
        Refused: link-used, link-expired, link-withdrawn.
    """
    answers = validate_answers(parts.policy.club.spec.form, sent.answers)
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        key = await tx.get(Pass, pass_id)
        if key.act != "form" or key.identity != sent.identity:
            raise Refused("link-unknown")
        await tx.change(passes.check(key, now), used_at=now)
        knock = key.subject.startswith("knock:")
        app = await tx.add(
            drafted(
                tx,
                parts,
                sent,
                answers,
                now,
                origin="knock" if knock else "web",
                knock_reason=key.note,
            )
        )
        app = await proven(tx, parts, app, now)
    return await opened(parts, app)


def drafted(
    tx: Tx,
    parts: Parts,
    sent: Submission,
    answers: Mapping[str, object],
    now: datetime,
    *,
    origin: str = "web",
    knock_reason: str = "",
    due_at: datetime | None = None,
) -> Application:
    return Application(
        club=tx.club,
        person_id=0,
        identity=sent.identity,
        name=sent.name.strip() or sent.identity.account,
        origin=origin,
        state=State.UNPROVEN,
        language=sent.language or parts.policy.club.spec.language,
        answers=answers,
        knock_reason=knock_reason,
        submitted_at=now,
        due_at=due_at,
        policy=parts.policy.digest,
        browser=passes.digest(parts, sent.browser),
    )


async def prove(parts: Parts, application_id: int, browser: str, code: str) -> Application:
    """Type in a code; the application goes into review, or the person's earlier one is shown.

    Raises:
        Refused: code-wrong (with `left`), code-expired, code-too-many-tries, code-other-browser.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, application_id)
        if app.state is not State.UNPROVEN:
            raise WrongState(state=app.state.value, event="prove")
        refusal = await proof.check_code(tx, parts, app, browser, code, now)
        if refusal is None:
            app = await proven(tx, parts, app, now)
    if refusal is not None:
        raise refusal
    return await opened(parts, app)


async def proven(tx: Tx, parts: Parts, app: Application, now: datetime) -> Application:
    """The identity is theirs: on to the review, unless they are inside or have applied already."""
    if outside_card.is_outside(app):
        account = await outside.keep_address(tx, app, now)
    else:
        account = await account_of(tx, app.identity, "", now)
    await tx.change(account, proven_at=account.proven_at or now, refuses_proofs_at=None)
    await tx.change(await tx.get(Person, account.person_id), language=app.language)
    earlier = await tx.first(
        Application, person_id=account.person_id, state__in=PROVEN, order="-id"
    )
    member = await tx.first(Membership, person_id=account.person_id, state__in=INSIDE)
    if earlier is None and member is None:
        return await tx.change(
            app,
            state=advance(app.state, Event.PROVE),
            person_id=account.person_id,
            name=app.name if app.name != app.identity.account else account.name,
            due_at=now,
        )
    ended = await tx.change(
        app,
        state=advance(app.state, Event.EXPIRE),
        person_id=account.person_id,
        ended_at=now,
        due_at=None,
        answers=None,
        reason="already-applied" if earlier else "already-member",
        browser="" if earlier else app.browser,
    )
    return await tx.change(earlier, browser=app.browser) if earlier else ended


async def opened(parts: Parts, app: Application) -> Application:
    """Open the review now if the platform can be asked; else it is opened when its time comes."""
    with suppress(PlatformDown, PlatformBusy):
        await review.open_review(parts, app.id)
    async with parts.store.look(parts.club) as tx:
        return await tx.get(Application, app.id)


async def resend(parts: Parts, application_id: int, browser: str, address: str) -> None:
    """Order another code. Refused (code-other-browser, proof-refused), TooMany, WrongState."""
    async with parts.store.transaction(parts.club) as tx:
        app = await _own(tx, parts, application_id, browser)
        if app.state is not State.UNPROVEN:
            raise WrongState(state=app.state.value, event="prove")
        await proof.send_code(tx, parts, app, browser, address, parts.clock.now())


async def mine(parts: Parts, browser: str) -> Application | None:
    """The newest application of this browser."""
    async with parts.store.look(parts.club) as tx:
        return await tx.first(Application, browser=passes.digest(parts, browser), order="-id")


async def _own(tx: Tx, parts: Parts, application_id: int, browser: str) -> Application:
    app = await tx.get(Application, application_id)
    if app.browser != passes.digest(parts, browser):
        raise Refused("code-other-browser")
    return app


# ---- While it is open -------------------------------------------------------------------------


async def edit(
    parts: Parts, application_id: int, browser: str, raw: Mapping[str, str | list[str]]
) -> Application:
    """Change the answers; votes cast on the old ones end, and their voters are told.

    Raises:
        BadInput, WrongState (not open any more), Refused (another browser's), TooMany.
    """
    async with parts.store.transaction(parts.club) as tx:
        app = await _own(tx, parts, application_id, browser)
        return await edits.edit_in(tx, parts, app, raw, parts.clock.now())


async def answer(
    parts: Parts, application_id: int, browser: str, question_id: int, text: str
) -> None:
    """Answer an admin's question on the standing page. WrongState where it is too late."""
    async with parts.store.transaction(parts.club) as tx:
        app = await _own(tx, parts, application_id, browser)
        await questions.take_answer(tx, parts, app, question_id, text, parts.clock.now())


async def withdraw(parts: Parts, application_id: int, actor: str, browser: str = "") -> Application:
    """Take an open application back: an invitation ends with it, nobody decides any more."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if browser:
            await _own(tx, parts, application_id, browser)
        return await withdraw_in(tx, parts, await tx.get(Application, application_id), actor, now)


async def withdraw_in(
    tx: Tx, parts: Parts, app: Application, actor: str, now: datetime
) -> Application:
    """`withdraw` inside a transaction; WrongState where the application has ended."""
    was = app.state
    app = await tx.change(
        app, state=advance(app.state, Event.WITHDRAW), ended_at=now, due_at=None, reason="withdrawn"
    )
    if was is State.UNPROVEN:
        await tx.change(app, answers=None)
        return app
    await record(
        tx,
        parts,
        Decision(Verdict.RECORD, "withdrawn"),
        now=now,
        actor=actor,
        subject=subject_of(app),
        policy=app.policy,
    )
    await cancel(tx, subject_of(app), ("invitation", "approve-told", "question"), "withdrawn")
    await order(
        tx,
        Retract(who=app.identity, reason=parts.say("withdrawn", {}, app.language)),
        platform=app.identity.platform,
        key=f"{subject_of(app)}/retract",
        purpose="retract",
        subject=subject_of(app),
        lane=Lane.ADMISSION,
        now=now,
    )
    for question in await tx.find(Question, application_id=app.id, ended_at=None):
        await tx.change(question, ended_at=now)
    await review.refresh(tx, parts, app, now)
    return app


# ---- Knocks, and the clock --------------------------------------------------------------------


async def knocked(parts: Parts, event: Knocked) -> None:
    """Answer a knock with a personal link to the form, in a direct chat."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        if not await once(tx, event, now):
            return
        account = await account_of(tx, event.who, event.name, now)
        if await tx.first(Application, person_id=account.person_id, state__in=PROVEN):
            return
        fresh = await tx.first(
            Pass,
            act="form",
            identity=event.who,
            used_at=None,
            void_at=None,
            created_at__gt=now - SAME_KNOCK,
        )
        if fresh is not None:
            return
        most = parts.policy.club.spec.limits.codes_by_target
        if not await limits.within(tx, f"links-to:{event.who}", most, now):
            return
        url = await passes.issue(
            tx,
            parts,
            act="form",
            identity=event.who,
            now=now,
            subject=f"knock:{event.event_id}",
            valid=FORM_LINK_VALID,
            note=event.reason,
        )
        await tell(
            tx,
            parts,
            event.who,
            parts.say("knock-told", {"club": parts.policy.title, "name": event.name}),
            key=f"knock:{event.event_id}/link",
            purpose="form-link",
            subject=f"person:{account.person_id}",
            now=now,
            lane=Lane.PROOF,
            links=(Link(parts.say("knock-link"), url),),
        )


async def code_still_open(tx: Tx, placed: Order, now: datetime) -> bool:
    """Whether a code or a form link that is about to be sent still works."""
    if placed.purpose == "code":
        number = int(placed.key.partition(":")[2].partition("/")[0])
        sent = await tx.first(Proof, id=number)  # None: it went with its application
        return sent is not None and sent.used_at is None and sent.expires_at > now
    knock = placed.key.rpartition("/")[0]
    return await tx.count(Pass, subject=knock, used_at=None, void_at=None, expires_at__gt=now) > 0


async def due(parts: Parts, app: Application) -> None:
    """An unproven application's time is over: it goes, and what was typed with it."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, app.id)
        if app.state is State.UNPROVEN and app.due_at is not None and app.due_at <= now:
            await tx.remove(Proof, application_id=app.id)
            await tx.change(
                app,
                state=advance(app.state, Event.EXPIRE),
                ended_at=now,
                due_at=None,
                answers=None,
                reason="never-proven",
            )
