"""Everything of a plan that is not a rule: VPCs, subnets, routes, ACLs, interfaces, balancers, holders."""

from __future__ import annotations

from typing import Any

from doorward.model.addresses import V4_ALL, parse_address, parse_network
from doorward.model.estate import Target
from doorward.model.intervals import Intervals
from doorward.model.rules import GroupPeer
from doorward.model.services import rule_span
from doorward.readers.terraform.families.interfaces import NO_ADDRESS
from tests.readers.terraform.maker import Maker, ref

SUBNET = parse_network("10.0.1.0/24")


def network() -> Maker:
    """A new VPC with one subnet."""
    make = Maker().create("aws_vpc.main", {"cidr_block": "10.0.0.0/16"}, {}, {"cidr_block": "10.0.0.0/16"})
    return make.create(
        "aws_subnet.a",
        {"cidr_block": "10.0.1.0/24", "map_public_ip_on_launch": False},
        {"vpc_id": True},
        {"cidr_block": "10.0.1.0/24", "vpc_id": ref("aws_vpc.main.id")},
    )


def inside(make: Maker, address: str, values: dict[str, Any] | None = None, **config: Any) -> Maker:
    """A resource in that VPC."""
    given = {"vpc_id": ref("aws_vpc.main.id"), **config}
    unknown = {name: True for name, one in given.items() if isinstance(one, dict) and "references" in one}
    return make.create(address, values or {}, unknown, given)


def test_new_vpc_comes_with_main_table_open_acl_and_default_group() -> None:
    """What AWS makes with a VPC is known, though no plan shows it (VPC User Guide, Default VPC components)."""
    after = network().read().after
    subnet = after.subnets["aws_subnet.a"]
    table, acl = after.route_tables[subnet.route_table or ""], after.acls[subnet.acl or ""]
    assert ("aws_vpc.main", (SUBNET,)) == (subnet.vpc, subnet.cidrs)
    assert [("local", parse_network("10.0.0.0/16"))] == [(one.kind, one.destination) for one in table.routes]
    assert table.main
    assert {True} == {one.allow for one in acl.entries}
    assert {GroupPeer("aws_vpc.main.default_security_group_id"), V4_ALL} <= {
        one.peer for one in after.groups["aws_vpc.main.default_security_group_id"].rules
    }


def test_gateway_route_and_association() -> None:
    """Internet gateway, inline and standalone routes, and the subnet that uses the table."""
    make = inside(network(), "aws_internet_gateway.gw")
    inside(
        make,
        "aws_route_table.public",
        {"route": [{"cidr_block": "0.0.0.0/0"}]},
    )
    make.changes[-1]["change"]["after_unknown"]["route"] = [{"gateway_id": True}]
    make.root["resources"][-1]["expressions"]["route"] = [
        {"cidr_block": {"constant_value": "0.0.0.0/0"}, "gateway_id": ref("aws_internet_gateway.gw.id")}
    ]
    make.create(
        "aws_route.six",
        {"destination_ipv6_cidr_block": "::/0"},
        {"route_table_id": True, "gateway_id": True},
        {"route_table_id": ref("aws_route_table.public.id"), "gateway_id": ref("aws_internet_gateway.gw.id")},
    )
    make.create(
        "aws_route_table_association.a",
        {},
        {"subnet_id": True, "route_table_id": True},
        {"subnet_id": ref("aws_subnet.a.id"), "route_table_id": ref("aws_route_table.public.id")},
    )
    after = make.read().after
    assert ("aws_internet_gateway.gw",) == after.vpcs["aws_vpc.main"].internet_gateways
    assert "aws_route_table.public" == after.subnets["aws_subnet.a"].route_table
    assert {
        (parse_network("10.0.0.0/16"), "local", "local", True),
        (V4_ALL, "internet-gateway", "aws_internet_gateway.gw", True),
        (parse_network("::/0"), "internet-gateway", "aws_internet_gateway.gw", True),
    } == {
        (one.destination, one.kind, one.target, one.certain)
        for one in after.route_tables["aws_route_table.public"].routes
    }


