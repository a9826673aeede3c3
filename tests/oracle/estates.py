"""Random small, dense estates as describe-JSON, with contracts that aim at what exists.

Everything is drawn from one ``random.Random``, so a seed names an estate for good, and Hypothesis can drive the same
builder. Pools of addresses and ports are small on purpose: edges then meet edges.
What does not live here: what the estates mean (``oracle``), the rarer parts (``parts``).
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")

OUTSIDE_V4 = ("203.0.113.0/24", "198.51.100.7/32", "8.8.8.0/24", "203.0.113.128/25", "128.0.0.0/1", "0.0.0.0/1")
OUTSIDE_V6 = ("2001:db8::/32", "2001:db8:0:1::/64", "2600::/12", "2a00:1450::1/128")
FAR_PRIVATE = "192.168.77.0/24"
PORTS = (22, 80, 443, 1023, 1024, 5432, 8080, 32768)
KEYS = (
    "NetworkInterfaces", "SecurityGroups", "Subnets", "NetworkAcls", "RouteTables", "Vpcs", "InternetGateways",
    "EgressOnlyInternetGateways", "NatGateways", "VpnGateways", "VpcPeeringConnections", "TransitGateways",
    "TransitGatewayVpcAttachments", "TransitGatewayAttachments", "TransitGatewayRouteTables", "ManagedPrefixLists",
    "LoadBalancers", "Listeners", "TargetGroups",
)  # fmt: skip


class Draw:
    """Random decisions, ids and pools that all parts of the builder share."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.estate: Json = {key: [] for key in KEYS}
        for key in ("ManagedPrefixListEntries", "TransitGatewayRoutes", "TargetHealth", "TargetGroupAttributes"):
            self.estate[key] = {}
        self.count = 0
        self.cidrs4: list[str] = ["0.0.0.0/0", "0.0.0.0/0", *OUTSIDE_V4, FAR_PRIVATE]
        self.cidrs6: list[str] = ["::/0", "::/0", *OUTSIDE_V6]
        self.hot: list[tuple[int, int]] = []
        self.taken: set[str] = set()
        self.listening: list[tuple[int, int]] = []
        self.style = self.pick(
            ("mixed", "mixed", "mixed", "references", "references", "holes", "transit", "balanced", "balanced", "nat")
        )
        """What it has more of: group references over VPCs, ACLs with narrow holes, transit gateways, balancers, NAT."""

    def id(self, prefix: str) -> str:
        """A new id."""
        self.count += 1
        return f"{prefix}-{self.count:08x}"

    def odds(self, share: float) -> bool:
        """True in this share of cases."""
        return self.chance.random() < share

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.chance.randrange(len(options))]

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + self.chance.randrange(high - low + 1)

    def some(self, options: Sequence[T], low: int, high: int) -> list[T]:
        """A few of them, each once."""
        return self.chance.sample(list(options), min(len(options), self.between(low, high)))

    def all(self, key: str) -> list[Json]:
        """What has been built under a key."""
        found: list[Json] = self.estate[key]
        return found

    def cidr(self, family: int) -> str:
        """A network of the pool; some with host bits set, some cut in half or widened."""
        text = self.pick(self.cidrs4 if family == 4 else self.cidrs6)
        network = ipaddress.ip_network(text, strict=False)
        if self.odds(0.15) and 0 < network.prefixlen < network.max_prefixlen:
            network = ipaddress.ip_network(str(self.pick([str(half) for half in network.subnets(1)])))
        if self.odds(0.05) and network.prefixlen > 8:
            network = network.supernet(self.between(1, 3))
        if self.odds(0.1) and network.num_addresses > 8:
            return f"{network[self.between(1, 7)]}/{network.prefixlen}"
        return str(network)

    def service(self) -> tuple[int, int]:
        """Protocol and port (or type and code) that this estate is about, or one beside it."""
        protocol, detail = self.pick(self.hot)
        if protocol in (6, 17) and self.odds(0.15):
            detail = max(0, min(65535, detail + self.pick((-1, 1))))
        return protocol, detail

    def ports(self, port: int) -> tuple[int, int]:
        """A range that holds the port, most often with an edge at it or just beside it."""
        low = self.pick((port, port, port, 0, port - 1, self.pick(PORTS)))
        high = self.pick((port, port, port, 65535, port + 1, self.pick(PORTS)))
        low, high = max(0, min(low, high)), min(65535, max(low, high))
        return low, high


