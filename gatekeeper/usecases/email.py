"""E-mail addresses: named by an applicant or member on their page, confirmed by a code sent there.

A confirmed address is the last way to ask somebody whom no chat reaches. It is shown to nobody but
its owner, and it is no account: by it nobody applies, decides or gives a sign of life but by links.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.decisions import Lane, Link, Order, Tell
from gatekeeper.domain.errors import BadInput, Refused, Value
from gatekeeper.domain.identity import EMAIL, Account, Address, Identity, as_address
from gatekeeper.domain.memberships import Membership
from gatekeeper.ports import Tx
from gatekeeper.usecases import limits, passes
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts, order

CODE: Final = "address-code"  # purpose of the Order with the code
STOP: Final = timedelta(days=180)  # for so long nobody can have a code sent to who wants none
_NOBODY: Final = 0  # person_id of a row that keeps such a wish, with a digest for the address


def parse(typed: str) -> str:
    """The address in what was typed; BadInput (address: not-an-address)."""
    address = as_address(typed)
    if address is None:
        raise BadInput({"address": "not-an-address"})
    return address


async def current(tx: Tx, person_id: int) -> Address | None:
    """The address of a person, confirmed or not; None for none."""
    return await tx.first(Address, person_id=person_id, ended_at=None, order="-id")


async def of_browser(parts: Parts, application_id: int, browser: str) -> Address | None:
    """The address of whoever sent an application from this browser."""
    async with parts.store.look(parts.club) as tx:
        app = await _own(tx, parts, application_id, browser)
        return await _shown(tx, app.person_id)


async def _shown(tx: Tx, person_id: int) -> Address | None:
    """A newer one that is not confirmed yet, else the confirmed one."""
    newest = await current(tx, person_id)
    return newest or await confirmed(tx, person_id)


async def confirmed(tx: Tx, person_id: int) -> Address | None:
    """The address that a person has confirmed."""
    return await tx.first(
        Address, person_id=person_id, ended_at=None, confirmed_at__set=True, order="-id"
    )


async def reach(tx: Tx, parts: Parts, person_id: int) -> tuple[Identity, ...]:
    """Where a letter reaches a person: their confirmed address, if there is a mail server."""
    found = await confirmed(tx, person_id) if parts.mailer is not None else None
    return (Identity(EMAIL, found.address),) if found else ()


async def person_behind(tx: Tx, used: Pass) -> int | None:
    """Whose link this is, by account or, of a letter, by the membership that it is about."""
    if used.identity.platform != EMAIL:
        account = await tx.first(Account, identity=used.identity)
        return account.person_id if account else None
    member = await tx.first(Membership, id=number_of(used.subject))
    return member.person_id if member else None


async def stop_link(tx: Tx, parts: Parts, who: Identity, language: str, now: datetime) -> Link:
    """Stands in each letter with a code: whoever did not ask for it ends that."""
    mark = await passes.issue(
        tx, parts, act="stop", identity=who, subject="club", now=now, valid=STOP
    )
    return Link(parts.say("link.stop.button", {}, language), mark)


async def stop(parts: Parts, secret: str) -> None:
    """No code goes to the address for a long time, and no letter to whoever had confirmed it.
    Refused (link-…)."""
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        used = await passes.use(tx, parts, secret, now)
        for one in await tx.find(Address, address=used.identity.account, ended_at=None):
            await tx.change(one, ended_at=now)
        await tx.add(
            Address(
                club=tx.club,
                person_id=_NOBODY,
                address=passes.digest(parts, used.identity.account),
                browser="",
                created_at=now,
                expires_at=now + STOP,
                ended_at=now,
            )
        )


async def check_wanted(tx: Tx, parts: Parts, address: str, now: datetime) -> None:
    """Refused (proof-refused): whoever reads there wants no codes from us."""
    kept = passes.digest(parts, address)
    if await tx.count(Address, person_id=_NOBODY, address=kept, expires_at__gt=now):
        raise Refused("proof-refused")


async def name(parts: Parts, application_id: int, browser: str, typed: str, client: str) -> Address:
    """Send a code to an address; an earlier one that is not confirmed ends.

    Args:
        browser: the session that has sent the application.
        client: network address of whoever asks, for the limits.

    Raises:
        BadInput: not an address. TooMany: by client, by address, or altogether.
        Refused: no-mail, code-other-browser, proof-refused, or nothing is proven yet (not-proven).
    """
    if parts.mailer is None:
        raise Refused("no-mail")
    address, spec = parse(typed), parts.policy.club.spec
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await _own(tx, parts, application_id, browser)
        who = Identity(EMAIL, address)
        await check_wanted(tx, parts, address, now)
        await limits.spend(tx, f"code-from:{client}", spec.limits.codes_by_address, now)
        await limits.spend(tx, f"code-to:{who}", spec.limits.codes_by_target, now)
        await limits.spend(tx, "codes", spec.limits.codes_in_total, now)
        for old in await tx.find(Address, person_id=app.person_id, ended_at=None):
            if old.confirmed_at is None:
                await tx.change(old, ended_at=now)
        made = await tx.add(
            Address(
                club=tx.club,
                person_id=app.person_id,
                address=address,
                browser=passes.digest(parts, browser),
                created_at=now,
                expires_at=now + spec.proof.code_valid,
            )
        )
        values: dict[str, Value] = {
            "code": passes.CODE_MARK,
            "club": parts.policy.title,
            "minutes": max(1, round(spec.proof.code_valid / timedelta(minutes=1))),
        }
        await order(
            tx,
            Tell(
                who=who,
                text=parts.say("mail.code", values, app.language),
                subject=parts.say("mail.code-subject", {"club": parts.policy.title}, app.language),
                links=(await stop_link(tx, parts, who, app.language, now),),
            ),
            platform=EMAIL,
            key=f"address:{made.id}/code",
            purpose=CODE,
            subject=f"person:{app.person_id}",
            lane=Lane.PROOF,
            now=now,
        )
        return made


async def confirm(parts: Parts, application_id: int, browser: str, code: str) -> None:
    """Type in the code of a letter: from then on letters may go there; an earlier one ends.

    Raises:
        Refused: code-other-browser, code-expired, code-too-many-tries, code-wrong (with `left`).
    """
    refusal = None
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await _own(tx, parts, application_id, browser)
        found = await current(tx, app.person_id)
        tries = parts.policy.club.spec.proof.tries
        if found is None or found.browser != passes.digest(parts, browser):
            refusal = Refused("code-other-browser")
        elif found.confirmed_at is not None:
            return
        elif found.expires_at <= now:
            refusal = Refused("code-expired")
        elif found.tries >= tries:
            refusal = Refused("code-too-many-tries")
        elif not secrets.compare_digest(
            passes.address_code_of(parts, found).encode(), code.strip().encode()
        ):
            found = await tx.change(found, tries=found.tries + 1)
            refusal = Refused("code-wrong", left=tries - found.tries)
        else:
            for old in await tx.find(Address, person_id=app.person_id, ended_at=None):
                if old.id != found.id:
                    await tx.change(old, ended_at=now)
            await tx.change(found, confirmed_at=now)
    if refusal is not None:
        raise refusal


async def forget(parts: Parts, application_id: int, browser: str) -> None:
    """No letter goes to this person any more."""
    async with parts.store.transaction(parts.club) as tx:
        app = await _own(tx, parts, application_id, browser)
        for old in await tx.find(Address, person_id=app.person_id, ended_at=None):
            await tx.change(old, ended_at=parts.clock.now())


async def _own(tx: Tx, parts: Parts, application_id: int, browser: str) -> Application:
    app = await tx.get(Application, application_id)
    if app.browser != passes.digest(parts, browser):
        raise Refused("code-other-browser")
    if app.state is State.UNPROVEN or not app.person_id:
        raise Refused("not-proven")
    return app


async def code_still_open(tx: Tx, placed: Order, now: datetime) -> bool:
    """Whether a code that is about to be sent still works."""
    number = int(placed.key.partition(":")[2].partition("/")[0])
    sent = await tx.first(Address, id=number)
    return sent is not None and sent.ended_at is None and sent.expires_at > now