def test_route_targets() -> None:
    """Each target attribute of aws_route."""
    targets = {
        "nat_gateway_id": ("nat-1", "nat-gateway"),
        "vpc_peering_connection_id": ("pcx-1", "peering"),
        "transit_gateway_id": ("tgw-1", "transit-gateway"),
        "egress_only_gateway_id": ("eigw-1", "egress-only-gateway"),
        "vpc_endpoint_id": ("vpce-1", "endpoint"),
        "network_interface_id": ("eni-1", "unmodelled"),
        "carrier_gateway_id": ("cagw-1", "unmodelled"),
        "gateway_id": ("vgw-1", "unmodelled"),
        "core_network_arn": ("arn:x", "unmodelled"),
    }
    make = Maker()
    for number, (name, (id, _)) in enumerate(targets.items()):
        values = {
            "id": f"r-{number}",
            "route_table_id": "rtb-1",
            "destination_cidr_block": f"10.{number}.0.0/16",
            name: id,
        }
        make.existing(f"aws_route.r{number}", values)
    routes = [one for one in make.read().before.route_tables["rtb-1"].routes if one.certain]
    assert sorted(targets.values()) == sorted((one.target, one.kind) for one in routes)


def test_removed_standalone_route_leaves_the_mirror_of_its_table() -> None:
    """A table's computed routes repeat aws_route resources and are stale in the plan that removes one."""
    make = Maker().existing(
        "aws_route_table.t",
        {"id": "rtb-1", "vpc_id": "vpc-1", "route": [{"cidr_block": "0.0.0.0/0", "gateway_id": "igw-1"}]},
        {"vpc_id": "vpc-1"},
    )
    make.delete(
        "aws_route.out",
        {"id": "r", "route_table_id": "rtb-1", "destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-1"},
    )
    plan = make.read()
    assert [V4_ALL] == [one.destination for one in plan.before.route_tables["rtb-1"].routes]
    assert () == plan.after.route_tables["rtb-1"].routes


def test_acl_with_entries_and_association() -> None:
    """Inline entries, standalone entries (also ICMP) and the subnets of an ACL."""
    make = inside(
        network(),
        "aws_network_acl.a",
        {
            "ingress": [
                {
                    "rule_no": 100,
                    "action": "allow",
                    "protocol": "tcp",
                    "from_port": 443,
                    "to_port": 443,
                    "cidr_block": "0.0.0.0/0",
                    "icmp_type": 0,
                    "icmp_code": 0,
                }
            ],
            "egress": [],
        },
        subnet_ids=ref("aws_subnet.a.id"),
    )
    make.create(
        "aws_network_acl_rule.ping",
        {
            "rule_number": 90,
            "egress": True,
            "protocol": "icmp",
            "rule_action": "deny",
            "ipv6_cidr_block": None,
            "cidr_block": "10.0.0.0/8",
            "icmp_type": 8,
            "icmp_code": -1,
        },
        {"network_acl_id": True},
        {"network_acl_id": ref("aws_network_acl.a.id")},
    )
    after = make.read().after
    assert "aws_network_acl.a" == after.subnets["aws_subnet.a"].acl
    assert {
        (100, False, True, rule_span("tcp", 443, 443), V4_ALL),
        (90, True, False, rule_span("icmp", 8, -1), parse_network("10.0.0.0/8")),
    } == {(one.number, one.egress, one.allow, one.service, one.cidr) for one in after.acls["aws_network_acl.a"].entries}


