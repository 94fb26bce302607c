"""What a story is played on: a homeserver, a proxy before it, the service, people and browsers."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx

from tests.support.people import MatrixPerson
from tests.support.proxy import Proxy
from tests.support.synapse import Account, Synapse, free_port
from tests.support.wait import eventually

T = TypeVar("T")

BIN = Path(sys.executable).parent


class Program:
    """What is printed: a line for each step, and the sum at the end."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.began = time.monotonic()

    def chapter(self, title: str) -> None:
        """A heading."""
        print(f"\n{title}", flush=True)

    @asynccontextmanager
    async def step(self, text: str) -> AsyncIterator[None]:
        """One asserted step; an exception inside is its failure, and ends the story."""
        try:
            yield
        except (Exception, asyncio.CancelledError):
            self.failed += 1
            print(f"  ✘ {text}", flush=True)
            raise
        self.passed += 1
        print(f"  ✔ {text}  ({time.monotonic() - self.began:.0f} s)", flush=True)

    def end(self) -> int:
        """The last line; the exit code."""
        print(f"\ndemo: {self.passed} steps passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


class Service:
    """The real `gatekeeper` commands and the real `gatekeeper serve`, in a folder of their own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("GATEKEEPER_")},
            **environment,
            "GATEKEEPER_BIND_PORT": str(self.port),
            "GATEKEEPER_BASE_URL": self.base_url,
            "GATEKEEPER_LOG_FORMAT": "json",
        }
        self.log = folder / "serve.log"
        self.last_start = self.last_run = 0.0  # seconds, to know how slow this machine is now
        self._process: asyncio.subprocess.Process | None = None

    async def run(
        self,
        *words: str,
        expect: int | None = 0,
        timeout: float = 40,
        folder: Path | None = None,
    ) -> str:
        """`gatekeeper WORDS`; what it says (both streams). Asserts the exit code.

        `folder`: that of a copy of the club, instead of its own.
        """
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            str(BIN / "gatekeeper"),
            *words,
            cwd=folder or self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        self.last_run = time.monotonic() - began
        said = out.decode() + err.decode()
        assert expect is None or process.returncode == expect, (
            f"gatekeeper {' '.join(words)} ended with {process.returncode}, not {expect}:\n{said}"
        )
        return said

    async def json(self, *words: str, expect: int | None = 0) -> Any:
        """`gatekeeper WORDS --json`, read."""
        said = await self.run(*words, "--json", expect=expect)
        return json.loads(said[: said.rindex("}" if said.lstrip().startswith("{") else "]") + 1])

    async def start(self, timeout: float = 20) -> float:
        """Start `gatekeeper serve`; seconds until /readyz says yes."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(BIN / "gatekeeper"),
                "serve",
                cwd=self.folder,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is ours: we end it in good order
            )

        async def ready() -> bool:
            assert self._process is not None
            if self._process.returncode is not None:
                raise RuntimeError(f"the service ended:\n{self.tail()}")
            try:
                answer = await client.get(f"{self.base_url}/readyz")
            except httpx.HTTPError:
                return False
            assert answer.status_code == 200, answer.text
            return True

        # One client for all looks: making one takes as long as a part of the start.
        async with httpx.AsyncClient() as client:
            try:
                await eventually(ready, timeout, what="/readyz")
            except TimeoutError as late:
                raise TimeoutError(f"{late}\n{self.tail()}") from None
        self.last_start = time.monotonic() - began
        return self.last_start

    @property
    def pid(self) -> int:
        """Of the running service."""
        assert self._process is not None and self._process.returncode is None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Until the killed process is reaped."""
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), 10)

    async def stop(self) -> None:
        """SIGTERM; asserts that it ends well."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        code = await asyncio.wait_for(self._process.wait(), 20)
        assert code == 0, f"the service ended with {code}:\n{self.tail()}"

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class _Forms(HTMLParser):
    """Reads the first form that posts, and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._option: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if tag == "form":
            self.forms.append({"action": has.get("action") or "", "fields": {}})
        elif self.forms and tag in {"input", "textarea", "select"} and has.get("name"):
            kind = has.get("type", tag)
            if kind in {"checkbox", "radio", "submit"} and "checked" not in has:
                self.forms[-1]["fields"].setdefault(has["name"], None)
            else:
                self.forms[-1]["fields"][has["name"]] = has.get("value") or ""
        elif self.forms and tag == "button" and has.get("name"):
            self.forms[-1]["fields"].setdefault(has["name"], has.get("value") or "")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


class Browser:
    """A browser without JavaScript: cookies, pages, and their real forms."""

    def __init__(self, base_url: str) -> None:
        self.client = httpx.AsyncClient(base_url=base_url, follow_redirects=True, timeout=15)
        self.page: httpx.Response | None = None
        self._forms = _Forms()

    async def close(self) -> None:
        """End."""
        await self.client.aclose()

    async def open(self, url: str) -> str:
        """GET a page; its text."""
        return self._take(await self.client.get(url))

    async def send(self, values: Mapping[str, str], action: str = "") -> str:
        """Fill in and send the form whose action contains `action`; the next page's text."""
        assert self.page is not None
        form = next(f for f in self._forms.forms if action in f["action"])
        data = {k: v for k, v in form["fields"].items() if v is not None} | dict(values)
        url = urljoin(str(self.page.url), form["action"])
        origin = {"origin": str(self.client.base_url).rstrip("/")}
        return self._take(await self.client.post(url, data=data, headers=origin))

    def _take(self, answer: httpx.Response) -> str:
        self.page, self._forms = answer, _Forms()
        self._forms.feed(answer.text)
        return self.text

    @property
    def text(self) -> str:
        """What the page says."""
        return " ".join(self._forms.text)

    @property
    def status(self) -> int:
        """Of the page."""
        assert self.page is not None
        return self.page.status_code


