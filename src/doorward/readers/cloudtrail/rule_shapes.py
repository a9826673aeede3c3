"""Rules as records spell them, and one canonical spelling of them. See ``rules`` for what calls do with them.

Source: EC2 API Reference, *SecurityGroupRule*, *IpPermission*.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Generic, TypeVar

from msgspec import Struct, field

from doorward.model.addresses import V6, parse_network, show_address
from doorward.model.change import RuleFact
from doorward.model.services import BLOCK, NAMES, protocol_number
from doorward.readers.cloudtrail.call import Unclear

T = TypeVar("T")
_ALL_PORTS = (0, BLOCK - 1)
_ALL_TYPES = (-1, -1)


class Items(Struct, Generic[T], gc=False):
    """A list as older EC2 calls write it."""

    items: list[T] = []


class PeerInfo(Struct, gc=False):
    """The group that a rule refers to."""

    group_id: str | None = field(name="groupId", default=None)


class WireRule(Struct, rename="camel", gc=False):
    """A rule of an answer."""

    group_id: str | None = None
    security_group_rule_id: str | None = None
    ip_protocol: str | int | None = None
    from_port: int | None = None
    to_port: int | None = None
    cidr_ipv4: str | None = field(name="cidrIpv4", default=None)
    cidr_ipv6: str | None = field(name="cidrIpv6", default=None)
    prefix_list_id: str | None = None
    referenced_group_info: PeerInfo | None = None
    referenced_group_id: str | None = None
    description: str | None = None


class Answer(Struct, rename="camel", gc=False):
    """The answer of Authorize and Revoke; a newer record's has another key and so none of these."""

    _return: bool | None = field(name="_return", default=None)
    security_group_rule_set: Items[WireRule] | None = None
    revoked_security_group_rule_set: Items[WireRule] | None = None
    request_id: str | None = None
    omitted: bool = False


class Range(Struct, rename="camel", gc=False):
    """A peer of a permission, whatever its kind."""

    cidr_ip: str | None = None
    cidr_ipv6: str | None = field(name="cidrIpv6", default=None)
    prefix_list_id: str | None = None
    group_id: str | None = None
    group_name: str | None = None
    user_id: str | int | None = None
    vpc_id: str | None = None
    description: str | None = None


class Permission(Struct, rename="camel", gc=False):
    """An element of ``ipPermissions``."""

    ip_protocol: str | int | None = None
    from_port: int | None = None
    to_port: int | None = None
    groups: Items[Range] | None = None
    user_id_group_pairs: Items[Range] | None = None
    ip_ranges: Items[Range] | None = None
    ipv6_ranges: Items[Range] | None = field(name="ipv6Ranges", default=None)
    prefix_list_ids: Items[Range] | None = None


class RuleId(Struct, rename="camel", gc=False):
    """A rule named by its id."""

    security_group_rule_id: str | None = None


class Request(Struct, rename="camel", gc=False):
    """The parameters of Authorize and Revoke, in items form and flat form."""

    group_id: str | None = None
    group_name: str | None = None
    ip_permissions: Items[Permission] | None = None
    security_group_rule_ids: Items[RuleId] | None = None
    ip_protocol: str | int | None = None
    from_port: int | None = None
    to_port: int | None = None
    cidr_ip: str | None = None
    cidr_ipv6: str | None = field(name="cidrIpv6", default=None)
    source_security_group_name: str | None = None
    omitted: bool = False


@lru_cache(maxsize=1 << 16)
def canonical_cidr(cidr: str) -> str:
    """A CIDR without host bits, as EC2 stores it: ``100.68.0.18/18`` is ``100.68.0.0/18``, an address alone is one.

    Source: EC2 API Reference, *AuthorizeSecurityGroupIngress*. Raises ValueError.
    """
    first, last = parse_network(cidr)
    width = 128 if first >= V6 else 32
    return f"{show_address(first)}/{width - (last - first).bit_length()}"


@lru_cache(maxsize=4096)
def _protocol(protocol: str | int | None) -> str:
    number = protocol_number(str(protocol))
    return "-1" if number is None else NAMES.get(number) or str(number)


def _ports(protocol: str, low: int | None, high: int | None) -> tuple[int, int] | None:
    """Ports, or ICMP type and code, as describe calls write them (EC2 API Reference, *IpPermission*)."""
    if protocol in ("tcp", "udp"):
        if low is None or low == -1:
            return _ALL_PORTS
        last = low if high is None else BLOCK - 1 if high == -1 else high
        if not 0 <= low <= last < BLOCK:
            raise Unclear(f"not a port range: {low}-{high}")
        return low, last
    if protocol in ("icmp", "icmpv6"):
        if low is None or low == -1:
            return _ALL_TYPES
        code = -1 if high is None else high
        if not (0 <= low < 256 and -1 <= code < 256):
            raise Unclear(f"not an ICMP type and code: {low}/{high}")
        return low, code
    return None  # any other protocol has no ports, whatever is said of them


def fact(
    egress: bool, protocol: str | int | None, low: int | None, high: int | None, cidr: str | None, group: str | None,
    prefix_list: str | None, id: str | None, description: str | None,
) -> RuleFact:  # fmt: skip
    """A rule in canonical words. Raises ``Unclear`` unless it has exactly one peer and all of it makes sense."""
    if protocol is None or (cidr is not None) + (group is not None) + (prefix_list is not None) != 1:
        raise Unclear("a rule without protocol, or without exactly one peer")
    try:
        name = _protocol(protocol)
        peer = canonical_cidr(cidr) if cidr is not None else None
    except ValueError as error:
        raise Unclear(str(error)) from error
    return RuleFact(egress, name, _ports(name, low, high), peer, group, prefix_list, id, description)
