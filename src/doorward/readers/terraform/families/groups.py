"""Security groups with their inline rules, the three kinds of standalone rules, and exclusive rule sets.

Whether a plan manages a group's rules inline cannot be read from the group's own ``ingress`` and ``egress``: with
standalone rules the provider mirrors them there, stale once one changes. They are managed inline only if this very
change alters them, or if the configuration gives them; otherwise the mirror is a fact about the group before.
"""

from __future__ import annotations

from typing import Any

from doorward.model.rules import Direction, Group, GroupPeer, PrefixListPeer, Rule
from doorward.readers.terraform.document import Instance
from doorward.readers.terraform.families.rules import (
    Peers,
    all_unknown,
    anything,
    block_peers,
    make_rules,
    networks_of,
    one_referenced,
    referenced,
    self_peers,
    service_of,
)
from doorward.readers.terraform.families.vpcs import region_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import Ref, View, World, any_true

GROUPS = ("aws_security_group", "aws_default_security_group")
STANDALONE = (
    "aws_security_group_rule", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule",
)  # fmt: skip
DIRECTIONS: tuple[Direction, Direction] = ("ingress", "egress")


def inline_managed(world: World, address: str, direction: Direction) -> bool:
    """Whether the resource at ``address`` manages this direction's rules inline."""
    before, after = world.document.before.get(address), world.document.after.get(address)
    known = after or before
    if known is None or known.mode == "data":
        return False
    if after is not None and world.configuration.configured(after, direction):
        return True
    if known.type == "aws_default_security_group":
        kept = before is not None and after is not None and before.id == after.id
        return not (kept and after is not None and after.unknown.get(direction) is True)
    if after is not None and before is None:
        return _given(after, direction)
    if after is None or before is None:
        return False
    if before.id != after.id:  # replaced: what the new one is given, or what the old one lost
        return _given(after, direction)
    if after.unknown.get(direction) is True:
        return False
    if any_true(after.unknown.get(direction)):
        return True
    return _content(before, direction) != _content(after, direction)


def _given(instance: Instance, direction: str) -> bool:
    return instance.unknown.get(direction) is not True and bool(instance.values.get(direction))


def _content(instance: Instance, direction: str) -> list[str]:
    """The blocks in a form that does not depend on their order, absent and empty values being the same."""
    value = instance.values.get(direction)
    blocks = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return sorted(repr(sorted((key, _plain(one)) for key, one in item.items() if one)) for item in blocks if item)


def _plain(value: Any) -> str:
    return repr(sorted(map(str, value))) if isinstance(value, list) else str(value)


def read_groups(scene: Scene) -> None:
    """aws_security_group, aws_default_security_group (and data sources: names only)."""
    for view in scene.instances(*GROUPS):
        default = view.instance.type == "aws_default_security_group"
        id = default_group_id(scene, view) if default else view.id
        vpc = view.one("vpc_id", "vpc")
        group = Group(
            id, name=view.text("name") or ("default" if default else ""), vpc=vpc.id, owner=view.text("owner_id"),
            region=region_of(view), description=view.text("description") or "", tags=view.tags(), origin=view.address,
        )  # fmt: skip
        if view.instance.mode == "data":
            if id not in scene.elements["groups"]:
                scene.put("groups", id, group)
                scene.stubs.add(("groups", id))
            scene.alias(view.address, id)
            continue
        scene.put("groups", id, group, view.address)
        taken: set[Direction] = set()
        for direction in DIRECTIONS:
            if inline_managed(scene.world, view.address, direction):
                if default and scene.is_new(view.instance):
                    taken.add(direction)
                for rule in _inline_rules(scene, view, id, direction):
                    scene.give(view.address, id, rule)
            else:
                _mirror(scene, view, id, direction)
        if taken:
            # Adopting a default group removes every rule that it has.
            scene.emptied[id] = (view.address, taken)
            scene.rules[id] = [rule for owner, rule in scene.given.get(view.address, []) if owner == id]


def default_group_id(scene: Scene, view: View) -> str:
    """The id of an adopted default group: its own, or that of its VPC's default group."""
    known = view.text("id")
    if known:
        return known
    vpc = view.one("vpc_id", "vpc").id
    if vpc is None:
        return view.address
    for one in scene.world.of_type("after", "aws_vpc", "aws_default_vpc"):
        if one.id == vpc:
            value = one.values.get("default_security_group_id")
            return value if isinstance(value, str) and value else f"{vpc}.default_security_group_id"
    if scene.snapshot is not None:
        for group in scene.snapshot.groups.values():
            if group.vpc == vpc and group.name == "default":
                return group.id
    return view.address


def _inline_rules(scene: Scene, view: View, group: str, direction: Direction) -> list[Rule]:
    if view.unknown.get(direction) is True:
        if not scene.world.configuration.configured(view.instance, direction):
            return []
        return [anything(direction, view.address, view.where(direction))]
    found: list[Rule] = []
    for block in view.blocks(direction):
        if all_unknown(block):
            found.append(anything(direction, view.address, block.where("*")))
            continue
        found.extend(
            make_rules(
                direction, service_of(scene, block), block_peers(scene, block, group),
                origin=view.address, description=block.text("description"),
            )
        )  # fmt: skip
    return found


