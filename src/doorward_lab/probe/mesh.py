"""Many hosts, and packets from each to each: which first packets arrive, and which answers come back.

A raw socket at the target, behind its input filter, records what arrives; one at the source records the answer. TCP is
answered by the target's kernel (a reset where nobody listens), ICMP echo too; UDP and other protocols are answered by
the mesh itself, in the same protocol, because an ICMP error would be asked by other ACL entries than the answer of a
service. Packets leave through raw IP sockets, not packet sockets: those would bypass the sender's own egress filter.

What does not live here: what should arrive (`doorward_lab.judge`).
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from doorward_lab.probe import packets
from doorward_lab.probe.packets import ICMP, ICMPV6, TCP, Columns, Probe
from doorward_lab.probe.wire import Batch, Bytes, Inbox

IPV6_HDRINCL = 36
SO_RCVBUFFORCE = 33
BUFFER = 16 << 20
PACKET_COST = 1280
"""Bytes of a socket's buffer that the kernel counts for one small packet, at most (skb and its data)."""
QUIET = 0.04
"""Seconds without a packet, after the last was sent, that mean nothing more will come. Everything runs on one machine:
a packet is delivered in the system call that sends it, or soon after by a softirq."""
OTHERS = (47, 50, 89, 99, 253)
"""Protocols besides TCP, UDP and ICMP that are worth probing: GRE, ESP, OSPF, and two that nobody uses."""


class Place(Protocol):
    """Where a host lives: what `doorward_lab.kernel.netns.Namespace` gives."""

    def socket(self, family: int, type: int, proto: int = 0) -> socket.socket:
        """A socket made inside."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of each probe, in order."""

    arrived: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    """It did not even leave its source: the source's egress filter or routes refused it."""
    strayed: tuple[int, ...]
    """Probes that were seen at another host than their target: never right."""
    seconds: float


@dataclass(slots=True)
class _Ear:
    host: int
    family: int
    protocol: int
    socket: socket.socket


@dataclass(slots=True)
class _Run:
    """The state of one round."""

    probes: Columns
    first: int
    """Number of the first probe; the others follow."""
    arrived: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    strayed: set[int] = field(default_factory=set)


