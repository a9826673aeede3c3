"""The state of a cloud as namespaces and wires. Pure but for what it remembers, which only makes it fast.

`Planner.plan` gives the very same object for a namespace whose inputs have not changed, so that `apply` passes over it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from doorward_lab.errors import Refused
from doorward_lab.fabric import acls, gateways, hosts, routes
from doorward_lab.fabric.filters import CompiledGroup, Compiler, exempt, ruleset
from doorward_lab.fabric.links import FAR4, FAR6, LINK4, LINK6, NEAR4, NEAR6, ROUTER6, bridge, mac, toward
from doorward_lab.fabric.members import carries, directory
from doorward_lab.fabric.routes import Hop
from doorward_lab.fabric.space import LOCAL, MAIN, Plan, Space, Wire
from doorward_lab.model import CloudState, Interface, Subnet, Vpc

INTERNET = "internet"
CLIENT4, CLIENT6 = "203.0.113.1", "2001:db8::1"  # what a client that binds to nothing gets (RFC 5737, RFC 3849)
RESOLVER = "169.254.169.253"


def router(vpc: str) -> str:
    """The name of the namespace that routes for a VPC."""
    return f"router/{vpc}"


def _ends(*links: str) -> frozenset[tuple[str, str]]:
    return frozenset((link, a) for link in links for a in (f"{NEAR4}/{LINK4}", f"{NEAR6}/{LINK6}"))


def _others(links: dict[str, str]) -> dict[tuple[str, str], str]:
    return {(link, address): there for link, there in links.items() for address in (FAR4, FAR6)}


def _wire(near: str, near_link: str, far: str, far_link: str) -> Wire:
    return Wire((near, near_link, mac(near, near_link)), (far, far_link, mac(far, far_link)))


def wires(state: CloudState) -> dict[str, Wire]:
    """The links between routers, gateways and the internet."""
    made: dict[str, Wire] = {}
    for ways in (state.internet_gateways, state.egress_only_gateways):
        for gateway, vpc in ways.items():
            if vpc in state.vpcs:
                made[f"{gateway}/in"] = _wire(router(vpc), toward(gateway), gateway, gateways.VPC_SIDE)
                made[f"{gateway}/out"] = _wire(gateway, gateways.OUT_SIDE, INTERNET, toward(gateway))
    for peering in state.peerings.values():
        if carries(peering, state.vpcs):
            link = toward(peering.id)
            made[peering.id] = _wire(router(peering.requester), link, router(peering.accepter), link)
    for transit in state.transit_gateways.values():
        for attachment, vpc in transit.attachments.items():
            if vpc in state.vpcs:
                made[attachment] = _wire(router(vpc), toward(transit.id), transit.id, toward(attachment))
    return made


def _across(space: str, made: dict[str, Wire]) -> Iterator[tuple[str, str]]:
    """(link here, MAC over there) of a space's wires."""
    for joined in made.values():
        for here, there in ((joined.near, joined.far), (joined.far, joined.near)):
            if here[0] == space:
                yield here[1], there[2]


def _router(state: CloudState, vpc: Vpc, subnets: tuple[Subnet, ...], made: dict[str, Wire]) -> Space:
    links = dict(_across(router(vpc.id), made))
    addresses = set(_ends(*links)) | {("lo", f"{RESOLVER}/32")}
    addresses.update(("lo", f"{ipaddress.IPv4Network(b, strict=False).network_address + 2}/32") for b in vpc.ipv4[:1])
    for subnet in subnets:
        block = ipaddress.IPv4Network(subnet.cidr, strict=False)
        addresses.add((bridge(subnet.id), f"{block.network_address + 1}/{block.prefixlen}"))
        addresses.add((bridge(subnet.id), f"{ROUTER6}/64"))
    main = {block: Hop(bridge(s.id)) for s in subnets for block in routes.blocks(s)[1:]}
    rules = {bridge(s.id): s.route_table for s in subnets} | dict.fromkeys(links, routes.INBOUND)
    return Space(
        forwards=True,
        bridges={bridge(s.id): mac("bridge", s.id) for s in subnets},
        addresses=frozenset(addresses),
        neighbours=_others(links),
        tables={MAIN: main, **routes.tables(state, vpc.id, subnets)},
        rules=rules,
        rulesets=(acls.ruleset(subnets, state.acls),),
    )


def _gateway(state: CloudState, gateway: str, vpc: Vpc, made: dict[str, Wire], *, egress_only: bool) -> Space:
    inside, outside = gateways.VPC_SIDE, gateways.OUT_SIDE
    main = (
        {"::/0": Hop(outside, FAR6)} if egress_only else {"::/0": Hop(outside, FAR6), "0.0.0.0/0": Hop(outside, FAR4)}
    )
    for block in vpc.ipv6 if egress_only else (*vpc.ipv6, *vpc.ipv4):
        network = ipaddress.ip_network(block, strict=False)
        main[str(network)] = Hop(inside, FAR4 if network.version == 4 else FAR6)
    if egress_only:
        table = gateways.egress_only_gateway(vpc)
    else:
        table = gateways.internet_gateway(vpc, gateways.elastic(state, vpc.id))
    links = dict(_across(gateway, made))
    return Space(
        forwards=True,
        addresses=_ends(*links),
        neighbours=_others(links),
        tables={MAIN: main},
        rulesets=(table,),
    )


