"""What a rule, or an applicant, could do to the judge: a finding or a fault, soon, never a verdict.

Source: the table of hostile inputs in the notes on policy engines; each line of it is here.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from gatekeeper.domain.decisions import Verdict
from gatekeeper.policy.club_document import Form
from gatekeeper.policy.facts import ApplicationFacts, MemberFacts, Type, schema_of
from gatekeeper.policy.faster import faster
from gatekeeper.policy.findings import PolicyError
from tests.policy.builders import NOW, a_member, a_policy, an_application, rule

SOON = 1.0  # seconds of the process's own time
FORM = (
    '      - {id: age, kind: number, label: "How old?"}\n',
    '      - {id: age, kind: number, label: "How old?"}\n'
    "      - {id: born, kind: date, label: Born}\n"
    "      - {id: tags, kind: tags, label: Topics}\n"
    "      - {id: agree, kind: consent, label: Agree}\n",
)
NAIVE = NOW.replace(tzinfo=None)
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
BOMB = "((a{1,1000}){1,1000}){1,1000}"


def soon(began: float) -> bool:
    return time.process_time() - began < SOON


def raw(**facts: object) -> ApplicationFacts:
    """Facts that no model has looked at."""
    values: dict[str, object] = dict(an_application())
    return ApplicationFacts.model_construct(**{**values, **facts})


def valid(facts: ApplicationFacts | MemberFacts) -> bool:
    try:
        return bool(type(facts).model_validate(dict(facts), strict=True))
    except ValidationError:
        return False


def answers(**given: object) -> dict[str, object]:
    return {"answers": {"why": "gardens", **given}}


# ---- Rules -------------------------------------------------------------------------------------

SOURCES = [
    ("((a+)+ in a text", "application.text.matches('" + BOMB + "')", "condition-bad-constant"),
    ("many repetitions", "application.text.matches('" + "(a{1,9}){1,9}" * 400 + "')", "pattern"),
    ("parentheses", "(" * 3000 + "true" + ")" * 3000, "condition-syntax"),
    ("lists", "[" * 3000 + "]" * 3000 + " == []", "condition-syntax"),
    ("indexes", "[[1]]" + "[0]" * 3000 + " == 1", "condition-syntax"),
    ("sums", "+".join(["1"] * 4900) + " > 0", "condition-syntax"),
    ("calls", "application.text" + ".trim()" * 1400 + " == ''", "condition-syntax"),
    ("names", "application" + ".text" * 1900, "condition-syntax"),
    ("choices", "application.proven ? true : " * 300 + "false", "condition-syntax"),
    ("loops", "[1].all(a, " * 600 + "true" + ")" * 600, "condition-syntax"),
    ("three loops", "[1].all(a, [1].all(b, [1].all(c, a == b && b == c)))", "loops-too-deep"),
    ("a long chain", " || ".join(["application.links > 1"] * 300), "condition-too-large"),
    ("100,000 letters", "true || " * 12_500 + "true", "condition-too-long"),
    ("a long list", f"application.text in {[str(n) for n in range(300)]}", "list-too-long"),
    ("null", "null", "condition-wrong-result"),
    ("null in a map", "{'a': null}.a == null", "condition-null"),
    ("null in a list", "[null][0] == null", "condition-null"),
    ("a result of any type", "{'a': true, 'b': 1}.a", "condition-wrong-result"),
    ("a long span", "duration('99999999999999999d') > duration('1s')", "condition-bad-constant"),
    ("the year 0", "timestamp('0000-01-01T00:00:00Z') < now", "condition-bad-constant"),
    ("no such zone", "now.getHours('Mars/Olympus') > 1", "condition-bad-constant"),
    ("a number of 70 bits", "application.links > 1180591620717411303424", "condition-syntax"),
]


@pytest.mark.parametrize(("source", "code"), [pytest.param(*one[1:], id=one[0]) for one in SOURCES])
def test_a_hostile_rule_is_refused_soon(source, code):
    began = time.process_time()
    with pytest.raises(PolicyError) as refused:
        a_policy(rule(source))
    assert any(found.code.startswith(code) for found in refused.value.findings)
    assert soon(began)


@pytest.mark.parametrize("sign", ["!", "-"])
def test_five_thousand_signs_are_read_or_refused(sign):
    began = time.process_time()
    end = "false" if sign == "!" else "1 > 2"
    policy = a_policy(rule(sign * 4998 + end))
    assert policy.judge_application(an_application(), NOW).verdict is Verdict.WAIT
    assert soon(began)


# ---- Facts -------------------------------------------------------------------------------------

AGE = "has(application.answers.age) && application.answers.age >= 0"
BORN = "has(application.answers.born) && application.answers.born < now"
TAGS = "application.answers.tags.exists(t, t != 'x')"
WHY = "size(application.answers.why) >= 0"
MADE = "has(application.account_created_at)"
OLD = f"{MADE} && now - application.account_created_at > duration('30d')"
LATER = f"{MADE} && application.account_created_at + duration('30d') > now"
FAULTS = [
    ("a naive time", "application.submitted_at <= now", {"submitted_at": NAIVE}),
    ("a naive time behind has", OLD, {"account_created_at": NAIVE}),
    ("the first of all times", OLD, {"account_created_at": FIRST}),
    ("the last of all times", LATER, {"account_created_at": LAST}),
    ("the first day", "has(application.answers.born) && now - application.answers.born > duration"
     "('1s')", answers(born="0001-01-01")),
    ("a day that is none", BORN, answers(born="tomorrow")),
    ("a number for a day", BORN, answers(born=5)),
    ("too large a sum", "application.links + 9223372036854775807 > 0", {"links": 1}),
    ("too large a product", "application.links * 4611686018427387904 > 0", {"links": 4}),
    ("too small", "-application.links > 0", {"links": -(2**63)}),
    ("a number of 70 bits", "application.links > 0", {"links": 2**70}),
    ("an answer of 70 bits", AGE, answers(age=2**70)),
    ("a text for a number", AGE, answers(age="19")),
    ("a fraction for a whole", AGE, answers(age=19.5)),
    ("a truth for a number", AGE, answers(age=True)),
    ("no number", AGE, answers(age=float("nan"))),
    ("a list for a number", AGE, answers(age=[19])),
    ("a number for a text", WHY, {"answers": {"why": 5}}),
    ("a list for a text", WHY, {"answers": {"why": ["a"]}}),
    ("nothing for a text", WHY, {"answers": {"why": None}}),
    ("no answer", WHY, {"answers": {}}),
    ("a text for a truth", "application.answers.agree", answers(agree="on")),
    ("a number for a truth", "application.answers.agree", answers(agree=1)),
    ("a text for a list", TAGS, answers(tags="abc")),
    ("nothing in a list", TAGS, answers(tags=[None])),
    ("a number in a list", TAGS, answers(tags=[5])),
    ("bytes for a text", "application.text != ''", {"text": b"x"}),
    ("a set for a list", "size(application.sponsors) > 0", {"sponsors": {"a"}}),
    ("a number where a truth was checked", "application.proven", {"proven": 1}),
    ("no field at all", "application.text == ''", {"text": None}),
    ("a division by zero", "10 / application.links < 5", {"links": 0}),
    ("a rest by zero", "10 % application.links < 5", {"links": 0}),
    ("past the end", "application.sponsors[3] == ''", {"sponsors": ("a",)}),
    ("an applicant's own bomb", "application.text.matches(application.reason)", {"reason": BOMB}),
    ("an applicant's zone", "now.getHours(application.reason) >= 0", {"reason": "Mars/Olympus"}),
    ("too many steps", "application.sponsors.all(a, application.sponsors.all(b, a != 'z' || "
     "b != 'z'))", {"sponsors": tuple("abcdefghij" * 1000)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "facts"), [pytest.param(*one[1:], id=one[0]) for one in FAULTS]
)
def test_hostile_facts_are_a_fault_and_wait(condition, facts):
    policy = a_policy(FORM, rule(condition))
    began = time.process_time()
    subject = raw(**facts)
    ruling = policy.judge_application(subject, NOW)
    assert (ruling.verdict, ruling.rule, ruling.code) == (Verdict.WAIT, "", "rule-fault")
    assert ruling.results[0].rule == "tried"
    assert ruling.results[0].matched is None
    assert ruling.results[0].fault
    looks = policy.look_into(subject, NOW).rules
    assert all(one.matched is None for one in looks if one.rule == "tried")
    assert len(looks[0].atoms) == len(policy.admission_rules.all[0].condition.atoms)
    assert soon(began)
    if valid(subject):  # code is only ever given what a model has looked at
        assert faster(policy, sample=1).judge_application(subject, NOW) == ruling


MEMBERS = [
    ("a naive time", {"known_since": NAIVE}),
    ("the first of all times", {"known_since": FIRST}),
    ("a text for a number", {"messages_30d": "3"}),
    ("a number of 70 bits", {"messages_30d": 2**70}),
    ("a number for a truth", {"admin": 0}),
    ("no roles", {"roles": None}),
]


@pytest.mark.parametrize("facts", [pytest.param(one[1], id=one[0]) for one in MEMBERS])
def test_hostile_facts_remove_nobody(facts):
    old = ("member.grace_over", "now - member.known_since > duration('1d') || size(member.roles) "
           "> member.messages_30d || member.grace_over")  # fmt: skip
    policy = a_policy(old)
    member = MemberFacts.model_construct(**{**dict(a_member(grace_over=True)), **facts})
    ruling = policy.judge_member(member, NOW)
    if ruling.verdict is not Verdict.KEEP:  # the fault stands behind what is certain
        assert facts in ({"roles": None}, {"known_since": FIRST})
        return
    assert ruling.code == "rule-fault"
    if valid(member):
        assert faster(policy, sample=1).judge_member(member, NOW) == ruling


TEXTS = [
    ("a pattern that others hang on", "application.text.matches('^(a+)+$')", "a" * 9_999 + "!"),
    ("an applicant's pattern", "application.text.matches(application.reason)", "a" * 9_999 + "!"),
    ("many stars", "application.text.matches('(.*b){20}')", "a" * 9_999 + "!"),
    ("letters beyond the first plane", "application.text.matches('^x')", "𝄞" * 9_999),
]


@pytest.mark.parametrize(
    ("condition", "text"), [pytest.param(*one[1:], id=one[0]) for one in TEXTS]
)
def test_a_text_never_makes_a_judgement_long(condition, text):
    policy = a_policy(rule(condition))
    began = time.process_time()
    ruling = policy.judge_application(an_application(text=text, reason="(a+)+$"), NOW)
    assert (ruling.rule, ruling.verdict) == ("default", Verdict.WAIT)
    assert soon(began)


@pytest.mark.parametrize("hidden", ["hello\x00 CASINO", "\ud800 CASINO", "\udfff\x00CASINO"])
def test_nothing_hides_behind_a_letter(hidden):
    policy = a_policy()
    for judge in (policy, faster(policy, sample=1)):
        ruling = judge.judge_application(raw(text=hidden), NOW)
        assert (ruling.rule, ruling.verdict) == ("spam", Verdict.DECLINE)


PLACES = [
    *[(f"application.{name}", kind) for name, kind in schema_of(ApplicationFacts, Form()).items()],
    *[(f"member.{name}", kind) for name, kind in schema_of(MemberFacts, Form()).items()],
    ("application.answers.why", Type(str)),
    ("application.answers.tags", Type(str, many=True)),
]
TEXT_PLACES = [one for one in PLACES if isinstance(one[1], Type) and one[1].scalar is str]


@pytest.mark.parametrize(("place", "kind"), TEXT_PLACES, ids=[one[0] for one in TEXT_PLACES])
@pytest.mark.parametrize("letter", [0, 0xD800, 0xDFFF], ids=hex)
def test_every_text_is_read_to_its_end(place, kind, letter):
    hidden = f"hello{letter} CASINO"
    seen = (
        f"{place}.exists(t, t.endsWith('CASINO'))" if kind.many else f"{place}.endsWith('CASINO')"
    )
    condition = f"has({place}) && {seen}" if kind.optional else seen
    subject, *path = place.split(".")
    value: object = (hidden,) if kind.many else hidden
    if len(path) == 2:
        value = {**dict(an_application().answers), path[1]: list(value) if kind.many else value}
    facts: ApplicationFacts | MemberFacts
    if subject == "application":
        policy = a_policy(FORM, rule(condition, "decline"))
        facts, verdict = raw(**{path[0]: value}), Verdict.DECLINE
    else:
        policy = a_policy(("member.grace_over", condition))
        facts = MemberFacts.model_construct(**{**dict(a_member()), path[0]: value})
        verdict = Verdict.REMOVE
    for judge in (policy, faster(policy, sample=1)):
        assert judge.judge(facts, NOW).verdict is verdict


def test_thousands_of_judgements_in_a_row_end_nothing():
    """Where a result could be null, the process would end after about five thousand of them."""
    absent = "has(application.last_declined_at) ? now > application.last_declined_at : true"
    policy = a_policy(rule(f"!({absent})"))
    for number in range(6_000):
        ruling = policy.judge_application(an_application(links=number % 3), NOW)
        assert ruling.verdict is Verdict.WAIT
    looks = policy.look_into(an_application(), NOW).rules
    scope = policy.admission_rules.scope(an_application(), NOW)
    for _ in range(6_000):
        scope.atoms(policy.admission_rules.all[0].condition)
    assert looks[0].matched is False


def test_a_naive_now_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        a_policy().judge_application(an_application(), NAIVE)
    with pytest.raises(ValueError, match="without a zone"):
        a_policy().judge_member(a_member(), NAIVE)


def test_spans_that_the_library_cannot_hold_are_faults_for_both():
    policy = a_policy(rule("now - application.first_seen_at < duration('1d')", "admit"))
    quick = faster(policy, sample=1)
    for years in (291, 293, 2000):
        facts = raw(first_seen_at=NOW - timedelta(days=365.2425 * years))
        ruling = policy.judge_application(facts, NOW)
        assert ruling.verdict is Verdict.WAIT
        assert (ruling.code == "rule-fault") is (years > 292)
        assert quick.judge_application(facts, NOW) == ruling
