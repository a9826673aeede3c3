"""Load balancers' interfaces, and the health of what stands behind them.

An Application Load Balancer has an interface per subnet, `ELB app/NAME/ID`, in its groups; a Network Load Balancer one
of type `network_load_balancer`, with the static addresses that were asked for, in groups only if it was made with some
(Elastic Load Balancing guides: "Security groups for your Application/Network Load Balancer"; EC2 User Guide,
"Requester-managed network interfaces"). moto makes none, and its targets are always healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doorward_lab.cloud import addresses, interfaces
from doorward_lab.cloud.turn import Target, Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError

SERVICE = "elasticloadbalancing"

_KINDS = {
    "application": ("app", "interface"),
    "network": ("net", "network_load_balancer"),
    "gateway": ("gwy", "gateway_load_balancer"),
}


def interfaces_of(ec2: Any, balancer: Any) -> dict[str, Any]:
    """A balancer's interfaces, by subnet."""
    name = _description(balancer)
    return {one.subnet.id: one for one in ec2.enis.values() if one.requester_managed and one.description == name}


def _description(balancer: Any) -> str:
    return f"ELB {balancer.arn.partition(':loadbalancer/')[2]}"


def _find(turn: Turn) -> Any:
    arn = turn.params.get("LoadBalancerArn")
    found = turn.elbv2.load_balancers.get(arn)
    if found is None:
        raise ApiError("LoadBalancerNotFound", f"One or more load balancers not found: {arn}")
    return found


def _groups(turn: Turn, ids: Sequence[str], vpc: str) -> list[Any]:
    found = []
    for id in dict.fromkeys(ids):
        one = turn.ec2.get_security_group_from_id(id)
        if one is None:
            raise ApiError("InvalidSecurityGroup", f"Security group {id} does not exist")
        if one.vpc_id != vpc and vpc not in getattr(one, "lab_vpcs", ()):
            raise ApiError("InvalidConfigurationRequest", f"Security group '{id}' does not belong to VPC '{vpc}'")
        found.append(one)
    return found


def _mappings(turn: Turn) -> dict[str, Mapping[str, Any]]:
    listed = [{"SubnetId": id} for id in turn.params.get("Subnets") or ()]
    return {str(one["SubnetId"]): one for one in listed or turn.params.get("SubnetMappings") or ()}


def _subnets(turn: Turn, kind: str) -> dict[str, Any]:
    found = {}
    for id in _mappings(turn):
        subnet = next((zone[id] for zone in turn.ec2.subnets.values() if id in zone), None)
        if subnet is None:
            raise ApiError("SubnetNotFound", f"The subnet ID '{id}' does not exist")
        found[id] = subnet
    zones = [one.availability_zone for one in found.values()]
    if len(set(zones)) != len(zones):
        text = "A load balancer cannot be attached to multiple subnets in the same Availability Zone"
        raise ApiError("InvalidConfigurationRequest", text)
    if kind == "application" and len(zones) < 2:
        text = "At least two subnets in two different Availability Zones must be specified"
        raise ApiError("ValidationError", text)
    return found


@corrects("CreateLoadBalancer", service=SERVICE)
def create(turn: Turn) -> Answer:
    """ELB API Reference, CreateLoadBalancer. moto gives every kind an ARN of an Application Load Balancer."""
    params, elb = turn.params, turn.elbv2
    kind = params.get("Type") or "application"
    subnets = _subnets(turn, kind)
    vpc = next((one.vpc_id for one in subnets.values()), "")
    ids = list(params.get("SecurityGroups") or ())
    groups = _groups(turn, ids, vpc)
    if any(one.name == params.get("Name") for one in elb.load_balancers.values()):
        text = f"A load balancer with the same name '{params.get('Name')}' exists, but with different settings"
        raise ApiError("DuplicateLoadBalancerName", text)
    before = set(elb.load_balancers)
    turn.done(Scheme=params.get("Scheme") or "internet-facing", Type=kind)
    arn = next(one for one in elb.load_balancers if one not in before)
    made = elb.load_balancers[arn]
    word, _ = _KINDS[kind]
    if word != "app":
        made.arn = arn.replace(":loadbalancer/app/", f":loadbalancer/{word}/")
        elb.load_balancers[made.arn] = elb.load_balancers.pop(arn)
        elb.tagging_service.copy_tags(arn, made.arn)
        elb.tagging_service.delete_all_tags_for_resource(arn)
    if not groups and kind == "application":
        default = turn.ec2.get_default_security_group(vpc)
        groups = [default] if default is not None else []
    made.security_groups = [one.id for one in groups]
    try:
        follow(turn, made, _mappings(turn))
    except ApiError:
        remove(turn, made)
        elb.load_balancers.pop(made.arn)
        raise
    return turn.answer_with({"LoadBalancers": [made]})


