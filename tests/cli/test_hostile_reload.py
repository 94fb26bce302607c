"""A policy's file that turns into anything at all under a running service: nothing comes of it."""

import os
import signal
import threading
import time

import pytest

from gatekeeper.domain.clubs import ClubState, PolicyChange, PolicyVersion
from tests.cli.test_versions import SECONDS, ready, until, version_with

BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


def of_text(text):
    return lambda path: path.write_bytes(text)


EVIL = {
    "gone": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "itself": lambda path: path.symlink_to(path),
    "empty": of_text(b""),
    "binary": of_text(bytes(range(256)) * 100),
    "bomb": of_text(BOMB.encode()),
    "deep": of_text(b"[" * 100_000),
    "huge": of_text(b"a: 1\n" * 2_000_000),
}


def clear(path):
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def until_code(club, wanted):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if (found := ready(club))["code"] == wanted:
            return
        time.sleep(0.1)
    raise AssertionError((wanted, found, club.log[-2000:]))


def in_force(club):
    async def look(tx):
        return await tx.first(ClubState)

    return until(club, look).policy


def test_whatever_becomes_of_the_file_the_version_in_force_stays(club):
    path = club.folder / "house-rules.yaml"
    good = path.read_bytes()
    with club.served() as service:
        before = in_force(club)
        for make in EVIL.values():
            clear(path)
            make(path)
            service.send_signal(signal.SIGHUP)  # no need to wait for its next look
            until_code(club, "policy-file-wrong")
            assert ready(club)["ok"]
            assert club.within(_version) == before
            clear(path)
            path.write_bytes(good)
            service.send_signal(signal.SIGHUP)
            until_code(club, "")
        assert "Traceback" not in club.log
        assert club.within(_version) == before


async def _version(parts):
    async with parts.store.look(parts.club) as tx:
        return (await tx.first(ClubState)).policy


@pytest.mark.parametrize("killed", [False, True], ids=["runs", "killed"])
def test_twenty_edits_a_second_leave_whole_versions(club, killed):
    """Written in pieces, renamed over, torn: what comes into force is always a text as it was."""
    path = club.folder / "house-rules.yaml"
    good = path.read_text()
    written, stop = {good}, threading.Event()

    def edit():
        for number in range(10_000):
            if stop.is_set():
                return
            text = good.replace("A friendly club", f"A club of {number} friends")
            written.add(text)
            if number % 3:
                path.write_text(text)
            elif number % 2:
                (club.folder / "new.yaml").write_text(text)
                (club.folder / "new.yaml").rename(path)
            else:  # torn in the middle, for a while
                path.write_text(text[: len(text) // 2])
                time.sleep(0.02)
                path.write_text(text)
            time.sleep(0.05)

    editor = threading.Thread(target=edit)
    with club.served() as process:
        editor.start()
        time.sleep(3)
        if killed:
            process.kill()
            process.wait(10)
        else:
            assert club.readyz() == 200
        stop.set()
        editor.join()
        path.write_text(good.replace("A friendly club", "The last word"))
        if not killed:
            until(club, version_with("The last word"))
    if killed:
        with club.served():
            until(club, version_with("The last word"))
    written.add(path.read_text())

    async def kept(tx):
        return await tx.find(PolicyVersion), await tx.find(PolicyChange, order="id")

    versions, changes = until(club, kept)
    assert {one.text for one in versions} <= written
    assert [one.before for one in changes][1:] == [one.digest for one in changes][:-1]
    assert "Traceback" not in club.log
