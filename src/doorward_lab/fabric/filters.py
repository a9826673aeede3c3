"""Security groups as the nftables rules of one interface. Pure: state in, values out.

ACLs (`acls`), routes (`routes`) and the source/destination check (`hosts`) are elsewhere. The rules:

* Groups only allow; an interface's groups are united; what nothing allows is dropped (EC2 User Guide, *Security
  groups*). One plain rule per peer, each with a counter, and the rule's id as its comment.
* Answers to what was allowed pass (*Security group connection tracking*): a connection whose first packet a rule let
  in is marked 1 in conntrack, and marked connections pass before any rule is asked. So a connection outlives its rule.
* TCP or UDP that is open to everybody (0.0.0.0/0 or ::/0), with all ports open to everybody in the other direction, is
  *untracked* (same page): such a connection is not marked, so each of its packets needs a rule, and removing the rule
  cuts it at once. ICMP and other protocols are always tracked. What was let in unmarked stays unmarked.
* Never filtered (VPC User Guide, *Control traffic to your resources using security groups*): link-local services of
  AWS (metadata, DNS, time), DHCP, the VPC's resolver, the router's own address. Neighbour discovery is not filtered
  either: without it there is no IPv6; ARP is not IP.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from doorward_lab.fabric.matches import ALL, TCP, UDP, all_ports, number, service
from doorward_lab.fabric.members import Directory
from doorward_lab.fabric.rulesets import Ruleset
from doorward_lab.model import Group, Interface, Subnet, Vpc

TABLE = "inet sg"
MARK = 1  # of connections that AWS tracks
_WORLD = {4: "0.0.0.0/0", 6: "::/0"}

Opening = tuple[bool, int, int]  # (egress, family, TCP or UDP): all ports, everybody


@dataclass(frozen=True, slots=True)
class Permit:
    """One peer of one rule: `match` lets it in; `world` says which protocols could go untracked by it."""

    rule: str
    egress: bool
    family: int
    match: str
    world: frozenset[int]  # of TCP and UDP, for a peer that is everybody; else empty


@dataclass(frozen=True, slots=True, eq=False)
class CompiledGroup:
    """A group's permits in order, and what it opens to everybody on all ports. Compared by identity: see `Compiler`."""

    permits: tuple[Permit, ...]
    openings: frozenset[Opening]


def _peer(cidr: str, family: int, *, egress: bool) -> str:
    if cidr == _WORLD[family]:
        return f"meta nfproto {'ipv4' if family == 4 else 'ipv6'}"
    return f"{'ip' if family == 4 else 'ip6'} {'daddr' if egress else 'saddr'} {cidr}"


def _compile(group: Group, peers: Sequence[tuple[tuple[int, str], ...]]) -> CompiledGroup:
    permits: list[Permit] = []
    openings: set[Opening] = set()
    for rule, meant in zip(group.rules, peers, strict=True):
        protocol = number(rule.protocol)
        for family, cidr in meant:
            wanted = service(protocol, rule.from_port, rule.to_port, family)
            if wanted is None:
                continue
            world: frozenset[int] = frozenset()
            if cidr == _WORLD[family] and rule.cidr is not None:
                world = frozenset({TCP, UDP} if protocol == ALL else {protocol} & {TCP, UDP})
                if protocol == ALL or all_ports(rule.from_port, rule.to_port):
                    openings.update((rule.egress, family, p) for p in world)
            match = f"{_peer(cidr, family, egress=rule.egress)} {wanted}".rstrip()
            permits.append(Permit(rule.id, rule.egress, family, match, world))
    return CompiledGroup(tuple(permits), frozenset(openings))


@lru_cache(maxsize=65536)
def _line(permit: Permit, untracked: frozenset[int]) -> str:
    if not untracked:
        verdict = "goto tracked"
    elif untracked == {TCP, UDP} and "l4proto" not in permit.match and "dport" not in permit.match:
        verdict = "goto open"
    elif "dport" in permit.match or "l4proto" in permit.match:
        verdict = "accept"
    else:
        verdict = "goto open_tcp" if TCP in untracked else "goto open_udp"
    return f'{permit.match} counter {verdict} comment "{permit.rule}"'


def lines(groups: Iterable[CompiledGroup], *, egress: bool) -> tuple[str, ...]:
    """The rules of one direction for an interface in these groups: which are untracked depends on all of them.

    Those that let something in untracked come first: where a narrower rule admits the same, one rule for everybody is
    enough for a flow not to be tracked (EC2 User Guide, *Security group connection tracking*, "Untracked connections").
    """
    united = tuple(groups)
    openings = frozenset().union(*(g.openings for g in united))
    first: dict[str, None] = {}
    then: dict[str, None] = {}
    for permit in (p for g in united for p in g.permits if p.egress == egress):
        untracked = frozenset(p for p in permit.world if (not egress, permit.family, p) in openings)
        (first if untracked else then)[_line(permit, untracked)] = None
    return (*first, *then)


