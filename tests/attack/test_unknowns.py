"""Values that a plan does not know and its configuration does not settle: bracketed, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.contracts import PROMISES
from tests.attack.planned import Computed, Ref, Resource, Unknown, make, res
from tests.attack.run import contract, gate
from tests.attack.stack import OUT, application, group, rule
from tests.attack.test_updates import find

World = list[Resource]
SG = "aws_security_group"
LOCAL, SECRET = Unknown(("local.x",)), Unknown(("data.aws_ssm_parameter.x.value", "data.aws_ssm_parameter.x"))
WANTED = {
    **{name: PROMISES[name] for name in ("in", "web", "db", "out")},
    "closed": contract("never-reach", "internet", "lb:web"),
    "other-closed": contract("never-reach", "internet", "lb:other"),
    "apart": contract("never-reach", "instance:aws_instance.web[0]", "instance:aws_instance.web[1]", "tcp/8080"),
}
BASE = {"in": "kept", "web": "kept", "db": "kept", "out": "kept", "closed": "broken", "other-closed": "kept",
        "apart": "kept"}  # fmt: skip


def two_networks() -> World:
    """The application beside a second network and a second, empty balancer."""
    return [
        *application(),
        res("aws_vpc", "other", cidr_block="10.9.0.0/16"),
        res("aws_subnet", "other", vpc_id=Ref("aws_vpc.other.id"), cidr_block="10.9.1.0/24"),
        res("aws_lb_target_group", "other", name="other", port=9999, protocol="HTTP", target_type="instance",
            vpc_id=Ref("aws_vpc.main.id"),
            health_check=[{"port": "traffic-port", "protocol": "HTTP", "enabled": True}]),
        res("aws_lb", "other", name="other", internal=False, load_balancer_type="application", ip_address_type="ipv4",
            security_groups=[Ref(f"{SG}.lb.id")], subnets=[Ref("aws_subnet.public[0].id")],
            subnet_mapping=Computed([])),
    ]  # fmt: skip


def put(*addresses: str, **values: Any) -> Callable[[World], World]:
    """A change that sets attributes."""

    def change(world: World) -> World:
        for address in addresses:
            find(world, address).values.update(values)
        return world

    return change


def add(kind: str, **values: Any) -> Callable[[World], World]:
    """A change that adds a resource."""
    return lambda world: [*world, res(kind, "more", **values)]


MACHINES = ("aws_instance.web[0]", "aws_instance.web[1]")
ATTACHMENTS = ("aws_lb_target_group_attachment.web[0]", "aws_lb_target_group_attachment.web[1]")
PEER = "aws_vpc_security_group_ingress_rule.db_in"
CASES: list[Any] = [
    pytest.param(lambda world: world, {}, id="nothing unknown"),
    pytest.param(put("aws_lb_listener.https", load_balancer_arn=LOCAL),
                 {"in": "cannot-tell", "closed": "cannot-tell", "other-closed": "cannot-tell"}, id="its balancer"),
    pytest.param(put("aws_lb_listener.https", default_action=[{"type": "forward", "target_group_arn": LOCAL}]),
                 {"in": "cannot-tell"}, id="listener's target group"),
    pytest.param(put(*ATTACHMENTS, target_group_arn=LOCAL), {"in": "cannot-tell"}, id="attachments' group, local"),
    pytest.param(put(ATTACHMENTS[0], target_group_arn=SECRET), {"in": "cannot-tell"}, id="one of two"),
    pytest.param(put(ATTACHMENTS[0], target_id=SECRET), {"in": "cannot-tell"}, id="one attachment's target, data"),
    pytest.param(add("aws_lb_listener_rule", listener_arn=SECRET, priority=1, action=[
        {"type": "forward", "target_group_arn": Ref("aws_lb_target_group.other.arn")}]),
        {"in": "cannot-tell"}, id="rule's listener"),
    pytest.param(put("aws_lb.web", subnets=LOCAL), {"in": "cannot-tell", "web": "cannot-tell", "closed": "cannot-tell"},
                 id="balancer's subnets"),
    pytest.param(put("aws_route.out", route_table_id=LOCAL), {"out": "cannot-tell"}, id="route's table"),
    pytest.param(add("aws_network_interface_sg_attachment", security_group_id=Ref(f"{SG}.lb.id"),
                     network_interface_id=SECRET), {"web": "cannot-tell", "apart": "cannot-tell"},
                 id="attached group's interface"),
    pytest.param(add("aws_network_acl_rule", network_acl_id=SECRET, rule_number=10, egress=False, protocol="-1",
                     rule_action="deny", cidr_block="0.0.0.0/0"),
                 dict.fromkeys(("in", "web", "db", "out"), "cannot-tell"), id="ACL entry's list"),
    pytest.param(put(PEER, referenced_security_group_id=Unknown(
        ("terraform.workspace", f"{SG}.web.id", f"{SG}.web", f"{SG}.lb.id", f"{SG}.lb"))),
        {"db": "cannot-tell"}, id="one of two groups by workspace"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES)
def test_unsettled_reference(tmp_path: Path, change: Callable[[World], World], expected: dict[str, str]) -> None:
    """What may be kept and may be broken cannot be told; what the unknown cannot touch stays certain."""
    _, rows, _ = gate(tmp_path, make([], change(two_networks())), WANTED)
    assert {**BASE, **expected} == {name: row["outcome"] for name, row in rows.items()}


@pytest.mark.parametrize("steer", ["terraform.workspace", "count.index", "var.production", "each.key"])
def test_one_group_or_the_other(tmp_path: Path, steer: str) -> None:
    """``steer == … ? [web] : [alt]`` names two groups and means one: the promise of either alone cannot be told."""
    new = [*application(), group("alt", [rule(8080, Ref(f"{SG}.lb.id"))])]
    written = (steer, f"{SG}.web.id", f"{SG}.web", f"{SG}.alt.id", f"{SG}.alt")
    for address in MACHINES:
        find(new, address).values["vpc_security_group_ids"] = Unknown(written)
    plan = make([], new, variables={"production": True})
    _, rows, _ = gate(tmp_path, plan, {"db": contract("reach", "tag:Name=web", "group:db", "tcp/5432")})
    assert "cannot-tell" == rows["db"]["outcome"]


def test_group_by_count_index(tmp_path: Path) -> None:
    """``aws_security_group.web[count.index].id`` beside another group is no choice: both are meant."""
    new = [*application(), group("alt", [])]
    for address in MACHINES:
        find(new, address).values["vpc_security_group_ids"] = Unknown(
            (f"{SG}.web", "count.index", f"{SG}.alt.id", f"{SG}.alt")
        )
    _, rows, _ = gate(tmp_path, make([], new), {"db": PROMISES["db"]})
    assert "kept" == rows["db"]["outcome"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"cidr_ipv4": SECRET}, {"office": "cannot-tell", "closed": "cannot-tell", "shell": "kept"}),
        ({"cidr_ipv4": "0.0.0.0/0", "from_port": SECRET, "to_port": SECRET},
         {"office": "cannot-tell", "closed": "cannot-tell", "shell": "kept"}),
        ({"cidr_ipv4": "198.51.100.0/24"}, {"office": "broken", "closed": "broken", "shell": "kept"}),
    ],
)  # fmt: skip
def test_unknown_network_and_port(tmp_path: Path, values: dict[str, Any], expected: dict[str, str]) -> None:
    """An unknown CIDR or port of a known rule touches only what that rule could admit; the unknown is named."""
    old = put("aws_lb_listener.https", port=8443)(application())
    given = {"from_port": 8443, "to_port": 8443, "ip_protocol": "tcp", **values}
    new = add("aws_vpc_security_group_ingress_rule", security_group_id=Ref(f"{SG}.lb.id"), **given)(
        put("aws_lb_listener.https", port=8443)(application())
    )
    wanted = {
        "office": contract("reach", "203.0.113.0/24", "group:lb", "tcp/8443"),
        "closed": contract("never-reach", "198.51.100.0/24", "group:lb", "tcp/8443"),
        "shell": contract("never-reach", "internet", "group:lb", "tcp/22"),
    }
    _, rows, _ = gate(tmp_path, make(old, new), wanted)
    assert expected == {name: row["outcome"] for name, row in rows.items()}
    if SECRET in values.values():
        assert "aws_vpc_security_group_ingress_rule.more" in rows["office"]["reasons"][0]["text"]


def test_gateway_of_an_unknown_vpc(tmp_path: Path) -> None:
    """A gateway that is in one of two VPCs: neither kept nor broken."""
    new = put("aws_internet_gateway.gw", vpc_id=LOCAL)(two_networks())
    _, rows, _ = gate(tmp_path, make([], new), WANTED)
    expected = {"in": "cannot-tell", "out": "cannot-tell", "closed": "cannot-tell"}
    assert {**BASE, **expected} == {name: row["outcome"] for name, row in rows.items()}


def test_gateway_of_an_unknown_vpc_is_not_left_out(tmp_path: Path) -> None:
    """Such a gateway never lets a never-reach through as kept, nor calls a reach broken."""
    new = put("aws_internet_gateway.gw", vpc_id=LOCAL)(two_networks())
    _, rows, _ = gate(tmp_path, make([], new), WANTED)
    assert "kept" != rows["closed"]["outcome"]
    assert "cannot-tell" == rows["in"]["outcome"]


def test_private_path_in_a_vpc_without_gateway(tmp_path: Path) -> None:
    """Whether a private VPC has an internet gateway does not matter for a path inside of it."""
    world = [
        res("aws_vpc", "main", cidr_block="10.0.0.0/16"),
        res("aws_subnet", "a", vpc_id=Ref("aws_vpc.main.id"), cidr_block="10.0.1.0/24"),
        group("web", []), group("db", [rule(5432, Ref(f"{SG}.web.id"))], [OUT]),
        *(res("aws_instance", name, subnet_id=Ref("aws_subnet.a.id"), private_ip=Computed(address),
              vpc_security_group_ids=[Ref(f"{SG}.{name}.id")], primary_network_interface_id=Computed(f"eni-{name}"))
          for name, address in (("web", "10.0.1.5"), ("db", "10.0.1.6"))),
    ]  # fmt: skip
    _, rows, _ = gate(tmp_path, make(world, world), {"db": PROMISES["db"]})
    assert "kept" == rows["db"]["outcome"]


def test_plan_without_configuration_says_nothing_for_certain(tmp_path: Path) -> None:
    """Without references nothing that is new can be placed: no promise counts as kept."""
    _, rows, _ = gate(tmp_path, make([], application(), hide_configuration=True), PROMISES)
    assert "kept" not in {row["outcome"] for row in rows.values()}
