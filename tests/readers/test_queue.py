"""The queue against a server that behaves like SQS, over HTTP; faults by a client of the same kind that fails."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto.server import ThreadedMotoServer

from doorward.errors import CloudError
from doorward.readers.queue import ATTEMPTS, Message, Queue

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of its own."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials of nobody; nothing of the user's own configuration is seen."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sqs(server: str) -> Any:
    """A plain client."""
    return boto3.client("sqs", region_name=REGION, endpoint_url=server)


@pytest.fixture
def url(sqs: Any, request: pytest.FixtureRequest) -> str:
    """A new queue, with a dead-letter queue after two receives."""
    name = f"q{abs(hash(request.node.nodeid))}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    made = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "30"})
    return str(made["QueueUrl"])


@pytest.fixture
def queue(url: str, server: str) -> Iterator[Queue]:
    """The reader of it; pauses take no time."""
    with Queue(url, endpoint_url=server, region=REGION, sleep=lambda seconds: None) as opened:
        yield opened


def send(sqs: Any, url: str, count: int) -> set[str]:
    """Send messages; their bodies."""
    bodies = {f"message {number}" for number in range(count)}
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return bodies


def test_a_message_ends_a_long_poll(sqs: Any, url: str, queue: Queue) -> None:
    """A waiting receive returns as soon as a message is there; an empty one waits as long as asked."""
    started = time.monotonic()
    assert [] == queue.receive(wait=1)
    assert time.monotonic() - started >= 0.9
    send(sqs, url, 1)
    started = time.monotonic()
    (message,) = queue.receive(wait=20)
    assert time.monotonic() - started < 10
    assert ("message 0", 1) == (message.body, message.received)


def test_a_backlog_is_drained_by_several_receivers(sqs: Any, url: str, queue: Queue) -> None:
    """A full batch makes all receivers fetch: more than ten messages come at once, none is lost, all are deleted.

    One may come twice: "at-least-once delivery" (SQS Developer Guide, *Standard queues*); who reads events counts each
    id once.
    """
    bodies = send(sqs, url, 45)
    got: list[Message] = []
    sizes = []
    while batch := queue.receive(wait=0):
        sizes.append(len(batch))
        got += batch
        assert [] == queue.delete(batch)
    assert max(sizes) > 10
    assert bodies == {one.body for one in got}
    state = queue.attributes()
    assert (0, 0) == (state.depth, state.in_flight)


def test_what_was_not_acknowledged_comes_back(sqs: Any, url: str, queue: Queue) -> None:
    """A reader that dies with messages in hand loses none: after their visibility they come again, and are counted."""
    send(sqs, url, 3)
    first = queue.receive(wait=0)
    assert 3 == len(first)
    assert [] == queue.receive(wait=0)
    assert [] == queue.extend(first, 0)
    again = queue.receive(wait=2)
    assert {one.body for one in first} == {one.body for one in again}
    assert {2} == {one.received for one in again}


def test_visibility_is_extended(sqs: Any, url: str, queue: Queue) -> None:
    """Messages that are being worked on stay hidden for longer than the queue's own visibility."""
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    send(sqs, url, 1)
    held = queue.receive(wait=0)
    assert [] == queue.extend(held, 60)
    time.sleep(1.3)
    assert [] == queue.receive(wait=0)
    assert [] == queue.delete(held)


def test_depth_age_and_dead_letters_are_told(sqs: Any, url: str, queue: Queue) -> None:
    """Poison is received as often as the redrive policy allows, then counted among the dead letters."""
    send(sqs, url, 2)
    for _ in range(2):
        queue.extend(queue.receive(wait=0), 0)
    assert [] == queue.receive(wait=0)
    state = queue.attributes()
    assert (0, 2, 2) == (state.depth, state.dead_letters, state.most_receives)
    assert state.dead_letter_arn is not None and state.dead_letter_arn.endswith("-dead")
    send(sqs, url, 1)
    assert 1 == queue.attributes().depth
    held = queue.receive(wait=0)
    time.sleep(0.05)
    state = queue.attributes()
    assert 1 == state.in_flight
    assert state.oldest is not None and timedelta(milliseconds=40) < state.oldest < timedelta(minutes=1)
    queue.delete(held)
    assert queue.attributes().oldest is None


def test_the_age_of_waiting_messages_is_cloudwatch_s(url: str, queue: Queue) -> None:
    """The age of messages that nobody has received is the newest point of the metric of that name."""
    asked: list[dict[str, Any]] = []

    class Metrics:
        def get_metric_statistics(self, **arguments: Any) -> Any:
            asked.append(arguments)
            return {"Datapoints": [{"Timestamp": arguments["EndTime"], "Maximum": 77.0},
                                   {"Timestamp": arguments["StartTime"], "Maximum": 99.0}]}  # fmt: skip

    queue._watch = Metrics()
    assert timedelta(seconds=77) == queue.attributes().oldest
    assert [{"Name": "QueueName", "Value": url.rpartition("/")[2]}] == asked[0]["Dimensions"]


