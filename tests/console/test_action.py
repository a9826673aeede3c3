"""The GitHub Action and the pre-commit hook: their files are well formed, and their scripts do what they say.

The steps' scripts run as the runner runs them, with the real command and a ``gh`` that writes down what it is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.console.test_cli import BAD, CONTRACTS, ESTATE, GOOD, ROOT, environment

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the action's scripts need bash")


def action() -> dict[str, Any]:
    """``action.yml``."""
    return dict(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8")))


def steps() -> dict[str, dict[str, Any]]:
    """The steps by name."""
    return {step["name"]: step for step in action()["runs"]["steps"]}


def run(step: str, home: Path, **values: str | Path) -> tuple[int, str]:
    """Run one step's script; returns its status and what it said."""
    command = home / "doorward"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m doorward "$@"\n')
    command.chmod(0o755)
    extra = {
        "RUNNER_TEMP": str(home), "GITHUB_OUTPUT": str(home / "output"), "GITHUB_STEP_SUMMARY": str(home / "summary"),
        "DOORWARD": str(command), "PATH": f"{home}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    made = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", steps()[step]["run"]], capture_output=True,
        encoding="utf-8", timeout=120, env=environment(extra | {key: str(value) for key, value in values.items()}),
        cwd=home, check=False,
    )  # fmt: skip
    return made.returncode, made.stdout + made.stderr


def judge(home: Path, plan: Path | str, contracts: Path | str = CONTRACTS, **more: str | Path) -> dict[str, str]:
    """Run the step that judges; returns its outputs."""
    values = {"DOORWARD_ESTATE": str(ESTATE), "DOORWARD_DURING": "fail", "DOORWARD_SARIF": "", **more}
    status, said = run("Judge the plan", home, DOORWARD_PLAN=plan, DOORWARD_CONTRACTS=contracts, **values)
    assert 0 == status, said
    lines = (home / "output").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_action_is_well_formed() -> None:
    """It is a composite action; outputs name real steps; each ``run`` says its shell; defaults are texts."""
    made = action()
    assert "composite" == made["runs"]["using"]
    ids = {step.get("id") for step in made["runs"]["steps"]}
    for output in made["outputs"].values():
        found = re.fullmatch(r"\$\{\{ steps\.(\w+)\.outputs\.\w+ \}\}", output["value"])
        assert found is not None
        assert found[1] in ids
    assert all(step["shell"] == "bash" for step in made["runs"]["steps"])
    assert all(isinstance(one.get("default", ""), str) and one["description"] for one in made["inputs"].values())
    assert ["plan"] == [name for name, one in made["inputs"].items() if one.get("required")]


def test_no_input_is_pasted_into_a_script() -> None:
    """Expressions stand in ``env`` and ``if`` only: a file name or title cannot become shell code."""
    for step in steps().values():
        assert "${{" not in step["run"]


def test_every_input_is_used() -> None:
    """Each declared input reaches a step, and no step uses one that is not declared."""
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text(encoding="utf-8")))
    assert set(action()["inputs"]) == used


def test_install_uses_its_own_checkout_and_the_lock() -> None:
    """The package comes from the action's checkout, its parts from the lock file with hashes."""
    script = steps()["Install Doorward"]["run"]
    assert "--require-hashes" in script
    assert '"$DOORWARD_ACTION/requirements/runtime.txt"' in script
    assert '--no-deps "$DOORWARD_ACTION"' in script
    assert (ROOT / "requirements" / "runtime.txt").is_file()


@pytest.mark.parametrize(("plan", "outcome", "status"), [(BAD, "broken", "1"), (GOOD, "kept", "0")])
def test_judge(plan: Path, outcome: str, status: str, tmp_path: Path) -> None:
    """The verdict is in the outputs and, as Markdown, in the job's summary."""
    outputs = judge(tmp_path, plan)
    assert (outcome, status) == (outputs["outcome"], outputs["status"])
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert "<!-- doorward -->" == summary.splitlines()[0]
    assert summary == Path(outputs["markdown"]).read_text(encoding="utf-8")


def test_judge_writes_sarif(tmp_path: Path) -> None:
    """SARIF is written where it is asked for."""
    judge(tmp_path, BAD, DOORWARD_SARIF=tmp_path / "doorward.sarif")
    assert '"2.1.0"' in (tmp_path / "doorward.sarif").read_text(encoding="utf-8")


@pytest.mark.parametrize("plan", ["missing.json", "--help", "$(touch owned)", "a b; touch owned"])
def test_judge_invalid(plan: str, tmp_path: Path) -> None:
    """A plan that cannot be read is invalid, and says why in the summary; a strange name stays a name."""
    outputs = judge(tmp_path, plan)
    assert ("invalid", "2") == (outputs["outcome"], outputs["status"])
    assert "could not be judged" in (tmp_path / "summary").read_text(encoding="utf-8")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("outcome", "status", "cannot_tell", "expected", "says"),
    [
        ("kept", "0", "fail", 0, ""),
        ("broken", "1", "warn", 1, "::error::"),
        ("cannot-tell", "3", "fail", 3, "::error::"),
        ("cannot-tell", "3", "warn", 0, "::warning::"),
        ("invalid", "2", "warn", 2, "::error::"),
        ("", "", "fail", 2, "::error::"),
    ],
)
def test_pass_or_fail(outcome: str, status: str, cannot_tell: str, expected: int, says: str, tmp_path: Path) -> None:
    """The step ends as the gate did; no outcome at all is a failure."""
    ended, said = run(
        "Pass or fail", tmp_path, DOORWARD_OUTCOME=outcome, DOORWARD_STATUS=status, DOORWARD_CANNOT_TELL=cannot_tell
    )
    assert expected == ended
    assert says in said


@pytest.mark.parametrize(("existing", "method", "address"), [
    ("", "POST", "repos/me/mine/issues/7/comments"),
    ("42", "PATCH", "repos/me/mine/issues/comments/42"),
])  # fmt: skip
def test_comment(existing: str, method: str, address: str, tmp_path: Path) -> None:
    """The first run writes a comment, later runs renew it."""
    fake = tmp_path / "gh"
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{tmp_path}/asked"\n'
        f'case "$*" in *--jq*) [ -z "{existing}" ] || echo "{existing}" ;; esac\n'
    )
    fake.chmod(0o755)
    ended, said = run(
        "Comment on the pull request", tmp_path, GH_TOKEN="none", DOORWARD_REPOSITORY="me/mine", DOORWARD_NUMBER="7",
        DOORWARD_MARKDOWN=tmp_path / "doorward.md",
    )  # fmt: skip
    assert 0 == ended, said
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert f"--method {method} {address} -F body=@{tmp_path}/doorward.md" in asked[-1]
    assert 'startswith("<!-- doorward -->")' in asked[0]


def test_pre_commit_hook() -> None:
    """The hook runs ``doorward lint`` on contracts files, and on no other YAML."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert ("doorward-lint", "doorward lint", "python") == (hook["id"], hook["entry"], hook["language"])
    for name, meant in (
        ("doorward.yaml", True), ("infra/doorward.yml", True), ("team.doorward.yaml", True),
        ("docker-compose.yaml", False), ("xdoorward.yaml", False), ("doorward.yaml.bak", False),
    ):  # fmt: skip
        assert meant == bool(re.search(hook["files"], name))
