"""The skeleton of a generated estate: VPCs, peerings, subnets, ACLs, routes, gateways, prefix lists.

Lives here: what there are few of, as the dictionaries that the AWS CLI prints. Not here: groups and their rules
(`population`), and what there are too many of for dictionaries (`writing`).
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "210987654321"
REGION = "eu-central-1"
SCRAMBLE = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""An odd factor: ids of neighbours look unrelated, and no two are equal."""

Json = dict[str, Any]


def resource_id(prefix: str, number: int) -> str:
    """An id as AWS makes them: a prefix and 17 hexadecimal digits, the same in every run."""
    return f"{prefix}-{((number + zlib.crc32(prefix.encode())) * SCRAMBLE) & (2**68 - 1):017x}"


@dataclass(slots=True)
class SubnetPlan:
    """A subnet: a /22 and, where the VPC has IPv6, a /64."""

    id: str
    number: int
    vpc: VpcPlan
    public: bool
    cidr: str
    base: int
    cidr6: str | None
    custom_acl: bool = False
    quarantined: bool = False


@dataclass(slots=True)
class VpcPlan:
    """A VPC: a /16 that other components use too, and for most of them an IPv6 /56 of its own."""

    id: str
    component: int
    member: int
    cidr: str
    cidr6: str | None
    nat: str | None
    subnets: list[SubnetPlan] = field(default_factory=list)
    peers: list[tuple[VpcPlan, str]] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)
    """Well-known small blocks (bastions, monitors) that rules name again and again."""

    def hextets(self) -> str:
        """The first three groups of its IPv6 addresses."""
        return f"2600:1f18:{(self.component + 1) << 8 | self.member:x}"


@dataclass(slots=True)
class Network:
    """All of the skeleton."""

    vpcs: list[VpcPlan]
    components: list[list[VpcPlan]]
    documents: dict[str, Json]
    """File name → what the AWS CLI prints."""
    offices: str
    """Prefix list of public addresses."""
    monitors: str
    """Prefix list of private addresses."""
    storage: str
    """Prefix list of the vendor's object storage."""


def tags(name: str) -> list[Json]:
    """A Name tag and two that every company has."""
    return [{"Key": "Name", "Value": name}, {"Key": "cost-centre", "Value": "4711"}]


