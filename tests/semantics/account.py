"""A small AWS account written down in a few words, as the describe calls of the AWS CLI would show it.

``Account`` starts with one VPC of two subnets in which nothing is blocked but by security groups; each method adds one
resource. ``reach``, ``never_reach`` and ``only_from`` write all of it to files, read them with the API and judge one
contract, so that every test proves the whole chain from JSON and YAML to the verdict.

Rules are written ``tcp 443 10.0.0.0/8``, ``icmp 8:-1 sg-web``, ``-1 - pl-1``; ACL entries ``in 100 allow tcp 443
0.0.0.0/0``; routes ``0.0.0.0/0 igw-1``. What does not live here: what any of it means.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doorward import api
from doorward.model.estate import Estate
from doorward.model.verdict import Outcome, Report, Verdict

Json = dict[str, Any]
KEPT, BROKEN, CANNOT_TELL = Outcome.KEPT, Outcome.BROKEN, Outcome.CANNOT_TELL
OWNER = "111111111111"
OPEN = ("-1 - 0.0.0.0/0", "-1 - ::/0")
"""What the default egress rules of a new group allow."""
CALLS = (
    "Vpcs", "Subnets", "NetworkAcls", "RouteTables", "SecurityGroups", "NetworkInterfaces", "InternetGateways",
    "EgressOnlyInternetGateways", "NatGateways", "VpnGateways", "VpcPeeringConnections", "TransitGateways",
    "TransitGatewayVpcAttachments", "TransitGatewayRouteTables", "ManagedPrefixLists", "LoadBalancers", "Listeners",
    "TargetGroups", "LoadBalancerTargetHealth", "TargetGroupAttributes", "VpcEndpoints",
)  # fmt: skip
"""Calls that every account answers, if only with nothing."""
ALLOW_ALL = (
    "in 100 allow -1 - 0.0.0.0/0", "out 100 allow -1 - 0.0.0.0/0", "in 101 allow -1 - ::/0", "out 101 allow -1 - ::/0",
)  # fmt: skip
LB = f"arn:aws:elasticloadbalancing:eu-west-1:{OWNER}"


class Account:
    """One account; ids are what the caller chooses, and stand for themselves in contracts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, list[Any]] = {key: [] for key in CALLS}
        self.files: dict[str, Json] = {}
        """Answers that do not name their subject: file name → content."""
        self.judged = 0
        self.vpc("vpc-1", "10.0.0.0/16", "2001:db8:1::/56")
        self.subnet("subnet-a", "10.0.1.0/24", "2001:db8:1:1::/64")
        self.subnet("subnet-b", "10.0.2.0/24", "2001:db8:1:2::/64")

    # --- the network --------------------------------------------------------------------------------------------

    def vpc(self, id: str, *cidrs: str) -> None:
        """A VPC with its main route table ``rtb-<id>`` and its default ACL ``acl-<id>``, which allows everything."""
        four = [{"CidrBlock": one, "CidrBlockState": {"State": "associated"}} for one in cidrs if ":" not in one]
        six = [{"Ipv6CidrBlock": one, "Ipv6CidrBlockState": {"State": "associated"}} for one in cidrs if ":" in one]
        self.said["Vpcs"].append(
            {"VpcId": id, "CidrBlock": cidrs[0], "OwnerId": OWNER, "CidrBlockAssociationSet": four,
             "Ipv6CidrBlockAssociationSet": six}
        )  # fmt: skip
        self.table(f"rtb-{id}", vpc=id, main=True)
        self.acl(f"acl-{id}", *ALLOW_ALL, vpc=id, default=True)

    def subnet(
        self, id: str, cidr: str, six: str | None = None, *, vpc: str = "vpc-1", zone: str = "eu-west-1a"
    ) -> None:
        """A subnet; tables and ACLs name the subnets that they are for."""
        made: Json = {"SubnetId": id, "VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": zone, "OwnerId": OWNER}
        if six:
            made["Ipv6CidrBlockAssociationSet"] = [
                {"Ipv6CidrBlock": six, "Ipv6CidrBlockState": {"State": "associated"}}
            ]
        self.said["Subnets"].append(made)

    def table(self, id: str, *routes: str, vpc: str = "vpc-1", subnets: Iterable[str] = (), main: bool = False) -> None:
        """A route table; the local routes of its VPC come with it."""
        home = self.one("Vpcs", "VpcId", vpc)
        cidrs = [one["CidrBlock"] for one in home["CidrBlockAssociationSet"]]
        cidrs += [one["Ipv6CidrBlock"] for one in home["Ipv6CidrBlockAssociationSet"]]
        links: list[Json] = [{"Main": False, "SubnetId": one} for one in subnets]
        if main:
            links.append({"Main": True})
        self.said["RouteTables"].append(
            {
                "RouteTableId": id,
                "VpcId": vpc,
                "Associations": links,
                "Routes": [route(f"{one} local") for one in cidrs],
            }
        )
        for one in routes:
            self.route(id, one)

    def route(self, table: str, text: str, **more: Any) -> None:
        """One more route in a table."""
        self.one("RouteTables", "RouteTableId", table)["Routes"].append({**route(text), **more})

    def acl(
        self, id: str, *entries: str, vpc: str = "vpc-1", subnets: Iterable[str] = (), default: bool = False
    ) -> None:
        """A network ACL; its entries stand in the file in the order given here."""
        self.said["NetworkAcls"].append(
            {"NetworkAclId": id, "VpcId": vpc, "IsDefault": default,
             "Associations": [{"SubnetId": one} for one in subnets],
             "Entries": [acl_entry(one) for one in entries]}
        )  # fmt: skip

    def internet_gateway(self, id: str = "igw-1", vpc: str = "vpc-1", *, routed: bool = True) -> None:
        """An attached internet gateway, by default with routes of both families in the VPC's main table."""
        self.said["InternetGateways"].append(
            {"InternetGatewayId": id, "Attachments": [{"VpcId": vpc, "State": "available"}]}
        )
        if routed:
            self.route(f"rtb-{vpc}", f"0.0.0.0/0 {id}")
            self.route(f"rtb-{vpc}", f"::/0 {id}")

    def egress_only_gateway(self, id: str = "eigw-1", vpc: str = "vpc-1") -> None:
        """An attached egress-only internet gateway, without routes."""
        self.said["EgressOnlyInternetGateways"].append(
            {"EgressOnlyInternetGatewayId": id, "Attachments": [{"VpcId": vpc, "State": "attached"}]}
        )

    def nat_gateway(
        self, id: str, subnet: str, private: str, public: str | None, *, vpc: str = "vpc-1", state: str = "available"
    ) -> None:
        """A NAT gateway with its interface; without a public address a private one."""
        address = {"PrivateIp": private, **({"PublicIp": public} if public else {})}
        self.said["NatGateways"].append(
            {"NatGatewayId": id, "SubnetId": subnet, "VpcId": vpc, "State": state,
             "ConnectivityType": "public" if public else "private", "NatGatewayAddresses": [address]}
        )  # fmt: skip
        self.interface(f"eni-{id}", private, public=public, kind="nat_gateway",
                       description=f"Interface for NAT Gateway {id}")  # fmt: skip

    def peering(
        self, id: str, one: str, other: str, *, status: str = "active", regions: tuple[str, str] = ("eu-west-1",) * 2
    ) -> None:
        """A peering connection, without routes."""
        sides = []
        for vpc, region in zip((one, other), regions, strict=True):
            home = next((item for item in self.said["Vpcs"] if item["VpcId"] == vpc), None)
            cidr = home["CidrBlock"] if home else "172.31.0.0/16"
            side = {"VpcId": vpc, "OwnerId": OWNER, "Region": region, "CidrBlock": cidr}
            side["CidrBlockSet"] = [{"CidrBlock": cidr}]
            sides.append(side)
        self.said["VpcPeeringConnections"].append(
            {"VpcPeeringConnectionId": id, "RequesterVpcInfo": sides[0], "AccepterVpcInfo": sides[1],
             "Status": {"Code": status}}
        )  # fmt: skip

    def transit_gateway(self, id: str = "tgw-1", *, referencing: bool = False) -> None:
        """A transit gateway with one route table ``tgw-rtb-1``, still empty."""
        support = "enable" if referencing else "disable"
        self.said["TransitGateways"].append(
            {"TransitGatewayId": id, "State": "available", "Options": {"SecurityGroupReferencingSupport": support}}
        )
        self.transit_table("tgw-rtb-1", id)

    def transit_table(self, id: str, gateway: str = "tgw-1") -> None:
        """Another route table of a transit gateway."""
        self.said["TransitGatewayRouteTables"].append({"TransitGatewayRouteTableId": id, "TransitGatewayId": gateway})
        self.files[f"TransitGatewayRoutes-{id}.json"] = {"Routes": [], "AdditionalRoutesAvailable": False}

    def attachment(
        self, id: str, vpc: str, *subnets: str, gateway: str = "tgw-1", table: str | None = "tgw-rtb-1",
        referencing: bool | None = None,
    ) -> None:  # fmt: skip
        """A VPC's attachment to a transit gateway, associated with a route table of it."""
        made: Json = {
            "TransitGatewayAttachmentId": id, "TransitGatewayId": gateway, "ResourceType": "vpc", "VpcId": vpc,
            "State": "available", "SubnetIds": list(subnets),
        }  # fmt: skip
        if table is not None:
            made["Association"] = {"TransitGatewayRouteTableId": table, "State": "associated"}
        if referencing is not None:
            made["Options"] = {"SecurityGroupReferencingSupport": "enable" if referencing else "disable"}
        self.said["TransitGatewayVpcAttachments"].append(made)

    def transit_route(
        self, cidr: str, attachment: str | None, *, table: str = "tgw-rtb-1", type: str = "static"
    ) -> None:
        """A route of a transit gateway's table; without an attachment a blackhole."""
        made: Json = {"DestinationCidrBlock": cidr, "Type": type, "State": "active" if attachment else "blackhole"}
        if attachment:
            made["TransitGatewayAttachments"] = [{"TransitGatewayAttachmentId": attachment}]
        self.files[f"TransitGatewayRoutes-{table}.json"]["Routes"].append(made)

    def prefix_list(self, id: str, *cidrs: str, known: bool = True) -> None:
        """A managed prefix list, with its entries unless these are not known."""
        self.said["ManagedPrefixLists"].append({"PrefixListId": id, "PrefixListName": f"list {id}", "MaxEntries": 10})
        if known:
            self.files[f"ManagedPrefixListEntries-{id}.json"] = {"Entries": [{"Cidr": one} for one in cidrs]}

    # --- groups and interfaces ----------------------------------------------------------------------------------

    def group(
        self, id: str, *ingress: str | Json, egress: Iterable[str | Json] = OPEN, vpc: str = "vpc-1", name: str = ""
    ) -> None:
        """A security group; without egress rules of its own it has the default ones."""
        self.said["SecurityGroups"].append(
            {"GroupId": id, "GroupName": name or f"name of {id}", "VpcId": vpc, "OwnerId": OWNER, "Description": "",
             "IpPermissions": [permission(one) for one in ingress],
             "IpPermissionsEgress": [permission(one) for one in egress]}
        )  # fmt: skip

    def interface(
        self, id: str, *addresses: str, groups: Iterable[str] = (), public: str | None = None, kind: str = "interface",
        description: str = "", instance: str | None = None, subnet: str | None = None,
    ) -> None:  # fmt: skip
        """An interface; its subnet is the one in which its first address lies, its public address is that address's."""
        home = self.one("Subnets", "SubnetId", subnet) if subnet else self.subnet_with(addresses[0])
        private: list[Json] = [
            {"PrivateIpAddress": one, "Primary": one == addresses[0]} for one in addresses if ":" not in one
        ]
        if public:
            private[0]["Association"] = {"PublicIp": public, "IpOwnerId": OWNER}
        made: Json = {
            "NetworkInterfaceId": id, "VpcId": home["VpcId"], "SubnetId": home["SubnetId"], "InterfaceType": kind,
            "Groups": [{"GroupId": one, "GroupName": ""} for one in groups], "PrivateIpAddresses": private,
            "Ipv6Addresses": [{"Ipv6Address": one} for one in addresses if ":" in one], "Description": description,
        }  # fmt: skip
        if instance:
            made["Attachment"] = {"InstanceId": instance}
        self.said["NetworkInterfaces"].append(made)

    def pair(self, *ingress: str | Json, egress: Iterable[str | Json] = OPEN, apart: bool = True) -> None:
        """``eni-web`` in ``sg-web`` and ``eni-db`` in ``sg-db``; ``ingress`` is of sg-db, ``egress`` of sg-web.
        They are in two subnets, or in the same."""
        self.group("sg-web", egress=egress)
        self.group("sg-db", *ingress)
        self.interface("eni-web", "10.0.1.5", groups=["sg-web"])
        self.interface("eni-db", "10.0.2.7" if apart else "10.0.1.7", groups=["sg-db"])

    # --- load balancers -----------------------------------------------------------------------------------------

    def balancer(
        self, name: str, kind: str, addresses: Iterable[str], groups: Iterable[str] = (), *, public: str | None = None
    ) -> None:
        """A load balancer ``lb:<name>`` with a node on each address; internet-facing when it has a public address."""
        arn = self.balancer_arn(name, kind)
        groups = list(groups)
        zones = [{"SubnetId": self.subnet_with(one)["SubnetId"]} for one in addresses]
        self.said["LoadBalancers"].append(
            {"LoadBalancerArn": arn, "LoadBalancerName": name, "Type": kind, "VpcId": "vpc-1", "IpAddressType": "ipv4",
             "Scheme": "internet-facing" if public else "internal", "AvailabilityZones": zones,
             "SecurityGroups": groups}
        )  # fmt: skip
        for number, address in enumerate(addresses):
            self.interface(
                f"eni-{name}-{number}", address, groups=groups, public=public if number == 0 else None,
                kind="network_load_balancer" if kind == "network" else "interface",
                description="ELB " + arn.partition("loadbalancer/")[2],
            )  # fmt: skip

    @staticmethod
    def balancer_arn(name: str, kind: str) -> str:
        """The ARN of a load balancer made here."""
        return f"{LB}:loadbalancer/{'net' if kind == 'network' else 'app'}/{name}/0123456789abcdef"

    def listener(self, name: str, kind: str, protocol: str, port: int, *target_groups: str) -> None:
        """A listener that forwards to target groups."""
        arn = self.balancer_arn(name, kind)
        groups = [{"TargetGroupArn": target_group_arn(one)} for one in target_groups]
        self.said["Listeners"].append(
            {"ListenerArn": arn.replace(":loadbalancer/", ":listener/") + f"/{port}", "LoadBalancerArn": arn,
             "Port": port, "Protocol": protocol,
             "DefaultActions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]}
        )  # fmt: skip

    def target_group(
        self, name: str, protocol: str, port: int, *targets: str, type: str = "instance", health: str = "traffic-port",
        preserve: bool | None = None, registered: bool = True,
    ) -> None:  # fmt: skip
        """A target group with registered targets (ids or addresses, each on the group's port)."""
        arn = target_group_arn(name)
        self.said["TargetGroups"].append(
            {"TargetGroupArn": arn, "TargetGroupName": name, "Protocol": protocol, "Port": port, "VpcId": "vpc-1",
             "TargetType": type, "HealthCheckPort": health, "HealthCheckEnabled": True}
        )  # fmt: skip
        if registered:
            listed = [{"Target": {"Id": one, "Port": port}, "TargetHealth": {"State": "healthy"}} for one in targets]
            self.said["LoadBalancerTargetHealth"].append({"TargetGroupArn": arn, "TargetHealthDescriptions": listed})
        if preserve is not None:
            attribute = {"Key": "preserve_client_ip.enabled", "Value": "true" if preserve else "false"}
            self.said["TargetGroupAttributes"].append({"TargetGroupArn": arn, "Attributes": [attribute]})

    # --- looking things up --------------------------------------------------------------------------------------

    def one(self, key: str, name: str, id: str) -> Json:
        """The element of a list that has this id."""
        found: Json = next(item for item in self.said[key] if item[name] == id)
        return found

    def subnet_with(self, address: str) -> Json:
        """The subnet in which an address lies."""
        wanted = ipaddress.ip_address(address)
        for item in self.said["Subnets"]:
            cidrs = [item["CidrBlock"]]
            cidrs += [one["Ipv6CidrBlock"] for one in item.get("Ipv6CidrBlockAssociationSet", ())]
            if any(wanted in ipaddress.ip_network(one) for one in cidrs):
                made: Json = item
                return made
        raise AssertionError(f"no subnet holds {address}")

    # --- verdicts -----------------------------------------------------------------------------------------------

    def estate(self) -> Estate:
        """The estate as the reader sees it."""
        self.judged += 1
        folder = self.folder / f"estate-{self.judged}"
        folder.mkdir()
        for key, items in self.said.items():
            (folder / f"{key}.json").write_text(json.dumps({key: items}))
        for name, content in self.files.items():
            (folder / name).write_text(json.dumps(content))
        return api.read_estate(folder)

    def report(self, contracts: str) -> Report:
        """A contracts file judged on the account."""
        path = self.folder / "doorward.yaml"
        path.write_text(contracts)
        return api.check(api.read_contracts(path), self.estate())

    def judge(self, must: str, source: str, target: str, service: str, **more: str) -> Verdict:
        """One contract judged; ``source``, ``target`` and ``service`` are written as in a contracts file."""
        lines = ["version: 1", "contracts:", "  the-contract:", f"    must: {must}", f"    from: {source}"]
        lines += [f"    to: {target}", f"    service: {service}"]
        lines += [f"    {key}: {value}" for key, value in more.items()]
        (verdict,) = self.report("\n".join(lines) + "\n").verdicts
        return verdict

    def reach(self, source: str, target: str, service: str, **more: str) -> Outcome:
        """The outcome of a ``reach`` contract."""
        return self.judge("reach", source, target, service, **more).outcome

    def never_reach(self, source: str, target: str, service: str) -> Outcome:
        """The outcome of a ``never-reach`` contract."""
        return self.judge("never-reach", source, target, service).outcome

    def only_from(self, source: str, target: str, service: str) -> Outcome:
        """The outcome of an ``only-from`` contract."""
        return self.judge("only-from", source, target, service).outcome

    def both(self, source: str, target: str, service: str) -> tuple[Outcome, Outcome]:
        """Outcomes of ``reach`` and of ``never-reach`` on the same traffic."""
        return self.reach(source, target, service), self.never_reach(source, target, service)


OPENS = (KEPT, BROKEN)
"""``both`` when all of the traffic flows, its answer included."""
STOPS = (BROKEN, KEPT)
"""``both`` when none of it does."""
UNSURE = (CANNOT_TELL, CANNOT_TELL)
"""``both`` when it cannot be told."""


def target_group_arn(name: str) -> str:
    """The ARN of a target group made here."""
    return f"{LB}:targetgroup/{name}/{sum(map(ord, name)):016d}"


def permission(text: str | Json) -> Json:
    """``PROTOCOL PORTS PEER`` as an element of ``IpPermissions``; ports ``443``, ``80-90``, ``8:-1`` or ``-``."""
    if not isinstance(text, str):
        return text
    protocol, ports, peer = text.split()
    made: Json = {
        "IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "UserIdGroupPairs": [], "PrefixListIds": []
    }  # fmt: skip
    if ports != "-":
        low, colon, high = ports.partition(":") if ":" in ports else ports.partition("-")
        made["FromPort"], made["ToPort"] = int(low), int(high) if colon else int(low)
    if peer.startswith("sg-"):
        made["UserIdGroupPairs"] = [{"GroupId": peer, "UserId": OWNER}]
    elif peer.startswith("pl-"):
        made["PrefixListIds"] = [{"PrefixListId": peer}]
    elif ":" in peer:
        made["Ipv6Ranges"] = [{"CidrIpv6": peer}]
    else:
        made["IpRanges"] = [{"CidrIp": peer}]
    return made


def acl_entry(text: str) -> Json:
    """``in|out NUMBER allow|deny PROTOCOL PORTS CIDR`` as an element of ``Entries``; the API gives protocol numbers."""
    side, number, action, protocol, ports, cidr = text.split()
    numbered = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}.get(protocol, protocol)
    made: Json = {
        "RuleNumber": int(number), "Egress": side == "out", "RuleAction": action, "Protocol": numbered,
        ("Ipv6CidrBlock" if ":" in cidr else "CidrBlock"): cidr,
    }  # fmt: skip
    if ports != "-" and numbered in ("1", "58"):
        low, _, high = ports.partition(":")
        made["IcmpTypeCode"] = {"Type": int(low), "Code": int(high or -1)}
    elif ports != "-":
        low, dash, high = ports.partition("-")
        made["PortRange"] = {"From": int(low), "To": int(high) if dash else int(low)}
    return made


_TARGETS = {
    "eigw-": "EgressOnlyInternetGatewayId", "nat-": "NatGatewayId", "tgw-": "TransitGatewayId",
    "pcx-": "VpcPeeringConnectionId", "eni-": "NetworkInterfaceId", "lgw-": "LocalGatewayId",
    "cagw-": "CarrierGatewayId",
    "arn:": "CoreNetworkArn",
}  # fmt: skip


def route(text: str) -> Json:
    """``DESTINATION TARGET [blackhole]`` as an element of ``Routes``."""
    destination, target, *state = text.split()
    key = "DestinationCidrBlock"
    if destination.startswith("pl-"):
        key = "DestinationPrefixListId"
    elif ":" in destination:
        key = "DestinationIpv6CidrBlock"
    name = next((name for start, name in _TARGETS.items() if target.startswith(start)), "GatewayId")
    return {key: destination, name: target, "State": state[0] if state else "active", "Origin": "CreateRoute"}
