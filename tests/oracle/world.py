"""The oracle's own reading of an estate: plain look-ups over describe-JSON, naive on purpose.

An estate is one dict with the answers of the AWS CLI under their usual keys (``NetworkInterfaces``, ``Subnets`` …).
Answers that do not name their subject are kept as mappings: ``ManagedPrefixListEntries``, ``TransitGatewayRoutes``,
``TargetHealth`` and ``TargetGroupAttributes``, each id → the answer. Only the standard library is used, and nothing of
``doorward``: this is the second, independent implementation of ``docs/reference/semantics.md``.
What does not live here: whether a packet passes (``packets``), what a contract asks (``judge``).
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

Json = dict[str, Any]
P = ParamSpec("P")
R = TypeVar("R")


class Address(NamedTuple):
    """One address."""

    family: int
    number: int


class Block(NamedTuple):
    """Addresses ``low`` to ``high`` of one family. A network when it was made by ``block``."""

    family: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many addresses: the smaller, the longer the prefix."""
        return self.high - self.low + 1


class Service(NamedTuple):
    """Protocol, and port or ICMP ``type * 256 + code`` (0 for protocols without)."""

    protocol: int
    detail: int


class Hop(NamedTuple):
    """Where a route leads: ``kind`` and the id of the target."""

    kind: str
    target: str


TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
NO_ROUTE = Hop("none", "")
UNKNOWN_HOP = Hop("unknown", "")
NOT_PUBLIC = ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
              "192.168.0.0/16", "224.0.0.0/3")  # fmt: skip


def address(text: str) -> Address:
    """Read one address."""
    found = ipaddress.ip_address(text)
    return Address(found.version, int(found))


def show(one: Address) -> str:
    """Write one address."""
    made: ipaddress.IPv4Address | ipaddress.IPv6Address
    made = ipaddress.IPv4Address(one.number) if one.family == 4 else ipaddress.IPv6Address(one.number)
    return str(made)


@functools.cache
def block(text: str) -> Block:
    """Read one network; host bits are ignored as AWS ignores them."""
    network = ipaddress.ip_network(text, strict=False)
    return Block(network.version, int(network.network_address), int(network.broadcast_address))


def inside(one: Address, blocks: Iterable[Block]) -> bool:
    """Is the address in one of the blocks?"""
    return any(b.family == one.family and b.low <= one.number <= b.high for b in blocks)


def without(spans: list[Block], hole: Block) -> list[Block]:
    """The spans less the hole."""
    left: list[Block] = []
    for span in spans:
        if span.family != hole.family or hole.high < span.low or span.high < hole.low:
            left.append(span)
            continue
        if span.low < hole.low:
            left.append(Block(span.family, span.low, hole.low - 1))
        if hole.high < span.high:
            left.append(Block(span.family, hole.high + 1, span.high))
    return left


def common(one: Iterable[Block], other: Iterable[Block]) -> list[Block]:
    """What two sets of spans share."""
    pairs = [(a, b) for a in one for b in other if a.family == b.family]
    return [
        Block(a.family, max(a.low, b.low), min(a.high, b.high)) for a, b in pairs if a.low <= b.high and b.low <= a.high
    ]


def protocol_number(text: str) -> int:
    """Protocol of a rule; -1 is everything."""
    return NUMBERS[text.lower()] if text.lower() in NUMBERS else int(text)


@dataclass(frozen=True)
class Nic:
    """A network interface."""

    id: str
    vpc: str
    subnet: str
    groups: tuple[str, ...]
    blocks: tuple[Block, ...]
    primary: Address | None
    public: tuple[tuple[Address, Address], ...]
    kind: str
    description: str
    instance: str | None
    device: int

    def public_of(self, private: Address) -> Address | None:
        """The public IPv4 address that belongs to a private one."""
        return next((public for own, public in self.public if own == private), None)

    def private_of(self, public: Address) -> Address | None:
        """The private IPv4 address behind a public one."""
        return next((own for own, other in self.public if other == public), None)


