"""What every verb does alike: mistakes become lines and exit statuses, never a traceback.

Exit status: the verb's own (0, 1, 3), 2 for invalid input, an unreadable file, usage or a fault of ours,
130 for Ctrl-C.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec

import typer

from doorward.console.out import say, say_error
from doorward.errors import DoorwardError

P = ParamSpec("P")
INVALID, INTERRUPTED = 2, 130


def verb(body: Callable[P, int]) -> Callable[P, None]:
    """Make a verb of a function that returns the exit status."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = body(*args, **kwargs)
        except DoorwardError as error:
            say_error(error)
            status = INVALID
        except KeyboardInterrupt:
            say("doorward: interrupted")
            status = INTERRUPTED
        except RecursionError:
            say("doorward: an input is nested too deeply; expected a file as AWS or Terraform prints it")
            status = INVALID
        except MemoryError:
            say("doorward: not enough memory for this input")
            status = INVALID
        raise typer.Exit(status)

    return run


def last_resort(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: a fault of ours ends with one line and status 2, which no script takes for a verdict.

    Python itself would end with status 1, which means "broken". ``DOORWARD_TRACEBACK=1`` shows the place.
    """
    if os.environ.get("DOORWARD_TRACEBACK"):
        sys.__excepthook__(kind, error, trace)
    else:
        say(f"doorward: internal fault: {kind.__name__}: {error}")
        say("  hint: this is a mistake in Doorward; run again with DOORWARD_TRACEBACK=1 and report what it shows")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED if issubclass(kind, KeyboardInterrupt) else INVALID)
