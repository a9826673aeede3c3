"""Route tables as disjoint legs, against the longest prefix found one by one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.addresses import EVERYWHERE, parse_address, parse_network
from doorward.model.estate import PrefixList, Route, RouteTable, TargetKind
from doorward.model.intervals import EMPTY, Intervals, union
from doorward.reach import routes
from doorward.reach.world import Bound, World
from tests.contracts.scene import estate

laws = settings(max_examples=200, deadline=None)
NETWORKS = [f"10.0.0.{first}/{length}" for length in (29, 30, 31, 32) for first in range(0, 8, 1 << (32 - length))]
NETWORKS += ["0.0.0.0/0", "10.0.0.0/16", "::/0", "2001:db8::/32", "2001:db8::4/126"]
KINDS: list[TargetKind] = ["local", "internet-gateway", "nat-gateway", "blackhole", "peering"]
PROBES = [parse_address(f"10.0.0.{last}") for last in range(9)]
PROBES += [parse_address(text) for text in ("10.0.1.1", "192.0.2.1", "2001:db8::5", "2001:db8::8", "2600::1")]
TABLES = st.lists(
    st.builds(
        lambda network, kind, number, propagated: Route(parse_network(network), kind, f"target-{number}", propagated),
        st.sampled_from(NETWORKS), st.sampled_from(KINDS), st.integers(0, 3), st.booleans(),
    ),
    max_size=8,
    unique_by=lambda route: (route.destination, route.propagated),
)  # fmt: skip


def world(*table: Route, **lists: Intervals) -> World:
    """A world in which both subnets have these routes."""
    base = estate({})
    known = {name.replace("_", "-"): PrefixList(name.replace("_", "-"), cidrs=cidrs) for name, cidrs in lists.items()}
    return World(
        replace(base, route_tables={"table": RouteTable("table", "vpc", table, main=True)}, prefix_lists=known)
    )


def longest(table: list[Route], address: int) -> Route | None:
    """The most specific route, a static one before a propagated one (VPC User Guide, *Route priority*)."""
    found: list[Route] = []
    for route in table:
        assert not isinstance(route.destination, str)
        if route.destination[0] <= address <= route.destination[1]:
            found.append(route)
    return min(found, key=lambda one: (one.destination[1] - one.destination[0], one.propagated), default=None)  # type: ignore[operator]


@laws
@given(TABLES)
def test_longest_prefix(table: list[Route]) -> None:
    """Every address goes where its most specific route leads."""
    made = world(*table)
    assert [longest(table, probe) for probe in PROBES] == [routes.lookup(made, "a", "vpc", probe) for probe in PROBES]


@laws
@given(TABLES, st.randoms(use_true_random=False))
def test_order_is_nothing(table: list[Route], chance: object) -> None:
    """The order of routes in the file is nothing."""
    again = list(table)
    chance.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    one, other = world(*table), world(*again)
    for probe in PROBES:
        assert routes.lookup(one, "a", "vpc", probe) == routes.lookup(other, "a", "vpc", probe)


@laws
@given(TABLES)
def test_legs_are_disjoint(table: list[Route]) -> None:
    """Legs do not overlap, and cover what the routes cover."""
    legs = routes.legs(world(*table), "table", "vpc")
    whole = union(leg.addresses for leg in legs)
    assert whole.size == sum(leg.addresses.size for leg in legs)
    assert Intervals(route.destination for route in table if not isinstance(route.destination, str)) == whole


@laws
@given(TABLES)
def test_ways_out_are_disjoint(table: list[Route]) -> None:
    """No address leaves by two ways; gateways that are not attached, blackholes and local routes are none."""
    found = routes.outward(world(*table), "a", "vpc", Bound.UPPER)
    parts = [found.internet, found.egress_only, found.hidden, *found.nat.values()]
    assert union(parts).size == sum(part.size for part in parts)
    assert EMPTY == found.internet  # target-n is not the VPC's gateway


def test_unknown_table() -> None:
    """A table that is not known still has the VPC's local routes; all else is unknown."""
    base = estate({})
    made = World(replace(base, route_tables={}))
    local = routes.lookup(made, "a", "vpc", parse_address("10.0.9.9"))
    other = routes.lookup(made, "a", "vpc", parse_address("10.1.0.1"))
    assert local is not None
    assert other is not None
    assert ("local", "unknown") == (local.kind, other.kind)
    assert (
        EVERYWHERE - Intervals([parse_network("10.0.0.0/16")]) == routes.outward(made, "a", "vpc", Bound.UPPER).hidden
    )


def test_prefix_list_route() -> None:
    """Entries of a list compete by their own lengths; at the same length a static CIDR wins."""
    listed = Intervals([parse_network("10.0.0.4/30"), parse_network("192.0.2.0/24")])
    by_list = Route("pl_1", "nat-gateway", "nat")._replace(destination="pl-1")
    wide, same = (
        Route(parse_network("10.0.0.0/29"), "peering", "pcx"),
        Route(parse_network("192.0.2.0/24"), "peering", "pcx"),
    )
    made = world(wide, by_list, same, pl_1=listed)
    assert [wide, by_list, same] == [
        routes.lookup(made, "a", "vpc", parse_address(text)) for text in ("10.0.0.1", "10.0.0.5", "192.0.2.9")
    ]
