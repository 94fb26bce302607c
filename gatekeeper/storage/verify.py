"""Walking the record: any changed byte of any column, any missing row, any moved end is found."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gatekeeper.domain.errors import RecordBroken, StorageError
from gatekeeper.storage import record
from gatekeeper.storage.connections import Session
from gatekeeper.storage.statements import quoted

PAGE: Final = 500
_BEFORE_ALL: Final = -(2**62)
_ROW: Final = ("id", *record.SEALED, "mac")
_INPUT: Final = ("id", "club", "sequence", "salt", "input")


class Head(NamedTuple):
    """Where a club's record ends; (0, "") before its first row."""

    sequence: int
    mac: str


async def read_head(session: Session, club: str, key: bytes) -> Head:
    """The end of the record as its own seal vouches for it; RecordBroken where it does not."""
    rows = await session.rows("SELECT * FROM heads WHERE club = ?", [club])
    if not rows:
        return Head(0, "")
    row = rows[0]
    expected = record.seal_head(key, club, row["sequence"], row["mac"])
    if not record.same(expected, row["own_mac"]):
        raise RecordBroken(sequence=row["sequence"])
    return Head(row["sequence"], row["mac"])


async def read_end(session: Session, club: str, key: bytes) -> Head:
    """The same, and the newest row fits it; RecordBroken where it does not, or the key is another.

    Cheap enough for a look in passing; `verify` walks all.
    """
    head = await read_head(session, club, key)
    page = await _page(session, club, _ROW, "entries", head.sequence - 2)
    if head.sequence == 0 and not page:
        return head
    previous = page[0]["mac"] if len(page) > 1 else ""
    fits = (
        len(page) == min(head.sequence, 2)
        and all(map(_typed, page))
        and page[-1]["sequence"] == head.sequence
        and record.same(page[-1]["mac"], head.mac)
        and record.same(head.mac, record.seal(key, page[-1], previous))
    )
    if not fits:
        raise RecordBroken(sequence=head.sequence)
    return head


async def verify(session: Session, club: str, key: bytes) -> int:
    """How many rows are whole; RecordBroken names the first that is not.

    Within one snapshot, so that rows written meanwhile change nothing.
    """
    whole, previous, digests = 0, "", dict[int, str]()
    while page := await _page(session, club, _ROW, "entries", whole):
        for row in page:
            if not _typed(row):
                raise RecordBroken(sequence=whole + 1)
            expected = record.seal(key, row, previous)
            if (
                row["sequence"] != whole + 1
                or row["club"] != club
                or row["id"] != record.entry_id(club, whole + 1)
                or not record.same(row["mac"], expected)
            ):
                raise RecordBroken(sequence=whole + 1)
            whole, previous = whole + 1, row["mac"]
            if row["input_digest"]:
                digests[whole] = row["input_digest"]
    await _verify_inputs(session, club, digests)
    head = await read_head(session, club, key)
    if head.sequence != whole or not record.same(head.mac, previous):
        raise RecordBroken(sequence=min(head.sequence, whole) + 1)
    return whole


async def _verify_inputs(session: Session, club: str, digests: Mapping[int, str]) -> None:
    """Every input that is still there is the one that its decision saw."""
    reached = _BEFORE_ALL
    while page := await _page(session, club, _INPUT, "entry_inputs", reached):
        for row in page:
            sequence = row["sequence"]
            if (
                not _typed(row)
                or row["club"] != club
                or row["id"] != record.entry_id(club, sequence)
                or not record.same(
                    digests.get(sequence, ""), record.digest(row["salt"], row["input"])
                )
            ):
                raise RecordBroken(sequence=sequence)
            reached = sequence


def _typed(row: Mapping[str, Any]) -> bool:
    """SQLite keeps any type in any column."""
    return all(isinstance(row[name], int if name == "sequence" else str) for name in row)


async def _page(
    session: Session, club: str, columns: tuple[str, ...], table: str, after: int
) -> list[dict[str, Any]]:
    """The next rows, by club or id, for either may be forged; one that cannot be read is broken."""
    prefix = record.entry_id(club, "")
    statement = (
        f'SELECT {quoted(columns)} FROM {table} WHERE ("club" = ? OR substr("id", 1, ?) = ?)'
        ' AND "sequence" > ? ORDER BY "sequence" LIMIT ?'
    )
    for limit in (PAGE, 1):
        try:
            return await session.rows(statement, [club, len(prefix), prefix, after, limit])
        except StorageError:
            # Not UTF-8, say. One at a time shows which.
            continue
    raise RecordBroken(sequence=after + 1)