@corrects("SetSecurityGroups", service=SERVICE)
def set_groups(turn: Turn) -> Answer:
    """Groups replace those of every interface. A Network Load Balancer made without groups never gets any."""
    balancer = _find(turn)
    groups = _groups(turn, turn.params.get("SecurityGroups") or [], balancer.vpc_id)
    if balancer.type == "gateway" or (balancer.type == "network" and not balancer.security_groups):
        text = "Security groups cannot be set for a load balancer that was created without any."
        raise ApiError("InvalidConfigurationRequest", text)
    answer = turn.done()
    balancer.security_groups = [one.id for one in groups]
    follow(turn, balancer, {})
    return answer


@corrects("SetSubnets", service=SERVICE)
def set_subnets(turn: Turn) -> Answer:
    """Interfaces come and go with the subnets (ELB API Reference, SetSubnets)."""
    balancer = _find(turn)
    subnets = _subnets(turn, balancer.type)
    balancer.subnets = list(subnets.values())
    follow(turn, balancer, _mappings(turn))
    return turn.answer_with({"AvailabilityZones": balancer.availability_zones})


@corrects("SetIpAddressType", service=SERVICE)
def set_address_type(turn: Turn) -> Answer:
    """`dualstack` needs IPv6 in every subnet, and gives every interface an IPv6 address."""
    balancer = _find(turn)
    answer = turn.done()
    follow(turn, balancer, {})
    return answer


@corrects("DeleteLoadBalancer", service=SERVICE)
def delete(turn: Turn) -> Answer:
    """Its interfaces and its public addresses go with it (ELB API Reference, DeleteLoadBalancer)."""
    balancer = turn.elbv2.load_balancers.get(turn.params.get("LoadBalancerArn"))
    if balancer is not None and balancer.attrs.get("deletion_protection.enabled") == "true":
        text = f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled"
        raise ApiError("OperationNotPermitted", text)
    answer = turn.done()
    if balancer is not None:
        remove(turn, balancer)
    return answer


def remove(turn: Turn, balancer: Any) -> None:
    """Remove all interfaces of a balancer."""
    for one in interfaces_of(turn.ec2, balancer).values():
        interfaces.release(turn.ec2, one)


def follow(turn: Turn, balancer: Any, mappings: Mapping[str, Mapping[str, Any]]) -> None:
    """Make a balancer's interfaces what its subnets, groups and address type ask for."""
    ec2 = turn.ec2
    have = interfaces_of(ec2, balancer)
    wanted = {one.id: one for one in balancer.subnets}
    groups = [ec2.get_security_group_from_id(id) for id in balancer.security_groups]
    for id, one in have.items():
        if id not in wanted:
            interfaces.release(ec2, one)
    for id, subnet in wanted.items():
        one = have.get(id) or _made(turn, balancer, subnet, mappings.get(id, {}))
        one._group_set = list(groups)
        six = balancer.ip_address_type.startswith("dualstack") and addresses.subnet_ipv6(subnet)
        if six and not one.ipv6_addresses:
            one.ipv6_addresses = [interfaces.choose_ipv6(ec2, subnet, mappings.get(id, {}).get("IPv6Address"))]
        elif not six:
            one.ipv6_addresses = []


def _made(turn: Turn, balancer: Any, subnet: Any, mapping: Mapping[str, Any]) -> Any:
    ec2 = turn.ec2
    eip, public = None, None
    if mapping.get("AllocationId"):
        eip = next((one for one in ec2.addresses if one.allocation_id == mapping["AllocationId"]), None)
        if eip is None or eip.eni is not None:
            text = f"The allocation ID '{mapping['AllocationId']}' does not exist or is in use"
            raise ApiError("AllocationIdNotFound", text)
        public = eip.public_ip
    elif balancer.scheme == "internet-facing" and balancer.type != "gateway":
        public = interfaces.take_public(ec2, turn.settings.pool)
    _, kind = _KINDS[balancer.type]
    made = interfaces.place(
        ec2, subnet, requester="amazon-elb", description=_description(balancer), kind=kind,
        private=mapping.get("PrivateIPv4Address"), public=public,
    )  # fmt: skip
    if eip is not None:
        eip.eni, eip.association_id = made, f"eipassoc-{made.id.removeprefix('eni-')}"
    return made


def zones(balancer: Any, ec2: Any) -> list[dict[str, Any]]:
    """`AvailabilityZones` of a balancer; a network balancer's name its addresses."""
    have = interfaces_of(ec2, balancer) if balancer.type == "network" else {}
    found = []
    for subnet in balancer.subnets:
        entry: dict[str, Any] = {"ZoneName": subnet.availability_zone, "SubnetId": subnet.id}
        one = have.get(subnet.id)
        eip = interfaces.eip_of(ec2, one, one.private_ip_address) if one is not None else None
        if one is not None and eip is not None:
            entry["LoadBalancerAddresses"] = [{"IpAddress": one.public_ip, "AllocationId": eip.allocation_id}]
        elif one is not None and balancer.scheme == "internal":
            entry["LoadBalancerAddresses"] = [{"PrivateIPv4Address": one.private_ip_address}]
        found.append(entry)
    return found


