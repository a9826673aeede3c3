"""A call by boto3 -> the lab's record of it -> its effect again. The lab's writer and this reader share no code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doorward.model.change import (
    Ask,
    Change,
    Effect,
    Gone,
    Key,
    Member,
    Place,
    RuleAdded,
    RuleFact,
    RuleRemoved,
    RuleSet,
)
from doorward.readers.cloudtrail import KNOWS_NOTHING, Lookup, read
from tests.readers.cloudtrail.given import LEARNED, Documents

pytest.importorskip("moto", reason="the lab needs moto")

from doorward_lab.cloud.trail import Style, records
from tests.lab.trail.wire import ACCOUNT, ALICE, call, elements

PLACE = Place(ACCOUNT, "us-east-1")
GROUP, PEER = "sg-0123456789abcdef0", "sg-0fedcba9876543210"
KEY = Key(PLACE, "group", GROUP)
STYLES = [Style(era=era, form=form) for era in ("2023", "current") for form in ("sent", "flat")]


def effects(
    style: Style, action: str, arguments: dict[str, Any], answer: Any, lookup: Lookup = KNOWS_NOTHING
) -> tuple[Effect, ...]:
    """What reading the lab's record of a call gives."""
    (made,) = records(call(action, arguments, answer=elements(answer)), ALICE, style)
    found = read(json.dumps(made), LEARNED, lookup)
    assert isinstance(found, Change), found
    assert (PLACE, "arn:aws:iam::123456789012:user/alice") == (found.place, found.who.arn)
    return found.effects


def wire_rule(fact: RuleFact) -> dict[str, Any]:
    """A rule as EC2 answers it."""
    low, high = fact.ports or (-1, -1)
    peer: dict[str, Any] = {"referencedGroupInfo": {"groupId": fact.group, "userId": ACCOUNT}} if fact.group else {}
    if fact.cidr:
        peer = {"cidrIpv6" if ":" in fact.cidr else "cidrIpv4": fact.cidr}
    if fact.prefix_list:
        peer = {"prefixListId": fact.prefix_list}
    return {"groupOwnerId": ACCOUNT, "groupId": GROUP, "securityGroupRuleId": fact.id, "isEgress": fact.egress,
            "ipProtocol": fact.protocol, "fromPort": low, "toPort": high} | peer  # fmt: skip


def sent_permission(fact: RuleFact) -> dict[str, Any]:
    """The same as a client sends it."""
    made: dict[str, Any] = {"IpProtocol": fact.protocol}
    made |= {"FromPort": fact.ports[0], "ToPort": fact.ports[1]} if fact.ports else {}
    made |= {"IpRanges": [{"CidrIp": fact.cidr}]} if fact.cidr and ":" not in fact.cidr else {}
    made |= {"Ipv6Ranges": [{"CidrIpv6": fact.cidr}]} if fact.cidr and ":" in fact.cidr else {}
    made |= {"UserIdGroupPairs": [{"GroupId": fact.group}]} if fact.group else {}
    return made | ({"PrefixListIds": [{"PrefixListId": fact.prefix_list}]} if fact.prefix_list else {})


def facts(egress: bool) -> list[RuleFact]:
    """Rules of every kind."""
    return [
        RuleFact(egress, "tcp", (443, 443), cidr="10.0.0.0/8", id="sgr-1"),
        RuleFact(egress, "udp", (0, 65535), cidr="2001:db8::/32", id="sgr-2"),
        RuleFact(egress, "icmp", (8, -1), group=PEER, id="sgr-3"),
        RuleFact(egress, "-1", None, prefix_list="pl-0123456789abcdef0", id="sgr-4"),
        RuleFact(egress, "50", None, cidr="192.0.2.1/32", id="sgr-5"),
    ]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.era}-{style.form}")
@pytest.mark.parametrize("egress", [False, True])
def test_rules(style: Style, egress: bool) -> None:
    """Authorize and Revoke of rules of every kind, one and several, in every style of record."""
    way = "Egress" if egress else "Ingress"
    every = facts(egress)
    for rules in ([every[0]], every):
        listed = {"return": True, "securityGroupRuleSet": {"items": [wire_rule(one) for one in rules]}}
        asked = {"GroupId": GROUP, "IpPermissions": [sent_permission(one) for one in rules]}
        expected = tuple(RuleAdded(KEY, one) for one in rules)
        assert expected == effects(style, f"AuthorizeSecurityGroup{way}", asked, listed)
        revoked = {"return": True, "revokedSecurityGroupRuleSet": {"items": [wire_rule(one) for one in rules]}}
        gone = effects(style, f"RevokeSecurityGroup{way}", asked, revoked)
        assert all(isinstance(one, RuleRemoved) and one.group == KEY for one in gone)
        told = [one.rule.allows for one in gone if isinstance(one, RuleRemoved) and one.rule is not None]
        assert [one.allows for one in rules] == told
        ids = [one.id for one in gone if isinstance(one, RuleRemoved)]
        assert ([one.id for one in rules] if style.era == "current" else [None] * len(rules)) == ids


