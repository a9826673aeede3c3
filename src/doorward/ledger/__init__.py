"""The ledger: append-only, hash-chained, bitemporal memory of changes, verdicts and acts; on SQLite or PostgreSQL."""
