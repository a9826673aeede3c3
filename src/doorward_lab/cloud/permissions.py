"""Security-group permissions in one form: what the API's several spellings of a rule come to, and moto's rule objects.

Sources: EC2 API Reference, IpPermission, AuthorizeSecurityGroupIngress, SecurityGroupRule; VPC User Guide, "Security
group rules". Which call does what with them lives in `doorward_lab.cloud.fixes.rules`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule

from doorward_lab.cloud.wire import ApiError

_NAMES = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1", "any": "-1"}
_PORTS = {"tcp", "udp"}
_TYPES = {"icmp", "icmpv6"}
_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")

PEERS = {"CidrIp": "IPv4 CIDR", "CidrIpv6": "IPv6 CIDR", "GroupId": "security group", "PrefixListId": "prefix list"}
"""Kinds of peer, by the name of the field that holds it, and the words for them."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission with one peer. Equal without the description means: the same rule."""

    protocol: str
    from_port: int | None
    to_port: int | None
    kind: str  # a key of PEERS
    peer: str
    description: str | None = None
    owner: str | None = None  # of a group: its account

    @property
    def key(self) -> tuple[str, int | None, int | None, str, str]:
        """What makes two permissions the same one."""
        return (self.protocol, self.from_port, self.to_port, self.kind, self.peer)

    def __str__(self) -> str:
        ports = "" if self.from_port is None else f", from port: {self.from_port}, to port: {self.to_port}"
        name = "ALL" if self.protocol == "-1" else self.protocol.upper()
        return f"peer: {self.peer}, {name}{ports}, ALLOW"


def protocol(value: object) -> str:
    """A protocol as AWS stores it: tcp, udp, icmp, icmpv6, -1, or another protocol's number.

    Raises:
        ApiError: it is none.
    """
    text = str(value if value is not None else "").strip().lower()
    text = _NAMES.get(text, text)
    if text in _PORTS or text in _TYPES or text == "-1" or (text.isdigit() and int(text) <= 255):
        return text
    raise ApiError("InvalidParameterValue", f"Invalid value '{value}' for IP protocol. Unknown protocol.")


def ports(name: str, first: int | None, last: int | None) -> tuple[int | None, int | None]:
    """The ports (or ICMP type and code) as AWS stores them: none for protocols that have none.

    Raises:
        ApiError: they are missing or make no range.
    """
    if name in _PORTS:
        if first is None or last is None:
            text = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
            raise ApiError("InvalidParameterValue", text)
        if first == -1 and last == -1:
            first, last = 0, 65535
        if not 0 <= first <= last <= 65535:
            raise ApiError(
                "InvalidParameterValue", f"Invalid value '{first}-{last}' for portRange. Invalid TCP/UDP port range."
            )
        return first, last
    if name in _TYPES:
        if name == "icmpv6" and first is None and last is None:
            return -1, -1  # AuthorizeSecurityGroupIngress: for icmpv6 the range is optional; omitted, it means all
        if first is None:
            raise ApiError(
                "InvalidParameterValue", "Invalid value 'Must specify the ICMP type and code.' for portRange."
            )
        last = -1 if last is None else last
        if not (-1 <= first <= 255 and -1 <= last <= 255) or (first == -1 and last != -1):
            raise ApiError("InvalidParameterValue", f"ICMP code ({last}) or type ({first}) out of range")
        return first, last
    # "Specifying -1 or a protocol number other than tcp, udp, icmp, or 58 allows traffic on all ports,
    # regardless of any port range you specify."
    return None, None


def cidr(value: object, family: int) -> str:
    """A CIDR in AWS's canonical form: "If you specify 100.68.0.18/18, we modify it to 100.68.0.0/18".

    Raises:
        ApiError: it is none of that family.
    """
    text = str(value).strip()
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != family or "/" not in text:
        raise ApiError("InvalidParameterValue", f"CIDR block {text} is malformed")
    return str(network)


def described(value: object) -> str | None:
    """A rule's description; None when there is none.

    Raises:
        ApiError: too long, or with characters that AWS does not take.
    """
    if value is None or value == "":
        return None
    if not _DESCRIPTION.fullmatch(str(value)):
        text = (
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:"
            "  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
        )
        raise ApiError("InvalidParameterValue", text)
    return str(value)


def expanded(permissions: Iterable[Mapping[str, Any]], account: str) -> Iterator[Permission]:
    """`IpPermissions` one peer at a time, in AWS's order. Groups by name keep the name, marked by a leading `name:`."""
    for one in permissions:
        name = protocol(one.get("IpProtocol"))
        first, last = ports(name, one.get("FromPort"), one.get("ToPort"))
        for entry in one.get("IpRanges") or ():
            yield Permission(
                name, first, last, "CidrIp", cidr(entry.get("CidrIp"), 4), described(entry.get("Description"))
            )
        for entry in one.get("Ipv6Ranges") or ():
            peer = cidr(entry.get("CidrIpv6"), 6)
            yield Permission(name, first, last, "CidrIpv6", peer, described(entry.get("Description")))
        for entry in one.get("UserIdGroupPairs") or ():
            peer = entry.get("GroupId") or f"name:{entry.get('GroupName', '')}"
            owner = entry.get("UserId") or account
            yield Permission(name, first, last, "GroupId", peer, described(entry.get("Description")), owner)
        for entry in one.get("PrefixListIds") or ():
            peer = str(entry.get("PrefixListId"))
            yield Permission(name, first, last, "PrefixListId", peer, described(entry.get("Description")))


class LabRule(SecurityGroupRule):
    """moto's rule, with what it lacks: descriptions of groups and prefix lists alike."""

    lab_description: str | None = None

    @property
    def description(self) -> str | None:
        """The description, whatever the peer."""
        return self.lab_description


def of_rule(rule: Any) -> Permission:
    """The permission of a stored rule."""
    if rule.source_group:
        kind, peer = "GroupId", rule.source_group.get("GroupId", "")
    elif rule.prefix_list_id:
        kind, peer = "PrefixListId", rule.prefix_list_id
    elif "CidrIpv6" in rule.ip_range:
        kind, peer = "CidrIpv6", rule.ip_range["CidrIpv6"]
    else:
        kind, peer = "CidrIp", rule.ip_range.get("CidrIp", "")
    owner = rule.source_group.get("UserId") if rule.source_group else None
    return Permission(rule.ip_protocol, rule.from_port, rule.to_port, kind, peer, rule.description, owner)


def store(rule: Any, permission: Permission) -> None:
    """Make a stored rule say exactly this permission: its old peer is gone."""
    rule.ip_protocol = permission.protocol
    rule.from_port, rule.to_port = permission.from_port, permission.to_port
    rule.ip_range, rule.source_group, rule.prefix_list_id = {}, {}, None
    note = {"Description": permission.description} if permission.description else {}
    if permission.kind == "GroupId":
        rule.source_group = {
            "GroupId": permission.peer,
            "UserId": permission.owner,
            "OwnerId": permission.owner,
            **note,
        }
    elif permission.kind == "PrefixListId":
        rule.prefix_list_id = permission.peer
    else:
        rule.ip_range = {permission.kind: permission.peer, **note}
    rule.lab_description = permission.description
    rule.lab_read = None  # what `state` keeps of it


def new_rule(ec2: Any, group: str, permission: Permission, *, egress: bool, tags: Mapping[str, str]) -> LabRule:
    """A rule to be stored, with an id of its own."""
    rule = LabRule(ec2, "-1", group, None, None, None, is_egress=egress, tags=dict(tags))
    store(rule, permission)
    return rule
