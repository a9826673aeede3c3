"""The universe: what is private inside, what comes out, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from doorward_lab.errors import Refused
from doorward_lab.kernel import universe

GUESTS = "tests.lab.kernel.guests_universe:"

pytestmark = pytest.mark.usefixtures("kernel")


def _marked(mark: str) -> list[int]:
    """The pids of processes that have `mark` in their command line."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = path.joinpath("cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in words:
            found.append(int(path.name))
    return found


def _mark() -> str:
    return f"6{random.randrange(10**9)}.25"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _python(script: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script], text=True, stdout=subprocess.PIPE, env=_environment(), **options
    )


def test_everything_is_private() -> None:
    """Network, mounts, processes and IPC inside are not those outside."""
    inside = universe.run(GUESTS + "namespaces")
    for kind in ("net", "mnt", "pid", "ipc"):
        assert os.readlink(f"/proc/self/ns/{kind}") != inside[kind]
    assert (os.readlink("/proc/self/ns/user") == inside["user"]) == (os.geteuid() == 0)


def test_proc_shows_the_inside_only() -> None:
    """/proc inside shows the universe's own processes: its init and the application."""
    assert ["doorward-init", "doorward-lab"] == universe.run(GUESTS + "processes")


def test_loopback_is_up_and_alone() -> None:
    """There is no way out but lo, and lo is up."""
    assert {"lo": True} == universe.run(GUESTS + "links")


def test_results_come_out() -> None:
    """Arguments and results pass as JSON; what the target prints is not part of them."""
    assert [1, "two", None, {"3": [4.5]}] == universe.run(GUESTS + "echo", 1, "two", None, {"3": [4.5]})


def test_errors_come_out() -> None:
    """What the target raises is raised here, as its own type, and its traceback can be read."""
    with pytest.raises(Refused, match="no such thing") as caught:
        universe.run(GUESTS + "refuses", "no such thing")
    assert "in refuses" in "".join(caught.value.__notes__)


def test_odd_errors_come_out() -> None:
    """An error that cannot be made anew still comes out with its name and words."""
    with pytest.raises(RuntimeError, match="Odd: very"):
        universe.run(GUESTS + "raises_odd")


def test_no_answer_is_said() -> None:
    """A target that ends the process is told with the status, which passed through init and launcher."""
    with pytest.raises(RuntimeError, match="status 7"):
        universe.run(GUESTS + "leaves")


def test_timeout_ends_all() -> None:
    """A target that takes too long is ended, and its workloads with it."""
    mark = _mark()
    with pytest.raises(TimeoutError):
        universe.run(GUESTS + "waits", 60, mark, timeout=1.0)
    _gone(mark)


def _gone(mark: str, seconds: float = 5.0) -> float:
    began = time.monotonic()
    while _marked(mark):
        assert time.monotonic() - began < seconds, f"still there after {seconds} s: {_marked(mark)}"
        time.sleep(0.01)
    return time.monotonic() - began


def test_scratch_is_private() -> None:
    """A scratch folder can be written inside, is the owner's alone, and is not there outside."""
    folder, text, differs, mode = universe.run(GUESTS + "scratch")
    assert ("kept", True, "0o700") == (text, differs, mode)
    assert not Path(folder).exists()


def test_scratch_needs_a_universe() -> None:
    """Outside, no scratch folder is made: it would stay after kill -9."""
    with pytest.raises(Refused, match="universe"):
        universe.scratch()


def test_orphans_are_reaped_and_children_are_ours() -> None:
    """No zombie of an orphan stays; a Popen child keeps its exit status for its owner (it alone is a zombie)."""
    assert {"processes": 3, "zombies": 1, "own": 42} == universe.run(GUESTS + "orphans")


def test_threads_are_refused() -> None:
    """With a thread running, entering is refused, with the number of threads and what to do."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(Refused, match=r"without threads.*afterwards"):
            universe.enter()
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(5)", 5), ("os.kill(os.getpid(), 9)", 137), ("pass", 0)])
def test_the_status_is_the_applications(ending: str, status: int) -> None:
    """The launcher ends as the application ended; 128 + n for signal n, as shells say it."""
    process = _python(f"import os, sys\nfrom doorward_lab.kernel import universe\nuniverse.enter()\n{ending}")
    process.communicate(timeout=20)
    assert status == process.returncode


def test_sigterm_is_passed_on() -> None:
    """SIGTERM to the launcher reaches the application, whose handler decides."""
    script = """
import signal, sys, time
from doorward_lab.kernel import universe
universe.enter()
signal.signal(signal.SIGTERM, lambda *_: (print("tidy", flush=True), sys.exit(3)))
print("ready", flush=True)
time.sleep(60)
"""
    with _python(script) as process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert ("tidy\n", 3) == (process.communicate(timeout=20)[0], process.returncode)


def test_sigterm_without_a_handler_ends_it() -> None:
    """An application without a handler is ended by SIGTERM, as elsewhere: it is not PID 1, which would ignore it."""
    script = (
        "from doorward_lab.kernel import universe\nuniverse.enter()\nprint(flush=True)\nimport time; time.sleep(60)"
    )
    with _python(script) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert 128 + signal.SIGTERM == process.wait(timeout=20)


def test_a_listener_made_outside_serves_from_inside() -> None:
    """A socket that listens outside and is held inside answers outside, and its port is free when all has ended."""
    script = """
