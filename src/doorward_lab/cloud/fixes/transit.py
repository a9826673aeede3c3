"""Transit gateways: default association and propagation as their options say, propagated routes in searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud import routing
from doorward_lab.cloud.addresses import parsed
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError


@corrects("CreateTransitGatewayVpcAttachment")
def attach(turn: Turn) -> Answer:
    """An attachment is associated with the default table, and propagates to it, unless the gateway's options
    disable that.

    EC2 API Reference, TransitGatewayRequestOptions. moto associates always and never propagates.
    """
    ec2 = turn.ec2
    before = set(ec2.transit_gateway_attachments)
    answer = turn.done()
    made = next(one for id, one in ec2.transit_gateway_attachments.items() if id not in before)
    gateway = ec2.transit_gateways[made.transit_gateway_id]
    table = gateway.options["AssociationDefaultRouteTableId"]
    if gateway.options.get("DefaultRouteTableAssociation") == "enable":
        made._association_data = {"state": "associated", "transitGatewayRouteTableId": table}
    else:
        for one in ec2.transit_gateways_route_tables.values():
            one.route_table_associations.pop(made.id, None)
    if gateway.options.get("DefaultRouteTablePropagation") == "enable":
        ec2.enable_transit_gateway_route_table_propagation(made.id, gateway.options["PropagationDefaultRouteTableId"])
    return answer


@corrects("DeleteTransitGatewayVpcAttachment")
def detach(turn: Turn) -> Answer:
    """Its associations and propagations go with it."""
    id, ec2 = turn.params.get("TransitGatewayAttachmentId"), turn.ec2
    if id not in ec2.transit_gateway_attachments:
        text = f"Transit Gateway Attachment {id} was deleted or does not exist."
        raise ApiError("InvalidTransitGatewayAttachmentID.NotFound", text)
    answer = turn.done()
    for table in ec2.transit_gateways_route_tables.values():
        table.route_table_associations.pop(id, None)
        table.route_table_propagation = [
            one for one in table.route_table_propagation if one.transitGatewayAttachmentId != id
        ]
    ec2.transit_gateway_associations.pop(id, None)
    ec2.transit_gateway_propagations.pop(id, None)
    return answer


@corrects("AssociateTransitGatewayRouteTable")
def associate(turn: Turn) -> Answer:
    """An attachment has one table (Transit Gateways, "Transit gateway route tables"): a second is refused."""
    id = turn.params.get("TransitGatewayAttachmentId")
    for table in turn.ec2.transit_gateways_route_tables.values():
        if id in table.route_table_associations:
            text = f"Transit Gateway Attachment {id} is already associated to a route table."
            raise ApiError("Resource.AlreadyAssociated", text)
    return turn.done()


@corrects("DisassociateTransitGatewayRouteTable")
def disassociate(turn: Turn) -> Answer:
    """Also of the association that came with the attachment, which moto keeps no record of."""
    ec2, id = turn.ec2, turn.params.get("TransitGatewayAttachmentId")
    table = ec2.transit_gateways_route_tables.get(turn.params.get("TransitGatewayRouteTableId"))
    if table is None or id not in table.route_table_associations:
        raise ApiError(
            "InvalidAssociation.NotFound", f"Transit Gateway Attachment {id} is not associated with the table."
        )
    if id not in ec2.transit_gateway_associations:
        table.route_table_associations.pop(id)
        ec2.associate_transit_gateway_route_table(id, table.id)
    return turn.done()


@corrects("SearchTransitGatewayRoutes")
def search(turn: Turn) -> Mapping[str, Any]:
    """Static and propagated routes (EC2 API Reference, SearchTransitGatewayRoutes)."""
    ec2, id = turn.ec2, turn.params.get("TransitGatewayRouteTableId")
    table = ec2.transit_gateways_route_tables.get(id)
    if table is None:
        raise ApiError(
            "InvalidRouteTableID.NotFound", f"Transit Gateway Route Table {id} was deleted or does not exist."
        )
    static = {cidr for cidr, route in table.routes.items() if route.get("state") != "deleted"}
    found = [
        _view(ec2, cidr, to, "static" if cidr in static else "propagated")
        for cidr, to in routing.transit_routes(ec2, table)
    ]
    for one in turn.params.get("Filters") or ():
        found = [route for route in found if _matches(route, str(one.get("Name")), list(one.get("Values") or ()))]
    most = int(turn.params.get("MaxResults") or 1000)
    return {"Routes": found[:most], "AdditionalRoutesAvailable": len(found) > most}


def _view(ec2: Any, cidr: str, to: str | None, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {"DestinationCidrBlock": cidr, "Type": kind, "State": "active" if to else "blackhole"}
    if to is not None:
        one = ec2.transit_gateway_attachments[to]
        entry = {"ResourceId": one.resource_id, "ResourceType": one.resource_type, "TransitGatewayAttachmentId": to}
        found["TransitGatewayAttachments"] = [entry]
    return found


def _matches(route: Mapping[str, Any], name: str, values: list[str]) -> bool:
    attached = (route.get("TransitGatewayAttachments") or [{}])[0]
    fields = {
        "type": route["Type"],
        "state": route["State"],
        "attachment.transit-gateway-attachment-id": attached.get("TransitGatewayAttachmentId"),
        "attachment.resource-id": attached.get("ResourceId"),
        "attachment.resource-type": attached.get("ResourceType"),
        "route-search.exact-match": route["DestinationCidrBlock"],
    }
    if name in fields:
        return fields[name] in values
    mine = parsed(route["DestinationCidrBlock"])
    for value in values:
        asked = parsed(value)
        if mine.version != asked.version:
            continue
        if name == "route-search.subnet-of-match" and mine.subnet_of(asked):  # type: ignore[arg-type]  # same family
            return True
        if name == "route-search.supernet-of-match" and asked.subnet_of(mine):  # type: ignore[arg-type]  # same family
            return True
        if name == "route-search.longest-prefix-match" and asked.subnet_of(mine):  # type: ignore[arg-type]
            return True
    return False
