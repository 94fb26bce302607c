"""policy simulate: over a club with a past, in a process of its own and in ours."""

import json
import os
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from gatekeeper.cli.simulate import sweeps
from gatekeeper.domain.activity import Coverage
from gatekeeper.domain.applications import Application, State
from gatekeeper.domain.memberships import Membership
from gatekeeper.policy.faster import BackendsDiffer, Checked
from gatekeeper.usecases import adopt, by_operator, review, sweep
from gatekeeper.usecases.parts import account_of, club_state
from tests.policy.builders import NOW, a_policy

ANSWERS = (
    "Ships.",
    "I would like to learn how the clocks of ships are mended.",
    "Come to our casino, there is a lot to win tonight, and tomorrow too.",
    "I have heard of you from a friend, who says that you are kind people.",
)
SILENT = {"carl": 100, "eve": 85, "ada": 1}  # days


@pytest.fixture
def past(club):
    """Applications that rules and an operator decided, a sweep, and members of long standing."""

    async def live(parts):
        for platform in parts.platforms.values():
            await platform.connect()
        await adopt.adopt(parts, "operator:root")
        await _age(parts)
        await sweep.run(parts, "the first")
        for number, why in enumerate(ANSWERS):
            made = await _apply(parts, number, why)
            if number in (1, 3):
                await by_operator.decide_by_operator(parts, made, number == 3, "not-a-fit", "root")

    club.within(live)
    return club


async def _age(parts):
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        long_ago = now - timedelta(days=200)
        await tx.add(Coverage(club=parts.club, platform="matrix", start=long_ago, end=now))
        await tx.change(await club_state(tx), watched_since=long_ago)
        for member in await tx.find(Membership):
            days = SILENT.get(member.identity.account[1:].partition(":")[0], 0)
            seen = now - timedelta(days=days)
            await tx.change(member, since=long_ago, known_since=long_ago, last_seen_at=seen)


async def _apply(parts, number, why):
    platform = next(iter(parts.platforms.values()))
    who = platform.person(f"@guest{number}:example.org")
    async with parts.store.transaction(parts.club) as tx:
        now = parts.clock.now()
        account = await account_of(tx, who, f"Guest {number}", now)
        app = await tx.add(
            Application(
                club=parts.club,
                person_id=account.person_id,
                identity=who,
                name=f"Guest {number}",
                origin="web",
                state=State.IN_REVIEW,
                answers={"why": why, "rules": True},
                submitted_at=now,
                policy=parts.policy.digest,
            )
        )
    await review.open_review(parts, app.id)
    return app.id


@pytest.fixture
def new(club):
    """The club's policy, which declines whoever writes less than 50 letters, and asks sooner."""
    text = (club.folder / "house-rules.yaml").read_text("utf-8")
    for old, fresh in (("fewest_letters: 20", "fewest_letters: 60"), ("after: 90d", "after: 80d")):
        assert old in text
        text = text.replace(old, fresh)
    (club.folder / "new.yaml").write_text(text, "utf-8")
    return "new.yaml"


def test_the_past_under_another_policy(past, new, gatekeeper):
    code, out, err = gatekeeper("policy", "simulate", new, "--since", "30d")
    assert (code, err) == (0, "")
    assert "4 applications were judged." in out
    assert "review → decline: 1" in out
    assert "Of those that the admins decided by hand, NEW would decide 1 as they did" in out
    assert "let be → ask: 1" in out
    assert "These rules matched nobody in all that time: cooldown" in out
    found = json.loads(gatekeeper("policy", "simulate", new, "--json")[1])
    cells = {(c["old"], c["new"]): c["count"] for c in found["applications"]["cells"]}
    assert cells == {("decline", "decline"): 2, ("wait", "decline"): 1, ("wait", "wait"): 1}
    assert found["applications"]["agreement"] == {
        "alike": 1,
        "otherwise": 0,
        "left_to_admins": 1,
    }
    assert found["applications"]["unlike_record"] == found["members"]["unlike_record"] == 0
    assert found["known"]["sweeps"] == 1
    never = {hit["rule"] for hit in found["applications"]["hits"] if hit["never"]}
    assert never == {"cooldown", "removed-before"}


