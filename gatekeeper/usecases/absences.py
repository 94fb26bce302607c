"""What leaves and exemptions share: finding the member, and the dates that may be asked for."""

from datetime import datetime, timedelta

from gatekeeper.domain.errors import BadInput, Refused
from gatekeeper.domain.identity import Account, Identity
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.ports import Tx

LETTERS = 500  # of a note or a reason


async def member_of(tx: Tx, identity: Identity) -> Membership:
    """The open membership of whoever is behind an identity; Refused("not-a-member")."""
    account = await tx.first(Account, identity=identity)
    if account is not None:
        member = await tx.first(Membership, person_id=account.person_id, state__in=tuple(INSIDE))
        if member is not None:
            return member
    raise Refused("not-a-member")


def check_until(until: datetime, now: datetime, longest: timedelta) -> None:
    """BadInput (until: date-not-in-future, date-too-far) for a date that cannot be taken."""
    if until <= now:
        raise BadInput({"until": "date-not-in-future"})
    if until > now + longest:
        raise BadInput({"until": "date-too-far"}, days=longest.days)
