"""DNS messages (RFC 1035 §4, AAAA of RFC 3596): queries and answers of addresses, which is all that the lab asks.

Lives here: bytes to values and back. Not here: sockets.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

A = 1
AAAA = 28
NOERROR = 0
SERVFAIL = 2
NXDOMAIN = 3
_HEADER = struct.Struct("!HHHHHH")
_ANSWER = struct.Struct("!HHHIH")
_RESPONSE = 0x8400  # an answer, authoritative
_POINTER_TO_QUESTION = 0xC00C


class Malformed(ValueError):
    """The bytes are no DNS message that the lab sends."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question."""

    id: int
    name: str  # without the last dot, lower case
    type: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: the response code (RFC 1035 §4.1.1) and the addresses."""

    id: int
    code: int
    addresses: tuple[str, ...]
    ttl: int  # seconds


def _name(text: str) -> bytes:
    labels = text.rstrip(".").encode("ascii").split(b".")
    if any(not 0 < len(label) < 64 for label in labels):
        raise Malformed(f"{text!r} is no domain name: each label has 1 to 63 bytes")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    while True:
        if at >= len(data):
            raise Malformed("the name runs past the end")
        size = data[at]
        if size == 0:
            return ".".join(labels).lower(), at + 1
        if size >= 64 or at + 1 + size > len(data):
            raise Malformed("a label that is too long, or compressed where nothing precedes it")
        labels.append(data[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size


def query(id_: int, name: str, type_: int) -> bytes:
    """The bytes of one question."""
    return _HEADER.pack(id_, 0x0100, 1, 0, 0, 0) + _name(name) + struct.pack("!HH", type_, 1)


def read_query(data: bytes) -> Query:
    """The question in these bytes. Raises `Malformed`."""
    if len(data) < _HEADER.size:
        raise Malformed("shorter than a header")
    id_, flags, questions, *_ = _HEADER.unpack_from(data)
    if flags & 0x8000 or questions != 1:
        raise Malformed("not one question")
    name, at = _read_name(data, _HEADER.size)
    if len(data) < at + 4:
        raise Malformed("the question has no type")
    return Query(id_, name, struct.unpack_from("!H", data, at)[0])


def answer(question: Query, code: int, addresses: Sequence[str] = (), ttl: int = 0) -> bytes:
    """The bytes of an answer: those of `addresses` that are of the question's type."""
    packed = [ipaddress.ip_address(a).packed for a in addresses]
    size = {A: 4, AAAA: 16}.get(question.type)
    records = [raw for raw in packed if len(raw) == size]
    body = b"".join(_ANSWER.pack(_POINTER_TO_QUESTION, question.type, 1, ttl, len(raw)) + raw for raw in records)
    head = _HEADER.pack(question.id, _RESPONSE | code, 1, len(records), 0, 0)
    return head + _name(question.name) + struct.pack("!HH", question.type, 1) + body


def read_answer(data: bytes) -> Answer:
    """The answer in these bytes. Raises `Malformed`."""
    if len(data) < _HEADER.size:
        raise Malformed("shorter than a header")
    id_, flags, questions, records, *_ = _HEADER.unpack_from(data)
    if not flags & 0x8000 or questions != 1:
        raise Malformed("not an answer to one question")
    _, at = _read_name(data, _HEADER.size)
    at += 4
    addresses, ttl = [], 0
    for _ in range(records):
        if len(data) < at + _ANSWER.size:
            raise Malformed("a record is cut off")
        pointer, type_, _class, ttl, size = _ANSWER.unpack_from(data, at)
        at += _ANSWER.size
        raw = data[at : at + size]
        if (
            pointer != _POINTER_TO_QUESTION
            or len(raw) != size
            or (type_ in (A, AAAA) and size != {A: 4, AAAA: 16}[type_])
        ):
            raise Malformed("a record that the lab's server does not write")
        if type_ in (A, AAAA):
            addresses.append(str(ipaddress.ip_address(raw)))
        at += size
    return Answer(id_, flags & 0xF, tuple(addresses), ttl)
