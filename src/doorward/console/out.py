"""Writing: answers to standard output or a file, words for people to standard error.

A reader that goes away (``doorward … | head``) is no mistake and does not change the exit status.
What does not live here: what is written (``render``).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TextIO

from doorward.console.render.clean import clean
from doorward.console.render.page import Page
from doorward.errors import DoorwardError, InvalidInput


def write(text: str, output: Path | None) -> None:
    """An answer, whole or (into a file) not at all. Raises ``InvalidInput`` when the file cannot be written."""
    if output is None:
        _to(sys.stdout, text)
        return
    try:
        if output.exists() and not output.is_file():
            output.write_text(text, encoding="utf-8")  # /dev/stdout, a pipe
            return
        _replace(output, text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(f"cannot be written: {reason}", where=str(output), hint="check --output") from error


def _replace(output: Path, text: str) -> None:
    # Not tempfile, which costs 5 ms at every start. Exclusive: a link that waits under this name is not followed.
    name = output.with_name(f".doorward-{os.getpid()}.tmp")
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        os.replace(name, output)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def show(page: Page, output: Path | None) -> None:
    """A page: in colour on a terminal, plain elsewhere and with NO_COLOR (no-color.org)."""
    coloured = output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    coloured = coloured and os.environ.get("TERM") != "dumb"
    write(page.coloured() if coloured else page.plain(), output)


def say(text: str) -> None:
    """A line for people, on standard error."""
    _to(sys.stderr, clean(text) + "\n")


def say_error(error: DoorwardError) -> None:
    """What is wrong, where, and what to do next."""
    where = f"{error.where}: " if error.where else ""
    say(f"doorward: {where}{error.message}")
    if error.hint:
        say(f"  hint: {error.hint}")


def _to(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Whatever is still buffered must not be tried again when Python ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def tolerate_any_name() -> None:
    """Streams whose encoding lacks a character show its escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
