"""Secrets: read by reference, never shown. The property: no outcome, log line or exception of any route tells one."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.alertmanager import Alertmanager
from doorward.console.notify.dispatch import Dispatcher
from doorward.console.notify.http import Poster
from doorward.console.notify.mail import Mail
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.pagerduty import PagerDuty
from doorward.console.notify.retry import Retry
from doorward.console.notify.route import Route
from doorward.console.notify.secret import HIDDEN, Secret, reference, safe, tells
from doorward.console.notify.slack import Slack
from doorward.console.notify.table import Table
from doorward.console.notify.webhook import Webhook
from doorward.errors import InvalidInput
from tests.console.notify.servers import Got, Receiver, notice, receiver
from tests.console.notify.test_mail import Box, server

NEAR = Guard(allow_private=True)
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789-_+/=.~"
SECRETS = st.text(ALPHABET, min_size=12, max_size=40).filter(lambda text: len(set(text)) > 5)


def test_a_reference_is_all_that_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """repr and str have the reference; the value comes from where it lies now, so it can be changed while we run."""
    monkeypatch.setenv("KEY", "v4lue-one")
    secret = Secret("env:KEY")
    assert "v4lue-one" == secret.reveal()
    assert "v4lue" not in repr(secret) + str(secret)
    file = tmp_path / "key"
    file.write_text("v4lue-two\n", encoding="utf-8")
    assert "v4lue-two" == reference("file:key", tmp_path).reveal()
    file.write_text("v4lue-three\r\n", encoding="utf-8")
    assert "v4lue-three" == Secret(f"file:{file}").reveal()


@pytest.mark.parametrize("text", ["hunter2-hunter2", "env:", "file:", "vault:x", "ENV:X", ""])
def test_a_secret_in_place_of_a_reference_is_refused_unseen(text: str) -> None:
    """Somebody who writes the secret itself is told so, without repeating it."""
    with pytest.raises(InvalidInput) as caught:
        Secret(text)
    assert "hunter2" not in str(caught.value)


def test_what_cannot_be_a_secret_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Absent, empty, several lines, binary, too long, not a file: refused, without the value in message or chain."""
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("LINES", "t0psecret\nx")
    for name, data in (("binary", b"t0psecret\xff"), ("long", b"t0psecret" * 10_000), ("lines", b"a\nt0psecret\n")):
        (tmp_path / name).write_bytes(data)
    names = ["env:ABSENT_X", "env:EMPTY", "env:LINES", f"file:{tmp_path / 'binary'}", f"file:{tmp_path / 'long'}",
             f"file:{tmp_path / 'lines'}", f"file:{tmp_path}",
             f"file:{tmp_path / 'absent'}", "file:/dev/zero"]  # fmt: skip
    for name in names:
        with pytest.raises(InvalidInput) as caught:
            Secret(name).reveal()
        assert "t0psecret" not in str(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)
        assert name in str(caught.value)


@given(SECRETS, st.sampled_from(["{}", "x{}y", "{}{}"]), st.integers(0, 5))
def test_a_repeated_secret_is_found_in_any_clothes(secret: str, frame: str, form: int) -> None:
    """As it is, percent-encoded, as JSON, in base64, in hexadecimal, in capitals: nothing of such a text is shown."""
    clothed = [
        secret, quote(secret, safe=""), json.dumps(secret), base64.b64encode(f"user:{secret}:x".encode()).decode(),
        secret.encode().hex(), secret.swapcase(),
    ][form]  # fmt: skip
    assert HIDDEN == safe(frame.format(clothed, clothed), [secret])
    assert tells(secret[2:11], [secret])


@given(st.text(max_size=500))
def test_other_words_are_shown_on_one_short_line(text: str) -> None:
    """What tells no secret is shown: one line of at most 200 characters that any terminal takes."""
    shown = safe(text, ["A" * 40])
    assert len(shown) <= 200
    assert "\n" not in shown
    assert shown.isprintable() or all(char.isprintable() or char.isspace() or ord(char) > 126 for char in shown)


