"""Calls on security groups and their rules: exact effects, from the answer (which has rule ids) before the request.

Sources: EC2 API Reference, *AuthorizeSecurityGroupIngress*, *RevokeSecurityGroupIngress*, *ModifySecurityGroupRules*,
*CreateSecurityGroup*, *IpPermission*; VPC User Guide, *Security group rules*, *Default security groups for your VPCs*.
"""

from __future__ import annotations

from typing import Any

import msgspec

from doorward.model.change import Ask, Effect, Gone, Key, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet
from doorward.readers.cloudtrail.call import Call, Unclear
from doorward.readers.cloudtrail.rule_shapes import Answer, Items, Permission, Range, Request, WireRule, fact
from doorward.readers.cloudtrail.tree import Tree, described, many, text, texts

_answer = msgspec.json.Decoder(Answer, strict=False).decode
_request = msgspec.json.Decoder(Request, strict=False).decode
_LISTS = frozenset(
    "ipPermissions groups userIdGroupPairs ipRanges ipv6Ranges prefixListIds securityGroupRuleIds securityGroupRuleSet "
    "revokedSecurityGroupRuleSet".split()
)


def _told(rule: WireRule, egress: bool) -> RuleFact:
    info = rule.referenced_group_info
    group = (info.group_id if info is not None else None) or rule.referenced_group_id
    return fact(
        egress, rule.ip_protocol, rule.from_port, rule.to_port, rule.cidr_ipv4 or rule.cidr_ipv6, group,
        rule.prefix_list_id, rule.security_group_rule_id, rule.description or None,
    )  # fmt: skip


def authorize(call: Call) -> list[Effect]:
    """AuthorizeSecurityGroupIngress and -Egress: the rules that appeared, with their ids where the answer has them."""
    egress = call.name.endswith("Egress")
    answer = _read_answer(call)
    rules = answer.security_group_rule_set
    if rules is not None and rules.items:
        added: list[Effect] = []
        place, last, key = call.place, None, None
        for rule in rules.items:
            if rule.group_id is None:
                raise Unclear("a rule of no group")
            if key is None or rule.group_id != last:
                last = rule.group_id
                key = Key(place, "group", last)
            added.append(RuleAdded(key, _told(rule, egress)))
        return added
    _expect_success(answer)
    request = _read_request(call)
    key = _group(call, request)
    return [RuleAdded(key, rule) for rule in _requested(call, request, egress)]


def revoke(call: Call) -> list[Effect]:
    """RevokeSecurityGroupIngress and -Egress: the rules that are gone.

    Without the answer's list (records before 2025 have none) the request tells: whether a rule was there or not (in a
    default VPC a miss is no error), it is not there now.
    """
    egress = call.name.endswith("Egress")
    answer = _read_answer(call)
    gone = answer.revoked_security_group_rule_set
    if gone is not None and gone.items:
        removed: list[Effect] = []
        group: Key | None = None
        for rule in gone.items:
            if rule.group_id is None and group is None:
                group = _group(call, _read_request(call))
            key = Key(call.place, "group", rule.group_id) if rule.group_id is not None else group
            assert key is not None
            removed.append(RuleRemoved(key, rule.security_group_rule_id, _told(rule, egress)))
        return removed
    _expect_success(answer)
    request = _read_request(call)
    key = _group(call, request)
    effects: list[Effect] = []
    for named in request.security_group_rule_ids.items if request.security_group_rule_ids is not None else ():
        if named.security_group_rule_id is None:
            raise Unclear("a rule without an id")
        effects.append(RuleRemoved(key, named.security_group_rule_id, None))
    if not effects or (request.ip_permissions is not None and request.ip_permissions.items):
        effects += [RuleRemoved(key, None, rule) for rule in _requested(call, request, egress)]
    return effects


def _expect_success(answer: Answer) -> None:
    if answer._return is not True:
        raise Unclear("the record does not say that the call succeeded")


