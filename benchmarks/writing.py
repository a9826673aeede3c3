"""The two large files of a generated estate, as text, in the layout of `aws ec2 describe-… --output json`.

Text templates instead of ``json.dump``: L is a million rules, and this writes it in a minute on one core.
Lives here: interfaces, groups, and the rules that no contract asks for. Not here: who they are (`population`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TextIO

from benchmarks.network import ACCOUNT, REGION, Network, VpcPlan, nat_interface
from benchmarks.population import Allowed, ClassPlan, GroupPlan, Population

SMALL_PORTS = (22, 25, 53, 80, 88, 111, 123, 135, 161, 389, 445, 514, 636, 873, 990)
WORDS = ("metrics", "backup", "batch", "legacy", "deploy", "scanner", "jump host", "replication", "cache", "queue")

Permissions = dict[tuple[str, int, int], tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, str]]]
"""(protocol, from, to) → text by key of: group pairs, IPv4 ranges, IPv6 ranges, prefix lists."""


class Rules:
    """Makes the rules of one group after another; each group draws from its own seed, so that one can be changed."""

    def __init__(self, network: Network, population: Population, seed: int, mean: int) -> None:
        self.network, self.population, self.seed, self.mean = network, population, seed, mean
        self.count = 0

    def of(self, group: GroupPlan, *, changed: bool = False) -> tuple[Permissions, Permissions]:
        """(ingress, egress). ``changed``: one of its rules is another than it was."""
        rng = random.Random(self.seed * 1_000_003 + group.number)
        ingress: Permissions = {}
        egress: Permissions = {}
        for allowed in group.ingress:
            self._allow(ingress, group, allowed)
        for allowed in group.egress:
            self._allow(egress, group, allowed)
        self._egress(rng, egress, group)
        if group.role == "edge":
            self._edge(rng, ingress)
        if group.messy:
            _range(ingress, ("tcp", 0, 65535), group.vpc.cidr, "historic")
        wanted = self.mean // 2 + int(rng.random() * self.mean)
        number = sum(len(kind) for table in (ingress, egress) for row in table.values() for kind in row)
        while number < wanted:
            number += self._noise(rng, ingress, group)
        if changed:
            self._change(random.Random(self.seed + group.number), ingress, group)
        self.count += number
        return ingress, egress

    def _allow(self, table: Permissions, group: GroupPlan, allowed: Allowed) -> None:
        key = ("tcp", allowed.low, allowed.high)
        for peer in allowed.groups:
            _pair(table, key, group, peer, "")
        for cidr in allowed.cidrs:
            _range(table, key, cidr, "contract")

    def _egress(self, rng: random.Random, table: Permissions, group: GroupPlan) -> None:
        if group.open_egress:
            _range(table, ("-1", 0, 0), "0.0.0.0/0", "")
            if group.vpc.cidr6:
                _range(table, ("-1", 0, 0), "::/0", "")
            return
        _range(table, ("tcp", 443, 443), "0.0.0.0/0", "updates")
        _range(table, ("udp", 53, 53), group.vpc.cidr, "names")
        _list(table, ("tcp", 443, 443), self.network.storage)
        for _ in range(2 + int(rng.random() * 6)):
            self._noise(rng, table, group)

    def _edge(self, rng: random.Random, table: Permissions) -> None:
        """What the internet may open."""
        for port in (80, 443):
            _range(table, ("tcp", port, port), "0.0.0.0/0", "everybody")
            _range(table, ("tcp", port, port), "::/0", "everybody")
        _list(table, ("tcp", 22, 22), self.network.offices)
        for _ in range(int(rng.random() * 6)):
            cidr = f"{60 + int(rng.random() * 40)}.{int(rng.random() * 256)}.{int(rng.random() * 256)}.0/24"
            _range(table, ("tcp", 9443, 9443 + int(rng.random() * 3)), cidr, "partner")

    def _noise(self, rng: random.Random, table: Permissions, group: GroupPlan) -> int:
        """One permission that no contract speaks of, with one to four peers; returns how many rules it adds."""
        kind = rng.random()
        if kind < 0.45:
            port = 12000 + int(rng.random() * 48000)
            key = ("tcp", port, port)
        elif kind < 0.6:
            port = SMALL_PORTS[int(rng.random() * len(SMALL_PORTS))]
            key = ("tcp", port, port)
        elif kind < 0.8:
            low = 12000 + int(rng.random() * 40000)
            key = ("tcp", low, low + int(rng.random() * rng.random() * 12000))
        elif kind < 0.93:
            low = 1 + int(rng.random() * 60000)
            key = ("udp", low, min(65535, low + (int(rng.random() * 900) if rng.random() < 0.3 else 0)))
        else:
            key = (("icmp", 8, -1), ("icmp", 3, 4), ("icmp", -1, -1), ("icmpv6", -1, -1))[int(rng.random() * 4)]
        added = 0
        for _ in range(1 + int(rng.random() * 4)):
            added += self._peer(rng, table, key, group)
        return max(added, 1)

    def _peer(self, rng: random.Random, table: Permissions, key: tuple[str, int, int], group: GroupPlan) -> int:
        kind = rng.random()
        vpc = group.vpc
        word = WORDS[int(rng.random() * len(WORDS))]
        if kind < 0.55:
            if kind > 0.45 and vpc.peers:
                vpc = vpc.peers[int(rng.random() * len(vpc.peers))][0]
            own = self.population.by_vpc[vpc.id]
            return _pair(table, key, group, own[int(rng.random() * len(own))], word)
        if kind < 0.93:
            return _range(table, key, self._cidr(rng, vpc), word)
        if kind < 0.97 and vpc.cidr6:
            subnet = vpc.subnets[int(rng.random() * len(vpc.subnets))]
            return _range(table, key, vpc.cidr6 if rng.random() < 0.3 or not subnet.cidr6 else subnet.cidr6, word)
        return _list(table, key, self.network.monitors)

    def _cidr(self, rng: random.Random, vpc: VpcPlan) -> str:
        kind = rng.random()
        if kind < 0.1:
            return "10.0.0.0/8"
        if kind < 0.45 and vpc.peers:
            vpc = vpc.peers[int(rng.random() * len(vpc.peers))][0]
        if kind < 0.3:
            return vpc.cidr
        if kind < 0.65:
            return vpc.subnets[int(rng.random() * len(vpc.subnets))].cidr
        return vpc.narrow[int(rng.random() * len(vpc.narrow))]

    def _change(self, rng: random.Random, table: Permissions, group: GroupPlan) -> None:
        """Take one permission away, add one, or move one to another port."""
        keys = [key for key in table if key[0] in ("tcp", "udp")]
        kind = rng.random()
        if kind < 0.35 or not keys:
            port = 20000 + int(rng.random() * 20000)
            self._peer(rng, table, ("tcp", port, port), group)
            return
        row = table.pop(keys[int(rng.random() * len(keys))])
        if kind > 0.7:
            port = 12000 + int(rng.random() * 20000)
            table.setdefault(("tcp", port, port), row)


def _row(table: Permissions, key: tuple[str, int, int]) -> tuple[dict[str, str], ...]:
    row = table.get(key)
    if row is None:
        row = table[key] = ({}, {}, {}, {})
    return row


def _pair(table: Permissions, key: tuple[str, int, int], group: GroupPlan, peer: GroupPlan, word: str) -> int:
    row = _row(table, key)[0]
    if peer.id in row:
        return 0
    lines = ""
    if word:
        lines += f'                            "Description": "{word}",\n'
    if peer.vpc is not group.vpc:
        connection = next((name for vpc, name in group.vpc.peers if vpc is peer.vpc), None)
        if connection is None:
            return 0
        lines += (
            f'                            "VpcId": "{peer.vpc.id}",\n'
            f'                            "VpcPeeringConnectionId": "{connection}",\n'
            '                            "PeeringStatus": "active",\n'
        )
    row[peer.id] = (
        "                        {\n"
        f"{lines}"
        f'                            "UserId": "{ACCOUNT}",\n'
        f'                            "GroupId": "{peer.id}"\n'
        "                        }"
    )
    return 1


def _range(table: Permissions, key: tuple[str, int, int], cidr: str, word: str) -> int:
    six = ":" in cidr
    row = _row(table, key)[2 if six else 1]
    if cidr in row:
        return 0
    text = f'                            "Description": "{word}",\n' if word else ""
    row[cidr] = (
        f'                        {{\n{text}                            "{"CidrIpv6" if six else "CidrIp"}": "{cidr}"\n'
        "                        }"
    )
    return 1


def _list(table: Permissions, key: tuple[str, int, int], name: str) -> int:
    row = _row(table, key)[3]
    if name in row:
        return 0
    row[name] = (
        '                        {\n                            "Description": "",\n'
        f'                            "PrefixListId": "{name}"\n                        }}'
    )
    return 1


def _permission(key: tuple[str, int, int], row: tuple[dict[str, str], ...]) -> str:
    protocol, low, high = key
    ports = (
        "" if protocol == "-1" else f'                    "FromPort": {low},\n                    "ToPort": {high},\n'
    )
    parts = []
    for name, texts in zip(("UserIdGroupPairs", "IpRanges", "Ipv6Ranges", "PrefixListIds"), row, strict=True):
        if texts:
            joined = ",\n".join(texts.values())
            parts.append(f'                    "{name}": [\n{joined}\n                    ]')
        else:
            parts.append(f'                    "{name}": []')
    listed = ",\n".join(parts)
    return f'                {{\n                    "IpProtocol": "{protocol}",\n{ports}{listed}\n                }}'


def group_text(group: GroupPlan, ingress: Permissions, egress: Permissions) -> str:
    """One element of ``SecurityGroups``."""
    texts = []
    for title, table in (("IpPermissionsEgress", egress), ("IpPermissions", ingress)):
        listed = ",\n".join(_permission(key, row) for key, row in table.items() if any(row))
        texts.append(
            f'            "{title}": [\n{listed}\n            ],\n' if listed else f'            "{title}": [],\n'
        )
    return (
        f'        {{\n            "GroupId": "{group.id}",\n{texts[0]}'
        '            "Tags": [\n                {\n                    "Key": "Name",\n'
        f'                    "Value": "{group.name}"\n                }}\n            ],\n'
        f'            "VpcId": "{group.vpc.id}",\n'
        f'            "SecurityGroupArn": "arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{group.id}",\n'
        f'            "OwnerId": "{ACCOUNT}",\n            "GroupName": "{group.name}",\n'
        f'            "Description": "{group.role} of {group.vpc.id}",\n{texts[1][:-2]}\n        }}'
    )


def write_groups(rules: Rules, groups: list[GroupPlan], file: TextIO, next_file: TextIO, changed: set[int]) -> None:
    """Write the estate's groups, and the same with the changed ones to ``next_file``."""
    for out in (file, next_file):
        out.write('{\n    "SecurityGroups": [\n')
    comma = ""
    for group in groups:
        text = comma + group_text(group, *rules.of(group))
        file.write(text)
        if group.number in changed:
            before = rules.count
            text = comma + group_text(group, *rules.of(group, changed=True))
            rules.count = before
        next_file.write(text)
        comma = ",\n"
    for out in (file, next_file):
        out.write("\n    ]\n}\n")


