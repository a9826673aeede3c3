"""Load balancers, transit gateways, and what holds interfaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from doorward.model.addresses import parse_address, parse_network
from doorward.model.estate import Listener, Target, TransitRoute
from doorward.model.services import rule_span
from doorward.readers.aws import read_estate
from tests.readers.aws_files import INTERFACE, WHOLE, texts, whole

ARN = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/web/50dc6c495c0c9188"
LISTENER_ARN = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:listener/app/web/50dc6c495c0c9188/f2f7dc8efc522ab2"
TARGETS = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/{}/{}"
BALANCER = {
    "LoadBalancerArn": ARN, "LoadBalancerName": "web", "Type": "application", "Scheme": "internet-facing",
    "VpcId": "vpc-1", "AvailabilityZones": [{"SubnetId": "subnet-1"}], "SecurityGroups": ["sg-1"],
}  # fmt: skip
WEB, API = TARGETS.format("web", "1111111111111111"), TARGETS.format("api", "2222222222222222")


def wire_listener(**more: Any) -> dict[str, Any]:
    """A listener on tcp/443 that forwards to ``WEB``."""
    actions = [{"Type": "forward", "TargetGroupArn": WEB}]
    return {
        "ListenerArn": LISTENER_ARN, "LoadBalancerArn": ARN, "Port": 443, "Protocol": "HTTPS",
        "DefaultActions": actions, **more,
    }  # fmt: skip


def test_balancer_with_visible_interfaces(tmp_path: Path) -> None:
    """A balancer's interfaces are those that name it in their description."""
    own = {**INTERFACE, "NetworkInterfaceId": "eni-2", "Description": "ELB app/web/50dc6c495c0c9188"}
    estate = whole(tmp_path, NetworkInterfaces=[INTERFACE, own], LoadBalancers=[BALANCER], Listeners=[wire_listener()])
    made = estate.load_balancers[ARN]
    assert ("eni-2",) == made.interfaces
    assert (Listener((rule_span("tcp", 443, 443),), (WEB,)),) == made.listeners
    assert (True, ("sg-1",), "application") == (made.internet_facing, made.groups, made.kind)


def test_balancer_without_visible_interfaces(tmp_path: Path) -> None:
    """One interface is assumed in each subnet; what is not given of its addresses is not known."""
    estate = whole(tmp_path, LoadBalancers=[BALANCER])
    (id,) = estate.load_balancers[ARN].interfaces
    made = estate.interfaces[id]
    assert ((), (parse_network("10.0.1.0/24"),)) == (made.addresses, made.wide)
    assert made.public_unknown is not None
    assert estate.load_balancers[ARN].listeners is None
    assert "listeners of web were not read" in texts(estate)
    fixed = {"PrivateIPv4Address": "10.0.1.9", "IpAddress": "1.2.3.4"}
    zone = {"SubnetId": "subnet-1", "LoadBalancerAddresses": [fixed]}
    estate = whole(tmp_path, LoadBalancers=[{**BALANCER, "Type": "network", "AvailabilityZones": [zone]}])
    made = estate.interfaces[id]
    private = parse_address("10.0.1.9")
    assert (((private, private),), (), None) == (made.addresses, made.wide, made.public_unknown)
    assert ((private, parse_address("1.2.3.4")),) == made.public


def test_listener_protocols_and_rules(tmp_path: Path) -> None:
    """TCP_UDP is both; rules and target groups that name the balancer add to what a listener forwards to."""
    rule = {
        "RuleArn": LISTENER_ARN.replace(":listener/", ":listener-rule/") + "/9683b2d02a6cabee",
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": API}]}}],
    }
    listeners = [{"LoadBalancerArn": ARN, "Listeners": [wire_listener(Protocol="TCP_UDP", Port=53)]}]
    (made,) = (
        whole(tmp_path, LoadBalancers=[BALANCER], LoadBalancerListeners=listeners, Rules=[rule])
        .load_balancers[ARN]
        .listeners
        or ()
    )
    assert (rule_span("tcp", 53, 53), rule_span("udp", 53, 53)) == made.service
    assert (WEB, API) == made.target_groups
    groups = [{"TargetGroupArn": API, "TargetGroupName": "api", "LoadBalancerArns": [ARN]}]
    (made,) = (
        whole(tmp_path, LoadBalancers=[BALANCER], LoadBalancerListeners=listeners, TargetGroups=groups)
        .load_balancers[ARN]
        .listeners
        or ()
    )
    assert (WEB, API) == made.target_groups


