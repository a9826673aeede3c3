"""What the kernel lists of links, routes and rules, as values. The asking is in `netlink`."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from doorward_lab.kernel import wire

_KINDS = {1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable"}
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _INFO_KIND = 1, 3, 4, 10, 18, 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_FRA_DST, _FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE = 1, 2, 3, 6, 10, 15


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `master` is the index of the bridge it is a port of, `kind` "" for lo."""

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    master: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route; `dst` is always a network ("0.0.0.0/0"), `priority` None where the kernel gives none."""

    dst: str
    via: str | None
    dev: str | None
    table: int
    kind: str
    source: str | None
    priority: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy rule: packets that fit are looked up in `table`."""

    priority: int
    iif: str | None
    table: int
    source: str | None
    destination: str | None
    mark: int | None


def _number(value: bytes) -> int:
    return int(struct.unpack_from("=I", value)[0])


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def _network(value: bytes | None, length: int, family: int) -> str:
    raw = value if value is not None else bytes(4 if family == socket.AF_INET else 16)
    return f"{ipaddress.ip_address(raw)}/{length}"


def link(payload: bytes) -> Link:
    """One RTM_NEWLINK."""
    _, _, _, index, flags, _ = struct.unpack_from("=BBHiII", payload)
    found = dict(wire.attributes(payload[16:]))
    kind = dict(wire.attributes(found.get(_IFLA_LINKINFO, b""))).get(_INFO_KIND, b"")
    return Link(
        index=index,
        name=_text(found[_IFLA_IFNAME]),
        mac=found.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=_number(found[_IFLA_MTU]),
        up=bool(flags & 1),
        master=_number(found[_IFLA_MASTER]) if _IFLA_MASTER in found else None,
        kind=_text(kind),
    )


def route(payload: bytes, names: Mapping[int, str]) -> Route:
    """One RTM_NEWROUTE; `names` are the links by index."""
    family, length, _, _, low, _, _, kind, _ = struct.unpack_from("=BBBBBBBBI", payload)
    found = dict(wire.attributes(payload[12:]))
    device = _number(found[_RTA_OIF]) if _RTA_OIF in found else None
    return Route(
        dst=_network(found.get(_RTA_DST), length, family),
        via=str(ipaddress.ip_address(found[_RTA_GATEWAY])) if _RTA_GATEWAY in found else None,
        dev=None if device is None else names.get(device, str(device)),
        table=_number(found[_RTA_TABLE]) if _RTA_TABLE in found else low,
        kind=_KINDS.get(kind, str(kind)),
        source=str(ipaddress.ip_address(found[_RTA_PREFSRC])) if _RTA_PREFSRC in found else None,
        priority=_number(found[_RTA_PRIORITY]) if _RTA_PRIORITY in found else None,
    )


def rule(payload: bytes) -> Rule:
    """One RTM_NEWRULE."""
    family, to, since, _, low, _, _, _, _ = struct.unpack_from("=BBBBBBBBI", payload)
    found = dict(wire.attributes(payload[12:]))
    return Rule(
        priority=_number(found[_FRA_PRIORITY]) if _FRA_PRIORITY in found else 0,
        iif=_text(found[_FRA_IIFNAME]) if _FRA_IIFNAME in found else None,
        table=_number(found[_FRA_TABLE]) if _FRA_TABLE in found else low,
        source=_network(found[_FRA_SRC], since, family) if _FRA_SRC in found else None,
        destination=_network(found[_FRA_DST], to, family) if _FRA_DST in found else None,
        mark=_number(found[_FRA_FWMARK]) if _FRA_FWMARK in found else None,
    )
