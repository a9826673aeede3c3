"""The folder of a lab on the host: claimed once, cleaned after a death, removed in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from doorward_lab.console.rundir import Card, RunDir, all_labs, home
from doorward_lab.errors import BadScene, NotRunning, Occupied, Refused

CARD = Card("lab", 1, "small", "http://127.0.0.1:1", "eu-west-1", "key", "secret", None, None, None)
HOLDER = """
import sys, time
from doorward_lab.console.rundir import RunDir
lock = RunDir("lab").claim()
RunDir("lab").held_by(__import__("os").getpid())
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a home for labs of its own."""
    monkeypatch.setenv("DOORWARD_LAB_HOME", str(tmp_path / "labs"))
    return tmp_path / "labs"


def holder() -> subprocess.Popen[str]:
    """Another process that holds the lab's folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_claimed_once() -> None:
    """A folder that is held cannot be claimed again; the message says how to go on."""
    lock = RunDir("lab").claim()
    with pytest.raises(Occupied, match="down --name lab"):
        RunDir("lab").claim()
    os.close(lock)
    os.close(RunDir("lab").claim())


def test_what_a_killed_lab_left_is_cleaned() -> None:
    """After kill -9 of the holder the folder can be claimed, and nothing that lay in it is left."""
    process = holder()
    RunDir("lab").publish(CARD)
    (RunDir("lab").path / "data").mkdir()
    assert RunDir("lab").alive()
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock = RunDir("lab").claim()
    assert ["lock"] == [path.name for path in RunDir("lab").path.iterdir()]
    os.close(lock)


def test_card_of_the_dead_is_not_handed_out() -> None:
    """Who asks for a dead lab is told that it has died, and where its log is; that is kept until the next one is made,
    and nothing else is."""
    lock = RunDir("lab").claim()
    RunDir("lab").publish(CARD)
    RunDir("lab").log.write_text("what happened")
    assert CARD == RunDir("lab").card()
    os.close(lock)
    for _ in range(2):
        with pytest.raises(NotRunning, match=rf"has died.* log is kept until then: {RunDir('lab').log}"):
            RunDir("lab").card()
    assert {"lab.log", "lock"} == {path.name for path in RunDir("lab").path.iterdir()}
    os.close(RunDir("lab").claim())
    assert not RunDir("lab").log.exists()
    assert not RunDir("lab").end(patience=5)
    assert [] == all_labs()
    with pytest.raises(NotRunning, match="doorward-lab up"):
        RunDir("lab").card()


def test_starting_lab_has_no_card_yet() -> None:
    """Between claim and readiness the answer is that it is still starting."""
    lock = RunDir("lab").claim()
    with pytest.raises(NotRunning, match="still starting"):
        RunDir("lab").card()
    os.close(lock)


def test_end_ends_the_holder_and_removes_the_folder(own_home: Path) -> None:
    """`end` ends the process that holds the folder; a second time there is nothing to end."""
    process = holder()
    assert RunDir("lab").end(patience=5)
    assert -signal.SIGTERM == process.wait()
    assert [] == list(own_home.iterdir())
    assert not RunDir("lab").end(patience=5)


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "A", "x" * 33, "é"])
def test_names_that_are_none(name: str) -> None:
    """A name that could leave the folder, or that no host could bear, is refused."""
    with pytest.raises(BadScene, match="no name for a lab"):
        RunDir(name)


def test_home_that_others_can_write_to_is_refused(own_home: Path) -> None:
    """A folder in which somebody else could put a control socket is not trusted."""
    own_home.mkdir()
    own_home.chmod(0o777)
    with pytest.raises(Refused, match="only you can write"):
        home()


def test_home_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A path that no socket can have is refused at once, with what to do."""
    monkeypatch.setenv("DOORWARD_LAB_HOME", str(tmp_path / ("x" * 100)))
    with pytest.raises(Refused, match="shorter path"):
        RunDir("lab")
