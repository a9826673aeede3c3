"""The pure compilers: what they say, as text and as values; laws by property tests."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward_lab.errors import Refused
from doorward_lab.fabric import acls, filters, matches, routes, stages
from doorward_lab.fabric.gateways import PRIVATE4, public_networks
from doorward_lab.fabric.links import bridge, mac, short
from doorward_lab.fabric.members import canonical, directory
from doorward_lab.fabric.plan import Planner
from doorward_lab.fabric.routes import NOWHERE, Hop
from doorward_lab.fabric.rulesets import Ruleset, transaction
from doorward_lab.fabric.stages import Stage, Step
from doorward_lab.model import CloudState, Group, Peering, Route, RouteTable, Rule, Subnet
from tests.lab.fabric.ground import ALL_OUT, EVERYBODY, EVERYBODY6, Cloud, entry, pair, rule

# -- words


@pytest.mark.parametrize(
    ("protocol", "ports", "family", "expected"),
    [
        ("-1", (0, 0), 4, ""),
        ("tcp", (80, 80), 4, "tcp dport 80"),
        ("6", (80, 90), 6, "tcp dport 80-90"),
        ("udp", (0, 65535), 4, "meta l4proto udp"),
        ("udp", (None, None), 4, "meta l4proto udp"),
        ("icmp", (8, -1), 4, "icmp type 8"),
        ("icmp", (3, 4), 4, "icmp type 3 icmp code 4"),
        ("icmp", (-1, -1), 4, "meta l4proto icmp"),
        ("icmp", (8, 0), 6, None),
        ("icmpv6", (128, 0), 6, "icmpv6 type 128 icmpv6 code 0"),
        ("58", (128, 0), 4, None),
        ("50", (80, 90), 4, "meta l4proto 50"),
    ],
)
def test_services(protocol: str, ports: tuple[int | None, int | None], family: int, expected: str | None) -> None:
    """Each form of protocol and ports is the match that the EC2 API Reference says it is."""
    assert expected == matches.service(matches.number(protocol), *ports, family)


@pytest.mark.parametrize("word", ["", "tcpp", "256", "-2", "6.0"])
def test_a_protocol_that_is_none_is_refused(word: str) -> None:
    """The message says what was got and what is expected."""
    with pytest.raises(Refused, match="expected -1, tcp"):
        matches.number(word)


def test_host_bits_are_ignored() -> None:
    """10.1.2.3/8 is 10.0.0.0/8, as AWS makes it; single addresses have no length."""
    assert (4, "10.0.0.0/8") == canonical("10.1.2.3/8")
    assert (4, "10.1.2.3") == canonical("10.1.2.3/32")
    assert (6, "2001:db8::1") == canonical("2001:0db8::0001/128")


def test_an_address_that_is_none_is_refused_before_anything_is_built() -> None:
    """A state that cannot be compiled raises Refused, from the plan."""
    cloud = pair()
    cloud.interface("a", "subnet-1", "sg-a", "10.0.1.256")
    with pytest.raises(Refused, match=r"10\.0\.1\.256"):
        Planner().plan(cloud.state())


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_names_of_links_fit(ids: list[str]) -> None:
    """Any ids make a name of at most 15 bytes and a MAC address that is unicast and locally administered."""
    assert 15 >= len(short("s", *ids).encode())
    assert 2 == int(mac(*ids)[:2], 16) & 3


def test_the_internet_is_everything_that_is_not_private() -> None:
    """The blocks of the internet and those that are never routed cover IPv4 once."""
    spaces = [ipaddress.IPv4Network(b) for b in (*public_networks(), *PRIVATE4)]
    assert 2**32 == sum(n.num_addresses for n in spaces)
    assert [ipaddress.IPv4Network("0.0.0.0/0")] == list(ipaddress.collapse_addresses(spaces))


# -- groups


def _lines(cloud: Cloud, interface: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    state = cloud.state()
    compiler = filters.Compiler()
    compiled = compiler.groups(state.groups, directory(state))
    return compiler.interface(tuple(compiled[g] for g in state.interfaces[interface].groups))


def test_one_plain_rule_per_peer_with_its_id() -> None:
    """A reference to a group of two dual-stack members is four rules, each with a counter and the rule's id."""
    cloud = pair()
    cloud.interface("c", "subnet-1", "sg-a", "10.0.1.11", "2600:1f00:1:1::11")
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    ingress, egress = _lines(cloud, "b")
    addresses = (
        "ip saddr 10.0.1.10",
        "ip saddr 10.0.1.11",
        "ip6 saddr 2600:1f00:1:1::10",
        "ip6 saddr 2600:1f00:1:1::11",
    )
    expected = tuple(f'{a} tcp dport 80 counter goto tracked comment "sgr-in-tcp-80-80-sg-a"' for a in addresses)
    assert expected == ingress
    assert () == egress


