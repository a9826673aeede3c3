"""Connections that outlive a rule: held open, rules revoked, talked over again; against what the gate says of them.

EC2 User Guide, *Security group connection tracking*: removing a rule leaves tracked connections alone and cuts those
that are not tracked. The gate's `connections.established` says so of a plan; the plan here is the revocation that the
API carried out, with the snapshots before and after it. What does not live here: single packets (`court`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from doorward import api
from doorward.contracts.language import parse_contracts
from doorward.contracts.tracking import TRACKING_WAYS
from doorward.model.addresses import parse_address, span_networks
from doorward.model.estate import Estate
from doorward.model.plan import Plan, Step
from doorward.model.rules import AnyPeer, Direction, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import show_span
from doorward.reach.routes import lookup
from doorward.reach.world import World
from doorward_lab.judge.bench import Standing
from doorward_lab.judge.case import TCP, UDP, Packet, Revocation
from doorward_lab.judge.ends import End
from doorward_lab.probe.connections import Connections, Talk


class Outlived(NamedTuple):
    """One connection, after rules were revoked under it."""

    packet: Packet
    engine: str
    """The gate's `established`: kept, broken or cannot-tell."""
    alive: bool
    """Whether a word still came back."""

    @property
    def fault(self) -> str:
        """What the two disagree on; empty: nothing."""
        if self.engine == "cannot-tell" or (self.engine == "kept") == self.alive:
            return ""
        return f"standing connection: engine {self.engine}, kernel {'goes on' if self.alive else 'is cut'}"


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was revoked, and what became of the connections."""

    rules: tuple[Revocation, ...]
    connections: tuple[Outlived, ...]


def revoke_under(
    standing: Standing,
    before: Estate,
    packets: Sequence[Packet],
    chance: random.Random,
    *,
    most: int = 32,
    wanted: Sequence[Revocation] = (),
) -> Revoked:
    """Hold connections open, revoke some rules that they may stand on (or those ``wanted``), and see.

    ``packets`` are such as open. Only ends with one way between them are taken: where a private and a public way exist,
    the gate speaks of either.
    """
    talks: dict[Talk, Packet] = {}
    for packet in packets:
        talk = _talk(standing, packet, before)
        if talk is not None and len(talks) < most:
            talks[talk] = packet
    with Connections(standing.places, list(talks)) as connections:
        opened = connections.open()
        held = [(talk, at) for at, (talk, was) in enumerate(zip(talks, opened, strict=True)) if was]
        chosen = list(wanted) or _choose(standing, before, [talk for talk, _ in held], chance)
        if not held or not _revoke(standing, before, chosen):
            return Revoked((), ())
        after = standing.estate()
        alive = connections.talk()
    about = [talks[talk] for talk, _ in held]
    said = established(standing, _plan(before, after), about)
    found = [Outlived(one, word, alive[at]) for one, word, (_, at) in zip(about, said, held, strict=True) if word]
    return Revoked(tuple(chosen), tuple(found))


def established(standing: Standing, plan: Plan, packets: Sequence[Packet]) -> list[str]:
    """What the gate says of a standing connection for each packet; empty where the contract did not hold before."""
    if not packets:
        return []
    lines = ["version: 1", "contracts:"]
    for at, one in enumerate(packets):
        source, target = standing.end(one.source).private, standing.end(one.target).private
        lines += [f"  c{at}:", "    must: reach", f'    from: "{_cidr(source)}"', f'    to: "{_cidr(target)}"']
        lines += [f"    service: {one.service}", f"    ephemeral: {one.source_port}-{one.source_port}"]
    report = api.gate(parse_contracts("\n".join(lines).encode(), "judge"), plan, repair=False)
    said = {verdict.name: verdict.established for verdict in report.verdicts}
    return [str(said[f"c{at}"] or "") for at in range(len(packets))]


def _cidr(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _talk(standing: Standing, packet: Packet, estate: Estate) -> Talk | None:
    source, target = standing.end(packet.source), standing.end(packet.target)
    if packet.protocol not in (TCP, UDP) or not packet.detail:
        return None
    if not source.outside and not target.outside:
        public = standing.hosts[packet.target.partition("/")[0]].public
        if target.private in public:
            return None
    if _always_tracked(estate, source, target):
        return None
    return Talk(
        standing.place_of(packet.source), standing.place_of(packet.target), source.private, target.wire, target.private,
        packet.protocol, packet.detail, packet.source_port,
    )  # fmt: skip


def _always_tracked(estate: Estate, source: End, target: End) -> bool:
    """Whether AWS tracks a connection for the way that it takes, which the lab does not: such are not compared."""
    if source.outside:
        return False
    world = World(estate)
    interface = estate.interfaces[source.interface]
    route = lookup(world, interface.subnet, interface.vpc, parse_address(target.wire))
    return route is not None and route.kind in TRACKING_WAYS


def _choose(standing: Standing, before: Estate, talks: Sequence[Talk], chance: random.Random) -> list[Revocation]:
    """One to three rules, or all of one side, of groups of somebody who talks."""
    # By the scene's names and what the rules allow: ids are new each time, and a seed shall name one course of events.
    sides: set[tuple[str, Direction]] = set()
    names = {id: name for name, id in standing.built.groups.items()}
    for talk in talks:
        both: tuple[tuple[str, Direction], ...] = ((talk.source, "egress"), (talk.target, "ingress"))
        other: tuple[tuple[str, Direction], ...] = ((talk.source, "ingress"), (talk.target, "egress"))
        for host, direction in both if chance.random() < 0.7 else other:
            if host in standing.hosts:
                sides |= {(names[group], direction) for group in standing.hosts[host].groups if group in names}
    chosen: list[Revocation] = []
    for name, direction in chance.sample(sorted(sides), min(len(sides), chance.randint(1, 2))):
        rules = [rule for rule in before.groups[standing.built.groups[name]].rules if rule.direction == direction]
        texts = sorted({_text(rule, names) for rule in rules})
        some = texts if chance.random() < 0.5 else chance.sample(texts, min(len(texts), chance.randint(1, 3)))
        chosen += [Revocation(name, direction, text) for text in some]
    return chosen


def _revoke(standing: Standing, before: Estate, chosen: Sequence[Revocation]) -> int:
    """Revoke rules through the API; how many."""
    names = {id: name for name, id in standing.built.groups.items()}
    ec2 = standing.clients("ec2")
    count = 0
    for name, direction in sorted({(one.group, one.direction) for one in chosen}):
        texts = {one.rule for one in chosen if (one.group, one.direction) == (name, direction)}
        group = standing.built.groups.get(name)
        rules = before.groups[group].rules if group is not None else ()
        ids = [one.id for one in rules if one.id and one.direction == direction and _text(one, names) in texts]
        if ids:
            call = ec2.revoke_security_group_ingress if direction == "ingress" else ec2.revoke_security_group_egress
            call(GroupId=group, SecurityGroupRuleIds=ids)
            count += len(ids)
    return count


def _text(rule: Rule, names: Mapping[str, str]) -> str:
    """A rule by the scene's names."""
    return f"{show_span(rule.service)} {_spelled(rule, names)}"


def _spelled(rule: Rule, names: Mapping[str, str]) -> str:
    """The peer of a rule, by the scene's names."""
    if isinstance(rule.peer, GroupPeer):
        return names.get(rule.peer.group, rule.peer.group)
    if isinstance(rule.peer, PrefixListPeer):
        return "a prefix list"
    return "anybody" if isinstance(rule.peer, AnyPeer) else ", ".join(span_networks(rule.peer))


def _plan(before: Estate, after: Estate) -> Plan:
    """The change from one snapshot to the next, as steps that each remove one rule."""
    removed: dict[str, list[tuple[str, Rule]]] = defaultdict(list)
    for id, group in before.groups.items():
        left = set(after.groups[id].rules) if id in after.groups else set()
        for rule in group.rules:
            if rule not in left:
                removed[f"{id}/{rule.id}"].append((id, rule))
    steps = tuple(Step(name, name, "delete", removed=tuple(rules)) for name, rules in removed.items())
    return Plan(before, after, steps)
