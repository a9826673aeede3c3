"""VPCs, subnets, routes, ACLs, peering and transit gateways over HTTP, and how the state shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from doorward_lab.model import AclEntry, Route

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from tests.lab.cloud.conftest import Refused, Served


def gateway(ec2: EC2Client, vpc: str) -> str:
    """An attached internet gateway."""
    id = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=vpc)
    return id


def table(ec2: EC2Client, vpc: str) -> str:
    """A route table."""
    return ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]


def states(ec2: EC2Client, id: str) -> dict[str, str]:
    """Destination → state, as described."""
    (one,) = ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"]
    return {
        route.get("DestinationCidrBlock")
        or route.get("DestinationIpv6CidrBlock")
        or route["DestinationPrefixListId"]: route["State"]
        for route in one["Routes"]
    }


def test_blackhole(ec2: EC2Client, served: Served, vpc: str, net: str) -> None:
    """A route whose gateway is detached, or whose interface or peering is gone, is a blackhole, and active again when
    the target is back.

    EC2 API Reference, Route, state: "blackhole indicates that the route's target isn't available (for example, the
    specified gateway isn't attached to the VPC ...)".
    """
    igw, own = gateway(ec2, vpc), table(ec2, vpc)
    ec2.create_route(RouteTableId=own, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw)
    far = ec2.create_vpc(CidrBlock="172.26.0.0/16")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=far)["VpcPeeringConnection"][
        "VpcPeeringConnectionId"
    ]
    ec2.create_route(RouteTableId=own, DestinationCidrBlock="172.26.0.0/16", VpcPeeringConnectionId=peering)
    assert {f"{net}.0.0/16": "active", "0.0.0.0/0": "active", "172.26.0.0/16": "blackhole"} == states(ec2, own)
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    assert {f"{net}.0.0/16": "active", "0.0.0.0/0": "blackhole", "172.26.0.0/16": "active"} == states(ec2, own)
    assert {
        Route(f"{net}.0.0/16", "local"), Route("0.0.0.0/0", igw, active=False), Route("172.26.0.0/16", peering),
    } == set(served.states[-1].route_tables[own].routes)  # fmt: skip
    ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    assert {f"{net}.0.0/16": "active", "0.0.0.0/0": "active", "172.26.0.0/16": "blackhole"} == states(ec2, own)


def test_routes_are_refused(ec2: EC2Client, vpc: str, subnet: str, refused: Refused) -> None:
    """Second routes to one (canonical) destination, targets that do not exist or belong elsewhere, the local route.

    EC2 API Reference, CreateRoute, "Error codes": RouteAlreadyExists, InvalidRoute.NotFound.
    """
    igw, own = gateway(ec2, vpc), table(ec2, vpc)
    ec2.create_route(RouteTableId=own, DestinationCidrBlock="100.68.0.18/18", GatewayId=igw)
    ec2.create_route(RouteTableId=own, DestinationIpv6CidrBlock="2001:db8::1/32", GatewayId=igw)
    assert {"100.68.0.0/18", "2001:db8::/32"} <= set(states(ec2, own))
    with refused("RouteAlreadyExists"):
        ec2.create_route(RouteTableId=own, DestinationCidrBlock="100.68.0.0/18", GatewayId=igw)
    with refused("RouteAlreadyExists"):
        ec2.create_route(RouteTableId=own, DestinationIpv6CidrBlock="2001:db8::/32", GatewayId=igw)
    with refused("NatGatewayNotFound"):
        ec2.create_route(RouteTableId=own, DestinationCidrBlock="10.99.0.0/16", NatGatewayId="nat-0123456789abcdef0")
    elsewhere = gateway(ec2, ec2.create_vpc(CidrBlock="10.240.0.0/16")["Vpc"]["VpcId"])
    with refused("InvalidParameterValue"):
        ec2.create_route(RouteTableId=own, DestinationCidrBlock="10.99.0.0/16", GatewayId=elsewhere)
    with refused("InvalidRoute.NotFound"):
        ec2.delete_route(RouteTableId=own, DestinationCidrBlock="10.98.0.0/16")
    with refused("InvalidParameterValue"):
        ec2.replace_route(RouteTableId=own, DestinationCidrBlock="10.98.0.0/16", GatewayId=igw)
    eni = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.replace_route(RouteTableId=own, DestinationCidrBlock="100.68.0.0/18", NetworkInterfaceId=eni)
    ec2.delete_route(RouteTableId=own, DestinationCidrBlock="100.68.0.0/18")
    ec2.delete_route(RouteTableId=own, DestinationIpv6CidrBlock="2001:db8::/32")
    assert 1 == len(states(ec2, own))


def test_a_prefix_list_to_an_interface(ec2: EC2Client, served: Served, vpc: str, subnet: str) -> None:
    """The state has the list's id as destination and the interface as target (EC2 API Reference, CreateRoute)."""
    entries: Any = [{"Cidr": "192.0.2.0/24"}]
    listed = ec2.create_managed_prefix_list(PrefixListName="r", MaxEntries=1, AddressFamily="IPv4", Entries=entries)
    id, own = listed["PrefixList"]["PrefixListId"], table(ec2, vpc)
    (instance,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=subnet)["Instances"]
    eni = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=own, DestinationPrefixListId=id, NetworkInterfaceId=eni)
    assert Route(id, eni) in served.states[-1].route_tables[own].routes
    ec2.stop_instances(InstanceIds=[instance["InstanceId"]])
    assert Route(id, eni, active=False) in served.states[-1].route_tables[own].routes