def test_peering_nat_and_prefix_list() -> None:
    """A peering with its accepter, a NAT gateway with its address, a prefix list with entries."""
    make = network()
    make.create("aws_vpc.other", {"cidr_block": "10.1.0.0/16"}, {}, {})
    make.create(
        "aws_vpc_peering_connection.p",
        {"auto_accept": True},
        {"vpc_id": True, "peer_vpc_id": True, "accept_status": True},
        {"vpc_id": ref("aws_vpc.main.id"), "peer_vpc_id": ref("aws_vpc.other.id")},
    )
    make.existing("aws_eip.nat", {"id": "eipalloc-1", "public_ip": "203.0.113.9"})
    make.existing("aws_nat_gateway.n", {"id": "nat-1", "subnet_id": "subnet-1", "allocation_id": "eipalloc-1"})
    make.create(
        "aws_ec2_managed_prefix_list.p",
        {"name": "p", "entry": [{"cidr": "10.5.0.0/16"}], "max_entries": 5},
        {},
        {"entry": [{"cidr": "10.5.0.0/16"}]},
    )
    make.create(
        "aws_ec2_managed_prefix_list_entry.e",
        {"cidr": "10.6.0.0/16"},
        {"prefix_list_id": True},
        {"prefix_list_id": ref("aws_ec2_managed_prefix_list.p.id")},
    )
    after = make.read().after
    peering = after.peerings["aws_vpc_peering_connection.p"]
    assert (("aws_vpc.main", "aws_vpc.other"), True) == (peering.vpcs, peering.active)
    assert ((parse_network("10.0.0.0/16"),), (parse_network("10.1.0.0/16"),)) == peering.cidrs
    assert (parse_address("203.0.113.9"),) == after.nat_gateways["nat-1"].public
    cidrs = Intervals([parse_network("10.5.0.0/16"), parse_network("10.6.0.0/16")])
    assert cidrs == after.prefix_lists["aws_ec2_managed_prefix_list.p"].cidrs


def test_new_instance_lies_somewhere_in_its_subnet() -> None:
    """An address that is not known yet is the subnet's range; the default group where none is given."""
    make = network().create(
        "aws_instance.web",
        {"associate_public_ip_address": True},
        {"subnet_id": True, "vpc_security_group_ids": True, "private_ip": True},
        {"subnet_id": ref("aws_subnet.a.id")},
    )
    after = make.read().after
    web = after.interfaces["aws_instance.web"]
    assert ((), (SUBNET,)) == (web.addresses, web.wide)
    assert ("aws_vpc.main.default_security_group_id",) == web.groups
    assert ((NO_ADDRESS,), None) == (web.public, web.public_unknown)
    assert ("aws_instance.web",) == after.holders["aws_instance.web"].interfaces
    assert "aws_vpc.main" == web.vpc


def test_subnet_decides_on_public_addresses() -> None:
    """Without a wish of its own an instance follows its subnet; where nothing tells, it cannot be known."""
    make = network().create("aws_instance.a", {}, {"subnet_id": True}, {"subnet_id": ref("aws_subnet.a.id")})
    make.create("aws_instance.b", {"subnet_id": "subnet-9"}, {}, {"subnet_id": "subnet-9"})
    after = make.read().after
    assert ((), None) == (after.interfaces["aws_instance.a"].public, after.interfaces["aws_instance.a"].public_unknown)
    assert after.interfaces["aws_instance.b"].public_unknown


def test_existing_instance_with_known_addresses() -> None:
    """Ids, private and public addresses of what exists are taken as they are."""
    values = {
        "id": "i-1",
        "primary_network_interface_id": "eni-1",
        "private_ip": "10.0.0.5",
        "public_ip": "203.0.113.5",
        "subnet_id": "subnet-1",
        "vpc_security_group_ids": ["sg-1"],
        "ipv6_addresses": ["2001:db8::5"],
    }
    web = Maker().existing("aws_instance.web", values).read().before.interfaces["eni-1"]
    private, six = parse_address("10.0.0.5"), parse_address("2001:db8::5")
    assert (((private, private), (six, six)), ((private, parse_address("203.0.113.5")),)) == (web.addresses, web.public)
    assert ("i-1", ("sg-1",), ()) == (web.instance, web.groups, web.wide)


def test_membership_changes_are_steps() -> None:
    """An instance that changes groups, and an attachment that adds one, are steps on membership."""
    values = {
        "id": "i-1",
        "primary_network_interface_id": "eni-1",
        "subnet_id": "subnet-1",
        "vpc_security_group_ids": ["sg-1"],
    }
    make = Maker().update("aws_instance.web", values, {"vpc_security_group_ids": ["sg-2"]})
    make.create("aws_network_interface_sg_attachment.x", {"network_interface_id": "eni-1", "security_group_id": "sg-3"})
    plan = make.read()
    assert ("sg-1",) == plan.before.interfaces["eni-1"].groups
    assert ("sg-2", "sg-3") == plan.after.interfaces["eni-1"].groups
    notes = {one.id: one.note for one in plan.steps}
    assert {"aws_instance.web", "aws_network_interface_sg_attachment.x"} == set(notes)
    assert "leaves sg-1" in notes["aws_instance.web"]
    assert "joins sg-2" in notes["aws_instance.web"]


