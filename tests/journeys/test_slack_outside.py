"""The real service with a workspace and a mail server: applying without an account, and letters."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.adapters.slack.world import SCOPES
from tests.demo.workspace import CLUB, WORKSHOP, shown
from tests.journeys.slack_club import WHY, Club, Line
from tests.support.wait import eventually
from tests.test_mail import Server, listening

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
ADDRESS = "zoe.q@post.example"


class Mailed(Line):
    """The stage, with a mail server, and an app that may see addresses."""

    def __init__(self, port: int) -> None:
        super().__init__("http")
        self.port = port
        self.token = self.slack.world.install(self.team, (*SCOPES, "users:read.email"))

    @property
    def environment(self) -> dict[str, str]:
        """The mail server besides."""
        return super().environment | {
            "GATEKEEPER_SMTP__HOST": "127.0.0.1",
            "GATEKEEPER_SMTP__PORT": str(self.port),
            "GATEKEEPER_SMTP__SENDER": "gatekeeper@club.example",
            "GATEKEEPER_SMTP__TLS": "none",
        }


class Lettered(Club):
    """The club, and what its letters say."""

    letters: Server

    async def letter(self, *words: str) -> str:
        """A letter with all of these words."""

        def found() -> str:
            texts = [one.get_content() for one in self.letters.letters]
            return next((text for text in texts if all(word in text for word in words)), "")

        return await eventually(found, 15, what=f"a letter: {words}")

    def arrives(self, name: str, email: str) -> str:
        """Somebody has an account in the workspace now; Slack's id of it."""
        user = self.stage.person(name, email=email).id
        raw = {"type": "team_join", "user": {"id": user, "team_id": self.stage.team.id}}
        self.stage.slack.tell(self.stage.slack.event(self.stage.team.id, raw))
        return user


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def club() -> AsyncIterator[Lettered]:
    server = Server()
    async with listening(server) as line, Mailed(line.port) as stage:
        club = Lettered(stage)
        club.letters = server
        await club.open()
        text = club.file.read_text("utf-8")
        club.file.write_text(text.replace("endsAfter: 8s", "endsAfter: 7d"), "utf-8")
        await club.service.stop()
        await club.service.start()
        yield club
        assert not club.logged("Traceback", '"level": "critical"')


async def test_from_an_address_into_the_club(club: Lettered) -> None:
    browser = club.stage.browser()
    await browser.open("/join")
    form = {"your-platform": "email", "your-account": ADDRESS, "your-name": "Zoe", "why": WHY}
    await browser.send({**form, "craft": "maker", "rules": "yes"}, "/join")
    code = re.search(r"\b(\d{6})\b", await club.letter("Your code for joining"))
    assert code is not None, browser.text
    assert "looked at" in await browser.send({"code": code[1]}, "/join/code")
    card = await club.card("Zoe")
    assert ADDRESS in shown(card)
    await club.votes(card, "alice", "fay")
    step = await club.stage.message(club.keepers, "Zoe is to come to Slack", ADDRESS)
    assert "this very address" in await club.letter("has approved your application")
    club.arrives("stranger", "zoe.q@elsewhere.example")
    asked = await club.stage.message(club.keepers, "Who is Stranger", "We let nobody in by a name")
    assert not club.stage.inside("stranger")
    club.arrives("zoe", "Zoe.Q@POST.example")
    await club.is_in("zoe")
    assert club.stage.inside("zoe") == [CLUB, WORKSHOP]
    await club.until(lambda: "has arrived" in shown(step), "the step is ticked off")
    await club.stage.press("alice", club.keepers, asked, "🚫")
    await club.until(lambda: "none of those who are awaited" in shown(asked), "it is answered")
    assert not club.stage.inside("stranger")


async def test_doctor_tries_the_mail_server(club: Lettered) -> None:
    before = len(club.letters.letters)
    out = await club.service.run("doctor", expect=None)
    assert "✔ mail: 127.0.0.1" in str(out)
    assert len(club.letters.letters) == before
