"""Functions that tests of namespaces, links and processes run inside of a universe."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from doorward_lab.errors import LabError, Missing, Refused
from doorward_lab.kernel.netlink import Netlink, forward, sysctl
from doorward_lab.kernel.netns import Namespace


def said(action: Callable[[], object]) -> str:
    """The words with which the lab refuses; "" where it does not."""
    try:
        action()
    except LabError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def own() -> str:
    """Where the calling thread is."""
    return os.readlink("/proc/thread-self/ns/net")


def ip(ns: Namespace, *words: str) -> list[dict[str, object]]:
    """What ip(8), which shares nothing with us, says of a namespace."""
    with ns.inside():
        text = subprocess.run(["ip", "-j", *words], check=True, capture_output=True, text=True).stdout
    found: list[dict[str, object]] = json.loads(text or "[]")
    return found


# -- namespaces


def moves() -> dict[str, object]:
    """Threads move, and come back, also after errors."""
    home, a, b = own(), Namespace.create("a"), Namespace.create("b")
    seen: dict[str, object] = {"fds": [a.fd, b.fd], "made_at_home": own() == home}
    with a.inside():
        seen["inside"] = own() == f"net:[{a.inode}]"
        with b.inside():
            seen["nested"] = own() == f"net:[{b.inode}]"
        seen["out_of_nested"] = own() == f"net:[{a.inode}]"
        elsewhere: list[str] = []
        thread = threading.Thread(target=lambda: elsewhere.append(Path("/proc/self/ns/net").readlink().name))
        thread.start()
        thread.join()
        seen["main_thread_moved"] = own() != home
    try:
        with a.inside():
            raise ValueError("of the caller's")
    except ValueError:
        seen["after_error"] = own() == home
    seen["call"] = a.call(own) == f"net:[{a.inode}]"
    seen["after_call"] = own() == home
    try:
        a.call(int, "no number")
    except ValueError:
        seen["call_raises"] = own() == home
    a.close()
    a.close()
    seen["closed"] = said(lambda: a.inside().__enter__())
    seen["after_refusal"] = own() == home
    return seen


def crowd() -> list[str]:
    """20 threads move among 5 namespaces, make and close others, 100 times each; what went wrong."""
    fixed = [Namespace.create(f"n{number}") for number in range(5)]
    names = [f"net:[{ns.inode}]" for ns in fixed]
    wrong: list[str] = []

    def work(seed: int) -> None:
        home = own()
        for step in range(100):
            which = (seed + step) % 5
            with fixed[which].inside():
                if own() != names[which]:
                    wrong.append(f"thread {seed} is in {own()}, not in {names[which]}")
            if step % 20 == 0:
                with Namespace.create("short") as short, short.inside():
                    if own() in {home, *names}:
                        wrong.append(f"thread {seed}: a new namespace is an old one")
            if own() != home:
                wrong.append(f"thread {seed} did not come home")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def fresh() -> dict[str, str]:
    """The settings of a fresh namespace."""
    keys = (
        "ipv4/ip_unprivileged_port_start ipv4/icmp_ratelimit ipv4/icmp_ratemask ipv4/conf/all/rp_filter "
        "ipv4/ip_forward ipv4/conf/default/rp_filter ipv6/conf/default/accept_dad "
        "ipv6/conf/default/accept_ra ipv6/icmp/ratemask"
    ).split()
    # What the machine has passes to new namespaces, so give it something else.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("2")
    with Namespace.create("fresh").inside():
        return {key: (Path("/proc/sys/net") / key).read_text().strip() for key in keys}


def sysctls() -> dict[str, object]:
    """Settings are of one namespace; what is no setting is refused."""
    a, b = Namespace.create("a"), Namespace.create("b")
    sysctl(a, {"net.ipv4.ip_default_ttl": "33", "net/ipv4/tcp_syn_retries": "3"})
    forward(b)

    def read(key: str) -> str:
        return Path("/proc/sys/net", key).read_text().strip()

    return {
        "a": [
            a.call(read, "ipv4/ip_default_ttl"),
            a.call(read, "ipv4/tcp_syn_retries"),
            a.call(read, "ipv4/ip_forward"),
        ],
        "b": [
            b.call(read, "ipv4/ip_default_ttl"),
            b.call(read, "ipv4/ip_forward"),
            b.call(read, "ipv6/conf/all/forwarding"),
        ],
        "unknown": said(lambda: sysctl(a, {"net.ipv4.no_such_thing": "1"})),
        "bad": said(lambda: sysctl(a, {"net.ipv4.ip_forward": "perhaps"})),
    }


def few_files(soft: int, hard: int) -> dict[str, object]:
    """Make a namespace where few files may be open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        return {"fd": Namespace.create("a").fd, "soft": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "home": own()}
    except Missing as error:
        return {"missing": str(error)}


