"""What the command line and the daemon say to each other, over a socket in the lab's folder.

One connection is one request: a line of JSON `{"do": WORD, …}` that may carry open files (standard input, output and
error of the caller, for `exec`), answered by lines of JSON: any number of `{"progress": …}` or `{"text": …}` and at
the end one `{"done": …}` or `{"error": …}`. The daemon ends what it does for a caller when the caller goes away.
"""

from __future__ import annotations

import array
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from doorward_lab.errors import LabError, NotRunning

Message: TypeAlias = "dict[str, object]"
MOST = 1 << 20  # bytes of one request


class Caller:
    """One request, as the daemon sees it."""

    def __init__(self, connection: socket.socket, request: Message, files: list[int]) -> None:
        self._connection = connection
        self.request = request
        self.files = files

    def say(self, message: Message) -> bool:
        """Send one line; whether the caller is still there."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def gone(self) -> bool:
        """Whether the caller has gone away (it never sends more than its request)."""
        try:
            return self._connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class Answer(Protocol):
    """What the daemon does for a request; the returned value is sent as `done`."""

    def __call__(self, caller: Caller) -> object:
        """Do what the request says."""
        ...


def serve(listener: socket.socket, answer: Answer, report: Callable[[BaseException], None]) -> None:
    """Answer requests, each on a thread of its own, until the listener is closed.

    `report` gets what is no `LabError`: a fault of the lab, which the caller is told of in a line and the log in full.
    """
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_one, args=(connection, answer, report), daemon=True, name="control").start()


def _one(connection: socket.socket, answer: Answer, report: Callable[[BaseException], None]) -> None:
    files: list[int] = []
    with connection:
        try:
            request, files = _request(connection)
            caller = Caller(connection, request, files)
            try:
                caller.say({"done": answer(caller)})
            except LabError as error:
                caller.say({"error": str(error)})
            except Exception as error:  # noqa: BLE001 - the seam: whatever went wrong, the caller gets an answer
                report(error)
                caller.say(
                    {"error": f"a fault of the lab's own, {type(error).__name__}: {error}; see `doorward-lab logs`"}
                )
        except (OSError, ValueError):
            pass  # the caller went away, or was none of ours
        finally:
            for file in files:
                os.close(file)


def _request(connection: socket.socket) -> tuple[Message, list[int]]:
    data = b""
    files: list[int] = []
    while not data.endswith(b"\n"):
        part, carried, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(8 * array.array("i").itemsize))
        for level, kind, raw in carried:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(raw[: len(raw) - len(raw) % numbers.itemsize])
                files.extend(numbers)
        if not part or len(data) > MOST:
            raise ValueError("half a request")
        data += part
    request = json.loads(data)
    if not isinstance(request, dict):
        raise ValueError("a request is an object")
    return request, files


def ask(path: Path, request: Message, files: Sequence[int] = ()) -> Iterator[Message]:
    """Send a request; yields progress and text, and as the last one the message with `done`.

    Raises:
        NotRunning: nobody listens.
        LabError: what the daemon says went wrong.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError as error:
            raise NotRunning(f"the lab does not answer ({error.strerror}); see `doorward-lab status`") from error
        line = json.dumps(request).encode() + b"\n"
        carried = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        sent = connection.sendmsg([line], carried)
        if rest := line[sent:]:  # sending nothing to somebody who has answered and gone is an error too
            connection.sendall(rest)
        with connection.makefile("r", encoding="utf-8") as answers:
            for text in answers:
                message = json.loads(text)
                if "error" in message:
                    raise LabError(str(message["error"]))
                yield message
                if "done" in message:
                    return
    raise NotRunning("the lab ended before it answered; see `doorward-lab status`")
