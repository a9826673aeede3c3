"""What the security groups of a class admit: services × peers, as cells over a span of services.

Security groups only ever allow, so a class's groups are united, and cells are unions (VPC User Guide, *Security
groups*).
What does not live here: ACLs, routes, and who is asked about.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from doorward.model.addresses import EVERYWHERE, INTERNET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import WIDE, AnyPeer, Direction, Group, GroupPeer, PrefixListPeer, Rule, Rules
from doorward.model.services import ALL_SPAN
from doorward.reach.twins import twins
from doorward.reach.world import Bound, Cls, Component, World


class BitCell(NamedTuple):
    """On services ``first`` … ``last``: these endpoints."""

    first: int
    last: int
    bits: int


class AddressCell(NamedTuple):
    """On services ``first`` … ``last``: these addresses."""

    first: int
    last: int
    addresses: Intervals


class Policy:
    """The united groups of a class, in one direction and bound."""

    __slots__ = (
        "_address_cells",
        "_bit_cells",
        "_covers",
        "_public_cells",
        "bound",
        "component",
        "direction",
        "groups",
        "open",
        "vpc",
    )

    def __init__(self, component: Component, cls: Cls, direction: Direction, bound: Bound) -> None:
        self.component = component
        self.bound = bound
        self.direction: Direction = direction
        self.vpc = cls.key.vpc
        key = cls.key
        upper = bound is Bound.UPPER
        self.open = not key.groups and not key.maybe and not key.unknown
        names = key.groups + key.maybe if upper else key.groups
        if upper and key.unknown:
            self.open = True
        groups = component.world.estate.groups
        self.groups: list[Group] = []
        for name in names:
            group = groups.get(name)
            if group is None:
                # An interface names it, so it exists, but its rules were not given: unknown.
                self.open = self.open or upper
            else:
                self.groups.append(group)
        self._bit_cells: dict[Span, list[BitCell]] = {}
        self._address_cells: dict[Span, list[AddressCell]] = {}
        self._public_cells: dict[Span, list[AddressCell]] = {}
        self._covers: dict[Span, int] = {}

    @property
    def rules(self) -> list[Rule]:
        """All rules of the groups, each once."""
        upper = self.bound is Bound.UPPER
        return list(
            dict.fromkeys(
                rule
                for group in self.groups
                for rule in group.rules
                if rule.direction == self.direction and (upper or rule.certain)
            )
        )

    def touching(self, span: Span) -> list[Rule]:
        """The rules that allow any of a span of services."""
        if self.bound is Bound.UPPER:
            return [rule for group in self.groups for rule in group.touching(self.direction, span)]
        return [rule for group in self.groups for rule in group.touching(self.direction, span) if rule.certain]

    def covering(self, span: Span) -> int:
        """Endpoints admitted by rules that each hold the whole span: a quick lower estimate of the cells."""
        if self.open:
            return self.component.all
        found = self._covers.get(span)
        if found is None:
            first, last = span
            found = self._bits(
                [rule for rule in self.touching(span) if rule.service[0] <= first and last <= rule.service[1]]
            )
            self._covers[span] = found
        return found

    def cells(self, span: Span) -> list[BitCell]:
        """The span cut where rules begin and end, with the endpoints admitted on each piece."""
        if self.open:
            return [BitCell(*span, self.component.all)]
        found = self._bit_cells.get(span)
        if found is None:
            found = [BitCell(low, high, self._bits(rules)) for low, high, rules in _pieces(self.touching(span), span)]
            self._bit_cells[span] = found
        return found

    def outside(self, span: Span) -> list[AddressCell]:
        """The span cut likewise, with the addresses admitted by CIDR or prefix list (group references never match)."""
        return self._swept(span, _names_addresses, self._address_cells)

    def internet(self, span: Span) -> list[AddressCell]:
        """As ``outside``, of rules that name any address of the internet: what only names private ones is left out."""
        if self.open:
            return [AddressCell(*span, EVERYWHERE)]
        found = self._public_cells.get(span)
        if found is None:
            found = self._public_cells[span] = self._sweep(span, self.naming_internet(span))
        return found

    def naming_internet(self, span: Span) -> list[Rule]:
        """The rules that allow any of a span of services and name any address of the internet."""
        world, direction, bound = self.component.world, self.direction, self.bound
        return [rule for group in self.groups for rule in _public_rules(world, group, direction, span)[bound]]

    def _swept(
        self, span: Span, wanted: Callable[[Rule], bool], cache: dict[Span, list[AddressCell]]
    ) -> list[AddressCell]:
        if self.open:
            return [AddressCell(*span, EVERYWHERE)]
        found = cache.get(span)
        if found is None:
            found = cache[span] = self._sweep(span, [rule for rule in self.touching(span) if wanted(rule)])
        return found

    def _sweep(self, span: Span, rules: list[Rule]) -> list[AddressCell]:
        """One pass over the services at which rules begin and end."""
        first, last = span
        begins: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        for number, rule in enumerate(rules):
            low, high = rule.service
            if low <= last and first <= high:
                begins.setdefault(low if low > first else first, []).append(number)
                if high < last:
                    ends.setdefault(high + 1, []).append(number)
        edges = sorted({first, *begins, *ends})
        active: dict[int, None] = {}
        found: list[AddressCell] = []
        start, before = first, EMPTY
        for low in edges:
            for number in ends.get(low, ()):
                del active[number]
            for number in begins.get(low, ()):
                active[number] = None
            addresses = self._addresses([rules[number] for number in active]) if active else EMPTY
            if addresses is not before and addresses != before:
                if low > first:
                    found.append(AddressCell(start, low - 1, before))
                start, before = low, addresses
        found.append(AddressCell(start, last, before))
        return found

    def _bits(self, rules: list[Rule]) -> int:
        component = self.component
        bits = 0
        spans: list[Span] | None = [] if component.wide else None
        for rule in rules:
            peer = rule.peer
            if isinstance(peer, GroupPeer):
                bits |= self.referenced(peer)
            elif isinstance(peer, PrefixListPeer):
                bits |= component.inside(self.entries(peer), self.bound)
            elif isinstance(peer, AnyPeer):
                return component.all
            elif spans is None:
                bits |= component.run(peer)
            else:
                spans.append(peer)
        if spans:
            bits |= component.inside(Intervals(spans), self.bound)
        return bits

    def _addresses(self, rules: list[Rule]) -> Intervals:
        spans: list[Span] = []
        for rule in rules:
            peer = rule.peer
            if isinstance(peer, PrefixListPeer):
                spans.extend(self.entries(peer).spans)
            elif isinstance(peer, AnyPeer):
                return EVERYWHERE
            elif not isinstance(peer, GroupPeer):
                spans.append(peer)
        return _united(tuple(spans)) if spans else EMPTY

    def referenced(self, peer: GroupPeer) -> int:
        """Private endpoints of a referenced group, as far as the reference reaches from this VPC.

        At most (upper bound) also those of other VPCs that have the address of one of them.
        """
        component = self.component
        found = component.members(peer.group, self.bound) & reference_scope(component, self.vpc, self.direction)
        return found if self.bound is Bound.LOWER else found | twins(component, found)

    def entries(self, peer: PrefixListPeer) -> Intervals:
        """Addresses of a prefix list; an unknown list is nothing (lower) or everything (upper)."""
        found = self.component.world.estate.prefix_lists.get(peer.prefix_list)
        if found is not None and found.cidrs is not None:
            return found.cidrs
        return EMPTY if self.bound is Bound.LOWER else EVERYWHERE


def _pieces(all_rules: list[Rule], span: Span) -> list[tuple[int, int, list[Rule]]]:
    first, last = span
    touching = [rule for rule in all_rules if rule.service[0] <= last and first <= rule.service[1]]
    cuts = {first}
    for rule in touching:
        low, high = rule.service
        if low > first:
            cuts.add(low)
        if high < last:
            cuts.add(high + 1)
    if len(cuts) == 1:
        return [(first, last, touching)]
    edges = sorted(cuts)
    return [
        (low, high, [rule for rule in touching if rule.service[0] <= low and high <= rule.service[1]])
        for low, high in zip(edges, [edge - 1 for edge in edges[1:]] + [last], strict=True)
    ]


def _names_addresses(rule: Rule) -> bool:
    return not isinstance(rule.peer, GroupPeer)


def _public_rules(world: World, group: Group, direction: Direction, span: Span) -> tuple[Rules, Rules]:
    """The rules of one group that name any address of the internet, by bound; shared by all policies of the group."""
    name = ("public rules", group.id, direction, span)
    found = world.cache.get(name)
    if found is None:
        if span != ALL_SPAN and span[1] - span[0] >= WIDE:
            # Wide spans are asked for in turn (one family, then the other), and few rules name the internet.
            first, last = span
            near = _public_rules(world, group, direction, ALL_SPAN)[Bound.UPPER]
            named = tuple([rule for rule in near if rule.service[0] <= last and first <= rule.service[1]])
        else:
            named = tuple([rule for rule in group.touching(direction, span) if _names_internet(rule)])
        found = world.cache[name] = tuple([rule for rule in named if rule.certain]), named
    return found  # type: ignore[return-value]  # the cache holds many kinds; this key only ever this one


def _names_internet(rule: Rule) -> bool:
    peer = rule.peer
    if isinstance(peer, GroupPeer):
        return False
    return isinstance(peer, (PrefixListPeer, AnyPeer)) or _of_internet(peer)


@lru_cache(maxsize=1 << 16)
def _of_internet(cidr: Span) -> bool:
    """Whether the internet has any of it; the same few CIDRs are in many rules."""
    return INTERNET.meets(*cidr)


@lru_cache(maxsize=1 << 16)
def _united(spans: tuple[Span, ...]) -> Intervals:
    """Their union; equal sets are mostly one object then, which is found and compared faster."""
    return Intervals(spans)


def policy(component: Component, cls: Cls, direction: Direction, bound: Bound) -> Policy:
    """The policy of a class, shared by all classes with the same groups in the same VPC."""
    key = cls.key
    name = ("policy", key.groups, key.maybe, key.unknown, key.vpc, direction, bound)
    found = component.cache.get(name)
    if found is None:
        found = component.cache[name] = Policy(component, cls, direction, bound)
    assert isinstance(found, Policy)
    return found


def referenceable(component: Component, vpc: str, direction: Direction) -> frozenset[str]:
    """VPCs whose groups a rule of a group in ``vpc`` can reference with effect.

    Same VPC; VPCs over an active peering of the same Region (VPC Peering Guide, *Update your security groups to
    reference
    peer security groups*); inbound rules also over a transit gateway with security group referencing
    (TGW, *Security group referencing*).
    """
    name = ("referenceable", vpc, direction)
    found = component.cache.get(name)
    if found is None:
        estate = component.world.estate
        vpcs = {vpc}
        for peering in estate.peerings.values():
            one, other = peering.regions
            if peering.active and vpc in peering.vpcs and (one is None or other is None or one == other):
                vpcs.update(peering.vpcs)
        if direction == "ingress":
            for gateway in estate.transit_gateways.values():
                if gateway.group_referencing:
                    joined = {
                        a.resource for a in gateway.attachments if a.kind == "vpc" and a.active and a.group_referencing
                    }
                    if vpc in joined:
                        vpcs |= joined
        found = component.cache[name] = frozenset(vpcs)
    assert isinstance(found, frozenset)
    return found


def reference_scope(component: Component, vpc: str, direction: Direction) -> int:
    """The endpoints of the VPCs that a reference can reach, as bits."""
    name = ("reference scope", vpc, direction)
    found = component.cache.get(name)
    if found is None:
        found = 0
        for one in referenceable(component, vpc, direction):
            found |= component.vpc_bits.get(one, 0)
        component.cache[name] = found
    assert isinstance(found, int)
    return found
