"""Calls on security groups: both shapes of each, exact effects."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.model.change import Ask, Gone, Put, RuleAdded, RuleFact, RuleRemoved, RuleSet
from tests.readers.cloudtrail.given import GROUP, RULE, Documents, change, effects, key, record

OK = {"requestId": "r", "_return": True}
HTTPS = RuleFact(False, "tcp", (443, 443), cidr="10.0.0.0/8")
EMPTY: dict[str, Any] = {"groups": {}, "ipRanges": {}, "ipv6Ranges": {}, "prefixListIds": {}}


def items(*elements: Any) -> dict[str, Any]:
    """A list as older calls write it."""
    return {"items": list(elements)} if elements else {}


def permission(**more: Any) -> dict[str, Any]:
    """An element of ipPermissions."""
    return {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443} | EMPTY | more


def request(*permissions: Any) -> dict[str, Any]:
    """Parameters of a rule call."""
    return {"groupId": GROUP, "ipPermissions": items(*permissions)}


def told(**more: Any) -> dict[str, Any]:
    """A rule of an answer."""
    ids = {"groupOwnerId": "1", "groupId": GROUP, "securityGroupRuleId": RULE, "isEgress": False}
    return ids | {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443} | more


def added(*rules: RuleFact) -> list[RuleAdded]:
    """The effect of new rules."""
    return [RuleAdded(key("group", GROUP), rule) for rule in rules]


ASKED = request(permission(ipRanges=items({"cidrIp": "10.1.2.3/8"})))
FLAT = {
    "groupId": GROUP,
    "ipPermissions": {},
    "ipProtocol": "tcp",
    "fromPort": 443,
    "toPort": 443,
    "cidrIp": "10.0.0.0/8",
}
NEWER = {
    "AuthorizeSecurityGroupIngressRequest": {
        "GroupId": GROUP,
        "IpPermissions": {
            "tag": 1, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
            "IpRanges": {"tag": 1, "CidrIp": "10.0.0.0/8"},
        },
    }
}  # fmt: skip
TEXT_PORTS = request(permission(fromPort="443", toPort="443", ipRanges=items({"cidrIp": "10.0.0.0/8"})))


@pytest.mark.parametrize("asked", [ASKED, FLAT, NEWER, TEXT_PORTS], ids=["items", "flat", "newer", "text-ports"])
def test_every_shape_of_a_request_is_the_same_rule(asked: Any) -> None:
    """Items, flat form, newer form and ports as text tell one canonical rule when the answer has no rules."""
    assert added(HTTPS) == effects("AuthorizeSecurityGroupIngress", asked, OK)


def test_the_answer_is_preferred_as_it_has_rule_ids() -> None:
    """With rules in the answer, these are the effect: ids, descriptions, and every kind of peer."""
    rules = items(
        told(cidrIpv4="10.0.0.0/8", description="office"),
        told(cidrIpv6="2001:DB8::1/32"),
        told(prefixListId="pl-0123456789abcdef0"),
        told(referencedGroupInfo={"userId": "1", "groupId": "sg-0fedcba9876543210"}),
    )
    ports = (443, 443)
    expected = added(
        RuleFact(True, "tcp", ports, cidr="10.0.0.0/8", id=RULE, description="office"),
        RuleFact(True, "tcp", ports, cidr="2001:db8::/32", id=RULE),
        RuleFact(True, "tcp", ports, prefix_list="pl-0123456789abcdef0", id=RULE),
        RuleFact(True, "tcp", ports, group="sg-0fedcba9876543210", id=RULE),
    )
    assert expected == effects("AuthorizeSecurityGroupEgress", ASKED, OK | {"securityGroupRuleSet": rules})


def test_newer_answers_are_read() -> None:
    """An answer in the newer form, one element standing for itself, tells the same."""
    answer = {"AuthorizeSecurityGroupIngressResponse": {"requestId": "r", "return": True, "securityGroupRuleSet": {
        "item": told(cidrIpv4="10.0.0.0/8")}}}  # fmt: skip
    assert added(RuleFact(False, "tcp", (443, 443), cidr="10.0.0.0/8", id=RULE)) == effects(
        "AuthorizeSecurityGroupIngress", NEWER, answer
    )


@pytest.mark.parametrize(
    ("protocol", "low", "high", "name", "ports"),
    [
        ("-1", -1, -1, "-1", None), ("-1", 0, 0, "-1", None), (-1, None, None, "-1", None),
        ("6", 22, 22, "tcp", (22, 22)),
        ("TCP", None, None, "tcp", (0, 65535)), ("udp", -1, -1, "udp", (0, 65535)), ("icmp", -1, -1, "icmp", (-1, -1)),
        ("icmp", 8, -1, "icmp", (8, -1)), ("58", 128, 0, "icmpv6", (128, 0)), ("50", 0, 0, "50", None),
        ("all", None, None, "-1", None), ("esp", None, None, "50", None),
    ],
)  # fmt: skip
def test_protocols_and_ports_are_canonical(
    protocol: Any, low: int | None, high: int | None, name: str, ports: tuple[int, int] | None
) -> None:
    """Protocols are lower-case names or numbers, ports None where the protocol has none."""
    rule = permission(ipProtocol=protocol, fromPort=low, toPort=high, ipRanges=items({"cidrIp": "10.0.0.1"}))
    expected = added(RuleFact(False, name, ports, cidr="10.0.0.1/32"))
    assert expected == effects("AuthorizeSecurityGroupIngress", request(rule), OK)


def test_revoke_of_2023_is_read_from_its_request() -> None:
    """Without rules in the answer, what was asked to be revoked is gone; by id, by what it allowed, or both."""
    by_id = {"groupId": GROUP, "ipPermissions": {}, "securityGroupRuleIds": items({"securityGroupRuleId": RULE})}
    group = key("group", GROUP)
    assert [RuleRemoved(group, None, HTTPS)] == effects("RevokeSecurityGroupIngress", ASKED, OK)
    assert [RuleRemoved(group, RULE, None)] == effects("RevokeSecurityGroupIngress", by_id, OK)
    named = [{"tag": 1, "content": RULE}, {"tag": 2, "content": "sgr-1"}]
    newer = {"RevokeSecurityGroupIngressRequest": {"GroupId": GROUP, "SecurityGroupRuleId": named}}
    assert [RuleRemoved(group, RULE, None), RuleRemoved(group, "sgr-1", None)] == effects(
        "RevokeSecurityGroupIngress", newer, {"RevokeSecurityGroupIngressResponse": {"return": True}}
    )


def test_revoke_of_today_is_read_from_its_answer() -> None:
    """The answer's list of revoked rules is the effect, with ids, though the request named permissions."""
    gone = told(referencedGroupId="sg-0fedcba9876543210")
    expected = RuleFact(False, "tcp", (443, 443), group="sg-0fedcba9876543210", id=RULE)
    answer = OK | {"revokedSecurityGroupRuleSet": items(gone), "unknownIpPermissionSet": {}}
    assert [RuleRemoved(key("group", GROUP), RULE, expected)] == effects("RevokeSecurityGroupIngress", ASKED, answer)


