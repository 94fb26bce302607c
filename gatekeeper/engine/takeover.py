"""Which processes on PostgreSQL are alive: each holds an advisory lock on its own name.

The server lets go of the lock when the connection ends, so a killed process is known at once and no
clocks are compared. A host that vanishes without a word is noticed by keepalives, within 30 s.
A living process whose connection breaks may lose its jobs to another for the moment until it is
back: they then run twice, which jobs bear, as they bear a crash.
"""

import psycopg


class Pulse:
    """This process's lock, and a look at those of others; its calls block, one at a time.

    A connection of its own: a pooled one (PgBouncer in transaction mode) would lose the lock.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._connection: psycopg.Connection[tuple[bool]] | None = None

    def beat(self) -> None:
        """Hold our lock, on a new connection where the old one broke; psycopg.Error."""
        if self._connection is not None:
            try:
                self._connection.execute("SELECT true")
                return
            except psycopg.Error:
                self.end()
        connection: psycopg.Connection[tuple[bool]] = psycopg.connect(self._url, autocommit=True)
        for setting in ("tcp_keepalives_idle=10", "tcp_keepalives_interval=5"):
            connection.execute(f"SET {setting}")
        connection.execute("SET tcp_keepalives_count=4")
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [self._name])
        self._connection = connection

    def inherit(self, name: str) -> bool:
        """Whether the process `name` is dead; if so, nobody else inherits from it until `done`."""
        return self._ask("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", name)

    def done(self, name: str) -> None:
        """Let go of what `inherit` took."""
        self._ask("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", name)

    def end(self) -> None:
        """Let go of everything; again changes nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, question: str, name: str) -> bool:
        if self._connection is None:
            self.beat()
            assert self._connection is not None
        row = self._connection.execute(question, [name]).fetchone()
        return bool(row and row[0])
