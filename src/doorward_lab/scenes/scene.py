"""A scene: what a lab is to build, as frozen values. Every mapping is name → element, in the order of the file.

Names are the scene's own; the cloud gets them as Name tags (groups, balancers and target groups: as their names too).
What does not live here: the YAML (`read`, `write`), what makes sense together (`check`), the building (`builder`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_REGION = "us-east-1"
ANYWHERE = {"internet:v4": ("0.0.0.0/0",), "internet:v6": ("::/0",), "internet": ("0.0.0.0/0", "::/0")}
"""The peers that a rule writes as a word, and the CIDRs that they are in the API."""


@dataclass(frozen=True, slots=True)
class Service:
    """Protocol and ports as the EC2 API has them: `protocol` "-1", "tcp", "udp", "icmp", "icmpv6" or a number.

    `first` and `last` are ports, for ICMP type and code (-1: all); None where the protocol has neither.
    """

    protocol: str = "-1"
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a group. `peer`: a CIDR, `internet`, `internet:v4`, `internet:v6`, `group:NAME`,
    `prefix-list:NAME`."""

    service: Service
    peer: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group. `egress` None: as AWS makes it, everything to everywhere."""

    name: str
    vpc: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] | None = None
    description: str = ""
    group_name: str = ""
    """GroupName where it differs from the scene's name."""
    default: bool = False
    """It is the VPC's default group, with these rules instead of AWS's."""


@dataclass(frozen=True, slots=True)
class PrefixList:
    """A customer-managed prefix list, all of one family."""

    name: str
    entries: tuple[str, ...]
    max_entries: int = 0
    """0: as many as there are entries, at least ten."""


@dataclass(frozen=True, slots=True)
class AclEntry:
    """A numbered entry of a network ACL."""

    number: int
    allow: bool
    service: Service
    cidr: str


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL. Entry 32767 is AWS's own."""

    name: str
    vpc: str
    ingress: tuple[AclEntry, ...] = ()
    egress: tuple[AclEntry, ...] = ()
    default: bool = False
    """It is the VPC's default ACL, with these entries instead of AWS's."""


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table without its local routes. `routes`: CIDR or `prefix-list:NAME` → `gateway:NAME`, `peering:NAME`
    or `host:NAME`."""

    name: str
    vpc: str
    routes: Mapping[str, str] = field(default_factory=dict)
    main: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """An internet, NAT or egress-only internet gateway."""

    name: str
    kind: str  # internet, nat, egress-only
    vpc: str = ""
    subnet: str = ""
    """For NAT: where it stands."""
    address: str = ""
    """For NAT: its private address; empty: the next free one."""
    public: str = ""
    """For NAT: its Elastic IP; empty: one of the cloud's choice."""


@dataclass(frozen=True, slots=True)
class Peering:
    """An accepted VPC peering connection; the first VPC is the requester."""

    name: str
    between: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC. `ipv6`: a block, "auto" (Amazon's choice) or "" (none)."""

    name: str
    cidr: tuple[str, ...]
    ipv6: str = ""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet. `ipv6`: a block, "auto" (the next free /64 of the VPC's) or "" (none)."""

    name: str
    vpc: str
    cidr: str
    zone: str = "a"
    ipv6: str = ""
    public: bool = False
    """Hosts have a public IPv4 address unless they say otherwise."""
    acl: str = ""
    route_table: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with one interface, or a bare interface.

    `address`: the primary IPv4 address, empty: the next free one. `ipv6`: addresses; ("auto",): the next free one; ():
    none; None: "auto" where the subnet has IPv6. `public`: "auto", an Elastic IP, "" (none); None: as the subnet says.
    """

    name: str
    subnet: str
    groups: tuple[str, ...] = ()
    """Empty: the VPC's default group, as at AWS."""
    kind: str = "instance"  # instance, interface
    address: str = ""
    secondary: tuple[str, ...] = ()
    ipv6: tuple[str, ...] | None = None
    public: str | None = None
    source_dest_check: bool = True
    run: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group. `hosts` may name load balancers for kind `alb`."""

    name: str
    vpc: str
    protocol: str = "HTTP"
    port: int = 80
    kind: str = "ip"  # ip, instance, alb
    hosts: tuple[str, ...] = ()
    health_port: int | None = None
    """None: the traffic port."""
    health_path: str = ""
    preserve_client: bool | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """What a listener forwards: everything that nothing else takes, or (HTTP, HTTPS) what has a path."""

    protocol: str  # HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP
    port: int
    forward: str
    path: str = ""
    """A pattern such as /token*; rules come in the order of the scene."""


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """An application or network load balancer."""

    name: str
    subnets: tuple[str, ...]
    listeners: tuple[Listener, ...]
    groups: tuple[str, ...] = ()
    kind: str = "application"  # application, network
    scheme: str = "internet-facing"  # internet-facing, internal
    ipv6: bool = False
    run: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs in the hosts, as far as the scene says; the stack has defaults for the rest."""

    rate: float = 10.0
    """New logins in a second."""
    sources: int = 50
    """Client addresses that people come from."""
    patience: float = 15.0
    """Seconds after which a person gives up."""
    keep_alive: bool = True
    """Whether the services keep connections to each other open."""
    second_login: bool = False
    """Whether the second, independent login stack takes the logins."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of a snapshot or a plan that the scene does not have."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a lab builds. Equal scenes build equal networks."""

    name: str
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    description: str = ""
    region: str = DEFAULT_REGION
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    prefix_lists: Mapping[str, PrefixList] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    route_tables: Mapping[str, RouteTable] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    peerings: Mapping[str, Peering] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    target_groups: Mapping[str, TargetGroup] = field(default_factory=dict)
    load_balancers: Mapping[str, LoadBalancer] = field(default_factory=dict)
    stack: Stack | None = None
    contracts: str = ""
    """The text of a contracts file of Doorward, or empty."""
    left_out: tuple[LeftOut, ...] = ()
    """What a snapshot or plan had and the scene has not."""

    def vpc_of(self, subnet: str) -> str:
        """The VPC of a subnet, by names."""
        return self.subnets[subnet].vpc

    def internet_gateway(self, vpc: str) -> Gateway | None:
        """The internet gateway of a VPC."""
        return next((one for one in self.gateways.values() if one.kind == "internet" and one.vpc == vpc), None)

    def peered(self, one: str, other: str) -> bool:
        """Whether two VPCs are joined by a peering."""
        return any({one, other} == set(peering.between) for peering in self.peerings.values())
