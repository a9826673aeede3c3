"""Security groups and their rules: ``SecurityGroups``, ``SecurityGroupRules``, ``StaleSecurityGroupSet``.

Rules stay undecoded views of the file until a group is asked for them. A rule has one peer: a permission with three
CIDRs is three rules (so has the EC2 API since 2021). Source: EC2 API Reference, *IpPermission*, *SecurityGroupRule*,
*StaleSecurityGroup*.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TypeAlias

import msgspec

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_network
from doorward.model.estate import Tags
from doorward.model.intervals import Span
from doorward.model.rules import AnyPeer, Direction, Group, GroupPeer, Peer, PrefixListPeer, Rule, Rules
from doorward.model.services import ALL_SPAN, BLOCK, TCP, rule_span
from doorward.readers.aws.context import Context, conflict, tags_of
from doorward.readers.aws.layout import ABSENT, EXPECTED, Answer
from doorward.readers.aws.shapes import (
    NOTHING,
    GroupPair,
    Permission,
    WireGroup,
    WireRule,
)
from doorward.readers.files import decoded, fault

FIRST_TCP = TCP * BLOCK
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
_permissions = msgspec.json.Decoder(list[Permission] | None)
_rules = msgspec.json.Decoder(list[WireRule] | None)

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
        self._listed: dict[tuple[str, Direction], list[tuple[Span, Permission]]] = {}
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

    def load(self, answer: Answer, item: WireGroup) -> Rules:
        """All rules of one group, from its permissions."""
        made: list[Rule] = []
        ids = self.rule_ids(item.group_id)
        for direction in DIRECTIONS:
            for span, permission in self._permissions(answer, item, direction):
                self._permission(made, direction, span, permission, answer, item, ids)
        return tuple(made)

    def load_part(self, answer: Answer, item: WireGroup, direction: Direction, asked: Span) -> Rules:
        """The rules of one direction that touch a span of services."""
        made: list[Rule] = []
        ids = self.rule_ids(item.group_id)
        first, last = asked
        key = (item.group_id, direction)
        listed = self._listed.get(key)
        if listed is None:
            listed = self._permissions(answer, item, direction)
            if asked != ALL_SPAN:
                self._listed[key] = listed  # other spans are asked for next
        for span, permission in listed:
            if span[0] <= last and first <= span[1]:
                self._permission(made, direction, span, permission, answer, item, ids)
        return tuple(made)

    def _permissions(self, answer: Answer, item: WireGroup, direction: Direction) -> list[tuple[Span, Permission]]:
        """The permissions of one direction with their services.

        Their peers are decoded with them: that costs a fifth more than to pass them over, and half of what it costs to
        come back for those of one permission.
        """
        id = item.group_id
        raw = item.ip_permissions if direction == "ingress" else item.ip_permissions_egress
        try:
            listed = _permissions.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise fault(error, f"{answer.where}: security group {id}", EXPECTED) from error
        found: list[tuple[Span, Permission]] = []
        for one in listed or ():
            low, high = one.from_port, one.to_port
            if one.ip_protocol == "tcp" and low is not None and high is not None and 0 <= low <= high < BLOCK:
                found.append(((FIRST_TCP + low, FIRST_TCP + high), one))  # nearly all: not worth a look-up
            else:
                found.append((self.span(one.ip_protocol, low, high, answer, id), one))
        return found

    def _permission(
        self, made: list[Rule], direction: Direction, span: Span, permission: Permission, answer: Answer,
        item: WireGroup, ids: dict[_RuleKey, str],
    ) -> None:  # fmt: skip
        make = tuple.__new__  # as NamedTuple._make does, without its checks: rules are many
        id, owner = item.group_id, item.owner_id
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


def _group(reader: RuleReader, answer: Answer, item: WireGroup) -> Group:
    tags: Tags = ()
    if item.tags:
        tags = tags_of(item.tags)[1]
        item.tags = None  # the rest of it is kept for its rules
    return Group(
        item.group_id, name=item.group_name or "", vpc=item.vpc_id, owner=item.owner_id, region=answer.region,
        description=item.description or "", tags=tags, raw=(item.ip_permissions, item.ip_permissions_egress),
        load=partial(reader.load, answer, item), load_part=partial(reader.load_part, answer, item),
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
