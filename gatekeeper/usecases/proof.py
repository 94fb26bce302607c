"""Codes: whoever types the code that we sent to an account shows that the account is theirs."""

import secrets
from datetime import datetime, timedelta

from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import Proof
from gatekeeper.domain.decisions import Lane, Link
from gatekeeper.domain.errors import Refused, Value
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.policy.texts import say_time
from gatekeeper.ports import Tx
from gatekeeper.usecases import email, limits, outside_card, passes
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts, account_of, tell


async def send_code(
    tx: Tx, parts: Parts, app: Application, browser: str, address: str, now: datetime
) -> Proof:
    """Order a new code for an unproven application; an earlier one for the account ends.

    Raises:
        Refused: proof-refused, the account wants no codes from us.
        TooMany: by address, by account, or altogether.
    """
    spec = parts.policy.club.spec
    account = await tx.first(Account, identity=app.identity)
    if account is not None and account.refuses_proofs_at is not None:
        raise Refused("proof-refused")
    if outside_card.is_outside(app):
        await email.check_wanted(tx, parts, app.identity.account, now)
    await limits.spend(tx, f"code-from:{address}", spec.limits.codes_by_address, now)
    await limits.spend(tx, f"code-to:{app.identity}", spec.limits.codes_by_target, now)
    await limits.spend(tx, "codes", spec.limits.codes_in_total, now)
    for old in await tx.find(Proof, identity=app.identity, used_at=None, expires_at__gt=now):
        await tx.change(old, expires_at=now)
    proof = await tx.add(
        Proof(
            club=tx.club,
            application_id=app.id,
            identity=app.identity,
            browser=passes.digest(parts, browser),
            created_at=now,
            expires_at=now + spec.proof.code_valid,
        )
    )
    values: dict[str, Value] = {
        "code": passes.CODE_MARK,
        "club": parts.policy.title,
        "at": say_time(now, app.language, spec.time_zone),
        "minutes": max(1, round(spec.proof.code_valid / timedelta(minutes=1))),
    }
    told, links = "code-told", tuple[Link, ...]()
    if outside_card.is_outside(app):
        told = "outside.code-told"
        links = (await email.stop_link(tx, parts, app.identity, app.language, now),)
    await tell(
        tx,
        parts,
        app.identity,
        parts.say(told, values, app.language),
        key=f"proof:{proof.id}/code",
        purpose="code",
        subject=subject_of(app),
        now=now,
        lane=Lane.PROOF,
        links=links,
    )
    return proof


async def check_code(
    tx: Tx, parts: Parts, app: Application, browser: str, code: str, now: datetime
) -> Refused | None:
    """Try one code: None where it is right and now used up; the caller commits either way."""
    proof = await tx.first(Proof, application_id=app.id, used_at=None, order="-id")
    if proof is None or proof.browser != passes.digest(parts, browser):
        return Refused("code-other-browser")
    if proof.expires_at <= now:
        return Refused("code-expired")
    tries = parts.policy.club.spec.proof.tries
    if proof.tries >= tries:
        return Refused("code-too-many-tries")
    if not secrets.compare_digest(passes.code_of(parts, proof).encode(), code.strip().encode()):
        proof = await tx.change(proof, tries=proof.tries + 1)
        return Refused("code-wrong", left=tries - proof.tries)
    await tx.change(proof, used_at=now)
    return None


async def refuse_for_good(tx: Tx, who: Identity, now: datetime) -> None:
    """The account wants no more codes, whether or not we knew it before."""
    for proof in await tx.find(Proof, identity=who, used_at=None, expires_at__gt=now):
        await tx.change(proof, expires_at=now)
    account = await account_of(tx, who, "", now)
    await tx.change(account, refuses_proofs_at=now)
