"""Route tables as kernel routes of a VPC's router. Pure: state in, values out.

VPC User Guide, *Route tables*: the most specific route wins; every table has the VPC's own blocks as `local`, and may
have more specific routes than those; a blackhole drops. *Route priority*: of equal destinations a static route comes
before one of a prefix list. What a table has no route for is dropped, silently. An address of a subnet that nobody has
is dropped as well.

`INBOUND` is the table for what arrives by a gateway, a peering or a transit gateway: it knows the VPC's subnets and
nothing else, so no VPC is a way through for others (VPC Peering Guide, *Edge to edge routing*, *Transitive peering*).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from doorward_lab.fabric.links import FAR4, FAR6, bridge, toward
from doorward_lab.fabric.members import canonical, carries
from doorward_lab.model import CloudState, Interface, RouteTable, Subnet

INBOUND = "inbound"
_DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a destination goes: to a neighbour (`via`) on a link, straight onto a link, to this namespace itself
    (`dev` "lo"), or nowhere (`dev` None). `source` is the address that connections from here get by default.
    """

    dev: str | None = None
    via: str | None = None
    source: str | None = None


NOWHERE = Hop()
Table = Mapping[str, Hop]  # destination CIDR → hop


@lru_cache(maxsize=65536)
def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(cidr, strict=False)


def _within(inner: str, outer: str) -> bool:
    one, other = _network(inner), _network(outer)
    if isinstance(one, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return one.subnet_of(other)
    if isinstance(one, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return one.subnet_of(other)
    return False


def blocks(subnet: Subnet) -> tuple[str, ...]:
    """A subnet's IPv4 and IPv6 blocks, canonical."""
    return tuple(str(_network(c)) for c in (subnet.cidr, *subnet.ipv6))


class Targets:
    """What the ids in routes of one VPC lead to, in one state."""

    def __init__(self, state: CloudState, vpc: str) -> None:
        """`vpc` is the VPC whose router the routes are for."""
        self.state = state
        self.vpc = vpc

    def hop(self, target: str, family: int) -> Hop:
        """Where a route to `target` leads in a family; NOWHERE for what does not exist, is not attached, or is not
        built in this data plane (virtual private, local and carrier gateways, endpoints).
        """
        state, kind = self.state, target.split("-", 1)[0]
        if kind == "igw":
            return self._far(target, family) if state.internet_gateways.get(target) == self.vpc else NOWHERE
        if kind == "eigw":
            own = state.egress_only_gateways.get(target) == self.vpc and family == 6
            return self._far(target, family) if own else NOWHERE
        if kind == "pcx":
            peering = state.peerings.get(target)
            if peering is None or self.vpc not in {peering.requester, peering.accepter}:
                return NOWHERE
            return self._far(target, family) if carries(peering, state.vpcs) else NOWHERE
        if kind == "tgw":
            gateway = state.transit_gateways.get(target)
            attached = gateway is not None and self.vpc in gateway.attachments.values()
            return self._far(target, family) if attached else NOWHERE
        return self._interface(target, family)

    @staticmethod
    def _far(target: str, family: int) -> Hop:
        return Hop(toward(target), FAR4 if family == 4 else FAR6)

    def _interface(self, target: str, family: int) -> Hop:
        interface: Interface | None = None
        if target.startswith("nat-"):
            gateway = self.state.nat_gateways.get(target)
            interface = self.state.interfaces.get(gateway.interface) if gateway is not None and family == 4 else None
        elif target.startswith("eni-"):
            interface = self.state.interfaces.get(target)
        elif target.startswith("i-"):
            # EC2 API Reference, CreateRoute: an instance as target must have exactly one interface.
            own = [i for i in self.state.interfaces.values() if i.instance == target]
            interface = own[0] if len(own) == 1 else None
        if interface is None or interface.vpc != self.vpc:
            return NOWHERE
        addresses = interface.ipv4 if family == 4 else interface.ipv6
        return Hop(bridge(interface.subnet), canonical(addresses[0])[1]) if addresses else NOWHERE


def _chosen(table: RouteTable, state: CloudState) -> dict[str, tuple[str, bool]]:
    """Destination → (target, active), prefix lists spread out, the static route first where destinations are equal."""
    chosen: dict[str, tuple[str, bool]] = {}
    lists = [r for r in table.routes if r.destination.startswith("pl-")]
    for route in sorted(lists, key=lambda r: r.destination):
        for cidr in state.prefix_lists.get(route.destination, ()):
            chosen.setdefault(str(_network(cidr)), (route.target, route.active))
    for route in table.routes:
        if not route.destination.startswith("pl-"):
            chosen[str(_network(route.destination))] = (route.target, route.active)
    return chosen


def table(routes: RouteTable, state: CloudState, subnets: tuple[Subnet, ...]) -> dict[str, Hop]:
    """One route table of the router that has `subnets` (all of the VPC's)."""
    chosen = _chosen(routes, state)
    targets = Targets(state, routes.vpc)
    hops: dict[str, Hop] = dict.fromkeys(_DEFAULTS.values(), NOWHERE)
    for destination, (target, active) in chosen.items():
        if target == "local":
            hops[destination] = NOWHERE  # what is left of the block when its subnets are taken out: nobody
        else:
            hops[destination] = targets.hop(target, _network(destination).version) if active else NOWHERE
    for subnet in subnets:
        for block in blocks(subnet):
            # A subnet is reached by `local` unless a route covers all of it more closely.
            covering = [d for d in chosen if _within(block, d)]
            if covering and chosen[max(covering, key=lambda d: _network(d).prefixlen)][0] == "local":
                hops[block] = Hop(bridge(subnet.id))
    return hops


def inbound(subnets: tuple[Subnet, ...]) -> dict[str, Hop]:
    """The table for what arrives from outside the VPC."""
    hops: dict[str, Hop] = dict.fromkeys(_DEFAULTS.values(), NOWHERE)
    hops.update({block: Hop(bridge(subnet.id)) for subnet in subnets for block in blocks(subnet)})
    return hops


def tables(state: CloudState, vpc: str, subnets: tuple[Subnet, ...]) -> dict[str, dict[str, Hop]]:
    """Every table that a router needs: those of its subnets by id, and `INBOUND`."""
    wanted = {s.route_table for s in subnets}
    made = {name: table(t, state, subnets) for name, t in state.route_tables.items() if name in wanted}
    for name in wanted - made.keys():
        made[name] = table(RouteTable(name, vpc, ()), state, ())
    return {**made, INBOUND: inbound(subnets)}
