"""Rules as facts, as what they allow, and as the engine's values; group documents read and written.

What two facts allow is compared by ``Content``: canonical service span and peer, so that ``tcp``/``6`` and an absent or
a ``-1`` port range are one thing (EC2 API Reference, *IpPermission*). At any moment a group holds one rule of a content
at most: the API refuses a second one (*AuthorizeSecurityGroupIngress*, ``InvalidPermission.Duplicate``).
What does not live here: the order of events (``timeline``), what is held at a moment (``group``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias, cast

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_network, span_networks
from doorward.model.change import RuleFact
from doorward.model.intervals import Span
from doorward.model.rules import AnyPeer, Direction, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import rule_span, show_span

Content: TypeAlias = tuple[bool, Span, Span | str]
"""What a rule allows: egress, services, and the peer: addresses, or the id of a group or of a prefix list."""

DEFAULT_EGRESS = RuleFact(True, "-1", None, cidr="0.0.0.0/0")
"""What a new group in a VPC has, and no event tells (EC2 User Guide, *Security group rules*)."""
DEFAULT_EGRESS_V6 = RuleFact(True, "-1", None, cidr="::/0")
"""The same where the VPC has an IPv6 block."""
RULE_FIELDS = ("IpPermissions", "IpPermissionsEgress", "SecurityGroupRules")
"""Parts of a group's document that hold its rules. ``SecurityGroupRules`` (with ids) counts before the others."""


@lru_cache(maxsize=1 << 16)
def _content(
    egress: bool, protocol: str, ports: tuple[int, int] | None, cidr: str | None, group: str | None, listed: str | None
) -> Content:
    low, high = ports if ports is not None else (None, None)
    try:
        span = rule_span(protocol, low, high)
        peer: Span | str | None = parse_network(cidr) if cidr is not None else group or listed
    except ValueError as error:
        raise InvalidInput(f"a rule that cannot be: {error}", hint="describe the group to see what it is") from error
    if peer is None:
        raise InvalidInput("a rule without a peer", hint="expected a CIDR, a group or a prefix list")
    return egress, span, peer


def content_of(fact: RuleFact) -> Content:
    """What a fact allows, in canonical form. Raises ``InvalidInput`` for what no rule can say."""
    return _content(fact.egress, fact.protocol, fact.ports, fact.cidr, fact.group, fact.prefix_list)


@lru_cache(maxsize=1 << 16)
def engine_rule(content: Content, certain: bool) -> Rule:
    """The engine's rule for a content."""
    egress, span, peer = content
    direction: Direction = "egress" if egress else "ingress"
    unknown = None if certain else "what events tell of this rule leaves open whether it is there"
    if isinstance(peer, str):
        known = PrefixListPeer(peer) if peer.startswith("pl-") else GroupPeer(peer)
        return Rule(direction, span, known, certain=certain, unknown=unknown)
    return Rule(direction, span, peer, certain=certain, unknown=unknown)


def content_of_rule(rule: Rule) -> Content | None:
    """What a rule of the engine allows; None for a peer that is not known."""
    peer = rule.peer
    if isinstance(peer, GroupPeer):
        return rule.direction == "egress", rule.service, peer.group
    if isinstance(peer, PrefixListPeer):
        return rule.direction == "egress", rule.service, peer.prefix_list
    if isinstance(peer, AnyPeer):
        return None
    return rule.direction == "egress", rule.service, peer


def show_content(content: Content) -> str:
    """A content in words: ``ingress tcp/443 from 10.0.0.0/8``."""
    egress, span, peer = content
    who = peer if isinstance(peer, str) else ", ".join(span_networks(peer))
    return f"{'egress' if egress else 'ingress'} {show_span(span)} {'to' if egress else 'from'} {who}"


# --- documents --------------------------------------------------------------------------------------------------


def rules_of(document: Mapping[str, object]) -> tuple[RuleFact, ...] | None:
    """The rules that a group's document holds; None when it says nothing of rules. Raises ``InvalidInput``."""
    listed = document.get("SecurityGroupRules")
    try:
        if listed is not None:
            return tuple(_listed(one) for one in cast("Iterable[Mapping[str, object]]", listed))
        if "IpPermissions" not in document and "IpPermissionsEgress" not in document:
            return None
        return tuple(
            fact
            for key, egress in (("IpPermissions", False), ("IpPermissionsEgress", True))
            for one in cast("Iterable[Mapping[str, object]]", document.get(key) or ())
            for fact in _permission(one, egress)
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"rules that cannot be read: {error!r}", where=str(document.get("GroupId")),
            hint="expected the answer of describe-security-groups or describe-security-group-rules",
        ) from error  # fmt: skip


