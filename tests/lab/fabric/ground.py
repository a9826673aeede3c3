"""What tests of the data plane share: clouds in a few words, packets that prove a path, and a universe to do it in."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps

import pytest

from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel import universe
from doorward_lab.kernel.netns import Namespace
from doorward_lab.model import (
    Acl,
    AclEntry,
    CloudState,
    Group,
    Interface,
    NatGateway,
    Peering,
    Route,
    RouteTable,
    Rule,
    Subnet,
    TransitGateway,
    Vpc,
)

PATIENCE = 0.3  # s; a packet within one machine takes well under a millisecond
EVERYBODY, EVERYBODY6 = "0.0.0.0/0", "::/0"


@cache
def lacking() -> tuple[str, ...]:
    """What this machine lacks for real packets."""
    return tuple(universe.check())


def in_universe(test: Callable[[], None]) -> Callable[[], None]:
    """Run a test in a universe of its own, so that it leaves nothing behind; skip where the machine cannot."""

    @wraps(test)
    def outside() -> None:
        if lacking():
            pytest.skip("; ".join(lacking()))
        universe.run("tests.lab.fabric.ground:play", test.__module__, test.__name__)

    del outside.__wrapped__
    outside.inner = test  # type: ignore[attr-defined]
    return outside


def play(module: str, name: str) -> None:
    """The other side of `in_universe`. The module's name may be pytest's own; its path below tests is the same."""
    path = "tests." + module.removeprefix("tests.")
    getattr(importlib.import_module(path), name).inner()


# -- clouds

_numbers = itertools.count(1)


def rule(protocol: str, ports: int | tuple[int, int] | None, peer: str, *, egress: bool = False) -> Rule:
    """A rule in few words; for ICMP `ports` is (type, code). Its id tells what it says."""
    low, high = ports if isinstance(ports, tuple) else (ports, ports)
    kind = "group" if peer.startswith("sg-") else "prefix_list" if peer.startswith("pl-") else "cidr"
    name = f"sgr-{'out' if egress else 'in'}-{protocol}-{low}-{high}-{peer}"
    bare = Rule(name, egress, protocol, low, high)
    return dataclasses.replace(bare, **{kind: peer})  # type: ignore[arg-type]


ALL_OUT = rule("-1", None, EVERYBODY, egress=True)
ALL_OUT6 = rule("-1", None, EVERYBODY6, egress=True)
ALL_IN = rule("-1", None, EVERYBODY)
ALL_IN6 = rule("-1", None, EVERYBODY6)


def entry(
    number: int, protocol: str, ports: int | tuple[int, int] | None, cidr: str, *, egress: bool, allow: bool = True
) -> AclEntry:
    """An ACL's entry in few words; for ICMP `ports` is (type, code)."""
    low, high = ports if isinstance(ports, tuple) else (ports, ports)
    if protocol in {"1", "58"}:
        return AclEntry(number, egress, allow, protocol, cidr, icmp_type=low, icmp_code=high)
    return AclEntry(number, egress, allow, protocol, cidr, low, high)


def both_ways(*entries: AclEntry) -> tuple[AclEntry, ...]:
    """The same entries for both directions."""
    return tuple(dataclasses.replace(e, egress=egress) for e in entries for egress in (False, True))


OPEN_ACL = both_ways(entry(100, "-1", None, EVERYBODY, egress=True), entry(101, "-1", None, EVERYBODY6, egress=True))