def test_tables_and_acls_of_subnets(ec2: EC2Client, served: Served, vpc: str, subnet: str, refused: Refused) -> None:
    """The effective ones: default and main, then the subnet's own; one table per subnet.

    VPC User Guide, "Subnet route tables", "Network ACLs"; EC2 API Reference, "Error codes": Resource.AlreadyAssociated.
    """
    before = served.states[-1].subnets[subnet]
    own, other = table(ec2, vpc), table(ec2, vpc)
    association = ec2.associate_route_table(RouteTableId=own, SubnetId=subnet)["AssociationId"]
    with refused("Resource.AlreadyAssociated"):
        ec2.associate_route_table(RouteTableId=other, SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=own)
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    (old,) = [
        one
        for found in ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "NetworkAcls"
        ]
        for one in found["Associations"]
        if one["SubnetId"] == subnet
    ]
    ec2.replace_network_acl_association(AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl)
    got = served.states[-1].subnets[subnet]
    assert (own, acl) == (got.route_table, got.acl) != (before.route_table, before.acl)
    new = ec2.replace_route_table_association(AssociationId=association, RouteTableId=other)["NewAssociationId"]
    assert other == served.states[-1].subnets[subnet].route_table
    ec2.disassociate_route_table(AssociationId=new)
    assert before.route_table == served.states[-1].subnets[subnet].route_table
    (main,) = ec2.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"]
    moved = main["Associations"][0]["RouteTableAssociationId"]
    ec2.replace_route_table_association(AssociationId=moved, RouteTableId=own)
    assert own == served.states[-1].subnets[subnet].route_table
    ec2.delete_subnet(SubnetId=subnet)
    assert subnet not in served.states[-1].subnets
    (left,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert [] == left["Associations"]


def test_acl_entries(ec2: EC2Client, served: Served, vpc: str, refused: Refused) -> None:
    """New ACLs deny; entries with ports, ICMP type and code, IPv6, canonical CIDRs; replaced, deleted, or not found.

    EC2 API Reference, CreateNetworkAcl, CreateNetworkAclEntry ("If you specify 100.68.0.18/18, we modify it to
    100.68.0.0/18"), "Error codes": NetworkAclEntryAlreadyExists, InvalidNetworkAclEntry.NotFound.
    """
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    deny = {AclEntry(32767, egress, False, "-1", "0.0.0.0/0") for egress in (False, True)}
    assert deny == set(served.states[-1].acls[acl].entries)
    one: Any = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False, "RuleAction": "allow"}
    web = {**one, "Protocol": "6", "PortRange": {"From": 80, "To": 443}, "CidrBlock": "100.68.0.18/18"}
    ec2.create_network_acl_entry(**web)
    with refused("NetworkAclEntryAlreadyExists"):
        ec2.create_network_acl_entry(**web)
    ec2.create_network_acl_entry(
        **{**one, "RuleNumber": 110}, Protocol="1", IcmpTypeCode={"Type": 8, "Code": -1}, CidrBlock="0.0.0.0/0"
    )
    ec2.create_network_acl_entry(**{**one, "Egress": True}, Protocol="-1", Ipv6CidrBlock="2001:DB8::/32")
    assert deny | {
        AclEntry(100, False, True, "6", "100.68.0.0/18", 80, 443),
        AclEntry(110, False, True, "1", "0.0.0.0/0", None, None, 8, -1),
        AclEntry(100, True, True, "-1", "2001:db8::/32"),
    } == set(served.states[-1].acls[acl].entries)
    ec2.replace_network_acl_entry(**{**web, "RuleAction": "deny", "CidrBlock": "10.0.0.0/8"})
    assert AclEntry(100, False, False, "6", "10.0.0.0/8", 80, 443) in served.states[-1].acls[acl].entries
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2.replace_network_acl_entry(**{**web, "RuleNumber": 999})
    with refused("InvalidNetworkAclEntry.NotFound"):
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=999, Egress=True)
    with refused("InvalidParameterValue"):
        ec2.create_network_acl_entry(**{**web, "RuleNumber": 32767})
    with refused("InvalidAssociationID.NotFound"):
        ec2.replace_network_acl_association(AssociationId="aclassoc-0123456789abcdef0", NetworkAclId=acl)
    for number, egress in ((100, False), (110, False), (100, True)):
        ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=egress)
    assert deny == set(served.states[-1].acls[acl].entries)


