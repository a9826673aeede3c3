"""New and established connections: what a removal cuts at once, and what it leaves until the next reconnect.

Source: EC2 User Guide, *Security group connection tracking*: "When you change a security group rule, its tracked
connections are not immediately interrupted"; "An untracked flow of traffic is immediately interrupted if the rule that
enables the flow is removed or modified".
"""

from __future__ import annotations

from dataclasses import replace

from doorward.model.addresses import parse_network
from doorward.model.estate import NatGateway, Route
from doorward.model.plan import Plan, Step
from tests.contracts.scene import (
    ALL_OUT,
    ALLOW_ALL,
    BROKEN,
    KEPT,
    applied,
    estate,
    gated,
    interface,
    plan,
    rule,
)

EVERYBODY, ALL_IN = "in tcp 443 0.0.0.0/0", "in -1 - 0.0.0.0/0"


def removed(group: str, text: str, rules: dict[str, list[str]]) -> Plan:
    """A plan that removes one rule."""
    step = Step("rule.gone", "rule.gone", "delete", removed=((group, rule(text)),))
    return plan(estate(rules), step)


def test_tracked_connections_survive() -> None:
    """A rule for less than everybody is tracked: removing it stops new connections only."""
    verdict = gated(
        removed("db", "in tcp 443 10.0.1.0/24", {"web": [ALL_OUT], "db": ["in tcp 443 10.0.1.0/24", ALL_OUT]})
    )
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_tracked_by_reference() -> None:
    """So is a reference to a group."""
    verdict = gated(removed("db", "in tcp 443 web", {"web": [ALL_OUT], "db": ["in tcp 443 web", ALL_OUT]}))
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_untracked_connections_are_cut() -> None:
    """Same page: flows are untracked "if a security group rule permits TCP or UDP flows for all traffic (0.0.0.0/0 or
    ::/0) and there is a corresponding rule in the other direction that permits all response traffic … for any port";
    its example: removing the inbound rule drops existing SSH connections."""
    verdict = gated(removed("db", EVERYBODY, {"web": [ALL_OUT], "db": [EVERYBODY, ALL_OUT]}))
    assert (BROKEN, BROKEN) == (verdict.outcome, verdict.established)


def test_untracked_udp() -> None:
    """The same for UDP."""
    rules = {"web": [ALL_OUT], "db": ["in udp 53 0.0.0.0/0", ALL_OUT]}
    verdict = gated(removed("db", "in udp 53 0.0.0.0/0", rules), service="udp/53")
    assert (BROKEN, BROKEN) == (verdict.outcome, verdict.established)


def test_response_rule_for_some_ports_only() -> None:
    """Without a response rule for all ports the flow is tracked."""
    rules = {"web": [ALL_OUT], "db": [EVERYBODY, "out tcp 1024-65535 0.0.0.0/0"]}
    verdict = gated(removed("db", EVERYBODY, rules))
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_without_response_rule() -> None:
    """Nor without any response rule."""
    verdict = gated(removed("db", EVERYBODY, {"web": [ALL_OUT], "db": [EVERYBODY]}))
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_icmp_is_always_tracked() -> None:
    """Same page: "ICMP traffic is always tracked, regardless of rules"."""
    rules = {"web": [ALL_OUT], "db": ["in icmp 8 0.0.0.0/0", ALL_OUT]}
    step = Step("rule.gone", "rule.gone", "delete", removed=(("db", rule("in icmp 8 0.0.0.0/0")),))
    verdict = gated(plan(estate(rules), step), service="icmp/8")
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_other_protocols_are_tracked() -> None:
    """Same page: for other protocols "only the IP address and protocol number is tracked"."""
    rules = {"web": [ALL_OUT], "db": ["in 50 - 0.0.0.0/0", ALL_OUT]}
    verdict = gated(removed("db", "in 50 - 0.0.0.0/0", rules), service="proto/50")
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_untracked_at_the_source() -> None:
    """The same from the other end: the client's open egress rule with an open way in is untracked; removing it cuts."""
    rules = {"web": [ALL_OUT, ALL_IN], "db": ["in tcp 443 10.0.1.0/24"]}
    verdict = gated(removed("web", ALL_OUT, rules))
    assert (BROKEN, BROKEN) == (verdict.outcome, verdict.established)


def test_untracked_end_that_does_not_change() -> None:
    """An untracked flow is cut where *its* rule goes; at the other end, whose rule was for some sources and so
    tracked, the connection stays."""
    rules = {"web": [ALL_OUT, ALL_IN], "db": ["in tcp 443 10.0.1.0/24"]}
    verdict = gated(removed("db", "in tcp 443 10.0.1.0/24", rules))
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_response_rule_of_the_other_family() -> None:
    """A "corresponding rule in the other direction" is of the same family: an IPv6 one permits no IPv4 response."""
    rules = {"web": [ALL_OUT], "db": [EVERYBODY, "out -1 - ::/0"]}
    verdict = gated(removed("db", EVERYBODY, rules))
    assert (BROKEN, KEPT) == (verdict.outcome, verdict.established)


