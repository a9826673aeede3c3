"""kill -9 at every point of a revert: it resumes, nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward.model.change import RuleFact
from doorward.model.revert import Authorize, Modify, Revert, Revoke, dump, load
from tests.ledger import servers
from tests.remedy.rig import Refuse, Rig, Served, World, key, revert

OPEN: set[str] = set()
"""Ids of the rules that were added and are to go."""


class Zygote:
    """The process that forks workers."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.remedy.zygote"],
            cwd=root, env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def work(self, **order: Any) -> tuple[int, Any]:
        """A worker's exit status, and what it said at its end."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["said"]

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """Forks workers for all tests of this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAREMEDY")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        made = Zygote()
    yield made
    made.close()


class Case:
    """A group to which three things were done, the revert of them, and how it should end."""

    def __init__(self, world: World, number: int, **more: Any) -> None:
        self.world = world
        self.group = world.group(f"case-{number}")
        place = key("group", self.group)
        keep = world.add(self.group, "10.9.0.0/16", 22)
        gone = world.add(self.group, "10.0.0.0/8", 443)
        before = world.add(self.group, "10.1.0.0/16", 5432)
        self.before = world.allows(self.group)
        world.drop(self.group, gone)
        now = RuleFact(False, "tcp", (5432, 5432), cidr="10.1.1.0/24", id=before.id)
        update = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIpv4": "10.1.1.0/24"}
        rules = [{"SecurityGroupRuleId": before.id, "SecurityGroupRule": update}]
        world.ec2.modify_security_group_rules(GroupId=self.group, SecurityGroupRules=rules)
        new = world.add(self.group, "0.0.0.0/0", 443)
        OPEN.add(str(new.id))
        self.after = world.allows(self.group)
        self.kept = [keep.id, before.id]
        self.revert: Revert = revert(
            Authorize(place, gone), Modify(place, str(before.id), now, before), Revoke(place, new),
            id=f"rv-{number:016x}", **more,
        )  # fmt: skip


def done_once(rig: Rig, case: Case, ended: Revert) -> None:
    """Nothing lost: the estate is as it was. Nothing doubled: no call was carried out twice."""
    assert ("done", ["done"] * 3) == (ended.state, [one.state for one in ended.steps])
    assert case.before == case.world.allows(case.group)
    assert set(case.kept) <= {one.id for one in case.world.rules(case.group)}
    assert ended.steps[0].made in {one.id for one in case.world.rules(case.group)}
    # Modify may be sent twice without harm when the worker died before the call; the others never succeed twice.
    assert 1 == rig.writes().count("AuthorizeSecurityGroupIngress")
    assert 1 == rig.writes().count("RevokeSecurityGroupIngress")
    assert 1 == rig.writes().count("ModifySecurityGroupRules")


def taken_back(rig: Rig, case: Case, ended: Revert) -> None:
    """Compensated: the estate is as the change left it. A step whose answer was lost may be left, and is told."""
    left = [one for one in ended.steps if one.state == "done"]
    if not left:
        assert ("compensated", case.after) == (ended.state, case.world.allows(case.group))
    else:
        assert "partial" == ended.state
        assert all(one.note.endswith("not taken back: somebody else may have done it") for one in left), ended
    assert "failed" == ended.steps[2].state


Url = Callable[[Path], str]


def sqlite(folder: Path) -> str:
    """A system database in a file."""
    return f"sqlite:///{folder / 'dbos.db'}"


def matters(point: str) -> bool:
    """Where something could be lost or doubled: work that is not kept yet, and around calls that change."""
    if point.startswith(("after the work of", "before it is started")):
        return True
    return point.endswith(("Ingress", "Rules")) and "Describe" not in point


