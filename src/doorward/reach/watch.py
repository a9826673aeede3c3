"""The resident engine: an estate that changes rule by rule, and which questions each change flips.

``Watch.apply`` costs as much as the change concerns, not as much as the estate is large. In order: who has to do with
the group at all (index), services, monotony, the peer, the packet that decided last time; only what is left is judged
again, on a world that drops nothing but what the changed groups had a part in.
What does not live here: what a single question watches for (``watched``), events and their order (``duty``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from doorward.model.estate import Estate
from doorward.model.rules import Group, Rule, Rules
from doorward.model.verdict import Outcome
from doorward.reach.judge import judge
from doorward.reach.question import Question
from doorward.reach.watched import Change, Watched, seen_by_all
from doorward.reach.world import Component, World

BATCH = 512
"""Edits of groups that nothing asked about yet are taken over in batches of so many."""
LONGEST = 64
"""After so many edits of one group its rules are worked out, so that the list of edits stays short."""


class Flip(NamedTuple):
    """A contract whose outcome a change turned."""

    name: str
    before: Outcome
    after: Outcome


class Watch:
    """Questions by name, judged once, and kept up to date with every change of a rule."""

    def __init__(
        self, questions: Mapping[str, Question], estate: Estate | World, *, capped: Collection[str] = ()
    ) -> None:
        """Judge everything once. ``capped`` names questions whose ``kept`` counts as ``cannot tell`` all along, because
        something that is not modelled could block them (``Notice.could_block``)."""
        base = estate if isinstance(estate, World) else World(estate)
        self._base = base
        self._capped = frozenset(capped)
        self._world = base.with_groups({})
        self._pending: dict[str, None] = {}
        self._idle: dict[str, None] = {}
        """Groups with edits that the world does not show yet; idle ones have no member, so nobody asks."""
        self._edits: dict[str, tuple[Group, list[tuple[Rules, Rules]]]] = {}
        self._index(questions)

    def _index(self, questions: Mapping[str, Question]) -> None:
        world = self._world
        self._into: dict[str, list[Watched]] = {}
        self._out: dict[str, list[Watched]] = {}
        self._broad: dict[Component, list[Watched]] = {}
        self._components: dict[str, tuple[Component, ...]] = {
            group: tuple(dict.fromkeys(world.component_of(vpc) for vpc in vpcs))
            for group, vpcs in world.group_vpc.items()
        }
        seen = seen_by_all(world)
        self.watched = {
            name: Watched(world, name, question, name in self._capped, seen) for name, question in questions.items()
        }
        for one in self.watched.values():
            for group in _groups(one.targets.items()):
                self._into.setdefault(group, []).append(one)
            if not one.broad:
                for group in _groups(one.sources.items()):
                    self._out.setdefault(group, []).append(one)
                continue
            for component in one.sources if one.targets_seen else one.targets:
                self._broad.setdefault(component, []).append(one)
        for one in self.watched.values():
            one.settle(world, judge(world, one.question))

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Every question's outcome now."""
        return {name: one.outcome for name, one in self.watched.items()}

    @property
    def world(self) -> World:
        """The world as it is now. It changes in place with the next change."""
        self._take_over(idle=True)
        return self._world

    @property
    def estate(self) -> Estate:
        """The estate as it is now, as a value that stays."""
        self._take_over(idle=True)
        return self._base.with_groups(dict(self._world.estate.groups.edited)).estate  # type: ignore[attr-defined]  # always a layer of ours

    def apply(self, group: str, added: Rules = (), removed: Rules = ()) -> tuple[Flip, ...]:
        """Rules of one group come and go at once; answers which questions flip by it.

        A removed rule that is not there changes nothing. A group that the estate does not have appears with the rules
        given (then everything is judged again: so far its rules were unknown).
        """
        edits = self._edits.get(group)
        if edits is None or len(edits[1]) >= LONGEST:
            before = self._now(group)
            if before is None:
                return self._appears(group, added)
            edits = self._edits[group] = (before, [])
        edits[1].append((added, removed))
        components = self._components.get(group)
        if components is None:
            self._idle[group] = None
            return ()
        self._pending[group] = None
        hits: dict[Watched, list[Change]] = {}
        for rule in removed:
            self._screen(Change(self._world, group, rule, False), components, hits)
        for rule in added:
            self._screen(Change(self._world, group, rule, True), components, hits)
        if hits:
            return self._settle(hits, components)
        if len(self._pending) >= BATCH:
            self._take_over()
        return ()

    def apply_any(self, estate: Estate, questions: Mapping[str, Question] | None = None) -> tuple[Flip, ...]:
        """Any other change (members of groups, prefix lists, routes, ACLs, …): ``estate`` is what is there now.

        This compiles and judges everything anew and costs as much as a start: memberships and lists alter the numbering
        and the sides of questions. ``questions`` must be matched anew where selectors may mean something else now.
        """
        before = self.outcomes
        known = questions if questions is not None else {name: one.question for name, one in self.watched.items()}
        fresh = Watch(known, estate, capped=self._capped)
        self.__dict__.update(fresh.__dict__)
        return _flips(before, self.outcomes)

    def _now(self, group: str) -> Group | None:
        edits = self._edits.get(group)
        if edits is None:
            return self._world.estate.groups.get(group)
        found = _edited(*edits)
        _ = found.rules  # worked out now, so that groups do not stand on groups without end
        return found

    def _appears(self, group: str, rules: Rules) -> tuple[Flip, ...]:
        before = self.outcomes
        self._take_over(idle=True)
        self._world.take_groups({group: Group(group, rules=tuple(rules))})
        if group in self._components:
            for one in self.watched.values():
                one.settle(self._world, judge(self._world, one.question))
        return _flips(before, self.outcomes)

    def _screen(self, change: Change, components: tuple[Component, ...], hits: dict[Watched, list[Change]]) -> None:
        """Note the questions whose outcome this rule may turn."""
        first, last, added = change.first, change.last, change.added
        for one in (self._out if change.egress else self._into).get(change.group, ()):
            if (
                (one.adds if added else one.drops)
                and first <= one.last
                and one.first <= last
                and one.services.meets(first, last)
                and one.concerned(change, components)
                and not one.proven(change)
            ):
                hits.setdefault(one, []).append(change)
        if change.egress:
            for component in components:
                for one in self._broad.get(component, ()):
                    if (
                        (one.adds if added else one.drops)
                        and first <= one.last
                        and one.first <= last
                        and one.services.meets(first, last)
                        and one.concerned(change, components)
                        and not one.proven(change)
                        and one.sends(change, components)
                    ):
                        hits.setdefault(one, []).append(change)

    def _settle(self, hits: Mapping[Watched, list[Change]], components: tuple[Component, ...]) -> tuple[Flip, ...]:
        self._take_over()
        flips: list[Flip] = []
        for one, changes in hits.items():
            if len(changes) == 1 and one.stays(self._world, changes[0], components):
                continue
            before = one.outcome
            one.settle(self._world, judge(self._world, one.question))
            if one.outcome is not before:
                flips.append(Flip(one.name, before, one.outcome))
        return tuple(flips)

    def _take_over(self, idle: bool = False) -> None:
        names = list(self._pending) + (list(self._idle) if idle else [])
        if names:
            self._world.take_groups({name: _edited(*self._edits[name]) for name in names})
            self._pending.clear()
            if idle:
                self._idle.clear()


