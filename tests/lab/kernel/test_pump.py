"""Ways into a namespace."""

from __future__ import annotations

import pytest

from doorward_lab.kernel import universe

GUESTS = "tests.lab.kernel.guests_spawn:"

pytestmark = pytest.mark.usefixtures("kernel")


def test_pump() -> None:
    """A megabyte there, an end of stream, 300 kB back, over IPv4 and IPv6, one by one and 40 at a time."""
    found = universe.run(GUESTS + "pumps")
    for family in ("ipv4", "ipv6"):
        assert [1_000_000, 300_007] == found[family]
        assert 40 == found[f"{family}_crowd"]
        assert found[f"{family}_ms"] < 200  # about 1 on a quiet machine
        assert found[f"{family}_closed"]
    assert "" == found["nobody"]
    assert ["", ""] == found["ended_both"]


def test_listeners() -> None:
    """A socket made in one namespace serves it from a process in another; what is taken or not there is said."""
    found = universe.run(GUESTS + "listeners")
    assert "from elsewhere" == found["answer"]
    assert found["taken"].startswith("Occupied: port 80 of 10.0.0.1 in host is taken")
    assert "Refused: cannot listen on 10.0.0.99 port 80 in host: Cannot assign requested address" == found["absent"]
