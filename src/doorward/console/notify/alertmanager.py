"""Alertmanager, API v2: ``POST /api/v2/alerts`` to each member of a cluster.

Sources: "Alerts API" (prometheus.io/docs/alerting/latest/alerts_api), the API's own api/v2/openapi.yaml. Labels are the
identity of an alert; an alert without endsAt is taken as resolved a few minutes after it was last sent, and one that an
Alertmanager restart has lost comes back only when it is sent again. Hence: endsAt lies `hold` ahead while it fires, and
the route asks to be sent again (`resend`). A cluster's members do not pass alerts on, so each one is told.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from doorward.console.notify.address import target
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import SEVERITIES, Notice, one_line, plain, shorten
from doorward.console.notify.outcome import Delivered, NotDelivered
from doorward.console.notify.route import Clock, encode, judge, now
from doorward.console.notify.secret import Secret

PATH = "/api/v2/alerts"
RESERVED = frozenset({"alertname", "fingerprint", "severity", "owner", "account", "region"})


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """``urls`` are the members' base URLs. ``hold`` = how long an alert fires on when nothing more is heard of us."""

    name: str
    urls: tuple[str, ...]
    poster: Poster = field(default_factory=Poster)
    user: str = ""
    password: Secret | None = None
    token: Secret | None = None
    hold: timedelta = timedelta(hours=24)
    resend: timedelta | None = timedelta(minutes=1)
    clock: Clock = now

    def check(self) -> None:
        """Reads the URLs and the secrets."""
        for url in self.urls:
            target(url, allow_private=self.poster.guard.allow_private)
        for secret in (self.password, self.token):
            if secret is not None:
                secret.reveal()

    def send(self, notice: Notice) -> Delivered:
        """Tells every member; delivered when one has taken it, since each of them notifies. Says which have not."""
        headers, secrets = self._authorization()
        body = encode(payload(notice, self.clock(), self.hold))
        problems: list[NotDelivered] = []
        for url in self.urls:
            to = target(url.rstrip("/") + PATH, allow_private=self.poster.guard.allow_private)
            try:
                answer = self.poster.post(to, body, headers)
            except NotDelivered as error:
                problems.append(error)
                continue
            if answer.status != 200:
                said = answer.body.decode("utf-8", "replace")
                problems.append(judge(answer, to.origin, secrets, said=said, clock=self.clock))
        note = "; ".join(str(problem) for problem in problems)
        if len(problems) < len(self.urls):
            return Delivered(self.name, f"{len(self.urls) - len(problems)} of {len(self.urls)}", note)
        waits = [problem.after for problem in problems if problem.after is not None]
        raise NotDelivered(note, passing=any(problem.passing for problem in problems),
                           after=max(waits, default=None), where=self.name)  # fmt: skip

    def _authorization(self) -> tuple[dict[str, str], list[str]]:
        if self.token is not None:
            token = self.token.reveal()
            return {"Authorization": f"Bearer {token}"}, [token]
        if self.password is not None:
            password = self.password.reveal()
            pair = base64.b64encode(f"{self.user}:{password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}, [password, pair]
        return {}, []


def payload(notice: Notice, moment: datetime, hold: timedelta) -> list[dict[str, object]]:
    """The request's body, ``postableAlerts`` of the API.

    Severity is a label, because Alertmanager routes by labels; but it may change while the alert fires. So with each
    word after the first the same alert in all other severities is ended: at most one of them is ever open.
    """
    starts = min(notice.starts, moment)
    if notice.over:
        ends = max(starts, min(notice.ends or moment, moment))
    else:
        ends = notice.ends if notice.ends is not None and notice.ends > moment else moment + hold
    link = next((link.url for link in notice.pages), "")
    alert: dict[str, object] = {
        "labels": labels(notice, notice.severity),
        "annotations": _annotations(notice),
        "startsAt": _rfc3339(starts),
        "endsAt": _rfc3339(ends),
    }
    if link:
        alert["generatorURL"] = link
    alerts = [alert]
    if notice.sequence > 0:
        for severity in SEVERITIES:
            if severity != notice.severity:
                alerts.append({"labels": labels(notice, severity), "startsAt": _rfc3339(starts),
                               "endsAt": _rfc3339(moment)})  # fmt: skip
    return alerts


def labels(notice: Notice, severity: str) -> dict[str, str]:
    """The identity: nothing that changes from word to word but the severity. Names as the data model of Prometheus
    admits them; a label that would take a reserved name gets ``x_`` before it."""
    found = {
        "alertname": "Doorward", "fingerprint": notice.fingerprint, "severity": severity, "owner": notice.owner,
        "account": notice.account, "region": notice.region,
    }  # fmt: skip
    for name, value in notice.labels:
        safe_name = _label_name(name)
        found[f"x_{safe_name}" if safe_name in RESERVED else safe_name] = value
    return {name: shorten(one_line(value), 500) for name, value in found.items() if one_line(value)}


def _annotations(notice: Notice) -> dict[str, str]:
    """What a person reads; no identity."""
    found = {
        "summary": shorten(one_line(notice.title), 1000),
        "description": shorten(plain(notice.text), 16_000),
        "status": notice.status,
        "broken": ", ".join(notice.broken),
        "revert": shorten(plain(notice.revert), 8_000),
        "links": "\n".join(f"{one_line(link.text)}: {link.url}" for link in notice.pages),
    }
    return {name: value for name, value in found.items() if value}


def _label_name(name: str) -> str:
    clean = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_"
    return f"_{clean}" if clean[0].isdigit() else clean


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
