"""Functions that tests of processes and pumps run inside of a universe."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from doorward_lab.errors import LabError
from doorward_lab.kernel import universe
from doorward_lab.kernel.netlink import Netlink
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft
from doorward_lab.kernel.pump import Pump, listen
from doorward_lab.kernel.spawn import spawn


def _run(ns: Namespace, *argv: str, privileged: bool = False) -> list[object]:
    process = spawn(ns, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, privileged=privileged)
    output, _ = process.communicate(timeout=30)
    return [process.returncode, output.decode()]


def _host(address: str = "10.0.0.1/24") -> Namespace:
    host = Namespace.create("host")
    link = Netlink(host)
    link.bridge("eth0", up=True)
    link.address("eth0", address)
    Nft().replace(host, "inet sg", "chain input {\ntype filter hook input priority 0; policy accept;\n}")
    return host


def powers() -> dict[str, object]:
    """What a workload may, and what a privileged one may."""
    host = _host()
    attempts = {
        "flush": ["nft", "flush", "ruleset"],
        "list": ["nft", "list", "ruleset"],
        "link": ["ip", "link", "set", "eth0", "down"],
        "address": ["ip", "address", "add", "10.9.9.9/32", "dev", "eth0"],
        "route": ["ip", "route", "add", "blackhole", "10.8.0.0/16"],
        "sysctl": ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
        "machine": ["sh", "-c", "echo x > /proc/sys/kernel/domainname"],
        "remount": ["mount", "-o", "remount,rw", "/proc/sys"],
        "uncover": ["umount", "/proc/sys"],
        "enter": ["nsenter", f"--net=/proc/{os.getpid()}/ns/net", "true"],
        "caps": ["sh", "-c", "grep -E 'Cap(Prm|Eff|Amb)' /proc/self/status"],
        "id": ["id", "-u"],
        "name": ["id", "-un"],
        "low_port": [sys.executable, "-c", "import socket; socket.create_server(('10.0.0.1', 80)); print('bound')"],
    }
    found: dict[str, object] = {name: _run(host, *argv) for name, argv in attempts.items()}
    found["kept"] = [len(Nft().run_json(host, [{"list": {"chains": None}}])), Netlink(host).links()["eth0"].up]
    found["privileged"] = _run(host, "nft", "flush", "ruleset", privileged=True)[0]
    found["flushed"] = len(Nft().run_json(host, [{"list": {"chains": None}}]))
    return found


def starts() -> dict[str, object]:
    """Where a program runs, with which environment, folder, streams and descriptors; what is refused."""
    host, folder = _host(), universe.scratch()
    here, there = os.pipe()
    script = 'readlink /proc/self/ns/net; pwd; echo "$WORD"; cat; echo err >&2; echo "to $FD" > /dev/fd/"$FD"; exit 3'
    process = spawn(
        host,
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], "WORD": "two words", "FD": str(there)},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[there],
    )
    os.close(there)
    out, err = process.communicate(b"from here\n", timeout=10)
    said = [out.decode().splitlines(), err.decode(), os.read(here, 100).decode(), process.returncode]
    odd = folder / "odd"
    odd.write_bytes(b"\0\1\2 no program")
    odd.chmod(0o755)

    def refused(*argv: str) -> str:
        try:
            spawn(host, argv)
        except LabError as error:
            return f"{type(error).__name__}: {error}"
        return ""

    return {
        "said": said,
        "wanted": [[f"net:[{host.inode}]", str(folder), "two words", "from here"], "err\n", f"to {there}\n", 3],
        "no_program": refused("no-such-program"),
        "no_format": refused(str(odd)),
        "fds": sorted(int(fd) for fd in str(_run(host, "sh", "-c", "ls /proc/self/fd")[1]).split() if int(fd) > 3),
        "sigpipe": _run(host, "sh", "-c", "yes | head -1"),
    }


def outlives_threads() -> int | None:
    """A thread starts a program and ends; whether the program has ended (None: it runs)."""
    host = _host()
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: started.append(spawn(host, ["sleep", "60"])))
    thread.start()
    thread.join()
    time.sleep(0.3)
    status = started[0].poll()
    started[0].kill()
    started[0].wait()
    return status


def dies_with_its_starter() -> list[bool]:
    """A process that is neither init nor application starts workloads and is killed; are they there, before, after."""
    script = """
import os, sys, time
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.spawn import spawn
host = Namespace.create("host")
print(spawn(host, ["sleep", "60"]).pid, spawn(host, ["sleep", "60"], privileged=True).pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(word) for word in starter.stdout.readline().split()]
        before = [Path(f"/proc/{pid}").exists() for pid in pids]
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return before + [Path(f"/proc/{pid}").exists() for pid in pids]


