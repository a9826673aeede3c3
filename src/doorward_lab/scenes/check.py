"""Whether a scene makes sense together: names that exist, blocks that fit, places where AWS would refuse.

The network is judged here, what stands in it in `check_hosts`. Each fault is a `BadScene` at its place.
Sources: VPC User Guide (*VPC CIDR blocks*, *Subnet CIDR blocks*, *Route tables*), VPC Peering Guide (*limitations*).
"""

from __future__ import annotations

from collections.abc import Iterable

from doorward_lab.scenes import terms
from doorward_lab.scenes.addresses import Full, assign, usable
from doorward_lab.scenes.check_hosts import check_groups, check_hosts, check_load_balancers
from doorward_lab.scenes.places import Path, Places
from doorward_lab.scenes.reader import close
from doorward_lab.scenes.scene import RouteTable, Scene


def check(scene: Scene, places: Places) -> None:
    """Raise `BadScene` for the first thing that cannot be built."""
    if not scene.vpcs:
        raise places.bad(("vpcs",), "the scene has no VPC; expected at least one under vpcs:")
    _names(scene, places)
    _vpcs(scene, places)
    _subnets(scene, places)
    _peerings(scene, places)
    _gateways(scene, places)
    for table in scene.route_tables.values():
        _routes(scene, table, places)
    _once_per_vpc(scene, places)
    _prefix_lists(scene, places)
    check_groups(scene, places)
    check_hosts(scene, places)
    check_load_balancers(scene, places)
    try:
        assign(scene)
    except Full as full:
        raise places.bad(full.path, f"no address is left in {full.where} for {full.path[-1]!r}") from full


def _refer(places: Places, path: Path, name: str, known: Iterable[str], what: str) -> None:
    known = list(known)
    if name and name not in known:
        guess = close(name, known) or (f"; expected one of {', '.join(known[:8])}" if known else "; there is none")
        raise places.bad(path, f"{name!r} is no {what} of this scene{guess}")


def _names(scene: Scene, places: Places) -> None:
    """Every name that is used exists."""
    for section in ("subnets", "groups", "acls", "route_tables", "gateways", "target_groups"):
        for name, one in getattr(scene, section).items():
            _refer(places, (section.replace("_", "-"), name, "vpc"), one.vpc, scene.vpcs, "VPC")
    for name, subnet in scene.subnets.items():
        _refer(places, ("subnets", name, "acl"), subnet.acl, scene.acls, "ACL")
        _refer(places, ("subnets", name, "route-table"), subnet.route_table, scene.route_tables, "route table")
    for name, gateway in scene.gateways.items():
        _refer(places, ("gateways", name, "subnet"), gateway.subnet, scene.subnets, "subnet")
    for name, peering in scene.peerings.items():
        for at, vpc in enumerate(peering.between):
            _refer(places, ("peerings", name, "between", str(at)), vpc, scene.vpcs, "VPC")
    for name, host in scene.hosts.items():
        _refer(places, ("hosts", name, "subnet"), host.subnet, scene.subnets, "subnet")
        for at, group in enumerate(host.groups):
            _refer(places, ("hosts", name, "groups", str(at)), group, scene.groups, "group")
    for name, balancer in scene.load_balancers.items():
        for at, subnet_name in enumerate(balancer.subnets):
            _refer(places, ("load-balancers", name, "subnets", str(at)), subnet_name, scene.subnets, "subnet")
        for at, group in enumerate(balancer.groups):
            _refer(places, ("load-balancers", name, "groups", str(at)), group, scene.groups, "group")
        for at, listener in enumerate(balancer.listeners):
            path = ("load-balancers", name, "listeners", str(at))
            _refer(places, path, listener.forward, scene.target_groups, "target group")
    for name, target in scene.target_groups.items():
        for at, member in enumerate(target.hosts):
            known = scene.load_balancers if target.kind == "alb" else scene.hosts
            what = "load balancer" if target.kind == "alb" else "host"
            _refer(places, ("target-groups", name, "hosts", str(at)), member, known, what)
    for name, table in scene.route_tables.items():
        for destination, target_text in table.routes.items():
            kinds = {"gateway": scene.gateways, "peering": scene.peerings, "host": scene.hosts}
            word, _, rest = target_text.partition(":")
            path = ("route-tables", name, "routes", destination)
            _refer(places, path, rest, kinds[word], word)
            if destination.startswith("prefix-list:"):
                _refer(places, path, destination.partition(":")[2], scene.prefix_lists, "prefix list")


