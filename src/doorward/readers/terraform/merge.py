"""A snapshot with a plan's changes laid over it.

What the plan knows before and after is compared element by element, field by field, and only the difference is carried
over. So everything that Terraform does not manage, and everything that has drifted, stays as the snapshot has it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from doorward.model.estate import AclEntry, Estate, Listener, Route
from doorward.model.intervals import Intervals
from doorward.model.rules import Group, Rule
from doorward.readers.terraform.build import named, traffic
from doorward.readers.terraform.scene import ELEMENTS, Scene, stub
from doorward.readers.terraform.unheld import unheld_by_snapshot

_WHOLE = frozenset({"vpcs", "cidrs", "regions", "owners"})
"""Fields of a peering whose order has a meaning."""


def annotate(snapshot: Estate, before: Scene) -> Estate:
    """The snapshot whose groups and rules know the Terraform addresses that manage them."""
    groups = dict(snapshot.groups)
    for id, known in before.elements["groups"].items():
        group = groups.get(id)
        if group is None:
            continue
        origins = {traffic(rule): rule.origin for rule in known.rules if rule.origin}
        rules = tuple(
            rule._replace(origin=origins[traffic(rule)]) if traffic(rule) in origins else rule for rule in group.rules
        )
        groups[id] = named(group, known.origin).with_rules(rules)
    return replace(snapshot, groups=groups)


def merge(snapshot: Estate, before: Scene, after: Scene) -> Estate:
    """The snapshot after the apply."""
    merged: dict[str, Any] = {}
    for kind in ELEMENTS:
        held = dict(getattr(snapshot, kind))
        old, new = before.elements[kind], after.elements[kind]
        for id in dict.fromkeys((*old, *new)):
            one = _element(kind, id, held.get(id), before, after)
            if one is None:
                held.pop(id, None)
            else:
                held[id] = one
        merged[kind] = held
    if after.everywhere:
        for id, group in merged["groups"].items():
            if id not in after.elements["groups"]:
                merged["groups"][id] = _wider(group, tuple(after.everywhere))
    return replace(snapshot, **merged)


def _wider(group: Group, more: tuple[Rule, ...]) -> Group:
    return Group(
        group.id, name=group.name, vpc=group.vpc, owner=group.owner, region=group.region, description=group.description,
        tags=group.tags, origin=group.origin, load=lambda: (*group.rules, *more),
    )  # fmt: skip


def _element(kind: str, id: str, held: Any, before: Scene, after: Scene) -> Any:
    old, new = before.elements[kind].get(id), after.elements[kind].get(id)
    spoken_old = old is None or before.is_stub(kind, id)
    spoken_new = new is None or after.is_stub(kind, id)
    if old is not None and not spoken_old and spoken_new:
        return None  # the plan deletes it
    if new is not None and not spoken_new and spoken_old and held is None:
        return new
    if held is None and new is not None and spoken_new:
        return unheld_by_snapshot(after, kind, id, new)
    if old == new:
        return held
    if held is None:
        if new is None:
            return None
        after.notice(id, "the plan changes it, but the snapshot does not have it: taken from the plan")
        return new
    new = new if new is not None else stub(kind, id)
    old = old if old is not None and not (spoken_old and not spoken_new) else _bare(kind, id, new, old)
    if kind == "groups":
        return _group(held, old, new, after)
    changed = {}
    names = [one.name for one in fields(new)] if is_dataclass(new) else list(new._fields)
    for name in names:
        was, will, is_now = getattr(old, name), getattr(new, name), getattr(held, name)
        taken = (kind, id) in after.taken and name in ("entries", "routes")
        if name == "id" or (was == will and not taken):
            continue
        changed[name] = _value(kind, name, is_now, was, will, taken)
    if not changed:
        return held
    return held._replace(**changed) if hasattr(held, "_replace") else replace(held, **changed)


def _bare(kind: str, id: str, new: Any, old: Any) -> Any:
    """What the plan knew of an element that it takes over or speaks of for the first time: only additions count."""
    bare = old if old is not None else stub(kind, id)
    if kind == "groups":
        return Group(id, name=new.name, vpc=new.vpc, rules=bare.rules)
    quiet = {
        name: getattr(new, name)
        for name in ("name", "origin", "tags", "vpc", "owner", "region", "zone", "subnet", "kind")
        if hasattr(new, name)
    }
    return bare._replace(**quiet) if hasattr(bare, "_replace") else replace(bare, **quiet)


def _group(held: Group, old: Group, new: Group, after: Scene) -> Group:
    was = {traffic(rule): rule for rule in old.rules}
    will = {traffic(rule): rule for rule in new.rules}
    gone = {key for key, rule in was.items() if key not in will or will[key].certain != rule.certain}
    emptied = after.emptied.get(held.id)
    kept = [rule for rule in held.rules if traffic(rule) not in gone and not (emptied and rule.direction in emptied[1])]
    have = {traffic(rule) for rule in kept if rule.certain}
    added = [
        rule
        for key, rule in will.items()
        if (key not in was or was[key].certain != rule.certain or (emptied and rule.direction in emptied[1]))
        and key not in have
    ]
    return Group(
        held.id, name=new.name if old.name != new.name else held.name, vpc=new.vpc if old.vpc != new.vpc else held.vpc,
        owner=held.owner, region=held.region, description=held.description,
        tags=new.tags if old.tags != new.tags and new.origin else held.tags, origin=new.origin or held.origin,
        rules=(*kept, *added),
    )  # fmt: skip


def _value(kind: str, name: str, held: Any, was: Any, will: Any, taken: bool) -> Any:
    if kind == "peerings" and name in _WHOLE:
        return will
    if isinstance(will, Mapping) and isinstance(held, Mapping):
        old = was if isinstance(was, Mapping) else {}
        made = dict(held)
        for key in dict.fromkeys((*old, *will)):
            if key not in will:
                made.pop(key, None)
            elif old.get(key) != will[key]:
                made[key] = _items(made.get(key, ()), old.get(key, ()), will[key])
        return made
    if isinstance(held, Intervals) and isinstance(was, Intervals) and isinstance(will, Intervals):
        return (held - (was - will)) | (will - was)
    if held is None and name in ("targets", "listeners", "cidrs"):
        return None  # what it holds was not known; a part of it that changes does not make the rest known
    if isinstance(will, tuple) and isinstance(held, tuple):
        if taken and name == "routes":  # local and propagated routes cannot be taken over
            stay = tuple(one for one in held if one.kind == "local" or one.propagated)
            known = {_key(one) for one in will}
            will = (*(one for one in stay if _key(one) not in known), *will)
        items = will if taken else _items(held, was if isinstance(was, tuple) else (), will)
        return tuple(sorted(items)) if name in ("groups", "maybe_groups", "tags") else items
    return will


def _items(held: tuple[Any, ...], was: tuple[Any, ...], will: tuple[Any, ...]) -> tuple[Any, ...]:
    same = {_content(one) for one in was} & {_content(one) for one in will}
    gone = {_key(one) for one in was if _content(one) not in same}
    fresh = [one for one in will if _content(one) not in same]
    replaced = {_key(one) for one in fresh}
    kept = [one for one in held if _key(one) not in gone and _key(one) not in replaced]
    return (*kept, *fresh)


def _key(item: Any) -> Hashable:
    """What makes two items the same one, changed or not."""
    if isinstance(item, Route):
        return item.destination if item.certain else item
    if isinstance(item, AclEntry):
        return item.number, item.egress
    if isinstance(item, Listener):
        return item.service
    return str(getattr(item, "id", "")) if is_dataclass(item) else _plain(item)


def _plain(item: Any) -> Hashable:
    bare: Hashable = item
    return bare


def _content(item: Any) -> Hashable:
    """An item without where it was read."""
    bare: Hashable = item._replace(origin=None) if isinstance(item, (Route, AclEntry, Listener)) else item
    return bare
