"""From the host's side: start a lab, wait for it, end it.

Sockets that the host shall reach are bound here, before the lab's namespaces are made: a socket stays in the network
that it was made in, so whoever serves on it inside is reached from outside. Nothing else crosses.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from doorward_lab.console.rundir import Card, RunDir
from doorward_lab.errors import BadScene, LabError, Missing, Occupied, Refused
from doorward_lab.kernel import universe

PORT = 4588
FRONTS = ("api", "web", "prometheus", "alertmanager")
"""What the host reaches, each on a port of its own, in this order from the first port on."""
FOR = {"api": "the API", "web": "the web front", "prometheus": "Prometheus", "alertmanager": "Alertmanager"}
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[1-9]")

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

    def checked(self) -> Settings:
        """These settings, without a stack where the scene has none; the scene is read whole. Raises BadScene."""
        from doorward_lab.console.source import load  # slow to import, and the daemon must not before its namespaces

        if not REGION.fullmatch(self.region):
            raise BadScene(f"--region {self.region}: is no AWS region; expected one such as eu-west-1")
        most_port = 65536 - len(self.fronts())
        if not 0 <= self.port <= most_port:
            raise BadScene(
                f"--port {self.port}: expected 0, or 1 to {most_port} ({len(self.fronts())} ports are needed)"
            )
        least, most = self.event_delay
        if not 0 <= least <= most:
            raise BadScene(f"--event-delay {least:g} {most:g}: expected the least seconds first, and none below 0")
        scene = load(self.scene)
        if self.second_login and not any(host.run == "login-b" for host in scene.hosts.values()):
            raise BadScene(f"--second-login: the scene {scene.name!r} has no second login stack; outage has one")
        if not any(host.run for host in scene.hosts.values()):
            return replace(self, stack=False)
        return self

    def fronts(self) -> tuple[str, ...]:
        """What the host shall reach of such a lab."""
        return (FRONTS if self.monitoring else FRONTS[:2]) if self.stack else FRONTS[:1]


def up(settings: Settings, progress: Progress, *, patience: float = 180.0) -> Card:
    """Start a lab in the background and wait until it is ready. `patience` in seconds.

    Raises:
        BadScene: settings or a scene that cannot be.
        Missing: this machine lacks something; every lack has a line.
        Occupied: a lab of this name runs, or a port is taken.
        LabError: what went wrong while it was built. Nothing is left of it.
    """
    folder = RunDir(settings.name)
    settings = settings.checked()
    if not Path(settings.scene).is_absolute() and Path(settings.scene).exists():
        settings = replace(settings, scene=str(Path(settings.scene).resolve()))
    if lacks := universe.check():
        raise Missing("this machine cannot run the lab:\n" + "\n".join(f"  - {line}" for line in lacks))
    with ExitStack() as ours:
        lock = folder.claim()
        ours.callback(os.close, lock)
        try:
            return _start(folder, lock, settings, progress, patience, ours)
        except BaseException:
            folder.remove()
            raise


def _start(folder: RunDir, lock: int, settings: Settings, progress: Progress, patience: float, ours: ExitStack) -> Card:
    fronts = {
        name: ours.enter_context(listen(settings.port + n if settings.port else 0, FOR[name]))
        for n, name in enumerate(settings.fronts())
    }
    control = ours.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    control.bind(str(folder.socket))
    control.listen(64)
    theirs, mine = socket.socketpair()
    ours.enter_context(mine)
    passed = [lock, control.fileno(), theirs.fileno(), *(front.fileno() for front in fronts.values())]
    handover = {
        "settings": asdict(settings),
        "folder": str(folder.path),
        "control": control.fileno(),
        "progress": theirs.fileno(),
        "fronts": {name: front.fileno() for name, front in fronts.items()},
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
            env=_environment(),
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


def _environment() -> dict[str, str]:
    """This process' own, with paths to packages that hold in another folder too."""
    given = os.environ.get("PYTHONPATH")
    if not given:
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in given.split(os.pathsep))}


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


def listen(port: int, what: str) -> socket.socket:
    """A listening socket on 127.0.0.1 for `what`; port 0: any free one.

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
            f"port {port} on 127.0.0.1 cannot be used for {what} ({getattr(error, 'strerror', error)}); choose another "
            "by --port, or --port 0 for any free one"
        ) from error
    made.listen(256)
    return made
