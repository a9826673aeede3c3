"""What surrounds reverts: sessions, rights, stores, JSON, and what importing costs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from doorward.errors import CloudError, InvalidInput, LedgerError
from doorward.model.change import Place, RuleFact
from doorward.model.revert import (
    AclEntryBack,
    Act,
    Authorize,
    Modify,
    PrefixEntriesBack,
    Revoke,
    RouteBack,
    SetGroups,
    dump,
    inverse_of,
    load,
)
from doorward.remedy.calls import call_of
from doorward.remedy.policy import READS, WRITES, policy, trust
from doorward.remedy.sessions import Sessions, asked_of
from doorward.remedy.states import FileStates, MemoryStates, States
from tests.remedy.rig import PLACE, Rig, Served, World, key, revert

RULE = RuleFact(False, "tcp", (443, 443), cidr="10.0.0.0/8", id="sgr-1", description="people")
ENTRY: dict[str, Any] = {"RuleNumber": 100, "Egress": False, "Protocol": "6", "PortRange": {"From": 1, "To": 2}}
ANYWHERE = ("DestinationCidrBlock", "0.0.0.0/0")
ACTS: list[Act] = [
    Authorize(key("group", "sg-1"), replace(RULE, id=None)),
    Revoke(key("group", "sg-1"), RULE),
    Authorize(key("group", "sg-1"), replace(RULE, egress=True)),
    Revoke(key("group", "sg-1"), replace(RULE, egress=True)),
    Modify(key("group", "sg-1"), "sgr-1", RULE, replace(RULE, cidr="10.0.0.0/9", ports=None, protocol="-1")),
    SetGroups(key("interface", "eni-1"), ("sg-1",), ("sg-2", "sg-3")),
    SetGroups(key("instance", "i-1"), ("sg-1",), ("sg-2",)),
    SetGroups(key("load-balancer", "arn:lb"), ("sg-1",), ("sg-2",)),
    AclEntryBack(key("acl", "acl-1"), 100, False, None, ENTRY),
    AclEntryBack(key("acl", "acl-1"), 100, False, {**ENTRY, "RuleAction": "deny"}, ENTRY),
    AclEntryBack(key("acl", "acl-1"), 100, False, ENTRY, None),
    RouteBack(key("route-table", "rtb-1"), ANYWHERE, None, {"GatewayId": "igw-1"}),
    RouteBack(key("route-table", "rtb-1"), ANYWHERE, {"GatewayId": "igw-2"}, {"GatewayId": "igw-1"}),
    RouteBack(key("route-table", "rtb-1"), ANYWHERE, {"GatewayId": "igw-1"}, None),
    PrefixEntriesBack(key("prefix-list", "pl-1"), 3, (("10.0.0.0/8", "a"),), (("10.1.0.0/16", ""),)),
]


def test_a_revert_survives_json() -> None:
    """Every act and every field comes back equal, through JSON text."""
    one = revert(*ACTS, trouble="compensate", created=datetime(2026, 1, 2, 3, 4, 5, 6, UTC))
    one = one.with_step(1, replace(one.steps[1], state="held", note="n", made="sgr-2", request="r", at=one.created))
    assert one == load(json.loads(json.dumps(dump(one))))


@pytest.mark.parametrize("broken", [{}, {"steps": [{}]}, {"steps": [{"act": {"do": "format"}, "at": None}]}])
def test_json_that_is_no_revert_is_refused(broken: dict[str, Any]) -> None:
    """With an error that says what was expected."""
    with pytest.raises(InvalidInput, match=r"dump"):
        load(broken)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: type(act).__name__)
def test_the_inverse_of_the_inverse_is_the_act(act: Act) -> None:
    """Taking back what was taken back is the act itself (ids of rules that were made apart, versions counted on)."""
    twice = inverse_of(inverse_of(act, "sgr-1"), "sgr-1")
    if isinstance(act, PrefixEntriesBack):
        assert replace(act, version=act.version + 2) == twice
    elif isinstance(act, Authorize | Revoke):
        assert type(act) is type(twice)
        assert act.rule.allows == twice.rule.allows
    else:
        assert act == twice


def test_the_policy_grants_what_is_called_and_no_more() -> None:
    """Each writing right is needed by an act, and each act's right is granted: no more, no less."""
    granted = {action for actions, _ in WRITES.values() for action in actions}
    assert granted == {call_of(act).right for act in ACTS}
    statements = policy(account="123456789012", region="eu-west-1")["Statement"]
    assert granted | set(READS) == {action for one in statements for action in one["Action"]}
    assert not any("*" in action for one in statements for action in one["Action"])
    assert all("123456789012" in arn for one in statements[1:] for arn in one["Resource"])
    narrow = policy(what=["rules"])["Statement"]
    assert ["Describe", "RevertRules"] == [one["Sid"] for one in narrow]
    with pytest.raises(InvalidInput, match="rules"):
        policy(what=["everything"])


