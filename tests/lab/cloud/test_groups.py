"""Security groups over HTTP: deleting, describing, who refers to whom, which VPCs they serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from tests.lab.cloud.conftest import Refused

Make = Callable[..., str]


def ssh_from(group: str) -> Any:
    """An IpPermission: ssh from a group."""
    return {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": group}]}


def peered(ec2: EC2Client, one: str, two: str) -> str:
    """An active peering of two VPCs."""
    made = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=two)["VpcPeeringConnection"]
    id = made["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    return id


def test_delete_while_in_use(ec2: EC2Client, subnet: str, group: Make, refused: Refused) -> None:
    """A group that an interface has, or that another group names, cannot be deleted; then it can.

    EC2 API Reference, DeleteSecurityGroup: "... the operation fails with DependencyViolation".
    """
    own, other = group("own"), group("other")
    eni = ec2.create_network_interface(SubnetId=subnet, Groups=[own])["NetworkInterface"]["NetworkInterfaceId"]
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=own)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[other])
    ec2.authorize_security_group_egress(GroupId=other, IpPermissions=[ssh_from(own)])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=own)
    ec2.revoke_security_group_egress(GroupId=other, IpPermissions=[ssh_from(own)])
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[ssh_from(own)])  # itself does not count
    assert own == ec2.delete_security_group(GroupId=own)["GroupId"]
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[own])


def test_default_group(ec2: EC2Client, vpc: str, refused: Refused) -> None:
    """It lets its own members in, lets everything out, and stays.

    VPC User Guide, "Default security groups"; EC2 API Reference, "Error codes": CannotDelete.
    """
    for where in (vpc, ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]):
        wanted: Any = [{"Name": "vpc-id", "Values": [where]}, {"Name": "group-name", "Values": ["default"]}]
        (one,) = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
        (ingress,), (egress,) = one["IpPermissions"], one["IpPermissionsEgress"]
        assert ("-1", [one["GroupId"]]) == (ingress["IpProtocol"], [p["GroupId"] for p in ingress["UserIdGroupPairs"]])
        assert ("-1", [{"CidrIp": "0.0.0.0/0"}]) == (egress["IpProtocol"], egress["IpRanges"])
        with refused("CannotDelete"):
            ec2.delete_security_group(GroupId=one["GroupId"])


def test_names_are_unique_in_a_vpc_only(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """EC2 API Reference, CreateSecurityGroup: "You can't have two security groups for the same VPC with the same
    name"; a name cannot start with sg-."""
    group("same")
    with refused("InvalidGroup.Duplicate"):
        group("same")
    with refused("InvalidParameterValue"):
        group("sg-looks-like-an-id")
    group("same", ec2.create_vpc(CidrBlock="10.250.0.0/16")["Vpc"]["VpcId"])


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"group-name": ["we*"]}, {"web"}),
        ({"group-name": ["w?b", "db"]}, {"web", "db"}),
        ({"group-name": ["WEB"]}, set()),
        ({"ip-permission.cidr": ["192.0.2.0/24"]}, {"web"}),
        ({"ip-permission.from-port": ["443"]}, {"web"}),
        ({"ip-permission.protocol": ["tcp"]}, {"web", "db"}),
        ({"egress.ip-permission.cidr": ["0.0.0.0/0"], "description": ["the db"]}, {"db"}),
        ({"tag:Tier": ["data"]}, {"db"}),
        ({"tag-key": ["Tier"]}, {"db"}),
    ],
)
def test_filters(ec2: EC2Client, vpc: str, group: Make, filters: dict[str, list[str]], found: set[str]) -> None:
    """AND between filters, OR between values, wildcards, case (EC2 API Reference, DescribeSecurityGroups, Filter.N;
    EC2 User Guide, "List and filter using the CLI and API")."""
    web, db = group("web"), group("db")
    ec2.authorize_security_group_ingress(GroupId=web, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="192.0.2.0/24")
    ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[ssh_from(web)])
    ec2.create_tags(Resources=[db], Tags=[{"Key": "Tier", "Value": "data"}])
    wanted: Any = [{"Name": name, "Values": values} for name, values in {"vpc-id": [vpc], **filters}.items()]
    got = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    assert found == {one["GroupName"] for one in got}


def test_unknown_filter_and_group(ec2: EC2Client, refused: Refused) -> None:
    """Neither is silently empty (EC2 API Reference, "Error codes": InvalidParameterValue, InvalidGroup.NotFound,
    InvalidGroupId.Malformed)."""
    with refused("InvalidParameterValue"):
        ec2.describe_security_groups(Filters=[{"Name": "no-such-filter", "Values": ["x"]}])
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=["sg-0123456789abcdef0"])
    with refused("InvalidGroupId.Malformed"):
        ec2.describe_security_groups(GroupIds=["web"])


