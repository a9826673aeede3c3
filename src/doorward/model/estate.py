"""The state of a network at one moment, as plain values.

All elements are immutable and keyed by their own id (``estate.groups["sg-…"]``); an element that a plan has not yet
created has its Terraform address for an id. ``certain=False`` marks what exists in the upper bound only.
What does not live here: where elements were read (``readers``), what can flow (``reach``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from doorward.model.intervals import Intervals, Span
from doorward.model.rules import Group

Tags = tuple[tuple[str, str], ...]


class Interface(NamedTuple):
    """An elastic network interface. A NamedTuple, not a dataclass: estates hold 100,000 (measured 5× cheaper to
    make)."""

    id: str
    vpc: str
    subnet: str
    groups: tuple[str, ...]
    """Ids of its security groups, sorted. Empty: not filtered by groups (NLB without groups, NAT gateway)."""
    addresses: tuple[Span, ...]
    """Private addresses, both families on one line: ``(a, a)``, the primary one first. See ``wide`` for unknown
    ones."""
    public: tuple[tuple[int, int], ...] = ()
    """(private IPv4, public IPv4) pairs."""
    kind: str = "interface"
    """``InterfaceType`` of the EC2 API: interface, nat_gateway, network_load_balancer, lambda,
    gateway_load_balancer_endpoint, …"""
    name: str = ""
    """Name tag, or Terraform address."""
    description: str = ""
    instance: str | None = None
    tags: Tags = ()
    origin: str | None = None
    maybe_groups: tuple[str, ...] = ()
    """Groups that it may be in (upper bound only)."""
    groups_unknown: str | None = None
    """Set when its groups cannot be known: lower = filtered by ``groups`` alone, upper = not filtered."""
    wide: tuple[Span, ...] = ()
    """For an address that is not known: the range it lies in. One span per unknown address."""
    public_unknown: str | None = None
    """Set when it may or may not get a public IPv4 address (which is then any public address)."""
    device: int = 0
    """Device index of its attachment: 0 is the instance's primary interface."""


AT_ID: Final = 0
AT_VPC: Final = 1
AT_SUBNET: Final = 2
AT_GROUPS: Final = 3
AT_ADDRESSES: Final = 4
AT_PUBLIC: Final = 5
AT_KIND: Final = 6
AT_INSTANCE: Final = 9
AT_MAYBE_GROUPS: Final = 12
AT_GROUPS_UNKNOWN: Final = 13
AT_WIDE: Final = 14
AT_PUBLIC_UNKNOWN: Final = 15
"""Places of an interface's fields, for loops over all interfaces: twice as fast there as names (Python 3.11)."""


class AclEntry(NamedTuple):
    """One numbered entry of a network ACL."""

    number: int
    egress: bool
    allow: bool
    service: Span
    cidr: Span
    origin: str | None = None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL. ``entries`` in any order; evaluation sorts by number."""

    id: str
    vpc: str | None = None
    entries: tuple[AclEntry, ...] = ()
    name: str = ""
    is_default: bool = False
    origin: str | None = None
    unknown: str | None = None
    """Set when its entries cannot be known: lower = denies all, upper = allows all."""


TargetKind = Literal[
    "local", "internet-gateway", "egress-only-gateway", "nat-gateway", "peering", "transit-gateway", "endpoint",
    "blackhole", "unmodelled", "unknown",
]  # fmt: skip


class Route(NamedTuple):
    """One route: destination span (or prefix list) → target."""

    destination: Span | str
    """A CIDR span, or the id of a prefix list."""
    kind: TargetKind
    target: str
    """Id of the gateway, peering, attachment …; for ``unmodelled`` the id of what is not looked into."""
    propagated: bool = False
    origin: str | None = None
    certain: bool = True
    """False: the route may be absent or lead elsewhere; lower = its destinations are blocked, upper = pass."""


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A VPC route table with its associations resolved elsewhere (``Subnet.route_table``)."""

    id: str
    vpc: str | None = None
    routes: tuple[Route, ...] = ()
    name: str = ""
    main: bool = False
    gateway_association: str | None = None
    """Set for an edge-associated table: the internet or virtual private gateway."""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet with its table and ACL resolved; None = the estate does not say (unknown)."""

    id: str
    vpc: str
    cidrs: tuple[Span, ...] = ()
    route_table: str | None = None
    acl: str | None = None
    zone: str | None = None
    name: str = ""
    tags: Tags = ()
    origin: str | None = None
    owner: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC and the gateways attached to it."""

    id: str
    cidrs: tuple[Span, ...] = ()
    internet_gateways: tuple[str, ...] = ()
    egress_only_gateways: tuple[str, ...] = ()
    hidden_gateways: tuple[str, ...] = ()
    """Gateways that are not looked into: virtual private, local, carrier gateways, core network attachments."""
    name: str = ""
    tags: Tags = ()
    owner: str | None = None
    region: str | None = None
    origin: str | None = None
    shared_groups: tuple[str, ...] = ()
    """Groups of other VPCs associated with this one (security group VPC association)."""
    maybe_internet_gateways: tuple[str, ...] = ()
    """Internet gateways that may be attached (upper bound only)."""


