"""How each step of a fault is undone. Every kind can be done twice: what is as it should be already stays.

The steps are plain JSON, so that another process than the one that injected can heal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doorward_lab.errors import LabError, NotRunning
from doorward_lab.faults.fault import Lab, Step
from doorward_lab.scenes.rules import flat

THERE = frozenset(("InvalidPermission.Duplicate", "NetworkAclEntryAlreadyExists", "RouteAlreadyExists"))
"""Codes that say: it is there already."""
GONE = frozenset(("InvalidPermission.NotFound", "InvalidNetworkAclEntry.NotFound"))
"""Codes that say: it is gone already."""


def undo_all(lab: Lab, steps: Sequence[Step]) -> list[str]:
    """Undo steps, the last first; what was done, line by line. All are tried; raises `LabError` for the first that
    failed."""
    from botocore.exceptions import BotoCoreError, ClientError

    said: list[str] = []
    failed: list[Exception] = []
    for step in reversed(steps):
        undo = UNDO.get(str(step["do"]))
        if undo is None:
            raise LabError(f"cannot undo {step['do']!r}: was it injected by another version of the lab?")
        try:
            said.append(undo(lab, step))
        except (ClientError, BotoCoreError, LabError) as error:
            failed.append(error)
    if failed:
        raise LabError(f"not all is healed: {failed[0]}; heal again once that is put right") from failed[0]
    return said


def quietly(call: Callable[..., Any], fine: frozenset[str], **asked: Any) -> bool:
    """Make a call; whether it changed anything. Errors whose codes are fine say that there was nothing to do."""
    from botocore.exceptions import ClientError

    try:
        call(**asked)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in fine:
            return False
        raise
    return True


def _called(names: Mapping[str, str], id: str) -> str:
    """The scene's name of an id, else the id."""
    return next((name for name, known in names.items() if known == id), id)


def _rules(lab: Lab, step: Step, verb: str = "has") -> str:
    """The rules of a step: `login has its ingress rule tcp/8443 from portal`."""
    told = []
    for one in step["permissions"]:
        ports = sorted({one[key] for key in ("FromPort", "ToPort") if one.get(key) is not None})
        service = "all" if one["IpProtocol"] == "-1" else "/".join([one["IpProtocol"], "-".join(map(str, ports))])
        peers = [
            *(_called(lab.built.groups, pair["GroupId"]) for pair in one.get("UserIdGroupPairs") or ()),
            *(block["CidrIp"] for block in one.get("IpRanges") or ()),
            *(block["CidrIpv6"] for block in one.get("Ipv6Ranges") or ()),
            *(_called(lab.built.prefix_lists, each["PrefixListId"]) for each in one.get("PrefixListIds") or ()),
        ]
        told.append(f"{service.rstrip('/')} {'to' if step['direction'] == 'egress' else 'from'} {', '.join(peers)}")
    return f"{_called(lab.built.groups, step['group'])} {verb} its {step['direction']} rule {' and '.join(told)}"


def _authorize(lab: Lab, step: Step) -> str:
    """One rule at a time: AWS refuses a whole call for one rule that is there (EC2 API Reference, Authorize…)."""
    call = getattr(lab.connect("ec2"), f"authorize_security_group_{step['direction']}")
    rules = flat(step["permissions"]).values()
    made = sum(quietly(call, THERE, GroupId=step["group"], IpPermissions=[rule]) for rule in rules)
    return f"{_rules(lab, step)} {'again' if made else 'already: it was put back'}"


def _revoke(lab: Lab, step: Step) -> str:
    call = getattr(lab.connect("ec2"), f"revoke_security_group_{step['direction']}")
    rules = flat(step["permissions"]).values()
    gone = sum(quietly(call, GONE, GroupId=step["group"], IpPermissions=[rule]) for rule in rules)
    return f"{_rules(lab, step, 'no longer has')}{'' if gone else ': it was gone already'}"


def _interface_groups(lab: Lab, step: Step) -> str:
    lab.connect("ec2").modify_network_interface_attribute(NetworkInterfaceId=step["interface"], Groups=step["groups"])
    hosts = {one.interface: name for name, one in lab.built.hosts.items()}
    groups = ", ".join(_called(lab.built.groups, id) for id in step["groups"])
    return f"{hosts.get(step['interface'], step['interface'])} is in {groups} again"


def _entry(lab: Lab, step: Step) -> str:
    made = quietly(
        lab.connect("ec2").delete_network_acl_entry, GONE,
        NetworkAclId=step["acl"], RuleNumber=step["number"], Egress=step["egress"],
    )  # fmt: skip
    acl = _called(lab.built.acls, step["acl"])
    return f"the ACL {acl} {'loses' if made else 'had lost'} its entry {step['number']} again"


def _route(lab: Lab, step: Step) -> str:
    """Put a route back, whether it is gone or leads elsewhere."""
    ec2 = lab.connect("ec2")
    asked = {"RouteTableId": step["table"], **step["route"]}
    if not quietly(ec2.create_route, THERE, **asked):
        ec2.replace_route(**asked)
    where = next((value for key, value in step["route"].items() if key.startswith("Destination")), "")
    return f"the route of {_called(lab.built.route_tables, step['table'])} to {where} leads where it led"


def _peering(lab: Lab, step: Step) -> str:
    """A deleted peering cannot come back (VPC Peering Guide, *life cycle*): a new one takes its place, and its
    routes."""
    ec2 = lab.connect("ec2")
    found = ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
    active = [
        one["VpcPeeringConnectionId"]
        for one in found
        if one["Status"]["Code"] == "active"
        and (one["RequesterVpcInfo"]["VpcId"], one["AccepterVpcInfo"]["VpcId"]) == (step["requester"], step["accepter"])
    ]
    if active:
        id = active[0]
    else:
        named = [{"ResourceType": "vpc-peering-connection", "Tags": step["tags"]}] if step["tags"] else []
        made = ec2.create_vpc_peering_connection(
            VpcId=step["requester"], PeerVpcId=step["accepter"], TagSpecifications=named
        )
        id = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    for route in step["routes"]:
        asked = {**route, "VpcPeeringConnectionId": id}
        if not quietly(ec2.create_route, THERE, **asked):
            ec2.replace_route(**asked)
    return f"the peering is there again, as {id}; {len(step['routes'])} route(s) lead through it"


def _knobs(lab: Lab, step: Step) -> str:
    lab.call(step["service"], "PUT", "/knobs", step["knobs"])
    turned = ", ".join(f"{name.replace('_', ' ')} is {json.dumps(value)}" for name, value in step["knobs"].items())
    return f"{step['service']} is as it was: {turned}"


def _deploy(lab: Lab, step: Step) -> str:
    lab.call(step["service"], "PUT", "/deploy", step["deploy"])
    return f"{step['service']} runs version {step['deploy']['version']} again"


def _stop(lab: Lab, step: Step) -> str:
    try:
        lab.stop(step["name"])
    except NotRunning:
        return f"{step['name']} had ended"
    return f"{step['name']} is stopped"


UNDO: dict[str, Callable[[Lab, Step], str]] = {
    "authorize": _authorize,
    "revoke": _revoke,
    "interface-groups": _interface_groups,
    "entry": _entry,
    "route": _route,
    "peering": _peering,
    "knobs": _knobs,
    "deploy": _deploy,
    "stop": _stop,
}
