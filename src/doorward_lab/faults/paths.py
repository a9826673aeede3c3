"""Faults on the way between hosts: ACL entries, routes, peerings.

Sources: VPC User Guide (*Network ACL rules*, *Route tables*: a route whose target is gone is a blackhole), VPC Peering
Guide (*Delete a VPC peering connection*).
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

from doorward_lab.errors import LabError
from doorward_lab.faults.fault import Act, Fault, Parameter, hint
from doorward_lab.faults.flows import ANY, Flow, crossing, members, pick
from doorward_lab.faults.groups import FLOW, WHO, ec2_of
from doorward_lab.scenes.build_hosts import IMAGE
from doorward_lab.scenes.rules import AWS_LAST, entry
from doorward_lab.scenes.scene import AclEntry, Service

_EPHEMERAL = (1024, 65_535)
_TARGETS = {
    "GatewayId": "gateway", "NatGatewayId": "NAT gateway", "EgressOnlyInternetGatewayId": "egress-only gateway",
    "VpcPeeringConnectionId": "peering", "NetworkInterfaceId": "interface", "TransitGatewayId": "transit gateway",
}  # fmt: skip
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
PATH = tuple(replace(one, default={"from": "login", "to": "auth-db"}.get(one.name, one.default)) for one in FLOW)


def _acl_of(ec2: Any, subnet: str) -> dict[str, Any]:
    wanted = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found: dict[str, Any] = ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]
    return found


def _blocks(ec2: Any, subnet: str) -> list[str]:
    one = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    six = [each["Ipv6CidrBlock"] for each in one.get("Ipv6CidrBlockAssociationSet") or ()]
    return [str(one["CidrBlock"]), *map(str, six)]


def _deny(act: Act, ec2: Any, acl: dict[str, Any], egress: bool, service: Service, cidrs: list[str]) -> None:
    """Put denies before all entries of an ACL's direction."""
    numbers = {one["RuleNumber"] for one in acl["Entries"] if one["Egress"] == egress}
    first = min((one for one in numbers if one < AWS_LAST), default=AWS_LAST)
    if first <= len(cidrs):
        raise LabError(f"the ACL {acl['NetworkAclId']} has no number free before its entry {first}")
    for at, cidr in enumerate(cidrs):
        number = first - len(cidrs) + at
        act.done("entry", acl=acl["NetworkAclId"], number=number, egress=egress)
        asked = entry(AclEntry(number, False, service, cidr), egress)
        ec2.create_network_acl_entry(NetworkAclId=acl["NetworkAclId"], **asked)


def _sides(act: Act) -> tuple[Flow, str, str]:
    """A flow that crosses subnets, and the two subnets."""
    flow = pick(act, other_subnet=True)
    source, target = act.random.choice(crossing(act, flow))
    return flow, str(source["SubnetId"]), str(target["SubnetId"])


def entry_deny(act: Act) -> str:
    """Deny a flow's first packets where they arrive."""
    flow, source, target = _sides(act)
    ec2 = ec2_of(act)
    acl = _acl_of(ec2, target)
    ports = flow.ports
    service = Service(flow.permission["IpProtocol"], *(ports or (None, None)))
    cidrs = _blocks(ec2, source)
    _deny(act, ec2, acl, False, service, cidrs)
    return f"{acl['NetworkAclId']} denies {flow}, coming from {' and '.join(cidrs)}"


def ephemeral_deny(act: Act) -> str:
    """Deny a flow's answers: the connection's first packet arrives, and nothing comes back."""
    flow, source, target = _sides(act)
    ec2 = ec2_of(act)
    acl = _acl_of(ec2, target)
    protocol = flow.permission["IpProtocol"] if flow.ports else "tcp"
    cidrs = _blocks(ec2, source)
    _deny(act, ec2, acl, True, Service(protocol, *_EPHEMERAL), cidrs)
    return f"{acl['NetworkAclId']} denies the answers to {flow}, going to {' and '.join(cidrs)}"


def _routes(act: Act, ec2: Any) -> list[tuple[str, dict[str, str]]]:
    """Tables of the scene and their own routes, as CreateRoute takes them."""
    built = act.lab.built
    mine = set(built.vpcs.values())
    found: list[tuple[str, dict[str, str]]] = []
    for page in ec2.get_paginator("describe_route_tables").paginate():
        for table in page["RouteTables"]:
            if table["VpcId"] not in mine:
                continue
            for route in table["Routes"]:
                kept = {key: route[key] for key in (*_DESTINATIONS, *_TARGETS) if route.get(key)}
                if route.get("GatewayId") != "local" and len(kept) == 2:
                    found.append((str(table["RouteTableId"]), kept))
    return sorted(found, key=lambda one: (built_name(built.route_tables, one[0]), sorted(one[1].items())))


