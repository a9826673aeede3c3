"""Files that are not what they should be end in exit status 2 with a line that helps, for each kind of input.

What does not live here: random damage (`test_damage`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.inputs import CONTRACTS, ESTATE, EXAMPLE, PLAN

DOORWARD = Path(sys.executable).parent / "doorward"
VALID = {
    "contracts": CONTRACTS.read_bytes(),
    "plan": PLAN.read_bytes(),
    "estate": (ESTATE / "describe-security-groups.json").read_bytes(),
}
BAD: dict[str, bytes] = {
    "empty": b"",
    "blank": b"  \n\n",
    "binary": bytes(range(256)) * 8,
    "zeros": b"\0" * 4096,
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0" + b"\0" * 64,
    "html": b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "a-number": b"42",
    "a-list": b"[1, 2, 3]",
    "not-a-number": b'{"a": NaN}',
    "deep": b"[" * 100_000,
    "deep-and-closed": b"[" * 100_000 + b"]" * 100_000,
    "deep-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lone-surrogate": b'{"version": "\\ud800"}',
    "truncated": b"",  # replaced by half of the valid file
    "utf-16": b"",  # replaced by the valid file in UTF-16
    "latin-1": b"",  # replaced by the valid file with one byte of Latin-1
}


def bad_bytes(kind: str, name: str) -> bytes:
    """The bytes of one bad file of a kind."""
    valid = VALID[kind]
    if name == "truncated":
        # YAML may end anywhere; in the middle of a key it has no value.
        return valid[: len(valid) // 2] if kind != "contracts" else valid[: valid.index(b"must:") + 3]
    if name == "utf-16":
        return valid.decode("utf-8").encode("utf-16")
    if name == "latin-1":
        return valid.replace(b"auth", b"\xe4uth", 1)
    return BAD[name]


def run(kind: str, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The command with one input replaced."""
    given = {"contracts": str(CONTRACTS), "estate": str(ESTATE), "plan": str(PLAN)} | {kind: str(path)}
    if kind == "plan":
        words = ["gate", given["plan"], "--contracts", given["contracts"], "--estate", given["estate"]]
    else:
        words = ["check", given["contracts"], "--estate", given["estate"]]
    return subprocess.run(
        [str(DOORWARD), *words, *more], cwd=EXAMPLE, capture_output=True, text=True, timeout=60, check=False
    )


def assert_refused(done: subprocess.CompletedProcess[str], name: str) -> None:
    """Exit status 2, the file's name, no traceback, and no word that could be taken for a verdict."""
    assert 2 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    assert name in done.stderr
    assert "kept" not in done.stdout


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in VALID for name in BAD if (kind, name) != ("plan", "utf-16")]
)
def test_what_is_not_the_format_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    """Empty, binary, truncated, wrongly encoded, too deep, or another format altogether."""
    path = tmp_path / f"input-{name}.{'yaml' if kind == 'contracts' else 'json'}"
    path.write_bytes(bad_bytes(kind, name))
    assert_refused(run(kind, path), path.name)


def test_a_plan_in_utf_16_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """PowerShell's `>` writes UTF-16: the same verdict as for the plan in UTF-8."""
    path = tmp_path / "plan.json"
    path.write_bytes(bad_bytes("plan", "utf-16"))
    done = run("plan", path)
    assert (1, run("plan", PLAN).stdout) == (done.returncode, done.stdout)


@pytest.mark.parametrize("kind", VALID)
def test_what_is_missing_is_refused(kind: str, tmp_path: Path) -> None:
    """A path that does not exist."""
    assert_refused(run(kind, tmp_path / "nowhere.json"), "nowhere.json")


@pytest.mark.parametrize("kind", ["contracts", "plan"])
def test_a_folder_is_no_file(kind: str, tmp_path: Path) -> None:
    """A folder where a file is expected."""
    (tmp_path / "folder.d").mkdir()
    assert_refused(run(kind, tmp_path / "folder.d"), "folder.d")


