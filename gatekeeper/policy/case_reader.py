"""A file of cases to inputs that can be judged, and everything that is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import yaml
from pydantic import ValidationError

from gatekeeper.domain.errors import Value
from gatekeeper.policy.case_facts import (
    MODELS,
    Given,
    answer_fits,
    facts_of,
    fits,
    merged,
    wanted,
)
from gatekeeper.policy.case_format import Case, CaseFile, Expect, Row
from gatekeeper.policy.facts import Facts, Subject, Type, schema_of
from gatekeeper.policy.findings import Finding, PolicyError
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.outcomes import close, outcomes
from gatekeeper.policy.places import LETTERS, Enough, Path, Sheet, short, what_fails
from gatekeeper.policy.promotions import judges

ROWS = 1_000  # a matrix with more is refused
DEEP = 50  # fixtures that build on one another

PLURALS: Mapping[Subject, str] = {"application": "applications", "member": "members"}
_TAGS = {"one", "rows"}  # steps that pydantic adds for a choice of forms; they are not in the file


@dataclass(frozen=True, slots=True)
class Try:
    """One input to be judged and what is expected of it.

    Attributes:
        line: where its case stands.
        policy: who judges: with the trial in force that the case names.
    """

    policy: Policy
    case: str
    line: int
    subject: Subject
    facts: Facts
    now: datetime
    expect: Expect


def read_cases(text: str, policy: Policy, name: str = "cases.yaml") -> tuple[Try, ...]:
    """Every input of a file of cases; raises PolicyError with all findings."""
    reader = _Reader(text, policy, name)
    tries = reader.read()
    if reader.sheet.findings:
        raise PolicyError(name, reader.sheet.sorted())
    return tries


def check_cases(text: str, policy: Policy, name: str = "cases.yaml") -> tuple[Finding, ...]:
    """Everything wrong with a file of cases, in the order of the file; () for nothing."""
    reader = _Reader(text, policy, name)
    reader.read()
    return reader.sheet.sorted()


class _Reader:
    """Reads one file and gathers findings on the way."""

    def __init__(self, text: str, policy: Policy, name: str) -> None:
        self.text, self.policy = text, policy.enforced()
        self.trials = {subject: judges(self.policy, subject) for subject in MODELS}
        self.sheet = Sheet(text, name)
        self.node: yaml.Node = yaml.ScalarNode("", "", yaml.Mark("", 0, 0, 0, "", 0))
        self.file: CaseFile | None = None
        self.built: dict[tuple[Subject, str], dict[str, Any]] = {}  # fixtures with all beneath
        self.schemas = {subject: schema_of(MODELS[subject], policy.form) for subject in MODELS}

    def read(self) -> tuple[Try, ...]:
        """The inputs of all cases; they count only without findings."""
        try:
            return self.checked()
        except Enough:
            return ()

    def checked(self) -> tuple[Try, ...]:
        """The same, from the text on."""
        data = self.parsed()
        if self.sheet.findings:
            return ()
        try:
            self.file = CaseFile.model_validate(data)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            for one in faults:  # a list from which wrong ones were taken is not also too short
                if one["type"] != "too_short" or len(faults) == 1:
                    self.schema(one)
            return ()
        for subject in MODELS:
            self.facts(subject, getattr(self.file, subject), (subject,))
            for name, given in getattr(self.file.fixtures, PLURALS[subject]).items():
                path = ("fixtures", PLURALS[subject], name)
                self.facts(subject, given, path)
                self.resolved(subject, given, path)
        for name, given in self.file.fixtures.parts.items():
            path = ("fixtures", "parts", name)
            self.facts(self.kind_of(given), given, path)
            self.resolved(self.kind_of(given), given, path)
        tries: list[Try] = []
        names: set[str] = set()
        for index, case in enumerate(self.file.cases):
            if case.case in names:
                self.at(("cases", index, "case"), "case-twice", case=case.case)
            names.add(case.case)
            tries += self.case(self.file, case, index)
        return tuple(tries)

    # ---- findings

    def at(self, path: Path, code: str, /, on_key: bool = False, **values: Value) -> None:
        """A finding at the value at `path`, or at its key."""
        node, key = self.place(path)
        mark = (key if on_key and key else node).start_mark
        self.sheet.add(mark.line + 1, mark.column + 1, code, **values)

    def place(self, path: Path) -> tuple[yaml.Node, yaml.Node | None]:
        """The node at `path` and its key; steps that the file has not are passed over."""
        node, key = self.node, None
        for step in path:
            if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node, key = node.value[step], None
            elif isinstance(node, yaml.MappingNode):
                for name, value in node.value:
                    if name.value == str(step):
                        node, key = value, name
        return node, key

    def parsed(self) -> Any:
        """The plain data of the file, which has one document."""
        if len(self.text) > LETTERS:
            self.sheet.add(1, 1, "policy-too-long", most=LETTERS)
            return None
        documents = list(self.sheet.documents())
        if self.sheet.findings:
            return None
        if len(documents) != 1 or not isinstance(documents[0][0], yaml.MappingNode):
            self.sheet.add(1, 1, "cases-wrong", detail=f"YAML × {len(documents)}")
            return None
        self.node, data = documents[0]
        return data

    def schema(self, error: Any) -> None:
        """One of pydantic's errors as a finding."""
        path: Path = tuple(step for step in error["loc"] if step not in _TAGS)
        name, what = str(path[-1]) if path else "-", error["type"]
        if what == "missing":
            self.at(path, "field-missing", name=name)
        elif what == "extra_forbidden":
            models = {"fixtures": ("applications", "members", "parts"), "expect": (*_OF["expect"],)}
            inside = next((str(step) for step in reversed(path[:-1]) if step in models), "")
            known = models.get(inside) or _OF["case" if path[0] == "cases" else "file"]
            self.at(path, "field-unknown", True, name=name, known=close(name, known))
        elif what == "literal_error":
            expected = str(error["ctx"]["expected"]).replace(" or ", ", ")  # in any language
            self.at(path, "value-unknown", value=short(error["input"]), expected=expected)
        else:
            self.at(path, "value-wrong", name=name, detail=what_fails(error))

    # ---- facts and fixtures

    def facts(self, subject: Subject, given: Given, path: Path) -> None:
        """Look at the names and types of facts that stand at `path`."""
        kinds = self.schemas[subject]
        for name, value in given.items():
            here = (*path, name)
            kind = kinds.get(name)
            if name == "from":
                continue
            if name == "answers":
                self.answers(value, here)
            elif not isinstance(kind, Type):
                known = close(name, kinds)
                self.at(here, "case-unknown-fact", True, name=f"{subject}.{name}", known=known)
            elif not fits(kind, value) or not self.model_takes(subject, name, value):
                told = self.wanted(subject, name, kind)
                self.at(here, "case-wrong-fact", name=name, wanted=told, value=short(value))

    def answers(self, value: object, path: Path) -> None:
        questions = {question.id: question for question in self.policy.form.questions}
        if not isinstance(value, Mapping):
            told = "{…: …}"
            self.at(path, "case-wrong-fact", name="answers", wanted=told, value=short(value))
            return
        for name, answer in value.items():
            full = f"answers.{name}"
            if name not in questions:
                known = close(str(name), questions)
                self.at((*path, name), "case-unknown-fact", True, name=full, known=known)
            elif not answer_fits(questions[name], answer):
                kind = self.schemas["application"]["answers"][name]
                options = [option.value for option in questions[name].options]
                told = ", ".join(options) or wanted(kind)
                value = short(answer)
                self.at((*path, name), "case-wrong-fact", name=full, wanted=told, value=value)

    def model_takes(self, subject: Subject, name: str, value: object) -> bool:
        assert self.file is not None
        try:
            facts_of(self.policy, subject, {name: value}, self.file.now)
        except (ValueError, OverflowError):  # pydantic's is a ValueError
            return False
        return True

    def wanted(self, subject: Subject, name: str, kind: Type) -> str:
        """What a fact takes; the words of a fixed choice."""
        schema = MODELS[subject].model_json_schema()["properties"][name]
        return ", ".join(schema["enum"]) if "enum" in schema else wanted(kind)

    def kind_of(self, given: Given) -> Subject:
        """Whom a part is about: whichever knows its first name."""
        known = [s for s in MODELS for name in given if name in self.schemas[s]]
        return known[0] if known else "application"

    def resolved(
        self, subject: Subject, given: Given, path: Path, trail: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Facts with those of the fixtures that they name beneath."""
        assert self.file is not None
        own = {name: value for name, value in given.items() if name != "from"}
        names = given.get("from", ())
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            told = "[newcomer]"
            self.at(
                (*path, "from"), "case-wrong-fact", name="from", wanted=told, value=short(names)
            )
            return own
        known: dict[str, Given] = {
            **self.file.fixtures.parts,
            **getattr(self.file.fixtures, PLURALS[subject]),
        }
        beneath: list[Given] = []
        for name in names:
            if name in trail:
                self.at((*path, "from"), "case-fixture-circle", name=name)
            elif name not in known:
                like = close(name, known)
                self.at((*path, "from"), "case-unknown-fixture", name=name, known=like)
            elif set(known[name]) - {"from"} - set(self.schemas[subject]):
                self.at((*path, "from"), "case-foreign-part", name=name, subject=subject)
            elif len(trail) >= DEEP:
                self.at((*path, "from"), "case-fixture-deep", most=DEEP)
            else:
                key = (subject, name)
                if key not in self.built:  # many may build on one, and each of them on many
                    found = self.resolved(subject, known[name], path, (*trail, name))
                    self.built[key] = found
                beneath.append(self.built[key])
        return merged({}, *beneath, own)

    # ---- cases

    def case(self, file: CaseFile, case: Case, index: int) -> list[Try]:
        path: Path = ("cases", index)
        if (case.application is None) == (case.member is None):
            self.at(path, "case-no-subject")
            return []
        subject: Subject = "application" if case.member is None else "member"
        given: Given = getattr(case, subject)
        self.facts(subject, given, (*path, subject))
        shared = self.resolved(subject, getattr(file, subject), (subject,))
        base = merged(shared, self.resolved(subject, given, (*path, subject)))
        rows = self.rows(case, path)
        if not rows:
            return []
        policy = self.trials[subject].get(case.trial)
        if policy is None:
            known = close(case.trial, filter(None, self.trials[subject]))
            self.at((*path, "trial"), "case-unknown-trial", name=case.trial, known=known)
            return []
        for row, here in rows:
            self.facts(subject, row.model_extra or {}, here)
        expected = self.expected(case, [row for row, _ in rows], path)
        for expect, here in expected:
            self.expect(policy, subject, expect, here)
        if self.sheet.findings:
            return []
        line = self.line(path)
        tries = []
        for (row, here), (expect, _) in zip(rows, expected, strict=True):
            own = self.resolved(subject, row.model_extra or {}, here)
            now = row.now or case.now or file.now
            try:
                facts = facts_of(self.policy, subject, merged(base, own), now)
            except (ValueError, OverflowError) as error:
                self.at(here, "value-wrong", name=subject, detail=_fault(error))
                continue
            told = case.case if case.matrix is None else f"{case.case} ({_told(row)})"
            tries.append(Try(policy, told, line, subject, facts, now, expect))
        return tries

    def line(self, path: Path) -> int:
        return int(self.place(path)[0].start_mark.line) + 1

    def rows(self, case: Case, path: Path) -> list[tuple[Row, Path]]:
        """The rows of a case's matrix with their places; one empty row where it has none."""
        here: Path = (*path, "matrix")
        if case.matrix is None:
            return [(Row(), path)]
        if not isinstance(case.matrix, Mapping):
            if not case.matrix:
                self.at(here, "case-matrix-empty")
            return [(row, (*here, index)) for index, row in enumerate(case.matrix)]
        size = 1
        for name, values in case.matrix.items():
            size *= len(values)
            if name == "expect":
                self.at((*here, name), "field-unknown", True, name=name, known="-")
        if not case.matrix or not size:
            self.at(here, "case-matrix-empty")
            return []
        if size > ROWS:
            self.at(here, "case-matrix-too-large", most=ROWS)
            return []
        made = []
        for values in product(*case.matrix.values()):
            facts: dict[str, Any] = {}
            for name, value in zip(case.matrix, values, strict=True):
                first, dot, rest = name.partition(".")
                facts = merged(facts, {first: {rest: value}} if dot else {name: value})
            try:
                made.append((Row.model_validate(facts), here))
            except ValidationError as error:
                detail = what_fails(error.errors()[0])
                self.at((*here, "now"), "value-wrong", name="now", detail=detail)
                return []
        return made

    def expected(self, case: Case, rows: Sequence[Row], path: Path) -> list[tuple[Expect, Path]]:
        """What each row should lead to, with its place."""
        whole: Path = (*path, "expect")
        if isinstance(case.expect, tuple):
            if len(case.expect) != len(rows):
                self.at(whole, "case-expect-count", wanted=len(rows), got=len(case.expect))
                return []
            return [(each, (*whole, index)) for index, each in enumerate(case.expect)]
        found: list[tuple[Expect, Path]] = []
        for index, row in enumerate(rows):
            if row.expect is not None:
                found.append((row.expect, (*path, "matrix", index, "expect")))
            elif case.expect is not None:
                found.append((case.expect, whole))
            else:
                self.at(path, "field-missing", name="expect")
        return found

    def expect(self, policy: Policy, subject: Subject, expect: Expect, path: Path) -> None:
        """Look whether this can come about at all under a policy."""
        if expect == Expect():
            self.at(path, "case-expects-nothing")
        verdicts, codes, rules = outcomes(policy, subject)
        if expect.verdict is not None and expect.verdict not in verdicts:
            known = ", ".join(verdicts)
            self.at((*path, "verdict"), "value-unknown", value=expect.verdict, expected=known)
        if expect.code is not None and expect.code not in codes:
            known = close(expect.code, codes)
            self.at((*path, "code"), "case-unknown-code", name=expect.code, known=known)
        if expect.rule and expect.rule not in rules:
            known = close(expect.rule, rules)
            self.at((*path, "rule"), "case-unknown-rule", id=expect.rule, known=known)


_OF = {
    "file": tuple(CaseFile.model_fields),
    "case": tuple(Case.model_fields),
    "expect": tuple(Expect.model_fields),
}


def _fault(error: Exception) -> str:
    return what_fails(error.errors()[0]) if isinstance(error, ValidationError) else str(error)


def _told(row: Row) -> str:
    """A row in short: its facts."""
    facts = dict(row.model_extra or {})
    if row.now:
        facts["now"] = row.now
    parts = [
        f"{name}: {yaml.safe_dump(value, default_flow_style=True, width=10**6)}"
        for name, value in facts.items()
    ]
    told = ", ".join(" ".join(part.removesuffix("...\n").split()) for part in parts)
    return told if len(told) <= 80 else f"{told[:79]}…"
