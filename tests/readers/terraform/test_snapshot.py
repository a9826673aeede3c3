"""A plan laid over a snapshot: only the difference is carried over."""

from __future__ import annotations

from typing import Any

from doorward.model.addresses import V4_ALL, parse_address, parse_network
from doorward.model.estate import (
    Acl,
    AclEntry,
    Estate,
    Holder,
    Interface,
    Listener,
    LoadBalancer,
    PrefixList,
    Route,
    RouteTable,
    Subnet,
    Target,
    TargetGroup,
    Vpc,
)
from doorward.model.intervals import Intervals
from doorward.model.rules import Group, GroupPeer, Rule
from doorward.model.services import ALL_SPAN, rule_span
from tests.readers.terraform.maker import Maker, keys, ref, rule, seen, step

HTTPS, SSH = rule_span("tcp", 443, 443), rule_span("tcp", 22, 22)
TEN, DRIFT = parse_network("10.0.0.0/8"), parse_network("172.16.0.0/12")
PRIVATE = parse_address("10.0.0.5")


def eni(id: str, *groups: str, subnet: str = "subnet-1", **more: Any) -> Interface:
    """An interface of the snapshot."""
    return Interface(id, "vpc-1", subnet, groups, ((PRIVATE, PRIVATE),), **more)


def snapshot() -> Estate:
    """A small account."""
    group = Group(
        "sg-1",
        name="web",
        vpc="vpc-1",
        owner="111122223333",
        rules=(
            Rule("ingress", HTTPS, TEN, "sgr-1"),
            Rule("ingress", SSH, DRIFT, "sgr-drift"),
            Rule("ingress", HTTPS, GroupPeer("sg-2", "vpc-1", "111122223333"), "sgr-2"),
        ),
    )
    return Estate(
        interfaces={"eni-1": eni("eni-1", "sg-1", "sg-drift", instance="i-1"), "eni-9": eni("eni-9", "sg-2")},
        groups={"sg-1": group, "sg-2": Group("sg-2", name="lb", vpc="vpc-1")},
        vpcs={"vpc-1": Vpc("vpc-1", (parse_network("10.0.0.0/16"),), ("igw-1",))},
        subnets={"subnet-1": Subnet("subnet-1", "vpc-1", (parse_network("10.0.0.0/24"),), "rtb-main", "acl-1")},
        route_tables={
            "rtb-main": RouteTable(
                "rtb-main", "vpc-1", (Route(parse_network("10.0.0.0/16"), "local", "local"),), main=True
            ),
            "rtb-2": RouteTable(
                "rtb-2",
                "vpc-1",
                (Route(V4_ALL, "internet-gateway", "igw-1"), Route(DRIFT, "peering", "pcx-1")),
            ),
        },
        acls={
            "acl-1": Acl("acl-1", "vpc-1", (AclEntry(100, False, True, ALL_SPAN, V4_ALL),), is_default=True),
        },
        holders={"i-1": Holder("i-1", "instance", ("eni-1",))},
        prefix_lists={"pl-1": PrefixList("pl-1", "p", Intervals([TEN, DRIFT]))},
    )


def shown(**more: Any) -> dict[str, Any]:
    """The values of sg-1 as the state has them."""
    return {"id": "sg-1", "name": "web", "vpc_id": "vpc-1", "ingress": [], "egress": [], **more}


def test_no_changes_leave_the_snapshot_as_it_is() -> None:
    """A plan without changes: after equals before, drift and what is not managed included."""
    held = snapshot()
    make = Maker().existing(
        "aws_security_group.web", shown(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])]), {"name": "w"}
    )
    make.existing(
        "aws_instance.web", {"id": "i-1", "primary_network_interface_id": "eni-1", "vpc_security_group_ids": ["sg-1"]}
    )
    make.existing("aws_subnet.a", {"id": "subnet-1", "vpc_id": "vpc-1", "cidr_block": "10.0.0.0/24"})
    plan = make.read(held)
    for name in ("interfaces", "groups", "subnets", "vpcs", "route_tables", "acls", "holders", "prefix_lists"):
        assert getattr(held, name).keys() == getattr(plan.after, name).keys()
        for id, one in getattr(plan.before, name).items():
            assert one == getattr(plan.after, name)[id]
            if name != "groups":
                assert one == getattr(held, name)[id]
    assert plan.before.complete and plan.after.complete
    assert ("sg-1",) == plan.after.aliases["aws_security_group.web"]
    assert ("i-1",) == plan.before.aliases["aws_instance.web"]


