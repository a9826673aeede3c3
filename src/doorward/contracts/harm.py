"""Which other contracts rule changes could harm, and whether they do.

Security groups only ever allow: additions can harm ``never-reach`` and ``only-from`` alone, removals ``reach`` alone;
and only contracts on whose sides a changed group has members, on services that a changed rule names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from doorward.model.addresses import EVERYWHERE, INTERNET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import AnyPeer, GroupPeer, PrefixListPeer
from doorward.model.verdict import Outcome
from doorward.reach.balancers import preserved_targets
from doorward.reach.demand import owns
from doorward.reach.draft import Change, Draft
from doorward.reach.ends import Ends, ends_of
from doorward.reach.judge import judge
from doorward.reach.never import sources_of
from doorward.reach.question import Question
from doorward.reach.twins import twins
from doorward.reach.world import Bound, World


class _Reach(NamedTuple):
    """Who stands on the sides of a contract, at most."""

    sources: Ends
    outside: Intervals
    targets: Ends
    beyond: Intervals
    services: Intervals | None
    """None: services other than its own matter too (behind load balancers)."""


class _Touch(NamedTuple):
    """What changes of one kind touch."""

    members: Ends
    peers: Ends
    addresses: Intervals
    services: Intervals


class Others:
    """The contracts of an estate, asked again when rules change."""

    def __init__(
        self, world: World, questions: Sequence[Question | None], before: dict[int, Outcome] | None = None
    ) -> None:
        self.world = world
        self.questions = questions
        # "Cannot tell" may come from what is not modelled: how the rules stand is asked again when it matters.
        told = (before or {}).items()
        self.before: dict[int, Outcome] = {at: one for at, one in told if one is not Outcome.CANNOT_TELL}
        self._reaches: dict[int, _Reach] = {}
        self._last: tuple[frozenset[tuple[str, Change]], list[int]] | None = None

    @cached_property
    def _by_services(self) -> dict[tuple[str, Intervals | None], list[int]]:
        """Contracts by the kind of change that can harm them and by services; None where others matter as well."""
        carried = bool(preserved_targets(self.world))
        found: dict[tuple[str, Intervals | None], list[int]] = {}
        for at, question in enumerate(self.questions):
            if question is not None:
                reach = question.must == "reach"
                every = bool(question.targets.balancers) if reach else carried
                key = ("revoke" if reach else "add", None if every else question.services)
                found.setdefault(key, []).append(at)
        return found

    def outcome(self, index: int) -> Outcome:
        """How a contract stands without any change."""
        found = self.before.get(index)
        if found is None:
            question = self.questions[index]
            assert question is not None
            found = self.before[index] = judge(self.world, question).outcome
        return found

    def harmed(self, draft: Draft, index: int) -> list[int]:
        """Positions of the other contracts that are worse with the changes."""
        found: list[int] = []
        for other in self._concerned(draft, index):
            question = self.questions[other]
            assert question is not None
            after = judge(draft.world, question).outcome
            if after is not Outcome.KEPT and after.badness > self.outcome(other).badness:
                found.append(other)
        return found

    def judged(self, draft: Draft, index: int) -> int:
        """How many other contracts have to be judged again."""
        return len(self._concerned(draft, index))

    def _concerned(self, draft: Draft, index: int) -> list[int]:
        """Positions of contracts that the changes could harm."""
        key = frozenset([*(("add", one) for one in draft.adds), *(("revoke", one) for one in draft.revokes)])
        if self._last is None or self._last[0] != key:
            self._last = (key, list(self._search(draft)))
        return [other for other in self._last[1] if other != index]

    def _search(self, draft: Draft) -> Iterator[int]:
        for kind, changes in (("add", list(draft.adds)), ("revoke", list(draft.revokes))):
            touches = [
                (direction, self._touch([one for one in changes if one[1].direction == direction]))
                for direction in ("ingress", "egress")
                if any(one[1].direction == direction for one in changes)
            ]
            for (harmed_by, services), positions in self._by_services.items() if touches else ():
                if harmed_by != kind:
                    continue
                met = [one for one in touches if services is None or not services.isdisjoint(one[1].services)]
                for other in positions if met else ():
                    if any(self._meets(other, direction, touch, kind == "add") for direction, touch in met):
                        yield other

    def _meets(self, other: int, direction: str, touch: _Touch, adds: bool) -> bool:
        reach = self._reach(other)
        if reach.services is not None and reach.services.isdisjoint(touch.services):
            return False
        if direction == "ingress":
            mine, theirs, outside = reach.targets, reach.sources, reach.outside
        else:
            mine, theirs, outside = reach.sources, reach.targets, reach.beyond
        if not _share(mine, touch.members):
            return False
        if not adds or reach.services is None:
            return True
        # Over public addresses an interface is seen under others than its own.
        public = not touch.addresses.isdisjoint(INTERNET)
        return public or _share(theirs, touch.peers) or not touch.addresses.isdisjoint(outside)

    def _reach(self, other: int) -> _Reach:
        found = self._reaches.get(other)
        if found is None:
            question = self.questions[other]
            assert question is not None
            found = self._reaches[other] = self._sides(question)
        return found

    def _sides(self, question: Question) -> _Reach:
        world = self.world
        if question.must != "reach":
            sources, outside = sources_of(world, question, Bound.UPPER)
            targets = ends_of(world, question.targets, Bound.UPPER)
            services: Intervals | None = question.services
            if _balanced(world, targets):
                # What clients can send through a balancer depends on the balancer's groups and listeners as well.
                services = None
                sources, targets = _with_nodes(world, sources), _with_nodes(world, targets)
            return _Reach(sources, outside, targets, question.targets.outside, services)
        sources, targets = {}, {}
        asked = owns(world, question)
        for one in asked:
            for ends, more in ((sources, one.sources), (targets, one.targets)):
                for component, bits in more.items():
                    ends[component] = ends.get(component, 0) | bits
        own = None if len(asked) > 1 else question.services
        return _Reach(sources, asked[0].outside, targets, asked[0].beyond, own)

    def _touch(self, changes: Iterable[Change]) -> _Touch:
        world = self.world
        members: Ends = {}
        peers: Ends = {}
        spans: list[Span] = []
        services: list[Span] = []
        for group in {id for id, _ in changes}:
            for vpc in world.group_vpc.get(group, ()):
                component = world.component_of(vpc)
                members[component] = members.get(component, 0) | component.members(group, Bound.UPPER)
        for peer, service in {(rule.peer, rule.service): None for _, rule in changes}:
            services.append(service)
            if isinstance(peer, GroupPeer):
                for component in members:
                    named = component.members(peer.group, Bound.UPPER)
                    peers[component] = peers.get(component, 0) | named | twins(component, named)
            elif isinstance(peer, PrefixListPeer):
                known = world.estate.prefix_lists.get(peer.prefix_list)
                spans += (known.cidrs if known is not None and known.cidrs is not None else EVERYWHERE).spans
            else:
                spans += EVERYWHERE.spans if isinstance(peer, AnyPeer) else [peer]
        addresses = Intervals(spans) if spans else EMPTY
        for component in members if addresses else ():
            peers[component] = peers.get(component, 0) | component.inside(addresses, Bound.UPPER)
        return _Touch(members, peers, addresses, Intervals(services))


def _balanced(world: World, targets: Ends) -> bool:
    """Whether clients' own packets come to any of some targets through a load balancer."""
    interfaces = [world.estate.interfaces[id] for id in preserved_targets(world) if id in world.estate.interfaces]
    components = [(world.component_of(one.vpc), one.id) for one in interfaces]
    return any(component.of_interface(id) & targets.get(component, 0) for component, id in components)


def _with_nodes(world: World, ends: Ends) -> Ends:
    """Some ends and the interfaces of all load balancers that keep their clients' addresses."""
    found = dict(ends)
    balancers = {way.balancer for ways in preserved_targets(world).values() for way in ways}
    for id in {node for name in balancers for node in world.estate.load_balancers[name].interfaces}:
        if id in world.estate.interfaces:
            component = world.component_of(world.estate.interfaces[id].vpc)
            found[component] = found.get(component, 0) | component.of_interface(id)
    return found


def _share(one: Ends, other: Ends) -> bool:
    return any(bits & other.get(component, 0) for component, bits in one.items())


__all__ = ["Others"]
