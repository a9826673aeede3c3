"""The wrapper itself: order of callbacks, request ids, pages, dry runs, what is not modelled, speed."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.ec2.responses.key_pairs import KeyPairs

from doorward_lab.cloud import state, turn
from doorward_lab.cloud.wire import Answer, with_request_id
from doorward_lab.errors import Refused as KernelRefused
from doorward_lab.model import CloudState

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

    from tests.lab.cloud.conftest import Refused, Served

Make = Callable[..., str]


def test_the_data_plane_has_followed_when_the_call_returns(ec2: EC2Client, served: Served, group: Make) -> None:
    """`on_change` got the state with the new rule before the client got its answer; a revoke likewise."""
    own = group()
    added = ec2.authorize_security_group_ingress(
        GroupId=own, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8"
    )
    id = added["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    assert id in {rule.id for rule in served.states[-1].groups[own].rules}
    ec2.revoke_security_group_ingress(GroupId=own, SecurityGroupRuleIds=[id])
    assert id not in {rule.id for rule in served.states[-1].groups[own].rules}


def test_only_changes_are_told(ec2: EC2Client, served: Served, group: Make, refused: Refused) -> None:
    """Reading calls, refused calls, other services' and another region's calls tell the data plane nothing."""
    own = group()
    before = len(served.states)
    ec2.describe_vpcs()
    ec2.get_security_groups_for_vpc(VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(
            GroupId=own, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        )
    served.client("sqs").create_queue(QueueName="q")
    assert before == len(served.states)
    ec2.create_tags(Resources=[own], Tags=[{"Key": "Name", "Value": "n"}])
    assert before + 1 == len(served.states)


def test_every_call_is_told_in_order(ec2: EC2Client, served: Served, group: Make, refused: Refused) -> None:
    """`on_call` hears of changing, reading and failed calls, in the order in which they were carried out, with what the
    client sent and got."""
    own = group()
    served.cloud.drain()
    start = len(served.calls)
    answer = ec2.authorize_security_group_ingress(
        GroupId=own,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}],
    )
    ec2.describe_security_groups(GroupIds=[own])
    with refused("InvalidGroup.NotFound"):
        ec2.delete_security_group(GroupId="sg-0123456789abcdef0")
    assert served.cloud.drain()
    first, second, third = served.calls[start:]
    assert ["AuthorizeSecurityGroupIngress", "DescribeSecurityGroups", "DeleteSecurityGroup"] == [
        one.action for one in (first, second, third)
    ]
    assert ("ec2", "2016-11-15", "us-east-1", "123456789012", "AKIALABTESTS", "127.0.0.1", 200, None) == (
        first.service, first.version, first.region, first.account, first.access_key, first.source_address, first.status,
        first.error,
    )  # fmt: skip
    assert ("10.0.0.0/8", True) == (
        first.params["IpPermissions.1.IpRanges.1.CidrIp"],
        first.user_agent.startswith("Boto3"),
    )
    assert answer["ResponseMetadata"]["RequestId"] == first.request_id
    assert first.request_id.encode() in first.answer
    assert second.reads_only and not first.reads_only
    assert (400, "InvalidGroup.NotFound") == (third.status, third.error)
    assert "does not exist" in (third.message or "")


def test_concurrent_calls_keep_one_order(ec2: EC2Client, served: Served, group: Make) -> None:
    """Eight clients at once: states and calls come in one and the same order."""
    own = group()
    served.cloud.drain()
    calls, states = len(served.calls), len(served.states)

    def work(number: int) -> None:
        client: EC2Client = served.client("ec2")
        for port in range(number * 5 + 1, number * 5 + 6):
            client.authorize_security_group_ingress(
                GroupId=own, IpProtocol="tcp", FromPort=port, ToPort=port, CidrIp="10.0.0.0/8"
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert served.cloud.drain()
    told = [int(str(one.params["FromPort"])) for one in served.calls[calls:]]
    grown = [[rule.from_port for rule in one.groups[own].rules if not rule.egress] for one in served.states[states:]]
    assert [told[: count + 1] for count in range(40)] == grown


def test_a_data_plane_that_refuses(ec2: EC2Client, served: Served, group: Make) -> None:
    """The call fails with InternalError and says why; the next one works."""
    own = group()

    def broken(new: CloudState) -> None:
        raise KernelRefused("nft: no such table")

    kept, served.cloud.on_change = served.cloud.on_change, broken
    try:
        with pytest.raises(ClientError, match="nft: no such table"):
            ec2.create_tags(Resources=[own], Tags=[{"Key": "a", "Value": "b"}])
    finally:
        served.cloud.on_change = kept
    ec2.create_tags(Resources=[own], Tags=[{"Key": "a", "Value": "c"}])


def test_request_ids(ec2: EC2Client, elb: ElasticLoadBalancingv2Client, served: Served) -> None:
    """Each call has an id of its own, the same in the header and in the body (EC2 API Reference, "Common response
    elements": requestId)."""
    seen: set[str] = set()
    for call in (
        ec2.describe_vpcs,
        ec2.describe_security_groups,
        elb.describe_load_balancers,
        served.client("sts").get_caller_identity,
    ):
        for _ in range(2):
            meta: Any = call()["ResponseMetadata"]
            assert meta["RequestId"] == meta["HTTPHeaders"]["x-amzn-requestid"] == str(uuid.UUID(meta["RequestId"]))
            seen.add(meta["RequestId"])
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpcs(VpcIds=["vpc-0123456789abcdef0"])
    meta = refused.value.response["ResponseMetadata"]
    assert meta["RequestId"] == meta["HTTPHeaders"]["x-amzn-requestid"]
    seen.add(meta["RequestId"])
    assert 9 == len(seen)


def test_only_the_first_request_id_of_a_body_is_the_calls(served: Served) -> None:
    """A resource that has a requestId of its own keeps it."""
    body = b"<R><requestId>a</requestId><item><requestId>b</requestId></item></R>"
    assert (
        b"<R><requestId>c</requestId><item><requestId>b</requestId></item></R>"
        == with_request_id(Answer(200, [], body), "c").body
    )


def test_dry_run(ec2: EC2Client, served: Served, group: Make, refused: Refused) -> None:
    """Any EC2 action with DryRun: an error, and nothing is done.

    EC2 API Reference, DryRun: "If you have the required permissions, the error response is DryRunOperation."
    """
    own = group()
    before = served.cloud.state()
    for call in (
        lambda: ec2.authorize_security_group_ingress(
            GroupId=own, DryRun=True, IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="10.0.0.0/8"
        ),
        lambda: ec2.delete_security_group(GroupId=own, DryRun=True),
        lambda: ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True),
        lambda: ec2.describe_vpcs(DryRun=True),
    ):
        with refused("DryRunOperation"):
            call()
    assert before == served.cloud.state()


