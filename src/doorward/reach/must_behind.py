"""Does a load balancer reach all that is registered behind it? ``must`` on targets."""

from __future__ import annotations

from collections.abc import Iterator

from doorward.model.addresses import FAMILY_ALL, INTERNET, Family
from doorward.model.intervals import Intervals
from doorward.reach import acls
from doorward.reach.balancers import Behind, admitted_clients, behind, family_of, target_endpoints
from doorward.reach.border import answers
from doorward.reach.ends import Ends, accepts
from doorward.reach.must_border import addressable
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.policy import policy
from doorward.reach.private import family_bits, lacks, packet_between, pick
from doorward.reach.public import public_addresses, sent
from doorward.reach.question import Question
from doorward.reach.world import Bound, Component, World, bits_of, numbers_in


def unopened_behind(
    world: World, id: str, sources: Ends, outside: Intervals, question: Question, bound: Bound
) -> Iterator[Packet]:
    """From a load balancer (or, where it keeps their address, from its clients) to every registered target."""
    balancer = world.estate.load_balancers[id]
    unknown = _unregistered(world, id, question.services)
    if unknown is not None and bound is Bound.LOWER:
        yield Packet(id, 0, unknown, 0, question.services.first, "balanced", id, "targets")
    nodes: dict[Component, int] = {}
    for interface in balancer.interfaces:
        if interface in world.estate.interfaces:
            component = world.component_of(world.estate.interfaces[interface].vpc)
            nodes[component] = nodes.get(component, 0) | bits_of(component.endpoints_of.get(interface, ()))
    for one in behind(world, id, question.services):
        if not one.interfaces:
            if bound is Bound.LOWER:
                yield Packet(id, 0, one.target.id, 0, one.traffic.first, "balanced", id, "targets")
            continue
        for component, bits in nodes.items():
            to = target_endpoints(component, one)
            if not to:
                continue
            for cls in component.classes_in(to):
                # A balancer behind a balancer accepts only what it listens on.
                silent = (one.health | one.traffic) - accepts(world, cls, bound)
                if cls.key.owner and silent and _others(component, bits, to & cls.bits):
                    source, target = pick(component, bits, to & cls.bits)
                    packet = packet_between(component, source, component, target, silent.first)
                    yield packet._replace(via=cls.key.owner, part="listener")
            family = family_of(component, (to & -to).bit_length() - 1)
            yield from _without_family(component, bits, to, family, (one.health | one.traffic).first, bound)
            seen = one.preserved and not _translated(component, bits, family, sources, outside)
            checks = one.health if seen else one.health | one.traffic
            for lack in lacks(component, bits, to, checks, question.ephemeral, bound):
                mine, theirs = (lack.mine, lack.theirs) if lack.direction == "egress" else (lack.theirs, lack.mine)
                source, target = pick(component, mine, theirs)
                part = "health-check" if lack.service in one.health and lack.service not in one.traffic else "traffic"
                packet = packet_between(component, source, component, target, lack.service)
                yield packet._replace(via=id, part="health-check" if part == "health-check" else "traffic")
            for cls in component.classes_in(to if one.preserved else 0):
                yield from _clients(world, component, bits, to & cls.bits, one, sources, outside, question, bound)


def _without_family(
    component: Component, nodes: int, to: int, family: Family, service: int, bound: Bound
) -> Iterator[Packet]:
    """Nodes that have no address of the target's family, and so cannot send to it at all.

    A node whose addresses are not known may have one (upper bound).
    """
    able = {component.owner[number] for number in numbers_in(nodes & family_bits(component, family))}
    target = (to & -to).bit_length() - 1
    for number in numbers_in(nodes & ~family_bits(component, family)):
        owner = component.owner[number]
        if bound is Bound.UPPER and component.interfaces[owner].wide:
            continue
        if owner not in able and owner != component.owner[target]:
            yield packet_between(component, number, component, target, service)._replace(part="family")
            return


def _translated(component: Component, nodes: int, family: Family, sources: Ends, outside: Intervals) -> bool:
    """Whether a client comes by the other family than the target's: then the node sends from an address of its own."""
    other: Family = 6 if family == 4 else 4
    by_other = nodes & family_bits(component, other)
    if by_other and any(
        from_ & family_bits(here, other) & ~(nodes if here is component else 0) for here, from_ in sources.items()
    ):
        return True
    named = addressable(component, by_other, other, Bound.UPPER)
    return bool(named) and outside.meets(*FAMILY_ALL[other])