def test_acls_know_no_connections() -> None:
    """VPC User Guide, *Network ACLs* are stateless; EC2 User Guide, same page: "adding a network ACL that blocks
    traffic in either direction breaks existing connections"."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web"]}
    made = plan(estate(rules, acl=ALLOW_ALL), after=estate(rules, acl=("in 1 deny tcp 443 0.0.0.0/0", *ALLOW_ALL)))
    verdict = gated(made)
    assert (KEPT, BROKEN, BROKEN) == (verdict.before, verdict.outcome, verdict.established)


def test_unbroken_contract() -> None:
    """What stays open for new connections stays open for old ones."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web", "in tcp 443 10.0.1.0/24"]}
    verdict = gated(removed("db", "in tcp 443 10.0.1.0/24", rules))
    assert (KEPT, KEPT) == (verdict.outcome, verdict.established)


def test_internet_client_of_an_open_server() -> None:
    """The usual public server is open to everybody both ways: untracked, so closing it drops its users at once."""
    pair = [interface("eni-web", "10.0.1.5", "web", public="198.51.100.5")]
    before = estate({"web": [EVERYBODY, ALL_OUT]}, pair)
    step = Step("rule.gone", "rule.gone", "delete", removed=(("web", rule(EVERYBODY)),))
    verdict = gated(plan(before, step), source="internet:v4", target="group:web")
    assert (KEPT, BROKEN, BROKEN) == (verdict.before, verdict.outcome, verdict.established)


def test_through_a_nat_gateway() -> None:
    """Same page, *Automatically tracked connections*: those through a NAT gateway are tracked whatever the rules."""
    base = estate({"web": [ALL_OUT, ALL_IN]}, [interface("eni-web", "10.0.1.5", "web")])
    away = replace(base.route_tables["table"], id="table-a", main=False,
                   routes=(Route(parse_network("10.0.0.0/16"), "local", "local"),
                           Route(parse_network("0.0.0.0/0"), "nat-gateway", "nat")))  # fmt: skip
    nat = NatGateway("nat", "b", "vpc", parse_network("198.51.100.99")[:1], parse_network("10.0.2.99")[:1])
    before = replace(
        base, nat_gateways={"nat": nat}, route_tables={**base.route_tables, "table-a": away},
        subnets={**base.subnets, "a": replace(base.subnets["a"], route_table="table-a")},
    )  # fmt: skip
    step = Step("rule.gone", "rule.gone", "delete", removed=(("web", rule(ALL_OUT)),))
    verdict = gated(Plan(before, applied(before, [step]), (step,)), source="group:web", target="203.0.113.0/24")
    assert (KEPT, BROKEN, KEPT) == (verdict.before, verdict.outcome, verdict.established)


def test_answers_of_untracked_connections_lose_their_rule() -> None:
    """Same page: "The response traffic for an untracked flow is allowed based on the inbound or outbound rule that
    permits the response traffic, and not based on tracking information": new connections are tracked then and open,
    old ones are cut. At the client that began them, and at the server that answers."""
    rules = {"web": [ALL_OUT, ALL_IN], "db": ["in tcp 443 10.0.1.0/24"]}
    verdict = gated(removed("web", ALL_IN, rules))
    assert (KEPT, KEPT, BROKEN) == (verdict.before, verdict.outcome, verdict.established)
    verdict = gated(removed("db", ALL_OUT, {"web": [ALL_OUT], "db": [EVERYBODY, ALL_OUT]}))
    assert (KEPT, KEPT, BROKEN) == (verdict.before, verdict.outcome, verdict.established)


def test_answers_that_another_rule_still_admits() -> None:
    """What is left of the rules is asked for the answers themselves: their ports are the client's, their addresses the
    other end's."""
    for left in ("in tcp 1024-65535 10.0.0.0/16", "in tcp 0-65535 0.0.0.0/0", "in tcp 0-65535 db"):
        verdict = gated(removed("web", ALL_IN, {"web": [ALL_OUT, ALL_IN, left], "db": ["in tcp 443 10.0.1.0/24"]}))
        assert (KEPT, KEPT) == (verdict.outcome, verdict.established), left
    rules = {"web": [ALL_OUT, ALL_IN, "in tcp 1024-65534 10.0.0.0/16"], "db": ["in tcp 443 10.0.1.0/24"]}
    assert BROKEN == gated(removed("web", ALL_IN, rules)).established


def test_answers_of_tracked_connections_need_no_rule() -> None:
    """A flow that a narrower rule admitted is tracked: the rule of the other direction may go."""
    rules = {"web": ["out tcp 443 10.0.0.0/16", ALL_IN], "db": ["in tcp 443 10.0.1.0/24"]}
    assert KEPT == gated(removed("web", ALL_IN, rules)).established


def test_answers_from_the_internet() -> None:
    """The same for clients of the internet: a public server that may no longer send anything has its old users cut."""
    pair = [interface("eni-web", "10.0.1.5", "web", public="198.51.100.5")]
    before = estate({"web": [EVERYBODY, ALL_OUT]}, pair)
    step = Step("rule.gone", "rule.gone", "delete", removed=(("web", rule(ALL_OUT)),))
    verdict = gated(plan(before, step), source="internet:v4", target="group:web")
    assert (KEPT, KEPT, BROKEN) == (verdict.before, verdict.outcome, verdict.established)
