"""Snapshots of answers in any arrangement, and plans laid over them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.attack.account import IDS, OWNER, answers, folder
from tests.attack.contracts import GONE, KEPT, PROMISES
from tests.attack.planned import Ref, make, res
from tests.attack.run import command, contract, gate, outcomes
from tests.attack.stack import application
from tests.attack.test_updates import drop, find, put

DATABASE = IDS["aws_security_group.db"]


def check(folder: Path, contracts: dict[str, dict[str, Any]], estate: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Exit status and document of ``doorward check``."""
    file = folder / "promises.yaml"
    file.write_text(json.dumps({"version": 1, "contracts": contracts}), encoding="utf-8")
    status, out, err = command("check", file, "--estate", estate, "--format", "json", *words)
    assert out, err
    return status, json.loads(out)


def test_every_arrangement_of_the_answers(tmp_path: Path) -> None:
    """A tree of accounts and regions, one of its folders, and one file with all calls say the same."""
    root = folder(tmp_path / "tree")
    whole = tmp_path / "all.json"
    whole.write_text(json.dumps({key: value for one in answers().values() for key, value in one.items()}))
    for place in (root, root / OWNER, root / OWNER / "eu-west-1", whole):
        status, document = check(tmp_path, PROMISES, place)
        assert (0, "kept", []) == (status, document["outcome"], document["notices"])
        assert {"kept"} == {row["outcome"] for row in document["contracts"]}


def test_two_accounts_do_not_touch(tmp_path: Path) -> None:
    """The same addresses in two accounts are two networks; a name that both use is ambiguous, an id is not."""
    root = folder(tmp_path / "tree")
    text = json.dumps(answers()).replace(OWNER, "444455556666")
    for id in sorted(
        {*IDS.values(), "acl-default0", "eni-web0", "eni-web1", "eni-db", "eni-nat", "eni-lb0", "eni-lb1"}
    ):
        text = text.replace(f'"{id}"', f'"{id}f"')
    place = root / "444455556666" / "us-east-1"
    place.mkdir(parents=True)
    for name, answer in json.loads(text).items():
        (place / f"{name}.json").write_text(json.dumps(answer))
    web, db = f"group:{IDS['aws_security_group.web']}", f"group:{DATABASE}"
    promises = {
        "here": contract("reach", web, db, "tcp/5432"),
        "there": contract("reach", f"{web}f", f"{db}f", "tcp/5432"),
        "only": contract("only-from", web, db, "tcp/5432"),
        "across": contract("never-reach", f"{web}f", db, "all"),
    }
    status, document = check(tmp_path, promises, root)
    assert (0, {"kept"}) == (status, {row["outcome"] for row in document["contracts"]})
    file = tmp_path / "named.yaml"
    file.write_text(json.dumps({"version": 1, "contracts": PROMISES}))
    status, out, err = command("check", file, "--estate", root, "--format", "json")
    assert (2, "") == (status, out)
    assert "is ambiguous" in err


def test_what_terraform_does_not_know_counts(tmp_path: Path) -> None:
    """A rule added by hand stays through the plan: the plan that removes Terraform's own rule breaks nothing then."""
    estate = folder(tmp_path / "estate", answers(by_hand=("10.0.0.0/16",)))
    plan = make(application(), drop("aws_vpc_security_group_ingress_rule.db_in")(application()))
    _, rows, _ = gate(tmp_path, plan, PROMISES, estate=estate)
    assert KEPT == outcomes(rows["db"])
    _, rows, _ = gate(tmp_path, plan, PROMISES)
    assert GONE == outcomes(rows["db"])


def test_plan_of_one_state_in_an_account_of_many(tmp_path: Path) -> None:
    """A plan that holds one group of the account is judged with the rest of the account from the snapshot."""
    estate = folder(tmp_path / "estate")
    names = ("aws_vpc.main", "aws_security_group.web", "aws_security_group.db",
             "aws_vpc_security_group_ingress_rule.db_in")  # fmt: skip
    old = [one for one in application() if one.address in names]
    new = drop("aws_vpc_security_group_ingress_rule.db_in")(copy.deepcopy(old))
    _, rows, _ = gate(tmp_path, make(old, new), PROMISES, estate=estate)
    assert {**dict.fromkeys(PROMISES, KEPT), "db": GONE} == {name: outcomes(row) for name, row in rows.items()}


