"""Calls on network interfaces: addresses that exist once, groups that are replaced, filters, who may delete what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doorward_lab.cloud import addresses, interfaces
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError

GROUPS = 5
"""Groups per interface (VPC User Guide, "Amazon VPC quotas")."""


def groups_for(turn: Turn, ids: Sequence[str], vpc: str) -> list[Any]:
    """The groups with these ids, for an interface in a VPC; its default group when none is given.

    Raises:
        ApiError: one does not exist, belongs to another VPC, or there are too many.
    """
    if not ids:
        default = turn.ec2.get_default_security_group(vpc)
        return [default] if default is not None else []
    found = [lookup.group_by_id(turn.ec2, id) for id in dict.fromkeys(ids)]
    for one in found:
        if one.vpc_id != vpc and vpc not in getattr(one, "lab_vpcs", ()):
            text = f"You have specified two resources that belong to different networks: {one.id} is not of {vpc}."
            raise ApiError("InvalidGroup.NotFound", text)
    if len(found) > GROUPS:
        raise ApiError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.",
        )
    return found


def take_addresses(turn: Turn, subnet: Any, spec: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """IPv4 (primary first) and IPv6 addresses for a new interface, by what the call's specification asks for."""
    ec2 = turn.ec2
    _no_prefixes(spec)
    primary = spec.get("PrivateIpAddress")
    rest: list[str] = []
    for one in spec.get("PrivateIpAddresses") or ():
        if one.get("Primary") and primary is None:
            primary = one.get("PrivateIpAddress")
        elif one.get("PrivateIpAddress") != primary:
            rest.append(one.get("PrivateIpAddress"))
    ipv4: list[str] = []
    six: list[str] = []
    if subnet.cidr_block:
        explicit = [one for one in rest if one]
        ipv4.append(interfaces.choose(ec2, subnet, primary, explicit if primary is None else ()))
        for wanted in explicit:
            ipv4.append(interfaces.choose(ec2, subnet, wanted, ipv4))
        for _ in range(int(spec.get("SecondaryPrivateIpAddressCount") or 0)):
            ipv4.append(interfaces.choose(ec2, subnet, None, ipv4))
    for one in spec.get("Ipv6Addresses") or ():
        six.append(interfaces.choose_ipv6(ec2, subnet, one.get("Ipv6Address"), six))
    count = spec.get("Ipv6AddressCount")
    if count is None and not six and subnet.assign_ipv6_address_on_creation and addresses.subnet_ipv6(subnet):
        # EC2 API Reference, ModifySubnetAttribute: AssignIpv6AddressOnCreation holds for interfaces created there.
        count = 1
    for _ in range(int(count or 0)):
        six.append(interfaces.choose_ipv6(ec2, subnet, None, six))
    return ipv4, six


def _no_prefixes(spec: Mapping[str, Any]) -> None:
    """Delegated prefixes are not modelled: better refused than dropped in silence."""
    for name in ("Ipv4Prefixes", "Ipv4PrefixCount", "Ipv6Prefixes", "Ipv6PrefixCount"):
        if spec.get(name):
            raise ApiError("UnsupportedOperation", f"{name}: delegated prefixes are not modelled by the lab")


@corrects("CreateNetworkInterface")
def create(turn: Turn) -> Mapping[str, Any]:
    """EC2 API Reference, CreateNetworkInterface. moto takes any address, also one in use, and invents groups."""
    params = turn.params
    subnet = lookup.subnet(turn, params.get("SubnetId"))
    groups = groups_for(turn, params.get("Groups") or [], subnet.vpc_id)
    ipv4, six = take_addresses(turn, subnet, params)
    listed = [{"Primary": index == 0, "PrivateIpAddress": one} for index, one in enumerate(ipv4)]
    tags = turn.given_tags("network-interface")
    found = turn.ec2.create_network_interface(
        subnet, ipv4[0] if ipv4 else None, listed, description=params.get("Description"), tags=tags, ipv6_addresses=six
    )
    found._group_set = groups
    kind = params.get("InterfaceType") or "interface"
    found.interface_type = "interface" if kind in ("efa", "branch", "trunk") else kind
    return {"NetworkInterface": interfaces.view(turn.ec2, found), "ClientToken": params.get("ClientToken")}


@corrects("DeleteNetworkInterface")
def delete(turn: Turn) -> Mapping[str, Any]:
    """Refused while attached (EC2 API Reference, DeleteNetworkInterface: "You must detach the interface")."""
    one = lookup.interface(turn, turn.params.get("NetworkInterfaceId"))
    if one.status == "in-use":
        raise ApiError("InvalidParameterValue", f"Network interface '{one.id}' is currently in use.")
    interfaces.release(turn.ec2, one)
    return {}


