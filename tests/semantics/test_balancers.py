"""Load balancers: listeners, registered targets, health checks, groups, and whose address the targets see.

Sources: Elastic Load Balancing, *Application Load Balancers* (Security groups, Target groups), *Network Load
Balancers* (Security groups for your Network Load Balancer; Edit target group attributes: client IP preservation).
"""

from __future__ import annotations

import pytest

from tests.semantics.account import BROKEN, CANNOT_TELL, KEPT, OPENS, Account

ALB, NLB = "application", "network"
WEB, LB = "group:sg-web", "lb:front"
NODES = ("10.0.1.100", "10.0.2.100")


def clients(account: Account) -> None:
    """``eni-web`` in ``sg-web``."""
    account.group("sg-web")
    account.interface("eni-web", "10.0.1.5", groups=["sg-web"])


def behind_alb(
    account: Account, *target_rules: str, lb_rules: tuple[str, ...] = ("tcp 443 0.0.0.0/0",),
    lb_egress: tuple[str, ...] = ("-1 - 0.0.0.0/0",), health: str = "traffic-port", public: str | None = None,
) -> None:  # fmt: skip
    """An ALB ``front`` with a listener on 443, and an instance behind it on 8080."""
    clients(account)
    account.group("sg-lb", *lb_rules, egress=lb_egress)
    account.group("sg-app", *target_rules)
    account.interface("eni-app", "10.0.2.7", groups=["sg-app"], instance="i-app")
    account.balancer("front", ALB, NODES, ["sg-lb"], public=public)
    account.target_group("app", "HTTP", 8080, "i-app", health=health)
    account.listener("front", ALB, "HTTPS", 443, "app")


def test_alb(account: Account) -> None:
    """ALB guide, *Security groups*: clients must be admitted on the listener port by the balancer's groups, and the
    balancer on the target port (and health check port) by the targets' groups."""
    behind_alb(account, "tcp 8080 sg-lb")
    assert OPENS == account.both(WEB, LB, "tcp/443")
    assert (BROKEN, KEPT) == account.both(WEB, LB, "tcp/80")  # nobody listens


def test_alb_group_does_not_admit(account: Account) -> None:
    """The balancer's own inbound rules stand first."""
    behind_alb(account, "tcp 8080 sg-lb", lb_rules=())
    assert (BROKEN, KEPT) == account.both(WEB, LB, "tcp/443")


def test_alb_target_does_not_admit(account: Account) -> None:
    """A balancer is only reached when it reaches its targets in turn."""
    behind_alb(account, "tcp 8081 sg-lb")
    assert BROKEN == account.reach(WEB, LB, "tcp/443")


def test_alb_egress(account: Account) -> None:
    """Same page: the balancer's outbound rules must admit its targets on the target and the health check port."""
    behind_alb(account, "tcp 8080 sg-lb", lb_egress=("tcp 8081 0.0.0.0/0",))
    assert BROKEN == account.reach(WEB, LB, "tcp/443")


@pytest.mark.parametrize("rule", ["tcp 8080 sg-lb", "tcp 9000 sg-lb"])
def test_alb_health_check_port(account: Account, rule: str) -> None:
    """ALB guide, *Health checks*: targets must be admitted on the target port and on the health check port."""
    behind_alb(account, rule, health="9000")
    assert BROKEN == account.reach(WEB, LB, "tcp/443")


def test_alb_both_ports(account: Account) -> None:
    """The same with both admitted."""
    behind_alb(account, "tcp 8080 sg-lb", "tcp 9000 sg-lb", health="9000")
    assert KEPT == account.reach(WEB, LB, "tcp/443")


def test_alb_every_node_and_every_target(account: Account) -> None:
    """Each node may send to each registered target; one that does not admit one of them breaks ``reach``."""
    behind_alb(account, "tcp 8080 10.0.1.100/32")
    assert BROKEN == account.reach(WEB, LB, "tcp/443")
    account.one("SecurityGroups", "GroupId", "sg-app")["IpPermissions"][0]["IpRanges"].append(
        {"CidrIp": "10.0.2.100/32"}
    )
    assert KEPT == account.reach(WEB, LB, "tcp/443")


def test_alb_ends_the_connection(account: Account) -> None:
    """The target sees the balancer, not the client: what the client reaches through an ALB is not reached by it."""
    behind_alb(account, "tcp 8080 sg-lb")
    assert KEPT == account.never_reach(WEB, "group:sg-app", "all")
    assert KEPT == account.only_from("group:sg-lb", "group:sg-app", "all")


