"""Which rules to take away so that nothing forbidden arrives any more: for ``never-reach`` and ``only-from``.

A packet stops flowing when *all* rules that admit it on one side are gone, and (groups only ever allow) no addition can
help. So every packet leaves a choice between its target's rules and its source's; the choices make the search.
What does not live here: what other contracts lose by it (``contracts.mend``).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import AnyPeer, Direction, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import show_span
from doorward.reach import never
from doorward.reach.draft import Change, Draft, editable
from doorward.reach.packet import Packet
from doorward.reach.policy import Policy, policy
from doorward.reach.public import public_addresses, sent
from doorward.reach.question import Question
from doorward.reach.world import Bound, Component, World

Taste = Literal["added", "target", "source", "fewest"]
"""Which side's rules go where either would do; ``added``: those that a plan adds."""
FIRST_PACKETS, MOST_PACKETS = 32, 2_000
"""Packets looked at in the first round and, after fourfold more each time, in one of the last: often a few tell all."""
MOST_ROUNDS = 400
MOST_CHOICES = 4_096
"""Choices counted out for the proof that no fewer removals do."""
Cut = frozenset[Change]


@dataclass(slots=True)
class Closing:
    """Removals that stop everything forbidden."""

    draft: Draft
    choices: set[tuple[Cut, ...]] = field(default_factory=set)
    """Of the packets seen first: which sets of rules would each stop it."""
    stuck: Packet | None = None
    """A packet that no rule of a group stops."""
    given_up: bool = False
    """More removals than wanted."""


def close(
    world: World, question: Question, bound: Bound, taste: Taste, added: Set[Change] = frozenset(),
    most: int | None = None,
) -> Closing:  # fmt: skip
    """Take rules away until nothing forbidden arrives in a bound; give up when that takes more than ``most``."""
    made = Closing(Draft(world))
    for round_ in range(MOST_ROUNDS):
        gone: set[Change] = set()
        looked = min(MOST_PACKETS, FIRST_PACKETS << 2 * round_)
        for packet in islice(never.packets(made.draft.world, question, bound), looked):
            cuts = stops(made.draft.world, packet, bound)
            if not cuts:
                made.stuck = packet
                return made
            if round_ == 0:
                made.choices.add(tuple(cuts))
            if not any(cut <= gone for cut in cuts):
                gone |= _chosen(cuts, taste, gone, added)
        if not gone:
            return made
        made.draft.change(revokes=gone)
        if most is not None and len(made.draft) > most:
            made.given_up = True
            return made
    made.stuck = never.found(made.draft.world, question, bound)
    return made


def _chosen(cuts: list[Cut], taste: Taste, gone: set[Change], added: Set[Change]) -> Cut:
    if taste == "added":
        return min(cuts, key=lambda cut: len(cut - added))
    if taste == "fewest":
        return min(cuts, key=lambda cut: len(cut - gone))
    return cuts[0] if taste == "target" else cuts[-1]


def fewest_removals(choices: set[tuple[Cut, ...]]) -> int | None:
    """The least number of removals that stops some packets, whatever the choice; None when that takes too long."""
    forced: set[Change] = set()
    for cuts in choices:
        if len(cuts) == 1:
            forced |= cuts[0]
    open_ = [cuts for cuts in choices if not any(cut <= forced for cut in cuts)]
    best = [_total(open_, forced)]
    budget = [MOST_CHOICES]

    def walk(at: int, gone: set[Change]) -> None:
        budget[0] -= 1
        if budget[0] < 0 or len(gone) >= best[0]:
            return
        while at < len(open_) and any(cut <= gone for cut in open_[at]):
            at += 1
        if at == len(open_):
            best[0] = len(gone)
            return
        for cut in open_[at]:
            walk(at + 1, gone | cut)

    walk(0, forced)
    return best[0] if budget[0] >= 0 else None


def _total(choices: list[tuple[Cut, ...]], forced: set[Change]) -> int:
    return len(forced.union(*(cuts[0] for cuts in choices))) + 1


# --- what stops a packet ----------------------------------------------------------------------------------------


