"""What lies in deploy/ is held against the code: it parses, names settings and commands that
exist, and holds no secret."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from gatekeeper.cli.main import app
from gatekeeper.settings import known_names, load_settings

TOP = Path(__file__).parents[1]
DEPLOY = TOP / "deploy"
TEMPLATES = TOP / "gatekeeper/cli/templates"
TEXTS = sorted(
    [
        *(path for path in DEPLOY.iterdir() if path.is_file() and path.suffix != ".lock"),
        *TEMPLATES.iterdir(),
    ]
)


def commands():
    """Every command as its words: ("db", "backup") …"""
    found = set()
    for name, command in get_command(app).commands.items():
        inner = getattr(command, "commands", None)
        found |= {(name, each) for each in inner} if inner else {(name,)}
    return found


@pytest.fixture
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture
def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / "gatekeeper.service")
    return parser


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path):
    # GATEKEEPER_SETTINGS names the file itself.
    named = set(re.findall(r"\bGATEKEEPER_[A-Z_]+\b", path.read_text()))
    assert named <= known_names() | {"GATEKEEPER_SETTINGS"}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(path):
    known = commands()
    groups = {words[0] for words in known if len(words) == 2}
    text = path.read_text()
    for line in re.findall(
        r"(?:^ *|`|-- |/bin/|TOKEN_FILE=\S+ )gatekeeper ([a-z][^`\n#]*)", text, re.M
    ):
        words = line.split()
        for last in words[1].split("|") if words[0] in groups else words[0].split("|"):
            said = (words[0], last) if words[0] in groups else (last,)
            assert said in known, f"{path.name}: gatekeeper {' '.join(said)}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_secret_lies_there(path):
    text = path.read_text()
    assert not re.search(r"\b(syt|mat|xox[a-z])_[A-Za-z0-9_-]{8,}", text)
    for value in re.findall(r"(?im)^[^#\n]*(?:password|token|secret)\w*[ ]*[:=][ ]*(\S+)", text):
        assert "/" in value or value in {'"matrix-token"', "[postgres-password]", "false"}, value


@pytest.mark.parametrize(
    "path", [DEPLOY / "gatekeeper.toml.example", TEMPLATES / "gatekeeper.toml"]
)
def test_example_settings_are_right(path, tmp_path, monkeypatch):
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATEKEEPER_MATRIX__ACCESS_TOKEN", "a-token")
    commented = re.sub(r"(?m)^# (\w+ = |\[\w+\]$)", r"\1", path.read_text())
    for text in (path.read_text(), commented):
        file = tmp_path / "gatekeeper.toml"
        for name in re.findall(r'_file = "([^"]+)"', text):
            held = tmp_path / Path(name).name
            held.write_text("postgres://gatekeeper@db/gatekeeper")
            text = text.replace(f'"{name}"', f'"{held.name}"')
        file.write_text(text)
        assert load_settings(file).matrix is not None


def test_the_unit_starts_what_exists_and_is_hardened(unit):
    service = unit["Service"]
    for key in ("ExecStart", "ExecStartPre"):
        binary, *words = shlex.split(service[key])
        assert binary == "/opt/gatekeeper/bin/gatekeeper"
        assert tuple(words) in commands()
    assert service["User"] == "gatekeeper"
    hardened = ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "LockPersonality")
    assert {service[key] for key in hardened} == {"yes"}
    assert service["ProtectSystem"] == "strict"
    assert service["UMask"] == "0077"
    home = tomllib.loads((DEPLOY / "gatekeeper.toml.example").read_text())["home"]
    assert home == f"/var/lib/{service['StateDirectory']}"  # all that it may write to


def test_containers_are_reached_from_this_machine_alone(compose):
    service = compose["services"]["gatekeeper"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in compose["services"]["postgres"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] != "root"
    assert compose["services"]["postgres"]["profiles"] == ["postgres"]
    for one in compose["services"].values():
        assert set(one.get("secrets", [])) <= set(compose["secrets"])
    assert not [
        name
        for name in known_names()
        if name in service["environment"] and name.endswith(("TOKEN", "PASSWORD", "DATABASE_URL"))
    ]


def test_the_image_is_built_from_what_is_locked_and_runs_as_nobody_special(compose):
    text = (DEPLOY / "Containerfile").read_text()
    assert "--require-hashes -r deploy/requirements.lock" in text
    last = text[text.rindex("\nFROM ") :]
    user = re.search(r"^USER (\d+)$", last, re.M)
    assert user
    assert user[1] == compose["services"]["gatekeeper"]["user"]
    assert "HEALTHCHECK" in last
    assert "/healthz" in last
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for name in source.split():
            # what the licence and the reader's guide are called is asked for by pyproject.toml
            assert (TOP / name).exists() or name in {"README.md", "LICENSE"}, name


def test_the_lock_has_hashes_and_no_address():
    lock = (DEPLOY / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f)\b", lock, re.M)
    assert "://" not in lock


def test_a_lost_account_is_explained():
    assert "lost" in (DEPLOY / "README.md").read_text()
