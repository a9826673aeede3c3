"""From the attributes of one Terraform rule (inline block or standalone resource) to rules of the model.

Which group a rule belongs to, and who manages it, is for ``groups``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from doorward.model.addresses import parse_network
from doorward.model.intervals import Span
from doorward.model.rules import AnyPeer, Direction, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN, ICMP, ICMPV6, TCP, UDP, block, protocol_number, rule_span
from doorward.readers.terraform.scene import Scene
from doorward.readers.terraform.values import Refs, View, any_true


class Peers(NamedTuple):
    """Peers that are certain, and those that are not, each with the unknown that decides."""

    certain: list[Peer]
    unsure: list[tuple[Peer, str]]


def service_of(scene: Scene, view: View, protocol: str = "protocol") -> tuple[Span, str | None]:
    """The service of a rule, and the unknown that decides when it is wider than what will be."""
    if view.unsettled(protocol):
        return ALL_SPAN, view.where(protocol)
    raw = view.get(protocol)
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else view.text(protocol)
    if text is None:
        scene.notice(view.address, f"no {protocol} is given: taken as all services, not certain")
        return ALL_SPAN, view.where(protocol)
    try:
        number = protocol_number(text)
    except ValueError as error:
        scene.notice(view.address, f"{error}: taken as all services, not certain")
        return ALL_SPAN, view.where(protocol)
    if number is None:
        return ALL_SPAN, None
    if number not in (TCP, UDP, ICMP, ICMPV6):
        return block(number), None
    for end in ("from_port", "to_port"):
        if view.unsettled(end):
            return block(number), view.where(end)
    try:
        return rule_span(text, view.number("from_port"), view.number("to_port")), None
    except ValueError as error:
        scene.notice(view.where("from_port"), f"{error}: taken as all of its protocol, not certain")
        return block(number), view.where("from_port")


def networks_of(scene: Scene, view: View, *attributes: str) -> Peers:
    """CIDR peers of list or text attributes."""
    peers = Peers([], [])
    for attribute in attributes:
        several = isinstance(view.get(attribute), list)
        for text in view.texts(attribute) if several else [view.text(attribute)]:
            if text is None:
                continue
            try:
                peers.certain.append(parse_network(text))
            except ValueError as error:
                name = view.where(attribute)
                scene.notice(name, f"{error}: taken as any peer, not certain")
                peers.unsure.append((AnyPeer(name), name))
        if view.unsettled(attribute):
            name = view.where(attribute)
            peers.unsure.append((AnyPeer(name), name))
    return peers


def group_peer(text: str) -> GroupPeer:
    """``sg-…`` or ``owner/sg-…`` (the provider's form for a group of another account)."""
    owner, slash, group = text.rpartition("/")
    return GroupPeer(group, None, owner) if slash and owner.isdigit() else GroupPeer(text)


def referenced(view: View, refs: Refs, make: type[GroupPeer] | type[PrefixListPeer], attribute: str) -> Peers:
    """Group or prefix list peers of a resolved reference."""
    name = view.where(attribute)
    peers = Peers([], [])
    for id in refs.certain:
        peers.certain.append(group_peer(id) if make is GroupPeer else PrefixListPeer(id))
    for id in refs.maybe:
        peers.unsure.append((group_peer(id) if make is GroupPeer else PrefixListPeer(id), name))
    if refs.unknown is not None:
        peers.unsure.append((AnyPeer(name), name))
    return peers


def one_referenced(view: View, attribute: str, kind: str) -> Peers:
    """The peer of a single-valued reference to a group or prefix list."""
    ref = view.one(attribute, kind)
    make: type[GroupPeer] | type[PrefixListPeer] = GroupPeer if kind == "group" else PrefixListPeer
    if ref.certain:
        return referenced(view, Refs(ref.ids), make, attribute)
    return referenced(view, Refs((), ref.ids, ref.unknown if ref.open else None), make, attribute)


def block_peers(scene: Scene, view: View, group: str) -> Peers:
    """All peers of an inline block."""
    found = [
        networks_of(scene, view, "cidr_blocks", "ipv6_cidr_blocks"),
        referenced(view, view.many("security_groups", "group"), GroupPeer, "security_groups"),
        referenced(view, view.many("prefix_list_ids", "prefix-list"), PrefixListPeer, "prefix_list_ids"),
        self_peers(view, group),
    ]
    return Peers([one for each in found for one in each.certain], [one for each in found for one in each.unsure])


def self_peers(view: View, group: str) -> Peers:
    """``self = true``: the group itself."""
    if view.unsettled("self"):
        return Peers([], [(GroupPeer(group), view.where("self"))])
    return Peers([GroupPeer(group)] if view.flag("self") else [], [])


def make_rules(
    direction: Direction,
    service: tuple[Span, str | None],
    peers: Peers,
    *,
    id: str | None = None,
    origin: str | None = None,
    description: str | None = None,
    unsure: str | None = None,
) -> Iterator[Rule]:
    """One rule a peer; ``unsure`` names an unknown that makes all of them uncertain."""
    span, unknown = service
    unknown = unsure or unknown
    for peer in dict.fromkeys(peers.certain):
        if unknown is None:
            yield Rule(direction, span, peer, id, origin, description)
        else:
            yield Rule(direction, span, peer, id, origin, description, False, unknown)
    for peer, name in dict.fromkeys(peers.unsure):
        yield Rule(direction, span, peer, id, origin, description, False, unknown or name)


def all_unknown(view: View) -> bool:
    """Whether nothing at all is known of a block (a dynamic block over values that are not known yet)."""
    return not view.values and any_true(view.unknown)


def anything(direction: Direction, origin: str, unknown: str) -> Rule:
    """The widest rule, in the upper bound only."""
    return Rule(direction, ALL_SPAN, AnyPeer(unknown), None, origin, None, False, unknown)
