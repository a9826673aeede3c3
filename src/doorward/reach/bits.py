"""Sets of endpoints as the bits of one Python integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def bits_of(numbers: Iterable[int]) -> int:
    """The set of some endpoint numbers."""
    numbers = list(numbers)
    if not numbers:
        return 0
    if len(numbers) < 16:
        found = 0
        for number in numbers:
            found |= 1 << number
        return found
    raw = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        raw[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(raw, "little")


def union_bits(sets: Iterable[int]) -> int:
    """The union of sets of endpoints."""
    found = 0
    for one in sets:
        found |= one
    return found


def numbers_in(bits: int) -> Iterator[int]:
    """The endpoint numbers of a set, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
