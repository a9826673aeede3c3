"""Plans that change a running application: what breaks, when, by which step, and what mends it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.account import folder
from tests.attack.contracts import GAP, GONE, KEPT, PROMISES
from tests.attack.planned import Computed, Ref, Resource, make, res
from tests.attack.run import contract, gate, outcomes
from tests.attack.stack import OUT, application, group, machine, rule

World = list[Resource]
SG = "aws_security_group"
OLD_RULE, NEW_RULE = "aws_security_group_rule.web_in", "aws_vpc_security_group_ingress_rule.db_in"


def find(world: World, address: str) -> Resource:
    """The resource at an address."""
    return next(one for one in world if one.address == address)


def put(address: str, **values: Any) -> Callable[[World], World]:
    """A change that sets attributes."""

    def change(world: World) -> World:
        find(world, address).values.update(copy.deepcopy(values))
        return world

    return change


def drop(*addresses: str) -> Callable[[World], World]:
    """A change that takes resources away."""
    return lambda world: [one for one in world if one.address not in addresses]


def both(*changes: Callable[[World], World]) -> Callable[[World], World]:
    """Several changes."""

    def change(world: World) -> World:
        for each in changes:
            world = each(world)
        return world

    return change


def acl(*entries: tuple[int, str, str, int, int]) -> Resource:
    """An ACL of the private subnets: (number, action, protocol, first, last) inbound, everything outbound."""

    def entry(number: int, action: str, protocol: str, first: int, last: int) -> dict[str, Any]:
        return {
            "rule_no": number, "action": action, "protocol": protocol, "from_port": first, "to_port": last,
            "cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "", "icmp_type": 0, "icmp_code": 0,
        }  # fmt: skip

    return res(
        "aws_network_acl", "priv", vpc_id=Ref("aws_vpc.main.id"),
        subnet_ids=[Ref(f"aws_subnet.private[{at}].id") for at in (0, 1)],
        ingress=[entry(*one) for one in entries], egress=[entry(100, "allow", "-1", 0, 0)],
    )  # fmt: skip


ANY = (100, "allow", "-1", 0, 0)
CASES: list[Any] = [
    pytest.param(drop(OLD_RULE), {}, {"in": GONE, "web": GONE}, id="standalone rule removed"),
    pytest.param(drop(NEW_RULE), {}, {"db": GONE}, id="new style rule removed"),
    pytest.param(put(f"{SG}.lb", ingress=[rule(443, "203.0.113.0/24")]), {}, {"in": GONE}, id="CIDR narrowed"),
    pytest.param(put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/1"), rule(443, "128.0.0.0/1")]), {}, {"in": GAP},
                 id="CIDR split inline"),
    pytest.param(put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/0", description="https")]), {}, {"in": GAP},
                 id="description of an inline rule"),
    pytest.param(put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/0"), rule(80, "0.0.0.0/0")]), {}, {},
                 id="inline rule added beside"),
    pytest.param(put(NEW_RULE, description="x"), {}, {}, id="description of a new style rule"),
    pytest.param(put(NEW_RULE, from_port=5430, to_port=5440), {}, {}, id="new style rule widened in place"),
    pytest.param(put(NEW_RULE, from_port=5433, to_port=5433), {}, {"db": GONE}, id="new style rule moved"),
    pytest.param(put(OLD_RULE, to_port=8090), {OLD_RULE: "delete"}, {"in": GAP, "web": GAP},
                 id="rule replaced, delete first"),
    pytest.param(put(OLD_RULE, to_port=8090), {OLD_RULE: "create"}, {}, id="rule replaced, create first"),
    pytest.param(put(f"{SG}.web", egress=[]), {}, {"db": GONE, "out": GONE}, id="egress emptied"),
    pytest.param(put(f"{SG}.web", egress=[rule(5432, Ref(f"{SG}.db.id")), rule(443, "0.0.0.0/0")]), {},
                 {"db": GAP, "out": GAP}, id="egress narrowed to what is needed"),
    pytest.param(put("aws_lb_target_group.web", health_check=[{"port": "9000", "protocol": "HTTP", "enabled": True}]),
                 {}, {"in": GONE}, id="health check on another port"),
    pytest.param(put("aws_lb_listener.https", port=8443), {}, {"in": GONE}, id="listener on another port"),
    pytest.param(drop("aws_route.out"), {}, {"out": GONE}, id="default route of private subnets removed"),
    pytest.param(put("aws_route_table.public", route=[]), {}, {"in": GONE, "out": GONE}, id="public route removed"),
    pytest.param(both(drop("aws_internet_gateway.gw"), put("aws_route_table.public", route=[])), {},
                 {"in": GONE, "out": GONE}, id="internet gateway removed"),
]  # fmt: skip


@pytest.mark.parametrize("with_estate", [False, True], ids=["alone", "estate"])
@pytest.mark.parametrize(("change", "replaced", "expected"), CASES)
def test_change(
    tmp_path: Path,
    change: Callable[[World], World],
    replaced: dict[str, str],
    expected: dict[str, tuple[str, str, str]],
    with_estate: bool,
) -> None:
    """Exactly the promises that the change touches are broken, at the right time; with a snapshot or without."""
    plan = make(application(), change(application()), replace=replaced)
    estate = folder(tmp_path / "estate") if with_estate else None
    status, rows, _ = gate(tmp_path, plan, PROMISES, estate=estate)
    assert {**dict.fromkeys(PROMISES, KEPT), **expected} == {name: outcomes(row) for name, row in rows.items()}
    assert (1 if expected else 0) == status
    for name, wanted in expected.items():
        row = rows[name]
        assert row["reasons"] if wanted == GONE else row["during_reasons"]


def test_gap_passes_with_a_warning(tmp_path: Path) -> None:
    """``--during warn`` lets a gap pass, and only a gap."""
    gap = make(application(), put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/0", description="x")])(application()))
    status, rows, document = gate(tmp_path, gap, PROMISES, "--during", "warn")
    assert (0, GAP, "kept") == (status, outcomes(rows["in"]), document["outcome"])
    gone = make(application(), drop(OLD_RULE)(application()))
    assert 1 == gate(tmp_path, gone, PROMISES, "--during", "warn")[0]


@pytest.mark.parametrize(
    ("change", "name", "origin"),
    [
        (drop(OLD_RULE), "in", OLD_RULE),
        (drop(NEW_RULE), "db", NEW_RULE),
        (put(f"{SG}.lb", ingress=[rule(443, "203.0.113.0/24")]), "in", f"{SG}.lb"),
        (put(f"{SG}.web", egress=[]), "out", f"{SG}.web"),
    ],
)
def test_responsible_rule_and_its_repair(
    tmp_path: Path, change: Callable[[World], World], name: str, origin: str
) -> None:
    """The removed rule is named with its Terraform address; established connections go on; putting it back mends it."""
    _, rows, _ = gate(tmp_path, make(application(), change(application())), PROMISES)
    row = rows[name]
    assert origin == row["reasons"][0]["origin"]
    assert {"new": "broken", "established": "kept"} == row["connections"]
    assert [(origin, True, "authorize")] == [(one["origin"], one["restores"], one["action"]) for one in row["repair"]]


@pytest.mark.parametrize(
    "change",
    [
        put("aws_lb_target_group.web", health_check=[{"port": "9000", "protocol": "HTTP", "enabled": True}]),
        put(f"{SG}.web", egress=[rule(443, "0.0.0.0/0")]),
        drop(OLD_RULE, NEW_RULE),
        put(f"{SG}.lb", ingress=[rule(443, "203.0.113.0/24")], egress=[]),
    ],
)
def test_repair_mends_the_plan(tmp_path: Path, change: Callable[[World], World]) -> None:
    """The repairs of all broken promises, written into the plan by hand, leave every promise kept after it."""
    _, rows, _ = gate(tmp_path, make(application(), change(application())), PROMISES)
    mended = change(application())
    edits = {repr(edit): edit for row in rows.values() for edit in row["repair"] or ()}
    assert edits
    for at, edit in enumerate(edits.values()):
        assert "authorize" == edit["action"]
        name = "source_security_group_id" if edit["peer"].startswith("sg-") else "cidr_blocks"
        peer: dict[str, Any] = {name: edit["peer"] if name.startswith("source") else [edit["peer"]]}
        protocol, _, ports = edit["service"].partition("/")
        low, _, high = ports.partition("-")
        mended.append(
            res("aws_security_group_rule", f"mend{at}", type=edit["direction"], security_group_id=edit["group"],
                protocol="-1" if protocol == "all" else protocol, from_port=int(low or 0),
                to_port=int(high or low or 0), self=False, **peer)
        )  # fmt: skip
    _, again, _ = gate(tmp_path, make(application(), mended), PROMISES)
    assert dict.fromkeys(PROMISES, "kept") == {name: row["outcome"] for name, row in again.items()}


@pytest.mark.parametrize("first", ["delete", "create"])
def test_renamed_group(tmp_path: Path, first: str) -> None:
    """A renamed group is another group: until rules and machines have all moved over, nothing passes."""
    promises = {"db": contract("reach", "tag:Name=web", "group:db", "tcp/5432")}
    new = put(f"{SG}.web", name="web2")(application())
    plan = make(application(), new, replace={f"{SG}.web": first, OLD_RULE: first})
    status, rows, _ = gate(tmp_path, plan, promises)
    assert (1, GAP) == (status, outcomes(rows["db"]))
    assert rows["db"]["safe_order"]


def test_machines_move_to_a_group_without_rule(tmp_path: Path) -> None:
    """A new group whose members nobody lets in: broken after the apply, and the repair names the new group."""
    new = [*application(), group("other", [])]
    for at in (0, 1):
        find(new, f"aws_instance.web[{at}]").values["vpc_security_group_ids"] = [Ref(f"{SG}.other.id")]
    promises = {"db": contract("reach", "tag:Name=web", "group:db", "tcp/5432")}
    _, rows, _ = gate(tmp_path, make(application(), new), promises)
    assert GONE == outcomes(rows["db"])
    assert [f"{SG}.other"] == [one["peer"] for one in rows["db"]["repair"]]


def _by_key() -> World:
    made = drop(*(f"{kind}.web[{at}]" for kind in ("aws_instance", "aws_lb_target_group_attachment") for at in (0, 1)))(
        application()
    )
    for at, key in enumerate("ab"):
        one = machine("web", f"10.0.{10 + at}.5", f"private[{at}]", "web", index=key,
                      config_={"for_each_expression": {"constant_value": ["a", "b"]}})  # fmt: skip
        one.values["primary_network_interface_id"] = Computed(f"eni-web{at}")
        one.values["subnet_id"] = Ref(f"aws_subnet.private[{at}].id", ("aws_subnet.private", "each.value"))
        made.append(one)
        made.append(res("aws_lb_target_group_attachment", "web", index=key, port=8080,
                        target_group_arn=Ref("aws_lb_target_group.web.arn"),
                        target_id=Ref(f'aws_instance.web["{key}"].id', ("aws_instance.web", "each.key")),
                        config_={"for_each_expression": {"references": ["aws_instance.web"]}}))  # fmt: skip
    return made


def test_count_becomes_for_each_with_moved_blocks(tmp_path: Path) -> None:
    """New addresses alone change nothing."""
    moved = {
        f'{kind}.web["{key}"]': f"{kind}.web[{at}]"
        for kind in ("aws_instance", "aws_lb_target_group_attachment")
        for at, key in enumerate("ab")
    }
    status, rows, _ = gate(tmp_path, make(application(), _by_key(), moved=moved), PROMISES)
    assert dict.fromkeys(PROMISES, KEPT) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


def test_instances_under_new_addresses_without_moved_blocks(tmp_path: Path) -> None:
    """All machines are made anew: what stands behind the balancer in between cannot be kept, and nothing crashes."""
    status, rows, _ = gate(tmp_path, make(application(), _by_key()), PROMISES)
    assert "kept" == rows["in"]["outcome"]
    assert rows["in"]["during_apply"] in ("broken", "cannot-tell")
    assert status in (1, 3)


@pytest.mark.parametrize("first", ["delete", "create"])
def test_replaced_instance_behind_a_balancer(tmp_path: Path, first: str) -> None:
    """One of two machines is replaced: its attachment goes before it, the other machine stays reachable."""
    new = put("aws_instance.web[0]", ami="ami-2")(application())
    plan = make(application(), new, replace={
        "aws_instance.web[0]": first, "aws_lb_target_group_attachment.web[0]": first})  # fmt: skip
    _, rows, _ = gate(tmp_path, plan, PROMISES)
    assert KEPT == outcomes(rows["in"])


def test_imported_rule_is_there_already(tmp_path: Path) -> None:
    """An import adds nothing to the network: the opening is there before, during and after."""
    opening = res("aws_vpc_security_group_ingress_rule", "old", security_group_id=Ref(f"{SG}.db.id"),
                  referenced_security_group_id=Ref(f"{SG}.lb.id"), from_port=5432, to_port=5432,
                  ip_protocol="tcp")  # fmt: skip
    old = put(f"{SG}.lb", egress=[OUT])(application())
    new = [*put(f"{SG}.lb", egress=[OUT])(application()), opening]
    promises = {"only": PROMISES["only"]}
    _, rows, _ = gate(tmp_path, make(old, new, imported=[opening.address]), promises)
    assert ("broken", "broken", "broken") == outcomes(rows["only"])
    _, rows, _ = gate(tmp_path, make(old, new), promises)
    assert GONE == outcomes(rows["only"])
    assert opening.address == rows["only"]["reasons"][0]["origin"]


def test_deleted_group_that_is_still_used(tmp_path: Path) -> None:
    """AWS refuses to delete a group with members: its rules are gone all the same, and a notice says so."""
    new = drop(f"{SG}.db", NEW_RULE)(application())
    id = find(application(), f"{SG}.db").real
    find(new, "aws_db_instance.db").values["vpc_security_group_ids"] = [id]
    promises = {"db": contract("reach", "group:web", "db:shop", "tcp/5432")}
    _, rows, document = gate(tmp_path, make(application(), new), promises)
    assert GONE == outcomes(rows["db"])
    assert any(one["resource"] == id and "AWS refuses that" in one["text"] for one in document["notices"])


ALL_THROUGH = dict.fromkeys(("in", "web", "db", "out"), GONE)
ACL_CASES: list[Any] = [
    # 8080 is one of the ports on which answers return, so connections that the machines open suffer as well.
    pytest.param([ANY], [(90, "deny", "6", 8080, 8080), ANY], ALL_THROUGH, id="deny before allow"),
    pytest.param([ANY], [(90, "deny", "6", 80, 80), ANY], {}, id="deny of another port"),
    pytest.param([ANY], [ANY, (110, "deny", "6", 8080, 8080)], {}, id="deny behind allow"),
    pytest.param([ANY], [(100, "allow", "6", 8080, 8080)], {"in": GAP, "web": GAP, "db": GONE, "out": GONE},
                 id="answers forgotten"),
    pytest.param([ANY], [ANY, (200, "allow", "6", 0, 65535)], {}, id="entry added"),
    pytest.param([ANY, (200, "allow", "6", 0, 65535)], [(200, "allow", "6", 0, 65535)], {}, id="other entry serves"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), ACL_CASES)
def test_acl_entries(tmp_path: Path, before: Any, after: Any, expected: dict[str, tuple[str, str, str]]) -> None:
    """Entries are judged by number, answers too; a changed entry is deleted before it is made again."""
    plan = make([*application(), acl(*before)], [*application(), acl(*after)])
    _, rows, _ = gate(tmp_path, plan, PROMISES)
    assert {**dict.fromkeys(PROMISES, KEPT), **expected} == {name: outcomes(row) for name, row in rows.items()}


def test_acl_entry_changed(tmp_path: Path) -> None:
    """The step that opens the gap is named, and an order is proposed: the new entry first, under a free number."""
    plan = make([*application(), acl(ANY)], [*application(), acl((100, "allow", "6", 0, 65535))])
    _, rows, _ = gate(tmp_path, plan, PROMISES)
    assert GAP == outcomes(rows["in"])
    assert "aws_network_acl.priv" in [one["origin"] for one in rows["in"]["during_reasons"]]
    assert rows["in"]["safe_order"]


def _listed(*networks: str) -> World:
    office = res("aws_ec2_managed_prefix_list", "office", name="office", address_family="IPv4", max_entries=5,
                 entry=[{"cidr": one, "description": ""} for one in networks])  # fmt: skip
    world = put(
        f"{SG}.lb",
        ingress=[
            {
                "from_port": 443,
                "to_port": 443,
                "protocol": "tcp",
                "prefix_list_ids": [Ref("aws_ec2_managed_prefix_list.office.id")],
            }
        ],
    )(application())
    return [*world, office]  # fmt: skip


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["203.0.113.0/25"], GONE),
        (["203.0.113.0/25", "203.0.113.128/25"], KEPT),
        (["203.0.112.0/23"], KEPT),
        ([], GONE),
    ],
)
def test_prefix_list_entries(tmp_path: Path, after: list[str], expected: tuple[str, str, str]) -> None:
    """Entries of a list change at once: split or widened nothing breaks, narrowed it does."""
    promises = {"office": contract("reach", "203.0.113.0/24", "lb:web")}
    _, rows, _ = gate(tmp_path, make(_listed("203.0.113.0/24"), _listed(*after)), promises)
    assert expected == outcomes(rows["office"])
    _, rows, _ = gate(tmp_path, make([], _listed(*after)), promises)
    assert expected[2] == rows["office"]["outcome"]


def test_inline_becomes_standalone(tmp_path: Path) -> None:
    """Inline rules emptied and made standalone in one plan: the update revokes first, the new rule comes later."""
    alone = res("aws_vpc_security_group_ingress_rule", "lb_in", security_group_id=Ref(f"{SG}.lb.id"),
                cidr_ipv4="0.0.0.0/0", from_port=443, to_port=443, ip_protocol="tcp")  # fmt: skip
    new = [*put(f"{SG}.lb", ingress=[])(application()), alone]
    _, rows, _ = gate(tmp_path, make(application(), new), PROMISES)
    assert GAP == outcomes(rows["in"])
    quiet = [*application(), alone]  # blocks taken out of the configuration change nothing: the attribute is computed
    find(quiet, f"{SG}.lb").values.pop("ingress")
    _, rows, _ = gate(tmp_path, make(application(), quiet), PROMISES)
    assert KEPT == outcomes(rows["in"])


def _peered(*, active: bool = True, back: bool = True) -> World:
    made = application()
    find(made, "aws_route_table.private").values.pop("route")
    made += [
        res("aws_vpc", "other", cidr_block="10.9.0.0/16"),
        res("aws_internet_gateway", "other", vpc_id=Ref("aws_vpc.other.id")),
        res("aws_subnet", "other", vpc_id=Ref("aws_vpc.other.id"), cidr_block="10.9.1.0/24"),
        res("aws_route_table", "other", vpc_id=Ref("aws_vpc.other.id")),
        res("aws_route_table_association", "other", subnet_id=Ref("aws_subnet.other.id"),
            route_table_id=Ref("aws_route_table.other.id")),
        res("aws_security_group", "other", name="other", vpc_id=Ref("aws_vpc.other.id"), egress=[OUT],
            ingress=[rule(9000, Ref(f"{SG}.web.id"))]),
        res("aws_instance", "other", subnet_id=Ref("aws_subnet.other.id"), private_ip=Computed("10.9.1.7"),
            vpc_security_group_ids=[Ref(f"{SG}.other.id")], primary_network_interface_id=Computed("eni-other")),
    ]  # fmt: skip
    if active:
        made.append(res("aws_vpc_peering_connection", "p", vpc_id=Ref("aws_vpc.main.id"), auto_accept=True,
                        peer_vpc_id=Ref("aws_vpc.other.id"), accept_status=Computed("active")))  # fmt: skip
        made.append(res("aws_route", "there", route_table_id=Ref("aws_route_table.private.id"),
                        destination_cidr_block="10.9.0.0/16",
                        vpc_peering_connection_id=Ref("aws_vpc_peering_connection.p.id")))  # fmt: skip
    if active and back:
        made.append(res("aws_route", "back", route_table_id=Ref("aws_route_table.other.id"),
                        destination_cidr_block="10.0.0.0/16",
                        vpc_peering_connection_id=Ref("aws_vpc_peering_connection.p.id")))  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("after", "expected"), [(_peered(), KEPT), (_peered(back=False), GONE), (_peered(active=False), GONE)]
)
def test_peering(tmp_path: Path, after: World, expected: tuple[str, str, str]) -> None:
    """Group references over a peering need it active and routed both ways; also where all of it is new."""
    promises = {"peer": contract("reach", "group:web", "group:other", "tcp/9000")}
    _, rows, _ = gate(tmp_path, make(_peered(), after), promises)
    assert expected == outcomes(rows["peer"])
    _, rows, _ = gate(tmp_path, make([], after), promises)
    assert expected[2] == rows["peer"]["outcome"]
