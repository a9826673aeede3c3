"""Calls of services other than EC2: whose interfaces they put into which groups, and load balancers.

The interfaces of a service are its own; where the record does not name them and nobody knows them, all are asked.
Interfaces that a service makes later come with a CreateNetworkInterface of their own. Sources: the services' API
References; Elastic Load Balancing, "Logging API calls using AWS CloudTrail".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from doorward.model.change import Ask, Effect, Gone, Member, Put
from doorward.readers.cloudtrail.call import EVERY, Call, Unclear, kind_of
from doorward.readers.cloudtrail.tree import Tree, described, many, scalars, text, texts

_CLASSIC = "2012-06-01"
_GROUP = re.compile(r"sg-[0-9a-z]{1,40}")
_LISTENER = re.compile(r"(arn:[^ ]{1,200}:)listener(?:-rule)?/((?:app|net|gwy)/[^/ ]{1,64}/[0-9a-z]{1,64})/\S{1,100}")
_MAKES_ONLY = ("Create", "Run", "Start", "Launch", "Restore")
_OWNERS = re.compile(r"(identifier|name|id|arn|cluster|function)$", re.IGNORECASE)


# Load balancers


def balancer_arns(call: Call) -> list[str]:
    """ARNs of the load balancers that a call is about: named, or part of a listener's ARN."""
    found = dict.fromkeys(call.named.get("load-balancer", ()))
    for tree in call.trees:
        for word in scalars(tree):
            match = _LISTENER.fullmatch(word)
            if match is not None:
                found[f"{match[1]}loadbalancer/{match[2]}"] = None
    return list(found)


def create_balancer(call: Call) -> list[Effect]:
    """CreateLoadBalancer: the answer has all of an application or network load balancer, little of a classic one."""
    made = [one for one in many(call.response.get("loadBalancers")) if isinstance(one, dict)]
    if not made:
        name = text(call.request, "loadBalancerName") or text(call.request, "name")
        if name is None:
            raise Unclear("no loadBalancers")
        return [Ask(call.key("load-balancer", name), "is being created")]
    effects: list[Effect] = []
    for one in made:
        arn = text(one, "loadBalancerArn")
        if arn is None:
            raise Unclear("a load balancer without an ARN")
        effects.append(Put(call.key("load-balancer", arn), described(one)))
    return effects


def delete_balancer(call: Call) -> list[Effect]:
    """DeleteLoadBalancer."""
    arn = text(call.request, "loadBalancerArn") or call.need("loadBalancerName")
    return [Gone(call.key("load-balancer", arn))]


def set_groups(call: Call) -> list[Effect]:
    """SetSecurityGroups and ApplySecurityGroupsToLoadBalancer: exactly these groups, on all its interfaces."""
    name = text(call.request, "loadBalancerArn") or call.need("loadBalancerName")
    groups = texts(call.response.get("securityGroupIds")) or texts(call.response.get("securityGroups"))
    groups = groups or texts(call.request.get("securityGroups"))
    if not groups:
        raise Unclear("no groups")
    key = call.key("load-balancer", name)
    effects: list[Effect] = [Put(key, {"SecurityGroups": groups}, part=True)]
    held = call.lookup.holders(call.place, "interface", "load-balancer", name)
    effects += [Member(call.key("interface", one), tuple(groups)) for one in held]
    return effects if held else [*effects, Ask(key, f"{call.name}: its interfaces are not known")]


def balancer(call: Call) -> list[Effect]:
    """Listeners, rules, subnets and attributes of load balancers."""
    arns = balancer_arns(call)
    if not arns and (name := text(call.request, "loadBalancerName")) is not None:
        arns = [name]
    effects = call.ask("load-balancer", arns)
    groups = call.named.get("target-group")
    return effects + (call.ask("target-group", groups) if groups else [])


def targets(call: Call) -> list[Effect]:
    """Targets of target groups, and what health checks use."""
    return call.ask_named("target-group")


def create_target_group(call: Call) -> list[Effect]:
    """CreateTargetGroup."""
    effects: list[Effect] = []
    for one in many(call.response.get("targetGroups")):
        arn = text(one, "targetGroupArn")
        if arn is None or not isinstance(one, dict):
            raise Unclear("a target group without an ARN")
        effects.append(Put(call.key("target-group", arn), described(one)))
    if not effects:
        raise Unclear("no targetGroups")
    return effects


def delete_target_group(call: Call) -> list[Effect]:
    """DeleteTargetGroup."""
    return [Gone(call.key("target-group", call.need("targetGroupArn")))]


# Databases


def database(call: Call) -> list[Effect]:
    """RDS: which groups a database shall have; its interfaces follow within minutes, so it is asked."""
    effects: list[Effect] = []
    ids: dict[str, None] = {}
    for tree in (call.response, call.request):
        for name in ("dBInstanceIdentifier", "dBClusterIdentifier"):
            id = text(tree, name)
            if id is not None:
                ids[id] = None
    if not ids:
        raise Unclear("no database is named")
    id = text(call.response, "dBInstanceIdentifier") or next(iter(ids))
    if many(call.response.get("vpcSecurityGroups")) and not call.name.startswith("Delete"):
        groups = [described(one) for one in many(call.response["vpcSecurityGroups"]) if isinstance(one, dict)]
        effects.append(Put(call.key("database", id), {"VpcSecurityGroups": groups}, part=True))
    effects += call.ask("database", ids, f"{call.name}: takes minutes")
    held = [one for id in ids for one in call.lookup.holders(call.place, "interface", "owner", id)]
    return effects + (call.ask("interface", held, call.said) if held else [])


# Everybody else


def uses_groups(call: Call) -> list[Effect]:
    """A call of any service that names security groups: its interfaces are in them, or will be.

    A call that only makes new interfaces asks nothing: each comes with an event of its own.
    """
    if not any(_GROUP.fullmatch(word) for tree in call.trees[:1] for word in scalars(tree)):
        return []
    named = call.named.get("interface", ())
    if call.name.startswith(_MAKES_ONLY):
        return call.ask("interface", named) if named else []
    held = dict.fromkeys(named)
    for owner in _owners(call.request):
        held |= dict.fromkeys(call.lookup.holders(call.place, "interface", "owner", owner))
    return call.ask("interface", held, call.said if held else f"{call.said}: its interfaces are not known")


def task(call: Call) -> list[Effect]:
    """ECS tasks: interfaces that are told already are asked; others come with an event of their own."""
    named = dict.fromkeys(call.named.get("interface", ()))
    return call.ask("interface", named) if named else []


def scaling(call: Call) -> list[Effect]:
    """Auto Scaling: what is attached to target groups and load balancers; instances come with RunInstances."""
    groups = call.named.get("target-group")
    return call.ask("target-group", groups) if groups else []


def client_vpn(call: Call) -> list[Effect]:
    """Client VPN: interfaces of its endpoints, and their groups."""
    held = [one for id in _owners(call.request) for one in call.lookup.holders(call.place, "interface", "owner", id)]
    return call.ask("interface", held)


def _owners(tree: Tree) -> Iterable[str]:
    """Ids and names in the first level of the parameters that may be those of what has interfaces."""
    for key, value in tree.items():
        if isinstance(value, str) and _OWNERS.search(key) and not _GROUP.fullmatch(value) and len(value) <= 512:
            yield value


def unknown(call: Call) -> list[Effect]:
    """A call that nobody wrote a reader for: everything that it names of the network is asked."""
    return [
        effect
        for effect in call.ask_named()
        if isinstance(effect, Ask) and effect.key.id != EVERY and kind_of(effect.key.id) is not None
    ]