def _ports(one: Mapping[str, object]) -> tuple[int, int] | None:
    low, high = one.get("FromPort"), one.get("ToPort")
    if low is None and high is None:
        return None
    first = int(cast("int", low if low is not None else -1))
    return first, int(cast("int", high if high is not None else -1))


def _listed(one: Mapping[str, object]) -> RuleFact:
    info = cast("Mapping[str, object] | None", one.get("ReferencedGroupInfo"))
    cidr = one.get("CidrIpv4") or one.get("CidrIpv6")
    return RuleFact(
        bool(one.get("IsEgress")),
        str(one["IpProtocol"]).lower(),
        _ports(one),
        cidr=None if cidr is None else str(cidr),
        group=None if info is None else str(info["GroupId"]),
        prefix_list=cast("str | None", one.get("PrefixListId")),
        id=cast("str | None", one.get("SecurityGroupRuleId")),
        description=cast("str | None", one.get("Description")),
    )


def _permission(one: Mapping[str, object], egress: bool) -> Iterable[RuleFact]:
    protocol, ports = str(one["IpProtocol"]).lower(), _ports(one)
    for field, name, key in (
        ("IpRanges", "CidrIp", "cidr"),
        ("Ipv6Ranges", "CidrIpv6", "cidr"),
        ("UserIdGroupPairs", "GroupId", "group"),
        ("PrefixListIds", "PrefixListId", "prefix_list"),
    ):
        for peer in cast("Iterable[Mapping[str, object]]", one.get(field) or ()):
            said = cast("str | None", peer.get("Description"))
            who = str(peer[name])
            if key == "cidr":
                yield RuleFact(egress, protocol, ports, cidr=who, description=said)
            elif key == "group":
                yield RuleFact(egress, protocol, ports, group=who, description=said)
            else:
                yield RuleFact(egress, protocol, ports, prefix_list=who, description=said)


def with_rules(meta: Mapping[str, object], facts: Iterable[RuleFact]) -> dict[str, object]:
    """A group's document with these rules, in both layouts: permissions, and rules where all ids are known."""
    ordered = sorted(facts, key=lambda one: (one.egress, one.protocol, one.ports or (-2, -2), _peer_text(one)))
    sides: dict[bool, list[dict[str, object]]] = {False: [], True: []}
    for fact in ordered:
        sides[fact.egress].append(permission_of(fact))
    made = {key: value for key, value in meta.items() if key not in RULE_FIELDS}
    made["IpPermissions"], made["IpPermissionsEgress"] = sides[False], sides[True]
    if ordered and all(one.id for one in ordered):
        made["SecurityGroupRules"] = [_as_listed(one, str(meta.get("GroupId", ""))) for one in ordered]
    return made


def permission_of(fact: RuleFact) -> dict[str, object]:
    """The ``IpPermission`` of one rule, as Authorize and Revoke take it."""
    found: dict[str, object] = {"IpProtocol": fact.protocol}
    if fact.ports is not None:
        found["FromPort"], found["ToPort"] = fact.ports
    peer: dict[str, object] = {} if fact.description is None else {"Description": fact.description}
    if fact.cidr is not None:
        six = ":" in fact.cidr
        found["Ipv6Ranges" if six else "IpRanges"] = [{"CidrIpv6" if six else "CidrIp": fact.cidr, **peer}]
    elif fact.group is not None:
        found["UserIdGroupPairs"] = [{"GroupId": fact.group, **peer}]
    else:
        found["PrefixListIds"] = [{"PrefixListId": fact.prefix_list, **peer}]
    return found


def _peer_text(fact: RuleFact) -> str:
    return fact.cidr or fact.group or fact.prefix_list or ""


def _as_listed(fact: RuleFact, group: str) -> dict[str, object]:
    found: dict[str, object] = {
        "SecurityGroupRuleId": fact.id, "GroupId": group, "IsEgress": fact.egress, "IpProtocol": fact.protocol,
    }  # fmt: skip
    found["FromPort"], found["ToPort"] = fact.ports if fact.ports is not None else (-1, -1)
    if fact.cidr is not None:
        found["CidrIpv6" if ":" in fact.cidr else "CidrIpv4"] = fact.cidr
    elif fact.group is not None:
        found["ReferencedGroupInfo"] = {"GroupId": fact.group}
    else:
        found["PrefixListId"] = fact.prefix_list
    if fact.description is not None:
        found["Description"] = fact.description
    return found
