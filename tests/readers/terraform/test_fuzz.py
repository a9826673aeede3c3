"""Damaged plans: read or refused, never a traceback, never a hang."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.errors import InvalidInput
from doorward.readers.terraform import parse
from tests.readers.terraform.maker import Maker, ref, rule
from tests.readers.terraform.test_snapshot import snapshot

_JUNK: list[Any] = [
    None, True, False, 0, -1, 1.5, "", "x", "sg-1", "0.0.0.0/0", "module.a[0].x[", "[", [], {}, [None], [True], [{}],
    ["x"], {"x": 1}, {"references": ["a.b"]}, {"references": 3}, {"constant_value": None}, 99_999_999_999, "é\u0000",
    {"references": ["module.a", "var.x", "each.value.x", "local.z"]}, "aws_vpc.main",
]  # fmt: skip
JUNK = st.sampled_from(_JUNK)


def document() -> dict[str, Any]:
    """A plan with one of most things."""
    make = Maker().create("aws_vpc.main", {"cidr_block": "10.0.0.0/16"}, {}, {"cidr_block": "10.0.0.0/16"})
    make.create("aws_subnet.a", {"cidr_block": "10.0.1.0/24"}, {"vpc_id": True}, {"vpc_id": ref("aws_vpc.main.id")})
    make.update("aws_security_group.web", {"id": "sg-1", "ingress": [rule(443, self=True)]}, {"ingress": [rule(22)]})
    make.create(
        "module.m.aws_vpc_security_group_ingress_rule.r",
        {"ip_protocol": "tcp", "from_port": 1, "to_port": 2, "security_group_id": "sg-1"},
        {"referenced_security_group_id": True},
        {"referenced_security_group_id": ref("var.group")},
    )
    make.call("module.m", {"group": ref("aws_security_group.web.id")})
    make.create(
        "aws_instance.i",
        {"network_interface": []},
        {"subnet_id": True, "vpc_security_group_ids": True},
        {"subnet_id": ref("aws_subnet.a.id"), "vpc_security_group_ids": ref("local.groups")},
    )
    make.existing("aws_lb.b", {"id": "arn:b", "arn": "arn:b", "subnets": ["subnet-1"], "security_groups": ["sg-1"]})
    make.delete("aws_route.r", {"id": "r", "route_table_id": "rtb-2", "destination_cidr_block": "0.0.0.0/0"})
    make.data("data.aws_subnet.d", {"id": "subnet-1", "cidr_block": "10.0.0.0/24", "vpc_id": "vpc-1"})
    return make.document()


DOCUMENT = document()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths into a JSON value."""
    found = [path] if path else []
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in steps:
        found.extend(places(one, (*path, key)))
    return found


PLACES = places(DOCUMENT)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=4), st.booleans())
def test_damaged_plans_are_read_or_refused(damage: list[tuple[tuple[Any, ...], Any]], over: bool) -> None:
    """Any value anywhere may be anything: the answer is a plan or an error for people."""
    made = copy.deepcopy(DOCUMENT)
    for path, junk in damage:
        at: Any = made
        try:
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = copy.deepcopy(junk)  # or later damage would get into the list of junk itself
        except (KeyError, IndexError, TypeError):
            continue
    try:
        parse(json.dumps(made).encode(), "plan.json", snapshot() if over else None)
    except InvalidInput as error:
        assert "plan.json" in str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_damaged_bytes_are_refused(noise: bytes, at: int) -> None:
    """Bytes in the middle of a plan: the answer is a plan or an error for people."""
    raw = json.dumps(DOCUMENT).encode()
    cut = at % len(raw)
    try:
        parse(raw[:cut] + noise + raw[cut + len(noise) :], "plan.json")
    except InvalidInput as error:
        assert "plan.json" in str(error)