def test_alb_from_the_internet(account: Account) -> None:
    """An internet-facing balancer is reached at its public addresses."""
    behind_alb(account, "tcp 8080 sg-lb", public="198.51.100.100")
    account.internet_gateway()
    node = account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-front-1")
    node["PrivateIpAddresses"][0]["Association"] = {"PublicIp": "198.51.100.101"}
    assert OPENS == account.both("internet", LB, "tcp/443")
    assert KEPT == account.never_reach("internet", "group:sg-app", "all")


def test_rules_of_a_listener_forward_too(account: Account) -> None:
    """ALB guide, *Listener rules*: target groups of rules are reached as those of the default action."""
    behind_alb(account, "tcp 8080 sg-lb")
    account.group("sg-api")
    account.interface("eni-api", "10.0.2.8", groups=["sg-api"], instance="i-api")
    account.target_group("api", "HTTP", 8080, "i-api")
    listener = account.said["Listeners"][0]["ListenerArn"]
    arn = account.said["TargetGroups"][1]["TargetGroupArn"]
    account.said["Rules"] = [
        {"RuleArn": listener.replace(":listener/", ":listener-rule/") + "/1",
         "Actions": [{"Type": "forward", "TargetGroupArn": arn}]}
    ]  # fmt: skip
    assert BROKEN == account.reach(WEB, LB, "tcp/443")


def test_ip_targets(account: Account) -> None:
    """*Target groups*: targets of type ip are addresses; the interface that has it is meant."""
    clients(account)
    account.group("sg-lb", "tcp 443 sg-web")
    account.group("sg-app", "tcp 8080 sg-lb")
    account.interface("eni-app", "10.0.2.7", groups=["sg-app"])
    account.balancer("front", ALB, NODES, ["sg-lb"])
    account.target_group("app", "HTTP", 8080, "10.0.2.7", type="ip")
    account.listener("front", ALB, "HTTP", 443, "app")
    assert OPENS == account.both(WEB, LB, "tcp/443")


def test_instance_targets_are_their_primary_interface(account: Account) -> None:
    """*Target groups*: for instance targets "traffic is routed to instances using the primary private IP address
    specified in the primary network interface", the one with device index 0, wherever it stands in the file."""
    behind_alb(account, "tcp 8080 sg-lb")
    second = account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-app")
    second["Attachment"]["DeviceIndex"] = 1
    account.group("sg-shut")
    account.interface("eni-first", "10.0.2.8", groups=["sg-shut"], instance="i-app")
    first = account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-first")
    first["Attachment"]["DeviceIndex"] = 0
    assert BROKEN == account.reach(WEB, LB, "tcp/443")
    second["Attachment"]["DeviceIndex"], first["Attachment"]["DeviceIndex"] = 0, 1
    assert KEPT == account.reach(WEB, LB, "tcp/443")


def test_instance_targets_are_their_primary_address(account: Account) -> None:
    """The same sentence: the primary private address, wherever it stands in the list."""
    behind_alb(account, "tcp 8080 sg-lb", lb_egress=("tcp 8080 10.0.2.7/32",))
    addresses = account.one("NetworkInterfaces", "NetworkInterfaceId", "eni-app")["PrivateIpAddresses"]
    addresses.append({"PrivateIpAddress": "10.0.2.99", "Primary": False})
    assert KEPT == account.reach(WEB, LB, "tcp/443")
    addresses[0]["Primary"], addresses[1]["Primary"] = False, True
    assert BROKEN == account.reach(WEB, LB, "tcp/443")


def test_lambda_targets(account: Account) -> None:
    """*Lambda functions as targets*: functions are invoked by the API, no network is needed."""
    clients(account)
    account.group("sg-lb", "tcp 443 sg-web")
    account.balancer("front", ALB, NODES, ["sg-lb"])
    account.target_group("fn", "HTTPS", 443, "arn:aws:lambda:eu-west-1:111111111111:function:f", type="lambda")
    account.listener("front", ALB, "HTTP", 443, "fn")
    assert OPENS == account.both(WEB, LB, "tcp/443")


def test_no_registered_target(account: Account) -> None:
    """A listener without any registered target cannot be told."""
    behind_alb(account, "tcp 8080 sg-lb")
    account.said["LoadBalancerTargetHealth"][0]["TargetHealthDescriptions"] = []
    assert CANNOT_TELL == account.reach(WEB, LB, "tcp/443")


