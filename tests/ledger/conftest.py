"""The same tests on both databases: ``place`` is the address of a new, empty ledger; ``ledger`` is one that is open."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from doorward.ledger.ledger import Ledger
from tests.ledger.servers import Server, missing, server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real server, as long as the tests run."""
    if (why := missing()) is not None:
        pytest.skip(why)
    with server() as one:
        yield one


def new_database(one: Server) -> str:
    """The address of a new, empty database."""
    name = "ledger_" + secrets.token_hex(6)
    with psycopg.connect(one.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return one.url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    """A new ledger."""
    with Ledger.open(place) as one:
        yield one
