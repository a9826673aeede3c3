"""The web stack inside a lab: which host runs what, the load balancer's configuration as the API has it, the fronts.

Services die with the thread that started them, so one thread does all that starts or stops one. A second thread brings
the balancers up to date after API calls: it asks the API, so it must not be the one that serves it.
Not here: the services (`doorward_lab.stack`), what a fault does (`doorward_lab.faults`).
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.turn import Target as AskedTarget
from doorward_lab.errors import BadScene, LabError, NotRunning
from doorward_lab.fabric.apply import Fabric
from doorward_lab.kernel.pump import Pump, listen
from doorward_lab.kernel.spawn import spawn
from doorward_lab.model import CloudState
from doorward_lab.scenes import Built, BuiltHost, Clients, Scene
from doorward_lab.stack import admin, outcomes, switch
from doorward_lab.stack.balancer import TARGETS_FILE
from doorward_lab.stack.balancing import Balancer, Target, from_describe
from doorward_lab.stack.place import Place
from doorward_lab.stack.roles import Stack
from doorward_lab.stack.users import LOG as USERS_LOG
from doorward_lab.stack.users import UsersSettings
from doorward_lab.stack.wiring import Options, Ports, Wiring, wire
from doorward_lab.stack.workload import clients

logger = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[str, "int | None", "int | None"], None]
RECENT = 10.0
"""Seconds of users' log that `users` tells of."""
LOOK = 0.5
"""Seconds between two looks at whether all services run."""
MONITORING = ("monitor",)


class Owner(Protocol):
    """The lab, as far as its stack needs it."""

    cloud: Cloud
    fabric: Fabric
    state: CloudState
    scene: Scene | None
    built: Built | None
    folder: Path

    @property
    def endpoint(self) -> str:
        """The API's address."""
        ...

    def clients(self) -> Clients:
        """boto3 clients."""
        ...


