"""An act as exactly one call of the API, dry or in earnest, and the call's right.

One rule a call, never a bucket of them; a changed rule is changed back in place and keeps its id. Sources: EC2 API
Reference, AuthorizeSecurityGroupIngress/Egress, RevokeSecurityGroupIngress/Egress, ModifySecurityGroupRules,
ModifyNetworkInterfaceAttribute, ModifyInstanceAttribute, Create/Replace/DeleteNetworkAclEntry, Create/Replace/
DeleteRoute, ModifyManagedPrefixList; Elastic Load Balancing API Reference, SetSecurityGroups (which has no dry run).
What does not live here: whether it may be sent (``look``), what refusals mean (``answers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doorward.errors import CloudError
from doorward.model.change import Place, RuleFact
from doorward.model.revert import (
    AclEntryBack,
    Act,
    Authorize,
    Modify,
    PrefixEntriesBack,
    Revoke,
    RouteBack,
    SetGroups,
    key_of,
)
from doorward.remedy.look import TARGETS, Clouds, content_of, fact_of, show


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the service, the API's action, boto3's method and its arguments."""

    service: str
    action: str
    method: str
    arguments: dict[str, Any]
    place: Place

    @property
    def right(self) -> str:
        """The right that it needs, as in a policy."""
        prefix = "elasticloadbalancing" if self.service == "elbv2" else self.service
        return f"{prefix}:{self.action}"

    @property
    def has_dry_run(self) -> bool:
        """Whether the API can be asked if it would succeed."""
        return self.service == "ec2"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a call: the API's id of it, the id of a rule that it made, rules that it says it removed."""

    request: str
    made: str | None = None
    removed: tuple[RuleFact, ...] = ()


def call_of(act: Act, id: str | None = None) -> Call:
    """The call of an act. ``id``: of the rule that was found, where the act does not say it. Raises ``CloudError``."""
    place = key_of(act).place
    arguments: dict[str, Any]
    match act:
        case Authorize(group, rule):
            side = "egress" if rule.egress else "ingress"
            arguments = {"GroupId": group.id, "IpPermissions": [permission(rule)]}
            return _ec2(f"AuthorizeSecurityGroup{side.title()}", arguments, place)
        case Revoke(group, rule):
            known = rule.id or id
            if known is None:
                raise CloudError(f"the id of {show(rule)} is not known", where=group.id, hint="describe the group")
            side = "egress" if rule.egress else "ingress"
            arguments = {"GroupId": group.id, "SecurityGroupRuleIds": [known]}
            return _ec2(f"RevokeSecurityGroup{side.title()}", arguments, place)
        case Modify(group, rule_id, _, back):
            update = {"SecurityGroupRuleId": rule_id, "SecurityGroupRule": request_of(back)}
            return _ec2("ModifySecurityGroupRules", {"GroupId": group.id, "SecurityGroupRules": [update]}, place)
        case SetGroups(key, _, groups):
            if key.kind == "load-balancer":
                arguments = {"LoadBalancerArn": key.id, "SecurityGroups": list(groups)}
                return Call("elbv2", "SetSecurityGroups", "set_security_groups", arguments, place)
            if key.kind == "instance":
                return _ec2("ModifyInstanceAttribute", {"InstanceId": key.id, "Groups": list(groups)}, place)
            arguments = {"NetworkInterfaceId": key.id, "Groups": list(groups)}
            return _ec2("ModifyNetworkInterfaceAttribute", arguments, place)
        case AclEntryBack():
            return _entry_call(act)
        case RouteBack():
            return _route_call(act)
        case PrefixEntriesBack(key, version, add, remove):
            arguments = {"PrefixListId": key.id, "CurrentVersion": version}
            if add:
                arguments["AddEntries"] = [
                    {"Cidr": cidr, **({"Description": text} if text else {})} for cidr, text in add
                ]
            if remove:
                arguments["RemoveEntries"] = [{"Cidr": cidr} for cidr, _ in remove]
            return _ec2("ModifyManagedPrefixList", arguments, place)


