"""From the host's side: start a lab, wait for it, end it.

Sockets that the host shall reach are bound here, before the lab's namespaces are made: a socket stays in the network
that it was made in, so whoever serves on it inside is reached from outside. Nothing else crosses.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from doorward_lab.console.rundir import Card, RunDir
from doorward_lab.errors import LabError, Missing, Occupied, Refused
from doorward_lab.kernel import universe

PORT = 4588
FRONTS = ("api", "web", "prometheus", "alertmanager")
"""What the host reaches, each on a port of its own, in this order from the first port on."""

Progress = Callable[[str, "int | None", "int | None"], None]
"""Told what is being built, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a lab is started with; crosses to the daemon as JSON."""

    name: str
    scene: str  # a scene's name, or a path: YAML, a snapshot's folder, or a plan
    port: int = PORT
    region: str = "eu-west-1"
    seed: int = 0
    rate: float = 10.0  # of new logins a second
    stack: bool = True  # start the web stack
    monitoring: bool = True  # with Prometheus and Alertmanager
    second_login: bool = False  # with the second, independent login stack
    apply_delay: float = 0.0  # seconds that the data plane waits before it follows: AWS is not instant
    event_delay: tuple[float, float] = (0.0, 0.0)  # seconds, least and most, before an event is delivered
    event_duplicate: float = 0.0  # shares of events
    event_reorder: float = 0.0
    event_drop: float = 0.0


def up(settings: Settings, progress: Progress, *, patience: float = 180.0) -> Card:
    """Start a lab in the background and wait until it is ready. `patience` in seconds.

    Raises:
        Missing: this machine lacks something; every lack has a line.
        Occupied: a lab of this name runs, or a port is taken.
        LabError: what went wrong while it was built. Nothing is left of it.
    """
    if lacks := universe.check():
        raise Missing("this machine cannot run the lab:\n" + "\n".join(f"  - {line}" for line in lacks))
    if not Path(settings.scene).is_absolute() and Path(settings.scene).exists():
        settings = replace(settings, scene=str(Path(settings.scene).resolve()))
    with ExitStack() as ours:
        folder = RunDir(settings.name)
        lock = folder.claim()
        ours.callback(os.close, lock)
        try:
            return _start(folder, lock, settings, progress, patience, ours)
        except BaseException:
            folder.remove()
            raise


def _start(folder: RunDir, lock: int, settings: Settings, progress: Progress, patience: float, ours: ExitStack) -> Card:
    fronts = [ours.enter_context(listen(settings.port + n if settings.port else 0)) for n in range(len(FRONTS))]
    control = ours.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    control.bind(str(folder.socket))
    control.listen(64)
    theirs, mine = socket.socketpair()
    ours.enter_context(mine)
    passed = [lock, control.fileno(), theirs.fileno(), *(front.fileno() for front in fronts)]
    handover = {
        "settings": asdict(settings),
        "folder": str(folder.path),
        "control": control.fileno(),
        "progress": theirs.fileno(),
        "fronts": {name: front.fileno() for name, front in zip(FRONTS, fronts, strict=True)},
    }
    with folder.log.open("ab") as log, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "doorward_lab.console.daemon", json.dumps(handover)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C in this terminal is for us, not for the lab
            cwd="/",
        )
    folder.held_by(process.pid)
    try:
        card = _wait(process, mine, progress, patience, folder)
    except BaseException:
        process.kill()  # the lab's first process dies with it, and with that one everything else
        process.wait()
        raise
    folder.publish(card)
    return card


def _wait(
    process: subprocess.Popen[bytes], mine: socket.socket, progress: Progress, patience: float, folder: RunDir
) -> Card:
    mine.settimeout(patience)
    with mine.makefile("r", encoding="utf-8") as lines:
        try:
            for line in lines:
                message = json.loads(line)
                if "ready" in message:
                    return Card(**{**message["ready"], "pid": process.pid})
                if "error" in message:
                    raise LabError(message["error"])
                progress(message["stage"], message.get("done"), message.get("of"))
        except TimeoutError:
            raise Refused(f"the lab was not ready within {patience:.0f} s") from None
    process.wait()
    tail = folder.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise Refused("the lab ended while it was built:\n" + "\n".join(f"  {line}" for line in tail))


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0: any free one.

    Raises:
        Occupied: the port is taken.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        made.close()
        raise Occupied(
            f"port {port} on 127.0.0.1 cannot be used ({error}); choose another by --port, or --port 0 for any free one"
        ) from error
    made.listen(256)
    return made
