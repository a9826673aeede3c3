"""What a ``reach`` question demands of security groups, and the fewest exact rules that give what is missing.

Security groups only ever allow, so a mend must admit at least the demand on both sides; rules whose members and peers
are exactly the demand's admit nothing else. What does not live here: whether that is enough, whether it harms another
contract (``contracts.mend``), whether it opens anything else (``extra``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from doorward.model.addresses import FAMILY_ALL, INTERNET, networks, parse_network
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import Direction, Peer, Rule
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach.balancers import behind, target_endpoints
from doorward.reach.draft import Change, editable, rule_spans
from doorward.reach.ends import Ends, ends_of
from doorward.reach.peers import candidates, cover, cover_all
from doorward.reach.policy import Policy, policy
from doorward.reach.private import FAMILIES, family_bits
from doorward.reach.public import public_addresses, sent
from doorward.reach.question import Question, Side
from doorward.reach.world import Bound, Cls, Component, World, bits_of, numbers_in

NOBODY = Side()


class Own(NamedTuple):
    """Traffic that a contract asks for: every source to every target on all services."""

    sources: Ends
    outside: Intervals
    targets: Ends
    beyond: Intervals
    services: Intervals
    from_: Side = NOBODY
    """How the sources were named, for peers that read as the contract does."""
    to: Side = NOBODY
    client: bool = False
    """Client packets that a load balancer carries: they leave the sources for the balancer, not for the targets."""


class Want(NamedTuple):
    """What classes of one side do not admit on one span of services, although they should."""

    component: Component
    direction: Direction
    span: Span
    lacks: tuple[tuple[Cls, int, Intervals], ...]
    own: Own


@dataclass(slots=True)
class Proposal:
    """Rules that give what is missing."""

    changes: list[Change] = field(default_factory=list)
    fewest: bool = True
    """No smaller number of rules gives it without admitting more."""
    shared: list[str] = field(default_factory=list)
    """Groups that had to be taken although they have other members."""
    wide: bool = False
    """The internet was named as 0.0.0.0/0 or ::/0."""
    public: bool = False
    """Some pairs connect over public addresses."""
    stuck: str | None = None
    """Why there are no such rules."""


def owns(world: World, question: Question) -> list[Own]:
    """All traffic that a ``reach`` question asks for, that behind load balancers included."""
    sources, targets = (ends_of(world, side, Bound.UPPER) for side in (question.sources, question.targets))
    outside, beyond = question.sources.outside - world.inner, question.targets.outside - world.inner
    found = [Own(sources, outside, targets, beyond, question.services, question.sources, question.targets)]
    for id in question.targets.balancers:
        balancer = world.estate.load_balancers[id]
        nodes: Ends = {}
        for interface in balancer.interfaces:
            if interface in world.estate.interfaces:
                component = world.component_of(world.estate.interfaces[interface].vpc)
                nodes[component] = nodes.get(component, 0) | bits_of(component.endpoints_of.get(interface, ()))
        by_services: dict[tuple[Intervals, bool], Ends] = {}
        for one in behind(world, id, question.services):
            nodes_send = one.health if one.preserved and not balancer.groups else one.health | one.traffic
            for services, client in ((nodes_send, False), (one.traffic if one.preserved else EMPTY, True)):
                for component in nodes:
                    bits = target_endpoints(component, one)
                    if bits and services:
                        ends = by_services.setdefault((services, client), {})
                        ends[component] = ends.get(component, 0) | bits
        side = Side(groups=balancer.groups, balancers=(id,))
        for (services, client), ends in by_services.items():
            if not client:
                found.append(Own(nodes, EMPTY, ends, EMPTY, services, side))
            elif not balancer.groups:
                found.append(Own(sources, outside, ends, EMPTY, services, question.sources, client=True))
    return found


# --- what is missing --------------------------------------------------------------------------------------------


def wants(own: Own, bound: Bound) -> Iterator[Want]:
    """What the groups of either side do not admit."""
    for component, to in own.targets.items():
        from_ = own.sources.get(component, 0)
        if from_ or own.outside:
            yield from _wants(component, to, from_, own.outside, own, "ingress", bound)
    if own.client:
        return
    for component, from_ in own.sources.items():
        to = own.targets.get(component, 0)
        if to or own.beyond:
            yield from _wants(component, from_, to, own.beyond, own, "egress", bound)


def _wants(
    component: Component, mine: int, theirs: int, outside: Intervals, own: Own, direction: Direction, bound: Bound
) -> Iterator[Want]:
    for span in rule_spans(own.services):
        lacks: list[tuple[Cls, int, Intervals]] = []
        for cls in component.classes_in(mine):
            here = mine & cls.bits
            bits, addresses = _lack(component, cls, here, theirs, outside, span, direction, bound, own.client)
            if bits or addresses:
                lacks.append((cls, bits, addresses))
        if lacks:
            yield Want(component, direction, span, tuple(lacks), own)


def _lack(
    component: Component, cls: Cls, mine: int, theirs: int, outside: Intervals, span: Span, direction: Direction,
    bound: Bound, client: bool,
) -> tuple[int, Intervals]:  # fmt: skip
    rules = policy(component, cls, direction, bound)
    bits, addresses = 0, EMPTY
    for family in FAMILIES:
        services = Intervals([span]) & ALL_OF_FAMILY[family]
        own = mine & family_bits(component, family)
        if not services or not own:
            continue
        need = theirs & family_bits(component, family)
        single = component.single(own)
        if single is not None:
            need &= ~component.of_interface(single)
        if need:
            bits |= need & ~_admitted(rules, services, need)
        asked = outside & Intervals([FAMILY_ALL[family]])
        if asked and direction == "ingress" and not client:
            asked = _addressable(component, cls, own, asked, family == 4, bound)
        for part in services.spans if asked else ():
            for cell in rules.outside(part):
                addresses = addresses | (asked - cell.addresses)
    return bits, addresses


def _addressable(component: Component, cls: Cls, own: int, asked: Intervals, v4: bool, bound: Bound) -> Intervals:
    public = own & component.public[bound] if v4 else component.world.has_internet_gateway(cls.key.vpc, bound)
    return asked if public else asked - INTERNET


def _admitted(rules: Policy, services: Intervals, need: int) -> int:
    bits = -1
    for span in services.spans:
        if need & ~rules.covering(span):
            for cell in rules.cells(span):
                bits &= cell.bits
    return bits


# --- rules that give it -----------------------------------------------------------------------------------------


def proposal(
    world: World, wanted: Iterable[Want], *, exact: bool = False, avoid: frozenset[str] = frozenset()
) -> Proposal:
    """The fewest exact rules.

    ``exact`` names the internet by all its networks instead of 0.0.0.0/0 and ::/0; ``avoid`` are groups with other
    members that are not to be taken.
    """
    found = Proposal()
    for want in wanted:
        hosts = _hosts(world, want, found, avoid)
        if hosts is None:
            return found
        for group, lacks in hosts:
            if not _peers(world, want, group, lacks, found, exact, len(hosts)):
                return found
    found.changes = list(dict.fromkeys(found.changes))
    return found


def _hosts(
    world: World, want: Want, found: Proposal, avoid: frozenset[str]
) -> list[tuple[str, list[tuple[Cls, int, Intervals]]]] | None:
    """Groups that get the rules, each with the lacks that it mends: members of the demand's side only, if possible."""
    ends = want.own.targets if want.direction == "ingress" else want.own.sources
    side = want.own.to if want.direction == "ingress" else want.own.from_
    alone: dict[str, int] = {}
    shared: dict[str, int] = {}
    for at, (cls, _, _) in enumerate(want.lacks):
        mine = [id for id in cls.key.groups if editable(world, id) is not None]
        if not mine:
            who = cls.interfaces[0].id
            found.stuck = f"{who} is in no security group whose rules are in the input: there is none to add a rule to"
            return None
        for id in mine:
            fits = id in alone or (id not in shared and others_in(world, id, ends) == 0)
            (alone if fits else shared).setdefault(id, 0)
            (alone if fits else shared)[id] |= 1 << at
    whole = (1 << len(want.lacks)) - 1
    order = sorted(alone, key=lambda id: (id not in side.groups, -alone[id].bit_count(), id))
    chosen, fewest = cover([alone[id] for id in order], whole)
    if chosen is None:
        order += sorted(shared.keys() - avoid, key=lambda id: (others_in(world, id, ends), id))
        parts = [alone.get(id, 0) or shared[id] for id in order]
        # Fewest other members first, not fewest groups: what opens least is tried.
        chosen, fewest, left = [], False, whole
        for at, part in enumerate(parts):
            if part & left:
                chosen.append(at)
                left &= ~part
        if left:
            found.stuck = "every group that is left has other members"
            return None
        found.shared += [order[at] for at in chosen if order[at] in shared]
    found.fewest &= fewest
    hosts: list[tuple[str, list[tuple[Cls, int, Intervals]]]] = []
    left = whole
    for at in chosen:
        mine_bits = (alone.get(order[at], 0) | shared.get(order[at], 0)) & left
        left &= ~mine_bits
        hosts.append((order[at], [want.lacks[number] for number in numbers_in(mine_bits)]))
    return hosts


