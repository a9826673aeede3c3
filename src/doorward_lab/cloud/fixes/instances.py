"""Instances as far as the network sees them: the addresses and groups they start with, what goes when they end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud import addresses, interfaces
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.fixes.interfaces import groups_for, replace_groups, take_addresses
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError

_RESERVATION = re.compile(rb"<reservationId>([^<]+)<")


@corrects("RunInstances")
def run(turn: Turn) -> Answer:
    """EC2 API Reference, RunInstances: without a subnet, one of the default VPC; addresses free and of the subnet;
    interfaces made with the instance go with it; IPv6 and secondary addresses as asked."""
    params, ec2 = turn.params, turn.ec2
    specs = {int(one.get("DeviceIndex") or 0): one for one in params.get("NetworkInterfaces") or ()}
    flat: dict[str, str] = {}
    subnet_id = params.get("SubnetId") or specs.get(0, {}).get("SubnetId")
    if not subnet_id and "NetworkInterfaceId" not in specs.get(0, {}) and "LaunchTemplate" not in params:
        zone = (params.get("Placement") or {}).get("AvailabilityZone")
        subnet_id = flat["SubnetId"] = _default_subnet(turn, zone)
    if subnet_id:
        _check(turn, lookup.subnet(turn, subnet_id), specs, int(params.get("MaxCount") or 1))
    for number, spec in specs.items():
        if number and spec.get("SubnetId"):
            other = lookup.subnet(turn, spec["SubnetId"])
            groups_for(turn, spec.get("Groups") or [], other.vpc_id)
    _reserve(ec2)
    before = set(ec2.enis)
    answer = turn.done(**flat)
    found = _RESERVATION.search(answer.body)
    assert found is not None, "moto answers RunInstances with a reservation"
    reservation = ec2.reservations[found.group(1).decode()]
    for instance in reservation.instances:
        for index, one in instance.nics.items():
            if one.id not in before:
                _mend(turn, one, specs.get(index, {}), index)
        instance.security_groups = list(instance.nics[0]._group_set)
    return turn.answer_with(reservation)


def _default_subnet(turn: Turn, zone: str | None) -> str:
    vpc = turn.ec2.get_default_vpc()
    if vpc is None:
        text = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC."
        raise ApiError("VPCIdNotSpecified", text)
    for one in turn.ec2.describe_subnets(filters={"vpc-id": [vpc.id]}):
        if zone in (None, one.availability_zone):
            return str(one.id)
    raise ApiError("MissingInput", f"No subnets found for the default VPC '{vpc.id}'. Please specify a subnet.")


def _check(turn: Turn, subnet: Any, specs: Mapping[int, Any], count: int) -> None:
    params, primary = turn.params, specs.get(0, {})
    ids = params.get("SecurityGroupIds") or primary.get("Groups") or []
    groups_for(turn, ids, subnet.vpc_id)
    for name in params.get("SecurityGroups") or ():
        if not any(one.name == name for one in turn.ec2.groups[subnet.vpc_id].values()):
            raise ApiError(
                "InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{subnet.vpc_id}'"
            )
    wanted = params.get("PrivateIpAddress") or primary.get("PrivateIpAddress")
    if wanted:
        if count > 1:
            text = "You cannot specify a private IP address when launching more than one instance."
            raise ApiError("InvalidParameterCombination", text)
        interfaces.choose(turn.ec2, subnet, wanted)


def _reserve(ec2: Any) -> None:
    """moto chooses addresses for instances without looking at other interfaces: tell its subnets of those."""
    for one in ec2.enis.values():
        for address in addresses.private_addresses(one):
            one.subnet._subnet_ips.setdefault(address, one)
    for zone in ec2.subnets.values():
        for subnet in zone.values():
            used = addresses.used_in(ec2, subnet.id)
            for address in [one for one in subnet._subnet_ips if one not in used]:
                subnet.del_subnet_ip(address)
            subnet._unused_ips = {one for one in subnet._unused_ips if one not in used}


def _mend(turn: Turn, one: Any, spec: Mapping[str, Any], index: int) -> None:
    """Give a new instance's interface what moto left out."""
    ec2, params = turn.ec2, turn.params
    if "PrivateIpAddresses" in spec or "SecondaryPrivateIpAddressCount" in spec or index:
        wish = dict(spec)
        if not index:
            wish["PrivateIpAddress"] = one.private_ip_address
    else:
        wish = {"PrivateIpAddress": one.private_ip_address}
    wish.update({key: spec[key] for key in ("Ipv6Addresses", "Ipv6AddressCount") if key in spec})
    if not index:
        wish.update({key: params[key] for key in ("Ipv6Addresses", "Ipv6AddressCount") if key in params})
    ec2.enis.pop(one.id)  # its own addresses are free to it
    ipv4, six = take_addresses(turn, one.subnet, wish)
    ec2.enis[one.id] = one
    one.private_ip_address = ipv4[0] if ipv4 else None
    names = {entry.get("PrivateIpAddress"): entry.get("PrivateDnsName") for entry in one.private_ip_addresses}
    one.private_ip_addresses = [
        {
            "Primary": number == 0,
            "PrivateIpAddress": address,
            **({"PrivateDnsName": names[address]} if names.get(address) else {}),
        }
        for number, address in enumerate(ipv4)
    ]
    one.ipv6_addresses = six
    groups = spec.get("Groups") or (params.get("SecurityGroupIds") if not index else None)
    if groups:
        one._group_set = groups_for(turn, groups, one.subnet.vpc_id)
    one._group_set = list(dict.fromkeys(one._group_set))
    # EC2 API Reference, InstanceNetworkInterfaceSpecification: made with the instance, it goes with the instance.
    one.delete_on_termination = spec.get("DeleteOnTermination", True) is True
    one.description = spec.get("Description", "")
    for key, value in turn.given_tags("network-interface").items():
        ec2.tags[one.id][key] = value


@corrects("TerminateInstances")
def terminate(turn: Turn) -> Answer:
    """Interfaces that stay are detached, elastic addresses become free (EC2 User Guide, "Terminate Amazon EC2
    instances")."""
    ec2 = turn.ec2
    answer = turn.done()
    for eip in ec2.addresses:
        gone = eip.eni is not None and eip.eni.id not in ec2.enis
        if gone or (eip.instance is not None and eip.instance.state == "terminated"):
            interfaces.disassociate(ec2, eip, automatic=False)
    for one in ec2.enis.values():
        if one.instance is not None and one.instance.state == "terminated":
            one.instance = one.attachment_id = one.attach_time = None
            one.status, one.device_index, one.public_ip = "available", None, None
    return answer


@corrects("ModifyInstanceAttribute")
def modify(turn: Turn) -> Answer | Mapping[str, Any]:
    """Groups replace those of the (only) interface (EC2 API Reference, ModifyInstanceAttribute)."""
    params = turn.params
    ids = params.get("Groups") or []
    if not ids and "SourceDestCheck" not in params:
        return turn.done()
    instance = turn.ec2.get_instance_by_id(params.get("InstanceId"))
    if instance is None:
        raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{params.get('InstanceId')}' does not exist")
    if len(instance.nics) > 1:
        several = f"There are multiple interfaces attached to instance '{instance.id}'."
        text = f"{several} Please specify an interface ID for the operation instead."
        raise ApiError("InvalidInstanceID", text)
    one = instance.nics[0]
    if ids:
        replace_groups(turn, one, ids)
    if "SourceDestCheck" in params:
        one.source_dest_check = instance.source_dest_check = bool(params["SourceDestCheck"].get("Value"))
    return {}
