"""Subnets, route tables with their routes and associations, NAT gateways and their addresses.

Network ACLs are in ``acls``; what routes lead to is defined in ``vpcs`` and ``transit``.
"""

from __future__ import annotations

from doorward.model.addresses import V4_ALL, V6_ALL, parse_address, parse_network
from doorward.model.estate import NatGateway, Route, RouteTable, Subnet, TargetKind
from doorward.model.intervals import Span
from doorward.readers.terraform.families.mirrors import mirrored_blocks
from doorward.readers.terraform.families.vpcs import local_routes, name_of, region_of, spans
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View, stand_in

TABLES = ("aws_route_table", "aws_default_route_table")
# attribute of a route → (kind of target, kind of reference or None)
_TARGETS: tuple[tuple[str, TargetKind, str | None], ...] = (
    ("egress_only_gateway_id", "egress-only-gateway", "egress-only-gateway"),
    ("nat_gateway_id", "nat-gateway", "nat-gateway"),
    ("vpc_peering_connection_id", "peering", "peering"),
    ("transit_gateway_id", "transit-gateway", "transit-gateway"),
    ("vpc_endpoint_id", "endpoint", "endpoint"),
    ("network_interface_id", "unmodelled", "interface"),
    ("instance_id", "unmodelled", "instance"),
    ("carrier_gateway_id", "unmodelled", None),
    ("local_gateway_id", "unmodelled", None),
    ("core_network_arn", "unmodelled", None),
    ("odb_network_arn", "unmodelled", None),
)
_DESTINATIONS = ("destination_cidr_block", "destination_ipv6_cidr_block", "cidr_block", "ipv6_cidr_block")


def read_subnets(scene: Scene) -> None:
    """aws_subnet and aws_default_subnet."""
    for view in scene.instances("aws_subnet", "aws_default_subnet"):
        vpc = view.one("vpc_id", "vpc")
        if vpc.id is None:
            scene.notice(view.address, "the VPC of this subnet is not known before the apply")
        scene.put(
            "subnets", view.id,
            Subnet(
                view.id, vpc.id or "", spans(scene, view, "cidr_block", "ipv6_cidr_block"),
                zone=view.text("availability_zone"), name=name_of(view), tags=view.tags(), origin=view.address,
                owner=view.text("owner_id"), region=region_of(view),
            ),
            view.address,
        )  # fmt: skip
        if vpc.id:
            scene.ensure("vpcs", vpc.id)


def read_route_tables(scene: Scene) -> None:
    """Tables with their inline routes, then aws_route."""
    for view in scene.instances(*TABLES):
        id = view.id
        default = view.instance.type == "aws_default_route_table"
        if default:
            id = view.one("default_route_table_id", "route-table").id or view.id
        vpc = view.one("vpc_id", "vpc").id or next((v for v, table in scene.mains.items() if table == id), None)
        if vpc is None and (held := scene.find("route_tables", id)) is not None:
            vpc = held.vpc
        network = scene.find("vpcs", vpc) if vpc else None
        blocks, mirrored = mirrored_blocks(scene, view, "route")
        if view.instance.mode == "data":
            blocks = view.blocks("routes")
        routes = [route for block in blocks if (route := _route(scene, block)) is not None]
        if view.unknown.get("route") is True and scene.world.configuration.configured(view.instance, "route"):
            name = view.where("route")
            routes = [Route(cidr, "unknown", name, False, view.address, False) for cidr in (V4_ALL, V6_ALL)]
        if mirrored:
            gone = _standalone_before(scene, id)
            routes = [route for route in routes if route.destination not in gone]
        local = local_routes(network.cidrs) if network is not None else ()
        known = {route.destination for route in routes}
        routes = [*(route for route in local if route.destination not in known), *routes]
        main = scene.mains.get(vpc or "") == id
        scene.put(
            "route_tables", id,
            RouteTable(id, vpc, tuple(routes), name_of(view), main or default, origin=view.address), view.address,
        )  # fmt: skip
        if default and vpc:
            scene.mains.setdefault(vpc, id)
        if default and scene.is_new(view.instance):
            scene.taken["route_tables", id] = view.address
        if view.texts("propagating_vgws"):
            scene.notice(view.address, "routes propagated by a virtual private gateway are not in a plan", vpc)
        for block in view.blocks("associations") if view.instance.mode == "data" else ():
            if (subnet := block.text("subnet_id")) is not None:
                _associate(scene, subnet, id)
    for view in scene.instances("aws_route", data=False):
        target = view.one("route_table_id", "route-table")
        route = _route(scene, view)
        scene.alias(view.address, view.id)
        if route is None:
            continue
        for id in target.ids:
            one = route if target.certain else route._replace(certain=False)
            table = scene.ensure("route_tables", id)
            scene.edit("route_tables", id, routes=(*table.routes, one))
        if not target.ids:
            scene.notice(view.address, "the table of this route is not known before the apply", None, True)


def _standalone_before(scene: Scene, table: str) -> set[Span | str]:
    gone: set[Span | str] = set()
    for one in scene.world.of_type("before", "aws_route"):
        if one.values.get("route_table_id") == table:
            destination = _destination(scene, scene.world.view(one))
            if destination is not None:
                gone.add(destination)
    return gone


