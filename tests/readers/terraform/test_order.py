"""What each step waits for: only what Terraform guarantees."""

from __future__ import annotations

from typing import Any

from doorward.model.plan import Plan
from tests.readers.terraform.maker import Maker, ref, step

RULE = "aws_vpc_security_group_ingress_rule"


def values(number: int = 1, **more: Any) -> dict[str, Any]:
    """The values of a rule."""
    return {
        "id": f"sgr-{number}",
        "security_group_id": "sg-1",
        "ip_protocol": "tcp",
        "from_port": number,
        "to_port": number,
        "cidr_ipv4": "10.0.0.0/8",
        **more,
    }


def updates(*names: str, **config: dict[str, Any]) -> Maker:
    """A plan that updates these rules."""
    make = Maker()
    for number, name in enumerate(names):
        own = config.get(name.rpartition(".")[2], {})
        make.update(name, values(number), {"cidr_ipv4": "10.9.0.0/16"}, {}, own)
    return make


def needs(plan: Plan, id: str) -> set[str]:
    """What a step waits for."""
    return set(step(plan, id).needs)


def test_update_waits_for_what_it_refers_to() -> None:
    """A reference, direct or through others that change nothing, is waited for."""
    make = updates(
        f"{RULE}.a",
        f"{RULE}.b",
        f"{RULE}.c",
        b={"description": ref("aws_vpc.v.id")},
        c={"description": ref(f"{RULE}.b.id")},
    )
    make.existing("aws_vpc.v", {"id": "vpc-1"}, {"tags": ref(f"{RULE}.a.id")})
    plan = make.read()
    assert set() == needs(plan, f"{RULE}.a")
    assert {f"{RULE}.a"} == needs(plan, f"{RULE}.b")
    assert {f"{RULE}.a", f"{RULE}.b"} == needs(plan, f"{RULE}.c")


def test_depends_on_and_for_each_count() -> None:
    """``depends_on`` and what count and for_each refer to are references too."""
    make = updates(f"{RULE}.a", f"{RULE}.b", f"{RULE}.c")
    make.root["resources"][1]["depends_on"] = [f"{RULE}.a"]
    make.root["resources"][2]["for_each_expression"] = {"references": [f"{RULE}.b"]}
    plan = make.read()
    assert {f"{RULE}.a"} == needs(plan, f"{RULE}.b")
    assert {f"{RULE}.a", f"{RULE}.b"} == needs(plan, f"{RULE}.c")


def test_through_modules() -> None:
    """Outputs and variables carry the order; a module's depends_on holds for all in it."""
    make = updates(f"module.a.{RULE}.x", f"module.b.{RULE}.y", f"module.c.{RULE}.z", y={"description": ref("var.v")})
    make.output("module.a", "o", f"{RULE}.x.id")
    make.call("module.b", {"v": ref("module.a.o")})
    make.call("module.c", {}, depends_on=["module.b"])
    plan = make.read()
    assert {f"module.a.{RULE}.x"} == needs(plan, f"module.b.{RULE}.y")
    assert {f"module.a.{RULE}.x", f"module.b.{RULE}.y"} == needs(plan, f"module.c.{RULE}.z")


def test_through_data_sources() -> None:
    """A data source in between hands the order on."""
    make = updates(f"{RULE}.a", f"{RULE}.b", b={"description": ref("data.aws_vpc.v.id")})
    make.data("data.aws_vpc.v", {"id": "vpc-1"}, {"id": ref(f"{RULE}.a.id")})
    assert {f"{RULE}.a"} == needs(make.read(), f"{RULE}.b")


def test_deletes_run_against_the_references() -> None:
    """What refers to a thing is deleted before the thing; the state tells, as the configuration is gone."""
    make = Maker().delete(f"{RULE}.base", values(1))
    make.delete(f"{RULE}.user", values(2), depends_on=[f"{RULE}.base"])
    plan = make.read()
    assert {f"{RULE}.user"} == needs(plan, f"{RULE}.base")
    assert set() == needs(plan, f"{RULE}.user")


def test_replacement_chain() -> None:
    """Delete-first: user goes, base goes, base comes, user comes."""
    make = Maker().replace(f"{RULE}.base", values(1), {"cidr_ipv4": "10.9.0.0/16"}, {}, {})
    make.replace(f"{RULE}.user", values(2), {"cidr_ipv4": "10.9.0.0/16"}, {}, {"description": ref(f"{RULE}.base.id")})
    plan = make.read()
    base, user = f"{RULE}.base", f"{RULE}.user"
    assert {f"{user}#delete"} == needs(plan, f"{base}#delete")
    assert {f"{base}#delete", f"{user}#delete"} == needs(plan, f"{base}#create")
    assert {f"{base}#delete", f"{base}#create", f"{user}#delete"} == needs(plan, f"{user}#create")


def test_create_before_destroy_flips_the_order() -> None:
    """With create_before_destroy the old thing goes after everything that referred to it has changed."""
    make = Maker().replace(f"{RULE}.base", values(1), {"cidr_ipv4": "10.9.0.0/16"}, {}, {}, create_first=True)
    make.update(f"{RULE}.user", values(2), {"cidr_ipv4": "10.9.0.0/16"}, {}, {"description": ref(f"{RULE}.base.id")})
    plan = make.read()
    assert {f"{RULE}.base#create"} == needs(plan, f"{RULE}.user")
    assert {f"{RULE}.base#create", f"{RULE}.user"} == needs(plan, f"{RULE}.base#delete")


def test_unrelated_and_local_references_claim_nothing() -> None:
    """What a local value hands on is not in a plan: no order is claimed."""
    make = updates(f"{RULE}.a", f"{RULE}.b", b={"description": ref("local.x", "var.y", "path.module")})
    assert set() == needs(make.read(), f"{RULE}.b")


def test_copies_of_a_module_claim_no_order() -> None:
    """Two instances of one module with for_each."""
    make = updates(
        f'module.m["x"].{RULE}.a',
        f'module.m["x"].{RULE}.b',
        f'module.m["y"].{RULE}.b',
        b={"description": ref(f"{RULE}.a.id")},
    )
    plan = make.read()
    assert {f'module.m["x"].{RULE}.a'} == needs(plan, f'module.m["x"].{RULE}.b')
    assert set() == needs(plan, f'module.m["y"].{RULE}.b')


def test_cycles_end() -> None:
    """References in a circle cannot come from Terraform; the reader still ends, and no step waits for itself."""
    make = updates(
        f"{RULE}.a", f"{RULE}.b", a={"description": ref(f"{RULE}.b.id")}, b={"description": ref(f"{RULE}.a.id")}
    )
    plan = make.read()
    assert {f"{RULE}.b"} == needs(plan, f"{RULE}.a")
    assert {f"{RULE}.a"} == needs(plan, f"{RULE}.b")