def replace_groups(turn: Turn, one: Any, ids: Sequence[str]) -> None:
    """Give an interface these groups and no others."""
    one._group_set = groups_for(turn, ids, one.subnet.vpc_id)
    if one.instance is not None and one.device_index == 0:
        one.instance.security_groups = list(one._group_set)


@corrects("ModifyNetworkInterfaceAttribute")
def modify(turn: Turn) -> Mapping[str, Any]:
    """Groups replace those that the interface had (EC2 API Reference, ModifyNetworkInterfaceAttribute)."""
    params = turn.params
    one = lookup.interface(turn, params.get("NetworkInterfaceId"))
    if params.get("Groups"):
        if one.requester_managed:
            text = f"You do not have permission to change the groups of '{one.id}': {one.requester_id} manages it."
            raise ApiError("OperationNotPermitted", text)
        replace_groups(turn, one, params["Groups"])
    if "SourceDestCheck" in params:
        one.source_dest_check = bool(params["SourceDestCheck"].get("Value"))
        if one.instance is not None and one.device_index == 0:
            one.instance.source_dest_check = one.source_dest_check
    if "Description" in params:
        one.description = params["Description"].get("Value", "")
    if "DeleteOnTermination" in params.get("Attachment", {}):
        one.delete_on_termination = bool(params["Attachment"]["DeleteOnTermination"])
    return {}


@corrects("AttachNetworkInterface")
def attach(turn: Turn) -> Answer:
    """Refused when the interface, or the place at the instance, is taken (EC2 API Reference, "Error codes")."""
    one = lookup.interface(turn, turn.params.get("NetworkInterfaceId"))
    if one.status == "in-use":
        raise ApiError("InvalidNetworkInterface.InUse", f"Interface: [{one.id}] in use.")
    instance = turn.ec2.get_instance_by_id(turn.params.get("InstanceId"))
    index = int(turn.params.get("DeviceIndex") or 0)
    if instance is not None and index in instance.nics:
        text = f"Instance '{instance.id}' already has an interface attached at device index '{index}'."
        raise ApiError("InvalidParameterValue", text)
    return turn.done()


@corrects("DetachNetworkInterface")
def detach(turn: Turn) -> Answer:
    """The primary interface cannot be detached (EC2 User Guide, "Elastic network interfaces")."""
    id = turn.params.get("AttachmentId")
    for one in turn.ec2.enis.values():
        if one.attachment_id == id and one.device_index == 0:
            text = "The network interface at device index 0 cannot be detached."
            raise ApiError("OperationNotPermitted", text)
    return turn.done()


@corrects("AssignPrivateIpAddresses")
def assign(turn: Turn) -> Mapping[str, Any]:
    """Secondary addresses (EC2 API Reference, AssignPrivateIpAddresses); one in use only with AllowReassignment."""
    ec2, params = turn.ec2, turn.params
    one = lookup.interface(turn, params.get("NetworkInterfaceId"))
    _no_prefixes(params)
    added: list[str] = []
    for wanted in params.get("PrivateIpAddresses") or ():
        if params.get("AllowReassignment"):
            _give_up(ec2, one.subnet.id, wanted)
        added.append(interfaces.choose(ec2, one.subnet, wanted, added))
    for _ in range(int(params.get("SecondaryPrivateIpAddressCount") or 0)):
        added.append(interfaces.choose(ec2, one.subnet, None, added))
    one.private_ip_addresses.extend({"Primary": False, "PrivateIpAddress": address} for address in added)
    listed = [{"PrivateIpAddress": address} for address in added]
    return {"NetworkInterfaceId": one.id, "AssignedPrivateIpAddresses": listed}


def _give_up(ec2: Any, subnet: str, address: str) -> None:
    for other in ec2.enis.values():
        if other.subnet.id == subnet and address in addresses.private_addresses(other)[1:]:
            _drop(ec2, other, address)


def _drop(ec2: Any, one: Any, address: str) -> None:
    eip = interfaces.eip_of(ec2, one, address)
    if eip is not None:
        interfaces.disassociate(ec2, eip)
    kept = [entry for entry in one.private_ip_addresses if entry.get("PrivateIpAddress") != address]
    one.private_ip_addresses[:] = kept


