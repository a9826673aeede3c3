"""Functions that tests of the universe run inside of one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from doorward_lab.errors import Refused
from doorward_lab.kernel import libc, universe
from doorward_lab.kernel.netlink import Netlink
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft
from doorward_lab.kernel.spawn import spawn


def namespaces() -> dict[str, str]:
    """The namespaces of this process."""
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid", "ipc", "user")}


def processes() -> list[str]:
    """The names of all processes that /proc shows."""
    return sorted(path.joinpath("comm").read_text().strip() for path in Path("/proc").glob("[0-9]*"))


def links() -> dict[str, bool]:
    """Which links there are, and whether they are up."""
    here = Namespace.current()
    return {name: link.up for name, link in Netlink(here).links().items()}


def echo(*args: object) -> object:
    """What it was given."""
    print("a target's own words do not disturb its answer")
    return args


def refuses(text: str) -> None:
    """Raise one of the lab's errors."""
    raise Refused(text)


def raises_odd() -> None:
    """Raise an error that cannot be made anew from its arguments."""

    class Odd(Exception):
        pass

    raise Odd("very")


def leaves() -> None:
    """End without an answer."""
    os._exit(7)


def waits(seconds: float, mark: str) -> None:
    """Wait, with a workload whose command line has `mark`."""
    subprocess.Popen(["sleep", mark])
    time.sleep(seconds)


def scratch() -> list[object]:
    """A scratch folder, what a file in it holds, and whether a second one is another."""
    folder, other = universe.scratch(), universe.scratch()
    (folder / "file").write_text("kept")
    return [str(folder), (folder / "file").read_text(), folder != other, oct(folder.stat().st_mode & 0o777)]


def orphans() -> dict[str, object]:
    """Make 20 orphans that end by themselves, and a child of our own that ends at the same time."""
    script = "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        time.sleep(0.2); os._exit(0)\n"
    subprocess.run([sys.executable, "-S", "-c", script], check=True)
    own = subprocess.Popen(["sh", "-c", "sleep 0.2; exit 42"])
    # Nobody asks for our child's status until all orphans are gone: it alone may be a zombie then.
    deadline = time.monotonic() + 5
    states: list[str] = []
    while time.monotonic() < deadline and (len(states) != 3 or "Z" not in states):
        time.sleep(0.1)
        states = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                states.append(path.read_text().rpartition(")")[2].split()[0])
    return {"processes": len(states), "zombies": states.count("Z"), "own": own.wait()}


def town(count: int = 3) -> list[int]:
    """Hosts with links, rules and workloads; what a lab leaves behind if it does leave something. Their pids."""
    nft, router = Nft(), Namespace.create("router")
    ports = Netlink(router)
    ports.bridge("br0", up=True)
    pids: list[int] = []
    for number in range(count):
        host = Namespace.create(f"host{number}")
        ports.veth(f"p{number}", "eth0", host, up=True, master="br0")
        Netlink(host).address("eth0", f"10.0.0.{number + 2}/24")
        nft.run(host, "table inet sg { chain input {\ntype filter hook input priority 0; policy drop;\n}\n}")
        pids.append(spawn(host, ["sleep", "600"]).pid)
    return pids


def unknown_user() -> list[str]:
    """Take the workloads' user out of /etc/passwd, and let the universe give it a name."""
    folder = universe.scratch()
    for name in ("passwd", "group"):
        kept = [line for line in Path("/etc", name).read_text().splitlines() if line.split(":")[2] != "1000"]
        (folder / name).write_text("\n".join(kept))
        (folder / name).chmod(0o644)
        libc.mount(str(folder / name), f"/etc/{name}", None, libc.MS_BIND)
    said: list[str] = []
    with Namespace.create("host") as host:
        for turn in range(2):
            process = spawn(host, ["id", "-un"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            said.append(process.communicate()[0].decode().strip())
            if turn == 0:
                universe._known_to_all()
    return said


def cycles_inside(cycles: int) -> list[list[int]]:
    """Build and let go of namespaces, links, rules and workloads in one process: [descriptors, threads, processes]."""

    def left() -> list[int]:
        return [len(os.listdir(f"/proc/self/{what}")) for what in ("fd", "task")] + [len(processes())]

    nft = Nft()
    tallies: list[list[int]] = []
    for _ in range(cycles + 1):
        router = Namespace.create("router")
        ports = Netlink(router)
        ports.bridge("br0", up=True)
        hosts = [Namespace.create(f"host{number}") for number in range(2)]
        for number, host in enumerate(hosts):
            ports.veth(f"p{number}", "eth0", host, up=True, master="br0")
            nft.replace(host, "inet sg", "chain input {\ntype filter hook input priority 0; policy drop;\n}")
        work = spawn(hosts[0], ["sleep", "60"])
        work.kill()
        work.wait()
        for ns in (*hosts, router):
            ns.close()
        tallies.append(left())
    return [tallies[0], tallies[-1]]


def many_universes(cycles: int, limit: int) -> dict[str, object]:
    """Enter and leave universes where the kernel allows but `limit` namespaces of each kind: a leak is an error."""
    for kind in ("net", "mnt", "pid", "ipc"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text(str(limit))
    Path("/proc/sys/user/max_user_namespaces").write_text(str(limit))

    def left() -> dict[str, object]:
        return {
            "fds": sorted(os.listdir("/proc/self/fd")),
            "processes": processes(),
            "mounts": Path("/proc/self/mountinfo").read_text(),
            "threads": len(os.listdir("/proc/self/task")),
        }

    before = left()
    for cycle in range(cycles):
        deadline = time.monotonic() + 10
        while True:  # the kernel takes namespaces down in the background
            try:
                universe.run("tests.lab.kernel.guests_universe:town", 1, timeout=60)
                break
            except Exception as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"cycle {cycle}") from error
                time.sleep(0.1)
    after = left()
    return {"before": before, "after": after}
