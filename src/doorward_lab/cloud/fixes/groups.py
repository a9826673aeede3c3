"""Security groups themselves: create, delete, describe, who refers to them, which VPCs they serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doorward_lab.cloud import views
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.permissions import of_rule
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError


@corrects("CreateSecurityGroup")
def create(turn: Turn) -> Answer:
    """A name is taken within its VPC only, and never begins with sg- (EC2 API Reference, CreateSecurityGroup)."""
    name = str(turn.params.get("GroupName", ""))
    if name.startswith("sg-"):
        raise ApiError(
            "InvalidParameterValue", f"Invalid value '{name}' for groupName. Group names may not be in the format sg-*."
        )
    if turn.params.get("VpcId"):
        lookup.vpc(turn, turn.params["VpcId"])
    return turn.done()


@corrects("DeleteSecurityGroup")
def delete(turn: Turn) -> Mapping[str, Any]:
    """Refused while an interface has the group or another group's rule names it.

    EC2 API Reference, DeleteSecurityGroup: "If you attempt to delete a security group that is associated with an
    instance or network interface, is referenced by another security group in the same VPC, or has a VPC association,
    the operation fails with DependencyViolation."
    """
    group = lookup.group(turn)
    if group.is_default:
        raise ApiError(
            "CannotDelete", f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user'
        )
    used = any(group in interface._group_set for interface in turn.ec2.enis.values())
    named = any(
        of_rule(rule).kind == "GroupId" and of_rule(rule).peer == group.id
        for other in lookup.groups(turn)
        if other is not group and other.vpc_id == group.vpc_id
        for rule in (*other.ingress_rules, *other.egress_rules)
    )
    if used or named or getattr(group, "lab_vpcs", None):
        raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
    turn.ec2.groups[group.vpc_id].pop(group.id)
    for id in (group.id, *(rule.id for rule in (*group.ingress_rules, *group.egress_rules))):
        turn.ec2.tags.pop(id, None)
    return {"Return": True, "GroupId": group.id}


def _ports(rules: Iterable[Any], end: str) -> list[object]:
    return [getattr(rule, end) for rule in rules if getattr(rule, end) is not None]


def _peers(rules: Iterable[Any], kind: str) -> list[object]:
    found = [of_rule(rule) for rule in rules]
    return [one.peer for one in found if one.kind == kind]


def _known(turn: Turn) -> dict[str, Any]:
    """The filters of DescribeSecurityGroups."""
    known: dict[str, Any] = {
        "description": lambda one: (one.description,),
        "group-id": lambda one: (one.id,),
        "group-name": lambda one: (one.name,),
        "owner-id": lambda one: (one.owner_id,),
        "vpc-id": lambda one: (one.vpc_id,),
    }
    names = {one.id: one.name for one in lookup.groups(turn)}
    for prefix, which in (("", "ingress_rules"), ("egress.", "egress_rules")):
        known |= {
            f"{prefix}ip-permission.cidr": lambda one, w=which: _peers(getattr(one, w), "CidrIp"),
            f"{prefix}ip-permission.ipv6-cidr": lambda one, w=which: _peers(getattr(one, w), "CidrIpv6"),
            f"{prefix}ip-permission.group-id": lambda one, w=which: _peers(getattr(one, w), "GroupId"),
            f"{prefix}ip-permission.prefix-list-id": lambda one, w=which: _peers(getattr(one, w), "PrefixListId"),
            f"{prefix}ip-permission.from-port": lambda one, w=which: _ports(getattr(one, w), "from_port"),
            f"{prefix}ip-permission.to-port": lambda one, w=which: _ports(getattr(one, w), "to_port"),
            f"{prefix}ip-permission.protocol": lambda one, w=which: [rule.ip_protocol for rule in getattr(one, w)],
            f"{prefix}ip-permission.user-id": lambda one, w=which: [
                of_rule(rule).owner for rule in getattr(one, w) if rule.source_group
            ],
            f"{prefix}ip-permission.group-name": lambda one, w=which: [
                names.get(str(id)) for id in _peers(getattr(one, w), "GroupId")
            ],
        }
    return known


@corrects("DescribeSecurityGroups")
def describe(turn: Turn) -> Mapping[str, Any]:
    """Groups by id, name or filter (EC2 API Reference, DescribeSecurityGroups)."""
    ids, names = turn.params.get("GroupIds") or [], turn.params.get("GroupNames") or []
    found = [lookup.group_by_id(turn.ec2, id) for id in dict.fromkeys(ids)] if ids else list(lookup.groups(turn))
    if names:
        default = turn.ec2.get_default_vpc()
        here = [one for one in found if default is not None and one.vpc_id == default.id]
        for name in names:
            if name not in {one.name for one in here}:
                text = (
                    f"The security group '{name}' does not exist in default VPC '{default.id if default else 'null'}'"
                )
                raise ApiError("InvalidGroup.NotFound", text)
        found = [one for one in here if one.name in names]
    filters = turn.params.get("Filters") or []
    kept = lookup.chosen(turn, found, filters, _known(turn)) if filters else found
    return {"SecurityGroups": [views.group(turn, one) for one in kept]}


def _links(turn: Turn, here: str, there: str) -> dict[str, Any]:
    """How two VPCs are joined, as references name it; empty when they are not (or no longer)."""
    for peering in turn.ec2.vpc_pcxs.values():
        if {peering.vpc.id, peering.peer_vpc.id} == {here, there} and peering._status.code == "active":
            return {"VpcPeeringConnectionId": peering.id}
    return {}


@corrects("DescribeSecurityGroupReferences")
def references(turn: Turn) -> Mapping[str, Any]:
    """VPCs on the other side of a peering whose groups name the given ones (DescribeSecurityGroupReferences)."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for id in turn.params.get("GroupId") or ():
        group = lookup.group_by_id(turn.ec2, id)
        for other in lookup.groups(turn):
            if other.vpc_id == group.vpc_id:
                continue
            rules = (*other.ingress_rules, *other.egress_rules)
            if group.id in _peers(rules, "GroupId") and (link := _links(turn, group.vpc_id, other.vpc_id)):
                found[group.id, other.vpc_id] = {"GroupId": group.id, "ReferencingVpcId": other.vpc_id, **link}
    return {"SecurityGroupReferenceSet": list(found.values())}


