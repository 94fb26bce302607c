"""The cases beside a policy."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.policy.boundaries import constants
from gatekeeper.policy.case_facts import (
    MODELS,
    application_facts,
    facts_of,
    given_of,
    member_facts,
)
from gatekeeper.policy.case_reader import check_cases, read_cases
from gatekeeper.policy.cases import run_cases
from gatekeeper.policy.findings import PolicyError
from gatekeeper.policy.made_up import Maker, as_given
from gatekeeper.policy.parse import check_policy, load_policy
from tests.policy.builders import NOW, a_policy, policy_text, rule

POLICIES = sorted(
    path
    for path in (Path(__file__).parents[2] / "policies").glob("*.yaml")
    if not path.name.endswith(".cases.yaml")
)
POLICY = a_policy()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_every_policy_that_is_shipped_is_sound_and_its_cases_show_all_of_it(path):
    text = path.read_text(encoding="utf-8")
    assert check_policy(text, path.name) == ()
    cases = path.with_suffix(".cases.yaml").read_text(encoding="utf-8")
    report = run_cases(load_policy(text, path.name), cases)
    assert report.passed, "\n".join(report.lines())
    assert report.coverage.missing == (), "\n".join(report.coverage.lines())


def test_a_difference_is_told_readably():
    report = run_cases(
        POLICY,
        "now: 2026-03-01T12:00:00Z\n"
        "cases:\n"
        "  - {case: right, member: {silent: 91d}, expect: {verdict: notify, rule: quiet}}\n"
        "  - {case: wrong, member: {silent: 91d}, expect: {verdict: keep, code: kept}}\n",
    )
    assert not report.passed
    assert report.lines()[:4] == (
        "passed  right",
        "FAILED  wrong  (cases.yaml:4)",
        "        verdict: expected keep, got notify",
        "        code: expected kept, got silent-notice",
    )
    assert report.lines()[4:6] == (
        "          decided by rule quiet",
        "          quiet: true: member.silent > duration('90d') (member.silent = 91d)",
    )
    assert "rule spam: no case matches it" in report.lines()
    assert "spam" in report.never_fired
    assert any("erwartet keep, bekommen notify" in line for line in report.lines("de"))


TRIED = """      - id: chatty
        condition: application.vouches > 1
        output: {decision: admit}
        mode: audit
      - id: spam
"""
ON_TRIAL = """now: 2026-03-01T12:00:00Z
cases:
  - case: vouched for
    application: {vouches: 2}
    expect: {verdict: wait, rule: default}
  - case: vouched for, once chatty decides
    application: {vouches: 2}
    trial: chatty
    expect: {verdict: admit, rule: chatty}
  - {case: not vouched for, application: {}, expect: {verdict: wait}}
