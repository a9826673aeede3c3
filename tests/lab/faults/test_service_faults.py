"""Faults of services: which knobs they turn, and that healing turns them back."""

from __future__ import annotations

import copy

import pytest

from doorward_lab import faults
from doorward_lab.errors import LabError
from doorward_lab.faults import Injected
from tests.lab.faults.bench import Bench

TURNED = {
    "database-slow": {"database": {"slow": 2.0}},
    "database-locked": {"database": {"locked": True}},
    "database-out-of-connections": {"database": {"exhausted": True}},
    "database-down": {"database": {"stopped": True}},
    "expired-certificate": {"balancer-1": {"certificate": "expired.pem", "key": "expired.key"}},
    "dns-nxdomain": {"dns": {"fault": "nxdomain"}},
    "dns-timeout": {"dns": {"fault": "silent"}},
    "dns-wrong": {"dns": {"fault": "wrong"}},
    "signing-key-mismatch": {"login-1": {"signing": "wrong-key"}, "login-2": {"signing": "wrong-key"}},
    "clock-skew": {"login-1": {"clock_offset": 900.0}, "login-2": {"clock_offset": 900.0}},
    "cpu-starvation": {"login-1": {"cpu_burn": 0.9}, "login-2": {"cpu_burn": 0.9}},
}


@pytest.mark.parametrize("name", TURNED)
def test_knobs_are_turned_and_turned_back(name: str, outage: Bench) -> None:
    """A fault turns its knobs on the first login stack alone; healed by another process, all is as before."""
    before = copy.deepcopy(outage.knobs)
    injected = faults.get(name).inject(outage)
    after = {
        service: {knob: value for knob, value in knobs.items() if before[service][knob] != value}
        for service, knobs in outage.knobs.items()
    }
    assert TURNED[name] == {service: knobs for service, knobs in after.items() if knobs}
    for _ in range(2):
        faults.get(name).heal(outage, Injected.from_json(injected.to_json()))
        assert before == outage.knobs


def test_a_knob_that_was_turned_before_comes_back_as_it_was(outage: Bench) -> None:
    """Two faults over each other, healed the last first, leave health behind."""
    slow, slower = faults.get("database-slow"), faults.get("database-slow")
    one = slow.inject(outage, 0, {"seconds": "1"})
    two = slower.inject(outage, 0, {"seconds": "5"})
    assert 5.0 == outage.knobs["database"]["slow"]
    slower.heal(outage, two)
    assert 1.0 == outage.knobs["database"]["slow"]
    slow.heal(outage, one)
    assert 0.0 == outage.knobs["database"]["slow"]


def test_a_bad_version_is_deployed_and_withdrawn(outage: Bench) -> None:
    """Both replicas get the bad version, or one that the seed picks; healing deploys the good one."""
    fault = faults.get("bad-deploy")
    injected = fault.inject(outage, 1, {"share": "0.5"})
    assert (
        {"version": "1.1.0", "error_share": 0.5, "slow": 0.0}
        == outage.deployed["login-1"]
        == outage.deployed["login-2"]
    )
    fault.heal(outage, injected)
    assert {"version": "1.0.0"} == outage.deployed["login-1"] == outage.deployed["login-2"]
    outage.deployed.clear()
    assert fault.inject(outage, 1, {"all": "false"}).text.startswith(next(iter(outage.deployed)))
    assert 1 == len(outage.deployed)


@pytest.mark.parametrize("name", ["flood", "scan"])
def test_attackers_come_from_the_internet_and_go(name: str, outage: Bench) -> None:
    """Floods and scans hit public addresses of the scene from documentation networks, and end when healed."""
    injected = faults.get(name).inject(outage, 5)
    settings = outage.started[name]
    public = {node.public for node in outage.built.load_balancers["web"].nodes}
    targets = {settings["target"]} if name == "flood" else set(settings["targets"])
    assert targets <= public
    assert "203.0.113.0/24" in settings["networks"]
    faults.get(name).heal(outage, injected)
    assert {} == outage.started
    faults.get(name).heal(outage, injected)
    again = faults.get(name).inject(outage, 5)
    assert settings == outage.started[name]
    faults.get(name).heal(outage, again)


def test_without_a_stack_there_is_a_clear_line(two_vpc: Bench) -> None:
    """A lab that runs no stack says so."""
    with pytest.raises(LabError, match=r"no database runs in this lab \(services: none\); it needs a scene with one"):
        faults.get("database-down").inject(two_vpc)


def test_records_that_are_none_are_refused() -> None:
    """Healing needs the record that injecting wrote."""
    with pytest.raises(LabError, match="not the record of a fault"):
        Injected.from_json("[]")
