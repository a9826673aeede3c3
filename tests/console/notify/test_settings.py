"""Settings: what is taken, what is refused with its place and without its value; the dispatcher that comes of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.alertmanager import Alertmanager
from doorward.console.notify.mail import Mail
from doorward.console.notify.outcome import Delivered, Failed, Later
from doorward.console.notify.settings import build, parse, read
from doorward.errors import DoorwardError, InvalidInput, Unreadable
from tests.console.notify.servers import Got, Reply, notice, receiver

ROOT = Path(__file__).resolve().parents[3]
FULL = """
version: 1
routes:
  am:
    kind: alertmanager
    urls: [http://127.0.0.1:9093, "http://10.0.0.2:9093/base"]
    allow_private: true
    hold: 2d
    resend: 30s
  hook: {kind: webhook, url: "https://hooks.example.com/a", secret_from: env:HOOK, timeout: 5}
  pager: {kind: pagerduty, routing_key_from: "file:pd.key", service_region: eu, limit: {per_hour: 6, burst: 2}}
  chat: {kind: slack, url_from: env:SLACK, limit: {every: 15m}}
  post: {kind: mail, host: mail.example.com, sender: d@example.com, to: [a@b.example], user: d, password_from: env:SMTP}
  more: {kind: apprise, url_from: env:APPRISE}
rules:
  - {at_least: high, broken: true, to: [pager, chat], continue: true}
  - {owner: ["team-*"], to: [post]}
otherwise: [am]
fallback: [post]
retry: {base: 1s, longest: 1m, attempts: 9}
"""


def test_a_full_file(tmp_path: Path) -> None:
    """Every kind of route, rules, limits and retries arrive where they belong."""
    file = tmp_path / "alerts.yaml"
    file.write_text(FULL, encoding="utf-8")
    found = build(read(file), base=tmp_path)
    am, post = found.routes["am"], found.routes["post"]
    assert isinstance(am, Alertmanager)
    assert (timedelta(days=2), timedelta(seconds=30), True) == (am.hold, am.resend, am.poster.guard.allow_private)
    assert isinstance(post, Mail)
    assert (587, "starttls") == (post.port, post.security)
    assert ("pager", "chat", "post") == found.routes_for(notice())
    assert ("am",) == found.routes_for(notice(severity="low", owner="x"))
    assert ("post", "am") == found.routes_for(notice(severity="low", owner="x", sequence=1), ["post", "gone"])
    assert {"am": timedelta(seconds=30)} == found.resends()
    assert (6.0, timedelta(minutes=15)) == (found.limits["pager"].per_hour, found.limits["chat"].every)
    assert (1.0, 60.0, 9) == (found.retry.base, found.retry.longest, found.retry.attempts)
    assert (("post",), ()) == (found.instead(["pager"]), found.instead(["post"]))


def refused(text: str) -> str:
    """The message that a file is refused with."""
    with pytest.raises(DoorwardError) as caught:
        build(parse(text.encode()))
    assert caught.value.__cause__ is None
    assert "s3cr3t" not in str(caught.value) + repr(caught.value.__context__)
    return str(caught.value)


ROUTE = "version: 1\nroutes:\n  r: {{{}}}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROUTE.format("kind: slack, url_from: https://hooks.slack.com/s3cr3t"), "never the secret itself"),
        (ROUTE.format("kind: slack, url: https://hooks.slack.com/s3cr3t, url_from: env:X"), "unknown key"),
        (ROUTE.format("kind: pagerduty, routing_key_from: s3cr3ts3cr3t"), "routing_key_from"),
        (ROUTE.format("kind: telex"), "unknown kind"),
        (ROUTE.format("url_from: env:X"), "kind"),
        (ROUTE.format("kind: webhook, secret_from: env:X"), "exactly one of url and url_from"),
        (ROUTE.format("kind: webhook, secret_from: env:X, url: 'http://a.example/s3cr3t'"), "https"),
        (ROUTE.format("kind: webhook, secret_from: env:X, url: 'https://u:s3cr3t@a.example/'"), "password inside"),
        (ROUTE.format("kind: alertmanager, urls: ['https://a.example'], limit: {}"), "limit"),
        (ROUTE.format("kind: alertmanager, urls: ['https://a.example'], user: u"), "belong together"),
        (ROUTE.format("kind: alertmanager, urls: ['https://a.example'], hold: 1m, resend: 1m"), "twice resend"),
        (ROUTE.format("kind: mail, host: a.b, sender: a@b.c, to: [a@b.c], security: none"), "allow_private"),
        (ROUTE.format("kind: mail, host: a.b, sender: 'a@b.c, x@y.z', to: [a@b.c]"), "sender"),
        (ROUTE.format("kind: slack, url_from: env:X, ca_file: /absent.pem"), "ca_file"),
        (ROUTE.format("kind: slack, url_from: env:X, timeout: 0"), "timeout"),
        (ROUTE.format("kind: slack, url_from: env:X, kind: mail"), "stands twice"),
        (ROUTE.format("kind: slack, url_from: env:X") + "rules: [{to: []}]", "rules.0.to"),
        (ROUTE.format("kind: slack, url_from: env:X") + "rules: [{to: [x]}]", "no route is named x"),
        (ROUTE.format("kind: slack, url_from: env:X") + "otherwise: []", "otherwise"),
        (ROUTE.format("kind: slack, url_from: env:X") + "rules: [{to: [r], at_least: bad}]", "at_least"),
        ("version: 2\nroutes: {r: {kind: slack, url_from: env:X}}", "version"),
        ("version: 1\nroutes: {}", "routes"),
        ("version: 1\na: &a [1]\nb: *a\n", "alias"),
        ("version: 1\nx: 's3cr3t\n", "not YAML"),
        ("!!python/object/apply:os.system ['s3cr3t']", "not YAML"),
        ("- 1", "mapping"),
        ("? [a]\n: 1\n", "not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_not_repeated(text: str, words: str) -> None:
    """Each mistake is refused with its place; a value that may be a secret is in no message."""
    assert words in refused(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_settings_or_refused(data: bytes) -> None:
    """No file makes reading fail otherwise than by our own errors."""
    with pytest.raises((InvalidInput, Unreadable)):
        parse(data)


def test_deep_nesting_is_refused() -> None:
    """Ten thousand brackets are refused, not a crash."""
    with pytest.raises(DoorwardError):
        parse(b"version: 1\nroutes: " + b"[" * 10_000)


def test_an_attempt_is_delivered_later_or_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After is obeyed with jitter on top; success is delivered; what is for good fails at once; one dedup key."""
    monkeypatch.setenv("PD", "0123456789abcdef0123456789abcdef")
    answers: list[Reply] = [(429, {"Retry-After": "40"}, b""), (500, {}, b""), (202, {}, b"{}"), (400, {}, b"{}")]

    def answer(number: int, _got: Got) -> Reply:
        return answers[number]

    with receiver(answer) as server:
        text = ROUTE.format(f"kind: pagerduty, routing_key_from: env:PD, url: '{server.url}', allow_private: true")
        found = build(parse(text.encode()))
        assert [] == found.check()
        one, two, three, four = (found.attempt("r", notice(), number) for number in (1, 2, 3, 4))
    assert isinstance(one, Later)
    assert 40 <= one.seconds < 42
    assert isinstance(two, Later)
    assert 0 <= two.seconds < 4
    assert Delivered("r", "4b1f0c99") == three
    assert isinstance(four, Failed)
    assert isinstance(found.attempt("gone", notice(), 1), Failed)
    assert 1 == len({got.body for got in server.got})


def test_the_example_of_the_documentation_is_valid() -> None:
    """The settings that the how-to shows can be used as they are."""
    page = (ROOT / "docs" / "how-to" / "alerts.md").read_text(encoding="utf-8")
    text = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert {"pager", "chat", "am"} <= set(build(parse(text.encode())).routes)
