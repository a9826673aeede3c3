"""The plan as a whole: adopted defaults, notices, odd actions, unknown groups over a snapshot."""

from __future__ import annotations

from typing import Any

from doorward.model.addresses import V4_ALL, parse_network
from doorward.model.estate import Acl, AclEntry, Estate, Route, RouteTable, Subnet, Vpc
from doorward.model.rules import AnyPeer, Group
from doorward.model.services import ALL_SPAN, block, rule_span
from tests.readers.terraform.maker import Maker, keys, ref, rule, seen, step
from tests.readers.terraform.test_snapshot import TEN, eni, snapshot

HTTPS = rule_span("tcp", 443, 443)


def texts(make: Maker, estate: Estate | None = None) -> dict[str, str]:
    """Notices by what they are about."""
    return {one.resource: one.text for one in make.read(estate).notices}


def test_adopted_default_table_keeps_only_its_local_route() -> None:
    """aws_default_route_table removes every route it is not given; the local one cannot be removed."""
    make = Maker().create(
        "aws_default_route_table.d",
        {"default_route_table_id": "rtb-2", "route": [{"cidr_block": "10.5.0.0/16", "nat_gateway_id": "nat-1"}]},
        {"vpc_id": True},
        {"default_route_table_id": "rtb-2", "route": [{}]},
    )
    local = Route(parse_network("10.0.0.0/16"), "local", "local")
    table = RouteTable("rtb-2", "vpc-1", (local, Route(V4_ALL, "internet-gateway", "igw-1")), main=True)
    estate = Estate(route_tables={"rtb-2": table}, vpcs={"vpc-1": Vpc("vpc-1", (parse_network("10.0.0.0/16"),))})
    routes = make.read(estate).after.route_tables["rtb-2"].routes
    assert {("local", "local"), ("nat-gateway", "nat-1")} == {(one.kind, one.target) for one in routes}


def test_adopted_default_acl_loses_its_entries() -> None:
    """aws_default_network_acl without entries denies everything."""
    make = Maker().create(
        "aws_default_network_acl.d",
        {"default_network_acl_id": "acl-1", "subnet_ids": ["subnet-1"], "ingress": [], "egress": []},
    )
    held = Acl("acl-1", "vpc-1", (AclEntry(100, False, True, ALL_SPAN, V4_ALL),), is_default=True)
    estate = Estate(acls={"acl-1": held}, subnets={"subnet-1": Subnet("subnet-1", "vpc-1", (), None, "acl-1")})
    assert () == make.read(estate).after.acls["acl-1"].entries


def test_letting_go_of_a_default_group_changes_nothing() -> None:
    """Destroying an adopted default group only makes Terraform forget it (provider documentation)."""
    values = {"id": "sg-1", "vpc_id": "vpc-1", "ingress": [rule(443, cidr_blocks=["10.0.0.0/8"])], "egress": []}
    plan = Maker().delete("aws_default_security_group.d", values).read(snapshot())
    assert () == plan.steps
    assert seen(plan.before, "sg-1") == seen(plan.after, "sg-1")


def test_icmp_entry_without_type_is_not_certain() -> None:
    """An ICMP entry must name a type; without one nothing is certain."""
    values = {"id": "x", "network_acl_id": "acl-1", "rule_number": 5, "protocol": "icmp", "rule_action": "allow"}
    make = Maker().existing("aws_network_acl_rule.p", {**values, "egress": False, "cidr_block": "10.0.0.0/8"})
    (entry,) = make.read().after.acls["acl-1"].entries
    assert (block(1), False) == (entry.service, entry.certain)


def test_deposed_object_is_deleted() -> None:
    """An old object left over from an earlier create_before_destroy goes; the current one stays."""
    current = {"id": "sg-1", "name": "web", "ingress": [], "egress": []}
    old = {"id": "sg-old", "name": "web", "ingress": [rule(443, cidr_blocks=["10.0.0.0/8"])], "egress": []}
    make = Maker().existing("aws_security_group.web", current)
    make.change("aws_security_group.web", ["delete"], old, None, deposed="ab12cd34")
    plan = make.read()
    assert ({"sg-1", "sg-old"}, {"sg-1"}) == (set(plan.before.groups), set(plan.after.groups))
    assert {("sg-old", HTTPS, TEN)} == keys(step(plan, "aws_security_group.web#deposed-ab12cd34").removed)


def test_group_deleted_under_its_members_is_named() -> None:
    """AWS refuses to delete a group that an interface outside of the plan is in: the plan will stop there."""
    make = Maker().delete("aws_security_group.lb", {"id": "sg-2", "name": "lb", "vpc_id": "vpc-1"})
    assert "eni-9" in texts(make, snapshot())["sg-2"]


