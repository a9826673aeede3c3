"""The estate as documents, from describe answers and events in any order: what is certain, and what may be.

``State`` holds what was read and a timeline for every document that an event has touched. However events are shuffled,
doubled or lost, one describe answer of everything brings it to the truth; until then what is not certain is said to be
so, and is asked for. What does not live here: verdicts (``watch``), the estate as the engine's values (the shell).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from doorward.duty.deltas import Delta, DocumentDelta, MemberDelta, RuleDelta
from doorward.duty.differences import differences
from doorward.duty.document import Document, member_groups
from doorward.duty.group import GroupRules
from doorward.duty.rules import content_of
from doorward.duty.timeline import Entry, Known, Timeline
from doorward.model.change import (
    Ask,
    Change,
    Effect,
    Gone,
    Key,
    Kind,
    Member,
    Place,
    Put,
    RuleAdded,
    RuleRemoved,
    RuleSet,
    Who,
)

NOBODY = Who("", "Unknown")
NO_EVENT = "no event seen"
EVERY = "*"
"""The id that stands for documents of a kind of which an event did not tell which one it touched."""


class Move(NamedTuple):
    """What was known of a document, and what is known now."""

    key: Key
    before: Known
    after: Known


class Taken(NamedTuple):
    """What became of a change: the documents that are other than they were, and what the change did to them."""

    moves: tuple[Move, ...]
    deltas: tuple[Delta, ...]


class Found(NamedTuple):
    """What a describe answer taught: documents that are other than was believed, as changes that no event told."""

    moves: tuple[Move, ...]
    changes: tuple[tuple[Change, tuple[Delta, ...]], ...]


class State:
    """All documents. ``lag``: for how many seconds an answer of the API may lack what was done before (EC2 API
    Reference, *Eventual consistency*)."""

    def __init__(self, lag: float = 0, horizon: float = 3600) -> None:
        self.lag, self.horizon = lag, horizon
        self.read: dict[Key, Mapping[str, object]] = {}
        """Documents as they were read last."""
        self.places: dict[tuple[Place, Kind], tuple[float, float]] = {}
        """When all documents of a kind were read last: asked for, given; POSIX seconds."""
        self.times: dict[Key, tuple[float, float]] = {}
        """The same for documents that were read on their own since."""
        self.lines: dict[Key, Timeline] = {}
        self.unsure: dict[Key, None] = {}
        """Documents of which something is open, first come first."""
        self.asked: dict[Key, list[Change]] = {}
        """Changes that did not tell what they did to a document."""

    # --- what is known ------------------------------------------------------------------------------------------

    def line(self, key: Key) -> Timeline:
        """The timeline of a document, made when first asked for."""
        found = self.lines.get(key)
        if found is None:
            found = self.lines[key] = self._begin(key)
        return found

    def known(self, key: Key) -> Known:
        """What is known of a document now."""
        return self.line(key).now

    def group(self, key: Key) -> GroupRules:
        """What is known of a group now."""
        found = self.line(key).now
        assert isinstance(found, GroupRules), key
        return found

    def documents(self) -> Iterator[tuple[Key, Mapping[str, object]]]:
        """All documents that exist for all we know, in their most certain form."""
        for key, document in self.read.items():
            if key not in self.lines:
                yield key, document
        for key, line in self.lines.items():
            now = line.now
            if isinstance(now, GroupRules) and not line.log and key in self.read:
                yield key, self.read[key]
                continue
            assert isinstance(now, GroupRules | Document)
            made = now.document()
            if made is not None and now.known:
                yield key, made

    def document(self, key: Key) -> Mapping[str, object] | None:
        """One document as it is for all we know; None: it does not exist, or nothing is known of it."""
        if key not in self.lines:
            return self.read.get(key)
        now = self.lines[key].now
        assert isinstance(now, GroupRules | Document)
        return now.document() if now.known else None

    def settles(self, key: Key) -> float | None:
        """From when on a describe answer settles what is open of a document, POSIX seconds; None: nothing is open."""
        line = self.lines.get(key)
        return None if line is None else line.settles

    # --- what comes in ------------------------------------------------------------------------------------------

    def take(self, change: Change) -> Taken:
        """Take over a change. Changes that are known, or failed, do nothing."""
        if change.error is not None or not change.effects:
            return Taken((), ())
        second = int(change.at.timestamp())
        by_key: dict[Key, list[Effect]] = {}
        for effect in change.effects:
            key = key_of(effect)
            if key.kind != "other":
                by_key.setdefault(key, []).append(effect)
        moves: list[Move] = []
        deltas: list[Delta] = []
        for key, effects in by_key.items():
            line = self.line(key)
            was = line.now
            if not line.add(Entry(second, change.id, tuple(effects))):
                continue
            moves.append(Move(key, was, line.now))
            self._note(key, line)
            before = line.before(change.id)
            deltas += (one for effect in effects for one in delta_of(effect, before))
            if any(isinstance(effect, Ask) for effect in effects):
                self.asked.setdefault(key, []).append(change)
            line.fold(second - self.horizon)
        return Taken(tuple(moves), tuple(deltas))

    def take_documents(
        self,
        place: Place,
        documents: Mapping[Key, Mapping[str, object] | None],
        began: datetime,
        ended: datetime,
        complete: Iterable[Kind] = (),
        *,
        first: bool = False,
    ) -> Found:
        """Describe answers: documents (None: the API says that there is none), asked for and given at these times.

        ``complete`` names kinds of which these are all documents of the place. ``first``: nothing was known before, so
        nothing of it is news. Raises ``InvalidInput`` for rules that cannot be read.
        """
        start, end = began.timestamp(), ended.timestamp()
        kinds = frozenset(complete)
        told: dict[Key, Mapping[str, object] | None] = dict(documents)
        for key in [*self.read, *(one for one in self.lines if one not in self.read)]:
            if key.place == place and key.kind in kinds:
                told.setdefault(key, None)
        for kind in kinds:  # EVERY comes last: who made us ask is credited with what all others show
            if Key(place, kind, EVERY) in told:
                told[Key(place, kind, EVERY)] = told.pop(Key(place, kind, EVERY))
        moves: list[Move] = []
        changes: list[tuple[Change, tuple[Delta, ...]]] = []
        for key, document in told.items():
            known = self.lines.get(key)
            if known is None:
                since = self._times(key)
                if since is not None and start < since[0]:
                    continue
                if first or (document is not None and self.read.get(key) == document):
                    self._keep(key, document, start, end, kinds)
                    continue
            before = self.line(key).now
            found = self._compare(key, document, start, end, began, first=first)
            if found is None:
                continue
            self._keep(key, document, start, end, kinds)
            moves.append(Move(key, before, found.now))
            changes += found.changes
        for kind in kinds:
            self.places[place, kind] = (start, end)
        return Found(tuple(moves), tuple(changes))

    # --- inside -------------------------------------------------------------------------------------------------

    def _times(self, key: Key) -> tuple[float, float] | None:
        alone, all_of = self.times.get(key), self.places.get((key.place, key.kind))
        return max(alone, all_of) if alone and all_of else alone or all_of

    def _begin(self, key: Key) -> Timeline:
        times = self._times(key)
        shape: type[GroupRules] | type[Document] = GroupRules if key.kind == "group" else Document
        if times is None:
            return Timeline(shape.never_seen(), lag=self.lag)
        return Timeline(shape.of(self.read.get(key)), *times, lag=self.lag)

    def _keep(
        self, key: Key, document: Mapping[str, object] | None, start: float, end: float, kinds: frozenset[Kind]
    ) -> None:
        if document is None:
            self.read.pop(key, None)
        else:
            self.read[key] = document
        if key.kind in kinds:
            self.times.pop(key, None)
        else:
            self.times[key] = (start, end)

    def _note(self, key: Key, line: Timeline) -> None:
        if line.now.unsure:
            self.unsure[key] = None
        else:
            self.unsure.pop(key, None)

    def _compare(
        self, key: Key, document: Mapping[str, object] | None, start: float, end: float, began: datetime, *, first: bool
    ) -> _Compared | None:
        """Let a timeline begin anew with an answer; what it says that events had not. None: it is an older one."""
        line = self.line(key)
        expected = line.at(start)
        shape: type[GroupRules] | type[Document] = GroupRules if key.kind == "group" else Document
        base = shape.of(document)
        if not line.rebase(base, start, end):
            return None
        self._note(key, line)
        asked = self.asked.pop(key, [])
        every = self.asked.get(Key(key.place, key.kind, EVERY), ())
        later = [one for one in asked if one.id in line.ids]
        if later:
            self.asked[key] = later
        if not line.log and not line.now.unsure:
            del self.lines[key]
        settled = [*(one for one in asked if one not in later), *every]
        effects, deltas = differences(key, expected, base)
        if first or not effects or key.id == EVERY:
            return _Compared(line.now, [])
        return _Compared(line.now, [(_change(key, tuple(effects), began, settled), tuple(deltas))])


class _Compared(NamedTuple):
    now: Known
    changes: list[tuple[Change, tuple[Delta, ...]]]


def _change(key: Key, effects: tuple[Effect, ...], began: datetime, asked: list[Change]) -> Change:
    """What an answer showed, as a change: of those who made it necessary to ask, or of nobody that we know."""
    id = f"seen-{key.place.account}-{key.place.region}-{key.id}-{began.astimezone(UTC).isoformat()}"
    made = Change(id, began, began, key.place, NO_EVENT, NOBODY, effects, source="reconcile")
    if not asked:
        return made
    last = max(asked, key=lambda one: (one.at, one.id))
    notes = tuple(f"answers {one.id}" for one in asked)
    return replace(made, call=last.call, who=last.who, revert=last.revert, request=last.request, notes=notes)


def key_of(effect: Effect) -> Key:
    """The document that an effect is on."""
    match effect:
        case RuleAdded(group=key) | RuleRemoved(group=key) | RuleSet(group=key) | Member(interface=key):
            return key
        case Put(key=key) | Gone(key=key) | Ask(key=key):
            return key


def delta_of(effect: Effect, before: Known) -> tuple[Delta, ...]:
    """What an effect did to what was known before it."""
    match effect:
        case RuleAdded(group, rule):
            return (RuleDelta(group, None, rule),)
        case RuleRemoved(group, id, rule):
            assert isinstance(before, GroupRules)
            found = before.find(id, None if rule is None else content_of(rule))
            if found is None and rule is not None:
                return (RuleDelta(group, replace(rule, id=id), None, sure=False),)
            return (RuleDelta(group, found, None, sure=found is not None),)
        case RuleSet(group, id, rule):
            assert isinstance(before, GroupRules)
            was = before.find(id, None)
            return (RuleDelta(group, was, replace(rule, id=id), sure=was is not None),)
        case Member(interface, groups):
            assert isinstance(before, Document)
            certain = before.known and not before.open and "Groups" not in before.doubts()
            return (MemberDelta(interface, member_groups(before.document() or {}) if certain else None, groups),)
        case Put(key, document, part):
            old = before.document() if isinstance(before, GroupRules | Document) else None
            new = {**(old or {}), **document} if part else document
            return (DocumentDelta(key, old, new, sure=not before.unsure),)
        case Gone(key):
            old = before.document() if isinstance(before, GroupRules | Document) else None
            return (DocumentDelta(key, old, None, sure=not before.unsure),)
        case Ask(key, _):
            old = before.document() if isinstance(before, GroupRules | Document) else None
            return (DocumentDelta(key, old, None, sure=False),)
