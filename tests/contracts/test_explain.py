"""``explain``: one packet between two ends, hop by hop, that decides."""

from __future__ import annotations

import pytest

from doorward import api
from doorward.errors import InvalidInput
from doorward.model.addresses import parse_address, parse_network
from tests.contracts.scene import ALL_OUT, BROKEN, CANNOT_TELL, KEPT, estate, interface, rule, with_rules

BASE = estate(
    {"web": [ALL_OUT, "in tcp 443 0.0.0.0/0"], "db": [rule("in tcp 5432 web", id="sgr-1")]},
    [interface("eni-web", "10.0.1.5", "web", public="198.51.100.5"), interface("eni-db", "10.0.2.7", "db")],
)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("group:web", "group:db"), ("web", "group:db"), ("eni-web", "eni-db"), ("interface:eni-web", "subnet:b"),
        ("10.0.1.5", "10.0.2.7"), ("10.0.1.0/24", "10.0.2.0/24"), ("198.51.100.5", "eni-db"),
    ],
)  # fmt: skip
def test_ends(source: str, target: str) -> None:
    """Ends are selectors, ids, names or addresses, the public one of an interface too."""
    found = api.explain(BASE, source, target, "tcp/5432")
    assert KEPT == found.outcome
    assert (parse_address("10.0.1.5"), parse_address("10.0.2.7")) == (found.source_address, found.target_address)
    assert {"yes"} == {hop.passes for hop in found.hops}


def test_bare_name_that_is_a_kind() -> None:
    """A group may be called ``db``, as the kind of selector is: without a colon it is a name."""
    assert KEPT == api.explain(BASE, "web", "db", "tcp/5432").outcome


def test_what_stops_it() -> None:
    """The hop that stops the packet is shown; the service is the one that decides."""
    found = api.explain(BASE, "web", "group:db", "tcp/5432-5433")
    assert BROKEN == found.outcome
    assert [("security-group", "ingress")] == [(hop.kind, hop.direction) for hop in found.hops if hop.passes == "no"]
    assert (6 << 16) + 5433 == found.service


def test_admitting_rule_is_named() -> None:
    """The rule that admits is named by its id."""
    found = api.explain(BASE, "web", "group:db", "tcp/5432")
    assert ["sgr-1"] == [hop.rule for hop in found.hops if hop.direction == "ingress" and hop.kind == "security-group"]


def test_from_the_internet() -> None:
    """From outside the path begins at the internet gateway."""
    found = api.explain(BASE, "internet", "eni-web", "tcp/443")
    assert KEPT == found.outcome
    assert "gateway" == found.hops[0].kind
    assert BROKEN == api.explain(BASE, "internet", "eni-web", "tcp/22").outcome
    assert BROKEN == api.explain(BASE, "internet", "eni-db", "tcp/443").outcome


def test_one_outside_address() -> None:
    """An address on the internet may be either end."""
    assert KEPT == api.explain(BASE, "203.0.113.9", "eni-web", "tcp/443").outcome
    assert KEPT == api.explain(BASE, "eni-web", "203.0.113.9", "tcp/443").outcome
    assert BROKEN == api.explain(BASE, "eni-db", "203.0.113.9", "tcp/443").outcome


def test_unknown() -> None:
    """What is not known is shown as such."""
    found = api.explain(with_rules(BASE, {"db": [rule("in tcp 5432 pl-1")]}), "web", "group:db", "tcp/5432")
    assert CANNOT_TELL == found.outcome
    assert ["unknown"] == [hop.passes for hop in found.hops if "pl-1" in hop.text]


@pytest.mark.parametrize(
    ("source", "target", "service"),
    [
        ("nothing", "web", "tcp/1"), ("web", "group:nothing", "tcp/1"), ("web", "group:db", "http"),
        ("web", "more", "tcp/1"),
        ("eni-web", "eni-web", "tcp/1"), ("10.0.9.9", "web", "tcp/1"), ("", "web", "tcp/1"),
    ],
)  # fmt: skip
def test_impossible_questions(source: str, target: str, service: str) -> None:
    """Names of nothing, services that are none, and questions without anybody are refused."""
    with pytest.raises(InvalidInput):
        api.explain(BASE, source, target, service)


def test_ipv6() -> None:
    """The same for IPv6."""
    six = [parse_network("2001:db8::5"), parse_network("2001:db8::7")]
    pair = [
        interface("eni-web", "10.0.1.5", "web")._replace(addresses=(six[0],)),
        interface("eni-db", "10.0.1.7", "db")._replace(addresses=(six[1],)),
    ]
    made = estate({"web": ["out -1 - ::/0"], "db": ["in icmpv6 128 2001:db8::/64"]}, pair)
    assert KEPT == api.explain(made, "web", "group:db", "icmpv6/128").outcome
    assert BROKEN == api.explain(made, "web", "group:db", "tcp/443").outcome
