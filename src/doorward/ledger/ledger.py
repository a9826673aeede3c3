"""`Ledger`: what the rest of Doorward sees of the memory. Each method says what it promises; how is in its module."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from doorward.errors import InvalidInput
from doorward.ledger import anchor, chain, claims, documents, index, prune, reading, schema, state, transfer, verify
from doorward.ledger.anchor import Anchor
from doorward.ledger.chain import Appended
from doorward.ledger.claims import Claim
from doorward.ledger.entry import CHANGE, Entry, Stored, column_key, seal, seal_change, unseal
from doorward.ledger.fold import Document, Fold, fold
from doorward.ledger.prune import Pruned
from doorward.ledger.reading import Order, Question
from doorward.ledger.state import State, Transition
from doorward.ledger.store import Database
from doorward.ledger.verify import Problem, Progress
from doorward.model.change import Change, Key


@dataclass(frozen=True, slots=True)
class Size:
    """How large a ledger is: entries that it holds, and bytes on the disk, indexes and checkpoints included."""

    entries: int
    bytes: int


class Ledger:
    """A ledger that is open. Safe to use from several threads; after a fork, open it anew."""

    def __init__(self, database: Database, fold: Fold) -> None:
        self._database, self._fold = database, fold

    @classmethod
    def open(cls, url: str | os.PathLike[str], *, fold: Fold = fold) -> Self:
        """Open the ledger at a path or URL; made, or brought to this version's schema, where needed.

        ``fold`` makes documents of effects. Raises `LedgerUnreachable`, `LedgerNewer`, `InvalidInput`.
        """
        database = Database(url)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return cls(database, fold)

    def close(self) -> None:
        """Close its connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Where it is, for people; without secrets."""
        return self._database.name

    def append(self, entries: Sequence[Entry | Change]) -> Appended:
        """Append in one transaction: durable when this returns, all or none. A change stands for its entry.

        An entry whose key is known already is not stored again, so an append that may have failed is made again.
        Raises `LedgerUnreachable`; `InvalidInput` for what JSON cannot hold.
        """
        sealed = [seal_change(one) if isinstance(one, Change) else seal(one) for one in entries]
        return chain.append(self._database, sealed)

    def entries(
        self,
        *,
        kind: str | None = None,
        subject: Key | str | None = None,
        who: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        known_at: datetime | None = None,
        after: int = 0,
        limit: int | None = None,
        order: Order = "learned",
    ) -> Iterator[Stored]:
        """Entries, page by page; see `reading.Question`."""
        question = Question(kind, subject, who, since, until, known_at, after, limit, order)
        return reading.entries(self._database, question)

    def changes(
        self,
        *,
        subject: Key | str | None = None,
        who: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        known_at: datetime | None = None,
        after: int = 0,
        limit: int | None = None,
        order: Order = "happened",
    ) -> Iterator[Change]:
        """The changes among the entries, by default in the order in which they happened."""
        question = Question(CHANGE, subject, who, since, until, known_at, after, limit, order)
        for stored in reading.entries(self._database, question):
            yield stored.entry.change

    def find(self, key: str) -> Stored | None:
        """The entry with this key."""
        table = schema.entry.c
        query = sa.select(table.seq, table.sealed, table.hash).where(table.key == column_key(key))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Stored(row.seq, unseal(row.sealed), bytes(row.hash))

    def documents_at(self, at: datetime, known_at: datetime | None = None) -> dict[Key, Document]:
        """The estate's documents as they were, as known then (default: now). Raises `LedgerPruned`."""
        return documents.documents_at(self._database, self._fold, at, known_at)

    def document_at(self, key: Key, at: datetime, known_at: datetime | None = None) -> Document | None:
        """One document as it was; None when there was none."""
        return documents.document_at(self._database, self._fold, key, at, known_at)

    def tend(self, every: int = 20_000) -> bool:
        """Order the index of subjects, and keep a checkpoint of the documents, if `every` or more entries came since
        the last time: to be called now and then. Whether anything was done.

        Without it questions about subjects, and `documents_at`, are right all the same, and slower.
        """
        with self._database.reading() as connection:
            head = documents.read_head(connection)
            last = connection.execute(sa.select(sa.func.max(schema.checkpoint.c.seq))).scalar() or 0
        merged = index.merge(self._database, every)
        if head.seq - max(last, head.base_seq) < every:
            return merged
        return documents.make_checkpoint(self._database, self._fold) is not None or merged

    def verify(self, progress: Progress | None = None, anchors: Sequence[Anchor] = ()) -> list[Problem]:
        """Everything that is not as it was written; the first bad entry first. Empty: all is well."""
        return verify.verify(self._database, progress, anchors)

    def anchor(self, path: Path | None = None, key: bytes | None = None) -> Anchor:
        """The head as it is now; with a path, added to that file, signed if a key is given."""
        with self._database.reading() as connection:
            head = documents.read_head(connection)
        made = Anchor(head.ledger, head.seq, bytes(head.hash), datetime.now(UTC))
        if path is not None:
            anchor.write(path, made, key)
        return made

    def export(self, path: Path, fmt: str = "jsonl") -> int:
        """Write all entries to a file of JSON lines (``.gz``: compressed). How many."""
        if fmt != "jsonl":
            raise InvalidInput(f"format {fmt} is unknown, expected jsonl")
        return transfer.export(self._database, path)

    def import_(self, path: Path) -> int:
        """Read an export into this ledger, which must be empty. How many entries."""
        return transfer.import_(self._database, path)

    def prune(self, before: datetime, *, now: datetime | None = None, who: str = "") -> Pruned:
        """Remove what is older; the chain stays verifiable, and the documents of that moment are kept."""
        return prune.prune(self._database, self._fold, before, datetime.now(UTC) if now is None else now, who)

    def size(self) -> Size:
        """Entries and bytes."""
        with self._database.reading() as connection:
            head = documents.read_head(connection)
            if self._database.sqlite:
                pages, page = (
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
                )
                size = int(pages) * int(page)
            else:
                total = (
                    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND oid = ANY (:tables)"
                )
                oids = [
                    connection.execute(sa.text("SELECT to_regclass(:name)::oid"), {"name": name}).scalar_one()
                    for name in schema.metadata.tables
                ]
                size = int(connection.execute(sa.text(total), {"tables": oids}).scalar_one())
        return Size(head.seq - head.base_seq, size)

    def reindex(self) -> None:
        """Make the index of subjects and actors anew, from the entries."""
        index.rebuild(self._database)

    # State that is not the chain; every transition is an entry of it.

    def state(self, kind: str, id: str) -> State | None:
        """The record, or None."""
        return state.get(self._database, kind, id)

    def states(self, kind: str) -> list[State]:
        """All records of a kind."""
        return state.every(self._database, kind)

    def put(
        self,
        kind: str,
        id: str,
        value: object,
        *,
        expect: int = 0,
        at: datetime | None = None,
        who: str = "",
        about: tuple[str, ...] = (),
    ) -> State:
        """The record becomes `value` if its version is still `expect` (0: it does not exist yet).

        Raises `LedgerConflict` when it is not.
        """
        (made,), _ = self.transition([Transition(kind, id, expect, value, about)], at=at, who=who)
        return made

    def transition(
        self, changes: Sequence[Transition], *, at: datetime | None = None, who: str = "", entries: Sequence[Entry] = ()
    ) -> tuple[list[State], Appended]:
        """Several records and entries in one transaction, or none of it. Raises `LedgerConflict`."""
        moment = datetime.now(UTC) if at is None else at
        return state.transition(self._database, changes, moment, who, entries)

    def approve(
        self,
        id: str,
        delta: object,
        principals: Sequence[str],
        since: datetime,
        until: datetime,
        *,
        at: datetime | None = None,
        who: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> State:
        """A new approval of an exact rule delta. Raises `LedgerConflict` for an id that exists."""
        made = state.approval(id, delta, principals, since, until, more)
        return self.transition([made], at=at, who=who)[0][0]

    def use_approval(
        self, id: str, change: str, at: datetime, *, who: str = "", entries: Sequence[Entry] = ()
    ) -> State:
        """The approval is used by this change, once; see `state.use_approval`. Raises `LedgerConflict`."""
        return state.use_approval(self._database, id, change, at, who, entries)

    # Work shared by several workers.

    def offer(self, queue: str, items: Mapping[str, object]) -> int:
        """Put items into a queue; known ones are left alone. How many are new."""
        return claims.offer(self._database, queue, items)

    def claim(self, queue: str, worker: str, lease: timedelta, n: int = 1) -> list[Claim]:
        """Take up to `n` items that nobody holds."""
        return claims.claim(self._database, queue, worker, lease, n)

    def finish(self, held: Sequence[Claim], entries: Sequence[Entry] = ()) -> Appended:
        """The items are done and the entries appended: both or neither. Raises `LeaseLost`."""
        return claims.finish(self._database, held, entries)

    def done(self, held: Claim) -> None:
        """The item is done. Raises `LeaseLost`."""
        claims.done(self._database, held)

    def release(self, held: Claim, delay: timedelta = timedelta(0)) -> None:
        """Give the item back, for anyone to take after `delay`. Raises `LeaseLost`."""
        claims.release(self._database, held, delay)

    def extend(self, held: Claim, lease: timedelta) -> None:
        """Hold the item for `lease` from now. Raises `LeaseLost`."""
        claims.extend(self._database, held, lease)

    def waiting(self, queue: str) -> int:
        """How many items of the queue are not done."""
        return claims.waiting(self._database, queue)

    def sweep(self, queue: str, older: timedelta) -> int:
        """Forget done items that were offered longer ago. How many."""
        return claims.sweep(self._database, queue, older)
