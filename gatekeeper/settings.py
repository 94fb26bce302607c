"""Environment and file to one frozen Settings; wrong ones are told all at once.

`GATEKEEPER_BASE_URL=…` or `base_url = "…"` in gatekeeper.toml; nested ones are
`GATEKEEPER_MATRIX__HOMESERVER_URL` and `[matrix] homeserver_url`. The environment wins over the
file. A secret may lie in a file of its own: `…_FILE` names it (`access_token_file` in the file).
Paths in the file are meant from the folder that it lies in.

A service of several clubs has a table `[clubs.NAME]` for each, NAME being its slug, with what is
the club's own: policy, base_url, [matrix], and what differs of [slack] and [smtp]. All else is
shared.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from gatekeeper.domain.errors import SettingsError, WhichClub
from gatekeeper.login_settings import (
    Address,
    MatrixSettings,
    Port,
    Readable,
    SlackSettings,
    SmtpSettings,
    readable,
)

PREFIX: Final = "GATEKEEPER_"
FILE_NAME: Final = "gatekeeper.toml"
DATABASE: Final = "gatekeeper.db"

# Not ours to judge: which file to read, what tests are told, and the addresses that container
# platforms put into the environment of every neighbour of a service called "gatekeeper".
_FOREIGN: Final = re.compile(
    r"GATEKEEPER_(SETTINGS$|TESTS?_|BENCH_|DEMO_|SLACK_SPEC$|SERVICE_|PORT$|PORT_\d)"
)


def _database(url: str) -> str:
    if not url.startswith(("sqlite://", "postgres://", "postgresql://", "asyncpg://")):
        raise ValueError("must begin with sqlite:// or postgres://")
    return url


class Settings(BaseSettings):
    """All that a process is told from outside; read once, at its start.

    Attributes:
        club: the slug of the one that is meant, where a service has several; "": its only one.
        home: the data folder: database, engine's file, keys, lock.
        policy: the club's document (and those of its rules).
        database_url: sqlite://… or postgres://…; a SQLite file in `home` by default.
        engine_url: the engine's own database; a SQLite file in `home`, or `database_url` where that
            is PostgreSQL.
        keys: folder of the four key files, each for the owner's eyes only.
        base_url: where people reach the web pages, without a slash at the end.
        metrics_port: 0 turns metrics off.
        trusted_proxies: addresses or networks whose X-Forwarded-For counts.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        defer_build=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_nested_max_split=1,
    )

    club: Annotated[str, Field(max_length=64)] = ""
    home: Path
    policy: Path
    keys: Path
    database_url: SecretStr = SecretStr("")
    database_url_file: Readable | None = None
    engine_url: SecretStr = SecretStr("")
    engine_url_file: Readable | None = None
    base_url: Address = "http://127.0.0.1:8080"
    bind_host: str = "127.0.0.1"
    bind_port: Port = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 0
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    matrix: MatrixSettings | None = None
    slack: SlackSettings | None = None
    smtp: SmtpSettings | None = None

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, written: object) -> object:
        """A list, or a text with commas: the environment knows no lists."""
        if isinstance(written, str):
            return [part.strip() for part in written.split(",") if part.strip()]
        return written

    @field_validator("database_url", "engine_url")
    @classmethod
    def _known_database(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value():
            _database(url.get_secret_value())
        return url

    @property
    def database(self) -> str:
        """The address of our tables, with its password: never to be shown or logged."""
        return self.database_url.get_secret_value() or f"sqlite://{self.home / DATABASE}"

    @property
    def engine_database(self) -> str:
        """The address of the engine's tables, with its password."""
        if url := self.engine_url.get_secret_value():
            return url
        if not self.database.startswith("sqlite"):
            return self.database
        return f"sqlite://{self.home / 'engine.db'}"

    def of_platform(self, name: str) -> Mapping[str, Any] | None:
        """The settings of one platform, or of the mail (smtp), its secrets in clear, and where our
        pages are; None where nothing is set for it."""
        found = getattr(self, name, None)
        if not isinstance(found, BaseModel):
            return None
        return {"base_url": self.base_url} | {
            key: value.get_secret_value() if isinstance(value, SecretStr) else value
            for key, value in found
        }

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then what secret files hold, then the rest in `load`'s order."""
        return env_settings, _SecretFiles(settings_cls), init_settings


class _OfTables(Settings):
    """The same without platforms and mail: whatever is said of them is not looked at."""

    matrix: None = None
    slack: None = None
    smtp: None = None

    @field_validator("matrix", "slack", "smtp", mode="before")
    @classmethod
    def _not_looked_at(cls, _said: object) -> None:
        return None


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `x` from the file that `x_file` names; an unreadable one is a fault of `x_file`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the whole is read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """What the files named in the environment hold."""
        return _contents(self.current_state)


def _contents(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found[name] = _contents(value)
        elif name.endswith("_file") and isinstance(value, str | Path):
            try:
                found[name.removesuffix("_file")] = Path(value).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                continue  # told by the field's own check
    return found


def find_file(named: str | Path | None = None) -> Path | None:
    """The settings file: the one named, else GATEKEEPER_SETTINGS, else ./gatekeeper.toml."""
    if named or (named := os.environ.get(f"{PREFIX}SETTINGS")):
        return Path(named).absolute()
    here = Path.cwd() / FILE_NAME
    return here if here.is_file() else None


def club_names(named: str | Path | None = None) -> tuple[str, ...]:
    """The slugs of a service's clubs as its file lists them; () where it has but one."""
    file = find_file(named)
    clubs = _read(file)[0].get("clubs") if file else None
    return tuple(clubs) if isinstance(clubs, dict) else ()


def load_all(named: str | Path | None = None) -> tuple[Settings, ...]:
    """The settings of each club of a service, of the only one too.

    Raises:
        SettingsError: with the faults of all of them, and of how they go together.
    """
    found, faults = [], list[str]()
    names = club_names(named)
    for name in names or ("",):
        try:
            found.append(load_settings(named, club=name))
        except SettingsError as wrong:
            faults += [f"{name}: {fault}" if name else fault for fault in wrong.faults]
    if faults := list(dict.fromkeys(faults)) or _clashes(found):
        raise SettingsError(tuple(faults))
    return tuple(found)


def _clashes(clubs: list[Settings]) -> list[str]:
    """What two clubs cannot share: pages, rules, and an account by which one club is kept."""
    faults, told = list[str](), dict[tuple[str, object], str]()
    for one in clubs:
        for what, value in (
            ("base_url", one.base_url),
            ("policy", one.policy),
            ("matrix.user_id", one.matrix and one.matrix.user_id),
            ("slack.bot_token", one.slack and one.slack.bot_token),
        ):
            other = told.setdefault((what, value), one.club)
            if value and other != one.club:
                faults.append(f"{one.club}: {what}: is that of {other}; each has its own")
    return faults


def load_settings(
    named: str | Path | None = None, *, logins: bool = True, club: str = ""
) -> Settings:
    """Read the environment and the file.

    Args:
        named: the file; else as `find_file` finds it.
        logins: those of platforms, too; without, whoever only reads tables needs no token.
        club: which one, of several; else GATEKEEPER_CLUB says it.

    Raises:
        SettingsError: with all faults, a sentence each; no value of a setting is repeated in one.
        WhichClub: there are several, and none was named, or none of them.
    """
    values, faults, defaults = _gathered(named, club)
    faults += _unknown_names()
    try:
        settings = (Settings if logins else _OfTables)(
            **{**defaults, **_contents(values), **_deep(values)}
        )
    except ValidationError as wrong:
        faults += [_sentence(each) for each in wrong.errors()]
    except SourceError as wrong:
        faults.append(f"the environment: {wrong}")
    if faults:
        raise SettingsError(tuple(faults))
    places = {name: getattr(settings, name).absolute() for name in ("home", "policy", "keys")}
    return settings.model_copy(update={**places, "club": club or settings.club})


def find_place(
    name: Literal["home", "policy", "keys"], named: str | Path | None = None, club: str = ""
) -> Path:
    """Where one of a club's places is or is to be, whatever else is wrong or missing yet.
    WhichClub: its policy is asked for, and there are several."""
    if name != "policy":
        club = next(iter(club_names(named)), "")  # all have the same
    values, _, defaults = _gathered(named, club)
    found = os.environ.get(f"{PREFIX}{name}".upper()) or values.get(name) or defaults[name]
    return Path(str(found)).absolute()


def find_database(named: str | Path | None = None) -> str:
    """The address of our tables, with its password, whatever else is wrong or missing yet.

    Raises:
        SettingsError: the setting, or the file that it names, cannot be used.
    """
    values = _gathered(named, next(iter(club_names(named)), ""))[0]  # all have the same
    told = {
        name: os.environ.get(f"{PREFIX}{name}".upper()) or values.get(name)
        for name in ("database_url", "database_url_file")
    }
    try:
        if (file := told["database_url_file"]) and not told["database_url"]:
            told["database_url"] = readable(Path(str(file))).read_text("utf-8").strip()
        if url := told["database_url"]:
            return _database(str(url))
    except ValueError as wrong:  # what is no text, too
        raise SettingsError((f"database_url: {wrong}",)) from None
    return f"sqlite://{find_place('home', named, next(iter(club_names(named)), '')) / DATABASE}"


def _gathered(
    named: str | Path | None, club: str = ""
) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
    """What the file holds of a club, its faults, and what the places are when nobody says
    otherwise. WhichClub."""
    file = find_file(named)
    base = file.parent if file else Path.cwd()
    values, faults = _read(file) if file else ({}, [])
    if "clubs" in values:
        values, more = _of_club(values, club or os.environ.get(f"{PREFIX}CLUB", ""))
        faults += more
    values = _without_overruled(values, PREFIX)
    home = Path(str(os.environ.get(f"{PREFIX}HOME") or values.get("home") or base / "data"))
    return (
        values,
        faults,
        {"home": home, "policy": base / "house-rules.yaml", "keys": home / "keys"},
    )


# What is each club's own; of sections with what is laid over the shared one.
_OWN: Final = frozenset({"policy", "base_url", "matrix"})
_OVER: Final = frozenset({"slack", "smtp"})


def _of_club(values: dict[str, Any], name: str) -> tuple[dict[str, Any], list[str]]:
    """The settings of one of several clubs, as if it were the only one."""
    clubs = values.pop("clubs")
    if not isinstance(clubs, dict) or not all(isinstance(one, dict) for one in clubs.values()):
        return values, ["clubs: is to be a table for each club, [clubs.NAME]"]
    if name not in clubs:
        raise WhichClub(known=", ".join(clubs), club=name)
    faults = [
        f"{one}: belongs into the table of a club, [clubs.{name}], where there are several"
        for one in sorted(_OWN)
        if one in values or f"{PREFIX}{one}".upper() in os.environ
    ]
    own = clubs[name]
    faults += [
        f"clubs.{name}.{one}: is for all clubs; write it at the top"
        for one in sorted(set(own) - _OWN - _OVER)
        if one in Settings.model_fields
    ]
    laid = {one: _over(values.get(one), own[one]) for one in _OVER if one in own}
    return {**values, **own, **laid}, faults


def _over(shared: Any, own: Any) -> Any:
    """A club's section over the shared one; what is no section is told by its field's own check."""
    both = isinstance(shared, dict) and isinstance(own, dict)
    return {**shared, **own} if both else own


def _without_overruled(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A secret in the environment makes the file's `…_file` for it not matter any more."""
    kept = {}
    for name, value in values.items():
        if isinstance(value, dict):
            kept[name] = _without_overruled(value, f"{prefix}{name}__".upper())
            continue
        overruled = f"{prefix}{name.removesuffix('_file')}".upper() in os.environ
        if not (overruled and name.endswith("_file")):
            kept[name] = value
    return kept


def _deep(values: dict[str, Any]) -> dict[str, Any]:
    """The file's values, with what its own `…_file` lines name put beside them."""
    return {
        name: {**_contents(value), **value} if isinstance(value, dict) else value
        for name, value in values.items()
    }


def _read(file: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as fault:
        return {}, [f"{file}: cannot be read: {fault.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        return {}, [f"{file}: {fault}"]
    return _rooted(values, file.parent), []


def _rooted(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Paths in the file are meant from the folder that it lies in."""
    rooted: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            rooted[name] = _rooted(value, base)
        elif isinstance(value, str) and (
            name in ("home", "policy", "keys", "tls_ca") or name.endswith("_file")
        ):
            rooted[name] = str(base / Path(value).expanduser())
        else:
            rooted[name] = value
    return rooted


def known_names() -> frozenset[str]:
    """Every name in the environment that is a setting."""
    names = set()
    for name, field in Settings.model_fields.items():
        names.add(f"{PREFIX}{name}".upper())
        for model in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(model, type) and issubclass(model, BaseModel):
                names |= {f"{PREFIX}{name}__{inner}".upper() for inner in model.model_fields}
    return frozenset(names)


def _unknown_names() -> list[str]:
    known = known_names()
    return [
        f"{name}: no such setting"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name.upper() not in known and not _FOREIGN.match(name)
    ]


def _sentence(error: ErrorDetails) -> str:
    name = ".".join(str(part) for part in error["loc"])
    said = {
        "extra_forbidden": "no such setting",
        "missing": "is missing",
        "string_pattern_mismatch": "does not have the form that is asked for",
    }.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{name}: {said[:1].lower()}{said[1:]}"