def build(chance: random.Random, contracts: int = 4) -> tuple[Json, list[Json]]:
    """An estate and contracts about it."""
    from tests.oracle import aims, parts

    draw = Draw(chance)
    protocols = [
        (6, 443),
        (6, draw.pick(PORTS)),
        (17, 53),
        (1, 8 << 8),
        (1, (3 << 8) + 4),
        (58, 128 << 8),
        (50, 0),
        (47, 0),
    ]
    draw.hot = [protocols[0], protocols[1], *draw.some(protocols[2:], 0, 2)]
    lay_networks(draw)
    place_interfaces(draw)
    parts.gateways(draw)
    parts.balancers(draw)
    write_groups(draw)
    write_acls(draw)
    parts.routes(draw)
    for key in KEYS:
        if key not in ("NatGateways",):
            draw.chance.shuffle(draw.estate[key])
    return draw.estate, [aims.balanced(draw) for _ in range(contracts)]


def from_seed(seed: int, contracts: int = 4) -> tuple[Json, list[Json]]:
    """The estate of a seed."""
    return build(random.Random(seed), contracts)


def lay_networks(draw: Draw) -> None:
    """VPCs (some of which overlap), subnets, prefix lists."""
    joined = draw.style in ("references", "transit")
    for at in range(draw.pick((2, 2, 3) if joined else (1, 1, 2, 2, 2, 3))):
        vpc = draw.id("vpc")
        third = at if joined else draw.pick((at, at, at, 0))
        cidrs = [f"10.0.{third}.0/24"]
        if draw.odds(0.08):
            cidrs.append(draw.pick((f"203.0.113.{at * 64}/26", f"10.1.{at}.0/26")))
        six = [f"2600:1f00:{at + 1:x}::/56"] if draw.odds(0.7) else []
        draw.estate["Vpcs"].append(
            {
                "VpcId": vpc,
                "CidrBlock": cidrs[0],
                "CidrBlockAssociationSet": [
                    {"CidrBlock": one, "CidrBlockState": {"State": "associated"}} for one in cidrs
                ],
                "Ipv6CidrBlockAssociationSet": [
                    {"Ipv6CidrBlock": one, "Ipv6CidrBlockState": {"State": "associated"}} for one in six
                ],
                "State": "available",
                "OwnerId": "111122223333",
                "Tags": [],
            }
        )
        draw.cidrs4 += cidrs
        draw.cidrs6 += six
        places = [f"10.0.{third}.{64 * part}/26" for part in range(draw.between(1, 3))]
        places += cidrs[1:] if draw.odds(0.7) else []
        for part, place in enumerate(places):
            own6 = [f"2600:1f00:{at + 1:x}:{part}::/64"] if six and draw.odds(0.9) else []
            draw.estate["Subnets"].append(
                {
                    "SubnetId": draw.id("subnet"),
                    "VpcId": vpc,
                    "CidrBlock": place,
                    "Ipv6CidrBlockAssociationSet": [
                        {"Ipv6CidrBlock": one, "Ipv6CidrBlockState": {"State": "associated"}} for one in own6
                    ],
                    "AvailabilityZone": draw.pick(("eu-central-1a",) * 5 + ("eu-central-1b",)),
                    "State": "available",
                    "OwnerId": "111122223333",
                    "Tags": [],
                }
            )
            draw.cidrs4.append(place)
            draw.cidrs6 += own6
    for _ in range(draw.between(0, 2)):
        name = draw.id("pl")
        draw.estate["ManagedPrefixLists"].append(
            {
                "PrefixListId": name,
                "PrefixListName": name,
                "State": "create-complete",
                "AddressFamily": "IPv4",
                "MaxEntries": 9,
            }
        )
        if draw.odds(0.75):
            family = draw.pick((4, 4, 6))
            entries = [{"Cidr": draw.cidr(family)} for _ in range(draw.between(0, 3))]
            draw.estate["ManagedPrefixListEntries"][name] = {"Entries": entries}


