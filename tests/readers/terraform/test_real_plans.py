"""Plans made by others, as they are: each is read, and what can be checked by eye comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorward.model.addresses import V4_ALL, parse_network
from doorward.model.plan import Plan
from doorward.model.rules import GroupPeer
from doorward.model.services import ALL_SPAN, block, rule_span
from doorward.readers.terraform import read_plan
from doorward.readers.terraform.scene import ELEMENTS
from tests.readers.terraform.maker import keys, seen, step

PLANS = Path(__file__).resolve().parents[4] / "shared" / "data" / "terraform-plans"
pytestmark = pytest.mark.skipif(not PLANS.is_dir(), reason="the folder of real inputs, ../shared/data, is not here")
TEN = parse_network("10.0.0.0/8")


def plan_of(name: str) -> Plan:
    """One of the plans."""
    return read_plan(PLANS / f"{name}.json")


def names() -> list[str]:
    """The names of all plans."""
    return sorted(path.stem for path in PLANS.glob("*.json"))


@pytest.mark.parametrize("name", names())
def test_every_plan_is_read(name: str) -> None:
    """No error; every rule of every step is in the estate it belongs to."""
    plan = plan_of(name)
    for one in plan.steps:
        for group, rule in one.removed:
            assert rule.key in {each.key for each in plan.before.groups[group].rules}
        for group, rule in one.added:
            assert rule.key in {each.key for each in plan.after.groups[group].rules}


@pytest.mark.parametrize("name", names())
def test_over_its_own_prior_state_a_plan_does_the_same(name: str) -> None:
    """Laid over the estate that it starts from by itself, a plan leads to the same estate: no delta is lost."""
    alone = plan_of(name)
    over = read_plan(PLANS / f"{name}.json", alone.before)
    for kind in ELEMENTS:
        expected, actual = getattr(alone.after, kind), getattr(over.after, kind)
        assert set(expected) == set(actual)
        for id, one in expected.items():
            if kind == "groups":
                assert {rule.key for rule in one.rules} == {rule.key for rule in actual[id].rules}
            else:
                assert one == actual[id]


def test_checkov_updates() -> None:
    """Two rules of groups that the plan does not hold are widened and moved to another protocol."""
    plan = plan_of("checkov-plan_change_keys")
    peer = GroupPeer("sg-8d21ab5963b0e7917")
    first, second = "sg-547cc4cd5f94bb695", "sg-547cc4cd5f94bb696"
    assert ("ingress", rule_span("tcp", 5432, 5432), peer, True) in seen(plan.before, first)
    assert ("ingress", rule_span("tcp", 5432, 5433), peer, True) in seen(plan.after, first)
    one = step(plan, "aws_security_group_rule.bar")
    assert {(second, rule_span("tcp", 8888, 8888), peer)} == keys(one.removed)
    assert {(second, rule_span("udp", 8888, 8888), peer)} == keys(one.added)
    # Beyond these rules the groups are not known: the rest may be anything.
    assert {False} == {rule.certain for rule in plan.after.groups[first].rules if rule.origin == first}


def test_old_plan_with_groups_and_instances() -> None:
    """Terraform 0.12.3: inline rules that no configuration shows, references without attributes."""
    plan = plan_of("terraform-compliance-issue-127")
    elb, instance = "aws_security_group.elb", "aws_security_group.instance"
    assert {
        ("ingress", rule_span("tcp", 80, 80), V4_ALL, True),
        ("egress", ALL_SPAN, V4_ALL, True),
    } == seen(plan.after, elb)
    assert {
        ("ingress", rule_span("tcp", 8080, 8080), V4_ALL, True),
        ("ingress", rule_span("tcp", 22, 22), TEN, True),
    } == seen(plan.after, instance)
    assert (instance,) == plan.after.interfaces["aws_instance.web[0]"].groups
    assert (elb,) == plan.after.interfaces["aws_elb.example/?"].groups
    assert ("aws_instance.web[0]",) == plan.after.aliases["aws_instance.web"]


def test_network_with_balancer() -> None:
    """Terraform 0.12.10: a network load balancer with three listeners in new subnets."""
    after = plan_of("terraform-compliance-issue-171").after
    (balancer,) = after.load_balancers.values()
    assert ("network", "aws_vpc.test-vpc") == (balancer.kind, balancer.vpc)
    assert 3 == len(balancer.listeners or ())
    assert {"aws_route_table.test-pub-rtb"} == {
        after.subnets[f"aws_subnet.test-subnet-pub{zone}"].route_table for zone in "AB"
    }
    assert {"aws_vpc.test-vpc.default_route_table_id"} == {
        after.subnets[f"aws_subnet.test-subnet-priv{zone}"].route_table for zone in "AB"
    }
    assert ("aws_internet_gateway.test-igw",) == after.vpcs["aws_vpc.test-vpc"].internet_gateways


def test_standalone_rules_of_new_groups() -> None:
    """Terraform 0.12.21: both ends of every rule are unknown and follow from references."""
    after = plan_of("terraform-compliance-issue-234-ingress").after
    alb, ecs = "aws_security_group.alb", "aws_security_group.alb_ecs"
    assert {("ingress", block(6), GroupPeer(alb), True), ("egress", block(6), GroupPeer(alb), True)} == seen(after, alb)
    assert {("ingress", rule_span("tcp", 8080, 8080), GroupPeer(alb), True)} == seen(after, ecs)


def test_prior_state_with_mirrored_rules() -> None:
    """Terraform 0.12.24: nothing about rules changes; each mirrored rule is there once, with its address."""
    plan = plan_of("terraform-compliance-issue-249")
    assert () == plan.steps
    alb = "sg-0facdb20f33578aa9"
    assert {("ingress", rule_span("tcp", 443, 443), TEN, True), ("egress", ALL_SPAN, V4_ALL, True)} == seen(
        plan.before, alb
    )
    assert {"aws_security_group_rule.inbound", "aws_security_group_rule.outbound_internet_access"} == {
        rule.origin for rule in plan.before.groups[alb].rules
    }
    assert 2 == len(plan.before.groups[alb].rules)
    for id, group in plan.before.groups.items():
        assert group == plan.after.groups[id]
    assert {"module.myapp-asg.aws_autoscaling_group.asg"} == set(plan.after.holders) - set(plan.before.holders)


def test_malformed_ports_are_not_certain() -> None:
    """A range that ends before it begins is no rule for certain, and is named."""
    plan = plan_of("terraform-compliance-issue_400")
    assert ("ingress", block(6), V4_ALL, False) in seen(plan.after, "aws_security_group.example_group_22")
    assert any("443-22" in notice.text for notice in plan.notices)


def test_function_in_new_group_with_drift() -> None:
    """Terraform 1.0: a function whose group is new; drift of what matters is named, other drift is not."""
    plan = plan_of("terraform-compliance-issue_522")
    holder = plan.after.holders["aws_lambda_function.lambda"]
    assert 3 == len(holder.interfaces)
    assert {("aws_security_group.lambda_sg",)} == {plan.after.interfaces[id].groups for id in holder.interfaces}
    drifted = {notice.resource for notice in plan.notices if "outside of Terraform" in notice.text}
    assert {
        "aws_lambda_function.lambda",
        "aws_security_group.lambda_sg",
        "aws_security_group_rule.task_sg_egress_rule",
    } == drifted
