"""The database under the ledger: addresses, connections, the schema's version, and errors in the ledger's words.

Lives here: everything that differs between SQLite and PostgreSQL but the append itself (`chain`) and claims. Not here:
what is stored.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from doorward.errors import InvalidInput, LedgerBroken, LedgerError, LedgerNewer, LedgerUnreachable
from doorward.ledger.schema import HEAD, VERSION_TABLE

BUSY_SECONDS = 30
"""How long SQLite waits for another process's transaction. Ours last milliseconds; a backup tool's, perhaps seconds."""
WRITE = "doorward_write"
_MIGRATION_LOCK = 0x646F6F72  # "door": the advisory lock under which PostgreSQL's schema is made
_SECRETS = ("password", "sslpassword", "passfile", "sslkey")


class Database:
    """Connections to one ledger's database. Raises `LedgerError` and its kinds from everything."""

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.url = address(url)
        self.name = shown(self.url)
        self._secrets = _secrets(self.url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._engine()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection in a transaction that only reads: one snapshot."""
        with self.translated(), self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction that is committed at the end; on SQLite, the only one that writes."""
        with (
            self.translated(),
            self.engine.connect().execution_options(**{WRITE: True}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of SQLAlchemy and of the drivers become the ledger's."""
        try:
            yield
        except SQLAlchemyError as error:
            raise self.error(error) from None
        except self.engine.dialect.loaded_dbapi.Error as error:
            raise self.error(error) from None

    def migrate(self) -> None:
        """Make or renew the schema where needed. Raises `LedgerNewer` for one that a newer Doorward made."""
        if self.sqlite:
            # A new file is its owner's alone; the log beside it takes after it. A bad folder is SQLite's to tell.
            with suppress(OSError):
                os.close(os.open(str(self.url.database), os.O_RDWR | os.O_CREAT, 0o600))
        with self.translated(), self.engine.connect() as connection:
            if self._version(connection) == HEAD:
                return
        with self.writing() as connection:
            if not self.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
                encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
                if encoding != "UTF8":
                    raise LedgerError(
                        f"the database's encoding is {encoding}, expected UTF8",
                        where=self.name,
                        hint="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
                    )
            if self._version(connection) != HEAD:
                _upgrade(connection)

    def _version(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        version = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
        if version is not None and str(version) > HEAD:
            raise LedgerNewer(
                f"its schema is version {version}, this Doorward knows versions up to {HEAD}",
                where=self.name,
                hint="use the newer Doorward that changed it, or another ledger",
            )
        return None if version is None else str(version)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _engine(self) -> sa.Engine:
        try:
            if self.sqlite:
                engine = sa.create_engine(self.url, connect_args={"isolation_level": None, "timeout": BUSY_SECONDS})
                sa.event.listen(engine, "connect", _sqlite_connected)
                sa.event.listen(engine, "begin", _sqlite_begun)
                return engine
            engine = sa.create_engine(self.url, connect_args={"application_name": "doorward"})
            sa.event.listen(engine, "connect", _postgresql_connected)
            return engine
        except ModuleNotFoundError as error:
            raise InvalidInput(
                f"{error.name} is not installed", where=self.name, hint="pip install 'doorward[postgres]'"
            ) from error
        except (NoSuchModuleError, ArgumentError) as error:
            raise InvalidInput(self._clean(str(error)), where=self.name) from None

    def error(self, error: Exception) -> LedgerError:
        """The ledger's word for an error of SQLAlchemy or of a driver, without secrets."""
        cause: BaseException = error
        lost = False
        if isinstance(error, DBAPIError):
            cause, lost = error.orig or error, error.connection_invalidated
        text = self._clean(" ".join(str(cause).split()) or type(cause).__name__)
        if isinstance(cause, sqlite3.Error):
            return self._sqlite_error(cause, text)
        state = getattr(cause, "sqlstate", None)
        unreachable = state is None or state[:2] in ("08", "53", "57", "55", "40")
        if lost or (unreachable and isinstance(cause, self.engine.dialect.loaded_dbapi.OperationalError)):
            return LedgerUnreachable(text, where=self.name, hint="is the server up, and this its address? Try again")
        return LedgerError(text, where=self.name)

    def _sqlite_error(self, error: sqlite3.Error, text: str) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            hint = f"another process has held it for {BUSY_SECONDS} s; for several workers use PostgreSQL"
            return LedgerUnreachable(text, where=self.name, hint=hint)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return LedgerBroken(text, where=self.name, hint="is this a ledger? Else restore it from a backup or export")
        if code == sqlite3.SQLITE_CANTOPEN:
            hint = "does its folder exist, and may it be written?"
            return LedgerUnreachable(text, where=self.name, hint=hint)
        if code == sqlite3.SQLITE_FULL:
            return LedgerUnreachable(text, where=self.name, hint="free some space, then try again")
        return LedgerError(text, where=self.name)

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def address(url: str | os.PathLike[str]) -> URL:
    """The database that a path or a URL names. Raises `InvalidInput`; no message repeats a password."""
    text = os.fspath(url)
    if "://" not in text:
        if not text or text == ":memory:":
            raise InvalidInput("a ledger is a file or a database: memory forgets", hint="give a path or a URL")
        return URL.create("sqlite", database=str(Path(text).absolute()))
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        scheme = text.partition("://")[0]
        raise InvalidInput(
            f"the {scheme} address cannot be read",
            where="ledger",
            hint="expected a path, sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
            "(special characters in the password as %XX)",
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise InvalidInput("a ledger is a file or a database: memory forgets", hint="give a path or a URL")
        return parsed.set(drivername="sqlite", database=str(Path(str(parsed.database)).absolute()))
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise InvalidInput(
        f"a ledger on {backend} is not supported",
        where="ledger",
        hint="expected a path, sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    )


def shown(url: URL) -> str:
    """The address for people: a file's path, or the URL without any secret."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    hidden = url.set(drivername="postgresql").difference_update_query(_SECRETS)
    return hidden.render_as_string(hide_password=True)


def _secrets(url: URL) -> tuple[str, ...]:
    raw = {str(url.password)} if url.password else set()
    for name in ("password", "sslpassword"):
        value = url.query.get(name, ())
        raw.update((value,) if isinstance(value, str) else value)
    raw.discard("")
    words = {form for word in raw for form in (word, quote(word, safe=""), quote_plus(word))}
    return tuple(sorted(words, key=len, reverse=True))


def _sqlite_connected(connection: sqlite3.Connection, record: object) -> None:
    """WAL: readers never wait. FULL: a commit is on the disk before it is answered; NORMAL would lose the last
    commits with the power, and an event is deleted from the queue because we said that we have it."""
    cursor = connection.cursor()
    mode = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise sqlite3.OperationalError(
            f"its file system does not allow WAL (journal mode {mode}): put it on a local disk"
        )
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA trusted_schema = OFF")
    # 16 MB of log between two writings into the file: pages of the indexes are then written once for many commits.
    cursor.execute("PRAGMA wal_autocheckpoint = 4000")
    cursor.execute("PRAGMA cache_size = -65536")
    cursor.close()


def _sqlite_begun(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _postgresql_connected(connection: sa.engine.interfaces.DBAPIConnection, record: object) -> None:
    """A server or role may have commits answered before they are durable; here only `chain` decides on that."""
    cursor = connection.cursor()
    cursor.execute("SELECT set_config('synchronous_commit', 'on', false) "
                   "WHERE current_setting('synchronous_commit') = 'off'")  # fmt: skip
    cursor.close()
    connection.commit()


def _upgrade(connection: sa.Connection) -> None:
    # Alembic is loaded only when there is something to migrate.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