def answers_to_all(count: int) -> dict[str, int]:
    """UDP datagrams to closed ports, one after the other as fast as may be; how many were answered by ICMP."""
    a, b = Namespace.create("a"), Namespace.create("b")
    here, there = Netlink(a), Netlink(b)
    here.veth("eth0", "eth0", b, up=True)
    there.up("eth0")
    here.address("eth0", "10.0.0.1/24")
    here.address("eth0", "2001:db8::1/64")
    there.address("eth0", "10.0.0.2/24")
    there.address("eth0", "2001:db8::2/64")
    found: dict[str, int] = {}
    for family, address, protocol in ((socket.AF_INET, "10.0.0.2", 1), (socket.AF_INET6, "2001:db8::2", 58)):
        with a.socket(family, socket.SOCK_RAW, protocol) as heard, a.socket(family, socket.SOCK_DGRAM) as asked:
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
            heard.settimeout(0.5)
            unreachable = 0
            for batch in range(0, count, 50):
                for port in range(10000 + batch, 10000 + batch + 50):
                    asked.sendto(b"?", (address, port))
                while unreachable < batch + 50:
                    try:
                        said = heard.recv(2000)
                    except TimeoutError:
                        break
                    kind = said[20] if family == socket.AF_INET else said[0]
                    unreachable += kind == (3 if family == socket.AF_INET else 1)
            found[address] = unreachable
    return found


# -- links


def links_by_two_ways() -> dict[str, object]:
    """Links, addresses, routes and rules as we list them and as ip(8) does."""
    router, host = Namespace.create("router"), Namespace.create("host")
    ports, link = Netlink(router), Netlink(host)
    ports.bridge("br0", mac="02:00:00:00:01:01", up=True)
    ports.veth(
        "p0", "eth0", host, mac="02:00:00:00:00:0a", peer_mac="02:00:00:00:00:0b", mtu=9001, up=True, master="br0"
    )
    with ports.batch(), link.batch():
        ports.address("br0", "10.1.0.1/24")
        link.up("eth0")
        link.address("eth0", "10.1.0.5/24")
        link.address("eth0", "10.1.0.6/24")
        link.address("eth0", "2001:db8::5/64")
        link.address_delete("eth0", "10.1.0.6/24")
        link.route("0.0.0.0/0", via="10.1.0.1", source="10.1.0.5")
        link.route("::/0", via="2001:db8::1")
        link.route("203.0.113.0/24", dev="lo", kind="local")
        link.route("10.7.0.0/16", table=1000, kind="blackhole")
        link.route("10.8.0.0/16", table=1000, kind="unreachable", priority=7)
        link.route("2001:db8:7::/48", table=77, kind="blackhole")
        link.rule(100, iif="eth0", table=1000, family=4)
        link.rule(101, source="2001:db8::/64", destination="2001:db8:1::/64", mark=5, table=77, family=6)
        link.neighbour("eth0", "10.1.0.1", "02:00:00:00:01:01")
    found: dict[str, object] = {
        "links": [ip(router, "-d", "link"), {name: str(one) for name, one in ports.links().items()}],
        "addresses": ip(host, "addr"),
        "main": ip(host, "route"),
        "main6": ip(host, "-6", "route"),
        "local": ip(host, "route", "show", "table", "local"),
        "t1000": ip(host, "route", "show", "table", "1000"),
        "rules": ip(host, "rule"),
        "rules6": ip(host, "-6", "rule"),
        "neighbours": ip(host, "neigh"),
        "our_main": sorted(str(route) for route in link.routes()),
        "our_1000": sorted(str(route) for route in link.routes(1000)),
        "our_rules": [str(rule) for rule in link.rules(4)],
        "our_rules6": [str(rule) for rule in link.rules(6)],
        "peer": str(link.links()["eth0"]),
        "master": ports.links()["p0"].master == ports.links()["br0"].index,
    }
    link.route("10.7.0.0/16", table=1000, kind="unreachable", replace=True)
    link.route_delete("10.8.0.0/16", table=1000)
    link.route_delete("::/0")
    link.rule_delete(100, iif="eth0", table=1000, family=4)
    link.neighbour_delete("eth0", "10.1.0.1")
    ports.attach("p0", None)
    found["after"] = {
        "t1000": [f"{route.dst} {route.kind}" for route in link.routes(1000)],
        "main6": [route.dst for route in link.routes() if route.dst == "::/0"],
        "rules": [rule.priority for rule in link.rules(4)],
        "master": ports.links()["p0"].master,
        "neighbours": [one for one in ip(host, "neigh") if "PERMANENT" in str(one)],
    }
    ports.link_delete("p0")
    found["gone"] = sorted(link.links())
    return found


