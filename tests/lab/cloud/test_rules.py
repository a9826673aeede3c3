"""Security-group rules over HTTP with boto3, against what the EC2 API Reference says of each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

    from tests.lab.cloud.conftest import Refused

Make = Callable[..., str]


def tcp(port: int, *cidrs: str, groups: tuple[str, ...] = (), last: int | None = None) -> Any:
    """An IpPermission."""
    return {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": last or port,
        "IpRanges": [{"CidrIp": one} for one in cidrs if ":" not in one],
        "Ipv6Ranges": [{"CidrIpv6": one} for one in cidrs if ":" in one],
        "UserIdGroupPairs": [{"GroupId": one} for one in groups],
    }


def rules(ec2: EC2Client, group: str, *, egress: bool = False) -> dict[str, Any]:
    """The rules of a group in one direction, by id."""
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    return {one["SecurityGroupRuleId"]: one for one in found["SecurityGroupRules"] if one["IsEgress"] == egress}


def peers(ec2: EC2Client, group: str, *, egress: bool = False) -> set[tuple[Any, ...]]:
    """(first port, last port, peer) of a group's rules in one direction."""
    return {
        (
            one["FromPort"],
            one["ToPort"],
            one.get("CidrIpv4")
            or one.get("CidrIpv6")
            or one.get("PrefixListId")
            or one["ReferencedGroupInfo"]["GroupId"],
        )
        for one in rules(ec2, group, egress=egress).values()
    }


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_authorize_answers_every_rule(ec2: EC2Client, group: Make, direction: str) -> None:
    """Several permissions with several peers: the answer has every new rule with id, owner, ARN, description, tags.

    EC2 API Reference, AuthorizeSecurityGroupIngress/Egress, "Response Elements"; SecurityGroupRule.
    """
    own, other = group("own"), group("other")
    first: Any = tcp(443, "192.0.2.0/24", "2001:db8::/32")
    first["IpRanges"][0]["Description"] = "office"
    second: Any = tcp(22, groups=(other,))
    second["UserIdGroupPairs"][0]["Description"] = "bastion"
    call = getattr(ec2, f"authorize_security_group_{direction}")
    tags = [{"ResourceType": "security-group-rule", "Tags": [{"Key": "why", "Value": "test"}]}]
    answer = call(GroupId=own, IpPermissions=[first, second], TagSpecifications=tags)
    assert answer["Return"] is True
    got = answer["SecurityGroupRules"]
    assert [443, 443, 22] == [one["FromPort"] for one in got]
    assert ["192.0.2.0/24", None, None] == [one.get("CidrIpv4") for one in got]
    assert "2001:db8::/32" == got[1]["CidrIpv6"]
    assert {"GroupId": other, "UserId": "123456789012"} == got[2]["ReferencedGroupInfo"]
    assert ["office", None, "bastion"] == [one.get("Description") for one in got]
    assert {"123456789012"} == {one["GroupOwnerId"] for one in got}
    assert {direction == "egress"} == {one["IsEgress"] for one in got}
    for one in got:
        id = one["SecurityGroupRuleId"]
        assert id.startswith("sgr-")
        assert f"arn:aws:ec2:us-east-1:123456789012:security-group-rule/{id}" == one["SecurityGroupRuleArn"]
        assert [{"Key": "why", "Value": "test"}] == one["Tags"]
    assert {one["SecurityGroupRuleId"]: one for one in got}.items() <= rules(
        ec2, own, egress=direction == "egress"
    ).items()


def test_descriptions_are_kept(ec2: EC2Client, group: Make) -> None:
    """A group pair's and a prefix list's description are described again (EC2 API Reference, UserIdGroupPair,
    PrefixListId)."""
    own, other = group("own"), group("other")
    listed = ec2.create_managed_prefix_list(PrefixListName="d", MaxEntries=2, AddressFamily="IPv4")["PrefixList"]
    id = listed["PrefixListId"]
    permission: Any = {
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 2,
        "UserIdGroupPairs": [{"GroupId": other, "Description": "pair"}],
        "PrefixListIds": [{"PrefixListId": id, "Description": "list"}],
    }
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[permission])
    got = ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"][0]["IpPermissions"][0]
    assert [{"GroupId": other, "UserId": "123456789012", "Description": "pair"}] == got["UserIdGroupPairs"]
    assert [{"PrefixListId": id, "Description": "list"}] == got["PrefixListIds"]


