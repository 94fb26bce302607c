"""What changed between two versions of a policy, each change a code and values for its sentence.

What newly acts on people stands first, then who decides, the rules, their params, and the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TypeAlias

from gatekeeper.domain.errors import Value
from gatekeeper.policy.atoms import Atom
from gatekeeper.policy.club_document import ClubSpec, Question
from gatekeeper.policy.document import AdmissionSpec, Exclusion, Mode, PruningSpec
from gatekeeper.policy.evaluation import CompiledRule, RuleSet
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.leaves import Leaf, leaves, written
from gatekeeper.policy.promotions import can_remove
from gatekeeper.policy.scope import Condition
from gatekeeper.policy.texts import DEFAULT, sentence

Spec: TypeAlias = AdmissionSpec | PruningSpec

# Fields that have a sentence of their own; all others are told by their name.
SENTENCES: Mapping[str, str] = {
    "review.approvals": "diff-approvals",
    "review.declines": "diff-declines",
    "review.remindAfter": "diff-remind-after",
    "review.openFor": "diff-open-for",
    "review.onDeadline": "diff-on-deadline",
    "schedule": "diff-schedule",
    "timeZone": "diff-time-zone",
    "grace": "diff-grace",
    "settle": "diff-settle",
    "confirm": "diff-confirm",
    "maxAffected.count": "diff-brake-count",
    "maxAffected.percent": "diff-brake-percent",
    "maxAffected.timesUsual": "diff-brake-usual",
    "admins.powerLevel": "diff-power-level",
    "admins.userGroup": "diff-user-group",
}
OF_RULES = ("mode", "params", "variables", "rule", "exclude", "invariants")
OF_CLUB = ("admins", "form", "texts", "declineReasons", "platforms.matrix.rooms")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed: a code of the catalogue and its values."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def sentence(self, language: str = DEFAULT) -> str:
        """It in words."""
        return sentence(self.code, self.values, language)


@dataclass(frozen=True, slots=True)
class _Side:
    """One document of rules: its spec and what was made of it."""

    spec: Spec
    rules: RuleSet


def compare(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Everything that changed, the most telling first; () where both say the same."""
    admission = _Side(old.admission, old.admission_rules), _Side(new.admission, new.admission_rules)
    pruning = _Side(old.pruning, old.pruning_rules), _Side(new.pruning, new.pruning_rules)
    both = (("AdmissionPolicy", *admission), ("PruningPolicy", *pruning))
    found: list[Change] = []
    for document, before, after in both:
        found += _modes(document, before, after)
    if can_remove(new) and not can_remove(old):
        found.append(Change("diff-can-remove"))
    found += _trials(old, new)
    found += _admins(old.club.spec, new.club.spec)
    for document, before, after in both:
        found += _document(document, before, after)
    for document, before, after in _trials_of_both(old, new):
        found += _document(document, before, after)
    found += _club(old, new)
    return tuple(found)


def words(old: Policy, new: Policy, language: str = DEFAULT) -> tuple[str, ...]:
    """What changed, a sentence each; one that says so where nothing did."""
    changes = compare(old, new) or (Change("diff-nothing"),)
    return tuple(change.sentence(language) for change in changes)


# ---- What acts, and who decides --------------------------------------------------------------


def _modes(document: str, old: _Side, new: _Side) -> Iterator[Change]:
    was, now = old.spec.mode_in_force, new.spec.mode_in_force
    if was is not now:
        code = "diff-enforced" if now is Mode.ENFORCE else "diff-audited"
        yield Change(code, {"document": document})
    before = {rule.id: rule.mode for rule in old.spec.rule.match}
    for rule in new.spec.rule.match:
        if before.get(rule.id, rule.mode) is not rule.mode:
            code = "diff-rule-enforced" if rule.mode is Mode.ENFORCE else "diff-rule-audited"
            yield Change(code, {"document": document, "id": rule.id})


def _trials(old: Policy, new: Policy) -> Iterator[Change]:
    for trial in old.trials:
        admission = trial.kind == "AdmissionPolicy"
        was, now = (each.admission if admission else each.pruning for each in (old, new))
        if trial.spec.rule == now.rule != was.rule:
            yield Change("diff-trial-in-force", {"document": trial.kind, "name": trial.name})
    before = {(trial.kind, trial.name) for trial in old.trials}
    after = {(trial.kind, trial.name) for trial in new.trials}
    for code, listed in (("diff-trial-added", after - before), ("diff-trial-gone", before - after)):
        for kind, name in sorted(listed):
            yield Change(code, {"document": kind, "name": name})


def _trials_of_both(old: Policy, new: Policy) -> Iterator[tuple[str, _Side, _Side]]:
    before = {(trial.kind, trial.name): trial for trial in old.trials}
    for trial in new.trials:
        was = before.get((trial.kind, trial.name))
        if was:
            label = f"{trial.kind} {trial.name}"
            yield label, _Side(was.spec, was.rules), _Side(trial.spec, trial.rules)


