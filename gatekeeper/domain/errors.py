"""What can go wrong, each with a stable code.

A code and its values are all that an error carries; the sentence and the remedy that a person
reads come from the catalogue (`gatekeeper.policy.texts`), by code and language. Codes are stable:
logs, the web form, scripts and tests match on them.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, TypeAlias

Value: TypeAlias = str | int | float | bool


class GatekeeperError(Exception):
    """Something was asked for that has no answer; `code` says which, `values` fill its sentence."""

    code: ClassVar[str] = "gatekeeper"

    def __init__(self, **values: Value) -> None:
        self.values: Mapping[str, Value] = values
        super().__init__(
            " ".join([self.code, *(f"{name}={value}" for name, value in values.items())])
        )


class WrongState(GatekeeperError):
    """The event is not in the table of this life: `state`, `event`."""

    code = "wrong-state"


class NotFound(GatekeeperError):
    """No such `kind` with this `id` in this club."""

    code = "not-found"


class Refused(GatekeeperError):
    """A person may not do this, or not now; `reason` is the code of the sentence they are told."""

    code = "refused"

    def __init__(self, reason: str, **values: Value) -> None:
        self.reason = reason
        super().__init__(reason=reason, **values)


class BadInput(GatekeeperError):
    """Input that cannot be taken; `problems` maps a field to the code that says why."""

    code = "bad-input"

    def __init__(self, problems: Mapping[str, str], **values: Value) -> None:
        self.problems = dict(problems)
        super().__init__(fields=", ".join(sorted(problems)), **values)


class TooMany(GatekeeperError):
    """A limit on requests is reached; the same call may work after `retry_after` (seconds)."""

    code = "too-many"

    def __init__(self, retry_after: timedelta, **values: Value) -> None:
        self.retry_after = retry_after
        super().__init__(retry_after=int(retry_after.total_seconds()), **values)


class PlatformError(GatekeeperError):
    """A platform did not do what was asked."""

    code = "platform-error"


class PlatformBusy(PlatformError):
    """The platform asked us to wait; the same call may work after `retry_after`.

    `limiters` names which of its limiters asked: nothing else that draws on them is tried before.
    """

    code = "platform-busy"

    def __init__(
        self, platform: str, retry_after: timedelta, limiters: tuple[str, ...] = ()
    ) -> None:
        self.platform, self.retry_after, self.limiters = platform, retry_after, limiters
        super().__init__(platform=platform, seconds=round(retry_after.total_seconds(), 1))


class PlatformDown(PlatformError):
    """The platform could not be reached, or failed by itself; worth another try."""

    code = "platform-down"

    def __init__(self, platform: str, detail: str) -> None:
        self.platform, self.detail = platform, detail
        super().__init__(platform=platform, detail=detail)


class PlatformRefused(PlatformError):
    """The platform's final no: trying again changes nothing, a person has to act.

    `reason` is a stable code of ours: no-power, no-such-room, no-such-person, banned,
    not-in-room, login-revoked, encrypted, too-large, other.
    """

    code = "platform-refused"

    def __init__(self, platform: str, reason: str, detail: str = "") -> None:
        self.platform, self.reason, self.detail = platform, reason, detail
        super().__init__(platform=platform, reason=reason, detail=detail)


class SettingsError(GatekeeperError):
    """Settings that cannot be started with; `faults` lists all of them, a sentence each."""

    code = "settings"

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__(faults="; ".join(faults))


class WhichClub(GatekeeperError):
    """The service has several clubs, `known`, and `club` is none of them."""

    code = "which-club"


class StorageError(GatekeeperError):
    """The database cannot be used as it is: `detail` says why."""

    code = "storage"


class NoTables(StorageError):
    """The database at `where` is not there or is empty: nobody makes one in its place unasked."""

    code = "no-tables"


class ServiceAbsent(GatekeeperError):
    """No service is running that could carry out what was committed; it is kept for later."""

    code = "service-absent"


class RecordBroken(GatekeeperError):
    """The record of decisions is not whole: `sequence` is the first row that does not fit."""

    code = "record-broken"
