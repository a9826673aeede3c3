"""One packet, and how it travels: what the engine hands over as a witness."""

from __future__ import annotations

from typing import Literal, NamedTuple

Way = Literal["private", "arrival", "departure", "public", "balanced"]
"""Paths A, B, C, D and E of the rule book (``docs/reference/semantics.md`` §4)."""

OUTSIDE = "outside"


class Packet(NamedTuple):
    """A packet that decides a question."""

    source: str
    """Interface id, or ``outside``."""
    source_address: int
    target: str
    target_address: int
    service: int
    way: Way = "private"
    via: str | None = None
    """Load balancer id for ``balanced``; balancer whose target or listener is concerned otherwise."""
    part: Literal[
        "traffic", "health-check", "listener", "nobody", "family", "unaddressable", "targets", "loopback"
    ] = "traffic"  # fmt: skip
    """What of a load balancer is concerned, or why there is no packet to try."""
