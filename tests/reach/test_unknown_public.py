"""`reach` from the internet where it is not known whether a target has a public IPv4 address (a plan's new instances).

A contract is judged for each family in which a target is addressable from outside; the answer must hold whichever
way the unknown turns out. Every row is checked against the two estates that the unknown can become.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from doorward import api
from doorward.model.addresses import parse_network
from doorward.model.estate import AclEntry, Estate, Interface, Route
from doorward.model.services import ALL_SPAN
from doorward.model.verdict import Outcome
from tests.contracts.scene import BROKEN, CANNOT_TELL, KEPT, contract, estate, interface

FOUR, SIX = "in tcp 443 0.0.0.0/0", "in tcp 443 ::/0"


def world(rules: list[str], *, six: bool, public: str | None, unknown: bool) -> Estate:
    """``eni-web`` in group web, with or without an IPv6 address, and an IPv4 address that may be public."""
    web: Interface = interface("eni-web", "10.0.1.5", "web", public=public)
    if six:
        web = web._replace(addresses=(*web.addresses, parse_network("2001:db8:1::5/128")))
    if unknown:
        web = web._replace(public_unknown="aws_instance.web.associate_public_ip_address")
    made = estate({"web": rules}, [web])
    everywhere = parse_network("::/0")
    routes = (*made.route_tables["table"].routes, Route(everywhere, "internet-gateway", "igw"))
    entries = tuple(AclEntry(200, egress, True, ALL_SPAN, everywhere) for egress in (False, True))
    vpc = made.vpcs["vpc"]
    return replace(
        made,
        vpcs={"vpc": replace(vpc, cidrs=(*vpc.cidrs, parse_network("2001:db8:1::/56")))},
        route_tables={"table": replace(made.route_tables["table"], routes=routes)},
        acls={name: replace(acl, entries=acl.entries + entries) for name, acl in made.acls.items()},
    )


def outcome(made: Estate) -> Outcome:
    """The outcome of the one contract."""
    (verdict,) = api.check([contract("reach", "internet", "interface:eni-web", "tcp/443")], made).verdicts
    return verdict.outcome


@pytest.mark.parametrize("six", [True, False])
@pytest.mark.parametrize("rules", [[], [FOUR], [SIX], [FOUR, SIX]])
def test_unknown_public_address(rules: list[str], six: bool) -> None:
    """The outcome is what both possible estates have in common, and *cannot tell* where they differ."""
    possible = {outcome(world(rules, six=six, public=public, unknown=False)) for public in (None, "52.1.1.1")}
    expected = possible.pop() if len(possible) == 1 else CANNOT_TELL
    assert expected == outcome(world(rules, six=six, public=None, unknown=True))


def test_the_cases_are_what_they_should_be() -> None:
    """Some are kept either way, some broken either way, some neither."""
    assert KEPT == outcome(world([FOUR, SIX], six=True, public=None, unknown=True))
    assert CANNOT_TELL == outcome(world([SIX], six=True, public=None, unknown=True))
    assert BROKEN == outcome(world([FOUR], six=True, public=None, unknown=True))
    assert CANNOT_TELL == outcome(world([FOUR], six=False, public=None, unknown=True))
    assert BROKEN == outcome(world([], six=False, public=None, unknown=True))
