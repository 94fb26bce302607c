"""Why a verdict is what it is, as sentences for cards, pages and terminals.

`explain` tells admins everything: each rule's value, each atom with what it saw, faults, and the
smallest changes that would turn the verdict. `because` and `advise` tell the person whose case it
is what they may know (the rule for that stands in `gatekeeper.policy.wording`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gatekeeper.domain.decisions import RuleResult, Ruling, Verdict
from gatekeeper.domain.errors import Value
from gatekeeper.policy.counterfactual import TRIES, Turn, find_turns
from gatekeeper.policy.decisive import decisive, enough, without_guards
from gatekeeper.policy.document import AdmissionSpec, Mode, PruningSpec
from gatekeeper.policy.evaluation import RuleLook
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts, subject_of
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.otherwise import Change, applied_again
from gatekeeper.policy.texts import DEFAULT, iso, say_duration, sentence
from gatekeeper.policy.unfold import look_into
from gatekeeper.policy.wording import SOURCE_LETTERS, Wording, cut, is_public

CARD_ATOMS = 4  # of the rule that decided, on a card
CARD_RULES = 3  # that fault, or would match on trial, beside the one that decided

# The verdicts of each subject, the best for the person first.
BETTER: Final = (
    (Verdict.ADMIT, Verdict.WAIT, Verdict.DECLINE),
    (Verdict.KEEP, Verdict.NOTIFY, Verdict.REMOVE),
)


def explain_results(results: Iterable[RuleResult], language: str = DEFAULT) -> tuple[str, ...]:
    """What each rule said, one sentence each; the one that decided is named as such."""
    told, decided = [], False
    for result in results:
        fires = not decided and not result.audit and result.matched is not False
        decided = decided or fires  # a fault decides too: people look at it, or the member is kept
        told.append(_result(result, fires, language))
    return tuple(told)


def _result(result: RuleResult, fires: bool, language: str) -> str:
    code = {None: "rule-faulty", False: "rule-not-matched", True: "rule-matched"}[result.matched]
    if result.audit:
        code += "-audit"
    elif fires and result.matched:
        code = "rule-fired"
    fault = cut(result.fault, SOURCE_LETTERS)
    return sentence(code, {"rule": result.rule, "fault": fault}, language)


# ---- Everything, for admins --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AtomTold:
    """One atom: `decisive` ones made their rule what it is; a `guard` only asks whether something
    is there that another atom tells of."""

    source: str
    value: bool | None
    fault: str
    decisive: bool
    guard: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class RuleTold:
    """One rule: what it said, and its atoms in the order they are written."""

    rule: str
    matched: bool | None
    fault: str
    audit: bool
    fired: bool
    sentence: str
    atoms: tuple[AtomTold, ...]


@dataclass(frozen=True, slots=True)
class TurnTold:
    """A verdict that a small change would bring, by which rule."""

    verdict: Verdict
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one verdict, for admins; `sentence` is what the person is told.

    Where the whole document is on trial, `trial` is what it would say if it counted, "" else;
    `rules` and `turns` are of that then.
    """

    verdict: Verdict
    rule: str
    code: str
    sentence: str
    headline: str
    trial: str
    rules: tuple[RuleTold, ...]
    turns: tuple[TurnTold, ...]
    language: str

    def lines(self) -> tuple[str, ...]:
        """All of it as lines of text; atoms are indented beneath their rule."""
        told = [self.headline, *self._trial()]
        for rule in self.rules:
            told.append(rule.sentence)
            told += [f"    {self._atom(each)}" for each in rule.atoms if not each.guard]
        told += [turn.sentence for turn in self.turns]
        if not self.turns:
            told.append(sentence("explain.no-turn", {}, self.language))
        return tuple(told)

    def brief(self) -> tuple[str, ...]:
        """What matters, for a card: what decided and why, faults, trials, and one change."""
        told = self._trial()
        quiet = 0
        others = [rule for rule in self.rules if not rule.fired]
        odd = [rule for rule in others if rule.matched is None or (rule.audit and rule.matched)]
        for rule in self.rules:
            if rule.fired:
                told.append(rule.sentence)
                atoms = [each for each in rule.atoms if each.decisive and not each.guard]
                told += [f"    {self._atom(each)}" for each in atoms[:CARD_ATOMS]]
            elif rule in odd[:CARD_RULES]:
                told.append(rule.sentence)
            else:
                quiet += rule.matched is False
        if quiet:
            told.append(sentence("explain.others", {"count": quiet}, self.language))
        return (*told, *(turn.sentence for turn in self.turns[:1]))

    def _trial(self) -> list[str]:
        values = {"headline": self.trial}
        return [sentence("explain.trial", values, self.language)] if self.trial else []

    def _atom(self, atom: AtomTold) -> str:
        return sentence("explain.atom", {"atom": atom.sentence}, self.language)