def _destination(scene: Scene, view: View) -> Span | str | None:
    for attribute in _DESTINATIONS:
        text = view.text(attribute)
        if text:
            try:
                return parse_network(text)
            except ValueError as error:
                scene.notice(view.address, f"{error}: the route is left out")
                return None
    for attribute in ("destination_prefix_list_id", "prefix_list_id"):
        ref = view.one(attribute, "prefix-list")
        if ref.ids:
            return ref.ids[0]
    return None


def _route(scene: Scene, view: View) -> Route | None:
    destination = _destination(scene, view)
    certain = True
    if destination is None:
        unsure = [name for name in (*_DESTINATIONS, "destination_prefix_list_id") if view.unsettled(name)]
        if not unsure:
            if view.values or view.unknown:
                scene.notice(view.address, "a route without a destination: left out")
            return None
        certain = False
        destination = V6_ALL if "ipv6" in unsure[0] else V4_ALL
    kind, target, sure = _target(scene, view)
    return Route(destination, kind, target, False, view.address, certain and sure)


def _target(scene: Scene, view: View) -> tuple[TargetKind, str, bool]:
    for attribute, kind, reference in _TARGETS:
        if reference is None:
            if view.text(attribute) or view.unsettled(attribute):
                return kind, view.text(attribute) or view.where(attribute), True
            continue
        ref = view.one(attribute, reference)
        if ref.certain and ref.ids:
            return kind, ref.ids[0], True
        if not ref.certain:
            return (kind, ref.ids[0], False) if len(ref.ids) == 1 else ("unknown", view.where(attribute), False)
    ref = view.one("gateway_id", "internet-gateway")
    text = ref.id
    if text == "local":
        return "local", "local", True
    if text is not None:
        if text.startswith("vpce-"):
            return "endpoint", text, True
        gateway = text.startswith("igw-") or not text.startswith(("vgw-", "lgw-", "cagw-"))
        return ("internet-gateway", text, True) if gateway else ("unmodelled", text, True)
    if not ref.certain:
        if len(ref.ids) == 1:
            return "internet-gateway", ref.ids[0], False
        hidden = view.one("gateway_id", "vpn-gateway")
        return ("unmodelled", hidden.id, True) if hidden.id else ("unknown", view.where("gateway_id"), False)
    return "blackhole", "none", True


def read_associations(scene: Scene) -> None:
    """Which table each subnet uses, and which is a VPC's main one."""
    for view in scene.instances("aws_main_route_table_association", data=False):
        vpc, table = view.one("vpc_id", "vpc").id, view.one("route_table_id", "route-table").id
        if vpc and table:
            old = scene.mains.get(vpc)
            if old is not None and old in scene.elements["route_tables"]:
                scene.edit("route_tables", old, main=False)
            scene.edit("route_tables", table, main=True)
            scene.mains[vpc] = table
    for view in scene.instances("aws_route_table_association", data=False):
        served, subnet = view.one("route_table_id", "route-table"), view.one("subnet_id", "subnet")
        if view.text("gateway_id") or view.unsettled("gateway_id"):
            gateway = view.one("gateway_id", "internet-gateway").id or view.where("gateway_id")
            for id in served.ids:
                scene.edit("route_tables", id, gateway_association=gateway)
            continue
        if subnet.id is None or served.id is None:
            for id in subnet.ids:
                _associate(scene, id, None)
            scene.notice(view.address, "which table serves which subnet is not known before the apply")
            continue
        _associate(scene, subnet.id, served.id)


def _associate(scene: Scene, subnet: str, table: str | None) -> None:
    scene.edit("subnets", subnet, route_table=table)
    scene.tied.add(subnet)
    if table is not None:
        scene.ensure("route_tables", table)


def read_nat_gateways(scene: Scene) -> None:
    """aws_nat_gateway with its addresses."""
    for view in scene.instances("aws_nat_gateway"):
        subnet = view.one("subnet_id", "subnet").id or ""
        public: list[int] = []
        unknown = False
        text = view.text("public_ip") or _eip(scene, view)
        if text is not None:
            public.append(_address(text) or 0)
        is_public = view.text("connectivity_type") != "private"
        if is_public and not [one for one in public if one]:
            unknown = True
        private = [one for text in (view.text("private_ip"),) if text and (one := _address(text)) is not None]
        state = view.text("state")
        scene.put(
            "nat_gateways", view.id,
            NatGateway(
                view.id, subnet, scene.vpc_of(subnet), tuple(one for one in public if one), tuple(private),
                state in (None, "available", "pending"), is_public, name_of(view), view.address, unknown,
            ),
            view.address,
        )  # fmt: skip
        if unknown:
            scene.notice(view.address, "its public address is not known before the apply", scene.vpc_of(subnet) or None)
        if subnet:
            scene.ensure("subnets", subnet)


def _eip(scene: Scene, view: View) -> str | None:
    allocation = view.one("allocation_id", "eip")
    return scene.eips.get(allocation.id or "")


def _address(text: str) -> int | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


def read_addresses(scene: Scene) -> None:
    """Public addresses by allocation: what aws_eip is known to be."""
    for view in scene.instances("aws_eip"):
        text = view.text("public_ip")
        scene.alias(view.address, view.id)
        for id in {view.id, view.text("allocation_id") or "", stand_in(view.instance, "id")}:
            if text and id:
                scene.eips[id] = text
