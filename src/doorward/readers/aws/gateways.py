"""What connects VPCs with the rest: gateways, NAT, peerings, transit gateways; and prefix lists.

Source: VPC User Guide (*Internet gateways*, *NAT gateways*, *Prefix lists*), VPC Peering Guide, Transit Gateways Guide.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from doorward.model.addresses import INTERNET_V6
from doorward.model.estate import (
    Interface,
    NatGateway,
    Peering,
    PrefixList,
    RouteTable,
    TransitAttachment,
    TransitGateway,
    TransitRoute,
    Vpc,
)
from doorward.model.intervals import Intervals, Span
from doorward.readers.aws.context import Context, tags_of
from doorward.readers.aws.layout import EXPECTED, Answer
from doorward.readers.aws.shapes_network import (
    PeeringSide,
    WireNatGateway,
    WirePeering,
    WirePrefixList,
    WireTransitAttachment,
    WireTransitRoute,
)
from doorward.readers.files import decoded

_TABLE_ID = re.compile(r"tgw-rtb-[0-9A-Za-z]+")
_LIST_ID = re.compile(r"pl-[0-9A-Za-z]+")
_ATTACHED = frozenset((None, "attached", "available", "attaching", "associated"))
_NAT_ID = re.compile(r"nat-[0-9A-Za-z]+")
_routes = msgspec.json.Decoder(list[WireTransitRoute] | None)


# Gateways attached to VPCs


def attach_gateways(
    context: Context, vpcs: dict[str, Vpc], tables: Mapping[str, RouteTable], interfaces: Mapping[str, Interface]
) -> dict[str, Vpc]:
    """VPCs with their gateways, shared groups included.

    Where a kind of gateway was not read, active routes prove that one is attached; a VPC with addresses that only an
    internet gateway can serve gets an assumed one, noticed as a possible block, so that no verdict rests on it.
    """
    internet: defaultdict[str, dict[str, None]] = defaultdict(dict)
    egress: defaultdict[str, dict[str, None]] = defaultdict(dict)
    hidden: defaultdict[str, dict[str, None]] = defaultdict(dict)
    shared: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, id, found in (
        ("internet_gateways", "internet_gateway_id", internet),
        ("egress_only_internet_gateways", "egress_only_internet_gateway_id", egress),
    ):
        for _, item in context.each(name):
            for link in item.attachments or ():
                if link.vpc_id and link.state in _ATTACHED:
                    found[link.vpc_id].setdefault(getattr(item, id))
    for _, item in context.each("vpn_gateways"):
        for link in item.vpc_attachments or ():
            if link.vpc_id and link.state in _ATTACHED:
                hidden[link.vpc_id].setdefault(item.vpn_gateway_id)
    for name, id in (
        ("carrier_gateways", "carrier_gateway_id"),
        ("local_gateway_route_table_vpc_associations", "local_gateway_id"),
    ):
        for _, item in context.each(name):
            if item.vpc_id and item.state in _ATTACHED:
                hidden[item.vpc_id].setdefault(getattr(item, id))
    for _, item in context.each("security_group_vpc_associations"):
        if item.state in _ATTACHED:
            shared[item.vpc_id].setdefault(item.group_id)
    for table in tables.values():
        for route in table.routes:
            home = table.vpc or ""
            if route.kind == "internet-gateway" and not context.covers(home, "InternetGateways"):
                internet[home].setdefault(route.target)
            elif route.kind == "egress-only-gateway" and not context.covers(home, "EgressOnlyInternetGateways"):
                egress[home].setdefault(route.target)
            elif route.kind == "unmodelled" and route.target.startswith(("vgw-", "lgw-", "cagw-", "arn:")):
                hidden[home].setdefault(route.target)
    addressable = _publicly_addressable(interfaces)
    made: dict[str, Vpc] = {}
    for id, vpc in vpcs.items():
        maybe: tuple[str, ...] = ()
        if id not in internet and id in addressable and not context.covers(id, "InternetGateways"):
            maybe = (f"internet gateway of {id}, not known",)
            context.notice(
                "InternetGateways", f"were not read: whether {id} has one is not known; add "
                "`aws ec2 describe-internet-gateways`", id,
            )  # fmt: skip
        if not context.covers(id, "VpnGateways") and id not in hidden:
            hidden[id].setdefault(f"virtual private gateway of {id}, not known")
            context.notice(
                "VpnGateways", "were not read: whether VPCs have one, behind which private addresses may lie, is not "
                "known; add `aws ec2 describe-vpn-gateways`",
            )  # fmt: skip
        made[id] = replace(
            vpc, internet_gateways=tuple(internet.get(id, ())), egress_only_gateways=tuple(egress.get(id, ())),
            hidden_gateways=tuple(hidden.get(id, ())), shared_groups=tuple(shared.get(id, ())),
            maybe_internet_gateways=maybe,
        )  # fmt: skip
    return made


def _publicly_addressable(interfaces: Mapping[str, Interface]) -> set[str]:
    """VPCs with an interface that has a public IPv4 or a global IPv6 address."""
    low, high = INTERNET_V6.spans[0]
    found: set[str] = set()
    for one in interfaces.values():
        if one.vpc not in found and (
            one.public or one.public_unknown or any(low <= first and last <= high for first, last in one.addresses)
        ):
            found.add(one.vpc)
    return found


def read_nat_gateways(context: Context, interfaces: Mapping[str, Interface]) -> dict[str, NatGateway]:
    """NAT gateways; from their interfaces where the call itself was not read."""

    def make(answer: Answer, item: WireNatGateway) -> NatGateway:
        listed = item.nat_gateway_addresses or ()
        what = f"NAT gateway {item.nat_gateway_id}"
        return NatGateway(
            item.nat_gateway_id, item.subnet_id or "", item.vpc_id or "",
            tuple(context.cidr(one.public_ip, answer, what)[0] for one in listed if one.public_ip),
            tuple(context.cidr(one.private_ip, answer, what)[0] for one in listed if one.private_ip),
            item.state in (None, "available"), item.connectivity_type != "private", tags_of(item.tags)[0],
        )  # fmt: skip

    found = context.once("nat_gateways", lambda item: item.nat_gateway_id, make)
    for one in interfaces.values():
        if one.kind == "nat_gateway":
            id = _NAT_ID.search(one.description)
            if id is not None and id.group() not in found and not context.covers(one.vpc, "NatGateways"):
                public = tuple(address for _, address in one.public)
                private = tuple(first for first, last in one.addresses if first == last)
                found[id.group()] = NatGateway(id.group(), one.subnet, one.vpc, public, private, True, bool(public))
    return found


# Peerings


def read_peerings(context: Context) -> dict[str, Peering]:
    """VPC peering connections; from active routes on both sides where the call itself was not read."""

    def make(answer: Answer, item: WirePeering) -> Peering:
        sides = (item.requester_vpc_info or PeeringSide(), item.accepter_vpc_info or PeeringSide())
        what = f"peering {item.vpc_peering_connection_id}"
        one, other = sides
        return Peering(
            item.vpc_peering_connection_id, (one.vpc_id or "", other.vpc_id or ""),
            (_side_cidrs(context, answer, what, one), _side_cidrs(context, answer, what, other)),
            item.status is None or item.status.code in (None, "active"),
            (one.region, other.region), (one.owner_id, other.owner_id), tags_of(item.tags)[0],
        )  # fmt: skip

    found = context.once(
        "vpc_peering_connections", lambda item: item.vpc_peering_connection_id, make,
        lambda one: (one.vpcs, one.active),
    )  # fmt: skip
    if not context.has("VpcPeeringConnections"):
        ends: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for _, table in context.each("route_tables"):
            for route in table.routes or ():
                if route.vpc_peering_connection_id and route.state in (None, "active"):
                    ends[route.vpc_peering_connection_id].setdefault(table.vpc_id or "")
        for id, vpcs in ends.items():
            if len(vpcs) == 2:
                first, second = vpcs
                found[id] = Peering(id, (first, second))
            context.notice(
                id, "peering is routed to but was not read: known by its routes only; add "
                "`aws ec2 describe-vpc-peering-connections`",
            )  # fmt: skip
    return found


def _side_cidrs(context: Context, answer: Answer, what: str, side: PeeringSide) -> tuple[Span, ...]:
    texts = [one.cidr_block for one in side.cidr_block_set or ()]
    texts += [one.ipv6_cidr_block for one in side.ipv6_cidr_block_set or ()]
    if not texts:
        texts = [side.cidr_block]
    return tuple(sorted({context.cidr(text, answer, what) for text in texts if text}))


# Transit gateways


def read_transit_gateways(context: Context) -> dict[str, TransitGateway]:
    """Transit gateways with attachments and the routes of their tables; a table that was not read stays unknown."""
    attachments: dict[str, TransitAttachment] = {}
    for name in ("transit_gateway_vpc_attachments", "transit_gateway_attachments"):
        for _, item in context.each(name):
            id = item.transit_gateway_attachment_id
            attachments[id] = _merge(attachments.get(id), item)
    for answer, item in context.each("associations"):
        subject = _TABLE_ID.search(answer.path.name)
        known = attachments.get(item.transit_gateway_attachment_id or "")
        if subject and known is not None and item.state in (None, "associated"):
            attachments[known.id] = replace(known, route_table=subject.group())
    owner_of = {
        item.transit_gateway_route_table_id: item.transit_gateway_id or ""
        for _, item in context.each("transit_gateway_route_tables")
    }
    for one in attachments.values():
        if one.route_table is not None:
            owner_of.setdefault(one.route_table, one.gateway)
    tables: defaultdict[str, dict[str, tuple[TransitRoute, ...]]] = defaultdict(dict)
    for table, routes in _transit_routes(context).items():
        if table in owner_of:
            tables[owner_of[table]][table] = routes
        else:
            context.notice(table, "routes of a transit gateway route table that no attachment and no listing names")
    gateways: dict[str, TransitGateway] = {}
    for _, item in context.each("transit_gateways"):
        if item.state in (None, "available", "modifying", "pending"):
            referencing = item.options is not None and item.options.security_group_referencing_support == "enable"
            gateways[item.transit_gateway_id] = TransitGateway(
                item.transit_gateway_id, group_referencing=referencing, name=tags_of(item.tags)[0]
            )
    for one in attachments.values():
        if one.gateway and one.gateway not in gateways:
            gateways[one.gateway] = TransitGateway(one.gateway)
            context.notice(
                one.gateway, "transit gateway is named but not in the input; group references over it are taken as off"
            )
    for id, gateway in gateways.items():
        own = tuple(one for one in attachments.values() if one.gateway == id)
        gateways[id] = replace(gateway, attachments=own, tables=tables.get(id, {}))
        for one in own:
            if one.active and (one.route_table is None or one.route_table not in gateways[id].tables):
                context.notice(
                    one.route_table or one.id, f"routes that {one.id} sees in {id} were not read: not known; add "
                    "`aws ec2 search-transit-gateway-routes` as TransitGatewayRoutes-tgw-rtb-….json",
                    one.resource if one.kind == "vpc" else None,
                )  # fmt: skip
    return gateways


def _merge(known: TransitAttachment | None, item: WireTransitAttachment) -> TransitAttachment:
    base = known or TransitAttachment(item.transit_gateway_attachment_id, "")
    link = item.association
    table = link.transit_gateway_route_table_id if link is not None and link.state in (None, "associated") else None
    support = item.options.security_group_referencing_support if item.options is not None else None
    return replace(
        base,
        gateway=item.transit_gateway_id or base.gateway,
        kind=item.resource_type or base.kind,
        resource=item.vpc_id or item.resource_id or base.resource,
        subnets=tuple(item.subnet_ids) if item.subnet_ids else base.subnets,
        route_table=table or base.route_table,
        group_referencing=base.group_referencing if support is None else support == "enable",
        active=item.state in (None, "available", "modifying"),
    )


def _transit_routes(context: Context) -> dict[str, tuple[TransitRoute, ...]]:
    found: defaultdict[str, list[TransitRoute]] = defaultdict(list)
    partial: set[str] = set()
    for answer in context.answers:
        top = answer.top
        if top.routes is not None:
            subject = _TABLE_ID.search(answer.path.name)
            if subject is None:
                context.notice(
                    answer.where, "routes without a subject: name the file …tgw-rtb-….json after its route table"
                )
                continue
            found[subject.group()] += _of_table(context, answer, subject.group(), top.routes)
            if top.additional_routes_available:
                partial.add(subject.group())
        for table in top.transit_gateway_routes or ():
            id = table.transit_gateway_route_table_id
            where = f"{answer.where}: {id}"
            listed = decoded(_routes.decode, memoryview(table.routes), where, EXPECTED) or []
            found[id] += _of_table(context, answer, id, listed)
            if table.additional_routes_available:
                partial.add(id)
    for id in partial:
        context.notice(id, "has more routes than search-transit-gateway-routes returns: not known")
        found.pop(id, None)
    return {id: tuple(routes) for id, routes in found.items()}


def _of_table(context: Context, answer: Answer, id: str, listed: list[WireTransitRoute]) -> list[TransitRoute]:
    made: list[TransitRoute] = []
    for route in listed:
        if route.destination_cidr_block is None:
            continue  # references to prefix lists are listed by their CIDRs as well
        destination = context.cidr(route.destination_cidr_block, answer, f"transit gateway route table {id}")
        propagated = route.type == "propagated"
        if route.state == "blackhole" or not route.transit_gateway_attachments:
            made.append(TransitRoute(destination, None, propagated))
            continue
        for one in route.transit_gateway_attachments:
            made.append(TransitRoute(destination, one.transit_gateway_attachment_id, propagated))
    return made


# Prefix lists


def read_prefix_lists(context: Context) -> dict[str, PrefixList]:
    """Managed prefix lists; entries from ``PrefixLists`` or from the file named after the list."""
    entries: dict[str, Intervals | None] = {}
    single: dict[str, tuple[Span, ...]] = {}
    for answer in context.answers:
        if answer.top.entries is None:
            continue
        subject = _LIST_ID.search(answer.path.name)
        if subject is None:
            context.notice(
                answer.where, "prefix list entries without a subject: name the file ManagedPrefixListEntries-pl-….json"
            )
            continue
        id = subject.group()
        spans = tuple(context.cidr(one.cidr, answer, f"prefix list {id}") for one in answer.top.entries)
        single[id] = tuple(sorted({*single.get(id, ()), *spans}))
        made = Intervals(spans)
        entries[id] = _agreed(context, id, entries[id], made) if id in entries else made
    found: dict[str, PrefixList] = {}
    for name in ("managed_prefix_lists", "prefix_lists"):
        for answer, item in context.each(name):
            known = found.get(item.prefix_list_id)
            listed = _prefix_list(context, answer, item)
            if known is not None:
                cidrs = listed.cidrs if known.cidrs is None else known.cidrs
                if known.cidrs is not None and listed.cidrs is not None and listed.id not in entries:
                    cidrs = _agreed(context, listed.id, known.cidrs, listed.cidrs)
                listed = replace(listed, cidrs=cidrs, max_entries=listed.max_entries or known.max_entries)
            found[listed.id] = listed
    for id, cidrs in entries.items():
        found[id] = replace(found.get(id) or PrefixList(id), cidrs=cidrs, entries=single[id])
    unread = sorted(one.name or one.id for one in found.values() if one.cidrs is None)
    if unread:
        more = f" and {len(unread) - 3} more" if len(unread) > 3 else ""
        context.notice(
            "PrefixLists", f"entries of prefix lists {', '.join(unread[:3])}{more} were not read: not known; add "
            "`aws ec2 get-managed-prefix-list-entries` as ManagedPrefixListEntries-pl-….json",
        )  # fmt: skip
    return found


def _prefix_list(context: Context, answer: Answer, item: WirePrefixList) -> PrefixList:
    name, tags = tags_of(item.tags)
    where = f"prefix list {item.prefix_list_id}"
    entries = tuple(context.cidr(text, answer, where) for text in item.cidrs or ())
    cidrs = Intervals(entries) if item.cidrs is not None else None
    return PrefixList(
        item.prefix_list_id, item.prefix_list_name or name, cidrs, item.max_entries, tags=tags, entries=entries
    )


def _agreed(context: Context, id: str, one: Intervals | None, other: Intervals) -> Intervals | None:
    """Entries that two listings agree on. AWS's own lists are listed in each account, maybe at different moments."""
    if one == other:
        return one
    context.notice(id, "prefix list is listed with different entries: its entries are not known")
    return None
