"""The chain, what is derived from it, state and claims.

Entries cannot be changed, and cannot be deleted unless retention has sealed their removal (the head's base has passed
them): triggers say so to everybody who writes through SQL. Who may alter tables can alter triggers; that is what the
hashes and anchors are for.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "ledger_entry",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("learned", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("ledger_entry_key", "ledger_entry", ["key"], unique=True)
    op.create_index("ledger_entry_at", "ledger_entry", ["at"])
    op.create_table(
        "ledger_term",
        sa.Column("term", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_recent",
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("base_seq", sa.BigInteger, nullable=False),
        sa.Column("base_hash", sa.LargeBinary, nullable=False),
        sa.Column("base_at", sa.BigInteger),
        sa.Column("horizon", sa.BigInteger),
    )
    op.create_table(
        "ledger_late",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("learned", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_document",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("checkpoint", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_state",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_claim",
        sa.Column("queue", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("free", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    open_only = sa.text("state = 0")
    op.create_index(
        "ledger_claim_open",
        "ledger_claim",
        ["queue", "place"],
        sqlite_where=open_only,
        postgresql_where=open_only,
    )
    op.bulk_insert(
        head,
        [
            {
                "id": 1,
                "ledger": secrets.token_hex(16),
                "seq": 0,
                "hash": bytes(32),
                "base_seq": 0,
                "base_hash": bytes(32),
                "base_at": None,
                "horizon": None,
            }
        ],
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """There is nothing before the first version, and a ledger is not dropped by a migration."""
    raise NotImplementedError("a ledger is not dropped: delete the file or the database")


_SQLITE = (
    """CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: entries are never changed'); END""",
    """CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry
       WHEN OLD.seq > (SELECT base_seq FROM ledger_head WHERE id = 1)
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: only `doorward ledger prune` removes'); END""",
    """CREATE TRIGGER ledger_head_no_delete BEFORE DELETE ON ledger_head
       BEGIN SELECT RAISE(ABORT, 'the ledger has one head'); END""",
)
_POSTGRESQL = (
    """CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'ledger_entry' THEN
           IF OLD.seq <= (SELECT base_seq FROM ledger_head WHERE id = 1) THEN RETURN OLD; END IF;
         END IF;
         RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
           USING ERRCODE = 'insufficient_privilege', HINT = 'entries are removed by `doorward ledger prune` only';
       END $$""",
    """CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
       FOR EACH ROW EXECUTE FUNCTION ledger_refuse()""",
    """CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()""",
    """CREATE TRIGGER ledger_head_no_delete BEFORE DELETE ON ledger_head
       FOR EACH ROW EXECUTE FUNCTION ledger_refuse()""",
    """CREATE TRIGGER ledger_head_no_truncate BEFORE TRUNCATE ON ledger_head
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()""",
    # The head is rewritten with every batch: room in its page keeps those updates within it.
    "ALTER TABLE ledger_head SET (fillfactor = 10)",
)
