"""Interfaces, target groups and load balancers of an estate, as a scene has them. What does not live here: `estate`."""

from __future__ import annotations

from dataclasses import replace

from doorward.model.addresses import V6
from doorward.model.estate import Interface
from doorward.model.estate import LoadBalancer as EstateBalancer
from doorward.model.estate import TargetGroup as EstateTargets
from doorward.model.services import BLOCK, TCP, UDP
from doorward_lab.scenes.addresses import usable
from doorward_lab.scenes.check_hosts import BALANCER_NAME
from doorward_lab.scenes.scene import Group, Host, Listener, LoadBalancer, Subnet, TargetGroup, Vpc
from doorward_lab.scenes.taking import Taking

_LAYER_7 = ("HTTP", "HTTPS")
_SPEAKS = (*_LAYER_7, "TCP", "TLS", "UDP", "TCP_UDP")


def hosts(taking: Taking, subnets: dict[str, Subnet], groups: dict[str, Group]) -> dict[str, Host]:
    """Interfaces but those of NAT gateways and load balancers; an instance's first interface stands for it."""
    estate = taking.estate
    named = {id: holder.name for holder in estate.holders.values() for id in holder.interfaces if holder.name}
    balanced = {id for one in estate.load_balancers.values() for id in one.interfaces}
    found: dict[str, Host] = {}
    for id, one in estate.interfaces.items():
        if id in balanced or one.kind == "nat_gateway":
            continue
        what = f"interface {one.name or named.get(id) or id}"
        subnet = taking.known("subnets", one.subnet)
        if not subnet:
            taking.leave(what, "its subnet is not in the scene, or not known")
            continue
        if not one.groups:
            taking.leave(what, f"it has no group, and the lab's hosts have (kind {one.kind})")
            continue
        listed = tuple(taking.known("groups", group) for group in one.groups)
        if not all(listed) or one.groups_unknown or one.maybe_groups:
            taking.leave(what, "a group of its is not in the scene, or not known")
            listed = tuple(name for name in listed if name)
            if not listed:
                continue
        made = _host(taking, what, one, named.get(id, ""), subnets[subnet], listed)
        if made is not None:
            found[made.name] = made
            if one.instance and one.device == 0:
                taking.name("instances", one.instance, made.name)
    return found


def _host(
    taking: Taking, what: str, one: Interface, holder: str, subnet: Subnet, groups: tuple[str, ...]
) -> Host | None:
    single = [first for first, last in one.addresses if first == last]
    if len(single) < len(one.addresses):
        taking.leave(what, "its delegated prefixes")
    four = [number for number in single if number < V6]
    six = tuple(taking.address(number) for number in single if number >= V6)
    if six and not subnet.ipv6:
        taking.leave(what, "its IPv6 addresses, as its subnet has no IPv6 block that is known")
        six = ()
    if not four and not one.wide:
        taking.leave(what, "it has no IPv4 address")
        return None
    texts = [taking.address(number) for number in four]
    for text in texts:
        if not usable(subnet, text):
            taking.leave(what, f"its address {text} is not one for use in {subnet.cidr}")
            return None
    public = ""
    for private, outside in one.public:
        if four and private == four[0]:
            public = taking.address(outside)
        else:
            taking.leave(what, f"the public address {taking.address(outside)} of a secondary one")
    if one.public_unknown is not None and not public:
        public = "auto"
    vpc = taking.estate.vpcs.get(one.vpc)
    if public and (vpc is None or not vpc.internet_gateways):
        taking.leave(what, "its public address, as its VPC has no internet gateway")
        public = ""
    name = taking.name("hosts", one.id, holder or one.name)
    kind = "instance" if one.instance and one.device == 0 else "interface"
    if one.instance and one.device:
        taking.leave(what, f"that it belongs to the instance {one.instance}; it stands alone")
    return Host(
        name, subnet.name, groups, kind, texts[0] if texts else "", tuple(texts[1:]), six, public,
    )  # fmt: skip


def target_groups(taking: Taking, vpcs: dict[str, Vpc], hosts: dict[str, Host]) -> dict[str, TargetGroup]:
    """Target groups of instances and addresses that are the scene's hosts."""
    by_address = {
        (taking.estate.subnets[one.subnet].vpc, text): taking.known("hosts", id)
        for id, one in taking.estate.interfaces.items()
        if taking.known("hosts", id)
        for text in (hosts[taking.known("hosts", id)].address, *hosts[taking.known("hosts", id)].secondary)
    }
    found = {}
    for id, one in taking.estate.target_groups.items():
        what = f"target group {one.name or id}"
        vpc = taking.known("vpcs", one.vpc or "")
        if not vpc or one.protocol not in _SPEAKS or one.target_type not in ("ip", "instance", "alb"):
            taking.leave(what, f"the lab has none of its kind ({one.target_type}, {one.protocol}), or not its VPC")
            continue
        name = taking.name("target_groups", id, one.name, BALANCER_NAME)
        members = _members(taking, what, one, by_address) if one.target_type != "alb" else ()
        ports = {target.port for target in one.targets or () if target.port is not None}
        if len(ports) > 1:
            taking.leave(what, f"that its targets have several ports: {', '.join(map(str, sorted(ports)))}")
        port = min(ports) if ports else one.port or 80
        if not one.health_enabled:
            taking.leave(what, "that it has no health check")
        found[name] = TargetGroup(
            name, vpc, one.protocol, port, one.target_type, members, one.health_port, "", one.preserve_client
        )
    return found


