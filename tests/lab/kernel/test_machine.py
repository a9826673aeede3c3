"""What a machine lacks is said in one line that names the setting, package or feature, and what to do."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doorward_lab.kernel import machine

ROOT = Path(__file__).resolve().parents[3]


def _proc(folder: Path, *, capabilities: str = "0", settings: dict[str, str] | None = None, users: bool = True) -> Path:
    """A /proc as another machine would show it."""
    (folder / "self/ns").mkdir(parents=True)
    (folder / "self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities}\n")
    if users:
        (folder / "self/ns/user").touch()
    for name, value in (settings or {}).items():
        path = folder / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return folder


def _refused(code: int = errno.EPERM) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces="),
    ],
)
def test_forbidding_settings(tmp_path: Path, setting: str, value: str, remedy: str) -> None:
    """The sysctl that forbids user namespaces is named (Ubuntu's AppArmor, Debian's, the kernel's), with the remedy.

    Ubuntu: "Restricted unprivileged user namespaces are coming to Ubuntu 23.10" (ubuntu.com/blog).
    """
    # After the refusal every capability may seem to be there: AppArmor takes their use, not their bits.
    proc = _proc(tmp_path, capabilities="000001ffffffffff", settings={setting: value})
    said = machine.why_no_universe(_refused(), power=False, proc=proc)
    assert f"{setting.replace('/', '.')}={value}" in said and remedy in said and "as root" in said
    assert "\n" not in said


def test_settings_that_allow_are_not_blamed(tmp_path: Path) -> None:
    """A setting that allows is not named; what is left is a container's profile."""
    allowing = {
        "kernel/apparmor_restrict_unprivileged_userns": "0",
        "kernel/unprivileged_userns_clone": "1",
        "user/max_user_namespaces": "15000",
    }
    said = machine.why_no_universe(_refused(), power=False, proc=_proc(tmp_path, settings=allowing))
    assert "sysctl" not in said and "container" in said


def test_a_kernel_without_user_namespaces(tmp_path: Path) -> None:
    """The kernel's missing option is named."""
    assert "CONFIG_USER_NS" in machine.why_no_universe(_refused(), power=False, proc=_proc(tmp_path, users=False))


def test_a_limit_that_is_reached(tmp_path: Path) -> None:
    """ENOSPC means the limit of namespaces, whoever asks."""
    assert "user.max_" in machine.why_no_universe(_refused(errno.ENOSPC), power=True, proc=_proc(tmp_path))


def test_root_in_a_container(tmp_path: Path) -> None:
    """Refused with all power: a container's profile."""
    said = machine.why_no_universe(_refused(), power=True, proc=_proc(tmp_path))
    assert "CAP_SYS_ADMIN" in said and "container" in said


@pytest.mark.parametrize(
    ("capabilities", "power"),
    [("000001ffffffffff", True), ("00000000a80425fb", False), ("0000000000201000", True), ("0", False)],
)
def test_power(tmp_path: Path, capabilities: str, power: bool) -> None:
    """Power is CAP_SYS_ADMIN with CAP_NET_ADMIN, not uid 0: root in a container (Docker's default set) has neither."""
    assert power == machine.has_power(_proc(tmp_path, capabilities=capabilities))


def test_other_systems() -> None:
    """Elsewhere than on Linux, that is the one line."""
    (line,) = machine.lacking("libnftables.so.1", "darwin")
    assert "Linux only" in line and "darwin" in line


def test_no_nftables() -> None:
    """Without the library, its package is named."""
    (line,) = machine.lacking("libnftables-that-is-not-here.so.1", "linux")
    assert "apt install nftables" in line


LIMITED = """
import os
from pathlib import Path
from doorward_lab.kernel import libc
uid, gid = os.geteuid(), os.getegid()
libc.unshare(libc.CLONE_NEWUSER)  # whose limits can be set without touching the machine's
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
Path("/proc/sys/user/max_net_namespaces").write_text("0")
from doorward_lab.kernel import universe
print(*universe.check(), sep="\\n")
"""


@pytest.mark.usefixtures("kernel")
def test_check_where_no_namespace_may_be_made() -> None:
    """For real: with user.max_net_namespaces=0, `check` has one line that names the limit."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, env=environment)
    (line,) = done.stdout.splitlines()
    assert line.startswith("too many namespaces") and "user.max_" in line


ROOTLESS = """
import json, os
from doorward_lab.errors import LabError
from doorward_lab.kernel import universe
from doorward_lab.kernel.netns import Namespace
assert os.geteuid() != 0
found = {"check": universe.check()}
try:
    Namespace.create("outside")
except LabError as error:
    found["outside"] = str(error)
found["inside"] = universe.run("tests.lab.kernel.guests_universe:namespaces")
found["processes"] = universe.run("tests.lab.kernel.guests_universe:processes")
found["swaps"] = universe.run("tests.lab.kernel.guests_nft:swaps", 1.0, True)
found["powers"] = universe.run("tests.lab.kernel.guests_spawn:powers")
found["links"] = universe.run("tests.lab.kernel.guests_net:links_by_two_ways")["after"]
found["fresh"] = universe.run("tests.lab.kernel.guests_net:fresh")
found["probes"] = universe.run("tests.lab.kernel.guests_net:answers_to_all", 500)
found["pumps"] = universe.run("tests.lab.kernel.guests_spawn:pumps")
found["built"] = universe.run("benchmarks.lab_build:build", 50)["built"]
print(json.dumps(found))
"""


@pytest.fixture
def python_of_nobody() -> str:
    """A Python that the user nobody can run, of at least our version."""
    if os.geteuid() != 0:
        pytest.skip("this run is rootless already: every test shows it")
    if shutil.which("su") is None:
        pytest.skip("su(1) is not here to become another user with")
    for name in (sys.executable, "/usr/bin/python3"):
        question = (
            f"test -r {ROOT}/src/doorward_lab/errors.py && {name} -c 'import sys; print(sys.version_info >= (3, 11))'"
        )
        asked = subprocess.run(["su", "-s", "/bin/sh", "nobody", "-c", question], capture_output=True, text=True)
        if asked.stdout.strip() == "True":
            return name
    pytest.skip("the user nobody can run no Python of version 3.11 here, or not read the sources")


@pytest.mark.usefixtures("kernel")
def test_ordinary_users(python_of_nobody: str) -> None:
    """The user nobody gets all of it: privacy, filters that lose nothing, powerless workloads, links, pumps."""
    command = f"cd / && PYTHONPATH={ROOT}/src:{ROOT} exec {python_of_nobody} -"
    done = subprocess.run(
        ["su", "-s", "/bin/sh", "nobody", "-c", command], input=ROOTLESS, capture_output=True, text=True, timeout=240
    )
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert [] == found["check"]
    assert "need root or a universe" in found["outside"]
    assert os.readlink("/proc/self/ns/user") != found["inside"]["user"]
    assert ["doorward-init", "doorward-lab"] == found["processes"]
    assert 0 == found["swaps"]["lost"] and found["swaps"]["connections"] > 100
    for attempt in ("flush", "link", "route"):
        assert "Operation not permitted" in found["powers"][attempt][1]
    assert "Read-only file system" in found["powers"]["sysctl"][1]
    assert [0, "bound\n"] == found["powers"]["low_port"]
    assert ["10.7.0.0/16 unreachable"] == found["links"]["t1000"]
    assert "0" == found["fresh"]["ipv4/icmp_ratemask"]
    assert {"10.0.0.2": 500, "2001:db8::2": 500} == found["probes"]
    assert 40 == found["pumps"]["ipv4_crowd"]
    assert found["built"] < 10
