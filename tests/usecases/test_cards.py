"""Cards: what stands in the admins' room is what was last ordered, whatever came between."""

from gatekeeper.domain.clubs import StandingCard
from gatekeeper.domain.decisions import Card, Order, Progress, Receipt
from gatekeeper.usecases import cards
from tests.journeys.club import CLUB

SUBJECT = "application:1"


def a_card(votes: str) -> Card:
    return Card(title="Application #1: Ada", status=votes)


async def show(club, votes: str) -> None:
    async with club.store.transaction(CLUB) as tx:
        await cards.show(tx, club.parts, SUBJECT, a_card(votes), club.clock.now())


async def test_a_card_that_returns_to_what_it_showed_is_written_again(club):
    """The update between may have been carried out already when it was taken back."""
    async with club.store.transaction(CLUB) as tx:
        await tx.add(
            StandingCard(
                club=CLUB,
                platform=club.parts.admin_platform,
                kind="review",
                subject=SUBJECT,
                place="admins",
                ref="$card",
                shown=cards.shown(a_card("1 of 2")),
            )
        )
    await show(club, "0 of 2")
    await show(club, "1 of 2")
    first, second = await club.find(Order, purpose="card-update")
    assert (first.progress, first.reason) == (Progress.CANCELLED, "newer-card")
    assert second.progress is Progress.DUE
    assert second.action.card == a_card("1 of 2")

    async with club.store.transaction(CLUB) as tx:
        receipt = Receipt(changed=True, at=club.clock.now(), ref="$card")
        await cards.on_receipt(tx, second, receipt)
        await tx.change(second, progress=Progress.DONE)
    await show(club, "1 of 2")
    assert len(await club.find(Order, purpose="card-update")) == 2
