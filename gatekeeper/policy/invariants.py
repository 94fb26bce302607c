"""What a club has stated must always hold, tried against facts: made up ones and recorded ones.

    invariants:
      - id: admins-stay
        description: An admin is never removed.
        condition: '!(verdict == "remove" && member.admin)'

A condition of an invariant sees what rules see, and the texts `verdict` (admit, wait, decline;
keep, notify, remove) and `rule` (the id of the one that fired, "" for none). The rules are tried as
if in force, also those of a document on trial. What breaks an invariant is made as small as can be
and given as a case to be pasted beside the policy.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import yaml

from gatekeeper.domain.decisions import Ruling
from gatekeeper.domain.errors import Value
from gatekeeper.policy.boundaries import constants
from gatekeeper.policy.case_facts import Given, facts_of, given_of
from gatekeeper.policy.document import AdmissionSpec
from gatekeeper.policy.evaluation import VERDICTS, CompiledInvariant
from gatekeeper.policy.facts import Facts, Subject, subject_of
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.made_up import Chance, Maker, as_given
from gatekeeper.policy.outcomes import WORDS
from gatekeeper.policy.scope import Scope
from gatekeeper.policy.smaller import smallest
from gatekeeper.policy.texts import DEFAULT, sentence

# Whoever tries with these finds what others with these have found, as far as they go.
SEED = 1
AROUND = datetime(2026, 1, 15, 12, tzinfo=UTC)  # times are made up around this one


@dataclass(frozen=True, slots=True)
class Recorded:
    """Facts that were really judged; `label` names where, such as `application:12`."""

    facts: Facts
    now: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Broken:
    """One invariant that does not hold, and the smallest facts found that show it.

    Attributes:
        file, line, column: where its condition stands.
        given: the facts as a case gives them.
        fault: why it could not be evaluated, "" where it was simply false.
        safe: the mildest verdict under which it would hold, "" for none.
        label: the record that broke it first, "" for made-up facts.
        trial: name of the document on trial that broke it, "" for the one in force.
    """

    file: str
    line: int
    column: int
    invariant: str
    description: str
    subject: Subject
    given: Given
    now: datetime
    verdict: str
    rule: str
    fault: str = ""
    safe: str = ""
    label: str = ""
    trial: str = ""

    def lines(self, language: str = DEFAULT) -> tuple[str, ...]:
        """What broke, in words."""
        values: dict[str, Value] = {
            "id": self.invariant,
            "verdict": self.verdict,
            "rule": self.rule or "-",
            "fault": self.fault,
            "label": self.label,
            "trial": self.trial,
        }
        code = "invariant-faulty" if self.fault else "invariant-broken"
        place = f"{self.file}:{self.line}:{self.column}"
        told = [f"{place}: {sentence(code, values, language)}"]
        if self.description:
            told.append(f"  {self.description}")
        if self.label:
            told.append("  " + sentence("invariant-record", values, language))
        if self.trial:
            told.append("  " + sentence("invariant-trial", values, language))
        return tuple(told)

    def facts(self) -> str:
        """The facts on one line, as a case gives them: `member: {silent: 91d}`."""
        given = yaml.safe_dump(
            {self.subject: dict(self.given)},
            default_flow_style=True,
            sort_keys=False,
            allow_unicode=True,
            width=10**6,
        )
        return given.strip()[1:-1]

    def case(self) -> str:
        """A case that fails until the rules keep the invariant, ready to be pasted under `cases`.

        It expects the mildest verdict that the invariant allows; where it allows none, the verdict
        of now, to be put right by whoever pastes it.
        """
        words = self.description or self.invariant
        made = {
            "case": words,
            "now": self.now,
            self.subject: dict(self.given),
            "expect": {"verdict": self.safe or self.verdict},
        }
        text = yaml.safe_dump([made], sort_keys=False, allow_unicode=True, width=100)
        return "".join(f"  {line}\n" for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class Tried:
    """What the invariants of a policy went through.

    Attributes:
        invariants: how many are stated.
        tries: how many facts they were tried with.
        broken: those that do not hold, each once.
        never_fired: ids of rules that no facts led to, so that nothing was shown of them.
    """

    invariants: int
    tries: int
    broken: tuple[Broken, ...]
    never_fired: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether none was broken."""
        return not self.broken

    def lines(self, language: str = DEFAULT) -> tuple[str, ...]:
        """The result in words; a case for each that is broken."""
        told: list[str] = []
        for each in self.broken:
            told += [*each.lines(language), "  " + sentence("invariant-case", {}, language)]
            told += each.case().splitlines()
        count = self.invariants
        values: dict[str, Value] = {"count": count, "tries": self.tries}
        values["broken"] = len({each.invariant for each in self.broken})
        if not count:
            code = "invariants-none"
        else:
            code = "invariants-hold" if self.passed else "invariants-broken"
        told.append(sentence(code, values, language))
        if count:
            told += [
                sentence("invariants-never-fired", {"rule": rule}, language)
                for rule in self.never_fired
            ]
        return tuple(told)