def test_targets_that_were_not_read(account: Account) -> None:
    """Nor can targets that were not read."""
    behind_alb(account, "tcp 8080 sg-lb")
    account.said["LoadBalancerTargetHealth"].clear()
    assert CANNOT_TELL == account.reach(WEB, LB, "tcp/443")


def test_target_that_is_not_in_the_estate(account: Account) -> None:
    """A registered target that the input does not show cannot be told."""
    behind_alb(account, "tcp 8080 sg-lb")
    account.said["LoadBalancerTargetHealth"][0]["TargetHealthDescriptions"].append(
        {"Target": {"Id": "i-x", "Port": 8080}}
    )
    assert CANNOT_TELL == account.reach(WEB, LB, "tcp/443")


def test_listeners_that_were_not_read(account: Account) -> None:
    """Unknown listeners: anything may be listened to, nothing is for certain."""
    behind_alb(account, "tcp 8080 sg-lb")
    del account.said["Listeners"]
    assert (CANNOT_TELL, CANNOT_TELL) == account.both(WEB, LB, "tcp/443")
    assert KEPT == account.never_reach(WEB, LB, "udp/53")


# --- network load balancers -------------------------------------------------------------------------------------


def behind_nlb(
    account: Account, *target_rules: str, groups: tuple[str, ...] = (), protocol: str = "TCP", type: str = "instance",
    preserve: bool | None = None, public: str | None = None, health: str = "traffic-port",
) -> None:  # fmt: skip
    """An NLB ``front`` with one node in subnet-a, a listener on 443, and a target on 8443 in subnet-b."""
    clients(account)
    account.group("sg-app", *target_rules)
    account.interface("eni-app", "10.0.2.7", groups=["sg-app"], instance="i-app")
    account.balancer("front", NLB, ["10.0.1.100"], groups, public=public)
    target = "i-app" if type == "instance" else "10.0.2.7"
    account.target_group("app", protocol, 8443, target, type=type, preserve=preserve, health=health)
    account.listener("front", NLB, protocol, 443, "app")


def test_nlb_without_groups(account: Account) -> None:
    """*Security groups for your NLB*: "If you don't assign a security group to your load balancer, all client traffic
    can reach the load balancer listeners and all traffic can leave the load balancer"; listeners only."""
    behind_nlb(account, "tcp 8443 0.0.0.0/0")
    assert OPENS == account.both(WEB, LB, "tcp/443")
    assert (BROKEN, KEPT) == account.both(WEB, LB, "[tcp/444, udp/443]")


@pytest.mark.parametrize(
    ("protocol", "type", "preserve", "sees_client"),
    [
        ("TCP", "instance", None, True), ("TLS", "instance", None, True), ("UDP", "instance", None, True),
        ("TCP", "ip", None, False), ("TLS", "ip", None, False), ("UDP", "ip", None, True),
        ("TCP_UDP", "ip", None, True),
        ("TCP", "instance", False, False), ("TCP", "ip", True, True),
    ],
)  # fmt: skip
def test_client_address(account: Account, protocol: str, type: str, preserve: bool | None, sees_client: bool) -> None:
    """*Edit target group attributes*: client IP preservation is by default enabled for instance targets and for ip
    targets with UDP and TCP_UDP, disabled for ip targets with TCP and TLS; the attribute changes it. Only when
    preserved the client itself gets to the target."""
    service = "udp" if protocol == "UDP" else "tcp"
    behind_nlb(account, f"{service} 8443 10.0.1.5/32", "tcp 8443 10.0.1.100/32", "udp 8443 10.0.1.100/32",
               protocol=protocol, type=type, preserve=preserve)  # fmt: skip
    assert BROKEN == account.never_reach("10.0.1.5/32", "group:sg-app", f"{service}/8443")  # by itself, directly
    account.group("sg-other")
    account.interface("eni-other", "10.0.1.6", groups=["sg-other"])
    reached = account.reach("group:sg-other", LB, f"{service}/443")
    assert (BROKEN if sees_client else KEPT) == reached


def test_client_is_preserved_from_the_internet(account: Account) -> None:
    """Preserved, a client on the internet must be admitted by the target's group with its own address, though the
    target has no public one."""
    behind_nlb(account, "tcp 8443 203.0.113.0/24", "tcp 8443 10.0.1.100/32", public="198.51.100.100")
    account.internet_gateway()
    assert OPENS == account.both("203.0.113.0/24", LB, "tcp/443")
    assert BROKEN == account.reach("192.0.2.0/24", LB, "tcp/443")
    assert BROKEN == account.never_reach("203.0.113.0/24", "group:sg-app", "tcp/8443")
    assert KEPT == account.never_reach("192.0.2.0/24", "group:sg-app", "all")


