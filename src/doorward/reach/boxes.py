"""Sets of flows as boxes: services × source endpoints × target endpoints.

Two estates are compared on one numbering of endpoints (interface and address), so that bits mean the same on both
sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from doorward.model.intervals import Intervals, Span
from doorward.reach.world import Component, bits_of, numbers_in

Name = tuple[str, Span]
"""An endpoint by name: interface id and address."""


class Box(NamedTuple):
    """Every source with every target on every service."""

    first: int
    last: int
    sources: int
    targets: int


class Numbering:
    """Endpoint names ↔ bit numbers, shared by both sides of a comparison."""

    def __init__(self) -> None:
        self.numbers: dict[Name, int] = {}
        self.names: list[Name] = []
        self._maps: dict[int, list[int]] = {}

    def translate(self, component: Component, bits: int) -> int:
        """Bits of a component as bits of the shared numbering."""
        table = self._maps.get(id(component))
        if table is None:
            table = self._maps[id(component)] = [-1] * component.count
        found: list[int] = []
        for number in numbers_in(bits):
            shared = table[number]
            if shared < 0:
                name = (component.interface_of(number).id, component.span_of(number))
                shared = self.numbers.setdefault(name, len(self.names))
                if shared == len(self.names):
                    self.names.append(name)
                table[number] = shared
            found.append(shared)
        return bits_of(found)


def difference(ours: Iterable[Box], theirs: Iterable[Box]) -> list[Box]:
    """What ``ours`` has and ``theirs`` has not, as boxes."""
    mine, others = _by_ends(ours), _by_ends(theirs)
    # Most flows are the same on both sides: what has the same ends is settled by its services alone.
    left: list[Box] = []
    for ends, services in mine.items():
        same = others.get(ends)
        for first, last in (services - same if same is not None else services).spans:
            left.append(Box(first, last, *ends))
    if not left:
        return []
    index = _Index(Box(first, last, *ends) for ends, services in others.items() for first, last in services.spans)
    found: list[Box] = []
    for box in left:
        found.extend(_without(box, index.meeting(box)))
    return found


def _by_ends(boxes: Iterable[Box]) -> dict[tuple[int, int], Intervals]:
    """(sources, targets) → services."""
    spans: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for box in boxes:
        spans[box.sources, box.targets].append((box.first, box.last))
    return {ends: Intervals(services) for ends, services in spans.items()}


class _Index:
    """Boxes by the targets that they hold."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        self.by_targets: Mapping[int, list[Box]] = defaultdict(list)
        for box in boxes:
            self.by_targets[box.targets].append(box)
        self._hits: dict[int, list[list[Box]]] = {}

    def meeting(self, box: Box) -> list[Box]:
        """Boxes that share a target, a source and a service with one."""
        lists = self._hits.get(box.targets)
        if lists is None:
            lists = [boxes for targets, boxes in self.by_targets.items() if targets & box.targets]
            self._hits[box.targets] = lists
        return [
            one
            for boxes in lists
            for one in boxes
            if one.first <= box.last and box.first <= one.last and one.sources & box.sources
        ]


def _without(box: Box, others: list[Box]) -> list[Box]:
    left = [box]
    for other in others:
        rest: list[Box] = []
        for one in left:
            rest.extend(_minus(one, other))
        left = rest
        if not left:
            break
    return left


def _minus(box: Box, other: Box) -> list[Box]:
    low, high = max(box.first, other.first), min(box.last, other.last)
    sources, targets = box.sources & other.sources, box.targets & other.targets
    if low > high or not sources or not targets:
        return [box]
    found: list[Box] = []
    if box.first < low:
        found.append(box._replace(last=low - 1))
    if high < box.last:
        found.append(box._replace(first=high + 1))
    if box.sources & ~sources:
        found.append(Box(low, high, box.sources & ~sources, box.targets))
    if box.targets & ~targets:
        found.append(Box(low, high, sources, box.targets & ~targets))
    return found


def merged(boxes: Iterable[Box]) -> dict[tuple[int, int], Intervals]:
    """(sources, targets) → services, after joining boxes with the same services and targets, then with the same
    services."""
    by_targets: dict[tuple[int, int, int], int] = defaultdict(int)
    for box in boxes:
        by_targets[box.first, box.last, box.targets] |= box.sources
    services: dict[tuple[int, int], list[Span]] = defaultdict(list)
    for (first, last, targets), sources in by_targets.items():
        services[sources, targets].append((first, last))
    joined: dict[tuple[int, Intervals], int] = defaultdict(int)
    for (sources, targets), spans in services.items():
        joined[sources, Intervals(spans)] |= targets
    return {(sources, targets): spans for (sources, spans), targets in joined.items()}
