"""Faults of the network: what they do to the estate, and that healing brings the same estate back."""

from __future__ import annotations

from pathlib import Path

import pytest

from doorward_lab import faults
from doorward_lab.errors import LabError
from doorward_lab.faults import Injected
from tests.lab.faults.bench import Bench
from tests.lab.scenes.accounts import flows, look

LOGIN, DB = 6 * 65_536 + 8443, 6 * 65_536 + 5432
LOST = {
    "sg-ingress-removed": "tcp/8443", "sg-egress-removed": "tcp/8443", "sg-reference-swapped": "tcp/8443",
    "sg-membership-changed": "tcp/8443", "acl-entry-deny": "tcp/5432", "acl-ephemeral-deny": "tcp/5432",
    "route-removed": "all", "route-blackholed": "all",
}  # fmt: skip


def changes(bench: Bench, name: str, folder: Path, **parameters: object) -> tuple[Injected, list[str], list[str]]:
    """Inject and heal: the record, the flows that changed with the fault, and those that differ once it is healed."""
    before = look(bench.clients, folder / "before")
    fault = faults.get(name)
    injected = fault.inject(bench, 7, parameters)
    broken = flows(before, look(bench.clients, folder / "broken"))
    recorded = Injected.from_json(injected.to_json())
    assert injected == recorded
    fault.heal(bench, recorded)
    fault.heal(bench, recorded)  # healing twice is healing once
    return injected, broken, flows(before, look(bench.clients, folder / "healed"))


@pytest.mark.parametrize("name", LOST)
def test_a_fault_takes_flows_away_and_healing_brings_them_back(name: str, outage: Bench, tmp_path: Path) -> None:
    """Each fault loses the flow that it is about; healed from its record, twice, the estate means what it meant."""
    injected, broken, healed = changes(outage, name, tmp_path)
    assert [] == healed
    lost = [line for line in broken if line.startswith("- ")]
    assert lost, injected.text
    number = {"tcp/8443": LOGIN, "tcp/5432": DB}.get(LOST[name])
    assert number is None or any(str(number) in line for line in lost)


@pytest.mark.parametrize("name", [name for name in faults.names() if name.endswith("-deferred")])
def test_the_deferred_form_leaves_standing_connections_alone(name: str, outage: Bench, tmp_path: Path) -> None:
    """The immediate form ends the flow's standing connections, at their source; the deferred form ends none, and
    changes the same flows."""
    outage.ran.clear()
    _, broken, healed = changes(outage, name, tmp_path / "deferred")
    assert ([], []) == (outage.ran, healed)
    injected, at_once, _ = changes(outage, name.removesuffix("-deferred"), tmp_path / "at-once")
    assert sorted(broken) == sorted(at_once)
    assert "standing connection(s) ended" in injected.text
    assert {outage.built.hosts["portal-1"].interface} == {host for host, _ in outage.ran}
    assert all(argv[:2] == ("ss", "-K") and ":8443" in argv for _, argv in outage.ran)
    login = outage.built.hosts["login-1"]
    assert {login.ipv4[0], f"[{login.ipv6[0]}]"} <= {argv[argv.index("dst") + 1] for _, argv in outage.ran}


def test_a_group_that_is_opened(outage: Bench, tmp_path: Path) -> None:
    """`sg-opened` lets the internet in by the rules alone, and healing shuts the door again."""
    injected, broken, healed = changes(outage, "sg-opened", tmp_path, group="web", port=22)
    assert [] == healed
    assert not [line for line in broken if line.startswith("- ")]
    assert "web lets everybody in on tcp/22" == injected.text


def test_a_peering_that_is_deleted(two_vpc: Bench, tmp_path: Path) -> None:
    """Without the peering nothing flows between the VPCs; a new one, with the routes, brings it back."""
    injected, broken, healed = changes(two_vpc, "peering-deleted", tmp_path)
    assert any(line.startswith("- ") and str(6 * 65_536 + 9000) in line for line in broken)
    assert [] == [line for line in healed if line.startswith("- ")]
    assert "shop-stock" in injected.text


def test_faults_come_from_another_principal(outage: Bench, tmp_path: Path) -> None:
    """The change is made by the role and session that the parameters name: a routine update, by default."""
    outage.sessions.clear()
    changes(outage, "sg-ingress-removed", tmp_path, role="ops", session="ticket-42")
    changes(outage, "sg-ingress-removed", tmp_path)
    assert [("ops", "ticket-42"), ("deploy", "routine-update")] == outage.sessions


def test_the_seed_decides(outage: Bench) -> None:
    """With `any`, the same seed hits the same rule, and among twenty seeds several are hit."""
    fault = faults.get("sg-ingress-removed-deferred")
    anywhere = {"from": "any", "to": "any", "noise": "false"}

    def hit(seed: int) -> str:
        injected = fault.inject(outage, seed, anywhere)
        fault.heal(outage, injected)
        return injected.text

    assert hit(3) == hit(3)
    assert len({hit(seed) for seed in range(8)}) > 1


def test_an_injection_that_fails_is_undone(outage: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that cannot finish leaves the estate as it was."""

    def refuse(host: str, argv: object) -> object:
        raise LabError("no such host")

    before = look(outage.clients, tmp_path / "before")
    monkeypatch.setattr(outage, "run", refuse)
    with pytest.raises(LabError, match="no such host"):
        faults.get("sg-ingress-removed").inject(outage)
    assert [] == flows(before, look(outage.clients, tmp_path / "after"))


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("sg-ingress-removed", {"form": "portal"}, "has no parameter 'form'; did you mean 'from'?"),
        ("sg-ingress-removed", {"from": "nobody"}, "no rule names 'nobody' as its source; expected one of"),
        ("sg-ingress-removed", {"service": "tcp/1"}, "no rule for tcp/1 among"),
        ("sg-ingress-removed", {"noise": "maybe"}, "noise is 'maybe'; expected true or false"),
        ("sg-reference-swapped", {"instead": "x"}, "'x' cannot be let in instead"),
        ("sg-membership-changed", {"from": "web"}, "a load balancer's, which are AWS's"),
        ("sg-opened", {"group": "x"}, "no group 'x'"),
        ("route-removed", {"table": "x"}, "no route table 'x'"),
        ("route-removed", {"destination": "192.0.2.0/24"}, "no route to 192.0.2.0/24"),
        ("peering-deleted", {}, "has no active peering; take a scene with one"),
    ],
)
def test_faults_that_cannot_be_say_why(name: str, parameters: dict[str, str], said: str, outage: Bench) -> None:
    """What a scene has not cannot fail: the message names it and what there is."""
    with pytest.raises(LabError) as refused:
        faults.get(name).inject(outage, 0, parameters)
    assert said in str(refused.value)


def test_names() -> None:
    """Every fault of the issue is there; an unknown one is refused with what was meant."""
    wanted = """
        sg-ingress-removed sg-egress-removed sg-reference-swapped sg-membership-changed sg-opened acl-entry-deny
        acl-ephemeral-deny route-removed route-blackholed peering-deleted database-slow database-locked
        database-out-of-connections database-down flood scan bad-deploy expired-certificate dns-nxdomain dns-timeout
        dns-wrong signing-key-mismatch clock-skew cpu-starvation
    """.split()
    assert set(wanted) <= set(faults.names())
    with pytest.raises(LabError, match="did you mean 'database-down'"):
        faults.get("databse-down")
