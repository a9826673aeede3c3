"""Single hops of one packet: what a group, an ACL or a route says to it, and which rule said so.

What does not live here: which hops a packet meets (``trace``).
"""

from __future__ import annotations

from typing import Literal

from doorward.model.addresses import show_address
from doorward.model.estate import AclEntry, Interface, Route
from doorward.model.intervals import Intervals
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import show_span
from doorward.model.verdict import Hop
from doorward.reach import acls, routes
from doorward.reach.policy import reference_scope, referenceable
from doorward.reach.twins import has_twins, twins
from doorward.reach.world import Bound, Component, World

Passes = Literal["yes", "no", "unknown"]
Says = Literal["allow", "deny", "unknown"]


def group_label(group: Group | None, id: str) -> str:
    """How people call a group."""
    return f"{group.name} ({id})" if group is not None and group.name and group.name != id else id


def interface_label(interface: Interface) -> str:
    """How people call an interface."""
    return f"{interface.name} ({interface.id})" if interface.name and interface.name != interface.id else interface.id


def group_hop(
    world: World, interface: Interface, direction: Direction, address: int, peer: Interface | None, service: int
) -> Hop:
    """What the groups of an interface say to one packet; ``peer`` only where group references can match."""
    where = "from" if direction == "ingress" else "to"
    what = f"{show_span((service, service))} {where} {show_address(address)}"
    if not interface.groups and not interface.maybe_groups and not interface.groups_unknown:
        text = f"{interface_label(interface)} has no security group: nothing is filtered"
        return Hop("security-group", interface.id, text, "yes", direction=direction)
    possible: tuple[Group | None, str, Rule | None, str] | None = None
    for id in interface.groups:
        group = world.estate.groups.get(id)
        if group is None:
            possible = possible or (None, id, None, f"the rules of {id} are not in the input")
            continue
        for rule in group.rules:
            if rule.direction != direction:
                continue
            says = rule_matches(world, interface, direction, rule, address, peer, service)
            if says == "yes":
                text = f"{group_label(group, id)} admits {what}"
                return Hop(
                    "security-group", id, text, "yes", rule.id or rule.origin, rule.origin, direction
                )  # fmt: skip
            if says == "unknown" and possible is None:
                possible = (group, id, rule, rule.unknown or _unknown_of(rule, peer))
    if possible is None and (interface.maybe_groups or interface.groups_unknown):
        reason = interface.groups_unknown or "membership in " + ", ".join(interface.maybe_groups) + " is not certain"
        possible = (None, interface.id, None, reason)
    if possible is not None:
        found, id, maybe, why = possible
        text = f"{group_label(found, id)} may admit {what}: not known: {why}"
        return Hop(
            "unknown", id, text, "unknown",
            (maybe.id or maybe.origin) if maybe else None, maybe.origin if maybe else None, direction,
        )  # fmt: skip
    named = ", ".join(group_label(world.estate.groups.get(id), id) for id in interface.groups)
    resource = interface.groups[0] if interface.groups else interface.id
    return Hop("security-group", resource, f"no rule of {named} admits {what}", "no", direction=direction)


def _unknown_of(rule: Rule, peer: Interface | None) -> str:
    if isinstance(rule.peer, PrefixListPeer):
        return f"entries of {rule.peer.prefix_list}"
    if isinstance(rule.peer, GroupPeer) and peer is not None:
        group = rule.peer.group
        if group not in peer.maybe_groups and not peer.groups_unknown:
            return f"a member of {group} in another VPC has the address of {peer.id}; AWS does not say which is meant"
    return "the peer of a rule"


def rule_matches(
    world: World,
    interface: Interface,
    direction: Direction,
    rule: Rule,
    address: int,
    peer: Interface | None,
    service: int,
) -> Passes:
    """Whether one rule of an interface's group admits a packet from or to an address, or the interface behind it."""
    if not rule.service[0] <= service <= rule.service[1]:
        return "no"
    found: Passes
    if isinstance(rule.peer, AnyPeer):
        found = "unknown"
    elif isinstance(rule.peer, PrefixListPeer):
        known = world.estate.prefix_lists.get(rule.peer.prefix_list)
        if known is None or known.cidrs is None:
            found = "unknown"
        else:
            found = "yes" if address in known.cidrs else "no"
    elif isinstance(rule.peer, GroupPeer):
        found = _in_group(world, interface, direction, rule.peer, address, peer)
    else:
        found = "yes" if rule.peer[0] <= address <= rule.peer[1] else "no"
    return "unknown" if found == "yes" and not rule.certain else found


def _in_group(
    world: World, interface: Interface, direction: Direction, wanted: GroupPeer, address: int, peer: Interface | None
) -> Passes:
    if peer is None:
        return "no"
    component = world.component_of(interface.vpc)
    if peer.vpc in referenceable(component, interface.vpc, direction):
        if wanted.group in peer.groups:
            return "yes"
        if wanted.group in peer.maybe_groups or peer.groups_unknown:
            return "unknown"
    return "unknown" if _namesakes(world, interface, direction, wanted, address, peer) else "no"


