"""`gatekeeper reconcile`: what it says, what it does when told, and how it ends."""

import json
from dataclasses import replace

from gatekeeper.domain.clubs import Finding
from gatekeeper.domain.decisions import Order
from gatekeeper.domain.identity import Account
from gatekeeper.domain.memberships import Membership, State
from gatekeeper.usecases import findings


def found(gatekeeper, *words):
    code, out, _ = gatekeeper("reconcile", "--json", *words)
    return code, json.loads(out)


def test_strangers_are_named_and_left_alone(club, gatekeeper):
    code, out, err = gatekeeper("reconcile")
    assert (code, err) == (1, "")
    assert "@carl:example.org" in out
    assert "without a membership" in out
    code, told = found(gatekeeper, "--apply")
    assert code == 1
    assert told["done"] == 0
    assert {row["code"] for row in told["findings"]} >= {"inside-unknown"}
    code, told = found(gatekeeper, "--adopt", "@carl:example.org")
    assert code == 1
    assert "@carl:example.org" not in {row["subject"] for row in told["findings"]}
    assert len(json.loads(gatekeeper("members", "list", "--json")[1])) == 1


def test_a_club_in_order_says_so(club, gatekeeper):
    assert gatekeeper("members", "adopt", "--yes")[0] == 0
    number = 0
    while (told := found(gatekeeper))[0]:  # powers that the policy of `init` does not know
        row = told[1]["findings"][0]
        assert row["code"] in {"role-unexpected", "admin-missing"}
        gatekeeper("reconcile", "--leave", f"#{row['id']}")
        number += 1
        assert number < 9
    code, out, _ = gatekeeper("reconcile")
    assert code == 0
    assert "Nothing is left" in out


def test_one_who_is_outside_is_recorded_when_told(club, gatekeeper):
    assert gatekeeper("members", "adopt", "--yes")[0] == 0

    async def gone(parts):
        async with parts.store.transaction(parts.club) as tx:
            [member] = await tx.find(Membership, name="Carl")
            zoe = next(iter(parts.platforms.values())).parse_identity("@zoe:example.org")
            await tx.change(member, identity=zoe)
            [account] = await tx.find(Account, identity=member.identity)
            await tx.change(account, identity=zoe)

    club.within(gone)
    code, told = found(gatekeeper)
    assert code == 1
    assert "member-outside" in {row["code"] for row in told["findings"]}
    assert found(gatekeeper, "--apply")[1]["done"] == 1

    async def member(parts):
        async with parts.store.look(parts.club) as tx:
            return await tx.find(Membership, name="Carl"), await tx.find(Finding)

    [carl], _ = club.within(member)
    assert carl.state is State.DEPARTED


def test_putting_out_asks_for_a_reason_and_waits_for_the_service(club, gatekeeper):
    assert gatekeeper("reconcile", "--remove", "@eve:example.org")[0] == 2
    code, _, err = gatekeeper(
        "reconcile", "--remove", "@eve:example.org", "--reason", "Unknown to all."
    )
    assert code == 3
    assert "[service-absent]" in err

    async def orders(parts):
        async with parts.store.look(parts.club) as tx:
            return await tx.find(Order, purpose="put-out")

    [order] = club.within(orders)
    assert order.action.reason == "Unknown to all."


def test_wrong_use_is_told_before_anybody_is_asked(club, gatekeeper, monkeypatch):
    monkeypatch.setenv("GATEKEEPER_MATRIX__HOMESERVER_URL", "http://127.0.0.1:9")
    for words, told in (
        (("--remove", "@eve:example.org"), "[answer-required]"),
        (("--reason", "Unknown to all."), "[only-for-remove]"),
        (("--apply", "--leave", "#1"), "[one-act-at-a-time]"),
    ):
        code, out, err = gatekeeper("reconcile", *words)
        assert (code, out) == (2, "")
        assert told in err
        assert " — " in err, "with what to do"
    code, _, err = gatekeeper("applications", "take-back", "1", "--reason", " ")
    assert code == 2
    assert "[answer-required]" in err


def test_a_name_of_several_names_them(club, gatekeeper):
    gatekeeper("reconcile")

    async def twice(parts):
        async with parts.store.transaction(parts.club) as tx:
            row = await tx.first(Finding, subject="@carl:example.org")
            await tx.add(replace(row, id=0, key="another", subject="@carl:elsewhere.org"))
            return await findings.find(tx, "carl")

    assert len(club.within(twice)) == 2
    code, _, err = gatekeeper("reconcile", "--adopt", "@unheard:example.org")
    assert code == 1
    assert "`gatekeeper reconcile`" in err


def test_wrong_use(club, gatekeeper):
    assert gatekeeper("reconcile", "--apply", "--leave", "#1")[0] == 2
    assert gatekeeper("reconcile", "--adopt", "@nobody:example.org")[0] == 1