def test_an_empty_folder_is_no_estate(tmp_path: Path) -> None:
    """A folder without a single answer says nothing of an account."""
    (tmp_path / "folder.d").mkdir()
    assert_refused(run("estate", tmp_path / "folder.d"), "folder.d")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("contracts", b"version: 1", b"version: 99"),
        ("plan", b'"format_version": "1.2"', b'"format_version": "99.0"'),
        ("plan", b'"format_version": "1.2"', b'"format_version": {}'),
    ],
)
def test_a_version_of_the_future_is_refused(kind: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    """A format version that is not known is not read as if it were."""
    path = tmp_path / "future.json"
    assert old in VALID[kind]
    path.write_bytes(VALID[kind].replace(old, new, 1))
    assert_refused(run(kind, path), "future.json")


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("contracts", b"    must: reach\n", b"    must: reach\n    must: never-reach\n"),
        ("plan", b'"format_version": "1.2",', b'"format_version": "1.2", "format_version": "1.2",'),
        ("estate", b'"SecurityGroups": [', b'"SecurityGroups": [], "SecurityGroups": ['),
        ("estate", b'"IpPermissions": [', b'"IpPermissions": [], "IpPermissions": ['),
    ],
)
def test_a_key_that_is_given_twice_is_refused(kind: str, old: bytes, new: bytes, tmp_path: Path) -> None:
    """Readers disagree on which of two values counts, so neither does."""
    path = tmp_path / "twice.json"
    assert old in VALID[kind]
    path.write_bytes(VALID[kind].replace(old, new, 1))
    assert_refused(run(kind, path), "twice.json")


def test_the_event_stream_of_plan_is_refused_with_the_right_command(tmp_path: Path) -> None:
    """`terraform plan -json` prints events, one a line: the message names `terraform show -json`."""
    path = tmp_path / "events.json"
    events = [
        {"@level": "info", "@message": "Terraform 1.9.8", "type": "version", "terraform": "1.9.8", "ui": "1.2"},
        {"@level": "info", "type": "planned_change", "change": {"action": "update"}},
    ]
    path.write_text("\n".join(json.dumps(event) for event in events) + "\n", encoding="utf-8")
    done = run("plan", path)
    assert_refused(done, "events.json")
    assert "terraform show -json" in done.stderr


def test_modules_that_call_each_other_in_a_circle_end(tmp_path: Path) -> None:
    """References between modules that lead back to where they began are followed once, not for ever."""
    plan = json.loads(VALID["plan"])
    call = {
        "expressions": {"peer": {"references": ["module.b.id", "module.b"]}},
        "module": {
            "outputs": {"id": {"expression": {"references": ["var.peer"]}}},
            "variables": {"peer": {}},
            "resources": [],
        },
    }
    other = json.loads(json.dumps(call).replace("module.b", "module.a"))
    plan["configuration"]["root_module"]["module_calls"] = {"a": call, "b": other}
    for resource in plan["configuration"]["root_module"]["resources"]:
        if resource["address"] == "aws_security_group.auth":
            block = resource["expressions"]["ingress"][0]
            block["security_groups"] = {"references": ["module.a.id", "module.a"]}
    for change in plan["resource_changes"]:
        if change["address"] == "aws_security_group.auth":
            change["change"]["after"]["ingress"] = None
            change["change"]["after_unknown"]["ingress"] = True
    path = tmp_path / "circle.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    done = run("plan", path, "--format", "json")
    assert done.returncode in (1, 2, 3), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("kind", VALID)
def test_a_gigabyte_of_nesting_is_refused_quickly(kind: str, tmp_path: Path) -> None:
    """A gigabyte of opening brackets costs seconds, not memory or the stack."""
    path = tmp_path / "deep.json"
    with path.open("wb") as file:
        for _ in range(1024):
            file.write(b"[" * (1 << 20))
    begin = time.monotonic()
    assert_refused(run(kind, path), "deep.json")
    assert time.monotonic() - begin < 30