def test_second_blocks(ec2: EC2Client, served: Served, vpc: str, net: str) -> None:
    """A VPC's second block is routed locally; an IPv6 block opens the default ACL and unchanged groups.

    EC2 API Reference, AssociateVpcCidrBlock; VPC User Guide, "Default network ACL", "Default security groups".
    """
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="100.70.0.7/16")
    ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    state = served.states[-1]
    assert (f"{net}.0.0/16", "100.70.0.0/16") == state.vpcs[vpc].ipv4
    (six,) = state.vpcs[vpc].ipv6
    (main,) = [one for one in state.route_tables.values() if one.vpc == vpc]
    assert {Route(block, "local") for block in (f"{net}.0.0/16", "100.70.0.0/16", six)} == set(main.routes)
    (acl,) = [one for one in state.acls.values() if one.vpc == vpc]
    assert {"0.0.0.0/0", "::/0"} == {entry.cidr for entry in acl.entries if entry.allow}
    (default,) = [one for one in state.groups.values() if one.vpc == vpc]
    assert {"0.0.0.0/0", "::/0"} == {rule.cidr for rule in default.rules if rule.egress}


def test_a_block_of_ones_own(ec2: EC2Client, served: Served, vpc: str, refused: Refused) -> None:
    """A VPC has the very IPv6 block that was asked for, at once or later, and routes it; a pool must be named.

    EC2 API Reference, CreateVpc, AssociateVpcCidrBlock: "Ipv6CidrBlock: The IPv6 CIDR block from the IPv6 address
    pool. You must also specify Ipv6Pool in the request."
    """
    own: Any = {"Ipv6CidrBlock": "2001:db8:1200::/56", "Ipv6Pool": "ipv6pool-ec2-0123"}
    made = ec2.create_vpc(CidrBlock="10.220.0.0/16", **own)["Vpc"]
    assert ["2001:db8:1200::/56"] == [one["Ipv6CidrBlock"] for one in made["Ipv6CidrBlockAssociationSet"]]
    answer = ec2.associate_vpc_cidr_block(VpcId=vpc, Ipv6CidrBlock="2001:db8:1300::/56", Ipv6Pool="ipv6pool-ec2-0123")
    assert "2001:db8:1300::/56" == answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"]
    state = served.states[-1]
    for id, block in ((made["VpcId"], "2001:db8:1200::/56"), (vpc, "2001:db8:1300::/56")):
        assert (block,) == state.vpcs[id].ipv6
        (main,) = [one for one in state.route_tables.values() if one.vpc == id]
        assert Route(block, "local") in main.routes
        assert [block] == [
            one["Ipv6CidrBlock"] for one in ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
        ]
    with refused("MissingParameter"):
        ec2.create_vpc(CidrBlock="10.221.0.0/16", Ipv6CidrBlock="2001:db8:1200::/56")