@pytest.mark.parametrize(
    ("back", "verdict"),
    [
        ((), "goto tracked"),
        ((rule("-1", None, EVERYBODY, egress=True),), "accept"),
        ((rule("tcp", (0, 65535), EVERYBODY, egress=True),), "accept"),
        ((rule("tcp", (1024, 65535), EVERYBODY, egress=True),), "goto tracked"),
        ((rule("udp", (0, 65535), EVERYBODY, egress=True),), "goto tracked"),
        ((rule("-1", None, EVERYBODY6, egress=True),), "goto tracked"),
        ((rule("-1", None, "0.0.0.0/1", egress=True),), "goto tracked"),
    ],
)
def test_what_makes_a_rule_untracked(back: tuple[Rule, ...], verdict: str) -> None:
    """Everybody's tcp/80 is untracked just when all TCP ports are open to everybody the other way, in its family."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY), *back)
    assert (
        f'meta nfproto ipv4 tcp dport 80 counter {verdict} comment "sgr-in-tcp-80-80-0.0.0.0/0"'
        == _lines(cloud, "b")[0][0]
    )


def test_only_tcp_and_udp_go_untracked() -> None:
    """Everything from everybody and everything to everybody: TCP and UDP untracked, ICMP and the rest tracked."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("-1", None, EVERYBODY), ALL_OUT)
    assert _lines(cloud, "b")[0][0].startswith("meta nfproto ipv4 counter goto open ")
    cloud.group("sg-b", "vpc-1", rule("-1", None, EVERYBODY), rule("tcp", (0, 65535), EVERYBODY, egress=True))
    assert _lines(cloud, "b")[0][0].startswith("meta nfproto ipv4 counter goto open_tcp ")
    cloud.group("sg-b", "vpc-1", rule("icmp", (8, -1), EVERYBODY), ALL_OUT)
    assert "goto tracked" in _lines(cloud, "b")[0][0]


def test_a_rule_that_makes_untracked_comes_before_a_narrower_one() -> None:
    """One rule for everybody suffices for a flow to be untracked, also when a narrower one is listed before it."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"), rule("tcp", 80, EVERYBODY), ALL_OUT)
    first, *others = _lines(cloud, "b")[0]
    assert 'meta nfproto ipv4 tcp dport 80 counter accept comment "sgr-in-tcp-80-80-0.0.0.0/0"' == first
    assert all("goto tracked" in line for line in others)


def test_references_that_are_stale() -> None:
    """Unknown groups, groups of an unpeered VPC and groups over an overlapping peering match nothing."""
    cloud = pair()
    cloud.vpc("vpc-2", "10.9.0.0/16")
    cloud.subnet("subnet-9", "vpc-2", "10.9.1.0/24")
    cloud.group("sg-z", "vpc-2")
    cloud.interface("z", "subnet-9", "sg-z", "10.9.1.10")
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-z"), rule("tcp", 80, "sg-gone"))
    assert () == _lines(cloud, "b")[0]
    cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-2", "vpc-1", active=True)
    assert 1 == len(_lines(cloud, "b")[0])
    cloud.vpcs["vpc-2"] = dataclasses.replace(cloud.vpcs["vpc-2"], ipv4=("10.9.0.0/16", "10.0.0.0/8"))
    assert () == _lines(cloud, "b")[0]


def test_what_does_not_change_is_the_same_object() -> None:
    """A plan shares with the one before all namespaces whose inputs are equal, though every input is a new object."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    planner = Planner()
    first = planner.plan(cloud.state())
    again = planner.plan(_copied(cloud.state()))
    assert all(first.spaces[name] is again.spaces[name] for name in first.spaces)
    cloud.group("sg-a", "vpc-1")
    third = planner.plan(_copied(cloud.state()))
    assert {"a"} == {name for name in first.spaces if first.spaces[name] is not third.spaces[name]}


