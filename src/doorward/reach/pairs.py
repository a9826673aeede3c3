"""Everything that can flow between interfaces by private ways: all pairs, all services, the whole estate.

Endpoints that no rule, route or ACL tells apart are one *atom*; atoms are numbered in the order of addresses, so that a
CIDR is one run of bits and a set of atoms is one small Python integer. For each target the sources are found as
ingress & egress & network, each a set of atoms; nothing is done source by source.
First packets, as ``private.flows`` (path A of the rule book) gives them; not over the internet, not through balancers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from doorward.model.addresses import V4, V6_SET
from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import ALL, ALL_OF_FAMILY, ALL_SPAN, ICMP, ICMPV6, block
from doorward.reach import acls, routes
from doorward.reach.ends import accepts
from doorward.reach.policy import reference_scope
from doorward.reach.private import flows, through_hidden
from doorward.reach.world import Bound, Cls, Component, World, bits_of, numbers_in, union_bits

Cell = tuple[int, int, int]
"""On services first … last: these sources, as a set of atoms."""
NARROW = 64
"""Egress on at most so many services is found by its place, wider ones are few and always tried."""
FEW = 12
"""So many are tried one after the other."""
Sending = tuple[int, list[Cell]]
"""Services → sources that may send them; before it, all these sources together."""
_ABSENT = {4: block(ICMPV6), 6: block(ICMP)}


class Atom(NamedTuple):
    """Endpoints of one class that nothing tells apart."""

    cls: Cls
    endpoints: int
    """As bits of the component's numbering."""
    interface: str | None
    """The only interface among them, if it is one."""


class Pair(NamedTuple):
    """What flows from the endpoints of one class to those of another; same interfaces are left out by ``owners``."""

    source: Cls
    target: Cls
    sources: int
    """Endpoints of the component."""
    targets: int
    services: Intervals


class Pairs:
    """All private flows of one component, by target."""

    def __init__(self, component: Component, atoms: list[Atom], into: list[list[Cell]]) -> None:
        self.component = component
        self.atoms = atoms
        self.into = into
        """For each atom (as target) cells of services and sources; spans may overlap, what they hold is united."""

    def sources_of(self, target: int) -> int:
        """All atoms that reach an atom on any service."""
        found = 0
        for _, _, bits in self.into[target]:
            found |= bits
        return found

    def count(self) -> int:
        """How many (source atom, target atom) pairs something flows between."""
        return sum(self.sources_of(target).bit_count() for target in range(len(self.atoms)))

    def endpoints(self, atoms: int) -> int:
        """A set of atoms as endpoints of the component."""
        return union_bits(self.atoms[number].endpoints for number in numbers_in(atoms))

    def on(self, target: int, service: int) -> int:
        """The atoms that reach an atom on one service."""
        return union_bits(bits for first, last, bits in self.into[target] if first <= service <= last)

    def __iter__(self) -> Iterator[Pair]:
        """Pairs of atoms with their services. Quadratic: for what is small, or taken in part."""
        for number, target in enumerate(self.atoms):
            spans: dict[int, list[Span]] = {}
            for first, last, bits in self.into[number]:
                for source in numbers_in(bits):
                    spans.setdefault(source, []).append((first, last))
            for source, found in sorted(spans.items()):
                atom = self.atoms[source]
                yield Pair(atom.cls, target.cls, atom.endpoints, target.endpoints, Intervals(found))


def all_pairs(world: World, bound: Bound = Bound.LOWER) -> list[Pairs]:
    """Everything that can flow by private ways, component by component: for certain (lower) or at most (upper)."""
    return [pairs_within(component, bound) for component in world.all_components()]


def pairs_within(component: Component, bound: Bound = Bound.LOWER) -> Pairs:
    """The same within one component."""
    upper = bound is Bound.UPPER
    if component.wide or (upper and (through_hidden(component) or component.world.attached_subnets)):
        return _one_by_one(component, bound)
    return _Sweep(component, bound).pairs()


def _one_by_one(component: Component, bound: Bound) -> Pairs:
    """Where addresses are ranges, or hops are not looked into: every endpoint its own atom, flows pair by pair."""
    atoms = [Atom(cls, 1 << number, component.interface_of(number).id) for number, cls in enumerate(component.class_of)]
    into: list[list[Cell]] = [[] for _ in atoms]
    own = {interface.id: component.of_interface(interface.id) for interface in component.interfaces}

    def listened(cls: Cls, side: Bound) -> Intervals:
        return accepts(component.world, cls, side)

    for flow in flows(component, component.all, component.all, ALL, bound, listened):
        for target in numbers_in(flow.targets):
            sources = flow.sources & ~own[atoms[target].interface or ""]
            if sources:
                into[target].append((flow.first, flow.last, sources))
    return Pairs(component, atoms, into)


class _Sweep:
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
            into.append(_into(cells, always[at], sending[at], net))
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


def _into(heard: list[Cell], always: int, sending: list[Sending], net: list[Cell]) -> list[Cell]:
    """Ingress & egress & network of one target."""
    found: list[Cell] = []
    left: list[Cell] = []
    wanted = 0
    for first, last, admitted in heard:
        for begin, end, through in net:
            sources = admitted & through
            if not sources or last < begin or end < first:
                continue
            low = first if first > begin else begin
            high = last if last < end else end
            certain = sources & always
            if certain:
                found.append((low, high, certain))
                sources ^= certain
            if sources:
                left.append((low, high, sources))
                wanted |= sources
    if not wanted:
        return found
    cells = [cell for union, cells in sending if union & wanted for cell in cells if cell[2] & wanted]
    if len(cells) > FEW:
        cells.sort()
        lows = [cell[0] for cell in cells]
        wide = [cell for cell in cells if cell[1] - cell[0] > NARROW]
        for low, high, sources in left:
            near = cells[bisect_left(lows, low - NARROW) : bisect_right(lows, high)]
            for start, stop, bits in near:
                bits &= sources
                if bits and low <= stop and stop - start <= NARROW:
                    found.append((start if start > low else low, stop if stop < high else high, bits))
            for start, stop, bits in wide:
                if start <= high and low <= stop and bits & sources:
                    found.append((start if start > low else low, stop if stop < high else high, bits & sources))
        return found
    for low, high, sources in left:
        for start, stop, bits in cells:
            if start <= high and low <= stop:
                bits &= sources
                if bits:
                    found.append((start if start > low else low, stop if stop < high else high, bits))
    return found


__all__ = ["Atom", "Cell", "Pair", "Pairs", "all_pairs", "pairs_within"]