def test_only_from_sees_through_a_preserving_balancer(account: Account) -> None:
    """What the internet can send to a target through a balancer counts for ``only-from`` the target."""
    behind_nlb(account, "tcp 8443 0.0.0.0/0", public="198.51.100.100")
    account.internet_gateway()
    assert BROKEN == account.only_from("[10.0.0.0/16]", "group:sg-app", "tcp/8443")


def test_not_preserved_hides_the_client(account: Account) -> None:
    """Not preserved, "the source IP address is the private IP address of the Network Load Balancer"."""
    behind_nlb(account, "tcp 8443 10.0.1.100/32", preserve=False, public="198.51.100.100")
    account.internet_gateway()
    assert OPENS == account.both("internet:v4", LB, "tcp/443")
    assert KEPT == account.never_reach("internet:v4", "group:sg-app", "all")


def test_reference_to_the_balancers_group(account: Account) -> None:
    """*Security groups for your NLB*: "Referencing the security group associated with your Network Load Balancer …
    ensures that your targets accept traffic from your load balancer even if you enable client IP preservation"."""
    account.group("sg-lb", "tcp 443 10.0.1.5/32")
    behind_nlb(account, "tcp 8443 sg-lb", groups=("sg-lb",))
    assert OPENS == account.both(WEB, LB, "tcp/443")
    account.group("sg-other")
    account.interface("eni-other", "10.0.1.6", groups=["sg-other"])
    assert (BROKEN, KEPT) == account.both("group:sg-other", LB, "tcp/443")
    assert KEPT == account.never_reach("group:sg-other", "group:sg-app", "all")


def test_reference_keeps_direct_clients_out(account: Account) -> None:
    """Same page: this "prevents them from sending traffic directly to your targets"."""
    account.group("sg-lb", "tcp 443 0.0.0.0/0")
    behind_nlb(account, "tcp 8443 sg-lb", groups=("sg-lb",), preserve=False)
    assert KEPT == account.never_reach(WEB, "group:sg-app", "all")


def test_health_checks_obey_outbound_rules_only(account: Account) -> None:
    """Same page: "Health checks are subject to outbound rules, but not inbound rules"."""
    account.group("sg-lb", "tcp 443 0.0.0.0/0", egress=["tcp 8443 0.0.0.0/0"])
    behind_nlb(account, "tcp 8443 sg-lb", "tcp 9000 sg-lb", groups=("sg-lb",), health="9000")
    assert BROKEN == account.reach(WEB, LB, "tcp/443")
    egress = account.one("SecurityGroups", "GroupId", "sg-lb")["IpPermissionsEgress"]
    egress.append({"IpProtocol": "tcp", "FromPort": 9000, "ToPort": 9000, "IpRanges": [{"CidrIp": "10.0.2.0/24"}]})
    assert KEPT == account.reach(WEB, LB, "tcp/443")