def test_revoke_by_id() -> None:
    """By rule id, in a record without the answer's list."""
    made = effects(
        Style(era="2023"), "RevokeSecurityGroupIngress", {"GroupId": GROUP, "SecurityGroupRuleIds": ["sgr-1", "sgr-2"]},
        {"return": True},
    )  # fmt: skip
    assert (RuleRemoved(KEY, "sgr-1", None), RuleRemoved(KEY, "sgr-2", None)) == made


@pytest.mark.parametrize("count", [1, 2, 3])
def test_modify(count: int) -> None:
    """One and several rules of a ModifySecurityGroupRules."""
    rules = [
        RuleFact(False, "tcp", (22, 22), cidr="0.0.0.0/0", id="sgr-1"),
        RuleFact(False, "-1", None, group=PEER, id="sgr-2"),
        RuleFact(False, "icmpv6", (128, 0), cidr="2001:db8::/32", id="sgr-3", description="7"),
    ][:count]
    updates = []
    for one in rules:
        new: dict[str, Any] = {"IpProtocol": one.protocol}
        new |= {"FromPort": one.ports[0], "ToPort": one.ports[1]} if one.ports else {}
        new |= (
            {"CidrIpv6" if ":" in one.cidr else "CidrIpv4": one.cidr} if one.cidr else {"ReferencedGroupId": one.group}
        )
        new |= {"Description": one.description} if one.description else {}
        updates.append({"SecurityGroupRuleId": one.id, "SecurityGroupRule": new})
    known = Documents(rules={str(one.id): one for one in rules})
    arguments = {"GroupId": GROUP, "SecurityGroupRules": updates}
    made = effects(Style(), "ModifySecurityGroupRules", arguments, {"return": True}, known)
    assert tuple(RuleSet(KEY, str(one.id), one) for one in rules) == made


def test_groups_and_members() -> None:
    """Interfaces, instances and groups."""
    eni, instance = "eni-0123456789abcdef0", "i-0123456789abcdef0"
    done = {"return": True}
    member = Member(Key(PLACE, "interface", eni), (GROUP, PEER))
    arguments: dict[str, Any] = {"NetworkInterfaceId": eni, "Groups": [GROUP, PEER]}
    assert (member,) == effects(Style(), "ModifyNetworkInterfaceAttribute", arguments, done)
    known = Documents(held={("interface", "instance", instance): [eni]})
    arguments = {"InstanceId": instance, "Groups": [GROUP, PEER]}
    assert (member,) == effects(Style(), "ModifyInstanceAttribute", arguments, done, known)
    assert (Gone(KEY),) == effects(Style(), "DeleteSecurityGroup", {"GroupId": GROUP}, done)


@pytest.mark.parametrize(
    ("action", "arguments", "kind", "id"),
    [
        ("CreateNetworkAclEntry", {"NetworkAclId": "acl-12345678", "RuleNumber": 90, "Protocol": "6", "Egress": False,
                                   "RuleAction": "deny", "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 22, "To": 22}},
         "acl", "acl-12345678"),
        ("ReplaceRoute", {"RouteTableId": "rtb-12345678", "DestinationCidrBlock": "0.0.0.0/0",
                          "GatewayId": "igw-12345678"}, "route-table", "rtb-12345678"),
        ("ModifyManagedPrefixList", {"PrefixListId": "pl-12345678", "AddEntries": [{"Cidr": "192.0.2.0/24"}]},
         "prefix-list", "pl-12345678"),
        ("DeleteNatGateway", {"NatGatewayId": "nat-12345678"}, "nat-gateway", "nat-12345678"),
        ("ModifyVpcEndpoint", {"VpcEndpointId": "vpce-12345678", "AddSecurityGroupIds": [GROUP]},
         "endpoint", "vpce-12345678"),
    ],
)  # fmt: skip
def test_questions(action: str, arguments: dict[str, Any], kind: Any, id: str) -> None:
    """Calls of the older and the newer form whose effect is asked, of the right resource."""
    made = effects(Style(), action, arguments, {"return": True})
    assert [Key(PLACE, kind, id)] == [one.key for one in made if isinstance(one, Ask)]
    assert len(made) == 1