def _copied(state: CloudState) -> CloudState:
    groups = {g.id: Group(g.id, g.name, g.vpc, tuple(map(dataclasses.replace, g.rules))) for g in state.groups.values()}
    interfaces = {i.id: dataclasses.replace(i, public=dict(i.public)) for i in state.interfaces.values()}
    return dataclasses.replace(state, groups=groups, interfaces=interfaces)


# -- ACLs


@given(st.permutations([entry(n, "6", n, EVERYBODY, egress=n % 3 == 0, allow=n % 2 == 0) for n in range(1, 12)]))
def test_entries_come_in_the_order_of_their_numbers(entries: list[object]) -> None:
    """However the API lists them; each direction has its own, and the last word is deny."""
    cloud = pair()
    cloud.acl("acl-1", "vpc-1", *entries)  # type: ignore[arg-type]
    for egress in (False, True):
        lines = acls.entries(cloud.acls["acl-1"], egress=egress)
        numbers = [int(line.rsplit('"', 2)[1]) for line in lines[:-1]]
        assert [n for n in range(1, 12) if (n % 3 == 0) == egress] == numbers
        assert 'counter drop comment "*"' == lines[-1]


# -- routes

_BLOCK = ipaddress.IPv4Network("10.0.0.0/24")
_ROUTES = st.dictionaries(
    st.integers(0, 7).flatmap(
        lambda bits: st.integers(0, 2**bits - 1).map(
            lambda n: f"10.0.0.{n << (8 - bits)}/{24 + bits}" if bits else "0.0.0.0/0"
        )
    ),
    st.sampled_from(["igw-1", "eni-b", "gone"]),
    max_size=6,
)


@given(_ROUTES, st.integers(0, 255))
def test_the_kernel_s_table_leads_where_the_route_table_says(chosen: dict[str, str], last: int) -> None:
    """For every address: the longest prefix of the route table decides; `local` leads to the subnet that has it."""
    cloud = pair()
    cloud.vpcs["vpc-1"] = dataclasses.replace(cloud.vpcs["vpc-1"], ipv4=(str(_BLOCK),))
    cloud.subnets.clear()
    cloud.subnet("subnet-1", "vpc-1", "10.0.0.0/26")
    cloud.subnet("subnet-2", "vpc-1", "10.0.0.64/27")
    cloud.interface("eni-b", "subnet-2", "sg-b", "10.0.0.70")
    table = RouteTable("rtb-1", "vpc-1", (Route(str(_BLOCK), "local"), *(Route(*r) for r in chosen.items())))
    address = _BLOCK[last]
    said = {d: t for d, t in {str(_BLOCK): "local", **chosen}.items() if address in ipaddress.ip_network(d)}
    target = said[max(said, key=lambda d: ipaddress.ip_network(d).prefixlen)]
    home = next((s for s in cloud.subnets.values() if address in ipaddress.ip_network(s.cidr)), None)
    local = Hop(bridge(home.id)) if home is not None else NOWHERE
    expected = {"local": local, "gone": NOWHERE, "eni-b": Hop(bridge("subnet-2"), "10.0.0.70")}
    got = routes.table(table, cloud.state(), tuple(cloud.subnets.values()))
    fitting = [d for d in got if ":" not in d and address in ipaddress.ip_network(d)]
    hop = got[max(fitting, key=lambda d: ipaddress.ip_network(d).prefixlen)]
    assert expected.get(target, routes.Targets(cloud.state(), "vpc-1").hop("igw-1", 4)) == hop


def test_what_is_not_attached_leads_nowhere() -> None:
    """Gateways of others, inactive routes and unknown kinds drop."""
    cloud = pair()
    targets = routes.Targets(cloud.state(), "vpc-1")
    assert NOWHERE != targets.hop("igw-1", 4)
    for target in ("igw-2", "eigw-1", "pcx-1", "tgw-1", "vgw-1", "vpce-1", "i-1", "nat-1", "eni-1"):
        assert NOWHERE == targets.hop(target, 4)
    table = RouteTable("rtb-1", "vpc-1", (Route(EVERYBODY, "igw-1", active=False),))
    assert NOWHERE == routes.table(table, cloud.state(), ())[EVERYBODY]


def test_a_subnet_without_a_known_table_leads_nowhere() -> None:
    """No way is opened for want of a table."""
    subnet = Subnet("subnet-1", "", "vpc-1", "10.0.1.0/24", (), "acl-1", "rtb-gone")
    made = routes.tables(CloudState(), "vpc-1", (subnet,))
    assert {NOWHERE} == set(made["rtb-gone"].values())


