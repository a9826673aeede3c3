"""The oracle's judge: a contract as plain data against an estate, by trying one packet of every class.

A contract is a dict as in ``doorward.yaml``: ``must``, ``from``, ``to``, ``service``, ``ephemeral``.
"One of every class": every address and port at which anything in the estate begins or has just ended is tried, so what
lies between two tried ones is treated alike. Each bound is a run of its own; ``keep`` and ``break`` follow §7.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.oracle.packets import (
    Ports,
    Way,
    a_answer,
    a_first,
    accepts,
    b_answer,
    b_first,
    c_answer,
    c_first,
    d_address,
    d_passes,
    e_from_inside,
    e_from_outside,
    fronts,
    is_public,
    keeps_client,
    listener_services,
    listeners,
    node_to_target,
    nodes,
    seen_as,
    target_groups,
    target_nic,
    targets,
    ways_to,
)
from tests.oracle.routing import agreed
from tests.oracle.rules import exists, service_cuts
from tests.oracle.world import (
    NUMBERS,
    TCP,
    UDP,
    Address,
    Block,
    Json,
    Service,
    World,
    block,
    common,
    inside,
    protocol_number,
    without,
)

Spans = list[tuple[int, int, int]]
DEFAULT_PORTS = (1024, 65535)


@dataclass
class Chosen:
    """What selectors give: interfaces with the addresses that count, outside addresses, load balancers."""

    nics: dict[str, list[Block]] = field(default_factory=dict)
    outside: list[Block] = field(default_factory=list)
    balancers: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """Every interface as often as a selector gave it."""
    nobody: bool = False
    """Some selector gave neither an interface nor an outside address."""

    def add(self, world: World, nic: str, blocks: Iterable[Block] | None = None) -> None:
        """Count (some of) the addresses of an interface."""
        self.seen.append(nic)
        held = self.nics.setdefault(nic, [])
        for one in world.nics[nic].blocks if blocks is None else blocks:
            if one not in held:
                held.append(one)


def listed(value: object) -> list[str]:
    """One or a list, always as a list of texts."""
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def choose(world: World, selectors: object) -> Chosen:
    """Resolve selectors."""
    chosen = Chosen()
    for text in listed(selectors):
        before = len(chosen.seen), len(chosen.outside)
        kind, _, name = text.partition(":")
        if kind == "internet":
            chosen.outside += [one for one in world.internet if name in ("", f"v{one.family}")]
        elif kind in ("group", "interface", "subnet", "vpc"):
            for nic in world.nics.values():
                if (
                    name
                    in {"group": nic.groups, "interface": (nic.id,), "subnet": (nic.subnet,), "vpc": (nic.vpc,)}[kind]
                ):
                    chosen.add(world, nic.id)
        elif kind == "lb":
            for lb in world.all("LoadBalancers"):
                if name in (lb["LoadBalancerName"], lb["LoadBalancerArn"]):
                    chosen.balancers.append(lb["LoadBalancerArn"])
                    for node in nodes(world, lb["LoadBalancerArn"]):
                        chosen.add(world, node)
        else:
            span = block(text)
            for nic in world.nics.values():
                if held := common(nic.blocks, [span]):
                    chosen.add(world, nic.id, held)
            spans = [span]
            for hole in world.vpc_blocks:
                spans = without(spans, hole)
            chosen.outside += spans
        chosen.nobody |= before == (len(chosen.seen), len(chosen.outside))
    return chosen


def read_services(value: object) -> Spans:
    """Contract services as (protocol, lowest, highest)."""
    found: Spans = []
    for text in listed(value):
        name, _, rest = text.partition("/")
        if name == "all":
            found += [(protocol, 0, 65535) for protocol in range(256)]
        elif name == "proto":
            found.append((int(rest), 0, 65535))
        elif not rest:
            found.append((NUMBERS[name], 0, 65535))
        elif name in ("tcp", "udp"):
            low, _, high = rest.partition("-")
            found.append((NUMBERS[name], int(low), int(high or low)))
        else:
            kind, colon, code = rest.partition(":")
            first = int(kind) * 256 + int(code or 0)
            found.append((NUMBERS[name], first, first if colon else first + 255))
    return found


def sample(world: World, spans: Spans) -> list[Service]:
    """One service of every class. Protocols that nothing in the estate names are alike: one stands for all of them."""
    named = set(NUMBERS.values())
    for group in world.groups.values():
        named |= {protocol_number(one["IpProtocol"]) for one in group["IpPermissions"] + group["IpPermissionsEgress"]}
    for acl in world.all("NetworkAcls"):
        named |= {protocol_number(entry["Protocol"]) for entry in acl["Entries"]}
    found: dict[Service, None] = {}
    stranger = False
    for protocol, low, high in spans:
        if protocol not in named:
            if not stranger:
                found[Service(protocol, 0)] = None
            stranger = True
            continue
        if protocol not in NUMBERS.values():
            found[Service(protocol, 0)] = None
            continue
        for detail in [low, *(cut for cut in service_cuts(world, protocol) if low < cut <= high)]:
            found[Service(protocol, detail)] = None
    return list(found)


class Judge:
    """One contract, one bound."""

    def __init__(self, world: World, contract: Json, may: bool) -> None:
        self.world, self.may = world, may
        self.sources, self.targets = choose(world, contract["from"]), choose(world, contract["to"])
        self.spans = read_services(contract["service"])
        self.services = sample(world, self.spans)
        low, _, high = str(contract.get("ephemeral", "1024-65535")).partition("-")
        self.ports: Ports = (int(low), int(high or low))
        self.pairs = 0

    def own(self, blocks: Iterable[Block], family: int = 0) -> list[Address]:
        """One address of every class, of one family or both."""
        return self.world.representatives([one for one in blocks if family in (0, one.family)])

    def of_family(self, family: int) -> list[Service]:
        """The services that exist in a family."""
        return [one for one in self.services if exists(one, family)]

    # --- packets: never-reach and only-from ---

    def arrivals(self, sources: Chosen) -> Iterator[bool]:
        """Every packet from the sources to the targets: does it arrive?"""
        world, may = self.world, self.may
        for source, blocks in sources.nics.items():
            self.pairs += len(self.targets.outside)
            for s in self.own(blocks):
                services = self.of_family(s.family)
                for target, held in self.targets.nics.items():
                    if source == target:
                        continue
                    self.pairs += 1
                    for d in self.own(held, s.family):
                        for service in services:
                            yield a_first(world, source, s, target, d, service, may)
                            yield d_passes(world, source, s, target, d, service, None, may)
                    for way in self.ways(target, held):
                        yield e_from_inside(world, source, s, way, may)
                for x in self.own(self.targets.outside, s.family):
                    for service in services:
                        yield c_first(world, source, s, x, service, may, not is_public(world, x))
        for target, held in self.targets.nics.items():
            ways = list(self.ways(target, held))
            self.pairs += len(sources.outside)
            for x in self.own(sources.outside):
                beyond = not is_public(world, x)
                for d in self.own(held, x.family):
                    for service in self.of_family(x.family):
                        yield b_first(world, x, target, d, service, may, beyond)
                for way in ways:
                    yield e_from_outside(world, x, way, may, beyond)

    def ways(self, target: str, held: list[Block]) -> Iterator[Way]:
        """The ways through load balancers that end at a counted address on a service of the contract."""
        for way in ways_to(self.world, target):
            wanted = any(p == way.back.protocol and low <= way.back.detail <= high for p, low, high in self.spans)
            if wanted and inside(way.address, held):
                yield way

    def some_arrive(self) -> bool:
        """never-reach: does any packet arrive?"""
        return any(self.arrivals(self.sources))

    def strangers_arrive(self) -> bool:
        """only-from: does any packet of anybody else arrive?"""
        others = Chosen()
        for nic in self.world.nics.values():
            left = list(nic.blocks)
            for allowed in self.sources.nics.get(nic.id, []):
                left = without(left, allowed)
            if left:
                others.add(self.world, nic.id, left)
        spans = [block("0.0.0.0/0"), block("::/0")]
        for hole in [*self.world.vpc_blocks, *self.sources.outside]:
            spans = without(spans, hole)
        others.outside = spans
        return any(self.arrivals(others))

    # --- connections: reach ---

    def all_open(self) -> bool:
        """reach: does every source open a connection to every target?"""
        behind = [node for lb in self.targets.balancers for node in nodes(self.world, lb)]
        results = []
        for source, blocks in self.sources.nics.items():
            results += [self.pair(source, blocks, t, held) for t, held in self.targets.nics.items() if t != source]
            results += [self.leaves(source, blocks)] if self.targets.outside else []
        if self.sources.outside:
            results += [self.enters(target, held) for target, held in self.targets.nics.items()]
        self.pairs += len(results)
        if behind:
            results += [self.behind(lb) for lb in self.targets.balancers]
        return all(results)

    def a_open(self, source: str, s: Address, target: str, d: Address, service: Service) -> bool:
        """A connection by path A."""
        return a_first(self.world, source, s, target, d, service, self.may) and a_answer(
            self.world, source, s, target, d, service, self.ports, self.may
        )

    def pair(self, source: str, blocks: list[Block], target: str, held: list[Block]) -> bool:
        """Interface to interface: for each common family all by path A, or all by path D."""
        world, may = self.world, self.may
        judged = False
        for family in (4, 6):
            starts, ends, services = self.own(blocks, family), self.own(held, family), self.of_family(family)
            if not starts or not ends or not services:
                continue
            judged = True
            private = all(self.a_open(source, s, target, d, v) for s in starts for d in ends for v in services)
            if private and self.kept_behind(target, [(source, s) for s in starts], None):
                continue
            ends = [d for d in ends if d_address(world, d, target, d) is not None]  # those that can be named
            if not ends or not all(
                d_passes(world, source, s, target, d, v, self.ports, may)
                for s in starts
                for d in ends
                for v in services
            ):
                return False
            if not self.kept_behind(target, [(source, s) for s in starts], ends):
                return False
        return judged

    def kept_behind(self, node: str, clients: list[tuple[str, Address]], ends: list[Address] | None) -> bool:
        """If the target is a node of a balancer that keeps the client's address: do all targets admit these clients?

        ``ends``: the node's own addresses when the clients come over its public ones and are seen as others.
        """
        world, may = self.world, self.may
        for way in self.kept_ways(node):
            for source, s in clients:
                if s.family != way.address.family:
                    continue
                if way.target == source:
                    return False  # nothing is carried back to where it came from (ELB, NAT loopback)
                if ends is None:
                    if not node_to_target(world, s, way, self.ports, may, source):
                        return False
                    continue
                publics = [d_address(world, s, node, d) for d in ends]
                seen = {x for public in publics if public for x in seen_as(world, source, s, public, may)}
                if seen and not agreed([node_to_target(world, x, way, self.ports, may) for x in seen], may):
                    return False
        return True

    def kept_ways(self, node: str) -> list[Way]:
        """Ways through this node on listeners that the contract speaks of, with the client's address kept."""
        return [
            way
            for lb in self.targets.balancers
            if node in nodes(self.world, lb)
            for target in self.world.nics
            for way in ways_to(self.world, target)
            if way.node == node and self.wanted(way.front)
        ]

    def wanted(self, service: Service) -> bool:
        """Does the contract speak of this service?"""
        return any(p == service.protocol and low <= service.detail <= high for p, low, high in self.spans)

    def enters(self, target: str, held: list[Block]) -> bool:
        """Outside to interface: each family in which the target is addressable from that part of the outside."""
        world, may, judged = self.world, self.may, False
        for family in (4, 6):
            services = self.of_family(family)
            for beyond in (False, True):
                starts = [x for x in self.own(self.sources.outside, family) if is_public(world, x) != beyond]
                ends = [d for d in self.own(held, family) if beyond or self.addressable(target, d)]
                if not starts or not ends or not services:
                    continue
                judged = True
                for x in starts:
                    for d in ends:
                        for v in services:
                            if not b_first(world, x, target, d, v, may, beyond):
                                return False
                            if not b_answer(world, x, target, v, self.ports, may, beyond):
                                return False
                    for way in self.kept_ways(target):
                        if way.address.family == family and not node_to_target(world, x, way, self.ports, may):
                            return False
        return judged

    def addressable(self, target: str, d: Address) -> bool:
        """Can the outside name this address?"""
        nic = self.world.nics[target]
        return nic.public_of(d) is not None if d.family == 4 else bool(self.world.internet_gateways(nic.vpc))

    def leaves(self, source: str, blocks: list[Block]) -> bool:
        """Interface to outside: every address of each family for which the source has one."""
        world, may, judged = self.world, self.may, False
        for family in (4, 6):
            starts, ends = self.own(blocks, family), self.own(self.targets.outside, family)
            for s in starts:
                for x in ends:
                    for v in self.of_family(family):
                        judged = True
                        beyond = not is_public(world, x)
                        if not c_first(world, source, s, x, v, may, beyond):
                            return False
                        if not c_answer(world, source, s, x, v, self.ports, may, beyond):
                            return False
        return judged

    def behind(self, lb: str) -> bool:
        """From each node every registered target, on its target port and its health-check port."""
        world = self.world
        for listener in listeners(world, lb) or []:
            if not any(self.wanted(one) for one in listener_services(listener)):
                continue
            groups = [world.one("TargetGroups", "TargetGroupArn", arn) for arn in target_groups(listener)]
            if not self.registered([one for one in groups if one is not None]):
                return False
        if listeners(world, lb) is None:
            return self.may
        return all(
            self.from_nodes(lb, listener, group)
            for listener, group in fronts(world, lb)
            if any(self.wanted(one) for one in listener_services(listener))
        )

    def translated(self, lb: str, family: int) -> bool:
        """Does a client come by the other family than the target's? Then the target sees the node's own address."""
        other, held = 10 - family, nodes(self.world, lb)
        ends = [(node, d) for node in held for d in self.own(self.world.nics[node].blocks, other)]
        inside_ = any(self.own(blocks, other) for source, blocks in self.sources.nics.items() if source not in held)
        named = any(self.addressable(node, d) for node, d in ends)
        return (bool(ends) and inside_) or (named and any(one.family == other for one in self.sources.outside))

    def registered(self, groups: list[Json]) -> bool:
        """A listener without any registered target cannot be told; one that forwards nothing needs none."""
        known = [targets(self.world, one) for one in groups]
        return not groups or self.may or (all(one is not None for one in known) and any(known))

    def from_nodes(self, lb: str, listener: Json, group: Json) -> bool:
        """One target group of one listener."""
        if group["TargetType"] == "lambda":
            return True
        world = self.world
        kept = keeps_client(world, lb, group)
        for target in targets(world, group) or []:
            held = target_nic(world, group, target)
            if held is None:
                if not self.may:
                    return False
                continue
            port = int(target.get("Port") or group["Port"])
            health = group.get("HealthCheckPort", "traffic-port")
            traffic = [Service(v.protocol, port) for v in listener_services(listener) if self.wanted(v)]
            wanted = [] if kept and not self.translated(lb, held[1].family) else list(traffic)
            if group.get("HealthCheckEnabled", True):
                wanted.append(Service(TCP, port if health == "traffic-port" else int(health)))
            for node in nodes(world, lb):
                if node == held[0]:
                    continue
                if not all(accepts(world, held[0], one, self.may) for one in traffic):
                    return False
                starts = self.own(world.nics[node].blocks, held[1].family)
                if not starts:
                    return False
                if not all(self.a_open(node, s, *held, service) for s in starts for service in wanted):
                    return False
        return True


