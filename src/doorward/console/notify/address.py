"""Where a route may connect to: no request forged from the server side (SSRF), no name that changes under our hands.

A name is resolved once; *all* its addresses are judged; the connection goes to one of these very addresses. A second
answer of the resolver is never asked for, so there is nothing to rebind.
What does not live here: TLS and HTTP (`http`).
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from doorward.console.notify.outcome import NotDelivered
from doorward.errors import InvalidInput

Resolver: TypeAlias = Callable[[str, int], Iterable[str]]
"""Name and port → addresses. Raises OSError when there is none."""

_NEVER = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "100.100.100.200/32", "168.63.129.16/32",
        "192.0.0.192/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::/32", "100::/64", "2001::/32", "2002::/16",
        "fec0::/10",
    )
]  # fmt: skip
"""No receiver of alerts lives here, whatever the settings say: "this" network, link-local (with the metadata services
of AWS and others), multicast, reserved; the metadata services of AWS over IPv6, of Alibaba, Azure and Oracle; tunnels
whose real target is written inside (Teredo, 6to4)."""

_PRIVATE = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "::1/128", "64:ff9b:1::/48",
        "2001:2::/48", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
    )
]  # fmt: skip
"""Not the public internet: IANA IPv4 and IPv6 Special-Purpose Address Registries."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")

Kind: TypeAlias = str


def kind(address: str) -> Kind:
    """``public``, ``private`` (loopback and documentation included) or ``never``; judged by where packets would go.

    IPv4 written inside IPv6 (mapped ::ffff:0:0/96, RFC 4291; compatible ::/96; NAT64 64:ff9b::/96, RFC 6052) counts as
    that IPv4 address.
    """
    bare = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(bare, ipaddress.IPv6Address):
        if bare.ipv4_mapped is not None:
            return kind(str(bare.ipv4_mapped))
        inside = bare in _NAT64 or (bare in _COMPATIBLE and int(bare) > 1)
        if inside:
            return kind(str(ipaddress.IPv4Address(int(bare) & 0xFFFFFFFF)))
    if any(bare in network for network in _NEVER if network.version == bare.version):
        return "never"
    if any(bare in network for network in _PRIVATE if network.version == bare.version) or not bare.is_global:
        return "private"
    return "public"


class Target(NamedTuple):
    """A URL, taken apart. ``host`` is what TLS verifies, ``path`` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: what may be shown of a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def authority(self) -> str:
        """The Host header."""
        return self.origin.partition("://")[2]


def target(url: str, *, allow_private: bool) -> Target:
    """A URL that a route may use, or `InvalidInput`; the message never repeats the URL (it may be a secret).

    https, or http where the route may reach private addresses (and then only those).
    """

    def refuse(got: str, hint: str) -> InvalidInput:
        return InvalidInput(f"a URL with {got}", where="url", hint=hint)

    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url) or "\\" in url or len(url) > 4096:
        raise refuse("spaces, control characters, backslashes or letters beyond ASCII", "percent-encode them")
    problem = False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        problem = True
    if problem:
        raise refuse("a host or port that cannot be read", "expected https://host[:port]/path")
    if parts.scheme not in ("https", "http"):
        raise refuse("another scheme than https", "expected https://host[:port]/path")
    if parts.scheme == "http" and not allow_private:
        raise refuse("http, which anybody on the way can read and change",
                     "use https; http is for private addresses, with allow_private: true")  # fmt: skip
    if parts.username is not None or parts.password is not None:
        raise refuse("a user or password inside", "use the route's own settings for them")
    if parts.fragment or not host or port == 0 or len(host) > 253 or "%" in host:
        raise refuse("no usable host, or with a fragment", "expected https://host[:port]/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host.rstrip("."), port or (443 if parts.scheme == "https" else 80), path)


def system(host: str, port: int) -> list[str]:
    """The machine's own resolver; forms such as 2130706433, 0x7f.1 or 127.1 become the address that they mean."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(slots=True)
class Deadline:
    """A moment on the monotonic clock by which everything must be over."""

    seconds: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds left, > 0; TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"not done within {self.seconds:g} s")
        return left


@dataclass(frozen=True, slots=True)
class Guard:
    """Decides and connects. ``allow_private``: whether loopback and private networks may be reached."""

    allow_private: bool = False
    resolve: Resolver = system

    def addresses(self, host: str, port: int, deadline: Deadline, *, clear: bool = False) -> list[str]:
        """The addresses of a name, all of them judged; ``clear`` = the connection is not encrypted.

        Raises `NotDelivered`: passing when the name does not resolve now, for good when an address is refused.
        """
        found, problem = self._resolved(host, port, deadline.left())
        if not found:
            raise NotDelivered(f"the name {host} does not resolve: {problem}", passing=True,
                               hint="check the name, and this machine's resolver")  # fmt: skip
        for address in found:
            what = kind(address)
            if what == "never":
                raise NotDelivered(
                    f"{host} is {address}: link-local, metadata, multicast or reserved; refused in any case",
                    passing=False, hint="an alert route leads to a public or, with allow_private, a private address",
                )  # fmt: skip
            if what == "private" and not self.allow_private:
                raise NotDelivered(f"{host} is {address}, which is not public; refused", passing=False,
                                   hint="if that is meant, set allow_private: true on this route")  # fmt: skip
            if what == "public" and clear:
                raise NotDelivered(f"{host} is {address}, a public address, and the connection is not encrypted",
                                   passing=False, hint="use TLS")  # fmt: skip
        return found

    def _resolved(self, host: str, port: int, seconds: float) -> tuple[list[str], str]:
        """On a thread of its own, since the system's resolver knows no deadline."""
        box: queue.SimpleQueue[tuple[list[str], str]] = queue.SimpleQueue()

        def work() -> None:
            try:
                box.put((list(self.resolve(host, port)), "no address"))
            except UnicodeError:
                box.put(([], "not a host name"))
            except OSError as error:
                box.put(([], error.strerror or type(error).__name__))

        threading.Thread(target=work, name="resolve", daemon=True).start()
        try:
            return box.get(timeout=seconds)
        except queue.Empty:
            return [], f"no answer within {seconds:.1f} s"

    def connect(self, host: str, port: int, deadline: Deadline, *, clear: bool = False) -> socket.socket:
        """A connection to one of the judged addresses. `NotDelivered` as by `addresses`, passing if none answers."""
        problems = []
        addresses = self.addresses(host, port, deadline, clear=clear)
        for number, address in enumerate(addresses):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(deadline.left() / (len(addresses) - number))  # a dead address leaves time for the next
                sock.connect((address, port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
            except OSError as error:
                sock.close()
                problems.append(f"{address}: {error.strerror or error}")
        raise NotDelivered(f"no connection to {host} port {port}: {'; '.join(problems)}", passing=True)
