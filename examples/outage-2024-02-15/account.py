"""The example's account, invented: ids, addresses, and what the AWS CLI prints of it."""

from __future__ import annotations

import hashlib
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ZONES = {"a": 0, "b": 1}
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"

Json = dict[str, Any]


def made_up(prefix: str, name: str) -> str:
    """An id in AWS's form that depends on nothing but the name."""
    return f"{prefix}-0{hashlib.sha256(f'{prefix} {name}'.encode()).hexdigest()[:16]}"


VPC = made_up("vpc", "identity")
GATEWAY = made_up("igw", "identity")
NAT = made_up("nat", "identity")
GROUPS = {name: made_up("sg", name) for name in ("web", "portal", "auth", "auth-db")}
DEFAULT_GROUP = made_up("sg", "default")
TABLES = {name: made_up("rtb", name) for name in ("main", "public", "app")}
ACLS = {name: made_up("acl", name) for name in ("default", "data")}
SUBNETS = {
    f"{tier}-{zone}": made_up("subnet", f"{tier}-{zone}") for tier in ("public", "app", "data") for zone in ZONES
}
BALANCER = f"{ELB}:loadbalancer/app/web/9d4e6b0c2f8a1357"
LISTENER = f"{ELB}:listener/app/web/9d4e6b0c2f8a1357/41c7d2e6f0b39a85"
RULE = f"{ELB}:listener-rule/app/web/9d4e6b0c2f8a1357/41c7d2e6f0b39a85/7be10c52d94fa368"
TARGET_GROUPS = {
    "portal": f"{ELB}:targetgroup/portal/5a2c8e1b7d4f6093",
    "auth": f"{ELB}:targetgroup/auth/c07f3b9e2a6d1584",
}
PORTS = {"portal": 8080, "auth": 8443}
THIRD = {"public": 0, "app": 10, "data": 20}
NAT_PUBLIC = "52.16.20.40"
DATABASE_RULE = made_up("sgr", "auth-db-from-auth")


def tags(name: str, release: str = "2024.06") -> Json:
    """The tags of a resource called ``name``."""
    return {"Name": name, "Project": "identity", "Release": release}


def cidr(subnet: str) -> str:
    """The CIDR of a subnet, e.g. of ``app-a``."""
    tier, zone = subnet.split("-")
    return f"10.20.{THIRD[tier] + ZONES[zone]}.0/24"


def _tags(name: str) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags(name).items()]


def _interface(name: str, subnet: str, host: int, groups: list[str], public: str | None = None, **more: Any) -> Json:
    private = cidr(subnet).replace("0/24", str(host))
    place = {"PrivateDnsName": f"ip-{private.replace('.', '-')}.{REGION}.compute.internal", "PrivateIpAddress": private}
    association: Json = {}
    if public:
        host_name = f"ec2-{public.replace('.', '-')}.{REGION}.compute.amazonaws.com"
        association = {"Association": {"IpOwnerId": "amazon", "PublicDnsName": host_name, "PublicIp": public}}
    return {
        **association,
        "AvailabilityZone": f"{REGION}{subnet[-1]}",
        "Description": "",
        "Groups": [{"GroupName": one, "GroupId": GROUPS[one]} for one in groups],
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": "06:1c:" + ":".join(made_up("eni", name)[-8:][i : i + 2] for i in range(0, 8, 2)),
        "NetworkInterfaceId": made_up("eni", name),
        "OwnerId": ACCOUNT,
        **place,
        "PrivateIpAddresses": [{**association, "Primary": True, **place}],
        "RequesterManaged": False,
        "SourceDestCheck": True,
        "Status": "in-use",
        "SubnetId": SUBNETS[subnet],
        "TagSet": [],
        "VpcId": VPC,
    } | more


def instance_id(service: str, zone: str) -> str:
    """The machine of a service in a zone."""
    return made_up("i", f"{service}-{zone}")


