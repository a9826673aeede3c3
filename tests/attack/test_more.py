"""Services, machines to come, defaults, public addresses: the rest of what a team has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.attack.contracts import GAP, GONE, KEPT, NEW, PROMISES
from tests.attack.planned import Computed, Ref, Resource, make, res
from tests.attack.run import contract, gate, outcomes
from tests.attack.stack import application, group, machine, rule
from tests.attack.test_updates import drop, find, put

World = list[Resource]
SG = "aws_security_group"
PRIVATE = [Ref("aws_subnet.private[0].id"), Ref("aws_subnet.private[1].id")]


def services(*, there: bool = False) -> World:
    """The application with a function, a service, an endpoint, a scaling group, a bastion and a public machine."""
    made = [
        *application(),
        group("fn", []), group("svc", [rule(9000, Ref(f"{SG}.fn.id"))]),
        group("ep", [rule(443, Ref(f"{SG}.svc.id"))], []), group("asg", [rule(7000, Ref(f"{SG}.svc.id"))]),
        group("bastion", [rule(22, "192.0.2.0/24")]), group("pub", [rule(80, "0.0.0.0/0")]),
        res("aws_lambda_function", "fn", function_name="fn",
            vpc_config=[{"subnet_ids": PRIVATE, "security_group_ids": [Ref(f"{SG}.fn.id")]}]),
        res("aws_ecs_service", "svc", name="svc", launch_type="FARGATE", network_configuration=[
            {"subnets": PRIVATE[:1], "security_groups": [Ref(f"{SG}.svc.id")], "assign_public_ip": False}]),
        res("aws_vpc_endpoint", "ep", vpc_id=Ref("aws_vpc.main.id"), service_name="com.amazonaws.eu-west-1.ecr.api",
            vpc_endpoint_type="Interface", subnet_ids=PRIVATE[:1], security_group_ids=[Ref(f"{SG}.ep.id")],
            network_interface_ids=Computed([])),
        res("aws_launch_template", "asg", name="asg", vpc_security_group_ids=[Ref(f"{SG}.asg.id")]),
        res("aws_autoscaling_group", "asg", name="asg", max_size=3, min_size=1, vpc_zone_identifier=PRIVATE,
            launch_template=[{"id": Ref("aws_launch_template.asg.id"), "version": "$Latest"}]),
        res("aws_network_interface", "b", subnet_id=Ref("aws_subnet.public[0].id"),
            security_groups=[Ref(f"{SG}.bastion.id")], private_ips=["10.0.0.77"], private_ip=Computed("10.0.0.77")),
        res("aws_instance", "b", network_interface=[
            {"network_interface_id": Ref("aws_network_interface.b.id"), "device_index": 0}],
            vpc_security_group_ids=Computed([]), primary_network_interface_id=Computed("eni-x")),
        res("aws_eip", "b", domain="vpc", network_interface=Ref("aws_network_interface.b.id"),
            public_ip=Computed("203.0.113.9"), private_ip=Computed("10.0.0.77")),
        machine("pub", "10.0.0.88", "public[0]", "pub"),
    ]  # fmt: skip
    if there:
        public = {"public_ip": Computed("203.0.113.88"), "associate_public_ip_address": Computed(True)}
        find(made, "aws_instance.pub").values.update(public)
    return made


WANTED = {
    "function to service": contract("reach", "group:fn", "group:svc", "tcp/9000"),
    "service to endpoint": contract("reach", "group:svc", "group:ep", "tcp/443"),
    "service to machines": contract("reach", "group:svc", "group:asg", "tcp/7000"),
    "machines only for service": contract("only-from", "group:svc", "group:asg", "tcp/7000"),
    "function out": contract("reach", "group:fn", "internet:v4", "tcp/443"),
    "function not to endpoint": contract("never-reach", "group:fn", "group:ep", "all"),
    "bastion": contract("reach", "192.0.2.0/24", "instance:aws_instance.b", "tcp/22"),
    "bastion only": contract("never-reach", "8.8.0.0/16", "group:bastion", "all"),
    "public machine": contract("reach", "internet", "group:pub", "tcp/80"),
}


def test_services_from_scratch(tmp_path: Path) -> None:
    """Functions, services, endpoints, machines to come and elastic addresses are judged before any of them exists."""
    status, rows, _ = gate(tmp_path, make([], services()), WANTED)
    assert dict.fromkeys(WANTED, NEW) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put(f"{SG}.asg", ingress=[rule(7000, "10.0.0.0/16")]),
         {"service to machines": GAP, "machines only for service": GONE}),
        (put("aws_launch_template.asg", vpc_security_group_ids=[Ref(f"{SG}.asg.id"), Ref(f"{SG}.svc.id")]), {}),
        (drop("aws_eip.b"), {"bastion": GONE}),
        (put(f"{SG}.svc", ingress=[]), {"function to service": GONE}),
        (put(f"{SG}.ep", ingress=[rule(443, Ref(f"{SG}.svc.id")), rule(443, Ref(f"{SG}.fn.id"))]),
         {"function not to endpoint": GONE}),
    ],
)  # fmt: skip
def test_services_that_run(tmp_path: Path, change: Any, expected: dict[str, tuple[str, str, str]]) -> None:
    """The same, changed while they run."""
    plan = make(services(there=True), change(services(there=True)))
    _, rows, _ = gate(tmp_path, plan, WANTED)
    assert {**dict.fromkeys(WANTED, KEPT), **expected} == {name: outcomes(row) for name, row in rows.items()}


def test_elastic_address_for_a_running_instance(tmp_path: Path) -> None:
    """An elastic address to come has no value yet; that there is one is certain, so what it opens is certain too."""
    old = put("aws_route_table.private", route=[])(drop("aws_route.out")(application()))
    find(old, f"{SG}.web").values["ingress"] = [rule(80, "0.0.0.0/0")]
    for at in (0, 1):
        way = Ref("aws_route_table.public.id")
        find(old, f"aws_route_table_association.private[{at}]").values["route_table_id"] = way
    given = res("aws_eip", "web", domain="vpc", instance=Ref("aws_instance.web[0].id"), public_ip=Computed("192.0.2.9"))
    promises = {
        "open": contract("reach", "internet", "instance:aws_instance.web[0]", "tcp/80"),
        "shut": contract("never-reach", "internet", "instance:aws_instance.web[0]", "tcp/80"),
    }
    _, rows, _ = gate(tmp_path, make(old, [*copy.deepcopy(old), given]), promises)
    assert ("broken", "kept") == (rows["open"]["before"], rows["open"]["outcome"])
    assert ("kept", "broken") == (rows["shut"]["before"], rows["shut"]["outcome"])


def _default() -> tuple[World, Resource]:
    plain = res("aws_instance", "plain", subnet_id=Ref("aws_subnet.private[0].id"), private_ip=Computed("10.0.10.9"),
                vpc_security_group_ids=Computed(["sg-default0"]),
                primary_network_interface_id=Computed("eni-plain"))  # fmt: skip
    adopted = res("aws_default_security_group", "d", vpc_id=Ref("aws_vpc.main.id"), name=Computed("default"),
                  ingress=[rule(22, "10.0.0.0/16")], egress=[])  # fmt: skip
    return [*application(), plain], adopted


def test_default_group_is_adopted(tmp_path: Path) -> None:
    """What a default group held before Terraform adopts it is not known; afterwards it holds what the plan says."""
    world, adopted = _default()
    promises = {
        "shell": contract("never-reach", "group:web", "instance:aws_instance.plain", "tcp/22"),
        "rest": contract("never-reach", "group:web", "instance:aws_instance.plain", "tcp/23-65535"),
    }
    _, rows, _ = gate(tmp_path, make(world, [*world, adopted]), promises)
    assert ("cannot-tell", "broken") == (rows["shell"]["before"], rows["shell"]["outcome"])
    assert ("cannot-tell", "kept") == (rows["rest"]["before"], rows["rest"]["outcome"])


def test_default_group_of_a_new_network(tmp_path: Path) -> None:
    """A machine without groups is in the default group, which admits its members and lets everything out."""
    world, _ = _default()
    promises = {
        "out": contract("reach", "instance:aws_instance.plain", "internet:v4", "tcp/443"),
        "shut": contract("never-reach", "group:web", "instance:aws_instance.plain", "all"),
    }
    _, rows, _ = gate(tmp_path, make([], world), promises)
    assert {"kept"} == {row["outcome"] for row in rows.values()}


def test_exclusive_rules(tmp_path: Path) -> None:
    """An exclusive set without members removes every rule of its group."""
    only = res("aws_vpc_security_group_rules_exclusive", "x", security_group_id=Ref(f"{SG}.web.id"),
               ingress_rule_ids=[], egress_rule_ids=[])  # fmt: skip
    _, rows, _ = gate(tmp_path, make(application(), [*application(), only]), PROMISES)
    assert ["db", "in", "out", "web"] == sorted(name for name, row in rows.items() if row["outcome"] == "broken")


def _network_balancer(groups: bool) -> World:
    made = application()
    find(made, "aws_lb.web").values["load_balancer_type"] = "network"
    if not groups:
        find(made, "aws_lb.web").values["security_groups"] = []
    find(made, "aws_lb_target_group.web").values.update(
        protocol="TCP", health_check=[{"port": "traffic-port", "protocol": "TCP", "enabled": True}]
    )
    find(made, "aws_lb_listener.https").values["protocol"] = "TCP"
    return made


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize(("groups", "expected"), [(True, "kept"), (False, "broken")])
def test_network_balancer(tmp_path: Path, scratch: bool, groups: bool, expected: str) -> None:
    """Targets that name the balancer's group are reached through it; without groups nobody is named.

    ELB, *Security groups for your Network Load Balancer*.
    """
    world = _network_balancer(groups)
    _, rows, _ = gate(tmp_path, make([] if scratch else world, world), {"in": PROMISES["in"]})
    assert expected == rows["in"]["outcome"]


def test_rule_moves_between_groups_of_one_machine(tmp_path: Path) -> None:
    """Machines in both groups: the rule is added to the one, then removed from the other; no machine moves."""
    old = [*application(), group("base", [], [])]
    del find(old, f"{SG}.base").values["ingress"]
    for at in (0, 1):
        both = [Ref(f"{SG}.web.id"), Ref(f"{SG}.base.id")]
        find(old, f"aws_instance.web[{at}]").values["vpc_security_group_ids"] = both
    new = drop("aws_security_group_rule.web_in")(copy.deepcopy(old))
    new.append(res("aws_security_group_rule", "base_in", type="ingress", from_port=8080, to_port=8080, protocol="tcp",
                   security_group_id=Ref(f"{SG}.base.id"), source_security_group_id=Ref(f"{SG}.lb.id"),
                   self=False))  # fmt: skip
    _, rows, _ = gate(tmp_path, make(old, new), PROMISES)
    assert GAP == outcomes(rows["web"])
    order = " ".join(rows["web"]["safe_order"])
    assert "aws_security_group_rule.base_in" in order
    assert "move the interfaces" not in order