def send(clouds: Clouds, call: Call, revert: str, *, dry: bool = False) -> Sent:
    """Send a call. Raises botocore's errors; a dry run always does (``DryRunOperation``: it would succeed)."""
    client = clouds.client(call.service, call.place, revert)
    extra = {"DryRun": True} if dry else {}
    answer = getattr(client, call.method)(**call.arguments, **extra)
    made = None
    if call.action.startswith("AuthorizeSecurityGroup"):
        made = next((str(one["SecurityGroupRuleId"]) for one in answer.get("SecurityGroupRules") or ()), None)
    removed = tuple(fact_of(one) for one in answer.get("RevokedSecurityGroupRules") or ())
    return Sent(str(answer.get("ResponseMetadata", {}).get("RequestId", "")), made, removed)


def taken_by_mistake(act: Act, sent: Sent) -> tuple[RuleFact, ...]:
    """What a revoke removed that it was not to remove: somebody had changed the rule between the look and the call."""
    if not isinstance(act, Revoke):
        return ()
    return tuple(one for one in sent.removed if content_of(one) != content_of(act.rule))


def permission(rule: RuleFact) -> dict[str, Any]:
    """The ``IpPermission`` of one rule, description included."""
    found: dict[str, Any] = {"IpProtocol": rule.protocol}
    if rule.ports is not None:
        found["FromPort"], found["ToPort"] = rule.ports
    note = {"Description": rule.description} if rule.description else {}
    if rule.cidr is not None:
        six = ":" in rule.cidr
        found["Ipv6Ranges" if six else "IpRanges"] = [{"CidrIpv6" if six else "CidrIp": rule.cidr, **note}]
    elif rule.group is not None:
        found["UserIdGroupPairs"] = [{"GroupId": rule.group, **note}]
    else:
        found["PrefixListIds"] = [{"PrefixListId": rule.prefix_list, **note}]
    return found


def request_of(rule: RuleFact) -> dict[str, Any]:
    """The ``SecurityGroupRuleRequest`` of one rule: it replaces the rule, so the description is in it."""
    found: dict[str, Any] = {"IpProtocol": rule.protocol}
    if rule.ports is not None:
        found["FromPort"], found["ToPort"] = rule.ports
    if rule.description:
        found["Description"] = rule.description
    if rule.cidr is not None:
        found["CidrIpv6" if ":" in rule.cidr else "CidrIpv4"] = rule.cidr
    elif rule.group is not None:
        found["ReferencedGroupId"] = rule.group
    else:
        found["PrefixListId"] = rule.prefix_list
    return found


def _ec2(action: str, arguments: dict[str, Any], place: Place) -> Call:
    from botocore import xform_name

    return Call("ec2", action, str(xform_name(action)), arguments, place)


def _entry_call(act: AclEntryBack) -> Call:
    arguments: dict[str, Any] = {"NetworkAclId": act.acl.id, "RuleNumber": act.number, "Egress": act.egress}
    if act.back is None:
        return _ec2("DeleteNetworkAclEntry", arguments, act.acl.place)
    for name in ("Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock", "PortRange", "IcmpTypeCode"):
        value = act.back.get(name)
        if value:
            arguments[name] = dict(value) if isinstance(value, Mapping) else value
    return _ec2("CreateNetworkAclEntry" if act.now is None else "ReplaceNetworkAclEntry", arguments, act.acl.place)


def _route_call(act: RouteBack) -> Call:
    field, value = act.destination
    arguments: dict[str, Any] = {"RouteTableId": act.table.id, field: value}
    if act.back is None:
        return _ec2("DeleteRoute", arguments, act.table.place)
    found = {name: act.back[name] for name in TARGETS if act.back.get(name)}
    if "NetworkInterfaceId" in found:
        found.pop("InstanceId", None)
    if str(found.get("GatewayId", "")).startswith("vpce-"):
        found["VpcEndpointId"] = found.pop("GatewayId")
    if len(found) != 1:
        raise CloudError(
            f"the route to {value} leads to {', '.join(map(str, found.values())) or 'nothing'}",
            where=act.table.id, hint="expected exactly one target; put it back by hand",
        )  # fmt: skip
    action = "CreateRoute" if act.now is None else "ReplaceRoute"
    return _ec2(action, {**arguments, **found}, act.table.place)
