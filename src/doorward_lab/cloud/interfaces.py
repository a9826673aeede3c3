"""Network interfaces: how they are described, which addresses they get, those that AWS's own services place in subnets.

EC2 API Reference, NetworkInterface; EC2 User Guide, "Requester-managed network interfaces". The calls are in
`doorward_lab.cloud.fixes`, the services' owners in `balancers`, `databases` and `fixes.gateways`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from doorward_lab.cloud import addresses
from doorward_lab.cloud.wire import ApiError


def eip_of(ec2: Any, interface: Any, private: str) -> Any | None:
    """The elastic address that is associated with a private address of an interface, or None."""
    for eip in ec2.addresses:
        if eip.eni is interface and (getattr(eip, "lab_private", None) or interface.private_ip_address) == private:
            return eip
    return None


def public_of(interface: Any, private: str) -> str | None:
    """The public address of a private address of an interface, or None."""
    if private == interface.private_ip_address:
        return str(interface.public_ip) if interface.public_ip else None
    found = getattr(interface, "lab_public", {}).get(private)
    return str(found) if found else None


def set_public(interface: Any, private: str, public: str | None) -> None:
    """Give (or take) the public address of one private address."""
    if private == interface.private_ip_address:
        interface.public_ip = public
        return
    held = {**getattr(interface, "lab_public", {}), private: public}
    interface.lab_public = {key: value for key, value in held.items() if value}


def disassociate(ec2: Any, eip: Any, *, automatic: bool = True) -> None:
    """Take an elastic address off its interface, which gets an automatic one back if it was launched with one."""
    interface = eip.eni
    if interface is not None:
        private = getattr(eip, "lab_private", None) or interface.private_ip_address
        set_public(interface, private, None)
        instance = interface.instance
        if automatic and instance is not None and instance.state == "running":
            interface.check_auto_public_ip()
    eip.eni = eip.instance = eip.association_id = None
    eip.lab_private = None


def release(ec2: Any, interface: Any) -> None:
    """Remove an interface: its elastic addresses are free again, its private ones too."""
    for eip in [one for one in ec2.addresses if one.eni is interface]:
        disassociate(ec2, eip, automatic=False)
    ec2.enis.pop(interface.id, None)
    for address in addresses.private_addresses(interface):
        interface.subnet.del_subnet_ip(address)
    ec2.tags.pop(interface.id, None)


def choose(ec2: Any, subnet: Any, wanted: str | None = None, also_used: Iterable[str] = ()) -> str:
    """An IPv4 address of a subnet: the one that is wanted, or the lowest free one.

    Raises:
        ApiError: InvalidIPAddress.InUse, InvalidParameterValue, InsufficientFreeAddressesInSubnet.
    """
    used = addresses.used_in(ec2, subnet.id) | set(also_used)
    if wanted is not None:
        check(subnet.cidr_block, wanted)
        if wanted in used:
            raise ApiError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
        return wanted
    found = addresses.free(subnet.cidr_block, used)
    if found is None:
        text = f"The specified subnet '{subnet.id}' does not have enough free addresses to satisfy the request."
        raise ApiError("InsufficientFreeAddressesInSubnet", text)
    return found


def choose_ipv6(ec2: Any, subnet: Any, wanted: str | None = None, also_used: Iterable[str] = ()) -> str:
    """An IPv6 address of a subnet, likewise."""
    block = addresses.subnet_ipv6(subnet)
    if block is None:
        raise ApiError("InvalidParameterValue", f"The subnet '{subnet.id}' does not have an IPv6 CIDR block")
    used = addresses.used_in(ec2, subnet.id) | set(also_used)
    if wanted is not None:
        check(block, wanted)
        plain = str(ipaddress.IPv6Address(wanted))
        if plain in used:
            raise ApiError("InvalidIPAddress.InUse", f"Address {plain} is in use.")
        return plain
    found = addresses.free(block, used)
    assert found is not None, "a /64 does not fill up"
    return found


def check(cidr: str, address: str) -> None:
    """Refuse an address that is not one of a subnet's block, or that AWS keeps for itself.

    Raises:
        ApiError: InvalidParameterValue.
    """
    try:
        fits = addresses.assignable(cidr, address)
    except ValueError:
        raise ApiError("InvalidParameterValue", f"invalid value for parameter address: [{address}]") from None
    if not fits:
        inside = ipaddress.ip_address(address) in addresses.parsed(cidr)
        text = (
            "Address is in subnet's reserved address range"
            if inside
            else "Address does not fall within the subnet's address range"
        )
        raise ApiError("InvalidParameterValue", text)


def place(
    ec2: Any,
    subnet: Any,
    *,
    requester: str,
    description: str,
    groups: Sequence[Any] = (),
    kind: str = "interface",
    private: str | None = None,
    public: str | None = None,
    ipv6: bool = False,
) -> Any:
    """An interface that one of AWS's services puts into a subnet and manages itself; `groups` may be none at all."""
    address = choose(ec2, subnet, private)
    six = [choose_ipv6(ec2, subnet)] if ipv6 else []
    found = ec2.create_network_interface(subnet, address, description=description, ipv6_addresses=six)
    found._group_set = list(groups)
    adopt(found, requester=requester, description=description, kind=kind)
    if public is not None:
        found.public_ip = public
    return found


