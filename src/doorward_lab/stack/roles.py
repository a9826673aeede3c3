"""The stack as a whole: what each role is, how one is started, and all of them in order.

Lives here: `Role` (module, what must be ready before it), `Process` (one that runs), `Stack`. Readiness and faults go
by the admin endpoints, so no security group can be in their way. Not here: who talks to whom (`wiring`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import doorward_lab
from doorward_lab.errors import LabError, NotRunning
from doorward_lab.stack import admin
from doorward_lab.stack.place import Place
from doorward_lab.stack.service import ADMIN_SOCKET, Settings

LOG = "log"
CONFIG = "config.json"
_SOCKET_PATH_LIMIT = 107 - len("/.s.PGSQL.65535")  # bytes of sun_path (unix(7)), less the longest name in a folder


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of service: `python -m` its module; `after` are the roles that must be ready before it starts."""

    name: str
    after: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that runs it."""
        return f"doorward_lab.stack.{self.name}"

    def start(self, place: Place, folder: Path, settings: Settings, *, stdin: int | None = None) -> Process:
        """Start it at a place, in a folder of its own. It dies with the thread that calls this.

        `stdin` may be a listening socket, for `metrics_fd` 0.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if len(os.fsencode(folder)) > _SOCKET_PATH_LIMIT:
            raise LabError(f"{folder} is too long for Unix sockets in it; expected {_SOCKET_PATH_LIMIT} bytes at most")
        folder.chmod(0o700)  # passwords and keys are in there
        (folder / ADMIN_SOCKET).unlink(missing_ok=True)
        settings = msgspec.structs.replace(settings, folder=str(folder))
        config = folder / CONFIG
        config.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
        with (folder / LOG).open("ab") as log:
            process = place.spawn(
                [sys.executable, "-m", self.module, "--config", str(config)],
                env=environment(folder),
                cwd=str(folder),
                stdin=stdin,
                stdout=log,
                stderr=log,
            )
        return Process(self.name, folder, process)


ROLES = {
    role.name: role
    for role in (
        Role("dns"),
        Role("database"),
        Role("login", after=("dns", "database")),
        Role("portal", after=("dns",)),
        Role("balancer"),
        Role("monitor"),
        Role("users", after=("login", "portal", "balancer")),
        Role("flood"),
        Role("scan"),
    )
}


def environment(folder: Path) -> dict[str, str]:
    """What a service sees of this process' environment: nothing that could lead it out of the lab (proxies, keys)."""
    source = str(Path(doorward_lab.__file__).resolve().parent.parent)
    # Whatever this process can import, a service can: packages may have come by PYTHONPATH. But the current folder.
    here = os.getcwd()
    known = [source, *(path for path in sys.path if os.path.isabs(path) and path != here)]
    return {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(known)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GOMAXPROCS": "1",
    }


@dataclass(slots=True)
class Process:
    """A service that was started."""

    role: str
    folder: Path
    popen: subprocess.Popen[bytes]
    stopped: bool = False  # its end is, or will be, what somebody wanted

    def why_not_ready(self) -> str | None:
        """None when it is ready. Raises `LabError` with the end of its log when it has died."""
        if (code := self.popen.poll()) is not None:
            raise LabError(f"{self.folder.name} ended with {code}:\n{self.logs(15)}")
        try:
            status, body = admin.request(self.folder, "GET", "/ready", seconds=5.0)
        except NotRunning:
            return "starting"
        return None if status == 200 else body.decode(errors="replace")

    def wait_ready(self, seconds: float) -> None:
        """Return when it is ready. Raises `LabError` when it dies, or is not ready after so long."""
        deadline = time.monotonic() + seconds
        while (why := self.why_not_ready()) is not None:
            if time.monotonic() > deadline:
                raise LabError(f"{self.folder.name} is not ready after {seconds:.0f} s: {why}")
            time.sleep(0.02)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A call of its admin endpoint; the decoded answer. Raises `LabError`, `NotRunning`."""
        return admin.call(self.folder, method, path, body, seconds=30.0)

    def turn(self, **knobs: object) -> Any:
        """Set knobs: a fault. Raises `LabError` when the service refuses."""
        return self.call("PUT", "/knobs", knobs)

    def heal(self) -> Any:
        """All knobs back to health."""
        return self.call("DELETE", "/knobs")

    def logs(self, lines: int = 100) -> str:
        """The end of what it wrote."""
        try:
            with (self.folder / LOG).open(encoding="utf-8", errors="replace") as file:
                return "".join(deque(file, maxlen=lines))
        except FileNotFoundError:
            return ""

    def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM; SIGKILL when it has not ended after `seconds`."""
        self.stopped = True
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