def try_made_up(
    policy: Policy,
    chance: Callable[[], Chance],
    now: datetime,
    tries: int,
    over: Callable[[], bool] = lambda: False,
) -> Tried:
    """Try every invariant against `tries` made-up subjects of its kind.

    Args:
        policy: with its trials.
        chance: random.Random with a seed, made anew for each document: fewer tries are then the
            first ones of more.
        now: the moment around which times are made up; some tries are at other hours and days.
        tries: for each document that states an invariant.
        over: whether the time for it is over; asked before each try. What was broken by then is
            told, though perhaps not by the smallest facts.
    """
    found = _Found()
    for trial, subject, tried in _documents(policy):
        rules = tried.rules_for(subject)
        conditions = [one.condition for one in rules.invariants]
        maker = Maker(subject, policy.form, constants(rules, conditions))
        look = _Look(tried, subject, trial, over)
        dice, done = chance(), 0
        while done < tries and not over():
            at = now
            if dice.randrange(4) == 0:  # rules may look at the hour or the season
                at = now + timedelta(days=dice.randrange(366), hours=dice.randrange(24))
            look.at(as_given(maker.make(dice, at), at), at, now, found)
            done += 1
        found.close(look, done)
    return found.tried()


def try_recorded(policy: Policy, records: Iterable[Recorded]) -> Tried:
    """Try every invariant against facts that were really judged, each at its own moment."""
    found = _Found()
    looks: dict[Subject, list[_Look]] = {subject: [] for subject in WORDS}
    for trial, subject, tried in _documents(policy):
        looks[subject].append(_Look(tried, subject, trial))
    count = 0
    for record in records:
        about = subject_of(record.facts)
        for look in looks[about]:
            given = given_of(policy, record.facts, record.now)
            look.at(given, record.now, record.now, found, record)
        count += bool(looks[about])
    for each in looks.values():
        for look in each:
            found.close(look, 0)
    return replace(found.tried(), tries=count)


# ---- Trying ------------------------------------------------------------------------------------


def _documents(policy: Policy) -> Iterator[tuple[str, Subject, Policy]]:
    """Every document that states invariants: its name if on trial, its subject, it in force."""
    for subject in WORDS:
        if policy.rules_for(subject).invariants:
            yield "", subject, policy.enforced()
    for trial in policy.trials:
        if trial.rules.invariants:
            subject = "application" if isinstance(trial.spec, AdmissionSpec) else "member"
            yield trial.name, subject, policy.promoted(trial)


