"""A club with its pages, as browsers meet them."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gatekeeper.domain.decisions import Link, Order, Tell
from gatekeeper.domain.identity import Identity
from gatekeeper.policy.parse import load_policy
from gatekeeper.ports import Health
from gatekeeper.testing.fakes import FakePlatform, FakeStore, ManualClock
from gatekeeper.usecases import passes
from gatekeeper.usecases.parts import Parts, Shelf
from gatekeeper.web.app import create_app
from gatekeeper.web.metrics import Metrics
from gatekeeper.web.security import WebSecrets, WebSettings

ADA = Identity("matrix", "@ada:example.org")
POLICY = Path(__file__).with_name("club.yaml").read_text()
BASE = "http://club.example"


@dataclass
class Form:
    """A form of a page: where it goes, what it holds as a browser would send it."""

    action: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """What a browser makes of a page: its forms, its ids, its text."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer, self.forms, self.ids, self.tags = answer, [], [], []
        self.labels: set[str] = set()
        self.scripts = 0
        self.language = ""
        self._text: list[str] = []
        self._area = ""
        self.feed(answer.text)
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        self.tags.append((tag, a))
        self.ids += [a["id"]] if "id" in a else []
        if tag == "html":
            self.language = a["lang"]
        elif tag == "script" or any(name.startswith("on") for name in a):
            self.scripts += 1
        elif tag == "form":
            self.forms.append(Form(a.get("action", "")))
        elif tag == "label":
            self.labels.add(a["for"])
        elif tag in {"input", "textarea", "select"} and "name" in a:
            form = self.forms[-1]
            form.names.append(a["name"])
            boxed = a.get("type") in {"checkbox", "radio"}
            if tag == "input" and (not boxed or "checked" in a):
                form.fields.setdefault(a["name"], []).append(a.get("value", ""))
            self._area = a["name"] if tag == "textarea" else ""
            if self._area:
                form.fields[self._area] = [""]
            self._select = a["name"] if tag == "select" else ""
        elif tag == "option" and "selected" in a:
            self.forms[-1].fields[self._select] = [a["value"]]

    def handle_data(self, data: str) -> None:
        self._text.append(data)
        if self._area:
            self.forms[-1].fields[self._area] = [data.removeprefix("\n")]

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    @property
    def form(self) -> Form:
        return self.forms[0]


GOOD: Mapping[str, object] = {
    "your-account": "@ada:example.org",
    "your-name": "Ada",
    "why": "I build looms and would like company.",
    "terms": "yes",
}


class Browser(httpx.AsyncClient):
    """One browser: keeps cookies, fills in forms."""

    async def see(self, path: str, **more: object) -> Page:
        return Page(await self.get(path, **more))

    async def fill(self, path: str, values: Mapping[str, object], form: int = 0) -> httpx.Response:
        """Open a page, fill in one of its forms, send it."""
        shown = (await self.see(path)).forms[form]
        return await self.post(shown.action, data={**shown.fields, **values})


@dataclass
class Club:
    """The pages of one club, and what a test needs to look behind them."""

    parts: Parts
    app: Starlette
    clock: ManualClock
    platform: FakePlatform
    health: dict[str, Health]
    metrics: Metrics
    settings: WebSettings

    def browser(self, peer: str = "192.0.2.7", **headers: str) -> Browser:
        transport = httpx.ASGITransport(
            app=self.app, client=(peer, 4711), raise_app_exceptions=False
        )
        return Browser(
            transport=transport,
            base_url=self.settings.base_url,
            headers={"accept": "text/html", **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    def remade(self, **settings: object) -> "Club":
        """The same club with other web settings."""
        changed = WebSettings(**{"base_url": BASE, **settings})
        return made(self.parts, self.clock, self.platform, changed)

    async def link(self, act: str, who: Identity = ADA, subject: str = "knock:1") -> str:
        """The path of a new personal link."""
        async with self.parts.store.transaction(self.parts.club) as tx:
            mark = await passes.issue(
                tx,
                self.parts,
                act=act,
                identity=who,
                subject=subject,
                now=self.clock.now(),
                valid=timedelta(days=1),
            )
            told = await passes.reveal(
                tx, self.parts, Tell(who=who, text="", links=(Link("x", mark),)), "told"
            )
        assert isinstance(told, Tell)
        url = told.links[0].url
        return url.removeprefix(self.parts.base_url)

    async def orders(self) -> list[Order]:
        async with self.parts.store.look(self.parts.club) as tx:
            return await tx.find(Order)

    async def code(self) -> str:
        """The newest code that was ordered."""
        for order in reversed(await self.orders()):
            if order.purpose == "code" and isinstance(order.action, Tell):
                async with self.parts.store.look(self.parts.club) as tx:
                    told = await passes.reveal(tx, self.parts, order.action, order.key)
                assert isinstance(told, Tell)
                return re.findall(r"\b\d{6}\b", told.text)[-1]
        raise AssertionError("no code was ordered")


def made(parts: Parts, clock: ManualClock, platform: FakePlatform, settings: WebSettings) -> Club:
    health = {"store": Health(ok=True), "engine": Health(ok=True), "matrix": Health(ok=True)}
    metrics = Metrics()
    app = create_app(
        parts,
        secrets=WebSecrets(session=b"k" * 32),
        settings=settings,
        health=lambda: health,
        metrics=metrics,
    )
    return Club(parts, app, clock, platform, health, metrics, settings)


@pytest.fixture
async def club() -> Club:
    """A club in memory."""
    clock = ManualClock()
    store = FakeStore(clock)
    policy = load_policy(POLICY, "club.yaml")
    platform = FakePlatform(clock)
    platform.person("@ada:example.org", name="Ada")
    platform.person("@ann:example.org", name="Ann", inside=True, admin=True, power=100)
    parts = Parts(
        club=policy.club_id,
        store=store,
        platforms={"matrix": platform},
        shelf=Shelf(policy),
        clock=clock,
        base_url=BASE,
        secret=b"s" * 32,
    )
    async with store.transaction(parts.club) as tx:
        await parts.shelf.put(tx, policy)
    return made(parts, clock, platform, WebSettings(base_url=BASE))


@pytest.fixture
async def browser(club: Club) -> AsyncIterator[Browser]:
    """A browser on the club's pages that speaks English."""
    async with club.browser(accept_language="en") as opened:
        yield opened
