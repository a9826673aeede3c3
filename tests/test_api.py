"""The Python API: files in, values out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doorward import api
from doorward.errors import InvalidContract, InvalidInput
from doorward.model.addresses import parse_address
from doorward.model.plan import Plan
from doorward.model.verdict import FlowDiff, Outcome
from tests.contracts.scene import ALL_OUT, contract, estate, interface

BASE = estate(
    {"web": [ALL_OUT, "in tcp 443 0.0.0.0/0"], "db": ["in tcp 5432 web"]},
    [interface("eni-web", "10.0.1.5", "web", public="198.51.100.5"), interface("eni-db", "10.0.2.7", "db")],
)
CONTRACTS = """
version: 1
contracts:
  auth-reaches-its-database: {must: reach, from: group:web, to: group:db, service: tcp/5432}
  database-stays-private: {must: never-reach, from: internet, to: group:db, service: all}
"""


def test_contracts_checked_on_an_estate(tmp_path: Path) -> None:
    """Contracts are read from a file, and checked on an estate."""
    path = tmp_path / "doorward.yaml"
    path.write_text(CONTRACTS)
    contracts = api.read_contracts(path)
    assert ["auth-reaches-its-database", "database-stays-private"] == [one.name for one in contracts]
    assert Outcome.KEPT == api.check(contracts, BASE).outcome


def test_contracts_can_be_checked_again(tmp_path: Path) -> None:
    """Contracts are values: they can be judged on many estates, in any iterable."""
    path = tmp_path / "doorward.yaml"
    path.write_text(CONTRACTS)
    contracts = api.read_contracts(path)
    first, second = api.check(iter(contracts), BASE), api.check(contracts, BASE)
    assert first == second


def test_estate_from_files(tmp_path: Path) -> None:
    """A folder of answers of the AWS CLI is an estate, whatever the files are called."""
    (tmp_path / "anything.json").write_text(json.dumps({"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]}))
    group = {"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": []}
    (tmp_path / "more.json").write_text(json.dumps({"SecurityGroups": [group]}))
    found = api.read_estate(tmp_path)
    assert (["vpc-1"], ["sg-1"]) == (list(found.vpcs), list(found.groups))


def test_missing_files(tmp_path: Path) -> None:
    """What is not there is named."""
    for read in (api.read_estate, api.read_plan, api.read_contracts):
        with pytest.raises(InvalidInput, match="nowhere"):
            read(tmp_path / "nowhere")


def test_wrong_kind_of_file(tmp_path: Path) -> None:
    """A file of another kind is invalid input, never an empty answer."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"Vpcs": []}))
    with pytest.raises(InvalidInput):
        api.read_plan(path)
    with pytest.raises(InvalidContract):
        api.read_contracts(path)


def test_gate_without_changes() -> None:
    """A plan that changes nothing has the same outcome three times."""
    (verdict,) = api.gate([contract("reach", "group:web", "group:db", "tcp/5432")], Plan(BASE, BASE)).verdicts
    assert (Outcome.KEPT,) * 3 == (verdict.before, verdict.during_apply, verdict.outcome)


def test_diff_of_the_same() -> None:
    """An estate does not differ from itself."""
    assert FlowDiff() == api.diff(BASE, BASE)


def test_explain() -> None:
    """One packet, hop by hop."""
    assert Outcome.KEPT == api.explain(BASE, "web", "group:db", "tcp/5432").outcome


def test_exposure() -> None:
    """What the internet can open, by interface, address and service."""
    (found,) = api.exposure(BASE)
    assert ("eni-web", parse_address("198.51.100.5"), ("web",)) == (found.interface, found.address, found.groups)
    assert found.answered
    assert found.certain


def test_nothing_is_exposed() -> None:
    """Without public addresses nothing is."""
    assert () == api.exposure(estate({"web": ["in -1 - 0.0.0.0/0"]}))
