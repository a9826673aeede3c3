"""Rules of groups and entries of ACLs in the API's shapes, and the calls that put them in place.

Sources: EC2 API Reference, *IpPermission*, *CreateNetworkAclEntry*; VPC User Guide, *Default security groups*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from doorward_lab.scenes.making import Making
from doorward_lab.scenes.scene import ANYWHERE, Acl, AclEntry, Group, Rule, Service

Permission: TypeAlias = dict[str, Any]
_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
AWS_LAST = 32_767
"""The entry that AWS itself puts last."""


def permission(rule: Rule, ids: Mapping[str, Mapping[str, str]]) -> list[Permission]:
    """A rule as `IpPermissions`: one, or for `internet` one of each family. `ids`: section → name → id."""
    head: Permission = {"IpProtocol": rule.service.protocol}
    if rule.service.first is not None:
        head |= {"FromPort": rule.service.first, "ToPort": rule.service.last}
    said = {"Description": rule.description} if rule.description else {}
    word, _, name = rule.peer.partition(":")
    if word == "group":
        return [{**head, "UserIdGroupPairs": [{"GroupId": ids["groups"][name], **said}]}]
    if word == "prefix-list":
        return [{**head, "PrefixListIds": [{"PrefixListId": ids["prefix-lists"][name], **said}]}]
    made: list[Permission] = []
    for cidr in ANYWHERE.get(rule.peer, (rule.peer,)):
        if ":" in cidr:
            made.append({**head, "Ipv6Ranges": [{"CidrIpv6": cidr, **said}]})
        else:
            made.append({**head, "IpRanges": [{"CidrIp": cidr, **said}]})
    return made


def flat(permissions: Iterable[Permission]) -> dict[tuple[object, ...], Permission]:
    """Permissions cut into single rules: what each allows → a permission of its own."""
    found: dict[tuple[object, ...], Permission] = {}
    for one in permissions:
        head = {key: one[key] for key in ("IpProtocol", "FromPort", "ToPort") if one.get(key) is not None}
        for key, field in (
            ("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("UserIdGroupPairs", "GroupId"),
            ("PrefixListIds", "PrefixListId"),
        ):  # fmt: skip
            for peer in one.get(key) or ():
                ports = (None, None) if head["IpProtocol"] == "-1" else (head.get("FromPort"), head.get("ToPort"))
                found[str(head["IpProtocol"]), *ports, peer[field]] = {**head, key: [peer]}
    return found


def authorize(making: Making, group: Group) -> None:
    """Put a group's rules in place: what AWS made by itself and the scene does not want goes."""
    id = making.id("groups", group.name)
    there = making.ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
    egress = group.egress
    if egress is None:
        everywhere = "internet" if making.scene.vpcs[group.vpc].ipv6 else "internet:v4"
        egress = (Rule(Service(), everywhere),)
    for word, key, rules in (("ingress", "IpPermissions", group.ingress), ("egress", "IpPermissionsEgress", egress)):
        has = flat(there.get(key) or ())
        wanted = flat(part for rule in rules for part in permission(rule, making.ids))
        more = [one for what, one in wanted.items() if what not in has]
        less = [_bare(one) for what, one in has.items() if what not in wanted]
        if less:
            getattr(making.ec2, f"revoke_security_group_{word}")(GroupId=id, IpPermissions=less)
        if more:
            getattr(making.ec2, f"authorize_security_group_{word}")(GroupId=id, IpPermissions=more)


def _bare(one: Permission) -> Permission:
    """A permission as revoke calls take it: of a group pair the id alone."""
    pairs = one.get("UserIdGroupPairs")
    return {**one, "UserIdGroupPairs": [{"GroupId": pair["GroupId"]} for pair in pairs]} if pairs else one


def entry(one: AclEntry, egress: bool) -> dict[str, Any]:
    """The arguments of CreateNetworkAclEntry and ReplaceNetworkAclEntry, without the ACL."""
    service = one.service
    number = _NUMBERS.get(service.protocol, service.protocol)
    made: dict[str, Any] = {
        "RuleNumber": one.number, "Protocol": number, "RuleAction": "allow" if one.allow else "deny", "Egress": egress,
        "Ipv6CidrBlock" if ":" in one.cidr else "CidrBlock": one.cidr,
    }  # fmt: skip
    if number in ("1", "58"):
        made["IcmpTypeCode"] = {"Type": service.first, "Code": service.last}
    elif service.first is not None:
        made["PortRange"] = {"From": service.first, "To": service.last}
    return made


def set_entries(making: Making, id: str, acl: Acl, there: Iterable[Mapping[str, Any]]) -> None:
    """Put an ACL's entries in place of those that are there."""
    for one in there:
        if one["RuleNumber"] < AWS_LAST:
            making.ec2.delete_network_acl_entry(NetworkAclId=id, RuleNumber=one["RuleNumber"], Egress=one["Egress"])
    for egress, entries in ((False, acl.ingress), (True, acl.egress)):
        for one_entry in entries:
            making.ec2.create_network_acl_entry(NetworkAclId=id, **entry(one_entry, egress))
