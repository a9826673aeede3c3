"""Interfaces: ``NetworkInterfaces``, else what ``Reservations`` say of their instances' interfaces.

100,000 in a large estate: what repeats (groups, VPC and subnet ids, descriptions) is kept once.
Source: EC2 API Reference, *NetworkInterface*, *InstanceNetworkInterface*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from socket import AF_INET, AF_INET6, inet_pton

import msgspec

from doorward.errors import InvalidInput
from doorward.model.addresses import V6, parse_address, parse_network
from doorward.model.estate import Holder, Interface, Tags
from doorward.model.intervals import Span
from doorward.readers.aws.context import Context, conflict, tags_of
from doorward.readers.aws.layout import EXPECTED, Answer
from doorward.readers.aws.shapes import (
    NOTHING,
    GroupName,
    Instance,
    PrivateAddress,
    Tag,
    WireInterface,
)
from doorward.readers.files import decoded

_groups = msgspec.json.Decoder(list[GroupName] | None)
_number = int.from_bytes


def quick_address(text: str) -> int:
    """An address by the C library (strict: four decimal numbers, or plain IPv6), anything else by our own parser."""
    try:
        return V6 + _number(inet_pton(AF_INET6, text)) if ":" in text else _number(inet_pton(AF_INET, text))
    except (OSError, ValueError):
        return parse_address(text)


class InterfaceReader:
    """Makes interfaces, sharing what repeats."""

    def __init__(self) -> None:
        self._sets: dict[bytes, tuple[str, ...]] = {b"[]": (), b"null": ()}
        self._texts: dict[str, str] = {}
        self._homes: dict[str, tuple[str, str]] = {}
        """Subnet id -> the VPC and subnet ids as they were met first."""
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def group_sets(self) -> Iterable[tuple[str, ...]]:
        """The groups of all interfaces made so far, most of them once."""
        return self._sets.values()

    def make(self, wire: WireInterface, where: str, instance: str | None = None) -> Interface:
        """One interface; see ``taker``."""
        made: list[Interface] = []
        self.taker(where, made.append)(wire, instance)
        return made[0]

    def taker(self, where: str, keep: Callable[[Interface], None]) -> Callable[..., None]:
        """A function that makes the interface of a wire form, hands it to ``keep``, and empties the wire form.

        It takes the wire form and, where that does not say it, the id of the instance. It raises ``InvalidInput`` that
        names the interface when an address is none. All in one function, with what it needs at hand: 100,000 calls
        within calls would cost a fifth of all reading.
        """
        sets, homes, share = self._sets, self._homes, self._texts.setdefault
        new, pton, number_of, nothing = tuple.__new__, inet_pton, int.from_bytes, NOTHING

        def take(wire: WireInterface, instance: str | None = None) -> None:
            raw = bytes(wire.groups)
            groups = sets.get(raw)
            if groups is None:
                groups = sets[raw] = self._read_groups(raw, where, wire.network_interface_id)
            listed = wire.private_ip_addresses
            public: tuple[tuple[int, int], ...] = ()
            try:
                if listed and len(listed) == 1 and (text := listed[0].private_ip_address):
                    try:
                        number = number_of(pton(AF_INET, text))
                    except OSError:
                        number = parse_address(text)
                    addresses: tuple[Span, ...] = ((number, number),)
                    link = listed[0].association
                    if link is not None and link.public_ip:
                        public = ((number, quick_address(link.public_ip)),)
                else:
                    addresses, public = _addresses(wire)
                sixes = wire.ipv6_addresses
                if wire.ipv4_prefixes or wire.ipv6_prefixes:
                    addresses += _more_addresses(wire)
                elif sixes:
                    if len(sixes) == 1:
                        try:
                            other = V6 + number_of(pton(AF_INET6, sixes[0].ipv6_address))
                        except (OSError, ValueError):
                            other = parse_address(sixes[0].ipv6_address)
                        addresses = (*addresses, (other, other))
                    else:
                        addresses += _more_addresses(wire)
            except ValueError as error:
                raise InvalidInput(f"interface {wire.network_interface_id}: {error}", where=where) from error
            name = ""
            tags: Tags = ()
            if wire.tag_set:
                name, tags = self._read_tags(wire.tag_set)
            attachment = wire.attachment
            device = 0
            if attachment is not None and attachment.instance_id:
                instance = attachment.instance_id
                device = attachment.device_index or 0
            vpc, subnet = wire.vpc_id or "", wire.subnet_id or ""
            home = homes.get(subnet)
            if home is None or home[0] != vpc:
                home = homes[subnet] = vpc, subnet
            kind, description = wire.interface_type, wire.description
            keep(
                new(
                    Interface,
                    (
                        wire.network_interface_id, home[0], home[1], groups, addresses, public,
                        "interface" if not kind or kind == "interface" else share(kind, kind), name,
                        share(description, description) if description else "", instance, tags, None, (), None, (),
                        None, device,
                    ),
                )
            )  # fmt: skip
            wire.groups = nothing
            wire.vpc_id = wire.subnet_id = wire.private_ip_address = wire.interface_type = wire.description = None
            wire.private_ip_addresses = wire.association = wire.attachment = wire.tag_set = wire.ipv6_addresses = None

        return take

    def _read_groups(self, raw: bytes, where: str, id: str) -> tuple[str, ...]:
        listed = decoded(_groups.decode, raw, f"{where}: {id}", EXPECTED) or ()
        ids = {one.group_id for one in listed if one.group_id is not None}
        return tuple(sorted(self._texts.setdefault(one, one) for one in ids))

    def _read_tags(self, listed: list[Tag]) -> tuple[str, Tags]:
        name, pairs = tags_of(listed)
        return name, tuple([self._pairs.setdefault(pair, pair) for pair in pairs])


def _addresses(wire: WireInterface) -> tuple[tuple[Span, ...], tuple[tuple[int, int], ...]]:
    """Private IPv4 addresses of any number, and their public ones."""
    spans: list[Span] = []
    public: list[tuple[int, int]] = []
    listed = wire.private_ip_addresses or [PrivateAddress(wire.private_ip_address, wire.association)]
    listed = sorted(listed, key=lambda one: not one.primary)
    for one in listed:
        if one.private_ip_address:
            number = quick_address(one.private_ip_address)
            spans.append((number, number))
            if one.association is not None and one.association.public_ip:
                public.append((number, quick_address(one.association.public_ip)))
    return tuple(spans), tuple(public)


def _more_addresses(wire: WireInterface) -> tuple[Span, ...]:
    """IPv6 addresses and delegated prefixes."""
    spans: list[Span] = []
    for six in wire.ipv6_addresses or ():
        number = quick_address(six.ipv6_address)
        spans.append((number, number))
    spans += [parse_network(one.ipv4_prefix) for one in wire.ipv4_prefixes or ()]
    spans += [parse_network(one.ipv6_prefix) for one in wire.ipv6_prefixes or ()]
    return tuple(spans)


def read_interfaces(context: Context, reader: InterfaceReader) -> tuple[dict[str, Interface], dict[str, Holder]]:
    """All interfaces, and the instances among those who hold them."""
    found: dict[str, Interface] = {}
    ends: list[tuple[int, Answer]] = []
    for answer in context.answers:
        listed = answer.interfaces
        fresh = dict(zip(map(itemgetter(0), listed), listed, strict=True))
        if not found and len(fresh) == len(listed):
            found = fresh
        else:
            for made in listed:
                known = found.setdefault(made.id, made)
                if known is not made and known != made:
                    ordinal = list(found).index(made.id)
                    first = next((one for count, one in ends if ordinal < count), answer)
                    raise conflict(made.id, first, answer)
        ends.append((len(found), answer))
        answer.interfaces = []
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
                id = wire.network_interface_id
                if id not in found:
                    found[id] = reader.make(wire, answer.where, instance.instance_id)
                    own.append(id)
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
