"""Engine = kernel: random estates, built through the API, every pair of ends probed with real packets."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from doorward_lab.errors import BadScene
from doorward_lab.judge import case as cases
from doorward_lab.judge import run as judge
from doorward_lab.judge.case import Case, Fate, Packet, Revocation
from doorward_lab.judge.estates import deletions, draw
from doorward_lab.judge.report import Report
from doorward_lab.judge.shrink import buildable, candidates, shrink
from doorward_lab.kernel import universe

LACKING = universe.check()
needs_universe = pytest.mark.skipif(bool(LACKING), reason="; ".join(LACKING))


@needs_universe
def test_engine_is_kernel(tmp_path: Path) -> None:
    """Some thousands of packets, contracts and standing connections: no disagreement."""
    report = judge.run(5, 1, tmp_path, each=24, shrink=20)
    assert report.ok, report.text
    assert (5, 0, []) == (report.estates, report.unknown, report.cases)
    assert report.probes > 3000, report.text
    assert min(report.arrived, report.answered, report.contracts) > 50, report.text
    assert report.connections > 20, report.text


@pytest.mark.nightly
@needs_universe
def test_engine_is_kernel_for_long(tmp_path: Path) -> None:
    """A hundred thousand packets: no disagreement."""
    report = judge.run(80, 1000, tmp_path, each=60)
    assert report.ok, report.text
    assert report.probes >= 100_000, report.text
    assert report.cut > 100, report.text


@needs_universe
def test_differences_are_seen() -> None:
    """A judge that finds nothing must be able to: with the snapshot of before a revocation, and with a host's filter
    flushed behind the cloud's back, the same packets disagree; untouched they agree."""
    found = universe.run("tests.lab.judge.guests:caught", 6, timeout=120.0)
    assert 0 == found["nothing"]
    assert found["snapshot"] > 0 and found["filter"] > 0, found


@needs_universe
def test_small_cases_are_written_and_judged_again(tmp_path: Path) -> None:
    """What is left of a scene when everything went that may, still shows what it is to show, also when read back."""
    path = tmp_path / "case.yaml"
    found = universe.run("tests.lab.judge.guests:shrunk", 6, str(path), timeout=180.0)
    assert 1 == found["holds"]
    assert found["hosts"] <= 2 < found["before"], found
    assert [] == judge.replay(path)


# --- without packets --------------------------------------------------------------------------------------------


def test_estates_can_be_built() -> None:
    """Every drawn estate is one that AWS would take, the same for the same seed, and lesser ones are found."""
    for seed in range(60):
        scene = draw(seed)
        assert buildable(scene) and scene == draw(seed)
        assert sum(buildable(lesser) for lesser in candidates(scene)) > 5


def test_estates_have_every_part() -> None:
    """All that the issue names occurs among 100 estates: otherwise their agreement would prove nothing about it."""
    seen: dict[str, int] = {}

    def saw(what: str, there: bool) -> None:
        seen[what] = seen.get(what, 0) + there

    for seed in range(100):
        scene = draw(seed)
        rules = [(group, rule) for group in scene.groups.values() for rule in (*group.ingress, *(group.egress or ()))]
        entries = [entry for acl in scene.acls.values() for entry in (*acl.ingress, *acl.egress)]
        saw("several VPCs", len(scene.vpcs) > 1)
        saw("peering", bool(scene.peerings))
        saw("prefix list", any(rule.peer.startswith("prefix-list:") for _, rule in rules))
        saw("own group", any(rule.peer == f"group:{group.name}" for group, rule in rules))
        of = {f"group:{one.name}": one.vpc for one in scene.groups.values()}
        saw("peered group", any(of.get(rule.peer, group.vpc) != group.vpc for group, rule in rules))
        saw("several groups", any(len(host.groups) > 1 for host in scene.hosts.values()))
        saw("several addresses", any(host.secondary for host in scene.hosts.values()))
        saw("IPv6", any(host.ipv6 for host in scene.hosts.values()))
        saw("public", any(host.public for host in scene.hosts.values()))
        saw("deny", any(not entry.allow for entry in entries))
        for protocol in ("-1", "tcp", "udp", "icmp", "icmpv6", "50"):
            saw(f"rule {protocol}", any(rule.service.protocol == protocol for _, rule in rules))
            saw(f"entry {protocol}", any(entry.service.protocol == protocol for entry in entries))
        saw("deleted", bool(deletions(seed)))
        targets = [target for table in scene.route_tables.values() for target in table.routes.items()]
        saw("route by prefix list", any(key.startswith("prefix-list:") for key, _ in targets))
        kinds = {one.kind for one in scene.gateways.values()}
        for kind in ("internet", "nat", "egress-only"):
            saw(kind, kind in kinds)
    assert [] == [what for what, count in seen.items() if count < 5]


