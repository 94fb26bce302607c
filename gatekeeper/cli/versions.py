"""policy history, show, rollback, promote, trials: which rules were in force, and what waits."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatekeeper.cli import frame, render
from gatekeeper.cli.frame import Json, Yes, actor
from gatekeeper.domain.clubs import ClubState
from gatekeeper.domain.errors import BadInput, SettingsError
from gatekeeper.reading import read_text

if TYPE_CHECKING:
    from gatekeeper.usecases.parts import Parts
    from gatekeeper.usecases.versions import Chapter

SHORT: Final = 12
NEWEST: Final = 20

Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="A version's digest, or how it begins.")
]


def add_to(policy: typer.Typer) -> None:
    """Add the commands of this module to the group `policy`."""
    policy.command("history")(history)
    policy.command("show")(show)
    policy.command("rollback")(rollback)
    policy.command("promote")(promote)
    policy.command("trials")(trials)


def _file_digest() -> str:
    """Of the policy's file as it lies there, "" where it cannot be read."""
    from gatekeeper import policy_file

    try:
        text = read_text(frame.place("policy"))
    except SettingsError:
        return ""
    return policy_file.digest_of(text)


async def _state(parts: "Parts") -> ClubState:
    async with parts.store.look(parts.club) as tx:
        found = await tx.first(ClubState)  # none before the service was first started
    return found or ClubState(club=parts.club, created_at=parts.clock.now())


# ---- Looking -----------------------------------------------------------------------------------


def history(
    every: Annotated[bool, typer.Option("--all", help=f"Not the newest {NEWEST} alone.")] = False,
    as_json: Json = False,
) -> None:
    """Each version that came into force: when, by whom, what it changed, how many decisions."""
    from gatekeeper.usecases import versions
    from gatekeeper.usecases.naming import said_by

    most = None if every else NEWEST

    async def work() -> tuple[list["Chapter"], dict[str, str], ClubState, list[str]]:
        async with frame.club() as club:
            parts, state = club.parts, await _state(club.parts)
            found = await versions.history(parts, most)
            async with parts.store.look(parts.club) as tx:
                names = {c.change.actor: await said_by(tx, c.change.actor) for c in found}
            return found, names, state, _standing(parts, state)

    chapters, names, state, standing = frame.run(work())
    if as_json:
        render.show_json(
            {
                "in_force": state.policy,
                "file": _file_digest(),
                "set_aside": state.policy_aside,
                "waits": state.policy_pending,
                "history": [
                    {**render.plain(each.change), "words": each.words, "decisions": each.decisions}
                    for each in chapters
                ],
            }
        )
        return
    render.table(
        ("version", "since", "by", "how", "decisions", ""),
        [
            (
                each.change.digest[:SHORT],
                each.change.at,
                names[each.change.actor],
                each.change.reason,
                each.decisions,
                "; ".join(each.words) or None,
            )
            for each in chapters
        ],
    )
    for line in standing:
        render.say(line)


def _standing(parts: "Parts", state: ClubState) -> list[str]:
    """Where file and version in force differ, and why; nothing where they do not."""
    found = _file_digest()
    values = {"version": state.policy[:SHORT], "file": found[:SHORT] or "-"}
    if not state.policy:
        return [parts.say("policy-standing-none", values)]
    if state.policy_pending:
        return [parts.say("policy-standing-waits", values)]
    if state.policy_aside and state.policy_aside == found:
        return [parts.say("policy-standing-aside", values)]
    return [] if found == state.policy else [parts.say("policy-standing-differs", values)]


def show(digest: Digest, as_json: Json = False) -> None:
    """The text of a version."""
    from gatekeeper.usecases import versions

    async def work() -> Any:
        async with frame.club() as club:
            return await versions.find(club.parts, digest)

    found = frame.run(work())
    if as_json:
        render.show_json(found)
    else:
        print(found.text, end="" if found.text.endswith("\n") else "\n")


