"""Security groups and rules of a plan: inline, standalone, mirrored, unknown."""

from __future__ import annotations

from typing import Any

from doorward.model.addresses import V4_ALL, parse_network
from doorward.model.estate import Estate
from doorward.model.rules import AnyPeer, Group, GroupPeer, PrefixListPeer, Rule
from doorward.model.services import ALL_SPAN, block, rule_span
from tests.readers.terraform.maker import Maker, keys, ref, rule, seen, step

HTTPS = rule_span("tcp", 443, 443)
SSH = rule_span("tcp", 22, 22)
TEN = parse_network("10.0.0.0/8")
OWN = parse_network("10.9.0.0/16")


def group(id: str = "sg-1", **more: Any) -> dict[str, Any]:
    """The values of a group as the state has them."""
    return {"id": id, "name": id, "vpc_id": "vpc-1", "ingress": [], "egress": [], **more}


def standalone(peer: dict[str, Any], port: int = 443, **more: Any) -> dict[str, Any]:
    """The values of an aws_security_group_rule in sg-1."""
    return {
        "id": "sgrule-1",
        "type": "ingress",
        "from_port": port,
        "to_port": port,
        "protocol": "tcp",
        "self": False,
        "security_group_id": "sg-1",
        "cidr_blocks": [],
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "source_security_group_id": None,
        "description": "",
        **peer,
        **more,
    }


def modern(**more: Any) -> dict[str, Any]:
    """The values of an aws_vpc_security_group_*_rule in sg-1."""
    return {
        "id": "sgr-1",
        "security_group_rule_id": "sgr-1",
        "security_group_id": "sg-1",
        "ip_protocol": "tcp",
        "from_port": 443,
        "to_port": 443,
        "cidr_ipv4": "10.0.0.0/8",
        **more,
    }


def test_new_group_has_its_inline_rules_and_no_default_egress() -> None:
    """Terraform removes the allow-all egress that AWS gives a new group: without an egress block there is none."""
    plan = (
        Maker()
        .create(
            "aws_security_group.web",
            {"name": "web", "vpc_id": "vpc-1", "ingress": [rule(443, cidr_blocks=["0.0.0.0/0"], self=True)]},
            {"egress": True},
            {"name": "web"},
        )
        .read()
    )
    web = "aws_security_group.web"
    expected = {("ingress", HTTPS, V4_ALL, True), ("ingress", HTTPS, GroupPeer(web), True)}
    assert expected == seen(plan.after, web)
    assert {} == dict(plan.before.groups)
    assert (web,) == plan.after.aliases[web]
    assert "create" == step(plan, web).does


def test_mirrored_rules_are_not_counted_twice_and_go_with_their_standalone_rule() -> None:
    """The group's computed ingress repeats standalone rules, and stays stale in the plan that removes one."""
    mirror = [rule(443, cidr_blocks=["10.0.0.0/8"]), rule(22, cidr_blocks=["10.0.0.0/8"])]
    plan = (
        Maker()
        .existing("aws_security_group.web", group(ingress=mirror), {"name": "web"})
        .existing("aws_security_group_rule.https", standalone({"cidr_blocks": ["10.0.0.0/8"]}), {})
        .delete("aws_security_group_rule.ssh", standalone({"cidr_blocks": ["10.0.0.0/8"]}, 22))
        .read()
    )
    assert {("ingress", HTTPS, TEN, True), ("ingress", SSH, TEN, True)} == seen(plan.before, "sg-1")
    assert 2 == len(plan.before.groups["sg-1"].rules)
    assert {("ingress", HTTPS, TEN, True)} == seen(plan.after, "sg-1")
    assert ["aws_security_group_rule.ssh"] == [one.id for one in plan.steps]
    assert {("sg-1", SSH, TEN)} == keys(plan.steps[0].removed)


def test_mirror_without_standalone_rules_is_a_fact_that_stays() -> None:
    """Rules that the plan only shows are the group's rules all the same, before and after."""
    shown = group(egress=[rule(None, cidr_blocks=["0.0.0.0/0"])])
    plan = Maker().existing("aws_security_group.web", shown, {"name": "web"}).read()
    assert {("egress", ALL_SPAN, V4_ALL, True)} == seen(plan.before, "sg-1") == seen(plan.after, "sg-1")
    assert () == plan.steps


