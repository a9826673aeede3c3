"""Real records: a public data set of 55 delivered log files, outside this repository; skipped where it is absent."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from doorward.model.change import Ask, Change, Gone, Put, RuleAdded, RuleRemoved
from doorward.readers.cloudtrail import Read, read, read_all
from tests.readers.cloudtrail.given import DATA, LEARNED

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not beside the repository")
GROUP = "sg-04cfb7a4712d75b00"


@cache
def files() -> tuple[Path, ...]:
    """The log files by name, which is no order of time."""
    return tuple(sorted(DATA.glob("*.json")))


@cache
def records() -> tuple[dict[str, Any], ...]:
    """All records in the order of the files."""
    return tuple(one for path in files() for one in json.loads(path.read_bytes())["Records"])


@cache
def in_file_order() -> tuple[Read, ...]:
    """What the files tell."""
    return tuple(one for path in files() for one in read_all(path.read_bytes(), LEARNED))


def changes() -> list[Change]:
    """All changes; fails when a record was not read."""
    strange = [one for one in in_file_order() if not isinstance(one, Change)]
    assert [] == strange
    return [one for one in in_file_order() if isinstance(one, Change)]


def test_every_record_reads() -> None:
    """All 2,900 records of 55 files are read, each under its own id, and counts by call are those of the files."""
    assert 55 == len(files())
    assert 2900 == len(changes()) == len({one.id for one in changes()})
    counted = Counter(f"{one['eventSource'].removesuffix('.amazonaws.com')}:{one['eventName']}" for one in records())
    assert counted == Counter(one.call for one in changes())
    assert all(not one.notes for one in changes()), "every effect is told exactly"


def test_failed_and_reading_calls_have_no_effects() -> None:
    """Calls with an error keep its code; no call that only reads has effects."""
    by_id = {one["eventID"]: one for one in records()}
    for one in changes():
        told = by_id[one.id]
        assert told.get("errorCode") == one.error
        if one.error is not None or told["readOnly"]:
            assert () == one.effects, one.call


def test_order_does_not_matter() -> None:
    """Read in the order of the files, of time, or one by one, the changes are the same set."""
    by_time = sorted(records(), key=lambda one: (one["eventTime"], one["eventID"]))
    singly = [read(json.dumps(one), LEARNED) for one in by_time]
    assert {one.id: one for one in changes()} == {one.id: one for one in singly if isinstance(one, Change)}
    assert [one.at for one in changes()] != sorted(one.at for one in changes()), "the files are not in order"


def test_compressed_files_read_the_same() -> None:
    """A file as S3 has it, compressed, tells the same."""
    path = files()[0]
    assert read_all(path.read_bytes(), LEARNED) == read_all(gzip.compress(path.read_bytes()), LEARNED)


def test_one_group_s_whole_life() -> None:
    """Of the one group that was made, opened, closed and deleted, exactly these effects are told, over four files."""
    life = sorted(
        (one for one in changes() if one.effects and any(_group(effect) == GROUP for effect in one.effects)),
        key=lambda one: (one.at, isinstance(one.effects[0], Gone)),
    )
    told = [(one.call.removeprefix("ec2:"), [type(effect) for effect in one.effects]) for one in life]
    expected = {
        "CreateSecurityGroup": [Put, Ask],
        "RevokeSecurityGroupEgress": [RuleRemoved],
        "AuthorizeSecurityGroupIngress": [RuleAdded],
        "AuthorizeSecurityGroupEgress": [RuleAdded, RuleAdded],
        "RevokeSecurityGroupIngress": [RuleRemoved],
        "DeleteSecurityGroup": [Gone],
    }
    assert expected == dict(told)
    assert ("CreateSecurityGroup", "DeleteSecurityGroup") == (told[0][0], told[-1][0])
    rules = [effect.rule for one in life for effect in one.effects if isinstance(effect, RuleAdded)]
    assert {(True, "-1", "0.0.0.0/0"), (True, "-1", "::/0"), (False, "tcp", "0.0.0.0/0")} == {
        (rule.egress, rule.protocol, rule.cidr) for rule in rules
    }
    assert all(rule.id is not None for rule in rules)


def test_who_is_told() -> None:
    """Users, roles' sessions, services and records without an identity type are told apart."""
    kinds = Counter(one["userIdentity"].get("type", "Unknown") for one in records())
    assert kinds == Counter(one.who.kind for one in changes())
    assert 42 == kinds["Unknown"]
    assert all(one.who.arn for one in changes())
    roles = [one.who for one in changes() if one.who.kind == "AssumedRole"]
    assert roles and all(":role/" in one.arn and one.session for one in roles)


def _group(effect: object) -> str | None:
    key = getattr(effect, "group", None) or getattr(effect, "key", None)
    return getattr(key, "id", None)
