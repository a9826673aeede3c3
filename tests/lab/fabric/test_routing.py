"""Routes, gateways, peerings and middleboxes, judged by real packets."""

from __future__ import annotations

import dataclasses
import socket

from doorward_lab.model import NatGateway, Peering, TransitGateway
from tests.lab.fabric.ground import (
    ALL_IN,
    ALL_IN6,
    ALL_OUT,
    ALL_OUT6,
    EVERYBODY,
    EVERYBODY6,
    Cloud,
    connection,
    entry,
    fabric,
    in_universe,
    pair,
    ping,
    raw,
    reset,
    rule,
    tcp,
    udp,
)

A, B, C = "10.0.1.10", "10.0.2.10", "10.0.1.11"
A6, B6 = "2600:1f00:1:1::10", "2600:1f00:1:2::10"
CLIENT, CLIENT6 = "203.0.113.77", "2001:db8:77::1"


def _open() -> Cloud:
    """`pair`, with groups that allow everything: what stops a packet is a route or a gateway."""
    cloud = pair()
    for letter in "abc":
        cloud.group(f"sg-{letter}", "vpc-1", ALL_OUT, ALL_OUT6, ALL_IN, ALL_IN6)
    return cloud


@in_universe
def test_clients_reach_public_addresses_from_any_public_address() -> None:
    """Clients use any public address; groups see just that address (VPC User Guide, Internet gateways)."""
    cloud = pair()
    cloud.group("sg-a", "vpc-1", ALL_OUT, ALL_OUT6, rule("tcp", 443, f"{CLIENT}/32"), rule("tcp", 443, "8.8.8.8/32"))
    with fabric(cloud) as net:
        for client, admitted in ((CLIENT, True), ("8.8.8.8", True), ("198.51.100.3", False), ("192.0.2.1", False)):
            assert admitted == tcp(net.internet, "198.18.0.10", 443, source=client)


@in_universe
def test_only_what_has_a_public_address_is_reached_and_gets_out() -> None:
    """c has no public address: over IPv4 nobody reaches it from the internet, and it gets nowhere; IPv6 works."""
    with fabric(_open()) as net:
        a, c, out = net.host("a"), net.host("c"), net.internet
        assert udp(a, out, CLIENT, 53)
        assert not udp(c, out, CLIENT, 53)
        assert udp(c, out, CLIENT6, 53)
        assert tcp(out, "2600:1f00:1:1::11", 80, source=CLIENT6)
        assert ping(out, "198.18.0.10", source=CLIENT)
        assert raw(out, a, "198.18.0.10", 47)


@in_universe
def test_the_source_that_the_internet_sees_is_the_public_address() -> None:
    """The gateway translates one to one, both ways."""
    with fabric(_open()) as net, net.internet.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind((CLIENT, 53))
        far.settimeout(1)
        with net.host("a").socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
            near.settimeout(1)
            near.sendto(b"?", (CLIENT, 53))
            word, seen = far.recvfrom(16)
            far.sendto(b"!", seen)
            assert (b"?", "198.18.0.10") == (word, seen[0])
            assert b"!" == near.recv(16)


@in_universe
def test_interfaces_reach_each_other_by_public_addresses() -> None:
    """From a to b's public address the traffic leaves by the gateway and comes back as a's public address."""
    cloud = _open()
    cloud.group("sg-b", "vpc-1", rule("tcp", 80, "198.18.0.10/32"), ALL_OUT)
    with fabric(cloud) as net:
        assert tcp(net.host("a"), "198.18.0.20", 80)
        assert not tcp(net.host("a"), B, 80)


@in_universe
def test_public_addresses_come_and_go() -> None:
    """AssociateAddress and DisassociateAddress take effect at once; so does detaching the gateway."""
    cloud = _open()
    with fabric(cloud) as net:
        cloud.interface("c", "subnet-1", "sg-c", C, public={C: "198.18.0.30"})
        net.follow(cloud.state())
        assert tcp(net.internet, "198.18.0.30", 80)
        cloud.interface("c", "subnet-1", "sg-c", C)
        cloud.interface("a", "subnet-1", "sg-a", A, public={A: "198.18.0.30"})
        net.follow(cloud.state())
        assert tcp(net.internet, "198.18.0.30", 80)
        assert not tcp(net.internet, "198.18.0.10", 80)
        cloud.internet_gateways.clear()
        net.follow(cloud.state())
        assert not tcp(net.internet, "198.18.0.30", 80)
        assert not tcp(net.internet, B6, 80)
        cloud.internet_gateways["igw-1"] = "vpc-1"
        net.follow(cloud.state())
        assert tcp(net.internet, "198.18.0.30", 80)


