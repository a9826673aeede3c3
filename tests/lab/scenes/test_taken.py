"""Scenes out of snapshots and plans: what is taken over, what is left out and said to be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doorward_lab import scenes
from doorward_lab.errors import BadScene
from doorward_lab.scenes import Scene
from doorward_lab.scenes.read import load_text
from doorward_lab.scenes.scene import Rule, Service
from tests.lab.scenes.accounts import Ground, look
from tests.readers.aws_files import SHARED

EXAMPLE = Path(__file__).parents[3] / "examples" / "outage-2024-02-15"
SNAPSHOTS = [
    "batfish-load-balancer", "batfish-public-private-subnet", "batfish-vpc-peering", "np-guard-aws_sg_1.json",
    "np-guard-basic_config_with_sg.json",
]  # fmt: skip


def said(scene: Scene) -> str:
    """What is left out, line by line."""
    return "\n".join(map(str, scene.left_out))


def test_a_snapshot_becomes_a_scene() -> None:
    """The example's estate is taken over: groups with their rules, hosts with their addresses, the balancer."""
    scene = scenes.from_snapshot(EXAMPLE / "estate")
    assert ("10.20.0.0/16",) == scene.vpcs["identity"].cidr
    assert {"web", "portal", "auth", "auth-db", "default"} == set(scene.groups)
    assert Rule(Service("tcp", 5432, 5432), "group:auth", "accounts") in scene.groups["auth-db"].ingress
    assert scene.groups["default"].default
    assert {"10.20.10.31", "10.20.11.32"} <= {one.address for one in scene.hosts.values() if one.groups == ("auth",)}
    assert [("HTTPS", 443, "portal", ""), ("HTTPS", 443, "auth", "/auth/*")] == [
        (one.protocol, one.port, one.forward, one.path) for one in scene.load_balancers["web"].listeners
    ]
    assert "load balancer web, listener 443: when it forwards to auth; taken for the path /auth/*" in said(scene)


def test_a_plan_becomes_the_scene_after_it() -> None:
    """The bad plan's scene lacks the rule that the plan takes away; the estate's has it."""
    before, after = (
        scenes.from_snapshot(EXAMPLE / "estate"),
        scenes.from_plan(EXAMPLE / "plan-bad.json", EXAMPLE / "estate"),
    )
    peers = [{rule.peer for rule in scene.groups["auth"].ingress} for scene in (before, after)]
    assert [{"group:web", "group:portal"}, {"group:web"}] == peers
    alone = scenes.from_plan(EXAMPLE / "plan-bad.json")
    assert {rule.peer for rule in alone.groups["auth"].ingress} == {"group:web"}


def test_the_example_is_built(ground: Ground, tmp_path: Path) -> None:
    """A user's network stands up: the scene of the plan, built, has the plan's groups and hosts."""
    scene = replace(scenes.from_plan(EXAMPLE / "plan-good.json", EXAMPLE / "estate"), region="us-east-1")
    account = ground.account()
    built = scenes.build(scene, account)
    estate = look(account, tmp_path / "built")
    assert {one.address for one in scene.hosts.values()} <= {
        one["PrivateIpAddress"] for one in account("ec2").describe_network_interfaces()["NetworkInterfaces"]
    }
    assert {"web", "portal", "auth", "auth-db"} <= {one.name for one in estate.groups.values()}
    assert built.load_balancers["web"].nodes


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared inputs are not beside the repository")
@pytest.mark.parametrize("name", SNAPSHOTS)
def test_snapshots_made_by_others_become_scenes(name: str) -> None:
    """Each is a scene that makes sense and goes through YAML unchanged; what the lab has not is named in comments."""
    scene = scenes.from_snapshot(SHARED / "aws-snapshots" / name)
    text = scenes.dump(scene)
    assert scene == replace(load_text(text), left_out=scene.left_out)
    assert len(scene.left_out) == text.count("# left out: ")
    assert scene.hosts


def test_what_the_lab_has_not_is_named(tmp_path: Path) -> None:
    """Gateways, routes, interfaces and rules that the lab cannot build are each in `left_out`; nothing vanishes."""
    files: dict[str, Any] = {
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": "1"}],
        "Subnets": [
            {"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a"}
        ],
        "SecurityGroups": [
            {"GroupId": "sg-1", "GroupName": "a", "VpcId": "vpc-1", "OwnerId": "1", "Description": "d",
             "IpPermissionsEgress": [],
             "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1,
                                "UserIdGroupPairs": [{"GroupId": "sg-gone", "UserId": "1"}],
                                "PrefixListIds": [{"PrefixListId": "pl-unknown"}]}]},
        ],
        "NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1", "VpcId": "vpc-1", "InterfaceType": "interface",
             "PrivateIpAddress": "10.0.1.9", "Groups": [{"GroupId": "sg-1"}],
             "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}]},
            {"NetworkInterfaceId": "eni-2", "SubnetId": "subnet-1", "VpcId": "vpc-1", "InterfaceType": "interface",
             "PrivateIpAddress": "10.0.1.10", "Groups": []},
        ],
        "RouteTables": [
            {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": True}],
             "Routes": [
                 {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
                 {"DestinationCidrBlock": "172.16.0.0/12", "TransitGatewayId": "tgw-1", "State": "active"},
                 {"DestinationCidrBlock": "192.168.0.0/16", "GatewayId": "vgw-1", "State": "active"},
             ]},
        ],
        "VpnGateways": [{"VpnGatewayId": "vgw-1", "VpcAttachments": [{"VpcId": "vpc-1", "State": "attached"}]}],
        "NetworkAcls": [], "InternetGateways": [], "VpcPeeringConnections": [], "Reservations": [],
    }  # fmt: skip
    for key, value in files.items():
        (tmp_path / f"{key}.json").write_text(json.dumps({key: value}), encoding="utf-8")
    scene = scenes.from_snapshot(tmp_path)
    assert ["10.0.1.9"] == [one.address for one in scene.hosts.values()]
    for words in ("sg-gone", "pl-unknown", "delegated prefixes", "eni-2", "172.16.0.0/12", "192.168.0.0/16", "vgw-1"):
        assert words in said(scene), words


def test_what_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    """A folder without JSON, a file that is none and a snapshot without a VPC are refused in words."""
    (tmp_path / "x.json").write_text("{", encoding="utf-8")
    for path in (tmp_path / "none", tmp_path / "x.json"):
        for read in (scenes.from_snapshot, scenes.from_plan):
            with pytest.raises(BadScene, match=path.name):
                read(path)
    (tmp_path / "x.json").write_text(json.dumps({"Vpcs": []}), encoding="utf-8")
    with pytest.raises(BadScene, match="holds no VPC that the lab can build"):
        scenes.from_snapshot(tmp_path)