def test_network_interface_of_an_instance_and_elastic_address() -> None:
    """An instance with a network_interface block holds that interface; an elastic address gives it a public one."""
    make = network()
    make.create(
        "aws_network_interface.n",
        {"private_ips": ["10.0.1.9"]},
        {"subnet_id": True},
        {
            "private_ips": ["10.0.1.9"],
            "subnet_id": ref("aws_subnet.a.id"),
            "security_groups": ref("aws_security_group.s.id"),
        },
    )
    make.changes[-1]["change"]["after_unknown"]["security_groups"] = True
    make.create("aws_security_group.s", {"name": "s"}, {"ingress": True}, {"name": "s"})
    make.create(
        "aws_instance.web",
        {"network_interface": [{"device_index": 0}]},
        {"network_interface": [{"network_interface_id": True}]},
        {"network_interface": [{"device_index": 0, "network_interface_id": ref("aws_network_interface.n.id")}]},
    )
    make.create(
        "aws_eip.e",
        {},
        {"public_ip": True, "network_interface": True},
        {"network_interface": ref("aws_network_interface.n.id")},
    )
    after = make.read().after
    found = after.interfaces["aws_network_interface.n"]
    assert ["aws_network_interface.n"] == list(after.interfaces)
    assert ("aws_instance.web", ("aws_security_group.s",)) == (found.instance, found.groups)
    assert (None, 1, 1) == (found.public_unknown, len(found.public), len(found.wide))  # certain, with any value


def test_scaling_group_stands_for_its_instances() -> None:
    """One interface a subnet, in the groups of the launch template, registered where the group registers."""
    make = network()
    make.create("aws_security_group.s", {"name": "s"}, {"ingress": True}, {"name": "s"})
    make.create(
        "aws_launch_template.t",
        {"name": "t"},
        {"vpc_security_group_ids": True},
        {"vpc_security_group_ids": ref("aws_security_group.s.id")},
    )
    make.create("aws_lb_target_group.g", {"name": "g", "port": 8080, "protocol": "HTTP"}, {"arn": True}, {})
    make.create(
        "aws_autoscaling_group.web",
        {"name": "web", "max_size": 3, "launch_template": [{"version": "1"}]},
        {"vpc_zone_identifier": True, "launch_template": [{"id": True}], "target_group_arns": True},
        {
            "vpc_zone_identifier": ref("aws_subnet.a.id"),
            "target_group_arns": ref("aws_lb_target_group.g.arn"),
            "launch_template": [{"id": ref("aws_launch_template.t.id")}],
        },
    )
    after = make.read().after
    own = "aws_autoscaling_group.web/aws_subnet.a"
    assert (("aws_security_group.s",), (SUBNET,)) == (after.interfaces[own].groups, after.interfaces[own].wide)
    assert (Target(own, 8080),) == after.target_groups["aws_lb_target_group.g"].targets


def balancer(kind: str, **more: Any) -> Maker:
    """A plan with a load balancer, a listener and a target group."""
    make = network()
    make.create("aws_security_group.s", {"name": "s"}, {"ingress": True}, {"name": "s"})
    config: dict[str, Any] = {"subnets": ref("aws_subnet.a.id"), "load_balancer_type": kind}
    unknown: dict[str, Any] = {"subnets": True, "arn": True, "security_groups": True, "vpc_id": True}
    if kind == "application":
        config["security_groups"] = ref("aws_security_group.s.id")
    make.create("aws_lb.web", {"name": "web", "load_balancer_type": kind, "internal": False, **more}, unknown, config)
    make.create(
        "aws_lb_target_group.g",
        {"name": "g", "port": 8080, "protocol": "HTTP", "health_check": [{"port": "9000", "enabled": True}]},
        {"arn": True, "vpc_id": True},
        {"vpc_id": ref("aws_vpc.main.id")},
    )
    make.create(
        "aws_lb_listener.l",
        {"port": 443, "protocol": "HTTPS", "default_action": [{"type": "forward"}]},
        {"load_balancer_arn": True, "default_action": [{"target_group_arn": True}]},
        {
            "load_balancer_arn": ref("aws_lb.web.arn"),
            "default_action": [{"type": "forward", "target_group_arn": ref("aws_lb_target_group.g.arn")}],
        },
    )
    return make