@in_universe
def test_several_private_addresses_each_with_its_public_one() -> None:
    """An interface with two private addresses, each translated to its own public address."""
    cloud = _open()
    cloud.interface("a", "subnet-1", "sg-a", A, "10.0.1.20", public={A: "198.18.0.10", "10.0.1.20": "198.18.0.11"})
    with fabric(cloud) as net:
        assert tcp(net.internet, "198.18.0.11", 80)
        assert tcp(net.host("b"), "10.0.1.20", 80)
        with connection(net.internet, net.host("a"), "198.18.0.11", 80) as (_, far):
            assert "10.0.1.20" == far.getsockname()[0]


@in_universe
def test_what_comes_in_with_an_address_of_the_vpc_is_forged() -> None:
    """The gateway drops packets from outside whose source lies in the VPC."""
    cloud = _open()
    with fabric(cloud) as net, net.internet.socket(socket.AF_INET6, socket.SOCK_DGRAM) as near:
        assert udp(net.internet, net.host("a"), A6, 53, source=CLIENT6)
        near.setsockopt(socket.IPPROTO_IPV6, 75, 1)  # IPV6_TRANSPARENT: any source
        near.bind((B6, 0))
        with net.host("a").socket(socket.AF_INET6, socket.SOCK_DGRAM) as far:
            far.bind(("", 53))
            far.settimeout(0.3)
            near.sendto(b"?", (A6, 53))
            arrived = True
            try:
                far.recv(16)
            except TimeoutError:
                arrived = False
            assert not arrived


@in_universe
def test_without_a_route_nothing_leaves_the_subnet_but_to_the_vpc() -> None:
    """A table of local routes: the VPC is reached, the internet is not; a request from there arrives unanswered."""
    cloud = _open()
    cloud.table("rtb-vpc-1", "vpc-1")
    with fabric(cloud) as net:
        a = net.host("a")
        assert tcp(a, B, 80)
        assert tcp(a, B6, 80)
        assert not udp(a, net.internet, CLIENT, 53)
        assert not tcp(net.internet, "198.18.0.10", 80)
        assert udp(net.internet, a, "198.18.0.10", 53, answer=False)


@in_universe
def test_the_longest_prefix_wins_and_a_blackhole_drops() -> None:
    """A default route to the gateway, a route inside it that leads nowhere, and inside that one that leads out."""
    cloud = _open()
    routes = [(EVERYBODY, "igw-1"), ("203.0.113.0/24", "nat-gone"), ("203.0.113.64/26", "igw-1")]
    cloud.table("rtb-vpc-1", "vpc-1", *routes)
    with fabric(cloud) as net:
        a, out = net.host("a"), net.internet
        got = [udp(a, out, client, 53) for client in ("198.51.100.1", "203.0.113.1", "203.0.113.77")]
        assert [True, False, True] == got
        cloud.table("rtb-vpc-1", "vpc-1", (EVERYBODY, "igw-1"))
        net.follow(cloud.state())
        assert udp(a, out, "203.0.113.1", 53)


@in_universe
def test_destinations_may_be_prefix_lists() -> None:
    """Entries of a prefix list are routed, a static route for the same block comes first (Route priority)."""
    cloud = _open()
    cloud.prefix_lists["pl-1"] = ("203.0.113.0/24", "198.51.100.0/24")
    cloud.table("rtb-vpc-1", "vpc-1", ("pl-1", "igw-1"), ("198.51.100.0/24", "eni-gone"))
    with fabric(cloud) as net:
        a, out = net.host("a"), net.internet
        assert [True, False] == [udp(a, out, CLIENT, 53), udp(a, out, "198.51.100.1", 53)]