@corrects("DescribeStaleSecurityGroups")
def stale(turn: Turn) -> Mapping[str, Any]:
    """Groups with rules that name a deleted group, or one in a VPC whose peering is gone.

    EC2 API Reference, DescribeStaleSecurityGroups.
    """
    vpc = lookup.vpc(turn, turn.params.get("VpcId"))
    every = {one.id: one for one in lookup.groups(turn)}
    found: list[dict[str, Any]] = []
    for group in every.values():
        if group.vpc_id != vpc.id:
            continue

        def lost(rules: Iterable[Any], home: str = vpc.id) -> list[dict[str, Any]]:
            dead = []
            for rule in rules:
                one = of_rule(rule)
                if one.kind != "GroupId":
                    continue
                other = every.get(one.peer)
                if other is None or (other.vpc_id != home and not _reaches(turn, home, other.vpc_id, rule.is_egress)):
                    dead.append(one)
            return views.grouped(turn.ec2, dead, home)

        ingress, egress = lost(group.ingress_rules), lost(group.egress_rules)
        if ingress or egress:
            found.append(
                {
                    "GroupId": group.id,
                    "GroupName": group.name,
                    "Description": group.description,
                    "VpcId": group.vpc_id,
                    "StaleIpPermissions": ingress,
                    "StaleIpPermissionsEgress": egress,
                }
            )
    return {"StaleSecurityGroupSet": found}


def _reaches(turn: Turn, here: str, there: str, egress: bool) -> bool:
    return lookup._joined(turn, here, there, egress)


