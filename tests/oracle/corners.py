"""Small estates made by hand, each with one contract, for corners that chance seldom visits.

They follow the same rule as the random ones: engine and oracle must agree on them, and they help to kill mutants.
Built from two VPCs with two subnets each, everything open, and changed where the corner lies.
"""

from __future__ import annotations

from tests.oracle.corner_parts import (
    ARN,
    Corner,
    Json,
    add_peering,
    add_route,
    add_transit,
    base,
    entry,
    find,
    nic,
    permission,
    public,
    reach,
    reference,
)

# --- the corners ---


def reference_over_inactive_peering() -> tuple[Json, Json]:
    """Broken: the packets come over a transit gateway without referencing, and the peering is not active."""
    estate = base()
    add_transit(estate, "disable")
    add_peering(estate, "pending-acceptance")
    find(estate, "SecurityGroups", "sg-b")["IpPermissions"] = [permission("tcp", (443, 443), **reference("sg-a"))]
    return estate, reach("10.0.0.0/24", "10.0.1.0/24")


def reference_over_regions() -> tuple[Json, Json]:
    """Broken: an active peering between Regions carries packets, and no references."""
    estate = base()
    add_peering(estate, "active", "eu-west-1")
    add_route(estate, "rtb-a", "10.0.1.0/24", VpcPeeringConnectionId="pcx-0")
    add_route(estate, "rtb-b", "10.0.0.0/24", VpcPeeringConnectionId="pcx-0")
    find(estate, "SecurityGroups", "sg-b")["IpPermissions"] = [permission("tcp", (443, 443), **reference("sg-a"))]
    return estate, reach("10.0.0.0/24", "10.0.1.0/24")


def inbound_reference_over_transit() -> tuple[Json, Json]:
    """Kept: inbound references work over a transit gateway that supports them."""
    estate = base()
    add_transit(estate, "enable")
    find(estate, "SecurityGroups", "sg-b")["IpPermissions"] = [permission("tcp", (443, 443), **reference("sg-a"))]
    return estate, reach("10.0.0.0/24", "10.0.1.0/24")


def outbound_reference_over_transit() -> tuple[Json, Json]:
    """Broken: outbound references do not work over a transit gateway."""
    estate = base()
    add_transit(estate, "enable")
    find(estate, "SecurityGroups", "sg-a")["IpPermissionsEgress"] = [permission("tcp", (443, 443), **reference("sg-b"))]
    return estate, reach("10.0.0.0/24", "10.0.1.0/24")


def behind_nat(first: Json) -> Json:
    """Interface a1 leaves through a NAT gateway in subnet a0; ``first`` heads the ACL of a0."""
    estate = base()
    estate["NetworkInterfaces"].append(
        nic("eni-nat", "vpc-a", "subnet-a0", 0, 0, [], 9, InterfaceType="nat_gateway", Ipv6Addresses=[], Attachment={})
    )
    public(estate, "eni-nat", "52.0.0.9")
    held = [{"PrivateIp": "10.0.0.9", "PublicIp": "52.0.0.9", "NetworkInterfaceId": "eni-nat"}]
    estate["NatGateways"].append(
        {
            "NatGatewayId": "nat-0",
            "VpcId": "vpc-a",
            "SubnetId": "subnet-a0",
            "State": "available",
            "ConnectivityType": "public",
            "NatGatewayAddresses": held,
        }
    )
    add_route(estate, "rtb-a", "0.0.0.0/0", NatGatewayId="nat-0")
    outer = {"RouteTableId": "rtb-outer", "VpcId": "vpc-a", "Routes": [], "Associations": [{"SubnetId": "subnet-a0"}]}
    estate["RouteTables"].append(outer)
    add_route(estate, "rtb-outer", "10.0.0.0/24", GatewayId="local")
    add_route(estate, "rtb-outer", "0.0.0.0/0", GatewayId="igw-a")
    find(estate, "NetworkAcls", "acl-a0")["Entries"].append(first)
    return estate


def nat_plain() -> tuple[Json, Json]:
    """Kept: nothing is denied."""
    return behind_nat(entry(50, egress=False, allow=True)), reach("interface:eni-a1", "internet:v4")