@in_universe
def test_each_subnet_has_its_own_table_and_follows_another() -> None:
    """b's subnet has a table without a way out; given the other table, it gets out."""
    cloud = _open()
    cloud.table("rtb-2", "vpc-1")
    cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", table="rtb-2")
    with fabric(cloud) as net:
        assert udp(net.host("a"), net.internet, CLIENT, 53)
        assert not udp(net.host("b"), net.internet, CLIENT, 53)
        cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", table="rtb-vpc-1")
        net.follow(cloud.state())
        assert udp(net.host("b"), net.internet, CLIENT, 53)


def _behind_nat() -> Cloud:
    """b in a private subnet behind a NAT gateway (10.0.1.50, 198.18.0.50) in a's subnet; c's subnet has none."""
    cloud = _open()
    cloud.interface("nat", "subnet-1", "", "10.0.1.50", kind="nat_gateway", check=False)
    cloud.nat_gateways["nat-1"] = NatGateway("nat-1", "subnet-1", "nat", "198.18.0.50")
    cloud.table("rtb-2", "vpc-1", (EVERYBODY, "nat-1"))
    cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", table="rtb-2")
    cloud.interface("b", "subnet-2", "sg-b", B, B6)
    return cloud


@in_universe
def test_a_nat_gateway_lets_out_and_nothing_in() -> None:
    """TCP, UDP and ICMP leave as the gateway's public address; other protocols do not; nothing gets in.

    VPC User Guide, NAT gateway basics.
    """
    with fabric(_behind_nat()) as net:
        b, out = net.host("b"), net.internet
        assert udp(b, out, CLIENT, 53)
        assert ping(b, CLIENT)
        assert not raw(b, out, CLIENT, 47)
        with connection(b, out, "203.0.113.5", 80) as (near, far):
            assert "198.18.0.50" == far.getpeername()[0]
            near.send(b"x")
            assert b"x" == far.recv(8)
        assert not tcp(out, "198.18.0.50", 80)
        assert not ping(out, "198.18.0.50")
        assert not ping(net.host("a"), "10.0.1.50")


@in_universe
def test_a_nat_gateway_passes_nothing_on_untranslated() -> None:
    """TCP that belongs to no connection is dropped, also from an interface that has a public address of its own."""
    cloud = _behind_nat()
    cloud.interface("b", "subnet-2", "sg-b", B, B6, public={B: "198.18.0.20"})
    with fabric(cloud) as net:
        assert udp(net.host("b"), net.internet, CLIENT, 53)
        assert not raw(net.host("b"), net.internet, CLIENT, 6, reset())
        cloud.table("rtb-2", "vpc-1", (EVERYBODY, "igw-1"))
        net.follow(cloud.state())
        assert raw(net.host("b"), net.internet, CLIENT, 6, reset())


@in_universe
def test_acls_are_met_on_both_sides_of_a_nat_gateway() -> None:
    """An ACL of the NAT gateway's subnet that admits no answers from the internet stops what it translated."""
    cloud = _behind_nat()
    with fabric(cloud) as net:
        assert udp(net.host("b"), net.internet, CLIENT, 53)
        outward = [e for e in cloud.acls["acl-vpc-1"].entries if e.egress]
        cloud.acl("acl-nat", "vpc-1", *outward, entry(100, "-1", None, "10.0.0.0/16", egress=False))
        cloud.subnet("subnet-1", "vpc-1", "10.0.1.0/24", "2600:1f00:1:1::/64", acl="acl-nat")
        net.follow(cloud.state())
        assert not udp(net.host("b"), net.internet, CLIENT, 53)
        assert udp(net.host("b"), net.internet, CLIENT, 53, answer=False)


@in_universe
def test_a_private_nat_gateway_hides_behind_its_own_address() -> None:
    """Over a peering, the other side sees the NAT gateway's private address (VPC User Guide, Private NAT gateways)."""
    cloud = _peered()
    cloud.interface("nat", "subnet-1", "", "10.0.1.50", kind="nat_gateway", check=False)
    cloud.nat_gateways["nat-1"] = NatGateway("nat-1", "subnet-1", "nat", None)
    cloud.table("rtb-2", "vpc-1", ("10.9.0.0/16", "nat-1"))
    cloud.subnet("subnet-2", "vpc-1", "10.0.2.0/24", "2600:1f00:1:2::/64", table="rtb-2")
    with fabric(cloud) as net, connection(net.host("b"), net.host("z"), "10.9.1.10", 80) as (_, far):
        assert "10.0.1.50" == far.getpeername()[0]