def test_deleting_is_refused_while_held(ec2: EC2Client, vpc: str, subnet: str, refused: Refused) -> None:
    """Subnets with interfaces, VPCs with a gateway or a group, gateways with public addresses behind them.

    EC2 API Reference, DeleteSubnet, DeleteVpc, DetachInternetGateway: DependencyViolation.
    """
    igw = gateway(ec2, vpc)
    eni = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    eip = ec2.allocate_address(Domain="vpc")["AllocationId"]
    association = ec2.associate_address(AllocationId=eip, NetworkInterfaceId=eni)["AssociationId"]
    with refused("DependencyViolation"):
        ec2.delete_subnet(SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    with refused("Resource.AlreadyAssociated"):
        gateway(ec2, vpc)
    ec2.disassociate_address(AssociationId=association)
    ec2.release_address(AllocationId=eip)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.delete_subnet(SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=vpc)
    ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)


def test_peering(ec2: EC2Client, served: Served, vpc: str, net: str) -> None:
    """Active when accepted; overlapping blocks fail (VPC Peering Guide, "VPC peering limitations")."""
    far = ec2.create_vpc(CidrBlock="172.25.0.0/16")["Vpc"]["VpcId"]
    id = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=far)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    assert (vpc, far, False) == (
        served.states[-1].peerings[id].requester, served.states[-1].peerings[id].accepter,
        served.states[-1].peerings[id].active,
    )  # fmt: skip
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    assert served.states[-1].peerings[id].active
    twin = ec2.create_vpc(CidrBlock=f"{net}.0.0/16")["Vpc"]["VpcId"]
    bad = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=twin)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    found = ec2.describe_vpc_peering_connections(
        Filters=[
            {"Name": "requester-vpc-info.vpc-id", "Values": [vpc]},
            {"Name": "status-code", "Values": ["failed", "deleted"]},
        ]
    )["VpcPeeringConnections"]
    assert [bad] == [one["VpcPeeringConnectionId"] for one in found]
    assert not served.states[-1].peerings[bad].active


def test_egress_only_gateway(ec2: EC2Client, served: Served, vpc: str) -> None:
    """In the state with its VPC, and as a route's target (EC2 API Reference, CreateEgressOnlyInternetGateway)."""
    made = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    id, own = made["EgressOnlyInternetGatewayId"], table(ec2, vpc)
    ec2.create_route(RouteTableId=own, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=id)
    assert vpc == served.states[-1].egress_only_gateways[id]
    assert Route("::/0", id) in served.states[-1].route_tables[own].routes
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=id)
    assert Route("::/0", id, active=False) in served.states[-1].route_tables[own].routes