def _transit(state: CloudState, gateway: str, made: dict[str, Wire]) -> Space:
    transit = state.transit_gateways[gateway]
    links = dict(_across(gateway, made))
    tables = gateways.transit_routes(transit)
    attached = {a: table for a, table in tables.items() if toward(a) in links}
    present = {a: {d: hop if hop.dev in links else routes.NOWHERE for d, hop in t.items()} for a, t in attached.items()}
    return Space(
        forwards=True,
        addresses=_ends(*links),
        neighbours=_others(links),
        tables=present,
        rules={toward(a): a for a in attached},
    )


def internet(state: CloudState, made: dict[str, Wire], once: Iterable[str] = ()) -> Space:
    """The internet: every public address is its own, but for those of the cloud.

    `once` are destinations that were the cloud's: nobody is there now, so they drop.
    """
    links = dict(_across(INTERNET, made))
    local = dict.fromkeys((*gateways.public_networks(), gateways.PUBLIC6), Hop("lo"))
    local.update(dict.fromkeys(once, routes.NOWHERE))
    for destination, hop in gateways.internet_routes(state).items():
        local[destination] = Hop(hop.dev, hop.via, CLIENT4 if hop.via == FAR4 else CLIENT6)
    return Space(
        forwards=True,
        addresses=_ends(*links) | {("lo", f"{CLIENT4}/32"), ("lo", f"{CLIENT6}/128")},
        neighbours=_others(links),
        tables={LOCAL: local},
        sysctls={"net.ipv6.ip_nonlocal_bind": "1"},
    )


_HostKey = tuple[Interface, Subnet, Vpc, bool, tuple[CompiledGroup, ...]]


class Planner:
    """Plans states, one after the other."""

    def __init__(self) -> None:
        """Nothing was planned yet."""
        self._compiler = Compiler()
        self._hosts: dict[str, tuple[_HostKey, Space, Wire]] = {}
        self._last: dict[str, Space] = {}
        self._once: set[str] = set()  # destinations on the internet that are or were the cloud's

    def plan(self, state: CloudState) -> Plan:
        """What the kernel is to hold for `state`. Raises Refused for a protocol or an address that is none."""
        try:
            return self._plan(state)
        except ValueError as error:
            raise Refused(f"the state of the cloud cannot be built: {error}") from error

    def _plan(self, state: CloudState) -> Plan:
        made = wires(state)
        self._once.update(gateways.internet_routes(state))
        spaces = {INTERNET: internet(state, made, self._once)}
        subnets: dict[str, list[Subnet]] = {vpc: [] for vpc in state.vpcs}
        for subnet in state.subnets.values():
            subnets.setdefault(subnet.vpc, []).append(subnet)
        for vpc in state.vpcs.values():
            own = tuple(sorted(subnets[vpc.id], key=lambda s: s.id))
            spaces[router(vpc.id)] = _router(state, vpc, own, made)
        for egress_only, ways in ((False, state.internet_gateways), (True, state.egress_only_gateways)):
            for gateway, of in ways.items():
                if of in state.vpcs:
                    spaces[gateway] = _gateway(state, gateway, state.vpcs[of], made, egress_only=egress_only)
        for gateway in state.transit_gateways:
            spaces[gateway] = _transit(state, gateway, made)
        self._last = {name: self._last[name] if self._last.get(name) == s else s for name, s in spaces.items()}
        for name, space, joined in self._of_hosts(state):
            self._last[name] = space
            made[name] = joined
        plan = Plan(dict(self._last), made)
        for name in self._hosts:
            del self._last[name]
        return plan

    def _of_hosts(self, state: CloudState) -> list[tuple[str, Space, Wire]]:
        groups = self._compiler.groups(state.groups, directory(state))
        translating = {gateway.interface for gateway in state.nat_gateways.values()}
        kept: dict[str, tuple[_HostKey, Space, Wire]] = {}
        for interface in state.interfaces.values():
            subnet = state.subnets.get(interface.subnet)
            vpc = state.vpcs.get(interface.vpc)
            if subnet is None or vpc is None or not interface.ipv4:
                continue  # half made or half deleted: the next call completes it
            nat = interface.kind == "nat_gateway" or interface.id in translating
            key = (interface, subnet, vpc, nat, tuple(groups[g] for g in interface.groups if g in groups))
            known = self._hosts.get(interface.id)
            if known is None or known[0] != key:
                table = ruleset(interface, self._compiler.interface(key[-1]), exempt(subnet, vpc))
                known = (key, hosts.host(interface, subnet, table, nat=nat), hosts.wire(interface, router(vpc.id)))
            kept[interface.id] = known
        self._hosts = kept
        return [(name, space, joined) for name, (_, space, joined) in kept.items()]
