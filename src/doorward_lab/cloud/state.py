"""The control plane's state as the data plane needs it: one `CloudState` per read, straight from moto's objects.

Read under the cloud's lock. Nothing is decided here but what AWS itself derives: the ACL and the route table that
apply to a subnet, blackhole routes, the routes of a transit gateway's table.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import ec2_backends

from doorward_lab.cloud import routing
from doorward_lab.cloud.addresses import private_addresses
from doorward_lab.model import (
    Acl,
    AclEntry,
    CloudState,
    Group,
    Interface,
    NatGateway,
    Peering,
    Route,
    RouteTable,
    Rule,
    Subnet,
    TransitGateway,
    Vpc,
)

PROTOCOLS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "all": "-1"}


def read(account: str, region: str) -> CloudState:
    """The state of one region of one account."""
    ec2: Any = ec2_backends[account][region]
    names = {id: tags["Name"] for id, tags in ec2.tags.items() if tags.get("Name")}
    return CloudState(
        vpcs={id: _vpc(vpc, names) for id, vpc in ec2.vpcs.items()},
        subnets=_subnets(ec2, names),
        groups={id: _group(one) for groups in ec2.groups.values() for id, one in groups.items()},
        interfaces={id: _interface(one, names) for id, one in ec2.enis.items()},
        acls={id: _acl(one) for id, one in ec2.network_acls.items()},
        route_tables={id: _route_table(ec2, one) for id, one in ec2.route_tables.items()},
        internet_gateways={id: one.vpc.id for id, one in ec2.internet_gateways.items() if one.vpc},
        egress_only_gateways={id: one.vpc_id for id, one in ec2.egress_only_internet_gateways.items()},
        nat_gateways={id: _nat(one) for id, one in ec2.nat_gateways.items() if one.state == "available"},
        peerings={
            id: Peering(id, one.vpc.id, one.peer_vpc.id, one._status.code == "active")
            for id, one in ec2.vpc_pcxs.items()
            if one._status.code != "deleted"
        },
        transit_gateways={id: _transit(ec2, one) for id, one in ec2.transit_gateways.items()},
        prefix_lists={id: _entries(one) for id, one in ec2.managed_prefix_lists.items()},
    )


def _vpc(vpc: Any, names: dict[str, str]) -> Vpc:
    return Vpc(
        vpc.id,
        names.get(vpc.id, ""),
        tuple(routing.blocks(vpc, ipv6=False)),
        tuple(routing.blocks(vpc, ipv6=True)),
    )


def _subnets(ec2: Any, names: dict[str, str]) -> dict[str, Subnet]:
    acl_of = {one.subnet_id: acl.id for acl in ec2.network_acls.values() for one in acl._associations.values()}
    default_acl = {acl.vpc_id: acl.id for acl in ec2.network_acls.values() if acl.default}
    table_of = {target: table.id for table in ec2.route_tables.values() for target in table._associations.values()}
    main = {table.vpc_id: table.id for table in ec2.route_tables.values() if table.main_association_id is not None}
    found: dict[str, Subnet] = {}
    for zone in ec2.subnets.values():
        for id, one in zone.items():
            ipv6 = tuple(
                entry["ipv6CidrBlock"]
                for entry in one.ipv6_cidr_block_associations.values()
                if entry["ipv6CidrBlockState"]["State"] == "associated"
            )
            found[id] = Subnet(
                id,
                names.get(id, ""),
                one.vpc_id,
                one.cidr_block or "",
                ipv6,
                acl_of.get(id) or default_acl.get(one.vpc_id, ""),
                table_of.get(id) or main.get(one.vpc_id, ""),
            )
    return found


def _group(group: Any) -> Group:
    rules = tuple(_rule(one) for one in (*group.ingress_rules, *group.egress_rules))
    last: Group | None = getattr(group, "lab_read", None)
    if last is None or last.rules != rules:  # the same object again: who compares states is quick
        last = group.lab_read = Group(group.id, group.name, group.vpc_id or "", rules)
    return last


def _rule(rule: Any) -> Rule:
    last: Rule | None = getattr(rule, "lab_read", None)
    if last is not None:  # a rule changes in `permissions.store` alone, which forgets what was read
        return last
    cidr = rule.ip_range
    last = rule.lab_read = Rule(
        rule.id,
        rule.is_egress,
        rule.ip_protocol,
        rule.from_port,
        rule.to_port,
        cidr.get("CidrIp") or cidr.get("CidrIpv6"),
        rule.source_group.get("GroupId"),
        rule.prefix_list_id,
    )
    return last


def _interface(one: Any, names: dict[str, str]) -> Interface:
    ipv4 = tuple(private_addresses(one))
    instance = one.instance.id if one.instance is not None else None
    name = names.get(one.id) or (names.get(instance) if instance and one.device_index == 0 else None) or one.id
    public = dict(one.lab_public) if getattr(one, "lab_public", None) else {}
    if one.public_ip and ipv4:
        public[ipv4[0]] = one.public_ip
    return Interface(
        one.id,
        name,
        one.subnet.id,
        one.subnet.vpc_id,
        tuple(group.id for group in one._group_set),
        ipv4,
        tuple(one.ipv6_addresses),
        public,
        one.mac_address,
        one.interface_type,
        bool(one.source_dest_check),
        instance,
        one.description or "",
    )


def _acl(acl: Any) -> Acl:
    return Acl(acl.id, acl.vpc_id, tuple(_acl_entry(one) for one in acl.network_acl_entries))


def _acl_entry(one: Any) -> AclEntry:
    protocol = str(one.protocol).lower()
    return AclEntry(
        int(one.rule_number),
        one.egress is True or str(one.egress).lower() == "true",
        str(one.rule_action).lower() == "allow",
        PROTOCOLS.get(protocol, protocol),
        one.cidr_block or one.ipv6_cidr_block or "",
        _number(one.port_range_from),
        _number(one.port_range_to),
        _number(one.icmp_type),
        _number(one.icmp_code),
    )


def _number(value: Any) -> int | None:
    return None if value is None or value == "" else int(value)


def _route_table(ec2: Any, table: Any) -> RouteTable:
    routes = tuple(
        Route(destination, routing.target(one), routing.active(ec2, table, one))
        for one in table._routes.values()
        if (destination := routing.destination(one))
    )
    return RouteTable(table.id, table.vpc_id, routes)


def _nat(one: Any) -> NatGateway:
    return NatGateway(one.id, one.subnet_id, one._eni.id, one._eni.public_ip)


def _entries(one: Any) -> tuple[str, ...]:
    if not one.entries or one.state.startswith("delete-"):
        return ()
    version = one.version if one.version is not None else max(one.entries)
    return tuple(entry["Cidr"] for entry in one.entries.get(version) or ())


def _transit(ec2: Any, gateway: Any) -> TransitGateway:
    attachments = {
        id: one.resource_id
        for id, one in ec2.transit_gateway_attachments.items()
        if one.transit_gateway_id == gateway.id and one.resource_type == "vpc" and one.state == "available"
    }
    tables = [one for one in ec2.transit_gateways_route_tables.values() if one.transit_gateway_id == gateway.id]
    routes = {
        id: tuple(routing.transit_routes(ec2, table))
        for id in attachments
        for table in tables
        if table.state == "available" and id in table.route_table_associations
    }
    return TransitGateway(gateway.id, attachments, {id: routes.get(id, ()) for id in attachments})
