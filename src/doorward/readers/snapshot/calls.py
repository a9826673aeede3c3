"""The calls that a snapshot makes: one table, from which the calls, the files and the IAM policy all come.

All of them only read. What does not live here: making the calls (``collect``), writing the answers (``store``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call."""

    service: str
    """Name of the service in boto3."""
    operation: str
    """Name in the API, e.g. ``DescribeVpcs``."""
    key: str
    """Top-level key of the answer."""
    fields: tuple[str, ...] = ()
    """Keep these fields of each element only: others may hold secrets (environment variables). Empty: keep all."""

    file: str = ""
    """Name of the file without suffix, where it is not the key."""

    @property
    def name(self) -> str:
        """Name of the file without suffix."""
        return self.file or self.key

    @property
    def action(self) -> str:
        """The IAM action that allows the call."""
        return f"{_PREFIXES.get(self.service, self.service)}:{self.operation}"


_PREFIXES = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing"}

LISTS = (
    Call("ec2", "DescribeVpcs", "Vpcs"),
    Call("ec2", "DescribeSubnets", "Subnets"),
    Call("ec2", "DescribeNetworkInterfaces", "NetworkInterfaces"),
    Call("ec2", "DescribeInstances", "Reservations"),
    Call("ec2", "DescribeSecurityGroups", "SecurityGroups"),
    Call("ec2", "DescribeSecurityGroupRules", "SecurityGroupRules"),
    Call("ec2", "DescribeSecurityGroupVpcAssociations", "SecurityGroupVpcAssociations"),
    Call("ec2", "DescribeNetworkAcls", "NetworkAcls"),
    Call("ec2", "DescribeRouteTables", "RouteTables"),
    Call("ec2", "DescribeInternetGateways", "InternetGateways"),
    Call("ec2", "DescribeEgressOnlyInternetGateways", "EgressOnlyInternetGateways"),
    Call("ec2", "DescribeNatGateways", "NatGateways"),
    Call("ec2", "DescribeVpnGateways", "VpnGateways"),
    Call("ec2", "DescribeCarrierGateways", "CarrierGateways"),
    Call("ec2", "DescribeLocalGatewayRouteTableVpcAssociations", "LocalGatewayRouteTableVpcAssociations"),
    Call("ec2", "DescribeVpcPeeringConnections", "VpcPeeringConnections"),
    Call("ec2", "DescribeTransitGateways", "TransitGateways"),
    Call("ec2", "DescribeTransitGatewayAttachments", "TransitGatewayAttachments"),
    Call("ec2", "DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments"),
    Call("ec2", "DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables"),
    Call("ec2", "DescribePrefixLists", "PrefixLists"),
    Call("ec2", "DescribeManagedPrefixLists", "PrefixLists", file="ManagedPrefixLists"),
    Call("ec2", "DescribeVpcEndpoints", "VpcEndpoints"),
    Call("ec2", "DescribeVpcBlockPublicAccessOptions", "VpcBlockPublicAccessOptions"),
    Call("elbv2", "DescribeLoadBalancers", "LoadBalancers"),
    Call("elbv2", "DescribeTargetGroups", "TargetGroups"),
    Call("elb", "DescribeLoadBalancers", "LoadBalancerDescriptions"),
    Call("rds", "DescribeDBInstances", "DBInstances"),
    Call("rds", "DescribeDBClusters", "DBClusters"),
    Call("lambda", "ListFunctions", "Functions", ("FunctionName", "FunctionArn", "VpcConfig")),
    Call("network-firewall", "ListFirewalls", "Firewalls"),
)
"""Calls without a subject, made for each account and region."""

STALE = Call("ec2", "DescribeStaleSecurityGroups", "StaleSecurityGroupSet")
TRANSIT_ROUTES = Call("ec2", "SearchTransitGatewayRoutes", "Routes", file="TransitGatewayRoutes")
LIST_ENTRIES = Call("ec2", "GetManagedPrefixListEntries", "Entries", file="ManagedPrefixListEntries")
LISTENERS = Call("elbv2", "DescribeListeners", "Listeners", file="LoadBalancerListeners")
LISTENER_RULES = Call("elbv2", "DescribeRules", "Rules")
TARGET_HEALTH = Call("elbv2", "DescribeTargetHealth", "TargetHealthDescriptions", file="LoadBalancerTargetHealth")
TARGET_ATTRIBUTES = Call("elbv2", "DescribeTargetGroupAttributes", "Attributes", file="TargetGroupAttributes")
FIREWALL = Call("network-firewall", "DescribeFirewall", "Firewall")
CLUSTERS = Call("ecs", "ListClusters", "clusterArns")
SERVICE_ARNS = Call("ecs", "ListServices", "serviceArns")
SERVICES = Call(
    "ecs", "DescribeServices", "services",
    ("serviceArn", "serviceName", "clusterArn", "networkConfiguration", "loadBalancers"),
)  # fmt: skip
TASK_ARNS = Call("ecs", "ListTasks", "taskArns")
TASKS = Call("ecs", "DescribeTasks", "tasks", ("taskArn", "group", "lastStatus", "clusterArn", "attachments"))

SUBJECTS = (
    STALE, TRANSIT_ROUTES, LIST_ENTRIES, LISTENERS, LISTENER_RULES, TARGET_HEALTH, TARGET_ATTRIBUTES, FIREWALL,
    CLUSTERS, SERVICE_ARNS, SERVICES, TASK_ARNS, TASKS,
)  # fmt: skip
"""Calls about something that another call listed."""

REGIONS_ACTION = "ec2:DescribeRegions"
"""Needed for ``--region all`` only."""


def policy_json() -> str:
    """The IAM policy that a snapshot needs, exactly: every action reads, none changes anything."""
    actions = sorted({call.action for call in (*LISTS, *SUBJECTS)} | {REGIONS_ACTION})
    statement = {"Sid": "DoorwardSnapshot", "Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)
