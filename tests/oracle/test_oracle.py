"""The oracle against known answers: AWS's documentation (each corner cites it), and inputs made by others.

np-guard's tables and the facts of the data README come out the same. Where the oracle says "unknown" and np-guard gives
an answer, the input lacks route tables: np-guard takes an internet gateway for a route, AWS does not (*VPC User Guide,
Route tables*: a subnet's packets go where its route table says).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import compare, corners
from tests.oracle.judge import judge, read_services, sample
from tests.oracle.oracle import connection_opens, packet_arrives
from tests.oracle.world import Service, World

DATA = Path(__file__).parents[3] / "shared" / "data" / "aws-snapshots"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the folder of inputs made by others is not beside the project"
)
Json = dict[str, Any]


@pytest.mark.parametrize("name", corners.CORNERS)
def test_corner_as_documented(name: str) -> None:
    """The oracle gives the documented outcome of every corner."""
    corner, expected = corners.CORNERS[name]
    estate, contract = corner()
    assert expected == judge(estate, contract), corner.__doc__


@pytest.mark.parametrize("name", corners.CORNERS)
def test_engine_on_corner(name: str) -> None:
    """So does the engine."""
    corner, expected = corners.CORNERS[name]
    estate, contract = corner()
    assert expected == str(compare.engine_verdicts(estate, [contract])[0].outcome), corner.__doc__


def bare(value: Any) -> Any:
    """The same without nulls, which one collector writes for what the AWS CLI leaves out."""
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items() if inner is not None}
    return [bare(inner) for inner in value] if isinstance(value, list) else value


def folder(name: str) -> World:
    """A folder of describe answers."""
    estate: Json = {}
    for path in sorted((DATA / name).glob("*.json")):
        estate |= bare(json.loads(path.read_text()))
    health = estate.pop("LoadBalancerTargetHealth", [])
    estate["TargetHealth"] = {one["TargetGroupArn"]: one for one in health}
    return World(estate)


def nic_of(world: World, instance: str) -> tuple[str, str]:
    """Interface and primary address of an instance."""
    for one in world.all("NetworkInterfaces"):
        if one.get("Attachment", {}).get("InstanceId") == instance:
            return one["NetworkInterfaceId"], one["PrivateIpAddress"]
    raise AssertionError(instance)


def open_ports(world: World, source: tuple[str, str], target: tuple[str, str]) -> set[int]:
    """TCP ports of interest on which a connection opens for certain."""
    ports = (21, 22, 23, 79, 80, 81, 443, 8080)
    return {port for port in ports if connection_opens(world, *source, *target, 6, port) == "yes"}


@needs_data
def test_load_balancer_listens_on_its_port_only() -> None:
    """The client reaches the balancer's addresses on tcp/80 and not on tcp/81; both servers are behind it."""
    world = folder("batfish-load-balancer")
    client = nic_of(world, "i-0c8ce8bbdd98cc4e8")
    nodes = [nic for nic in world.nics.values() if nic.kind == "network_load_balancer"]
    assert nodes
    for node in nodes:
        target = next(
            one["PrivateIpAddress"] for one in world.all("NetworkInterfaces") if one["NetworkInterfaceId"] == node.id
        )
        assert {80} == open_ports(world, client, (node.id, target))
    registered = {
        target["Target"]["Id"]
        for one in world.estate["TargetHealth"].values()
        for target in one["TargetHealthDescriptions"]
    }
    assert {"i-055b0db7be365202c", "i-0f4af951d61a19245"} <= registered


@needs_data
def test_public_and_private_subnet() -> None:
    """The internet opens tcp/22 on the public instance and nothing else; the two reach each other on tcp/22 only."""
    world = folder("batfish-public-private-subnet")
    open_, closed = nic_of(world, "i-094a9e5b545a4fde4"), nic_of(world, "i-099cf38911942421c")
    outside = ("internet", "9.9.9.9")
    assert {22} == open_ports(world, outside, (open_[0], "13.58.55.60"))
    assert set() == open_ports(world, outside, closed)
    assert {22} == open_ports(world, open_, closed)
    assert {22} == open_ports(world, closed, open_)
    assert "yes" == connection_opens(world, *open_, "internet", "8.8.8.8", 6, 443)
    assert "yes" != connection_opens(world, *closed, "internet", "8.8.8.8", 6, 443)


