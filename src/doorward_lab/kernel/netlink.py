"""Links, addresses, routes and rules by raw rtnetlink: 14 times faster than ip(8), and nothing to install.

One `Netlink` works in one namespace, from any thread. Reading lives in `netlink_read`; bytes in `wire`.
Numbers: linux/rtnetlink.h, linux/if_link.h, linux/fib_rules.h.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeVar

from doorward_lab.errors import Refused
from doorward_lab.kernel import netlink_read, wire
from doorward_lab.kernel.netlink_read import Link, Route, Rule
from doorward_lab.kernel.netns import Namespace, high, write_sysctls

T = TypeVar("T")
RouteKind = Literal["unicast", "blackhole", "local", "unreachable"]

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_NEWADDR, _DELADDR = 20, 21
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH = 28, 29
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34

_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT_CHECK = 270, 10, 11, 12
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
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
# Messages sent at once. The kernel answers each refused one before we read; all answers must fit the receive buffer.
_CHUNK = 64


def sysctl(ns: Namespace, values: Mapping[str, str]) -> None:
    """Set sysctls in `ns`: `{"net.ipv4.ip_forward": "1"}`. Names with dots inside (`eth0.5`): write the key with `/`."""
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


class Netlink:
    """Changes one namespace. Errors raise Refused with the kernel's words; its `__cause__` is the OSError."""

    def __init__(self, ns: Namespace) -> None:
        self.ns = ns
        low = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        with low:
            for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
                low.setsockopt(_SOL_NETLINK, option, 1)
            low.bind((0, 0))
            self._socket = socket.socket(fileno=high(low.fileno()))
        self._lock = threading.RLock()
        self._sequence = 0
        self._depth = 0
        self._queue: list[tuple[int, int, bytes, str]] = []
        ns.at_close(self.close)

    def close(self) -> None:
        """Let go of the namespace; done by `Namespace.close` too."""
        with self._lock:
            self._socket.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Send what is asked within at the end, many in one call. Not a transaction: what the kernel takes, stays.

        Making links is never put off, so batches of several namespaces can be nested in any order.
        """
        with self._lock:
            self._depth += 1
            try:
                yield
            except BaseException:
                self._queue.clear()
                raise
            else:
                if self._depth == 1:
                    self._flush()
            finally:
                self._depth -= 1

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
        peer_up: bool = False,
        master: str | None = None,
    ) -> None:
        """A pair of links: `name` here (a port of bridge `master`, if given) and `peer` in `peer_ns`."""
        index, peer_index = self.ns.next_index(), peer_ns.next_index()

        def shared(link: str, address: str | None) -> bytes:
            return b"".join(
                (
                    wire.text(_IFLA_IFNAME, _name(link)),
                    b"" if address is None else wire.attribute(_IFLA_ADDRESS, _mac(address)),
                    b"" if mtu is None else wire.number(_IFLA_MTU, mtu),
                )
            )

        far = _link(peer_index, up=peer_up) + shared(peer, peer_mac) + wire.number(_IFLA_NET_NS_FD, peer_ns.fd)
        payload = _link(index, up=up) + shared(name, mac)
        if master is not None:
            payload += wire.number(_IFLA_MASTER, self._index(master))
        payload += wire.nested(
            _IFLA_LINKINFO, wire.text(_INFO_KIND, "veth"), wire.nested(_INFO_DATA, wire.nested(_VETH_PEER, far))
        )
        self._now(_NEWLINK, _CREATE, payload, f"make veth {name} with {peer} in {peer_ns.name}")
        self.ns.indices[name] = index
        peer_ns.indices[peer] = peer_index

    def bridge(self, name: str, *, mac: str | None = None, up: bool = False) -> None:
        """A bridge without spanning tree: its ports forward at once."""
        index = self.ns.next_index()
        payload = _link(index, up=up) + wire.text(_IFLA_IFNAME, _name(name))
        if mac is not None:
            payload += wire.attribute(_IFLA_ADDRESS, _mac(mac))
        payload += wire.nested(_IFLA_LINKINFO, wire.text(_INFO_KIND, "bridge"))
        self._now(_NEWLINK, _CREATE, payload, f"make bridge {name}")
        self.ns.indices[name] = index

    def attach(self, link: str, bridge: str | None) -> None:
        """Make `link` a port of `bridge`; None takes it off."""
        master = 0 if bridge is None else self._index(bridge)
        payload = _link(self._index(link)) + wire.number(_IFLA_MASTER, master)
        self._ask(_SETLINK, 0, payload, f"attach {link} to {bridge}")

    def up(self, link: str) -> None:
        """Set `link` up."""
        self._ask(_SETLINK, 0, _link(self._index(link), up=True), f"set {link} up")

    def down(self, link: str) -> None:
        """Set `link` down; the kernel forgets its routes."""
        self._ask(_SETLINK, 0, _link(self._index(link), down=True), f"set {link} down")

    def link_delete(self, name: str) -> None:
        """Delete a link; of a veth pair both ends go, at once."""
        self._ask(_DELLINK, 0, _link(self._index(name)), f"delete {name}")
        self.ns.indices.pop(name, None)

    def links(self) -> dict[str, Link]:
        """The links of the namespace by name."""
        found = self._dump(_GETLINK, struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, 0, 0, 0))
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
        payload = struct.pack("=BBBBi", _family(address.version), address.network.prefixlen, 0, 0, self._index(link))
        payload += wire.attribute(_IFA_LOCAL, address.packed) + wire.attribute(_IFA_ADDRESS, address.packed)
        if kind == _NEWADDR:
            payload += wire.number(_IFA_FLAGS, bits)
        self._ask(kind, flags, payload, f"{verb} address {cidr} of {link}")

    def neighbour(self, link: str, address: str, mac: str) -> None:
        """A permanent neighbour: never asked for, and not counted against the machine's limit (gc_thresh3)."""
        self._neighbour(_NEWNEIGH, _REPLACE, link, address, mac, "set")

    def neighbour_delete(self, link: str, address: str) -> None:
        """Forget a neighbour."""
        self._neighbour(_DELNEIGH, 0, link, address, None, "delete")

    def _neighbour(self, kind: int, flags: int, link: str, address: str, mac: str | None, verb: str) -> None:
        at = _parsed(ipaddress.ip_address, address)
        payload = struct.pack("=BBHiHBB", _family(at.version), 0, 0, self._index(link), _NUD_PERMANENT, 0, 0)
        payload += wire.attribute(_NDA_DST, at.packed)
        payload += b"" if mac is None else wire.attribute(_NDA_LLADDR, _mac(mac))
        self._ask(kind, flags, payload, f"{verb} neighbour {address} on {link}")

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
        scope = (
            _SCOPE_HOST if kind == "local" else _SCOPE_LINK if kind == "unicast" and via is None else _SCOPE_UNIVERSE
        )
        payload, what = self._route(dst, via, dev, table, kind, source, priority, scope, _KINDS[kind])
        self._ask(_NEWROUTE, _REPLACE if replace else _CREATE, payload, f"add {what}")

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
        number = 0 if kind is None else _KINDS[kind]
        payload, what = self._route(dst, via, dev, table, kind, source, priority, _SCOPE_NOWHERE, number)
        self._ask(_DELROUTE, 0, payload, f"delete {what}")

    def _route(
        self,
        dst: str,
        via: str | None,
        dev: str | None,
        table: int | None,
        kind: RouteKind | None,
        source: str | None,
        priority: int | None,
        scope: int,
        number: int,
    ) -> tuple[bytes, str]:
        network = _parsed(ipaddress.ip_network, dst)
        if table is None:
            table = _TABLE_LOCAL if kind == "local" else _TABLE_MAIN
        low = table if table < 256 else 0
        family = _family(network.version)
        if network.version == 6 and scope != _SCOPE_NOWHERE:
            scope = _SCOPE_UNIVERSE  # IPv6 knows no other
        payload = struct.pack(
            "=BBBBBBBBI", family, network.prefixlen, 0, 0, low, _RTPROT_STATIC if number else 0, scope, number, 0
        )
        payload += wire.number(_RTA_TABLE, table)
        if network.prefixlen:
            payload += wire.attribute(_RTA_DST, network.network_address.packed)
        if via is not None:
            payload += wire.attribute(_RTA_GATEWAY, _parsed(ipaddress.ip_address, via).packed)
        if dev is not None:
            payload += wire.number(_RTA_OIF, self._index(dev))
        if source is not None:
            payload += wire.attribute(_RTA_PREFSRC, _parsed(ipaddress.ip_address, source).packed)
        if priority is not None:
            payload += wire.number(_RTA_PRIORITY, priority)
        words = (f"{kind or ''} route to {dst}", via and f"via {via}", dev and f"dev {dev}", f"table {table}")
        return payload, " ".join(word for word in words if word).strip()

    def routes(self, table: int | None = _TABLE_MAIN) -> list[Route]:
        """The routes of one table (None: of all), both families."""
        names = {link.index: link.name for link in self.links().values()}
        found: list[Route] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for payload in self._dump(_GETROUTE, struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)):
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
        self._rule(_NEWRULE, _CREATE, priority, iif, table, family, source, destination, mark, "add")

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
        self._rule(_DELRULE, 0, priority, iif, table, family, source, destination, mark, "delete")

    def _rule(
        self,
        message: int,
        flags: int,
        priority: int,
        iif: str | None,
        table: int,
        family: int,
        source: str | None,
        destination: str | None,
        mark: int | None,
        verb: str,
    ) -> None:
        ends = {
            _FRA_SRC: None if source is None else _parsed(ipaddress.ip_network, source),
            _FRA_DST: None if destination is None else _parsed(ipaddress.ip_network, destination),
        }
        lengths = {end: 0 if network is None else network.prefixlen for end, network in ends.items()}
        payload = struct.pack(
            "=BBBBBBBBI",
            _family(family),
            lengths[_FRA_DST],
            lengths[_FRA_SRC],
            0,
            table if table < 256 else 0,
            0,
            0,
            _FR_ACT_TO_TBL,
            0,
        )
        payload += wire.number(_FRA_PRIORITY, priority) + wire.number(_FRA_TABLE, table)
        if iif is not None:
            payload += wire.text(_FRA_IIFNAME, _name(iif))
        for end, network in ends.items():
            if network is not None and network.prefixlen:
                payload += wire.attribute(end, network.network_address.packed)
        if mark is not None:
            payload += wire.number(_FRA_FWMARK, mark)
        self._ask(message, flags, payload, f"{verb} rule {priority} iif {iif} lookup {table}")

    def rules(self, family: int) -> list[Rule]:
        """The rules of one family (4 or 6), in the kernel's order."""
        found = self._dump(_GETRULE, struct.pack("=BBBBBBBBI", _family(family), 0, 0, 0, 0, 0, 0, 0, 0))
        return [netlink_read.rule(payload) for payload in found]

    # -- the wire

    def _index(self, link: str) -> int:
        known = self.ns.indices.get(link)
        if known is None:
            known = socket_index(self.ns, link)
            self.ns.indices[link] = known
        return known

    def _ask(self, kind: int, flags: int, payload: bytes, what: str) -> None:
        with self._lock:
            self._queue.append((kind, flags, payload, what))
            if not self._depth:
                self._flush()

    def _now(self, kind: int, flags: int, payload: bytes, what: str) -> None:
        with self._lock:
            self._queue.append((kind, flags, payload, what))
            self._flush()

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        for at in range(0, len(queue), _CHUNK):
            self._send(queue[at : at + _CHUNK])

    def _send(self, chunk: list[tuple[int, int, bytes, str]]) -> None:
        """Send, then read up to the last one's acknowledgement: the kernel answers refused ones unasked."""
        said: dict[int, str] = {}
        data = bytearray()
        for number, (kind, flags, payload, what) in enumerate(chunk, 1):
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            said[self._sequence] = what
            last = wire.NLM_F_ACK if number == len(chunk) else 0
            data += wire.message(kind, wire.NLM_F_REQUEST | flags | last, self._sequence, payload)
        self._socket.send(data)
        failed: list[tuple[int, str, str]] = []
        waiting = True
        while waiting:
            for answer in wire.answers(self._socket.recv(1 << 16)):
                if answer.kind != wire.NLMSG_ERROR or answer.sequence not in said:
                    continue
                code, words = wire.error(answer)
                if code:
                    failed.append((code, words, said[answer.sequence]))
                if answer.sequence == self._sequence:
                    waiting = False
        if failed:
            self._refuse(failed)

    def _refuse(self, failed: list[tuple[int, str, str]]) -> None:
        code, words, what = failed[0]
        if code == errno.ENODEV:
            self.ns.indices.clear()  # a link that was deleted behind our back; ask anew next time
        reason = os.strerror(code) + (f" ({words})" if words else "")
        more = f"; and {len(failed) - 1} more of the same batch" if len(failed) > 1 else ""
        raise Refused(f"cannot {what} in {self.ns.name}: {reason}{more}") from OSError(code, os.strerror(code))

    def _dump(self, kind: int, payload: bytes) -> list[bytes]:
        with self._lock:
            self._flush()
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            self._socket.send(wire.message(kind, wire.NLM_F_REQUEST | wire.NLM_F_DUMP, self._sequence, payload))
            found: list[bytes] = []
            while True:
                for answer in wire.answers(self._socket.recv(1 << 18)):
                    if answer.sequence != self._sequence:
                        continue
                    if answer.kind == wire.NLMSG_ERROR:
                        code, words = wire.error(answer)
                        self._refuse([(code, words, "list")])
                    elif answer.kind == wire.NLMSG_DONE:
                        return found
                    else:
                        found.append(answer.payload)


def socket_index(ns: Namespace, link: str) -> int:
    """The index of a link that somebody else made."""
    with ns.inside():
        try:
            return socket.if_nametoindex(link)
        except OSError as error:
            raise Refused(f"there is no link {link!r} in {ns.name}") from error


def _link(index: int, *, up: bool = False, down: bool = False) -> bytes:
    return struct.pack("=BBHiII", socket.AF_UNSPEC, 0, 0, index, _IFF_UP if up else 0, _IFF_UP if up or down else 0)


def _family(version: int) -> int:
    families: dict[int, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
    return families.get(version, version)


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise Refused(f"{text!r} is not an address or network as the kernel takes it: {error}") from error
