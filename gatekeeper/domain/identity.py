"""Who is who: an Identity is one account on one platform, a Person is who is behind it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NewType, Self

ClubId = NewType("ClubId", str)  # a slug: metadata.name of the club's policy document

EMAIL = "email"  # stands for a platform where a letter goes to an address; nobody meets there
LONGEST_ADDRESS: Final = 254  # letters; RFC 5321, 4.5.3.1.3
# What every mail server takes, in one line: no quotes, comments, spaces or letters beyond ASCII.
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_LOCAL})@((?:{_LABEL}\.)+{_LABEL})")


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """One account on one platform, written `matrix:@ada:example.org`."""

    platform: str
    account: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.account}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `platform:account`; raises ValueError where either part is missing."""
        platform, colon, account = text.partition(":")
        if not (platform and colon and account):
            raise ValueError(f"not platform:account: {text!r}")
        return cls(platform, account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone known to a club; `erased_at` means that only the number is left.

    `language` is the one in which they last applied, "" for none: the club's is used then.
    `listed`: wishes to stand in the members' directory, once there is one.
    """

    id: int = 0
    club: ClubId
    name: str
    language: str = ""
    listed: bool = False
    erased_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An Identity as the club knows it.

    `first_seen_at` is when we first saw it, `created_at` when the platform says it was made
    (None where the platform does not tell). `refuses_proofs_at`: wants no more codes from us.
    """

    id: int = 0
    club: ClubId
    person_id: int
    identity: Identity
    name: str
    first_seen_at: datetime
    created_at: datetime | None = None
    proven_at: datetime | None = None
    refuses_proofs_at: datetime | None = None
    roles: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCode:
    """A code told to `identity`: whoever says it from another account is the same person.

    The code itself is kept nowhere, only its keyed digest; `used_by` is the account that said it.
    """

    id: int = 0
    club: ClubId
    identity: Identity
    digest: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    used_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Two persons were found to be one; what it takes to undo that.

    Attributes:
        into_id, from_id: the person that all of it belongs to now, and the one that is no more.
        accounts: those of `from_id` that came along.
        moved: ids of the rows that came along, by kind, and of the membership that ended with it.
        barred: an account of `from_id` had been put out for a cause, or banned.
    """

    id: int = 0
    club: ClubId
    into_id: int
    from_id: int
    accounts: tuple[Identity, ...]
    moved: Mapping[str, list[int]]
    barred: bool = False
    at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An e-mail address that somebody named, and has confirmed by the code that was sent there.

    It is no account: nobody is seen by it, applies by it or decides by it.
    """

    id: int = 0
    club: ClubId
    person_id: int
    address: str
    browser: str  # digest of the session that asked for the code
    created_at: datetime
    expires_at: datetime
    tries: int = 0
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None


def as_address(typed: str) -> str | None:
    """The e-mail address in what was typed, in small letters; None where it is none.

    A platform tells addresses in small letters, and nobody becomes another person by a capital.

    Source: RFC 5321, 4.1.2, without quoted and international local parts; unlike 2.4 the part
    before the @ is one mailbox however it is written, as nearly every mail server has it.
    """
    match = _ADDRESS.fullmatch(typed.strip())
    if match is None or len(typed.strip()) > LONGEST_ADDRESS or len(match[1]) > 64:
        return None
    return f"{match[1]}@{match[2]}".lower()
