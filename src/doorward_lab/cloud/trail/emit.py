"""The emitter: records → EventBridge → queues, on a thread of its own, late, twice, out of order or not at all.

`faults` decides, `bridge` delivers; here is the thread between them. `emit` never waits: when the emitter is full,
closed or broken, the record is counted as lost, logged, and `emit` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from doorward_lab.cloud.trail.bridge import Delivery, Envelope, deliver, envelope
from doorward_lab.cloud.trail.faults import Faults, Leaving, Schedule, fate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the records. `sent` = `received` - `dropped` - `lost` - waiting + `duplicated`.

    `sent`, `duplicated` (second copies), `delayed` (a delay above 0) and `reordered` (a later record left before) count
    events that left; `dropped` was meant by the faults, `lost` was not. Of those sent, `unmatched` met no rule;
    `messages` went into queues, `failed` did not.
    """

    received: int = 0
    sent: int = 0
    delayed: int = 0
    duplicated: int = 0
    reordered: int = 0
    dropped: int = 0
    lost: int = 0
    unmatched: int = 0
    messages: int = 0
    failed: int = 0


class Emitter:
    """Delivers records in the background.

    `delay` is (shortest, longest) in seconds, drawn evenly for each record; `duplicate`, `reorder` and `drop` are
    probabilities. They may be changed at any time through `faults`, for the records that come after. The same seed, and
    the same records in the same order, give the same decisions. `capacity` bounds the events that wait, `hold` the
    seconds that a reordered event waits for a later one. `clock` gives seconds; with one that is not the machine's,
    call `wake` after moving it.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        delay: tuple[float, float] = (0.0, 0.0),
        duplicate: float = 0.0,
        reorder: float = 0.0,
        drop: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        send: Callable[[Envelope], Delivery] = deliver,
        capacity: int = 100_000,
        hold: float = 1.0,
    ) -> None:
        self.seed = seed
        self.faults = Faults(delay, duplicate, reorder, drop)
        self.capacity = capacity
        self._clock = clock
        self._send = send
        self._schedule: Schedule[tuple[Envelope, bool]] = Schedule(hold)
        self._changed = threading.Condition()
        self._counts = Counts()
        self._numbers = 0
        self._sending = 0
        self._flushing = False
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What became of the records so far."""
        with self._changed:
            return self._counts

    @property
    def waiting(self) -> int:
        """Events that have not left yet."""
        with self._changed:
            return len(self._schedule) + self._sending

    def emit(self, record: Mapping[str, Any]) -> bool:
        """Take a record for delivery; False when it is lost (full, closed or broken: counted and logged)."""
        event = envelope(record)
        with self._changed:
            self._add(received=1)
            if self._closing or self._ended or len(self._schedule) >= self.capacity:
                self._add(lost=1)
                why = f"{len(self._schedule)} events wait already" if not self._ended else "the emitter has ended"
                log.error("lost the event of %s (%s): %s", record["eventName"], record["eventID"], why)
                return False
            decided = fate(self.seed, self._numbers, self.faults)
            self._numbers += 1
            self._add(dropped=int(decided.dropped))
            self._schedule.push((event, decided.delay > 0), decided, self._clock())
            self._changed.notify_all()
        return True

    def wake(self) -> None:
        """Look at the clock again."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, timeout: float = 10.0) -> bool:
        """Send all that waits at once, without its delay; whether all has left within `timeout` seconds."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: self._ended or not (len(self._schedule) or self._sending), timeout)
            self._flushing = False
            return done and not self._ended

    def close(self, timeout: float = 10.0) -> Counts:
        """Send all that waits and end the thread; what could not be sent within `timeout` seconds is lost, and said."""
        flushed = self._ended or self.flush(timeout)
        with self._changed:
            left = len(self._schedule)
            self._closing = True
            self._changed.notify_all()
            if not flushed:
                self._add(lost=left)
                log.error("the emitter was closed with %d events unsent", left)
        self._thread.join(timeout)
        return self.counts

    def _add(self, **more: int) -> None:
        now = {name: getattr(self._counts, name) + value for name, value in more.items()}
        self._counts = replace(self._counts, **now)

    def _run(self) -> None:
        try:
            while (leaving := self._next()) is not None:
                for one in leaving:
                    self._leave(one)
        finally:
            with self._changed:
                self._ended = True
                if not self._closing:
                    log.critical("the emitter's thread has failed; events are lost from here on")
                self._changed.notify_all()

    def _next(self) -> list[Leaving[tuple[Envelope, bool]]] | None:
        with self._changed:
            while not self._closing:
                now = self._clock()
                if leaving := self._schedule.pop(now, everything=self._flushing):
                    self._sending = len(leaving)
                    return leaving
                due = self._schedule.next_due(now)
                self._changed.wait(None if due is None else max(0.0, due - now))
            return None

    def _leave(self, one: Leaving[tuple[Envelope, bool]]) -> None:
        event, delayed = one.event
        done = self._send(event)
        for failure in done.failures:
            log.warning("event %s not delivered: %s", event["detail"].get("eventID"), failure)
        with self._changed:
            self._sending -= 1
            self._add(
                sent=1,
                delayed=int(delayed and not one.copy),
                duplicated=int(one.copy),
                reordered=int(one.overtaken),
                unmatched=int(not done.rules),
                messages=done.messages,
                failed=len(done.failures),
            )
            self._changed.notify_all()
