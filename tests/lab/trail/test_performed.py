"""What services do for the customer: interfaces of load balancers and databases, told as their own calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import Trail
from tests.lab.trail.wire import ACCOUNT, call

ELB = "elasticloadbalancing.amazonaws.com"


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's EC2 in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ec2", region_name="us-east-1")


def balancer(action: str) -> Call:
    """A call to Elastic Load Balancing, after which its interfaces are looked at."""
    fields: dict[str, Any] = {"service": "elasticloadbalancing", "version": "2015-12-01", "answer": b"<Response/>"}
    return replace(call("DescribeVpcs"), action=action, params={}, **fields)


def by_service(trail: Trail) -> list[dict[str, Any]]:
    """The records of services' own calls, oldest first."""
    return [one for one in reversed(trail.recent()) if "invokedBy" in one["userIdentity"]]


def test_interfaces_of_a_load_balancer(ec2: Any) -> None:
    """The service creates, regroups and deletes its interfaces itself: CreateNetworkInterface in the shape of RDS's in
    the public data set, `invokedBy` elasticloadbalancing.amazonaws.com; a customer's own interface is not told."""
    trail = Trail()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    groups = [ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("a", "b")]
    made = ec2.create_network_interface(SubnetId=subnet, Description="ELB app/web/50dc6c49", Groups=groups[:1])
    ec2.create_network_interface(SubnetId=subnet, Description="mine")
    interface = made["NetworkInterface"]
    eni = interface["NetworkInterfaceId"]
    trail.observe(balancer("CreateLoadBalancer"))
    (created,) = by_service(trail)
    assert ("CreateNetworkInterface", ELB, ELB) == (
        created["eventName"],
        created["sourceIPAddress"],
        created["userIdentity"]["invokedBy"],
    )
    assert {
        "subnetId": subnet,
        "description": "ELB app/web/50dc6c49",
        "groupSet": {"items": [{"groupId": groups[0]}]},
        "privateIpAddressesSet": {},
    } == created["requestParameters"]
    answered = created["responseElements"]["networkInterface"]
    assert {
        "networkInterfaceId": eni,
        "subnetId": subnet,
        "vpcId": vpc,
        "availabilityZone": interface["AvailabilityZone"],
        "description": "ELB app/web/50dc6c49",
        "ownerId": ACCOUNT,
        "requesterId": "amazon-elb",
        "requesterManaged": True,
        "status": "pending",
        "macAddress": interface["MacAddress"],
        "privateIpAddress": interface["PrivateIpAddress"],
        "sourceDestCheck": True,
        "interfaceType": "interface",
        "groupSet": {"items": [{"groupId": groups[0], "groupName": "a"}]},
        "privateIpAddressesSet": {"item": [{"privateIpAddress": interface["PrivateIpAddress"], "primary": True}]},
        "ipv6AddressesSet": {},
        "tagSet": {},
    } == answered
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=groups[1:])
    trail.observe(balancer("SetSecurityGroups"))
    assert {"networkInterfaceId": eni, "groupSet": {"items": [{"groupId": groups[1]}]}} == by_service(trail)[-1][
        "requestParameters"
    ]
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    trail.observe(balancer("DeleteLoadBalancer"))
    assert ["CreateNetworkInterface", "ModifyNetworkInterfaceAttribute", "DeleteNetworkInterface"] == [
        one["eventName"] for one in by_service(trail)
    ]
    assert 1 == len({one["userIdentity"]["principalId"] for one in by_service(trail)})
    assert 3 == len({one["requestID"] for one in by_service(trail)})


def test_nothing_new_is_not_told_again(ec2: Any) -> None:
    """Interfaces are told once; failed and reading calls look at nothing."""
    trail = Trail()
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    ec2.create_network_interface(SubnetId=subnet, Description="RDSNetworkInterface")
    trail.observe(replace(balancer("CreateLoadBalancer"), error="X", status=400))
    trail.observe(balancer("DescribeLoadBalancers"))
    assert [] == by_service(trail)
    trail.observe(replace(balancer("CreateDBInstance"), service="rds", version="2014-10-31"))
    trail.observe(balancer("CreateListener"))
    assert ["rds.amazonaws.com"] == [one["userIdentity"]["invokedBy"] for one in by_service(trail)]
