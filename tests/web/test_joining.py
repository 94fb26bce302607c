"""From the front page to the standing page, with everything that people get wrong on the way."""

import pytest

from gatekeeper.domain.applications import Application, Question, State
from gatekeeper.domain.errors import StorageError
from gatekeeper.domain.identity import Identity
from tests.web.conftest import GOOD, Browser, Club, Page


async def applications(club: Club) -> list[Application]:
    async with club.parts.store.look(club.parts.club) as tx:
        return await tx.find(Application)


async def test_the_front_page_says_what_this_is_and_sets_no_cookie(browser: Browser):
    page = await browser.see("/")
    assert page.answer.status_code == 200
    assert "The Loom" in page.text
    assert "people who build looms" in page.text
    assert "set-cookie" not in page.answer.headers


async def test_from_form_over_code_to_standing(club: Club, browser: Browser):
    sent = await browser.fill("/join", GOOD)
    assert (sent.status_code, sent.headers["location"]) == (303, "/join/code")
    page = await browser.see("/join/code")
    assert "@ada:example.org" in page.text
    assert "The Loom" in page.text
    wrong = Page(await browser.fill("/join/code", {"code": "000000"}))
    assert wrong.answer.status_code == 422
    assert "code-wrong" in wrong.text
    done = await browser.fill("/join/code", {"code": f" {await club.code()} "})
    assert (done.status_code, done.headers["location"]) == (303, "/standing")
    page = await browser.see("/standing")
    assert page.answer.status_code == 200
    assert "I build looms" in page.text
    (app,) = await applications(club)
    assert app.state is State.IN_REVIEW


