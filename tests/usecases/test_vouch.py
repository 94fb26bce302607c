import pytest

from gatekeeper.domain.activity import Activity, Kind
from gatekeeper.domain.applications import Application, State, Vouch
from gatekeeper.domain.decisions import Order
from gatekeeper.domain.errors import Refused
from gatekeeper.domain.identity import Account
from gatekeeper.usecases import adopt, erase, export, vouch
from tests.usecases.stores import KINDS, a_club_on

RULES = {
    "  review: {approvals: 2, declines: 1,": "  review: {sponsorsDecide: false, approvals: 2, "
    "declines: 2,",
    "      - id: people-decide\n": """\
      - {id: vouched, condition: application.vouches >= 2, output: {decision: admit}}
      - id: one-word
        condition: application.vouches == 1
        output: {decision: review, review: {approvals: 1}}
      - id: people-decide
""",
}


@pytest.fixture(params=KINDS)
async def club(request, tmp_path):
    """A club that lets in for two vouches, with the members Dana, Emil, Fay, Alice and Boris."""
    async with a_club_on(request.param, tmp_path, **RULES) as found:
        found.dana = found.platform.person("@dana:fake", inside=True, takes_chats=True)
        found.emil = found.platform.person("@emil:fake", inside=True, takes_chats=True)
        await adopt.adopt(found.parts, "operator:root")
        await found.settle()
        found.zoe = found.platform.person("@zoe:fake")
        found.number = await found.apply(found.zoe)
        yield found


async def says(club, who, text):
    await club.platform.write(who, text)
    await club.settle()
    return club.told(who)[-1].text


async def app_of(club):
    return await club.one(Application, id=club.number)


async def test_two_members_who_vouch_open_the_door_and_are_shown(club):
    assert "Your word for Zoe is noted" in await says(club, club.dana, "vouch for Zoe")
    assert "🤝 Members who vouch: Dana" in club.card_of("Zoe").card.lines
    assert (await app_of(club)).state is State.IN_REVIEW
    await says(club, club.emil, f"Ich bürge für #{club.number}.")
    app = await app_of(club)
    assert (app.state, app.rule) == (State.INVITED, "vouched")
    async with club.store.look(club.parts.club) as tx:
        codes = [one.code for one in await tx.entries(subject=f"application:{app.id}")]
    assert codes.count("vouched") == 2
    assert len(await club.find(Order, purpose="invitation")) == 1


async def test_a_word_counts_once_and_may_be_taken_back(club):
    await says(club, club.dana, "vouch @zoe:fake")
    assert "once is enough" in await says(club, club.dana, "I vouch for zoe")
    assert len(await club.find(Vouch)) == 1
    assert "no longer vouch" in await says(club, club.dana, "unvouch Zoe")
    assert "nothing to take back" in await says(club, club.dana, "bürge nicht für Zoe")
    await says(club, club.emil, "vouch zoe")
    assert (await app_of(club)).state is State.IN_REVIEW, "the first word was taken back"
    assert "🤝 Members who vouch: Emil" in club.card_of("Zoe").card.lines


async def test_it_is_a_sign_of_life_of_its_own_kind_once(club):
    for text in ("vouch zoe", "unvouch zoe", "vouch zoe"):
        await says(club, club.dana, text)
    dana = await club.one(Account, identity=club.dana)
    kept = await club.find(Activity, person_id=dana.person_id)
    assert [each.count for each in kept if each.kind is Kind.VOUCH] == [1]


@pytest.mark.parametrize("text", ["vouch nobody", "vouch #99", "vouch 999999999999999999999999"])
async def test_words_for_nobody_who_waits(club, text):
    assert "do not know for whom" in await says(club, club.dana, text)
    assert not await club.find(Vouch)


async def test_nobody_vouches_for_themselves_and_strangers_learn_nothing(club):
    with pytest.raises(Refused, match="not-a-member"):
        await vouch.give(club.parts, club.zoe, club.number)
    mallory = club.platform.person("@mallory:fake", takes_chats=True)
    await club.platform.write(mallory, "vouch Zoe")
    await club.settle()
    assert not club.told(mallory)
    async with club.store.transaction(club.parts.club) as tx:  # one person, two accounts
        account = await tx.first(Account, identity=club.dana)
        await tx.change(await tx.get(Application, club.number), person_id=account.person_id)
    assert "for themselves" in await says(club, club.dana, "vouch Zoe")
    assert not await club.find(Vouch)


async def test_whoever_vouches_has_no_vote_by_any_account(club):
    await vouch.give(club.parts, club.alice, club.number)
    assert club.alice in (await app_of(club)).involved
    await club.platform.press(club.alice, club.card_of("Zoe").ref, "✅")
    await club.settle()
    assert (await app_of(club)).state is State.IN_REVIEW
    await club.platform.press(club.boris, club.card_of("Zoe").ref, "✅")
    await club.settle()
    assert (await app_of(club)).state is State.INVITED, "with one word, one vote is enough"


async def test_votes_are_weighed_at_once_by_the_new_rules(club):
    await club.platform.press(club.boris, club.card_of("Zoe").ref, "✅")
    await club.settle()
    assert (await app_of(club)).state is State.IN_REVIEW
    await vouch.give(club.parts, club.dana, club.number)
    assert (await app_of(club)).state is State.APPROVED


async def test_no_rule_lets_in_against_an_admins_no(club):
    await club.platform.press(club.boris, club.card_of("Zoe").ref, "❌")
    await club.settle()
    for who in (club.dana, club.emil):
        await vouch.give(club.parts, who, club.number)
    assert (await app_of(club)).state is State.IN_REVIEW
    async with club.store.look(club.parts.club) as tx:
        codes = [one.code for one in await tx.entries(subject=f"application:{club.number}")]
    assert "rule-waits-for-votes" in codes


async def test_a_word_of_one_who_has_gone_counts_no_more(club):
    await vouch.give(club.parts, club.dana, club.number)
    await club.platform.leave(club.dana)
    await club.settle()
    await vouch.give(club.parts, club.emil, club.number)
    assert (await app_of(club)).state is State.IN_REVIEW


async def test_too_late_and_too_often(club):
    for _ in range(vouch.AN_HOUR // 2):
        await vouch.give(club.parts, club.dana, club.number)
        await vouch.take_back(club.parts, club.dana, club.number)
    with pytest.raises(Refused, match="vouch-too-often"):
        await vouch.give(club.parts, club.dana, club.number)
    await says(club, club.zoe, "withdraw")
    with pytest.raises(Refused, match="vouch-too-late"):
        await vouch.give(club.parts, club.emil, club.number)


async def test_an_erased_member_is_named_no_more(club):
    await vouch.give(club.parts, club.dana, club.number)
    kept = await export.export(club.parts, club.dana)
    assert [each["application_id"] for each in kept["vouches"]] == [club.number]
    await erase.erase(club.parts, club.dana, "operator:root")
    assert "dana" not in str(await club.one(Vouch))