def test_duplicates_are_refused_whole(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """A rule that exists, or one given twice, refuses the call, and nothing of it is added.

    EC2 API Reference, "Error codes": InvalidPermission.Duplicate; AuthorizeSecurityGroupIngress.
    """
    own = group()
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8")])
    before = peers(ec2, own)
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(80, "10.0.0.0/8"), tcp(22, "10.0.0.0/8")])
    with refused("InvalidParameterValue"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(81, "10.0.0.0/8"), tcp(81, "10.0.0.0/8")])
    noted: Any = tcp(22, "10.0.0.0/8")
    noted["IpRanges"][0]["Description"] = "a description makes no other rule"
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[noted])
    assert before == peers(ec2, own)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("100.68.0.18/18", "100.68.0.0/18"), ("2001:DB8:0:0::5/32", "2001:db8::/32"), ("0.0.0.0/0", "0.0.0.0/0")],
)
def test_cidrs_are_canonical(ec2: EC2Client, group: Make, refused: Refused, given: str, stored: str) -> None:
    """Host bits are dropped, and the canonical form is then a duplicate.

    EC2 API Reference, AuthorizeSecurityGroupIngress: "If you specify 100.68.0.18/18, we modify it to 100.68.0.0/18".
    """
    own = group()
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, given)])
    assert {(22, 22, stored)} == peers(ec2, own)
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, stored)])
    ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, given)])
    assert set() == peers(ec2, own)


@pytest.mark.parametrize(
    ("protocol", "ports", "stored"),
    [
        ("6", (22, 22), ("tcp", 22, 22)),
        ("17", (53, 53), ("udp", 53, 53)),
        ("icmp", (8, -1), ("icmp", 8, -1)),
        ("58", None, ("icmpv6", -1, -1)),
        ("icmpv6", (128, 0), ("icmpv6", 128, 0)),
        ("-1", (1, 2), ("-1", -1, -1)),
        ("50", None, ("50", -1, -1)),
        ("50", (1, 2), ("50", -1, -1)),
    ],
)
def test_protocols_and_ports(
    ec2: EC2Client, group: Make, protocol: str, ports: tuple[int, int] | None, stored: tuple[str, int, int]
) -> None:
    """Names for tcp, udp, icmp and icmpv6; ports only where they mean something.

    EC2 API Reference, IpPermission: "Specifying -1 or a protocol number other than tcp, udp, icmp, or 58 allows
    traffic on all ports, regardless of any port range you specify"; for icmpv6 the range is optional.
    """
    own = group()
    permission: Any = {"IpProtocol": protocol, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    if ports is not None:
        permission |= {"FromPort": ports[0], "ToPort": ports[1]}
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[permission])
    (one,) = rules(ec2, own).values()
    assert stored == (one["IpProtocol"], one["FromPort"], one["ToPort"])
    (described,) = ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"][0]["IpPermissions"]
    assert (stored[0] in ("-1", "50")) == ("FromPort" not in described)


@pytest.mark.parametrize(
    "permission",
    [
        {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "tcp", "FromPort": 9, "ToPort": 8, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65536, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "tcp", "FromPort": 8, "ToPort": 8, "IpRanges": [{"CidrIp": "10.0.0.0/33"}]},
        {"IpProtocol": "tcp", "FromPort": 8, "ToPort": 8, "IpRanges": [{"CidrIp": "10.0.0.1"}]},
        {"IpProtocol": "tcp", "FromPort": 8, "ToPort": 8, "IpRanges": [{"CidrIp": "2001:db8::/32"}]},
        {"IpProtocol": "carrier-pigeon", "FromPort": 8, "ToPort": 8, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "256", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "icmp", "FromPort": 256, "ToPort": 0, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "a <bad> one"}]},
    ],
)
def test_malformed_permissions(ec2: EC2Client, group: Make, refused: Refused, permission: Any) -> None:
    """Each is InvalidParameterValue, and nothing is stored (EC2 API Reference, IpPermission, "Error codes")."""
    own = group()
    with refused("InvalidParameterValue"):
        ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(1, "10.0.0.0/8"), permission])
    assert set() == peers(ec2, own)


