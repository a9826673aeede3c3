"""Which call is read how: one table for each service.

A name that no table has: of the services that make the network, everything that it names is asked; of the others, only
calls that name security groups. What is known to change nothing that flows is listed, or would be asked for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from doorward.model.change import Effect, Kind
from doorward.readers.cloudtrail import interfaces, network, rules, services
from doorward.readers.cloudtrail.call import Call, Handler
from doorward.readers.cloudtrail.network import asked, created, deleted, reassociated

_EC2: dict[str, Handler] = {
    "AuthorizeSecurityGroupIngress": rules.authorize,
    "AuthorizeSecurityGroupEgress": rules.authorize,
    "RevokeSecurityGroupIngress": rules.revoke,
    "RevokeSecurityGroupEgress": rules.revoke,
    "ModifySecurityGroupRules": rules.modify,
    "CreateSecurityGroup": rules.create,
    "DeleteSecurityGroup": rules.delete,
    "AssociateSecurityGroupVpc": asked("group"),
    "DisassociateSecurityGroupVpc": asked("group"),
    "CreateTags": network.tagged,
    "DeleteTags": network.tagged,
    "CreateNetworkInterface": interfaces.create,
    "DeleteNetworkInterface": interfaces.delete,
    "AttachNetworkInterface": interfaces.attach,
    "DetachNetworkInterface": interfaces.detach,
    "ModifyNetworkInterfaceAttribute": interfaces.modify,
    "ResetNetworkInterfaceAttribute": asked("interface"),
    "ModifyInstanceAttribute": interfaces.modify_instance,
    "ResetInstanceAttribute": interfaces.modify_instance,
    "RunInstances": interfaces.run,
    "StartInstances": interfaces.instances,
    "StopInstances": interfaces.instances,
    "TerminateInstances": interfaces.instances,
    "BidEvictedEvent": interfaces.instances,
    "AssociateAddress": interfaces.address,
    "DisassociateAddress": interfaces.address,
    "ReleaseAddress": interfaces.address,
    "AssignPrivateIpAddresses": asked("interface"),
    "UnassignPrivateIpAddresses": asked("interface"),
    "AssignIpv6Addresses": asked("interface"),
    "UnassignIpv6Addresses": asked("interface"),
    "AssociateClientVpnTargetNetwork": services.client_vpn,
    "DisassociateClientVpnTargetNetwork": services.client_vpn,
    "ApplySecurityGroupsToClientVpnTargetNetwork": services.client_vpn,
    "ModifyClientVpnEndpoint": services.client_vpn,
    "CreateManagedPrefixList": network.create_prefix_list,
    "ModifyManagedPrefixList": asked("prefix-list"),
    "RestoreManagedPrefixListVersion": asked("prefix-list"),
    "DeleteManagedPrefixList": deleted("prefix-list", "prefixListId"),
    "CreateVpc": network.create_vpc,
    "CreateDefaultVpc": network.create_vpc,
    "DeleteVpc": network.delete_vpc,
    "AssociateVpcCidrBlock": network.vpc_blocks,
    "DisassociateVpcCidrBlock": network.vpc_blocks,
    "ModifyVpcBlockPublicAccessOptions": asked("vpc"),
    "CreateVpcBlockPublicAccessExclusion": asked("vpc"),
    "ModifyVpcBlockPublicAccessExclusion": asked("vpc"),
    "DeleteVpcBlockPublicAccessExclusion": asked("vpc"),
    "CreateSubnet": network.create_subnet,
    "CreateDefaultSubnet": network.create_subnet,
    "DeleteSubnet": network.delete_subnet,
    "ModifySubnetAttribute": network.modify_subnet,
    "AssociateSubnetCidrBlock": asked("subnet"),
    "DisassociateSubnetCidrBlock": asked("subnet"),
    "CreateNetworkAcl": created("acl", "networkAcl", "networkAclId"),
    "DeleteNetworkAcl": deleted("acl", "networkAclId"),
    "CreateNetworkAclEntry": asked("acl"),
    "ReplaceNetworkAclEntry": asked("acl"),
    "DeleteNetworkAclEntry": asked("acl"),
    "ReplaceNetworkAclAssociation": reassociated("acl", "networkAclId"),
    "CreateRouteTable": created("route-table", "routeTable", "routeTableId"),
    "DeleteRouteTable": deleted("route-table", "routeTableId"),
    "CreateRoute": asked("route-table"),
    "ReplaceRoute": asked("route-table"),
    "DeleteRoute": asked("route-table"),
    "EnableVgwRoutePropagation": asked("route-table"),
    "DisableVgwRoutePropagation": asked("route-table"),
    "AssociateRouteTable": asked("route-table"),
    "DisassociateRouteTable": reassociated("route-table", "routeTableId"),
    "ReplaceRouteTableAssociation": reassociated("route-table", "routeTableId"),
    "CreateInternetGateway": created("internet-gateway", "internetGateway", "internetGatewayId"),
    "DeleteInternetGateway": deleted("internet-gateway", "internetGatewayId"),
    "AttachInternetGateway": network.attach_internet_gateway,
    "DetachInternetGateway": network.detach_internet_gateway,
    "CreateEgressOnlyInternetGateway": network.create_egress_only_gateway,
    "DeleteEgressOnlyInternetGateway": deleted("egress-only-gateway", "egressOnlyInternetGatewayId"),
    "CreateNatGateway": asked("nat-gateway"),
    "DeleteNatGateway": asked("nat-gateway"),
    "AssociateNatGatewayAddress": asked("nat-gateway"),
    "DisassociateNatGatewayAddress": asked("nat-gateway"),
    "AssignPrivateNatGatewayAddress": asked("nat-gateway"),
    "UnassignPrivateNatGatewayAddress": asked("nat-gateway"),
    "AttachVpnGateway": network.vpn_gateway,
    "DetachVpnGateway": network.vpn_gateway,
    "CreateVpcPeeringConnection": asked("peering"),
    "AcceptVpcPeeringConnection": asked("peering"),
    "RejectVpcPeeringConnection": asked("peering"),
    "DeleteVpcPeeringConnection": deleted("peering", "vpcPeeringConnectionId"),
    "ModifyVpcPeeringConnectionOptions": asked("peering"),
    "CreateVpcEndpoint": network.create_endpoint,
    "ModifyVpcEndpoint": network.endpoints,
    "DeleteVpcEndpoints": network.endpoints,
}

_ELB: dict[str, Handler] = {
    "CreateLoadBalancer": services.create_balancer,
    "DeleteLoadBalancer": services.delete_balancer,
    "SetSecurityGroups": services.set_groups,
    "ApplySecurityGroupsToLoadBalancer": services.set_groups,
    "CreateTargetGroup": services.create_target_group,
    "DeleteTargetGroup": services.delete_target_group,
    "RegisterTargets": services.targets,
    "DeregisterTargets": services.targets,
    "ModifyTargetGroup": services.targets,
    "ModifyTargetGroupAttributes": services.targets,
}

TABLES: Mapping[str, Mapping[str, Handler]] = {"ec2": _EC2, "elasticloadbalancing": _ELB}

NETWORKING = frozenset(("ec2", "elasticloadbalancing", "rds", "network-firewall"))
"""Services whose calls are about the network itself."""

_HARMLESS_EC2 = re.compile(
    r"""
    Volume|Snapshot|Image|KeyPair|FlowLogs|LaunchTemplate|PlacementGroup|Fleet|SpotInstance|SpotDatafeed|Reserved|
    Hosts?$|CapacityReservation|CapacityBlock|DhcpOptions|InstanceCreditSpecification|IamInstanceProfile|Fpga|Ipam|
    Enclave|InstanceMetadata|InstanceMaintenance|InstanceEventWindow|InstanceEventNotification|SerialConsole|Bundle|
    ConversionTask|ExportTask|ImportInstance|NetworkInsights|TrafficMirror|VerifiedAccess|CustomerGateway|
    AccountAttribute|EbsEncryption|EbsDefaultKmsKeyId|IdFormat|ManagedResource|PrivateDnsName|VpcAttribute|
    VpcEndpointService|VpcEndpointConnectionNotification|VpcEndpointConnections|VpcTenancy|
    UpdateSecurityGroupRuleDescriptions|^AllocateAddress$|^MonitorInstances|^UnmonitorInstances|^RebootInstances|
    ^SendDiagnosticInterrupt|AddressAttribute|AddressTransfer|AvailabilityZoneGroup|ConfirmProductInstance|
    InstanceCpuOptions|InstanceCapacity|InstancePlacement|InstanceNetworkPerformance|NetworkInterfacePermission|
    CreateVpnGateway|DeleteVpnGateway|CreateVpnConnection$|DeclarativePolicies|^GetPasswordData$|SharedSnapshot
    """,
    re.VERBOSE,
)
"""EC2 calls that change nothing of what can flow now. What a fleet or template launches later comes as RunInstances;
customer gateways and VPN connections lie behind the VPC's own gateway."""
_READS = ("Describe", "Get", "List", "Search", "Lookup", "Head", "BatchGet")
_TASKS = frozenset(("RunTask", "StartTask", "StopTask", "SubmitTaskStateChange"))


