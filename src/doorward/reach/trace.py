"""One packet, hop by hop: which rule admits or stops it, there and back.

A second, point-wise reading of the same rule book as the set-wise engine: slow, plain, for explanations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from doorward.model.addresses import show_address
from doorward.model.estate import Estate, Interface
from doorward.model.intervals import Intervals, Span
from doorward.model.rules import Direction, Rule
from doorward.model.services import EPHEMERAL, show_span
from doorward.model.verdict import Hop
from doorward.reach import routes
from doorward.reach.border import answers, edge_routed
from doorward.reach.ends import accepts
from doorward.reach.hop import acl_hop, group_hop, interface_label, route_hop, rule_matches
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.world import Bound, World


def hops(world: World, packet: Packet, ephemeral: Span = EPHEMERAL, *, answered: bool = True) -> tuple[Hop, ...]:
    """The whole path of a packet, and of its answer unless ``answered`` is False."""
    if packet.way == "private":
        return tuple(_private(world, packet, ephemeral, answered))
    if packet.way == "arrival":
        return tuple(_arrival(world, packet, ephemeral, answered))
    if packet.way == "departure":
        return tuple(_departure(world, packet, ephemeral, answered))
    if packet.way == "public":
        seen = _seen_as(world, packet)
        there = packet._replace(source=packet.source, way="departure")
        found = list(_departure(world, there, ephemeral, answered))
        arriving = packet._replace(source=OUTSIDE, source_address=seen, way="arrival")
        there_hops = list(_arrival(world, arriving, ephemeral, answered))
        if any(hop.kind == "not-modelled" and not hop.answer for hop in found):
            there_hops = [_doubted(hop) if hop.kind in _BY_ADDRESS else hop for hop in there_hops]
        return (*found, *there_hops)
    return tuple(_balanced(world, packet, ephemeral, answered))


# --- whole ways -------------------------------------------------------------------------------------------------


def _private(world: World, packet: Packet, ephemeral: Span, answered: bool) -> Iterator[Hop]:
    source = world.estate.interfaces.get(packet.source)
    target = world.estate.interfaces.get(packet.target)
    if source is None or target is None:
        yield Hop("nobody", packet.target, f"{packet.target} names no interface of the estate", "unknown")
        return
    crossing = source.subnet != target.subnet
    service = Intervals.point(packet.service)
    yield group_hop(world, source, "egress", packet.target_address, target, packet.service)
    entering = [group_hop(world, target, "ingress", packet.source_address, source, packet.service)]
    if crossing:
        yield acl_hop(world, source.subnet, True, packet.target_address, service)
        way = route_hop(world, source, packet.target_address, target)
        yield way
        entering.insert(0, acl_hop(world, target.subnet, False, packet.source_address, service))
        if way.passes == "unknown":
            entering = [_doubted(hop) for hop in entering]
    yield from entering
    yield from _listening(world, target, packet)
    if crossing and answered:
        back = answers(service, ephemeral)
        if back:
            yield acl_hop(world, target.subnet, True, packet.source_address, back, answer=True)
        yield route_hop(world, target, packet.source_address, source, answer=True)
        if back:
            yield acl_hop(world, source.subnet, False, packet.target_address, back, answer=True)


_BY_ADDRESS = ("security-group", "network-acl")
"""Hops that judge by the address of the source."""


def _doubted(hop: Hop) -> Hop:
    if hop.passes != "no":
        return hop
    text = f"{hop.text}; but a hop on the way that is not looked into may rewrite the source"
    return replace(hop, kind="unknown", passes="unknown", text=text)


def _listening(world: World, target: Interface, packet: Packet) -> Iterator[Hop]:
    component = world.component_of(target.vpc)
    numbers = component.endpoints_of.get(target.id)
    if not numbers:
        return
    cls = component.class_of[numbers[0]]
    owner = cls.key.owner
    if not owner:
        return
    name = target.id if owner == "nat" else owner
    service = show_span((packet.service, packet.service))
    if packet.service in accepts(world, cls, Bound.LOWER):
        yield Hop("load-balancer", name, f"{_balancer(world, owner)} listens on {service}", "yes")
    elif packet.service in accepts(world, cls, Bound.UPPER):
        yield Hop("unknown", name, f"listeners of {_balancer(world, owner)} are not in the input", "unknown")
    elif owner == "nat":
        yield Hop("gateway", name, f"{target.id} is a NAT gateway: it accepts no connections", "no")
    else:
        yield Hop("load-balancer", name, f"{_balancer(world, owner)} has no listener on {service}", "no")


def _balancer(world: World, id: str) -> str:
    found = world.estate.load_balancers.get(id)
    return f"load balancer {found.name}" if found is not None and found.name else id


def _arrival(world: World, packet: Packet, ephemeral: Span, answered: bool) -> Iterator[Hop]:
    target = world.estate.interfaces[packet.target]
    service = Intervals.point(packet.service)
    if packet.source_address in world.internet or packet.source_address not in _hidden_of(world, target):
        yield _gateway_hop(world, target)
        yield _public_hop(world, target, packet.target_address)
    else:
        text = f"{show_address(packet.source_address)} lies behind a gateway of {target.vpc} that is not looked into"
        yield Hop("not-modelled", target.vpc, text, "unknown")
    yield acl_hop(world, target.subnet, False, packet.source_address, service)
    yield group_hop(world, target, "ingress", packet.source_address, None, packet.service)
    yield from _listening(world, target, packet)
    if answered:
        back = answers(service, ephemeral)
        if back:
            yield acl_hop(world, target.subnet, True, packet.source_address, back, answer=True)
        yield _return_hop(world, target, packet.source_address)


def _hidden_of(world: World, target: Interface) -> Intervals:
    from doorward.reach.never import hidden_sources

    return hidden_sources(world, target.vpc)


def _gateway_hop(world: World, target: Interface) -> Hop:
    if not world.has_internet_gateway(target.vpc, Bound.UPPER):
        return Hop("gateway", target.vpc, f"no internet gateway is attached to {target.vpc}", "no")
    if not world.has_internet_gateway(target.vpc, Bound.LOWER):
        text = f"whether an internet gateway is attached to {target.vpc} is not known"
        return Hop("unknown", target.vpc, text, "unknown")
    gateway = world.estate.vpcs[target.vpc].internet_gateways[0]
    if edge_routed(world, target.vpc):
        text = f"an ingress route table of {gateway} may take the packet elsewhere first; that is not looked into"
        return Hop("not-modelled", gateway, text, "unknown")
    return Hop("gateway", gateway, f"{gateway} lets it in", "yes")


def _public_hop(world: World, target: Interface, address: int) -> Hop:
    if address >= 1 << 128:
        return Hop("public-address", target.id, f"{show_address(address)} is addressable from the internet", "yes")
    public = next((one for private, one in target.public if address in (private, one)), None)
    if public is not None:
        return Hop("public-address", target.id, f"{show_address(public)} is {interface_label(target)}", "yes")
    if target.public_unknown or (target.public and target.wide):
        text = (
            f"whether {interface_label(target)} has a public address is not known: {target.public_unknown or 'value'}"
        )
        return Hop("unknown", target.id, text, "unknown" if not target.public else "yes")
    if target.vpc in world.accelerated_vpcs:
        label = interface_label(target)
        text = f"{label} has no public address, but an accelerator in {target.vpc} may bring clients to it"
        return Hop("not-modelled", target.id, text, "unknown")
    return Hop("public-address", target.id, f"{interface_label(target)} has no public address", "no")


def _return_hop(world: World, target: Interface, address: int) -> Hop:
    out = routes.outward(world, target.subnet, target.vpc, Bound.LOWER)
    name = routes.table_of(world, target.subnet) or f"route table of {target.subnet}"
    shown = show_address(address)
    if address in out.internet:
        return Hop("route", name, f"{name} takes the answer to {shown} to the internet gateway", "yes", answer=True)
    if address in out.hidden:
        text = f"{name} takes the answer to {shown} to something that is not looked into"
        return Hop("not-modelled", name, text, "unknown", answer=True)
    return Hop("route", name, f"{name} takes no answer to {shown} to an internet gateway", "no", answer=True)


def _departure(world: World, packet: Packet, ephemeral: Span, answered: bool) -> Iterator[Hop]:
    source = world.estate.interfaces[packet.source]
    service = Intervals.point(packet.service)
    yield group_hop(world, source, "egress", packet.target_address, None, packet.service)
    yield acl_hop(world, source.subnet, True, packet.target_address, service)
    yield route_hop(world, source, packet.target_address, None)
    out = routes.outward(world, source.subnet, source.vpc, Bound.LOWER)
    if packet.target_address in out.internet and packet.target_address < 1 << 128:
        yield _public_hop(world, source, packet.source_address)
    for id, addresses in out.nat.items():
        if packet.target_address in addresses:
            yield from _nat_hops(world, id, source, packet, ephemeral, answered)
    back = answers(service, ephemeral)
    if answered and back:
        if edge_routed(world, source.vpc):
            text = (
                f"an ingress route table of {source.vpc} may take the answer elsewhere first; that is not looked into"
            )
            yield Hop("not-modelled", source.vpc, text, "unknown", answer=True)
        yield acl_hop(world, source.subnet, False, packet.target_address, back, answer=True)


def _nat_hops(
    world: World, id: str, source: Interface, packet: Packet, ephemeral: Span, answered: bool
) -> Iterator[Hop]:
    gateway = world.estate.nat_gateways[id]
    service = Intervals.point(packet.service)
    if packet.service >> 16 not in (1, 6, 17):
        yield Hop("gateway", id, f"{id} translates tcp, udp and icmp only", "no")
        return
    crossing = gateway.subnet != source.subnet
    if crossing:
        yield acl_hop(world, gateway.subnet, False, packet.source_address, service)
    yield acl_hop(world, gateway.subnet, True, packet.target_address, service)
    out = routes.outward(world, gateway.subnet, gateway.vpc, Bound.LOWER)
    leaves = packet.target_address in out.internet
    text = f"{id} {'leaves by an internet gateway' if leaves else 'has no route to an internet gateway'}"
    yield Hop("gateway", id, text, "yes" if leaves else ("unknown" if packet.target_address in out.hidden else "no"))
    if not gateway.public:
        yield Hop("public-address", id, f"the public address of {id} is not known", "unknown")
    if answered:
        yield acl_hop(
            world, gateway.subnet, False, packet.target_address, answers(service, (1024, 65_535)), answer=True
        )
        if crossing:
            yield acl_hop(world, gateway.subnet, True, packet.source_address, answers(service, ephemeral), answer=True)


def _seen_as(world: World, packet: Packet) -> int:
    source = world.estate.interfaces[packet.source]
    if packet.source_address >= 1 << 128:
        return packet.source_address
    public = next((one for private, one in source.public if private == packet.source_address), None)
    if public is not None:
        return public
    out = routes.outward(world, source.subnet, source.vpc, Bound.LOWER)
    for id, addresses in out.nat.items():
        known = world.estate.nat_gateways[id].public
        if packet.target_address in addresses and known:
            return known[0]
    return packet.source_address


def _balanced(world: World, packet: Packet, ephemeral: Span, answered: bool) -> Iterator[Hop]:
    balancer = _balancer(world, packet.via or packet.source)
    if packet.part == "loopback":
        text = f"{packet.target} is registered behind {balancer}, which keeps the client's address: its own packets"
        yield Hop("load-balancer", packet.via or "", f"{text} are not carried back to it", "no")
        return
    if packet.part == "targets":
        text = f"what stands behind {balancer} is not known: {packet.target} has no targets in the input"
        yield Hop("unknown", packet.target, text, "unknown")
        return
    yield Hop("load-balancer", packet.via or "", f"{balancer} passes the client's own packets to its targets", "yes")
    target = world.estate.interfaces[packet.target]
    service = Intervals.point(packet.service)
    yield acl_hop(world, target.subnet, False, packet.source_address, service)
    found = world.estate.load_balancers.get(packet.via or "")
    # References to the clients' own groups never match behind a balancer.
    hop = group_hop(world, target, "ingress", packet.source_address, None, packet.service)
    if hop.passes != "yes" and found is not None and found.groups:
        node = next((world.estate.interfaces[one] for one in found.interfaces if one in world.estate.interfaces), None)
        if node is not None:
            by_group = group_hop(world, target, "ingress", packet.source_address, node, packet.service)
            hop = by_group if by_group.passes == "yes" else hop
    yield hop
    if answered:
        yield acl_hop(world, target.subnet, True, packet.source_address, answers(service, ephemeral), answer=True)


# --- which rules admit a packet ---------------------------------------------------------------------------------


def admitting_rules(world: World, packet: Packet, direction: Direction) -> list[Rule]:
    """The rules on one side (``egress`` of the source, ``ingress`` of the target) that admit a packet for certain."""
    id, peer_id = (packet.source, packet.target) if direction == "egress" else (packet.target, packet.source)
    address = packet.target_address if direction == "egress" else packet.source_address
    interface = world.estate.interfaces.get(id)
    if interface is None:
        return []
    peer = world.estate.interfaces.get(peer_id) if packet.way == "private" else None
    found: list[Rule] = []
    for name in interface.groups:
        group = world.estate.groups.get(name)
        for rule in group.rules if group is not None else ():
            mine = rule.direction == direction
            if mine and rule_matches(world, interface, direction, rule, address, peer, packet.service) == "yes":
                found.append(rule)
    return found


def group_matches(world: World, estate: Estate, group: str, rule: Rule, packet: Packet) -> bool:
    """Whether one rule of one group helps to admit a packet at either end."""
    id, peer_id = (packet.source, packet.target) if rule.direction == "egress" else (packet.target, packet.source)
    interface = estate.interfaces.get(id)
    if interface is None or group not in interface.groups:
        return False
    address = packet.target_address if rule.direction == "egress" else packet.source_address
    peer = estate.interfaces.get(peer_id) if packet.way == "private" else None
    return rule_matches(world, interface, rule.direction, rule, address, peer, packet.service) != "no"
