"""One question under watch: which rules can matter to it at all, and which of them can turn its outcome now.

A filter that says "cannot matter" is a proof, not a guess: what passes all filters is judged again by ``judge``.
What does not live here: the index of all questions and the estate that changes (``watch``).
"""

from __future__ import annotations

from doorward.model.addresses import EVERYWHERE, INTERNET
from doorward.model.intervals import EMPTY, Intervals, Span, union
from doorward.model.rules import AnyPeer, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import ALL
from doorward.model.verdict import Outcome
from doorward.reach import must, never
from doorward.reach.balancers import behind, preserved_targets, target_endpoints
from doorward.reach.border import PRIVATE
from doorward.reach.ends import Ends, ends_of
from doorward.reach.judge import Finding
from doorward.reach.never import hidden_sources, sources_of
from doorward.reach.packet import Packet
from doorward.reach.private import through_hidden
from doorward.reach.public import public_addresses, seen_by_class, seen_by_component
from doorward.reach.question import Question
from doorward.reach.routes import uncertain
from doorward.reach.twins import twins
from doorward.reach.world import Bound, Component, World, numbers_in


class Change:
    """One rule that comes or goes, with what its peer means worked out once, at most (upper bound)."""

    __slots__ = ("_addresses", "_bits", "added", "egress", "first", "group", "last", "peer", "rule", "span", "world")

    def __init__(self, world: World, group: str, rule: Rule, added: bool) -> None:
        self.world = world
        self.group = group
        self.rule = rule
        self.added = added
        self.egress = rule.direction == "egress"
        self.first, self.last = rule.service
        self.peer = rule.peer
        self._bits: dict[Component, int] | None = None
        self._addresses: Intervals | None = None
        kind = type(self.peer)
        self.span: Span | None = (
            None if kind is GroupPeer or kind is PrefixListPeer or kind is AnyPeer else self.peer  # type: ignore[assignment]  # the other kinds of peer are gone; `kind is` is faster than isinstance
        )

    def bits(self, component: Component) -> int:
        """Endpoints of a component that the peer can mean."""
        if self._bits is None:
            self._bits = {}
        found = self._bits.get(component)
        if found is None:
            found = self._bits[component] = self._endpoints(component)
        return found

    def _endpoints(self, component: Component) -> int:
        if self.span is not None and not component.wide:
            return component.run(self.span)
        peer = self.peer
        if isinstance(peer, GroupPeer):
            members = component.members(peer.group, Bound.UPPER)
            return members | twins(component, members)
        if isinstance(peer, AnyPeer):
            return component.all
        return component.inside(self.addresses, Bound.UPPER)

    @property
    def addresses(self) -> Intervals:
        """Addresses that the peer can mean as addresses; a reference to a group means none."""
        if self._addresses is None:
            peer = self.peer
            if self.span is not None:
                self._addresses = Intervals([self.span])
            elif isinstance(peer, PrefixListPeer):
                known = self.world.estate.prefix_lists.get(peer.prefix_list)
                self._addresses = EVERYWHERE if known is None or known.cidrs is None else known.cidrs
            else:
                self._addresses = EVERYWHERE if isinstance(peer, AnyPeer) else EMPTY
        return self._addresses

    def meets(self, addresses: Intervals) -> bool:
        """Whether the peer can mean any of some addresses."""
        if self.span is not None:
            return addresses.meets(*self.span)
        return not self.addresses.isdisjoint(addresses)


class End:
    """One end of the packet that decides: its endpoints, and the groups whose rules judge it."""

    __slots__ = ("bits", "component", "groups")

    def __init__(self, world: World, interface: str, address: int) -> None:
        found = world.estate.interfaces.get(interface)
        self.component: Component | None = None
        self.bits = 0
        self.groups: frozenset[str] = frozenset()
        if found is not None:
            component = self.component = world.component_of(found.vpc)
            self.groups = frozenset(found.groups + found.maybe_groups)
            for number in component.endpoints_of.get(interface, ()):
                if component.span_of(number)[0] == address:
                    self.bits |= 1 << number