def _namesakes(
    world: World, interface: Interface, direction: Direction, wanted: GroupPeer, address: int, peer: Interface
) -> bool:
    """Whether a member of a group, in another VPC, has the address of the peer."""
    component = world.component_of(interface.vpc)
    if world.component_of(peer.vpc) is not component or not has_twins(component):
        return False
    members = component.members(wanted.group, Bound.UPPER) & reference_scope(component, interface.vpc, direction)
    return bool(twins(component, members) >> _endpoint(component, peer, address) & 1)


def acl_hop(world: World, subnet: str, egress: bool, address: int, services: Intervals, answer: bool = False) -> Hop:
    """What a subnet's ACL says; for an answer, to the first of ``services`` that it does not pass."""
    id = acls.acl_of(world, subnet)
    name = id or f"ACL of {subnet}"
    side: Direction = "egress" if egress else "ingress"
    where = "to" if egress else "from"
    shown: list[tuple[Says, AclEntry | None, int]] = []
    for first, last in services.spans:
        for low, _, _ in acls.admitted(world, subnet, egress, (first, last), Bound.LOWER):
            says, entry = acls.deciding_entry(world, subnet, egress, address, low)
            if not shown or _worse(says, shown[0][0]):
                shown = [(says, entry, low)]
    says, entry, service = shown[0] if shown else ("allow", None, 0)
    what = f"{'the answer ' if answer else ''}{show_span((service, service))} {where} {show_address(address)}"
    if says == "allow":
        number = f" (entry {entry.number})" if entry is not None else ""
        return Hop(
            "network-acl", name, f"{name} passes {what}{number}", "yes",
            str(entry.number) if entry else None, entry.origin if entry else None, side, answer,
        )  # fmt: skip
    if says == "unknown":
        return Hop(
            "unknown",
            name,
            f"entries of {name} are not known: {what} may be stopped",
            "unknown",
            None,
            None,
            side,
            answer,
        )
    by = f"entry {entry.number}" if entry is not None else "its final deny"
    return Hop(
        "network-acl", name, f"{name} denies {what} by {by}", "no", str(entry.number) if entry else "*",
        entry.origin if entry else None, side, answer,
    )  # fmt: skip


def _worse(says: str, other: str) -> bool:
    order = ["allow", "unknown", "deny"]
    return order.index(says) > order.index(other)


def route_hop(world: World, here: Interface, address: int, there: Interface | None, answer: bool = False) -> Hop:
    """Where the subnet's table takes a destination, and whether that leads to the other interface (or outside)."""
    table = routes.table_of(world, here.subnet)
    name = table or f"route table of {here.subnet}"
    way = "the answer to " if answer else ""
    route = routes.lookup(world, here.subnet, here.vpc, address)
    if route is None:
        return Hop("route", name, f"{name} has no route for {way}{show_address(address)}", "no", answer=answer)
    passes = _route_passes(world, here, route, address, there)
    target = "local" if route.kind == "local" else route.target
    text = {
        "yes": f"{name} takes {way}{show_address(address)} to {target}",
        "no": f"{name} takes {way}{show_address(address)} to {target}, which does not lead there",
        "unknown": f"{name} takes {way}{show_address(address)} to {target}, which is not looked into",
    }[passes]
    if route.kind == "blackhole":
        text = f"{name} drops {way}{show_address(address)}: the route's target {route.target} is gone (blackhole)"
    return Hop(
        "route" if passes != "unknown" else "not-modelled", name, text, passes, route.target, route.origin, None, answer
    )


def _route_passes(world: World, here: Interface, route: Route, address: int, there: Interface | None) -> Passes:
    component = world.component_of(here.vpc)
    if there is not None:
        if world.component_of(there.vpc) is not component:
            return "unknown" if route.kind in ("unmodelled", "unknown") else "no"
        number = _endpoint(component, there, address)
        if routes.private(component, here.subnet, here.vpc, Bound.LOWER) >> number & 1:
            return "yes"
        return "unknown" if routes.private(component, here.subnet, here.vpc, Bound.UPPER) >> number & 1 else "no"
    out = routes.outward(world, here.subnet, here.vpc, Bound.LOWER)
    if address in out.internet or address in out.egress_only or any(address in one for one in out.nat.values()):
        return "yes"
    return "unknown" if address in out.hidden else "no"


def _endpoint(component: Component, interface: Interface, address: int) -> int:
    for number in component.endpoints_of.get(interface.id, ()):
        first, last = component.span_of(number)
        if first <= address <= last:
            return number
    return component.endpoints_of[interface.id][0]
