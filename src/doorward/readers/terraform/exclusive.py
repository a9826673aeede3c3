"""aws_vpc_security_group_rules_exclusive: every rule of a group that it does not list is removed."""

from __future__ import annotations

from dataclasses import replace

from doorward.model.estate import Estate
from doorward.model.rules import Rule
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import World

TYPE = "aws_vpc_security_group_rules_exclusive"


def enforce(world: World, after: Scene, old: Estate, new: Estate) -> tuple[Estate, dict[str, list[tuple[str, Rule]]]]:
    """The estate without the rules that are removed, and those by the address that removes them."""
    groups = dict(new.groups)
    dropped: dict[str, list[tuple[str, Rule]]] = {}
    changing = {
        change.address
        for change in world.document.changes
        if change.type == TYPE and {"create", "update"} & set(change.actions)
    }
    for view in after.instances(TYPE, data=False):
        target = view.one("security_group_id", "group").id
        if view.address not in changing or target is None or target not in groups:
            continue
        group = groups[target]
        kept: list[Rule] = []
        for rule in group.rules:
            listed = view.many(f"{rule.direction}_rule_ids", "rule")
            names = {*listed.certain, *listed.maybe}
            if rule.id in names or rule.origin in names or not rule.certain:
                kept.append(rule)
            elif listed.unknown is not None or (names and rule.id is None):
                name = listed.unknown or view.where(f"{rule.direction}_rule_ids")
                kept.append(rule._replace(certain=False, unknown=name))
            elif target in old.groups:
                dropped.setdefault(view.address, []).append((target, rule))
        groups[target] = group.with_rules(tuple(kept))
    return replace(new, groups=groups), dropped
