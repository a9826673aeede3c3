"""Peers that name one side of a contract and nobody else, and the fewest of them. What they are for: ``demand``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import NamedTuple

from doorward.model.addresses import FAMILY_ALL, INTERNET, networks, parse_network
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import Direction, GroupPeer, Peer
from doorward.reach.draft import editable
from doorward.reach.policy import reference_scope, referenceable
from doorward.reach.private import FAMILIES
from doorward.reach.question import Side
from doorward.reach.twins import twins
from doorward.reach.world import Bound, Component, World, numbers_in

MOST_TRIED = 5_000
"""Combinations of peers (or groups) tried for the fewest; beyond that the largest first, and not called the fewest."""
MOST_SINGLE = 64
"""Addresses named one by one."""


class Named(NamedTuple):
    """A peer and whom it names."""

    peer: Peer
    bits: int
    addresses: Intervals


def candidates(
    world: World, component: Component, vpc: str, direction: Direction, side: Side, bits: int, allowed: int,
    addresses: Intervals,
) -> Iterator[Named]:  # fmt: skip
    """Peers that name nobody but the other side, in order of preference."""
    scope = reference_scope(component, vpc, direction)
    near = referenceable(component, vpc, direction)
    classes = list(component.classes_in(bits))
    groups = dict.fromkeys(side.groups)
    for cls in classes:
        groups.update(dict.fromkeys(cls.key.groups))
    yield from _networks(component, side, world)
    for id in groups:
        known = editable(world, id)
        if known is not None and known.vpc is not None and known.vpc not in near:
            continue
        members = component.members(id, Bound.UPPER) & scope
        members |= twins(component, members)
        if members and not members & ~allowed:
            yield Named(GroupPeer(id), component.members(id, Bound.LOWER) & scope, EMPTY)
    if bits.bit_count() <= MOST_SINGLE:
        for number in numbers_in(bits):
            span = component.span_of(number)
            held = Intervals([span])
            if is_network(span) and not component.inside(held, Bound.UPPER) & ~allowed:
                yield Named(span, component.inside(held, Bound.LOWER), EMPTY)
    estate = world.estate
    cidrs: list[Span] = []
    stated = 0
    for id in side.groups:
        stated |= component.members(id, Bound.LOWER)
    # Where the contract names groups, so does the rule: a subnet may get other interfaces later.
    classes = [cls for cls in classes if bits & cls.bits & ~stated]
    for subnet in dict.fromkeys(cls.key.subnet for cls in classes):
        cidrs += estate.subnets[subnet].cidrs if subnet in estate.subnets else ()
    for name in dict.fromkeys(cls.key.vpc for cls in classes):
        cidrs += estate.vpcs[name].cidrs if name in estate.vpcs else ()
    for span in cidrs:
        held = Intervals([span])
        if not component.inside(held, Bound.UPPER) & ~allowed:
            yield Named(span, component.inside(held, Bound.LOWER), EMPTY)
    for text in networks(addresses):
        span = parse_network(text)
        if not component.inside(Intervals([span]), Bound.UPPER) & ~allowed:
            yield Named(span, 0, Intervals([span]))


def is_network(span: Span) -> bool:
    """Whether one CIDR is exactly a span."""
    size = span[1] - span[0] + 1
    return not size & (size - 1) and not span[0] % size


def _networks(component: Component, side: Side, world: World) -> Iterator[Named]:
    """The networks that the contract itself names."""
    stated = side.inside | (side.outside - INTERNET)
    for family in FAMILIES:
        part = side.outside & INTERNET & Intervals([FAMILY_ALL[family]])
        if not (world.internet & Intervals([FAMILY_ALL[family]])) <= part:
            stated = stated | part
    for text in networks(stated):
        span = parse_network(text)
        held = Intervals([span])
        yield Named(span, component.inside(held, Bound.LOWER), held)


def cover_all(named: list[Named], bits: int, addresses: Intervals) -> tuple[list[Peer] | None, bool]:
    """The fewest peers that name all of some endpoints and addresses."""
    pieces = _pieces(addresses, named)
    parts = []
    for one in named:
        mask = 0
        for at, span in enumerate(pieces):
            if one.addresses.holds(*span):
                mask |= 1 << at
        parts.append(mask | (one.bits & bits) << len(pieces))
    whole = ((1 << len(pieces)) - 1) | bits << len(pieces)
    chosen, fewest = cover(parts, whole)
    return (None if chosen is None else [named[at].peer for at in chosen]), fewest


def _pieces(addresses: Intervals, named: list[Named]) -> list[Span]:
    """Addresses cut where peers begin and end, so that a peer holds a piece or misses it."""
    edges = {edge for one in named for first, last in one.addresses.spans for edge in (first, last + 1)}
    found: list[Span] = []
    for first, last in addresses.spans:
        inner = sorted(edge for edge in edges if first < edge <= last)
        starts = [first, *inner]
        found += zip(starts, [edge - 1 for edge in inner] + [last], strict=True)
    return found


def cover(parts: list[int], whole: int) -> tuple[list[int] | None, bool]:
    """Positions of the fewest sets whose union is ``whole`` (earlier ones preferred), and whether that is certain."""
    if not whole:
        return [], True
    union = 0
    for part in parts:
        union |= part
    if whole & ~union:
        return None, True
    useful = [at for at, part in enumerate(parts) if part & whole]
    for size in (1, 2, 3):
        if comb(len(useful), size) > MOST_TRIED:
            break
        for some in combinations(useful, size):
            joined = 0
            for at in some:
                joined |= parts[at]
            if not whole & ~joined:
                return list(some), True
    chosen: list[int] = []
    left = whole
    while left:
        best = max(useful, key=lambda at: ((parts[at] & left).bit_count(), -at))
        chosen.append(best)
        left &= ~parts[best]
    return chosen, len(chosen) <= 4 and comb(len(useful), 3) <= MOST_TRIED


__all__ = ["Named", "candidates", "cover", "cover_all"]
