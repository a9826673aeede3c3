"""One whole stack on loopback, shared by the tests that leave it healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doorward_lab.stack.wiring import Options
from tests.lab.stack.harness import SEED, Site, need, running

WHOLE = [
    "dns", "database", "login-1", "login-2", "portal", "balancer", "monitor", "users", "database-b", "login-b",
]  # fmt: skip


@pytest.fixture(scope="session")
def shared_site() -> Iterator[Site]:
    """The stack; not to be used directly: `site` sees to its health."""
    need("nginx", "postgres", "prometheus", "prometheus-alertmanager")
    options = Options(
        seed=SEED,
        rate=10.0,
        networks=("127.77.0.0/16",),
        pool_lifetime=2.0,
        check_seconds=0.5,
        keepalive_time=1.0,
        portal_timeout=4.0,
        second=False,
    )
    with running(WHOLE, options) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The stack, with every knob at health before and after."""
    yield shared_site
    for name in shared_site.stack.names():
        shared_site.stack[name].heal()
