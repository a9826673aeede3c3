"""How fast records of CloudTrail become changes: `python -m benchmarks.cloudtrail`.

Each record is a message of a queue: an EventBridge envelope around one Authorize or Revoke of one rule, made by one of
fifty sessions, in the shapes of today (answers with rules) and of 2023 (a Revoke without). Ids, addresses and times
differ from record to record; changes are let go of in batches of 100.
The floor decodes the same bytes with msgspec into untyped objects and does nothing more. Rates are medians, by the
processor's time of one process: what others do on the machine matters less so, though shared caches still do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from doorward.model.change import Change
from doorward.readers.cloudtrail import read

MUST, WISH = 10_000, 60_000
BATCH = 100
"""Changes held at a time, as by the daemon."""
START = datetime(2026, 3, 1, tzinfo=UTC)


def message(number: int) -> bytes:
    """The message of one call."""
    account = "123456789012"
    group, rule = f"sg-{number % 997:017x}", f"sgr-{number:017x}"
    cidr = f"10.{number >> 8 & 255}.{number & 255}.0/24"
    port = 1024 + number % 5000
    action = "RevokeSecurityGroupIngress" if number % 2 else "AuthorizeSecurityGroupIngress"
    told = {"groupOwnerId": account, "groupId": group, "securityGroupRuleId": rule, "isEgress": False,
            "ipProtocol": "tcp", "fromPort": port, "toPort": port, "cidrIpv4": cidr}  # fmt: skip
    answer: dict[str, Any] = {"requestId": f"{number:032x}", "_return": True}
    if number % 4 == 1:
        answer["revokedSecurityGroupRuleSet"] = {"items": [told]}
    elif number % 2 == 0:
        answer["securityGroupRuleSet"] = {"items": [told]}
    peers = {"groups": {}, "ipRanges": {"items": [{"cidrIp": cidr}]}, "ipv6Ranges": {}, "prefixListIds": {}}
    permission = {"ipProtocol": "tcp", "fromPort": port, "toPort": port, **peers}
    role = f"arn:aws:iam::{account}:role/deployer-{number % 50}"
    at = f"{START + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}"
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": f"AROAEXAMPLE{number % 50}:session", "accountId": account,
            "arn": f"arn:aws:sts::{account}:assumed-role/deployer-{number % 50}/session", "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": role, "accountId": account},
                "attributes": {"creationDate": "2026-03-01T00:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": at, "eventSource": "ec2.amazonaws.com", "eventName": action, "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2.15.0 Python/3.11.6 Linux/6.5 exe/x86_64",
        "requestParameters": {"groupId": group, "ipPermissions": {"items": [permission]}}, "responseElements": answer,
        "requestID": f"{number:032x}", "eventID": f"{number:08x}-0000-4000-8000-{number:012x}", "readOnly": False,
        "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": account,
        "eventCategory": "Management",
    }  # fmt: skip
    envelope = {
        "version": "0", "id": f"{number:032x}", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": account, "time": at, "region": "eu-west-1", "resources": [], "detail": detail,
    }  # fmt: skip
    return json.dumps(envelope, separators=(",", ":")).encode()


def measure(count: int, rounds: int) -> dict[str, float]:
    """Records per second of processor time: medians of rounds that each take the floor, then the reader."""
    messages = [message(number) for number in range(count)]
    learned = datetime.now(UTC)
    bare = msgspec.json.Decoder().decode
    floors, reads = [], []
    for _ in range(rounds):
        start = time.process_time()
        for one in messages:
            bare(one)
        middle = time.process_time()
        told = 0
        for first in range(0, count, BATCH):
            for change in [read(one, learned) for one in messages[first : first + BATCH]]:
                told += isinstance(change, Change) and len(change.effects)
        end = time.process_time()
        if told != count:
            raise SystemExit(f"{count} records were read as {told} effects, expected one each")
        floors.append(count / (middle - start))
        reads.append(count / (end - middle))
    ratios = [read / floor for read, floor in zip(reads, floors, strict=True)]
    return {
        "records": count,
        "bytes_each": round(statistics.fmean(map(len, messages))),
        "floor_per_second": round(statistics.median(floors)),
        "read_per_second": round(statistics.median(reads)),
        "read_per_second_best": round(max(reads)),
        "ratio": round(statistics.median(ratios), 3),
        "must": MUST,
        "wish": WISH,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    result = measure(given.count, given.rounds)
    print(json.dumps(result))
    raise SystemExit(result["read_per_second"] < MUST)
