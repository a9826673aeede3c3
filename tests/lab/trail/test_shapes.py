"""The words of a record, call by call, where no real record is at hand or where AWS has written two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from doorward_lab.cloud.trail import Identity, Style, records
from tests.lab.trail.wire import ACCOUNT, ALICE, AT, call

RULE = {
    "groupOwnerId": ACCOUNT,
    "groupId": "sg-1",
    "securityGroupRuleId": "sgr-1",
    "isEgress": "false",
    "ipProtocol": "tcp",
    "fromPort": "443",
    "toPort": "443",
    "cidrIpv4": "192.0.2.0/24",
    "securityGroupRuleArn": f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group-rule/sgr-1",
}
RULE_XML = "".join(f"<{name}>{text}</{name}>" for name, text in RULE.items())
RULE_READ = RULE | {"isEgress": False, "fromPort": 443, "toPort": 443}
AUTHORIZED = f"<return>true</return><securityGroupRuleSet><item>{RULE_XML}</item></securityGroupRuleSet>"
REVOKED = f"<return>true</return><revokedSecurityGroupRuleSet><item>{RULE_XML}</item></revokedSecurityGroupRuleSet>"
ONE_CIDR: dict[str, Any] = {
    "GroupId": "sg-1",
    "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]},
    ],
}
ITEMS = {
    "groupId": "sg-1",
    "ipPermissions": {
        "items": [
            {
                "ipProtocol": "tcp",
                "fromPort": 443,
                "toPort": 443,
                "groups": {},
                "ipRanges": {"items": [{"cidrIp": "192.0.2.0/24"}]},
                "ipv6Ranges": {},
                "prefixListIds": {},
            }
        ]
    },
}
FLAT = {
    "groupId": "sg-1",
    "ipPermissions": {},
    "ipProtocol": "tcp",
    "fromPort": 443,
    "toPort": 443,
    "cidrIp": "192.0.2.0/24",
}
NEWEST, OLDEST = Style(), Style(era="2023")


def record(action: str, arguments: dict[str, Any] | None = None, style: Style = NEWEST, **more: Any) -> dict[str, Any]:
    """The one record of alice's call."""
    (made,) = records(call(action, arguments, **more), ALICE, style)
    return made


def request(action: str, arguments: dict[str, Any], **more: Any) -> Any:
    """The `requestParameters` of alice's call."""
    return record(action, arguments, answer="<return>true</return>", **more)["requestParameters"]


def test_authorize_in_items_form() -> None:
    """A call with `IpPermissions` is logged with `items`, all four lists of peers present, empty ones `{}`."""
    made = record("AuthorizeSecurityGroupIngress", ONE_CIDR, answer=AUTHORIZED)
    assert ITEMS == made["requestParameters"]
    expected = {"requestId": made["requestID"], "_return": True, "securityGroupRuleSet": {"items": [RULE_READ]}}
    assert expected == made["responseElements"]


def test_authorize_in_flat_form() -> None:
    """A call with `CidrIp` is logged flat, beside an empty `ipPermissions`, as Stratus Red Team's records show."""
    arguments = {"GroupId": "sg-1", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "192.0.2.0/24"}
    assert FLAT == request("AuthorizeSecurityGroupIngress", arguments)


def test_style_writes_one_cidr_flat_and_nothing_else() -> None:
    """The flat style rewrites exactly what has a flat form: one permission, one IPv4 CIDR, no description."""
    flat = Style(form="flat")
    assert FLAT == request("AuthorizeSecurityGroupIngress", ONE_CIDR, style=flat)
    assert FLAT == request("RevokeSecurityGroupIngress", ONE_CIDR, style=flat)
    (permission,) = ONE_CIDR["IpPermissions"]
    for more in (
        {"IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "d"}]},
        {"IpRanges": [{"CidrIp": "192.0.2.0/24"}, {"CidrIp": "198.51.100.0/24"}]},
        {"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        {"UserIdGroupPairs": [{"GroupId": "sg-2"}]},
    ):
        kept = request(
            "AuthorizeSecurityGroupIngress", {"GroupId": "sg-1", "IpPermissions": [permission | more]}, style=flat
        )
        assert "items" in kept["ipPermissions"], more
    assert "ipPermissions" not in request("DeleteSecurityGroup", {"GroupId": "sg-1"}, style=flat)


def test_peers_of_every_kind() -> None:
    """Groups, IPv6, prefix lists and descriptions under their record names, ICMP's type and code as ports."""
    made = request(
        "RevokeSecurityGroupEgress",
        {
            "GroupId": "sg-1",
            "IpPermissions": [
                {
                    "IpProtocol": "icmp",
                    "FromPort": 8,
                    "ToPort": -1,
                    "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": ACCOUNT, "Description": "ping"}],
                    "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32", "Description": "lab"}],
                    "PrefixListIds": [{"PrefixListId": "pl-1"}],
                }
            ],
        },
    )
    (item,) = made["ipPermissions"]["items"]
    assert {
        "ipProtocol": "icmp",
        "fromPort": 8,
        "toPort": -1,
        "groups": {"items": [{"groupId": "sg-2", "userId": ACCOUNT, "description": "ping"}]},
        "ipRanges": {},
        "ipv6Ranges": {"items": [{"cidrIpv6": "2001:db8::/32", "description": "lab"}]},
        "prefixListIds": {"items": [{"prefixListId": "pl-1"}]},
    } == item