import os, socket
from doorward_lab.kernel import universe
listener = socket.create_server(("127.0.0.1", 0))
universe.enter(hold=[listener.fileno()])
print(listener.getsockname()[1], flush=True)
while True:
    near, _ = listener.accept()
    near.sendall(os.readlink("/proc/self/ns/net").encode())
    near.close()
"""
    with _python(script) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=5) as far:
            said = far.recv(100).decode()
        assert said.startswith("net:[") and said != os.readlink("/proc/self/ns/net")
        # The application alone holds it: launcher and init, which wait, do not.
        inode = _listening_inode(port)
        holders = [pid for pid in _family(process.pid) if inode in _inodes(pid)]
        assert 1 == len(holders)
        process.kill()
        process.wait()
    deadline = time.monotonic() + 5  # those inside die after the launcher
    while True:
        try:
            socket.create_server(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _listening_inode(port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}") and words[3] == "0A":
            return f"socket:[{words[9]}]"
    raise AssertionError(f"nobody listens on {port}")


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*"):
            found.extend(int(child) for child in task.joinpath("children").read_text().split())
    return found


def _inodes(pid: int) -> set[str]:
    return {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.parametrize("who", ["launcher", "init", "application"])
def test_kill_9_leaves_nothing(who: str) -> None:
    """kill -9 of the launcher, of init or of the application removes every process and namespace within seconds."""
    mark = _mark()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.kernel.launch", mark], stdout=subprocess.PIPE, env=_environment()
    )
    with process:
        assert process.stdout is not None
        assert b"ready\n" == process.stdout.readline()
        family = _family(process.pid)
        assert 7 == len(family)  # launcher, init, application, three sleepers, and one more in its own session
        spaces = {os.readlink(f"/proc/{pid}/ns/net") for pid in family}
        assert 4 == len(spaces)  # the universe's own and three hosts'
        victim = {"launcher": family[0], "init": family[1], "application": family[2]}[who]
        os.kill(victim, signal.SIGKILL)
        assert process.wait(timeout=5) in {-9, 137}
    _gone(mark)
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            assert os.readlink(path / "ns/net") not in spaces
        except OSError:
            continue


def test_kill_9_while_it_builds() -> None:
    """kill -9 at random moments of starting and building leaves no process either."""
    chance = random.Random(7)
    marks: list[str] = []
    for _ in range(12):
        marks.append(_mark())
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.kernel.launch", marks[-1]], stdout=subprocess.DEVNULL, env=_environment()
        )
        time.sleep(chance.uniform(0.02, 0.3))
        process.kill()
        process.wait()
    for mark in marks:
        _gone(mark)


def test_cycles_leak_nothing() -> None:
    """50 universes one after the other, each with three network namespaces, links, rules and a workload, where 24 are
    allowed at a time and not 150: every one is gone. No descriptor, process, thread or mount is left either.
    """
    script = """
import json, os, sys
from pathlib import Path
from doorward_lab.kernel import libc
uid, gid = os.geteuid(), os.getegid()
libc.unshare(libc.CLONE_NEWUSER)  # its limits are its own
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
from doorward_lab.kernel import universe
universe.enter()
from tests.lab.kernel.guests_universe import many_universes
print(json.dumps(many_universes(50, 24)))
"""
    with _python(script) as process:
        said, _ = process.communicate(timeout=240)
    assert 0 == process.returncode
    found = json.loads(said)
    assert found["before"] == found["after"]


def test_cycles_inside_leak_nothing() -> None:
    """50 times three namespaces with links, rules, a workload in one process: no descriptor, thread, process stays."""
    first, last = universe.run(GUESTS + "cycles_inside", 50)
    assert first == last


def test_workloads_have_a_name() -> None:
    """On a machine whose /etc/passwd does not know uid 1000, the universe's does (initdb asks)."""
    assert ["1000", "lab"] == universe.run(GUESTS + "unknown_user")


def test_ctrl_c_comes_once() -> None:
    """Ctrl-C at a terminal reaches launcher, init and application alike; the application sees it once."""
    script = """
import os, signal, time
from doorward_lab.kernel import universe
os.open(os.ttyname(0), os.O_RDWR)  # which makes it this session's terminal
universe.enter()
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("ready", flush=True)
deadline = time.monotonic() + 1
while time.monotonic() < deadline:
    time.sleep(0.05)
print("seen", len(seen), flush=True)
"""
    controller, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=terminal,
        stdout=terminal,
        env=_environment(),
        start_new_session=True,
    ) as process:
        os.close(terminal)
        said = b""
        while b"seen" not in said or not said.endswith(b"\n"):
            said += os.read(controller, 1000)
            if said.strip() == b"ready":
                os.write(controller, b"\x03")
        assert 0 == process.wait(10)
    os.close(controller)
    assert b"seen 1" in said


def test_this_machine_has_what_it_needs() -> None:
    """`check` has nothing to say where a universe works."""
    assert [] == universe.check()