def explain(
    policy: Policy,
    facts: Facts,
    now: datetime,
    language: str = "",
    *,
    better: bool = False,
    tries: int = TRIES,
) -> Explanation:
    """Judge `facts` and tell all about it, to an admin.

    Args:
        language: of the reader; "" is the club's own.
        better: of the changes that would turn it, only those that serve the person.
        tries: judgements spent on finding them; 0: none are looked for.
    """
    ruling = policy.judge(facts, now)
    on_trial = _spec(policy, facts).mode_in_force is Mode.AUDIT
    tried = policy.enforced() if on_trial else policy
    inspection = look_into(tried, facts, now)
    wording = Wording(policy, policy.rules_for(subject_of(facts)), facts, language)
    told, decided = [], False
    for look in inspection.rules:
        fires = not decided and not look.audit and look.matched is not False
        decided = decided or fires
        told.append(_rule(policy, wording, look, fires))
    others = _others(inspection.ruling.verdict, better)
    turns = find_turns(tried, facts, now, others, tries=tries)
    return Explanation(
        verdict=ruling.verdict,
        rule=ruling.rule,
        code=ruling.code,
        sentence=policy.say(ruling.code, ruling.values, language),
        headline=_headline(wording, ruling),
        trial=_headline(wording, inspection.ruling) if on_trial else "",
        rules=tuple(told),
        turns=tuple(
            TurnTold(turn.verdict, turn.rule, _would(wording, turn, "would")) for turn in turns
        ),
        language=wording.tongue,
    )


def _spec(policy: Policy, facts: Facts) -> AdmissionSpec | PruningSpec:
    return policy.pruning if isinstance(facts, MemberFacts) else policy.admission


def _headline(wording: Wording, ruling: Ruling) -> str:
    values: dict[str, Value] = {
        "verdict": wording.say(f"verdict.{ruling.verdict.value}"),
        "rule": ruling.rule,
        "sentence": wording.policy.say(ruling.code, ruling.values, wording.language),
    }
    return wording.say("explain.by-rule" if ruling.rule else "explain.by-none", values)


def _rule(policy: Policy, wording: Wording, look: RuleLook, fires: bool) -> RuleTold:
    decided = set(decisive(look.shape, look.atoms))
    wants = _wants(policy, wording.facts, look)
    plain = without_guards(look.atoms, wording.rules)
    atoms = []
    for number, seen in enumerate(look.atoms):
        better = not seen.value if number in decided and wants else None
        atoms.append(
            AtomTold(
                seen.atom.source,
                seen.value,
                seen.fault,
                number in decided,
                seen not in plain,
                wording.atom(seen, better if seen.value is not None else None),
            )
        )
    result = RuleResult(look.rule, look.matched, look.fault, look.audit)
    said = _result(result, fires, wording.tongue)
    return RuleTold(look.rule, look.matched, look.fault, look.audit, fires, said, tuple(atoms))


def _others(verdict: Verdict, better: bool) -> tuple[Verdict, ...]:
    order = next(order for order in BETTER if verdict in order)
    place = order.index(verdict)
    return order[:place] if better else (*order[:place], *order[place + 1 :])


