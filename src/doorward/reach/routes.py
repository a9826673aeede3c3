"""Where a subnet's packets go: longest prefix first (VPC User Guide, *Route priority*).

Private destinations become sets of endpoints, outside destinations sets of addresses by kind of gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from typing import Literal, NamedTuple

from doorward.model.addresses import EVERYWHERE, V4, networks, parse_network
from doorward.model.estate import Peering, Route, TransitAttachment, TransitGateway
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.reach import acls
from doorward.reach.world import Bound, Component, World, union_bits


class Leg(NamedTuple):
    """Addresses that one route wins."""

    addresses: Intervals
    route: Route
    others: tuple[Route, ...] = ()
    """Routes that may win instead, for all that is known."""

    @property
    def candidates(self) -> tuple[Route, ...]:
        """All routes of which one wins."""
        return (self.route, *self.others)


NAT64 = Intervals([parse_network("64:ff9b::/96")])
"""What a NAT gateway translates to IPv4 (VPC User Guide, *DNS64 and NAT64*): not looked into."""
NOWHERE = Route((0, 0), "blackhole", "no route")
UNKNOWN_TABLE = Route((0, 0), "unknown", "route table")


def legs(world: World, table: str | None, vpc: str) -> tuple[Leg, ...]:
    """A route table as disjoint legs, longest prefix first; static before propagated; None = the table is not known.

    Prefix list destinations count entry by entry; a list whose entries are not known may win anywhere.
    """
    name = ("legs", table, vpc)
    found = world.cache.get(name)
    if found is None:
        found = world.cache[name] = tuple(_legs(world, table, vpc))
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _legs(world: World, table: str | None, vpc: str) -> Iterable[Leg]:
    known = world.estate.route_tables.get(table) if table is not None else None
    if known is None:
        # "Every route table contains a local route for communication within the VPC" (VPC User Guide, *Route tables*).
        own = world.estate.vpcs.get(vpc)
        local = Intervals(own.cidrs) if own is not None else EMPTY
        if local:
            yield Leg(local, Route(local.spans[0], "local", "local"))
        yield Leg(EVERYWHERE - local, UNKNOWN_TABLE)
        return
    spread: list[tuple[tuple[int, int, int], Span, Route]] = []
    listed: dict[Span, list[Route]] = {}
    for order, route in enumerate(known.routes):
        for span in _destinations(world, route):
            spread.append(((span[1] - span[0], _rank(route), order), span, route))
            if isinstance(route.destination, str) and not route.propagated:
                listed.setdefault(span, []).append(route)
    # A list without known entries may hold a longer prefix than any other route: any address may be its own.
    unlisted = tuple(one for one in known.routes if _unlisted(world, one))
    left = EVERYWHERE
    for _, span, route in sorted(spread, key=lambda one: one[0]):
        here = left & Intervals([span])
        if here:
            left = left - here
            # Of two lists with the same CIDR, "we randomly choose which route takes priority" (*Route priority*).
            equals = listed.get(span, ()) if isinstance(route.destination, str) and not route.propagated else ()
            yield Leg(here, route, tuple(one for one in (*equals, *unlisted) if not _alike(one, route)))
    if unlisted and left:
        yield Leg(left, NOWHERE, unlisted)


def _alike(one: Route, other: Route) -> bool:
    return (one.kind, one.target, one.certain) == (other.kind, other.target, other.certain)


def _rank(route: Route) -> int:
    """Among equal prefixes: a static CIDR before a prefix list before a propagated route (same page)."""
    if route.propagated:
        return 2
    return 1 if isinstance(route.destination, str) else 0


def _destinations(world: World, route: Route) -> Iterable[Span]:
    if not isinstance(route.destination, str):
        return (route.destination,)
    found = world.estate.prefix_lists.get(route.destination)
    if found is not None and found.cidrs is not None:
        return found.entries or [parse_network(text) for text in networks(found.cidrs)]
    return ()


def _unlisted(world: World, route: Route) -> bool:
    """Whether a route goes to a prefix list whose entries are not known.

    Gateway endpoints do not count: theirs are AWS's own public service ranges, which concern nothing of ours.
    """
    if not isinstance(route.destination, str) or route.kind == "endpoint":
        return False
    found = world.estate.prefix_lists.get(route.destination)
    return found is None or found.cidrs is None


def table_of(world: World, subnet: str) -> str | None:
    """Id of a subnet's route table (explicit, else main); None when the estate does not say."""
    found = world.estate.subnets.get(subnet)
    return None if found is None else found.route_table