def test_the_same_policy_changes_nothing(past, gatekeeper):
    found = json.loads(gatekeeper("policy", "simulate", "house-rules.yaml", "--json")[1])
    assert found["applications"]["changed"] == found["members"]["changed"] == 0
    assert found["old"]["digest"] == found["new"]["digest"]
    assert (
        "Every answer stays as it is."
        in gatekeeper(
            "policy", "simulate", "house-rules.yaml", "--old", found["old"]["digest"][:8]
        )[1]
    )


def test_a_forecast_names_them_with_dates_and_rules(past, new, gatekeeper):
    code, out, _ = gatekeeper("policy", "simulate", new, "--forecast", "30d")
    assert code == 0
    assert "of 5 members" in out
    assert "@eve:example.org" in out
    assert "@ada:example.org" not in out.split("If nobody gives a sign")[1]
    assert "Nobody is removed before an admin has confirmed it." in out
    found = json.loads(gatekeeper("policy", "simulate", new, "--forecast", "30d", "--json")[1])
    lines = [(line["name"], line["verdict"], line["rule"]) for line in found["forecast"]["lines"]]
    assert ("Eve", "notify", "quiet") in lines
    assert {name for name, _, _ in lines} == {"Carl", "Eve"}
    assert sum(found["forecast"]["counts"].values()) == 5


def test_values_of_a_param_as_a_table(past, new, gatekeeper):
    ask = ("--param", "quiet_after=60d..120d/30d", "--forecast", "1w")
    code, out, _ = gatekeeper("policy", "simulate", new, *ask)
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.endswith(tuple("0123456789"))]
    assert [row[0] for row in rows[-3:]] == ["60d", "90d", "120d"]
    found = json.loads(gatekeeper("policy", "simulate", new, *ask, "--json")[1])["params"]
    assert [row["values"] for row in found] == [
        {"quiet_after": value} for value in ("60d", "90d", "120d")
    ]
    assert all(sum(row["members"].values()) == 5 for row in found)
    kept = [row["members"]["keep"] for row in found]
    assert kept == sorted(kept)
    assert all("applications" not in row for row in found)


def test_several_params_as_a_grid(past, new, gatekeeper):
    ask = ("--param", "fewest_letters=0..60/20", "--param", "most_links=0,2")
    found = json.loads(gatekeeper("policy", "simulate", new, *ask, "--json")[1])["params"]
    assert len(found) == 8
    assert found[1]["values"] == {"fewest_letters": "0", "most_links": "2"}
    assert all(sum(row["applications"].values()) == 4 for row in found)
    assert [row["applications"]["decline"] for row in found[::2]] == [1, 2, 2, 3]


PICTURES = [
    ("one.png", ("--param", "quiet_after=60d..180d", "--forecast", "30d")),
    ("one.svg", ("--param", "fewest_letters=0..80/5")),
    ("two.png", ("--param", "quiet_after=60d..180d", "--param", "least_seen=0.5..1.0/0.25")),
    ("odd.png", ("--param", "advertising=$a_b$,\u65e5\u672c,x\ty")),
    ("both.svg", ("--param", "fewest_letters=0..80", "--param", "quiet_after=60d,90d")),
]


@pytest.mark.parametrize(("name", "ask"), PICTURES)
def test_pictures_are_drawn(past, new, gatekeeper, name, ask):
    code, out, err = gatekeeper("policy", "simulate", new, *ask, "--picture", name)
    assert (code, err) == (0, "")
    assert f"The picture is in {name}." in out
    drawn = past.folder / name
    if name.endswith(".png"):
        assert drawn.read_bytes().startswith(b"\x89PNG")
    else:
        assert ElementTree.parse(drawn).getroot().tag.endswith("svg")