def others_in(world: World, group: str, ends: Ends) -> int:
    """How many endpoints a group has, or may have, beside those of a side."""
    found = 0
    components = {id(one): one for one in (world.component_of(vpc) for vpc in world.group_vpc.get(group, ()))}
    for component in components.values():
        found += (component.members(group, Bound.UPPER) & ~ends.get(component, 0)).bit_count()
    return found


def _peers(
    world: World, want: Want, group: str, lacks: list[tuple[Cls, int, Intervals]], found: Proposal, exact: bool,
    hosts: int,
) -> bool:  # fmt: skip
    component, own = want.component, want.own
    side = own.from_ if want.direction == "ingress" else own.to
    allowed = (own.sources if want.direction == "ingress" else own.targets).get(component, 0)
    beyond = own.outside if want.direction == "ingress" else own.beyond
    bits, addresses = 0, EMPTY
    for _, lack, outside in lacks:
        bits, addresses = bits | lack, addresses | outside
    spans: list[Span] = []
    for family in FAMILIES:
        internet = world.internet & Intervals([FAMILY_ALL[family]])
        if addresses & internet and internet <= beyond:
            spans += [FAMILY_ALL[family]] if not exact else [parse_network(text) for text in networks(internet)]
            found.wide |= not exact
            addresses = addresses - internet
            bits &= ~(family_bits(component, family) if not exact else 0)
    peers: list[Peer] = list(spans)
    if bits or addresses:
        home = editable(world, group)
        vpc = (home.vpc if home is not None else None) or lacks[0][0].key.vpc
        named = list(candidates(world, component, vpc, want.direction, side, bits, allowed, addresses))
        chosen, fewest = cover_all(named, bits, addresses)
        if chosen is None:
            many = f"{bits.bit_count()} addresses would have to be named one by one"
            found.stuck = f"no group or network names just the other side of the contract: {many}"
            return False
        found.fewest &= fewest and (hosts == 1 or len(chosen) == 1)
        peers += chosen
    found.changes += [(group, Rule(want.direction, want.span, peer)) for peer in peers]
    return True


