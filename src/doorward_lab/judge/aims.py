"""Which packets to send through an estate: at the edges of whatever its rules and ACL entries tell apart.

Between every two ends: each edge of each port range that could decide, and the ports beside it; ICMP types and codes;
other protocols; source ports at the edges of what ACLs let answers through. Then some at random. What does not live
here: what should become of them.

Filters remember connections, so no packet may be taken for the answer to another, or for its repetition: ports are
chosen so that no two packets share a connection.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from doorward_lab.judge.case import ICMP, ICMPV6, TCP, UDP, Packet
from doorward_lab.judge.ends import End, ends_of, find
from doorward_lab.judge.estates import CLIENTS_V4, CLIENTS_V6
from doorward_lab.model import Interface
from doorward_lab.probe.mesh import OTHERS
from doorward_lab.scenes.scene import AclEntry, Rule, Scene, Service

ICMP_TYPES = (0, 3, 8, 11, 13)
ICMPV6_TYPES = (1, 3, 100, 128, 129)
"""Neighbour discovery and multicast listener types are left out: those are the link's own, filtered by nobody."""
EPHEMERAL = (1024, 1025, 32767, 32768, 40000, 49151, 49152, 61000, 61001, 65534, 65535)
NAT_SERVICES = 4
"""Services between two ends behind a NAT gateway: few, because each is tried from many source ports."""


@dataclass(slots=True)
class _Pool:
    """What the rules between two ends tell apart."""

    ports: dict[int, set[int]] = field(default_factory=lambda: {TCP: set(), UDP: set()})
    answers: set[int] = field(default_factory=set)
    messages: set[tuple[int, int]] = field(default_factory=set)


