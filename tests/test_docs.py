"""The documents say what the code does: codes, commands, settings, words, diagrams, links."""

import re
from pathlib import Path

import pytest

from gatekeeper.cli.main import exit_code
from gatekeeper.domain import applications
from gatekeeper.domain.activity import Kind
from gatekeeper.policy.texts import languages, placeholders
from gatekeeper.settings import MatrixSettings, Settings, SlackSettings, SmtpSettings
from gatekeeper.usecases import chat, disputes, link, vouch, words
from tests import docs_support as support

TOP = support.TOP
README = (TOP / "README.md").read_text("utf-8")
ARCHITECTURE = (TOP / "gatekeeper" / "ARCHITECTURE.md").read_text("utf-8")
COMMANDS = support.commands()


def named(text: str, pattern: str) -> set[str]:
    """What stands in code quotes and matches as a whole."""
    return {word for word in re.findall(r"`([^`\n]+)`", text) if re.fullmatch(pattern, word)}


# ---- Codes -------------------------------------------------------------------------------------


def test_every_error_stands_with_its_exit_code_and_no_other():
    rows = {
        int(row[0]): set(re.findall(r"`([a-z.-]+)`", row[1]))
        for row in re.findall(r"(?m)^\| ([0-3]) \|[^|]*\| ?(.*)\|$", README)
    }
    # What only ever becomes a page has no exit code.
    errors = [each for each in support.error_classes() if not each.code.startswith("web.")]
    codes = {code: {e.code for e in errors if exit_of(e) == code} for code in (1, 2, 3)}
    assert {code: rows[code] for code in (1, 2, 3)} == codes


def exit_of(kind: type) -> int:
    """A class's exit code: it depends on class and code alone."""
    return exit_code(kind.__new__(kind))


def test_every_code_of_the_pages_is_told():
    codes = {each.code for each in support.error_classes() if each.code.startswith("web.")}
    assert named(README, r"web\.[a-z-]+") == codes


# ---- Commands ----------------------------------------------------------------------------------


def test_every_command_is_in_readme_and_no_other():
    told = set()
    words = r"gatekeeper ((?:[a-z]+(?:-[a-z]+)* ?)+)"
    for written in re.findall(words, README.split("## Commands")[1]):
        first, *rest = written.split()
        told |= {first, f"{first} {rest[0]}"} if rest else {first}
    assert set(COMMANDS) - told == set()
    table = README.split("## Commands")[1].split("| exit |")[0]
    for written in re.findall(r"`gatekeeper ([^`]+)`", table):
        assert command_of(written) in COMMANDS, written


def command_of(written: str) -> str:
    """The words of a command line that name the command."""
    plain = re.sub(r"[\[\]|]", " ", written).split()
    for length in (2, 1):
        if " ".join(plain[:length]) in COMMANDS:
            return " ".join(plain[:length])
    return written


@pytest.mark.parametrize("document", ["README.md", "deploy/README.md", "policies/README.md"])
def test_what_documents_tell_to_type_is_understood(document):
    text = (TOP / document).read_text("utf-8")
    for written in re.findall(r"(?m)(?:`|^\s*|-- |^\$ )gatekeeper ([a-z][^`\n#]*)", text):
        name = command_of(written)
        assert name in COMMANDS, f"{document}: gatekeeper {written}"
        unknown = set(re.findall(r"--[a-z-]+", written)) - support.options(COMMANDS[name])
        assert not unknown, f"{document}: gatekeeper {written}: {unknown}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_takes_json(name):
    command = COMMANDS[name]
    assert (command.help or "").strip().endswith((".", ")")), name
    assert "--json" in support.options(command)
    for each in command.params:
        assert getattr(each, "help", "") or each.opts == ["--help"], f"{name} {each.opts}"


def test_make_targets_are_those_of_the_makefile():
    told = set(re.findall(r"(?m)(?:`|^)make ([a-z]+)", README))
    assert told <= set(support.targets())
    assert {"demo", "test", "serve", "check", "bench"} <= told


# ---- Settings and words --------------------------------------------------------------------------


def test_every_setting_is_told():
    table = README.split("## Settings")[1].split("\n## ")[0]
    told = {
        name for row in re.findall(r"(?m)^\| (`.+?) \|", table) for name in named(row, r"[a-z_.]+")
    }
    platforms = {"matrix": MatrixSettings, "slack": SlackSettings, "smtp": SmtpSettings}
    of_platforms = {f"{name}.{one}" for name, its in platforms.items() for one in its.model_fields}
    assert told == of_platforms | (set(Settings.model_fields) - set(platforms))


