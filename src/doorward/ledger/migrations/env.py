"""Run by Alembic, on the connection that `doorward.ledger.store` hands over: in its transaction, under its lock."""

from __future__ import annotations

from alembic import context

from doorward.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
