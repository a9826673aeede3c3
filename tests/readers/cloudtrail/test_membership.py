"""Who is in which group, and the network around: effects of calls of EC2 and other services."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.model.change import Ask, Gone, Kind, Member, Put
from tests.readers.cloudtrail.given import GROUP, PLACE, Documents, change, effects, key, record

OK = {"requestId": "r", "_return": True}
ENI, OTHER, INSTANCE = "eni-0123456789abcdef0", "eni-0123456789abcdef1", "i-0123456789abcdef0"
SECOND = "sg-0fedcba9876543210"
GROUPS = {"items": [{"groupId": GROUP}, {"groupId": SECOND}]}
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/50dc6c495c0c9188/0467ef3c8400ae65"
TARGETS = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/73e2d6bc24d8a067"


def asked(made: list[Any]) -> list[tuple[Kind, str]]:
    """What is asked; fails when anything else is told."""
    assert all(isinstance(one, Ask) and one.why for one in made), made
    return [(one.key.kind, one.key.id) for one in made]


def test_an_interface_s_groups_are_told() -> None:
    """ModifyNetworkInterfaceAttribute tells all groups of the interface; it may also be about something else."""
    request = {"networkInterfaceId": ENI, "groupSet": GROUPS}
    assert [Member(key("interface", ENI), (GROUP, SECOND))] == effects("ModifyNetworkInterfaceAttribute", request, OK)
    request = {"networkInterfaceId": ENI, "sourceDestCheck": {"value": False}}
    expected = [Put(key("interface", ENI), {"SourceDestCheck": False}, part=True)]
    assert expected == effects("ModifyNetworkInterfaceAttribute", request, OK)


def test_a_new_interface_is_told_in_full() -> None:
    """CreateNetworkInterface's answer has the groups, the default one too, and the document in describe's words."""
    interface = {
        "networkInterfaceId": ENI, "subnetId": "subnet-1", "vpcId": "vpc-1", "privateIpAddress": "10.0.0.5",
        "groupSet": GROUPS, "privateIpAddressesSet": {"item": [{"privateIpAddress": "10.0.0.5", "primary": True}]},
        "ipv6AddressesSet": {}, "tagSet": {"items": [{"key": "a", "value": "b"}]}, "interfaceType": "interface",
    }  # fmt: skip
    put, member = effects("CreateNetworkInterface", {"groupSet": {}}, {"requestId": "r", "networkInterface": interface})
    assert Member(key("interface", ENI), (GROUP, SECOND)) == member
    assert isinstance(put, Put) and not put.part
    assert [{"PrivateIpAddress": "10.0.0.5", "Primary": True}] == put.document["PrivateIpAddresses"]
    assert [{"GroupId": GROUP}, {"GroupId": SECOND}] == put.document["Groups"]
    assert ([], [{"Key": "a", "Value": "b"}]) == (put.document["Ipv6Addresses"], put.document["TagSet"])
    assert [Gone(key("interface", ENI))] == effects("DeleteNetworkInterface", {"networkInterfaceId": ENI}, OK)


def test_launched_instances() -> None:
    """RunInstances tells groups of interfaces; addresses come later, so they are asked."""
    instance = {
        "instanceId": INSTANCE,
        "networkInterfaceSet": {"items": [{"networkInterfaceId": ENI, "groupSet": GROUPS}]},
    }
    made = effects("RunInstances", {"groupSet": {}}, {"requestId": "r", "instancesSet": {"items": [instance]}})
    assert Member(key("interface", ENI), (GROUP, SECOND)) in made
    assert {key("instance", INSTANCE), key("interface", ENI)} == {one.key for one in made if isinstance(one, Ask)}


def test_an_instance_s_groups() -> None:
    """ModifyInstanceAttribute: told for the one interface that is known, asked where there are several or none."""
    request = {"instanceId": INSTANCE, "groupSet": {"items": [{"groupId": GROUP}]}}
    one = Documents(held={("interface", "instance", INSTANCE): [ENI]})
    two = Documents(held={("interface", "instance", INSTANCE): [ENI, OTHER]})
    assert [Member(key("interface", ENI), (GROUP,))] == effects("ModifyInstanceAttribute", request, OK, lookup=one)
    expected: list[tuple[Kind, str]] = [("instance", INSTANCE), ("interface", ENI), ("interface", OTHER)]
    assert expected == asked(effects("ModifyInstanceAttribute", request, OK, lookup=two))
    assert [("instance", INSTANCE)] == asked(effects("ModifyInstanceAttribute", request, OK))
    assert [] == effects("ModifyInstanceAttribute", {"instanceId": INSTANCE, "userData": "x"}, OK)


@pytest.mark.parametrize(
    ("name", "request_", "answer", "expected"),
    [
        ("TerminateInstances", {"instancesSet": {"items": [{"instanceId": INSTANCE}]}}, OK, [("instance", INSTANCE)]),
        ("DetachNetworkInterface", {"attachmentId": "eni-attach-1"}, OK, [("interface", "*")]),
        ("AssociateAddress", {"allocationId": "eipalloc-1", "networkInterfaceId": ENI}, OK, [("interface", ENI)]),
        ("DisassociateAddress", {"associationId": "eipassoc-1"}, OK, [("interface", "*")]),
        ("AssignIpv6Addresses", {"networkInterfaceId": ENI}, OK, [("interface", ENI)]),
        ("CreateNetworkAclEntry", {"networkAclId": "acl-12345678", "ruleNumber": 100}, OK, [("acl", "acl-12345678")]),
        ("ReplaceNetworkAclAssociation", {"associationId": "aclassoc-1", "networkAclId": "acl-12345678"}, OK,
         [("acl", "acl-12345678"), ("acl", "*")]),
        ("CreateRoute", {"routeTableId": "rtb-12345678", "gatewayId": "igw-12345678"}, OK,
         [("route-table", "rtb-12345678")]),
        ("DisassociateRouteTable", {"associationId": "rtbassoc-1"}, OK, [("route-table", "*")]),
        ("ModifyManagedPrefixList", {"ModifyManagedPrefixListRequest": {"PrefixListId": "pl-12345678", "AddEntry": {
            "tag": 1, "Cidr": "10.0.0.0/8"}}}, OK, [("prefix-list", "pl-12345678")]),
        ("RestoreManagedPrefixListVersion", {"RestoreManagedPrefixListVersionRequest": {"PrefixListId": "pl-12345678"}},
         OK, [("prefix-list", "pl-12345678")]),
        ("AcceptVpcPeeringConnection", {"vpcPeeringConnectionId": "pcx-12345678"}, OK, [("peering", "pcx-12345678")]),
        ("CreateTransitGatewayRoute", {"CreateTransitGatewayRouteRequest": {
            "TransitGatewayRouteTableId": "tgw-rtb-12345678"}}, OK, [("transit-gateway", "tgw-rtb-12345678")]),
        ("AssociateSecurityGroupVpc", {"AssociateSecurityGroupVpcRequest": {"GroupId": GROUP, "VpcId": "vpc-12345678"}},
         OK, [("group", GROUP)]),
        ("ModifyVpcBlockPublicAccessOptions", {"ModifyVpcBlockPublicAccessOptionsRequest": {}}, OK, [("vpc", "*")]),
        ("CreateTags", {"resourcesSet": {"items": [{"resourceId": GROUP}, {"resourceId": "ami-12345678"}]},
                        "tagSet": {"items": [{"key": "k", "value": "v"}]}}, OK, [("group", GROUP)]),
        ("EnableSomethingNew", {"EnableSomethingNewRequest": {"VpcId": "vpc-12345678", "Thing": {
            "tag": 1, "content": ENI}}}, OK, [("vpc", "vpc-12345678"), ("interface", ENI)]),
    ],
)  # fmt: skip
def test_what_is_told_in_part_is_asked(name: str, request_: Any, answer: Any, expected: Any) -> None:
    """Calls that name what they change without telling what it is now ask exactly that; `*` when nothing is named."""
    assert expected == asked(effects(name, request_, answer))


def test_what_is_known_makes_questions_narrow() -> None:
    """An association, an attachment or a name that is known asks one resource in place of all."""
    known = Documents(
        held={
            ("acl", "association", "aclassoc-1"): ["acl-87654321"],
            ("route-table", "association", "rtbassoc-1"): ["rtb-12345678"],
            ("interface", "attachment", "eni-attach-1"): [ENI],
            ("interface", "owner", "fsmt-1"): [ENI],
        }
    )
    request = {"associationId": "aclassoc-1", "networkAclId": "acl-12345678"}
    expected = [("acl", "acl-12345678"), ("acl", "acl-87654321")]
    assert expected == asked(effects("ReplaceNetworkAclAssociation", request, OK, lookup=known))
    request = {"associationId": "rtbassoc-1"}
    assert [("route-table", "rtb-12345678")] == asked(effects("DisassociateRouteTable", request, OK, lookup=known))
    request = {"attachmentId": "eni-attach-1"}
    assert [("interface", ENI)] == asked(effects("DetachNetworkInterface", request, OK, lookup=known))
    mount: Any = {"mountTargetId": "fsmt-1", "securityGroups": [GROUP]}
    made = effects("ModifyMountTargetSecurityGroups", mount, None, "elasticfilesystem", lookup=known)
    assert [("interface", ENI)] == asked(made)


def test_new_resources_are_told_in_full() -> None:
    """What is created is in the answer; what is deleted is gone."""
    acl = {"networkAclId": "acl-12345678", "vpcId": "vpc-1", "default": False, "associationSet": {}, "tagSet": {},
           "entrySet": {"items": [{"ruleNumber": 32767, "protocol": -1, "ruleAction": "deny", "egress": True,
                                   "cidrBlock": "0.0.0.0/0", "portRange": {"from": 1, "to": 2}}]}}  # fmt: skip
    (put,) = effects("CreateNetworkAcl", {"vpcId": "vpc-1"}, {"requestId": "r", "networkAcl": acl})
    entry = {"RuleNumber": 32767, "Protocol": "-1", "RuleAction": "deny", "Egress": True, "CidrBlock": "0.0.0.0/0",
             "PortRange": {"From": 1, "To": 2}}  # fmt: skip
    expected = {"NetworkAclId": "acl-12345678", "VpcId": "vpc-1", "IsDefault": False, "Associations": [], "Tags": [],
                "Entries": [entry]}  # fmt: skip
    assert Put(key("acl", "acl-12345678"), expected) == put
    assert [Gone(key("acl", "acl-12345678"))] == effects("DeleteNetworkAcl", {"networkAclId": "acl-12345678"}, OK)
    made = effects(
        "CreateManagedPrefixList",
        {"CreateManagedPrefixListRequest": {"PrefixListName": "office", "Entry": [
            {"tag": 1, "Cidr": "198.51.100.0/24"}, {"tag": 2, "Cidr": "192.0.2.0/24", "Description": "b"}]}},
        {"CreateManagedPrefixListResponse": {"requestId": "r", "prefixList": {
            "prefixListId": "pl-12345678", "prefixListName": "office", "version": 1, "state": "create-in-progress"}}},
    )  # fmt: skip
    assert [{"Cidr": "198.51.100.0/24", "Description": ""}, {"Cidr": "192.0.2.0/24", "Description": "b"}] == made[
        0
    ].document["Entries"]
    attach = {"internetGatewayId": "igw-12345678", "vpcId": "vpc-1"}
    expected = {"Attachments": [{"VpcId": "vpc-1", "State": "available"}]}
    assert [Put(key("internet-gateway", "igw-12345678"), expected, part=True)] == effects(
        "AttachInternetGateway", attach, OK
    )


def test_load_balancers() -> None:
    """SetSecurityGroups tells groups of all interfaces that are known; listeners and targets are asked."""
    request = {"loadBalancerArn": BALANCER, "securityGroups": [GROUP]}
    put = Put(key("load-balancer", BALANCER), {"SecurityGroups": [GROUP]}, part=True)
    known = Documents(held={("interface", "load-balancer", BALANCER): [ENI, OTHER]})
    members = [Member(key("interface", one), (GROUP,)) for one in (ENI, OTHER)]
    source = "elasticloadbalancing"
    answer = {"securityGroupIds": [GROUP]}
    assert [put, *members] == effects("SetSecurityGroups", request, answer, source, lookup=known)
    made = effects("SetSecurityGroups", request, answer, source)
    assert put == made[0] and [("load-balancer", BALANCER)] == asked(made[1:])
    assert [("load-balancer", BALANCER)] == asked(effects("DeleteListener", {"listenerArn": LISTENER}, None, source))
    register = {"targetGroupArn": TARGETS, "targets": [{"id": INSTANCE}]}
    assert [("target-group", TARGETS)] == asked(effects("RegisterTargets", register, None, source))
    (made_new,) = effects(
        "CreateLoadBalancer",
        {"name": "web"},
        {"loadBalancers": [{"loadBalancerArn": BALANCER, "dNSName": "web", "securityGroups": [GROUP]}]},
        source,
    )
    document = {"LoadBalancerArn": BALANCER, "DNSName": "web", "SecurityGroups": [GROUP]}
    assert Put(key("load-balancer", BALANCER), document) == made_new
    assert [Gone(key("load-balancer", BALANCER))] == effects(
        "DeleteLoadBalancer", {"loadBalancerArn": BALANCER}, None, source
    )


def test_databases() -> None:
    """RDS tells which groups a database shall have; its interfaces follow, so it is asked."""
    answer = {"dBInstanceIdentifier": "db", "vpcSecurityGroups": [{"vpcSecurityGroupId": GROUP, "status": "active"}]}
    put, question = effects("ModifyDBInstance", {"dBInstanceIdentifier": "db"}, answer, "rds")
    groups = {"VpcSecurityGroups": [{"VpcSecurityGroupId": GROUP, "Status": "active"}]}
    assert Put(key("database", "db"), groups, part=True) == put
    assert [("database", "db")] == asked([question])
    assert [] == effects("CreateDBSnapshot", {"dBInstanceIdentifier": "db"}, answer, "rds")


@pytest.mark.parametrize(
    ("source", "name", "request_"),
    [
        ("lambda", "UpdateFunctionConfiguration20150331v2",
         {"functionName": "f", "vpcConfig": {"securityGroupIds": [GROUP]}}),
        ("redshift", "ModifyCluster", {"clusterIdentifier": "c", "vpcSecurityGroupIds": [GROUP]}),
        ("elasticache", "ModifyReplicationGroup", {"replicationGroupId": "c", "securityGroupIds": [GROUP]}),
        ("ecs", "UpdateService",
         {"service": "s", "networkConfiguration": {"awsvpcConfiguration": {"securityGroups": [GROUP]}}}),
        ("eks", "UpdateClusterConfig", {"name": "c", "resourcesVpcConfig": {"securityGroupIds": [GROUP]}}),
        ("es", "UpdateDomainConfig", {"domainName": "d", "vPCOptions": {"securityGroupIds": [GROUP]}}),
        ("somethingnew", "ChangeThings", {"deep": [{"list": [{"group": GROUP}]}]}),
    ],
)  # fmt: skip
def test_any_service_that_sets_groups_asks_its_interfaces(source: str, name: str, request_: Any) -> None:
    """A call of any service that names groups changes memberships: unknown interfaces mean all; known ones, those."""
    assert [("interface", "*")] == asked(effects(name, request_, None, source))
    owner = next((value for value in request_.values() if isinstance(value, str)), None)
    if owner is not None and source != "ecs":
        known = Documents(held={("interface", "owner", owner): [ENI]})
        assert [("interface", ENI)] == asked(effects(name, request_, None, source, lookup=known))


@pytest.mark.parametrize(
    ("source", "name", "request_"),
    [
        ("ec2", "CreateVolume", {"size": "1"}), ("ec2", "CreateFlowLogs", {"x": "vpc-12345678"}),
        ("ec2", "DescribeSecurityGroups", {"securityGroupIdSet": {"items": [{"groupId": GROUP}]}}),
        ("s3", "PutBucketPolicy", {"bucketName": "b"}), ("iam", "CreateRole", {"roleName": "r"}),
        ("lambda", "CreateFunction20150331", {"functionName": "f", "vpcConfig": {"securityGroupIds": [GROUP]}}),
        ("ecs", "RunTask", {"networkConfiguration": {"awsvpcConfiguration": {"securityGroups": [GROUP]}}}),
    ],
)  # fmt: skip
def test_calls_that_change_nothing_now(source: str, name: str, request_: Any) -> None:
    """Other calls, and calls whose interfaces come with an event of their own, are in the history without effects."""
    made = change(record(name, request_, OK if source == "ec2" else None, source))
    assert (f"{source}:{name}", (), PLACE) == (made.call, made.effects, made.place)


def test_a_call_that_reads_has_no_effects() -> None:
    """Whatever its name: the record says so itself."""
    made = change(record("CreateRoute", {"routeTableId": "rtb-12345678"}, OK, readOnly=True))
    assert () == made.effects


@pytest.mark.parametrize("name", ["RunInstances", "CreateNetworkInterface", "CreateVpcEndpoint", "CreateSubnet"])
def test_an_answer_that_cannot_be_read_is_asked(name: str) -> None:
    """A call whose answer is left out of the record leads to questions, never to nothing, and a note says so."""
    made = change(record(name, {"x": 1}, {"omitted": True}))
    assert made.effects and all(isinstance(one, Ask) for one in made.effects)
    assert made.notes