def test_health_check_of_udp_is_tcp(account: Account) -> None:
    """NLB guide, *Health checks*: for UDP target groups the checks are TCP (or HTTP): a target that admits UDP alone
    is never healthy."""
    behind_nlb(account, "udp 8443 0.0.0.0/0", protocol="UDP")
    assert BROKEN == account.reach(WEB, LB, "udp/443")
    account.one("SecurityGroups", "GroupId", "sg-app")["IpPermissions"].append(
        {"IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443, "IpRanges": [{"CidrIp": "10.0.1.100/32"}]}
    )
    assert KEPT == account.reach(WEB, LB, "udp/443")


def test_tcp_udp_listener(account: Account) -> None:
    """NLB guide, *Listeners*: TCP_UDP listens to both."""
    behind_nlb(account, "tcp 8443 0.0.0.0/0", "udp 8443 0.0.0.0/0", protocol="TCP_UDP")
    assert OPENS == account.both(WEB, LB, "[tcp/443, udp/443]")


def test_quic(account: Account) -> None:
    """NLB guide, *Listeners*: QUIC is a protocol over UDP; *Edit target group attributes*: the client's address is
    preserved for ip targets of QUIC and TCP_QUIC too."""
    behind_nlb(account, "udp 8443 10.0.1.5/32", "tcp 8443 10.0.1.100/32", protocol="QUIC", type="ip")
    assert OPENS == account.both(WEB, LB, "udp/443")
    account.interface("eni-other", "10.0.1.6", groups=["sg-web"])
    assert BROKEN == account.reach("interface:eni-other", LB, "udp/443")


def test_alb_behind_an_nlb_sees_the_client(account: Account) -> None:
    """NLB guide, *Target groups* (preserve_client_ip.enabled): "The default is disabled if the target group type is IP
    address and the target group protocol is TCP or TLS. Otherwise, the default is enabled": an ALB as target sees
    clients, health checks come from the nodes."""
    clients(account)
    account.group("sg-alb", "tcp 443 10.0.1.100/32")
    account.group("sg-app", "tcp 8080 sg-alb")
    account.interface("eni-app", "10.0.2.7", groups=["sg-app"], instance="i-app")
    account.balancer("inner", ALB, ["10.0.2.100"], ["sg-alb"])
    account.target_group("app", "HTTP", 8080, "i-app")
    account.listener("inner", ALB, "HTTPS", 443, "app")
    account.balancer("front", NLB, ["10.0.1.100"])
    account.target_group("alb", "TCP", 443, account.balancer_arn("inner", ALB), type="alb")
    account.listener("front", NLB, "TCP", 443, "alb")
    assert BROKEN == account.reach(WEB, LB, "tcp/443")
    account.one("SecurityGroups", "GroupId", "sg-alb")["IpPermissions"][0]["IpRanges"].append({"CidrIp": "10.0.1.5/32"})
    assert KEPT == account.reach(WEB, LB, "tcp/443")


def test_acl_of_the_targets_subnet_sees_the_client(account: Account) -> None:
    """With the client's address preserved, the ACL of the target's subnet sees that address too, on the answer's way
    likewise."""
    behind_nlb(account, "tcp 8443 0.0.0.0/0", public="198.51.100.100")
    account.internet_gateway()
    account.acl("acl-b", "in 1 allow -1 - 10.0.0.0/16", "in 2 allow tcp 8443 203.0.113.0/24",
                "out 1 allow -1 - 0.0.0.0/0", subnets=["subnet-b"])  # fmt: skip
    assert KEPT == account.reach("203.0.113.0/24", LB, "tcp/443")
    assert BROKEN == account.reach("192.0.2.0/24", LB, "tcp/443")
    account.one("NetworkAcls", "NetworkAclId", "acl-b")["Entries"][2]["CidrBlock"] = "10.0.0.0/16"
    assert BROKEN == account.reach("203.0.113.0/24", LB, "tcp/443")


def test_balancer_without_interfaces_in_the_input(account: Account) -> None:
    """Where no interface of a balancer was read, one is assumed in each of its subnets, at an address that is not
    known: a target that admits the whole subnet is reached, one that admits a part may be."""
    clients(account)
    account.group("sg-lb", "tcp 443 sg-web")
    account.group("sg-app", "tcp 8080 10.0.1.0/24")
    account.group("sg-part", "tcp 8080 10.0.1.0/25")
    account.interface("eni-app", "10.0.2.7", groups=["sg-app"], instance="i-app")
    account.interface("eni-part", "10.0.2.8", groups=["sg-part"], instance="i-part")
    account.balancer("front", ALB, ["10.0.1.100"], ["sg-lb"])
    account.said["NetworkInterfaces"] = [
        one for one in account.said["NetworkInterfaces"] if one["NetworkInterfaceId"] != "eni-front-0"
    ]
    account.target_group("app", "HTTP", 8080, "i-app")
    account.target_group("part", "HTTP", 8080, "i-part")
    account.listener("front", ALB, "HTTPS", 443, "app")
    account.listener("front", ALB, "HTTP", 80, "part")
    account.one("SecurityGroups", "GroupId", "sg-lb")["IpPermissions"][0]["FromPort"] = 80
    assert KEPT == account.reach(WEB, LB, "tcp/443")
    assert CANNOT_TELL == account.reach(WEB, LB, "tcp/80")


@pytest.mark.parametrize("preserve", [True, False])
def test_target_as_its_own_client(account: Account, preserve: bool) -> None:
    """*Troubleshoot your Network Load Balancer*: "If the request is routed to the same instance it was sent from, the
    connection times out because the source and destination IP addresses are the same"; with client IP preservation
    disabled it does not. No rule of a group alters that, and the reason names it."""
    behind_nlb(account, "-1 - 0.0.0.0/0", preserve=preserve)
    verdict = account.judge("reach", "interface:eni-app", LB, "tcp/443")
    assert (BROKEN if preserve else KEPT) == verdict.outcome
    assert not preserve or "not carried back to it" in verdict.reasons[0].text
    assert KEPT == account.reach(WEB, LB, "tcp/443")