def reads_only(name: str) -> bool:
    """Whether a call's name says that it changes nothing, whatever the record says."""
    return name.startswith(_READS)


def handler(service: str, name: str) -> Handler | None:
    """What reads a call of a service, or None when nothing can flow otherwise because of it."""
    found = TABLES.get(service, {}).get(name)
    if found is not None:
        return found
    if service == "ec2":
        return None if _HARMLESS_EC2.search(name) else _transit(name) or services.unknown
    if service == "elasticloadbalancing":
        return None if name in ("AddTags", "RemoveTags") else services.balancer
    if service == "rds":
        return services.database if ("DB" in name or "Replica" in name) and not _aside(name) else None
    if service == "ecs" and name in _TASKS:
        return services.task
    if service == "autoscaling":
        return services.scaling
    if service == "network-firewall":
        return asked("vpc")
    if service == "ram":
        return services.unknown
    return services.uses_groups


_WORDS: tuple[tuple[str, Kind], ...] = (
    ("SecurityGroup", "group"), ("NetworkAcl", "acl"), ("Route", "route-table"), ("PrefixList", "prefix-list"),
    ("Peering", "peering"), ("EgressOnly", "egress-only-gateway"), ("InternetGateway", "internet-gateway"),
    ("NatGateway", "nat-gateway"), ("TransitGateway", "transit-gateway"), ("Endpoint", "endpoint"),
    ("Subnet", "subnet"), ("Vpc", "vpc"), ("Instance", "instance"), ("NetworkInterface", "interface"),
    ("Address", "interface"), ("LoadBalancer", "load-balancer"), ("Listener", "load-balancer"),
    ("Rule", "load-balancer"), ("Target", "target-group"), ("DB", "database"), ("Database", "database"),
)  # fmt: skip
"""A word in a call's name -> what it is about; the first that fits."""


def every(call: Call, why: str) -> list[Effect]:
    """The question about every resource of the kind that a call is about, by its name; of every group when it belongs
    to the network and does not say. For calls whose record cannot be read and names nothing."""
    if "SecurityGroup" in call.name and call.service != "ec2":
        return call.ask("interface", (), why)  # groups given to a service's interfaces
    kind = next((kind for word, kind in _WORDS if word in call.name), None)
    if call.service == "ec2" and call.name.startswith(("RunInstances", "TerminateInstances")):
        kind = "interface"
    return call.ask(kind, (), why) if kind is not None and call.service in NETWORKING else []


def _aside(name: str) -> bool:
    """RDS calls on what is no database: snapshots, parameter and subnet groups, proxies' kin."""
    return re.search(r"Snapshot|ParameterGroup|SubnetGroup|SecurityGroup|Endpoint|Proxy|Shard|Engine", name) is not None


def _transit(name: str) -> Handler | None:
    return asked("transit-gateway") if "TransitGateway" in name else None