def nat_way_in_denied() -> tuple[Json, Json]:
    """Broken: the ACL of the NAT gateway's subnet does not let the interface's packets in."""
    denied = entry(50, egress=False, allow=False, protocol="6", cidr="10.0.0.64/26", PortRange={"From": 443, "To": 443})
    return behind_nat(denied), reach("interface:eni-a1", "internet:v4")


def nat_one_port_denied() -> tuple[Json, Json]:
    """Broken: the ACL of the NAT gateway's subnet stops one port of three; packets on the others leave."""
    denied = entry(50, egress=False, allow=False, protocol="6", PortRange={"From": 443, "To": 443})
    contract = {"must": "never-reach", "from": "interface:eni-a1", "to": "internet:v4", "service": "tcp/443-445"}
    return behind_nat(denied), contract


def nat_hands_on_to_a_peer() -> tuple[Json, Json]:
    """Cannot tell: a NAT gateway hands private destinations on by its own subnet's table (*NAT gateway use cases*)."""
    estate = behind_nat(entry(50, egress=False, allow=True))
    add_peering(estate, "active")
    add_route(estate, "rtb-outer", "10.0.1.0/24", VpcPeeringConnectionId="pcx-0")
    return estate, {"must": "never-reach", "from": "interface:eni-a1", "to": "10.0.1.5/32", "service": "tcp/443"}


def nat_answer_denied() -> tuple[Json, Json]:
    """Broken: answers to a NAT gateway come on 1024-65535, whatever range the contract names."""
    denied = entry(50, egress=False, allow=False, protocol="6", cidr="8.8.8.0/24", PortRange={"From": 1024, "To": 2000})
    return behind_nat(denied), reach("interface:eni-a1", "8.8.8.0/24", ephemeral="32768-60999")


def nat_other_protocol() -> tuple[Json, Json]:
    """Broken: NAT gateways translate TCP, UDP and ICMP only."""
    return behind_nat(entry(50, egress=False, allow=True)), reach("interface:eni-a1", "8.8.8.0/24", "proto/50")


def balanced(egress: list[Json], ingress: list[Json]) -> Json:
    """A public network load balancer in subnet a0 (group sg-lb) with instance a1 (group sg-target) behind it."""
    estate = base()
    arn, group = f"{ARN}loadbalancer/net/front/0123", f"{ARN}targetgroup/tg/0123"
    for name, inward, outward in (("sg-lb", [permission()], egress), ("sg-target", ingress, [permission()])):
        estate["SecurityGroups"].append(
            {
                "GroupId": name,
                "GroupName": name,
                "VpcId": "vpc-a",
                "IpPermissions": inward,
                "IpPermissionsEgress": outward,
            }
        )
    front = nic("eni-lb", "vpc-a", "subnet-a0", 0, 0, ["sg-lb"], 9, Ipv6Addresses=[], Attachment={})
    estate["NetworkInterfaces"].append(
        front | {"InterfaceType": "network_load_balancer", "Description": "ELB net/front/0123"}
    )
    public(estate, "eni-lb", "52.0.0.9")
    find(estate, "NetworkInterfaces", "eni-a1")["Groups"] = [{"GroupId": "sg-target", "GroupName": "sg-target"}]
    add_route(estate, "rtb-a", "0.0.0.0/0", GatewayId="igw-a")
    estate["LoadBalancers"].append(
        {
            "LoadBalancerArn": arn,
            "LoadBalancerName": "front",
            "Type": "network",
            "Scheme": "internet-facing",
            "VpcId": "vpc-a",
            "SecurityGroups": ["sg-lb"],
        }
    )
    estate["Listeners"].append(
        {
            "ListenerArn": f"{ARN}listener/net/front/0123/1",
            "LoadBalancerArn": arn,
            "Port": 443,
            "Protocol": "TCP",
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        }
    )
    estate["TargetGroups"].append(
        {
            "TargetGroupArn": group,
            "TargetGroupName": "tg",
            "Protocol": "TCP",
            "Port": 8443,
            "VpcId": "vpc-a",
            "TargetType": "instance",
            "HealthCheckEnabled": True,
            "HealthCheckProtocol": "TCP",
            "HealthCheckPort": "8080",
            "LoadBalancerArns": [arn],
        }
    )
    described = [{"Target": {"Id": "i-a1", "Port": 8443}, "TargetHealth": {"State": "healthy"}}]
    estate["TargetHealth"][group] = {"TargetHealthDescriptions": described}
    return estate


