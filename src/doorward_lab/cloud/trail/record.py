"""One API call → its CloudTrail record (two, where two accounts are told of it).

The fields are those of CloudTrail User Guide, "CloudTrail record contents", in the order in which AWS writes them.
Which words a service's request and answer get is `older`'s, `newer`'s and `camel`'s matter.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC
from typing import Any

from doorward_lab.cloud.call import Call
from doorward_lab.cloud.trail import camel, newer, older, shapes
from doorward_lab.cloud.trail.identity import Identity
from doorward_lab.cloud.trail.style import EVENT_VERSION, Era, Style, flattened, of_2023

Record = dict[str, Any]

_GLOBAL = {"iam": "us-east-1"}  # IAM's events are written in one region only
_HOSTS = {"iam": "iam.amazonaws.com"}
_API_VERSION = {"elasticloadbalancing", "logs", "route53"}  # these records carry `apiVersion`
_RULE_CALLS = ("AuthorizeSecurityGroup", "RevokeSecurityGroup")
# Sessions are handed out by calls that CloudTrail calls read-only, and it logs their answers.
_SESSIONS = {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "GetSessionToken", "GetFederationToken"}
SENT_READS = frozenset({"GetSessionToken", "GetFederationToken"})
"""Calls named like reads that EventBridge gets all the same."""

_READS = _SESSIONS | {"DecodeAuthorizationMessage"}
# Calls on data, of which CloudTrail's management events say nothing (Amazon SQS Developer Guide, "Logging Amazon SQS
# API calls using AWS CloudTrail"; Amazon EventBridge User Guide, same chapter: PutEvents is not logged).
_DATA = {
    ("sqs", "SendMessage"),
    ("sqs", "SendMessageBatch"),
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessage"),
    ("sqs", "DeleteMessageBatch"),
    ("sqs", "ChangeMessageVisibility"),
    ("sqs", "ChangeMessageVisibilityBatch"),
    ("events", "PutEvents"),
    ("monitoring", "PutMetricData"),
    ("monitoring", "GetMetricData"),
}


def reads_only(call: Call) -> bool:
    """The record's `readOnly`."""
    return call.reads_only or call.action in _READS


def records(
    call: Call,
    who: Identity,
    style: Style | None = None,
    *,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> list[Record]:
    """The records of a call, none for a call on data (SQS messages), two for a role assumed across accounts.

    `style` must not be "mixed" (`Style.at`). `new_id` makes event ids.
    """
    if (call.service, call.action) in _DATA or not call.action:
        return []
    style = style or Style()
    era: Era = "2023" if style.era == "2023" else "current"
    record: Record = {
        "eventVersion": EVENT_VERSION[era],
        "userIdentity": who.element(call.access_key, era, call.at),
        "eventTime": f"{call.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.action,
        "awsRegion": _GLOBAL.get(call.service, call.region),
        "sourceIPAddress": who.invoked_by or call.source_address,
        "userAgent": who.invoked_by or call.user_agent,
    }
    if call.error is not None:
        record["errorCode"] = _error_code(call)
        if call.message:
            record["errorMessage"] = call.message
    record["requestParameters"] = _request(call, style)
    record["responseElements"] = _response(call, style)
    record |= {"requestID": call.request_id, "eventID": new_id(), "readOnly": reads_only(call)}
    role = _role(call)
    if role is not None:
        record["resources"] = [{"accountId": role.split(":")[4], "type": "AWS::IAM::Role", "ARN": role}]
    record["eventType"] = "AwsApiCall"
    if call.service in _API_VERSION and call.version:
        record["apiVersion"] = call.version
    record |= {"managementEvent": True, "recipientAccountId": call.account, "eventCategory": "Management"}
    if who.console:
        record["sessionCredentialFromConsole"] = "true"
    elif who.invoked_by is None:
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": _HOSTS.get(call.service, f"{call.service}.{call.region}.amazonaws.com"),
        }
    if role is None or role.split(":")[4] == who.account or call.error is not None:
        return [record]
    return _shared(record, who, role.split(":")[4], new_id)


def _shared(record: Record, who: Identity, owner: str, new_id: Callable[[], str]) -> list[Record]:
    """Copies for the caller's and the role owner's account; the owner sees of the caller the account only.

    CloudTrail User Guide, "CloudTrail record contents": `sharedEventID` identifies events of one action that are sent
    to different accounts; each has its own `eventID`.
    """
    shared = {"sharedEventID": new_id()}
    stranger = {"type": "AWSAccount", "principalId": who.principal, "accountId": who.account}
    copy = {"userIdentity": stranger, "eventID": new_id(), "recipientAccountId": owner}
    return [record | {"recipientAccountId": who.account} | shared, record | copy | shared]


def _role(call: Call) -> str | None:
    role = call.params.get("RoleArn") if call.service == "sts" and call.action.startswith("AssumeRole") else None
    return role if isinstance(role, str) and role.count(":") >= 5 and call.error is None else None


def _error_code(call: Call) -> str:
    assert call.error is not None
    if call.service == "ec2":
        return f"{'Server' if call.status >= 500 else 'Client'}.{call.error}"
    return shapes.error_shape(shapes.model_name(call.service, call.version), call.error)


def _request(call: Call, style: Style) -> dict[str, Any] | None:
    if call.service == "ec2":
        if call.action not in older.CALLS:
            return newer.request(call.action, call.params)
        made = older.request(call.action, call.params)
        return flattened(made) if style.form == "flat" and call.action.startswith(_RULE_CALLS) else made
    if call.service == "sts" and call.error == "AccessDenied":
        return None
    return camel.request(shapes.model_name(call.service, call.version), call.action, call.params)


def _response(call: Call, style: Style) -> dict[str, Any] | None:
    if call.error is not None or (reads_only(call) and call.action not in _SESSIONS):
        return None
    if call.service != "ec2":
        return camel.response(shapes.model_name(call.service, call.version), call.action, call.answer)
    if call.action not in older.CALLS:
        return newer.response(call.action, call.version, call.answer, call.request_id)
    made = older.response(call.action, call.answer, call.request_id)
    return of_2023(call.action, made) if style.era == "2023" else made
