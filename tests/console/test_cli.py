"""The command line: exit statuses, streams, formats, and that mistakes are lines and never tracebacks.

Runs the real command on the outage example; each test is one process, as a user starts it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTAGE = ROOT / "examples" / "outage-2024-02-15"
CONTRACTS, ESTATE = OUTAGE / "doorward.yaml", OUTAGE / "estate"
BAD, GOOD = OUTAGE / "plan-bad.json", OUTAGE / "plan-good.json"


class Ran(NamedTuple):
    """What a command ended with."""

    status: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which this tree's ``doorward`` runs, with no credentials of anybody."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DOORWARD_"))}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **(extra or {})}


def doorward(*arguments: str | Path, extra: Mapping[str, str] | None = None) -> Ran:
    """Run the command."""
    made = subprocess.run(
        [sys.executable, "-m", "doorward", *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=120,
        env=environment(extra), check=False,
    )  # fmt: skip
    return Ran(made.returncode, made.stdout, made.stderr)


def test_check_kept() -> None:
    """All kept: status 0, one line that says so."""
    ran = doorward("check", CONTRACTS, "--estate", ESTATE)
    assert (0, "") == (ran.status, ran.err)
    assert "all 6 contracts kept" == ran.out.splitlines()[-1]
    assert "\x1b" not in ran.out


def test_gate_broken() -> None:
    """The plan of the outage: status 1, and the text names the contract, the packet and the rule's group."""
    ran = doorward("gate", BAD, "--contracts", CONTRACTS, "--estate", ESTATE)
    assert 1 == ran.status
    assert "✗ BROKEN  portal-reaches-auth" == ran.out.partition("  severity")[0]
    assert "aws_security_group.auth" in ran.out


def test_gate_good() -> None:
    """The plan that was meant passes."""
    assert 0 == doorward("gate", GOOD, "--contracts", CONTRACTS, "--estate", ESTATE).status


def test_json_stands_alone_on_standard_output() -> None:
    """Standard output is one JSON value, in ASCII."""
    ran = doorward("gate", BAD, "--contracts", CONTRACTS, "--estate", ESTATE, "--format", "json")
    data = json.loads(ran.out)
    assert (1, "broken", 1) == (ran.status, data["outcome"], data["version"])
    assert {"before": "kept", "outcome": "broken"} == {key: data["contracts"][0][key] for key in ("before", "outcome")}
    assert ran.out.isascii()


@pytest.mark.parametrize("format", ["text", "json", "sarif", "junit", "markdown", "html"])
def test_every_format_to_a_file(format: str, tmp_path: Path) -> None:
    """Each format is written to a file, whole, with the status of the verdict; nothing is on standard output."""
    target = tmp_path / "report"
    ran = doorward("gate", BAD, "--contracts", CONTRACTS, "--estate", ESTATE, "-f", format, "-o", target)
    assert (1, "") == (ran.status, ran.out)
    assert "portal-reaches-auth" in target.read_text(encoding="utf-8")
    assert [target] == list(tmp_path.iterdir())


def test_picture(tmp_path: Path) -> None:
    """``--picture`` writes the path, and Markdown refers to it."""
    picture = tmp_path / "path.svg"
    ran = doorward("gate", BAD, "--contracts", CONTRACTS, "--estate", ESTATE, "-f", "markdown", "--picture", picture)
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert f"](<{picture}>)" in ran.out


def test_explain() -> None:
    """A path is shown hop by hop; with ``--plan``, after the plan and what it was before."""
    ran = doorward("explain", "group:portal", "group:auth", "tcp/8443", "--estate", ESTATE)
    assert (0, "✓ passes") == (ran.status, ran.out.partition("  ")[0])
    options = ("--estate", ESTATE, "--plan", BAD)
    ran = doorward("explain", "group:portal", "group:auth", "tcp/8443", *options, "--exit-code")
    assert (1, "✗ is stopped") == (ran.status, ran.out.partition("  ")[0])
    assert "before the plan: passes" in ran.out
    ran = doorward("explain", "group:portal", "group:auth", "tcp/8443", *options, "-f", "json")
    data = json.loads(ran.out)
    assert (0, "broken", "kept") == (ran.status, data["outcome"], data["before"]["outcome"])


def test_exposure() -> None:
    """What the internet can open, for people, for machines and as a table."""
    assert "tcp/443 at 52.16.20.10" in doorward("exposure", "--estate", ESTATE).out
    data = json.loads(doorward("exposure", "--estate", ESTATE, "-f", "json").out)
    assert {"tcp/443"} == {service for one in data["exposed"] for service in one["services"]}
    assert "| <code>" in doorward("exposure", "--estate", ESTATE, "-f", "markdown").out


def test_schema() -> None:
    """``schema`` prints the committed schema."""
    committed = (ROOT / "schema" / "doorward.schema.json").read_text(encoding="utf-8")
    assert Ran(0, committed, "") == doorward("schema")


