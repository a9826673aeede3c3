"""The example's load balancer, machines and database as Terraform resources."""

from __future__ import annotations

import account as a
from parts import TAGS, VPC, Resource, arn, const, ref, tagged, written

IMAGES = {"2024.06": "ami-0b1a2c3d4e5f60606", "2024.07": "ami-0c9d8e7f6a5b40707"}


def balancer(release: str) -> list[Resource]:
    """The load balancer, its target groups, listener and rule."""
    public = [a.SUBNETS[f"public-{zone}"] for zone in a.ZONES]
    found = [
        Resource(
            "aws_lb", "web",
            {
                "access_logs": [{"bucket": "", "enabled": False, "prefix": ""}], "arn": a.BALANCER,
                "arn_suffix": a.BALANCER.split("loadbalancer/")[1], "client_keep_alive": 3600,
                "connection_logs": [{"bucket": "", "enabled": False, "prefix": ""}],
                "customer_owned_ipv4_pool": "", "desync_mitigation_mode": "defensive",
                "dns_name": "web-1204857631.eu-west-1.elb.amazonaws.com", "dns_record_client_routing_policy": None,
                "drop_invalid_header_fields": False, "enable_cross_zone_load_balancing": True,
                "enable_deletion_protection": False, "enable_http2": True,
                "enable_tls_version_and_cipher_suite_headers": False, "enable_waf_fail_open": False,
                "enable_xff_client_port": False, "enable_zonal_shift": False,
                "enforce_security_group_inbound_rules_on_private_link_traffic": "", "id": a.BALANCER,
                "idle_timeout": 60, "internal": False, "ip_address_type": "ipv4", "load_balancer_type": "application",
                "name": "web", "name_prefix": "", "preserve_host_header": False,
                "security_groups": [a.GROUPS["web"]],
                "subnet_mapping": [
                    {
                        "allocation_id": "", "ipv6_address": "", "outpost_id": "", "private_ipv4_address": "",
                        "subnet_id": one,
                    }
                    for one in sorted(public)
                ],
                "subnets": sorted(public), **tagged("web", release), "timeouts": None, "vpc_id": a.VPC,
                "xff_header_processing_mode": "append", "zone_id": "Z32O12XQLNTSW2",
            },
            written(
                load_balancer_type="application", name="web", tags=TAGS,
                security_groups=ref("aws_security_group.web.id"), subnets=ref("aws_subnet.public"),
            ),
            depends_on=["aws_security_group.web", "aws_subnet.public", "aws_vpc.main"],
        )
    ]  # fmt: skip
    for name, port in a.PORTS.items():
        protocol = "HTTPS" if name == "auth" else "HTTP"
        health = {"path": "/healthz", **({"protocol": "HTTPS"} if name == "auth" else {})}
        found.append(
            Resource(
                "aws_lb_target_group", name,
                {
                    "arn": a.TARGET_GROUPS[name], "arn_suffix": a.TARGET_GROUPS[name].split(":")[-1],
                    "connection_termination": None, "deregistration_delay": "300",
                    "health_check": [
                        {
                            "enabled": True, "healthy_threshold": 5, "interval": 30, "matcher": "200",
                            "path": "/healthz", "port": "traffic-port", "protocol": protocol, "timeout": 5,
                            "unhealthy_threshold": 2,
                        }
                    ],
                    "id": a.TARGET_GROUPS[name], "ip_address_type": "ipv4",
                    "lambda_multi_value_headers_enabled": False, "load_balancer_arns": [a.BALANCER],
                    "load_balancing_algorithm_type": "round_robin",
                    "load_balancing_anomaly_mitigation": "off",
                    "load_balancing_cross_zone_enabled": "use_load_balancer_configuration", "name": name,
                    "name_prefix": "", "port": port, "preserve_client_ip": None, "protocol": protocol,
                    "protocol_version": "HTTP1", "proxy_protocol_v2": False, "slow_start": 0,
                    "stickiness": [
                        {"cookie_duration": 86400, "cookie_name": "", "enabled": False, "type": "lb_cookie"}
                    ],
                    **tagged(name, release), "target_failover": [], "target_group_health": [],
                    "target_health_state": [], "target_type": "instance", "vpc_id": a.VPC,
                },
                written(
                    health_check=[written(**health)], name=name, port=port, protocol=protocol, vpc_id=VPC,
                    tags=TAGS,
                ),
                depends_on=["aws_vpc.main"],
            )
        )  # fmt: skip
    forward = {
        "authenticate_cognito": [], "authenticate_oidc": [], "fixed_response": [], "forward": [], "order": 1,
        "redirect": [], "type": "forward",
    }  # fmt: skip
    found.append(
        Resource(
            "aws_lb_listener", "https",
            {
                "alpn_policy": None, "arn": a.LISTENER,
                "certificate_arn": (
                    "arn:aws:acm:eu-west-1:123456789012:certificate/6f0c2f6e-4c1b-4f0e-9d0a-3a5f6c1e7b21"
                ),
                "default_action": [forward | {"target_group_arn": a.TARGET_GROUPS["portal"]}], "id": a.LISTENER,
                "load_balancer_arn": a.BALANCER, "mutual_authentication": [], "port": 443, "protocol": "HTTPS",
                "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06", **tagged("https", release), "timeouts": None,
            },
            written(
                certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/6f0c2f6e-4c1b-4f0e-9d0a-3a5f6c1e7b21",
                default_action=[
                    written(target_group_arn=ref("aws_lb_target_group.portal.arn"), type="forward")
                ],
                load_balancer_arn=ref("aws_lb.web.arn"), port=443, protocol="HTTPS",
                ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06", tags=TAGS,
            ),
            depends_on=["aws_lb.web", "aws_lb_target_group.portal"],
        )
    )  # fmt: skip
    found.append(
        Resource(
            "aws_lb_listener_rule", "oauth2",
            {
                "action": [forward | {"target_group_arn": a.TARGET_GROUPS["auth"]}], "arn": a.RULE,
                "condition": [
                    {
                        "host_header": [], "http_header": [], "http_request_method": [],
                        "path_pattern": [{"values": ["/oauth2/*"]}], "query_string": [], "source_ip": [],
                    }
                ],
                "id": a.RULE, "listener_arn": a.LISTENER, "priority": 10, **tagged("oauth2", release),
            },
            written(
                action=[written(target_group_arn=ref("aws_lb_target_group.auth.arn"), type="forward")],
                condition=[{"path_pattern": [written(values=const(["/oauth2/*"]))]}],
                listener_arn=ref("aws_lb_listener.https.arn"), priority=10, tags=TAGS,
            ),
            depends_on=["aws_lb.web", "aws_lb_listener.https", "aws_lb_target_group.auth"],
        )
    )  # fmt: skip
    return found