def _admins(old: ClubSpec, new: ClubSpec) -> Iterator[Change]:
    was, now = old.admins.people, new.admins.people
    for who in now:
        if who not in was:
            yield Change("diff-admin-added", {"who": who})
    for who in was:
        if who not in now:
            yield Change("diff-admin-removed", {"who": who})
    before, after = (leaves(spec.admins, ("admins.people",), "admins.") for spec in (old, new))
    yield from _fields("Club", before, after)


# ---- Rules -----------------------------------------------------------------------------------


def _document(document: str, old: _Side, new: _Side) -> Iterator[Change]:
    of_both = (old.rules.exclude, new.rules.exclude), (old.rules.match, new.rules.match)
    for before, after in of_both:
        yield from _rules(document, before, after)
    yield from _params(document, old.rules.params, new.rules.params)
    variables = (
        {each.name: each.expression for each in old.spec.variables},
        {each.name: each.expression for each in new.spec.variables},
    )
    yield from _texts("diff-variable", *variables, document=document)
    invariants = (
        {each.id: each.condition for each in old.spec.invariants},
        {each.id: each.condition for each in new.spec.invariants},
    )
    yield from _texts("diff-invariant", *invariants, document=document)
    yield from _fields(document, leaves(old.spec, OF_RULES), leaves(new.spec, OF_RULES))


def _rules(
    document: str, old: Sequence[CompiledRule], new: Sequence[CompiledRule]
) -> Iterator[Change]:
    was = {each.rule.id: (place, each) for place, each in enumerate(old, 1)}
    now = {each.rule.id: (place, each) for place, each in enumerate(new, 1)}
    for name, (place, each) in was.items():
        if name not in now:
            yield _whole("removed", document, place, each)
    moved = _moved([name for name in was if name in now], [name for name in now if name in was])
    for name, (place, each) in now.items():
        if name not in was:
            yield _whole("added", document, place, each)
            continue
        before, other = was[name]
        values: dict[str, Value] = {"document": document, "id": name}
        if name in moved:
            yield Change("diff-rule-moved", {**values, "before": before, "place": place})
        yield from _condition(values, other.condition, each.condition)
        for part in ("output", "message", "explanation"):
            one, two = getattr(other.rule, part, ""), getattr(each.rule, part, "")
            if one != two:
                both = {"old": written(one), "new": written(two)}
                code = "diff-rule-explanation" if part == "explanation" else "diff-rule-output"
                yield Change(code, {**values, **both})


def _whole(what: str, document: str, place: int, each: CompiledRule) -> Change:
    """A rule that came or went."""
    rule = each.rule
    values: dict[str, Value] = {"document": document, "id": rule.id, "place": place}
    values["condition"] = _one_line(each.condition)
    if isinstance(rule, Exclusion):
        return Change(f"diff-exclusion-{what}", values)
    values["output"] = written(rule.output)
    audit = "-audit" if what == "added" and rule.mode is Mode.AUDIT else ""
    always = "" if each.condition else "-always"
    return Change(f"diff-rule-{what}{audit or always}", values)


