"""EventBridge's part, on moto's rules and queues in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from doorward_lab.cloud.trail.bridge import Delivery, deliver, envelope
from tests.lab.trail.test_emit import record

PATTERN = {"source": ["aws.ec2"], "detail": {"eventName": [{"prefix": "Revoke"}, {"prefix": "Describe"}]}}


class World:
    """A rule on the default bus with one queue."""

    def __init__(self) -> None:
        self.events = boto3.client("events", region_name="us-east-1")
        self.sqs = boto3.client("sqs", region_name="us-east-1")
        self.url = self.sqs.create_queue(QueueName="q")["QueueUrl"]
        self.rule(PATTERN)

    def rule(self, pattern: Any, state: Any = "ENABLED", **target: Any) -> None:
        """Put the rule and its target."""
        self.events.put_rule(Name="r", EventPattern=json.dumps(pattern), State=state)
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": arn} | target])

    def texts(self) -> list[str]:
        """The bodies that lie in the queue; they are taken out."""
        got = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for one in got:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in got]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Empty moto services, with the rule and its queue."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield World()


def test_envelope_is_eventbridges(world: World) -> None:
    """EventBridge User Guide, "Event structure": the queue gets the whole event, `account` and ISO `time` included."""
    event = envelope(record(1))
    assert Delivery(rules=1, messages=1) == deliver(event)
    (text,) = world.texts()
    assert event == json.loads(text)
    assert {
        "version": "0",
        "id": event["id"],
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": "123456789012",
        "time": "2024-02-15T10:30:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": record(1),
    } == event


def test_what_matches_no_rule_goes_nowhere(world: World) -> None:
    """Another event name, another source, another account, another region, a rule that is disabled or scheduled."""
    for other in (
        {"eventName": "CreateVpc"},
        {"eventSource": "rds.amazonaws.com"},
        {"recipientAccountId": "210987654321"},
        {"awsRegion": "eu-west-1"},
    ):
        assert Delivery() == deliver(envelope(record(1) | other))
    world.rule(PATTERN, "DISABLED")
    assert Delivery() == deliver(envelope(record(1)))
    world.events.put_rule(Name="clock", ScheduleExpression="rate(1 minute)")
    assert Delivery() == deliver(envelope(record(1)))
    assert [] == world.texts()


def test_read_only_calls_need_the_rules_state(world: World) -> None:
    """EventBridge User Guide, "AWS service events delivered via AWS CloudTrail": List, Get and Describe calls come only
    to rules in the state ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS."""
    read = envelope(record(1) | {"eventName": "DescribeVpcs", "readOnly": True})
    assert Delivery() == deliver(read)
    world.rule(PATTERN, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    assert Delivery(rules=1, messages=1) == deliver(read)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"Input": '{"fixed":1}'}, '{"fixed":1}'),
        ({"InputPath": "$.detail.eventName"}, '"RevokeSecurityGroupIngress"'),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"name": "$.detail.eventName", "d": "$.detail-type", "no": "$.detail.nothing"},
                    "InputTemplate": '{"n": <name>, "t": "<name>: <d>", "x": <no>, "<kept>": 1}',
                }
            },
            '{"n": "RevokeSecurityGroupIngress", "t": "RevokeSecurityGroupIngress: AWS API Call via CloudTrail", '
            '"x": null, "<kept>": 1}',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"r": "$.resources"}, "InputTemplate": '"it is \\"<r>\\""'}},
            '"it is \\"[]\\""',
        ),
    ],
)
def test_targets_shape_their_input(world: World, target: Any, text: str) -> None:
    """EventBridge User Guide, "Amazon EventBridge input transformation": constant, part of the event, or template."""
    world.rule(PATTERN, **target)
    deliver(envelope(record(1)))
    assert [text] == world.texts()


def test_fifo_queue_gets_its_group(world: World) -> None:
    """A FIFO target gets its MessageGroupId."""
    attributes: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    world.url = world.sqs.create_queue(QueueName="q.fifo", Attributes=attributes)["QueueUrl"]
    world.rule(PATTERN, SqsParameters={"MessageGroupId": "changes"})
    assert Delivery(rules=1, messages=1) == deliver(envelope(record(1)))
    got = world.sqs.receive_message(QueueUrl=world.url, MessageSystemAttributeNames=["MessageGroupId"])["Messages"]
    assert "changes" == got[0]["Attributes"]["MessageGroupId"]


def test_failing_targets_are_told_and_do_not_stop_others(world: World) -> None:
    """A queue that is gone and a kind of target that the lab lacks are failures in words; the good queue gets it."""
    gone = "arn:aws:sqs:us-east-1:123456789012:gone"
    other = "arn:aws:lambda:us-east-1:123456789012:function:f"
    world.events.put_targets(Rule="r", Targets=[{"Id": "a", "Arn": gone}, {"Id": "b", "Arn": other}])
    done = deliver(envelope(record(1)))
    assert (1, 1) == (done.rules, done.messages)
    assert ["rule r, target a", "rule r, target b"] == [text.partition(":")[0] for text in done.failures]
    assert gone in done.failures[0]
    assert "SQS queues only" in done.failures[1]
    assert 1 == len(world.texts())


def test_too_large_an_event_matches_nothing(world: World) -> None:
    """Events above 256 KiB are not matched (EventBridge quotas), and that is said."""
    done = deliver(envelope(record(1) | {"requestParameters": {"x": "y" * 300_000}}))
    assert (0, 0, 1) == (done.rules, done.messages, len(done.failures))