def build_network(rng: random.Random, sizes: tuple[int, ...], subnets: int) -> Network:
    """VPCs in peering components of the given sizes, ``subnets`` in each VPC."""
    components: list[list[VpcPlan]] = []
    number = 0
    for component, size in enumerate(sizes):
        members = []
        for member in range(size):
            vpc = VpcPlan(
                id=resource_id("vpc", number),
                component=component,
                member=member,
                cidr=f"10.{member * 16}.0.0/16",
                cidr6=None,
                nat=resource_id("nat", number) if rng.random() < 0.7 or not member else None,
            )
            if rng.random() < 0.6:
                vpc.cidr6 = f"{vpc.hextets()}::/56"
            for place in range(subnets):
                vpc.subnets.append(
                    SubnetPlan(
                        id=resource_id("subnet", number * 64 + place),
                        number=place,
                        vpc=vpc,
                        public=place < max(2, subnets // 4),
                        cidr=f"10.{member * 16}.{place * 16}.0/22",
                        base=(10 << 24) | (member * 16 << 16) | (place * 16 << 8),
                        cidr6=(f"{vpc.hextets()}:{place:x}::/64" if place else f"{vpc.hextets()}::/64")
                        if vpc.cidr6
                        else None,
                        custom_acl=place > 0 and rng.random() < 0.33,
                    )
                )
            for _ in range(12):
                length = (32, 28, 26)[int(rng.random() * 3)]
                place = int(rng.random() * subnets)
                low = int(rng.random() * 1024) >> (32 - length) << (32 - length)
                third, fourth = place * 16 + (low >> 8), low & 255
                vpc.narrow.append(f"10.{member * 16}.{third}.{fourth}/{length}")
            members.append(vpc)
            number += 1
        members[0].subnets[-1].quarantined = True
        members[0].subnets[-1].custom_acl = False
        components.append(members)
    peerings = list(_peer(rng, components))
    vpcs = [vpc for members in components for vpc in members]
    offices, monitors, storage = (resource_id("pl", one) for one in (1, 2, 3))
    network = Network(vpcs, components, {}, offices, monitors, storage)
    _describe(network, peerings, rng)
    return network


def _peer(rng: random.Random, components: list[list[VpcPlan]]) -> Any:
    """Peer everybody with the first of the component, and half of the other pairs."""
    number = 0
    for members in components:
        for index, left in enumerate(members):
            for right in members[index + 1 :]:
                if index == 0 or rng.random() < 0.5:
                    connection = resource_id("pcx", number)
                    number += 1
                    left.peers.append((right, connection))
                    right.peers.append((left, connection))
                    yield left, right, connection


def _describe(network: Network, peerings: list[tuple[VpcPlan, VpcPlan, str]], rng: random.Random) -> None:
    documents = network.documents
    documents["describe-vpcs.json"] = {"Vpcs": [_vpc(vpc) for vpc in network.vpcs]}
    documents["describe-subnets.json"] = {"Subnets": [_subnet(one) for vpc in network.vpcs for one in vpc.subnets]}
    documents["describe-vpc-peering-connections.json"] = {"VpcPeeringConnections": [_peering(*one) for one in peerings]}
    documents["describe-route-tables.json"] = {
        "RouteTables": [table for vpc in network.vpcs for table in _tables(vpc, network)]
    }
    documents["describe-network-acls.json"] = {
        "NetworkAcls": [acl for vpc in network.vpcs for acl in _acls(vpc, network, rng)]
    }
    documents["describe-internet-gateways.json"] = {
        "InternetGateways": [
            {
                "Attachments": [{"State": "available", "VpcId": vpc.id}],
                "InternetGatewayId": vpc.id.replace("vpc-", "igw-"),
                "OwnerId": ACCOUNT,
                "Tags": [],
            }
            for vpc in network.vpcs
        ]
    }
    documents["describe-egress-only-internet-gateways.json"] = {
        "EgressOnlyInternetGateways": [
            {
                "Attachments": [{"State": "attached", "VpcId": vpc.id}],
                "EgressOnlyInternetGatewayId": vpc.id.replace("vpc-", "eigw-"),
                "Tags": [],
            }
            for vpc in network.vpcs
            if vpc.cidr6
        ]
    }
    documents["describe-nat-gateways.json"] = {"NatGateways": [_nat(vpc) for vpc in network.vpcs if vpc.nat]}
    documents["describe-vpc-endpoints.json"] = {
        "VpcEndpoints": [
            {
                "VpcEndpointId": vpc.id.replace("vpc-", "vpce-"),
                "VpcEndpointType": "Gateway",
                "VpcId": vpc.id,
                "ServiceName": f"com.amazonaws.{REGION}.s3",
                "State": "available",
                "RouteTableIds": [vpc.id.replace("vpc-", "rtb-1")],
                "SubnetIds": [],
                "Groups": [],
                "NetworkInterfaceIds": [],
                "OwnerId": ACCOUNT,
                "Tags": [],
            }
            for vpc in network.vpcs
        ]
    }
    documents["describe-load-balancers.json"] = {"LoadBalancers": []}
    documents["describe-vpn-gateways.json"] = {"VpnGateways": []}
    documents["describe-transit-gateways.json"] = {"TransitGateways": []}
    _prefix_lists(network, rng)


def nat_interface(vpc: VpcPlan) -> tuple[str, str, str]:
    """(interface id, private address, public address) of the VPC's NAT gateway."""
    public = f"34.240.{vpc.component}.{vpc.member + 1}"
    return vpc.id.replace("vpc-", "eni-"), f"10.{vpc.member * 16}.3.250", public


def _vpc(vpc: VpcPlan) -> Json:
    return {
        "CidrBlock": vpc.cidr,
        "DhcpOptionsId": "dopt-0a1b2c3d4e5f60718",
        "State": "available",
        "VpcId": vpc.id,
        "OwnerId": ACCOUNT,
        "InstanceTenancy": "default",
        "Ipv6CidrBlockAssociationSet": [
            {
                "AssociationId": vpc.id.replace("vpc-", "vpc-cidr-assoc-6"),
                "Ipv6CidrBlock": vpc.cidr6,
                "Ipv6CidrBlockState": {"State": "associated"},
                "NetworkBorderGroup": REGION,
                "Ipv6Pool": "Amazon",
            }
        ]
        if vpc.cidr6
        else [],
        "CidrBlockAssociationSet": [
            {
                "AssociationId": vpc.id.replace("vpc-", "vpc-cidr-assoc-"),
                "CidrBlock": vpc.cidr,
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "IsDefault": False,
        "Tags": tags(f"vpc-{vpc.component}-{vpc.member}"),
    }


def _subnet(subnet: SubnetPlan) -> Json:
    return {
        "AvailabilityZone": f"{REGION}{'abc'[subnet.number % 3]}",
        "AvailabilityZoneId": f"euc1-az{subnet.number % 3 + 1}",
        "AvailableIpAddressCount": 811,
        "CidrBlock": subnet.cidr,
        "DefaultForAz": False,
        "MapPublicIpOnLaunch": subnet.public,
        "State": "available",
        "SubnetId": subnet.id,
        "VpcId": subnet.vpc.id,
        "OwnerId": ACCOUNT,
        "AssignIpv6AddressOnCreation": subnet.cidr6 is not None,
        "Ipv6CidrBlockAssociationSet": [
            {
                "AssociationId": subnet.id.replace("subnet-", "subnet-cidr-assoc-"),
                "Ipv6CidrBlock": subnet.cidr6,
                "Ipv6CidrBlockState": {"State": "associated"},
            }
        ]
        if subnet.cidr6
        else [],
        "Tags": tags(f"{'public' if subnet.public else 'private'}-{subnet.number}"),
        "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{subnet.id}",
    }


def _side(vpc: VpcPlan) -> Json:
    side: Json = {"CidrBlock": vpc.cidr, "CidrBlockSet": [{"CidrBlock": vpc.cidr}]}
    if vpc.cidr6:
        side["Ipv6CidrBlockSet"] = [{"Ipv6CidrBlock": vpc.cidr6}]
    return side | {"OwnerId": ACCOUNT, "VpcId": vpc.id, "Region": REGION}


def _peering(left: VpcPlan, right: VpcPlan, connection: str) -> Json:
    return {
        "AccepterVpcInfo": _side(right),
        "RequesterVpcInfo": _side(left),
        "Status": {"Code": "active", "Message": "Active"},
        "Tags": [],
        "VpcPeeringConnectionId": connection,
    }


def _tables(vpc: VpcPlan, network: Network) -> Any:
    """Two tables a VPC: public subnets to the internet gateway, private ones (main) to the NAT gateway if any."""
    for public in (True, False):
        table = vpc.id.replace("vpc-", "rtb-0" if public else "rtb-1")
        gateway = {"GatewayId": vpc.id.replace("vpc-", "igw-")}
        routes: list[Json] = [
            {"DestinationCidrBlock": vpc.cidr, "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
        ]
        if public or vpc.nat:
            way = gateway if public else {"NatGatewayId": vpc.nat}
            routes.append({"DestinationCidrBlock": "0.0.0.0/0", **way, "Origin": "CreateRoute", "State": "active"})
        if vpc.cidr6:
            way = gateway if public else {"EgressOnlyInternetGatewayId": vpc.id.replace("vpc-", "eigw-")}
            routes += [
                {
                    "DestinationIpv6CidrBlock": vpc.cidr6,
                    "GatewayId": "local",
                    "Origin": "CreateRouteTable",
                    "State": "active",
                },
                {"DestinationIpv6CidrBlock": "::/0", **way, "Origin": "CreateRoute", "State": "active"},
            ]
        for peer, connection in vpc.peers:
            way = {"VpcPeeringConnectionId": connection, "Origin": "CreateRoute", "State": "active"}
            routes.append({"DestinationCidrBlock": peer.cidr, **way})
            if vpc.cidr6 and peer.cidr6:
                routes.append({"DestinationIpv6CidrBlock": peer.cidr6, **way})
        if not public:
            endpoint = vpc.id.replace("vpc-", "vpce-")
            routes.append(
                {
                    "DestinationPrefixListId": network.storage,
                    "GatewayId": endpoint,
                    "Origin": "CreateRoute",
                    "State": "active",
                }
            )
        associations: list[Json] = [
            {
                "Main": False,
                "RouteTableAssociationId": subnet.id.replace("subnet-", "rtbassoc-"),
                "RouteTableId": table,
                "SubnetId": subnet.id,
                "AssociationState": {"State": "associated"},
            }
            for subnet in vpc.subnets
            if subnet.public
        ]
        if not public:
            associations = [
                {
                    "Main": True,
                    "RouteTableAssociationId": vpc.id.replace("vpc-", "rtbassoc-"),
                    "RouteTableId": table,
                    "AssociationState": {"State": "associated"},
                }
            ]
        yield {
            "Associations": associations,
            "PropagatingVgws": [],
            "RouteTableId": table,
            "Routes": routes,
            "Tags": tags("public" if public else "private"),
            "VpcId": vpc.id,
            "OwnerId": ACCOUNT,
        }


def _entry(number: int, *, egress: bool, allow: bool, cidr: str, protocol: str = "-1", ports: Any = None) -> Json:
    entry: Json = {"Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr, "Egress": egress}
    if ports:
        entry["PortRange"] = {"From": ports[0], "To": ports[1]}
    return entry | {"Protocol": protocol, "RuleAction": "allow" if allow else "deny", "RuleNumber": number}


def _acls(vpc: VpcPlan, network: Network, rng: random.Random) -> Any:
    """The default ACL, and for three subnets in ten one of their own with denies."""
    plain = [_entry(100 + six, egress=e, allow=True, cidr=c) for e in (True, False) for six, c in enumerate(_ALL)]
    own = [subnet for subnet in vpc.subnets if subnet.custom_acl]
    yield _acl(vpc.id.replace("vpc-", "acl-"), vpc, plain, [one for one in vpc.subnets if not one.custom_acl], True)
    quarantine = network.components[vpc.component][0].subnets[-1].cidr
    for subnet in own:
        entries = [
            _entry(50, egress=False, allow=False, cidr=quarantine),
            _entry(50, egress=True, allow=False, cidr=quarantine),
            _entry(60, egress=False, allow=False, cidr="0.0.0.0/0", protocol="6", ports=(22, 23)),
            _entry(61, egress=False, allow=False, cidr="::/0", protocol="6", ports=(22, 23)),
            _entry(60, egress=True, allow=False, cidr="0.0.0.0/0", protocol="6", ports=(25, 25)),
            _entry(100, egress=False, allow=True, cidr="10.0.0.0/8"),
            _entry(101, egress=False, allow=True, cidr="2600:1f18::/32"),
            _entry(110, egress=False, allow=False, cidr="0.0.0.0/0", protocol="6", ports=(135, 139)),
            _entry(120, egress=False, allow=True, cidr="0.0.0.0/0", protocol="6", ports=(1024, 65535)),
            _entry(121, egress=False, allow=True, cidr="::/0", protocol="6", ports=(1024, 65535)),
            _entry(130, egress=False, allow=True, cidr="0.0.0.0/0", protocol="17", ports=(1024, 65535)),
            _entry(140, egress=False, allow=True, cidr="0.0.0.0/0", protocol="6", ports=(443, 443)),
            _entry(141, egress=False, allow=True, cidr="::/0", protocol="6", ports=(443, 443)),
            _entry(100, egress=True, allow=True, cidr="0.0.0.0/0"),
            _entry(101, egress=True, allow=True, cidr="::/0"),
        ]
        if not subnet.public:
            entries += [
                _entry(number, egress=False, allow=False, cidr=f"{100 + int(rng.random() * 60)}.{number}.0.0/16")
                for number in range(40, 40 + int(rng.random() * 5))
            ]
            if rng.random() < 0.3:
                entries.append(
                    _entry(115, egress=False, allow=False, cidr="0.0.0.0/0", protocol="6", ports=(3389, 3389))
                )
        yield _acl(subnet.id.replace("subnet-", "acl-"), vpc, entries, [subnet], False)


_ALL = ("0.0.0.0/0", "::/0")


def _acl(name: str, vpc: VpcPlan, entries: list[Json], subnets: list[SubnetPlan], default: bool) -> Json:
    last = [_entry(32767 + six, egress=e, allow=False, cidr=c) for e in (True, False) for six, c in enumerate(_ALL)]
    return {
        "Associations": [
            {
                "NetworkAclAssociationId": one.id.replace("subnet-", "aclassoc-"),
                "NetworkAclId": name,
                "SubnetId": one.id,
            }
            for one in subnets
        ],
        "Entries": sorted(entries + last, key=lambda one: (not one["Egress"], one["RuleNumber"])),
        "IsDefault": default,
        "NetworkAclId": name,
        "Tags": [],
        "VpcId": vpc.id,
        "OwnerId": ACCOUNT,
    }


def _nat(vpc: VpcPlan) -> Json:
    interface, private, public = nat_interface(vpc)
    return {
        "CreateTime": "2023-05-04T08:15:00+00:00",
        "NatGatewayAddresses": [
            {
                "AllocationId": interface.replace("eni-", "eipalloc-"),
                "NetworkInterfaceId": interface,
                "PrivateIp": private,
                "PublicIp": public,
                "IsPrimary": True,
                "Status": "succeeded",
            }
        ],
        "NatGatewayId": vpc.nat,
        "State": "available",
        "SubnetId": vpc.subnets[0].id,
        "VpcId": vpc.id,
        "Tags": [],
        "ConnectivityType": "public",
    }


def _prefix_lists(network: Network, rng: random.Random) -> None:
    lists = {
        network.offices: ("offices", [f"193.{10 + one}.{int(rng.random() * 256)}.0/24" for one in range(14)]),
        network.monitors: ("monitors", [vpc.narrow[0] for vpc in network.vpcs[:: max(1, len(network.vpcs) // 20)]]),
        network.storage: (f"com.amazonaws.{REGION}.s3", ["3.5.136.0/22", "52.219.0.0/18", "52.95.168.0/21"]),
    }
    network.documents["describe-managed-prefix-lists.json"] = {
        "PrefixLists": [
            {
                "PrefixListId": name,
                "AddressFamily": "IPv4",
                "State": "create-complete",
                "PrefixListArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:prefix-list/{name}",
                "PrefixListName": title,
                "MaxEntries": 40,
                "Version": 3,
                "Tags": [],
                "OwnerId": "AWS" if title.startswith("com.") else ACCOUNT,
            }
            for name, (title, _) in lists.items()
        ]
    }
    for name, (_, cidrs) in lists.items():
        network.documents[f"ManagedPrefixListEntries-{name}.json"] = {
            "Entries": [{"Cidr": cidr, "Description": ""} for cidr in sorted(set(cidrs))]
        }