def test_targets_with_and_without_their_subject(tmp_path: Path) -> None:
    """Targets come wrapped with their group, or in a file named after it; draining ones are gone; else not known."""
    groups = [
        {"TargetGroupArn": WEB, "TargetGroupName": "web", "Protocol": "TCP", "Port": 80, "TargetType": "ip",
         "HealthCheckPort": "8080"},
        {"TargetGroupArn": API, "TargetGroupName": "api", "HealthCheckPort": "traffic-port"},
    ]  # fmt: skip
    health = [
        {"Target": {"Id": "10.0.1.5", "Port": 80}, "TargetHealth": {"State": "healthy"}},
        {"Target": {"Id": "10.0.1.6", "Port": 80}, "TargetHealth": {"State": "draining"}},
    ]
    wrapped = [{"TargetGroupArn": WEB, "TargetHealthDescriptions": health}]
    attributes = [{"TargetGroupArn": WEB, "Attributes": [{"Key": "preserve_client_ip.enabled", "Value": "true"}]}]
    estate = whole(tmp_path, TargetGroups=groups, LoadBalancerTargetHealth=wrapped, TargetGroupAttributes=attributes)
    made = estate.target_groups[WEB]
    assert ((Target("10.0.1.5", 80),), 8080, True) == (made.targets, made.health_port, made.preserve_client)
    other = estate.target_groups[API]
    assert (None, None, None) == (
        other.targets, other.health_port, other.preserve_client,
    )  # fmt: skip
    assert "targets of api were not read" in texts(estate)
    (tmp_path / "TargetHealth-api.json").write_text(json.dumps({"TargetHealthDescriptions": health}))
    assert (Target("10.0.1.5", 80),) == read_estate(tmp_path).target_groups[API].targets


def test_classic_balancer(tmp_path: Path) -> None:
    """A classic balancer has a target group for each instance port and its own health check."""
    wire = {
        "LoadBalancerName": "old", "Scheme": "internal", "VPCId": "vpc-1", "SecurityGroups": ["sg-1"],
        "Instances": [{"InstanceId": "i-1"}], "HealthCheck": {"Target": "HTTP:81/ping"},
        "ListenerDescriptions": [{"Listener": {
            "Protocol": "HTTPS", "LoadBalancerPort": 443, "InstanceProtocol": "HTTP", "InstancePort": 80}}],
    }  # fmt: skip
    own = {**INTERFACE, "NetworkInterfaceId": "eni-2", "Description": "ELB old"}
    estate = whole(tmp_path, NetworkInterfaces=[INTERFACE, own], LoadBalancerDescriptions=[wire])
    made = estate.load_balancers["vpc-1/old"]
    assert (("eni-2",), "classic") == (made.interfaces, made.kind)
    assert (Listener((rule_span("tcp", 443, 443),), ("vpc-1/old:80",)),) == made.listeners
    group = estate.target_groups["vpc-1/old:80"]
    assert ((Target("i-1", 80),), 81) == (group.targets, group.health_port)


