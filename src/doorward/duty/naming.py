"""Names and tags of the groups that a change touches, as they were read: for approvals and baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doorward.duty.deltas import Delta, MemberDelta, RuleDelta, key_of
from doorward.duty.state import State
from doorward.model.change import Key


def names_of(deltas: Iterable[Delta], state: State) -> dict[str, tuple[str, str]]:
    """Id → (name, VPC) of the groups that a change touches or refers to."""
    found: dict[str, tuple[str, str]] = {}
    for delta in deltas:
        key = key_of(delta)
        ids = {key.id}
        if isinstance(delta, MemberDelta):
            ids.update((*(delta.before or ()), *delta.after))
        elif isinstance(delta, RuleDelta):
            ids.update(fact.group for fact in (delta.before, delta.after) if fact is not None and fact.group)
        for id in ids:
            known = state.document(Key(key.place, "group", id))
            if known is not None:
                found[id] = (str(known.get("GroupName", "")), str(known.get("VpcId", "")))
    return found


def tags_of(deltas: Iterable[Delta], state: State) -> dict[str, tuple[str, dict[str, str]]]:
    """Id → (name, tags) of the groups that a change touches."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for delta in deltas:
        key = key_of(delta)
        known = state.document(key) or {}
        listed = known.get("Tags")
        tags = {
            str(one.get("Key")): str(one.get("Value"))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, Mapping)
        }
        found[key.id] = (str(known.get("GroupName", "")), tags)
    return found
