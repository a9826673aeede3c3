"""The steps of an apply on security group rules and on membership, and what each waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from doorward.model.estate import Estate
from doorward.model.plan import Step
from doorward.model.rules import Rule
from doorward.readers.terraform.build import traffic
from doorward.readers.terraform.document import Change, Document
from doorward.readers.terraform.families.groups import GROUPS
from doorward.readers.terraform.order import Node, Order, node_of, same_branch
from doorward.readers.terraform.scene import Scene

Given = tuple[str, Rule]
IN_PLACE = ("aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule")
_COSMETIC = "only descriptions change, but the provider revokes and re-adds the rule: its traffic is cut in between"


def make_steps(document: Document, before: Scene, after: Scene, old: Estate, new: Estate) -> tuple[Step, ...]:
    """Steps in the order of the plan's changes, each with what it needs."""
    made: list[tuple[Change, Step]] = []
    for change in document.changes:
        for step in _of_change(change, before, after, old, new):
            removed, added = _as_held(step.removed, old), _as_held(step.added, new)
            made.append((change, replace(step, removed=removed, added=added)))
    return _with_needs(document, made)


def _as_held(given: tuple[Given, ...], estate: Estate) -> tuple[Given, ...]:
    """The rules as the estate holds them: with the ids, VPCs and owners that only a snapshot knows."""
    held: dict[str, dict[tuple[object, ...], Rule]] = {}
    found: list[Given] = []
    for id, rule in given:
        if id not in held:
            group = estate.groups.get(id)
            held[id] = {traffic(one): one for one in group.rules} if group is not None else {}
        found.append((id, held[id].get(traffic(rule), rule)))
    return tuple(found)


def _of_change(change: Change, before: Scene, after: Scene, old: Estate, new: Estate) -> list[Step]:
    actions = [one for one in change.actions if one in ("create", "update", "delete")]
    if not actions or (actions == ["delete"] and change.after is not None):
        return []
    was = tuple(before.given.get(change.address, ()))
    will = tuple(after.given.get(change.address, ()))
    if change.type == "aws_security_group" and "delete" in actions:
        was = _all_of_group(change, before, old, was)
    emptied = next((id for id, (address, _) in after.emptied.items() if address == change.address), None)
    if emptied is not None and emptied in old.groups:
        taken = after.emptied[emptied][1]
        was = tuple((emptied, rule) for rule in old.groups[emptied].rules if rule.direction in taken)
    steps: list[Step] = []
    if change.replaces:
        halves: dict[str, Step] = {
            "delete": Step(f"{change.address}#delete", change.address, "delete", removed=was),
            "create": Step(f"{change.address}#create", change.address, "create", added=will),
        }
        first, second = ("create", "delete") if change.creates_first else ("delete", "create")
        note = ""
        if change.creates_first and {(g, traffic(r)) for g, r in was} & {(g, traffic(r)) for g, r in will}:
            note = "create_before_destroy adds a rule that exists already: AWS refuses it (InvalidPermission.Duplicate)"
        steps = [halves[first], replace(halves[second], needs=(halves[first].id,))]
        steps = [replace(step, note=note) if step.does == "create" else step for step in steps]
        return [step for step in steps if step.removed or step.added] if was or will else []
    does: Literal["create", "update", "delete"]
    if "create" in actions:
        does = "create"
        steps = [Step(change.address, change.address, does, removed=was, added=will)]
    elif "delete" in actions:
        steps = [Step(change.address, change.address, "delete", removed=was)]
    else:
        steps = _update(change, was, will)
    steps = [step for step in steps if step.removed or step.added]
    return steps or _membership(change, before, after, old, new)


