"""Namespaces: threads come back from them, and each starts the same whatever the machine is set to."""

from __future__ import annotations

import pytest

from doorward_lab.kernel import universe

GUESTS = "tests.lab.kernel.guests_net:"

pytestmark = pytest.mark.usefixtures("kernel")


def test_threads_come_back() -> None:
    """A thread is inside while asked to be, and where it was afterwards: nested, after errors, after refusals."""
    seen = universe.run(GUESTS + "moves")
    assert all(fd >= 2048 for fd in seen.pop("fds"))
    assert "Refused: cannot enter namespace a: it was closed" == seen.pop("closed")
    assert dict.fromkeys(seen, True) == seen


def test_many_threads() -> None:
    """20 threads that move at the same time are each where they asked to be."""
    assert [] == universe.run(GUESTS + "crowd")


def test_a_fresh_namespace() -> None:
    """Workloads may bind low ports, no ICMP answer is limited, no filter and no forwarding comes from the machine."""
    assert {
        "ipv4/ip_unprivileged_port_start": "0",
        "ipv4/icmp_ratelimit": "0",
        "ipv4/icmp_ratemask": "0",
        "ipv4/conf/all/rp_filter": "0",
        "ipv4/conf/default/rp_filter": "0",
        "ipv4/ip_forward": "0",
        "ipv6/conf/default/accept_dad": "0",
        "ipv6/conf/default/accept_ra": "0",
        "ipv6/icmp/ratemask": "",
    } == universe.run(GUESTS + "fresh")


def test_sysctls() -> None:
    """Settings apply to one namespace; unknown ones and bad values are refused by name."""
    found = universe.run(GUESTS + "sysctls")
    assert ["33", "3", "0"] == found["a"]
    assert ["64", "1", "1"] == found["b"]
    assert "Refused: sysctl net.ipv4.no_such_thing=1: No such file or directory" == found["unknown"]
    assert "Refused: sysctl net.ipv4.ip_forward=perhaps: Invalid argument" == found["bad"]


def test_every_probe_is_answered() -> None:
    """3,000 datagrams to closed ports, sent as fast as may be, get 3,000 unreachables in each family."""
    assert {"10.0.0.2": 3000, "2001:db8::2": 3000} == universe.run(GUESTS + "answers_to_all", 3000)


def test_few_files_may_be_open() -> None:
    """A low soft limit is raised; a low hard limit is said, with what to do."""
    found = universe.run(GUESTS + "few_files", 1024, 4096)
    assert found["fd"] >= 2048 and 4096 == found["soft"]
    assert "hard limit 1024); raise it" in universe.run(GUESTS + "few_files", 1024, 1024)["missing"]