def test_rule_for_a_group_of_another_state(tmp_path: Path) -> None:
    """A new rule on a group that only the snapshot holds, by its id and for a network, opens exactly what it says."""
    estate = folder(tmp_path / "estate")
    opening = res("aws_vpc_security_group_ingress_rule", "more", security_group_id=DATABASE, cidr_ipv4="10.0.1.0/24",
                  from_port=5432, to_port=5432, ip_protocol="tcp")  # fmt: skip
    _, rows, _ = gate(tmp_path, make([], [opening]), PROMISES, estate=estate)
    assert KEPT == outcomes(rows["only"])  # the balancer's group lets nothing out to the database
    egress = res("aws_vpc_security_group_egress_rule", "out", security_group_id=IDS["aws_security_group.lb"],
                 cidr_ipv4="10.0.10.0/24", from_port=5432, to_port=5432, ip_protocol="tcp")  # fmt: skip
    _, rows, _ = gate(tmp_path, make([], [opening, egress]), PROMISES, estate=estate)
    assert GONE == outcomes(rows["only"])
    assert {opening.address, egress.address} == {one["origin"] for one in rows["only"]["reasons"] if one["origin"]}


ROW = {"name", "outcome", "severity", "witness", "reasons", "connections", "repair"}


def test_fields_of_the_document(tmp_path: Path) -> None:
    """Every field of the documented format is there, with the documented words."""
    plan = make(application(), put("aws_security_group.lb", ingress=[])(application()))
    _, rows, document = gate(tmp_path, plan, PROMISES)
    assert (1, "broken") == (document["version"], document["outcome"])
    assert {"version", "outcome", "contracts", "notices"} <= document.keys()
    for row in rows.values():
        assert row.keys() >= ROW | {"before", "during_apply"}
        assert {"kept", "broken", "cannot-tell"} >= {row["outcome"], row["before"], row["during_apply"]}
    row = rows["in"]
    assert {"source", "source_address", "target", "target_address", "service"} == row["witness"].keys()
    assert ("internet", "tcp/443") == (row["witness"]["source"], row["witness"]["service"])
    assert {"kind", "resource", "rule", "direction", "text"} <= row["reasons"][0].keys()
    assert {"action", "group", "direction", "service", "peer"} <= row["repair"][0].keys()
    assert {"new": "broken", "established": "kept"} == row["connections"]
    assert all({"resource", "text"} <= one.keys() for one in document["notices"])
    assert ["broken", "kept"] == list(dict.fromkeys(one["outcome"] for one in document["contracts"]))
    _, plain = check(tmp_path, PROMISES, folder(tmp_path / "estate"))
    assert all(one.keys() >= ROW and "during_apply" not in one for one in plain["contracts"])
    assert {"kept"} == {one["connections"]["new"] for one in plain["contracts"]}


