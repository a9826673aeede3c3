"""From the resources of one side to an estate of what the plan alone knows.

The order in which families are read matters: what is defined comes before what is added to it.
"""

from __future__ import annotations

from collections.abc import Callable

from doorward.model.estate import Estate, Notice
from doorward.model.rules import Group, GroupPeer, Rule
from doorward.readers.terraform.document import Side
from doorward.readers.terraform.families.acls import read_acls
from doorward.readers.terraform.families.balancers import (
    read_balancers,
    read_classic,
    read_listeners,
    read_target_groups,
)
from doorward.readers.terraform.families.groups import STANDALONE, read_groups, read_rules
from doorward.readers.terraform.families.interfaces import (
    read_attachments,
    read_instances,
    read_interfaces,
    read_scaling,
)
from doorward.readers.terraform.families.others import read_others
from doorward.readers.terraform.families.prefixlists import read_prefix_lists
from doorward.readers.terraform.families.services import (
    read_containers,
    read_databases,
    read_endpoints,
    read_functions,
)
from doorward.readers.terraform.families.subnets import (
    read_addresses,
    read_associations,
    read_nat_gateways,
    read_route_tables,
    read_subnets,
)
from doorward.readers.terraform.families.transit import read_transit
from doorward.readers.terraform.families.vpcs import read_gateways, read_peerings, read_vpcs
from doorward.readers.terraform.scene import ELEMENTS, Scene
from doorward.readers.terraform.values import World

FAMILIES: tuple[Callable[[Scene], None], ...] = (
    read_vpcs, read_gateways, read_peerings, read_prefix_lists, read_groups, read_rules, read_subnets,
    read_route_tables, read_acls, read_associations, read_addresses, read_nat_gateways, read_interfaces, read_instances,
    read_scaling, read_balancers, read_listeners, read_target_groups, read_classic, read_databases, read_functions,
    read_containers, read_endpoints, read_transit, read_attachments, read_others,
)  # fmt: skip


def build(world: World, side: Side, snapshot: Estate | None) -> Scene:
    """All families of one side."""
    scene = Scene(world, side, snapshot)
    for family in FAMILIES:
        family(scene)
    return scene


def traffic(rule: Rule) -> tuple[object, ...]:
    """What a rule allows, a group peer by its id alone: a snapshot may know its VPC and owner, a plan does not."""
    peer = rule.peer.group if isinstance(rule.peer, GroupPeer) else rule.peer
    return rule.direction, rule.service, peer


def assemble(scene: Scene, before: Scene | None) -> None:
    """Put the rules into the groups: managed ones, and of the mirrored ones those that no standalone rule explains."""
    standalone: dict[str, set[tuple[object, ...]]] = {}
    if before is not None:
        for address, given in before.given.items():
            instance = before.world.document.before.get(address)
            if instance is not None and instance.type in STANDALONE:
                for group, rule in given:
                    standalone.setdefault(group, set()).add(traffic(rule))
    groups = scene.elements["groups"]
    for id, group in groups.items():
        found: dict[tuple[object, ...], Rule] = {}
        gone = standalone.get(id, set())
        mirrored = [rule for rule in scene.mirrors.get(id, []) if traffic(rule) not in gone]
        for rule in (*scene.rules.get(id, []), *mirrored, *scene.everywhere):
            known = found.get(traffic(rule))
            if known is None or (rule.certain and not known.certain):
                found[traffic(rule)] = rule
        groups[id] = group.with_rules(tuple(found.values()))


def estate_of(scene: Scene, complete: bool) -> Estate:
    """What was gathered, as an estate."""
    parts = {kind: dict(scene.elements[kind]) for kind in ELEMENTS}
    return Estate(**parts, notices=tuple(scene.notices), aliases=aliases_of(scene), complete=complete)


def aliases_of(scene: Scene) -> dict[str, tuple[str, ...]]:
    """Terraform addresses → ids; without the index where there is one instance, and under former addresses."""
    found = {address: tuple(ids) for address, ids in scene.aliases.items()}
    for address, interfaces in scene.members.items():
        found.setdefault(address, tuple(interfaces))
    for change in scene.world.document.changes:
        for instance in (change.before, change.after):
            if instance is not None and change.address in found and change.previous:
                found.setdefault(change.previous, found[change.address])
    bare: dict[str, list[str]] = {}
    for address in found:
        if address.endswith("]"):
            bare.setdefault(address[: address.rindex("[")], []).append(address)
    for short, full in bare.items():
        if len(full) == 1 and short not in found:
            found[short] = found[full[0]]
    return found


def unite(notices: tuple[Notice, ...], more: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """Both, each once, in order."""
    return tuple(dict.fromkeys((*notices, *more)))


def named(group: Group, address: str | None) -> Group:
    """The same group with the Terraform address that manages it."""
    return Group(
        group.id, name=group.name, vpc=group.vpc, owner=group.owner, region=group.region, description=group.description,
        tags=group.tags, origin=address or group.origin, rules=group.rules,
    )  # fmt: skip
