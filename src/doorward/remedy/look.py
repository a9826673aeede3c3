"""What is there now, compared with what an act expects: the third of the three ways (before, after, now).

``ready``: exactly what the change had left is still there. ``already``: what the act would leave is there. ``held``:
anything else, and what differs. EC2 has no compare-and-set for rules, so this is read just before each call, and again
just after it. Sources: EC2 API Reference, DescribeSecurityGroupRules, DescribeNetworkInterfaces, DescribeNetworkAcls,
DescribeRouteTables, GetManagedPrefixListEntries; Elastic Load Balancing API Reference, DescribeLoadBalancers.
What does not live here: calls that change anything (``calls``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from botocore.exceptions import ClientError

from doorward.errors import CloudError, InvalidInput
from doorward.model.addresses import parse_network, span_networks
from doorward.model.change import Key, Place, RuleFact
from doorward.model.intervals import Span
from doorward.model.revert import (
    AclEntryBack,
    Act,
    Authorize,
    Modify,
    PrefixEntriesBack,
    Revoke,
    RouteBack,
    SetGroups,
)
from doorward.model.services import rule_span, show_span

Content: TypeAlias = tuple[bool, Span, Span | str]
"""What a rule allows, in canonical form: egress, services, peer."""

TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId", "InstanceId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip
"""Fields of a route that say where it leads."""


class Clouds(Protocol):
    """Gives clients of boto3 (``ec2``, ``elbv2``) for a place, in a session that names the revert."""

    def client(self, service: str, place: Place, revert: str) -> Any:
        """A client. Raises ``CloudError`` when there are no credentials, or they are for another account."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. ``text`` says what differs or what is there; ``id`` is the id of the rule that matters."""

    state: Literal["ready", "already", "held"]
    text: str = ""
    id: str | None = None


def content_of(fact: RuleFact) -> Content:
    """What a rule allows, in canonical form. Raises ``InvalidInput`` for what no rule can say."""
    low, high = fact.ports if fact.ports is not None else (None, None)
    try:
        peer = parse_network(fact.cidr) if fact.cidr is not None else fact.group or fact.prefix_list
        if peer is None:
            raise ValueError("no peer")
        return fact.egress, rule_span(fact.protocol, low, high), peer
    except ValueError as error:
        raise InvalidInput(f"a rule that cannot be: {error}", where=fact.id) from error


def show(fact: RuleFact) -> str:
    """A rule in words: ``ingress tcp/443 from 10.0.0.0/8``."""
    egress, span, peer = content_of(fact)
    who = peer if isinstance(peer, str) else ", ".join(span_networks(peer))
    return f"{'egress' if egress else 'ingress'} {show_span(span)} {'to' if egress else 'from'} {who}"


def fact_of(one: Mapping[str, Any]) -> RuleFact:
    """A rule as the API answers it, in either spelling of a referenced group."""
    low, high = one.get("FromPort"), one.get("ToPort")
    info = one.get("ReferencedGroupInfo") or {}
    return RuleFact(
        bool(one.get("IsEgress")),
        str(one["IpProtocol"]).lower(),
        None if low is None and high is None else (-1 if low is None else low, -1 if high is None else high),
        cidr=one.get("CidrIpv4") or one.get("CidrIpv6"),
        group=info.get("GroupId") or one.get("ReferencedGroupId"),
        prefix_list=one.get("PrefixListId"),
        id=one.get("SecurityGroupRuleId"),
        description=one.get("Description"),
    )


def look(clouds: Clouds, act: Act, revert: str) -> Look:
    """Compare what is there now with what an act expects. Raises botocore's errors and ``CloudError``."""
    match act:
        case Authorize() | Revoke() | Modify():
            return _rule(clouds, act, revert)
        case SetGroups():
            return _groups(clouds, act, revert)
        case AclEntryBack():
            return _entry(clouds, act, revert)
        case RouteBack():
            return _route(clouds, act, revert)
        case PrefixEntriesBack():
            return _prefixes(clouds, act, revert)


