"""Addresses and networks of both families: text to numbers and back."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.addresses import (
    EVERYWHERE,
    INTERNET,
    INTERNET_V4,
    INTERNET_V6,
    V4_ALL,
    V6,
    V6_ALL,
    family_of,
    networks,
    parse_address,
    parse_network,
    show_address,
    show_addresses,
    span_networks,
)
from doorward.model.intervals import Intervals, Span

laws = settings(max_examples=200, deadline=None)
FOURS = st.integers(*V4_ALL)
SIXES = st.integers(*V6_ALL)
LINE = FOURS | SIXES


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span within one family, often a short one."""
    first = draw(LINE)
    top = V4_ALL[1] if first < V6 else V6_ALL[1]
    last = draw(st.integers(first, top) | st.integers(first, min(top, first + 40)))
    return first, last


@laws
@given(LINE)
def test_address_round_trip(address: int) -> None:
    """An address that is shown is read back as itself, and keeps its family."""
    text = show_address(address)
    assert address == parse_address(text)
    assert (6 if ":" in text else 4) == family_of(address)


@laws
@given(FOURS, SIXES)
def test_agrees_with_the_standard_library(four: int, six: int) -> None:
    """The usual spelling of both families is that of Python's ``ipaddress``."""
    assert str(ipaddress.IPv4Address(four)) == show_address(four)
    assert str(ipaddress.IPv6Address(six - V6)) == show_address(six)


@laws
@given(LINE, st.integers(0, 128))
def test_host_bits_are_ignored(address: int, length: int) -> None:
    """A CIDR with host bits is the network that it lies in, as the EC2 API canonicalises it
    (EC2 API Reference, *IpRange*: "100.68.0.18/18" becomes "100.68.0.0/18")."""
    if address < V6:
        length %= 33
    text = f"{show_address(address)}/{length}"
    expected = ipaddress.ip_network(text, strict=False)
    base = V6 if address >= V6 else 0
    span = parse_network(text)
    assert (base + int(expected[0]), base + int(expected[-1])) == span
    assert span == parse_network(str(expected))
    assert span[0] <= address <= span[1]


def test_documented_host_bits() -> None:
    """EC2 API Reference, *IpRange*: "if you specify 100.68.0.18/18, it is modified to 100.68.0.0/18"."""
    assert parse_network("100.68.0.0/18") == parse_network("100.68.0.18/18")


@laws
@given(LINE)
def test_bare_address_is_one_address(address: int) -> None:
    """Without a length a network is the one address."""
    assert (address, address) == parse_network(show_address(address))


@laws
@given(spans())
def test_networks_of_a_span(span: Span) -> None:
    """The CIDRs of a span cover exactly that span, without overlap, and are the fewest."""
    texts = span_networks(span)
    parts = [parse_network(text) for text in texts]
    assert Intervals([span]) == Intervals(parts)
    assert span[1] - span[0] + 1 == sum(last - first + 1 for first, last in parts)
    collapsed = list(ipaddress.collapse_addresses(ipaddress.ip_network(text) for text in texts))  # type: ignore[type-var]  # one family
    assert len(collapsed) == len(texts)


@laws
@given(st.lists(spans(), max_size=5))
def test_networks_cover_exactly(parts: list[Span]) -> None:
    """The CIDRs of a set of both families are that set again, IPv4 first."""
    whole = Intervals(parts)
    texts = networks(whole)
    assert whole == Intervals(parse_network(text) for text in texts)
    assert texts == sorted(texts, key=lambda text: ":" in text)


def test_networks_of_everything() -> None:
    """The whole line is two networks, although the two families are far apart on it."""
    assert ["0.0.0.0/0", "::/0"] == networks(EVERYWHERE)
    assert [] == networks(Intervals())


@laws
@given(LINE)
def test_families_do_not_meet(address: int) -> None:
    """Every address is in exactly one family's whole."""
    inside = [low <= address <= high for low, high in (V4_ALL, V6_ALL)]
    assert [family_of(address) == 4, family_of(address) == 6] == inside


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "10.0.0",
        "10.0.0.0.0",
        "10.0.0.256",
        "10.0.0.-1",
        "1e1.0.0.0",
        "::g",
        "1:2",
        "10.0.0.٣",
        "fe80::1%eth0/64/64",
    ],
)
def test_no_address(text: str) -> None:
    """What is no address is refused with its text."""
    with pytest.raises(ValueError, match="not an address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/8/8"])
def test_no_network(text: str) -> None:
    """A length that does not fit its family, or is no number, is refused."""
    with pytest.raises(ValueError, match="not a network"):
        parse_network(text)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True), ("203.0.113.9", True), ("198.18.0.1", True), ("9.255.255.255", True), ("11.0.0.0", True),
        ("100.63.255.255", True), ("100.128.0.0", True), ("172.15.255.255", True), ("172.32.0.0", True),
        ("0.0.0.1", False), ("10.255.255.255", False), ("100.64.0.0", False), ("100.127.255.255", False),
        ("127.0.0.1", False), ("169.254.169.254", False), ("172.16.0.0", False), ("172.31.255.255", False),
        ("192.168.0.1", False), ("192.167.255.255", True), ("192.169.0.0", True), ("223.255.255.255", True),
        ("224.0.0.0", False), ("255.255.255.255", False), ("2000::", True),
        ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", True), ("1fff::1", False), ("4000::", False), ("fd00::1", False),
        ("fe80::1", False), ("::1", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_what_the_internet_is(text: str, public: bool) -> None:
    """``internet`` is public unicast (IANA special-purpose registries; rule book §1), to the very edges."""
    assert public == (parse_address(text) in INTERNET)


def test_internet_families() -> None:
    """The internet is its two families, each within its own half of the line."""
    assert INTERNET == INTERNET_V4 | INTERNET_V6
    assert INTERNET_V4 <= Intervals([V4_ALL])
    assert INTERNET_V6 <= Intervals([V6_ALL])


def test_words_for_people() -> None:
    """Many networks are cut short, and the cut is said."""
    some = Intervals(parse_network(f"10.0.{number * 2}.0/24") for number in range(5))
    assert "10.0.0.0/24, 10.0.2.0/24, 10.0.4.0/24 and 2 more" == show_addresses(some)
    assert "no address" == show_addresses(Intervals())