@dataclass(slots=True)
class _Look:
    """One document, and which of its invariants and rules were met so far."""

    policy: Policy
    subject: Subject
    trial: str
    over: Callable[[], bool] = lambda: False
    fired: Counter[str] = field(default_factory=Counter)
    broken: set[str] = field(default_factory=set)

    @property
    def invariants(self) -> tuple[CompiledInvariant, ...]:
        return self.policy.rules_for(self.subject).invariants

    def at(
        self,
        given: Given,
        now: datetime,
        base: datetime,
        found: "_Found",
        record: Recorded | None = None,
    ) -> None:
        """Judge once and look at every invariant that still holds."""
        facts = record.facts if record else facts_of(self.policy, self.subject, given, now)
        ruling = self.policy.judge(facts, now)
        self.fired[ruling.rule] += 1
        left = [one for one in self.invariants if one.invariant.id not in self.broken]
        scope = _scope(self.policy, left[0], facts, now, _words(ruling)) if left else None
        for one in left:
            if scope is None or _fault(one, scope) is None:
                continue
            self.broken.add(one.invariant.id)
            found.broken.append(self.shrunk(one, facts, given, now, base, record))

    def shrunk(
        self,
        one: CompiledInvariant,
        facts: Facts,
        given: Given,
        now: datetime,
        base: datetime,
        record: Recorded | None,
    ) -> Broken:
        """The smallest facts that break `one` in the same way, starting from `given`."""
        faulty = bool(fault_of(self.policy, one, facts, now))

        def breaks(tried: Given, at: datetime) -> bool:
            if self.over():
                return False
            try:
                facts = facts_of(self.policy, self.subject, tried, at)
            except (ValueError, OverflowError):
                return False
            fault = fault_of(self.policy, one, facts, at)
            return fault is not None and bool(fault) == faulty

        if not breaks(given, now):  # what was recorded cannot be written as a case to the letter
            given = given_of(self.policy, facts, now)
        elif breaks(given, base):
            now = base
        small = smallest(self.subject, given, now, breaks)
        facts = facts_of(self.policy, self.subject, small, now)
        ruling = self.policy.judge(facts, now)
        return Broken(
            file=self.policy.name,
            line=one.line,
            column=one.column,
            invariant=one.invariant.id,
            description=one.invariant.description,
            subject=self.subject,
            given=small,
            now=now,
            verdict=ruling.verdict.value,
            rule=ruling.rule,
            fault=fault_of(self.policy, one, facts, now) or "",
            safe=self.safe(one, facts, now),
            label=record.label if record else "",
            trial=self.trial,
        )

    def safe(self, one: CompiledInvariant, facts: Facts, now: datetime) -> str:
        """The mildest verdict under which the invariant would hold, "" for none."""
        for word in WORDS[self.subject]:
            verdict = VERDICTS[word].value
            words = {"verdict": verdict, "rule": ""}
            if _fault(one, _scope(self.policy, one, facts, now, words)) is None:
                return verdict
        return ""


@dataclass(slots=True)
class _Found:
    broken: list[Broken] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    stated: int = 0
    tries: int = 0

    def close(self, look: _Look, tries: int) -> None:
        rules = look.policy.rules_for(look.subject)
        acting = [one.rule for one in rules.all if not one.on_trial]
        self.stated += len(look.invariants)
        self.tries += tries
        self.never += [rule.id for rule in acting if not look.fired[rule.id]]

    def tried(self) -> Tried:
        never = tuple(dict.fromkeys(self.never))
        return Tried(self.stated, self.tries, tuple(self.broken), never)


def fault_of(policy: Policy, one: CompiledInvariant, facts: Facts, now: datetime) -> str | None:
    """None where the invariant holds for these facts, else its fault, "" where it is false."""
    ruling = policy.judge(facts, now)
    return _fault(one, _scope(policy, one, facts, now, _words(ruling)))


def _words(ruling: Ruling) -> dict[str, str]:
    return {"verdict": ruling.verdict.value, "rule": ruling.rule}


def _scope(
    policy: Policy, one: CompiledInvariant, facts: Facts, now: datetime, words: Mapping[str, str]
) -> Scope:
    """What the invariants of one document are evaluated on: they share their environment."""
    variables = policy.rules_for(subject_of(facts)).variables
    return one.conditions.scope(facts, variables, now, words)


def _fault(one: CompiledInvariant, scope: Scope) -> str | None:
    outcome = scope.evaluate(one.condition)
    return None if outcome.value is True else outcome.fault
