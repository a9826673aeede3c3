"""Network interfaces and instances over HTTP: addresses, groups, IPv6, elastic addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from tests.lab.cloud.conftest import Refused, Served

Make = Callable[..., str]


def run(ec2: EC2Client, **wanted: Any) -> tuple[str, str]:
    """(instance, its primary interface)."""
    (one,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, **wanted)["Instances"]
    return one["InstanceId"], one["NetworkInterfaces"][0]["NetworkInterfaceId"]


def interface(ec2: EC2Client, id: str) -> Any:
    """A described interface."""
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]


def groups_in_both_views(ec2: EC2Client, instance: str, eni: str) -> tuple[list[str], list[str], list[str]]:
    """Groups of an instance: as the instance says, as its interface entry says, as the interface says."""
    one = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return (
        [g["GroupId"] for g in one["SecurityGroups"]],
        [g["GroupId"] for g in one["NetworkInterfaces"][0]["Groups"]],
        [g["GroupId"] for g in interface(ec2, eni)["Groups"]],
    )


def test_groups_are_replaced(ec2: EC2Client, subnet: str, group: Make) -> None:
    """ModifyInstanceAttribute and ModifyNetworkInterfaceAttribute replace, and every view agrees.

    EC2 API Reference, ModifyInstanceAttribute ("Replaces the security groups of the instance with the specified
    security groups"), ModifyNetworkInterfaceAttribute ("Changes the security groups for the network interface. The new
    set of groups you specify replaces the current set").
    """
    a, b, c = group("a"), group("b"), group("c")
    instance, eni = run(ec2, SubnetId=subnet, SecurityGroupIds=[a])
    assert ([a], [a], [a]) == groups_in_both_views(ec2, instance, eni)
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[b])
    assert ([b], [b], [b]) == groups_in_both_views(ec2, instance, eni)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[a, c])
    assert ([a, c], [a, c], [a, c]) == groups_in_both_views(ec2, instance, eni)
    found = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [c]}])["NetworkInterfaces"]
    assert [eni] == [one["NetworkInterfaceId"] for one in found]


def test_secondary_interface_has_its_own_groups(ec2: EC2Client, subnet: str, group: Make, refused: Refused) -> None:
    """An attached interface keeps its groups; the instance with two can be changed by interface only.

    EC2 API Reference, ModifyInstanceAttribute: "If the instance has multiple network interfaces, specify one".
    """
    a, b = group("a"), group("b")
    instance, _ = run(ec2, SubnetId=subnet, SecurityGroupIds=[a])
    second = ec2.create_network_interface(SubnetId=subnet, Groups=[b])["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=instance, DeviceIndex=1)
    got = interface(ec2, second)
    assert ([b], instance, "in-use") == (
        [g["GroupId"] for g in got["Groups"]], got["Attachment"]["InstanceId"], got["Status"],
    )  # fmt: skip
    with refused("InvalidInstanceID"):
        ec2.modify_instance_attribute(InstanceId=instance, Groups=[b])
    with refused("InvalidNetworkInterface.InUse"):
        ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=instance, DeviceIndex=2)
    with refused("InvalidParameterValue"):
        ec2.delete_network_interface(NetworkInterfaceId=second)
    ec2.detach_network_interface(AttachmentId=got["Attachment"]["AttachmentId"])
    assert "available" == interface(ec2, second)["Status"]
    ec2.delete_network_interface(NetworkInterfaceId=second)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        interface(ec2, second)


def test_addresses_exist_once(ec2: EC2Client, subnet: str, net: str, refused: Refused) -> None:
    """An address in use is refused, for interfaces, instances and secondary addresses; so are AWS's own five.

    EC2 API Reference, "Error codes": InvalidIPAddress.InUse; VPC User Guide, "Subnet CIDR blocks": the first four
    addresses and the last one are reserved.
    """
    ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"{net}.1.50")
    with refused("InvalidIPAddress.InUse"):
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"{net}.1.50")
    with refused("InvalidIPAddress.InUse"):
        run(ec2, SubnetId=subnet, PrivateIpAddress=f"{net}.1.50")
    one = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    with refused("InvalidIPAddress.InUse"):
        ec2.assign_private_ip_addresses(NetworkInterfaceId=one, PrivateIpAddresses=[f"{net}.1.50"])
    for last in (0, 1, 3, 255):
        with refused("InvalidParameterValue"):
            ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"{net}.1.{last}")
    with refused("InvalidParameterValue"):
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"{net}.2.9")


def test_chosen_addresses_never_collide(ec2: EC2Client, vpc: str, net: str, refused: Refused) -> None:
    """Instances and interfaces fill a /28 to its eleven addresses, each once; the twelfth is refused.

    EC2 API Reference, "Error codes": InsufficientFreeAddressesInSubnet.
    """
    small = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.9.0/28")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=small, SecondaryPrivateIpAddressCount=3)
    run(ec2, SubnetId=small)
    ec2.create_network_interface(SubnetId=small, PrivateIpAddress=f"{net}.9.14")
    run(ec2, SubnetId=small)
    for _ in range(4):
        ec2.create_network_interface(SubnetId=small)
    found = ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [small]}])["NetworkInterfaces"]
    every = [one["PrivateIpAddress"] for eni in found for one in eni["PrivateIpAddresses"]]
    assert sorted(f"{net}.9.{last}" for last in range(4, 15)) == sorted(every)
    with refused("InsufficientFreeAddressesInSubnet"):
        ec2.create_network_interface(SubnetId=small)


def test_secondary_addresses(ec2: EC2Client, subnet: str, net: str, refused: Refused) -> None:
    """EC2 API Reference, AssignPrivateIpAddresses, UnassignPrivateIpAddresses: the primary one stays."""
    made = ec2.create_network_interface(
        SubnetId=subnet,
        PrivateIpAddresses=[
            {"PrivateIpAddress": f"{net}.1.80", "Primary": False},
            {"PrivateIpAddress": f"{net}.1.81", "Primary": True},
        ],
    )["NetworkInterface"]
    eni = made["NetworkInterfaceId"]
    assert f"{net}.1.81" == made["PrivateIpAddress"]
    answer = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[f"{net}.1.82"])
    assert [f"{net}.1.82"] == [one["PrivateIpAddress"] for one in answer["AssignedPrivateIpAddresses"]]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[f"{net}.1.80"])
    got = [(one["PrivateIpAddress"], one["Primary"]) for one in interface(ec2, eni)["PrivateIpAddresses"]]
    assert [(f"{net}.1.81", True), (f"{net}.1.82", False)] == got
    with refused("InvalidParameterValue"):
        ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[f"{net}.1.81"])


def test_ipv6(ec2: EC2Client, served: Served, refused: Refused) -> None:
    """Blocks for VPC and subnet, addresses given, counted or automatic, taken away again, and all in the state.

    EC2 API Reference, CreateVpc, CreateSubnet, AssignIpv6Addresses, UnassignIpv6Addresses, ModifySubnetAttribute.
    """
    vpc = ec2.create_vpc(CidrBlock="10.201.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    five = ipaddress.IPv6Network(block)[5 << 64]
    cidr, beef = f"{five}/64", str(five + 0xBEEF)
    with refused("InvalidSubnet.Range"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.201.1.0/24", Ipv6CidrBlock="2001:db8:1:1::/64")
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.201.1.0/24", Ipv6CidrBlock=cidr)["Subnet"]
    subnet = made["SubnetId"]
    with refused("InvalidSubnet.Conflict"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.201.2.0/24", Ipv6CidrBlock=cidr)
    eni = ec2.create_network_interface(SubnetId=subnet, Ipv6AddressCount=2)["NetworkInterface"]["NetworkInterfaceId"]
    first = [one["Ipv6Address"] for one in interface(ec2, eni)["Ipv6Addresses"]]
    answer = ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[beef])
    assert [beef] == answer["AssignedIpv6Addresses"]
    with refused("InvalidIPAddress.InUse"):
        ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[beef.upper()])
    ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=first[:1])
    ec2.modify_subnet_attribute(SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": True})
    _, automatic = run(ec2, SubnetId=subnet)
    _, counted = run(ec2, SubnetId=subnet, Ipv6AddressCount=2)
    state = served.states[-1]
    assert (first[1], beef) == state.interfaces[eni].ipv6
    assert (1, 2) == (len(state.interfaces[automatic].ipv6), len(state.interfaces[counted].ipv6))
    assert ((cidr,), (block,)) == (state.subnets[subnet].ipv6, state.vpcs[vpc].ipv6)
    assert {"local"} == {r.target for r in state.route_tables[state.subnets[subnet].route_table].routes}
    acl = state.acls[state.subnets[subnet].acl]
    assert {("0.0.0.0/0", 100), ("::/0", 101)} == {(e.cidr, e.number) for e in acl.entries if e.allow}
    group = state.groups[state.interfaces[eni].groups[0]]
    assert {"0.0.0.0/0", "::/0"} == {rule.cidr for rule in group.rules if rule.egress}


def test_delegated_prefixes_are_refused(ec2: EC2Client, subnet: str, refused: Refused) -> None:
    """Not modelled, and said so, instead of an interface without them."""
    with refused("UnsupportedOperation"):
        ec2.create_network_interface(SubnetId=subnet, Ipv4PrefixCount=1)
    one = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    with refused("UnsupportedOperation"):
        ec2.assign_private_ip_addresses(NetworkInterfaceId=one, Ipv4PrefixCount=1)
    with refused("UnsupportedOperation"):
        ec2.assign_ipv6_addresses(NetworkInterfaceId=one, Ipv6PrefixCount=1)


def test_instance_interfaces(ec2: EC2Client, served: Served, subnet: str, net: str, group: Make) -> None:
    """Interfaces as specified, made with the instance and gone with it, except those that were there before.

    EC2 API Reference, InstanceNetworkInterfaceSpecification; EC2 User Guide, "Terminate Amazon EC2 instances".
    """
    a, b = group("a"), group("b")
    own = ec2.create_network_interface(SubnetId=subnet, Groups=[b])["NetworkInterface"]["NetworkInterfaceId"]
    spec: Any = [
        {
            "DeviceIndex": 0,
            "SubnetId": subnet,
            "Groups": [a],
            "PrivateIpAddresses": [
                {"PrivateIpAddress": f"{net}.1.30", "Primary": True},
                {"PrivateIpAddress": f"{net}.1.31", "Primary": False},
            ],
            "AssociatePublicIpAddress": True,
        },
        {"DeviceIndex": 1, "NetworkInterfaceId": own},
    ]
    instance, eni = run(ec2, NetworkInterfaces=spec)
    one = served.states[-1].interfaces[eni]
    assert ((f"{net}.1.30", f"{net}.1.31"), (a,), instance) == (one.ipv4, one.groups, one.instance)
    assert [f"{net}.1.30"] == list(one.public) and one.public[f"{net}.1.30"].startswith("198.18.0.")
    assert instance == served.states[-1].interfaces[own].instance
    ec2.terminate_instances(InstanceIds=[instance])
    state = served.states[-1]
    assert eni not in state.interfaces
    assert (None, (b,)) == (state.interfaces[own].instance, state.interfaces[own].groups)
    assert "available" == interface(ec2, own)["Status"]


def test_no_subnet_means_the_default_vpc(ec2: EC2Client) -> None:
    """The interface lies in a default subnet, in its range (EC2 API Reference, RunInstances: "If you don't specify a
    subnet ID, we choose a default subnet from your default VPC for you")."""
    _, eni = run(ec2)
    got = interface(ec2, eni)
    (subnet,) = ec2.describe_subnets(SubnetIds=[got["SubnetId"]])["Subnets"]
    assert subnet["DefaultForAz"] and got["PrivateIpAddress"].startswith(subnet["CidrBlock"].rpartition(".")[0][:6])


def test_elastic_addresses(ec2: EC2Client, served: Served, subnet: str, net: str, refused: Refused) -> None:
    """From the lab's range; on a chosen private address; moved; refused while in use; free again.

    EC2 API Reference, AllocateAddress, AssociateAddress, DisassociateAddress, ReleaseAddress.
    """
    one, two = (ec2.allocate_address(Domain="vpc") for _ in range(2))
    assert one["PublicIp"].startswith("198.18.0.") and one["PublicIp"] != two["PublicIp"]
    with refused("InvalidIPAddress.InUse"):
        ec2.allocate_address(Domain="vpc", Address=one["PublicIp"])
    wished = ec2.allocate_address(Domain="vpc", Address="198.18.0.200")
    assert "198.18.0.200" == wished["PublicIp"]
    eni = ec2.create_network_interface(
        SubnetId=subnet, PrivateIpAddress=f"{net}.1.20", SecondaryPrivateIpAddressCount=1
    )["NetworkInterface"]
    id, second = eni["NetworkInterfaceId"], eni["PrivateIpAddresses"][1]["PrivateIpAddress"]
    ec2.associate_address(AllocationId=one["AllocationId"], NetworkInterfaceId=id)
    ec2.associate_address(AllocationId=two["AllocationId"], NetworkInterfaceId=id, PrivateIpAddress=second)
    assert {f"{net}.1.20": one["PublicIp"], second: two["PublicIp"]} == served.states[-1].interfaces[id].public
    got = interface(ec2, id)
    assert (one["AllocationId"], two["PublicIp"]) == (
        got["Association"]["AllocationId"], got["PrivateIpAddresses"][1]["Association"]["PublicIp"],
    )  # fmt: skip
    described = ec2.describe_addresses(AllocationIds=[two["AllocationId"]])["Addresses"][0]
    assert (second, id) == (described["PrivateIpAddress"], described["NetworkInterfaceId"])
    other = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    with refused("Resource.AlreadyAssociated"):
        ec2.associate_address(AllocationId=one["AllocationId"], NetworkInterfaceId=other, AllowReassociation=False)
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=one["AllocationId"])
    ec2.associate_address(AllocationId=one["AllocationId"], NetworkInterfaceId=other)
    assert {second: two["PublicIp"]} == served.states[-1].interfaces[id].public
    ec2.associate_address(AllocationId=wished["AllocationId"], NetworkInterfaceId=other)  # takes the place of `one`
    assert ["198.18.0.200"] == list(served.states[-1].interfaces[other].public.values())
    ec2.release_address(AllocationId=one["AllocationId"])
    ec2.delete_network_interface(NetworkInterfaceId=id)
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[two["AllocationId"]])["Addresses"][0]


