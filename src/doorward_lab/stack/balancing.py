"""What a load balancer is told: listeners, rules, target groups, targets, in the words of the ELBv2 API.

Lives here: the values, and the reading of them from ELBv2's describe answers. Not here: nginx, health (`health`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from doorward_lab.errors import BadScene

ANY_PATH = "/*"


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registered target. `id` is what was registered (i-…, an address); `address` where it is reached."""

    id: str
    address: str
    port: int


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target group's check; defaults are those of ELBv2 API Reference, CreateTargetGroup. Times in seconds."""

    path: str = "/"
    port: int | None = None  # None: traffic-port
    interval: float = 30.0
    timeout: float = 5.0
    healthy: int = 5
    unhealthy: int = 2
    matcher: str = "200"

    def accepts(self, status: int) -> bool:
        """Whether the matcher ("200", "200,202", "200-299") takes this HTTP status."""
        for part in self.matcher.split(","):
            first, _, last = part.strip().partition("-")
            if int(first) <= status <= int(last or first):
                return True
        return False


class TargetGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A target group of HTTP targets."""

    arn: str
    name: str
    targets: tuple[Target, ...] = ()
    check: HealthCheck = HealthCheck()


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule does: `forward` to a target group's ARN, `redirect` to HTTPS, or a `fixed` status."""

    kind: Literal["forward", "redirect", "fixed"]
    group: str = ""
    status: int = 301
    port: int = 443
    body: str = ""


class ListenerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule by path patterns (`*` and `?`); rules are asked in the order of their list (by priority)."""

    paths: tuple[str, ...]
    action: Action


class Listener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listener."""

    port: int
    protocol: Literal["HTTP", "HTTPS"]
    default: Action
    rules: tuple[ListenerRule, ...] = ()


class Balancer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A load balancer. Timeouts in seconds, as an Application Load Balancer has them.

    ELB User Guide, Application Load Balancers: connection idle timeout 60 s by default; "The load balancer failed to
    establish a connection to the target before the connection timeout expired (10 seconds)" is HTTP 504.
    `keepalive` is the number of idle connections to targets that are kept, each for `keepalive_time` at most; 0: each
    request makes its own connection.
    """

    listeners: tuple[Listener, ...] = ()
    groups: tuple[TargetGroup, ...] = ()
    idle_timeout: float = 60.0
    connect_timeout: float = 10.0
    keepalive: int = 0
    keepalive_time: float = 3600.0

    def group(self, arn: str) -> TargetGroup | None:
        """The target group of this ARN."""
        return next((g for g in self.groups if g.arn == arn), None)

    def used(self) -> set[str]:
        """The ARNs of the groups that a listener forwards to; targets of others are `unused`."""
        actions = [a for x in self.listeners for a in (x.default, *(r.action for r in x.rules))]
        return {a.group for a in actions if a.kind == "forward"}


def from_describe(
    listeners: Iterable[Mapping[str, Any]],
    rules: Mapping[str, Iterable[Mapping[str, Any]]],
    groups: Iterable[Mapping[str, Any]],
    targets: Mapping[str, Iterable[Target]],
    *,
    attributes: Iterable[Mapping[str, str]] = (),
    keepalive: int = 0,
    keepalive_time: float = 3600.0,
) -> Balancer:
    """The load balancer of these answers: DescribeListeners, DescribeRules by listener ARN, DescribeTargetGroups.

    `targets` is by target-group ARN, with their addresses found (instances by their interface). Raises `BadScene` for
    what the lab's load balancer cannot do: other protocols, conditions other than path-pattern, several groups.
    """
    idle = {a["Key"]: a["Value"] for a in attributes}.get("idle_timeout.timeout_seconds", "60")
    return Balancer(
        listeners=tuple(_listener(x, rules.get(x["ListenerArn"], ())) for x in listeners),
        groups=tuple(_group(g, tuple(targets.get(g["TargetGroupArn"], ()))) for g in groups),
        idle_timeout=float(idle),
        keepalive=keepalive,
        keepalive_time=keepalive_time,
    )


def _listener(raw: Mapping[str, Any], rules: Iterable[Mapping[str, Any]]) -> Listener:
    if raw.get("Protocol") not in ("HTTP", "HTTPS"):
        raise BadScene(f"{raw['ListenerArn']} speaks {raw.get('Protocol')}; the lab's load balancer speaks HTTP, HTTPS")
    ordered = sorted((r for r in rules if not r.get("IsDefault")), key=lambda r: int(r["Priority"]))
    return Listener(
        port=raw["Port"],
        protocol=raw["Protocol"],
        default=_action(raw["DefaultActions"]),
        rules=tuple(ListenerRule(paths=_paths(r), action=_action(r["Actions"])) for r in ordered),
    )


def _paths(rule: Mapping[str, Any]) -> tuple[str, ...]:
    paths: list[str] = []
    for condition in rule.get("Conditions", ()):
        if condition.get("Field") != "path-pattern":
            raise BadScene(f"{rule['RuleArn']} asks for {condition.get('Field')}; expected path-pattern only")
        paths += condition.get("Values") or condition.get("PathPatternConfig", {}).get("Values", ())
    return tuple(paths) or (ANY_PATH,)


def _action(raw: Iterable[Mapping[str, Any]]) -> Action:
    action = max(raw, key=lambda a: a.get("Order", 1))  # the last one answers; those before authenticate
    kind = action["Type"]
    if kind == "forward":
        groups = action.get("ForwardConfig", {}).get("TargetGroups", ())
        if len(groups) > 1:
            raise BadScene("a listener forwards to several target groups; the lab's load balancer forwards to one")
        return Action(kind="forward", group=action.get("TargetGroupArn") or groups[0]["TargetGroupArn"])
    if kind == "redirect":
        config = action.get("RedirectConfig", {})
        port = str(config.get("Port", "443"))
        return Action(
            kind="redirect",
            status=301 if config.get("StatusCode", "HTTP_301") == "HTTP_301" else 302,
            port=int(port) if port.isdigit() else 443,
        )
    if kind == "fixed-response":
        config = action["FixedResponseConfig"]
        return Action(kind="fixed", status=int(config["StatusCode"]), body=config.get("MessageBody", ""))
    raise BadScene(f"a listener's action is {kind}; expected forward, redirect or fixed-response")


def _group(raw: Mapping[str, Any], targets: tuple[Target, ...]) -> TargetGroup:
    if raw.get("Protocol") != "HTTP":
        raise BadScene(f"target group {raw['TargetGroupName']} speaks {raw.get('Protocol')}; expected HTTP")
    port = str(raw.get("HealthCheckPort", "traffic-port"))
    matcher = raw.get("Matcher", {}).get("HttpCode", "200")
    if not re.fullmatch(r"\d{3}(-\d{3})?(,\d{3}(-\d{3})?)*", matcher):
        raise BadScene(f"target group {raw['TargetGroupName']} matches {matcher!r}; expected codes such as 200,300-399")
    return TargetGroup(
        arn=raw["TargetGroupArn"],
        name=raw["TargetGroupName"],
        targets=targets,
        check=HealthCheck(
            path=raw.get("HealthCheckPath", "/"),
            port=int(port) if port.isdigit() else None,
            interval=float(raw.get("HealthCheckIntervalSeconds", 30)),
            timeout=float(raw.get("HealthCheckTimeoutSeconds", 5)),
            healthy=int(raw.get("HealthyThresholdCount", 5)),
            unhealthy=int(raw.get("UnhealthyThresholdCount", 2)),
            matcher=matcher,
        ),
    )
