"""The court: one packet, two verdicts. Doorward's engine on a snapshot, and the kernel with real packets.

What does not live here: which packets (`aims`), which estates (`estates`), what happens with disagreements (`run`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from doorward.model.estate import Estate
from doorward_lab.judge.bench import Standing
from doorward_lab.judge.case import ICMP, ICMPV6, TCP, UDP, Fate, Packet
from doorward_lab.judge.engine import Contract, Engine, contracts
from doorward_lab.probe.mesh import Mesh
from doorward_lab.probe.packets import Probe


class Row(NamedTuple):
    """One packet and what the two said."""

    packet: Packet
    engine: Fate
    kernel: Fate
    """Never `unknown`. `answered` says the same as `arrives` for packets that nobody answers."""
    fault: str = ""
    """What they disagree on; empty: nothing."""
    apart: str = ""
    """Why a difference is no disagreement: AWS does not say which of the two is right."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """All packets of one standing scene, judged."""

    rows: tuple[Row, ...]
    through_door: tuple[Row, ...] = ()
    """The same, asked as contracts through `doorward.api.check`; ``packet`` names interfaces."""
    seconds: float = 0.0
    """What the packets themselves took."""

    @property
    def faults(self) -> list[Row]:
        """Where they disagree."""
        return [row for row in (*self.rows, *self.through_door) if row.fault]

    @property
    def apart(self) -> int:
        """Packets on which they differ and AWS does not say who is right."""
        return sum(bool(row.apart) for row in self.rows)

    @property
    def unknown(self) -> int:
        """Packets of which the engine cannot tell."""
        return sum("unknown" in row.engine for row in self.rows)


def answerable(packet: Packet) -> bool:
    """Whether anybody answers: ICMP messages other than echo requests have no answer."""
    if packet.protocol not in (ICMP, ICMPV6):
        return True
    return packet.detail == (8 << 8 if packet.protocol == ICMP else 128 << 8)


def observe(standing: Standing, packets: Sequence[Packet]) -> tuple[list[Fate], float]:
    """What the kernel does with packets, and the seconds that they took."""
    if not packets:
        return [], 0.0
    probes = []
    for one in packets:
        source, target = standing.end(one.source), standing.end(one.target)
        probes.append(
            Probe(
                standing.place_of(one.source), standing.place_of(one.target), source.private, target.wire, one.protocol,
                one.detail, one.source_port,
            )
        )  # fmt: skip
    with Mesh(standing.places) as mesh:
        seen = mesh.run(probes)
    strayed = set(seen.strayed)
    fates = []
    for at, one in enumerate(packets):
        # A packet that came up at a third host is neither: it makes both verdicts wrong.
        arrived = bool(seen.arrived[at]) and at not in strayed
        back = bool(seen.answered[at]) if answerable(one) else arrived
        fates.append(Fate("yes" if arrived else "no", "yes" if back and arrived else "no"))
    return fates, seen.seconds


def sit(standing: Standing, estate: Estate, packets: Sequence[Packet], *, doors: int = 0) -> Sitting:
    """Judge packets. ``doors``: how many (interface, interface, service, port) to ask as contracts as well."""
    engine = Engine(estate)
    kernel, seconds = observe(standing, packets)
    expected = [engine.fate(one, standing.end(one.source), standing.end(one.target)) for one in packets]
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for at, one in enumerate(packets):
        groups[one.source, one.target, one.protocol, one.detail].append(at)
    rows = []
    for at, one in enumerate(packets):
        fault = _fault(one, expected[at], kernel[at])
        if (
            fault.startswith("answer")
            and expected[at].answered == "no"
            and engine.through_nat(standing.end(one.source))
        ):
            # A NAT gateway answers from any of its ports, 1024 to 65535, so the engine asks for all of them (rule book
            # §4 C 5), and says no whatever the source port. The kernel keeps the port: some packet must show the gap.
            same = groups[one.source, one.target, one.protocol, one.detail]
            every = all(expected[other].answered == "no" for other in same)
            if every and any(kernel[other].answered == "no" for other in same):
                fault = ""
        rows.append(_settled(standing, engine, Row(one, expected[at], kernel[at], fault)))
    doored = [_settled(standing, engine, row) for row in _through_door(standing, estate, packets, kernel, doors)]
    return Sitting(tuple(rows), tuple(doored), seconds)


def _settled(standing: Standing, engine: Engine, row: Row) -> Row:
    """A row whose difference is set apart where AWS's documentation does not settle it: the engine then says no."""
    if not row.fault.endswith("engine no, kernel yes"):
        return row
    why = engine.undocumented(standing.end(row.packet.source), standing.end(row.packet.target))
    return row._replace(fault="", apart=why) if why else row


def _fault(packet: Packet, engine: Fate, kernel: Fate) -> str:
    if engine.arrives != "unknown" and engine.arrives != kernel.arrives:
        return f"first packet: engine {engine.arrives}, kernel {kernel.arrives}"
    if not answerable(packet) or engine.answered == "unknown" or engine.answered == kernel.answered:
        return ""
    return f"answer: engine {engine.answered}, kernel {kernel.answered}"


def _through_door(
    standing: Standing, estate: Estate, packets: Sequence[Packet], kernel: Sequence[Fate], most: int
) -> list[Row]:
    """Packets whose pair of interfaces has one way only, asked as contracts, the whole way of a user."""
    asked: list[Contract] = []
    about: list[int] = []
    for at, one in enumerate(packets):
        if len(asked) >= most:
            break
        source, target = standing.end(one.source), standing.end(one.target)
        if one.protocol not in (TCP, UDP) or not (_single(standing, one.source) and _only(standing, one.target)):
            continue
        if not source.outside and target.wire != target.private:
            continue
        name = target.private if target.outside else target.interface
        asked.append(
            Contract(source.private if source.outside else source.interface, name, one.service, one.source_port)
        )
        about.append(at)
    found = []
    for at, fate in zip(about, contracts(estate, asked), strict=True):
        one = packets[at]
        found.append(Row(one, fate, kernel[at], _fault(one, fate, kernel[at])))
    return found


def _single(standing: Standing, text: str) -> bool:
    """Whether an end is the only address of its interface."""
    if standing.end(text).outside:
        return True
    interface = standing.hosts[text.partition("/")[0]]
    return len(interface.ipv4) == 1 and not interface.ipv6


def _only(standing: Standing, text: str) -> bool:
    """The same, and there is no second way to it by a public address."""
    end = standing.end(text)
    if end.outside:
        return True
    public = standing.hosts[text.partition("/")[0]].public
    return _single(standing, text) and (not public or end.wire != end.private)
