"""Transit gateways: associations, static routes, blackholes, references of groups, and the attachment's own subnets.

Sources: Transit Gateways guide, *Transit gateway route tables*, *Amazon VPC attachments*, *Network ACLs for transit
gateways*, *Security group referencing*.
"""

from __future__ import annotations

import pytest

from tests.semantics.account import BROKEN, KEPT, OPENS, OWNER, STOPS, UNSURE, Account

WEB, DB = "group:sg-web", "group:sg-db"
FORWARD = (BROKEN, BROKEN)
BY_REFERENCE = {
    "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
    "UserIdGroupPairs": [{"GroupId": "sg-web", "UserId": OWNER, "VpcId": "vpc-1"}],
}  # fmt: skip


def joined(
    account: Account, rule: object = "tcp 443 10.0.0.0/16", egress: str = "-1 - 0.0.0.0/0", *,
    referencing: bool = False,
    at_attachments: tuple[bool | None, bool | None] = (None, None), zone: str = "eu-west-1a",
) -> None:  # fmt: skip
    """``sg-web`` in vpc-1 and ``sg-db`` in vpc-2 over ``tgw-1``, with VPC routes on both sides and none in the
    gateway."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2", zone=zone)
    account.subnet("subnet-t1", "10.0.100.0/28")
    account.subnet("subnet-t2", "10.1.100.0/28", vpc="vpc-2")
    account.transit_gateway(referencing=referencing)
    account.attachment("tgw-attach-1", "vpc-1", "subnet-t1", referencing=at_attachments[0])
    account.attachment("tgw-attach-2", "vpc-2", "subnet-t2", referencing=at_attachments[1])
    account.route("rtb-vpc-1", "10.1.0.0/16 tgw-1")
    account.route("rtb-vpc-2", "10.0.0.0/16 tgw-1")
    account.group("sg-web", egress=[egress])
    account.group("sg-db", rule, vpc="vpc-2")  # type: ignore[arg-type]  # text or a whole permission
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-db", "10.1.1.7", groups=["sg-db"])


def both_ways(account: Account) -> None:
    """Static routes of the gateway's table to both VPCs."""
    account.transit_route("10.1.0.0/16", "tgw-attach-2")
    account.transit_route("10.0.0.0/16", "tgw-attach-1")


def test_static_routes(account: Account) -> None:
    """*Transit gateway route tables*: traffic from an attachment is routed by the table associated with it; the answer
    by that of the other."""
    joined(account)
    assert STOPS == account.both(WEB, DB, "tcp/443")
    account.transit_route("10.1.0.0/16", "tgw-attach-2")
    assert FORWARD == account.both(WEB, DB, "tcp/443")
    account.transit_route("10.0.0.0/16", "tgw-attach-1")
    assert OPENS == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_vpc_route_is_needed_too(account: Account) -> None:
    """*Amazon VPC attachments*: the subnet's own table must lead to the gateway."""
    joined(account)
    both_ways(account)
    account.table("rtb-a", subnets=["subnet-a"])
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_blackhole(account: Account) -> None:
    """*Transit gateway route tables*: "you can create a blackhole route … which drops traffic that matches"; the
    longest prefix decides."""
    joined(account)
    both_ways(account)
    account.transit_route("10.1.1.7/32", None)
    account.interface("eni-near", "10.1.1.8", groups=["sg-db"])
    assert STOPS == account.both(WEB, "interface:eni-db", "tcp/443")
    assert OPENS == account.both(WEB, "interface:eni-near", "tcp/443")


def test_association_decides(account: Account) -> None:
    """Same page: an attachment is associated with one table; routes of another do not count for it."""
    joined(account)
    account.transit_table("tgw-rtb-2")
    account.said["TransitGatewayVpcAttachments"][0]["Association"]["TransitGatewayRouteTableId"] = "tgw-rtb-2"
    both_ways(account)
    assert STOPS == account.both(WEB, DB, "tcp/443")
    account.transit_route("10.1.0.0/16", "tgw-attach-2", table="tgw-rtb-2")
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_static_before_propagated(account: Account) -> None:
    """*Route evaluation order*: with the same destination, "static routes have a higher precedence than propagated
    routes"."""
    joined(account)
    both_ways(account)
    account.transit_route("10.1.0.0/16", "tgw-attach-1", type="propagated")
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_propagated_routes_count(account: Account) -> None:
    """A propagated route serves as well as a static one."""
    joined(account)
    account.transit_route("10.1.0.0/16", "tgw-attach-2", type="propagated")
    account.transit_route("10.0.0.0/16", "tgw-attach-1", type="propagated")
    assert OPENS == account.both(WEB, DB, "tcp/443")


