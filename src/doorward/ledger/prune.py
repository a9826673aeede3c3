"""Retention: the oldest entries go, and the chain stays verifiable.

What goes is a beginning of the chain. First an entry is appended that seals it: how far, how many, the last hash, the
SHA-256 over all hashes that went, and over the documents that are kept in their stead. Records of state whose last
transition goes are told again. All in one transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from doorward.ledger import documents, schema
from doorward.ledger.chain import Writer, appending
from doorward.ledger.entry import Entry, micros, seal
from doorward.ledger.fold import Fold
from doorward.ledger.state import Transition, entry_of
from doorward.ledger.store import Database

PRUNE = "prune"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning did: entries removed, and the last of them (0: nothing was that old)."""

    removed: int
    upto: int


def prune(database: Database, fold: Fold, before: datetime, now: datetime, who: str = "") -> Pruned:
    """Remove entries that happened, and were learned, before a moment; documents of that moment are kept.

    Only a beginning of the chain can go: an old entry that stands behind a young one stays until that goes.
    """
    edge = micros(before)
    entry, head_table = schema.entry.c, schema.head
    with appending(database) as writer:
        connection, head = writer.connection, writer.head
        young = sa.select(sa.func.min(entry.seq)).where(sa.or_(entry.at >= edge, entry.learned >= edge))
        first = connection.execute(young).scalar()
        upto = head.seq if first is None else first - 1
        if upto <= head.base_seq:
            return Pruned(0, head.base_seq)
        rows = connection.execute(sa.select(entry.hash).where(entry.seq <= upto).order_by(entry.seq))
        digest, count, last = hashlib.sha256(), 0, b""
        for (one,) in rows:
            last = bytes(one)
            digest.update(last)
            count += 1
        point = documents.keep(connection, fold, head, edge - 1)
        body: dict[str, object] = {
            "upto": upto,
            "hash": last.hex(),
            "count": count,
            "digest": digest.hexdigest(),
            "before": edge,
            "documents": point.digest.hex(),
        }
        writer.extend([seal(Entry(PRUNE, body, now, now, who=who))])
        carried = connection.execute(sa.select(*schema.state.c).where(schema.state.c.seq <= upto)).all()
        for row in carried:
            _carry(writer, row, now, who)
        values = {"base_seq": upto, "base_hash": last, "base_at": edge - 1}
        connection.execute(sa.update(head_table).values(values))
        for rows_of in (schema.term, schema.recent):
            connection.execute(sa.delete(rows_of).where(rows_of.c.seq <= upto))
        connection.execute(sa.delete(schema.entry).where(entry.seq <= upto))
    return Pruned(count, upto)


def _carry(writer: Writer, row: Any, now: datetime, who: str) -> None:
    told = Transition(row.kind, row.id, row.version - 1, msgspec.json.decode(row.value))
    seq = writer.extend([seal(entry_of(told, now, who, carried=True))]).seqs[0]
    table = schema.state
    where = (table.c.kind == row.kind, table.c.id == row.id)
    writer.connection.execute(sa.update(table).where(*where).values(seq=seq))
