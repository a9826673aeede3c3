"""The outage in a whole lab: people log in, a rule goes, they cannot, the rule is back, they can; Doorward says why."""

from __future__ import annotations

import json
import os
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
    lab("heal")
    until(lab, well)
    assert "kept" == judged("after")["outcome"]


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