class Aims:
    """Packets through one estate."""

    def __init__(self, scene: Scene, hosts: Mapping[str, Interface], chance: random.Random) -> None:
        self._scene, self._hosts, self._chance = scene, hosts, chance
        self._ends = {text: find(text, hosts) for name, one in hosts.items() for text in ends_of(name, one)}
        self._ends |= {text: find(text, hosts) for text in (*CLIENTS_V4, *CLIENTS_V6)}
        self._taken: set[tuple[object, ...]] = set()
        self._directed: dict[tuple[str, str], bool] = {}
        self._echo = 0
        self._translated = _behind(scene, "nat")
        self._only_out = _behind(scene, "egress-only")

    def packets(self, each: int) -> list[Packet]:
        """About ``each`` packets for every ordered pair of ends."""
        found: list[Packet] = []
        pairs = [(one, other) for one in self._ends for other in self._ends if self._pair(one, other)]
        self._chance.shuffle(pairs)
        for one, other in pairs:
            found += self._between(one, other, each)
        return found

    def _pair(self, one: str, other: str) -> bool:
        source, target = self._ends[one], self._ends[other]
        if source.interface == target.interface or source.wire != source.private:
            return False  # nobody sends from a public address: the gateway puts it on
        if self._host(source) in self._scene.gateways:
            return False  # a NAT gateway begins nothing of its own
        if (":" in source.wire) != (":" in target.wire):
            return False
        # An address of the internet cannot write to a private one; which packets it may write to are public.
        return not (source.outside and not target.outside and ":" not in target.wire and target.wire == target.private)

    def _between(self, one: str, other: str, each: int) -> list[Packet]:
        source, target = self._ends[one], self._ends[other]
        pool = self._pool(source, target)
        six = ":" in source.wire
        found: list[Packet] = []
        nat = (not six and target.wire != target.private) or target.outside
        nat = nat and self._host(source) in self._translated
        numbered = [(protocol, port) for protocol in (TCP, UDP) for port in sorted(pool.ports[protocol])]
        numbered = self._some(numbered, NAT_SERVICES if nat else max(4, each * 2 // 3))
        for protocol, port in numbered:
            for source_port in sorted(pool.answers) if nat else [self._chance.choice(sorted(pool.answers))]:
                found += self._connection(one, other, protocol, port, source_port)
        kinds = ICMPV6_TYPES if six else ICMP_TYPES
        messages = [(ICMPV6 if six else ICMP, kind, code) for kind, code in sorted(pool.messages) if kind in kinds]
        if nat or (six and self._host(source) in self._only_out):
            # An ICMP message that begins nothing belongs to no connection: Linux neither translates it nor lets it out
            # by a gateway that remembers connections. Such gateways are tried with echo requests alone.
            messages = [one for one in messages if one[1:] in ((8, 0), (128, 0))]
        for protocol, kind, code in self._some(messages, max(2, each // 6)):
            self._echo = self._echo % 65535 + 1
            found.append(Packet(one, other, protocol, kind * 256 + code, self._echo))
        if self._first_of(one, other) and not nat:
            found += [Packet(one, other, number) for number in self._some(OTHERS, max(1, each // 12))]
        return found

    def _some(self, options: Sequence[tuple[int, ...]] | Sequence[int], most: int) -> list:  # type: ignore[type-arg]
        return self._chance.sample(list(options), min(len(options), most))

    def _host(self, end: End) -> str:
        return next((name for name, one in self._hosts.items() if one.id == end.interface), "")

    def _first_of(self, one: str, other: str) -> bool:
        """Whether portless protocols go this way between two hosts: conntrack knows them by addresses alone, so a
        packet the other way round would pass as an answer."""
        mine, theirs = (self._host(self._ends[text]) or text for text in (one, other))
        way = self._directed.setdefault((min(mine, theirs), max(mine, theirs)), self._chance.random() < 0.5)
        return way == (mine < theirs)

    def _connection(self, one: str, other: str, protocol: int, port: int, source_port: int) -> Iterable[Packet]:
        source, target = self._ends[one], self._ends[other]
        # Behind one NAT gateway two sources look alike: the target, its port and the source port are used once.
        seen_as = "translated" if self._host(source) in self._translated else self._who(source)
        for shift in range(64):
            mine = source_port + shift if source_port < 65000 and shift else source_port
            there = (protocol, seen_as, target.wire, port, mine)
            reverse = (protocol, self._who(source), mine, self._who(target), port)
            if there not in self._taken and reverse not in self._taken:
                self._taken.add(there)
                self._taken.add((protocol, self._who(target), port, self._who(source), mine))
                yield Packet(one, other, protocol, port, mine)
                return
            if source_port >= 65000:
                return

    def _who(self, end: End) -> str:
        return end.private if end.outside else end.interface

    def _pool(self, source: End, target: End) -> _Pool:
        found = _Pool()
        for name, egress in ((self._host(source), True), (self._host(target), False)):
            host = self._scene.hosts.get(name)
            for group in host.groups if host is not None else ():
                rules: Iterable[Rule] = self._rules(group, egress)
                for rule in rules:
                    _add(found, rule.service)
        for name, there in ((self._host(source), True), (self._host(target), False)):
            for entry in self._entries(name, there):
                _add(found, entry.service)
            for entry in self._entries(name, not there):
                if entry.service.protocol in ("tcp", "udp", "6", "17"):
                    low, high = entry.service.first or 0, entry.service.last or 65535
                    found.answers |= {port for edge in (low, high) for port in (edge - 1, edge, edge + 1)}
        for gateway in self._translated.get(self._host(source), ()):
            for entry in (*self._entries(gateway, True), *self._entries(gateway, False)):
                _add(found, entry.service)
                if entry.service.protocol in ("tcp", "udp"):
                    low, high = entry.service.first or 0, entry.service.last or 65535
                    found.answers |= {port for edge in (low, high) for port in (edge - 1, edge, edge + 1)}
        for protocol in (TCP, UDP):
            found.ports[protocol] |= {self._chance.randint(0, 65535), self._chance.choice((53, 80, 443))}
            found.ports[protocol] = {port for port in found.ports[protocol] if 0 < port < 65536}
        found.answers |= set(self._chance.sample(EPHEMERAL, 3))
        found.answers = {port for port in found.answers if 1024 <= port < 65536}
        found.messages |= {(kind, 0) for kind in (8, 128, self._chance.choice((*ICMP_TYPES, *ICMPV6_TYPES)))}
        return found

    def _rules(self, group: str, egress: bool) -> Sequence[Rule]:
        one = self._scene.groups[group]
        return (one.egress or ()) if egress else one.ingress

    def _entries(self, host: str, egress: bool) -> Sequence[AclEntry]:
        gateway = self._scene.gateways.get(host)
        place = self._scene.hosts.get(host)
        subnet = gateway.subnet if gateway is not None else place.subnet if place is not None else ""
        if not subnet:
            return ()
        name = self._scene.subnets[subnet].acl
        acl = self._scene.acls.get(name)
        return () if acl is None else acl.egress if egress else acl.ingress


def _add(pool: _Pool, service: Service) -> None:
    """The edges of a service, and what lies beside them."""
    if service.protocol in ("tcp", "udp"):
        low, high = service.first or 0, 65535 if service.last is None else service.last
        pool.ports[TCP if service.protocol == "tcp" else UDP] |= {
            port for edge in (low, high) for port in (edge - 1, edge, edge + 1)
        }
    elif service.protocol in ("icmp", "icmpv6") and service.first is not None and service.first >= 0:
        code = service.last if service.last is not None and service.last >= 0 else 0
        pool.messages |= {(service.first, code), (service.first, min(255, code + 1)), (service.first, 0)}


def _behind(scene: Scene, sort: str) -> dict[str, tuple[str, ...]]:
    """Hosts whose subnet has a route to a gateway of a kind, and those gateways."""
    main = {one.vpc: one for one in scene.route_tables.values() if one.main}
    found: dict[str, tuple[str, ...]] = {}
    for host in scene.hosts.values():
        subnet = scene.subnets[host.subnet]
        table = scene.route_tables.get(subnet.route_table) or main.get(subnet.vpc)
        targets = table.routes.values() if table is not None else ()
        gateways = {name for kind, _, name in (text.partition(":") for text in targets) if kind == "gateway"}
        own = tuple(sorted(one for one in gateways if scene.gateways[one].kind == sort))
        if own:
            found[host.name] = own
    return found
