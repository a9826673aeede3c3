"""Who lives in a generated estate: groups, which sets of them interfaces have, and who must reach whom.

Contracts are made together with the rules that keep them, so that nearly all are kept: kept ones cost more to judge,
because no early exit helps. Lives here: the plan. Not here: the text of it (`writing`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.network import Network, SubnetPlan, VpcPlan, resource_id

CONTRACT_PORTS = (1521, 3306, 5432, 6379, 8080, 8443, 9092, 9200, 11211)
"""Opened by rules that belong to a contract's edge, never by chance."""
FOREIGN = "198.51.100.0/24"
"""Somebody else's network, which some groups must reach."""


class Allowed(NamedTuple):
    """One permission that a contract needs: tcp on ports, peers given as groups and CIDRs."""

    low: int
    high: int
    groups: tuple[GroupPlan, ...]
    cidrs: tuple[str, ...]


@dataclass(slots=True, eq=False)
class GroupPlan:
    """A security group."""

    number: int
    id: str
    name: str
    vpc: VpcPlan
    role: str
    """app, edge (its interfaces have public addresses), quarantined, common, or unattached."""
    subnets: list[SubnetPlan] = field(default_factory=list)
    ingress: list[Allowed] = field(default_factory=list)
    egress: list[Allowed] = field(default_factory=list)
    open_egress: bool = True
    messy: bool = False
    """Has wide rules too: no contract asks that others stay out."""


@dataclass(slots=True)
class ClassPlan:
    """Interfaces that have the same groups in the same subnet."""

    subnet: SubnetPlan
    app: GroupPlan
    groups: tuple[GroupPlan, ...]
    count: int = 1


@dataclass(slots=True)
class Edge:
    """A client group uses a port of a server group; ``cidrs`` set when the rule names the client's network instead."""

    client: GroupPlan
    server: GroupPlan
    port: int
    cidrs: tuple[str, ...] = ()


@dataclass(slots=True)
class Population:
    """Everything that `writing` needs."""

    groups: list[GroupPlan]
    by_vpc: dict[str, list[GroupPlan]]
    classes: list[ClassPlan]
    edges: list[Edge]
    contracts: list[dict[str, Any]]


def populate(rng: random.Random, network: Network, size: Any) -> Population:
    """Fill the network: ``size`` is a `generate.Size`."""
    groups: list[GroupPlan] = []
    by_vpc: dict[str, list[GroupPlan]] = {}
    classes: list[ClassPlan] = []
    per_vpc = size.groups // len(network.vpcs)
    for vpc in network.vpcs:
        own = []
        for place in range(per_vpc):
            role = "app" if place < size.apps else "common" if place < size.apps + size.commons else "unattached"
            group = GroupPlan(
                number=len(groups),
                id=resource_id("sg", len(groups)),
                name=f"{role}-{vpc.component}-{vpc.member}-{place}",
                vpc=vpc,
                role=role,
                open_egress=rng.random() < 0.6,
                messy=rng.random() < 0.05 and role != "common",
            )
            if role == "app":
                _house(rng, group, place)
            groups.append(group)
            own.append(group)
        by_vpc[vpc.id] = own
        classes += _classes(rng, own, size, len(network.vpcs))
    edges = _edges(rng, network, by_vpc)
    population = Population(groups, by_vpc, classes, edges, [])
    population.contracts = _contracts(rng, network, population)
    return population


def _house(rng: random.Random, group: GroupPlan, place: int) -> None:
    """Give an application its subnets: public ones for one in ten, the quarantined one for one in its component."""
    vpc = group.vpc
    if place == 0 and vpc.subnets[-1].quarantined:
        group.role, group.subnets = "quarantined", [vpc.subnets[-1]]
        return
    group.role = "edge" if place % 10 == 1 else "app"
    rooms = [one for one in vpc.subnets if one.public == (group.role == "edge") and not one.quarantined]
    first = int(rng.random() * len(rooms))
    group.subnets = [rooms[first], rooms[(first + 1) % len(rooms)]]


