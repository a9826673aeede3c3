"""All private flows of one component, target by target; see ``pairs`` for the idea.

The sets of atoms that rules, ACLs and routes tell apart are found first; then each target is one pass.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import Any

from doorward.model.addresses import V4, V6_SET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import ALL_OF_FAMILY, ALL_SPAN, ICMP, ICMPV6, block
from doorward.reach import acls, routes
from doorward.reach.atoms import Atom, Cell, Pairs
from doorward.reach.cells import Sending, meet
from doorward.reach.ends import accepts
from doorward.reach.policy import reference_scope
from doorward.reach.world import Bound, Cls, Component, bits_of, numbers_in, union_bits

_ABSENT = {4: block(ICMPV6), 6: block(ICMP)}


class Sweep:
    """One component at work."""

    def __init__(self, component: Component, bound: Bound) -> None:
        self.component = component
        self.world = component.world
        self.bound = bound
        self.homes = list(dict.fromkeys((cls.key.subnet, cls.key.vpc) for cls in component.classes))
        self.open_acls = {subnet for subnet, _ in self.homes if self._lets_all(subnet)}
        self._number()

    # --- atoms -----------------------------------------------------------------------------------------------------

    def _number(self) -> None:
        component = self.component
        edges = self._edges()
        in_order: dict[tuple[int, int], list[int]] = {}
        starts = [0, *edges, component.count]
        class_of = component.class_of
        for segment in range(len(starts) - 1):
            for number in range(starts[segment], starts[segment + 1]):
                in_order.setdefault((segment, class_of[number].number), []).append(number)
        self.atoms: list[Atom] = []
        self.firsts: list[int] = []
        """First endpoint of every atom."""
        self.begins = [0] * (len(starts))
        """First atom of every segment of addresses; one more at the end."""
        self.edges = edges
        self.bits: dict[int, int] = {cls.number: 0 for cls in component.classes}
        """Class number → its atoms."""
        last = -1
        for at, ((segment, number), endpoints) in enumerate(in_order.items()):
            for one in range(last + 1, segment + 1):
                self.begins[one] = at
            last = segment
            owner = component.owner[endpoints[0]]
            alone = all(component.owner[endpoint] == owner for endpoint in endpoints)
            self.atoms.append(
                Atom(component.classes[number], bits_of(endpoints), component.interfaces[owner].id if alone else None)
            )
            self.firsts.append(endpoints[0])
            self.bits[number] |= 1 << at
        for one in range(last + 1, len(starts)):
            self.begins[one] = len(self.atoms)
        self.all = (1 << len(self.atoms)) - 1
        self.v4 = self.shrunk(component.v4)
        self.v6 = self.all & ~self.v4
        self._runs: dict[Span, int] = {}

    def _edges(self) -> list[int]:
        """Endpoint numbers at which something begins to treat endpoints differently."""
        component, world = self.component, self.world
        spans: set[Span] = set()
        for group in self.groups.values():
            for rule in group.rules:
                peer = rule.peer
                if isinstance(peer, PrefixListPeer):
                    known = world.estate.prefix_lists.get(peer.prefix_list)
                    spans.update(known.cidrs.spans if known is not None and known.cidrs is not None else ())
                elif not isinstance(peer, GroupPeer | AnyPeer):
                    spans.add(peer)
        for subnet, _ in self.homes:
            acl = world.estate.acls.get(acls.acl_of(world, subnet) or "")
            if acl is not None:
                spans.update(entry.cidr for entry in acl.entries)
        starts = component.starts
        found = {component.v4.bit_count()}
        for first, last in spans:
            found.add(bisect_left(starts, first))
            found.add(bisect_right(starts, last))
        changes = 0
        for subnet, vpc in self.homes:
            led = routes.private(component, subnet, vpc, self.bound)
            changes |= led ^ (led << 1)
        found.update(numbers_in(changes))
        return sorted(number for number in found if 0 < number < component.count)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups of all classes, as far as they are known."""
        known = self.world.estate.groups
        names = {name for cls in self.component.classes for name in cls.key.groups + cls.key.maybe}
        return {name: known[name] for name in sorted(names) if name in known}

    def shrunk(self, endpoints: int) -> int:
        """A set of endpoints that holds every atom wholly or not at all, as atoms."""
        raw = endpoints.to_bytes(self.component.count // 8 + 1, "little")
        return bits_of(at for at, first in enumerate(self.firsts) if raw[first >> 3] >> (first & 7) & 1)

    def run(self, span: Span) -> int:
        """The atoms with an address in a span."""
        found = self._runs.get(span)
        if found is None:
            starts = self.component.starts
            low, high = bisect_left(starts, span[0]), bisect_right(starts, span[1])
            found = 0
            if low < high:
                first = self.begins[bisect_right(self.edges, low)]
                # ``high`` is an edge (or the end): the segment that begins there is the first that is not meant.
                last = self.begins[bisect_right(self.edges, high)] if high < self.component.count else len(self.atoms)
                found = ((1 << (last - first)) - 1) << first
            self._runs[span] = found
        return found

    def inside(self, addresses: Intervals) -> int:
        """The atoms with an address in a set."""
        return union_bits(self.run(span) for span in addresses.spans)

    # --- rules -----------------------------------------------------------------------------------------------------

    def admitted(self, group: Group, vpc: str, direction: Direction) -> dict[Span, int]:
        """Services → peers of a group whose members are in a VPC, as atoms."""
        found: dict[Span, int] = {}
        scope: int | None = None
        upper = self.bound is Bound.UPPER
        runs: dict[Any, int] = self._runs  # whatever else a peer is, it is not in here
        for rule in group.rules:
            if rule.direction != direction or not (upper or rule.certain):
                continue
            peer = rule.peer
            if isinstance(peer, GroupPeer):
                if scope is None:
                    scope = self._scope(vpc, direction)
                bits = self.members(peer.group) & scope
            else:
                known = runs.get(peer)
                bits = self._other(rule) if known is None else known
            if bits:
                found[rule.service] = found.get(rule.service, 0) | bits
        return found

    def _other(self, rule: Rule) -> int:
        peer = rule.peer
        if isinstance(peer, PrefixListPeer):
            known = self.world.estate.prefix_lists.get(peer.prefix_list)
            if known is not None and known.cidrs is not None:
                return self.inside(known.cidrs)
            return 0 if self.bound is Bound.LOWER else self.all
        if isinstance(peer, AnyPeer | GroupPeer):
            return self.all
        return self.run(peer)

    @cached_property
    def _scopes(self) -> dict[tuple[str, Direction], int]:
        return {}

    def _scope(self, vpc: str, direction: Direction) -> int:
        found = self._scopes.get((vpc, direction))
        if found is None:
            found = self._scopes[vpc, direction] = self.shrunk(reference_scope(self.component, vpc, direction))
        return found

    @cached_property
    def _members(self) -> dict[str, int]:
        return {}

    def members(self, group: str) -> int:
        """The atoms whose interfaces are in a group (possibly, in the upper bound)."""
        found = self._members.get(group)
        if found is None:
            component = self.component
            classes = list(component.by_group.get(group, ()))
            if self.bound is Bound.UPPER:
                classes += component.by_maybe_group.get(group, ())
                home = self.world.estate.groups.get(group)
                if home is not None and component.unknown_membership:
                    classes += [cls for cls in component.classes if cls.key.unknown and cls.key.vpc == home.vpc]
            found = self._members[group] = union_bits(self.bits[cls.number] for cls in classes)
        return found

    def open(self, cls: Cls) -> bool:
        """Whether groups do not filter a class at all."""
        key = cls.key
        if self.bound is Bound.LOWER:
            return not key.groups and not key.maybe and not key.unknown
        names = key.groups + key.maybe
        return not names or bool(key.unknown) or any(name not in self.groups for name in names)

    def names(self, cls: Cls) -> tuple[str, ...]:
        """The groups of a class that count in this bound."""
        return cls.key.groups if self.bound is Bound.LOWER else cls.key.groups + cls.key.maybe

    def egress(self) -> tuple[list[int], list[list[Sending]]]:
        """For each atom (as target): sources whose groups let them send everything there, and those that may send
        some."""
        senders: dict[tuple[str, str], int] = {}
        everywhere = 0
        for cls in self.component.classes:
            mine = self.bits[cls.number]
            if self.open(cls):
                everywhere |= mine
                continue
            for name in self.names(cls):
                if name in self.groups:
                    senders[name, cls.key.vpc] = senders.get((name, cls.key.vpc), 0) | mine
        by_targets: dict[int, dict[Span, int]] = {self.all: {ALL_SPAN: everywhere}} if everywhere else {}
        for (name, vpc), mine in senders.items():
            for span, targets in self.admitted(self.groups[name], vpc, "egress").items():
                known = by_targets.setdefault(targets, {})
                known[span] = known.get(span, 0) | mine
        always = [0] * len(self.atoms)
        some: list[list[Sending]] = [[] for _ in self.atoms]
        for targets, spans in by_targets.items():
            whole = spans.pop(ALL_SPAN, 0)
            if whole:
                for target in numbers_in(targets):
                    always[target] |= whole
            if spans:
                sending = union_bits(spans.values()), [(*span, mine) for span, mine in spans.items()]
                for target in numbers_in(targets):
                    some[target].append(sending)
        return always, some

    # --- network ---------------------------------------------------------------------------------------------------

    def _lets_all(self, subnet: str) -> bool:
        """Whether a subnet's ACL passes everything both ways, in the families that anybody in the subnet has."""
        here = self.component.subnet_bits[subnet]
        needed = (V4 if here & self.component.v4 else EMPTY) | (V6_SET if here & self.component.v6 else EMPTY)
        return all(
            needed <= cell.addresses
            for egress in (False, True)
            for cell in acls.admitted(self.world, subnet, egress, ALL_SPAN, self.bound)
        )

    def network(self) -> tuple[list[int], list[int], dict[str, list[Cell]]]:
        """For each target atom: sources of its own subnet, and sources whose routes lead to it; for each subnet with an
        ACL: the sources that the ACL lets in, by service. What ACLs let out is in ``leaving``."""
        near: list[int] = []
        by_subnet: dict[str, int] = {}
        for cls in self.component.classes:
            by_subnet[cls.key.subnet] = by_subnet.get(cls.key.subnet, 0) | self.bits[cls.number]
        for atom in self.atoms:
            near.append(by_subnet[atom.cls.key.subnet])
        by_way: dict[int, int] = {}
        for subnet, vpc in self.homes:
            way = routes.private(self.component, subnet, vpc, self.bound)
            by_way[way] = by_way.get(way, 0) | self._at(subnet, vpc)
        led = self._turned([(self.shrunk(way), sources) for way, sources in by_way.items()])
        entering = {
            subnet: [
                (first, last, self.inside(addresses))
                for first, last, addresses in acls.admitted(self.world, subnet, False, ALL_SPAN, self.bound)
            ]
            for subnet in by_subnet
            if subnet not in self.open_acls
        }
        return near, led, entering

    def _at(self, subnet: str, vpc: str) -> int:
        return union_bits(self.bits[cls.number] for cls in self.component.by_subnet[subnet] if cls.key.vpc == vpc)

    def leaving(self) -> list[tuple[int, int, list[int]]]:
        """Pieces of services with, for each target atom, the sources whose ACLs let them out towards it."""
        free = union_bits(self._at(*home) for home in self.homes if home[0] in self.open_acls)
        closed = [home for home in self.homes if home[0] not in self.open_acls]
        cells = {home: acls.admitted(self.world, home[0], True, ALL_SPAN, self.bound) for home in closed}
        edges = sorted({ALL_SPAN[0], *(cell.first for some in cells.values() for cell in some)})
        places = dict.fromkeys(closed, 0)
        found: list[tuple[int, int, list[int]]] = []
        for first, last in zip(edges, [edge - 1 for edge in edges[1:]] + [ALL_SPAN[1]], strict=True):
            rows = [(self.all, free)]
            for home in closed:
                while cells[home][places[home]].last < first:
                    places[home] += 1
                rows.append((self.inside(cells[home][places[home]].addresses), self._at(*home)))
            found.append((first, last, self._turned(rows)))
        return found

    def _turned(self, rows: list[tuple[int, int]]) -> list[int]:
        """From (targets, sources) to the sources of each target. Sources of different rows are disjoint."""
        toggles = [0] * (len(self.atoms) + 1)
        for targets, sources in rows:
            for at in numbers_in(targets ^ (targets << 1)):
                toggles[at] ^= sources
        current = 0
        found: list[int] = []
        for at in range(len(self.atoms)):
            current ^= toggles[at]
            found.append(current)
        return found

    # --- all together ----------------------------------------------------------------------------------------------

    def pairs(self) -> Pairs:
        """The result."""
        always, sending = self.egress()
        near, led, entering = self.network()
        leaving = self.leaving()
        heard: dict[tuple[int, int], list[Cell]] = {}
        groups: dict[tuple[str, str], dict[Span, int]] = {}
        own = self._own()
        into: list[list[Cell]] = []
        for at, atom in enumerate(self.atoms):
            six = self.v6 >> at & 1
            key = (atom.cls.number, six)
            cells = heard.get(key)
            if cells is None:
                cells = heard[key] = self._heard(atom.cls, 6 if six else 4, groups)
            if not cells:
                into.append([])
                continue
            mask = self.v6 if six else self.v4
            if atom.interface is not None:
                mask &= ~own[atom.interface]
            net = self._net(at, near[at] & mask, led[at] & mask, entering.get(atom.cls.key.subnet), leaving)
            into.append(meet(cells, always[at], sending[at], net))
        return Pairs(self.component, self.atoms, into)

    def _own(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for at, atom in enumerate(self.atoms):
            if atom.interface is not None:
                found[atom.interface] = found.get(atom.interface, 0) | 1 << at
        return found

    def _net(
        self, at: int, near: int, led: int, entering: list[Cell] | None, leaving: list[tuple[int, int, list[int]]]
    ) -> list[Cell]:
        """Services → sources that routes and ACLs let through to an atom."""
        found: list[Cell] = []
        for first, last, out in leaving:
            far = led & out[at] & ~near
            for low, high, bits in entering or ((first, last, far),):
                if low <= last and first <= high:
                    cell = (max(low, first), min(high, last), near | (far & bits))
                    if found and found[-1][2] == cell[2]:
                        found[-1] = (found[-1][0], cell[1], cell[2])
                    else:
                        found.append(cell)
        return found

    def _heard(self, cls: Cls, family: int, groups: dict[tuple[str, str], dict[Span, int]]) -> list[Cell]:
        """Services → sources that the groups of a class admit, as far as it listens and the family has the service."""
        if self.open(cls):
            spans = {ALL_SPAN: self.all}
        else:
            spans = {}
            for name in self.names(cls):
                if name not in self.groups:
                    continue
                key = (name, cls.key.vpc)
                admitted = groups.get(key)
                if admitted is None:
                    admitted = groups[key] = self.admitted(self.groups[name], cls.key.vpc, "ingress")
                for span, bits in admitted.items():
                    spans[span] = spans.get(span, 0) | bits
        listened = accepts(self.world, cls, self.bound) & ALL_OF_FAMILY[6 if family == 6 else 4]
        low, high = _ABSENT[family]
        plain = listened == ALL_OF_FAMILY[6 if family == 6 else 4]
        found: list[Cell] = []
        for (first, last), bits in spans.items():
            if plain and (last < low or high < first):
                found.append((first, last, bits))
            else:
                found.extend((*span, bits) for span in (listened & Intervals([(first, last)])).spans)
        return found