def _others(component: Component, nodes: int, to: int) -> bool:
    """Whether a node sends to another interface than itself."""
    return component.single(nodes | to) is None


def _unregistered(world: World, id: str, services: Intervals) -> str | None:
    """A listener or target group whose targets are not known (or that has none)."""
    balancer = world.estate.load_balancers[id]
    if balancer.listeners is None:
        return id
    for listener in balancer.listeners:
        if not any(services.meets(*span) for span in listener.service):
            continue
        targets = 0
        for name in listener.target_groups:
            group = world.estate.target_groups.get(name)
            if group is None or group.targets is None:
                return name
            targets += len(group.targets) + (group.target_type == "lambda")
        if listener.target_groups and not targets:
            return listener.target_groups[0]
    return None


def _clients(
    world: World, component: Component, nodes: int, to: int, one: Behind, sources: Ends, outside: Intervals,
    question: Question, bound: Bound,
) -> Iterator[Packet]:  # fmt: skip
    """Path E: every client's own packets must be admitted by every target."""
    balancer = world.estate.load_balancers[one.balancer]
    target = (to & -to).bit_length() - 1
    cls = component.class_of[target]
    id, address = component.interface_of(target).id, component.span_of(target)[0]
    family = family_of(component, target)
    for span in one.traffic.spans:
        bits, addresses = admitted_clients(component, cls, balancer, span, bound, family)
        back = acls.admitted_all(world, cls.key.subnet, True, answers(Intervals([span]), question.ephemeral), bound)
        near = any(sender.key.subnet == cls.key.subnet for sender in component.classes_in(nodes))
        if not (near and bound is Bound.UPPER):
            whole = all(sender.key.subnet == cls.key.subnet for sender in component.classes_in(nodes))
            same = component.subnet_bits[cls.key.subnet] if whole else 0
            bits &= component.inside(back, bound) | same
            addresses = addresses & back
        for sender in component.classes_in(nodes):
            for cell in policy(component, sender, "egress", bound).cells(span):
                if to & ~cell.bits:
                    number = (nodes & sender.bits & -(nodes & sender.bits)).bit_length() - 1
                    yield packet_between(component, number, component, target, span[0])._replace(via=one.balancer)
        lack = outside & INTERNET & Intervals([FAMILY_ALL[family]])
        lack = lack - addresses
        if lack and addressable(component, nodes, family, Bound.UPPER):
            yield Packet(OUTSIDE, lack.first, id, address, span[0], "balanced", one.balancer)
        for number in numbers_in(_own_clients(component, to, sources)):
            # "If the request is routed to the same instance it was sent from, the connection times out" (ELB,
            # *Troubleshoot your Network Load Balancer*: NAT loopback).
            itself, own = component.interface_of(number).id, component.span_of(number)[0]
            yield Packet(itself, own, itself, own, span[0], "balanced", one.balancer, "loopback")
            break
        for here, from_ in sources.items():
            left = from_ & family_bits(here, family) & ~(bits if here is component else 0)
            for number in numbers_in(left):
                client = here.interface_of(number)
                if client.id != id and not _seen(world, here, number, nodes, component, one, addresses, bound):
                    yield Packet(client.id, here.span_of(number)[0], id, address, span[0], "balanced", one.balancer)
                    break


def _own_clients(component: Component, to: int, sources: Ends) -> int:
    """Clients that are themselves among the targets, in the family in which they are registered."""
    found = 0
    for number in numbers_in(to):
        family = component.v4 if component.v4 >> number & 1 else component.v6
        found |= component.of_interface(component.interface_of(number).id) & family
    return found & sources.get(component, 0)


def _seen(
    world: World, here: Component, client: int, nodes: int, component: Component, one: Behind,
    addresses: Intervals, bound: Bound,
) -> bool:  # fmt: skip
    """Whether a client that comes over the internet is admitted under the addresses that it is seen as."""
    del world
    named = nodes & (component.public[bound] if here.v4 >> client & 1 else component.v6)
    for node in numbers_in(named):
        for span in one.listened:
            at = public_addresses(component, node, bound)
            ways = sent(here, client, at, span, bound, None) if at else []
            if not ways or not all(way.always_arrives(addresses, bound) for way in ways):
                return False
    return bool(named)
