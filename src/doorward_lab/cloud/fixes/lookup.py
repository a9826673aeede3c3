"""Finding what a call names: groups, interfaces, subnets, with the errors that AWS gives when there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from doorward_lab.cloud import filters
from doorward_lab.cloud.permissions import Permission
from doorward_lab.cloud.turn import Turn
from doorward_lab.cloud.wire import ApiError

_GROUP_ID = re.compile(r"sg-[0-9a-zA-Z]+")


def groups(turn: Turn) -> Iterator[Any]:
    """Every security group of the caller's account and region."""
    for by_id in turn.ec2.groups.values():
        yield from by_id.values()


def group_by_id(ec2: Any, id: str) -> Any:
    """A group by its id.

    Raises:
        ApiError: InvalidGroup.NotFound.
    """
    for by_id in ec2.groups.values():
        if id in by_id:
            return by_id[id]
    if not _GROUP_ID.fullmatch(id):
        raise ApiError("InvalidGroupId.Malformed", f'Invalid id: "{id}" (expecting "sg-...")')
    raise ApiError("InvalidGroup.NotFound", f"The security group '{id}' does not exist")


def group(turn: Turn) -> Any:
    """The group that the call is about: by id, or by name in the default VPC.

    Raises:
        ApiError: none given, or none there.
    """
    id, name = turn.params.get("GroupId"), turn.params.get("GroupName")
    if id:
        return group_by_id(turn.ec2, id)
    if not name:
        raise ApiError("MissingParameter", "The request must contain the parameter groupName or groupId")
    vpc = turn.ec2.get_default_vpc()
    found = vpc and next((one for one in turn.ec2.groups[vpc.id].values() if one.name == name), None)
    if not found:
        text = f"The security group '{name}' does not exist in default VPC '{vpc.id if vpc else 'null'}'"
        raise ApiError("InvalidGroup.NotFound", text)
    return found


def in_default_vpc(turn: Turn, one: Any) -> bool:
    """Whether a group is in the account's default VPC."""
    vpc = turn.ec2.vpcs.get(one.vpc_id)
    return bool(vpc is not None and vpc.is_default)


def resolved(turn: Turn, home: Any, one: Permission, *, egress: bool, must_exist: bool = True) -> Permission:
    """The permission with its peer checked, and a group by id even if it was given by name.

    Raises:
        ApiError: the peer does not exist, or a group's VPC cannot be reached from the rule's.
    """
    if one.kind == "PrefixListId" and must_exist and one.peer not in turn.ec2.managed_prefix_lists:
        raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{one.peer}' does not exist")
    if one.kind != "GroupId":
        return one
    ec2 = turn.ec2 if one.owner in (None, turn.request.account) else turn.ec2_of(str(one.owner))
    if one.peer.startswith("name:"):
        name = one.peer.removeprefix("name:")
        named = next((group for group in ec2.groups[home.vpc_id].values() if group.name == name), None)
        if named is None:
            raise ApiError(
                "InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{home.vpc_id}'"
            )
        return replace(one, peer=named.id)
    if must_exist:
        other = group_by_id(ec2, one.peer)
        if not _joined(turn, home.vpc_id, other.vpc_id, egress):
            raise ApiError(
                "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."
            )
    return one


def _joined(turn: Turn, here: str, there: str, egress: bool) -> bool:
    """Whether a rule in one VPC may name a group of another (VPC User Guide, "Security group referencing": the same
    VPC, a peered one, or, for inbound rules, one attached to the same transit gateway)."""
    if here == there or there in associated_vpcs(turn, here):
        return True
    for peering in turn.ec2.vpc_pcxs.values():
        if {peering.vpc.id, peering.peer_vpc.id} == {here, there} and peering._status.code == "active":
            return True
    if egress:
        return False
    at: dict[str, set[str]] = {here: set(), there: set()}
    for one in turn.ec2.transit_gateway_attachments.values():
        if one.resource_id in at and one.state == "available":
            at[one.resource_id].add(one.transit_gateway_id)
    return bool(at[here] & at[there])


def associated_vpcs(turn: Turn, vpc: str) -> set[str]:
    """VPCs that share groups with this one by AssociateSecurityGroupVpc."""
    found: set[str] = set()
    for one in groups(turn):
        shared = {one.vpc_id, *getattr(one, "lab_vpcs", ())}
        if vpc in shared:
            found |= shared
    return found - {vpc}


def interface(turn: Turn, id: object) -> Any:
    """An interface by id.

    Raises:
        ApiError: InvalidNetworkInterfaceID.NotFound.
    """
    found = turn.ec2.enis.get(id)
    if found is None:
        raise ApiError("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{id}' does not exist")
    return found


def subnet(turn: Turn, id: object) -> Any:
    """A subnet by id.

    Raises:
        ApiError: InvalidSubnetID.NotFound.
    """
    for zone in turn.ec2.subnets.values():
        if id in zone:
            return zone[id]
    raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{id}' does not exist")


def vpc(turn: Turn, id: object) -> Any:
    """A VPC by id.

    Raises:
        ApiError: InvalidVpcID.NotFound.
    """
    found = turn.ec2.vpcs.get(id)
    if found is None:
        raise ApiError("InvalidVpcID.NotFound", f"The vpc ID '{id}' does not exist")
    return found


def chosen(
    turn: Turn,
    resources: Iterable[Any],
    asked: Iterable[Mapping[str, Any]],
    known: Mapping[str, filters.Values],
    id_of: Any = lambda one: one.id,
) -> list[Any]:
    """The resources that the call's filters let through; tags are those of the EC2 resource `id_of(one)`."""
    return filters.chosen(resources, asked, known, lambda one: turn.ec2.tags.get(id_of(one), {}))
