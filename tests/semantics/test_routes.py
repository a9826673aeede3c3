"""Route tables: implicit main table, longest prefix, blackholes, peering on both sides, and routes that are not known.

Sources: VPC User Guide, *Configure route tables*, *Route priority*; VPC Peering Guide, *Update your route tables*.
"""

from __future__ import annotations

import pytest

from tests.semantics.account import BROKEN, CANNOT_TELL, KEPT, OPENS, STOPS, UNSURE, Account

WEB, DB = "group:sg-web", "group:sg-db"
FORWARD = (BROKEN, BROKEN)
"""The first packet arrives, the answer does not return."""
ANY4, OUT = "internet:v4", "203.0.113.0/24"


def test_local_route_everywhere(account: Account) -> None:
    """*Route tables*: "Every route table contains a local route for communication within the VPC"."""
    account.pair("tcp 443 sg-web")
    account.table("rtb-a", subnets=["subnet-a"])
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_secondary_cidr_is_local(account: Account) -> None:
    """Same page: a VPC with several CIDR blocks has a local route for each."""
    account.vpc("vpc-2", "10.1.0.0/16", "10.2.0.0/16")
    account.subnet("subnet-1", "10.1.1.0/24", vpc="vpc-2")
    account.subnet("subnet-2", "10.2.1.0/24", vpc="vpc-2")
    account.group("sg-web", vpc="vpc-2")
    account.group("sg-db", "tcp 443 sg-web", vpc="vpc-2")
    account.interface("eni-web", "10.1.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.2.1.7", groups=["sg-db"])
    assert OPENS == account.both(WEB, DB, "tcp/443")


def server(account: Account, *routes: str, subnets: tuple[str, ...] = ("subnet-a",)) -> None:
    """A public server in subnet-a whose table has these routes; the main table leads to the internet gateway."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 0.0.0.0/0", "tcp 443 ::/0")
    account.interface("eni-web", "10.0.1.5", "2001:db8:1:1::5", groups=["sg-web"], public="198.51.100.5")
    if routes:
        account.table("rtb-a", *routes, subnets=subnets)


def test_implicit_main_table(account: Account) -> None:
    """*Route tables*: a subnet without an association "is implicitly associated with the main route table"."""
    server(account)
    assert OPENS == account.both(ANY4, WEB, "tcp/443")
    assert OPENS == account.both(WEB, OUT, "tcp/443")


def test_explicit_table_replaces_the_main_one(account: Account) -> None:
    """Same page: a subnet is associated with one table only; what the main one has does not count for it."""
    server(account, "192.0.2.0/24 igw-1")
    assert STOPS == account.both(WEB, OUT, "tcp/443")
    assert FORWARD == account.both(ANY4, WEB, "tcp/443")
    assert OPENS == account.both("192.0.2.0/24", WEB, "tcp/443")


def test_main_table_of_the_subnets_own_vpc(account: Account) -> None:
    """The main table is that of the same VPC."""
    server(account)
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.internet_gateway("igw-2", "vpc-2", routed=False)
    account.group("sg-two", "tcp 443 0.0.0.0/0", vpc="vpc-2")
    account.interface("eni-two", "10.1.1.5", groups=["sg-two"], public="198.51.100.6")
    assert FORWARD == account.both(ANY4, "group:sg-two", "tcp/443")


def test_longest_prefix(account: Account) -> None:
    """*Route priority*: "we use the most specific route in your route table that matches the traffic (longest prefix
    match)", in whatever order the file lists them."""
    server(account, "203.0.113.128/25 eni-gone blackhole", "0.0.0.0/0 igw-1")
    assert OPENS == account.both(WEB, "203.0.113.0/25", "tcp/443")
    assert STOPS == account.both(WEB, "203.0.113.128/25", "tcp/443")
    assert FORWARD == account.both(WEB, "203.0.113.0/24", "tcp/443")


@pytest.mark.parametrize("target", ["eni-gone", "nat-gone", "igw-1", "pcx-gone", "tgw-gone"])
def test_blackhole(account: Account, target: str) -> None:
    """EC2 API Reference, *Route*: state blackhole "indicates that the route's target isn't available": nothing passes,
    and nothing falls back on a shorter prefix."""
    server(account, "0.0.0.0/0 igw-1", f"203.0.113.0/24 {target} blackhole")
    assert STOPS == account.both(WEB, OUT, "tcp/443")
    assert OPENS == account.both(WEB, "192.0.2.0/24", "tcp/443")


