"""A cloud served over HTTP for a whole session, and boto3 clients as a user has them. Each test makes its own VPC."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from doorward_lab.cloud.app import Cloud
from doorward_lab.cloud.call import Call
from doorward_lab.cloud.serve import serve
from doorward_lab.model import CloudState

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

_NUMBERS = itertools.count(1)


class Served:
    """A cloud, its address, and what it told its callbacks."""

    def __init__(self) -> None:
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(64)
        self.cloud = Cloud()
        self.states: list[CloudState] = []
        self.calls: list[Call] = []
        self.cloud.on_change = self.states.append
        self.cloud.on_call = self.calls.append
        self.server = serve(self.cloud, self.listening)

    def client(self, service: str, key: str = "AKIALABTESTS", config: Config | None = None) -> Any:
        """A boto3 client of the cloud."""
        return boto3.client(
            service,
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            config=config,
        )

    def close(self) -> None:
        self.server.close()
        self.cloud.close()
        self.listening.close()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The cloud of the session."""
    made = Served()
    yield made
    made.close()


@pytest.fixture(scope="session")
def ec2(served: Served) -> EC2Client:
    """EC2."""
    client: EC2Client = served.client("ec2")
    return client


@pytest.fixture(scope="session")
def elb(served: Served) -> ElasticLoadBalancingv2Client:
    """Elastic Load Balancing v2."""
    client: ElasticLoadBalancingv2Client = served.client("elbv2")
    return client


@pytest.fixture
def vpc(ec2: EC2Client) -> str:
    """A VPC of the test's own, 10.N.0.0/16."""
    number = next(_NUMBERS)
    return ec2.create_vpc(CidrBlock=f"10.{number % 200}.0.0/16")["Vpc"]["VpcId"]


@pytest.fixture
def net(ec2: EC2Client, vpc: str) -> str:
    """The first two numbers of the test's VPC: "10.N"."""
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"]
    return block.rpartition(".0.0/")[0]


@pytest.fixture
def subnet(ec2: EC2Client, vpc: str, net: str) -> str:
    """A subnet of that VPC, 10.N.1.0/24."""
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.1.0/24", AvailabilityZone="us-east-1a")
    return made["Subnet"]["SubnetId"]


@pytest.fixture
def group(ec2: EC2Client, vpc: str) -> Callable[..., str]:
    """Makes security groups in that VPC: `group("name")` → id."""

    def make(name: str = "one", in_vpc: str = vpc) -> str:
        return ec2.create_security_group(GroupName=name, Description=f"the {name}", VpcId=in_vpc)["GroupId"]

    return make


Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def refused() -> Refused:
    """`with refused("Some.Code"):` the call in it must fail with that error code."""

    @contextmanager
    def expect(code: str) -> Iterator[None]:
        with pytest.raises(ClientError) as seen:
            yield
        assert code == seen.value.response["Error"]["Code"], seen.value

    return expect
