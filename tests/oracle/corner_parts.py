"""What corners are built of: a base estate, and the pieces that are added to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Corner = Callable[[], tuple[Json, Json]]
ARN = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:"


def permission(protocol: str = "-1", ports: tuple[int, int] | None = None, **peers: list[Json]) -> Json:
    """A permission; peers by their API keys, everybody when none is given."""
    everybody = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    made: Json = {"IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    made |= {"FromPort": ports[0], "ToPort": ports[1]} if ports else {}
    return made | (peers or everybody)


def reference(group: str) -> Json:
    """The peers of a permission that references a group."""
    return {"UserIdGroupPairs": [{"GroupId": group, "UserId": "111122223333"}]}


def entry(
    number: int, *, egress: bool, allow: bool, protocol: str = "-1", cidr: str = "0.0.0.0/0", **more: Any
) -> Json:
    """An ACL entry."""
    key = "Ipv6CidrBlock" if ":" in cidr else "CidrBlock"
    action = "allow" if allow else "deny"
    return {"RuleNumber": number, "Egress": egress, "RuleAction": action, "Protocol": protocol, key: cidr, **more}


def base() -> Json:
    """VPCs a (10.0.0.0/24) and b (10.0.1.0/24); interfaces a0 a1 b0 b1, each in its own subnet; groups sg-a, sg-b."""
    estate: Json = {
        "NetworkInterfaces": [], "SecurityGroups": [], "Subnets": [], "NetworkAcls": [], "RouteTables": [], "Vpcs": [],
        "InternetGateways": [], "EgressOnlyInternetGateways": [], "NatGateways": [], "VpnGateways": [],
        "VpcPeeringConnections": [], "TransitGateways": [], "TransitGatewayVpcAttachments": [],
        "TransitGatewayAttachments": [], "TransitGatewayRouteTables": [], "ManagedPrefixLists": [], "LoadBalancers": [],
        "Listeners": [], "TargetGroups": [],
        "ManagedPrefixListEntries": {}, "TransitGatewayRoutes": {}, "TargetHealth": {}, "TargetGroupAttributes": {},
    }  # fmt: skip
    for at, name in enumerate("ab"):
        vpc, four, six = f"vpc-{name}", f"10.0.{at}.0/24", f"2600:1f00:{at + 1}::/56"
        local = {"GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"}
        estate["Vpcs"].append(
            {
                "VpcId": vpc,
                "CidrBlock": four,
                "CidrBlockAssociationSet": [{"CidrBlock": four}],
                "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": six}],
            }
        )
        estate["InternetGateways"].append(
            {"InternetGatewayId": f"igw-{name}", "Attachments": [{"VpcId": vpc, "State": "available"}]}
        )
        estate["SecurityGroups"].append(
            {
                "GroupId": f"sg-{name}",
                "GroupName": name,
                "VpcId": vpc,
                "IpPermissions": [permission()],
                "IpPermissionsEgress": [permission()],
            }
        )
        estate["RouteTables"].append(
            {
                "RouteTableId": f"rtb-{name}",
                "VpcId": vpc,
                "Associations": [{"Main": True}],
                "Routes": [{"DestinationCidrBlock": four, **local}, {"DestinationIpv6CidrBlock": six, **local}],
            }
        )
        for part in range(2):
            subnet = f"subnet-{name}{part}"
            estate["Subnets"].append(
                {
                    "SubnetId": subnet,
                    "VpcId": vpc,
                    "AvailabilityZone": "eu-central-1a",
                    "CidrBlock": f"10.0.{at}.{part * 64}/26",
                    "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": f"2600:1f00:{at + 1}:{part}::/64"}],
                }
            )
            estate["NetworkAcls"].append(
                {
                    "NetworkAclId": f"acl-{name}{part}",
                    "VpcId": vpc,
                    "IsDefault": False,
                    "Associations": [{"SubnetId": subnet}],
                    "Entries": [
                        entry(number, egress=egress, allow=True, cidr=cidr)
                        for egress in (False, True)
                        for number, cidr in ((30000, "0.0.0.0/0"), (30001, "::/0"))
                    ],
                }
            )
            estate["NetworkInterfaces"].append(nic(f"eni-{name}{part}", vpc, subnet, at, part, [f"sg-{name}"]))
    return estate


def nic(name: str, vpc: str, subnet: str, at: int, part: int, groups: list[str], last: int = 5, **more: Any) -> Json:
    """An interface with one address of each family."""
    address = f"10.0.{at}.{part * 64 + last}"
    return {
        "NetworkInterfaceId": name,
        "VpcId": vpc,
        "SubnetId": subnet,
        "InterfaceType": "interface",
        "Description": "",
        "Groups": [{"GroupId": one, "GroupName": one} for one in groups],
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}],
        "Ipv6Addresses": [{"Ipv6Address": f"2600:1f00:{at + 1}:{part}::{last}"}],
        "Attachment": {"InstanceId": f"i-{name[4:]}", "DeviceIndex": 0},
        **more,
    }


def find(estate: Json, key: str, name: str) -> Json:
    """The element of a list with an id."""
    return next(one for one in estate[key] if name in one.values())


def public(estate: Json, name: str, address: str) -> None:
    """Give an interface a public address."""
    find(estate, "NetworkInterfaces", name)["PrivateIpAddresses"][0]["Association"] = {"PublicIp": address}


def add_route(estate: Json, table: str, cidr: str, **target: str) -> None:
    """Add an active route."""
    find(estate, "RouteTables", table)["Routes"].append(
        {"DestinationCidrBlock": cidr, "State": "active", "Origin": "CreateRoute", **target}
    )


def add_transit(estate: Json, support: str) -> None:
    """A transit gateway that joins the two VPCs, with or without security group referencing."""
    options = {"SecurityGroupReferencingSupport": support}
    estate["TransitGateways"].append({"TransitGatewayId": "tgw-0", "State": "available", "Options": options})
    estate["TransitGatewayRouteTables"].append({"TransitGatewayRouteTableId": "tgw-rtb-0", "TransitGatewayId": "tgw-0"})
    routes = []
    for at, name in enumerate("ab"):
        link = {"TransitGatewayAttachmentId": f"tgw-attach-{name}", "TransitGatewayId": "tgw-0", "State": "available"}
        zone = {"VpcId": f"vpc-{name}", "SubnetIds": [f"subnet-{name}0"], "Options": options}
        estate["TransitGatewayVpcAttachments"].append(link | zone)
        estate["TransitGatewayAttachments"].append(
            {
                **link,
                "ResourceType": "vpc",
                "ResourceId": f"vpc-{name}",
                "Association": {"TransitGatewayRouteTableId": "tgw-rtb-0", "State": "associated"},
            }
        )
        via = [{"TransitGatewayAttachmentId": f"tgw-attach-{name}", "ResourceType": "vpc"}]
        cidr = f"10.0.{at}.0/24"
        routes.append(
            {"DestinationCidrBlock": cidr, "TransitGatewayAttachments": via, "Type": "static", "State": "active"}
        )
        add_route(estate, f"rtb-{'ba'[at]}", cidr, TransitGatewayId="tgw-0")
    estate["TransitGatewayRoutes"]["tgw-rtb-0"] = {"Routes": routes, "AdditionalRoutesAvailable": False}


def add_peering(estate: Json, status: str, region: str = "eu-central-1") -> None:
    """A peering connection of the two VPCs, without routes."""
    sides = []
    for at, (name, where) in enumerate((("a", "eu-central-1"), ("b", region))):
        cidr = f"10.0.{at}.0/24"
        sides.append(
            {"VpcId": f"vpc-{name}", "Region": where, "CidrBlock": cidr, "CidrBlockSet": [{"CidrBlock": cidr}]}
        )
    estate["VpcPeeringConnections"].append(
        {
            "VpcPeeringConnectionId": "pcx-0",
            "RequesterVpcInfo": sides[0],
            "AccepterVpcInfo": sides[1],
            "Status": {"Code": status, "Message": ""},
        }
    )


def reach(source: str, target: str, service: str = "tcp/443", **more: str) -> Json:
    """A contract."""
    return {"must": "reach", "from": source, "to": target, "service": service, **more}
