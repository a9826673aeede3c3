"""Traffic with the internet: internet and egress-only gateways, public addresses, NAT gateways.

Sources: VPC User Guide, *Enable internet access using internet gateways*, *egress-only internet gateways*, *NAT
gateways*, *IP addressing*.
"""

from __future__ import annotations

import pytest

from tests.semantics.account import ALLOW_ALL, BROKEN, KEPT, OPENS, STOPS, UNSURE, Account

WEB = "group:sg-web"
V4, V6, BOTH = "internet:v4", "internet:v6", "internet"
OUT4, OUT6 = "203.0.113.0/24", "2600:1f00::/24"
FORWARD = (BROKEN, BROKEN)


def server(account: Account, *addresses: str, public: str | None = None) -> None:
    """``eni-web`` in ``sg-web``, open to everybody on tcp/443."""
    account.group("sg-web", "tcp 443 0.0.0.0/0", "tcp 443 ::/0", "icmp 8:-1 0.0.0.0/0")
    account.interface("eni-web", *(addresses or ("10.0.1.5",)), groups=["sg-web"], public=public)


def test_public_address_and_gateway(account: Account) -> None:
    """*Internet gateways*: an instance with a public IPv4 address in a subnet with a route to an attached gateway
    talks with the internet, both ways."""
    account.internet_gateway()
    server(account, public="198.51.100.5")
    assert OPENS == account.both(V4, WEB, "tcp/443")
    assert OPENS == account.both(WEB, OUT4, "tcp/443")
    assert STOPS == account.both(V4, WEB, "tcp/444")


def test_without_public_address(account: Account) -> None:
    """Same page: an instance in a public subnet without a public IPv4 address is not reached and does not get out."""
    account.internet_gateway()
    server(account)
    assert STOPS == account.both(V4, WEB, "tcp/443")
    assert STOPS == account.both(WEB, OUT4, "tcp/443")


def test_without_gateway(account: Account) -> None:
    """A public address without an attached gateway leads nowhere."""
    server(account, public="198.51.100.5")
    assert STOPS == account.both(V4, WEB, "tcp/443")
    assert STOPS == account.both(WEB, OUT4, "tcp/443")


def test_detached_gateway(account: Account) -> None:
    """A gateway that is being detached does not count, nor does its blackhole route."""
    server(account, public="198.51.100.5")
    account.internet_gateway(routed=False)
    account.said["InternetGateways"][0]["Attachments"] = [{"VpcId": "vpc-1", "State": "detached"}]
    account.route("rtb-vpc-1", "0.0.0.0/0 igw-1 blackhole")
    assert STOPS == account.both(V4, WEB, "tcp/443")


def test_only_the_address_with_a_public_one(account: Account) -> None:
    """EC2 User Guide, *IP addressing*: a public address belongs to one private address of an interface; the secondary
    one without it does not get out."""
    account.internet_gateway()
    server(account, "10.0.1.5", "10.0.1.6", public="198.51.100.5")
    assert OPENS == account.both(V4, WEB, "tcp/443")
    assert OPENS == account.both("10.0.1.5/32", OUT4, "tcp/443")
    assert STOPS == account.both("10.0.1.6/32", OUT4, "tcp/443")


def test_ipv6_is_public(account: Account) -> None:
    """*IP addressing*: IPv6 addresses are "globally unique and … public by default": no further address is needed."""
    account.internet_gateway()
    server(account, "10.0.1.5", "2001:db8:1:1::5")
    assert OPENS == account.both(V6, WEB, "tcp/443")
    assert STOPS == account.both(V4, WEB, "tcp/443")
    assert OPENS == account.both(WEB, OUT6, "tcp/443")


def test_each_family_in_which_it_is_addressable(account: Account) -> None:
    """``internet`` is judged for each family in which the target can be addressed: IPv6 must be open too when there is
    a public IPv6 address, and is not asked for when there is none."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 0.0.0.0/0")
    account.interface("eni-four", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    assert KEPT == account.reach(BOTH, WEB, "tcp/443")
    account.interface("eni-six", "10.0.1.6", "2001:db8:1:1::6", groups=["sg-web"], public="198.51.100.6")
    assert BROKEN == account.reach(BOTH, WEB, "tcp/443")
    assert BROKEN == account.never_reach(BOTH, WEB, "tcp/443")


def test_ipv6_route_is_its_own(account: Account) -> None:
    """*Internet gateways*: IPv6 needs a route of its own (::/0)."""
    account.internet_gateway(routed=False)
    account.route("rtb-vpc-1", "0.0.0.0/0 igw-1")
    server(account, "10.0.1.5", "2001:db8:1:1::5", public="198.51.100.5")
    assert FORWARD == account.both(V6, WEB, "tcp/443")
    assert STOPS == account.both(WEB, OUT6, "tcp/443")


def test_egress_only_gateway(account: Account) -> None:
    """*Egress-only internet gateways*: "allows outbound communication over IPv6 …, and prevents the internet from
    initiating an IPv6 connection with your instances"."""
    account.egress_only_gateway()
    account.route("rtb-vpc-1", "::/0 eigw-1")
    server(account, "10.0.1.5", "2001:db8:1:1::5")
    assert OPENS == account.both(WEB, OUT6, "tcp/443")
    assert STOPS == account.both(V6, WEB, "tcp/443")


