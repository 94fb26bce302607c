"""A browser that has proven something goes on under a new id."""

from gatekeeper.domain.applications import Application
from gatekeeper.usecases import passes
from gatekeeper.usecases.parts import Parts
from gatekeeper.web.security import Session


async def new_browser(parts: Parts, application_id: int, session: Session) -> Session:
    """Give the application of this browser, and the browser, a new id.

    Whoever planted the old id in somebody's browser does not have theirs. An application that
    another browser has taken over meanwhile stays with that one.
    """
    fresh = session.renewed()
    async with parts.store.transaction(parts.club) as tx:
        app = await tx.get(Application, application_id)
        if app.browser != passes.digest(parts, session.browser):
            return session
        await tx.change(app, browser=passes.digest(parts, fresh.browser))
    return fresh