def test_words_are_heard_as_told():
    source = (TOP / "gatekeeper/usecases/words.py").read_text("utf-8")
    heard = set(re.findall(r'word == "([a-z]+)"', source))
    assert {word.removeprefix("!gk ") for word in named(README, r"!gk [a-z]+")} == heard
    assert named(README, r"![a-z]+") == set(words.PREFIXES)
    section = README.split("**Members and applicants**")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`.+?) \|", section)
    told = {word for row in rows for word in re.findall(r"`([^`]+)`", row)}
    known = chat.HERE | chat.ASKS | chat.WITHDRAW | {"stop"}
    assert {word for word in told if word not in known} == {
        word
        for word in told
        if chat.AWAY.match(word)
        or disputes.WRONG.match(word)
        or vouch.heard(word)
        or link.heard(word) is not None
    }
    assert (chat.ASKS - {"?"}) | chat.WITHDRAW | {"stop", "here"} <= told


# ---- Dependencies ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", support.dependencies())
def test_every_dependency_is_accounted_for(name):
    section = ARCHITECTURE.split("## Dependencies")[1].split("\n## ")[0]
    assert f"`{name}`" in section


def test_every_file_of_the_policy_has_its_place_in_the_map():
    section = ARCHITECTURE.split("## The policy")[1].split("\n## ")[0].split("\n- **")[0]
    told = [name for row in re.findall(r"(?m)^\|.*\|$", section) for name in named(row, r"\w+\.py")]
    files = (TOP / "gatekeeper" / "policy").glob("*.py")
    assert sorted(told) == sorted(file.name for file in files if file.name != "__init__.py")


def test_no_dependency_is_told_that_is_gone():
    section = ARCHITECTURE.split("## Dependencies")[1].split("\n## ")[0]
    told = {name for row in re.findall(r"(?m)^\| (.+?) \|", section) for name in named(row, r"\S+")}
    assert told == set(support.dependencies())


def test_the_release_has_its_section():
    changes = (TOP / "gatekeeper" / "CHANGES.md").read_text("utf-8")
    assert re.search(r"(?m)^## (\S+)", changes)[1].rstrip(",") == support.project()["version"]


# ---- Links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", support.DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_links_lead_somewhere(document):
    text = re.sub(r"(?s)```.*?```", "", document.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (document.parent / file).resolve() if file else document
        assert there.exists(), f"{document}: {target}"
        assert not heading or heading in headings(there), f"{document}: {target}"


def headings(document: Path) -> set[str]:
    """The anchors of a document, as they are made from its headings."""
    found = re.findall(r"(?m)^#+ (.+)$", document.read_text("utf-8"))
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in found}


# ---- Texts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", [each for each in languages() if each != "en"])
def test_languages_say_the_same(language):
    english, other = support.catalogue("en"), support.catalogue(language)
    assert set(english) ^ set(other) == set()
    for code, said in english.items():
        wanted, found = (
            {n for each in forms for n in placeholders(each)} for forms in (said, other[code])
        )
        assert wanted == found, code
        assert all(other[code]), code


def test_every_code_that_is_spoken_has_a_sentence():
    known = set(support.catalogue("en"))
    lost = {
        f"{where}: {code}"
        for code, where in support.spoken()
        if re.fullmatch(r"[a-z][a-z.-]*[a-z]", code)
        and not {code, code.removeprefix("refused.")} & known
    }
    assert lost == set()


# Where a chat answers, a refusal is said as refused.<reason>; a page and the command line say the
# reason itself.
IN_CHATS = ("votes.py", "words.py", "words_on_removals.py", "absences.py")
ON_PAGES = ("apply.py", "passes.py", "proof.py", "links.py", "comeback.py", "absences.py", "/cli/")


def test_what_is_refused_has_a_sentence_where_it_is_said():
    known = set(support.catalogue("en"))
    refused = [(code, where) for code, where in support.spoken() if code.startswith("refused.")]
    lost = [
        f"{where}: {said}"
        for code, where in refused
        for said, places in ((code, IN_CHATS), (code.removeprefix("refused."), ON_PAGES))
        if any(f"/{place.strip('/')}" in where for place in places) and said not in known
    ]
    assert lost == []


def test_families_of_codes_are_whole():
    """What is put together while running: each member of a family has its sentence."""
    known = set(support.catalogue("en"))
    acts = {act for act, _ in support.literals("act") if act}
    wanted = {f"purpose.{purpose}" for purpose, _ in support.literals("purpose") if purpose}
    wanted |= {f"standing.{state.value}" for state in applications.State}
    wanted |= {f"kind.{kind.value}" for kind in Kind}
    wanted |= {f"link.{act}{part}" for act in acts for part in ("", ".headline", ".button")}
    wanted |= {f"link.{act}.done" for act in acts - {"comeback"}}
    wanted |= {code.removesuffix(".remedy") for code in known if code.endswith(".remedy")}
    assert wanted - known == set()
