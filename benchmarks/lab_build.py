"""How long the lab's kernel objects take to build: `python -m benchmarks.lab_build [INTERFACES …]`.

Per interface: a namespace, a veth pair into a bridge of its subnet (250 interfaces each) in a router's namespace, IPv4
and IPv6 addresses, default routes, and a filter of 20 rules. Prints seconds for building, milliseconds for one
replacement of a filter (median of 200), seconds for letting all go, and the rest of the universe's life. Runs in
universes of its own, as root or as an ordinary user; leaves nothing.
"""

from __future__ import annotations

import statistics
import sys
import time

from doorward_lab.kernel import universe
from doorward_lab.kernel.netlink import Netlink, forward
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft

_PER_SUBNET = 250
_RULES = 20


def _filter(seed: int) -> str:
    rules = "\n".join(
        f'ip saddr 10.{seed % 200}.{rule}.0/24 tcp dport {1000 + rule} counter accept comment "sgr-{rule}"'
        for rule in range(_RULES)
    )
    first = "ct state established,related accept\nicmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    return f"chain input {{\ntype filter hook input priority 0; policy drop;\n{first}\n{rules}\n}}"


def build(count: int) -> dict[str, float]:
    """Build `count` interfaces in this universe, and say how long each step took, in seconds."""
    began = time.perf_counter()
    nft, router = Nft(), Namespace.create("router")
    forward(router)
    ports = Netlink(router)
    hosts: list[Namespace] = []
    spent = {"namespaces": 0.0, "links": 0.0, "filters": 0.0}
    for number in range(count):
        subnet, place = divmod(number, _PER_SUBNET)
        if place == 0:
            ports.bridge(f"br{subnet}", up=True)
            ports.address(f"br{subnet}", f"10.1.{subnet}.1/24")
            ports.address(f"br{subnet}", f"2001:db8:{subnet:x}::1/64")
        at = time.perf_counter()
        host = Namespace.create(f"host{number}")
        hosts.append(host)
        made = time.perf_counter()
        ports.veth(f"p{number}", "eth0", host, up=True, master=f"br{subnet}")
        link = Netlink(host)
        with link.batch():
            link.up("eth0")
            link.address("eth0", f"10.1.{subnet}.{place + 4}/24")
            link.address("eth0", f"2001:db8:{subnet:x}::{place + 4:x}/64")
            link.route("0.0.0.0/0", via=f"10.1.{subnet}.1")
            link.route("::/0", via=f"2001:db8:{subnet:x}::1")
        linked = time.perf_counter()
        nft.replace(host, "inet sg", _filter(number))
        spent["namespaces"] += made - at
        spent["links"] += linked - made
        spent["filters"] += time.perf_counter() - linked
    built = time.perf_counter() - began
    swaps: list[float] = []
    for number in range(200):
        at = time.perf_counter()
        nft.replace(hosts[-1], "inet sg", _filter(number))
        swaps.append(time.perf_counter() - at)
    at = time.perf_counter()
    for host in hosts:
        host.close()
    router.close()
    closed = time.perf_counter() - at
    return {"built": built, **spent, "swap": statistics.median(swaps), "closed": closed}


def main() -> None:
    """Measure each size three times; print the medians."""
    print("interfaces  built  (namespaces  links  filters)   swap  closed  universe gone")
    for count in [int(text) for text in sys.argv[1:]] or [10, 50, 200, 500]:
        runs: list[dict[str, float]] = []
        for _ in range(3):
            at = time.perf_counter()
            found = universe.run("benchmarks.lab_build:build", count, timeout=120)
            runs.append({**found, "gone": time.perf_counter() - at - found["built"] - found["closed"]})
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{count:10d} {middle['built']:6.2f}  ({middle['namespaces']:10.2f} {middle['links']:6.2f} "
            f"{middle['filters']:8.2f}) {1000 * middle['swap']:4.1f}ms {middle['closed']:7.2f} {middle['gone']:14.2f}"
        )


if __name__ == "__main__":
    main()
