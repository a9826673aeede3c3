"""Functions that tests of nftables run inside of a universe."""

from __future__ import annotations

import errno
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time

from doorward_lab.errors import LabError
from doorward_lab.kernel.netlink import Netlink
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft

_OPEN = "type filter hook input priority 0; policy drop;\nct state established,related accept"


def _body(*rules: str) -> str:
    return "chain input {\n" + "\n".join((_OPEN, *rules)) + "\n}"


def _pair() -> tuple[Namespace, Namespace]:
    a, b = Namespace.create("a"), Namespace.create("b")
    here, there = Netlink(a), Netlink(b)
    here.veth("eth0", "eth0", b, up=True)
    there.up("eth0")
    here.address("eth0", "10.0.0.1/24")
    there.address("eth0", "10.0.0.2/24")
    return a, b


def _listing(ns: Namespace) -> str:
    """What nft(8) says of a namespace."""
    with ns.inside():
        return subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout


def transactions() -> dict[str, object]:
    """Rule sets by text and by JSON, refused ones, and listings."""
    nft, a, b = Nft(), Namespace.create("a"), Namespace.create("b")
    found: dict[str, object] = {}

    def refused(text: str) -> str:
        try:
            nft.run(a, text)
        except LabError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    nft.replace(a, "inet sg", _body('ip saddr 10.0.0.0/8 counter accept comment "sgr-1"'))
    found["before"] = nft.run_json(a, [{"list": {"ruleset": None}}])
    # The first command is good, the second the kernel refuses: neither is done.
    found["second_bad"] = refused("add rule inet sg input tcp dport 1 accept\nadd rule inet no_such input accept")
    found["no_words"] = refused("add nonsense")
    found["unchanged"] = nft.run_json(a, [{"list": {"ruleset": None}}]) == found["before"]
    nft.replace(a, "inet sg", _body('ip saddr 10.1.0.0/16 counter accept comment "sgr-2"'))
    found["after"] = _listing(a) if shutil.which("nft") else ""
    rule = {
        "family": "inet",
        "table": "sg",
        "chain": "input",
        "comment": "fwd } by JSON",
        "expr": [{"counter": None}, {"accept": None}],
    }
    found["added"] = nft.run_json(a, [{"add": {"rule": rule}}])
    found["counters"] = [[one.chain, one.comment, one.packets] for one in nft.counters(a)]
    found["other"] = nft.run_json(b, [{"list": {"ruleset": None}}])
    try:
        nft.run_json(a, [{"add": {"rule": {**rule, "table": "none"}}}])
    except LabError as error:
        found["json_refused"] = str(error)
    return found


def counts() -> list[int]:
    """Three datagrams of 28 bytes; what the rule that lets them in has counted."""
    nft = Nft()
    a, b = _pair()
    nft.replace(b, "inet sg", _body('udp dport 9 counter accept comment "sgr-9"'))
    with a.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _ in range(3):
            asked.sendto(b"", ("10.0.0.2", 9))
    time.sleep(0.2)
    (counted,) = nft.counters(b)
    return [counted.packets, counted.bytes]


def names_of_links() -> list[str]:
    """`iif NAME` is turned into an index: of the link of that name in the very namespace, whatever the order."""
    nft, found = Nft(), []
    spaces = [Namespace.create(f"n{number}") for number in range(3)]
    for number, ns in enumerate(spaces):
        for extra in range(number):
            Netlink(ns).bridge(f"extra{extra}")
        Netlink(ns).bridge("lan")
    for ns in spaces:
        nft.run(ns, 'table inet t {\nchain c {\niif "lan" accept\n}\n}')
        found.append(_listing(ns))
    return ["lan" if 'iif "lan"' in text else text for text in found]


