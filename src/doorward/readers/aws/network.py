"""The VPC itself: VPCs, subnets, network ACLs and route tables, with each subnet's ACL and table resolved.

Every subnet has a table and an ACL at AWS; where the input does not show them the reference stays None (not known).
Source: VPC User Guide, *Route tables*, *Control subnet traffic with network ACLs*.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from doorward.errors import InvalidInput
from doorward.model.estate import Acl, AclEntry, Interface, Peering, Route, RouteTable, Subnet, TargetKind, Vpc
from doorward.model.intervals import Span
from doorward.model.rules import Group
from doorward.model.services import ICMP, ICMPV6, protocol_number, rule_span
from doorward.readers.aws.context import Context, tags_of
from doorward.readers.aws.layout import Answer
from doorward.readers.aws.shapes_network import WireAcl, WireAclEntry, WireRoute, WireRouteTable, WireSubnet, WireVpc

_REGION_OF_ZONE = re.compile(r"^[a-z]{2}(?:-[a-z]+)+-\d")
_GONE = frozenset(("disassociated", "disassociating", "failing", "failed"))


def region_of(zone: str | None) -> str | None:
    """The region of an availability or local zone (``us-west-2-lax-1a`` is in us-west-2)."""
    found = _REGION_OF_ZONE.match(zone or "")
    return found.group() if found else None


def read_vpcs(context: Context) -> dict[str, Vpc]:
    """VPCs with their CIDRs; gateways are attached by ``gateways``."""

    def make(answer: Answer, item: WireVpc) -> Vpc:
        what = f"VPC {item.vpc_id}"
        texts: dict[str, None] = {}
        for one in (*(item.cidr_block_association_set or ()), *(item.ipv6_cidr_block_association_set or ())):
            state = one.cidr_block_state or one.ipv6_cidr_block_state
            text = one.cidr_block or one.ipv6_cidr_block
            if text and not (state is not None and state.state in _GONE):
                texts[text] = None
        if item.cidr_block:
            texts.setdefault(item.cidr_block)
        name, tags = tags_of(item.tags)
        cidrs = tuple(sorted({context.cidr(text, answer, what) for text in texts}))
        return Vpc(item.vpc_id, cidrs, name=name, tags=tags, owner=item.owner_id, region=answer.region)

    return context.once("vpcs", lambda item: item.vpc_id, make, lambda vpc: (vpc.cidrs, vpc.owner))


def read_subnets(context: Context) -> dict[str, Subnet]:
    """Subnets, their table and ACL not yet resolved."""

    def make(answer: Answer, item: WireSubnet) -> Subnet:
        what = f"subnet {item.subnet_id}"
        texts = [item.cidr_block] if item.cidr_block else []
        for one in item.ipv6_cidr_block_association_set or ():
            state = one.ipv6_cidr_block_state
            if one.ipv6_cidr_block and not (state is not None and state.state in _GONE):
                texts.append(one.ipv6_cidr_block)
        name, tags = tags_of(item.tags)
        return Subnet(
            item.subnet_id, item.vpc_id, tuple(context.cidr(text, answer, what) for text in texts),
            zone=item.availability_zone, name=name, tags=tags, owner=item.owner_id,
            region=region_of(item.availability_zone) or answer.region,
        )  # fmt: skip

    return context.once("subnets", lambda item: item.subnet_id, make, lambda one: (one.vpc, one.cidrs))


def read_acls(context: Context) -> dict[str, Acl]:
    """Network ACLs."""

    def make(answer: Answer, item: WireAcl) -> Acl:
        what = f"network ACL {item.network_acl_id}"
        entries = tuple(_acl_entry(context, answer, what, entry) for entry in item.entries or ())
        unknown = None
        if item.entries is None:
            unknown = f"entries of {item.network_acl_id}"
        return Acl(
            item.network_acl_id, item.vpc_id, entries, tags_of(item.tags)[0], bool(item.is_default), unknown=unknown
        )

    return context.once(
        "network_acls", lambda item: item.network_acl_id, make,
        lambda acl: (acl.vpc, frozenset(acl.entries), acl.is_default, acl.unknown),
    )  # fmt: skip


def _acl_entry(context: Context, answer: Answer, what: str, entry: WireAclEntry) -> AclEntry:
    try:
        number = protocol_number(entry.protocol)
        low = high = None
        if number in (ICMP, ICMPV6):
            if entry.icmp_type_code is not None:
                low, high = entry.icmp_type_code.type, entry.icmp_type_code.code
        elif entry.port_range is not None:
            low, high = entry.port_range.low, entry.port_range.high
        service = rule_span(entry.protocol, low, high)
    except ValueError as error:
        raise InvalidInput(f"{what}, entry {entry.rule_number}: {error}", where=answer.where) from error
    text = entry.cidr_block or entry.ipv6_cidr_block
    if text is None or entry.rule_action not in ("allow", "deny"):
        raise InvalidInput(
            f"{what}, entry {entry.rule_number}: expected a CIDR and allow or deny, got {text} and {entry.rule_action}",
            where=answer.where,
        )
    return AclEntry(
        entry.rule_number, entry.egress, entry.rule_action == "allow", service, context.cidr(text, answer, what)
    )


class Targets:
    """What the targets of routes are known to be."""

    def __init__(self, context: Context, peerings: Mapping[str, Peering]) -> None:
        self.peerings = peerings
        self.peerings_read = context.has("VpcPeeringConnections")
        self.endpoint_types = {
            item.vpc_endpoint_id: item.vpc_endpoint_type for _, item in context.each("vpc_endpoints")
        }

    def of(self, route: WireRoute) -> tuple[TargetKind, str]:
        """Kind and id of a route's target (EC2 API Reference, *Route*)."""
        gateway = route.gateway_id or ""
        if route.state == "blackhole":
            return "blackhole", gateway or _first_target(route)
        if route.state not in (None, "active"):
            return "unknown", gateway or _first_target(route)
        if gateway == "local" and route.network_interface_id is None:
            return "local", "local"
        if gateway.startswith("igw-"):
            return "internet-gateway", gateway
        if gateway.startswith("vpce-"):
            kind = self.endpoint_types.get(gateway)
            is_gateway = kind == "Gateway" or (kind is None and route.destination_prefix_list_id is not None)
            return ("endpoint" if is_gateway else "unmodelled"), gateway
        if route.egress_only_internet_gateway_id:
            return "egress-only-gateway", route.egress_only_internet_gateway_id
        if route.nat_gateway_id:
            return "nat-gateway", route.nat_gateway_id
        if route.transit_gateway_id:
            return "transit-gateway", route.transit_gateway_id
        if route.vpc_peering_connection_id:
            id = route.vpc_peering_connection_id
            return ("peering" if id in self.peerings or self.peerings_read else "unknown"), id
        return "unmodelled", gateway or _first_target(route)