def reference_to_balancer() -> tuple[Json, Json]:
    """Kept: a reference to the balancer's group admits clients whose address is kept, and health checks."""
    both = [permission("tcp", ports, **reference("sg-lb")) for ports in ((8443, 8443), (8080, 8080))]
    return balanced([permission()], both), reach("internet:v4", "lb:front")


def reference_to_clients() -> tuple[Json, Json]:
    """Broken: a reference to the clients' group does not admit clients behind a balancer."""
    rules = [permission("tcp", (8443, 8443), **reference("sg-a")), permission("tcp", (8080, 8080))]
    return balanced([permission()], rules), reach("interface:eni-a0", "lb:front")


def health_check_denied() -> tuple[Json, Json]:
    """Broken: the target does not admit the health check."""
    return balanced([permission()], [permission("tcp", (8443, 8443))]), reach("internet:v4", "lb:front")


def balancer_may_not_send() -> tuple[Json, Json]:
    """Kept: the balancer's own egress rules keep packets from the target, which is not addressable itself."""
    estate = balanced([permission("tcp", (8080, 8080))], [permission()])
    return estate, {"must": "never-reach", "from": "internet:v4", "to": "interface:eni-a1", "service": "tcp/8443"}


def balancer_sends() -> tuple[Json, Json]:
    """Broken: clients come to the target through the balancer although it is not addressable itself."""
    estate = balanced([permission()], [permission()])
    return estate, {"must": "never-reach", "from": "internet:v4", "to": "interface:eni-a1", "service": "tcp/8443"}


def ping_answer_denied(service: str, answer: tuple[int, int], protocol: str, cidr: str) -> tuple[Json, Json]:
    """Interface a0 asks a1; the ACL of a1 stops one ICMP type and code on its way out."""
    estate = base()
    code = {"Type": answer[0], "Code": answer[1]}
    denied = entry(50, egress=True, allow=False, protocol=protocol, cidr=cidr, IcmpTypeCode=code)
    find(estate, "NetworkAcls", "acl-a1")["Entries"].append(denied)
    return estate, reach("interface:eni-a0", "interface:eni-a1", service)


def ping_answered_not() -> tuple[Json, Json]:
    """Broken: echo replies (0/0) are stopped."""
    return ping_answer_denied("icmp/8:0", (0, 0), "1", "0.0.0.0/0")


def ping_six_answered_not() -> tuple[Json, Json]:
    """Broken: echo replies of ICMPv6 (129/0) are stopped."""
    return ping_answer_denied("icmpv6/128:0", (129, 0), "58", "::/0")


def unreachable_needs_no_answer() -> tuple[Json, Json]:
    """Kept: nothing answers "fragmentation needed"."""
    return ping_answer_denied("icmp/3:4", (-1, -1), "1", "0.0.0.0/0")


def with_entry(
    source: str, target: str, service: str, first: Json, acl: str = "acl-a1", **more: str
) -> tuple[Json, Json]:
    """Everything open but for one entry at the head of an ACL."""
    estate = base()
    find(estate, "NetworkAcls", acl)["Entries"].append(first)
    return estate, reach(source, target, service, **more)


def acl_first_port() -> tuple[Json, Json]:
    """Broken: the entry denies the last port of the contract alone."""
    denied = entry(50, egress=False, allow=False, protocol="6", PortRange={"From": 445, "To": 445})
    return with_entry("interface:eni-a0", "interface:eni-a1", "tcp/443-445", denied)


def acl_last_port() -> tuple[Json, Json]:
    """Broken: the entry denies the first port of the contract alone."""
    denied = entry(50, egress=False, allow=False, protocol="6", PortRange={"From": 443, "To": 443})
    return with_entry("interface:eni-a0", "interface:eni-a1", "tcp/443-445", denied)