def crowd() -> list[str]:
    """Eight threads start four programs each in eight namespaces; which of them did not run in its own."""
    hosts = [Namespace.create(f"n{number}") for number in range(8)]
    wrong: list[str] = []

    def work(host: Namespace) -> None:
        for _ in range(4):
            status, said = _run(host, "readlink", "/proc/self/ns/net")
            if (status, said) != (0, f"net:[{host.inode}]\n"):
                wrong.append(f"{status} {said}")

    threads = [threading.Thread(target=work, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def postgres(programs: str) -> list[object]:
    """initdb, a server, a query, as a workload."""
    host, folder = _host(), universe.scratch()
    data = folder / "data"
    made = _run(host, f"{programs}/initdb", "-D", str(data), "-A", "trust", "-U", "lab", "--no-sync")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.0.0.0/24 trust\n")
    options = f"-c listen_addresses=10.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    server = spawn(host, [f"{programs}/postgres", "-D", str(data), *options.split()], stderr=subprocess.DEVNULL)
    answer: list[object] = []
    for _ in range(100):
        answer = _run(host, f"{programs}/psql", "-h", "10.0.0.1", "-U", "lab", "-d", "postgres", "-Atc", "select 6 * 7")
        if answer[0] == 0:
            break
        time.sleep(0.1)
    server.send_signal(signal.SIGINT)
    return [made[0], answer, server.wait(20)]


# -- pumps


def pumps() -> dict[str, object]:
    """A listener here, a server in another namespace, and what passes between."""
    host = _host("2001:db8::7/64")
    Netlink(host).address("eth0", "10.0.0.7/24")
    found: dict[str, object] = {}

    def serve(server: socket.socket) -> None:
        """Answer with the length of all that came, once the caller has ended its side."""
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            with near:
                total = 0
                while data := near.recv(1 << 16):
                    total += len(data)
                near.sendall(str(total).encode() + b"." * 300_000)

    def ask(port: int, size: int) -> tuple[int, int]:
        with socket.create_connection(("127.0.0.1", port), 5) as near:
            near.sendall(b"x" * size)
            near.shutdown(socket.SHUT_WR)
            answer = b""
            while data := near.recv(1 << 16):
                answer += data
        return int(answer.split(b".")[0]), len(answer)

    for name, address in (("ipv4", "10.0.0.7"), ("ipv6", "2001:db8::7")):
        server = listen((address, 9090), host)
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        listener = listen(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        with Pump(listener, host, (address, 9090)):
            found[name] = ask(port, 1_000_000)
            answers: list[tuple[int, int]] = []
            threads = [threading.Thread(target=lambda: answers.append(ask(port, 5000))) for _ in range(40)]  # noqa: B023
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found[f"{name}_crowd"] = len([one for one in answers if one == (5000, 300_004)])
            began = time.perf_counter()
            for _ in range(50):
                ask(port, 1)
            found[f"{name}_ms"] = (time.perf_counter() - began) * 1000 / 50
        found[f"{name}_closed"] = _refused(port)
        server.close()
    nowhere = listen(("127.0.0.1", 0))
    with Pump(nowhere, host, ("10.0.0.7", 1)), socket.create_connection(nowhere.getsockname(), 5) as near:
        found["nobody"] = near.recv(10).decode()
    standing = listen(("10.0.0.7", 9091), host)
    pump = Pump(listen(("127.0.0.1", 0)), host, ("10.0.0.7", 9091))
    with socket.create_connection(pump.listener.getsockname(), 5) as near:
        far, _ = standing.accept()
        pump.close()
        found["ended_both"] = [near.recv(10).decode(), far.recv(10).decode()]
        far.close()
    return found


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def listeners() -> dict[str, str]:
    """A socket that listens in one namespace, served from another; ports taken, addresses not there."""
    host = _host()
    found: dict[str, str] = {}
    server = listen(("10.0.0.1", 80), host)
    # Given to a process that runs elsewhere: the socket stays where it was made.
    other = Namespace.create("other")
    script = (
        f"import socket; near, _ = socket.socket(fileno={server.fileno()}).accept(); near.sendall(b'from elsewhere')"
    )
    process = spawn(other, [sys.executable, "-c", script], pass_fds=[server.fileno()])
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as asked:
        asked.connect(("10.0.0.1", 80))
        found["answer"] = asked.recv(100).decode()
    process.wait(10)
    for name, address in (("taken", ("10.0.0.1", 80)), ("absent", ("10.0.0.99", 80))):
        try:
            listen(address, host)
        except LabError as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found
