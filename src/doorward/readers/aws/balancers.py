"""Load balancers, listeners, target groups and registered targets; elbv2 and classic.

A balancer's interfaces are known by their descriptions (``ELB app/NAME/ID``, ``ELB net/NAME/ID``, ``ELB NAME``). Where
none is visible, one is assumed in each of its subnets, with an address that is not known.
Source: Elastic Load Balancing API Reference; Application and Network Load Balancer guides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from doorward.errors import InvalidInput
from doorward.model.addresses import V6
from doorward.model.estate import Interface, Listener, LoadBalancer, Subnet, Target, TargetGroup
from doorward.model.intervals import Span
from doorward.model.services import TCP, UDP, rule_span
from doorward.readers.aws.context import Context
from doorward.readers.aws.interfaces import quick_address
from doorward.readers.aws.layout import ABSENT, EXPECTED, Answer
from doorward.readers.aws.shapes_more import (
    Action,
    Attribute,
    WireBalancer,
    WireClassicBalancer,
    WireListener,
    WireTargetGroup,
)
from doorward.readers.files import decoded

_pairs = msgspec.json.Decoder(list[Attribute] | None)

_PROTOCOLS: dict[str, tuple[int, ...]] = {
    "HTTP": (TCP,), "HTTPS": (TCP,), "TLS": (TCP,), "TCP": (TCP,), "SSL": (TCP,), "UDP": (UDP,), "TCP_UDP": (TCP, UDP),
    "QUIC": (UDP,), "TCP_QUIC": (TCP, UDP),
}  # fmt: skip


def _services(protocol: str | None, port: int | None, answer: Answer, what: str) -> tuple[Span, ...]:
    if port is None:
        return ()
    numbers = _PROTOCOLS.get((protocol or "").upper())
    try:
        if numbers is None:
            raise ValueError(f"not a listener protocol: {protocol!r}; expected one of {', '.join(_PROTOCOLS)}")
        return tuple(rule_span(str(number), port, port) for number in numbers)
    except ValueError as error:
        raise InvalidInput(f"{what}: {error}", where=answer.where) from error


def _forwards(actions: Iterable[Action] | None) -> list[str]:
    found: list[str] = []
    for action in actions or ():
        if action.target_group_arn:
            found.append(action.target_group_arn)
        if action.forward_config is not None:
            found += [one.target_group_arn for one in action.forward_config.target_groups or () if one.target_group_arn]
    return found


# Target groups


def read_target_groups(context: Context) -> dict[str, TargetGroup]:
    """Target groups with registered targets; ``targets`` None where ``describe-target-health`` was not read."""
    targets = _targets(context)
    preserve = {
        arn: pairs["preserve_client_ip.enabled"] == "true"
        for arn, pairs in _target_group_attributes(context).items()
        if "preserve_client_ip.enabled" in pairs
    }
    filled = {
        link.target_group_arn: service.service_name or service.service_arn
        for _, service in context.each("services")
        for link in service.load_balancers or ()
        if link.target_group_arn
    }

    def make(answer: Answer, item: WireTargetGroup) -> TargetGroup:
        arn = item.target_group_arn
        port = item.health_check_port
        health = int(port) if port is not None and port.isascii() and port.isdigit() else None
        registered = targets.get(arn)
        if registered is None:
            context.notice(
                arn, f"targets of {item.target_group_name or arn} were not read: not known; add "
                "`aws elbv2 describe-target-health`", item.vpc_id,
            )  # fmt: skip
        return TargetGroup(
            arn, item.target_group_name or "", item.protocol or "HTTP", item.port, item.target_type or "instance",
            health, item.health_check_enabled is not False, preserve.get(arn), registered, item.vpc_id,
            autoscaling=filled.get(arn) if not registered else None,
        )  # fmt: skip

    return context.once("target_groups", lambda item: item.target_group_arn, make)


def _targets(context: Context) -> dict[str, tuple[Target, ...]]:
    found: dict[str, dict[Target, None]] = {}

    def add(arn: str, listed: Iterable[object]) -> None:
        own = found.setdefault(arn, {})
        for one in listed:
            health = one.target_health  # type: ignore[attr-defined]
            if health is None or health.state != "draining":
                target = one.target  # type: ignore[attr-defined]
                own[Target(target.id, target.port)] = None

    for _, item in context.each("load_balancer_target_health"):
        add(item.target_group_arn, item.target_health_descriptions or ())
    for answer in context.answers:
        if answer.top.target_health_descriptions is not None:
            arn = _subject(context, answer, "target_groups", "target_group_arn")
            if arn is None:
                context.notice(
                    answer.where, "target health without a subject: name the file after its target group's name or ARN"
                )
            else:
                add(arn, answer.top.target_health_descriptions)
    return {arn: tuple(own) for arn, own in found.items()}


def _subject(context: Context, answer: Answer, name: str, field: str) -> str | None:
    """The ARN whose id or name stands in the file's name; ids first, since names repeat."""
    stem = answer.path.stem
    arns = [getattr(item, field) for _, item in context.each(name)]
    by_id = [arn for arn in arns if arn.rpartition("/")[2] in stem]
    if by_id:
        return str(by_id[0])
    by_name = {arn for arn in arns if len(arn.split("/")) > 1 and stem.endswith(arn.split("/")[-2])}
    if len(by_name) == 1:
        return str(by_name.pop())
    return str(arns[0]) if len(arns) == 1 else None


