"""The short forms of the scene language, both ways: services, rules of groups, entries of ACLs, listeners, CIDRs.

All functions raise ValueError with what was got and what was expected; who calls them knows the place in the file.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

from doorward_lab.scenes.scene import ANYWHERE, AclEntry, Listener, Rule, Service

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
SERVICE = "tcp/443, tcp/8000-8100, udp/53, tcp, icmp/8, icmp/3:4, icmpv6/128, proto/50 or all"
PEER = "internet, internet:v4, internet:v6, group:NAME, prefix-list:NAME or a CIDR"
PROTOCOLS = ("HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP")
"""Protocols of listeners and target groups (ELB API Reference, CreateListener)."""
_PORTED = ("tcp", "udp")
_ICMP = ("icmp", "icmpv6")
_BY_NUMBER = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}


def _number(text: str, most: int) -> int | None:
    """A whole number from 0 to `most`, else None."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= most:
        return int(text)
    return None


def service(text: str) -> Service:
    """`tcp/443` and its like."""
    name, slash, rest = text.partition("/")
    wrong = ValueError(f"{text!r} is not a service; expected {SERVICE}")
    if name == "all" and not slash:
        return Service()
    if name == "proto":
        number = _number(rest, 255)
        if number is None:
            raise wrong
        return Service(_BY_NUMBER.get(str(number), str(number)), *_all_of(_BY_NUMBER.get(str(number), "")))
    if name not in (*_PORTED, *_ICMP):
        raise wrong
    if not slash:
        return Service(name, *_all_of(name))
    if name in _PORTED:
        low, dash, high = rest.partition("-")
        first, last = _number(low, 65_535), _number(high if dash else low, 65_535)
        if first is None or last is None:
            raise wrong
        if first > last:
            raise ValueError(f"{text!r} has its ports the wrong way round; expected {name}/{last}-{first}")
        return Service(name, first, last)
    low, colon, high = rest.partition(":")
    kind, code = _number(low, 255), _number(high, 255) if colon else -1
    if kind is None or code is None:
        raise wrong
    return Service(name, kind, code)


def _all_of(name: str) -> tuple[int | None, int | None]:
    if name in _PORTED:
        return 0, 65_535
    return (-1, -1) if name in _ICMP else (None, None)


def show_service(value: Service) -> str:
    """The short form of a service."""
    name = _BY_NUMBER.get(value.protocol, value.protocol)
    if name == "-1":
        return "all"
    if name in _PORTED:
        first = 0 if value.first is None or value.first < 0 else value.first
        last = 65_535 if value.last is None or value.last < 0 else value.last
        if (first, last) == (0, 65_535):
            return name
        return f"{name}/{first}" if first == last else f"{name}/{first}-{last}"
    if name in _ICMP:
        if value.first is None or value.first < 0:
            return name
        return f"{name}/{value.first}" if value.last is None or value.last < 0 else f"{name}/{value.first}:{value.last}"
    return f"proto/{name}"


def network(text: str, family: int | None = None) -> Network:
    """A CIDR without host bits, of one family if asked."""
    kind = "a CIDR" if family is None else f"an IPv{family} CIDR"
    example = "2001:db8::/56" if family == 6 else "10.0.0.0/16"
    if "/" not in text:
        raise ValueError(f"{text!r} is not {kind}; expected one such as {example}")
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is not {kind}; expected one such as {example}") from error
    if family is not None and found.version != family:
        raise ValueError(f"{text!r} is IPv{found.version}; expected {kind} such as {example}")
    if str(found.network_address) != str(ipaddress.ip_interface(text).ip):
        raise ValueError(f"{text!r} has host bits set; expected {found}")
    return found


def address(text: str, family: int) -> str:
    """One address of a family, in its usual spelling."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv{family} address") from error
    if found.version != family:
        raise ValueError(f"{text!r} is IPv{found.version}; expected an IPv{family} address")
    return str(found)


def name(text: str) -> str:
    """A name of the scene's own."""
    if not NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a name; expected up to 63 letters, digits, '-', '_' and '.', a letter or digit first"
        )
    return text