def _read_answer(call: Call) -> Answer:
    raw = call.record.response
    if raw == b"null":
        return Answer()
    try:
        answer = _answer(raw)
        if answer.request_id is None and answer._return is None and answer.security_group_rule_set is None:
            tree = call.response
            answer = msgspec.convert(_itemised(tree) | {"_return": tree.get("return")}, Answer, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unclear(str(error)) from error
    return answer


def _read_request(call: Call) -> Request:
    try:
        request = _request(call.record.request)
        if request.group_id is None and request.group_name is None:
            request = msgspec.convert(_itemised(call.request), Request, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unclear(str(error)) from error
    if request.omitted:
        raise Unclear("left out of the record, being too large")
    return request


def _itemised(tree: Any) -> Any:
    """A plain tree with the lists of rules as ``{"items": [...]}`` again, for the same types to read."""
    if isinstance(tree, list):
        return [_itemised(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    made: Tree = {}
    for key, value in tree.items():
        if key in _LISTS:
            made[key] = {"items": [_itemised(one) for one in many(value)]}
        elif key == "securityGroupRuleId" and (
            isinstance(value, list) or ("groupId" in tree and "ipProtocol" not in tree)
        ):
            made["securityGroupRuleIds"] = {"items": [{"securityGroupRuleId": one} for one in many(value)]}
        else:
            made[key] = _itemised(value)
    return made


def _group(call: Call, request: Request) -> Key:
    if request.group_id is not None:
        return call.key("group", request.group_id)
    if request.group_name is not None:
        found = call.lookup.group(call.place, request.group_name, None)
        if found is not None:
            return call.key("group", found)
    raise Unclear(f"the group is named {request.group_name!r}, and its id is not known")


def _requested(call: Call, request: Request, egress: bool) -> list[RuleFact]:
    permissions = list(request.ip_permissions.items) if request.ip_permissions is not None else []
    if request.ip_protocol is not None or request.cidr_ip is not None:
        flat = [Range(cidr_ip=request.cidr_ip)] if request.cidr_ip is not None else []
        flat += [Range(cidr_ipv6=request.cidr_ipv6)] if request.cidr_ipv6 is not None else []
        permissions.append(Permission(request.ip_protocol, request.from_port, request.to_port, ip_ranges=Items(flat)))
    if request.source_security_group_name is not None:
        # One such call makes several rules (all of ICMP, TCP and UDP); which ones, only the answer tells.
        raise Unclear(f"rules for the group named {request.source_security_group_name!r}")
    rules = [rule for one in permissions for rule in _of_permission(call, one, egress)]
    if not rules:
        raise Unclear("no rule is told")
    return rules


def _of_permission(call: Call, one: Permission, egress: bool) -> list[RuleFact]:
    made = []
    for peers in (one.ip_ranges, one.ipv6_ranges, one.groups, one.user_id_group_pairs, one.prefix_list_ids):
        for peer in peers.items if peers is not None else ():
            group = peer.group_id
            if group is None and peer.group_name is not None:
                group = call.lookup.group(call.place, peer.group_name, peer.vpc_id)
            made.append(
                fact(
                    egress,
                    one.ip_protocol,
                    one.from_port,
                    one.to_port,
                    peer.cidr_ip or peer.cidr_ipv6,
                    group,
                    peer.prefix_list_id,
                    None,
                    peer.description or None,
                )
            )
    if not made:
        raise Unclear("a permission without peers")
    return made


def modify(call: Call) -> list[Effect]:
    """ModifySecurityGroupRules: rules keep their ids and allow something else. The record does not say of a rule
    whether it is an egress rule: where nothing else does, the group is asked."""
    group = call.key("group", call.need("groupId"))
    if call.response.get("return", call.response.get("_return")) is not True:
        raise Unclear("the record does not say that the call succeeded")
    effects: list[Effect] = []
    updates = many(call.request.get("securityGroupRule", call.request.get("securityGroupRules")))
    for update in updates:
        id, new = text(update, "securityGroupRuleId"), update.get("securityGroupRule")
        known = call.lookup.rule(call.place, group.id, id) if id is not None else None
        if id is None or known is None or not isinstance(new, dict):
            raise Unclear(f"{id or 'a rule'} now is {_summary(new)}; its direction is not told")
        peer = text(new, "referencedGroupId") or text(new, "referencedGroupInfo", "groupId")
        rule = fact(
            known.egress, text(new, "ipProtocol"), _number(new, "fromPort"), _number(new, "toPort"),
            text(new, "cidrIpv4") or text(new, "cidrIpv6"), peer, text(new, "prefixListId"), id,
            text(new, "description"),
        )  # fmt: skip
        effects.append(RuleSet(group, id, rule))
    if not effects:
        raise Unclear("no rule is told")
    return effects


def _summary(new: Any) -> str:
    words = (
        [f"{key} {value}" for key, value in new.items() if isinstance(value, str | int)]
        if isinstance(new, dict)
        else []
    )
    return ", ".join(words)[:160] or "something else"


def _number(tree: Tree, name: str) -> int | None:
    said = text(tree, name)
    if said is None:
        return None
    try:
        return int(said)
    except ValueError as error:
        raise Unclear(f"{name} is {said[:40]!r}") from error


def create(call: Call) -> list[Effect]:
    """CreateSecurityGroup: the group with the egress rule that every new group has and that no event tells of.

    VPC User Guide, *Default security groups for your VPCs* and *Security group rules*: a new group allows all outbound
    traffic; the rule for ``::/0`` is there only if the VPC has an IPv6 block. Where that is not known, the group is
    asked.
    """
    id = text(call.response, "groupId")
    if id is None:
        raise Unclear("no groupId")
    vpc = text(call.request, "vpcId")
    ipv6 = call.lookup.has_ipv6(call.place, vpc) if vpc is not None else None
    everything: Tree = {
        "IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}] if ipv6 else [], "UserIdGroupPairs": [], "PrefixListIds": [],
    }  # fmt: skip
    tags = many(call.response.get("tagSet")) or [
        tag
        for one in many(call.request.get("tagSpecificationSet"))
        if isinstance(one, dict)
        for tag in many(one.get("tags"))
    ]
    document: Tree = {
        "GroupId": id, "GroupName": text(call.request, "groupName") or "",
        "Description": text(call.request, "groupDescription") or "", "OwnerId": call.place.account,
        "IpPermissions": [], "IpPermissionsEgress": [everything],
        "Tags": [described(tag) for tag in tags if isinstance(tag, dict)],
    }  # fmt: skip
    if vpc is not None:
        document["VpcId"] = vpc
    key = call.key("group", id)
    effects: list[Effect] = [Put(key, document)]
    if ipv6 is None:
        where = f"whether {vpc} has IPv6" if vpc is not None else "its VPC"
        effects.append(Ask(key, f"{where} is not known, and so not whether a new group has an egress rule for ::/0"))
    return effects


def delete(call: Call) -> list[Effect]:
    """DeleteSecurityGroup."""
    id = text(call.request, "groupId") or text(call.response, "groupId")
    if id is None:
        id = call.lookup.group(call.place, call.need("groupName"), None)
    if id is None:
        raise Unclear(f"the group is named {call.need('groupName')!r}, and its id is not known")
    return [Gone(call.key("group", id))]


def describes_group(call: Call) -> list[str]:
    """Ids of groups that a rule call is about, for questions: from the answer, the request, or the name."""
    ids = [id for tree in call.trees for id in texts(tree.get("groupId"))]
    for tree in call.trees:
        for rule in many(tree.get("securityGroupRuleSet")):
            ids += texts([rule], "groupId")
        if not ids and (name := text(tree, "groupName")) is not None:
            found = call.lookup.group(call.place, name, None)
            ids += [found] if found is not None else []
    return ids