def interface_texts(network: Network, classes: list[ClassPlan], rng: random.Random) -> Iterator[str]:
    """The elements of ``NetworkInterfaces``: addresses at random places of their subnet."""
    free: dict[str, list[int]] = {}
    number = 0
    for one in classes:
        subnet = one.subnet
        if subnet.id not in free:
            places = list(range(4, 1000))
            rng.shuffle(places)
            free[subnet.id] = places
        before, after = _template(one)
        home6 = subnet.vpc.hextets() + (f":{subnet.number:x}" if subnet.number else "")
        for _ in range(one.count):
            place = free[subnet.id].pop()
            private = _dotted(subnet.base + place)
            six = f"{home6}::{place:x}" if subnet.cidr6 and rng.random() < 0.6 else None
            public = None
            if one.app.role == "edge":
                public = f"{18 + number // 16777216}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            second = None
            if rng.random() < 0.04 and len(free[subnet.id]) > 40:
                second = _dotted(subnet.base + free[subnet.id].pop())
            yield _interface(number, before, after, private, public, six, second)
            number += 1
    for vpc in network.vpcs:
        if vpc.nat:
            yield _nat_interface(vpc)


def _dotted(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def _template(one: ClassPlan) -> tuple[str, str]:
    groups = ",\n".join(
        f'                {{\n                    "GroupId": "{group.id}",\n'
        f'                    "GroupName": "{group.name}"\n                }}'
        for group in one.groups
    )
    subnet = one.subnet
    before = (
        f'            "AvailabilityZone": "{REGION}{"abc"[subnet.number % 3]}",\n            "Description": "",\n'
        f'            "Groups": [\n{groups}\n            ],\n            "InterfaceType": "interface",\n'
    )
    after = (
        '            "RequesterManaged": false,\n            "SourceDestCheck": true,\n'
        '            "Status": "in-use",\n'
        f'            "SubnetId": "{subnet.id}",\n            "TagSet": [],\n            "VpcId": "{subnet.vpc.id}"\n'
    )
    return before, after


def _association(indent: str, public: str) -> str:
    host = public.replace(".", "-")
    return (
        f'{indent}"Association": {{\n{indent}    "IpOwnerId": "amazon",\n'
        f'{indent}    "PublicDnsName": "ec2-{host}.{REGION}.compute.amazonaws.com",\n'
        f'{indent}    "PublicIp": "{public}"\n{indent}}},\n'
    )


def _address(private: str, primary: bool, public: str | None) -> str:
    indent = "                    "
    return (
        f"                {{\n{_association(indent, public) if public else ''}"
        f'{indent}"Primary": {"true" if primary else "false"},\n'
        f'{indent}"PrivateDnsName": "ip-{private.replace(".", "-")}.{REGION}.compute.internal",\n'
        f'{indent}"PrivateIpAddress": "{private}"\n                }}'
    )


def _interface(
    number: int, before: str, after: str, private: str, public: str | None, six: str | None, second: str | None
) -> str:
    tail = f"{(number + 1) * 0x9E3779B97F4A7C15 & (2**68 - 1):017x}"
    mac = f"06:{tail[0:2]}:{tail[2:4]}:{tail[4:6]}:{tail[6:8]}:{tail[8:10]}"
    sixes = (
        f'            "Ipv6Addresses": [\n                {{\n                    "Ipv6Address": "{six}",\n'
        '                    "IsPrimaryIpv6": false\n                }\n            ],\n'
        if six
        else '            "Ipv6Addresses": [],\n'
    )
    addresses = _address(private, True, public) + (",\n" + _address(second, False, None) if second else "")
    return (
        f"        {{\n{_association('            ', public) if public else ''}"
        '            "Attachment": {\n                "AttachTime": "2024-01-11T09:12:33+00:00",\n'
        f'                "AttachmentId": "eni-attach-{tail}",\n                "DeleteOnTermination": true,\n'
        '                "DeviceIndex": 0,\n                "NetworkCardIndex": 0,\n'
        f'                "InstanceId": "i-{tail}",\n                "InstanceOwnerId": "{ACCOUNT}",\n'
        '                "Status": "attached"\n            },\n'
        f'{before}{sixes}            "MacAddress": "{mac}",\n'
        f'            "NetworkInterfaceId": "eni-{tail}",\n            "OwnerId": "{ACCOUNT}",\n'
        f'            "PrivateDnsName": "ip-{private.replace(".", "-")}.{REGION}.compute.internal",\n'
        f'            "PrivateIpAddress": "{private}",\n'
        f'            "PrivateIpAddresses": [\n{addresses}\n            ],\n{after}        }}'
    )


def _nat_interface(vpc: VpcPlan) -> str:
    name, private, public = nat_interface(vpc)
    return (
        f"        {{\n{_association('            ', public)}"
        f'            "AvailabilityZone": "{REGION}a",\n'
        f'            "Description": "Interface for NAT Gateway {vpc.nat}",\n'
        '            "Groups": [],\n            "InterfaceType": "nat_gateway",\n            "Ipv6Addresses": [],\n'
        f'            "MacAddress": "06:00:00:00:{vpc.component:02x}:{vpc.member:02x}",\n'
        f'            "NetworkInterfaceId": "{name}",\n            "OwnerId": "{ACCOUNT}",\n'
        f'            "PrivateIpAddress": "{private}",\n'
        f'            "PrivateIpAddresses": [\n{_address(private, True, public)}\n            ],\n'
        '            "RequesterId": "amazon-nat",\n            "RequesterManaged": true,\n'
        '            "SourceDestCheck": false,\n            "Status": "in-use",\n'
        f'            "SubnetId": "{vpc.subnets[0].id}",\n            "TagSet": [],\n'
        f'            "VpcId": "{vpc.id}"\n        }}'
    )


def write_interfaces(network: Network, classes: list[ClassPlan], rng: random.Random, file: TextIO) -> int:
    """Write all interfaces; returns how many."""
    file.write('{\n    "NetworkInterfaces": [\n')
    number = 0
    for number, text in enumerate(interface_texts(network, classes, rng), start=1):
        file.write(text if number == 1 else ",\n" + text)
    file.write("\n    ]\n}\n")
    return number