@needs_data
def test_peering_is_not_transitive() -> None:
    """tcp/22 passes between peered neighbours; the two neighbours of the VPC in the middle do not reach each other."""
    world = folder("batfish-vpc-peering")
    ends = {one["PrivateIpAddress"]: one["NetworkInterfaceId"] for one in world.all("NetworkInterfaces")}
    first, second, middle = ("192.168.1.106", "192.168.2.229", "10.10.10.157")
    for one in (first, second):
        assert {22} == open_ports(world, (ends[one], one), (ends[middle], middle))
        assert {22} == open_ports(world, (ends[middle], middle), (ends[one], one))
    assert set() == open_ports(world, (ends[first], first), (ends[second], second))
    assert set() == open_ports(world, (ends[second], second), (ends[first], first))


COLLECTED = {
    "internet_gateways": "InternetGateways", "network_acls": "NetworkAcls", "security_groups": "SecurityGroups",
    "subnets": "Subnets", "vpcs": "Vpcs",
}  # fmt: skip
INTERNET = "Public Internet (all ranges)"


def collected(name: str) -> tuple[World, dict[str, str], dict[tuple[str, str], str]]:
    """A collector's file: the estate, interface by address, and np-guard's table."""
    raw = bare(json.loads((DATA / f"np-guard-{name}.json").read_text()))
    estate = {key: raw.get(old, []) for old, key in COLLECTED.items()}
    estate["NetworkInterfaces"] = [nic for one in raw["instances"] for nic in one.get("NetworkInterfaces", [])]
    table = {}
    for line in (DATA / f"np-guard-{name}.connectivity.txt").read_text().splitlines():
        found = re.match(r"(.+?) => (.+?) : (.+)", line)
        if found:
            ends = [re.sub(r".*\[(.*)\]", r"\1", found[at]) for at in (1, 2)]
            table[ends[0], ends[1]] = found[3]
    return (
        World(estate),
        {nic["PrivateIpAddress"]: nic["NetworkInterfaceId"] for nic in estate["NetworkInterfaces"]},
        table,
    )


def allowed(service: Service, text: str | None) -> bool:
    """Does a cell of np-guard's table hold the service?"""
    if text is None or text == "All Connections":
        return text is not None
    found = re.match(r"protocol: (\w+)(?: dst-ports: (\d+))?$", text)
    assert found, text
    spans = read_services(found[1].lower() + (f"/{found[2]}" if found[2] else ""))
    return any(protocol == service.protocol and low <= service.detail <= high for protocol, low, high in spans)


@needs_data
@pytest.mark.parametrize("name", ["aws_sg_1", "basic_config_with_sg"])
def test_connectivity_table(name: str) -> None:
    """Every pair of instances, and the internet inwards: the same cells as np-guard's, service by service."""
    world, ends, table = collected(name)
    services = [one for one in sample(world, read_services("all")) if one.protocol != 58]
    for target, nic in ends.items():
        for service in services:
            for source, other in ends.items():
                if source != target:
                    arrives = packet_arrives(world, other, source, nic, target, *service)
                    assert allowed(service, table.get((source, target))) == (arrives == "yes"), (
                        source,
                        target,
                        service,
                    )
            arrives = packet_arrives(world, "internet", "9.9.9.9", nic, target, *service)
            assert allowed(service, table.get((INTERNET, target))) == (arrives == "yes"), (target, service)


@needs_data
@pytest.mark.parametrize("name", ["aws_sg_1", "basic_config_with_sg"])
def test_without_route_tables_the_way_out_is_unknown(name: str) -> None:
    """np-guard lets out whoever has a public address; without route tables the oracle cannot tell."""
    world, ends, table = collected(name)
    for source, nic in ends.items():
        leaves = packet_arrives(world, nic, source, "internet", "9.9.9.9", 6, 443)
        assert leaves in (("unknown",) if (source, INTERNET) in table else ("unknown", "no"))