def _mirror(scene: Scene, view: View, group: str, direction: Direction) -> None:
    if view.unknown.get(direction) is True:
        if scene.is_new(view.instance):
            return
        old = scene.world.document.before.get(view.address)
        if old is None:
            return
        view = scene.world.view(old)
    for block in view.blocks(direction):
        for rule in make_rules(
            direction, service_of(scene, block), block_peers(scene, block, group), description=block.text("description")
        ):
            scene.mirrors.setdefault(group, []).append(rule)


def read_rules(scene: Scene) -> None:
    """aws_security_group_rule and aws_vpc_security_group_(in|e)gress_rule."""
    for view in scene.instances(*STANDALONE, data=False):
        target = view.one("security_group_id", "group")
        if view.instance.type == "aws_security_group_rule":
            rules = _old_style(scene, view, target)
        else:
            direction: Direction = "ingress" if "ingress" in view.instance.type else "egress"
            rules = _new_style(scene, view, direction)
        scene.alias(view.address, view.id)
        _place(scene, view, target, rules)
    _quarrels(scene)


def _quarrels(scene: Scene) -> None:
    """Inline and standalone rules of one group and direction overwrite each other (provider documentation)."""
    inline: dict[tuple[str, Direction], str] = {}
    alone: dict[tuple[str, Direction], str] = {}
    found = scene.world.document.before if scene.side == "before" else scene.world.document.after
    for address, given in scene.given.items():
        instance = found.get(address)
        kept = inline if instance is not None and instance.type in GROUPS else alone
        for group, rule in given:
            kept.setdefault((group, rule.direction), address)
    for key in inline.keys() & alone.keys():
        scene.notice(
            inline[key],
            f"its {key[1]} rules are managed inline and by {alone[key]}: each apply removes the rules of the other",
        )


def _place(scene: Scene, view: View, target: Ref, rules: list[Rule]) -> None:
    if not rules:
        scene.notice(view.address, "it names no peer, so it allows nothing")
    if target.id is not None:
        for rule in rules:
            scene.give(view.address, target.id, rule)
        return
    if target.certain:
        scene.notice(view.address, "no security_group_id is given: the rule is left out")
        return
    unsure = [rule._replace(certain=False, unknown=rule.unknown or target.unknown) for rule in rules]
    for group in target.ids:
        for rule in unsure:
            scene.give(view.address, group, rule)
    if target.open or not target.ids:
        scene.everywhere.extend(unsure)


def _old_style(scene: Scene, view: View, target: Ref) -> list[Rule]:
    kind = view.text("type")
    if kind not in DIRECTIONS:
        scene.notice(view.address, f"type is {kind!r}, expected ingress or egress: the rule is left out")
        return []
    direction: Direction = "ingress" if kind == "ingress" else "egress"
    itself = target.id or view.address
    peers = [
        networks_of(scene, view, "cidr_blocks", "ipv6_cidr_blocks"),
        referenced(view, view.many("prefix_list_ids", "prefix-list"), PrefixListPeer, "prefix_list_ids"),
        self_peers(view, itself),
    ]
    # The provider shows source_security_group_id as unknown on create even where another peer excludes it.
    named = any(each.certain or each.unsure for each in (peers[0], peers[2]))
    configured = scene.world.configuration.configured(view.instance, "source_security_group_id")
    if view.text("source_security_group_id") or configured or (configured is None and not named):
        source = one_referenced(view, "source_security_group_id", "group")
        own = [one for one in source.certain if not (named and one == GroupPeer(itself))]
        peers.append(Peers(list(own), source.unsure))
    merged = Peers([one for each in peers for one in each.certain], [one for each in peers for one in each.unsure])
    return list(
        make_rules(
            direction, service_of(scene, view), merged, id=_rule_id(view), origin=view.address,
            description=view.text("description"),
        )
    )  # fmt: skip


def _new_style(scene: Scene, view: View, direction: Direction) -> list[Rule]:
    peers = [
        networks_of(scene, view, "cidr_ipv4", "cidr_ipv6"),
        one_referenced(view, "prefix_list_id", "prefix-list"),
        one_referenced(view, "referenced_security_group_id", "group"),
    ]
    merged = Peers([one for each in peers for one in each.certain], [one for each in peers for one in each.unsure])
    return list(
        make_rules(
            direction, service_of(scene, view, "ip_protocol"), merged, id=_rule_id(view), origin=view.address,
            description=view.text("description"),
        )
    )  # fmt: skip


def _rule_id(view: View) -> str | None:
    for attribute in ("security_group_rule_id", "id"):
        text = view.text(attribute)
        if text and text.startswith("sgr-"):
            return text
    return None
