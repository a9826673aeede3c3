"""All pairs at once are what the flows of one pair of classes after the other add up to."""

from __future__ import annotations

import random

import pytest

from doorward.model.estate import Estate
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.services import ALL
from doorward.reach.ends import accepts
from doorward.reach.pairs import Pairs, all_pairs
from doorward.reach.private import flows
from doorward.reach.world import Bound, Cls, Component, World, numbers_in
from tests.reach.test_overlay import _estate
from tests.reach.test_watch import read

Flows = dict[tuple[int, int], Intervals]


def by_flows(component: Component, bound: Bound) -> Flows:
    """(source endpoint, target endpoint) → services, from ``private.flows``; nobody reaches his own interface."""

    def listened(cls: Cls, side: Bound) -> Intervals:
        return accepts(component.world, cls, side)

    found: Flows = {}
    for flow in flows(component, component.all, component.all, ALL, bound, listened):
        services = Intervals([(flow.first, flow.last)])
        for source in numbers_in(flow.sources):
            for target in numbers_in(flow.targets):
                if component.owner[source] != component.owner[target]:
                    found[source, target] = found.get((source, target), EMPTY) | services
    return found


def by_pairs(pairs: Pairs) -> Flows:
    """The same from the result of all pairs."""
    component = pairs.component
    found: Flows = {}
    for pair in pairs:
        for source in numbers_in(pair.sources):
            for target in numbers_in(pair.targets):
                if component.owner[source] != component.owner[target]:
                    assert (source, target) not in found
                    found[source, target] = pair.services
    return found


def compare(estate: Estate) -> int:
    """Both bounds of one estate; how many pairs there were."""
    count = 0
    for bound in Bound:
        for pairs in all_pairs(World(estate), bound):
            expected = by_flows(World(estate).component_of(pairs.component.vpcs[0]), bound)
            assert expected == by_pairs(pairs)
            count += len(expected)
    return count


def test_small_estates_by_hand() -> None:
    """Classes, references, families and subnets of a fixed shape with random rules."""
    chance = random.Random(5)
    assert sum(compare(_estate(chance)) for _ in range(60)) > 1000


@pytest.mark.parametrize("part", range(3))
def test_random_estates(part: int) -> None:
    """Peerings, transit gateways, ACLs, balancers, prefix lists and unknowns of random estates."""
    found = 0
    for seed in range(part * 60, part * 60 + 60):
        made = read(seed, 1)
        if made is not None:
            found += compare(made[0])
    assert found > 200


def test_counting_leaves_out_whom_an_interface_reaches_alone() -> None:
    """Atoms of one interface do not reach themselves, so that the count is of real pairs."""
    for seed in range(40):
        made = read(seed, 1)
        if made is None:
            continue
        for pairs in all_pairs(World(made[0])):
            if all(atom.interface is not None for atom in pairs.atoms):
                assert sum(1 for _ in by_pairs(pairs)) == sum(
                    pair.sources.bit_count() * pair.targets.bit_count() for pair in pairs
                )


def test_pair_and_target_views_agree() -> None:
    """``on`` one service says what the list of pairs says."""
    chance = random.Random(9)
    for _ in range(10):
        for pairs in all_pairs(World(_estate(chance))):
            for at in range(len(pairs.atoms)):
                for service in (6 * 65_536 + 80, 17 * 65_536 + 53, 0):
                    expected = {
                        pair.sources
                        for pair in pairs
                        if pair.targets == pairs.atoms[at].endpoints and service in pair.services
                    }
                    assert expected == {pairs.atoms[one].endpoints for one in numbers_in(pairs.on(at, service))}
