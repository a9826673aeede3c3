"""A small town for tests of the watcher: documents, contracts, an estate built of them by the real reader, and words.

``eni-web`` (10.0.1.5, public 198.51.100.5, group ``sg-web``) and ``eni-db`` (10.0.2.7, group ``sg-db``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from doorward import api
from doorward.contracts.contract import Contract
from doorward.contracts.language import parse_contracts
from doorward.duty.commands import Command
from doorward.duty.events import ChangesSeen, FlowsCompared, SnapshotRead, Tick
from doorward.duty.judge import EngineJudge
from doorward.duty.policy import Policy
from doorward.duty.rules import with_rules
from doorward.duty.watch import Watcher
from doorward.model.change import Change, Effect, Key, Kind, RuleFact, Who
from doorward.model.estate import Estate
from doorward.model.verdict import FlowDiff
from tests.duty.histories import PLACE, when

ANN = Who("arn:aws:iam::123456789012:role/ops", "AssumedRole", session="ann")
PIPELINE = Who("arn:aws:iam::123456789012:role/terraform", "AssumedRole", session="run-7")
CONTRACTS = b"""
version: 1
contracts:
  people-can-log-in:
    must: reach
    from: internet:v4
    to: group:web
    service: tcp/443
    owner: team-identity
    severity: critical
  web-reaches-db:
    must: reach
    from: group:web
    to: group:db
    service: tcp/5432
  db-stays-private:
    must: never-reach
    from: internet
    to: group:db
    service: all
"""
LISTS: dict[Kind, str] = {
    "group": "SecurityGroups", "interface": "NetworkInterfaces", "acl": "NetworkAcls", "route-table": "RouteTables",
    "vpc": "Vpcs", "subnet": "Subnets", "internet-gateway": "InternetGateways", "prefix-list": "PrefixLists",
}  # fmt: skip


def key(kind: Kind, id: str) -> Key:
    """The name of a document of the town."""
    return Key(PLACE, kind, id)


WEB, DB = key("group", "sg-web"), key("group", "sg-db")
ENI_WEB, ENI_DB = key("interface", "eni-web"), key("interface", "eni-db")
ACL = key("acl", "acl-1")
HTTPS = RuleFact(False, "tcp", (443, 443), cidr="0.0.0.0/0", id="sgr-https")
OUT = RuleFact(True, "-1", None, cidr="0.0.0.0/0", id="sgr-out")
SQL = RuleFact(False, "tcp", (5432, 5432), group="sg-web", id="sgr-sql")
OPEN_SQL = RuleFact(False, "tcp", (5432, 5432), cidr="0.0.0.0/0", id="sgr-bad")


def group(id: str, *rules: RuleFact) -> dict[str, object]:
    """A describe answer of one group."""
    return with_rules({"GroupId": id, "GroupName": id[3:], "VpcId": "vpc-1", "OwnerId": PLACE.account}, rules)


def interface(id: str, address: str, subnet: str, groups: Iterable[str], public: str) -> dict[str, object]:
    """A describe answer of one interface."""
    association = {"PublicIp": public}
    return {
        "NetworkInterfaceId": id, "VpcId": "vpc-1", "SubnetId": subnet, "InterfaceType": "interface",
        "Status": "in-use", "Groups": [{"GroupId": one} for one in groups], "PrivateIpAddress": address,
        "Association": association,
        "PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True, "Association": association}],
    }  # fmt: skip


def entry(number: int, egress: bool, action: str, cidr: str = "0.0.0.0/0") -> dict[str, object]:
    """One entry of the network ACL."""
    return {"RuleNumber": number, "Egress": egress, "RuleAction": action, "Protocol": "-1", "CidrBlock": cidr}


def acl(*more: dict[str, object]) -> dict[str, object]:
    """The one network ACL, with more entries."""
    entries = [*more, entry(100, False, "allow"), entry(100, True, "allow")]
    return {
        "NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Entries": entries,
        "Associations": [{"NetworkAclId": "acl-1", "SubnetId": one} for one in ("subnet-a", "subnet-b")],
    }  # fmt: skip


def documents() -> dict[Key, Mapping[str, object] | None]:
    """The town as it should be."""
    routes = [
        {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"},
        {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "Origin": "CreateRoute", "State": "active"},
    ]
    return {
        WEB: group("sg-web", HTTPS, OUT),
        DB: group("sg-db", SQL, OUT),
        ENI_WEB: interface("eni-web", "10.0.1.5", "subnet-a", ["sg-web"], "198.51.100.5"),
        ENI_DB: interface("eni-db", "10.0.2.7", "subnet-b", ["sg-db"], "198.51.100.7"),
        ACL: acl(),
        key("vpc", "vpc-1"): {
            "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}],
        },
        key("subnet", "subnet-a"): {"SubnetId": "subnet-a", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"},
        key("subnet", "subnet-b"): {"SubnetId": "subnet-b", "VpcId": "vpc-1", "CidrBlock": "10.0.2.0/24"},
        key("route-table", "rtb-1"): {
            "RouteTableId": "rtb-1", "VpcId": "vpc-1", "Routes": routes, "Associations": [
                {"Main": True, "RouteTableId": "rtb-1", "RouteTableAssociationId": "a-1",
                 "AssociationState": {"State": "associated"}}],
        },
        key("internet-gateway", "igw-1"): {
            "InternetGatewayId": "igw-1", "Attachments": [{"VpcId": "vpc-1", "State": "available"}],
        },
    }  # fmt: skip


def build(listed: Iterable[tuple[Key, Mapping[str, object]]]) -> Estate:
    """The estate of documents, by the reader of describe answers."""
    answers: dict[str, list[object]] = {}
    for one, document in listed:
        plain = {name: value for name, value in document.items() if name != "SecurityGroupRules"}
        answers.setdefault(LISTS[one.kind], []).append(plain)
        if "SecurityGroupRules" in document:
            rules = document["SecurityGroupRules"]
            assert isinstance(rules, list)
            answers.setdefault("SecurityGroupRules", []).extend(rules)
    with tempfile.TemporaryDirectory(prefix="doorward-") as name:
        path = Path(name, "estate.json")
        path.write_text(json.dumps(answers), encoding="utf-8")
        return api.read_estate(path)


def contracts(text: bytes = CONTRACTS) -> tuple[Contract, ...]:
    """The town's contracts."""
    return parse_contracts(text, "doorward.yaml")