def acl_middle_port() -> tuple[Json, Json]:
    """Broken: the entry denies a port in the middle of the contract's."""
    denied = entry(50, egress=False, allow=False, protocol="6", PortRange={"From": 444, "To": 444})
    return with_entry("interface:eni-a0", "interface:eni-a1", "tcp/443-445", denied)


def acl_beside_port() -> tuple[Json, Json]:
    """Kept: the entry denies the ports around those of the contract."""
    estate, contract = with_entry(
        "interface:eni-a0",
        "interface:eni-a1",
        "tcp/443-445",
        entry(50, egress=False, allow=False, protocol="6", PortRange={"From": 0, "To": 442}),
    )
    after = entry(60, egress=False, allow=False, protocol="6", PortRange={"From": 446, "To": 65535})
    find(estate, "NetworkAcls", "acl-a1")["Entries"].append(after)
    return estate, contract


def answer_on_another_range() -> tuple[Json, Json]:
    """Kept: answers are denied on ports that the contract's ephemeral range does not hold."""
    denied = entry(50, egress=True, allow=False, protocol="6", PortRange={"From": 1024, "To": 32767})
    return with_entry("interface:eni-a0", "interface:eni-a1", "tcp/443", denied, ephemeral="32768-60999")


def answer_on_last_port() -> tuple[Json, Json]:
    """Broken: answers are denied on the last port of the ephemeral range."""
    denied = entry(50, egress=True, allow=False, protocol="6", PortRange={"From": 65535, "To": 65535})
    return with_entry("interface:eni-a0", "interface:eni-a1", "tcp/443", denied)


def within_a_subnet() -> tuple[Json, Json]:
    """Kept: an ACL is not asked between two interfaces of its subnet (VPC, *Network ACL basics*)."""
    denied = entry(50, egress=False, allow=False)
    estate, contract = with_entry("interface:eni-a1", "interface:eni-a2", "tcp/443", denied)
    estate["NetworkInterfaces"].append(nic("eni-a2", "vpc-a", "subnet-a1", 0, 1, ["sg-a"], 7))
    return estate, contract


def icmp_code() -> tuple[Json, Json]:
    """Broken: the rule admits code 4 of type 3, and the contract asks for code 3."""
    estate = base()
    find(estate, "SecurityGroups", "sg-a")["IpPermissions"] = [permission("icmp", (3, 4))]
    return estate, reach("10.0.0.5/32", "10.0.0.69/32", "icmp/3:3")


def ports_of_another_protocol() -> tuple[Json, Json]:
    """Kept: the ports of a rule for protocol 50 mean nothing (EC2 API, *IpPermission*)."""
    estate = base()
    find(estate, "SecurityGroups", "sg-a")["IpPermissions"] = [permission("50", (443, 443))]
    return estate, reach("interface:eni-a0", "interface:eni-a1", "proto/50")


def family_of_icmp() -> tuple[Json, Json]:
    """Kept: nothing of ICMPv6 flows over IPv4, whatever the rules say (the interfaces have no IPv6 address)."""
    estate = base()
    for one in estate["NetworkInterfaces"]:
        one["Ipv6Addresses"] = []
    return estate, {"must": "never-reach", "from": "interface:eni-a0", "to": "interface:eni-a1", "service": "icmpv6"}


def transit_without_option() -> tuple[Json, Json]:
    """Broken: a transit gateway without security group referencing carries packets, and no references."""
    estate = base()
    add_transit(estate, "disable")
    find(estate, "SecurityGroups", "sg-b")["IpPermissions"] = [permission("tcp", (443, 443), **reference("sg-a"))]
    return estate, reach("10.0.0.0/24", "10.0.1.0/24")


def transit_option_of_gateway() -> tuple[Json, Json]:
    """Broken: the attachments allow references, the gateway does not (TGW, *Security group referencing*)."""
    estate, contract = transit_without_option()
    for one in estate["TransitGatewayVpcAttachments"]:
        one["Options"] = {"SecurityGroupReferencingSupport": "enable"}
    return estate, contract


