"""Whether what stands in a scene's network makes sense: groups, hosts, target groups, load balancers.

Sources: EC2 API Reference (*CreateSecurityGroup*, *CreateNetworkInterface*), VPC User Guide (*Security group rules*),
ELB API Reference (*CreateLoadBalancer*, *CreateTargetGroup*).
"""

from __future__ import annotations

import ipaddress
import re

from doorward_lab.scenes.addresses import usable, wants_ipv6, wants_public
from doorward_lab.scenes.places import Path, Places
from doorward_lab.scenes.reader import close
from doorward_lab.scenes.scene import Group, Host, LoadBalancer, Rule, Scene, TargetGroup

MOST_GROUPS = 16
"""Highest quota of groups on an interface (VPC quotas)."""
BALANCER_NAME = re.compile(r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")


def check_groups(scene: Scene, places: Places) -> None:
    """Names that AWS takes, and peers that exist and can be referred to."""
    seen: dict[tuple[str, str], str] = {}
    for name, group in scene.groups.items():
        called = group.group_name or name
        path: Path = ("groups", name, "group-name") if group.group_name else ("groups", name)
        if not group.default:
            if called.startswith("sg-"):
                raise places.bad(path, f"the group's name {called!r} begins with sg-, which AWS refuses")
            if called == "default":
                raise places.bad(path, "'default' is AWS's own group; give it default: true, or another name")
            first = seen.setdefault((group.vpc, called), name)
            if first != name:
                raise places.bad(path, f"{called!r} is the name of {first!r} already, in the same VPC")
        for direction, rules in (("ingress", group.ingress), ("egress", group.egress or ())):
            _rules(scene, places, group, direction, rules)


def _rules(scene: Scene, places: Places, group: Group, direction: str, rules: tuple[Rule, ...]) -> None:
    seen: set[tuple[object, str]] = set()
    for at, rule in enumerate(rules):
        path = ("groups", group.name, direction, str(at))
        word, _, name = rule.peer.partition(":")
        if word == "group":
            if name not in scene.groups:
                raise places.bad(path, f"{name!r} is no group of this scene{close(name, scene.groups)}")
            other = scene.groups[name].vpc
            if other != group.vpc and not scene.peered(other, group.vpc):
                raise places.bad(path, f"{name!r} is a group of {other!r}, which {group.vpc!r} is not peered with")
        elif word == "prefix-list" and name not in scene.prefix_lists:
            raise places.bad(path, f"{name!r} is no prefix list of this scene{close(name, scene.prefix_lists)}")
        peers = ("0.0.0.0/0", "::/0") if rule.peer == "internet" else (rule.peer.replace("internet:v4", "0.0.0.0/0"),)
        for peer in (one.replace("internet:v6", "::/0") for one in peers):
            if (rule.service, peer) in seen:
                raise places.bad(path, f"a rule of {group.name!r} stands twice in {direction}; AWS refuses")
            seen.add((rule.service, peer))


def check_hosts(scene: Scene, places: Places) -> None:
    """Addresses that fit and are nobody else's; groups of the host's own VPC."""
    taken: dict[tuple[str, str], str] = {}
    elastic: dict[tuple[str, str], str] = {}
    for name, gateway in scene.gateways.items():
        if gateway.kind == "nat":
            _take(places, taken, scene.vpc_of(gateway.subnet), gateway.address, name, ("gateways", name, "address"))
            _take(places, elastic, "", gateway.public, name, ("gateways", name, "public"))
    for name, host in scene.hosts.items():
        vpc = scene.vpc_of(host.subnet)
        if len(host.groups) > MOST_GROUPS:
            raise places.bad(("hosts", name, "groups"), f"{len(host.groups)} groups; AWS allows {MOST_GROUPS}")
        for at, group in enumerate(host.groups):
            if scene.groups[group].vpc != vpc:
                raise places.bad(
                    ("hosts", name, "groups", str(at)),
                    f"{group!r} is of the VPC {scene.groups[group].vpc!r}; the host is in {vpc!r}",
                )
        _addresses(scene, places, host, vpc, taken)
        public = wants_public(scene, name)
        if public and scene.internet_gateway(vpc) is None:
            raise places.bad(
                ("hosts", name, "public"), f"{name!r} has a public address, its VPC {vpc!r} no internet gateway"
            )
        _take(places, elastic, "", public if public != "auto" else "", name, ("hosts", name, "public"))


def _addresses(scene: Scene, places: Places, host: Host, vpc: str, taken: dict[tuple[str, str], str]) -> None:
    subnet = scene.subnets[host.subnet]
    for key, texts in (("address", (host.address,) if host.address else ()), ("secondary", host.secondary)):
        for text in texts:
            path = ("hosts", host.name, key)
            if not usable(subnet, text):
                raise places.bad(
                    path,
                    f"{text} cannot be used in {subnet.cidr} ({subnet.name}); AWS keeps its first four and last",
                )
            _take(places, taken, vpc, text, host.name, path)
    for text in wants_ipv6(scene, host.name):
        path = ("hosts", host.name, "ipv6")
        if not subnet.ipv6:
            raise places.bad(path, f"{host.name!r} has IPv6, its subnet {subnet.name!r} has none")
        if text == "auto":
            continue
        if subnet.ipv6 == "auto":
            raise places.bad(path, f"{text} is an address of a subnet whose block is not known yet; write ipv6: true")
        if ipaddress.ip_address(text) not in ipaddress.ip_network(subnet.ipv6):
            raise places.bad(path, f"{text} lies outside {subnet.ipv6}, the subnet {subnet.name!r}")
        _take(places, taken, vpc, text, host.name, path)


def _take(
    places: Places, taken: dict[tuple[str, str], str], where: str, address: str, name: str, path: Path
) -> None:  # fmt: skip
    if address:
        if (where, address) in taken:
            raise places.bad(path, f"{address} is an address of {taken[where, address]!r} already")
        taken[where, address] = name


def check_load_balancers(scene: Scene, places: Places) -> None:
    """Subnets, groups and listeners that AWS would take; targets that can be targets."""
    for name, group in scene.target_groups.items():
        _target_group(scene, places, name, group)
    for name, balancer in scene.load_balancers.items():
        _balancer(scene, places, name, balancer)


def _target_group(scene: Scene, places: Places, name: str, group: TargetGroup) -> None:
    path: Path = ("target-groups", name)
    if not BALANCER_NAME.fullmatch(name):
        raise places.bad(path, f"{name!r}: a target group's name has up to 32 letters, digits and '-'")
    for at, member in enumerate(group.hosts):
        where = ("target-groups", name, "hosts", str(at))
        if group.kind == "instance" and scene.hosts[member].kind != "instance":
            raise places.bad(where, f"{member!r} is a bare interface; expected kind: ip, or a host of kind: instance")
        if group.kind == "alb":
            continue
        vpc = scene.vpc_of(scene.hosts[member].subnet)
        if vpc != group.vpc and not (group.kind == "ip" and scene.peered(vpc, group.vpc)):
            raise places.bad(where, f"{member!r} is in the VPC {vpc!r}; the target group is of {group.vpc!r}")
    if group.kind == "alb" and len(group.hosts) > 1:
        raise places.bad((*path, "hosts"), "a target group of kind alb has one load balancer")
    if group.health_path and not group.health_path.startswith("/"):
        raise places.bad((*path, "health-path"), f"{group.health_path!r} does not begin with '/'")


def _balancer(scene: Scene, places: Places, name: str, balancer: LoadBalancer) -> None:
    path: Path = ("load-balancers", name)
    if not BALANCER_NAME.fullmatch(name):
        raise places.bad(path, f"{name!r}: a load balancer's name has up to 32 letters, digits and '-'")
    vpcs = {scene.vpc_of(subnet) for subnet in balancer.subnets}
    zones = [scene.subnets[subnet].zone for subnet in balancer.subnets]
    if not balancer.subnets or len(vpcs) > 1:
        raise places.bad((*path, "subnets"), f"{name!r} has subnets of {len(vpcs)} VPCs; expected those of one")
    if len(set(zones)) < len(zones):
        raise places.bad((*path, "subnets"), f"{name!r} has two subnets in one zone; AWS takes one in each")
    if balancer.kind == "application" and len(zones) < 2:
        raise places.bad((*path, "subnets"), f"{name!r} is in one zone; an application load balancer needs two")
    (vpc,) = vpcs
    if balancer.scheme == "internet-facing" and scene.internet_gateway(vpc) is None:
        raise places.bad((*path, "scheme"), f"{name!r} faces the internet, its VPC {vpc!r} has no internet gateway")
    if balancer.ipv6 and not all(scene.subnets[subnet].ipv6 for subnet in balancer.subnets):
        raise places.bad((*path, "ipv6"), f"{name!r} has IPv6, not all of its subnets have")
    for at, group in enumerate(balancer.groups):
        if scene.groups[group].vpc != vpc:
            raise places.bad((*path, "groups", str(at)), f"{group!r} is of another VPC than {name!r}")
    _listeners(scene, places, path, balancer, vpc)


def _listeners(scene: Scene, places: Places, path: Path, balancer: LoadBalancer, vpc: str) -> None:
    layer7 = ("HTTP", "HTTPS")
    allowed = layer7 if balancer.kind == "application" else ("TCP", "TLS", "UDP", "TCP_UDP")
    ports = {one.port: one.protocol for one in balancer.listeners if not one.path}
    seen: set[tuple[int, str]] = set()
    for at, listener in enumerate(balancer.listeners):
        where = (*path, "listeners", str(at))
        if listener.protocol not in allowed:
            words = ", ".join(allowed).lower()
            raise places.bad(
                where, f"a balancer of kind {balancer.kind} takes {words}, not {listener.protocol.lower()}"
            )
        if (listener.port, listener.path) in seen:
            raise places.bad(where, f"port {listener.port} has a listener already")
        seen.add((listener.port, listener.path))
        if listener.path and (ports.get(listener.port) != listener.protocol or balancer.kind != "application"):
            words = f"{listener.protocol.lower()}/{listener.port}"
            raise places.bad(where, f"a path needs an application load balancer with a listener {words} for the rest")
        target = scene.target_groups[listener.forward]
        if (target.protocol in layer7) != (balancer.kind == "application"):
            words = target.protocol.lower()
            raise places.bad(where, f"{target.name!r} speaks {words}, which a {balancer.kind} balancer does not")
        if target.vpc != vpc:
            raise places.bad(where, f"{target.name!r} is of the VPC {target.vpc!r}; the balancer is in {vpc!r}")
