"""The scene language: what it takes, and the line with which it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

import doorward_lab.scenes.catalogue
from doorward_lab import scenes
from doorward_lab.errors import BadScene
from doorward_lab.scenes.read import MAX_BYTES, load_text
from doorward_lab.scenes.scene import Gateway, Rule, Service
from doorward_lab.scenes.write import to_data

FOLDER = Path(doorward_lab.scenes.catalogue.__file__).parent
HEAD = "version: 1\nvpcs:\n  main: {cidr: 10.0.0.0/16}\n"
NET = HEAD + "subnets:\n  a: {cidr: 10.0.1.0/24}\n  b: {cidr: 10.0.2.0/24, zone: b}\n"
GROUPS = NET + "groups:\n  web: {ingress: [tcp/443 from internet]}\n"
HOSTS = GROUPS + "hosts:\n  h: {subnet: a, groups: [web]}\n"
IGW = HEAD + "gateways:\n  igw: {kind: internet}\n" + NET.removeprefix(HEAD) + GROUPS.removeprefix(NET)
SIX = "version: 1\nvpcs:\n  main: {cidr: 10.0.0.0/16, ipv6: '3fff::/56'}\nsubnets:\n"
TARGETS = IGW + "target-groups:\n  t: {hosts: []}\n"
TWO = "version: 1\nvpcs:\n  x: {cidr: 10.1.0.0/16}\n  y: {cidr: 10.2.0.0/16}\n"

BAD = {
    "empty": ("", "s: the file is empty; expected version: 1"),
    "comment only": ("# nothing\n", "s: no document"),
    "binary": ("version: 1\0", "s: binary data; expected a scene"),
    "tab": ("version: 1\nvpcs:\n\tmain: x\n", "s:3:1: not YAML"),
    "a list": ("- version\n", "s:1:1: got a list; expected a mapping"),
    "no version": ("vpcs: {}\n", "s:1:1: a scene has no 'version'"),
    "other version": ("version: 2\nvpcs: {}\n", "s:1:10: got version '2'; expected version: 1"),
    "no VPC": ("version: 1\n", "the scene has no VPC; expected at least one"),
    "unknown section": (
        HEAD + "subnet:\n  a: {}\n",
        "s:4:1: 'subnet' is not a key of a scene; did you mean 'subnets'?",
    ),
    "unknown key": (
        HEAD + "subnets:\n  a: {cidr: 10.0.1.0/24, zones: a}\n",
        "s:5:26: 'zones' is not a key of subnets.a; did you mean 'zone'?",
    ),
    "key twice": (HEAD + "vpcs: {}\n", "s:4:1: the key 'vpcs' stands twice: first in line 2"),
    "host twice": (HOSTS + "  h: {subnet: b}\n", "s:11:3: the key 'h' stands twice: first in line 10"),
    "missing key": (HEAD + "subnets:\n  a: {zone: a}\n", "s:5:6: subnets.a has no 'cidr'"),
    "bad name": (HEAD + "subnets:\n  'a b': {cidr: 10.0.1.0/24}\n", "s:5:3: 'a b' is not a name"),
    "a tag": (HEAD + "subnets: !!python/object:os.system {}\n", "s:4:10: the tag"),
    "merge key": (HEAD + "subnets:\n  a: {<<: {}}\n", "s:5:7: the merge key '<<'"),
    "too deep": (HEAD + "subnets: " + "[" * 40 + "]" * 40, "nested deeper than 32 levels (no scene needs more"),
    "no CIDR": (HEAD + "subnets:\n  a: {cidr: ten}\n", "s:5:13: 'ten' is not an IPv4 CIDR; expected one such as"),
    "host bits": (
        HEAD + "subnets:\n  a: {cidr: 10.0.1.1/24}\n",
        "'10.0.1.1/24' has host bits set; expected 10.0.1.0/24",
    ),
    "family": (HEAD + "subnets:\n  a: {cidr: '2001:db8::/64'}\n", "is IPv6; expected an IPv4 CIDR"),
    "VPC too large": (
        "version: 1\nvpcs:\n  m: {cidr: 10.0.0.0/8}\n",
        "s:3:13: 10.0.0.0/8 is a /8; AWS takes /16 to /28",
    ),
    "outside": (HEAD + "subnets:\n  a: {cidr: 10.1.0.0/24}\n", "s:5:13: 10.1.0.0/24 lies outside 10.0.0.0/16"),
    "overlap": (NET + "  c: {cidr: 10.0.1.128/25}\n", "s:7:13: 10.0.1.128/25 overlaps 10.0.1.0/24, the subnet 'a'"),
    "two blocks overlap": (
        "version: 1\nvpcs:\n  m: {cidr: [10.0.0.0/16, 10.0.1.0/24]}\n",
        "10.0.1.0/24 overlaps 10.0.0.0/16 of the same VPC",
    ),
    "IPv6 without": (
        HEAD + "subnets:\n  a: {cidr: 10.0.1.0/24, ipv6: true}\n",
        "'a' has IPv6, its VPC 'main' has none",
    ),
    "IPv6 size": (SIX + "  a: {cidr: 10.0.1.0/24, ipv6: '3fff::/65'}\n", "3fff::/65 is a /65; AWS takes /44 to /64"),
    "IPv6 outside": (SIX + "  a: {cidr: 10.0.1.0/24, ipv6: '3ffe::/64'}\n", "3ffe::/64 lies outside 3fff::/56"),
    "which VPC": (TWO + "subnets:\n  a: {cidr: 10.1.0.0/24}\n", "s:6:3: 'a' names no vpc, and there is not just one"),
    "dangling VPC": (TWO + "subnets:\n  a: {vpc: z, cidr: 10.1.0.0/24}\n", "s:6:12: 'z' is no VPC of this scene"),
    "dangling subnet": (
        GROUPS + "hosts:\n  h: {subnet: aa}\n",
        "s:10:15: 'aa' is no subnet of this scene; did you mean 'a'?",
    ),
    "dangling group": (
        NET + "groups:\n  login: {}\nhosts:\n  h: {subnet: a, groups: [logn]}\n",
        "s:10:27: 'logn' is no group of this scene; did you mean 'login'?",
    ),
    "dangling peer": (
        NET + "groups:\n  w: {ingress: [tcp/1 from group:db]}\n",
        "s:8:17: 'db' is no group of this scene",
    ),
    "dangling ACL": (
        HEAD + "subnets:\n  a: {cidr: 10.0.1.0/24, acl: x}\n",
        "s:5:31: 'x' is no ACL of this scene; there is none",
    ),
    "dangling route": (
        HEAD + "route-tables:\n  t: {routes: {0.0.0.0/0: gateway:g}}\n",
        "s:5:27: 'g' is no gateway of this scene",
    ),
    "route's target": (
        HEAD + "route-tables:\n  t: {routes: {0.0.0.0/0: igw}}\n",
        "expected gateway:NAME, peering:NAME or host:NAME",
    ),
    "local route": (
        IGW + "route-tables:\n  t: {routes: {10.0.0.0/16: gateway:igw}}\n",
        "whose route is local by itself",
    ),
    "rule": (NET + "groups:\n  w: {ingress: [443]}\n", "s:8:17: '443' is not a rule; expected SERVICE from PEER"),
    "rule's direction": (
        NET + "groups:\n  w: {egress: [tcp/1 from internet]}\n",
        "says 'from' in egress; expected SERVICE to",
    ),
    "service": (
        NET + "groups:\n  w: {ingress: [tpc/443 from internet]}\n",
        "'tpc/443' is not a service; expected tcp/443",
    ),
    "ports": (NET + "groups:\n  w: {ingress: [tcp/9-8 from internet]}\n", "the wrong way round; expected tcp/8-9"),
    "port too high": (NET + "groups:\n  w: {ingress: [tcp/65536 from internet]}\n", "'tcp/65536' is not a service"),
    "peer": (NET + "groups:\n  w: {ingress: [tcp/1 from everybody]}\n", "'everybody' is not a peer; expected internet"),
    "rule twice": (
        NET + "groups:\n  w:\n    ingress:\n      - tcp/1 from internet\n"
        "      - {rule: tcp/1 from internet, description: x}\n",
        "s:11:9: the rule 'tcp/1 from internet' stands twice: first in line 10",
    ),
    "rule twice by words": (
        NET + "groups:\n  w: {ingress: [tcp/1 from internet, tcp/1 from 0.0.0.0/0]}\n",
        "a rule of 'w' stands twice in ingress",
    ),
    "default name": (NET + "groups:\n  default: {}\n", "s:8:3: 'default' is AWS's own group"),
    "sg- name": (NET + "groups:\n  sg-1: {}\n", "begins with sg-, which AWS refuses"),
    "far group": (
        TWO + "groups:\n  g: {vpc: x}\n  h: {vpc: y, ingress: [tcp/1 from group:g]}\n",
        "s:7:25: 'g' is a group of 'x', which 'y' is not peered with",
    ),
    "entry": (HEAD + "acls:\n  x: {ingress: {100: tcp/1 from 0.0.0.0/0}}\n", "expected allow|deny SERVICE from CIDR"),
    "entry's number": (HEAD + "acls:\n  x: {ingress: {0: allow all from 0.0.0.0/0}}\n", "'0' is not an entry's number"),
    "list's families": (HEAD + "prefix-lists:\n  p: {entries: [10.0.0.0/8, '::/0']}\n", "'p' mixes IPv4 and IPv6"),
    "address outside": (
        GROUPS + "hosts:\n  h: {subnet: a, address: 10.0.2.9}\n",
        "s:10:27: 10.0.2.9 cannot be used in 10.0.1.0/24",
    ),
    "AWS's address": (GROUPS + "hosts:\n  h: {subnet: a, address: 10.0.1.3}\n", "AWS keeps its first four and last"),
    "address twice": (
        GROUPS + "hosts:\n  h: {subnet: a, address: 10.0.1.9}\n  i: {subnet: a, address: 10.0.1.9}\n",
        "s:11:27: 10.0.1.9 is an address of 'h' already",
    ),
    "public without gateway": (
        HOSTS + "  i: {subnet: a, public: true}\n",
        "s:11:26: 'i' has a public address, its VPC 'main' no",
    ),
    "bool": (HOSTS + "  i: {subnet: a, source-dest-check: no}\n", "got 'no'; expected true or false"),
    "role": (HOSTS + "  i: {subnet: a, run: databse}\n", "s:11:23: got 'databse'; expected one of balancer"),
    "full": (
        HEAD + "subnets:\n  a: {cidr: 10.0.1.0/28}\nhosts:\n" + "".join(f"  h{n}: {{subnet: a}}\n" for n in range(12)),
        "s:18:3: no address is left in a for 'h11'",
    ),
    "NAT without gateway": (
        NET + "gateways:\n  n: {kind: nat, subnet: a}\n",
        "s:8:3: 'n' needs an internet gateway in the VPC 'main'",
    ),
    "NAT without subnet": (HEAD + "gateways:\n  n: {kind: nat}\n", "the NAT gateway 'n' has no 'subnet'"),
    "two gateways": (HEAD + "gateways:\n  i: {kind: internet}\n  j: {kind: internet}\n", "'main' has one already: 'i'"),
    "eigw for IPv4": (
        HEAD + "gateways:\n  e: {kind: egress-only}\nroute-tables:\n  t: {routes: {0.0.0.0/0: gateway:e}}\n",
        "s:7:27: 0.0.0.0/0 is IPv4; an egress-only gateway takes IPv6 alone",
    ),
    "peering overlap": (
        TWO + "  z: {cidr: 10.1.0.0/16}\npeerings:\n  p: {between: [x, z]}\n",
        "s:7:16: 10.1.0.0/16 of 'x' overlaps 10.1.0.0/16",
    ),
    "peering alone": (TWO + "peerings:\n  p: {between: [x]}\n", "got 1 VPCs; expected two"),
    "one zone": (
        TARGETS + "load-balancers:\n  l: {subnets: [a], listeners: [http/80 to t]}\n",
        "'l' is in one zone; an application load balancer needs two",
    ),
    "listener": (TARGETS + "load-balancers:\n  l: {subnets: [a, b], listeners: [80 to t]}\n", "'80' is not a protocol"),
    "listener's protocol": (
        TARGETS + "load-balancers:\n  l: {subnets: [a, b], listeners: [tcp/80 to t]}\n",
        "a balancer of kind application takes http, https, not tcp",
    ),
    "path without listener": (
        TARGETS + "load-balancers:\n  l: {subnets: [a, b], listeners: [http/80 path /x to t]}\n",
        "a path needs an application",
    ),
    "dangling target group": (
        TARGETS + "load-balancers:\n  l: {subnets: [a, b], listeners: [http/80 to tt]}\n",
        "'tt' is no target group of this",
    ),
    "contracts": (HEAD + "contracts: nowhere.yaml\n", "s:4:12: the contracts file 'nowhere.yaml' cannot be read"),
    "stack": (HEAD + "stack: {rate: fast}\n", "s:4:15: got 'fast'; expected a number such as 10"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_scenes_are_refused_in_one_line_at_their_place(case: str) -> None:
    """What a scene cannot say is refused in one line, which names the place and what was expected."""
    text, said = BAD[case]
    with pytest.raises(BadScene) as refused:
        load_text(text, "s")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert re.match(r"s(:\d+(:\d+)?)?: ", str(refused.value))


def test_sizes_are_bounded() -> None:
    """A file too large, and aliases that multiply, are refused before they cost anything."""
    with pytest.raises(BadScene, match="more than"):
        load_text(b"#" * (MAX_BYTES + 1), "s")
    bomb = "version: 1\na: &a [" + ",".join("x" * 9) + "]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )  # fmt: skip
    with pytest.raises(BadScene, match="values once aliases are written out"):
        load_text(bomb, "s")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """No file, a folder, and UTF-16 are refused in words that name the path."""
    utf16 = tmp_path / "x.yaml"
    utf16.write_bytes("version: 1".encode("utf-16"))
    for path in (tmp_path / "none.yaml", tmp_path, utf16):
        with pytest.raises(BadScene, match=re.escape(str(path))):
            scenes.load(path)
    with pytest.raises(BadScene, match="did you mean 'outage'"):
        scenes.load("outge")


def test_short_forms_mean_what_they_say() -> None:
    """`public`, the only VPC and the words of rules are written out as the reference says."""
    scene = load_text(
        HEAD + "subnets:\n  a: {cidr: 10.0.1.0/24, public: true}\n"
        "groups:\n  g:\n    ingress:\n      - icmp/3:4 from 10.0.0.0/8\n"
        "      - {rule: proto/50 from internet:v6, description: ESP}\n", "s",
    )  # fmt: skip
    assert {"main-igw": Gateway("main-igw", "internet", "main")} == scene.gateways
    assert {"0.0.0.0/0": "gateway:main-igw"} == scene.route_tables["main-public"].routes
    assert "main-public" == scene.subnets["a"].route_table
    assert "main" == scene.groups["g"].vpc
    expected = (Rule(Service("icmp", 3, 4), "10.0.0.0/8"), Rule(Service("50"), "internet:v6", "ESP"))
    assert expected == scene.groups["g"].ingress
    assert scene.groups["g"].egress is None


@pytest.mark.parametrize("name", scenes.names())
def test_scenes_of_the_lab_go_through_yaml_unchanged(name: str) -> None:
    """Each scene that comes with the lab, written out and read again, is the same scene."""
    scene = scenes.load(name)
    assert scene == load_text(scenes.dump(scene), f"{name}.yaml")


@pytest.mark.parametrize("name", scenes.names())
def test_schema_admits_what_the_reader_takes(name: str) -> None:
    """The schema for editors admits every scene of the lab, as it is written and as it is dumped."""
    judge = jsonschema.Draft202012Validator(scenes.json_schema())
    judge.validate(json.loads(json.dumps(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))))
    judge.validate(json.loads(json.dumps(to_data(scenes.load(name)))))


def test_schema_refuses_unknown_keys() -> None:
    """The schema refuses a key that the reader refuses."""
    judge = jsonschema.Draft202012Validator(scenes.json_schema())
    assert judge.is_valid({"version": 1, "vpcs": {"m": {"cidr": "10.0.0.0/16"}}})
    assert not judge.is_valid({"version": 1, "vpcs": {"m": {"cidr": "10.0.0.0/16", "ip6": True}}})


def test_names_of_scenes() -> None:
    """The scenes that the issue asks for come with the lab."""
    assert {"small", "outage", "two-vpc"} <= set(scenes.names())
