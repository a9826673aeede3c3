"""Netlink messages as bytes: attributes, headers, error answers. No sockets here.

Layouts: linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/fib_rules.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK = 1, 2, 4
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_DUMP = 0x300
_NLM_F_CAPPED, _NLM_F_ACK_TLVS = 0x100, 0x200

NLMSG_ERROR, NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1
_NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Answer:
    """One message that came back: its type, flags, sequence number and payload."""

    kind: int
    flags: int
    sequence: int
    payload: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """An attribute of a zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """An attribute of 32 bits in the machine's order."""
    return attribute(kind, struct.pack("=I", value))


def nested(kind: int, *values: bytes) -> bytes:
    """An attribute of attributes."""
    return attribute(kind | _NLA_F_NESTED, b"".join(values))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute in `data`."""
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4:
            return
        yield kind & _NLA_TYPE_MASK, data[at + 4 : at + length]
        at += (length + 3) & ~3


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """A whole message."""
    return HEADER.pack(len(payload) + 16, kind, flags, sequence, 0) + payload + b"\0" * (-len(payload) % 4)


def answers(data: bytes) -> Iterator[Answer]:
    """The messages in one datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if length < 16:
            return
        yield Answer(kind, flags, sequence, data[at + 16 : at + length])
        at += (length + 3) & ~3


def error(answer: Answer) -> tuple[int, str]:
    """(errno, the kernel's own words) of an error answer; errno 0 is an acknowledgement."""
    (code,) = _ERROR.unpack_from(answer.payload)
    words = ""
    if answer.flags & _NLM_F_ACK_TLVS:
        (length,) = struct.unpack_from("=I", answer.payload, 4)
        start = 20 if answer.flags & _NLM_F_CAPPED else 4 + ((length + 3) & ~3)
        for kind, value in attributes(answer.payload[start:]):
            if kind == _NLMSGERR_ATTR_MSG:
                words = value.rstrip(b"\0").decode(errors="replace")
    return -code, words