def publicly(own: Own) -> Own:
    """The same traffic with its own public addresses on both sides counted as the interfaces that they belong to."""
    return own._replace(
        outside=own.outside | _public_addresses(own.sources), beyond=own.beyond | _public_addresses(own.targets)
    )


def _public_addresses(ends: Ends) -> Intervals:
    found: list[Span] = []
    for component, bits in ends.items():
        for number in numbers_in(bits & (component.public[Bound.LOWER] | component.v6)):
            found += public_addresses(component, number, Bound.LOWER).spans
    return Intervals(found)


def public_wants(world: World, opened: World, source: str, target: str, question: Question, bound: Bound) -> list[Want]:
    """What is missing for one pair to connect over public addresses; ``opened`` tells as whom the source is seen."""
    here = world.component_of(world.estate.interfaces[source].vpc)
    there = world.component_of(world.estate.interfaces[target].vpc)
    wide = opened.component_of(world.estate.interfaces[source].vpc)
    to = wanted = EMPTY
    for number in there.endpoints_of.get(target, ()):
        to = to | public_addresses(there, number, Bound.LOWER)
    for number in here.endpoints_of.get(source, ()):
        for text in networks(to):
            at = parse_network(text)
            for span in question.services.spans:
                for way in sent(wide, number, Intervals([at]), span, bound, question.ephemeral):
                    if way.known:
                        wanted = wanted | way.seen
    from_bits, to_bits = here.of_interface(source), there.of_interface(target)
    leaving = Own({here: from_bits}, EMPTY, {}, to, question.services)
    entering = Own({}, wanted, {there: to_bits}, EMPTY, question.services)
    return [
        *_wants(here, from_bits, 0, to, leaving, "egress", bound),
        *_wants(there, to_bits, 0, wanted, entering, "ingress", bound),
    ]


__all__ = ["Own", "Proposal", "Want", "others_in", "owns", "proposal", "public_wants", "publicly", "wants"]