class Compiler:
    """Compiles groups, and remembers: a group whose rules and peers are unchanged gives the very same object again."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._groups: dict[str, tuple[Group, tuple[tuple[tuple[int, str], ...], ...], CompiledGroup]] = {}
        self._lines: dict[tuple[CompiledGroup, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def groups(self, groups: Mapping[str, Group], peers: Directory) -> dict[str, CompiledGroup]:
        """Every group, compiled."""
        kept: dict[str, tuple[Group, tuple[tuple[tuple[int, str], ...], ...], CompiledGroup]] = {}
        for group in groups.values():
            meant = tuple(peers.of(rule, group.vpc) for rule in group.rules)
            known = self._groups.get(group.id)
            if known is not None and known[0] == group and known[1] == meant:
                kept[group.id] = known
            else:
                kept[group.id] = (group, meant, _compile(group, meant))
        self._groups = kept
        compiled = {name: entry[2] for name, entry in kept.items()}
        alive = set(compiled.values())
        self._lines = {key: value for key, value in self._lines.items() if alive.issuperset(key)}
        return compiled

    def interface(self, groups: tuple[CompiledGroup, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ingress and egress rules of an interface in `groups`; the same objects while the groups are."""
        known = self._lines.get(groups)
        if known is None:
            known = self._lines[groups] = (lines(groups, egress=False), lines(groups, egress=True))
        return known


@lru_cache(maxsize=4096)
def exempt(subnet: Subnet, vpc: Vpc) -> tuple[str, ...]:
    """IPv4 addresses that no group filters: link-local services, the subnet's router, the VPC's resolver."""
    router = ipaddress.IPv4Network(subnet.cidr, strict=False).network_address + 1
    resolvers = [str(ipaddress.IPv4Network(block, strict=False).network_address + 2) for block in vpc.ipv4[:1]]
    return ("169.254.0.0/16", str(router), *resolvers)


ND = "icmpv6 type { 133, 134, 135, 136 } ip6 hoplimit 255 accept"
SERVICES6 = "fd00:ec2::/32"  # the same services over IPv6 (EC2 User Guide, *Access instance metadata*)
_ESTABLISHED = f"ct mark {MARK} ct state established,related accept"
_HOOKS = {
    "input": "type filter hook input priority 0; policy drop;",
    "output": "type filter hook output priority 0; policy drop;",
    "forward_in": "type filter hook forward priority 0; policy drop;",
    "forward_out": "type filter hook forward priority 10; policy drop;",
}
_TRACK = (f"ct state new ct mark set {MARK}", "accept")
_FIXED = {
    "tracked": _TRACK,
    "open": ("meta l4proto tcp accept", "meta l4proto udp accept", "goto tracked"),
    "open_tcp": ("meta l4proto tcp accept", "goto tracked"),
    "open_udp": ("meta l4proto udp accept", "goto tracked"),
    "forward_in": (_ESTABLISHED, "jump ingress"),
    "forward_out": (_ESTABLISHED, "jump egress"),
}


@lru_cache(maxsize=4096)
def _input(addresses: tuple[str, ...]) -> tuple[str, ...]:
    free = [f"ip saddr {address} accept" for address in addresses]
    return ("iif lo accept", ND, _ESTABLISHED, *free, f"ip6 saddr {SERVICES6} accept", "jump ingress")


@lru_cache(maxsize=4096)
def _output(addresses: tuple[str, ...]) -> tuple[str, ...]:
    free = [f"ip daddr {address} accept" for address in addresses]
    dhcp = "udp sport 68 udp dport 67 accept"
    return ("oif lo accept", ND, _ESTABLISHED, *free, dhcp, f"ip6 daddr {SERVICES6} accept", "jump egress")


_EVERYTHING = ("accept",)


def ruleset(interface: Interface, rules: tuple[tuple[str, ...], tuple[str, ...]], free: tuple[str, ...]) -> Ruleset:
    """The table of an interface with these (ingress, egress) rules; `free` are the `exempt` addresses.

    An interface without any group (a network load balancer without groups, a transit gateway's) is not filtered
    (Elastic Load Balancing, *Security groups for your Network Load Balancer*).
    """
    ingress, egress = rules if interface.groups else (_EVERYTHING, _EVERYTHING)
    chains = {**_FIXED, "ingress": ingress, "egress": egress, "input": _input(free), "output": _output(free)}
    return Ruleset(TABLE, _HOOKS, chains)
