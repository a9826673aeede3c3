"""Which resource types can alter what flows: the ones that are read, and the ones that are named as not modelled."""

from __future__ import annotations

from doorward.readers.terraform.families.others import FILTERS, HOLDERS

_PREFIXES = (
    "aws_security_group", "aws_default_security_group", "aws_vpc", "aws_default_vpc", "aws_subnet",
    "aws_default_subnet",
    "aws_route", "aws_default_route_table", "aws_main_route_table", "aws_network_acl", "aws_default_network_acl",
    "aws_network_interface", "aws_internet_gateway", "aws_egress_only_internet_gateway", "aws_nat_gateway", "aws_eip",
    "aws_ec2_managed_prefix_list", "aws_ec2_transit_gateway", "aws_instance", "aws_spot_instance_request",
    "aws_launch_", "aws_autoscaling_group", "aws_autoscaling_attachment", "aws_lb", "aws_alb", "aws_elb",
    "aws_db_instance",
    "aws_db_subnet_group", "aws_rds_cluster", "aws_lambda_function", "aws_ecs_service", "aws_vpn_",
)  # fmt: skip
_NOT = ("aws_route53",)


def is_relevant(kind: str) -> bool:
    """Whether a change of this type could alter what flows."""
    if kind in FILTERS or kind in HOLDERS:
        return bool(FILTERS.get(kind) or HOLDERS.get(kind))
    return kind.startswith(_PREFIXES) and not kind.startswith(_NOT)