def _target_group_attributes(context: Context) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for _, item in context.each("target_group_attributes"):
        if item.target_group_arn:
            found[item.target_group_arn] = {one.key: one.value or "" for one in item.attributes or ()}
    for answer in context.answers:
        raw = answer.top.attributes
        if raw is not ABSENT and b"preserve_client_ip" in bytes(raw):
            arn = _subject(context, answer, "target_groups", "target_group_arn")
            if arn is None:
                context.notice(
                    answer.where, "target group attributes without a subject: name the file after the target group"
                )
            else:
                listed = decoded(_pairs.decode, memoryview(raw), f"{answer.where} at $.Attributes", EXPECTED)
                found[arn] = {one.key: one.value or "" for one in listed or ()}
    return found


# Load balancers


class _Listeners:
    """Listeners by load balancer, with all that their rules forward to."""

    def __init__(self, context: Context) -> None:
        self.known: defaultdict[str, dict[str, tuple[Answer, WireListener]]] = defaultdict(dict)
        for answer, group in context.each("load_balancer_listeners"):
            own = self.known[group.load_balancer_arn]
            own.update({one.listener_arn: (answer, one) for one in group.listeners or ()})
        for answer in context.answers:
            if answer.top.listeners == []:
                arn = _subject(context, answer, "load_balancers", "load_balancer_arn")
                if arn is not None:
                    _ = self.known[arn]
            for one in answer.top.listeners or ():
                arn = one.load_balancer_arn or _balancer_of(one.listener_arn)
                self.known[arn][one.listener_arn] = (answer, one)
        self.ruled: defaultdict[str, list[str]] = defaultdict(list)
        for _, rule in context.each("rules"):
            listener = rule.rule_arn.replace(":listener-rule/", ":listener/").rpartition("/")[0]
            self.ruled[listener] += _forwards(rule.actions)
        self.used: defaultdict[str, list[str]] = defaultdict(list)
        for _, group in context.each("target_groups"):
            for arn in group.load_balancer_arns or ():
                self.used[arn].append(group.target_group_arn)

    def of(self, arn: str) -> tuple[Listener, ...] | None:
        """The listeners of one balancer; None when they were not read.

        A target group that names the balancer and that no known action forwards to is behind some rule that was not
        read: it counts as behind every listener.
        """
        if arn not in self.known:
            return None
        own = self.known[arn]
        direct = {id: _forwards(one.default_actions) + self.ruled[id] for id, (_, one) in own.items()}
        placed = {group for groups in direct.values() for group in groups}
        elsewhere = [group for group in self.used[arn] if group not in placed]
        return tuple(
            Listener(
                _services(one.protocol, one.port, answer, f"listener {id}"),
                tuple(dict.fromkeys(direct[id] + elsewhere)),
            )
            for id, (answer, one) in own.items()
        )


def _balancer_of(listener: str) -> str:
    return listener.replace(":listener/", ":loadbalancer/").rpartition("/")[0]


