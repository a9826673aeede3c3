"""What is measured, each behind one function: the only place that knows the names of the engine's entry points.

A function that raises `ImportError` or `AttributeError` says that the part does not exist; its rows then say so too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from doorward.model.estate import Estate
from doorward.model.rules import GroupPeer, Rule
from doorward.model.services import TCP, block


class RuleChange(NamedTuple):
    """One rule comes or goes."""

    group: str
    added: Rule | None
    removed: Rule | None


def load(estate: Path, contracts: Path) -> tuple[Estate, tuple[Any, ...]]:
    """An estate and its contracts."""
    from doorward import api

    return api.read_estate(estate), api.read_contracts(contracts)


def check(contracts: Iterable[Any], estate: Estate, *, repair: bool = True) -> Any:
    """All contracts judged, and as the command does it, broken ones repaired."""
    from doorward import api

    return api.check(contracts, estate, repair=repair)


def exposure(estate: Estate) -> Any:
    """All that the internet can open."""
    from doorward import api

    return api.exposure(estate)


def diff(before: Estate, after: Estate) -> Any:
    """What flows differ."""
    from doorward import api

    return api.diff(before, after)


def all_pairs(estate: Estate) -> Any:
    """Who can open what on whom, for every two interfaces."""
    from doorward import api

    return api.all_pairs(estate)


def watch(contracts: Iterable[Any], estate: Estate) -> Any:
    """Something with ``apply(group, added=…, removed=…)`` that says which contracts flip."""
    from doorward.contracts.watching import watch as start

    return start(contracts, estate)


def apply(watcher: Any, change: RuleChange) -> Any:
    """The contracts that flip by one change."""
    added = () if change.added is None else (change.added,)
    removed = () if change.removed is None else (change.removed,)
    return watcher.apply(change.group, added=added, removed=removed)


def repairs(contracts: tuple[Any, ...], estate: Estate) -> Callable[[int], Any]:
    """A function that finds the smallest repair of the contract at a position."""
    from doorward.contracts.mend import Mender
    from doorward.contracts.selectors import Matcher
    from doorward.reach.world import World

    world = World(estate)
    matcher = Matcher(world)
    mender = Mender(contracts, [matcher.question(contract) for contract in contracts], world)
    return lambda index: mender.mend(index).edits


def changes(estate: Estate, number: int, seed: int = 1) -> list[RuleChange]:
    """One rule of an attached group comes or goes, ``number`` times: half removals of what is there, half additions.

    A removal is undone by the next change of its group, so that the estate stays as large as it is.
    """
    rng = random.Random(seed)
    attached = sorted({group for interface in estate.interfaces.values() for group in interface.groups})
    gone: dict[str, Rule] = {}
    found: list[RuleChange] = []
    while len(found) < number:
        name = attached[int(rng.random() * len(attached))]
        group = estate.groups[name]
        if name in gone:
            found.append(RuleChange(name, gone.pop(name), None))
        elif rng.random() < 0.5 and group.rules:
            rule = group.rules[int(rng.random() * len(group.rules))]
            gone[name] = rule
            found.append(RuleChange(name, None, rule))
        else:
            port = block(TCP)[0] + 1 + int(rng.random() * 12000)
            peer = attached[int(rng.random() * len(attached))]
            rule = Rule("ingress", (port, port), GroupPeer(peer, estate.groups[peer].vpc))
            gone_again = RuleChange(name, None, rule)
            found += [RuleChange(name, rule, None), gone_again]
    return found[:number]
