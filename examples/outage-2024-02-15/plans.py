"""The example as Terraform sees it: resources with their values, and plans in the shape of `terraform show -json`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import account as a

Json = dict[str, Any]
PROVIDER = "registry.terraform.io/hashicorp/aws"
VERSION = "1.9.8"
IMAGES = {"2024.06": "ami-0b1a2c3d4e5f60606", "2024.07": "ami-0c9d8e7f6a5b40707"}


@dataclass
class Resource:
    """One resource (an instance of it): its values in the state, and its expressions in the configuration."""

    type: str
    name: str
    values: Json
    expressions: Json
    key: str | None = None
    depends_on: list[str] = field(default_factory=list)
    schema_version: int = 0

    @property
    def block(self) -> str:
        """Address without the key."""
        return f"{self.type}.{self.name}"

    @property
    def address(self) -> str:
        """Address of the instance."""
        return f'{self.block}["{self.key}"]' if self.key else self.block


def const(value: Any) -> Json:
    """An expression that is written out."""
    return {"constant_value": value}


def ref(*names: str) -> Json:
    """An expression that refers to attributes: Terraform lists each reference and then what it is part of."""
    listed: list[str] = []
    for name in names:
        listed.append(name)
        parts = name.split(".")
        if parts[0] in ("local", "each"):
            continue
        owner = ".".join(parts[:2])
        if "[" in owner and owner != name:
            listed.append(owner)
        if owner.split("[")[0] != name:
            listed.append(owner.split("[")[0])
    return {"references": list(dict.fromkeys(listed))}


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:ec2:{a.REGION}:{a.ACCOUNT}:{kind}/{name}"


def _block(**given: Any) -> Json:
    """An inline rule with all that the provider fills in."""
    return {
        "cidr_blocks": [],
        "description": "",
        "from_port": 0,
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "protocol": "-1",
        "security_groups": [],
        "self": False,
        "to_port": 0,
    } | given


def _expressions(**given: Any) -> Json:
    return {key: value if isinstance(value, (dict, list)) and value else const(value) for key, value in given.items()}


def _tagged(name: str, release: str) -> Json:
    return {"tags": a.tags(name, release), "tags_all": a.tags(name, release)}


_TAGS = ref("local.tags")
_EACH = ref("each.key")
_VPC = ref("aws_vpc.main.id")


def _group(name: str, release: str, title: str, entering: list[Json], leaving: list[Json], **inline: Any) -> Resource:
    block = name.replace("-", "_")
    return Resource(
        "aws_security_group",
        block,
        {
            "arn": _arn("security-group", a.GROUPS[name]),
            "description": title,
            "egress": leaving,
            "id": a.GROUPS[name],
            "ingress": entering,
            "name": name,
            "name_prefix": "",
            "owner_id": a.ACCOUNT,
            "revoke_rules_on_delete": False,
            **_tagged(name, release),
            "timeouts": None,
            "vpc_id": a.VPC,
        },
        _expressions(name=name, description=title, vpc_id=_VPC, tags=_TAGS, **inline),
        depends_on=["aws_vpc.main"],
        schema_version=1,
    )


def _inline(**given: Any) -> list[Json]:
    return [_expressions(**given)]


_ANYWHERE = [_block(cidr_blocks=["0.0.0.0/0"], description="anywhere")]
_ANYWHERE_WRITTEN = _inline(
    description="anywhere", protocol="-1", from_port=0, to_port=0, cidr_blocks=const(["0.0.0.0/0"])
)


def _groups(release: str, clients: list[str], clients_written: Json, described: str) -> list[Resource]:
    tcp = {"protocol": "tcp"}
    web = _group(
        "web", release, "Load balancer of the shop",
        [
            _block(
                cidr_blocks=["0.0.0.0/0"], ipv6_cidr_blocks=["::/0"], description="everybody", from_port=443,
                to_port=443, **tcp,
            )
        ],
        [_block(cidr_blocks=["10.20.0.0/16"], description="targets", from_port=8080, to_port=8443, **tcp)],
        ingress=_inline(
            description="everybody", from_port=443, to_port=443, cidr_blocks=const(["0.0.0.0/0"]),
            ipv6_cidr_blocks=const(["::/0"]), **tcp,
        ),
        egress=_inline(
            description="targets", from_port=8080, to_port=8443, cidr_blocks=const(["10.20.0.0/16"]), **tcp
        ),
    )  # fmt: skip
    portal = _group(
        "portal", release, "Portal, where people log in",
        [_block(security_groups=[a.GROUPS["web"]], description="load balancer", from_port=8080, to_port=8080, **tcp)],
        _ANYWHERE,
        ingress=_inline(
            description="load balancer", from_port=8080, to_port=8080,
            security_groups=ref("aws_security_group.web.id"), **tcp,
        ),
        egress=_ANYWHERE_WRITTEN,
    )  # fmt: skip
    auth = _group(
        "auth", release, "Authentication service",
        [
            _block(
                security_groups=sorted(a.GROUPS[one] for one in clients), description="tokens",
                from_port=8443, to_port=8443, **tcp,
            )
        ],
        _ANYWHERE,
        ingress=_inline(description="tokens", from_port=8443, to_port=8443, security_groups=clients_written, **tcp),
        egress=_ANYWHERE_WRITTEN,
    )  # fmt: skip
    portal.depends_on.append("aws_security_group.web")
    auth.depends_on += ["aws_security_group.portal", "aws_security_group.web"]
    database = _group(
        "auth-db", release, "Database of the authentication service",
        # The provider shows here what the standalone rule below made.
        [_block(security_groups=[a.GROUPS["auth"]], description="accounts", from_port=5432, to_port=5432, **tcp)], [],
    )  # fmt: skip
    rule = Resource(
        "aws_vpc_security_group_ingress_rule",
        "auth_db_from_auth",
        {
            "arn": _arn("security-group-rule", a.DATABASE_RULE),
            "cidr_ipv4": None,
            "cidr_ipv6": None,
            "description": described,
            "from_port": 5432,
            "id": a.DATABASE_RULE,
            "ip_protocol": "tcp",
            "prefix_list_id": None,
            "referenced_security_group_id": a.GROUPS["auth"],
            "security_group_id": a.GROUPS["auth-db"],
            "security_group_rule_id": a.DATABASE_RULE,
            **_tagged("auth-db-from-auth", release),
            "to_port": 5432,
        },
        _expressions(
            description=described,
            from_port=5432,
            ip_protocol="tcp",
            referenced_security_group_id=ref("aws_security_group.auth.id"),
            security_group_id=ref("aws_security_group.auth_db.id"),
            tags=_TAGS,
            to_port=5432,
        ),
        depends_on=["aws_security_group.auth", "aws_security_group.auth_db", "aws_vpc.main"],
    )
    return [web, portal, auth, database, rule]


def _network(release: str) -> list[Resource]:
    found = [
        Resource(
            "aws_vpc", "main",
            {
                "arn": _arn("vpc", a.VPC), "assign_generated_ipv6_cidr_block": False, "cidr_block": "10.20.0.0/16",
                "default_network_acl_id": a.ACLS["default"], "default_route_table_id": a.TABLES["main"],
                "default_security_group_id": a.DEFAULT_GROUP, "dhcp_options_id": a.made_up("dopt", "default"),
                "enable_dns_hostnames": True, "enable_dns_support": True,
                "enable_network_address_usage_metrics": False, "id": a.VPC, "instance_tenancy": "default",
                "ipv4_ipam_pool_id": None, "ipv4_netmask_length": None, "ipv6_association_id": "",
                "ipv6_cidr_block": "", "ipv6_cidr_block_network_border_group": "", "ipv6_ipam_pool_id": "",
                "ipv6_netmask_length": 0, "main_route_table_id": a.TABLES["main"], "owner_id": a.ACCOUNT,
                **_tagged("identity", release),
            },
            _expressions(cidr_block="10.20.0.0/16", enable_dns_hostnames=True, tags=_TAGS),
            schema_version=1,
        )
    ]  # fmt: skip
    for tier in ("public", "app", "data"):
        for zone in a.ZONES:
            name = f"{tier}-{zone}"
            found.append(
                Resource(
                    "aws_subnet", tier,
                    {
                        "arn": _arn("subnet", a.SUBNETS[name]), "assign_ipv6_address_on_creation": False,
                        "availability_zone": f"{a.REGION}{zone}",
                        "availability_zone_id": f"euw1-az{a.ZONES[zone] + 1}", "cidr_block": a.cidr(name),
                        "customer_owned_ipv4_pool": "", "enable_dns64": False, "enable_lni_at_device_index": 0,
                        "enable_resource_name_dns_a_record_on_launch": False,
                        "enable_resource_name_dns_aaaa_record_on_launch": False, "id": a.SUBNETS[name],
                        "ipv6_cidr_block": "", "ipv6_cidr_block_association_id": "", "ipv6_native": False,
                        "map_customer_owned_ip_on_launch": False, "map_public_ip_on_launch": tier == "public",
                        "outpost_arn": "", "owner_id": a.ACCOUNT,
                        "private_dns_hostname_type_on_launch": "ip-name", **_tagged(name, release),
                        "timeouts": None, "vpc_id": a.VPC,
                    },
                    _expressions(
                        availability_zone=_EACH, cidr_block=ref("each.value"), vpc_id=_VPC, tags=_TAGS,
                        **({"map_public_ip_on_launch": True} if tier == "public" else {}),
                    ),
                    key=zone, depends_on=["aws_vpc.main"], schema_version=1,
                )
            )  # fmt: skip
    found.append(
        Resource(
            "aws_internet_gateway", "main",
            {
                "arn": _arn("internet-gateway", a.GATEWAY), "id": a.GATEWAY, "owner_id": a.ACCOUNT,
                **_tagged("identity", release), "timeouts": None, "vpc_id": a.VPC,
            },
            _expressions(vpc_id=_VPC, tags=_TAGS), depends_on=["aws_vpc.main"],
        )
    )  # fmt: skip
    found += _nat(release) + _tables(release) + [_acl(release)]
    return found


def _nat(release: str) -> list[Resource]:
    address = a.made_up("eipalloc", "nat")
    host = a.NAT_PUBLIC.replace(".", "-")
    return [
        Resource(
            "aws_eip", "nat",
            {
                "address": None, "allocation_id": address, "arn": _arn("elastic-ip", address),
                "associate_with_private_ip": None, "association_id": a.made_up("eipassoc", "nat"), "carrier_ip": "",
                "customer_owned_ip": "", "customer_owned_ipv4_pool": "", "domain": "vpc", "id": address,
                "instance": "", "network_border_group": a.REGION, "network_interface": a.made_up("eni", "nat"),
                "private_dns": "ip-10-20-0-5.eu-west-1.compute.internal", "private_ip": "10.20.0.5",
                "ptr_record": "", "public_dns": f"ec2-{host}.eu-west-1.compute.amazonaws.com",
                "public_ip": a.NAT_PUBLIC, "public_ipv4_pool": "amazon", **_tagged("nat", release),
                "timeouts": None, "vpc": True,
            },
            _expressions(domain="vpc", tags=_TAGS),
        ),
        Resource(
            "aws_nat_gateway", "main",
            {
                "allocation_id": address, "association_id": a.made_up("eipassoc", "nat"),
                "connectivity_type": "public", "id": a.NAT, "network_interface_id": a.made_up("eni", "nat"),
                "private_ip": "10.20.0.5", "public_ip": a.NAT_PUBLIC, "secondary_allocation_ids": [],
                "secondary_private_ip_address_count": 0, "secondary_private_ip_addresses": [],
                "subnet_id": a.SUBNETS["public-a"], **_tagged("identity", release), "timeouts": None,
            },
            _expressions(
                allocation_id=ref("aws_eip.nat.id"), subnet_id=ref('aws_subnet.public["a"].id'), tags=_TAGS
            ),
            depends_on=["aws_eip.nat", "aws_subnet.public", "aws_vpc.main"],
        ),
    ]  # fmt: skip


def _route(**target: str) -> Json:
    empty = dict.fromkeys(
        (
            "carrier_gateway_id", "core_network_arn", "destination_prefix_list_id", "egress_only_gateway_id",
            "gateway_id", "ipv6_cidr_block", "local_gateway_id", "nat_gateway_id", "network_interface_id",
            "transit_gateway_id", "vpc_endpoint_id", "vpc_peering_connection_id",
        ),
        "",
    )  # fmt: skip
    return {"cidr_block": "0.0.0.0/0"} | empty | target


def _tables(release: str) -> list[Resource]:
    ways = {
        "public": ("gateway_id", a.GATEWAY, "aws_internet_gateway.main"),
        "app": ("nat_gateway_id", a.NAT, "aws_nat_gateway.main"),
    }
    found = []
    for name, (attribute, target, address) in ways.items():
        written = [_expressions(cidr_block="0.0.0.0/0", **{attribute: ref(f"{address}.id")})]
        found.append(
            Resource(
                "aws_route_table", name,
                {
                    "arn": _arn("route-table", a.TABLES[name]), "id": a.TABLES[name], "owner_id": a.ACCOUNT,
                    "propagating_vgws": [], "route": [_route(**{attribute: target})], **_tagged(name, release),
                    "timeouts": None, "vpc_id": a.VPC,
                },
                _expressions(vpc_id=_VPC, tags=_TAGS, route=written), depends_on=[address, "aws_vpc.main"],
            )
        )  # fmt: skip
    for name in ways:
        for zone in a.ZONES:
            found.append(
                Resource(
                    "aws_route_table_association", name,
                    {
                        "gateway_id": "", "id": a.made_up("rtbassoc", f"{name}-{zone}"),
                        "route_table_id": a.TABLES[name], "subnet_id": a.SUBNETS[f"{name}-{zone}"], "timeouts": None,
                    },
                    _expressions(
                        route_table_id=ref(f"aws_route_table.{name}.id"),
                        subnet_id={"references": [f"aws_subnet.{name}", "each.key"]},
                    ),
                    key=zone, depends_on=[f"aws_route_table.{name}", f"aws_subnet.{name}", "aws_vpc.main"],
                )
            )  # fmt: skip
    return found


def _acl(release: str) -> Resource:
    def entry(number: int, action: str, low: int, high: int) -> Json:
        return {
            "action": action, "cidr_block": "10.20.0.0/16", "from_port": low, "icmp_code": 0, "icmp_type": 0,
            "ipv6_cidr_block": "", "protocol": "6", "rule_no": number, "to_port": high,
        }  # fmt: skip

    def written(number: int, action: str, low: int, high: int) -> Json:
        return _expressions(
            rule_no=number, action=action, protocol="tcp", cidr_block="10.20.0.0/16", from_port=low, to_port=high
        )

    ingress = [(90, "deny", 22, 22), (100, "allow", 0, 65535)]
    egress = [(100, "allow", 1024, 65535)]
    return Resource(
        "aws_network_acl", "data",
        {
            "arn": _arn("network-acl", a.ACLS["data"]), "egress": [entry(*one) for one in egress],
            "id": a.ACLS["data"], "ingress": [entry(*one) for one in ingress], "owner_id": a.ACCOUNT,
            "subnet_ids": sorted(a.SUBNETS[f"data-{zone}"] for zone in a.ZONES), **_tagged("data", release),
            "vpc_id": a.VPC,
        },
        _expressions(
            vpc_id=_VPC, subnet_ids=ref("aws_subnet.data"), tags=_TAGS,
            ingress=[written(*one) for one in ingress], egress=[written(*one) for one in egress],
        ),
        depends_on=["aws_subnet.data", "aws_vpc.main"],
    )  # fmt: skip


def _balancer(release: str) -> list[Resource]:
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
                "subnets": sorted(public), **_tagged("web", release), "timeouts": None, "vpc_id": a.VPC,
                "xff_header_processing_mode": "append", "zone_id": "Z32O12XQLNTSW2",
            },
            _expressions(
                load_balancer_type="application", name="web", tags=_TAGS,
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
                    **_tagged(name, release), "target_failover": [], "target_group_health": [],
                    "target_health_state": [], "target_type": "instance", "vpc_id": a.VPC,
                },
                _expressions(
                    health_check=[_expressions(**health)], name=name, port=port, protocol=protocol, vpc_id=_VPC,
                    tags=_TAGS,
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
                "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06", **_tagged("https", release), "timeouts": None,
            },
            _expressions(
                certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/6f0c2f6e-4c1b-4f0e-9d0a-3a5f6c1e7b21",
                default_action=[
                    _expressions(target_group_arn=ref("aws_lb_target_group.portal.arn"), type="forward")
                ],
                load_balancer_arn=ref("aws_lb.web.arn"), port=443, protocol="HTTPS",
                ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06", tags=_TAGS,
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
                "id": a.RULE, "listener_arn": a.LISTENER, "priority": 10, **_tagged("oauth2", release),
            },
            _expressions(
                action=[_expressions(target_group_arn=ref("aws_lb_target_group.auth.arn"), type="forward")],
                condition=[{"path_pattern": [_expressions(values=const(["/oauth2/*"]))]}],
                listener_arn=ref("aws_lb_listener.https.arn"), priority=10, tags=_TAGS,
            ),
            depends_on=["aws_lb.web", "aws_lb_listener.https", "aws_lb_target_group.auth"],
        )
    )  # fmt: skip
    return found


def _machines(release: str) -> list[Resource]:
    found = []
    for name in a.PORTS:
        template = a.made_up("lt", name)
        found.append(
            Resource(
                "aws_launch_template", name,
                {
                    "arn": _arn("launch-template", template), "block_device_mappings": [],
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
                    "security_group_names": [], "tag_specifications": [], **_tagged(name, release),
                    "update_default_version": None, "user_data": "",
                    "vpc_security_group_ids": [a.GROUPS[name]],
                },
                _expressions(
                    image_id=IMAGES[release], instance_type="m6i.large", name=name, tags=_TAGS,
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
                _expressions(
                    launch_template=[
                        _expressions(id=ref(f"aws_launch_template.{name}.id"), version="$Latest")
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
                **_tagged("auth", release), "vpc_id": a.VPC,
            },
            _expressions(name="auth", subnet_ids=ref("aws_subnet.data"), tags=_TAGS),
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
                **_tagged("auth", release), "timeouts": None, "timezone": "", "username": "auth",
                "vpc_security_group_ids": [a.GROUPS["auth-db"]],
            },
            _expressions(
                allocated_storage=100, db_subnet_group_name=ref("aws_db_subnet_group.auth.name"), engine="postgres",
                engine_version="15.5", identifier="auth", instance_class="db.m6g.large",
                manage_master_user_password=True, skip_final_snapshot=True, tags=_TAGS, username="auth",
                vpc_security_group_ids=ref("aws_security_group.auth_db.id"),
            ),
            depends_on=["aws_db_subnet_group.auth", "aws_security_group.auth_db"], schema_version=2,
        ),
    ]  # fmt: skip


_WEB_AND_PORTAL = ref("aws_security_group.web.id", "aws_security_group.portal.id")


def resources(release: str, clients: list[str], written: Json = _WEB_AND_PORTAL, *, described: str) -> list[Resource]:
    """Everything, as it is when ``clients`` may talk to auth."""
    listed = [*_network(release), *_groups(release, clients, written, described), *_balancer(release)]
    listed += _machines(release)
    return sorted(listed, key=lambda one: one.address)


def _shape(value: Any) -> Any:
    """What Terraform prints for "nothing unknown" and "nothing sensitive" in a value: its containers, emptied."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items() if isinstance(inner, (dict, list))}
    return [_shape(inner) if isinstance(inner, (dict, list)) else False for inner in value]


