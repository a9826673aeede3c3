"""Effects on one document, put into the order in which they happened, whatever order they come in.

Events tell the second in which a call *ended* (CloudTrail User Guide, *eventTime*), come late, twice or never, and in
any order. So effects are kept in a log since the last describe answer, and what is known is what follows from that
answer and the log:

1. What ended before the answer was asked for is in it.
2. What ended after it was given is applied in order of seconds.
3. What ended in between may be in it: unless the answer shows it, both may be true.
4. Of calls of one second the order is not known: those that do not concern each other are applied in any order, of the
   others every order may be true.

"May be true" is kept by ``merge``: certain is what all candidates have, possible what any has.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple, Protocol, Self

from doorward.duty.order import concern_each_other, ranked
from doorward.model.change import Effect

MOST_ORDERS = 4
"""Up to so many calls of one second that concern each other, every order is tried; beyond, anything may be."""
MARK_EVERY = 8
LONGEST = 512
"""A log that is longer is folded into its base, as far as it is older than what may still come."""


class Entry(NamedTuple):
    """What one call did to this document."""

    second: int
    id: str
    effects: tuple[Effect, ...]


class Known(Protocol):
    """What is known of a document at a moment: ``group.GroupRules`` or ``document.Document``."""

    @property
    def unsure(self) -> bool:
        """Whether anything is left open."""
        ...

    def apply(self, effect: Effect) -> None:
        """One effect, at its turn."""
        ...

    def blur(self) -> None:
        """Anything may be true of it now."""
        ...

    def copy(self) -> Self:
        """The same, to be changed apart."""
        ...

    def merge(self, other: Self) -> None:
        """This or the other is true."""
        ...

    def shows(self, effect: Effect) -> bool:
        """Whether this, read while the effect happened, has it in already."""
        ...

    def dump(self) -> dict[str, Any]:
        """All of it in JSON values."""
        ...


class Timeline:
    """The log of one document, and what follows from it. ``now`` is what is known now; treat it as a value."""

    __slots__ = ("_placed", "base", "began", "ended", "folded", "ids", "lag", "log", "marks", "now", "prior")

    def __init__(self, base: Known, began: float | None = None, ended: float | None = None, lag: float = 0) -> None:
        """``began`` and ``ended`` are when the base was asked for and given, POSIX seconds; None: it was never read.
        ``lag``: for how many seconds an answer may still lack what was done before it."""
        self.base = base
        self.began, self.ended, self.lag = began, ended, lag
        self.log: list[Entry] = []
        self.ids: set[str] = set()
        self.folded: int | None = None
        """Up to this second the log has gone into the base."""
        self.now: Known = base
        self.prior: Known = base
        """Before the last second of the log."""
        self.marks: list[tuple[int, Known]] = []
        """(number of entries, what was known after them), now and then."""
        self._placed: tuple[str, Known] | None = None
        """The entry that was put into its place last, and what was known before its second."""

    def add(self, entry: Entry) -> bool:
        """Take over what a call did. False: it was known already, or is in the base."""
        if entry.id in self.ids or self._in_base(entry):
            return False
        if self.folded is not None and entry.second <= self.folded:
            # Too late to be put in its place: true or already overtaken.
            self.base = self._maybe(self.base, entry)
            self.ids.add(entry.id)
            self._replay(0)
            return True
        self.ids.add(entry.id)
        log = self.log
        if not log or entry.second > log[-1].second:
            self.prior = self.now
            self.now = self._cluster(self.now, (entry,))
            log.append(entry)
            if len(log) % MARK_EVERY == 0:
                # Everything before the last second is settled, whatever else comes of that second.
                self.marks.append((len(log) - 1, self.prior))
            return True
        at = bisect_right(log, (entry.second, entry.id), key=lambda one: (one.second, one.id))
        log.insert(at, entry)
        self._replay(at, entry)
        return True

    def rebase(self, base: Known, began: float, ended: float) -> bool:
        """A describe answer. False: an older one than that which is known."""
        if self.began is not None and began < self.began:
            return False
        self.base, self.began, self.ended, self.folded = base, began, ended, None
        self.log = [entry for entry in self.log if not self._in_base(entry)]
        self.ids = {entry.id for entry in self.log}
        self._replay(0)
        return True

    def before(self, id: str) -> Known:
        """What was known before the call of an entry. For one that shares its second with others: before them."""
        if self._placed is not None and self._placed[0] == id:
            return self._placed[1]
        if self.log and self.log[-1].id == id:
            return self.prior
        at = next((at for at, entry in enumerate(self.log) if entry.id == id), len(self.log))
        while at and at < len(self.log) and self.log[at - 1].second == self.log[at].second:
            at -= 1
        if at < len(self.log) and self.log[at].second == self.log[-1].second:
            return self.prior
        return self._after(at)

    def at(self, moment: float) -> Known:
        """What is known after all that ended before a moment (POSIX seconds)."""
        number = 0
        while number < len(self.log) and self.log[number].second + 1 + self.lag <= moment:
            number += 1
        return self._after(number)

    @property
    def settles(self) -> float | None:
        """From when on a describe answer settles all that is open, POSIX seconds; None: nothing is."""
        if not self.now.unsure:
            return None
        last = self.log[-1].second + 1.0 if self.log else (self.ended or 0.0)
        return last + self.lag

    def fold(self, horizon: float) -> None:
        """Let a long log go into the base, as far as it is older than ``horizon`` (POSIX seconds)."""
        if len(self.log) <= LONGEST or self.log[LONGEST // 2].second >= horizon:
            return
        at = LONGEST // 2
        while at < len(self.log) and self.log[at].second == self.log[at - 1].second:
            at += 1
        self.base = self._after(at)
        self.folded = self.log[at - 1].second
        self.log = self.log[at:]  # the ids of the folded ones stay known: they may come twice
        self._replay(0)

    # --- inside -------------------------------------------------------------------------------------------------

    def _in_base(self, entry: Entry) -> bool:
        return self.began is not None and entry.second + 1 + self.lag <= self.began

    def _replay(self, changed: int, placed: Entry | None = None) -> None:
        """Work out ``now`` again after the log has changed at a place."""
        self._placed = None
        while self.marks and (changed == 0 or self.marks[-1][0] > self._start_of(changed)):
            self.marks.pop()
        at, known = self.marks[-1] if self.marks else (0, self.base)
        log = self.log
        while at < len(log):
            end = at + 1
            while end < len(log) and log[end].second == log[at].second:
                end += 1
            self.prior = known
            if placed is not None and log[at].second == placed.second:
                self._placed = (placed.id, known)
            if at // MARK_EVERY != end // MARK_EVERY and (not self.marks or self.marks[-1][0] < at):
                self.marks.append((at, known))
            known = self._cluster(known, log[at:end])
            at = end
        if not log:
            self.prior = known
        self.now = known

    def _start_of(self, at: int) -> int:
        """Where the second of an entry begins."""
        while at and self.log[at - 1].second == self.log[min(at, len(self.log) - 1)].second:
            at -= 1
        return at

    def _after(self, number: int) -> Known:
        """What is known after so many entries; all of a second, or none."""
        at, known = 0, self.base
        for place, mark in self.marks:
            if place <= number:
                at, known = place, mark
        log = self.log
        while at < number:
            end = at + 1
            while end < number and log[end].second == log[at].second:
                end += 1
            known = self._cluster(known, log[at:end])
            at = end
        return known

    def _cluster(self, known: Known, entries: Sequence[Entry]) -> Known:
        """What is known after the calls of one second."""
        second = entries[0].second
        if self.ended is not None and second < self.ended + self.lag:
            for entry in ranked(entries):
                known = self._maybe(known, entry)
            return known
        if len(entries) == 1:
            return _applied(known, entries)
        parts = concern_each_other(entries, known)
        made = known.copy()
        for part in parts:
            if len(part) == 1:
                _apply(made, part[0].effects)
            elif len(part) <= MOST_ORDERS:
                made = _any_order(made, part)
            else:
                for entry in part:
                    _apply(made, entry.effects)
                made.blur()
        return made

    def _maybe(self, known: Known, entry: Entry) -> Known:
        """What is known when a call may be in what was read already."""
        made = known
        for effect in entry.effects:
            if not self.base.shows(effect):
                also = made.copy()
                also.apply(effect)
                made = made.copy()
                made.merge(also)
        return made

    # --- as JSON ------------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything but the effects, of which the ledger holds the changes: their ids."""
        return {
            "base": self.base.dump(), "began": self.began, "ended": self.ended, "folded": self.folded,
            "log": [entry.id for entry in self.log], "ids": sorted(self.ids),
        }  # fmt: skip

    def restore(self, saved: Mapping[str, Any], entries: Iterable[Entry]) -> None:
        """What ``dump`` wrote, with the entries that it names; ``base`` is set by the caller."""
        self.began, self.ended, self.folded = saved["began"], saved["ended"], saved["folded"]
        self.log = sorted(entries, key=lambda one: (one.second, one.id))
        self.ids = set(saved["ids"])
        self._replay(0)


def _apply(known: Known, effects: Iterable[Effect]) -> None:
    for effect in effects:
        known.apply(effect)


def _applied(known: Known, entries: Iterable[Entry]) -> Known:
    made = known.copy()
    for entry in entries:
        _apply(made, entry.effects)
    return made


def _any_order(known: Known, entries: Sequence[Entry]) -> Known:
    found: Known | None = None
    for order in permutations(entries):
        one = _applied(known, order)
        if found is None:
            found = one
        else:
            found.merge(one)
    assert found is not None
    return found
