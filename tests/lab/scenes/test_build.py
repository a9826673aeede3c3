"""Scenes built through boto3, against the lab's cloud and against plain moto."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from moto.server import ThreadedMotoServer

import doorward
from doorward.readers.snapshot import take_snapshot
from doorward_lab import scenes
from doorward_lab.errors import BadScene
from doorward_lab.scenes import Built, Clients, Connect, Scene
from doorward_lab.scenes.estate import from_estate
from doorward_lab.scenes.read import load_text
from tests.lab.scenes.accounts import REGION, Ground, flows, look
from tests.lab.scenes.made import scenes as made_scenes

SECTIONS = (
    "vpcs", "subnets", "groups", "prefix_lists", "acls", "route_tables", "gateways", "peerings", "target_groups",
)  # fmt: skip


def mapping(old: Built, new: Built) -> dict[str, str]:
    """Ids of one build → ids of another, by the names that both have."""
    found: dict[str, str] = {}
    for section in (
        "vpcs",
        "subnets",
        "groups",
        "prefix_lists",
        "acls",
        "route_tables",
        "gateways",
        "peerings",
        "target_groups",
    ):
        theirs = getattr(new, section)
        found |= {id: theirs[name] for name, id in getattr(old, section).items() if name in theirs}
    for name, host in old.hosts.items():
        if name in new.hosts:
            found |= {host.interface: new.hosts[name].interface, host.public or "-": new.hosts[name].public or "-"}
            if host.instance:
                found[host.instance] = new.hosts[name].instance
    for name, balancer in old.load_balancers.items():
        there = new.load_balancers[name]
        found[balancer.arn] = there.arn
        found[balancer.arn.rpartition("/")[2]] = there.arn.rpartition("/")[2]
        found |= {one.interface: other.interface for one, other in zip(balancer.nodes, there.nodes, strict=True)}
        found |= {
            one.public: other.public for one, other in zip(balancer.nodes, there.nodes, strict=True) if one.public
        }
    found.pop("-", None)
    return {key: value for key, value in found.items() if key != value}


@pytest.mark.parametrize("name", scenes.names())
def test_contracts_of_the_lab_s_scenes_are_kept(
    name: str, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`doorward check` judges every contract of each scene kept, on what `doorward snapshot` reads of it."""
    account = ground.account()
    built = scenes.build(scenes.load(name), account)
    keys = account("ec2")._request_signer._credentials
    for variable, value in (
        ("AWS_ACCESS_KEY_ID", keys.access_key), ("AWS_SECRET_ACCESS_KEY", keys.secret_key),
        ("AWS_SESSION_TOKEN", keys.token), ("AWS_DEFAULT_REGION", REGION),
    ):  # fmt: skip
        monkeypatch.setenv(variable, value)
    take_snapshot(tmp_path / "snapshot", regions=[REGION], endpoint_url=ground.url)
    contracts = tmp_path / "contracts.yaml"
    contracts.write_text(built.contracts, encoding="utf-8")
    report = doorward.check(doorward.read_contracts(contracts), doorward.read_estate(tmp_path / "snapshot"))
    assert len(report.verdicts) >= 3
    assert [] == [(one.name, one.outcome) for one in report.verdicts if one.outcome != "kept"]


def test_a_small_scene_is_built_within_a_second(ground: Ground) -> None:
    """The small scene takes less than a second of API time, once the API is warm; progress tells of every element."""
    warm = ground.account()
    scenes.build(scenes.load("small"), warm)
    account = ground.account()
    account("ec2").describe_vpcs()
    told: list[tuple[str, int, int]] = []
    began = time.monotonic()
    scenes.build(scenes.load("small"), account, lambda *said: told.append(said))
    assert time.monotonic() - began < 1.0
    assert list(range(1, told[-1][2] + 1)) == [done for _, done, _ in told]
    assert "hosts web" in [what for what, _, _ in told]


def test_what_was_built_is_what_the_api_shows(ground: Ground) -> None:
    """Ids, addresses, names and groups in `Built` are those that the API describes; it goes through JSON unchanged."""
    account = ground.account()
    built = scenes.build(scenes.load("outage"), account)
    assert built == Built.from_json(built.to_json())
    shown = {
        one["NetworkInterfaceId"]: one for one in account("ec2").describe_network_interfaces()["NetworkInterfaces"]
    }
    for name, host in built.hosts.items():
        one = shown[host.interface]
        assert name == next(tag["Value"] for tag in one["TagSet"] if tag["Key"] == "Name")
        assert host.ipv4[0] == one["PrivateIpAddress"]
        assert list(host.ipv6) == [six["Ipv6Address"] for six in one["Ipv6Addresses"]]
        assert host.instance == one["Attachment"]["InstanceId"]
    nodes = built.load_balancers["web"].nodes
    assert ["public-a", "public-b"] == sorted(one.subnet for one in nodes)
    assert all(one.public and one.ipv6 for one in nodes)
    assert "balancer" == built.load_balancers["web"].run
    assert {"login-1": "login", "auth-db": "database"}.items() <= {
        name: one.run for name, one in built.hosts.items()
    }.items()
    with pytest.raises(BadScene, match="not the record of a built scene"):
        Built.from_json("{}")


