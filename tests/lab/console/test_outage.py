"""The outage in a whole lab: people log in, a rule goes, they cannot, the rule is back, they can; Doorward says why."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.console.conftest import Shell, needs_lab

pytestmark = needs_lab


def users(lab: Shell) -> dict[str, Any]:
    """How people fare."""
    found: dict[str, Any] = json.loads(lab("users", "--json").stdout)
    return found


def until(lab: Shell, wanted: Any, seconds: float = 60.0) -> dict[str, Any]:
    """Wait until the users' figures are as wanted."""
    end = time.monotonic() + seconds
    while not wanted(found := users(lab)):
        assert time.monotonic() < end, found
        time.sleep(1.0)
    return found


def logins(found: dict[str, Any]) -> dict[str, int]:
    """Outcome of a login → how many."""
    tally: dict[str, int] = found["outcomes"].get("login", {})
    return tally


def well(found: dict[str, Any]) -> bool:
    """People log in, and nobody fails."""
    return bool(logins(found).get("ok", 0) > 5 and found["failed"] == 0)


def of_service(lab: Shell, name: str) -> int:
    """The process of a service: the one with its settings that is a child of this lab's process."""
    daemons = lab.processes()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in daemons and f"doorward_lab.stack.{name}".encode() in (path / "cmdline").read_bytes():
                return int(path.name)
    raise AssertionError(f"no process of {name}")


def doorward(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `doorward`."""
    return subprocess.run(
        [sys.executable, "-m", "doorward", *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def contract(report: dict[str, Any], name: str) -> dict[str, Any]:
    """One contract of a report."""
    found: dict[str, Any] = next(one for one in report["contracts"] if one["name"] == name)
    return found


def test_the_outage_and_its_end(lab: Shell, tmp_path: Path) -> None:
    """Before: all contracts kept and all logins well. The rule goes: logins get 504, and Doorward, on a snapshot of the
    lab, names the contract, the group and the very repair. Put back: as before."""
    lab("up", "outage", "--port", "0", "--rate", "15", "--no-monitoring")
    card = json.loads((lab.home / "lab" / "lab.json").read_text(encoding="utf-8"))
    until(lab, well)
    contracts = Path(__file__).parents[3] / "src" / "doorward_lab" / "scenes" / "outage.contracts.yaml"
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": card["access_key"], "AWS_SECRET_ACCESS_KEY": card["secret_key"]}

    def judged(name: str) -> dict[str, Any]:
        taken = subprocess.run(
            [sys.executable, "-m", "doorward", "snapshot", "--output", name, "--region", card["region"],
             "--endpoint-url", card["endpoint"]],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert 0 == taken.returncode, taken.stderr
        told = doorward("check", str(contracts), "--estate", name, "--format", "json", cwd=tmp_path)
        found: dict[str, Any] = json.loads(told.stdout)
        return found

    assert "kept" == judged("before")["outcome"]
    # Programs on hosts find the lab's names, where rules let them ask; the file is theirs alone.
    asked = lab("exec", "portal-1", "--", "getent", "ahostsv4", "login-1.lab.internal").stdout
    assert asked.startswith("10.20.10.30"), asked
    told = lab("fault", "sg-ingress-removed", "--seed", "1").stdout
    assert "portal to login" in told
    failing = until(lab, lambda found: logins(found).get("http-504", 0) > 5)
    assert failing["failed"] > 5
    report = judged("during")
    assert "broken" == report["outcome"]
    broken = contract(report, "portal-reaches-login")
    assert "broken" == broken["outcome"]
    assert "ingress" == broken["reasons"][0]["direction"]
    assert [("authorize", "ingress", "tcp/8443")] == [
        (one["action"], one["direction"], one["service"]) for one in broken["repair"]
    ]
    assert "login has its ingress rule tcp/8443 from portal again" in lab("heal").stdout
    until(lab, well)
    assert "kept" == judged("after")["outcome"]
    lab("fault", "flood", "--set", "seconds=1", "--set", "rate=5")
    # A service dies: it is seen, logged, and can be started again; the users are told apart from hosts.
    os.kill(of_service(lab, "portal"), signal.SIGKILL)
    assert "portal (dead)" in lab("status").stdout
    time.sleep(1.0)
    assert "the service portal has ended with -9" in lab("logs", "lab").stdout
    lab("restart", "portal")
    assert "portal (dead)" not in lab("status").stdout
    until(lab, well)
    assert "no service 'nobody' runs" in lab("restart", "nobody", code=2).stderr
    state = json.loads(lab("status", "--json").stdout)[0]
    assert ([], ["flood"], "running") == (state["faults"], state["faults_ended"], state["services"]["users"])


@pytest.mark.nightly
def test_an_experiment_of_the_chaos_toolkit_is_run(lab: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The printed experiment deviates in a real lab (people cannot log in), and its rollback heals the lab."""
    from chaoslib.experiment import run_experiment

    lab("up", "outage", "--port", "0", "--no-monitoring")
    until(lab, well)
    experiment = json.loads(lab("experiment", "sg-ingress-removed").stdout)
    command = tmp_path / "doorward-lab"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m doorward_lab "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DOORWARD_LAB_HOME", str(lab.home))
    journal = run_experiment(experiment)
    assert journal["deviated"]
    assert ["succeeded"] == [one["status"] for one in journal["rollbacks"]]
    until(lab, well)
