"""The lab itself, inside its universe: cloud, data plane, events, scene and stack, and what a caller may ask of them.

Everything that a lab writes lies in a folder of the universe's own, on a file system in memory. Not here: how the
universe is made (`daemon`), how callers are heard (`control`), what a fault does (`doorward_lab.faults`).
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doorward_lab import scenes
from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.serve import Server, serve
from doorward_lab.cloud.trail import Emitter, Trail
from doorward_lab.console import control, programs, rules
from doorward_lab.console.faulty import Faulty
from doorward_lab.console.launch import Settings
from doorward_lab.console.rundir import Card
from doorward_lab.console.source import load
from doorward_lab.console.web import Web
from doorward_lab.errors import LabError, NotRunning
from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel import universe
from doorward_lab.kernel.netns import Namespace
from doorward_lab.model import CloudState, Interface
from doorward_lab.scenes.clients import Clients

logger = logging.getLogger(__name__)

ACCESS_KEY = "AKIADOORWARDLAB00000"
SECRET_KEY = "doorward-lab"  # noqa: S105 - nothing is behind it but the lab
Progress = Callable[[str, "int | None", "int | None"], None]


class Lab:
    """One lab. `build` makes it, `serve` lets callers in, `close` ends it."""

    def __init__(self, settings: Settings, fronts: Mapping[str, socket.socket]) -> None:
        self.settings = settings
        self._fronts = fronts
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self.folder = universe.scratch()
        self._calls = 0
        self._pending: threading.Timer | None = None
        self._wanted: CloudState | None = None
        self._server: Server | None = None
        self._inside: Server | None = None
        self.state = CloudState()
        self.built: scenes.Built | None = None
        self.scene: scenes.Scene | None = None
        self.web: Web | None = None
        self.faulty: Faulty | None = None
        self.fabric = Fabric()
        self.cloud = Cloud(region=settings.region)
        self.emitter = Emitter(
            settings.seed,
            delay=settings.event_delay,
            duplicate=settings.event_duplicate,
            reorder=settings.event_reorder,
            drop=settings.event_drop,
        )
        self.trail = Trail(self.emitter)
        self.cloud.on_change = self._follow
        self.cloud.on_call = self._heard

    # --- building ---------------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> str:
        """The API's address on this machine, outside of the lab."""
        return f"http://127.0.0.1:{self._fronts['api'].getsockname()[1]}"

    def clients(self) -> Clients:
        """boto3 clients of the lab's own principal, over HTTP inside the universe."""
        assert self._inside is not None
        return Clients(
            f"http://127.0.0.1:{self._inside.port}",
            region=self.settings.region,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )

    def build(self, progress: Progress) -> dict[str, Any]:
        """Build everything; returns the card's fields.

        Raises:
            LabError: a scene that cannot be built, or a part of the stack that does not start.
        """
        progress("the API", None, None)
        self._server = serve(self.cloud, self._fronts["api"])
        inner = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._inside = serve(self.cloud, inner)
        self.scene = load(self.settings.scene)
        progress("the network", None, None)
        self.cloud.on_change = None  # once at the end, not after each of hundreds of calls
        self.built = scenes.build(
            self.scene, self.clients(), lambda what, done, of: progress(f"the network: {what}", done, of)
        )
        self.cloud.on_change = self._follow
        progress("the data plane", None, None)
        self._apply(self.cloud.state())
        if self.settings.stack and any(host.run for host in self.built.hosts.values()):
            self.web = Web(
                self,
                rate=self.settings.rate,
                seed=self.settings.seed,
                monitoring=self.settings.monitoring,
                second=self.settings.second_login,
            )
            self.web.start(progress)
        self.faulty = Faulty(self)
        return asdict(self._card())

    def _card(self) -> Card:
        fronts = {} if self.web is None else self.web.open_fronts(self._fronts)
        return Card(
            name=self.settings.name,
            pid=0,  # the launcher knows
            scene=self.scene.name if self.scene is not None else self.settings.scene,
            endpoint=self.endpoint,
            region=self.settings.region,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            web=fronts.get("web"),
            prometheus=fronts.get("prometheus"),
            alertmanager=fronts.get("alertmanager"),
        )

    def serve(self, listener: socket.socket) -> None:
        """Let callers in, on a thread of its own."""
        threading.Thread(
            target=control.serve, args=(listener, self._answer, _report), daemon=True, name="control"
        ).start()

    def close(self) -> None:
        """End it gently. The kernel ends whatever is left with the universe's first process."""
        if self.web is not None:
            self.web.stop()
        for server in (self._server, self._inside):
            if server is not None:
                server.close()
        self.cloud.close()
        self.emitter.close(timeout=1.0)
        self.trail.close()
        self.fabric.close()

    # --- following the cloud ----------------------------------------------------------------------------------------

    def _heard(self, call: Any) -> None:
        self._calls += 1
        self.trail.observe(call)

    def _follow(self, state: CloudState) -> None:
        """After each call that changed something, under the cloud's lock."""
        if not self.settings.apply_delay:
            self._apply(state)
            return
        with self._lock:
            self._wanted = state
            if self._pending is None:
                self._pending = threading.Timer(self.settings.apply_delay, self._follow_late)
                self._pending.daemon = True
                self._pending.start()

    def _follow_late(self) -> None:
        with self._lock:
            state, self._wanted, self._pending = self._wanted, None, None
        if state is not None:
            try:
                self._apply(state)
            except LabError:
                logger.exception("the data plane did not follow")

    def _apply(self, state: CloudState) -> None:
        self.fabric.follow(state)
        self.state = state
        if self.web is not None:
            self.web.followed(state)

    # --- hosts --------------------------------------------------------------------------------------------------------

    def interface(self, host: str) -> Interface:
        """A host by name, instance id or interface id.

        Raises:
            NotRunning: there is none, or several; the message lists what there is.
        """
        if self.built is not None and host in self.built.hosts:
            host = self.built.hosts[host].interface
        found = [
            one
            for one in self.state.interfaces.values()
            if host in (one.id, one.instance, self.name_of(one), *one.ipv4, *one.ipv6)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotRunning(f"{host!r} may mean {', '.join(sorted(one.id for one in found))}: say which")
        names = sorted(self.name_of(one) for one in self.state.interfaces.values())
        raise NotRunning(f"no host {host!r}; there are: internet, {', '.join(names)}")

    def name_of(self, interface: Interface) -> str:
        """What people call an interface: its host's name; `web-1` for a node of the load balancer web."""
        if interface.name != interface.id or self.built is None:
            return interface.name
        for name, balancer in self.built.load_balancers.items():
            for number, node in enumerate(balancer.nodes, 1):
                if node.interface == interface.id:
                    return f"{name}-{number}"
        for gateway, id in self.built.gateways.items():
            if id in self.state.nat_gateways and self.state.nat_gateways[id].interface == interface.id:
                return gateway
        return interface.name

    def namespace(self, host: str) -> Namespace:
        """The network namespace of a host, or of the `internet`. Raises NotRunning."""
        return self.fabric.internet if host == "internet" else self.fabric.host(self.interface(host).id)

    # --- what callers ask -------------------------------------------------------------------------------------------

    def _answer(self, caller: control.Caller) -> object:
        request = caller.request
        acts: dict[str, Callable[[control.Caller], object]] = {
            "status": lambda _: self.status(),
            "exec": lambda _: programs.run(self, caller),
            "rules": lambda _: rules.rules(self, str(request.get("host"))),
            "restart": lambda _: self._web().restart(str(request.get("service"))),
            "logs": self._logs,
            "users": lambda _: self._web().users(request.get("rate"), request.get("since")),
            "second-login": lambda _: self._web().second_login(bool(request.get("on"))),
            "fault": lambda _: self._faulty().inject(
                str(request["what"]), int(str(request.get("seed", 0))), _words(request.get("parameters"))
            ),
            "heal": lambda _: {"healed": self._faulty().heal(request.get("what"))},
        }
        act = acts.get(str(request.get("do")))
        if act is None:
            raise LabError(f"this lab cannot do {request.get('do')!r}: is it of another version than the command?")
        return act(caller)

    def _web(self) -> Web:
        if self.web is None:
            raise NotRunning("this lab runs no web stack: start it without --no-stack, with a scene that has one")
        return self.web

    def _faulty(self) -> Faulty:
        if self.faulty is None:
            raise NotRunning("the lab is still being built")
        return self.faulty

    def status(self) -> dict[str, object]:
        """How the lab is; sizes in MiB, times in seconds."""
        runs = self.web.places() if self.web is not None else {}
        services = self.web.states() if self.web is not None else {}
        return {
            "name": self.settings.name,
            "scene": self.scene.name if self.scene else "",
            "endpoint": self.endpoint,
            "uptime": round(time.monotonic() - self._began),
            "memory_mib": memory(),
            "interfaces": len(self.state.interfaces),
            "calls": self._calls,
            "events": asdict(self.emitter.counts),
            "fabric": asdict(self.fabric.stats()),
            "faults": self.faulty.in_effect() if self.faulty else [],
            "faults_ended": self.faulty.ended() if self.faulty else [],
            "left_out": [str(one) for one in self.scene.left_out] if self.scene is not None else [],
            "services": services,
            "hosts": [
                {
                    "name": self.name_of(one),
                    "id": one.id,
                    "addresses": [*one.ipv4, *one.ipv6, *one.public.values()],
                    "groups": list(one.groups),
                    "runs": runs.get(one.id, ""),
                }
                for one in sorted(self.state.interfaces.values(), key=self.name_of)
            ],
        }

    def _logs(self, caller: control.Caller) -> object:
        what, lines = caller.request.get("what"), int(str(caller.request.get("lines", 50)))
        parts = ["lab", *(self.web.names() if self.web is not None else ())]
        if what is None:
            caller.say({"text": "\n".join(parts)})
        elif what not in parts:
            raise NotRunning(f"no part {what!r}; there are: {', '.join(parts)}")
        else:
            caller.say({"text": self._web().logs(str(what), lines)})
        return {}


def memory() -> int:
    """MiB that every process of the universe uses, shared pages by share (`Pss`)."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/smaps_rollup"):
        try:
            match = re.search(r"^Pss:\s+(\d+) kB", path.read_text(encoding="ascii"), re.MULTILINE)
        except OSError:
            continue  # it ended, or may not be looked at
        found += int(match[1]) if match else 0
    return found // 1024


def _words(value: object) -> dict[str, str]:
    return {str(key): str(one) for key, one in value.items()} if isinstance(value, dict) else {}


def _report(error: BaseException) -> None:
    logger.error("a fault of the lab's own", exc_info=error)
