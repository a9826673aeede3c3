"""Slack: judged by the limits of "Block Kit" and by "Formatting message text"."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.http import Poster
from doorward.console.notify.notice import SEVERITIES, STATUSES, Link
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.secret import Secret
from doorward.console.notify.slack import Slack, escaped, fenced, payload
from tests.console.notify.servers import notice, receiver

URLS = ["https://a.example/x|y", "javascript:alert(1)", "https://a/<!channel>"]
NASTY = st.text(st.sampled_from("<>&|`*_~!@#\n\u2028\x00é😀ab "), max_size=300)


def texts(value: Any) -> list[str]:
    """All marked-up texts of a payload."""
    if isinstance(value, dict):
        own = [value["text"]] if value.get("type") == "mrkdwn" else []
        return own + [text for part in value.values() for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list) else []


def judge(body: dict[str, Any]) -> None:
    """Limits of each block, and of all."""
    assert 0 < len(body["text"]) <= 4_000
    assert 0 < len(body["blocks"]) <= 50
    assert len(json.dumps(body["blocks"], ensure_ascii=False)) <= 13_000
    for block in body["blocks"]:
        match block["type"]:
            case "header":
                assert "plain_text" == block["text"]["type"]
                assert 0 < len(block["text"]["text"]) <= 150
            case "section":
                assert len(block.get("text", {"text": "x"})["text"]) <= 3_000
                assert len(block.get("fields", [])) <= 10
                assert all(0 < len(field["text"]) <= 2_000 for field in block.get("fields", []))
            case "context":
                assert 0 < len(block["elements"]) <= 10
            case _:
                raise AssertionError(block)
    for text in [body["text"], *texts(body["blocks"])]:
        # What is left between < and > is a link of ours: no mention (<!channel>, <@U1>) and no channel (<#C1>).
        for inner in re.findall(r"<([^>]*)>", text):
            assert inner.startswith(("https://", "http://"))
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        assert 0 == text.count("```") % 2


@given(
    st.sampled_from(STATUSES), st.sampled_from(SEVERITIES), NASTY, NASTY, NASTY, st.integers(1, 60),
    st.lists(st.tuples(NASTY, st.sampled_from(URLS)), max_size=15),
    st.dictionaries(NASTY, NASTY, max_size=12),
)  # fmt: skip
def test_any_notice_is_a_valid_message(
    status: Any, severity: Any, title: str, text: str, revert: str, times: int, links: list[tuple[str, str]],
    labels: dict[str, str],
) -> None:  # fmt: skip
    """No text pings a channel, breaks out of its block, or makes the message too large."""
    made = notice(status=status, severity=severity, title=title, text=text * times, revert=revert * times,
                  labels=labels, links=tuple(Link(*link) for link in links))  # fmt: skip
    judge(json.loads(json.dumps(payload(made))))


@given(NASTY, st.integers(2, 80))
def test_cut_texts_end_between_escapes(text: str, limit: int) -> None:
    """A cut text is within the limit and holds whole escapes only."""
    cut = escaped(text, limit)
    assert len(cut) <= limit
    assert not re.search(r"&(?!amp;|lt;|gt;)", cut)
    assert "```" not in fenced(text, limit + 8)[3:-3]


def test_all_at_their_longest_still_fit() -> None:
    """Every part at its own limit together stays below what Slack takes, and says that there is more."""
    labels = {f"l{n}": "é" * 1_500 for n in range(9)}
    made = notice(title="é" * 999, text="é" * 9_999, revert="é" * 9_999, labels=labels,
                  links=tuple(Link("é" * 200, "https://a.example/" + "x" * 1_400) for _ in range(20)))  # fmt: skip
    body = json.loads(json.dumps(payload(made)))
    judge(body)
    assert "more in the history" in json.dumps(body["blocks"][-1])


def test_it_says_what_matters_also_without_blocks() -> None:
    """The fallback text has title, status, owner, broken contracts, the diff and the revert."""
    text = str(payload(notice())["text"])
    for words in ("people-can-log-in is broken", "firing", "team-identity", "tcp/443", "authorize sg-1", "Runbook"):
        assert words in text


def test_delivered_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 is delivered; Slack's own word is passed on; 429 and 500 are passing."""
    answers = [(200, {}, b"ok"), (404, {}, b"no_service"), (429, {"Retry-After": "30"}, b"rate_limited"),
               (500, {}, b"rollup_error")]  # fmt: skip
    with receiver(lambda number, _got: answers[number]) as server:
        monkeypatch.setenv("SLACK", server.url + "/services/T0AAAA/B0BBBB/s3cr3tt0k3n")
        route = Slack("chat", Secret("env:SLACK"), Poster(Guard(True)))
        route.check()
        assert "chat" == route.send(notice()).route
        failures = []
        for _ in range(3):
            with pytest.raises(NotDelivered) as caught:
                route.send(notice())
            failures.append((caught.value.passing, caught.value.after, str(caught.value)))
    assert [(False, None), (True, 30.0), (True, None)] == [item[:2] for item in failures]
    assert "no_service" in failures[0][2]
    judge(json.loads(server.got[0].body))
