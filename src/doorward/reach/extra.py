"""What rule additions open beyond the traffic that a contract asks for: the proof that a repair opens nothing else.

Only classes in a changed group can admit more, and only on the services of the added rules; what they admit now and did
not before is taken, the contract's own part is removed, and the rest is tried against the other side's groups, ACLs,
routes and gateways. What is left over flows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from doorward.model.addresses import INTERNET, V4, V6_SET, show_addresses
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import Direction
from doorward.model.services import ALL, ALL_OF_FAMILY, show_span
from doorward.reach.balancers import balanced_packets, preserved_targets
from doorward.reach.border import PRIVATE, arrivals, departures
from doorward.reach.demand import Own
from doorward.reach.draft import Change
from doorward.reach.ends import accepts, everybody, without
from doorward.reach.never import hidden_sources, outside_world
from doorward.reach.packet import OUTSIDE
from doorward.reach.policy import policy
from doorward.reach.private import FAMILIES, family_bits, flows, pick
from doorward.reach.world import Bound, Cls, Component, World

UPPER = Bound.UPPER


class Extra(NamedTuple):
    """Traffic that is opened and not asked for."""

    inside: bool
    """Between interfaces of the estate (or behind its private gateways); False: to or from the internet."""
    text: str


class _Gain(NamedTuple):
    """What a class newly admits on some services."""

    component: Component
    cls: Cls
    direction: Direction
    span: Span
    bits: int
    addresses: Intervals


def extras(old: World, new: World, added: Iterable[Change], own: Sequence[Own]) -> Iterator[Extra]:
    """Everything that flows in ``new`` because of the added rules and is not in ``own`` (whose ends are of ``new``)."""
    for gain in _gains(old, new, added):
        yield from _private(new, gain, own)
        yield from _border(new, gain, own)
        if gain.direction == "ingress":
            yield from _balanced(old, new, gain, own)


def _gains(old: World, new: World, added: Iterable[Change]) -> Iterator[_Gain]:
    seen: set[tuple[int, int, Direction, Span]] = set()
    for group, rule in added:
        for vpc in new.group_vpc.get(group, ()):
            component, before = new.component_of(vpc), old.component_of(vpc)
            for cls in (*component.by_group.get(group, ()), *component.by_maybe_group.get(group, ())):
                key = (id(component), cls.number, rule.direction, rule.service)
                if key not in seen:
                    seen.add(key)
                    yield from _gained(before, component, cls, rule.direction, rule.service)


def _gained(before: Component, component: Component, cls: Cls, direction: Direction, span: Span) -> Iterator[_Gain]:
    was, now = policy(before, cls, direction, UPPER), policy(component, cls, direction, UPPER)
    if was.open:
        return
    cells = [was.cells(span), now.cells(span)]
    cuts = [was.outside(span), now.outside(span)]
    edges = sorted({cell.first for side in cells for cell in side} | {cut.first for side in cuts for cut in side})
    at = [0, 0]
    for low, high in zip(edges, [edge - 1 for edge in edges[1:]] + [span[1]], strict=True):
        for side in (0, 1):
            while cells[side][at[side]].last < low:
                at[side] += 1
        bits = cells[1][at[1]].bits & ~cells[0][at[0]].bits
        admitted = [next(cut.addresses for cut in side if cut.first <= low <= cut.last) for side in cuts]
        addresses = admitted[1] - admitted[0]
        if bits or addresses:
            yield _Gain(component, cls, direction, (low, high), bits, addresses)


def _left(gain: _Gain, own: Sequence[Own]) -> list[tuple[int, int, Intervals]]:
    """The gain without what is asked for: (endpoints of the class, other endpoints, other addresses)."""
    component = gain.component
    left = [(gain.cls.bits, gain.bits, gain.addresses)]
    for one in own:
        if not one.services.holds(*gain.span):
            continue
        here = (one.targets if gain.direction == "ingress" else one.sources).get(component, 0)
        there = (one.sources if gain.direction == "ingress" else one.targets).get(component, 0)
        beyond = one.outside if gain.direction == "ingress" else one.beyond
        parts: list[tuple[int, int, Intervals]] = []
        for mine, bits, addresses in left:
            parts.append((mine & here, bits & ~there, addresses - beyond))
            parts.append((mine & ~here, bits, addresses))
        left = [part for part in parts if part[0] and (part[1] or part[2])]
    return left


def _private(world: World, gain: _Gain, own: Sequence[Own]) -> Iterator[Extra]:
    component = gain.component
    for mine, bits, _ in _left(gain, own):
        sources, targets = (bits, mine) if gain.direction == "ingress" else (mine, bits)
        if not sources or not targets:
            continue
        services = Intervals([gain.span])
        for flow in flows(component, sources, targets, services, UPPER, lambda cls, side: accepts(world, cls, side)):
            source, target = pick(component, flow.sources, flow.targets)
            from_, to = component.interface_of(source).id, component.interface_of(target).id
            yield Extra(True, f"{show_span((flow.first, flow.last))} from {from_} to {to}")


def _border(world: World, gain: _Gain, own: Sequence[Own]) -> Iterator[Extra]:
    component, cls, span = gain.component, gain.cls, gain.span
    for mine, _, addresses in _left(gain, own):
        for family in FAMILIES:
            bits = mine & family_bits(component, family)
            asked = addresses & outside_world(world)
            if not bits or not asked or not Intervals([span]) & ALL_OF_FAMILY[family]:
                continue
            if gain.direction == "ingress":
                public = bits if family == 6 else bits & component.public[UPPER]
                arrived = EMPTY
                for cell in arrivals(component, cls, span, UPPER) if public else ():
                    arrived = arrived | cell.addresses
                arrived = (arrived & INTERNET) | (hidden_sources(world, cls.key.vpc) & PRIVATE)
                yield from _outside(asked & arrived & _family(family), cls, span, "from", "to")
            else:
                left = EMPTY
                for piece in departures(component, cls, span, UPPER):
                    direct4 = piece.direct4 if bits & component.public[UPPER] else EMPTY
                    direct = piece.direct6 if family == 6 else direct4
                    left = left | direct | piece.hidden
                    for one in piece.nat:
                        left = left | (one.addresses if one.sources & bits else EMPTY)
                yield from _outside(asked & left & _family(family), cls, span, "to", "from")


def _outside(addresses: Intervals, cls: Cls, span: Span, way: str, other: str) -> Iterator[Extra]:
    for inside, part in ((False, addresses & INTERNET), (True, addresses & PRIVATE)):
        if part:
            yield Extra(inside, f"{show_span(span)} {way} {show_addresses(part)} {other} {cls.interfaces[0].id}")


def _family(family: int) -> Intervals:
    return V6_SET if family == 6 else V4


def _balanced(old: World, new: World, gain: _Gain, own: Sequence[Own]) -> Iterator[Extra]:
    """What clients newly get through a load balancer that keeps their addresses."""
    registered = preserved_targets(new)
    if not any(one.id in registered for one in gain.cls.interfaces):
        return
    component = gain.component
    allowed, outside = {component: 0}, EMPTY
    for one in own:
        allowed = {**allowed, **{at: allowed.get(at, 0) | bits for at, bits in one.sources.items()}}
        outside = outside | one.outside
    found = []
    for world in (old, new):
        at = world.component_of(gain.cls.key.vpc)
        nobody = {world.component_of(one.vpcs[0]): bits for one, bits in allowed.items()}
        others = without(everybody(world), nobody)
        packets = balanced_packets(
            world, others, outside_world(world) - outside, {at: gain.cls.bits}, Intervals([gain.span]) & ALL, UPPER
        )
        found.append({(one.source, one.target, one.service) for one in islice(packets, 1_000)})
    for source, target, service in sorted(found[1] - found[0]):
        text = f"{show_span((service, service))} from {source} to {target} by a load balancer"
        yield Extra(source != OUTSIDE, text)


__all__ = ["Extra", "extras"]
