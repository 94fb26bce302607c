"""Trials: what rules and documents in audit mode would have decided otherwise, kept and told.

Each judges the very facts that were decided on. Nothing that is found here decides anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from gatekeeper.domain.admission import decide_by_rules
from gatekeeper.domain.applications import Application
from gatekeeper.domain.clubs import PolicyDifference
from gatekeeper.domain.decisions import Lane, Post, Ruling
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.pruning import judge
from gatekeeper.policy.document import Mode
from gatekeeper.policy.facts import ApplicationFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.promotions import ADMISSION, PRUNING, Shadow, shadows, title
from gatekeeper.ports import Tx
from gatekeeper.usecases.member_facts import Look
from gatekeeper.usecases.naming import number_of, subject_of
from gatekeeper.usecases.parts import Parts, club_state, order

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
KEPT: Final = timedelta(days=90)
SAMPLES: Final = 5  # subjects named for each kind of difference
AT_ONCE: Final = 500  # rows that are written in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Differences of one trial that go the same way.

    Attributes:
        count: of subjects, however often each was seen.
        subjects: the newest few, as application:<id> or membership:<id>; `names` theirs.
    """

    trial: str
    kind: str
    verdict: str
    trial_verdict: str
    count: int
    subjects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


# ---- Keeping -----------------------------------------------------------------------------------


async def note_application(
    tx: Tx, policy: Policy, app: Application, facts: ApplicationFacts, ruling: Ruling, now: datetime
) -> None:
    """Keep what the trials of `policy` would have decided otherwise about an application."""
    decided = decide_by_rules(ruling).verdict.value
    found = []
    for shadow in _of_kind(policy, ADMISSION):
        other = shadow.policy.judge_application(facts, now)
        verdict = decide_by_rules(other).verdict.value
        if verdict != decided:
            found.append(
                _difference(
                    policy,
                    shadow,
                    subject_of(app),
                    (decided, ruling.rule),
                    (verdict, other.rule),
                    now,
                )
            )
    await _keep(tx, found)


def pruning(policy: Policy) -> list[Shadow]:
    """The trials of a policy that judge members."""
    return _of_kind(policy, PRUNING)


def differences(
    policy: Policy, tried: Sequence[Shadow], looks: Sequence[Look], now: datetime
) -> list[PolicyDifference]:
    """What `tried` would have decided otherwise about members that a Sweep looked at."""
    found = []
    for look in looks if tried else ():
        decided = judge(look.candidate, now).verdict.value
        for shadow in tried:
            ruling = shadow.policy.judge_member(look.facts, now)
            verdict = judge(replace(look.candidate, ruling=ruling), now).verdict.value
            if verdict != decided:
                before = (decided, look.candidate.ruling.rule)
                subject = subject_of(look.candidate.membership)
                found.append(
                    _difference(policy, shadow, subject, before, (verdict, ruling.rule), now)
                )
    return found


async def note_members(parts: Parts, found: Sequence[PolicyDifference]) -> None:
    """Keep what trials would have decided otherwise about members, and tell it if it is time.

    In transactions of its own, some rows at a time: whoever presses does not wait for them, and
    nothing is decided by them.
    """
    for start in range(0, len(found), AT_ONCE):
        async with parts.store.transaction(parts.club) as tx:
            at = parts.clock.now()  # not before what was told meanwhile
            await _keep(tx, [replace(each, at=at) for each in found[start : start + AT_ONCE]])
    async with parts.store.transaction(parts.club) as tx:
        await tell(tx, parts, parts.clock.now())


async def forget(tx: Tx, now: datetime) -> None:
    """Drop what was noted long ago."""
    await tx.remove(PolicyDifference, at__lt=now - KEPT)


def enforced(policy: Policy) -> Policy | None:
    """A policy as it would prune without audit mode; None where that is not what it is in."""
    if policy.pruning.mode_in_force is not Mode.AUDIT:
        return None
    return policy.enforced()


def _of_kind(policy: Policy, kind: str) -> list[Shadow]:
    return [shadow for shadow in shadows(policy) if shadow.kind == kind]


def _difference(
    policy: Policy,
    shadow: Shadow,
    subject: str,
    decided: tuple[str, str],
    would: tuple[str, str],
    now: datetime,
) -> PolicyDifference:
    return PolicyDifference(
        club=policy.club_id,
        at=now,
        day=now.date(),
        kind=subject.partition(":")[0],
        subject=subject,
        trial=shadow.name,
        verdict=decided[0],
        rule=decided[1],
        trial_verdict=would[0],
        trial_rule=would[1],
        digest=policy.digest,
    )


