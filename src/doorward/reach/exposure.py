"""Everything that the internet can open: interfaces with a public address × services × sources."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, V6
from doorward.model.estate import Estate, Interface
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import AnyPeer, GroupPeer, PrefixListPeer
from doorward.model.services import ALL_OF_FAMILY, EPHEMERAL
from doorward.model.verdict import Exposed
from doorward.reach.border import arrivals
from doorward.reach.ends import accepts
from doorward.reach.policy import policy
from doorward.reach.world import Bound, Cls, Component, World

Opened = dict[tuple[Intervals, bool, bool], Intervals]
"""(sources, answered, certain) → services."""


def exposure(estate: Estate) -> tuple[Exposed, ...]:
    """What the internet can open on each interface, most exposed first."""
    return exposed(World(estate))


def exposed(world: World) -> tuple[Exposed, ...]:
    """The same for a compiled estate."""
    found: list[Exposed] = []
    for component in world.all_components():
        if any(world.has_internet_gateway(vpc) or vpc not in world.estate.vpcs for vpc in component.vpcs):
            found.extend(_of_component(component))
    found.sort(key=lambda one: (not one.certain, not one.answered, -one.services.size, one.name, one.interface, one.address))
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
            for interface in cls.interfaces:
                for address, known in _public(component, interface, family, bits):
                    for (sources, answered, certain), services in opened.items():
                        yield Exposed(
                            interface.id, interface.name or interface.description, address, services, sources, answered,
                            certain and known, rules[sources], interface.groups,
                        )  # fmt: skip


def _opened(component: Component, cls: Cls, family: int) -> Opened:
    world = component.world
    whole = world.internet & Intervals([FAMILY_ALL[6 if family == 6 else 4]])
    states: Opened = {}
    taken: list[tuple[Intervals, Intervals]] = []
    for bound in (Bound.LOWER, Bound.UPPER):
        listened = accepts(world, cls, bound) & ALL_OF_FAMILY[6 if family == 6 else 4]
        for span in listened.spans:
            answered = {
                (cell.first, cell.last): cell.addresses & whole
                for cell in arrivals(component, cls, span, bound, EPHEMERAL)
                if cell.addresses
            }
            for low, high, addresses in arrivals(component, cls, span, bound):
                here = addresses & whole
                if not here:
                    continue
                services = Intervals([(low, high)])
                for piece, back in answered.items():
                    both = services & Intervals([piece])
                    if both and here <= back:
                        _add(states, taken, here, True, bound, both)
                        services = services - both
                if services:
                    _add(states, taken, here, False, bound, services)
    return states


def _add(
    states: Opened, taken: list[tuple[Intervals, Intervals]], sources: Intervals, answered: bool, bound: Bound,
    services: Intervals,
) -> None:  # fmt: skip
    """Note a finding; what the lower bound already has is not repeated for the upper."""
    if bound is Bound.UPPER:
        for have_sources, have_services in taken:
            if sources <= have_sources:
                services = services - have_services
        if not services:
            return
    else:
        taken.append((sources, services))
    key = (sources, answered, bound is Bound.LOWER)
    states[key] = states.get(key, EMPTY) | services


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
    for rule in policy(component, cls, "ingress", Bound.UPPER).rules:
        if isinstance(rule.peer, GroupPeer):
            continue
        if isinstance(rule.peer, AnyPeer | PrefixListPeer) or sources.meets(*rule.peer):
            name = rule.id or rule.origin
            if name:
                found[name] = None
    return tuple(found)