"""


def test_a_rule_on_trial_is_tried_by_the_cases_that_name_it():
    policy = a_policy(("      - id: spam\n", TRIED))
    report = run_cases(policy, ON_TRIAL)
    assert report.passed, report.lines()
    assert "In force, rule chatty would change one case:" in report.lines()
    assert "  admit, not wait, by rule chatty: vouched for (cases.yaml:3)" in report.lines()
    assert "In Kraft würde Regel chatty einen Fall ändern:" in report.lines("de")
    missing = {(one.rule, one.code) for one in report.coverage.missing}
    assert not any(rule == "chatty" for rule, _ in missing)
    wrong = run_cases(policy, ON_TRIAL.replace("    trial: chatty\n", ""))
    assert [one.passed for one in wrong.results] == [True, False, True]


def test_a_document_on_trial_is_tried_likewise():
    text = policy_text()
    second = text[text.index("kind: PruningPolicy") :]
    second = second.replace("duration('90d')", "duration('30d')").replace(
        "mode: enforce", "mode: audit"
    )
    name = second.split("name: ")[1].split("}")[0].split("\n")[0]
    policy = load_policy(
        f"{text}\n---\napiVersion: gatekeeper/v1\n{second.replace(name, 'sooner', 1)}"
    )
    case = "now: 2026-03-01T12:00:00Z\ncases:\n  - case: away for a while\n"
    report = run_cases(policy, case + "    member: {silent: 40d}\n    expect: {verdict: keep}\n")
    assert report.passed
    assert "In force, document sooner would change one case:" in report.lines()
    tried = "    member: {silent: 40d}\n    trial: sooner\n    expect: {verdict: notify}\n"
    assert run_cases(policy, case + tried).passed


def test_a_trial_that_is_none_is_a_finding():
    policy = a_policy(("      - id: spam\n", TRIED))
    (found,) = check_cases(ON_TRIAL.replace("trial: chatty", "trial: chaty"), policy)
    assert (found.code, found.line) == ("case-unknown-trial", 8)
    assert "chatty" in found.remedy()


def test_facts_are_short_to_write():
    short = {"answers": {"why": "see https://a.b"}, "last_declined_at": "3d"}
    facts = application_facts(POLICY, short, NOW)
    assert (facts.text, facts.links) == ("see https://a.b", 1)
    assert facts.last_declined_at == NOW - timedelta(days=3)
    member = member_facts(
        {"silent": "2w", "known_since": datetime(2026, 1, 1, tzinfo=UTC).date()}, NOW
    )
    assert member.silent == timedelta(weeks=2)
    assert member.known_since == datetime(2026, 1, 1, tzinfo=UTC)


def test_shared_facts_are_merged_and_a_case_may_have_its_own_now():
    report = run_cases(
        POLICY,
        "now: 2026-03-01T12:00:00Z\n"
        "application: {answers: {why: casino, age: 3}}\n"
        "cases:\n"
        "  - {case: shared, application: {}, expect: {rule: spam}}\n"
        "  - {case: own, application: {answers: {why: x}}, expect: {rule: default},"
        " now: 2027-01-01T00:00:00Z}\n",
    )
    assert report.passed, report.lines()


def test_the_rule_that_was_expected_is_told_with_what_it_saw():
    policy = a_policy(
        rule(
            "has(application.last_declined_at) &&"
            " now - application.last_declined_at < duration('5d')"
        )
    )
    report = run_cases(
        policy,
        "now: 2026-03-01T12:00:00Z\n"
        "cases:\n"
        "  - {case: a, application: {}, expect: {rule: tried}}\n"
        "  - {case: b, application: {last_declined_at: 9d}, expect: {rule: tried}}\n",
    )
    told = [line.strip() for line in report.lines()]
    assert "tried: false: has(application.last_declined_at)" in told
    later = "now - application.last_declined_at"
    assert f"tried: not to be told: {later} < duration('5d')" in told
    assert any(line.startswith(f"tried: false: {later} < duration('5d') (") for line in told)


def test_a_fault_is_told():
    policy = a_policy(rule("1 / application.vouches > 2"))
    text = "now: 2026-03-01T12:00:00Z\ncases: [{case: a, application: {}, expect: {rule: default}}]"
    report = run_cases(policy, text)
    told = "\n".join(report.lines())
    assert "no rule decided" in told
    assert "Rule tried: could not be evaluated" in told


# ---- Fixtures and matrices -----------------------------------------------------------------------

FIXTURES = """\
now: 2026-03-01T12:00:00Z
application: {answers: {why: gardens}}
fixtures:
  applications:
    newcomer: {vouches: 1, answers: {age: 3}}
    returned: {from: newcomer, earlier_declines: 1}
  members:
    quiet: {silent: 91d}
  parts:
    spammer: {answers: {why: casino}}
    busy: {active_days_30d: 9}
