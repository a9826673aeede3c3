"""In which order to apply what differs, so that no instant is more open than both the state before and the one after.

One namespace's rules change in one transaction, but several namespaces cannot change in one. A packet meets several of
them; if one opens before another closes, a packet passes that neither state would have let through. So: first what only
closes, then what closes and opens, then what only opens. When changes of several *kinds* both close and open (a packet
meets one of each kind), those of groups are narrowed first to what both states allow.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from doorward_lab.fabric.routes import NOWHERE, Hop
from doorward_lab.fabric.rulesets import Ruleset


class Stage(enum.IntEnum):
    """When a change is applied; `MAKE` and `CLEAR` neither open nor close anything by themselves."""

    MAKE = 0
    CLOSE = 1
    BOTH = 2
    OPEN = 3
    CLEAR = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One change to one namespace. `kind` says what a packet meets there once: "ingress", "egress", "acl", "route"."""

    stage: Stage
    run: Callable[[], object]
    kinds: frozenset[str] = frozenset()
    narrow: Callable[[], None] | None = None  # leaves only what both states allow; None where there is no such thing


def hop(old: Hop | None, new: Hop | None) -> Stage:
    """The stage for a route that changes; None: there is none, so a wider one decides."""
    if new == NOWHERE:
        return Stage.CLOSE
    return Stage.OPEN if old == NOWHERE else Stage.BOTH


def _allowing(old: tuple[str, ...], new: tuple[str, ...]) -> Stage | None:
    before, after = set(old), set(new)
    if before == after:
        return None
    if after <= before:
        return Stage.CLOSE
    return Stage.OPEN if before <= after else Stage.BOTH


def ruleset(old: Ruleset, new: Ruleset, allowing: frozenset[str]) -> tuple[Stage, frozenset[str]]:
    """The stage for a table that changes, and the kinds of change; chains named in `allowing` hold rules that allow."""
    changed = [c for c in {*old.chains, *new.chains} if old.chains.get(c) != new.chains.get(c)]
    found = {
        c: _allowing(old.chains.get(c, ()), new.chains.get(c, ())) if c in allowing else Stage.BOTH for c in changed
    }
    stages = {stage for stage in found.values() if stage is not None}
    kinds = frozenset(c if c in allowing else "acl" for c in changed if found[c] is Stage.BOTH)
    if len(stages) > 1:
        return Stage.BOTH, kinds or frozenset(c for c in changed if c in allowing)
    return (stages.pop() if stages else Stage.BOTH), kinds


def common(old: Ruleset, new: Ruleset, allowing: frozenset[str]) -> Ruleset:
    """`old`, but of the chains in `allowing` only the rules that `new` has too."""
    chains: Mapping[str, tuple[str, ...]] = {
        chain: tuple(line for line in lines if chain not in allowing or line in set(new.chains.get(chain, ())))
        for chain, lines in old.chains.items()
    }
    return Ruleset(old.name, old.hooks, chains)


def ordered(steps: list[Step]) -> list[Callable[[], object]]:
    """The acts in the order in which to do them."""
    by_stage = {stage: [s for s in steps if s.stage is stage] for stage in Stage}
    both = by_stage[Stage.BOTH]
    narrow: list[Callable[[], object]] = []
    if len(frozenset[str]().union(*(s.kinds for s in both))) > 1:
        narrow = [s.narrow for s in both if s.narrow is not None]
    closing = [s.run for stage in (Stage.MAKE, Stage.CLOSE) for s in by_stage[stage]]
    return closing + narrow + [s.run for stage in (Stage.BOTH, Stage.OPEN, Stage.CLEAR) for s in by_stage[stage]]