@pytest.mark.parametrize("established", [False, True])
def test_untracked_connections_are_cut(tmp_path: Path, established: bool) -> None:
    """A rule open to all on all ports, answered by one: its connections are not tracked and end with the rule.

    EC2 User Guide, *Security group connection tracking*: untracked connections.
    """
    everything = {"from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"]}
    tcp = {"from_port": 5432, "to_port": 5432, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8"]}
    old = drop("aws_vpc_security_group_ingress_rule.db_in")(application())
    for name in ("web", "db"):
        inbound = tcp if established and name == "db" else everything
        find(old, f"aws_security_group.{name}").values.update(ingress=[inbound], egress=[everything])
    old = drop("aws_security_group_rule.web_in")(old)
    new = put("aws_security_group.db", ingress=[])(copy.deepcopy(old))
    _, rows, _ = gate(tmp_path, make(old, new), {"db": PROMISES["db"]})
    assert GONE == outcomes(rows["db"])
    assert {"new": "broken", "established": "kept" if established else "broken"} == rows["db"]["connections"]


def test_reference_in_the_plan_to_a_new_group_over_a_snapshot(tmp_path: Path) -> None:
    """Machines that the snapshot holds join a group that the plan makes, together with its rules."""
    estate = folder(tmp_path / "estate")
    new = [*application(),
           res("aws_security_group", "jobs", name="jobs", vpc_id=Ref("aws_vpc.main.id"), ingress=[], egress=[]),
           res("aws_vpc_security_group_ingress_rule", "jobs", security_group_id=Ref("aws_security_group.jobs.id"),
               referenced_security_group_id=Ref("aws_security_group.web.id"), from_port=7000, to_port=7000,
               ip_protocol="tcp")]  # fmt: skip
    for at in (0, 1):
        groups = [Ref("aws_security_group.web.id"), Ref("aws_security_group.jobs.id")]
        find(new, f"aws_instance.web[{at}]").values["vpc_security_group_ids"] = groups
    wanted = {"jobs": contract("reach", "group:web", "group:aws_security_group.jobs", "tcp/7000")}
    _, rows, _ = gate(tmp_path, make(application(), new), wanted, estate=estate)
    assert "kept" == rows["jobs"]["outcome"]


@pytest.mark.parametrize("mark", ["NextToken", "NextMarker", "Marker"])
def test_pages(tmp_path: Path, mark: str) -> None:
    """First pages whose last one is missing are refused; with all pages in the folder they are one answer."""
    given = answers()
    given["more"] = {"NetworkInterfaces": [given["interfaces"]["NetworkInterfaces"].pop()]}
    given["interfaces"][mark] = "page 2"
    status, document = check(tmp_path, PROMISES, folder(tmp_path / "all", given))
    assert (0, "kept") == (status, document["outcome"])
    del given["more"]
    file = tmp_path / "promises.yaml"
    status, out, err = command("check", file, "--estate", folder(tmp_path / "first", given), "--format", "json")
    assert (2, "") == (status, out)
    assert "first pages of NetworkInterfaces" in err


MISSING = {
    "interfaces": set(PROMISES), "nat": {"out"}, "tables": {"in", "out"}, "acls": {"in", "web", "db", "out"},
    "listeners": {"in"}, "target-groups": {"in"}, "LoadBalancerTargetHealth": {"in"}, "vpcs": set(), "subnets": set(),
    "gateways": set(), "instances": set(), "databases": set(),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_answer_that_is_missing(tmp_path: Path, name: str) -> None:
    """Without an answer, exactly what needs it cannot be told."""
    given = answers()
    del given[name]
    status, document = check(tmp_path, PROMISES, folder(tmp_path / "estate", given))
    expected = {one: "cannot-tell" if one in MISSING[name] else "kept" for one in PROMISES}
    assert expected == {row["name"]: row["outcome"] for row in document["contracts"]}
    assert (3 if MISSING[name] else 0) == status


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "cut off": (b'{"Vpcs": [', "middle"),
    "text output": (b"SECURITYGROUPS\tdefault\tsg-1\n", "not JSON"),
    "two documents": (b'{"Vpcs": []}\n{"Subnets": []}', "not JSON"),
    "key twice": (b'{"SecurityGroups": [], "SecurityGroups": []}', "twice"),
    "wrong type": (b'{"SecurityGroups": {"a": 1}}', "describe"),
    "UTF-16": ('{"Vpcs": []}'.encode("utf-16"), "UTF-8"),
    "deep": (b'{"Vpcs": ' + b"[" * 100_000, "describe"),
    "another moment": (
        json.dumps({"SecurityGroups": [{"GroupId": DATABASE, "GroupName": "db", "OwnerId": OWNER}]}).encode(),
        "differently",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_no_answer(tmp_path: Path, name: str) -> None:
    """A file that is no answer, or contradicts another, is refused with its name."""
    root = folder(tmp_path / "estate")
    (root / OWNER / "eu-west-1" / "odd.json").write_bytes(FILES[name][0])
    file = tmp_path / "promises.yaml"
    file.write_text(json.dumps({"version": 1, "contracts": PROMISES}), encoding="utf-8")
    status, out, err = command("check", file, "--estate", root, "--format", "json")
    assert (2, "") == (status, out)
    assert FILES[name][1] in err
    assert "odd.json" in err
