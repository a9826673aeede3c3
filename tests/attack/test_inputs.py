"""Wrong inputs: exit status 2, a line that helps, nothing on standard output."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.attack.contracts import PROMISES
from tests.attack.planned import make
from tests.attack.run import command, contract
from tests.attack.stack import application

GOOD = json.dumps(make(application(), application()))
EVENT = '{"@level":"info","@message":"Terraform 1.9.5","@module":"terraform.ui","type":"version"}\n'
STATE = {"version": 4, "terraform_version": "1.9.5", "serial": 3, "lineage": "x", "outputs": {}, "resources": []}
PLANS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "blank": (b" \n", "empty"),
    "truncated": (GOOD[: len(GOOD) // 2].encode(), "ends too early"),
    "last byte missing": (GOOD[:-1].encode(), "ends too early"),
    "events": (EVENT.encode() * 2, "terraform show -json"),
    "one event": (EVENT.encode(), "terraform show -json"),
    "state": (json.dumps(STATE).encode(), "state file"),
    "shown state": (json.dumps({"format_version": "1.0", "values": {"root_module": {}}}).encode(), "of a state"),
    "binary plan": (b"PK\x03\x04" + bytes(range(256)), "terraform show -json"),
    "configuration": (b'resource "aws_vpc" "x" {\n}\n', "configuration"),
    "plan for people": (b"Terraform used the selected providers to generate the following\n", "for people"),
    "gzip": (gzip.compress(GOOD.encode()), "not text"),
    "latin-1": (GOOD.replace("Managed", "Man\u00e4ged").encode("latin-1"), "utf-8"),
    "UTF-16 without mark": (GOOD.encode("utf-16-le"), "UTF-16"),
    "duplicate key": (GOOD.replace('"errored"', '"format_version": "1.2", "errored"').encode(), "twice"),
    "deep": (b'{"resource_changes":' + b"[" * 5000 + b"]" * 5000 + b"}", "nested"),
    "not a number": (GOOD.replace('"errored": false', '"errored": NaN').encode(), "NaN"),
    "errored": (GOOD.replace('"errored": false', '"errored": true').encode(), "error"),
    "later format": (GOOD.replace('"format_version": "1.2"', '"format_version": "2.0"').encode(), "format_version"),
    "two documents": (GOOD.encode() * 2, "Extra data"),
    "a list": (b"[]", "list"),
    "no port": (GOOD.replace('"port": 443', '"port": 70000').encode(), "70000"),
    "endless port": (GOOD.replace('"port": 443', '"port": 1e400').encode(), "port"),
}
CONTRACT = "version: 1\ncontracts:\n  a:\n    must: reach\n    from: internet\n    to: lb:web\n    service: tcp/443\n"
BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{one}'] * 9)}]\n"
    for one, after in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
CONTRACTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "same name twice": ((CONTRACT + CONTRACT.partition("contracts:\n")[2]).encode(), "twice"),
    "same key twice": ((CONTRACT + "    to: lb:web\n").encode(), "twice"),
    "bomb": (BOMB.encode(), "aliases"),
    "alias in itself": (b"version: 1\ncontracts: &c\n  a: *c\n", "alias"),
    "tag": (b"version: 1\ncontracts: !!python/object/apply:os.system ['id']\n", "tag"),
    "UTF-16": (CONTRACT.encode("utf-16"), "UTF-8"),
    "two documents": ((CONTRACT + "---\n" + CONTRACT).encode(), "second document"),
    "deep": (b"[" * 3000, "nested"),
    "later version": (CONTRACT.replace("version: 1", "version: 2").encode(), "expected 1"),
    "nothing matches": (CONTRACT.replace("lb:web", "lb:nope").encode(), "matches no load balancer"),
    "host bits": (CONTRACT.replace("internet", "10.0.0.1/8").encode(), "10.0.0.0/8"),
    "bare port": (CONTRACT.replace("tcp/443", "443").encode(), "tcp/443"),
    "no contracts": (b"version: 1\ncontracts: {}\n", "expected at least one"),
    "unknown key": ((CONTRACT + "    sverity: low\n").encode(), "sverity"),
    "a plan": (GOOD.encode(), "Terraform plan"),
}


def refused(status: int, out: str, err: str) -> str:
    """The lines of an input that is refused as it should be."""
    assert (2, "") == (status, out)
    assert 1 <= len(err.strip().splitlines()) <= 3
    assert "Traceback" not in err
    assert "internal fault" not in err
    return err


@pytest.mark.parametrize("name", PLANS)
def test_no_plan(tmp_path: Path, name: str) -> None:
    """Whatever is no plan of Terraform is refused, with what it is and what to run."""
    raw, word = PLANS[name]
    plan, contracts = tmp_path / "plan.json", tmp_path / "doorward.yaml"
    plan.write_bytes(raw)
    contracts.write_text(CONTRACT)
    assert word in refused(*command("gate", plan, "--contracts", contracts, "--format", "json"))


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_contracts(tmp_path: Path, name: str) -> None:
    """Whatever is no contracts file is refused, with the place."""
    raw, word = CONTRACTS[name]
    plan, contracts = tmp_path / "plan.json", tmp_path / "doorward.yaml"
    plan.write_text(GOOD)
    contracts.write_bytes(raw)
    assert word in refused(*command("gate", plan, "--contracts", contracts, "--format", "json"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark(tmp_path: Path, encoding: str) -> None:
    """A plan that PowerShell has redirected is read all the same."""
    plan, contracts = tmp_path / "plan.json", tmp_path / "doorward.yaml"
    plan.write_bytes(GOOD.encode(encoding))
    contracts.write_text(CONTRACT.replace("\n", "\r\n"))
    assert 0 == command("gate", plan, "--contracts", contracts)[0]


def test_wrong_files(tmp_path: Path) -> None:
    """Missing files, folders, and files in each other's place are told apart."""
    plan, contracts, none = tmp_path / "plan.json", tmp_path / "doorward.yaml", tmp_path / "none"
    plan.write_text(GOOD)
    contracts.write_text(CONTRACT)
    for words in (
        ("gate", none, "--contracts", contracts),
        ("gate", tmp_path, "--contracts", contracts),
        ("gate", plan, "--contracts", none),
        ("gate", plan, "--contracts", contracts, "--estate", none),
        ("gate", plan, "--contracts", contracts, "--estate", plan),
        ("gate", contracts, "--contracts", plan),
        ("check", contracts, "--estate", plan),
        ("check", contracts, "--estate", contracts),
        ("check", plan, "--estate", plan),
    ):
        assert "expected" in refused(*command(*words, "--format", "json")) or none in words


