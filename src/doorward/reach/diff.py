"""The semantic difference of two estates: flows gained and lost, nothing for changes that alter no flow.

Only what could differ is computed: interfaces whose rules, groups, subnet, ACL, routes or gateways changed, as sources
and as targets. *Lost* are connections that opened before (answer included) and no longer do; *gained* are first packets
that arrive now and did not before, and connections that open now and did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from doorward.model.addresses import show_addresses
from doorward.model.estate import Estate, Interface
from doorward.model.intervals import EMPTY, Intervals, Span, union
from doorward.model.rules import AnyPeer, Group, PrefixListPeer
from doorward.model.services import ALL, ALL_OF_FAMILY, EPHEMERAL, show_services
from doorward.model.verdict import Flow, FlowDiff
from doorward.reach.border import arrivals, departures
from doorward.reach.boxes import Box, Numbering, difference, merged
from doorward.reach.ends import accepts
from doorward.reach.private import flows
from doorward.reach.world import Bound, Cls, Component, World, bits_of, numbers_in, union_bits


class Touched(NamedTuple):
    """Interfaces whose flows could differ, as targets and as sources, and on which services."""

    targets: dict[str, Intervals]
    sources: dict[str, Intervals]


def diff(before: Estate, after: Estate) -> FlowDiff:
    """Flows gained and lost between two estates. Judged in the lower bound: what flows for certain."""
    if before is after:
        return FlowDiff()
    touched = touched_interfaces(before, after)
    old, new = World(before), World(after)
    gained: list[Flow] = []
    lost: list[Flow] = []
    labels = Labels(before, after)
    for mine, theirs in _paired(old, new, touched):
        numbering = Numbering()
        # Bits of two components mean the same if nothing but rules and groups differs: then names come last.
        aligned = len(mine) == len(theirs) == 1 and mine[0].alike(theirs[0])
        sides = [
            [
                [box for one in part for box in _private(one, touched, numbering, answered, aligned)]
                for part in (mine, theirs)
            ]
            for answered in (True, False)
        ]
        opened, arrived = sides
        more = [*difference(opened[1], opened[0]), *difference(arrived[1], arrived[0])]
        fewer = difference(opened[0], opened[1])
        if aligned:
            more, fewer = ([_named(box, numbering, mine[0]) for box in boxes] for boxes in (more, fewer))
        gained += _flows(more, numbering, labels)
        lost += _flows(fewer, numbering, labels)
    border = _Border(old, new, touched)
    return FlowDiff((*gained, *border.gained()), (*lost, *border.lost()), tuple(_notices(before, after)))


def _named(box: Box, numbering: Numbering, component: Component) -> Box:
    return box._replace(
        sources=numbering.translate(component, box.sources), targets=numbering.translate(component, box.targets)
    )


def _paired(old: World, new: World, touched: Touched) -> list[tuple[list[Component], list[Component]]]:
    """The touched components of both worlds, those of one with those of the other that share a VPC."""
    parts: list[tuple[set[str], list[Component], list[Component]]] = []
    for at, world in ((1, old), (2, new)):
        vpcs = {
            world.estate.interfaces[id].vpc
            for id in {*touched.targets, *touched.sources}
            if id in world.estate.interfaces
        }
        for component in dict.fromkeys(world.component_of(vpc) for vpc in sorted(vpcs)):
            joined: tuple[set[str], list[Component], list[Component]] = (set(component.vpcs), [], [])
            (joined[1] if at == 1 else joined[2]).append(component)
            for part in [one for one in parts if one[0] & joined[0]]:
                parts.remove(part)
                joined = (joined[0] | part[0], part[1] + joined[1], part[2] + joined[2])
            parts.append(joined)
    return [(mine, theirs) for _, mine, theirs in parts]


# --- what could differ ------------------------------------------------------------------------------------------


def touched_interfaces(before: Estate, after: Estate) -> Touched:
    """Interfaces whose flows could differ, and on which services."""
    ingress, egress = changed_groups(before, after)
    targets: dict[str, Intervals] = {}
    sources: dict[str, Intervals] = {}
    vpcs, subnets = _changed_places(before, after)
    for estate, other in ((before, after), (after, before)):
        for id, interface in estate.interfaces.items():
            also = other.interfaces.get(id)
            if (also != interface and _essence(also) != _essence(interface)) or (
                interface.subnet in subnets or interface.vpc in vpcs
            ):
                targets[id] = sources[id] = ALL
                continue
            groups = interface.groups + interface.maybe_groups if interface.maybe_groups else interface.groups
            for changed, found in ((ingress, targets), (egress, sources)):
                if not changed.keys().isdisjoint(groups):
                    found[id] = union(changed[group] for group in groups if group in changed)
        for id, balancer in estate.load_balancers.items():
            there = other.load_balancers.get(id)
            if there is None or there.listeners != balancer.listeners or there.interfaces != balancer.interfaces:
                targets.update(dict.fromkeys(balancer.interfaces, ALL))
    return Touched(targets, sources)


def _essence(interface: Interface | None) -> object:
    if interface is None:
        return None
    return interface._replace(name="", description="", tags=(), origin=None, instance=None)


def changed_groups(before: Estate, after: Estate) -> tuple[dict[str, Intervals], dict[str, Intervals]]:
    """Groups whose ingress, and whose egress, rules differ in what they allow → the services of the rules that
    differ."""
    lists = {
        id
        for id in {*before.prefix_lists, *after.prefix_lists}
        if getattr(before.prefix_lists.get(id), "cidrs", None) != getattr(after.prefix_lists.get(id), "cidrs", None)
    }
    found: tuple[dict[str, Intervals], dict[str, Intervals]] = ({}, {})
    for id in {*before.groups, *after.groups}:
        old, new = before.groups.get(id), after.groups.get(id)
        if not lists and (old is new or (old is not None and new is not None and _same_raw(old, new))):
            continue
        rules = [_allowed(group, lists) for group in (old, new)]
        for side in (0, 1):
            differing = rules[0][side] ^ rules[1][side]
            if old is None or new is None:
                found[side][id] = ALL
            elif differing:
                found[side][id] = Intervals(service for service, _, _, _ in differing)
    return found


def _same_raw(old: Group, new: Group) -> bool:
    return old.raw is not None and old.raw == new.raw


Allowed = tuple[Span, object, bool, object]


def _allowed(group: Group | None, lists: set[str]) -> tuple[set[Allowed], set[Allowed]]:
    found: tuple[set[Allowed], set[Allowed]] = (set(), set())
    for rule in group.rules if group is not None else ():
        peer = rule.peer
        # A changed list makes every rule that names it different from itself.
        stamp = object() if isinstance(peer, PrefixListPeer) and peer.prefix_list in lists else None
        certain = rule.certain and not isinstance(peer, AnyPeer)
        found[rule.direction == "egress"].add((rule.service, peer, certain, stamp))
    return found


def _changed_places(before: Estate, after: Estate) -> tuple[set[str], set[str]]:
    vpcs: set[str] = set()
    for mine, theirs in ((before, after), (after, before)):
        for id, vpc in mine.vpcs.items():
            if theirs.vpcs.get(id) != vpc:
                vpcs.add(id)
        for id, peering in mine.peerings.items():
            if theirs.peerings.get(id) != peering:
                vpcs.update(peering.vpcs)
        for id, gateway in mine.transit_gateways.items():
            if theirs.transit_gateways.get(id) != gateway:
                vpcs.update(one.resource for one in gateway.attachments)
        for id, nat in mine.nat_gateways.items():
            if theirs.nat_gateways.get(id) != nat:
                vpcs.add(nat.vpc)
    tables = {
        id
        for e, o in ((before, after), (after, before))
        for id, t in e.route_tables.items()
        if _routes(o, id) != set(t.routes)
    }
    acls = {
        id
        for e, o in ((before, after), (after, before))
        for id, a in e.acls.items()
        if _entries(o, id) != set(a.entries)
    }
    subnets: set[str] = set()
    for mine, theirs in ((before, after), (after, before)):
        for id, subnet in mine.subnets.items():
            other = theirs.subnets.get(id)
            if (
                other is None
                or (subnet.acl, subnet.route_table) != (other.acl, other.route_table)
                or subnet.acl in acls
                or subnet.route_table in tables
            ):
                subnets.add(id)
    return vpcs, subnets


def _routes(estate: Estate, id: str) -> set[object]:
    found = estate.route_tables.get(id)
    return set(found.routes) if found is not None else {"absent"}


def _entries(estate: Estate, id: str) -> set[object]:
    found = estate.acls.get(id)
    return set(found.entries) if found is not None else {"absent"}


def _notices(before: Estate, after: Estate) -> Iterator[str]:
    for mine, theirs, word in ((after, before, "new"), (before, after, "gone")):
        only = [one.name or id for id, one in mine.interfaces.items() if id not in theirs.interfaces]
        if only:
            more = f" and {len(only) - 5} more" if len(only) > 5 else ""
            yield f"{len(only)} interface{'s are' if len(only) > 1 else ' is'} {word}: {', '.join(only[:5])}{more}"
    if before.notices or after.notices:
        yield (
            "flows are those that are certain in both estates; what is not modelled is named by doorward check "
            "(of a plan: doorward gate)"
        )


# --- private flows ----------------------------------------------------------------------------------------------


def _private(
    component: Component, touched: Touched, numbering: Numbering, answered: bool, aligned: bool
) -> Iterator[Box]:
    """Disjoint boxes of all that flows on the services touched."""
    world = component.world
    to, from_ = _by_services(component, touched.targets), _by_services(component, touched.sources)
    asked = [(component.all, bits, services) for services, bits in to.items()]
    untouched = component.all & ~union_bits(to.values())
    for services, bits in from_.items():
        asked.append((bits, untouched, services))
        asked.extend((bits, targets, services - already) for already, targets in to.items())
    for sources, targets, services in asked:
        for flow in flows(
            component, sources, targets, services, Bound.LOWER, lambda cls, bound: accepts(world, cls, bound),
            EPHEMERAL if answered else None,
        ):  # fmt: skip
            box = Box(flow.first, flow.last, flow.sources, flow.targets)
            yield box if aligned else _named(box, numbering, component)


def _by_services(component: Component, touched: dict[str, Intervals]) -> dict[Intervals, int]:
    """Services → endpoints of the component touched on them."""
    found: dict[Intervals, list[int]] = {}
    numbers = component.endpoints_of
    for id, services in touched.items():
        if id in numbers:
            found.setdefault(services, []).extend(numbers[id])
    return {services: bits_of(mine) for services, mine in found.items()}


def _flows(boxes: Iterable[Box], numbering: Numbering, labels: Labels) -> list[Flow]:
    found: list[Flow] = []
    for (sources, targets), services in merged(boxes).items():
        from_, to = _names(sources, numbering), _names(targets, numbering)
        if from_ == to and len(from_) == 1:
            continue
        found.append(Flow(from_, to, services, _words(from_, labels), _words(to, labels)))
    found.sort(key=lambda one: (one.target_text, one.source_text))
    return found


def _names(bits: int, numbering: Numbering) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sorted(numbering.names[number][0] for number in numbers_in(bits))))


def _words(ids: tuple[str, ...], labels: Labels) -> str:
    """The names of interfaces; nameless ones by their groups; how many there are of the same name."""
    names: dict[str, int] = {}
    for id in ids:
        name = labels.of(id)
        names[name] = names.get(name, 0) + 1
    shown = [f"{name} (×{count})" if count > 1 else name for name, count in names.items()]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


class Labels:
    """What people call the interfaces of two estates."""

    def __init__(self, before: Estate, after: Estate) -> None:
        self.estates = (after, before)

    def of(self, id: str) -> str:
        """Its name, else its groups' names, else its id."""
        for estate in self.estates:
            interface = estate.interfaces.get(id)
            if interface is not None:
                if interface.name and interface.name != id:
                    return interface.name
                groups = [estate.groups[one].name for one in interface.groups if one in estate.groups]
                return "+".join(groups) if groups and all(groups) else id
        return id


