"""Appending: one transaction, one lock, one flush to the disk, for as many entries as are given.

Lives here: the critical section of the chain on both engines (docs/adr/0005-one-chain-early-release.md). Not here: what
an entry is (`entry`), or reading.

The steps, on PostgreSQL:
1. Outside of everything: entries are sealed (JSON, SHA-256, index terms).
2. The head is locked (an advisory lock); keys that are there already are read. One round trip.
3. Sequence numbers and hashes follow from the head: one SHA-256 of 89 bytes an entry.
4. Rows are inserted, the head moves, and the transaction commits *without* waiting for the disk. One round trip; the
   lock is free again.
5. A commit that waits makes it durable, together with whatever others have committed meanwhile. Only then is the append
   answered. The log is written in the order of commits, so nothing durable ever hangs on something that is not.

SQLite has one writer and one log: 2 to 5 are one ``BEGIN IMMEDIATE … COMMIT`` with ``synchronous = FULL``.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from doorward.ledger.entry import Sealed, link
from doorward.ledger.store import Database

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the entries of one append, in their order.

    ``seqs`` are their places in the chain; for one that was known already, the place that it has. ``new`` says which
    are stored by this append; ``hash`` is the chain's last hash afterwards.
    """

    seqs: tuple[int, ...]
    new: tuple[bool, ...]
    hash: bytes

    @property
    def stored(self) -> int:
        """How many are new."""
        return sum(self.new)

    @property
    def duplicates(self) -> tuple[int, ...]:
        """The positions, in what was given, of those that were known already."""
        return tuple(index for index, new in enumerate(self.new) if not new)


class Head(NamedTuple):
    """The head's row."""

    ledger: str
    seq: int
    hash: bytes
    base_seq: int
    base_hash: bytes
    base_at: int | None
    horizon: int | None


HEAD_COLUMNS = "ledger, seq, hash, base_seq, base_hash, base_at, horizon"
_SELECT_HEAD = f"SELECT {HEAD_COLUMNS} FROM ledger_head WHERE id = 1"  # noqa: S608


class Writer(ABC):
    """The one who holds the chain: made by `appending`, valid inside it."""

    head: Head
    connection: sa.Connection

    @abstractmethod
    def known(self, keys: Sequence[str]) -> dict[str, int]:
        """The places of those keys that are there already."""

    @abstractmethod
    def insert(self, first: int, rows: Sequence[Sealed], hashes: Sequence[bytes], *, last: bool = False) -> None:
        """Store the rows and move the head."""

    def extend(self, sealed: Sequence[Sealed], *, last: bool = False) -> Appended:
        """Append those whose key is new. Sequence numbers have no gaps: they follow the head, which we hold.

        ``last``: nothing else follows in this transaction, so that the rows may travel together with its end.
        """
        keys = [row.key for row in sealed if row.key is not None]
        places = self.known(keys) if keys else {}
        first = self.head.seq + 1
        seq, digest = self.head.seq, self.head.hash
        rows: list[Sealed] = []
        hashes: list[bytes] = []
        seqs: list[int] = []
        new: list[bool] = []
        for row in sealed:
            if row.key is not None and (place := places.get(row.key)) is not None:
                seqs.append(place)
                new.append(False)
                continue
            seq += 1
            digest = link(digest, seq, row.digest)
            rows.append(row)
            hashes.append(digest)
            seqs.append(seq)
            new.append(True)
            if row.key is not None:
                places[row.key] = seq
        if rows:
            self.head = self.head._replace(seq=seq, hash=digest)
            self.insert(first, rows, hashes, last=last)
        return Appended(tuple(seqs), tuple(new), digest)


@contextmanager
def appending(database: Database, sealed: Sequence[Sealed] = ()) -> Iterator[Writer]:
    """Hold the chain: everything done through the writer becomes durable together at the end, or not at all.

    ``sealed`` are entries that will be appended: their keys are then looked up in the same round trip as the lock.
    Raises `LedgerUnreachable` when the database is gone; whether the transaction took place is then unknown, and the
    same entries may be appended again if they have keys.
    """
    if database.sqlite:
        with database.writing() as connection:
            yield _SqliteWriter(connection)
        return
    with database.translated(), database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        try:
            writer = _PostgresqlWriter(connection, raw, sealed)
            yield writer
            writer.commit()
        except database.engine.dialect.loaded_dbapi.Error:
            if raw.closed or raw.broken:
                # What broke one connection (a restart of the server) has broken its idle neighbours too.
                connection.invalidate()
                database.engine.dispose()
            raise


def append(database: Database, sealed: Sequence[Sealed]) -> Appended:
    """Append in one transaction; durable when it returns."""
    with appending(database, sealed) as writer:
        return writer.extend(sealed, last=True)