def test_route_to_a_gateway_that_is_not_attached(account: Account) -> None:
    """A gateway of another VPC leads nowhere."""
    server(account, "0.0.0.0/0 igw-elsewhere")
    assert STOPS == account.both(WEB, OUT, "tcp/443")


def test_first_packet_needs_no_return_route(account: Account) -> None:
    """A packet from the internet arrives by the attached gateway whatever the subnet's table says; only its answer
    needs a route."""
    server(account, "192.0.2.0/24 igw-1")
    assert FORWARD == account.both("203.0.113.0/24", WEB, "tcp/443")


def test_static_before_propagated(account: Account) -> None:
    """*Route priority*: "If propagated routes … have the same destination as … a static route …, the static route
    takes priority"."""
    server(account, "0.0.0.0/0 igw-1")
    account.said["VpnGateways"] = [
        {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}
    ]
    account.route("rtb-a", "0.0.0.0/0 vgw-1", Origin="EnableVgwRoutePropagation")
    assert OPENS == account.both(WEB, OUT, "tcp/443")


def test_prefix_list_route(account: Account) -> None:
    """*Route priority*: a route to a prefix list stands for a route to each of its entries."""
    server(account, "pl-1 igw-1")
    account.prefix_list("pl-1", "203.0.113.0/24")
    assert OPENS == account.both(WEB, OUT, "tcp/443")
    assert STOPS == account.both(WEB, "192.0.2.0/24", "tcp/443")


def test_prefix_list_route_without_entries(account: Account) -> None:
    """A list without entries could stand for any destination."""
    server(account, "pl-1 igw-1")
    assert UNSURE == account.both(WEB, OUT, "tcp/443")


def test_unknown_list_may_take_anything_away(account: Account) -> None:
    """A list without entries may hold longer prefixes than any other route, which then wins (*Route priority*)."""
    server(account, "0.0.0.0/0 igw-1", "pl-1 eni-box")
    assert UNSURE == account.both(WEB, OUT, "tcp/443")


def test_gateway_endpoint_route_takes_nothing_of_ours(account: Account) -> None:
    """VPC User Guide, *Gateway endpoints*: the route of an S3 or DynamoDB endpoint is for that service's public
    ranges; it does not disturb others, though its list be not read."""
    server(account, "pl-1 vpce-1", "0.0.0.0/0 igw-1")
    account.said["VpcEndpoints"].append({"VpcEndpointId": "vpce-1", "VpcEndpointType": "Gateway", "VpcId": "vpc-1"})
    assert OPENS == account.both(WEB, OUT, "tcp/443")


def test_tables_that_were_not_read(account: Account) -> None:
    """Without route tables only what every table has is certain: the VPC's local routes."""
    server(account)
    account.group("sg-db", "tcp 443 sg-web")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    del account.said["RouteTables"]
    assert OPENS == account.both("10.0.1.0/24", DB, "tcp/443")
    assert UNSURE == account.both(WEB, OUT, "tcp/443")


# --- peering ----------------------------------------------------------------------------------------------------


def peered(
    account: Account, *, there: str | None = "10.1.0.0/16 pcx-1", back: str | None = "10.0.0.0/16 pcx-1"
) -> None:
    """``sg-web`` in vpc-1 and ``sg-db`` in vpc-2 with a peering, and a route on each side unless it is left out."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.peering("pcx-1", "vpc-1", "vpc-2")
    if there:
        account.route("rtb-vpc-1", there)
    if back:
        account.route("rtb-vpc-2", back)
    account.group("sg-web")
    account.group("sg-db", "tcp 443 10.0.0.0/16", vpc="vpc-2")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.1.1.7", groups=["sg-db"])


def test_peering_routed_on_both_sides(account: Account) -> None:
    """VPC Peering Guide, *Update your route tables*: each side "must add a route" for the other's CIDR."""
    peered(account)
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_peering_without_a_way_back(account: Account) -> None:
    """Same page: without the other side's route the answer does not return; the first packet arrives all the same."""
    peered(account, back=None)
    assert FORWARD == account.both(WEB, DB, "tcp/443")


