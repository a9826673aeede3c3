"""Faults as experiments of the Chaos Toolkit: valid by its own judgement, and run by its own library."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment

from doorward_lab import faults
from doorward_lab.faults import probes

FAKE = """#!{python}
import json, pathlib, sys
state = pathlib.Path({state!r})
verb, *rest = sys.argv[1:]
with state.with_suffix(".log").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if verb == "fault":
    state.write_text("broken")
elif verb == "heal":
    state.unlink(missing_ok=True)
elif verb == "users":
    bad = state.exists() and {harmful}
    logins = {{"ok": 50, "timeout": 50 if bad else 0}}
    print(json.dumps({{"rate": 10, "login_p50_ms": 12.0, "outcomes": {{"login": logins}}}}))
"""


def fake(folder: Path, harmful: bool) -> Path:
    """A stand-in for `doorward-lab` whose faults break logins, or do not; it logs how it was called."""
    path = folder / "doorward-lab"
    path.write_text(FAKE.format(python=sys.executable, state=str(folder / "state"), harmful=harmful), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("name", faults.names())
def test_every_fault_is_a_valid_experiment(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toolkit takes each experiment, also once it has been through JSON."""
    fake(tmp_path, False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)  # the toolkit wants commands that are there
    experiment = json.loads(json.dumps(faults.experiment(name, lab="mine", seed=3)))
    ensure_experiment_is_valid(experiment)
    (method,), (rollback,) = experiment["method"], experiment["rollbacks"]
    assert ["fault", name, "--seed", "3", "--name", "mine"] == method["provider"]["arguments"]
    assert ["heal", name, "--name", "mine"] == rollback["provider"]["arguments"]


@pytest.mark.parametrize("harmful", [True, False])
def test_the_toolkit_runs_an_experiment(harmful: bool, tmp_path: Path) -> None:
    """Run by chaoslib: looked at, broken, looked at again, healed; it deviates exactly when logins failed."""
    command = fake(tmp_path, harmful)
    experiment = faults.experiment("sg-ingress-removed", command=str(command))
    experiment["method"][0]["pauses"]["after"] = 0
    journal = run_experiment(experiment, settings={"runtime": {"rollbacks": {"strategy": "always"}}})
    met = (
        journal["steady_states"]["before"]["steady_state_met"],
        journal["steady_states"]["after"]["steady_state_met"],
    )
    assert ((True, not harmful), harmful) == (met, journal["deviated"])
    verbs = [line.split()[0] for line in (tmp_path / "state.log").read_text(encoding="utf-8").splitlines()]
    assert ["users", "fault", "users", "heal"] == verbs
    assert not (tmp_path / "state").exists()


def test_when_logins_work() -> None:
    """Wrong passwords are no failure, more than one login in a hundred that fails is, and nobody trying is an error."""
    assert probes.judge({"outcomes": {"login": {"ok": 99, "wrong-password": 5, "timeout": 1}}, "login_p95_ms": 900.0})
    assert not probes.judge({"outcomes": {"login": {"ok": 97, "timeout": 3}}})
    assert not probes.judge({"outcomes": {"login": {"http-504": 1}, "refresh": {"ok": 90}}})
    with pytest.raises(RuntimeError, match="nobody has tried to log in"):
        probes.judge({"outcomes": {"refresh": {"ok": 4}}})
    with pytest.raises(RuntimeError, match="is not on the PATH"):
        probes.login_works(command="doorward-lab-that-is-nowhere")
