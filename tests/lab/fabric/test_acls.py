"""Network ACLs, judged by real packets (VPC User Guide, Control subnet traffic with network access control lists)."""

from __future__ import annotations

import dataclasses

from tests.lab.fabric.ground import (
    ALL_IN,
    ALL_IN6,
    ALL_OUT,
    ALL_OUT6,
    EVERYBODY,
    EVERYBODY6,
    OPEN_ACL,
    Cloud,
    alive,
    connection,
    entry,
    fabric,
    icmp_arrives,
    in_universe,
    pair,
    ping,
    raw,
    tcp,
    udp,
)

A, B, C = "10.0.1.10", "10.0.2.10", "10.0.1.11"
B6 = "2600:1f00:1:2::10"


def _open_groups() -> Cloud:
    """`pair`, with groups that allow everything: what stops a packet is an ACL. Subnet 2 has an ACL of its own."""
    cloud = pair()
    for letter in "abc":
        cloud.group(f"sg-{letter}", "vpc-1", ALL_OUT, ALL_OUT6, ALL_IN, ALL_IN6)
    cloud.acl("acl-2", "vpc-1", *OPEN_ACL)
    cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", acl="acl-2")
    return cloud


@in_universe
def test_an_acl_without_entries_denies_everything_but_what_stays_inside() -> None:
    """What no entry matches is denied, both ways; traffic within the subnet meets no ACL."""
    cloud = _open_groups()
    cloud.acl("acl-vpc-1", "vpc-1")
    with fabric(cloud) as net:
        a, b, c = (net.host(name) for name in "abc")
        assert tcp(c, A, 80)
        assert not tcp(a, B, 80)
        assert not tcp(b, A, 80)
        assert not tcp(net.internet, "198.18.0.10", 80)
        assert tcp(net.internet, "198.18.0.20", 80)


@in_universe
def test_answers_need_their_own_entry() -> None:
    """ACLs are stateless: tcp/80 in and ephemeral ports out lets a connection through; without the latter it dies."""
    cloud = _open_groups()
    inward = entry(100, "6", 80, EVERYBODY, egress=False)
    cloud.acl("acl-2", "vpc-1", inward, entry(100, "6", (1024, 65535), EVERYBODY, egress=True))
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")
        assert tcp(a, B, 80)
        assert tcp(net.internet, "198.18.0.20", 80)
        assert not tcp(a, B, 81)
        with connection(a, b, B, 80) as ends:
            cloud.acl("acl-2", "vpc-1", inward)
            net.follow(cloud.state())
            assert not alive(*ends)
            assert not tcp(a, B, 80)
            cloud.acl("acl-2", "vpc-1", inward, entry(100, "6", (1024, 65535), "10.0.1.10/32", egress=True))
            net.follow(cloud.state())
            assert tcp(a, B, 80)
            assert not tcp(net.internet, "198.18.0.20", 80)


@in_universe
def test_the_lowest_number_that_matches_decides() -> None:
    """A deny before an allow denies, after it does not, in whatever order the API lists them."""
    cloud = _open_groups()
    deny = entry(90, "6", 80, "10.0.1.10/32", egress=False, allow=False)
    cloud.acl("acl-2", "vpc-1", *OPEN_ACL, deny)
    with fabric(cloud) as net:
        a, c = net.host("a"), net.host("c")
        assert [False, True, True] == [tcp(a, B, 80), tcp(a, B, 81), tcp(c, B, 80)]
        cloud.acl("acl-2", "vpc-1", dataclasses.replace(deny, number=110), *OPEN_ACL)
        net.follow(cloud.state())
        assert tcp(a, B, 80)


@in_universe
def test_entries_by_protocol_family_and_icmp_type() -> None:
    """UDP, ICMP types and codes, protocols by number and IPv6 are told apart; -1 means all types."""
    cloud = _open_groups()
    back = entry(1, "-1", None, EVERYBODY, egress=True), entry(2, "-1", None, EVERYBODY6, egress=True)
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")

        def given(*entries: object) -> None:
            cloud.acl("acl-2", "vpc-1", *back, *entries)  # type: ignore[arg-type]
            net.follow(cloud.state())

        given(entry(10, "17", 53, EVERYBODY, egress=False))
        assert [True, False, False] == [udp(a, b, B, 53), udp(a, b, B, 54), tcp(a, B, 53)]
        given(entry(10, "1", (8, -1), EVERYBODY, egress=False))
        assert [True, False] == [ping(a, B), icmp_arrives(a, b, B, 13, 0)]
        given(entry(10, "1", (13, 0), EVERYBODY, egress=False))
        assert [True, False] == [icmp_arrives(a, b, B, 13, 0), icmp_arrives(a, b, B, 13, 1)]
        given(entry(10, "1", (-1, -1), EVERYBODY, egress=False))
        assert [True, True] == [ping(a, B), icmp_arrives(a, b, B, 13, 1)]
        given(entry(10, "47", None, EVERYBODY, egress=False))
        assert [True, False] == [raw(a, b, B, 47), raw(a, b, B, 50)]
        given(entry(10, "6", 80, EVERYBODY6, egress=False))
        assert [True, False] == [tcp(a, B6, 80), tcp(a, B, 80)]
        given(entry(10, "58", (128, 0), EVERYBODY6, egress=False))
        assert [True, False] == [ping(a, B6), ping(a, B)]


@in_universe
def test_both_subnets_are_asked() -> None:
    """What leaves a subnet meets its egress entries, what enters another its ingress entries."""
    cloud = _open_groups()
    cloud.acl("acl-vpc-1", "vpc-1", *OPEN_ACL, entry(10, "6", 80, "10.0.2.0/24", egress=True, allow=False))
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")
        assert [False, True] == [tcp(a, B, 80), tcp(a, B, 81)]
        assert tcp(b, A, 80)


@in_universe
def test_a_subnet_that_is_given_another_acl_follows_it() -> None:
    """ReplaceNetworkAclAssociation takes effect at once, and on new and standing connections alike."""
    cloud = _open_groups()
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        cloud.acl("acl-3", "vpc-1")
        cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", acl="acl-3")
        net.follow(cloud.state())
        assert not alive(*ends)
        cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", acl="acl-2")
        net.follow(cloud.state())
        assert tcp(net.host("a"), B, 80)
