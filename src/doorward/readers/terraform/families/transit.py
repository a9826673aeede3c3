"""Transit gateways: attachments, route tables, associations, propagations and static routes."""

from __future__ import annotations

from dataclasses import replace

from doorward.model.addresses import parse_network
from doorward.model.estate import TransitAttachment, TransitGateway, TransitRoute
from doorward.readers.terraform.families.vpcs import name_of
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import View, stand_in


def read_transit(scene: Scene) -> None:
    """All aws_ec2_transit_gateway* resources that carry traffic between VPCs."""
    defaults: dict[str, tuple[str | None, str | None]] = {}
    tables: dict[str, str] = {}
    for view in scene.instances("aws_ec2_transit_gateway"):
        associate = _default_table(view, "association_default_route_table_id", "default_route_table_association")
        propagate = _default_table(view, "propagation_default_route_table_id", "default_route_table_propagation")
        defaults[view.id] = associate, propagate
        made = {table: () for table in (associate, propagate) if table} if scene.is_new(view.instance) else {}
        tables.update(dict.fromkeys((one for one in (associate, propagate) if one), view.id))
        scene.put(
            "transit_gateways", view.id,
            TransitGateway(
                view.id, (), made, view.text("security_group_referencing_support") == "enable", name_of(view),
                view.address,
            ),
            view.address,
        )  # fmt: skip
    for view in scene.instances("aws_ec2_transit_gateway_route_table"):
        gateway = view.one("transit_gateway_id", "transit-gateway").id
        scene.alias(view.address, view.id)
        if gateway is not None:
            tables[view.id] = gateway
            _table(scene, gateway, view.id, ())
    attachments = _attachments(scene, defaults)
    for view in scene.instances("aws_ec2_transit_gateway_route_table_association", data=False):
        attachment = view.one("transit_gateway_attachment_id", "transit-attachment").id
        table = view.one("transit_gateway_route_table_id", "transit-table").id
        if attachment in attachments and attachment is not None:
            _change(scene, attachments[attachment], attachment, table)
        elif attachment is None or table is None:
            scene.notice(view.address, "what it associates is not known before the apply", None, True)
    for view in scene.instances("aws_ec2_transit_gateway_route_table_propagation", data=False):
        attachment = view.one("transit_gateway_attachment_id", "transit-attachment").id
        table = view.one("transit_gateway_route_table_id", "transit-table").id
        if attachment is None or table is None or table not in tables:
            scene.notice(view.address, "what it propagates is not known", None, True)
            continue
        _propagate(scene, tables[table], table, attachment)
    for view in scene.instances("aws_ec2_transit_gateway_route", data=False):
        table = view.one("transit_gateway_route_table_id", "transit-table").id
        text = view.text("destination_cidr_block")
        if table is None or text is None or table not in tables:
            scene.notice(view.address, "its table or destination is not known", None, True)
            continue
        attachment = (
            None if view.flag("blackhole") else view.one("transit_gateway_attachment_id", "transit-attachment").id
        )
        try:
            route = TransitRoute(parse_network(text), attachment)
        except ValueError as error:
            scene.notice(view.address, f"{error}: the route is left out", None, True)
            continue
        _table(scene, tables[table], table, (route,))


def _default_table(view: View, attribute: str, switch: str) -> str | None:
    if view.text(switch) == "disable":
        return None
    return view.text(attribute) or stand_in(view.instance, attribute)


def _table(scene: Scene, gateway: str, table: str, routes: tuple[TransitRoute, ...]) -> None:
    found = scene.ensure("transit_gateways", gateway)
    old = found.tables.get(table, ())
    scene.edit(
        "transit_gateways", gateway, tables={**found.tables, table: (*old, *(one for one in routes if one not in old))}
    )


def _attachments(scene: Scene, defaults: dict[str, tuple[str | None, str | None]]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for view in scene.instances("aws_ec2_transit_gateway_vpc_attachment"):
        gateway, vpc = view.one("transit_gateway_id", "transit-gateway").id, view.one("vpc_id", "vpc").id
        if gateway is None or vpc is None:
            scene.notice(view.address, "its gateway or VPC is not known before the apply", vpc, True)
            continue
        associate, propagate = defaults.get(gateway, (None, None))
        # The provider's defaults are true, but a shared gateway cannot be changed so and reads back as it is.
        table = associate if view.flag("transit_gateway_default_route_table_association") is not False else None
        found = scene.ensure("transit_gateways", gateway)
        attachment = TransitAttachment(
            view.id, gateway, "vpc", vpc, view.many("subnet_ids", "subnet").certain, table,
            view.text("security_group_referencing_support") != "disable", origin=view.address,
        )  # fmt: skip
        scene.edit("transit_gateways", gateway, attachments=(*found.attachments, attachment))
        scene.alias(view.address, view.id)
        owners[view.id] = gateway
        if propagate and view.flag("transit_gateway_default_route_table_propagation") is not False:
            _propagate(scene, gateway, propagate, view.id)
    for kind, types in (
        ("vpn", ("aws_vpn_connection",)),
        ("peering", ("aws_ec2_transit_gateway_peering_attachment",)),
        ("connect", ("aws_ec2_transit_gateway_connect",)),
    ):
        for view in scene.instances(*types, data=False):
            gateway = view.one("transit_gateway_id", "transit-gateway").id
            if gateway is None:
                continue
            id = view.text("transit_gateway_attachment_id") or view.id
            found = scene.ensure("transit_gateways", gateway)
            attachment = TransitAttachment(id, gateway, kind, origin=view.address)
            scene.edit("transit_gateways", gateway, attachments=(*found.attachments, attachment))
            scene.alias(view.address, id)
            owners[id] = gateway
    return owners


def _change(scene: Scene, gateway: str, attachment: str, table: str | None) -> None:
    found = scene.ensure("transit_gateways", gateway)
    scene.edit(
        "transit_gateways", gateway,
        attachments=tuple(
            replace(one, route_table=table) if one.id == attachment else one for one in found.attachments
        ),
    )  # fmt: skip


def _propagate(scene: Scene, gateway: str, table: str, attachment: str) -> None:
    found = scene.ensure("transit_gateways", gateway)
    resource = next((one.resource for one in found.attachments if one.id == attachment), "")
    network = scene.find("vpcs", resource) if resource else None
    if network is None:
        scene.notice(attachment, f"what it propagates into {table} is not known", None, True)
        return
    _table(scene, gateway, table, tuple(TransitRoute(cidr, attachment, True) for cidr in network.cidrs))
