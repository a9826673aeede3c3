"""Structs for load balancers, what holds interfaces, and what is named but not looked into. See ``shapes``."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from doorward.readers.aws.shapes import NOTHING, Item, Part, State, TagList


class BalancerAddress(Part):
    """A fixed address of a network load balancer."""

    ip_address: str | None = None
    private_address: str | None = field(name="PrivateIPv4Address", default=None)
    ipv6_address: str | None = field(name="IPv6Address", default=None)


class BalancerZone(Part):
    """A subnet of a load balancer."""

    subnet_id: str | None = None
    load_balancer_addresses: list[BalancerAddress] | None = None


class WireBalancer(Item):
    """An element of ``LoadBalancers`` (elbv2)."""

    load_balancer_arn: str
    load_balancer_name: str | None = None
    type: str | None = None
    scheme: str | None = None
    vpc_id: str | None = None
    state: State | None = None
    ip_address_type: str | None = None
    availability_zones: list[BalancerZone] | None = None
    security_groups: list[str] | None = None


class ClassicListener(Part):
    """Ports of a classic load balancer."""

    protocol: str | None = None
    load_balancer_port: int | None = None
    instance_protocol: str | None = None
    instance_port: int | None = None


class ClassicListenerEntry(Part):
    """An element of ``ListenerDescriptions``."""

    listener: ClassicListener | None = None


class ClassicInstance(Part):
    """A registered instance."""

    instance_id: str


class ClassicHealth(Part):
    """The health check of a classic load balancer, e.g. ``HTTP:80/ping``."""

    target: str | None = None


class WireClassicBalancer(Item):
    """An element of ``LoadBalancerDescriptions`` (elb)."""

    load_balancer_name: str
    scheme: str | None = None
    vpc_id: str | None = field(name="VPCId", default=None)
    subnets: list[str] | None = None
    security_groups: list[str] | None = None
    listener_descriptions: list[ClassicListenerEntry] | None = None
    instances: list[ClassicInstance] | None = None
    health_check: ClassicHealth | None = None


class WeightedGroup(Part):
    """A target group of a forward action."""

    target_group_arn: str | None = None


class Forward(Part):
    """A forward action with several target groups."""

    target_groups: list[WeightedGroup] | None = None


class Action(Part):
    """An action of a listener or of a rule."""

    type: str | None = None
    target_group_arn: str | None = None
    forward_config: Forward | None = None


class WireListener(Item):
    """An element of ``Listeners``."""

    listener_arn: str
    load_balancer_arn: str | None = None
    port: int | None = None
    protocol: str | None = None
    default_actions: list[Action] | None = None


class NestedListener(WireListener):
    """The same within ``LoadBalancerListeners``."""

    def __post_init__(self) -> None:
        """Not counted."""


class BalancerListeners(Item):
    """An element of ``LoadBalancerListeners``."""

    load_balancer_arn: str
    listeners: list[NestedListener] | None = None


class ListenerRule(Item):
    """An element of ``Rules`` (``describe-rules``)."""

    rule_arn: str
    actions: list[Action] | None = None


class WireTargetGroup(Item):
    """An element of ``TargetGroups``."""

    target_group_arn: str
    target_group_name: str | None = None
    protocol: str | None = None
    port: int | None = None
    vpc_id: str | None = None
    target_type: str | None = None
    health_check_port: str | None = None
    health_check_enabled: bool | None = None
    load_balancer_arns: list[str] | None = None


class TargetId(Part):
    """A registered target."""

    id: str
    port: int | None = None


class Health(Part):
    """A target and its health."""

    target: TargetId
    target_health: State | None = None


class PlainHealth(Item):
    """An element of ``TargetHealthDescriptions`` at the top."""

    target: TargetId
    target_health: State | None = None


class TargetHealth(Item):
    """An element of ``LoadBalancerTargetHealth``."""

    target_group_arn: str
    target_health_descriptions: list[Health] | None = None


class Attribute(Part):
    """A key and its value."""

    key: str
    value: str | None = None


class Attributes(Item):
    """An element of ``LoadBalancerAttributes`` or ``TargetGroupAttributes``."""

    load_balancer_arn: str | None = None
    target_group_arn: str | None = None
    attributes: list[Attribute] | None = None


# What holds interfaces


class WireEndpoint(Item):
    """An element of ``VpcEndpoints``."""

    vpc_endpoint_id: str
    vpc_endpoint_type: str | None = None
    vpc_id: str | None = None
    service_name: str | None = None
    state: str | None = None
    network_interface_ids: list[str] | None = None
    tags: TagList = None


class VpcSecurityGroup(Part):
    """A security group of a database."""

    vpc_security_group_id: str | None = None


class DbSubnet(Part):
    """A subnet of a database."""

    subnet_identifier: str | None = None


class DbSubnetGroup(Part):
    """The subnet group of a database."""

    vpc_id: str | None = None
    subnets: list[DbSubnet] | None = None


class WireDatabase(Item):
    """An element of ``DBInstances``."""

    id: str = field(name="DBInstanceIdentifier")
    arn: str | None = field(name="DBInstanceArn", default=None)
    cluster: str | None = field(name="DBClusterIdentifier", default=None)
    subnet_group: DbSubnetGroup | None = field(name="DBSubnetGroup", default=None)
    vpc_security_groups: list[VpcSecurityGroup] | None = None
    tag_list: TagList = None


class ClusterMember(Part):
    """An instance of a cluster."""

    id: str | None = field(name="DBInstanceIdentifier", default=None)


class WireCluster(Item):
    """An element of ``DBClusters``."""

    id: str = field(name="DBClusterIdentifier")
    arn: str | None = field(name="DBClusterArn", default=None)
    members: list[ClusterMember] | None = field(name="DBClusterMembers", default=None)
    vpc_security_groups: list[VpcSecurityGroup] | None = None
    tag_list: TagList = None


class VpcConfig(Part):
    """Where a Lambda function has interfaces."""

    subnet_ids: list[str] | None = None
    security_group_ids: list[str] | None = None


class WireFunction(Item):
    """An element of ``Functions``."""

    function_name: str
    function_arn: str | None = None
    vpc_config: VpcConfig | None = None


class Detail(Struct, rename="camel", gc=False):
    """A detail of a task's attachment."""

    name: str | None = None
    value: str | None = None