def modification(*rules: dict[str, Any]) -> dict[str, Any]:
    """Parameters of ModifySecurityGroupRules."""
    listed = [
        {"tag": at, "SecurityGroupRuleId": f"sgr-{at}", "SecurityGroupRule": rule} for at, rule in enumerate(rules, 1)
    ]
    return {
        "ModifySecurityGroupRulesRequest": {
            "GroupId": GROUP,
            "SecurityGroupRule": listed[0] if len(listed) == 1 else listed,
        }
    }


def test_modify_keeps_the_id() -> None:
    """One rule as an object, several as a list: each keeps its id; its direction comes from what is known of it."""
    answer = {"ModifySecurityGroupRulesResponse": {"requestId": "r", "return": True}}
    old = RuleFact(True, "tcp", (1, 1), cidr="10.0.0.0/8", id="sgr-1")
    known = Documents(rules={"sgr-1": old, "sgr-2": old})
    rules = (
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"},
        {"IpProtocol": -1, "ReferencedGroupId": "sg-0fedcba9876543210"},
    )
    one = RuleSet(key("group", GROUP), "sgr-1", RuleFact(True, "tcp", (22, 22), cidr="0.0.0.0/0", id="sgr-1"))
    two = RuleSet(key("group", GROUP), "sgr-2", RuleFact(True, "-1", None, group="sg-0fedcba9876543210", id="sgr-2"))
    assert [one] == effects("ModifySecurityGroupRules", modification(rules[0]), answer, lookup=known)
    assert [one, two] == effects("ModifySecurityGroupRules", modification(*rules), answer, lookup=known)


def test_modify_of_an_unknown_rule_asks_its_group() -> None:
    """The record does not tell a rule's direction: where nothing does, the group is asked, and a note says so."""
    answer = {"ModifySecurityGroupRulesResponse": {"requestId": "r", "return": True}}
    made = change(
        record("ModifySecurityGroupRules", modification({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}), answer)
    )
    (asked,) = made.effects
    assert isinstance(asked, Ask) and key("group", GROUP) == asked.key and "direction" in asked.why
    assert made.notes


