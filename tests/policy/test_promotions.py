"""What counts as newly enforced, by pairs of versions."""

import pytest

from gatekeeper.policy.parse import load_policy
from gatekeeper.policy.promotions import promotions, shadows
from tests.demo import policy as demo

BASE = demo.text("@fay:fake")
TRIAL = """---
apiVersion: gatekeeper/v1
kind: PruningPolicy
metadata: {name: NAME}
spec:
  mode: MODE
  rule:
    match:
      - {id: at-once, condition: member.silent > duration("5s"), output: {action: notify}}
"""


def beside(name="stricter", mode="audit", base=BASE):
    return base + TRIAL.replace("NAME", name).replace("MODE", mode)


def swapped(text):
    """The document on trial decides, the one in force is on trial."""
    return (
        text.replace("mode: enforce", "mode: x")
        .replace("mode: audit", "mode: enforce")
        .replace("mode: x", "mode: audit")
    )


def no_removal(text):
    return text.replace("{action: remove, message: silent-removal}", "{action: keep}")


AUDIT = BASE.replace("mode: enforce", "mode: audit")
RULE = BASE.replace(
    "        condition: member.grace_over\n",
    "        mode: audit\n        condition: member.grace_over\n",
)
COPIED = BASE.replace(
    "      - id: silent\n",
    '      - {id: at-once, condition: member.silent > duration("5s"), output: {action: notify}}\n'
    "      - id: silent\n",
)

PAIRS = [
    pytest.param(BASE, BASE.replace("approvals: 2", "approvals: 1"), [], id="any other edit"),
    pytest.param(BASE, AUDIT, [], id="into audit mode"),
    pytest.param(AUDIT, BASE, ["document:dead-souls", ""], id="out of audit mode"),
    pytest.param(RULE, BASE, ["rule:grace-is-over", ""], id="a rule"),
    pytest.param(no_removal(BASE), BASE, [""], id="newly removes"),
    pytest.param(BASE, beside(), [], id="a trial begins"),
    pytest.param(beside(), BASE, [], id="a trial is given up"),
    pytest.param(beside(), swapped(beside()), ["document:stricter"], id="a trial takes over"),
    pytest.param(
        beside("dead-souls"), swapped(beside("dead-souls")), ["document:dead-souls"], id="same name"
    ),
    pytest.param(beside(), COPIED, ["rule:at-once"], id="a rule of a trial is taken over"),
]


@pytest.mark.parametrize(("before", "after", "expected"), PAIRS)
def test_promotions(before, after, expected):
    found = promotions(load_policy(before), load_policy(after))
    assert [one.trial for one in found] == expected


def test_shadows_are_all_that_is_on_trial():
    assert [one.name for one in shadows(load_policy(beside()))] == ["document:stricter"]
    assert [one.name for one in shadows(load_policy(RULE))] == ["rule:grace-is-over"]
    assert [one.name for one in shadows(load_policy(AUDIT))] == ["document:dead-souls"]
    assert shadows(load_policy(BASE)) == ()