def test_attachment_that_is_gone(account: Account) -> None:
    """An attachment that is not available carries nothing."""
    joined(account)
    both_ways(account)
    account.said["TransitGatewayVpcAttachments"][1]["State"] = "deleted"
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_routes_that_were_not_read(account: Account) -> None:
    """Without the gateway's routes it cannot be told where traffic goes; the table is named."""
    joined(account)
    account.files.clear()
    assert UNSURE == account.both(WEB, DB, "tcp/443")
    assert STOPS == account.both(WEB, DB, "tcp/444")


def test_reference_inbound(account: Account) -> None:
    """*Security group referencing*: with support enabled on the gateway (off by default) and on both attachments (on
    by default), inbound rules can reference groups of another attached VPC."""
    joined(account, BY_REFERENCE, referencing=True)
    both_ways(account)
    assert OPENS == account.both(WEB, DB, "tcp/443")


@pytest.mark.parametrize("off", ["gateway", "source", "target"])
def test_reference_switched_off(account: Account, off: str) -> None:
    """Same page: support must be enabled on the gateway and on both attachments."""
    switches = (off != "source", off != "target")
    joined(account, BY_REFERENCE, referencing=off != "gateway", at_attachments=switches)
    both_ways(account)
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_reference_outbound_never(account: Account) -> None:
    """AWS blog, *Introducing security group referencing for AWS Transit Gateway*: "Outbound security rules referencing
    over Transit Gateway aren't supported at this time"."""
    joined(account, "tcp 443 10.0.0.0/16", egress="tcp 443 sg-db", referencing=True)
    both_ways(account)
    assert STOPS == account.both(WEB, DB, "tcp/443")


def test_behind_the_gateway(account: Account) -> None:
    """What lies behind an attachment that is no VPC (here a VPN) is not looked into."""
    joined(account, "tcp 443 192.168.0.0/16")
    both_ways(account)
    account.said["TransitGatewayAttachments"] = [
        {"TransitGatewayAttachmentId": "tgw-attach-9", "TransitGatewayId": "tgw-1", "ResourceType": "vpn",
         "ResourceId": "vpn-1", "State": "available", "Association": {"TransitGatewayRouteTableId": "tgw-rtb-1"}}
    ]  # fmt: skip
    account.route("rtb-vpc-2", "192.168.0.0/16 tgw-1")
    account.transit_route("192.168.0.0/16", "tgw-attach-9")
    assert UNSURE == account.both("192.168.5.0/24", DB, "tcp/443")
    assert STOPS == account.both("192.168.5.0/24", DB, "tcp/444")


@pytest.mark.parametrize("subnet", ["subnet-t1", "subnet-t2"])
def test_acl_of_the_attachments_subnet(account: Account, subnet: str) -> None:
    """*Network ACLs for transit gateways*, different subnets: for the gateway's subnet "inbound rules use the source
    IP address to evaluate traffic from the instances to the transit gateway" and "outbound rules use the destination
    IP address to evaluate traffic from the transit gateway to the instances"."""
    joined(account)
    both_ways(account)
    account.acl("acl-t", vpc="vpc-1" if subnet == "subnet-t1" else "vpc-2", subnets=[subnet])
    assert KEPT != account.reach(WEB, DB, "tcp/443")


def test_zone_without_attachment(account: Account) -> None:
    """*Amazon VPC attachments*: "resources in Availability Zones where there is no transit gateway attachment cannot
    reach the transit gateway"."""
    joined(account, zone="eu-west-1b")
    both_ways(account)
    assert STOPS == account.both(DB, WEB, "all")
    account.group("sg-back", "tcp 443 10.1.0.0/16")
    account.interface("eni-back", "10.0.1.9", groups=["sg-back"])
    assert STOPS == account.both(DB, "group:sg-back", "tcp/443")


