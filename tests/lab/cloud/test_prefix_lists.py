"""Customer-managed prefix lists over HTTP: versions, names, limits, who names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from tests.lab.cloud.conftest import Refused, Served


def made(ec2: EC2Client, *cidrs: str, most: int = 5, name: str = "offices") -> str:
    """A new IPv4 list."""
    entries: Any = [{"Cidr": cidr, "Description": f"d {cidr}"} for cidr in cidrs]
    answer = ec2.create_managed_prefix_list(
        PrefixListName=name, MaxEntries=most, AddressFamily="IPv4", **({"Entries": entries} if entries else {})
    )
    return answer["PrefixList"]["PrefixListId"]


def cidrs(ec2: EC2Client, id: str, version: int | None = None) -> list[str]:
    """The entries of a list."""
    more: Any = {} if version is None else {"TargetVersion": version}
    return [one["Cidr"] for one in ec2.get_managed_prefix_list_entries(PrefixListId=id, **more)["Entries"]]


def test_versions(ec2: EC2Client, served: Served, refused: Refused) -> None:
    """A change of entries makes a version, a stale one is refused whole, old ones can be read and restored.

    EC2 API Reference, ModifyManagedPrefixList ("If you specify a current version number that does not match the true
    current version number, the request fails"), RestoreManagedPrefixListVersion, GetManagedPrefixListEntries.
    """
    id = made(ec2, "192.0.2.0/24", "198.51.100.0/24")
    answer = ec2.modify_managed_prefix_list(
        PrefixListId=id,
        CurrentVersion=1,
        AddEntries=[{"Cidr": "203.0.113.0/24"}],
        RemoveEntries=[{"Cidr": "192.0.2.0/24"}],
    )
    assert (2, "offices") == (answer["PrefixList"]["Version"], answer["PrefixList"]["PrefixListName"])
    with refused("PrefixListVersionMismatch"):
        ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=1, AddEntries=[{"Cidr": "10.0.0.0/8"}])
    assert ["198.51.100.0/24", "203.0.113.0/24"] == cidrs(ec2, id) == list(served.states[-1].prefix_lists[id])
    assert ["192.0.2.0/24", "198.51.100.0/24"] == cidrs(ec2, id, 1)
    with refused("PrefixListVersionMismatch"):
        ec2.restore_managed_prefix_list_version(PrefixListId=id, PreviousVersion=1, CurrentVersion=1)
    restored = ec2.restore_managed_prefix_list_version(PrefixListId=id, PreviousVersion=1, CurrentVersion=2)
    assert 3 == restored["PrefixList"]["Version"]
    assert ["192.0.2.0/24", "198.51.100.0/24"] == cidrs(ec2, id) == list(served.states[-1].prefix_lists[id])


def test_name_and_size(ec2: EC2Client, refused: Refused) -> None:
    """A name changes without a version; entries beyond the maximum are refused; not both at once.

    EC2 API Reference, ModifyManagedPrefixList: "Changing the name of the prefix list does not affect the version."
    """
    id = made(ec2, "192.0.2.0/24", most=1)
    ec2.modify_managed_prefix_list(PrefixListId=id, PrefixListName="renamed")
    (one,) = ec2.describe_managed_prefix_lists(PrefixListIds=[id])["PrefixLists"]
    assert ("renamed", 1) == (one["PrefixListName"], one["Version"])
    with refused("PrefixListMaxEntriesExceeded"):
        ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=1, AddEntries=[{"Cidr": "10.0.0.0/8"}])
    with refused("InvalidParameterCombination"):
        ec2.modify_managed_prefix_list(
            PrefixListId=id, CurrentVersion=1, MaxEntries=9, AddEntries=[{"Cidr": "10.0.0.0/8"}]
        )
    ec2.modify_managed_prefix_list(PrefixListId=id, MaxEntries=2)
    ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=1, AddEntries=[{"Cidr": "10.0.0.0/8"}])
    with refused("InvalidParameterValue"):
        ec2.modify_managed_prefix_list(PrefixListId=id, CurrentVersion=2, AddEntries=[{"Cidr": "2001:db8::/32"}])
    assert ["192.0.2.0/24", "10.0.0.0/8"] == cidrs(ec2, id)


def test_who_names_a_list(ec2: EC2Client, vpc: str, group: Callable[..., str], refused: Refused) -> None:
    """Groups and route tables; while they do, it cannot be deleted.

    EC2 API Reference, GetManagedPrefixListAssociations; DeleteManagedPrefixList: "You must first remove all references
    to the prefix list in your resources."
    """
    id, own = made(ec2, "192.0.2.0/24"), group()
    rule: Any = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": id}]}
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[rule])
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationPrefixListId=id, GatewayId=gateway)
    found = ec2.get_managed_prefix_list_associations(PrefixListId=id)["PrefixListAssociations"]
    assert {own, table} == {one["ResourceId"] for one in found}
    with refused("DependencyViolation"):
        ec2.delete_managed_prefix_list(PrefixListId=id)
    ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[rule])
    ec2.delete_route(RouteTableId=table, DestinationPrefixListId=id)
    ec2.delete_managed_prefix_list(PrefixListId=id)
    with refused("InvalidPrefixListID.NotFound"):
        ec2.describe_managed_prefix_lists(PrefixListIds=[id])


def test_a_list_counts_its_maximum(ec2: EC2Client, group: Callable[..., str], refused: Refused) -> None:
    """VPC User Guide, "Customer-managed prefix lists": its maximum number of entries counts against the rules quota."""
    id, own = made(ec2, "192.0.2.0/24", most=59), group()
    rule: Any = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": id}]}
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[rule])
    one: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    two: Any = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "192.168.0.0/16"}]}
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[two])
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[one])