def lookup(world: World, subnet: str, vpc: str, address: int) -> Route | None:
    """The route that wins for one address."""
    for leg in legs(world, table_of(world, subnet), vpc):
        if address in leg.addresses:
            return leg.route
    return None


def private(component: Component, subnet: str, vpc: str, bound: Bound) -> int:
    """Endpoints of the component to which the subnet's table leads by private ways (own subnet included)."""
    name = ("private", subnet, vpc, bound)
    found = component.cache.get(name)
    if found is None:
        world = component.world
        found = component.subnet_bits.get(subnet, 0)
        component.cache[name] = found  # for tables that lead in a circle by NAT gateways
        for leg in legs(world, table_of(world, subnet), vpc):
            bits = [_led(component, leg.addresses, route, subnet, vpc, bound) for route in leg.candidates]
            found |= union_bits(bits) if bound is Bound.UPPER else reduce(and_, bits)
        component.cache[name] = found
    assert isinstance(found, int)
    return found


def uncertain(component: Component, subnet: str, vpc: str) -> int:
    """Endpoints to which the subnet's table may lead through a hop that is not looked into.

    Such a hop (NAT instance, firewall, private NAT gateway) may rewrite the source address.
    """
    name = ("uncertain", subnet, vpc)
    found = component.cache.get(name)
    if found is None:
        found = 0
        for leg in legs(component.world, table_of(component.world, subnet), vpc):
            for route in leg.candidates:
                if route.kind == "nat-gateway" and route.certain:
                    found |= _handed_on(component, leg.addresses, route)
                else:
                    hidden = leg.addresses & _through_hidden(component.world, route, vpc)
                    found |= component.inside(hidden, Bound.UPPER)
        component.cache[name] = found
    assert isinstance(found, int)
    return found


def _handed_on(component: Component, towards: Intervals, route: Route) -> int:
    """Private endpoints to which a NAT gateway may hand traffic on, by its own subnet's table, under its own address
    (VPC User Guide, *NAT gateway use cases*): not looked into, so upper bound only."""
    gateway = component.world.estate.nat_gateways.get(route.target)
    reached = component.all if gateway is None else private(component, gateway.subnet, gateway.vpc, Bound.UPPER)
    return component.inside(towards, Bound.UPPER) & reached


def _through_hidden(world: World, route: Route, vpc: str) -> Intervals:
    """Of the destinations of a route, those behind a hop that is not looked into."""
    if route.kind in ("unmodelled", "unknown") or not route.certain:
        return EVERYWHERE
    found = EMPTY
    if route.kind == "transit-gateway":
        for addresses, attachment in transit(world, route.target, vpc, Bound.UPPER):
            found = found | (addresses if attachment is None else addresses & behind_attachment(world, attachment)[1])
    return found


def _led(component: Component, towards: Intervals, route: Route, subnet: str, vpc: str, bound: Bound) -> int:
    upper = bound is Bound.UPPER
    if route.kind in ("unmodelled", "unknown") or not route.certain:
        return component.inside(towards, bound) if upper else 0
    if route.kind == "local":
        return component.inside(towards, bound) & component.vpc_bits.get(vpc, 0)
    if route.kind == "peering":
        other = peer_of(component.world, route.target, vpc)
        return component.inside(towards, bound) & component.vpc_bits.get(other, 0) if other else 0
    if route.kind == "nat-gateway":
        return _handed_on(component, towards, route) if upper else 0
    if route.kind == "transit-gateway":
        found = 0
        zone = in_attached_zone(component.world, route.target, vpc, subnet)
        if zone == "no" or (zone == "unknown" and not upper):
            return 0
        for addresses, attachment in transit(component.world, route.target, vpc, bound):
            bits = component.inside(towards & addresses, bound)
            if attachment is None:
                found |= bits
                continue
            there, elsewhere = behind_attachment(component.world, attachment)
            home = component.vpc_bits.get(attachment.resource, 0)
            if upper:
                found |= home & component.inside(towards & addresses & there, bound)
                found |= component.inside(towards & addresses & elsewhere, bound)
            elif not filtered_attachment(component.world, route.target, vpc, attachment.resource):
                found |= home & component.inside(towards & addresses & (there - elsewhere), bound)
        return found
    return 0


