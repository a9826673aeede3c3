"""Links, addresses, routes and rules by raw rtnetlink: 14 times faster than ip(8), and nothing to install.

One `Netlink` works in one namespace, from any thread. Sending is in `channel`, reading in `netlink_read`, bytes in
`wire`. Numbers: linux/rtnetlink.h, linux/if_link.h, linux/fib_rules.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeVar

from doorward_lab.errors import Refused
from doorward_lab.kernel import netlink_read, wire
from doorward_lab.kernel.channel import Channel
from doorward_lab.kernel.netlink_read import Link, Route, Rule
from doorward_lab.kernel.netns import Namespace, write_sysctls

T = TypeVar("T")
RouteKind = Literal["unicast", "blackhole", "local", "unreachable"]

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_NEWADDR, _DELADDR = 20, 21
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH = 28, 29
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34

_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_GROUP, _IFLA_NET_NS_FD = (
    1,
    3,
    4,
    10,
    18,
    27,
    28,
)
_DOOMED = 0x646F6F6D  # the group of links about to be deleted together
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 1, 2, 8, 0x02, 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 6, 7, 15
_RTPROT_STATIC = 4
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST, _SCOPE_NOWHERE = 0, 253, 254, 255
_KINDS = {"unicast": 1, "local": 2, "blackhole": 6, "unreachable": 7}
_FRA_DST, _FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FR_ACT_TO_TBL = 1, 2, 3, 6, 10, 15, 1
_NDA_DST, _NDA_LLADDR, _NUD_PERMANENT = 1, 2, 0x80
_TABLE_MAIN, _TABLE_LOCAL = 254, 255

_CREATE = wire.NLM_F_CREATE | wire.NLM_F_EXCL
_REPLACE = wire.NLM_F_CREATE | wire.NLM_F_REPLACE


def sysctl(ns: Namespace, values: Mapping[str, str]) -> None:
    """Set sysctls in `ns`: `{"net.ipv4.ip_forward": "1"}`; write the key with `/` where a link's name has dots."""
    with ns.inside():
        write_sysctls(values)