def test_what_is_not_modelled_is_an_aws_error(ec2: EC2Client, served: Served, subnet: str, refused: Refused) -> None:
    """No HTTP 500 with a traceback: UnsupportedOperation names the action."""
    with pytest.raises(ClientError, match=r"ec2:CreateNetworkInsightsPath is not modelled by the lab") as seen:
        ec2.create_network_insights_path(Source="igw-1", Protocol="tcp", ClientToken="a")
    assert ("UnsupportedOperation", 400) == (
        seen.value.response["Error"]["Code"], seen.value.response["ResponseMetadata"]["HTTPStatusCode"],
    )  # fmt: skip
    with refused("UnsupportedOperation"):
        served.client("cloudtrail").lookup_events()


def test_pages(ec2: EC2Client, vpc: str, group: Make, refused: Refused) -> None:
    """Groups in pages of five, each once and in order; tokens of other calls and sizes out of bounds are refused.

    EC2 API Reference, DescribeSecurityGroups: MaxResults "can be between 5 and 1000", NextToken; "Pagination".
    """
    ids = [group(f"g{number}") for number in range(12)]
    mine: Any = [{"Name": "vpc-id", "Values": [vpc]}]
    whole = [one["GroupId"] for one in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]]
    assert 13 == len(whole) and set(ids) < set(whole)
    pages = list(ec2.get_paginator("describe_security_groups").paginate(Filters=mine, PaginationConfig={"PageSize": 5}))
    assert [5, 5, 3] == [len(page["SecurityGroups"]) for page in pages]
    assert whole == [one["GroupId"] for page in pages for one in page["SecurityGroups"]]
    token = pages[0]["NextToken"]
    with refused("InvalidNextToken"):
        ec2.describe_security_groups(MaxResults=5, NextToken=token)
    with refused("InvalidNextToken"):
        ec2.describe_security_groups(Filters=mine, MaxResults=5, NextToken="nonsense")
    with refused("InvalidParameterValue"):
        ec2.describe_security_groups(Filters=mine, MaxResults=1001)


def _some(ec2: EC2Client, vpc: str, net: str, group: Make) -> None:
    for number in range(12):
        own = group(f"p{number}")
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.{number}.0/24")["Subnet"]["SubnetId"]
        ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[own])
        ec2.create_route_table(VpcId=vpc)
        ec2.create_network_acl(VpcId=vpc)
        ec2.create_managed_prefix_list(PrefixListName=f"pl{number}", MaxEntries=1, AddressFamily="IPv4")
        ec2.create_vpc(CidrBlock=f"10.{230 + number % 3}.0.0/16")