async def test_every_problem_stands_at_its_field_and_nothing_typed_is_lost(browser: Browser):
    typed = {
        "your-account": "ada",
        "your-name": "A" * 101,
        "why": "short",
        "town": "x" * 41,
        "level": "never",
        "looms": "many",
        "since": "31.2.2026",
        "site": "javascript:alert(1)",
        "topics": "a, b, c, d, e, f",
    }
    page = Page(await browser.fill("/join", typed))
    assert page.answer.status_code == 422
    wrong = {name for name in page.ids if name.endswith("-problem")}
    assert wrong == {f"f-{name}-problem" for name in (*typed, "terms")}
    for name, value in typed.items():
        if name != "level":  # a value that is not offered cannot be shown as chosen
            assert page.form.fields[name] == [value]
    assert ("role", "alert") in {pair for _, a in page.tags for pair in a.items()}
    for tag, a in page.tags:
        if tag in {"input", "textarea", "select"} and a.get("type") != "hidden":
            assert a["id"] in page.labels, a
        for described in a.get("aria-describedby", "").split():
            assert described in page.ids
    assert len(page.ids) == len(set(page.ids))
    links = {a["href"][1:] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")}
    assert links <= set(page.ids)


async def test_choices_and_boxes_are_kept_too(browser: Browser):
    typed = {"level": "some", "loom": "c", "yarns": ["wool", "silk"], "terms": "yes"}
    page = Page(await browser.fill("/join", typed))
    assert page.answer.status_code == 422
    assert {name: page.form.fields[name] for name in typed} == {
        "level": ["some"],
        "loom": ["c"],
        "yarns": ["wool", "silk"],
        "terms": ["yes"],
    }


async def test_an_unknown_question_and_a_field_sent_twice_are_told(club: Club, browser: Browser):
    page = Page(await browser.fill("/join", {**GOOD, "admin": "yes", "town": ["Ulm", "Bonn"]}))
    assert page.answer.status_code == 422
    assert "answer-unknown-question" in page.text
    assert "answer-not-one" in page.text
    assert await applications(club) == []


async def test_a_resent_code_replaces_the_earlier_one(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    first = await club.code()
    again = await browser.fill("/join/code", {}, form=1)
    assert again.headers["location"] == "/join/code?sent=1"
    assert 'role="status"' in (await browser.get("/join/code?sent=1")).text
    if first != await club.code():
        assert (await browser.fill("/join/code", {"code": first})).status_code == 422


async def test_a_code_works_in_the_browser_that_asked_for_it_alone(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    async with club.browser() as other:
        assert (await other.get("/join/code")).headers["location"] == "/join"
        assert (await other.get("/standing")).status_code == 404


async def test_after_so_many_tries_only_a_new_code_helps(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    for _ in range(5):
        await browser.fill("/join/code", {"code": "nonsense"})
    page = Page(await browser.fill("/join/code", {"code": await club.code()}))
    assert page.answer.status_code == 422
    assert "code-too-many-tries" in page.text


async def test_too_often_is_a_page_with_the_time_to_wait(club: Club):
    for _ in range(10):
        async with club.browser() as browser:
            await browser.fill("/join", {**GOOD, "your-account": f"@a{_}:example.org"})
    async with club.browser() as browser:
        page = Page(await browser.fill("/join", {**GOOD, "your-account": "@b:example.org"}))
    assert page.answer.status_code == 429
    assert int(page.answer.headers["retry-after"]) == 3600
    assert page.form.fields["why"] == [GOOD["why"]]


async def test_a_form_link_fixes_the_identity_and_needs_no_code(club: Club, browser: Browser):
    path = await club.link("form")
    page = await browser.see(path)
    assert page.answer.status_code == 200
    assert len(page.forms) == 1
    assert (await browser.fill(path, {})).headers["location"] == "/join"
    page = await browser.see("/join")
    assert "@ada:example.org" in page.text
    assert "your-account" not in page.form.names
    sent = await browser.fill("/join", {"why": GOOD["why"], "terms": "yes"})
    assert sent.headers["location"] == "/standing"
    (app,) = await applications(club)
    assert (app.identity.account, app.origin, app.state) == (
        "@ada:example.org",
        "knock",
        State.IN_REVIEW,
    )
    assert "your-account" in (await browser.see("/join")).form.names  # used up


@pytest.mark.parametrize("path", ["/l/nonsense", "/l/%00", "/l/..%2f..%2fetc"])
async def test_a_link_that_is_none_is_a_page(browser: Browser, path: str):
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert "<h1>" in answer.text


async def test_edit_withdraw_and_answering_too_late(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})
    wrong = Page(await browser.fill("/standing/edit", {"why": "no"}))
    assert wrong.answer.status_code == 422
    assert wrong.form.fields["why"] == ["no"]
    saved = await browser.fill("/standing/edit", {"why": "I have changed my mind about looms."})
    assert saved.headers["location"] == "/standing?done=edited"
    page = await browser.see("/standing?done=edited")
    assert "changed my mind" in page.text
    asked = await browser.see("/standing/withdraw")
    assert (await applications(club))[0].state is State.IN_REVIEW  # looking does nothing
    gone = await browser.post(asked.form.action, data=asked.form.fields)
    assert gone.headers["location"] == "/standing"
    assert (await applications(club))[0].state is State.WITHDRAWN
    again = Page(await browser.post(asked.form.action, data=asked.form.fields))
    assert again.answer.status_code == 409
    assert "wrong-state" in again.text


async def test_pages_speak_the_readers_language(club: Club):
    async with club.browser(accept_language="fr;q=0.9, de-AT;q=0.8, en;q=0.1") as browser:
        page = await browser.see("/join")
        assert page.language == "de"
        assert "Warum möchtest du" in page.text
        page = await browser.see("/join?lang=en")
        assert page.language == "en"
        assert "Why would you like" in page.text
        assert (await browser.see("/standing")).language == "en"  # remembered
        assert (await browser.see("/join?lang=xx")).language == "en"


async def test_a_browser_can_be_made_to_forget(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})
    page = await browser.see("/standing")
    forget = next(form for form in page.forms if form.action.endswith("/forget"))
    assert (await browser.post(forget.action, data=forget.fields)).headers["location"] == "/"
    assert (await browser.get("/standing")).status_code == 404
    assert (await applications(club))[0].state is State.IN_REVIEW


async def ask(club: Club, app: Application, text: str) -> Question:
    async with club.parts.store.transaction(club.parts.club) as tx:
        return await tx.add(
            Question(
                club=tx.club,
                application_id=app.id,
                asked_by=Identity("matrix", "@ann:example.org"),
                asked_at=club.clock.now(),
                text=text,
            )
        )


async def test_a_question_is_shown_and_answered_once(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})
    (app,) = await applications(club)
    question = await ask(club, app, "Which <i>yarn</i>?")
    page = await browser.see("/standing")
    assert "Which <i>yarn</i>?" in page.text
    empty = Page(await browser.post("/standing/answer", data={**page.form.fields}))
    assert empty.answer.status_code == 422
    assert f"answer-{question.id}-problem" in empty.ids
    long = Page(await browser.fill("/standing", {"your-answer": "x" * 10_001}))
    assert long.answer.status_code == 422
    assert long.form.fields["your-answer"] == ["x" * 10_001]
    sent = await browser.post(
        "/standing/answer", data={**page.form.fields, "your-answer": "Linen."}
    )
    assert sent.headers["location"] == "/standing?done=answered"
    async with club.parts.store.look(club.parts.club) as tx:
        assert (await tx.get(Question, question.id)).answer == "Linen."
    again = await browser.post(
        "/standing/answer", data={**page.form.fields, "your-answer": "Silk."}
    )
    assert again.status_code == 409


@pytest.mark.parametrize("number", ["2", "0", "-1", "x", "9" * 30, "²"])
async def test_nobody_answers_another_ones_question(club: Club, browser: Browser, number: str):
    for account in ("@ada:example.org", "@ben:example.org"):
        club.platform.person(account)
        await browser.fill("/join", {**GOOD, "your-account": account})
        await browser.fill("/join/code", {"code": await club.code()})
    ada, ben = await applications(club)
    await ask(club, ben, "Ben?")
    theirs = await ask(club, ada, "Ada?")
    page = await browser.see("/standing")  # this browser is Ben's now
    sent = {**page.form.fields, "the-question": number, "your-answer": "Mine."}
    assert (await browser.post("/standing/answer", data=sent)).status_code == 404
    async with club.parts.store.look(club.parts.club) as tx:
        assert (await tx.get(Question, theirs.id)).answer == ""


async def test_a_store_that_is_down_loses_nothing_typed(club: Club, browser: Browser, monkeypatch):
    async def down(*_: object) -> None:
        raise StorageError(detail="disk full at /srv")

    monkeypatch.setattr("gatekeeper.usecases.apply.submit", down)
    page = Page(await browser.fill("/join", GOOD))
    assert page.answer.status_code == 503
    assert page.form.fields["why"] == [GOOD["why"]]
    assert "/srv" not in page.text


async def test_a_platform_that_is_down_at_the_proof_loses_nothing(club: Club, browser: Browser):
    await browser.fill("/join", GOOD)
    club.platform.down = True
    done = await browser.fill("/join/code", {"code": await club.code()})
    assert done.headers["location"] == "/standing"
    assert "@ada:example.org" in (await browser.see("/standing")).text


@pytest.mark.parametrize("by_link", [False, True])
async def test_a_second_application_leads_to_the_first_one(
    club: Club, browser: Browser, by_link: bool
):
    await browser.fill("/join", GOOD)
    await browser.fill("/join/code", {"code": await club.code()})
    again = {**GOOD, "why": "Once more, with feeling."}
    async with club.browser() as other:
        if by_link:
            await other.fill(await club.link("form"), {})
            del again["your-account"]
            done = await other.fill("/join", again)
        else:
            await other.fill("/join", again)
            done = await other.fill("/join/code", {"code": await club.code()})
        assert done.headers["location"] == "/standing"
        page = await other.see("/standing")
    assert page.answer.status_code == 200
    assert str(GOOD["why"]) in page.text  # the first one, not this one
    states = [app.state for app in await applications(club)]
    assert states == [State.IN_REVIEW, State.EXPIRED]


async def test_a_code_sent_twice_at_once_says_how_to_go_on(club: Club, browser: Browser):
    """A second press whose answer is the one that arrives: the first one's cookie is lost."""
    await browser.fill("/join", GOOD)
    page = await browser.see("/join/code")
    sent = {**page.form.fields, "code": await club.code()}
    old = browser.cookies["gatekeeper"]
    await browser.post("/join/code", data=sent)
    browser.cookies.clear()
    browser.cookies.set("gatekeeper", old, domain="club.example")
    assert (await browser.post("/join/code", data=sent)).headers["location"] == "/standing"
    assert "apply again with the same account" in (await browser.see("/standing")).text


async def test_nobody_applies_in_our_own_name(club: Club, browser: Browser):
    page = Page(await browser.fill("/join", {**GOOD, "your-account": "@gatekeeper:fake"}))
    assert page.answer.status_code == 422
    assert not await applications(club)
