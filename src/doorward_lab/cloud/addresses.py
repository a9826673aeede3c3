"""Which addresses the lab's cloud hands out: public ones from one pool, private ones the lowest that are free.

AWS picks at random; the lab picks in order, so that a scene looks the same each time. Calls that concern addresses
live in `doorward_lab.cloud.fixes`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

PUBLIC_RANGE = "198.18.0.0/24"
"""Public addresses of the lab: RFC 2544's benchmark range, which the rule book counts as internet and no one owns."""


class PublicPool:
    """Public IPv4 addresses, lowest free first; one that is given back can be given out again."""

    def __init__(self, network: str = PUBLIC_RANGE) -> None:
        self.network = ipaddress.IPv4Network(network)
        self._first = 10 if self.network.num_addresses > 32 else 1  # leaves room for the gateways' own ends

    def take(self, taken: Iterable[str]) -> str | None:
        """The lowest address that is not among `taken`; None when the pool is empty."""
        used = set(taken)
        for number in range(self._first, self.network.num_addresses - 1):
            address = str(self.network[number])
            if address not in used:
                return address
        return None


def public_addresses(ec2: Any) -> Iterator[str]:
    """Every public IPv4 address in use in one account and region."""
    for eip in ec2.addresses:
        yield eip.public_ip
    for interface in ec2.enis.values():
        if interface.public_ip:
            yield interface.public_ip


def private_addresses(interface: Any) -> list[str]:
    """An interface's private IPv4 addresses, the primary one first."""
    primary = interface.private_ip_address
    rest = [one["PrivateIpAddress"] for one in interface.private_ip_addresses if one.get("PrivateIpAddress") != primary]
    return [primary, *rest] if primary else rest


def used_in(ec2: Any, subnet: str, but: str = "") -> set[str]:
    """Private addresses (both families) of the interfaces in a subnet, without those of interface `but`."""
    found: set[str] = set()
    for interface in list(ec2.enis.values()):
        if interface.subnet.id == subnet and interface.id != but:
            found.update(private_addresses(interface))
            found.update(interface.ipv6_addresses)
    return found


@lru_cache(maxsize=4096)
def parsed(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network, host bits ignored. Raises ValueError."""
    return ipaddress.ip_network(cidr, strict=False)


def assignable(cidr: str, address: str) -> bool:
    """Whether an address of a subnet may be given to an interface.

    The first four addresses and the last one of each subnet are AWS's own (VPC User Guide, "Subnet CIDR blocks").
    """
    network = parsed(cidr)
    number = ipaddress.ip_address(address)
    if number.version != network.version or number not in network:
        return False
    offset = int(number) - int(network.network_address)
    return 4 <= offset < network.num_addresses - 1


def free(cidr: str, used: set[str], first: int = 4) -> str | None:
    """The lowest assignable address of a subnet's block that is not used; None when there is none."""
    network = parsed(cidr)
    for offset in range(first, min(network.num_addresses - 1, 1 << 17)):
        address = str(network[offset])
        if address not in used:
            return address
    return None


def subnet_ipv6(subnet: Any) -> str | None:
    """The IPv6 block that a subnet has, or None."""
    for one in subnet.ipv6_cidr_block_associations.values():
        if one["ipv6CidrBlockState"]["State"] == "associated":
            return str(one["ipv6CidrBlock"])
    return None


Chooser = Callable[[Any], str]
