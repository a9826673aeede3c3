"""VPCs, subnets, routes and peering: canonical CIDRs, what stands in the way of deleting, IPv6, duplicate routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doorward_lab.cloud import addresses, routing
from doorward_lab.cloud.fixes import acls, lookup
from doorward_lab.cloud.permissions import Permission, new_rule
from doorward_lab.cloud.turn import Turn, corrects
from doorward_lab.cloud.wire import Answer, ApiError


@corrects("CreateVpc", "CreateDefaultVpc")
def create_vpc(turn: Turn) -> Answer:
    """The default group lets its own members in (VPC User Guide, "Default security groups"); ACLs know IPv6."""
    before = set(turn.ec2.vpcs)
    flat = {"CidrBlock": acls.canonical(turn.params["CidrBlock"])} if "CidrBlock" in turn.params else {}
    block = _own_block(turn, flat)
    answer = turn.done(**flat)
    for id in [id for id in turn.ec2.vpcs if id not in before]:
        _write_block(turn, turn.ec2.vpcs[id], block, answer)
        settle(turn.ec2, turn.ec2.vpcs[id])
    return answer


def _own_block(turn: Turn, flat: dict[str, str]) -> str:
    """The block of an IPv6 pool of one's own, if one is asked for (EC2 API Reference, CreateVpc: Ipv6CidrBlock needs
    Ipv6Pool). moto knows blocks of Amazon's choice alone: one is made, and then replaced by `_write_block`."""
    if not turn.params.get("Ipv6CidrBlock"):
        return ""
    if not turn.params.get("Ipv6Pool"):
        raise ApiError("MissingParameter", "The request must contain the parameter Ipv6Pool")
    block = acls.canonical(turn.params["Ipv6CidrBlock"])
    if addresses.parsed(block).version != 6:
        raise ApiError("InvalidParameterValue", f"Value ({block}) for parameter ipv6CidrBlock is invalid.")
    flat["AmazonProvidedIpv6CidrBlock"] = "true"
    return block


def _write_block(turn: Turn, vpc: Any, own: str, answer: Answer) -> None:
    """Write a VPC's new IPv6 block in canonical form (moto: 2400:6500:8c3e:0f00::/56), or as the one of `own`."""
    found = [one for one in vpc._cidr_block_association_set.values() if one.get("ipv6_pool") == "Amazon"]
    if not found:
        return
    newest = found[-1]
    old, new = str(newest["cidr_block"]), own or acls.canonical(newest["cidr_block"])
    answer.body = answer.body.replace(old.encode(), new.encode())
    newest["cidr_block"] = new
    if own:
        newest["ipv6_pool"] = str(turn.params["Ipv6Pool"])
    for table in turn.ec2.route_tables.values():
        route = table._routes.pop(f"{table.id}~{old}", None) if table.vpc_id == vpc.id else None
        if route is not None:
            route.destination_ipv6_cidr_block, route.id = new, f"{table.id}~{new}"
            table._routes[route.id] = route


def settle(ec2: Any, vpc: Any) -> None:
    """Give a VPC that moto has just made what AWS gives it."""
    default = ec2.get_default_security_group(vpc.id)
    if default is not None and not default.ingress_rules:
        own = Permission("-1", None, None, "GroupId", default.id, None, ec2.account_id)
        default.ingress_rules.append(new_rule(ec2, default.id, own, egress=False, tags={}))
    if routing.blocks(vpc, ipv6=True):
        acls.add_ipv6(ec2, vpc.id)