def _size(places: Places, path: Path, block: terms.Network, low: int, high: int, step: int = 1) -> None:
    if not low <= block.prefixlen <= high or (block.prefixlen - low) % step:
        steps = f" in steps of {step}" if step > 1 else ""
        raise places.bad(path, f"{block} is a /{block.prefixlen}; AWS takes /{low} to /{high}{steps}")


def _vpcs(scene: Scene, places: Places) -> None:
    for name, vpc in scene.vpcs.items():
        blocks = [terms.network(text) for text in vpc.cidr]
        if not blocks:
            raise places.bad(("vpcs", name, "cidr"), f"{name!r} has no block; expected a CIDR such as 10.0.0.0/16")
        for at, block in enumerate(blocks):
            _size(places, ("vpcs", name, "cidr", str(at)), block, 16, 28)
            for other in blocks[:at]:
                if block.overlaps(other):
                    raise places.bad(("vpcs", name, "cidr", str(at)), f"{block} overlaps {other} of the same VPC")
        if vpc.ipv6 not in ("", "auto"):
            # VPC User Guide, *IPv6 VPC CIDR blocks*: /44 to /60 in steps of /4.
            _size(places, ("vpcs", name, "ipv6"), terms.network(vpc.ipv6), 44, 60, 4)


def _subnets(scene: Scene, places: Places) -> None:
    seen: list[tuple[str, str, terms.Network]] = []
    for name, subnet in scene.subnets.items():
        vpc = scene.vpcs[subnet.vpc]
        for key, text in (("cidr", subnet.cidr), ("ipv6", subnet.ipv6)):
            path = ("subnets", name, key)
            if text and key == "ipv6" and not vpc.ipv6:
                raise places.bad(path, f"{name!r} has IPv6, its VPC {vpc.name!r} has none; give the VPC ipv6: true")
            if text in ("", "auto"):
                continue
            block = terms.network(text)
            _size(places, path, block, *((16, 28) if block.version == 4 else (44, 64, 4)))
            blocks = vpc.cidr if block.version == 4 else (vpc.ipv6,)
            if blocks == ("auto",):
                raise places.bad(path, f"{block} is a block of a VPC whose own is not known yet; write ipv6: true")
            if not any(block.subnet_of(terms.network(one)) for one in blocks):  # type: ignore[arg-type]
                raise places.bad(path, f"{block} lies outside {' and '.join(blocks)}, the VPC {vpc.name!r}")
            for other, other_vpc, taken in seen:
                if other_vpc == subnet.vpc and taken.version == block.version and block.overlaps(taken):
                    raise places.bad(path, f"{block} overlaps {taken}, the subnet {other!r}")
            seen.append((name, subnet.vpc, block))
        for key, one in (
            ("acl", scene.acls.get(subnet.acl)), ("route-table", scene.route_tables.get(subnet.route_table)),
        ):  # fmt: skip
            if one is not None and one.vpc != subnet.vpc:
                raise places.bad(
                    ("subnets", name, key), f"{one.name!r} is of the VPC {one.vpc!r}; expected one of {subnet.vpc!r}"
                )


def _peerings(scene: Scene, places: Places) -> None:
    seen: dict[frozenset[str], str] = {}
    for name, peering in scene.peerings.items():
        one, other = (scene.vpcs[vpc] for vpc in peering.between)
        path = ("peerings", name, "between")
        for mine in map(terms.network, one.cidr):
            for theirs in map(terms.network, other.cidr):
                if mine.overlaps(theirs):
                    raise places.bad(path, f"{mine} of {one.name!r} overlaps {theirs} of {other.name!r}; AWS refuses")
        first = seen.setdefault(frozenset(peering.between), name)
        if first != name:
            raise places.bad(path, f"{one.name!r} and {other.name!r} are peered already, by {first!r}")


