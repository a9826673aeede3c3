"""What a ``reach`` question demands of security groups, and the fewest exact rules that give what is missing.

Security groups only ever allow, so a mend must admit at least the demand on both sides; rules whose members and peers
are exactly the demand's admit nothing else. What does not live here: whether that is enough, whether it harms another
contract (``contracts.mend``), whether it opens anything else (``extra``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import NamedTuple

from doorward.model.addresses import FAMILY_ALL, INTERNET, networks, parse_network
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import Direction, GroupPeer, Peer, Rule
from doorward.model.services import ALL_OF_FAMILY
from doorward.reach.balancers import behind, target_endpoints
from doorward.reach.draft import Change, editable, rule_spans
from doorward.reach.ends import Ends, ends_of
from doorward.reach.policy import Policy, policy, reference_scope, referenceable
from doorward.reach.private import FAMILIES, family_bits
from doorward.reach.public import public_addresses, sent
from doorward.reach.question import Question, Side
from doorward.reach.world import Bound, Cls, Component, World, bits_of, numbers_in

MOST_TRIED = 5_000
"""Combinations of peers (or groups) tried for the fewest; beyond that the largest first, and not called the fewest."""
MOST_SINGLE = 64
"""Addresses named one by one."""
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
    public = own & component.public[bound] if v4 else component.world.has_internet_gateway(cls.key.vpc)
    return asked if public else asked - INTERNET


def _admitted(rules: Policy, services: Intervals, need: int) -> int:
    bits = -1
    for span in services.spans:
        if need & ~rules.covering(span):
            for cell in rules.cells(span):
                bits &= cell.bits
    return bits


# --- rules that give it -----------------------------------------------------------------------------------------


def proposal(world: World, wanted: Iterable[Want], *, exact: bool = False) -> Proposal:
    """The fewest exact rules. ``exact`` names the internet by all its networks instead of 0.0.0.0/0 and ::/0."""
    found = Proposal()
    for want in wanted:
        hosts = _hosts(world, want, found)
        if hosts is None:
            return found
        for group, lacks in hosts:
            if not _peers(world, want, group, lacks, found, exact, len(hosts)):
                return found
    found.changes = list(dict.fromkeys(found.changes))
    return found


def _hosts(world: World, want: Want, found: Proposal) -> list[tuple[str, list[tuple[Cls, int, Intervals]]]] | None:
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
    chosen, fewest = _cover([alone[id] for id in order], whole)
    if chosen is None:
        order += sorted(shared, key=lambda id: (others_in(world, id, ends), id))
        parts = [alone.get(id, 0) or shared[id] for id in order]
        # Fewest other members first, not fewest groups: what opens least is tried.
        chosen, fewest, left = [], False, whole
        for at, part in enumerate(parts):
            if part & left:
                chosen.append(at)
                left &= ~part
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


class _Named(NamedTuple):
    """A peer and whom it names."""

    peer: Peer
    bits: int
    addresses: Intervals


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
        named = list(_candidates(world, component, vpc, want.direction, side, bits, allowed, addresses))
        chosen, fewest = _cover_all(named, bits, addresses)
        if chosen is None:
            many = f"{bits.bit_count()} addresses would have to be named one by one"
            found.stuck = f"no group or network names just the other side of the contract: {many}"
            return False
        found.fewest &= fewest and (hosts == 1 or len(chosen) == 1)
        peers += chosen
    found.changes += [(group, Rule(want.direction, want.span, peer)) for peer in peers]
    return True


def _candidates(
    world: World, component: Component, vpc: str, direction: Direction, side: Side, bits: int, allowed: int,
    addresses: Intervals,
) -> Iterator[_Named]:  # fmt: skip
    """Peers that name nobody but the other side, in order of preference."""
    scope = reference_scope(component, vpc, direction)
    near = referenceable(component, vpc, direction)
    classes = list(component.classes_in(bits))
    groups = dict.fromkeys(side.groups)
    for cls in classes:
        groups.update(dict.fromkeys(cls.key.groups))
    yield from _networks(component, side, world)
    for id in groups:
        known = editable(world, id)
        if known is not None and known.vpc is not None and known.vpc not in near:
            continue
        members = component.members(id, Bound.UPPER) & scope
        if members and not members & ~allowed:
            yield _Named(GroupPeer(id), component.members(id, Bound.LOWER) & scope, EMPTY)
    if bits.bit_count() <= MOST_SINGLE:
        for number in numbers_in(bits):
            span = component.span_of(number)
            held = Intervals([span])
            if is_network(span) and not component.inside(held, Bound.UPPER) & ~allowed:
                yield _Named(span, component.inside(held, Bound.LOWER), EMPTY)
    estate = world.estate
    cidrs: list[Span] = []
    stated = 0
    for id in side.groups:
        stated |= component.members(id, Bound.LOWER)
    # Where the contract names groups, so does the rule: a subnet may get other interfaces later.
    classes = [cls for cls in classes if bits & cls.bits & ~stated]
    for subnet in dict.fromkeys(cls.key.subnet for cls in classes):
        cidrs += estate.subnets[subnet].cidrs if subnet in estate.subnets else ()
    for name in dict.fromkeys(cls.key.vpc for cls in classes):
        cidrs += estate.vpcs[name].cidrs if name in estate.vpcs else ()
    for span in cidrs:
        held = Intervals([span])
        if not component.inside(held, Bound.UPPER) & ~allowed:
            yield _Named(span, component.inside(held, Bound.LOWER), EMPTY)
    for text in networks(addresses):
        span = parse_network(text)
        if not component.inside(Intervals([span]), Bound.UPPER) & ~allowed:
            yield _Named(span, 0, Intervals([span]))


def is_network(span: Span) -> bool:
    """Whether one CIDR is exactly a span."""
    size = span[1] - span[0] + 1
    return not size & (size - 1) and not span[0] % size


def _networks(component: Component, side: Side, world: World) -> Iterator[_Named]:
    """The networks that the contract itself names."""
    stated = side.inside | (side.outside - INTERNET)
    for family in FAMILIES:
        part = side.outside & INTERNET & Intervals([FAMILY_ALL[family]])
        if not (world.internet & Intervals([FAMILY_ALL[family]])) <= part:
            stated = stated | part
    for text in networks(stated):
        span = parse_network(text)
        held = Intervals([span])
        yield _Named(span, component.inside(held, Bound.LOWER), held)


def _cover_all(named: list[_Named], bits: int, addresses: Intervals) -> tuple[list[Peer] | None, bool]:
    """The fewest peers that name all of some endpoints and addresses."""
    pieces = _pieces(addresses, named)
    parts = []
    for one in named:
        mask = 0
        for at, span in enumerate(pieces):
            if one.addresses.holds(*span):
                mask |= 1 << at
        parts.append(mask | (one.bits & bits) << len(pieces))
    whole = ((1 << len(pieces)) - 1) | bits << len(pieces)
    chosen, fewest = _cover(parts, whole)
    return (None if chosen is None else [named[at].peer for at in chosen]), fewest


def _pieces(addresses: Intervals, named: list[_Named]) -> list[Span]:
    """Addresses cut where peers begin and end, so that a peer holds a piece or misses it."""
    edges = {edge for one in named for first, last in one.addresses.spans for edge in (first, last + 1)}
    found: list[Span] = []
    for first, last in addresses.spans:
        inner = sorted(edge for edge in edges if first < edge <= last)
        starts = [first, *inner]
        found += zip(starts, [edge - 1 for edge in inner] + [last], strict=True)
    return found


def _cover(parts: list[int], whole: int) -> tuple[list[int] | None, bool]:
    """Positions of the fewest sets whose union is ``whole`` (earlier ones preferred), and whether that is certain."""
    if not whole:
        return [], True
    union = 0
    for part in parts:
        union |= part
    if whole & ~union:
        return None, True
    useful = [at for at, part in enumerate(parts) if part & whole]
    for size in (1, 2, 3):
        if comb(len(useful), size) > MOST_TRIED:
            break
        for some in combinations(useful, size):
            joined = 0
            for at in some:
                joined |= parts[at]
            if not whole & ~joined:
                return list(some), True
    chosen: list[int] = []
    left = whole
    while left:
        best = max(useful, key=lambda at: ((parts[at] & left).bit_count(), -at))
        chosen.append(best)
        left &= ~parts[best]
    return chosen, len(chosen) <= 4 and comb(len(useful), 3) <= MOST_TRIED


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


def public_wants(
    world: World, opened: World, source: str, target: str, question: Question, bound: Bound
) -> list[Want]:
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
