"""Calls that AWS services make on the customer's behalf: the interfaces of load balancers and databases.

A load balancer's interfaces come and go without a call of the customer's; CloudTrail logs what the service does through
its service-linked role, with `invokedBy`. The lab's cloud makes these interfaces inside moto; here the difference to
what was there before is told as calls. Interfaces are the services' own by their description, as in AWS
("ELB app/web/50dc6c495c0c9188", "RDSNetworkInterface").

Form of the records: CreateNetworkInterface by rds.amazonaws.com in the public data set invictus-ir/aws_dataset. That
Elastic Load Balancing changes its interfaces' groups by ModifyNetworkInterfaceAttribute is a *hint*: no such record is
public.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any
from xml.sax.saxutils import escape

from moto.ec2.models import ec2_backends

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail.identity import Identity


@dataclass(frozen=True, slots=True)
class _Service:
    principal: str
    role: str
    session: str
    requester: str


_SERVICES = {
    "ELB ": _Service(
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
        "ElasticLoadBalancing",
        "amazon-elb",
    ),
    "RDSNetworkInterface": _Service("rds.amazonaws.com", "AWSServiceRoleForRDS", "SLRManagement", "amazon-rds"),
}
_CAUSES = {"elasticloadbalancing", "rds"}


@dataclass(frozen=True, slots=True)
class _Interface:
    id: str
    service: _Service
    subnet: str
    vpc: str
    zone: str
    address: str
    mac: str
    description: str
    groups: tuple[tuple[str, str], ...]  # id, name


class Performed:
    """Remembers the services' interfaces of each account and region, and tells what changed since the last call."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, _Interface]] = {}

    def after(self, call: Call) -> list[tuple[Call, Identity]]:
        """The services' own calls since the last that was asked about, each with who made it, after `call`."""
        if call.service not in _CAUSES or call.reads_only or call.error is not None:
            return []
        place = (call.account, call.region)
        before, now = self._known.get(place, {}), _interfaces(*place)
        self._known[place] = now
        made = [_created(call, one) for one in now.values() if one.id not in before]
        changed = [one for one in now.values() if one.id in before and before[one.id].groups != one.groups]
        made += [_regrouped(call, one) for one in changed]
        made += [_deleted(call, one) for one in before.values() if one.id not in now]
        return made


def _interfaces(account: str, region: str) -> dict[str, _Interface]:
    found = {}
    for eni in list(ec2_backends[account][region].enis.values()):
        text = str(eni.description or "")
        service = next((service for start, service in _SERVICES.items() if text.startswith(start)), None)
        if service is not None:
            found[eni.id] = _Interface(
                id=eni.id,
                service=service,
                subnet=eni.subnet.id,
                vpc=eni.subnet.vpc_id,
                zone=str(eni.subnet.availability_zone),
                address=str(eni.private_ip_address),
                mac=str(eni.mac_address),
                description=text,
                groups=tuple((group.id, group.name) for group in eni.group_set),
            )
    return found


def _call(cause: Call, one: _Interface, action: str, params: dict[str, str], elements: str) -> tuple[Call, Identity]:
    service = one.service
    who = Identity.of_service(cause.account, service.principal, service.role, service.session, cause.at)
    request_id = str(uuid.uuid4())
    answer = f"<{action}Response><requestId>{request_id}</requestId>{elements}</{action}Response>".encode()
    made: dict[str, Any] = {"service": "ec2", "action": action, "version": "2016-11-15", "access_key": ""}
    made |= {"params": params, "answer": answer, "request_id": request_id, "status": 200}
    return replace(cause, **made), who


def _created(cause: Call, one: _Interface) -> tuple[Call, Identity]:
    params = {"SubnetId": one.subnet, "Description": one.description}
    params |= {f"SecurityGroupId.{number}": group for number, (group, _) in enumerate(one.groups, 1)}
    plain = {
        "networkInterfaceId": one.id,
        "subnetId": one.subnet,
        "vpcId": one.vpc,
        "availabilityZone": one.zone,
        "description": one.description,
        "ownerId": cause.account,
        "requesterId": one.service.requester,
        "requesterManaged": "true",
        "status": "pending",
        "macAddress": one.mac,
        "privateIpAddress": one.address,
        "sourceDestCheck": "true",
        "interfaceType": "interface",
    }
    groups = "".join(
        f"<item><groupId>{group}</groupId><groupName>{escape(name)}</groupName></item>" for group, name in one.groups
    )
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in plain.items())
    elements += f"<groupSet>{groups}</groupSet><privateIpAddressesSet><item><privateIpAddress>{one.address}"
    elements += "</privateIpAddress><primary>true</primary></item></privateIpAddressesSet><ipv6AddressesSet/><tagSet/>"
    answer = f"<networkInterface>{elements}</networkInterface>"
    return _call(cause, one, "CreateNetworkInterface", params, answer)


def _regrouped(cause: Call, one: _Interface) -> tuple[Call, Identity]:
    params = {"NetworkInterfaceId": one.id}
    params |= {f"SecurityGroupId.{number}": group for number, (group, _) in enumerate(one.groups, 1)}
    return _call(cause, one, "ModifyNetworkInterfaceAttribute", params, "<return>true</return>")


def _deleted(cause: Call, one: _Interface) -> tuple[Call, Identity]:
    return _call(cause, one, "DeleteNetworkInterface", {"NetworkInterfaceId": one.id}, "<return>true</return>")