def test_inline_update_is_the_per_source_difference_and_not_atomic() -> None:
    """Inline rules are revoked, then authorised, source by source (facts: Terraform 1)."""
    before = group(ingress=[rule(443, cidr_blocks=["10.0.0.0/8", "192.168.0.0/16"])])
    plan = (
        Maker()
        .update("aws_security_group.web", before, {"ingress": [rule(443, cidr_blocks=["10.0.0.0/8"], self=True)]})
        .read()
    )
    one = step(plan, "aws_security_group.web")
    assert {("sg-1", HTTPS, parse_network("192.168.0.0/16"))} == keys(one.removed)
    assert {("sg-1", HTTPS, GroupPeer("sg-1"))} == keys(one.added)
    assert not one.atomic
    assert {("ingress", HTTPS, TEN, True), ("ingress", HTTPS, GroupPeer("sg-1"), True)} == seen(plan.after, "sg-1")


def test_description_only_edit_of_an_inline_rule_revokes_and_adds_it_again() -> None:
    """The provider's hash of a rule includes its description (facts: Terraform 2): a gap that looks cosmetic."""
    before = group(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"], description="old")])
    new = [rule(443, cidr_blocks=["10.0.0.0/8"], description="new")]
    plan = Maker().update("aws_security_group.web", before, {"ingress": new}).read()
    one = step(plan, "aws_security_group.web")
    assert keys(one.removed) == keys(one.added) == {("sg-1", HTTPS, TEN)}
    assert "descriptions" in one.note
    assert seen(plan.before, "sg-1") == seen(plan.after, "sg-1")


def test_tags_only_update_makes_no_step() -> None:
    """A change that carries no traffic is no step."""
    before = group(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])], tags={})
    assert () == Maker().update("aws_security_group.web", before, {"tags": {"a": "b"}}).read().steps


def test_description_of_modern_rule_is_no_step_and_its_change_is_atomic() -> None:
    """aws_vpc_security_group_*_rule is changed by ModifySecurityGroupRules: old or new, never neither (Terraform 3)."""
    address = "aws_vpc_security_group_ingress_rule.web"
    assert () == Maker().update(address, modern(description="a"), {"description": "b"}).read().steps
    plan = Maker().update(address, modern(), {"cidr_ipv4": "10.9.0.0/16"}).read()
    one = step(plan, address)
    assert one.atomic
    assert ({("sg-1", HTTPS, TEN)}, {("sg-1", HTTPS, OWN)}) == (keys(one.removed), keys(one.added))
    assert "sgr-1" == one.removed[0][1].id


def test_modern_rule_forms() -> None:
    """Every peer attribute; -1 is everything; protocols by name and number; ICMP type and code."""
    make = Maker()
    forms: list[tuple[dict[str, Any], tuple[Any, Any]]] = [
        ({"ip_protocol": "-1", "from_port": None, "to_port": None}, (ALL_SPAN, TEN)),
        ({"cidr_ipv4": None, "cidr_ipv6": "2001:db8::/32"}, (HTTPS, parse_network("2001:db8::/32"))),
        ({"cidr_ipv4": None, "prefix_list_id": "pl-1"}, (HTTPS, PrefixListPeer("pl-1"))),
        ({"cidr_ipv4": None, "referenced_security_group_id": "sg-2"}, (HTTPS, GroupPeer("sg-2"))),
        (
            {"cidr_ipv4": None, "referenced_security_group_id": "123456789012/sg-3"},
            (HTTPS, GroupPeer("sg-3", None, "123456789012")),
        ),
        ({"ip_protocol": "50", "from_port": 1, "to_port": 2}, (block(50), TEN)),
        ({"ip_protocol": "icmp", "from_port": 8, "to_port": -1}, (rule_span("icmp", 8, -1), TEN)),
        ({"ip_protocol": "icmpv6", "from_port": -1, "to_port": -1}, (block(58), TEN)),
    ]
    for number, (changes, _) in enumerate(forms):
        make.existing(f"aws_vpc_security_group_egress_rule.r{number}", modern(id=f"sgr-{number}") | changes)
    given = {(r.service, r.peer) for r in make.read().after.groups["sg-1"].rules if r.certain}
    assert {expected for _, expected in forms} == given


def test_old_rule_with_every_peer() -> None:
    """aws_security_group_rule may name several peers at once."""
    peers = {"cidr_blocks": ["10.0.0.0/8"], "ipv6_cidr_blocks": ["::/0"], "prefix_list_ids": ["pl-1"], "self": True}
    plan = Maker().existing("aws_security_group_rule.all", standalone(peers, protocol="TCP")).read()
    expected = {TEN, parse_network("::/0"), PrefixListPeer("pl-1"), GroupPeer("sg-1")}
    assert expected == {one.peer for one in plan.after.groups["sg-1"].rules if one.certain}