def built_name(names: Any, id: str) -> str:
    """The scene's name of an id, else the id."""
    return next((name for name, known in names.items() if known == id), id)


def _chosen(act: Act, ec2: Any) -> tuple[str, dict[str, str]]:
    """The route that the parameters name, else one that the seed picks: first among those of the login service."""
    found = _routes(act, ec2)
    built, table, destination = act.lab.built, act.text("table"), act.text("destination")
    if table != ANY:
        if table not in built.route_tables:
            raise LabError(f"no route table {table!r}{hint(table, built.route_tables)}")
        found = [one for one in found if one[0] == built.route_tables[table]]
    if destination != ANY:
        found = [one for one in found if destination in one[1].values()]
    if not found:
        raise LabError(f"no route to {destination} in {'any table' if table == ANY else table}")
    if table == ANY and destination == ANY and "login" in built.groups:
        subnets = {one["SubnetId"] for one in members(act, "login")}
        tables = ec2.describe_route_tables()["RouteTables"]
        theirs = {
            one["RouteTableId"] for one in tables for link in one["Associations"] if link.get("SubnetId") in subnets
        }
        found = [one for one in found if one[0] in theirs] or found
    return act.random.choice(found)


def route_removed(act: Act) -> str:
    """Delete a route."""
    ec2 = ec2_of(act)
    table, route = _chosen(act, ec2)
    destination = {key: value for key, value in route.items() if key in _DESTINATIONS}
    act.done("route", table=table, route=route)
    ec2.delete_route(RouteTableId=table, **destination)
    return f"{built_name(act.lab.built.route_tables, table)} lost its route to {', '.join(destination.values())}"


def route_blackholed(act: Act) -> str:
    """Lead a route to an appliance that is then thrown away: what it led to goes nowhere."""
    ec2 = ec2_of(act)
    table, route = _chosen(act, ec2)
    destination = {key: value for key, value in route.items() if key in _DESTINATIONS}
    subnet = _subnet_with(act, ec2, table)
    made = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnet)
    instance = made["Instances"][0]
    try:
        interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
        act.done("route", table=table, route=route)
        ec2.replace_route(RouteTableId=table, NetworkInterfaceId=interface, **destination)
    finally:
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    where = ", ".join(destination.values())
    return f"the route of {built_name(act.lab.built.route_tables, table)} to {where} is a blackhole"


def _subnet_with(act: Act, ec2: Any, table: str) -> str:
    """A subnet in the VPC of a table."""
    vpc = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["VpcId"]
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    mine = set(act.lab.built.subnets.values())
    found = sorted(
        (one for one in ec2.describe_subnets(Filters=wanted)["Subnets"] if one["SubnetId"] in mine),
        key=lambda one: ipaddress.ip_network(one["CidrBlock"]),
    )
    return str(found[0]["SubnetId"])


def peering_deleted(act: Act) -> str:
    """Delete a peering: its routes are blackholes, and references to groups of the other VPC match nothing."""
    ec2, built = ec2_of(act), act.lab.built
    found = [
        one
        for one in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        if one["Status"]["Code"] == "active" and one["RequesterVpcInfo"]["VpcId"] in built.vpcs.values()
    ]
    if not found:
        raise LabError(f"{built.scene} has no active peering; take a scene with one, such as two-vpc")
    one = act.random.choice(sorted(found, key=lambda each: str(each["RequesterVpcInfo"]["VpcId"])))
    id = str(one["VpcPeeringConnectionId"])
    through = [
        {"RouteTableId": table, **{key: value for key, value in route.items() if key in _DESTINATIONS}}
        for table, route in _routes(act, ec2)
        if route.get("VpcPeeringConnectionId") == id
    ]
    act.done(
        "peering", requester=one["RequesterVpcInfo"]["VpcId"], accepter=one["AccepterVpcInfo"]["VpcId"],
        routes=through, tags=one.get("Tags") or [],
    )  # fmt: skip
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id)
    return f"the peering {built_name(built.peerings, id)} is deleted, {len(through)} route(s) lead nowhere"


_ROUTE = (
    Parameter("table", ANY, "The route table by its name in the scene, or any."),
    Parameter("destination", ANY, "The route's destination (0.0.0.0/0), or any."),
)
FAULTS = (
    Fault("acl-entry-deny", "An ACL denies a flow's first packets", entry_deny, (*PATH, *WHO)),
    Fault("acl-ephemeral-deny", "An ACL denies a flow's answers", ephemeral_deny, (*PATH, *WHO)),
    Fault("route-removed", "A route table loses a route", route_removed, (*_ROUTE, *WHO)),
    Fault("route-blackholed", "A route's target is gone", route_blackholed, (*_ROUTE, *WHO)),
    Fault("peering-deleted", "Two VPCs are no longer peered", peering_deleted, WHO),
)
