"""Wrappings, identities, and what is hostile, huge or malformed: always a value, always quickly."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.change import Ask, Change, Key, UnreadableRecord, Who
from doorward.readers.cloudtrail import catalogue, read, read_all, wire
from tests.readers.cloudtrail.given import GROUP, LEARNED, PLACE, change, record

REQUEST = {
    "groupId": GROUP,
    "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {},
                                 "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]},
}  # fmt: skip
BARE = record("AuthorizeSecurityGroupIngress", REQUEST, {"requestId": "r", "_return": True})
ENVELOPE = {"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.ec2", "account": PLACE.account, "time": "2026-03-01T12:00:00Z",
            "region": PLACE.region, "detail": BARE}  # fmt: skip
WRAPPED = {
    "bare": BARE,
    "envelope": ENVELOPE,
    "file": {"Records": [BARE]},
    "notification": {"Type": "Notification", "Message": json.dumps(ENVELOPE)},
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", WRAPPED)
def test_every_wrapping_tells_the_same(name: str, packed: bool) -> None:
    """Bare, in EventBridge's envelope, in a log file, in a notification, each also compressed: one change."""
    data = json.dumps(WRAPPED[name]).encode()
    expected = change(BARE)
    assert 1 == len(expected.effects)
    assert expected == read(gzip.compress(data) if packed else data, LEARNED)


def test_a_change_has_what_the_history_needs() -> None:
    """Id, both times, place, call and request id are the record's."""
    made = change(BARE)
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    expected = (BARE["eventID"], at, LEARNED, PLACE, "ec2:AuthorizeSecurityGroupIngress", "event", BARE["requestID"])
    assert expected == (made.id, made.at, made.learned, made.place, made.call, made.source, made.request)
    assert (None, None, ()) == (made.error, made.revert, made.notes)


def test_the_envelope_fills_in_what_the_record_lacks() -> None:
    """Account and region are the envelope's where the record has none."""
    detail = {key: value for key, value in BARE.items() if key not in ("awsRegion", "recipientAccountId")}
    made = read(json.dumps(ENVELOPE | {"detail": detail}), LEARNED)
    assert isinstance(made, Change) and PLACE == made.place


def test_keys_in_lower_case_and_numbers_for_texts() -> None:
    """Keys in another case, an account as a number, times with an offset: read all the same."""
    strange = {key.lower(): value for key, value in BARE.items()}
    strange |= {"recipientaccountid": 123456789012, "eventtime": "2026-03-01T13:00:00+01:00", "useragent": 7}
    made = read(json.dumps(strange), LEARNED)
    assert isinstance(made, Change)
    assert (PLACE, change(BARE).at, change(BARE).effects) == (made.place, made.at, made.effects)


def test_a_file_with_one_bad_record_loses_only_that() -> None:
    """Each record of a file is judged alone, in the order of the file."""
    found = read_all(json.dumps({"Records": [BARE, {"eventID": 7}, 5, BARE]}), LEARNED)
    assert [Change, UnreadableRecord, UnreadableRecord, Change] == [type(one) for one in found]
    assert [] == read_all('{"Records": []}', LEARNED)
    assert isinstance(read(json.dumps({"Records": [BARE, BARE]}), LEARNED), UnreadableRecord)


ISSUER = {"type": "Role", "arn": "arn:aws:iam::123456789012:role/team/deployer", "userName": "deployer"}
SESSION = {"type": "AssumedRole", "principalId": "AROAX:run-7", "accountId": "123456789012", "accessKeyId": "ASIAX",
           "arn": "arn:aws:sts::123456789012:assumed-role/deployer/run-7"}  # fmt: skip


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann", "accessKeyId": "AKIAX"},
         Who("arn:aws:iam::1:user/ann", "IAMUser", access_key="AKIAX")),
        (SESSION | {"sessionContext": {"sessionIssuer": ISSUER, "sourceIdentity": "doorward-r1"}},
         Who(ISSUER["arn"], "AssumedRole", "run-7", "doorward-r1", access_key="ASIAX")),
        (SESSION, Who("arn:aws:iam::123456789012:role/deployer", "AssumedRole", "run-7", access_key="ASIAX")),
        (SESSION | {"sessionContext": {"sessionIssuer": ISSUER}, "invokedBy": "rds.amazonaws.com"},
         Who(ISSUER["arn"], "AssumedRole", "run-7", service="rds.amazonaws.com", access_key="ASIAX")),
        ({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"},
         Who("autoscaling.amazonaws.com", "AWSService", service="autoscaling.amazonaws.com")),
        ({"type": "AWSAccount", "principalId": "AIDAX", "accountId": "210987654321"}, Who("AIDAX", "AWSAccount")),
        ({"type": "Root", "arn": "arn:aws:iam::1:root"}, Who("arn:aws:iam::1:root", "Root")),
        ({"type": "IAMUser", "principalid": "AIDAX", "ARN": "arn:aws:iam::1:user/bob"},
         Who("arn:aws:iam::1:user/bob", "IAMUser")),
        ({"accountId": "123456789012", "invokedBy": "ec2.amazonaws.com"},
         Who("ec2.amazonaws.com", "Unknown", service="ec2.amazonaws.com")),
        (None, Who("", "Unknown")), ("x", Who("", "Unknown")), ({"type": 5, "arn": []}, Who("", "Unknown")),
    ],
)  # fmt: skip
def test_who(identity: Any, expected: Who) -> None:
    """Roles by their issuer with session and source identity, services by name, strange identities as unknown."""
    made = change(BARE | {"userIdentity": identity, "sourceIPAddress": None, "userAgent": None}).who
    assert expected == made