async def _keep(tx: Tx, found: Sequence[PolicyDifference]) -> None:
    """Once a day for each subject and trial, as it was seen last."""
    if not found:
        return
    first = found[0]
    subjects = tuple({each.subject for each in found})
    there = await tx.find(
        PolicyDifference, day=first.day, digest=first.digest, subject__in=subjects
    )
    known = {(each.trial, each.subject): each for each in there}
    for each in found:
        before = known.get((each.trial, each.subject))
        if before is None:
            await tx.add(each)
        else:
            await tx.change(
                before,
                at=each.at,
                verdict=each.verdict,
                rule=each.rule,
                trial_verdict=each.trial_verdict,
                trial_rule=each.trial_rule,
            )


# ---- Telling -----------------------------------------------------------------------------------


async def gathered(tx: Tx, *, digest: str = "", since: datetime | None = None) -> list[Gathered]:
    """All differences, or those of one version or after a moment; the most frequent first."""
    criteria: dict[str, Any] = {"digest": digest} if digest else {}
    if since is not None:
        criteria["at__gt"] = since
    rows = await tx.find(PolicyDifference, order="-at", **criteria)
    subjects: defaultdict[tuple[str, str, str, str], dict[str, None]] = defaultdict(dict)
    for row in rows:
        way = (row.trial, row.kind, row.verdict, row.trial_verdict)
        subjects[way].setdefault(row.subject)
    found = []
    for (trial, kind, verdict, other), those in subjects.items():
        few = tuple(those)[:SAMPLES]
        found.append(
            Gathered(
                trial=trial,
                kind=kind,
                verdict=verdict,
                trial_verdict=other,
                count=len(those),
                subjects=few,
                names=tuple([await _name(tx, subject) for subject in few]),
            )
        )
    return sorted(found, key=lambda one: (-one.count, one.trial, one.trial_verdict))


async def _name(tx: Tx, subject: str) -> str:
    one: Application | Membership | None
    if subject.startswith("application:"):
        one = await tx.first(Application, id=number_of(subject))
    else:
        one = await tx.first(Membership, id=number_of(subject))
    return f"{one.name} (#{one.id})" if one is not None else subject


def sentences(parts: Parts, found: Iterable[Gathered], language: str = "") -> tuple[str, ...]:
    """Each of `found` in words, with the names of some."""
    return tuple(say(parts, one, language) for one in found)


def say(parts: Parts, one: Gathered, language: str = "") -> str:
    """One kind of difference in words."""
    names = ", ".join(one.names) + (" …" if one.count > len(one.names) else "")
    values: Mapping[str, str | int] = {
        "trial": title(one.trial, language or parts.policy.club.spec.language),
        "was": parts.say(f"trial.verdict-{one.verdict}", {}, language),
        "would": parts.say(f"trial.verdict-{one.trial_verdict}", {}, language),
        "count": one.count,
        "names": names,
    }
    return parts.say("trial-difference", values, language)


async def due(parts: Parts, now: datetime) -> datetime | None:
    """Tell what was gathered for a day, once a week at most, also in a club that never sweeps;
    when the next time is."""
    async with parts.store.look(parts.club) as tx:
        state = await club_state(tx)
        at = await _tell_at(tx, state.trials_told_at)
    if at is None or state.paused_at is not None or now < at:
        return at if state.paused_at is None else None
    async with parts.store.transaction(parts.club) as tx:
        await tell(tx, parts, now)
    return None


async def _tell_at(tx: Tx, last: datetime | None) -> datetime | None:
    """When there will be something to tell; None for nothing."""
    criteria = {"at__gt": last} if last is not None else {}
    first = await tx.first(PolicyDifference, order="at", **criteria)
    if first is None:
        return None
    return first.at + DAY if last is None else max(first.at + DAY, last + WEEK)


async def tell(tx: Tx, parts: Parts, now: datetime) -> None:
    """What trials would have done otherwise since it was told last, a week ago or longer."""
    state = await club_state(tx)
    last = state.trials_told_at
    if last is not None and now < last + WEEK:
        return
    found = await gathered(tx, since=last)
    if not found:
        return
    lines = sentences(parts, found)
    total = sum(one.count for one in found)
    text = "\n".join([parts.say("trials-told", {"count": total}), *lines[:10]])
    await order(
        tx,
        Post(place="admins", text=text),
        platform=parts.admin_platform,
        key=f"policy/trials/{now.date().isoformat()}",
        purpose="policy",
        subject="club",
        lane=Lane.CARD,
        now=now,
    )
    await tx.change(state, trials_told_at=now)
