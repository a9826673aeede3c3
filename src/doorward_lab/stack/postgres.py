"""A PostgreSQL cluster of our own: made by `initdb` in a folder, small, listening at given addresses, with passwords.

Lives here: making, starting, stopping. Needs Debian's postgresql-15 (or any PostgreSQL ≥ 13 on PATH) and a user other
than root. Not here: what is in it (`schema`), its faults and metrics (`database`).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from doorward_lab.errors import LabError
from doorward_lab.stack.place import dies_with_parent, program

_PACKAGE = "postgresql-15"
SUPERUSER = "postgres"


def _binary(name: str) -> str:
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return program(name, _PACKAGE, *map(str, newest_first))


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster in `folder`: data in data/, its Unix socket in the folder itself."""

    folder: Path
    addresses: tuple[str, ...]
    port: int = 5432
    connections: int = 40

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    def make(self) -> None:
        """Run initdb, write the configuration. Raises `LabError` with initdb's words."""
        self._run(
            _binary("initdb"), "--pgdata", str(self.data), "--username", SUPERUSER, "--auth-local=trust",
            "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        (self.data / "postgresql.auto.conf").write_text(self.settings())
        # Who may connect at all is the security groups' business; everybody needs a password.
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n"
        )

    def settings(self) -> str:
        """postgresql.conf for a database that is thrown away: little memory, nothing flushed to the disk."""
        values = {
            "listen_addresses": ",".join(self.addresses),
            "port": self.port,
            "unix_socket_directories": str(self.folder),
            "max_connections": self.connections,
            "superuser_reserved_connections": 5,  # the exporter and the faults' healing still get in
            "shared_buffers": "16MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "64MB",
            "min_wal_size": "32MB",
            "autovacuum_naptime": "60s",
            "jit": "off",
            "log_destination": "stderr",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_min_duration_statement": "500ms",
            "log_lock_waits": "on",
            "tcp_keepalives_idle": 30,
        }
        quoted = {name: str(value).replace("'", "''") for name, value in values.items()}
        return "".join(f"{name} = '{value}'\n" for name, value in quoted.items())

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child that dies with this process; wait until it takes connections."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # of a server that was killed: its folder is ours alone
        server = subprocess.Popen([*dies_with_parent(), _binary("postgres"), "-D", str(self.data)])
        for _ in range(200):
            if server.poll() is not None:
                raise LabError(f"PostgreSQL ended with {server.returncode} at its start; see {self.folder / 'log'}")
            try:
                self.connect(SUPERUSER, SUPERUSER).close()
            except psycopg.OperationalError:
                try:
                    server.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            else:
                return server
        server.kill()
        raise LabError(f"PostgreSQL takes no connections after 10 s; see {self.folder / 'log'}")

    def connect(self, user: str, database: str, **options: object) -> psycopg.Connection[tuple[object, ...]]:
        """A connection by the Unix socket, which needs no password."""
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            user=user,
            dbname=database,
            connect_timeout=5,
            **options,  # type: ignore[arg-type]
        )

    def create(self, database: str, owner: str, password: str, statements: str) -> None:
        """A role with a password, a database, and the statements run in it."""
        with self.connect(SUPERUSER, SUPERUSER, autocommit=True) as admin:
            admin.execute(
                sql.SQL("create role {} login password {}").format(sql.Identifier(owner), sql.Literal(password))
            )
            # From template1 by copying its log is slow with little memory; FILE_COPY of an empty one is quick.
            admin.execute(sql.SQL("create database {} strategy file_copy").format(sql.Identifier(database)))
        with self.connect(SUPERUSER, database) as connection:
            connection.execute(statements.encode())

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` ends sessions in order, `immediate` is a crash."""
        self._run(_binary("pg_ctl"), "stop", "--pgdata", str(self.data), "--mode", mode, "--timeout", "5")

    @staticmethod
    def _run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
