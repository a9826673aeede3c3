"""The database host: a PostgreSQL cluster with the seeded directory, its exporter, and the faults of databases.

Faults: slow statements, a long transaction that locks the accounts, all connections taken, server down; each heals.
Not here: the cluster's making (`postgres`), the tables (`schema`).
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
from aiohttp import web
from prometheus_client import Gauge

from doorward_lab.stack import postgres, schema
from doorward_lab.stack.service import Knobs, Service, Settings, log, run

_SLOW = 0.5  # seconds from which a statement counts as slow
_ACTIVITY = f"""
select coalesce(state, 'other'), count(*)::float, count(*) filter (where wait_event_type = 'Lock')::float,
    count(*) filter (where state = 'active' and now() - query_start > interval '{_SLOW} s')::float,
    coalesce(max(extract(epoch from now() - xact_start)), 0)::float
from pg_stat_activity where datname = '{schema.DATABASE}' group by 1"""  # noqa: S608 - constants of this package
_TOTALS = f"""
select xact_commit::float, xact_rollback::float, deadlocks::float,
    (select count(*)::float from pg_locks where not granted), current_setting('max_connections')::float
from pg_stat_database where datname = '{schema.DATABASE}'"""  # noqa: S608 - constants of this package
_STATES = ("active", "idle", "idle in transaction", "idle in transaction (aborted)", "other")


class DatabaseSettings(Settings, kw_only=True, frozen=True):
    """`seed` decides the passwords; `secret` is that of the login service's role; `cost` is scrypt's n."""

    seed: str
    secret: str
    accounts: int = 100
    cost: int = 2048
    port_sql: int = 5432
    connections: int = 40


class DatabaseKnobs(Knobs, kw_only=True, frozen=True):
    """`slow` seconds per statement; `locked`: a transaction holds the accounts; `exhausted`: all connections taken."""

    slow: float = 0.0
    locked: bool = False
    exhausted: bool = False
    stopped: bool = False


class Database(Service[DatabaseSettings, DatabaseKnobs]):
    """PostgreSQL with the login service's directory."""

    settings_type = DatabaseSettings
    knobs_type = DatabaseKnobs

    def __init__(self, settings: DatabaseSettings) -> None:
        super().__init__(settings)
        self.cluster = postgres.Cluster(Path(settings.folder), settings.listen, settings.port_sql, settings.connections)
        self._server: subprocess.Popen[bytes] | None = None
        self._locker: psycopg.Connection[tuple[object, ...]] | None = None
        self._holders: list[psycopg.Connection[tuple[object, ...]]] = []
        self._holding: asyncio.Task[None] | None = None
        self._scrape: psycopg.Connection[tuple[object, ...]] | None = None

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self._up = gauge("pg_up", "Whether the server answers")
        self._count = gauge("pg_stat_activity_count", "Sessions by state", ("state",))
        self._lock_waits = gauge("pg_lock_waiting_sessions", "Sessions that wait for a lock")
        self._slow = gauge("pg_slow_statements", f"Statements that have run for more than {_SLOW} s")
        self._longest = gauge("pg_longest_transaction_seconds", "Age of the oldest transaction")
        self._commits = gauge("pg_stat_database_xact_commit", "Transactions committed, ever")
        self._rollbacks = gauge("pg_stat_database_xact_rollback", "Transactions rolled back, ever")
        self._deadlocks = gauge("pg_stat_database_deadlocks", "Deadlocks, ever")
        self._waiting = gauge("pg_locks_waiting", "Locks asked for and not granted")
        self._max = gauge("pg_settings_max_connections", "The limit of connections")

    async def open(self) -> None:
        """Make the cluster if the folder has none yet, start it."""
        # All in this thread: a child dies with the thread that started it.
        began = time.monotonic()
        new = not self.cluster.data.exists()
        if new:
            self.cluster.make()
        self._server = self.cluster.start()
        if new:
            settings = self.settings
            self.cluster.create(schema.DATABASE, schema.OWNER, settings.secret, schema.SCHEMA)
            with self.cluster.connect(postgres.SUPERUSER, schema.DATABASE) as connection:
                schema.seed(connection, settings.accounts, settings.seed, settings.cost)
        log.info("PostgreSQL is ready after %.2f s", time.monotonic() - began)

    async def close(self) -> None:
        """Stop the server."""
        self._let_go()
        if self._scrape is not None:
            self._scrape.close()
        self._stop()

    def _stop(self) -> None:
        if self._server is not None:
            if self._server.poll() is None:
                self.cluster.stop("immediate")
            self._server.wait(10)
            self._server = None

    async def ready(self) -> str | None:
        """Whether the server runs."""
        return None if self._server is not None and self._server.poll() is None else "PostgreSQL does not run"

    # Faults

    async def turned(self, before: DatabaseKnobs) -> None:
        """Bring the server into the state that the knobs say."""
        if not 0 <= self.knobs.slow <= 60:
            raise ValueError(f"slow is {self.knobs.slow} s; expected 0 to 60")
        try:
            self._bring(before)
        except psycopg.Error as error:
            raise ValueError(f"PostgreSQL: {error}") from error

    def _bring(self, before: DatabaseKnobs) -> None:
        knobs = self.knobs
        if knobs.stopped:
            self._let_go()
            self._stop()
            return
        if self._server is None or self._server.poll() is not None:
            self._server = self.cluster.start()
        if knobs.exhausted and self._holding is None:
            self._holding = asyncio.create_task(self._hold())
        elif not knobs.exhausted:
            self._release()
        if not knobs.locked and self._locker is not None:
            self._locker.close()
            self._locker = None
        if knobs.slow != before.slow or before.stopped:
            with self._superuser() as connection:
                connection.execute(schema.delay(knobs.slow).encode())
        if knobs.locked and self._locker is None:
            self._locker = self._superuser(autocommit=False)
            # In autocommit=False the transaction stays open until the connection is closed.
            self._locker.execute("set lock_timeout = '5s'")
            self._locker.execute("lock table account in access exclusive mode")

    def _superuser(self, autocommit: bool = True) -> psycopg.Connection[tuple[object, ...]]:
        return self.cluster.connect(postgres.SUPERUSER, schema.DATABASE, autocommit=autocommit)

    async def _hold(self) -> None:
        """Take each connection that is free, end those that the login service has, and take theirs too.

        A pool that keeps its connections would not notice for as long as it keeps them.
        """
        self._take()
        with self._superuser() as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'login'"
            )
        while True:
            self._take()
            await asyncio.sleep(0.05)

    def _take(self) -> None:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                self._holders.append(self.cluster.connect(schema.OWNER, schema.DATABASE, autocommit=True))

    def _release(self) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        while self._holders:
            self._holders.pop().close()

    def _let_go(self) -> None:
        self._release()
        if self._locker is not None:
            self._locker.close()
            self._locker = None

    # Exporter

    def _read(self) -> None:
        if self._scrape is None or self._scrape.closed:
            self._scrape = self._superuser()
        rows: dict[str, tuple[Any, ...]] = {str(row[0]): row[1:] for row in self._scrape.execute(_ACTIVITY.encode())}
        for state in _STATES:
            self._count.labels(state).set(rows.get(state, (0.0,))[0])
        self._lock_waits.set(sum(row[1] for row in rows.values()))
        self._slow.set(sum(row[2] for row in rows.values()))
        self._longest.set(max((row[3] for row in rows.values()), default=0.0))
        totals: Any = self._scrape.execute(_TOTALS.encode()).fetchone()
        gauges = (self._commits, self._rollbacks, self._deadlocks, self._waiting, self._max)
        for gauge, value in zip(gauges, totals, strict=True):
            gauge.set(value)

    async def metrics(self, request: web.Request) -> web.Response:
        """The exporter: reads the server at each scrape."""
        try:
            await asyncio.to_thread(self._read)
            self._up.set(1)
        except psycopg.Error as error:
            log.warning("scrape: %s", error)
            if self._scrape is not None:
                self._scrape.close()
            self._scrape = None
            self._up.set(0)
        return await super().metrics(request)


if __name__ == "__main__":
    run(Database)
