"""In which order to apply what differs, so that no instant is more open than both the state before and the one after.

One namespace's rules change in one transaction, but several namespaces cannot change in one. A packet meets several of
them; if one opens before another closes, a packet passes that neither state would have let through. So: first what only
closes, then what closes and opens, then what only opens. When changes of several *kinds* both close and open (a packet
meets one of each kind), filters are narrowed first to what both states let through.

Not covered: routes of several VPCs that change at once, and one-to-one translation at a gateway. One API call never
changes two of these.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from doorward_lab.fabric.routes import NOWHERE, Hop
from doorward_lab.fabric.rulesets import Ruleset

_PASS = re.compile(r'(?:counter )?(?:accept|goto \w+)(?: comment "[^"]*")?$')


class Stage(enum.IntEnum):
    """When a change is applied; `MAKE` and `CLEAR` neither open nor close anything by themselves."""

    MAKE = 0
    CLOSE = 1
    BOTH = 2
    OPEN = 3
    CLEAR = 4


@dataclass(frozen=True, slots=True)
class Step:
    """A change to a namespace. `kinds` are what a packet meets there once: "ingress", "egress", "route", a router."""

    stage: Stage
    run: Callable[[], object]
    kinds: frozenset[str] = frozenset()
    narrow: Callable[[], object] | None = None  # lets through only what both states do; None where there is no such


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


def ruleset(old: Ruleset, new: Ruleset, allowing: frozenset[str], where: str) -> tuple[Stage, frozenset[str]]:
    """The stage for a table that changes, and the kinds of change; chains in `allowing` hold rules that allow.

    What other tables decide is a kind for each namespace (`where`): a packet may meet the routers of two VPCs.
    """
    changed = [c for c in {*old.chains, *new.chains} if old.chains.get(c) != new.chains.get(c)]
    found = {
        c: _allowing(old.chains.get(c, ()), new.chains.get(c, ())) if c in allowing else Stage.BOTH for c in changed
    }
    stages = {stage for stage in found.values() if stage is not None}
    kinds = frozenset(c if c in allowing else where for c in changed if found[c] is Stage.BOTH)
    if len(stages) > 1:
        return Stage.BOTH, kinds or frozenset(c for c in changed if c in allowing)
    return (stages.pop() if stages else Stage.BOTH), kinds


def both(old: Ruleset, new: Ruleset, allowing: frozenset[str]) -> Ruleset:
    """A table that lets through exactly what `old` and `new` both do, as far as the chains that differ decide it.

    Each such chain first asks the old one, as a chain of its own in which to pass is to return, and then goes on as the
    new one. Chains in `allowing` drop what they do not allow; others drop and return by themselves, as ACLs do.
    """
    chains: dict[str, tuple[str, ...]] = {**old.chains, **new.chains}
    for chain, before in old.chains.items():
        after = new.chains.get(chain)
        if after is None or after == before:
            continue
        was = tuple(_PASS.sub("return", line) for line in before)
        chains[f"was_{chain}"] = (*was, "drop") if chain in allowing else was
        chains[chain] = (f"jump was_{chain}", *after)
    return Ruleset(new.name, new.hooks, chains)


def ordered(steps: list[Step]) -> list[Callable[[], object]]:
    """The acts in the order in which to do them."""
    by_stage = {stage: [s for s in steps if s.stage is stage] for stage in Stage}
    mixed = by_stage[Stage.BOTH]
    acts: list[Callable[[], object]] = [s.run for stage in (Stage.MAKE, Stage.CLOSE) for s in by_stage[stage]]
    if len(frozenset[str]().union(*(s.kinds for s in mixed))) > 1:
        acts += [s.narrow for s in mixed if s.narrow is not None]
        mixed.sort(key=lambda s: s.narrow is not None)  # what cannot be narrowed changes while the others are
    return acts + [s.run for stage in (Stage.BOTH, Stage.OPEN, Stage.CLEAR) for s in by_stage[stage]]
