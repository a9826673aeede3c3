"""A small estate and plans on it, as model values: for tests of the gate that need no files.

``eni-web`` (10.0.1.5, group ``web``) and ``eni-db`` (10.0.2.7, group ``db``) in two subnets of one VPC; rules are
written ``in tcp 443 10.0.1.0/24`` or ``out -1 - db``. What does not live here: reading plans
(``tests/readers/terraform``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from doorward import api
from doorward.contracts.contract import Contract, Must, Selector
from doorward.contracts.terms import parse_selector
from doorward.model.addresses import parse_network
from doorward.model.estate import Acl, AclEntry, Estate, Interface, Route, RouteTable, Subnet, Vpc
from doorward.model.plan import Plan, Step
from doorward.model.rules import Group, GroupPeer, Peer, PrefixListPeer, Rule
from doorward.model.services import parse_service, rule_span
from doorward.model.verdict import Outcome, Verdict

KEPT, BROKEN, CANNOT_TELL = Outcome.KEPT, Outcome.BROKEN, Outcome.CANNOT_TELL
GROUPS = ("web", "db", "old", "new", "more")
ALL_OUT = "out -1 - 0.0.0.0/0"
ALLOW_ALL = ("in 100 allow -1 - 0.0.0.0/0", "out 100 allow -1 - 0.0.0.0/0")


def rule(text: str, *, id: str | None = None, origin: str | None = None, description: str | None = None) -> Rule:
    """``in|out PROTOCOL PORTS PEER`` as a rule."""
    side, protocol, ports, peer = text.split()
    low, dash, high = ports.partition("-") if ports != "-" else ("-1", "", "")
    last = -1 if protocol.startswith("icmp") else int(low)  # a type alone means all its codes
    span = rule_span(protocol, int(low), int(high) if dash else last)
    who: Peer = parse_network(peer) if "." in peer or ":" in peer else GroupPeer(peer)
    if peer.startswith("pl-"):
        who = PrefixListPeer(peer)
    return Rule("ingress" if side == "in" else "egress", span, who, id, origin, description)


def entry(text: str) -> AclEntry:
    """``in|out NUMBER allow|deny PROTOCOL PORTS CIDR`` as an ACL entry."""
    side, number, action, protocol, ports, cidr = text.split()
    low, dash, high = ports.partition("-") if ports != "-" else ("-1", "", "")
    span = rule_span(protocol, int(low), int(high) if dash else int(low))
    return AclEntry(int(number), side == "out", action == "allow", span, parse_network(cidr))


def interface(id: str, address: str, *groups: str, public: str | None = None) -> Interface:
    """An interface; 10.0.1.x is in subnet a, 10.0.2.x in b."""
    number = parse_network(address)
    subnet = "a" if address.startswith("10.0.1.") else "b"
    pairs = ((number[0], parse_network(public)[0]),) if public else ()
    return Interface(id, "vpc", subnet, tuple(sorted(groups)), (number,), pairs, name=id)


def estate(
    rules: Mapping[str, Iterable[str | Rule]], interfaces: Iterable[Interface] = (), acl: Iterable[str] = ALLOW_ALL
) -> Estate:
    """The estate with these rules; ``acl`` is that of subnet b. Without interfaces the usual pair."""
    known = tuple(interfaces) or (interface("eni-web", "10.0.1.5", "web"), interface("eni-db", "10.0.2.7", "db"))
    given = {name: tuple(one if isinstance(one, Rule) else rule(one) for one in some) for name, some in rules.items()}
    groups = {
        name: Group(name, name=name, vpc="vpc", origin=f"aws_security_group.{name}", rules=given.get(name, ()))
        for name in GROUPS
    }
    routes = (
        Route(parse_network("10.0.0.0/16"), "local", "local"),
        Route(parse_network("0.0.0.0/0"), "internet-gateway", "igw"),
    )
    return Estate(
        interfaces={one.id: one for one in known},
        groups=groups,
        subnets={
            "a": Subnet("a", "vpc", (parse_network("10.0.1.0/24"),), "table", "acl-a"),
            "b": Subnet("b", "vpc", (parse_network("10.0.2.0/24"),), "table", "acl-b"),
        },
        vpcs={"vpc": Vpc("vpc", (parse_network("10.0.0.0/16"),), ("igw",))},
        acls={
            "acl-a": Acl("acl-a", "vpc", tuple(entry(one) for one in ALLOW_ALL)),
            "acl-b": Acl("acl-b", "vpc", tuple(entry(one) for one in acl)),
        },
        route_tables={"table": RouteTable("table", "vpc", routes, main=True)},
    )


def with_rules(base: Estate, rules: Mapping[str, Iterable[Rule]]) -> Estate:
    """The same estate with other rules in some groups."""
    groups = {**base.groups, **{name: base.groups[name].with_rules(tuple(some)) for name, some in rules.items()}}
    return replace(base, groups=groups)


def applied(base: Estate, steps: Iterable[Step]) -> Estate:
    """The estate after all steps."""
    rules = {name: list(group.rules) for name, group in base.groups.items()}
    steps = tuple(steps)
    for step in steps:
        for name, gone in step.removed:
            rules[name].remove(gone)
    for step in steps:
        for name, come in step.added:
            rules[name].append(come)
    return with_rules(base, rules)


def plan(before: Estate, *steps: Step, after: Estate | None = None) -> Plan:
    """A plan of these steps; ``after`` follows from them unless it is given."""
    return Plan(before, applied(before, steps) if after is None else after, steps)


def contract(must: Must, source: str, target: str, service: str) -> Contract:
    """A contract between selectors."""
    sides = []
    for text in (source, target):
        made = parse_selector(text)
        assert isinstance(made, Selector)
        sides.append((made,))
    return Contract("the-contract", must, sides[0], sides[1], parse_service(service))


def gated(
    made: Plan, must: Must = "reach", source: str = "group:web", target: str = "group:db", service: str = "tcp/443"
) -> Verdict:
    """The gate's verdict on one contract."""
    (verdict,) = api.gate([contract(must, source, target, service)], made).verdicts
    return verdict


def three(verdict: Verdict) -> tuple[Outcome | None, Outcome | None, Outcome]:
    """Before, during and after."""
    return verdict.before, verdict.during_apply, verdict.outcome
