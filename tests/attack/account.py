"""The application of ``stack`` as AWS answers tell it: one ``describe-…`` answer a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.attack.stack import BALANCER, ZONES, application

VPC = "vpc-4704a791"
OWNER = "111122223333"
IDS = {one.address: one.real for one in application()}
SUBNETS = {
    f"{kind}[{at}]": (IDS[f"aws_subnet.{kind}[{at}]"], f"10.0.{base + at}.0/24", ZONES[at])
    for kind, base in (("public", 0), ("private", 10))
    for at in (0, 1)
}


def permission(
    protocol: str, port: int = 0, cidrs: tuple[str, ...] = (), groups: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An IpPermission."""
    made: dict[str, Any] = {
        "IpProtocol": protocol, "IpRanges": [{"CidrIp": one} for one in cidrs], "Ipv6Ranges": [], "PrefixListIds": [],
        "UserIdGroupPairs": [{"GroupId": IDS[f"aws_security_group.{one}"], "UserId": OWNER} for one in groups],
    }  # fmt: skip
    return made | ({"FromPort": port, "ToPort": port} if protocol != "-1" else {})


def _group(name: str, ingress: list[dict[str, Any]], egress: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "GroupId": IDS[f"aws_security_group.{name}"], "GroupName": name, "VpcId": VPC, "OwnerId": OWNER,
        "Description": "", "IpPermissions": ingress, "IpPermissionsEgress": egress, "Tags": [],
    }  # fmt: skip


def _interface(id: str, subnet: str, address: str, groups: list[str], **more: Any) -> dict[str, Any]:
    public = more.pop("public", None)
    private = {"PrivateIpAddress": address, "Primary": True} | ({"Association": {"PublicIp": public}} if public else {})
    return {
        "NetworkInterfaceId": id, "VpcId": VPC, "SubnetId": SUBNETS[subnet][0], "PrivateIpAddress": address,
        "InterfaceType": "interface", "Status": "in-use", "Description": "", "OwnerId": OWNER, "Ipv6Addresses": [],
        "Groups": [{"GroupId": IDS[f"aws_security_group.{one}"], "GroupName": one} for one in groups],
        "PrivateIpAddresses": [private], "TagSet": [], **more,
    }  # fmt: skip


