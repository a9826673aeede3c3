"""Interfaces, subnets, ACLs, route tables and gateways, as the EC2 API lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doorward.model.addresses import parse_address, parse_network
from doorward.model.services import block, rule_span
from tests.readers.aws_files import ACL, INTERFACE, SUBNET, TABLE, VPC, texts, whole

LOCAL = TABLE["Routes"][0]


def route_kind(folder: Path, route: dict[str, Any], **keys: Any) -> tuple[str, str]:
    """Kind and target that one more route of the table gets."""
    estate = whole(folder, RouteTables=[{**TABLE, "Routes": [LOCAL, route]}], **keys)
    made = estate.route_tables["rtb-1"].routes[1]
    return made.kind, made.target


def test_addresses_of_an_interface(tmp_path: Path) -> None:
    """All private IPv4 and IPv6 addresses, delegated prefixes, and the public address of each private one."""
    wire = {
        **INTERFACE,
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.1.5", "Association": {"PublicIp": "203.0.113.5"}},
            {"PrivateIpAddress": "10.0.1.6"},
        ],
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::5"}],
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}],
        "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:1::/80"}],
        "Attachment": {"InstanceId": "i-1"},
        "TagSet": [{"Key": "Name", "Value": "web"}],
    }
    made = whole(tmp_path, NetworkInterfaces=[wire]).interfaces["eni-1"]
    five, six, five6 = parse_address("10.0.1.5"), parse_address("10.0.1.6"), parse_address("2001:db8::5")
    prefixes = (parse_network("10.0.1.16/28"), parse_network("2001:db8:1::/80"))
    assert ((five, five), (six, six), (five6, five6), *prefixes) == made.addresses
    assert ((five, parse_address("203.0.113.5")),) == made.public
    assert ("i-1", "web", (("Name", "web"),)) == (made.instance, made.name, made.tags)


def test_interfaces_of_instances(tmp_path: Path) -> None:
    """Without describe-network-interfaces the instances' own interfaces count; terminated instances have none."""
    embedded = {**INTERFACE, "Association": {"PublicIp": "203.0.113.5"}}
    instances = [
        {"InstanceId": "i-1", "NetworkInterfaces": [embedded], "Tags": [{"Key": "Name", "Value": "web"}]},
        {"InstanceId": "i-2", "State": {"Name": "terminated"}, "NetworkInterfaces": []},
        {"InstanceId": "i-3", "VpcId": "vpc-1", "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.1.9",
         "SecurityGroups": [{"GroupId": "sg-1"}]},
    ]  # fmt: skip
    estate = whole(tmp_path, NetworkInterfaces=None, Reservations=[{"Instances": instances}])
    assert {"eni-1": "i-1", "i-3/primary": "i-3"} == {one.id: one.instance for one in estate.interfaces.values()}
    assert {"i-1": ("eni-1",), "i-3": ("i-3/primary",)} == {id: one.interfaces for id, one in estate.holders.items()}
    assert "web" == estate.holders["i-1"].name


def test_subnets_get_table_and_acl(tmp_path: Path) -> None:
    """Explicit associations win over the VPC's main table and default ACL (VPC User Guide, *Subnet route tables*)."""
    other = {**SUBNET, "SubnetId": "subnet-2", "CidrBlock": "10.0.2.0/24"}
    table = {"RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-2"}], "Routes": [LOCAL]}
    acl = {"NetworkAclId": "acl-2", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-2"}], "Entries": []}
    subnets = whole(tmp_path, Subnets=[SUBNET, other], RouteTables=[TABLE, table], NetworkAcls=[ACL, acl]).subnets
    assert ("rtb-1", "acl-1") == (subnets["subnet-1"].route_table, subnets["subnet-1"].acl)
    assert ("rtb-2", "acl-2") == (subnets["subnet-2"].route_table, subnets["subnet-2"].acl)
    assert "eu-west-1" == subnets["subnet-1"].region


@pytest.mark.parametrize("key", ["RouteTables", "NetworkAcls", "Subnets", "Vpcs", "VpnGateways"])
def test_what_was_not_read_is_not_taken_as_none(tmp_path: Path, key: str) -> None:
    """A missing kind of answer leaves its references unknown, and a notice names the call to add."""
    estate = whole(tmp_path, **{key: None})
    assert "add `aws ec2 describe-" in texts(estate)
    subnet = estate.subnets["subnet-1"]
    assert (key == "RouteTables") == (subnet.route_table is None)
    assert (key == "NetworkAcls") == (subnet.acl is None)
    assert (parse_network("10.0.0.0/16"),) == estate.vpcs["vpc-1"].cidrs


def test_internet_gateways_that_were_not_read(tmp_path: Path) -> None:
    """Routes prove a gateway; public addresses suggest one, which then counts in the upper bound only."""
    default = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}
    proven = whole(tmp_path, InternetGateways=None, RouteTables=[{**TABLE, "Routes": [LOCAL, default]}])
    assert ("igw-1",) == proven.vpcs["vpc-1"].internet_gateways
    public = {
        **INTERFACE,
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.5", "Association": {"PublicIp": "1.2.3.4"}}],
    }
    assumed = whole(tmp_path, InternetGateways=None, NetworkInterfaces=[public])
    assert () == assumed.vpcs["vpc-1"].internet_gateways
    assert 1 == len(assumed.vpcs["vpc-1"].maybe_internet_gateways)
    assert "vpc-1" in [notice.vpc for notice in assumed.notices]
    assert () == whole(tmp_path, NetworkInterfaces=[public]).vpcs["vpc-1"].internet_gateways