def killed(
    zygote: Zygote, served: Served, world: World, folder: Path, url_of: Url, *,
    check: Callable[[Rig, Case, Revert], None] = done_once, at: Callable[[str], bool] = matters, **more: Any,
) -> int:  # fmt: skip
    """Kill a worker at each point, resume, and judge the end; how many points there were."""

    def life(name: str, case: Case, kill: int | None) -> tuple[int, Any]:
        place = folder / name
        place.mkdir(exist_ok=True)
        order = {"states": str(place / "states.db"), "endpoint": served.url, "revert": dump(case.revert)}
        return zygote.work(url=url_of(place), kill=kill, **order)

    case = Case(world, 0, **more)
    served.rig.calls.clear()
    status, said = life("whole", case, None)
    assert 0 == status
    check(served.rig, case, load(said["ended"]))
    points = said["points"]
    chosen = [number for number, one in enumerate(points) if at(one)]
    assert chosen
    for number in chosen:
        case = Case(world, number + 1, **more)
        served.rig.calls.clear()
        status, _ = life(str(number), case, number)
        assert -9 == status, points[number]
        then = case.world.allows(case.group)
        status, said = life(str(number), case, None)
        assert 0 == status, points[number]
        try:
            check(served.rig, case, load(said["ended"]))
        except AssertionError as error:
            raise AssertionError(f"killed at {number} {points[number]!r} (then: {then}): {error}") from error
    return len(chosen)


def everywhere(point: str) -> bool:
    """Every point."""
    return True


def refuse_open(action: str, params: dict[str, str]) -> Refuse | None:
    """Refuses for good to revoke the rule that is open to all; the one that was authorized anew may be."""
    if action == "RevokeSecurityGroupIngress" and "DryRun" not in params and params["SecurityGroupRuleId.1"] in OPEN:
        return 400, "OperationNotPermitted", "not this one"
    return None


def test_killed_where_it_matters_it_resumes(zygote: Zygote, served: Served, world: World, tmp_path: Path) -> None:
    """On SQLite: killed before and after each call that changes something, and before each durable step is kept."""
    assert killed(zygote, served, world, tmp_path, sqlite) >= 14


@pytest.mark.nightly
def test_killed_at_every_point_it_resumes(zygote: Zygote, served: Served, world: World, tmp_path: Path) -> None:
    """On SQLite, at every point: durable steps, the store's writes, and every call of the API."""
    assert killed(zygote, served, world, tmp_path, sqlite, at=everywhere) >= 70


def test_killed_while_it_takes_back(zygote: Zygote, served: Served, world: World, tmp_path: Path) -> None:
    """The last step is refused for good and the others are taken back: killed there, it goes on taking back."""
    served.rig.hinder = refuse_open

    def at(point: str) -> bool:
        return "take back" in point and "after the work" in point

    more: dict[str, Any] = {"trouble": "compensate"}
    assert 2 == killed(zygote, served, world, tmp_path, sqlite, check=taken_back, at=at, **more)


@pytest.mark.nightly
def test_killed_at_every_point_while_it_takes_back(
    zygote: Zygote, served: Served, world: World, tmp_path: Path
) -> None:
    """The same at every point of such a revert: it ends compensated, or says which step it would not touch."""
    served.rig.hinder = refuse_open
    assert killed(zygote, served, world, tmp_path, sqlite, check=taken_back, at=everywhere, trouble="compensate") >= 80


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Server]:
    """A PostgreSQL server of the module's own."""
    why = servers.missing()
    if why is not None:
        pytest.skip(why)
    with servers.server() as made:
        yield made


class Databases:
    """A system database for each case, on one server."""

    def __init__(self, server: servers.Server) -> None:
        self.server = server

    def __call__(self, folder: Path) -> str:
        """The URL of a case's database; DBOS makes it."""
        return self.server.url(f"case_{folder.name}")


def test_killed_on_postgres_it_resumes(
    zygote: Zygote, served: Served, world: World, tmp_path: Path, postgres: servers.Server
) -> None:
    """On PostgreSQL: killed when a step's work is done and not kept, for each step that acts."""

    def at(point: str) -> bool:
        return point.startswith("after the work of step")

    assert 3 == killed(zygote, served, world, tmp_path, Databases(postgres), at=at)


@pytest.mark.nightly
def test_killed_at_every_point_on_postgres(
    zygote: Zygote, served: Served, world: World, tmp_path: Path, postgres: servers.Server
) -> None:
    """The same at every point."""
    assert killed(zygote, served, world, tmp_path, Databases(postgres), at=everywhere) >= 70