def test_acl_of_a_shared_subnet(account: Account) -> None:
    """*Network ACLs for transit gateways*, same subnet: for traffic from the transit gateway to the instances "inbound
    rules are not evaluated": a deny there keeps nobody out."""
    joined(account)
    both_ways(account)
    account.said["TransitGatewayVpcAttachments"][1]["SubnetIds"] = ["subnet-2"]
    account.acl("acl-2", "out 1 allow -1 - 0.0.0.0/0", vpc="vpc-2", subnets=["subnet-2"])
    assert KEPT != account.never_reach(WEB, DB, "tcp/443")


def test_acl_of_a_shared_subnet_for_others(account: Account) -> None:
    """Same page: the exception is for traffic "from the transit gateway to the instances": what comes from another
    subnet of the VPC is filtered as ever."""
    joined(account)
    both_ways(account)
    account.said["TransitGatewayVpcAttachments"][1]["SubnetIds"] = ["subnet-2"]
    account.subnet("subnet-3", "10.1.3.0/24", vpc="vpc-2")
    account.group("sg-near", vpc="vpc-2")
    account.group("sg-all", "-1 - 0.0.0.0/0", vpc="vpc-2")
    account.interface("eni-near", "10.1.3.5", groups=["sg-near"])
    account.interface("eni-all", "10.1.1.9", groups=["sg-all"])
    account.acl("acl-2", "out 1 allow -1 - 0.0.0.0/0", vpc="vpc-2", subnets=["subnet-2"])
    assert STOPS == account.both("group:sg-near", "group:sg-all", "tcp/443")


def test_table_of_the_attachments_subnet(account: Account) -> None:
    """*Amazon VPC attachments*: what comes from the gateway is routed by "the attachment subnet's route table"; one
    that leads into a firewall endpoint first is not looked into."""
    joined(account)
    both_ways(account)
    account.table("rtb-t2", "10.1.1.0/24 vpce-firewall", "10.0.0.0/16 tgw-1", vpc="vpc-2", subnets=["subnet-t2"])
    assert UNSURE == account.both(WEB, DB, "tcp/443")


def test_centralised_egress(account: Account) -> None:
    """*Example: Centralized outbound routing to the internet*: a VPC without a gateway of its own gets out through the
    NAT gateway of another attached VPC, to whose attachment the default route of the transit gateway leads."""
    joined(account)
    both_ways(account)
    account.subnet("subnet-p2", "10.1.200.0/24", vpc="vpc-2")
    account.internet_gateway("igw-2", "vpc-2")
    account.nat_gateway("nat-2", "subnet-p2", "10.1.200.9", "198.51.100.99", vpc="vpc-2")
    account.table("rtb-t2", "0.0.0.0/0 nat-2", "10.0.0.0/16 tgw-1", vpc="vpc-2", subnets=["subnet-t2"])
    account.route("rtb-vpc-1", "0.0.0.0/0 tgw-1")
    account.transit_route("0.0.0.0/0", "tgw-attach-2")
    assert KEPT != account.never_reach(WEB, "203.0.113.0/24", "tcp/443")
    assert BROKEN != account.reach(WEB, "203.0.113.0/24", "tcp/443")


def test_inspection_vpc(account: Account) -> None:
    """*Example: Appliance in a shared services VPC*: the gateway sends all traffic to the VPC of an appliance, whose
    attachment subnet leads to it and from there back to the gateway. The appliance is not looked into."""
    joined(account)
    account.vpc("vpc-3", "10.2.0.0/16")
    account.subnet("subnet-t3", "10.2.100.0/28", vpc="vpc-3")
    account.subnet("subnet-box", "10.2.1.0/24", vpc="vpc-3")
    account.group("sg-box", "-1 - 0.0.0.0/0", vpc="vpc-3")
    account.interface("eni-box", "10.2.1.9", groups=["sg-box"])
    account.attachment("tgw-attach-3", "vpc-3", "subnet-t3", table="tgw-rtb-9")
    account.table("rtb-t3", "0.0.0.0/0 eni-box", vpc="vpc-3", subnets=["subnet-t3"])
    account.table("rtb-box", "0.0.0.0/0 tgw-1", vpc="vpc-3", subnets=["subnet-box"])
    account.transit_table("tgw-rtb-9")
    account.transit_route("0.0.0.0/0", "tgw-attach-3")
    account.transit_route("10.1.0.0/16", "tgw-attach-2", table="tgw-rtb-9")
    account.transit_route("10.0.0.0/16", "tgw-attach-1", table="tgw-rtb-9")
    assert UNSURE == account.both(WEB, DB, "tcp/443")
