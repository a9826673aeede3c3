"""One API call, as the wrapper saw it: the word that the wrapper, the trail and the data plane share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Call:
    """A finished API call of any client.

    `params` are the wire's own: for the query protocol (EC2, ELBv2, RDS, STS, IAM) the flat form fields
    (`{"IpPermissions.1.Groups.1.GroupId": "sg-…"}`), for JSON services the decoded object. `answer` is the body that
    the client got, after corrections: XML or JSON. `error` is the API's error code (`InvalidPermission.NotFound`,
    `DryRunOperation`), with `message`, when the call failed.
    """

    service: str  # "ec2", "elasticloadbalancing", "sqs", "events", "rds", …: the signing name
    action: str  # "AuthorizeSecurityGroupIngress"
    version: str  # the API's version as sent ("2016-11-15"), or ""
    region: str
    account: str
    access_key: str
    user_agent: str
    source_address: str
    at: datetime  # UTC, when the call completed
    params: Mapping[str, object]
    status: int
    answer: bytes
    request_id: str
    error: str | None = None
    message: str | None = None

    @property
    def reads_only(self) -> bool:
        """Whether the call's name says that it changes nothing."""
        return self.action.startswith(("Describe", "Get", "List", "Lookup", "Search", "Head"))
