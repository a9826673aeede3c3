"""A load balancer as the API describes it, read back through boto3 from moto."""

from __future__ import annotations

import pytest

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto")

from doorward_lab.errors import BadScene  # noqa: E402
from doorward_lab.stack.balancing import (  # noqa: E402
    Action,
    Balancer,
    HealthCheck,
    Listener,
    ListenerRule,
    Target,
    TargetGroup,
    from_describe,
)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of nobody."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def test_what_boto3_describes_is_what_was_made() -> None:
    """Listeners, rules in the order of their priority, target groups with their checks: from the answers of
    DescribeListeners, DescribeRules, DescribeTargetGroups and DescribeLoadBalancerAttributes."""
    with moto.mock_aws():
        ec2, elb = boto3.client("ec2"), boto3.client("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"eu-central-1{z}")["Subnet"]
            for i, z in enumerate("ab")
        ]
        arn = elb.create_load_balancer(Name="front", Subnets=[s["SubnetId"] for s in subnets])["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}]
        )
        web, api = (
            elb.create_target_group(
                Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip", HealthCheckPath="/healthz",
                HealthCheckIntervalSeconds=7, HealthCheckTimeoutSeconds=3, HealthyThresholdCount=2,
                UnhealthyThresholdCount=4, Matcher={"HttpCode": "200-204"},
            )["TargetGroups"][0]["TargetGroupArn"]
            for name in ("web", "api")
        )  # fmt: skip
        listener = elb.create_listener(
            LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": web}]
        )["Listeners"][0]["ListenerArn"]
        redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_302"}
        fixed = {"StatusCode": "410", "MessageBody": "gone", "ContentType": "text/plain"}
        for priority, path, action in (
            (20, "/old", {"Type": "fixed-response", "FixedResponseConfig": fixed}),
            (10, "/api/*", {"Type": "forward", "TargetGroupArn": api}),
            (30, "/tls", {"Type": "redirect", "RedirectConfig": redirect}),
        ):
            elb.create_rule(
                ListenerArn=listener,
                Priority=priority,
                Conditions=[{"Field": "path-pattern", "Values": [path]}],
                Actions=[action],
            )
        target = Target(id="10.0.1.5", address="10.0.1.5", port=8080)

        balancer = from_describe(
            elb.describe_listeners(LoadBalancerArn=arn)["Listeners"],
            {listener: elb.describe_rules(ListenerArn=listener)["Rules"]},
            elb.describe_target_groups()["TargetGroups"],
            {web: [target]},
            attributes=elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"],
        )

    check = HealthCheck(path="/healthz", interval=7, timeout=3, healthy=2, unhealthy=4, matcher="200-204")
    groups = {g.arn: g for g in balancer.groups}
    assert {
        web: TargetGroup(arn=web, name="web", targets=(target,), check=check),
        api: TargetGroup(arn=api, name="api", check=check),
    } == groups
    expected = Listener(
        port=80,
        protocol="HTTP",
        default=Action(kind="forward", group=web),
        rules=(
            ListenerRule(paths=("/api/*",), action=Action(kind="forward", group=api)),
            ListenerRule(paths=("/old",), action=Action(kind="fixed", status=410, body="gone")),
            ListenerRule(paths=("/tls",), action=Action(kind="redirect", status=302, port=443)),
        ),
    )
    assert (expected,) == balancer.listeners
    assert (30.0, {web, api}) == (balancer.idle_timeout, balancer.used())


def test_what_cannot_be_built_is_said() -> None:
    """Other protocols, other conditions and weighted groups are refused by name, not ignored."""
    forward = {"Type": "forward", "TargetGroupArn": "t"}
    weighted = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a"}, {"TargetGroupArn": "b"}]},
    }
    http = {"ListenerArn": "l", "Protocol": "HTTP", "Port": 80, "DefaultActions": [forward]}
    condition = {"Field": "host-header", "Values": ["x"]}
    host = {"RuleArn": "r", "Priority": "1", "Conditions": [condition], "Actions": [forward]}

    with pytest.raises(BadScene, match="speaks TCP"):
        from_describe([http | {"Protocol": "TCP"}], {}, [], {})
    with pytest.raises(BadScene, match="asks for host-header"):
        from_describe([http], {"l": [host]}, [], {})
    with pytest.raises(BadScene, match="several target groups"):
        from_describe([http | {"DefaultActions": [weighted]}], {}, [], {})
    with pytest.raises(BadScene, match="expected HTTP"):
        from_describe([], {}, [{"TargetGroupName": "t", "TargetGroupArn": "t", "Protocol": "TLS"}], {})


def test_nothing_described_is_a_balancer_with_nothing() -> None:
    """No listeners, no groups: a load balancer that answers nowhere."""
    assert Balancer() == from_describe([], {}, [], {})