@corrects("UnassignPrivateIpAddresses")
def unassign(turn: Turn) -> Mapping[str, Any]:
    """Never the primary address (EC2 API Reference, UnassignPrivateIpAddresses)."""
    one = lookup.interface(turn, turn.params.get("NetworkInterfaceId"))
    doomed = list(turn.params.get("PrivateIpAddresses") or ())
    for address in doomed:
        if address not in addresses.private_addresses(one)[1:]:
            text = f"Some of [{address}] are not assigned to interface {one.id} as secondary addresses"
            raise ApiError("InvalidParameterValue", text)
    for address in doomed:
        _drop(turn.ec2, one, address)
    return {}


@corrects("AssignIpv6Addresses")
def assign_ipv6(turn: Turn) -> Mapping[str, Any]:
    """EC2 API Reference, AssignIpv6Addresses: the answer lists the new addresses only."""
    one = lookup.interface(turn, turn.params.get("NetworkInterfaceId"))
    _no_prefixes(turn.params)
    added: list[str] = []
    for wanted in turn.params.get("Ipv6Addresses") or ():
        added.append(interfaces.choose_ipv6(turn.ec2, one.subnet, wanted, added))
    for _ in range(int(turn.params.get("Ipv6AddressCount") or 0)):
        added.append(interfaces.choose_ipv6(turn.ec2, one.subnet, None, added))
    one.ipv6_addresses.extend(added)
    return {"NetworkInterfaceId": one.id, "AssignedIpv6Addresses": added}


def _publics(one: Any) -> list[str]:
    return [found for address in addresses.private_addresses(one) if (found := interfaces.public_of(one, address))]


_KNOWN: dict[str, Any] = {
    "network-interface-id": lambda one: (one.id,),
    "subnet-id": lambda one: (one.subnet.id,),
    "vpc-id": lambda one: (one.subnet.vpc_id,),
    "group-id": lambda one: [group.id for group in one._group_set],
    "group-name": lambda one: [group.name for group in one._group_set],
    "availability-zone": lambda one: (one.subnet.availability_zone,),
    "description": lambda one: (one.description,),
    "interface-type": lambda one: (one.interface_type,),
    "mac-address": lambda one: (one.mac_address,),
    "owner-id": lambda one: (one.owner_id,),
    "requester-id": lambda one: (one.requester_id,) if one.requester_managed else (),
    "requester-managed": lambda one: (bool(one.requester_managed),),
    "source-dest-check": lambda one: (bool(one.source_dest_check),),
    "status": lambda one: (one.status,),
    "private-ip-address": lambda one: (one.private_ip_address,),
    "addresses.private-ip-address": addresses.private_addresses,
    "addresses.primary": lambda one: (True, False) if len(addresses.private_addresses(one)) > 1 else (True,),
    "addresses.association.public-ip": _publics,
    "association.public-ip": lambda one: (one.public_ip,) if one.public_ip else (),
    "ipv6-addresses.ipv6-address": lambda one: one.ipv6_addresses,
    "attachment.instance-id": lambda one: (one.instance.id,) if one.instance is not None else (),
    "attachment.instance-owner-id": lambda one: (
        (one.instance.owner_id,) if one.instance is not None else (getattr(one, "lab_owner", None),)
    ),
    "attachment.attachment-id": lambda one: (one.attachment_id,) if one.attachment_id else (),
    "attachment.device-index": lambda one: (one.device_index,) if one.instance is not None else (),
    "attachment.delete-on-termination": lambda one: (bool(one.delete_on_termination),) if one.instance else (),
    "attachment.status": lambda one: ("attached",) if one.status == "in-use" else (),
}


@corrects("DescribeNetworkInterfaces")
def describe(turn: Turn) -> Mapping[str, Any]:
    """Interfaces by id or filter (EC2 API Reference, DescribeNetworkInterfaces)."""
    ids = turn.params.get("NetworkInterfaceIds") or []
    found = [lookup.interface(turn, id) for id in dict.fromkeys(ids)] if ids else list(turn.ec2.enis.values())
    known = {**_KNOWN, "association.allocation-id": lambda one: _eips(turn, one, "allocation_id")}
    known["association.association-id"] = lambda one: _eips(turn, one, "association_id")
    kept = lookup.chosen(turn, found, turn.params.get("Filters") or [], known)
    return {"NetworkInterfaces": [interfaces.view(turn.ec2, one) for one in kept]}


def _eips(turn: Turn, one: Any, field: str) -> list[object]:
    return [getattr(eip, field) for eip in turn.ec2.addresses if eip.eni is one]