@in_universe
def test_an_egress_only_gateway_is_stateful() -> None:
    """IPv6 gets out and its answers in, new connections do not (VPC User Guide, Egress-only internet gateways)."""
    cloud = _open()
    cloud.internet_gateways.clear()
    cloud.egress_only_gateways["eigw-1"] = "vpc-1"
    cloud.table("rtb-vpc-1", "vpc-1", (EVERYBODY6, "eigw-1"))
    with fabric(cloud) as net:
        a, out = net.host("a"), net.internet
        assert udp(a, out, CLIENT6, 53)
        assert ping(a, CLIENT6)
        assert not tcp(out, A6, 80)
        assert not udp(out, a, A6, 53, answer=False)
        assert not udp(a, out, CLIENT, 53)


def _peered() -> Cloud:
    """vpc-2 (10.9.0.0/16, host z 10.9.1.10) peered with vpc-1, routes on both sides."""
    cloud = _open()
    cloud.vpc("vpc-2", "10.9.0.0/16", "2600:1f00:9::/56")
    cloud.subnet("subnet-9", "vpc-2", "10.9.1.0/24", "2600:1f00:9:1::/64")
    cloud.group("sg-z", "vpc-2", ALL_OUT, ALL_OUT6, ALL_IN, ALL_IN6)
    cloud.interface("z", "subnet-9", "sg-z", "10.9.1.10", "2600:1f00:9:1::10")
    cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=True)
    cloud.table("rtb-vpc-1", "vpc-1", ("10.9.0.0/16", "pcx-1"), ("2600:1f00:9::/56", "pcx-1"), (EVERYBODY, "igw-1"))
    cloud.table("rtb-vpc-2", "vpc-2", ("10.0.0.0/16", "pcx-1"), ("2600:1f00:1::/56", "pcx-1"))
    return cloud


@in_universe
def test_peered_vpcs_reach_each_other_by_routes_on_both_sides() -> None:
    """Both families, both ways; without the route back the request arrives and the answer does not."""
    cloud = _peered()
    with fabric(cloud) as net:
        a, z = net.host("a"), net.host("z")
        assert tcp(a, "10.9.1.10", 80)
        assert tcp(z, A6, 80)
        cloud.table("rtb-vpc-2", "vpc-2")
        net.follow(cloud.state())
        assert not tcp(a, "10.9.1.10", 80)
        assert udp(a, z, "10.9.1.10", 53, answer=False)


@in_universe
def test_a_peering_carries_only_between_its_two_vpcs() -> None:
    """z gets nowhere beyond vpc-1: not to the internet by its gateway, not to a third VPC (Transitive peering)."""
    cloud = _peered()
    cloud.vpc("vpc-3", "10.8.0.0/16")
    cloud.subnet("subnet-8", "vpc-3", "10.8.1.0/24")
    cloud.group("sg-y", "vpc-3", ALL_OUT, ALL_IN)
    cloud.interface("y", "subnet-8", "sg-y", "10.8.1.10")
    cloud.peerings["pcx-2"] = Peering("pcx-2", "vpc-1", "vpc-3", active=True)
    routes = [("10.9.0.0/16", "pcx-1"), ("10.8.0.0/16", "pcx-2"), (EVERYBODY, "igw-1")]
    cloud.table("rtb-vpc-1", "vpc-1", *routes)
    cloud.table("rtb-vpc-2", "vpc-2", ("10.0.0.0/16", "pcx-1"), ("10.8.0.0/16", "pcx-1"), (EVERYBODY, "pcx-1"))
    cloud.table("rtb-vpc-3", "vpc-3", ("10.0.0.0/16", "pcx-2"), ("10.9.0.0/16", "pcx-2"))
    with fabric(cloud) as net:
        assert tcp(net.host("z"), A, 80)
        assert tcp(net.host("y"), A, 80)
        assert not udp(net.host("z"), net.host("y"), "10.8.1.10", 53, answer=False)
        assert not udp(net.host("z"), net.internet, CLIENT, 53, answer=False)