def test_application_balancer() -> None:
    """Interfaces in each subnet with a public address, the listener, the target group and what is registered."""
    make = balancer("application")
    make.create(
        "aws_lb_target_group_attachment.a",
        {"target_id": "i-1", "port": 8081},
        {"target_group_arn": True},
        {"target_group_arn": ref("aws_lb_target_group.g.arn")},
    )
    after = make.read().after
    web = after.load_balancers["aws_lb.web"]
    assert ("web", "application", True, "aws_vpc.main") == (web.name, web.kind, web.internet_facing, web.vpc)
    (one,) = web.interfaces
    interface = after.interfaces[one]
    assert (("aws_security_group.s",), (SUBNET,), (NO_ADDRESS,)) == (interface.groups, interface.wide, interface.public)
    assert [((rule_span("tcp", 443, 443),), ("aws_lb_target_group.g",))] == [
        (each.service, each.target_groups) for each in web.listeners or ()
    ]
    behind = after.target_groups["aws_lb_target_group.g"]
    assert ((Target("i-1", 8081),), 9000) == (behind.targets, behind.health_port)


def test_network_balancer_without_groups_is_not_filtered() -> None:
    """A network load balancer without groups lets every client pass: no default group is put on it."""
    after = balancer("network").read().after
    (one,) = after.load_balancers["aws_lb.web"].interfaces
    interface = after.interfaces[one]
    assert ((), None, "network_load_balancer") == (interface.groups, interface.groups_unknown, interface.kind)


def test_internal_balancer_has_no_public_address() -> None:
    """``internal`` balancers are private for certain."""
    after = balancer("application", internal=True).read().after
    (one,) = after.load_balancers["aws_lb.web"].interfaces
    assert ((), None) == (after.interfaces[one].public, after.interfaces[one].public_unknown)


def test_classic_balancer() -> None:
    """aws_elb: a listener with a target group of its own, the health check's port."""
    make = network().create(
        "aws_elb.c",
        {
            "name": "c",
            "internal": True,
            "instances": ["i-1"],
            "health_check": [{"target": "HTTP:8080/health"}],
            "listener": [{"lb_port": 80, "lb_protocol": "http", "instance_port": 8000, "instance_protocol": "http"}],
        },
        {"subnets": True, "security_groups": True},
        {"subnets": ref("aws_subnet.a.id")},
    )
    after = make.read().after
    (listener,) = after.load_balancers["c"].listeners or ()
    group = after.target_groups[listener.target_groups[0]]
    assert ((rule_span("tcp", 80, 80),), (Target("i-1", 8000),), 8080) == (
        listener.service,
        group.targets,
        group.health_port,
    )


def test_holders() -> None:
    """Databases, functions, services and endpoints hold one interface a subnet."""
    make = network()
    subnets = {"subnet_ids": ref("aws_subnet.a.id")}
    make.create("aws_db_subnet_group.d", {"name": "d"}, {"subnet_ids": True}, subnets)
    make.create(
        "aws_db_instance.db",
        {"identifier": "db", "publicly_accessible": False, "vpc_security_group_ids": ["sg-1"]},
        {"db_subnet_group_name": True, "arn": True},
        {"db_subnet_group_name": ref("aws_db_subnet_group.d.id"), "vpc_security_group_ids": ["sg-1"]},
    )
    make.create(
        "aws_lambda_function.f",
        {"function_name": "f", "vpc_config": [{"security_group_ids": ["sg-1"]}]},
        {"vpc_config": [{"subnet_ids": True}], "arn": True},
        {"vpc_config": [{**subnets, "security_group_ids": ["sg-1"]}]},
    )
    make.create(
        "aws_ecs_service.s",
        {"name": "s", "network_configuration": [{"security_groups": ["sg-1"], "assign_public_ip": True}]},
        {"network_configuration": [{"subnets": True}]},
        {"network_configuration": [{"subnets": ref("aws_subnet.a.id"), "security_groups": ["sg-1"]}]},
    )
    make.create(
        "aws_vpc_endpoint.e",
        {"vpc_endpoint_type": "Interface", "security_group_ids": ["sg-1"]},
        {"subnet_ids": True, "vpc_id": True},
        {**subnets, "vpc_id": ref("aws_vpc.main.id"), "security_group_ids": ["sg-1"]},
    )
    after = make.read().after
    for address, kind in (
        ("aws_db_instance.db", "db"),
        ("aws_lambda_function.f", "lambda"),
        ("aws_ecs_service.s", "ecs"),
        ("aws_vpc_endpoint.e", "endpoint"),
    ):
        holder = after.holders[address]
        assert (kind, (f"{address}/aws_subnet.a",)) == (holder.kind, holder.interfaces)
        assert ("sg-1",) == after.interfaces[holder.interfaces[0]].groups
    assert (NO_ADDRESS,) == after.interfaces["aws_ecs_service.s/aws_subnet.a"].public
    assert () == after.interfaces["aws_db_instance.db/aws_subnet.a"].public