class Watched:
    """A question with its outcome, and all that decides whether a rule can turn it."""

    __slots__ = (
        "adds", "broad", "capped", "drops", "ends", "finding", "first", "last", "name", "outside", "public",
        "question", "rewritten", "services", "simple", "sources", "sources_seen", "targets", "targets_seen",
    )  # fmt: skip

    def __init__(self, world: World, name: str, question: Question, capped: bool, everyone_seen: Intervals) -> None:
        self.name = name
        self.question = question
        self.capped = capped
        self.broad = question.must == "only-from"
        """Everybody's egress matters, not only that of some groups."""
        self.simple = True
        """False: balancers take part, whose packets change address and service on the way; fewer filters hold then."""
        self.services = question.services
        self.targets: Ends = ends_of(world, question.targets, Bound.UPPER)
        if question.must == "reach":
            self.sources: Ends = ends_of(world, question.sources, Bound.UPPER)
            outside = question.sources.outside - world.inner
        else:
            self.sources, outside = sources_of(world, question, Bound.UPPER)
        self._with_balancers(world)
        self.first, self.last = self.services.first, self.services.spans[-1][1]
        at = union(
            public_addresses(component, number, Bound.UPPER)
            for component, bits in self.targets.items()
            for number in numbers_in(bits & (component.public[Bound.UPPER] | component.v6))
        )
        self.public = bool(at)
        """Whether a target can be addressed over the internet."""
        self.targets_seen = question.targets.outside | at
        """Addresses by which a rule of a source can mean a target, besides private ones."""
        self.outside = self._outside(world, outside)
        """Outside sources."""
        self.sources_seen = self._seen(everyone_seen) if at else EMPTY
        """Addresses by which a rule of a target can mean a source that comes over the internet."""
        self.rewritten = self._through_hidden()
        """Whether a source may come through a hop that is not looked into, and then under any address."""
        self.finding = Finding(Outcome.CANNOT_TELL)
        self.ends: tuple[End, End] | None = None
        self.adds = self.drops = True
        """Whether a rule that comes (goes) can turn the outcome, as it is now."""

    def _with_balancers(self, world: World) -> None:
        question = self.question
        nodes: set[str] = set()
        for id in question.targets.balancers:
            nodes.update(world.estate.load_balancers[id].interfaces)
            for one in behind(world, id):
                for interface in one.interfaces:
                    component = world.component_of(world.estate.interfaces[interface].vpc)
                    self.targets[component] = self.targets.get(component, 0) | target_endpoints(component, one)
        if question.must != "reach":
            for interface, registrations in preserved_targets(world).items():
                component = world.component_of(world.estate.interfaces[interface].vpc)
                if component.of_interface(interface) & self.targets.get(component, 0):
                    for one in registrations:
                        nodes.update(world.estate.load_balancers[one.balancer].interfaces)
        if nodes or question.targets.balancers:
            self.simple = False
            self.services = ALL
        for id in nodes:
            found = world.estate.interfaces.get(id)
            if found is not None:
                component = world.component_of(found.vpc)
                for side in (self.sources, self.targets):
                    side[component] = side.get(component, 0) | component.of_interface(id)

    def _outside(self, world: World, outside: Intervals) -> Intervals:
        """The outside sources that rules can matter for: none that cannot arrive at any target anyway."""
        if self.question.must == "reach" or not self.simple:
            return outside
        found = outside & INTERNET if self.public else EMPTY
        private = outside & PRIVATE
        if private:
            vpcs = {cls.key.vpc for component, bits in self.targets.items() for cls in component.classes_in(bits)}
            found = found | (private & union(hidden_sources(world, vpc) for vpc in vpcs))
        return found

    def _through_hidden(self) -> bool:
        return any(
            bits & uncertain(component, cls.key.subnet, cls.key.vpc)
            for component, bits in self.targets.items()
            for cls in through_hidden(component)
            if self.sources.get(component, 0) & cls.bits
        )

    def _seen(self, everyone: Intervals) -> Intervals:
        if self.broad:
            return everyone
        return union(
            seen_by_class(component, cls, Bound.UPPER)
            for component, bits in self.sources.items()
            for cls in component.classes_in(bits)
        )

    @property
    def outcome(self) -> Outcome:
        """The outcome of the contract."""
        found = self.finding.outcome
        return Outcome.CANNOT_TELL if self.capped and found is Outcome.KEPT else found

    def settle(self, world: World, finding: Finding) -> None:
        """Take a new finding.

        What can flow grows with the rules, so a kept ``reach`` only a removal can break, a broken one only an addition
        can mend; ``never-reach`` and ``only-from`` the other way round.
        """
        self.finding = finding
        packet = finding.packet
        self.ends = None
        if packet is not None:
            self.ends = (
                End(world, packet.source, packet.source_address),
                End(world, packet.target, packet.target_address),
            )
        if self.simple and finding.nobody is None and finding.outcome is not Outcome.CANNOT_TELL:
            grows = (self.question.must == "reach") == (finding.outcome is Outcome.BROKEN)
            self.adds, self.drops = grows, not grows
        else:
            self.adds = self.drops = True

    def concerned(self, change: Change, components: tuple[Component, ...]) -> bool:
        """Whether the peer of a rule meets the other side at all."""
        if self.rewritten and not change.egress:
            return True
        others = self.targets if change.egress else self.sources
        for component in components:
            bits = others.get(component)
            if bits and bits & change.bits(component):
                return True
        return self._meets(change)

    def _meets(self, change: Change) -> bool:
        """Whether the peer of a rule can mean the other side by an address that is not private."""
        if change.egress:
            return bool(self.targets_seen.spans) and change.meets(self.targets_seen)
        return (bool(self.outside.spans) and change.meets(self.outside)) or (
            bool(self.sources_seen.spans) and change.meets(self.sources_seen)
        )

    def sends(self, change: Change, components: tuple[Component, ...]) -> bool:
        """Whether any source is in the group at all: for ``only-from``, which is not indexed by its sources."""
        return any(
            self.sources.get(component, 0) & component.members(change.group, Bound.UPPER) for component in components
        )

    def proven(self, change: Change) -> bool:
        """Whether the packet that decides is surely not touched, so that the outcome stays."""
        packet, ends = self.finding.packet, self.ends
        if packet is None or ends is None or not self.simple:
            return False
        if change.added != (self.question.must == "reach"):
            return False  # it could turn the outcome the other way, of which this packet says nothing
        if packet.part != "traffic":
            return True  # no family, no address, nobody: no rule alters that
        mine, other = ends if change.egress else (ends[1], ends[0])
        if change.group not in mine.groups:
            return True
        if packet.way == "public" or (self.public and self.question.must == "reach"):
            return False  # it may come by two ways, and be seen under several addresses
        if self.rewritten and not change.egress:
            return False
        if not change.first <= packet.service <= change.last:
            return True
        return not self._means(change, packet, other)

    def stays(self, world: World, change: Change, components: tuple[Component, ...]) -> bool:
        """Whether the outcome surely stays, judged on what the one rule concerns alone; False: judge all of it.

        For an outcome that the rule can turn in one direction only: kept ones, and broken ``reach``.
        """
        outcome = self.finding.outcome
        if not self.simple or self.finding.nobody is not None or outcome is Outcome.CANNOT_TELL:
            return False
        if self.question.must != "reach":
            if outcome is not Outcome.KEPT:
                return False
            sources, outside, targets, beyond = self._part(change, components)
            services = self.services & Intervals([(change.first, change.last)])
            found = never.arriving(world, sources, outside, targets, beyond, services, Bound.UPPER)
            return next(found, None) is None
        if outcome is Outcome.KEPT:
            lacking = must.unopened(self.question, *self._part(change, components), Bound.LOWER)
            return next(lacking, None) is None
        packet, ends = self.finding.packet, self.ends
        if packet is None or ends is None or packet.part != "traffic":
            return False
        sides = [
            ({}, Intervals.point(address)) if end.component is None else ({end.component: end.bits}, EMPTY)
            for end, address in zip(ends, (packet.source_address, packet.target_address), strict=True)
        ]
        still = must.unopened(self.question, *sides[0], *sides[1], Bound.UPPER)
        return next(still, None) is not None

    def _part(self, change: Change, components: tuple[Component, ...]) -> tuple[Ends, Intervals, Ends, Intervals]:
        """Sources, outside sources, targets and outside targets between which the rule can matter, or more."""
        sources, targets = self.sources, self.targets
        outside = self.outside
        beyond = self.question.targets.outside
        mine = {component: component.members(change.group, Bound.UPPER) for component in components}
        if change.egress:
            sources, outside = _meet(sources, mine), EMPTY
            if not self._meets(change) or not (beyond or self._public_ways(sources)):
                targets, beyond = _meet(targets, {one: change.bits(one) for one in components}), EMPTY
        else:
            targets, beyond = _meet(targets, mine), EMPTY
            if not self.rewritten and not self._meets(change):
                sources, outside = _meet(sources, {one: change.bits(one) for one in components}), EMPTY
        return sources, outside, targets, beyond

    @staticmethod
    def _public_ways(sources: Ends) -> bool:
        """Whether any of some sources can be seen on the internet."""
        return any(
            seen_by_class(component, cls, Bound.UPPER).spans
            for component, bits in sources.items()
            for cls in component.classes_in(bits)
        )

    @staticmethod
    def _means(change: Change, packet: Packet, other: End) -> bool:
        if other.component is None:
            address = packet.target_address if change.egress else packet.source_address
            return change.meets(Intervals.point(address))
        return bool(change.bits(other.component) & other.bits)


def _meet(ends: Ends, others: Ends) -> Ends:
    found = {component: bits & others[component] for component, bits in ends.items() if component in others}
    return {component: bits for component, bits in found.items() if bits}


def seen_by_all(world: World) -> Intervals:
    """Every address as which an interface of the estate could be seen on the internet."""
    return union(seen_by_component(component, Bound.UPPER) for component in world.all_components())