def test_rules_of_the_snapshot_learn_their_terraform_address() -> None:
    """What a plan manages is named by its address; what it does not stays without."""
    make = Maker().existing(
        "aws_vpc_security_group_ingress_rule.lb",
        {
            "id": "sgr-2",
            "security_group_id": "sg-1",
            "ip_protocol": "tcp",
            "from_port": 443,
            "to_port": 443,
            "referenced_security_group_id": "sg-2",
        },
    )
    origins = {one.id: one.origin for one in make.read(snapshot()).before.groups["sg-1"].rules}
    assert {"sgr-1": None, "sgr-drift": None, "sgr-2": "aws_vpc_security_group_ingress_rule.lb"} == origins


def test_removed_and_added_rules_are_a_delta() -> None:
    """Drift survives; a removed group reference is found although the snapshot knows its VPC and owner."""
    make = Maker().delete(
        "aws_security_group_rule.lb",
        {
            "id": "x",
            "type": "ingress",
            "security_group_id": "sg-1",
            "source_security_group_id": "sg-2",
            "protocol": "tcp",
            "from_port": 443,
            "to_port": 443,
            "self": False,
        },
    )
    make.update(
        "aws_security_group.web",
        shown(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])]),
        {"ingress": [rule(443, self=True)]},
    )
    plan = make.read(snapshot())
    expected = {("ingress", SSH, DRIFT, True), ("ingress", HTTPS, GroupPeer("sg-1"), True)}
    assert expected == seen(plan.after, "sg-1")
    held = GroupPeer("sg-2", "vpc-1", "111122223333")
    assert {("sg-1", HTTPS, held)} == keys(step(plan, "aws_security_group_rule.lb").removed)
    assert "sgr-2" == step(plan, "aws_security_group_rule.lb").removed[0][1].id


def test_rule_that_is_there_already_is_not_doubled() -> None:
    """A rule added by the plan that the snapshot already has (drift, or a repeated apply) stays one rule."""
    make = Maker().create(
        "aws_security_group_rule.ssh",
        {
            "type": "ingress",
            "security_group_id": "sg-1",
            "cidr_blocks": ["172.16.0.0/12"],
            "protocol": "tcp",
            "from_port": 22,
            "to_port": 22,
        },
        {"source_security_group_id": True},
        {"cidr_blocks": []},
    )
    assert 3 == len(make.read(snapshot()).after.groups["sg-1"].rules)


def test_new_group_and_instance_are_added() -> None:
    """What does not exist yet is added under its address, in the snapshot's subnet and VPC."""
    make = Maker().create(
        "aws_security_group.new", {"name": "new", "vpc_id": "vpc-1"}, {"ingress": True, "egress": True}, {}
    )
    make.create(
        "aws_instance.new",
        {"subnet_id": "subnet-1"},
        {"vpc_security_group_ids": True},
        {"subnet_id": "subnet-1", "vpc_security_group_ids": ref("aws_security_group.new.id")},
    )
    after = make.read(snapshot()).after
    new = after.interfaces["aws_instance.new"]
    assert ("vpc-1", ("aws_security_group.new",)) == (new.vpc, new.groups)
    assert (parse_network("10.0.0.0/24"),) == new.wide
    assert () == after.groups["aws_security_group.new"].rules
    assert {"eni-1", "eni-9", "aws_instance.new"} == set(after.interfaces)


def test_membership_is_a_delta() -> None:
    """Groups that Terraform changes change; one that somebody else attached stays."""
    values = {
        "id": "i-1",
        "primary_network_interface_id": "eni-1",
        "subnet_id": "subnet-1",
        "vpc_security_group_ids": ["sg-1"],
    }
    plan = Maker().update("aws_instance.web", values, {"vpc_security_group_ids": ["sg-2"]}).read(snapshot())
    assert ("sg-2", "sg-drift") == plan.after.interfaces["eni-1"].groups
    assert ((PRIVATE, PRIVATE),) == plan.after.interfaces["eni-1"].addresses