def fresh(draw: Draw, subnet: Json, family: int) -> str | None:
    """An address of the subnet that nobody has."""
    texts = [subnet["CidrBlock"]] if family == 4 else [
        one["Ipv6CidrBlock"] for one in subnet["Ipv6CidrBlockAssociationSet"]
    ]  # fmt: skip
    for text in texts:
        network = ipaddress.ip_network(text)
        for _ in range(8):
            one = f"{network[draw.pick((4, 5, 6, 30, 31, 32, 33, 47))]}"
            if (key := f"{subnet['VpcId']}/{one}") not in draw.taken:
                draw.taken.add(key)
                return one
    return None


def interface(draw: Draw, subnet: Json, groups: list[str], **more: Any) -> Json | None:
    """An interface in a subnet with one to several addresses."""
    first = fresh(draw, subnet, 4)
    if first is None:
        return None
    public_share = more.pop("public", 0.4)
    private: list[Json] = [{"PrivateIpAddress": first, "Primary": True}]
    if draw.odds(0.15) and (second := fresh(draw, subnet, 4)):
        private.append({"PrivateIpAddress": second, "Primary": False})
    for entry in private:
        draw.cidrs4.append(entry["PrivateIpAddress"] + "/32")
        if draw.odds(public_share):
            public = f"52.{draw.count % 250}.0.{draw.between(1, 4)}"
            if public not in draw.taken:
                draw.taken.add(public)
                entry["Association"] = {"PublicIp": public, "IpOwnerId": "111122223333"}
                draw.cidrs4.append(public + "/32")
    six = []
    for _ in range(draw.pick((0, 1, 1, 1, 1, 2))):
        if one := fresh(draw, subnet, 6):
            six.append({"Ipv6Address": one})
            draw.cidrs6.append(one + "/128")
    made: Json = {
        "NetworkInterfaceId": draw.id("eni"),
        "VpcId": subnet["VpcId"],
        "SubnetId": subnet["SubnetId"],
        "Groups": [{"GroupId": one, "GroupName": one} for one in groups],
        "PrivateIpAddress": first,
        "PrivateIpAddresses": private,
        "Ipv6Addresses": six,
        "InterfaceType": "interface",
        "Description": "",
        "Status": "in-use",
        "OwnerId": "111122223333",
        "TagSet": [],
        **more,
    }
    if draw.odds(0.05) and (key := f"{subnet['VpcId']}/prefix{subnet['CidrBlock']}") not in draw.taken:
        draw.taken.add(key)
        made["Ipv4Prefixes"] = [{"Ipv4Prefix": f"{ipaddress.ip_network(subnet['CidrBlock'])[48]}/28"}]
    draw.estate["NetworkInterfaces"].append(made)
    return made


def place_interfaces(draw: Draw) -> None:
    """Groups by name only, and interfaces in them: some groups stay empty, some interfaces are instances."""
    for vpc in draw.all("Vpcs"):
        for _ in range(draw.between(1, 3)):
            name = draw.id("sg")
            draw.estate["SecurityGroups"].append(
                {
                    "GroupId": name,
                    "GroupName": f"name-{name}",
                    "VpcId": vpc["VpcId"],
                    "OwnerId": "111122223333",
                    "Tags": [],
                }
            )
    for _ in range(draw.between(2, 5)):
        subnet = draw.pick(draw.all("Subnets"))
        own = [one["GroupId"] for one in draw.all("SecurityGroups") if one["VpcId"] == subnet["VpcId"]]
        more: Json = {}
        if draw.odds(0.5):
            more["Attachment"] = {"InstanceId": draw.id("i"), "DeviceIndex": 0, "Status": "attached"}
        groups = [] if draw.odds(0.04) else draw.some(own, 1, 2)
        if draw.odds(0.02):
            groups.append(draw.id("sg"))
        interface(draw, subnet, groups, **more)


