"""What the API's refusals mean for a step: missing right, try again, look again, or final.

Sources: EC2 API Reference, *Error codes for the Amazon EC2 API*; Elastic Load Balancing API Reference, *Common Errors*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

Meaning: TypeAlias = Literal["would succeed", "right missing", "again", "lost", "look", "final"]
"""``again``: it was not done, and may be later. ``lost``: whether it was done is not known. ``look``: what is there is
not what the call expects; only a new description tells. ``final``: refused for good."""

RIGHTS = {
    "UnauthorizedOperation",
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "Client.UnauthorizedOperation",
}
THROTTLED = {
    "RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "RequestThrottledException", "TooManyRequestsException", "EC2ThrottledException", "PriorRequestNotComplete",
    "BandwidthLimitExceeded", "SlowDown",
}  # fmt: skip
FAULTS = {"InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable", "RequestTimeout"}
"""Faults of the server: they may come after the work is done."""
STALE = {
    "InvalidPermission.Duplicate", "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound",
    "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidNetworkInterfaceID.NotFound",
    "InvalidInstanceID.NotFound", "LoadBalancerNotFound", "NetworkAclEntryAlreadyExists", "NetworkAclEntryNotFound",
    "InvalidNetworkAclEntry.NotFound", "InvalidNetworkAclID.NotFound", "RouteAlreadyExists", "InvalidRoute.NotFound",
    "InvalidRouteTableID.NotFound", "InvalidPrefixListID.NotFound", "InvalidPrefixListId.NotFound",
    "PrefixListVersionMismatch", "IncorrectState",
}  # fmt: skip
_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the API in words. ``retried``: boto3 had sent the call more than once, an earlier one may count."""

    meaning: Meaning
    code: str
    text: str
    retried: bool = False


def refusal(error: BotoCoreError | ClientError, action: str) -> Refusal:
    """What an error means. ``action`` is the call as a right (``ec2:RevokeSecurityGroupIngress``)."""
    if not isinstance(error, ClientError):
        lost = isinstance(error, ConnectionError | HTTPClientError)
        return Refusal("lost" if lost else "final", type(error).__name__, f"{action}: {error}")
    answer = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    said = _ENCODED.sub("", str(answer.get("Error", {}).get("Message", ""))).strip()
    retried = int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0
    if code == "DryRunOperation":
        return Refusal("would succeed", code, said)
    if code in RIGHTS:
        return Refusal("right missing", code, f"the right {action} is missing ({code}: {said})")
    text = f"{action}: {code}: {said}"
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in THROTTLED:
        return Refusal("again", code, text, retried)
    if code in FAULTS or status >= 500:
        return Refusal("lost", code, text, retried)
    return Refusal("look" if code in STALE else "final", code, text, retried)
