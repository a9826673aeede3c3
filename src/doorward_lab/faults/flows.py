"""Which rule or flow a fault hits: what a parameter names, else what the seed picks of what the scene has.

What does not live here: what is then done to it (`groups`, `paths`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from doorward_lab.errors import LabError
from doorward_lab.faults.fault import Act
from doorward_lab.scenes import BuiltHost
from doorward_lab.scenes.rules import Permission, flat

DEFAULTS = ("portal", "login", "auth-db")
"""Groups of the outage scene that faults hit unless told otherwise."""
ANY = "any"
"""A parameter's value that leaves the choice to the seed."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A rule by which one group's members reach another's."""

    source: str
    """Group, by its name in the scene."""
    target: str
    direction: str
    permission: Permission
    """The rule alone, of the target (ingress) or of the source (egress)."""

    @property
    def owner(self) -> str:
        """The group that has the rule."""
        return self.target if self.direction == "ingress" else self.source

    @property
    def ports(self) -> tuple[int, int] | None:
        """First and last port, for TCP and UDP."""
        if self.permission["IpProtocol"] not in ("tcp", "udp") or "FromPort" not in self.permission:
            return None
        return int(self.permission["FromPort"]), int(self.permission["ToPort"])

    def __str__(self) -> str:
        ports = "" if self.ports is None else "/" + "-".join(map(str, sorted(set(self.ports))))
        return f"{self.permission['IpProtocol']}{ports} from {self.source} to {self.target}"


def flows(act: Act, direction: str) -> list[Flow]:
    """All rules of a direction that name a group, between groups of the scene that have members, in a fixed order."""
    ec2, names = act.lab.connect("ec2"), {id: name for name, id in act.lab.built.groups.items()}
    described = {
        one["GroupId"]: one
        for page in ec2.get_paginator("describe_security_groups").paginate(GroupIds=sorted(names))
        for one in page["SecurityGroups"]
    }
    inhabited = {group for interface in interfaces(act) for group in groups_of(interface)}
    found: list[Flow] = []
    for name, id in sorted(act.lab.built.groups.items()):
        key = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"
        for rule in flat(described[id].get(key) or ()).values():
            for pair in rule.get("UserIdGroupPairs") or ():
                other = names.get(pair["GroupId"])
                if other is None or {id, pair["GroupId"]} - inhabited:
                    continue
                source, target = (other, name) if direction == "ingress" else (name, other)
                found.append(Flow(source, target, direction, _plain(rule)))
    return sorted(found, key=str)


def _plain(rule: Permission) -> Permission:
    """A rule as authorize takes it back: of the group pair, its id and description."""
    pairs = [
        {key: pair[key] for key in ("GroupId", "Description") if pair.get(key)}
        for pair in rule.get("UserIdGroupPairs") or ()
    ]
    return {**rule, "UserIdGroupPairs": pairs} if pairs else rule


def pick(act: Act, direction: str = "ingress", other_subnet: bool = False) -> Flow:
    """The flow that the parameters `from`, `to` and `service` name; where several fit, the seed picks.

    A name that no rule has is refused; but the defaults, which are the outage scene's, leave the choice open elsewhere.
    """
    wanted = {"source": act.text("from"), "target": act.text("to")}
    found = flows(act, direction)
    if other_subnet:
        found = [one for one in found if crossing(act, one)]
    if not found:
        raise LabError(f"no group of {act.lab.built.scene} has a rule of this kind with members on both sides")
    for side, name in wanted.items():
        if name == ANY:
            continue
        known = {getattr(one, side) for one in found}
        if name not in known:
            if name in DEFAULTS:
                continue
            raise LabError(f"no rule names {name!r} as its {side}; expected one of {', '.join(sorted(known))}, or any")
        found = [one for one in found if getattr(one, side) == name] or found
    service = act.text("service")
    if service:
        fitting = [one for one in found if str(one).startswith(f"{service} ")]
        if not fitting:
            raise LabError(f"no rule for {service} among: {'; '.join(map(str, found))}")
        found = fitting
    return act.random.choice(found)


def interfaces(act: Act) -> list[dict[str, Any]]:
    """All interfaces of the scene's subnets, in a fixed order."""
    mine = set(act.lab.built.subnets.values())
    pages = act.lab.connect("ec2").get_paginator("describe_network_interfaces").paginate()
    found = [one for page in pages for one in page["NetworkInterfaces"] if one["SubnetId"] in mine]
    return sorted(found, key=lambda one: (str(one["PrivateIpAddress"]), str(one["NetworkInterfaceId"])))


def groups_of(interface: dict[str, Any]) -> list[str]:
    """Ids of an interface's groups."""
    return [str(one["GroupId"]) for one in interface.get("Groups") or ()]


def members(act: Act, group: str) -> list[dict[str, Any]]:
    """Interfaces in a group of the scene."""
    id = act.lab.built.groups[group]
    return [one for one in interfaces(act) if id in groups_of(one)]


def crossing(act: Act, flow: Flow) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of members of a flow that stand in different subnets, so that ACLs and routes see it."""
    pairs = [(one, other) for one in members(act, flow.source) for other in members(act, flow.target)]
    return [(one, other) for one, other in pairs if one["SubnetId"] != other["SubnetId"]]


def addresses_of(interface: dict[str, Any]) -> list[str]:
    """Private addresses of an interface, both families."""
    four = [str(one["PrivateIpAddress"]) for one in interface.get("PrivateIpAddresses") or ()]
    return four + [str(one["Ipv6Address"]) for one in interface.get("Ipv6Addresses") or ()]


def host_of(act: Act, interface: str) -> str:
    """The scene's host that has an interface; nothing for a load balancer's."""
    built: dict[str, BuiltHost] = dict(act.lab.built.hosts)
    return next((name for name, one in built.items() if one.interface == interface), "")


def covers(cidrs: Sequence[str]) -> list[str]:
    """Networks as they are, each once, IPv4 first."""
    return sorted(set(cidrs), key=lambda text: (ipaddress.ip_network(text).version, text))