cases:
"""


def tried(*cases: str):
    return read_cases(FIXTURES + "".join(f"  - {case}\n" for case in cases), POLICY)


def test_fixtures_build_on_each_other():
    tries = tried(
        "{case: a, application: returned, expect: {rule: default}}",
        "{case: b, application: {from: [returned, spammer], vouches: 2}, expect: {rule: spam}}",
        "{case: c, member: {from: [quiet, busy]}, expect: {verdict: notify}}",
        "{case: d, application: , expect: {rule: default}}",
    )
    first, second, third, fourth = (each.facts for each in tries)
    assert (first.vouches, first.earlier_declines) == (1, 1)
    assert first.answers == {"why": "gardens", "age": 3}
    assert (second.vouches, second.answers) == (2, {"why": "casino", "age": 3})
    assert second.text == "casino"
    assert (third.silent, third.active_days_30d) == (timedelta(days=91), 9)
    assert fourth.answers == {"why": "gardens"}
    assert run_cases(
        POLICY, FIXTURES + "  - {case: x, member: quiet, expect: {rule: quiet}}"
    ).passed


def test_a_matrix_tries_every_combination_in_order():
    tries = tried(
        "{case: a, application: newcomer, matrix: {vouches: [0, 2], answers.why: [x, casino]},"
        " expect: [{rule: default}, {rule: spam}, {rule: default}, {rule: spam}]}",
        "{case: b, member: {}, matrix: {from: [quiet, busy]}, expect: {code: kept}}",
        "{case: c, member: quiet, matrix: {now: [2026-05-01T00:00:00Z, 2026-06-01T00:00:00Z]},"
        " expect: {rule: quiet}}",
    )
    assert [each.case for each in tries] == [
        "a (vouches: 0, answers: {why: x})",
        "a (vouches: 0, answers: {why: casino})",
        "a (vouches: 2, answers: {why: x})",
        "a (vouches: 2, answers: {why: casino})",
        "b (from: quiet)",
        "b (from: busy)",
        "c (now: 2026-05-01 00:00:00+00:00)",
        "c (now: 2026-06-01 00:00:00+00:00)",
    ]
    assert [each.facts.vouches for each in tries[:4]] == [0, 0, 2, 2]
    assert tries[0].facts.answers["age"] == 3
    assert [each.expect.rule for each in tries[:4]] == ["default", "spam"] * 2
    assert [each.now.month for each in tries[4:]] == [3, 3, 5, 6]


def test_rows_may_have_their_own_expectation_and_now():
    tries = tried(
        "{case: a, member: quiet, expect: {rule: quiet},"
        " matrix: [{silent: 1d, expect: {code: kept}}, {now: 2027-01-01T00:00:00Z},"
        " {admin: true, expect: {rule: staff}}]}"
    )
    assert [each.expect.code for each in tries] == ["kept", None, None]
    assert tries[1].now.year == 2027
    assert run_cases(
        POLICY,
        FIXTURES + "  - {case: a, member: quiet, matrix: [{silent: 1d, expect: {code: kept}}]}\n",
    ).passed


def test_what_a_case_gives_can_be_written_again():
    for each in tried(
        "{case: a, application: {from: returned, last_declined_at: 3d, text: other, links: 4,"
        " account_created_at: 2020-01-01T00:00:00.5Z}, expect: {rule: default}}",
        "{case: b, member: {silent: 90d12h, roles: [x], seen_share: 0.5}, expect: {code: kept}}",
    ):
        short = given_of(POLICY, each.facts, each.now)
        again = yaml.safe_load(yaml.safe_dump(short))
        assert facts_of(POLICY, each.subject, again, each.now) == each.facts
        assert "display_name" not in short


# ---- What is wrong with a file -------------------------------------------------------------------

WRONG = [
    ("member: {silent: 9x}, expect: {code: kept}", "case-wrong-fact", "9x"),
    ("member: {silent: 3}, expect: {code: kept}", "case-wrong-fact", "3"),
    ("member: {roles: staff}, expect: {code: kept}", "case-wrong-fact", "staff"),
    ("member: {admin: 1}, expect: {code: kept}", "case-wrong-fact", "1"),
    ("member: {known_since: 2026-01-01T00:00:00}, expect: {code: kept}", "case-wrong-fact", "2026"),
    ("application: {origin: letter}, expect: {rule: spam}", "case-wrong-fact", "letter"),
    ("application: {vouches: '3'}, expect: {rule: spam}", "case-wrong-fact", "'3'"),
    ("application: {answers: {age: young}}, expect: {rule: spam}", "case-wrong-fact", "young"),
    ("application: {answers: none}, expect: {rule: spam}", "case-wrong-fact", "none"),
    ("application: {answers: {wy: x}}, expect: {rule: spam}", "case-unknown-fact", "wy"),
    ("member: {nope: 1}, expect: {code: kept}", "case-unknown-fact", "nope"),
    ("expect: {code: kept}", "case-no-subject", "{case"),
    ("member: {}, application: {}, expect: {code: kept}", "case-no-subject", "{case"),
    ("member: {}, expect: {}", "case-expects-nothing", "{}}"),
    ("member: {}", "field-missing", "{case"),
    ("member: {}, expect: {verdict: admit}", "value-unknown", "admit"),
    ("member: {}, expect: {verdict: maybe}", "value-unknown", "maybe"),
    ("member: {}, expect: {rule: spam}", "case-unknown-rule", "spam"),
    ("member: {}, expect: {code: own-words}", "case-unknown-code", "own-words"),
    ("member: {}, expect: {sentence: x}", "field-unknown", "sentence"),
    ("member: {}, expects: {code: kept}, expect: {code: kept}", "field-unknown", "expects"),
    ("member: newcomer, expect: {code: kept}", "case-unknown-fixture", "newcomer"),
    ("member: {from: spammer}, expect: {code: kept}", "case-foreign-part", "spammer"),
    ("member: {from: {}}, expect: {code: kept}", "case-wrong-fact", "{}}"),
    ("member: {}, matrix: {silent: []}, expect: {code: kept}", "case-matrix-empty", "{silent: []"),
    ("member: {}, matrix: [], expect: {code: kept}", "case-matrix-empty", "[]"),
    ("member: {}, matrix: {sient: [1d]}, expect: {code: kept}", "case-unknown-fact", "sient"),
    ("member: {}, matrix: {silent: [1]}, expect: {code: kept}", "case-wrong-fact", "[1]"),
    ("member: {}, matrix: [{silent: 1}], expect: {code: kept}", "case-wrong-fact", "1}]"),
    ("member: {}, matrix: {silent: [1d, 2d]}, expect: [{code: kept}]", "case-expect-count", "[{c"),
    ("member: {}, matrix: {now: [3]}, expect: [{code: kept}]", "value-wrong", "[3]"),
]


@pytest.mark.parametrize(("case", "code", "there"), WRONG, ids=[row[0] for row in WRONG])
def test_every_mistake_has_its_place(case, code, there):
    line = f"  - {{case: a, {case}}}"
    text = f"{FIXTURES}{line}\n"
    found = check_cases(text, POLICY, "x.cases.yaml")
    assert [one.code for one in found] == [code]
    assert found[0].file == "x.cases.yaml"
    assert text.splitlines()[found[0].line - 1] == line
    assert line[found[0].column - 1 :].startswith(there)
    for language in ("en", "de"):
        said = found[0].sentence(language) + found[0].remedy(language)
        assert f"[{code}" not in said
        assert "{name}" not in said
    with pytest.raises(PolicyError):
        run_cases(POLICY, text)


WHOLE = [
    ("cases: [{case: a, member: {}, expect: {code: kept}}]", "field-missing"),
    ("now: 2026-03-01T12:00:00\ncases: [{case: a, member: {}, expect: {rule: ''}}]", "value-wrong"),
    ("now: 2026-03-01T12:00:00Z\ncases: []", "value-wrong"),
    ("now: 2026-03-01T12:00:00Z\nnow: 2026-03-01T12:00:00Z\ncases: []", "duplicate-key"),
    ("now: 2026-03-01T12:00:00Z\nfixture: {}\ncases: []", "field-unknown"),
    ("now: [", "yaml-syntax"),
    ("\x00", "yaml-syntax"),
    ("[]", "cases-wrong"),
    ("", "cases-wrong"),
    ("a: 1\n---\nb: 1", "cases-wrong"),
    ("#" * 500_001, "policy-too-long"),
]


@pytest.mark.parametrize(("text", "code"), WHOLE)
def test_what_is_no_file_of_cases_gives_findings(text, code):
    with pytest.raises(PolicyError) as caught:
        run_cases(POLICY, text)
    assert code in {one.code for one in caught.value.findings}


def test_fixtures_are_looked_at_even_where_no_case_uses_them():
    text = FIXTURES.replace("quiet: {silent: 91d}", "quiet: {silent: often}").replace(
        "returned: {from: newcomer", "returned: {from: returned"
    )
    found = check_cases(text + "  - {case: a, member: {}, expect: {code: kept}}\n", POLICY)
    assert [one.code for one in found] == ["case-fixture-circle", "case-wrong-fact"]


def test_cases_with_the_same_words_are_found():
    one = "  - {case: a, member: {}, expect: {code: kept}}\n"
    found = check_cases(FIXTURES + one + one, POLICY)
    assert [(each.code, each.line) for each in found] == [("case-twice", 14)]


def test_a_matrix_is_bounded():
    days = ", ".join(f"{day}d" for day in range(40))
    case = f"  - {{case: a, member: {{}}, expect: {{code: kept}}, matrix: {{silent: [{days}],"
    text = f"{FIXTURES}{case} known_since: [{days}]}}}}\n"
    assert [one.code for one in check_cases(text, POLICY)] == ["case-matrix-too-large"]


# ---- Whatever stands in the file -----------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["9d", "quiet", "newcomer", "rows", "one", "keep", "2026-03-01"])
    | st.datetimes() | st.dates(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["expect", "from", "verdict", "rule", "now", "silent", "answers", "why"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip

CASES = st.fixed_dictionaries(
    {"case": st.text(min_size=1, max_size=3)},
    optional={
        "application": ANYTHING,
        "member": ANYTHING,
        "matrix": ANYTHING | st.dictionaries(st.just("silent"), st.lists(ANYTHING, max_size=3)),
        "expect": ANYTHING | st.just({"code": "kept"}),
        "now": ANYTHING,
    },
)


@given(one=ANYTHING | CASES, fixture=ANYTHING, shared=ANYTHING)
@settings(max_examples=300, deadline=None)
def test_no_file_of_cases_is_more_than_findings(one, fixture, shared):
    """Whatever people write, they are told; nothing else is ever raised."""
    file = {
        "now": "2026-03-01T12:00:00Z",
        "application": shared,
        "fixtures": {"members": {"quiet": fixture}, "parts": {"newcomer": fixture}},
        "cases": [one, {"case": "sound", "member": {}, "expect": {"code": "kept"}}],
    }
    text = yaml.safe_dump(file, allow_unicode=True)
    found = check_cases(text, POLICY)
    assert all(each.sentence() for each in found)
    with pytest.raises(PolicyError) if found else nullcontext():
        assert run_cases(POLICY, text).lines()


@given(seed=st.integers(0, 10_000), subject=st.sampled_from(sorted(MODELS)))
@settings(max_examples=100, deadline=None)
def test_any_facts_can_be_written_as_a_case(seed, subject):
    maker = Maker(subject, POLICY.form, constants(POLICY.rules_for(subject)))
    facts = facts_of(POLICY, subject, as_given(maker.make(Random(seed), NOW), NOW), NOW)
    again = yaml.safe_load(yaml.safe_dump(given_of(POLICY, facts, NOW)))
    assert facts_of(POLICY, subject, again, NOW) == facts