def _members(taking: Taking, what: str, one: EstateTargets, by_address: dict[tuple[str, str], str]) -> tuple[str, ...]:
    if one.targets is None:
        taking.leave(what, "its targets, which are not known")
    found: dict[str, None] = {}
    for target in one.targets or ():
        if one.target_type == "instance":
            host = taking.known("instances", target.id)
        else:
            host = by_address.get((one.vpc or "", target.id), "")
        if host:
            found[host] = None
        else:
            taking.leave(f"{what}, target {target.id}", "it is no host of the scene")
    return tuple(found)


def load_balancers(
    taking: Taking, subnets: dict[str, Subnet], groups: dict[str, Group], targets: dict[str, TargetGroup]
) -> dict[str, LoadBalancer]:
    """Application and network load balancers whose places are known."""
    found = {}
    for id, one in taking.estate.load_balancers.items():
        what = f"load balancer {one.name or id}"
        nodes = [taking.estate.interfaces[node] for node in one.interfaces if node in taking.estate.interfaces]
        places = tuple(dict.fromkeys(taking.known("subnets", node.subnet) for node in nodes))
        if one.kind not in ("application", "network") or not places or not all(places):
            taking.leave(what, f"the lab has none of its kind ({one.kind}), or its subnets are not in the scene")
            continue
        if one.kind == "application" and len(places) < 2:
            taking.leave(what, "only one subnet of its is known, and AWS takes two at least")
            continue
        listed = one.groups or tuple(dict.fromkeys(group for node in nodes for group in node.groups))
        named = tuple(name for name in (taking.known("groups", group) for group in listed) if name)
        vpc = taking.estate.vpcs.get(nodes[0].vpc)
        if one.internet_facing and (vpc is None or not vpc.internet_gateways):
            taking.leave(what, "that it faces the internet, as its VPC has no internet gateway")
        facing = one.internet_facing and vpc is not None and bool(vpc.internet_gateways)
        six = any(span[0] >= V6 for node in nodes for span in node.addresses) and all(subnets[at].ipv6 for at in places)
        name = taking.name("load_balancers", id, one.name, BALANCER_NAME)
        found[name] = LoadBalancer(
            name, places, _listeners(taking, what, one, targets), named, one.kind,
            "internet-facing" if facing else "internal", six,
        )  # fmt: skip
    return found


def _listeners(taking: Taking, what: str, one: EstateBalancer, targets: dict[str, TargetGroup]) -> tuple[Listener, ...]:
    if one.listeners is None:
        taking.leave(what, "its listeners, which are not known")
    found: dict[tuple[int, str], Listener] = {}
    for listener in one.listeners or ():
        protocol, port = _protocol(one.kind, listener.service)
        named = [name for name in (taking.known("target_groups", id) for id in listener.target_groups) if name]
        fitting = [name for name in named if (targets[name].protocol in _LAYER_7) == (one.kind == "application")]
        if not fitting or (port, "") in found or port == 0:
            taking.leave(f"{what}, listener {port}", "it forwards to no target group of the scene")
            continue
        found[port, ""] = Listener(protocol, port, fitting[0])
        for name in fitting[1:]:
            # An estate tells where a listener may forward to, not when.
            path = f"/{name}/*"
            if one.kind == "application":
                taking.leave(f"{what}, listener {port}", f"when it forwards to {name}; taken for the path {path}")
                found[port, path] = Listener(protocol, port, name, path)
            else:
                taking.leave(f"{what}, listener {port}", f"that it also forwards to {name}")
    return tuple(found.values())


def _protocol(kind: str, services: tuple[tuple[int, int], ...]) -> tuple[str, int]:
    """A listener's protocol, as far as its services tell, and its port."""
    numbers = {first // BLOCK for first, _ in services}
    port = services[0][0] % BLOCK if services else 0
    if kind == "application":
        return ("HTTPS" if port in (443, 8443) else "HTTP"), port
    if numbers == {TCP, UDP}:
        return "TCP_UDP", port
    return ("UDP" if numbers == {UDP} else "TCP"), port


def behind_balancers(
    taking: Taking, targets: dict[str, TargetGroup], balancers: dict[str, LoadBalancer]
) -> dict[str, TargetGroup]:
    """Target groups of kind alb, once the load balancers have names."""
    found = dict(targets)
    for id, one in taking.estate.target_groups.items():
        name = taking.known("target_groups", id)
        if one.target_type == "alb" and name in found:
            members = [taking.known("load_balancers", target.id) for target in one.targets or ()]
            found[name] = replace(found[name], hosts=tuple(member for member in members if member in balancers)[:1])
    return found