def test_every_list_has_pages(ec2: EC2Client, vpc: str, net: str, group: Make) -> None:
    """Each paged call gives the same whole, once each (EC2 API Reference, each action's MaxResults and NextToken)."""
    _some(ec2, vpc, net, group)
    for name, member, id in (
        ("describe_security_groups", "SecurityGroups", "GroupId"),
        ("describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
        ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
        ("describe_instances", "Reservations", "ReservationId"),
        ("describe_subnets", "Subnets", "SubnetId"),
        ("describe_route_tables", "RouteTables", "RouteTableId"),
        ("describe_network_acls", "NetworkAcls", "NetworkAclId"),
        ("describe_vpcs", "Vpcs", "VpcId"),
        ("describe_managed_prefix_lists", "PrefixLists", "PrefixListId"),
    ):
        whole = [one[id] for one in getattr(ec2, name)()[member]]
        pager: Any = ec2.get_paginator(name)  # type: ignore[call-overload]  # the name is a variable
        pages = list(pager.paginate(PaginationConfig={"PageSize": 7}))
        assert len(pages) == -(-len(whole) // 7) > 1, name
        assert whole == [one[id] for page in pages for one in page[member]], name


@pytest.fixture
def large(served: Served) -> Iterator[str]:
    """Another account with 200 interfaces in 50 groups of 10 rules."""
    from moto.ec2.models import ec2_backends

    account = "999999999999"
    backend: Any = ec2_backends[account]["us-east-1"]
    vpc = backend.create_vpc("10.0.0.0/16")
    subnets = [backend.create_subnet(vpc.id, f"10.0.{number}.0/24") for number in range(4)]
    groups = [backend.create_security_group(f"g{number}", "d", vpc.id) for number in range(50)]
    for group in groups:
        for port in range(10):
            backend.authorize_security_group_ingress(group.id, "tcp", str(port), str(port), [{"CidrIp": "10.0.0.0/8"}])
    for number in range(200):
        subnet = subnets[number % 4]
        address = f"10.0.{number % 4}.{number // 4 + 10}"
        one = backend.create_network_interface(subnet, address, group_ids=[groups[number % 50].id])
        backend.create_tags([one.id], {"Name": f"host-{number}"})
    yield account
    ec2_backends[account].pop("us-east-1")


def test_reading_the_state_is_fast(large: str) -> None:
    """200 interfaces, 50 groups, 550 rules: at most 5 ms of processor time."""
    times = []
    for _ in range(20):
        start = time.thread_time()
        read = state.read(large, "us-east-1")
        times.append(time.thread_time() - start)
    assert (200, 550) == (
        len(read.interfaces), sum(len(one.rules) for one in read.groups.values() if one.name != "default"),
    )  # fmt: skip
    assert min(times) < 0.005, f"{min(times) * 1000:.1f} ms, median {statistics.median(times) * 1000:.1f}"


def test_a_long_poll_holds_nobody_up(ec2: EC2Client, served: Served) -> None:
    """While one client waits for a message, other calls are answered; the message wakes the poll (Amazon SQS Developer
    Guide, "Amazon SQS short and long polling")."""
    sqs = served.client("sqs")
    url = sqs.create_queue(QueueName="poll")["QueueUrl"]
    got: list[Any] = []
    waiting = threading.Thread(
        target=lambda: got.append(served.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=15))
    )
    waiting.start()
    time.sleep(0.3)
    start = time.perf_counter()
    ec2.describe_vpcs()
    ec2.create_vpc(CidrBlock="10.210.0.0/16")
    assert time.perf_counter() - start < 5
    sqs.send_message(QueueUrl=url, MessageBody="now")
    waiting.join(timeout=10)
    assert ["now"] == [one["Body"] for answer in got for one in answer["Messages"]]


def test_a_listener_that_fails_hears_the_next_call(ec2: EC2Client, served: Served) -> None:
    """An exception in `on_call` is logged; later calls are told, and `drain` returns."""
    heard: list[str] = []

    def shaky(call: Any) -> None:
        heard.append(call.action)
        if len(heard) == 1:
            raise ValueError("the first one fails")

    kept, served.cloud.on_call = served.cloud.on_call, shaky
    try:
        ec2.describe_vpcs()
        ec2.describe_subnets()
        assert served.cloud.drain()
    finally:
        served.cloud.on_call = kept
    assert ["DescribeVpcs", "DescribeSubnets"] == heard


def test_faults_are_answers(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of moto's and one of a correction's are InternalError in AWS's shape, naming the action, and are told."""
    monkeypatch.setitem(turn.CORRECTIONS, ("ec2", "DescribeKeyPairs"), lambda turn: dict[str, Any]()["nothing"])
    monkeypatch.setattr(KeyPairs, "create_key_pair", lambda self: dict[str, Any]()["nothing"])
    once: EC2Client = served.client("ec2", config=Config(retries={"total_max_attempts": 1}))
    served.cloud.drain()
    before = len(served.calls)
    with pytest.raises(
        ClientError, match=r"InternalError.*ec2:DescribeKeyPairs failed inside the lab's cloud: KeyError"
    ):
        once.describe_key_pairs()
    with pytest.raises(ClientError, match=r"InternalError.*ec2:CreateKeyPair failed inside the lab's cloud: KeyError"):
        once.create_key_pair(KeyName="k")
    assert served.cloud.drain()
    assert ["InternalError", "InternalError"] == [one.error for one in served.calls[before:]]


def test_what_is_named_must_exist(ec2: EC2Client, vpc: str, refused: Refused) -> None:
    """NotFound by kind, for describing, changing and deleting alike (EC2 API Reference, "Error codes")."""
    none = "0123456789abcdef0"
    calls: list[tuple[str, Callable[[], object]]] = [
        ("NatGatewayNotFound", lambda: ec2.describe_nat_gateways(NatGatewayIds=[f"nat-{none}"])),
        ("InvalidNetworkAclID.NotFound", lambda: ec2.describe_network_acls(NetworkAclIds=[f"acl-{none}"])),
        ("InvalidRouteTableID.NotFound", lambda: ec2.delete_route_table(RouteTableId=f"rtb-{none}")),
        ("InvalidTransitGatewayID.NotFound", lambda: ec2.describe_transit_gateways(TransitGatewayIds=[f"tgw-{none}"])),
        ("InvalidTransitGatewayID.NotFound", lambda: ec2.delete_transit_gateway(TransitGatewayId=f"tgw-{none}")),
        (
            "InvalidRouteTableID.NotFound",
            lambda: ec2.create_transit_gateway_route(
                TransitGatewayRouteTableId=f"tgw-rtb-{none}", DestinationCidrBlock="10.0.0.0/8", Blackhole=True
            ),
        ),
        ("InvalidVpcID.NotFound", lambda: ec2.describe_vpcs(VpcIds=[vpc, f"vpc-{none}"])),
        ("InvalidSubnetID.NotFound", lambda: ec2.describe_subnets(SubnetIds=[f"subnet-{none}"])),
        (
            "InvalidVpcPeeringConnectionID.NotFound",
            lambda: ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=f"pcx-{none}"),
        ),
        ("UnsupportedOperation", lambda: ec2.describe_vpcs(Filters=[{"Name": "no-such", "Values": ["x"]}])),
    ]
    for code, call in calls:
        with refused(code):
            call()


def test_the_state_has_modified_rules(ec2: EC2Client, served: Served, group: Make) -> None:
    """What `state` keeps of a rule between reads is forgotten when the rule changes; what did not change is the same
    object."""
    own, other = group("own"), group("other")
    for one in (own, other):
        ec2.authorize_security_group_ingress(GroupId=one, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="10.0.0.0/8")
    before = served.states[-1]
    (rule,) = [one for one in before.groups[own].rules if not one.egress]
    new: Any = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIpv4": "192.0.2.0/24"}
    ec2.modify_security_group_rules(
        GroupId=own, SecurityGroupRules=[{"SecurityGroupRuleId": rule.id, "SecurityGroupRule": new}]
    )
    after = served.states[-1]
    (changed,) = [one for one in after.groups[own].rules if not one.egress]
    assert (rule.id, "udp", 53, 53, "192.0.2.0/24") == (
        changed.id, changed.protocol, changed.from_port, changed.to_port, changed.cidr,
    )  # fmt: skip
    assert ("tcp", "10.0.0.0/8") == (rule.protocol, rule.cidr)
    assert before.groups[other] is after.groups[other]


def test_what_there_is_none_of_is_said(ec2: EC2Client, refused: Refused) -> None:
    """Block Public Access is off, and cannot be turned on here; there is no Outpost (EC2 API Reference,
    DescribeVpcBlockPublicAccessOptions, DescribeLocalGatewayRouteTableVpcAssociations)."""
    options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
    assert ("default-state", "off") == (options["State"], options["InternetGatewayBlockMode"])
    assert [] == ec2.describe_vpc_block_public_access_exclusions()["VpcBlockPublicAccessExclusions"]
    associations = ec2.describe_local_gateway_route_table_vpc_associations()
    assert [] == associations["LocalGatewayRouteTableVpcAssociations"]
    with refused("UnsupportedOperation"):
        ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
