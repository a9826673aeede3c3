"""Layouts of describe answers, and inputs that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.errors import DoorwardError, InvalidInput, Unreadable
from doorward.readers.aws import read_estate
from doorward.readers.aws.layout import FIELDS
from tests.readers.aws_files import GROUP, INTERFACE, VPC, WHOLE, estate_of, texts, whole


def test_whole_estate_gives_no_notice(tmp_path: Path) -> None:
    """A small estate with all that is needed is read without a word."""
    estate = whole(tmp_path)
    assert "" == texts(estate)
    assert {"eni-1"} == set(estate.interfaces)


def test_file_names_do_not_matter(tmp_path: Path) -> None:
    """One file per call in nested folders says the same as one file with all calls."""
    together = whole(tmp_path)
    folder = tmp_path / "tree"
    for number, (key, value) in enumerate(WHOLE.items()):
        path = folder / f"region-{number % 2}" / f"{number}.JSON"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({key: value}))
    apart = read_estate(folder)
    assert together.interfaces == apart.interfaces
    assert together.subnets == apart.subnets
    assert together.groups == apart.groups


def test_recorded_response(tmp_path: Path) -> None:
    """A recorded response is unwrapped; a recorded error is a notice."""
    estate = estate_of(tmp_path, status_code=200, data={"SecurityGroups": [GROUP], "ResponseMetadata": {}})
    assert {"sg-1"} == set(estate.groups)
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"status_code": 400, "data": {"Error": {"Code": "AccessDenied"}}}))
    (folder / "b.json").write_text(json.dumps({"Vpcs": [VPC]}))
    assert "AccessDenied" in texts(read_estate(folder))


def test_collector_layout(tmp_path: Path) -> None:
    """The collector layout lists instances without reservations and uses small keys."""
    instance = {"InstanceId": "i-1", "NetworkInterfaces": [INTERFACE], "Tags": None}
    estate = estate_of(
        tmp_path, collector_version="1", provider="aws", instances=[instance], security_groups=[GROUP], vpcs=[VPC]
    )
    assert "i-1" == estate.interfaces["eni-1"].instance
    assert ("eni-1",) == estate.holders["i-1"].interfaces
    assert {"sg-1"} == set(estate.groups)


def test_unknown_key_is_named_and_irrelevant_ones_are_not(tmp_path: Path) -> None:
    """A key that is not known is a notice; one that is known not to matter is not."""
    assert "'Wormholes' is not known" in texts(whole(tmp_path, Wormholes=[{}]))
    assert "" == texts(whole(tmp_path, AvailabilityZones=[{"ZoneName": "a"}], CustomerGateways=[]))


@pytest.mark.parametrize("mark", ["NextToken", "NextMarker", "Marker"])
def test_first_page_alone_is_refused(tmp_path: Path, mark: str) -> None:
    """An answer that goes on, and whose last page no file has, would hide what it does not list."""
    with pytest.raises(InvalidInput, match="first pages of"):
        whole(tmp_path, **{mark: "more"})


def test_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    """A snapshot of a later format is not guessed at."""
    with pytest.raises(InvalidInput, match="format version 2, expected 1"):
        whole(tmp_path, DoorwardSnapshot={"version": 2, "scopes": []})


def test_denied_calls_are_named(tmp_path: Path) -> None:
    """What a snapshot was denied is not known, and said so."""
    denied = {"call": "ec2:DescribeVpcs", "key": "Vpcs", "code": "UnauthorizedOperation"}
    scope = {"account": "1", "region": "r", "folder": ".", "denied": [denied]}
    assert "ec2:DescribeVpcs gave nothing" in texts(whole(tmp_path, DoorwardSnapshot={"version": 1, "scopes": [scope]}))


@pytest.mark.parametrize(
    ("content", "kind", "word"),
    [
        (b"[]", InvalidInput, "Expected `object`"),
        (b"nonsense", Unreadable, "not JSON"),
        (b'{"Vpcs": [{"VpcId": "vpc-1"', Unreadable, "ends in the middle"),
        (b'{"Vpcs": [{"VpcId": 7}]}', InvalidInput, r"\$\.Vpcs\[0\]\.VpcId"),
        (b'{"Vpcs": [{"VpcId": "\xff"}]}', Unreadable, "UTF-8"),
        (b'{"Vpcs": [], "Vpcs": []}', InvalidInput, "'Vpcs' twice"),
        (b'{"x": ' + b"[" * 2_000_000, Unreadable, "nested too deeply"),
        (b'{"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": ' + b"[" * 2_000_000, Unreadable, "deeply"),
        (b"{}", InvalidInput, "empty"),
        (b'{"planned_values": {}}', InvalidInput, "planned_values"),
        (b'{"Subnets": [{"SubnetId": "s", "VpcId": "v", "CidrBlock": "10.0.0.0/99"}]}', InvalidInput, "subnet s"),
        (
            b'{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.1"}]}',
            InvalidInput,
            "eni-1",
        ),
    ],
)
def test_bad_input_is_refused_in_words(tmp_path: Path, content: bytes, kind: type[Exception], word: str) -> None:
    """Whatever is wrong, the error names the file, the place and what is wrong."""
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(kind, match=word) as caught:
        read_estate(path)
    assert "bad.json" in str(caught.value)


def test_list_given_twice_in_a_large_file(tmp_path: Path) -> None:
    """Also in files too large for the deep check no list of elements is lost to a key that is given twice."""
    groups = [{**GROUP, "GroupId": f"sg-{number}", "Description": "x" * 1000} for number in range(400)]
    listed = json.dumps(groups)
    path = tmp_path / "bad.json"
    path.write_text(f'{{"SecurityGroups": {listed}, "SecurityGroups": {listed}}}')
    with pytest.raises(InvalidInput, match="twice"):
        read_estate(path)
    path.write_text(f'{{"Novelty": 1, "SecurityGroups": {listed}, "SecurityGroups": {listed}}}')
    with pytest.raises(InvalidInput, match="twice"):
        read_estate(path)


def test_missing_and_empty_paths(tmp_path: Path) -> None:
    """A path that is not there, and a folder without JSON."""
    with pytest.raises(Unreadable, match="does not exist"):
        read_estate(tmp_path / "none")
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(InvalidInput, match=r"holds no \.json file"):
        read_estate(tmp_path)


def test_two_moments_of_one_resource_are_refused(tmp_path: Path) -> None:
    """An id with two contents in two files is an error that names both; the same contents twice are not."""
    (tmp_path / "a.json").write_text(json.dumps({"Subnets": WHOLE["Subnets"], "NetworkInterfaces": [INTERFACE]}))
    (tmp_path / "b.json").write_text(json.dumps({"NetworkInterfaces": [INTERFACE], "SecurityGroups": [GROUP]}))
    assert {"eni-1"} == set(read_estate(tmp_path).interfaces)
    moved = {**INTERFACE, "SubnetId": "subnet-2"}
    (tmp_path / "c.json").write_text(json.dumps({"NetworkInterfaces": [moved]}))
    with pytest.raises(InvalidInput, match=r"c\.json: lists eni-1 differently than .*a\.json"):
        read_estate(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps({"SecurityGroups": [{**GROUP, "GroupName": "other"}]}))
    with pytest.raises(InvalidInput, match=r"c\.json: lists sg-1 differently than .*b\.json"):
        read_estate(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps({"Subnets": [{**WHOLE["Subnets"][0], "CidrBlock": "10.0.2.0/24"}]}))
    with pytest.raises(InvalidInput, match=r"c\.json: lists subnet-1 differently than .*a\.json"):
        read_estate(tmp_path)


def test_refused_before_a_gigabyte_is_read(tmp_path: Path) -> None:
    """A sparse gigabyte of nothing is refused by its beginning."""
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(1 << 30)
    with pytest.raises(Unreadable, match="binary"):
        read_estate(path)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70_000) | st.sampled_from(["sg-1", "10.0.0.0/8", "vpc-1", "", "tcp"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["GroupId", "VpcId", "Groups", "IpPermissions", "Routes", "Entries"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, "data", "status_code", "collector_version", "instances"]), _json))
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, given_keys: dict[str, Any]) -> None:
    """No JSON under known keys leads to anything but an estate or an error of our own."""
    try:
        estate = estate_of(tmp_path_factory.mktemp("fuzz"), **given_keys)
        for group in estate.groups.values():
            _ = group.rules
    except DoorwardError:
        pass


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A good file with a few bytes cut out or replaced is read or refused."""
    content = bytearray(json.dumps(WHOLE).encode())
    start = data.draw(st.integers(0, len(content)))
    content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.mktemp("fuzz") / "estate.json"
    path.write_bytes(bytes(content))
    try:
        for group in read_estate(path).groups.values():
            _ = group.rules
    except DoorwardError:
        pass
