"""An estate made ready for questions: VPCs put into components, everything else derived on demand.

VPCs that can possibly exchange private traffic form a *component* (see there for endpoints and classes).
What does not live here: what a rule, an ACL or a route admits (``policy``, ``acls``, ``routes``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple, cast

from doorward.model.addresses import INTERNET
from doorward.model.estate import (
    AT_GROUPS,
    AT_GROUPS_UNKNOWN,
    AT_INSTANCE,
    AT_KIND,
    AT_MAYBE_GROUPS,
    AT_VPC,
    Estate,
    Interface,
    LoadBalancer,
)
from doorward.model.intervals import Intervals
from doorward.model.rules import Group
from doorward.reach.bits import bits_of, numbers_in, union_bits
from doorward.reach.component import Bound, ClassKey, Cls, Component
from doorward.reach.overlay import (
    MOST_LAYERS,
    SHARED,
    EditedGroups,
    Overlay,
    WorldOverlay,
    edited_component,
    edited_estate,
)


class _Census(NamedTuple):
    """What one pass over all interfaces tells."""

    by_vpc: dict[str, list[Interface]]
    group_vpcs: dict[str, set[str]]
    """Group id → VPCs in which it has members for certain."""
    bridged: list[tuple[str, str]]
    """VPCs in which one instance has interfaces."""
    unsure: list[Interface]
    """Interfaces whose groups are not all known."""
    accelerated: frozenset[str]
    """VPCs in which Global Accelerator has an interface."""


class World:
    """An estate compiled for questions. Everything is derived on first use and kept."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.cache: dict[object, object] = {}
        """What depends on rules of groups must be named otherwise than in ``overlay.WORLD_FREE`` (``RULE_FREE``)."""
        self._parent: World | None = None
        self._edited: dict[str, Group] = {}
        self._layers = 0

    def with_groups(self, edited: Mapping[str, Group]) -> World:
        """A variant with some groups replaced (by id); this world stays as it is and shares all that is the same."""
        parent = self
        if self._layers >= MOST_LAYERS:
            while parent._parent is not None:
                parent = parent._parent
            edited = {**cast("EditedGroups", self.estate.groups).edited, **edited}
        made = World(edited_estate(parent.estate, edited))
        for name in SHARED:
            made.__dict__[name] = getattr(parent, name)
        made.cache = WorldOverlay(parent.cache)
        made._parent, made._layers = parent, parent._layers + 1
        made._edit(edited, parent.estate.groups)
        return made

    def take_groups(self, edited: Mapping[str, Group]) -> None:
        """Replace groups in place: for a stream of changes. Only on a world made by ``with_groups``, and not while a
        world made from this one is in use; whatever was handed out before (its estate too) shows the new groups."""
        groups = self.estate.groups
        assert self._parent is not None and isinstance(groups, EditedGroups), "take_groups needs a world of with_groups"
        before = {id: groups[id] for id in edited if id in groups}
        groups.edited.update(edited)
        self._edit(edited, before)

    def _edit(self, edited: Mapping[str, Group], before: Mapping[str, Group]) -> None:
        self._edited.update(edited)
        self.cache.clear()  # a WorldOverlay: its own entries, not the parent's
        for component in self.components.values():
            cast("Overlay", component.cache).touch(edited, before)
        if any(id not in before or before[id].vpc != group.vpc for id, group in edited.items()):
            self.__dict__.pop("group_vpc", None)

    @cached_property
    def balancer_of(self) -> dict[str, str]:
        """Interface id → id of the load balancer that owns it."""
        return {
            interface: balancer.id
            for balancer in self.estate.load_balancers.values()
            for interface in balancer.interfaces
        }

    def balancer(self, id: str) -> LoadBalancer:
        """A load balancer of the estate."""
        return self.estate.load_balancers[id]

    @cached_property
    def _component_name(self) -> dict[str, str]:
        parent: dict[str, str] = {}

        def find(vpc: str) -> str:
            parent.setdefault(vpc, vpc)
            while parent[vpc] != vpc:
                parent[vpc] = parent[parent[vpc]]
                vpc = parent[vpc]
            return vpc

        for vpc in self.estate.vpcs:
            find(vpc)
        for peering in self.estate.peerings.values():
            if peering.active:
                parent[find(peering.vpcs[0])] = find(peering.vpcs[1])
        for gateway in self.estate.transit_gateways.values():
            joined = [one.resource for one in gateway.attachments if one.kind == "vpc"]
            for one in joined[1:]:
                parent[find(one)] = find(joined[0])
        # One instance with interfaces in two VPCs may forward between them.
        for home, other in self._census.bridged:
            parent[find(other)] = find(home)
        hidden = sorted(self.hidden_vpcs)
        for one in hidden[1:]:
            parent[find(one)] = find(hidden[0])
        return {vpc: find(vpc) for vpc in list(parent)}

    @cached_property
    def hidden_vpcs(self) -> frozenset[str]:
        """VPCs with a gateway or route that is not looked into, so that traffic may pass in ways not modelled."""
        found = {vpc.id for vpc in self.estate.vpcs.values() if vpc.hidden_gateways}
        for table in self.estate.route_tables.values():
            if table.vpc and any(
                route.kind in ("unmodelled", "unknown")
                or not route.certain
                or (route.kind == "transit-gateway" and not self._attached(route.target))
                or (
                    isinstance(route.destination, str)
                    and route.kind != "endpoint"
                    and not self._listed(route.destination)
                )
                for route in table.routes
            ):
                found.add(table.vpc)
        for peering in self.estate.peerings.values():
            known = [vpc for vpc in peering.vpcs if vpc in self.estate.vpcs]
            if peering.active and len(known) < len(peering.vpcs):
                found.update(known)  # whatever lies behind the other side may lead on
        for gateway in self.estate.transit_gateways.values():
            if any(one.kind != "vpc" or one.resource not in self.estate.vpcs for one in gateway.attachments):
                found.update(one.resource for one in gateway.attachments if one.kind == "vpc")
        return frozenset(found)

    def _attached(self, gateway: str) -> bool:
        found = self.estate.transit_gateways.get(gateway)
        return found is not None and bool(found.attachments)

    def _listed(self, prefix_list: str) -> bool:
        found = self.estate.prefix_lists.get(prefix_list)
        return found is not None and found.cidrs is not None

    @cached_property
    def accelerated_vpcs(self) -> frozenset[str]:
        """VPCs in which Global Accelerator has an interface."""
        return self._census.accelerated

    @cached_property
    def attached_subnets(self) -> frozenset[str]:
        """Subnets in which a transit gateway has an interface of its own."""
        return frozenset(
            id for gateway in self.estate.transit_gateways.values() for one in gateway.attachments for id in one.subnets
        )

    @cached_property
    def components(self) -> dict[str, Component]:
        """Component name → component; each is numbered when first asked for."""
        return {}

    @cached_property
    def _census(self) -> _Census:
        """What is to be known of all interfaces before any component is made: one pass over them."""
        by_vpc: dict[str, list[Interface]] = {}
        group_vpcs: dict[str, set[str]] = defaultdict(set)
        homes: dict[str, str] = {}
        bridged: list[tuple[str, str]] = []
        unsure: list[Interface] = []
        accelerated: set[str] = set()
        seen: set[tuple[int, str]] = set()
        for interface in self.estate.interfaces.values():
            vpc, groups, instance = interface[AT_VPC], interface[AT_GROUPS], interface[AT_INSTANCE]
            mine = by_vpc.get(vpc)
            if mine is None:
                mine = by_vpc[vpc] = []
            mine.append(interface)
            # Most interfaces share one tuple of groups with others, which is found faster than an equal one.
            key = (id(groups), vpc)
            if key not in seen:
                seen.add(key)
                for group in groups:
                    group_vpcs[group].add(vpc)
            if instance is not None and homes.setdefault(instance, vpc) != vpc:
                bridged.append((homes[instance], vpc))
            if interface[AT_MAYBE_GROUPS] or interface[AT_GROUPS_UNKNOWN]:
                unsure.append(interface)
            if interface[AT_KIND] == "global_accelerator_managed":
                accelerated.add(vpc)
        return _Census(by_vpc, group_vpcs, bridged, unsure, frozenset(accelerated))

    @property
    def unsure(self) -> bool:
        """Whether there is any interface whose groups are not all known."""
        return bool(self._census.unsure)

    @cached_property
    def _interfaces_by_component(self) -> dict[str, list[Interface]]:
        names = self._component_name
        found: dict[str, list[Interface]] = {}
        for vpc, interfaces in self._census.by_vpc.items():
            name = names.get(vpc, vpc)
            found[name] = found[name] + interfaces if name in found else interfaces
        return found

    def component_of(self, vpc: str) -> Component:
        """The component of a VPC."""
        name = self._component_name.get(vpc, vpc)
        found = self.components.get(name)
        if found is None and self._parent is not None:
            base = self._parent.component_of(vpc)
            found = self.components[name] = edited_component(self, base, self._edited)
        if found is None:
            vpcs = tuple(one for one, other in self._component_name.items() if other == name) or (vpc,)
            found = self.components[name] = Component(self, vpcs, self._interfaces_by_component.get(name, []))
        return found

    def all_components(self) -> list[Component]:
        """Every component that has an interface."""
        return [self.component_of(name) for name in self._interfaces_by_component]

    @cached_property
    def group_vpc(self) -> dict[str, set[str]]:
        """Group id → VPCs in which it has members (certain or possible)."""
        if not self._census.unsure:
            return self._census.group_vpcs
        found = {group: set(vpcs) for group, vpcs in self._census.group_vpcs.items()}
        for interface in self._census.unsure:
            for group in interface.maybe_groups:
                found.setdefault(group, set()).add(interface.vpc)
            if interface.groups_unknown:
                for one in self.estate.groups.values():
                    if one.vpc == interface.vpc:
                        found.setdefault(one.id, set()).add(interface.vpc)
        return found

    @cached_property
    def inner(self) -> Intervals:
        """All CIDRs of the estate's VPCs: never outside."""
        return Intervals(span for vpc in self.estate.vpcs.values() for span in vpc.cidrs)

    @cached_property
    def internet(self) -> Intervals:
        """Public unicast addresses outside every VPC of the estate."""
        return INTERNET - self.inner

    def has_internet_gateway(self, vpc: str, bound: Bound) -> bool:
        """Whether an internet gateway is attached, for certain or possibly."""
        found = self.estate.vpcs.get(vpc)
        if found is None:
            return bound is Bound.UPPER
        return bool(found.internet_gateways or (bound is Bound.UPPER and found.maybe_internet_gateways))


__all__ = ["Bound", "ClassKey", "Cls", "Component", "World", "bits_of", "numbers_in", "union_bits"]
