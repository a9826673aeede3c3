"""Real describe answers, made by others: all are read, and say what is known of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorward.model.addresses import parse_address
from doorward.model.estate import Listener
from doorward.model.services import rule_span
from doorward.readers.aws import read_estate
from tests.readers.aws_files import SHARED, texts

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared inputs are not beside the repository")

SNAPSHOTS = sorted((SHARED / "aws-snapshots").glob("batfish-*")) + sorted((SHARED / "aws-snapshots").glob("*.json"))
RECORDED = sorted((SHARED / "describe-security-groups").glob("*.json"))


@pytest.mark.parametrize("path", sorted({*SNAPSHOTS, *RECORDED}), ids=lambda path: path.name)
def test_every_input_is_read(path: Path) -> None:
    """Each file or folder is read; what it holds is an estate, or its one notice says that it is a recorded error."""
    estate = read_estate(path)
    for group in estate.groups.values():
        assert all(rule.service[0] <= rule.service[1] for rule in group.rules)
    assert estate.groups or "is an error, not an answer" in texts(estate)


def test_load_balancer_snapshot() -> None:
    """The network load balancer has one interface, a listener on tcp/80, and two servers on tcp/22 behind it."""
    estate = read_estate(SHARED / "aws-snapshots" / "batfish-load-balancer")
    (balancer,) = estate.load_balancers.values()
    assert ("network", "test-lb") == (balancer.kind, balancer.name)
    assert 2 == len(balancer.interfaces)
    (listener,) = balancer.listeners or ()
    assert Listener((rule_span("tcp", 80, 80),), listener.target_groups) == listener
    targets = estate.target_groups[listener.target_groups[0]].targets or ()
    assert {("i-055b0db7be365202c", 22), ("i-0f4af951d61a19245", 22)} == {(one.id, one.port) for one in targets}


def test_public_private_snapshot() -> None:
    """The private subnet's default route leads to a virtual private gateway, which is not looked into."""
    estate = read_estate(SHARED / "aws-snapshots" / "batfish-public-private-subnet")
    (vpc,) = estate.vpcs.values()
    assert (1, ("vgw-070087240d6fa2989",)) == (len(vpc.internet_gateways), vpc.hidden_gateways)
    private = next(one for one in estate.interfaces.values() if one.instance == "i-099cf38911942421c")
    table = estate.route_tables[estate.subnets[private.subnet].route_table or ""]
    assert ["local", "unmodelled"] == [route.kind for route in table.routes]
    public = next(one for one in estate.interfaces.values() if one.instance == "i-094a9e5b545a4fde4")
    assert [parse_address("13.58.55.60")] == [address for _, address in public.public]
    assert "" == texts(estate)


def test_peering_snapshot() -> None:
    """Two active peerings of the VPC in the middle, and routes over them."""
    estate = read_estate(SHARED / "aws-snapshots" / "batfish-vpc-peering")
    assert [True, True] == [one.active for one in estate.peerings.values()]
    kinds = {route.kind for table in estate.route_tables.values() for route in table.routes}
    assert {"local", "peering"} <= kinds
    assert all(one.route_table and one.acl for one in estate.subnets.values())


def test_collector_snapshot() -> None:
    """The collector's file has no route tables: they are not known, and said so for each VPC."""
    estate = read_estate(SHARED / "aws-snapshots" / "np-guard-aws_sg_1.json")
    assert {"proxy", "app1", "app2", "mydb", "dashboard"} == {
        one.name for one in estate.holders.values() if one.interfaces
    }
    assert all(one.route_table is None and one.acl for one in estate.subnets.values())
    assert 2 == sum(notice.resource == "RouteTables" for notice in estate.notices)
