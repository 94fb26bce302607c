"""A club in a folder, over an adapter that is a double; commands in this process or in one of
their own."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatekeeper import wire
from gatekeeper.cli import main
from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.decisions import Quorum
from gatekeeper.settings import known_names, load_settings
from gatekeeper.usecases.parts import account_of
from tests.cli import double

TOP = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "gatekeeper"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Club:
    """A folder that `gatekeeper init` has filled, and what can be done there."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("GATEKEEPER_")},
            "PYTHONPATH": os.pathsep.join([str(site), str(TOP), os.environ.get("PYTHONPATH", "")]),
            "GATEKEEPER_MATRIX__ACCESS_TOKEN": "syt_token_that_is_secret",
            "GATEKEEPER_BIND_PORT": str(self.port),
            "GATEKEEPER_BASE_URL": f"http://127.0.0.1:{self.port}",
        }

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own."""
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextmanager
    def served(self, *words: str, ready: int = 200):
        """`gatekeeper serve`, once /readyz says `ready`; killed at the end, which a service has to
        bear at any moment and is quicker than asking it to stop."""
        log = (self.folder / "serve.log").open("ab")
        process = subprocess.Popen(
            [*COMMAND, "serve", *words], cwd=self.folder, env=self.environment, stderr=log
        )
        try:
            self._wait_until(process, ready)
            yield process
        finally:
            log.close()
            process.kill()
            process.wait(10)

    def _wait_until(self, process: subprocess.Popen[bytes], ready: int) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert process.poll() is None, self.log
            if self.readyz() == ready:
                return
            time.sleep(0.05)
        raise AssertionError(f"never ready: {self.log}")

    def readyz(self) -> int:
        """The status of /readyz, 0 where nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/readyz", timeout=2
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as no:
            return int(no.code)
        except OSError:
            return 0

    @property
    def log(self) -> str:
        """What the service has logged."""
        return (self.folder / "serve.log").read_text()

    def within(self, work):
        """Run `work(parts)` on the club's tables, in this process."""

        async def opened():
            settings = load_settings(self.folder / "gatekeeper.toml")
            async with wire.opened(settings) as club:
                return await work(club.parts)

        return asyncio.run(opened())


@pytest.fixture(scope="session")
def served_once(tmp_path_factory, initialised) -> Path:
    """The data of such a folder after a service has run there: its first start takes longest."""
    top = tmp_path_factory.mktemp("once")
    shutil.copytree(initialised, top / "club")
    with Club(top / "club", double.install(top / "site")).served():
        pass
    return top / "club/data"


@pytest.fixture
def club(tmp_path, monkeypatch, initialised):
    """A fresh club; this process stands in its folder, too."""
    for name in known_names() | {"GATEKEEPER_SETTINGS"}:
        monkeypatch.delenv(name, raising=False)
    site = double.install(tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    folder = tmp_path / "club"
    shutil.copytree(initialised, folder)  # with the modes of its files
    made = Club(folder, site)
    monkeypatch.chdir(folder)
    for name, value in made.environment.items():
        if name.startswith("GATEKEEPER_"):
            monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def begun(club, served_once):
    """The same club after its service has run once."""
    shutil.rmtree(club.folder / "data")
    shutil.copytree(served_once, club.folder / "data")
    return club


@pytest.fixture
def gatekeeper(club, capsys):
    """`code, out, err = gatekeeper("members", "list")`, in this process."""

    def command(*words: str):
        code = main.run(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.fixture
def zoe(club):
    """An application in review, of an account that is proven."""

    async def submit(parts):
        identity = next(iter(parts.platforms.values())).parse_identity("@zoe:example.org")
        async with parts.store.transaction(parts.club) as tx:
            now = parts.clock.now()
            account = await account_of(tx, identity, "Zoe", now)
            return await tx.add(
                Application(
                    club=parts.club,
                    person_id=account.person_id,
                    identity=identity,
                    name="Zoe\u202e\x1b[31m",
                    origin="web",
                    state=State.IN_REVIEW,
                    answers={"why": "I like it"},
                    submitted_at=now,
                    opened_at=now,
                    policy=parts.policy.digest,
                    quorum=Quorum(approvals=2),
                    electorate=(),
                    browser="a-browser",
                )
            )

    return club.within(submit)
