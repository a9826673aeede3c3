"""Security groups and their rules: ``SecurityGroups``, ``SecurityGroupRules``, ``StaleSecurityGroupSet``.

Rules stay undecoded views of the file until a group is asked for them. A rule has one peer: a permission with three
CIDRs is three rules (so has the EC2 API since 2021). Source: EC2 API Reference, *IpPermission*, *SecurityGroupRule*,
*StaleSecurityGroup*.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Raw

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_network
from doorward.model.intervals import Span
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, Peer, PrefixListPeer, Rule, Rules
from doorward.model.services import ALL_SPAN, BLOCK, TCP, rule_span
from doorward.readers.aws.context import Context, conflict, tags_of
from doorward.readers.aws.layout import ABSENT, EXPECTED, Answer
from doorward.readers.aws.shapes import (
    NOTHING,
    GroupPair,
    IpRange,
    Ipv6Range,
    ListId,
    Permission,
    PermissionHead,
    WireGroup,
    WireRule,
)
from doorward.readers.files import Buffer, decoded

_permissions = msgspec.json.Decoder(list[Permission] | None)
_heads = msgspec.json.Decoder(list[PermissionHead] | None)
_peers = (
    msgspec.json.Decoder(list[IpRange] | None), msgspec.json.Decoder(list[Ipv6Range] | None),
    msgspec.json.Decoder(list[GroupPair] | None), msgspec.json.Decoder(list[ListId] | None),
)  # fmt: skip
_rules = msgspec.json.Decoder(list[WireRule] | None)

T = TypeVar("T")
_RuleKey: TypeAlias = tuple[str, Span, object]
DEAD_PEERINGS = frozenset(("deleted", "deleting", "rejected", "expired", "failed"))
"""Peering states in which a reference to the other VPC matches nothing (VPC Peering Guide, *Stale rules*)."""


class RuleReader:
    """Decodes rules, with caches for what repeats: peers and services."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._spans: dict[tuple[str, int | None, int | None], Span] = {}
        self._cidrs: dict[str, Span] = {}
        self._peers: dict[tuple[str, str | None, str | None], GroupPeer] = {}
        self._stale: dict[str, set[_RuleKey]] = {}
        self._heads: dict[tuple[str, Direction], list[tuple[Span, PermissionHead]]] = {}
        self._ids: dict[str, dict[_RuleKey, str]] | None = None
        self._by_group: dict[str, list[tuple[Answer, WireRule]]] | None = None
        self.has_rule_ids = context.has("SecurityGroupRules")
        for answer, stale in context.each("stale_security_group_set"):
            self._stale[stale.group_id] = self._stale_keys(answer, stale.group_id, stale)

    def _stale_keys(self, answer: Answer, id: str, stale: object) -> set[_RuleKey]:
        keys: set[_RuleKey] = set()
        for direction, raw in (
            ("ingress", getattr(stale, "stale_ip_permissions", NOTHING)),
            ("egress", getattr(stale, "stale_ip_permissions_egress", NOTHING)),
        ):
            for permission in decoded(_permissions.decode, memoryview(raw), f"{answer.where}: {id}", EXPECTED) or ():
                span = self.span(permission.ip_protocol, permission.from_port, permission.to_port, answer, id)
                for pair in permission.user_id_group_pairs or ():
                    keys.add((direction, span, pair.group_id))
        return keys

    def span(self, protocol: str, low: int | None, high: int | None, answer: Answer, id: str) -> Span:
        """The service of a rule; ``InvalidInput`` names the group."""
        key = (protocol, low, high)
        found = self._spans.get(key)
        if found is None:
            try:
                found = self._spans[key] = rule_span(protocol, low, high)
            except ValueError as error:
                raise InvalidInput(f"security group {id}: {error}", where=answer.where) from error
        return found

    def network(self, text: str, answer: Answer, id: str) -> Span:
        """The CIDR of a rule; ``InvalidInput`` names the group."""
        found = self._cidrs.get(text)
        if found is None:
            try:
                found = self._cidrs[text] = parse_network(text)
            except ValueError as error:
                raise InvalidInput(f"security group {id}: {error}", where=answer.where) from error
        return found

    def load(self, answer: Answer, id: str, owner: str | None, ingress: Raw, egress: Raw) -> Rules:
        """All rules of one group, from its permissions."""
        made: list[Rule] = []
        ids = self.rule_ids(id)
        self._permissions(made, "ingress", ingress, answer, id, owner, ids)
        self._permissions(made, "egress", egress, answer, id, owner, ids)
        return tuple(made)

    def load_part(
        self, answer: Answer, id: str, owner: str | None, ingress: Raw, egress: Raw, direction: Direction, asked: Span
    ) -> Rules:
        """The rules of one direction that touch a span of services: peers of all others stay undecoded."""
        raw = ingress if direction == "ingress" else egress
        if asked == ALL_SPAN:
            whole: list[Rule] = []
            self._permissions(whole, direction, raw, answer, id, owner, self.rule_ids(id))
            return tuple(whole)
        heads = self._heads.get((id, direction))
        if heads is None:
            listed = decoded(_heads.decode, memoryview(raw), f"{answer.where}: security group {id}", EXPECTED)
            heads = self._heads[id, direction] = [(self._head_span(head, answer, id), head) for head in listed or ()]
        made: list[Rule] = []
        ids = self.rule_ids(id)
        for span, head in heads:
            if span[0] <= asked[1] and asked[0] <= span[1]:
                self._permission(made, direction, span, self._whole(head, answer, id), answer, id, owner, ids)
        return tuple(made)

    def _head_span(self, head: PermissionHead, answer: Answer, id: str) -> Span:
        low, high = head.from_port, head.to_port
        if head.ip_protocol == "tcp" and low is not None and high is not None and 0 <= low <= high < BLOCK:
            return TCP * BLOCK + low, TCP * BLOCK + high  # nearly all rules: not worth a look-up
        return self.span(head.ip_protocol, low, high, answer, id)

    @staticmethod
    def _whole(head: PermissionHead, answer: Answer, id: str) -> Permission:
        where = f"{answer.where}: security group {id}"
        four, six, pairs, lists = _peers
        return Permission(
            head.ip_protocol, head.from_port, head.to_port,
            _listed(four.decode, head.ip_ranges, where),
            _listed(six.decode, head.ipv6_ranges, where),
            _listed(pairs.decode, head.user_id_group_pairs, where),
            _listed(lists.decode, head.prefix_list_ids, where),
        )  # fmt: skip

    def _permissions(
        self, made: list[Rule], direction: Direction, raw: Raw, answer: Answer, id: str, owner: str | None,
        ids: dict[_RuleKey, str],
    ) -> None:  # fmt: skip
        listed = decoded(_permissions.decode, memoryview(raw), f"{answer.where}: security group {id}", EXPECTED)
        for permission in listed or ():
            span = self._spans.get((permission.ip_protocol, permission.from_port, permission.to_port)) or self.span(
                permission.ip_protocol, permission.from_port, permission.to_port, answer, id
            )
            self._permission(made, direction, span, permission, answer, id, owner, ids)

    def _permission(
        self, made: list[Rule], direction: Direction, span: Span, permission: Permission, answer: Answer, id: str,
        owner: str | None, ids: dict[_RuleKey, str],
    ) -> None:  # fmt: skip
        make = tuple.__new__  # as NamedTuple._make does, without its checks: rules are many
        stale = self._stale.get(id)
        cidrs, peers = self._cidrs, self._peers
        for one in permission.ip_ranges or ():
            peer: Peer = cidrs.get(one.cidr_ip) or self.network(one.cidr_ip, answer, id)
            name = ids.get((direction, span, peer)) if ids else None
            made.append(make(Rule, (direction, span, peer, name, None, one.description, True, None)))
        for six in permission.ipv6_ranges or ():
            peer = cidrs.get(six.cidr_ipv6) or self.network(six.cidr_ipv6, answer, id)
            name = ids.get((direction, span, peer)) if ids else None
            made.append(make(Rule, (direction, span, peer, name, None, six.description, True, None)))
        for pair in permission.user_id_group_pairs or ():
            if pair.group_id is None:
                made.append(_unnamed(direction, span, pair))
                continue
            if pair.peering_status in DEAD_PEERINGS or (stale and (direction, span, pair.group_id) in stale):
                continue
            user = pair.user_id
            key = (pair.group_id, pair.vpc_id, user if user != owner else None)
            group = peers.get(key) or self.group(*key, None)
            name = ids.get((direction, span, pair.group_id)) if ids else None
            made.append(make(Rule, (direction, span, group, name, None, pair.description, True, None)))
        for listed_id in permission.prefix_list_ids or ():
            peer = PrefixListPeer(listed_id.prefix_list_id)
            name = ids.get((direction, span, listed_id.prefix_list_id)) if ids else None
            made.append(make(Rule, (direction, span, peer, name, None, listed_id.description, True, None)))

    def group(self, id: str, vpc: str | None, user: str | None, owner: str | None) -> GroupPeer:
        """A reference to a group; its account is kept only where it is another one."""
        key = (id, vpc, user if user != owner else None)
        found = self._peers.get(key)
        if found is None:
            found = self._peers[key] = GroupPeer(*key)
        return found

    def rules_of(self, id: str) -> list[tuple[Answer, WireRule]]:
        """What ``SecurityGroupRules`` says of one group; decoded when first asked for."""
        if self._by_group is None:
            found: defaultdict[str, list[tuple[Answer, WireRule]]] = defaultdict(list)
            for answer in self.context.answers:
                raw = answer.top.security_group_rules
                if raw is not ABSENT:
                    where = f"{answer.where} at $.SecurityGroupRules"
                    for rule in decoded(_rules.decode, memoryview(raw), where, EXPECTED) or ():
                        found[rule.group_id].append((answer, rule))
            self._by_group = found
        return self._by_group.get(id, [])

    def rule_ids(self, id: str) -> dict[_RuleKey, str]:
        """(direction, service, peer) -> ``sgr-…`` of one group."""
        if not self.has_rule_ids:
            return {}
        found: dict[_RuleKey, str] = {}
        for answer, rule in self.rules_of(id):
            span = self.span(rule.ip_protocol, rule.from_port, rule.to_port, answer, id)
            cidr = rule.cidr_ipv4 or rule.cidr_ipv6
            peer: object = rule.prefix_list_id
            if cidr is not None:
                peer = self.network(cidr, answer, id)
            elif rule.referenced_group_info is not None:
                peer = rule.referenced_group_info.group_id
            found["egress" if rule.is_egress else "ingress", span, peer] = rule.security_group_rule_id
        return found

    def from_rules(self, id: str) -> Rules:
        """All rules of a group that only ``SecurityGroupRules`` tells of."""
        made: dict[str, Rule] = {}
        for answer, rule in self.rules_of(id):
            span = self.span(rule.ip_protocol, rule.from_port, rule.to_port, answer, id)
            direction: Direction = "egress" if rule.is_egress else "ingress"
            cidr = rule.cidr_ipv4 or rule.cidr_ipv6
            info = rule.referenced_group_info
            if cidr is not None:
                peer: Peer = self.network(cidr, answer, id)
            elif info is not None:
                if info.peering_status in DEAD_PEERINGS:
                    continue
                peer = self.group(info.group_id, info.vpc_id, info.user_id, None)
            elif rule.prefix_list_id is not None:
                peer = PrefixListPeer(rule.prefix_list_id)
            else:
                raise InvalidInput(f"security group rule {rule.security_group_rule_id} has no peer", where=answer.where)
            key = rule.security_group_rule_id
            made[key] = Rule(direction, span, peer, key, None, rule.description)
        return tuple(made.values())