def adopt(interface: Any, *, requester: str, description: str, kind: str) -> None:
    """Make an interface one that a service of AWS's manages."""
    interface.requester_managed = True
    interface.requester_id = requester
    interface.interface_type = kind
    interface.description = description
    interface.status = "in-use"
    interface.lab_owner = requester if requester.startswith("amazon-") else "amazon-aws"


def take_public(ec2: Any, pool: addresses.PublicPool) -> str:
    """A public address for a service's interface.

    Raises:
        ApiError: the pool is empty.
    """
    found = pool.take(addresses.public_addresses(ec2))
    if found is None:
        raise ApiError("InsufficientAddressCapacity", f"The lab's public addresses ({pool.network}) are all in use.")
    return found


def view(ec2: Any, one: Any) -> dict[str, Any]:
    """A `NetworkInterface`."""
    region = ec2.region_name
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    named = bool(ec2.vpcs[one.subnet.vpc_id].enable_dns_hostnames)
    listed = []
    for address in addresses.private_addresses(one):
        entry: dict[str, Any] = {"PrivateIpAddress": address, "Primary": address == one.private_ip_address}
        if named:
            entry["PrivateDnsName"] = f"ip-{address.replace('.', '-')}.{domain}"
        entry["Association"] = _association(ec2, one, address)
        listed.append({key: value for key, value in entry.items() if value is not None})
    primary = listed[0] if listed else {}
    found: dict[str, Any] = {
        "NetworkInterfaceId": one.id,
        "InterfaceType": one.interface_type,
        "Description": one.description,
        "SubnetId": one.subnet.id,
        "VpcId": one.subnet.vpc_id,
        "AvailabilityZone": one.subnet.availability_zone,
        "OwnerId": one.owner_id,
        "RequesterManaged": bool(one.requester_managed),
        "Status": one.status,
        "MacAddress": one.mac_address,
        "SourceDestCheck": bool(one.source_dest_check),
        "Groups": [{"GroupId": group.id, "GroupName": group.name} for group in one._group_set],
        "PrivateIpAddress": one.private_ip_address,
        "PrivateDnsName": primary.get("PrivateDnsName"),
        "PrivateIpAddresses": listed,
        "Association": primary.get("Association"),
        "Ipv6Addresses": [{"Ipv6Address": address} for address in one.ipv6_addresses],
        "Ipv6Address": one.ipv6_addresses[0] if one.ipv6_addresses else None,
        "Attachment": _attachment(one),
        "TagSet": [{"Key": key, "Value": value} for key, value in ec2.tags.get(one.id, {}).items()],
    }
    if one.requester_managed:
        found["RequesterId"] = one.requester_id
    return found


def _association(ec2: Any, one: Any, private: str) -> dict[str, Any] | None:
    public = public_of(one, private)
    if public is None:
        return None
    eip = eip_of(ec2, one, private)
    zone = "compute-1" if ec2.region_name == "us-east-1" else f"{ec2.region_name}.compute"
    found = {"PublicIp": public, "PublicDnsName": f"ec2-{public.replace('.', '-')}.{zone}.amazonaws.com"}
    if eip is None:  # an automatic address belongs to Amazon
        owner = getattr(one, "lab_owner", "amazon")
        return {**found, "IpOwnerId": owner}
    return {**found, "IpOwnerId": one.owner_id, "AllocationId": eip.allocation_id, "AssociationId": eip.association_id}


def _attachment(one: Any) -> dict[str, Any] | None:
    if one.instance is None:
        owner = getattr(one, "lab_owner", None)
        if owner is None:
            return None
        id = "ela-attach-" + one.id.removeprefix("eni-")
        return {
            "AttachmentId": id,
            "DeviceIndex": 1,
            "InstanceOwnerId": owner,
            "Status": "attached",
            "DeleteOnTermination": False,
        }
    return {
        "AttachmentId": one.attachment_id,
        "AttachTime": one.attach_time,
        "DeleteOnTermination": bool(one.delete_on_termination),
        "DeviceIndex": one.device_index,
        "NetworkCardIndex": 0,
        "InstanceId": one.instance.id,
        "InstanceOwnerId": one.instance.owner_id,
        "Status": "attached",
    }
