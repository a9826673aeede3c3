"""Writes what the documentation shows of the program: outputs, help pages, the picture, the schema, measured figures.

A page has a block between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``; this script fills it.
`python docs/generate.py` writes, `--check` compares and says what differs (figures of the benchmark excepted: they
change with the machine, so only `make docs` renews them).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "outage-2024-02-15"
DOORWARD = Path(sys.executable).parent / "doorward"
LAB = Path(sys.executable).parent / "doorward-lab"
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
LAB_RESULTS = ROOT / "benchmarks" / "results" / "lab.json"
MEASURED = ("bench", "lab-bench")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
VERBS = ("check", "gate", "diff", "explain", "exposure", "snapshot", "lint", "schema")
GATE = ["gate", "plan-bad.json", "--contracts", "doorward.yaml", "--estate", "estate"]
COMMANDS = {
    "gate-bad": GATE,
    "gate-good": ["gate", "plan-good.json", *GATE[2:]],
    "check": ["check", "doorward.yaml", "--estate", "estate"],
    "diff": ["diff", "plan-bad.json", "--estate", "estate"],
    "explain": ["explain", "group:portal", "group:auth", "tcp/8443", "--estate", "estate", "--plan", "plan-bad.json"],
    "exposure": ["exposure", "--estate", "estate"],
    "policy": ["snapshot", "--print-policy"],
}


def run(words: list[str], program: Path = DOORWARD) -> str:
    """What a command prints to standard output, in the example's folder."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        [str(program), *words], cwd=EXAMPLE, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{program.name} {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n") + "\n"


def block(name: str) -> str:
    """The text of one block."""
    if name == "bench":
        return bench()
    if name == "lab-bench":
        return lab_bench()
    if name == "lab-help":
        return f"```console\n$ doorward-lab --help\n{run(['--help'], LAB)}```\n"
    if name == "json":
        return "```json\n" + shortened(json.loads(run([*GATE, "--format", "json"]))) + "```\n"
    if name == "help":
        return f"```console\n$ doorward --help\n{run(['--help'])}```\n"
    if name.startswith("help-"):
        verb = name.removeprefix("help-")
        return f"```console\n$ doorward {verb} --help\n{run([verb, '--help'])}```\n"
    words = COMMANDS[name]
    language = "json" if name == "policy" else "console"
    shown = "" if name == "policy" else f"$ doorward {' '.join(words)}\n"
    return f"```{language}\n{shown}{run(words)}```\n"


def shortened(report: dict[str, Any]) -> str:
    """A report with its first contract only."""
    report["contracts"] = report["contracts"][:1]
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def bench() -> str:
    """The latest figures as a table."""
    if not RESULTS.is_file():
        return "*No figures yet: run `make bench`.*\n"
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine = results["machine"]
    lines = [
        f"Measured on {results['when']}: {machine['cpu'] or 'unknown processor'}, {machine['cores']} cores, "
        f"Python {machine['python']}, msgspec {machine['msgspec']}.",
        "",
        "| size | what | value | floor | ratio | must | reach for | met |",
        "|---|---|---:|---:|---:|---|---|---|",
    ]
    for row in results["rows"]:
        value = "–" if row["value"] is None else f"{row['value']:,.3g} {row['unit']}"
        if row["value"] is not None and row["value"] >= 1000:
            value = f"{row['value']:,.0f} {row['unit']}"
        floor = "" if row["floor"] is None else f"{row['floor']:.3g} s"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        lines.append(
            f"| {row['size']} | {row['name']} | {value} | {floor} | {ratio} | {row['bar'].replace('<=', '≤')} "
            f"| {row['reach_for']} | {met} |"
        )
    return "\n".join(lines) + "\n"


def lab_bench() -> str:
    """The lab's latest figures."""
    if not LAB_RESULTS.is_file():
        return "*No figures yet: run `make bench-lab`.*\n"
    found = json.loads(LAB_RESULTS.read_text(encoding="utf-8"))
    follow = found["follow"]
    lines = [
        f"Measured on {found['when']}, {found['cores']} cores.",
        "",
        "| interfaces | `up` | `down` | memory of all processes |",
        "|---:|---:|---:|---:|",
        *(
            f"| {one['interfaces']} | {one['up_s']} s | {one['down_s']} s | {one['memory_mib']} MiB |"
            for one in found["sizes"]
        ),
        "",
        "From the start of an API call to the first connection that meets the new rule: "
        f"median {follow['packet_ms']} ms, worst {follow['packet_worst_ms']} ms of {follow['calls']} calls "
        f"(the call itself: {follow['call_ms']} ms).",
        "",
        "| the outage by hand, connections | rule taken: first failing login | put back: first good login |",
        "|---|---:|---:|",
        *(
            f"| {'kept alive, at most 10 s' if one['keep_alive'] else 'made for each request'} "
            f"| starts {one['first_failing_login_ms']:,.0f} ms after the call "
            f"| {one['first_fine_login_after_ms']:,.0f} ms after the call |"
            for one in found["outage"]
        ),
    ]
    return "\n".join(lines) + "\n"


def page(text: str, *, check: bool) -> str:
    """A page with its blocks filled."""

    def fill(match: re.Match[str]) -> str:
        if check and match[2] in MEASURED:
            return match[0]
        return f"{match[1]}{block(match[2])}{match[3]}"

    return BLOCK.sub(fill, text)


def made() -> dict[Path, str]:
    """Files that are generated as a whole."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.svg"
        run([*GATE, "--output", str(Path(folder) / "out.txt"), "--picture", str(picture)])
        drawn = picture.read_text(encoding="utf-8")
    return {
        ROOT / "docs" / "images" / "outage.svg": drawn,
        ROOT / "schema" / "doorward.schema.json": run(["schema"]),
    }


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare."""
    check = "--check" in arguments
    wanted = made() | {path: page(path.read_text(encoding="utf-8"), check=check) for path in PAGES}
    different = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in different:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        print(f"{'differs' if check else 'written'}: {path.relative_to(ROOT)}")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
