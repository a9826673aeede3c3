"""Security groups and their rules, as the EC2 API lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doorward.errors import InvalidInput
from doorward.model.addresses import parse_network
from doorward.model.rules import AnyPeer, Group, GroupPeer, PrefixListPeer
from doorward.model.services import ALL_SPAN, rule_span
from tests.readers.aws_files import GROUP, texts, whole

HTTPS = rule_span("tcp", 443, 443)


def group_with(folder: Path, permission: dict[str, Any], **keys: Any) -> Group:
    """A group with one ingress permission."""
    return whole(folder, SecurityGroups=[{**GROUP, "IpPermissions": [permission]}], **keys).groups["sg-1"]


def test_one_rule_for_each_peer(tmp_path: Path) -> None:
    """A permission with four kinds of peers is as many rules (EC2 API, *IpPermission*)."""
    group = group_with(
        tmp_path,
        {
            "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
            "IpRanges": [{"CidrIp": "10.1.2.3/8", "Description": "office"}],
            "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
            "PrefixListIds": [{"PrefixListId": "pl-1"}],
            "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "111111111111"}],
        },
    )  # fmt: skip
    assert [
        ("ingress", HTTPS, parse_network("10.0.0.0/8")),
        ("ingress", HTTPS, parse_network("2001:db8::/32")),
        ("ingress", HTTPS, GroupPeer("sg-2")),
        ("ingress", HTTPS, PrefixListPeer("pl-1")),
    ] == [rule.key for rule in group.rules]
    assert "office" == group.rules[0].description


def test_reference_to_another_account(tmp_path: Path) -> None:
    """A peered reference keeps the VPC and account of the other group; one over a dead peering matches nothing
    (VPC Peering Guide, *Work with stale security group rules*)."""
    pair = {"GroupId": "sg-9", "UserId": "222222222222", "VpcId": "vpc-9", "PeeringStatus": "active"}
    permission = {
        "IpProtocol": "-1",
        "UserIdGroupPairs": [pair, {**pair, "GroupId": "sg-8", "PeeringStatus": "deleted"}],
    }
    group = group_with(tmp_path, permission)
    assert [("ingress", ALL_SPAN, GroupPeer("sg-9", "vpc-9", "222222222222"))] == [rule.key for rule in group.rules]


def test_reference_without_id_is_uncertain(tmp_path: Path) -> None:
    """A peer that is named but not identified could be anybody, and is in the upper bound only."""
    (rule,) = group_with(tmp_path, {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "old"}]}).rules
    assert isinstance(rule.peer, AnyPeer)
    assert not rule.certain


def test_stale_rules_match_nothing(tmp_path: Path) -> None:
    """A rule that describe-stale-security-groups lists is left out."""
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": "sg-2"}]}
    stale = {"GroupId": "sg-1", "VpcId": "vpc-1", "StaleIpPermissions": [permission]}
    assert () == group_with(tmp_path, permission, StaleSecurityGroupSet=[stale]).rules


def test_rule_ids_are_attached(tmp_path: Path) -> None:
    """Rules carry their sgr- ids where describe-security-group-rules was read."""
    base = {"GroupId": "sg-1", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IsEgress": False}
    wire = [
        {**base, "SecurityGroupRuleId": "sgr-1", "CidrIpv4": "0.0.0.0/0"},
        {**base, "SecurityGroupRuleId": "sgr-2", "ReferencedGroupInfo": {"GroupId": "sg-2"}},
        {**base, "SecurityGroupRuleId": "sgr-3", "PrefixListId": "pl-1"},
    ]
    permission = {
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "UserIdGroupPairs": [{"GroupId": "sg-2"}], "PrefixListIds": [{"PrefixListId": "pl-1"}],
    }  # fmt: skip
    group = group_with(tmp_path, permission, SecurityGroupRules=wire)
    assert ["sgr-1", "sgr-2", "sgr-3"] == [rule.id for rule in group.rules]
    estate = whole(tmp_path, SecurityGroupRules=wire, SecurityGroups=None)
    assert {rule.key for rule in group.rules} == {rule.key for rule in estate.groups["sg-1"].rules}
    assert "SecurityGroups: were not read" in texts(estate)


def test_equal_undecoded_rules_compare_equal(tmp_path: Path) -> None:
    """The undecoded rules of two groups compare equal when their text is the same."""
    permission = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    groups = [{**GROUP, "GroupId": id, "IpPermissions": [permission]} for id in ("sg-1", "sg-2")]
    groups.append({**GROUP, "GroupId": "sg-3", "IpPermissions": []})
    found = whole(tmp_path, SecurityGroups=groups).groups
    assert found["sg-1"].raw == found["sg-2"].raw
    assert found["sg-1"].raw != found["sg-3"].raw


def test_a_group_listed_twice_in_one_file_is_bracketed(tmp_path: Path) -> None:
    """Where one file lists a group twice differently, only what both listings say is certain."""
    both = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    one = {"IpProtocol": "tcp", "FromPort": 2, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    estate = whole(
        tmp_path, SecurityGroups=[{**GROUP, "IpPermissions": [both, one]}, {**GROUP, "IpPermissions": [both]}]
    )
    certain = {rule.service: rule.certain for rule in estate.groups["sg-1"].rules}
    assert {rule_span("tcp", 1, 1): True, rule_span("tcp", 2, 2): False} == certain
    assert "listed twice" in texts(estate)


@pytest.mark.parametrize(
    ("permission", "word"),
    [
        ({"IpProtocol": "tcp", "FromPort": 9, "ToPort": 3}, "9-3"),
        ({"IpProtocol": "smoke"}, "smoke"),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0/8"}]}, "10.0.0"),
        ({"IpProtocol": "-1", "IpRanges": 5}, "IpRanges"),
    ],
)
def test_wrong_rules_name_the_group(tmp_path: Path, permission: dict[str, Any], word: str) -> None:
    """Rules are decoded late; what is wrong with them still names file and group."""
    group = group_with(tmp_path, permission)
    with pytest.raises(InvalidInput, match=word) as caught:
        _ = group.rules
    assert "sg-1" in str(caught.value)
    assert "estate.json" in str(caught.value)


def test_group_of_an_interface_that_is_missing(tmp_path: Path) -> None:
    """An interface's group that the input lacks stays unresolved and is named once."""
    estate = whole(tmp_path, SecurityGroups=[])
    assert ("sg-1",) == estate.interfaces["eni-1"].groups
    assert 1 == texts(estate).count("sg-1: security group of an interface is not in the input")