def forward(ns: Namespace) -> None:
    """Make `ns` a router, for both families."""
    sysctl(ns, {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"})


def _mac(text: str) -> bytes:
    raw = bytes.fromhex(text.replace(":", ""))
    if len(raw) != 6:
        raise Refused(f"{text!r} is not a MAC address of six bytes")
    return raw


def _name(text: str) -> str:
    if not 0 < len(text.encode()) <= 15 or "/" in text or any(c.isspace() for c in text):
        raise Refused(f"{text!r} cannot name a link: 1 to 15 bytes, without spaces and slashes")
    return text


class Netlink(Channel):
    """Changes one namespace. Errors raise Refused with the kernel's words; its `__cause__` is the OSError."""

    # -- links

    def veth(
        self,
        name: str,
        peer: str,
        peer_ns: Namespace,
        *,
        mac: str | None = None,
        peer_mac: str | None = None,
        mtu: int | None = None,
        up: bool = False,
        master: str | None = None,
    ) -> None:
        """A pair of links: `name` here (a port of bridge `master`, if given) and `peer` in `peer_ns`.

        `up` sets this end up. The far end is set up by a `Netlink` of its own namespace.
        """
        index, peer_index = self.ns.next_index(), peer_ns.next_index()

        def shared(link: str, address: str | None) -> bytes:
            return b"".join(
                (
                    wire.text(_IFLA_IFNAME, _name(link)),
                    b"" if address is None else wire.attribute(_IFLA_ADDRESS, _mac(address)),
                    b"" if mtu is None else wire.number(_IFLA_MTU, mtu),
                )
            )

        far = _link(peer_index) + shared(peer, peer_mac) + wire.number(_IFLA_NET_NS_FD, peer_ns.fd)
        payload = _link(index, up=up) + shared(name, mac)
        if master is not None:
            payload += wire.number(_IFLA_MASTER, self.index(master))
        payload += wire.nested(
            _IFLA_LINKINFO, wire.text(_INFO_KIND, "veth"), wire.nested(_INFO_DATA, wire.nested(_VETH_PEER, far))
        )
        self.now(_NEWLINK, _CREATE, payload, f"make veth {name} with {peer} in {peer_ns.name}")
        self.ns.indices[name] = index
        peer_ns.indices[peer] = peer_index

    def bridge(self, name: str, *, mac: str | None = None, up: bool = False) -> None:
        """A bridge without spanning tree: its ports forward at once."""
        index = self.ns.next_index()
        payload = _link(index, up=up) + wire.text(_IFLA_IFNAME, _name(name))
        if mac is not None:
            payload += wire.attribute(_IFLA_ADDRESS, _mac(mac))
        payload += wire.nested(_IFLA_LINKINFO, wire.text(_INFO_KIND, "bridge"))
        self.now(_NEWLINK, _CREATE, payload, f"make bridge {name}")
        self.ns.indices[name] = index

    def attach(self, link: str, bridge: str | None) -> None:
        """Make `link` a port of `bridge`; None takes it off."""
        master = 0 if bridge is None else self.index(bridge)
        payload = _link(self.index(link)) + wire.number(_IFLA_MASTER, master)
        self.ask(_SETLINK, 0, payload, f"attach {link} to {bridge}")

    def up(self, link: str) -> None:
        """Set `link` up. It carries, and IPv6 addresses answer, a few milliseconds later.

        An IPv6 packet sent before that loses its neighbour solicitation, which is repeated only after a second:
        wait, or give the neighbours (`neighbour`).
        """
        self.ask(_SETLINK, 0, _link(self.index(link), up=True), f"set {link} up")

    def down(self, link: str) -> None:
        """Set `link` down; the kernel forgets its routes."""
        self.ask(_SETLINK, 0, _link(self.index(link), down=True), f"set {link} down")

    def link_delete(self, name: str) -> None:
        """Delete a link; of a veth pair both ends go, at once. Waits for the kernel, some 20 ms."""
        self.ask(_DELLINK, 0, _link(self.index(name)), f"delete {name}")
        self.ns.indices.pop(name, None)

    def links_delete(self, names: Iterable[str]) -> None:
        """Delete many links in one step, for the price of one. Those that are there go, also when one is not."""
        doomed = {name: self.index(name) for name in names}
        if not doomed:
            return
        with self._lock:
            for name, index in doomed.items():
                self._queue.append((_SETLINK, 0, _link(index) + wire.number(_IFLA_GROUP, _DOOMED), f"delete {name}"))
                self.ns.indices.pop(name, None)
            self.now(_DELLINK, 0, _link(0) + wire.number(_IFLA_GROUP, _DOOMED), f"delete {len(doomed)} links")

    def links(self) -> dict[str, Link]:
        """The links of the namespace by name."""
        found = self.dump(_GETLINK, struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, 0, 0, 0))
        return {link.name: link for link in map(netlink_read.link, found)}

    # -- addresses

    def address(self, link: str, cidr: str, *, prefix_route: bool = True) -> None:
        """Give `link` an address ("10.0.0.5/24"); IPv6 without duplicate detection, so that it works at once."""
        self._address(_NEWADDR, _CREATE, link, cidr, prefix_route, "add")

    def address_delete(self, link: str, cidr: str) -> None:
        """Take an address from `link`."""
        self._address(_DELADDR, 0, link, cidr, True, "delete")

    def _address(self, kind: int, flags: int, link: str, cidr: str, prefix_route: bool, verb: str) -> None:
        address = _parsed(ipaddress.ip_interface, cidr)
        bits = (_IFA_F_NODAD if address.version == 6 else 0) | (0 if prefix_route else _IFA_F_NOPREFIXROUTE)
        payload = struct.pack("=BBBBi", _family(address.version), address.network.prefixlen, 0, 0, self.index(link))
        payload += wire.attribute(_IFA_LOCAL, address.packed) + wire.attribute(_IFA_ADDRESS, address.packed)
        if kind == _NEWADDR:
            payload += wire.number(_IFA_FLAGS, bits)
        self.ask(kind, flags, payload, f"{verb} address {cidr} of {link}")

    def neighbour(self, link: str, address: str, mac: str) -> None:
        """A permanent neighbour: never asked for, and not counted against the machine's limit (gc_thresh3)."""
        self._neighbour(_NEWNEIGH, _REPLACE, link, address, mac, "set")

    def neighbour_delete(self, link: str, address: str) -> None:
        """Forget a neighbour."""
        self._neighbour(_DELNEIGH, 0, link, address, None, "delete")

    def _neighbour(self, kind: int, flags: int, link: str, address: str, mac: str | None, verb: str) -> None:
        at = _parsed(ipaddress.ip_address, address)
        payload = struct.pack("=BBHiHBB", _family(at.version), 0, 0, self.index(link), _NUD_PERMANENT, 0, 0)
        payload += wire.attribute(_NDA_DST, at.packed)
        payload += b"" if mac is None else wire.attribute(_NDA_LLADDR, _mac(mac))
        self.ask(kind, flags, payload, f"{verb} neighbour {address} on {link}")

    # -- routes

    def route(
        self,
        dst: str,
        *,
        via: str | None = None,
        dev: str | None = None,
        table: int | None = None,
        kind: RouteKind = "unicast",
        source: str | None = None,
        priority: int | None = None,
        replace: bool = False,
    ) -> None:
        """Add (`replace`: or change) the route to `dst`. Table: 254 (main), of `local` routes 255 (local)."""
        if kind == "local":
            scope = _SCOPE_HOST
        else:
            scope = _SCOPE_LINK if kind == "unicast" and via is None else _SCOPE_UNIVERSE
        route = Route(dst, via, dev, _table(table, kind), kind, source, priority)
        self._route(_NEWROUTE, _REPLACE if replace else _CREATE, scope, route)

    def route_delete(
        self,
        dst: str,
        *,
        via: str | None = None,
        dev: str | None = None,
        table: int | None = None,
        kind: RouteKind | None = None,
        source: str | None = None,
        priority: int | None = None,
    ) -> None:
        """Delete the first route to `dst` that agrees with what is said."""
        self._route(
            _DELROUTE, 0, _SCOPE_NOWHERE, Route(dst, via, dev, _table(table, kind), kind or "", source, priority)
        )

    def _route(self, message: int, flags: int, scope: int, route: Route) -> None:
        network = _parsed(ipaddress.ip_network, route.dst)
        low = route.table if route.table < 256 else 0
        kind = _KINDS.get(route.kind, 0)
        protocol = _RTPROT_STATIC if message == _NEWROUTE else 0
        payload = struct.pack(
            "=BBBBBBBBI", _family(network.version), network.prefixlen, 0, 0, low, protocol, scope, kind, 0
        )
        payload += wire.number(_RTA_TABLE, route.table)
        words = [f"route to {route.dst}"]
        if network.prefixlen:
            payload += wire.attribute(_RTA_DST, network.network_address.packed)
        if route.via is not None:
            payload += wire.attribute(_RTA_GATEWAY, _parsed(ipaddress.ip_address, route.via).packed)
            words.append(f"via {route.via}")
        if route.dev is not None:
            payload += wire.number(_RTA_OIF, self.index(route.dev))
            words.append(f"dev {route.dev}")
        if route.source is not None:
            payload += wire.attribute(_RTA_PREFSRC, _parsed(ipaddress.ip_address, route.source).packed)
        if route.priority is not None:
            payload += wire.number(_RTA_PRIORITY, route.priority)
        verb = "add" if message == _NEWROUTE else "delete"
        self.ask(message, flags, payload, " ".join((verb, route.kind, *words, f"in table {route.table}")))

    def routes(self, table: int | None = _TABLE_MAIN) -> list[Route]:
        """The routes of one table (None: of all), both families."""
        names = {link.index: link.name for link in self.links().values()}
        found: list[Route] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for payload in self.dump(_GETROUTE, struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)):
                route = netlink_read.route(payload, names)
                if table is None or route.table == table:
                    found.append(route)
        return found

    # -- rules

    def rule(
        self,
        priority: int,
        *,
        iif: str | None = None,
        table: int,
        family: int,
        source: str | None = None,
        destination: str | None = None,
        mark: int | None = None,
    ) -> None:
        """Look up `table` for packets that came in by `iif` (`source`, `destination`, `mark`). `family`: 4 or 6."""
        self._rule(_NEWRULE, _CREATE, family, Rule(priority, iif, table, source, destination, mark))

    def rule_delete(
        self,
        priority: int,
        *,
        iif: str | None = None,
        table: int,
        family: int,
        source: str | None = None,
        destination: str | None = None,
        mark: int | None = None,
    ) -> None:
        """Delete the rule that says just this."""
        self._rule(_DELRULE, 0, family, Rule(priority, iif, table, source, destination, mark))

    def _rule(self, message: int, flags: int, family: int, rule: Rule) -> None:
        since, to = (
            None if end is None else _parsed(ipaddress.ip_network, end) for end in (rule.source, rule.destination)
        )
        lengths = (to.prefixlen if to else 0, since.prefixlen if since else 0)
        low = rule.table if rule.table < 256 else 0
        payload = struct.pack("=BBBBBBBBI", _family(family), *lengths, 0, low, 0, 0, _FR_ACT_TO_TBL, 0)
        payload += wire.number(_FRA_PRIORITY, rule.priority) + wire.number(_FRA_TABLE, rule.table)
        if rule.iif is not None:
            payload += wire.text(_FRA_IIFNAME, _name(rule.iif))
        for attribute, network in ((_FRA_SRC, since), (_FRA_DST, to)):
            if network is not None and network.prefixlen:
                payload += wire.attribute(attribute, network.network_address.packed)
        if rule.mark is not None:
            payload += wire.number(_FRA_FWMARK, rule.mark)
        verb = "add" if message == _NEWRULE else "delete"
        self.ask(message, flags, payload, f"{verb} rule {rule.priority} (iif {rule.iif}) to table {rule.table}")

    def rules(self, family: int) -> list[Rule]:
        """The rules of one family (4 or 6), in the kernel's order."""
        found = self.dump(_GETRULE, struct.pack("=BBBBBBBBI", _family(family), 0, 0, 0, 0, 0, 0, 0, 0))
        return [netlink_read.rule(payload) for payload in found]


def _link(index: int, *, up: bool = False, down: bool = False) -> bytes:
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, _IFF_UP if up else 0, _IFF_UP if up or down else 0)


def _table(table: int | None, kind: RouteKind | None) -> int:
    if table is not None:
        return table
    return _TABLE_LOCAL if kind == "local" else _TABLE_MAIN


def _family(version: int) -> int:
    families: dict[int, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
    return families.get(version, version)


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise Refused(f"{text!r} is not an address or network as the kernel takes it: {error}") from error
