"""What Doorward's engine says of single packets of an estate: does the first one arrive, does the answer come back?

Exactly what `never-reach` (the first packet alone) and `reach` (connection and answer) ask, for one packet: the same
functions, with both sides narrowed to one address, one service and one source port. `contracts` asks the same through
the front door, `doorward.api.check`. What does not live here: the packets (`aims`), the kernel's side (`court`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from doorward import api
from doorward.contracts.language import parse_contracts
from doorward.model.addresses import V6, parse_address
from doorward.model.estate import Estate
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.services import BLOCK
from doorward.reach import must, never
from doorward.reach.ends import Ends
from doorward.reach.private import lacks
from doorward.reach.public import opens
from doorward.reach.question import Question, Side
from doorward.reach.routes import lookup
from doorward.reach.world import Bound, Component, World
from doorward_lab.judge.case import TCP, UDP, Answer, Fate, Packet
from doorward_lab.judge.ends import End

PAST_THE_PEERING = (
    "a group stands for private addresses (EC2 User Guide, Security group rules): whether a reference between peered "
    "VPCs matches IPv6 that comes by the internet instead of the peering, AWS does not say, nor whether an answer may "
    "come by the internet to what went over the peering; the engine says no"
)
ASYMMETRIC = (
    "an egress-only gateway keeps the internet from beginning IPv6 connections (VPC User Guide): whether an answer "
    "leaves by it to what came in by the internet gateway, AWS does not say; the engine says no"
)


class Contract(NamedTuple):
    """One packet as two contracts: every address of one interface to every address of another."""

    source: str
    """Interface id, or an address of the internet."""
    target: str
    service: str
    source_port: int


class Engine:
    """The engine's verdicts on one estate."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self._world = World(estate)

    def fate(self, packet: Packet, source: End, target: End) -> Fate:
        """What becomes of a packet between two ends."""
        service = packet.protocol * BLOCK + packet.detail
        port = packet.source_port if packet.protocol in (TCP, UDP) else 1024
        asked = _Asked(self._world, source, target, service, (port, port))
        # Who accepts nothing (a NAT gateway) is not answered for either: the engine says so of the first packet.
        return Fate(_both(asked.arrives), _both(lambda bound: asked.arrives(bound) and asked.opens(bound)))

    def through_nat(self, source: End) -> bool:
        """Whether the subnet of an end has a route to a NAT gateway."""
        if source.outside:
            return False
        subnet = self.estate.subnets[self.estate.interfaces[source.interface].subnet]
        table = self.estate.route_tables.get(subnet.route_table or "")
        return table is not None and any(route.kind == "nat-gateway" for route in table.routes)

    def undocumented(self, source: End, target: End) -> str:
        """Why AWS's documentation does not say who is right about a packet; empty: it does.

        Both are about IPv6, whose addresses are private and public in one.
        """
        if target.outside or ":" not in target.wire:
            return ""
        there = self.estate.interfaces[target.interface]
        if source.outside:
            route = lookup(self._world, there.subnet, there.vpc, parse_address(source.private))
            return ASYMMETRIC if route is not None and route.kind == "egress-only-gateway" else ""
        here = self.estate.interfaces[source.interface]
        joined = any(one.active and set(one.vpcs) == {here.vpc, there.vpc} for one in self.estate.peerings.values())
        if here.vpc == there.vpc or not joined:
            return ""
        ways = [
            lookup(self._world, here.subnet, here.vpc, parse_address(target.wire)),
            lookup(self._world, there.subnet, there.vpc, parse_address(source.wire)),
        ]
        return PAST_THE_PEERING if any(one is not None and one.kind != "peering" for one in ways) else ""


