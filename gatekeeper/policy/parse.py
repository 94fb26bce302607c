"""Text to Policy, or everything that is wrong with it: file, line, column, sentence, remedy."""

import copy
import difflib
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gatekeeper.policy.club_document import Club, Form
from gatekeeper.policy.document import KINDS, AdmissionPolicy, Document, Mode, PruningPolicy
from gatekeeper.policy.evaluation import RuleSet
from gatekeeper.policy.findings import Finding, PolicyError, errors_in
from gatekeeper.policy.judge import Policy, Trial
from gatekeeper.policy.lints import (
    check_admission,
    check_club,
    check_pruning,
    check_texts,
    check_unused,
)
from gatekeeper.policy.places import LETTERS, MOST, Enough, Path, Sheet, find, short, what_fails
from gatekeeper.policy.rule_sets import compile_rules
from gatekeeper.policy.shadows import check_shadows


def load_policy(text: str, name: str = "policy.yaml") -> Policy:
    """The policy in `text`, compiled; raises PolicyError with every error in it.

    Args:
        text: YAML with the documents.
        name: file name, for findings.
    """
    reader = _Reader(text, name)
    policy = reader.read()
    if policy is None:
        raise PolicyError(name, errors_in(reader.sheet.sorted()))
    return policy


def check_policy(text: str, name: str = "policy.yaml") -> tuple[Finding, ...]:
    """Everything wrong with `text`, warnings too, in the order of the file; () for nothing."""
    reader = _Reader(text, name)
    reader.read()
    with suppress(Enough):
        reader.look_closely()
    return reader.sheet.sorted()


@dataclass(slots=True)
class _Part:
    """One document of the file; what it says is None where its schema does not hold."""

    kind: str
    node: yaml.Node
    document: Document | None = None
    rules: RuleSet | None = None


