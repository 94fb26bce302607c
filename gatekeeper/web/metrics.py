"""Numbers for those who watch the service, on a port of their own; never about a person."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gatekeeper.domain import memberships
from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import ClubState, Handled
from gatekeeper.domain.decisions import Order, Progress
from gatekeeper.domain.memberships import Membership, Sweep
from gatekeeper.ports import Health, Tx
from gatekeeper.usecases.parts import Parts

# What an Order may be for; one that is not listed counts as "other".
PURPOSES: Final = (
    "answer-told", "approve-told", "bring", "cannot-read", "card", "card-update", "code",
    "decline-told", "failure", "form-link", "goodbye", "guest", "head", "invitation",
    "invitation-reminder", "notice", "policy", "question", "removal", "resume-card", "retract",
    "thread", "told", "welcome",
)  # fmt: skip
KEPT_FOR: Final = timedelta(seconds=5)  # however often it is asked for, the tables are not
SECONDS: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


class Metrics:
    """All numbers of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        gauge = self._gauge
        self.applications = gauge("applications", "Applications by state", "club", "state")
        self.memberships = gauge("memberships", "Memberships by state", "club", "state")
        self.orders = gauge(
            "orders", "Orders by progress and purpose", "club", "progress", "purpose"
        )
        self.oldest = gauge(
            "oldest_due_order_seconds", "How long the oldest due order is due", "club"
        )
        self.sweeps = gauge("sweeps", "Sweeps carried out", "club")
        self.held = gauge("sweeps_held", "Sweeps that the brake has stopped", "club")
        self.handled = gauge("handled_events", "Events taken in that decided something", "club")
        self.paused = gauge("paused", "1 while all writing is stopped", "club")
        self.up = gauge("part_up", "1 while a part works", "part")
        self._requests = Counter(
            "gatekeeper_http_requests", "Answers by route, method and status",
            ("route", "method", "status"), registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "gatekeeper_http_seconds", "Time to answer, by route", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"gatekeeper_{name}", text, labels, registry=self.registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is a template, never a path."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def tell_health(self, found: Mapping[str, Health]) -> None:
        """Take over how the parts are."""
        self.up.clear()
        for name, part in found.items():
            self.up.labels(name).set(part.ok)

    async def count(self, parts: Parts) -> None:
        """Take over what the tables say of a club."""
        now, club = parts.clock.now(), parts.club
        async with parts.store.look(club) as tx:
            for state in State:
                found = await tx.count(Application, state=state)
                self.applications.labels(club, state.value).set(found)
            for stage in memberships.State:
                found = await tx.count(Membership, state=stage)
                self.memberships.labels(club, stage.value).set(found)
            for progress in Progress:
                await self._count_orders(tx, progress)
            oldest = await tx.first(Order, order="due_at", progress=Progress.DUE)
            waits = (now - oldest.due_at).total_seconds() if oldest else 0.0
            self.oldest.labels(club).set(max(0.0, waits))
            self.sweeps.labels(club).set(await tx.count(Sweep))
            self.held.labels(club).set(await tx.count(Sweep, held__not_in=[""]))
            self.handled.labels(club).set(await tx.count(Handled))
            row = await tx.first(ClubState)
            self.paused.labels(club).set(row is not None and row.paused_at is not None)

    async def _count_orders(self, tx: Tx, progress: Progress) -> None:
        left = await tx.count(Order, progress=progress)
        for purpose in PURPOSES:
            found = await tx.count(Order, progress=progress, purpose=purpose) if left else 0
            self.orders.labels(tx.club, progress.value, purpose).set(found)
            left -= found
        self.orders.labels(tx.club, progress.value, "other").set(max(0, left))


def create_metrics_app(
    clubs: Sequence[Parts], *, health: Callable[[], Mapping[str, Health]], metrics: Metrics
) -> Starlette:
    """GET /metrics, for a port that only those who watch can reach."""
    counted = datetime.min.replace(tzinfo=UTC)

    async def show(request: Request) -> Response:
        nonlocal counted
        metrics.tell_health(health())
        now = clubs[0].clock.now()
        if now - counted >= KEPT_FOR:
            for parts in clubs:
                await metrics.count(parts)
            counted = now
        return Response(
            generate_latest(metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST}
        )

    return Starlette(routes=[Route("/metrics", show)])