def _wants(policy: Policy, facts: Facts, look: RuleLook) -> bool:
    """Whether an application fares badly by this rule: it declines and matches, or it admits and
    does not. Of members nothing is asked: what is so is said, and no more."""
    if isinstance(facts, MemberFacts):
        return False
    outcome = {rule.id: rule.output.decision for rule in policy.admission.rule.match}.get(look.rule)
    return look.matched is (outcome == "decline") and outcome in {"admit", "decline"}


# ---- What the person may know ------------------------------------------------------------------


def because(policy: Policy, facts: Facts, now: datetime, language: str) -> tuple[str, ...]:
    """What the rule that fired rests on, an atom each: all that is enough for it, or nothing.

    Told to the person themselves: where a pattern, a list or anything else that is not theirs to
    know belongs to it, nothing is told but the rule's own text.
    """
    inspection = look_into(policy, facts, now)
    fired = next((e for e in inspection.rules if e.rule == inspection.ruling.rule), None)
    if fired is None or not fired.matched:
        return ()
    rules = policy.rules_for(subject_of(facts))
    found = enough(fired.shape, fired.atoms, lambda seen: is_public(seen, rules))
    if not found:
        return ()
    wording = Wording(policy, rules, facts, language, admin=False)
    wants = _wants(policy, facts, fired)
    told = [fired.atoms[number] for number in sorted(set(found))]
    plain = without_guards(told, rules)
    return tuple(wording.atom(seen, not seen.value if wants else None) for seen in plain)


def advise(
    policy: Policy,
    facts: ApplicationFacts,
    now: datetime,
    language: str,
    *,
    declined_at: datetime,
) -> str:
    """What a new application of somebody declined would need; "" where nothing is found.

    Args:
        policy: the one that it would be judged by.
        facts: of the application that was declined at `declined_at`.
    """
    rules = policy.rules_for(subject_of(facts))
    wording = Wording(policy, rules, facts, language, admin=False)
    again = applied_again(facts, now, declined_at)
    if policy.judge_application(again, now).verdict is not Verdict.DECLINE:
        return wording.say("again.now")
    wanted = (Verdict.WAIT, Verdict.ADMIT)
    turns = find_turns(policy, again, now, wanted, public=True, again=True)
    if not turns:
        return ""
    best = min(turns, key=lambda turn: (len(turn.changes), turn.verdict is not Verdict.WAIT))
    if [change.kind for change in best.changes] == ["time"]:
        return wording.say("again.when", {"at": iso(best.changes[0].to)})
    return _would(wording, best, "again")


def _would(wording: Wording, turn: Turn, who: str) -> str:
    said = [say_change(wording, change) for change in turn.changes]
    changes = said[0]
    for other in said[1:]:
        changes = wording.say("change.and", {"first": changes, "second": other})
    return wording.say(f"{who}.{turn.verdict.value}", {"changes": changes})


def say_change(wording: Wording, change: Change) -> str:
    """One change in words."""
    if change.kind == "time":
        span = say_duration(_rounded_up(change.to - change.was), wording.tongue)
        code = "change.silence" if isinstance(wording.facts, MemberFacts) else "change.time"
        return wording.say(code, {"at": iso(change.to), "span": span})
    if change.kind in {"alive", "leave"}:
        return wording.say(f"change.{change.kind}")
    name = wording.name(change.path)
    if change.kind in {"yes", "number"}:
        values: dict[str, Value] = {
            "to": wording.value(change.to),
            "was": wording.value(change.was),
        }
        return wording.say("change.number", {"name": name, **values})
    count = abs(int(change.to) - int(change.was))
    what = change.path[-1] if change.kind == "count" else change.kind
    code = f"change.{what}"
    if change.kind != "links":
        code += "-more" if change.to > change.was else "-fewer"
    return wording.say(code, {"name": name, "count": count})


def _rounded_up(span: timedelta) -> timedelta:
    """So that what is told is never too short: to a day from two days on, else to an hour."""
    unit = timedelta(days=1) if span >= timedelta(days=2) else timedelta(hours=1)
    if span < timedelta(hours=2):
        unit = timedelta(minutes=1)
    return -(-span // unit) * unit
