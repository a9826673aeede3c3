"""A lab for tests of faults: a scene in a real cloud, and a stack whose knobs are remembered instead of turned."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doorward_lab.errors import LabError, NotRunning
from doorward_lab.scenes import Built, Clients, Connect

HEALTHY: dict[str, dict[str, Any]] = {
    "database": {"slow": 0.0, "locked": False, "exhausted": False, "stopped": False},
    "login": {"signing": "right", "clock_offset": 0.0, "cpu_burn": 0.0},
    "portal": {"second": False, "clock_offset": 0.0},
    "dns": {"fault": "none", "only": [], "wrong_address": "192.0.2.254"},
    "balancer": {"certificate": "", "key": ""},
}
"""The knobs of `doorward_lab.stack`, healthy."""
SERVICES = {
    "balancer-1": "", "portal": "portal-1", "login-1": "login-1", "login-2": "login-2", "login-b": "login-b",
    "database": "auth-db", "database-b": "auth-db-b", "dns": "dns", "monitor": "monitor", "users": "",
}  # fmt: skip


@dataclass
class Bench:
    """Implements `doorward_lab.faults.Lab`. Faults of services are real as far as the calls that they make."""

    built: Built
    clients: Clients
    stack: bool = True
    knobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployed: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: dict[str, dict[str, Any]] = field(default_factory=dict)
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    sessions: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.stack:
            known = {name: HEALTHY.get(name.split("-")[0]) for name in SERVICES}
            self.knobs = {name: dict(knobs) for name, knobs in known.items() if knobs is not None}

    def connect(self, service: str) -> Any:
        return self.clients(service)

    def principal(self, role: str, session: str) -> Connect:
        self.sessions.append((role, session))
        return self.clients.assume(role, session)

    def run(self, host: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.ran.append((host, tuple(argv)))
        return subprocess.CompletedProcess(list(argv), 0, "ESTAB 0 0 10.0.0.1:1 10.0.0.2:2\n", "")

    def services(self) -> Mapping[str, str]:
        return SERVICES if self.stack else {}

    def call(self, service: str, method: str, path: str, body: object = None) -> Any:
        if service not in self.services():
            raise NotRunning(f"no service {service!r} runs")
        if path == "/knobs":
            own = self.knobs[service]
            if method == "PUT":
                assert isinstance(body, dict)
                unknown = set(body) - set(own)
                if unknown:
                    raise LabError(f"{service} has no knob {unknown}")
                own.update(body)
            return dict(own)
        assert (method, path) == ("PUT", "/deploy")
        assert isinstance(body, dict)
        self.deployed[service] = body
        return body

    def start(self, name: str, role: str, settings: Mapping[str, object]) -> None:
        if name in self.started:
            raise LabError(f"{name} runs already")
        self.started[name] = {"role": role, **settings}

    def stop(self, name: str) -> None:
        self.started.pop(name, None)

    def expired_certificate(self) -> tuple[str, str]:
        return "expired.pem", "expired.key"
