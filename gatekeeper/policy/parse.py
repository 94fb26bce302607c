"""Text to Policy, or everything that is wrong with it: file, line, column, sentence, remedy."""

import copy
import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ValidationError

from gatekeeper.domain.errors import GatekeeperError, Value
from gatekeeper.policy.club_document import Club, Form
from gatekeeper.policy.conditions import (
    RESERVED,
    Condition,
    ConditionError,
    Conditions,
    Want,
    param_type,
    read_param,
)
from gatekeeper.policy.document import (
    KINDS,
    AdmissionPolicy,
    Document,
    Exclusion,
    Mode,
    PruningPolicy,
    Review,
    ReviewChange,
)
from gatekeeper.policy.facts import ApplicationFacts, Facts, MemberFacts, schema_of
from gatekeeper.policy.judge import CompiledRule, Policy, Rule, RuleSet
from gatekeeper.policy.schedules import is_cron
from gatekeeper.policy.texts import codes, placeholders, remedy, sentence

LETTERS = 500_000  # a longer file is refused

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a policy; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    code: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def sentence(self, language: str = "en") -> str:
        """What is wrong."""
        return sentence(self.code, self.values, language)

    def remedy(self, language: str = "en") -> str:
        """What to do about it."""
        return remedy(self.code, self.values, language)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}: {self.sentence()}"


class PolicyError(GatekeeperError):
    """A policy that cannot be used; `findings` lists everything wrong with it."""

    code = "policy"

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(name=name, count=len(self.findings), first=str(self.findings[0]))


def load_policy(text: str, name: str = "policy.yaml") -> Policy:
    """The policy in `text`, compiled; raises PolicyError with all findings.

    Args:
        text: YAML with the three documents.
        name: file name, for findings.
    """
    reader = _Reader(text, name)
    policy = reader.read()
    if policy is None or reader.findings:
        raise PolicyError(name, reader.sorted())
    return policy


def check_policy(text: str, name: str = "policy.yaml") -> tuple[Finding, ...]:
    """Everything wrong with `text`, in the order of the file; () for nothing."""
    reader = _Reader(text, name)
    reader.read()
    return reader.sorted()


# ---- YAML with places ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A YAML node and, where it is the value of a key, the key's node."""

    node: yaml.Node
    key: yaml.Node | None = None


def find(node: yaml.Node, path: Path) -> Place:
    """The place at `path`, or the deepest one on the way that exists."""
    place = Place(node)
    for step in path:
        inside = _step(place.node, step)
        if inside is None:
            break
        place = inside
    return place


def _step(node: yaml.Node, step: str | int) -> Place | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return Place(node.value[step])
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return Place(value, key)
    return None