FORMATS = ("json", "sarif", "junit", "markdown", "html", "text")


def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """A broken plan and contracts whose words try to get out of their format."""
    name = "<img src=x>|`*](x)"
    new = [one for one in application() if one.address != "aws_security_group_rule.web_in"]
    plan, contracts = tmp_path / "plan.json", tmp_path / "doorward.yaml"
    plan.write_text(json.dumps(make(application(), new)))
    given: dict[str, Any] = {
        **PROMISES,
        name: contract("reach", "group:lb", "group:web", "tcp/8080", why="</script>\n|x|\u202e\x1b[31m"),
    }
    contracts.write_text(json.dumps({"version": 1, "contracts": given}))
    return plan, contracts


@pytest.mark.parametrize("form", FORMATS)
def test_formats(tmp_path: Path, form: str) -> None:
    """Every format has the same exit status, is well formed, and lets no word out of its place."""
    plan, contracts = hostile(tmp_path)
    status, out, err = command("gate", plan, "--contracts", contracts, "--format", form)
    assert 1 == status, err
    assert "\x1b" not in out
    assert "<img" not in out or form in ("json", "sarif", "text")
    if form == "sarif":
        run = json.loads(out)["runs"][0]
        assert {one["id"] for one in run["tool"]["driver"]["rules"]} >= {one["ruleId"] for one in run["results"]}
        assert ["error"] * 3 == [one["level"] for one in run["results"]]
    if form == "junit":
        suites = ElementTree.fromstring(out)  # noqa: S314 - our own output
        assert (str(len(PROMISES) + 1), "3") == (suites.get("tests"), suites.get("failures"))
        assert 3 == len(suites.findall(".//failure"))
    if form == "markdown":
        assert "</script>" not in out
        table = [line for line in out.splitlines() if line.startswith("| ")]
        assert {5} == {line.count("|") for line in table}
