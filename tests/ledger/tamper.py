"""Somebody with all rights on the database, who also knows how to switch its triggers off."""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg


def tamper(place: str, *statements: str) -> None:
    """Run SQL against a ledger's tables, triggers off."""
    if place.startswith("postgresql"):
        with psycopg.connect(place) as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)
        return
    file = sqlite3.connect(place, isolation_level=None)
    file.execute("BEGIN IMMEDIATE")
    triggers = [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for name in triggers:
        file.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        file.execute(statement)
    file.execute("COMMIT")
    file.close()


def rows(place: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    if place.startswith("postgresql"):
        with psycopg.connect(place) as connection:
            return connection.execute(query).fetchall()
    file = sqlite3.connect(place)
    found = file.execute(query).fetchall()
    file.close()
    return found