@corrects("AssociateVpcCidrBlock")
def associate_vpc(turn: Turn) -> Answer:
    """With IPv6, default ACLs that nobody changed allow it, and so do groups whose egress nobody changed.

    VPC User Guide, "Default security groups" and "Default network ACL".
    """
    flat = {"CidrBlock": acls.canonical(turn.params["CidrBlock"])} if "CidrBlock" in turn.params else {}
    vpc = lookup.vpc(turn, turn.params.get("VpcId"))
    had = bool(routing.blocks(vpc, ipv6=True))
    block = _own_block(turn, flat)
    answer = turn.done(**flat)
    _write_block(turn, vpc, block, answer)
    if not had and routing.blocks(vpc, ipv6=True):
        acls.add_ipv6(turn.ec2, vpc.id)
        for group in turn.ec2.groups[vpc.id].values():
            only = group.egress_rules[0] if len(group.egress_rules) == 1 else None
            if only is not None and only.ip_protocol == "-1" and only.ip_range.get("CidrIp") == "0.0.0.0/0":
                every = Permission("-1", None, None, "CidrIpv6", "::/0")
                group.egress_rules.append(new_rule(turn.ec2, group.id, every, egress=True, tags={}))
    return answer


@corrects("DeleteVpc")
def delete_vpc(turn: Turn) -> Answer:
    """Refused while an internet gateway is attached or a group, an ACL or an interface of the user's is left."""
    vpc, ec2 = lookup.vpc(turn, turn.params.get("VpcId")), turn.ec2
    held = (
        any(one.vpc is not None and one.vpc.id == vpc.id for one in ec2.internet_gateways.values())
        or any(not one.is_default for one in ec2.groups[vpc.id].values())
        or any(one.vpc_id == vpc.id and not one.default for one in ec2.network_acls.values())
        or any(one.vpc_id == vpc.id for one in ec2.egress_only_internet_gateways.values())
        or any(one.resource_id == vpc.id for one in ec2.transit_gateway_attachments.values())
    )
    if held:
        raise ApiError("DependencyViolation", f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")
    answer = turn.done()
    for id in [id for id, one in ec2.network_acls.items() if one.vpc_id == vpc.id]:
        ec2.network_acls.pop(id)
    for peering in ec2.vpc_pcxs.values():
        if vpc.id in (peering.vpc.id, peering.peer_vpc.id) and peering._status.code != "deleted":
            peering._status.deleted(deleter_id=turn.request.account)
    return answer


@corrects("CreateSubnet")
def create_subnet(turn: Turn) -> Answer:
    """An IPv6 block is a /64 of the VPC's own (EC2 API Reference, CreateSubnet). Only default subnets map public
    addresses; moto does so for the first subnet of any zone."""
    params = turn.params
    vpc = lookup.vpc(turn, params.get("VpcId"))
    flat: dict[str, str] = {}
    if params.get("CidrBlock"):
        flat["CidrBlock"] = acls.canonical(params["CidrBlock"])
    if params.get("Ipv6CidrBlock"):
        flat["Ipv6CidrBlock"] = _subnet_ipv6(turn, vpc, params["Ipv6CidrBlock"])
    if not params.get("AvailabilityZone") and not params.get("AvailabilityZoneId"):
        flat["AvailabilityZone"] = f"{turn.request.region}a"
    before = {id for zone in turn.ec2.subnets.values() for id in zone}
    turn.done(**flat)
    made = next(one for zone in turn.ec2.subnets.values() for id, one in zone.items() if id not in before)
    if not vpc.is_default:
        made.default_for_az = made.map_public_ip_on_launch = False
    return turn.answer_with({"Subnet": made})


def _subnet_ipv6(turn: Turn, vpc: Any, wanted: object) -> str:
    block = addresses.parsed(acls.canonical(wanted))
    inside = any(
        whole.version == block.version and int(whole.network_address) <= int(block.network_address)
        and int(block.broadcast_address) <= int(whole.broadcast_address)
        for whole in map(addresses.parsed, routing.blocks(vpc, ipv6=True))
    )  # fmt: skip
    if not inside:
        raise ApiError("InvalidSubnet.Range", f"The CIDR '{wanted}' is invalid.")
    for other in turn.ec2.describe_subnets(filters={"vpc-id": [vpc.id]}):
        have = addresses.subnet_ipv6(other)
        if have is not None and addresses.parsed(have).overlaps(block):
            raise ApiError("InvalidSubnet.Conflict", f"The CIDR '{wanted}' conflicts with another subnet")
    return str(block)


@corrects("AssociateSubnetCidrBlock")
def associate_subnet(turn: Turn) -> Answer:
    """The same block rules as at CreateSubnet."""
    subnet = lookup.subnet(turn, turn.params.get("SubnetId"))
    vpc = lookup.vpc(turn, subnet.vpc_id)
    return turn.done(Ipv6CidrBlock=_subnet_ipv6(turn, vpc, turn.params.get("Ipv6CidrBlock")))


@corrects("ModifySubnetAttribute")
def modify_subnet(turn: Turn) -> Answer:
    """Also the attributes that moto drops (EC2 API Reference, ModifySubnetAttribute)."""
    params = turn.params
    subnet = lookup.subnet(turn, params.get("SubnetId"))
    if (params.get("AssignIpv6AddressOnCreation") or {}).get("Value") and addresses.subnet_ipv6(subnet) is None:
        text = f"Invalid value for AssignIpv6AddressOnCreation: {subnet.id} has no IPv6 CIDR block"
        raise ApiError("InvalidParameterValue", text)
    answer = turn.done()
    names = subnet.private_dns_name_options_on_launch
    if "PrivateDnsHostnameTypeOnLaunch" in params:
        names["HostnameType"] = params["PrivateDnsHostnameTypeOnLaunch"]
    if "EnableResourceNameDnsAAAARecordOnLaunch" in params:
        names["EnableResourceNameDnsAAAARecord"] = params["EnableResourceNameDnsAAAARecordOnLaunch"].get("Value")
    if "EnableDns64" in params:
        subnet.enable_dns64 = params["EnableDns64"].get("Value")
    return answer


@corrects("DeleteSubnet")
def delete_subnet(turn: Turn) -> Answer:
    """Refused while an interface is in it (EC2 API Reference, DeleteSubnet); its associations go with it."""
    subnet, ec2 = lookup.subnet(turn, turn.params.get("SubnetId")), turn.ec2
    if any(one.subnet.id == subnet.id for one in ec2.enis.values()):
        raise ApiError("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    answer = turn.done()
    for table in ec2.route_tables.values():
        table._associations = {id: target for id, target in table._associations.items() if target != subnet.id}
    for acl in ec2.network_acls.values():
        acl._associations = {id: one for id, one in acl._associations.items() if one.subnet_id != subnet.id}
    return answer


def _table(turn: Turn) -> Any:
    id = turn.params.get("RouteTableId")
    found = turn.ec2.route_tables.get(id)
    if found is None:
        raise ApiError("InvalidRouteTableID.NotFound", f"The routeTable ID '{id}' does not exist")
    return found


_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")

_TARGETS = {
    "NatGatewayId": ("nat_gateways", "NatGatewayNotFound"),
    "TransitGatewayId": ("transit_gateways", "InvalidTransitGatewayID.NotFound"),
    "VpcPeeringConnectionId": ("vpc_pcxs", "InvalidVpcPeeringConnectionID.NotFound"),
    "EgressOnlyInternetGatewayId": ("egress_only_internet_gateways", "InvalidGatewayID.NotFound"),
    "NetworkInterfaceId": ("enis", "InvalidNetworkInterfaceID.NotFound"),
}


@corrects("CreateRoute", "ReplaceRoute", "DeleteRoute")
def route(turn: Turn) -> Answer | Mapping[str, Any]:
    """Canonical destinations, one target that exists, no second route to a destination (EC2 API Reference,
    CreateRoute)."""
    params, table, action = turn.params, _table(turn), turn.request.action
    given = [name for name in _DESTINATIONS if params.get(name)]
    if len(given) != 1:
        raise ApiError("MissingParameter", "The request must contain exactly one destination.")
    wanted = str(params[given[0]])
    if given[0] == "DestinationPrefixListId":
        if wanted not in turn.ec2.managed_prefix_lists:
            raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{wanted}' does not exist")
    else:
        wanted = acls.canonical(wanted)
        if (":" in wanted) != (given[0] == "DestinationIpv6CidrBlock"):
            raise ApiError(
                "InvalidParameterValue", f"Value ({wanted}) for parameter {given[0]} is of the other family."
            )
    there = next((one for one in table._routes.values() if routing.destination(one) == wanted), None)
    if there is None and action != "CreateRoute":
        text = f"There is no route defined for '{wanted}' in the route table."
        code = "InvalidParameterValue" if action == "ReplaceRoute" else "InvalidRoute.NotFound"
        raise ApiError(
            code,
            text
            if action == "ReplaceRoute"
            else f"no route with destination-cidr-block {wanted} in route table {table.id}",
        )
    if action == "DeleteRoute":
        assert there is not None
        if there.local:
            raise ApiError("InvalidParameterValue", f"cannot remove local route {wanted} in route table {table.id}")
        table._routes.pop(there.id)
        return {}
    if action == "CreateRoute" and there is not None:
        raise ApiError("RouteAlreadyExists", f"The route identified by {wanted} already exists.")
    for name, (where, code) in _TARGETS.items():
        if params.get(name) and params[name] not in getattr(turn.ec2, where):
            raise ApiError(code, f"The {name} '{params[name]}' does not exist")
    _check_gateway(turn, table, params)
    if action == "CreateRoute" and params.get("NetworkInterfaceId") and given[0] == "DestinationPrefixListId":
        # moto forgets the list when the target is an interface.
        turn.done(**{given[0]: wanted})
        made = next(one for one in table._routes.values() if not routing.destination(one))
        made.destination_prefix_list = turn.ec2.managed_prefix_lists[wanted]
        table._routes[f"{table.id}~{wanted}"] = table._routes.pop(made.id)
        made.id = f"{table.id}~{wanted}"
        return {"Return": True}
    return turn.done(**{given[0]: wanted})


def _check_gateway(turn: Turn, table: Any, params: Mapping[str, Any]) -> None:
    id = str(params.get("GatewayId") or "")
    if id.startswith("igw-"):
        gateway = turn.ec2.internet_gateways.get(id)
        if gateway is None:
            raise ApiError("InvalidInternetGatewayID.NotFound", f"The gateway ID '{id}' does not exist")
        if gateway.vpc is None or gateway.vpc.id != table.vpc_id:
            text = f"route table {table.id} and network gateway {id} belong to different networks"
            raise ApiError("InvalidParameterValue", text)
    one = turn.ec2.enis.get(params.get("NetworkInterfaceId"))
    if one is not None and one.subnet.vpc_id != table.vpc_id:
        text = f"route table {table.id} and interface {one.id} belong to different networks"
        raise ApiError("InvalidParameterValue", text)


@corrects("AssociateRouteTable")
def associate_table(turn: Turn) -> Answer:
    """A subnet has one route table: a second one is refused (EC2 API Reference, "Error codes":
    Resource.AlreadyAssociated)."""
    table = _table(turn)
    id = turn.params.get("SubnetId")
    if id:
        subnet = lookup.subnet(turn, id)
        if subnet.vpc_id != table.vpc_id:
            text = f"route table {table.id} and subnet {id} belong to different networks"
            raise ApiError("InvalidParameterValue", text)
        for other in turn.ec2.route_tables.values():
            for association, target in other._associations.items():
                if target == id and other is not table:
                    text = f"the specified association for route table {table.id} conflicts with {association}"
                    raise ApiError("Resource.AlreadyAssociated", text)
    return turn.done()


@corrects("DeleteRouteTable")
def delete_table(turn: Turn) -> Answer:
    """Never the main one (EC2 API Reference, DeleteRouteTable)."""
    table = _table(turn)
    if table.main_association_id is not None:
        raise ApiError("DependencyViolation", f"The routeTable '{table.id}' has dependencies and cannot be deleted.")
    return turn.done()


@corrects("DetachInternetGateway")
def detach(turn: Turn) -> Answer:
    """Refused while an interface of the VPC has a public address (EC2 API Reference, DetachInternetGateway: "The VPC
    must not contain any running instances with Elastic IP addresses or public IPv4 addresses")."""
    vpc = turn.params.get("VpcId")
    gateway = turn.ec2.internet_gateways.get(turn.params.get("InternetGatewayId"))
    if gateway is not None and gateway.vpc is not None and gateway.vpc.id == vpc:
        for one in turn.ec2.enis.values():
            if one.subnet.vpc_id == vpc and (one.public_ip or getattr(one, "lab_public", None)):
                mapped = f"Network {vpc} has some mapped public address(es)."
                text = f"{mapped} Please unmap those public address(es) before detaching the gateway."
                raise ApiError("DependencyViolation", text)
    return turn.done()


@corrects("AttachInternetGateway")
def attach(turn: Turn) -> Answer:
    """A VPC has one internet gateway (EC2 API Reference, "Error codes": Resource.AlreadyAssociated)."""
    vpc = lookup.vpc(turn, turn.params.get("VpcId"))
    for one in turn.ec2.internet_gateways.values():
        if one.vpc is not None and one.vpc.id == vpc.id:
            text = f"resource {vpc.id} is already attached to network gateway {one.id}"
            raise ApiError("Resource.AlreadyAssociated", text)
    return turn.done()


@corrects("CreateVpcPeeringConnection")
def peer(turn: Turn) -> Answer:
    """Two VPCs whose blocks overlap cannot be joined: the connection fails (Amazon VPC Peering Guide, "VPC peering
    limitations")."""
    before = set(turn.ec2.vpc_pcxs)
    answer = turn.done()
    made = next(one for id, one in turn.ec2.vpc_pcxs.items() if id not in before)
    ours, theirs = (
        [addresses.parsed(cidr) for six in (False, True) for cidr in routing.blocks(vpc, ipv6=six)]
        for vpc in (made.vpc, made.peer_vpc)
    )
    if any(a.version == b.version and a.overlaps(b) for a in ours for b in theirs):
        made._status.code, made._status.message = (
            "failed",
            "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range",
        )
    return answer


@corrects("DescribeVpcPeeringConnections")
def peerings(turn: Turn) -> Answer:
    """By id or filter (EC2 API Reference, DescribeVpcPeeringConnections); moto knows no filters, and no unknown id."""
    every = turn.ec2.vpc_pcxs
    ids = turn.params.get("VpcPeeringConnectionIds") or []
    for id in ids:
        if id not in every:
            text = f"The vpcPeeringConnection ID '{id}' does not exist"
            raise ApiError("InvalidVpcPeeringConnectionID.NotFound", text)
    known: dict[str, Any] = {
        "vpc-peering-connection-id": lambda one: (one.id,),
        "status-code": lambda one: (one._status.code,),
        "status-message": lambda one: (one._status.message,),
    }
    for side, which in (("requester", "vpc"), ("accepter", "peer_vpc")):
        known[f"{side}-vpc-info.vpc-id"] = lambda one, w=which: (getattr(one, w).id,)
        known[f"{side}-vpc-info.cidr-block"] = lambda one, w=which: (getattr(one, w).cidr_block,)
        known[f"{side}-vpc-info.owner-id"] = lambda one, w=which: (getattr(one, w).owner_id,)
    found = [every[id] for id in dict.fromkeys(ids)] if ids else list(every.values())
    kept = lookup.chosen(turn, found, turn.params.get("Filters") or [], known)
    return turn.answer_with({"VpcPeeringConnections": kept})