def test_egress_only_route_beside_an_internet_gateway(account: Account) -> None:
    """With an internet gateway attached as well, packets still come in by that; their answers leave by the egress-only
    gateway, which is stateful and never saw the connection: not answered."""
    account.internet_gateway(routed=False)
    account.egress_only_gateway()
    account.route("rtb-vpc-1", "::/0 eigw-1")
    server(account, "10.0.1.5", "2001:db8:1:1::5")
    assert FORWARD == account.both(V6, WEB, "tcp/443")


def test_group_filters_by_source(account: Account) -> None:
    """A rule for one network on the internet opens for that and no more."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 203.0.113.0/24")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    assert OPENS == account.both("203.0.113.0/24", WEB, "tcp/443")
    assert STOPS == account.both("203.0.112.0/24", WEB, "tcp/443")
    assert (BROKEN, BROKEN) == account.both(V4, WEB, "tcp/443")
    assert KEPT == account.only_from("203.0.113.0/24", WEB, "all")


def test_private_rule_does_not_open_to_the_internet(account: Account) -> None:
    """Private addresses are not on the internet."""
    account.internet_gateway()
    account.group("sg-web", "-1 - 10.0.0.0/8")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    assert STOPS == account.both(V4, WEB, "all")


def test_forged_inner_source(account: Account) -> None:
    """Addresses of the VPC's own (here public-looking) CIDR are inside, so a packet from outside that claims one is
    forged and does not count."""
    account.vpc("vpc-2", "203.0.113.0/24")
    account.subnet("subnet-2", "203.0.113.0/25", vpc="vpc-2")
    account.internet_gateway("igw-2", "vpc-2")
    account.group("sg-two", "tcp 443 203.0.113.0/24", vpc="vpc-2")
    account.interface("eni-two", "203.0.113.5", groups=["sg-two"], public="198.51.100.6")
    assert STOPS == account.both(V4, "group:sg-two", "tcp/443")


# --- NAT --------------------------------------------------------------------------------------------------------


def translated(account: Account, *, state: str = "available", public: str | None = "198.51.100.99") -> None:
    """``sg-web`` in subnet-a without public addresses, whose table leads to ``nat-1`` in the public subnet-b."""
    account.internet_gateway()
    account.nat_gateway("nat-1", "subnet-b", "10.0.2.200", public, state=state)
    account.table("rtb-a", "0.0.0.0/0 nat-1", subnets=["subnet-a"])
    server(account, "10.0.1.5")


def test_nat_out_only(account: Account) -> None:
    """*NAT gateways*: "instances in a private subnet can connect to services outside your VPC but external services
    can't initiate a connection with those instances"."""
    translated(account)
    assert OPENS == account.both(WEB, OUT4, "tcp/443")
    assert STOPS == account.both(V4, WEB, "tcp/443")


@pytest.mark.parametrize(
    ("service", "expected"),
    [("tcp/443", OPENS), ("udp/53", OPENS), ("icmp/8", OPENS), ("proto/50", STOPS), ("proto/47", STOPS)],
)
def test_nat_protocols(account: Account, service: str, expected: object) -> None:
    """*NAT gateway basics*: "A NAT gateway supports the following protocols: TCP, UDP, and ICMP"."""
    translated(account)
    assert expected == account.both(WEB, OUT4, service)


@pytest.mark.parametrize("state", ["pending", "failed", "deleting", "deleted"])
def test_nat_that_is_not_available(account: Account, state: str) -> None:
    """EC2 API Reference, *NatGateway*: only in state available it "is able to process traffic"."""
    translated(account, state=state)
    assert STOPS == account.both(WEB, OUT4, "tcp/443")


def test_nat_is_not_a_target(account: Account) -> None:
    """*NAT gateways*: the internet cannot initiate connections, to the gateway's own interface neither."""
    translated(account)
    assert STOPS == account.both(V4, "interface:eni-nat-1", "tcp/443")


def test_nat_needs_a_public_subnet(account: Account) -> None:
    """Same page: a public NAT gateway stands in a public subnet: its own table must lead to the internet gateway."""
    translated(account)
    account.table("rtb-b", subnets=["subnet-b"])
    assert STOPS == account.both(WEB, OUT4, "tcp/443")