def answers(by_hand: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """All answers; ``by_hand``: networks that somebody has let into the database beside Terraform."""
    balancer = {"Description": "ELB app/web/50dc6c495c0c9188"}
    group = f"arn:aws:x:eu-west-1:{OWNER}:{IDS['aws_lb_target_group.web']}"
    machines = [(f"eni-web{at}", f"private[{at}]", f"10.0.1{at}.5", IDS[f"aws_instance.web[{at}]"]) for at in (0, 1)]
    everything = [permission("-1", cidrs=("0.0.0.0/0",))]
    ways = {
        "public": {"GatewayId": IDS["aws_internet_gateway.gw"]}, "private": {"NatGatewayId": IDS["aws_nat_gateway.nat"]}
    }  # fmt: skip
    return {
        "vpcs": {"Vpcs": [{
            "VpcId": VPC, "CidrBlock": "10.0.0.0/16", "OwnerId": OWNER, "Tags": [],
            "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}],
        }]},
        "subnets": {"Subnets": [
            {"SubnetId": id, "VpcId": VPC, "CidrBlock": cidr, "AvailabilityZone": zone, "OwnerId": OWNER,
             "Ipv6CidrBlockAssociationSet": [], "Tags": []}
            for id, cidr, zone in SUBNETS.values()
        ]},
        "groups": {"SecurityGroups": [
            _group("lb", [permission("tcp", 443, ("0.0.0.0/0",))], [permission("tcp", 8080, (), ("web",))]),
            _group("web", [permission("tcp", 8080, (), ("lb",))], everything),
            _group("db", [permission("tcp", 5432, by_hand, ("web",))], []),
        ]},
        "interfaces": {"NetworkInterfaces": [
            *(_interface(id, subnet, address, ["web"], Attachment={
                "InstanceId": holder, "Status": "attached", "DeviceIndex": 0, "AttachmentId": f"eni-attach-{id}"})
              for id, subnet, address, holder in machines),
            _interface("eni-lb0", "public[0]", "10.0.0.50", ["lb"], public="203.0.113.50", **balancer),
            _interface("eni-lb1", "public[1]", "10.0.1.50", ["lb"], public="203.0.113.51", **balancer),
            _interface("eni-nat", "public[0]", "10.0.0.9", [], public="198.51.100.7", InterfaceType="nat_gateway"),
            _interface("eni-db", "private[0]", "10.0.10.77", ["db"], Description="RDSNetworkInterface"),
        ]},
        "gateways": {"InternetGateways": [{
            "InternetGatewayId": IDS["aws_internet_gateway.gw"], "OwnerId": OWNER, "Tags": [],
            "Attachments": [{"VpcId": VPC, "State": "available"}],
        }]},
        "nat": {"NatGateways": [{
            "NatGatewayId": IDS["aws_nat_gateway.nat"], "SubnetId": SUBNETS["public[0]"][0], "VpcId": VPC,
            "State": "available", "ConnectivityType": "public", "NatGatewayAddresses": [
                {"PublicIp": "198.51.100.7", "PrivateIp": "10.0.0.9", "NetworkInterfaceId": "eni-nat"}],
        }]},
        "vpn": {"VpnGateways": []},
        "tables": {"RouteTables": [
            {"RouteTableId": IDS[f"aws_route_table.{name}"], "VpcId": VPC, "PropagatingVgws": [], "Routes": [
                {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
                {"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **way},
            ], "Associations": [
                {"SubnetId": SUBNETS[f"{name}[{at}]"][0], "RouteTableId": IDS[f"aws_route_table.{name}"],
                 "Main": False, "RouteTableAssociationId": f"rtbassoc-{name}{at}"} for at in (0, 1)
            ]}
            for name, way in ways.items()
        ]},
        "acls": {"NetworkAcls": [{
            "NetworkAclId": "acl-default0", "VpcId": VPC, "IsDefault": True,
            "Associations": [{"SubnetId": one[0], "NetworkAclId": "acl-default0"} for one in SUBNETS.values()],
            "Entries": [
                {"RuleNumber": number, "Egress": egress, "Protocol": "-1", "RuleAction": act, "CidrBlock": "0.0.0.0/0"}
                for egress in (True, False) for number, act in ((100, "allow"), (32767, "deny"))
            ],
        }]},
        "balancers": {"LoadBalancers": [{
            "LoadBalancerArn": BALANCER, "LoadBalancerName": "web", "Type": "application", "VpcId": VPC,
            "Scheme": "internet-facing", "SecurityGroups": [IDS["aws_security_group.lb"]], "IpAddressType": "ipv4",
            "AvailabilityZones": [{"SubnetId": SUBNETS[f"public[{at}]"][0], "ZoneName": ZONES[at]} for at in (0, 1)],
            "State": {"Code": "active"}, "DNSName": "web.example.com",
        }]},
        "listeners": {"Listeners": [{
            "ListenerArn": f"arn:aws:x:eu-west-1:{OWNER}:{IDS['aws_lb_listener.https']}", "LoadBalancerArn": BALANCER,
            "Port": 443, "Protocol": "HTTPS", "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        }]},
        "target-groups": {"TargetGroups": [{
            "TargetGroupArn": group, "TargetGroupName": "web", "Port": 8080, "Protocol": "HTTP",
            "TargetType": "instance", "VpcId": VPC, "HealthCheckEnabled": True, "HealthCheckPort": "traffic-port",
            "HealthCheckProtocol": "HTTP", "LoadBalancerArns": [BALANCER],
        }]},
        "LoadBalancerTargetHealth": {"LoadBalancerTargetHealth": [{
            "TargetGroupArn": group, "TargetHealthDescriptions": [
                {"Target": {"Id": holder, "Port": 8080}, "TargetHealth": {"State": "healthy"}}
                for _, _, _, holder in machines
            ],
        }]},
        "instances": {"Reservations": [{"Instances": [
            {"InstanceId": holder, "VpcId": VPC, "SubnetId": SUBNETS[subnet][0], "State": {"Name": "running"},
             "PrivateIpAddress": address, "NetworkInterfaces": [{"NetworkInterfaceId": id}],
             "Tags": [{"Key": "Name", "Value": "web"}]}
            for id, subnet, address, holder in machines
        ]}]},
        "databases": {"DBInstances": [{
            "DBInstanceIdentifier": "shop", "DBInstanceArn": f"arn:aws:rds:eu-west-1:{OWNER}:db:shop",
            "Engine": "postgres", "Endpoint": {"Port": 5432, "Address": "shop.example.com"},
            "VpcSecurityGroups": [{"VpcSecurityGroupId": IDS["aws_security_group.db"], "Status": "active"}],
            "PubliclyAccessible": False, "MultiAZ": False, "DBSubnetGroup": {
                "DBSubnetGroupName": "db", "VpcId": VPC,
                "Subnets": [{"SubnetIdentifier": SUBNETS[f"private[{at}]"][0]} for at in (0, 1)]},
        }]},
    }  # fmt: skip


def folder(root: Path, given: dict[str, dict[str, Any]] | None = None) -> Path:
    """The answers as files, below a folder for the account and one for the region."""
    place = root / OWNER / "eu-west-1"
    place.mkdir(parents=True)
    for name, answer in (given or answers()).items():
        (place / f"{name}.json").write_text(json.dumps(answer), encoding="utf-8")
    return root
