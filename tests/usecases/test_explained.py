"""Why, shown where people are: on the card, the standing page, in the notice, in the record."""

from datetime import timedelta

import pytest

from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.decisions import Order, Verdict
from gatekeeper.domain.identity import Person
from gatekeeper.policy.parse import load_policy
from gatekeeper.testing.fakes import FakeStore
from gatekeeper.usecases import (
    by_operator,
    explained,
    member_facts,
    standing,
    versions,
    words,
)
from gatekeeper.usecases.readings import Reading, Step
from tests.journeys.club import CLUB, a_club
from tests.usecases.conftest import GRACE, QUIET

SPAM = "      - id: spam\n"
THIN = {
    SPAM: "      - id: thin\n        condition: size(application.answers.why) < 80\n"
    "        output: {decision: decline, message: answer-too-thin}\n"
    "      - id: welcome-back\n        condition: application.was_member\n"
    "        output: {decision: admit}\n" + SPAM,
}
COOLDOWN = {
    SPAM: "      - id: cooldown\n        condition: has(application.last_declined_at) && "
    "now - application.last_declined_at < duration('30d')\n"
    "        output: {decision: decline, message: answer-too-thin}\n" + THIN[SPAM]
}
VOUCHED = {
    SPAM: "      - id: long\n        condition: size(application.answers.why) >= 80\n"
    "        output: {decision: admit}\n" + SPAM
}


def open_club(**changes):
    return a_club(FakeStore(), **changes)


async def seen_of(club, number):
    async with club.store.look(CLUB) as tx:
        return await explained.of_application(tx, club.parts, await tx.get(Application, number))


async def test_the_card_says_what_decided_and_what_would_turn_it():
    async with open_club(**VOUCHED) as club:
        await club.apply(club.platform.person("@ada:fake"))
        card = club.card_of("Ada").card
        assert "Rule people-decide: fired." in card.lines
        assert "2 more rules do not match." in card.lines
        assert (
            "It would be admitted with: 18 more letters in the answer to “Why do you want to "
            "join?”." in card.lines
        )


async def test_the_card_of_a_decided_one_says_no_more_what_would_turn_it():
    async with open_club(**VOUCHED) as club:
        await club.apply(club.platform.person("@ada:fake"))
        for admin in (club.alice, club.boris):
            await club.platform.press(admin, club.card_of("Ada").ref, "✅")
        await club.settle()
        lines = club.card_of("Ada").card.lines
        assert "Rule people-decide: fired." in lines
        assert not any("would be" in line for line in lines)


async def test_a_card_stays_short_however_many_rules_there_are():
    many = "".join(
        f"      - id: rule-{n}\n        condition: application.links > {n + 9} || "
        f"application.vouches > {n}\n        output: {{decision: decline}}\n"
        for n in range(40)
    )
    async with open_club(**{SPAM: many + SPAM}) as club:
        await club.apply(club.platform.person("@ada:fake"))
        assert len(club.card_of("Ada").card.lines) < 12


@pytest.mark.parametrize(
    ("language", "atom", "advice"),
    [
        ("en", "has 62 letters, 80 are asked", "18 more letters in the answer"),
        ("de", "hat 62 Zeichen, 80 sind gefragt", "18 Zeichen mehr für die Antwort"),
    ],
)
async def test_an_applicant_reads_why_and_what_a_new_one_needs(language, atom, advice):
    async with open_club(**COOLDOWN) as club:
        who = club.platform.person("@ada:fake")
        number = await club.apply(who)
        async with club.store.transaction(CLUB) as tx:
            await tx.change(await tx.get(Application, number), language=language)
        page = await standing.view(club.parts, number)
        assert page.application.state is State.DECLINED
        assert any(atom in sentence for sentence in page.sentences), page.sentences
        assert advice in page.sentences[-1]
        assert "31" in page.sentences[-1]  # of March: this decline begins a cooldown of its own
        club.clock.advance(days=31)
        page = await standing.view(club.parts, number)
        assert "31" not in page.sentences[-1]


async def test_an_applicant_reads_nothing_of_a_pattern():
    async with open_club() as club:
        number = await club.apply(
            club.platform.person("@mallory:fake"), why="The best casino in town is waiting for you."
        )
        page = await standing.view(club.parts, number)
        assert page.application.state is State.DECLINED
        said = " ".join(page.sentences)
        assert "casino" not in said
        assert "rests on" not in said
        assert page.application.reason_text in page.sentences


async def test_who_was_declined_by_people_reads_their_reason_alone():
    async with open_club(**VOUCHED) as club:
        number = await club.apply(club.platform.person("@ada:fake"))
        app = await by_operator.decide_by_operator(club.parts, number, False, "too-early", "root")
        assert app.state is State.DECLINED
        page = await standing.view(club.parts, number)
        assert page.sentences[-1] == app.reason_text


async def test_the_record_is_told_again_as_it_was(club):
    """Later facts and clocks change nothing of it."""
    number = await club.apply(club.platform.person("@ada:fake"))
    before = explained.told(await seen_of(club, number)).lines()
    club.clock.advance(days=40)
    seen = await seen_of(club, number)
    assert explained.agrees(seen)
    assert explained.told(seen).lines() == before
    assert "Regel people-decide: hat entschieden." in explained.told(seen, "de").lines()