def contracts(estate: Estate, asked: Iterable[Contract]) -> list[Fate]:
    """The same through the front door: each as a `never-reach` and a `reach` contract, checked by `doorward.api`."""
    asked = list(asked)
    lines = ["version: 1", "contracts:"]
    for at, one in enumerate(asked):
        for must_ in ("never-reach", "reach"):
            lines.append(f"  {must_}-{at}:")
            lines.append(f"    must: {must_}")
            lines.append(f"    from: {_selector(one.source)}")
            lines.append(f"    to: {_selector(one.target)}")
            lines.append(f"    service: {one.service}")
            if must_ == "reach" and one.source_port:
                lines.append(f"    ephemeral: {one.source_port}-{one.source_port}")
    if not asked:
        return []
    report = api.check(parse_contracts("\n".join(lines).encode(), "judge"), estate, repair=False)
    outcome = {verdict.name: str(verdict.outcome) for verdict in report.verdicts}
    arrives: dict[str, Answer] = {"kept": "no", "broken": "yes", "cannot-tell": "unknown"}
    opens_: dict[str, Answer] = {"kept": "yes", "broken": "no", "cannot-tell": "unknown"}
    return [Fate(arrives[outcome[f"never-reach-{at}"]], opens_[outcome[f"reach-{at}"]]) for at in range(len(asked))]


def _selector(end: str) -> str:
    if ":" in end:
        return f'"{end}/128"'
    return f"{end}/32" if end.count(".") == 3 else f"interface:{end}"


def _both(asked: Callable[[Bound], bool]) -> Answer:
    """Yes in both bounds, no in both, or unknown."""
    if asked(Bound.LOWER):
        return "yes"
    return "unknown" if asked(Bound.UPPER) else "no"


class _Asked:
    """One packet, asked of the engine's own functions."""

    def __init__(self, world: World, source: End, target: End, service: int, ephemeral: tuple[int, int]) -> None:
        self._world, self._source, self._target = world, source, target
        self._services = Intervals.point(service)
        self._ephemeral = ephemeral
        self._private = target.private == target.wire
        """Written to the private address. An IPv6 address is private and public in one."""
        self._six = parse_address(target.wire) >= V6

    def _ends(self, end: End) -> Ends:
        """An end inside, as the engine numbers it."""
        component, bit = self._endpoint(end)
        return {component: 1 << bit}

    def _endpoint(self, end: End) -> tuple[Component, int]:
        component = self._world.component_of(self._world.estate.interfaces[end.interface].vpc)
        address = parse_address(end.private)
        for number in component.endpoints_of[end.interface]:
            if component.span_of(number)[0] == address:
                return component, number
        raise AssertionError(f"the snapshot has no {end.private} at {end.interface}")

    def arrives(self, bound: Bound) -> bool:
        """Whether the first packet arrives at its target, on the way that its address means."""
        sources: Ends = {} if self._source.outside else self._ends(self._source)
        outside = _point(self._source) - self._world.inner if self._source.outside else EMPTY
        targets: Ends = {} if self._target.outside else self._ends(self._target)
        beyond = _point(self._target) - self._world.inner if self._target.outside else EMPTY
        found = never.arriving(self._world, sources, outside, targets, beyond, self._services, bound)
        if self._source.outside or self._target.outside or self._six:
            return next(found, None) is not None
        wanted = "private" if self._private else "public"
        return any(one.way == wanted for one in found)

    def opens(self, bound: Bound) -> bool:
        """Whether the connection opens: the answer returns as well."""
        if self._source.outside or self._target.outside or self._six:
            return not self._missing(bound)
        (here, source), (there, target) = self._endpoint(self._source), self._endpoint(self._target)
        if self._private:
            if here is not there:
                return False
            return next(lacks(here, 1 << source, 1 << target, self._services, self._ephemeral, bound), None) is None
        return opens(here, source, there, target, self._services, self._ephemeral, bound)

    def _missing(self, bound: Bound) -> bool:
        # Connections that surely open (lower bound) lack nothing when everything certain is asked, and vice versa.
        question = Question("reach", Side(), Side(), self._services, self._ephemeral)
        sources: Ends = {} if self._source.outside else self._ends(self._source)
        outside = _point(self._source) - self._world.inner if self._source.outside else EMPTY
        targets: Ends = {} if self._target.outside else self._ends(self._target)
        beyond = _point(self._target) - self._world.inner if self._target.outside else EMPTY
        missing = must.unopened(question, sources, outside, targets, beyond, bound)
        return next(missing, None) is not None


def _point(end: End) -> Intervals:
    return Intervals.point(parse_address(end.private))