@dataclass
class World:
    """An estate with indices. Made anew for every estate; answers are remembered in ``memory``."""

    estate: Json
    memory: dict[Any, Any] = field(default_factory=dict, repr=False)
    nics: dict[str, Nic] = field(init=False, repr=False)
    groups: dict[str, Json] = field(init=False, repr=False)
    vpc_blocks: list[Block] = field(init=False, repr=False)
    internet: list[Block] = field(init=False, repr=False)
    extra_cuts: list[Block] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.nics = {one["NetworkInterfaceId"]: read_nic(one) for one in self.all("NetworkInterfaces")}
        self.groups = {one["GroupId"]: one for one in self.all("SecurityGroups")}
        self.subnets = {one["SubnetId"]: one for one in self.all("Subnets")}
        self.vpc_blocks = [cidr for vpc in self.all("Vpcs") for cidr in vpc_cidrs(vpc)]
        spans = [block("0.0.0.0/0"), block("2000::/3")]
        for hole in [*map(block, NOT_PUBLIC), *self.vpc_blocks]:
            spans = without(spans, hole)
        self.internet = spans

    def all(self, key: str) -> list[Json]:
        """Everything under one key."""
        found: list[Json] = self.estate.get(key, [])
        return found

    def one(self, key: str, field_name: str, value: str) -> Json | None:
        """The element whose id field has this value."""
        return next((element for element in self.all(key) if element.get(field_name) == value), None)

    def vpc_of(self, subnet: str) -> str:
        """The VPC of a subnet."""
        if subnet in self.subnets:
            return str(self.subnets[subnet]["VpcId"])
        return next((nic.vpc for nic in self.nics.values() if nic.subnet == subnet), "")

    def acl_of(self, subnet: str) -> Json | None:
        """The ACL of a subnet: the associated one, else the VPC's default (VPC guide, *Network ACL basics*)."""
        for acl in self.all("NetworkAcls"):
            if any(link.get("SubnetId") == subnet for link in acl.get("Associations", [])):
                return acl
        vpc = self.vpc_of(subnet)
        return next((acl for acl in self.all("NetworkAcls") if acl.get("IsDefault") and acl.get("VpcId") == vpc), None)

    def table_of(self, subnet: str) -> Json | None:
        """The route table of a subnet: its own, else the main one of the VPC."""
        for table in self.all("RouteTables"):
            if any(link.get("SubnetId") == subnet for link in table.get("Associations", [])):
                return table
        vpc = self.vpc_of(subnet)
        for table in self.all("RouteTables"):
            if table.get("VpcId") == vpc and any(link.get("Main") for link in table.get("Associations", [])):
                return table
        return None

    def prefix_list(self, name: str) -> list[Block] | None:
        """The entries of a prefix list; None when they are not known."""
        entries = self.estate.get("ManagedPrefixListEntries", {}).get(name)
        if entries is not None:
            return [block(entry["Cidr"]) for entry in entries["Entries"]]
        listed = self.one("PrefixLists", "PrefixListId", name)
        return None if listed is None else [block(text) for text in listed["Cidrs"]]

    def gateways(self, key: str, field_name: str, vpc: str) -> list[str]:
        """Ids of the gateways of one kind that are attached to a VPC."""
        on = ("available", "attached")
        return [
            one[field_name]
            for one in self.all(key)
            if any(link.get("VpcId") == vpc and link.get("State") in on for link in one.get("Attachments", []))
        ]

    def internet_gateways(self, vpc: str) -> list[str]:
        """Internet gateways attached to a VPC."""
        return self.gateways("InternetGateways", "InternetGatewayId", vpc)

    def has_edge_table(self, gateway: str) -> bool:
        """Does a route table take traffic elsewhere that enters through this gateway (ingress routing)?

        Local routes alone change nothing; a table without any route is not a whole answer of AWS.
        """
        return any(
            not table.get("Routes") or any(route.get("GatewayId") != "local" for route in table["Routes"])
            for table in self.all("RouteTables")
            if any(link.get("GatewayId") == gateway for link in table.get("Associations", []))
        )

    def representatives(self, spans: Iterable[Block]) -> list[Address]:
        """One address of every class that any rule, list, route or network of the estate tells apart."""
        found: dict[Address, None] = {}
        for span in spans:
            found[Address(span.family, span.low)] = None
            for cut in self.cuts(span.family):
                if span.low <= cut <= span.high:
                    found[Address(span.family, cut)] = None
        return list(found)

    def cuts(self, family: int) -> list[int]:
        """Every first address of a network, and every first address after one."""
        if ("cuts", family) not in self.memory:
            found = {edge for b in self._networks() if b.family == family for edge in (b.low, b.high + 1)}
            self.memory["cuts", family] = sorted(found)
        answer: list[int] = self.memory["cuts", family]
        return answer

    def _networks(self) -> Iterator[Block]:
        yield from self.extra_cuts
        yield from self.vpc_blocks
        yield from self.internet
        for nic in self.nics.values():
            yield from nic.blocks
            for _, public in nic.public:
                yield Block(4, public.number, public.number)
        for text in every_cidr(self.estate):
            yield block(text)