def test_peers_must_exist(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """Unknown groups and lists are refused, and groups of a VPC that is not joined to this one.

    EC2 API Reference, "Error codes": InvalidGroup.NotFound, InvalidPrefixListID.NotFound; VPC User Guide, "Security
    group referencing".
    """
    own = group()
    stranger = ec2.create_vpc(CidrBlock="172.30.0.0/16")["Vpc"]["VpcId"]
    far = ec2.create_security_group(GroupName="far", Description="d", VpcId=stranger)["GroupId"]
    for peer in ("sg-0123456789abcdef0", far):
        with refused("InvalidGroup.NotFound"):
            ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, groups=(peer,))])
    with refused("InvalidPrefixListID.NotFound"):
        ec2.authorize_security_group_ingress(
            GroupId=own,
            IpPermissions=[{"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-0123456789abcdef0"}]}],
        )
    with refused("InvalidGroup.NotFound"):
        ec2.authorize_security_group_ingress(GroupId="sg-0123456789abcdef0", IpPermissions=[tcp(22, "10.0.0.0/8")])


def test_quota(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """60 rules a direction, IPv4 and IPv6 apart; a group counts in both (VPC User Guide, "Amazon VPC quotas")."""
    own, other = group("own"), group("other")
    sixty = [tcp(port, "10.0.0.0/8") for port in range(1, 61)]
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=sixty)
    for more in (tcp(99, "10.0.0.0/8"), tcp(99, groups=(other,))):
        with refused("RulesPerSecurityGroupLimitExceeded"):
            ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[more])
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(99, "2001:db8::/32")])
    ec2.authorize_security_group_egress(GroupId=own, IpPermissions=[tcp(99, "10.0.0.0/8")])
    assert 61 == len(rules(ec2, own))


def test_revoke_is_all_or_nothing(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """One permission that matches nothing: an error, and nothing is revoked.

    EC2 API Reference, RevokeSecurityGroupIngress: "For a non-default VPC, if the values you specify do not match the
    existing rule's values, an InvalidPermission.NotFound client error is returned, and no rules are revoked."
    """
    own = group()
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8"), tcp(80, "10.0.0.0/8")])
    before = peers(ec2, own)
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8"), tcp(23, "10.0.0.0/8")])
    ids = list(rules(ec2, own))
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=own, SecurityGroupRuleIds=[ids[0], "sgr-0123456789abcdef0"])
    (egress,) = rules(ec2, own, egress=True)
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=own, SecurityGroupRuleIds=[ids[0], egress])
    assert before == peers(ec2, own)


def test_revoke_answers_what_it_revoked(ec2: EC2Client, group: Make) -> None:
    """By permission and by id; the answer names the rules (EC2 API Reference, RevokedSecurityGroupRule); a description
    need not be given: "If the security group rule has a description, you do not need to specify the description"."""
    own, other = group("own"), group("other")
    pair: Any = tcp(5432, groups=(other,))
    pair["UserIdGroupPairs"][0]["Description"] = "web"
    added = ec2.authorize_security_group_ingress(
        GroupId=own, IpPermissions=[pair, tcp(22, "10.0.0.0/8", "192.0.2.0/24")]
    )
    ids = [one["SecurityGroupRuleId"] for one in added["SecurityGroupRules"]]
    first = ec2.revoke_security_group_ingress(GroupId=own, IpPermissions=[tcp(5432, groups=(other,))])
    (gone,) = first["RevokedSecurityGroupRules"]
    assert (ids[0], own, False, "tcp", 5432, 5432, other, "web") == tuple(
        gone[key]
        for key in (
            "SecurityGroupRuleId", "GroupId", "IsEgress", "IpProtocol", "FromPort", "ToPort", "ReferencedGroupId",
            "Description",
        )
    )  # fmt: skip
    assert [] == first["UnknownIpPermissions"]
    second = ec2.revoke_security_group_ingress(GroupId=own, SecurityGroupRuleIds=ids[1:])
    assert ids[1:] == [one["SecurityGroupRuleId"] for one in second["RevokedSecurityGroupRules"]]
    assert ["10.0.0.0/8", "192.0.2.0/24"] == [one["CidrIpv4"] for one in second["RevokedSecurityGroupRules"]]
    assert {} == rules(ec2, own)


