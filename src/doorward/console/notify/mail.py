"""E-mail over SMTP, encrypted (RFC 3207 STARTTLS, or TLS from the start: RFC 8314), one thread an alert.

A thread holds together by Message-ID, References (RFC 5322 §3.6.4) and an unchanged subject; so the status stands in
the first line, not in the subject. A retry carries the same Message-ID.
"""

from __future__ import annotations

import contextlib
import html
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from doorward.console.notify.address import Deadline, Guard
from doorward.console.notify.http import context, secured
from doorward.console.notify.notice import Notice, digest, one_line, plain, shorten
from doorward.console.notify.outcome import Delivered, NotDelivered
from doorward.console.notify.secret import Secret, safe
from doorward.errors import InvalidInput

MAX_TEXT = 100_000
Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class Mail:
    """``security`` none is for private addresses, and without a password. ``seconds`` bounds the whole conversation."""

    name: str
    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    security: Security = "starttls"
    user: str = ""
    password: Secret | None = None
    guard: Guard = field(default_factory=Guard)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    seconds: float = 30.0
    resend: timedelta | None = None

    def check(self) -> None:
        """Reads the password; refuses one that would travel in the clear."""
        if self.password is not None:
            if self.security == "none":
                raise InvalidInput("a password without TLS", where=self.name, hint="security: starttls or tls")
            self.password.reveal()

    def send(self, notice: Notice) -> Delivered:
        """Delivered when the server has taken it for at least one receiver; the others are told of."""
        self.check()
        password = self.password.reveal() if self.password is not None else ""
        letter = message(notice, self.sender, self.to)
        failure: NotDelivered | None = None
        refused: Iterable[str] = ()
        try:
            refused = self._converse(letter, password)
        except (smtplib.SMTPException, OSError) as error:
            failure = self._failure(error, password)
        if failure is not None:  # raised outside the handler: what the server said must not travel along
            raise failure
        note = f"refused for {', '.join(sorted(refused))}" if refused else ""
        return Delivered(self.name, letter["Message-ID"], note)

    def _converse(self, letter: EmailMessage, password: str) -> Iterable[str]:
        deadline = Deadline(self.seconds)
        tls = (self.tls or context(None)) if self.security != "none" else None
        sock = self.guard.connect(self.host, self.port, deadline, clear=tls is None)
        if self.security == "tls" and tls is not None:
            sock = secured(sock, tls, self.host, deadline)
        with _cut_off(sock, deadline.left()), _Conversation(self.host, sock) as server:
            if self.security == "starttls":
                # Refuses to go on in the clear when the server does not offer it (or somebody on the way hides it).
                server.starttls(context=tls)
            if self.password is not None:
                server.login(self.user, password)
            return server.send_message(letter, self.sender, list(self.to))

    def _failure(self, error: smtplib.SMTPException | OSError, password: str) -> NotDelivered:
        secrets = [password] if password else []
        code = _code(error)
        if code:
            words = _words(error)
            return NotDelivered(f"SMTP {code}" + (f": {safe(words, secrets)}" if words else ""),
                                passing=not 500 <= code < 600, where=self.name,
                                hint="check user and password" if code in (530, 534, 535) else None)  # fmt: skip
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return NotDelivered("the server does not offer what is needed (STARTTLS or AUTH)", passing=False,
                                where=self.name, hint="security: tls (port 465), or another server")  # fmt: skip
        if isinstance(error, ssl.SSLCertVerificationError):
            return NotDelivered(f"its certificate is not good for {self.host}: {error.verify_message}", passing=True,
                                where=self.name, hint="renew it, or name its authority by ca_file")  # fmt: skip
        if isinstance(error, TimeoutError):
            return NotDelivered(f"not done within {self.seconds:g} s", passing=True, where=self.name)
        if isinstance(error, smtplib.SMTPServerDisconnected):
            return NotDelivered("the server closed the connection, or took too long", passing=True, where=self.name)
        return NotDelivered(f"the conversation broke: {type(error).__name__}", passing=True, where=self.name)