@pytest.mark.parametrize(("ipv6", "ranges"), [(False, []), (True, [{"CidrIpv6": "::/0"}]), (None, [])])
def test_a_new_group_has_aws_s_egress_rule(ipv6: bool | None, ranges: Any) -> None:
    """VPC User Guide, Default security groups: all of IPv4 out, of IPv6 only if the VPC has it; unknown is asked."""
    made = effects(
        "CreateSecurityGroup", {"groupName": "web", "groupDescription": "d", "vpcId": "vpc-1"},
        OK | {"groupId": GROUP, "tagSet": items({"key": "Name", "value": "w"})}, lookup=Documents(ipv6=ipv6),
    )  # fmt: skip
    put = made[0]
    assert isinstance(put, Put) and key("group", GROUP) == put.key and not put.part
    document: Any = put.document
    (rule,) = document["IpPermissionsEgress"]
    assert ("-1", [{"CidrIp": "0.0.0.0/0"}], ranges) == (rule["IpProtocol"], rule["IpRanges"], rule["Ipv6Ranges"])
    assert ("web", "vpc-1", []) == tuple(put.document[name] for name in ("GroupName", "VpcId", "IpPermissions"))
    assert [{"Key": "Name", "Value": "w"}] == put.document["Tags"]
    assert (ipv6 is None) == any(isinstance(one, Ask) for one in made)


def test_a_deleted_group_is_gone() -> None:
    """DeleteSecurityGroup by id, and by a name that is known."""
    assert [Gone(key("group", GROUP))] == effects("DeleteSecurityGroup", {"groupId": GROUP}, OK)
    named = Documents(groups={"web": GROUP})
    assert [Gone(key("group", GROUP))] == effects("DeleteSecurityGroup", {"groupName": "web"}, OK, lookup=named)


def test_names_are_resolved_or_asked() -> None:
    """A group named only by its name is resolved by what is known; else every group is asked."""
    asked = {"groupName": "web", "ipPermissions": items(permission(ipRanges=items({"cidrIp": "10.0.0.0/8"})))}
    assert added(HTTPS) == effects("AuthorizeSecurityGroupIngress", asked, OK, lookup=Documents(groups={"web": GROUP}))
    (question,) = effects("AuthorizeSecurityGroupIngress", asked, OK)
    assert isinstance(question, Ask) and key("group", "*") == question.key
    peer = request(permission(groups=items({"groupName": "peer", "userId": "1"})))
    known = Documents(groups={"peer": "sg-0fedcba9876543210"})
    assert added(RuleFact(False, "tcp", (443, 443), group="sg-0fedcba9876543210")) == effects(
        "AuthorizeSecurityGroupIngress", peer, OK, lookup=known
    )
    (question,) = effects("AuthorizeSecurityGroupIngress", peer, OK)
    assert isinstance(question, Ask) and key("group", GROUP) == question.key


@pytest.mark.parametrize(
    "rule",
    [
        permission(ipRanges=items({"cidrIp": "300.0.0.0/8"})), permission(),
        permission(ipProtocol="tcpp", ipRanges=items({"cidrIp": "10.0.0.0/8"})),
        permission(fromPort=70000, ipRanges=items({"cidrIp": "10.0.0.0/8"})), permission(ipRanges="x"),
        permission(ipRanges=items({"cidrIp": "10.0.0.0/8", "prefixListId": "pl-1"})), "x", 7,
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_asked(rule: Any) -> None:
    """A rule that cannot be one is never guessed and never dropped: its group is asked."""
    (question,) = effects("AuthorizeSecurityGroupIngress", request(rule), OK)
    assert isinstance(question, Ask) and key("group", GROUP) == question.key


@pytest.mark.parametrize("answer", [None, {}, {"_return": False}, {"omitted": True}])
def test_success_that_is_not_told_is_asked(answer: Any) -> None:
    """Without an answer that says so, a call is not taken to have succeeded, nor to have failed."""
    (question,) = effects("AuthorizeSecurityGroupIngress", ASKED, answer)
    assert isinstance(question, Ask) and key("group", GROUP) == question.key


def test_a_request_too_large_for_its_record() -> None:
    """Fields over CloudTrail's maximum are left out: the answer tells, or the group is not known."""
    left_out = {"omitted": True, "originalSize": 200_000, "reason": "requestParameters too large"}
    rules = OK | {"securityGroupRuleSet": items(told(cidrIpv4="10.0.0.0/8"))}
    (one,) = effects("AuthorizeSecurityGroupIngress", left_out, rules)
    assert isinstance(one, RuleAdded)
    (question,) = effects("AuthorizeSecurityGroupIngress", left_out, OK)
    assert isinstance(question, Ask) and key("group", "*") == question.key


@pytest.mark.parametrize(
    "code", ["Client.InvalidPermission.NotFound", "Client.UnauthorizedOperation", "Client.DryRunOperation"]
)
def test_failed_calls_have_no_effects(code: str) -> None:
    """Errors and dry runs stay in the history, with their code, and change nothing."""
    made = change(record("RevokeSecurityGroupIngress", ASKED, None, errorCode=code, errorMessage="no"))
    assert (code, ()) == (made.error, made.effects)


def test_descriptions_change_nothing_that_flows() -> None:
    """UpdateSecurityGroupRuleDescriptions* are in the history without effects."""
    assert [] == effects("UpdateSecurityGroupRuleDescriptionsIngress", ASKED, OK)