def test_revoke_in_a_default_vpc(ec2: EC2Client) -> None:
    """What matches nothing is listed, without an error, and what matches is revoked.

    EC2 API Reference, RevokeSecurityGroupIngress: "For a default VPC, ... no error is returned, and the output
    describes the security group rules that were not revoked."
    """
    own = ec2.create_security_group(GroupName="in-default", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupName="in-default", IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8"
    )
    answer = ec2.revoke_security_group_ingress(
        GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8"), tcp(23, "10.0.0.0/8")]
    )
    assert [22] == [one["FromPort"] for one in answer["RevokedSecurityGroupRules"]]
    (unknown,) = answer["UnknownIpPermissions"]
    assert (23, [{"CidrIp": "10.0.0.0/8"}]) == (unknown["FromPort"], unknown["IpRanges"])
    assert {} == rules(ec2, own)


def _update(ec2: EC2Client, group: str, id: str, **rule: Any) -> None:
    wanted: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **rule}
    ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": wanted}]
    )


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_modify_replaces_the_peer(ec2: EC2Client, group: Make, direction: str) -> None:
    """A rule gets another CIDR, IPv6 block, group or prefix list; its id and direction stay, the old peer is gone.

    EC2 API Reference, ModifySecurityGroupRules, SecurityGroupRuleRequest.
    """
    own, one, two = group("own"), group("one"), group("two")
    lists = [
        ec2.create_managed_prefix_list(PrefixListName=name, MaxEntries=2, AddressFamily="IPv4")["PrefixList"][
            "PrefixListId"
        ]
        for name in ("m1", "m2")
    ]
    egress = direction == "egress"
    authorize: Any = getattr(ec2, f"authorize_security_group_{direction}")
    old = tcp(22, "10.0.0.0/8", "2001:db8::/32", groups=(one,)) | {"PrefixListIds": [{"PrefixListId": lists[0]}]}
    added = authorize(GroupId=own, IpPermissions=[old])["SecurityGroupRules"]
    ids = [rule["SecurityGroupRuleId"] for rule in added]
    for id, change in zip(
        ids,
        (
            {"CidrIpv4": "192.0.2.77/24"},
            {"CidrIpv6": "2001:db8:1::1/48"},
            {"ReferencedGroupId": two},
            {"PrefixListId": lists[1]},
        ),
        strict=True,
    ):
        _update(ec2, own, id, **change, FromPort=5000, ToPort=5001, Description="new")
    got = rules(ec2, own, egress=egress)
    assert "192.0.2.0/24" == got[ids[0]]["CidrIpv4"]
    assert "2001:db8:1::/48" == got[ids[1]]["CidrIpv6"]
    assert two == got[ids[2]]["ReferencedGroupInfo"]["GroupId"]
    assert lists[1] == got[ids[3]]["PrefixListId"]
    assert {(5000, 5001, "new")} == {(got[id]["FromPort"], got[id]["ToPort"], got[id]["Description"]) for id in ids}
    group_view = ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"][0]
    (permission,) = [
        entry
        for entry in group_view["IpPermissionsEgress" if egress else "IpPermissions"]
        if entry.get("FromPort") == 5000
    ]
    assert (1, 1, 1, 1) == tuple(
        len(permission[key]) for key in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")
    )


