"""How records, orders and sentences name things."""

from gatekeeper.domain.applications import Application
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import Membership
from gatekeeper.ports import Tx


def subject_of(one: Application | Membership) -> str:
    """How records and orders name an application or a membership: `membership:3`."""
    return f"{type(one).__name__.lower()}:{one.id}"


def number_of(subject: str) -> int:
    """The id in a subject: 3 of `application:3`."""
    return int(subject.partition(":")[2])


async def name_of(tx: Tx, who: Identity) -> str:
    """The name an identity goes by, else the account itself."""
    account = await tx.first(Account, identity=who)
    return account.name if account and account.name else who.account
