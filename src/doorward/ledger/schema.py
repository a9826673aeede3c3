"""The tables, as queries name them. What makes them is `migrations`; a test compares the two.

Two sorts: the chain and what is derived from it (entry, term, head, late, checkpoint, document), and state that is not
the chain (state, claim), each of whose transitions is an entry all the same (claims excepted: they are traffic lights,
not history).
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0001"
"""The newest revision in `migrations/versions`."""
VERSION_TABLE = "ledger_version"

metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's rowid wants the word INTEGER

entry = sa.Table(
    "ledger_entry",
    metadata,
    sa.Column("seq", _Number, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("learned", sa.BigInteger, nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Index("ledger_entry_key", "key", unique=True),
    sa.Index("ledger_entry_at", "at"),
)
"""One row an entry. ``sealed`` is what the hash is of; the other columns repeat it for the indexes."""

term = sa.Table(
    "ledger_term",
    metadata,
    sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Which entries are about what, by whom (`entry.term`)."""

recent = sa.Table(
    "ledger_recent",
    metadata,
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)
"""The same for the newest entries, in the order of the chain: appending to a heap touches a page or two, inserting into
`term` touches one for each row. `index.merge` moves them over."""

head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("ledger", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("base_seq", sa.BigInteger, nullable=False),
    sa.Column("base_hash", sa.LargeBinary, nullable=False),
    sa.Column("base_at", sa.BigInteger),
    sa.Column("horizon", sa.BigInteger),
)
"""One row: the ledger's name, its last entry, the last one that was pruned, and the newest checkpoint's moment."""

late = sa.Table(
    "ledger_late",
    metadata,
    sa.Column("seq", _Number, primary_key=True, autoincrement=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Entries that happened before a checkpoint that was made without them."""

checkpoint = sa.Table(
    "ledger_checkpoint",
    metadata,
    sa.Column("number", _Number, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("learned", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)
"""Documents at the moment ``at``, from the entries up to ``seq``; ``learned`` is the latest of theirs."""

document = sa.Table(
    "ledger_document",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("checkpoint", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.Text),
    sqlite_with_rowid=False,
)
"""A document as a checkpoint has it, when it differs from the checkpoint before; NULL: it is no more."""

state = sa.Table(
    "ledger_state",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""What is so now: approvals, maintenance windows, alerts, reverts. ``seq`` is the entry of its last transition."""

claim = sa.Table(
    "ledger_claim",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("free", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Index(
        "ledger_claim_open", "queue", "place", sqlite_where=sa.text("state = 0"), postgresql_where=sa.text("state = 0")
    ),
)
"""Work to share. ``state`` 0 is open, 1 done; ``free`` is when it may next be taken (microseconds since 1970)."""
