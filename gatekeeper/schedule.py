"""When Sweeps run, and what else the engine's clock starts."""

from typing import Final, NamedTuple

from gatekeeper.policy.judge import Policy

RETENTION: Final = "17 3 * * *"


class Tick(NamedTuple):
    """A cron expression in a time zone and the kind of job that it starts."""

    name: str
    cron: str
    zone: str
    kind: str


def ticks(policy: Policy) -> tuple[Tick, ...]:
    """All ticks of a club."""
    zone, pruning = policy.club.spec.time_zone, policy.pruning
    return (
        Tick("sweep", pruning.schedule, pruning.time_zone or zone, "sweep"),
        Tick("retention", RETENTION, zone, "retention"),
    )