def test_revoke_answers_as_of_2023_and_now() -> None:
    """EC2 API Reference, RevokeSecurityGroupIngress: the answer now names the revoked rules; in 2023 it did not."""
    now = record("RevokeSecurityGroupIngress", ONE_CIDR, answer=REVOKED)
    then = record("RevokeSecurityGroupIngress", ONE_CIDR, OLDEST, answer=REVOKED)
    assert {"items": [RULE_READ]} == now["responseElements"]["revokedSecurityGroupRuleSet"]
    assert {"requestId": then["requestID"], "_return": True} == then["responseElements"]
    assert ("1.08", "1.11") == (then["eventVersion"], now["eventVersion"])


def test_authorize_answers_as_of_2023_without_arns() -> None:
    """Rules had no ARN in 2023's records; elastic/integrations' record of October 2024 has it."""
    made = record("AuthorizeSecurityGroupIngress", ONE_CIDR, OLDEST, answer=AUTHORIZED)
    (rule,) = made["responseElements"]["securityGroupRuleSet"]["items"]
    assert set(RULE) - {"securityGroupRuleArn"} == set(rule)


def test_mixed_style_is_drawn_by_seed_and_number() -> None:
    """A mixed style draws both shapes, the same ones for the same seed."""
    mixed = Style(era="mixed", form="mixed", seed=3)
    drawn = [mixed.at(number) for number in range(40)]
    assert drawn == [mixed.at(number) for number in range(40)]
    assert {("2023", "sent"), ("2023", "flat"), ("current", "sent"), ("current", "flat")} == {
        (one.era, one.form) for one in drawn
    }


def test_revoke_by_rule_id() -> None:
    """A revoke by rule id carries an empty `ipPermissions` and the ids (a hint: no such record is public)."""
    made = request("RevokeSecurityGroupIngress", {"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-1", "sgr-2"]})
    ids = {"items": [{"securityGroupRuleId": "sgr-1"}, {"securityGroupRuleId": "sgr-2"}]}
    assert {"groupId": "sg-1", "ipPermissions": {}, "securityGroupRuleIds": ids} == made


def test_modify_rules_one_and_many() -> None:
    """ModifySecurityGroupRules is wrapped, PascalCase, one rule an object and several a list, each with its tag."""
    one = {"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}}
    all_traffic = {"SecurityGroupRuleId": "sgr-2", "SecurityGroupRule": {"IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"}}
    single = request("ModifySecurityGroupRules", {"GroupId": "sg-1", "SecurityGroupRules": [one]})
    assert {
        "ModifySecurityGroupRulesRequest": {"GroupId": "sg-1", "SecurityGroupRule": {"tag": 1, **one}},
    } == single
    several = request("ModifySecurityGroupRules", {"GroupId": "sg-1", "SecurityGroupRules": [one, all_traffic]})
    first, second = several["ModifySecurityGroupRulesRequest"]["SecurityGroupRule"]
    assert (1, 2) == (first["tag"], second["tag"])
    # Text that looks like a number is one, whatever it means: invictus' CreateNatGateway has the tag value `true`.
    assert -1 == second["SecurityGroupRule"]["IpProtocol"]


def test_modify_rules_answer() -> None:
    """The answer of a newer call is wrapped likewise, with the API's namespace."""
    made = record(
        "ModifySecurityGroupRules", {"GroupId": "sg-1"}, answer="<requestId>x</requestId><return>true</return>"
    )
    assert {
        "ModifySecurityGroupRulesResponse": {
            "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
            "requestId": made["requestID"],
            "return": True,
        }
    } == made["responseElements"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("600", 600), ("-1", -1), ("1.5", 1.5), ("007", "007"), ("10.0.0.0/8", "10.0.0.0/8"), ("", "")],
)
def test_newer_calls_guess_types(text: str, value: object) -> None:
    """Values of newer calls are typed by their look (org.json's XML rules), and keep their text where that would
    change it."""
    made = request("ModifyManagedPrefixList", {"PrefixListId": "pl-1", "PrefixListName": text})
    assert value == made["ModifyManagedPrefixListRequest"]["PrefixListName"]
    assert type(value) is type(made["ModifyManagedPrefixListRequest"]["PrefixListName"])