def users(elb: Any, group: str) -> tuple[str, ...]:
    """ARNs of the load balancers whose listeners or rules forward to a target group."""

    def names(data: Mapping[str, Any]) -> list[str]:
        forward = data.get("ForwardConfig") or {}
        return [data.get("TargetGroupArn", ""), *(one.get("TargetGroupArn") for one in forward.get("TargetGroups", ()))]

    return tuple(
        balancer.arn
        for balancer in elb.load_balancers.values()
        if any(
            group in names(action.data)
            for listener in balancer.listeners.values()
            for rule in listener.rules.values()
            for action in rule.actions
        )
    )


def _target_group(turn: Turn) -> Any:
    arn = turn.params.get("TargetGroupArn")
    found = turn.elbv2.target_groups.get(arn)
    if found is None:
        raise ApiError("TargetGroupNotFound", f"One or more target groups not found: {arn}")
    return found


@corrects("RegisterTargets", service=SERVICE)
def register(turn: Turn) -> Mapping[str, Any]:
    """One instance or address may be registered several times with different ports (ELB API Reference,
    RegisterTargets); moto keeps the last one only."""
    group = _target_group(turn)
    before = dict(group.targets)
    wanted = [dict(one) for one in turn.params.get("Targets") or ()]
    turn.done()
    group.targets.clear()
    group.targets.update(before)
    for one in wanted:
        port = int(one.get("Port") or group.port or 0)
        group.targets[_key(group.targets, one["Id"], port)] = {**one, "Port": port}
    return {}


def _key(targets: Mapping[str, Any], id: str, port: int) -> str:
    taken = targets.get(id)
    return id if taken is None or int(taken["Port"] or 0) == port else f"{id}:{port}"


@corrects("DeregisterTargets", service=SERVICE)
def deregister(turn: Turn) -> Mapping[str, Any]:
    """With a port that registration only; without one, those on the group's own port or, failing that, all."""
    group = _target_group(turn)
    for one in turn.params.get("Targets") or ():
        mine = {key: have for key, have in group.targets.items() if have["Id"] == one["Id"]}
        if one.get("Port"):
            mine = {key: have for key, have in mine.items() if int(have["Port"] or 0) == int(one["Port"])}
        for key in mine:
            group.deregistered_targets[one["Id"]] = group.targets.pop(key)
    return {}


_REASONS = {
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "initial": ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unavailable": ("Target.HealthCheckDisabled", "Health checks are not enabled for this target"),
}


@corrects("DescribeTargetHealth", service=SERVICE)
def target_health(turn: Turn) -> Mapping[str, Any]:
    """States as the lab's data plane sees them (ELB API Reference, TargetHealth); a group that no listener forwards to
    is `unused`."""
    group = _target_group(turn)
    balancers = users(turn.elbv2, group.arn)
    every = [dict(one) for one in group.targets.values()]
    asked = turn.params.get("Targets") or ()
    if asked:
        every = [
            next(
                (have for have in every if _same(have, one)),
                {**one, "Port": one.get("Port") or group.port, "Gone": True},
            )
            for one in asked
        ]
    return {"TargetHealthDescriptions": [_health(turn, group, one, balancers) for one in every]}


def _same(have: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    port = asked.get("Port")
    return bool(have["Id"] == asked["Id"] and (not port or int(have["Port"] or 0) == int(port)))


def _health(turn: Turn, group: Any, one: Mapping[str, Any], balancers: tuple[str, ...]) -> dict[str, Any]:
    port = int(one.get("Port") or 0)
    check = group.health_check_port
    check_port = None if group.target_type == "lambda" else port if check in (None, "traffic-port") else int(check)
    instance = turn.ec2.get_instance_by_id(one["Id"]) if one["Id"].startswith("i-") else None
    state, reason = "healthy", None
    if one.get("Gone"):
        state, reason = "unused", ("Target.NotRegistered", "Target is not registered to the target group")
    elif instance is not None and instance.state != "running":
        state, reason = "unused", ("Target.InvalidState", f"Target is in the {instance.state} state")
    elif not balancers:
        text = "Target group is not configured to receive traffic from the load balancer"
        state, reason = "unused", ("Target.NotInUse", text)
    elif turn.settings.health is not None:
        state = turn.settings.health(Target(group.arn, one["Id"], port, check_port, balancers))
        reason = _REASONS.get(state)
    health: dict[str, Any] = {"State": state}
    if reason is not None:
        health["Reason"], health["Description"] = reason
    target: dict[str, Any] = {"Id": one["Id"], "Port": port or None, "AvailabilityZone": one.get("AvailabilityZone")}
    found: dict[str, Any] = {"Target": target, "TargetHealth": health}
    return {**found, "HealthCheckPort": str(check_port)} if check_port else found