def test_a_policy_on_trial_is_shown_as_if_it_acted(past, new, gatekeeper):
    text = (past.folder / new).read_text("utf-8")
    assert "  mode: enforce" in text
    (past.folder / new).write_text(text.replace("  mode: enforce", "  mode: audit"), "utf-8")
    code, out, _ = gatekeeper("policy", "simulate", new, "--forecast", "30d")
    assert code == 0
    assert "PruningPolicy is in audit mode" in out
    assert "@eve:example.org" in out


# ---- What cannot be done -----------------------------------------------------------------------

REFUSED = [
    ((), 1, "no-past"),
    (("--since", "soon"), 2, "bad-duration"),
    (("--forecast", "20"), 2, "bad-duration"),
    (("--forecast", "4000d"), 2, "forecast-too-long"),
    (("--old", "abcdef"), 2, "no-such-version"),
    (("--param", "nothing=1..2"), 2, "param-unknown"),
    (("--param", "quiet_after"), 2, "param-not-a-range"),
    (("--param", "quiet_after=1..2"), 2, "param-wrong-type"),
    (("--param", "quiet_after=1d..900d/1d"), 2, "param-too-many"),
    (("--param", "quiet_after=1d", "--param", "quiet_after=2d"), 2, "param-twice"),
    (("--param", "fewest_letters=0..80"), 1, "no-past"),
    (("--picture", "one.png"), 2, "picture-needs-param"),
    (("--picture", "one.jpg", "--param", "quiet_after=1d"), 2, "picture-bad-name"),
]


@pytest.mark.parametrize(("ask", "exit_code", "why"), REFUSED)
def test_what_cannot_be_done_is_said_in_one_line(club, new, gatekeeper, ask, exit_code, why):
    code, out, err = gatekeeper("policy", "simulate", new, *ask)
    assert (code, out) == (exit_code, "")
    assert f"[{why}]" in err
    assert err.count("\n") == 1


def test_three_params_make_no_picture(club, new, gatekeeper):
    params = [f"--param={name}" for name in ("quiet_after=1d", "newcomer_for=1d", "most_links=1")]
    code, _, err = gatekeeper("policy", "simulate", new, *params, "--picture", "x.svg")
    assert (code, "[picture-too-many-params]" in err) == (2, True)


def test_a_policy_with_findings_is_told_all_of_them(club, gatekeeper):
    text = (club.folder / "house-rules.yaml").read_text("utf-8")
    wrong = text.replace("member.silent", "member.silence").replace(
        "quiet_after: 90d", "quiet: 90d"
    )
    (club.folder / "wrong.yaml").write_text(wrong, "utf-8")
    code, out, err = gatekeeper("policy", "simulate", "wrong.yaml")
    assert (code, out) == (2, "")
    assert "wrong.yaml:" in err
    assert "[condition-unknown-name]" in err


def test_a_file_that_is_not_there_is_wrong_use(club, gatekeeper):
    code, _, err = gatekeeper("policy", "simulate", "nowhere.yaml")
    assert (code, "nowhere.yaml" in err) == (2, True)


def test_platforms_that_are_down(past, new, gatekeeper, monkeypatch):
    """The recorded past is decided again all the same; a forecast has to wait."""
    monkeypatch.setenv("DOUBLE_DOWN", "1")
    code, out, _ = gatekeeper("policy", "simulate", new)
    assert code == 0
    assert "4 applications were judged." in out
    assert "could not be asked (platform-down)" in out
    code, _, err = gatekeeper("policy", "simulate", new, "--forecast", "30d")
    assert (code, "[platform-down]" in err) == (3, True)


def test_nothing_is_changed(past, new, gatekeeper):
    before = json.loads(gatekeeper("audit", "verify", "--json")[1])
    gatekeeper("policy", "simulate", new, "--forecast", "60d", "--param", "quiet_after=1d..9d/1d")
    assert json.loads(gatekeeper("audit", "verify", "--json")[1]) == before