def test_what_may_not_be_asked_is_a_gap(queue: Queue) -> None:
    """Without rights on CloudWatch the rest is told, and the gap is named."""
    queue._watch = Failing(queue._watch, [refused("AccessDenied", 403)])
    (gap,) = queue.attributes().gaps
    assert "AccessDenied" in gap


class Failing:
    """A client that fails a number of times, then is the real one."""

    def __init__(self, real: Any, errors: list[Exception | dict[str, Any]]) -> None:
        self.real, self.errors, self.calls = real, errors, 0

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls += 1
            if self.errors:
                fault = self.errors.pop(0)
                if isinstance(fault, Exception):
                    raise fault
                left = [one for one in arguments["Entries"] if one["Id"] not in {f["Id"] for f in fault["Failed"]}]
                if left:
                    getattr(self.real, name)(**arguments | {"Entries": left})
                return fault
            return getattr(self.real, name)(**arguments)

        return call


def refused(code: str, status: int = 400) -> ClientError:
    """An error as the API gives it."""
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X")  # type: ignore[typeddict-item]


PASSING = [refused("RequestThrottled"), refused("InternalError", 500), EndpointConnectionError(endpoint_url="http://x")]


def test_throttling_and_the_network_are_waited_out(sqs: Any, url: str, queue: Queue) -> None:
    """Errors that pass are tried again with growing pauses; the messages are there afterwards."""
    send(sqs, url, 1)
    pauses: list[float] = []
    queue._sleep = pauses.append
    queue._sqs = Failing(sqs, list(PASSING))
    assert 1 == len(queue.receive(wait=0))
    assert [0.2, 0.4, 0.8] == pauses


@pytest.mark.parametrize("error", PASSING)
def test_what_does_not_pass_becomes_a_cloud_error(error: Exception, queue: Queue) -> None:
    """After the last attempt the error is raised in words that name the queue."""
    failing = Failing(queue._sqs, [error] * 10)
    queue._sqs = failing
    with pytest.raises(CloudError, match=queue.url):
        queue.receive(wait=0)
    assert ATTEMPTS == failing.calls


def test_a_refusal_is_not_tried_again(queue: Queue) -> None:
    """Missing rights are told at once."""
    failing = Failing(queue._sqs, [refused("AccessDenied", 403)])
    queue._sqs = failing
    with pytest.raises(CloudError, match="AccessDenied"):
        queue.receive(wait=0)
    assert 1 == failing.calls


def test_a_missing_queue_is_told(server: str) -> None:
    """A queue that does not exist is named."""
    with Queue(f"{server}/123456789012/none", endpoint_url=server, region=REGION) as queue, pytest.raises(CloudError):
        queue.receive(wait=0)


def test_the_part_of_a_deletion_that_failed_is_tried_again(sqs: Any, url: str, queue: Queue) -> None:
    """Of a batch some of whose deletions fail, those and only those are sent again, until all are gone."""
    send(sqs, url, 8)
    batch = queue.receive(wait=0)
    fault = {"Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False},
                        {"Id": "4", "Code": "InternalError", "SenderFault": False}]}  # fmt: skip
    failing = Failing(sqs, [fault])
    queue._sqs = failing
    assert [] == queue.delete(batch)
    assert 2 == failing.calls
    queue._sqs = sqs
    state = queue.attributes()
    assert (0, 0) == (state.depth, state.in_flight)


def test_a_receipt_that_ended_is_given_back(sqs: Any, url: str, queue: Queue) -> None:
    """A message whose receipt is no longer valid is not deleted, is told, and is not tried for ever."""
    send(sqs, url, 2)
    batch = sorted(queue.receive(wait=0), key=lambda one: one.body)
    fault = {"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": True}]}
    queue._sqs = Failing(sqs, [fault])
    assert batch[:1] == queue.delete(batch)


def test_a_deletion_that_never_succeeds_is_told(sqs: Any, url: str, queue: Queue) -> None:
    """After the last attempt the messages are returned: they will come again, and must be expected to."""
    send(sqs, url, 1)
    batch = queue.receive(wait=0)
    fault = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    queue._sqs = Failing(sqs, [fault] * 10)
    assert batch == queue.delete(batch)
    queue._sqs = sqs
    assert 1 == queue.attributes().in_flight


def test_an_error_of_one_receiver_loses_nothing(sqs: Any, url: str, queue: Queue) -> None:
    """Messages in hand are returned though another receiver failed; what that one had comes back by itself."""
    send(sqs, url, 20)
    real, calls = sqs.receive_message, []

    class Second:
        def receive_message(self, **arguments: Any) -> Any:
            calls.append(arguments)
            if len(calls) == 1:
                return real(**arguments)
            raise refused("AccessDenied", 403)

    queue._sqs = Second()
    assert 10 == len(queue.receive(wait=0))
    assert [0] * queue.receivers == [one["WaitTimeSeconds"] for one in calls]