def every_cidr(value: Any) -> Iterator[str]:
    """Every text of the estate that reads as a network or an address, wherever it stands."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from every_cidr(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from every_cidr(inner)
    elif isinstance(value, str) and value[:1] in "0123456789abcdef:" and ("." in value or "::" in value):
        try:
            block(value)
        except ValueError:
            return
        yield value


def vpc_cidrs(vpc: Json) -> list[Block]:
    """All networks of a VPC, both families."""
    texts = [one["CidrBlock"] for one in vpc.get("CidrBlockAssociationSet", [])] or [vpc["CidrBlock"]]
    texts += [one["Ipv6CidrBlock"] for one in vpc.get("Ipv6CidrBlockAssociationSet", [])]
    return [block(text) for text in texts]


def read_nic(one: Json) -> Nic:
    """An interface with all its addresses."""
    texts = [entry["PrivateIpAddress"] for entry in one.get("PrivateIpAddresses", [])]
    if not texts and one.get("PrivateIpAddress"):
        texts = [one["PrivateIpAddress"]]
    texts += [entry["Ipv6Address"] for entry in one.get("Ipv6Addresses", [])]
    texts += [entry["Ipv4Prefix"] for entry in one.get("Ipv4Prefixes", [])]
    texts += [entry["Ipv6Prefix"] for entry in one.get("Ipv6Prefixes", [])]
    public = [
        (address(entry["PrivateIpAddress"]), address(entry["Association"]["PublicIp"]))
        for entry in one.get("PrivateIpAddresses", [])
        if entry.get("Association", {}).get("PublicIp")
    ]
    primary = next((e["PrivateIpAddress"] for e in one.get("PrivateIpAddresses", []) if e.get("Primary")), None)
    attachment = one.get("Attachment", {})
    return Nic(
        id=one["NetworkInterfaceId"],
        vpc=one["VpcId"],
        subnet=one["SubnetId"],
        groups=tuple(group["GroupId"] for group in one.get("Groups", [])),
        blocks=tuple(block(text) for text in texts),
        primary=address(primary) if primary else None,
        public=tuple(public),
        kind=one.get("InterfaceType", "interface"),
        description=one.get("Description", ""),
        instance=attachment.get("InstanceId"),
        device=attachment.get("DeviceIndex", 0),
    )


def remembered(function: Callable[Concatenate[World, P], R]) -> Callable[Concatenate[World, P], R]:
    """Keep a function's answers in the world's memory: a brute-force run asks the same again and again."""

    def ask(world: World, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (function, args, tuple(kwargs.items()))
        if key not in world.memory:
            world.memory[key] = function(world, *args, **kwargs)
        answer: R = world.memory[key]
        return answer

    return ask
