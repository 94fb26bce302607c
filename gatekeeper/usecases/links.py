"""Personal links: a GET shows what the link will do, its POST does it."""

from dataclasses import dataclass

from gatekeeper.domain.applications import Application
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Identity
from gatekeeper.usecases import comeback, disputes, email, notices, passes, stage_ends
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """What a link says it will do."""

    act: str
    headline: str
    sentence: str
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """What a link did; with act "form" the form is open for `identity` until it is sent."""

    act: str
    headline: str
    sentence: str
    identity: Identity
    pass_id: int


async def inspect(parts: Parts, secret: str, language: str = "") -> LinkPage:
    """What a link would do; changes nothing. Refused (link-…)."""
    async with parts.store.look(parts.club) as tx:
        found = await passes.inspect(tx, parts, secret, parts.clock.now())
    values = {"club": parts.policy.title, "account": found.identity.account}
    return LinkPage(
        act=found.act,
        headline=parts.say(f"link.{found.act}.headline", values, language),
        sentence=parts.say(f"link.{found.act}", values, language),
        button=parts.say(f"link.{found.act}.button", values, language),
    )


async def use(parts: Parts, secret: str, browser: str, language: str = "") -> LinkResult:
    """Do what a link is for.

    A form link opens the form and ends when the form is sent; the others end with this.

    Raises:
        Refused: link-unknown, link-used, link-withdrawn, link-expired, or why the act is refused.
    """
    async with parts.store.look(parts.club) as tx:
        found = await passes.inspect(tx, parts, secret, parts.clock.now())
    code = f"link.{found.act}.done"
    if found.act == "comeback":
        decision = await comeback.use(parts, found, parts.clock.now())
        code = decision.code
    elif found.act == "here":
        code = await _here(parts, secret)
    elif found.act == notices.DISPUTE:
        code = await disputes.by_link(parts, secret)
    elif found.act == "stop":
        await email.stop(parts, secret)
    elif found.act == "status":
        await _bind(parts, secret, browser)
    values = {"club": parts.policy.title, "account": found.identity.account}
    return LinkResult(
        act=found.act,
        headline=parts.say(f"link.{found.act}.headline", values, language),
        sentence=parts.say(code, values, language),
        identity=found.identity,
        pass_id=found.id,
    )


async def _here(parts: Parts, secret: str) -> str:
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        used = await passes.use(tx, parts, secret, now)
        person = await email.person_behind(tx, used)
        if person is None:
            raise Refused("link-withdrawn")
        decision = await stage_ends.alive(tx, parts, person, now, "link")
    return "link.here.done" if decision is not None else "link.here.nothing"


async def _bind(parts: Parts, secret: str, browser: str) -> None:
    async with parts.store.transaction(parts.club) as tx:
        used = await passes.use(tx, parts, secret, parts.clock.now())
        app = await tx.get(Application, number_of(used.subject))
        await tx.change(app, browser=passes.digest(parts, browser))