def test_attachment_to_an_interface_that_only_the_snapshot_knows() -> None:
    """aws_network_interface_sg_attachment changes the snapshot's interface."""
    make = Maker().create(
        "aws_network_interface_sg_attachment.x", {"network_interface_id": "eni-9", "security_group_id": "sg-1"}
    )
    assert ("sg-1", "sg-2") == make.read(snapshot()).after.interfaces["eni-9"].groups


def test_deleted_instance_and_group_disappear() -> None:
    """What the plan deletes is gone with its interface."""
    make = Maker().delete(
        "aws_instance.web", {"id": "i-1", "primary_network_interface_id": "eni-1", "subnet_id": "subnet-1"}
    )
    make.delete("aws_security_group.web", shown())
    plan = make.read(snapshot())
    assert {"eni-9"} == set(plan.after.interfaces)
    assert {"sg-2"} == set(plan.after.groups)
    assert {} == dict(plan.after.holders)
    assert {"sgr-1", "sgr-2", "sgr-drift"} == {one.id for _, one in step(plan, "aws_security_group.web").removed}


def test_route_and_association_deltas() -> None:
    """A changed target replaces the route of that destination; an association moves the subnet; the rest stays."""
    old = {"id": "r", "route_table_id": "rtb-2", "destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-1"}
    make = Maker().update("aws_route.out", old, {"gateway_id": "", "nat_gateway_id": "nat-1"})
    make.create("aws_route_table_association.a", {"subnet_id": "subnet-1", "route_table_id": "rtb-2"})
    after = make.read(snapshot()).after
    assert {(V4_ALL, "nat-gateway", "nat-1"), (DRIFT, "peering", "pcx-1")} == {
        (one.destination, one.kind, one.target) for one in after.route_tables["rtb-2"].routes
    }
    assert "rtb-2" == after.subnets["subnet-1"].route_table


def test_removed_association_falls_back_to_the_main_table() -> None:
    """A subnet that loses its association uses its VPC's main table."""
    held = snapshot()
    held.subnets["subnet-1"]  # the snapshot resolves implicit associations already
    make = Maker().delete(
        "aws_route_table_association.a", {"id": "x", "subnet_id": "subnet-1", "route_table_id": "rtb-2"}
    )
    moved = Estate(
        vpcs=held.vpcs,
        route_tables=held.route_tables,
        subnets={"subnet-1": Subnet("subnet-1", "vpc-1", (), "rtb-2", "acl-1")},
    )
    assert "rtb-main" == make.read(moved).after.subnets["subnet-1"].route_table


def test_new_subnet_uses_main_table_and_default_acl() -> None:
    """A subnet without associations of its own follows its VPC."""
    make = Maker().create("aws_subnet.n", {"vpc_id": "vpc-1", "cidr_block": "10.0.7.0/24"})
    found = make.read(snapshot()).after.subnets["aws_subnet.n"]
    assert ("rtb-main", "acl-1") == (found.route_table, found.acl)


def test_new_main_table_moves_the_subnets_without_association() -> None:
    """aws_main_route_table_association changes the table of every subnet that follows the main one."""
    make = Maker().create("aws_main_route_table_association.m", {"vpc_id": "vpc-1", "route_table_id": "rtb-2"})
    after = make.read(snapshot()).after
    assert "rtb-2" == after.subnets["subnet-1"].route_table
    assert (True, False) == (after.route_tables["rtb-2"].main, after.route_tables["rtb-main"].main)


def test_acl_entry_delta() -> None:
    """A standalone entry is added to the snapshot's list, by its number."""
    make = Maker().create(
        "aws_network_acl_rule.x",
        {
            "network_acl_id": "acl-1",
            "rule_number": 90,
            "egress": False,
            "protocol": "-1",
            "rule_action": "deny",
            "cidr_block": "10.0.0.0/8",
        },
    )
    assert {(100, True), (90, False)} == {
        (one.number, one.allow) for one in make.read(snapshot()).after.acls["acl-1"].entries
    }