def transit_longest_prefix() -> tuple[Json, Json]:
    """Broken: a blackhole for one subnet is longer than the route to its VPC."""
    estate = base()
    add_transit(estate, "enable")
    estate["TransitGatewayRoutes"]["tgw-rtb-0"]["Routes"].append(
        {"DestinationCidrBlock": "10.0.1.0/26", "Type": "static", "State": "blackhole"}
    )
    return estate, reach("10.0.0.5/32", "10.0.1.5/32")


def transit_other_zone() -> tuple[Json, Json]:
    """Broken: the source's zone has no attachment (TGW, *Amazon VPC attachments*)."""
    estate = base()
    add_transit(estate, "enable")
    find(estate, "Subnets", "subnet-a1")["AvailabilityZone"] = "eu-central-1b"
    return estate, reach("10.0.0.69/32", "10.0.1.5/32")


def exposed(gateway: str = "vpc-a") -> Json:
    """Interface a0 has a public address and a default route to the internet gateway."""
    estate = base()
    public(estate, "eni-a0", "52.0.0.5")
    add_route(estate, "rtb-a", "0.0.0.0/0", GatewayId="igw-a")
    find(estate, "InternetGateways", "igw-a")["Attachments"][0]["VpcId"] = gateway
    return estate


def gateway_not_attached() -> tuple[Json, Json]:
    """Broken: the internet gateway of the route is attached to another VPC."""
    return exposed("vpc-elsewhere"), reach("interface:eni-a0", "internet:v4")


def ingress_routed() -> tuple[Json, Json]:
    """Cannot tell: a route table stands behind the internet gateway, and takes what enters to an appliance."""
    estate = exposed()
    edge = {"RouteTableId": "rtb-edge", "VpcId": "vpc-a", "Routes": [], "Associations": [{"GatewayId": "igw-a"}]}
    estate["RouteTables"].append(edge)
    add_route(estate, "rtb-edge", "10.0.0.0/26", NetworkInterfaceId="eni-a1")
    return estate, reach("internet:v4", "interface:eni-a0")


def peering_not_active() -> tuple[Json, Json]:
    """Broken: the routes are there, the peering was never accepted."""
    estate = base()
    add_peering(estate, "pending-acceptance")
    add_route(estate, "rtb-a", "10.0.1.0/24", VpcPeeringConnectionId="pcx-0")
    add_route(estate, "rtb-b", "10.0.0.0/24", VpcPeeringConnectionId="pcx-0")
    return estate, reach("10.0.0.5/32", "10.0.1.5/32")


def acl_unknown() -> tuple[Json, Json]:
    """Cannot tell: the ACL of the target's subnet is not in the input."""
    estate = base()
    estate["NetworkAcls"] = [one for one in estate["NetworkAcls"] if one["NetworkAclId"] != "acl-a1"]
    return estate, reach("10.0.0.5/32", "10.0.0.69/32")


def balancer_ends_connections() -> tuple[Json, Json]:
    """Kept: an application load balancer ends the client's connection; no packet of the client comes to the target."""
    estate = balanced([permission()], [permission()])
    estate["LoadBalancers"][0]["Type"] = "application"
    estate["Listeners"][0]["Protocol"] = "HTTPS"
    estate["TargetGroups"][0]["Protocol"] = "HTTPS"
    find(estate, "NetworkInterfaces", "eni-lb")["InterfaceType"] = "interface"
    return estate, {"must": "never-reach", "from": "internet:v4", "to": "interface:eni-a1", "service": "tcp/8443"}


def balancer_speaks_for_itself() -> tuple[Json, Json]:
    """Kept: behind an application load balancer the target need admit the balancer alone."""
    rules = [permission("tcp", (8080, 8443), IpRanges=[{"CidrIp": "10.0.0.9/32"}])]
    estate = balanced([permission()], rules)
    estate["LoadBalancers"][0]["Type"] = "application"
    estate["Listeners"][0]["Protocol"] = "HTTPS"
    estate["TargetGroups"][0]["Protocol"] = "HTTPS"
    find(estate, "NetworkInterfaces", "eni-lb")["InterfaceType"] = "interface"
    return estate, reach("internet:v4", "lb:front")


def listeners_unknown() -> tuple[Json, Json]:
    """Cannot tell: the listeners of the balancer are not in the input."""
    estate = balanced([permission()], [permission()])
    estate["Listeners"] = []
    return estate, reach("internet:v4", "lb:front")


