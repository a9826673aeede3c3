"""An estate that Doorward read (a snapshot, a plan) → a scene: `from_snapshot`, `from_plan`.

Every element that the lab cannot build, and every part of one, is named in `Scene.left_out`. The network is taken over
here, groups in `estate_groups`, what stands in the network in `estate_hosts`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import doorward
from doorward import Estate
from doorward.errors import DoorwardError
from doorward.model.addresses import V6
from doorward.model.estate import Route
from doorward.model.estate import RouteTable as EstateTable
from doorward_lab.errors import BadScene
from doorward_lab.scenes import estate_groups, estate_hosts
from doorward_lab.scenes.check import check
from doorward_lab.scenes.places import Places
from doorward_lab.scenes.scene import DEFAULT_REGION, Gateway, Peering, RouteTable, Scene, Subnet, Vpc
from doorward_lab.scenes.taking import Taking, cidr

_UNLOOKED = {
    "endpoint": "the lab has no endpoints", "transit-gateway": "the lab's scenes have no transit gateways",
    "blackhole": "it leads nowhere, and a scene's routes lead somewhere", "unknown": "where it leads is not known",
    "unmodelled": "the lab does not have what it leads through",
}  # fmt: skip


def from_snapshot(path: str | Path) -> Scene:
    """The scene of a snapshot as `doorward snapshot` writes it, or of a file or folder of AWS CLI output.

    Raises `BadScene` when it cannot be read, or when nothing that can be built is left.
    """
    try:
        estate = doorward.read_estate(Path(path))
    except DoorwardError as error:
        raise BadScene(str(error)) from error
    return from_estate(estate, str(path))


def from_plan(path: str | Path, snapshot: str | Path | None = None) -> Scene:
    """The scene that a Terraform plan (JSON of `terraform show -json`) makes, on top of a snapshot where one is given.

    Raises `BadScene`.
    """
    try:
        estate = doorward.read_estate(Path(snapshot)) if snapshot is not None else None
        plan = doorward.read_plan(Path(path), estate)
    except DoorwardError as error:
        raise BadScene(str(error)) from error
    return from_estate(plan.after, str(path))


def from_estate(estate: Estate, where: str) -> Scene:
    """The scene of an estate; `where` names it in messages. Raises `BadScene`."""
    taking = Taking(estate)
    for notice in estate.notices:
        if notice.could_block:
            taking.leave(notice.resource, notice.text)
    vpcs = _vpcs(taking)
    subnets = _subnets(taking, vpcs)
    lists = estate_groups.prefix_lists(taking)
    gateways = {**_gateways(taking, vpcs), **_nat_gateways(taking, subnets)}
    peerings = _peerings(taking, vpcs)
    acls = estate_groups.acls(taking, vpcs)
    for id in estate.transit_gateways:
        taking.leave(f"transit gateway {id}", _UNLOOKED["transit-gateway"])
    joined = {frozenset(one.between) for one in peerings.values()}
    groups = estate_groups.groups(taking, vpcs, joined)
    hosts = estate_hosts.hosts(taking, subnets, groups)
    tables = _route_tables(taking, vpcs)
    targets = estate_hosts.target_groups(taking, vpcs, hosts)
    balancers = estate_hosts.load_balancers(taking, subnets, groups, targets)
    targets = estate_hosts.behind_balancers(taking, targets, balancers)
    subnets = {
        name: replace(
            one,
            acl=one.acl if one.acl in acls else "",
            route_table=one.route_table if one.route_table in tables else "",
        )
        for name, one in subnets.items()
    }
    leads = (target.partition(":") for one in tables.values() for target in one.routes.values())
    forwarding = {name for word, _, name in leads if word == "host"}
    hosts = {name: replace(one, source_dest_check=name not in forwarding) for name, one in hosts.items()}
    stem = Path(where).name.partition(".")[0]
    scene = Scene(
        taking.clean(stem), vpcs, f"Taken from {Path(where).name}", taking.region or DEFAULT_REGION, subnets, groups,
        lists, acls, tables, gateways, peerings, hosts, targets, balancers, left_out=tuple(taking.left_out),
    )  # fmt: skip
    if not vpcs:
        raise BadScene(f"{where}: holds no VPC that the lab can build; expected one with its blocks known")
    check(scene, Places(where))
    return scene


def _vpcs(taking: Taking) -> dict[str, Vpc]:
    found = {}
    for id, vpc in taking.estate.vpcs.items():
        four = tuple(cidr(span) for span in vpc.cidrs if span[0] < V6)
        six = [cidr(span) for span in vpc.cidrs if span[0] >= V6]
        if not four:
            taking.leave(f"VPC {vpc.name or id}", "its IPv4 blocks are not known")
            continue
        inhabited = any(one.vpc == id for one in taking.estate.interfaces.values())
        if four == ("172.31.0.0/16",) and not inhabited:
            taking.leave(f"VPC {vpc.name or id}", "it has the block of AWS's default VPC, and nothing stands in it")
            continue
        taking.region = taking.region or vpc.region or ""
        name = taking.name("vpcs", id, vpc.name)
        for extra in six[1:]:
            taking.leave(f"VPC {name}", f"the lab's VPCs have one IPv6 block; {extra} is a further one")
        for gateway in vpc.hidden_gateways:
            why = "whether there is one is not known" if "not known" in gateway else "the lab has nothing of its kind"
            taking.leave(f"gateway {gateway}", f"{why} (VPC {name})")
        for gateway in vpc.maybe_internet_gateways:
            taking.leave(f"internet gateway {gateway}", f"whether it is attached to {name} is not known")
        for group in vpc.shared_groups:
            taking.leave(f"group {group}", f"its association with another VPC, {name}")
        found[name] = Vpc(name, four, six[0] if six else "")
    return found


def _subnets(taking: Taking, vpcs: dict[str, Vpc]) -> dict[str, Subnet]:
    found = {}
    for count, (id, subnet) in enumerate(taking.estate.subnets.items()):
        vpc = taking.known("vpcs", subnet.vpc)
        four = [cidr(span) for span in subnet.cidrs if span[0] < V6]
        six = [cidr(span) for span in subnet.cidrs if span[0] >= V6]
        if not vpc:
            continue  # with its VPC
        if not four:
            taking.leave(f"subnet {subnet.name or id}", "its IPv4 block is not known, or it has none")
            continue
        zone = subnet.zone or "abc"[count % 3]
        if taking.region and zone.startswith(taking.region) and len(zone) == len(taking.region) + 1:
            zone = zone[-1]
        if six and not vpcs[vpc].ipv6:
            taking.leave(f"subnet {subnet.name or id}", "its IPv6 block, as that of its VPC is not known")
            six = []
        name = taking.name("subnets", id, subnet.name)
        acl = taking.name("acls", subnet.acl, _name(taking, "acls", subnet.acl)) if subnet.acl else ""
        table = subnet.route_table or ""
        table = taking.name("route_tables", table, _name(taking, "route_tables", table)) if table else ""
        if subnet.acl is None or subnet.route_table is None:
            taking.leave(f"subnet {name}", "its ACL or route table is not known; it has the VPC's default one")
        found[name] = Subnet(name, vpc, four[0], zone, six[0] if six else "", acl=acl, route_table=table)
    return found


def _name(taking: Taking, section: str, id: str | None) -> str:
    one = getattr(taking.estate, section).get(id)
    return one.name if one is not None else ""


def _gateways(taking: Taking, vpcs: dict[str, Vpc]) -> dict[str, Gateway]:
    found = {}
    for id, vpc in taking.estate.vpcs.items():
        name = taking.known("vpcs", id)
        if not name:
            continue
        for kind, short, listed in (
            ("internet", "igw", vpc.internet_gateways), ("egress-only", "eigw", vpc.egress_only_gateways),
        ):  # fmt: skip
            for gateway in listed[:1]:
                called = taking.name("gateways", gateway, f"{name}-{short}")
                found[called] = Gateway(called, kind, name)
            for gateway in listed[1:]:
                taking.leave(f"gateway {gateway}", f"{name} has another of kind {kind}")
    return found


def _nat_gateways(taking: Taking, subnets: dict[str, Subnet]) -> dict[str, Gateway]:
    found = {}
    for id, one in taking.estate.nat_gateways.items():
        subnet = taking.known("subnets", one.subnet)
        what = f"NAT gateway {one.name or id}"
        if not one.is_public or not one.available or not subnet:
            why = "it is a private one" if not one.is_public else "it is not available, or its subnet is not known"
            taking.leave(what, why)
            continue
        if not any(vpc.internet_gateways for key, vpc in taking.estate.vpcs.items() if key == one.vpc or not one.vpc):
            taking.leave(what, "its VPC has no internet gateway")
            continue
        if len(one.private) > 1:
            taking.leave(what, "its secondary addresses")
        name = taking.name("gateways", id, one.name)
        address = taking.address(one.private[0]) if one.private else ""
        public = taking.address(one.public[0]) if one.public else ""
        found[name] = Gateway(name, "nat", subnet=subnet, address=address, public=public)
    return found


def _peerings(taking: Taking, vpcs: dict[str, Vpc]) -> dict[str, Peering]:
    found: dict[str, Peering] = {}
    for id, one in taking.estate.peerings.items():
        names = tuple(taking.known("vpcs", vpc) for vpc in one.vpcs)
        if not one.active or not all(names):
            why = "it is not active" if not one.active else "one of its VPCs is not in the scene"
            taking.leave(f"peering {one.name or id}", why)
            continue
        name = taking.name("peerings", id, one.name)
        found[name] = Peering(name, (names[0], names[1]))
    return found


def _route_tables(taking: Taking, vpcs: dict[str, Vpc]) -> dict[str, RouteTable]:
    found = {}
    for id, table in taking.estate.route_tables.items():
        vpc = taking.known("vpcs", table.vpc or "")
        if not vpc:
            continue  # with its VPC
        if table.gateway_association:
            taking.leave(f"route table {table.name or id}", "the lab has no tables at gateways (ingress routing)")
            continue
        name = taking.name("route_tables", id, table.name)
        found[name] = RouteTable(name, vpc, _routes(taking, name, table, vpcs[vpc]), table.main)
    return found


def _routes(taking: Taking, name: str, table: EstateTable, vpc: Vpc) -> dict[str, str]:
    found: dict[str, str] = {}
    for route in table.routes:
        if route.kind == "local":
            continue
        if isinstance(route.destination, str):
            listed = taking.known("prefix_lists", route.destination)
            destination = f"prefix-list:{listed}" if listed else ""
        else:
            destination = cidr(route.destination)
        target, why = _target(taking, route, destination)
        if target and destination and destination not in (*vpc.cidr, vpc.ipv6):
            found[destination] = target
        else:
            what = destination or str(route.destination)
            taking.leave(f"route {what} of {name} through {route.target}", why or "its destination is not known")
    return found


def _target(taking: Taking, route: Route, destination: str) -> tuple[str, str]:
    """A route's target in the scene's words, or nothing and why not."""
    if not route.certain:
        return "", "whether it exists is not known"
    if route.kind == "unmodelled":
        host = taking.known("hosts", route.target)
        return (f"host:{host}", "") if host else ("", _UNLOOKED["unmodelled"])
    if route.kind in _UNLOOKED:
        return "", _UNLOOKED[route.kind]
    section = "peerings" if route.kind == "peering" else "gateways"
    name = taking.known(section, route.target)
    if not name:
        return "", "what it leads through is not in the scene"
    if route.kind == "nat-gateway" and ":" in destination:
        return "", "the lab's NAT gateways take IPv4 alone"
    return f"{section[:-1]}:{name}", ""
