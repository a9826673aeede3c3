"""Small describe answers for the tests of the AWS reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from doorward.model.estate import Estate
from doorward.readers.aws import read_estate

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Real inputs made by others, beside the repository; tests that need them skip where they are absent."""

VPC = {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": "111111111111"}
SUBNET = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "eu-west-1a"}
ACL = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Entries": []}
TABLE = {
    "RouteTableId": "rtb-1",
    "VpcId": "vpc-1",
    "Associations": [{"Main": True}],
    "Routes": [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}],
}
GROUP = {"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "OwnerId": "111111111111", "IpPermissions": []}
INTERFACE = {
    "NetworkInterfaceId": "eni-1",
    "VpcId": "vpc-1",
    "SubnetId": "subnet-1",
    "Groups": [{"GroupId": "sg-1", "GroupName": "web"}],
    "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.5", "Primary": True}],
}
WHOLE: dict[str, Any] = {
    "Vpcs": [VPC],
    "Subnets": [SUBNET],
    "NetworkAcls": [ACL],
    "RouteTables": [TABLE],
    "SecurityGroups": [GROUP],
    "NetworkInterfaces": [INTERFACE],
    "InternetGateways": [],
    "VpnGateways": [],
}
"""A small estate in which nothing is missing, so that it gives no notice."""


def estate_of(folder: Path, **keys: Any) -> Estate:
    """The estate of one file with these top-level keys."""
    path = folder / "estate.json"
    path.write_text(json.dumps(keys))
    return read_estate(path)


def whole(folder: Path, **keys: Any) -> Estate:
    """The estate of ``WHOLE`` with some keys changed; None takes a key away."""
    given = {key: value for key, value in {**WHOLE, **keys}.items() if value is not None}
    return estate_of(folder, **given)


def texts(estate: Estate) -> str:
    """All notices as one text."""
    return "\n".join(f"{notice.resource}: {notice.text}" for notice in estate.notices)