def judge(estate: Json | World, contract: Json) -> str:
    """The verdict: "kept", "broken" or "cannot-tell" (§5, §7)."""
    world = estate if isinstance(estate, World) else World(estate)
    world = with_cuts(world, contract)
    lower, upper = Judge(world, contract, False), Judge(world, contract, True)
    nobody = lower.targets.nobody or (lower.sources.nobody and contract["must"] != "only-from")
    if contract["must"] == "reach":
        good, possible = lower.all_open(), upper.all_open()
        if not upper.pairs:
            return "cannot-tell"
        return "broken" if not possible else "kept" if good and not nobody else "cannot-tell"
    hit = Judge.some_arrive if contract["must"] == "never-reach" else Judge.strangers_arrive
    if hit(lower):
        return "broken"
    if hit(upper) or nobody:
        return "cannot-tell"
    # Where only-from leaves nobody out, nobody can break it; elsewhere there must be somebody to try.
    return "kept" if upper.pairs or contract["must"] == "only-from" else "cannot-tell"


def with_cuts(world: World, contract: Json) -> World:
    """The same world, with the contract's own networks among the cut points."""
    texts = [
        text
        for key in ("from", "to")
        for text in listed(contract[key])
        if text[0] in "0123456789abcdef:" and "/" in text
    ]
    if not all(block(text) in world.extra_cuts for text in texts):
        return World(world.estate, extra_cuts=[*world.extra_cuts, *map(block, texts)])
    return world


__all__ = ["DEFAULT_PORTS", "UDP", "Chosen", "Judge", "choose", "judge", "sample"]
