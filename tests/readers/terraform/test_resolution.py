"""Values that are not known before the apply, followed through the configuration."""

from __future__ import annotations

import time
from typing import Any

from doorward.model.addresses import V4_ALL
from doorward.model.plan import Plan
from doorward.model.rules import AnyPeer, GroupPeer
from tests.readers.terraform.maker import Maker, ref

RULE = "aws_vpc_security_group_ingress_rule"


def new_rule(**more: Any) -> dict[str, Any]:
    """The values of a new rule in sg-1."""
    return {"ip_protocol": "-1", "cidr_ipv4": None, "security_group_id": "sg-1", **more}


def add_rule(make: Maker, address: str, expression: dict[str, Any], **more: Any) -> Maker:
    """A rule in sg-1 whose referenced group is not known yet."""
    unknown = {"referenced_security_group_id": True}
    make.create(address, new_rule(**more), unknown, {"referenced_security_group_id": expression})
    return make


def peers(plan: Plan, address: str, group: str = "sg-1") -> set[tuple[Any, bool]]:
    """(peer, certain) of the rules that come from an address."""
    return {(one.peer, one.certain) for one in plan.after.groups[group].rules if one.origin == address}


def new_group(make: Maker, address: str) -> Maker:
    """A new group without rules."""
    return make.create(address, {"name": address}, {"ingress": True, "egress": True}, {"name": "x"})


def test_direct_reference() -> None:
    """``aws_security_group.a.id`` is that group's address."""
    make = add_rule(new_group(Maker(), "aws_security_group.a"), f"{RULE}.r", ref("aws_security_group.a.id"))
    assert {(GroupPeer("aws_security_group.a"), True)} == peers(make.read(), f"{RULE}.r")


def test_reference_without_attribute_as_terraform_0_12_writes_it() -> None:
    """Older plans name the resource alone."""
    make = add_rule(new_group(Maker(), "aws_security_group.a"), f"{RULE}.r", ref("aws_security_group.a"))
    assert {(GroupPeer("aws_security_group.a"), True)} == peers(make.read(), f"{RULE}.r")


def test_module_output_and_variable() -> None:
    """Outputs are followed down, variables up, through several modules."""
    make = new_group(Maker(), "module.a.module.inner.aws_security_group.this")
    make.output("module.a.module.inner", "id", "aws_security_group.this.id")
    make.output("module.a", "sg", "module.inner.id")
    make.call("module.b", {"group": ref("module.a.sg")})
    add_rule(make, f"module.b.{RULE}.r", ref("var.group"))
    expected = {(GroupPeer("module.a.module.inner.aws_security_group.this"), True)}
    assert expected == peers(make.read(), f"module.b.{RULE}.r")


def test_for_each_key_picks_the_same_instance() -> None:
    """``aws_security_group.a[each.key].id`` is the instance of the same key."""
    make = Maker()
    for key in ("x", "y"):
        new_group(make, f'aws_security_group.a["{key}"]')
        add_rule(make, f'{RULE}.r["{key}"]', ref("aws_security_group.a", "each.key"))
    plan = make.read()
    for key in ("x", "y"):
        assert {(GroupPeer(f'aws_security_group.a["{key}"]'), True)} == peers(plan, f'{RULE}.r["{key}"]')


def test_count_index_picks_the_same_instance_and_an_explicit_index_wins() -> None:
    """``[count.index]`` is the same number, ``[0]`` is the first."""
    make = Maker()
    for number in range(2):
        new_group(make, f"aws_security_group.a[{number}]")
        add_rule(make, f"{RULE}.r[{number}]", ref("aws_security_group.a", "count.index"))
        add_rule(make, f"{RULE}.s[{number}]", ref("aws_security_group.a[0].id"), ip_protocol=str(50 + number))
    plan = make.read()
    assert {(GroupPeer("aws_security_group.a[1]"), True)} == peers(plan, f"{RULE}.r[1]")
    assert {(GroupPeer("aws_security_group.a[0]"), True)} == peers(plan, f"{RULE}.s[1]")


