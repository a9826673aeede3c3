"""Judge estates: `run(estates, seed, out, progress)`; judge a written case again: `replay(path)`.

The work is done in a universe (`inside`), in a process of its own; nothing of it is left afterwards, whatever happens.
What does not live here: how people ask for it (`doorward_lab.console`).
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from doorward_lab.errors import Missing
from doorward_lab.judge.report import Report
from doorward_lab.kernel import universe

Progress = Callable[[int, int, str], None]
"""Called after each estate: how many are done, how many there are, what was found so far."""

EACH = 30
"""Packets between every two ends."""
CONNECTIONS = 24
"""Standing connections in each estate."""
PATIENCE = 60.0
"""Seconds that one estate may take, disagreements apart."""
SHRINKING = 120.0
"""Seconds to make one disagreement small."""


def run(
    estates: int,
    seed: int,
    out: Path,
    progress: Progress | None = None,
    *,
    each: int = EACH,
    connections: int = CONNECTIONS,
    shrink: float = SHRINKING,
) -> Report:
    """Judge ``estates`` random estates, the first drawn with ``seed``; minimal cases of disagreements go to ``out``.

    Raises ``Missing`` when this machine cannot run a lab, ``TimeoutError`` when it takes far too long.
    """
    if lacking := universe.check():
        raise Missing("; ".join(lacking))
    out.mkdir(parents=True, exist_ok=True)
    report = Report(seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doorward-judge-") as folder:
        lines = Path(folder) / "lines"
        lines.touch()
        options: dict[str, Any] = {
            "first": seed, "estates": estates, "each": each, "connections": connections, "out": str(out.resolve()),
            "lines": str(lines), "shrink": shrink,
        }  # fmt: skip
        done = threading.Event()
        follower = threading.Thread(target=_follow, args=(lines, report, estates, progress, done), daemon=True)
        follower.start()
        try:
            # Five kinds of disagreements are made small at most.
            patience = estates * PATIENCE + 6 * (shrink + PATIENCE)
            universe.run("doorward_lab.judge.inside:session", options, timeout=patience)
        finally:
            done.set()
            follower.join()
            report.seconds = time.monotonic() - began
    return report


def _follow(lines: Path, report: Report, estates: int, progress: Progress | None, done: threading.Event) -> None:
    """Add up what the inside writes, line by line, until it is done."""
    with lines.open(encoding="utf-8") as stream:
        rest = ""
        while True:
            last = done.wait(0.2)
            rest += stream.read()
            while "\n" in rest:
                line, _, rest = rest.partition("\n")
                report.add({name: value for name, value in json.loads(line).items() if name != "seconds_of_it"})
                if progress is not None:
                    progress(report.estates, estates, f"{report.probes} packets, {report.disagreements} disagreements")
            if last:
                return


def replay(path: Path) -> list[dict[str, Any]]:
    """Judge a written case again, in a universe of its own; one mapping for each disagreement, none: they agree.

    Raises ``BadScene`` for a file that is no case, ``Missing`` when this machine cannot run a lab.
    """
    if lacking := universe.check():
        raise Missing("; ".join(lacking))
    found: list[dict[str, Any]] = universe.run("doorward_lab.judge.inside:replay", str(path.resolve()), timeout=120.0)
    return found
