"""Load balancers: what stands behind a listener, and whose packets the targets see.

A network load balancer that preserves the client's address carries the client's own packets to its targets
(ELB, *Edit target group attributes for your Network Load Balancer*: client IP preservation); any other balancer ends
the
connection and opens one of its own. Rule book: ``docs/reference/semantics.md`` §4 "Load balancers", §5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from doorward.model.addresses import FAMILY_ALL, INTERNET, Family, parse_address
from doorward.model.estate import LoadBalancer, Target, TargetGroup
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import GroupPeer
from doorward.model.services import ALL_OF_FAMILY, BLOCK, TCP, UDP, block
from doorward.reach import acls
from doorward.reach.border import arrivals
from doorward.reach.ends import Ends, accepts, pairs
from doorward.reach.packet import OUTSIDE, Packet
from doorward.reach.policy import Policy, policy
from doorward.reach.private import flows, pick
from doorward.reach.world import Bound, Cls, Component, World, numbers_in


class Behind(NamedTuple):
    """One registered target behind a balancer."""

    balancer: str
    group: str
    target: Target
    interfaces: tuple[str, ...]
    """Interfaces in the estate that the registration names; empty when it names none of them."""
    addresses: Intervals
    """The private addresses concerned (``ip`` targets), or empty for all IPv4 addresses of the interface's primary."""
    listened: tuple[Span, ...]
    """Services of the listeners that forward here."""
    traffic: Intervals
    """Services on which the target gets the traffic."""
    health: Intervals
    """Services on which it gets health checks."""
    preserved: bool


def preserves_client(balancer: LoadBalancer, group: TargetGroup) -> bool:
    """Whether targets see the client's address: network load balancers only; default by target type and protocol."""
    if balancer.kind != "network":
        return False
    if group.protocol in ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC"):
        return True  # "cannot be disabled" (same page)
    if group.preserve_client is not None:
        return group.preserve_client
    return group.target_type != "ip" or group.protocol not in ("TCP", "TLS")


def _ports(protocol: str, port: int) -> Intervals:
    udp, both = (UDP,), (TCP, UDP)
    protocols = {"UDP": udp, "QUIC": udp, "TCP_UDP": both, "TCP_QUIC": both}.get(protocol, (TCP,))
    return Intervals((number * BLOCK + port, number * BLOCK + port) for number in protocols)