def test_rules_are_what_the_scene_says(ground: Ground) -> None:
    """A group has the scene's rules and no other: AWS's own egress rule goes where the scene says otherwise."""
    account = ground.account()
    built = scenes.build(scenes.load("small"), account)
    db = account("ec2").describe_security_groups(GroupIds=[built.groups["db"]])["SecurityGroups"][0]
    assert [] == db["IpPermissionsEgress"]
    (rule,) = db["IpPermissions"]
    assert ("tcp", 5432, 5432) == (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
    assert [built.groups["web"]] == [pair["GroupId"] for pair in rule["UserIdGroupPairs"]]


def test_plain_moto_will_do() -> None:
    """A scene without blocks of its own choice is built by moto's own server as well."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        clients = Clients(f"http://{host}:{port}", region="eu-central-1", access_key="AKIAPLAIN", secret_key="secret")
        text = scenes.dump(scenes.load("two-vpc")).replace("version: 1\n", "version: 1\nregion: eu-central-1\n", 1)
        built = scenes.build(load_text(text, "two-vpc.yaml"), clients)
        assert "10.2.1.10" == built.hosts["stock"].ipv4[0]
        found = clients("ec2").describe_instances()["Reservations"]
        assert {"edge", "app", "stock"} == {
            tag["Value"] for one in found for instance in one["Instances"] for tag in instance["Tags"]
        }
    finally:
        server.stop()


def test_what_cannot_be_built_is_named(ground: Ground) -> None:
    """An element that the API refuses, and an endpoint that nobody serves, are named with the API's own words."""
    taken = ground.account()
    text = "version: 1\nvpcs:\n  m: {cidr: 10.0.0.0/16}\nsubnets:\n  p: {cidr: 10.0.1.0/24, zone: z}\n"
    with pytest.raises(BadScene, match=r"s: subnets 'p' could not be built: .*us-east-1z"):
        scenes.build(load_text(text, "s"), taken)
    nobody = Clients("http://127.0.0.1:9", region=REGION, access_key="AKIANOBODY", secret_key="secret")
    with pytest.raises(BadScene, match="small: vpcs 'main' could not be built: Could not connect"):
        scenes.build(scenes.load("small"), nobody)


def nats(connect: Connect, built: Built) -> dict[str, str]:
    """NAT gateways by name → their interfaces."""
    listed = connect("ec2").describe_nat_gateways()["NatGateways"]
    found = {one["NatGatewayId"]: one["NatGatewayAddresses"][0]["NetworkInterfaceId"] for one in listed}
    return {name: found[id] for name, id in built.gateways.items() if id in found}


def rebuilt(ground: Ground, scene: Scene, folder: Path) -> list[str]:
    """Build, read, build what was read in another account: the flows in which the two differ."""
    first, second = ground.account(), ground.account()
    one = scenes.build(scene, first)
    before = look(first, folder / "one")
    taken = from_estate(before, str(folder / "one"))
    other = scenes.build(taken, second)
    ids, theirs = mapping(other, one), nats(second, other)
    ids |= {theirs[name]: id for name, id in nats(first, one).items()}
    return flows(before, look(second, folder / "other", ids))


@pytest.mark.parametrize("name", scenes.names())
def test_what_is_read_of_a_built_scene_builds_the_same(name: str, ground: Ground, tmp_path: Path) -> None:
    """Scene → build → snapshot → scene → build: Doorward sees no flow gained and none lost."""
    assert [] == rebuilt(ground, scenes.load(name), tmp_path)


@settings(
    max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # no shrinking: each try builds two clouds
)  # fmt: skip
@given(made_scenes(simple=True))
def test_random_scenes_read_and_built_again_are_the_same(ground: Ground, tmp_path: Path, scene: Scene) -> None:
    """The round trip holds for random scenes."""
    folder = tmp_path / os.urandom(4).hex()
    folder.mkdir()
    assert [] == rebuilt(ground, scene, folder)


def test_the_comparison_can_tell(ground: Ground, tmp_path: Path) -> None:
    """A rule less is seen as flows lost: the comparison above is not blind."""
    account = ground.account()
    built = scenes.build(scenes.load("small"), account)
    before = look(account, tmp_path / "one")
    pair = {"UserIdGroupPairs": [{"GroupId": built.groups["web"]}]}
    account("ec2").revoke_security_group_ingress(
        GroupId=built.groups["db"], IpPermissions=[{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, **pair}]
    )
    changed = flows(before, look(account, tmp_path / "other"))
    assert changed
    assert all(line.startswith("- ") for line in changed)