def test_transit_gateway(tmp_path: Path) -> None:
    """Attachments, the table of each, and its routes from files named after it."""
    referencing = {"SecurityGroupReferencingSupport": "enable"}
    (tmp_path / "a.json").write_text(json.dumps(WHOLE))
    (tmp_path / "b.json").write_text(
        json.dumps(
            {
                "TransitGateways": [{"TransitGatewayId": "tgw-1", "Options": referencing}],
                "TransitGatewayAttachments": [
                    {"TransitGatewayAttachmentId": "tgw-attach-1", "TransitGatewayId": "tgw-1", "ResourceType": "vpc",
                     "ResourceId": "vpc-1", "State": "available",
                     "Association": {"TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated"}},
                ],
                "TransitGatewayVpcAttachments": [
                    {"TransitGatewayAttachmentId": "tgw-attach-1", "TransitGatewayId": "tgw-1", "VpcId": "vpc-1",
                     "SubnetIds": ["subnet-1"], "Options": {"SecurityGroupReferencingSupport": "disable"}},
                ],
            }
        )
    )  # fmt: skip
    unread = read_estate(tmp_path)
    assert "tgw-rtb-1: routes that tgw-attach-1 sees in tgw-1 were not read" in texts(unread)
    assert {} == unread.transit_gateways["tgw-1"].tables
    routes = [
        {"DestinationCidrBlock": "10.9.0.0/16", "Type": "propagated", "State": "active",
         "TransitGatewayAttachments": [{"TransitGatewayAttachmentId": "tgw-attach-2"}]},
        {"DestinationCidrBlock": "10.8.0.0/16", "Type": "static", "State": "blackhole"},
    ]  # fmt: skip
    path = tmp_path / "TransitGatewayRoutes-tgw-rtb-1.json"
    path.write_text(json.dumps({"Routes": routes, "AdditionalRoutesAvailable": False}))
    gateway = read_estate(tmp_path).transit_gateways["tgw-1"]
    expected = (
        TransitRoute(parse_network("10.9.0.0/16"), "tgw-attach-2", True),
        TransitRoute(parse_network("10.8.0.0/16"), None),
    )
    assert {"tgw-rtb-1": expected} == gateway.tables
    (attachment,) = gateway.attachments
    assert ("vpc", "vpc-1", "tgw-rtb-1", ("subnet-1",)) == (
        attachment.kind, attachment.resource, attachment.route_table, attachment.subnets,
    )  # fmt: skip
    assert (True, False) == (gateway.group_referencing, attachment.group_referencing)
    path.write_text(json.dumps({"Routes": routes, "AdditionalRoutesAvailable": True}))
    assert {} == read_estate(tmp_path).transit_gateways["tgw-1"].tables


def test_holders(tmp_path: Path) -> None:
    """Databases, functions, ECS services and endpoints are tied to their interfaces."""
    make = {
        "eni-db": {"Description": "RDSNetworkInterface"},
        "eni-fn": {"InterfaceType": "lambda", "Description": "AWS Lambda VPC ENI-f"},
        "eni-task": {"Description": "arn:aws:ecs:eu-west-1:1:attachment/x"},
        "eni-end": {"InterfaceType": "vpc_endpoint"},
    }
    interfaces = [{**INTERFACE, "NetworkInterfaceId": id, **more} for id, more in make.items()]
    detail = [{"name": "networkInterfaceId", "value": "eni-task"}]
    estate = whole(
        tmp_path,
        NetworkInterfaces=interfaces,
        DBInstances=[{"DBInstanceIdentifier": "auth", "DBSubnetGroup": {"Subnets": [{"SubnetIdentifier": "subnet-1"}]},
                      "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}]}],
        DBClusters=[{"DBClusterIdentifier": "all", "DBClusterMembers": [{"DBInstanceIdentifier": "auth"}]}],
        Functions=[{"FunctionName": "f", "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}],
        tasks=[{"taskArn": "t", "group": "service:login", "clusterArn": "c", "attachments": [{"details": detail}]}],
        services=[{"serviceArn": "s", "serviceName": "login", "clusterArn": "c"}],
        VpcEndpoints=[{"VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface", "NetworkInterfaceIds": ["eni-end"]}],
    )  # fmt: skip
    assert {
        "auth": ("db", ("eni-db",)),
        "all": ("db", ("eni-db",)),
        "f": ("lambda", ("eni-fn",)),
        "s": ("ecs", ("eni-task",)),
        "vpce-1": ("endpoint", ("eni-end",)),
    } == {id: (one.kind, one.interfaces) for id, one in estate.holders.items()}


def test_network_firewalls_are_named(tmp_path: Path) -> None:
    """A firewall is named; where routes were read only what is routed through it can be stopped by it."""
    firewall = {"FirewallArn": "arn:fw", "FirewallName": "edge", "VpcId": "vpc-1"}
    notices = {notice.resource: notice.could_block for notice in whole(tmp_path, Firewall=firewall).notices}
    assert {"arn:fw": False} == notices
    notices = {one.resource: one.could_block for one in whole(tmp_path, Firewall=firewall, RouteTables=None).notices}
    assert notices["arn:fw"]
