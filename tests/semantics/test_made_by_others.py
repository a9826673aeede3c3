"""Inputs made by others come out as their makers say; each difference is told in
docs/explanation/inputs-of-others.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doorward import api
from doorward.contracts.language import parse_contracts
from doorward.model.addresses import parse_address
from doorward.model.estate import Estate
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.services import ALL_OF_FAMILY, parse_service
from doorward.reach.ends import accepts
from doorward.reach.private import flows
from doorward.reach.world import Bound, World

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "aws-snapshots"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not beside the project")
EVERYTHING = ALL_OF_FAMILY[4]
TABLES = ("np-guard-aws_sg_1", "np-guard-basic_config_with_sg")


def table(name: str) -> dict[tuple[str, str], Intervals]:
    """(source, target) → services of a connectivity table; ``internet`` or a private address."""
    found: dict[tuple[str, str], Intervals] = {}
    for line in (SHARED / f"{name}.connectivity.txt").read_text().splitlines():
        if " => " not in line:
            continue
        ends, _, services = line.partition(" : ")
        source, target = (_end(one) for one in ends.split(" => "))
        protocol = re.search(r"protocol: (\w+)", services)
        ports = re.search(r"dst-ports: ([\d-]+)", services)
        wanted = EVERYTHING
        if protocol:
            wanted = parse_service(protocol[1].lower() + (f"/{ports[1]}" if ports else ""))
        found[source, target] = wanted
    return found


def _end(text: str) -> str:
    address = re.search(r"\[([\d.]+)\]", text)
    return address[1] if address else "internet"


def private_flows(estate: Estate) -> dict[tuple[str, str], Intervals]:
    """What flows for certain between every two interfaces."""
    world = World(estate)
    found: dict[tuple[str, str], Intervals] = {}
    for component in world.all_components():
        for one in flows(
            component, component.all, component.all, EVERYTHING, Bound.LOWER, lambda c, b: accepts(world, c, b)
        ):
            for source in range(component.count):
                for target in range(component.count):
                    same = component.owner[source] == component.owner[target]
                    if one.sources >> source & 1 and one.targets >> target & 1 and not same:
                        key = (_text(component.starts[source]), _text(component.starts[target]))
                        found[key] = found.get(key, EMPTY) | Intervals([(one.first, one.last)])
    return found


def _text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


@needs_shared
@pytest.mark.parametrize("name", TABLES)
def test_np_guard_pairs(name: str) -> None:
    """Between instances, exactly the pairs and services of the table flow, no more and no fewer. The input has no
    route tables: within a VPC none is needed (VPC User Guide, *Route tables*: every table contains a local route)."""
    expected = {key: services for key, services in table(name).items() if "internet" not in key}
    actual = private_flows(api.read_estate(SHARED / f"{name}.json"))
    assert expected == actual


@needs_shared
@pytest.mark.parametrize("name", TABLES)
def test_np_guard_internet(name: str) -> None:
    """What the internet sends arrives at exactly the instances of the table, on all services."""
    estate = api.read_estate(SHARED / f"{name}.json")
    addresses = {one.id: _text(one.addresses[0][0]) for one in estate.interfaces.values()}
    expected = {target: services for (source, target), services in table(name).items() if source == "internet"}
    exposed = api.exposure(estate)
    actual = {addresses[one.interface]: one.services for one in exposed}
    assert expected == actual
    # Whether the answers return, and what instances open outside, depends on routes, which the input does not have.
    assert {False} == {one.answered for one in exposed}
    for (_, target), _services in ((key, value) for key, value in table(name).items() if key[0] == "internet"):
        assert "cannot-tell" == judged(estate, f"{{must: reach, from: internet, to: {target}/32, service: tcp/443}}")
        assert "broken" == judged(estate, f"{{must: never-reach, from: internet, to: {target}/32, service: tcp/443}}")


def judged(estate: Estate, contract: str) -> str:
    """The outcome of one contract."""
    (verdict,) = api.check(parse_contracts(f"version: 1\ncontracts:\n  it: {contract}\n"), estate).verdicts
    return verdict.outcome.value


@needs_shared
def test_batfish_load_balancer() -> None:
    """The client reaches the balancer's addresses on tcp/80 and not on tcp/81; both servers are behind it."""
    estate = api.read_estate(SHARED / "batfish-load-balancer")
    client = "instance:i-0c8ce8bbdd98cc4e8"
    assert "kept" == judged(estate, f"{{must: reach, from: '{client}', to: 'lb:test-lb', service: tcp/80}}")
    assert "broken" == judged(estate, f"{{must: reach, from: '{client}', to: 'lb:test-lb', service: tcp/81}}")
    assert "kept" == judged(estate, f"{{must: never-reach, from: '{client}', to: 'lb:test-lb', service: tcp/81}}")
    groups = {
        name for one in estate.load_balancers.values() for each in one.listeners or () for name in each.target_groups
    }
    behind = {target.id for name in groups for target in estate.target_groups[name].targets or ()}
    assert {"i-055b0db7be365202c", "i-0f4af951d61a19245"} <= behind


@needs_shared
def test_batfish_public_private_subnet() -> None:
    """The internet opens tcp/22 on 13.58.55.60 and nothing else; the two reach each other on tcp/22 only; the public
    one
    reaches 8.8.8.8, the private one has no way to the internet."""
    estate = api.read_estate(SHARED / "batfish-public-private-subnet")
    opened = [(one.address, one.services, one.answered, one.certain) for one in api.exposure(estate)]
    assert [(parse_address("13.58.55.60"), parse_service("tcp/22"), True, True)] == opened
    public, private = "instance:i-094a9e5b545a4fde4", "instance:i-099cf38911942421c"
    for source, target in ((public, private), (private, public)):
        assert "kept" == judged(estate, f"{{must: reach, from: '{source}', to: '{target}', service: tcp/22}}")
        for service in ("tcp/0-21", "tcp/23-65535", "udp", "icmp"):
            one = f"{{must: never-reach, from: '{source}', to: '{target}', service: {service}}}"
            assert "kept" == judged(estate, one)
    assert "kept" == judged(estate, f"{{must: reach, from: '{public}', to: 8.8.8.8/32, service: udp/53}}")
    assert "kept" != judged(estate, f"{{must: reach, from: '{private}', to: 8.8.8.8/32, service: udp/53}}")
    assert "kept" == judged(estate, f"{{must: never-reach, from: internet, to: '{private}', service: all}}")


@needs_shared
def test_batfish_vpc_peering() -> None:
    """tcp/22 passes between the peered neighbours and nothing else; neighbours of the middle one do not meet."""
    estate = api.read_estate(SHARED / "batfish-vpc-peering")
    expected = parse_service("tcp/22")
    pairs = private_flows(estate)
    assert {expected} == set(pairs.values())
    assert ("192.168.1.106", "192.168.2.229") not in pairs
    assert ("192.168.2.229", "192.168.1.106") not in pairs
    assert 4 == len(pairs)