class _SqliteWriter(Writer):
    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        if not connection.in_transaction():
            connection.begin()
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        self._raw = raw
        self.head = Head(*raw.execute(_SELECT_HEAD).fetchone())

    def known(self, keys: Sequence[str]) -> dict[str, int]:
        places: dict[str, int] = {}
        for start in range(0, len(keys), 500):
            some = keys[start : start + 500]
            marks = ",".join("?" * len(some))
            places.update(self._raw.execute(f"SELECT key, seq FROM ledger_entry WHERE key IN ({marks})", some))  # noqa: S608
        return places

    def insert(self, first: int, rows: Sequence[Sealed], hashes: Sequence[bytes], *, last: bool = False) -> None:
        raw = self._raw
        raw.executemany(
            "INSERT INTO ledger_entry (seq, kind, key, at, learned, sealed, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (seq, row.kind, row.key, row.at, row.learned, row.text, digest)
                for seq, (row, digest) in enumerate(zip(rows, hashes, strict=True), first)
            ],
        )
        raw.executemany(
            "INSERT INTO ledger_recent (term, seq) VALUES (?, ?)",
            [(term, seq) for seq, row in enumerate(rows, first) for term in row.terms],
        )
        if late := _late(self.head, first, rows):
            raw.executemany("INSERT INTO ledger_late (seq, at) VALUES (?, ?)", late)
        raw.execute("UPDATE ledger_head SET seq = ?, hash = ? WHERE id = 1", (self.head.seq, self.head.hash))


class _PostgresqlWriter(Writer):
    def __init__(self, connection: sa.Connection, raw: psycopg.Connection[Any], sealed: Sequence[Sealed]) -> None:
        self.connection = connection
        self._raw = raw
        self._known: dict[str, int] | None = None
        keys = [row.key for row in sealed if row.key is not None]
        with raw.pipeline():
            raw.execute(_LOCK)
            head = raw.execute(_HEAD)
            known = raw.execute(_KNOWN, (_lines(keys),)) if keys else None
        row = head.fetchone()
        assert row is not None
        self.head = Head(*row[:-1])
        if known is not None:
            self._known = dict(known.fetchall())
        self._committed = False

    def known(self, keys: Sequence[str]) -> dict[str, int]:
        if self._known is not None:
            known, self._known = self._known, None
            return known
        return dict(self._raw.execute(_KNOWN, (_lines(keys),)).fetchall())

    def insert(self, first: int, rows: Sequence[Sealed], hashes: Sequence[bytes], *, last: bool = False) -> None:
        raw = self._raw
        terms = [(term, seq) for seq, row in enumerate(rows, first) for term in row.terms]
        late = _late(self.head, first, rows)
        with raw.pipeline():
            raw.execute(
                _INSERT,
                (
                    first - 1,
                    b"".join(hashes),
                    _lines([row.kind for row in rows]),
                    _lines([row.key or "" for row in rows]),
                    _numbers([row.at for row in rows]),
                    _numbers([row.learned for row in rows]),
                    _lines([row.text for row in rows]),
                ),
            )
            if terms:
                raw.execute(_INSERT_TERMS, (_numbers([term for term, _ in terms]), _numbers([seq for _, seq in terms])))
            if late:
                raw.execute(_INSERT_LATE, (_numbers([seq for seq, _ in late]), _numbers([at for _, at in late])))
            raw.execute("UPDATE ledger_head SET seq = %s, hash = %b WHERE id = 1", (self.head.seq, self.head.hash))
            if last:
                self._finish()

    def commit(self) -> None:
        """Free the lock, then wait for the disk."""
        if not self._committed:
            with self._raw.pipeline():
                self._finish()

    def _finish(self) -> None:
        """Both commits in one round trip: the server frees the lock on reading the first, and goes on to the second,
        a transaction of its own, which the end of the pipeline commits: that one waits for the disk. After an error
        the server skips the rest, and the pipeline raises it."""
        self._raw.execute("COMMIT")
        self._raw.execute(_FLUSH)
        self._committed = True


_LOCK = "SELECT pg_advisory_xact_lock(7237126194)"
_HEAD = f"SELECT {HEAD_COLUMNS}, set_config('synchronous_commit', 'off', true) FROM ledger_head WHERE id = 1"  # noqa: S608
# Who waits for the lock gets it when we free it, and we pass behind them once more: so their commit and ours, and those
# of all who were waiting, are made durable by one flush. Nobody waiting: nothing to wait for.
_FLUSH = (
    "SELECT pg_advisory_lock_shared(7237126194), pg_advisory_unlock_shared(7237126194), "
    "pg_logical_emit_message(true, 'doorward', '')"
)
# Texts travel as lines of one parameter: sealed JSON has no raw line break, kinds and keys have none by `column_key`.
_KNOWN = "SELECT key, seq FROM ledger_entry WHERE key = ANY (string_to_array(%s, E'\\n'))"
_INSERT = """
INSERT INTO ledger_entry (seq, kind, key, at, learned, sealed, hash)
SELECT %s + n, kind, key, at, learned, sealed, substring(%b::bytea FROM (n::int - 1) * 32 + 1 FOR 32)
FROM unnest(string_to_array(%s, E'\\n'), string_to_array(%s, E'\\n', ''), %s::bigint[], %s::bigint[],
            string_to_array(%s, E'\\n')) WITH ORDINALITY AS given (kind, key, at, learned, sealed, n)
"""
_INSERT_TERMS = "INSERT INTO ledger_recent (term, seq) SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
_INSERT_LATE = "INSERT INTO ledger_late (seq, at) SELECT * FROM unnest(%s::bigint[], %s::bigint[])"


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(texts)


def _numbers(numbers: Sequence[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _late(head: Head, first: int, rows: Sequence[Sealed]) -> list[tuple[int, int]]:
    """Those that happened before a checkpoint which does not know them."""
    if head.horizon is None:
        return []
    return [(seq, row.at) for seq, row in enumerate(rows, first) if row.at <= head.horizon]
