"""An estate made ready for questions: addresses numbered, interfaces put into classes, everything else on demand.

VPCs that can possibly exchange private traffic form a *component*. Inside a component every private address of every
interface is an *endpoint*, numbered in the order of addresses, so that a CIDR is one run of bits and a set of endpoints
is one Python integer. Interfaces that the network treats alike (same groups, subnet and balancer) form a *class*.
What does not live here: what a rule, an ACL or a route admits (``policy``, ``acls``, ``routes``).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, cast

from doorward.model.addresses import INTERNET, V6
from doorward.model.estate import Estate, Interface, LoadBalancer
from doorward.model.intervals import Intervals, Span
from doorward.model.rules import Group
from doorward.reach.overlay import (
    MOST_LAYERS,
    SHARED,
    EditedGroups,
    Overlay,
    WorldOverlay,
    edited_component,
    edited_estate,
)


class Bound(IntEnum):
    """Which of the two runs: what flows for certain, or what flows at most."""

    LOWER = 0
    UPPER = 1


class ClassKey(NamedTuple):
    """What makes two interfaces alike for the network."""

    groups: tuple[str, ...]
    vpc: str
    subnet: str
    owner: str
    """Id of the load balancer that owns them, ``nat`` for NAT gateways, else empty."""
    maybe: tuple[str, ...]
    unknown: str | None


class Cls:
    """A class of interfaces within a component."""

    __slots__ = ("bits", "bits4", "bits6", "interfaces", "key", "number", "public")

    def __init__(self, number: int, key: ClassKey) -> None:
        self.number = number
        self.key = key
        self.interfaces: list[Interface] = []
        self.bits = 0
        self.bits4 = 0
        self.bits6 = 0
        self.public = 0
        """Endpoints (IPv4) that have, or may have, a public address; see ``Component.public``."""

    def __repr__(self) -> str:
        return f"Cls({self.number}, {self.key!r}, {len(self.interfaces)} interfaces)"


class Component:
    """VPCs between which private traffic is conceivable, with their endpoints numbered by address."""

    def __init__(self, world: World, vpcs: tuple[str, ...], interfaces: list[Interface]) -> None:
        self.world = world
        self.vpcs = vpcs
        self.interfaces = interfaces
        self._runs: dict[Span, int] = {}
        self._sets: dict[tuple[Intervals, Bound], int] = {}
        self.cache: dict[object, object] = {}
        """For ``policy``, ``acls`` and ``routes``: what they derived, dropped with the component."""
        self._number()

    def _number(self) -> None:
        known: list[int] = []
        owners: list[int] = []
        wide: list[tuple[Span, int]] = []
        for ordinal, interface in enumerate(self.interfaces):
            for span in interface.addresses:
                first, last = span
                if first == last:
                    known.append(first)
                    owners.append(ordinal)
                else:
                    wide.append((span, ordinal))
            if interface.wide:
                wide.extend((span, ordinal) for span in interface.wide)
        order = sorted(range(len(known)), key=known.__getitem__)
        self.starts = [known[at] for at in order]
        """Address of every endpoint whose address is known, in order."""
        self.owner = [owners[at] for at in order]
        """Ordinal (in ``interfaces``) of the interface of every endpoint."""
        self.points = len(known)
        self.wide = [span for span, _ in wide]
        """Ranges of the endpoints behind the points (numbers ``points`` …): unknown addresses and delegated
        prefixes."""
        self.unknown_wide = [span in self.interfaces[ordinal].wide for span, ordinal in wide]
        self.owner.extend(ordinal for _, ordinal in wide)
        self.count = len(self.owner)
        self.all = (1 << self.count) - 1
        split = bisect_left(self.starts, V6)
        self.v4 = (1 << split) - 1
        self.v6 = ((1 << self.points) - 1) & ~self.v4
        for number, (first, _) in enumerate(self.wide, self.points):
            if first >= V6:
                self.v6 |= 1 << number
            else:
                self.v4 |= 1 << number
        self._classify()

    def _classify(self) -> None:
        balancer_of = self.world.balancer_of
        by_key: dict[ClassKey, Cls] = {}
        # Most interfaces share one tuple of groups with others, which is found faster than an equal one.
        alike: dict[tuple[int, str, str], Cls] = {}
        self.classes: list[Cls] = []
        class_of_interface: list[Cls] = []
        for interface in self.interfaces:
            name, vpc, subnet, groups = interface[:4]
            plain = (
                interface.kind != "nat_gateway"
                and not interface.maybe_groups
                and interface.groups_unknown is None
                and name not in balancer_of
            )
            quick = (id(groups), subnet, vpc)
            found = alike.get(quick) if plain else None
            if found is None:
                owner = "nat" if interface.kind == "nat_gateway" else balancer_of.get(interface.id, "")
                key = ClassKey(
                    interface.groups, interface.vpc, interface.subnet, owner, interface.maybe_groups,
                    interface.groups_unknown,
                )  # fmt: skip
                found = by_key.get(key)
                if found is None:
                    found = by_key[key] = Cls(len(self.classes), key)
                    self.classes.append(found)
                if plain:
                    alike[quick] = found
            found.interfaces.append(interface)
            class_of_interface.append(found)
        self.class_of = [class_of_interface[ordinal] for ordinal in self.owner]
        """Class of every endpoint."""
        numbers: list[list[int]] = [[] for _ in self.classes]
        for number, cls in enumerate(self.class_of):
            numbers[cls.number].append(number)
        for cls, mine in zip(self.classes, numbers, strict=True):
            cls.bits = bits_of(mine)
            cls.bits4 = cls.bits & self.v4
            cls.bits6 = cls.bits & self.v6

    @cached_property
    def endpoints_of(self) -> Endpoints:
        """Interface id → its endpoint numbers."""
        return Endpoints(self)

    @cached_property
    def by_group(self) -> dict[str, list[Cls]]:
        """Group id → classes that are in it for certain."""
        found: dict[str, list[Cls]] = defaultdict(list)
        for cls in self.classes:
            for group in cls.key.groups:
                found[group].append(cls)
        return found

    @cached_property
    def by_maybe_group(self) -> dict[str, list[Cls]]:
        """Group id → classes that may be in it."""
        found: dict[str, list[Cls]] = defaultdict(list)
        for cls in self.classes:
            for group in cls.key.maybe:
                found[group].append(cls)
        return found

    @cached_property
    def by_subnet(self) -> dict[str, list[Cls]]:
        """Subnet id → its classes."""
        found: dict[str, list[Cls]] = defaultdict(list)
        for cls in self.classes:
            found[cls.key.subnet].append(cls)
        return found

    @cached_property
    def subnet_bits(self) -> dict[str, int]:
        """Subnet id → its endpoints."""
        return {subnet: union_bits(cls.bits for cls in classes) for subnet, classes in self.by_subnet.items()}

    @cached_property
    def vpc_bits(self) -> dict[str, int]:
        """VPC id → its endpoints."""
        found: dict[str, int] = dict.fromkeys(self.vpcs, 0)
        for subnet, bits in self.subnet_bits.items():
            found[self.by_subnet[subnet][0].key.vpc] |= bits
        return found

    @cached_property
    def public(self) -> tuple[int, int]:
        """(certain, at most): IPv4 endpoints with a public address."""
        sure: list[int] = []
        maybe: list[int] = []
        starts, owner = self.starts, self.owner
        for ordinal, interface in enumerate(self.interfaces):
            if not interface.public and not interface.public_unknown:
                continue
            if not interface.public_unknown and not interface.wide:
                # The usual case: every public address stands for a private one that is known.
                for private, _ in interface.public:
                    at = bisect_left(starts, private)
                    while at < len(starts) and starts[at] == private:
                        if owner[at] == ordinal:
                            sure.append(at)
                        at += 1
                if all(first == last for first, last in interface.addresses):
                    continue
            private_ones = {address for address, _ in interface.public}
            for number in self.endpoints_of.of(ordinal):
                if number < self.points and starts[number] in private_ones:
                    sure.append(number)
                elif number < self.points and starts[number] >= V6:
                    continue
                elif number >= self.points and not self.unknown_wide[number - self.points]:
                    continue  # addresses of a delegated prefix have no public ones
                elif interface.public_unknown or (number >= self.points and interface.public):
                    maybe.append(number)
                    if number >= self.points and interface.public:
                        sure.append(number)
        certain = bits_of(sure)
        most = certain | bits_of(maybe)
        for vpc in self.world.accelerated_vpcs.intersection(self.vpcs):
            # An accelerator brings clients to interfaces without a public address (Global Accelerator Developer Guide,
            # *Secure VPC connections*); its endpoints are not looked into.
            most |= self.vpc_bits.get(vpc, 0) & self.v4
        return certain, most

    def members(self, group: str, bound: Bound) -> int:
        """Endpoints of the interfaces in a group."""
        key = ("members", group, bound)
        found = self.cache.get(key)
        if found is None:
            found = union_bits(cls.bits for cls in self.by_group.get(group, ()))
            if bound is Bound.UPPER:
                found |= union_bits(cls.bits for cls in self.by_maybe_group.get(group, ()))
                home = self.world.estate.groups.get(group)
                if home is not None and self.unknown_membership:
                    found |= self.unknown_membership & self.vpc_bits.get(home.vpc or "", 0)
            self.cache[key] = found
        assert isinstance(found, int)
        return found

    @cached_property
    def unknown_membership(self) -> int:
        """Endpoints of interfaces whose groups cannot be known."""
        return union_bits(cls.bits for cls in self.classes if cls.key.unknown)

    def run(self, span: Span) -> int:
        """Endpoints with a known address within a span (delegated prefixes and unknown addresses: see ``inside``)."""
        found = self._runs.get(span)
        if found is None:
            low = bisect_left(self.starts, span[0])
            high = bisect_right(self.starts, span[1])
            found = self._runs[span] = ((1 << (high - low)) - 1) << low if high > low else 0
        return found

    def inside(self, addresses: Intervals, bound: Bound) -> int:
        """Endpoints whose address lies in a set.

        An unknown address lies in it when all its range does (lower) or any of it (upper); of a delegated prefix all
        addresses are in use, so "admitted" means all of it in the lower bound and some of it in the upper.
        """
        key = (addresses, bound)
        found = self._sets.get(key)
        if found is None:
            found = 0
            for span in addresses.spans:
                found |= self.run(span)
            for number, (first, last) in enumerate(self.wide, self.points):
                if addresses.holds(first, last) if bound is Bound.LOWER else addresses.meets(first, last):
                    found |= 1 << number
            self._sets[key] = found
        return found

    def classes_in(self, bits: int) -> Iterator[Cls]:
        """The classes that have an endpoint in a set."""
        while bits:
            cls = self.class_of[(bits & -bits).bit_length() - 1]
            yield cls
            bits &= ~cls.bits

    def interface_of(self, endpoint: int) -> Interface:
        """The interface of an endpoint."""
        return self.interfaces[self.owner[endpoint]]

    def span_of(self, endpoint: int) -> Span:
        """Address range of an endpoint: a point where the address is known."""
        if endpoint < self.points:
            return self.starts[endpoint], self.starts[endpoint]
        return self.wide[endpoint - self.points]

    def single(self, bits: int) -> str | None:
        """The one interface that owns all of a set of endpoints, or None when there are several."""
        first = self.owner[(bits & -bits).bit_length() - 1]
        bits &= ~bits_of(self.endpoints_of.of(first))
        return None if bits else self.interfaces[first].id

    def alike(self, other: Component) -> bool:
        """Whether endpoint numbers mean the same interface and address in both."""
        return (
            self.starts == other.starts
            and self.wide == other.wide
            and self.owner == other.owner
            and [one.id for one in self.interfaces] == [one.id for one in other.interfaces]
        )

    def of_interface(self, interface: str) -> int:
        """Endpoints of one interface as bits."""
        return bits_of(self.endpoints_of.get(interface, ()))


class Endpoints(Mapping[str, list[int]]):
    """Interface id → its endpoint numbers, ascending; looked up by address when asked, since few are asked about."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._ordinals = {interface.id: ordinal for ordinal, interface in enumerate(component.interfaces)}
        self._wide: dict[int, list[int]] = {}
        for number in range(component.points, component.count):
            self._wide.setdefault(component.owner[number], []).append(number)

    def of(self, ordinal: int) -> list[int]:
        """Endpoint numbers of an interface by its place in ``Component.interfaces``."""
        starts, owner = self._component.starts, self._component.owner
        found: set[int] = set()
        for first, last in self._component.interfaces[ordinal].addresses:
            if first != last:
                continue
            at = bisect_left(starts, first)
            while at < len(starts) and starts[at] == first:
                if owner[at] == ordinal:
                    found.add(at)
                at += 1
        return sorted(found) + self._wide.get(ordinal, [])

    def __getitem__(self, id: str) -> list[int]:
        return self.of(self._ordinals[id])

    def __contains__(self, id: object) -> bool:
        return id in self._ordinals

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordinals)

    def __len__(self) -> int:
        return len(self._ordinals)


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
        homes: dict[str, str] = {}
        for interface in self.estate.interfaces.values():
            if interface.instance is not None:
                home = homes.setdefault(interface.instance, interface.vpc)
                if home != interface.vpc:
                    parent[find(interface.vpc)] = find(home)
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
        return frozenset(one.vpc for one in self.estate.interfaces.values() if one.kind == "global_accelerator_managed")

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
    def _interfaces_by_component(self) -> dict[str, list[Interface]]:
        names = self._component_name
        found: dict[str, list[Interface]] = defaultdict(list)
        for interface in self.estate.interfaces.values():
            found[names.get(interface.vpc, interface.vpc)].append(interface)
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
        found: dict[str, set[str]] = defaultdict(set)
        seen: set[tuple[int, str]] = set()
        for interface in self.estate.interfaces.values():
            key = (id(interface.groups), interface.vpc)
            if key not in seen:
                seen.add(key)
                for group in interface.groups:
                    found[group].add(interface.vpc)
            if interface.maybe_groups:
                for group in interface.maybe_groups:
                    found[group].add(interface.vpc)
            if interface.groups_unknown:
                for one in self.estate.groups.values():
                    if one.vpc == interface.vpc:
                        found[one.id].add(interface.vpc)
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


def bits_of(numbers: Iterable[int]) -> int:
    """The set of some endpoint numbers."""
    numbers = list(numbers)
    if not numbers:
        return 0
    if len(numbers) < 16:
        found = 0
        for number in numbers:
            found |= 1 << number
        return found
    raw = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        raw[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(raw, "little")


def union_bits(sets: Iterable[int]) -> int:
    """The union of sets of endpoints."""
    found = 0
    for one in sets:
        found |= one
    return found


def numbers_in(bits: int) -> Iterator[int]:
    """The endpoint numbers of a set, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


__all__ = ["Bound", "ClassKey", "Cls", "Component", "World", "bits_of", "numbers_in", "union_bits"]
