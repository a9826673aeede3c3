"""What is said of many public ways at once holds for each of them."""

from __future__ import annotations

import random

from doorward.model.services import EPHEMERAL, parse_service
from doorward.reach.public import all_open, opens
from doorward.reach.world import Bound, World, numbers_in
from tests.reach.test_overlay import _estate
from tests.reach.test_watch import read

SERVICES = [parse_service(text) for text in ("tcp/80", "tcp/443", "udp/53", "tcp/22-443", "icmp/8", "all")]


def tried(world: World) -> int:
    """All pairs of classes of one world; how often all was open."""
    found = 0
    for here in world.all_components():
        for there in world.all_components():
            for source in here.classes:
                for target in there.classes:
                    for bound in Bound:
                        six = target.bits6 if world.has_internet_gateway(target.key.vpc, bound) else 0
                        sides = ((source.bits4, target.bits4 & there.public[bound]), (source.bits6, six))
                        for sources, targets in sides:
                            for services in SERVICES:
                                if not all_open(
                                    here, source, sources, there, target, targets, services, EPHEMERAL, bound
                                ):
                                    continue
                                found += 1
                                assert all(
                                    opens(here, one, there, other, services, EPHEMERAL, bound)
                                    for one in numbers_in(sources)
                                    for other in numbers_in(targets)
                                )
    return found


def test_all_open_means_each_opens() -> None:
    """On random estates of all kinds."""
    chance = random.Random(3)
    found = sum(tried(World(_estate(chance))) for _ in range(60))
    for seed in range(150):
        made = read(seed, 1)
        if made is not None:
            found += tried(World(made[0]))
    assert found > 100
