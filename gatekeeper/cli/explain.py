"""policy explain: why an application or a member fares as it does, and what would turn it."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json
from gatekeeper.domain.applications import Application
from gatekeeper.domain.errors import BadInput, NotFound, Value
from gatekeeper.domain.memberships import Membership
from gatekeeper.reading import Unreadable, read_text

if TYPE_CHECKING:
    from gatekeeper.policy.explain import Explanation
    from gatekeeper.policy.facts import Facts, Subject
    from gatekeeper.policy.judge import Policy
    from gatekeeper.ports import Tx
    from gatekeeper.usecases.explained import Seen
    from gatekeeper.usecases.parts import Parts

MOST: Final = 2**63 - 1
DIGEST: Final = 12  # letters of a policy's digest that are shown

Other = Annotated[
    str, typer.Argument(metavar="FILE", help="Another policy than the one that judged.")
]
Number = Annotated[
    int | None,
    typer.Option("--application", min=1, max=MOST, metavar="NUMBER", help="An application."),
]
Member = Annotated[
    str,
    typer.Option("--member", metavar="WHO", help="An account, or the number of a membership."),
]
FactsFile = Annotated[
    str,
    typer.Option("--facts", metavar="FILE", help="Facts in JSON or YAML, as a case has them."),
]
Language = Annotated[
    str, typer.Option("--language", metavar="CODE", help="Of the sentences; else the club's own.")
]


def add_to(policy: typer.Typer) -> None:
    """Add the command of this module."""
    policy.command("explain")(explain)


def explain(
    file: Other = "",
    application: Number = None,
    member: Member = "",
    facts: FactsFile = "",
    language: Language = "",
    as_json: Json = False,
) -> None:
    """Which rule fired, what each condition saw, and the smallest change that would turn it.

    The facts are those that the latest decision of rules was made on, as the record keeps them;
    where there is none, those of this moment. With --facts no club and no database is needed.
    """
    if sum(map(bool, (application, member, facts))) != 1:
        raise BadInput({"policy explain": "explain-what"})
    if facts:
        policy = _policy(file)
        language = _tongue(policy, language)
        found, now = _given(policy, Path(facts))
        _note_answers(policy, found)
        head = [_head(policy, "explain.given", now, language, file=Path(facts).name)]
        _show(policy, found, now, head, {}, language, as_json)
        return
    seen = frame.run(_find(application, member))
    policy = _policy(file) if file else seen.policy
    language = _tongue(policy, language)
    head = _origin(seen, policy, language)
    extra = {"entry": seen.entry, "laws": seen.laws}
    _show(policy, seen.facts, seen.at, head, extra, language, as_json)


def _tongue(policy: "Policy", language: str) -> str:
    texts = policy.club.spec.texts.values()
    return frame.tongue(language, {policy.club.spec.language, *(t for each in texts for t in each)})


async def _find(application: int | None, member: str) -> "Seen":
    """What was recorded, else what is so now; a platform is asked only for the latter."""
    from gatekeeper.usecases import explained, member_facts

    async with frame.club(platforms=True) as club, club.parts.store.look(club.parts.club) as tx:
        parts = club.parts
        if application:
            app = await tx.get(Application, application)
            kept = await explained.of_application(tx, parts, app)
            return kept or await explained.application_now(tx, parts, app)
        membership = await _membership(tx, parts, member)
        kept = await explained.of_member(tx, parts, membership)
        if kept is not None:
            return kept
    async with frame.club(connect=True) as club:
        outlook = await member_facts.look_out(club.parts)
        async with club.parts.store.look(club.parts.club) as tx:
            return await explained.member_now(tx, club.parts, membership, outlook)


async def _membership(tx: "Tx", parts: "Parts", member: str) -> Membership:
    """The membership of a number, or the newest one of an account."""
    if member.isascii() and member.isdigit() and int(member) <= MOST:
        return await tx.get(Membership, int(member))
    who = frame.identity(parts, member)
    found = await tx.first(Membership, identity=who, order="-id")
    if found is None:
        raise NotFound(kind="membership", id=str(who))
    return found


def _policy(file: str) -> "Policy":
    from gatekeeper.cli.rules import read
    from gatekeeper.policy.parse import load_policy

    path, text = read(file)
    return load_policy(text, str(path))


def _head(policy: "Policy", code: str, at: datetime, language: str, **values: Value) -> str:
    from gatekeeper.policy.texts import iso

    return policy.say(code, {"at": iso(at), "policy": policy.digest[:DIGEST], **values}, language)


def _origin(seen: "Seen", policy: "Policy", language: str) -> list[str]:
    """Where the facts are from, and what was decided on them then."""
    from gatekeeper.usecases.explained import agrees

    def say(code: str, **values: Value) -> str:
        return _head(seen.policy, code, seen.at, language, **values)

    if seen.entry is None:
        head = [say("explain.present")]
        if seen.laws is not None:
            law = seen.policy.say(seen.laws.code, seen.laws.values, language)
            head.append(say("explain.laws", sentence=law))
    else:
        head = [say("explain.recorded", number=seen.entry.sequence)]
        head.append(say("explain.recorded-decision", sentence=seen.entry.sentence))
        if not agrees(seen):
            head.append(say("explain.differs"))
    if policy is not seen.policy:
        head.append(_head(policy, "explain.other-policy", seen.at, language))
    return head


def _show(
    policy: "Policy",
    facts: "Facts",
    now: datetime,
    head: list[str],
    extra: Mapping[str, Any],
    language: str,
    as_json: bool,
) -> None:
    from gatekeeper.policy.explain import explain as tell

    told: Explanation = tell(policy, facts, now, language)
    lines = [*head, *told.lines()]
    if as_json:
        whole = {"at": now, "policy": policy.digest, **extra, **render.plain(told)}
        render.show_json({**whole, "facts": facts.model_dump(mode="json"), "lines": lines})
        return
    for line in lines:
        render.say(line)


# ---- Facts in a file ---------------------------------------------------------------------------


def _given(policy: "Policy", path: Path) -> "tuple[Facts, datetime]":
    """The facts in a file, and the moment they are for.

    Either a case's short form, {"application": {…}} or {"member": {…}}; or the facts themselves;
    or what `--json` shows. "now" (or "at") is the moment, else the present.
    """
    whole = _read(path)
    now = _moment(path, whole.get("now") or whole.get("at"))
    given = [name for name in ("application", "member") if name in whole]
    if len(given) == 2 and "cases" not in whole:
        raise BadInput({str(path): "facts-both"})
    for name in ("application", "member", "facts"):
        inner = {} if name in given and whole[name] is None else whole.get(name)
        if isinstance(inner, Mapping):
            subject: Subject = "application" if name == "application" else "member"
            return _facts(policy, inner, _subject(inner) if name == "facts" else subject, now), now
    facts = {str(name): value for name, value in whole.items() if name not in {"now", "at"}}
    return _facts(policy, facts, _subject(facts), now), now


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = read_text(path, "facts")
    except Unreadable as fault:
        raise BadInput({str(path): "facts-file"}, detail=fault.detail) from None
    try:
        whole = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):  # the reader of YAML says where, of JSON too
        whole = _yaml(text, path)
    if not isinstance(whole, Mapping):
        raise BadInput({str(path): "facts-file"}, detail=type(whole).__name__)
    return whole


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError where a name stands in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands here twice")
    return found


def _yaml(text: str, path: Path) -> Any:
    """The one document of a text; PolicyError with the places of what is wrong."""
    from gatekeeper.policy.findings import PolicyError
    from gatekeeper.policy.places import Enough, Sheet

    sheet, found = Sheet(text, str(path)), list[Any]()
    with suppress(Enough):
        found = [data for _, data in sheet.documents()]
    if sheet.findings:
        raise PolicyError(path.name, sheet.sorted())
    if len(found) != 1:
        raise BadInput({str(path): "facts-file"}, detail=f"YAML × {len(found)}")
    return found[0]


def _note_answers(policy: "Policy", facts: "Facts") -> None:
    """Say what of the answers does not fit the questions: a slip there is found by nothing else."""
    from gatekeeper.policy.outcomes import close
    from gatekeeper.policy.texts import sentence

    answers: Mapping[str, Any] | None = getattr(facts, "answers", None)
    if answers is None:
        return
    known = [question.id for question in policy.form.questions]
    for name in answers:
        if name not in known:
            values = {"name": name, "known": close(name, known)}
            render.note(f"warning: {sentence('facts-no-question', values)} [facts-no-question]")
    for question in policy.form.questions:
        if question.required and question.id not in answers:
            values = {"name": question.id}
            render.note(f"warning: {sentence('facts-no-answer', values)} [facts-no-answer]")


def _subject(facts: Mapping[str, Any]) -> "Subject":
    """Whose facts these are, by their names."""
    from gatekeeper.policy.facts import ApplicationFacts, MemberFacts

    names = set(facts)
    member, applicant = (
        len(names & set(model.model_fields)) for model in (MemberFacts, ApplicationFacts)
    )
    return "member" if member > applicant else "application"


def _moment(path: Path, given: object) -> datetime:
    from gatekeeper.clock import SystemClock

    if given is None:
        return SystemClock().now()
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        _no_moment(path, given)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else _no_moment(path, given)
    except OverflowError:  # in the first or last hours that there are
        return _no_moment(path, given)


def _no_moment(path: Path, given: object) -> NoReturn:
    raise BadInput({str(path): "facts-now"}, text=str(given)[:100])


def _facts(
    policy: "Policy", given: Mapping[str, Any], subject: "Subject", now: datetime
) -> "Facts":
    """Facts as a case writes them, or as the record does; BadInput with the first mistake."""
    from pydantic import ValidationError

    from gatekeeper.policy.case_facts import MODELS, facts_of

    try:
        return facts_of(policy, subject, given, now)
    except (ValueError, TypeError, OverflowError) as wrong:
        try:
            return MODELS[subject].model_validate(given)
        except (ValidationError, OverflowError):
            raise _wrong(wrong, MODELS[subject].model_fields) from None


def _wrong(fault: Exception, known: Iterable[str]) -> BadInput:
    errors = getattr(fault, "errors", None)
    if errors is None:
        return BadInput({"facts": "facts-wrong"}, detail=str(fault))
    first = errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "facts"
    if first["type"] == "extra_forbidden":
        from gatekeeper.policy.outcomes import close

        return BadInput({place: "case-unknown-fact"}, name=place, known=close(place, known))
    return BadInput({place: "facts-wrong"}, detail=str(first["msg"]))
