"""The index of terms: which entries are about a subject, or by an actor. Two tables, one for the newest entries.

An index in the order of terms touches another page for every row; for entries that come by the thousand a second, that
is most of what is written. So new rows are appended to a heap (``recent``), and moved over in order, many at once.
"""

from __future__ import annotations

import sqlalchemy as sa

from doorward.ledger import schema
from doorward.ledger.chain import appending
from doorward.ledger.entry import terms_of, unseal
from doorward.ledger.store import Database

PAGE = 1000


def seqs(term: int, after: int = 0) -> sa.Select[tuple[int]]:
    """A query for the entries of a term; the other table's are joined to it."""
    parts = []
    for table in (schema.term, schema.recent):
        part = sa.select(table.c.seq).where(table.c.term == term)
        parts.append(part.where(table.c.seq > after) if after else part)
    return sa.select(sa.union_all(*parts).subquery().c.seq)


def merge(database: Database, least: int) -> bool:
    """Move the newest rows over if they are of `least` entries or more. Whether they were."""
    recent = schema.recent.c
    with database.reading() as connection:
        first, last = connection.execute(sa.select(sa.func.min(recent.seq), sa.func.max(recent.seq))).one()
    if first is None or last - first + 1 < least:
        return False
    with appending(database) as writer:
        rows = sa.select(recent.term, recent.seq).order_by(recent.term, recent.seq)
        writer.connection.execute(sa.insert(schema.term).from_select(["term", "seq"], rows))
        writer.connection.execute(sa.delete(schema.recent))
    return True


def rebuild(database: Database) -> None:
    """Make the index anew, from the entries."""
    table = schema.entry.c
    with appending(database) as writer:
        connection = writer.connection
        for rows_of in (schema.term, schema.recent):
            connection.execute(sa.delete(rows_of))
        last = 0
        while True:
            query = sa.select(table.seq, table.sealed).where(table.seq > last).order_by(table.seq).limit(PAGE)
            rows = connection.execute(query).all()
            if not rows:
                return
            terms = [
                {"term": term, "seq": row.seq}
                for row in rows
                for entry in (unseal(row.sealed),)
                for term in terms_of(entry.kind, entry.who, entry.about)
            ]
            if terms:
                connection.execute(sa.insert(schema.term), terms)
            last = rows[-1].seq
