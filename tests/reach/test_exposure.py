"""What the internet can open: by interface, address, service and source; in step with ``never-reach``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from doorward import api
from doorward.contracts.contract import INTERNET_SELECTOR, Contract, Selector
from doorward.model.addresses import INTERNET_V4, parse_address, parse_network
from doorward.model.estate import Estate
from doorward.model.intervals import Intervals
from doorward.model.services import ALL, parse_service
from doorward.model.verdict import Outcome
from tests.contracts.scene import ALLOW_ALL, BROKEN, KEPT, estate, interface, rule, with_rules
from tests.oracle.compare import write_estate
from tests.oracle.estates import from_seed

PUBLIC = interface("eni-db", "10.0.2.7", "db", public="198.51.100.7")


def server(*rules: str, acl: tuple[str, ...] = ALLOW_ALL) -> Estate:
    """A public server with these rules."""
    return estate({"db": list(rules)}, [PUBLIC], acl)


def test_by_source_and_service() -> None:
    """Rules for different sources are told apart; private ones do not count."""
    found = api.exposure(server("in tcp 443 0.0.0.0/0", "in tcp 22 203.0.113.0/24", "in -1 - 10.0.0.0/8"))
    narrow = Intervals([parse_network("203.0.113.0/24")])
    assert {(parse_service("tcp/443"), INTERNET_V4), (parse_service("tcp/22"), narrow)} == {
        (one.services, one.sources) for one in found
    }
    assert {("eni-db", parse_address("198.51.100.7"), True, True)} == {
        (one.interface, one.address, one.answered, one.certain) for one in found
    }


def test_responsible_rules() -> None:
    """Each finding names the rules that admit it."""
    made = with_rules(server(), {"db": [rule("in tcp 443 0.0.0.0/0", id="sgr-1"), rule("in tcp 22 web", id="sgr-2")]})
    assert [("sgr-1",)] == [one.rules for one in api.exposure(made)]


def test_unanswered() -> None:
    """What arrives without an answer is exposed all the same, and told apart."""
    (found,) = api.exposure(server("in tcp 443 0.0.0.0/0", acl=("in 1 allow -1 - 0.0.0.0/0",)))
    assert not found.answered
    assert found.certain


def test_acl_stops_it() -> None:
    """What an ACL stops is not exposed."""
    assert () == api.exposure(server("in tcp 443 0.0.0.0/0", acl=("in 1 deny tcp 443 0.0.0.0/0", *ALLOW_ALL)))


def test_unknown_is_not_certain() -> None:
    """What only an unknown prefix list admits is told as possible."""
    (found,) = api.exposure(server("in tcp 443 pl-1"))
    assert not found.certain


def test_without_gateway() -> None:
    """Without an internet gateway nothing is exposed."""
    made = server("in -1 - 0.0.0.0/0")
    assert () == api.exposure(replace(made, vpcs={"vpc": replace(made.vpcs["vpc"], internet_gateways=())}))


def test_in_step_with_never_reach() -> None:
    """An interface is exposed for certain exactly when ``never-reach`` from the internet to it is broken directly, and
    not at all only where that is kept; each finding's own source and service gets in."""
    for seed in range(60):
        described, _ = from_seed(seed)
        if described["LoadBalancers"]:
            continue  # what a balancer carries to its targets is another way in
        with tempfile.TemporaryDirectory() as name:
            write_estate(described, Path(name))
            made = api.read_estate(Path(name))
        found = api.exposure(made)
        for one in found:
            source = Selector("cidr", "x", "x", Intervals.point(one.sources.first))
            got = never(made, one.interface, source, Intervals.point(one.services.first))
            assert (BROKEN == got) if one.certain else (KEPT != got), (seed, one)
        certain = {one.interface for one in found if one.certain}
        for id in made.interfaces:
            got = never(made, id, INTERNET_SELECTOR, ALL)
            assert (id in certain) == (BROKEN == got), (seed, id)
            if not any(one.interface == id for one in found):
                assert BROKEN != got, (seed, id)


def never(made: Estate, interface: str, source: Selector, services: Intervals) -> Outcome:
    """The outcome of ``never-reach`` to one interface."""
    target = Selector("interface", interface, f"interface:{interface}")
    (verdict,) = api.check([Contract("c", "never-reach", (source,), (target,), services)], made).verdicts
    return verdict.outcome
