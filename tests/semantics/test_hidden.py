"""What is not looked into is named, and makes a verdict *cannot tell*: never kept, never broken.

Rule book §6. Sources: AWS Network Firewall guide; Gateway Load Balancer guide; Site-to-Site VPN guide; VPC User Guide,
*NAT instances*, *Middlebox routing*, *Gateway route tables*, *Block public access*.
"""

from __future__ import annotations

import pytest

from doorward.model.verdict import Verdict
from tests.semantics.account import CANNOT_TELL, KEPT, OPENS, STOPS, UNSURE, Account

WEB, V4, OUT = "group:sg-web", "internet:v4", "203.0.113.0/24"
ONPREM = "192.168.0.0/16"


def server(account: Account, *routes: str) -> None:
    """A public server in subnet-a whose own table has these routes."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 0.0.0.0/0")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"], public="198.51.100.5")
    if routes:
        account.table("rtb-a", *routes, subnets=["subnet-a"])


def names(verdict: Verdict, what: str) -> bool:
    """Whether a verdict names something."""
    said = [*(reason.text + reason.resource for reason in verdict.reasons), *(hop.text for hop in verdict.hops)]
    return any(what in text for text in (*said, *verdict.notices))


@pytest.mark.parametrize(
    "target",
    [
        "vpce-firewall",
        "eni-box",
        "lgw-1",
        "cagw-1",
        "arn:aws:networkmanager::111111111111:core-network/core-1",
        "vgw-1",
    ],
)
def test_route_into_something_not_modelled(account: Account, target: str) -> None:
    """A default route into a firewall or gateway load balancer endpoint, an appliance, a local or carrier gateway, a
    core network or a virtual private gateway: whether traffic passes is not known, and the target is named."""
    server(account, f"0.0.0.0/0 {target}")
    assert UNSURE == account.both(WEB, OUT, "tcp/443")
    assert names(account.judge("reach", WEB, OUT, "tcp/443"), target)
    assert names(account.judge("never-reach", WEB, OUT, "tcp/443"), target)
    assert CANNOT_TELL == account.reach(V4, WEB, "tcp/443")


def test_it_does_not_matter_elsewhere(account: Account) -> None:
    """What groups stop for certain is stopped, whatever stands behind; what does not pass there is certain too."""
    server(account, "0.0.0.0/0 vpce-firewall")
    account.group("sg-db", "tcp 5432 sg-web")
    account.interface("eni-db", "10.0.2.7", groups=["sg-db"])
    assert STOPS == account.both(V4, WEB, "tcp/444")
    assert OPENS == account.both(WEB, "group:sg-db", "tcp/5432")


def test_nat_instance(account: Account) -> None:
    """*NAT instances*: a route to an instance's interface; what the instance does is its own affair."""
    account.internet_gateway()
    account.group("sg-web")
    account.group("sg-nat", "-1 - 10.0.0.0/16")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-nat", "10.0.2.9", groups=["sg-nat"], public="198.51.100.9", instance="i-nat")
    account.table("rtb-a", "0.0.0.0/0 eni-nat", subnets=["subnet-a"])
    assert UNSURE == account.both(WEB, OUT, "tcp/443")
    assert names(account.judge("reach", WEB, OUT, "tcp/443"), "eni-nat")


def test_gateway_route_table(account: Account) -> None:
    """*Gateway route tables*: an edge-associated table takes what enters by the internet gateway elsewhere first."""
    server(account)
    account.table("rtb-edge", "10.0.1.0/24 vpce-firewall")
    account.one("RouteTables", "RouteTableId", "rtb-edge")["Associations"] = [{"GatewayId": "igw-1"}]
    assert UNSURE == account.both(V4, WEB, "tcp/443")


def test_virtual_private_gateway(account: Account) -> None:
    """VPN: what lies beyond the gateway is not known: private sources from outside may arrive if groups and ACLs admit
    them; the gateway itself is named."""
    account.group("sg-web", "tcp 443 192.168.0.0/16")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.said["VpnGateways"] = [
        {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}
    ]
    account.route("rtb-vpc-1", "192.168.0.0/16 vgw-1")
    assert UNSURE == account.both(ONPREM, WEB, "tcp/443")
    assert STOPS == account.both(ONPREM, WEB, "tcp/444")
    assert UNSURE == account.both(WEB, ONPREM, "tcp/443")
    assert "broken" == account.reach(ONPREM, WEB, "tcp/444")


def test_without_any_gateway(account: Account) -> None:
    """Where no gateway leads out of the VPC, no outside address gets in or is reached, for certain."""
    account.group("sg-web", "-1 - 0.0.0.0/0")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    assert STOPS == account.both(ONPREM, WEB, "tcp/443")
    assert STOPS == account.both(WEB, ONPREM, "tcp/443")
    assert KEPT == account.only_from("10.0.0.0/16", WEB, "all")


def test_only_from_counts_what_is_beyond(account: Account) -> None:
    """``only-from`` cannot be told either while others beyond a gateway might get in."""
    account.group("sg-web", "tcp 443 0.0.0.0/0")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    assert KEPT == account.only_from("10.0.0.0/16", WEB, "tcp/443")
    account.said["VpnGateways"] = [
        {"VpnGatewayId": "vgw-1", "State": "available", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}
    ]
    assert CANNOT_TELL == account.only_from("10.0.0.0/16", WEB, "tcp/443")


