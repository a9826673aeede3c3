"""Real servers on loopback for the routes: what they were sent is kept, what they answer is told.

What does not live here: tests.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from doorward.console.notify.notice import Link, Notice, Severity, Status

T0 = dt.datetime(2026, 11, 22, 10, 30, tzinfo=dt.UTC)


def notice(
    *, status: Status = "firing", sequence: int = 0, severity: Severity = "critical", fingerprint: str = "4b1f0c99",
    title: str = "people-can-log-in is broken", text: str = "sg-1 lost tcp/443 from 0.0.0.0/0", ends: bool = False,
    broken: tuple[str, ...] = ("people-can-log-in",), labels: dict[str, str] | None = None,
    revert: str = "authorize sg-1", at: dt.datetime = T0, owner: str = "team-identity",
    links: tuple[Link, ...] | None = None,
) -> Notice:  # fmt: skip
    """A notice as the watch would make one."""
    return Notice(
        fingerprint, sequence, status, severity, title, text, f"**{title}**\n\n{text}", at, T0,
        T0 + dt.timedelta(minutes=5) if ends else None, "111122223333", "eu-west-1", owner, broken,
        tuple(({"change": "tf-apply-7"} if labels is None else labels).items()),
        (Link("Runbook", "https://wiki.example.com/a?b=1&c=<2>"),) if links is None else links, revert,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Receiver:
    """An HTTP server; ``answers`` decides what the n-th request (from 0) gets."""

    answers: Callable[[int, Got], Reply] = lambda _number, _got: (200, {}, b"ok")
    got: list[Got] = field(default_factory=list)
    url: str = ""
    port: int = 0


@contextlib.contextmanager
def receiver(
    answers: Callable[[int, Got], Reply] | Reply = (200, {}, b"ok"), tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Serves on 127.0.0.1 until the block ends."""
    box = Receiver()
    box.answers = answers if callable(answers) else lambda _number, _got: answers

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            box.got.append(got)
            status, headers, answer = box.answers(len(box.got) - 1, got)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    box.port = server.server_address[1]
    box.url = f"{'https' if tls else 'http'}://localhost:{box.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority's file, and what servers of good and bad certificates use."""

    file: Path
    good: ssl.SSLContext
    other_name: ssl.SSLContext
    expired: ssl.SSLContext
    good_files: tuple[Path, Path]


def authority(folder: Path) -> Authority:
    """A new authority with three certificates: for localhost, for another name, and one that is over."""
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    ca = (
        x509.CertificateBuilder().subject_name(ca_name).issuer_name(ca_name).public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - 9 * day).not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(ca_key, hashes.SHA256())
    )  # fmt: skip
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    def made(name: str, host: str, until: dt.datetime) -> tuple[ssl.SSLContext, tuple[Path, Path]]:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
            .issuer_name(ca_name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 8 * day).not_valid_after(until)
            .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(ca_key, hashes.SHA256())
        )  # fmt: skip
        certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_file, key_file)
        return context, (certificate_file, key_file)

    good, files = made("good", "localhost", now + day)
    return Authority(ca_file, good, made("other", "other.example", now + day)[0],
                     made("expired", "localhost", now - day)[0], files)  # fmt: skip
