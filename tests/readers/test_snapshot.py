"""Snapshots of a live account, taken over HTTP from a server that behaves like AWS."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from moto.server import ThreadedMotoServer

from doorward.errors import CloudError, InvalidInput
from doorward.model.addresses import parse_address, parse_network
from doorward.model.rules import GroupPeer, PrefixListPeer
from doorward.model.services import ALL_SPAN, rule_span
from doorward.readers.aws import read_estate
from doorward.readers.snapshot import Progress, calls, collect, policy_json, take_snapshot

REGION = "eu-west-1"


@dataclass(frozen=True)
class Cloud:
    """The server and the ids of what was made in it."""

    url: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that is empty at first."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials of nobody; nothing of the user's own configuration is seen."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def cloud(server: str) -> Cloud:
    """A small account: a web group open to the internet, a database group open to it, a load balancer, a peering."""

    def client(service: str) -> Any:
        return boto3.client(
            service, region_name=REGION, endpoint_url=server, aws_access_key_id="x", aws_secret_access_key="x"
        )

    ec2, elb = client("ec2"), client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    other = ec2.create_vpc(CidrBlock="10.6.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.5.{zone}.0/24", AvailabilityZone=f"{REGION}{'ab'[zone]}")["Subnet"]
        for zone in (0, 1)
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0]["SubnetId"])
    lists = ec2.create_managed_prefix_list(
        PrefixListName="office", AddressFamily="IPv4", MaxEntries=5, Entries=[{"Cidr": "198.51.100.0/24"}]
    )["PrefixList"]["PrefixListId"]
    web = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    database = ec2.create_security_group(GroupName="db", Description="db", VpcId=vpc)["GroupId"]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    postgres = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    ec2.authorize_security_group_ingress(
        GroupId=web,
        IpPermissions=[{**https, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "PrefixListIds": [{"PrefixListId": lists}]}],
    )
    ec2.authorize_security_group_ingress(
        GroupId=database, IpPermissions=[{**postgres, "UserIdGroupPairs": [{"GroupId": web}]}]
    )
    interface = ec2.create_network_interface(
        SubnetId=subnets[0]["SubnetId"], Groups=[web], PrivateIpAddress="10.5.0.10"
    )["NetworkInterface"]["NetworkInterfaceId"]
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)["VpcPeeringConnection"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
    balancer = elb.create_load_balancer(
        Name="web", Subnets=[one["SubnetId"] for one in subnets], SecurityGroups=[web], Type="application"
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="web", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip")["TargetGroups"][
        0
    ]
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": "10.5.0.10", "Port": 8080}])
    elb.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
    )  # fmt: skip
    return Cloud(
        server,
        {
            "vpc": vpc, "subnet": subnets[0]["SubnetId"], "gateway": gateway, "table": table, "list": lists, "web": web,
            "db": database, "interface": interface, "peering": peering["VpcPeeringConnectionId"], "balancer": balancer,
            "group": group["TargetGroupArn"],
        },
    )  # fmt: skip


def test_what_was_made_is_what_is_read(cloud: Cloud, tmp_path: Path) -> None:
    """A snapshot of an account is an estate with what was made in it, rule ids included."""
    seen: list[Progress] = []
    summary = take_snapshot(tmp_path / "shot", regions=[REGION], endpoint_url=cloud.url, progress=seen.append)
    estate = read_estate(tmp_path / "shot")
    ids = cloud.ids
    web, database = estate.groups[ids["web"]], estate.groups[ids["db"]]
    https = rule_span("tcp", 443, 443)
    assert {
        ("ingress", https, parse_network("0.0.0.0/0")),
        ("ingress", https, PrefixListPeer(ids["list"])),
        ("egress", ALL_SPAN, parse_network("0.0.0.0/0")),
    } == {rule.key for rule in web.rules}
    assert all((rule.id or "").startswith("sgr-") for rule in web.rules)
    assert [("ingress", rule_span("tcp", 5432, 5432), GroupPeer(ids["web"]))] == [rule.key for rule in database.ingress]
    address = parse_address("10.5.0.10")
    interface = estate.interfaces[ids["interface"]]
    assert ((ids["web"],), ((address, address),)) == (interface.groups, interface.addresses)
    subnet = estate.subnets[ids["subnet"]]
    assert (ids["table"], REGION) == (subnet.route_table, subnet.region)
    assert subnet.acl in estate.acls
    assert (ids["gateway"],) == estate.vpcs[ids["vpc"]].internet_gateways
    assert ["local", "internet-gateway"] == [route.kind for route in estate.route_tables[ids["table"]].routes]
    entries = estate.prefix_lists[ids["list"]].cidrs
    assert (parse_network("198.51.100.0/24"),) == (entries.spans if entries is not None else None)
    assert estate.peerings[ids["peering"]].active
    (listener,) = estate.load_balancers[ids["balancer"]].listeners or ()
    assert ((rule_span("tcp", 80, 80),), (ids["group"],)) == (listener.service, listener.target_groups)
    assert [("10.5.0.10", 8080)] == [tuple(one) for one in estate.target_groups[ids["group"]].targets or ()]
    assert [REGION] == [scope.region for scope in summary.scopes]
    assert seen[-1].total == len(seen) == seen[-1].done


def test_several_regions_and_a_former_snapshot(cloud: Cloud, tmp_path: Path) -> None:
    """Each region has its folder; a former snapshot is replaced as a whole."""
    output = tmp_path / "shot"
    take_snapshot(output, regions=[REGION], endpoint_url=cloud.url)
    (output / "stray.json").write_text("{}")
    summary = take_snapshot(output, regions=["us-east-1", REGION], endpoint_url=cloud.url)
    assert [REGION, "us-east-1"] == [scope.region for scope in summary.scopes]
    account = summary.scopes[0].account
    assert {REGION, "us-east-1"} == {path.name for path in (output / account).iterdir()}
    assert not (output / "stray.json").exists()
    assert [output] == list(tmp_path.glob("*shot*"))
    assert {REGION, "us-east-1"} == {vpc.region for vpc in read_estate(output).vpcs.values()}


def test_assumed_role(cloud: Cloud, tmp_path: Path) -> None:
    """The account is that of the role that is assumed."""
    role: dict[str, Any] = {"role_arn": "arn:aws:iam::222222222222:role/read", "external_id": "agreed"}
    summary = take_snapshot(tmp_path / "shot", regions=[REGION], endpoint_url=cloud.url, **role)
    assert ["222222222222"] == [scope.account for scope in summary.scopes]


def test_a_folder_of_others_is_not_touched(cloud: Cloud, tmp_path: Path) -> None:
    """Output that is not a former snapshot is refused, and left as it was."""
    output = tmp_path / "mine"
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="not empty"):
        take_snapshot(output, regions=[REGION], endpoint_url=cloud.url)
    assert ["thesis.txt"] == [path.name for path in output.iterdir()]
    with pytest.raises(InvalidInput, match="not a folder"):
        take_snapshot(output / "thesis.txt", regions=[REGION], endpoint_url=cloud.url)


def test_no_credentials(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the error says what to do, and nothing is written."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CloudError, match="log in"):
        take_snapshot(tmp_path / "shot", regions=[REGION], endpoint_url=server)
    with pytest.raises(CloudError, match="list-profiles"):
        take_snapshot(tmp_path / "shot", profiles=["nobody"], regions=[REGION], endpoint_url=server)
    with pytest.raises(CloudError, match="--region"):
        take_snapshot(tmp_path / "shot", endpoint_url=server)
    assert [] == list(tmp_path.iterdir())


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody listens is an error of the cloud, not a traceback."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("doorward.readers.snapshot.ATTEMPTS", 1)
    with pytest.raises(CloudError, match="endpoint"):
        take_snapshot(tmp_path / "shot", regions=[REGION], endpoint_url="http://127.0.0.1:9")
    assert [] == list(tmp_path.iterdir())


def _failing(operation: str, code: str) -> Callable[..., Any]:
    """A client's ``_make_api_call`` that fails one operation with a code."""
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    real: Callable[..., Any] = getattr(BaseClient, "_make_api_call")  # noqa: B009  private to botocore, and without types

    def call(self: Any, name: str, asked: Any) -> Any:
        if name == operation:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, name)
        return real(self, name, asked)

    return call