@in_universe
def test_an_inactive_or_overlapping_peering_carries_nothing() -> None:
    """Deleted, pending and failed peerings carry nothing; nor does one between overlapping blocks."""
    cloud = _peered()
    with fabric(cloud) as net:
        cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=False)
        net.follow(cloud.state())
        assert not udp(net.host("a"), net.host("z"), "10.9.1.10", 53, answer=False)
        assert not udp(net.host("z"), net.host("a"), A6, 53, answer=False)
        cloud.peerings["pcx-1"] = Peering("pcx-1", "vpc-1", "vpc-2", active=True)
        net.follow(cloud.state())
        assert tcp(net.host("a"), "10.9.1.10", 80)
        two = cloud.vpcs["vpc-2"]
        cloud.vpcs["vpc-2"] = dataclasses.replace(two, ipv4=(*two.ipv4, "10.0.128.0/20"))
        net.follow(cloud.state())
        assert not udp(net.host("a"), net.host("z"), "10.9.1.10", 53, answer=False)
        assert not udp(net.host("z"), net.host("a"), A6, 53, answer=False)


@in_universe
def test_a_transit_gateway_joins_vpcs_by_its_own_tables() -> None:
    """vpc-2 is reached by static routes of the attachment's table; a blackhole in it drops."""
    cloud = _peered()
    cloud.peerings.clear()
    cloud.table("rtb-vpc-1", "vpc-1", ("10.9.0.0/16", "tgw-1"))
    cloud.table("rtb-vpc-2", "vpc-2", ("10.0.0.0/16", "tgw-1"))
    ends = {"tgw-attach-1": "vpc-1", "tgw-attach-2": "vpc-2"}
    to_two, to_one = ("10.9.0.0/16", "tgw-attach-2"), ("10.0.0.0/16", "tgw-attach-1")
    cloud.transit_gateways["tgw-1"] = TransitGateway(
        "tgw-1", ends, {"tgw-attach-1": (to_two, ("10.9.1.128/25", None)), "tgw-attach-2": (to_one,)}
    )
    cloud.interface("y", "subnet-9", "sg-z", "10.9.1.200")
    with fabric(cloud) as net:
        assert tcp(net.host("a"), "10.9.1.10", 80)
        assert tcp(net.host("z"), A, 80)
        assert not udp(net.host("a"), net.host("y"), "10.9.1.200", 53, answer=False)
        cloud.transit_gateways["tgw-1"] = TransitGateway("tgw-1", ends, {"tgw-attach-1": (to_two,)})
        net.follow(cloud.state())
        assert not tcp(net.host("a"), "10.9.1.10", 80)
        assert udp(net.host("a"), net.host("y"), "10.9.1.200", 53, answer=False)


def _with_middlebox(*, check: bool) -> Cloud:
    """What subnet 1 sends to subnet 2, and back, goes by m (10.0.3.10) in subnet 3."""
    cloud = _open()
    cloud.subnet("subnet-3", "vpc-1", "10.0.3.0/24", "2600:1f00:1:3::/64")
    cloud.group("sg-m", "vpc-1", ALL_OUT, ALL_OUT6, ALL_IN, ALL_IN6)
    cloud.interface("m", "subnet-3", "sg-m", "10.0.3.10", "2600:1f00:1:3::10", check=check)
    for number, (four, six) in {
        "1": ("10.0.2.0/24", "2600:1f00:1:2::/64"),
        "2": ("10.0.1.0/24", "2600:1f00:1:1::/64"),
    }.items():
        cloud.table(f"rtb-{number}", "vpc-1", (four, "eni-m"), (six, "eni-m"))
        cloud.subnet(
            f"subnet-{number}",
            "vpc-1",
            f"10.0.{number}.0/24",
            f"2600:1f00:1:{number}::/64",
            table=f"rtb-{number}",
        )
    cloud.interface("eni-m", "subnet-3", "sg-m", "10.0.3.10", "2600:1f00:1:3::10", check=check)
    del cloud.interfaces["m"]
    return cloud


