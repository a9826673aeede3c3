"""What the input speaks of and does not hold as a whole: it exists, and what it holds beyond that is not known.

A rule that is added to a group of another state, say: the rest of that group's rules may be anything. With a snapshot
that has the element nothing of this is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doorward.model.addresses import V4_ALL, V6_ALL
from doorward.model.estate import Route
from doorward.model.rules import Group, GroupPeer
from doorward.readers.terraform.families.rules import anything
from doorward.readers.terraform.scene import Scene, stub

KINDS = (
    "groups", "route_tables", "acls", "prefix_lists", "target_groups", "load_balancers", "subnets", "vpcs",
)  # fmt: skip
"""Kinds of elements that others are added to or lie in."""


def opened(scene: Scene, kind: str, element: Any) -> Any:
    """The element with everything that it may hold beyond what is known, in the upper bound only."""
    id = element.id
    if kind == "groups":
        name = f"rules of {element.name or id}, which the input does not hold"
        return element.with_rules((*element.rules, anything("ingress", id, name), anything("egress", id, name)))
    if kind == "route_tables":
        where = f"routes of {id}, which the input does not hold"
        more = tuple(Route(cidr, "unknown", where, certain=False) for cidr in (V4_ALL, V6_ALL))
        return replace(element, routes=(*element.routes, *more))
    if kind == "acls":
        return replace(element, unknown=element.unknown or f"entries of {id}, which the input does not hold")
    if kind == "prefix_lists":
        return replace(element, cidrs=None)
    if kind == "target_groups":
        return replace(element, targets=None)
    if kind == "load_balancers":
        return replace(element, listeners=None)
    if kind == "vpcs" and not element.internet_gateways:
        scene.notice(id, "the input does not hold this VPC's internet gateway: whether it has one is not known", id)
        return replace(element, maybe_internet_gateways=(f"{id}/unknown internet gateway",))
    return element


def open_ends(before: Scene, after: Scene) -> None:
    """Without a snapshot: what the plan does not hold, each element on both sides unless the plan makes it."""
    for scene in (before, after):
        for group in list(scene.elements["groups"].values()):
            for rule in group.rules:
                if isinstance(rule.peer, GroupPeer):
                    scene.ensure("groups", rule.peer.group)
        _places(scene)
    for scene, other in ((before, after), (after, before)):
        for kind in KINDS:
            for id in list(other.elements[kind]):
                if other.is_stub(kind, id) and id not in scene.elements[kind] and not _made(after, id):
                    scene.ensure(kind, id)
                    if kind in ("subnets", "groups"):
                        _same_vpc(scene, other, kind, id)
    held = {(kind, id) for scene in (before, after) for kind in KINDS for id in scene.elements[kind]}
    unheld = {
        (kind, id)
        for kind, id in held
        if all(id not in scene.elements[kind] or scene.is_stub(kind, id) for scene in (before, after))
    }
    for scene in (before, after):
        for kind in KINDS:
            for id, element in list(scene.elements[kind].items()):
                if (kind, id) in unheld:
                    scene.elements[kind][id] = opened(scene, kind, element)
        _gateways(scene, after if scene is before else before)
    _adopted(before, after)


def _adopted(before: Scene, after: Scene) -> None:
    """What exists already and the plan takes over (default group, ACL, table): before it may hold anything."""
    for kind in ("groups", "route_tables", "acls"):
        for id, element in after.elements[kind].items():
            known = id in before.elements[kind] and not before.is_stub(kind, id)
            if known or after.is_stub(kind, id) or _made(after, id):
                continue
            old = before.ensure(kind, id)
            if kind == "groups":
                old = Group(id, name=element.name, vpc=element.vpc, rules=old.rules)
            else:
                old = replace(old, vpc=old.vpc or element.vpc)
            before.elements[kind][id] = opened(before, kind, old)


def _made(after: Scene, id: str) -> bool:
    """Whether an id stands for something that the plan makes: an address, or an attribute of one."""
    made = after.world.document.after
    return id in made or id.rpartition(".")[0] in made


def _same_vpc(scene: Scene, other: Scene, kind: str, id: str) -> None:
    known = other.elements[kind][id].vpc
    if known and kind == "subnets" and not _made(other, known):
        scene.edit(kind, id, vpc=known)


def _places(scene: Scene) -> None:
    """Interfaces name VPCs and subnets that the plan may not hold; they must exist to be judged."""
    for interface in list(scene.elements["interfaces"].values()):
        if interface.vpc:
            scene.ensure("vpcs", interface.vpc)
        if interface.subnet:
            subnet = scene.ensure("subnets", interface.subnet)
            if not subnet.vpc and interface.vpc:
                scene.edit("subnets", interface.subnet, vpc=interface.vpc)
    for kind in ("subnets", "groups"):
        for element in list(scene.elements[kind].values()):
            if element.vpc:
                scene.ensure("vpcs", element.vpc)


def _gateways(scene: Scene, other: Scene) -> None:
    """Whether a VPC that exists already has an internet gateway is known only where the plan holds one."""
    new = {one.id for one in scene.instances("aws_vpc", "aws_default_vpc", data=False) if scene.is_new(one.instance)}
    for id, vpc in list(scene.elements["vpcs"].items()):
        if id in new or vpc.internet_gateways or vpc.maybe_internet_gateways:
            continue
        known = other.elements["vpcs"].get(id)
        if known is not None and known.internet_gateways:
            continue
        scene.elements["vpcs"][id] = opened(scene, "vpcs", vpc)


def unheld_by_snapshot(scene: Scene, kind: str, id: str, element: Any) -> Any:
    """An element that the plan speaks of while neither it nor the snapshot holds it; None when nothing rests on it."""
    if kind in ("subnets", "vpcs"):
        lies_there = any(one.subnet == id or one.vpc == id for one in scene.elements["interfaces"].values())
        if not lies_there:
            return None
    elif element == stub(kind, id) or kind not in KINDS:
        return None if kind in KINDS else element
    scene.notice(id, "the plan speaks of it, but the snapshot does not have it: what it holds is not known")
    if kind == "subnets" and not element.vpc:
        vpcs = {one.vpc for one in scene.elements["interfaces"].values() if one.subnet == id}
        element = replace(element, vpc=vpcs.pop() if len(vpcs) == 1 else "")
    return opened(scene, kind, element)
