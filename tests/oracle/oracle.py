"""The brute-force oracle: one packet, one connection, one contract at a time, straight from describe-JSON.

It is the second, independent implementation of ``docs/reference/semantics.md`` and shares no code with ``doorward``.
Start here: ``packet_arrives`` and ``connection_opens`` answer "yes", "no" or "unknown"; ``judge`` answers a contract.
What does not live here: the paths (``packets``), filters (``rules``), routes (``routing``), contracts (``judge``).
"""

from __future__ import annotations

from typing import Literal

from tests.oracle.judge import judge
from tests.oracle.packets import (
    a_answer,
    a_first,
    b_answer,
    b_first,
    c_answer,
    c_first,
    d_passes,
    e_from_inside,
    e_from_outside,
    is_public,
    ways_to,
)
from tests.oracle.world import Address, Json, Service, World, address, inside

__all__ = ["OUTSIDE", "Answer", "connection_opens", "judge", "packet_arrives"]

Answer = Literal["yes", "no", "unknown"]
OUTSIDE = ("internet", "outside")
EPHEMERAL = (1024, 65535)


def packet_arrives(
    estate: Json | World,
    source: str,
    source_address: str,
    target: str,
    target_address: str,
    protocol: int,
    detail: int = 0,
) -> Answer:
    """Can a first packet arrive? ``source`` and ``target`` are interface ids or ``internet`` / ``outside``.

    ``detail`` is a port, or ``type * 256 + code``. The target address may be a private or the public one; with a
    private one every path counts that ends at it.
    """
    return _ask(estate, source, source_address, target, target_address, Service(protocol, detail), None)


def connection_opens(
    estate: Json | World,
    source: str,
    source_address: str,
    target: str,
    target_address: str,
    protocol: int,
    detail: int = 0,
    ephemeral: tuple[int, int] = EPHEMERAL,
) -> Answer:
    """Can the first packet arrive and every answer come back? Ways through a load balancer (path E) do not count."""
    return _ask(estate, source, source_address, target, target_address, Service(protocol, detail), ephemeral)


def _ask(
    estate: Json | World, source: str, s: str, target: str, d: str, service: Service, ports: tuple[int, int] | None
) -> Answer:
    world = estate if isinstance(estate, World) else World(estate)
    one, other = address(s), address(d)
    if passes(world, source, one, target, other, service, ports, may=False):
        return "yes"
    return "unknown" if passes(world, source, one, target, other, service, ports, may=True) else "no"


def passes(
    world: World,
    source: str,
    s: Address,
    target: str,
    d: Address,
    service: Service,
    ports: tuple[int, int] | None,
    may: bool,
) -> bool:
    """One packet (``ports`` None) or connection, in one bound, by any path."""
    if target in OUTSIDE:
        beyond = not is_public(world, d)
        return c_first(world, source, s, d, service, may, beyond) and (
            ports is None or c_answer(world, source, s, d, service, ports, may, beyond)
        )
    own = d
    if not inside(d, world.nics[target].blocks):
        private = world.nics[target].private_of(d)
        if private is None:
            return False
        own = private
    if source in OUTSIDE:
        beyond = not is_public(world, s)
        if b_first(world, s, target, own, service, may, beyond) and (
            ports is None or b_answer(world, s, target, service, ports, may, beyond)
        ):
            return True
        return ports is None and any(
            e_from_outside(world, s, way, may, beyond)
            for way in ways_to(world, target)
            if way.address == own and way.back == service
        )
    if source == target:
        return False
    if own == d:
        if a_first(world, source, s, target, d, service, may) and (
            ports is None or a_answer(world, source, s, target, d, service, ports, may)
        ):
            return True
        if ports is None and any(
            e_from_inside(world, source, s, way, may)
            for way in ways_to(world, target)
            if way.address == own and way.back == service
        ):
            return True
        if d.family == 4:
            return False
    return d_passes(world, source, s, target, own, service, ports, may)
