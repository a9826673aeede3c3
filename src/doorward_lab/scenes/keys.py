"""The scene language's one table: sections, their keys, and what each key takes. Reader, schema and docs come from it.

What does not live here: reading (`read`), the short forms (`terms`), what makes sense together (`check`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doorward_lab.scenes import scene, terms

VERSION = 1
KINDS_OF_GATEWAY = ("internet", "nat", "egress-only")
KINDS_OF_HOST = ("instance", "interface")
KINDS_OF_TARGET = ("ip", "instance", "alb")
KINDS_OF_BALANCER = ("application", "network")
SCHEMES = ("internet-facing", "internal")
ROLES = ("balancer", "portal", "login", "database", "monitor", "dns", "login-b", "users")
"""What the web stack can run in a host or a balancer."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `shape` names a reader of `read.SHAPES`; `field` is the scene's field, where it is not the key's own."""

    name: str
    shape: str
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The name of the dataclass's field."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping from names to elements. `made` makes one from its name and its fields."""

    name: str
    made: type[Any]
    doc: str
    keys: tuple[Key, ...]

    @property
    def field(self) -> str:
        """The name of the scene's field."""
        return self.name.replace("-", "_")


_VPC = Key("vpc", "name", "Its VPC; may be left out where there is only one.")

TOP = (
    Key("version", "version", "Version of this language: 1.", required=True),
    Key("name", "name", "The scene's name; the file's, when left out."),
    Key("description", "text", "What the scene shows."),
    Key("region", "text", f"The AWS region that it was made for ({scene.DEFAULT_REGION}); the lab's own counts."),
    Key("stack", "stack", "Settings of the web stack."),
    Key("contracts", "contracts", "A contracts file beside the scene, or (as a block of text) its contents."),
)