def test_prefix_list_delta() -> None:
    """Entries that Terraform removes go; entries that somebody added stay."""
    old = {"id": "pl-1", "name": "p", "entry": [{"cidr": "10.0.0.0/8", "description": ""}]}
    make = Maker().update(
        "aws_ec2_managed_prefix_list.p", old, {"entry": [{"cidr": "192.168.0.0/16", "description": ""}]}
    )
    plan = make.read(snapshot())
    assert Intervals([DRIFT, parse_network("192.168.0.0/16")]) == plan.after.prefix_lists["pl-1"].cidrs
    assert step(plan, "aws_ec2_managed_prefix_list.p").atomic


def test_balancer_keeps_its_real_interfaces() -> None:
    """A plan's load balancer is the snapshot's, so a changed group reaches the real interface."""
    arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/1"
    held = snapshot()
    estate = Estate(
        interfaces={**held.interfaces, "eni-lb": eni("eni-lb", "sg-1")},
        groups=held.groups,
        subnets=held.subnets,
        vpcs=held.vpcs,
        load_balancers={
            arn: LoadBalancer(
                arn, "web", "application", False, "vpc-1", ("eni-lb",), (Listener((HTTPS,), ("tg-1",)),), ("sg-1",)
            )
        },
        target_groups={"tg-1": TargetGroup("tg-1", "t", targets=(Target("i-1", 80),))},
    )
    values = {
        "id": arn,
        "arn": arn,
        "name": "web",
        "load_balancer_type": "application",
        "internal": True,
        "subnets": ["subnet-1"],
        "security_groups": ["sg-1"],
    }
    make = Maker().update("aws_lb.web", values, {"security_groups": ["sg-2"]})
    make.delete(
        "aws_lb_target_group_attachment.x", {"id": "x", "target_group_arn": "tg-1", "target_id": "i-1", "port": 80}
    )
    after = make.read(estate).after
    assert {"eni-1", "eni-9", "eni-lb"} == set(after.interfaces)
    assert ("sg-2",) == after.interfaces["eni-lb"].groups
    assert (arn, ("eni-lb",)) == (after.load_balancers[arn].id, after.load_balancers[arn].interfaces)
    assert (((HTTPS,), ("tg-1",)),) == tuple(
        (one.service, one.target_groups) for one in after.load_balancers[arn].listeners or ()
    )
    assert () == after.target_groups["tg-1"].targets


def test_moved_resource_keeps_both_names() -> None:
    """A moved block changes the address, not the resource."""
    values = shown(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])])
    make = Maker().change(
        "aws_security_group.new", ["no-op"], values, values, previous_address="aws_security_group.old"
    )
    plan = make.read(snapshot())
    assert () == plan.steps
    assert ("sg-1",) == plan.after.aliases["aws_security_group.new"] == plan.after.aliases["aws_security_group.old"]


def test_imported_and_forgotten_resources_change_nothing() -> None:
    """An import and a removed block change what Terraform knows, not what is there."""
    values = shown(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])])
    for make in (
        Maker().change("aws_security_group.web", ["no-op"], values, values, change={"importing": {"id": "sg-1"}}),
        Maker().change("aws_security_group.web", ["forget"], values, None),
    ):
        plan = make.read(snapshot())
        assert () == plan.steps
        assert seen(plan.before, "sg-1") == seen(plan.after, "sg-1")


def test_changed_element_that_the_snapshot_lacks_is_taken_from_the_plan_and_named() -> None:
    """A snapshot of another account or an older one: what the plan changes is added, with a notice."""
    old = shown(id="sg-far", ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])])
    plan = (
        Maker()
        .update("aws_security_group.far", old, {"ingress": [rule(22, cidr_blocks=["10.0.0.0/8"])]})
        .read(snapshot())
    )
    assert {("ingress", SSH, TEN, True)} == seen(plan.after, "sg-far")
    assert "sg-far" in {one.resource for one in plan.notices}


def test_index_is_left_out_where_it_is_unique() -> None:
    """``aws_instance.web`` names ``aws_instance.web[0]`` when there is only one."""
    make = Maker().existing("aws_instance.web[0]", {"id": "i-1", "primary_network_interface_id": "eni-1"})
    for number in range(2):
        make.existing(
            f"aws_instance.many[{number}]",
            {"id": f"i-{number + 5}", "primary_network_interface_id": f"eni-{number + 5}"},
        )
    aliases = make.read(snapshot()).before.aliases
    assert ("i-1",) == aliases["aws_instance.web"]
    assert "aws_instance.many" not in aliases
