"""From a scene on which the two disagree to the smallest one on which they still do.

Each candidate leaves something out and is built and judged anew, so this takes about a second a candidate; what is
large is left out first. What does not live here: the judging (`court`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace as _replace
from typing import Any, TypeVar

from doorward_lab.errors import BadScene
from doorward_lab.scenes.check import check
from doorward_lab.scenes.places import Places
from doorward_lab.scenes.scene import Scene

T = TypeVar("T")

SECTIONS = ("hosts", "groups", "acls", "route_tables", "gateways", "peerings", "prefix_lists", "subnets", "vpcs")


def shrink(scene: Scene, still: Callable[[Scene], bool], *, seconds: float = 120.0) -> Scene:
    """The smallest scene found in time on which ``still`` holds."""
    deadline = time.monotonic() + seconds
    again = True
    while again:
        again, at = False, 0
        # What could not go before may go once other things have gone: round after round, until a round finds nothing.
        while (lesser := next(itertools.islice(candidates(scene), at, None), None)) is not None:
            if time.monotonic() > deadline:
                return scene
            if buildable(lesser) and still(lesser):
                scene, again = lesser, True
            else:
                at += 1
    return scene


def replace(one: T, **fields: Any) -> T:
    """`dataclasses.replace`, with fields whose names are only known here."""
    return _replace(one, **fields)  # type: ignore[type-var]  # every element of a scene is a dataclass


def buildable(scene: Scene) -> bool:
    """Whether AWS would take the scene."""
    try:
        check(scene, Places())
    except (BadScene, KeyError):  # a name that nothing has any more
        return False
    return True


def candidates(scene: Scene) -> Iterator[Scene]:
    """Scenes with something less, large things first."""
    for section in SECTIONS:
        held: Mapping[str, Any] = getattr(scene, section)
        for name in held:
            yield _without(scene, section, name)
    for name, subnet in scene.subnets.items():
        if subnet.acl:
            yield _put(scene, "subnets", name, replace(subnet, acl=""))
        if subnet.route_table:
            yield _put(scene, "subnets", name, replace(subnet, route_table=""))
    for name, host in scene.hosts.items():
        for key, empty in (("secondary", ()), ("ipv6", ()), ("public", "")):
            if getattr(host, key):
                yield _put(scene, "hosts", name, replace(host, **{key: empty}))
        if len(host.groups) > 1:
            for group in host.groups:
                left = tuple(one for one in host.groups if one != group)
                yield _put(scene, "hosts", name, replace(host, groups=left))
    for name, table in scene.route_tables.items():
        for route in table.routes:
            left_routes = {key: value for key, value in table.routes.items() if key != route}
            yield _put(scene, "route_tables", name, replace(table, routes=left_routes))
    for section in ("groups", "acls"):
        for name, one in getattr(scene, section).items():
            for key in ("ingress", "egress"):
                rules = getattr(one, key) or ()
                if len(rules) > 1:
                    yield _put(scene, section, name, replace(one, **{key: ()}))
                for at in range(len(rules)):
                    yield _put(scene, section, name, replace(one, **{key: rules[:at] + rules[at + 1 :]}))
    for name, listed in scene.prefix_lists.items():
        for at in range(len(listed.entries) if len(listed.entries) > 1 else 0):
            entries = listed.entries[:at] + listed.entries[at + 1 :]
            yield _put(scene, "prefix_lists", name, replace(listed, entries=entries))


def _put(scene: Scene, section: str, name: str, one: object) -> Scene:
    return replace(scene, **{section: {**getattr(scene, section), name: one}})


def _without(scene: Scene, section: str, gone: str) -> Scene:
    """The scene without an element, and without what names it."""
    scene = replace(scene, **{section: {name: one for name, one in getattr(scene, section).items() if name != gone}})
    if section == "vpcs":
        for name in [one.name for one in scene.subnets.values() if one.vpc == gone]:
            scene = _without(scene, "subnets", name)
        for other in ("groups", "acls", "route_tables", "gateways"):
            for name in [one.name for one in getattr(scene, other).values() if one.vpc == gone]:
                scene = _without(scene, other, name)
        for name in [one.name for one in scene.peerings.values() if gone in one.between]:
            scene = _without(scene, "peerings", name)
    if section == "subnets":
        for other in ("hosts", "gateways"):
            for name in [one.name for one in getattr(scene, other).values() if one.subnet == gone]:
                scene = _without(scene, other, name)
    if section in ("gateways", "peerings", "hosts"):
        word = {"gateways": "gateway", "peerings": "peering", "hosts": "host"}[section]
        for name, table in scene.route_tables.items():
            routes = {key: value for key, value in table.routes.items() if value != f"{word}:{gone}"}
            scene = _put(scene, "route_tables", name, replace(table, routes=routes))
    if section in ("groups", "prefix_lists"):
        scene = _without_peer(scene, f"{'group' if section == 'groups' else 'prefix-list'}:{gone}")
    if section == "groups":
        for name, host in scene.hosts.items():
            scene = _put(scene, "hosts", name, replace(host, groups=tuple(one for one in host.groups if one != gone)))
        # A host without groups would be put into the default group: something else.
        for name in [one.name for one in scene.hosts.values() if not one.groups]:
            scene = _without(scene, "hosts", name)
    if section in ("acls", "route_tables"):
        key = "acl" if section == "acls" else "route_table"
        for name, subnet in scene.subnets.items():
            if getattr(subnet, key) == gone:
                scene = _put(scene, "subnets", name, replace(subnet, **{key: ""}))
    return scene


def _without_peer(scene: Scene, peer: str) -> Scene:
    for name, group in scene.groups.items():
        ingress = tuple(rule for rule in group.ingress if rule.peer != peer)
        egress = None if group.egress is None else tuple(rule for rule in group.egress if rule.peer != peer)
        scene = _put(scene, "groups", name, replace(group, ingress=ingress, egress=egress))
    for name, table in scene.route_tables.items():
        routes = {key: value for key, value in table.routes.items() if key != peer}
        scene = _put(scene, "route_tables", name, replace(table, routes=routes))
    return scene
