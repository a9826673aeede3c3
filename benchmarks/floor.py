"""The floor F: what it costs to decode the same files into typed values and do nothing with them.

msgspec, mapped files, no garbage collection; written for this measure and used for nothing else.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import msgspec


class Struct(msgspec.Struct, rename="pascal", gc=False):
    """AWS spells its fields in Pascal case."""


class Named(Struct):
    """A group by id."""

    group_id: str


class Public(Struct):
    """A public address."""

    public_ip: str | None = None


class Private(Struct):
    """A private address."""

    private_ip_address: str
    association: Public | None = None


class Six(Struct):
    """An IPv6 address."""

    ipv6_address: str


class Attachment(Struct):
    """The machine that an interface belongs to."""

    instance_id: str | None = None


class Tag(Struct):
    """A tag."""

    key: str
    value: str


class Interface(Struct):
    """An interface."""

    network_interface_id: str
    vpc_id: str
    subnet_id: str
    groups: list[Named]
    private_ip_addresses: list[Private]
    interface_type: str = "interface"
    description: str = ""
    ipv6_addresses: list[Six] = []
    tag_set: list[Tag] = []
    attachment: Attachment | None = None


class Pair(Struct):
    """A group as a peer."""

    group_id: str
    vpc_id: str | None = None
    user_id: str | None = None


class Four(Struct):
    """An IPv4 peer."""

    cidr_ip: str


class SixRange(Struct):
    """An IPv6 peer."""

    cidr_ipv6: str


class ListId(Struct):
    """A prefix list as a peer."""

    prefix_list_id: str


class Permission(Struct):
    """One permission with its peers."""

    ip_protocol: str
    from_port: int | None = None
    to_port: int | None = None
    user_id_group_pairs: list[Pair] = []
    ip_ranges: list[Four] = []
    ipv6_ranges: list[SixRange] = []
    prefix_list_ids: list[ListId] = []


class Group(Struct):
    """A security group."""

    group_id: str
    group_name: str
    vpc_id: str
    ip_permissions: list[Permission] = []
    ip_permissions_egress: list[Permission] = []


class Interfaces(Struct):
    """`describe-network-interfaces`."""

    network_interfaces: list[Interface]


class Groups(Struct):
    """`describe-security-groups`."""

    security_groups: list[Group]


DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "describe-network-interfaces.json": msgspec.json.Decoder(Interfaces),
    "describe-security-groups.json": msgspec.json.Decoder(Groups),
}
OTHER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def decode(folder: Path) -> list[Any]:
    """Every file of the folder, decoded."""
    found = []
    for path in sorted(folder.iterdir()):
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
        ):
            found.append(DECODERS.get(path.name, OTHER).decode(view))
    return found