def stops(world: World, packet: Packet, bound: Bound = Bound.UPPER) -> list[Cut]:
    """The sets of rules of which each, taken away whole, stops a packet: the target's first, then the source's.

    Empty: neither side is filtered by groups whose rules are known.
    """
    found: list[Cut] = []
    source = _endpoint(world, packet.source, packet.source_address)
    target = _endpoint(world, packet.target, packet.target_address)
    if packet.way == "private" and source and target:
        found = [
            _admitting(world, bound, target, "ingress", packet, 1 << source[1]),
            _admitting(world, bound, source, "egress", packet, 1 << target[1]),
        ]
    elif packet.way == "arrival" and target:
        found = [_admitting(world, bound, target, "ingress", packet, 0, Intervals.point(packet.source_address))]
    elif packet.way == "departure" and source:
        found = [_admitting(world, bound, source, "egress", packet, 0, Intervals.point(packet.target_address))]
    elif packet.way == "public" and source:
        at = Intervals.point(packet.target_address)
        there = _publicly(world, packet)
        seen = _seen(source, packet, at)
        if there is not None:
            found.append(_admitting(world, bound, there, "ingress", packet, 0, seen))
        found.append(_admitting(world, bound, source, "egress", packet, 0, at))
    elif packet.way == "balanced" and target:
        component = world.component_of(world.estate.interfaces[packet.target].vpc)
        bits = 1 << source[1] if source and source[0] is component else 0
        addresses = _seen(source, packet, EMPTY) if source else EMPTY
        addresses = addresses | Intervals.point(packet.source_address)
        found = [_admitting(world, bound, target, "ingress", packet, bits, addresses)]
        found += _nodes(world, bound, packet, target)
    return [cut for cut in found if cut]


def _endpoint(world: World, interface: str, address: int) -> tuple[Component, int] | None:
    known = world.estate.interfaces.get(interface)
    if known is None:
        return None
    component = world.component_of(known.vpc)
    numbers = component.endpoints_of.get(interface, ())
    for number in numbers:
        if component.span_of(number)[0] == address:
            return component, number
    return (component, numbers[0]) if numbers else None


def _publicly(world: World, packet: Packet) -> tuple[Component, int] | None:
    known = world.estate.interfaces.get(packet.target)
    if known is None:
        return None
    component = world.component_of(known.vpc)
    for number in component.endpoints_of.get(packet.target, ()):
        if packet.target_address in public_addresses(component, number, Bound.UPPER):
            return component, number
    return None


def _seen(source: tuple[Component, int], packet: Packet, at: Intervals) -> Intervals:
    """All addresses as which a source may be seen from outside."""
    component, number = source
    found = Intervals.point(packet.source_address)
    reached = at or component.world.internet
    span = (packet.service, packet.service)
    for way in sent(component, number, Intervals.point(reached.first), span, Bound.UPPER, None) if reached else ():
        found = found | way.seen
    return found | public_addresses(component, number, Bound.UPPER)


def _admitting(
    world: World, bound: Bound, end: tuple[Component, int], direction: Direction, packet: Packet, bits: int,
    addresses: Intervals = EMPTY,
) -> Cut:  # fmt: skip
    """All rules of an endpoint's groups that admit a packet; empty when they cannot all be taken away."""
    component, number = end
    cls = component.class_of[number]
    rules = policy(component, cls, direction, bound)
    if rules.open:
        return frozenset()
    balancer = world.estate.load_balancers.get(packet.via) if packet.via is not None else None
    own = balancer.groups if balancer is not None and packet.way == "balanced" else ()
    found: set[Change] = set()
    for name in cls.key.groups + cls.key.maybe if bound is Bound.UPPER else cls.key.groups:
        group = editable(world, name)
        if group is None:
            if bound is Bound.UPPER:
                return frozenset()
            continue
        for rule in group.rules:
            if bound is Bound.LOWER and not rule.certain:
                continue
            if rule.direction == direction and rule.service[0] <= packet.service <= rule.service[1]:
                if isinstance(rule.peer, AnyPeer):
                    return frozenset()  # whom it names is not known, so nobody could write its removal
                if _names(rules, rule, bits, addresses, own):
                    found.add((name, rule))
    return frozenset(found)


def _names(rules: Policy, rule: Rule, bits: int, addresses: Intervals, own: tuple[str, ...]) -> bool:
    peer = rule.peer
    if isinstance(peer, GroupPeer):
        return peer.group in own or bool(rules.referenced(peer) & bits)
    if isinstance(peer, AnyPeer):
        return True
    held = rules.entries(peer) if isinstance(peer, PrefixListPeer) else Intervals([peer])
    return bool(bits and rules.component.inside(held, Bound.UPPER) & bits) or not addresses.isdisjoint(held)


def _nodes(world: World, bound: Bound, packet: Packet, target: tuple[Component, int]) -> list[Cut]:
    """The rules by which a balancer's own groups let it send to a target."""
    balancer = world.estate.load_balancers.get(packet.via or "")
    found: set[Change] = set()
    for id in balancer.interfaces if balancer is not None else ():
        for number in target[0].endpoints_of.get(id, ()):
            cut = _admitting(world, bound, (target[0], number), "egress", packet._replace(via=None), 1 << target[1])
            if not cut:
                return []
            found |= cut
    return [frozenset(found)]


def stop_text(packet: Packet) -> str:
    """A packet in a few words."""
    return f"{packet.source} → {packet.target} on {show_span((packet.service, packet.service))}"


__all__ = ["Closing", "Cut", "Taste", "close", "fewest_removals", "stop_text", "stops"]
