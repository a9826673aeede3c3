"""Random small, dense estates: scenes in which every rule form of the API and every way of a packet occurs.

Everything is drawn from one seeded `random.Random`, so a seed names an estate for good. Pools of addresses and ports
are small on purpose: edges then meet edges. What does not live here: the building (`doorward_lab.scenes`), the packets
(`aims`), what should happen to them (`engine`).
"""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from doorward_lab.scenes.scene import (
    Acl,
    AclEntry,
    Gateway,
    Group,
    Host,
    Peering,
    PrefixList,
    RouteTable,
    Rule,
    Scene,
    Service,
    Subnet,
    Vpc,
)

T = TypeVar("T")

CLIENTS_V4 = ("203.0.113.7", "203.0.113.200", "198.51.100.7", "192.0.2.99")
CLIENTS_V6 = ("2001:db8::7", "2001:db8:0:1::9", "2001:db8:ffff::1")
OUTSIDE_V4 = ("203.0.113.0/24", "203.0.113.7/32", "203.0.113.128/25", "198.51.100.0/24", "192.0.2.99/32", "128.0.0.0/1")
OUTSIDE_V6 = ("2001:db8::/32", "2001:db8:0:1::/64", "2001:db8::7/128", "2000::/3")
PORTS = (1, 22, 80, 443, 1023, 1024, 5432, 8080, 32768, 65535)
PROTOCOLS = ("47", "50", "89", "99", "253")
STYLES = ("mixed", "mixed", "mixed", "references", "references", "acls", "acls", "nat", "peered")


