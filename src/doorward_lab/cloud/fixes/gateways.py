"""NAT gateways and interface endpoints: their interfaces lie in their subnets, belong to AWS, and go with them.

moto gives both an address at random outside the subnet, and the default group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.ec2.utils import random_eip_association_id

from doorward_lab.cloud import interfaces
from doorward_lab.cloud.fixes import lookup
from doorward_lab.cloud.fixes.interfaces import groups_for
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError


@corrects("CreateNatGateway")
def create_nat(turn: Turn) -> Answer:
    """VPC User Guide, "NAT gateways": an interface with a private address of the subnet and no group; a public one has
    an elastic address."""
    params, ec2 = turn.params, turn.ec2
    subnet = lookup.subnet(turn, params.get("SubnetId"))
    public = (params.get("ConnectivityType") or "public") == "public"
    eip = None
    if public:
        if not params.get("AllocationId"):
            text = (
                "The request must include the AllocationId parameter. Add the required parameter and retry the request."
            )
            raise ApiError("MissingParameter", text)
        eip = next((one for one in ec2.addresses if one.allocation_id == params["AllocationId"]), None)
        if eip is None:
            text = f"The allocation ID '{params['AllocationId']}' does not exist"
            raise ApiError("InvalidAllocationID.NotFound", text)
        if eip.eni is not None:
            text = f"Elastic IP address [{eip.allocation_id}] is already associated"
            raise ApiError("Resource.AlreadyAssociated", text)
    address = interfaces.choose(ec2, subnet, params.get("PrivateIpAddress"))
    kind = "public" if public else "private"
    gateway = ec2.create_nat_gateway(subnet.id, None, turn.given_tags("natgateway"), kind)
    own = gateway._eni
    own.private_ip_address = address
    own.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
    own._group_set = []
    own.source_dest_check = False
    text = f"Interface for NAT Gateway {gateway.id}"
    interfaces.adopt(own, requester="amazon-aws", description=text, kind="nat_gateway")
    gateway.private_ip = address
    entry = {"networkInterfaceId": own.id, "privateIp": address, "isPrimary": True, "status": "succeeded"}
    if eip is not None:
        eip.eni, eip.lab_private, eip.association_id = own, address, random_eip_association_id()
        own.public_ip = eip.public_ip
        entry |= {"allocationId": eip.allocation_id, "publicIp": eip.public_ip, "associationId": eip.association_id}
    gateway.address_set[:] = [entry]
    return turn.answer_with({"NatGateway": gateway, "ClientToken": params.get("ClientToken")})


@corrects("DeleteNatGateway")
def delete_nat(turn: Turn) -> Answer:
    """Its interface goes, its elastic address is free again (EC2 API Reference, DeleteNatGateway)."""
    id = turn.params.get("NatGatewayId")
    gateway = turn.ec2.nat_gateways.get(id)
    if gateway is None:
        raise ApiError("NatGatewayNotFound", f"NAT gateway {id} was not found")
    answer = turn.done()
    interfaces.release(turn.ec2, gateway._eni)
    return answer


@corrects("CreateVpcEndpoint")
def create_endpoint(turn: Turn) -> Answer:
    """An interface endpoint has an interface per subnet, with the endpoint's groups (AWS PrivateLink Guide, "Access an
    AWS service using an interface VPC endpoint")."""
    params, ec2 = turn.params, turn.ec2
    before = set(ec2.vpc_end_points)
    vpc = lookup.vpc(turn, params.get("VpcId"))
    ids = params.get("SecurityGroupIds") or []
    groups = groups_for(turn, ids, vpc.id)
    answer = turn.done()
    endpoint = next((ec2.vpc_end_points[id] for id in ec2.vpc_end_points if id not in before), None)
    if endpoint is None or (endpoint.vpc_endpoint_type or "").lower() != "interface":
        return answer
    endpoint.security_group_ids = [one.id for one in groups]
    for id in endpoint.network_interface_ids:
        interfaces.release(ec2, ec2.enis[id])
    endpoint.network_interface_ids = []
    _follow(turn, endpoint)
    return turn.answer_with({"VpcEndpoint": endpoint, "ClientToken": params.get("ClientToken")})


@corrects("ModifyVpcEndpoint")
def modify_endpoint(turn: Turn) -> Answer:
    """Its interfaces follow its groups and subnets (EC2 API Reference, ModifyVpcEndpoint)."""
    endpoint = turn.ec2.vpc_end_points.get(turn.params.get("VpcEndpointId"))
    if endpoint is not None:
        for id in turn.params.get("AddSecurityGroupIds") or ():
            lookup.group_by_id(turn.ec2, id)
    answer = turn.done()
    if endpoint is not None and (endpoint.vpc_endpoint_type or "").lower() == "interface":
        _follow(turn, endpoint)
    return answer


@corrects("DeleteVpcEndpoints")
def delete_endpoints(turn: Turn) -> Answer:
    """Their interfaces go with them (EC2 API Reference, DeleteVpcEndpoints)."""
    doomed = [turn.ec2.vpc_end_points.get(id) for id in turn.params.get("VpcEndpointIds") or ()]
    answer = turn.done()
    for endpoint in doomed:
        for id in endpoint.network_interface_ids if endpoint is not None else ():
            if id in turn.ec2.enis:
                interfaces.release(turn.ec2, turn.ec2.enis[id])
    return answer


def _follow(turn: Turn, endpoint: Any) -> None:
    ec2 = turn.ec2
    groups = [lookup.group_by_id(ec2, id) for id in endpoint.security_group_ids]
    have: Mapping[str, Any] = {ec2.enis[id].subnet.id: ec2.enis[id] for id in endpoint.network_interface_ids}
    wanted: Sequence[str] = endpoint.subnet_ids or []
    for subnet, one in have.items():
        if subnet not in wanted:
            interfaces.release(ec2, one)
        else:
            one._group_set = list(groups)
    for id in wanted:
        if id not in have:
            text = f"VPC Endpoint Interface {endpoint.id}"
            made = interfaces.place(
                ec2, lookup.subnet(turn, id), requester="amazon-vpc-endpoint", description=text, groups=groups,
                kind="vpc_endpoint",
            )  # fmt: skip
            endpoint.network_interface_ids.append(made.id)
    endpoint.network_interface_ids = [id for id in endpoint.network_interface_ids if id in ec2.enis]
