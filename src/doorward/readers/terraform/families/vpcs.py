"""VPCs, their address ranges and the gateways attached to them; peering connections.

Routes and subnets are in ``subnets``, transit gateways in ``transit``.
"""

from __future__ import annotations

from doorward.model.addresses import V4_ALL, V6_ALL, parse_network
from doorward.model.estate import Acl, AclEntry, Peering, Route, RouteTable, Vpc
from doorward.model.intervals import Span
from doorward.model.rules import Group, GroupPeer, Rule
from doorward.model.services import ALL_SPAN
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View, stand_in


def read_vpcs(scene: Scene) -> None:
    """aws_vpc, its further ranges, and what AWS makes with it."""
    for view in scene.instances("aws_vpc", "aws_default_vpc"):
        cidrs = spans(scene, view, "cidr_block", "ipv6_cidr_block")
        for block in view.blocks("cidr_block_associations"):
            cidrs += tuple(one for one in spans(scene, block, "cidr_block") if one not in cidrs)
        id = view.id
        scene.put(
            "vpcs", id,
            Vpc(
                id, cidrs, name=name_of(view), tags=view.tags(), owner=view.text("owner_id"),
                region=region_of(view), origin=view.address,
            ),
            view.address,
        )  # fmt: skip
        for attribute in ("main_route_table_id", "default_route_table_id"):
            table = view.text(attribute)
            if table:
                scene.mains[id] = table
                break
        if acl := view.text("default_network_acl_id"):
            scene.default_acls[id] = acl
        if scene.is_new(view.instance) and view.instance.type == "aws_vpc":
            _made_with(scene, view, cidrs)
    for view in scene.instances("aws_vpc_ipv4_cidr_block_association", "aws_vpc_ipv6_cidr_block_association"):
        vpc = view.one("vpc_id", "vpc").id
        if vpc:
            scene.extend("vpcs", vpc, "cidrs", spans(scene, view, "cidr_block", "ipv6_cidr_block"))


def _made_with(scene: Scene, view: View, cidrs: tuple[Span, ...]) -> None:
    """A new VPC comes with a main table, an open ACL and a default group (VPC User Guide, *Default VPC components*)."""
    id, address = view.id, view.address
    table = stand_in(view.instance, "default_route_table_id")
    acl = stand_in(view.instance, "default_network_acl_id")
    group = stand_in(view.instance, "default_security_group_id")
    scene.put("route_tables", table, RouteTable(table, id, local_routes(cidrs), main=True, origin=address))
    scene.mains[id] = table
    scene.put("acls", acl, Acl(acl, id, open_entries(), is_default=True, origin=address))
    scene.default_acls[id] = acl
    scene.put("groups", group, Group(group, name="default", vpc=id, origin=address))
    scene.rules[group] = [
        Rule("ingress", ALL_SPAN, GroupPeer(group), origin=address),
        Rule("egress", ALL_SPAN, V4_ALL, origin=address),
        Rule("egress", ALL_SPAN, V6_ALL, origin=address),
    ]


def local_routes(cidrs: tuple[Span, ...]) -> tuple[Route, ...]:
    """The routes that every table has."""
    return tuple(Route(cidr, "local", "local") for cidr in cidrs)


def open_entries() -> tuple[AclEntry, ...]:
    """The entries of a VPC's default ACL (VPC User Guide, *Default network ACL*)."""
    return tuple(
        AclEntry(number, egress, True, ALL_SPAN, cidr)
        for number, cidr in ((100, V4_ALL), (101, V6_ALL))
        for egress in (False, True)
    )


