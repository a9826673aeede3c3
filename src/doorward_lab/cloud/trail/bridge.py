"""EventBridge's part: a record in its envelope, matched with moto's rules, delivered to their SQS queues, in process.

moto's own `put_events` is not used: it drops `account`, demands a numeric `time`, and replaces `<id>` inside the
detail. Sources: Amazon EventBridge User Guide, "AWS service events delivered via AWS CloudTrail" (which read-only
calls come through, and for which rules), "Event structure", "Amazon EventBridge input transformation".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from jsonpath_ng.parser import parse as parse_path
from moto.core.exceptions import ServiceException
from moto.events.models import events_backends
from moto.sqs.models import sqs_backends

from doorward_lab.cloud.trail.record import SENT_READS

Envelope: TypeAlias = dict[str, Any]

DETAIL_TYPE = "AWS API Call via CloudTrail"
LARGEST = 256 * 1024
"""Bytes: larger events match no rule ("Amazon EventBridge quotas")."""

_ALL = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
_READING = ("List", "Get", "Describe")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one event: how many rules matched it, messages put into queues, and what failed, in words."""

    rules: int = 0
    messages: int = 0
    failures: tuple[str, ...] = ()


def envelope(record: Mapping[str, Any]) -> Envelope:
    """The event in which EventBridge delivers a record; its `id` is new, its `time` the record's `eventTime`."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": f"aws.{str(record['eventSource']).removesuffix('.amazonaws.com')}",
        "account": record["recipientAccountId"],
        "time": record["eventTime"],
        "region": record["awsRegion"],
        "resources": [],
        "detail": dict(record),
    }


def deliver(event: Envelope) -> Delivery:
    """Match an event with the rules of its account's and region's default bus and put it into the queues they name.

    A failed target (no such queue, a message that SQS refuses, a kind of target that the lab does not have) is told in
    `failures`; the other targets get the event all the same.
    """
    name = str(event["detail"].get("eventName", ""))
    reading = name.startswith(_READING) and name not in SENT_READS
    if len(json.dumps(event, separators=(",", ":")).encode()) > LARGEST:
        return Delivery(failures=(f"{name}: the event is larger than 256 KiB, EventBridge matches no rule with it",))
    bus = events_backends[event["account"]][event["region"]].event_buses["default"]
    matched = sent = 0
    failures = []
    for rule in list(bus.rules.values()):
        if rule.state != _ALL and (rule.state != "ENABLED" or reading):
            continue
        if not rule.event_pattern.get_pattern() or not rule.event_pattern.matches_event(cast(Any, event)):
            continue
        matched += 1
        for target in list(rule.targets):
            problem = _put(target, event)
            sent += problem is None
            if problem is not None:
                failures.append(f"rule {rule.name}, target {target['Id']}: {problem}")
    return Delivery(matched, sent, tuple(failures))


def _put(target: Mapping[str, Any], event: Envelope) -> str | None:
    arn = str(target["Arn"])
    _, _, service, region, account, queue = arn.split(":", 5)
    if service != "sqs":
        return f"got a target of {service} ({arn}), the lab delivers to SQS queues only"
    try:
        sqs_backends[account][region].send_message(
            queue_name=queue,
            message_body=body(target, event),
            group_id=target.get("SqsParameters", {}).get("MessageGroupId"),
        )
    except ServiceException as error:
        return f"{arn}: {error}"
    return None


def body(target: Mapping[str, Any], event: Envelope) -> str:
    """The text that a target gets: its `Input`, what its `InputPath` finds, its template filled in, or the event."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        return json.dumps(_find(target["InputPath"], event), separators=(",", ":"))
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event)
    return json.dumps(event, separators=(",", ":"))


def _transformed(transformer: Mapping[str, Any], event: Envelope) -> str:
    values = {name: _find(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {"aws.events.event": event, "aws.events.event.json": event}
    template = str(transformer["InputTemplate"])
    out: list[str] = []
    at, quoted = 0, False
    while at < len(template):
        sign = template[at]
        end = template.find(">", at)
        name = template[at + 1 : end] if sign == "<" and end > 0 else None
        if name in values:
            found = values[name]
            plain = found if isinstance(found, str) else json.dumps(found, separators=(",", ":"))
            # Inside quotes the value becomes part of a text; outside, a text brings its own quotes.
            out.append(json.dumps(plain)[1:-1] if quoted else json.dumps(found, separators=(",", ":")))
            at = end + 1
            continue
        if sign == "\\":
            out.append(template[at : at + 2])
            at += 2
            continue
        quoted ^= sign == '"'
        out.append(sign)
        at += 1
    return "".join(out)


def _find(path: str, event: Envelope) -> Any:
    found = _parsed(path).find(event)
    return found[0].value if found else None


@lru_cache(maxsize=256)
def _parsed(path: str) -> Any:
    return parse_path(path)
