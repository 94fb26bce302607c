"""init, adapters, version, policy, wrong use: what needs no service and no tables."""

import json
import re
import shutil
import stat

import pytest

from gatekeeper.cli import main, setup
from gatekeeper.keys import load_keys
from gatekeeper.policy_file import read_policy
from gatekeeper.settings import find_place, known_names, load_settings

ONE_LINE = re.compile(r"error: .+ \[[a-z.-]+\]( — .+)?\n")


def test_init_writes_what_a_club_begins_with(club, gatekeeper):
    names = {path.name for path in club.folder.iterdir()}
    assert names >= {
        *("house-rules.yaml", "house-rules.cases.yaml", "gatekeeper.toml", "FIRST-STEPS.md"),
        *("gatekeeper.schema.json", "data"),
    }
    first = (club.folder / "house-rules.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=gatekeeper.schema.json"
    written = (club.folder / "gatekeeper.schema.json").read_text()
    assert written == gatekeeper("policy", "schema")[1]
    load_keys(club.folder / "data/keys")
    assert stat.S_IMODE((club.folder / "data").stat().st_mode) == 0o700
    assert gatekeeper("policy", "check")[0] == 0
    assert gatekeeper("policy", "test")[0] == 0


def test_init_never_overwrites(club, gatekeeper):
    (club.folder / "house-rules.yaml").write_text("mine")
    before = load_keys(club.folder / "data/keys")
    code, out, _ = gatekeeper("init", ".")
    assert code == 0
    assert "kept house-rules.yaml" in out
    assert (club.folder / "house-rules.yaml").read_text() == "mine"
    assert load_keys(club.folder / "data/keys").record == before.record
    _, out, _ = gatekeeper("init", "--json")
    assert json.loads(out)["written"] == []


def with_tables(initialised, folder):
    """A folder with keys and tables, whose making takes a second each time."""
    shutil.copytree(initialised / "data", folder / "data")
    return folder


def test_init_takes_any_ready_policy(club, gatekeeper, tmp_path, initialised):
    for name in setup.ready():
        folder = with_tables(initialised, tmp_path / name)
        assert gatekeeper("init", str(folder), "--policy", name)[0] == 0
        assert {path.name for path in folder.glob("*.yaml")} == {
            f"{name}.yaml",
            f"{name}.cases.yaml",
        }
        assert find_place("policy", folder / "gatekeeper.toml") == folder / f"{name}.yaml"
        steps = (folder / "FIRST-STEPS.md").read_text()
        assert f"`{name}.yaml`" in steps
        assert "policies/README.md" in steps
        out = gatekeeper("init", str(folder))[1]  # once more: no other policy beside it
        assert f"kept {name}.yaml, which was there" in out
        assert gatekeeper("policy", "test", str(folder))[0] == 0
    code, _, err = gatekeeper("init", str(tmp_path / "x"), "--policy", "no-door")
    assert code == 2
    assert "house-rules, open-door" in err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", setup.ready())
def test_init_writes_any_ready_policy_for_a_workspace(
    name, gatekeeper, tmp_path, initialised, monkeypatch
):
    for variable in known_names():
        monkeypatch.delenv(variable, raising=False)
    folder = with_tables(initialised, tmp_path / name)
    _, said, _ = gatekeeper("init", str(folder), "--policy", name, "--platform", "slack")
    assert "wrote slack-manifest.yaml" in said
    policy = read_policy(folder / f"{name}.yaml")
    places = policy.club.spec.platforms
    assert places.matrix is None
    assert places.slack is not None
    assert places.slack.admin_channel.alias.startswith(places.slack.channel.alias)
    assert all(one.startswith("slack:T") for one in policy.club.spec.admins.people)
    for token in ("slack-bot-token", "slack-app-token"):
        (folder / token).write_text("a-token", "utf-8")
        (folder / token).chmod(0o600)
    settings = load_settings(folder / "gatekeeper.toml")
    assert settings.matrix is None
    assert settings.slack is not None
    steps = (folder / "FIRST-STEPS.md").read_text("utf-8")
    assert "slack-manifest.yaml" in steps
    assert "matrix" not in steps.lower()


def test_init_where_nothing_can_be_written(gatekeeper):
    code, _, err = gatekeeper("init", "house-rules.yaml/below")
    assert code == 1
    assert ONE_LINE.fullmatch(err)
    assert "[init-failed]" in err


def test_a_wrong_policy_is_told_with_its_place(club, gatekeeper):
    rules = (club.folder / "house-rules.yaml").read_text()
    (club.folder / "house-rules.yaml").write_text(rules.replace("openFor:", "openfor:"))
    code, out, err = gatekeeper("policy", "check")
    assert code == 1
    assert out == ""
    assert re.search(r"house-rules\.yaml:\d+:\d+: .*\[field-unknown\] — ", err)
    code, out, _ = gatekeeper("policy", "check", "--json")
    assert code == 1
    assert json.loads(out)[0]["code"] == "field-unknown"
    assert gatekeeper("policy", "test")[0] == 1


def test_a_case_that_fails(club, gatekeeper):
    cases = club.folder / "house-rules.cases.yaml"
    cases.write_text(cases.read_text().replace("verdict: decline", "verdict: admit", 1))
    code, out, _ = gatekeeper("policy", "test")
    assert code == 1
    assert "FAILED" in out


WRONG_USE = [
    ("members", "unknown"),
    ("applications", "show", "ada"),
    ("sweep", "plan", "--no-such-option"),
    ("serve", "--roles", "web,cook"),
    ("applications", "list", "--state", "nowhere"),
]


@pytest.mark.parametrize("words", WRONG_USE, ids=" ".join)
def test_wrong_use_is_told_in_one_line(gatekeeper, words):
    code, out, err = gatekeeper(*words)
    assert code == 2
    assert out == ""
    assert ONE_LINE.fullmatch(err), err


def test_wrong_settings_are_all_told_and_no_secret_is(club, gatekeeper, monkeypatch):
    monkeypatch.setenv("GATEKEEPER_BIND_PORT", "much")
    monkeypatch.setenv("GATEKEEPER_MATRIX__USER_ID", "syt_token_in_the_wrong_place")
    code, _, err = gatekeeper("sweep", "plan")
    assert code == 2
    assert len(err.splitlines()) == 2
    assert all(ONE_LINE.fullmatch(line + "\n") for line in err.splitlines())
    assert "syt_" not in err


def test_keys_that_lie_open_stop_everything(club, gatekeeper):
    (club.folder / "data/keys/record.key").chmod(0o644)
    code, _, err = gatekeeper("members", "list")
    assert code == 2
    assert "chmod 600" in err


def test_another_settings_file(club, gatekeeper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = club.folder / "gatekeeper.toml"
    assert gatekeeper("--settings", str(named), "members", "list")[0] == 0
    assert gatekeeper("--settings", "nowhere.toml", "members", "list")[0] == 2


def test_version_and_adapters(gatekeeper):
    assert "version" in json.loads(gatekeeper("version", "--json")[1])
    assert json.loads(gatekeeper("adapters", "--json")[1])[0]["factory"] == (
        "tests.cli.double:platform"
    )


def test_a_platform_without_an_adapter_is_told(club, gatekeeper, monkeypatch):
    monkeypatch.setattr("gatekeeper.plugins.adapters", dict)
    code, _, err = gatekeeper("sweep", "plan")
    assert code == 2
    assert "no adapter for it is installed" in err


def every_command():
    from typer.main import get_command

    for name, command in get_command(main.app).commands.items():
        for inner in getattr(command, "commands", {"": command}):
            yield (name, inner) if inner else (name,)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_command_speaks_json_and_says_what_it_does(words, capsys):
    assert main.run([*words, "--help"]) == 0
    told = capsys.readouterr().out
    assert "--json" in told
    assert len(told.split()) > 10