def behind_attachment(world: World, attachment: TransitAttachment) -> tuple[Intervals, Intervals]:
    """Where traffic goes that a transit gateway hands to a VPC: (stays in the VPC, may go elsewhere).

    The tables of the attachment's own subnets decide (TGW, *Amazon VPC attachments*): a firewall, another gateway
    or the transit gateway again may stand there; that is not followed any further. Both overlap where tables differ.
    """
    name = ("behind attachment", attachment.id)
    found = world.cache.get(name)
    if found is None:
        there = elsewhere = EMPTY
        if not attachment.subnets:
            vpc = world.estate.vpcs.get(attachment.resource)
            there, elsewhere = Intervals(vpc.cidrs) if vpc is not None else EMPTY, EVERYWHERE
        for subnet in attachment.subnets:
            for leg in legs(world, table_of(world, subnet), attachment.resource):
                for route in leg.candidates:
                    if route.kind == "local" and route.certain:
                        there = there | leg.addresses
                    elif route.kind != "blackhole":
                        elsewhere = elsewhere | leg.addresses
        found = world.cache[name] = (there, elsewhere)
    return found  # type: ignore[return-value]  # see above


def in_attached_zone(world: World, gateway: str, vpc: str, subnet: str) -> Literal["yes", "no", "unknown"]:
    """Whether a subnet's zone has an attachment of its VPC.

    "Resources in Availability Zones where there is no transit gateway attachment cannot reach the transit gateway"
    (TGW, *Amazon VPC attachments*).
    """
    known = world.estate.transit_gateways.get(gateway)
    if known is None or not known.attachments:
        return "unknown"
    entry = attachment_of(known, vpc)
    if entry is None:
        return "no"
    own = world.estate.subnets.get(subnet)
    if own is None or own.zone is None:
        return "unknown"
    zones = {one.zone for id in entry.subnets if (one := world.estate.subnets.get(id)) is not None}
    if own.zone in zones:
        return "yes"
    return "unknown" if None in zones or not entry.subnets or len(zones) < len(set(entry.subnets)) == 1 else "no"


def filtered_attachment(world: World, gateway: str, *vpcs: str) -> bool:
    """Whether an attachment's own subnets have an ACL that stops anything.

    Such an ACL is asked in another way than between subnets (TGW, *Network ACLs for transit gateways*), which is not
    looked into: lower blocks, upper passes.
    """
    known = world.estate.transit_gateways.get(gateway)
    if known is None:
        return True
    return any(
        not acls.passes_everything(world, id)
        for one in known.attachments
        if one.kind == "vpc" and one.resource in vpcs and one.active
        for id in one.subnets
    )


def peer_of(world: World, peering: str, vpc: str) -> str | None:
    """The VPC at the other end of an active peering; None when it is not active or not of this VPC."""
    found: Peering | None = world.estate.peerings.get(peering)
    if found is None or not found.active or vpc not in found.vpcs:
        return None
    return found.vpcs[1] if found.vpcs[0] == vpc else found.vpcs[0]


def attachment_of(gateway: TransitGateway, vpc: str) -> TransitAttachment | None:
    """A VPC's active attachment to a transit gateway."""
    return next((one for one in gateway.attachments if one.kind == "vpc" and one.resource == vpc and one.active), None)


def transit(world: World, gateway: str, vpc: str, bound: Bound) -> list[tuple[Intervals, TransitAttachment | None]]:
    """Where a transit gateway takes traffic that enters from a VPC: (addresses, attachment to a VPC).

    Attachment None = anywhere (something on the way is not known): in the upper bound only.
    Longest prefix, static before propagated (TGW, *Route evaluation order*).
    """
    name = ("transit", gateway, vpc, bound)
    found = world.cache.get(name)
    if found is None:
        found = world.cache[name] = _transit(world, gateway, vpc, bound)
    return found  # type: ignore[return-value]  # see above


