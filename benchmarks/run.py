"""Measures what the project promises about speed: `python -m benchmarks.run --sizes S M L X`.

Every measurement runs in a process of its own. A ratio is the median over rounds, each of which measures the floor and
the subject one after the other, so that a machine that is busy for a while slows both. Prints a table and writes
``benchmarks/results/latest.json``. What each bar means is in docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.generate import SIZES, contracts_path, estate_path, generate

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"
ROUNDS = {"T": 7, "S": 7, "M": 7, "L": 5, "X": 3}


@dataclass(slots=True)
class Row:
    """One line of the table."""

    size: str
    name: str
    value: float | None
    unit: str
    floor: float | None = None
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    reach_for: str = ""
    note: str = ""


class Bench:
    """Runs jobs and collects rows."""

    def __init__(self, patience: int, rounds: int | None) -> None:
        self.patience, self.rounds = patience, rounds
        self.rows: list[Row] = []
        self.kept: dict[tuple[str, str], Any] = {}

    def job(self, name: str, size: str) -> dict[str, Any]:
        """One measurement in a fresh process."""
        words = [sys.executable, "-m", "benchmarks.jobs", name, size]
        try:
            # As users have it: modules are compiled once, whatever the surroundings say about writing bytecode.
            env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
            done = subprocess.run(
                words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=self.patience, env=env
            )
        except subprocess.TimeoutExpired:
            return {"missing": f"took more than {self.patience} s"}
        if done.returncode:
            return {"missing": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"}
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def paired(self, name: str, size: str) -> tuple[list[dict[str, Any]], list[float], list[float], str]:
        """(results, seconds of the floor, ratios, what is missing) of paired rounds."""
        results: list[dict[str, Any]] = []
        floors: list[float] = []
        ratios: list[float] = []
        for _ in range(self.rounds or ROUNDS[size]):
            bare = self.job("floor", size)["seconds"]
            result = self.job(name, size)
            if "missing" in result:
                return [], [bare], [], str(result["missing"])
            results.append(result)
            floors.append(bare)
            ratios.append(result["seconds"] / bare)
        return results, floors, ratios, ""

    def add(self, row: Row) -> None:
        """Show a row and keep it."""
        self.rows.append(row)
        print(show(row), flush=True)


def show(row: Row) -> str:
    """A row as text."""
    value = "-" if row.value is None else f"{row.value:,.4g}" if row.value < 1000 else f"{row.value:,.0f}"
    floor = "" if row.floor is None else f"{row.floor:.3g}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    met = {True: "yes", False: "NO", None: ""}[row.met]
    text = f"{row.size:<2} {row.name:<52} {value:>10} {row.unit:<4} {floor:>7} {ratio:>9}  {row.bar:<24} {met:<4}"
    return f"{text}{row.note}".rstrip()


HEAD = f"{'':<2} {'':<52} {'value':>10} {'':<4} {'floor':>7} {'ratio':>9}  {'bar':<24} met"


def timed_in_floors(bench: Bench, size: str, job: str, name: str, most: float | None, reach_for: str = "") -> Row:
    """A row in CPU seconds with a bar in floors; the caller adds it."""
    results, floors, ratios, missing = bench.paired(job, size)
    bar = "" if most is None else f"ratio <= {most:g} F"
    if missing:
        return Row(size, name, None, "s", floors[0], None, bar, None if most is None else False, reach_for, missing)
    bench.kept[size, job] = results
    row = Row(size, name, statistics.median(one["seconds"] for one in results), "s", statistics.median(floors))
    row.ratio = statistics.median(ratios)
    row.bar, row.reach_for = bar, "" if most is None else reach_for
    row.met = None if most is None else row.ratio <= most
    return row


def cold(bench: Bench, size: str) -> None:
    """Cold check: time, and memory for L."""
    row = timed_in_floors(bench, size, "check", "cold check of 1,000 contracts", 2.0 if size == "L" else None, "0.8 F")
    results = bench.kept.get((size, "check"))
    if results is None:
        bench.add(row)
        return
    row.note = " ".join(f"{number} {outcome}" for outcome, number in sorted(results[0]["outcomes"].items()))
    if size in ("S", "M"):
        allowed = 0.4 + 0.0005 * results[0]["contracts"]
        row.bar, row.reach_for = f"value <= {allowed:g} s", "0.1 ms a contract"
        row.met = row.value is not None and row.value <= allowed
    bench.add(row)
    memory = max(one["mib"] for one in results)
    limit = 400.0 if size == "L" else None
    bar = "" if limit is None else f"value <= {limit:g} MiB"
    met = None if limit is None else memory <= limit
    bench.add(Row(size, "the same: anonymous memory", memory, "MiB", bar=bar, met=met))
    load = statistics.median(one["load"] for one in results)
    bench.add(Row(size, "the same: reading alone", load, "s", row.floor, load / row.floor if row.floor else None))


def change(bench: Bench, size: str) -> None:
    """One rule changes in an attached group."""
    results = []
    for _ in range(min(3, bench.rounds or 3)):
        result = bench.job("change", size)
        if "missing" in result:
            name = "one rule changes: median"
            bench.add(Row(size, name, None, "µs", bar="value <= 50 µs", met=False, note=result["missing"]))
            return
        results.append(result)

    def middle(key: str) -> float:
        return float(statistics.median(one[key] for one in results))

    gated = size == "L"
    median, full = middle("median"), middle("full")
    bench.kept[size, "change"] = median
    rows = [
        Row(size, "one rule changes: median", median, "µs", bar="value <= 50 µs", met=median <= 50, reach_for="5 µs"),
        Row(size, "one rule changes: p99", middle("p99"), "µs", bar="value <= 1000 µs", met=middle("p99") <= 1000,
            reach_for="50 µs"),
        Row(size, "one rule changes: p99.9", middle("p999"), "µs"),
        Row(size, "one rule changes: times faster than a full recheck", full * 1e6 / median, "x", full,
            bar="value >= 2000 x", met=full * 1e6 / median >= 2000, note=f"recheck {full:.3g} s"),
        Row(size, "one rule changes: getting ready, once", middle("start"), "s"),
    ]  # fmt: skip
    for row in rows:
        if not gated:
            row.bar, row.met, row.reach_for = "", None, ""
        bench.add(row)
    if ("L", "change") in bench.kept and size == "X":
        ratio = median / bench.kept["L", "change"]
        bench.add(
            Row(size, "one rule changes: median at X / at L", ratio, "x", ratio=ratio, bar="value <= 3 x",
                met=ratio <= 3, reach_for="1.3 x")
        )  # fmt: skip


def repair(bench: Bench, size: str) -> None:
    """Each broken contract mended on its own."""
    result = bench.job("repair", size)
    gated = size == "L"
    for key, limit, reach_for in (("median", 10.0, "1 ms"), ("worst", 2000.0, "50 ms")):
        row = Row(size, f"repair of one broken contract: {key}", result.get(key), "ms")
        if gated:
            row.bar, row.reach_for = f"value <= {limit:g} ms", reach_for
            row.met = key in result and result[key] <= limit
        row.note = result.get("missing", "") or f"{result.get('mended')} of {result.get('broken')} mended by rules"
        bench.add(row)


def start(bench: Bench) -> None:
    """How long a person waits for the shortest commands. Wall clock."""
    command = str(Path(sys.executable).parent / "doorward")
    small = ["check", str(contracts_path("T", 10)), "--estate", str(estate_path("T"))]
    for name, words, limit, reach_for in (
        ("doorward --help, wall", ["--help"], 0.3, "0.15 s"),
        ("doorward check of 20 groups, wall", small, 0.6, "0.3 s"),
    ):
        times = []
        status = 0
        for _ in range((bench.rounds or 9) + 1):
            clock = time.perf_counter()
            status = subprocess.run([command, *words], capture_output=True, check=False).returncode
            times.append(time.perf_counter() - clock)
        value = statistics.median(times[1:])  # the first one may still compile
        met = value <= limit and status in (0, 1)
        note = "" if status in (0, 1) else f"exit status {status}"
        bench.add(Row("T", name, value, "s", bar=f"value <= {limit:g} s", met=met, reach_for=reach_for, note=note))


def machine() -> dict[str, Any]:
    """What ran this."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    import msgspec

    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "msgspec": msgspec.__version__,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=[one for one in SIZES if one != "T"], default=["S", "M"])
    parser.add_argument("--rounds", type=int, default=None, help="paired rounds (default: 7 for S and M, 5 for L)")
    parser.add_argument("--patience", type=int, default=900, help="seconds after which a measurement is given up")
    parser.add_argument("--only", nargs="+", choices=["start", *STEPS], default=None)
    options = parser.parse_args()
    bench = Bench(options.patience, options.rounds)
    facts = {name: generate(name) for name in ["T", *options.sizes]}
    print(HEAD)
    if options.only is None or "start" in options.only:
        start(bench)
    for size in options.sizes:
        for name, step in STEPS.items():
            if (options.only is None or name in options.only) and size not in SKIPPED.get(name, ()):
                step(bench, size)
    document = {
        "version": 1,
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "sizes": facts,
        "rows": [asdict(row) for row in bench.rows],
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    missed = [row for row in bench.rows if row.met is False]
    print(f"{len(bench.rows)} rows, {len(missed)} bars missed; written to {RESULTS.relative_to(ROOT)}")
    return 0


def after_load(job: str, name: str, most: float, reach_for: str) -> Callable[[Bench, str], None]:
    """A step of one row whose bar holds for L."""

    def step(bench: Bench, size: str) -> None:
        bench.add(timed_in_floors(bench, size, job, name, most if size == "L" else None, reach_for))

    return step


STEPS: dict[str, Callable[[Bench, str], None]] = {
    "check": cold,
    "change": change,
    "exposure": after_load("exposure", "exposure of the whole estate, after load", 2.0, "0.3 F"),
    "pairs": after_load("pairs", "all pairs, after load", 8.0, "1.5 F"),
    "diff": after_load("diff", "diff, 1 % of groups changed, with both loads", 15.0, "2.5 F"),
    "repair": repair,
}
SKIPPED = {"pairs": ("X",), "diff": ("X",), "repair": ("X",)}
"""All pairs of X are quadratic in 25,000 classes: hours and tens of GB say nothing that L does not."""


if __name__ == "__main__":
    sys.exit(main())