def test_acl_entries() -> None:
    """CreateNetworkAclEntry: `aclProtocol` is text, `portRange` and `icmpTypeCode` are there when empty, too."""
    entry = {"NetworkAclId": "acl-1", "RuleNumber": 90, "Egress": False, "RuleAction": "deny", "CidrBlock": "0.0.0.0/0"}
    plain = {
        "networkAclId": "acl-1",
        "ruleNumber": 90,
        "egress": False,
        "ruleAction": "deny",
        "cidrBlock": "0.0.0.0/0",
    }
    for name in ("CreateNetworkAclEntry", "ReplaceNetworkAclEntry"):
        tcp = request(name, {**entry, "Protocol": "6", "PortRange": {"From": 700, "To": 702}})
        assert plain | {"aclProtocol": "6", "portRange": {"from": 700, "to": 702}, "icmpTypeCode": {}} == tcp
        icmp = request(name, {**entry, "Protocol": "1", "IcmpTypeCode": {"Type": 8, "Code": -1}})
        assert plain | {"aclProtocol": "1", "portRange": {}, "icmpTypeCode": {"code": -1, "type": 8}} == icmp
    assert {"networkAclId": "acl-1", "ruleNumber": 90, "egress": True} == request(
        "DeleteNetworkAclEntry", {"NetworkAclId": "acl-1", "RuleNumber": 90, "Egress": True}
    )


def test_membership() -> None:
    """Groups given to an interface or an instance stand in `groupSet.items[].groupId`."""
    groups = {"items": [{"groupId": "sg-1"}, {"groupId": "sg-2"}]}
    by_interface = {"NetworkInterfaceId": "eni-1", "Groups": ["sg-1", "sg-2"]}
    assert {"networkInterfaceId": "eni-1", "groupSet": groups} == request(
        "ModifyNetworkInterfaceAttribute", by_interface
    )
    by_instance = {"InstanceId": "i-1", "Groups": ["sg-1", "sg-2"]}
    assert {"instanceId": "i-1", "groupSet": groups} == request("ModifyInstanceAttribute", by_instance)
    launched = request(
        "RunInstances",
        {
            "ImageId": "ami-1",
            "MinCount": 1,
            "MaxCount": 1,
            "SecurityGroupIds": ["sg-1", "sg-2"],
            "UserData": "c2VjcmV0",
        },
    )
    assert groups == launched["groupSet"]
    assert "<sensitiveDataRemoved>" == launched["userData"]


def test_sets_of_a_load_balancer_and_a_database() -> None:
    """SetSecurityGroups and ModifyDBInstance: plain lists, one letter lowered, `apiVersion` beside the former."""
    balancer = record(
        "SetSecurityGroups",
        {"LoadBalancerArn": "arn:aws:x", "SecurityGroups": ["sg-1", "sg-2"]},
        service="elasticloadbalancing",
        answer="<SetSecurityGroupsResult><SecurityGroupIds><member>sg-1</member><member>sg-2</member>"
        "</SecurityGroupIds></SetSecurityGroupsResult>",
    )
    assert {"loadBalancerArn": "arn:aws:x", "securityGroups": ["sg-1", "sg-2"]} == balancer["requestParameters"]
    assert {"securityGroupIds": ["sg-1", "sg-2"]} == balancer["responseElements"]
    assert "2015-12-01" == balancer["apiVersion"]
    database = record(
        "ModifyDBInstance",
        {"DBInstanceIdentifier": "db", "VpcSecurityGroupIds": ["sg-1"], "MasterUserPassword": "secret"},
        service="rds",
        answer="<ModifyDBInstanceResult><DBInstance><DBInstanceIdentifier>db</DBInstanceIdentifier><VpcSecurityGroups>"
        "<VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status>"
        "</VpcSecurityGroupMembership></VpcSecurityGroups></DBInstance></ModifyDBInstanceResult>",
    )
    assert {
        "dBInstanceIdentifier": "db",
        "vpcSecurityGroupIds": ["sg-1"],
        "masterUserPassword": "HIDDEN_DUE_TO_SECURITY_REASONS",
    } == database["requestParameters"]
    assert {
        "dBInstanceIdentifier": "db",
        "vpcSecurityGroups": [{"vpcSecurityGroupId": "sg-1", "status": "active"}],
    } == database["responseElements"]