# --- over the border --------------------------------------------------------------------------------------------

Crossing = dict[tuple[str, int], list[tuple[int, int, Intervals]]]
"""(interface, family or way) → what crosses, by services."""


class _Border:
    """What the internet opens on touched interfaces, and what they open on the internet, before and after."""

    def __init__(self, old: World, new: World, touched: Touched) -> None:
        self.arriving = [_crossing(world, touched.targets, inward=True) for world in (old, new)]
        self.leaving = [_crossing(world, touched.sources, inward=False) for world in (old, new)]
        self.labels = Labels(old.estate, new.estate)

    def gained(self) -> list[Flow]:
        return self._flows(1, 0)

    def lost(self) -> list[Flow]:
        return self._flows(0, 1)

    def _flows(self, have: int, lack: int) -> list[Flow]:
        found: dict[tuple[bool, Intervals, Intervals], list[str]] = {}
        for inward, sides in ((True, self.arriving), (False, self.leaving)):
            for key, cells in sides[have].items():
                by_addresses: dict[Intervals, Intervals] = {}
                for low, high, addresses in _subtract(cells, sides[lack].get(key, [])):
                    by_addresses[addresses] = by_addresses.get(addresses, EMPTY) | Intervals([(low, high)])
                for addresses, services in by_addresses.items():
                    found.setdefault((inward, addresses, services), []).append(key[0])
        flows_: list[Flow] = []
        for (inward, addresses, services), ids in found.items():
            names = tuple(dict.fromkeys(ids))
            outside = _outside_words(addresses)
            words = _words(names, self.labels)
            flows_.append(
                Flow((outside,), names, services, outside, words)
                if inward
                else Flow(names, (outside,), services, words, outside)
            )
        flows_.sort(key=lambda one: (one.target_text, one.source_text, show_services(one.services)))
        return flows_


