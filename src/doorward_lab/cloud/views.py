"""Security groups and their rules as the API describes them (EC2 API Reference: SecurityGroup, IpPermission,
SecurityGroupRule), built from moto's objects and without its cost per tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doorward_lab.cloud.permissions import Permission, of_rule
from doorward_lab.cloud.turn import Turn


def arn(turn: Turn, kind: str, id: str) -> str:
    """The ARN of an EC2 resource of the caller's account and region."""
    return f"arn:aws:ec2:{turn.request.region}:{turn.request.account}:{kind}/{id}"


def group_pair(ec2: Any, permission: Permission, *, home_vpc: str | None = None) -> dict[str, Any]:
    """A `UserIdGroupPair`. A group in another VPC carries its VPC and the peering that leads there."""
    found: dict[str, Any] = {"GroupId": permission.peer, "UserId": permission.owner or ec2.account_id}
    if permission.description:
        found["Description"] = permission.description
    return {**found, **_peering(ec2, permission, home_vpc)}


def _peering(ec2: Any, permission: Permission, home_vpc: str | None) -> dict[str, Any]:
    if home_vpc is None:
        return {}
    other = ec2.get_security_group_from_id(permission.peer)
    if other is None or other.vpc_id == home_vpc:
        return {}
    found: dict[str, Any] = {"VpcId": other.vpc_id}
    for peering in ec2.vpc_pcxs.values():
        if {peering.vpc.id, peering.peer_vpc.id} == {home_vpc, other.vpc_id}:
            found |= {"VpcPeeringConnectionId": peering.id, "PeeringStatus": peering._status.code}
            if peering._status.code == "active":
                break
    return found


def ip_permissions(ec2: Any, rules: Iterable[Any], home_vpc: str | None) -> list[dict[str, Any]]:
    """`IpPermissions`: rules of the same protocol and ports together, in the order in which they came."""
    return grouped(ec2, (of_rule(rule) for rule in rules), home_vpc)


def grouped(ec2: Any, permissions: Iterable[Permission], home_vpc: str | None = None) -> list[dict[str, Any]]:
    """Permissions as `IpPermissions`."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in permissions:
        key = (one.protocol, one.from_port, one.to_port)
        entry = found.get(key)
        if entry is None:
            entry = found[key] = {"IpProtocol": one.protocol, "FromPort": one.from_port, "ToPort": one.to_port}
            entry |= {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
        note = {"Description": one.description} if one.description else {}
        if one.kind == "CidrIp":
            entry["IpRanges"].append({"CidrIp": one.peer, **note})
        elif one.kind == "CidrIpv6":
            entry["Ipv6Ranges"].append({"CidrIpv6": one.peer, **note})
        elif one.kind == "PrefixListId":
            entry["PrefixListIds"].append({"PrefixListId": one.peer, **note})
        else:
            entry["UserIdGroupPairs"].append(group_pair(ec2, one, home_vpc=home_vpc))
    return list(found.values())


def group(turn: Turn, one: Any) -> dict[str, Any]:
    """A `SecurityGroup`."""
    return {
        "GroupId": one.id,
        "GroupName": one.name,
        "Description": one.description,
        "OwnerId": one.owner_id,
        "VpcId": one.vpc_id,
        "SecurityGroupArn": one.arn,
        "IpPermissions": ip_permissions(turn.ec2, one.ingress_rules, one.vpc_id),
        "IpPermissionsEgress": ip_permissions(turn.ec2, one.egress_rules, one.vpc_id),
        "Tags": turn.tags(one.id),
    }


def _peer(ec2: Any, permission: Permission, vpc: str | None) -> Mapping[str, Any]:
    if permission.kind == "CidrIp":
        return {"CidrIpv4": permission.peer}
    if permission.kind == "CidrIpv6":
        return {"CidrIpv6": permission.peer}
    if permission.kind == "PrefixListId":
        return {"PrefixListId": permission.peer}
    pair = {"GroupId": permission.peer, "UserId": permission.owner or ec2.account_id}
    return {"ReferencedGroupInfo": {**pair, **_peering(ec2, permission, vpc)}}


def rule(turn: Turn, owner: Any, one: Any) -> dict[str, Any]:
    """A `SecurityGroupRule`. Ports that do not apply are -1."""
    permission = of_rule(one)
    found: dict[str, Any] = {
        "SecurityGroupRuleId": one.id,
        "GroupId": owner.id,
        "GroupOwnerId": owner.owner_id,
        "IsEgress": one.is_egress,
        "IpProtocol": one.ip_protocol,
        "FromPort": -1 if one.from_port is None else one.from_port,
        "ToPort": -1 if one.to_port is None else one.to_port,
        "Description": permission.description,
        "Tags": turn.tags(one.id),
        "SecurityGroupRuleArn": arn(turn, "security-group-rule", one.id),
    }
    return {**found, **_peer(turn.ec2, permission, owner.vpc_id)}


def revoked(turn: Turn, owner: Any, one: Any) -> dict[str, Any]:
    """A `RevokedSecurityGroupRule`: the group peer is an id alone."""
    found = rule(turn, owner, one)
    info = found.pop("ReferencedGroupInfo", None)
    if info is not None:
        found["ReferencedGroupId"] = info["GroupId"]
    return found
