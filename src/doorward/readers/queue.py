"""The queue that events arrive in: SQS by long polling, in batches, without losing a message that nobody acknowledged.

A message that was received and not deleted comes back when its visibility ends; that is what makes a crash harmless,
and why everything here may deliver a message twice. What does not live here: what messages mean
(``readers.cloudtrail``), when to read and to delete (the daemon). boto3 is imported when a queue is opened.
Source: Amazon SQS Developer Guide, "Amazon SQS short and long polling", "visibility timeout", "dead-letter queues".
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import TracebackType
from typing import Any, TypeVar

from doorward.errors import CloudError

T = TypeVar("T")

BATCH = 10
"""Messages of one call at most (SQS API Reference, *ReceiveMessage*, *DeleteMessageBatch*)."""
LONGEST_POLL = 20
"""Seconds (same source)."""
ATTEMPTS = 5
"""How often a call is made at most."""
VISIBLE_MOST = 43_200
"""Seconds that a message can be hidden, in all (SQS API Reference, *ChangeMessageVisibility*)."""
_PASSING = frozenset(
    """
    RequestThrottled Throttling ThrottlingException ThrottledException TooManyRequestsException RequestLimitExceeded
    OverLimit InternalError InternalFailure InternalServerError ServiceUnavailable KmsThrottled KMS.ThrottlingException
    500 502 503 504 408 429
    """.split()
)
"""Codes of errors that pass by themselves."""
_SHORTEST, _LONGEST = 0.2, 5.0
_EXPIRED = frozenset(("ReceiptHandleIsInvalid", "InvalidParameterValue"))


@dataclass(frozen=True, slots=True)
class Message:
    """One message, received and not yet acknowledged."""

    id: str
    receipt: str
    body: str
    sent: datetime
    received: int
    """How often it was received, this time included: more than once means that it came back."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """What a queue says of itself; depths are approximate, as SQS counts."""

    depth: int
    """Messages that wait."""
    in_flight: int
    """Messages that were received and neither deleted nor given back."""
    oldest: timedelta | None
    """Age of the oldest message: the larger of what CloudWatch says (it is minutes late) and the messages in hand."""
    dead_letters: int | None
    """Messages in the dead-letter queue; None when there is none, or it may not be asked."""
    dead_letter_arn: str | None
    """ARN of the dead-letter queue, by the redrive policy."""
    most_receives: int | None
    """After this many receives a message goes to the dead-letter queue."""
    gaps: tuple[str, ...] = ()
    """What could not be asked, and why."""


class Queue:
    """One SQS queue. All methods may be called by several threads.

    ``receivers`` is how many calls fetch messages at the same time while there is a backlog. Raises ``CloudError`` when
    a call fails for good: refused, or failed ``ATTEMPTS`` times with growing pauses between.
    """

    def __init__(
        self,
        url: str,
        endpoint_url: str | None = None,
        region: str | None = None,
        session: Any = None,
        *,
        receivers: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        if not 1 <= receivers <= 64:
            raise ValueError(f"receivers: got {receivers}, expected 1 to 64")
        self.url = url
        self.receivers = receivers
        self._sleep = sleep
        self._lock = Lock()
        self._held: dict[str, datetime] = {}
        config = Config(
            # Own retries, so that each is bounded and tested: botocore makes each call once.
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=LONGEST_POLL + 10,
            max_pool_connections=receivers + 2,
        )
        try:
            made = session if session is not None else boto3.Session()
            region = region or made.region_name or _region_of(url)

            def client(service: str) -> Any:
                return made.client(service, region_name=region, endpoint_url=endpoint_url, config=config)

            self._sqs, self._watch = client("sqs"), client("cloudwatch")
        except (BotoCoreError, ValueError) as error:
            raise CloudError(str(error), where=url, hint="check the queue's URL, region and credentials") from error
        self._pool = ThreadPoolExecutor(receivers, thread_name_prefix="doorward-queue")

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the receivers. Messages that were not deleted come back by themselves."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def receive(self, wait: float = LONGEST_POLL) -> list[Message]:
        """Messages, at most ten for each receiver; empty when none came within ``wait`` seconds (20 at most).

        The first call waits; a full batch means that more wait, and then all receivers fetch at once. Messages come in
        no order. An error after a batch is in hand is not raised: the batch is what was received.
        """
        seconds = max(0, min(LONGEST_POLL, round(wait)))
        messages = self._fetch(seconds)
        if len(messages) == BATCH and self.receivers > 1:
            for future in [self._pool.submit(self._fetch, 0) for _ in range(self.receivers - 1)]:
                try:
                    messages += future.result()
                except CloudError:
                    continue
        with self._lock:
            self._held.update((one.receipt, one.sent) for one in messages)
        return messages

    def _fetch(self, seconds: int) -> list[Message]:
        answer = self._call(
            "receive messages",
            lambda: self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=seconds,
                # Both names: AttributeNames is what older endpoints know.
                AttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            ),
        )
        return [_message(one) for one in answer.get("Messages", ())]

    def delete(self, batch: Sequence[Message]) -> list[Message]:
        """Acknowledge messages: they never come again. Returns those that could not be deleted and will come again.

        A part that fails is tried again; a receipt that is no longer valid (visibility ended) is not.
        """
        left = self._in_batches(
            "delete messages", batch, lambda one: {}, lambda entries: self._sqs.delete_message_batch(
                QueueUrl=self.url, Entries=entries
            )
        )  # fmt: skip
        with self._lock:
            for one in batch:
                self._held.pop(one.receipt, None)
        return left

    def extend(self, batch: Sequence[Message], seconds: int) -> list[Message]:
        """Hide messages for ``seconds`` from now, while they are worked on; 0 gives them back at once.

        Returns those for which that failed: they may have come back already.
        """
        hidden = max(0, min(VISIBLE_MOST, seconds))
        left = self._in_batches(
            "extend the visibility of messages", batch, lambda one: {"VisibilityTimeout": hidden},
            lambda entries: self._sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries),
        )  # fmt: skip
        if hidden == 0:
            with self._lock:
                for one in batch:
                    self._held.pop(one.receipt, None)
        return left

    def _in_batches(
        self,
        what: str,
        messages: Iterable[Message],
        extra: Callable[[Message], dict[str, Any]],
        send: Callable[[list[dict[str, Any]]], dict[str, Any]],
    ) -> list[Message]:
        waiting = list({one.receipt: one for one in messages}.values())
        failed: list[Message] = []
        for first in range(0, len(waiting), BATCH):
            part = waiting[first : first + BATCH]
            for attempt in range(ATTEMPTS):
                entries = [{"Id": str(at), "ReceiptHandle": one.receipt} | extra(one) for at, one in enumerate(part)]
                answer = self._call(what, lambda entries=entries: send(entries))  # type: ignore[misc]
                again: list[Message] = []
                for fault in answer.get("Failed", ()):
                    one = part[int(fault["Id"])]
                    lost = fault.get("SenderFault", False) or fault.get("Code") in _EXPIRED
                    (failed if lost and fault.get("Code") not in _PASSING else again).append(one)
                part = again
                if not part:
                    break
                self._pause(attempt)
            failed += part
        return failed

    def attributes(self) -> QueueState:
        """Depth, age and dead letters, for alarms. What may not be asked is a gap, but for the queue's own depth."""
        told = self._call(
            "get the attributes of the queue",
            lambda: self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"]),
        )["Attributes"]
        gaps: list[str] = []
        dead, arn, most = None, None, None
        try:
            policy = json.loads(told.get("RedrivePolicy") or "{}")
            arn = policy.get("deadLetterTargetArn")
            most = int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None
        except (ValueError, AttributeError) as error:
            gaps.append(f"redrive policy: {error}")
        if arn is not None:
            try:
                dead = self._depth(str(arn))
            except CloudError as error:
                gaps.append(f"dead-letter queue: {error}")
        oldest = self._oldest_in_hand()
        try:
            waiting = self._oldest_waiting()
            oldest = max(oldest, waiting) if oldest is not None and waiting is not None else oldest or waiting
        except CloudError as error:
            gaps.append(f"age of the oldest message: {error}")
        return QueueState(
            int(told.get("ApproximateNumberOfMessages", 0)), int(told.get("ApproximateNumberOfMessagesNotVisible", 0)),
            oldest, dead, arn, most, tuple(gaps),
        )  # fmt: skip

    def _depth(self, arn: str) -> int:
        parts = arn.split(":")
        if len(parts) != 6:
            raise CloudError(f"got {arn!r}, expected the ARN of a queue", where=self.url)
        asked = {"QueueName": parts[5]} | ({"QueueOwnerAWSAccountId": parts[4]} if parts[4] else {})
        url = self._call("find the dead-letter queue", lambda: self._sqs.get_queue_url(**asked))["QueueUrl"]
        names = ["ApproximateNumberOfMessages"]
        answer = self._call(
            "get the attributes of the dead-letter queue",
            lambda: self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names),
        )
        return int(answer["Attributes"].get(names[0], 0))

    def _oldest_in_hand(self) -> timedelta | None:
        with self._lock:
            first = min(self._held.values(), default=None)
        return None if first is None else max(timedelta(0), datetime.now(UTC) - first)

    def _oldest_waiting(self) -> timedelta | None:
        """SQS itself does not tell it (SQS Developer Guide, "Available CloudWatch metrics")."""
        now = datetime.now(UTC)
        answer = self._call(
            "get the age of the oldest message",
            lambda: self._watch.get_metric_statistics(
                Namespace="AWS/SQS",
                MetricName="ApproximateAgeOfOldestMessage",
                Dimensions=[{"Name": "QueueName", "Value": self.url.rstrip("/").rpartition("/")[2]}],
                StartTime=now - timedelta(minutes=10),
                EndTime=now,
                Period=60,
                Statistics=["Maximum"],
            ),
        )
        points = answer.get("Datapoints", ())
        newest = max(points, key=lambda point: point["Timestamp"], default=None)
        return None if newest is None else timedelta(seconds=float(newest["Maximum"]))

    def _call(self, what: str, make: Callable[[], T]) -> T:
        """Make a call; what passes by itself (throttling, the network, the service's own faults) is tried again."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        for attempt in range(ATTEMPTS):
            last = attempt == ATTEMPTS - 1
            try:
                return make()
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", ""))
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
                if last or not (code in _PASSING or code.rpartition(".")[2] in _PASSING or status >= 500):
                    hint = "the queue does not exist" if "NonExistentQueue" in code else "check the rights on the queue"
                    raise CloudError(f"could not {what}: {error}", where=self.url, hint=hint) from error
            except (HTTPClientError, ConnectionError) as error:
                if last:
                    raise CloudError(f"could not {what}: {error}", where=self.url, hint="check the network") from error
            except BotoCoreError as error:
                raise CloudError(f"could not {what}: {error}", where=self.url, hint="check the credentials") from error
            self._pause(attempt)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> None:
        self._sleep(min(_LONGEST, _SHORTEST * 2**attempt))


def _message(told: dict[str, Any]) -> Message:
    attributes = told.get("Attributes", {})
    sent = datetime.fromtimestamp(int(attributes.get("SentTimestamp", 0)) / 1000, UTC)
    received = int(attributes.get("ApproximateReceiveCount", 1))
    return Message(told["MessageId"], told["ReceiptHandle"], told.get("Body", ""), sent, received)


def _region_of(url: str) -> str | None:
    """The region in a queue's URL: ``https://sqs.eu-west-1.amazonaws.com/123456789012/name``."""
    parts = url.split("/")[2].split(".") if url.count("/") >= 3 else []
    return parts[1] if len(parts) > 3 and parts[0] == "sqs" else None
