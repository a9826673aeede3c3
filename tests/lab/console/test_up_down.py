"""Labs come up, filter real packets, and leave nothing behind, however they end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tests.lab.console.conftest import Shell, needs_lab

pytestmark = needs_lab
KNOCK = "import socket; s=socket.socket(); s.settimeout(1); print(s.connect_ex(('198.18.0.10',80)))"
PING = (
    "import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM,socket.IPPROTO_ICMP); s.settimeout(3); "
    "s.sendto(bytes((8,0,0,0,0,0,0,1)),('203.0.113.9',0)); print(s.recv(99)[0])"
)
SEEN = (
    "import socket,sys; a=sys.argv[1]; "
    "s=socket.create_server((a,80),family=socket.AF_INET6 if ':' in a else socket.AF_INET); print(s.accept()[1][0])"
)
BARE = ("up", "small", "--port", "0", "--no-stack")


def until(done: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something becomes true within some seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def mounts() -> list[str]:
    """The mounts that this process sees."""
    return Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()


def card(lab: Shell) -> dict[str, str]:
    """How to reach the lab."""
    found: dict[str, str] = json.loads((lab.home / "lab" / "lab.json").read_text(encoding="utf-8"))
    return found


def test_rules_filter_real_packets(lab: Shell) -> None:
    """A web server answers the internet; without its rule connections time out; with the rule back it answers.

    EC2 User Guide, *Security groups*: changes apply automatically. The API call returns when they have.
    """
    lab(*BARE)
    found = card(lab)
    ec2 = boto3.client(
        "ec2", endpoint_url=found["endpoint"], region_name=found["region"],
        aws_access_key_id=found["access_key"], aws_secret_access_key=found["secret_key"],
    )  # fmt: skip
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web"]}])["SecurityGroups"][0]
    opened = [rule for rule in group["IpPermissions"] if rule.get("FromPort") == 80]
    server = subprocess.Popen(
        ["python3", "-m", "doorward_lab", "exec", "web", "--", "python3", "-m", "http.server", "80"],
        env={**lab.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        get = (
            "import socket,sys; s=socket.create_connection(('198.18.0.10',80),1.5);"
            "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.recv(15).decode())"
        )
        ask = ("exec", "internet", "--", "python3", "-c", get)
        assert until(lambda: lab(*ask, code=None).returncode == 0)
        assert "HTTP/1.0 200 OK" == lab(*ask).stdout.strip()
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=opened)
        closed = lab(*ask, code=1)
        assert "timed out" in closed.stderr
        ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=opened)
        assert "HTTP/1.0 200 OK" == lab(*ask).stdout.strip()
    finally:
        server.terminate()
        server.wait()


def test_down_leaves_nothing(lab: Shell) -> None:
    """After `down` there is no process, mount or file of the lab; a second `down` says that none ran."""
    before = mounts()
    lab(*BARE)
    assert lab.processes()
    assert "lab: ended\n" == lab("down").stdout
    assert until(lambda: not lab.processes())
    assert before == mounts()
    assert [] == list(lab.home.iterdir())
    assert "lab: did not run\n" == lab("down").stdout


@pytest.mark.parametrize("victim", ["launcher", "any"])
def test_kill_leaves_nothing(lab: Shell, victim: str) -> None:
    """kill -9 of the lab's launcher, or of any of its processes but a client's, ends all of it; `up` works again."""
    lab(*BARE)
    pid = int(card(lab)["pid"]) if victim == "launcher" else max(lab.processes())
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not lab.processes())
    assert "has died" in lab("status", "--name", "lab", code=2).stderr
    lab(*BARE)


def test_killed_while_it_is_built(lab: Shell) -> None:
    """kill -9 at random moments of `up`: nothing is left running, and the next `up` starts clean."""
    chance = random.Random(7)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "doorward_lab", *BARE],
            env=lab.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(0.3, 3.0))
        held = lab.home / "lab" / "pid"
        if held.exists() and (text := held.read_text(encoding="ascii")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(text), signal.SIGKILL)
        process.kill()
        process.wait()
        assert until(lambda: not lab.processes())
    lab(*BARE)


def test_occupied(lab: Shell) -> None:
    """A taken port and a taken name are told in a line, with what to do, and leave nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:  # the network alone needs no other port
        port = taken.getsockname()[1]
        told = lab("up", "small", "--no-stack", "--port", str(port), code=2).stderr
    assert f"port {port} on 127.0.0.1 cannot be used for the API" in told
    assert "--port 0" in told
    assert [] == list(lab.home.iterdir())
    lab(*BARE)
    assert "a lab named 'lab' runs already" in lab(*BARE, code=2).stderr
    assert lab.processes()


