"""The mesh tells of every packet whether it arrived and was answered, as the filters say, and loses none."""

from __future__ import annotations

import numpy as np
import pytest

from doorward_lab.kernel import universe
from doorward_lab.probe import packets
from doorward_lab.probe.packets import ICMP, TCP, UDP, Probe

LACKING = universe.check()
needs_universe = pytest.mark.skipif(bool(LACKING), reason="; ".join(LACKING))
ECHO = Probe("a", "b", "10.0.0.1", "10.0.0.2", ICMP, 8 << 8, 7)


@needs_universe
def test_every_verdict_is_right() -> None:
    """20,000 packets of six protocols and both families between six hosts: none told wrong."""
    found = universe.run("tests.lab.probe.ground:mesh", 6, 20_000, 1, timeout=120.0)
    assert (0, 0) == (found["wrong"], found["strayed"]), found
    assert min(found["arrived"], found["refused"]) > 3000, found


@pytest.mark.nightly
@needs_universe
def test_many_verdicts_a_second() -> None:
    """100,000 packets in a mesh of ten: none told wrong, tens of thousands a second."""
    found = universe.run("tests.lab.probe.ground:mesh", 10, 100_000, 2, timeout=300.0)
    assert (0, 0) == (found["wrong"], found["strayed"]), found
    assert found["rate"] > 10_000, found


@needs_universe
def test_connections_outlive_their_rule() -> None:
    """What is open goes on while conntrack answers for it, and ends when nothing does; what was not admitted, or not
    let out, never opened."""
    found = universe.run("tests.lab.probe.ground:connections", timeout=60.0)
    assert [True, True, True, False, False] == found["opened"]
    assert [True, True, True, False, False] == found["rule gone"]
    assert [False] * 5 == found["nothing left"]


# --- packets alone ----------------------------------------------------------------------------------------------


def written(*probes: Probe) -> np.ndarray:
    """Packets of probes, numbered from 70,000."""
    columns = packets.columns(probes, ["a", "b"])
    numbers = np.arange(70_000, 70_000 + len(probes), dtype=np.uint32)
    return packets.write(columns, numbers, 6 if ":" in probes[0].to_address else 4)


def folded(data: bytes) -> int:
    """The internet checksum's sum, folded (RFC 1071)."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("protocol", [TCP, UDP, ICMP, 58])
@pytest.mark.parametrize("six", [False, True])
def test_checksums(protocol: int, six: bool) -> None:
    """RFC 9293, 768, 792 and 4443: the sum over the packet and its pseudo-header is all ones."""
    if (protocol == 58) != six and protocol in (1, 58):
        return
    ends = ("2001:db8::1", "2001:db8::2") if six else ("10.0.0.1", "10.0.0.2")
    for number in range(64):
        raw = bytes(written(Probe("a", "b", *ends, protocol, 8 << 8 | number, 1000 + number))[0])
        addresses, body = (raw[8:40], raw[40:]) if six else (raw[12:20], raw[20:])
        pseudo = b"" if protocol == ICMP else addresses + bytes([0, protocol]) + len(body).to_bytes(2, "big")
        assert 0xFFFF == folded(pseudo + body)


def test_packets_are_read_back() -> None:
    """The number comes back out of a packet, of its answer, and out of nothing else."""
    rows = written(Probe("a", "b", "10.0.0.1", "10.0.0.2", UDP, 53, 4000), ECHO)
    lengths = np.full(2, 40)
    heard = packets.read(rows, lengths, UDP, 4)
    assert [70_000, 70_001] == heard.arrived.tolist() and not len(heard.answered)
    reply = rows[1:].copy()
    reply[:, 20] = 0  # an echo reply has the request's payload
    heard = packets.read(reply, lengths[:1], ICMP, 4)
    assert [70_001] == heard.answered.tolist() and not len(heard.arrived)
    body = rows[:1, 20:]
    answer = packets.write_answers(body, np.array([UDP], np.uint8), rows[:1, 16:20], rows[:1, 12:16], 4)
    assert [70_000] == packets.read(answer, lengths[:1], UDP, 4).answered.tolist()
    foreign = rows.copy()
    foreign[:, 28] ^= 1
    heard = packets.read(foreign, lengths, UDP, 4)
    assert not len(heard.arrived) and not len(heard.answered)
    assert not len(packets.read(rows, np.full(2, 39), UDP, 4).arrived)  # cut short


def test_tcp_is_answered_by_reset_and_by_acceptance() -> None:
    """A reset and a SYN-ACK both acknowledge the number of the probe."""
    syn = written(Probe("a", "b", "10.0.0.1", "10.0.0.2", TCP, 80, 4000))
    assert [70_000] == packets.read(syn, np.array([40]), TCP, 4).arrived.tolist()
    for flags in (packets.RST | packets.ACK, packets.SYN | packets.ACK):
        back = syn.copy()
        back[:, 33] = flags
        back[:, 28:32] = np.frombuffer((70_001).to_bytes(4, "big"), np.uint8)
        heard = packets.read(back, np.array([40]), TCP, 4)
        assert [70_000] == heard.answered.tolist() and not len(heard.arrived)
        assert [10, 0, 0, 1] == heard.answered_by[0].tolist()


def test_unknown_host() -> None:
    """A probe between hosts that the mesh does not have is refused."""
    with pytest.raises(KeyError):
        packets.columns([ECHO], ["a"])
