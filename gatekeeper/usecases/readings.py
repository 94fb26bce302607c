"""A policy file as it was read, and what may become of it."""

from dataclasses import dataclass
from enum import StrEnum

from gatekeeper.domain.errors import GatekeeperError
from gatekeeper.policy.judge import Policy


class OtherClub(GatekeeperError):
    """The file is of another club: metadata.name of its Club document is the club's id."""

    code = "policy-other-club"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A policy file as it was read.

    Attributes:
        name: the file's.
        digest: of its text; "" where it could not be read.
        mark: names what was read, its cases too, so that a fault is told once.
        policy: compiled, its cases and invariants tried; None where anything is wrong.
        fault: PolicyError, SettingsError, CasesFailed, InvariantsBroken, OtherClub.
    """

    name: str
    digest: str
    mark: str
    policy: Policy | None = None
    fault: GatekeeperError | None = None


class Step(StrEnum):
    """What becomes of a reading."""

    WRONG = "wrong"  # the version in force stays
    SAME = "same"  # it is in force
    ASIDE = "aside"  # people have decided against it
    WAITS = "waits"  # for an admin's word
    LOAD = "load"  # it comes into force
