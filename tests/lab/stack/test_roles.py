"""Starting in order, and what is said when something does not start."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import msgspec
import pytest

from doorward_lab.errors import BadScene, LabError, Missing, NotRunning
from doorward_lab.stack.dns import DnsSettings
from doorward_lab.stack.place import Local, Place, program
from doorward_lab.stack.roles import ROLES, Seat, Stack, environment
from doorward_lab.stack.wiring import Options, is_second, role_of, wire
from tests.lab.stack.harness import addresses, folder


def dns(name: str, address: str, after: tuple[str, ...] | None = None, port: int = 5353) -> Seat:
    """A name server: the quickest of services."""
    settings = DnsSettings(folder="", listen=(address,), names={}, port_dns=port)
    return Seat(name, "dns", Place(Local(), (address,)), settings, after=after)


def test_services_start_after_those_that_they_need() -> None:
    """A service is started once those before it are ready, and not before; all are stopped at the end."""
    one, two, three = addresses(3)
    said: list[tuple[str, str]] = []
    with folder() as path:
        stack = Stack(path, [dns("c", one, ("b",)), dns("b", two, ("a",)), dns("a", three)])
        stack.start(lambda name, what: said.append((name, what)))
        processes = [stack[name].popen for name in "abc"]
        stack.stop()
    assert [(n, w) for n in "abc" for w in ("starting", "ready")] == said
    assert all(process.poll() is not None for process in processes)


def test_one_that_dies_takes_all_down_and_says_why() -> None:
    """An address that is taken: the error names the service and ends with its own words; nothing is left running."""
    one, two = addresses(2)
    with folder() as path, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((two, 5353))
        stack = Stack(path, [dns("a", one), dns("b", two)])
        with pytest.raises(LabError, match=r"(?si)b ended with 1:.*address already in use"):
            stack.start(seconds=20)
        assert [] == stack.names()


def test_one_that_is_never_ready_is_named() -> None:
    """A service that waits for something that never comes is named, with what it waits for."""
    one, two = addresses(2)
    with folder() as path:
        stack = Stack(path, [dns("a", one), dns("b", two, ("c",)), dns("c", two, ("b",))])
        with pytest.raises(LabError, match="not ready after 2 s: b: waits for others; c: waits for others"):
            stack.start(seconds=2)
        assert [] == stack.names()


def test_a_restart_is_a_new_process_in_the_same_folder() -> None:
    """Restart, add and remove, one by one; a service that does not run is named as such, with those that do."""
    one, two = addresses(2)
    with folder() as path:
        stack = Stack(path, [dns("a", one)])
        try:
            stack.start()
            before = stack["a"].popen.pid
            assert before != stack.restart("a").popen.pid
            assert stack.logs("a").count("serving") == 2
            stack.add(dns("b", two))
            assert ["a", "b"] == stack.names()
            with pytest.raises(LabError, match="b runs already"):
                stack.add(dns("b", two))
            stack.remove("b")
            with pytest.raises(NotRunning, match="no service 'b' runs; running: a"):
                stack.logs("b")
        finally:
            stack.stop()


def test_wrong_settings_are_said() -> None:
    """A configuration file that is wrong ends the service with a line that names the file and the field."""
    with folder() as path:
        (path / "bad.json").write_bytes(msgspec.json.encode({"folder": ".", "names": {}, "ttl": "long"}))
        local = Local()
        command = [sys.executable, "-m", "doorward_lab.stack.dns", "--config", str(path / "bad.json")]
        with (path / "said").open("wb") as said:
            process = local(command, env=environment(path), stderr=said)
            assert 2 == process.wait(20)
        text = (path / "said").read_text()
    assert "bad.json: Expected `int`, got `str` - at `$.ttl`" in text


def test_services_see_nothing_that_leads_out() -> None:
    """Proxies and cloud credentials of the user's own shell never reach a service."""
    os.environ["HTTPS_PROXY"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "x"
    try:
        seen = environment(Path("/f"))
    finally:
        del os.environ["HTTPS_PROXY"], os.environ["AWS_SECRET_ACCESS_KEY"]
    assert not [name for name in seen if "PROXY" in name.upper() or name.startswith("AWS")]


def test_a_folder_that_is_too_deep() -> None:
    """Unix sockets have short names: a folder that is too long is refused before anything starts."""
    with folder() as path, pytest.raises(LabError, match="too long for Unix sockets"):
        ROLES["dns"].start(Place(Local()), path / ("x" * 100), dns("a", "127.0.0.1").settings)


def test_a_missing_program_is_named_with_its_package() -> None:
    """A program that is absent: its package and the command that installs it."""
    with pytest.raises(
        Missing, match=r"nothing-like-it is not installed; install the package some-package: apt install"
    ):
        program("nothing-like-it", "some-package")


@pytest.mark.parametrize(
    ("name", "role", "second"),
    [("login", "login", False), ("login-2", "login", False), ("login-b", "login", True), ("login-b-2", "login", True),
     ("database-b", "database", True), ("balancer-b", "balancer", False)],
)  # fmt: skip
def test_names_tell_roles(name: str, role: str, second: bool) -> None:
    """A seat's name tells its role, and whether it belongs to the second login stack."""
    assert (role, second) == (role_of(name), is_second(name))


def test_a_stack_that_cannot_be_wired_is_said(tmp_path: Path) -> None:
    """Unknown services, and a login service without a database, are refused in words."""
    place = Place(Local(), ("127.0.0.1",))
    with pytest.raises(BadScene, match="'mail' is no service of the stack"):
        wire(tmp_path, {"mail": place}, Options(seed="s"))
    with pytest.raises(BadScene, match="login-b has no database; expected database-b"):
        wire(tmp_path, {"login-b": place, "database": place}, Options(seed="s"))
    with pytest.raises(BadScene, match="started by its fault"):
        wire(tmp_path, {"flood": place}, Options(seed="s"))
