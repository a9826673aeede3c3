"""`doorward-lab judge`: engine against kernel, with progress, and the exit status of a check (1: they disagree)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from doorward_lab.judge import run as court


def run(estates: int, seed: int, output: Path, *, as_json: bool) -> int:
    """Judge random estates and print what was found; the exit status. Raises LabError."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("judging estates", total=estates)
        report = court.run(
            estates, seed, output, lambda done, of, found: bar.update(task, completed=done, total=of, description=found)
        )
    print(json.dumps({**asdict(report), "ok": report.ok}, indent=2) if as_json else report.text)
    return 0 if report.ok else 1


def replay(case: Path) -> int:
    """Judge a written case again: 0 when the two agree on it now."""
    found = court.replay(case)
    for one in found:
        print(json.dumps(one))
    print(f"{case}: {len(found)} disagreements" if found else f"{case}: engine and kernel agree")
    return 1 if found else 0
