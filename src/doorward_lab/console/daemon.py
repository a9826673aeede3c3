"""The process that is the lab: enters the universe before anything else, then builds the lab and answers requests.

Nothing heavy is imported before the namespaces are made: a library that starts threads makes that impossible.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any

from doorward_lab.errors import LabError
from doorward_lab.kernel import universe

logger = logging.getLogger("doorward_lab")


def main() -> None:
    """Entry point: `python -m doorward_lab.console.daemon HANDOVER`; the hand-over is JSON, see `launch`."""
    handover: dict[str, Any] = json.loads(sys.argv[1])
    progress = socket.socket(fileno=handover["progress"])
    ended = threading.Event()
    try:
        universe.enter(hold=[handover["control"], handover["progress"], *handover["fronts"].values()])
    except LabError as error:
        _say(progress, {"error": str(error)})
        sys.exit(2)

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("werkzeug", "botocore", "boto3", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    from doorward_lab.console.lab import Lab  # after the namespaces: numpy, moto and others start threads
    from doorward_lab.console.launch import Settings

    settings = Settings(**handover["settings"])
    lab: Lab | None = None
    status = 1
    try:
        lab = Lab(settings, {name: socket.socket(fileno=number) for name, number in handover["fronts"].items()})
        card = lab.build(lambda stage, done, of: _say(progress, {"stage": stage, "done": done, "of": of}))
        lab.serve(socket.socket(fileno=handover["control"]))
        _say(progress, {"ready": card})
        progress.close()
        ended.wait()
        status = 0
    except LabError as error:
        _say(progress, {"error": str(error)})
    except Exception as error:
        logger.exception("a fault of the lab's own")
        _say(progress, {"error": f"a fault of the lab's own, {type(error).__name__}: {error}"})
        raise
    finally:
        if lab is not None:
            lab.close()
        os._exit(status)  # the first process of its world: with it, the kernel ends everything else


def _say(progress: socket.socket, message: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # whoever started the lab may be gone; the lab goes on
        progress.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