def test_nat_gateway(ec2: EC2Client, served: Served, subnet: str, refused: Refused) -> None:
    """Its interface has an address of the subnet, no group, the elastic address, and goes with it.

    VPC User Guide, "NAT gateways"; EC2 API Reference, CreateNatGateway, DeleteNatGateway.
    """
    eip = ec2.allocate_address(Domain="vpc")
    made = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=eip["AllocationId"])["NatGateway"]
    id = made["NatGatewayId"]
    (entry,) = made["NatGatewayAddresses"]
    one = served.states[-1].interfaces[entry["NetworkInterfaceId"]]
    assert ("nat_gateway", (), {entry["PrivateIp"]: eip["PublicIp"]}) == (one.kind, one.groups, one.public)
    nat = served.states[-1].nat_gateways[id]
    assert (subnet, one.id, eip["PublicIp"]) == (nat.subnet, nat.interface, nat.public)
    with refused("Resource.AlreadyAssociated"):
        ec2.create_nat_gateway(SubnetId=subnet, AllocationId=eip["AllocationId"])
    ec2.delete_nat_gateway(NatGatewayId=id)
    assert one.id not in served.states[-1].interfaces and id not in served.states[-1].nat_gateways
    ec2.release_address(AllocationId=eip["AllocationId"])


def test_interface_endpoint(ec2: EC2Client, served: Served, vpc: str, subnet: str, group: Make) -> None:
    """An interface of the subnet in the endpoint's groups, which follow, and gone with it.

    AWS PrivateLink Guide; EC2 API Reference, CreateVpcEndpoint, ModifyVpcEndpoint, DeleteVpcEndpoints.
    """
    a, b = group("a"), group("b")
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName="com.amazonaws.us-east-1.sqs",
        VpcEndpointType="Interface",
        SubnetIds=[subnet],
        SecurityGroupIds=[a],
    )["VpcEndpoint"]
    (eni,) = made["NetworkInterfaceIds"]
    assert (subnet, (a,), "vpc_endpoint") == (
        served.states[-1].interfaces[eni].subnet, served.states[-1].interfaces[eni].groups,
        served.states[-1].interfaces[eni].kind,
    )  # fmt: skip
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], AddSecurityGroupIds=[b], RemoveSecurityGroupIds=[a])
    assert (b,) == served.states[-1].interfaces[eni].groups
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])
    assert eni not in served.states[-1].interfaces
