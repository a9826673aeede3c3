"""Records of state with optimistic concurrency; approvals, used once; work shared by claims."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from doorward.errors import InvalidInput, LeaseLost, LedgerConflict
from doorward.ledger.ledger import Ledger
from doorward.ledger.state import Transition
from tests.ledger.samples import after, entries, note

SECOND = timedelta(seconds=1)


def test_a_record_and_its_history(ledger: Ledger) -> None:
    """Each transition counts the version up and is an entry of the chain; the record is what the last one said."""
    first = ledger.put("alert", "a1", {"severity": "high"}, at=after(0), who="duty", about=("contract:login",))
    second = ledger.put("alert", "a1", {"severity": "high", "acknowledged": "ann"}, expect=1, at=after(9))
    assert (1, 2) == (first.version, second.version)
    assert ledger.state("alert", "a1") == second
    assert ledger.state("alert", "a2") is None
    assert [second] == ledger.states("alert")
    told = list(ledger.entries(subject="alert:a1"))
    assert [first.seq, second.seq] == [stored.seq for stored in told]
    assert second.value == told[1].entry.body["value"]  # type: ignore[index]
    assert [first.seq] == [stored.seq for stored in ledger.entries(subject="contract:login", kind="state")]
    assert ledger.verify() == []


def test_a_decision_on_an_old_version_changes_nothing(ledger: Ledger) -> None:
    """Who decided on what is no longer so is told, and neither record nor chain moves, nor anything beside it."""
    ledger.put("revert", "r1", {"step": 0})
    ledger.put("revert", "r1", {"step": 1}, expect=1)
    size = ledger.size().entries
    with pytest.raises(LedgerConflict, match="version 2, expected 1"):
        ledger.put("revert", "r1", {"step": 9}, expect=1)
    with pytest.raises(LedgerConflict, match="expected 0"):
        ledger.put("revert", "r1", {"step": 0})
    changes = [Transition("alert", "new", 0, {}), Transition("revert", "r1", 1, {"step": 9})]
    with pytest.raises(LedgerConflict):
        ledger.transition(changes, entries=entries(0, 3))
    assert ledger.state("alert", "new") is None
    assert size == ledger.size().entries
    states, appended = ledger.transition(
        [changes[0], Transition("revert", "r1", 2, {"step": 2})], entries=entries(0, 3)
    )
    assert [1, 3] == [state.version for state in states]
    assert 3 == appended.stored


def test_one_of_many_wins(place: str) -> None:
    """Ten threads count one record up, each trying again when another was first: no count is lost."""
    Ledger.open(place).close()

    def work() -> None:
        with Ledger.open(place) as ledger:
            for _ in range(5):
                while True:
                    now = ledger.state("count", "c")
                    value, version = (now.value, now.version) if now else (0, 0)
                    try:
                        ledger.put("count", "c", value + 1, expect=version)
                    except LedgerConflict:
                        continue
                    break

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger.open(place) as ledger:
        state = ledger.state("count", "c")
        assert state is not None
        assert (30, 30) == (state.value, state.version)
        assert ledger.verify() == []


DELTA = [{"action": "authorize", "group": "sg-1", "service": "tcp/443", "peer": "10.0.0.0/8"}]


def test_an_approval_serves_once(ledger: Ledger) -> None:
    """Used by one change within its window, with the entries of that use; for the same change, the same answer."""
    ledger.approve("p1", DELTA, ["arn:aws:iam::1:role/deployer"], after(0), after(60), at=after(0), who="gate")
    with pytest.raises(LedgerConflict, match="holds from"):
        ledger.use_approval("p1", "e1", after(61))
    with pytest.raises(LedgerConflict, match="holds from"):
        ledger.use_approval("p1", "e1", after(-1))
    used = ledger.use_approval("p1", "e1", after(60), entries=[note("authorised", 60, "k1")])
    assert "e1" == used.value["used"]["change"]
    assert DELTA == used.value["delta"]
    assert ledger.find("k1") is not None
    size = ledger.size().entries
    assert used == ledger.use_approval("p1", "e1", after(60), entries=[note("authorised", 60, "k1")])
    with pytest.raises(LedgerConflict, match="used by e1"):
        ledger.use_approval("p1", "e2", after(30), entries=[note("authorised", 30, "k2")])
    assert ledger.find("k2") is None
    assert size == ledger.size().entries
    with pytest.raises(LedgerConflict, match="no approval p2"):
        ledger.use_approval("p2", "e2", after(30))
    with pytest.raises(LedgerConflict):
        ledger.approve("p1", DELTA, [], after(0), after(60))
    with pytest.raises(InvalidInput, match="never holds"):
        ledger.approve("p3", DELTA, [], after(60), after(0))
    ledger.approve("p4", DELTA, [], after(0), after(60))
    state = ledger.state("approval", "p4")
    assert state is not None
    ledger.put("approval", "p4", {**state.value, "withdrawn": True}, expect=1)
    with pytest.raises(LedgerConflict, match="withdrawn"):
        ledger.use_approval("p4", "e1", after(30))


def test_only_one_change_gets_an_approval(place: str) -> None:
    """Eight changes at once want one approval: one has it, seven are refused."""
    with Ledger.open(place) as ledger:
        ledger.approve("p1", DELTA, [], after(0), after(60))
    won: list[str] = []
    refused: list[str] = []

    def work(name: str) -> None:
        with Ledger.open(place) as ledger:
            try:
                ledger.use_approval("p1", name, after(1), entries=[note(name, 1, name)])
                won.append(name)
            except LedgerConflict:
                refused.append(name)

    threads = [threading.Thread(target=work, args=(f"e{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (1, 7) == (len(won), len(refused))
    with Ledger.open(place) as ledger:
        assert won == [stored.entry.key for stored in ledger.entries(kind="note")]


def test_claims(ledger: Ledger) -> None:
    """Items are offered once, claimed in their order by one worker each, given back, finished with their entries."""
    assert 3 == ledger.offer("judge", {"a": {"n": 1}, "b": 2, "c": None})
    assert 1 == ledger.offer("judge", {"a": {"n": 9}, "d": 4})
    first = ledger.claim("judge", "w1", 60 * SECOND, 2)
    assert [("a", {"n": 1}, 1), ("b", 2, 1)] == [(one.id, one.payload, one.attempt) for one in first]
    second = ledger.claim("judge", "w2", 60 * SECOND, 9)
    assert ["c", "d"] == [one.id for one in second]
    assert [] == ledger.claim("judge", "w3", 60 * SECOND, 9)
    assert [] == ledger.claim("other", "w3", 60 * SECOND, 9)
    ledger.release(first[1])
    again = ledger.claim("judge", "w2", 60 * SECOND, 9)
    assert [("b", 2)] == [(one.id, one.attempt) for one in again]
    with pytest.raises(LeaseLost, match="judge b"):
        ledger.done(first[1])
    assert 2 == ledger.finish([first[0], again[0]], entries(0, 2)).stored
    with pytest.raises(LeaseLost):
        ledger.finish([second[0], first[0]], entries(2, 4))
    assert 2 == ledger.size().entries
    ledger.done(second[0])
    assert 1 == ledger.waiting("judge")
    assert 0 == ledger.offer("judge", {"a": 1})
    assert 0 == ledger.sweep("judge", 60 * SECOND)
    assert 3 == ledger.sweep("judge", timedelta(0))
    with pytest.raises(InvalidInput, match="longer than zero"):
        ledger.claim("judge", "w1", timedelta(0))


def test_a_lease_ends_by_itself(ledger: Ledger) -> None:
    """What a dead worker held is free when its lease is over; the dead one, back again, cannot finish it."""
    ledger.offer("judge", {"a": 1})
    (dead,) = ledger.claim("judge", "w1", SECOND / 5)
    assert [] == ledger.claim("judge", "w2", SECOND)
    time.sleep(0.3)
    (alive,) = ledger.claim("judge", "w2", 60 * SECOND)
    assert 2 == alive.attempt
    with pytest.raises(LeaseLost, match="no longer held by w1"):
        ledger.finish([dead], entries(0, 1))
    with pytest.raises(LeaseLost):
        ledger.extend(dead, SECOND)
    ledger.extend(alive, 60 * SECOND)
    ledger.finish([alive], entries(0, 1))
    assert 1 == ledger.size().entries
    ledger.offer("judge", {"b": 1})
    (held,) = ledger.claim("judge", "w1", 60 * SECOND)
    ledger.release(held, 60 * SECOND)
    assert [] == ledger.claim("judge", "w1", SECOND)


def test_many_workers_do_everything_once(place: str) -> None:
    """Four workers drain one queue at once: every item is done, none twice."""
    with Ledger.open(place) as ledger:
        ledger.offer("judge", {f"i{number}": number for number in range(120)})
    mine: list[list[str]] = [[] for _ in range(4)]

    def work(number: int) -> None:
        with Ledger.open(place) as ledger:
            while held := ledger.claim("judge", f"w{number}", 60 * SECOND, 7):
                ledger.finish(held, [note(one.id) for one in held])
                mine[number].extend(one.id for one in held)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = sorted(name for names in mine for name in names)
    assert everything == sorted(f"i{number}" for number in range(120))
    with Ledger.open(place) as ledger:
        told = sorted(stored.entry.body["text"] for stored in ledger.entries())  # type: ignore[index]
        assert everything == told
        assert 0 == ledger.waiting("judge")
        assert ledger.verify() == []
