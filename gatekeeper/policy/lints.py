"""What the schema cannot see: names that lead nowhere, quorums nobody can meet, bad schedules."""

import re
from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import yaml

from gatekeeper.domain.errors import Value
from gatekeeper.policy.base import Said
from gatekeeper.policy.club_document import Channel, Club, Question, SlackSpec
from gatekeeper.policy.conditions import RESERVED
from gatekeeper.policy.document import (
    AdmissionOutput,
    AdmissionPolicy,
    AdmissionSpec,
    Document,
    Exclusion,
    Mode,
    PruningOutput,
    PruningPolicy,
    PruningSpec,
    Review,
    ReviewChange,
)
from gatekeeper.policy.evaluation import Rule, code_of
from gatekeeper.policy.places import Path, Sheet
from gatekeeper.policy.schedules import is_cron, is_often, never_fires
from gatekeeper.policy.texts import codes, names_in, placeholders

MATCH: Path = ("spec", "rule", "match")


def check_club(sheet: Sheet, node: yaml.Node, club: Club) -> None:
    """Findings about a Club document: zone, admins, questions, decline reasons, rooms."""
    spec = club.spec
    _zone(sheet, node, ("spec", "timeZone"), spec.time_zone)
    admins = spec.admins
    if not (admins.people or admins.user_group) and admins.power_level is None:
        sheet.at(node, ("spec", "admins"), "no-admins")
    questions: Path = ("spec", "form", "questions")
    check_unique(sheet, node, questions, "id", [question.id for question in spec.form.questions])
    reasons = [reason.id for reason in spec.decline_reasons]
    check_unique(sheet, node, ("spec", "declineReasons"), "id", reasons)
    for index, question in enumerate(spec.form.questions):
        _question(sheet, node, (*questions, index), question)
    matrix = spec.platforms.matrix
    if matrix:
        where: Path = ("spec", "platforms", "matrix")
        rooms = [room.alias for room in matrix.rooms]
        others = [matrix.space.alias, matrix.admin_room.alias]
        check_unique(sheet, node, (*where, "rooms"), "alias", rooms, others)
        if matrix.welcome_room not in rooms:
            sheet.at(node, (*where, "welcomeRoom"), "unknown-room", alias=matrix.welcome_room)
        if matrix.guests_room is not None and matrix.guests_room not in rooms:
            sheet.at(node, (*where, "guestsRoom"), "unknown-room", alias=matrix.guests_room)
    aliases = [room.alias for room in matrix.rooms] if matrix else []
    aliases += [channel.alias for channel in _channels(sheet, node, spec.platforms.slack)]
    if aliases and spec.welcome.room not in ("", *aliases):
        sheet.at(node, ("spec", "welcome", "room"), "unknown-room", alias=spec.welcome.room)


def _channels(sheet: Sheet, node: yaml.Node, slack: SlackSpec | None) -> tuple[Channel, ...]:
    """All in which members are; findings about aliases used twice or unknown."""
    if slack is None:
        return ()
    where: Path = ("spec", "platforms", "slack")
    further = [channel.alias for channel in slack.channels]
    others = [slack.channel.alias, slack.admin_channel.alias]
    check_unique(sheet, node, (*where, "channels"), "alias", further, others)
    welcome = slack.welcome_channel
    if welcome is not None and welcome not in (slack.channel.alias, *further):
        sheet.at(node, (*where, "welcomeChannel"), "unknown-room", alias=welcome)
    return slack.channel, *slack.channels


def _question(sheet: Sheet, node: yaml.Node, here: Path, question: Question) -> None:
    check_reserved(sheet, node, (*here, "id"), question.id)
    values = [option.value for option in question.options]
    check_unique(sheet, node, (*here, "options"), "value", values)
    for language, words in question.translations.items():
        for value in words.options:
            if value not in values:
                path = (*here, "translations", language, "options", value)
                sheet.at_key(node, path, "unknown-option", id=question.id, value=value)


def check_admission(
    sheet: Sheet, node: yaml.Node, policy: AdmissionPolicy, club: Club | None
) -> None:
    """Findings about an AdmissionPolicy: ids, order, a default, quorums, decline reasons."""
    rules = policy.spec.rule.match
    check_unique(sheet, node, MATCH, "id", [rule.id for rule in rules])
    _order(sheet, node, rules)
    if not any(always(rule) for rule in rules):
        sheet.at(node, MATCH, "default-missing")
    if club is None:
        return
    _quorum(sheet, node, club, ("spec", "review"), policy.spec.review)
    known = {reason.id for reason in club.spec.decline_reasons}
    for index, rule in enumerate(rules):
        output = (*MATCH, index, "output")
        if rule.output.reason and rule.output.reason not in known:
            sheet.at(node, (*output, "reason"), "unknown-reason", id=rule.output.reason)
        if rule.output.review:
            _quorum(sheet, node, club, (*output, "review"), rule.output.review)


