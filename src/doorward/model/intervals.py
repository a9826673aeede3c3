"""Canonical sets of whole numbers as sorted, disjoint, non-adjacent inclusive spans.

One algebra serves addresses (both families on one line) and services. Values are immutable and
canonical: equal sets are equal objects. Addresses and services give the numbers their meaning.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""First and last number, both included."""


class Intervals:
    """A set of integers, closed under union, intersection and difference."""

    __slots__ = ("_hash", "spans")

    spans: tuple[Span, ...]

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        """Take spans in any order, overlapping or not; a span with last < first raises ValueError."""
        self.spans = _canonical(spans)
        self._hash: int | None = None

    @classmethod
    def _of(cls, spans: tuple[Span, ...]) -> Intervals:
        made = object.__new__(cls)
        made.spans = spans
        made._hash = None
        return made

    @classmethod
    def point(cls, value: int) -> Intervals:
        """The set of one number."""
        return cls._of(((value, value),))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.spans == other.spans

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.spans)
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __repr__(self) -> str:
        return f"Intervals({list(self.spans)!r})"

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int):
            return False
        at = bisect_right(self.spans, value, key=_first) - 1
        return at >= 0 and value <= self.spans[at][1]

    @property
    def first(self) -> int:
        """The smallest number; IndexError when empty."""
        return self.spans[0][0]

    @property
    def size(self) -> int:
        """How many numbers are in the set."""
        return sum(last - first + 1 for first, last in self.spans)

    def __or__(self, other: Intervals) -> Intervals:
        if not other.spans:
            return self
        if not self.spans:
            return other
        return Intervals._of(_canonical((*self.spans, *other.spans)))

    def __and__(self, other: Intervals) -> Intervals:
        mine, theirs = self.spans, other.spans
        if not mine or not theirs:
            return EMPTY
        if len(theirs) == 1 and theirs[0][0] <= mine[0][0] and mine[-1][1] <= theirs[0][1]:
            return self
        if len(mine) == 1 and mine[0][0] <= theirs[0][0] and theirs[-1][1] <= mine[0][1]:
            return other
        found: list[Span] = []
        i = j = 0
        low, high = mine[0]
        first, last = theirs[0]
        while True:
            if last < low:
                j += 1
            elif high < first:
                i += 1
            else:
                found.append((low if low > first else first, high if high < last else last))
                if high < last:
                    i += 1
                else:
                    j += 1
            if i == len(mine) or j == len(theirs):
                break
            low, high = mine[i]
            first, last = theirs[j]
        return Intervals._of(tuple(found))

    def __sub__(self, other: Intervals) -> Intervals:
        if not self.spans or not other.spans:
            return self
        left: list[Span] = []
        cuts = other.spans
        at = 0
        for first, last in self.spans:
            low = first
            while at < len(cuts) and cuts[at][1] < low:
                at += 1
            step = at
            while step < len(cuts) and cuts[step][0] <= last:
                if cuts[step][0] > low:
                    left.append((low, cuts[step][0] - 1))
                low = cuts[step][1] + 1
                step += 1
            if low <= last:
                left.append((low, last))
        return Intervals._of(tuple(left))

    def __le__(self, other: Intervals) -> bool:
        """Subset."""
        return all(other.holds(first, last) for first, last in self.spans)

    def __ge__(self, other: Intervals) -> bool:
        return other <= self

    def holds(self, first: int, last: int) -> bool:
        """Whether the whole span [first, last] is in the set."""
        at = bisect_right(self.spans, first, key=_first) - 1
        return at >= 0 and last <= self.spans[at][1]

    def meets(self, first: int, last: int) -> bool:
        """Whether any number of [first, last] is in the set."""
        at = bisect_left(self.spans, first, key=_last)
        return at < len(self.spans) and self.spans[at][0] <= last

    def isdisjoint(self, other: Intervals) -> bool:
        """Whether no number is in both. Cheap when one set has few spans, however many the other has."""
        few, many = (self, other) if len(self.spans) <= len(other.spans) else (other, self)
        return not any(many.meets(first, last) for first, last in few.spans)


def _first(span: Span) -> int:
    return span[0]


def _last(span: Span) -> int:
    return span[1]


def _canonical(spans: Iterable[Span]) -> tuple[Span, ...]:
    ordered = sorted(spans)
    if not ordered:
        return ()
    low, high = ordered[0]
    if high < low:
        raise ValueError(f"span ends before it begins: {(low, high)}")
    if len(ordered) == 1:
        return ((low, high),)
    merged: list[Span] = []
    for first, last in ordered[1:]:
        if last < first:
            raise ValueError(f"span ends before it begins: {(first, last)}")
        if first <= high + 1:
            high = max(high, last)
        else:
            merged.append((low, high))
            low, high = first, last
    merged.append((low, high))
    return tuple(merged)


def union(sets: Iterable[Intervals]) -> Intervals:
    """The union of any number of sets, in one pass."""
    return Intervals._of(_canonical(span for one in sets for span in one.spans))


EMPTY = Intervals()