def _unnamed(direction: Direction, span: Span, pair: GroupPair) -> Rule:
    name = f"security group named {pair.group_name!r} without an id"
    return Rule(direction, span, AnyPeer(name), None, None, pair.description, False, name)


def read_groups(context: Context) -> dict[str, Group]:
    """All security groups."""
    reader = RuleReader(context)
    groups: dict[str, Group] = {}
    source: list[tuple[int, Answer]] = []
    for answer in context.answers:
        for item in answer.top.security_groups or ():
            made = _group(reader, answer, item)
            known = groups.setdefault(made.id, made)
            if known is not made and _differ(known, made):
                first = _source_of(made.id, groups, source)
                if first is not None:
                    raise conflict(made.id, first, answer)
                groups[made.id] = _bracketed(known, made)
                context.notice(
                    made.id, f"security group is listed twice in {answer.where} with different contents: only what "
                    "both listings say is taken as certain", made.vpc,
                )  # fmt: skip
        source.append((len(groups), answer))
        if answer.top.security_groups is not None:
            answer.top.security_groups = []
    if reader.has_rule_ids and not groups:
        for answer in context.answers:
            raw = answer.top.security_group_rules
            if raw is not ABSENT:
                where = f"{answer.where} at $.SecurityGroupRules"
                for rule in decoded(_rules.decode, memoryview(raw), where, EXPECTED) or ():
                    if rule.group_id not in groups:
                        groups[rule.group_id] = Group(rule.group_id, load=partial(reader.from_rules, rule.group_id))
        context.notice("SecurityGroups", "were not read: groups without any rule, names and VPCs are not known")
    return groups


