"""A whole small application as resources: VPC, subnets, gateways, balancer, instances, database, groups."""

from __future__ import annotations

from typing import Any

from tests.attack.planned import Computed, Ref, Resource, res

BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/web/50dc6c495c0c9188"
ZONES = ("eu-west-1a", "eu-west-1b")


def network() -> list[Resource]:
    """A VPC with two public and two private subnets, an internet gateway and a NAT gateway."""
    made = [
        res("aws_vpc", "main", cidr_block="10.0.0.0/16", tags={"Name": "main"},
            default_security_group_id=Computed("sg-default0"), main_route_table_id=Computed("rtb-main0"),
            default_route_table_id=Computed("rtb-main0"), default_network_acl_id=Computed("acl-default0")),
        res("aws_internet_gateway", "gw", vpc_id=Ref("aws_vpc.main.id")),
        res("aws_route_table", "public", vpc_id=Ref("aws_vpc.main.id"),
            route=[{"cidr_block": "0.0.0.0/0", "gateway_id": Ref("aws_internet_gateway.gw.id")}]),
        res("aws_route_table", "private", vpc_id=Ref("aws_vpc.main.id"), route=Computed([])),
        res("aws_eip", "nat", domain="vpc", public_ip=Computed("198.51.100.7"), allocation_id=Computed("eipalloc-1")),
        res("aws_nat_gateway", "nat", allocation_id=Ref("aws_eip.nat.id"), connectivity_type="public",
            subnet_id=Ref("aws_subnet.public[0].id"), private_ip=Computed("10.0.0.9"),
            public_ip=Computed("198.51.100.7"), network_interface_id=Computed("eni-nat")),
        res("aws_route", "out", route_table_id=Ref("aws_route_table.private.id"), destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=Ref("aws_nat_gateway.nat.id")),
    ]  # fmt: skip
    for at in (0, 1):
        for kind, base in (("public", 0), ("private", 10)):
            made.append(res("aws_subnet", kind, index=at, vpc_id=Ref("aws_vpc.main.id"),
                            cidr_block=f"10.0.{base + at}.0/24", availability_zone=ZONES[at],
                            map_public_ip_on_launch=kind == "public", tags={"Name": f"{kind}-{at}"},
                            config_={"count_expression": {"constant_value": 2}}))  # fmt: skip
            written = (f"aws_subnet.{kind}", "count.index")
            made.append(res("aws_route_table_association", kind, index=at,
                            subnet_id=Ref(f"aws_subnet.{kind}[{at}].id", written),
                            route_table_id=Ref(f"aws_route_table.{kind}.id"),
                            config_={"count_expression": {"constant_value": 2}}))  # fmt: skip
    return made


def rule(port: int, peer: Any = None, *, high: int | None = None, **more: Any) -> dict[str, Any]:
    """An inline rule block."""
    made: dict[str, Any] = {"from_port": port, "to_port": port if high is None else high, "protocol": "tcp"}
    if isinstance(peer, str):
        made["cidr_blocks"] = [peer]
    elif isinstance(peer, Ref):
        made["security_groups"] = [peer]
    return made | more


OUT = {"from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"]}


def group(name: str, ingress: list[dict[str, Any]] | None = None, egress: Any = "all", **more: Any) -> Resource:
    """A security group of the VPC with inline rules."""
    given: dict[str, Any] = {"name": name, "vpc_id": Ref("aws_vpc.main.id"), "revoke_rules_on_delete": False}
    if ingress is not None:
        given["ingress"] = ingress
    if egress is not None:
        given["egress"] = [OUT] if egress == "all" else egress
    return res("aws_security_group", name, **(given | more))


def machine(
    name: str, address: str, subnet: str, *groups: str, index: int | str | None = None, **more: Any
) -> Resource:
    """An instance in one of the counted subnets, e.g. ``private[0]``."""
    given: dict[str, Any] = {
        "subnet_id": Ref(f"aws_subnet.{subnet}.id"), "private_ip": Computed(address), "tags": {"Name": name},
        "vpc_security_group_ids": [Ref(f"aws_security_group.{one}.id") for one in groups],
        "primary_network_interface_id": Computed(f"eni-{name}{'' if index is None else index}"),
        "public_ip": Computed(""), "associate_public_ip_address": Computed(False), "ipv6_addresses": Computed([]),
        "secondary_private_ips": Computed([]), "network_interface": Computed([]),
    }  # fmt: skip
    return res("aws_instance", name, index=index, **(given | more))


def application() -> list[Resource]:
    """Balancer → two web machines → database, on ``network``."""
    made = network()
    made += [
        group("lb", [rule(443, "0.0.0.0/0")], [rule(8080, Ref("aws_security_group.web.id"))]),
        group("web", []),
        group("db", None, None),
        res("aws_security_group_rule", "web_in", type="ingress", from_port=8080, to_port=8080, protocol="tcp",
            security_group_id=Ref("aws_security_group.web.id"),
            source_security_group_id=Ref("aws_security_group.lb.id"), self=False),
        res("aws_vpc_security_group_ingress_rule", "db_in", from_port=5432, to_port=5432, ip_protocol="tcp",
            security_group_id=Ref("aws_security_group.db.id"),
            referenced_security_group_id=Ref("aws_security_group.web.id"),
            security_group_rule_id=Computed("sgr-dbin")),
        res("aws_lb", "web", name="web", internal=False, load_balancer_type="application", ip_address_type="ipv4",
            security_groups=[Ref("aws_security_group.lb.id")],
            subnets=[Ref("aws_subnet.public[0].id"), Ref("aws_subnet.public[1].id")],
            subnet_mapping=Computed([]), dns_name=Computed("web.example.com"), arn=Computed(BALANCER)),
        res("aws_lb_target_group", "web", name="web", port=8080, protocol="HTTP", target_type="instance",
            vpc_id=Ref("aws_vpc.main.id"),
            health_check=[{"port": "traffic-port", "protocol": "HTTP", "enabled": True}]),
        res("aws_lb_listener", "https", load_balancer_arn=Ref("aws_lb.web.arn"), port=443, protocol="HTTPS",
            default_action=[{"type": "forward", "target_group_arn": Ref("aws_lb_target_group.web.arn")}]),
        res("aws_db_subnet_group", "db", name="db",
            subnet_ids=[Ref("aws_subnet.private[0].id"), Ref("aws_subnet.private[1].id")]),
        res("aws_db_instance", "db", identifier="shop", engine="postgres", port=5432, publicly_accessible=False,
            multi_az=False, db_subnet_group_name=Ref("aws_db_subnet_group.db.name"),
            address=Computed("shop.example.com"), vpc_security_group_ids=[Ref("aws_security_group.db.id")]),
    ]  # fmt: skip
    for at in (0, 1):
        made.append(machine("web", f"10.0.{10 + at}.5", f"private[{at}]", "web", index=at,
                            config_={"count_expression": {"constant_value": 2}}))  # fmt: skip
        made[-1].values["subnet_id"] = Ref(f"aws_subnet.private[{at}].id", ("aws_subnet.private", "count.index"))
        made.append(res("aws_lb_target_group_attachment", "web", index=at, port=8080,
                        target_group_arn=Ref("aws_lb_target_group.web.arn"),
                        target_id=Ref(f"aws_instance.web[{at}].id", ("aws_instance.web", "count.index")),
                        config_={"count_expression": {"constant_value": 2}}))  # fmt: skip
    return made
