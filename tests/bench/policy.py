"""What judging costs: beside the same rules by hand, and beside other engines on the same work.

All rows of decisions count them by the second of the process's own time, ours and the floor's in
turn: a ratio of 0.2 is a fifth of the floor's speed, and more is better.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gatekeeper import policy_file
from gatekeeper.policy.evaluation import RuleSet, find
from gatekeeper.policy.facts import ApplicationFacts
from gatekeeper.policy.faster import faster
from gatekeeper.policy.generate import Source, generate
from gatekeeper.policy.judge import Policy
from gatekeeper.policy.parse import load_policy
from tests.bench import policy_rules as by_hand
from tests.bench.frame import Bar, Row
from tests.bench.policy_peers import PEERS

TOP = Path(__file__).resolve().parents[2]
PEERS_PYTHON = TOP / ".venv-peers" / "bin" / "python"
RUNS = 7
APPLICATIONS, MEMBERS = 1_000, 5_000
RULES, CASES = 100, 60  # of the policy that is loaded

Say = Callable[[str], None]


async def rows(say: Say) -> list[Row]:
    """Judge in turn with whatever stands beside us."""
    policy = by_hand.a_policy()
    applications = by_hand.applications(APPLICATIONS)
    _same(policy, applications)
    made = [_explained(policy, applications), *_members(policy)]
    say("judged")
    made += [_load(), await _press()]
    say("loaded")
    with TemporaryDirectory() as folder:
        work = Path(folder) / "work.json"
        work.write_text(json.dumps(_work(applications)), "utf-8")
        for name in PEERS:
            made.append(_peer(name, policy, applications, work))
            say(name)
    return made


def _same(policy: Policy, applications: Sequence[ApplicationFacts]) -> None:
    """Ours and the floor give the same, or nothing here means anything."""
    for facts in applications:
        bits, fired, _ = by_hand.admission_by_hand(facts)
        found = find(policy.admission_rules, facts, by_hand.NOW)
        assert (list(found.bits), found.rule and found.rule.rule.id) == (bits, fired)


# ---- Judging -----------------------------------------------------------------------------------


def _explained(policy: Policy, applications: Sequence[ApplicationFacts]) -> Row:
    rules = policy.admission_rules

    def ours(facts: ApplicationFacts) -> object:
        found = find(rules, facts, by_hand.NOW)
        return found.results(), found.rule, found.atoms(found.decides)

    pairs = _in_turn(ours, by_hand.admission_by_hand, applications)
    return Row(
        "policy.admission_explained",
        "decisions/s",
        *pairs,
        bar=Bar("ratio", 0.20, least=True),
        note="facts to every rule's result, the rule that fired and what its atoms saw; "
        "12 rules, 15 fields; floor: the same by hand",
    )


def _members(policy: Policy) -> list[Row]:
    rules, everybody = policy.pruning_rules, by_hand.members(MEMBERS)
    first = _generated(rules).first
    names = [one.rule.id for one in rules.all]
    for member in everybody:
        right = by_hand.member_by_hand(member, by_hand.NOW)
        assert names[first(member, by_hand.NOW)] == right
    generated = _in_turn(
        lambda member: first(member, by_hand.NOW),
        lambda member: by_hand.member_by_hand(member, by_hand.NOW),
        everybody,
    )
    quick = faster(policy)
    ruled = _in_turn(
        lambda member: quick.judge_member(member, by_hand.NOW),
        lambda member: policy.judge_member(member, by_hand.NOW),
        everybody,
    )
    return [
        Row(
            "policy.members_generated",
            "decisions/s",
            *generated,
            bar=Bar("ratio", 0.80, least=True),
            note="facts to the first of 8 rules that matches, by generated code; "
            "floor: the same by hand",
        ),
        Row(
            "policy.members_ruled",
            "decisions/s",
            *ruled,
            note="the whole Ruling with every rule's result, one in so many held against the "
            "library; floor: by the library alone",
        ),
    ]


def _generated(rules: RuleSet) -> Any:
    conditions = rules.conditions
    source = Source(
        conditions.subject, conditions.subject_schema, rules.params, dict(rules.variables)
    )
    return generate(source, [one.condition for one in rules.all])


def _in_turn(
    ours: Callable[[Any], object], floor: Callable[[Any], object], subjects: Sequence[Any]
) -> tuple[list[float], list[float]]:
    """Both in turn, as often as RUNS; subjects by the second."""
    _rate(ours, subjects[:100]), _rate(floor, subjects[:100])
    pairs = [(_rate(ours, subjects), _rate(floor, subjects)) for _ in range(RUNS)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _rate(judge: Callable[[Any], object], subjects: Sequence[Any]) -> float:
    began = time.process_time()
    for subject in subjects:
        judge(subject)
    return len(subjects) / (time.process_time() - began)


# ---- Loading -----------------------------------------------------------------------------------


def a_long_policy() -> str:
    """The club's document and its pruning as they are, with a hundred rules of admission."""
    parts = by_hand.TEXT.split("    match:\n")
    rules, rest = parts[1].split("---\n", 1)
    lines = [line for line in rules.splitlines() if "id: default" not in line]
    many = []
    for number in range(RULES - 1):
        line = lines[number % len(lines)].replace("{id: ", f"{{id: n{number}-", 1)
        more = f"application.earlier_applications != {number} && ("
        for quote in ('condition: "', "condition: "):
            if quote in line:
                ends = '", output' if quote.endswith('"') else ", output"
                said, after = line.split(quote, 1)[1].split(ends, 1)
                start = line.split(quote, 1)[0]
                many.append(f'{start}condition: "{more}{said})", output{after}')
                break
    default = "      - {id: default, output: {decision: review}}"
    body = "\n".join([*many, default])
    return "    match:\n".join([parts[0], f"{body}\n---\n{rest}", *parts[2:]])


