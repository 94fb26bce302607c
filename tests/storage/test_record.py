"""The record of decisions: whatever is changed behind our back is found."""

import re
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.domain.decisions import Decision, Verdict
from gatekeeper.domain.errors import RecordBroken
from gatekeeper.storage import record
from gatekeeper.storage.store import TortoiseStore
from gatekeeper.testing.store_samples import NOON
from tests.storage.fresh import RECORD_KEY

CLUB = "lutes"
TEXTS = ["at", "actor", "subject", "verdict", "code", "sentence", "policy", "input_digest", "mac"]


async def write(store: TortoiseStore, number: int, club: str = CLUB) -> None:
    """So many rows, each with its input."""
    async with store.transaction(club) as tx:
        for each in range(number):
            await tx.record(
                Decision(Verdict.ADMIT, "quorum"),
                at=NOON,
                actor="rule:x",
                subject=f"person:{each}",
                sentence="You are in. é",
                policy="digest",
                seen={"said": each},
            )


async def broken(store: TortoiseStore) -> int:
    """The sequence at which the record is found to be broken."""
    with pytest.raises(RecordBroken) as found:
        await store.verify(CLUB)
    return int(found.value.values["sequence"])


@pytest.mark.parametrize("column", [*TEXTS, "id", "club"])
async def test_one_changed_letter_in_any_column(store, tamper, column):
    """Also where the meaning stays: a moment written in another way."""
    await write(store, 5)
    for sequence in (1, 3, 5):
        change = f"substr({column}, 1, 2) || '!' || substr({column}, 4)"
        assert tamper(f"UPDATE entries SET {column} = {change} WHERE sequence = ?", sequence) == 1
        assert await broken(store) == sequence
        tamper("DELETE FROM entries")
        tamper("DELETE FROM entry_inputs")
        tamper("DELETE FROM heads")
        await write(store, 5)
    assert await store.verify(CLUB) == 5


@pytest.mark.parametrize("value", [0, 2.5, b"You are in.", "", "2026-03-01"], ids=repr)
@pytest.mark.parametrize("column", ["at", "sentence", "mac"])
async def test_another_value_of_any_type(store, tamper, column, value):
    """SQLite keeps any type in any column."""
    await write(store, 3)
    tamper(f"UPDATE entries SET {column} = ? WHERE sequence = 2", value)
    assert await broken(store) == 2


async def test_letters_that_cannot_be_read(store, tamper):
    await write(store, 3)
    tamper("UPDATE entries SET sentence = CAST(x'fffe' AS TEXT) WHERE sequence = 2")
    assert await broken(store) == 2


@pytest.mark.parametrize("sequence", [1, 3, 5])
async def test_a_deleted_row(store, tamper, sequence):
    """The newest one too: the head knows that it was there."""
    await write(store, 5)
    tamper("DELETE FROM entries WHERE sequence = ?", sequence)
    assert await broken(store) == sequence


async def test_an_end_cut_off_with_its_head_moved_back(store, tamper):
    await write(store, 4)
    tamper("DELETE FROM entries WHERE sequence = 4")
    tamper("UPDATE heads SET sequence = 3, mac = (SELECT mac FROM entries WHERE sequence = 3)")
    assert await broken(store) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM heads",
        "UPDATE heads SET sequence = 9",
        "UPDATE heads SET mac = own_mac",
        "UPDATE heads SET own_mac = mac",
        "UPDATE heads SET club = 'drums'",
    ],
)
async def test_any_change_of_the_head(store, tamper, statement):
    await write(store, 3)
    tamper(statement)
    await broken(store)
    with pytest.raises(RecordBroken):
        await write(store, 1)


async def test_two_rows_changed_round(store, tamper):
    await write(store, 3)
    tamper("UPDATE entries SET sequence = 99 WHERE sequence = 1")
    tamper("UPDATE entries SET sequence = 1 WHERE sequence = 2")
    tamper("UPDATE entries SET sequence = 2 WHERE sequence = 99")
    assert await broken(store) == 1


