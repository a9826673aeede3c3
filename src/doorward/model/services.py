"""Services: sets of (protocol, port) or (ICMP type, code) on one line of 2**24 integers.

``protocol * 65_536 + port``, for ICMP and ICMPv6 ``+ type * 256 + code``; any other protocol owns its whole block of
65,536 numbers. A rule of a security group or an ACL entry always names exactly one span of this line.
"""

from __future__ import annotations

from doorward.model.addresses import Family
from doorward.model.intervals import Intervals, Span

BLOCK = 65_536
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
ALL_SPAN: Span = (0, 256 * BLOCK - 1)
ALL = Intervals([ALL_SPAN])
PROTOCOLS: dict[str, int] = {
    "icmp": 1, "igmp": 2, "ipv4": 4, "tcp": 6, "egp": 8, "udp": 17, "rdp": 27, "dccp": 33, "ipv6": 41,
    "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "eigrp": 88, "ospf": 89, "ipip": 94, "pim": 103,
    "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}  # fmt: skip
"""IANA protocol names that the EC2 API and Terraform accept beside numbers."""
NAMES = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}


def block(protocol: int) -> Span:
    """Everything of one protocol."""
    return protocol * BLOCK, protocol * BLOCK + BLOCK - 1


ALL_OF_FAMILY: dict[Family, Intervals] = {4: ALL - Intervals([block(ICMPV6)]), 6: ALL - Intervals([block(ICMP)])}
"""ICMPv6 does not exist over IPv4, nor ICMP over IPv6."""


def protocol_number(text: str) -> int | None:
    """The number of a protocol name or number as AWS takes it, -1 (everything) as None. Raises ValueError."""
    name = text.strip().lower()
    if name in ("-1", "all", "any"):
        return None
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.isascii() and name.isdigit() and int(name) < 256:
        return int(name)
    raise ValueError(f"not a protocol: {text!r}; expected -1, tcp, udp, icmp, icmpv6 or a number up to 255")


def rule_span(protocol: str, low: int | None, high: int | None) -> Span:
    """The span of a security group rule from its API fields.

    ``low``/``high`` are FromPort/ToPort (for ICMP: type and code). Ports are ignored for every protocol other than
    tcp, udp, icmp and icmpv6 (EC2 API Reference, *IpPermission*: "allows traffic on all ports, regardless of any port
    range"). Raises ValueError.
    """
    number = protocol_number(protocol)
    if number is None:
        return ALL_SPAN
    if number in (ICMP, ICMPV6):
        return _icmp_span(number, low, high)
    if number not in (TCP, UDP):
        return block(number)
    if (low is None and high is None) or low == -1:
        return block(number)
    first = 0 if low is None else low
    last = first if high is None else high
    if high == -1:
        last = BLOCK - 1
    if not 0 <= first <= last < BLOCK:
        raise ValueError(f"not a port range: {low}-{high}")
    return number * BLOCK + first, number * BLOCK + last


def _icmp_span(number: int, kind: int | None, code: int | None) -> Span:
    if kind is None or kind == -1:
        return block(number)
    if not 0 <= kind < 256 or not (code is None or -1 <= code < 256):
        raise ValueError(f"not an ICMP type and code: {kind}/{code}")
    base = number * BLOCK + kind * 256
    return (base, base + 255) if code is None or code == -1 else (base + code, base + code)


def parse_service(text: str) -> Intervals:
    """A contract's service: ``tcp/443``, ``tcp/8000-8100``, ``udp``, ``icmp/8``, ``icmp/3:4``, ``proto/50``, ``all``.

    Raises ValueError with what was expected.
    """
    name, slash, rest = text.strip().lower().partition("/")
    if name == "all" and not slash:
        return ALL
    if name == "proto":
        if not (rest.isascii() and rest.isdigit() and int(rest) < 256):
            raise ValueError(f"not a service: {text!r}; expected proto/0 to proto/255")
        return Intervals([block(int(rest))])
    if name not in ("tcp", "udp", "icmp", "icmpv6"):
        raise ValueError(f"not a service: {text!r}; expected e.g. tcp/443, udp/53, icmp/8, proto/50 or all")
    number = PROTOCOLS[name]
    if not slash:
        return Intervals([block(number)])
    separator = ":" if number in (ICMP, ICMPV6) else "-"
    low, joint, high = rest.partition(separator)
    if not (low.isascii() and low.isdigit()) or (joint and not (high.isascii() and high.isdigit())):
        raise ValueError(f"not a service: {text!r}; expected e.g. tcp/443, tcp/8000-8100, icmp/8 or icmp/3:4")
    first, last = int(low), int(high) if joint else None
    if number in (ICMP, ICMPV6):
        return Intervals([_icmp_span(number, first, last)])
    top = first if last is None else last
    if not first <= top < BLOCK:
        raise ValueError(f"not a service: {text!r}; ports are 0 to 65535, the lower first")
    return Intervals([(number * BLOCK + first, number * BLOCK + top)])


def show_span(span: Span) -> str:
    """One span in the words of a contract, e.g. ``tcp/8000-8100`` (several protocols are joined by commas)."""
    first, last = span
    if span == ALL_SPAN:
        return "all"
    low, high = first // BLOCK, last // BLOCK
    if low != high:
        if first == low * BLOCK and last == high * BLOCK + BLOCK - 1:
            return f"proto/{low}-{high}"
        pieces = [(first, low * BLOCK + BLOCK - 1)]
        if high > low + 1:
            pieces.append(((low + 1) * BLOCK, high * BLOCK - 1))
        pieces.append((high * BLOCK, last))
        return ", ".join(show_span(piece) for piece in pieces)
    name = NAMES.get(low)
    if span == block(low):
        return name or f"proto/{low}"
    if name is None:
        return f"proto/{low}"
    a, b = first % BLOCK, last % BLOCK
    if low in (ICMP, ICMPV6):
        if a == b:
            return f"{name}/{a >> 8}:{a & 255}" if a & 255 else f"{name}/{a >> 8}:0"
        if a >> 8 == b >> 8 and a & 255 == 0 and b & 255 == 255:
            return f"{name}/{a >> 8}"
        return f"{name}/{a >> 8}:{a & 255}-{b >> 8}:{b & 255}"
    return f"{name}/{a}" if a == b else f"{name}/{a}-{b}"


def show_services(services: Intervals, most: int = 4) -> str:
    """A set of services in words, at most ``most`` spans."""
    if not services:
        return "no service"
    if services == ALL or services in ALL_OF_FAMILY.values():
        return "all"
    names = [show_span(span) for span in services.spans]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


EPHEMERAL: Span = (1024, 65_535)
"""Ports on which answers return, by default (VPC User Guide, *Ephemeral ports*: ELB, NAT gateways, Lambda)."""


def answer_to(service: int, ephemeral: Span = EPHEMERAL) -> Span | None:
    """The span that an ACL must pass for the answer to one service; None when there is no answer to wait for."""
    protocol, detail = divmod(service, BLOCK)
    if protocol in (TCP, UDP):
        return protocol * BLOCK + ephemeral[0], protocol * BLOCK + ephemeral[1]
    if protocol == ICMP:
        return (ICMP * BLOCK, ICMP * BLOCK) if detail >> 8 == 8 else None
    if protocol == ICMPV6:
        reply = ICMPV6 * BLOCK + 129 * 256
        return (reply, reply) if detail >> 8 == 128 else None
    return block(protocol)
