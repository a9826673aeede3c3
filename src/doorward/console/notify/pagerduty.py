"""PagerDuty, Events API v2.

Source: PagerDuty/api-schema, reference/events-v2/openapiv3.json ("PagerDuty V2 Events API": actions, required fields,
202/400/429/5xx and which of them to try again) and "Common Event Format (PD-CEF)". An alert is named by ``dedup_key``:
a second trigger with it joins the open alert, so a retry never makes a second incident.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from doorward.console.notify.address import target
from doorward.console.notify.http import Answer, Poster
from doorward.console.notify.notice import Notice, Severity, digest, one_line, plain, shorten
from doorward.console.notify.outcome import Delivered
from doorward.console.notify.route import Clock, encode, judge, now
from doorward.console.notify.secret import Secret

URLS = {"us": "https://events.pagerduty.com/v2/enqueue", "eu": "https://events.eu.pagerduty.com/v2/enqueue"}
SEVERITY: dict[Severity, str] = {
    "critical": "critical", "high": "error", "medium": "warning", "low": "info", "info": "info",
}  # fmt: skip
ACTION = {"firing": "trigger", "updated": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
MAX_SUMMARY = 1024
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """``key`` is the integration's routing key; ``url`` one of `URLS`."""

    name: str
    key: Secret
    url: str = URLS["us"]
    poster: Poster = field(default_factory=Poster)
    resend: timedelta | None = None
    clock: Clock = now

    def check(self) -> None:
        """Reads the URL and the key."""
        target(self.url, allow_private=self.poster.guard.allow_private)
        self.key.reveal()

    def send(self, notice: Notice) -> Delivered:
        """202 is delivered; PagerDuty's own words on a refusal are passed on."""
        key = self.key.reveal()
        to = target(self.url, allow_private=self.poster.guard.allow_private)
        answer = self.poster.post(to, encode(payload(notice, key)), {})
        if answer.status != 202:
            raise judge(answer, self.name, [key], said=_said(answer), clock=self.clock)
        return Delivered(self.name, dedup_key(notice))


def dedup_key(notice: Notice) -> str:
    """The fingerprint, or its digest where it is too long."""
    text = one_line(notice.fingerprint)
    return text if len(text) <= MAX_KEY and text == notice.fingerprint else digest(notice.fingerprint)


def payload(notice: Notice, key: str) -> dict[str, object]:
    """The request's body; acknowledge and resolve need the key and the name alone."""
    event: dict[str, object] = {
        "routing_key": key, "event_action": ACTION[notice.status], "dedup_key": dedup_key(notice),
    }  # fmt: skip
    if event["event_action"] != "trigger":
        return event
    details = {
        "text": shorten(plain(notice.text), 32_000),
        "owner": notice.owner,
        "broken contracts": list(notice.broken),
        "proposed revert": shorten(plain(notice.revert), 16_000),
        **{plain(name): plain(value) for name, value in notice.labels},
    }
    summary = {
        "summary": shorten(one_line(notice.title), MAX_SUMMARY) or "Doorward",
        "severity": SEVERITY[notice.severity],
        "source": one_line(notice.place),
        "timestamp": notice.starts.isoformat(timespec="milliseconds"),
        "component": one_line(notice.owner),
        "group": one_line(notice.account),
        "class": "broken contract" if notice.broken else "change",
        "custom_details": {name: value for name, value in details.items() if value},
    }
    event["payload"] = {name: value for name, value in summary.items() if value}
    event["client"] = "Doorward"
    if notice.pages:
        event["client_url"] = notice.pages[0].url
        event["links"] = [{"href": link.url, "text": one_line(link.text)} for link in notice.pages]
    return event


def _said(answer: Answer) -> str:
    """``message`` and ``errors`` of an answer, when it is the JSON that the API describes."""
    try:
        value: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    errors = value.get("errors")
    parts = [value.get("message"), *(errors if isinstance(errors, list) else [errors])]
    return "; ".join(part for part in parts if isinstance(part, str))
