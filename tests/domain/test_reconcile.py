"""What does not fit: tables of cases, and what holds whatever the facts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.identity import Identity
from gatekeeper.domain.reconcile import (
    UNKNOWN,
    Facts,
    Holder,
    PlaceRule,
    Present,
    Rule,
    findings,
    is_safe,
)

WHO = [Identity("matrix", f"@p{number}:x") for number in range(6)]
ADA, BOB = WHO[:2]


def present(who: Identity, place: str = "") -> Present:
    return Present(identity=who, name=who.account, place=place)


def bent(mendable: bool = True) -> PlaceRule:
    return PlaceRule(
        place="talk", rule=Rule.JOIN, found="public", wanted="invite", mendable=mendable
    )


CASES = [
    pytest.param(Facts(platform="matrix"), [], id="nobody, nothing"),
    pytest.param(
        Facts(platform="matrix", inside=(present(ADA),), members={ADA: (1, "Ada")}),
        [],
        id="a member inside",
    ),
    pytest.param(
        Facts(platform="matrix", inside=(present(ADA),)), ["inside-unknown"], id="a stranger"
    ),
    pytest.param(
        Facts(platform="matrix", inside=(present(ADA, "talk"),)),
        ["room-unknown"],
        id="a stranger in one room",
    ),
    pytest.param(
        Facts(platform="matrix", inside=(present(ADA),), known=frozenset({ADA})),
        [],
        id="invited, or a member by another account",
    ),
    pytest.param(
        Facts(platform="matrix", inside=(present(ADA),), admins=frozenset({ADA})), [], id="an admin"
    ),
    pytest.param(
        Facts(platform="matrix", members={ADA: (1, "Ada")}), ["member-outside"], id="gone"
    ),
    pytest.param(
        Facts(platform="matrix", members={ADA: (1, "Ada")}, passing=frozenset({1})),
        [],
        id="just being let go",
    ),
    pytest.param(
        Facts(platform="matrix", members={ADA: (1, "Ada")}, whole=False),
        [],
        id="not all could be seen",
    ),
    pytest.param(
        Facts(platform="matrix", rules=(bent(),), inside=(present(ADA),)),
        ["rule-join", "inside-unknown"],
        id="doors come first",
    ),
    pytest.param(
        Facts(
            platform="matrix",
            holders=(Holder(identity=ADA, place="talk", power=60),),
            named=frozenset({BOB}),
        ),
        ["role-unexpected", "admin-missing"],
        id="power without a right, and a right without power",
    ),
    pytest.param(
        Facts(
            platform="matrix",
            holders=(Holder(identity=ADA, place="talk", power=60),),
            admins=frozenset({ADA}),
            named=frozenset({ADA}),
        ),
        [],
        id="an admin's power",
    ),
]


@pytest.mark.parametrize(("facts", "codes"), CASES)
def test_findings(facts: Facts, codes: list[str]) -> None:
    assert [one.code for one in findings(facts)] == codes


def test_what_cannot_be_mended_by_us_is_not_safe() -> None:
    for mendable in (True, False):
        [one] = findings(Facts(platform="matrix", rules=(bent(mendable),)))
        assert is_safe(one.code, one.values) is mendable


people = st.sets(st.sampled_from(WHO))
facts = st.builds(
    lambda inside, only, members, known, passing, admins, named, whole, rules: Facts(
        platform="matrix",
        inside=(*map(present, sorted(inside)), *(present(who, "talk") for who in only - inside)),
        members={who: (WHO.index(who), who.account) for who in members},
        known=frozenset(known),
        passing=frozenset(WHO.index(who) for who in passing),
        admins=frozenset(admins),
        named=frozenset(named),
        holders=tuple(Holder(identity=who, place="talk", power=60) for who in sorted(passing)),
        whole=whole,
        rules=tuple(rules),
    ),
    *[people] * 7,
    st.booleans(),
    st.lists(st.builds(bent, st.booleans()), max_size=1),
)


@given(facts)
def test_whatever_the_facts_nobody_is_let_in_or_put_out_without_a_word(facts: Facts) -> None:
    found = findings(facts)
    assert len({one.key for one in found}) == len(found)
    inside = {one.identity.account for one in facts.inside}
    fit = {who.account for who in {*facts.members, *facts.known, *facts.admins}}
    for one in found:
        if one.code in UNKNOWN:
            assert not is_safe(one.code, one.values)
            assert one.subject in inside - fit
        if one.code == "member-outside":
            assert one.subject not in inside


@given(facts)
def test_whoever_is_said_to_be_a_stranger_is_all_who_are(facts: Facts) -> None:
    told = {one.subject for one in findings(facts) if one.code in UNKNOWN}
    fit = {*facts.members, *facts.known, *facts.admins}
    assert told == {one.identity.account for one in facts.inside if one.identity not in fit}
