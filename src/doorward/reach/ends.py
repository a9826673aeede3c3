"""The two sides of a question as sets of endpoints per component."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import V6, Family
from doorward.model.intervals import Intervals
from doorward.model.services import ALL
from doorward.reach.question import Side
from doorward.reach.world import Bound, Cls, Component, World

Ends = dict[Component, int]


def ends_of(world: World, side: Side, bound: Bound) -> Ends:
    """Endpoints of a side, by component: those that belong to it for certain (lower) or possibly (upper)."""
    found: Ends = {}
    for group in side.groups:
        for vpc in world.group_vpc.get(group, ()):
            component = world.component_of(vpc)
            found[component] = found.get(component, 0) | component.members(group, bound)
    if side.inside:
        for component in world.all_components():
            found[component] = found.get(component, 0) | component.inside(side.inside, bound)
    for id in side.interfaces:
        _add(world, found, id)
    for id in side.balancers:
        for interface in world.estate.load_balancers[id].interfaces:
            if interface in world.estate.interfaces:
                _add(world, found, interface)
    return {component: bits for component, bits in found.items() if bits}


def _add(world: World, found: Ends, id: str) -> None:
    component = world.component_of(world.estate.interfaces[id].vpc)
    found[component] = found.get(component, 0) | component.of_interface(id)


def everybody(world: World) -> Ends:
    """All endpoints of the estate."""
    return {component: component.all for component in world.all_components()}


def without(whole: Ends, part: Ends) -> Ends:
    """What is in ``whole`` and not in ``part``."""
    found = {component: bits & ~part.get(component, 0) for component, bits in whole.items()}
    return {component: bits for component, bits in found.items() if bits}


def pairs(sources: Ends, targets: Ends) -> Iterator[tuple[Component, int, int]]:
    """Components that hold something of both sides."""
    for component, to in targets.items():
        from_ = sources.get(component, 0)
        if from_:
            yield component, from_, to


def accepts(world: World, cls: Cls, bound: Bound) -> Intervals:
    """What the interfaces of a class listen to, as far as the network decides it.

    Load balancers accept their listeners' services only; NAT gateways accept nothing (VPC User Guide, *NAT gateways*:
    "the internet cannot initiate connections"); any other interface everything.
    """
    owner = cls.key.owner
    if not owner:
        return ALL
    if owner == "nat":
        return Intervals()
    listeners = world.estate.load_balancers[owner].listeners
    if listeners is None:
        return Intervals() if bound is Bound.LOWER else ALL
    return Intervals(span for listener in listeners for span in listener.service)


def families(component: Component, bits: int) -> tuple[Family, ...]:
    """Families in which a set has endpoints."""
    four: tuple[Family, ...] = (4,) if bits & component.v4 else ()
    six: tuple[Family, ...] = (6,) if bits & component.v6 else ()
    return four + six


def address_families(addresses: Intervals) -> tuple[Family, ...]:
    """Families of a set of addresses."""
    found: list[Family] = []
    if addresses and addresses.spans[0][0] < V6:
        found.append(4)
    if addresses and addresses.spans[-1][1] >= V6:
        found.append(6)
    return tuple(found)
