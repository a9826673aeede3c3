"""The answers of ``aws ec2 describe-*`` and their like, as far as they are needed: one struct per JSON object.

Fields that are not needed are not named and so are skipped by the decoder at the cost of a scan. Lists that are long
and seldom needed stay ``Raw`` (undecoded views of the file). Every field but an id may be missing or null.
VPCs and gateways are in ``shapes_network``,
load balancers and what holds interfaces in ``shapes_more``; what the fields mean is in the modules that use them.
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
    """Items other than interfaces decoded so far: a list that is dropped (its top-level key comes twice) shows as a
    difference."""
    take: Callable[..., None] = staticmethod(leave)
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
    primary: bool | None = None


class Attachment(Part):
    """What an interface is attached to."""

    instance_id: str | None = None
    device_index: int | None = None


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