def _groups(ends: Iterable[tuple[Component, int]]) -> dict[str, None]:
    """All groups that members of a side are in, or may be in."""
    found: dict[str, None] = {}
    for component, bits in ends:
        for cls in component.classes_in(bits):
            for group in cls.key.groups + cls.key.maybe:
                found[group] = None
    return found


def _flips(before: Mapping[str, Outcome], after: Mapping[str, Outcome]) -> tuple[Flip, ...]:
    return tuple(
        Flip(name, before[name], outcome)
        for name, outcome in after.items()
        if name in before and before[name] is not outcome
    )


def _edited(base: Group, edits: list[tuple[Rules, Rules]]) -> Group:
    """The group with all edits so far, worked out when somebody asks for its rules."""
    return Group(
        base.id, name=base.name, vpc=base.vpc, owner=base.owner, region=base.region,
        description=base.description, tags=base.tags, origin=base.origin,
        load=partial(_load, base, edits, len(edits)),
    )  # fmt: skip


def _load(base: Group, edits: list[tuple[Rules, Rules]], upto: int) -> Rules:
    rules = list(base.rules)
    for added, removed in edits[:upto]:
        for rule in removed:
            at = _find(rules, rule)
            if at is not None:
                del rules[at]
        rules.extend(added)
    return tuple(rules)


def _find(rules: list[Rule], gone: Rule) -> int | None:
    """Where a rule is; events do not know descriptions and ids, so what it allows is enough."""
    if gone in rules:
        return rules.index(gone)
    key = (gone.key, gone.certain)
    return next((at for at, rule in enumerate(rules) if (rule.key, rule.certain) == key), None)