class TaskAttachment(Struct, rename="camel", gc=False):
    """An attachment of an ECS task."""

    type: str | None = None
    details: list[Detail] | None = None


class Task(Item, rename="camel"):
    """An element of ``tasks``."""

    task_arn: str
    group: str | None = None
    last_status: str | None = None
    cluster_arn: str | None = None
    attachments: list[TaskAttachment] | None = None


class AwsVpc(Struct, rename="camel", gc=False):
    """The network of an ECS service."""

    subnets: list[str] | None = None
    security_groups: list[str] | None = None


class ServiceNetwork(Struct, rename="camel", gc=False):
    """The network configuration of an ECS service."""

    awsvpc_configuration: AwsVpc | None = None


class ServiceBalancer(Struct, rename="camel", gc=False):
    """A target group that an ECS service fills."""

    target_group_arn: str | None = None


class Service(Item, rename="camel"):
    """An element of ``services``."""

    service_arn: str
    service_name: str | None = None
    cluster_arn: str | None = None
    network_configuration: ServiceNetwork | None = None
    load_balancers: list[ServiceBalancer] | None = None


# Named, not looked into


class FirewallName(Item):
    """An element of ``Firewalls``."""

    firewall_arn: str | None = None
    firewall_name: str | None = None


class FirewallBody(Part):
    """``Firewall`` of ``describe-firewall``."""

    firewall_arn: str | None = None
    firewall_name: str | None = None
    vpc_id: str | None = None


class BlockPublicAccess(Part):
    """``VpcBlockPublicAccessOptions``."""

    aws_region: str | None = None
    internet_gateway_block_mode: str | None = None


class TableRoutes(Item):
    """An element of ``TransitGatewayStaticRoutes`` or ``TransitGatewayRoutes``: routes with their subject."""

    transit_gateway_route_table_id: str
    routes: Raw = NOTHING
    additional_routes_available: bool | None = None