def rules(ec2: Any, group: str) -> list[RuleFact] | None:
    """The rules of a group now; None: there is no such group."""
    asked = [{"Name": "group-id", "Values": [group]}]
    pages = ec2.get_paginator("describe_security_group_rules").paginate(Filters=asked)
    found = [fact_of(one) for page in pages for one in page["SecurityGroupRules"]]
    # A filter that matches no group is answered like a group without rules.
    if not found and _one(lambda: ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]) is None:
        return None
    return found


def _rule(clouds: Clouds, act: Authorize | Revoke | Modify, revert: str) -> Look:
    there = rules(clouds.client("ec2", act.group.place, revert), act.group.id)
    if there is None:
        gone = f"{act.group.id} does not exist any more"
        return Look("already", gone) if isinstance(act, Revoke) else Look("held", gone)
    by_id = {one.id: one for one in there}
    by_content = {content_of(one): one for one in there}
    match act:
        case Authorize(_, rule):
            same = by_content.get(content_of(rule))
            return Look("ready") if same is None else Look("already", f"{show(rule)} is there as {same.id}", same.id)
        case Revoke(_, rule):
            known = by_content.get(content_of(rule)) if rule.id is None else by_id.get(rule.id)
            if known is None:
                again = by_content.get(content_of(rule))
                if again is not None:
                    return Look("held", f"{rule.id} is gone, and {show(rule)} was allowed anew as {again.id}", again.id)
                return Look("already", f"{show(rule)} is not there", rule.id)
            if content_of(known) != content_of(rule):
                return Look("held", f"{known.id} was changed since: it is {show(known)} now", known.id)
            return Look("ready", "", known.id)
        case Modify(_, id, now, back):
            known = by_id.get(id)
            if known is None:
                return Look("held", f"{id} does not exist any more")
            if content_of(known) == content_of(back):
                again = by_content.get(content_of(now))
                if again is not None and again.id != id:
                    return Look(
                        "held", f"{id} is {show(back)}, and {show(now)} was allowed anew as {again.id}", again.id
                    )
                return Look("already", f"{id} is {show(back)}", id)
            if content_of(known) != content_of(now):
                return Look("held", f"{id} was changed since: it is {show(known)} now", id)
            twin = by_content.get(content_of(back))
            if twin is not None:
                return Look("held", f"{show(back)} is there already, as {twin.id}", twin.id)
            return Look("ready", "", id)


def groups_now(clouds: Clouds, key: Key, revert: str) -> tuple[str, ...] | None:
    """The groups of an interface, instance or load balancer, sorted; None: there is no such thing."""
    if key.kind == "load-balancer":
        elb = clouds.client("elbv2", key.place, revert)
        one = _one(lambda: elb.describe_load_balancers(LoadBalancerArns=[key.id])["LoadBalancers"])
        return None if one is None else tuple(sorted(one.get("SecurityGroups") or ()))
    ec2 = clouds.client("ec2", key.place, revert)
    if key.kind == "instance":
        asked = [{"Name": "instance-id", "Values": [key.id]}]
        found = ec2.describe_instances(Filters=asked)["Reservations"]
        one = next((some for each in found for some in each["Instances"]), None)
        return None if one is None else _ids(one.get("SecurityGroups") or ())
    if key.kind != "interface":
        raise CloudError(f"groups of a {key.kind} cannot be set here", where=key.id, hint="put them back by hand")
    one = _one(lambda: ec2.describe_network_interfaces(NetworkInterfaceIds=[key.id])["NetworkInterfaces"])
    return None if one is None else _ids(one.get("Groups") or ())


def _groups(clouds: Clouds, act: SetGroups, revert: str) -> Look:
    now = groups_now(clouds, act.interface, revert)
    if now is None:
        return Look("held", f"{act.interface.id} does not exist any more")
    if now == tuple(sorted(act.back)):
        return Look("already", f"it is in {', '.join(now)}")
    if now != tuple(sorted(act.now)):
        return Look("held", f"was moved since: it is in {', '.join(now) or 'no group'} now")
    return Look("ready")


