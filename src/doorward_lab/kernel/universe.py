"""The universe: one process tree in namespaces of its own, which the kernel removes when its launcher dies.

    launcher        the process that called `enter`; outside; waits, forwards SIGTERM, SIGINT and SIGHUP
    └── init        PID 1 inside; reaps orphans; ends when the application ends, and everything inside with it
        └── application   where `enter` returns; its Popen children are its own, so nobody steals their status

No name is made in /run/netns and nothing outside is mounted: `kill -9` of any of the three removes all of it. Root and
ordinary users differ by one flag, a user namespace. What this machine lacks for it, `check` says in words.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from doorward_lab.errors import LabError, Missing, Refused
from doorward_lab.kernel import libc, machine
from doorward_lab.kernel.guest import revived
from doorward_lab.kernel.init import WATCHED, attend, exit_status
from doorward_lab.kernel.netns import loopback_up
from doorward_lab.kernel.nft import LIBRARY
from doorward_lab.kernel.spawn import UID

# Where the private tmpfs goes: an existing directory, so that none has to be made outside. /dev/shm comes first
# because it hides the machine's: a killed PostgreSQL would leave its segments there.
_PLACES = ("/dev/shm", "/mnt", "/media", "/srv", "/tmp")  # noqa: S108 (mounted over, never written to)

_tmpfs: str | None = None


def check() -> list[str]:
    """What this machine lacks for a lab, a line each; empty when a universe was made and all in it worked.

    Takes some 0.2 s: it tries in a process of its own.
    """
    lines = machine.lacking(LIBRARY)
    if lines:
        return lines
    try:
        found = run("doorward_lab.kernel.machine:trial", timeout=30)
    except LabError as error:
        return [str(error)]
    except (RuntimeError, TimeoutError, OSError) as error:
        return [f"a trial of namespaces and nftables failed: {error}"]
    return [str(line) for line in found]


def enter(*, hold: Sequence[int] = ()) -> None:
    """Start a universe; returns only inside, in a new process. The calling process waits, and ends with its status.

    Inside: own network (lo up), mounts, IPC and process ids, a private /proc, a tmpfs for `scratch`. As an ordinary
    user: own user namespace too, as uid 0 of it. `hold`: descriptors that belong to the inside alone from now on
    (listening sockets, locks); all others stay open on both sides. Call it before any thread runs (numpy's import
    starts some). Raises Missing where the machine forbids it, Refused with threads.
    """
    _single_threaded()
    flags = libc.CLONE_NEWNET | libc.CLONE_NEWNS | libc.CLONE_NEWPID | libc.CLONE_NEWIPC
    uid, gid = os.geteuid(), os.getegid()
    rootless = not machine.has_power()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        libc.unshare(flags | (libc.CLONE_NEWUSER if rootless else 0))
        if rootless:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    except OSError as error:
        raise Missing(machine.why_no_universe(error, power=not rootless)) from error
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    alive, closes_at_death = os.pipe()
    child = os.fork()
    if child:
        _leave_to(child, hold, alive)
    os.close(closes_at_death)
    libc.die_with_parent(signal.SIGKILL)
    if select.select([alive], [], [], 0)[0]:
        os._exit(1)  # the launcher died before it could be watched
    libc.name_process("doorward-init")
    child = os.fork()
    if child:
        _leave_to(child, hold, alive, orphans=True)
    os.close(alive)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    libc.name_process("doorward-lab")
    _furnish()


def _leave_to(child: int, hold: Sequence[int], alive: int, *, orphans: bool = False) -> NoReturn:
    for fd in (*hold, alive):
        os.close(fd)
    os._exit(attend(child, orphans=orphans))


def _single_threaded() -> None:
    deadline = time.monotonic() + 0.2  # a thread that was joined may be listed a little longer
    while (count := len(os.listdir("/proc/self/task"))) > 1:
        if time.monotonic() > deadline:
            raise Refused(
                f"a universe is started by a process without threads, and this one has {count}: start threads, and "
                "import what starts them (numpy), afterwards"
            )
        time.sleep(0.005)


def _furnish() -> None:
    """Mounts and loopback, in the application: what fails here is raised where people see it."""
    global _tmpfs  # noqa: PLW0603 (one universe a process; it cannot be left)
    harmless = libc.MS_NOSUID | libc.MS_NODEV
    try:
        libc.mount("proc", "/proc", "proc", harmless | libc.MS_NOEXEC)
    except OSError as error:
        raise Missing(
            f"no private /proc can be mounted: {error.strerror}; in a container, parts of /proc are hidden: start it "
            "with `--security-opt systempaths=unconfined`, or privileged"
        ) from error
    _tmpfs = next(place for place in _PLACES if Path(place).is_dir())
    libc.mount("tmpfs", _tmpfs, "tmpfs", harmless, "mode=1777")
    _known_to_all()
    loopback_up()


def _known_to_all() -> None:
    """Give the workloads' user a name: initdb and others refuse to run as a number that /etc/passwd does not know."""
    for name, line in (("passwd", f"lab:x:{UID}:{UID}:the lab:/:/bin/sh\n"), ("group", f"lab:x:{UID}:\n")):
        path = Path("/etc") / name
        known = path.read_text() if path.exists() else ""
        if path.exists() and not any(entry.split(":")[2:3] == [str(UID)] for entry in known.splitlines()):
            longer = scratch() / name
            longer.write_text(known.rstrip("\n") + "\n" + line)
            longer.chmod(0o644)
            libc.mount(str(longer), str(path), None, libc.MS_BIND)


def scratch() -> Path:
    """A new empty folder on the universe's own tmpfs: invisible outside, gone with the universe."""
    if _tmpfs is None:
        raise Refused("there is no scratch folder outside of a universe: call doorward_lab.kernel.universe.enter first")
    return Path(tempfile.mkdtemp(prefix="lab-", dir=_tmpfs))


def run(target: str, *args: object, timeout: float = 60.0) -> Any:
    """What `target` ("module:function") returns for `args`, called in a universe of its own; both pass as JSON.

    What it raises is raised here, with its traceback as a note. After `timeout` seconds: TimeoutError. Works with
    threads in the calling process. When it returns or raises, nothing of the universe is left.
    """
    command = [sys.executable, "-m", "doorward_lab.kernel.guest"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as guest:
        try:
            said, _ = guest.communicate(json.dumps({"target": target, "args": args}).encode(), timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{target} was not done after {timeout:g} s, and was ended") from error
        finally:
            guest.kill()
    try:
        answer = json.loads(said)
    except ValueError:
        status = exit_status(guest.returncode)
        raise RuntimeError(f"{target} ended with status {status} and without an answer") from None
    if "error" in answer:
        raise revived(answer["error"])
    return answer["result"]