class _Reader:
    """Reads one file and gathers findings on the way."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.sheet = Sheet(text, name)
        self.parts: list[_Part] = []

    def read(self) -> Policy | None:
        """The policy, None where anything is an error."""
        try:
            return self.checked()
        except Enough:
            return None

    def checked(self) -> Policy | None:
        """The same, from the documents to the whole."""
        if len(self.text) > LETTERS:
            self.sheet.add(1, 1, "policy-too-long", most=LETTERS)
            return None
        for node, data in self.sheet.documents():
            self.document(node, data)
        club = next((part for part in self.parts if part.kind == "Club"), None)
        if club and isinstance(club.document, Club):
            check_club(self.sheet, club.node, club.document)
        for part in self.parts:
            self.rules(part, club)
        whole = all(not one.code.startswith("yaml-") for one in self.sheet.findings)
        if whole:
            self.texts(club)
            for kind in KINDS:
                if all(part.kind != kind for part in self.parts):
                    self.sheet.add(1, 1, "kind-missing", kind=kind)
        active = {kind: self.in_force(kind) for kind in KINDS}
        return None if self.sheet.has_errors() else self.policy(active)

    def policy(self, active: dict[str, _Part | None]) -> Policy | None:
        """What was read, put together."""
        club, admission, pruning = (active[kind] for kind in KINDS)
        if not (club and admission and admission.rules and pruning and pruning.rules):
            return None
        assert isinstance(club.document, Club)
        assert isinstance(admission.document, AdmissionPolicy)
        assert isinstance(pruning.document, PruningPolicy)
        trials = []
        for part in self.parts:
            if part not in (club, admission, pruning) and part.rules:
                assert isinstance(part.document, AdmissionPolicy | PruningPolicy)
                name, spec = part.document.metadata.name, part.document.spec
                trials.append(Trial(part.document.kind, name, spec, part.rules))
        return Policy(
            name=self.name,
            text=self.text,
            digest=hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest(),
            club=club.document,
            admission=admission.document.spec,
            pruning=pruning.document.spec,
            admission_rules=admission.rules,
            pruning_rules=pruning.rules,
            trials=tuple(trials),
            admission_name=admission.document.metadata.name,
            pruning_name=pruning.document.metadata.name,
        )

    def in_force(self, kind: str) -> _Part | None:
        """The document of a kind that decides; a second one must be on trial beside it."""
        found = [part for part in self.parts if part.kind == kind]
        if len(found) < 2:
            return found[0] if found else None
        documents = [part.document for part in found]
        modes = [
            each.spec.mode_in_force
            for each in documents
            if isinstance(each, AdmissionPolicy | PruningPolicy)
        ]
        if len(modes) < len(found):
            return None  # what is wrong with one of them was told
        if sorted(modes) != [Mode.AUDIT, Mode.ENFORCE]:
            line = found[1].node.start_mark.line + 1
            self.sheet.add(line, 1, "trial-unclear", kind=kind)
            return None
        return found[modes.index(Mode.ENFORCE)]

    # ---- schema

    def document(self, node: yaml.Node, data: Any) -> None:
        kind = data.get("kind") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            told = short(kind or "-")
            self.sheet.at(find(node, ("kind",)).node, (), "kind-unknown", value=told)
            return
        before = sum(part.kind == kind for part in self.parts)
        if before >= (1 if kind == "Club" else 2):
            self.sheet.add(node.start_mark.line + 1, 1, "kind-twice", kind=kind)
            return
        part = _Part(kind, node)
        self.parts.append(part)
        try:
            part.document = KINDS[kind].model_validate(data)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                self.schema(part, one)
            part.document = _without(KINDS[kind], data, error)

    def schema(self, part: _Part, error: Any) -> None:
        """One of pydantic's errors as a finding."""
        path: Path = tuple(error["loc"])
        on_key = bool(path) and path[-1] == "[key]"
        path = path[:-1] if on_key else path
        name = str(path[-1]) if path else part.kind
        what, context = error["type"], error.get("ctx", {})
        value = short(error.get("input"))
        if what == "missing":
            self.sheet.at(part.node, path, "field-missing", name=name)
        elif what == "extra_forbidden":
            known = _fields_at(KINDS[part.kind], path[:-1])
            close = difflib.get_close_matches(name, known, 3, 0.5) or known
            self.sheet.at_key(part.node, path, "field-unknown", name=name, known=", ".join(close))
        elif what in {"literal_error", "enum"}:
            expected = str(context.get("expected", "")).replace(" or ", ", ")  # in any language
            self.sheet.at(part.node, path, "value-unknown", value=value, expected=expected)
        elif what.startswith("bad-"):
            values = {str(name): str(value) for name, value in context.items()}
            self.sheet.at(part.node, path, what, **values)
        else:
            add = self.sheet.at_key if on_key else self.sheet.at
            add(part.node, path, "value-wrong", name=name, detail=what_fails(error))

    # ---- what goes beyond the schema

    def rules(self, part: _Part, club: _Part | None) -> None:
        """Check and compile the rules of one document."""
        read = club.document if club and isinstance(club.document, Club) else None
        if isinstance(part.document, AdmissionPolicy):
            check_admission(self.sheet, part.node, part.document, read)
            if not read:
                return  # without the form, answers cannot be checked
            part.rules = compile_rules(self.sheet, part.node, part.document.spec, read.spec.form)
        elif isinstance(part.document, PruningPolicy):
            check_pruning(self.sheet, part.node, part.document)
            part.rules = compile_rules(self.sheet, part.node, part.document.spec, Form())

    def texts(self, club: _Part | None) -> None:
        if not club or not isinstance(club.document, Club):
            return  # its own texts are not known
        own = (club.node, club.document)
        read = [(part.node, part.document) for part in self.parts if part.document]
        check_texts(self.sheet, own, read)

    def look_closely(self) -> None:
        """What does not keep a policy from being used, and its author should know."""
        club = next((part.document for part in self.parts if isinstance(part.document, Club)), None)
        own = club.spec.texts if club else {}
        for part in self.parts:
            if isinstance(part.document, AdmissionPolicy | PruningPolicy):
                check_unused(self.sheet, part.node, part.document.spec, own)
                if part.rules:
                    check_shadows(self.sheet, part.node, part.rules)


def _without(model: type[Document], data: Any, error: ValidationError) -> Document | None:
    """The document without the fields in `error`, so that the rest can be checked too."""
    if error.error_count() > MOST:
        return None
    rest = copy.deepcopy(data)
    for one in error.errors():
        *way, last = one["loc"]
        inside: Any = rest
        for step in way:
            known = isinstance(inside, dict) and step in inside
            known = known or (isinstance(inside, list) and isinstance(step, int))
            inside = inside[step] if known else None
        if isinstance(inside, dict):
            inside.pop(last, None)
    try:
        return model.model_validate(rest)
    except ValidationError:
        return None


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The names that the file may have at `path`."""
    here: type[BaseModel] | None = model
    for step in path:
        if here is None or isinstance(step, int):
            continue
        fields = {info.alias or name: info for name, info in here.model_fields.items()}
        here = _model_in(fields[step].annotation) if step in fields else here
    return [info.alias or name for name, info in here.model_fields.items()] if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