@dataclass(slots=True)
class _Draw:
    """Random decisions, and what has been built so far."""

    chance: random.Random
    style: str
    vpcs: dict[str, Vpc] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    lists: dict[str, PrefixList] = field(default_factory=dict)
    acls: dict[str, Acl] = field(default_factory=dict)
    tables: dict[str, RouteTable] = field(default_factory=dict)
    gateways: dict[str, Gateway] = field(default_factory=dict)
    nats: dict[str, str] = field(default_factory=dict)
    peerings: dict[str, Peering] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    hot: list[Service] = field(default_factory=list)
    cidrs: dict[int, list[str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def odds(self, share: float) -> bool:
        return self.chance.random() < share

    def pick(self, options: Sequence[T]) -> T:
        return options[self.chance.randrange(len(options))]

    def some(self, options: Sequence[T], low: int, high: int) -> list[T]:
        """A few of them, each once."""
        count = min(len(options), self.chance.randint(low, high))
        return self.chance.sample(list(options), count)

    def cidr(self, family: int) -> str:
        """A network of the pool, some of them halved or widened."""
        network = ipaddress.ip_network(self.pick(self.cidrs[family]))
        if self.odds(0.15) and 0 < network.prefixlen < network.max_prefixlen:
            network = self.pick([ipaddress.ip_network(half) for half in network.subnets(1)])
        if self.odds(0.06) and network.prefixlen > 8:
            network = ipaddress.ip_network(network.supernet(self.chance.randint(1, 3)))
        return str(network)

    def ports(self, port: int) -> tuple[int, int]:
        """A range with an edge at the port or just beside it."""
        low = self.pick((port, port, port, 0, port - 1, self.pick(PORTS)))
        high = self.pick((port, port, port, 65535, port + 1, self.pick(PORTS)))
        return max(0, min(low, high)), min(65535, max(low, high))

    def service(self, *, everything: float = 0.08) -> Service:
        """A service of the kind that this estate is about."""
        if self.odds(everything):
            return Service()
        one = self.pick(self.hot)
        if one.protocol in ("tcp", "udp"):
            assert one.first is not None
            first, last = (0, 65535) if self.odds(0.08) else self.ports(one.first)
            return Service(one.protocol, first, last)
        if one.protocol in ("icmp", "icmpv6"):
            kind, code = one.first, one.last
            assert kind is not None and code is not None
            options = ((kind, code), (kind, -1), (-1, -1), (kind, min(255, code + 1)))
            return Service(one.protocol, *self.pick(options))
        return one


def draw(seed: int) -> Scene:
    """The estate of a seed."""
    chance = random.Random(seed)  # noqa: S311 - a seed must name an estate for good; nothing secret
    made = _Draw(chance, chance.choice(STYLES))
    made.cidrs = {4: ["0.0.0.0/0", "0.0.0.0/0", *OUTSIDE_V4], 6: ["::/0", "::/0", *OUTSIDE_V6]}
    made.hot = [Service("tcp", 443, 443), Service("tcp", *[made.pick(PORTS)] * 2)]
    made.hot += made.some(
        (
            Service("udp", *[made.pick((53, 123, 1024, 40000))] * 2),
            Service("icmp", 8, 0),
            Service("icmp", 3, 4),
            Service("icmpv6", 128, 0),
            Service("icmpv6", 1, 4),
            Service(made.pick(PROTOCOLS)),
            Service(made.pick(PROTOCOLS)),
        ),
        1,
        4,
    )
    _networks(made)
    _groups(made)
    _hosts(made)
    _gateways(made)
    _rules(made)
    _acls(made)
    _routes(made)
    return Scene(
        name=f"estate-{seed}", vpcs=made.vpcs, subnets=made.subnets, groups=made.groups, prefix_lists=made.lists,
        acls=made.acls, route_tables=made.tables, gateways=made.gateways, peerings=made.peerings, hosts=made.hosts,
    )  # fmt: skip


def deletions(seed: int) -> tuple[str, ...]:
    """Peerings and gateways of the estate of a seed that are deleted once it stands: in one estate of four, one."""
    chance = random.Random(f"deletions of {seed}")  # noqa: S311 - as above
    scene = draw(seed)
    found = sorted(scene.peerings) + sorted(one.name for one in scene.gateways.values() if one.kind != "internet")
    return (chance.choice(found),) if found and chance.random() < 0.4 else ()


def _networks(made: _Draw) -> None:
    """VPCs, peerings, subnets, prefix lists."""
    count = made.pick((2, 2, 3)) if made.style in ("references", "peered") else made.pick((1, 1, 2))
    for at in range(count):
        name = f"vpc{at}"
        six = f"2600:1f18:{at + 1:x}::/56" if made.odds(0.75) else ""
        made.vpcs[name] = Vpc(name, (f"10.{at}.0.0/24",), six)
        made.cidrs[4].append(f"10.{at}.0.0/24")
        made.cidrs[6] += [six] if six else []
        for part in range(made.chance.randint(1, 3 if made.style != "references" else 2)):
            own = str(ipaddress.ip_network(f"2600:1f18:{at + 1:x}:{part}::/64")) if six and made.odds(0.9) else ""
            made.subnets[f"{name}-{part}"] = Subnet(f"{name}-{part}", name, f"10.{at}.0.{64 * part}/26", ipv6=own)
            made.cidrs[4].append(f"10.{at}.0.{64 * part}/26")
            made.cidrs[6] += [own] if own else []
    names = list(made.vpcs)
    for one, other in itertools.pairwise(names):
        if made.odds(0.85 if made.style in ("references", "peered") else 0.4):
            made.peerings[f"{one}-{other}"] = Peering(f"{one}-{other}", (one, other))
    for at in range(made.chance.randint(0, 2)):
        family = made.pick((4, 4, 6))
        entries = tuple(dict.fromkeys(made.cidr(family) for _ in range(made.chance.randint(1, 3))))
        made.lists[f"list{at}"] = PrefixList(f"list{at}", entries, 10)


def _groups(made: _Draw) -> None:
    """Groups by name; their rules follow when everything that they can name exists."""
    for vpc in made.vpcs:
        for at in range(made.chance.randint(1, 3)):
            name = f"{vpc}-g{at}"
            made.groups[name] = Group(name, vpc, (), ())


def _fresh(made: _Draw, cidr: str) -> str:
    """An address of a subnet that nobody has; empty when the pool is used up."""
    network = ipaddress.ip_network(cidr)
    for _ in range(8):
        one = str(network[made.pick((4, 5, 6, 30, 31, 32, 33, 47))])
        if one not in made.taken:
            made.taken.add(one)
            return one
    return ""


def _hosts(made: _Draw) -> None:
    """Interfaces, most of them with a public address and IPv6 where their subnet has it."""
    eips = 0
    for at in range(made.chance.randint(3, 6)):
        subnet = made.pick(list(made.subnets.values()))
        own = [one.name for one in made.groups.values() if one.vpc == subnet.vpc]
        address = _fresh(made, subnet.cidr)
        if not address:
            continue
        secondary = (_fresh(made, subnet.cidr),) if made.odds(0.15) else ()
        six = tuple(filter(None, (_fresh(made, subnet.ipv6),))) if subnet.ipv6 and made.odds(0.85) else ()
        public = ""
        if made.odds(0.15 if made.style == "nat" else 0.45):
            eips += 1
            public = f"198.18.0.{eips + 10}"
            made.cidrs[4].append(f"{public}/32")
        made.hosts[f"h{at}"] = Host(
            f"h{at}", subnet.name, tuple(made.some(own, 1, 2)), "interface", address, tuple(filter(None, secondary)),
            six, public,
        )  # fmt: skip
        made.cidrs[4].append(f"{address}/32")
        made.cidrs[6] += [f"{one}/128" for one in six]


def _gateways(made: _Draw) -> None:
    for vpc in made.vpcs.values():
        if made.odds(0.8) or any(
            one.public and made.subnets[one.subnet].vpc == vpc.name for one in made.hosts.values()
        ):
            # AWS refuses an Elastic IP for a VPC without an internet gateway.
            made.gateways[f"{vpc.name}-igw"] = Gateway(f"{vpc.name}-igw", "internet", vpc.name)
        if vpc.ipv6 and made.odds(0.3):
            made.gateways[f"{vpc.name}-eigw"] = Gateway(f"{vpc.name}-eigw", "egress-only", vpc.name)
        if f"{vpc.name}-igw" in made.gateways and made.odds(0.8 if made.style == "nat" else 0.2):
            subnet = made.pick([one for one in made.subnets.values() if one.vpc == vpc.name])
            address = _fresh(made, subnet.cidr)
            if address:
                public = f"198.18.1.{len(made.gateways) + 10}"
                name = f"{vpc.name}-nat"
                made.gateways[name] = Gateway(name, "nat", "", subnet.name, address, public)
                made.nats[vpc.name] = name
                made.cidrs[4] += [f"{address}/32", f"{public}/32"]


def _rules(made: _Draw) -> None:
    generous = made.odds(0.6)
    for group in list(made.groups.values()):
        ingress = _side(made, group.vpc, made.chance.randint(0, 5), generous)
        if made.odds(0.2 if generous else 0.05):
            ingress += [Rule(Service(), "0.0.0.0/0"), Rule(Service(), "::/0")]
        if made.odds(0.35 if made.style == "references" else 0.65):
            egress = [Rule(Service(), "0.0.0.0/0"), Rule(Service(), "::/0")][: made.pick((1, 2, 2))]
        else:
            egress = _side(made, group.vpc, made.chance.randint(0, 5), generous)
        made.groups[group.name] = Group(
            group.name, group.vpc, tuple(dict.fromkeys(ingress)), tuple(dict.fromkeys(egress))
        )


def _side(made: _Draw, vpc: str, count: int, generous: bool) -> list[Rule]:
    found = []
    peers = {vpc} | {other for one in made.peerings.values() if vpc in one.between for other in one.between}
    groups = [one.name for one in made.groups.values() if one.vpc in peers]
    for _ in range(count):
        kinds = ("four", "four", "four", "six", "six", "group", "group", "list")
        kind = "group" if made.style == "references" and made.odds(0.5) else made.pick(kinds)
        if kind == "group":
            peer = f"group:{made.pick(groups)}"
        elif kind == "list" and made.lists:
            peer = f"prefix-list:{made.pick(list(made.lists))}"
        elif kind == "six":
            peer = "::/0" if generous and made.odds(0.4) else made.cidr(6)
        else:
            peer = "0.0.0.0/0" if generous and made.odds(0.4) else made.cidr(4)
        found.append(Rule(made.service(everything=0.2 if generous else 0.08), peer))
    return found


def _acls(made: _Draw) -> None:
    """ACLs for some subnets: a few narrow entries before, most often, one that passes everything."""
    for subnet in list(made.subnets.values()):
        if not made.odds(0.7 if made.style == "acls" else 0.35):
            continue
        name = f"{subnet.name}-acl"
        made.acls[name] = Acl(name, subnet.vpc, _entries(made, False), _entries(made, True))
        made.subnets[subnet.name] = Subnet(
            subnet.name, subnet.vpc, subnet.cidr, subnet.zone, subnet.ipv6, acl=name
        )  # fmt: skip


def _entries(made: _Draw, egress: bool) -> tuple[AclEntry, ...]:
    found: list[AclEntry] = []
    numbers = sorted(made.chance.sample(range(1, 200), 7))
    for number in numbers[: made.chance.randint(0, 3)]:
        found.append(AclEntry(number, made.odds(0.4), made.service(), made.cidr(made.pick((4, 4, 6)))))
    if made.odds(0.4):  # what answers need, or part of it
        low = made.pick((1024, 1024, 1025, 32768, 49152))
        high = made.pick((65535, 65535, 65534, 61000))
        for family in (4, 6):
            number = numbers[3 + (family == 6)]
            service = Service(made.pick(("tcp", "tcp", "udp")), low, high)
            found.append(AclEntry(number, made.odds(0.75), service, "0.0.0.0/0" if family == 4 else "::/0"))
    for family, number in ((4, 30000), (6, 30001)):
        if made.odds(0.8):
            found.append(AclEntry(number, True, Service(), "0.0.0.0/0" if family == 4 else "::/0"))
    return tuple(sorted(found, key=lambda one: one.number))


def _routes(made: _Draw) -> None:
    """A main table for each VPC, and tables of their own for some subnets."""
    for vpc in made.vpcs:
        made.tables[f"{vpc}-main"] = RouteTable(f"{vpc}-main", vpc, _table(made, vpc), True)
    for subnet in list(made.subnets.values()):
        if made.odds(0.4):
            name = f"{subnet.name}-table"
            made.tables[name] = RouteTable(name, subnet.vpc, _table(made, subnet.vpc))
            made.subnets[subnet.name] = Subnet(
                subnet.name, subnet.vpc, subnet.cidr, subnet.zone, subnet.ipv6, acl=subnet.acl, route_table=name
            )  # fmt: skip


def _table(made: _Draw, vpc: str) -> dict[str, str]:
    routes: dict[str, str] = {}
    held = {one.kind: one.name for one in made.gateways.values() if one.vpc == vpc}
    held |= {"nat": made.nats[vpc]} if vpc in made.nats else {}
    four = [f"gateway:{held[kind]}" for kind in ("internet", "internet", "nat") if kind in held]
    six = [f"gateway:{held[kind]}" for kind in ("internet", "internet", "egress-only") if kind in held]
    if made.style == "nat" and "nat" in held:
        four += [f"gateway:{held['nat']}"] * 2
    if four and made.odds(0.85):
        routes["0.0.0.0/0"] = made.pick(four)
    if four and made.odds(0.2):
        routes[made.pick([one for one in made.cidrs[4] if one.startswith(("203", "198", "192"))])] = made.pick(four)
    if six and made.odds(0.85):
        routes["::/0"] = made.pick(six)
    if six and made.odds(0.15):
        routes[made.pick(OUTSIDE_V6)] = made.pick(six)
    for one in made.lists.values():
        # Lists that only name addresses outside: a route for part of a VPC may lead to middleboxes alone.
        if made.odds(0.25) and all(entry.startswith(("203.", "192.0.2", "2001:db8")) for entry in one.entries):
            ways = six if ":" in one.entries[0] else four
            if ways:
                routes[f"prefix-list:{one.name}"] = made.pick(ways)
    for peering in made.peerings.values():
        if vpc not in peering.between or made.odds(0.12):
            continue
        other = peering.between[1] if peering.between[0] == vpc else peering.between[0]
        there = [one for one in made.subnets.values() if one.vpc == other]
        wide = made.odds(0.75)
        four_there = [made.vpcs[other].cidr[0]] if wide else [made.pick(there).cidr]
        six_there = [made.vpcs[other].ipv6] if wide else [made.pick(there).ipv6]
        for cidr in filter(None, (*four_there, *six_there)):
            routes[cidr] = f"peering:{peering.name}"
    return routes
