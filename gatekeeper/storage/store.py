"""TortoiseStore: the Store on SQLite or PostgreSQL, one transaction for one use case."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from gatekeeper.clock import SystemClock
from gatekeeper.domain.errors import NoTables, StorageError
from gatekeeper.domain.identity import ClubId
from gatekeeper.ports import Clock
from gatekeeper.storage import migrate
from gatekeeper.storage.connections import Session, database, shown
from gatekeeper.storage.mapping import moment_text
from gatekeeper.storage.tx import TortoiseTx
from gatekeeper.storage.verify import read_end, verify

log = structlog.get_logger(__name__)

KEY_LENGTH: Final = 16  # bytes at least


def _nobody(_club: ClubId, _orders: Sequence[int]) -> None:
    """Until somebody wants to be told of commits."""


class TortoiseStore:
    """The Store over Tortoise's clients.

    Args:
        url: sqlite:///path, or postgres://user@host/name (a unix socket's folder as ?host=).
        record_key: seals the record of decisions; kept outside the database. ValueError for
            one of less than 16 bytes.
        clock: for the moment at which a club's row is made.
    """

    committed: Callable[[ClubId, Sequence[int]], None]

    def __init__(self, url: str, record_key: bytes, clock: Clock | None = None) -> None:
        if len(record_key) < KEY_LENGTH:
            raise ValueError(f"the record's key has fewer than {KEY_LENGTH} bytes")
        self.committed = _nobody
        self._key = record_key
        self._there: set[ClubId] = set()  # clubs that are known to have a row
        self._clock = clock or SystemClock()
        self.database, self._where = database(url), shown(url)

    async def open(self) -> None:
        """Connect; NoTables where there are none, StorageError for those of another release."""
        await self.database.open()
        try:
            async with self.database.read() as session:
                if not await migrate.has_tables(session):
                    raise NoTables(where=self._where)
                pending = await migrate.pending(session)
            if pending:
                raise StorageError(detail=f"upgrade pending: {', '.join(pending)}")
        except BaseException:
            await self.database.close()
            raise

    async def close(self) -> None:
        """Let go of all connections; again changes nothing."""
        await self.database.close()

    @asynccontextmanager
    async def transaction(self, club: ClubId, *, urgent: bool = False) -> AsyncIterator[TortoiseTx]:
        """One writer in a club at a time, over all processes; commit at the end, or roll back."""
        async with self.database.write(club, urgent=urgent) as session:
            # On SQLite the file itself is held; there the row only has to be.
            if club not in self._there or session.dialect == "postgres":
                await self._hold(session, club)
            tx = TortoiseTx(session, club, self._key)
            try:
                yield tx
            finally:
                tx.end()
        self._there.add(club)
        try:
            self.committed(club, tuple(tx.due))
        except Exception:
            # What is committed stands, whoever could not be told: the relay looks by itself.
            log.exception("committed-not-told", club=club)

    @asynccontextmanager
    async def look(self, club: ClubId) -> AsyncIterator[TortoiseTx]:
        """Read without holding anyone up; writing through it is a StorageError."""
        async with self.database.read() as session:
            tx = TortoiseTx(session, club, self._key, may_write=False)
            try:
                yield tx
            finally:
                tx.end()

    async def verify(self, club: ClubId) -> int:
        """Walk the record of decisions; how many rows are whole. RecordBroken names the first."""
        async with self.database.read() as session:
            return await verify(session, club, self._key)

    async def head(self, club: ClubId) -> tuple[int, str]:
        """Sequence and mac of the newest row of the record; (0, "") for none. RecordBroken."""
        async with self.database.read() as session:
            head = await read_end(session, club, self._key)
            return head.sequence, head.mac

    async def clubs(self) -> list[ClubId]:
        """All clubs that have a row."""
        async with self.database.read() as session:
            rows = await session.rows("SELECT club FROM clubs")
        return sorted(ClubId(row["club"]) for row in rows)

    async def _hold(self, session: Session, club: ClubId) -> None:
        """Take the club's row until the end; make it on first use."""
        lock = " FOR UPDATE" if session.dialect == "postgres" else ""
        if await session.rows(f"SELECT id FROM clubs WHERE club = ?{lock}", [club]):
            return
        now = self._clock.now()
        await session.rows(
            "INSERT INTO clubs"
            " (club, created_at, paused_by, policy, policy_aside, policy_pending, looked_by,"
            " unfiltered, members, served_by)"
            " VALUES (?, ?, '', '', '', '', '', '', 0, '') ON CONFLICT DO NOTHING RETURNING id",
            [club, moment_text(now) if session.dialect == "sqlite" else now],
        )
        await session.rows(f"SELECT id FROM clubs WHERE club = ?{lock}", [club])
