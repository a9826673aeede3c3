"""Appending and reading, on both databases."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import InvalidInput
from doorward.ledger.entry import Entry, Stored, link, seal
from doorward.ledger.ledger import Ledger
from doorward.model.change import Change
from tests.ledger.samples import CHANGES, DEPLOYER, after, change, entries, group, note


def test_entries_come_back_in_their_order(ledger: Ledger) -> None:
    """What is appended is read back equal, numbered from 1 without gaps."""
    given = [*entries(0, 1200), note("watched", 3)]
    done = ledger.append(given)
    assert done.seqs == tuple(range(1, 1202))
    assert done.stored == 1201
    read = list(ledger.entries())
    assert given == [stored.entry for stored in read]
    assert list(done.seqs) == [stored.seq for stored in read]
    assert done.hash == read[-1].hash


def test_each_hash_follows_from_the_one_before(ledger: Ledger) -> None:
    """The chain is what the reference says, across appends."""
    for first in range(0, 30, 3):
        ledger.append(entries(first, first + 3))
    previous = bytes(32)
    for stored in ledger.entries():
        previous = link(previous, stored.seq, seal(stored.entry).digest)
        assert previous == stored.hash


def test_the_same_event_is_stored_once(ledger: Ledger) -> None:
    """A key that was seen, in this append or in an earlier one, is not stored again, and its place is told."""
    ledger.append(entries(0, 5))
    again = [*entries(3, 7), *entries(6, 8), note("no key"), note("no key")]
    done = ledger.append(again)
    assert done.seqs == (4, 5, 6, 7, 7, 8, 9, 10)
    assert done.new == (False, False, True, True, False, True, True, True)
    assert done.duplicates == (0, 1, 4)
    assert [*entries(0, 8), note("no key"), note("no key")] == [stored.entry for stored in ledger.entries()]


def test_nothing_and_only_known_ones_leave_the_chain_alone(ledger: Ledger) -> None:
    """An append without anything new changes no head."""
    assert ledger.append([]).seqs == ()
    done = ledger.append(entries(0, 3))
    assert ledger.append(entries(0, 3)).hash == done.hash
    assert ledger.size().entries == 3
    assert ledger.verify() == []


@settings(max_examples=25)
@given(st.lists(CHANGES, max_size=6))
def test_any_change_can_be_kept(tmp_path_factory: pytest.TempPathFactory, given: list[Change]) -> None:
    """Whatever text an event holds (NUL, line breaks, any alphabet), SQLite keeps it exactly."""
    with Ledger.open(tmp_path_factory.mktemp("any") / "ledger.db") as ledger:
        done = ledger.append([Entry.of(one) for one in given])
        read = {stored.seq: stored.entry.change for stored in ledger.entries()}
        first = {one.id: one for one in reversed(given)}
        assert [first[one.id] for one in given] == [read[seq] for seq in done.seqs]
        assert ledger.verify() == []


@pytest.mark.parametrize(
    "text", ["a\0b", "\n", "\\n", "", '"', "{}", "é\u2028\U0001f6aa", "\x7f\x1f", "NULL", "x" * 300_000]
)
def test_hostile_text_is_kept(ledger: Ledger, text: str) -> None:
    """Both databases keep text that would end a line, a statement or a string, in every place where text stands."""
    one = Entry("note", {text: text}, after(0), after(1), text, text, (text, f"group:{text}"))
    ledger.append([note("before"), one, note("after")])
    assert [one] == [stored.entry for stored in ledger.entries(after=1, limit=1)]
    assert [one] == [stored.entry for stored in ledger.entries(subject=f"group:{text}", who=text or None)]
    found = ledger.find(text)
    assert found is not None
    assert found.entry == one
    assert ledger.append([one]).new == (False,)
    assert ledger.verify() == []


def test_questions(ledger: Ledger) -> None:
    """By kind, subject with and without place, actor, both times, place in the chain, and limit; and together."""
    given = [*entries(0, 700), note("ann looked", 350.5, about=("group:sg-00000007", "contract:login"))]
    ledger.append(given)

    def ask(**question: object) -> list[Entry]:
        return [stored.entry for stored in ledger.entries(**question)]  # type: ignore[arg-type]

    seven = [one for number, one in enumerate(given[:700]) if number % 50 == 7]
    assert ask(subject=group("sg-00000007")) == seven
    assert ask(subject="group:sg-00000007") == [*seven, given[700]]
    assert ask(subject="group:sg-00000007", kind="change") == seven
    assert ask(subject="group:sg-0000000") == []
    assert ask(subject=group("sg-00000007", group("x").place._replace(region="eu-west-2"))) == []
    assert ask(subject="contract:login") == [given[700]]
    assert ask(kind="note") == [given[700]]
    assert ask(kind="nothing") == []
    assert ask(who=DEPLOYER.arn) == given[:700]
    assert ask(who="arn:aws:iam::1:user/ann", kind="note") == [given[700]]
    assert ask(who="arn:aws:iam::1:user/bob") == []
    assert ask(since=after(10), until=after(12)) == given[10:13]
    assert ask(known_at=after(7 + 2)) == given[:3]
    assert ask(after=698) == given[698:]
    assert ask(limit=3) == given[:3]
    assert ask(limit=0) == []
    assert ask(limit=650, after=20) == given[20:670]
    assert ask(order="happened", since=after(349), until=after(352)) == [
        given[349],
        given[350],
        given[700],
        *given[351:353],
    ]
    assert ask(who=DEPLOYER.arn, subject="group:sg-00000007", since=after(100), limit=2, after=110) == seven[3:5]
    assert list(ledger.changes(since=after(5), limit=2)) == [change(5), change(6)]


def test_late_changes_take_their_place(ledger: Ledger) -> None:
    """In the order of happening a change that was learned late stands where it belongs; ties keep the chain's order."""
    ledger.append([Entry.of(change(n, at=at)) for n, at in enumerate([5, 1, 3, 1, 9, 3])])
    happened = [one.at for one in ledger.changes()]
    assert happened == sorted(happened)
    assert [change(n, at=at) for n, at in [(1, 1), (3, 1), (2, 3), (5, 3), (0, 5), (4, 9)]] == list(ledger.changes())
    assert [change(2, at=3), change(5, at=3)] == list(ledger.changes(since=after(2), until=after(4)))


