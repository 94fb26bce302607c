"""Personal links and codes: for one Identity and one act, derived when they are told.

A secret is made from our key and the row it belongs to, so it stands nowhere: the row keeps a
digest, and an Order that is to tell it keeps only the mark of the row until it is performed.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from datetime import datetime, timedelta

from gatekeeper.domain.clubs import Pass, Proof
from gatekeeper.domain.decisions import Action, Tell
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Address, Identity, LinkCode
from gatekeeper.ports import Tx
from gatekeeper.usecases.parts import Parts

MARK = "pass:"
CODE_MARK = "[code]"
_PROOF = re.compile(r"^proof:(\d+)/code$")
_LINKING = re.compile(r"^link-code:(\d+)/code$")
_ADDRESS = re.compile(r"^address:(\d+)/code$")
LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # no two alike, and no words


def digest(parts: Parts, text: str) -> str:
    """Keyed digest of a secret that people carry; the secret itself is never kept."""
    return _keyed(parts, f"digest:{text}").hex()


def _keyed(parts: Parts, text: str) -> bytes:
    return hmac.new(parts.secret, text.encode(), hashlib.sha256).digest()


def _secret(parts: Parts, row: Pass) -> str:
    """192 bits of the link of a row; ids are never given twice."""
    made = _keyed(parts, f"link:{row.club}:{row.id}:{row.created_at.isoformat()}")
    return base64.urlsafe_b64encode(made[:24]).decode()


def code_of(parts: Parts, row: Proof) -> str:
    """The six digits of a proof."""
    made = _keyed(parts, f"code:{row.club}:{row.id}:{row.created_at.isoformat()}")
    return f"{int.from_bytes(made[:8]) % 10**6:06d}"


def link_code_of(parts: Parts, row: LinkCode) -> str:
    """The eight letters that link accounts, as XXXX-XXXX; 38 bits."""
    made = _keyed(parts, f"link-code:{row.club}:{row.id}:{row.created_at.isoformat()}")
    number, letters = int.from_bytes(made[:16]), ""
    for _ in range(8):
        number, place = divmod(number, len(LETTERS))
        letters += LETTERS[place]
    return f"{letters[:4]}-{letters[4:]}"


def address_code_of(parts: Parts, row: Address) -> str:
    """The six digits that confirm an e-mail address."""
    made = _keyed(parts, f"address:{row.club}:{row.id}:{row.created_at.isoformat()}")
    return f"{int.from_bytes(made[:8]) % 10**6:06d}"


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
        Its mark, to stand as a Link's address in an Order until `reveal`.
    """
    for old in await tx.find(
        Pass, act=act, identity=identity, subject=subject, used_at=None, void_at=None
    ):
        await tx.change(old, void_at=now)
    made = await tx.add(
        Pass(
            club=tx.club,
            act=act,
            digest=f"{act}:{subject}:{identity}:{now.isoformat()}",  # until it has a number
            identity=identity,
            subject=subject,
            created_at=now,
            expires_at=now + valid,
            note=note,
        )
    )
    await tx.change(made, digest=digest(parts, _secret(parts, made)))
    return f"{MARK}{made.id}"


async def reveal(tx: Tx, parts: Parts, action: Action, key: str) -> Action:
    """The Action with its links and its code as they are told, the same at every try."""
    if not isinstance(action, Tell):
        return action
    links = []
    for link in action.links:
        if link.url.startswith(MARK):
            row = await tx.get(Pass, int(link.url.removeprefix(MARK)))
            link = replace(link, url=f"{parts.base_url}/l/{_secret(parts, row)}")
        links.append(link)
    text = action.text
    if proof := _PROOF.match(key):
        text = text.replace(CODE_MARK, code_of(parts, await tx.get(Proof, int(proof.group(1)))))
    elif linking := _LINKING.match(key):
        told = await tx.get(LinkCode, int(linking.group(1)))
        text = text.replace(CODE_MARK, link_code_of(parts, told))
    elif letter := _ADDRESS.match(key):
        asked = await tx.get(Address, int(letter.group(1)))
        text = text.replace(CODE_MARK, address_code_of(parts, asked))
    return replace(action, text=text, links=tuple(links))


async def inspect(tx: Tx, parts: Parts, secret: str, now: datetime) -> Pass:
    """The Pass behind a link, unchanged.

    Raises:
        Refused: link-unknown, link-used, link-withdrawn, link-expired.
    """
    found = await tx.first(Pass, digest=digest(parts, secret))
    if found is None:
        raise Refused("link-unknown")
    return check(found, now)


def check(found: Pass, now: datetime) -> Pass:
    """The same Pass, if it still works. Refused: link-used, link-withdrawn, link-expired."""
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
