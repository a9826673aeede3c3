"""One POST, so bounded that neither a broken nor a hostile receiver can do harm.

Steps: 1. the target is judged and connected to (`address`), 2. TLS with the name verified, 3. the request, written
whole, 4. the answer's head (≤ 16 kB) and at most 16 kB of its body, all within one deadline. Redirects are answers like
any other: never followed. No proxy, no cookie, no environment variable has a say.

h11 and not a whole client, because clients tell too much: httpx logs each URL (a chat's webhook URL is a secret) at
INFO, httpcore logs the headers of answers at DEBUG; and because neither has a deadline for the whole exchange.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import h11

from doorward.console.notify.address import Deadline, Guard, Target
from doorward.console.notify.outcome import NotDelivered
from doorward.errors import InvalidInput

MAX_ANSWER = 16 << 10
MAX_REQUEST = 512 << 10
PASSING = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505}
"""Statuses after which the same request may be taken later (RFC 9110 §15; 425: RFC 8470, 429: RFC 6585)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the headers' names are lower-case; the body is cut at `MAX_ANSWER`."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def passing(self) -> bool:
        """Whether to try again."""
        return self.status in PASSING

    @property
    def says(self) -> str:
        """The status in our words, not in the receiver's."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "a status that nobody knows"
        more = "; a redirect is not followed" if 300 <= self.status < 400 else ""
        return f"HTTP {self.status} {phrase}{more}"

    def after(self, now: datetime) -> float | None:
        """Retry-After in seconds from now (RFC 9110 §10.2.3: seconds or a date), None when there is none."""
        return retry_after(self.headers.get("retry-after", ""), now)


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds from now that a Retry-After header asks for; None when it says nothing that can be read."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def context(ca_file: Path | None) -> ssl.SSLContext:
    """TLS that verifies: the machine's authorities, or the given file's alone. Raises `InvalidInput`."""
    try:
        made = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise InvalidInput(f"the certificates cannot be read: {error.strerror or error}", where=str(ca_file),
                           hint="ca_file is a PEM file of authorities") from error  # fmt: skip
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def secured(sock: socket.socket, tls: ssl.SSLContext, host: str, deadline: Deadline) -> ssl.SSLSocket:
    """The same connection under TLS, the name verified. `NotDelivered` (passing: certificates get mended) when not."""
    problem = ""
    try:
        sock.settimeout(deadline.left())
        return tls.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        problem = f"its certificate is not good for it: {error.verify_message}"
    except ssl.SSLError as error:
        problem = f"{error.reason or 'broken handshake'}"
    except OSError as error:
        problem = error.strerror or str(error) or type(error).__name__
    sock.close()
    raise NotDelivered(f"no TLS with {host}: {problem}", passing=True,
                       hint="renew its certificate, or name its authority by ca_file")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Poster:
    """Posts to checked targets. ``seconds`` bounds an exchange from the name's resolution to the answer's end."""

    guard: Guard = field(default_factory=Guard)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    seconds: float = 15.0

    def post(self, target: Target, body: bytes, headers: Mapping[str, str], ok: Iterable[int] = ()) -> Answer:
        """Sends and returns whatever is answered; `NotDelivered` when nothing was."""
        if len(body) > MAX_REQUEST:
            raise NotDelivered(f"a notice of {len(body):,} bytes; at most {MAX_REQUEST:,} are sent", passing=False)
        deadline = Deadline(self.seconds)
        clear = target.scheme == "http"
        sock: socket.socket = self.guard.connect(target.host, target.port, deadline, clear=clear)
        if not clear:
            sock = secured(sock, self.tls or context(None), target.host, deadline)
        problem = ""
        try:
            return self._exchange(sock, target, body, headers, deadline)
        except TimeoutError:
            problem = f"no whole answer within {self.seconds:g} s"
        except h11.ProtocolError as error:
            # A local error is one of ours: a header that HTTP does not admit. Its text may hold that header.
            problem = "no HTTP answer" if isinstance(error, h11.RemoteProtocolError) else "the request is no valid HTTP"
        except OSError as error:
            problem = f"the connection broke: {error.strerror or type(error).__name__}"
        finally:
            sock.close()
        raise NotDelivered(f"{target.origin}: {problem}", passing=problem != "the request is no valid HTTP")

    def _exchange(
        self, sock: socket.socket, target: Target, body: bytes, headers: Mapping[str, str], deadline: Deadline
    ) -> Answer:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_ANSWER)
        all_headers = {
            "Host": target.authority, "User-Agent": "doorward", "Accept": "application/json, text/plain",
            "Content-Type": "application/json", "Connection": "close", **headers, "Content-Length": str(len(body)),
        }  # fmt: skip
        request = h11.Request(method="POST", target=target.path, headers=list(all_headers.items()))
        out = (wire.send(request) or b"") + (wire.send(h11.Data(data=body)) or b"")
        out += wire.send(h11.EndOfMessage()) or b""
        sock.settimeout(deadline.left())
        sock.sendall(out)
        head: h11.Response | None = None
        got = bytearray()
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                sock.settimeout(deadline.left())
                try:
                    wire.receive_data(sock.recv(16384))
                except ConnectionResetError:
                    if head is None:
                        raise
                    break  # the status is known; what is lost is only its text
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                got += event.data
                if len(got) >= MAX_ANSWER:
                    break
            elif not isinstance(event, h11.InformationalResponse):
                break
        if head is None:
            raise ConnectionError("closed without an answer")
        names = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in head.headers}
        return Answer(head.status_code, names, bytes(got[:MAX_ANSWER]))