def test_inline_and_standalone_rules_of_one_group_are_named() -> None:
    """They overwrite each other at every apply (facts: Terraform 6)."""
    make = Maker().existing(
        "aws_security_group.web",
        {"id": "sg-1", "ingress": [rule(443, cidr_blocks=["10.0.0.0/8"])]},
        {"ingress": [{"protocol": "tcp"}]},
    )
    values = {"id": "sgr-1", "security_group_id": "sg-1", "ip_protocol": "-1", "cidr_ipv4": "10.0.0.0/8"}
    make.existing("aws_vpc_security_group_ingress_rule.r", values)
    assert "removes the rules of the other" in texts(make)["aws_security_group.web"]


def test_drift_targets_and_deferred_changes_are_named() -> None:
    """What the plan says about its own limits is handed on; drift of what is irrelevant is not."""
    make = Maker()
    make.extra = {
        "complete": False,
        "resource_drift": [
            {"address": "aws_route.r", "mode": "managed", "type": "aws_route", "change": {}},
            {"address": "aws_s3_bucket.b", "mode": "managed", "type": "aws_s3_bucket", "change": {}},
        ],
        "deferred_changes": [
            {"reason": "x", "resource_change": {"address": "aws_subnet.s", "type": "aws_subnet", "mode": "managed"}}
        ],
    }
    found = texts(make)
    assert {"aws_route.r", "aws_subnet.s", "plan"} == set(found)


def test_rule_of_a_group_that_cannot_be_named_may_be_in_every_group_of_the_snapshot() -> None:
    """The upper bound has it everywhere, also in groups that the plan does not hold."""
    make = Maker().create(
        "aws_vpc_security_group_ingress_rule.r",
        {"ip_protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_ipv4": "10.0.0.0/8"},
        {"security_group_id": True},
        {"security_group_id": ref("module.gone.id")},
    )
    after = make.read(snapshot()).after
    for group in ("sg-1", "sg-2"):
        assert ("ingress", HTTPS, TEN, False) in seen(after, group)


def test_wholly_unknown_inline_rules_are_anything() -> None:
    """An attribute that the configuration gives and nobody knows yet admits everything, in the upper bound only."""
    make = Maker().create(
        "aws_security_group.web", {"name": "web"}, {"ingress": True, "egress": True}, {"ingress": ref("local.rules")}
    )
    expected = {("ingress", ALL_SPAN, AnyPeer("aws_security_group.web.ingress"), False)}
    assert expected == seen(make.read().after, "aws_security_group.web")


def test_inline_rules_that_become_unknown_leave_the_old_ones_uncertain() -> None:
    """An update whose new inline rules are not known: none of the old ones is certain to stay."""
    values = {"id": "sg-1", "ingress": [rule(443, cidr_blocks=["10.0.0.0/8"])], "egress": []}
    make = Maker().update("aws_security_group.web", values, {}, {"ingress": True}, {"ingress": ref("local.rules")})
    plan = make.read(Estate(groups={"sg-1": Group("sg-1")}))
    assert not any(one.certain for one in plan.after.groups["sg-1"].rules)


def test_elastic_address_association_over_a_snapshot() -> None:
    """A known elastic address joins the interface's public addresses."""
    held = snapshot()
    make = Maker().existing("aws_eip.e", {"id": "eipalloc-1", "public_ip": "203.0.113.9"})
    make.create("aws_eip_association.a", {"allocation_id": "eipalloc-1", "network_interface_id": "eni-9"})
    public: tuple[Any, ...] = make.read(held).after.interfaces["eni-9"].public
    assert ((eni("x").addresses[0][0], (203 << 24) + (113 << 8) + 9),) == public


def test_group_that_neither_plan_nor_snapshot_holds_may_allow_more() -> None:
    """A rule for a group that the snapshot lacks: the rest of its rules is not known, and that is said."""
    make = Maker().create(
        "aws_vpc_security_group_ingress_rule.r",
        {
            "ip_protocol": "tcp",
            "from_port": 443,
            "to_port": 443,
            "cidr_ipv4": "10.0.0.0/8",
            "security_group_id": "sg-far",
        },
    )
    plan = make.read(snapshot())
    assert {True, False} == {one.certain for one in plan.after.groups["sg-far"].rules}
    assert "sg-far" in {one.resource for one in plan.notices}


def test_without_snapshot_what_the_plan_speaks_of_is_there_before_and_after() -> None:
    """A rule added to a foreign group: the group exists before the apply too."""
    values = {"ip_protocol": "-1", "cidr_ipv4": "10.0.0.0/8", "security_group_id": "sg-far"}
    plan = Maker().create("aws_vpc_security_group_ingress_rule.r", values).read()
    assert {"sg-far"} == set(plan.before.groups) == set(plan.after.groups)
    assert {False} == {one.certain for one in plan.before.groups["sg-far"].rules}


def test_instance_in_a_subnet_that_the_snapshot_lacks() -> None:
    """The subnet is kept as one of which nothing is known, so that nothing about it is certain."""
    make = Maker().create("aws_instance.web", {"subnet_id": "subnet-far", "vpc_security_group_ids": ["sg-1"]})
    plan = make.read(snapshot())
    assert (None, None) == (plan.after.subnets["subnet-far"].route_table, plan.after.subnets["subnet-far"].acl)
    assert "subnet-far" in {one.resource for one in plan.notices}