def peer(text: str) -> str:
    """The other side of a rule, in its one spelling."""
    if text in ANYWHERE:
        return text
    word, colon, rest = text.partition(":")
    if colon and word in ("group", "prefix-list"):
        return f"{word}:{name(rest)}"
    if "/" in text:
        return str(network(text))
    raise ValueError(f"{text!r} is not a peer; expected {PEER}")


def rule(text: str, egress: bool, description: str = "") -> Rule:
    """`tcp/443 from internet`, `tcp/5432 to group:db`."""
    joint = "to" if egress else "from"
    words = text.split()
    if len(words) != 3 or words[1] != joint:
        other = "from" if egress else "to"
        if len(words) == 3 and words[1] == other:
            where = "egress" if egress else "ingress"
            raise ValueError(f"{text!r} says {other!r} in {where}; expected SERVICE {joint} PEER")
        raise ValueError(f"{text!r} is not a rule; expected SERVICE {joint} PEER, such as tcp/443 {joint} internet")
    return Rule(service(words[0]), peer(words[2]), description)


def show_rule(value: Rule, egress: bool) -> str:
    """The short form of a rule, without its description."""
    return f"{show_service(value.service)} {'to' if egress else 'from'} {value.peer}"


def entry(number: str, text: str, egress: bool) -> AclEntry:
    """`allow tcp/443 from 0.0.0.0/0` under its number."""
    joint = "to" if egress else "from"
    found = _number(number, 32_766)
    if not found:
        raise ValueError(f"{number!r} is not an entry's number; expected 1 to 32766")
    words = text.split()
    if len(words) != 4 or words[0] not in ("allow", "deny") or words[2] != joint:
        raise ValueError(f"{text!r} is not an entry; expected allow|deny SERVICE {joint} CIDR")
    return AclEntry(found, words[0] == "allow", service(words[1]), str(network(words[3])))


def show_entry(value: AclEntry, egress: bool) -> str:
    """The short form of an entry, without its number."""
    joint = "to" if egress else "from"
    return f"{'allow' if value.allow else 'deny'} {show_service(value.service)} {joint} {value.cidr}"


def listener(text: str) -> Listener:
    """`https/443 to portal`, `https/443 path /token* to login`."""
    words = text.split()
    path = ""
    if len(words) == 5 and words[1] == "path" and words[2].startswith("/"):
        path = words[2]
        del words[1:3]
    if len(words) != 3 or words[1] != "to":
        raise ValueError(f"{text!r} is not a listener; expected PROTOCOL/PORT [path /PATTERN] to TARGET-GROUP")
    word, _, digits = words[0].partition("/")
    return Listener(protocol(word), port(digits), name(words[2]), path)


def show_listener(value: Listener) -> str:
    """The short form of a listener."""
    path = f" path {value.path}" if value.path else ""
    return f"{value.protocol.lower()}/{value.port}{path} to {value.forward}"


def protocol(text: str) -> str:
    """A protocol of a listener or target group, in the API's spelling."""
    if text.upper() not in PROTOCOLS:
        raise ValueError(f"{text!r} is not a protocol; expected one of {', '.join(PROTOCOLS).lower()}")
    return text.upper()


def port(text: str) -> int:
    """A port from 1 to 65535."""
    found = _number(text, 65_535)
    if not found:
        raise ValueError(f"{text!r} is not a port; expected 1 to 65535")
    return found


def destination(text: str) -> str:
    """Where a route leads: a CIDR or a prefix list."""
    word, colon, rest = text.partition(":")
    if colon and word == "prefix-list":
        return f"prefix-list:{name(rest)}"
    return str(network(text))


def target(text: str) -> str:
    """What a route leads through."""
    word, colon, rest = text.partition(":")
    if not colon or word not in ("gateway", "peering", "host"):
        raise ValueError(f"{text!r} is not a route's target; expected gateway:NAME, peering:NAME or host:NAME")
    return f"{word}:{name(rest)}"
