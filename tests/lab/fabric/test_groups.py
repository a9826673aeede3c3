"""Security groups, judged by real packets."""

from __future__ import annotations

from doorward_lab.model import Peering
from tests.lab.fabric.ground import (
    ALL_IN,
    ALL_OUT,
    EVERYBODY,
    EVERYBODY6,
    alive,
    connection,
    fabric,
    icmp_arrives,
    in_universe,
    pair,
    ping,
    raw,
    rule,
    tcp,
    udp,
)

A, B, C = "10.0.1.10", "10.0.2.10", "10.0.1.11"
A6, B6 = "2600:1f00:1:1::10", "2600:1f00:1:2::10"


@in_universe
def test_nothing_is_accepted_unless_a_rule_allows_it() -> None:
    """A group without ingress rules lets nothing in, of any protocol, neither within a subnet nor across."""
    with fabric(pair()) as net:
        a, b, c = (net.host(name) for name in "abc")
        assert not tcp(a, B, 80)
        assert not tcp(c, A, 80)
        assert not udp(a, b, B, 53)
        assert not ping(a, B)
        assert not ping(a, B6)
        assert not raw(a, b, B, 47)


@in_universe
def test_a_port_range_is_just_that() -> None:
    """tcp/8000-8100 from a CIDR opens both edges, nothing beside them, no UDP, and nobody outside the CIDR."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", (8000, 8100), "10.0.1.10/32"))
    with fabric(cloud) as net:
        a, b, c = (net.host(name) for name in "abc")
        assert [False, True, True, False] == [tcp(a, B, port) for port in (7999, 8000, 8100, 8101)]
        assert not udp(a, b, B, 8000)
        assert not tcp(c, B, 8000)


@in_universe
def test_every_form_of_protocol() -> None:
    """-1, names, numbers, ICMP type and code with -1, and protocols without ports, whose range is ignored.

    EC2 API Reference, IpPermission.
    """
    cloud = pair()
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")

        def given(*rules: object) -> None:
            cloud.group("sg-b", "vpc-1", *rules)  # type: ignore[arg-type]
            net.follow(cloud.state())

        given(rule("-1", None, EVERYBODY))
        assert tcp(a, B, 9)
        assert udp(a, b, B, 9)
        assert ping(a, B)
        assert raw(a, b, B, 50)
        given(rule("17", 53, "10.0.0.0/8"))
        assert udp(a, b, B, 53)
        assert not udp(a, b, B, 54)
        given(rule("50", (7, 9), EVERYBODY))
        assert raw(a, b, B, 50)
        assert not raw(a, b, B, 47)
        given(rule("icmp", (8, -1), EVERYBODY))
        assert ping(a, B)
        assert not icmp_arrives(a, b, B, 13, 0)
        given(rule("icmp", (3, 4), EVERYBODY))
        assert not ping(a, B)
        given(rule("icmp", (13, 0), EVERYBODY))
        assert icmp_arrives(a, b, B, 13, 0)
        assert not icmp_arrives(a, b, B, 13, 1)
        given(rule("1", (-1, -1), EVERYBODY))
        assert icmp_arrives(a, b, B, 13, 1)
        given(rule("icmpv6", (128, -1), EVERYBODY6))
        assert ping(a, B6)
        assert not ping(a, B)
        given(rule("tcp", (0, 65535), EVERYBODY))
        assert tcp(a, B, 1)
        assert not udp(a, b, B, 1)


@in_universe
def test_egress_rules_limit_what_leaves() -> None:
    """What no egress rule of the source allows does not leave, whatever the target accepts."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", ALL_IN)
    cloud.group("sg-a", "vpc-1", rule("tcp", 443, "10.0.2.0/24", egress=True))
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")
        assert tcp(a, B, 443)
        assert not tcp(a, B, 444)
        assert not tcp(a, C, 443)
        assert not udp(a, b, B, 443)