SECTIONS = (
    Section("vpcs", scene.Vpc, "VPCs.", (
        Key("cidr", "cidrs4", "IPv4 block (or a list of them), /16 to /28.", required=True),
        Key("ipv6", "block6", "IPv6: true for a block of Amazon's choice, or the block itself."),
    )),
    Section("subnets", scene.Subnet, "Subnets.", (
        _VPC,
        Key("cidr", "cidr4", "IPv4 block inside the VPC's, /16 to /28.", required=True),
        Key("zone", "zone", "Availability zone: its letter, or its whole name; a when left out."),
        Key("ipv6", "block6", "IPv6: true for the next free /64 of the VPC's, or the block itself."),
        Key("public", "bool", "Hosts get public addresses, and without a route-table the subnet has one that leads to "
            "the internet."),
        Key("acl", "name", "Its network ACL; the VPC's default one when left out."),
        Key("route-table", "name", "Its route table; the VPC's main one when left out."),
    )),
    Section("groups", scene.Group, "Security groups.", (
        _VPC,
        Key("ingress", "ingress", "Rules such as `tcp/443 from internet`; none when left out."),
        Key("egress", "egress", "Rules such as `tcp/5432 to group:db`; everything, as AWS makes it, when left out."),
        Key("description", "text", "Its description, as the API takes it."),
        Key("group-name", "text", "GroupName, where it is not the scene's name."),
        Key("default", "bool", "It is the VPC's default group, with these rules."),
    )),
    Section("prefix-lists", scene.PrefixList, "Managed prefix lists.", (
        Key("entries", "cidrs", "CIDRs of one family.", required=True),
        Key("max-entries", "count", "MaxEntries; as many as there are, at least 10, when left out."),
    )),
    Section("acls", scene.Acl, "Network ACLs; what no entry matches is denied.", (
        _VPC,
        Key("ingress", "acl-ingress", "Entries by number, such as `100: allow tcp/443 from 0.0.0.0/0`."),
        Key("egress", "acl-egress", "Entries by number, such as `100: allow all to 0.0.0.0/0`."),
        Key("default", "bool", "It is the VPC's default ACL, with these entries."),
    )),
    Section("route-tables", scene.RouteTable, "Route tables; local routes are there by themselves.", (
        _VPC,
        Key("routes", "routes", "CIDR or prefix-list:NAME → gateway:NAME, peering:NAME or host:NAME."),
        Key("main", "bool", "It is the VPC's main table."),
    )),
    Section("gateways", scene.Gateway, "Internet, NAT and egress-only internet gateways.", (
        Key("kind", "choice", "What it is.", required=True, choices=KINDS_OF_GATEWAY),
        Key("vpc", "name", "Its VPC (internet, egress-only); may be left out where there is only one."),
        Key("subnet", "name", "The subnet that it stands in (nat)."),
        Key("address", "address4", "Its private address (nat); the next free one when left out."),
        Key("public", "address4", "Its Elastic IP (nat); one of the cloud's choice when left out."),
    )),
    Section("peerings", scene.Peering, "VPC peering connections.", (
        Key("between", "pair", "The two VPCs, the requester first.", required=True),
    )),
    Section("hosts", scene.Host, "Machines with one interface each, or bare interfaces.", (
        Key("subnet", "name", "Its subnet.", required=True),
        Key("groups", "names", "Its security groups; the VPC's default one when left out."),
        Key("kind", "choice", "What it is; instance when left out.", choices=KINDS_OF_HOST),
        Key("address", "address4", "Its private IPv4 address; the next free one when left out."),
        Key("secondary", "addresses4", "More private IPv4 addresses."),
        Key("ipv6", "addresses6", "IPv6: an address, a list, true (the next free one) or false; as the subnet "
            "when left out."),
        Key("public", "public", "Public IPv4: an Elastic IP, true (of the cloud's choice) or false; as the subnet "
            "when left out."),
        Key("source-dest-check", "bool", "false for a host that forwards; true when left out."),
        Key("run", "choice", "What the web stack runs in it.", choices=ROLES),
        Key("settings", "settings", "Settings of what runs."),
    )),
    Section("target-groups", scene.TargetGroup, "Target groups of load balancers.", (
        _VPC,
        Key("protocol", "protocol", "http, https, tcp, tls, udp or tcp_udp; http when left out."),
        Key("port", "port", "The port of the targets; 80 when left out."),
        Key("kind", "choice", "How targets are registered; ip when left out.", choices=KINDS_OF_TARGET),
        Key("hosts", "names", "The targets: hosts, or a load balancer for kind alb."),
        Key("health-port", "port", "The port of the health check; the targets' own when left out."),
        Key("health-path", "text", "The path of the health check (http, https)."),
        Key("preserve-client", "bool", "preserve_client_ip.enabled; AWS's default when left out."),
    )),
    Section("load-balancers", scene.LoadBalancer, "Application and network load balancers.", (
        Key("subnets", "names", "Its subnets, one in each zone.", required=True),
        Key("listeners", "listeners", "Listeners (`https/443 to portal`), and their rules "
            "(`https/443 path /token* to login`).", required=True),
        Key("groups", "names", "Its security groups."),
        Key("kind", "choice", "What it is; application when left out.", choices=KINDS_OF_BALANCER),
        Key("scheme", "choice", "Whom it serves; internet-facing when left out.", choices=SCHEMES),
        Key("ipv6", "bool", "IpAddressType dualstack; false when left out."),
        Key("run", "choice", "What the web stack runs in it.", choices=ROLES),
        Key("settings", "settings", "Settings of what runs."),
    )),
)  # fmt: skip

STACK = (
    Key("rate", "rate", "New logins in a second."),
    Key("sources", "count", "Client addresses that people come from."),
    Key("patience", "rate", "Seconds after which a person gives up."),
    Key("keep-alive", "bool", "Whether services keep connections to each other open."),
    Key("second-login", "bool", "Whether the second, independent login stack takes the logins."),
    Key("seed", "count", "Seed of everything random."),
)

LINE = Key("rule", "text", "SERVICE from|to PEER.", required=True)
RULE = (LINE, Key("description", "text", "The rule's description."))
"""A rule in its long form."""
TERMS = {"service": terms.SERVICE, "peer": terms.PEER}
