"""Measures the ledger: `python -m benchmarks.ledger [--url postgresql://…] [--events N] [--rounds R] [--json FILE]`.

Every rate is of acknowledged, durable events, encoding included. The floor is a bare loop that inserts the very rows
that the ledger stores (same columns, primary and unique key, commit after each batch) into a table without a chain,
index of subjects, triggers or head; on PostgreSQL the faster of executemany and one INSERT from arrays. Floor and
subject are measured one after the other in each round, in processes of their own; the ratio is the median over the
rounds. Without a URL a PostgreSQL is started on this disk, if its programs are installed.
Lives here: the ledger's benchmark. Not here: deciding (`benchmarks.run`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from doorward.ledger import index
from doorward.ledger.entry import Entry, seal
from doorward.ledger.ledger import Ledger
from doorward.model.change import Change, Key, Place, RuleAdded, RuleFact, Who

START = datetime(2024, 2, 15, 10, 30, tzinfo=UTC)
BARE = (
    "(seq BIGINT PRIMARY KEY, kind TEXT NOT NULL, key TEXT UNIQUE, at BIGINT, learned BIGINT, sealed TEXT, hash {blob})"
)
Row = tuple[int, str, str | None, int, int, str, bytes]


def change(number: int, stream: str) -> Change:
    """A change as Terraform makes them, of one of 20,000 groups."""
    place = Place("111122223333", "eu-west-1")
    group = Key(place, "group", f"sg-{number * 7919 % 20_000:017x}")
    rule = RuleFact(
        False, "tcp", (443, 443), cidr=f"10.{number % 250}.{number // 250 % 250}.0/24",
        id=f"sgr-{number:017x}", description="web in",
    )  # fmt: skip
    who = Who(
        f"arn:aws:iam::111122223333:role/deployer-{number % 20}", "AssumedRole", "terraform-run",
        access_key="ASIAIOSFODNN7EXAMPLE", address="203.0.113.5",
        agent="HashiCorp Terraform/1.7.0 terraform-provider-aws/5.40",
    )  # fmt: skip
    at = START + timedelta(seconds=number)
    digest = hashlib.sha256(f"{stream} {number}".encode()).hexdigest()
    id = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    call = "ec2:AuthorizeSecurityGroupIngress"
    return Change(id, at, at + timedelta(seconds=7), place, call, who, (RuleAdded(group, rule),), request=id[::-1])


def rows(changes: list[Change]) -> list[Row]:
    """The rows that the ledger would store."""
    sealed = [seal(Entry.of(one)) for one in changes]
    return [
        (seq, row.kind, row.key, row.at, row.learned, row.text, row.digest) for seq, row in enumerate(sealed, 1)
    ]  # fmt: skip


def batches(size: int, count: int) -> Iterator[slice]:
    """Slices of `size`."""
    return (slice(start, start + size) for start in range(0, count, size))


def bare_sqlite(place: str, given: list[Row], size: int) -> float:
    """Seconds of the floor on SQLite, with the ledger's own settings of the file."""
    file = sqlite3.connect(place + ".bare", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000", "cache_size = -65536"):
        file.execute(f"PRAGMA {pragma}")
    file.execute("CREATE TABLE bare " + BARE.format(blob="BLOB"))
    begin = time.perf_counter()
    for part in batches(size, len(given)):
        file.execute("BEGIN IMMEDIATE")
        file.executemany("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)", given[part])
        file.execute("COMMIT")
    seconds = time.perf_counter() - begin
    file.close()
    return seconds


def bare_postgresql(url: str, given: list[Row], size: int, *, arrays: bool) -> float:
    """Seconds of the floor on PostgreSQL."""
    import psycopg

    many = "INSERT INTO bare VALUES (%s, %s, %s, %s, %s, %s, %s)"
    one = (
        "INSERT INTO bare SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], "
        "%s::text[], %s::bytea[])"
    )
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare " + BARE.format(blob="BYTEA"))
        connection.commit()
        cursor = connection.cursor()
        begin = time.perf_counter()
        for part in batches(size, len(given)):
            if arrays:
                cursor.execute(one, [list(column) for column in zip(*given[part], strict=True)])
            else:
                cursor.executemany(many, given[part])
            connection.commit()
        return time.perf_counter() - begin


def appends(url: str, changes: list[Change], size: int, wait: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """When the ledger began and ended to append them, encoding included."""
    with Ledger.open(url) as ledger:
        list(ledger.entries(limit=1))
        wait()
        begin = time.time()
        for part in batches(size, len(changes)):
            ledger.append(changes[part])
        index.merge(ledger._database, size * 10)  # what was put off is part of the price
        return begin, time.time()


def _job(pipe: Connection, name: str, *words: Any) -> None:
    if name == "append":
        url, stream, count, size = words
        changes = [change(number, stream) for number in range(count)]

        def wait() -> None:
            pipe.send("ready")
            pipe.recv()

        pipe.send(appends(url, changes, size, wait))
        return
    url, count, size, arrays = words
    given = rows([change(number, "bare") for number in range(count)])
    pipe.send("ready")
    pipe.recv()
    if url.startswith("postgresql"):
        pipe.send((0.0, bare_postgresql(url, given, size, arrays=arrays)))
    else:
        pipe.send((0.0, bare_sqlite(url, given, size)))


def run(*jobs: tuple[Any, ...]) -> float:
    """Seconds from the first job's beginning to the last one's end; each in a process, all begun at once."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    processes = []
    for job in jobs:
        mine, theirs = context.Pipe()
        process = context.Process(target=_job, args=(theirs, *job))
        process.start()
        pipes.append(mine)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    times = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join()
    seconds: float = max(end for _, end in times) - min(begin for begin, _ in times)
    return seconds


@contextmanager
def postgresql(url: str | None) -> Iterator[Callable[[], str] | None]:
    """A maker of new databases, or None."""
    from tests.ledger import servers

    with ExitStack() as stack:
        if url is None:
            if (why := servers.missing()) is not None:
                print(f"without PostgreSQL: {why}", file=sys.stderr)
                yield None
                return
            # On the disk, not in memory: what is measured is the wait for it.
            url = stack.enter_context(servers.server(str(Path(tempfile.gettempdir())))).url("postgres")
        import psycopg
        from sqlalchemy.engine import make_url

        def new() -> str:
            name = "bench_" + secrets.token_hex(6)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
            return make_url(url).set(database=name).render_as_string(hide_password=False)

        yield new


def measure(name: str, new: Callable[[], str], events: int, rounds: int, workers: bool) -> list[dict[str, Any]]:
    """The rows of one database."""
    table: list[dict[str, Any]] = []
    forms = (False, True) if name == "PostgreSQL" else (False,)
    for size, count in ((100, events), (1, max(200, events // 20))):
        rates, floors, ratios = [], [], []
        for _ in range(rounds):
            floor = min(run(("bare", new(), count, size, arrays)) for arrays in forms)
            url = new()
            Ledger.open(url).close()
            seconds = run(("append", url, "a", count, size))
            rates.append(count / seconds)
            floors.append(count / floor)
            ratios.append(floor / seconds)
        what = "in batches of 100" if size == 100 else "one by one"
        table.append(
            row(f"{name}, durable, {what}", rates, floors, ratios, bar=0.5, least=3000 if size == 100 else None)
        )
    if workers:
        rates, floors, ratios = [], [], []
        for _ in range(rounds):
            url = new()
            Ledger.open(url).close()
            one = events / run(("append", url, "a", events, 100))
            url = new()
            Ledger.open(url).close()
            two = 2 * events / run(("append", url, "a", events, 100), ("append", url, "b", events, 100))
            rates.append(two)
            floors.append(one)
            ratios.append(two / one)
        table.append(row(f"{name}, two workers against one", rates, floors, ratios, bar=1.5, least=None))
    return table


def row(
    name: str, rates: list[float], floors: list[float], ratios: list[float], bar: float, least: int | None
) -> dict[str, Any]:
    """A line of the result; met when the median ratio, and the rate, are high enough."""
    rate, ratio = statistics.median(rates), statistics.median(ratios)
    return {
        "name": name,
        "events_per_second": round(rate),
        "floor_per_second": round(statistics.median(floors)),
        "ratio": round(ratio, 3),
        "ratios": [round(one, 3) for one in ratios],
        "bar": bar,
        "least": least,
        "met": ratio >= bar and (least is None or rate >= least),
    }


def sizes(name: str, new: Callable[[], str], events: int) -> dict[str, Any]:
    """Bytes per change, and seconds of verifying and of asking for documents."""
    url = new()
    with Ledger.open(url) as ledger:
        empty = ledger.size().bytes
        for part in batches(1000, events):
            ledger.append([Entry.of(change(number, "size")) for number in range(events)[part]])
        used = ledger.size().bytes - empty
        begin = time.perf_counter()
        assert ledger.verify() == []
        verify = time.perf_counter() - begin
        end = START + timedelta(seconds=events)
        begin = time.perf_counter()
        found = ledger.documents_at(end)
        bare = time.perf_counter() - begin
        begin = time.perf_counter()
        ledger.tend(every=1)
        tend = time.perf_counter() - begin
        begin = time.perf_counter()
        assert found == ledger.documents_at(end)
        quick = time.perf_counter() - begin
    return {
        "name": f"{name}, {events:,} changes",
        "megabytes_per_million": round(used / events),
        "verify_per_second": round(events / verify),
        "documents_seconds": round(bare, 2),
        "checkpoint_seconds": round(tend, 2),
        "documents_after_checkpoint_seconds": round(quick, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", help="a PostgreSQL database whose role may create databases")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=0, help="changes for sizes (0: not measured)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    words = parser.parse_args()
    table: list[dict[str, Any]] = []
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dw-bench-") as folder, postgresql(words.url) as new:

        def new_file() -> str:
            return str(Path(folder) / f"{secrets.token_hex(6)}.db")

        kinds: list[tuple[str, Callable[[], str], bool]] = [("SQLite", new_file, False)]
        if new is not None:
            kinds.append(("PostgreSQL", new, True))
        for name, maker, workers in kinds:
            for one in measure(name, maker, words.events, words.rounds, workers):
                table.append(one)
                print(
                    f"{one['name']:45} {one['events_per_second']:>8,}/s  floor {one['floor_per_second']:>8,}/s  "
                    f"ratio {one['ratio']:.2f} (≥ {one['bar']})  {'met' if one['met'] else 'MISSED'}",
                    flush=True,
                )
            if words.size:
                measured.append(sizes(name, maker, words.size))
                print(json.dumps(measured[-1]), flush=True)
    if words.json:
        words.json.write_text(json.dumps({"rates": table, "sizes": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
