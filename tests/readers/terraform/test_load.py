"""What is not a plan is refused with the command that makes one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doorward.errors import InvalidInput, Unreadable
from doorward.readers.terraform import parse, read_plan
from tests.readers.terraform.maker import Maker

PLAN = json.dumps(Maker().existing("aws_security_group.a", {"id": "sg-1"}).document())


def refused(raw: bytes | str) -> str:
    """The message with which input is refused."""
    with pytest.raises(InvalidInput) as caught:
        parse(raw.encode() if isinstance(raw, str) else raw, "plan.json")
    return str(caught.value)


def test_event_stream_of_plan_json() -> None:
    """``terraform plan -json`` writes events, not a plan; one line or many."""
    line = json.dumps({"@level": "info", "@message": "Terraform 1.9.0", "type": "version", "terraform": "1.9.0"})
    for text in (line, f"{line}\n{line}\n"):
        message = refused(text)
        assert "event stream" in message
        assert "terraform show -json tfplan > plan.json" in message


def test_state_file_and_shown_state() -> None:
    """A state is no plan, as a file or shown."""
    assert "state file" in refused(json.dumps({"version": 4, "serial": 3, "lineage": "x", "resources": []}))
    shown = {"format_version": "1.0", "terraform_version": "1.9.0", "values": {"root_module": {}}}
    assert "of a state" in refused(json.dumps(shown))
    assert "of a state" in refused(json.dumps({"format_version": "1.0"}))


def test_binary_plan() -> None:
    """The file of ``plan -out`` is a zip archive."""
    assert "binary plan" in refused(b"PK\x03\x04\x14\x00")


def test_configuration_and_text_for_people() -> None:
    """HCL and the plan as text are named for what they are."""
    assert "configuration" in refused('# web\nresource "aws_security_group" "a" {\n}\n')
    assert "configuration" in refused('terraform {\n  required_version = ">= 1"\n}\n')
    assert "for people" in refused("Terraform will perform the following actions:\n\n  # aws_vpc.a will be created\n")


@pytest.mark.parametrize("raw", [b"", b"  \n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_empty(raw: bytes) -> None:
    """Nothing in the file."""
    assert "empty" in refused(raw)


@pytest.mark.parametrize(
    "raw",
    [
        PLAN[:-20].encode(),
        PLAN.encode()[: len(PLAN) // 2],
        b"\x00\x01\x02",
        b"\x80abc",
        b'{"a": NaN}',
        b'{"a": 1} x',
        b"nul",
    ],
)
def test_not_json(raw: bytes) -> None:
    """Truncated, binary and malformed input is unreadable, with where and what to do."""
    with pytest.raises(Unreadable) as caught:
        parse(raw, "plan.json")
    assert "plan.json" in str(caught.value)
    assert caught.value.hint


def test_truncated_says_so() -> None:
    """A plan that was cut off is told from one that is wrong."""
    assert "ends too early" in refused(PLAN[:-1])


def test_duplicate_keys() -> None:
    """A key given twice makes the input ambiguous: not read."""
    assert "'resource_changes' is given twice" in refused('{"resource_changes": [], "resource_changes": []}')


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 100_000, "[" * 500 + "]" * 500])
def test_nesting_bomb(text: str) -> None:
    """Depth is counted before anything recursive sees the text."""
    assert "nested" in refused(text)


def test_brackets_in_strings_are_no_nesting() -> None:
    """Only structure counts as depth."""
    document = Maker().existing("aws_security_group.a", {"id": "sg-1", "description": "[" * 5000}).document()
    assert "sg-1" in parse(json.dumps(document).encode(), "plan.json").after.groups


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    """PowerShell's ``>`` writes UTF-16 or UTF-8 with a mark: both are read by their mark."""
    raw = PLAN.encode(encoding)
    if encoding == "utf-16-le":
        raw = b"\xff\xfe" + raw
    assert "sg-1" in parse(raw, "plan.json").after.groups


@pytest.mark.parametrize("version", ["2.0", "10.1", "", None, 1, "1"])
def test_unknown_format(version: object) -> None:
    """Formats 0.1 to 1.x are known; another major may mean something else."""
    assert "format_version" in refused(json.dumps(json.loads(PLAN) | {"format_version": version}))


def test_other_json() -> None:
    """JSON that is something else."""
    assert "no resource_changes" in refused('{"SecurityGroups": []}')
    assert "a list" in refused("[]")
    assert "a text" in refused('"x"')
    assert "not a list" in refused(json.dumps(json.loads(PLAN) | {"resource_changes": 3}))


def test_errored_plan() -> None:
    """A plan that ended in an error lacks what was not planned."""
    assert "incomplete" in refused(json.dumps(json.loads(PLAN) | {"errored": True}))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """No such file, or a folder."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InvalidInput) as caught:
            read_plan(path)
        assert str(path) in str(caught.value)


ODD: tuple[object, ...] = (
    None,
    3,
    "x",
    [],
    {},
    [None],
    [3],
    [{}],
    [{"change": 3}],
    [{"type": "aws_instance", "change": {"actions": 3}}],
    [{"type": "aws_instance", "change": {"actions": ["explode"]}}],
    {"values": {"root_module": {"resources": {}}}},
    {"root_module": {"resources": [3], "module_calls": {"x": 3}}},
)


@pytest.mark.parametrize("key", ["resource_changes", "prior_state", "configuration", "variables", "resource_drift"])
@pytest.mark.parametrize("odd", ODD)
def test_odd_shapes_are_read_or_refused(key: str, odd: object) -> None:
    """What Terraform cannot have written is refused where reading on could lose something; never a traceback."""
    document = json.loads(PLAN) | {key: odd}
    try:
        parse(json.dumps(document).encode(), "plan.json")
    except InvalidInput as error:
        assert "plan.json" in str(error)
        assert "expected" in str(error) or "not a list" in str(error)


@pytest.mark.parametrize(
    "attribute",
    [
        {"ingress": "x"},
        {"ingress": [3]},
        {"ingress": [{"cidr_blocks": 3, "protocol": "-1"}]},
        {"ingress": [{"cidr_blocks": [3], "protocol": "-1"}]},
        {"ingress": [{"self": "x", "protocol": "-1"}]},
        {"ingress": [{"from_port": [], "protocol": "tcp"}]},
        {"name": 3},
        {"vpc_id": []},
    ],
)
def test_odd_attributes_are_refused(attribute: dict[str, object]) -> None:
    """A rule of a wrong type is never dropped in silence."""
    document = Maker().existing("aws_security_group.a", {"id": "sg-1", **attribute}).document()
    assert "aws_security_group.a." in refused(json.dumps(document))
