"""One POST: what a broken or hostile receiver may do, and what it may not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard, target
from doorward.console.notify.http import MAX_ANSWER, MAX_REQUEST, Poster, context, retry_after
from doorward.console.notify.outcome import NotDelivered
from tests.console.notify.servers import Authority, receiver

NEAR = Guard(allow_private=True)


@contextlib.contextmanager
def raw(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that speaks bytes: each connection is given to ``serve``."""
    listening = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with contextlib.suppress(OSError), connection:
                    serve(connection)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def failure(serve: Callable[[socket.socket], None], seconds: float = 0.6) -> NotDelivered:
    """What comes of a POST to such a server."""
    with raw(serve) as url, pytest.raises(NotDelivered) as caught:
        Poster(NEAR, seconds=seconds).post(target(url, allow_private=True), b"{}", {})
    return caught.value


def test_a_redirect_is_not_followed() -> None:
    """A redirect (to the metadata service, say) is an answer; nothing is sent anywhere else."""
    with receiver() as other, receiver((307, {"Location": "http://169.254.169.254/latest/meta-data/"}, b"")) as first:
        answer = Poster(NEAR).post(target(first.url, allow_private=True), b"{}", {})
        assert (307, False) == (answer.status, answer.passing)
        assert "not followed" in answer.says
    with receiver() as other:
        with receiver((302, {"Location": other.url}, b"")) as first:
            Poster(NEAR).post(target(first.url, allow_private=True), b"{}", {})
            assert 1 == len(first.got)
        assert [] == other.got


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment variable leads a request elsewhere."""
    with receiver() as proxy, receiver() as real:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        Poster(NEAR).post(target(real.url, allow_private=True), b"{}", {})
        assert (0, 1) == (len(proxy.got), len(real.got))


def test_a_drip_ends_at_the_deadline() -> None:
    """A server that sends a byte now and then holds us no longer than the deadline, over all."""

    def drip(connection: socket.socket) -> None:
        connection.recv(100)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    begin = time.monotonic()
    error = failure(drip)
    assert time.monotonic() - begin < 3
    assert error.passing
    assert "no whole answer within" in str(error)


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: zwei\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
     b"HTTP/1.1 200 OK\r\nX\x00: 1\r\n\r\n"],
)  # fmt: skip
def test_broken_answers_are_passing_failures(answer: bytes) -> None:
    """What is no whole HTTP answer is no delivery, and no crash either; it may work later."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    assert failure(serve).passing


def test_an_endless_body_is_cut() -> None:
    """Of an answer's body, a bounded part is read: an endless one delays nothing."""

    def endless(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"z" * 65536)

    with raw(endless) as url:
        answer = Poster(NEAR, seconds=3).post(target(url, allow_private=True), b"{}", {})
    assert (200, MAX_ANSWER) == (answer.status, len(answer.body))


def test_what_is_too_large_is_not_sent() -> None:
    """A request has a bound as well."""
    with pytest.raises(NotDelivered, match="bytes") as caught:
        Poster(NEAR).post(target("http://127.0.0.1:9/", allow_private=True), b"x" * (MAX_REQUEST + 1), {})
    assert not caught.value.passing


def test_a_header_cannot_smuggle_another() -> None:
    """A line end inside a header's value is refused before anything is sent."""
    with receiver() as server:
        with pytest.raises(NotDelivered) as caught:
            Poster(NEAR).post(target(server.url, allow_private=True), b"{}", {"X-Id": "a\r\nX-Evil: 1"})
        assert [] == server.got
    assert not caught.value.passing


def test_tls_is_verified(tls: Authority) -> None:
    """The right authority and name pass; an unknown authority, another name and an expired certificate do not."""
    known = Poster(NEAR, context(tls.file))
    with receiver(tls=tls.good) as server:
        to = target(server.url, allow_private=True)
        assert 200 == known.post(to, b"{}", {}).status
        with pytest.raises(NotDelivered, match="certificate is not good") as caught:
            Poster(NEAR).post(to, b"{}", {})
        assert caught.value.passing
    for bad in (tls.other_name, tls.expired):
        with receiver(tls=bad) as server:
            with pytest.raises(NotDelivered, match="certificate is not good"):
                known.post(target(server.url, allow_private=True), b"{}", {})
            assert [] == server.got
    with receiver() as server, pytest.raises(NotDelivered, match="no TLS"):
        known.post(target(server.url.replace("http:", "https:"), allow_private=True), b"{}", {})


def test_nobody_there_is_a_passing_failure() -> None:
    """A closed port, and a name that does not resolve."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for guard, url in (
        (NEAR, f"http://127.0.0.1:{port}/"),
        (Guard(resolve=lambda _h, _p: []), "https://gone.example/"),
    ):
        with pytest.raises(NotDelivered) as caught:
            Poster(guard).post(target(url, allow_private=guard.allow_private), b"{}", {})
        assert caught.value.passing


NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("120", 120.0), (" 0 ", 0.0), ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
     ("", None), ("soon", None), ("-5", None), ("1.5", None), ("٣", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str, expected: float | None) -> None:
    """Both forms of RFC 9110 §10.2.3; anything else says nothing."""
    assert expected == retry_after(text, NOW)


@given(st.text(max_size=40))
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    """No header makes the reading fail."""
    found = retry_after(text, NOW)
    assert found is None or found >= 0