def _transit(world: World, id: str, vpc: str, bound: Bound) -> list[tuple[Intervals, TransitAttachment | None]]:
    anywhere: list[tuple[Intervals, TransitAttachment | None]] = [(EVERYWHERE, None)] if bound is Bound.UPPER else []
    gateway = world.estate.transit_gateways.get(id)
    if gateway is None or not gateway.attachments:
        return anywhere  # a route leads there, so something is attached: it was not read
    entry = attachment_of(gateway, vpc)
    if entry is None:
        return []
    table = gateway.tables.get(entry.route_table) if entry.route_table is not None else None
    if table is None:
        return anywhere
    by_id = {one.id: one for one in gateway.attachments}
    left = EVERYWHERE
    found: list[tuple[Intervals, TransitAttachment | None]] = []
    ordered = sorted(table, key=lambda route: (route.destination[1] - route.destination[0], route.propagated))
    for route in ordered:
        here = left & Intervals([route.destination])
        left = left - here
        if not here or route.attachment is None:
            continue
        exit_ = by_id.get(route.attachment)
        if exit_ is None or exit_.kind != "vpc":
            if bound is Bound.UPPER:
                found.append((here, None))
        elif exit_.active:
            found.append((here, exit_))
    return found


@dataclass(slots=True)
class Outward:
    """Where a subnet's packets to outside addresses leave, disjoint."""

    internet: Intervals = EMPTY
    egress_only: Intervals = EMPTY
    nat: dict[str, Intervals] = field(default_factory=dict)
    hidden: Intervals = EMPTY
    """Through something that is not looked into (or not known)."""


def outward(world: World, subnet: str, vpc: str, bound: Bound) -> Outward:
    """The ways out of a subnet, by gateway. Gateways that are not attached to the VPC lead nowhere.

    Where one of several routes may win, the lower bound knows no way (``hidden``), the upper bound all of them.
    """
    name = ("outward", subnet, vpc, bound)
    found = world.cache.get(name)
    if found is None:
        made = Outward()
        for leg in legs(world, table_of(world, subnet), vpc):
            if leg.others and bound is Bound.LOWER:
                made.hidden = made.hidden | leg.addresses
                continue
            for route in leg.candidates:
                _lead_out(world, made, leg.addresses, route, vpc, bound)
        found = world.cache[name] = made
    assert isinstance(found, Outward)
    return found


def _lead_out(world: World, found: Outward, addresses: Intervals, route: Route, vpc: str, bound: Bound) -> None:
    own = world.estate.vpcs.get(vpc)
    if route.kind in ("unmodelled", "unknown") or not route.certain:
        found.hidden = found.hidden | addresses
    elif route.kind == "internet-gateway":
        if own is not None and route.target in own.internet_gateways:
            found.internet = found.internet | addresses
        elif own is not None and route.target in own.maybe_internet_gateways:
            if bound is Bound.UPPER:
                found.internet = found.internet | addresses
            else:
                found.hidden = found.hidden | addresses
    elif route.kind == "egress-only-gateway":
        if own is not None and route.target in own.egress_only_gateways:
            found.egress_only = found.egress_only | addresses
    elif route.kind == "nat-gateway":
        gateway = world.estate.nat_gateways.get(route.target)
        if gateway is None or not gateway.is_public:
            found.hidden = found.hidden | addresses
        elif gateway.available:
            found.nat[gateway.id] = found.nat.get(gateway.id, EMPTY) | (addresses & V4)
            found.hidden = found.hidden | (addresses & NAT64)
    elif route.kind == "peering":
        other = peer_of(world, route.target, vpc)
        if other is not None and other not in world.estate.vpcs:
            found.hidden = found.hidden | addresses
    elif route.kind == "transit-gateway":
        for reached, attachment in transit(world, route.target, vpc, Bound.UPPER):
            if attachment is None or attachment.resource not in world.estate.vpcs:
                found.hidden = found.hidden | (addresses & reached)
            else:
                # Central ways out (TGW, *Centralized outbound routing to the internet*) are not followed.
                found.hidden = found.hidden | (addresses & reached & behind_attachment(world, attachment)[1])
