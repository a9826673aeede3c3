"""Records for tests: what CloudTrail writes around parameters and answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doorward.model.change import Change, Key, Kind, Place, RuleFact
from doorward.readers.cloudtrail import KNOWS_NOTHING, KnowsNothing, Lookup, read

LEARNED = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
PLACE = Place("123456789012", "eu-west-1")
GROUP = "sg-0123456789abcdef0"
RULE = "sgr-0123456789abcdef0"
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "cloudtrail" / "CloudTrail"
"""The public data set, beside the repository; tests skip where it is absent."""


def key(kind: Kind, id: str) -> Key:
    """A key in the tests' place."""
    return Key(PLACE, kind, id)


def record(name: str, request: Any = None, response: Any = None, source: str = "ec2", **more: Any) -> dict[str, Any]:
    """A record of a call; ``more`` replaces or adds fields."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann", "accountId": PLACE.account},
        "eventTime": "2026-03-01T12:00:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": PLACE.region,
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": request,
        "responseElements": response,
        "requestID": "11111111-2222-4333-8444-555555555555",
        "eventID": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "recipientAccountId": PLACE.account,
    } | more


def change(made: dict[str, Any], lookup: Lookup = KNOWS_NOTHING) -> Change:
    """The change of a record that can be read."""
    found = read(json.dumps(made), LEARNED, lookup)
    assert isinstance(found, Change), found
    return found


def effects(name: str, request: Any = None, response: Any = None, source: str = "ec2", **more: Any) -> list[Any]:
    """The effects of a call; ``lookup`` among ``more`` answers for the documents."""
    lookup = more.pop("lookup", KNOWS_NOTHING)
    return list(change(record(name, request, response, source, **more), lookup).effects)


class Documents(KnowsNothing):
    """A lookup with a few answers."""

    def __init__(
        self,
        groups: dict[str, str] | None = None,
        rules: dict[str, RuleFact] | None = None,
        held: dict[tuple[str, str, str], Sequence[str]] | None = None,
        ipv6: bool | None = None,
    ) -> None:
        self.groups, self.rules, self.held, self.ipv6 = groups or {}, rules or {}, held or {}, ipv6

    def group(self, place: Place, name: str, vpc: str | None) -> str | None:
        return self.groups.get(name)

    def rule(self, place: Place, group: str, id: str) -> RuleFact | None:
        return self.rules.get(id)

    def holders(self, place: Place, kind: Kind, by: str, value: str) -> Sequence[str]:
        return self.held.get((kind, by, value), ())

    def has_ipv6(self, place: Place, vpc: str) -> bool | None:
        return self.ipv6
