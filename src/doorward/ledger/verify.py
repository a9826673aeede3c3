"""Verifying: is every entry what was written, where it was written?

The chain is walked once, in one snapshot. What only a holder of the database could forge whole (all hashes after some
entry, and the head) is found by an anchor: a head that was noted outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from doorward.errors import LedgerBroken
from doorward.ledger import codec, schema
from doorward.ledger.anchor import Anchor
from doorward.ledger.chain import Head
from doorward.ledger.documents import read_head, rows_digest
from doorward.ledger.entry import column_key, link, micros, terms_of, unseal
from doorward.ledger.state import STATE
from doorward.ledger.store import Database

Kind: TypeAlias = Literal[
    "altered", "missing", "inserted", "reordered", "truncated", "head", "column", "anchor", "index", "state",
    "checkpoint",
]  # fmt: skip
Progress: TypeAlias = Callable[[int, int], None]
PAGE = 1000
FEW = 30
"""Of so many bad entries we find out which have changed places; when there are more, that is not the point."""
MOST = 100
"""So many problems are told; the first ones are what matters."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written. ``seq`` is the first entry concerned, None for what is not an entry."""

    seq: int | None
    kind: Kind
    text: str


def verify(database: Database, progress: Progress | None = None, anchors: Sequence[Anchor] = ()) -> list[Problem]:
    """Everything that is wrong, in the order of the chain; an empty list when nothing is."""
    with database.reading() as connection:
        walk = _Walk(connection, read_head(connection), progress)
        walk.chain()
        walk.anchors(anchors)
        walk.derived()
    # The chain first, in its order; what hangs on no entry comes last.
    return sorted(walk.problems, key=lambda problem: (problem.seq is None, problem.seq or 0))[:MOST]