def _classes(rng: random.Random, own: list[GroupPlan], size: Any, vpcs: int) -> list[ClassPlan]:
    apps = [one for one in own if one.role in ("app", "edge", "quarantined")]
    commons = [one for one in own if one.role == "common"]
    seen: dict[tuple[str, tuple[str, ...]], ClassPlan] = {}
    turn = 0
    while len(seen) < size.classes:
        app = apps[turn % len(apps)]
        subnet = app.subnets[(turn // len(apps)) % len(app.subnets)]
        extras = {commons[turn % len(commons)].number: commons[turn % len(commons)]}
        for _ in range(int(rng.random() * 3)):
            extra = commons[int(rng.random() * len(commons))]
            extras[extra.number] = extra
        chosen = (app, *sorted(extras.values(), key=lambda one: one.number))
        seen.setdefault((subnet.id, tuple(one.id for one in chosen)), ClassPlan(subnet, app, chosen))
        turn += 1
    classes = list(seen.values())
    left = size.interfaces // vpcs - len(classes)
    weights = [1 / (1 + int(rng.random() * 12)) for _ in classes]
    total = sum(weights)
    for one, weight in zip(classes, weights, strict=True):
        one.count += int(left * weight / total)
    rooms = dict.fromkeys((one.subnet.id for one in classes), 0)
    for one in classes:  # no subnet beyond its addresses
        one.count = max(1, min(one.count, 960 - rooms[one.subnet.id]))
        rooms[one.subnet.id] += one.count
    spare = size.interfaces // vpcs - sum(one.count for one in classes)
    for one in classes:
        more = max(0, min(spare, 960 - rooms[one.subnet.id]))
        one.count += more
        rooms[one.subnet.id] += more
        spare -= more
    return classes


def _networks(vpc: VpcPlan) -> tuple[str, ...]:
    return (vpc.cidr, vpc.cidr6) if vpc.cidr6 else (vpc.cidr,)


def connect(edge: Edge) -> None:
    """Write the rules that an edge needs on both sides."""
    groups = () if edge.cidrs else (edge.client,)
    edge.server.ingress.append(Allowed(edge.port, edge.port, groups, edge.cidrs))
    if not edge.client.open_egress:
        edge.client.egress.append(Allowed(edge.port, edge.port, (edge.server,), ()))


def _edges(rng: random.Random, network: Network, by_vpc: dict[str, list[GroupPlan]]) -> list[Edge]:
    edges: list[Edge] = []
    few = len(network.vpcs) < 10
    for vpc in network.vpcs:
        for server in by_vpc[vpc.id]:
            if server.role not in ("app", "edge"):
                continue
            first = int(rng.random() * len(CONTRACT_PORTS))
            for step in range(1 + int(rng.random() * 3) + few):
                port = CONTRACT_PORTS[(first + step * 2) % len(CONTRACT_PORTS)]
                clients: dict[int, Edge] = {}
                for _ in range(1 + int(rng.random() * 3) + few):
                    home = vpc
                    if vpc.peers and rng.random() < 0.4:
                        home = vpc.peers[int(rng.random() * len(vpc.peers))][0]
                    client = _pick(rng, by_vpc[home.id])
                    if client is server or client.number in clients:
                        continue
                    clients[client.number] = Edge(client, server, port, _networks(home) if rng.random() < 0.2 else ())
                for edge in clients.values():
                    connect(edge)
                edges += clients.values()
    return edges


def _pick(rng: random.Random, own: list[GroupPlan]) -> GroupPlan:
    """An application of a VPC that contracts may speak of."""
    while True:
        group = own[int(rng.random() * len(own))]
        if group.role in ("app", "edge"):
            return group


class _Book:
    """Collects contracts: 60 % reach, 20 % never-reach, 20 % only-from, of which 2.8 % are broken."""

    def __init__(self, rng: random.Random, network: Network, population: Population) -> None:
        self.rng, self.network, self.population = rng, network, population
        self.contracts: list[dict[str, Any]] = []
        self.by_door: dict[tuple[int, int], list[Edge]] = {}
        for edge in population.edges:
            self.by_door.setdefault((edge.server.number, edge.port), []).append(edge)
        self.apps = [one for one in population.groups if one.role in ("app", "edge")]

    def select(self, group: GroupPlan) -> str:
        return f"group:{group.id if group.number % 5 else group.name}"

    def add(self, must: str, origin: Any, to: Any, service: Any) -> None:
        number = len(self.contracts)
        self.contracts.append(
            {
                "name": f"{must}-{number:04d}",
                "must": must,
                "from": origin,
                "to": to,
                "service": service,
                "owner": f"team-{number % 17}",
                "severity": ("critical", "high", "medium", "low")[number % 4],
            }
        )

    def take(self, items: list[Any]) -> Any:
        return items[int(self.rng.random() * len(items))]


def _contracts(rng: random.Random, network: Network, population: Population) -> list[dict[str, Any]]:
    book = _Book(rng, network, population)
    if len(book.apps) < 30:  # the smallest estate: ten contracts, one of each kind and the rest as it comes
        for step in (0, 20, *range(100, 104)):
            _reach(book, step)
        for act, step in ((_never, 4), (_never, 64), (_only, 24), (_only, 25)):
            act(book, step)
        return book.contracts
    for step in range(600):
        _reach(book, step)
    for step in range(200):
        _never(book, step)
    for step in range(200):
        _only(book, step)
    # Shuffled, so that the first ten or hundred are a fair sample.
    return sorted(book.contracts, key=lambda one: resource_id("", int(one["name"][-4:]) + 1))


def _reach(book: _Book, step: int) -> None:
    population = book.population
    if step < 10:  # broken: nobody gave the rule
        client, server = book.take(book.apps), book.take(book.apps)
        while server.vpc is not client.vpc or server is client:
            server = book.take(book.apps)
        book.add("reach", book.select(client), book.select(server), "tcp/7001")
    elif step < 20:  # broken: no way between the VPCs, whatever the rules
        client, server = book.take(book.apps), book.take(book.apps)
        while server.vpc is client.vpc or any(peer is server.vpc for peer, _ in client.vpc.peers):
            server = book.take(book.apps)
        server.ingress.append(Allowed(7002, 7002, (), (client.vpc.cidr,)))
        book.add("reach", book.select(client), book.select(server), "tcp/7002")
    elif step < 40:
        server = book.take([one for one in book.apps if one.role == "edge"])
        book.add("reach", "internet", book.select(server), "tcp/443")
    elif step < 60:
        # From outside, not from a private range: those mean other interfaces in every component.
        server = book.take([one for one in book.apps if one.role == "edge"])
        server.ingress.append(Allowed(9000, 9000, (), (FOREIGN,)))
        book.add("reach", FOREIGN, book.select(server), "tcp/9000")
    elif step < 80:
        client = book.take([one for one in book.apps if one.role == "app" and one.vpc.nat and _plain(one)])
        client.egress.append(Allowed(443, 443, (), (FOREIGN,)))
        book.add("reach", book.select(client), FOREIGN, "tcp/443")
    elif step < 100:
        edge = book.take([one for one in population.edges if one.client.vpc is one.server.vpc])
        edge.server.ingress.append(Allowed(1024, 65535, (edge.client,), ()))
        edge.client.egress.append(Allowed(1024, 65535, (edge.server,), ()))
        edge.server.messy = True
        book.add("reach", book.select(edge.client), book.select(edge.server), "tcp/1024-65535")
    else:
        edge = book.take(population.edges)
        book.add("reach", book.select(edge.client), book.select(edge.server), f"tcp/{edge.port}")


def _plain(group: GroupPlan) -> bool:
    """Whether it lives under default ACLs only."""
    return not any(subnet.custom_acl for subnet in group.subnets)


def _never(book: _Book, step: int) -> None:
    clean = [one for one in book.apps if not one.messy]
    if step < 4:  # broken: a network was let in
        server, client = book.take(clean), book.take(clean)
        while server is client or server.vpc is not client.vpc:
            client = book.take(clean)
        server.ingress.append(Allowed(7003, 7003, (), (server.vpc.cidr,)))
        if not client.open_egress:
            client.egress.append(Allowed(7003, 7003, (server,), ()))
        book.add("never-reach", book.select(client), book.select(server), "tcp/7003")
    elif step < 64:
        server = book.take([one for one in clean if one.role == "app"])
        book.add("never-reach", "internet", book.select(server), "all")
    elif step < 84:
        server = book.take([one for one in clean if one.role == "app"])
        book.add("never-reach", ["internet:v4", "203.0.113.0/24"], book.select(server), ["tcp/1-1023", "udp"])
    else:
        while True:
            edge, client = book.take(book.population.edges), book.take(clean)
            door = book.by_door[edge.server.number, edge.port]
            if edge.server.messy or client is edge.server or any(one.cidrs for one in door):
                continue
            if all(one.client is not client for one in door):
                break
        book.add("never-reach", book.select(client), book.select(edge.server), f"tcp/{edge.port}")


def _only(book: _Book, step: int) -> None:
    while True:
        edge = book.take(book.population.edges)
        if not edge.server.messy:
            break
    door = book.by_door[edge.server.number, edge.port]
    allowed = list(dict.fromkeys([cidr for one in door for cidr in one.cidrs]))
    allowed += list(dict.fromkeys(book.select(one.client) for one in door if not one.cidrs))
    if step < 4:  # broken: a neighbour was let in
        edge.server.ingress.append(Allowed(7004, 7004, (), (edge.server.vpc.cidr,)))
        book.add("only-from", allowed, book.select(edge.server), "tcp/7004")
    elif step < 24 and edge.server.role == "app":
        home = f"2600:1f18:{edge.server.vpc.component + 1:x}00::/40"
        book.add("only-from", ["10.0.0.0/8", home], book.select(edge.server), "tcp/1024-65535")
    else:
        book.add("only-from", allowed, book.select(edge.server), f"tcp/{edge.port}")
