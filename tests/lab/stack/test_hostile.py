"""Flood and scan: they do what they are called, within bounds, and not to others."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from pathlib import Path

import pytest

from doorward_lab.stack import admin, hostile
from doorward_lab.stack.flood import Flood, FloodSettings
from doorward_lab.stack.place import Local, Place
from doorward_lab.stack.roles import ROLES, Process
from doorward_lab.stack.scan import Scan, ScanSettings
from doorward_lab.stack.service import Settings
from tests.lab.stack.harness import PORTS, Site, addresses, eventually, folder


def metric(process: Process, line: str) -> float:
    """One sample of its metrics, 0 when there is none."""
    text = admin.request(process.folder, "GET", "/metrics")[1].decode()
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def start(role: str, path: Path, settings: Settings) -> Process:
    """Start a service that listens nowhere."""
    process = ROLES[role].start(Place(Local()), path / role, settings)
    process.wait_ready(10)
    return process


def test_a_flood_comes_from_many(site: Site) -> None:
    """HTTP requests at the rate asked for, from many addresses, counted by their outcome; then it is over by itself."""
    with folder() as path:
        settings = FloodSettings(
            folder="", target=site.at["balancer"], port=PORTS.http, networks=("127.88.0.0/16",), seed="s", kind="http",
            rate=200.0, count=300, seconds=10,
        )  # fmt: skip
        flood = start("flood", path, settings)
        try:
            eventually(lambda: 1 == metric(flood, "flood_over"), 15)
            # The balancer redirects plain HTTP to HTTPS.
            assert 300 == metric(flood, 'flood_attempts_total{outcome="http-301"}')
        finally:
            flood.stop()
    assert 200 == site.login().status


def test_connections_are_held() -> None:
    """A flood of connections holds each, so that they add up."""
    with socket.create_server((addresses(1)[0], 0), backlog=1000) as server, folder() as path:
        host, port = server.getsockname()[:2]
        settings = FloodSettings(
            folder="", target=host, port=port, networks=("127.88.0.0/16",), seed="s", rate=100.0, count=50, hold=30.0
        )
        flood = start("flood", path, settings)
        try:
            sources = {server.accept()[1][0] for _ in range(50)}
            time.sleep(0.2)
            assert 0 == metric(flood, 'flood_attempts_total{outcome="open"}')  # none was let go yet
        finally:
            flood.stop()
    assert len(sources) > 40


def test_a_scan_finds_the_open_doors() -> None:
    """Of a range of ports exactly the open ones are found."""
    host = addresses(1)[0]
    with socket.create_server((host, 20010)), socket.create_server((host, 20033)), folder() as path:
        settings = ScanSettings(
            folder="", targets=(host,), networks=("127.88.0.0/16",), seed="s", first=20001, last=20060, rate=200.0
        )
        scan = start("scan", path, settings)
        try:
            found = eventually(lambda: (f := scan.call("GET", "/found"))["over"] and f)
        finally:
            scan.stop()
    assert found and [[host, 20010], [host, 20033]] == found["open"]


@pytest.mark.parametrize("address", ["8.8.8.8", "52.28.1.1", "2600::1", "::", "224.0.0.1", "ff02::1"])
def test_nobody_elses_addresses(address: str) -> None:
    """An address that may be somebody's is no target, whatever the network would do."""
    with pytest.raises(ValueError, match="may be somebody's"):
        hostile.check_target(address)
    with pytest.raises(ValueError, match="may be somebody's"):
        Flood(FloodSettings(folder="", target=address, port=80, networks=("127.88.0.0/16",), seed="s"))
    with pytest.raises(ValueError, match="may be somebody's"):
        Scan(ScanSettings(folder="", targets=(address,), networks=("127.88.0.0/16",), seed="s"))


@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.9", "198.18.0.10", "127.0.0.1", "2001:db8::1", "fd00::1"])
def test_the_labs_addresses_are_targets(address: str) -> None:
    """Private, documentation and benchmarking addresses are the lab's."""
    hostile.check_target(address)


@pytest.mark.parametrize(
    "bounds", [(1e6, 10, 10.0), (10.0, 10**9, 10.0), (10.0, 10, 1e6), (0.0, 1, 1.0), (1.0, 0, 1.0)]
)
def test_there_are_bounds(bounds: tuple[float, int, float]) -> None:
    """No setting exceeds what a lab needs."""
    with pytest.raises(ValueError, match="expected at most"):
        hostile.check_bounds(*bounds)


def test_the_pace_is_kept() -> None:
    """So many a second, and no more than the count or the time allow."""

    async def count(rate: float, most: int, seconds: float) -> tuple[int, float]:
        began = time.monotonic()
        return len([n async for n in hostile.paced(rate, most, seconds)]), time.monotonic() - began

    number, took = asyncio.run(count(1000, 300, 10))
    assert (300, True) == (number, 0.25 < took < 1)
    number, took = asyncio.run(count(100, 10_000, 0.5))
    assert (True, True) == (40 <= number <= 55, took < 1)