def position(text: str, node: yaml.Node, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of letter `offset` of the text that the scalar `node` holds.

    The letters are found again in the source one by one, so that quotes, folded lines and
    indentation are counted; where that fails (an escape), the start of the node is given.
    """
    at, end = node.start_mark.index, node.end_mark.index
    start = (node.start_mark.line + 1, node.start_mark.column + 1)
    if not isinstance(node, yaml.ScalarNode):
        return start
    if node.style in {"|", ">"}:
        at = text.index("\n", at) + 1
    elif node.style in {"'", '"'}:
        at += 1
    for index, letter in enumerate(node.value):
        if letter.isspace():
            if index == offset:
                break
            continue
        while at < end and text[at] != letter:
            at += 1
        if at >= end:
            return start
        if index >= offset:
            break
        at += 1
    line = text.count("\n", 0, at)
    return line + 1, at - (text.rfind("\n", 0, at) + 1) + 1


# ---- The reader ------------------------------------------------------------------------------


class _Reader:
    """Reads one file and gathers findings on the way."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.findings: list[Finding] = []
        self.nodes: dict[str, yaml.Node] = {}
        self.looked_at: set[int] = set()  # ids of nodes; the file's one tree keeps them alive
        self.documents: dict[str, Document] = {}

    def sorted(self) -> tuple[Finding, ...]:
        order = sorted(self.findings, key=lambda one: (one.line, one.column, one.code))
        return tuple(one for index, one in enumerate(order) if one not in order[:index])

    def read(self) -> Policy | None:
        """The policy, None where it cannot be built; it counts only without findings."""
        if len(self.text) > LETTERS:
            self.add(1, 1, "policy-too-long", most=LETTERS)
            return None
        for node, data in self.yaml_documents():
            self.document(node, data)
        club = self.documents.get("Club")
        admission = self.documents.get("AdmissionPolicy")
        pruning = self.documents.get("PruningPolicy")
        club = club if isinstance(club, Club) else None
        if club:
            self.club(club)
        admission_rules, pruning_rules = None, None
        if isinstance(admission, AdmissionPolicy):
            admission_rules = self.admission(admission, club)
        if isinstance(pruning, PruningPolicy):
            pruning_rules = self.pruning(pruning, club)
        if all(one.code != "yaml-syntax" for one in self.findings):  # else it was not read whole
            self.texts(club)
            for kind in (kind for kind in KINDS if kind not in self.nodes):
                self.add(1, 1, "kind-missing", kind=kind)
        if self.findings or not (club and admission_rules and pruning_rules):
            return None
        assert isinstance(admission, AdmissionPolicy)
        assert isinstance(pruning, PruningPolicy)
        return Policy(
            name=self.name,
            text=self.text,
            digest=hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest(),
            club=club,
            admission=admission.spec,
            pruning=pruning.spec,
            admission_rules=admission_rules,
            pruning_rules=pruning_rules,
        )

    # ---- findings

    def add(self, line: int, column: int, code: str, /, **values: Value) -> None:
        self.findings.append(Finding(self.name, line, column, code, values))

    def at(self, kind: str, path: Path, code: str, /, **values: Value) -> None:
        """A finding at the value at `path` of a document."""
        mark = find(self.nodes[kind], path).node.start_mark
        self.add(mark.line + 1, mark.column + 1, code, **values)

    def at_key(self, kind: str, path: Path, code: str, /, **values: Value) -> None:
        """A finding at the key at `path` of a document."""
        place = find(self.nodes[kind], path)
        mark = (place.key or place.node).start_mark
        self.add(mark.line + 1, mark.column + 1, code, **values)

    # ---- YAML and schema

    def yaml_documents(self) -> Iterator[tuple[yaml.Node, Any]]:
        try:
            loader = yaml.SafeLoader(self.text)
            while loader.check_node():
                node = loader.get_node()
                if node is not None:
                    self.duplicates(node)
                    yield node, loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.add(line, column, "yaml-syntax", detail=error.problem or "")
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            column = error.position - (before.rfind("\n") + 1) + 1
            detail = f"character #x{ord(str(error.character)[:1] or '?'):04x}"
            if isinstance(error.character, int):
                detail = f"character #x{error.character:04x}"
            self.add(before.count("\n") + 1, column, "yaml-syntax", detail=detail)
        except (ValueError, RecursionError) as error:
            self.add(1, 1, "yaml-syntax", detail=str(error))

    def duplicates(self, node: yaml.Node) -> None:
        if id(node) in self.looked_at:
            return  # an alias: looked at where it was named, however often it is used
        self.looked_at.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if str(key.value) in seen:
                    mark = key.start_mark
                    self.add(mark.line + 1, mark.column + 1, "duplicate-key", name=str(key.value))
                seen.add(str(key.value))
                self.duplicates(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self.duplicates(value)

    def document(self, node: yaml.Node, data: Any) -> None:
        kind = data.get("kind") if isinstance(data, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            place = find(node, ("kind",)).node
            mark = place.start_mark
            self.add(mark.line + 1, mark.column + 1, "kind-unknown", value=str(kind or "-"))
            return
        if kind in self.nodes:
            self.add(node.start_mark.line + 1, 1, "kind-twice", kind=kind)
            return
        self.nodes[kind] = node
        try:
            self.documents[kind] = KINDS[kind].model_validate(data)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                self.schema(kind, one)
            rest = _without(KINDS[kind], data, error)
            if rest is not None:
                self.documents[kind] = rest

    def schema(self, kind: str, error: Any) -> None:
        """One of pydantic's errors as a finding."""
        path: Path = tuple(error["loc"])
        on_key = bool(path) and path[-1] == "[key]"
        path = path[:-1] if on_key else path
        name = str(path[-1]) if path else kind
        what, context = error["type"], error.get("ctx", {})
        value = str(error.get("input"))[:100]
        if what == "missing":
            self.at(kind, path, "field-missing", name=name)
        elif what == "extra_forbidden":
            known = _fields_at(KINDS[kind], path[:-1])
            close = difflib.get_close_matches(name, known, 3, 0.5) or known
            self.at_key(kind, path, "field-unknown", name=name, known=", ".join(close))
        elif what in {"literal_error", "enum"}:
            expected = str(context.get("expected", ""))
            self.at(kind, path, "value-unknown", value=value, expected=expected)
        elif what.startswith("bad-"):
            self.at(kind, path, what, **{str(k): str(v) for k, v in context.items()})
        else:
            detail = error["msg"][:1].lower() + error["msg"][1:]
            add = self.at_key if on_key else self.at
            add(kind, path, "value-wrong", name=name, detail=detail)

    # ---- what goes beyond the schema

    def club(self, club: Club) -> None:
        spec, kind = club.spec, "Club"
        self.zone(kind, ("spec", "timeZone"), spec.time_zone)
        admins = spec.admins
        if not (admins.people or admins.user_group) and admins.power_level is None:
            self.at(kind, ("spec", "admins"), "no-admins")
        questions: Path = ("spec", "form", "questions")
        self.unique(kind, questions, "id", [question.id for question in spec.form.questions])
        reasons = [reason.id for reason in spec.decline_reasons]
        self.unique(kind, ("spec", "declineReasons"), "id", reasons)
        for index, question in enumerate(spec.form.questions):
            here = (*questions, index)
            self.reserved(kind, (*here, "id"), question.id)
            values = [option.value for option in question.options]
            self.unique(kind, (*here, "options"), "value", values)
            for language, words in question.translations.items():
                for value in words.options:
                    if value not in values:
                        path = (*here, "translations", language, "options", value)
                        self.at_key(kind, path, "unknown-option", id=question.id, value=value)
        matrix = spec.platforms.matrix
        if matrix:
            where: Path = ("spec", "platforms", "matrix")
            rooms = [room.alias for room in matrix.rooms]
            every = [matrix.space.alias, matrix.admin_room.alias, *rooms]
            self.unique(kind, (*where, "rooms"), "alias", rooms, every[:2])
            if matrix.welcome_room not in rooms:
                self.at(kind, (*where, "welcomeRoom"), "unknown-room", alias=matrix.welcome_room)
            if spec.welcome.room and spec.welcome.room not in rooms:
                path = ("spec", "welcome", "room")
                self.at(kind, path, "unknown-room", alias=spec.welcome.room)

    def admission(self, policy: AdmissionPolicy, club: Club | None) -> RuleSet | None:
        spec, kind = policy.spec, policy.kind
        rules = spec.rule.match
        self.unique(kind, ("spec", "rule", "match"), "id", [rule.id for rule in rules])
        self.order(kind, rules)
        if not any(_always(rule) for rule in rules):
            self.at(kind, ("spec", "rule", "match"), "default-missing")
        if club:
            self.quorum(club, ("spec", "review"), spec.review)
            known = {reason.id for reason in club.spec.decline_reasons}
            for index, rule in enumerate(rules):
                output: Path = ("spec", "rule", "match", index, "output")
                if rule.output.reason and rule.output.reason not in known:
                    self.at(kind, (*output, "reason"), "unknown-reason", id=rule.output.reason)
                if rule.output.review:
                    self.quorum(club, (*output, "review"), rule.output.review)
        elif "Club" in self.nodes:
            return None  # without the form, answers cannot be checked
        form = club.spec.form if club else Form()
        return self.rules(kind, "application", ApplicationFacts, form, spec, (), rules)

    def pruning(self, policy: PruningPolicy, club: Club | None) -> RuleSet | None:
        spec, kind = policy.spec, policy.kind
        self.zone(kind, ("spec", "timeZone"), spec.time_zone or "UTC")
        if not is_cron(spec.schedule):
            self.at(kind, ("spec", "schedule"), "bad-schedule", value=spec.schedule)
        excluded = [rule.id for rule in spec.exclude]
        self.unique(kind, ("spec", "exclude"), "id", excluded)
        ids = [rule.id for rule in spec.rule.match]
        self.unique(kind, ("spec", "rule", "match"), "id", ids, excluded)
        self.order(kind, spec.rule.match)
        rules = spec.rule.match
        return self.rules(kind, "member", MemberFacts, Form(), spec, spec.exclude, rules)

    def texts(self, club: Club | None) -> None:
        """Every code that a rule names has a text, every text of the club's own is used."""
        if club is None and "Club" in self.nodes:
            return
        own = dict(club.spec.texts) if club else {}
        known = codes() | set(own)
        used = set()
        for kind, path, code in self.messages():
            used.add(code)
            if code not in known:
                self.at(kind, path, "unknown-text", code=code)
        for code, said in own.items():
            path = ("spec", "texts", code)
            if code not in codes() and code not in used:
                self.at_key("Club", path, "text-unused", code=code)
            for language, template in said.items():
                try:
                    placeholders(template)
                except ValueError as error:
                    self.at("Club", (*path, language), "bad-template", detail=str(error))

    def messages(self) -> Iterator[tuple[str, Path, str]]:
        for kind, document in self.documents.items():
            if isinstance(document, Club):
                continue
            outputs = [rule.output.message for rule in document.spec.rule.match]
            for index, message in enumerate(outputs):
                if message:
                    path: Path = ("spec", "rule", "match", index, "output", "message")
                    yield kind, path, message
            if isinstance(document, PruningPolicy):
                for index, exclusion in enumerate(document.spec.exclude):
                    yield kind, ("spec", "exclude", index, "message"), exclusion.message

    # ---- single checks

    def zone(self, kind: str, path: Path, name: str) -> None:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            self.at(kind, path, "bad-zone", value=name)

    def reserved(self, kind: str, path: Path, name: str) -> None:
        if name in RESERVED:
            add = self.at_key if path[-1] == name else self.at
            add(kind, path, "reserved-name", name=name)

    def unique(
        self, kind: str, path: Path, name: str, ids: Sequence[str], before: Sequence[str] = ()
    ) -> None:
        for index, one in enumerate(ids):
            if one in (*before, *ids[:index]):
                self.at(kind, (*path, index, name), "duplicate-id", id=one)

    def order(self, kind: str, rules: Sequence[Rule]) -> None:
        first: Rule | None = None
        for index, rule in enumerate(rules):
            if first is not None:
                path = ("spec", "rule", "match", index, "id")
                self.at(kind, path, "rule-unreachable", id=rule.id, before=first.id)
            elif _always(rule):
                first = rule

    def quorum(self, club: Club, path: Path, review: Review | ReviewChange) -> None:
        admins = club.spec.admins
        if admins.power_level is not None or admins.user_group or not admins.people:
            return
        most = len(set(admins.people))
        for name, needed in (("approvals", review.approvals), ("declines", review.declines)):
            if needed is not None and needed > most:
                values: dict[str, Value] = {"needed": needed, "admins": most}
                self.at("AdmissionPolicy", (*path, name), "quorum-too-large", **values)

    # ---- conditions

    def rules(
        self,
        kind: str,
        subject: str,
        facts: type[Facts],
        form: Form,
        spec: Any,
        exclude: Sequence[Exclusion],
        match: Sequence[Rule],
    ) -> RuleSet | None:
        """The rules of one document, compiled; None where something in it is wrong."""
        before = len(self.findings)
        params: dict[str, object] = {}
        for name, written in spec.params.items():
            self.reserved(kind, ("spec", "params", name), name)
            try:
                params[name] = read_param(written)
                param_type(params[name])
            except (ValueError, TypeError):
                params.pop(name, None)
                self.at(kind, ("spec", "params", name), "bad-param", name=name)
        names = [question.id for question in form.questions]
        if {*names, *params} & RESERVED or len(set(names)) < len(names):
            return None
        conditions = Conditions(subject, schema_of(facts, form), params)
        variables: dict[str, Condition] = {}
        failed: set[str] = set()
        for index, variable in enumerate(spec.variables):
            here: Path = ("spec", "variables", index)
            self.reserved(kind, (*here, "name"), variable.name)
            if variable.name in variables or variable.name in failed:
                self.at(kind, (*here, "name"), "duplicate-id", id=variable.name)
                continue
            path = (*here, "expression")
            compiled = self.compile(conditions, kind, path, variable.expression, "any", failed)
            if compiled is None or variable.name in RESERVED:
                failed.add(variable.name)
            else:
                variables[variable.name] = compiled
                conditions = conditions.with_variable(variable.name, compiled.type)

        def compile_all(path: Path, rules: Sequence[Rule]) -> tuple[CompiledRule, ...]:
            made = []
            for index, rule in enumerate(rules):
                here = (*path, index)
                texts: list[tuple[str, str, Want]] = [("condition", rule.condition, "bool")]
                if not isinstance(rule, Exclusion):
                    texts.append(("explanation", rule.explanation, "string"))
                found = {
                    name: self.compile(conditions, kind, (*here, name), text, want, failed)
                    for name, text, want in texts
                    if text.strip()
                }
                made.append(CompiledRule(rule, found.get("condition"), found.get("explanation")))
            return tuple(made)

        excluded = compile_all(("spec", "exclude"), exclude)
        matching = compile_all(("spec", "rule", "match"), match)
        if len(self.findings) > before:
            return None
        return RuleSet(conditions, params, variables, excluded, matching)

    def compile(
        self,
        conditions: Conditions,
        kind: str,
        path: Path,
        source: str,
        want: Want,
        failed: set[str],
    ) -> Condition | None:
        """The compiled expression, None with its findings added; `failed` variables are known."""
        try:
            return conditions.compile(source, want)
        except ConditionError as error:
            node = find(self.nodes[kind], path).node
            for problem in error.problems:
                values = dict(problem.values)
                unknown = problem.code == "condition-unknown-name"
                if unknown and str(values["name"]).removeprefix("variables.") in failed:
                    continue
                line, column = position(self.text, node, problem.offset)
                self.add(line, column, problem.code, **values)
            return None


def _always(rule: Rule) -> bool:
    enforced = isinstance(rule, Exclusion) or rule.mode is Mode.ENFORCE
    return enforced and rule.condition.strip() in {"", "true"}


def _without(model: type[Document], data: Any, error: ValidationError) -> Document | None:
    """The document without the fields in `error`, so that the rest can be checked too."""
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
