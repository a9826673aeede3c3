"""Does anything arrive? For ``never-reach`` and ``only-from``: the first packet alone decides.

``found(…, UPPER)`` is None: kept. ``found(…, LOWER)`` is a packet: broken, with its witness. Else: cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, INTERNET, V6
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach import acls
from doorward.reach.balancers import balanced_packets
from doorward.reach.border import PRIVATE, arrivals, cut, departures
from doorward.reach.ends import Ends, accepts, ends_of, everybody, pairs, without
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.policy import policy
from doorward.reach.private import FAMILIES, family_bits, flows, pick
from doorward.reach.public import public_packets
from doorward.reach.question import Question
from doorward.reach.world import Bound, Cls, Component, World


def found(world: World, question: Question, bound: Bound) -> Packet | None:
    """A packet that arrives although none should, or None."""
    return next(packets(world, question, bound), None)


def packets(world: World, question: Question, bound: Bound) -> Iterator[Packet]:
    """Packets that arrive although none should, one per pair of classes or so; not all of them."""
    targets = ends_of(world, question.targets, bound)
    sources, outside = sources_of(world, question, bound)
    yield from arriving(world, sources, outside, targets, question.targets.outside, question.services, bound)
    yield from balanced_packets(world, sources, outside, targets, question.services, bound)


def arriving(
    world: World, sources: Ends, outside: Intervals, targets: Ends, beyond: Intervals, services: Intervals, bound: Bound
) -> Iterator[Packet]:
    """The same for sides that are given as sets, without balancers; ``beyond`` are outside addresses as targets."""
    yield from _private(world, sources, targets, services, bound)
    if outside:
        yield from _from_outside(world, outside, targets, services, bound)
    if beyond:
        yield from _to_outside(world, sources, beyond, services, bound)
    yield from public_packets(world, sources, targets, services, bound)


def sources_of(world: World, question: Question, bound: Bound) -> tuple[Ends, Intervals]:
    """Who must not arrive: (endpoints, outside addresses)."""
    if question.must == "never-reach":
        return ends_of(world, question.sources, bound), question.sources.outside - world.inner
    # Who may be in ``from`` is forbidden in the upper bound only: there, leave out just those who are in it for
    # certain.
    allowed = ends_of(world, question.sources, Bound.UPPER if bound is Bound.LOWER else Bound.LOWER)
    return without(everybody(world), allowed), outside_world(world) - question.sources.outside


def outside_world(world: World) -> Intervals:
    """Every address that is not inside a VPC of the estate."""
    found = world.cache.get(("outside world",))
    if found is None:
        found = world.cache[("outside world",)] = Intervals(FAMILY_ALL.values()) - world.inner
    assert isinstance(found, Intervals)
    return found


def _private(world: World, sources: Ends, targets: Ends, services: Intervals, bound: Bound) -> Iterator[Packet]:
    for component, from_, to in pairs(sources, targets):
        for flow in flows(component, from_, to, services, bound, lambda cls, side: accepts(world, cls, side)):
            source, target = pick(component, flow.sources, flow.targets)
            yield Packet(
                component.interface_of(source).id,
                component.span_of(source)[0],
                component.interface_of(target).id,
                component.span_of(target)[0],
                flow.first,
            )


def _from_outside(
    world: World, outside: Intervals, targets: Ends, services: Intervals, bound: Bound
) -> Iterator[Packet]:
    public = outside & INTERNET
    private = outside & PRIVATE if bound is Bound.UPPER else EMPTY
    for component, bits in targets.items():
        addressable = component.public[bound]
        for cls in component.classes_in(bits):
            mine = bits & cls.bits
            wanted = services & accepts(world, cls, bound)
            if public and wanted:
                reachable = (mine & addressable) | (mine & component.v6)
                if reachable:
                    yield from _arriving(component, cls, reachable, public, wanted, bound)
            if private and wanted:
                yield from _hidden(component, cls, mine, private, wanted)


def _arriving(
    component: Component, cls: Cls, reachable: int, public: Intervals, services: Intervals, bound: Bound
) -> Iterator[Packet]:
    for family in FAMILIES:
        bits = reachable & family_bits(component, family)
        asked = public & Intervals([FAMILY_ALL[family]])
        if not bits or not asked:
            continue
        endpoint = (bits & -bits).bit_length() - 1
        to, address = component.interface_of(endpoint).id, component.span_of(endpoint)[0]
        for span in (services & ALL_OF_FAMILY[family]).spans:
            for low, _, addresses in arrivals(component, cls, span, bound):
                here = addresses & asked
                if here:
                    yield Packet(OUTSIDE, here.first, to, address, low, "arrival")


def _hidden(component: Component, cls: Cls, mine: int, private: Intervals, services: Intervals) -> Iterator[Packet]:
    """From private addresses beyond a gateway that is not looked into: upper bound only."""
    addresses = private & hidden_sources(component.world, cls.key.vpc)
    if not addresses:
        return
    for family in FAMILIES:
        bits = mine & family_bits(component, family)
        there = addresses & Intervals([FAMILY_ALL[family]])
        if not bits or not there:
            continue
        endpoint = (bits & -bits).bit_length() - 1
        to, address = component.interface_of(endpoint).id, component.span_of(endpoint)[0]
        for span in (services & ALL_OF_FAMILY[family]).spans:
            layers = cut(
                span,
                policy(component, cls, "ingress", Bound.UPPER).outside(span),
                acls.admitted(component.world, cls.key.subnet, False, span, Bound.UPPER),
            )
            for low, _, admitted in layers:
                here = admitted & there
                if here:
                    yield Packet(OUTSIDE, here.first, to, address, low, "arrival")


def hidden_sources(world: World, vpc: str) -> Intervals:
    """Outside addresses that could come into a VPC through gateways that are not looked into."""
    name = ("hidden sources", vpc)
    known = world.cache.get(name)
    if known is None:
        known = world.cache[name] = _hidden_sources(world, vpc)
    assert isinstance(known, Intervals)
    return known


def _hidden_sources(world: World, vpc: str) -> Intervals:
    estate = world.estate
    own = estate.vpcs.get(vpc)
    everything = outside_world(world)
    if own is None or own.hidden_gateways:
        return everything
    for gateway in estate.transit_gateways.values():
        joined = [one for one in gateway.attachments if one.kind == "vpc" and one.resource == vpc and one.active]
        others = [one for one in gateway.attachments if one.kind != "vpc" or one.resource not in estate.vpcs]
        if joined and others:
            return everything
    spans: list[Span] = []
    for peering in estate.peerings.values():
        if peering.active and vpc in peering.vpcs:
            at = 0 if peering.vpcs[1] == vpc else 1
            if peering.vpcs[at] not in estate.vpcs:
                spans.extend(peering.cidrs[at])
    return Intervals(spans) & everything


def _to_outside(world: World, sources: Ends, outside: Intervals, services: Intervals, bound: Bound) -> Iterator[Packet]:
    for component, bits in sources.items():
        public = component.public[bound]
        for cls in component.classes_in(bits):
            mine = bits & cls.bits
            for span in services.spans:
                for piece in departures(component, cls, span, bound):
                    ways = [
                        (mine & public & component.v4, piece.direct4 & INTERNET),
                        (mine & component.v6, piece.direct6 & INTERNET),
                    ]
                    ways += [(mine & component.v4 & one.sources, one.addresses & INTERNET) for one in piece.nat]
                    ways += [
                        (mine & component.v4, piece.hidden & Intervals([FAMILY_ALL[4]])),
                        (mine & component.v6, piece.hidden & Intervals([FAMILY_ALL[6]])),
                        (mine & component.v6, piece.translated),
                    ]
                    for from_, addresses in ways:
                        here = addresses & outside
                        if not from_ or not here:
                            continue
                        family = ALL_OF_FAMILY[6 if here.first >= V6 else 4]
                        allowed = family & Intervals([(piece.first, piece.last)])
                        if allowed:
                            endpoint = (from_ & -from_).bit_length() - 1
                            yield Packet(
                                component.interface_of(endpoint).id, component.span_of(endpoint)[0],
                                OUTSIDE, here.first, allowed.first, "departure",
                            )  # fmt: skip
