"""Real clients, the lab's API over HTTP, a rule and a queue that they made: a change → its event by long poll."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_api._internal.models import moto_api_backend

from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.serve import Server, serve
from doorward_lab.cloud.trail import Emitter, Faults, Identity, Trail

PATTERN = {
    "source": ["aws.ec2", "aws.elasticloadbalancing", "aws.rds"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {"eventSource": [{"suffix": ".amazonaws.com"}]},
}
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}


class Lab:
    """The API with its trail, and clients of it."""

    def __init__(self, file: Path) -> None:
        moto_api_backend.reset()
        self.cloud = Cloud()
        self.emitter = Emitter(seed=1)
        self.trail = Trail(self.emitter, file=file)
        self.cloud.on_call = self.trail.observe
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.server: Server = serve(self.cloud, self._socket)
        self.ec2 = self.client("ec2")
        self.sqs = self.client("sqs")
        self.url = self.sqs.create_queue(QueueName="changes")["QueueUrl"]
        events = self.client("events")
        events.put_rule(Name="changes", EventPattern=json.dumps(PATTERN))
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": arn}])
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        self.settle()

    def client(self, service: Any, key: str = "testing", token: str | None = None) -> Any:
        """A boto3 client of the API."""
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="x",
            aws_session_token=token,
            config=Config(retries={"max_attempts": 0}),
        )

    def next(self, seconds: int = 5) -> Any:
        """The next event, by long poll; None when none comes."""
        got = self.sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=seconds).get("Messages", [])
        for one in got:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return json.loads(got[0]["Body"]) if got else None

    def settle(self) -> list[Any]:
        """Everything that is under way, received."""
        assert self.cloud.drain()
        assert self.emitter.flush()
        got = []
        while (event := self.next(0)) is not None:
            got.append(event)
        return got

    def close(self) -> None:
        """End it all."""
        self.server.close()
        self._socket.close()
        self.cloud.close()
        self.emitter.close()
        self.trail.close()
        moto_api_backend.reset()  # moto's state is the process's


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One API for all tests here."""
    made = Lab(tmp_path_factory.mktemp("trail") / "trail.jsonl")
    yield made
    made.close()


def test_rule_changes_arrive(lab: Lab) -> None:
    """Authorize, revoke and modify by boto3 arrive in the queue as CloudTrail records of those calls."""
    rules = lab.ec2.authorize_security_group_ingress(GroupId=lab.group, IpPermissions=[HTTPS])["SecurityGroupRules"]
    added = lab.next()["detail"]
    assert ("AuthorizeSecurityGroupIngress", {"groupId": lab.group}) == (
        added["eventName"],
        {"groupId": added["requestParameters"]["groupId"]},
    )
    (item,) = added["responseElements"]["securityGroupRuleSet"]["items"]
    assert (rules[0]["SecurityGroupRuleId"], 443, False) == (
        item["securityGroupRuleId"],
        item["fromPort"],
        item["isEgress"],
    )
    rule = {"SecurityGroupRuleId": item["securityGroupRuleId"], "SecurityGroupRule": HTTPS_TO_8443}
    lab.ec2.modify_security_group_rules(GroupId=lab.group, SecurityGroupRules=[rule])
    changed = lab.next()["detail"]
    body = changed["requestParameters"]["ModifySecurityGroupRulesRequest"]
    assert {"tag": 1, **rule} == body["SecurityGroupRule"]
    assert changed["responseElements"]["ModifySecurityGroupRulesResponse"]["return"] is True
    lab.ec2.revoke_security_group_ingress(GroupId=lab.group, SecurityGroupRuleIds=[item["securityGroupRuleId"]])
    gone = lab.next()["detail"]
    (revoked,) = gone["responseElements"]["revokedSecurityGroupRuleSet"]["items"]
    assert (item["securityGroupRuleId"], 8443) == (revoked["securityGroupRuleId"], revoked["fromPort"])
    assert gone["requestID"] == gone["responseElements"]["requestId"]
    assert gone["userAgent"].startswith("Boto3/")