async def test_erased_input_leaves_the_results_and_no_more(club):
    who = club.platform.person("@ada:fake")
    number = await club.apply(who)
    app = await club.one(Application, id=number)
    async with club.store.transaction(CLUB) as tx:
        await tx.erase_inputs([f"application:{number}"])
        assert await explained.of_application(tx, club.parts, app) is None
        lines = await explained.card_lines(tx, club.parts, app)
    assert "Rule people-decide: fired." in lines


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Why we ask now: silence that we could see: 20 seconds, more than 15 seconds."),
        ("de", "Warum wir jetzt fragen: Stille, die wir sehen konnten: 20 Sekunden, mehr als "
         "15 Sekunden."),
    ],
)  # fmt: skip
async def test_a_notice_says_what_the_rule_saw(club, language, said):
    [carl] = await club.adopt("carl")
    member = await club.member(carl)
    async with club.store.transaction(CLUB) as tx:
        await tx.change(await tx.get(Person, member.person_id), language=language)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    [notice] = club.told(carl)
    assert said in notice.text


async def test_a_notice_that_waits_is_told_in_the_same_words(club):
    """While the chat is not taken up its date moves on; why it was asked does not."""
    [zoe] = await club.adopt("zoe", takes_chats=False)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    [first] = await club.find(Order, purpose="notice")
    await club.pass_time(seconds=5)
    [later] = await club.find(Order, purpose="notice")
    for order in (first, later):
        assert "Why we ask now: silence that we could see: 20 seconds" in order.action.text
    assert (await club.member(zoe)).noticed_at is None


async def say_goodbye(club, condition: str, language: str) -> str:
    """What somebody reads whom a rule with words of its own lets go."""
    text = club.parts.policy.text
    for old, new in {
        "condition: member.grace_over\n": f"condition: {condition}\n",
        "message: silent-removal": "message: too-quiet",
        "  declineReasons:": "  texts:\n    too-quiet: {en: '{inactive_after:duration} of quiet "
        "are too many.', de: 'So lange still ist zu lange.'}\n  declineReasons:",
    }.items():
        assert old in text
        text = text.replace(old, new)
    policy = load_policy(text)
    found = Reading(name="x.yaml", digest=policy.digest, mark=policy.digest, policy=policy)
    assert await versions.consider(club.parts, found) is Step.LOAD
    [carl] = await club.adopt("carl")
    member = await club.member(carl)
    async with club.store.transaction(CLUB) as tx:
        await tx.change(await tx.get(Person, member.person_id), language=language)
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    await club.pass_time(seconds=GRACE + 1)
    await club.platform.press(club.alice, club.removals().ref, "✅")
    await club.settle()
    return club.told(carl)[-1].text


@pytest.mark.parametrize(
    ("language", "reason", "saw"),
    [
        ("en", "15 seconds of quiet are too many.", "What the rule saw: "),
        ("de", "So lange still ist zu lange.", "Was die Regel gesehen hat: "),
    ],
)
async def test_a_goodbye_says_the_rules_own_reason_and_what_it_saw(club, language, reason, saw):
    text = await say_goodbye(club, "member.grace_over", language)
    assert text.startswith(reason)
    assert saw in text


async def test_a_goodbye_says_nothing_of_what_is_not_theirs_to_know(club):
    text = await say_goodbye(club, "member.grace_over && !('pets' in member.roles)", "en")
    assert text.startswith("15 seconds of quiet")
    assert "What the rule saw" not in text
    assert "pets" not in text


async def test_a_member_is_explained_from_the_record_and_as_they_are_now(club):
    [carl] = await club.adopt("carl")
    await club.pass_time(seconds=QUIET)
    await club.sweep()
    member = await club.member(carl)
    outlook = await member_facts.look_out(club.parts)
    async with club.store.look(CLUB) as tx:
        seen = await explained.of_member(tx, club.parts, member)
        present = await explained.member_now(tx, club.parts, member, outlook)
    assert seen is not None
    assert explained.agrees(seen)
    told = explained.told(seen)
    assert (told.verdict, told.rule) == (Verdict.NOTIFY, "silent")
    assert "They would be let be with: a sign of life." in told.lines()
    assert present.laws.code == "in-grace"
    lines = explained.told(present).lines()
    assert any("would say remove with: silence until" in line for line in lines), lines
    assert present.at - seen.at < timedelta(seconds=30)


async def asked(club, text):
    """What the bot says to a word in the admins' room."""
    await club.platform.write(club.alice, text, "admins")
    await club.settle()
    return club.said_in("admins")[-1].text


async def test_an_admin_asks_in_the_room_for_everything(club):
    number = await club.apply(club.platform.person("@ada:fake"))
    said = await asked(club, f"!gk explain #{number}")
    assert said.startswith(f"Application {number} of Ada:")
    assert "Rule spam: does not match." in said
    assert "does not match the pattern “(?i)casino|crypto airdrop”" in said
    assert "what would" not in said
    for word in ("!gk explain", "!gk explain ada", "!gk explain 99", "!gk explain ²"):
        assert "!gk explain 7" in await asked(club, word), word
    assert "!gk pause" in await asked(club, "!gk pause please")
    assert not (await club.one(ClubState)).paused_at


async def test_a_long_explanation_is_cut_and_keeps_its_end():
    many = "".join(
        f"      - id: rule-{n}\n        condition: application.links > {n + 9}\n"
        "        output: {decision: decline}\n"
        for n in range(60, 0, -1)
    )
    async with open_club(**{SPAM: many + VOUCHED[SPAM]}) as club:
        number = await club.apply(club.platform.person("@ada:fake"))
        lines = (await asked(club, f"!gk explain {number}")).split("\n")
        assert len(lines) == words.LINES + 2
        assert any("more lines" in line for line in lines)
        assert "It would be admitted with: 18 more letters" in lines[-1] + lines[-2]
