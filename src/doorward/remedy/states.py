"""Where reverts are kept while they run and after: the port, one in memory, one in a file.

The course of a revert marks a step as ``acting`` here before it sends the call, so a store must be durable when
``put`` returns. What does not live here: the ledger, which keeps them for good.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from doorward.errors import LedgerError, LedgerUnreachable
from doorward.model.revert import ENDED, Revert, dump, load


class States(Protocol):
    """A store of reverts by id."""

    def get(self, id: str) -> Revert | None:
        """The revert as it was put last. Raises ``LedgerError``."""

    def put(self, revert: Revert) -> None:
        """Keep it; durable when this returns. Raises ``LedgerError``."""

    def all(self, *, ended: bool | None = None) -> list[Revert]:
        """All of them, or only those that have ended (have not), in the order in which they were first put."""


class MemoryStates:
    """In memory: for tests and dry runs. Knows every state that was put."""

    def __init__(self) -> None:
        self.kept: dict[str, Revert] = {}
        self.puts: list[Revert] = []

    def get(self, id: str) -> Revert | None:
        """The revert as it was put last."""
        return self.kept.get(id)

    def put(self, revert: Revert) -> None:
        """Keep it."""
        self.kept[revert.id] = revert
        self.puts.append(revert)

    def all(self, *, ended: bool | None = None) -> list[Revert]:
        """All of them, or only those that have ended (have not)."""
        return _chosen(list(self.kept.values()), ended)


class FileStates:
    """In a SQLite file (WAL, every put synchronous)."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS reverts (id TEXT PRIMARY KEY, body TEXT NOT NULL)")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=30)
            try:
                connection.execute("PRAGMA synchronous=FULL")
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            raise LedgerUnreachable(str(error), where=self.path, hint="check the file and its disk") from error
        except sqlite3.DatabaseError as error:
            raise LedgerError(str(error), where=self.path, hint="the file is not what was written") from error

    def get(self, id: str) -> Revert | None:
        """The revert as it was put last."""
        with self._open() as connection:
            row = connection.execute("SELECT body FROM reverts WHERE id = ?", (id,)).fetchone()
        return None if row is None else load(json.loads(row[0]))

    def put(self, revert: Revert) -> None:
        """Keep it."""
        said = "INSERT INTO reverts (id, body) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        with self._open() as connection:
            connection.execute(said, (revert.id, json.dumps(dump(revert))))

    def all(self, *, ended: bool | None = None) -> list[Revert]:
        """All of them, or only those that have ended (have not)."""
        with self._open() as connection:
            rows = connection.execute("SELECT body FROM reverts ORDER BY rowid").fetchall()
        return _chosen([load(json.loads(body)) for (body,) in rows], ended)


def _chosen(reverts: list[Revert], ended: bool | None) -> list[Revert]:
    return [one for one in reverts if ended is None or (one.state in ENDED) == ended]