def test_shrinking_ends_at_what_matters() -> None:
    """Everything goes but what the question needs: here a host, its subnet, its VPC and one rule."""
    scene = next(one for one in map(draw, range(100)) if len(one.hosts) > 4)
    host = random.Random(1).choice(sorted(scene.hosts))

    def asked(lesser: object) -> bool:
        return host in getattr(lesser, "hosts")  # noqa: B009 - any scene

    least = shrink(scene, asked, seconds=30)
    assert [host] == list(least.hosts)
    assert (1, 1, 1) == (len(least.vpcs), len(least.subnets), len(least.groups))
    assert not (least.acls or least.peerings or least.prefix_lists or least.route_tables or least.gateways)
    assert all(not group.ingress and not group.egress for group in least.groups.values())


def test_cases_come_back(tmp_path: Path) -> None:
    """A case that was written is read as it was."""
    packets = (
        Packet("h0", "h1/public", 6, 443, 40000),
        Packet("203.0.113.7", "h1", 1, 8 << 8, 7),
        Packet("h0/v6", "h1/v6", 58, (1 << 8) + 4),
        Packet("h1", "h0", 50),
    )
    fates = (Fate("yes", "no"), Fate("no", "no"), Fate("yes", "yes"), Fate("no", "no"))
    revoked = (Revocation("vpc0-g0", "ingress", "tcp/443 0.0.0.0/0"),)
    for case in (
        Case(draw(3), packets, fates, "seed 3", "a note"),
        Case(draw(4), packets),
        Case(draw(4), packets[:1], revoked=revoked, deleted=("vpc0-vpc1",)),
    ):
        cases.write(case, tmp_path / "case.yaml")
        assert case == cases.read(tmp_path / "case.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the keys 'scene' and 'packets'"),
        ("[]", "has the keys 'scene' and 'packets'"),
        ("scene: {}\npackets: 3", "not a list of mappings"),
        ("scene: {}\npackets: [{from: a}]", "a packet needs from, to and service"),
        ("scene: {}\npackets: [{from: a, to: b, service: nonsense}]", "not a service"),
        ("scene: {}\npackets: []\nrevoked: [[a]]", "'revoked' is not a list"),
        ("scene: {version: 1}\npackets: []", "vpcs"),
        ("{", "case.yaml"),
    ],
)
def test_broken_cases(tmp_path: Path, text: str, said: str) -> None:
    """A file that is no case is refused with what is wrong with it."""
    path = tmp_path / "case.yaml"
    path.write_text(text)
    with pytest.raises(BadScene, match=r"case\.yaml") as caught:
        cases.read(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "ok"),
    [
        ({}, False),  # nothing was judged
        ({"probes": 100}, True),
        ({"probes": 100, "unknown": 2}, True),
        ({"probes": 100, "unknown": 3}, False),  # too much that cannot be told
        ({"probes": 100, "disagreements": 1}, False),
        ({"probes": 100, "unbuilt": ["estate 7: why"]}, False),
    ],
)
def test_report(counts: dict[str, Any], ok: bool) -> None:
    """A report is in order only when something was judged, all of it, and nothing differs."""
    report = Report(1)
    report.add(counts)
    assert ok == report.ok


def test_report_adds_up() -> None:
    """Counts are summed, lists joined; of the slowest step the slowest counts."""
    report = Report(1)
    report.add({"probes": 100, "slowest_follow": 0.1, "cases": ["a"]})
    report.add({"probes": 10, "slowest_follow": 0.05, "cases": ["b"]})
    assert (110, 0.1, ["a", "b"]) == (report.probes, report.slowest_follow, report.cases)
