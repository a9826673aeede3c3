"""The outage example: the gate fails the plan that caused it, names what breaks, and passes the plan that was meant.

Runs the command as people do. What does not live here: tests of the gate's parts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "outage-2024-02-15"
DOORWARD = Path(sys.executable).parent / "doorward"


def gate(plan: str, *more: str) -> subprocess.CompletedProcess[str]:
    """`doorward gate` on one of the example's plans."""
    words = [str(DOORWARD), "gate", plan, "--contracts", "doorward.yaml", "--estate", "estate", *more]
    return subprocess.run(words, cwd=EXAMPLE, capture_output=True, text=True, timeout=60)


def verdicts(plan: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the JSON row of each contract."""
    done = gate(plan, "--format", "json")
    return done.returncode, {row["name"]: row for row in json.loads(done.stdout)["contracts"]}


def test_files_are_those_that_the_script_writes() -> None:
    """Account, sources and plans agree, because one script wrote them all."""
    done = subprocess.run([sys.executable, "build.py", "--check"], cwd=EXAMPLE, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stdout)


def test_plans_differ_in_one_reference_only() -> None:
    """The bad plan is the good one without the portal in auth's inbound rule."""
    rules = []
    for kind in ("good", "bad"):
        plan = json.loads((EXAMPLE / f"plan-{kind}.json").read_text(encoding="utf-8"))
        rules.append(
            {
                one["address"]: {key: one["change"]["after"].get(key) for key in ("ingress", "egress")}
                for one in plan["resource_changes"]
            }
        )
    good, bad = rules
    assert ["aws_security_group.auth"] == [address for address in good if good[address] != bad[address]]


def test_the_bad_plan_fails_and_is_named() -> None:
    """The gate ends with 1, and the broken contract is the login path, kept before and broken after."""
    status, rows = verdicts("plan-bad.json")
    assert 1 == status
    broken = {name for name, row in rows.items() if row["outcome"] == "broken"}
    assert {"portal-reaches-auth"} == broken
    assert "kept" == rows["portal-reaches-auth"]["before"]


def test_the_bad_plan_is_explained() -> None:
    """The verdict holds a packet from the portal to auth, and blames auth's inbound rules."""
    _, rows = verdicts("plan-bad.json")
    row = rows["portal-reaches-auth"]
    groups = json.loads((EXAMPLE / "estate" / "describe-security-groups.json").read_text(encoding="utf-8"))
    auth = next(one["GroupId"] for one in groups["SecurityGroups"] if one["GroupName"] == "auth")
    assert "tcp/8443" == row["witness"]["service"]
    assert any(auth == one["resource"] and "ingress" == one["direction"] for one in row["reasons"])


def test_the_repair_is_the_rule_that_was_lost() -> None:
    """The smallest repair puts the portal's reference back, and nothing else."""
    _, rows = verdicts("plan-bad.json")
    repair = rows["portal-reaches-auth"]["repair"]
    assert [("authorize", "ingress", "tcp/8443")] == [
        (one["action"], one["direction"], one["service"]) for one in repair
    ]


def test_established_connections_survive_at_first() -> None:
    """New logins fail at once while tracked connections live on: why the outage crept in."""
    _, rows = verdicts("plan-bad.json")
    assert {"new": "broken", "established": "kept"} == rows["portal-reaches-auth"]["connections"]


def test_the_good_plan_passes() -> None:
    """The same update without the slip passes: before, during and after, every contract is kept."""
    status, rows = verdicts("plan-good.json")
    outcomes = {(row["before"], row["during_apply"], row["outcome"]) for row in rows.values()}
    assert (0, {("kept", "kept", "kept")}) == (status, outcomes)


@pytest.mark.parametrize("kind", ["bad", "good"])
def test_what_people_read_names_every_contract_that_breaks(kind: str) -> None:
    """The text for people says broken only of the plan that breaks something."""
    done = gate(f"plan-{kind}.json")
    assert (kind == "bad") == ("portal-reaches-auth" in done.stdout and "broken" in done.stdout.lower())