@corrects("GetSecurityGroupsForVpc")
def for_vpc(turn: Turn) -> Mapping[str, Any]:
    """Groups that can be used in a VPC: its own and those associated with it (GetSecurityGroupsForVpc)."""
    vpc = lookup.vpc(turn, turn.params.get("VpcId"))
    usable = [one for one in lookup.groups(turn) if one.vpc_id == vpc.id or vpc.id in getattr(one, "lab_vpcs", ())]
    known = {
        "group-id": lambda one: (one.id,),
        "description": lambda one: (one.description,),
        "group-name": lambda one: (one.name,),
        "owner-id": lambda one: (one.owner_id,),
        "primary-vpc-id": lambda one: (one.vpc_id,),
    }
    kept = lookup.chosen(turn, usable, turn.params.get("Filters") or [], known)
    return {
        "SecurityGroupForVpcs": [
            {
                "Description": one.description,
                "GroupName": one.name,
                "OwnerId": one.owner_id,
                "GroupId": one.id,
                "Tags": turn.tags(one.id),
                "PrimaryVpcId": one.vpc_id,
            }
            for one in kept
        ]
    }


@corrects("AssociateSecurityGroupVpc")
def associate(turn: Turn) -> Mapping[str, Any]:
    """Let a group serve another VPC too (EC2 API Reference, AssociateSecurityGroupVpc): never a default group."""
    group, vpc = lookup.group(turn), lookup.vpc(turn, turn.params.get("VpcId"))
    if group.is_default or lookup.in_default_vpc(turn, group) or vpc.is_default:
        text = "You cannot associate a default security group, or one from or with a default VPC."
        raise ApiError("InvalidParameterValue", text)
    have: list[str] = getattr(group, "lab_vpcs", [])
    if vpc.id == group.vpc_id or vpc.id in have:
        raise ApiError("InvalidParameterValue", f"{group.id} is already associated with {vpc.id}")
    if any(one.name == group.name for one in turn.ec2.groups[vpc.id].values()):
        raise ApiError("InvalidGroup.Duplicate", f"The security group '{group.name}' already exists for VPC '{vpc.id}'")
    group.lab_vpcs = [*have, vpc.id]
    # AWS answers `associating` and completes a moment later; the lab has completed already.
    return {"State": "associating"}


@corrects("DisassociateSecurityGroupVpc")
def disassociate(turn: Turn) -> Mapping[str, Any]:
    """The opposite; refused while an interface in that VPC has the group."""
    group, vpc = lookup.group(turn), str(turn.params.get("VpcId"))
    have: list[str] = getattr(group, "lab_vpcs", [])
    if vpc not in have:
        text = f"There is no association of {group.id} with {vpc}."
        raise ApiError("InvalidSecurityGroupVpcAssociation.NotFound", text)
    if any(group in one._group_set and one.subnet.vpc_id == vpc for one in turn.ec2.enis.values()):
        raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
    group.lab_vpcs = [one for one in have if one != vpc]
    return {"State": "disassociating"}


@corrects("DescribeSecurityGroupVpcAssociations")
def associations(turn: Turn) -> Mapping[str, Any]:
    """All associations made by AssociateSecurityGroupVpc."""
    every = [(group, vpc) for group in lookup.groups(turn) for vpc in getattr(group, "lab_vpcs", ())]
    known = {
        "group-id": lambda pair: (pair[0].id,),
        "group-owner-id": lambda pair: (pair[0].owner_id,),
        "vpc-id": lambda pair: (pair[1],),
        "vpc-owner-id": lambda pair: (pair[0].owner_id,),
        "state": lambda pair: ("associated",),
    }
    kept = lookup.chosen(turn, every, turn.params.get("Filters") or [], known, lambda pair: pair[0].id)
    return {
        "SecurityGroupVpcAssociations": [
            {
                "GroupId": group.id,
                "VpcId": vpc,
                "VpcOwnerId": group.owner_id,
                "GroupOwnerId": group.owner_id,
                "State": "associated",
            }
            for group, vpc in kept
        ]
    }
