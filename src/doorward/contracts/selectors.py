"""Selectors matched with an estate: what ``group:auth`` or ``lb:web`` means in this one.

A name may be an id, a name, a Name tag or a Terraform address; a name that fits several things is invalid, and so is
one
that fits nothing: a typing mistake must never look like a kept contract.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from doorward.contracts.contract import Contract, Selector
from doorward.errors import InvalidContract
from doorward.model.estate import Estate, Tags
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import Group
from doorward.reach.question import Question, Side
from doorward.reach.world import World

_WORDS = {
    "group": "security group",
    "interface": "interface",
    "instance": "instance",
    "subnet": "subnet",
    "vpc": "VPC",
    "lb": "load balancer",
    "db": "database",
}


class Matcher:
    """Resolves selectors of one estate; names are indexed once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.estate: Estate = world.estate
        self._names: dict[str, dict[str, set[str]]] = {}

    def question(self, contract: Contract) -> Question:
        """A contract resolved. Raises ``InvalidContract``."""
        return Question(
            contract.must,
            self.side(contract, contract.sources, "from"),
            self.side(contract, contract.targets, "to"),
            contract.services,
            contract.ephemeral,
        )

    def side(self, contract: Contract, selectors: Iterable[Selector], end: str) -> Side:
        """One side of a contract. Raises ``InvalidContract``."""
        groups: list[str] = []
        interfaces: list[str] = []
        balancers: list[str] = []
        nobody: list[str] = []
        inside = outside = EMPTY
        for selector in selectors:
            if selector.kind in ("internet", "cidr"):
                beyond = selector.addresses - self.world.inner
                outside = outside | beyond
                if selector.kind == "cidr":
                    within = selector.addresses & self.world.inner
                    inside = inside | within
                    if within and not beyond and not self._anyone_inside(within):
                        nobody.append(selector.text)
                continue
            ids = self.ids(contract, selector, end)
            if selector.kind == "group":
                groups.extend(ids)
                if not any(self.world.group_vpc.get(id) for id in ids):
                    nobody.append(selector.text)
            elif selector.kind == "lb":
                balancers.extend(ids)
                if not any(self._present(self.estate.load_balancers[id].interfaces) for id in ids):
                    nobody.append(selector.text)
            else:
                found = self._interfaces(selector.kind, ids)
                interfaces.extend(found)
                if not found:
                    nobody.append(selector.text)
        return Side(
            tuple(dict.fromkeys(groups)), tuple(dict.fromkeys(interfaces)), inside, outside,
            tuple(dict.fromkeys(balancers)), tuple(nobody),
        )  # fmt: skip

    def _anyone_inside(self, addresses: Intervals) -> bool:
        from doorward.reach.world import Bound

        return any(component.inside(addresses, Bound.UPPER) for component in self.world.all_components())

    def _present(self, interfaces: Iterable[str]) -> list[str]:
        return [id for id in interfaces if id in self.estate.interfaces]

    def ids(self, contract: Contract, selector: Selector, end: str) -> tuple[str, ...]:
        """Ids that a selector names. Raises ``InvalidContract`` when it fits nothing, or several where one is meant."""
        if selector.kind == "tag":
            return self._tagged(contract, selector, end)
        names = self.names(selector.kind)
        found = names.get(selector.value, set())
        if not found and selector.kind == "group" and self.world.group_vpc.get(selector.value):
            found = {selector.value}  # its members name it, only its rules are not in the input
        if not found:
            raise self._nothing(contract, selector, end, names)
        if len(found) > 1 and selector.value not in self._aliased:
            word = _WORDS.get(selector.kind, selector.kind)
            raise InvalidContract(
                f"'{selector.text}' in '{end}' is ambiguous: {len(found)} {word}s are called so "
                f"({', '.join(sorted(found)[:5])})",
                where=_where(contract),
                hint="name one of them by its id",
            )
        return tuple(sorted(found))

    @cached_property
    def _aliased(self) -> frozenset[str]:
        """Terraform addresses that stand for several elements on purpose (count, for_each, one interface per
        subnet)."""
        return frozenset(name for name, ids in self.estate.aliases.items() if len(ids) > 1)

    def _nothing(
        self, contract: Contract, selector: Selector, end: str, names: Mapping[str, set[str]]
    ) -> InvalidContract:
        close = difflib.get_close_matches(selector.value, list(names)[:20_000], n=3)
        word = _WORDS.get(selector.kind, selector.kind)
        hint = f"did you mean {' or '.join(close)}?" if close else self._known(selector.kind, names)
        return InvalidContract(
            f"'{selector.text}' in '{end}' matches no {word} of the estate", where=_where(contract), hint=hint
        )

    @staticmethod
    def _known(kind: str, names: Mapping[str, set[str]]) -> str:
        if not names:
            return f"the estate has no {_WORDS.get(kind, kind)}; is a file missing?"
        shown = sorted(names)[:5]
        return f"it has {', '.join(shown)}{' …' if len(names) > len(shown) else ''}"

    def _tagged(self, contract: Contract, selector: Selector, end: str) -> tuple[str, ...]:
        key, _, value = selector.value.partition("=")
        wanted = (key, value)
        estate = self.estate
        found: set[str] = set()
        holders: dict[str, tuple[str, ...]] = {
            one.id: one.interfaces for one in estate.holders.values() if wanted in one.tags
        }
        some = bool(holders)
        for names in holders.values():
            found.update(self._present(names))
        vpcs = {one.id for one in estate.vpcs.values() if wanted in one.tags}
        subnets = {one.id for one in estate.subnets.values() if wanted in one.tags}
        groups = {one.id for one in estate.groups.values() if wanted in one.tags}
        balanced = [one for one in estate.load_balancers.values() if wanted in one.tags]
        for balancer in balanced:
            found.update(self._present(balancer.interfaces))
        for interface in estate.interfaces.values():
            if (
                wanted in interface.tags
                or interface.subnet in subnets
                or interface.vpc in vpcs
                or any(group in groups for group in interface.groups)
            ):
                found.add(interface.id)
        if not found and not (some or vpcs or subnets or groups or balanced):
            raise InvalidContract(
                f"'{selector.text}' in '{end}' matches nothing of the estate", where=_where(contract),
                hint="tags are compared exactly, letter by letter",
            )  # fmt: skip
        return tuple(sorted(found))

    def _interfaces(self, kind: str, ids: Iterable[str]) -> list[str]:
        estate = self.estate
        wanted = set(ids)
        if kind in ("interface", "tag"):
            return self._present(sorted(wanted))
        if kind == "subnet":
            return [one.id for one in estate.interfaces.values() if one.subnet in wanted]
        if kind == "vpc":
            return [one.id for one in estate.interfaces.values() if one.vpc in wanted]
        found = [
            name
            for id in sorted(wanted)
            if id in estate.holders
            for name in self._present(estate.holders[id].interfaces)
        ]
        if kind == "instance":
            found += [one.id for one in estate.interfaces.values() if one.instance in wanted]
        return list(dict.fromkeys(found))

    def names(self, kind: str) -> dict[str, set[str]]:
        """Every name by which elements of a kind can be called → ids."""
        found = self._names.get(kind)
        if found is None:
            found = self._names[kind] = self._index(kind)
        return found

    def _index(self, kind: str) -> dict[str, set[str]]:
        estate = self.estate
        if kind == "group" and not any(group.origin for group in estate.groups.values()) and not estate.aliases:
            return _groups_by_name(estate.groups)
        found: dict[str, set[str]] = defaultdict(set)
        ids: set[str] = set()

        def add(id: str, name: str, tags: Tags, origin: str | None) -> None:
            ids.add(id)
            found[id].add(id)
            for one in (name, origin):
                if one:
                    found[one].add(id)
            for key, value in tags:
                if key == "Name" and value:
                    found[value].add(id)

        if kind == "group":
            for group in estate.groups.values():
                add(group.id, group.name, group.tags, group.origin)
        elif kind == "interface":
            for interface in estate.interfaces.values():
                add(interface.id, interface.name, interface.tags, interface.origin)
        elif kind == "subnet":
            for subnet in estate.subnets.values():
                add(subnet.id, subnet.name, subnet.tags, subnet.origin)
        elif kind == "vpc":
            for vpc in estate.vpcs.values():
                add(vpc.id, vpc.name, vpc.tags, vpc.origin)
        elif kind == "lb":
            for balancer in estate.load_balancers.values():
                add(balancer.id, balancer.name, balancer.tags, balancer.origin)
        else:
            for holder in estate.holders.values():
                if holder.kind == kind:
                    add(holder.id, holder.name, holder.tags, holder.origin)
            if kind == "instance":
                for interface in estate.interfaces.values():
                    if interface.instance:
                        add(interface.instance, "", (), None)
        for name, aliased in estate.aliases.items():
            mine = ids.intersection(aliased)
            if mine:
                found[name].update(mine)
        # An id always means the thing itself, whatever else is called so.
        for id in ids:
            if len(found[id]) > 1:
                found[id] = {id}
        return dict(found)


def _groups_by_name(groups: Mapping[str, Group]) -> dict[str, set[str]]:
    """The same for many groups of a snapshot, which have no Terraform addresses; estates have tens of thousands."""
    found: dict[str, set[str]] = {id: {id} for id in groups}
    for id, group in groups.items():
        names = [group.name] if group.name else []
        for key, value in group.tags:
            if key == "Name" and value:
                names.append(value)
        for name in names:
            mine = found.get(name)
            if mine is None:
                found[name] = {id}
            elif name not in groups:  # an id always means the thing itself
                mine.add(id)
    return found


def _where(contract: Contract) -> str:
    place = f"{contract.file}:{contract.line}: " if contract.file and contract.line else ""
    return f"{place}contract '{contract.name}'"