def read_balancers(
    context: Context,
    interfaces: dict[str, Interface],
    subnets: Mapping[str, Subnet],
    target_groups: dict[str, TargetGroup],
) -> dict[str, LoadBalancer]:
    """Load balancers of all kinds. Adds assumed interfaces to ``interfaces``, and to ``target_groups`` one for each
    instance port of a classic balancer."""
    described: defaultdict[str, list[str]] = defaultdict(list)
    for one in interfaces.values():
        if one.description.startswith("ELB "):
            described[one.description[4:]].append(one.id)
    listeners = _Listeners(context)

    def make(answer: Answer, item: WireBalancer) -> LoadBalancer:
        arn = item.load_balancer_arn
        own = described.get(arn.partition("loadbalancer/")[2], [])
        kind = item.type or "application"
        groups = tuple(sorted(item.security_groups or ()))
        if not own and kind != "gateway":
            own = _assumed(context, answer, item, groups, interfaces, subnets)
        if kind == "gateway":
            context.notice(arn, f"gateway load balancer {item.load_balancer_name}: not looked into", item.vpc_id)
        found = listeners.of(arn)
        if found is None:
            context.notice(
                arn, f"listeners of {item.load_balancer_name or arn} were not read: not known; add "
                "`aws elbv2 describe-listeners`", item.vpc_id,
            )  # fmt: skip
        return LoadBalancer(
            arn, item.load_balancer_name or "", kind, item.scheme == "internet-facing", item.vpc_id, tuple(own), found,
            groups,
        )  # fmt: skip

    found = context.once("load_balancers", lambda item: item.load_balancer_arn, make)
    for answer, item in context.each("load_balancer_descriptions"):
        made = _classic(answer, item, described, interfaces, target_groups)
        known = found.setdefault(made.id, made)
        if known != made:
            raise InvalidInput(f"lists load balancer {made.id} twice with different contents", where=answer.where)
    return found


def _assumed(
    context: Context, answer: Answer, item: WireBalancer, groups: tuple[str, ...],
    interfaces: dict[str, Interface], subnets: Mapping[str, Subnet],
) -> list[str]:  # fmt: skip
    """An interface in each subnet of a balancer that has none in the input; each address that is not given lies
    somewhere in its subnet."""
    made: list[str] = []
    facing = item.scheme == "internet-facing"
    six = (item.ip_address_type or "").startswith("dualstack")
    for zone in item.availability_zones or ():
        if zone.subnet_id is None:
            continue
        subnet = subnets.get(zone.subnet_id)
        try:
            given = zone.load_balancer_addresses or []
            private = [quick_address(one.private_address) for one in given if one.private_address]
            sixes = [quick_address(one.ipv6_address) for one in given if one.ipv6_address]
            public = [quick_address(one.ip_address) for one in given if one.ip_address]
        except ValueError as error:
            raise InvalidInput(f"load balancer {item.load_balancer_arn}: {error}", where=answer.where) from error
        cidrs = subnet.cidrs if subnet is not None else ()
        wide = tuple(span for span in cidrs if (span[0] < V6 and not private) or (span[0] >= V6 and six and not sixes))
        id = f"{item.load_balancer_arn}@{zone.subnet_id}"
        paired = tuple(zip(private, public, strict=False)) if private and public else ()
        interfaces[id] = Interface(
            id, item.vpc_id or (subnet.vpc if subnet is not None else ""), zone.subnet_id, groups,
            tuple((one, one) for one in (*private, *sixes)), paired,
            "network_load_balancer" if item.type == "network" else "load_balancer",
            item.load_balancer_name or "", wide=wide,
            public_unknown=f"public address of {item.load_balancer_name}" if facing and not paired else None,
        )  # fmt: skip
        made.append(id)
    if made:
        context.notice(
            item.load_balancer_arn, f"no interface of load balancer {item.load_balancer_name} is in the input: one is "
            "assumed in each of its subnets", item.vpc_id,
        )  # fmt: skip
    return made


def _classic(
    answer: Answer, item: WireClassicBalancer, described: Mapping[str, list[str]],
    interfaces: Mapping[str, Interface], target_groups: dict[str, TargetGroup],
) -> LoadBalancer:  # fmt: skip
    """A classic balancer; one target group for each of its instance ports."""
    name = item.load_balancer_name
    own = tuple(id for id in described.get(name, ()) if item.vpc_id is None or interfaces[id].vpc == item.vpc_id)
    check = item.health_check.target if item.health_check is not None else None
    digits = (check or "").partition(":")[2].partition("/")[0]
    health = int(digits) if digits.isascii() and digits.isdigit() else None
    id = f"{item.vpc_id}/{name}" if item.vpc_id else name
    listeners: list[Listener] = []
    for entry in item.listener_descriptions or ():
        one = entry.listener
        if one is None:
            continue
        group = f"{id}:{one.instance_port}"
        target_groups[group] = TargetGroup(
            group, f"{name}:{one.instance_port}", one.instance_protocol or one.protocol or "TCP", one.instance_port,
            "instance", health, True, False,
            tuple(Target(instance.instance_id, one.instance_port) for instance in item.instances or ()), item.vpc_id,
        )  # fmt: skip
        listeners.append(
            Listener(_services(one.protocol, one.load_balancer_port, answer, f"load balancer {name}"), (group,))
        )
    return LoadBalancer(
        id, name, "classic", item.scheme == "internet-facing", item.vpc_id, own,
        tuple(listeners) if item.listener_descriptions is not None else None, tuple(sorted(item.security_groups or ())),
    )  # fmt: skip