def test_nat_acls_of_its_own_subnet(account: Account) -> None:
    """*NAT gateway basics*: "You can use a network ACL to control the traffic to and from the subnet for your NAT
    gateway. NAT gateways use ports 1024–65535": in from the instance, out to the target, and both answers."""
    translated(account)
    account.acl("acl-b", "in 1 allow tcp 443 10.0.1.0/24", "out 1 allow tcp 443 203.0.113.0/24",
                "in 2 allow tcp 1024-65535 203.0.113.0/24", "out 2 allow tcp 1024-65535 10.0.1.0/24",
                subnets=["subnet-b"])  # fmt: skip
    assert OPENS == account.both(WEB, OUT4, "tcp/443")
    assert STOPS == account.both(WEB, "203.0.114.0/24", "tcp/443")


@pytest.mark.parametrize(
    ("gone", "expected"),
    [("in 1", STOPS), ("out 1", STOPS), ("in 2", FORWARD), ("out 2", FORWARD)],
)
def test_nat_acl_each_of_four(account: Account, gone: str, expected: object) -> None:
    """The same, each of the four passes taken away: both outward ones stop the packet, both others its answer."""
    translated(account)
    entries = ["in 1 allow tcp 443 10.0.1.0/24", "out 1 allow tcp 443 203.0.113.0/24",
               "in 2 allow tcp 1024-65535 203.0.113.0/24", "out 2 allow tcp 1024-65535 10.0.1.0/24"]  # fmt: skip
    account.acl("acl-b", *(one for one in entries if not one.startswith(gone)), subnets=["subnet-b"])
    assert expected == account.both(WEB, OUT4, "tcp/443")


def test_nat_own_ephemeral_ports(account: Account) -> None:
    """*NAT gateway basics*: the gateway uses ports 1024–65535 towards the internet, whatever the contract's clients
    use."""
    translated(account)
    account.acl("acl-b", "in 1 allow tcp 443 10.0.1.0/24", "out 1 allow tcp 443 0.0.0.0/0",
                "in 2 allow tcp 32768-61000 0.0.0.0/0", "out 2 allow tcp 32768-61000 10.0.1.0/24",
                subnets=["subnet-b"])  # fmt: skip
    assert BROKEN == account.reach(WEB, OUT4, "tcp/443", ephemeral="32768-61000")
    account.one("NetworkAcls", "NetworkAclId", "acl-b")["Entries"][2]["PortRange"] = {"From": 1024, "To": 65535}
    assert KEPT == account.reach(WEB, OUT4, "tcp/443", ephemeral="32768-61000")


def test_private_nat_gateway_is_not_looked_into(account: Account) -> None:
    """*NAT gateways*: a private NAT gateway leads to other VPCs or on-premises networks; that is not modelled."""
    translated(account, public=None)
    account.route("rtb-vpc-1", "192.168.0.0/16 vgw-1")
    account.said["VpnGateways"] = [
        {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}
    ]
    account.route("rtb-a", "192.168.0.0/16 nat-1")
    assert UNSURE == account.both(WEB, "192.168.0.0/16", "tcp/443")


def test_seen_as_the_nat_gateway(account: Account) -> None:
    """*NAT gateways*: targets see the gateway's address: a server elsewhere that admits it is reached, by all behind
    it."""
    translated(account)
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.internet_gateway("igw-2", "vpc-2")
    account.group("sg-far", "tcp 443 198.51.100.99/32", vpc="vpc-2")
    account.interface("eni-far", "10.1.1.7", groups=["sg-far"], public="198.51.100.7")
    assert OPENS == account.both(WEB, "group:sg-far", "tcp/443")
    account.one("SecurityGroups", "GroupId", "sg-far")["IpPermissions"][0]["IpRanges"][0]["CidrIp"] = "198.51.100.5/32"
    assert STOPS == account.both(WEB, "group:sg-far", "tcp/443")


def test_own_public_addresses(account: Account) -> None:
    """Two public servers of one VPC with closed private rules reach each other by their public addresses where the
    rules name those."""
    account.internet_gateway()
    account.group("sg-web")
    account.group("sg-db", "tcp 443 198.51.100.5/32")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"], public="198.51.100.7")
    assert OPENS == account.both(WEB, "group:sg-db", "tcp/443")


def test_gateways_that_were_not_read(account: Account) -> None:
    """A public address without any word on gateways: one is assumed, so that nothing is called shut, and named, so
    that nothing is called open."""
    server(account, public="198.51.100.5")
    del account.said["InternetGateways"]
    assert KEPT != account.reach(V4, WEB, "tcp/443")
    assert KEPT != account.never_reach(V4, WEB, "tcp/443")


def test_nat_in_the_same_subnet(account: Account) -> None:
    """Between an instance and a NAT gateway in one subnet no ACL is met; towards the internet it is, twice."""
    account.internet_gateway()
    account.nat_gateway("nat-1", "subnet-a", "10.0.1.200", "198.51.100.99")
    account.table("rtb-a", "0.0.0.0/0 igw-1", subnets=["subnet-a"])
    server(account, "10.0.1.5")
    assert STOPS == account.both(WEB, OUT4, "tcp/443")  # the table leads past the NAT gateway
    account.acl("acl-a", *ALLOW_ALL, subnets=["subnet-a"])
    assert STOPS == account.both(WEB, OUT4, "tcp/443")