class Cloud:
    """A state that is put together and changed piece by piece."""

    def __init__(self) -> None:
        self.vpcs: dict[str, Vpc] = {}
        self.subnets: dict[str, Subnet] = {}
        self.groups: dict[str, Group] = {}
        self.interfaces: dict[str, Interface] = {}
        self.acls: dict[str, Acl] = {}
        self.route_tables: dict[str, RouteTable] = {}
        self.internet_gateways: dict[str, str] = {}
        self.egress_only_gateways: dict[str, str] = {}
        self.nat_gateways: dict[str, NatGateway] = {}
        self.peerings: dict[str, Peering] = {}
        self.transit_gateways: dict[str, TransitGateway] = {}
        self.prefix_lists: dict[str, tuple[str, ...]] = {}

    def state(self) -> CloudState:
        return CloudState(**{f.name: dict(getattr(self, f.name)) for f in dataclasses.fields(CloudState)})

    def vpc(self, name: str, cidr: str, ipv6: str | None = None) -> None:
        """With an open ACL (`acl-NAME`) and a main route table (`rtb-NAME`) of local routes."""
        self.vpcs[name] = Vpc(name, name, (cidr,), (ipv6,) if ipv6 else ())
        self.acl(f"acl-{name}", name, *OPEN_ACL)
        self.table(f"rtb-{name}", name)

    def table(self, name: str, vpc: str, *routes: tuple[str, str]) -> None:
        """The VPC's local routes and these."""
        own = self.vpcs[vpc]
        local = [Route(c, "local") for c in (*own.ipv4, *own.ipv6)]
        self.route_tables[name] = RouteTable(name, vpc, (*local, *(Route(to, by) for to, by in routes)))

    def acl(self, name: str, vpc: str, *entries: AclEntry) -> None:
        self.acls[name] = Acl(name, vpc, entries)

    def subnet(
        self,
        name: str,
        vpc: str,
        cidr: str,
        ipv6: str | None = None,
        *,
        acl: str | None = None,
        table: str | None = None,
    ) -> None:
        self.subnets[name] = Subnet(
            name, name, vpc, cidr, (ipv6,) if ipv6 else (), acl or f"acl-{vpc}", table or f"rtb-{vpc}"
        )

    def group(self, name: str, vpc: str, *rules: Rule) -> None:
        self.groups[name] = Group(name, name, vpc, rules)

    def interface(
        self,
        name: str,
        subnet: str,
        groups: str,
        *addresses: str,
        public: Mapping[str, str] | None = None,
        check: bool = True,
        kind: str = "interface",
    ) -> None:
        """`groups` are words; IPv6 addresses are told by their colons."""
        four = tuple(a for a in addresses if ":" not in a)
        six = tuple(a for a in addresses if ":" in a)
        vpc = self.subnets[subnet].vpc
        self.interfaces[name] = Interface(
            name, name, subnet, vpc, tuple(groups.split()), four, six, public or {}, "", kind, check
        )


def pair() -> Cloud:
    """a (10.0.1.10) and b (10.0.2.10) in two subnets, c (10.0.1.11) beside a; groups sg-a, sg-b, sg-c.

    All may send everything; nobody accepts anything. Dual stack, an internet gateway, public addresses for a and b.
    """
    cloud = Cloud()
    cloud.vpc("vpc-1", "10.0.0.0/16", "2600:1f00:1::/56")
    cloud.internet_gateways["igw-1"] = "vpc-1"
    cloud.table("rtb-vpc-1", "vpc-1", (EVERYBODY, "igw-1"), (EVERYBODY6, "igw-1"))
    cloud.subnet("subnet-1", "vpc-1", "10.0.1.0/24", "2600:1f00:1:1::/64")
    cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64")
    for letter in "abc":
        cloud.group(f"sg-{letter}", "vpc-1", ALL_OUT, ALL_OUT6)
    cloud.interface("a", "subnet-1", "sg-a", "10.0.1.10", "2600:1f00:1:1::10", public={"10.0.1.10": "198.18.0.10"})
    cloud.interface("b", "subnet-2", "sg-b", "10.0.2.10", "2600:1f00:1:2::10", public={"10.0.2.10": "198.18.0.20"})
    cloud.interface("c", "subnet-1", "sg-c", "10.0.1.11", "2600:1f00:1:1::11")
    return cloud


@contextmanager
def fabric(cloud: Cloud) -> Iterator[Fabric]:
    """A data plane that has followed `cloud`."""
    made = Fabric()
    try:
        made.follow(cloud.state())
        yield made
    finally:
        made.close()


# -- packets


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(here: Namespace, to: str, port: int, *, source: str | None = None, patience: float = PATIENCE) -> bool:
    """Whether a connection is opened or refused by the target itself: there and back."""
    with here.socket(_family(to), socket.SOCK_STREAM) as handle:
        handle.settimeout(patience)
        if source is not None:
            handle.bind((source, 0))
        try:
            handle.connect((to, port))
        except ConnectionRefusedError:
            return True
        except (TimeoutError, PermissionError, OSError):
            return False
        return True