def test_long_work_shows_progress_on_a_terminal(past, new, gatekeeper, monkeypatch):
    monkeypatch.setattr("gatekeeper.cli.meter.on_terminal", lambda: True)
    _, _, err = gatekeeper("policy", "simulate", new, "--forecast", "1d")
    assert "Making members again: 5 of 5" in err
    assert "Foreseeing members: 5 of 5" in err
    assert err.endswith("\r\033[K")


def test_reading_many_variants_shows_progress_on_a_terminal(past, new, gatekeeper, monkeypatch):
    monkeypatch.setattr("gatekeeper.cli.meter.on_terminal", lambda: True)
    _, _, err = gatekeeper("policy", "simulate", new, "--param", "fewest_letters=0..20/5")
    assert "Reading the policy with other values: 3 of 5" in err
    assert err.endswith("\r\033[K")


CHATTY = """\
      - id: chatty
        condition: size(application.answers.why) > 50
        output: {decision: admit}
        mode: audit
"""


def test_what_is_on_trial_in_the_new_file_is_tried_too(past, gatekeeper):
    text = (past.folder / "house-rules.yaml").read_text()
    default = "      - id: default"
    (past.folder / "trial.yaml").write_text(text.replace(default, CHATTY + default, 1))
    code, out, _ = gatekeeper("policy", "simulate", "trial.yaml", "--forecast", "1d")
    assert code == 0
    assert "With rule chatty in force as well, 2 answers would change:" in out
    assert "What is on trial is tried on the past alone" in out
    told = json.loads(gatekeeper("policy", "simulate", "trial.yaml", "--json")[1])
    [trial] = told["trials"]
    assert (trial["trial"], trial["changed"], trial["kind"]) == ("rule:chatty", 2, "application")
    assert told["applications"]["changed"] == 0


def test_one_sweep_is_said_as_one(past, new, gatekeeper):
    assert "In 1 sweep members" in gatekeeper("policy", "simulate", new)[1]


WHEN = [("0 6 * * MON", 5), ("0 6 * * *", 30), ("*/5 * * * *", 30), ("0 0 1 1 *", 0)]


@pytest.mark.parametrize(("cron", "count"), WHEN)
def test_sweeps_of_the_coming_month(cron, count):
    """By the schedule; every five minutes would be 8640, so that each day has to do."""
    policy = a_policy(("0 6 * * MON", cron))
    moments = sweeps(policy, NOW, NOW + timedelta(days=30))
    assert len(moments) == count
    assert list(moments) == sorted(moments)
    assert all(NOW < at <= NOW + timedelta(days=30) for at in moments)


def test_it_is_quiet_in_a_pipe_and_draws_without_a_display(past, new):
    environment = past.environment
    environment.pop("DISPLAY", None)
    environment["MPLBACKEND"] = "TkAgg"
    done = past.run(
        *("policy", "simulate", new, "--param", "quiet_after=60d..90d/10d", "--picture", "x.png")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert os.path.getsize(past.folder / "x.png") > 10_000


def test_when_the_backends_differ_the_surer_one_judges_all_anew(past, new, gatekeeper, monkeypatch):
    def differ(self, facts, now):
        raise BackendsDiffer(rule="default")

    ask = ("--forecast", "30d", "--param", "fewest_letters=0..60/20")
    right = json.loads(gatekeeper("policy", "simulate", new, *ask, "--json")[1])
    monkeypatch.setattr(Checked, "bits", differ)
    code, out, _ = gatekeeper("policy", "simulate", new, *ask)
    assert code == 0
    assert "The two ways to evaluate conditions differed" in out
    found = json.loads(gatekeeper("policy", "simulate", new, *ask, "--json")[1])
    assert (right["slower"], found["slower"]) == (False, True)
    for name in ("applications", "members", "params"):
        assert found[name] == right[name]
