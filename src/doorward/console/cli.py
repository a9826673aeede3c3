"""The command line: wires the verbs. One verb a file, in ``verbs``; each imports what it needs when it runs.

What does not live here: what a verb does, mistakes and exit statuses (``shell``).
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from doorward.console.out import tolerate_any_name
from doorward.console.shell import INTERRUPTED, last_resort
from doorward.console.verbs import check, diff, explain, exposure, gate, lint, schema, snapshot

app = typer.Typer(
    name="doorward",
    help="Doorward keeps the doors that must stay open open, and the doors that must stay shut shut.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich's help costs 60 ms
    pretty_exceptions_enable=False,
)
app.command()(check.check)
app.command()(gate.gate)
app.command()(diff.diff)
app.command()(explain.explain)
app.command()(exposure.exposure)
app.command()(snapshot.snapshot)
app.command()(lint.lint)
app.command()(schema.schema)


def version() -> str:
    """The installed version; ``0+unknown`` where Doorward runs uninstalled."""
    from importlib.metadata import PackageNotFoundError  # 6 ms that only those who ask pay for
    from importlib.metadata import version as installed

    try:
        return installed("doorward")
    except PackageNotFoundError:
        return "0+unknown"


def _show_version(asked: bool) -> None:
    if asked:
        print(f"doorward {version()}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command ``doorward``."""
    sys.excepthook = last_resort
    tolerate_any_name()
    gc.disable()  # a command reads, answers and ends: walking a large estate for waste costs more than the waste
    try:
        # Not app(…): that would replace our excepthook by Typer's own.
        typer.main.get_command(app)(prog_name="doorward")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