def test_replaced_rule_is_two_steps_in_the_order_of_its_actions() -> None:
    """Nearly everything of aws_security_group_rule forces a replacement; the gap lies between the steps."""
    old = standalone({"cidr_blocks": ["10.0.0.0/8"]})
    address = "aws_security_group_rule.web"
    plan = Maker().replace(address, old, {"cidr_blocks": ["10.9.0.0/16"]}).read()
    assert [f"{address}#delete", f"{address}#create"] == [one.id for one in plan.steps]
    assert (f"{address}#delete",) == step(plan, f"{address}#create").needs
    plan = Maker().replace(address, old, {"cidr_blocks": ["10.9.0.0/16"]}, create_first=True).read()
    assert (f"{address}#create",) == step(plan, f"{address}#delete").needs
    assert {("ingress", HTTPS, OWN, True)} == {one for one in seen(plan.after, "sg-1") if one[3]}


def test_replaced_group_gets_a_new_id_and_its_references_follow() -> None:
    """A renamed group is another group: rules and members that refer to it resolve to the new one."""
    old = group(ingress=[rule(443, cidr_blocks=["10.0.0.0/8"])])
    plan = (
        Maker()
        .replace("aws_security_group.web", old, {"name": "new"}, config={"name": "new", "ingress": [{}]})
        .replace(
            "aws_security_group_rule.db",
            standalone({"source_security_group_id": "sg-1"}, security_group_id="sg-db"),
            {},
            {"source_security_group_id": True},
            {"security_group_id": "sg-db", "source_security_group_id": ref("aws_security_group.web.id")},
        )
        .read()
    )
    assert ("aws_security_group.web",) == plan.replaced
    assert "sg-1" in plan.before.groups and "sg-1" not in plan.after.groups
    assert ("ingress", HTTPS, GroupPeer("aws_security_group.web"), True) in seen(plan.after, "sg-db")
    assert ("ingress", HTTPS, GroupPeer("sg-1"), True) in seen(plan.before, "sg-db")
    created, deleted = step(plan, "aws_security_group_rule.db#create"), step(plan, "aws_security_group.web#delete")
    assert "aws_security_group.web#create" in created.needs
    assert "aws_security_group_rule.db#delete" in deleted.needs


def test_unknown_source_group_of_a_cidr_rule_is_ignored() -> None:
    """The provider marks source_security_group_id unknown on create even where nobody gave one."""
    values = {
        k: v
        for k, v in standalone({"cidr_blocks": ["10.0.0.0/8"]}).items()
        if k not in ("id", "source_security_group_id")
    }
    for config in ({"cidr_blocks": ["10.0.0.0/8"], "security_group_id": "sg-1"}, None):
        plan = Maker().create("aws_security_group_rule.web", values, {"source_security_group_id": True}, config).read()
        assert {("ingress", HTTPS, TEN, True)} == {
            one for one in seen(plan.after, "sg-1") if one[2] != AnyPeer or one[3]
        } - {one for one in seen(plan.after, "sg-1") if isinstance(one[2], AnyPeer)}


def test_unknown_cidr_is_any_peer_in_the_upper_bound_only() -> None:
    """What a CIDR will be cannot be known; the rule names the very attribute that decides."""
    values = {k: v for k, v in standalone({}).items() if k not in ("id", "cidr_blocks")}
    plan = (
        Maker()
        .create(
            "aws_security_group_rule.web",
            values,
            {"cidr_blocks": True},
            {"cidr_blocks": ref("aws_eip.out.public_ip"), "security_group_id": "sg-1"},
        )
        .read()
    )
    name = "aws_security_group_rule.web.cidr_blocks"
    found = [one for one in plan.after.groups["sg-1"].rules if one.origin == "aws_security_group_rule.web"]
    assert [Rule("ingress", HTTPS, AnyPeer(name), None, "aws_security_group_rule.web", None, False, name)] == [
        one._replace(description=None) for one in found
    ]


def test_unknown_port_widens_to_the_protocol() -> None:
    """A port that is not known yet: the whole protocol, in the upper bound only."""
    values = {k: v for k, v in standalone({"cidr_blocks": ["10.0.0.0/8"]}).items() if k not in ("id", "to_port")}
    plan = Maker().create("aws_security_group_rule.web", values, {"to_port": True}).read()
    assert ("ingress", block(6), TEN, False) in seen(plan.after, "sg-1")


def test_unknown_group_of_a_rule_without_configuration_may_be_any_group() -> None:
    """When nothing says which group a rule belongs to, it may be in every one."""
    values = {
        k: v for k, v in standalone({"cidr_blocks": ["10.0.0.0/8"]}).items() if k not in ("id", "security_group_id")
    }
    plan = (
        Maker()
        .existing("aws_security_group.a", group("sg-a"))
        .create("aws_security_group_rule.web", values, {"security_group_id": True})
        .read()
    )
    assert ("ingress", HTTPS, TEN, False) in seen(plan.after, "sg-a")