def check_pruning(sheet: Sheet, node: yaml.Node, policy: PruningPolicy) -> None:
    """Findings about a PruningPolicy: schedule, zone, ids, order."""
    spec = policy.spec
    _zone(sheet, node, ("spec", "timeZone"), spec.time_zone or "UTC")
    schedule: Path = ("spec", "schedule")
    if not is_cron(spec.schedule):
        sheet.at(node, schedule, "bad-schedule", value=spec.schedule)
    elif never_fires(spec.schedule):
        sheet.at(node, schedule, "schedule-never", value=spec.schedule)
    elif is_often(spec.schedule):
        sheet.at(node, schedule, "schedule-often", value=spec.schedule)
    excluded = [rule.id for rule in spec.exclude]
    check_unique(sheet, node, ("spec", "exclude"), "id", excluded)
    check_unique(sheet, node, MATCH, "id", [rule.id for rule in spec.rule.match], excluded)
    _order(sheet, node, spec.rule.match)


def check_texts(
    sheet: Sheet,
    club: tuple[yaml.Node, Club] | None,
    policies: Sequence[tuple[yaml.Node, Document]],
) -> None:
    """Every code that a rule names has a text, every text of the club's own is used."""
    own = dict(club[1].spec.texts) if club else {}
    known = codes() | set(own)
    used = set()
    for node, document in policies:
        for path, code in _messages(document):
            used.add(code)
            if code not in known:
                sheet.at(node, path, "unknown-text", code=code)
    for code, said in own.items():
        assert club
        here: Path = ("spec", "texts", code)
        if code not in codes() and code not in used:
            sheet.at_key(club[0], here, "text-unused", code=code)
        for language, template in said.items():
            try:
                placeholders(template)
            except ValueError as error:
                sheet.at(club[0], (*here, language), "bad-template", detail=str(error))


def _messages(document: Document) -> Iterator[tuple[Path, str]]:
    """Place and code of each text that the rules of a document name."""
    outputs: list[AdmissionOutput | PruningOutput] = []
    if not isinstance(document, Club):
        outputs += [rule.output for rule in document.spec.rule.match]
    for index, output in enumerate(outputs):
        if output.message:
            yield (*MATCH, index, "output", "message"), output.message
    if isinstance(document, PruningPolicy):
        for index, exclusion in enumerate(document.spec.exclude):
            yield ("spec", "exclude", index, "message"), exclusion.message


def check_unused(
    sheet: Sheet, node: yaml.Node, spec: AdmissionSpec | PruningSpec, own: Mapping[str, Said]
) -> None:
    """Findings about params that no expression and no text asks for, and unused variables."""
    listed = (*(spec.exclude if isinstance(spec, PruningSpec) else ()), *spec.rule.match)
    sources = [variable.expression for variable in spec.variables]
    sources += [rule.condition for rule in listed]
    sources += [rule.explanation for rule in spec.rule.match]
    sources += [invariant.condition for invariant in spec.invariants]
    used = set(re.findall(r"\b(params|variables)\s*\.\s*(\w+)", "\n".join(sources)))
    told = frozenset[str]().union(*(_asked_in(code_of(rule), own) for rule in listed))
    for name in spec.params:
        if ("params", name) not in used and name not in told:
            sheet.at_key(node, ("spec", "params", name), "param-unused", name=name)
    for index, variable in enumerate(spec.variables):
        if ("variables", variable.name) not in used:
            path: Path = ("spec", "variables", index, "name")
            sheet.at(node, path, "variable-unused", name=variable.name)


def _asked_in(code: str, own: Mapping[str, Said]) -> frozenset[str]:
    try:
        return names_in(code, own)
    except ValueError:
        return frozenset()  # a text that cannot be filled in is told of by itself


# ---- single checks ---------------------------------------------------------------------------


def always(rule: Rule) -> bool:
    """Whether an enforced rule matches everybody, by what is written."""
    enforced = isinstance(rule, Exclusion) or rule.mode is Mode.ENFORCE
    return enforced and rule.condition.strip() in {"", "true"}


def check_reserved(sheet: Sheet, node: yaml.Node, path: Path, name: str) -> None:
    """A finding where `name`, the value or the key at `path`, is a word of the language."""
    if name in RESERVED:
        add = sheet.at_key if path[-1] == name else sheet.at
        add(node, path, "reserved-name", name=name)


def _zone(sheet: Sheet, node: yaml.Node, path: Path, name: str) -> None:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        sheet.at(node, path, "bad-zone", value=name)


def check_unique(
    sheet: Sheet,
    node: yaml.Node,
    path: Path,
    name: str,
    ids: Sequence[str],
    before: Sequence[str] = (),
) -> None:
    """Findings where the value `name` of the things at `path` stands twice, or in `before`."""
    for index, one in enumerate(ids):
        if one in (*before, *ids[:index]):
            sheet.at(node, (*path, index, name), "duplicate-id", id=one)


def _order(sheet: Sheet, node: yaml.Node, rules: Sequence[Rule]) -> None:
    first: Rule | None = None
    for index, rule in enumerate(rules):
        if first is not None:
            path = (*MATCH, index, "id")
            sheet.at(node, path, "rule-unreachable", id=rule.id, before=first.id)
        elif always(rule):
            first = rule


def _quorum(
    sheet: Sheet, node: yaml.Node, club: Club, path: Path, review: Review | ReviewChange
) -> None:
    admins = club.spec.admins
    if admins.power_level is not None or admins.user_group or not admins.people:
        return
    most = len(set(admins.people))
    for name, needed in (("approvals", review.approvals), ("declines", review.declines)):
        if needed is not None and needed > most:
            values: dict[str, Value] = {"needed": needed, "admins": most}
            sheet.at(node, (*path, name), "quorum-too-large", **values)
