"""A world with some security groups edited, sharing everything else with the world that it came from.

Numbering, classes, routes and ACLs do not depend on the rules of groups; of what was derived from rules, only what
concerns classes in an edited group is derived again. What an unedited class yields is stored with the parent, so that
the next variant finds it too. What does not live here: which edits are worth trying (``repair``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from doorward.model.estate import Estate
from doorward.model.rules import Group

if TYPE_CHECKING:
    from doorward.reach.world import Component, World

MOST_LAYERS = 8
"""Worlds edited from worlds edited from …; the next begins again at the first, so that chains stay short."""
WORLD_FREE = frozenset(
    {"acl", "acl entries", "open acl", "legs", "transit", "outward", "behind", "behind attachment", "instances",
     "preserved targets", "hidden sources", "outside world", "edge", "answers"}
)  # fmt: skip
"""First words of keys of ``World.cache`` whose values do not depend on rules of groups; all others are kept apart."""
RULE_FREE = frozenset({"private", "uncertain", "reference scope", "referenceable", "seen", "twins"})
"""The same for ``Component.cache``."""
BY_CLASS = frozenset({"arrivals", "departures"})
"""First words of keys whose second part is the number of a class."""
NUMBERING = (
    "endpoints_of", "by_group", "by_maybe_group", "by_subnet", "subnet_bits", "vpc_bits", "public",
    "unknown_membership",
)  # fmt: skip
"""Derived attributes of a component that no rule changes: derived once, in the component that all variants share."""
SHARED = (
    "balancer_of", "_census", "_component_name", "hidden_vpcs", "_interfaces_by_component", "group_vpc", "inner",
    "internet",
)  # fmt: skip
"""The same for a world."""


class EditedGroups(Mapping[str, Group]):
    """Groups of an estate, some of them replaced, without copying the others."""

    __slots__ = ("base", "edited")

    def __init__(self, base: Mapping[str, Group], edited: Mapping[str, Group]) -> None:
        if isinstance(base, EditedGroups):
            edited = {**base.edited, **edited}
            base = base.base
        self.base: Mapping[str, Group] = base
        self.edited: dict[str, Group] = dict(edited)

    def __getitem__(self, id: str) -> Group:
        found = self.edited.get(id)
        return self.base[id] if found is None else found

    def __iter__(self) -> Iterator[str]:
        yield from self.base
        yield from (id for id in self.edited if id not in self.base)

    def __len__(self) -> int:
        return len(self.base) + sum(id not in self.base for id in self.edited)

    def __contains__(self, id: object) -> bool:
        return id in self.edited or id in self.base


class Overlay(dict[object, object]):
    """A component's cache: entries that concern edited groups are its own, all others belong to the parent."""

    def __init__(self, parent: dict[object, object], component: Component) -> None:
        super().__init__()
        self.parent = parent
        self.component = component
        self.groups: set[str] = set()
        self.classes: set[int] = set()
        self.fresh: set[str] = set()
        """Groups that the parent does not have, or has in another VPC: their members are counted again."""
        self.by_group: dict[str, dict[object, None]] = {}
        """Own entries by the groups that they come from, to drop them when one of these is edited again."""
        self.loose: list[object] = []
        """Own entries that no group is known for: dropped at any edit."""

    def touch(self, edited: Mapping[str, Group], before: Mapping[str, Group]) -> None:
        """Forget what comes from these groups; ``before`` are the groups that the entries so far were made with."""
        by_group, by_maybe = self.component.by_group, self.component.by_maybe_group
        for id, group in edited.items():
            known = before.get(id)
            if known is None or known.vpc != group.vpc:
                self.fresh.add(id)
            if id not in self.groups and (id in by_group or id in by_maybe):
                self.groups.add(id)
                for cls in (*by_group.get(id, ()), *by_maybe.get(id, ())):
                    self.classes.add(cls.number)
            for key in self.by_group.pop(id, ()):
                self.pop(key, None)
        for key in self.loose:
            self.pop(key, None)
        self.loose.clear()

    def own(self, key: tuple[object, ...]) -> bool:
        """Whether an entry may differ from the parent's."""
        word = key[0]
        if word == "policy":
            groups, maybe = cast("tuple[str, ...]", key[1]), cast("tuple[str, ...]", key[2])
            return not self.groups.isdisjoint(groups) or not self.groups.isdisjoint(maybe)
        if word in BY_CLASS:
            return key[1] in self.classes
        if word == "members":
            return key[1] in self.fresh
        return word not in RULE_FREE

    def get(self, key: object, default: object = None) -> object:
        """An entry of this variant, or the parent's where it is the same."""
        found = super().get(key)
        if found is not None:
            return found
        return default if self.own(cast("tuple[object, ...]", key)) else self.parent.get(key, default)

    def __setitem__(self, key: object, value: object) -> None:
        parts = cast("tuple[object, ...]", key)
        # An unedited class's policy would be right for the parent too, but it would keep this variant alive there.
        if parts[0] == "policy" or self.own(parts):
            super().__setitem__(key, value)
            if parts[0] not in _FOLLOWED:
                self.loose.append(key)
            for group in self._sources(parts):
                self.by_group.setdefault(group, {})[key] = None
        else:
            self.parent[key] = value

    def _sources(self, key: tuple[object, ...]) -> tuple[str, ...]:
        if key[0] == "policy":
            return cast("tuple[str, ...]", key[1]) + cast("tuple[str, ...]", key[2])
        if key[0] in BY_CLASS:
            of = self.component.classes[cast("int", key[1])].key
            return of.groups + of.maybe
        return (cast("str", key[1]),) if key[0] == "members" else ()


class WorldOverlay(dict[object, object]):
    """A world's cache: what may depend on rules is its own, all else belongs to the parent."""

    def __init__(self, parent: dict[object, object]) -> None:
        super().__init__()
        self.parent = parent

    def get(self, key: object, default: object = None) -> object:
        """An entry of this variant, or the parent's where it is the same."""
        return self.parent.get(key, default) if _first(key) in WORLD_FREE else super().get(key, default)

    def __setitem__(self, key: object, value: object) -> None:
        if _first(key) in WORLD_FREE:
            self.parent[key] = value
        else:
            super().__setitem__(key, value)


def _first(key: object) -> object:
    return key[0] if isinstance(key, tuple) else key


_FOLLOWED = frozenset({"policy", "members"}) | BY_CLASS
"""Own entries that ``Overlay.by_group`` can find; others are dropped at any edit."""


def edited_estate(estate: Estate, edited: Mapping[str, Group]) -> Estate:
    """The estate with some groups replaced (or added)."""
    return replace(estate, groups=EditedGroups(estate.groups, edited))


def edited_component(world: World, base: Component, edited: Mapping[str, Group]) -> Component:
    """A component of an edited world that shares the numbering of ``base``."""
    for name in NUMBERING:
        getattr(base, name)
    made = object.__new__(type(base))
    made.__dict__.update(base.__dict__)
    made.world = world
    made.cache = cache = Overlay(base.cache, made)
    cache.touch(edited, base.world.estate.groups)
    return made


__all__ = ["EditedGroups", "Overlay", "WorldOverlay", "edited_component", "edited_estate"]
