"""The semantic difference: silent on refactors, exact on flows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward import api
from doorward.model.addresses import parse_network
from doorward.model.estate import Estate, PrefixList
from doorward.model.intervals import EMPTY, Intervals
from doorward.model.rules import GroupPeer
from doorward.model.services import parse_service
from doorward.model.verdict import Flow, FlowDiff
from tests.contracts.scene import ALL_OUT, ALLOW_ALL, estate, interface, rule, with_rules

BASE = estate({"web": [ALL_OUT], "db": ["in tcp 400-500 10.0.1.0/24"]})


def silent(diff: FlowDiff) -> bool:
    """Whether nothing was gained or lost."""
    return not diff.gained and not diff.lost


def db(*texts: str) -> Estate:
    """The base with other rules of ``db``."""
    return with_rules(BASE, {"db": [rule(text) for text in texts]})


@pytest.mark.parametrize(
    "rules",
    [
        ["in tcp 400-500 10.0.1.0/25", "in tcp 400-500 10.0.1.128/25"],
        ["in tcp 400-450 10.0.1.0/24", "in tcp 451-500 10.0.1.0/24"],
        ["in tcp 400-500 10.0.1.0/24", "in tcp 443 10.0.1.5/32"],
        ["in tcp 400-500 web"],
        ["in tcp 400-500 10.0.1.5/32"],
        ["in tcp 400-500 10.0.0.0/8"],
    ],
)
def test_refactors_are_silent(rules: list[str]) -> None:
    """Split CIDRs, split ports, doubled rules, a CIDR for a group and the like change no flow of those who exist."""
    assert silent(api.diff(BASE, db(*rules)))
    assert silent(api.diff(db(*rules), BASE))


def test_gained_and_lost() -> None:
    """What the rules open and close is told by interface and service."""
    found = api.diff(BASE, db("in tcp 450-600 10.0.1.0/24"))
    assert [(("eni-web",), ("eni-db",), parse_service("tcp/501-600"))] == [
        (flow.sources, flow.targets, flow.services) for flow in found.gained
    ]
    assert [(("eni-web",), ("eni-db",), parse_service("tcp/400-449"))] == [
        (flow.sources, flow.targets, flow.services) for flow in found.lost
    ]


def test_rule_without_effect() -> None:
    """A rule that admits nobody who exists gains nothing."""
    assert silent(api.diff(BASE, db("in tcp 400-500 10.0.1.0/24", "in -1 - 10.0.7.0/24", "in tcp 22 old")))


def test_egress_counts() -> None:
    """A lost egress rule loses the flow; an ingress rule that opens what egress still stops gains nothing."""
    shut = with_rules(BASE, {"web": []})
    assert [("eni-web",)] == [flow.sources for flow in api.diff(BASE, shut).lost if "eni-db" in flow.targets]
    assert silent(api.diff(shut, with_rules(shut, {"db": [rule("in -1 - 10.0.1.0/24")]})))


def test_moved_to_another_group() -> None:
    """A rule that moves to another group of the same interface, and an interface that moves to a group with the same
    rules, change no flow."""
    pair = [interface("eni-web", "10.0.1.5", "web"), interface("eni-db", "10.0.2.7", "db", "more")]
    one = estate({"web": [ALL_OUT], "db": ["in tcp 443 web"]}, pair)
    other = estate({"web": [ALL_OUT], "more": ["in tcp 443 web"]}, pair)
    assert silent(api.diff(one, other))
    elsewhere = [interface("eni-web", "10.0.1.5", "web"), interface("eni-db", "10.0.2.7", "new")]
    moved = estate({"web": [ALL_OUT], "new": ["in tcp 443 web"]}, elsewhere)
    assert silent(api.diff(one, moved))


def test_renamed() -> None:
    """Names, descriptions and tags carry no traffic."""
    renamed = {id: one._replace(name="x", description="y", tags=(("a", "b"),)) for id, one in BASE.interfaces.items()}
    assert silent(api.diff(BASE, replace(BASE, interfaces=renamed)))


def test_acl_refactor_and_change() -> None:
    """ACL entries that are renumbered or split change nothing; a deny does, also one for the answer."""
    rules = {"web": [ALL_OUT], "db": ["in tcp 443 web"]}
    plain = estate(rules)
    split = ("in 5 allow -1 - 0.0.0.0/1", "in 6 allow -1 - 128.0.0.0/1", "out 7 allow -1 - 0.0.0.0/0")
    assert silent(api.diff(plain, estate(rules, acl=split)))
    for entry in ("in 1 deny tcp 443 10.0.1.0/24", "out 1 deny tcp 5000 10.0.1.0/24"):
        found = api.diff(plain, estate(rules, acl=(entry, *ALLOW_ALL)))
        assert [("eni-db",)] == [flow.targets for flow in found.lost]
        assert () == found.gained


def test_prefix_list_entries() -> None:
    """Other entries of a list are other flows, in every group that names it."""
    named = with_rules(BASE, {"db": [rule("in tcp 443 pl-1")]})

    def listed(*cidrs: str) -> Estate:
        known = PrefixList("pl-1", cidrs=Intervals(parse_network(one) for one in cidrs))
        return replace(named, prefix_lists={"pl-1": known})

    assert [("eni-db",)] == [flow.targets for flow in api.diff(listed(), listed("10.0.1.0/24")).gained]
    assert silent(api.diff(listed("10.0.1.0/24"), listed("10.0.1.0/25", "10.0.1.128/25")))


def test_from_the_internet() -> None:
    """What the internet gains is told by its addresses and not one by one."""
    pair = [interface("eni-web", "10.0.1.5", "web", public="198.51.100.5")]
    shut, open_ = estate({"web": []}, pair), estate({"web": ["in tcp 443 0.0.0.0/0"]}, pair)
    found = api.diff(shut, open_)
    assert [(("internet:v4",), ("eni-web",), parse_service("tcp/443"))] == [
        (flow.sources, flow.targets, flow.services) for flow in found.gained
    ]
    some = api.diff(shut, estate({"web": ["in tcp 443 203.0.113.0/24"]}, pair))
    assert [(("203.0.113.0/24",), ("eni-web",))] == [(flow.sources, flow.targets) for flow in some.gained]
    assert silent(api.diff(open_, estate({"web": ["in tcp 443 0.0.0.0/1", "in tcp 443 128.0.0.0/1"]}, pair)))


def test_new_and_gone_interfaces_are_noticed() -> None:
    """Interfaces on one side only are named."""
    more = estate({}, [*BASE.interfaces.values(), interface("eni-more", "10.0.1.9", "more")])
    assert ["1 interface is new: eni-more"] == list(api.diff(estate({}), more).notices)
    assert ["1 interface is gone: eni-more"] == list(api.diff(more, estate({})).notices)


# --- against brute force ----------------------------------------------------------------------------------------

PORTS = (1, 2, 3, 4)
ADDRESSES = {"eni-1": "10.0.1.1", "eni-2": "10.0.1.2", "eni-3": "10.0.1.3"}
MEMBERS = {"eni-1": ("web",), "eni-2": ("db",), "eni-3": ("db", "more")}
PEERS = ("10.0.1.1/32", "10.0.1.2/31", "10.0.1.0/24", "web", "db", "more")
TEXTS = st.builds(
    lambda side, low, high, peer: f"{side} tcp {min(low, high)}-{max(low, high)} {peer}",
    st.sampled_from(["in", "in", "out"]), st.sampled_from(PORTS), st.sampled_from(PORTS), st.sampled_from(PEERS),
)  # fmt: skip
STATES = st.fixed_dictionaries({name: st.lists(TEXTS, max_size=4) for name in ("web", "db", "more")})


def one_subnet(state: dict[str, list[str]]) -> Estate:
    """Three interfaces in one subnet: groups alone decide."""
    return estate(state, [interface(id, ADDRESSES[id], *MEMBERS[id]) for id in ADDRESSES])


def brute(state: dict[str, list[str]]) -> set[tuple[str, str, int]]:
    """Every (source, target, port) that flows, rule by rule."""

    def admits(id: str, side: str, other: str, port: int) -> bool:
        for group in MEMBERS[id]:
            for text in state[group]:
                one = rule(text)
                if not text.startswith(side) or not one.service[0] <= 6 * 65_536 + port <= one.service[1]:
                    continue
                if isinstance(one.peer, GroupPeer):
                    if one.peer.group in MEMBERS[other]:
                        return True
                else:
                    low, high = parse_network(text.split()[3])
                    if low <= parse_network(ADDRESSES[other])[0] <= high:
                        return True
        return False

    return {
        (source, target, port)
        for source in ADDRESSES
        for target in ADDRESSES
        if source != target
        for port in PORTS
        if admits(source, "out", target, port) and admits(target, "in", source, port)
    }


def told(flows: tuple[Flow, ...]) -> set[tuple[str, str, int]]:
    """The same from flows."""
    found: dict[tuple[str, str], Intervals] = {}
    for flow in flows:
        for source in flow.sources:
            for target in flow.targets:
                if source != target:
                    found[source, target] = found.get((source, target), EMPTY) | flow.services
    base = 6 * 65_536
    return {
        (*ends, service - base)
        for ends, services in found.items()
        for first, last in services.spans
        for service in range(first, last + 1)
    }


@settings(max_examples=150, deadline=None)
@given(STATES, STATES)
def test_brute_force(one: dict[str, list[str]], other: dict[str, list[str]]) -> None:
    """Gained and lost are exactly the differences of all single flows."""
    before, after = brute(one), brute(other)
    found = api.diff(one_subnet(one), one_subnet(other))
    assert after - before == told(found.gained)
    assert before - after == told(found.lost)
