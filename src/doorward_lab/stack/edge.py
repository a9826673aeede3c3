"""The load balancer's access log as Prometheus metrics: requests by status, target group and class of path.

Lives here: reading lines, counting. Not here: nginx (`nginx`, `balancer`).
"""

from __future__ import annotations

import json
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram

_CLASSES = {
    "/login": "login", "/refresh": "refresh", "/token": "token", "/me": "session", "/admin": "session",
    "/api/report": "service", "/healthz": "health",
}  # fmt: skip
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)
ROTATE_BYTES = 8 * 2**20


def path_class(path: str) -> str:
    """The class of a path; few, so that clients cannot make labels."""
    return _CLASSES.get(path, "other")


def status_seen(status: str) -> str:
    """The status as an Application Load Balancer reports it: a client that left before the answer is 460, not 499."""
    return "460" if status == "499" else status


class Edge:
    """Counts the lines of the access log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["target_group", "class", "code"]
        self._requests = Counter("edge_requests", "Requests answered", labels, registry=registry)
        self._targets = Counter("edge_target_answers", "What targets answered", labels, registry=registry)
        self._seconds = Histogram(
            "edge_request_seconds", "From the first byte to the last", ["class"], buckets=_BUCKETS, registry=registry
        )
        self._connect = Histogram(
            "edge_connect_seconds", "To connect to a target", ["target_group"], buckets=_BUCKETS, registry=registry
        )
        self._malformed = Counter("edge_malformed_lines", "Log lines that are no JSON", registry=registry)

    def line(self, text: str) -> None:
        """Count one line."""
        try:
            entry = json.loads(text)
            kind, group, seconds = path_class(entry["path"]), entry["group"], float(entry["seconds"])
        except (ValueError, KeyError, TypeError):
            self._malformed.inc()
            return
        self._requests.labels(group, kind, status_seen(entry["status"])).inc()
        self._seconds.labels(kind).observe(seconds)
        if entry["upstream"]:
            # "-" is what nginx logs when there was no answer, or no connection.
            answered = entry["upstream_status"]
            self._targets.labels(group, kind, answered if answered.isdigit() else "none").inc()
            if entry["connect"].replace(".", "").isdigit():
                self._connect.labels(group).observe(float(entry["connect"]))


class Tail:
    """Reads what was appended to a file since the last call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    @property
    def size(self) -> int:
        """Bytes read."""
        return self._at

    def lines(self) -> list[str]:
        """The whole lines that are new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return []
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def skip(self, size: int) -> None:
        """The first `size` bytes were read before."""
        self._at = size

    def restart(self) -> None:
        """The file was moved away: the next one is read from its start."""
        self._at, self._rest = 0, b""
