"""Security-group rules: authorize, revoke, modify, describe them, exactly as the EC2 API documents.

moto answers only the last permission's rules, half-applies calls that fail, knows no group or prefix list in
ModifySecurityGroupRules and keeps CIDRs as they were written. The calls about groups themselves are in `groups`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doorward_lab.cloud import permissions, views
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.permissions import PEERS, Permission, of_rule
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import ApiError

LIMIT = 60
"""Rules per group, direction and family (VPC User Guide, "Amazon VPC quotas": inbound or outbound rules per group)."""

_WEIGHTS = {"cloudfront": 55, "vpc-lattice": 10, "groundstation": 5}


def _wanted(turn: Turn) -> list[Mapping[str, Any]]:
    """The call's permissions: `IpPermissions`, or the flat form with one CIDR or one source group."""
    params = turn.params
    if params.get("IpPermissions"):
        return list(params["IpPermissions"])
    if "CidrIp" not in params and "SourceSecurityGroupName" not in params:
        return []
    one: dict[str, Any] = {name: params[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in params}
    if "SourceSecurityGroupName" in params:
        pair = {"GroupName": params["SourceSecurityGroupName"], "UserId": params.get("SourceSecurityGroupOwnerId")}
        one["UserIdGroupPairs"] = [pair]
        one.setdefault("IpProtocol", "-1")
    else:
        one["IpRanges"] = [{"CidrIp": params["CidrIp"]}]
    return [one]


def _permissions(turn: Turn, group: Any, egress: bool, *, existing: bool = False) -> list[Permission]:
    """What the call lists, one peer each, groups by id. With `existing` the peers need not (any longer) exist."""
    found = list(permissions.expanded(_wanted(turn), turn.request.account))
    return [lookup.resolved(turn, group, one, egress=egress, must_exist=not existing) for one in found]


@corrects("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress")
def authorize(turn: Turn) -> Mapping[str, Any]:
    """Add rules, all or none (EC2 API Reference, AuthorizeSecurityGroupIngress/Egress)."""
    group, egress = lookup.group(turn), turn.request.action.endswith("Egress")
    wanted = _permissions(turn, group, egress)
    if not wanted:
        raise ApiError("MissingParameter", "The request must contain the parameter ipPermissions")
    rules = group.egress_rules if egress else group.ingress_rules
    have = {of_rule(rule).key for rule in rules}
    seen: set[Any] = set()
    for one in wanted:
        if one.key in seen:
            raise ApiError("InvalidParameterValue", "The same permission must not appear multiple times")
        seen.add(one.key)
    for one in wanted:
        if one.key in have:
            raise ApiError("InvalidPermission.Duplicate", f'the specified rule "{one}" already exists')
    _keep_quota(turn, [of_rule(rule) for rule in rules] + wanted)
    tags = turn.given_tags("security-group-rule")
    added = [permissions.new_rule(turn.ec2, group.id, one, egress=egress, tags=tags) for one in wanted]
    rules.extend(added)
    return {"Return": True, "SecurityGroupRules": [views.rule(turn, group, one) for one in added]}


def _keep_quota(turn: Turn, rules: Sequence[Permission]) -> None:
    """IPv4 and IPv6 rules count apart; a group counts in both; a prefix list counts as its maximum of entries."""
    four = six = 0
    for one in rules:
        weight = 1
        families = {"CidrIp": (4,), "CidrIpv6": (6,)}.get(one.kind, (4, 6))
        if one.kind == "PrefixListId":
            listed = turn.ec2.managed_prefix_lists.get(one.peer)
            if listed is not None:
                families = (6,) if listed.address_family == "IPv6" else (4,)
                known = [number for word, number in _WEIGHTS.items() if word in (listed.prefix_list_name or "")]
                weight = int(listed.max_entries) if listed.max_entries else (known or [1])[0]
        four += weight * (4 in families)
        six += weight * (6 in families)
    if max(four, six) > LIMIT:
        text = "The maximum number of rules per security group has been reached."
        raise ApiError("RulesPerSecurityGroupLimitExceeded", text)


@corrects("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def revoke(turn: Turn) -> Mapping[str, Any]:
    """Remove rules, all or none.

    EC2 API Reference, RevokeSecurityGroupIngress: descriptions need not match; in a default VPC what matches nothing
    is listed instead of refused; elsewhere InvalidPermission.NotFound, and no rules are revoked.
    """
    group, egress = lookup.group(turn), turn.request.action.endswith("Egress")
    rules = group.egress_rules if egress else group.ingress_rules
    ids = turn.params.get("SecurityGroupRuleIds") or []
    doomed: list[Any] = []
    unknown: list[Permission] = []
    if ids:
        if turn.params.get("IpPermissions"):
            text = "The parameters SecurityGroupRuleIds and IpPermissions may not be used together"
            raise ApiError("InvalidParameterCombination", text)
        doomed = [_by_id(rules, id) for id in dict.fromkeys(ids)]
    else:
        wanted = _permissions(turn, group, egress, existing=True)
        if not wanted:
            raise ApiError("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
        by_key = {of_rule(rule).key: rule for rule in rules}
        for one in {one.key: one for one in wanted}.values():
            if one.key in by_key:
                doomed.append(by_key[one.key])
            else:
                unknown.append(one)
    if unknown and not lookup.in_default_vpc(turn, group):
        text = "The specified rule does not exist in this security group."
        raise ApiError("InvalidPermission.NotFound", text)
    gone = {rule.id for rule in doomed}
    rules[:] = [rule for rule in rules if rule.id not in gone]
    answer = [views.revoked(turn, group, one) for one in doomed]
    for id in gone:
        turn.ec2.tags.pop(id, None)
    return {
        "Return": True,
        "RevokedSecurityGroupRules": answer,
        "UnknownIpPermissions": views.grouped(turn.ec2, unknown),
    }


def _by_id(rules: Sequence[Any], id: str) -> Any:
    for rule in rules:
        if rule.id == id:
            return rule
    raise ApiError("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{id}' does not exist")


_FIELDS = {"CidrIpv4": "CidrIp", "CidrIpv6": "CidrIpv6", "ReferencedGroupId": "GroupId", "PrefixListId": "PrefixListId"}


@corrects("ModifySecurityGroupRules")
def modify(turn: Turn) -> Mapping[str, Any]:
    """Change rules in place: same id, same direction, all or none (EC2 API Reference, ModifySecurityGroupRules).

    The kind of peer stays: EC2 refuses a CIDR for a rule that names a group, IPv6 for IPv4, and so on (Terraform AWS
    provider, aws_vpc_security_group_ingress_rule: "you cannot change the rule's source type").
    """
    group = lookup.group(turn)
    every = [*group.ingress_rules, *group.egress_rules]
    changed: dict[str, Permission] = {}
    for update in turn.params.get("SecurityGroupRules") or ():
        id = str(update.get("SecurityGroupRuleId", ""))
        rule = _by_id(every, id)
        if id in changed:
            raise ApiError("InvalidParameterValue", f"The security group rule ID '{id}' must not appear multiple times")
        changed[id] = _update(turn, group, rule, update.get("SecurityGroupRule") or {})
    if not changed:
        raise ApiError("MissingParameter", "The request must contain the parameter SecurityGroupRule")
    for rules in (group.ingress_rules, group.egress_rules):
        after = [changed.get(rule.id) or of_rule(rule) for rule in rules]
        seen: set[Any] = set()
        for one in after:
            if one.key in seen:
                raise ApiError("InvalidPermission.Duplicate", f'the specified rule "{one}" already exists')
            seen.add(one.key)
        if any(rule.id in changed for rule in rules):
            _keep_quota(turn, after)
    for rule in every:
        if rule.id in changed:
            permissions.store(rule, changed[rule.id])
    return {"Return": True}


def _update(turn: Turn, group: Any, rule: Any, wanted: Mapping[str, Any]) -> Permission:
    given = [name for name in _FIELDS if wanted.get(name)]
    if len(given) > 1:
        text = "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified"
        raise ApiError("InvalidParameterCombination", text)
    if not given:
        text = "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId"
        raise ApiError("MissingParameter", text)
    if not wanted.get("IpProtocol"):
        text = "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly."
        raise ApiError("InvalidParameterValue", text)
    kind, old = _FIELDS[given[0]], of_rule(rule)
    if kind != old.kind:
        text = (
            f"Invalid rule type for security group rule '{rule.id}'. "
            f"You may not specify {given[0]} for an existing {PEERS[old.kind]} rule."
        )
        raise ApiError("InvalidParameterValue", text)
    name = permissions.protocol(wanted["IpProtocol"])
    first, last = permissions.ports(name, wanted.get("FromPort"), wanted.get("ToPort"))
    peer = str(wanted[given[0]])
    if kind in ("CidrIp", "CidrIpv6"):
        peer = permissions.cidr(peer, 4 if kind == "CidrIp" else 6)
    # SecurityGroupRuleRequest replaces the rule: a description that is not given is gone.
    note = permissions.described(wanted.get("Description"))
    one = Permission(name, first, last, kind, peer, note, turn.request.account if kind == "GroupId" else None)
    return lookup.resolved(turn, group, one, egress=rule.is_egress)


@corrects("UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress")
def describe_anew(turn: Turn) -> Mapping[str, Any]:
    """Change descriptions, by rule id or by permission; one that is left out is removed, all or none."""
    group, egress = lookup.group(turn), turn.request.action.endswith("Egress")
    rules = group.egress_rules if egress else group.ingress_rules
    new: list[tuple[Any, str | None]] = []
    for one in turn.params.get("SecurityGroupRuleDescriptions") or ():
        rule = _by_id(rules, str(one.get("SecurityGroupRuleId", "")))
        new.append((rule, permissions.described(one.get("Description"))))
    by_key = {of_rule(rule).key: rule for rule in rules}
    for permission in _permissions(turn, group, egress, existing=True):
        if permission.key not in by_key:
            text = "The specified rule does not exist in this security group."
            raise ApiError("InvalidPermission.NotFound", text)
        new.append((by_key[permission.key], permission.description))
    if not new:
        text = "Either 'ipPermissions' or 'securityGroupRuleDescriptions' should be provided."
        raise ApiError("MissingParameter", text)
    for rule, text_or_none in new:
        old = of_rule(rule)
        fresh = Permission(old.protocol, old.from_port, old.to_port, old.kind, old.peer, text_or_none, old.owner)
        permissions.store(rule, fresh)
    return {"Return": True}


@corrects("DescribeSecurityGroupRules")
def describe(turn: Turn) -> Mapping[str, Any]:
    """Rules by id, group or tag (EC2 API Reference, DescribeSecurityGroupRules)."""
    ids = turn.params.get("SecurityGroupRuleIds") or []
    filters = turn.params.get("Filters") or []
    found = [(group, rule) for group in lookup.groups(turn) for rule in (*group.egress_rules, *group.ingress_rules)]
    if ids:
        have = {rule.id: (group, rule) for group, rule in found}
        for id in ids:
            _by_id([rule for _, rule in found] if id not in have else [have[id][1]], id)
        found = [have[id] for id in dict.fromkeys(ids)]
    known = {"group-id": lambda pair: (pair[0].id,), "security-group-rule-id": lambda pair: (pair[1].id,)}
    kept = lookup.chosen(turn, found, filters, known, lambda pair: pair[1].id)
    return {"SecurityGroupRules": [views.rule(turn, group, rule) for group, rule in kept]}
