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
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import AnyPeer, Group, PrefixListPeer
from doorward.model.services import ALL, ALL_OF_FAMILY, EPHEMERAL, show_services
from doorward.model.verdict import Flow, FlowDiff
from doorward.reach.border import arrivals, departures
from doorward.reach.boxes import Box, Numbering, difference, merged
from doorward.reach.ends import accepts
from doorward.reach.private import flows
from doorward.reach.world import Bound, Cls, Component, World, numbers_in


class Touched(NamedTuple):
    """Interfaces whose flows could differ, as targets and as sources."""

    targets: set[str]
    sources: set[str]


def diff(before: Estate, after: Estate) -> FlowDiff:
    """Flows gained and lost between two estates. Judged in the lower bound: what flows for certain."""
    if before is after:
        return FlowDiff()
    touched = touched_interfaces(before, after)
    old, new = World(before), World(after)
    numbering = Numbering()
    opened = [_private(world, touched, numbering, answered=True) for world in (old, new)]
    arrived = [_private(world, touched, numbering, answered=False) for world in (old, new)]
    lost = difference(opened[0], opened[1])
    gained = [*difference(opened[1], opened[0]), *difference(arrived[1], arrived[0])]
    labels = Labels(before, after)
    border = _Border(old, new, touched)
    return FlowDiff(
        (*_flows(gained, numbering, labels), *border.gained()),
        (*_flows(lost, numbering, labels), *border.lost()),
        tuple(_notices(before, after)),
    )


# --- what could differ ------------------------------------------------------------------------------------------


def touched_interfaces(before: Estate, after: Estate) -> Touched:
    """Interfaces whose flows could differ."""
    ingress, egress = changed_groups(before, after)
    targets: set[str] = set()
    sources: set[str] = set()
    vpcs, subnets = _changed_places(before, after)
    for estate, other in ((before, after), (after, before)):
        for id, interface in estate.interfaces.items():
            also = other.interfaces.get(id)
            if also is not interface and _essence(also) != _essence(interface):
                targets.add(id)
                sources.add(id)
            elif interface.subnet in subnets or interface.vpc in vpcs:
                targets.add(id)
                sources.add(id)
            else:
                groups = interface.groups + interface.maybe_groups if interface.maybe_groups else interface.groups
                if not ingress.isdisjoint(groups):
                    targets.add(id)
                if not egress.isdisjoint(groups):
                    sources.add(id)
        for id, balancer in estate.load_balancers.items():
            there = other.load_balancers.get(id)
            if there is None or there.listeners != balancer.listeners or there.interfaces != balancer.interfaces:
                targets.update(balancer.interfaces)
    return Touched(targets, sources)


def _essence(interface: Interface | None) -> object:
    if interface is None:
        return None
    return interface._replace(name="", description="", tags=(), origin=None, instance=None)


def changed_groups(before: Estate, after: Estate) -> tuple[set[str], set[str]]:
    """Groups whose ingress, and whose egress, rules differ in what they allow."""
    lists = {
        id
        for id in {*before.prefix_lists, *after.prefix_lists}
        if getattr(before.prefix_lists.get(id), "cidrs", None) != getattr(after.prefix_lists.get(id), "cidrs", None)
    }
    ingress: set[str] = set()
    egress: set[str] = set()
    for id in {*before.groups, *after.groups}:
        old, new = before.groups.get(id), after.groups.get(id)
        if not lists and (old is new or (old is not None and new is not None and _same_raw(old, new))):
            continue
        rules = [_allowed(group, lists) for group in (old, new)]
        if rules[0][0] != rules[1][0]:
            ingress.add(id)
        if rules[0][1] != rules[1][1]:
            egress.add(id)
    return ingress, egress


def _same_raw(old: Group, new: Group) -> bool:
    return old.raw is not None and old.raw == new.raw


def _allowed(group: Group | None, lists: set[str]) -> tuple[set[object], set[object]]:
    found: tuple[set[object], set[object]] = (set(), set())
    if group is None:
        found[0].add("absent")
        found[1].add("absent")
        return found
    for rule in group.rules:
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
    tables = {id for e, o in ((before, after), (after, before)) for id, t in e.route_tables.items() if _routes(o, id) != set(t.routes)}
    acls = {id for e, o in ((before, after), (after, before)) for id, a in e.acls.items() if _entries(o, id) != set(a.entries)}
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
        yield "flows are those that are certain in both estates; what is not modelled is named by doorward check"


# --- private flows ----------------------------------------------------------------------------------------------


def _private(world: World, touched: Touched, numbering: Numbering, *, answered: bool) -> list[Box]:
    found: list[Box] = []
    wanted: dict[Component, tuple[int, int]] = {}
    for ids, at in ((touched.targets, 0), (touched.sources, 1)):
        for id in ids:
            interface = world.estate.interfaces.get(id)
            if interface is not None:
                component = world.component_of(interface.vpc)
                bits = list(wanted.get(component, (0, 0)))
                bits[at] |= component.of_interface(id)
                wanted[component] = (bits[0], bits[1])
    for component, (to, from_) in wanted.items():
        asked = [(component.all, to)]
        if from_:
            asked.append((from_, component.all & ~to))
        for sources, targets in asked:
            for flow in flows(
                component, sources, targets, ALL, Bound.LOWER, lambda cls, bound: accepts(world, cls, bound),
                EPHEMERAL if answered else None,
            ):  # fmt: skip
                found.append(
                    Box(
                        flow.first,
                        flow.last,
                        numbering.translate(component, flow.sources),
                        numbering.translate(component, flow.targets),
                    )
                )
    return found


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
                Flow((outside,), names, services, outside, words) if inward else Flow(names, (outside,), services, words, outside)
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


def _crossing(world: World, ids: set[str], *, inward: bool) -> Crossing:
    found: Crossing = {}
    kept: dict[tuple[int, int, bool, bool], list[tuple[int, int, Intervals]]] = {}
    for id in ids:
        interface = world.estate.interfaces.get(id)
        if interface is None:
            continue
        component = world.component_of(interface.vpc)
        for number in component.endpoints_of.get(id, ()):
            cls = component.class_of[number]
            family = 6 if component.v6 >> number & 1 else 4
            public = bool(component.public[Bound.LOWER] >> number & 1)
            key = (id_of(component), cls.number, public, family == 6)
            if key not in kept:
                kept[key] = _cells(component, cls, number, family, public, inward)
            if kept[key]:
                found[id, family] = kept[key]
    return found


def id_of(component: Component) -> int:
    """A key for caches that live no longer than the component."""
    return id(component)


def _cells(
    component: Component, cls: Cls, number: int, family: int, public: bool, inward: bool
) -> list[tuple[int, int, Intervals]]:
    world = component.world
    services = ALL_OF_FAMILY[6 if family == 6 else 4]
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
