"""Progress on standard error: a bar in a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
from typing import Any


class Bar:
    """Told the stage, how much of it is done, and of how much. A stage's name ends at its first colon."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            console=console, transient=True, disable=not self._live,
        )  # fmt: skip
        self._task: Any = None
        self._stage = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: int | None, of: int | None) -> None:
        """Show it."""
        whole = stage.partition(":")[0]
        if self._live:
            if self._task is None:
                self._bar.start()
                self._task = self._bar.add_task(stage, total=None)
            self._bar.update(self._task, description=stage, completed=done or 0, total=of)
        elif whole != self._stage:
            print(f"{whole} …", file=sys.stderr)
        self._stage = whole
