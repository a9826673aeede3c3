"""What a call names must exist: AWS's NotFound for each kind, before moto answers an empty list or fails.

EC2 API Reference, "Error codes". Kinds whose corrections check for themselves (groups, interfaces, rules) are not here.
"""

from __future__ import annotations

from typing import Any

from doorward_lab.cloud.turn import Turn
from doorward_lab.cloud.wire import ApiError

KINDS = {
    "NatGatewayId": ("nat_gateways", "NatGatewayNotFound", "NAT gateway {} was not found"),
    "NetworkAclId": ("network_acls", "InvalidNetworkAclID.NotFound", "The networkAcl ID '{}' does not exist"),
    "RouteTableId": ("route_tables", "InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist"),
    "TransitGatewayId": (
        "transit_gateways", "InvalidTransitGatewayID.NotFound", "Transit Gateway {} was deleted or does not exist.",
    ),
    "TransitGatewayRouteTableId": (
        "transit_gateways_route_tables", "InvalidRouteTableID.NotFound",
        "Transit Gateway Route Table {} was deleted or does not exist.",
    ),
    "TransitGatewayAttachmentId": (
        "transit_gateway_attachments", "InvalidTransitGatewayAttachmentID.NotFound",
        "Transit Gateway Attachment {} was deleted or does not exist.",
    ),
    "VpcId": ("vpcs", "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist"),
    "VpcPeeringConnectionId": (
        "vpc_pcxs", "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '{}' does not exist",
    ),
}  # fmt: skip
"""Field of a call (also in the plural, and numbered) → moto's collection, AWS's code, and its message."""


def check(turn: Turn) -> None:
    """Refuse a call that names something that is not there.

    Raises:
        ApiError: the kind's NotFound.
    """
    for name, id in turn.request.params.items():
        head, _, number = name.partition(".")
        kind = KINDS.get(head) or KINDS.get(head.removesuffix("s"))
        if kind is None or (number and not number.isdigit()):
            continue
        where, code, text = kind
        have: Any = getattr(turn.ec2, where)
        if str(id) not in have:
            raise ApiError(code, text.format(id))
    for name, id in turn.request.params.items():
        if name.partition(".")[0] in ("SubnetId", "SubnetIds") and not any(
            id in zone for zone in turn.ec2.subnets.values()
        ):
            raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{id}' does not exist")