def _carried_on(ports: Intervals, asked: Intervals) -> Intervals:
    """Of a target's ports, those of the protocols asked about: a TCP_UDP listener carries each on its own."""
    found = Intervals(span for span in ports.spans if asked.meets(*block(span[0] // BLOCK)))
    return found or ports


def behind(world: World, id: str, services: Intervals | None = None) -> list[Behind]:
    """All registered targets behind the listeners of a balancer that take any of ``services`` (None: all listeners)."""
    name = ("behind", id, services)
    found = world.cache.get(name)
    if found is None:
        found = world.cache[name] = list(_behind(world, id, services))
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _behind(world: World, id: str, services: Intervals | None) -> Iterator[Behind]:
    balancer = world.estate.load_balancers[id]
    listened: dict[str, list[Span]] = {}
    for listener in balancer.listeners or ():
        if services is None or any(services.meets(*span) for span in listener.service):
            for name in listener.target_groups:
                listened.setdefault(name, []).extend(listener.service)
    for group_id, spans in listened.items():
        group: TargetGroup | None = world.estate.target_groups.get(group_id)
        if group is None or group.target_type == "lambda":
            continue
        preserved = preserves_client(balancer, group)
        asked = Intervals(spans) & services if services is not None else Intervals(spans)
        for target in group.targets or ():
            port = target.port if target.port is not None else group.port
            if port is None:
                continue
            health = group.health_port if group.health_port is not None else port
            interfaces, addresses = resolve_target(world, balancer, group, target)
            yield Behind(
                id, group_id, target, interfaces, addresses, tuple(spans),
                _carried_on(_ports(group.protocol, port), asked),
                _ports("TCP", health) if group.health_enabled else EMPTY, preserved,
            )  # fmt: skip


def resolve_target(
    world: World, balancer: LoadBalancer, group: TargetGroup, target: Target
) -> tuple[tuple[str, ...], Intervals]:
    """Interfaces (and addresses of them) that a registration names."""
    if group.target_type == "ip":
        try:
            address = parse_address(target.id)
        except ValueError:
            return (), EMPTY
        vpc = group.vpc or balancer.vpc
        component = world.component_of(vpc) if vpc else None
        if component is None:
            return (), EMPTY
        endpoints = numbers_in(component.run((address, address)))
        owners = [component.interface_of(number).id for number in endpoints]
        own = [one for one in owners if world.estate.interfaces[one].vpc == vpc]
        return tuple(own or owners), Intervals.point(address)
    if group.target_type == "alb":
        other = world.estate.load_balancers.get(target.id)
        return (other.interfaces if other is not None else ()), EMPTY
    return _instances(world).get(target.id, ())[:1], EMPTY


def _instances(world: World) -> dict[str, tuple[str, ...]]:
    found = world.cache.get("instances")
    if found is None:
        made: dict[str, tuple[str, ...]] = {}
        for interface in world.estate.interfaces.values():
            if interface.instance:
                made[interface.instance] = (*made.get(interface.instance, ()), interface.id)
        for holder in world.estate.holders.values():
            if holder.kind == "instance" and holder.interfaces:
                made[holder.id] = holder.interfaces
        known = world.estate.interfaces
        for id, names in made.items():
            # Instance targets are reached at their primary interface: device index 0 (ELB, *Target type*).
            made[id] = tuple(sorted(names, key=lambda name: known[name].device if name in known else 0))
        found = world.cache["instances"] = made
    return found  # type: ignore[return-value]  # see above


def target_endpoints(component: Component, one: Behind) -> int:
    """Endpoints of a registration in a component: the address registered, or the first IPv4 address of the instance."""
    found = 0
    for interface in one.interfaces:
        numbers = component.endpoints_of.get(interface)
        if numbers is None:
            continue  # in another component, or (in the middle of an apply) not there yet
        if one.addresses:
            mine = [number for number in numbers if one.addresses.meets(*component.span_of(number))]
        else:
            first = component.world.estate.interfaces[interface]
            primary = first.addresses[:1] or first.wide[:1]
            mine = [number for number in numbers if component.span_of(number) in primary]
        for number in mine:
            found |= 1 << number
    return found


def family_of(component: Component, endpoint: int) -> Family:
    """The family of an endpoint."""
    return 4 if component.v4 >> endpoint & 1 else 6


def preserved_targets(world: World) -> dict[str, list[Behind]]:
    """Interface id → registrations through which clients' own packets come to it."""
    found = world.cache.get("preserved targets")
    if found is None:
        made: dict[str, list[Behind]] = {}
        for balancer in world.estate.load_balancers.values():
            if balancer.kind == "network":
                for one in behind(world, balancer.id):
                    if one.preserved:
                        for interface in one.interfaces:
                            made.setdefault(interface, []).append(one)
        found = world.cache["preserved targets"] = made
    return found  # type: ignore[return-value]  # see above


def balanced_packets(
    world: World, sources: Ends, outside: Intervals, targets: Ends, services: Intervals, bound: Bound
) -> Iterator[Packet]:
    """Path E: first packets that a client-preserving balancer carries to a target."""
    registered = preserved_targets(world)
    if not registered:
        return
    for component, bits in targets.items():
        for interface, registrations in registered.items():
            if interface not in component.endpoints_of:
                continue
            for one in registrations:
                to = target_endpoints(component, one) & bits
                traffic = services & one.traffic
                for cls in component.classes_in(to if traffic else 0):
                    heard = traffic & accepts(world, cls, bound)
                    yield from _carried(world, component, one, to & cls.bits, heard, sources, outside, bound)


def _carried(
    world: World, component: Component, one: Behind, to: int, traffic: Intervals,
    sources: Ends, outside: Intervals, bound: Bound,
) -> Iterator[Packet]:  # fmt: skip
    from doorward.reach.public import public_packets

    target = (to & -to).bit_length() - 1
    cls = component.class_of[target]
    balancer = world.estate.load_balancers[one.balancer]
    nodes = {component: 0}
    for interface in balancer.interfaces:
        nodes[component] |= component.of_interface(interface)
    listened = Intervals(one.listened)
    id = component.interface_of(target).id
    address = component.span_of(target)[0]
    for span in traffic.spans:
        if not _nodes_send(component, nodes[component], to, span, bound):
            continue
        bits, addresses = admitted_clients(component, cls, balancer, span, bound, family_of(component, target))
        for here, from_, nodes_bits in pairs(sources, nodes):
            own = from_ & bits if here is component else 0
            for flow in flows(here, own, nodes_bits, listened, bound, lambda _cls, _bound: listened):
                source, _ = pick(here, flow.sources, flow.targets)
                if here.interface_of(source).id != id:
                    yield Packet(
                        here.interface_of(source).id, here.span_of(source)[0], id, address, span[0], "balanced",
                        balancer.id,
                    )  # fmt: skip
        clients = outside & INTERNET & addresses
        yield from _from_internet(component, nodes[component], listened, clients, id, address, span, one, bound)
        for packet in public_packets(world, sources, nodes, listened, bound):
            if _seen_admitted(world, packet, addresses, bound) and packet.source != id:
                yield packet._replace(
                    target=id, target_address=address, service=span[0], way="balanced", via=balancer.id
                )


def _seen_admitted(world: World, packet: Packet, addresses: Intervals, bound: Bound) -> bool:
    from doorward.reach.public import sent

    here = world.component_of(world.estate.interfaces[packet.source].vpc)
    for number in here.endpoints_of[packet.source]:
        if here.span_of(number)[0] != packet.source_address:
            continue
        span = (packet.service, packet.service)
        for leaving in sent(here, number, Intervals.point(packet.target_address), span, bound, None):
            if leaving.arrives(addresses, bound):
                return True
    return False


def _from_internet(
    component: Component, nodes: int, listened: Intervals, clients: Intervals, id: str, address: int, span: Span,
    one: Behind, bound: Bound,
) -> Iterator[Packet]:  # fmt: skip
    if not clients:
        return
    for cls in component.classes_in(nodes):
        mine = nodes & cls.bits
        for family in (4, 6):
            reachable = mine & (component.public[bound] & component.v4 if family == 4 else component.v6)
            asked = clients & Intervals([FAMILY_ALL[4 if family == 4 else 6]])
            if not reachable or not asked:
                continue
            for part in (listened & ALL_OF_FAMILY[4 if family == 4 else 6]).spans:
                for cell in arrivals(component, cls, part, bound):
                    here = cell.addresses & asked
                    if here:
                        yield Packet(OUTSIDE, here.first, id, address, span[0], "balanced", one.balancer)


def _nodes_send(component: Component, nodes: int, to: int, span: Span, bound: Bound) -> bool:
    """Whether any node's egress groups admit the target."""
    for cls in component.classes_in(nodes):
        for cell in policy(component, cls, "egress", bound).cells(span):
            if cell.bits & to:
                return True
    return False


def admitted_clients(
    component: Component, cls: Cls, balancer: LoadBalancer, span: Span, bound: Bound, family: Family
) -> tuple[int, Intervals]:
    """Clients whose packets a target admits when they come through a balancer: (endpoints, outside addresses).

    Clients of the other family than the target's are not seen by it: their packets come from the balancer's own address
    (ELB, *Edit target group attributes for your Network Load Balancer*: table of client IP preservation).

    A reference to one of the balancer's own groups admits every client (ELB, *Security groups for your Network Load
    Balancer*); a reference to the clients' groups admits none of them: "use the client CIDR blocks instead" (ELB,
    *Target groups for your Network Load Balancers*).
    """
    rules = policy(component, cls, "ingress", bound)
    addresses = Intervals([FAMILY_ALL[family]])
    if not _references(rules, balancer, span):
        for outside in rules.outside(span):
            addresses = addresses & outside.addresses
    bits = component.inside(addresses, bound)
    nodes = component.world.estate.interfaces
    homes = {nodes[id].subnet for id in balancer.interfaces if id in nodes}
    # Nothing crosses the border when client, every node and target are in one subnet.
    same = component.subnet_bits[cls.key.subnet] if homes == {cls.key.subnet} else 0
    if bound is Bound.UPPER and cls.key.subnet in homes:
        # Whether the subnet's ACL sees packets from a node inside the same subnet is not documented.
        return bits, addresses
    for passed in acls.admitted(component.world, cls.key.subnet, False, span, bound):
        bits &= component.inside(passed.addresses, bound) | same
        addresses = addresses & passed.addresses
    return bits, addresses


def _references(rules: Policy, balancer: LoadBalancer, span: Span) -> bool:
    return any(
        isinstance(rule.peer, GroupPeer)
        and rule.peer.group in balancer.groups
        and rule.service[0] <= span[0]
        and span[1] <= rule.service[1]
        for rule in rules.rules
    )