@in_universe
def test_answers_need_no_rule() -> None:
    """Groups are stateful: b answers a although b may send nothing by itself (Security group connection tracking)."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"), rule("udp", 53, "sg-a"), rule("icmp", (8, -1), "sg-a"))
    cloud.group("sg-a", "vpc-1", ALL_OUT, ALL_IN)
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")
        assert tcp(a, B, 80)
        assert udp(a, b, B, 53)
        assert ping(a, B)
        assert not tcp(b, A, 80)


@in_universe
def test_a_tracked_connection_outlives_its_rule() -> None:
    """Rule removed: the established connection goes on, a new one times out; put back: a new one opens at once."""
    cloud = pair()
    with_rule, without = (rule("tcp", 80, "sg-a"), ALL_OUT), (ALL_OUT,)
    cloud.group("sg-b", "vpc-1", *with_rule)
    with fabric(cloud) as net:
        a, b = net.host("a"), net.host("b")
        with connection(a, b, B, 80) as ends:
            assert alive(*ends)
            cloud.group("sg-b", "vpc-1", *without)
            net.follow(cloud.state())
            assert alive(*ends)
            assert not tcp(a, B, 80)
            cloud.group("sg-b", "vpc-1", *with_rule)
            net.follow(cloud.state())
            assert tcp(a, B, 80)
            assert alive(*ends)


@in_universe
def test_a_narrow_rule_is_tracked_even_if_all_may_leave() -> None:
    """0.0.0.0/0 out does not make a rule for a narrower source untracked: its connections outlive it."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "10.0.0.0/8"), ALL_OUT)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        cloud.group("sg-b", "vpc-1", ALL_OUT)
        net.follow(cloud.state())
        assert alive(*ends)


@in_universe
def test_an_untracked_connection_is_cut_at_once() -> None:
    """tcp/80 from 0.0.0.0/0 with everything allowed out is not tracked: removing the rule cuts its connections.

    EC2 User Guide, Security group connection tracking, Untracked connections.
    """
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY), ALL_OUT)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        assert alive(*ends)
        cloud.group("sg-b", "vpc-1", ALL_OUT)
        net.follow(cloud.state())
        assert not alive(*ends)


@in_universe
def test_an_untracked_connection_over_ipv6_is_cut_at_once() -> None:
    """The same for ::/0; an IPv4 opening the other way does not count for IPv6."""
    cloud = pair()
    all_out6 = rule("-1", None, EVERYBODY6, egress=True)
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY6), all_out6)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B6, 80) as ends:
        cloud.group("sg-b", "vpc-1", all_out6)
        net.follow(cloud.state())
        assert not alive(*ends)
        cloud.group("sg-b", "vpc-1", rule("tcp", 81, EVERYBODY6), ALL_OUT)
        net.follow(cloud.state())
        with connection(net.host("a"), net.host("b"), B6, 81) as tracked:
            cloud.group("sg-b", "vpc-1", ALL_OUT)
            net.follow(cloud.state())
            assert alive(*tracked)


@in_universe
def test_the_rule_that_lets_answers_out_enables_an_untracked_connection_too() -> None:
    """Untracked answers leave by the egress rule: removing that one cuts the connection as well."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY), ALL_OUT)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY))
        net.follow(cloud.state())
        assert not alive(*ends)
        assert tcp(net.host("a"), B, 80)


@in_universe
def test_a_narrower_rule_beside_it_does_not_make_a_flow_tracked() -> None:
    """A flow that both a reference and 0.0.0.0/0 allow is untracked: removing both rules cuts it."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"), rule("tcp", 80, EVERYBODY), ALL_OUT)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        cloud.group("sg-b", "vpc-1", ALL_OUT)
        net.follow(cloud.state())
        assert not alive(*ends)


@in_universe
def test_tracking_depends_on_all_groups_of_the_interface() -> None:
    """The opening the other way may be in another group of the interface."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, EVERYBODY))
    cloud.interface("b", "subnet-2", "sg-b sg-c", B)
    with fabric(cloud) as net, connection(net.host("a"), net.host("b"), B, 80) as ends:
        cloud.group("sg-b", "vpc-1")
        net.follow(cloud.state())
        assert not alive(*ends)


@in_universe
def test_references_mean_the_private_addresses_of_members() -> None:
    """sg-a as a peer admits a's private addresses of both families, and nobody else."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    with fabric(cloud) as net:
        a, c = net.host("a"), net.host("c")
        assert tcp(a, B, 80)
        assert tcp(a, B6, 80)
        assert not tcp(c, B, 80)
        # by its public address a is somebody else (EC2 User Guide, Security group rules)
        assert not tcp(a, "198.18.0.20", 80)


