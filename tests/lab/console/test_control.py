"""Requests and answers over the control socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from doorward_lab.console import control
from doorward_lab.errors import BadScene, LabError, NotRunning


def answer(caller: control.Caller) -> object:
    """A daemon that can do four things."""
    word = caller.request["do"]
    if word == "count":
        for number in range(3):
            caller.say({"progress": number})
        return {"counted": 3}
    if word == "write":
        os.write(caller.files[1], b"written by the daemon")
        return {"files": len(caller.files)}
    if word == "bad":
        raise BadScene("line 3: no such thing")
    raise ZeroDivisionError("oops")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tuple[Path, list[BaseException]]]:
    """A served control socket, and what it reported."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "control"))
    listener.listen()
    faults: list[BaseException] = []
    threading.Thread(target=control.serve, args=(listener, answer, faults.append), daemon=True).start()
    yield tmp_path / "control", faults
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_progress_comes_before_the_answer(daemon: tuple[Path, list[BaseException]]) -> None:
    """Progress lines arrive in order, then the answer, then nothing."""
    found = list(control.ask(daemon[0], {"do": "count"}))
    assert [{"progress": 0}, {"progress": 1}, {"progress": 2}, {"done": {"counted": 3}}] == found


def test_files_cross(daemon: tuple[Path, list[BaseException]]) -> None:
    """The daemon writes to the caller's own descriptors."""
    reading, writing = os.pipe()
    found = list(control.ask(daemon[0], {"do": "write"}, files=(0, writing, 2)))
    os.close(writing)
    assert b"written by the daemon" == os.read(reading, 100)
    assert [{"done": {"files": 3}}] == found
    os.close(reading)


def test_what_went_wrong_is_told(daemon: tuple[Path, list[BaseException]]) -> None:
    """A mistake of the caller comes back as its message; a fault of the lab's own is also reported in full."""
    with pytest.raises(LabError, match="line 3: no such thing"):
        list(control.ask(daemon[0], {"do": "bad"}))
    assert [] == daemon[1]
    with pytest.raises(LabError, match=r"a fault of the lab's own, ZeroDivisionError: oops"):
        list(control.ask(daemon[0], {"do": "else"}))
    assert [ZeroDivisionError] == [type(one) for one in daemon[1]]


def test_garbage_does_not_end_the_daemon(daemon: tuple[Path, list[BaseException]]) -> None:
    """Half a request, no JSON, or JSON that is no object: the connection is closed and the next one is served."""
    for garbage in (b"", b"{", b"nonsense\n", b"[1]\n"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(daemon[0]))
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            assert b"" == connection.recv(100)
    assert [{"done": {"counted": 3}}] == list(control.ask(daemon[0], {"do": "count"}))[-1:]


def test_nobody_listens(tmp_path: Path) -> None:
    """Without a daemon the message says where to look."""
    with pytest.raises(NotRunning, match="doorward-lab status"):
        list(control.ask(tmp_path / "control", {"do": "count"}))