@pytest.mark.parametrize("default", ["enable", "disable"])
def test_transit_gateway(ec2: EC2Client, served: Served, vpc: str, subnet: str, net: str, default: str) -> None:
    """Attachments associate with and propagate to the default table only if the gateway says so; static routes win;
    blackholes have no target; searches show both kinds.

    EC2 API Reference, TransitGatewayRequestOptions, SearchTransitGatewayRoutes; Transit Gateways, "Route evaluation
    order".
    """
    options: Any = {"DefaultRouteTableAssociation": default, "DefaultRouteTablePropagation": default}
    made = ec2.create_transit_gateway(Options=options)["TransitGateway"]
    id, main = made["TransitGatewayId"], made["Options"]["AssociationDefaultRouteTableId"]
    far = ec2.create_vpc(CidrBlock="172.24.0.0/16")["Vpc"]["VpcId"]
    there = ec2.create_subnet(VpcId=far, CidrBlock="172.24.1.0/24")["Subnet"]["SubnetId"]
    here, away = (
        ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=id, VpcId=v, SubnetIds=[s])[
            "TransitGatewayVpcAttachment"
        ]["TransitGatewayAttachmentId"]
        for v, s in ((vpc, subnet), (far, there))
    )
    got = served.states[-1].transit_gateways[id]
    assert {here: vpc, away: far} == got.attachments
    every = {(f"{net}.0.0/16", here), ("172.24.0.0/16", away)}
    assert (every if default == "enable" else set()) == set(got.routes[here]) == set(got.routes[away])
    if default == "disable":
        for one in (here, away):
            ec2.associate_transit_gateway_route_table(TransitGatewayRouteTableId=main, TransitGatewayAttachmentId=one)
            ec2.enable_transit_gateway_route_table_propagation(
                TransitGatewayRouteTableId=main, TransitGatewayAttachmentId=one
            )
        assert every == set(served.states[-1].transit_gateways[id].routes[here])
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId=main, DestinationCidrBlock="172.24.0.0/16", Blackhole=True
    )
    ec2.create_transit_gateway_route(
        TransitGatewayRouteTableId=main, DestinationCidrBlock="0.0.0.0/0", TransitGatewayAttachmentId=away
    )
    routes = set(served.states[-1].transit_gateways[id].routes[here])
    assert {(f"{net}.0.0/16", here), ("172.24.0.0/16", None), ("0.0.0.0/0", away)} == routes
    found = ec2.search_transit_gateway_routes(
        TransitGatewayRouteTableId=main, Filters=[{"Name": "state", "Values": ["active", "blackhole"]}]
    )["Routes"]
    assert {(f"{net}.0.0/16", "propagated"), ("172.24.0.0/16", "static"), ("0.0.0.0/0", "static")} == {
        (one["DestinationCidrBlock"], one["Type"]) for one in found
    }
    ec2.disassociate_transit_gateway_route_table(TransitGatewayRouteTableId=main, TransitGatewayAttachmentId=here)
    assert () == served.states[-1].transit_gateways[id].routes[here]
    ec2.delete_transit_gateway_vpc_attachment(TransitGatewayAttachmentId=away)
    assert {here: vpc} == served.states[-1].transit_gateways[id].attachments


def test_a_subnet_gets_a_block_later(ec2: EC2Client, served: Served, refused: Refused) -> None:
    """Of the VPC's own, as at its creation (EC2 API Reference, AssociateSubnetCidrBlock)."""
    own: Any = {"Ipv6CidrBlock": "2001:db8:1400::/56", "Ipv6Pool": "ipv6pool-ec2-0123"}
    vpc = ec2.create_vpc(CidrBlock="10.222.0.0/16", **own)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.222.1.0/24")["Subnet"]["SubnetId"]
    with refused("InvalidSubnet.Range"):
        ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock="2001:db8:9999::/64")
    ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock="2001:db8:1400:7::/64")
    assert ("2001:db8:1400:7::/64",) == served.states[-1].subnets[subnet].ipv6


def test_what_belongs_to_a_vpc_stays(ec2: EC2Client, vpc: str, subnet: str, refused: Refused) -> None:
    """The default ACL, the main route table, an instance's primary interface, a second table of an attachment.

    EC2 API Reference, DeleteNetworkAcl, DeleteRouteTable, DetachNetworkInterface, AssociateTransitGatewayRouteTable.
    """
    mine: Any = [{"Name": "vpc-id", "Values": [vpc]}]
    with refused("InvalidParameterValue"):
        ec2.delete_network_acl(NetworkAclId=ec2.describe_network_acls(Filters=mine)["NetworkAcls"][0]["NetworkAclId"])
    with refused("DependencyViolation"):
        ec2.delete_route_table(RouteTableId=ec2.describe_route_tables(Filters=mine)["RouteTables"][0]["RouteTableId"])
    ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=subnet)
    (eni,) = ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    with refused("OperationNotPermitted"):
        ec2.detach_network_interface(AttachmentId=eni["Attachment"]["AttachmentId"])
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    made = ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=vpc, SubnetIds=[subnet])
    second = ec2.create_transit_gateway_route_table(TransitGatewayId=gateway)["TransitGatewayRouteTable"]
    with refused("Resource.AlreadyAssociated"):
        ec2.associate_transit_gateway_route_table(
            TransitGatewayRouteTableId=second["TransitGatewayRouteTableId"],
            TransitGatewayAttachmentId=made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"],
        )
