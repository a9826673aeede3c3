"""A whole application made by one plan: everything is unknown and told by references alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attack.account import folder
from tests.attack.contracts import KEPT, NEW, PROMISES
from tests.attack.planned import Module, Ref, Resource, make, res
from tests.attack.run import contract, gate, outcomes
from tests.attack.stack import OUT, application, rule

MODULES = [
    Module(
        "sgs", {"vpc_id": Ref("aws_vpc.main.id"), "lb_sg": Ref("aws_security_group.lb.id")},
        {"web_id": Ref("aws_security_group.web.id"), "db_id": Ref("aws_security_group.db.id")},
    )
]  # fmt: skip
MOVED = (
    "aws_security_group.web", "aws_security_group.db", "aws_security_group_rule.web_in",
    "aws_vpc_security_group_ingress_rule.db_in",
)  # fmt: skip


def find(world: list[Resource], address: str) -> Resource:
    """The resource at an address."""
    return next(one for one in world if one.address == address)


def in_module() -> list[Resource]:
    """The application with the groups of the machines and the database, and their rules, in a module."""
    made = [one for one in application() if one.address not in MOVED]
    where = "module.sgs"
    for name in ("web", "db"):
        made.append(res("aws_security_group", name, at=where, name=name, vpc_id=Ref("var.vpc_id"), egress=[OUT]))
    made.append(res("aws_security_group_rule", "web_in", at=where, type="ingress", from_port=8080, to_port=8080,
                    protocol="tcp", security_group_id=Ref("aws_security_group.web.id"),
                    source_security_group_id=Ref("var.lb_sg"), self=False))  # fmt: skip
    made.append(res("aws_vpc_security_group_ingress_rule", "db_in", at=where, from_port=5432, to_port=5432,
                    ip_protocol="tcp", security_group_id=Ref("aws_security_group.db.id"),
                    referenced_security_group_id=Ref("aws_security_group.web.id")))  # fmt: skip
    for one in made:
        given = one.values.get("vpc_security_group_ids")
        if given:
            one.values["vpc_security_group_ids"] = [Ref(f"module.sgs.{each.to.split('.')[1]}_id") for each in given]
    find(made, "aws_security_group.lb").values["egress"] = [OUT]
    return made


@pytest.mark.parametrize("with_estate", [False, True])
def test_everything_new_is_kept_where_the_configuration_says_so(tmp_path: Path, with_estate: bool) -> None:
    """Nothing has an id, address or group yet, and still every promise is kept for certain."""
    new = application()
    if with_estate:  # an account that has the application already; the plan makes a second one under other names
        for one in new:
            for name in ("name", "identifier"):
                if isinstance(one.values.get(name), str):
                    one.values[name] += "2"
        promises = {
            name: {key: value.replace(":", ":aws_security_group.") if str(value).startswith("group:") else
                   value.replace("lb:web", "lb:web2") for key, value in one.items()}
            for name, one in PROMISES.items()
        }  # fmt: skip
    else:
        promises = PROMISES
    estate = folder(tmp_path / "estate") if with_estate else None
    status, rows, _ = gate(tmp_path, make([], new), promises, estate=estate)
    assert dict.fromkeys(PROMISES, NEW) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


def test_nothing_changes(tmp_path: Path) -> None:
    """A plan without changes keeps everything, before, during and after."""
    status, rows, _ = gate(tmp_path, make(application(), application()), PROMISES)
    assert dict.fromkeys(PROMISES, KEPT) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


def test_groups_in_a_module(tmp_path: Path) -> None:
    """Groups made in a module and handed out as outputs are found through variables and outputs."""
    status, rows, _ = gate(tmp_path, make([], in_module(), modules=MODULES), PROMISES)
    assert dict.fromkeys(PROMISES, NEW) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


def test_groups_moved_into_a_module(tmp_path: Path) -> None:
    """``moved`` blocks alone change no flow."""
    old = application()
    for name in ("lb", "web", "db"):
        find(old, f"aws_security_group.{name}").values["egress"] = [OUT]
    plan = make(old, in_module(), modules=MODULES, moved={f"module.sgs.{one}": one for one in MOVED})
    status, rows, _ = gate(tmp_path, plan, PROMISES)
    assert dict.fromkeys(PROMISES, KEPT) == {name: outcomes(row) for name, row in rows.items()}
    assert 0 == status


def test_group_without_egress_blocks(tmp_path: Path) -> None:
    """Terraform takes away the egress rule that AWS gives a new group (provider, *NOTE on Egress*)."""
    new = application()
    find(new, "aws_security_group.web").values.pop("egress")
    status, rows, _ = gate(tmp_path, make([], new), PROMISES)
    assert ["db", "out"] == sorted(name for name, row in rows.items() if row["outcome"] == "broken")
    assert 1 == status


def test_rule_that_nobody_asks_for(tmp_path: Path) -> None:
    """From scratch, what the configuration does not open is not open: broken for certain, with a repair."""
    wanted = {**PROMISES, "more": contract("reach", "group:web", "group:db", "tcp/6000")}
    status, rows, _ = gate(tmp_path, make([], application()), wanted)
    assert "broken" == rows["more"]["outcome"]
    assert [{"service": "tcp/6000", "direction": "ingress", "peer": "aws_security_group.web"}] == [
        {key: edit[key] for key in ("service", "direction", "peer")} for edit in rows["more"]["repair"]
    ]
    assert 1 == status


def _everywhere(world: list[Resource]) -> None:
    find(world, "aws_security_group.web").values["ingress"] = [rule(22, "0.0.0.0/0")]
    for at in (0, 1):
        find(world, f"aws_instance.web[{at}]").values["subnet_id"] = Ref(f"aws_subnet.public[{at}].id")


def _database_open(world: list[Resource]) -> None:
    find(world, "aws_security_group.db").values["ingress"] = [rule(5432, "10.0.0.0/16")]
    find(world, "aws_security_group.lb").values["egress"] = [OUT]


@pytest.mark.parametrize(("change", "name"), [(_everywhere, "no-shell"), (_database_open, "only")])
def test_openings_are_seen_in_a_new_network(
    tmp_path: Path, change: Callable[[list[Resource]], None], name: str
) -> None:
    """never-reach and only-from break for certain on networks and machines that do not exist yet."""
    new = application()
    change(new)
    status, rows, _ = gate(tmp_path, make([], new), PROMISES)
    assert "broken" == rows[name]["outcome"]
    assert 1 == status
