"""The oracle's routing: where does a packet go from a subnet?

A route look-up gives every hop that it can have (more than one where the estate does not say). A path holds for
certain when it holds for all of them, and possibly when it holds for one.
Sources: VPC User Guide, *Route priority*, *Internet gateways*, *NAT gateways*; Transit Gateways, *Route tables*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.oracle.rules import acl_is_open, active_peerings, attachments_of
from tests.oracle.world import (
    NO_ROUTE,
    UNKNOWN_HOP,
    Address,
    Block,
    Hop,
    Json,
    World,
    block,
    inside,
    remembered,
    vpc_cidrs,
)


def route_hop(route: Json) -> Hop:
    """Where one route leads. Everything that is not looked into is "hidden"."""
    if route.get("State") == "blackhole":
        return Hop("blackhole", "")
    gateway = str(route.get("GatewayId", ""))
    if gateway == "local":
        return Hop("local", "")
    if gateway.startswith("igw-"):
        return Hop("igw", gateway)
    for key, kind in (
        ("EgressOnlyInternetGatewayId", "eigw"),
        ("NatGatewayId", "nat"),
        ("VpcPeeringConnectionId", "pcx"),
        ("TransitGatewayId", "tgw"),
    ):
        if route.get(key):
            return Hop(kind, route[key])
    return Hop("hidden", "")


@remembered
def hops(world: World, subnet: str, target: Address) -> list[Hop]:
    """Longest prefix first; of equal ones a CIDR before a prefix list before a propagated route.

    A propagated route never takes what a ``local`` route holds. A list whose entries are not known may hold the target.
    Every route table has its local routes, also one that the estate does not hold.
    """
    table = world.table_of(subnet)
    if table is None:
        vpc = world.one("Vpcs", "VpcId", world.vpc_of(subnet))
        return [Hop("local", "")] if vpc and inside(target, vpc_cidrs(vpc)) else [UNKNOWN_HOP]
    found: list[tuple[int, int, Hop]] = []
    perhaps: list[Hop] = []
    for route in table["Routes"]:
        if "DestinationPrefixListId" in route:
            entries = world.prefix_list(route["DestinationPrefixListId"])
            if entries is None:
                perhaps.append(route_hop(route))
                continue
            rank = 1
        else:
            entries = [block(route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"])]
            rank = 2 if route.get("Origin") == "EnableVgwRoutePropagation" else 0
        found += [(one.size, rank, route_hop(route)) for one in entries if inside(target, [one])]
    if any(hop.kind == "local" for _, _, hop in found):
        found = [one for one in found if one[1] != 2]
    if not found:
        return [NO_ROUTE, *perhaps]
    best = min(one[:2] for one in found)
    return [*dict.fromkeys(hop for size, rank, hop in found if (size, rank) == best), *perhaps]


def agreed(answers: Iterable[bool], may: bool) -> bool:
    """One answer for all that can be: any of them possibly, all of them for certain."""
    return any(answers) if may else all(answers)


def along(world: World, subnet: str, target: Address, may: bool, judge: Callable[[Hop], bool]) -> bool:
    """Judge every hop that a packet to ``target`` can take from the subnet."""
    return agreed([judge(hop) for hop in hops(world, subnet, target)], may)


@remembered
def transit_hops(world: World, gateway: str, attachment: str, target: Address) -> list[Hop]:
    """Where a transit gateway sends a packet of this attachment: ("attachment", id), or none, or unknown."""
    link = world.one("TransitGatewayAttachments", "TransitGatewayAttachmentId", attachment)
    if link is None or not link.get("Association"):
        return [UNKNOWN_HOP]
    answer = world.estate.get("TransitGatewayRoutes", {}).get(link["Association"]["TransitGatewayRouteTableId"])
    if answer is None:
        return [UNKNOWN_HOP]
    found: list[tuple[int, int, Hop]] = []
    for route in answer["Routes"]:
        one = block(route["DestinationCidrBlock"])
        if not inside(target, [one]):
            continue
        rank = 0 if route["Type"] == "static" else 1
        if route["State"] == "blackhole":
            found.append((one.size, rank, Hop("blackhole", "")))
        for via in route.get("TransitGatewayAttachments", []) if route["State"] == "active" else []:
            found.append((one.size, rank, Hop("attachment", via["TransitGatewayAttachmentId"])))
    if not found:
        return [NO_ROUTE]
    best = min(one[:2] for one in found)
    return [hop for size, rank, hop in found if (size, rank) == best]


def transit_sends(
    world: World, gateway: str, vpc: str, target: Address, may: bool, judge: Callable[[Hop], bool]
) -> bool:
    """Judge every hop that the transit gateway can choose for a packet from this VPC."""
    return any(
        agreed([judge(hop) for hop in transit_hops(world, gateway, link["TransitGatewayAttachmentId"], target)], may)
        for link in attachments_of(world, gateway, vpc)
    )


def attached_zone(world: World, gateway: str, subnet: str) -> bool | None:
    """Does the transit gateway stand in the zone of this subnet? None: the estate does not say.

    Without that its resources cannot reach it (TGW, *Amazon VPC attachments*).
    """
    own = world.subnets.get(subnet, {}).get("AvailabilityZone")
    links = attachments_of(world, gateway, world.vpc_of(subnet))
    zones = {world.subnets.get(one, {}).get("AvailabilityZone") for link in links for one in link["SubnetIds"]}
    if own is None or not zones or None in zones:
        return True if own is not None and own in zones else None
    return own in zones


def handed_on(world: World, link: Json, target: Address) -> tuple[bool, bool]:
    """What a transit gateway hands to a VPC: may it stay there; may it go elsewhere?

    The tables of the attachment's subnets decide (TGW, *Amazon VPC attachments*).
    """
    if not link["SubnetIds"]:
        vpc = world.one("Vpcs", "VpcId", link["VpcId"])
        return bool(vpc and inside(target, vpc_cidrs(vpc))), True
    kinds = {hop.kind for one in link["SubnetIds"] for hop in hops(world, one, target)}
    return "local" in kinds, bool(kinds - {"local", "blackhole", "none"})


@remembered
def leads_to_vpc(world: World, subnet: str, target: Address, vpc: str, may: bool, how: str = "any") -> bool:
    """Path A, step 3: does the route from a subnet to a private address end in this VPC?

    ``how``: "plain" counts ways that are looked into all along, "hidden" those that are not, "any" both.
    """
    home = world.vpc_of(subnet)
    plain, hidden = how != "hidden", may and how != "plain" and vpc in component(world, home)

    def judge(place: str, hop: Hop) -> bool:
        if hop.kind in ("unknown", "hidden"):
            return hidden
        if hop.kind == "local":
            return plain and home == vpc
        if hop.kind == "pcx":
            known = world.one("VpcPeeringConnections", "VpcPeeringConnectionId", hop.target)
            # Peering is not transitive: by a VPC that is not in the estate nothing comes to one that is.
            return plain and home != vpc and known in active_peerings(world, home, vpc)
        if hop.kind == "tgw":
            zone = attached_zone(world, hop.target, place)
            if zone is False or (zone is None and not may):
                return False
            return transit_sends(world, hop.target, home, target, may, lambda then: arrives(hop.target, then))
        if hop.kind == "nat":
            return hidden and behind_nat(hop.target)
        return False  # internet and egress-only gateways, blackholes, no route

    def arrives(name: str, hop: Hop) -> bool:
        if hop.kind == "unknown":
            return hidden
        if hop.kind != "attachment":
            return False
        link = world.one("TransitGatewayVpcAttachments", "TransitGatewayAttachmentId", hop.target)
        if link is None:  # a VPN, a peer or a VPC that is not in the estate
            return hidden
        if link["State"] != "available":
            return False
        there, elsewhere = handed_on(world, link, target)
        if may:
            return (plain and there and link["VpcId"] == vpc) or (elsewhere and hidden)
        ends = [one for side in (home, vpc) for one in attachments_of(world, name, side)]
        open_ = all(acl_is_open(world, one) for end in ends for one in end["SubnetIds"])
        return there and not elsewhere and link["VpcId"] == vpc and open_

    def behind_nat(name: str) -> bool:
        # A NAT gateway hands private destinations on by its own subnet's table (VPC guide, *NAT gateway use cases*);
        # the address it is seen under is not looked into, so this is possible, never certain.
        gateway = world.one("NatGateways", "NatGatewayId", name)
        if gateway is None:
            return True
        away = [hop for hop in hops(world, gateway["SubnetId"], target) if hop.kind != "nat"]
        return leads_on(gateway["SubnetId"], away)

    def leads_on(place: str, away: list[Hop]) -> bool:
        if how == "hidden":  # what is plain behind a NAT gateway is still hidden behind it
            known = ("local", "pcx", "tgw")
            return any(
                leads_to_vpc(world, place, target, vpc, True, "plain") if hop.kind in known else judge(place, hop)
                for hop in away
            ) or any(judge(place, hop) for hop in away)
        return any(judge(place, hop) for hop in away)

    return along(world, subnet, target, may, lambda hop: judge(subnet, hop))


@remembered
def component(world: World, vpc: str) -> set[str]:
    """The VPCs that something not looked into could join with this one (§6)."""
    names = [one["VpcId"] for one in world.all("Vpcs")]
    found, queue = {vpc}, [vpc]
    while queue:
        one = queue.pop()
        for other in names:
            if other not in found and joined(world, one, other):
                found.add(other)
                queue.append(other)
    return found


def joined(world: World, one: str, other: str) -> bool:
    """Two VPCs side by side: peered, on one transit gateway, bridged by an instance, or both with hidden gateways."""
    if active_peerings(world, one, other):
        return True
    for gateway in world.all("TransitGateways"):
        name = gateway["TransitGatewayId"]
        if attachments_of(world, name, one) and attachments_of(world, name, other):
            return True
    hosts = [{nic.instance for nic in world.nics.values() if nic.vpc == vpc and nic.instance} for vpc in (one, other)]
    return bool(hosts[0] & hosts[1]) or (holds_hidden(world, one) and holds_hidden(world, other))


@remembered
def holds_hidden(world: World, vpc: str) -> bool:
    """Is anything attached to the VPC, or routed to in it, that is not looked into?"""
    if any(
        link.get("VpcId") == vpc and link.get("State") == "attached"
        for gateway in world.all("VpnGateways")
        for link in gateway.get("VpcAttachments", [])
    ):
        return True
    known = {one["VpcId"] for one in world.all("Vpcs")}
    for gateway in world.all("TransitGateways"):
        name = gateway["TransitGatewayId"]
        if attachments_of(world, name, vpc) and foreign_attachments(world, name, known):
            return True
    for peering in world.all("VpcPeeringConnections"):
        sides = {peering["RequesterVpcInfo"]["VpcId"], peering["AccepterVpcInfo"]["VpcId"]}
        if vpc in sides and not sides <= known and peering["Status"]["Code"] == "active":
            return True
    tables = [one for one in world.all("RouteTables") if one["VpcId"] == vpc]
    return any(route_hop(route).kind == "hidden" for table in tables for route in table["Routes"])


def foreign_attachments(world: World, gateway: str, known: set[str]) -> list[Json]:
    """Attachments of a transit gateway that are no VPC of the estate."""
    return [
        one
        for one in world.all("TransitGatewayAttachments")
        if one["TransitGatewayId"] == gateway and (one["ResourceType"] != "vpc" or one["ResourceId"] not in known)
    ]


def attached_gateway(world: World, vpc: str, hop: Hop) -> bool:
    """Is the hop an internet gateway that is attached to the VPC?"""
    return hop.kind == "igw" and hop.target in world.internet_gateways(vpc)


def edge_is_open(world: World, vpc: str, may: bool) -> bool:
    """Is an internet gateway attached by which packets enter? One with its own route table is not looked into."""
    return agreed([may or not world.has_edge_table(one) for one in world.internet_gateways(vpc)] or [False], may)


def foreign_peering(world: World, hop: Hop) -> bool:
    """Does the hop lead over an active peering to a VPC that is not in the estate?"""
    link = world.one("VpcPeeringConnections", "VpcPeeringConnectionId", hop.target) if hop.kind == "pcx" else None
    if link is None or link["Status"]["Code"] != "active":
        return False
    known = {one["VpcId"] for one in world.all("Vpcs")}
    return not {link["RequesterVpcInfo"]["VpcId"], link["AccepterVpcInfo"]["VpcId"]} <= known


def hidden_way(world: World, vpc: str, outside: Address) -> bool:
    """Is something attached to the VPC behind which a private address outside every VPC could live?"""
    known = {one["VpcId"] for one in world.all("Vpcs")}
    for gateway in world.all("VpnGateways"):
        if any(
            link.get("VpcId") == vpc and link.get("State") == "attached" for link in gateway.get("VpcAttachments", [])
        ):
            return True
    for gateway in world.all("TransitGateways"):
        name = gateway["TransitGatewayId"]
        if not attachments_of(world, name, vpc):
            continue
        if foreign_attachments(world, name, known):
            return True
    for peering in world.all("VpcPeeringConnections"):
        sides = [peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]]
        for own, other in (sides, sides[::-1]):
            if own["VpcId"] == vpc and other["VpcId"] not in known and peering["Status"]["Code"] == "active":
                texts = [one["CidrBlock"] for one in other.get("CidrBlockSet", [])]
                texts += [one["Ipv6CidrBlock"] for one in other.get("Ipv6CidrBlockSet", [])]
                if inside(outside, [block(text) for text in texts]):
                    return True
    return False


def leaves_hidden(world: World, subnet: str, outside: Address) -> bool:
    """Can a packet for a private address outside every VPC take a route to something that is not looked into?"""
    home = world.vpc_of(subnet)
    known = {one["VpcId"] for one in world.all("Vpcs")}

    def judge(hop: Hop) -> bool:
        if hop.kind == "tgw":
            if attached_zone(world, hop.target, subnet) is False:
                return False
            foreign = {one["TransitGatewayAttachmentId"] for one in foreign_attachments(world, hop.target, known)}
            return transit_sends(
                world, hop.target, home, outside, True, lambda then: then.kind == "unknown" or then.target in foreign
            )
        if hop.kind == "nat":
            gateway = public_nat(world, hop.target)
            if gateway is None:
                return nat_is_hidden(world, hop.target)
            return gateway["SubnetId"] != subnet and along(world, gateway["SubnetId"], outside, True, behind)
        return behind(hop)

    def behind(hop: Hop) -> bool:
        return hop.kind in ("hidden", "unknown") or foreign_peering(world, hop)

    return along(world, subnet, outside, True, judge)


def leaves_centrally(world: World, subnet: str, gateway: str, x: Address) -> bool:
    """Could a transit gateway take a packet for the internet out by another VPC, or somewhere not looked into?"""

    def judge(hop: Hop) -> bool:
        link = world.one("TransitGatewayVpcAttachments", "TransitGatewayAttachmentId", hop.target)
        if hop.kind == "unknown" or (hop.kind == "attachment" and link is None):
            return True
        return link is not None and link["State"] == "available" and handed_on(world, link, x)[1]

    return transit_sends(world, gateway, world.vpc_of(subnet), x, True, judge)


def public_nat(world: World, name: str) -> Json | None:
    """A public NAT gateway that works."""
    gateway = world.one("NatGateways", "NatGatewayId", name)
    if gateway is None or gateway.get("ConnectivityType", "public") != "public" or gateway["State"] != "available":
        return None
    return gateway


def nat_addresses(gateway: Json) -> list[Address]:
    """The public addresses of a NAT gateway."""
    spans: list[Block] = [block(one["PublicIp"]) for one in gateway["NatGatewayAddresses"] if one.get("PublicIp")]
    return [Address(4, one.low) for one in spans]


def nat_is_hidden(world: World, name: str) -> bool:
    """A private NAT gateway, or one that the estate does not hold."""
    gateway = world.one("NatGateways", "NatGatewayId", name)
    return gateway is None or gateway.get("ConnectivityType", "public") == "private"