def _interfaces() -> list[Json]:
    found = []
    for zone, number in ZONES.items():
        found.append(
            _interface(
                f"web-{zone}", f"public-{zone}", 11 + number, ["web"], f"52.16.20.{10 + number}",
                Description="ELB app/web/9d4e6b0c2f8a1357", RequesterId="amazon-elb", RequesterManaged=True,
            )
        )  # fmt: skip
    for service in ("portal", "auth"):
        for zone, number in ZONES.items():
            found.append(
                _interface(
                    f"{service}-{zone}", f"app-{zone}", (21 if service == "portal" else 31) + number, [service],
                    Attachment={
                        "AttachTime": "2024-02-01T08:12:44+00:00",
                        "AttachmentId": made_up("eni-attach", f"{service}-{zone}"),
                        "DeleteOnTermination": True,
                        "DeviceIndex": 0,
                        "NetworkCardIndex": 0,
                        "InstanceId": instance_id(service, zone),
                        "InstanceOwnerId": ACCOUNT,
                        "Status": "attached",
                    },
                )
            )  # fmt: skip
    found.append(
        _interface(
            "auth-db", "data-a", 51, ["auth-db"],
            Description="RDSNetworkInterface", RequesterId="amazon-rds", RequesterManaged=True,
        )
    )  # fmt: skip
    found.append(
        _interface(
            "nat", "public-a", 5, [], NAT_PUBLIC, Description=f"Interface for NAT Gateway {NAT}",
            InterfaceType="nat_gateway", RequesterManaged=True, SourceDestCheck=False,
        )
    )  # fmt: skip
    return found


def _permission(protocol: str, ports: tuple[int, int] | None = None, **peers: list[Json]) -> Json:
    head: Json = {"IpProtocol": protocol}
    if ports:
        head |= {"FromPort": ports[0], "ToPort": ports[1]}
    return head | {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []} | peers


def _pair(name: str, description: str) -> Json:
    return {"Description": description, "UserId": ACCOUNT, "GroupId": GROUPS[name]}


def _groups() -> list[Json]:
    anywhere = [_permission("-1", IpRanges=[{"Description": "anywhere", "CidrIp": "0.0.0.0/0"}])]
    inside = [{"Description": "targets", "CidrIp": "10.20.0.0/16"}]
    rules: dict[str, tuple[str, list[Json], list[Json]]] = {
        "web": (
            "Load balancer of the shop",
            [
                _permission(
                    "tcp", (443, 443), IpRanges=[{"Description": "everybody", "CidrIp": "0.0.0.0/0"}],
                    Ipv6Ranges=[{"Description": "everybody", "CidrIpv6": "::/0"}],
                )
            ],
            [_permission("tcp", (8080, 8443), IpRanges=inside)],
        ),
        "portal": (
            "Portal, where people log in",
            [_permission("tcp", (8080, 8080), UserIdGroupPairs=[_pair("web", "load balancer")])],
            anywhere,
        ),
        "auth": (
            "Authentication service",
            [_permission("tcp", (8443, 8443), UserIdGroupPairs=[_pair("web", "tokens"), _pair("portal", "tokens")])],
            anywhere,
        ),
        "auth-db": (
            "Database of the authentication service",
            [_permission("tcp", (5432, 5432), UserIdGroupPairs=[_pair("auth", "accounts")])],
            [],
        ),
    }  # fmt: skip
    groups = [
        {
            "GroupId": GROUPS[name],
            "IpPermissionsEgress": egress,
            "Tags": _tags(name),
            "VpcId": VPC,
            "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{GROUPS[name]}",
            "OwnerId": ACCOUNT,
            "GroupName": name,
            "Description": description,
            "IpPermissions": ingress,
        }
        for name, (description, ingress, egress) in rules.items()
    ]
    own = {"UserId": ACCOUNT, "GroupId": DEFAULT_GROUP}
    everywhere = [_permission("-1", IpRanges=[{"CidrIp": "0.0.0.0/0"}])]
    groups.append(
        {
            "GroupId": DEFAULT_GROUP,
            "IpPermissionsEgress": everywhere,
            "VpcId": VPC,
            "SecurityGroupArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{DEFAULT_GROUP}",
            "OwnerId": ACCOUNT,
            "GroupName": "default",
            "Description": "default VPC security group",
            "IpPermissions": [_permission("-1", UserIdGroupPairs=[own])],
        }
    )
    return groups


