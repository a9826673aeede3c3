"""The emitter: what leaves, in which order, and that nothing is lost in silence."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_lab.cloud.trail.bridge import Delivery, Envelope
from doorward_lab.cloud.trail.emit import Emitter
from doorward_lab.cloud.trail.faults import FARTHEST, Fate, Faults, Schedule, fate

PROBABILITIES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
FAULTS = st.builds(
    Faults,
    delay=st.sampled_from([(0.0, 0.0), (0.0, 5.0), (2.0, 2.0)]),
    duplicate=PROBABILITIES,
    reorder=PROBABILITIES,
    drop=PROBABILITIES,
)


def record(number: int) -> dict[str, Any]:
    """A record that carries its number as its event id."""
    return {
        "eventSource": "ec2.amazonaws.com",
        "eventName": "RevokeSecurityGroupIngress",
        "eventTime": "2024-02-15T10:30:00Z",
        "eventID": str(number),
        "awsRegion": "us-east-1",
        "recipientAccountId": "123456789012",
    }


class Sink:
    """Receives events in place of EventBridge."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, event: Envelope) -> Delivery:
        self.entered.set()
        self.gate.wait(10)
        self.got.append(int(event["detail"]["eventID"]))
        return Delivery(rules=1, messages=1)


def run(seed: int, count: int, faults: Faults) -> tuple[list[int], Emitter]:
    """Emit so many records at once and close; a clock that stands still keeps all that is delayed until then."""
    sink = Sink()
    emitter = Emitter(
        seed,
        delay=faults.delay,
        duplicate=faults.duplicate,
        reorder=faults.reorder,
        drop=faults.drop,
        clock=lambda: 0.0,
        send=sink,
    )
    assert all(emitter.emit(record(number)) for number in range(count))
    emitter.close()
    return sink.got, emitter


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 40), faults=FAULTS)
def test_delivered_is_emitted_without_dropped_with_duplicated(seed: int, count: int, faults: Faults) -> None:
    """Whatever the seed: the delivered multiset is the emitted one minus the dropped plus the duplicated; the same seed
    gives the same sequence; the counts say what happened."""
    got, emitter = run(seed, count, faults)
    fates = [fate(seed, number, faults) for number in range(count)]
    kept = Counter(number for number, one in enumerate(fates) if not one.dropped)
    copies = Counter(number for number, one in enumerate(fates) if not one.dropped and one.again is not None)
    assert kept + copies == Counter(got)
    assert got == run(seed, count, faults)[0]
    counts = emitter.counts
    assert (count, counts.received - counts.dropped + counts.duplicated) == (counts.received, counts.sent)
    assert (copies.total(), count - kept.total(), 0) == (counts.duplicated, counts.dropped, counts.lost)
    assert sum(1 for one in fates if not one.dropped and one.delay > 0) == counts.delayed


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), faults=FAULTS)
def test_order(seed: int, count: int, faults: Faults) -> None:
    """Without reordering, first copies leave in the order of emission, whatever the delays; with it none leaves later
    than `FARTHEST` records behind its place, and a first copy always leaves before its second."""
    schedule: Schedule[int] = Schedule()
    for number in range(count):
        schedule.push(number, fate(seed, number, faults), float(number))
    leaving = schedule.pop(0.0, everything=True)
    firsts = [one.number for one in leaving if not one.copy]
    if faults.reorder == 0:
        assert sorted(firsts) == firsts
    for at, number in enumerate(firsts):
        assert all(other <= number + FARTHEST for other in firsts[:at])
    for one in leaving:
        if one.copy:
            places = [at for at, other in enumerate(leaving) if other.number == one.number]
            assert [False, True] == [leaving[at].copy for at in places]
    overtaken = sum(1 for at, number in enumerate(firsts) if any(other > number for other in firsts[:at]))
    assert overtaken == sum(one.overtaken for one in leaving)


def test_seeds_differ() -> None:
    """Other seeds give other sequences (so the equality above is not that of a constant)."""
    faults = Faults(duplicate=0.5, reorder=0.5, drop=0.2)
    assert len({tuple(run(seed, 40, faults)[0]) for seed in range(8)}) == 8


def test_probabilities_are_met() -> None:
    """Over 20,000 records each probability is met within two hundredths, and delays fill their range evenly."""
    faults = Faults(delay=(1.0, 3.0), duplicate=0.1, reorder=0.2, drop=0.3)
    fates = [fate(1, number, faults) for number in range(20_000)]
    shares = [
        sum(one.dropped for one in fates),
        sum(one.later > 0 for one in fates),
        sum(one.again is not None for one in fates),
        sum(one.delay < 1.5 for one in fates),
    ]
    for expected, share in zip((0.3, 0.2, 0.1, 0.25), shares, strict=True):
        assert abs(share / 20_000 - expected) < 0.02
    assert all(1.0 <= one.delay <= 3.0 for one in fates)


