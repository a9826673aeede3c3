"""How the data plane follows: without losing a packet, quickly, and leaving nothing behind."""

from __future__ import annotations

import dataclasses
import errno
import os
import select
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest

from doorward_lab.errors import NotRunning, Refused
from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel.netns import Namespace
from doorward_lab.model import CloudState
from tests.lab.fabric.ground import ALL_IN, ALL_OUT, Cloud, entry, fabric, in_universe, pair, rule, tcp

B = "10.0.2.10"


class _Load:
    """Opens connections to one port as fast as it can, each from a new port, and counts those that do not open."""

    def __init__(self, here: Namespace, to: str, port: int) -> None:
        self.opened = self.lost = 0
        self._here, self._at = here, (to, port)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with self._here.inside():
            while not self._done.is_set():
                with socket.socket() as handle:
                    handle.setblocking(False)
                    code = handle.connect_ex(self._at)
                    if code == errno.EINPROGRESS:
                        # The first retransmission comes after 1 s: what takes longer than 0.9 s lost its first packet.
                        ready = select.select([], [handle], [], 0.9)[1]
                        code = handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
                    if code in {0, errno.ECONNREFUSED}:
                        self.opened += 1
                    else:
                        self.lost += 1

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


@in_universe
def test_changes_under_load_lose_nothing_that_both_states_allow() -> None:
    """Rules, ACL entries and routes beside the one in use come and go 150 times; no new connection is lost."""
    cloud = pair()
    used = rule("tcp", 80, "sg-a")
    with fabric(cloud) as net:
        cloud.group("sg-b", "vpc-1", used, ALL_OUT)
        net.follow(cloud.state())
        with _Load(net.host("a"), B, 80) as load:
            for number in range(150):
                more = [rule("tcp", 1000 + n, f"10.{n}.0.0/16") for n in range(number % 7)]
                cloud.group("sg-b", "vpc-1", *more, used if number % 2 else rule("tcp", 80, "10.0.1.0/24"), ALL_OUT)
                denied = [
                    entry(n + 1, "6", 2000 + n, "10.0.0.0/8", egress=False, allow=False) for n in range(number % 5)
                ]
                cloud.acl("acl-vpc-1", "vpc-1", *denied, *pair().acls["acl-vpc-1"].entries)
                cloud.table("rtb-vpc-1", "vpc-1", *[(f"192.0.2.{n}/32", "igw-1") for n in range(number % 3)])
                net.follow(cloud.state())
    assert load.opened > 100
    assert 0 == load.lost


@in_universe
def test_a_follow_never_opens_what_is_closed_before_and_after() -> None:
    """Either b may receive or a may send, never both: 100 changes from one to the other let no packet through.

    The two live in different namespaces, so one is changed before the other.
    """
    cloud = pair()
    one, other = rule("udp", 53, "10.0.2.0/24", egress=True), rule("udp", 53, "10.0.1.0/24")
    cloud.group("sg-b", "vpc-1")
    cloud.group("sg-a", "vpc-1", one)
    arrived = 0
    with fabric(cloud) as net:
        done = threading.Event()

        def send() -> None:
            with net.host("a").socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
                while not done.is_set():
                    try:
                        near.sendto(b"?", (B, 53))
                    except PermissionError:
                        time.sleep(0)

        sender = threading.Thread(target=send)
        with net.host("b").socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind((B, 53))
            far.settimeout(0.05)
            sender.start()
            try:
                for turn in range(100):
                    cloud.group("sg-a", "vpc-1", *(() if turn % 2 == 0 else (one,)))
                    cloud.group("sg-b", "vpc-1", *((other,) if turn % 2 == 0 else ()))
                    net.follow(cloud.state())
                far.recv(16)
                arrived += 1
            except TimeoutError:
                pass
            finally:
                done.set()
                sender.join()
    assert 0 == arrived


def _many(count: int, *, with_rule: bool = True, members: int = 5) -> CloudState:
    """`count` interfaces in four subnets, 20 rules each; `members` of them have the rule in question."""
    cloud = Cloud()
    cloud.vpc("vpc-1", "10.0.0.0/16")
    for number in range(4):
        cloud.subnet(f"subnet-{number}", "vpc-1", f"10.0.{number * 16}.0/20")
    rules = [rule("tcp", 8000 + n, f"10.0.{n}.0/24") for n in range(19)]
    cloud.group("sg-all", "vpc-1", *rules, ALL_OUT)
    cloud.group("sg-some", "vpc-1", *([rule("tcp", 80, "10.0.0.0/16")] if with_rule else []))
    for number in range(count):
        address = f"10.0.{number % 4 * 16 + number // 800}.{number // 4 % 200 + 10}"
        cloud.interface(
            f"eni-{number}", f"subnet-{number % 4}", "sg-all sg-some" if number < members else "sg-all", address
        )
    return cloud.state()