def _rules() -> list[Json]:
    """What `aws ec2 describe-security-group-rules` adds: the ids of the rules."""
    rules = []
    for group in _groups():
        for egress, key in ((False, "IpPermissions"), (True, "IpPermissionsEgress")):
            for permission in group[key]:
                peers: list[Json] = [
                    {"ReferencedGroupInfo": {"GroupId": one["GroupId"], "UserId": ACCOUNT}, "_": one}
                    for one in permission["UserIdGroupPairs"]
                ]
                peers += [{"CidrIpv4": one["CidrIp"], "_": one} for one in permission["IpRanges"]]
                peers += [{"CidrIpv6": one["CidrIpv6"], "_": one} for one in permission["Ipv6Ranges"]]
                for peer in peers:
                    text = peer.pop("_").get("Description", "")
                    name = f"{group['GroupName']} {egress} {sorted(peer.items())}"
                    rule = made_up("sgr", name)
                    if group["GroupName"] == "auth-db":
                        rule = DATABASE_RULE
                    rules.append(
                        {
                            "SecurityGroupRuleId": rule,
                            "GroupId": group["GroupId"],
                            "GroupOwnerId": ACCOUNT,
                            "IsEgress": egress,
                            "IpProtocol": permission["IpProtocol"],
                            "FromPort": permission.get("FromPort", -1),
                            "ToPort": permission.get("ToPort", -1),
                            **peer,
                            "Description": text,
                            "SecurityGroupRuleArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{rule}",
                            "Tags": _tags("auth-db-from-auth") if rule == DATABASE_RULE else [],
                        }
                    )
    return rules


def _tables() -> list[Json]:
    local = {
        "DestinationCidrBlock": "10.20.0.0/16",
        "GatewayId": "local",
        "Origin": "CreateRouteTable",
        "State": "active",
    }
    default = {"DestinationCidrBlock": "0.0.0.0/0", "Origin": "CreateRoute", "State": "active"}
    ways: dict[str, list[Json]] = {
        "main": [local],
        "public": [local, default | {"GatewayId": GATEWAY}],
        "app": [local, default | {"NatGatewayId": NAT}],
    }
    tables = []
    for name, routes in ways.items():
        state = {"AssociationState": {"State": "associated"}}
        associations: list[Json] = [
            {
                "Main": False,
                "RouteTableAssociationId": made_up("rtbassoc", subnet),
                "RouteTableId": TABLES[name],
                "SubnetId": SUBNETS[subnet],
                **state,
            }
            for subnet in SUBNETS
            if subnet.split("-")[0] == name
        ]
        if name == "main":
            associations = [
                {
                    "Main": True,
                    "RouteTableAssociationId": made_up("rtbassoc", "main"),
                    "RouteTableId": TABLES[name],
                    **state,
                }
            ]
        tables.append(
            {
                "Associations": associations,
                "PropagatingVgws": [],
                "RouteTableId": TABLES[name],
                "Routes": routes,
                "Tags": _tags(name) if name != "main" else [],
                "VpcId": VPC,
                "OwnerId": ACCOUNT,
            }
        )
    return tables


def _entry(number: int, egress: bool, action: str, network: str, protocol: str, ports: tuple[int, int] | None) -> Json:
    entry: Json = {"CidrBlock": network, "Egress": egress}
    if ports:
        entry["PortRange"] = {"From": ports[0], "To": ports[1]}
    return entry | {"Protocol": protocol, "RuleAction": action, "RuleNumber": number}


def _acls() -> list[Json]:
    own = "10.20.0.0/16"
    last = [_entry(32767, egress, "deny", "0.0.0.0/0", "-1", None) for egress in (True, False)]
    entries = {
        "default": [_entry(100, egress, "allow", "0.0.0.0/0", "-1", None) for egress in (True, False)],
        "data": [
            _entry(100, True, "allow", own, "6", (1024, 65535)),
            _entry(90, False, "deny", own, "6", (22, 22)),
            _entry(100, False, "allow", own, "6", (0, 65535)),
        ],
    }
    return [
        {
            "Associations": [
                {
                    "NetworkAclAssociationId": made_up("aclassoc", subnet),
                    "NetworkAclId": ACLS[name],
                    "SubnetId": SUBNETS[subnet],
                }
                for subnet in SUBNETS
                if subnet.startswith("data") == (name == "data")
            ],
            "Entries": listed + last,
            "IsDefault": name == "default",
            "NetworkAclId": ACLS[name],
            "Tags": _tags(name) if name == "data" else [],
            "VpcId": VPC,
            "OwnerId": ACCOUNT,
        }
        for name, listed in entries.items()
    ]


