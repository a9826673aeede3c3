"""Interfaces: ``NetworkInterfaces``, else what ``Reservations`` say of their instances' interfaces.

100,000 in a large estate: what repeats (groups, VPC and subnet ids, descriptions) is kept once.
Source: EC2 API Reference, *NetworkInterface*, *InstanceNetworkInterface*.
"""

from __future__ import annotations

from socket import AF_INET, inet_pton

import msgspec

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_address, parse_network
from doorward.model.estate import Holder, Interface, Tags
from doorward.model.intervals import Span
from doorward.readers.aws.context import Context, conflict, tags_of
from doorward.readers.aws.layout import EXPECTED, Answer
from doorward.readers.aws.shapes import (
    GroupName,
    Instance,
    Ipv4Prefix,
    Ipv6Address,
    Ipv6Prefix,
    Tag,
    WireInterface,
)
from doorward.readers.files import decoded

_groups = msgspec.json.Decoder(list[GroupName] | None)
_tags = msgspec.json.Decoder(list[Tag] | None)
_ipv6 = msgspec.json.Decoder(list[Ipv6Address] | None)
_prefixes4 = msgspec.json.Decoder(list[Ipv4Prefix] | None)
_prefixes6 = msgspec.json.Decoder(list[Ipv6Prefix] | None)
_EMPTY = frozenset((b"[]", b"null"))


def quick_address(text: str) -> int:
    """An IPv4 address by the C library (strict: four decimal numbers), anything else by our own parser."""
    try:
        return int.from_bytes(inet_pton(AF_INET, text))
    except (OSError, ValueError):
        return parse_address(text)


class InterfaceReader:
    """Makes interfaces, sharing what repeats."""

    def __init__(self) -> None:
        self._sets: dict[bytes, tuple[str, ...]] = {b"[]": (), b"null": ()}
        self._texts: dict[str, str] = {}
        self._tags: dict[bytes, tuple[str, Tags]] = {b"[]": ("", ()), b"null": ("", ())}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}

    def make(self, wire: WireInterface, answer: Answer, instance: str | None = None) -> Interface:
        """One interface; ``InvalidInput`` names it when an address is none."""
        id = wire.network_interface_id
        raw = bytes(wire.groups)
        groups = self._sets.get(raw)
        if groups is None:
            groups = self._sets[raw] = self._read_groups(raw, answer, id)
        try:
            public: tuple[tuple[int, int], ...] = ()
            listed = wire.private_ip_addresses
            if listed:
                spans: list[Span] = []
                for one in listed:
                    if one.private_ip_address is None:
                        continue
                    number = quick_address(one.private_ip_address)
                    spans.append((number, number))
                    if one.association is not None and one.association.public_ip:
                        public += ((number, quick_address(one.association.public_ip)),)
                addresses = tuple(spans)
            elif wire.private_ip_address:
                number = quick_address(wire.private_ip_address)
                addresses = ((number, number),)
                if wire.association is not None and wire.association.public_ip:
                    public = ((number, quick_address(wire.association.public_ip)),)
            else:
                addresses = ()
            raw6 = bytes(wire.ipv6_addresses)
            if raw6 not in _EMPTY:
                for six in decoded(_ipv6.decode, raw6, f"{answer.where}: {id}", EXPECTED) or ():
                    number = parse_address(six.ipv6_address)
                    addresses += ((number, number),)
            raw4, raw6 = bytes(wire.ipv4_prefixes), bytes(wire.ipv6_prefixes)
            if raw4 not in _EMPTY:
                for four in decoded(_prefixes4.decode, raw4, f"{answer.where}: {id}", EXPECTED) or ():
                    addresses += (parse_network(four.ipv4_prefix),)
            if raw6 not in _EMPTY:
                for prefix in decoded(_prefixes6.decode, raw6, f"{answer.where}: {id}", EXPECTED) or ():
                    addresses += (parse_network(prefix.ipv6_prefix),)
        except ValueError as error:
            raise InvalidInput(f"interface {id}: {error}", where=answer.where) from error
        tagged = bytes(wire.tag_set)
        name, tags = self._tags.get(tagged) or self._read_tags(tagged, answer, id)
        attachment = wire.attachment
        if attachment is not None and attachment.instance_id:
            instance = attachment.instance_id
        texts = self._texts
        vpc, subnet = wire.vpc_id or "", wire.subnet_id or ""
        kind, description = wire.interface_type or "interface", wire.description or ""
        return tuple.__new__(
            Interface,
            (
                id, texts.setdefault(vpc, vpc), texts.setdefault(subnet, subnet), groups, addresses, public,
                texts.setdefault(kind, kind), name, texts.setdefault(description, description), instance, tags,
                None, (), None, (), None,
            ),
        )  # fmt: skip

    def _read_groups(self, raw: bytes, answer: Answer, id: str) -> tuple[str, ...]:
        listed = decoded(_groups.decode, raw, f"{answer.where}: {id}", EXPECTED) or ()
        ids = {one.group_id for one in listed if one.group_id is not None}
        return tuple(sorted(self._texts.setdefault(one, one) for one in ids))

    def _read_tags(self, raw: bytes, answer: Answer, id: str) -> tuple[str, Tags]:
        name, pairs = tags_of(decoded(_tags.decode, raw, f"{answer.where}: {id}", EXPECTED))
        return name, tuple(self._pairs.setdefault(pair, pair) for pair in pairs)