@dataclass(frozen=True, slots=True)
class Peering:
    """A VPC peering connection."""

    id: str
    vpcs: tuple[str, str]
    cidrs: tuple[tuple[Span, ...], tuple[Span, ...]] = ((), ())
    """CIDRs of the two sides, in the order of ``vpcs``."""
    active: bool = True
    regions: tuple[str | None, str | None] = (None, None)
    owners: tuple[str | None, str | None] = (None, None)
    name: str = ""
    origin: str | None = None


class TransitRoute(NamedTuple):
    """A route of a transit gateway route table; attachment None = blackhole."""

    destination: Span
    attachment: str | None
    propagated: bool = False


@dataclass(frozen=True, slots=True)
class TransitAttachment:
    """An attachment to a transit gateway."""

    id: str
    gateway: str
    kind: str = "vpc"
    """vpc, vpn, direct-connect-gateway, peering, connect …; only vpc is looked into."""
    resource: str = ""
    """VPC id for kind vpc."""
    subnets: tuple[str, ...] = ()
    route_table: str | None = None
    """Associated transit gateway route table; None = not known."""
    group_referencing: bool = True
    active: bool = True
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class TransitGateway:
    """A transit gateway, its attachments and route tables."""

    id: str
    attachments: tuple[TransitAttachment, ...] = ()
    tables: Mapping[str, tuple[TransitRoute, ...]] = field(default_factory=dict)
    """Route table id → routes. A table that is missing here is unknown."""
    group_referencing: bool = False
    name: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class NatGateway:
    """A NAT gateway."""

    id: str
    subnet: str
    vpc: str = ""
    public: tuple[int, ...] = ()
    private: tuple[int, ...] = ()
    available: bool = True
    is_public: bool = True
    name: str = ""
    origin: str | None = None
    public_unknown: bool = False
    """True: it has a public address for certain, which is not known yet."""


class Listener(NamedTuple):
    """A load balancer's listener; ``service`` is the span it accepts, ``target_groups`` all that it (and its rules)
    may forward to."""

    service: tuple[Span, ...]
    target_groups: tuple[str, ...]
    origin: str | None = None


class Target(NamedTuple):
    """A registered target. ``id``: instance id, address text, lambda or load balancer ARN, as registered."""

    id: str
    port: int | None


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group."""

    id: str
    name: str = ""
    protocol: str = "HTTP"
    """HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE."""
    port: int | None = None
    target_type: str = "instance"
    """instance, ip, lambda, alb."""
    health_port: int | None = None
    """None: the traffic port."""
    health_enabled: bool = True
    preserve_client: bool | None = None
    """The attribute where known; None: AWS's default for the type and protocol."""
    targets: tuple[Target, ...] | None = ()
    """None: registrations are not known."""
    vpc: str | None = None
    origin: str | None = None
    tags: Tags = ()
    autoscaling: str | None = None
    """Set when an Auto Scaling group or ECS service registers targets here that the input does not list."""


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A load balancer (``application``, ``network``, ``gateway`` or ``classic``)."""

    id: str
    name: str = ""
    kind: str = "application"
    internet_facing: bool = False
    vpc: str | None = None
    interfaces: tuple[str, ...] = ()
    """Ids of its interfaces in the estate."""
    listeners: tuple[Listener, ...] | None = ()
    """None: listeners are not known."""
    groups: tuple[str, ...] = ()
    tags: Tags = ()
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A managed prefix list; ``cidrs`` None: entries are not known."""

    id: str
    name: str = ""
    cidrs: Intervals | None = None
    max_entries: int | None = None
    origin: str | None = None
    tags: Tags = ()
    entries: tuple[Span, ...] = ()
    """The entries one by one, as routes need them (longest prefix); empty: as few networks as make up ``cidrs``."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that owns interfaces and can be selected: a database, a Lambda function, an ECS service, an
    instance."""

    id: str
    kind: Literal["db", "lambda", "ecs", "instance", "endpoint"]
    interfaces: tuple[str, ...] = ()
    name: str = ""
    tags: Tags = ()
    origin: str | None = None


class Notice(NamedTuple):
    """Something that was read and is not modelled, or was not understood."""

    resource: str
    text: str
    vpc: str | None = None
    """The VPC in which it could matter; None: anywhere (or nowhere in particular)."""
    could_block: bool = False
    """True: it could change verdicts in ``vpc`` (network firewall, gateway load balancer …): lower bound blocks
    crossings there."""


@dataclass(frozen=True, slots=True)
class Estate:
    """The network state at one moment. Every mapping is id → element; treat all as immutable."""

    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    route_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    peerings: Mapping[str, Peering] = field(default_factory=dict)
    transit_gateways: Mapping[str, TransitGateway] = field(default_factory=dict)
    nat_gateways: Mapping[str, NatGateway] = field(default_factory=dict)
    load_balancers: Mapping[str, LoadBalancer] = field(default_factory=dict)
    target_groups: Mapping[str, TargetGroup] = field(default_factory=dict)
    prefix_lists: Mapping[str, PrefixList] = field(default_factory=dict)
    holders: Mapping[str, Holder] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Terraform address (and other names) → ids of elements of any kind."""
    complete: bool = True
    """False: built from a plan alone; what exists beyond it is not known."""
