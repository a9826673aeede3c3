"""Structs for VPCs, subnets, ACLs, routes, gateways and prefix lists. See ``shapes``."""

from __future__ import annotations

from msgspec import field

from doorward.readers.aws.shapes import Item, Part, State, TagList


class CidrBlock(Part):
    """A CIDR of a VPC or subnet with the state of its association."""

    cidr_block: str | None = None
    ipv6_cidr_block: str | None = None
    cidr_block_state: State | None = None
    ipv6_cidr_block_state: State | None = None


class WireVpc(Item):
    """An element of ``Vpcs``."""

    vpc_id: str
    cidr_block: str | None = None
    cidr_block_association_set: list[CidrBlock] | None = None
    ipv6_cidr_block_association_set: list[CidrBlock] | None = None
    owner_id: str | None = None
    tags: TagList = None


class WireSubnet(Item):
    """An element of ``Subnets``."""

    subnet_id: str
    vpc_id: str
    cidr_block: str | None = None
    ipv6_cidr_block_association_set: list[CidrBlock] | None = None
    availability_zone: str | None = None
    owner_id: str | None = None
    subnet_arn: str | None = None
    tags: TagList = None


class PortRange(Part):
    """Ports of an ACL entry."""

    low: int | None = field(name="From", default=None)
    high: int | None = field(name="To", default=None)


class IcmpTypeCode(Part):
    """ICMP type and code of an ACL entry."""

    type: int | None = None
    code: int | None = None


class WireAclEntry(Part):
    """An entry of a network ACL."""

    rule_number: int
    egress: bool
    rule_action: str
    protocol: str
    cidr_block: str | None = None
    ipv6_cidr_block: str | None = None
    port_range: PortRange | None = None
    icmp_type_code: IcmpTypeCode | None = None


class SubnetLink(Part):
    """An association of an ACL or route table."""

    subnet_id: str | None = None
    gateway_id: str | None = None
    main: bool | None = None
    association_state: State | None = None


class WireAcl(Item):
    """An element of ``NetworkAcls``."""

    network_acl_id: str
    vpc_id: str | None = None
    is_default: bool | None = None
    associations: list[SubnetLink] | None = None
    entries: list[WireAclEntry] | None = None
    tags: TagList = None


class WireRoute(Part):
    """A route of a VPC route table."""

    destination_cidr_block: str | None = None
    destination_ipv6_cidr_block: str | None = None
    destination_prefix_list_id: str | None = None
    gateway_id: str | None = None
    nat_gateway_id: str | None = None
    egress_only_internet_gateway_id: str | None = None
    transit_gateway_id: str | None = None
    vpc_peering_connection_id: str | None = None
    local_gateway_id: str | None = None
    carrier_gateway_id: str | None = None
    core_network_arn: str | None = None
    odb_network_arn: str | None = None
    network_interface_id: str | None = None
    instance_id: str | None = None
    state: str | None = None
    origin: str | None = None


class VgwPropagation(Part):
    """A virtual private gateway that may add routes."""

    gateway_id: str | None = None


class WireRouteTable(Item):
    """An element of ``RouteTables``."""

    route_table_id: str
    vpc_id: str | None = None
    associations: list[SubnetLink] | None = None
    routes: list[WireRoute] | None = None
    propagating_vgws: list[VgwPropagation] | None = None
    tags: TagList = None


class VpcLink(Part):
    """An attachment of a gateway to a VPC."""

    vpc_id: str | None = None
    state: str | None = None


class WireInternetGateway(Item):
    """An element of ``InternetGateways``."""

    internet_gateway_id: str
    attachments: list[VpcLink] | None = None


class WireEgressOnlyGateway(Item):
    """An element of ``EgressOnlyInternetGateways``."""

    egress_only_internet_gateway_id: str
    attachments: list[VpcLink] | None = None


class WireVpnGateway(Item):
    """An element of ``VpnGateways``."""

    vpn_gateway_id: str
    state: str | None = None
    vpc_attachments: list[VpcLink] | None = None


class WireCarrierGateway(Item):
    """An element of ``CarrierGateways``."""

    carrier_gateway_id: str
    vpc_id: str | None = None
    state: str | None = None


class WireLocalGatewayLink(Item):
    """An element of ``LocalGatewayRouteTableVpcAssociations``."""

    local_gateway_id: str
    vpc_id: str | None = None
    state: str | None = None


class NatAddress(Part):
    """An address of a NAT gateway."""

    public_ip: str | None = None
    private_ip: str | None = None


class WireNatGateway(Item):
    """An element of ``NatGateways``."""

    nat_gateway_id: str
    subnet_id: str | None = None
    vpc_id: str | None = None
    state: str | None = None
    connectivity_type: str | None = None
    nat_gateway_addresses: list[NatAddress] | None = None
    tags: TagList = None


class PeeringSide(Part):
    """One side of a VPC peering connection."""

    vpc_id: str | None = None
    owner_id: str | None = None
    region: str | None = None
    cidr_block: str | None = None
    cidr_block_set: list[CidrBlock] | None = None
    ipv6_cidr_block_set: list[CidrBlock] | None = None


class WirePeering(Item):
    """An element of ``VpcPeeringConnections``."""

    vpc_peering_connection_id: str
    requester_vpc_info: PeeringSide | None = None
    accepter_vpc_info: PeeringSide | None = None
    status: State | None = None
    tags: TagList = None


# Transit gateways


class TransitOptions(Part):
    """Options of a transit gateway or of an attachment."""

    security_group_referencing_support: str | None = None


class WireTransitGateway(Item):
    """An element of ``TransitGateways``."""

    transit_gateway_id: str
    state: str | None = None
    options: TransitOptions | None = None
    tags: TagList = None


class TransitTableLink(Part):
    """The association of an attachment with a transit gateway route table."""

    transit_gateway_route_table_id: str | None = None
    state: str | None = None


class WireTransitAttachment(Item):
    """An element of ``TransitGatewayAttachments`` or ``TransitGatewayVpcAttachments``."""

    transit_gateway_attachment_id: str
    transit_gateway_id: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    vpc_id: str | None = None
    subnet_ids: list[str] | None = None
    state: str | None = None
    association: TransitTableLink | None = None
    options: TransitOptions | None = None


class WireTransitTable(Item):
    """An element of ``TransitGatewayRouteTables``."""

    transit_gateway_route_table_id: str
    transit_gateway_id: str | None = None


class TransitRouteAttachment(Part):
    """Where a transit gateway route leads."""

    transit_gateway_attachment_id: str | None = None


class WireTransitRoute(Item):
    """An element of ``Routes`` (``search-transit-gateway-routes``)."""

    destination_cidr_block: str | None = None
    prefix_list_id: str | None = None
    transit_gateway_attachments: list[TransitRouteAttachment] | None = None
    type: str | None = None
    state: str | None = None


class WireTransitAssociation(Item):
    """An element of ``Associations`` (``get-transit-gateway-route-table-associations``)."""

    transit_gateway_attachment_id: str | None = None
    state: str | None = None


# Prefix lists


class WirePrefixList(Item):
    """An element of ``PrefixLists`` or ``ManagedPrefixLists``."""

    prefix_list_id: str
    prefix_list_name: str | None = None
    cidrs: list[str] | None = None
    max_entries: int | None = None
    tags: TagList = None


class WirePrefixListEntry(Item):
    """An element of ``Entries`` (``get-managed-prefix-list-entries``)."""

    cidr: str
