"""Who is who: an Identity is one account on one platform, a Person is who is behind it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Self

ClubId = NewType("ClubId", str)  # a slug: metadata.name of the club's policy document


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
    """

    id: int = 0
    club: ClubId
    name: str
    language: str = ""
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
