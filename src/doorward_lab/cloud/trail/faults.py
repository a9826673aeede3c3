"""How delivery goes wrong, decided: a record's fate from the seed and its number, and the order in which events leave.

Pure: no clock, no thread, no cloud. `emit` performs it.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

FARTHEST = 3
"""A reordered event, and the second copy of a duplicated one, leaves after at most this many later records."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The knobs. `delay` is a range of seconds, drawn evenly; the others are probabilities for each record.

    Raises:
        ValueError: a range that is negative or reversed, a probability outside 0 to 1.
    """

    delay: tuple[float, float] = (0.0, 0.0)
    duplicate: float = 0.0
    reorder: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.delay
        if not 0 <= low <= high:
            raise ValueError(f"delay: got {self.delay}, expected (shortest, longest) in seconds, 0 or more")
        for name in ("duplicate", "reorder", "drop"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: got {value}, expected a probability from 0 to 1")


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one record: it is dropped; or it leaves `later` records late, perhaps a copy `again` late."""

    dropped: bool
    delay: float
    later: int
    again: int | None


def fate(seed: int, number: int, faults: Faults) -> Fate:
    """The fate of the record of this number: the same for the same seed, number and faults, on every machine."""
    draw = random.Random(f"fate {seed} {number}")  # noqa: S311  # repeatable, not secret
    dropped = draw.random() < faults.drop
    delay = draw.uniform(*faults.delay)
    far = draw.randint(1, FARTHEST)
    later = far if draw.random() < faults.reorder else 0
    far = draw.randint(0, FARTHEST)
    again = far if draw.random() < faults.duplicate else None
    return Fate(dropped, delay, later, again)


@dataclass(frozen=True, slots=True)
class Leaving(Generic[T]):
    """An event that leaves: the record's number, whether it is the second copy, whether a later record left before."""

    number: int
    event: T
    copy: bool
    overtaken: bool


@dataclass(order=True, slots=True)
class _Waiting(Generic[T]):
    place: float
    number: int
    copy: bool
    due: float = field(compare=False)
    held_until: float = field(compare=False)
    event: T = field(compare=False)


class Schedule(Generic[T]):
    """Events waiting to leave. They leave in the order of their places; delay alone never reorders.

    A record's place is its number; a reordered one's is behind the record `later` after it, and it waits for that
    record, at most `hold` seconds beyond its delay (in a quiet account nothing would ever overtake it).
    """

    def __init__(self, hold: float = 1.0) -> None:
        self.hold = hold
        self._waiting: list[_Waiting[T]] = []
        self._numbers = 0
        self._latest = -1

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, event: T, decided: Fate, now: float) -> None:
        """Take the next record's event, with its fate, at `now` (seconds)."""
        number = self._numbers
        self._numbers += 1
        if decided.dropped:
            return
        due = now + decided.delay
        behind = 0.25 if decided.later else 0.0
        self._add(number, number + decided.later + behind, False, due, event)
        if decided.again is not None:
            self._add(number, number + max(decided.again, decided.later) + 0.5, True, due, event)

    def _add(self, number: int, place: float, copy: bool, due: float, event: T) -> None:
        heapq.heappush(self._waiting, _Waiting(place, number, copy, due, due + self.hold, event))

    def next_due(self, now: float) -> float | None:
        """When the first event may leave (perhaps in the past), or None when nothing waits."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        return first.due if first.place < self._numbers else max(first.due, first.held_until)

    def pop(self, now: float, *, everything: bool = False) -> list[Leaving[T]]:
        """The events that leave at `now`; with `everything` all that wait, in the same order."""
        leaving = []
        while self._waiting:
            due = self.next_due(now)
            if not everything and due is not None and due > now:
                break
            one = heapq.heappop(self._waiting)
            leaving.append(Leaving(one.number, one.event, one.copy, not one.copy and one.number < self._latest))
            if not one.copy:
                self._latest = max(self._latest, one.number)
        return leaving