def test_peering_without_a_way_there(account: Account) -> None:
    """Without a route nothing is sent into the peering."""
    peered(account, there=None)
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_peering_route_for_a_part(account: Account) -> None:
    """A peering route can be for a part of the other side only."""
    peered(account, there="10.1.1.0/29 pcx-1")
    account.interface("eni-far", "10.1.1.8", groups=["sg-db"])
    assert OPENS == account.both(WEB, "interface:eni-db", "tcp/443")
    assert STOPS == account.both(WEB, "interface:eni-far", "tcp/443")


def test_peering_is_not_transitive(account: Account) -> None:
    """VPC Peering Guide, *VPC peering limitations*: "VPC peering does not support transitive peering relationships",
    nor does it lead to the other side's internet gateway ("edge to edge routing")."""
    peered(account)
    account.vpc("vpc-3", "10.2.0.0/16")
    account.subnet("subnet-3", "10.2.1.0/24", vpc="vpc-3")
    account.peering("pcx-2", "vpc-2", "vpc-3")
    account.route("rtb-vpc-1", "10.2.0.0/16 pcx-1")
    account.route("rtb-vpc-2", "10.2.0.0/16 pcx-2")
    account.route("rtb-vpc-3", "10.0.0.0/16 pcx-2")
    account.group("sg-far", "-1 - 0.0.0.0/0", vpc="vpc-3")
    account.interface("eni-far", "10.2.1.7", groups=["sg-far"])
    account.internet_gateway("igw-2", "vpc-2")
    account.route("rtb-vpc-1", "0.0.0.0/0 pcx-1")
    assert STOPS == account.both(WEB, "group:sg-far", "tcp/443")
    assert STOPS == account.both(WEB, OUT, "tcp/443")


def test_peering_with_a_vpc_that_was_not_read(account: Account) -> None:
    """What lies behind the other end of a peering with an unknown VPC is not known."""
    account.group("sg-web", "tcp 443 172.31.0.0/16")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.peering("pcx-9", "vpc-1", "vpc-unknown")
    account.route("rtb-vpc-1", "172.31.0.0/16 pcx-9")
    assert UNSURE == account.both("172.31.0.0/16", WEB, "tcp/443")
    assert UNSURE == account.both(WEB, "172.31.5.0/24", "tcp/443")
    assert STOPS == account.both("172.30.0.0/16", WEB, "tcp/443")
    assert STOPS == account.both("172.31.0.0/16", WEB, "tcp/444")


def test_route_between_subnets_through_an_appliance(account: Account) -> None:
    """VPC User Guide, *Middlebox routing*: a route more specific than local can send traffic between subnets into an
    appliance; what that does is not looked into, and it is named."""
    account.pair("tcp 443 10.0.1.0/24")
    account.group("sg-box", "-1 - 0.0.0.0/0")
    account.interface("eni-box", "10.0.1.99", groups=["sg-box"])
    account.table("rtb-a", "10.0.2.0/24 eni-box", subnets=["subnet-a"])
    assert UNSURE == account.both(WEB, DB, "tcp/443")
    verdict = account.judge("reach", WEB, DB, "tcp/443")
    assert any("eni-box" in reason.text for reason in verdict.reasons)
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_appliance_on_the_way_back(account: Account) -> None:
    """The same on the way back leaves ``never-reach`` broken for certain and ``reach`` open."""
    account.pair("tcp 443 10.0.1.0/24")
    account.group("sg-box", "-1 - 0.0.0.0/0")
    account.interface("eni-box", "10.0.1.99", groups=["sg-box"])
    account.table("rtb-b", "10.0.1.0/24 eni-box", subnets=["subnet-b"])
    assert (CANNOT_TELL, BROKEN) == account.both(WEB, DB, "tcp/443")


def test_within_a_subnet_no_route_matters(account: Account) -> None:
    """Neighbours in one subnet talk without any table."""
    account.pair("tcp 443 10.0.1.0/24", apart=False)
    account.table("rtb-a", "10.0.1.0/24 eni-gone blackhole", subnets=["subnet-a"])
    assert KEPT == account.reach(WEB, DB, "tcp/443")