def _entry(clouds: Clouds, act: AclEntryBack, revert: str) -> Look:
    ec2 = clouds.client("ec2", act.acl.place, revert)
    acl = _one(lambda: ec2.describe_network_acls(NetworkAclIds=[act.acl.id])["NetworkAcls"])
    if acl is None:
        return Look("held", f"{act.acl.id} does not exist any more")
    now = next(
        (one for one in acl["Entries"] if one["RuleNumber"] == act.number and bool(one["Egress"]) == act.egress), None
    )
    side = "egress" if act.egress else "ingress"
    return _compared(f"{side} entry {act.number}", entry_meaning, now, act.now, act.back)


def _route(clouds: Clouds, act: RouteBack, revert: str) -> Look:
    ec2 = clouds.client("ec2", act.table.place, revert)
    table = _one(lambda: ec2.describe_route_tables(RouteTableIds=[act.table.id])["RouteTables"])
    if table is None:
        return Look("held", f"{act.table.id} does not exist any more")
    field, value = act.destination
    now = next((one for one in table["Routes"] if one.get(field) == value), None)
    return _compared(f"the route to {value}", route_meaning, now, act.now, act.back)


def _compared(
    what: str,
    meaning: Callable[[Mapping[str, Any]], tuple[object, ...]],
    now: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    back: Mapping[str, Any] | None,
) -> Look:
    have, left, wanted = (None if one is None else meaning(one) for one in (now, after, back))
    if have == wanted:
        return Look("already", f"{what} is {'not there' if now is None else 'as it was'}")
    if have == left:
        return Look("ready")
    shown = "not there" if have is None else ", ".join(str(one) for one in have if one not in (None, ""))
    return Look("held", f"{what} was changed since: it is {shown} now")


def entry_meaning(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """What an ACL's entry does, whatever the spelling: port ranges count for TCP and UDP, types and codes for ICMP."""
    protocol = str(entry.get("Protocol", "-1"))
    ports = entry.get("PortRange") or {}
    kinds = entry.get("IcmpTypeCode") or {}
    six = entry.get("Ipv6CidrBlock")
    return (
        str(entry.get("RuleAction", "")).lower(),
        protocol,
        entry.get("CidrBlock") if six is None else six,
        (ports.get("From", 0), ports.get("To", 65535)) if protocol in ("6", "17") else None,
        (kinds.get("Type", -1), kinds.get("Code", -1)) if protocol in ("1", "58") else None,
    )


def route_meaning(route: Mapping[str, Any]) -> tuple[object, ...]:
    """Where a route leads. The interface of an instance tells more than the instance."""
    found = [(name, route[name]) for name in TARGETS if route.get(name)]
    if any(name == "NetworkInterfaceId" for name, _ in found):
        found = [(name, value) for name, value in found if name != "InstanceId"]
    return tuple(value for _, value in found)


def _prefixes(clouds: Clouds, act: PrefixEntriesBack, revert: str) -> Look:
    ec2 = clouds.client("ec2", act.prefix_list.place, revert)
    id = act.prefix_list.id
    one = _one(lambda: ec2.describe_managed_prefix_lists(PrefixListIds=[id])["PrefixLists"])
    if one is None:
        return Look("held", f"{id} does not exist any more")
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=id)
    now = {str(entry["Cidr"]) for page in pages for entry in page["Entries"]}
    add, remove = {cidr for cidr, _ in act.add}, {cidr for cidr, _ in act.remove}
    if add <= now and not (remove - add) & now:
        return Look("already", f"version {one.get('Version')} has these entries")
    if one.get("Version") != act.version:
        return Look("held", f"was changed since: it is at version {one.get('Version')} now, not {act.version}")
    lacking = sorted((remove - now) | (add & now - remove))
    if lacking:
        return Look("held", f"{', '.join(lacking)} was changed since")
    return Look("ready")


def _ids(listed: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(str(one["GroupId"]) for one in listed))


def _one(ask: Callable[[], list[dict[str, Any]]]) -> dict[str, Any] | None:
    """The first of what is asked for; None where the API says that there is none."""
    try:
        found = ask()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code.endswith(("NotFound", "NotFoundException")):
            return None
        raise
    return found[0] if found else None