def _balancers() -> dict[str, Json]:
    targets = {
        name: [
            {
                "Target": {"Id": instance_id(name, zone), "Port": port},
                "HealthCheckPort": str(port),
                "TargetHealth": {"State": "healthy"},
            }
            for zone in ZONES
        ]
        for name, port in PORTS.items()
    }
    listener = {
        "ListenerArn": LISTENER,
        "LoadBalancerArn": BALANCER,
        "Port": 443,
        "Protocol": "HTTPS",
        "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": TARGET_GROUPS["portal"], "Order": 1}],
    }
    rule = {
        "RuleArn": RULE,
        "Priority": "10",
        "Conditions": [{"Field": "path-pattern", "Values": ["/oauth2/*"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": TARGET_GROUPS["auth"], "Order": 1}],
        "IsDefault": False,
    }
    return {
        "describe-load-balancers": {
            "LoadBalancers": [
                {
                    "LoadBalancerArn": BALANCER,
                    "DNSName": "web-1204857631.eu-west-1.elb.amazonaws.com",
                    "CanonicalHostedZoneId": "Z32O12XQLNTSW2",
                    "CreatedTime": "2023-11-20T10:00:00+00:00",
                    "LoadBalancerName": "web",
                    "Scheme": "internet-facing",
                    "VpcId": VPC,
                    "State": {"Code": "active"},
                    "Type": "application",
                    "AvailabilityZones": [
                        {
                            "ZoneName": f"{REGION}{zone}",
                            "SubnetId": SUBNETS[f"public-{zone}"],
                            "LoadBalancerAddresses": [],
                        }
                        for zone in ZONES
                    ],
                    "SecurityGroups": [GROUPS["web"]],
                    "IpAddressType": "ipv4",
                }
            ]
        },
        "describe-listeners": {"Listeners": [listener]},
        "describe-rules": {"Rules": [rule]},
        "describe-target-groups": {
            "TargetGroups": [
                {
                    "TargetGroupArn": TARGET_GROUPS[name],
                    "TargetGroupName": name,
                    "Protocol": "HTTPS" if name == "auth" else "HTTP",
                    "Port": port,
                    "VpcId": VPC,
                    "HealthCheckProtocol": "HTTPS" if name == "auth" else "HTTP",
                    "HealthCheckPort": "traffic-port",
                    "HealthCheckEnabled": True,
                    "HealthCheckIntervalSeconds": 30,
                    "HealthCheckTimeoutSeconds": 5,
                    "HealthyThresholdCount": 5,
                    "UnhealthyThresholdCount": 2,
                    "HealthCheckPath": "/healthz",
                    "Matcher": {"HttpCode": "200"},
                    "LoadBalancerArns": [BALANCER],
                    "TargetType": "instance",
                    "ProtocolVersion": "HTTP1",
                    "IpAddressType": "ipv4",
                }
                for name, port in PORTS.items()
            ]
        },
        "LoadBalancerTargetHealth": {
            "LoadBalancerTargetHealth": [
                {"TargetGroupArn": TARGET_GROUPS[name], "TargetHealthDescriptions": listed}
                for name, listed in targets.items()
            ]
        },
    }


def documents() -> dict[str, Json]:
    """File name (without .json) → what the AWS CLI prints of the account."""
    return {
        "describe-vpcs": {
            "Vpcs": [
                {
                    "CidrBlock": "10.20.0.0/16",
                    "DhcpOptionsId": made_up("dopt", "default"),
                    "State": "available",
                    "VpcId": VPC,
                    "OwnerId": ACCOUNT,
                    "InstanceTenancy": "default",
                    "CidrBlockAssociationSet": [
                        {
                            "AssociationId": made_up("vpc-cidr-assoc", "identity"),
                            "CidrBlock": "10.20.0.0/16",
                            "CidrBlockState": {"State": "associated"},
                        }
                    ],
                    "IsDefault": False,
                    "Tags": _tags("identity"),
                }
            ]
        },
        "describe-subnets": {
            "Subnets": [
                {
                    "AvailabilityZone": f"{REGION}{name[-1]}",
                    "AvailabilityZoneId": f"euw1-az{ZONES[name[-1]] + 1}",
                    "AvailableIpAddressCount": 247,
                    "CidrBlock": cidr(name),
                    "DefaultForAz": False,
                    "MapPublicIpOnLaunch": name.startswith("public"),
                    "State": "available",
                    "SubnetId": subnet,
                    "VpcId": VPC,
                    "OwnerId": ACCOUNT,
                    "AssignIpv6AddressOnCreation": False,
                    "Ipv6CidrBlockAssociationSet": [],
                    "Tags": _tags(name),
                    "SubnetArn": f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{subnet}",
                }
                for name, subnet in SUBNETS.items()
            ]
        },
        "describe-internet-gateways": {
            "InternetGateways": [
                {
                    "Attachments": [{"State": "available", "VpcId": VPC}],
                    "InternetGatewayId": GATEWAY,
                    "OwnerId": ACCOUNT,
                    "Tags": _tags("identity"),
                }
            ]
        },
        "describe-nat-gateways": {
            "NatGateways": [
                {
                    "CreateTime": "2023-11-20T09:41:07+00:00",
                    "NatGatewayAddresses": [
                        {
                            "AllocationId": made_up("eipalloc", "nat"),
                            "NetworkInterfaceId": made_up("eni", "nat"),
                            "PrivateIp": "10.20.0.5",
                            "PublicIp": NAT_PUBLIC,
                            "IsPrimary": True,
                            "Status": "succeeded",
                        }
                    ],
                    "NatGatewayId": NAT,
                    "State": "available",
                    "SubnetId": SUBNETS["public-a"],
                    "VpcId": VPC,
                    "Tags": _tags("identity"),
                    "ConnectivityType": "public",
                }
            ]
        },
        "describe-vpn-gateways": {"VpnGateways": []},
        "describe-transit-gateways": {"TransitGateways": []},
        "describe-vpc-peering-connections": {"VpcPeeringConnections": []},
        "describe-vpc-endpoints": {"VpcEndpoints": []},
        "describe-route-tables": {"RouteTables": _tables()},
        "describe-network-acls": {"NetworkAcls": _acls()},
        "describe-security-groups": {"SecurityGroups": _groups()},
        "describe-security-group-rules": {"SecurityGroupRules": _rules()},
        "describe-network-interfaces": {"NetworkInterfaces": _interfaces()},
        "describe-db-instances": {
            "DBInstances": [
                {
                    "DBInstanceIdentifier": "auth",
                    "DBInstanceClass": "db.m6g.large",
                    "Engine": "postgres",
                    "DBInstanceStatus": "available",
                    "Endpoint": {
                        "Address": "auth.c3yq7example.eu-west-1.rds.amazonaws.com",
                        "Port": 5432,
                        "HostedZoneId": "Z29XKXDKYMONMX",
                    },
                    "VpcSecurityGroups": [{"VpcSecurityGroupId": GROUPS["auth-db"], "Status": "active"}],
                    "AvailabilityZone": "eu-west-1a",
                    "DBSubnetGroup": {
                        "DBSubnetGroupName": "auth",
                        "DBSubnetGroupDescription": "Managed by Terraform",
                        "VpcId": VPC,
                        "SubnetGroupStatus": "Complete",
                        "Subnets": [
                            {
                                "SubnetIdentifier": SUBNETS[f"data-{zone}"],
                                "SubnetAvailabilityZone": {"Name": f"{REGION}{zone}"},
                                "SubnetOutpost": {},
                                "SubnetStatus": "Active",
                            }
                            for zone in ZONES
                        ],
                    },
                    "EngineVersion": "15.5",
                    "PubliclyAccessible": False,
                    "MultiAZ": False,
                    "DbiResourceId": "db-OUTAGEEXAMPLE0AUTH0DATABASE",
                    "DBInstanceArn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:auth",
                    "TagList": _tags("auth"),
                }
            ]
        },
        **_balancers(),
    }