def test_a_slow_reader_holds_nothing_up(ledger: Ledger) -> None:
    """Appending while somebody reads works, from the same thread, and the reader sees each entry once."""
    ledger.append(entries(0, 1100))
    seen: list[Stored] = []
    for stored in ledger.entries():
        if stored.seq == 3:
            ledger.append(entries(1100, 1200))
        seen.append(stored)
    assert [stored.seq for stored in seen[:1100]] == list(range(1, 1101))
    assert len({stored.seq for stored in seen}) == len(seen)


def test_several_writers_make_one_chain(place: str) -> None:
    """Threads with ledgers of their own append overlapping events at once: each event is there once, the chain has
    no gap and verifies, and each writer was told the true places."""
    Ledger.open(place).close()
    told: list[dict[str, int]] = []
    failed: list[BaseException] = []

    def work(number: int) -> None:
        mine: dict[str, int] = {}
        try:
            with Ledger.open(place) as ledger:
                for first in range(0, 200, 10):
                    batch = entries(first + 3 * number, first + 3 * number + 10)
                    for entry, seq in zip(batch, ledger.append(batch).seqs, strict=True):
                        assert entry.key is not None
                        mine[entry.key] = seq
        except BaseException as error:
            failed.append(error)
            raise
        told.append(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Ledger.open(place) as ledger:
        read = list(ledger.entries())
        assert [stored.seq for stored in read] == list(range(1, 210))
        where = {stored.entry.key: stored.seq for stored in read}
        for mine in told:
            assert mine.items() <= where.items()
        assert ledger.verify() == []


def test_entries_cannot_be_changed_by_sql(ledger: Ledger, place: str) -> None:
    """UPDATE, DELETE and (PostgreSQL) TRUNCATE of entries are refused by the database itself."""
    ledger.append(entries(0, 3))
    words = [
        "UPDATE ledger_entry SET sealed = '' WHERE seq = 2",
        "UPDATE ledger_entry SET at = at",
        "DELETE FROM ledger_entry WHERE seq = 3",
        "DELETE FROM ledger_head",
    ]
    if place.startswith("postgresql"):
        with psycopg.connect(place, autocommit=True) as server:
            for word in [*words, "TRUNCATE ledger_entry"]:
                with pytest.raises(psycopg.Error, match="append-only"):
                    server.execute(word)
    else:
        file = sqlite3.connect(place, isolation_level=None)
        for word in words:
            with pytest.raises(sqlite3.Error, match=r"append-only|one head"):
                file.execute(word)
        file.close()
    assert ledger.verify() == []
    assert entries(0, 3) == [stored.entry for stored in ledger.entries()]


def test_an_append_is_all_or_nothing(ledger: Ledger) -> None:
    """One entry that cannot be written keeps the others out too."""
    with pytest.raises(InvalidInput, match="no exact word"):
        ledger.append([*entries(0, 3), Entry("note", {"x": timedelta(1)}, after(0), after(0))])
    assert ledger.size().entries == 0
