"""PagerDuty: judged by PagerDuty/api-schema, reference/events-v2/openapiv3.json."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import SEVERITIES, STATUSES, one_line
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.pagerduty import PagerDuty, payload
from doorward.console.notify.secret import HIDDEN, Secret
from tests.console.notify.servers import Reply, notice, receiver

KEY = "0123456789abcdef0123456789abcdef"
OK: Reply = (202, {}, b'{"status":"success","message":"Event processed","dedup_key":"x"}')


def judge(event: dict[str, Any]) -> None:
    """The schema's properties, required fields and enumerations, and the limits of the Common Event Format."""
    assert set(event) <= {
        "payload",
        "routing_key",
        "event_action",
        "dedup_key",
        "client",
        "client_url",
        "links",
        "images",
    }
    assert event["routing_key"]
    assert event["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 0 < len(event["dedup_key"]) <= 255
    if event["event_action"] == "trigger":
        body = event["payload"]
        assert {"summary", "severity", "source"} <= set(body)
        assert set(body) <= {
            "summary",
            "timestamp",
            "severity",
            "source",
            "component",
            "group",
            "class",
            "custom_details",
        }
        assert body["severity"] in ("critical", "warning", "error", "info")
        assert 0 < len(body["summary"]) <= 1024
        assert body["source"]
        datetime.fromisoformat(body["timestamp"])
        assert all(link["href"] for link in event.get("links", []))


@given(
    st.sampled_from(STATUSES),
    st.sampled_from(SEVERITIES),
    st.text(max_size=2000),
    st.text(min_size=1, max_size=400).filter(one_line),
)
def test_any_notice_is_a_valid_event(status: Any, severity: Any, title: str, fingerprint: str) -> None:
    """Whatever a notice holds, its event fits the schema and stays below PagerDuty's 512 kB."""
    made = notice(status=status, severity=severity, title=title, fingerprint=fingerprint, text="ü" * 300_000, ends=True)
    event = payload(made, KEY)
    judge(json.loads(json.dumps(event)))
    assert len(json.dumps(event, ensure_ascii=False).encode()) < 512_000


def test_one_incident_from_first_word_to_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trigger, a retry of it, update, acknowledge, resolve: one dedup_key, so one incident."""
    monkeypatch.setenv("PD", KEY)
    with receiver(OK) as server:
        route = PagerDuty("pager", Secret("env:PD"), server.url, Poster(Guard(True)))
        route.check()
        for made in (notice(), notice(), notice(status="updated", sequence=1),
                     notice(status="acknowledged", sequence=2), notice(status="resolved", sequence=3)):  # fmt: skip
            route.send(made)
    events = [json.loads(got.body) for got in server.got]
    for event in events:
        judge(event)
    assert ["trigger", "trigger", "trigger", "acknowledge", "resolve"] == [event["event_action"] for event in events]
    assert {"4b1f0c99"} == {event["dedup_key"] for event in events}
    assert "error" == payload(notice(severity="high"), KEY)["payload"]["severity"]  # type: ignore[index]


@pytest.mark.parametrize(("status", "passing"), [(400, False), (429, True), (500, True), (503, True), (200, False)])
def test_the_documented_answers(status: int, passing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """400: no retry, and PagerDuty's own words; 429 and 5xx: retry ("API Response Codes & Retry Logic")."""
    monkeypatch.setenv("PD", KEY)
    said = b'{"status":"invalid event","message":"Event object is invalid","errors":["summary is missing"]}'
    with receiver((status, {}, said)) as server, pytest.raises(NotDelivered, match="summary is missing") as caught:
        PagerDuty("pager", Secret("env:PD"), server.url, Poster(Guard(True))).send(notice())
    assert passing is caught.value.passing


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"[" * 16_000, b'{"errors": 3, "message": {}}', b"\xff"])
def test_odd_answers_say_nothing(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is not the documented JSON adds no words, and breaks nothing."""
    monkeypatch.setenv("PD", KEY)
    with receiver((400, {}, body)) as server, pytest.raises(NotDelivered) as caught:
        PagerDuty("pager", Secret("env:PD"), server.url, Poster(Guard(True))).send(notice())
    assert "pager: HTTP 400 Bad Request" == str(caught.value)


def test_a_key_that_comes_back_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that quotes the routing key is not passed on."""
    monkeypatch.setenv("PD", KEY)
    said = json.dumps({"message": "bad", "errors": [f"'{KEY[:20]}…' is unknown"]}).encode()
    with receiver((400, {}, said)) as server, pytest.raises(NotDelivered) as caught:
        PagerDuty("pager", Secret("env:PD"), server.url, Poster(Guard(True))).send(notice())
    assert HIDDEN in str(caught.value)
    assert KEY[:9] not in str(caught.value)