def test_gateways_are_attached(tmp_path: Path) -> None:
    """Internet, egress-only and hidden gateways, and groups of other VPCs, belong to the VPC they are attached to."""
    link = [{"VpcId": "vpc-1", "State": "available"}]
    vpc = whole(
        tmp_path,
        InternetGateways=[{"InternetGatewayId": "igw-1", "Attachments": link}],
        EgressOnlyInternetGateways=[{"EgressOnlyInternetGatewayId": "eigw-1", "Attachments": link}],
        VpnGateways=[
            {"VpnGatewayId": "vgw-1", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]},
            {"VpnGatewayId": "vgw-2", "VpcAttachments": [{"VpcId": "vpc-1", "State": "detached"}]},
        ],
        CarrierGateways=[{"CarrierGatewayId": "cagw-1", "VpcId": "vpc-1", "State": "available"}],
        SecurityGroupVpcAssociations=[{"GroupId": "sg-7", "VpcId": "vpc-1", "State": "associated"}],
    ).vpcs["vpc-1"]
    assert (("igw-1",), ("eigw-1",)) == (vpc.internet_gateways, vpc.egress_only_gateways)
    assert (("vgw-1", "cagw-1"), ("sg-7",)) == (vpc.hidden_gateways, vpc.shared_groups)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"GatewayId": "local"}, ("local", "local")),
        ({"GatewayId": "igw-1"}, ("internet-gateway", "igw-1")),
        ({"EgressOnlyInternetGatewayId": "eigw-1"}, ("egress-only-gateway", "eigw-1")),
        ({"NatGatewayId": "nat-1"}, ("nat-gateway", "nat-1")),
        ({"TransitGatewayId": "tgw-1"}, ("transit-gateway", "tgw-1")),
        ({"VpcPeeringConnectionId": "pcx-1"}, ("unknown", "pcx-1")),
        ({"GatewayId": "vgw-1"}, ("unmodelled", "vgw-1")),
        ({"GatewayId": "vpce-1"}, ("unmodelled", "vpce-1")),
        ({"NetworkInterfaceId": "eni-9", "InstanceId": "i-9"}, ("unmodelled", "eni-9")),
        ({"CarrierGatewayId": "cagw-1"}, ("unmodelled", "cagw-1")),
        ({"CoreNetworkArn": "arn:core"}, ("unmodelled", "arn:core")),
        ({"GatewayId": "igw-1", "State": "blackhole"}, ("blackhole", "igw-1")),
    ],
)  # fmt: skip
def test_route_targets(tmp_path: Path, target: dict[str, str], expected: tuple[str, str]) -> None:
    """Every target of the EC2 API's *Route* is modelled, or named as not looked into."""
    assert expected == route_kind(tmp_path, {"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **target})


def test_route_to_a_gateway_endpoint_and_a_peering(tmp_path: Path) -> None:
    """A prefix list that leads to a gateway endpoint; a peering that was read."""
    endpoint = {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "State": "active"}
    assert ("endpoint", "vpce-1") == route_kind(tmp_path, endpoint)
    peering = {"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active"}
    wire = {
        "VpcPeeringConnectionId": "pcx-1",
        "RequesterVpcInfo": {"VpcId": "vpc-1"},
        "AccepterVpcInfo": {"VpcId": "vpc-9"},
    }
    assert ("peering", "pcx-1") == route_kind(tmp_path, peering, VpcPeeringConnections=[wire])


def test_acl_entries(tmp_path: Path) -> None:
    """Ports, ICMP type and code, other protocols and both families (EC2 API, *NetworkAclEntry*)."""
    base = {"Egress": False, "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
    entries = [
        {**base, "RuleNumber": 1, "Protocol": "6", "PortRange": {"From": 80, "To": 90}},
        {**base, "RuleNumber": 2, "Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": -1}},
        {**base, "RuleNumber": 3, "Protocol": "50", "PortRange": None},
        {"Egress": True, "RuleAction": "deny", "Ipv6CidrBlock": "::/0", "RuleNumber": 4, "Protocol": "58",
         "IcmpTypeCode": {"Type": -1, "Code": -1}},
    ]  # fmt: skip
    made = whole(tmp_path, NetworkAcls=[{**ACL, "Entries": entries}]).acls["acl-1"].entries
    assert [rule_span("tcp", 80, 90), rule_span("icmp", 8, -1), block(50), block(58)] == [one.service for one in made]
    assert [True, True, True, False] == [one.allow for one in made]
    assert parse_network("::/0") == made[3].cidr


def test_edge_table_is_named(tmp_path: Path) -> None:
    """A table associated with a gateway (ingress routing) is marked and named."""
    edge = {"RouteTableId": "rtb-2", "VpcId": "vpc-1", "Associations": [{"GatewayId": "igw-1"}], "Routes": []}
    estate = whole(tmp_path, RouteTables=[TABLE, edge])
    assert "igw-1" == estate.route_tables["rtb-2"].gateway_association
    assert "edge association" in texts(estate)


def test_nat_gateways(tmp_path: Path) -> None:
    """Addresses and kind of a NAT gateway; its interface stands in where the call was not read."""
    wire = {
        "NatGatewayId": "nat-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "State": "available",
        "ConnectivityType": "public", "NatGatewayAddresses": [{"PublicIp": "1.2.3.4", "PrivateIp": "10.0.1.7"}],
    }  # fmt: skip
    made = whole(tmp_path, NatGateways=[wire]).nat_gateways["nat-1"]
    interface = {
        **INTERFACE, "NetworkInterfaceId": "eni-2", "InterfaceType": "nat_gateway", "Groups": [],
        "Description": "Interface for NAT Gateway nat-1",
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.7", "Association": {"PublicIp": "1.2.3.4"}}],
    }  # fmt: skip
    assert made == whole(tmp_path, NetworkInterfaces=[INTERFACE, interface]).nat_gateways["nat-1"]


def test_peerings(tmp_path: Path) -> None:
    """Both sides with CIDRs, and whether the peering is active."""
    wire = {
        "VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "deleted"},
        "RequesterVpcInfo": {"VpcId": "vpc-1", "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}]},
        "AccepterVpcInfo": {"VpcId": "vpc-9", "CidrBlock": "10.9.0.0/16"},
    }  # fmt: skip
    made = whole(tmp_path, VpcPeeringConnections=[wire]).peerings["pcx-1"]
    assert (("vpc-1", "vpc-9"), False) == (made.vpcs, made.active)
    assert ((parse_network("10.0.0.0/16"),), (parse_network("10.9.0.0/16"),)) == made.cidrs


def test_prefix_lists(tmp_path: Path) -> None:
    """Entries come with the list or from a file named after it; else they are not known."""
    lists = [
        {"PrefixListId": "pl-1", "PrefixListName": "s3", "Cidrs": ["10.1.0.0/16"]},
        {"PrefixListId": "pl-2", "MaxEntries": 9},
    ]
    estate = whole(tmp_path, PrefixLists=lists)
    assert estate.prefix_lists["pl-1"].cidrs is not None
    assert ((9, None)) == (estate.prefix_lists["pl-2"].max_entries, estate.prefix_lists["pl-2"].cidrs)
    assert "entries of prefix lists pl-2" in texts(estate)
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "ManagedPrefixListEntries-pl-2.json").write_text('{"Entries": [{"Cidr": "10.2.0.0/16"}]}')
    (folder / "b.json").write_text('{"ManagedPrefixLists": [{"PrefixListId": "pl-2", "MaxEntries": 9}]}')
    from doorward.readers.aws import read_estate

    found = read_estate(folder).prefix_lists["pl-2"]
    assert (parse_network("10.2.0.0/16"),) == (found.cidrs.spans if found.cidrs is not None else None)


def test_block_public_access_could_block(tmp_path: Path) -> None:
    """Block public access of VPCs could stop what gateways would let in (VPC User Guide, *Block public access*)."""
    estate = whole(tmp_path, VpcBlockPublicAccessOptions={"InternetGatewayBlockMode": "block-ingress"})
    assert ["vpc-1"] == [notice.vpc for notice in estate.notices if notice.could_block]
    assert not whole(tmp_path, VpcBlockPublicAccessOptions={"InternetGatewayBlockMode": "off"}).notices


def test_ipv6_and_gone_cidrs_of_a_vpc(tmp_path: Path) -> None:
    """All associated CIDRs of both families; those disassociated are gone."""
    wire = {
        **VPC,
        "CidrBlockAssociationSet": [
            {"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}},
            {"CidrBlock": "10.7.0.0/16", "CidrBlockState": {"State": "disassociated"}},
        ],
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": "2001:db8::/56", "Ipv6CidrBlockState": {"State": "associated"}}
        ],
    }
    assert (parse_network("10.0.0.0/16"), parse_network("2001:db8::/56")) == whole(tmp_path, Vpcs=[wire]).vpcs[
        "vpc-1"
    ].cidrs