def test_transit_gateway() -> None:
    """Attachments, the default table with propagated routes, static routes and blackholes."""
    make = network()
    make.create(
        "aws_ec2_transit_gateway.t",
        {"security_group_referencing_support": "enable"},
        {"association_default_route_table_id": True, "propagation_default_route_table_id": True},
        {},
    )
    make.create(
        "aws_ec2_transit_gateway_vpc_attachment.a",
        {"security_group_referencing_support": "enable"},
        {"transit_gateway_id": True, "vpc_id": True, "subnet_ids": True},
        {
            "transit_gateway_id": ref("aws_ec2_transit_gateway.t.id"),
            "vpc_id": ref("aws_vpc.main.id"),
            "subnet_ids": ref("aws_subnet.a.id"),
        },
    )
    make.create(
        "aws_ec2_transit_gateway_route.r",
        {"destination_cidr_block": "10.9.0.0/16", "blackhole": True},
        {"transit_gateway_route_table_id": True},
        {"transit_gateway_route_table_id": ref("aws_ec2_transit_gateway.t.association_default_route_table_id")},
    )
    gateway = make.read().after.transit_gateways["aws_ec2_transit_gateway.t"]
    (attachment,) = gateway.attachments
    assert ("aws_vpc.main", True, True) == (
        attachment.resource,
        attachment.group_referencing,
        gateway.group_referencing,
    )
    assert {
        (parse_network("10.0.0.0/16"), attachment.id, True),
        (parse_network("10.9.0.0/16"), None, False),
    } == {tuple(one) for one in gateway.tables[attachment.route_table or ""]}


def test_unmodelled_filters_are_named_where_they_matter() -> None:
    """A network firewall could block in its VPC; other clouds are named once; what is irrelevant is silent."""
    make = inside(network(), "aws_networkfirewall_firewall.f", {"name": "f"})
    make.create("azurerm_network_security_rule.r", {"name": "r"})
    make.create("google_compute_firewall.r", {"name": "r"})
    make.create("aws_s3_bucket.b", {"bucket": "b"})
    make.create("random_id.r", {})
    make.create("aws_elasticache_cluster.c", {})
    notices = {(one.resource, one.vpc, one.could_block) for one in make.read().notices}
    assert {
        ("aws_networkfirewall_firewall.f", "aws_vpc.main", True),
        ("azurerm_network_security_rule.r", None, False),
        ("google_compute_firewall.r", None, False),
        ("aws_elasticache_cluster.c", None, False),
    } == notices


def test_plan_alone_does_not_know_the_gateway_of_a_vpc_it_does_not_hold() -> None:
    """Without a snapshot a foreign VPC may have an internet gateway: upper yes, lower blocked, and it is named."""
    plan = Maker().existing("aws_security_group.a", {"id": "sg-1", "name": "a", "vpc_id": "vpc-9"}).read()
    assert plan.after.vpcs["vpc-9"].maybe_internet_gateways
    assert () == plan.after.vpcs["vpc-9"].internet_gateways
    assert ("vpc-9", False) in {(one.vpc, one.could_block) for one in plan.notices}
    assert not plan.before.complete and not plan.after.complete