def echo(_number: int, got: Got) -> tuple[int, dict[str, str], bytes]:
    """A hostile receiver: repeats all that it was told, everywhere, and as its kind of error."""
    said = "".join(f"{name}={value} " for name, value in got.headers.items()) + got.path + got.body.decode()
    said = "".join(char if " " <= char <= "~" else "?" for char in said)
    body = json.dumps({"message": said, "errors": [said], "status": said}).encode()
    status = 307 if len(got.body) % 2 else 400
    return status, {"Location": "http://127.0.0.1:9" + got.path, "X-Said": said[:4000], "Retry-After": said[:500]}, body


@pytest.fixture(scope="module")
def echoing() -> Iterator[Receiver]:
    """A receiver that repeats all."""
    with receiver(echo) as found:
        yield found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SECRETS)
def test_no_route_tells_its_secret(echoing: Receiver, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    """Each HTTP route against a receiver that repeats all that it hears: outcomes, records, every log line of every
    library at the finest level, representations and exceptions with all that is chained to them have no part of it."""
    caplog.clear()
    caplog.set_level(1)
    os.environ["S_KEY"] = secret
    os.environ["S_URL"] = f"{echoing.url}/services/{quote(secret, safe='')}"
    os.environ["S_HOOK"] = "whsec_" + base64.b64encode(secret.encode() * 2).decode()
    poster = Poster(NEAR)
    key = Secret("env:S_KEY")
    routes: dict[str, Route] = {
        "pager": PagerDuty("pager", key, echoing.url, poster),
        "chat": Slack("chat", Secret("env:S_URL"), poster),
        "hook": Webhook("hook", Secret("env:S_URL"), Secret("env:S_HOOK"), poster=poster),
        "basic": Alertmanager("basic", (echoing.url,), poster, "user", key),
        "token": Alertmanager("token", (echoing.url,), poster, token=key),
    }
    dispatcher = Dispatcher(routes, Table(tuple(routes)))
    told = [repr(routes), repr(dispatcher)]
    for name, route in routes.items():
        for made in (notice(), notice(title="x")):
            outcome = dispatcher.attempt(name, made, 1)
            told += [repr(outcome), json.dumps(outcome.record())]
            with pytest.raises(NotDelivered) as caught:
                route.send(made)
            error: BaseException | None = caught.value
            while error is not None:
                told += [str(error), repr(error), repr(getattr(error, "__dict__", {}))]
                error = error.__cause__ or error.__context__
    told += [record.getMessage() + repr(record.args) + str(record.exc_text) for record in caplog.records]
    everything = "\n".join(told)
    assert not tells(everything, [secret])
    assert not tells(everything, [os.environ["S_HOOK"][6:]])
    assert any(record.name == "doorward.notify" for record in caplog.records)


def test_no_mail_server_is_quoted_with_the_password(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose refusal repeats a password (here: in clear, to a receiver's refusal) is not quoted."""
    caplog.set_level(logging.DEBUG, "doorward")
    monkeypatch.setenv("SMTP", "p4ssw0rd-of-ours")
    box = Box(refuse={"a@example.com": "550 p4ssw0rd-of-ours"})
    with server(box) as port:
        mail = Mail("mail", "127.0.0.1", "d@example.com", ("a@example.com",), port, "none", guard=NEAR)
        failure = mail._failure(
            __import__("smtplib").SMTPAuthenticationError(535, b"p4ssw0rd-of-ours"), "p4ssw0rd-of-ours"
        )
    assert HIDDEN in str(failure)
    assert "p4ssw0rd" not in str(failure) + caplog.text


def test_a_secret_that_goes_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that cannot be read now (it is being changed) is a passing failure, and never an exception."""
    monkeypatch.delenv("GONE", raising=False)
    dispatcher = Dispatcher({"pager": PagerDuty("pager", Secret("env:GONE"))}, Table(("pager",)), Retry(attempts=2))
    assert "later" == dispatcher.attempt("pager", notice(), 1).record()["outcome"]
    assert "failed" == dispatcher.attempt("pager", notice(), 2).record()["outcome"]
    assert ["pager: env:GONE: the environment variable is not set (set GONE for this process)"] == dispatcher.check()