def ipv6_at_once() -> float:
    """Seconds from adding two IPv6 addresses to the first datagram through."""
    a, b = Namespace.create("a"), Namespace.create("b")
    here, there = Netlink(a), Netlink(b)
    here.veth("eth0", "eth0", b, up=True)
    there.up("eth0")
    began = time.monotonic()
    here.address("eth0", "2001:db8::1/64")
    there.address("eth0", "2001:db8::2/64")
    time.sleep(0.05)
    with b.socket(socket.AF_INET6, socket.SOCK_DGRAM) as heard, a.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
        heard.bind(("2001:db8::2", 9))
        heard.settimeout(5)
        asked.sendto(b"?", ("2001:db8::2", 9))
        heard.recv(10)
    return time.monotonic() - began


def refusals() -> dict[str, str]:
    """What is wrong is said in words."""
    a, b = Namespace.create("a"), Namespace.create("b")
    link = Netlink(a)
    link.veth("eth0", "eth0", b, up=True)
    link.address("eth0", "10.0.0.1/24")

    def batch() -> None:
        with link.batch():
            link.route("10.5.0.0/16", via="10.0.0.9")
            link.route("10.6.0.0/16", via="192.0.2.1")
            link.route("10.7.0.0/16", via="192.0.2.1")
            link.route("10.8.0.0/16", via="10.0.0.9")

    def forgotten() -> None:
        with link.batch():
            link.route("10.99.0.0/16", via="10.0.0.9")
            raise Refused("the caller's own")

    found = {
        "twice": said(lambda: link.address("eth0", "10.0.0.1/24")),
        "no_link": said(lambda: link.up("eth7")),
        "long_name": said(lambda: link.bridge("a-name-of-16-byte")),
        "no_address": said(lambda: link.address("eth0", "10.0.0.300/24")),
        "host_bits": said(lambda: link.route("10.0.0.5/24", dev="eth0")),
        "mac": said(lambda: link.bridge("br0", mac="02:00")),
        "same_name": said(lambda: link.veth("eth0", "eth1", b)),
        "batch": said(batch),
        "forgotten": said(forgotten),
    }
    found["stayed"] = " ".join(sorted(route.dst for route in link.routes() if route.via == "10.0.0.9"))
    # A link that somebody else removes and makes anew has another index: the first use says so, the second works.
    ip(a, "link", "del", "eth0")
    found["stale"] = said(lambda: link.up("eth0"))
    ip(a, "link", "add", "eth0", "type", "bridge")
    found["anew"] = said(lambda: link.up("eth0"))
    return found


def deleted_together(count: int) -> list[object]:
    """Links here, and their far ends there, after deleting all but two; and what is said when one is gone already."""
    a, b = Namespace.create("a"), Namespace.create("b")
    link = Netlink(a)
    for number in range(count):
        link.veth(f"p{number}", f"q{number}", b, up=True)
    link.links_delete(f"p{number}" for number in range(count - 2))
    left = [sorted(link.links()), sorted(Netlink(b).links())]
    ip(a, "link", "del", f"p{count - 1}")  # behind our back
    words = said(lambda: link.links_delete([f"p{count - 1}", f"p{count - 2}"]))
    unknown = said(lambda: link.links_delete(["never"]))
    link.links_delete([])
    return [*left, sorted(link.links()), words, unknown]


def long_batch(count: int) -> list[int]:
    """As many routes as asked in one batch, every tenth of them wrong; how many are there, and what was said."""
    a, b = Namespace.create("a"), Namespace.create("b")
    link = Netlink(a)
    link.veth("eth0", "eth0", b, up=True)
    link.address("eth0", "10.0.0.1/24")

    def batch() -> None:
        with link.batch():
            for number in range(count):
                via = "192.0.2.1" if number % 10 == 0 else "10.0.0.9"
                link.route(f"172.16.{number // 256}.{number % 256}/32", via=via)

    words = said(batch)
    return [sum(route.via == "10.0.0.9" for route in link.routes()), int(words.split("and ")[1].split()[0])]


def neighbours(count: int) -> int:
    """More permanent neighbours than the machine's limit for others (gc_thresh3) allows; how many are there."""
    a, b = Namespace.create("a"), Namespace.create("b")
    link = Netlink(a)
    link.veth("eth0", "eth0", b, up=True)
    link.address("eth0", "10.0.0.1/16")
    with link.batch():
        for number in range(count):
            link.neighbour(
                "eth0", f"10.0.{1 + number // 250}.{number % 250}", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
            )
    return sum("PERMANENT" in str(one) for one in ip(a, "neigh"))