def test_references_across_a_peering(ec2: EC2Client, vpc: str, group: Make, refused: Refused) -> None:
    """A peered VPC's group can be named; the rule says over which peering; DescribeSecurityGroupReferences finds it;
    when the peering is gone, the rule is stale.

    EC2 API Reference, DescribeSecurityGroupReferences, DescribeStaleSecurityGroups; VPC Peering Guide, "Update your
    security groups to reference peer security groups".
    """
    far_vpc = ec2.create_vpc(CidrBlock="172.29.0.0/16")["Vpc"]["VpcId"]
    here, far = group("here"), group("far", far_vpc)
    with refused("InvalidGroup.NotFound"):
        ec2.authorize_security_group_ingress(GroupId=here, IpPermissions=[ssh_from(far)])
    peering = peered(ec2, vpc, far_vpc)
    ec2.authorize_security_group_ingress(GroupId=here, IpPermissions=[ssh_from(far)])
    (pair,) = ec2.describe_security_groups(GroupIds=[here])["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"]
    assert (far, far_vpc, peering, "active") == (
        pair["GroupId"], pair["VpcId"], pair["VpcPeeringConnectionId"], pair["PeeringStatus"],
    )  # fmt: skip
    (link,) = ec2.describe_security_group_references(GroupId=[far])["SecurityGroupReferenceSet"]
    assert (far, vpc, peering) == (link["GroupId"], link["ReferencingVpcId"], link["VpcPeeringConnectionId"])
    assert [] == ec2.describe_stale_security_groups(VpcId=vpc)["StaleSecurityGroupSet"]
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    (stale,) = ec2.describe_stale_security_groups(VpcId=vpc)["StaleSecurityGroupSet"]
    assert here == stale["GroupId"]
    assert far == stale["StaleIpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"]


def test_a_group_of_another_vpc_may_be_deleted_though_named(ec2: EC2Client, vpc: str, group: Make) -> None:
    """Only references in the same VPC hold a group; the peer's rule becomes stale (DeleteSecurityGroup)."""
    far_vpc = ec2.create_vpc(CidrBlock="172.28.0.0/16")["Vpc"]["VpcId"]
    here, far = group("here"), group("far", far_vpc)
    peered(ec2, vpc, far_vpc)
    ec2.authorize_security_group_ingress(GroupId=here, IpPermissions=[ssh_from(far)])
    ec2.delete_security_group(GroupId=far)
    (stale,) = ec2.describe_stale_security_groups(VpcId=vpc)["StaleSecurityGroupSet"]
    assert here == stale["GroupId"]
    ec2.revoke_security_group_ingress(GroupId=here, IpPermissions=[ssh_from(far)])  # a stale rule can be revoked


def test_groups_for_other_vpcs(ec2: EC2Client, vpc: str, net: str, group: Make, refused: Refused) -> None:
    """An associated group can be used in the other VPC, and is held there.

    EC2 API Reference, AssociateSecurityGroupVpc, DisassociateSecurityGroupVpc, GetSecurityGroupsForVpc,
    DescribeSecurityGroupVpcAssociations.
    """
    other = ec2.create_vpc(CidrBlock="172.27.0.0/16")["Vpc"]["VpcId"]
    there = ec2.create_subnet(VpcId=other, CidrBlock="172.27.1.0/24")["Subnet"]["SubnetId"]
    own = group("shared")
    with refused("InvalidGroup.NotFound"):
        ec2.create_network_interface(SubnetId=there, Groups=[own])
    assert "associating" == ec2.associate_security_group_vpc(GroupId=own, VpcId=other)["State"]
    (one,) = ec2.describe_security_group_vpc_associations(Filters=[{"Name": "group-id", "Values": [own]}])[
        "SecurityGroupVpcAssociations"
    ]
    assert (own, other, "associated") == (one["GroupId"], one["VpcId"], one["State"])
    usable = {
        g["GroupId"]: g["PrimaryVpcId"] for g in ec2.get_security_groups_for_vpc(VpcId=other)["SecurityGroupForVpcs"]
    }
    assert vpc == usable[own]
    eni = ec2.create_network_interface(SubnetId=there, Groups=[own])["NetworkInterface"]["NetworkInterfaceId"]
    with refused("DependencyViolation"):
        ec2.disassociate_security_group_vpc(GroupId=own, VpcId=other)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.disassociate_security_group_vpc(GroupId=own, VpcId=other)
    ec2.delete_security_group(GroupId=own)
