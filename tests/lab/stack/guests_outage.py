"""The stack in namespaces of its own, joined by one bridge: what tests of it run inside a universe."""

from __future__ import annotations

import functools
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from doorward_lab.kernel import universe
from doorward_lab.kernel.netlink import Netlink, sysctl
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft
from doorward_lab.kernel.spawn import spawn
from doorward_lab.stack.outcomes import Outcome, first_failure, read, tally
from doorward_lab.stack.place import Place
from doorward_lab.stack.roles import Stack
from doorward_lab.stack.wiring import Options, Ports, Wiring, wire

NAMES = ("dns", "database", "login-1", "login-2", "portal", "balancer", "monitor", "users")
# Connections are tracked from the start, as on an interface with security groups: what is not known as standing when a
# rule goes counts as new.
_GROUP = """chain input {{
type filter hook input priority 0; policy accept;
ct state established,related accept
{}
}}"""


@dataclass
class Town:
    """The hosts and the stack in them."""

    hosts: dict[str, Namespace]
    at: dict[str, str]
    stack: Stack
    wiring: Wiring
    seconds: float  # until it was ready
    nft: Nft

    def cut(self, frm: str, to: str, port: int) -> float:
        """As a security group's rule that goes: new connections are dropped, standing ones go on. When, Unix time."""
        self.nft.replace(self.hosts[to], "inet sg", _GROUP.format(f"ip saddr {self.at[frm]} tcp dport {port} drop"))
        return time.time()

    def join(self, to: str) -> float:
        """Put the rule back. When, Unix time."""
        self.nft.replace(self.hosts[to], "inet sg", _GROUP.format(""))
        return time.time()

    def acts(self, since: float, until: float | None = None) -> list[Outcome]:
        """What users met who came in this time, of whom it is known by now."""
        log = self.stack["users"].folder / "users.jsonl"
        return [o for o in read(log) if since <= o.due < (until or time.time() + 1)]


@contextmanager
def town(options: Options) -> Iterator[Town]:
    """All hosts on one bridge; users come from documentation addresses, of both families."""
    router = Namespace.create("router")
    ports = Netlink(router)
    ports.bridge("br0", up=True)
    hosts: dict[str, Namespace] = {}
    at: dict[str, str] = {}
    for number, name in enumerate(NAMES):
        host = hosts[name] = Namespace.create(name)
        at[name] = f"10.0.0.{number + 10}"
        ports.veth(f"p{number}", "eth0", host, up=True, master="br0")
        link = Netlink(host)
        link.up("eth0")
        link.address("eth0", f"{at[name]}/24")
        link.address("eth0", f"fd00::{number + 10:x}/64")
    for host in (hosts["balancer"],):
        Netlink(host).route("203.0.113.0/24", via=at["users"])
        Netlink(host).route("2001:db8:c::/64", via=f"fd00::{len(NAMES) + 9:x}")
    # Linux asks the list of addresses, not the routes, whether an IPv6 address can be bound to.
    sysctl(hosts["users"], {"net.ipv6.ip_nonlocal_bind": "1"})
    outside = Netlink(hosts["users"])
    outside.route("203.0.113.0/24", dev="lo", kind="local")
    outside.route("2001:db8:c::/64", dev="lo", kind="local")
    metrics = hosts["monitor"].socket(socket.AF_INET, socket.SOCK_STREAM)
    metrics.bind((at["monitor"], 9200))
    metrics.listen()
    places = {
        name: Place(
            functools.partial(spawn, hosts[name]), (at[name],), (f"fd00::{i + 10:x}",) if name == "balancer" else ()
        )
        for i, name in enumerate(NAMES)
    }
    folder = Path(universe.scratch())
    fields = {name: getattr(options, name) for name in Options.__dataclass_fields__}
    wiring = wire(folder, places, Options(**(fields | {"users_metrics": metrics})))
    stack = Stack(folder, wiring.seats)
    nft = Nft()
    for host in hosts.values():
        nft.replace(host, "inet sg", _GROUP.format(""))
    began = time.monotonic()
    try:
        stack.start(seconds=40)
        yield Town(hosts, at, stack, wiring, time.monotonic() - began, nft)
    finally:
        stack.stop()
        metrics.close()


def outage(seconds: float, keepalive: bool) -> dict[str, object]:
    """Users, the rule from the portal to the login service gone, users, the rule put back, users; what they met."""
    options = Options(
        seed="outage", rate=25.0, networks=("203.0.113.0/24", "2001:db8:c::/64"), portal_keepalive=keepalive,
        keepalive_time=8.0, check_seconds=1.0,
    )  # fmt: skip
    port = Ports().login
    with town(options) as here:
        began = time.time()
        time.sleep(3)
        healthy = here.acts(began)
        for login in ("login-1", "login-2"):
            cut = here.cut("portal", login, port)
        time.sleep(seconds)
        last = time.time() - 4  # whoever came before that has an answer by now
        broken = here.acts(cut, last)
        alerts = here.stack["monitor"].call("GET", "/query?query=ALERTS%7Balertstate%3D%22firing%22%7D")
        up = here.stack["monitor"].call("GET", "/query?query=up")
        for login in ("login-1", "login-2"):
            joined = here.join(login)
        time.sleep(4)
        after = here.acts(joined + 1.5, time.time() - 1)
        return {
            "seconds": here.seconds,
            "healthy": tally(healthy),
            "families": sorted({6 if ":" in act.source else 4 for act in healthy}),
            "broken": tally(broken),
            "first_failure_ms": first_failure(here.acts(cut), cut),
            "failing": [act.began - cut for act in here.acts(cut, joined) if act.kind == "login" and act.failed],
            "late": tally(here.acts(last - 3, last)),
            "alerts": sorted({a["metric"]["alertname"] for a in alerts["data"]["result"]}),
            "up": {a["metric"]["host"]: a["value"][1] for a in up["data"]["result"]},
            "after": tally(after),
        }
