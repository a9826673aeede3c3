"""Endpoints that share an address: VPCs of one component with overlapping CIDRs.

A reference to a group means "the private IP addresses" of its members (VPC User Guide, *Security group rules*), and AWS
does not say which of two interfaces with one address in two VPCs it means then. For certain it admits the member
itself (lower bound); the other one it may admit (upper bound).
What does not live here: how far a reference reaches (``policy``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import eq

from doorward.model.intervals import Span
from doorward.reach.bits import numbers_in
from doorward.reach.component import Component


def twins(component: Component, endpoints: int) -> int:
    """Endpoints of other VPCs that have, or may have, an address of any of some endpoints."""
    known = _twinned(component)
    found = 0
    if known:
        for number in numbers_in(endpoints):
            found |= known.get(number, 0)
    return found & ~endpoints


def has_twins(component: Component) -> bool:
    """Whether any address occurs in two VPCs of a component."""
    return bool(_twinned(component))


def _twinned(component: Component) -> dict[int, int]:
    """Endpoint number → endpoints of other VPCs that have, or may have, its address."""
    found = component.cache.get(("twins",))
    if found is None:
        found = component.cache[("twins",)] = _find(component)
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _find(component: Component) -> dict[int, int]:
    found: dict[int, int] = {}
    starts = component.starts
    if len(component.vpcs) < 2 or not (component.wide or any(map(eq, starts, islice(starts, 1, None)))):
        return found
    at = 0
    while at < component.points:
        last = bisect_right(starts, starts[at], at)
        if last - at > 1:
            same = ((1 << (last - at)) - 1) << at
            for number in range(at, last):
                found[number] = same & ~_home(component, number)
        at = last
    for mine, theirs in _meeting_ranges(component):
        for one, other in ((mine, theirs), (theirs, mine)):
            for number in numbers_in(one):
                found[number] = found.get(number, 0) | other
    return {number: others for number, others in found.items() if others}


def _meeting_ranges(component: Component) -> Iterator[tuple[int, int]]:
    """Endpoints with a range of addresses, and those of another VPC that have, or may have, one of these."""
    ranges: dict[tuple[Span, str], int] = {}
    for number, span in enumerate(component.wide, component.points):
        key = (span, component.class_of[number].key.vpc)
        ranges[key] = ranges.get(key, 0) | 1 << number
    ordered = sorted(ranges)
    for at, (span, vpc) in enumerate(ordered):
        own = ranges[span, vpc]
        near = component.run(span) & ~component.vpc_bits.get(vpc, 0)
        if near:
            yield own, near
        for other in islice(ordered, at + 1, None):
            if other[0][0] > span[1]:
                break
            if other[1] != vpc:
                yield own, ranges[other]


def _home(component: Component, number: int) -> int:
    return component.vpc_bits.get(component.class_of[number].key.vpc, 0)


__all__ = ["has_twins", "twins"]
