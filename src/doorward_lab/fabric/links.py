"""Names and addresses of links: derived from the ids of what they join, so that compilers need no allocation.

A link's name has at most 15 characters: a letter for its kind and 12 hexadecimal digits of its ids' digest.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

# Each end of every link between two routers or gateways is NEAR to itself and FAR to the other, by a permanent
# neighbour: these addresses never leave the link.
NEAR4, FAR4, LINK4 = "169.254.255.1", "169.254.255.2", 30
NEAR6, FAR6, LINK6 = "fe80::1", "fe80::2", 64
ROUTER6 = "fe80::1"  # the router's address on every subnet


@lru_cache(maxsize=65536)
def short(letter: str, *ids: str) -> str:
    """A name for what has these ids, at most 13 characters."""
    return letter + hashlib.blake2s("/".join(ids).encode(), digest_size=6).hexdigest()


def bridge(subnet: str) -> str:
    """The bridge of a subnet, in the router of its VPC."""
    return short("s", subnet)


def port(interface: str) -> str:
    """The router's end of an interface's link: a port of its subnet's bridge."""
    return short("p", interface)


def toward(gateway: str) -> str:
    """A router's link to an internet, egress-only or transit gateway, or to the other VPC of a peering."""
    return short("g", gateway)


@lru_cache(maxsize=65536)
def mac(*ids: str) -> str:
    """A locally administered unicast address for the end of a link that has these ids."""
    digest = hashlib.blake2s("/".join(ids).encode(), digest_size=5).hexdigest()
    return "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))
