"""Explanations from what the record keeps: the facts that were judged, told again at any time.

A decision's input lies in the record with the policy's version, so every rule and every atom can
be told as it was then, in any language; where the input was erased there is nothing to tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatekeeper.domain.admission import decide_by_rules
from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Decision, Entry, Verdict
from gatekeeper.domain.memberships import Membership
from gatekeeper.domain.pruning import judge
from gatekeeper.policy.explain import Explanation, advise, because, explain, explain_results
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts
from gatekeeper.policy.judge import Policy
from gatekeeper.ports import Tx
from gatekeeper.usecases.facts import application_facts
from gatekeeper.usecases.member_facts import Outlook, look_at, replay
from gatekeeper.usecases.naming import subject_of
from gatekeeper.usecases.parts import Parts

PAGE = 100  # entries read at once
CARD_TRIES = 60  # to find what would turn it, while the club's row is held


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What rules judge, or judged.

    Attributes:
        at: the moment it is judged for.
        policy: the version that judges.
        entry: the row of the record, None for facts as they are now; `input` is its input.
        laws: what is done about a member as things stand: laws stand above rules.
    """

    facts: Facts
    at: datetime
    policy: Policy
    entry: Entry | None = None
    input: Mapping[str, Any] | None = None
    laws: Decision | None = None


async def of_application(tx: Tx, parts: Parts, app: Application) -> Seen | None:
    """The input of the rules' latest decision about an application; None: none is kept."""
    return await _latest(tx, parts, subject_of(app), ApplicationFacts, "")


async def of_member(tx: Tx, parts: Parts, member: Membership) -> Seen | None:
    """The input of the rules' latest decision about a member; None: none is kept."""
    return await _latest(tx, parts, subject_of(member), MemberFacts, "facts")


async def application_now(tx: Tx, parts: Parts, app: Application) -> Seen:
    """An application as its rules would see it now."""
    policy = await parts.shelf.at(tx, app.policy)
    facts = await application_facts(tx, policy, app)
    return Seen(facts=facts, at=parts.clock.now(), policy=policy)


async def member_now(tx: Tx, parts: Parts, member: Membership, outlook: Outlook) -> Seen:
    """A member as the rules see them now."""
    now = parts.clock.now()
    [look] = await look_at(tx, parts, [member], outlook, now)
    return Seen(facts=look.facts, at=now, policy=parts.policy, laws=judge(look.candidate, now))


def agrees(seen: Seen) -> bool:
    """Whether judging again gives what the record says; True for facts as they are now."""
    if seen.entry is None or seen.input is None:
        return True
    if isinstance(seen.facts, ApplicationFacts):
        again = decide_by_rules(seen.policy.judge_application(seen.facts, seen.at))
    else:
        again = replay(seen.policy, seen.input, seen.at)
    return (again.verdict, again.code) == (seen.entry.verdict, seen.entry.code)


async def _latest(
    tx: Tx, parts: Parts, subject: str, model: type[Facts], under: str
) -> Seen | None:
    for entry in reversed(await _entries(tx, subject)):
        if not entry.input_digest:
            continue
        seen = await tx.seen_by(entry)
        given = seen.get(under) if seen and under else seen
        if given and set(given) >= _needed(model):
            policy = await parts.shelf.at(tx, entry.policy)
            facts = model.model_validate(given)
            return Seen(facts=facts, at=entry.at, policy=policy, entry=entry, input=seen)
    return None


def _needed(model: type[Facts]) -> set[str]:
    """Names that no input of another kind has: those of people's votes, reasons, questions."""
    return {name for name, field in model.model_fields.items() if field.is_required()}


async def _entries(tx: Tx, subject: str) -> list[Entry]:
    found: list[Entry] = []
    while page := await tx.entries(
        subject=subject, after=found[-1].sequence if found else 0, limit=PAGE
    ):
        found += page
        if len(page) < PAGE:
            break
    return found


# ---- For admins --------------------------------------------------------------------------------


def told(seen: Seen, language: str = "") -> Explanation:
    """All about what was seen, for an admin."""
    return explain(seen.policy, seen.facts, seen.at, language)


async def card_lines(tx: Tx, parts: Parts, app: Application) -> list[str]:
    """What the rules said of an application, for its card: in brief, a bounded number of lines."""
    language = parts.policy.club.spec.language
    seen = await of_application(tx, parts, app) if app.results else None
    if seen is None:
        return list(explain_results(app.results, language))
    tries = CARD_TRIES if app.state is State.IN_REVIEW else 0  # once decided nothing turns it
    said = explain(seen.policy, seen.facts, seen.at, language, better=True, tries=tries)
    return list(said.brief())


# ---- For the person ----------------------------------------------------------------------------


async def why_declined(tx: Tx, parts: Parts, app: Application) -> tuple[str, ...]:
    """To an applicant whom a rule declined: what it rests on, and what a new application needs.

    Only what they may know, in their language; () where people decided, or nothing can be told.
    """
    if app.state is not State.DECLINED or app.decided_by:
        return ()
    seen = await of_application(tx, parts, app)
    if seen is None or seen.entry is None or seen.entry.verdict is not Verdict.DECLINE:
        return ()
    atoms = because(seen.policy, seen.facts, seen.at, app.language)
    if not atoms:
        return ()
    said = [parts.say("standing.because", {"atoms": "; ".join(atoms)}, app.language)]
    assert isinstance(seen.facts, ApplicationFacts)
    now = parts.clock.now()
    advice = advise(parts.policy, seen.facts, now, app.language, declined_at=seen.at)
    return tuple([*said, advice] if advice else said)


def why_asked(parts: Parts, policy: Policy, facts: MemberFacts, at: datetime, language: str) -> str:
    """To a member who is asked: what the rule rests on; "" where that is not theirs to know."""
    atoms = because(policy, facts, at, language)
    return parts.say("notice.because", {"atoms": "; ".join(atoms)}, language) if atoms else ""


async def why_asked_then(tx: Tx, parts: Parts, member: Membership, language: str) -> str:
    """The same, from the record: word for word what it was when they were asked."""
    seen = await of_member(tx, parts, member)
    if seen is None or not isinstance(seen.facts, MemberFacts):
        return ""
    return why_asked(parts, seen.policy, seen.facts, seen.at, language)


async def why_removed_then(
    tx: Tx, parts: Parts, member: Membership, language: str
) -> tuple[str, str]:
    """To a member who was let go: the rule's own sentence, and what it rests on, from the record.

    The second is "" where that is not theirs to know, or where the input was erased. Somebody whom
    no question reached was let go by an admin's word on what the rule that asked had seen.
    """
    plain = parts.say("silent-removal", {}, language)
    seen = await of_member(tx, parts, member)
    if seen is None or seen.input is None:
        return plain, ""
    decided = replay(seen.policy, seen.input, seen.at)
    if decided.verdict not in (Verdict.NOTIFY, Verdict.REMOVE):
        return plain, ""
    atoms = because(seen.policy, seen.facts, seen.at, language)
    why = parts.say("goodbye.because", {"atoms": "; ".join(atoms)}, language) if atoms else ""
    if decided.verdict is Verdict.NOTIFY:
        return plain, why
    return seen.policy.say(decided.code, decided.values, language), why
