"""How each step of a fault is undone. Every kind can be done twice: what is as it should be already stays.

The steps are plain JSON, so that another process than the one that injected can heal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def _authorize(lab: Lab, step: Step) -> str:
    """One rule at a time: AWS refuses a whole call for one rule that is there (EC2 API Reference, Authorize…)."""
    call = getattr(lab.connect("ec2"), f"authorize_security_group_{step['direction']}")
    rules = flat(step["permissions"]).values()
    made = sum(quietly(call, THERE, GroupId=step["group"], IpPermissions=[rule]) for rule in rules)
    return f"{made} {step['direction']} rule(s) of {step['group']} put back"


def _revoke(lab: Lab, step: Step) -> str:
    call = getattr(lab.connect("ec2"), f"revoke_security_group_{step['direction']}")
    rules = flat(step["permissions"]).values()
    gone = sum(quietly(call, GONE, GroupId=step["group"], IpPermissions=[rule]) for rule in rules)
    return f"{gone} {step['direction']} rule(s) of {step['group']} taken away"


def _interface_groups(lab: Lab, step: Step) -> str:
    lab.connect("ec2").modify_network_interface_attribute(NetworkInterfaceId=step["interface"], Groups=step["groups"])
    return f"{step['interface']} is in {', '.join(step['groups'])} again"


def _entry(lab: Lab, step: Step) -> str:
    made = quietly(
        lab.connect("ec2").delete_network_acl_entry, GONE,
        NetworkAclId=step["acl"], RuleNumber=step["number"], Egress=step["egress"],
    )  # fmt: skip
    return f"entry {step['number']} of {step['acl']} {'taken away' if made else 'was gone'}"


def _route(lab: Lab, step: Step) -> str:
    """Put a route back, whether it is gone or leads elsewhere."""
    ec2 = lab.connect("ec2")
    asked = {"RouteTableId": step["table"], **step["route"]}
    if not quietly(ec2.create_route, THERE, **asked):
        ec2.replace_route(**asked)
    return f"the route of {step['table']} leads where it led"


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
    return f"{id} joins the VPCs, {len(step['routes'])} route(s) lead through it"


def _knobs(lab: Lab, step: Step) -> str:
    lab.call(step["service"], "PUT", "/knobs", step["knobs"])
    return f"{step['service']}: {', '.join(f'{name} is {value!r}' for name, value in step['knobs'].items())}"


def _deploy(lab: Lab, step: Step) -> str:
    lab.call(step["service"], "PUT", "/deploy", step["deploy"])
    return f"{step['service']} runs version {step['deploy']['version']}"


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
