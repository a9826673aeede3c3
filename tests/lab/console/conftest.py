"""A lab of one's own: a home in a temporary folder, and everything of it gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorward_lab.kernel import universe

LACKS = universe.check()
needs_lab = pytest.mark.skipif(bool(LACKS), reason="; ".join(LACKS) or "this machine can")


class Shell:
    """Runs `doorward-lab` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "DOORWARD_LAB_HOME": str(home), "NO_COLOR": "1", "TERM": "dumb"}
        self.home = home

    def __call__(self, *words: str, code: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one command; by default it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "doorward_lab", *words],
            env=self.environment, capture_output=True, text=True, check=False, timeout=timeout,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert code is None or code == done.returncode, (words, done.returncode, done.stdout, done.stderr)
        return done

    def processes(self) -> set[int]:
        """Processes of this machine that belong to a lab of this home: each has the home in its environment."""
        mark = f"DOORWARD_LAB_HOME={self.home}".encode()
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    found.add(int(path.name))
            except OSError:
                continue  # it ended, or is none of ours
        return found


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Shell]:
    """The command, and no lab left behind."""
    shell = Shell(tmp_path / "labs")
    yield shell
    shell("down", "--all", code=None)