def test_modify_refuses(ec2: EC2Client, group: Make, refused: Refused) -> None:
    """Duplicates, other groups' rules, unknown peers and another kind of peer; each changes nothing.

    EC2 API Reference, "Error codes"; Terraform's provider replaces a rule whose kind of peer changes, because "you
    cannot change the rule's source type".
    """
    own, other = group("own"), group("other")
    added = ec2.authorize_security_group_ingress(
        GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8"), tcp(80, "10.0.0.0/8")]
    )
    ssh, web = (one["SecurityGroupRuleId"] for one in added["SecurityGroupRules"])
    before = peers(ec2, own)
    with refused("InvalidPermission.Duplicate"):
        _update(ec2, own, web, CidrIpv4="10.1.2.3/8")
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        _update(ec2, other, web, CidrIpv4="192.0.2.0/24")
    for change in ({"ReferencedGroupId": other}, {"CidrIpv6": "2001:db8::/32"}, {"CidrIpv4": "nonsense"}):
        with refused("InvalidParameterValue"):
            _update(ec2, own, web, **change)
    with refused("InvalidParameterCombination"):
        _update(ec2, own, web, CidrIpv4="192.0.2.0/24", CidrIpv6="2001:db8::/32")
    with refused("MissingParameter"):
        _update(ec2, own, web)
    good: Any = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIpv4": "192.0.2.0/24"}
    bad: Any = {**good, "IpProtocol": "no"}
    with refused("InvalidParameterValue"):  # one good, one bad: none
        ec2.modify_security_group_rules(
            GroupId=own,
            SecurityGroupRules=[
                {"SecurityGroupRuleId": ssh, "SecurityGroupRule": good},
                {"SecurityGroupRuleId": web, "SecurityGroupRule": bad},
            ],
        )
    assert before == peers(ec2, own)


def test_two_rules_may_swap(ec2: EC2Client, group: Make) -> None:
    """What counts is what a call leaves behind: two rules can exchange their peers in one call."""
    own = group()
    added = ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8", "192.0.2.0/24")])
    a, b = (one["SecurityGroupRuleId"] for one in added["SecurityGroupRules"])
    to_a: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "192.0.2.0/24"}
    to_b: Any = {**to_a, "CidrIpv4": "10.0.0.0/8"}
    ec2.modify_security_group_rules(
        GroupId=own,
        SecurityGroupRules=[
            {"SecurityGroupRuleId": a, "SecurityGroupRule": to_a},
            {"SecurityGroupRuleId": b, "SecurityGroupRule": to_b},
        ],
    )
    got = rules(ec2, own)
    assert ("192.0.2.0/24", "10.0.0.0/8") == (got[a]["CidrIpv4"], got[b]["CidrIpv4"])


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_descriptions_change(ec2: EC2Client, group: Make, refused: Refused, direction: str) -> None:
    """By permission and by rule id, answered with Return; left out, a description is removed.

    EC2 API Reference, UpdateSecurityGroupRuleDescriptionsIngress/Egress.
    """
    own, other = group("own"), group("other")
    authorize: Any = getattr(ec2, f"authorize_security_group_{direction}")
    update: Any = getattr(ec2, f"update_security_group_rule_descriptions_{direction}")
    added = authorize(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8", groups=(other,))])["SecurityGroupRules"]
    ids = [one["SecurityGroupRuleId"] for one in added]
    noted: Any = tcp(22, groups=(other,))
    noted["UserIdGroupPairs"][0]["Description"] = "by permission"
    assert update(GroupId=own, IpPermissions=[noted])["Return"] is True
    by_id = [{"SecurityGroupRuleId": ids[0], "Description": "by id"}]
    assert update(GroupId=own, SecurityGroupRuleDescriptions=by_id)["Return"] is True
    got = rules(ec2, own, egress=direction == "egress")
    assert ["by id", "by permission"] == [got[id].get("Description") for id in ids]
    update(GroupId=own, IpPermissions=[tcp(22, "10.0.0.0/8")])
    assert "Description" not in rules(ec2, own, egress=direction == "egress")[ids[0]]
    with refused("InvalidPermission.NotFound"):
        update(GroupId=own, IpPermissions=[tcp(23, "10.0.0.0/8")])
