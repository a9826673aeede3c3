"""A small network of namespaces for the tests of the probe: hosts on one bridge, each with a filter. Runs inside a
universe."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from doorward_lab.kernel.netlink import Netlink
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft
from doorward_lab.probe import packets
from doorward_lab.probe.connections import Connections, Talk
from doorward_lab.probe.mesh import Mesh
from doorward_lab.probe.packets import ICMP, ICMPV6, TCP, UDP, Probe

FILTER = """
table inet f {
  chain in {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    icmp type echo-request accept
    icmpv6 type echo-request accept
    meta l4proto { 50, 253 } accept
    tcp dport 1000-1999 accept
    udp dport 1000-1999 accept
  }
  chain out {
    type filter hook output priority 0; policy drop;
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    meta l4proto { icmp, ipv6-icmp, 50, 47 } accept
    tcp dport 1500-2500 accept
    udp dport 1500-2500 accept
  }
}
"""


@contextmanager
def network(count: int, rules: str = FILTER) -> Iterator[tuple[dict[str, Namespace], Nft]]:
    """Hosts h0, h1 … with 10.0.0.1, 2001:db8::1 …"""
    hub = Namespace.create("hub")
    link = Netlink(hub)
    link.bridge("br0")
    link.up("br0")
    nft = Nft()
    hosts: dict[str, Namespace] = {}
    try:
        for at in range(count):
            host = Namespace.create(f"h{at}")
            hosts[f"h{at}"] = host
            own = Netlink(host)
            link.veth(f"v{at}", "eth0", host)
            link.attach(f"v{at}", "br0")
            link.up(f"v{at}")
            own.up("eth0")
            own.address("eth0", f"10.0.0.{at + 1}/24")
            own.address("eth0", f"2001:db8::{at + 1}/64")
            nft.run(host, rules)
        _settled(hosts)
        yield hosts, nft
    finally:
        for host in (*hosts.values(), hub):
            host.close()


def _settled(hosts: dict[str, Namespace]) -> None:
    """Until every host hears every other: links and neighbours take some milliseconds."""
    names = list(hosts)
    for _ in range(50):
        probes = [
            Probe(one, other, address.format(at + 1), address.format(to + 1), protocol, kind << 8, at * 256 + to)
            for at, one in enumerate(names)
            for to, other in enumerate(names)
            if at != to
            for address, protocol, kind in (("10.0.0.{}", ICMP, 8), ("2001:db8::{}", ICMPV6, 128))
        ]
        with Mesh(hosts) as mesh:
            if mesh.run(probes).answered.all():
                return
        time.sleep(0.1)
    raise AssertionError("the hosts do not hear each other")


def wanted(probe: Probe) -> tuple[bool, bool]:
    """What `FILTER` makes of a packet: does it arrive, is it answered."""
    if probe.protocol in (TCP, UDP):
        arrives = 1500 <= probe.detail <= 1999
        return arrives, arrives
    if probe.protocol in (ICMP, ICMPV6):
        arrives = probe.detail in (8 << 8, 128 << 8)
        return arrives, arrives
    return probe.protocol == 50, probe.protocol == 50


def mesh(count: int, probes: int, seed: int) -> dict[str, Any]:
    """Random packets between all: how many were told wrong, and how many a second."""
    chance = random.Random(seed)
    asked: list[Probe] = []
    for at in range(probes):
        one, other = chance.sample(range(count), 2)
        six = chance.random() < 0.5
        protocol = chance.choice((TCP, TCP, UDP, ICMPV6 if six else ICMP))
        if protocol in (TCP, UDP):
            detail = chance.choice((999, 1000, 1499, 1500, 1999, 2000, 2500, 2501, chance.randrange(900, 2600)))
        else:
            detail = chance.choice((128, 1) if six else (8, 3, 13)) << 8
        address = "2001:db8::{}" if six else "10.0.0.{}"
        asked.append(
            Probe(
                f"h{one}", f"h{other}", address.format(one + 1), address.format(other + 1), protocol, detail,
                10000 + at % 50000,
            )
        )  # fmt: skip
    for one in range(count):
        for other in range(one):
            for address in ("2001:db8::{}", "10.0.0.{}"):
                ends = f"h{one}", f"h{other}", address.format(one + 1), address.format(other + 1)
                asked += [Probe(*ends, number) for number in (47, 50, 253)]
    with network(count) as (hosts, _), Mesh(hosts) as one_mesh:
        columns = packets.columns(asked, one_mesh.hosts)
        seen = one_mesh.run_columns(columns)
    expected = np.array([wanted(one) for one in asked])
    return {
        "probes": len(asked),
        "wrong": int((seen.arrived != expected[:, 0]).sum() + (seen.answered != expected[:, 1]).sum()),
        "arrived": int(seen.arrived.sum()),
        "refused": int(seen.refused.sum()),
        "strayed": len(seen.strayed),
        "rate": len(asked) / seen.seconds,
    }


def connections() -> dict[str, list[bool]]:
    """TCP and UDP, both families, held open while the rule goes: one that is tracked, one whose packets all need it."""
    rules = FILTER.replace("tcp dport 1000-1999 accept", "tcp dport 1600 accept")
    talks = [
        Talk("h0", "h1", "10.0.0.1", "10.0.0.2", "10.0.0.2", TCP, 1600, 40001),
        Talk("h0", "h1", "2001:db8::1", "2001:db8::2", "2001:db8::2", TCP, 1600, 40001),
        Talk("h0", "h1", "10.0.0.1", "10.0.0.2", "10.0.0.2", UDP, 1601, 40001),
        Talk("h0", "h1", "10.0.0.1", "10.0.0.2", "10.0.0.2", TCP, 1602, 40002),
        Talk("h0", "h1", "10.0.0.1", "10.0.0.2", "10.0.0.2", TCP, 2600, 40003),
    ]
    found: dict[str, list[bool]] = {}
    with network(2, rules) as (hosts, nft), Connections(hosts, talks) as held:
        found["opened"] = held.open()
        nft.run(hosts["h1"], "flush chain inet f in\nadd rule inet f in ct state established,related accept\n")
        found["rule gone"] = held.talk()
        nft.run(hosts["h1"], "flush chain inet f in\n")
        found["nothing left"] = held.talk()
    return found
