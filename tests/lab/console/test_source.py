"""What `up` is given is known by its content, whatever it is called; what of it is left out is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from doorward_lab.console import source
from tests.lab.console.conftest import Shell, needs_lab

EXAMPLE = Path(__file__).parents[3] / "examples" / "outage-2024-02-15"


def test_known_by_content(tmp_path: Path) -> None:
    """A plan, a file of AWS CLI output and a scene are told apart by what is in them."""
    shutil.copy(EXAMPLE / "plan-good.json", tmp_path / "plan.txt")
    answers = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((EXAMPLE / "estate").glob("*.json"))]
    joined: dict[str, object] = {}
    for one in answers:
        joined |= one
    (tmp_path / "output.json").write_text(json.dumps(joined), encoding="utf-8")
    (tmp_path / "scene.json").write_text('{"version": 1, "vpcs": {"main": {"cidr": "10.0.0.0/16"}}}', encoding="utf-8")
    assert "Taken from plan.txt" == source.load(str(tmp_path / "plan.txt")).description
    folder, file = source.load(str(EXAMPLE / "estate")), source.load(str(tmp_path / "output.json"))
    assert (folder.hosts, folder.groups, folder.left_out) == (file.hosts, file.groups, file.left_out)
    assert ["main"] == list(source.load(str(tmp_path / "scene.json")).vpcs)


@needs_lab
def test_what_is_left_out_is_told(lab: Shell) -> None:
    """`up` and `status` say what of an account the lab does not have; `--json` names all of it."""
    expected = [str(one) for one in source.load(str(EXAMPLE / "estate")).left_out]
    assert expected
    told = lab("up", str(EXAMPLE / "estate"), "--port", "0", "--no-stack")
    assert all(f"  - {line}\n" in told.stderr for line in expected[:10])
    assert "doorward-lab users" not in told.stdout
    assert ["the API …", "the network …", "the data plane …"] == told.stderr.splitlines()[:3]
    assert f"{len(expected)} thing(s) of what was given are left out" in lab("status").stdout
    assert expected == json.loads(lab("status", "--json").stdout)[0]["left_out"]
