"""Load balancers' and databases' interfaces over HTTP, and target health."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from doorward_lab.model import Interface

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_rds import RDSClient

    from tests.lab.cloud.conftest import Refused, Served

Make = Callable[..., str]


@pytest.fixture
def two(ec2: EC2Client, vpc: str, net: str, subnet: str) -> list[str]:
    """Two subnets in two zones."""
    other = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{net}.2.0/24", AvailabilityZone="us-east-1b")
    return [subnet, other["Subnet"]["SubnetId"]]


@pytest.fixture
def name(vpc: str) -> str:
    """A balancer's name of the test's own."""
    return "lb-" + vpc[-8:]


@pytest.fixture
def health(served: Served) -> Iterator[dict[str, str]]:
    """Target id → state, as the data plane would say; unknown: unhealthy."""
    said: dict[str, str] = {}
    served.cloud.settings.health = lambda target: said.get(f"{target.id}:{target.port}", "unhealthy")
    yield said
    served.cloud.settings.health = None


def own(served: Served, arn: str) -> dict[str, Interface]:
    """A balancer's interfaces in the state, by subnet."""
    name = f"ELB {arn.partition(':loadbalancer/')[2]}"
    return {one.subnet: one for one in served.states[-1].interfaces.values() if one.description == name}


def test_application_balancer(
    ec2: EC2Client,
    elb: ElasticLoadBalancingv2Client,
    served: Served,
    two: list[str],
    group: Make,
    name: str,
    refused: Refused,
) -> None:
    """An interface per subnet, managed by the service, in the balancer's groups, public if internet-facing; they
    follow SetSecurityGroups and SetSubnets and go with the balancer.

    EC2 User Guide, "Requester-managed network interfaces"; ELB API Reference, CreateLoadBalancer, SetSecurityGroups,
    SetSubnets, DeleteLoadBalancer.
    """
    a, b = group("a"), group("b")
    with refused("ValidationError"):
        elb.create_load_balancer(Name=name, Subnets=two[:1], SecurityGroups=[a])
    with refused("InvalidSecurityGroup"):
        elb.create_load_balancer(Name=name, Subnets=two, SecurityGroups=["sg-0123456789abcdef0"])
    made = elb.create_load_balancer(Name=name, Subnets=two, SecurityGroups=[a])["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    assert (f":loadbalancer/app/{name}/" in arn, [a]) == (True, made["SecurityGroups"])
    found = own(served, arn)
    assert set(two) == set(found)
    assert {("interface", (a,))} == {(one.kind, one.groups) for one in found.values()}
    assert 2 == len({address for one in found.values() for address in one.public.values()})
    described = ec2.describe_network_interfaces(
        Filters=[
            {"Name": "description", "Values": [f"ELB app/{name}/*"]},
            {"Name": "requester-id", "Values": ["amazon-elb"]},
        ]
    )["NetworkInterfaces"]
    assert {(True, "in-use", "amazon-elb")} == {
        (one["RequesterManaged"], one["Status"], one["Attachment"]["InstanceOwnerId"]) for one in described
    }
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[b])
    assert {(b,)} == {one.groups for one in own(served, arn).values()}
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=b)
    with refused("OperationNotPermitted"):
        ec2.modify_network_interface_attribute(NetworkInterfaceId=found[two[0]].id, Groups=[a])
    third = ec2.create_subnet(
        VpcId=found[two[0]].vpc, CidrBlock=found[two[0]].ipv4[0].rpartition(".1.")[0] + ".3.0/24",
        AvailabilityZone="us-east-1c",
    )["Subnet"]["SubnetId"]  # fmt: skip
    elb.set_subnets(LoadBalancerArn=arn, Subnets=[two[0], third])
    now = own(served, arn)
    assert ({two[0], third}, found[two[0]].id) == (set(now), now[two[0]].id)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert {} == own(served, arn)
    ec2.delete_security_group(GroupId=b)


def test_internal_balancer_has_no_public_address(
    elb: ElasticLoadBalancingv2Client, served: Served, two: list[str], name: str
) -> None:
    """Scheme internal; without groups an Application Load Balancer takes the VPC's default one.

    ELB API Reference, CreateLoadBalancer, Scheme; "Security groups for your Application Load Balancer".
    """
    arn = elb.create_load_balancer(Name=name, Subnets=two, Scheme="internal")["LoadBalancers"][0]["LoadBalancerArn"]
    found = own(served, arn).values()
    assert [{}, {}] == [dict(one.public) for one in found]
    assert {"default"} == {served.states[-1].groups[id].name for one in found for id in one.groups}


