"""What a describe answer shows that was not expected, as effects: for what no event told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from doorward.duty.deltas import Delta, DocumentDelta, MemberDelta, RuleDelta
from doorward.duty.document import Document, member_groups
from doorward.duty.group import GroupRules, Held
from doorward.duty.timeline import Known
from doorward.model.change import Effect, Gone, Key, Member, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet


def differences(key: Key, expected: Known, seen: Known) -> tuple[list[Effect], list[Delta]]:
    """Effects that turn what was expected for certain into what is seen. What was open and is settled is no news,
    unless it is there and no event can have told it."""
    if isinstance(seen, GroupRules):
        assert isinstance(expected, GroupRules)
        return _groups(key, expected, seen)
    assert isinstance(expected, Document) and isinstance(seen, Document)
    return _documents(key, expected, seen)


def _groups(key: Key, expected: GroupRules, seen: GroupRules) -> tuple[list[Effect], list[Delta]]:
    if seen.gone:
        if expected.gone or not expected.known:
            return [], []
        return [Gone(key)], [DocumentDelta(key, expected.document(), None, sure=not expected.unsure)]
    effects: list[Effect] = []
    deltas: list[Delta] = []
    if expected.gone or not expected.known:
        document = seen.document()
        assert document is not None
        return [Put(key, document)], [DocumentDelta(key, None, document, sure=not expected.open)]
    for content, some in seen.held.items():
        for one in some:
            before = _was(expected, one)
            if before is not None:
                effects.append(RuleSet(key, one.id or "", one.fact))
                deltas.append(RuleDelta(key, before, one.fact))
            elif _is_news(expected, one) and expected.status(content) < 2:
                effects.append(RuleAdded(key, one.fact))
                deltas.append(RuleDelta(key, None, one.fact))
    for content, some in expected.held.items():
        for one in some:
            if one.sure and seen.status(content) == 0 and (one.id is None or one.id not in seen.by_id):
                effects.append(RuleRemoved(key, one.id, one.fact))
                deltas.append(RuleDelta(key, replace(one.fact, id=one.id), None))
    return effects, deltas


def _was(expected: GroupRules, one: Held) -> RuleFact | None:
    """What a rule that is seen was expected to allow, where it is something else for certain."""
    if one.id is None or one.id not in expected.by_id:
        return None
    before = expected.find(one.id, None)
    return before if before is not None and before.allows != one.fact.allows else None


def _is_news(expected: GroupRules, one: Held) -> bool:
    """A rule that an event may have told of (its id came up) is no news; the default egress is."""
    return one.id is None or one.id not in expected.by_id


def _documents(key: Key, expected: Document, seen: Document) -> tuple[list[Effect], list[Delta]]:
    if seen.gone:
        if expected.gone or not expected.known:
            return [], []
        return [Gone(key)], [DocumentDelta(key, expected.document(), None, sure=not expected.unsure)]
    after = seen.document() or {}
    before = expected.document() if expected.known else None
    if before is not None and not expected.open and not _differ(before, after, expected):
        return [], []
    if before is not None and key.kind == "interface":
        was, now = member_groups(before), member_groups(after)
        if was != now and {**before, "Groups": None} == {**after, "Groups": None}:
            return [Member(key, now)], [MemberDelta(key, was, now)]
    if before == after:
        return [], []
    return [Put(key, after)], [DocumentDelta(key, before, after, sure=not expected.unsure)]


def _differ(before: Mapping[str, object], after: Mapping[str, object], expected: Document) -> bool:
    doubts = expected.doubts()
    return any(
        after.get(field) not in doubts[field] if field in doubts else before.get(field) != after.get(field)
        for field in {*before, *after}
    )
