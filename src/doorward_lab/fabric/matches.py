"""Protocol, port and ICMP words of the EC2 API as nftables matches; for groups' rules and ACLs' entries alike.

Addresses and verdicts belong to the callers. Sources: EC2 API Reference, `IpPermission` (protocols other than tcp,
udp, icmp and icmpv6: traffic on all ports is allowed, whatever the range says; -1 for the ICMP type: all types and
codes) and `NetworkAclEntry`.
"""

from __future__ import annotations

from doorward_lab.errors import Refused

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
ALL = -1
_NAMES = {"-1": ALL, "all": ALL, "tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
_TOP_PORT = 65535


def number(protocol: str) -> int:
    """The protocol's number, -1 for all; raises Refused for a word that the EC2 API does not know."""
    word = protocol.strip().lower()
    if word in _NAMES:
        return _NAMES[word]
    if word.isdigit() and int(word) <= 255:
        return int(word)
    raise Refused(f"protocol {protocol!r}: expected -1, tcp, udp, icmp, icmpv6 or a number from 0 to 255")


def all_ports(low: int | None, high: int | None) -> bool:
    """Whether a range of TCP or UDP ports is all of them: absent, -1, or 0-65535."""
    return low is None or high is None or low < 0 or (low == 0 and high >= _TOP_PORT)


def ports(protocol: int, low: int | None, high: int | None) -> str:
    """The match for TCP or UDP on ports `low` to `high`, both included."""
    word = "tcp" if protocol == TCP else "udp"
    if low is None or high is None or all_ports(low, high):
        return f"meta l4proto {word}"
    return f"{word} dport {low}" if low == high else f"{word} dport {low}-{high}"


def icmp(protocol: int, kind: int | None, code: int | None) -> str:
    """The match for an ICMP or ICMPv6 type and code; None or -1: all (all types means all codes)."""
    word = "icmp" if protocol == ICMP else "icmpv6"
    if kind is None or kind < 0:
        return f"meta l4proto {'icmp' if protocol == ICMP else 'ipv6-icmp'}"
    return f"{word} type {kind}" if code is None or code < 0 else f"{word} type {kind} {word} code {code}"


def service(protocol: int, low: int | None, high: int | None, family: int) -> str | None:
    """The match for what a rule allows in `family` (4 or 6); "" for everything, None for nothing.

    ICMP is a protocol of IPv4 and ICMPv6 one of IPv6: each means nothing in the other family.
    """
    if protocol == ALL:
        return ""
    if protocol in {TCP, UDP}:
        return ports(protocol, low, high)
    if protocol in {ICMP, ICMPV6}:
        return icmp(protocol, low, high) if family == (4 if protocol == ICMP else 6) else None
    return f"meta l4proto {protocol}"
