"""The data plane: namespaces, links, routes and filters that follow the state of the cloud.

`plan` says what there is to be, `stages` in which order what differs is done, `built` does it to one namespace. Here is
what joins them. Nothing outside these namespaces is touched, and closing them is all it takes to remove them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from doorward_lab.errors import LabError, NotRunning
from doorward_lab.fabric import stages
from doorward_lab.fabric.built import ALLOWING, Built
from doorward_lab.fabric.filters import TABLE as GROUPS_TABLE
from doorward_lab.fabric.plan import INTERNET, Planner, router
from doorward_lab.fabric.space import Plan, Space, Wire
from doorward_lab.fabric.stages import Stage, Step
from doorward_lab.kernel import carrier
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft
from doorward_lab.model import CloudState


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one security-group rule let into or out of an interface as the *first* packet of a connection.

    Untracked connections are counted packet by packet. The count starts anew when the interface's rules are replaced.
    """

    rule: str
    egress: bool
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Size and speed of the data plane; times in seconds."""

    hosts: int
    namespaces: int
    wires: int
    filter_rules: int
    routes: int
    follows: int
    last_follow: float
    longest_follow: float


class Fabric:
    """The data plane of one region of one account. Safe to use from several threads; follows one state at a time."""

    def __init__(self) -> None:
        """Build the internet. Raises Missing or Refused where the machine does not allow it."""
        self._lock = threading.RLock()
        self._nft = Nft()
        self._planner = Planner()
        self._built: dict[str, Built] = {}
        self._wires: dict[str, Wire] = {}
        self._plugged: list[Wire] = []  # and not yet known to carry packets
        self._hosts: frozenset[str] = frozenset()
        self._follows = 0
        self._last = self._longest = 0.0
        self._apply(self._planner.plan(CloudState()))

    # -- for those who use it

    def follow(self, state: CloudState) -> None:
        """Make the data plane that of `state`: what differs from what was built, and nothing else.

        Raises Refused for a state that cannot be compiled: nothing was changed then. Raises it too when the kernel
        refuses a step: what was done until then stays, what only opens was not done, and following again goes on.
        """
        with self._lock:
            began = time.perf_counter()
            self._apply(self._planner.plan(state))
            self._last = time.perf_counter() - began
            self._longest = max(self._longest, self._last)
            self._follows += 1

    def host(self, interface_id: str) -> Namespace:
        """The namespace of an interface. Raises NotRunning when no such interface was built."""
        if interface_id not in self._hosts:
            known = ", ".join(sorted(self._hosts)[:5]) or "none"
            raise NotRunning(f"no host for interface {interface_id!r}; built are: {known}")
        return self._built[interface_id].ns

    @property
    def internet(self) -> Namespace:
        """The namespace of the internet: any public address that the cloud does not have can be bound there."""
        return self._built[INTERNET].ns

    def router(self, vpc: str) -> Namespace:
        """The namespace that routes for a VPC; its resolver is served here. Raises NotRunning for an unknown VPC."""
        if router(vpc) not in self._built:
            raise NotRunning(f"no router for VPC {vpc!r}")
        return self._built[router(vpc)].ns

    def hosts(self) -> frozenset[str]:
        """The ids of the interfaces that have a namespace."""
        return self._hosts

    def explain(self, interface_id: str) -> tuple[RuleCount, ...]:
        """What each security-group rule of an interface let pass since its rules were last replaced."""
        found: dict[tuple[str, bool], list[int]] = {}
        with self._lock:
            for counted in self._nft.counters(self.host(interface_id)):
                if (
                    f"{counted.family} {counted.table}" == GROUPS_TABLE
                    and counted.chain in ALLOWING
                    and counted.comment
                ):
                    total = found.setdefault((counted.comment, counted.chain == "egress"), [0, 0])
                    total[0] += counted.packets
                    total[1] += counted.bytes
        return tuple(RuleCount(rule, egress, *total) for (rule, egress), total in found.items())

    def stats(self) -> Stats:
        """Size and speed."""
        with self._lock:
            return Stats(
                hosts=len(self._hosts),
                namespaces=len(self._built),
                wires=len(self._wires),
                filter_rules=sum(b.rule_count for b in self._built.values()),
                routes=sum(b.route_count for b in self._built.values()),
                follows=self._follows,
                last_follow=self._last,
                longest_follow=self._longest,
            )

    def close(self) -> None:
        """Let every namespace go. Processes that still run in one keep it alive."""
        with self._lock:
            for built in self._built.values():
                built.close()
            self._built.clear()
            self._wires.clear()
            self._hosts = frozenset()

    # -- what differs

    def _apply(self, plan: Plan) -> None:
        hosts = frozenset(name for name in plan.wires if name in plan.spaces)
        new = {name: space for name, space in plan.spaces.items() if name not in self._built}
        changed = {
            name: space
            for name, space in plan.spaces.items()
            if name in self._built and self._built[name].settled is not space
        }
        gone = [name for name in self._built if name not in plan.spaces]
        self._make(new)
        steps: list[Step] = []
        others = {name: space for name, space in {**new, **changed}.items() if name not in hosts}
        for name, space in others.items():
            steps += self._built[name].bridge_steps(space)
        steps += self._wire_steps(plan.wires, hosts, frozenset(gone))
        for name, space in others.items():
            steps += self._built[name].steps(space, host=False)
        for name in changed.keys() & hosts & self._wires.keys():
            steps += self._built[name].steps(changed[name], host=True)
        steps += [Step(Stage.CLEAR, partial(self._remove, name)) for name in gone]
        self._hosts -= frozenset(gone)
        for act in stages.ordered(steps):
            act()
        for name in hosts - self._wires.keys():
            self._connect(name, plan.spaces[name], plan.wires[name])
        self._settle()
        for name in (*new, *changed):
            self._built[name].settle()
        for name, space in {**new, **changed}.items():
            self._built[name].settled = space
        self._hosts = hosts

    def _make(self, spaces: Mapping[str, Space]) -> None:
        """New namespaces, each with its filters before anything is connected to it."""
        for name, space in spaces.items():
            built = Built(name, self._nft)
            try:
                built.settings(space)
            except LabError:
                built.close()
                raise
            self._built[name] = built

    def _remove(self, name: str) -> None:
        built = self._built.pop(name)
        built.close()

    def _connect(self, name: str, space: Space, wire: Wire) -> None:
        """Open a new host: its wire, then its addresses and routes."""
        self._plug(name, wire)
        for step in self._built[name].steps(space, host=True):
            step.run()

    def _wire_steps(self, wanted: Mapping[str, Wire], hosts: frozenset[str], gone: frozenset[str]) -> list[Step]:
        found: list[Step] = []
        for name, old in self._wires.items():
            new = wanted.get(name)
            if new is old:
                continue
            if new is None and {old.near[0], old.far[0]} <= gone:
                found.append(Step(Stage.CLEAR, partial(self._wires.pop, name)))  # goes with its ends, and far quicker
            elif new is None or (old.near, old.far, old.bridge) != (new.near, new.far, new.bridge):
                stage = Stage.CLOSE if name in self._hosts or new is not None else Stage.CLEAR
                found.append(Step(stage, partial(self._unplug, name)))
                if new is not None:
                    found.append(Step(Stage.CLOSE, partial(self._plug, name, new)))
            elif old.reached != new.reached:
                found.append(Step(Stage.OPEN, partial(self._reach, name, new)))
            else:
                self._wires[name] = new
        for name, new in wanted.items():
            if name not in self._wires and name not in hosts:
                found.append(Step(Stage.MAKE, partial(self._plug, name, new)))
        return found

    def _plug(self, name: str, wire: Wire) -> None:
        near, far = self._built[wire.near[0]], self._built[wire.far[0]]
        near.link.veth(
            wire.near[1],
            wire.far[1],
            far.ns,
            mac=wire.near[2],
            peer_mac=wire.far[2],
            up=True,
            master=wire.bridge,
        )
        far.link.up(wire.far[1])  # a pair cannot be made with both ends up
        self._plugged.append(wire)
        near.reach({(link, address): mac for link, address, mac in wire.reached}, {})
        self._wires[name] = wire

    def _settle(self) -> None:
        """Wait until what was plugged carries packets: a state that was followed is in effect."""
        plugged, self._plugged = self._plugged, []
        ends: dict[str, dict[str, None]] = {}
        for wire in plugged:
            for space, link, _ in (wire.near, wire.far):
                ends.setdefault(space, {})[link] = None
            if wire.bridge is not None:
                ends[wire.near[0]][wire.bridge] = None  # runs once the first of its ports does
        for space, links in ends.items():
            if space in self._built:
                carrier.wait(self._built[space].ns, links)

    def _unplug(self, name: str) -> None:
        wire = self._wires.pop(name)
        near, far = self._built.get(wire.near[0]), self._built.get(wire.far[0])
        if near is not None:
            near.reach({}, {(link, address): mac for link, address, mac in wire.reached})
            near.unplug(wire.near[1])
        if far is not None:
            far.lost(wire.far[1])

    def _reach(self, name: str, wire: Wire) -> None:
        before = {(link, address): mac for link, address, mac in self._wires[name].reached}
        after = {(link, address): mac for link, address, mac in wire.reached}
        gone = {at: mac for at, mac in before.items() if at not in after}
        self._built[wire.near[0]].reach({at: m for at, m in after.items() if before.get(at) != m}, gone)
        self._wires[name] = wire
