"""Workloads: in their namespace, powerless over it, and gone with those who started them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from doorward_lab.kernel import universe

GUESTS = "tests.lab.kernel.guests_spawn:"
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture(scope="module")
def found() -> Any:
    """What a workload tried, and what came of it: [status, output] each."""
    for program in ("nft", "ip", "nsenter", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is what the workload tries its power with, and is not installed")
    return universe.run(GUESTS + "powers")


@pytest.mark.parametrize("attempt", ["flush", "list", "link", "address", "route"])
def test_no_power_over_its_network(found: Any, attempt: str) -> None:
    """Filter, links, addresses and routes: Operation not permitted; and rules and links are as before."""
    status, said = found[attempt]
    assert status != 0 and "Operation not permitted" in said
    assert [1, True] == found["kept"]


@pytest.mark.parametrize("attempt", ["sysctl", "machine"])
def test_no_power_over_settings(found: Any, attempt: str) -> None:
    """Neither its namespace's nor the machine's settings can be written, though the files' owner may seem to be it."""
    assert "Read-only file system" in found[attempt][1]


@pytest.mark.parametrize("attempt", ["remount", "uncover", "enter"])
def test_no_way_back(found: Any, attempt: str) -> None:
    """It cannot undo its restrictions, nor go to the universe's own network."""
    assert found[attempt][0] != 0


def test_it_is_an_ordinary_user(found: Any) -> None:
    """No capability, uid 1000, which has a name; and yet it binds port 80."""
    assert {"0000000000000000"} == {line.split()[1] for line in found["caps"][1].splitlines()}
    assert [0, "1000\n"] == found["id"]
    assert 0 == found["name"][0]
    assert [0, "bound\n"] == found["low_port"]


def test_privileged(found: Any) -> None:
    """A privileged program keeps power over its network."""
    assert (0, 0) == (found["privileged"], found["flushed"])


def test_starting() -> None:
    """Namespace, environment, folder, streams, descriptors and status are those asked for; failures are said."""
    found = universe.run(GUESTS + "starts")
    assert found["wanted"] == found["said"]
    assert found["no_program"].startswith("Missing: there is no program 'no-such-program'")
    assert found["no_format"].startswith("Refused: cannot run ") and "Exec format error" in found["no_format"]
    assert [] == found["fds"]  # none of ours
    assert [0, "y\n"] == found["sigpipe"]


def test_a_thread_may_end() -> None:
    """A program lives on when the thread that asked for it ends: only the process counts."""
    assert universe.run(GUESTS + "outlives_threads") is None


def test_it_dies_with_its_starter() -> None:
    """kill -9 of the process that started it ends it, powerless or privileged."""
    assert [True, True, False, False] == universe.run(GUESTS + "dies_with_its_starter")


def test_many_threads() -> None:
    """32 programs started by eight threads run where each was asked to."""
    assert [] == universe.run(GUESTS + "crowd")


@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL's server is not installed")
def test_postgresql() -> None:
    """initdb, which refuses root, makes a cluster; the server answers on its address, and ends when asked."""
    assert [0, [0, "42\n"], 0] == universe.run(GUESTS + "postgres", str(POSTGRES[-1]))
