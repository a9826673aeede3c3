"""The lab, measured as its users meet it: `python -m benchmarks.lab`; writes benchmarks/results/lab.json.

* `up`, `down` and memory of labs with 10, 50 and 200 interfaces (memory: of all processes, shared pages by share);
* from the start of an API call to the first packet that meets the new rule: 25 rules put, 25 taken, with real
  connections all the while;
* the outage by hand: the rule of the login service taken away and put back under load, with connections between the
  services kept alive or not; when users noticed, in milliseconds after the call.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

RESULTS = Path(__file__).parent / "results" / "lab.json"
SIZES = (10, 50, 200)
ROUNDS = 3
CALLS = 25
PROBE = """
import socket, sys, time
while True:
    began = time.time()
    s = socket.socket()
    s.settimeout(0.02)
    try:
        s.connect(("198.18.0.10", 80)); ok = 1
    except OSError:
        ok = 0
    s.close()
    print(f"{began:.6f} {ok}", flush=True)
    time.sleep(0.001)
"""


class Shell:
    """Runs `doorward-lab` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "DOORWARD_LAB_HOME": str(home), "NO_COLOR": "1"}

    def command(self, *words: str) -> list[str]:
        """The words of a command."""
        return [sys.executable, "-m", "doorward_lab", *words]

    def __call__(self, *words: str) -> str:
        """Run one; it must succeed."""
        done = subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            raise SystemExit(f"doorward-lab {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def client(self, service: str) -> Any:
        """A boto3 client of the lab."""
        card = json.loads((self.home / "lab" / "lab.json").read_text(encoding="utf-8"))
        return boto3.Session(card["access_key"], card["secret_key"], region_name=card["region"]).client(
            service, endpoint_url=card["endpoint"]
        )


@contextmanager
def lab(*words: str) -> Iterator[Shell]:
    """A lab that is up."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        shell = Shell(Path(folder) / "labs")
        shell("up", *words, "--port", "0")
        try:
            yield shell
        finally:
            shell("down")


def scene(count: int) -> str:
    """A scene with so many bare interfaces in two subnets, in groups of ten."""
    groups = {
        f"g{n}": {"ingress": [f"tcp/{8000 + n} from group:g{n}", "tcp/22 from 10.0.0.0/16"]}
        for n in range(max(1, count // 10))
    }
    hosts = {
        f"h{n}": {"subnet": f"s{n % 2}", "groups": [f"g{n % len(groups)}"], "kind": "interface"} for n in range(count)
    }
    subnets = {"s0": {"cidr": "10.0.0.0/23", "zone": "a"}, "s1": {"cidr": "10.0.2.0/23", "zone": "b"}}
    return json.dumps(
        {"version": 1, "vpcs": {"main": {"cidr": "10.0.0.0/16"}}, "subnets": subnets, "groups": groups, "hosts": hosts}
    )


def sizes() -> list[dict[str, Any]]:
    """`up` and `down` in seconds, memory in MiB, by number of interfaces; medians."""
    found = []
    for count in SIZES:
        ups, downs, memory = [], [], []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="lab-") as folder:
                path = Path(folder) / "scene.yaml"
                path.write_text(scene(count), encoding="utf-8")  # JSON is YAML
                shell = Shell(Path(folder) / "labs")
                began = time.perf_counter()
                shell("up", str(path), "--no-stack", "--port", "0")
                ups.append(time.perf_counter() - began)
                memory.append(json.loads(shell("status", "--json"))[0]["memory_mib"])
                began = time.perf_counter()
                shell("down")
                downs.append(time.perf_counter() - began)
        found.append(
            {
                "interfaces": count,
                "up_s": round(statistics.median(ups), 2),
                "down_s": round(statistics.median(downs), 2),
                "memory_mib": round(statistics.median(memory)),
            }
        )
        print(found[-1], file=sys.stderr)
    return found


def follow() -> dict[str, float]:
    """Milliseconds from the start of a call to the start of the first connection that met the new rules; medians."""
    with lab("small", "--no-stack") as shell:
        ec2 = shell.client("ec2")
        group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["web"]}])["SecurityGroups"][0]
        rule = [one for one in group["IpPermissions"] if one.get("FromPort") == 80]
        server = subprocess.Popen(
            shell.command("exec", "web", "--", "python3", "-m", "http.server", "80"),
            env=shell.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with tempfile.TemporaryFile("w+") as out:
            prober = subprocess.Popen(
                shell.command("exec", "internet", "--", "python3", "-c", PROBE), env=shell.environment, stdout=out
            )
            time.sleep(1.5)
            moments: list[tuple[bool, float, float]] = []
            for _ in range(CALLS):
                for opens in (False, True):
                    began = time.time()
                    act = ec2.authorize_security_group_ingress if opens else ec2.revoke_security_group_ingress
                    act(GroupId=group["GroupId"], IpPermissions=rule)
                    moments.append((opens, began, time.time()))
                    time.sleep(0.12)
            prober.terminate()
            prober.wait()
            server.terminate()
            server.wait()
            out.seek(0)
            seen = [(float(at), ok == "1") for at, ok in (line.split() for line in out if line.endswith("\n"))]
    waited = []
    for opens, began, _ in moments:
        first = next(at for at, ok in seen if at >= began and ok is opens)
        waited.append((first - began) * 1000)
    return {
        "calls": len(moments),
        "call_ms": round(statistics.median((ended - began) * 1000 for _, began, ended in moments), 1),
        "packet_ms": round(statistics.median(waited), 1),
        "packet_worst_ms": round(max(waited), 1),
    }


def outage(*, keep_alive: bool) -> dict[str, Any]:
    """The login service's rule for the portal taken away for 20 s and put back; in ms after the calls."""
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        from doorward_lab import scenes  # not before it is needed: boto3 and the scene language load in a second

        words = (Path(scenes.__file__).parent / "outage.yaml").read_text(encoding="utf-8")
        contracts = Path(folder) / "outage.contracts.yaml"
        contracts.write_text((Path(scenes.__file__).parent / contracts.name).read_text(encoding="utf-8"))
        path = Path(folder) / "outage.yaml"
        path.write_text(words.replace("keep-alive: true", f"keep-alive: {str(keep_alive).lower()}"), encoding="utf-8")
        with lab(str(path), "--rate", "30") as shell:
            ec2 = shell.client("ec2")
            time.sleep(8)
            groups = {
                one["GroupName"]: one
                for one in ec2.describe_security_groups(
                    Filters=[{"Name": "group-name", "Values": ["login", "portal"]}]
                )["SecurityGroups"]
            }
            mine = [
                {**one, "UserIdGroupPairs": [pair], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
                for one in groups["login"]["IpPermissions"]
                for pair in one["UserIdGroupPairs"]
                if pair["GroupId"] == groups["portal"]["GroupId"]
            ]
            before = json.loads(shell("users", "--json"))
            taken = time.time()
            ec2.revoke_security_group_ingress(GroupId=groups["login"]["GroupId"], IpPermissions=mine)
            time.sleep(20)
            during = json.loads(shell("users", "--json", "--since", str(taken)))
            back = time.time()
            ec2.authorize_security_group_ingress(GroupId=groups["login"]["GroupId"], IpPermissions=mine)
            time.sleep(20)
            after = json.loads(shell("users", "--json", "--since", str(back)))
    return {
        "keep_alive": keep_alive,
        "login_p50_before_ms": before["login_p50_ms"],
        "failed_before": before["failed"],
        "first_failing_login_ms": during["first_failing_login_ms"],
        "last_fine_login_ms": during["last_fine_login_ms"],
        "how": sorted(one for one in during["outcomes"].get("login", {}) if one.startswith("http") or one == "timeout"),
        "first_fine_login_after_ms": after["first_fine_login_ms"],
        "last_failing_login_after_ms": after["last_failing_login_ms"],
        "failed_after": after["failed"],
    }


def main() -> None:
    """Measure all of it and write it down."""
    found = {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "sizes": sizes(),
        "follow": follow(),
        "outage": [outage(keep_alive=False), outage(keep_alive=True)],
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
