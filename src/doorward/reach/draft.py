"""Rule changes being tried on an estate, and how they read as edits. What is worth trying: ``demand`` and ``cut``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from doorward.model.addresses import span_networks
from doorward.model.intervals import Intervals, Span
from doorward.model.rules import AnyPeer, Group, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN, BLOCK, ICMP, ICMPV6
from doorward.model.verdict import Edit
from doorward.reach.world import World

Change: TypeAlias = tuple[str, Rule]
"""(group id, rule)."""


class Draft:
    """Additions and removals of rules, applied to a variant of a world that follows them."""

    def __init__(self, base: World, adds: Iterable[Change] = (), revokes: Iterable[Change] = ()) -> None:
        self.base = base
        self.world = base.with_groups({})
        self.adds: dict[Change, None] = {}
        self.revokes: dict[Change, None] = {}
        self.change(adds, revokes)

    def change(self, adds: Iterable[Change] = (), revokes: Iterable[Change] = ()) -> None:
        """Add and remove some more. Removing what was added, or adding what was removed, undoes it."""
        touched: set[str] = set()
        for one in revokes:
            touched.add(one[0])
            if one in self.adds:
                del self.adds[one]
            else:
                self.revokes[one] = None
        for one in adds:
            touched.add(one[0])
            if one in self.revokes:
                del self.revokes[one]
            elif not any(rule.key == one[1].key for rule in self._rules(one[0])):
                self.adds[one] = None
        if touched:
            self.world.take_groups({id: self.base.estate.groups[id].with_rules(self._rules(id)) for id in touched})

    def _rules(self, group: str) -> tuple[Rule, ...]:
        gone = {rule for id, rule in self.revokes if id == group}
        kept = tuple(rule for rule in self.base.estate.groups[group].rules if rule not in gone)
        return kept + tuple(rule for id, rule in self.adds if id == group)

    def without(self, one: Change) -> Draft:
        """The same changes but one."""
        return Draft(
            self.base, [add for add in self.adds if add != one], [revoke for revoke in self.revokes if revoke != one]
        )

    def copy(self) -> Draft:
        """The same changes, to be continued another way."""
        return Draft(self.base, self.adds, self.revokes)

    def __len__(self) -> int:
        return len(self.adds) + len(self.revokes)

    @property
    def groups(self) -> set[str]:
        """Groups that are changed."""
        return {id for id, _ in (*self.adds, *self.revokes)}

    def edits(self, restored: Iterable[Change] = ()) -> tuple[Edit, ...]:
        """As a repair: additions first, so that carrying it out in order never opens a gap."""
        known = {(id, rule.key) for id, rule in restored}
        return tuple(edit_of("authorize", one, (one[0], one[1].key) in known) for one in self.adds) + tuple(
            edit_of("revoke", one) for one in self.revokes
        )


def edit_of(action: str, change: Change, restores: bool = False) -> Edit:
    """A change as an edit."""
    group, rule = change
    return Edit(
        "authorize" if action == "authorize" else "revoke", group, rule.direction, rule.service, peer_text(rule.peer),
        rule.id, rule.origin, restores,
    )  # fmt: skip


def peer_text(peer: Peer) -> str:
    """A peer as it is written in a rule."""
    if isinstance(peer, GroupPeer):
        return peer.group
    if isinstance(peer, PrefixListPeer):
        return peer.prefix_list
    if isinstance(peer, AnyPeer):
        return peer.unknown
    return span_networks(peer)[0]


def editable(world: World, group: str) -> Group | None:
    """A group whose rules are in the input; others cannot be edited with knowledge of what that does."""
    return world.estate.groups.get(group)


def rule_spans(services: Intervals) -> Iterator[Span]:
    """Services in spans that one rule each can name: within a protocol; for ICMP one type, or one code of a type."""
    for first, last in services.spans:
        if (first, last) == ALL_SPAN:
            yield first, last
            continue
        for protocol in range(first // BLOCK, last // BLOCK + 1):
            low, high = max(first, protocol * BLOCK), min(last, protocol * BLOCK + BLOCK - 1)
            if protocol not in (ICMP, ICMPV6) or high - low == BLOCK - 1:
                yield low, high
            else:
                yield from _icmp(low, high)


def _icmp(low: int, high: int) -> Iterator[Span]:
    while low <= high:
        step = 255 if low % 256 == 0 and low + 255 <= high else 0
        yield low, low + step
        low += step + 1


__all__ = ["Change", "Draft", "edit_of", "editable", "peer_text", "rule_spans"]