def machines(release: str) -> list[Resource]:
    """Launch templates, autoscaling groups and the database."""
    found = []
    for name in a.PORTS:
        template = a.made_up("lt", name)
        found.append(
            Resource(
                "aws_launch_template", name,
                {
                    "arn": arn("launch-template", template), "block_device_mappings": [],
                    "capacity_reservation_specification": [], "cpu_options": [], "credit_specification": [],
                    "default_version": 1, "description": "", "disable_api_stop": False,
                    "disable_api_termination": False, "ebs_optimized": "", "elastic_gpu_specifications": [],
                    "elastic_inference_accelerator": [], "enclave_options": [], "hibernation_options": [],
                    "iam_instance_profile": [], "id": template, "image_id": IMAGES[release],
                    "instance_initiated_shutdown_behavior": "", "instance_market_options": [],
                    "instance_requirements": [], "instance_type": "m6i.large", "kernel_id": "", "key_name": "",
                    "latest_version": 6, "license_specification": [], "maintenance_options": [],
                    "metadata_options": [], "monitoring": [], "name": name, "name_prefix": "",
                    "network_interfaces": [], "placement": [], "private_dns_name_options": [], "ram_disk_id": "",
                    "security_group_names": [], "tag_specifications": [], **tagged(name, release),
                    "update_default_version": None, "user_data": "",
                    "vpc_security_group_ids": [a.GROUPS[name]],
                },
                written(
                    image_id=IMAGES[release], instance_type="m6i.large", name=name, tags=TAGS,
                    vpc_security_group_ids=ref(f"aws_security_group.{name}.id"),
                ),
                depends_on=[f"aws_security_group.{name}", "aws_vpc.main"],
            )
        )  # fmt: skip
    for name in a.PORTS:
        app = sorted(a.SUBNETS[f"app-{zone}"] for zone in a.ZONES)
        found.append(
            Resource(
                "aws_autoscaling_group", name,
                {
                    "arn": (
                        f"arn:aws:autoscaling:{a.REGION}:{a.ACCOUNT}:autoScalingGroup:"
                        f"7d3f0c52-19c4-4f57-9a3e-6f2c8b5e{a.PORTS[name]}:autoScalingGroupName/{name}"
                    ),
                    "availability_zones": [f"{a.REGION}{zone}" for zone in a.ZONES], "capacity_rebalance": False,
                    "context": "", "default_cooldown": 300, "default_instance_warmup": 0, "desired_capacity": 2,
                    "desired_capacity_type": "", "enabled_metrics": [], "force_delete": False,
                    "force_delete_warm_pool": False, "health_check_grace_period": 300, "health_check_type": "EC2",
                    "id": name, "ignore_failed_scaling_activities": False, "initial_lifecycle_hook": [],
                    "instance_maintenance_policy": [], "instance_refresh": [], "launch_configuration": "",
                    "launch_template": [{"id": a.made_up("lt", name), "name": name, "version": "$Latest"}],
                    "load_balancers": [], "max_instance_lifetime": 0, "max_size": 6, "metrics_granularity": "1Minute",
                    "min_elb_capacity": None, "min_size": 2, "mixed_instances_policy": [], "name": name,
                    "name_prefix": "", "placement_group": "", "predicted_capacity": 0,
                    "protect_from_scale_in": False,
                    "service_linked_role_arn": (
                        f"arn:aws:iam::{a.ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/"
                        "AWSServiceRoleForAutoScaling"
                    ),
                    "suspended_processes": [], "tag": [], "target_group_arns": [a.TARGET_GROUPS[name]],
                    "termination_policies": [], "timeouts": None, "traffic_source": [], "vpc_zone_identifier": app,
                    "wait_for_capacity_timeout": "10m", "wait_for_elb_capacity": None, "warm_pool": [],
                    "warm_pool_size": 0,
                },
                written(
                    launch_template=[
                        written(id=ref(f"aws_launch_template.{name}.id"), version="$Latest")
                    ],
                    max_size=6, min_size=2, name=name,
                    target_group_arns=ref(f"aws_lb_target_group.{name}.arn"),
                    vpc_zone_identifier=ref("aws_subnet.app"),
                ),
                depends_on=[f"aws_launch_template.{name}", f"aws_lb_target_group.{name}", "aws_subnet.app"],
            )
        )  # fmt: skip
    return found + _database(release)


