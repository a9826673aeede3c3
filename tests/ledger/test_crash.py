"""kill -9 at every statement of an append, at random moments, and of the server: nothing acknowledged is lost, nothing
is doubled."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from doorward.errors import LedgerUnreachable
from doorward.ledger.entry import Entry
from doorward.ledger.ledger import Ledger
from tests.ledger.conftest import new_database
from tests.ledger.samples import change, entries
from tests.ledger.servers import Server

BATCH = 4


def victim(place: str, first: int, told: int, arm: Callable[[Ledger], None]) -> int:
    """A process that appends batch after batch from `first` on, tells each acknowledged one, and is killed. Its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with Ledger.open(place) as ledger:
            arm(ledger)
            for number in range(first, first + 200):
                ledger.append(batch(number))
                os.write(told, number.to_bytes(4, "big"))
            status = 0
    finally:
        os._exit(status)


def batch(number: int) -> list[Entry]:
    """The batch `number`; each shares its first entry with the one before, as queues deliver."""
    return entries(number * BATCH, (number + 1) * BATCH + 1)


def at_statement(n: int) -> Callable[[Ledger], None]:
    """Kills its process when it is about to run its `n`th statement (SQLite), or to send or await it (PostgreSQL)."""
    count = 0

    def step(*_: object) -> None:
        nonlocal count
        count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(ledger: Ledger) -> None:
        def traced(connection: object, *_: object) -> None:
            assert isinstance(connection, sqlite3.Connection)
            connection.set_trace_callback(step)

        if ledger._database.sqlite:
            sa.event.listen(ledger._database.engine, "checkout", traced)
            return
        execute, leave = psycopg.Connection.execute, psycopg.Pipeline.__exit__

        def counted(self: Any, *words: Any, **more: Any) -> Any:
            step()
            return execute(self, *words, **more)

        def left(self: Any, *words: Any) -> None:
            step()  # queued, nothing awaited
            leave(self, *words)
            step()  # done, not told to anybody

        psycopg.Connection.execute = counted  # type: ignore[method-assign]
        psycopg.Pipeline.__exit__ = left  # type: ignore[method-assign]

    return arm


def acknowledged(told: int) -> list[int]:
    """The batches that were told so far."""
    os.set_blocking(told, False)
    with suppress(BlockingIOError):
        data = os.read(told, 1 << 16)
        return [int.from_bytes(data[place : place + 4], "big") for place in range(0, len(data), 4)]
    return []


def check(place: str, last: int) -> int:
    """All batches to `last` are there, each entry once, the chain holds; how many entries there are."""
    with Ledger.open(place) as ledger:
        assert ledger.verify() == []
        keys = [stored.entry.key for stored in ledger.entries()]
        assert len(keys) == len(set(keys))
        count = (last + 1) * BATCH + 1 if last >= 0 else 0
        assert [change(number).id for number in range(count)] == keys[:count]
        return len(keys)


def test_killed_at_every_statement(place: str) -> None:
    """At whichever statement the process dies, the batch is there whole or not at all, everything acknowledged is
    there, and appending the same again stores each entry once."""
    Ledger.open(place).close()
    last, kills, n = -1, 0, 0
    while n < 40:
        n += 1
        out, told = os.pipe()
        child = victim(place, last + 1, told, at_statement(n))
        os.close(told)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        for number in acknowledged(out):
            assert number == last + 1
            last = number
        os.close(out)
        count = check(place, last)
        # Whole or not at all: one batch more than was told may be there.
        assert count in ((last + 1) * BATCH + 1, (last + 2) * BATCH + 1, 0)
    assert kills == 40
    assert last >= 3, "kills came after acknowledged batches too"


def test_killed_at_any_moment(place: str) -> None:
    """The same with the clock in the place of statements: in the middle of writing, flushing, waiting."""
    Ledger.open(place).close()
    chance = random.Random(5)
    last = -1
    for _ in range(8):
        out, told = os.pipe()
        child = victim(place, last + 1, told, lambda ledger: None)
        os.close(told)
        time.sleep(0.03 + chance.random() * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for number in acknowledged(out):
            assert number == last + 1
            last = number
        os.close(out)
        check(place, last)
    assert last >= 0


def test_a_crash_of_the_server_loses_nothing(postgresql: Server) -> None:
    """The server is ended without ceremony (its memory is lost) while three writers append: each is told that it is
    unreachable, appends the same again when it is back, and everything is there once."""
    place = new_database(postgresql)
    Ledger.open(place).close()
    acknowledged: list[list[int]] = [[] for _ in range(3)]
    stop = threading.Event()
    failures: list[str] = []

    def work(mine: int) -> None:
        number = 0
        with Ledger.open(place) as ledger:
            while not stop.is_set():
                try:
                    ledger.append([Entry.of(change(10_000 * (mine + 1) + number * 10 + n)) for n in range(10)])
                except LedgerUnreachable as error:
                    failures.append(str(error))
                    time.sleep(0.05)
                    continue
                acknowledged[mine].append(number)
                number += 1

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.5)
        postgresql.stop(signal.SIGQUIT)
        postgresql.start()
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures
    assert not any("s3cret" in failure for failure in failures)
    with Ledger.open(place) as ledger:
        keys = [stored.entry.key for stored in ledger.entries()]
        assert ledger.verify() == []
    assert len(keys) == len(set(keys))
    wanted = {
        change(10_000 * (mine + 1) + number * 10 + n).id
        for mine, numbers in enumerate(acknowledged)
        for number in numbers
        for n in range(10)
    }
    assert wanted - set(keys) == set()
    assert all(numbers == list(range(len(numbers))) for numbers in acknowledged)
    assert min(len(numbers) for numbers in acknowledged) > 0


def test_the_crash_test_would_notice(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the commit that waits for the disk, a crash of the server does lose acknowledged entries."""
    from doorward.ledger import chain

    def careless(self: Any) -> None:
        self._raw.execute("COMMIT")
        self._committed = True

    monkeypatch.setattr(chain._PostgresqlWriter, "_finish", careless)
    for _ in range(10):
        place = new_database(postgresql)
        with Ledger.open(place) as ledger:
            ledger.append(entries(0, 50))
            told = ledger.append(entries(50, 55)).seqs[-1]
        postgresql.stop(signal.SIGQUIT)
        postgresql.start()
        with Ledger.open(place) as ledger:
            found = ledger.anchor().seq
        if found < told:
            return
    raise AssertionError("ten crashes without the wait lost nothing: the test proves nothing here")
