"""The other end of a service's admin endpoint: plain calls over its Unix socket, from any thread or namespace."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from doorward_lab.errors import LabError, NotRunning
from doorward_lab.stack.service import ADMIN_SOCKET


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def request(folder: Path, method: str, path: str, body: object = None, *, seconds: float = 10.0) -> tuple[int, bytes]:
    """One call to the service that lives in `folder`; its status and body.

    Raises `NotRunning` when nobody answers within `seconds`.
    """
    connection = _Connection(folder / ADMIN_SOCKET, seconds)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(
            f"{folder.name}: its admin endpoint does not answer ({error}); see {folder / 'log'}"
        ) from error
    finally:
        connection.close()


def call(folder: Path, method: str, path: str, body: object = None, *, seconds: float = 10.0) -> Any:
    """As `request`, the JSON body of a success. Raises `LabError` with the service's words when it refuses."""
    status, answer = request(folder, method, path, body, seconds=seconds)
    if status >= 300:
        raise LabError(f"{folder.name}: {method} {path} answered {status}: {answer.decode(errors='replace')}")
    return json.loads(answer or b"null")
