"""The other side of `universe.run`: reads a target, enters a universe, calls it, writes what it returned or raised.

python -m doorward_lab.kernel.guest < {"target": "module:function", "args": […]}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from types import TracebackType
from typing import Any


def revived(said: dict[str, Any]) -> Exception:
    """The exception that a guest reported, of its own type where that can be had; its traceback is a note."""
    error: Exception | None = None
    try:
        kind = getattr(importlib.import_module(said["module"]), said["name"])
        if isinstance(kind, type) and issubclass(kind, Exception):
            error = kind(*said["args"])
    except (ImportError, AttributeError, TypeError):
        error = None
    if error is None:
        error = RuntimeError(f"{said['name']}: {said['text']}")
    error.add_note(said["trace"])
    return error


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def main() -> None:
    """Answer on what was standard output; what the target prints goes to standard error."""
    from doorward_lab.kernel import universe  # here: universe imports this module

    answers = os.dup(1)
    os.dup2(2, 1)

    def answer(value: dict[str, object]) -> None:
        with os.fdopen(answers, "w") as stream:
            json.dump(value, stream)

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        said = {
            "module": kind.__module__,
            "name": kind.__qualname__,
            "args": [_plain(value) for value in error.args],
            "text": str(error),
            "trace": "".join(traceback.format_exception(kind, error, trace)),
        }
        answer({"error": said})

    sys.excepthook = report
    request = json.load(sys.stdin)
    module, _, function = request["target"].partition(":")
    universe.enter()
    result = getattr(importlib.import_module(module), function)(*request["args"])
    answer({"result": result})


if __name__ == "__main__":
    main()
