"""Probe packets as rows of bytes: written by the thousand with numpy, read back the same way.

Every packet carries the number of its probe, so that no address has to be compared and no translation on the way
confuses anybody: TCP in the sequence number (an answer acknowledges it), all others in a payload. IPv4 packets are 40
bytes, IPv6 packets 60. What does not live here: sockets (`wire`, `mesh`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doorward_lab.probe.wire import Bytes

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
ECHO, ECHO_V6 = 8, 128
MAGIC = b"DwPb"
PROBE, ANSWER = 0, 1
BODY = 20
"""Bytes behind the IP header, for every protocol: 8 of header and 12 of payload, or a bare TCP header."""
SYN, RST, ACK = 2, 4, 16


class Probe(NamedTuple):
    """One first packet: from whom to whom, as written on the wire."""

    source: str
    """The host that sends it (a name that the mesh knows)."""
    target: str
    """The host at which it should arrive."""
    from_address: str
    to_address: str
    protocol: int
    detail: int = 0
    """Destination port; for ICMP ``type * 256 + code``; 0 for other protocols."""
    source_port: int = 0
    """For ICMP the identifier; without meaning for other protocols than TCP, UDP and ICMP."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Probes as columns of equal length. Addresses are 16 bytes each, IPv4 ones in the first four."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    family: NDArray[np.uint8]
    from_address: Bytes
    to_address: Bytes
    protocol: NDArray[np.uint8]
    detail: NDArray[np.uint16]
    source_port: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """Some of them, by number."""
        return Columns(
            self.source[rows], self.target[rows], self.family[rows], self.from_address[rows], self.to_address[rows],
            self.protocol[rows], self.detail[rows], self.source_port[rows],
        )  # fmt: skip


def columns(probes: Sequence[Probe], hosts: Sequence[str]) -> Columns:
    """Probes as columns; hosts become their places in ``hosts``. Raises ``KeyError`` for a host that is not there."""
    place = {name: at for at, name in enumerate(hosts)}
    packed: dict[str, bytes] = {}
    for text in {one.from_address for one in probes} | {one.to_address for one in probes}:
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        packed[text] = socket.inet_pton(family, text).ljust(16, b"\0")

    def addresses(texts: Iterable[str]) -> Bytes:
        return np.frombuffer(b"".join(packed[text] for text in texts), np.uint8).reshape(-1, 16)

    return Columns(
        np.array([place[one.source] for one in probes], np.int32),
        np.array([place[one.target] for one in probes], np.int32),
        np.array([6 if ":" in one.to_address else 4 for one in probes], np.uint8),
        addresses(one.from_address for one in probes),
        addresses(one.to_address for one in probes),
        np.array([one.protocol for one in probes], np.uint8),
        np.array([one.detail for one in probes], np.uint16),
        np.array([one.source_port for one in probes], np.uint16),
    )


def write(probes: Columns, numbers: NDArray[np.uint32], family: int) -> Bytes:
    """The packets of probes that are all of one family; ``numbers`` are the probes' own."""
    count = len(probes)
    body = np.zeros((count, BODY), np.uint8)
    ports = (probes.protocol == TCP) | (probes.protocol == UDP)
    tcp, udp = probes.protocol == TCP, probes.protocol == UDP
    icmp = (probes.protocol == ICMP) | (probes.protocol == ICMPV6)
    body[ports, 0:2] = _big16(probes.source_port[ports])
    body[ports, 2:4] = _big16(probes.detail[ports])
    body[tcp, 4:8] = _big32(numbers[tcp])
    body[tcp, 12] = 5 << 4
    body[tcp, 13] = SYN
    body[tcp, 14:16] = 0xFF
    body[udp, 5] = BODY
    body[icmp, 0:2] = _big16(probes.detail[icmp])
    body[icmp, 4:6] = _big16(probes.source_port[icmp])
    _sign(body, ~tcp, (probes.detail >> 8).astype(np.uint8), numbers, PROBE)
    return _wrap(body, probes.protocol, probes.from_address, probes.to_address, family)


def write_answers(
    body: Bytes, protocol: NDArray[np.uint8], from_address: Bytes, to_address: Bytes, family: int
) -> Bytes:
    """Answers to UDP and other packets that have arrived: ports turned round, the same number."""
    answer = np.zeros((len(body), BODY), np.uint8)
    answer[:] = body[:, :BODY]
    udp = protocol == UDP
    answer[udp, 0:2], answer[udp, 2:4] = body[udp, 2:4], body[udp, 0:2]
    answer[udp, 6:8] = 0
    answer[:, 12] = ANSWER
    return _wrap(answer, protocol, from_address, to_address, family)


def _sign(
    body: Bytes, rows: NDArray[np.bool_], kind: NDArray[np.uint8], numbers: NDArray[np.uint32], what: int
) -> None:
    body[rows, 8:12] = np.frombuffer(MAGIC, np.uint8)
    body[rows, 12] = what
    body[rows, 13] = kind[rows]
    body[rows, 16:20] = _big32(numbers[rows])