@in_universe
def test_two_hundred_interfaces_are_built_in_seconds_and_a_rule_follows_in_milliseconds() -> None:
    """Processor time, since machines are busy: a quiet one takes 0.7 s for 200, and 3 ms for a rule on five of them."""
    net = Fabric()
    began = time.process_time()
    net.follow(_many(200))
    built = time.process_time() - began
    times = []
    for turn in range(10):
        state = _many(200, with_rule=turn % 2 == 1)
        began = time.process_time()
        net.follow(state)
        times.append(time.process_time() - began)
        assert (turn % 2 == 1) == tcp(net.host("eni-7"), "10.0.0.11", 80)
    assert built < 2
    assert statistics.median(times) < 0.02
    assert (200, 202) == (net.stats().hosts, net.stats().namespaces)
    net.close()


@in_universe
def test_what_did_not_change_is_not_touched() -> None:
    """The counters of an interface whose groups did not change go on; one whose rules changed starts anew."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    cloud.group("sg-c", "vpc-1", rule("tcp", 80, "sg-a"))
    with fabric(cloud) as net:
        assert tcp(net.host("a"), B, 80)
        assert tcp(net.host("a"), "10.0.1.11", 80)
        cloud.group("sg-c", "vpc-1", rule("tcp", 80, "sg-a"), rule("tcp", 81, "sg-a"))
        net.follow(cloud.state())
        assert [1] == [c.packets for c in net.explain("b")]
        assert [0, 0] == [c.packets for c in net.explain("c")]


@in_universe
def test_a_refused_state_changes_nothing_or_can_be_followed_again() -> None:
    """A state that cannot be compiled changes nothing; after a refusal by the kernel the next follow goes on.

    The refusal is made by a rule whose id nftables does not take as a comment: too long.
    """
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    with fabric(cloud) as net:
        bad = dataclasses.replace(rule("tcp", 81, "sg-a"), protocol="carrier-pigeon")
        cloud.group("sg-b", "vpc-1", bad)
        with pytest.raises(Refused, match="carrier-pigeon"):
            net.follow(cloud.state())
        assert tcp(net.host("a"), B, 80)
        cloud.group("sg-b", "vpc-1", rule("tcp", 81, "sg-a"))
        cloud.interface("d", "subnet-2", "sg-d", "10.0.2.11")
        cloud.group("sg-d", "vpc-1", dataclasses.replace(rule("tcp", 82, "sg-a"), id="sgr-" + "x" * 200))
        with pytest.raises(Refused, match="comment"):
            net.follow(cloud.state())
        cloud.group("sg-d", "vpc-1", rule("tcp", 82, "sg-a"))
        net.follow(cloud.state())
        assert [False, True, True] == [tcp(net.host("a"), *at) for at in ((B, 80), (B, 81), ("10.0.2.11", 82))]


@in_universe
def test_closing_leaves_nothing_behind() -> None:
    """After eight fabrics the process holds as many descriptors and threads as after two."""
    counts = []
    for turn in range(8):
        with fabric(pair()) as net:
            assert turn > 2 or not tcp(net.host("a"), B, 80, patience=0.05)
        if turn in {1, 7}:
            namespaces = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
            counts.append((sum(name.startswith("net:") for name in namespaces), threading.active_count()))
    assert counts[0] == counts[1]


@in_universe
def test_everything_goes_and_can_be_built_again() -> None:
    """An empty state removes all but the internet; the same state afterwards works as before."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", ALL_IN)
    with fabric(cloud) as net:
        net.follow(CloudState())
        assert (0, 1, 0) == (net.stats().hosts, net.stats().namespaces, net.stats().wires)
        with pytest.raises(NotRunning, match="no host for interface 'a'; built are: none"):
            net.host("a")
        net.follow(cloud.state())
        assert tcp(net.host("a"), B, 80)
        assert tcp(net.internet, "198.18.0.20", 80)