# -- transactions

_CHAINS = st.dictionaries(st.sampled_from("abcd"), st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=3).map(tuple))


@given(_CHAINS, _CHAINS)
def test_a_transaction_makes_the_new_of_the_old(
    old: dict[str, tuple[str, ...]], new: dict[str, tuple[str, ...]]
) -> None:
    """Its commands, done one by one on the old table, give the new one; nothing to do is no command."""
    before, after = Ruleset("inet t", {}, old), Ruleset("inet t", {}, new)
    have = {chain: list(lines) for chain, lines in old.items()}
    text = transaction(before, after)
    for verb, kind, _, _, chain, *words in (line.split() for line in text.splitlines()):
        if (verb, kind) == ("add", "chain"):
            assert chain not in have
            have[chain] = []
        elif (verb, kind) == ("add", "rule"):
            have[chain] += words
        elif verb == "flush":
            have[chain] = []
        else:
            assert [] == have.pop(chain)
    assert {chain: list(lines) for chain, lines in new.items()} == have
    assert (old == new) == (text == "")


# -- stages

_LISTS = st.tuples(st.frozensets(st.integers(0, 3)), st.frozensets(st.integers(0, 3)))


@given(_LISTS, _LISTS, st.booleans())
def test_no_instant_is_more_open_than_before_and_after(
    egress: tuple[frozenset[int], frozenset[int]], ingress: tuple[frozenset[int], frozenset[int]], turned: bool
) -> None:
    """Two filters on one way, each allowing some services before and some after, in whatever order they are asked.

    What neither the old two nor the new two let through is let through by no pair in between.
    """
    now = {"egress": egress[0], "ingress": ingress[0]}
    steps = [
        _step(now, kind, *change)
        for kind, change in (("egress", egress), ("ingress", ingress))
        if change[0] != change[1]
    ]
    allowed = (egress[0] & ingress[0]) | (egress[1] & ingress[1])
    for act in stages.ordered(steps[::-1] if turned else steps):
        act()
        assert now["egress"] & now["ingress"] <= allowed
    assert {"egress": egress[1], "ingress": ingress[1]} == now


def _step(now: dict[str, frozenset[int]], kind: str, old: frozenset[int], new: frozenset[int]) -> Step:
    def become(services: frozenset[int]) -> None:
        now[kind] = services

    before, after, allowing = _table(kind, old), _table(kind, new), frozenset({kind})
    stage, kinds = stages.ruleset(before, after, allowing, "somewhere")
    shared = frozenset(n for n in range(4) if _passes(stages.both(before, after, allowing), kind, n))
    return Step(stage, lambda: become(new), kinds, lambda: become(shared))


def _table(chain: str, services: frozenset[int]) -> Ruleset:
    return Ruleset(
        "inet sg", {}, {chain: tuple(f'{n} counter goto tracked comment "sgr-{n}"' for n in sorted(services))}
    )


def _passes(table: Ruleset, chain: str, service: int) -> bool | None:
    """What a chain says of a service: it passes, is dropped, or (in a chain that was jumped to) goes on: None."""
    for line in table.chains[chain]:
        words = line.split()
        if words[0] == "jump":
            if _passes(table, words[1], service) is False:
                return False
        elif words == ["drop"]:
            return False
        elif words[0] == str(service):
            return None if words[-1] == "return" else True
    return False


@given(_LISTS)
def test_what_both_let_through_is_exactly_that(change: tuple[frozenset[int], frozenset[int]]) -> None:
    """The table between two tables lets through what both do: nothing more, and nothing that both allow is lost."""
    old, new = change
    between = stages.both(_table("ingress", old), _table("ingress", new), frozenset({"ingress"}))
    assert old & new == frozenset(n for n in range(4) if _passes(between, "ingress", n))


def test_routes_close_before_they_open() -> None:
    """A route that becomes a blackhole closes, one that was opens, and one that leads elsewhere does both."""
    one, other = Hop("a"), Hop("b")
    assert Stage.CLOSE is stages.hop(one, NOWHERE)
    assert Stage.CLOSE is stages.hop(None, NOWHERE)
    assert Stage.OPEN is stages.hop(NOWHERE, one)
    assert Stage.BOTH is stages.hop(one, other)
    assert Stage.BOTH is stages.hop(None, one)
