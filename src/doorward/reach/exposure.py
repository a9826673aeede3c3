"""Everything that the internet can open: interfaces with a public address × services × sources."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, V6
from doorward.model.estate import Estate, Interface
from doorward.model.intervals import Intervals, Span
from doorward.model.rules import AnyPeer, GroupPeer, Peer, PrefixListPeer
from doorward.model.services import ALL_OF_FAMILY, ALL_SPAN, EPHEMERAL
from doorward.model.verdict import Exposed
from doorward.reach import acls, routes
from doorward.reach.border import arrivals, edge_routed
from doorward.reach.ends import accepts
from doorward.reach.policy import policy
from doorward.reach.world import Bound, Cls, Component, World

Opened = dict[tuple[Intervals, bool, bool], list[Span]]
"""(sources, answered, certain) → services."""


def exposure(estate: Estate) -> tuple[Exposed, ...]:
    """What the internet can open on each interface, most exposed first."""
    return exposed(World(estate))


def exposed(world: World) -> tuple[Exposed, ...]:
    """The same for a compiled estate."""
    found: list[Exposed] = []
    for component in world.all_components():
        if any(world.has_internet_gateway(vpc, Bound.UPPER) for vpc in component.vpcs):
            found.extend(_of_component(component))
    found.sort(
        key=lambda one: (not one.certain, not one.answered, -one.services.size, one.name, one.interface, one.address)
    )
    return tuple(found)


def _of_component(component: Component) -> Iterator[Exposed]:
    addressable = component.public[Bound.UPPER] & component.v4
    for cls in component.classes:
        if not cls.bits & (addressable | component.v6):
            continue
        for family in (4, 6):
            bits = cls.bits & (addressable if family == 4 else component.v6)
            if not bits:
                continue
            opened = _opened(component, cls, 6 if family == 6 else 4)
            if not opened:
                continue
            rules = {sources: _rules(component, cls, sources) for sources, _, _ in opened}
            services_of = {key: Intervals(spans) for key, spans in opened.items()}
            for interface in cls.interfaces:
                for address, known in _public(component, interface, family, bits):
                    for (sources, answered, certain), services in services_of.items():
                        yield Exposed(
                            interface.id, interface.name or interface.description, address, services, sources, answered,
                            certain and known, rules[sources], interface.groups,
                        )  # fmt: skip


def _opened(component: Component, cls: Cls, family: int) -> Opened:
    world = component.world
    whole = world.internet & Intervals([FAMILY_ALL[6 if family == 6 else 4]])
    states: Opened = {}
    taken: list[tuple[Intervals, Span]] = []
    for bound in (Bound.LOWER,) if _certain(component, cls) else (Bound.LOWER, Bound.UPPER):
        listened = accepts(world, cls, bound) & ALL_OF_FAMILY[6 if family == 6 else 4]
        for span in listened.spans:
            first_packets = arrivals(component, cls, span, bound)
            if not any(cell.addresses for cell in first_packets):
                continue
            opening = iter(arrivals(component, cls, span, bound, EPHEMERAL))
            low, last, returning = next(opening)
            for _, high, addresses in first_packets:
                here = _public_part(world, addresses, whole) if addresses.spans else addresses
                # Cells of what opens are never wider than those of what arrives: they are cut from them.
                while True:
                    if here.spans:
                        answered = returning is addresses or returning == addresses or here <= returning
                        _add(states, taken, here, answered, bound, (low, last))
                    if last >= high:
                        break
                    low, last, returning = next(opening)
                low, last, returning = next(opening, (low, last, returning))
    return states


def _certain(component: Component, cls: Cls) -> bool:
    """Whether nothing that decides about a class is unknown, so that both bounds are the same."""
    world, key = component.world, cls.key
    acl = world.estate.acls.get(acls.acl_of(world, key.subnet) or "")
    if key.unknown or key.maybe or edge_routed(world, key.vpc) or acl is None or acl.unknown:
        return False
    if (
        not all(entry.certain for entry in acl.entries)
        or component.public[0] & cls.bits != component.public[1] & cls.bits
    ):
        return False
    if world.balancer_of.get(cls.interfaces[0].id) and world.balancer(cls.key.owner).listeners is None:
        return False
    if routes.outward(world, key.subnet, key.vpc, Bound.UPPER).hidden or key.vpc not in world.estate.vpcs:
        return False
    if world.estate.vpcs[key.vpc].maybe_internet_gateways:
        return False
    return all(_settled(world, name) for name in key.groups)


def _settled(world: World, name: str) -> bool:
    """Whether all that a group lets in is known."""
    key = ("settled", name)
    found = world.cache.get(key)
    if found is None:
        group = world.estate.groups.get(name)
        found = world.cache[key] = group is not None and all(
            # References come first: nearly all rules have one.
            certain and (isinstance(peer, GroupPeer) or _known_peer(world, peer))
            for _, _, peer, _, _, _, certain, _ in group.touching("ingress", ALL_SPAN)
        )
    return bool(found)


def _known_peer(world: World, peer: Peer) -> bool:
    if isinstance(peer, PrefixListPeer):
        known = world.estate.prefix_lists.get(peer.prefix_list)
        return known is not None and known.cidrs is not None
    return not isinstance(peer, AnyPeer)


def _public_part(world: World, addresses: Intervals, whole: Intervals) -> Intervals:
    name = ("public part", addresses, whole.first)
    found = world.cache.get(name)
    if found is None:
        found = world.cache[name] = addresses & whole
    assert isinstance(found, Intervals)
    return found


def _add(
    states: Opened,
    taken: list[tuple[Intervals, Span]],
    sources: Intervals,
    answered: bool,
    bound: Bound,
    services: Span,
) -> None:
    """Note a finding; what the lower bound already has is not repeated for the upper."""
    if bound is Bound.UPPER:
        left = Intervals([services])
        for have_sources, have_services in taken:
            if sources <= have_sources:
                left = left - Intervals([have_services])
        if left:
            states.setdefault((sources, answered, False), []).extend(left.spans)
    else:
        taken.append((sources, services))
        states.setdefault((sources, answered, True), []).append(services)


def _public(component: Component, interface: Interface, family: int, bits: int) -> Iterator[tuple[int, bool]]:
    if family == 4:
        for _, public in interface.public:
            yield public, True
        if not interface.public and interface.public_unknown:
            yield 0, False
        return
    for number in component.endpoints_of[interface.id]:
        if bits >> number & 1:
            address = component.span_of(number)[0]
            if address >= V6:
                yield address, True


def _rules(component: Component, cls: Cls, sources: Intervals) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for rule in policy(component, cls, "ingress", Bound.UPPER).naming_internet(ALL_SPAN):
        name = rule.id or rule.origin
        if name and (isinstance(rule.peer, (GroupPeer, AnyPeer, PrefixListPeer)) or sources.meets(*rule.peer)):
            found[name] = None
    return tuple(found)