def _first_target(route: WireRoute) -> str:
    named = (
        route.network_interface_id, route.instance_id, route.egress_only_internet_gateway_id, route.nat_gateway_id,
        route.transit_gateway_id, route.vpc_peering_connection_id, route.local_gateway_id, route.carrier_gateway_id,
        route.core_network_arn, route.odb_network_arn,
    )  # fmt: skip
    return next((one for one in named if one), "a target that the input does not name")


def read_route_tables(context: Context, targets: Targets) -> dict[str, RouteTable]:
    """VPC route tables."""

    def make(answer: Answer, item: WireRouteTable) -> RouteTable:
        what = f"route table {item.route_table_id}"
        routes: list[Route] = []
        for route in item.routes or ():
            text = route.destination_cidr_block or route.destination_ipv6_cidr_block
            destination: Span | str
            if text is not None:
                destination = context.cidr(text, answer, what)
            elif route.destination_prefix_list_id is not None:
                destination = route.destination_prefix_list_id
            else:
                raise InvalidInput(f"{what} has a route without a destination", where=answer.where)
            kind, target = targets.of(route)
            routes.append(Route(destination, kind, target, route.origin == "EnableVgwRoutePropagation"))
        links = item.associations or ()
        edge = next((one.gateway_id for one in links if one.gateway_id), None)
        if edge is not None:
            context.notice(
                item.route_table_id,
                f"routes what enters through {edge} (edge association): not looked into",
                item.vpc_id,
            )
        return RouteTable(
            item.route_table_id, item.vpc_id, tuple(routes), tags_of(item.tags)[0],
            any(one.main for one in links), edge,
        )  # fmt: skip

    return context.once(
        "route_tables", lambda item: item.route_table_id, make,
        lambda one: (one.vpc, frozenset(one.routes), one.main, one.gateway_association),
    )  # fmt: skip


