"""Work shared by several workers: each item is done once, by whoever holds it.

A claim is a lease: it ends by itself, so that nothing hangs on a worker that died. What is finished is recorded in the
same transaction that ends the claim (`finish`), and a worker that lost its lease cannot finish: so an item may be begun
twice, but takes effect once. On PostgreSQL rows that others are claiming are skipped, never waited for; times are the
server's, so that workers' clocks do not matter.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from doorward.errors import InvalidInput, LeaseLost
from doorward.ledger import codec, schema
from doorward.ledger.chain import Appended, Writer, appending
from doorward.ledger.entry import Entry, seal
from doorward.ledger.store import Database

OPEN, DONE = 0, 1
_TABLE = schema.claim


@dataclass(frozen=True, slots=True)
class Claim:
    """An item that a worker holds. ``attempt`` counts how often it was claimed, this time included."""

    queue: str
    id: str
    worker: str
    attempt: int
    payload: Any


def offer(database: Database, queue: str, items: Mapping[str, object]) -> int:
    """Put items (id → JSON) into the queue, in their order; those that it has or had are left alone. How many new."""
    insert = sqlite.insert if database.sqlite else postgresql.insert
    with database.writing() as connection:
        now = _now(connection)
        rows = [
            {
                "queue": queue,
                "id": id,
                "payload": codec.canonical(codec.plain({"": payload})[""]).decode(),
                "place": now + number,
                "state": OPEN,
                "worker": "",
                "free": now,
                "attempts": 0,
            }
            for number, (id, payload) in enumerate(items.items())
        ]
        new = 0
        for start in range(0, len(rows), 500):
            statement = insert(_TABLE).values(rows[start : start + 500]).on_conflict_do_nothing()
            new += len(connection.execute(statement.returning(_TABLE.c.id)).all())
        return new


def claim(database: Database, queue: str, worker: str, lease: timedelta, n: int = 1) -> list[Claim]:
    """Up to `n` items that nobody holds, oldest first; ours until the lease ends."""
    if lease <= timedelta(0):
        raise InvalidInput(f"expected a lease longer than zero, got {lease}")
    columns = _TABLE.c
    with database.writing() as connection:
        now = _now(connection)
        free = (
            sa.select(columns.id)
            .where(columns.queue == queue, columns.state == OPEN, columns.free <= now)
            .order_by(columns.place, columns.id)
            .limit(n)
        )
        if not database.sqlite:
            free = free.with_for_update(skip_locked=True)
        ids = connection.execute(free).scalars().all()
        if not ids:
            return []
        update = (
            sa.update(_TABLE)
            .where(columns.queue == queue, columns.id.in_(ids))
            .values(worker=worker, free=now + lease // timedelta(microseconds=1), attempts=columns.attempts + 1)
            .returning(columns.id, columns.payload, columns.attempts, columns.place)
        )
        rows = sorted(connection.execute(update).all(), key=lambda row: (row.place, row.id))
    return [Claim(queue, row.id, worker, row.attempts, msgspec.json.decode(row.payload)) for row in rows]


def finish(database: Database, claims: Sequence[Claim], entries: Sequence[Entry] = ()) -> Appended:
    """The items are done, and what came of them is in the chain: both or neither. Raises `LeaseLost`."""
    sealed = [seal(entry) for entry in entries]
    with appending(database, sealed) as writer:
        settle(writer, claims)
        return writer.extend(sealed)


def settle(writer: Writer, claims: Sequence[Claim]) -> None:
    """Mark them done in the transaction of `writer`."""
    for one in claims:
        _change(writer.connection, one, state=DONE)


def done(database: Database, one: Claim) -> None:
    """The item is done and not claimed again. Raises `LeaseLost` if another worker has claimed it since."""
    with database.writing() as connection:
        _change(connection, one, state=DONE)


def release(database: Database, one: Claim, delay: timedelta = timedelta(0)) -> None:
    """Give it back, to be claimed by anyone after `delay`. Raises `LeaseLost`."""
    with database.writing() as connection:
        _change(connection, one, worker="", free=_now(connection) + delay // timedelta(microseconds=1))


def extend(database: Database, one: Claim, lease: timedelta) -> None:
    """Hold it for `lease` from now. Raises `LeaseLost`."""
    with database.writing() as connection:
        _change(connection, one, free=_now(connection) + lease // timedelta(microseconds=1))


def waiting(database: Database, queue: str) -> int:
    """How many items are not done, claimed ones included."""
    columns = _TABLE.c
    query = sa.select(sa.func.count()).select_from(_TABLE).where(columns.queue == queue, columns.state == OPEN)
    with database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def sweep(database: Database, queue: str, older: timedelta) -> int:
    """Forget items that were done, and offered longer ago than `older`: they could be offered again. How many."""
    columns = _TABLE.c
    with database.writing() as connection:
        edge = _now(connection) - older // timedelta(microseconds=1)
        where = (columns.queue == queue, columns.state == DONE, columns.place < edge)
        return connection.execute(sa.delete(_TABLE).where(*where)).rowcount


def _change(connection: sa.Connection, one: Claim, **values: object) -> None:
    columns = _TABLE.c
    update = sa.update(_TABLE).where(
        columns.queue == one.queue,
        columns.id == one.id,
        columns.state == OPEN,
        columns.worker == one.worker,
        columns.attempts == one.attempt,
    )
    if connection.execute(update.values(**values)).rowcount != 1:
        raise LeaseLost(
            f"{one.queue} {one.id} is no longer held by {one.worker}",
            hint="its lease ran out and another worker took it: drop what was computed; a longer lease avoids this",
        )


def _now(connection: sa.Connection) -> int:
    """Microseconds since 1970, by the clock that all workers share."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(
        connection.execute(sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")).scalar_one()
    )
