"""Network ACLs: errors instead of HTTP 500, AWS's own last deny, canonical CIDRs, IPv6 in default ACLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud import addresses, permissions, routing
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError

LAST = 32767
"""AWS's own last entry, which denies what is left; 32768 is the same for IPv6."""


def _acl(turn: Turn) -> Any:
    id = turn.params.get("NetworkAclId")
    found = turn.ec2.network_acls.get(id)
    if found is None:
        raise ApiError("InvalidNetworkAclID.NotFound", f"The networkAcl ID '{id}' does not exist")
    return found


def _entry(acl: Any, number: int, egress: bool) -> Any:
    for one in acl.network_acl_entries:
        if int(one.rule_number) == number and bool(one.egress) == egress:
            return one
    return None


def _deny(ec2: Any, acl: str, number: int, *, ipv6: bool, allow: bool = False) -> None:
    for egress in (False, True):
        ec2.create_network_acl_entry(
            network_acl_id=acl, rule_number=number, protocol="-1", rule_action="allow" if allow else "deny",
            egress=egress, cidr_block=None if ipv6 else "0.0.0.0/0", icmp_code=None, icmp_type=None,
            port_range_from=None, port_range_to=None, ipv6_cidr_block="::/0" if ipv6 else None,
        )  # fmt: skip


def add_ipv6(ec2: Any, vpc: str) -> None:
    """A VPC got an IPv6 block: its default ACL, if nobody changed it, allows IPv6, and every ACL ends with a deny.

    VPC User Guide, "Default network ACL": with an IPv6 block there are rules 101 (allow ::/0) and * (deny ::/0).
    """
    for acl in ec2.network_acls.values():
        if acl.vpc_id != vpc:
            continue
        if any(int(one.rule_number) == LAST + 1 for one in acl.network_acl_entries):
            continue
        numbers = {int(one.rule_number) for one in acl.network_acl_entries}
        if acl.default and numbers <= {100, LAST}:
            _deny(ec2, acl.id, 101, ipv6=True, allow=True)
        _deny(ec2, acl.id, LAST + 1, ipv6=True)


@corrects("CreateNetworkAcl")
def create(turn: Turn) -> Answer:
    """A new ACL denies everything (EC2 API Reference, CreateNetworkAcl), and its entries say so."""
    vpc = lookup.vpc(turn, turn.params.get("VpcId"))
    before = set(turn.ec2.network_acls)
    turn.done()
    acl = next(one for id, one in turn.ec2.network_acls.items() if id not in before)
    _deny(turn.ec2, acl.id, LAST, ipv6=False)
    if routing.blocks(vpc, ipv6=True):
        _deny(turn.ec2, acl.id, LAST + 1, ipv6=True)
    for key, value in turn.given_tags("network-acl").items():
        turn.ec2.tags[acl.id][key] = value
    return turn.answer_with({"NetworkAcl": acl})


@corrects("CreateNetworkAclEntry", "ReplaceNetworkAclEntry")
def write(turn: Turn) -> Answer | Mapping[str, Any]:
    """EC2 API Reference, CreateNetworkAclEntry: numbers 1 to 32766, a canonical CIDR, ports for TCP and UDP, type and
    code for ICMP; ReplaceNetworkAclEntry needs the entry to exist."""
    params, acl = turn.params, _acl(turn)
    number, egress = int(params.get("RuleNumber") or 0), bool(params.get("Egress"))
    if not 1 <= number < LAST:
        text = f"Invalid value '{number}' for ruleNumber. Must be between 1 and 32766."
        raise ApiError("InvalidParameterValue", text)
    there = _entry(acl, number, egress)
    if turn.request.action.startswith("Replace") and there is None:
        raise ApiError("InvalidNetworkAclEntry.NotFound", f"The network ACL entry {number} does not exist.")
    if turn.request.action.startswith("Create") and there is not None:
        text = f"The network acl entry identified by {number} already exists."
        raise ApiError("NetworkAclEntryAlreadyExists", text)
    flat: dict[str, str] = {}
    four, six = params.get("CidrBlock"), params.get("Ipv6CidrBlock")
    if bool(four) == bool(six):
        raise ApiError("MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
    if four:
        flat["CidrBlock"] = permissions.cidr(four, 4)
    else:
        flat["Ipv6CidrBlock"] = permissions.cidr(six, 6)
    names = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
    protocol = names.get(permissions.protocol(params.get("Protocol")), str(params.get("Protocol")).lower())
    flat["Protocol"] = "-1" if protocol == "all" else protocol
    if protocol in ("6", "17"):
        ports = params.get("PortRange") or {}
        first, last = ports.get("From"), ports.get("To")
        if first is None or last is None or not 0 <= int(first) <= int(last) <= 65535:
            raise ApiError(
                "InvalidParameterValue",
                "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
            )
    if protocol in ("1", "58") and "Type" not in (params.get("IcmpTypeCode") or {}):
        raise ApiError("MissingParameter", "The request must contain the parameter icmpTypeCode")
    answer = turn.done(**flat)
    made = _entry(acl, number, egress)
    kinds = params.get("IcmpTypeCode") or {}
    made.icmp_type, made.icmp_code = kinds.get("Type"), kinds.get("Code")  # moto reads them under another name
    return answer


@corrects("DeleteNetworkAclEntry")
def delete_entry(turn: Turn) -> Answer:
    """InvalidNetworkAclEntry.NotFound when there is none."""
    number, egress = int(turn.params.get("RuleNumber") or 0), bool(turn.params.get("Egress"))
    if _entry(_acl(turn), number, egress) is None:
        raise ApiError("InvalidNetworkAclEntry.NotFound", f"The network ACL entry {number} does not exist.")
    if number >= LAST:
        raise ApiError("InvalidParameterValue", "The default entries of a network ACL cannot be deleted.")
    return turn.done()


@corrects("DeleteNetworkAcl")
def delete(turn: Turn) -> Answer:
    """Neither the default one nor one in use (EC2 API Reference, DeleteNetworkAcl)."""
    acl = _acl(turn)
    if acl.default:
        raise ApiError("InvalidParameterValue", "Cannot delete default network ACL for the VPC.")
    return turn.done()


@corrects("ReplaceNetworkAclAssociation")
def associate(turn: Turn) -> Answer:
    """InvalidAssociationID.NotFound when there is none."""
    acl, id = _acl(turn), turn.params.get("AssociationId")
    for other in turn.ec2.network_acls.values():
        if id in other._associations:
            if other.vpc_id != acl.vpc_id:
                text = f"network acl {acl.id} and network acl {other.id} belong to different networks"
                raise ApiError("InvalidParameterValue", text)
            return turn.done()
    raise ApiError("InvalidAssociationID.NotFound", f"The association ID '{id}' does not exist")


def canonical(value: object) -> str:
    """An IPv4 or IPv6 CIDR in AWS's form ("we modify it to 100.68.0.0/18")."""
    try:
        return str(addresses.parsed(str(value)))
    except ValueError:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({value}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        ) from None