def _stated(resource: Resource, values: Json, *, prior: bool) -> Json:
    out: Json = {"address": resource.address, "mode": "managed", "type": resource.type, "name": resource.name}
    if resource.key:
        out["index"] = resource.key
    out |= {
        "provider_name": PROVIDER,
        "schema_version": resource.schema_version,
        "values": values,
        "sensitive_values": _shape(values),
    }
    if prior and resource.depends_on:
        out["depends_on"] = sorted(resource.depends_on)
    return out


def _configured(listed: list[Resource]) -> list[Json]:
    found: dict[str, Json] = {}
    for one in listed:
        if one.block in found:
            continue
        entry: Json = {
            "address": one.block,
            "mode": "managed",
            "type": one.type,
            "name": one.name,
            "provider_config_key": "aws",
            "expressions": dict(sorted(one.expressions.items())),
            "schema_version": one.schema_version,
        }
        if one.key:
            entry["for_each_expression"] = ref("local.zones")
        found[one.block] = entry
    return [found[address] for address in sorted(found)]


def plan(before: list[Resource], after: list[Resource], timestamp: str) -> Json:
    """What `terraform show -json` prints for the change from ``before`` to ``after``."""
    changes = []
    planned = []
    for old, new in zip(before, after, strict=True):
        unknown = _shape(new.values)
        values = copy.deepcopy(new.values)
        actions = ["no-op"] if old.values == new.values else ["update"]
        if new.type == "aws_launch_template" and actions == ["update"]:
            del values["latest_version"]  # a new version gets its number from AWS
            unknown["latest_version"] = True
        out: Json = {"address": new.address, "mode": "managed", "type": new.type, "name": new.name}
        if new.key:
            out["index"] = new.key
        changes.append(
            out
            | {
                "provider_name": PROVIDER,
                "change": {
                    "actions": actions,
                    "before": old.values,
                    "after": values,
                    "after_unknown": unknown if actions == ["update"] else {},
                    "before_sensitive": _shape(old.values),
                    "after_sensitive": _shape(values),
                },
            }
        )
        planned.append(_stated(new, values, prior=False))
    provider = {
        "name": "aws",
        "full_name": PROVIDER,
        "version_constraint": "~> 5.0",
        "expressions": {"region": const(a.REGION)},
    }
    return {
        "format_version": "1.2",
        "terraform_version": VERSION,
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": VERSION,
            "values": {"root_module": {"resources": [_stated(one, one.values, prior=True) for one in before]}},
        },
        "configuration": {
            "provider_config": {"aws": provider},
            "root_module": {"resources": _configured(after)},
        },
        "relevant_attributes": [
            {"resource": "aws_launch_template.auth", "attribute": ["id"]},
            {"resource": "aws_launch_template.portal", "attribute": ["id"]},
            {"resource": "aws_security_group.auth", "attribute": ["id"]},
            {"resource": "aws_security_group.auth_db", "attribute": ["id"]},
            {"resource": "aws_security_group.portal", "attribute": ["id"]},
            {"resource": "aws_security_group.web", "attribute": ["id"]},
            {"resource": "aws_vpc.main", "attribute": ["id"]},
        ],
        "timestamp": timestamp,
        "applyable": True,
        "complete": True,
        "errored": False,
    }