async def test_a_row_moved_to_another_club(store, tamper):
    await write(store, 3)
    await write(store, 2, "drums")
    tamper("UPDATE entries SET club = 'drums' WHERE club = ? AND sequence = 3", CLUB)
    assert await broken(store) == 3


@pytest.mark.parametrize(
    "change",
    [
        "input = replace(input, '1', '2')",
        "salt = substr(salt, 1, 63) || 'x'",
        "sequence = 0",
        "sequence = 99",
        "club = 'drums'",
        "id = 'lutes/9'",
        "input = x'00'",
    ],
)
async def test_a_changed_input_that_is_still_there(store, tamper, change):
    await write(store, 3)
    assert tamper(f"UPDATE entry_inputs SET {change} WHERE sequence = 2") == 1
    await broken(store)


async def test_another_key(store, url):
    await write(store, 3)
    other = TortoiseStore(url, b"another key, just as long as ours")
    await other.open()
    assert await broken(other) == 1
    with pytest.raises(RecordBroken):
        await other.head(CLUB)
    with pytest.raises(RecordBroken):
        await write(other, 1)
    await other.close()
    assert await store.verify(CLUB) == 3


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="key"):
        TortoiseStore("sqlite:///x", b"short")


async def test_a_record_of_more_than_a_page(store, tamper):
    """Verified in pages; found at the right row beyond the first."""
    await write(store, 1203)
    assert await store.verify(CLUB) == 1203
    tamper("UPDATE entries SET code = 'x' WHERE sequence = 1100")
    assert await broken(store) == 1100


async def test_what_is_erased_is_gone_from_the_file(store, file, url):
    """Not only from the table: secure_delete overwrites the page."""
    async with store.transaction(CLUB) as tx:
        await tx.record(
            Decision(Verdict.DECLINE, "spam"),
            at=NOON,
            actor="rule:x",
            subject="person:1",
            sentence="No.",
            seen={"said": "zanzibar-secret"},
        )
    async with store.transaction(CLUB) as tx:
        assert await tx.erase_inputs(["person:1"]) == 1
    await store.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"zanzibar-secret" not in file.read_bytes()


def test_the_record_is_never_changed_by_us():
    """No statement of ours updates or deletes its rows."""
    from pathlib import Path

    import gatekeeper.storage

    folder = Path(gatekeeper.storage.__file__).parent
    text = "\n".join(each.read_text() for each in folder.glob("*.py"))
    assert re.search(r"INSERT INTO|\"entries\"", text)
    assert not re.search(r"(UPDATE|DELETE FROM)\s+\"?entries\b", text, re.IGNORECASE)


@given(
    st.lists(st.text(max_size=5), min_size=10, max_size=10),
    st.lists(st.text(max_size=5), min_size=10, max_size=10),
)
def test_different_rows_have_different_seals(one, other):
    """No value can run over into the next."""
    rows = [dict(zip(record.SEALED, values, strict=True)) for values in (one, other)]
    seals = {record.seal(RECORD_KEY, row, "") for row in rows}
    assert len(seals) == (1 if one == other else 2)
    assert record.seal(RECORD_KEY, rows[0], "") != record.seal(RECORD_KEY, rows[0], "x")


async def test_the_end_is_looked_at_in_passing(store, tamper):
    """`head` finds a newest row that was changed, and one more than there should be."""
    await write(store, 1)
    assert (await store.head(CLUB))[0] == 1
    await write(store, 3)
    assert (await store.head(CLUB))[0] == 4
    tamper("UPDATE entries SET sentence = 'You are out.' WHERE sequence = 4")
    with pytest.raises(RecordBroken):
        await store.head(CLUB)
    tamper("DELETE FROM entries WHERE sequence = 4")
    with pytest.raises(RecordBroken):
        await store.head(CLUB)


async def test_another_key_is_found_by_the_newest_row(store, url):
    await write(store, 3)
    other = TortoiseStore(url, b"another key of the same length!!")
    await other.open()
    try:
        with pytest.raises(RecordBroken):
            await other.head(CLUB)
    finally:
        await other.close()
