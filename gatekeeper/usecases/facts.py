"""What a policy's rules see of an application, from our tables alone."""

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.identity import Account, Linked
from gatekeeper.domain.memberships import INSIDE, Membership
from gatekeeper.policy.facts import ApplicationFacts, count_links, typed_text
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Tx
from gatekeeper.usecases import sponsors


async def application_facts(tx: Tx, policy: Policy, app: Application) -> ApplicationFacts:
    """The facts of one application, as its frozen policy names them."""
    account = await tx.first(Account, identity=app.identity)
    earlier = [
        other
        for other in await tx.find(Application, person_id=app.person_id, id__lt=app.id)
        if other.state is not State.EXPIRED
    ]
    declined = [other for other in earlier if other.state is State.DECLINED]
    past = await tx.find(Membership, person_id=app.person_id)
    barred = await tx.count(Linked, into_id=app.person_id, barred=True, ended_at=None) > 0
    vouches = await sponsors.standing(tx, app)
    text = typed_text(policy.club.spec.form, app.answers or {}, app.knock_reason)
    return ApplicationFacts(
        submitted_at=app.submitted_at,
        origin="knock" if app.origin == "knock" else "web",
        platform=app.identity.platform,
        identity=str(app.identity),
        server=app.identity.account.partition(":")[2],
        proven=True,
        first_seen_at=account.first_seen_at if account else app.submitted_at,
        account_created_at=account.created_at if account else None,
        display_name=app.name,
        reason=app.knock_reason,
        answers=app.answers or {},
        text=text,
        links=count_links(text),
        earlier_applications=len(earlier),
        earlier_declines=len(declined),
        last_declined_at=max((d.decided_at for d in declined if d.decided_at), default=None),
        was_member=any(member.state not in INSIDE for member in past),
        was_removed=barred or any(member.cause in {"cause", "banned"} for member in past),
        vouches=len(vouches),
        sponsors=tuple(str(each.voucher) for each in vouches),
    )
