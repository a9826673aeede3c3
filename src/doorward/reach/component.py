"""VPCs that can exchange private traffic, with their endpoints numbered by address and put into classes.

Every private address of every interface is an *endpoint*; a CIDR is one run of bits, and a set of endpoints one Python
integer (``bits``). Interfaces that the network treats alike (same groups, subnet and balancer) form a *class*.
What does not live here: which VPCs belong together (``world``), what a rule, an ACL or a route admits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from doorward.model.addresses import V6
from doorward.model.estate import (
    AT_ADDRESSES,
    AT_GROUPS,
    AT_GROUPS_UNKNOWN,
    AT_ID,
    AT_KIND,
    AT_MAYBE_GROUPS,
    AT_PUBLIC,
    AT_PUBLIC_UNKNOWN,
    AT_SUBNET,
    AT_VPC,
    AT_WIDE,
    Interface,
)
from doorward.model.intervals import Intervals, Span
from doorward.reach.bits import bits_of, union_bits

if TYPE_CHECKING:
    from doorward.reach.world import World


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

    __slots__ = ("bits", "interfaces", "key", "number", "v4", "v6")

    def __init__(self, number: int, key: ClassKey, v4: int, v6: int) -> None:
        self.number = number
        self.key = key
        self.interfaces: list[Interface] = []
        self.bits = 0
        self.v4 = v4
        self.v6 = v6
        """All endpoints of the component by family, shared by its classes."""

    @property
    def bits4(self) -> int:
        """Endpoints with an IPv4 address; not kept, since few classes are asked and sets are large."""
        return self.bits & self.v4

    @property
    def bits6(self) -> int:
        """The same of IPv6."""
        return self.bits & self.v6

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
            for span in interface[AT_ADDRESSES]:
                first, last = span
                if first == last:
                    known.append(first)
                    owners.append(ordinal)
                else:
                    wide.append((span, ordinal))
            if interface[AT_WIDE]:
                wide.extend((span, ordinal) for span in interface[AT_WIDE])
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
        unsure = self.world.unsure
        for interface in self.interfaces:
            groups, vpc = interface[AT_GROUPS], interface[AT_VPC]
            plain = (
                interface[AT_KIND] != "nat_gateway"
                and (not balancer_of or interface[AT_ID] not in balancer_of)
                and (not unsure or (not interface[AT_MAYBE_GROUPS] and interface[AT_GROUPS_UNKNOWN] is None))
            )
            quick = (id(groups), interface[AT_SUBNET], vpc)
            found = alike.get(quick) if plain else None
            if found is None:
                owner = "nat" if interface.kind == "nat_gateway" else balancer_of.get(interface.id, "")
                key = ClassKey(groups, vpc, interface.subnet, owner, interface.maybe_groups, interface.groups_unknown)
                found = by_key.get(key)
                if found is None:
                    found = by_key[key] = Cls(len(self.classes), key, self.v4, self.v6)
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
            if not interface[AT_PUBLIC] and not interface[AT_PUBLIC_UNKNOWN]:
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


OFTEN = 256
"""From so many questions about single interfaces on, all are listed by id."""


class Endpoints(Mapping[str, list[int]]):
    """Interface id → its endpoint numbers, ascending; looked up by address when asked, since few are asked about."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._asked = 0
        self._wide: dict[int, list[int]] = {}
        for number in range(component.points, component.count):
            self._wide.setdefault(component.owner[number], []).append(number)

    @cached_property
    def _ordinals(self) -> dict[str, int]:
        return {interface[AT_ID]: ordinal for ordinal, interface in enumerate(self._component.interfaces)}

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
        # By its first address, as long as one is asked about now and then; else all are listed first.
        if self._asked >= OFTEN:
            return self.of(self._ordinals[id])
        self._asked += 1
        component = self._component
        known = component.world.estate.interfaces.get(id)
        if known is not None and known.addresses:
            first = known.addresses[0][0]
            at = bisect_left(component.starts, first)
            while at < component.points and component.starts[at] == first:
                if component.interfaces[component.owner[at]].id == id:
                    return self.of(component.owner[at])
                at += 1
        return self.of(self._ordinals[id])

    def __contains__(self, id: object) -> bool:
        return id in self._ordinals

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordinals)

    def __len__(self) -> int:
        return len(self._ordinals)