def read_gateways(scene: Scene) -> None:
    """Internet, egress-only, virtual private and carrier gateways, with their VPCs."""
    for view in scene.instances("aws_internet_gateway"):
        scene.alias(view.address, view.id)
        vpcs = [view.one("vpc_id", "vpc").id] + [block.text("vpc_id") for block in view.blocks("attachments")]
        for vpc in dict.fromkeys(vpcs):
            if vpc:
                scene.extend("vpcs", vpc, "internet_gateways", (view.id,))
        _perhaps(scene, view, "maybe_internet_gateways", view.id)
    for view in scene.instances("aws_internet_gateway_attachment"):
        gateway = view.one("internet_gateway_id", "internet-gateway").id
        vpc = view.one("vpc_id", "vpc").id
        if gateway and vpc:
            scene.extend("vpcs", vpc, "internet_gateways", (gateway,))
        else:
            _perhaps(scene, view, "maybe_internet_gateways", gateway or view.address)
    for view in scene.instances("aws_egress_only_internet_gateway"):
        scene.alias(view.address, view.id)
        if vpc := view.one("vpc_id", "vpc").id:
            scene.extend("vpcs", vpc, "egress_only_gateways", (view.id,))
        _perhaps(scene, view, "egress_only_gateways", view.id)
    for view in scene.instances("aws_vpn_gateway", "aws_ec2_carrier_gateway"):
        if vpc := view.one("vpc_id", "vpc").id:
            scene.extend("vpcs", vpc, "hidden_gateways", (view.id,))
        _perhaps(scene, view, "hidden_gateways", view.id)
    for view in scene.instances("aws_vpn_gateway_attachment"):
        gateway, vpc = view.text("vpn_gateway_id") or view.address, view.one("vpc_id", "vpc").id
        if vpc:
            scene.extend("vpcs", vpc, "hidden_gateways", (gateway,))
        _perhaps(scene, view, "hidden_gateways", gateway)


def _perhaps(scene: Scene, view: View, field: str, gateway: str) -> None:
    """A gateway of an unknown VPC: it may be in any. A notice keeps what needs it from being certain."""
    ref = view.one("vpc_id", "vpc")
    if view.unsettled("vpc_id") and ref.id is None:
        for vpc in ref.ids or tuple(scene.elements["vpcs"]):
            scene.extend("vpcs", vpc, field, (gateway,))
            more = field == "egress_only_gateways"  # the others are asked in the upper bound only
            scene.notice(view.address, "the VPC it is attached to is not known before the apply", vpc, more)


def read_peerings(scene: Scene) -> None:
    """aws_vpc_peering_connection and its accepter."""
    accepted: set[str] = set()
    for view in scene.instances("aws_vpc_peering_connection_accepter", data=False):
        id = view.one("vpc_peering_connection_id", "peering").id
        if id and (view.flag("auto_accept") or view.text("accept_status") == "active"):
            accepted.add(id)
    for view in scene.instances("aws_vpc_peering_connection"):
        sides = view.one("vpc_id", "vpc").id or "", view.one("peer_vpc_id", "vpc").id or ""
        status = view.text("accept_status") or view.text("status")
        active = status == "active" or view.id in accepted or (status is None and view.flag("auto_accept") is True)
        ends = tuple(_vpc_cidrs(scene, vpc) for vpc in sides)
        for at, name in enumerate(("cidr_block", "peer_cidr_block")):
            if not ends[at] and view.text(name):
                ends = (*ends[:at], spans(scene, view, name), *ends[at + 1 :])
        scene.put(
            "peerings", view.id,
            Peering(
                view.id, sides, (ends[0], ends[1]), active, (region_of(view), view.text("peer_region")),
                (view.text("owner_id"), view.text("peer_owner_id")), name_of(view), view.address,
            ),
            view.address,
        )  # fmt: skip
        if not active:
            scene.notice(view.address, "the peering is not accepted as far as the plan shows: it passes nothing")


def _vpc_cidrs(scene: Scene, vpc: str) -> tuple[Span, ...]:
    found = scene.find("vpcs", vpc) if vpc else None
    return found.cidrs if found is not None else ()


def spans(scene: Scene, view: View, *attributes: str) -> tuple[Span, ...]:
    """The CIDRs of text attributes; one that is not known yet is named."""
    found: list[Span] = []
    for attribute in attributes:
        text = view.text(attribute)
        if text:
            try:
                found.append(parse_network(text))
            except ValueError:
                scene.notice(view.address, f"{attribute} is {text!r}, which is not a network: left out")
        elif attribute == "cidr_block" and view.unsettled(attribute):
            scene.notice(view.address, f"{attribute} is not known before the apply")
    return tuple(dict.fromkeys(found))


def name_of(view: View) -> str:
    """The Name tag, else the Terraform address."""
    return dict(view.tags()).get("Name", "") or view.address


def region_of(view: View) -> str | None:
    """The region, from the attribute (provider 6) or the ARN."""
    region = view.text("region")
    if region:
        return region
    arn = (view.text("arn") or "").split(":")
    return arn[3] if len(arn) > 3 and arn[3] else None
