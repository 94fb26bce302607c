"""A real homeserver for tests and the demo, in a process and an environment of its own."""

import atexit
import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.support.parts import SYNAPSE_PYTHON

SERVER_NAME = "gk.test"

_FREE = {"per_second": 10_000, "burst_count": 10_000}
_NO_LIMITS: Mapping[str, Any] = {
    **dict.fromkeys(
        (
            "rc_message",
            "rc_registration",
            "rc_registration_token_validity",
            "rc_admin_redaction",
            "rc_joins_per_room",
            "rc_3pid_validation",
            "rc_third_party_invite",
            "rc_media_create",
            "rc_delayed_event_mgmt",
            "rc_room_creation",
            "rc_reports",
            "rc_user_directory",
            "rc_profile",
        ),
        _FREE,
    ),
    "rc_login": {"address": _FREE, "account": _FREE, "failed_attempts": _FREE},
    "rc_joins": {"local": _FREE, "remote": _FREE},
    "rc_invites": {"per_room": _FREE, "per_user": _FREE, "per_issuer": _FREE},
    "rc_presence": {"per_user": _FREE},
}


class Account(NamedTuple):
    """What a client needs to act as one user."""

    user_id: str
    token: str
    device_id: str


class HomeserverError(Exception):
    """The homeserver refused a call of the tests' own."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, body
        self.errcode = str(body.get("errcode", ""))
        super().__init__(f"{status} {self.errcode} {body.get('error', '')}".strip())


class Synapse:
    """One homeserver named gk.test on a loopback port.

    Its data lie in `folder`, so that another `Synapse(folder)` goes on where one was killed.
    Its calls block for some milliseconds; from a running loop use asyncio.to_thread where
    that matters.

    Args:
        folder: where settings, database and log are kept; made if absent.
        limits: "default" leaves Synapse's own rate limits to everyone, as people meet them;
            "off" lifts all of them.
        backdating: adds an application service that may act as anybody and at any time, so
            that a test can lay an event 40 days back (`send_at`).
        settings: further keys of homeserver.yaml.
    """

    def __init__(
        self,
        folder: Path,
        limits: Literal["default", "off"] = "off",
        backdating: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.log = folder / "synapse.log"
        self._backdating = backdating
        self._more = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = self._keep()

    @property
    def url(self) -> str:
        """The base URL for clients, without a slash at its end."""
        return f"http://127.0.0.1:{self._kept['port']}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process and running else None

    def user_id(self, name: str) -> str:
        """The full Matrix id of a local name."""
        return f"@{name}:{SERVER_NAME}"

    # Running

    def start(self, timeout: float = 60.0) -> None:
        """Start the process and return once /health says OK; nothing if it already runs."""
        if self.pid:
            return
        self._write_settings()
        # Without .pyc files each start takes seconds longer, so let Python write them.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        with (self.folder / "stderr.log").open("ab") as errors:
            self._process = subprocess.Popen(
                [SYNAPSE_PYTHON, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        atexit.register(self.kill)
        deadline = time.monotonic() + timeout
        while not self.healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Synapse did not start:\n{self._tail()}")
            time.sleep(0.05)

    def healthy(self) -> bool:
        """Whether /health answers 200 now."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, timeout: float = 15.0) -> None:
        """End it in good order; start() goes on with the same data and port."""
        self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def _end(self, how: signal.Signals, timeout: float) -> None:
        process, self._process = self._process, None
        atexit.unregister(self.kill)
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    # People

    def register(
        self, name: str, password: str | None = None, admin: bool = False, display: str = ""
    ) -> Account:
        """Make an account by the shared secret, which no rate limit holds back.

        Raises:
            HomeserverError: for instance M_USER_IN_USE.
        """
        password = password or secrets.token_urlsafe(12)
        path = "/_synapse/admin/v1/register"
        nonce = self.call("GET", path)["nonce"]
        role = "admin" if admin else "notadmin"
        secret = self._kept["registration_shared_secret"].encode()
        message = "\0".join((nonce, name, password, role)).encode()
        body = {
            "nonce": nonce,
            "username": name,
            "displayname": display or name.capitalize(),
            "password": password,
            "admin": admin,
            "mac": hmac.new(secret, message, hashlib.sha1).hexdigest(),
        }
        answer = self.call("POST", path, body)
        return Account(answer["user_id"], answer["access_token"], answer["device_id"])

    @property
    def admin_token(self) -> str:
        """The token of a server admin of the tests' own, made at its first use."""
        if "admin_token" not in self._kept:
            self._kept["admin_token"] = self.register("root", admin=True).token
            self._save_kept()
        return str(self._kept["admin_token"])

    def override_ratelimit(self, user_id: str) -> None:
        """Lift one user's rate limits: the admin call that README tells an operator to make."""
        user = urllib.parse.quote(user_id)
        path = f"/_synapse/admin/v1/users/{user}/override_ratelimit"
        limits = {"messages_per_second": 0, "burst_count": 0}
        self.call("POST", path, limits, token=self.admin_token)

    def deactivate(self, user_id: str) -> None:
        """Let a user leave the server for good."""
        path = f"/_synapse/admin/v1/deactivate/{urllib.parse.quote(user_id)}"
        self.call("POST", path, {"erase": False}, token=self.admin_token)

    def send_at(
        self,
        at: datetime,
        user_id: str,
        room_id: str,
        content: Mapping[str, Any],
        kind: str = "m.room.message",
        state_key: str | None = None,
    ) -> str:
        """Send an event as any user and dated `at`; its event id. Needs `backdating`."""
        if not self._backdating:
            raise ValueError("start this Synapse with backdating=True")
        room = f"/_matrix/client/v3/rooms/{urllib.parse.quote(room_id)}"
        if state_key is None:
            path = f"{room}/send/{kind}/{secrets.token_hex(8)}"
        else:
            path = f"{room}/state/{kind}/{urllib.parse.quote(state_key)}"
        query = {"user_id": user_id, "ts": int(at.timestamp() * 1000)}
        path = f"{path}?{urllib.parse.urlencode(query)}"
        return str(self.call("PUT", path, content, token=self._kept["as_token"])["event_id"])

    def join_at(self, at: datetime, user_id: str, room_id: str) -> str:
        """Let a user who may join do so at `at`; the event id."""
        member = {"membership": "join"}
        return self.send_at(at, user_id, room_id, member, "m.room.member", state_key=user_id)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        token: str | None = None,
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """One plain call to the homeserver; raises HomeserverError for any answer but 2xx."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                told = json.loads(text)
            except ValueError:
                told = {"error": text[:200].decode(errors="replace")}
            raise HomeserverError(error.code, told) from None

    # Files

    def _keep(self) -> dict[str, Any]:
        """Port and secrets of this homeserver: made once, the same after a restart."""
        file = self.folder / "kept.json"
        if file.exists():
            return dict(json.loads(file.read_text()))
        seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        self._kept = {
            "port": free_port(),
            "signing_key": f"ed25519 a_test {seed}\n",
            "registration_shared_secret": secrets.token_hex(16),
            "macaroon_secret_key": secrets.token_hex(16),
            "form_secret": secrets.token_hex(16),
            "as_token": secrets.token_hex(16),
            "hs_token": secrets.token_hex(16),
        }
        self._save_kept()
        return self._kept

    def _save_kept(self) -> None:
        file = self.folder / "kept.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(self._kept))

    def _write_settings(self) -> None:
        kept, folder = self._kept, self.folder
        signing_key = folder / "signing.key"
        signing_key.write_text(kept["signing_key"])
        settings: dict[str, Any] = {
            "server_name": SERVER_NAME,
            "public_baseurl": f"{self.url}/",
            "pid_file": str(folder / "synapse.pid"),
            "media_store_path": str(folder / "media"),
            "signing_key_path": str(signing_key),
            "log_config": str(folder / "log.json"),
            "macaroon_secret_key": kept["macaroon_secret_key"],
            "form_secret": kept["form_secret"],
            "registration_shared_secret": kept["registration_shared_secret"],
            "enable_registration": False,
            "report_stats": False,
            "bcrypt_rounds": 4,
            "presence": {"enabled": True},
            "listeners": [
                {
                    "port": kept["port"],
                    "bind_addresses": ["127.0.0.1"],
                    "type": "http",
                    "tls": False,
                    "x_forwarded": False,
                    "resources": [{"names": ["client"], "compress": False}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
            # Together these keep it from calling anybody; the default names a public server.
            "room_list_publication_rules": [{"action": "allow"}],
            "trusted_key_servers": [],
            "federation_domain_whitelist": [],
            "app_service_config_files": self._application_services(),
            **(_NO_LIMITS if self.limits == "off" else {}),
            **self._more,
        }
        # JSON is YAML, so no YAML library is needed to write it.
        (folder / "homeserver.yaml").write_text(json.dumps(settings, indent=1))
        (folder / "log.json").write_text(json.dumps(_log_settings(self.log), indent=1))

    def _application_services(self) -> Sequence[str]:
        if not self._backdating:
            return []
        registration = {
            "id": "backdating",
            "url": None,  # nothing is pushed: it only sends
            "as_token": self._kept["as_token"],
            "hs_token": self._kept["hs_token"],
            "sender_localpart": "backdating",
            "rate_limited": False,
            "namespaces": {
                "users": [{"exclusive": False, "regex": f"@.*:{SERVER_NAME}"}],
                "rooms": [],
                "aliases": [],
            },
        }
        file = self.folder / "backdating.yaml"
        file.write_text(json.dumps(registration))
        return [str(file)]

    def _tail(self) -> str:
        files = [self.folder / "stderr.log", self.log]
        return "\n".join(f.read_text(errors="replace")[-2000:] for f in files if f.exists())


def _log_settings(file: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(file),
                "formatter": "plain",
                "encoding": "utf-8",
            }
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
