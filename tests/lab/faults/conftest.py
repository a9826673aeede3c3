"""One served cloud for the tests of faults, with the outage scene and the one of two VPCs built once each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doorward_lab import scenes
from tests.lab.faults.bench import Bench
from tests.lab.scenes.accounts import Ground


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    """A cloud over HTTP."""
    made = Ground()
    yield made
    made.close()


def _bench(ground: Ground, scene: str) -> Bench:
    clients = ground.account()
    return Bench(scenes.build(scenes.load(scene), clients), clients, stack=scene == "outage")


@pytest.fixture(scope="session")
def outage(ground: Ground) -> Bench:
    """The outage scene; whoever breaks it heals it."""
    return _bench(ground, "outage")


@pytest.fixture(scope="session")
def two_vpc(ground: Ground) -> Bench:
    """The scene of two VPCs; whoever breaks it heals it."""
    return _bench(ground, "two-vpc")