def _all_of_group(change: Change, before: Scene, old: Estate, own: tuple[Given, ...]) -> tuple[Given, ...]:
    """A group goes with all of its rules, those that no other resource of the plan removes first."""
    id = change.before.id if change.before is not None else ""
    group = old.groups.get(id)
    if group is None:
        return own
    others = {
        traffic(rule)
        for address, given in before.given.items()
        if address != change.address
        for where, rule in given
        if where == id
    }
    return tuple((id, rule) for rule in group.rules if traffic(rule) not in others and rule.certain)


def _update(change: Change, was: tuple[Given, ...], will: tuple[Given, ...]) -> list[Step]:
    inline = change.type in GROUPS
    removed, added = _difference(was, will, inline), _difference(will, was, inline)
    note = ""
    if inline:
        same = {(group, traffic(rule)) for group, rule in removed} & {(group, traffic(rule)) for group, rule in added}
        if same:
            note = _COSMETIC if len(same) == len(removed) == len(added) else f"for {len(same)} of its rules {_COSMETIC}"
    atomic = change.type in IN_PLACE
    return [Step(change.address, change.address, "update", removed, added, atomic, (), note)]


def _difference(one: tuple[Given, ...], other: tuple[Given, ...], described: bool) -> tuple[Given, ...]:
    """Rules of ``one`` that ``other`` lacks; inline ones differ by their description too, as the provider has it."""

    def key(given: Given) -> tuple[object, ...]:
        group, rule = given
        return group, traffic(rule), rule.certain, (rule.description or "") if described else None

    known = {key(given) for given in other}
    return tuple(given for given in one if key(given) not in known)


def _membership(change: Change, before: Scene, after: Scene, old: Estate, new: Estate) -> list[Step]:
    touched = dict.fromkeys((*before.members.get(change.address, ()), *after.members.get(change.address, ())))
    words: list[str] = []
    for id in touched:
        one, other = old.interfaces.get(id), new.interfaces.get(id)
        if one is None or other is None or set(one.groups) == set(other.groups):
            continue
        lost, won = sorted(set(one.groups) - set(other.groups)), sorted(set(other.groups) - set(one.groups))
        parts = [f"leaves {', '.join(lost)}"] if lost else []
        parts += [f"joins {', '.join(won)}"] if won else []
        words.append(f"{id} {' and '.join(parts)}")
    if not words:
        if change.type == "aws_ec2_managed_prefix_list" and change.actions == ("update",):
            return [_plain(change, "the entries of the prefix list change at once", atomic=True)]
        return []
    return [_plain(change, "; ".join(words), atomic=len(touched) == 1)]


def _plain(change: Change, note: str, atomic: bool) -> Step:
    does: Literal["create", "update", "delete"] = "update"
    if change.actions == ("create",):
        does = "create"
    elif change.actions == ("delete",):
        does = "delete"
    return Step(change.address, change.address, does, atomic=atomic, note=note)


def _with_needs(document: Document, made: list[tuple[Change, Step]]) -> tuple[Step, ...]:
    order = Order(document)
    needs: dict[str, dict[str, None]] = {step.id: dict.fromkeys(step.needs) for _, step in made}
    by_node: dict[Node, list[tuple[Change, Step]]] = {}
    for change, step in made:
        by_node.setdefault(node_of(change.module, change.type, change.name), []).append((change, step))
    for node, mine in by_node.items():
        for other in order.reached(node) & by_node.keys():
            for change, step in mine:
                for base, theirs in by_node[other]:
                    if not same_branch(change.module, base.module):
                        continue
                    if step.does != "delete" and theirs.does != "delete":
                        needs[step.id][theirs.id] = None
                    elif theirs.does == "delete" and (step.does == "delete" or base.creates_first):
                        needs[theirs.id][step.id] = None
    return tuple(replace(step, needs=_closure(step.id, needs)) for _, step in made)


def _closure(start: str, needs: dict[str, dict[str, None]]) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    work = list(needs[start])
    while work:
        at = work.pop(0)
        if at in needs and at not in seen and at != start:
            seen[at] = None
            work.extend(needs.get(at, ()))
    return tuple(seen)
