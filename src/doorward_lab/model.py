"""What the data plane needs to know of the cloud: one frozen picture, read from the control plane after each call.

Words and field meanings are those of the EC2 API. Addresses and CIDRs are text, as the API gives them. Nothing here
decides what can flow: `doorward_lab.fabric` compiles it and the kernel decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rule:
    """One security-group rule, as `describe-security-group-rules` gives it: exactly one peer."""

    id: str
    egress: bool
    protocol: str  # "-1", "tcp", "udp", "icmp", "icmpv6", or a number as text
    from_port: int | None  # ICMP: the type; None or -1: all
    to_port: int | None  # ICMP: the code
    cidr: str | None = None  # IPv4 or IPv6
    group: str | None = None
    prefix_list: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A security group; its rules in the order in which the API lists them."""

    id: str
    name: str
    vpc: str
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface. `ipv4[0]` is the primary address; `public` maps private to public IPv4."""

    id: str
    name: str  # the host's: the Name tag of the interface or of its instance; else the id
    subnet: str
    vpc: str
    groups: tuple[str, ...]
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...] = ()
    public: Mapping[str, str] = field(default_factory=dict)
    mac: str = ""
    kind: str = "interface"  # InterfaceType: interface, nat_gateway, load_balancer, network_load_balancer, …
    source_dest_check: bool = True
    instance: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet, with the ACL and the route table that apply to it (its own, or the VPC's default and main)."""

    id: str
    name: str
    vpc: str
    cidr: str
    ipv6: tuple[str, ...]
    acl: str
    route_table: str


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC and its address blocks."""

    id: str
    name: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One entry of a network ACL. Entry 32767, AWS's own last deny, may be absent: deny is what is left."""

    number: int
    egress: bool
    allow: bool
    protocol: str  # a number as text, or "-1"
    cidr: str
    from_port: int | None = None
    to_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL; entries in no particular order."""

    id: str
    vpc: str
    entries: tuple[AclEntry, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `target` is an id (igw-, eigw-, nat-, eni-, pcx-, tgw-, i-, …) or "local"."""

    destination: str  # a CIDR, or a prefix list's id
    target: str
    active: bool = True  # False: blackhole


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table, its local routes included."""

    id: str
    vpc: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class NatGateway:
    """A public or private NAT gateway: it translates behind its own interface, a state `available`."""

    id: str
    subnet: str
    interface: str
    public: str | None


@dataclass(frozen=True, slots=True)
class Peering:
    """A peering connection between two VPCs; only an active one carries traffic."""

    id: str
    requester: str
    accepter: str
    active: bool


@dataclass(frozen=True, slots=True)
class TransitGateway:
    """A transit gateway with its attachments (attachment id → VPC) and the routes of each attachment's table."""

    id: str
    attachments: Mapping[str, str]
    routes: Mapping[str, tuple[tuple[str, str | None], ...]]  # attachment it comes from → (CIDR, attachment or None)


@dataclass(frozen=True, slots=True)
class CloudState:
    """Everything in one region of one account that the data plane follows, by id."""

    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    route_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    internet_gateways: Mapping[str, str] = field(default_factory=dict)  # igw- → VPC that it is attached to
    egress_only_gateways: Mapping[str, str] = field(default_factory=dict)  # eigw- → VPC
    nat_gateways: Mapping[str, NatGateway] = field(default_factory=dict)
    peerings: Mapping[str, Peering] = field(default_factory=dict)
    transit_gateways: Mapping[str, TransitGateway] = field(default_factory=dict)
    prefix_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # pl- → CIDRs of the current version
