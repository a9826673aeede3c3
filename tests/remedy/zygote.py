"""Workers that can be killed at any point of a revert: a process that has imported everything forks one for each order.

Reads one order (JSON) a line from standard input, answers with one line: how the worker ended. An order names the
databases, the cloud, the revert, and the point at which the worker kills itself with SIGKILL; points are counted
before and after every durable step, every write to the store, and every call of the API.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from doorward.model.change import Place
from doorward.model.revert import Revert, dump, load
from doorward.remedy import perform as workflows
from doorward.remedy.course import Steps
from doorward.remedy.states import FileStates


class Points:
    """Counts the points that a worker passes, and ends it at one of them as kill -9 would."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.passed: list[str] = []

    def __call__(self, name: str) -> None:
        """Pass a point."""
        if len(self.passed) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed.append(name)


class Store(FileStates):
    """A store with points around every write."""

    def __init__(self, path: str, point: Points) -> None:
        super().__init__(path)
        self.point = point

    def put(self, revert: Revert) -> None:
        """Keep it."""
        self.point("before put")
        super().put(revert)
        self.point("after put")


CLIENTS: dict[str, Any] = {}
"""boto3's clients, made once: they have no connection open when a worker is forked."""


def make_clients(endpoint: str) -> None:
    """Make the clients of a cloud."""
    for service in ("ec2", "elbv2"):
        CLIENTS[service] = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=endpoint,
            config=Config(retries={"total_max_attempts": 1}, user_agent_extra="doorward-remedy"),
        )


class Clouds:
    """Clients with points around every call."""

    def __init__(self, point: Points) -> None:
        for client in CLIENTS.values():
            client.meta.events.register("before-send", lambda request, **_: point(f"before {_word(request)}"))
            client.meta.events.register("after-call", lambda model, **_: point(f"after {model.name}"))

    def client(self, service: str, place: Place, revert: str) -> Any:
        """A client."""
        return CLIENTS[service]


def work(order: dict[str, Any]) -> dict[str, Any]:
    """One worker's life: start (or resume) the revert and wait for its end."""
    point = Points(order["kill"])
    durable = workflows._durable

    def watched(name: str, function: Callable[..., dict[str, Any]], *arguments: object) -> dict[str, Any]:
        def inner(*more: object) -> dict[str, Any]:
            point(f"before the work of {name}")
            found = function(*more)
            point(f"after the work of {name}, before it is kept")
            return found

        inner.__qualname__ = function.__qualname__
        found = durable(name, inner, *arguments)
        point(f"after {name} is kept")
        return found

    workflows._durable = watched
    steps = Steps(Clouds(point), Store(order["states"], point), settle=(0.01, 0.05), attempts=3, pause=0.01)
    remedy = workflows.Remedy(steps)
    workflows.launch(order["url"], executor="worker", more={"notification_listener_polling_interval_sec": 0.05})
    revert = load(order["revert"])
    point("before it is started")
    remedy.start(revert)
    ended = remedy.wait(revert.id, every=0.05)
    return {"ended": dump(ended), "points": point.passed}


def _word(request: Any) -> str:
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    words = dict(part.split("=", 1) for part in body.split("&") if "=" in part)
    return words.get("Action", "?") + (" (dry run)" if "DryRun" in words else "")


def main() -> None:
    """Serve orders until standard input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        if not CLIENTS:
            make_clients(order["endpoint"])
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            answer = json.dumps(work(order)).encode()
            while answer:
                answer = answer[os.write(write, answer) :]
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            said = stream.read()
        _, status = os.waitpid(child, 0)
        print(
            json.dumps({"status": os.waitstatus_to_exitcode(status), "said": json.loads(said or b"null")}), flush=True
        )


if __name__ == "__main__":
    main()