def _database(release: str) -> list[Resource]:
    subnets = sorted(a.SUBNETS[f"data-{zone}"] for zone in a.ZONES)
    endpoint = "auth.c3yq7example.eu-west-1.rds.amazonaws.com"
    rds = f"arn:aws:rds:{a.REGION}:{a.ACCOUNT}"
    return [
        Resource(
            "aws_db_subnet_group", "auth",
            {
                "arn": f"{rds}:subgrp:auth", "description": "Managed by Terraform", "id": "auth", "name": "auth",
                "name_prefix": "", "subnet_ids": subnets, "supported_network_types": ["IPV4"],
                **tagged("auth", release), "vpc_id": a.VPC,
            },
            written(name="auth", subnet_ids=ref("aws_subnet.data"), tags=TAGS),
            depends_on=["aws_subnet.data", "aws_vpc.main"],
        ),
        Resource(
            "aws_db_instance", "auth",
            {
                "address": endpoint, "allocated_storage": 100, "allow_major_version_upgrade": None,
                "apply_immediately": False, "arn": f"{rds}:db:auth", "auto_minor_version_upgrade": True,
                "availability_zone": "eu-west-1a", "backup_retention_period": 0, "backup_target": "region",
                "backup_window": "02:10-02:40", "ca_cert_identifier": "rds-ca-rsa2048-g1",
                "copy_tags_to_snapshot": False, "db_name": "", "db_subnet_group_name": "auth",
                "delete_automated_backups": True, "deletion_protection": False, "domain": "",
                "enabled_cloudwatch_logs_exports": [], "endpoint": f"{endpoint}:5432", "engine": "postgres",
                "engine_version": "15.5", "engine_version_actual": "15.5", "hosted_zone_id": "Z29XKXDKYMONMX",
                "iam_database_authentication_enabled": False, "id": "db-OUTAGEEXAMPLE0AUTH0DATABASE",
                "identifier": "auth", "identifier_prefix": "", "instance_class": "db.m6g.large", "iops": 0,
                "kms_key_id": "", "license_model": "postgresql-license", "listener_endpoint": [],
                "maintenance_window": "sun:03:30-sun:04:00", "manage_master_user_password": True,
                "max_allocated_storage": 0, "monitoring_interval": 0, "multi_az": False, "network_type": "IPV4",
                "option_group_name": "default:postgres-15", "parameter_group_name": "default.postgres15",
                "password": None, "port": 5432, "publicly_accessible": False, "replica_mode": "", "replicas": [],
                "resource_id": "db-OUTAGEEXAMPLE0AUTH0DATABASE", "skip_final_snapshot": True, "status": "available",
                "storage_encrypted": False, "storage_throughput": 0, "storage_type": "gp2",
                **tagged("auth", release), "timeouts": None, "timezone": "", "username": "auth",
                "vpc_security_group_ids": [a.GROUPS["auth-db"]],
            },
            written(
                allocated_storage=100, db_subnet_group_name=ref("aws_db_subnet_group.auth.name"), engine="postgres",
                engine_version="15.5", identifier="auth", instance_class="db.m6g.large",
                manage_master_user_password=True, skip_final_snapshot=True, tags=TAGS, username="auth",
                vpc_security_group_ids=ref("aws_security_group.auth_db.id"),
            ),
            depends_on=["aws_db_subnet_group.auth", "aws_security_group.auth_db"], schema_version=2,
        ),
    ]  # fmt: skip