def test_lint(tmp_path: Path) -> None:
    """``lint`` ends with 0 or 2, and shows every mistake of every file."""
    assert Ran(0, "6 contracts well formed\n", "") == doorward("lint", CONTRACTS)
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\ncontracts:\n  a: {must: reech, from: internet, to: group:a, service: 443}\n")
    ran = doorward("lint", bad, CONTRACTS, tmp_path / "missing.yaml")
    assert (2, "") == (ran.status, ran.out)
    for words in ("bad.yaml:3:13: contracts.a.must", "did you mean tcp/443?", "missing.yaml: does not exist"):
        assert words in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("nothing",),
        ("check", CONTRACTS),
        ("check", CONTRACTS, "--estate", ESTATE, "--format", "xml"),
        ("check", "/nonexistent.yaml", "--estate", ESTATE),
        ("check", CONTRACTS, "--estate", "/nonexistent"),
        ("check", BAD, "--estate", ESTATE),
        ("check", ESTATE, "--estate", ESTATE),
        ("check", CONTRACTS, "--estate", ESTATE, "--output", "/nonexistent/report"),
        ("check", CONTRACTS, "--estate", CONTRACTS),
        ("gate", CONTRACTS, "--contracts", CONTRACTS),
        ("gate", BAD, "--contracts", CONTRACTS, "--during", "never"),
        ("gate", BAD),
        ("explain", "group:portal", "group:auth", "tcp/8443"),
        ("explain", "group:nobody", "group:auth", "tcp/8443", "--estate", ESTATE),
        ("explain", "group:portal", "group:auth", "https", "--estate", ESTATE),
        ("diff", ESTATE),
        ("diff", ESTATE, ESTATE, "--estate", ESTATE),
        ("snapshot",),
        ("snapshot", "--output", "x", "--external-id", "y"),
        ("lint",),
    ],
)
def test_invalid_input_and_usage(arguments: tuple[str | Path, ...]) -> None:
    """Wrong input or usage: status 2, a line on standard error, nothing on standard output, no traceback."""
    ran = doorward(*arguments)
    assert (2, "") == (ran.status, ran.out)
    assert ran.err.strip()
    assert "Traceback" not in ran.err
    assert "internal fault" not in ran.err


def test_help_and_version() -> None:
    """``--help`` lists every verb, each verb has its own, ``--version`` is a line."""
    text = doorward("--help").out
    for verb in ("check", "gate", "diff", "explain", "exposure", "snapshot", "lint", "schema"):
        assert f"\n  {verb} " in text
        assert "--help" in doorward(verb, "--help").out
    assert "doorward " == doorward("--version").out[:9]


def test_policy() -> None:
    """``snapshot --print-policy`` prints an IAM policy that only reads."""
    ran = doorward("snapshot", "--print-policy")
    policy = json.loads(ran.out)
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions
    assert all(action.split(":")[1].startswith(("Describe", "Get", "List", "Search")) for action in actions)


def test_a_fault_of_ours_is_not_a_verdict(tmp_path: Path) -> None:
    """An unforeseen exception ends with status 2 and one line: Python's own 1 would mean "broken"."""
    (tmp_path / "doorward_break.py").write_text(
        "import doorward.api\n\ndef broken(path):\n    raise KeyError('x')\n\ndoorward.api.read_contracts = broken\n"
        "from doorward.console.cli import main\nmain()\n"
    )
    for debug in ({}, {"DOORWARD_TRACEBACK": "1"}):
        made = subprocess.run(
            [sys.executable, str(tmp_path / "doorward_break.py"), "check", str(CONTRACTS), "--estate", str(ESTATE)],
            capture_output=True, encoding="utf-8", timeout=60, env=environment(debug), check=False,
        )  # fmt: skip
        assert (2, "") == (made.returncode, made.stdout)
        assert bool(debug) == ("Traceback" in made.stderr)
        assert "KeyError" in made.stderr


def test_a_reader_that_goes_away() -> None:
    """``doorward … | head`` keeps the verdict's status and says nothing about the pipe."""
    gate = ("gate", BAD, "--contracts", CONTRACTS, "--estate", ESTATE, "-f", "json")
    command = [sys.executable, "-m", "doorward", *gate]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert (1, b"") == (process.wait(60), said)


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and no traceback."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import time, doorward.api\n\ndef slow(path):\n    print('ready', flush=True)\n    time.sleep(60)\n\n"
        "doorward.api.read_contracts = slow\nfrom doorward.console.cli import main\nmain()\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script), "check", str(CONTRACTS), "--estate", str(ESTATE)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert (130, b"doorward: interrupted\n") == (process.wait(60), said)


def test_streams_without_unicode() -> None:
    """Where the terminal's encoding lacks a sign, its escape is shown."""
    ran = doorward("check", CONTRACTS, "--estate", ESTATE, extra={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (0, "") == (ran.status, ran.err)
    assert "\\u2713 kept" in ran.out


def test_start_is_light() -> None:
    """Help imports neither the engine nor Rich, YAML, msgspec or boto3; a piped ``check`` neither boto3 nor Rich."""
    for arguments, absent in (
        (("--help",), ("rich", "yaml", "msgspec", "boto3", "doorward.reach", "doorward.readers")),
        (("check", CONTRACTS, "--estate", ESTATE), ("rich", "boto3", "botocore", "doorward.readers.terraform")),
    ):
        made = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "doorward", *map(str, arguments)], capture_output=True,
            encoding="utf-8", timeout=60, env=environment(), check=True,
        )  # fmt: skip
        names = {line.rpartition("|")[2].strip() for line in made.stderr.splitlines()}
        assert [] == [name for name in absent if name in names]


def test_nothing_heavy_is_loaded_to_start() -> None:
    """Help loads no reader, engine, YAML or AWS library (how long that takes is measured by ``make bench``)."""
    code = (
        "import sys\nfrom doorward.console.cli import main\nsys.argv = ['doorward', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 0 == done.returncode
    heavy = ("boto3", "msgspec", "yaml", "doorward.reach", "doorward.readers", "doorward.contracts")
    assert [] == [name for name in heavy if f"'{name}'" in done.stderr]