def test_network_firewall_without_routes(account: Account) -> None:
    """A network firewall in a VPC whose routes were not read could stand anywhere there: nothing that crosses subnets
    is kept."""
    account.pair("tcp 443 sg-web")
    arn = "arn:aws:network-firewall:eu-west-1:111111111111:firewall/fw"
    account.files["firewall.json"] = {"Firewall": {"FirewallName": "fw", "FirewallArn": arn, "VpcId": "vpc-1"}}
    assert KEPT == account.reach(WEB, "group:sg-db", "tcp/443")  # its routes were read: nothing leads into the firewall
    del account.said["RouteTables"]
    verdict = account.judge("reach", WEB, "group:sg-db", "tcp/443")
    assert CANNOT_TELL == verdict.outcome
    assert names(verdict, "fw")


def test_block_public_access(account: Account) -> None:
    """*Block public access*: an account-wide switch that can stop all traffic with the internet, with exclusions that
    are not looked into."""
    server(account)
    account.files["block.json"] = {
        "VpcBlockPublicAccessOptions": {"AwsRegion": "eu-west-1", "InternetGatewayBlockMode": "block-bidirectional"}
    }
    verdict = account.judge("reach", V4, WEB, "tcp/443")
    assert CANNOT_TELL == verdict.outcome
    assert names(verdict, "block public access")


def test_notices_name_what_was_not_read(account: Account) -> None:
    """Everything that is missing or not understood is named in the report."""
    account.pair("tcp 443 sg-web")
    del account.said["RouteTables"]
    account.said["SomethingElse"] = []
    report = account.report(
        "version: 1\ncontracts:\n  a:\n    must: reach\n    from: group:sg-web\n    to: group:sg-db\n"
        "    service: tcp/443\n"
    )
    said = " ".join(f"{notice.resource} {notice.text}" for notice in report.notices)
    assert "describe-route-tables" in said
    assert "SomethingElse" in said


def test_another_instance_may_forward(account: Account) -> None:
    """An instance with interfaces in two VPCs may forward between them: a route to it cannot be told."""
    account.vpc("vpc-2", "10.1.0.0/16")
    account.subnet("subnet-2", "10.1.1.0/24", vpc="vpc-2")
    account.group("sg-web")
    account.group("sg-box", "-1 - 0.0.0.0/0")
    account.group("sg-db", "tcp 443 0.0.0.0/0", vpc="vpc-2")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-box-1", "10.0.1.9", groups=["sg-box"], instance="i-box")
    account.interface("eni-box-2", "10.1.1.9", groups=["sg-db"], instance="i-box")
    account.interface("eni-db", "10.1.1.7", groups=["sg-db"])
    account.route("rtb-vpc-1", "10.1.0.0/16 eni-box-1")
    assert CANNOT_TELL == account.never_reach(WEB, "interface:eni-db", "tcp/443")


def test_nat64(account: Account) -> None:
    """VPC User Guide, *DNS64 and NAT64*: a NAT gateway translates 64:ff9b::/96 "to enable your IPv6 workloads to
    communicate with IPv4 services": an interface without IPv4 may reach IPv4 addresses. That is not looked into."""
    account.internet_gateway()
    account.nat_gateway("nat-1", "subnet-b", "10.0.2.200", "198.51.100.99")
    account.table("rtb-a", "64:ff9b::/96 nat-1", subnets=["subnet-a"])
    account.group("sg-web")
    account.interface("eni-web", "2001:db8:1:1::5", groups=["sg-web"])
    assert KEPT != account.never_reach(WEB, OUT, "tcp/443")


def test_global_accelerator(account: Account) -> None:
    """Global Accelerator guide, *Secure VPC connections*: with an accelerator's interface in the VPC "you don't need
    public IP addresses on the load balancer or EC2 instance. You also don't need an associated internet gateway
    route": whom the groups admit may come, with the client's own address."""
    account.internet_gateway()
    account.group("sg-web", "tcp 443 0.0.0.0/0")
    account.group("sg-accelerator")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])
    account.interface("eni-ga", "10.0.1.250", groups=["sg-accelerator"], kind="global_accelerator_managed")
    assert CANNOT_TELL == account.never_reach(V4, WEB, "tcp/443")
    assert CANNOT_TELL == account.only_from("10.0.0.0/16", WEB, "tcp/443")
    assert KEPT == account.never_reach(V4, WEB, "tcp/444")
    assert names(account.judge("never-reach", V4, WEB, "tcp/443"), "accelerator in vpc-1")


@pytest.mark.parametrize("address", ["169.254.169.254/32", "169.254.169.253/32", "fd00:ec2::254/128"])
def test_link_local_services(account: Account, address: str) -> None:
    """VPC User Guide, *Security groups*: groups do not filter traffic with Amazon DNS, instance metadata and the like;
    these addresses answer whatever routes say. Whether an instance stands behind an interface is not always known."""
    account.group("sg-web", egress=[])
    account.interface("eni-web", "10.0.1.5", "2001:db8:1:1::5", groups=["sg-web"], instance="i-web")
    assert KEPT != account.never_reach(WEB, address, "tcp/80")