HTTPS_TO_8443 = {"IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443, "CidrIpv4": "192.0.2.0/24"}


def test_failed_calls_arrive_too(lab: Lab) -> None:
    """A refused revoke and a dry run arrive with their codes and no answer; moto's group is untouched."""
    with pytest.raises(ClientError, match=r"InvalidPermission\.NotFound"):
        lab.ec2.revoke_security_group_ingress(GroupId=lab.group, IpPermissions=[HTTPS])
    failed = lab.next()["detail"]
    assert ("Client.InvalidPermission.NotFound", None) == (failed["errorCode"], failed["responseElements"])
    with pytest.raises(ClientError, match="DryRunOperation"):
        lab.ec2.authorize_security_group_ingress(GroupId=lab.group, IpPermissions=[HTTPS], DryRun=True)
    tried = lab.next()["detail"]
    assert ("Client.DryRunOperation", None) == (tried["errorCode"], tried["responseElements"])


def test_reads_do_not_arrive(lab: Lab) -> None:
    """Describe calls make no event."""
    lab.ec2.describe_security_groups()
    assert [] == lab.settle()


def test_faults_on_the_way(lab: Lab) -> None:
    """Told to, the emitter sends an event twice with one event id, late, or never: as the queue's reader sees it."""
    tag = {"Resources": [lab.group], "Tags": [{"Key": "a", "Value": "b"}]}
    try:
        lab.emitter.faults = Faults(duplicate=1.0)
        lab.ec2.create_tags(**tag)
        first, second = lab.settle()
        assert first == second
        lab.emitter.faults = Faults(drop=1.0)
        lab.ec2.create_tags(**tag)
        assert [] == lab.settle()
        lab.emitter.faults = Faults(delay=(0.3, 0.3))
        began = time.perf_counter()
        lab.ec2.create_tags(**tag)
        assert lab.next()["detail"]["eventName"] == "CreateTags"
        assert time.perf_counter() - began >= 0.3
    finally:
        lab.emitter.faults = Faults()


def test_who_did_it(lab: Lab) -> None:
    """A change made in a role's session names the role, the session and the source identity given to STS."""
    iam, sts = lab.client("iam"), lab.client("sts")
    role = iam.create_role(RoleName="pipeline", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    session = sts.assume_role(RoleArn=role, RoleSessionName="run-9", SourceIdentity="alice")["Credentials"]
    by_role = lab.client("ec2", session["AccessKeyId"], session["SessionToken"])
    by_role.create_tags(Resources=[lab.group], Tags=[{"Key": "a", "Value": "b"}])
    who = lab.next()["detail"]["userIdentity"]
    assert ("AssumedRole", role) == (who["type"], who["sessionContext"]["sessionIssuer"]["arn"])
    assert who["arn"].endswith(":assumed-role/pipeline/run-9")
    assert "alice" == who["sessionContext"]["sourceIdentity"]


def test_registered_key(lab: Lab) -> None:
    """A key that was registered is that person's."""
    lab.trail.registry.register("bobskey", Identity.of_user("123456789012", "bob", "AIDABOB"))
    lab.client("ec2", "bobskey").create_tags(Resources=[lab.group], Tags=[{"Key": "a", "Value": "c"}])
    assert "bob" == lab.next()["detail"]["userIdentity"]["userName"]


# Every call of the facts' list of changes that the lab's API performs: name → how to make it.
def _changes(lab: Lab) -> Iterator[tuple[str, Any]]:
    ec2, elb = lab.ec2, lab.client("elbv2")
    subnet = ec2.create_subnet(VpcId=lab.vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a")
    other = ec2.create_subnet(VpcId=lab.vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="us-east-1b")
    subnet_id, other_id = subnet["Subnet"]["SubnetId"], other["Subnet"]["SubnetId"]
    second = ec2.create_security_group(GroupName="second", Description="d", VpcId=lab.vpc)["GroupId"]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    eni = ec2.create_network_interface(SubnetId=subnet_id, Groups=[lab.group])["NetworkInterface"]["NetworkInterfaceId"]
    run = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet_id, SecurityGroupIds=[lab.group])
    instance = run["Instances"][0]["InstanceId"]
    acl = ec2.create_network_acl(VpcId=lab.vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 90, "Egress": False}
    allowed = entry | {"Protocol": "6", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0"}
    ports = {"PortRange": {"From": 1, "To": 2}}
    table = ec2.create_route_table(VpcId=lab.vpc)["RouteTable"]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    entries = [{"Cidr": "10.9.0.0/16"}]
    lists = ec2.create_managed_prefix_list(PrefixListName="l", MaxEntries=5, AddressFamily="IPv4", Entries=entries)
    prefix_list = lists["PrefixList"]["PrefixListId"]
    peer = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    balancer = elb.create_load_balancer(Name="web", Subnets=[subnet_id, other_id], SecurityGroups=[lab.group])
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    lab.settle()
    anywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    described = [{**HTTPS, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "new"}]}]
    egress = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "198.51.100.0/24"}]}
    yield (
        "AuthorizeSecurityGroupEgress",
        lambda: ec2.authorize_security_group_egress(GroupId=second, IpPermissions=[egress]),
    )
    yield "RevokeSecurityGroupEgress", lambda: ec2.revoke_security_group_egress(GroupId=second, IpPermissions=[egress])
    ec2.authorize_security_group_ingress(GroupId=lab.group, IpPermissions=[HTTPS])
    yield (
        "UpdateSecurityGroupRuleDescriptionsIngress",
        lambda: ec2.update_security_group_rule_descriptions_ingress(GroupId=lab.group, IpPermissions=described),
    )
    yield (
        "ModifyNetworkInterfaceAttribute",
        lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[second]),
    )
    yield "DeleteNetworkInterface", lambda: ec2.delete_network_interface(NetworkInterfaceId=eni)
    yield "ModifyInstanceAttribute", lambda: ec2.modify_instance_attribute(InstanceId=instance, Groups=[second])
    yield "TerminateInstances", lambda: ec2.terminate_instances(InstanceIds=[instance])
    yield "CreateNetworkAclEntry", lambda: ec2.create_network_acl_entry(**allowed, **ports)
    yield "ReplaceNetworkAclEntry", lambda: ec2.replace_network_acl_entry(**allowed, **ports)
    yield "DeleteNetworkAclEntry", lambda: ec2.delete_network_acl_entry(**entry)
    acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet_id]}])
    (old,) = [one for one in acls["NetworkAcls"][0]["Associations"] if one["SubnetId"] == subnet_id]
    yield (
        "ReplaceNetworkAclAssociation",
        lambda: ec2.replace_network_acl_association(AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl),
    )
    yield "AttachInternetGateway", lambda: ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=lab.vpc)
    yield "CreateRoute", lambda: ec2.create_route(**anywhere)
    yield "ReplaceRoute", lambda: ec2.replace_route(**anywhere)
    yield "DeleteRoute", lambda: ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    yield "AssociateRouteTable", lambda: ec2.associate_route_table(RouteTableId=table, SubnetId=subnet_id)
    yield "AllocateAddress", lambda: ec2.allocate_address(Domain="vpc")
    yield (
        "ModifyManagedPrefixList",
        lambda: ec2.modify_managed_prefix_list(
            PrefixListId=prefix_list, CurrentVersion=1, AddEntries=[{"Cidr": "10.8.0.0/16"}]
        ),
    )
    yield "CreateVpcPeeringConnection", lambda: ec2.create_vpc_peering_connection(VpcId=lab.vpc, PeerVpcId=peer)
    yield "SetSecurityGroups", lambda: elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[second])
    yield (
        "ModifySubnetAttribute",
        lambda: ec2.modify_subnet_attribute(SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": True}),
    )
    allocated = ec2.allocate_address(Domain="vpc")["AllocationId"]
    third = ec2.create_network_interface(SubnetId=other_id, Groups=[second])["NetworkInterface"]["NetworkInterfaceId"]
    yield "AssociateAddress", lambda: ec2.associate_address(AllocationId=allocated, NetworkInterfaceId=third)
    endpoint = ec2.create_vpc_endpoint(
        VpcId=lab.vpc,
        ServiceName="com.amazonaws.us-east-1.ssm",
        VpcEndpointType="Interface",
        SubnetIds=[subnet_id],
        SecurityGroupIds=[lab.group],
    )["VpcEndpoint"]["VpcEndpointId"]
    yield "ModifyVpcEndpoint", lambda: ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSecurityGroupIds=[second])
    launched = {"ImageId": image, "SecurityGroupIds": [second]}
    yield (
        "CreateLaunchTemplate",
        lambda: ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=launched),
    )
    yield "DeleteLoadBalancer", lambda: elb.delete_load_balancer(LoadBalancerArn=arn)