class Stage:
    """All of it; `async with Stage(...)`. Only what it started is stopped, each by its id."""

    def __init__(self, program: Program, limits: str = "default", freed: bool = True) -> None:
        self.program = program
        self.folder = Path(tempfile.mkdtemp(prefix="gatekeeper-demo-"))
        self.synapse = Synapse(self.folder / "synapse", limits=limits)  # type: ignore[arg-type]
        self.freed = freed
        self.people: dict[str, MatrixPerson] = {}
        self.browsers: list[Browser] = []
        self._stack = AsyncExitStack()
        self._life: set[asyncio.Task[Any]] = set()
        self._coming: dict[str, asyncio.Task[MatrixPerson]] = {}
        self.proxy: Proxy
        self.service: Service
        self.bot: Account

    async def __aenter__(self) -> "Stage":
        await asyncio.to_thread(self.synapse.start)
        self._stack.callback(self.synapse.stop)
        self.proxy = await self._stack.enter_async_context(Proxy(self.synapse.url))
        self.bot = await asyncio.to_thread(
            self.synapse.register, "gatekeeper", None, False, "Gatekeeper"
        )
        if self.freed:
            await asyncio.to_thread(self.synapse.override_ratelimit, self.bot.user_id)
        club = self.folder / "club"
        club.mkdir()
        self.service = Service(
            club,
            {
                "GATEKEEPER_MATRIX__HOMESERVER_URL": self.proxy.url,
                "GATEKEEPER_MATRIX__USER_ID": self.bot.user_id,
                "GATEKEEPER_MATRIX__ACCESS_TOKEN": self.bot.token,
                "GATEKEEPER_MATRIX__DEVICE_ID": self.bot.device_id,
            },
        )
        return self

    async def __aexit__(self, *why: object) -> None:
        for task in self._life:
            task.cancel()
        await asyncio.gather(*self._life, return_exceptions=True)
        for browser in self.browsers:
            await browser.close()
        for person in self.people.values():
            await person.close()
        failed = why[0] is not None
        try:
            await self.service.stop()
        finally:
            await self._stack.aclose()
            if not failed and "GATEKEEPER_DEMO_KEEP_FOLDER" not in os.environ:
                shutil.rmtree(self.folder, ignore_errors=True)
            elif failed:
                print(f"  (logs: {self.folder})", flush=True)

    async def person(self, name: str) -> MatrixPerson:
        """Someone with a client of their own, under the homeserver's limits for people."""
        self.expect(name)
        return await asyncio.shield(self._coming[name])

    def expect(self, *names: str) -> None:
        """Let people log in meanwhile, who are needed later."""

        async def come(name: str) -> MatrixPerson:
            self.people[name] = await MatrixPerson.create(self.synapse, name)
            return self.people[name]

        for name in names:
            if name not in self._coming:
                self._coming[name] = self.meanwhile(come(name))

    def browser(self) -> Browser:
        """A fresh browser."""
        self.browsers.append(Browser(self.service.base_url))
        return self.browsers[-1]

    def meanwhile(self, act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something that a later step awaits; given up where the story ends before."""
        task = asyncio.create_task(act)
        self._life.add(task)
        return task

    def keep_doing(self, act: Callable[[], Awaitable[object]], every: float) -> None:
        """Do something again and again in the background, until the story ends."""

        async def go_on() -> None:
            while True:
                await act()
                await asyncio.sleep(every)

        self.meanwhile(go_on())


def code_in(text: str) -> str:
    """The six digits in a message."""
    found = re.search(r"\b(\d{6})\b", text)
    assert found, f"no code in {text!r}"
    return found.group(1)


def links_in(*texts: str) -> list[str]:
    """Personal links in messages."""
    return [url for text in texts for url in re.findall(r"https?://[^\s\"<>]+/l/[\w-]+", text)]
