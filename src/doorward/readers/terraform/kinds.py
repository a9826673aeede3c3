"""Which resource types and attributes may stand for what, as data for resolving references."""

from __future__ import annotations

_ARN = ("id", "arn")
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "group": {
        "aws_security_group": ("id",),
        "aws_default_security_group": ("id",),
        "aws_vpc": ("default_security_group_id",),
        "aws_default_vpc": ("default_security_group_id",),
    },
    "vpc": {
        "aws_vpc": ("id",),
        "aws_default_vpc": ("id",),
        "aws_vpc_ipv4_cidr_block_association": ("vpc_id",),
        "aws_internet_gateway_attachment": ("vpc_id",),
    },
    "subnet": {"aws_subnet": ("id",), "aws_default_subnet": ("id",)},
    "route-table": {
        "aws_route_table": ("id",),
        "aws_default_route_table": ("id",),
        "aws_vpc": ("default_route_table_id", "main_route_table_id"),
        "aws_default_vpc": ("default_route_table_id", "main_route_table_id"),
    },
    "acl": {
        "aws_network_acl": ("id",),
        "aws_default_network_acl": ("id",),
        "aws_vpc": ("default_network_acl_id",),
        "aws_default_vpc": ("default_network_acl_id",),
    },
    "internet-gateway": {"aws_internet_gateway": ("id",), "aws_internet_gateway_attachment": ("internet_gateway_id",)},
    "vpn-gateway": {"aws_vpn_gateway": ("id",), "aws_vpn_gateway_attachment": ("vpn_gateway_id",)},
    "egress-only-gateway": {"aws_egress_only_internet_gateway": ("id",)},
    "nat-gateway": {"aws_nat_gateway": ("id",)},
    "peering": {
        "aws_vpc_peering_connection": ("id",),
        "aws_vpc_peering_connection_accepter": ("id", "vpc_peering_connection_id"),
    },
    "prefix-list": {
        "aws_ec2_managed_prefix_list": ("id",),
        "aws_prefix_list": ("id",),
        "aws_vpc_endpoint": ("prefix_list_id",),
    },
    "interface": {
        "aws_network_interface": ("id",),
        "aws_instance": ("primary_network_interface_id",),
        "aws_network_interface_attachment": ("network_interface_id",),
    },
    "autoscaling": {"aws_autoscaling_group": ("id", "name")},
    "instance": {"aws_instance": ("id",), "aws_spot_instance_request": ("spot_instance_id",)},
    "launch-template": {"aws_launch_template": ("id", "name")},
    "launch-configuration": {"aws_launch_configuration": ("id", "name")},
    "balancer": {"aws_lb": _ARN, "aws_alb": _ARN, "aws_elb": ("id", "name", "arn")},
    "listener": {"aws_lb_listener": _ARN, "aws_alb_listener": _ARN},
    "target-group": {"aws_lb_target_group": _ARN, "aws_alb_target_group": _ARN},
    "target": {
        "aws_instance": ("id", "private_ip"),
        "aws_lambda_function": ("arn", "qualified_arn", "invoke_arn"),
        "aws_lambda_alias": ("arn",),
        "aws_lb": _ARN,
        "aws_alb": _ARN,
        "aws_network_interface": ("private_ip",),
    },
    "eip": {"aws_eip": ("id", "allocation_id", "public_ip")},
    "database-subnets": {"aws_db_subnet_group": ("id", "name")},
    "cluster": {"aws_rds_cluster": ("id", "cluster_identifier")},
    "transit-gateway": {"aws_ec2_transit_gateway": ("id",)},
    "transit-attachment": {
        "aws_ec2_transit_gateway_vpc_attachment": ("id",),
        "aws_ec2_transit_gateway_vpc_attachment_accepter": ("id", "transit_gateway_attachment_id"),
        "aws_ec2_transit_gateway_peering_attachment": ("id",),
    },
    "transit-table": {
        "aws_ec2_transit_gateway_route_table": ("id",),
        "aws_ec2_transit_gateway": ("association_default_route_table_id", "propagation_default_route_table_id"),
    },
    "endpoint": {"aws_vpc_endpoint": ("id",)},
    "rule": {
        "aws_vpc_security_group_ingress_rule": ("id", "security_group_rule_id"),
        "aws_vpc_security_group_egress_rule": ("id", "security_group_rule_id"),
    },
    "network-cidr": {"aws_vpc": ("ipv6_cidr_block", "cidr_block"), "aws_subnet": ("ipv6_cidr_block", "cidr_block")},
}
"""What may stand for what: kind → resource type → the attributes that name it, the usual one first."""
LOOKS: dict[str, str] = {
    "group": "sg-", "subnet": "subnet-", "prefix-list": "pl-", "interface": "eni-", "rule": "sgr-",
    "route-table": "rtb-", "instance": "i-", "target-group": "arn:", "target": "i-",
}  # fmt: skip
"""How a literal id of a kind begins, where one is found among the constants on the way."""
SAME_ELEMENT = frozenset({"id", "arn", "name", "allocation_id", "primary_network_interface_id", "cluster_identifier"})
"""Attributes that name the very resource, so its Terraform address stands for them while they are unknown."""
HIDDEN_SOURCES = {
    "group": frozenset({"aws_eks_cluster", "aws_elb", "aws_directory_service_directory", "aws_workspaces_directory"}),
}
