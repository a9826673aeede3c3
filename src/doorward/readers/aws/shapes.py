"""The answers of ``aws ec2 describe-*`` and their like, as far as they are needed: one struct per JSON object.

Fields that are not needed are not named and so are skipped by the decoder at the cost of a scan. Lists that are long
and seldom needed stay ``Raw`` (undecoded views of the file). Every field but an id may be missing or null.
Load balancers and what holds interfaces are in ``shapes_more``; what the fields mean is in the modules that use them.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Raw, Struct, field

NOTHING = Raw(b"null")


def leave(wire: WireInterface) -> None:
    """What happens to a decoded interface while no file is read."""


class Decoding:
    """What happens while a file is decoded; guarded by a lock in ``layout``."""

    count = 0
    """Items decoded so far: a list that is dropped (its top-level key comes twice) shows as a difference."""
    take: Callable[[WireInterface], None] = staticmethod(leave)
    """Called with each interface as soon as it is decoded, and may empty it: so 100,000 of them are never in memory at
    once in their wire form, and each is used while it is in the processor's cache (measured: 12 % less time, 75 MB less
    memory)."""


class Item(Struct, rename="pascal", gc=False):
    """An element of a top-level list."""

    def __post_init__(self) -> None:
        Decoding.count += 1


class Part(Struct, rename="pascal", gc=False):
    """A nested object."""


class Tag(Part):
    """A tag."""

    key: str
    value: str | None = None


TagList = list[Tag] | None


# Interfaces


class Association(Part):
    """A public address."""

    public_ip: str | None = None


class PrivateAddress(Part):
    """A private IPv4 address of an interface."""

    private_ip_address: str | None = None
    association: Association | None = None


class Attachment(Part):
    """What an interface is attached to."""

    instance_id: str | None = None


class GroupName(Part):
    """A security group by id and name."""

    group_id: str | None = None
    group_name: str | None = None


class Ipv6Address(Part):
    """An IPv6 address of an interface."""

    ipv6_address: str


class Ipv4Prefix(Part):
    """A delegated IPv4 prefix."""

    ipv4_prefix: str


class Ipv6Prefix(Part):
    """A delegated IPv6 prefix."""

    ipv6_prefix: str


class WireInterface(Item):
    """An element of ``NetworkInterfaces``. Lists of groups repeat much, so these stay undecoded."""

    network_interface_id: str
    vpc_id: str | None = None
    subnet_id: str | None = None
    groups: Raw = NOTHING
    private_ip_address: str | None = None
    private_ip_addresses: list[PrivateAddress] | None = None
    association: Association | None = None
    ipv6_addresses: list[Ipv6Address] | None = None
    ipv4_prefixes: list[Ipv4Prefix] | None = None
    ipv6_prefixes: list[Ipv6Prefix] | None = None
    interface_type: str | None = None
    description: str | None = None
    attachment: Attachment | None = None
    tag_set: TagList = None

    def __post_init__(self) -> None:
        Decoding.count += 1
        Decoding.take(self)


class EmbeddedInterface(WireInterface):
    """The same within an instance; not an element of a top-level list."""

    def __post_init__(self) -> None:
        """Neither counted nor taken."""


class State(Part):
    """A state by name or code."""

    name: str | None = None
    code: str | int | None = None
    state: str | None = None


class Instance(Part):
    """An instance of a reservation."""

    instance_id: str
    state: State | None = None
    vpc_id: str | None = None
    subnet_id: str | None = None
    private_ip_address: str | None = None
    public_ip_address: str | None = None
    ipv6_address: str | None = None
    security_groups: list[GroupName] | None = None
    network_interfaces: list[EmbeddedInterface] | None = None
    tags: TagList = None


class Reservation(Item):
    """An element of ``Reservations``."""

    instances: list[Instance] | None = None


# Groups


class WireGroup(Item):
    """An element of ``SecurityGroups``; its rules are decoded on demand."""

    group_id: str
    group_name: str | None = None
    description: str | None = None
    vpc_id: str | None = None
    owner_id: str | None = None
    tags: TagList = None
    ip_permissions: Raw = NOTHING
    ip_permissions_egress: Raw = NOTHING


class IpRange(Part):
    """An IPv4 peer."""

    cidr_ip: str
    description: str | None = None


class Ipv6Range(Part):
    """An IPv6 peer."""

    cidr_ipv6: str = field(name="CidrIpv6")
    description: str | None = None


class GroupPair(Part):
    """A peer group."""

    group_id: str | None = None
    group_name: str | None = None
    user_id: str | None = None
    vpc_id: str | None = None
    peering_status: str | None = None
    vpc_peering_connection_id: str | None = None
    description: str | None = None


class ListId(Part):
    """A peer prefix list."""

    prefix_list_id: str
    description: str | None = None


class Permission(Part):
    """An element of ``IpPermissions``."""

    ip_protocol: str
    from_port: int | None = None
    to_port: int | None = None
    ip_ranges: list[IpRange] | None = None
    ipv6_ranges: list[Ipv6Range] | None = None
    user_id_group_pairs: list[GroupPair] | None = None
    prefix_list_ids: list[ListId] | None = None


class ReferencedGroup(Part):
    """The peer of a security group rule."""

    group_id: str
    user_id: str | None = None
    vpc_id: str | None = None
    peering_status: str | None = None


class WireRule(Part):
    """An element of ``SecurityGroupRules``."""

    security_group_rule_id: str
    group_id: str
    is_egress: bool
    ip_protocol: str
    from_port: int | None = None
    to_port: int | None = None
    cidr_ipv4: str | None = field(name="CidrIpv4", default=None)
    cidr_ipv6: str | None = field(name="CidrIpv6", default=None)
    prefix_list_id: str | None = None
    referenced_group_info: ReferencedGroup | None = None
    description: str | None = None


class StaleGroup(Item):
    """An element of ``StaleSecurityGroupSet``."""

    group_id: str
    vpc_id: str | None = None
    stale_ip_permissions: Raw = NOTHING
    stale_ip_permissions_egress: Raw = NOTHING


class GroupVpc(Item):
    """An element of ``SecurityGroupVpcAssociations``."""

    group_id: str
    vpc_id: str
    state: str | None = None


# The VPC


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