class _Walk:
    def __init__(self, connection: sa.Connection, head: Head, progress: Progress | None) -> None:
        self.connection, self.head, self.progress = connection, head, progress
        self.problems: list[Problem] = []
        self.bad: list[tuple[int, bytes, bytes]] = []  # seq, digest of the text, stored hash
        self.shift = 0
        self.terms, self.marks = 0, 0
        self.states: dict[tuple[str, str], tuple[int, int, Any]] = {}
        self.seal: Any = None

    def found(self, seq: int | None, kind: Kind, text: str) -> None:
        if len(self.problems) < 10 * MOST:
            self.problems.append(Problem(seq, kind, text))

    def chain(self) -> None:
        """Sequence, hashes, columns, and the two ends."""
        head, table = self.head, schema.entry.c
        outside = sa.select(sa.func.min(table.seq), sa.func.count()).where(table.seq <= head.base_seq)
        first, count = self.connection.execute(outside).one()
        if count:
            self.found(first, "inserted", f"{count} entries stand before the chain's beginning ({head.base_seq + 1})")
        expected, previous = head.base_seq + 1, bytes(head.base_hash)
        known = True  # whether `previous` is what the next entry was linked to
        query = sa.select(*table).where(table.seq > head.base_seq).order_by(table.seq)
        for row in self.connection.execute(query.execution_options(yield_per=PAGE)):
            if row.seq > head.seq:
                self.found(row.seq, "inserted", f"entry {row.seq} stands after the head, which is {head.seq}")
                expected = row.seq + 1
                continue
            if row.seq != expected:
                self.found(expected, "missing", _range(expected, row.seq - 1) + " missing")
                known = False
            previous = self._row(row, previous, known)
            known, expected = True, row.seq + 1
            if self.progress is not None and row.seq % PAGE == 0:
                self.progress(row.seq - head.base_seq, head.seq - head.base_seq)
        if expected <= head.seq:
            self.found(expected, "truncated", _range(expected, head.seq) + " missing at the end")
        elif previous != bytes(head.hash) and not self.bad:
            self.found(head.seq, "head", f"the head's hash is not that of entry {head.seq}")
        self._explain()
        if self.progress is not None:
            self.progress(head.seq - head.base_seq, head.seq - head.base_seq)

    def _row(self, row: Any, previous: bytes, known: bool) -> bytes:
        stored = bytes(row.hash)
        digest = hashlib.sha256(row.sealed.encode()).digest()
        if known and link(previous, row.seq - self.shift, digest) != stored:
            for shift in (self.shift + 1, self.shift - 1, 0):
                if row.seq > shift and link(previous, row.seq - shift, digest) == stored:
                    self.shift = shift
                    was = row.seq - shift
                    self.found(
                        row.seq, "reordered", f"entry {row.seq} was written as {was}: something was moved before it"
                    )
                    break
            else:
                self.bad.append((row.seq, digest, stored))
        try:
            self._columns(row, known=not self.bad or self.bad[-1][0] != row.seq)
        except LedgerBroken as error:
            if not self.bad or self.bad[-1][0] != row.seq:
                self.found(row.seq, "altered", f"entry {row.seq}: {error.message}")
        return stored

    def _columns(self, row: Any, *, known: bool) -> None:
        entry = unseal(row.sealed)
        told = (entry.kind, column_key(entry.key), micros(entry.at), micros(entry.learned))
        if known and told != (row.kind, row.key, row.at, row.learned):
            self.found(row.seq, "column", f"entry {row.seq}: its columns do not say what its sealed text says")
        for term in terms_of(entry.kind, entry.who, entry.about):
            self.terms += 1
            self.marks += hash((term, row.seq))
        if entry.kind == STATE and isinstance(entry.body, dict):
            body = entry.body
            self.states[body["kind"], body["id"]] = (body["version"], row.seq, body["value"])
        elif entry.kind == "prune":
            self.seal = entry.body

    def _explain(self) -> None:
        """Tell entries that changed places from such that were altered."""
        some, table = self.bad[:FEW], schema.entry.c
        places = {seq for seq, _, _ in some}
        around = sa.select(table.seq, table.hash).where(table.seq.in_(places | {seq - 1 for seq in places}))
        hashes = {row.seq: bytes(row.hash) for row in self.connection.execute(around)} if places else {}
        hashes[self.head.base_seq] = bytes(self.head.base_hash)
        held = {stored for _, _, stored in some}
        for seq, digest, _ in self.bad[:MOST]:
            origin = None
            if len(some) == len(self.bad):
                # Was this text once another of the places? Then its hash, linked there, is one that we still hold.
                befores = {other: {*held, hashes.get(other - 1, b"")} for other in places - {seq}}
                origin = next(
                    (o for o, all in befores.items() if any(link(one, o, digest) in held for one in all)), None
                )
            if origin is not None:
                self.found(seq, "reordered", f"entry {seq} holds what was written as entry {origin}")
            else:
                self.found(seq, "altered", f"entry {seq} is not what was written, or not where it was written")

    def anchors(self, anchors: Sequence[Anchor]) -> None:
        """Heads that were noted outside are still on the chain."""
        table, head = schema.entry.c, self.head
        for anchor in anchors:
            if anchor.ledger != head.ledger:
                self.found(None, "anchor", f"the anchor of entry {anchor.seq} is of another ledger ({anchor.ledger})")
                continue
            if anchor.seq < head.base_seq:
                continue  # pruned; the seal of the pruning, later than it, is on the chain
            if anchor.seq == head.base_seq:
                stored: bytes | None = head.base_hash
            else:
                stored = self.connection.execute(sa.select(table.hash).where(table.seq == anchor.seq)).scalar()
            if stored is None:
                self.found(
                    anchor.seq, "truncated", f"entry {anchor.seq} was there when an anchor was made, and is not now"
                )
            elif bytes(stored) != anchor.hash:
                self.found(
                    anchor.seq, "anchor", f"the chain up to {anchor.seq} is not the one that the anchor was made of"
                )

    def derived(self) -> None:
        """The seal of the last pruning, the index, records of state, checkpoints."""
        head = self.head
        if head.base_seq:
            seal = self.seal if isinstance(self.seal, dict) else {}
            if (seal.get("upto"), seal.get("hash")) != (head.base_seq, bytes(head.base_hash).hex()):
                text = _range(1, head.base_seq) + " missing, and no pruning that is sealed in the chain removed them"
                self.found(1, "missing", text)
        count = marks = 0
        for table in (schema.term, schema.recent):
            rows = sa.select(table.c.term, table.c.seq).execution_options(yield_per=10 * PAGE)
            for term, seq in self.connection.execute(rows):
                count += 1
                marks += hash((term, seq))
        if (count, marks) != (self.terms, self.marks):
            text = f"the index holds {count} rows, the entries make {self.terms}, or others: make it anew (`reindex`)"
            self.found(None, "index", text)
        self._states()
        self._checkpoints()

    def _states(self) -> None:
        rows = {(row.kind, row.id): row for row in self.connection.execute(sa.select(*schema.state.c))}
        for name, (version, seq, value) in self.states.items():
            row = rows.get(name)
            text = codec.canonical(value).decode()
            if row is None:
                self.found(None, "state", f"{name[0]} {name[1]} is missing; entry {seq} tells of it")
            elif (row.version, row.seq, row.value) != (version, seq, text):
                self.found(None, "state", f"{name[0]} {name[1]} is not what entry {seq} says")
        for name in rows.keys() - self.states.keys():
            self.found(None, "state", f"{name[0]} {name[1]} is in no entry")

    def _checkpoints(self) -> None:
        points = {row.number: row for row in self.connection.execute(sa.select(*schema.checkpoint.c))}
        table = schema.document.c
        strays = sa.select(sa.func.count()).select_from(schema.document).where(table.checkpoint.not_in(list(points)))
        if self.connection.execute(strays).scalar():
            self.found(None, "checkpoint", "there are documents of checkpoints that do not exist")
        for number, point in sorted(points.items()):
            rows = self.connection.execute(sa.select(table.subject, table.document).where(table.checkpoint == number))
            digest = rows_digest((row.subject, row.document) for row in rows)
            if digest != bytes(point.digest):
                self.found(
                    None, "checkpoint", f"the documents of checkpoint {number} are not those that it was made of"
                )
        sealed = self.seal.get("documents") if isinstance(self.seal, dict) else None
        if self.head.base_seq and sealed is not None:
            first = min(points, default=None)
            if first is None or bytes(points[first].digest).hex() != sealed:
                self.found(None, "checkpoint", "the documents that pruning kept are not those that it sealed")


def _range(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