def watcher(policy: Policy | None = None) -> Watcher:
    """A watcher that has read the town at second 0."""
    made = Watcher(policy or Policy(lag=0, rebuild_every=0, canary_every=0), EngineJudge(contracts(), build))
    first = SnapshotRead(PLACE, documents(), when(0), when(1), when(1), tuple(LISTS), first=True)
    made.handle(first)
    return made


def change(id: str, second: float, *effects: Effect, who: Who = ANN, call: str = "ec2:Something") -> Change:
    """One call."""
    at = when(int(second))
    return Change(id, at, at, PLACE, call, who, effects)


def seen(*changes: Change, at: float | None = None) -> ChangesSeen:
    """The changes as the shell tells of them, half a second after the last."""
    return ChangesSeen(changes, when(at) if at is not None else changes[-1].at)


def tick(at: float) -> Tick:
    """Time has passed."""
    return Tick(when(at))


def compared(made: Watcher, asked: Command, at: float, flows: FlowDiff | None = None) -> FlowsCompared:
    """What the shell answers to CompareFlows: the forecast, and as effect of the change its mirror."""
    from doorward.duty.commands import CompareFlows

    assert isinstance(asked, CompareFlows), asked
    forecast = made.judge.forecast(made.state, asked.undo.steps)
    mirror = FlowDiff(forecast.flows.lost, forecast.flows.gained)
    return FlowsCompared(asked.cause, asked.undo.id, flows or mirror, forecast, when(at))


def only(commands: Iterable[Command], *kinds: type) -> list[Command]:
    """The commands of some kinds."""
    return [one for one in commands if isinstance(one, kinds)]