def test_unkeyed_reference_to_several_instances_is_uncertain() -> None:
    """A reference to a counted resource that names no instance may mean any of them."""
    make = Maker()
    for number in range(2):
        new_group(make, f"aws_security_group.a[{number}]")
    add_rule(make, f"{RULE}.r", ref("aws_security_group.a"))
    expected = {(GroupPeer(f"aws_security_group.a[{number}]"), False) for number in range(2)}
    assert expected == peers(make.read(), f"{RULE}.r")


def test_each_value_follows_the_collection() -> None:
    """``each.value.id`` is an element of what for_each runs over."""
    make = Maker()
    for key in ("x", "y"):
        new_group(make, f'aws_security_group.a["{key}"]')
        address = f'{RULE}.r["{key}"]'
        make.configure(
            address,
            {"referenced_security_group_id": {"references": ["each.value.id", "each.value"]}},
            for_each_expression={"references": ["aws_security_group.a"]},
        )
        make.create(address, new_rule(), {"referenced_security_group_id": True})
    assert {(GroupPeer('aws_security_group.a["y"]'), True)} == peers(make.read(), f'{RULE}.r["y"]')


def test_module_with_for_each() -> None:
    """The output of a module with for_each, taken at the same key, at an explicit key, and as a whole."""
    make = Maker()
    for key in ("x", "y"):
        new_group(make, f'module.m["{key}"].aws_security_group.this')
    make.output("module.m", "id", "aws_security_group.this.id")
    add_rule(make, f'{RULE}.same["x"]', {"references": ["module.m", "each.key"]})
    add_rule(make, f"{RULE}.one", {"references": ['module.m["y"].id', 'module.m["y"]', "module.m"]})
    plan = make.read()
    assert {(GroupPeer('module.m["x"].aws_security_group.this'), True)} == peers(plan, f'{RULE}.same["x"]')
    assert {(GroupPeer('module.m["y"].aws_security_group.this'), True)} == peers(plan, f"{RULE}.one")


def test_local_is_bounded_by_its_module() -> None:
    """Local values are not in a plan: one group in sight is certain, two are not."""
    make = new_group(Maker(), "module.m.aws_security_group.this[0]")
    new_group(make, "aws_security_group.elsewhere")
    make.call("module.m", {"name": "m"})
    add_rule(make, f"module.m.{RULE}.r", ref("local.id"))
    assert {(GroupPeer("module.m.aws_security_group.this[0]"), True)} == peers(make.read(), f"module.m.{RULE}.r")
    new_group(make, "module.m.aws_security_group.other")
    assert {False} == {certain for _, certain in peers(make.read(), f"module.m.{RULE}.r")}


def test_conditional_between_known_and_unknown_is_the_unknown_one() -> None:
    """Of two groups, a value that is unknown can only be the one whose id is unknown."""
    make = new_group(Maker(), "aws_security_group.new")
    make.existing("aws_security_group.old", {"id": "sg-old", "name": "old"}, {"name": "old"})
    add_rule(make, f"{RULE}.r", ref("var.which", "aws_security_group.new.id", "aws_security_group.old.id"))
    assert {(GroupPeer("aws_security_group.new"), True)} == peers(make.read(), f"{RULE}.r")


def test_deferred_data_source_is_anything() -> None:
    """A data source that is read during the apply may answer with any group."""
    make = Maker()
    make.change("data.aws_security_group.found", ["read"], None, {"name": "x"}, {"id": True})
    add_rule(make, f"{RULE}.r", ref("data.aws_security_group.found.id"))
    ((peer, certain),) = peers(make.read(), f"{RULE}.r")
    assert not certain
    assert isinstance(peer, (AnyPeer, GroupPeer))


def test_group_that_cannot_be_followed_is_any_peer() -> None:
    """Without a resolvable reference the peer is everybody, in the upper bound only."""
    make = add_rule(Maker(), f"{RULE}.r", ref("module.gone.id"))
    name = f"{RULE}.r.referenced_security_group_id"
    assert {(AnyPeer(name), False)} == peers(make.read(), f"{RULE}.r")