def test_what_is_read_is_granted(world: World, rig: Rig, served: Served) -> None:
    """Every describing call that looking at acts makes is in the policy, and every one there is made."""
    from doorward.remedy.look import look

    clouds = Sessions(endpoint_url=served.url)
    group = world.group()
    prefixes = world.ec2.create_managed_prefix_list(PrefixListName="l", AddressFamily="IPv4", MaxEntries=2)
    real = PrefixEntriesBack(key("prefix-list", prefixes["PrefixList"]["PrefixListId"]), 1)
    for act in [*ACTS, real, Authorize(key("group", group), RULE)]:
        look(clouds, act, "rv-x")
    called = {action for action, _ in rig.calls} - {"GetCallerIdentity"}
    assert {one.partition(":")[2] for one in READS} == called


def test_sessions_name_their_revert(served: Served, rig: Rig) -> None:
    """The role is assumed with the revert's id as source identity, session name and tag; once for a revert."""
    clouds = Sessions(role="arn:aws:iam::{account}:role/remedy", external_id="x-1", endpoint_url=served.url)
    for service in ("ec2", "elbv2", "ec2"):
        clouds.client(service, PLACE, "rv-0123")
    (asked,) = [params for action, params in rig.calls if action == "AssumeRole"]
    assert f"arn:aws:iam::{PLACE.account}:role/remedy" == asked["RoleArn"]
    assert ("rv-0123", "doorward-rv-0123", "x-1") == (
        asked["SourceIdentity"], asked["RoleSessionName"], asked["ExternalId"],
    )  # fmt: skip
    assert ("doorward:revert", "rv-0123") == (asked["Tags.member.1.Key"], asked["Tags.member.1.Value"])
    clouds.client("ec2", PLACE, "rv-4567")
    assert 2 == sum(action == "AssumeRole" for action, _ in rig.calls)
    for statement in trust("arn:aws:iam::1:role/doorward")["Statement"]:
        assert {"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"} == set(statement["Action"])


def test_credentials_for_another_account_are_refused(served: Served) -> None:
    """A revert for one account is never tried with the credentials of another."""
    with pytest.raises(CloudError, match="999999999999"):
        Sessions(endpoint_url=served.url).client("ec2", Place("999999999999", "us-east-1"), "rv-x1")
    with pytest.raises(CloudError, match="no remedy role"):
        Sessions(role={}, endpoint_url=served.url).client("ec2", PLACE, "rv-x1")


@pytest.mark.parametrize("id", ["", "x", "a" * 56, "rv 1", "rv/1"])
def test_an_id_that_sts_would_not_take_is_refused(id: str) -> None:
    """Before anything is asked."""
    with pytest.raises(InvalidInput):
        asked_of("arn", id)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_stores_keep_the_last_of_each(kind: str, tmp_path: Path) -> None:
    """Put twice is kept once; those that ended are told apart; a file is read by another process as well."""
    path = tmp_path / "states.db"
    states: States = MemoryStates() if kind == "memory" else FileStates(path)
    one, two = revert(*ACTS, id="rv-1"), revert(*ACTS, id="rv-2")
    states.put(one)
    states.put(two)
    states.put(replace(one, state="partial"))
    again = states if kind == "memory" else FileStates(path)
    assert (None, two) == (again.get("rv-3"), again.get("rv-2"))
    assert ["rv-1", "rv-2"] == [each.id for each in again.all()]
    assert (["rv-1"], ["rv-2"]) == tuple([each.id for each in again.all(ended=flag)] for flag in (True, False))


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    """As an error of the ledger's, not as SQLite's."""
    path = tmp_path / "states.db"
    path.write_text("something else, long enough to be no database")
    with pytest.raises(LedgerError):
        FileStates(path)


@pytest.mark.parametrize("line", ["import doorward", "import doorward.remedy", "from doorward.console import cli"])
def test_importing_does_not_load_boto3_or_dbos(line: str) -> None:
    """Start-up stays quick: what remedy needs is loaded when it is used."""
    said = f"import sys; {line}; print([one for one in ('boto3', 'botocore', 'dbos') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