def test_every_kind_of_change_arrives(lab: Lab) -> None:
    """Rules, membership, sets, scope and paths: each change makes an event of its name, with a request and an answer,
    of which nothing is left in wire form (no `Foo.1`, no bare XML names)."""
    made = 0
    for name, change in _changes(lab):
        lab.settle()
        change()
        details = [one["detail"] for one in lab.settle()]
        (detail,) = [one for one in details if one["eventName"] == name]
        assert "errorCode" not in detail
        assert detail["requestParameters"], name
        text = json.dumps([detail["requestParameters"], detail["responseElements"]])
        assert ".1" not in " ".join(_keys(json.loads(text))) and "@" not in " ".join(_keys(json.loads(text)))
        if detail["eventSource"] == "ec2.amazonaws.com":
            assert detail["requestID"] in text, f"{name}: the answer's requestId is the record's"
        made += 1
    assert 25 == made


def test_a_load_balancers_interfaces_are_told_as_the_services_calls(lab: Lab) -> None:
    """CreateLoadBalancer is followed by the service's own CreateNetworkInterface for each subnet, SetSecurityGroups by
    its ModifyNetworkInterfaceAttribute, DeleteLoadBalancer by its DeleteNetworkInterface."""
    elb, ec2 = lab.client("elbv2"), lab.ec2
    subnets = [
        ec2.create_subnet(VpcId=lab.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in ((11, "a"), (12, "b"))
    ]
    other = ec2.create_security_group(GroupName="other", Description="d", VpcId=lab.vpc)["GroupId"]
    lab.settle()
    ids = [one["SubnetId"] for one in subnets]
    made = elb.create_load_balancer(Name="own", Subnets=ids, SecurityGroups=[lab.group])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    assert lab.cloud.drain()
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[other])
    assert lab.cloud.drain()
    elb.delete_load_balancer(LoadBalancerArn=arn)
    details = [one["detail"] for one in lab.settle()]
    own = [one for one in details if one["userIdentity"].get("invokedBy") == "elasticloadbalancing.amazonaws.com"]
    created = [one for one in own if one["eventName"] == "CreateNetworkInterface"]
    assert set(ids) == {one["requestParameters"]["subnetId"] for one in created}
    interfaces = {one["responseElements"]["networkInterface"]["networkInterfaceId"] for one in created}
    deleted = [one for one in own if one["eventName"] == "DeleteNetworkInterface"]
    assert interfaces == {one["requestParameters"]["networkInterfaceId"] for one in deleted}
    changed = [one for one in own if one["eventName"] == "ModifyNetworkInterfaceAttribute"]
    assert {other} == {one["requestParameters"]["groupSet"]["items"][0]["groupId"] for one in changed}
    assert 6 == len(own)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def test_log_and_file(lab: Lab) -> None:
    """The newest records come first; LookupEvents' attributes find them; the file has every record, one a line."""
    lab.settle()
    lab.ec2.create_tags(Resources=[lab.group], Tags=[{"Key": "last", "Value": "one"}])
    lab.settle()
    newest = lab.trail.recent(1)[0]
    assert "CreateTags" == newest["eventName"]
    (found,) = lab.trail.lookup("EventId", newest["eventID"])
    assert ("root", newest) == (found["Username"], json.loads(found["CloudTrailEvent"]))
    assert {"CreateTags"} == {one["EventName"] for one in lab.trail.lookup("EventName", "CreateTags")}
    with pytest.raises(ValueError, match="attribute: got ResourceName"):
        lab.trail.lookup("ResourceName", "x")


def test_latency(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """From the start of a revoke to its event in hand by long poll: the median is reported, and is below 200 ms."""
    lab.settle()
    took = []
    for _ in range(30):
        lab.ec2.authorize_security_group_egress(GroupId=lab.group, IpPermissions=[HTTPS])
        assert lab.next()["detail"]["eventName"] == "AuthorizeSecurityGroupEgress"
        began = time.perf_counter()
        lab.ec2.revoke_security_group_egress(GroupId=lab.group, IpPermissions=[HTTPS])
        assert lab.next()["detail"]["eventName"] == "RevokeSecurityGroupEgress"
        took.append(time.perf_counter() - began)
    median = statistics.median(took)
    with capsys.disabled():
        print(f"\nrevoke -> event received: median {median * 1000:.1f} ms, longest {max(took) * 1000:.1f} ms")
    assert median < 0.2