def namesakes(must: str, group: str = "sg-b") -> tuple[Json, Json]:
    """Two VPCs with the same CIDR, and in each an interface 10.0.0.5: a0, and b0 in group sg-b; a1 admits sg-b alone.

    References are to "the private IP addresses" of the members (VPC, *Security group rules*), and AWS does not say
    whether they tell two interfaces with one address apart: what a0 sends may be admitted.
    """
    estate = base()
    add_transit(estate, "enable")
    find(estate, "Vpcs", "vpc-b").update(
        CidrBlock="10.0.0.0/24", CidrBlockAssociationSet=[{"CidrBlock": "10.0.0.0/24"}]
    )
    find(estate, "NetworkInterfaces", "eni-b0").update(
        PrivateIpAddress="10.0.0.5", PrivateIpAddresses=[{"PrivateIpAddress": "10.0.0.5", "Primary": True}]
    )
    for name in ("eni-a0", "eni-a1"):
        find(estate, "NetworkInterfaces", name)["Ipv6Addresses"] = []
    rules = [permission("tcp", (443, 443), **reference(group))]
    estate["SecurityGroups"].append(
        {"GroupId": "sg-in", "GroupName": "in", "VpcId": "vpc-a", "IpPermissions": rules, "IpPermissionsEgress": []}
    )
    find(estate, "NetworkInterfaces", "eni-a1")["Groups"] = [{"GroupId": "sg-in", "GroupName": "in"}]
    return estate, {"must": must, "from": "interface:eni-a0", "to": "interface:eni-a1", "service": "tcp/443"}


def reached_as_a_namesake() -> tuple[Json, Json]:
    """Cannot tell: only an interface of another VPC with the same address is in the group."""
    return namesakes("reach")


def kept_out_as_a_namesake() -> tuple[Json, Json]:
    """Cannot tell: the same, asked the other way round."""
    return namesakes("never-reach")


def member_with_a_namesake() -> tuple[Json, Json]:
    """Kept: a0 itself is in the group, whoever else has its address."""
    return namesakes("reach", "sg-a")


def rewritten_six(admitted: str) -> tuple[Json, Json]:
    """An appliance takes the IPv6 traffic of VPC a out; b0 admits one network alone, in which a0 is not.

    What is not looked into may rewrite the source (rule book §6), to an address of its own, too.
    """
    estate = base()
    find(estate, "RouteTables", "rtb-a")["Routes"].append(
        {"DestinationIpv6CidrBlock": "::/0", "State": "active", "Origin": "CreateRoute", "NetworkInterfaceId": "eni-a1"}
    )
    rules = [permission("tcp", (443, 443), Ipv6Ranges=[{"CidrIpv6": admitted}])]
    find(estate, "SecurityGroups", "sg-b")["IpPermissions"] = rules
    contract = {"must": "never-reach", "from": "interface:eni-a0", "to": "interface:eni-b0", "service": "tcp/443"}
    return estate, contract


def seen_as_anybody() -> tuple[Json, Json]:
    """Cannot tell: b0 admits a network of the internet."""
    return rewritten_six("2a00:1450::/32")


def seen_as_the_appliance() -> tuple[Json, Json]:
    """Cannot tell: b0 admits the appliance."""
    return rewritten_six("2600:1f00:1:1::5/128")


def nobody_left_out() -> tuple[Json, Json]:
    """Kept: everybody is in "from", so that nobody else can arrive."""
    everybody = ["0.0.0.0/0", "::/0"]
    return base(), {"must": "only-from", "from": everybody, "to": "interface:eni-a0", "service": "tcp/443"}


def target_is_client() -> tuple[Json, Json]:
    """Broken: "If the request is routed to the same instance it was sent from, the connection times out" (ELB,
    *Troubleshoot your Network Load Balancer*)."""
    return balanced([permission()], [permission()]), reach("interface:eni-a1", "lb:front")


def target_is_client_that_is_not_seen() -> tuple[Json, Json]:
    """Kept: the balancer comes to its target under its own address (same page: "Disable client IP preservation")."""
    estate, contract = target_is_client()
    attribute = {"Key": "preserve_client_ip.enabled", "Value": "false"}
    estate["TargetGroupAttributes"][estate["TargetGroups"][0]["TargetGroupArn"]] = {"Attributes": [attribute]}
    return estate, contract


