"""Names: the bytes of messages, the server's answers and faults, the resolver."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward_lab.stack import dnsmessage
from doorward_lab.stack.dns import Dns, DnsKnobs, DnsSettings
from doorward_lab.stack.resolver import LookupFailed, Resolver, endpoint
from tests.lab.stack.harness import addresses

_labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
_names = st.lists(_labels, min_size=1, max_size=4).map(".".join)
_ids = st.integers(0, 65535)
NAMES = {"db.lab.internal": ("127.0.0.7", "::7"), "four.lab.internal": ("127.0.0.8",)}


@given(_ids, _names, st.sampled_from([dnsmessage.A, dnsmessage.AAAA]))
def test_questions_come_back(id_: int, name: str, type_: int) -> None:
    """A question's bytes mean the question."""
    assert dnsmessage.Query(id_, name, type_) == dnsmessage.read_query(dnsmessage.query(id_, name, type_))


@given(
    _ids, _names, st.sampled_from([0, 2, 3]), st.lists(st.ip_addresses().map(str), max_size=6), st.integers(0, 86400)
)
def test_answers_come_back(id_: int, name: str, code: int, given_: list[str], ttl: int) -> None:
    """An answer's bytes mean the answer: the addresses of the question's family."""
    question = dnsmessage.Query(id_, name, dnsmessage.AAAA)
    answer = dnsmessage.read_answer(dnsmessage.answer(question, code, given_, ttl))

    sixes = tuple(a for a in given_ if ":" in a)
    assert dnsmessage.Answer(id_, code, sixes, ttl if sixes else 0) == answer


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    """Bytes of anybody never do more than be refused."""
    for read in (dnsmessage.read_query, dnsmessage.read_answer):
        with contextlib.suppress(dnsmessage.Malformed):
            read(data)


def test_the_wire_is_that_of_rfc_1035() -> None:
    """A question as other programs write it (RFC 1035 §4.1.2), and an answer as they read it."""
    wire = struct.pack("!HHHHHH", 0x1234, 0x0100, 1, 0, 0, 0) + b"\x02db\x03LAB\x00" + struct.pack("!HH", 1, 1)
    assert dnsmessage.Query(0x1234, "db.lab", 1) == dnsmessage.read_query(wire)
    answer = dnsmessage.answer(dnsmessage.read_query(wire), 0, ["10.0.0.1"], 5)
    assert answer.endswith(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01")


def served(work: Callable[[Dns, Resolver], Awaitable[None]], knobs: DnsKnobs | None = None) -> None:
    """Run `work` beside a server and with a resolver that asks it."""
    address = addresses(1)[0]

    async def main() -> None:
        server = Dns(DnsSettings(folder=".", listen=(address,), names=NAMES, port_dns=5399, ttl=60))
        server.knobs = knobs or DnsKnobs()
        await server.open()
        try:
            await work(server, Resolver([f"{address}:5399"], seconds=0.1))
        finally:
            await server.close()

    asyncio.run(main())


def test_names_resolve_in_both_families() -> None:
    """A name has its addresses, IPv4 first; of one family when asked so; addresses are themselves."""

    async def work(_: Dns, resolver: Resolver) -> None:
        assert ("127.0.0.7", "::7") == await resolver.addresses("db.lab.internal")
        assert ("::7",) == await resolver.addresses("db.lab.internal", socket.AF_INET6)
        assert ("127.0.0.8",) == await resolver.addresses("four.lab.internal")
        assert ("10.1.2.3",) == await resolver.addresses("10.1.2.3")
        with pytest.raises(LookupFailed, match="empty"):
            await resolver.addresses("four.lab.internal", socket.AF_INET6)
        with pytest.raises(LookupFailed, match="nxdomain"):
            await resolver.addresses("other.lab.internal")

    served(work)


@pytest.mark.parametrize(
    ("fault", "reason"), [("nxdomain", "nxdomain"), ("servfail", "servfail"), ("silent", "timeout")]
)
def test_faults_are_what_they_are_called(fault: str, reason: str) -> None:
    """Each fault is met as such by who asks, for the names chosen and no others."""

    async def work(_: Dns, resolver: Resolver) -> None:
        with pytest.raises(LookupFailed) as failed:
            await resolver.addresses("db.lab.internal")
        assert reason == failed.value.reason
        assert ("127.0.0.8",) == await resolver.addresses("four.lab.internal")

    served(work, DnsKnobs(fault=fault, only=("db.lab.internal",)))  # type: ignore[arg-type]


def test_answers_are_kept_for_their_time() -> None:
    """A name is asked for once as long as its answer lives: a fault is not met before."""

    async def work(server: Dns, resolver: Resolver) -> None:
        first = await resolver.addresses("db.lab.internal")
        server.knobs = DnsKnobs(fault="wrong", wrong_address="127.9.9.9")
        assert first == await resolver.addresses("db.lab.internal")
        assert ("127.9.9.9",) == await resolver.addresses("four.lab.internal")

    served(work)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.2", ("10.0.0.2", 53)), ("10.0.0.2:5353", ("10.0.0.2", 5353)), ("fd00::2", ("fd00::2", 53)),
        ("[fd00::2]:5353", ("fd00::2", 5353)), ("[fd00::2]", ("fd00::2", 53)),
    ],
)  # fmt: skip
def test_endpoints(text: str, expected: tuple[str, int]) -> None:
    """Addresses with and without ports, of both families."""
    assert expected == endpoint(text, 53)
