"""Scene → cloud, through plain boto3: `build`. It works against any endpoint that speaks the EC2 and ELBv2 APIs.

Here the network is made, in `build_hosts` what stands in it. Steps run in the order in which they need each other, the
calls of one step side by side. Every element carries the scene's name as its Name tag.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorward_lab.errors import BadScene
from doorward_lab.scenes import build_hosts
from doorward_lab.scenes.addresses import assign
from doorward_lab.scenes.built import Built, BuiltBalancer, BuiltHost
from doorward_lab.scenes.clients import Connect
from doorward_lab.scenes.making import Making, Progress, filters, tags
from doorward_lab.scenes.rules import authorize, set_entries
from doorward_lab.scenes.scene import Acl, Gateway, Group, Peering, PrefixList, RouteTable, Scene, Subnet, Vpc

LEAST_MAX_ENTRIES = 10
"""MaxEntries of a prefix list whose scene does not say, so that there is room to add."""


def build(scene: Scene, connect: Connect, progress: Progress | None = None) -> Built:
    """Build a scene in the cloud that the clients reach; what is there already stays.

    Raises `BadScene` when the cloud refuses an element, naming it; what was built until then stays, as the caller
    throws the whole cloud away.
    """
    making = Making(scene, connect, progress)
    with making:
        vpcs = making.each("vpcs", scene.vpcs, lambda one: _vpc(making, one))
        making.ids["vpcs"] = {name: vpc.id for name, vpc in vpcs.items()}
        making.each("gateways", _of_kind(scene, "internet", "egress-only"), lambda one: _gateway(making, one))
        making.ipv6 = subnet_blocks(scene, {name: vpc.ipv6 for name, vpc in vpcs.items()})
        making.each("subnets", scene.subnets, lambda one: _subnet(making, one))
        making.each("peerings", scene.peerings, lambda one: _peering(making, one))
        making.each("prefix-lists", scene.prefix_lists, lambda one: _prefix_list(making, one))
        making.each("groups", scene.groups, lambda one: _group(making, one))
        making.each("rules of group", scene.groups, lambda one: authorize(making, one))
        making.each("acls", scene.acls, lambda one: _acl(making, one))
        _associate_acls(making)
        making.addresses = assign(scene)
        hosts = making.each("hosts", scene.hosts, lambda one: build_hosts.host(making, one))
        making.ids["instances"] = {name: host.instance for name, host in hosts.items() if host.instance}
        making.each("gateways", _of_kind(scene, "nat"), lambda one: build_hosts.nat_gateway(making, one))
        making.each("route-tables", scene.route_tables, lambda one: _route_table(making, one))
        making.each("target-groups", scene.target_groups, lambda one: build_hosts.target_group(making, one))
        balancers = making.each("load-balancers", scene.load_balancers, lambda one: build_hosts.balancer(making, one))
        making.each("targets of", scene.target_groups, lambda one: build_hosts.targets(making, one))
    return _built(scene, making, hosts, balancers)


def _built(
    scene: Scene, making: Making, hosts: Mapping[str, BuiltHost], balancers: Mapping[str, BuiltBalancer]
) -> Built:
    ids = making.ids
    return Built(
        scene.name, making.region, ids["vpcs"], ids["subnets"], ids["groups"], ids["prefix-lists"], ids["acls"],
        ids["route-tables"], ids["gateways"], ids["peerings"], ids["target-groups"], hosts, balancers, scene.contracts,
    )  # fmt: skip


def _of_kind(scene: Scene, *kinds: str) -> dict[str, Gateway]:
    return {name: one for name, one in scene.gateways.items() if one.kind in kinds}


@dataclass(frozen=True, slots=True)
class _Vpc:
    id: str
    ipv6: str


def _vpc(making: Making, vpc: Vpc) -> _Vpc:
    """EC2 API Reference, CreateVpc: the block is Amazon's, or one of an IPv6 pool."""
    asked: dict[str, Any] = {}
    if vpc.ipv6 == "auto":
        asked = {"AmazonProvidedIpv6CidrBlock": True}
    elif vpc.ipv6:
        asked = {"Ipv6CidrBlock": vpc.ipv6, "Ipv6Pool": "ipv6pool-ec2-lab"}
    made = making.ec2.create_vpc(CidrBlock=vpc.cidr[0], TagSpecifications=tags("vpc", vpc.name), **asked)["Vpc"]
    id = str(made["VpcId"])
    for block in vpc.cidr[1:]:
        making.ec2.associate_vpc_cidr_block(VpcId=id, CidrBlock=block)
    if not vpc.ipv6:
        return _Vpc(id, "")
    there = making.ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0].get("Ipv6CidrBlockAssociationSet") or [{}]
    got = str(there[0].get("Ipv6CidrBlock", ""))
    if not got or vpc.ipv6 not in ("auto", got):
        raise BadScene(
            f"{making.scene.name}: the endpoint gave the VPC {vpc.name!r} {got or 'no IPv6 block'}; "
            f"expected {vpc.ipv6}; write ipv6: true to take what it gives"
        )
    return _Vpc(id, got)