def read_interfaces(context: Context) -> tuple[dict[str, Interface], dict[str, Holder]]:
    """All interfaces, and the instances among those who hold them."""
    reader = InterfaceReader()
    found: dict[str, Interface] = {}
    ends: list[tuple[int, Answer]] = []
    for answer in context.answers:
        make = reader.make
        for wire in answer.top.network_interfaces or ():
            made = make(wire, answer)
            known = found.setdefault(made.id, made)
            if known is not made and known != made:
                ordinal = list(found).index(made.id)
                first = next((one for count, one in ends if ordinal < count), answer)
                raise conflict(made.id, first, answer)
        ends.append((len(found), answer))
        if answer.top.network_interfaces is not None:
            answer.top.network_interfaces = []
    return found, _read_instances(context, reader, found)


def _read_instances(context: Context, reader: InterfaceReader, found: dict[str, Interface]) -> dict[str, Holder]:
    """Holders for instances; their embedded interfaces are added where ``NetworkInterfaces`` lacks them."""
    holders: dict[str, Holder] = {}
    attached: dict[str, list[str]] = {}
    if not context.has("Reservations"):
        return holders
    for interface in found.values():
        if interface.instance is not None:
            attached.setdefault(interface.instance, []).append(interface.id)
    for answer, reservation in context.each("reservations"):
        for instance in reservation.instances or ():
            if instance.state is not None and instance.state.name in ("terminated", "shutting-down"):
                continue
            own = attached.setdefault(instance.instance_id, [])
            for wire in instance.network_interfaces or ():
                if wire.network_interface_id not in found:
                    found[wire.network_interface_id] = reader.make(wire, answer, instance.instance_id)
                    own.append(wire.network_interface_id)
            if not own:
                made = _bare(reader, instance, answer)
                if made is not None:
                    found[made.id] = made
                    own.append(made.id)
            name, tags = tags_of(instance.tags)
            holder = Holder(instance.instance_id, "instance", tuple(own), name, tags)
            known = holders.setdefault(holder.id, holder)
            if known != holder:
                raise InvalidInput(
                    f"lists {holder.id} twice with different contents", where=answer.where, hint="keep one of the files"
                )
    return holders


def _bare(reader: InterfaceReader, instance: Instance, answer: Answer) -> Interface | None:
    """An interface for an instance whose input names none: its own address, subnet and groups."""
    if instance.subnet_id is None or instance.private_ip_address is None:
        return None
    try:
        number = quick_address(instance.private_ip_address)
        public = ((number, quick_address(instance.public_ip_address)),) if instance.public_ip_address else ()
        addresses: tuple[Span, ...] = ((number, number),)
        if instance.ipv6_address:
            six = parse_address(instance.ipv6_address)
            addresses += ((six, six),)
    except ValueError as error:
        raise InvalidInput(f"instance {instance.instance_id}: {error}", where=answer.where) from error
    return Interface(
        f"{instance.instance_id}/primary", instance.vpc_id or "", instance.subnet_id,
        tuple(sorted(one.group_id for one in instance.security_groups or () if one.group_id)),
        addresses, public, instance=instance.instance_id,
    )  # fmt: skip