def _outside_words(addresses: Intervals) -> str:
    from doorward.model.addresses import INTERNET_V4, INTERNET_V6

    inside = addresses.size * 10 > 9 * INTERNET_V4.size
    if addresses <= INTERNET_V4 and inside:
        return "internet:v4"
    if addresses <= INTERNET_V6 and addresses.size * 10 > 9 * INTERNET_V6.size:
        return "internet:v6"
    return show_addresses(addresses)


def _crossing(world: World, touched: dict[str, Intervals], *, inward: bool) -> Crossing:
    found: Crossing = {}
    kept: dict[tuple[int, int, bool, bool, Intervals], list[tuple[int, int, Intervals]]] = {}
    for id, services in touched.items():
        interface = world.estate.interfaces.get(id)
        if interface is None:
            continue
        component = world.component_of(interface.vpc)
        for number in component.endpoints_of.get(id, ()):
            cls = component.class_of[number]
            family = 6 if component.v6 >> number & 1 else 4
            public = bool(component.public[Bound.LOWER] >> number & 1)
            key = (id_of(component), cls.number, public, family == 6, services)
            if key not in kept:
                kept[key] = _cells(component, cls, number, family, public, inward, services)
            if kept[key]:
                found[id, family] = kept[key]
    return found


def id_of(component: Component) -> int:
    """A key for caches that live no longer than the component."""
    return id(component)


