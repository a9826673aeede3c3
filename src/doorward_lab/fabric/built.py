"""One namespace as it was built, and the calls that change it. What to change, and when, is `apply`'s."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from doorward_lab.errors import Refused
from doorward_lab.fabric import acls, filters, stages
from doorward_lab.fabric.routes import NOWHERE, Hop
from doorward_lab.fabric.rulesets import Ruleset, transaction
from doorward_lab.fabric.space import LOCAL, MAIN, Space
from doorward_lab.fabric.stages import Stage, Step
from doorward_lab.kernel.netlink import Netlink, forward, sysctl
from doorward_lab.kernel.netns import Namespace
from doorward_lab.kernel.nft import Nft

# Chains whose rules only allow: fewer rules, less traffic.
ALLOWING = frozenset({"ingress", "egress"})
_JUDGES = frozenset({filters.TABLE, acls.TABLE})  # tables that pass or drop, and do nothing else to a packet
_FIRST_TABLE = 1000  # of the kernel's numbers for the tables of a router
_PRIORITY = 1000  # of the rules "packets that came by this link: that table"
_FAMILIES = (4, 6)
_PATIENCE = 2.0  # s


class Built:
    """A namespace and what is in it. Each act updates what is known to be built only once the kernel has agreed."""

    def __init__(self, name: str, nft: Nft) -> None:
        """An empty namespace with the lab's settings."""
        self.ns = Namespace.create(name)
        self.link = Netlink(self.ns)
        self._nft = nft
        self._tables = {MAIN: 254, LOCAL: 255}
        self.settled: Space | None = None  # the whole of it, once all of it was applied
        self._forwards = False
        self._rulesets: dict[str, Ruleset] = {}
        self._bridges: set[str] = set()
        self._addresses: set[tuple[str, str]] = set()
        self._fresh: set[str] = set()  # IPv6 addresses that the kernel may not yet take packets for
        self._neighbours: dict[tuple[str, str], str] = {}
        self._routes: dict[str, dict[str, Hop]] = {}
        self._rules: dict[str, str] = {}

    def settings(self, space: Space) -> None:
        """Sysctls, forwarding, and every table of rules, before anything is connected."""
        if space.sysctls and self.settled is None:
            sysctl(self.ns, space.sysctls)
        if not self._rulesets:
            text = "".join(transaction(None, r) for r in space.rulesets)
            if text:
                self._nft.run(self.ns, text)
            self._rulesets = {r.name: r for r in space.rulesets}
        if space.forwards:
            self.forwarding(True)

    def forwarding(self, on: bool) -> None:
        """Whether packets for others are passed on."""
        if on and not self._forwards:
            forward(self.ns)
        elif self._forwards and not on:
            sysctl(self.ns, {"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.forwarding": "0"})
        self._forwards = on

    def settle(self) -> None:
        """Wait until packets for its IPv6 addresses are taken: the kernel makes their local routes on a work queue."""
        deadline = time.monotonic() + _PATIENCE
        while self._fresh:
            self._fresh -= {r.dst for r in self.link.routes(self._tables[LOCAL]) if r.kind == "local"}
            self._fresh &= {f"{ipaddress.ip_interface(cidr).ip}/128" for _, cidr in self._addresses if ":" in cidr}
            if self._fresh and time.monotonic() > deadline:
                raise Refused(f"{self.ns.name} does not take packets for {', '.join(sorted(self._fresh))}")

    def close(self) -> None:
        """Let the namespace go."""
        self.link.close()
        self.ns.close()

    @property
    def rule_count(self) -> int:
        """Rules of nftables in it."""
        return sum(len(lines) for r in self._rulesets.values() for lines in r.chains.values())

    @property
    def route_count(self) -> int:
        """Routes that were asked for in it."""
        return sum(map(len, self._routes.values()))

    # -- what differs, as steps

    def steps(self, space: Space, *, host: bool) -> list[Step]:
        """What makes this namespace `space`, but for bridges and wires. A `host` opens with its addresses."""
        found = [*self._filter_steps(space), *self._address_steps(space, Stage.OPEN if host else Stage.MAKE)]
        found += self._neighbour_steps(space)
        for table in {*self._routes, *space.tables}:
            found += self._route_steps(space, table, host=host)
        found += self._rule_steps(space)
        if self._forwards and not space.forwards:
            found.append(Step(Stage.CLOSE, partial(self.forwarding, False)))
        elif space.forwards and not self._forwards:
            found.append(Step(Stage.OPEN, partial(self.forwarding, True)))
        return found

    def _filter_steps(self, space: Space) -> list[Step]:
        wanted = {r.name: r for r in space.rulesets}
        found: list[Step] = []
        for name, new in wanted.items():
            old = self._rulesets.get(name)
            if old == new:
                continue
            stage, kinds = (
                (Stage.OPEN, frozenset[str]()) if old is None else stages.ruleset(old, new, ALLOWING, self.ns.name)
            )
            narrow = None
            if old is not None and name in _JUDGES:
                narrow = self._replaced(stages.both(old, new, ALLOWING))
            found.append(Step(stage, self._replaced(new), kinds, narrow))
        return found

    def _replaced(self, new: Ruleset) -> Callable[[], None]:
        def act() -> None:
            text = transaction(self._rulesets.get(new.name), new)
            if text:
                self._nft.run(self.ns, text)
            self._rulesets[new.name] = new

        return act

    def bridge_steps(self, space: Space) -> list[Step]:
        """Bridges that come and go."""

        def made(name: str, mac: str) -> None:
            self.link.bridge(name, mac=mac, up=True)
            self._bridges.add(name)

        def gone(name: str) -> None:
            self._forget(name)
            self.link.link_delete(name)
            self._bridges.discard(name)

        new = [(n, m) for n, m in space.bridges.items() if n not in self._bridges]
        found = [Step(Stage.MAKE, partial(made, n, m)) for n, m in new]
        return found + [Step(Stage.CLEAR, partial(gone, n)) for n in self._bridges - space.bridges.keys()]

    def _address_steps(self, space: Space, opening: Stage) -> list[Step]:
        def add(added: frozenset[tuple[str, str]]) -> None:
            with self.link.batch():
                for link, cidr in sorted(added):
                    self.link.address(link, cidr)
            self._addresses |= added
            self._fresh |= {f"{ipaddress.ip_interface(cidr).ip}/128" for _, cidr in added if ":" in cidr}

        def remove(removed: frozenset[tuple[str, str]]) -> None:
            with self.link.batch():
                for link, cidr in sorted(removed & self._addresses):
                    self.link.address_delete(link, cidr)
            self._addresses -= removed

        removed = frozenset(self._addresses - space.addresses)
        added = frozenset(space.addresses - self._addresses)
        # Addresses of routers and gateways open nothing: no route leads there yet, or no longer. The kernel deletes
        # a link's routes with its last address, so they stay until those are gone.
        closing = Stage.CLOSE if opening is Stage.OPEN else Stage.CLEAR
        found = [Step(closing, partial(remove, removed))] if removed else []
        return found + ([Step(opening, partial(add, added))] if added else [])

    def _neighbour_steps(self, space: Space) -> list[Step]:
        new = {at: mac for at, mac in space.neighbours.items() if self._neighbours.get(at) != mac}

        def act() -> None:
            with self.link.batch():
                for (link, address), mac in new.items():
                    self.link.neighbour(link, address, mac)
            self._neighbours = dict(space.neighbours)

        return [Step(Stage.MAKE, act)] if new else []

    def _route_steps(self, space: Space, table: str, *, host: bool) -> list[Step]:
        old, new = self._routes.get(table, {}), space.tables.get(table, {})
        if old == new:
            return []
        by_stage: dict[Stage, list[tuple[str, Hop | None]]] = {}
        for destination in {*old, *new}:
            before, after = old.get(destination), new.get(destination)
            if before != after:
                # A table that is new is asked by nobody yet: the rule that makes it asked comes with `OPEN`.
                # One that goes is asked no more once the steps before `CLEAR` are done.
                stage = stages.hop(before, after) if old and new else Stage.MAKE if new else Stage.CLEAR
                stage = Stage.OPEN if host else stage  # a host's routes need its addresses
                by_stage.setdefault(stage, []).append((destination, after))
        kinds = frozenset({"route"})
        return [Step(stage, partial(self._routed, table, changes), kinds) for stage, changes in by_stage.items()]

    def _routed(self, table: str, changes: list[tuple[str, Hop | None]]) -> None:
        number = self._tables.setdefault(table, _FIRST_TABLE + len(self._tables))
        have = self._routes.setdefault(table, {})
        with self.link.batch():
            # What lies on a link comes first: the kernel checks that neighbours are reachable.
            for destination, hop in sorted(changes, key=lambda c: (c[1] is not None and c[1].via is not None, c[0])):
                if hop is None:
                    self._unroute(destination, have.pop(destination, None), number)
                    continue
                kind: Literal["blackhole", "local", "unicast"]
                kind = "blackhole" if hop == NOWHERE else "local" if hop.dev == "lo" else "unicast"
                self.link.route(
                    destination, via=hop.via, dev=hop.dev, table=number, kind=kind, source=hop.source, replace=True
                )
                have[destination] = hop

    def _unroute(self, destination: str, hop: Hop | None, number: int) -> None:
        if hop is not None:
            self.link.route_delete(destination, via=hop.via, dev=hop.dev, table=number)

    def _rule_steps(self, space: Space) -> list[Step]:
        found: list[Step] = []
        for link, table in space.rules.items():
            if self._rules.get(link) != table:
                stage = Stage.BOTH if link in self._rules else Stage.OPEN
                found.append(Step(stage, partial(self._asked, link, table), frozenset({"route"})))
        gone = self._rules.keys() - space.rules.keys()
        return found + [Step(Stage.CLOSE, partial(self._asked, link, None)) for link in gone]

    def _asked(self, link: str, table: str | None) -> None:
        """Have `table` asked for what came by `link`: the new rule is there before the old one goes."""
        old = self._rules.get(link)
        if table is not None:
            number = self._tables.setdefault(table, _FIRST_TABLE + len(self._tables))
            for family in _FAMILIES:
                self.link.rule(_PRIORITY - (old is not None), iif=link, table=number, family=family)
        if old is not None:
            for family in _FAMILIES:
                self.link.rule_delete(_PRIORITY, iif=link, table=self._tables[old], family=family)
        if table is None:
            self._rules.pop(link, None)
            return
        if old is not None:
            for family in _FAMILIES:
                self.link.rule(_PRIORITY, iif=link, table=self._tables[table], family=family)
                self.link.rule_delete(_PRIORITY - 1, iif=link, table=self._tables[table], family=family)
        self._rules[link] = table

    def reach(self, reached: Mapping[tuple[str, str], str], gone: Mapping[tuple[str, str], str]) -> None:
        """Know neighbours that came with a wire, forget those that went with one."""
        with self.link.batch():
            for link, address in gone:
                self.link.neighbour_delete(link, address)
            for (link, address), mac in reached.items():
                self.link.neighbour(link, address, mac)

    def unplug(self, link: str) -> None:
        """Delete a link (both ends of its pair)."""
        self._forget(link)
        self.link.link_delete(link)

    def lost(self, link: str) -> None:
        """The other end of a pair was deleted: what the kernel then forgot is forgotten here too."""
        self._forget(link)
        self.ns.indices.pop(link, None)

    def _forget(self, link: str) -> None:
        self._addresses = {(at, cidr) for at, cidr in self._addresses if at != link}
        self._neighbours = {key: mac for key, mac in self._neighbours.items() if key[0] != link}
        for table, hops in self._routes.items():
            self._routes[table] = {d: hop for d, hop in hops.items() if hop.dev != link}
        if link in self._rules:
            self._asked(link, None)