def _wrap(body: Bytes, protocol: NDArray[np.uint8], from_: Bytes, to: Bytes, family: int) -> Bytes:
    """IP headers before bodies, checksums set. Linux fills in the IPv4 header's own checksum."""
    width = 4 if family == 4 else 16
    _checksum(body, protocol, from_[:, :width], to[:, :width], family)
    if family == 4:
        rows = np.zeros((len(body), 20 + BODY), np.uint8)
        rows[:, 0] = 0x45
        rows[:, 3] = 20 + BODY
        rows[:, 8] = 64
        rows[:, 9] = protocol
        rows[:, 12:16], rows[:, 16:20] = from_[:, :4], to[:, :4]
        rows[:, 20:] = body
        return rows
    rows = np.zeros((len(body), 40 + BODY), np.uint8)
    rows[:, 0] = 0x60
    rows[:, 5] = BODY
    rows[:, 6] = protocol
    rows[:, 7] = 64
    rows[:, 8:24], rows[:, 24:40] = from_, to
    rows[:, 40:] = body
    return rows


def _checksum(body: Bytes, protocol: NDArray[np.uint8], from_: Bytes, to: Bytes, family: int) -> None:
    """Transport checksums: without them a stateless translation on the way, or the target, drops the packet."""
    words = body.view(">u2").astype(np.uint32).sum(axis=1)
    pseudo = np.ascontiguousarray(from_).view(">u2").astype(np.uint32).sum(axis=1)
    pseudo += np.ascontiguousarray(to).view(">u2").astype(np.uint32).sum(axis=1)
    pseudo += protocol.astype(np.uint32) + BODY
    for number, at in ((TCP, 16), (UDP, 6), (ICMP, 2), (ICMPV6, 2)):
        mine = protocol == number
        if not mine.any():
            continue
        total = words[mine] + (0 if number == ICMP else pseudo[mine])
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        made = (~total & 0xFFFF).astype(np.uint16)
        if number == UDP:
            made[made == 0] = 0xFFFF  # 0 means "no checksum"
        body[mine, at : at + 2] = _big16(made)


def names(addresses: Bytes, family: int) -> Bytes:
    """``struct sockaddr`` for each address, as sendmmsg wants it."""
    if family == 4:
        rows = np.zeros((len(addresses), 16), np.uint8)
        rows[:, 0] = socket.AF_INET
        rows[:, 4:8] = addresses[:, :4]
        return rows
    rows = np.zeros((len(addresses), 28), np.uint8)
    rows[:, 0] = socket.AF_INET6
    rows[:, 8:24] = addresses
    return rows


class Heard(NamedTuple):
    """What a raw socket of one protocol heard: numbers of probes that arrived (with their rows), and of answers."""

    arrived: NDArray[np.int64]
    bodies: Bytes
    seen_from: Bytes
    """The address each came from, as seen here (IPv4; of IPv6 packets a raw socket shows no header)."""
    seen_to: Bytes
    answered: NDArray[np.int64]
    answered_by: Bytes
    """The address each answer came from (IPv4): only the one that was asked can answer."""


def read(rows: Bytes, lengths: NDArray[np.int64], protocol: int, family: int) -> Heard:
    """Sort received packets; whatever is no probe and no answer of ours is left out."""
    start = 20 if family == 4 else 0
    whole = lengths >= start + BODY
    if family == 4:
        whole &= rows[:, 0] == 0x45  # a raw socket may hear of others' packets with options: not ours
    rows = rows[whole]
    body = rows[:, start : start + BODY]
    if protocol == TCP:
        flags = body[:, 13]
        first = (flags & (SYN | ACK | RST)) == SYN
        back = (flags & ACK) != 0
        arrived, answered = _number(body[first, 4:8]), _number(body[back, 8:12]) - 1
    else:
        ours = (body[:, 8:12] == np.frombuffer(MAGIC, np.uint8)).all(axis=1)
        reply = body[:, 12] == ANSWER
        if protocol in (ICMP, ICMPV6):
            reply = body[:, 0] != body[:, 13]  # the kernel echoes the payload: only the type tells
        first, back = ours & ~reply, ours & reply
        arrived, answered = _number(body[first, 16:20]), _number(body[back, 16:20])
    if family == 4:
        seen_from, seen_to, answered_by = rows[first, 12:16], rows[first, 16:20], rows[back, 12:16]
    else:
        seen_from = seen_to = answered_by = np.zeros((0, 16), np.uint8)
    return Heard(arrived, body[first], seen_from, seen_to, answered, answered_by)


def _big16(values: NDArray[np.uint16]) -> Bytes:
    return values.astype(">u2").view(np.uint8).reshape(-1, 2)


def _big32(values: NDArray[np.uint32]) -> Bytes:
    return values.astype(">u4").view(np.uint8).reshape(-1, 4)


def _number(raw: Bytes) -> NDArray[np.int64]:
    return np.ascontiguousarray(raw).view(">u4").reshape(-1).astype(np.int64)