@in_universe
def test_a_middlebox_passes_on_only_without_the_source_destination_check() -> None:
    """A more specific route than `local` leads to an interface; with the check on it drops what is not its own.

    VPC User Guide, Middlebox routing; EC2 User Guide, Elastic network interfaces (source/destination checking).
    """
    cloud = _with_middlebox(check=False)
    with fabric(cloud) as net:
        a = net.host("a")
        assert tcp(a, B, 80)
        assert tcp(a, B6, 80)
        assert 0 < sum(count.packets for count in net.explain("eni-m"))
        cloud.interface("eni-m", "subnet-3", "sg-m", "10.0.3.10", "2600:1f00:1:3::10", check=True)
        net.follow(cloud.state())
        assert not tcp(a, B, 80)
        assert not tcp(a, B6, 80)
        cloud.interface("eni-m", "subnet-3", "sg-m", "10.0.3.10", "2600:1f00:1:3::10", check=False)
        net.follow(cloud.state())
        assert tcp(a, B, 80)
        assert tcp(a, B6, 80)


@in_universe
def test_the_groups_of_a_middlebox_judge_what_it_passes_on() -> None:
    """What enters a middlebox needs an ingress rule for its source, what leaves it an egress rule for its target."""
    cloud = _with_middlebox(check=False)
    cloud.group(
        "sg-m", "vpc-1", rule("tcp", (80, 81), "10.0.1.0/24"), rule("tcp", (81, 82), "10.0.2.0/24", egress=True)
    )
    with fabric(cloud) as net:
        assert [False, True, False] == [tcp(net.host("a"), B, port) for port in (80, 81, 82)]


@in_universe
def test_a_forged_source_does_not_leave_an_interface_with_the_check() -> None:
    """A packet whose source is not the interface's own is dropped; without the check it leaves."""
    cloud = _open()
    with fabric(cloud) as net:

        def forged() -> bool:
            with net.host("a").socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
                near.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT: any source
                near.bind(("10.0.1.99", 0))
                with net.host("b").socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
                    far.bind(("", 53))
                    far.settimeout(0.3)
                    try:
                        near.sendto(b"?", (B, 53))
                        return bool(far.recvfrom(16)[1][0] == "10.0.1.99")
                    except (TimeoutError, PermissionError):
                        return False

        assert not forged()
        cloud.interface("a", "subnet-1", "sg-a", A, check=False)
        net.follow(cloud.state())
        assert forged()


@in_universe
def test_an_address_of_the_vpc_that_nobody_has_is_nobody() -> None:
    """Neither an unused address of a subnet nor one outside every subnet is answered, by anything."""
    with fabric(_open()) as net:
        for address in ("10.0.2.99", "10.0.77.1", "10.0.2.1", "2600:1f00:1:2::99"):
            assert not tcp(net.host("a"), address, 80)
            assert not ping(net.host("a"), address)


@in_universe
def test_interfaces_and_subnets_come_and_go() -> None:
    """A new interface in a new subnet is reached at once; a deleted one is gone, and its address can be used again."""
    cloud = _open()
    with fabric(cloud) as net:
        cloud.subnet("subnet-7", "vpc-1", "10.0.7.0/24")
        cloud.interface("n", "subnet-7", "sg-a", "10.0.7.10")
        net.follow(cloud.state())
        assert tcp(net.host("b"), "10.0.7.10", 80)
        del cloud.interfaces["n"]
        net.follow(cloud.state())
        assert not tcp(net.host("b"), "10.0.7.10", 80)
        cloud.interface("o", "subnet-7", "sg-a", "10.0.7.10")
        net.follow(cloud.state())
        assert tcp(net.host("b"), "10.0.7.10", 80)
        del cloud.interfaces["o"], cloud.subnets["subnet-7"]
        net.follow(cloud.state())
        assert not tcp(net.host("b"), "10.0.7.10", 80)
        assert tcp(net.host("b"), A, 80)
        cloud.interface("c", "subnet-1", "sg-c", C, "10.0.1.30")
        net.follow(cloud.state())
        assert tcp(net.host("b"), "10.0.1.30", 80)


@in_universe
def test_the_resolver_and_link_local_services_are_not_filtered() -> None:
    """The VPC's resolver (base + 2 and 169.254.169.253) answers whatever groups and ACLs say (VPC User Guide)."""
    cloud = pair()
    cloud.group("sg-a", "vpc-1")
    cloud.acl("acl-vpc-1", "vpc-1")
    with fabric(cloud) as net:
        for resolver in ("10.0.0.2", "169.254.169.253"):
            assert udp(net.host("a"), net.router("vpc-1"), resolver, 53)
