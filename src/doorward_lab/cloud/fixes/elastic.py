"""Elastic IP addresses: from the lab's own public range, on any private address of an interface."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from moto.ec2.utils import random_eip_association_id

from doorward_lab.cloud import addresses, interfaces
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError


@corrects("AllocateAddress")
def allocate(turn: Turn) -> Answer:
    """EC2 API Reference, AllocateAddress. `Address` asks for a certain one: any that nobody has."""
    wanted = turn.params.get("Address")
    if wanted:
        try:
            ipaddress.IPv4Address(wanted)
        except ValueError:
            raise ApiError("InvalidParameterValue", f"Invalid value '{wanted}' for address.") from None
        if wanted in set(addresses.public_addresses(turn.ec2)):
            raise ApiError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
    return turn.done()


def _eip(turn: Turn) -> Any:
    params = turn.params
    for field, attribute, code in (
        ("AllocationId", "allocation_id", "InvalidAllocationID.NotFound"),
        ("AssociationId", "association_id", "InvalidAssociationID.NotFound"),
        ("PublicIp", "public_ip", "InvalidAddress.NotFound"),
    ):
        if params.get(field):
            for one in turn.ec2.addresses:
                if getattr(one, attribute) == params[field]:
                    return one
            raise ApiError(code, f"The {field} '{params[field]}' does not exist")
    raise ApiError("MissingParameter", "Either 'allocationId' or 'publicIp' must be specified")


@corrects("AssociateAddress")
def associate(turn: Turn) -> Mapping[str, Any]:
    """With the private address that is asked for, else the primary one.

    EC2 API Reference, AssociateAddress: reassociation is automatic unless AllowReassociation is false; an address that
    the target had before is disassociated.
    """
    params, ec2 = turn.params, turn.ec2
    eip: Any = _eip(turn)
    if params.get("NetworkInterfaceId"):
        one = lookup.interface(turn, params["NetworkInterfaceId"])
    else:
        instance = ec2.get_instance_by_id(params.get("InstanceId"))
        if instance is None or 0 not in instance.nics:
            raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{params.get('InstanceId')}' does not exist")
        one = instance.nics[0]
    private = params.get("PrivateIpAddress") or one.private_ip_address
    if private not in addresses.private_addresses(one):
        text = f"The private IP address {private} is not assigned to the network interface {one.id}"
        raise ApiError("InvalidParameterValue", text)
    former: Any = interfaces.eip_of(ec2, one, private)
    if former is eip:
        return {"AssociationId": str(eip.association_id)}
    if eip.eni is not None and params.get("AllowReassociation") is False:
        text = f"resource {eip.allocation_id} is already associated with associate-id {eip.association_id}"
        raise ApiError("Resource.AlreadyAssociated", text)
    if eip.eni is not None:
        interfaces.disassociate(ec2, eip)
    if former is not None:
        interfaces.disassociate(ec2, former, automatic=False)
    eip.eni, eip.instance = one, one.instance
    eip.lab_private = private
    eip.association_id = random_eip_association_id()
    interfaces.set_public(one, private, eip.public_ip)
    return {"AssociationId": eip.association_id}


@corrects("DisassociateAddress")
def disassociate(turn: Turn) -> Mapping[str, Any]:
    """EC2 API Reference, DisassociateAddress."""
    eip = _eip(turn)
    if eip.eni is None:
        raise ApiError("InvalidAssociationID.NotFound", f"Address {eip.public_ip} is not associated.")
    interfaces.disassociate(turn.ec2, eip)
    return {}


@corrects("ReleaseAddress")
def release(turn: Turn) -> Mapping[str, Any]:
    """Refused while it is associated (EC2 API Reference, ReleaseAddress: InvalidIPAddress.InUse)."""
    eip = _eip(turn)
    if eip.eni is not None:
        raise ApiError("InvalidIPAddress.InUse", f"Address {eip.public_ip} is in use.")
    turn.ec2.addresses.remove(eip)
    turn.ec2.tags.pop(eip.allocation_id, None)
    return {}
