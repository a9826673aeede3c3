"""Unintended changes of security groups, as the outage's: a routine update by another principal carries one along.

Each comes in two forms. As it is, standing connections of the flow are ended in the same moment, so that the effect is
immediate; *deferred*, they live on, as AWS documents for tracked connections, and new ones fail (EC2 User Guide,
*Security group connection tracking*).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from doorward_lab.errors import LabError
from doorward_lab.faults.fault import Act, Fault, Parameter, hint
from doorward_lab.faults.flows import ANY, Flow, addresses_of, flows, groups_of, members, pick
from doorward_lab.scenes.rules import flat

ROLE = "deploy"
SESSION = "routine-update"
FLOW = (
    Parameter("from", "portal", "The group that the rule lets in, or any."),
    Parameter("to", "login", "The group that it lets in to, or any."),
    Parameter("service", "", "The rule's protocol and port (tcp/8443); empty: of several the seed picks."),
)
WHO = (
    Parameter("role", ROLE, "The role that makes the change."),
    Parameter("session", SESSION, "The session's name, as CloudTrail shows it."),
    Parameter("noise", True, "Whether the update also changes what does not matter (tags of all groups)."),
)
RELEASE = "2024.07"


def ec2_of(act: Act) -> Any:
    """EC2 as the principal that makes the routine update; with noise, the update's harmless part is done first."""
    client = act.lab.principal(act.text("role"), act.text("session"))("ec2")
    if act.parameters["noise"]:
        client.create_tags(Resources=sorted(act.lab.built.groups.values()), Tags=[{"Key": "Release", "Value": RELEASE}])
    return client


def end_standing(act: Act, flow: Flow, sources: Sequence[dict[str, Any]]) -> str:
    """End the standing TCP connections of a flow, at the interfaces that opened them; how many, in words."""
    ports = flow.ports
    if flow.permission["IpProtocol"] != "tcp" or ports is None:
        return ""
    targets = [address for one in members(act, flow.target) for address in addresses_of(one)]
    ended = 0
    for source in sources:
        for address in targets:
            there = [
                "dst",
                f"[{address}]" if ":" in address else address,
                "and",
                "dport",
                "ge",
                f":{ports[0]}",
                "and",
                "dport",
                "le",
                f":{ports[1]}",
            ]
            done = act.lab.run(str(source["NetworkInterfaceId"]), ["ss", "-K", "-H", "-t", "-n", *there])
            if done.returncode:
                raise LabError(f"ss ended with {done.returncode}: {done.stderr.strip()}; it comes with iproute2")
            ended += len(done.stdout.splitlines())
    return f"; {ended} standing connection(s) ended"


def _finish(act: Act, flow: Flow, deferred: bool, sources: Sequence[dict[str, Any]] | None = None) -> str:
    if deferred:
        return "; standing connections live on"
    return end_standing(act, flow, members(act, flow.source) if sources is None else sources)


def removed(act: Act, direction: str, deferred: bool) -> str:
    """Revoke one rule."""
    flow = pick(act, direction)
    group = act.lab.built.groups[flow.owner]
    _revoke(act, ec2_of(act), direction, group, flow)
    return f"{flow.owner} lost its {direction} rule {flow}{_finish(act, flow, deferred)}"


def _revoke(act: Act, ec2: Any, direction: str, group: str, flow: Flow) -> None:
    pairs = [{"GroupId": one["GroupId"]} for one in flow.permission["UserIdGroupPairs"]]
    permission = {**flow.permission, "UserIdGroupPairs": pairs}
    act.done("authorize", direction=direction, group=group, permissions=[flow.permission])
    getattr(ec2, f"revoke_security_group_{direction}")(GroupId=group, IpPermissions=[permission])