def trials(as_json: Json = False) -> None:
    """What rules and documents in audit mode would have decided otherwise, with some names."""
    from gatekeeper.usecases import trials as use

    async def work() -> tuple[list[use.Gathered], list[str]]:
        async with frame.club() as club:
            async with club.parts.store.look(club.parts.club) as tx:
                found = await use.gathered(tx)
            lines = [*use.sentences(club.parts, found)] or [club.parts.say("trials-none")]
            return found, lines

    found, lines = frame.run(work())
    if as_json:
        render.show_json(found)
        return
    for line in lines:
        render.say(line)


# ---- Deciding ----------------------------------------------------------------------------------


def rollback(
    digest: Annotated[
        str, typer.Argument(metavar="DIGEST", help="An earlier version, or how it begins.")
    ] = "",
    release: Annotated[
        bool, typer.Option("--release", help="Let the file count again that was left aside.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Let an earlier version be in force again; shows first what that changes."""
    from gatekeeper.usecases import versions

    if bool(digest) == release:
        raise BadInput({"digest": "one-of-digest-and-release"})

    async def work() -> tuple[list[str], str]:
        async with frame.club() as club:
            parts, state = club.parts, await _state(club.parts)
            if release:
                return await _release(parts, state, yes), state.policy_aside
            target = (await versions.find(parts, digest)).digest
            lines = await _plan(parts, state, target)
            if yes:
                await versions.rollback(parts, target, actor(), _file_digest())
                lines = [parts.say("policy-rolled-back", _named(target, state.policy))]
            return lines, target

    lines, target = frame.run(work())
    _tell(lines, target, yes, as_json)


async def _release(parts: "Parts", state: ClubState, yes: bool) -> list[str]:
    from gatekeeper.usecases import versions

    values = {"version": state.policy_aside[:SHORT]}
    if not state.policy_aside:
        return [parts.say("policy-nothing-aside")]
    if yes:
        await versions.release(parts, actor())
    return [parts.say("policy-released" if yes else "policy-would-release", values)]


async def _plan(parts: "Parts", state: ClubState, target: str) -> list[str]:
    """What would change with another version in force."""
    from gatekeeper.policy.promotions import promotions
    from gatekeeper.usecases import versions

    before = await versions.load(parts, state.policy) if state.policy else parts.policy
    after = await versions.load(parts, target)
    return [
        parts.say("policy-would-change", _named(target, state.policy)),
        *(parts.say(one.code, one.values) for one in promotions(before, after)),
        *versions.words(before, after),
    ]


def _named(version: str, before: str) -> dict[str, str]:
    return {"version": version[:SHORT], "before": before[:SHORT] or "-"}


def promote(yes: Yes = False, as_json: Json = False) -> None:
    """Put in force what waits for a word; shows first what it would newly apply."""
    from gatekeeper.usecases import versions

    async def work() -> tuple[list[str], str]:
        async with frame.club() as club:
            parts, state = club.parts, await _state(club.parts)
            target = state.policy_pending
            if not target:
                return [parts.say("policy-nothing-waits")], ""
            if yes:
                await versions.promote(parts, actor(), target)
                return [parts.say("policy-promoted", _named(target, state.policy))], target
            lines = await _plan(parts, state, target)
            return [*lines, *await _gathered(parts, state, target)], target

    lines, target = frame.run(work())
    _tell(lines, target, yes and bool(target), as_json)


async def _gathered(parts: "Parts", state: ClubState, target: str) -> list[str]:
    """What was noted while it was on trial."""
    from gatekeeper.policy.promotions import promotions
    from gatekeeper.usecases import pending, versions

    policy = await versions.load(parts, target)
    found = promotions(await versions.load(parts, state.policy), policy)
    since = parts.clock.now() - pending.LOOK_BACK
    async with parts.store.look(parts.club) as tx:
        return [*await pending.describe(tx, parts, found, since)]


def _tell(lines: list[str], target: str, done: bool, as_json: bool) -> None:
    from gatekeeper.policy.texts import sentence

    if as_json:
        render.show_json({"version": target, "lines": lines, "done": done})
        return
    for line in lines:
        render.say(line)
    if target:
        render.say(sentence("policy-soon" if done else "policy-say-yes"))
