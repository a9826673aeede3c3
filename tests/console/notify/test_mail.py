"""E-mail: over real SMTP servers with and without TLS, and read by the standard library's parser."""

from __future__ import annotations

import contextlib
import email
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Guard
from doorward.console.notify.http import context
from doorward.console.notify.mail import Mail, Security, message
from doorward.console.notify.notice import Link
from doorward.console.notify.outcome import NotDelivered
from doorward.console.notify.secret import Secret
from doorward.errors import InvalidInput
from tests.console.notify.servers import Authority, notice
from tests.console.notify.test_http import raw

NEAR = Guard(allow_private=True)
PASSWORD = "correct horse battery staple"


@dataclass
class Box:
    """What a mail server took, and what it answers to the data and to each receiver."""

    letters: list[bytes] = field(default_factory=list)
    answer: str = "250 taken"
    refuse: dict[str, str] = field(default_factory=dict)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """Takes or refuses a receiver."""
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Keeps a letter."""
        if self.answer.startswith("2"):
            self.letters.append(envelope.content)
        return self.answer

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: object) -> AuthResult:
        """Takes the one password."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@contextlib.contextmanager
def server(box: Box, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A mail server's port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options: dict[str, Any] = {"authenticator": box.login, "auth_require_tls": tls is None} if starttls or tls else {}
    if starttls:
        options |= {"tls_context": starttls, "require_starttls": True}
    controller = Controller(box, hostname="127.0.0.1", port=port, ssl_context=tls, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def route(port: int, tls: Authority | None, security: Security, **more: Any) -> Mail:
    """A route to a server on loopback."""
    to = ("a@example.com", "b@example.com")
    return Mail("mail", "localhost" if tls else "127.0.0.1", "doorward@example.com", to, port, security,
                guard=NEAR, tls=context(tls.file) if tls else None, **more)  # fmt: skip


def read(data: bytes) -> EmailMessage:
    """A letter, parsed."""
    return email.message_from_bytes(data, policy=default)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_thread_of_letters_over_tls(security: Security, tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted and logged in; the later words refer to the first, under one subject; a retry is the same letter."""
    monkeypatch.setenv("SMTP", PASSWORD)
    box = Box()
    with server(box, starttls=tls.good if security == "starttls" else None,
                tls=tls.good if security == "tls" else None) as port:  # fmt: skip
        mail = route(port, tls, security, user="doorward", password=Secret("env:SMTP"))
        for made in (notice(), notice(), notice(status="resolved", sequence=2, ends=True)):
            mail.send(made)
    assert {(b"doorward", PASSWORD.encode())} == set(box.logins)
    first, again, last = map(read, box.letters)
    assert first["Message-ID"] == again["Message-ID"] == last["References"] == last["In-Reply-To"]
    assert last["Message-ID"] != first["Message-ID"]
    assert "Re: " + first["Subject"] == last["Subject"]
    assert first["References"] is None
    assert "auto-generated" == first["Auto-Submitted"]
    plain, rich = (cast(EmailMessage, first.get_body((kind,))).get_content() for kind in ("plain", "html"))
    for words in ("people-can-log-in is broken", "tcp/443", "authorize sg-1", "team-identity", "Runbook"):
        assert words in plain
        assert words in rich
    assert plain.startswith("FIRING")
    assert "&lt;2&gt;" in rich


def test_a_server_that_hides_starttls_gets_nothing(monkeypatch: pytest.MonkeyPatch, tls: Authority) -> None:
    """No letter and no password go in the clear when STARTTLS is not offered: refused for good."""
    monkeypatch.setenv("SMTP", PASSWORD)
    box = Box()
    with server(box) as port, pytest.raises(NotDelivered, match="STARTTLS") as caught:
        route(port, tls, "starttls", user="u", password=Secret("env:SMTP")).send(notice())
    assert ([], []) == (box.letters, box.logins)
    assert not caught.value.passing


@pytest.mark.parametrize("which", ["other_name", "expired", "unknown"])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_bad_certificate_gets_nothing(which: str, security: Security, tls: Authority) -> None:
    """Another name, an expired certificate, an unknown authority: no letter."""
    box = Box()
    bad = tls.good if which == "unknown" else getattr(tls, which)
    with server(box, starttls=bad if security == "starttls" else None, tls=bad if security == "tls" else None) as port:
        mail = Mail("mail", "localhost", "d@example.com", ("a@example.com",), port, security, guard=NEAR,
                    tls=context(None if which == "unknown" else tls.file))  # fmt: skip
        with pytest.raises(NotDelivered, match="certificate is not good"):
            mail.send(notice())
    assert [] == box.letters


def test_private_servers_need_leave() -> None:
    """SMTP is under the same guard as HTTP."""
    with pytest.raises(NotDelivered, match="allow_private"):
        Mail("mail", "127.0.0.1", "d@example.com", ("a@example.com",), 25, "none").send(notice())


def test_a_password_needs_tls() -> None:
    """Refused before anything is sent."""
    with pytest.raises(InvalidInput, match="without TLS"):
        Mail("mail", "127.0.0.1", "d@x.y", ("a@x.y",), 25, "none", "u", Secret("env:X"), NEAR).send(notice())


@pytest.mark.parametrize(("answer", "passing"), [("451 try later", True), ("554 no spam please", False)])
def test_4xx_is_passing_and_5xx_is_not(answer: str, passing: bool) -> None:
    """RFC 5321 §4.2.1: 4yz transient, 5yz permanent; the server's words are passed on."""
    box = Box(answer=answer)
    with server(box) as port, pytest.raises(NotDelivered, match=answer[4:]) as caught:
        route(port, None, "none").send(notice())
    assert passing is caught.value.passing


def test_refused_receivers() -> None:
    """One refused: delivered, and it is said. All refused: a failure, passing if one of them may be taken later."""
    box = Box(refuse={"b@example.com": "550 unknown"})
    with server(box) as port:
        told = route(port, None, "none").send(notice())
        assert ("refused for b@example.com", 1) == (told.note, len(box.letters))
        box.refuse["a@example.com"] = "450 greylisted"
        with pytest.raises(NotDelivered) as caught:
            route(port, None, "none").send(notice())
        assert caught.value.passing
        box.refuse["a@example.com"] = "550 unknown"
        with pytest.raises(NotDelivered) as caught:
            route(port, None, "none").send(notice())
        assert not caught.value.passing


def test_a_wrong_password_is_not_repeated(tls: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login fails for good; neither message nor anything chained to it has the password."""
    monkeypatch.setenv("SMTP", "wrong-but-still-secret")
    with server(Box(), starttls=tls.good) as port, pytest.raises(NotDelivered, match="SMTP 535") as caught:
        route(port, tls, "starttls", user="u", password=Secret("env:SMTP")).send(notice())
    assert (None, None, False) == (caught.value.__cause__, caught.value.__context__, caught.value.passing)
    assert "secret" not in str(caught.value)


def test_a_server_that_dawdles_is_left() -> None:
    """A server that says a byte now and then holds us no longer than the deadline, over all."""

    def drip(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(b"2")
            time.sleep(0.05)

    begin = time.monotonic()
    with raw(drip) as url, pytest.raises(NotDelivered) as caught:
        route(int(url.split(":")[2].split("/")[0]), None, "none", seconds=0.4).send(notice())
    assert time.monotonic() - begin < 3
    assert caught.value.passing


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=50), st.integers(0, 3))
def test_any_notice_is_a_valid_letter(title: str, text: str, label: str, sequence: int) -> None:
    """No text adds a header, ends the letter early, or puts markup into the HTML."""
    made = notice(title=title + "\r\nBcc: evil@example.com", text=text + "\r\n.\r\n<script>", sequence=sequence,
                  labels={"<b>": label},
                  links=(Link("<i>", 'javascript:"'), Link('"><i>', 'https://a/"><i>')))  # fmt: skip
    letter = read(message(made, "d@example.com", ["a@example.com"]).as_bytes())
    assert letter["Bcc"] is None
    assert ["a@example.com"] == [address.addr_spec for address in letter["To"].addresses]
    rich = cast(EmailMessage, letter.get_body(("html",))).get_content()
    assert not {"<script>", "<b><", "<i>"} & {part for part in ("<script>", "<b><", "<i>") if part in rich}
    assert 'href="javascript' not in rich