class _Conversation(smtplib.SMTP):
    """A client on a connection that is there already."""

    def __init__(self, host: str, sock: socket.socket) -> None:
        self._ready = sock
        super().__init__(host, 25, local_hostname="doorward", timeout=10)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._ready.settimeout(timeout)
        return self._ready


@contextlib.contextmanager
def _cut_off(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Ends the connection when the time is up: a timeout of single reads would let a server dawdle for ever."""

    def end() -> None:
        with contextlib.suppress(OSError):
            # On the bare descriptor: under TLS the object that was given is not the one in use any more.
            again = socket.socket(fileno=number)
            try:
                again.shutdown(socket.SHUT_RDWR)
            finally:
                again.detach()  # closed below, once: its number may be somebody else's by then

    number = socket.dup(sock.fileno())
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join(1)
        with contextlib.suppress(OSError):
            socket.close(number)
        with contextlib.suppress(OSError):
            sock.close()


def _code(error: Exception) -> int:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return next((code for code in codes if 400 <= code < 500), codes[0] if codes else 0)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code > 0 else 0


def _words(error: Exception) -> str:
    said: object = ""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = next(iter(error.recipients.values()))[1] if error.recipients else ""
    elif isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def message(notice: Notice, sender: str, to: Iterable[str]) -> EmailMessage:
    """The letter: plain text, and the same as HTML."""
    domain = sender.rpartition("@")[2].strip("<> ") or "localhost"
    root = f"<{digest(notice.fingerprint)}@{domain}>"
    letter = EmailMessage()
    letter["From"] = sender
    letter["To"] = ", ".join(to)
    first = notice.sequence == 0
    letter["Subject"] = ("" if first else "Re: ") + "[doorward] " + shorten(one_line(notice.title), 180)
    letter["Date"] = format_datetime(notice.at)
    letter["Message-ID"] = root if first else f"<{digest(notice.fingerprint)}.{notice.sequence}@{domain}>"
    if not first:
        letter["In-Reply-To"] = root
        letter["References"] = root
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note answers it
    letter["X-Doorward-Status"] = notice.status
    letter["X-Doorward-Severity"] = notice.severity
    letter.set_content(_text(notice), cte="quoted-printable")
    letter.add_alternative(_html(notice), subtype="html", cte="quoted-printable")
    return letter


def _text(notice: Notice) -> str:
    lines = [f"{notice.status.upper()} · {notice.severity} · {one_line(notice.title)}", ""]
    lines += [f"{name}: {one_line(value)}" for name, value in notice.facts]
    if notice.text.strip():
        lines += ["", shorten(plain(notice.text), MAX_TEXT)]
    if notice.revert.strip():
        lines += ["", "Proposed revert:", "", shorten(plain(notice.revert), MAX_TEXT)]
    if notice.pages:
        lines += ["", *(f"{one_line(link.text)}: {one_line(link.url)}" for link in notice.pages)]
    return "\n".join(lines) + "\n"


def _html(notice: Notice) -> str:
    def clean(text: str) -> str:
        return html.escape(plain(text))

    rows = "".join(f"<tr><th align=left>{clean(name)}</th><td>{clean(value)}</td></tr>" for name, value in notice.facts)
    parts = [
        f"<p><b>{clean(notice.status.upper())}</b> · {clean(notice.severity)}</p>",
        f"<h2>{clean(one_line(notice.title))}</h2>",
        f"<table>{rows}</table>",
    ]
    if notice.text.strip():
        parts.append(f"<pre>{clean(shorten(notice.text, MAX_TEXT))}</pre>")
    if notice.revert.strip():
        parts.append(f"<h3>Proposed revert</h3><pre>{clean(shorten(notice.revert, MAX_TEXT))}</pre>")
    for link in notice.pages:
        parts.append(f'<p><a href="{clean(link.url)}">{clean(one_line(link.text))}</a></p>')
    return "<!doctype html><html><body>\n" + "\n".join(parts) + "\n</body></html>\n"