def _cells(
    component: Component, cls: Cls, number: int, family: int, public: bool, inward: bool, asked_for: Intervals
) -> list[tuple[int, int, Intervals]]:
    world = component.world
    services = ALL_OF_FAMILY[6 if family == 6 else 4] & asked_for
    if inward:
        if family == 4 and not public:
            return []
        services = services & accepts(world, cls, Bound.LOWER)
        asked = [cell for span in services.spans for cell in arrivals(component, cls, span, Bound.LOWER)]
        return [(low, high, addresses & world.internet) for low, high, addresses in asked if addresses & world.internet]
    found: list[tuple[int, int, Intervals]] = []
    for span in services.spans:
        for piece in departures(component, cls, span, Bound.LOWER, EPHEMERAL):
            reached = piece.direct6 if family == 6 else (piece.direct4 if public else EMPTY)
            for one in piece.nat:
                if family == 4 and one.sources >> number & 1:
                    reached = reached | one.addresses
            reached = reached & world.internet
            if reached:
                found.append((piece.first, piece.last, reached))
    return found


def _subtract(
    cells: list[tuple[int, int, Intervals]], others: list[tuple[int, int, Intervals]]
) -> Iterator[tuple[int, int, Intervals]]:
    for low, high, addresses in cells:
        left = [(low, high, addresses)]
        for first, last, gone in others:
            if last < low or first > high:
                continue
            rest: list[tuple[int, int, Intervals]] = []
            for a, b, have in left:
                x, y = max(a, first), min(b, last)
                if x > y:
                    rest.append((a, b, have))
                    continue
                if a < x:
                    rest.append((a, x - 1, have))
                if y < b:
                    rest.append((y + 1, b, have))
                if have - gone:
                    rest.append((x, y, have - gone))
            left = rest
        yield from left
