"""The example's network and doors as Terraform resources."""

from __future__ import annotations

from typing import Any

import account as a
from parts import EACH, TAGS, VPC, Resource, arn, block, const, ref, tagged, written

Json = dict[str, Any]


def _group(name: str, release: str, title: str, entering: list[Json], leaving: list[Json], **inline: Any) -> Resource:
    block = name.replace("-", "_")
    return Resource(
        "aws_security_group",
        block,
        {
            "arn": arn("security-group", a.GROUPS[name]),
            "description": title,
            "egress": leaving,
            "id": a.GROUPS[name],
            "ingress": entering,
            "name": name,
            "name_prefix": "",
            "owner_id": a.ACCOUNT,
            "revoke_rules_on_delete": False,
            **tagged(name, release),
            "timeouts": None,
            "vpc_id": a.VPC,
        },
        written(name=name, description=title, vpc_id=VPC, tags=TAGS, **inline),
        depends_on=["aws_vpc.main"],
        schema_version=1,
    )


def _inline(**given: Any) -> list[Json]:
    return [written(**given)]


_ANYWHERE = [block(cidr_blocks=["0.0.0.0/0"], description="anywhere")]
_ANYWHERE_WRITTEN = _inline(
    description="anywhere", protocol="-1", from_port=0, to_port=0, cidr_blocks=const(["0.0.0.0/0"])
)