def _listed(decode: Callable[[Buffer], list[T] | None], raw: Raw, where: str) -> list[T] | None:
    view = memoryview(raw)
    return None if len(view) < 4 else decoded(decode, view, where, EXPECTED)  # "[]": most lists of peers


def _group(reader: RuleReader, answer: Answer, item: WireGroup) -> Group:
    ingress, egress = item.ip_permissions, item.ip_permissions_egress
    tags = tags_of(item.tags)[1] if item.tags else ()
    return Group(
        item.group_id, name=item.group_name or "", vpc=item.vpc_id, owner=item.owner_id, region=answer.region,
        description=item.description or "", tags=tags, raw=(ingress, egress),
        load=partial(reader.load, answer, item.group_id, item.owner_id, ingress, egress),
        load_part=partial(reader.load_part, answer, item.group_id, item.owner_id, ingress, egress),
    )  # fmt: skip


def _bracketed(one: Group, other: Group) -> Group:
    """A group with two listings: rules of both are certain, rules of one of them are in the upper bound only."""
    unknown = f"{one.id} is listed twice with different contents"

    def load() -> Rules:
        listings = [{rule.key: rule for rule in group.rules} for group in (one, other)]
        union = {**listings[1], **listings[0]}
        certain = {key for key in union if all(key in listing and listing[key].certain for listing in listings)}
        return tuple(
            rule if key in certain else rule._replace(certain=False, unknown=unknown) for key, rule in union.items()
        )

    return Group(
        one.id, name=one.name, vpc=one.vpc, owner=one.owner, region=one.region, description=one.description,
        tags=one.tags, load=load,
    )  # fmt: skip


def _differ(one: Group, other: Group) -> bool:
    return (one.name, one.vpc, one.owner) != (other.name, other.vpc, other.owner) or (
        one.raw != other.raw and one != other
    )


def _source_of(id: str, groups: dict[str, Group], source: list[tuple[int, Answer]]) -> Answer | None:
    ordinal = list(groups).index(id)
    return next((answer for count, answer in source if ordinal < count), None)
