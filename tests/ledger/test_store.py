"""Opening: addresses, schema versions, and errors that people can act on, without secrets."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from doorward.errors import InvalidInput, LedgerBroken, LedgerError, LedgerNewer, LedgerUnreachable
from doorward.ledger import schema, store
from doorward.ledger.ledger import Ledger
from tests.ledger.samples import entries
from tests.ledger.servers import PASSWORD, Server
from tests.ledger.tamper import tamper


def test_a_ledger_stays(place: str) -> None:
    """Opened again it is the same ledger, with everything in it."""
    with Ledger.open(place) as ledger:
        ledger.append(entries(0, 3))
        name = ledger.anchor().ledger
    with Ledger.open(place) as ledger:
        assert (name, 3) == (ledger.anchor().ledger, ledger.size().entries)
        assert ledger.size().bytes > 10_000


def test_the_tables_are_what_the_migrations_make(ledger: Ledger) -> None:
    """What queries name and what migrations made are the same schema, and its version is the newest one."""
    with ledger._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert [] == compare_metadata(context, schema.metadata)
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    assert schema.HEAD == ScriptDirectory.from_config(config).get_current_head()


def test_opened_by_many_at_once(place: str) -> None:
    """Eight processes' worth of openings of a ledger that does not exist make one ledger."""
    names: list[str] = []
    failed: list[LedgerError] = []

    def work() -> None:
        try:
            with Ledger.open(place) as ledger:
                names.append(ledger.anchor().ledger)
        except LedgerError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failed
    assert (8, 1) == (len(names), len(set(names)))


def test_a_newer_schema_is_refused(place: str) -> None:
    """A ledger that a newer Doorward has changed is left alone, and the message says what to do."""
    Ledger.open(place).close()
    tamper(place, "UPDATE ledger_version SET version_num = '9999'")
    with pytest.raises(LedgerNewer, match=r"version 9999, this Doorward knows versions up to .*use the newer Doorward"):
        Ledger.open(place)


def test_an_untouched_role_can_own_a_ledger(postgresql: Server) -> None:
    """On PostgreSQL a plain role that owns its database suffices: no superuser, no extension."""
    name = "plain_" + os.urandom(4).hex()
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")
        server.execute(f"CREATE DATABASE {name} OWNER {name}")
    with Ledger.open(postgresql.url(name, name, "plain")) as ledger:
        ledger.append(entries(0, 200))
        assert ledger.verify() == []


def test_commits_wait_for_the_disk_whatever_the_server_says(postgresql: Server) -> None:
    """A role for which commits are answered early is told otherwise on our connections."""
    name = "early_" + os.urandom(4).hex()
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        server.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Ledger.open(postgresql.url(name)) as ledger, ledger._database.reading() as connection:
        assert "on" == connection.execute(sa.text("SHOW synchronous_commit")).scalar()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    """WAL with synchronous FULL (2), and a wait for other processes."""
    with Ledger.open(tmp_path / "ledger.db") as ledger, ledger._database.reading() as connection:
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert ["wal", 2] == told
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1000 * store.BUSY_SECONDS


def test_a_ledger_file_is_private(tmp_path: Path) -> None:
    """A new file is its owner's alone: it tells who did what."""
    place = tmp_path / "ledger.db"
    Ledger.open(place).close()
    assert 0o600 == stat.S_IMODE(place.stat().st_mode)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "memory forgets"),
        (":memory:", "memory forgets"),
        ("sqlite://", "memory forgets"),
        ("mysql://u:hunter2@h/d", "on mysql is not supported"),
        ("postgresql://u:hunter2@h:port/d", "cannot be read"),
        ("://", "cannot be read"),
    ],
)
def test_addresses_that_are_none(url: str, says: str) -> None:
    """What is no address of a ledger is refused with what is expected; no message repeats a password."""
    with pytest.raises(InvalidInput, match=says) as caught:
        Ledger.open(url)
    assert "hunter2" not in str(caught.value)


def test_unreachable_places(tmp_path: Path) -> None:
    """A folder that does not exist, a file that is no ledger, a server that is not there: each says so."""
    with pytest.raises(LedgerUnreachable, match="folder exist"):
        Ledger.open(tmp_path / "none" / "ledger.db")
    (tmp_path / "text").write_text("this is no database, and long enough to look at " * 40)
    with pytest.raises(LedgerBroken, match="is this a ledger"):
        Ledger.open(tmp_path / "text")
    url = f"postgresql://ann:hunter2%40x@/none?host={tmp_path}"
    with pytest.raises(LedgerUnreachable, match="is the server up") as caught:
        Ledger.open(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "ann:***@" in str(caught.value)


def test_passwords_are_in_no_message(postgresql: Server) -> None:
    """Refused with a wrong password, in the URL's user part or in its query: neither form shows up."""
    for url in (
        postgresql.url("none", password="hunter2/x y"),
        postgresql.url("none", password="") .replace(":@", "@") + "&password=hunter2%2Fx%20y",
        postgresql.url("none"),
    ):  # fmt: skip
        with pytest.raises(LedgerError) as caught:
            Ledger.open(url)
        for secret in ("hunter2", PASSWORD, "s3cret"):
            assert secret not in str(caught.value)
            assert secret not in repr(caught.value.args)


def test_a_missing_driver_says_what_to_install() -> None:
    """Without psycopg the message names the extra."""
    code = (
        "import sys\nsys.modules['psycopg'] = None\nfrom doorward.ledger.ledger import Ledger\n"
        "from doorward.errors import InvalidInput\n"
        "try:\n    Ledger.open('postgresql://u:hunter2@h/d')\nexcept InvalidInput as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "src"}
    )
    assert "doorward[postgres]" in done.stdout, done.stderr
    assert "hunter2" not in done.stdout
