"""Many mixed changes: what three plans and a snapshot say of the same two states must agree."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attack.account import folder
from tests.attack.contracts import PROMISES
from tests.attack.planned import Ref, Resource, make, res
from tests.attack.run import gate, outcomes
from tests.attack.stack import OUT, application, rule
from tests.attack.test_updates import both, drop, put

World = list[Resource]
SG = "aws_security_group"
BADNESS = {"kept": 0, "cannot-tell": 1, "broken": 2}


def add(kind: str, name: str, **values: Any) -> Callable[[World], World]:
    """A change that adds a resource."""
    return lambda world: [*world, res(kind, name, **values)]


CHANGES: dict[str, Callable[[World], World]] = {
    "web rule": drop("aws_security_group_rule.web_in"),
    "db rule": drop("aws_vpc_security_group_ingress_rule.db_in"),
    "more ports": put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/0"), rule(80, "0.0.0.0/0")]),
    "description": put(f"{SG}.lb", ingress=[rule(443, "0.0.0.0/0", description="x")]),
    "less egress": put(f"{SG}.web", egress=[rule(5432, Ref(f"{SG}.db.id")), rule(443, "0.0.0.0/0")]),
    "no egress": put(f"{SG}.web", egress=[]),
    "open database": put(f"{SG}.db", ingress=[rule(5432, "10.0.1.0/24")]),
    "open balancer": put(f"{SG}.lb", egress=[OUT]),
    "listener": put("aws_lb_listener.https", port=8443),
    "health": put("aws_lb_target_group.web", health_check=[{"port": "9000", "protocol": "HTTP", "enabled": True}]),
    "no way out": drop("aws_route.out"),
    "no way back": put("aws_route_table.public", route=[]),
    "by network": add("aws_vpc_security_group_ingress_rule", "alt", security_group_id=Ref(f"{SG}.db.id"),
                      cidr_ipv4="10.0.10.0/23", from_port=5432, to_port=5432, ip_protocol="tcp"),
    "shell": add("aws_security_group_rule", "sh", type="ingress", from_port=22, to_port=22, protocol="tcp",
                 security_group_id=Ref(f"{SG}.web.id"), cidr_blocks=["0.0.0.0/0"], self=False),
    "more groups": both(*(put(f"aws_instance.web[{at}]", vpc_security_group_ids=[
        Ref(f"{SG}.web.id"), Ref(f"{SG}.lb.id")]) for at in (0, 1))),
}  # fmt: skip
MIXED = [one for size in (1, 2, 3) for one in itertools.combinations(CHANGES, size)]
CHOSEN = random.Random(20240215).sample(MIXED, 24)


@pytest.mark.parametrize("names", CHOSEN, ids="+".join)
def test_states_and_moments_agree(tmp_path: Path, names: tuple[str, ...]) -> None:
    """After a plan = before the plan that follows = after its undoing's before; no moment is better than both ends."""

    def changed() -> World:
        return both(*(CHANGES[name] for name in names))(application())

    status, there, _ = gate(tmp_path, make(application(), changed()), PROMISES)
    _, stay, _ = gate(tmp_path, make(changed(), changed()), PROMISES)
    _, back, _ = gate(tmp_path, make(changed(), application()), PROMISES)
    _, over, _ = gate(tmp_path, make(application(), changed()), PROMISES, estate=folder(tmp_path / "estate"))
    worst = 0
    for name in PROMISES:
        before, during, after = outcomes(there[name])
        assert (after, after, after) == outcomes(stay[name])
        assert (after, before) == (back[name]["before"], back[name]["outcome"])
        assert (before, during, after) == outcomes(over[name])
        assert BADNESS[during] >= max(BADNESS[before], BADNESS[after])
        assert after == there[name]["connections"]["new"]
        worst = max(worst, BADNESS[after], BADNESS[during] if before == "kept" else 0)
    assert {0: 0, 1: 3, 2: 1}[worst] == status
