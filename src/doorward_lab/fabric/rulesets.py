"""One nftables table as a value, and the one transaction that turns one value into another.

What the rules say belongs to `filters`, `acls` and `gateways`; talking to the kernel belongs to `kernel.nft`.

A transaction never deletes and adds a base chain: between its registration and the switch of generations, an empty new
chain with policy drop would already drop packets. Base chains are made once; their rules and those of the other chains
are flushed and added. Rules hold no interval sets: those match nothing for an instant after such a switch. Hash sets
and maps (single addresses, names of links) do not have this fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The table `name` (family and name), the hooks of its base chains, and the rules of every chain in order."""

    name: str
    hooks: Mapping[str, str] = field(default_factory=dict)  # base chain → "type filter hook input priority 0; policy …"
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def transaction(old: Ruleset | None, new: Ruleset) -> str:
    """The commands, for one atomic call, that make `new` of `old`; empty when nothing differs.

    Base chains of the two must be the same ones when there is an `old`.
    """
    name = new.name
    before: Mapping[str, tuple[str, ...]] = {} if old is None else old.chains
    declare = [] if old is not None else [f"add table {name}"]
    rules: list[str] = []
    for chain, lines in new.chains.items():
        if chain not in before:
            hook = new.hooks.get(chain)
            declare.append(f"add chain {name} {chain} {{ {hook} }}" if hook else f"add chain {name} {chain}")
        elif before[chain] == lines:
            continue
        else:
            rules.append(f"flush chain {name} {chain}")
        rules.extend([f"add rule {name} {chain} {line}" for line in lines])
    gone = [f"delete chain {name} {chain}" for chain in before if chain not in new.chains]
    empty = [f"flush chain {name} {chain}" for chain in before if chain not in new.chains]
    commands = declare + empty + rules + gone
    return "\n".join(commands) + "\n" if commands else ""