class Web:
    """The running stack of one lab."""

    def __init__(self, lab: Owner, *, rate: float, seed: int, monitoring: bool, second: bool) -> None:
        assert lab.scene is not None
        assert lab.built is not None
        self.lab = lab
        self.scene, self.built = lab.scene, lab.built
        self._rate, self._seed = rate, seed
        self._one = ThreadPoolExecutor(1, thread_name_prefix="stack")
        self._second = second or (self.scene.stack is not None and self.scene.stack.second_login)
        self._seats = self._seating(monitoring)
        self._balancer_of = {
            seat: name
            for name, one in self.built.load_balancers.items()
            for seat, host in self._seats.items()
            if host in one.nodes
        }
        self._stale = threading.Event()
        self._ending = False
        self._told: dict[str, Balancer] = {}
        self._pumps: list[Pump] = []
        self.wiring: Wiring | None = None
        self.stack: Stack | None = None

    def _seating(self, monitoring: bool) -> dict[str, BuiltHost]:
        """Service → the host that it runs on: `login` twice is login-1 and login-2."""
        wanted: list[tuple[str, BuiltHost]] = []
        for host in self.built.hosts.values():
            run = host.run
            if run == "database" and host.settings.get("serves", "").endswith("-b"):
                run = "database-b"
            if run and (monitoring or run not in MONITORING):
                wanted.append((run, host))
        wanted += [("balancer", node) for one in self.built.load_balancers.values() if one.run for node in one.nodes]
        many = Counter(run for run, _ in wanted)
        numbered: Counter[str] = Counter()
        found: dict[str, BuiltHost] = {}
        for run, host in wanted:
            numbered[run] += 1
            found[f"{run}-{numbered[run]}" if many[run] > 1 else run] = host
        return found

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self, progress: Progress) -> None:
        """Start every service, each on its host; returns when all are ready. Raises LabError."""
        places = {
            name: Place(partial(spawn, self.lab.fabric.host(host.interface)), host.ipv4[:1], host.ipv6[:1])
            for name, host in self._seats.items()
        }
        metrics: socket.socket | None = None
        if "balancer" in {name.partition("-")[0] for name in places}:
            places["users"] = Place(partial(spawn, self.lab.fabric.internet))
            if "monitor" in self._seats:
                # The users are on the internet and Prometheus is not: their metrics are served where it is.
                metrics = listen(("127.0.0.1", Ports().users), self.lab.fabric.host(self._seats["monitor"].interface))
        for name, place in list(places.items()):
            if not place.addresses and name != "users":
                raise BadScene(f"host {name} runs a service and has no address")
        scene = self.scene.stack
        options = Options(
            seed=str(self._seed),
            rate=self._rate,
            patience=scene.patience if scene else 15.0,
            front=tuple(
                address
                for one in self.built.load_balancers.values()
                if one.run
                for node in one.nodes
                for address in ((node.public,) if node.public else ()) + node.ipv6[:1]
            ),
            keepalive=32 if scene is not None and scene.keep_alive else 0,
            portal_keepalive=scene.keep_alive if scene is not None else True,
            second=self._second,
            users_metrics=metrics,
        )
        options = replace(options, balancer=self._balancer_config(next(iter(self._balancer_of.values()), "")))
        self.wiring = wire(self.lab.folder / "stack", places, options)
        self.stack = Stack(self.lab.folder / "stack", self.wiring.seats)
        ready: list[str] = []
        of = len(self.wiring.seats)

        def say(name: str, what: str) -> None:
            if what == "ready":
                ready.append(name)
            progress(f"the web stack: {name} {what}", len(ready), of)

        self.on_thread(lambda: self.running().start(say))
        self.lab.cloud.settings.health = self.health
        threading.Thread(target=self._keep_balancers, daemon=True, name="balancers").start()
        threading.Thread(target=self._watch, daemon=True, name="watch").start()
        self._stale.set()

    def running(self) -> Stack:
        """The stack. Raises NotRunning before it was started."""
        if self.stack is None:
            raise NotRunning("the web stack does not run")
        return self.stack

    def on_thread(self, act: Callable[[], T]) -> T:
        """Do something on the thread that services live and die with."""
        return self._one.submit(act).result()

    def open_fronts(self, fronts: Mapping[str, socket.socket]) -> dict[str, str]:
        """Carry the host's ports to the stack; what they are, by name."""
        found: dict[str, str] = {}
        ports = Ports()
        front = next(
            (node.public for one in self.built.load_balancers.values() for node in one.nodes if node.public), ""
        )
        if front:
            self._pumps.append(Pump(fronts["web"], self.lab.fabric.internet, (front, ports.https)))
            found["web"] = f"https://127.0.0.1:{fronts['web'].getsockname()[1]}"
        if "monitor" in self._seats and "prometheus" in fronts:
            host = self._seats["monitor"]
            space = self.lab.fabric.host(host.interface)
            for name, port in (("prometheus", ports.prometheus), ("alertmanager", ports.alertmanager)):
                self._pumps.append(Pump(fronts[name], space, (host.ipv4[0], port)))
                found[name] = f"http://127.0.0.1:{fronts[name].getsockname()[1]}"
        return found

    def stop(self) -> None:
        """Stop every service."""
        self._ending = True
        self._stale.set()
        for pump in self._pumps:
            pump.close()
        if self.stack is not None:
            self.on_thread(self.stack.stop)
        self._one.shutdown(wait=False, cancel_futures=True)

    def _watch(self) -> None:
        """Log each service that ends by itself."""
        told: dict[str, int] = {}
        while not self._ending:
            for name, code in (dead := self.running().dead()).items():
                if name not in told and not self._ending:
                    logger.error(
                        "the service %s has ended with %d; `doorward-lab restart %s` starts it", name, code, name
                    )
            told = dead
            time.sleep(LOOK)

    # --- the load balancer, as the API has it -----------------------------------------------------------------------

    def followed(self, state: CloudState) -> None:
        """The cloud has changed. Called under its lock: only says so."""
        del state
        self._stale.set()

    def _keep_balancers(self) -> None:
        while True:
            self._stale.wait()
            self._stale.clear()
            if self._ending:
                return
            for seat, name in self._balancer_of.items():
                try:
                    wanted = self._balancer_config(name)
                    if wanted is not None and wanted != self._told.get(seat):
                        self.running()[seat].call("PUT", "/config", msgspec.to_builtins(wanted))
                        self._told[seat] = wanted
                except LabError:
                    logger.exception("the load balancer %s keeps its old configuration", name)

    def _balancer_config(self, name: str) -> Balancer | None:
        """A load balancer as ELBv2 describes it; None for none."""
        if not name:
            return None
        elb = self.lab.clients()("elbv2")
        arn = self.built.load_balancers[name].arn
        listeners = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
        groups = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
        address = {one.id: one.ipv4[0] for one in self.lab.state.interfaces.values()}
        address |= {one.instance: one.ipv4[0] for one in self.lab.state.interfaces.values() if one.instance}
        targets = {}
        for group in groups:
            group_arn = group["TargetGroupArn"]
            listed = [
                one["Target"]
                for one in elb.describe_target_health(TargetGroupArn=group_arn)["TargetHealthDescriptions"]
            ]
            targets[group_arn] = [
                Target(id=one["Id"], address=address.get(one["Id"], one["Id"]), port=one["Port"]) for one in listed
            ]
        scene = self.scene.stack
        return from_describe(
            listeners,
            {one["ListenerArn"]: elb.describe_rules(ListenerArn=one["ListenerArn"])["Rules"] for one in listeners},
            groups,
            targets,
            attributes=elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"],
            keepalive=32 if scene is not None and scene.keep_alive else 0,
            keepalive_time=10.0,
        )

    def health(self, asked: AskedTarget) -> str:
        """The state of a target, as the balancer's own checks found it."""
        for seat in self._balancer_of:
            path = self.lab.folder / "stack" / seat / TARGETS_FILE
            if not path.exists():
                continue
            for one in json.loads(path.read_text(encoding="utf-8")):
                target = one["Target"]
                if one["TargetGroupArn"] == asked.group and (target["Id"], target["Port"]) == (asked.id, asked.port):
                    return str(one["TargetHealth"]["State"])
        return "unused"

    def second_login(self, on: bool) -> None:
        """Switch the second, independent login stack on or off. Raises LabError where the scene has none."""
        wiring = self.wiring
        if wiring is None:
            raise NotRunning("the web stack does not run")
        self.on_thread(lambda: (switch.on if on else switch.off)(self.running(), wiring))

    # --- what callers ask -------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The services."""
        return self.running().names()

    def places(self) -> dict[str, str]:
        """Interface → the service that runs there."""
        running = set(self.running().names())
        return {host.interface: name for name, host in self._seats.items() if name in running}

    def states(self) -> dict[str, str]:
        """Every service: `running`, or `dead` when it has ended by itself."""
        dead = self.running().dead()
        return {name: "dead" if name in dead else "running" for name in self.names()}

    def restart(self, name: str) -> None:
        """Stop a service, if it has not died, and start it again, healthy. Raises LabError; NotRunning for none."""
        running = self.running()
        running[name]  # raises before anything is stopped
        restart: Callable[[], object] = lambda: running.restart(name)  # noqa: E731 - typed for `on_thread`
        try:
            self.on_thread(restart)
        finally:
            self._told.pop(name, None)
            self._stale.set()

    def over(self, name: str) -> bool:
        """Whether a service that has something to finish (flood, scan) has finished, or does not run."""
        if name not in self.names() or name in self.running().dead():
            return True
        try:
            _, told = admin.request(self.running()[name].folder, "GET", "/metrics")
        except NotRunning:
            return True
        return f"{name}_over 1.0" in told.decode().splitlines()

    def sources(self) -> frozenset[str]:
        """The addresses that the users come from."""
        found = [seat.settings for seat in self.wiring.seats] if self.wiring is not None else []
        users = [one for one in found if isinstance(one, UsersSettings)]
        return frozenset(address for one in users for address in clients(one.networks, one.clients, one.seed))

    def logs(self, name: str, lines: int) -> str:
        """The end of what a service logged. Raises NotRunning."""
        return self.running().logs(name, lines)

    def users(self, rate: object, since: object = None) -> dict[str, object]:
        """How the users have fared lately; with `rate`, how many come from now on.

        `outcomes`: kind of act → outcome → how many. `since` (Unix seconds): when logins that began
        after it failed first and last, and went well first and last, in milliseconds after it.
        """
        users = self.running()["users"]
        if rate is not None:
            users.turn(rate=float(str(rate)))
        begin = time.time() - RECENT
        log = list(outcomes.read(self.lab.folder / "stack" / "users" / USERS_LOG))
        recent = [one for one in log if one.began >= begin]
        tally: dict[str, Counter[str]] = {}
        for one in recent:
            tally.setdefault(one.kind, Counter())[one.outcome] += 1
        logins = sorted(one.ms for one in recent if one.kind == "login")
        return {
            "rate": users.call("GET", "/rate")["rate"],
            "seconds": RECENT,
            "acts": len(recent),
            "failed": sum(one.failed for one in recent),
            "login_p50_ms": logins[len(logins) // 2] if logins else None,
            "login_p95_ms": logins[len(logins) * 95 // 100] if logins else None,
            "outcomes": {kind: dict(sorted(tally[kind].items())) for kind in sorted(tally)},
            **({} if since is None else told_since(log, float(str(since)))),
        }


def told_since(log: Iterable[outcomes.Outcome], since: float) -> dict[str, object]:
    """When logins that began after a moment failed, and when they went well: first and last, in ms after it."""
    found: dict[str, object] = {}
    for words, failed in (("failing", True), ("fine", False)):
        began = [one.began for one in log if one.kind == "login" and one.began >= since and one.failed is failed]
        found[f"first_{words}_login_ms"] = round((min(began) - since) * 1000, 1) if began else None
        found[f"last_{words}_login_ms"] = round((max(began) - since) * 1000, 1) if began else None
    return found