def many_contexts(count: int) -> dict[str, object]:
    """Rules in more namespaces than contexts are kept, twice over, with 1,500 other descriptors open."""
    nft = Nft()
    before = len(os.listdir("/proc/self/fd"))
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(1500)]
    spaces = [Namespace.create(f"n{number}") for number in range(count)]
    for turn in range(2):
        for number, ns in enumerate(spaces):
            nft.replace(ns, "inet sg", _body(f'tcp dport {number + 1} counter accept comment "{turn}"'))
    wrong = 0
    for number, ns in enumerate(spaces):
        (rule,) = [one["rule"] for one in nft.run_json(ns, [{"list": {"ruleset": None}}]) if "counter" in str(one)]
        wrong += rule["comment"] != "1" or rule["expr"][0]["match"]["right"] != number + 1
    for ns in spaces:
        ns.close()
    for fd in others:
        os.close(fd)
    return {"wrong": wrong, "left": len(os.listdir("/proc/self/fd")) - before}


def no_low_number() -> str:
    """Every descriptor below 1024 is taken before the first context is made."""
    ns = Namespace.create("a")
    taken = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        Nft().run(ns, "table inet t { }")
    except LabError as error:
        return str(error)
    finally:
        for fd in taken:
            os.close(fd)
    return ""


def crowd() -> list[str]:
    """Eight threads change the rules of 20 namespaces, while others open and close descriptors; what went wrong."""
    nft, wrong, stop = Nft(), [], threading.Event()
    spaces = [Namespace.create(f"n{number}") for number in range(20)]

    def change(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(60):
                place = chance.randrange(20)
                nft.replace(spaces[place], "inet sg", _body(f'tcp dport {place + 1} counter accept comment "x"'))
                (counted,) = nft.counters(spaces[place])
                wrong.extend([] if counted.comment == "x" else [counted.comment])
        except LabError as error:
            wrong.append(str(error))

    def open_and_close() -> None:
        while not stop.is_set():
            for fd in [os.dup(0) for _ in range(50)]:
                os.close(fd)

    noise = threading.Thread(target=open_and_close)
    noise.start()
    threads = [threading.Thread(target=change, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    noise.join()
    return wrong


def swaps(seconds: float, atomic: bool) -> dict[str, int]:
    """Open connections as fast as may be while the rule set, which always allows them, is replaced all the time.

    A connection that needed a second SYN has lost the first.
    """
    nft = Nft()
    a, b = _pair()
    rules = [_body("udp dport 1 accept", f"tcp dport {port} accept", "tcp dport 7 accept") for port in (80, 81)]
    nft.replace(b, "inet sg", rules[0])
    listener = b.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("10.0.0.2", 7))
    listener.listen(4096)
    # Before the links carry, a first SYN may be lost without any replacement.
    with a.socket(socket.AF_INET, socket.SOCK_STREAM) as first:
        first.connect(("10.0.0.2", 7))
    stop = threading.Event()
    tally = {"connections": 0, "lost": 0, "swaps": 0}

    def accept() -> None:
        while not stop.is_set():
            if select.select([listener], [], [], 0.1)[0]:
                listener.accept()[0].close()

    def connect() -> None:
        linger = b"\1\0\0\0\0\0\0\0"  # reset at the end: no port stays in use
        while not stop.is_set():
            with a.socket(socket.AF_INET, socket.SOCK_STREAM) as asked:
                asked.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                asked.setblocking(False)
                assert asked.connect_ex(("10.0.0.2", 7)) == errno.EINPROGRESS
                assert select.select([], [asked], [], 10)[1]
                tally["connections"] += 1
                (repeated,) = struct.unpack_from("I", asked.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)
                tally["lost"] += repeated > 0  # tcpi_total_retrans

    threads = [threading.Thread(target=accept), threading.Thread(target=connect)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        body = rules[tally["swaps"] % 2]
        if atomic:
            nft.replace(b, "inet sg", body)
        else:
            nft.run(b, "flush table inet sg")
            time.sleep(0.005)
            nft.run(b, f"table inet sg {{\n{body}\n}}")
        tally["swaps"] += 1
    stop.set()
    for thread in threads:
        thread.join()
    listener.close()
    return tally
