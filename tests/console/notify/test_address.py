"""Where a route may connect to: SSRF in all its spellings, and names that change between two looks."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.console.notify.address import Deadline, Guard, kind, target
from doorward.console.notify.http import Poster
from doorward.console.notify.outcome import NotDelivered
from doorward.errors import InvalidInput
from tests.console.notify.servers import receiver

NEVER = [
    "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    str(ipaddress.IPv4Address(0)), "::", "224.0.0.1", "255.255.255.255", "fe80::1", "ff02::1", "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe", "::169.254.169.254", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1", "fe80::1%lo",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "::1",
    "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "192.0.2.1", "2001:db8::1",
    "198.18.0.1", "::10.0.0.1", "64:ff9b:1::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


def answering(*answers: Iterable[str]) -> Guard:
    """A guard whose resolver gives another answer each time."""
    left = [list(answer) for answer in answers]
    return Guard(resolve=lambda _host, _port: left.pop(0))


@pytest.mark.parametrize(("address", "expected"), [*((a, "never") for a in NEVER), *((a, "private") for a in PRIVATE),
                                                   *((a, "public") for a in PUBLIC)])  # fmt: skip
def test_an_address_is_judged_by_where_packets_go(address: str, expected: str) -> None:
    """Metadata, link-local and multicast are never reached; IPv4 inside IPv6 counts as that IPv4 address."""
    assert expected == kind(address)


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_never_better(address: ipaddress.IPv4Address) -> None:
    """Whatever is refused as IPv4 is refused in each of its IPv6 clothes (mapped, NAT64; tunnels always)."""
    number = int(address)
    plain = kind(str(address))
    assert plain == kind(str(ipaddress.IPv6Address((0xFFFF << 32) | number)))
    assert plain == kind(str(ipaddress.IPv6Address((0x64FF9B << 96) | number)))
    assert "never" == kind(str(ipaddress.IPv6Address((0x2002 << 112) | number << 80)))
    if not address.is_global:
        assert "public" != plain


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "localhost", "0", "[::1]", "[::ffff:7f00:1]",
             "[::ffff:127.0.0.1]", "2852039166", "0xa9fea9fe"],
)  # fmt: skip
def test_other_spellings_of_loopback_and_metadata_are_refused(host: str) -> None:
    """Decimal, hexadecimal, octal and short spellings are what the resolver makes of them: refused for good."""
    with pytest.raises(NotDelivered) as caught:
        Poster().post(target(f"https://{host}/x", allow_private=False), b"{}", {})
    assert not caught.value.passing
    assert "refused" in str(caught.value)


@pytest.mark.parametrize("host", ["2852039166", "169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]", "0"])
def test_metadata_is_refused_even_where_private_is_allowed(host: str) -> None:
    """``allow_private`` never opens the way to a metadata service."""
    with pytest.raises(NotDelivered, match="refused"):
        Poster(Guard(allow_private=True)).post(target(f"http://{host}/latest", allow_private=True), b"{}", {})


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    """A name that has a public and a private address is refused: which one is tried first must not decide."""
    with pytest.raises(NotDelivered, match=r"10\.0\.0\.7"):
        answering(["1.1.1.1", "10.0.0.7"]).addresses("mixed.example", 443, Deadline(1))


def test_a_name_that_changes_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the connection goes to the address that was judged; a second answer is never asked for."""
    tried: list[object] = []

    def connect(_self: socket.socket, address: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError(111, "refused by the test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    with pytest.raises(NotDelivered) as caught:
        Poster(Guard(resolve=resolve)).post(target("https://rebind.example/x", allow_private=False), b"{}", {})
    assert caught.value.passing
    assert ["rebind.example"] == asked
    assert [("1.1.1.1", 443)] == tried


def test_nothing_reaches_a_private_server_without_leave() -> None:
    """A real server on loopback sees no request, unless the route allows private addresses."""
    with receiver() as server:
        to = target(server.url.replace("http:", "https:"), allow_private=False)
        with pytest.raises(NotDelivered, match="allow_private"):
            Poster().post(to, b"{}", {})
        assert [] == server.got
        assert 200 == Poster(Guard(True)).post(target(server.url, allow_private=True), b"{}", {}).status
        assert 1 == len(server.got)


def test_clear_text_never_goes_to_a_public_address() -> None:
    """http is for private addresses only, even on a route that allows them."""
    guard = Guard(allow_private=True, resolve=lambda _host, _port: ["1.1.1.1"])
    with pytest.raises(NotDelivered, match="not encrypted"):
        Poster(guard).post(target("http://am.example:9093/", allow_private=True), b"{}", {})


@pytest.mark.parametrize(
    "url",
    ["http://a.example/", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "https://u:p@a.example/",
     "https://a.example@127.0.0.1/", "https://a.example/#x", "https://", "https:///x", "https://a.example:0/",
     "https://a.example:99999/", "https://a b.example/", "https://a.example\\@b.example/", "https://a.example/\r\nX: 1",
     "https://exämple.com/", "//a.example/", "a.example", "https://[::1/", "https://[fe80::1%25lo]/", ""],
)  # fmt: skip
def test_urls_that_are_not_plain_https_are_refused(url: str) -> None:
    """Other schemes, users inside, fragments, control characters and hosts that parsers read differently."""
    with pytest.raises(InvalidInput) as caught:
        target(url, allow_private=False)
    assert len(url) < 9 or url not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_refused(text: str) -> None:
    """No text makes the reading of a URL fail otherwise; what is taken has a host and a port to connect to."""
    try:
        found = target("https://" + text, allow_private=False)
    except InvalidInput:
        return
    assert found.host
    assert 0 < found.port < 65536
    assert found.path.startswith("/")


def test_a_resolver_that_never_answers_does_not_hold_us() -> None:
    """The name's resolution is part of the deadline, though the system's resolver has none."""
    gate = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        gate.wait(5)
        return ["1.1.1.1"]

    guard = Guard(resolve=resolve)
    with pytest.raises(NotDelivered, match="no answer within") as caught:
        guard.connect("slow.example", 443, Deadline(0.1))
    gate.set()
    assert caught.value.passing
