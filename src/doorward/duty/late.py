"""Changes that a describe answer showed before their event came, or that no event ever tells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from doorward.duty.deltas import Delta, MemberDelta, RuleDelta
from doorward.duty.rules import DEFAULT_EGRESS, DEFAULT_EGRESS_V6, Content, content_of
from doorward.model.change import Change, Effect, Member, RuleAdded, RuleRemoved, RuleSet

DEFAULTS = {content_of(DEFAULT_EGRESS), content_of(DEFAULT_EGRESS_V6)}


class Late:
    """Deltas that wait for their event. ``patience``: seconds after which they count as unseen."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.waiting: dict[tuple[object, ...], tuple[Delta, datetime]] = {}

    def found(self, change: Change, deltas: Iterable[Delta], now: datetime) -> None:
        """A describe answer showed this. What no event ever tells (the egress that new groups have) is expected."""
        for delta in deltas:
            name = _name(delta)
            if name is not None and not (name[1] == "+" and name[2] in DEFAULTS):
                self.waiting[name] = (delta, now)

    def explains(self, change: Change) -> tuple[Delta, ...] | None:
        """What a late event's change did, of which an answer has told already; None: it tells nothing that waits."""
        found: list[Delta] = []
        for effect in change.effects if change.error is None else ():
            name = _told(effect)
            waits = self.waiting.pop(name, None) if name is not None else None
            if waits is not None:
                found.append(waits[0])
        return tuple(found) or None

    def overdue(self, now: datetime) -> list[str]:
        """What no event has told in time, in words; each once."""
        if not self.waiting:
            return []
        late = [name for name, (_, since) in self.waiting.items() if (now - since).total_seconds() > self.patience]
        ids = dict.fromkeys(str(name[0]) for name in late)
        for name in late:
            del self.waiting[name]
        return [f"{id} was changed, and no event came" for id in ids]

    def next(self) -> datetime | None:
        """When something becomes overdue."""
        if not self.waiting:
            return None
        return min(since for _, since in self.waiting.values()) + timedelta(seconds=self.patience + 1)


def _name(delta: Delta) -> tuple[object, ...] | None:
    if isinstance(delta, MemberDelta):
        return delta.interface.id, "in", delta.after
    if not isinstance(delta, RuleDelta):
        return None
    if delta.after is None:
        assert delta.before is not None
        return delta.group.id, "-", content_of(delta.before)
    if delta.before is None:
        return delta.group.id, "+", content_of(delta.after)
    return delta.group.id, "=", delta.after.id, content_of(delta.after)


def _told(effect: Effect) -> tuple[object, ...] | None:
    match effect:
        case RuleAdded(group, rule):
            return group.id, "+", content_of(rule)
        case RuleRemoved(group, _, rule):
            content: Content | None = None if rule is None else content_of(rule)
            return None if content is None else (group.id, "-", content)
        case RuleSet(group, id, rule):
            return group.id, "=", id, content_of(rule)
        case Member(interface, groups):
            return interface.id, "in", tuple(sorted(groups))
        case _:
            return None