def _moved(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """The fewest names whose moving explains the new order."""
    kept: set[str] = set()
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        kept |= set(old[block.a : block.a + block.size])
    return set(new) - kept


def _condition(
    values: Mapping[str, Value], old: Condition | None, new: Condition | None
) -> Iterator[Change]:
    """Which questions a condition asks otherwise."""
    before, after = _one_line(old), _one_line(new)
    if before == after:
        return
    gone, come = _unshared(old, new)
    for one, other in _pairs(gone, come):
        gone.remove(one)
        come.remove(other)
        both = {"old": one.source, "new": other.source}
        yield Change("diff-atom-changed", {**values, **both})
    yield from (Change("diff-atom-added", {**values, "atom": atom.source}) for atom in come)
    yield from (Change("diff-atom-removed", {**values, "atom": atom.source}) for atom in gone)
    if not new:
        yield Change("diff-condition-gone", values)
    elif old and old.shape != new.shape:
        yield Change("diff-condition-joined", {**values, "condition": after})


def _unshared(old: Condition | None, new: Condition | None) -> tuple[list[Atom], list[Atom]]:
    """The atoms that only the old, and only the new condition has."""
    gone, come = list(old.atoms if old else ()), list(new.atoms if new else ())
    for atom in list(gone):
        same = next((one for one in come if one.source == atom.source), None)
        if same:
            gone.remove(atom)
            come.remove(same)
    return gone, come


def _pairs(gone: Sequence[Atom], come: Sequence[Atom]) -> list[tuple[Atom, Atom]]:
    """Those that ask about the same thing with another bound."""
    pairs: list[tuple[Atom, Atom]] = []
    for one in gone:
        for other in come:
            alike = one.operands[:1] and other.operands[:1]
            same = alike and one.operands[0].source == other.operands[0].source
            if same and one.operator and other.operator and all(other is not b for _, b in pairs):
                pairs.append((one, other))
                break
    return pairs


def _one_line(condition: Condition | None) -> str:
    return " ".join(condition.source.split()) if condition else ""


def _params(
    document: str, old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        one, two = old.get(name), new.get(name)
        values: dict[str, Value] = {"document": document, "name": name}
        if one == two and type(one) is type(two):
            continue
        if isinstance(one, list) and isinstance(two, list):
            yield from _lists(values, one, two)
        elif name not in old:
            come = Leaf.of(two)
            yield Change(f"diff-param-added{come.unit}", {**values, "new": come.text})
        elif name not in new:
            gone = Leaf.of(one)
            yield Change(f"diff-param-removed{gone.unit}", {**values, "old": gone.text})
        else:
            before, after = Leaf.of(one), Leaf.of(two)
            unit = before.unit if before.unit == after.unit else ""
            both = {"old": before.text, "new": after.text}
            yield Change(f"diff-param-changed{unit}", {**values, **both})


def _lists(
    values: Mapping[str, Value], old: Sequence[object], new: Sequence[object]
) -> Iterator[Change]:
    added, gone = [x for x in new if x not in old], [x for x in old if x not in new]
    for what, items in (("added", added), ("gone", gone)):
        if items:
            yield Change(f"diff-param-list-{what}", {**values, "items": written(items)})
    if not added and not gone:
        yield Change("diff-param-list-order", values)


def _fields(document: str, old: Mapping[str, Leaf], new: Mapping[str, Leaf]) -> Iterator[Change]:
    """Single fields, by their own sentence or by their name."""
    none = Leaf("—", "")
    for path in dict.fromkeys((*old, *new)):
        before, after = old.get(path, none), new.get(path, none)
        if before != after:
            code = SENTENCES.get(path) or f"diff-field{before.unit or after.unit}"
            both: dict[str, Value] = {"old": before.text, "new": after.text}
            yield Change(code, {"document": document, "path": path, **both})


def _texts(
    code: str, old: Mapping[str, str], new: Mapping[str, str], /, **values: Value
) -> Iterator[Change]:
    """Texts by name: `code`-added, -removed, -changed."""
    for name in dict.fromkeys((*old, *new)):
        one, two = old.get(name), new.get(name)
        if one is None:
            yield Change(f"{code}-added", {**values, "name": name, "new": two or ""})
        elif two is None:
            yield Change(f"{code}-removed", {**values, "name": name, "old": one})
        elif one != two:
            yield Change(f"{code}-changed", {**values, "name": name, "old": one, "new": two})


# ---- The club --------------------------------------------------------------------------------


def _club(old: Policy, new: Policy) -> Iterator[Change]:
    one, two = old.club.spec, new.club.spec
    yield from _questions(one.form.questions, two.form.questions)
    reasons = (
        {each.id: written(each.text) for each in one.decline_reasons},
        {each.id: written(each.text) for each in two.decline_reasons},
    )
    yield from _texts("diff-reason", *reasons)
    yield from _texts("diff-text", _said(one), _said(two))
    yield from _rooms(one, two)
    fields = leaves(old.club.metadata, (), "metadata."), leaves(new.club.metadata, (), "metadata.")
    yield from _fields("Club", *fields)
    yield from _fields("Club", leaves(one, OF_CLUB), leaves(two, OF_CLUB))
    translated = (
        {each.id: each.translations for each in one.decline_reasons},
        {each.id: each.translations for each in two.decline_reasons},
    )
    for name, said in translated[1].items():
        if name in translated[0]:
            before = leaves(translated[0][name], (), f"declineReasons.{name}.translations.")
            after = leaves(said, (), f"declineReasons.{name}.translations.")
            yield from _fields("Club", before, after)


def _said(spec: ClubSpec) -> dict[str, str]:
    return {
        f"{code} ({language})": text
        for code, said in spec.texts.items()
        for language, text in said.items()
    }


def _questions(old: Sequence[Question], new: Sequence[Question]) -> Iterator[Change]:
    was, now = ({each.id: each for each in listed} for listed in (old, new))
    for name, question in was.items():
        if name not in now:
            yield Change("diff-question-removed", {"id": name, "label": question.label})
    moved = _moved([name for name in was if name in now], [name for name in now if name in was])
    for place, (name, question) in enumerate(now.items(), 1):
        if name not in was:
            code = "diff-question-added-required" if question.required else "diff-question-added"
            yield Change(code, {"id": name, "label": question.label, "place": place})
            continue
        if name in moved:
            yield Change("diff-question-moved", {"id": name, "place": place})
        before, after = leaves(was[name]), leaves(question)
        for change in _fields("Club", before, after):
            yield Change("diff-question-changed", {**change.values, "id": name})


def _rooms(old: ClubSpec, new: ClubSpec) -> Iterator[Change]:
    rooms = [spec.platforms.matrix.rooms if spec.platforms.matrix else () for spec in (old, new)]
    was, now = ({room.alias: room for room in listed} for listed in rooms)
    for alias in sorted(now.keys() - was.keys()):
        yield Change("diff-room-added", {"alias": alias})
    for alias in sorted(was.keys() - now.keys()):
        yield Change("diff-room-removed", {"alias": alias})
    for alias, room in now.items():
        if alias in was:
            before = f"platforms.matrix.rooms.{alias}."
            yield from _fields("Club", leaves(was[alias], (), before), leaves(room, (), before))