class Mesh:
    """Hosts by name, with raw sockets in each. Needs CAP_NET_RAW inside their namespaces."""

    def __init__(self, hosts: Mapping[str, Place]) -> None:
        self.hosts = tuple(hosts)
        self._places = list(hosts.values())
        self._ears: dict[int, _Ear] = {}
        self._poll = select.epoll()
        self._mouths: dict[tuple[int, int], socket.socket] = {}
        self._listening: set[tuple[int, int, int]] = set()
        self._inbox = Inbox(1024)
        self._next = (
            int(time.monotonic_ns() >> 10) & 0x3FFFFFFF
        )  # so that packets of a former mesh are not taken for ours
        self._depth = BUFFER // PACKET_COST

    def __enter__(self) -> Mesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        for ear in self._ears.values():
            ear.socket.close()
        for mouth in self._mouths.values():
            mouth.close()
        self._poll.close()

    def run(self, probes: Sequence[Probe], *, again: bool = True) -> Seen:
        """Send probes and tell what became of them. ``again``: what was not seen is tried once more, because a full
        buffer loses packets and a filter does not. What its own source refused is certain.

        Every two probes of one mesh must differ in (addresses, protocol, ports) unless they mean the same: the filters
        are stateful. Raises ``KeyError`` for a host that the mesh does not know.
        """
        return self.run_columns(packets.columns(probes, self.hosts), again=again)

    def run_columns(self, probes: Columns, *, again: bool = True) -> Seen:
        """The same for columns."""
        began = time.monotonic()
        count = len(probes)
        run = _Run(probes, self._next, np.zeros(count, np.bool_), np.zeros(count, np.bool_), np.zeros(count, np.bool_))
        self._next += count
        self._open(probes)
        self._drain(run, 0.0, keep=False)
        self._round(run, np.arange(count, dtype=np.int64))
        if again:
            left = np.flatnonzero(~run.refused & ~(run.arrived & (run.answered | ~_answerable(probes))))
            if len(left):
                self._round(run, left)
        return Seen(run.arrived, run.answered, run.refused, tuple(sorted(run.strayed)), time.monotonic() - began)

    # --- sockets ---

    def _open(self, probes: Columns) -> None:
        """The ears and mouths that these probes need."""
        for family in (4, 6):
            mine = probes.family == family
            ends = np.unique(np.concatenate([probes.source[mine], probes.target[mine]]))
            protocols = set(np.unique(probes.protocol[mine]).tolist())
            for host in ends.tolist():
                if (host, family) not in self._mouths:
                    self._mouths[host, family] = self._mouth(host, family)
                for protocol in protocols:
                    self._listen(host, family, protocol)

    def _mouth(self, host: int, family: int) -> socket.socket:
        if family == 4:
            return self._places[host].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        made = self._places[host].socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        return made

    def _listen(self, host: int, family: int, protocol: int) -> None:
        if (host, family, protocol) in self._listening:
            return
        self._listening.add((host, family, protocol))
        sort = socket.AF_INET if family == 4 else socket.AF_INET6
        made = self._places[host].socket(sort, socket.SOCK_RAW, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # an ordinary user gets up to rmem_max
        # The kernel reports twice what it grants, and fills up to the reported figure.
        room = made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // PACKET_COST
        self._depth = min(self._depth, max(16, room))
        self._ears[made.fileno()] = _Ear(host, family, protocol, made)
        self._poll.register(made.fileno(), select.EPOLLIN)

    # --- one round ---

    def _round(self, run: _Run, rows: NDArray[np.int64]) -> None:
        """Send some of the probes, listening all the while, until sent and quiet."""
        # Mixed, so that no single target's buffer takes a whole burst; the same way each time.
        rows = np.random.default_rng(len(rows)).permutation(rows)
        probes = run.probes
        waiting: list[tuple[socket.socket, Batch, NDArray[np.int64]]] = []
        for family in (4, 6):
            of_family = rows[probes.family[rows] == family]
            for host in np.unique(probes.source[of_family]).tolist():
                mine = of_family[probes.source[of_family] == host]
                part = probes.take(mine)
                made = packets.write(part, (mine + run.first).astype(np.uint32), family)
                batch = Batch(made, packets.names(part.to_address, family))
                waiting.append((self._mouths[host, family], batch, mine))
        # A burst may go to one target alone, and its answers to one source: between two drains no more is sent than a
        # third of the smallest buffer holds.
        room = max(8, self._depth // 3)
        burst, unheard = min(1024, room), 0
        while waiting:
            for mouth, batch, _ in waiting:
                if unheard + burst > room:
                    self._drain(run, 0.0)
                    unheard = 0
                before = batch.at
                if not batch.send(mouth, burst):
                    self._drain(run, 0.0)
                    unheard = 0
                unheard += batch.at - before
            for _, batch, mine in waiting:
                if batch.done:
                    run.refused[mine[batch.refused]] = True
            waiting = [one for one in waiting if not one[1].done]
        self._drain(run, QUIET)

    def _drain(self, run: _Run, quiet: float, *, keep: bool = True) -> None:
        """Take in what waits at the ears, and answer it, until nothing came for ``quiet`` seconds."""
        while True:
            ready = self._poll.poll(quiet, 1024)
            if not ready:
                return
            for number, _ in ready:
                self._hear(run, self._ears[number], keep)

    def _hear(self, run: _Run, ear: _Ear, keep: bool) -> None:
        rows, lengths = self._inbox.receive(ear.socket)
        if not keep or not len(rows):
            return
        heard = packets.read(rows, lengths, ear.protocol, ear.family)
        count = len(run.probes)
        arrived = heard.arrived - run.first
        ours = (arrived >= 0) & (arrived < count)
        arrived = arrived[ours]
        at_home = run.probes.target[arrived] == ear.host
        run.arrived[arrived[at_home]] = True
        run.strayed.update(arrived[~at_home].tolist())
        answered = heard.answered - run.first
        mine = (answered >= 0) & (answered < count)
        answered = answered[mine]
        if ear.family == 4:
            # Translated on its way back by somebody else than on its way there, an answer comes from a stranger: no
            # program takes it for one.
            asked = run.probes.to_address[answered, :4]
            answered = answered[(heard.answered_by[mine] == asked).all(axis=1)]
        run.answered[answered[run.probes.source[answered] == ear.host]] = True
        if ear.protocol not in (TCP, ICMP, ICMPV6) and at_home.any():
            self._answer(run, ear, arrived[at_home], heard.bodies[ours][at_home], heard, ours, at_home)

    def _answer(
        self, run: _Run, ear: _Ear, rows: NDArray[np.int64], bodies: Bytes, heard: packets.Heard,
        ours: NDArray[np.bool_], at_home: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Answer packets that have arrived, to where they seem to come from."""
        if ear.family == 4:
            back_to, back_from = heard.seen_from[ours][at_home], heard.seen_to[ours][at_home]
        else:  # nothing translates IPv6 here
            back_to, back_from = run.probes.from_address[rows], run.probes.to_address[rows]
        made = packets.write_answers(bodies, run.probes.protocol[rows], back_from, back_to, ear.family)
        batch = Batch(made, packets.names(back_to, ear.family))
        mouth = self._mouths[ear.host, ear.family]
        while not batch.done:
            if not batch.send(mouth, len(made)):
                select.select([], [mouth], [], 0.01)


def _answerable(probes: Columns) -> NDArray[np.bool_]:
    """Which probes have an answer: all but ICMP messages other than echo."""
    kind = probes.detail >> 8
    silent = (probes.protocol == ICMP) & (kind != packets.ECHO)
    silent |= (probes.protocol == ICMPV6) & (kind != packets.ECHO_V6)
    answer: NDArray[np.bool_] = ~silent
    return answer