@dataclass(frozen=True, slots=True)
class Seat:
    """One service of a stack: its own name (login-1), its role (login), its place and settings.

    `before_users` False: the users do not wait for it (monitoring, a second stack).
    """

    name: str
    role: str
    place: Place
    settings: Settings
    stdin: int | None = None
    after: tuple[str, ...] | None = None  # names of seats; None: every seat of the roles that its role comes after


Progress = Callable[[str, str], None]  # a seat's name, "starting" or "ready"


class Stack:
    """All services of one stack, in the folders `folder`/NAME.

    Not for several threads at once; with `place.Local` all for one and the same thread, as its processes die with the
    thread that started them.
    """

    def __init__(self, folder: Path, seats: Sequence[Seat]) -> None:
        self.folder = folder
        self._seats = {seat.name: seat for seat in seats}
        self._running: dict[str, Process] = {}

    def __getitem__(self, name: str) -> Process:
        """The running service of this name. Raises `NotRunning` naming those that are."""
        try:
            return self._running[name]
        except KeyError:
            raise NotRunning(f"no service {name!r} runs; running: {', '.join(sorted(self._running))}") from None

    def names(self) -> list[str]:
        """The services that run."""
        return list(self._running)

    def dead(self) -> dict[str, int]:
        """The services that have ended by themselves, with their exit codes (-n: ended by signal n)."""
        there = [(name, process) for name, process in list(self._running.items()) if not process.stopped]
        codes = {name: process.popen.poll() for name, process in there}
        return {name: code for name, code in codes.items() if code is not None}

    def _waits_for(self, seat: Seat) -> set[str]:
        if seat.after is not None:
            return set(seat.after) & self._seats.keys()
        roles = ROLES[seat.role].after
        return {other.name for other in self._seats.values() if other.role in roles}

    def start(self, progress: Progress | None = None, *, seconds: float = 60.0) -> None:
        """Start each service as soon as those before it are ready; return when all are.

        Raises `LabError` when one dies or is not ready after `seconds`; what was started is stopped then.
        """
        say = progress or (lambda name, what: None)
        waiting = {name: seat for name, seat in self._seats.items() if name not in self._running}
        unready = set(waiting)
        reasons: dict[str, str] = {}
        deadline = time.monotonic() + seconds
        try:
            while unready:
                for name, seat in list(waiting.items()):
                    if not self._waits_for(seat) & unready:
                        say(name, "starting")
                        self._start(seat)
                        del waiting[name]
                for name in sorted(unready - waiting.keys()):
                    why = self._running[name].why_not_ready()
                    if why is None:
                        unready.discard(name)
                        say(name, "ready")
                    else:
                        reasons[name] = why
                if unready and time.monotonic() > deadline:
                    late = "; ".join(f"{name}: {reasons.get(name, 'waits for others')}" for name in sorted(unready))
                    raise LabError(f"not ready after {seconds:.0f} s: {late}")
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def _start(self, seat: Seat) -> Process:
        process = ROLES[seat.role].start(seat.place, self.folder / seat.name, seat.settings, stdin=seat.stdin)
        self._running[seat.name] = process
        return process

    def add(self, seat: Seat, *, seconds: float = 30.0) -> Process:
        """Start one more service (a flood, a second login stack), and wait until it is ready."""
        if seat.name in self._running:
            raise LabError(f"{seat.name} runs already")
        self._seats[seat.name] = seat
        process = self._start(seat)
        process.wait_ready(seconds)
        return process

    def remove(self, name: str) -> None:
        """Stop a service and forget it; its folder stays."""
        self[name].stop()
        del self._running[name]
        del self._seats[name]

    def restart(self, name: str, *, seconds: float = 30.0) -> Process:
        """Stop a service and start it again with the same settings and folder; wait until it is ready."""
        self[name].stop()
        process = self._start(self._seats[name])
        process.wait_ready(seconds)
        return process

    def logs(self, name: str, lines: int = 100) -> str:
        """The end of a service's log."""
        return self[name].logs(lines)

    def stop(self) -> None:
        """Stop all, the last started first; all are told before any is waited for."""
        processes = list(reversed(self._running.values()))
        self._running = {}
        for process in processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in processes:
            process.stop()