def _load() -> Row:
    text = a_long_policy()
    assert len(load_policy(text).admission_rules.all) == RULES
    runs = []
    for _ in range(RUNS):
        began = time.process_time()
        load_policy(text)
        runs.append(1000 * (time.process_time() - began))
    return Row(
        "policy.load_100_rules",
        "ms",
        runs,
        bar=Bar("ours", 100, below=True),
        note="text to a policy that judges by its one program, checked, in a process that has "
        "loaded one before (a condition's own program is made ready when it is first run); "
        "of the process's own time",
    )


async def _press() -> Row:
    """The longest that the loop stands still, each time in a process that has just started."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "long.yaml"
        file.write_text(a_long_policy(), "utf-8")
        policy_file.cases_of(file).write_text(_cases(), "utf-8")
        ours, floor = [], []
        for _ in range(RUNS):
            told = subprocess.run(
                [sys.executable, "-m", "tests.bench.press", file],
                cwd=TOP,
                capture_output=True,
                text=True,
                check=True,
            )
            beside, alone = json.loads(told.stdout)
            ours.append(beside)
            floor.append(alone)
    return Row(
        "policy.reload_press",
        "ms",
        ours,
        floor,
        bar=Bar("ours", 50, below=True),
        note=f"longest stall of the loop while {RULES} rules are compiled and {CASES} cases run "
        "beside it, the first time in a process; floor: with nothing beside it",
    )


def _cases() -> str:
    fixed = "{submitted_at: 2026-06-01T12:00:00Z, answers: {why: short, country: DE}, links: %d}"
    lines = [
        f"  - {{case: number {number}, application: {fixed % (number % 3)}, "
        "expect: {verdict: wait}}"
        for number in range(CASES)
    ]
    return "\n".join(["now: 2026-06-01T12:00:00Z", "cases:", *lines, ""])


# ---- Others ------------------------------------------------------------------------------------


def _work(applications: Sequence[ApplicationFacts]) -> dict[str, Any]:
    names = ("countries", "servers", "trusted", "spam", "invite", "topics")
    return {
        "constants": {name: getattr(by_hand, name.upper()) for name in names},
        "facts": [_plain(one) for one in applications],
        "right": [by_hand.admission_by_hand(one)[0] for one in applications],
    }


def _plain(facts: ApplicationFacts) -> dict[str, Any]:
    def iso(moment: datetime | None) -> str | None:
        return moment and moment.isoformat()

    return {
        "country": facts.answers["country"],
        "server": facts.server,
        "text": facts.text,
        "why": facts.answers["why"],
        "tags": facts.answers["tags"],
        "links": facts.links,
        "declines": facts.earlier_declines,
        "vouches": facts.vouches,
        "proven": facts.proven,
        "submitted": iso(facts.submitted_at),
        "declined_at": iso(facts.last_declined_at),
        "created": iso(facts.account_created_at),
    }


def _peer(name: str, policy: Policy, applications: Sequence[ApplicationFacts], work: Path) -> Row:
    rules = policy.admission_rules

    def judge(facts: ApplicationFacts) -> object:
        return find(rules, facts, by_hand.NOW).bits

    with _running(name, work) as peer:
        if peer is None:
            runs = [_rate(judge, applications) for _ in range(RUNS)]
            note = "NOT MEASURED: it is not installed; `make bench` makes its environment"
            return Row(f"policy.peer.{name}", "decisions/s", runs, note=note)
        told = json.loads(_line(peer))
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(_rate(judge, applications))
            assert peer.stdin
            peer.stdin.write("\n")
            peer.stdin.flush()
            theirs.append(len(applications) / float(_line(peer)))
    helped = f"; worked out for it: {told['helped']}" if told["helped"] else ""
    return Row(
        f"policy.peer.{name}",
        "decisions/s",
        ours,
        theirs,
        note=f"every rule's result; floor: {name} {told['version']}, of {len(applications)} "
        f"{told['wrong']} wrong decisions and {told['unlike']} with a wrong rule (ours 0){helped}",
    )


@contextmanager
def _running(name: str, work: Path) -> Iterator["subprocess.Popen[str] | None"]:
    """The peer's process; None where it cannot be run here."""
    if not PEERS_PYTHON.is_file():
        yield None
        return
    script = Path(__file__).with_name("policy_peers.py")
    with subprocess.Popen(
        [PEERS_PYTHON, script, name, work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as peer:
        try:
            yield peer
        finally:
            peer.terminate()


def _line(peer: "subprocess.Popen[str]") -> str:
    assert peer.stdout
    line = peer.stdout.readline()
    if not line:
        raise RuntimeError("the engine ended: see its message above")
    return line
