"""Personal links: random, for one Identity and one act, kept only as a keyed digest."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from gatekeeper.domain.clubs import Pass
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts


def digest(parts: Parts, text: str) -> str:
    """Keyed digest of a secret that people carry; the secret itself is never kept."""
    return hmac.new(parts.secret, text.encode(), hashlib.sha256).hexdigest()


async def issue(
    tx: Tx,
    parts: Parts,
    *,
    act: str,
    identity: Identity,
    subject: str,
    now: datetime,
    valid: timedelta,
    note: str = "",
) -> str:
    """A new link for `identity`; earlier unused ones for the same act and subject end.

    Returns:
        Its address, the only place where the secret stands.
    """
    for old in await tx.find(
        Pass, act=act, identity=identity, subject=subject, used_at=None, void_at=None
    ):
        await tx.change(old, void_at=now)
    secret = secrets.token_urlsafe(24)
    await tx.add(
        Pass(
            club=tx.club,
            act=act,
            digest=digest(parts, secret),
            identity=identity,
            subject=subject,
            created_at=now,
            expires_at=now + valid,
            note=note,
        )
    )
    return f"{parts.base_url}/l/{secret}"


async def inspect(tx: Tx, parts: Parts, secret: str, now: datetime) -> Pass:
    """The Pass behind a link, unchanged.

    Raises:
        Refused: link-unknown, link-used, link-withdrawn, link-expired.
    """
    found = await tx.first(Pass, digest=digest(parts, secret))
    if found is None:
        raise Refused("link-unknown")
    if found.used_at is not None:
        raise Refused("link-used")
    if found.void_at is not None:
        raise Refused("link-withdrawn")
    if found.expires_at <= now:
        raise Refused("link-expired")
    return found


async def use(tx: Tx, parts: Parts, secret: str, now: datetime) -> Pass:
    """`inspect`, and the link has ended with this."""
    found = await inspect(tx, parts, secret, now)
    return await tx.change(found, used_at=now)


async def void(tx: Tx, identity: Identity, now: datetime, *, act: str = "") -> None:
    """End every open link of an identity (all acts, or one)."""
    for found in await tx.find(Pass, identity=identity, used_at=None, void_at=None):
        if act in {"", found.act}:
            await tx.change(found, void_at=now)
