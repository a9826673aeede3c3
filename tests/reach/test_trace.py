"""Explanations agree with verdicts: the hops of a deciding packet show what the outcome says.

The path is a second, point-wise reading of the rules, so that the two check each other on random estates.
"""

from __future__ import annotations

from dataclasses import replace

from doorward import api
from doorward.model.addresses import parse_network
from doorward.model.estate import Subnet, Vpc
from doorward.model.verdict import Hop, Verdict
from tests.contracts.scene import ALL_OUT, BROKEN, contract, estate, interface
from tests.oracle.compare import engine_verdicts
from tests.oracle.estates import from_seed


def fault(must: str, verdict: Verdict) -> str:
    """What a verdict's path fails to show; "" when all is well."""
    passes = [hop.passes for hop in verdict.hops]
    if verdict.outcome == "kept" or not passes:
        return "" if verdict.outcome == "kept" or verdict.reasons else "no reason at all"
    if verdict.outcome == "cannot-tell":
        return "" if "unknown" in passes else "nothing is unknown"
    if must != "reach":
        return "" if {"yes"} == set(passes) else "something stops it"
    stopped = "no" in passes or any(one.kind == "public-address" for one in verdict.reasons)
    return "" if stopped else "nothing stops it"


def test_random_estates() -> None:
    """What is broken is shown to pass everywhere, or to be stopped somewhere; what cannot be told shows an unknown (but
    for rare cases in which several ways together are not known)."""
    judged = 0
    doubts: list[int] = []
    for seed in range(250):
        described, contracts = from_seed(seed)
        for asked, verdict in zip(contracts, engine_verdicts(described, contracts), strict=True):
            judged += 1
            said = fault(asked["must"], verdict)
            if verdict.outcome == "cannot-tell":
                doubts += [seed] if said else []
            else:
                assert "" == said, (seed, verdict.name)
    assert len(doubts) * 200 < judged, doubts


def test_arrival_at_a_public_address() -> None:
    """Where one interface reaches another at its public address, no hop says that it has none."""
    one = interface("eni-web", "10.0.1.5", "web", public="198.51.100.5")
    base = estate({"web": [ALL_OUT], "db": ["in tcp 443 198.51.100.5/32"]}, [one])
    table = base.route_tables["table"]
    far = interface("eni-db", "10.1.2.7", "db", public="198.51.100.7")._replace(vpc="far", subnet="far-a")
    both = replace(
        base,
        interfaces={**base.interfaces, far.id: far},
        vpcs={**base.vpcs, "far": Vpc("far", (parse_network("10.1.0.0/16"),), ("igw-far",))},
        subnets={**base.subnets, "far-a": Subnet("far-a", "far", (), "table-far", "acl-a")},
        route_tables={
            "table": table,
            "table-far": replace(
                table, id="table-far", vpc="far",
                routes=tuple(route._replace(target="igw-far") for route in table.routes if route.kind != "local"),
            ),
        },
    )  # fmt: skip
    (verdict,) = api.check([contract("never-reach", "group:web", "group:db", "tcp/443")], both).verdicts
    assert BROKEN == verdict.outcome
    assert {"yes"} == {hop.passes for hop in verdict.hops}


def hop(verdict: Verdict, kind: str, *, answer: bool = False) -> list[Hop]:
    """The hops of one kind."""
    return [one for one in verdict.hops if one.kind == kind and one.answer is answer]


def test_whole_path() -> None:
    """Egress group, ACL out, route, ACL in, ingress group; and the way back: ACL, route, ACL."""
    (verdict,) = api.check([contract("reach", "group:web", "group:db", "tcp/443")], estate({"web": [ALL_OUT]})).verdicts
    assert [
        ("security-group", "egress"), ("network-acl", "egress"), ("route", None), ("network-acl", "ingress"),
        ("security-group", "ingress"), ("network-acl", "egress"), ("route", None), ("network-acl", "ingress"),
    ] == [(one.kind, one.direction) for one in verdict.hops]  # fmt: skip
    assert ["yes", "yes", "yes", "yes", "no", "yes", "yes", "yes"] == [one.passes for one in verdict.hops]
    assert [False] * 5 + [True] * 3 == [one.answer for one in verdict.hops]


def test_first_packet_only() -> None:
    """``never-reach`` is about first packets: its path has no way back."""
    made = estate({"web": [ALL_OUT], "db": ["in tcp 443 web"]})
    (verdict,) = api.check([contract("never-reach", "group:web", "group:db", "all")], made).verdicts
    assert [] == [one for one in verdict.hops if one.answer]


def test_acl_entry_is_named() -> None:
    """The entry that decides stands in the hop, or the final deny."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web"]}
    made = estate(
        rules, acl=("in 7 deny tcp 443 10.0.1.5/32", "in 9 allow -1 - 0.0.0.0/0", "out 1 allow -1 - 0.0.0.0/0")
    )
    (verdict,) = api.check([contract("reach", "group:web", "group:db", "tcp/443")], made).verdicts
    assert ["yes", "no"] == [one.passes for one in hop(verdict, "network-acl")]
    assert "7" == hop(verdict, "network-acl")[1].rule
    made = estate(rules, acl=("in 9 allow tcp 22 0.0.0.0/0",))
    (verdict,) = api.check([contract("reach", "group:web", "group:db", "tcp/443")], made).verdicts
    assert ["*"] == [one.rule for one in verdict.hops if one.passes == "no" and not one.answer]


def test_answer_that_does_not_return() -> None:
    """A lost answer is shown on the way back, with the ports that lack."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web"]}
    made = estate(rules, acl=("in 1 allow -1 - 0.0.0.0/0", "out 1 allow tcp 1024-50000 0.0.0.0/0"))
    (verdict,) = api.check([contract("reach", "group:web", "group:db", "tcp/443")], made).verdicts
    assert [("network-acl", True, "no")] == [
        (one.kind, one.answer, one.passes) for one in verdict.hops if one.passes != "yes"
    ]
    assert "tcp/50001" in verdict.reasons[0].text
