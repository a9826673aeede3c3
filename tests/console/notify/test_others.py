"""Apprise: in a process of its own, guarded, and optional."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

from doorward.console.notify.others import INSTALL, Others, message
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.secret import Secret
from doorward.errors import InvalidInput
from tests.console.notify.servers import Got, Reply, notice, receiver

needs_apprise = pytest.mark.skipif(importlib.util.find_spec("apprise") is None, reason="apprise is not installed")


@needs_apprise
def test_apprise_delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON service of Apprise's gets title, text and revert; the URL comes from the environment."""
    with receiver() as server:
        monkeypatch.setenv("APPRISE", f"json://localhost:{server.port}/hook")
        route = Others("chat", Secret("env:APPRISE"), allow_private=True)
        route.check()
        told = route.send(notice())
    assert "chat" == told.route
    value = json.loads(server.got[0].body)
    assert value["title"].startswith("FIRING people-can-log-in")
    assert "authorize sg-1" in value["message"]


@needs_apprise
def test_apprise_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback without leave, metadata in any case, and a redirect to metadata: no connection, and it is said."""

    def redirect(_number: int, _got: Got) -> Reply:
        return 302, {"Location": "http://169.254.169.254/latest/meta-data/"}, b""

    with receiver() as server:
        monkeypatch.setenv("APPRISE", f"json://localhost:{server.port}/")
        with pytest.raises(NotDelivered, match="not public") as caught:
            Others("chat", Secret("env:APPRISE")).send(notice())
        assert ([], False) == (server.got, caught.value.passing)
    monkeypatch.setenv("APPRISE", "json://169.254.169.254/")
    with pytest.raises(NotDelivered, match="not public"):
        Others("chat", Secret("env:APPRISE"), allow_private=True).send(notice())
    with receiver(redirect) as server:
        monkeypatch.setenv("APPRISE", f"json://localhost:{server.port}/?redirect=yes")
        with pytest.raises(NotDelivered):
            Others("chat", Secret("env:APPRISE"), allow_private=True).send(notice())


@needs_apprise
def test_apprise_fails_unheard(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A refused message, an unknown service and a slow one: told apart, and no URL is logged or printed."""
    caplog.set_level(1)

    def answers(number: int, _got: Got) -> Reply:
        if number:
            time.sleep(4)
        return 500, {}, b"s3cr3t-in-the-path"

    with receiver(answers) as server:
        monkeypatch.setenv("APPRISE", f"json://localhost:{server.port}/s3cr3t-in-the-path")
        with pytest.raises(NotDelivered, match="did not take it") as refused:
            Others("chat", Secret("env:APPRISE"), allow_private=True).send(notice())
        with pytest.raises(NotDelivered, match="in time") as late:
            Others("chat", Secret("env:APPRISE"), allow_private=True, seconds=2.5).send(notice())
    monkeypatch.setenv("APPRISE", "s3cr3t-in-the-path")
    with pytest.raises(NotDelivered, match="does not know") as unknown:
        Others("chat", Secret("env:APPRISE")).send(notice())
    assert (True, True, False) == tuple(error.value.passing for error in (refused, late, unknown))
    told = caplog.text + "".join(capfd.readouterr()) + "".join(repr(error.value) for error in (refused, late, unknown))
    assert "s3cr3t" not in told


def test_without_apprise_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where Apprise is absent, checking and sending say which extra to install; nothing else needs it."""
    monkeypatch.setenv("APPRISE", "json://localhost/")
    (tmp_path / "apprise.py").write_text("raise ImportError('absent')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(NotDelivered) as caught:
        Others("chat", Secret("env:APPRISE")).send(notice())
    assert (False, True) == (caught.value.passing, INSTALL in str(caught.value))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InvalidInput) as invalid:
        Others("chat", Secret("env:APPRISE")).check()
    assert INSTALL in str(invalid.value)
    assert "apprise" not in sys.modules


def test_the_end_reads_as_success() -> None:
    """A resolved notice is a success in Apprise's words."""
    assert ("success", "failure") == (message(notice(status="resolved"))["type"], message(notice())["type"])
