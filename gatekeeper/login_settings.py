"""The parts of Settings that are of one platform, or of the mail."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from gatekeeper.domain.identity import as_address

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _address(url: str) -> str:
    if not re.match(r"https?://[^\s/?#]+", url):
        raise ValueError("must be an address that begins with http:// or https://")
    return url.rstrip("/")


def _sender(address: str) -> str:
    found = as_address(address)
    if found is None:
        raise ValueError("must be an e-mail address")
    return found


def readable(path: Path) -> Path:
    """The same, if it can be opened; ValueError."""
    try:
        with path.open("rb"):
            return path
    except OSError as fault:
        raise ValueError(f"cannot be read: {fault.strerror}") from None


Address = Annotated[str, AfterValidator(_address)]
Readable = Annotated[Path, AfterValidator(readable)]
Port = Annotated[int, Field(ge=0, le=65535)]


class MatrixSettings(BaseModel):
    """How to reach the homeserver, and as whom.

    Attributes:
        homeserver_url: where the client API stands, e.g. https://matrix.example.org.
        user_id: the bot's full id, @gatekeeper:example.org.
        access_token, password: one of the two; with a password we log in once and keep the token.
        device_id: kept over restarts.
        admin_api: the bot is a server admin and may use Synapse's admin API (age of accounts).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    homeserver_url: Address
    user_id: str = Field(pattern=r"^@[^:\s]+:\S+$", max_length=255)
    access_token: SecretStr | None = None
    access_token_file: Readable | None = None
    password: SecretStr | None = None
    password_file: Readable | None = None
    device_id: str = Field(default="GATEKEEPER", min_length=1, max_length=64)
    admin_api: bool = False

    @field_validator("user_id")
    @classmethod
    def _trimmed(cls, user_id: str) -> str:
        return user_id.strip()

    @model_validator(mode="after")
    def _can_log_in(self) -> "MatrixSettings":
        if self.access_token is None and self.password is None:
            raise ValueError("needs access_token or password, or a file that holds one of them")
        return self


class SlackSettings(BaseModel):
    """As which app to come to a workspace, and how Slack reaches us.

    Attributes:
        bot_token: of the app as it is installed in one workspace, xoxb-….
        client_id, client_secret: of the app instead, where workspaces install it at /slack/install
            under `base_url` of the pages.
        app_token: xapp-…, for Socket Mode: we open the lines, nothing has to reach us.
        signing_secret: of the app, where Slack calls /slack/events under `base_url` of the pages.
        admin_token: of an owner or administrator (xoxp-…), for what only they may do: inviting into
            the workspace and deactivating accounts, on Business+ and Enterprise.
        api_url, scim_url: base of the Web API, and of provisioning with its version.
        pace: how many times as often as Slack's limits say it may be called.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    bot_token: SecretStr | None = None
    bot_token_file: Readable | None = None
    client_id: str = Field(default="", max_length=255)
    client_secret: SecretStr | None = None
    client_secret_file: Readable | None = None
    app_token: SecretStr | None = None
    app_token_file: Readable | None = None
    signing_secret: SecretStr | None = None
    signing_secret_file: Readable | None = None
    admin_token: SecretStr | None = None
    admin_token_file: Readable | None = None
    api_url: Address = "https://slack.com/api"
    scim_url: Address = "https://api.slack.com/scim/v2"
    pace: float = Field(default=1.0, gt=0, le=1000)

    @model_validator(mode="after")
    def _can_listen(self) -> "SlackSettings":
        if bool(self.client_id) != (self.client_secret is not None):
            raise ValueError("client_id and client_secret go together")
        if self.bot_token is None and not self.client_id:
            raise ValueError("needs bot_token, or a file that holds it; or client_id")
        if self.bot_token is not None and self.client_id:
            raise ValueError("bot_token or client_id, one of the two")
        if self.app_token is None and self.signing_secret is None:
            raise ValueError("needs app_token (Socket Mode) or signing_secret (HTTP)")
        return self


class SmtpSettings(BaseModel):
    """The mail server that letters are handed to; without one, none are sent.

    Attributes:
        port: 587, 465 or 25, as `tls` is, unless named.
        user, password: for servers that ask for them.
        sender: the address that letters come from.
        tls: after a greeting in clear (starttls), from the start (tls), or not at all (none).
        tls_ca: a file of the authorities to trust instead of the system's.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    host: str = Field(pattern=r"^\S+$", max_length=255)
    port: Port = 0
    user: str = ""
    password: SecretStr | None = None
    password_file: Readable | None = None
    sender: Annotated[str, AfterValidator(_sender)]
    tls: Literal["starttls", "tls", "none"] = "starttls"
    tls_ca: Readable | None = None

    @model_validator(mode="after")
    def _can_log_in(self) -> "SmtpSettings":
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        if self.user and self.tls == "none" and self.host not in LOOPBACK:
            raise ValueError("a password is sent through TLS alone: starttls or tls")
        return self