def test_denied_calls_are_gaps(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denied call is recorded; what it would have said is unknown to the reader, not none."""
    denied = _failing("DescribeRouteTables", "UnauthorizedOperation")
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", denied)
    summary = take_snapshot(tmp_path / "shot", regions=[REGION], endpoint_url=cloud.url)
    assert ("ec2:DescribeRouteTables", "UnauthorizedOperation") in {(gap.call, gap.code) for gap in summary.denied}
    estate = read_estate(tmp_path / "shot")
    assert estate.subnets[cloud.ids["subnet"]].route_table is None
    assert any("ec2:DescribeRouteTables gave nothing" in notice.text for notice in estate.notices)


def test_other_failures_leave_nothing(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other failure ends the snapshot; a former one stays as it was."""
    output = tmp_path / "shot"
    take_snapshot(output, regions=[REGION], endpoint_url=cloud.url)
    before = (output / "doorward-snapshot.json").read_bytes()
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", _failing("DescribeRouteTables", "RequestExpired"))
    with pytest.raises(CloudError, match="ec2:DescribeRouteTables"):
        take_snapshot(output, regions=[REGION], endpoint_url=cloud.url)
    assert before == (output / "doorward-snapshot.json").read_bytes()
    assert [output] == list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [*calls.LISTS, *calls.SUBJECTS], ids=lambda call: call.action)
def test_calls_exist_and_answer_with_their_key(call: calls.Call) -> None:
    """Each call of the table exists in the API and answers with the key that is written."""
    client = boto3.client(call.service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    assert call.operation == client.meta.method_to_api_mapping[xform_name(call.operation)]
    shape = client.meta.service_model.operation_model(call.operation).output_shape
    assert call.key in shape.members
    if client.can_paginate(xform_name(call.operation)):
        assert call.key in str(client.get_paginator(xform_name(call.operation)).result_keys)


def test_policy_only_reads() -> None:
    """The IAM policy lists exactly the actions of the table, and each of them reads."""
    (statement,) = json.loads(policy_json())["Statement"]
    expected = {call.action for call in (*calls.LISTS, *calls.SUBJECTS)} | {"ec2:DescribeRegions"}
    assert expected == set(statement["Action"])
    verbs = ("Describe", "Get", "List", "Search")
    assert all(action.partition(":")[2].startswith(verbs) for action in statement["Action"])


def test_secrets_are_not_kept() -> None:
    """Environment variables of functions and overrides of tasks, which may hold secrets, are left out."""
    function = {"FunctionName": "f", "Environment": {"Variables": {"PASSWORD": "x"}}, "VpcConfig": {}}
    listed = next(call for call in calls.LISTS if call.operation == "ListFunctions")
    assert [{"FunctionName": "f", "VpcConfig": {}}] == collect._kept(listed, [function])
    assert [{"taskArn": "t"}] == collect._kept(calls.TASKS, [{"taskArn": "t", "overrides": {}, "containers": []}])