def target_does_not_listen() -> tuple[Json, Json]:
    """Broken: the target is a node of a balancer that listens on the health check's port alone.

    The clients come by IPv6 and are not seen by a target of IPv4, so that only the balancer itself is judged.
    """
    estate = balanced([permission()], [permission()])
    find(estate, "NetworkInterfaces", "eni-lb")["Ipv6Addresses"] = [{"Ipv6Address": "2600:1f00:1::9"}]
    find(estate, "RouteTables", "rtb-a")["Routes"].append(
        {"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-a", "State": "active", "Origin": "CreateRoute"}
    )
    arn = f"{ARN}loadbalancer/app/inner/0456"
    estate["LoadBalancers"].append(
        {"LoadBalancerArn": arn, "LoadBalancerName": "inner", "Type": "application", "VpcId": "vpc-a"}
    )
    estate["Listeners"].append(
        {"ListenerArn": f"{ARN}listener/app/inner/0456/1", "LoadBalancerArn": arn, "Port": 8080, "Protocol": "HTTP"}
    )
    find(estate, "NetworkInterfaces", "eni-a1")["Description"] = "ELB app/inner/0456"
    return estate, reach("2a00:1450::/32", "lb:front")


def outside_to_outside() -> tuple[Json, Json]:
    """Cannot tell: neither side has an interface, so that there is nobody to judge (rule book §5)."""
    return base(), reach("internet:v4", "172.16.0.0/12")


def six_behind_a_balancer(preserved: str = "true") -> Json:
    """The balancer of ``balanced`` takes both families; its target is registered by its IPv6 address.

    A client of the target's family is seen by it, one of the other family is not (ELB, *Edit target group attributes
    for your Network Load Balancer*: table of client IP preservation).
    """
    rules = [permission("tcp", (8080, 8080)), permission("tcp", (8443, 8443), Ipv6Ranges=[{"CidrIpv6": "2a00::/16"}])]
    estate = balanced([permission()], rules)
    find(estate, "NetworkInterfaces", "eni-lb")["Ipv6Addresses"] = [{"Ipv6Address": "2600:1f00:1::9"}]
    find(estate, "RouteTables", "rtb-a")["Routes"].append(
        {"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-a", "State": "active", "Origin": "CreateRoute"}
    )
    group = estate["TargetGroups"][0]
    group.update(TargetType="ip", IpAddressType="ipv6")
    described = [{"Target": {"Id": "2600:1f00:1:1::5", "Port": 8443}, "TargetHealth": {"State": "healthy"}}]
    estate["TargetHealth"][group["TargetGroupArn"]] = {"TargetHealthDescriptions": described}
    attribute = {"Key": "preserve_client_ip.enabled", "Value": preserved}
    estate["TargetGroupAttributes"][group["TargetGroupArn"]] = {"Attributes": [attribute]}
    return estate


def six_admitted() -> tuple[Json, Json]:
    """Kept: the target admits the clients' network."""
    return six_behind_a_balancer(), reach("2a00:1450::/32", "lb:front")


def six_not_admitted() -> tuple[Json, Json]:
    """Broken: the target does not admit the clients' network."""
    return six_behind_a_balancer(), reach("2c00:1450::/32", "lb:front")


def four_to_six() -> tuple[Json, Json]:
    """Broken: clients of IPv4 come from the balancer's own address, which the target does not admit."""
    return six_behind_a_balancer(), reach("8.8.8.0/24", "lb:front")


def six_to_four() -> tuple[Json, Json]:
    """Kept: no packet of an IPv6 client comes to a target of IPv4, whatever it admits."""
    estate = balanced([permission()], [permission()])
    find(estate, "NetworkInterfaces", "eni-lb")["Ipv6Addresses"] = [{"Ipv6Address": "2600:1f00:1::9"}]
    find(estate, "NetworkInterfaces", "eni-a1")["Ipv6Addresses"] = []
    return estate, {"must": "never-reach", "from": "::/0", "to": "interface:eni-a1", "service": "tcp/8443"}