def subnet_blocks(scene: Scene, blocks: Mapping[str, str]) -> dict[str, str]:
    """IPv6 block of each subnet that has one: its own, or the next /64 of its VPC's that no other subnet touches."""
    found = {name: one.ipv6 for name, one in scene.subnets.items() if one.ipv6 not in ("", "auto")}
    for name, subnet in scene.subnets.items():
        if subnet.ipv6 != "auto":
            continue
        taken = [ipaddress.IPv6Network(block) for other, block in found.items() if scene.vpc_of(other) == subnet.vpc]
        free = ipaddress.IPv6Network(blocks[subnet.vpc]).subnets(new_prefix=64)
        block = next((one for one in free if not any(one.overlaps(other) for other in taken)), None)
        if block is None:
            raise BadScene(f"{scene.name}: no /64 of {blocks[subnet.vpc]} is left for the subnet {name!r}")
        found[name] = str(block)
    return found


def _gateway(making: Making, one: Gateway) -> str:
    vpc = making.id("vpcs", one.vpc)
    if one.kind == "internet":
        named = tags("internet-gateway", one.name)
        made = making.ec2.create_internet_gateway(TagSpecifications=named)["InternetGateway"]
        id = str(made["InternetGatewayId"])
        making.ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=vpc)
        return id
    named = tags("egress-only-internet-gateway", one.name)
    made = making.ec2.create_egress_only_internet_gateway(VpcId=vpc, TagSpecifications=named)
    return str(made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"])


def zone_of(region: str, zone: str) -> str:
    """A zone's whole name."""
    return zone if "-" in zone else region + zone


def _subnet(making: Making, one: Subnet) -> str:
    six = {"Ipv6CidrBlock": making.ipv6[one.name]} if one.name in making.ipv6 else {}
    made = making.ec2.create_subnet(
        VpcId=making.id("vpcs", one.vpc), CidrBlock=one.cidr, AvailabilityZone=zone_of(making.region, one.zone),
        TagSpecifications=tags("subnet", one.name), **six,
    )  # fmt: skip
    return str(made["Subnet"]["SubnetId"])


def _peering(making: Making, one: Peering) -> str:
    requester, accepter = (making.id("vpcs", name) for name in one.between)
    made = making.ec2.create_vpc_peering_connection(
        VpcId=requester, PeerVpcId=accepter, TagSpecifications=tags("vpc-peering-connection", one.name)
    )
    id = str(made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    making.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    return id


def _prefix_list(making: Making, one: PrefixList) -> str:
    made = making.ec2.create_managed_prefix_list(
        PrefixListName=one.name, AddressFamily="IPv6" if ":" in one.entries[0] else "IPv4",
        MaxEntries=one.max_entries or max(LEAST_MAX_ENTRIES, len(one.entries)),
        Entries=[{"Cidr": text} for text in one.entries], TagSpecifications=tags("prefix-list", one.name),
    )  # fmt: skip
    return str(made["PrefixList"]["PrefixListId"])


def _group(making: Making, one: Group) -> str:
    vpc = making.id("vpcs", one.vpc)
    if one.default:
        wanted = {"vpc_id": vpc, "group_name": "default"}
        found = making.ec2.describe_security_groups(Filters=filters(**wanted))["SecurityGroups"]
        id = str(found[0]["GroupId"])
        making.ec2.create_tags(Resources=[id], Tags=tags("", one.name)[0]["Tags"])
        return id
    made = making.ec2.create_security_group(
        GroupName=one.group_name or one.name, Description=one.description or f"{one.name} of {making.scene.name}",
        VpcId=vpc, TagSpecifications=tags("security-group", one.name),
    )  # fmt: skip
    return str(made["GroupId"])


def _acl(making: Making, one: Acl) -> str:
    vpc = making.id("vpcs", one.vpc)
    if one.default:
        wanted = filters(vpc_id=vpc, default="true")
        found = making.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"][0]
        id = str(found["NetworkAclId"])
        making.ec2.create_tags(Resources=[id], Tags=tags("", one.name)[0]["Tags"])
        set_entries(making, id, one, found["Entries"])
        return id
    made = making.ec2.create_network_acl(VpcId=vpc, TagSpecifications=tags("network-acl", one.name))["NetworkAcl"]
    id = str(made["NetworkAclId"])
    set_entries(making, id, one, ())
    return id


def _associate_acls(making: Making) -> None:
    """Each new subnet has its VPC's default ACL; the association is replaced (EC2, ReplaceNetworkAclAssociation)."""
    wanted = {
        making.id("subnets", name): making.id("acls", one.acl)
        for name, one in making.scene.subnets.items()
        if one.acl and not making.scene.acls[one.acl].default
    }
    if not wanted:
        return
    for page in making.ec2.get_paginator("describe_network_acls").paginate():
        for acl in page["NetworkAcls"]:
            for one in acl["Associations"]:
                if one["SubnetId"] in wanted:
                    making.ec2.replace_network_acl_association(
                        AssociationId=one["NetworkAclAssociationId"], NetworkAclId=wanted.pop(one["SubnetId"])
                    )


def _route_table(making: Making, one: RouteTable) -> str:
    vpc = making.id("vpcs", one.vpc)
    if one.main:
        wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
        id = str(making.ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"])
        making.ec2.create_tags(Resources=[id], Tags=tags("", one.name)[0]["Tags"])
    else:
        made = making.ec2.create_route_table(VpcId=vpc, TagSpecifications=tags("route-table", one.name))
        id = str(made["RouteTable"]["RouteTableId"])
    for destination, target in one.routes.items():
        making.ec2.create_route(RouteTableId=id, **_destination(making, destination), **_target(making, target))
    for name, subnet in making.scene.subnets.items():
        if subnet.route_table == one.name and not one.main:
            making.ec2.associate_route_table(RouteTableId=id, SubnetId=making.id("subnets", name))
    return id


def _destination(making: Making, text: str) -> dict[str, str]:
    if text.startswith("prefix-list:"):
        return {"DestinationPrefixListId": making.id("prefix-lists", text.partition(":")[2])}
    return {"DestinationIpv6CidrBlock" if ":" in text else "DestinationCidrBlock": text}


_GATEWAYS = {"internet": "GatewayId", "nat": "NatGatewayId", "egress-only": "EgressOnlyInternetGatewayId"}


def _target(making: Making, text: str) -> dict[str, str]:
    word, _, name = text.partition(":")
    if word == "gateway":
        return {_GATEWAYS[making.scene.gateways[name].kind]: making.id("gateways", name)}
    if word == "peering":
        return {"VpcPeeringConnectionId": making.id("peerings", name)}
    return {"NetworkInterfaceId": making.id("hosts", name)}
