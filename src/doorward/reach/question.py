"""What the engine is asked: which sources, which targets, which services, and what must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from doorward.model.intervals import EMPTY, Intervals, Span
from doorward.model.services import EPHEMERAL

Must = Literal["reach", "never-reach", "only-from"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a question. All parts are united."""

    groups: tuple[str, ...] = ()
    """Security groups: all their members."""
    interfaces: tuple[str, ...] = ()
    """Single interfaces, with all their private addresses."""
    inside: Intervals = EMPTY
    """Every private address of an interface in this set (CIDR selectors); other addresses of the interface do not
    count."""
    outside: Intervals = EMPTY
    """Addresses outside every VPC of the estate."""
    balancers: tuple[str, ...] = ()
    """Load balancers, with all their interfaces; as targets their listeners and registered targets are judged too."""
    nobody: tuple[str, ...] = ()
    """Selectors that match something that has no interface."""


@dataclass(frozen=True, slots=True)
class Question:
    """A contract, resolved against an estate."""

    must: Must
    sources: Side
    targets: Side
    services: Intervals
    ephemeral: Span = EPHEMERAL