def doors(release: str, clients: list[str], clients_written: Json, described: str) -> list[Resource]:
    """The security groups, and the standalone rule of the database's."""
    tcp = {"protocol": "tcp"}
    web = _group(
        "web", release, "Load balancer of the shop",
        [
            block(
                cidr_blocks=["0.0.0.0/0"], ipv6_cidr_blocks=["::/0"], description="everybody", from_port=443,
                to_port=443, **tcp,
            )
        ],
        [block(cidr_blocks=["10.20.0.0/16"], description="targets", from_port=8080, to_port=8443, **tcp)],
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
        [block(security_groups=[a.GROUPS["web"]], description="load balancer", from_port=8080, to_port=8080, **tcp)],
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
            block(
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
        [block(security_groups=[a.GROUPS["auth"]], description="accounts", from_port=5432, to_port=5432, **tcp)], [],
    )  # fmt: skip
    rule = Resource(
        "aws_vpc_security_group_ingress_rule",
        "auth_db_from_auth",
        {
            "arn": arn("security-group-rule", a.DATABASE_RULE),
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
            **tagged("auth-db-from-auth", release),
            "to_port": 5432,
        },
        written(
            description=described,
            from_port=5432,
            ip_protocol="tcp",
            referenced_security_group_id=ref("aws_security_group.auth.id"),
            security_group_id=ref("aws_security_group.auth_db.id"),
            tags=TAGS,
            to_port=5432,
        ),
        depends_on=["aws_security_group.auth", "aws_security_group.auth_db", "aws_vpc.main"],
    )
    return [web, portal, auth, database, rule]


def network(release: str) -> list[Resource]:
    """VPC, subnets, gateways, route tables and the ACL of the data subnets."""
    found = [
        Resource(
            "aws_vpc", "main",
            {
                "arn": arn("vpc", a.VPC), "assign_generated_ipv6_cidr_block": False, "cidr_block": "10.20.0.0/16",
                "default_network_acl_id": a.ACLS["default"], "default_route_table_id": a.TABLES["main"],
                "default_security_group_id": a.DEFAULT_GROUP, "dhcp_options_id": a.made_up("dopt", "default"),
                "enable_dns_hostnames": True, "enable_dns_support": True,
                "enable_network_address_usage_metrics": False, "id": a.VPC, "instance_tenancy": "default",
                "ipv4_ipam_pool_id": None, "ipv4_netmask_length": None, "ipv6_association_id": "",
                "ipv6_cidr_block": "", "ipv6_cidr_block_network_border_group": "", "ipv6_ipam_pool_id": "",
                "ipv6_netmask_length": 0, "main_route_table_id": a.TABLES["main"], "owner_id": a.ACCOUNT,
                **tagged("identity", release),
            },
            written(cidr_block="10.20.0.0/16", enable_dns_hostnames=True, tags=TAGS),
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
                        "arn": arn("subnet", a.SUBNETS[name]), "assign_ipv6_address_on_creation": False,
                        "availability_zone": f"{a.REGION}{zone}",
                        "availability_zone_id": f"euw1-az{a.ZONES[zone] + 1}", "cidr_block": a.cidr(name),
                        "customer_owned_ipv4_pool": "", "enable_dns64": False, "enable_lni_at_device_index": 0,
                        "enable_resource_name_dns_a_record_on_launch": False,
                        "enable_resource_name_dns_aaaa_record_on_launch": False, "id": a.SUBNETS[name],
                        "ipv6_cidr_block": "", "ipv6_cidr_block_association_id": "", "ipv6_native": False,
                        "map_customer_owned_ip_on_launch": False, "map_public_ip_on_launch": tier == "public",
                        "outpost_arn": "", "owner_id": a.ACCOUNT,
                        "private_dns_hostname_type_on_launch": "ip-name", **tagged(name, release),
                        "timeouts": None, "vpc_id": a.VPC,
                    },
                    written(
                        availability_zone=EACH, cidr_block=ref("each.value"), vpc_id=VPC, tags=TAGS,
                        **({"map_public_ip_on_launch": True} if tier == "public" else {}),
                    ),
                    key=zone, depends_on=["aws_vpc.main"], schema_version=1,
                )
            )  # fmt: skip
    found.append(
        Resource(
            "aws_internet_gateway", "main",
            {
                "arn": arn("internet-gateway", a.GATEWAY), "id": a.GATEWAY, "owner_id": a.ACCOUNT,
                **tagged("identity", release), "timeouts": None, "vpc_id": a.VPC,
            },
            written(vpc_id=VPC, tags=TAGS), depends_on=["aws_vpc.main"],
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
                "address": None, "allocation_id": address, "arn": arn("elastic-ip", address),
                "associate_with_private_ip": None, "association_id": a.made_up("eipassoc", "nat"), "carrier_ip": "",
                "customer_owned_ip": "", "customer_owned_ipv4_pool": "", "domain": "vpc", "id": address,
                "instance": "", "network_border_group": a.REGION, "network_interface": a.made_up("eni", "nat"),
                "private_dns": "ip-10-20-0-5.eu-west-1.compute.internal", "private_ip": "10.20.0.5",
                "ptr_record": "", "public_dns": f"ec2-{host}.eu-west-1.compute.amazonaws.com",
                "public_ip": a.NAT_PUBLIC, "public_ipv4_pool": "amazon", **tagged("nat", release),
                "timeouts": None, "vpc": True,
            },
            written(domain="vpc", tags=TAGS),
        ),
        Resource(
            "aws_nat_gateway", "main",
            {
                "allocation_id": address, "association_id": a.made_up("eipassoc", "nat"),
                "connectivity_type": "public", "id": a.NAT, "network_interface_id": a.made_up("eni", "nat"),
                "private_ip": "10.20.0.5", "public_ip": a.NAT_PUBLIC, "secondary_allocation_ids": [],
                "secondary_private_ip_address_count": 0, "secondary_private_ip_addresses": [],
                "subnet_id": a.SUBNETS["public-a"], **tagged("identity", release), "timeouts": None,
            },
            written(
                allocation_id=ref("aws_eip.nat.id"), subnet_id=ref('aws_subnet.public["a"].id'), tags=TAGS
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
        routes = [written(cidr_block="0.0.0.0/0", **{attribute: ref(f"{address}.id")})]
        found.append(
            Resource(
                "aws_route_table", name,
                {
                    "arn": arn("route-table", a.TABLES[name]), "id": a.TABLES[name], "owner_id": a.ACCOUNT,
                    "propagating_vgws": [], "route": [_route(**{attribute: target})], **tagged(name, release),
                    "timeouts": None, "vpc_id": a.VPC,
                },
                written(vpc_id=VPC, tags=TAGS, route=routes), depends_on=[address, "aws_vpc.main"],
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
                    written(
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

    def entry_written(number: int, action: str, low: int, high: int) -> Json:
        return written(
            rule_no=number, action=action, protocol="tcp", cidr_block="10.20.0.0/16", from_port=low, to_port=high
        )

    ingress = [(90, "deny", 22, 22), (100, "allow", 0, 65535)]
    egress = [(100, "allow", 1024, 65535)]
    return Resource(
        "aws_network_acl", "data",
        {
            "arn": arn("network-acl", a.ACLS["data"]), "egress": [entry(*one) for one in egress],
            "id": a.ACLS["data"], "ingress": [entry(*one) for one in ingress], "owner_id": a.ACCOUNT,
            "subnet_ids": sorted(a.SUBNETS[f"data-{zone}"] for zone in a.ZONES), **tagged("data", release),
            "vpc_id": a.VPC,
        },
        written(
            vpc_id=VPC, subnet_ids=ref("aws_subnet.data"), tags=TAGS,
            ingress=[entry_written(*one) for one in ingress], egress=[entry_written(*one) for one in egress],
        ),
        depends_on=["aws_subnet.data", "aws_vpc.main"],
    )  # fmt: skip
