"""Target health as ELBv2 defines it: one pure step per check.

ELB User Guide, "Health checks for Application Load Balancer target groups": a new target must pass one check; a target
turns unhealthy after `unhealthy` failed checks in a row, and healthy again after `healthy` passed ones. When a group
has no healthy target, all its targets get requests (fail open). Not here: sockets (`balancer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from doorward_lab.stack.balancing import Balancer, HealthCheck, Target, TargetGroup

State = Literal["initial", "healthy", "unhealthy"]


@dataclass(frozen=True, slots=True)
class Result:
    """One check: the HTTP status, or None with `reason` timeout or failed (no connection, or no HTTP)."""

    status: int | None
    reason: Literal["", "timeout", "failed"] = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A target's state, what the last check said, and how many checks in a row spoke against the state."""

    state: State = "initial"
    against: int = 0
    last: Result | None = None


def step(health: Health, result: Result, check: HealthCheck) -> Health:
    """The health after one more check."""
    passed = result.status is not None and check.accepts(result.status)
    if (health.state == "healthy" and passed) or (health.state == "unhealthy" and not passed):
        return Health(health.state, 0, result)
    if health.state == "initial" and passed:
        return Health("healthy", 0, result)
    against = health.against + 1
    if against >= (check.unhealthy if not passed else check.healthy):
        return Health("unhealthy" if not passed else "healthy", 0, result)
    return replace(health, against=against, last=result)


Key = tuple[str, str, int]  # target group's ARN, target's id, port


def key(group: TargetGroup, target: Target) -> Key:
    """What a target is known by in a table of health."""
    return group.arn, target.id, target.port


def routed(group: TargetGroup, table: Mapping[Key, Health]) -> tuple[Target, ...]:
    """The targets that get requests: the healthy ones, or all when there are none."""
    healthy = tuple(t for t in group.targets if table.get(key(group, t), Health()).state == "healthy")
    return healthy or group.targets


def describe(balancer: Balancer, table: Mapping[Key, Health]) -> list[dict[str, object]]:
    """What DescribeTargetHealth says of each target: TargetHealthDescriptions by group ARN, flattened."""
    used = balancer.used()
    return [
        {
            "TargetGroupArn": group.arn,
            "Target": {"Id": target.id, "Port": target.port},
            "HealthCheckPort": str(group.check.port or target.port),
            "TargetHealth": _words(group, table.get(key(group, target), Health()), group.arn in used),
        }
        for group in balancer.groups
        for target in group.targets
    ]


def _words(group: TargetGroup, health: Health, used: bool) -> dict[str, str]:
    """ELBv2 API Reference, TargetHealth: state, reason, description."""
    if not used:
        return {
            "State": "unused",
            "Reason": "Target.NotInUse",
            "Description": "Target group is not configured to receive traffic from the load balancer",
        }
    if health.state == "healthy":
        return {"State": "healthy"}
    last = health.last
    if last is None:
        return {
            "State": "initial",
            "Reason": "Elb.RegistrationInProgress",
            "Description": "Target registration is in progress",
        }
    if health.state == "initial":
        return {
            "State": "initial",
            "Reason": "Elb.InitialHealthChecking",
            "Description": "Initial health checks in progress",
        }
    if last.status is not None and not group.check.accepts(last.status):
        return {
            "State": "unhealthy",
            "Reason": "Target.ResponseCodeMismatch",
            "Description": f"Health checks failed with these codes: [{last.status}]",
        }
    if last.reason == "timeout":
        return {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"}
    return {"State": "unhealthy", "Reason": "Target.FailedHealthChecks", "Description": "Health checks failed"}


def counts(descriptions: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], int]:
    """How many targets of each group are in each state: (group ARN, state) → number."""
    found: dict[tuple[str, str], int] = {}
    for item in descriptions:
        words = item["TargetHealth"]
        assert isinstance(words, dict)
        at = str(item["TargetGroupArn"]), str(words["State"])
        found[at] = found.get(at, 0) + 1
    return found
