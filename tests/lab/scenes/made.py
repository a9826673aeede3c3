"""Random scenes that make sense, for property tests."""

from __future__ import annotations

import ipaddress

from hypothesis import strategies as st

from doorward_lab.scenes.scene import (
    Acl,
    AclEntry,
    Gateway,
    Group,
    Host,
    Listener,
    LoadBalancer,
    Peering,
    PrefixList,
    RouteTable,
    Rule,
    Scene,
    Service,
    Stack,
    Subnet,
    TargetGroup,
    Vpc,
)

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20
).map(lambda text: text.strip() or "x")
_PORT = st.integers(0, 65_535)


def services() -> st.SearchStrategy[Service]:
    """Every form that a service has."""
    ports = st.tuples(st.sampled_from(("tcp", "udp")), _PORT, _PORT).map(
        lambda one: Service(one[0], min(one[1:]), max(one[1:]))
    )
    icmp = st.builds(Service, st.sampled_from(("icmp", "icmpv6")), st.integers(0, 255), st.integers(-1, 255))
    others = st.integers(0, 255).filter(lambda number: number not in (1, 6, 17, 58)).map(lambda n: Service(str(n)))
    return st.one_of(ports, icmp, others, st.just(Service()), st.just(Service("icmp", -1, -1)))


def cidrs(family: int) -> st.SearchStrategy[str]:
    """Networks without host bits."""
    width = 32 if family == 4 else 128
    return st.tuples(st.integers(0, 2**width - 1), st.integers(0, width)).map(
        lambda one: (
            str(ipaddress.ip_network((one[0] >> (width - one[1]) << (width - one[1]), one[1])))
            if family == 4
            else str(ipaddress.IPv6Network((one[0] >> (width - one[1]) << (width - one[1]), one[1])))
        )
    )


def _rules(groups: list[str], lists: list[str]) -> st.SearchStrategy[tuple[Rule, ...]]:
    peers = st.one_of(
        st.sampled_from([f"group:{name}" for name in groups] + [f"prefix-list:{name}" for name in lists]),
        cidrs(4).filter(lambda text: text != "0.0.0.0/0"), cidrs(6).filter(lambda text: text != "::/0"),
        st.sampled_from(("internet:v4", "internet:v6")),
    )  # fmt: skip
    rule = st.builds(Rule, services(), peers, st.just("") | _TEXT)
    return st.lists(rule, max_size=4, unique_by=lambda one: (one.service, one.peer)).map(tuple)


@st.composite
def scenes(draw: st.DrawFn, ipv6: bool = True, simple: bool = False) -> Scene:
    """One or two VPCs with everything that a scene can have. `simple`: only what any endpoint builds."""
    count = draw(st.integers(1, 2))
    vpcs, subnets, gateways, tables, acls = {}, {}, {}, {}, {}
    for n in range(count):
        vpc = f"v{n}"
        six = ipv6 and draw(st.booleans())
        vpcs[vpc] = Vpc(vpc, (f"10.{n}.0.0/16",), f"3fff:{n + 1}::/56" if six else "")
        gateways[f"{vpc}-igw"] = Gateway(f"{vpc}-igw", "internet", vpc)
        routes = {"0.0.0.0/0": f"gateway:{vpc}-igw"} | ({"::/0": f"gateway:{vpc}-igw"} if six else {})
        tables[f"{vpc}-out"] = RouteTable(f"{vpc}-out", vpc, routes)
        entries = draw(
            st.lists(st.builds(AclEntry, st.integers(1, 300), st.booleans(), services(), cidrs(4)), max_size=3,
                     unique_by=lambda one: one.number)
        )  # fmt: skip
        entries.sort(key=lambda one: one.number)
        acls[f"{vpc}-acl"] = Acl(f"{vpc}-acl", vpc, tuple(entries), tuple(entries[:1]), draw(st.booleans()))
        for at in range(2):
            name = f"{vpc}-s{at}"
            block = f"3fff:{n + 1}:0:{at + 1}::/64" if six and draw(st.booleans()) else ""
            subnets[name] = Subnet(
                name, vpc, f"10.{n}.{at}.0/24", "ab"[at], block,
                draw(st.booleans()), draw(st.sampled_from(("", f"{vpc}-acl"))), f"{vpc}-out",
            )  # fmt: skip
    lists = {"pl": PrefixList("pl", tuple(draw(st.lists(cidrs(4), min_size=1, max_size=3, unique=True))))}
    names = [f"{vpc}-g{n}" for vpc in vpcs for n in range(2)]
    groups = {}
    for name in names:
        vpc = name.partition("-")[0]
        mine = [one for one in names if one.startswith(vpc)]
        egress = draw(st.none() | _rules(mine, ["pl"]))
        groups[name] = Group(name, vpc, draw(_rules(mine, ["pl"])), egress, "" if simple else draw(st.just("") | _TEXT))
    if simple:
        groups = {name: _plain(one) for name, one in groups.items()}
    hosts = {}
    for n, name in enumerate(draw(st.lists(st.sampled_from(sorted(subnets)), min_size=1, max_size=5))):
        vpc = subnets[name].vpc
        mine = [one for one in names if one.startswith(vpc)]
        hosts[f"h{n}"] = Host(
            f"h{n}", name, tuple(draw(st.lists(st.sampled_from(mine), unique=True))),
            draw(st.sampled_from(("instance", "interface"))),
            f"{subnets[name].cidr.removesuffix('0/24')}{100 + n}" if draw(st.booleans()) else "",
            ipv6=draw(st.sampled_from((None, ()))), public=draw(st.sampled_from((None, "", "auto"))),
        )  # fmt: skip
    here = [one for one in hosts.values() if one.subnet.startswith("v0")]
    targets = {"t": TargetGroup("t", "v0", "HTTP", draw(st.integers(1, 65_535)), hosts=tuple(one.name for one in here))}
    balancers = {"l": LoadBalancer("l", ("v0-s0", "v0-s1"), (Listener("HTTP", 80, "t"),), ("v0-g0",))}
    peerings = {"p": Peering("p", ("v0", "v1"))} if count == 2 and draw(st.booleans()) else {}
    stack = draw(st.none() | st.builds(Stack, keep_alive=st.booleans(), seed=st.integers(0, 99)))
    return Scene(
        "made", vpcs, "", subnets=subnets, groups=groups, prefix_lists=lists, acls=acls, route_tables=tables,
        gateways=gateways, peerings=peerings, hosts=hosts, target_groups=targets, load_balancers=balancers, stack=stack,
    )  # fmt: skip


def _plain(group: Group) -> Group:
    """A group whose descriptions are as AWS takes them."""

    def plain(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(Rule(one.service, one.peer, "said" if one.description else "") for one in rules)

    egress = None if group.egress is None else plain(group.egress)
    return Group(group.name, group.vpc, plain(group.ingress), egress, group.description)
