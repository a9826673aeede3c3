"""Traffic over the border of the estate: what arrives from outside addresses, what can leave to them.

Rule book: ``docs/reference/semantics.md`` §4 B and C. Sets of addresses in, sets of addresses out; never one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from doorward.model.addresses import EVERYWHERE, INTERNET, V4, V6_SET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import BLOCK, ICMP, ICMPV6, TCP, UDP, answer_to, block
from doorward.reach import acls, routes
from doorward.reach.policy import AddressCell, policy
from doorward.reach.world import Bound, Cls, Component, World

NAT_SERVICES = Intervals([block(ICMP), block(TCP), block(UDP)])
"""What a NAT gateway translates (VPC User Guide, *NAT gateway basics*: TCP, UDP and ICMP)."""
NAT_PORTS: Span = (1024, 65_535)
PRIVATE = EVERYWHERE - INTERNET
"""Addresses that the internet does not route."""


SPECIAL = (ICMP, TCP, UDP, ICMPV6)
"""Protocols whose answers are not simply the same protocol."""


def answers(services: Intervals, ephemeral: Span) -> Intervals:
    """All answers to a set of services that ACLs must pass."""
    found: list[Span] = []
    for first, last in services.spans:
        for low, high in by_answer((first, last)):
            protocol = low // BLOCK
            if protocol not in SPECIAL:
                found.append((protocol * BLOCK, high // BLOCK * BLOCK + BLOCK - 1))
                continue
            span = answer_to(low, ephemeral)
            if span is not None:
                found.append(span)
    return Intervals(found)


@lru_cache(maxsize=1 << 16)
def _meet(one: Intervals, other: Intervals) -> Intervals:
    """The intersection; the same few sets meet again and again."""
    return one & other


def cut(span: Span, *layers: list[AddressCell]) -> list[AddressCell]:
    """Intersect layers of cells over one span of services."""
    make, everything = tuple.__new__, EVERYWHERE.spans  # as NamedTuple._make does, without its checks: cells are many
    current = layers[0]
    for layer in layers[1:]:
        if len(layer) == 1:
            addresses = layer[0].addresses
            if addresses.spans != everything:
                current = [
                    make(AddressCell, (low, high, _meet(have, addresses) if have.spans else have))
                    for low, high, have in current
                ]
            continue
        pieces: list[AddressCell] = []
        most = len(layer)
        j = 0
        for low, high, have in current:
            while layer[j][1] < low:
                j += 1
            k = j
            while k < most:
                first, last, addresses = layer[k]
                if first > high:
                    break
                both = have if not have.spans or addresses.spans == everything else _meet(have, addresses)
                # Equal neighbours stay apart: some layers are there for their edges only.
                pieces.append(make(AddressCell, (low if low > first else first, high if high < last else last, both)))
                k += 1
        current = pieces
    return current


def arrivals(
    component: Component, cls: Cls, span: Span, bound: Bound, ephemeral: Span | None = None
) -> list[AddressCell]:
    """Internet addresses (any, our own included) whose packets arrive at a class, if it is addressable at all.

    With ``ephemeral`` the answer must be able to return too.
    """
    world = component.world
    upper = bound is Bound.UPPER
    vpc, subnet = cls.key.vpc, cls.key.subnet
    if not world.has_internet_gateway(vpc, bound):
        return [AddressCell(*span, EMPTY)]
    if edge_routed(world, vpc) and not upper:
        return [AddressCell(*span, EMPTY)]
    name = ("arrivals", cls.number, span, bound, ephemeral)
    found = component.cache.get(name)
    if found is None:
        if ephemeral is None:
            cells = cut(
                span,
                policy(component, cls, "ingress", bound).internet(span),
                acls.admitted(world, subnet, egress=False, span=span, bound=bound),
            )
        else:
            out = routes.outward(world, subnet, vpc, bound)
            back = out.internet | out.hidden if upper else out.internet
            returned = answered(world, subnet, True, span, ephemeral, bound)
            # The routes narrow what arrives as a layer of one cell would.
            cells = cut(span, arrivals(component, cls, span, bound), [AddressCell(*span, back)], returned)
        found = component.cache[name] = cells
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def by_answer(span: Span) -> list[Span]:
    """A span of services cut where the kind of answer changes: at TCP, UDP and ICMP, and around ICMP echo requests."""
    low, high = span
    inner = _MARKS[bisect_right(_MARKS, low) : bisect_right(_MARKS, high)]
    edges = (low, *inner)
    return list(zip(edges, (*(edge - 1 for edge in inner), high), strict=True))


_MARKS = tuple(
    sorted(
        {block(protocol)[0] for protocol in SPECIAL}
        | {block(protocol)[1] + 1 for protocol in SPECIAL}
        | {ICMP * BLOCK + 8 * 256, ICMP * BLOCK + 9 * 256, ICMPV6 * BLOCK + 128 * 256, ICMPV6 * BLOCK + 129 * 256}
    )
)


def answered(world: World, subnet: str, egress: bool, span: Span, ephemeral: Span, bound: Bound) -> list[AddressCell]:
    """Addresses to (egress) or from which the ACL of a subnet passes the answers to a span of services, by service."""
    name = ("answers", acls.acl_of(world, subnet), egress, span, ephemeral, bound)
    found = world.cache.get(name)
    if found is None:
        cells: list[AddressCell] = []
        for low, high in by_answer(span):
            if low // BLOCK in SPECIAL:
                replies = answers(Intervals([(low, high)]), ephemeral)
                cells.append(AddressCell(low, high, acls.admitted_all(world, subnet, egress, replies, bound)))
            else:
                cells.extend(acls.admitted(world, subnet, egress, (low, high), bound))
        found = world.cache[name] = cells
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def edge_routed(world: World, vpc: str) -> bool:
    """Whether an ingress route table stands behind a gateway of the VPC: what enters may be taken elsewhere first."""
    name = ("edge", vpc)
    found = world.cache.get(name)
    if found is None:
        found = world.cache[name] = any(
            table.gateway_association is not None
            and table.vpc == vpc
            and (not table.routes or any(route.kind != "local" for route in table.routes))
            for table in world.estate.route_tables.values()
        )
    return bool(found)


class Translated(NamedTuple):
    """What one NAT gateway passes on."""

    gateway: str
    addresses: Intervals
    """Destinations."""
    sources: int
    """Endpoints of the component from which it accepts them (the ACL of its subnet decides)."""


class Departure(NamedTuple):
    """Outside addresses that a class can send to, on services ``first`` … ``last``, by way out."""

    first: int
    last: int
    direct4: Intervals
    """Through an internet gateway; for sources with a public IPv4 address only."""
    direct6: Intervals
    """IPv6, through an internet or egress-only gateway."""
    nat: tuple[Translated, ...]
    hidden: Intervals
    """Through something that is not looked into (upper bound only)."""
    translated: Intervals
    """IPv4 addresses that IPv6 sources may reach through NAT64 (upper bound only)."""


def departures(
    component: Component, cls: Cls, span: Span, bound: Bound, ephemeral: Span | None = None
) -> list[Departure]:
    """What a class can send to outside addresses; with ``ephemeral`` the answer must be able to return."""
    name = ("departures", cls.number, span, bound, ephemeral)
    found = component.cache.get(name)
    if found is None:
        found = component.cache[name] = _departures(component, cls, span, bound, ephemeral)
    return found  # type: ignore[return-value]  # see above


def _departures(component: Component, cls: Cls, span: Span, bound: Bound, ephemeral: Span | None) -> list[Departure]:
    world = component.world
    vpc, subnet = cls.key.vpc, cls.key.subnet
    out = routes.outward(world, subnet, vpc, bound)
    # The answer enters by the internet gateway again, where an ingress route table may take it elsewhere.
    entered = EVERYWHERE if ephemeral is None or bound is Bound.UPPER or not edge_routed(world, vpc) else EMPTY
    layers = [
        policy(component, cls, "egress", bound).outside(span),
        acls.admitted(world, subnet, egress=True, span=span, bound=bound),
    ]
    for gateway in out.nat:
        # Only for their edges: what they admit is looked up per piece below.
        there = world.estate.nat_gateways[gateway].subnet
        for egress in (False, True):
            edges = acls.admitted(world, there, egress=egress, span=span, bound=bound)
            layers.append([AddressCell(low, high, EVERYWHERE) for low, high, _ in edges])
    layers.append(
        [AddressCell(low, high, EVERYWHERE) for low, high in by_answer(span)]
        if ephemeral is None
        else answered(world, subnet, False, span, ephemeral, bound)
    )
    found: list[Departure] = []
    for low, high, addresses in cut(span, *layers):
        nat: list[Translated] = []
        if low // BLOCK in (ICMP, TCP, UDP):
            for gateway, routed in out.nat.items():
                passed, sources = _through_nat(component, gateway, subnet, (low, high), bound, ephemeral)
                nat.append(Translated(gateway, addresses & routed & V4 & passed & entered, sources))
        found.append(
            Departure(
                low,
                high,
                addresses & out.internet & V4 & entered,
                addresses & V6_SET & ((out.internet & entered) | out.egress_only),
                tuple(nat),
                addresses & out.hidden if bound is Bound.UPPER else EMPTY,
                V4 & INTERNET if bound is Bound.UPPER and addresses & out.hidden & routes.NAT64 else EMPTY,
            )
        )
    return found


def _through_nat(
    component: Component, id: str, subnet: str, span: Span, bound: Bound, ephemeral: Span | None
) -> tuple[Intervals, int]:
    """(destinations, source endpoints) that a NAT gateway passes on for one subnet, on a piece without inner edges."""
    world = component.world
    gateway = world.estate.nat_gateways[id]
    upper = bound is Bound.UPPER
    if not gateway.public and not gateway.public_unknown and not upper:
        return EMPTY, 0
    sources = component.all
    if gateway.subnet != subnet:
        for cell in acls.admitted(world, gateway.subnet, egress=False, span=span, bound=bound):
            sources &= component.inside(cell.addresses, bound)
    passed = EVERYWHERE
    for cell in acls.admitted(world, gateway.subnet, egress=True, span=span, bound=bound):
        passed = passed & cell.addresses
    away = routes.outward(world, gateway.subnet, gateway.vpc, bound)
    passed = passed & (away.internet | away.hidden if upper else away.internet)
    if ephemeral is not None:
        answer = answers(Intervals([span]), NAT_PORTS)
        passed = passed & acls.admitted_all(world, gateway.subnet, False, answer, bound)
        if gateway.subnet != subnet:
            answer = answers(Intervals([span]), ephemeral)
            returned = acls.admitted_all(world, gateway.subnet, True, answer, bound)
            sources &= component.inside(returned, bound)
    return passed, sources


__all__ = ["PRIVATE", "Departure", "Translated", "answers", "arrivals", "by_answer", "cut", "departures", "edge_routed"]