def test_failures() -> None:
    """A failed call: EC2's codes get `Client.` (`Server.` from 500 on), the answer is null, the request stays."""
    denied = record("DeleteSecurityGroup", {"GroupId": "sg-1"}, status=403, error="UnauthorizedOperation", message="No")
    assert ("Client.UnauthorizedOperation", "No") == (denied["errorCode"], denied["errorMessage"])
    assert ({"groupId": "sg-1"}, None) == (denied["requestParameters"], denied["responseElements"])
    broken = record("DeleteSecurityGroup", {"GroupId": "sg-1"}, status=500, error="InternalError")
    assert "Server.InternalError" == broken["errorCode"]
    absent = record("DeleteUser", {"UserName": "x"}, service="iam", status=404, error="NoSuchEntity", message="m")
    assert "NoSuchEntityException" == absent["errorCode"]


def test_dry_run() -> None:
    """A dry run is a failure of its own code; the flag itself is not logged in the older form."""
    tried = record(
        "RevokeSecurityGroupIngress", {**ONE_CIDR, "DryRun": True}, status=412, error="DryRunOperation", message="m"
    )
    assert ("Client.DryRunOperation", None) == (tried["errorCode"], tried["responseElements"])
    assert ITEMS == tried["requestParameters"]


def test_create_group_says_nothing_of_its_default_egress() -> None:
    """VPC User Guide, "Default security groups for your VPCs"/custom groups: a new group allows all egress; no record
    tells of that rule, neither in CreateSecurityGroup's own nor in one of its own."""
    made = records(
        call(
            "CreateSecurityGroup",
            {"GroupName": "g", "Description": "d", "VpcId": "vpc-1"},
            answer="<return>true</return><groupId>sg-1</groupId>",
        ),
        ALICE,
    )
    assert 1 == len(made)
    assert {"groupName": "g", "groupDescription": "d", "vpcId": "vpc-1"} == made[0]["requestParameters"]
    assert {"requestId", "_return", "groupId"} == set(made[0]["responseElements"])


def test_reads_have_no_answer() -> None:
    """A read-only call is `readOnly` and its answer is not logged."""
    made = record("DescribeVpcs", answer="<vpcSet><item><vpcId>vpc-1</vpcId></item></vpcSet>")
    assert (True, None) == (made["readOnly"], made["responseElements"])


def test_times_have_whole_seconds() -> None:
    """CloudTrail User Guide, "CloudTrail record contents": eventTime is UTC, to the second."""
    assert "2024-02-15T10:30:00Z" == record("DescribeVpcs", at=AT)["eventTime"]


def test_calls_on_data_are_not_recorded() -> None:
    """Amazon SQS Developer Guide, "Logging … using AWS CloudTrail": messages are data events, making a queue is not."""
    read = replace(call("DescribeVpcs"), service="sqs", action="ReceiveMessage", params={"QueueUrl": "u"}, answer=b"{}")
    assert [] == records(read, ALICE)
    (made,) = records(replace(read, action="CreateQueue", params={"QueueName": "q"}), ALICE)
    assert {"queueName": "q"} == made["requestParameters"]


def test_empty_answer() -> None:
    """A success without a body is logged as one: `requestId` and `_return`."""
    made = record("CreateTags", {"Resources": ["sg-1"], "Tags": [{"Key": "a", "Value": "b"}]})
    (bare,) = records(replace(call("DeleteTags", {"Resources": ["sg-1"]}), answer=b""), ALICE)
    assert {"requestId": bare["requestID"], "_return": True} == bare["responseElements"] == made["responseElements"]


def test_console_calls() -> None:
    """A console session: `sessionCredentialFromConsole`, no `tlsDetails`, the user's session with MFA."""
    alice = Identity.of_user(ACCOUNT, "alice", "AIDA", since=AT, mfa=True, console=True)
    (made,) = records(call("DeleteSecurityGroup", {"GroupId": "sg-1"}, answer="<return>true</return>"), alice)
    assert "true" == made["sessionCredentialFromConsole"]
    assert "tlsDetails" not in made
    attributes = {"creationDate": "2024-02-15T10:30:00Z", "mfaAuthenticated": "true"}
    assert {"attributes": attributes} == made["userIdentity"]["sessionContext"]
