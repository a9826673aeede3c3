"""Private addresses that a scene leaves open, chosen the same way each time. Elastic IPs are the cloud's to choose.

AWS keeps the first four addresses and the last one of a subnet (VPC User Guide, *Subnet CIDR blocks*).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

from doorward_lab.scenes.scene import Scene, Subnet

RESERVED = 4
"""Addresses at the beginning of a subnet that AWS keeps."""
_FIRST = 10
"""Where choosing begins, in subnets that are large enough: small numbers are left to people."""
_ROOMY = 64


class Full(Exception):
    """No address is left; `args`: the path of who got none, and where there was none."""

    def __init__(self, path: tuple[str, ...], where: str) -> None:
        super().__init__(path, where)
        self.path = path
        self.where = where


@dataclass(slots=True)
class Addresses:
    """Private IPv4 addresses of hosts and NAT gateways, by name."""

    hosts: dict[str, str] = field(default_factory=dict)
    gateways: dict[str, str] = field(default_factory=dict)


def assign(scene: Scene) -> Addresses:
    """All private IPv4 addresses, written and chosen. Raises `Full`."""
    found = Addresses()
    taken = {one.address for one in scene.gateways.values()}
    for host in scene.hosts.values():
        taken.update((host.address, *host.secondary))
    free = {name: _free(subnet, taken) for name, subnet in scene.subnets.items()}
    for host in scene.hosts.values():
        found.hosts[host.name] = host.address or _next(free[host.subnet], ("hosts", host.name), host.subnet)
    for one in scene.gateways.values():
        if one.kind == "nat":
            found.gateways[one.name] = one.address or _next(free[one.subnet], ("gateways", one.name), one.subnet)
    return found


def wants_public(scene: Scene, host: str) -> str:
    """ "auto", an Elastic IP, or "": what a host says, else what its subnet does."""
    one = scene.hosts[host]
    if one.public is not None:
        return one.public
    return "auto" if scene.subnets[one.subnet].public else ""


def wants_ipv6(scene: Scene, host: str) -> tuple[str, ...]:
    """Addresses, or ("auto",), or (): what a host says, else what its subnet does."""
    one = scene.hosts[host]
    if one.ipv6 is not None:
        return one.ipv6
    return ("auto",) if scene.subnets[one.subnet].ipv6 else ()


def ipv6_for(scene: Scene, block: str, hosts: dict[str, str], subnet: str) -> dict[str, tuple[str, ...]]:
    """IPv6 addresses of a subnet's hosts in its block: automatic ones have the host part of the IPv4 address."""
    network = ipaddress.IPv6Network(block)
    base = int(ipaddress.IPv4Network(scene.subnets[subnet].cidr).network_address)
    here = [one for one in scene.hosts.values() if one.subnet == subnet]
    taken = {text for one in here for text in wants_ipv6(scene, one.name)}
    found: dict[str, tuple[str, ...]] = {}
    for one in here:
        wanted = wants_ipv6(scene, one.name)
        if wanted == ("auto",):
            number = int(ipaddress.IPv4Address(hosts[one.name])) - base
            while str(network[number]) in taken:
                number += 1
            wanted = (str(network[number]),)
            taken.update(wanted)
        if wanted:
            found[one.name] = wanted
    return found


def usable(subnet: Subnet, address: str) -> bool:
    """Whether an address lies in a subnet and is not one that AWS keeps."""
    network = ipaddress.ip_network(subnet.cidr)
    number = ipaddress.ip_address(address)
    return number in network and RESERVED <= int(number) - int(network.network_address) < network.num_addresses - 1


def _free(subnet: Subnet, taken: set[str]) -> Iterator[str]:
    network = ipaddress.IPv4Network(subnet.cidr)
    first = _FIRST if network.num_addresses >= _ROOMY else RESERVED
    order = [*range(first, network.num_addresses - 1), *range(RESERVED, first)]
    return (str(network[number]) for number in order if str(network[number]) not in taken)


def _next(free: Iterator[str], path: tuple[str, ...], where: str) -> str:
    found = next(free, None)
    if found is None:
        raise Full(path, where)
    return found