def swapped(act: Act, deferred: bool) -> str:
    """Let another group in than the one that should be: a list of groups, typed anew."""
    flow = pick(act)
    built, group = act.lab.built, act.lab.built.groups[flow.target]
    head = {key: value for key, value in flow.permission.items() if key != "UserIdGroupPairs"}
    alike = (one for one in flows(act, "ingress") if one.target == flow.target)
    let_in = {one.source for one in alike if str(one).startswith(_head(flow))}
    others = sorted(set(built.groups) - let_in - {flow.target})
    wanted = act.text("instead")
    if wanted != ANY and wanted not in others:
        raise LabError(f"{wanted!r} cannot be let in instead{hint(wanted, others)}")
    if not others:
        raise LabError(f"no other group could be let in to {flow.target} instead")
    other = act.random.choice(others) if wanted == ANY else wanted
    ec2 = ec2_of(act)
    new = {**head, "UserIdGroupPairs": [{"GroupId": built.groups[other]}]}
    _revoke(act, ec2, "ingress", group, flow)
    act.done("revoke", direction="ingress", group=group, permissions=[new])
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[new])
    return f"{flow.target} lets {other} in, no longer {flow.source} ({flow}){_finish(act, flow, deferred)}"


def _head(flow: Flow) -> str:
    return str(flow).partition(" from ")[0] + " "


def membership(act: Act, deferred: bool) -> str:
    """Take the members of the source's group out of it: the rule stands, and matches nobody."""
    flow = pick(act)
    built = act.lab.built
    left = built.groups[flow.source]
    found = members(act, flow.source)
    if not act.parameters["all"]:
        found = [act.random.choice(found)]
    ec2 = ec2_of(act)
    instead = _default_group(ec2, str(found[0]["VpcId"]))
    balancers = {one.interface: name for name, each in built.load_balancers.items() for one in each.nodes}
    if any(one["NetworkInterfaceId"] in balancers for one in found):
        raise LabError(f"the interfaces in {flow.source} are a load balancer's, which are AWS's; choose another: from")
    for one in found:
        groups = groups_of(one)
        others = [id for id in groups if id != left] or [instead]
        act.done("interface-groups", interface=one["NetworkInterfaceId"], groups=groups)
        ec2.modify_network_interface_attribute(NetworkInterfaceId=one["NetworkInterfaceId"], Groups=others)
    return f"{len(found)} interface(s) left the group {flow.source} ({flow}){_finish(act, flow, deferred, found)}"


def _default_group(ec2: Any, vpc: str) -> str:
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    return str(ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"])


def opened(act: Act) -> str:
    """Let everybody in."""
    built, name = act.lab.built, act.text("group")
    if name not in built.groups:
        if name not in (ANY, "auth-db"):
            raise LabError(f"no group {name!r}{hint(name, built.groups)}")
        name = act.random.choice(sorted(built.groups))
    group, port = built.groups[name], int(act.number("port"))
    permissions = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, key: [{field: cidr}]}
        for key, field, cidr in (("IpRanges", "CidrIp", "0.0.0.0/0"), ("Ipv6Ranges", "CidrIpv6", "::/0"))
    ]
    has = flat(act.lab.connect("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"])
    new = [one for one in permissions if next(iter(flat([one]))) not in has]
    if not new:
        raise LabError(f"{name} is open on tcp/{port} already; choose another --set port")
    ec2 = ec2_of(act)
    act.done("revoke", direction="ingress", group=group, permissions=new)
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=new)
    return f"{name} lets everybody in on tcp/{port}"


def _both(name: str, summary: str, act: Callable[..., str], more: tuple[Parameter, ...] = ()) -> Iterator[Fault]:
    """A fault with its immediate and its deferred form."""
    for deferred, suffix, said in ((False, "", "at once"), (True, "-deferred", "while standing connections live on")):
        parameters = (*FLOW, *more, *WHO)
        yield Fault(f"{name}{suffix}", f"{summary}, {said}", partial(act, deferred=deferred), parameters)


FAULTS = (
    *_both(
        "sg-ingress-removed", "A group loses the ingress rule for those who need it",
        partial(removed, direction="ingress"),
    ),
    *_both(
        "sg-egress-removed", "A group loses the egress rule for what it needs", partial(removed, direction="egress")
    ),
    *_both(
        "sg-reference-swapped", "A rule names another group than the one that needs it", swapped,
        (Parameter("instead", ANY, "The group that is let in instead, or any."),),
    ),
    *_both(
        "sg-membership-changed", "Hosts leave the group that a rule names", membership,
        (Parameter("all", True, "All members, or one that the seed picks."),),
    ),
    Fault(
        "sg-opened", "A group lets everybody in", opened,
        (
            Parameter("group", "auth-db", "The group, or any."),
            Parameter("port", 5432, "The port."),
            *WHO,
        ),
    ),
)  # fmt: skip
