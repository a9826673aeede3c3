"""What a namespace of the fabric is to hold, and what joins two of them, as values.

`plan` makes them of the state of a cloud; `apply` makes namespaces of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from doorward_lab.fabric.routes import Hop
from doorward_lab.fabric.rulesets import Ruleset

MAIN, LOCAL = "main", "local"  # tables that every namespace has


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace: a host (an interface), a router (a VPC), a gateway, or the internet."""

    forwards: bool = False
    bridges: Mapping[str, str] = field(default_factory=dict)  # name → MAC
    addresses: frozenset[tuple[str, str]] = frozenset()  # (link, address/prefix)
    neighbours: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (link, address) → MAC; permanent
    tables: Mapping[str, Mapping[str, Hop]] = field(default_factory=dict)  # table → destination → hop
    rules: Mapping[str, str] = field(default_factory=dict)  # link that a packet came by → table that is asked
    rulesets: tuple[Ruleset, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wire:
    """A veth pair: `near` and `far` are (space, link, MAC); the near end may be a port of a bridge.

    `reached` are neighbours on the near side that come and go with the wire: (link, address, MAC).
    """

    near: tuple[str, str, str]
    far: tuple[str, str, str]
    bridge: str | None = None
    reached: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Every namespace and every wire, by name. Hosts' names are the ids of their interfaces."""

    spaces: Mapping[str, Space]
    wires: Mapping[str, Wire]
