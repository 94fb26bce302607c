"""The policy's file as it lies there: read, compiled, its cases and invariants tried."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, TypeAlias, TypeVar

from gatekeeper.domain.errors import GatekeeperError, SettingsError
from gatekeeper.domain.identity import ClubId
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from gatekeeper.reading import read_text
from gatekeeper.usecases.readings import OtherClub, Reading

T = TypeVar("T")

Look: TypeAlias = tuple[tuple[int, int, int] | None, ...]  # of the file and of its cases

TRIES: Final = 500  # made-up facts for each document that states an invariant
SECONDS: Final = 5.0  # for all of them together

# Seconds that a thread computes before another may ask it for the interpreter. Judging hands the
# interpreter back of its own accord at every call of the library, and takes it again before a
# waiting thread is awake; each such hand-over also starts the waiting thread's interval anew. Only
# an interval shorter than the time between two of them lets the loop ask, and be served.
BRIEFLY: Final = 0.000_05


class CasesFailed(GatekeeperError):
    """Cases beside the policy do not come out as they say: `count`, `first`."""

    code = "policy-cases-failed"


class InvariantsBroken(GatekeeperError):
    """What the policy says must always hold does not.

    Of the first one `id`, `facts` that break it, the `verdict` and `rule` that they lead to; `ids`
    of all, `count`.
    """

    code = "policy-invariants-broken"


def cases_of(file: Path) -> Path:
    """Where the cases of a policy lie: NAME.cases.yaml beside NAME.yaml."""
    return file.with_name(f"{file.stem}.cases.yaml")


def look(file: Path) -> Look:
    """What changes whenever file or cases are written; None for one that is not there."""
    return tuple(_look(each) for each in (file, cases_of(file)))


def _look(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_policy(file: Path) -> Policy:
    """Read and check a policy file; PolicyError, SettingsError where it cannot be read."""
    return load_policy(read_text(file), file.name)


def digest_of(text: str) -> str:
    """What names a version of a policy."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read(file: Path, known: Policy | None = None) -> Reading:
    """The file, compiled unless it is `known`; whatever is wrong with it is its `fault`."""
    try:
        text = read_text(file)
    except SettingsError as fault:
        return Reading(name=file.name, digest="", mark=digest_of(str(fault)), fault=fault)
    digest = digest_of(text)
    if known is not None and known.digest == digest:
        return Reading(name=file.name, digest=digest, mark=digest, policy=known)
    try:
        policy = load_policy(text, file.name)
    except PolicyError as fault:
        return Reading(name=file.name, digest=digest, mark=digest, fault=fault)
    return Reading(name=file.name, digest=digest, mark=digest, policy=policy)


def tried(reading: Reading, file: Path) -> Reading:
    """The same after its cases, where any lie beside the file, and its invariants."""
    return _held(_passed(reading, file))


def _held(reading: Reading) -> Reading:
    """The same with its invariants tried against made-up facts, as many as there is time for."""
    if reading.policy is None:
        return reading
    from gatekeeper.policy.invariants import AROUND, SEED, try_made_up

    end = monotonic() + SECONDS
    found = try_made_up(
        reading.policy, lambda: Random(SEED), AROUND, TRIES, lambda: monotonic() > end
    )
    if found.passed:
        return reading
    first = found.broken[0]
    ids = dict.fromkeys(one.invariant for one in found.broken)
    fault = InvariantsBroken(
        name=reading.name,
        count=len(ids),
        ids=", ".join(ids),
        id=first.invariant,
        facts=first.facts(),
        verdict=first.verdict,
        rule=first.rule or "-",
    )
    return _wrong(reading, "", fault)


def _passed(reading: Reading, file: Path) -> Reading:
    beside = cases_of(file)
    if reading.policy is None or not beside.is_file():
        return reading
    from gatekeeper.policy.cases import run_cases

    text = ""
    try:
        text = read_text(beside)
        report = run_cases(reading.policy, text, beside.name)
    except (PolicyError, SettingsError) as fault:
        return _wrong(reading, text, fault)
    failed = [one for one in report.results if not one.passed]
    if not failed:
        return reading
    first = failed[0]
    said = "; ".join(each.sentence() for each in first.differences)
    where = f"{beside.name}:{first.line}: {first.case}: {said}"
    return _wrong(reading, text, CasesFailed(name=beside.name, count=len(failed), first=where))


def of_club(reading: Reading, club: ClubId) -> Reading:
    """The same, refused where it is another club's."""
    if reading.policy is None or reading.policy.club_id == club:
        return reading
    return _wrong(reading, "", OtherClub(other=reading.policy.club_id, club=club))


def _wrong(reading: Reading, more: str, fault: GatekeeperError) -> Reading:
    mark = digest_of(f"{reading.digest}\n{more}\n{fault}")
    return Reading(name=reading.name, digest=reading.digest, mark=mark, fault=fault)


def beside_the_loop(work: Callable[[], T]) -> T:
    """Do it in a thread without holding up the loop: it hands on the interpreter often."""
    with _briefly():
        return work()


@contextmanager
def _briefly() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, BRIEFLY))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