@contextmanager
def connection(here: Namespace, there: Namespace, to: str, port: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """An open TCP connection: its two ends."""
    with there.socket(_family(to), socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, to, port)
        listener.listen()
        with here.socket(_family(to), socket.SOCK_STREAM) as near:
            near.settimeout(1.0)
            near.connect((to, port))
            far, _ = listener.accept()
            with far:
                far.settimeout(1.0)
                yield near, far


def alive(near: socket.socket, far: socket.socket) -> bool:
    """Whether bytes still pass a connection, both ways."""
    for one, other in ((near, far), (far, near)):
        word = os.urandom(8)
        one.send(word)
        got = b""
        while len(got) < len(word):
            ready, _, _ = select.select([other], [], [], PATIENCE)
            if not ready:
                return False
            got += other.recv(64)
        # what was sent while the way was cut arrives late, by retransmission: read on to the word just sent
        if not got.endswith(word):
            return False
    return True


def _bind(handle: socket.socket, address: str, port: int) -> None:
    """To the address itself, so that answers come from it; translated ones are not the target's own: to any."""
    try:
        handle.bind((address, port))
    except OSError:
        handle.bind(("", port))


def udp(
    here: Namespace, there: Namespace, to: str, port: int, *, source: str | None = None, answer: bool = True
) -> bool:
    """Whether a datagram arrives and, if asked for, its answer comes back."""
    with there.socket(_family(to), socket.SOCK_DGRAM) as far, here.socket(_family(to), socket.SOCK_DGRAM) as near:
        _bind(far, to, port)
        if source is not None:
            near.bind((source, 0))
        for handle in (near, far):
            handle.settimeout(PATIENCE)
        word = os.urandom(8)
        try:
            near.sendto(word, (to, port))
            got, back = far.recvfrom(64)
            if answer:
                far.sendto(got, back)
                return near.recv(64) == word
        except (TimeoutError, PermissionError):
            return False
        return got == word


def _checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def ping(here: Namespace, to: str, *, kind: int | None = None, code: int = 0, source: str | None = None) -> bool:
    """Whether an ICMP echo comes back."""
    six = ":" in to
    request, reply = (128, 129) if six else (8, 0)
    # A new identifier each time: with an old one it would belong to the connection that the last echo opened.
    body = struct.pack("!HH", next(_numbers) & 0xFFFF, 0)
    kind = request if kind is None else kind
    head = struct.pack("!BBH", kind, code, 0)
    packet = struct.pack("!BBH", kind, code, 0 if six else _checksum(head + body)) + body
    proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with here.socket(_family(to), socket.SOCK_RAW, proto) as handle:
        if source is not None:
            handle.bind((source, 0))
        try:
            handle.sendto(packet, (to, 0))
        except PermissionError:
            return False
        while select.select([handle], [], [], PATIENCE)[0]:
            got = handle.recv(2048)
            got = got if six else got[20:]
            if got[0] == reply and got[4:8] == body:
                return True
    return False


def reset() -> bytes:
    """A TCP RST that belongs to no connection."""
    return struct.pack("!HHIIBBHHH", 33333, 44444, next(_numbers), 0, 5 << 4, 4, 0, 0, 0)


def raw(here: Namespace, there: Namespace, to: str, protocol: int, word: bytes = b"") -> bool:
    """Whether a packet of a protocol arrives, with `word` (or any) after the IP header."""
    word = word or os.urandom(16)
    with (
        there.socket(_family(to), socket.SOCK_RAW, protocol) as far,
        here.socket(_family(to), socket.SOCK_RAW, protocol) as near,
    ):
        try:
            near.sendto(word, (to, 0))
        except PermissionError:
            return False
        while select.select([far], [], [], PATIENCE)[0]:
            if far.recv(2048)[:-4].endswith(word[:-4]):  # the checksum in a TCP header changes on its way
                return True
    return False


def icmp_arrives(here: Namespace, there: Namespace, to: str, kind: int, code: int) -> bool:
    """Whether an ICMP message of any type arrives."""
    word = os.urandom(8)
    six = ":" in to
    body = struct.pack("!I", 0) + word
    checksum = 0 if six else _checksum(struct.pack("!BBH", kind, code, 0) + body)
    proto = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with (
        there.socket(_family(to), socket.SOCK_RAW, proto) as far,
        here.socket(_family(to), socket.SOCK_RAW, proto) as near,
    ):
        try:
            near.sendto(struct.pack("!BBH", kind, code, checksum) + body, (to, 0))
        except PermissionError:
            return False
        while select.select([far], [], [], PATIENCE)[0]:
            if far.recv(2048).endswith(word):
                return True
    return False
