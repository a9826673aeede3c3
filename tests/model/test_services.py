"""Services: what a rule's protocol and ports mean, what contracts may write, and what answers a packet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.model.intervals import Intervals, Span
from doorward.model.services import (
    ALL,
    ALL_OF_FAMILY,
    ALL_SPAN,
    BLOCK,
    EPHEMERAL,
    ICMP,
    ICMPV6,
    PROTOCOLS,
    TCP,
    UDP,
    answer_to,
    block,
    parse_service,
    protocol_number,
    rule_span,
    show_services,
    show_span,
)

laws = settings(max_examples=200, deadline=None)
PORTS = st.integers(0, 65_535)
BYTES = st.integers(0, 255)
OTHERS = st.integers(0, 255).filter(lambda number: number not in (ICMP, TCP, UDP, ICMPV6))


@st.composite
def terms(draw: st.DrawFn) -> tuple[str, Span]:
    """A term of the contract language with the span that it means, computed here."""
    kind = draw(st.sampled_from(["ports", "port", "protocol", "type", "code", "number", "all"]))
    name, number = draw(st.sampled_from([("tcp", 6), ("udp", 17)]))
    low, high = sorted((draw(PORTS), draw(PORTS)))
    if kind == "ports":
        return f"{name}/{low}-{high}", (number * BLOCK + low, number * BLOCK + high)
    if kind == "port":
        return f"{name}/{low}", (number * BLOCK + low, number * BLOCK + low)
    icmp, number2 = draw(st.sampled_from([("icmp", 1), ("icmpv6", 58)]))
    base = number2 * BLOCK
    type_, code = draw(BYTES), draw(BYTES)
    if kind == "type":
        return f"{icmp}/{type_}", (base + type_ * 256, base + type_ * 256 + 255)
    if kind == "code":
        return f"{icmp}/{type_}:{code}", (base + type_ * 256 + code, base + type_ * 256 + code)
    if kind == "protocol":
        one, of = draw(st.sampled_from([("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58)]))
        return one, (of * BLOCK, of * BLOCK + 65_535)
    if kind == "number":
        return f"proto/{type_}", (type_ * BLOCK, type_ * BLOCK + 65_535)
    return "all", (0, 256 * BLOCK - 1)


@laws
@given(terms())
def test_terms_mean_their_span(term: tuple[str, Span]) -> None:
    """Every term of the contract language is exactly its span."""
    text, span = term
    assert Intervals([span]) == parse_service(text)


@laws
@given(terms())
def test_round_trip(term: tuple[str, Span]) -> None:
    """What is shown of a service is read back as the same service."""
    _, span = term
    if span == ALL_SPAN:
        assert "all" == show_services(ALL)
    else:
        assert Intervals([span]) == parse_service(show_span(span))


@laws
@given(st.sampled_from([("tcp", 6), ("6", 6), ("TCP", 6), ("udp", 17), ("17", 17)]), PORTS, PORTS)
def test_ports_of_a_rule(protocol: tuple[str, int], one: int, other: int) -> None:
    """TCP and UDP rules hold their port range, whether the protocol is a name or a number
    (EC2 API Reference, *IpPermission*: "The IP protocol name (tcp, udp, icmp, icmpv6) or number")."""
    low, high = min(one, other), max(one, other)
    name, number = protocol
    assert (number * BLOCK + low, number * BLOCK + high) == rule_span(name, low, high)


@laws
@given(st.sampled_from(["-1", "all"]), st.none() | st.integers(-1, 65_535), st.none() | st.integers(-1, 65_535))
def test_everything(protocol: str, low: int | None, high: int | None) -> None:
    """-1 is all protocols and all ports, whatever the ports say (EC2 API Reference, *IpPermission*: "Use -1 to specify
    all protocols. When authorizing security group rules, specifying -1 … allows traffic on all ports, regardless of
    any port range you specify")."""
    assert ALL_SPAN == rule_span(protocol, low, high)


@laws
@given(OTHERS, st.none() | st.integers(-1, 65_535), st.none() | st.integers(-1, 65_535))
def test_ports_ignored(protocol: int, low: int | None, high: int | None) -> None:
    """A protocol other than tcp, udp, icmp and icmpv6 is allowed whole, whatever the ports say (same page: "… or a
    protocol number other than tcp, udp, icmp, or icmpv6 allows traffic on all ports, regardless of any port range").
    """
    assert block(protocol) == rule_span(str(protocol), low, high)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp", "icmpv6"])
def test_missing_ports(protocol: str) -> None:
    """Without a range the whole protocol is meant (same page, for icmpv6: "the port range is optional; if you omit the
    port range, traffic for all types and codes is allowed")."""
    assert block(PROTOCOLS[protocol]) == rule_span(protocol, None, None)
    assert block(PROTOCOLS[protocol]) == rule_span(protocol, -1, -1)


@laws
@given(st.sampled_from([("icmp", 1), ("1", 1), ("icmpv6", 58), ("58", 58)]), BYTES, BYTES)
def test_icmp(protocol: tuple[str, int], kind: int, code: int) -> None:
    """For ICMP the first port is the type and the last the code, -1 being all codes (EC2 API Reference,
    *IpPermission*, FromPort and ToPort); the name and the number are the same."""
    name, number = protocol
    base = number * BLOCK + kind * 256
    assert (base + code, base + code) == rule_span(name, kind, code)
    assert (base, base + 255) == rule_span(name, kind, -1)


@pytest.mark.parametrize(
    ("protocol", "low", "high"),
    [("tcp", 5, 4), ("tcp", 0, 65_536), ("icmp", 256, 0), ("icmp", 3, 256), ("256", 1, 1), ("tpc", 1, 1), ("", 1, 1)],
)
def test_impossible_rules(protocol: str, low: int, high: int) -> None:
    """What can be no rule is refused."""
    with pytest.raises(ValueError, match="not a"):
        rule_span(protocol, low, high)


@pytest.mark.parametrize(
    "text",
    ["", "tcp/", "tcp/65536", "tcp/2-1", "tcp/1-", "http", "443", "icmp/256", "icmp/3:256", "icmp/3-4", "tcp/1:2",
     "proto/256", "proto/", "all/1", "tcp/٣", "tcp/-1", "-1"],
)  # fmt: skip
def test_no_service(text: str) -> None:
    """What is no term is refused, saying what was got."""
    with pytest.raises(ValueError, match="not a"):
        parse_service(text)


def test_names_and_numbers() -> None:
    """IANA names and numbers of protocols are the same; -1 is none in particular."""
    assert {number: {number} for number in PROTOCOLS.values()} == {
        number: {protocol_number(name), protocol_number(str(number))} for name, number in PROTOCOLS.items()
    }
    assert protocol_number("-1") is None


def test_families() -> None:
    """ICMP belongs to IPv4 and ICMPv6 to IPv6; all else to both (IANA protocol numbers; rule book §1)."""
    assert Intervals([block(ICMP)]) == ALL_OF_FAMILY[4] - ALL_OF_FAMILY[6]
    assert Intervals([block(ICMPV6)]) == ALL_OF_FAMILY[6] - ALL_OF_FAMILY[4]
    assert ALL == ALL_OF_FAMILY[4] | ALL_OF_FAMILY[6]


@laws
@given(st.sampled_from([TCP, UDP]), PORTS, PORTS, PORTS)
def test_answers_of_ports(protocol: int, port: int, one: int, other: int) -> None:
    """A TCP or UDP packet is answered on the client's ephemeral port, so on all of the range (VPC User Guide,
    *Network ACLs*, Ephemeral ports)."""
    ephemeral = (min(one, other), max(one, other))
    base = protocol * BLOCK
    assert (base + ephemeral[0], base + ephemeral[1]) == answer_to(base + port, ephemeral)
    assert (base + 1024, base + 65_535) == answer_to(base + port)
    assert (1024, 65_535) == EPHEMERAL


@laws
@given(BYTES, BYTES)
def test_answers_of_icmp(kind: int, code: int) -> None:
    """An echo request is answered by an echo reply (RFC 792: 8 by 0; RFC 4443: 128 by 129); no other type is."""
    four = answer_to(ICMP * BLOCK + kind * 256 + code)
    six = answer_to(ICMPV6 * BLOCK + kind * 256 + code)
    assert ((ICMP * BLOCK, ICMP * BLOCK) if kind == 8 else None) == four
    reply = ICMPV6 * BLOCK + 129 * 256
    assert ((reply, reply) if kind == 128 else None) == six


@laws
@given(OTHERS, PORTS)
def test_answers_of_other_protocols(protocol: int, detail: int) -> None:
    """Any other protocol is answered by itself."""
    assert block(protocol) == answer_to(protocol * BLOCK + detail)


def test_words_for_people() -> None:
    """Sets are cut short, and the cut is said."""
    some = Intervals((TCP * BLOCK + port, TCP * BLOCK + port) for port in range(0, 12, 2))
    assert "tcp/0, tcp/2, tcp/4, tcp/6 and 2 more" == show_services(some)
    assert "no service" == show_services(Intervals())
