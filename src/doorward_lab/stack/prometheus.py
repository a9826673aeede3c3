"""Prometheus' and Alertmanager's configuration: pure functions from what is to be scraped to YAML text.

Lives here: scrape jobs, the alert rules of the lab, routing to a webhook. Not here: the processes (`monitor`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from doorward_lab.stack.nginx import host

_WINDOW = "5s"  # with a scrape each second: the shortest over which a rate is steady
_LOGINS = 'class=~"login|refresh|token"'
_USER_LOGINS = 'kind=~"login|refresh|service"'
_FINE = 'outcome!~"ok|wrong-password"'


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to scrape under one job name: (instance's name, address, port) each."""

    name: str
    instances: tuple[tuple[str, str, int], ...]


def scrape(jobs: Sequence[Job], *, seconds: float, rules: str, alertmanager: tuple[str, int] | None) -> str:
    """prometheus.yml. Each target is labelled `host` with its name."""
    interval = f"{int(seconds * 1000)}ms"
    config: dict[str, Any] = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [rules],
        "scrape_configs": [
            {
                "job_name": job.name,
                "static_configs": [
                    {"targets": [f"{host(address)}:{port}"], "labels": {"host": name}}
                    for name, address, port in job.instances
                ],
            }
            for job in jobs
        ],
    }
    if alertmanager is not None:
        address, port = alertmanager
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"{host(address)}:{port}"]}]}]}
    return yaml.safe_dump(config, sort_keys=False)


def rules() -> str:
    """The lab's rules: what an operator would have before Doorward came, a basic alert on the symptom among them."""
    errors = f'sum(rate(edge_requests_total{{{_LOGINS},code=~"5..|460"}}[{_WINDOW}]))'
    everything = f"sum(rate(edge_requests_total{{{_LOGINS}}}[{_WINDOW}]))"
    unhappy = f"sum(rate(users_requests_total{{{_USER_LOGINS},{_FINE}}}[{_WINDOW}]))"
    acts = f"sum(rate(users_requests_total{{{_USER_LOGINS}}}[{_WINDOW}]))"
    groups = [
        {
            "name": "login",
            "rules": [
                {"record": "edge:login_errors:ratio", "expr": f"({errors} or vector(0)) / ({everything} > 0)"},
                {"record": "users:login_errors:ratio", "expr": f"({unhappy} or vector(0)) / ({acts} > 0)"},
                _alert(
                    "LoginErrors",
                    "edge:login_errors:ratio > 0.01",
                    "More than 1 % of logins fail at the load balancer",
                    severity="page",
                ),
                _alert(
                    "UsersCannotLogIn",
                    "users:login_errors:ratio > 0.01",
                    "More than 1 % of logins fail as users see them",
                    severity="page",
                ),
                _alert(
                    "LoginSlow",
                    f"histogram_quantile(0.95, sum by (le) (rate(edge_request_seconds_bucket{{{_LOGINS}}}[10s]))) > 2",
                    "The slowest 5 % of logins take more than 2 s",
                ),
            ],
        },
        {
            "name": "parts",
            "rules": [
                _alert("Down", "up == 0", "{{ $labels.host }} is not scraped", wait="3s"),
                _alert("TargetsUnhealthy", 'edge_targets{state="unhealthy"} > 0', "Targets are unhealthy", wait="3s"),
                _alert("DatabaseDown", "pg_up == 0", "PostgreSQL does not answer", wait="2s"),
                _alert(
                    "DatabaseConnections",
                    "sum(pg_stat_activity_count) / max(pg_settings_max_connections) > 0.8",
                    "PostgreSQL is nearly out of connections",
                    wait="3s",
                ),
                _alert("DatabaseLocks", "pg_locks_waiting > 3", "Sessions wait for locks", wait="3s"),
                _alert(
                    "CertificateEnds",
                    "edge_certificate_expires_seconds - time() < 7 * 86400",
                    "The certificate ends within 7 days, or has ended",
                ),
                _alert("ClockOff", "abs(clock_seconds - time()) > 15", "The clock of {{ $labels.host }} is off"),
            ],
        },
    ]
    return yaml.safe_dump({"groups": groups}, sort_keys=False)


def _alert(name: str, expression: str, summary: str, *, wait: str = "0s", severity: str = "warn") -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


def routing(webhook: str | None) -> str:
    """alertmanager.yml: everything goes to the webhook at once, if there is one."""
    receiver: dict[str, Any] = {"name": "webhook"}
    if webhook:
        receiver["webhook_configs"] = [{"url": webhook, "send_resolved": True}]
    config = {
        "route": {
            "receiver": "webhook",
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [receiver],
    }
    return yaml.safe_dump(config, sort_keys=False)
