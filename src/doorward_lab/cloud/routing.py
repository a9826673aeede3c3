"""What AWS derives of moto's routes: destinations, targets, blackholes, the contents of a transit gateway's table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def blocks(vpc: Any, *, ipv6: bool) -> list[str]:
    """The address blocks of a VPC, of one family."""
    return [
        str(one["cidr_block"])
        for one in vpc.get_cidr_block_association_set(ipv6=ipv6)
        if one["cidr_block_state"]["state"] == "associated"
    ]


def destination(route: Any) -> str:
    """A route's destination: a CIDR or a prefix list's id."""
    listed = route.destination_prefix_list
    return str(route.destination_cidr_block or route.destination_ipv6_cidr_block or (listed.id if listed else ""))


_TARGETS = (
    "gateway", "nat_gateway", "interface", "instance", "vpc_pcx", "egress_only_igw", "transit_gateway",
    "carrier_gateway",
)  # fmt: skip


def target(route: Any) -> str:
    """A route's target: "local" or an id; for an instance its primary interface's, as the API shows both."""
    if route.local:
        return "local"
    for name in _TARGETS:
        found = getattr(route, name)
        if found is not None:
            if name == "instance" and found.nics.get(0) is not None:
                return str(found.nics[0].id)
            return str(found.id)
    return str(route.vpc_endpoint_id or "")


def active(ec2: Any, table: Any, route: Any) -> bool:
    """Whether a route's target can be used; else it is a blackhole.

    EC2 API Reference, "Route", state: blackhole "indicates that the route's target isn't available (for example, the
    specified gateway isn't attached to the VPC, or the specified NAT instance has been terminated)".
    """
    if route.local:
        return True
    id = target(route)
    kind = id.partition("-")[0]
    if kind == "igw":
        gateway = ec2.internet_gateways.get(id)
        return gateway is not None and gateway.vpc is not None and gateway.vpc.id == table.vpc_id
    if kind == "nat":
        nat = ec2.nat_gateways.get(id)
        return nat is not None and nat.state == "available"
    if kind == "eni":
        interface = ec2.enis.get(id)
        return interface is not None and interface.status == "in-use" and _runs(interface.instance)
    if kind == "i":
        return False  # an instance without any interface: terminated
    if kind == "pcx":
        peering = ec2.vpc_pcxs.get(id)
        return peering is not None and peering._status.code == "active"
    if kind == "eigw":
        return id in ec2.egress_only_internet_gateways
    if kind == "tgw":
        return any(
            one.transit_gateway_id == id and one.resource_id == table.vpc_id and one.state == "available"
            for one in ec2.transit_gateway_attachments.values()
        )
    if kind == "vgw":
        gateway = ec2.vpn_gateways.get(id)
        attached = gateway.attachments.get(table.vpc_id) if gateway is not None else None
        return attached is not None and attached.state == "attached"
    return bool(id)


def _runs(instance: Any) -> bool:
    # An interface that AWS itself attaches (a NAT gateway's) has no instance and is always there.
    return instance is None or instance.state == "running"


def transit_routes(ec2: Any, table: Any) -> Iterator[tuple[str, str | None]]:
    """(CIDR, attachment or None for a blackhole) of a transit gateway's route table, static routes before propagated.

    Transit Gateways, "Route evaluation order": for one destination a static route wins over a propagated one.
    """
    static = {cidr: route for cidr, route in table.routes.items() if route.get("state") != "deleted"}
    for cidr, route in static.items():
        to = (route.get("transitGatewayAttachments") or {}).get("transitGatewayAttachmentId")
        usable = route.get("state") == "active" and to in ec2.transit_gateway_attachments
        yield cidr, to if usable else None
    seen = set(static)
    for cidr, attachment in propagated(ec2, table):
        if cidr not in seen:
            seen.add(cidr)
            yield cidr, attachment.id


def propagated(ec2: Any, table: Any) -> Iterator[tuple[str, Any]]:
    """(CIDR, attachment) of the routes that VPC attachments propagate to a transit gateway's route table."""
    for entry in table.route_table_propagation:
        attachment = ec2.transit_gateway_attachments.get(entry.transitGatewayAttachmentId)
        if attachment is None or attachment.resource_type != "vpc" or attachment.state != "available":
            continue
        vpc = ec2.vpcs.get(attachment.resource_id)
        if vpc is not None:
            for cidr in (*blocks(vpc, ipv6=False), *blocks(vpc, ipv6=True)):
                yield cidr, attachment
