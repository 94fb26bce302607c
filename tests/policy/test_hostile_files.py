"""Files made to break whoever reads them: findings within moments, whatever stands in them."""

import time

import pytest

from gatekeeper.policy.case_reader import check_cases
from gatekeeper.policy.parse import check_policy, load_policy
from gatekeeper.policy.places import MOST
from tests.policy.builders import POLICY, policy_text

SECONDS = 10  # of the process's own time, on any machine; all but one take less than one
MANY = "".join


def lines(form: str, count: int) -> str:
    return MANY(form.format(n=n) for n in range(count))


def bomb(form: str) -> str:
    """Aliases of aliases: nine times as much with each line."""
    return "a0: &a0 {k: x}\n" + MANY(
        form.format(n=n, inside=", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 12)
    )


FILES = {
    "fields": (lines("f{n}: 1\n", 20_000) + "kind: Club\n", "too-many-findings"),
    "documents": ("---\nkind: Club\n" * 3000, "too-many-findings"),
    "aliases": (bomb("a{n}: &a{n} [{inside}]\n"), "yaml-too-large"),
    "merges": (bomb("a{n}: &a{n}\n  <<: [{inside}]\n"), "yaml-too-large"),
    "keys": (bomb("a{n}: &a{n} [{inside}]\n") + "? *a11\n: 1\n", "yaml-too-large"),
    "itself": ("kind: Club\nspec: &me {name: *me}\n", "yaml-circle"),
    "brackets": ("a: " + "[" * 50_000, "yaml-too-deep"),
    "one too many": ("a: " + "[" * 99 + "x" + "]" * 99, "yaml-too-deep"),
    "indents": (MANY(" " * n + "a:\n" for n in range(600)), "yaml-too-deep"),
    "deep aliases": (
        "a0: &a0 " + "[" * 60 + "]" * 60 + "\na1: " + "[" * 60 + "*a0" + "]" * 60, "yaml-too-deep"
    ),
    "params": (
        policy_text(("{cooldown: 30d,", "{cooldown: 30d, " + lines("p{n}: 1, ", 25_000))),
        "value-wrong",
    ),
    "questions": (
        policy_text(("questions:\n", "questions:\n" + lines(
            "      - {{id: q{n}, kind: text, label: a}}\n", 8000))), "value-wrong",
    ),
    "rooms": (
        policy_text(("rooms: [", "rooms: [" + lines("{{alias: r{n}, name: a}}, ", 9000))),
        "value-wrong",
    ),
    "people": (policy_text(("people: [", "people: [" + "x, " * 100_000)), "too-many-findings"),
    "list": (policy_text(("cooldown: 30d", f"cooldown: [{'1,' * 200_000}]")), "list-too-long"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), FILES.values(), ids=FILES)
def test_a_hostile_file_is_refused_soon(text, code):
    before = time.process_time()
    found = check_policy(text, "evil.yaml")
    assert time.process_time() - before < SECONDS
    assert code in {one.code for one in found}
    assert len(found) <= MOST + 1
    assert max(len(one.sentence()) + len(one.remedy()) for one in found) < 1000


@pytest.mark.parametrize("span", ["365251d", "999999999d", "9" * 40 + "d"])
@pytest.mark.parametrize(
    "change",
    [
        ("{approvals: 2}", "{{approvals: 2, openFor: {span}}}"),
        ('schedule: "0 6 * * MON"', "grace: {span}"),
        ("cooldown: 30d", "cooldown: {span}"),
    ],
)
def test_no_span_leads_beyond_what_a_clock_can_show(change, span):
    """A review that opens, or a grace that begins, would else end in a fault."""
    text = policy_text((change[0], change[1].format(span=span)))
    codes = {one.code for one in check_policy(text)}
    assert codes & {"bad-duration", "bad-param"}, codes


NOW = "now: 2026-03-01T12:00:00Z\n"
CASE = "cases:\n  - {case: x, member: a0, expect: {verdict: keep}}\n"


def fixtures(form: str, count: int) -> str:
    made = ", ".join(form.format(n=n, next=n + 1) for n in range(count))
    return f"{NOW}fixtures: {{members: {{{made}, a{count}: {{}}}}}}\n{CASE}"


CASES = {
    "a tower": (fixtures("a{n}: {{from: a{next}}}", 3000), "case-fixture-deep"),
    "twice each": (fixtures("a{n}: {{from: [a{next}, a{next}]}}", 40), None),
    "unknown": (fixtures("a{n}: {{from: b{n}}}", 3000), "too-many-findings"),
    "no zone": (f"now: 2026-03-01T12:00:00\n{CASE}".replace("a0", "{}"), "value-wrong"),
    "a leap second": (f"now: 2016-12-31T23:59:60Z\n{CASE}", "yaml-syntax"),
}


@pytest.mark.parametrize(("text", "code"), CASES.values(), ids=CASES)
def test_hostile_cases_are_refused_soon(text, code):
    before = time.process_time()
    found = check_cases(text, load_policy(POLICY), "evil.cases.yaml")
    assert time.process_time() - before < SECONDS
    assert {one.code for one in found} >= ({code} if code else set())
    assert bool(found) is bool(code)


def test_a_time_without_a_zone_is_told_in_plain_words():
    [found] = check_cases(CASES["no zone"][0], load_policy(POLICY))
    assert (found.line, found.column) == (1, 6)
    assert "2026-03-01T12:00:00Z" in found.sentence()