def no_family_for_the_target() -> tuple[Json, Json]:
    """Broken: the balancer has no address of the target's family."""
    estate = six_behind_a_balancer()
    find(estate, "NetworkInterfaces", "eni-lb")["Ipv6Addresses"] = []
    return estate, reach("8.8.8.0/24", "lb:front")


CORNERS: dict[str, tuple[Corner, str]] = {
    "reference over a peering that is not active": (reference_over_inactive_peering, "broken"),
    "reference over Regions": (reference_over_regions, "broken"),
    "inbound reference over a transit gateway": (inbound_reference_over_transit, "kept"),
    "outbound reference over a transit gateway": (outbound_reference_over_transit, "broken"),
    "NAT": (nat_plain, "kept"),
    "NAT, way in denied": (nat_way_in_denied, "broken"),
    "NAT, one port denied": (nat_one_port_denied, "broken"),
    "NAT hands on to a peer": (nat_hands_on_to_a_peer, "cannot-tell"),
    "NAT, answer denied": (nat_answer_denied, "broken"),
    "NAT, other protocol": (nat_other_protocol, "broken"),
    "reference to the balancer's group": (reference_to_balancer, "kept"),
    "reference to the clients' group": (reference_to_clients, "broken"),
    "health check denied": (health_check_denied, "broken"),
    "balancer may not send": (balancer_may_not_send, "kept"),
    "balancer sends": (balancer_sends, "broken"),
    "ping not answered": (ping_answered_not, "broken"),
    "ping of version 6 not answered": (ping_six_answered_not, "broken"),
    "no answer needed": (unreachable_needs_no_answer, "kept"),
    "first port of an ACL entry": (acl_first_port, "broken"),
    "last port of an ACL entry": (acl_last_port, "broken"),
    "middle port of an ACL entry": (acl_middle_port, "broken"),
    "ports beside an ACL entry": (acl_beside_port, "kept"),
    "answer on another range": (answer_on_another_range, "kept"),
    "answer on the last port": (answer_on_last_port, "broken"),
    "within a subnet": (within_a_subnet, "kept"),
    "ICMP code": (icmp_code, "broken"),
    "ports of another protocol": (ports_of_another_protocol, "kept"),
    "family of ICMP": (family_of_icmp, "kept"),
    "transit gateway without referencing": (transit_without_option, "broken"),
    "transit gateway, longest prefix": (transit_longest_prefix, "broken"),
    "transit gateway in another zone": (transit_other_zone, "broken"),
    "gateway not attached": (gateway_not_attached, "broken"),
    "ingress routing": (ingress_routed, "cannot-tell"),
    "peering not active": (peering_not_active, "broken"),
    "ACL not in the input": (acl_unknown, "cannot-tell"),
    "balancer speaks for itself": (balancer_speaks_for_itself, "kept"),
    "transit gateway, option of the gateway": (transit_option_of_gateway, "broken"),
    "balancer ends connections": (balancer_ends_connections, "kept"),
    "listeners not in the input": (listeners_unknown, "cannot-tell"),
    "reached as a namesake": (reached_as_a_namesake, "cannot-tell"),
    "kept out as a namesake": (kept_out_as_a_namesake, "cannot-tell"),
    "member with a namesake": (member_with_a_namesake, "kept"),
    "seen as anybody": (seen_as_anybody, "cannot-tell"),
    "seen as the appliance": (seen_as_the_appliance, "cannot-tell"),
    "nobody left out": (nobody_left_out, "kept"),
    "target is the client": (target_is_client, "broken"),
    "target is the client and not seen": (target_is_client_that_is_not_seen, "kept"),
    "target does not listen": (target_does_not_listen, "broken"),
    "outside to outside": (outside_to_outside, "cannot-tell"),
    "six behind a balancer, admitted": (six_admitted, "kept"),
    "six behind a balancer, not admitted": (six_not_admitted, "broken"),
    "four to six": (four_to_six, "broken"),
    "six to four": (six_to_four, "kept"),
    "no family for the target": (no_family_for_the_target, "broken"),
}
"""Name → corner, and what AWS's documentation says of it (in the corner's docstring)."""