@in_universe
def test_membership_changes_at_once_for_those_who_refer() -> None:
    """An interface that joins a group is admitted by those who refer to it, and one that leaves is not."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    with fabric(cloud) as net:
        c = net.host("c")
        cloud.interface("c", "subnet-1", "sg-c sg-a", C)
        net.follow(cloud.state())
        assert tcp(c, B, 80)
        with connection(c, net.host("b"), B, 80) as ends:
            cloud.interface("c", "subnet-1", "sg-c", C)
            net.follow(cloud.state())
            assert alive(*ends)
            assert not tcp(c, B, 80)


@in_universe
def test_a_group_may_refer_to_itself_and_groups_are_united() -> None:
    """Members of a group that refers to itself reach each other; an interface in two groups has the rules of both."""
    cloud = pair()
    cloud.group("sg-self", "vpc-1", rule("tcp", 7000, "sg-self"), ALL_OUT)
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-a"))
    cloud.interface("a", "subnet-1", "sg-a sg-self", A)
    cloud.interface("b", "subnet-2", "sg-b sg-self", B)
    with fabric(cloud) as net:
        a, b, c = (net.host(name) for name in "abc")
        assert tcp(a, B, 7000)
        assert tcp(b, A, 7000)
        assert tcp(a, B, 80)
        assert not tcp(c, B, 7000)


@in_universe
def test_prefix_lists_stand_for_their_entries() -> None:
    """A rule with a prefix list admits the entries of both families, follows its versions, and nothing without it."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "pl-1"), rule("tcp", 80, "pl-none"))
    cloud.prefix_lists["pl-1"] = ("10.0.1.10/32", "2600:1f00:1:1::/64")
    with fabric(cloud) as net:
        a, c = net.host("a"), net.host("c")
        assert [True, True, False] == [tcp(a, B, 80), tcp(a, B6, 80), tcp(c, B, 80)]
        cloud.prefix_lists["pl-1"] = ("10.0.1.11/32",)
        net.follow(cloud.state())
        assert [False, False, True] == [tcp(a, B, 80), tcp(a, B6, 80), tcp(c, B, 80)]


@in_universe
def test_a_peered_group_counts_while_the_peering_is_active() -> None:
    """A reference over a peering admits its members; when the peering goes, it is stale and matches nothing."""
    cloud = pair()
    cloud.vpc("vpc-2", "10.9.0.0/16")
    cloud.subnet("subnet-9", "vpc-2", "10.9.1.0/24")
    cloud.group("sg-z", "vpc-2", ALL_OUT)
    cloud.interface("z", "subnet-9", "sg-z", "10.9.1.10")
    cloud.interface("y", "subnet-9", "sg-y", "10.9.1.11")
    cloud.group("sg-y", "vpc-2", ALL_OUT)
    cloud.table("rtb-vpc-2", "vpc-2", ("10.0.0.0/16", "pcx-1"))
    cloud.table("rtb-vpc-1", "vpc-1", ("10.9.0.0/16", "pcx-1"))
    cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=True)
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "sg-z"))
    with fabric(cloud) as net:
        assert tcp(net.host("z"), B, 80)
        assert not tcp(net.host("y"), B, 80)
        cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=False)
        net.follow(cloud.state())
        assert not tcp(net.host("z"), B, 80)
        assert not any(count.rule.endswith("sg-z") for count in net.explain("b"))
        cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=True)
        net.follow(cloud.state())
        assert tcp(net.host("z"), B, 80)


@in_universe
def test_an_interface_without_groups_is_not_filtered() -> None:
    """A network load balancer's interface without groups accepts and sends everything."""
    cloud = pair()
    cloud.interface("b", "subnet-2", "", B, kind="network_load_balancer")
    cloud.group("sg-a", "vpc-1", ALL_OUT, ALL_IN)
    with fabric(cloud) as net:
        assert tcp(net.host("a"), B, 80)
        assert tcp(net.host("b"), A, 80)


@in_universe
def test_explain_names_the_rule_that_let_the_packet_in() -> None:
    """The counter of the rule that admitted a connection counts it once; others stay at zero."""
    cloud = pair()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "10.0.1.10/32"), rule("tcp", 80, "sg-c"))
    with fabric(cloud) as net:
        assert tcp(net.host("a"), B, 80)
        counts = {count.rule: count.packets for count in net.explain("b") if not count.egress}
        assert {"sgr-in-tcp-80-80-10.0.1.10/32": 1, "sgr-in-tcp-80-80-sg-c": 0} == counts