def _gateways(scene: Scene, places: Places) -> None:
    seen: dict[tuple[str, str], str] = {}
    for name, gateway in scene.gateways.items():
        for key, text, right in (
            ("subnet", gateway.subnet, gateway.kind == "nat"), ("vpc", gateway.vpc, gateway.kind != "nat"),
            ("address", gateway.address, gateway.kind == "nat"), ("public", gateway.public, gateway.kind == "nat"),
        ):  # fmt: skip
            if text and not right:
                raise places.bad(("gateways", name, key), f"{key!r} means nothing for the kind {gateway.kind}")
        if gateway.kind == "nat":
            if not gateway.subnet:
                raise places.bad(("gateways", name), f"the NAT gateway {name!r} has no 'subnet'")
            subnet = scene.subnets[gateway.subnet]
            if scene.internet_gateway(subnet.vpc) is None:
                # EC2 API Reference, *CreateNatGateway*: the VPC of a public one needs an internet gateway.
                raise places.bad(("gateways", name), f"{name!r} needs an internet gateway in the VPC {subnet.vpc!r}")
            if gateway.address and not usable(subnet, gateway.address):
                raise places.bad(
                    ("gateways", name, "address"), f"{gateway.address} cannot be used in {subnet.cidr} ({subnet.name})"
                )
        else:
            first = seen.setdefault((gateway.kind, gateway.vpc), name)
            if first != name:
                raise places.bad(("gateways", name), f"{gateway.vpc!r} has one already: {first!r}")


def _routes(scene: Scene, table: RouteTable, places: Places) -> None:
    local = [*scene.vpcs[table.vpc].cidr, *([scene.vpcs[table.vpc].ipv6] if scene.vpcs[table.vpc].ipv6 else [])]
    for destination, target in table.routes.items():
        path = ("route-tables", table.name, "routes", destination)
        if destination in local:
            raise places.bad(path, f"{destination} is the VPC's own block, whose route is local by itself")
        kind, _, name = target.partition(":")
        where = _leads_from(scene, kind, name)
        if table.vpc not in where:
            raise places.bad(path, f"{target} is of the VPC {' and '.join(where)}; the table is of {table.vpc!r}")
        six = ":" in destination and not destination.startswith("prefix-list:")
        if kind == "gateway" and not destination.startswith("prefix-list:"):
            if scene.gateways[name].kind == "egress-only" and not six:
                raise places.bad(path, f"{destination} is IPv4; an egress-only gateway takes IPv6 alone")
            if scene.gateways[name].kind == "nat" and six:
                raise places.bad(path, f"{destination} is IPv6; the lab's NAT gateways take IPv4 alone")


def _leads_from(scene: Scene, kind: str, name: str) -> tuple[str, ...]:
    """The VPCs whose tables may name a target."""
    if kind == "peering":
        return scene.peerings[name].between
    if kind == "host":
        return (scene.vpc_of(scene.hosts[name].subnet),)
    gateway = scene.gateways[name]
    return (scene.vpc_of(gateway.subnet) if gateway.kind == "nat" else gateway.vpc,)


def _once_per_vpc(scene: Scene, places: Places) -> None:
    for section, key in (("route_tables", "main"), ("acls", "default"), ("groups", "default")):
        seen: dict[str, str] = {}
        for name, one in getattr(scene, section).items():
            if getattr(one, key):
                first = seen.setdefault(one.vpc, name)
                if first != name:
                    path = (section.replace("_", "-"), name, key)
                    raise places.bad(path, f"{one.vpc!r} has one with {key}: true already: {first!r}")


def _prefix_lists(scene: Scene, places: Places) -> None:
    for name, one in scene.prefix_lists.items():
        path = ("prefix-lists", name, "entries")
        if not one.entries:
            raise places.bad(path, f"{name!r} has no entry; a list without any has no family")
        if len({terms.network(text).version for text in one.entries}) > 1:
            raise places.bad(path, f"{name!r} mixes IPv4 and IPv6; AWS's lists are of one family")
        if one.max_entries and one.max_entries < len(one.entries):
            raise places.bad(("prefix-lists", name, "max-entries"), f"{one.max_entries} is less than its entries")