def test_two_labs_side_by_side(lab: Shell) -> None:
    """Labs of different names do not see each other; `down` ends one alone."""
    lab(*BARE, "--name", "one")
    lab(*BARE, "--name", "two")
    lab("down", "--name", "one")
    assert ["two"] == [one["name"] for one in json.loads(lab("status", "--json").stdout)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "no-such-scene"), "neither a scene"),
        (("up", "--name", "A/B"), "no name for a lab"),
        (("up", "small", "--region", "nowhere"), "is no AWS region"),
        (("up", "small", "--event-delay", "3", "1"), "expected the least seconds first"),
        (("up", "small", "--second-login"), "has no second login stack"),
        (("down", "one", "--name", "two"), "which of the two"),
        (("exec", "web", "--", "true"), "no lab named 'lab' runs"),
        (("fault", "dns"), "no lab named 'lab' runs"),
    ],
)
def test_mistakes(lab: Shell, words: tuple[str, ...], told: str) -> None:
    """A mistake is one clear line on standard error and exit status 2; nothing is left."""
    done = lab(*words, code=2)
    assert told in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert not lab.processes()


def test_exec(lab: Shell) -> None:
    """`exec` passes input, output and exit status; its programs have no power over the filter that they are behind."""
    lab(*BARE)
    assert 7 == lab("exec", "web", "--", "sh", "-c", "exit 7", code=7).returncode
    assert "10.0.1.10" in lab("exec", "web", "--", "ip", "-brief", "address").stdout
    assert "ermitted" in lab("exec", "web", "--", "nft", "flush", "ruleset", code=1).stderr
    assert "no host 'nobody'; there are: internet, db, web" in lab("exec", "nobody", "--", "true", code=2).stderr
    assert "there is no program" in lab("exec", "web", "--", "no-such-program", code=127).stderr
    assert "cannot be run" in lab("exec", "web", "--", "/etc/passwd", code=126).stderr
    assert "options go before it" in lab("exec", "web", "--client", "192.0.2.7", "--", "true", code=2).stderr
    # Names: of this machine none, at once; no server is asked.
    assert "nameserver" not in lab("exec", "web", "--", "cat", "/etc/resolv.conf").stdout
    lookup = (
        "import socket,time; s=time.time()\ntry: socket.getaddrinfo('example.com',80)\nexcept OSError: pass\nelse: 1/0"
    )
    lab("exec", "internet", "--", "python3", "-c", lookup + "\nassert time.time()-s<2")
    # ping(8) needs no power: it reaches itself (RFC 792: echo is type 8, its reply type 0).
    assert "0\n" == lab("exec", "internet", "--", "python3", "-c", PING).stdout
    # Filters, as the lab sees them: what was let in is counted.
    lab("exec", "--client", "192.0.2.7", "internet", "--", "python3", "-c", KNOCK)
    found = json.loads(lab("rules", "web", "--json").stdout)
    counts = {one["text"]: one["packets"] for one in found["rules"] if one["direction"] == "ingress"}
    assert 1 == counts["tcp/80 from 0.0.0.0/0"], counts
    assert "table inet sg" in found["nft"]
    assert "no host 'nobody'" in lab("rules", "nobody", code=2).stderr
    assert "there are: lab" in lab("logs", "nonsense", code=2).stderr
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "doorward_lab", "status"], env=lab.environment, stdout=full,
            stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (1, "doorward-lab: [Errno 28] No space left on device\n") == (done.returncode, done.stderr)
    assert "lab: ended\n" == lab("down", "lab").stdout


def test_client(lab: Shell) -> None:
    """`exec --client` gives a program an address of its choice: it is what the other side sees, in both families.
    Addresses that no client can have are refused, and so is the option for hosts of the cloud."""
    lab(*BARE)
    for address, target in (("192.0.2.7", "203.0.113.9"), ("2001:db8::7", "2001:db8:9::9")):
        server = subprocess.Popen(
            [sys.executable, "-m", "doorward_lab", "exec", "internet", "--", "python3", "-c", SEEN, target],
            env=lab.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        ask = f"import socket; print(socket.create_connection(({target!r},80),2).getsockname()[0])"
        command = ("exec", "--client", address, "internet", "--", "python3", "-c", ask)
        assert until(lambda command=command: lab(*command, code=None).returncode == 0)  # type: ignore[misc]
        assert f"{address}\n" == server.communicate(timeout=10)[0]
    for wrong in ("nonsense", "10.0.0.1", "198.18.0.10", "203.0.113.1"):
        assert f"--client {wrong}: " in lab("exec", "--client", wrong, "internet", "--", "true", code=2).stderr
    assert "has its own" in lab("exec", "--client", "192.0.2.7", "web", "--", "true", code=2).stderr


def test_interrupted(lab: Shell) -> None:
    """Ctrl-C while a lab is built: one line, exit status 130, and nothing is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "doorward_lab", "up", "outage", "--port", "0"],
        env=lab.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "the API …\n" == process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=20)
    assert (130, "", "stopped; nothing is left") == (process.returncode, out, told.splitlines()[-1])
    assert until(lambda: not lab.processes())
    assert [] == list(lab.home.iterdir())


@pytest.mark.nightly
def test_fifty_cycles(lab: Shell) -> None:
    """After 50 times up and down there is no process, mount, file or namespace more than before."""
    before = mounts()
    for _ in range(50):
        lab(*BARE)
        lab("down")
    assert until(lambda: not lab.processes())
    assert before == mounts()
    assert [] == list(lab.home.iterdir())
