"""A running lab as faults see it, and the faults that are in effect.

Each fault in effect is written down as it is injected, so that any caller can heal it. Not here: the faults.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from doorward_lab import faults
from doorward_lab.console.web import Web
from doorward_lab.errors import LabError, NotRunning
from doorward_lab.faults.fault import Injected
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.spawn import spawn
from doorward_lab.scenes import Built, Clients, Connect
from doorward_lab.stack.flood import FloodSettings
from doorward_lab.stack.place import Place
from doorward_lab.stack.roles import Seat
from doorward_lab.stack.scan import ScanSettings

PATIENCE = 60.0
"""Seconds for a program that a fault runs on a host."""
SETTINGS: dict[str, Any] = {"flood": FloodSettings, "scan": ScanSettings}


class Owner(Protocol):
    """The lab, as far as faults need it."""

    built: Built | None
    web: Web | None

    def clients(self) -> Clients:
        """boto3 clients of the lab's own principal."""
        ...

    def namespace(self, host: str) -> Namespace:
        """The network of a host, or the `internet`."""
        ...


class Faulty:
    """Implements `faults.fault.Lab`, and remembers what was injected."""

    def __init__(self, lab: Owner) -> None:
        assert lab.built is not None
        self._lab = lab
        self.built = lab.built
        self._clients = lab.clients()
        self._lock = threading.Lock()
        self._injected: dict[str, Injected] = {}

    # --- what callers ask -------------------------------------------------------------------------------------------

    def in_effect(self) -> list[str]:
        """The faults in effect, the oldest first."""
        return [name for name in list(self._injected) if not self._over(name)]

    def ended(self) -> list[str]:
        """Injected faults that have ended by themselves (a flood that is over), and were not healed."""
        return [name for name in list(self._injected) if self._over(name)]

    def _over(self, name: str) -> bool:
        done = self._injected.get(name)
        started = [str(step["name"]) for step in done.undo if step["do"] == "stop"] if done is not None else []
        web = self._lab.web
        return bool(started) and (web is None or all(web.over(service) for service in started))

    def inject(self, what: str, seed: int, parameters: Mapping[str, str]) -> dict[str, object]:
        """Make a fault happen. Raises LabError for one that there is not, that cannot be, or that is in effect."""
        fault = faults.get(what)
        with self._lock:
            if self._over(what):
                fault.heal(self, self._injected.pop(what))
            if what in self._injected:
                raise LabError(f"{what} is in effect already; put it right first: doorward-lab heal {what}")
            if fault.needs_stack and self._lab.web is None:
                raise LabError(f"{what} acts on the web stack, and this lab runs none: start it without --no-stack")
            done = fault.inject(self, seed, parameters)
            self._injected[what] = done
        return {"text": done.text, "at": done.at, "parameters": dict(done.parameters)}

    def heal(self, what: object) -> list[str]:
        """Put one fault right, or all, the latest first; what was done, line by line."""
        with self._lock:
            if what is not None and str(what) not in self._injected:
                faults.get(str(what))
                return [f"{what} is not in effect"]
            names = [str(what)] if what is not None else list(reversed(self._injected))
            lines: list[str] = []
            for name in names:
                lines += [f"{name}: {line}" for line in faults.get(name).heal(self, self._injected[name])]
                del self._injected[name]
        return lines or ["no fault is in effect"]

    # --- what faults ask --------------------------------------------------------------------------------------------

    def connect(self, service: str) -> Any:
        """The boto3 client of a service, as the lab's own operator."""
        return self._clients(service)

    def principal(self, role: str, session: str) -> Connect:
        """boto3 clients of another principal."""
        return self._clients.assume(role, session)

    def run(self, host: str, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in a host's network, with power over it. Raises LabError after a minute."""
        process = spawn(
            self._lab.namespace(host),
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            privileged=True,
        )
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise LabError(f"{argv[0]} on {host} did not end within {PATIENCE:.0f} s") from error
        return subprocess.CompletedProcess(list(argv), process.returncode, out.decode(), err.decode())

    def _web(self) -> Web:
        if self._lab.web is None:
            raise NotRunning("this lab runs no web stack")
        return self._lab.web

    def services(self) -> Mapping[str, str]:
        """Service → the scene's host that it runs on; users run on none."""
        if self._lab.web is None:
            return {}
        host = {one.interface: name for name, one in self.built.hosts.items()}
        place = {service: interface for interface, service in self._lab.web.places().items()}
        return {name: host.get(place.get(name, ""), "") for name in self._lab.web.names()}

    def call(self, service: str, method: str, path: str, body: object = None) -> Any:
        """A call of a service's admin endpoint."""
        return self._web().running()[service].call(method, path, body)

    def start(self, name: str, role: str, settings: Mapping[str, object]) -> None:
        """Start one more service on the lab's internet."""
        if role not in SETTINGS:
            raise LabError(f"a fault starts {', '.join(SETTINGS)}; got {role!r}")
        web = self._web()
        try:
            read = msgspec.convert({"folder": "", **settings}, SETTINGS[role])
        except msgspec.ValidationError as error:
            raise LabError(f"{role}: {error}") from error
        seat = Seat(name, role, Place(partial(spawn, self._lab.namespace("internet"))), read)
        add: Callable[[], object] = lambda: web.running().add(seat)  # noqa: E731 - typed for `on_thread`
        web.on_thread(add)

    def stop(self, name: str) -> None:
        """Stop a service that `start` started."""
        web = self._web()
        if name in web.names():
            web.on_thread(lambda: web.running().remove(name))

    def expired_certificate(self) -> tuple[str, str]:
        """Files of an expired certificate for the portal, and of its key."""
        wiring = self._web().wiring
        if wiring is None or wiring.expired is None:
            raise LabError("this lab's portal has no certificate")
        certificate, key = wiring.expired
        return str(certificate), str(key)
