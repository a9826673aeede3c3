"""What holds interfaces and can be selected: databases, functions, ECS services, endpoints; and what is only named.

Databases and functions do not name their interfaces; these are recognised by description or type, subnets and groups.
Several databases alike in all of that share the answer: each then holds all of those interfaces.
Source: Amazon RDS and AWS Lambda guides (*network interfaces*), ECS API Reference (*Attachment*).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from doorward.model.estate import Holder, Interface, RouteTable, Vpc
from doorward.readers.aws.context import Context, tags_of

_RDS = "RDSNetworkInterface"


class Lookup:
    """Interfaces by their exact set of groups."""

    def __init__(self, interfaces: Mapping[str, Interface]) -> None:
        self.by_groups: defaultdict[tuple[str, ...], list[Interface]] = defaultdict(list)
        for one in interfaces.values():
            if one.instance is None:
                self.by_groups[one.groups].append(one)

    def find(
        self, groups: Iterable[str | None], subnets: Collection[str | None], fits: Callable[[Interface], bool]
    ) -> tuple[str, ...]:
        """Ids of the interfaces with exactly these groups, in one of these subnets, that fit."""
        wanted = tuple(sorted({one for one in groups if one}))
        return tuple(one.id for one in self.by_groups.get(wanted, ()) if one.subnet in subnets and fits(one))


def read_holders(context: Context, interfaces: Mapping[str, Interface]) -> dict[str, Holder]:
    """Holders other than instances, by ARN, or by id where there is no ARN."""
    found: dict[str, Holder] = {}
    if not context.has("DBInstances", "DBClusters", "Functions", "tasks", "services", "VpcEndpoints"):
        return found
    lookup = Lookup(interfaces)
    _databases(context, lookup, found)
    for _, item in context.each("functions"):
        config = item.vpc_config
        if config is not None and config.subnet_ids:
            own = lookup.find(
                config.security_group_ids or (), config.subnet_ids,
                lambda one: one.kind == "lambda" or one.description.startswith("AWS Lambda VPC ENI"),
            )  # fmt: skip
            id = item.function_arn or item.function_name
            found[id] = Holder(id, "lambda", own, item.function_name)
    _ecs(context, interfaces, lookup, found)
    for _, item in context.each("vpc_endpoints"):
        if item.network_interface_ids:
            own = tuple(one for one in item.network_interface_ids if one in interfaces)
            name, tags = tags_of(item.tags)
            found[item.vpc_endpoint_id] = Holder(
                item.vpc_endpoint_id, "endpoint", own, name or item.service_name or "", tags
            )
    return found


def _databases(context: Context, lookup: Lookup, found: dict[str, Holder]) -> None:
    by_instance: dict[str, tuple[str, ...]] = {}
    alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for _, item in context.each("db_instances"):
        subnets = {one.subnet_identifier for one in (item.subnet_group.subnets or () if item.subnet_group else ())}
        own = lookup.find(
            (one.vpc_security_group_id for one in item.vpc_security_groups or ()), subnets,
            lambda one: one.description == _RDS,
        )  # fmt: skip
        id = item.arn or item.id
        by_instance[item.id] = own
        if own:
            alike[own].append(item.id)
        found[id] = Holder(id, "db", own, item.id, tags_of(item.tag_list)[1])
    for _, item in context.each("db_clusters"):
        members = [by_instance.get(one.id or "", ()) for one in item.members or ()]
        id = item.arn or item.id
        own = tuple(dict.fromkeys(interface for member in members for interface in member))
        found[id] = Holder(id, "db", own, item.id, tags_of(item.tag_list)[1])
    for own, names in alike.items():
        if len(own) > 1 and len(names) > 1:
            context.notice(
                ", ".join(names), "databases alike in groups and subnets: their interfaces cannot be told apart, each "
                "is taken to hold all of them",
            )  # fmt: skip


def _ecs(context: Context, interfaces: Mapping[str, Interface], lookup: Lookup, found: dict[str, Holder]) -> None:
    by_service: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for _, task in context.each("tasks"):
        own = [
            detail.value
            for attachment in task.attachments or ()
            for detail in attachment.details or ()
            if detail.name == "networkInterfaceId" and detail.value in interfaces
        ]
        if task.group and task.group.startswith("service:"):
            by_service[task.cluster_arn or "", task.group.removeprefix("service:")] += own
        elif own:
            found[task.task_arn] = Holder(task.task_arn, "ecs", tuple(own), task.task_arn.rpartition("/")[2])
    for _, item in context.each("services"):
        name = item.service_name or item.service_arn.rpartition("/")[2]
        listed = by_service.pop((item.cluster_arn or "", name), None)
        network = item.network_configuration.awsvpc_configuration if item.network_configuration else None
        if listed is None and network is not None and not context.has("tasks"):
            listed = list(
                lookup.find(
                    network.security_groups or (),
                    network.subnets or (),
                    lambda one: one.description.startswith("arn:") and ":ecs:" in one.description,
                )
            )
        found[item.service_arn] = Holder(item.service_arn, "ecs", tuple(listed or ()), name)
    for (cluster, name), listed in by_service.items():
        id = f"{cluster}/{name}" if cluster else name
        found[id] = Holder(id, "ecs", tuple(listed), name)


def name_hidden(context: Context, vpcs: Mapping[str, Vpc], tables: Mapping[str, RouteTable]) -> None:
    """Notices for what could stop traffic and is not looked into.

    A network firewall or gateway load balancer sees only what routes lead into its endpoints; those routes are
    "unmodelled" already. Where a VPC's routes were not read it could stand anywhere.
    """
    routed = {table.vpc for table in tables.values()}
    for answer in context.answers:
        firewall = answer.top.firewall
        if firewall is not None:
            name = firewall.firewall_name or firewall.firewall_arn or "network firewall"
            context.notice(
                firewall.firewall_arn or name, f"network firewall {name}: not looked into; what is routed through it "
                "is neither taken to pass nor to be stopped", firewall.vpc_id, firewall.vpc_id not in routed,
            )  # fmt: skip
        options = answer.top.vpc_block_public_access_options
        mode = options.internet_gateway_block_mode if options is not None else None
        if options is not None and mode not in (None, "off"):
            region = options.aws_region or answer.region
            for vpc in vpcs.values():
                if region is None or vpc.region is None or vpc.region == region:
                    context.notice(
                        "VpcBlockPublicAccessOptions", f"block public access is {mode} in {region or 'this region'}: "
                        f"its exclusions are not looked into, so traffic of {vpc.id} with the internet may be blocked",
                        vpc.id, True,
                    )  # fmt: skip
    described = {answer.top.firewall.firewall_arn for answer in context.answers if answer.top.firewall is not None}
    for _, item in context.each("firewalls"):
        if item.firewall_arn not in described:
            context.notice(
                item.firewall_arn or item.firewall_name or "network firewall",
                f"network firewall {item.firewall_name}: not looked into, and its VPC is not in the input; what is "
                "routed into its endpoints is not known to pass",
                None, not tables,
            )  # fmt: skip
    for _, item in context.each("vpc_endpoints"):
        if item.vpc_endpoint_type == "GatewayLoadBalancer":
            context.notice(
                item.vpc_endpoint_id, "gateway load balancer endpoint: what is routed into it is not looked into",
                item.vpc_id, item.vpc_id not in routed,
            )  # fmt: skip
