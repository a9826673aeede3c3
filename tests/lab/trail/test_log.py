"""The trail's log: bounded, filtered, written."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from doorward_lab.cloud.trail import Style, Trail
from tests.lab.trail.wire import call


def test_memory_is_bounded_and_the_file_is_not(tmp_path: Path) -> None:
    """The newest `capacity` records are kept in memory, all of them in the file, complete when `observe` returns."""
    file = tmp_path / "trail.jsonl"
    trail = Trail(capacity=3, file=file)
    for number in range(5):
        trail.observe(call("DeleteSecurityGroup", {"GroupId": f"sg-{number}"}, answer="<return>true</return>"))
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert ["sg-4", "sg-3", "sg-2"] == [one["requestParameters"]["groupId"] for one in trail.recent()]
    assert [f"sg-{number}" for number in range(5)] == [one["requestParameters"]["groupId"] for one in written]
    assert trail.recent(2) == trail.recent()[:2]
    trail.close()


def test_reads_only_on_demand() -> None:
    """Describe calls are left out, unless asked for; a role assumed is kept, though CloudTrail calls it read-only."""
    quiet, curious = Trail(), Trail(reads=True)
    role = {"RoleArn": "arn:aws:iam::123456789012:role/ci", "RoleSessionName": "s"}
    for trail in (quiet, curious):
        trail.observe(call("DescribeSecurityGroups"))
        trail.observe(call("AssumeRole", role, service="sts", answer="<AssumeRoleResult></AssumeRoleResult>"))
    assert ["AssumeRole"] == [one["eventName"] for one in quiet.recent()]
    assert ["AssumeRole", "DescribeSecurityGroups"] == [one["eventName"] for one in curious.recent()]
    assert ["DescribeSecurityGroups"] == [
        one["EventName"] for one in curious.lookup("EventSource", "ec2.amazonaws.com")
    ]


def test_style_is_drawn_per_record() -> None:
    """A mixed era gives records of both, by the record's number: another trail of the same seed writes the same."""

    def versions() -> list[str]:
        trail = Trail(style=Style(era="mixed", seed=5))
        for _ in range(20):
            trail.observe(call("DeleteSecurityGroup", {"GroupId": "sg-1"}, answer="<return>true</return>"))
        return [one["eventVersion"] for one in trail.recent()]

    assert versions() == versions()
    assert {"1.08", "1.11"} == set(versions())


def test_many_threads() -> None:
    """Calls told by many threads at once are all recorded, each with an id of its own."""
    trail = Trail()
    made = call("DeleteSecurityGroup", {"GroupId": "sg-1"}, answer="<return>true</return>")

    def tell() -> None:
        for _ in range(50):
            trail.observe(made)

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 400 == len({one["eventID"] for one in trail.recent()})