def test_delay_is_waited_for() -> None:
    """An event leaves when its delay is over by the emitter's clock, not before."""
    now = [100.0]
    sink = Sink()
    emitter = Emitter(delay=(5.0, 5.0), clock=lambda: now[0], send=sink)
    emitter.emit(record(1))
    now[0] = 104.9
    emitter.wake()
    time.sleep(0.05)
    assert [] == sink.got
    now[0] = 105.0
    emitter.wake()
    _until(lambda: sink.got == [1])
    assert 0 == emitter.waiting
    emitter.close()


def test_reordered_event_waits_for_a_later_one_at_most_hold() -> None:
    """A reordered event leaves after the later record that it waits for; with none, when `hold` is over."""
    schedule: Schedule[str] = Schedule(hold=2.0)
    schedule.push("a", Fate(False, 0.0, 1, None), 0.0)
    assert (2.0, []) == (schedule.next_due(0.0), schedule.pop(1.9))
    schedule.push("b", Fate(False, 0.0, 0, None), 1.95)
    assert [("b", False), ("a", True)] == [(one.event, one.overtaken) for one in schedule.pop(1.95)]
    schedule.push("c", Fate(False, 0.0, 3, None), 3.0)
    assert [("c", False)] == [(one.event, one.overtaken) for one in schedule.pop(5.0)]


def test_emit_never_blocks_and_says_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    """While a delivery hangs, `emit` returns at once; beyond `capacity` a record is lost: False, counted and logged."""
    sink = Sink()
    sink.gate.clear()
    emitter = Emitter(send=sink, capacity=3)
    emitter.emit(record(0))
    assert sink.entered.wait(5)
    began = time.monotonic()
    with caplog.at_level(logging.ERROR):
        taken = [emitter.emit(record(number)) for number in range(1, 6)]
    assert time.monotonic() - began < 1.0
    assert [True, True, True, False, False] == taken
    assert 2 == emitter.counts.lost
    assert ["lost the event of RevokeSecurityGroupIngress (4)", "lost the event of RevokeSecurityGroupIngress (5)"] == [
        one.message.partition(":")[0] for one in caplog.records
    ]
    sink.gate.set()
    counts = emitter.close()
    assert ([0, 1, 2, 3], 4) == (sink.got, counts.sent)


def test_closed_emitter_loses_aloud() -> None:
    """After `close` a record is refused and counted as lost."""
    emitter = Emitter(send=Sink())
    emitter.close()
    assert not emitter.emit(record(1))
    assert 1 == emitter.counts.lost


def test_close_with_a_hanging_delivery_counts_the_rest_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be sent within the time that `close` was given is counted as lost and said, not sent later."""
    sink = Sink()
    sink.gate.clear()
    emitter = Emitter(send=sink)
    emitter.emit(record(0))
    assert sink.entered.wait(5)
    for number in range(1, 4):
        emitter.emit(record(number))
    with caplog.at_level(logging.ERROR):
        counts = emitter.close(0.05)
    assert (3, 0) == (counts.lost, counts.sent)
    assert ["the emitter was closed with 3 events unsent"] == [one.message for one in caplog.records]
    sink.gate.set()
    _until(lambda: emitter.counts.sent == 1)
    assert [0] == sink.got


def test_a_fault_of_ours_in_delivery_is_not_silent(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If delivery itself breaks, the thread ends with a critical line, `flush` says no, and later records are lost."""
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda seen: raised.append(seen.exc_type))

    def broken(event: Envelope) -> Delivery:
        raise RuntimeError("broken")

    emitter = Emitter(send=broken)
    with caplog.at_level(logging.CRITICAL):
        emitter.emit(record(1))
        assert not emitter.flush(5.0)
    assert not emitter.emit(record(2))
    assert 1 == emitter.counts.lost
    assert any("thread has failed" in one.message for one in caplog.records)
    _until(lambda: raised == [RuntimeError])


@pytest.mark.parametrize(
    "wrong", [{"delay": (-1.0, 1.0)}, {"delay": (2.0, 1.0)}, {"drop": 1.1}, {"duplicate": -0.1}, {"reorder": 2.0}]
)
def test_wrong_knobs_are_refused(wrong: dict[str, Any]) -> None:
    """A range or probability that is none is refused, naming what was got and expected."""
    with pytest.raises(ValueError, match=r"got .*, expected"):
        Faults(**wrong)


def test_faults_change_while_running() -> None:
    """New faults hold for the records that come after."""
    sink = Sink()
    emitter = Emitter(send=sink)
    emitter.emit(record(0))
    emitter.faults = Faults(drop=1.0)
    emitter.emit(record(1))
    emitter.faults = Faults()
    emitter.emit(record(2))
    emitter.close()
    assert ([0, 2], 1) == (sink.got, emitter.counts.dropped)


def _until(done: Any, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)