def test_cyclic_module_references_end() -> None:
    """A cycle of outputs and variables cannot come from Terraform, and must not hang."""
    make = Maker()
    make.output("module.a", "id", "var.x")
    make.call("module.a", {"x": ref("module.b.id")})
    make.output("module.b", "id", "var.x")
    make.call("module.b", {"x": ref("module.a.id")})
    add_rule(make, f"{RULE}.r", ref("module.a.id"))
    started = time.monotonic()
    plan = make.read()
    assert time.monotonic() - started < 5
    assert {False} == {certain for _, certain in peers(plan, f"{RULE}.r")}


def test_wide_fan_of_references_ends() -> None:
    """Many modules that all refer to each other take no exponential time."""
    make = Maker()
    names = [f"m{number}" for number in range(40)]
    for name in names:
        make.output(f"module.{name}", "id", "var.x")
        make.call(f"module.{name}", {"x": {"references": [f"module.{other}.id" for other in names]}})
    add_rule(make, f"{RULE}.r", ref("module.m0.id"))
    started = time.monotonic()
    make.read()
    assert time.monotonic() - started < 10


def test_group_list_of_an_instance_is_the_union_of_its_references() -> None:
    """A set with an unknown element is unknown as a whole; all that it refers to is in it, and that is said."""
    make = new_group(new_group(Maker(), "aws_security_group.a"), "aws_security_group.b")
    make.existing("aws_security_group.old", {"id": "sg-old", "name": "old"}, {"name": "old"})
    make.create(
        "aws_instance.web",
        {"subnet_id": "subnet-1", "private_ip": "10.0.0.5"},
        {"vpc_security_group_ids": True},
        {
            "vpc_security_group_ids": ref(
                "aws_security_group.a.id", "aws_security_group.b.id", "aws_security_group.old.id"
            )
        },
    )
    plan = make.read()
    expected = ("aws_security_group.a", "aws_security_group.b", "sg-old")
    assert expected == plan.after.interfaces["aws_instance.web"].groups
    assert any("vpc_security_group_ids" in one.resource for one in plan.notices)


def test_chosen_groups_are_maybe_groups() -> None:
    """Where a variable may choose between groups, each is only possible."""
    make = new_group(new_group(Maker(), "aws_security_group.a"), "aws_security_group.b")
    make.create(
        "aws_instance.web",
        {"subnet_id": "subnet-1"},
        {"vpc_security_group_ids": True},
        {"vpc_security_group_ids": ref("var.which", "aws_security_group.a.id", "aws_security_group.b.id")},
    )
    web = make.read().after.interfaces["aws_instance.web"]
    assert ((), ("aws_security_group.a", "aws_security_group.b")) == (web.groups, web.maybe_groups)


def test_unresolvable_groups_are_named() -> None:
    """An instance whose groups cannot be followed says which attribute decides."""
    make = Maker().create(
        "aws_instance.web",
        {"subnet_id": "subnet-1"},
        {"vpc_security_group_ids": True},
        {"vpc_security_group_ids": ref("module.gone.ids")},
    )
    assert "aws_instance.web.vpc_security_group_ids" == make.read().after.interfaces["aws_instance.web"].groups_unknown


def test_literal_groups_of_a_variable_are_found() -> None:
    """A variable's known ids beside a new group are members too."""
    make = new_group(Maker(), "aws_security_group.a")
    make.extra["variables"] = {"more": {"value": ["sg-lit"]}}
    make.create(
        "aws_instance.web",
        {"subnet_id": "subnet-1"},
        {"vpc_security_group_ids": True},
        {"vpc_security_group_ids": ref("var.more", "aws_security_group.a.id")},
    )
    web = make.read().after.interfaces["aws_instance.web"]
    assert (("aws_security_group.a",), ("sg-lit",)) == (web.groups, web.maybe_groups)
    assert V4_ALL not in web.addresses
