"""An application decided from the command line."""

from gatekeeper.domain.applications import (
    Application,
    State,
)
from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import BadInput, WrongState
from gatekeeper.usecases.parts import Parts
from gatekeeper.usecases.review import conclude


async def decide_by_operator(
    parts: Parts, application_id: int, approve: bool, reason: str, operator: str
) -> Application:
    """An operator decides at the command line; recorded as theirs, told as any other decision.

    Raises:
        NotFound, WrongState: no such application, or it is not in review.
        BadInput: `reason` is none of the policy's decline reasons.
    """
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        app = await tx.get(Application, application_id)
        if app.state is not State.IN_REVIEW or app.opened_at is None:
            raise WrongState(state=app.state.value, event="decide")
        policy = await parts.shelf.at(tx, app.policy)
        known = {known.id for known in policy.club.spec.decline_reasons}
        if not approve and known and reason not in known:
            raise BadInput({"reason": "not-a-decline-reason"}, known=", ".join(sorted(known)))
        verdict = Verdict.ADMIT if approve else Verdict.DECLINE
        decision = Decision(verdict, "operator-admits" if approve else "operator-declines")
        actor = f"operator:{operator}"
        return await conclude(
            tx,
            parts,
            app,
            decision,
            actor,
            now,
            reason="" if approve else reason,
            seen={"reason": reason},
            by=(actor,),
        )
