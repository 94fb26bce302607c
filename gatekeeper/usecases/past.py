"""The recorded past of a club, one judged input after the other.

What is known: every input that a rule judged is kept with its row of the record, until the person
is erased; so are the verdict, the rule and the version of the policy. What admins decided on it
stands in the tables. Of those whom a Sweep let be only a count is kept: `past_members` makes their
facts again as far as our tables allow.

Nothing is held in memory but one batch of rows, and no transaction stays open between two.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import PolicyVersion
from gatekeeper.domain.decisions import Entry, Verdict
from gatekeeper.domain.errors import BadInput, GatekeeperError, NotFound
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.judged import Judged, Stage
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Tx
from gatekeeper.usecases.member_facts import membership_then
from gatekeeper.usecases.naming import number_of
from gatekeeper.usecases.parts import Parts, club_state

BATCH: Final = 500  # rows of the record read at once
SKEW: Final = timedelta(hours=1)  # by so much two clocks that write the record may differ
SHORTEST: Final = 4  # letters of a digest that name a version
HAND: Final[Mapping[str, Verdict]] = {
    "removal-confirmed": Verdict.REMOVE,
    "removed-by-hand": Verdict.REMOVE,
    "banned": Verdict.REMOVE,
    "kept-by-admin": Verdict.KEEP,
}
# By what a subject begins with: the actors whose inputs rules have judged.
BY_RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "application": ("policy", "rule:"),
    "membership": ("policy", "rule:", "schedule"),
}

Progress: TypeAlias = Callable[[int, int], None]  # how many are done, of how many


class NoPast(GatekeeperError):
    """Nothing was judged since `since`: there is nothing to simulate on."""

    code = "no-past"


@dataclass(slots=True)
class Known:
    """What was found while the past was read, and what is not known any more.

    Attributes:
        applications, members: recorded inputs.
        erased: judged, but the input went with the person's erasure.
        unreadable: recorded inputs that this release cannot read.
        sweeps: Sweeps in that time; `looked_at` of them were taken to make facts again.
        let_be: how many these Sweeps let be, as they counted then, each Sweep for itself.
        rebuilt: inputs of those, made again from our tables.
        staged: present members who stood at some stage then: not made again.
        unknown: present members of whom the tables do not tell that moment any more.
        no_platform: code of why platforms could not be asked, so that nothing was made again.
    """

    applications: int = 0
    members: int = 0
    erased: int = 0
    unreadable: int = 0
    sweeps: int = 0
    looked_at: int = 0
    let_be: int = 0
    rebuilt: int = 0
    staged: int = 0
    unknown: int = 0
    no_platform: str = ""


def silently(_done: int, _of: int) -> None:
    """Nobody watches."""


# ---- The record --------------------------------------------------------------------------------


async def recorded(
    parts: Parts, since: datetime, known: Known, progress: Progress = silently
) -> AsyncIterator[Judged]:
    """Every recorded input of a rule since `since`, in the order of the record.

    Args:
        known: is told what was found and what is missing.
        progress: is told how many rows of the record are read, of how many.
    """
    last, _ = await parts.store.head(parts.club)
    after = start = await _before(parts, since, last)
    reader = _Reader(parts, known)
    while True:
        async with parts.store.look(parts.club) as tx:
            entries = await tx.entries(after=after, limit=BATCH)
            found = await reader.read(tx, [one for one in entries if one.at >= since])
        for judged in found:
            yield judged
        if not entries:
            return
        after = entries[-1].sequence
        progress(after - start, max(last, after) - start)


async def _before(parts: Parts, since: datetime, last: int) -> int:
    """The sequence of a row before all that are not before `since`, found by halving."""
    low, high = 0, last
    async with parts.store.look(parts.club) as tx:
        while low < high:
            middle = (low + high) // 2
            [entry] = await tx.entries(after=middle, limit=1)
            if entry.at < since - SKEW:
                low = middle + 1
            else:
                high = middle
    return low


@dataclass(slots=True)
class _Reader:
    """Turns rows of the record into inputs."""

    parts: Parts
    known: Known
    graces: dict[str, timedelta] = field(default_factory=dict)

    async def read(self, tx: Tx, entries: Sequence[Entry]) -> list[Judged]:
        """The judged inputs among the rows of one batch."""
        kept = [(one, await tx.seen_by(one)) for one in entries if _by_rules(one)]
        numbers = {number_of(one.subject) for one, _ in kept if _about_application(one)}
        apps = await tx.find(Application, id__in=tuple(numbers)) if numbers else []
        by_id = {app.id: app for app in apps}
        found = []
        for entry, seen in kept:
            if seen is None:
                self.known.erased += 1
                continue
            try:
                judged = (
                    _application(entry, seen, by_id.get(number_of(entry.subject)))
                    if _about_application(entry)
                    else await self._member(tx, entry, seen)
                )
            except (ValidationError, KeyError, TypeError, ValueError):
                self.known.unreadable += 1
                continue
            if judged is not None:
                found.append(judged)
                self.known.applications += judged.kind == "application"
                self.known.members += judged.kind == "member"
        return found

    async def _member(self, tx: Tx, entry: Entry, seen: Mapping[str, Any]) -> Judged | None:
        if "facts" not in seen:
            return None  # the answer of an admin, or the evidence that one was shown
        hand = await self._hand(tx, entry) if entry.verdict is Verdict.REMOVE else None
        stage = Stage(
            membership=membership_then(self.parts.club, seen),
            protected=seen["protected"],
            grace=await self._grace(tx, entry.policy),
            watched_since=(await club_state(tx)).watched_since,
        )
        return Judged(
            subject=entry.subject,
            at=entry.at,
            facts=MemberFacts.model_validate(seen["facts"]),
            stage=stage,
            verdict=entry.verdict,
            rule=entry.actor.partition(":")[2],
            policy=entry.policy,
            by_hand=HAND[hand.code] if hand else None,
            hand_at=hand.at if hand else None,
        )

    async def _hand(self, tx: Tx, planned: Entry) -> Entry | None:
        """What a person said to a planned removal; None where nobody has yet."""
        later = await tx.entries(subject=planned.subject, after=planned.sequence, limit=20)
        for entry in later:
            if _by_rules(entry) and entry.verdict is not Verdict.RECORD:
                return None  # back at a stage without anybody's word
            if entry.code in HAND:
                return entry
        return None

    async def _grace(self, tx: Tx, digest: str) -> timedelta:
        """The Grace of a version; of the one in force where it cannot be read any more."""
        if digest not in self.graces:
            try:
                policy = await self.parts.shelf.at(tx, digest)
            except (NotFound, PolicyError):
                policy = self.parts.policy
            self.graces[digest] = policy.pruning.grace
        return self.graces[digest]


def _by_rules(entry: Entry) -> bool:
    """Whether rules may have judged: with an input, and no person's act.

    The clock may ask rules about a member; a review that it ends asks none.
    """
    kind, _, _ = entry.subject.partition(":")
    actors = BY_RULES.get(kind, ())
    judged = bool(entry.input_digest) and entry.verdict is not Verdict.RECORD
    return judged and entry.actor.startswith(actors)


def _about_application(entry: Entry) -> bool:
    return entry.subject.startswith("application:")


def _application(entry: Entry, seen: Mapping[str, Any], app: Application | None) -> Judged | None:
    if "submitted_at" not in seen:
        return None  # votes, or a review whose time ran out: no rule was asked
    by_hand, hand_at = _decided_by_hand(app) if app else (None, None)
    if app and app.edited_at is not None and entry.at < app.edited_at:
        by_hand = hand_at = None  # the admins decided on other answers than these
    return Judged(
        subject=entry.subject,
        at=entry.at,
        facts=ApplicationFacts.model_validate(seen),
        verdict=entry.verdict,
        rule=entry.actor.partition(":")[2],
        policy=entry.policy,
        by_hand=by_hand,
        hand_at=hand_at,
    )


def _decided_by_hand(app: Application) -> tuple[Verdict | None, datetime | None]:
    """What people decided on an application; None where a rule or the time did."""
    if not app.decided_by:
        return None, None
    verdict = Verdict.DECLINE if app.state is State.DECLINED else Verdict.ADMIT
    return verdict, app.decided_at


# ---- Versions ----------------------------------------------------------------------------------


async def version(parts: Parts, digest: str) -> Policy:
    """The version of the policy whose digest begins so.

    Raises:
        BadInput: `no-such-version`, also where several begin so.
        PolicyError: it is one that this release cannot read any more.
    """
    digest = digest.lower()
    async with parts.store.look(parts.club) as tx:
        texts = {one.digest: one.text for one in await tx.find(PolicyVersion)}
    texts[parts.policy.digest] = parts.policy.text
    found = [each for each in texts if each.startswith(digest)]
    if len(found) != 1 or len(digest) < SHORTEST:
        raise BadInput({"old": "no-such-version"}, digest=digest or "-")
    if found[0] == parts.policy.digest:
        return parts.policy
    return load_policy(texts[found[0]], f"{found[0][:12]}.yaml")