def resolve_subnets(
    context: Context,
    subnets: dict[str, Subnet],
    interfaces: Iterable[Interface],
    acls: Mapping[str, Acl],
    tables: Mapping[str, RouteTable],
) -> dict[str, Subnet]:
    """Give each subnet its table (explicit, else the VPC's main one) and ACL (explicit, else the VPC's default one).

    Subnets that interfaces name and the input lacks are added without CIDRs.
    """
    acl_of: dict[str, str] = {}
    for _, acl in context.each("network_acls"):
        acl_of.update((one.subnet_id, acl.network_acl_id) for one in acl.associations or () if one.subnet_id)
    table_of: dict[str, str] = {}
    for _, table in context.each("route_tables"):
        for one in table.associations or ():
            state = one.association_state.state if one.association_state is not None else None
            if one.subnet_id and state not in _GONE:
                table_of[one.subnet_id] = table.route_table_id
    main = {table.vpc: table.id for table in tables.values() if table.main and table.vpc}
    default = {acl.vpc: acl.id for acl in acls.values() if acl.is_default and acl.vpc}
    lacking = {one.subnet: one.vpc for one in interfaces if one.subnet and one.subnet not in subnets}
    if lacking:
        _notice_lack(context, "subnets", "Subnets", lacking, "describe-subnets")
    found = dict(subnets)
    found.update((id, Subnet(id, vpc)) for id, vpc in lacking.items())
    no_table: dict[str, str] = {}
    no_acl: dict[str, str] = {}
    for id, subnet in found.items():
        table_id, acl_id = table_of.get(id) or main.get(subnet.vpc), acl_of.get(id) or default.get(subnet.vpc)
        if table_id is None:
            no_table[id] = subnet.vpc
        if acl_id is None:
            no_acl[id] = subnet.vpc
        found[id] = Subnet(
            id, subnet.vpc, subnet.cidrs, table_id, acl_id, subnet.zone, subnet.name, subnet.tags, None, subnet.owner,
            subnet.region,
        )  # fmt: skip
    if no_table:
        _notice_lack(context, "route tables of", "RouteTables", no_table, "describe-route-tables")
    if no_acl:
        _notice_lack(context, "network ACLs of", "NetworkAcls", no_acl, "describe-network-acls")
    return found


def _notice_lack(context: Context, what: str, key: str, lacking: Mapping[str, str], call: str) -> None:
    """One notice for each VPC, so that verdicts elsewhere are not burdened with it."""
    by_vpc: defaultdict[str, list[str]] = defaultdict(list)
    for id, vpc in lacking.items():
        by_vpc[vpc].append(id)
    for vpc, ids in sorted(by_vpc.items()):
        more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
        names = ", ".join(sorted(ids)[:3]) + more
        subject = names if what == "subnets" else f"{what} {names}"
        context.notice(key, f"{subject}: not in the input, so not known; add `aws ec2 {call}`", vpc or None)


def complete_vpcs(
    context: Context,
    vpcs: dict[str, Vpc],
    subnets: Mapping[str, Subnet],
    tables: Mapping[str, RouteTable],
    interfaces: Iterable[Interface],
    groups: Mapping[str, Group],
) -> dict[str, Vpc]:
    """Add VPCs that are only named by others, with the CIDRs that their local routes, else their subnets, show."""
    named: dict[str, None] = {}
    for subnet in subnets.values():
        named.setdefault(subnet.vpc)
    for interface in interfaces:
        named.setdefault(interface.vpc)
    for group in groups.values():
        named.setdefault(group.vpc or "")
    lacking = {id for id in named if id and id not in vpcs}
    local: defaultdict[str, set[Span]] = defaultdict(set)
    inside: defaultdict[str, set[Span]] = defaultdict(set)
    for table in tables.values():
        if table.vpc in lacking:
            local[table.vpc].update(
                route.destination
                for route in table.routes
                if route.kind == "local" and not isinstance(route.destination, str)
            )
    for subnet in subnets.values():
        if subnet.vpc in lacking:
            inside[subnet.vpc].update(subnet.cidrs)
    regions = {subnet.vpc: subnet.region for subnet in subnets.values()}
    found = dict(vpcs)
    for id in sorted(lacking):
        if id in local:
            cidrs, text = local[id], "its CIDRs are those of its local routes"
        else:
            cidrs, text = inside[id], "its CIDRs are taken to be those of its subnets"
        found[id] = Vpc(id, tuple(sorted(cidrs)))
        context.notice(id, f"VPC is named but not in the input: {text}; add `aws ec2 describe-vpcs`", id)
    for id, vpc in found.items():
        region = vpc.region or regions.get(id)
        if region != vpc.region:
            found[id] = Vpc(id, vpc.cidrs, name=vpc.name, tags=vpc.tags, owner=vpc.owner, region=region)
    return found