def test_partly_unknown_inline_block_resolves_its_group() -> None:
    """An inline block whose security_groups is unknown is resolved through the block that fits it."""
    web = rule(443) | {"from_port": 443}
    ssh = rule(22)
    plan = (
        Maker()
        .create("aws_security_group.lb", {"name": "lb"}, {"ingress": True}, {"name": "lb"})
        .create("aws_security_group.jump", {"name": "jump"}, {"ingress": True}, {"name": "jump"})
        .create(
            "aws_security_group.web",
            {
                "name": "web",
                "ingress": [{k: v for k, v in one.items() if k != "security_groups"} for one in (ssh, web)],
            },
            {"ingress": [{"security_groups": True}, {"security_groups": True}], "egress": True},
            {
                "name": "web",
                "ingress": [
                    {
                        "from_port": 443,
                        "to_port": 443,
                        "protocol": "tcp",
                        "security_groups": ref("aws_security_group.lb.id"),
                    },
                    {
                        "from_port": 22,
                        "to_port": 22,
                        "protocol": "tcp",
                        "security_groups": ref("aws_security_group.jump.id"),
                    },
                ],
            },
        )
        .read()
    )
    expected = {
        ("ingress", HTTPS, GroupPeer("aws_security_group.lb"), True),
        ("ingress", SSH, GroupPeer("aws_security_group.jump"), True),
    }
    assert expected == seen(plan.after, "aws_security_group.web")


def test_dynamic_block_of_which_nothing_is_known_is_anything() -> None:
    """A dynamic block over unknown values shows one block that is wholly unknown: anything may come of it."""
    plan = Maker().create("aws_security_group.web", {"name": "web", "ingress": [{}]}, {"ingress": [True]}).read()
    (only,) = plan.after.groups["aws_security_group.web"].rules
    assert ("ingress", ALL_SPAN, False) == (only.direction, only.service, only.certain)


def test_deleted_group_takes_its_rules_and_waits_for_those_that_refer_to_it() -> None:
    """A group that goes takes all its rules with it; rules that refer to it go first (state dependencies)."""
    make = Maker().delete("aws_security_group.web", group(ingress=[rule(443, self=True)]))
    make.delete(
        "aws_security_group_rule.db",
        standalone({"source_security_group_id": "sg-1"}, security_group_id="sg-db"),
        depends_on=["aws_security_group.web"],
    )
    plan = make.read()
    assert {("sg-1", HTTPS, GroupPeer("sg-1"))} == keys(step(plan, "aws_security_group.web").removed)
    assert ("aws_security_group_rule.db",) == step(plan, "aws_security_group.web").needs
    assert "sg-1" not in plan.after.groups


def test_default_group_is_emptied_when_adopted() -> None:
    """aws_default_security_group removes every rule that the default group has (provider documentation)."""
    held = Group(
        "sg-d",
        name="default",
        vpc="vpc-1",
        rules=(Rule("ingress", ALL_SPAN, GroupPeer("sg-d"), "sgr-a"), Rule("egress", ALL_SPAN, V4_ALL, "sgr-b")),
    )
    plan = (
        Maker()
        .create(
            "aws_default_security_group.it",
            {"vpc_id": "vpc-1", "ingress": [rule(443, cidr_blocks=["10.0.0.0/8"])]},
            {"egress": True},
            {"vpc_id": "vpc-1"},
        )
        .read(Estate(groups={"sg-d": held}))
    )
    assert {("ingress", HTTPS, TEN, True)} == seen(plan.after, "sg-d")
    one = step(plan, "aws_default_security_group.it")
    assert {"sgr-a", "sgr-b"} == {given.id for _, given in one.removed}
    assert {("sg-d", HTTPS, TEN)} == keys(one.added)


def test_exclusive_rules_remove_what_they_do_not_list() -> None:
    """aws_vpc_security_group_rules_exclusive deletes unlisted rules (facts: Terraform 6)."""
    held = Group(
        "sg-1",
        vpc="vpc-1",
        rules=(
            Rule("ingress", HTTPS, TEN, "sgr-1"),
            Rule("ingress", SSH, TEN, "sgr-2"),
            Rule("egress", ALL_SPAN, TEN, "sgr-3"),
        ),
    )
    plan = (
        Maker()
        .existing("aws_vpc_security_group_ingress_rule.web", modern())
        .create(
            "aws_vpc_security_group_rules_exclusive.web",
            {"security_group_id": "sg-1", "ingress_rule_ids": ["sgr-1"], "egress_rule_ids": ["sgr-3"]},
        )
        .read(Estate(groups={"sg-1": held}))
    )
    assert {HTTPS, ALL_SPAN} == {one.service for one in plan.after.groups["sg-1"].rules}
    assert {("sg-1", SSH, TEN)} == keys(step(plan, "aws_vpc_security_group_rules_exclusive.web").removed)
