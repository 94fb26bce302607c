"""What somebody has begun to write into a chat's form, and not sent yet: kept for some days, so
that neither a closed window nor a restart of ours loses it. Nobody but they ever sees it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.clubs import Draft
from gatekeeper.domain.identity import Identity
from gatekeeper.ports import Tx

KEPT: Final = timedelta(days=7)
_LETTERS: Final = 100_000  # of one draft


async def keep(
    tx: Tx, who: Identity, form: str, answers: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """Keep what stands in some fields besides what is kept of the others; all of it. What would be
    too much is not kept.

    Args:
        form: "apply" or "edit".
        answers: question id to what was typed or chosen.
    """
    known = await tx.first(Draft, who=who, form=form)
    whole = {**(known.answers if known else {}), **answers}
    if sum(len(str(each)) for each in whole.values()) > _LETTERS:
        return whole
    if known is not None:
        await tx.change(known, answers=whole, at=now)
    else:
        await tx.add(Draft(club=tx.club, who=who, form=form, answers=whole, at=now))
    return whole


async def of(tx: Tx, who: Identity, form: str, since: datetime | None = None) -> Mapping[str, Any]:
    """What somebody had begun to write; {} also where it is older than `since`."""
    known = await tx.first(Draft, who=who, form=form)
    return known.answers if known and (since is None or known.at > since) else {}


async def end(tx: Tx, who: Identity) -> None:
    """They have sent it."""
    await tx.remove(Draft, who=who)


async def forget(tx: Tx, now: datetime) -> None:
    """Whoever comes back later begins anew."""
    await tx.remove(Draft, at__lt=now - KEPT)