def test_console_agent_and_address() -> None:
    """Address and agent are kept for the history; a console session is marked."""
    made = change(BARE | {"sessionCredentialFromConsole": "true"}).who
    assert ("192.0.2.10", "aws-cli/2.15.0", True) == (made.address, made.agent, made.console)


DEEP = '{"eventID": "x", "requestParameters": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"
BOMB = gzip.compress(b'{"a": "' + b" " * (wire.FILE_MOST + 100) + b'"}')


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"[]", "not a record"),
        (b"null", "not a record"), (b'"x"', "not a record"),
        (b"\xff\xfe{", "not JSON"), (b'{"eventID": "\xff"}', ""), (b"{}", "eventID"), (DEEP.encode(), "deeply"),
        (b"\x1f\x8bxxxx", "gzip"), (gzip.compress(json.dumps(BARE).encode())[:-20], "ends in the middle"),
        (BOMB, "when unpacked"), (json.dumps(BARE | {"x": "y" * wire.RECORD_MOST}).encode(), "expected at most"),
        (json.dumps(BARE | {"eventTime": "yesterday"}).encode(), "eventTime"),
        (json.dumps(BARE | {"eventTime": "0001-01-01T00:00:00+14:00"}).encode(), "at no time"),
        (json.dumps(BARE | {"recipientAccountId": "x", "userIdentity": {}}).encode(), "account and region"),
        (json.dumps(BARE | {"eventName": "x\ny"}).encode(), "eventName"),
        (json.dumps(BARE | {"eventID": "x" * 5000}).encode(), "eventID"),
        (b'{"Type": "Notification", "Message": "{\\"Message\\": \\"{}\\"}"}', ""),
        (b'{"Records": [' + b",".join([b"1"] * (wire.RECORDS_MOST + 1)) + b"]}", "records"),
    ],
    ids=[str(number) for number in range(20)],
)  # fmt: skip
def test_what_cannot_be_read_is_a_value(data: bytes, reason: str) -> None:
    """Reason, digest and size, within a second: never an exception, never the bytes themselves."""
    started = time.monotonic()
    made = read(data, LEARNED)
    assert time.monotonic() - started < 5
    assert isinstance(made, UnreadableRecord), made
    assert reason in made.reason
    assert LEARNED == made.learned
    if not data.startswith(b'{"Type"'):
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (made.digest, made.size)


def test_deep_parameters_are_asked() -> None:
    """Parameters that are deeper than any real ones do not make the call unseen: what it is about is asked."""
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": deep}
    made = change(record("CreateRoute", {"routeTableId": "rtb-12345678", "x": deep}, {"_return": True}))
    assert made.effects and made.notes


def test_very_many_names_are_one_question() -> None:
    """A call that names tens of thousands of resources is read quickly, and asks every one of the kind at once."""
    named = [{"resourceId": f"sg-{number:08x}"} for number in range(20_000)]
    started = time.monotonic()
    made = change(record("CreateTags", {"resourcesSet": {"items": named}}, {"_return": True}))
    assert time.monotonic() - started < 5
    assert [Key(PLACE, "group", "*")] == [one.key for one in made.effects if isinstance(one, Ask)]


WORDS = """
    items item tag content groupId groupName ipPermissions ipProtocol fromPort toPort cidrIp ipRanges groups _return
    return securityGroupRuleSet networkInterface networkInterfaceId groupSet instancesSet vpcEndpoint subnet vpc vpcId
    securityGroupRule securityGroupRuleId loadBalancers targetGroups vpcSecurityGroups entry prefixList omitted
""".split()
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    PLAIN | st.sampled_from([GROUP, "tcp", "-1", "10.0.0.0/8"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)
NAMES = sorted({name for table in catalogue.TABLES.values() for name in table})


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(["ec2", "elasticloadbalancing", "rds", "x"]), JSON, JSON)
def test_any_parameters_are_read(name: str, source: str, request: Any, response: Any) -> None:
    """Whatever stands in the parameters and the answer of any known call: a change, made without an exception."""
    data = json.dumps(record(name, request, response, source))
    made = read(data, LEARNED)
    assert isinstance(made, Change | UnreadableRecord)
    newer = record(name, {f"{name}Request": request}, {f"{name}Response": response}, source)
    assert isinstance(read(json.dumps(newer), LEARNED), Change | UnreadableRecord)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*BARE, "detail", "Records", "Message", "account"]), JSON, max_size=8))
def test_any_record_is_read(changed: dict[str, Any]) -> None:
    """Whatever stands in a record's own fields: a value."""
    assert all(isinstance(one, Change | UnreadableRecord) for one in read_all(json.dumps(BARE | changed), LEARNED))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 1500), st.integers(0, 20))
def test_any_bytes_are_read(noise: bytes, at: int, cut: int) -> None:
    """Noise, and a real record with noise in it: values."""
    data = json.dumps(BARE).encode()
    for one in (noise, data[:at] + noise + data[at + cut :], gzip.compress(data)[: at % 300] + noise):
        assert all(isinstance(made, Change | UnreadableRecord) for made in read_all(one, LEARNED))
