"""Addresses of both families on one line of integers.

An IPv4 address is its own number (0 … 2**32 - 1); an IPv6 address is its number plus ``V6`` (2**128).
So one interval algebra serves both, and no function is written twice.
What does not live here: which addresses exist (``estate``), who may use them (``reach``).
"""

from __future__ import annotations

import ipaddress
from typing import Literal

from doorward.model.intervals import Intervals, Span

V6 = 1 << 128
V4_ALL: Span = (0, (1 << 32) - 1)
V6_ALL: Span = (V6, 2 * V6 - 1)
Family = Literal[4, 6]
FAMILY_ALL: dict[Family, Span] = {4: V4_ALL, 6: V6_ALL}
EVERYWHERE = Intervals([V4_ALL, V6_ALL])


def family_of(address: int) -> Family:
    """4 or 6."""
    return 6 if address >= V6 else 4


def parse_address(text: str) -> int:
    """One address on the line. Raises ValueError."""
    if ":" not in text:
        parts = text.split(".")
        if len(parts) == 4 and all(part.isascii() and part.isdigit() for part in parts):
            a, b, c, d = map(int, parts)
            if a < 256 and b < 256 and c < 256 and d < 256:
                return a << 24 | b << 16 | c << 8 | d
        raise ValueError(f"not an address: {text!r}")
    try:
        return V6 + int(ipaddress.IPv6Address(text))
    except ValueError as error:
        raise ValueError(f"not an address: {text!r}") from error


def parse_network(text: str) -> Span:
    """A CIDR as a span; host bits are ignored as AWS ignores them, a bare address is a single one.

    Source: EC2 API Reference, *AuthorizeSecurityGroupIngress* (CIDR is canonicalised). Raises ValueError.
    """
    base, slash, length = text.partition("/")
    address = parse_address(base.strip())
    width = 128 if address >= V6 else 32
    if not slash:
        return address, address
    if not (length.isascii() and length.isdigit()) or int(length) > width:
        raise ValueError(f"not a network: {text!r}")
    host = (1 << (width - int(length))) - 1
    return address & ~host, address | host


def show_address(address: int) -> str:
    """The usual spelling of one address."""
    if address >= V6:
        return str(ipaddress.IPv6Address(address - V6))
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def span_networks(span: Span) -> list[str]:
    """The fewest CIDRs that make up a span within one family."""
    first, last = span
    make = ipaddress.IPv6Address if first >= V6 else ipaddress.IPv4Address
    base = V6 if first >= V6 else 0
    return [str(net) for net in ipaddress.summarize_address_range(make(first - base), make(last - base))]


def networks(addresses: Intervals) -> list[str]:
    """The fewest CIDRs that make up a set, IPv4 first."""
    found: list[str] = []
    for family in (4, 6):
        low, high = FAMILY_ALL[4 if family == 4 else 6]
        for span in addresses & Intervals([(low, high)]):
            found.extend(span_networks(span))
    return found


def show_addresses(addresses: Intervals, most: int = 3) -> str:
    """Text for people: the CIDRs, at most ``most`` of them."""
    names = networks(addresses)
    if not names:
        return "no address"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _set(*texts: str) -> Intervals:
    return Intervals(parse_network(text) for text in texts)


V4 = Intervals([V4_ALL])
V6_SET = Intervals([V6_ALL])
INTERNET_V4 = V4 - _set(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "224.0.0.0/3",
)  # fmt: skip
"""Public unicast IPv4 (IANA IPv4 Special-Purpose Address Registry); documentation and benchmark ranges are kept in,
because laboratories and examples use them as the internet."""
INTERNET_V6 = _set("2000::/3")
"""Global unicast IPv6 (IANA IPv6 Address Space)."""
INTERNET = INTERNET_V4 | INTERNET_V6