def permission(draw: Draw, vpc: str, *, generous: bool) -> Json:
    """One permission: a service, and one to three peers of any kind."""
    protocol, detail = draw.service()
    made: Json = {"IpProtocol": {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6"}.get(protocol, str(protocol))}
    if draw.odds(0.25 if generous else 0.08):
        made["IpProtocol"] = "-1"
    elif protocol in (6, 17):
        made["FromPort"], made["ToPort"] = draw.ports(detail)
        if draw.odds(0.08):
            made["FromPort"], made["ToPort"] = 0, 65535
    elif protocol in (1, 58):
        kind, code = divmod(detail, 256)
        made["FromPort"], made["ToPort"] = draw.pick(((kind, code), (kind, -1), (-1, -1), (kind, code + 1)))
    elif draw.odds(0.5):
        made["FromPort"], made["ToPort"] = draw.pick(((0, 0), (443, 443)))
    made |= {"IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    for _ in range(draw.pick((1, 1, 1, 2, 3))):
        kinds = ("four", "four", "four", "six", "six", "group", "group", "list")
        peer = "group" if draw.style == "references" and draw.odds(0.6) else draw.pick(kinds)
        if peer == "group":
            groups = draw.all("SecurityGroups")
            own = [one for one in groups if one["VpcId"] == vpc]
            far = [one for one in groups if one["VpcId"] != vpc]
            home = draw.odds(0.3 if draw.style == "references" else 0.75) or not far
            chosen = draw.pick(own if home else far)["GroupId"]
            fronts = [name for lb in draw.all("LoadBalancers") if lb["VpcId"] == vpc for name in lb["SecurityGroups"]]
            if fronts and draw.odds(0.5):
                chosen = draw.pick(fronts)
            pair = {"GroupId": draw.id("sg") if draw.odds(0.05) else chosen, "UserId": "111122223333"}
            made["UserIdGroupPairs"].append(pair)
        elif peer == "list" and draw.all("ManagedPrefixLists"):
            made["PrefixListIds"].append({"PrefixListId": draw.pick(draw.all("ManagedPrefixLists"))["PrefixListId"]})
        elif peer == "six":
            made["Ipv6Ranges"].append({"CidrIpv6": "::/0" if generous and draw.odds(0.5) else draw.cidr(6)})
        else:
            made["IpRanges"].append({"CidrIp": "0.0.0.0/0" if generous and draw.odds(0.5) else draw.cidr(4)})
    return made


def anything() -> Json:
    """A permission of everything."""
    return {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }


def write_groups(draw: Draw) -> None:
    """Rules for every group; most let out everything, so that flows exist."""
    generous = draw.odds(0.7 if draw.style in ("balanced", "holes", "nat", "transit") else 0.5)
    for group in draw.all("SecurityGroups"):
        vpc = group["VpcId"]
        group["IpPermissions"] = [permission(draw, vpc, generous=generous) for _ in range(draw.between(0, 4))]
        group["IpPermissions"] += [anything()] if draw.odds(0.2 if generous else 0.03) else []
        if draw.odds(0.4 if draw.style == "references" else 0.7):
            group["IpPermissionsEgress"] = [anything()]
        else:
            group["IpPermissionsEgress"] = [permission(draw, vpc, generous=generous) for _ in range(draw.between(0, 3))]


def acl_entry(draw: Draw, number: int, *, egress: bool) -> Json:
    """One entry; the answer's ports are as likely to be meant as the service's."""
    family = draw.pick((4, 4, 6))
    protocol, detail = draw.service()
    made: Json = {"Egress": egress, "RuleNumber": number, "RuleAction": draw.pick(("allow", "allow", "deny"))}
    made["CidrBlock" if family == 4 else "Ipv6CidrBlock"] = draw.cidr(family)
    made["Protocol"] = "-1" if draw.odds(0.2) else str(protocol)
    if made["Protocol"] in ("6", "17"):
        low, high = draw.ports(detail)
        if draw.odds(0.5):
            low, high = draw.pick(
                ((1024, 65535), (32768, 61000), (1023, 1024), (49152, 65535), (1024, 1024), (65535, 65535))
            )
        made["PortRange"] = {"From": low, "To": high}
    elif made["Protocol"] in ("1", "58"):
        kind, code = divmod(detail, 256)
        options = ((kind, code), (kind, -1), (-1, -1), (0, 0), (129, 0), (129, -1))
        made["IcmpTypeCode"] = dict(zip(("Type", "Code"), draw.pick(options), strict=True))
    return made


def hole(draw: Draw, number: int, *, egress: bool) -> Json:
    """A narrow denial with an edge where answers or questions begin or end, for everybody or for few."""
    made = acl_entry(draw, number, egress=egress)
    made["RuleAction"] = "deny" if draw.odds(0.9) else "allow"
    if made["Protocol"] == "-1":
        made["Protocol"] = "6"
    if made["Protocol"] in ("6", "17"):
        _, port = draw.service()
        edges = (
            (1024, 1024),
            (65535, 65535),
            (1023, 1024),
            (0, 1023),
            (port, port),
            (port, port),
            (port + 1, port + 1),
            (port - 1, port),
        )
        low, high = draw.pick(edges)
        made["PortRange"] = {"From": max(0, min(low, 65535)), "To": max(0, min(high, 65535))}
    if draw.odds(0.6):
        made.pop("CidrBlock", None)
        made.pop("Ipv6CidrBlock", None)
        made |= {"CidrBlock": "0.0.0.0/0"} if draw.odds(0.7) else {"Ipv6CidrBlock": "::/0"}
    return made


def write_acls(draw: Draw) -> None:
    """For every subnet an ACL: the default one that passes everything, one with holes, or a tight one."""
    for vpc in draw.all("Vpcs"):
        subnets = [one["SubnetId"] for one in draw.all("Subnets") if one["VpcId"] == vpc["VpcId"]]
        made = [acl(draw, vpc["VpcId"], default=True, plain=draw.style not in ("holes", "nat") and draw.odds(0.8))]
        made += [acl(draw, vpc["VpcId"], default=False, plain=False) for _ in range(draw.pick((0, 0, 1, 1, 2)))]
        for subnet in subnets:
            if draw.odds(0.98):
                draw.pick(made)["Associations"].append(
                    {"SubnetId": subnet, "NetworkAclAssociationId": draw.id("aclassoc")}
                )
        if draw.odds(0.98):
            draw.estate["NetworkAcls"] += made


def acl(draw: Draw, vpc: str, *, default: bool, plain: bool) -> Json:
    """One ACL, its entries in no order."""
    entries: list[Json] = []
    for egress in (False, True):
        numbers = draw.chance.sample(range(1, 30), 5)
        if not plain and draw.style in ("holes", "nat"):
            entries += [hole(draw, number * 10, egress=egress) for number in numbers[: draw.between(0, 2)]]
        elif not plain:
            entries += [acl_entry(draw, number * 10, egress=egress) for number in numbers[: draw.between(1, 4)]]
        if plain or draw.odds(0.97 if draw.style in ("holes", "nat") else 0.75):
            for number, key, cidr in ((30000, "CidrBlock", "0.0.0.0/0"), (30001, "Ipv6CidrBlock", "::/0")):
                entries.append(
                    {"Egress": egress, "RuleNumber": number, "RuleAction": "allow", "Protocol": "-1", key: cidr}
                )
        for number, key, cidr in ((32767, "CidrBlock", "0.0.0.0/0"), (32768, "Ipv6CidrBlock", "::/0")):
            entries.append({"Egress": egress, "RuleNumber": number, "RuleAction": "deny", "Protocol": "-1", key: cidr})
    draw.chance.shuffle(entries)
    return {
        "NetworkAclId": draw.id("acl"),
        "VpcId": vpc,
        "IsDefault": default,
        "Entries": entries,
        "Associations": [],
        "Tags": [],
    }