def test_network_balancer(
    ec2: EC2Client, elb: ElasticLoadBalancingv2Client, served: Served, subnet: str, net: str, group: Make, name: str,
    refused: Refused,
) -> None:  # fmt: skip
    """Static addresses as asked for; an ARN of its kind; no groups unless made with some, and then never any.

    Elastic Load Balancing, "Network Load Balancers": "Security groups" ("You can't associate security groups ... if you
    did not associate one at creation"); ELB API Reference, SubnetMapping.
    """
    eip = ec2.allocate_address(Domain="vpc")
    mapping: Any = [{"SubnetId": subnet, "AllocationId": eip["AllocationId"]}]
    made = elb.create_load_balancer(Name=name, Type="network", SubnetMappings=mapping)["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    (one,) = own(served, arn).values()
    assert ("network_load_balancer", (), [eip["PublicIp"]]) == (one.kind, one.groups, list(one.public.values()))
    assert f":loadbalancer/net/{name}/" in arn
    (zone,) = made["AvailabilityZones"]
    assert [{"IpAddress": eip["PublicIp"], "AllocationId": eip["AllocationId"]}] == zone["LoadBalancerAddresses"]
    with refused("InvalidConfigurationRequest"):
        elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[group("late")])
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=eip["AllocationId"])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    ec2.release_address(AllocationId=eip["AllocationId"])
    inside: Any = [{"SubnetId": subnet, "PrivateIPv4Address": f"{net}.1.77"}]
    a = group("a")
    other = elb.create_load_balancer(
        Name=name, Type="network", Scheme="internal", SubnetMappings=inside, SecurityGroups=[a]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    (one,) = own(served, other).values()
    assert ((f"{net}.1.77",), (a,), {}) == (one.ipv4, one.groups, dict(one.public))


def test_target_health(
    ec2: EC2Client, elb: ElasticLoadBalancingv2Client, two: list[str], vpc: str, name: str, health: dict[str, str]
) -> None:
    """unused without a listener; then what the data plane says, per port; stopped instances are unused.

    ELB API Reference, TargetHealth, RegisterTargets ("You can register a target multiple times with different ports").
    """
    (instance,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=two[0])["Instances"]
    id = instance["InstanceId"]
    arn = elb.create_load_balancer(Name=name, Subnets=two)["LoadBalancers"][0]["LoadBalancerArn"]
    targets = elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]
    tg = targets["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=tg, Targets=[{"Id": id}, {"Id": id, "Port": 9090}])

    def seen() -> dict[int, tuple[str, str | None]]:
        found = elb.describe_target_health(TargetGroupArn=tg)["TargetHealthDescriptions"]
        return {
            one["Target"]["Port"]: (one["TargetHealth"]["State"], one["TargetHealth"].get("Reason")) for one in found
        }

    assert {8080: ("unused", "Target.NotInUse"), 9090: ("unused", "Target.NotInUse")} == seen()
    forward: Any = [{"Type": "forward", "TargetGroupArn": tg}]
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward)
    health[f"{id}:8080"] = "healthy"
    failed = ("unhealthy", "Target.FailedHealthChecks")
    assert {8080: ("healthy", None), 9090: failed} == seen()
    elb.deregister_targets(TargetGroupArn=tg, Targets=[{"Id": id, "Port": 8080}])
    assert {9090: failed} == seen()
    ec2.stop_instances(InstanceIds=[id])
    assert {9090: ("unused", "Target.InvalidState")} == seen()


def test_database(ec2: EC2Client, served: Served, two: list[str], group: Make, name: str) -> None:
    """One interface in the subnet group, in the instance's groups, which follow; gone with it.

    Amazon RDS User Guide, "Controlling access with security groups"; RDS API Reference, CreateDBInstance,
    ModifyDBInstance, DeleteDBInstance.
    """
    rds: RDSClient = served.client("rds")
    a, b = group("a"), group("b")
    rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="d", SubnetIds=two)
    rds.create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
        MasterUsername="root", MasterUserPassword="password1", VpcSecurityGroupIds=[a], DBSubnetGroupName=name,
    )  # fmt: skip

    def found() -> list[Interface]:
        every = served.states[-1].interfaces.values()
        return [one for one in every if one.description == "RDSNetworkInterface" and one.subnet in two]

    assert [((a,), {})] == [(one.groups, dict(one.public)) for one in found()]
    rds.modify_db_instance(DBInstanceIdentifier=name, VpcSecurityGroupIds=[b], ApplyImmediately=True)
    assert [(b,)] == [one.groups for one in found()]
    rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    assert [] == found()


def test_dualstack(ec2: EC2Client, elb: ElasticLoadBalancingv2Client, served: Served, name: str) -> None:
    """Interfaces get IPv6 addresses of their subnets, and lose them (ELB API Reference, SetIpAddressType)."""
    block: Any = {"Ipv6CidrBlock": "2001:db8:1500::/56", "Ipv6Pool": "ipv6pool-ec2-0123"}
    vpc = ec2.create_vpc(CidrBlock="10.223.0.0/16", **block)["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.223.{number}.0/24", Ipv6CidrBlock=f"2001:db8:1500:{number}::/64",
            AvailabilityZone=f"us-east-1{zone}",
        )["Subnet"]["SubnetId"]
        for number, zone in ((1, "a"), (2, "b"))
    ]  # fmt: skip
    arn = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    assert [(), ()] == [one.ipv6 for one in own_interfaces(served, arn)]
    elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="dualstack")
    assert [True, True] == [one.ipv6[0].startswith("2001:db8:1500:") for one in own_interfaces(served, arn)]
    elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")
    assert [(), ()] == [one.ipv6 for one in own_interfaces(served, arn)]


def own_interfaces(served: Served, arn: str) -> list[Interface]:
    """A balancer's interfaces in the state."""
    return list(own(served, arn).values())
